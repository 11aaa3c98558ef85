//! The config file of a running camhook: loads that are asked for, and what became of them.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::admin::{LoadError, Loads, OnDisk, RefusedLoad};
use crate::clock::Clock;
use crate::config::Config;

/// Loads that may be asked for while one is under way.
const ASKED_MAX: usize = 8;

/// Told what became of the load.
pub(super) type Asked = oneshot::Sender<Result<(), String>>;

pub(super) struct File {
    path: PathBuf,
    clock: Clock,
    asks: mpsc::Sender<Asked>,
    state: Mutex<State>,
    /// One look at a time: each reads all that the file names.
    looking: tokio::sync::Mutex<()>,
}

struct State {
    loaded: Timestamp,
    refused: Option<RefusedLoad>,
    restart_due: bool,
}

impl File {
    /// Just loaded; whoever loads it again takes what is asked out of the second.
    pub(super) fn new(path: &Path, clock: Clock) -> (Self, mpsc::Receiver<Asked>) {
        let (asks, asked) = mpsc::channel(ASKED_MAX);
        let state = State {
            loaded: clock.now(),
            refused: None,
            restart_due: false,
        };
        let file = Self {
            path: path.to_owned(),
            clock,
            asks,
            state: Mutex::new(state),
            looking: tokio::sync::Mutex::default(),
        };
        (file, asked)
    }

    fn change(&self, change: impl FnOnce(&mut State, Timestamp)) {
        let now = self.clock.now();
        change(
            &mut self.state.lock().unwrap_or_else(PoisonError::into_inner),
            now,
        );
    }

    pub(super) fn taken(&self, restart_due: bool) {
        self.change(|state, now| {
            state.loaded = now;
            state.restart_due = restart_due;
        });
    }

    pub(super) fn refused(&self, mistakes: &str) {
        self.change(|state, at| {
            let mistakes = mistakes.to_owned();
            state.refused = Some(RefusedLoad { at, mistakes });
        });
    }

    pub(super) fn loads(&self) -> Loads {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Loads {
            file: self.path.display().to_string(),
            loaded: state.loaded,
            refused: state.refused.clone(),
            restart_due: state.restart_due,
        }
    }

    /// Reads and checks it as `camhook check` does; nothing of it is used.
    pub(super) async fn on_disk(&self) -> OnDisk {
        let _turn = self.looking.lock().await;
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || Config::load(&path));
        match read.await {
            Ok(Ok(config)) => OnDisk::Fine(config.shown),
            Ok(Err(report)) => OnDisk::Wrong(report.plain()),
            Err(error) => OnDisk::Wrong(format!("it could not be checked: {error}\n")),
        }
    }

    pub(super) async fn load_now(&self) -> Result<(), LoadError> {
        let (tell, told) = oneshot::channel();
        self.asks.send(tell).await.map_err(|_| LoadError::Stopped)?;
        let outcome = told.await.map_err(|_| LoadError::Stopped)?;
        outcome.map_err(LoadError::Wrong)
    }
}
