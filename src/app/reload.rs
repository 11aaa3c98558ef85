//! A changed config takes over without dropping a request; a bad one is refused and the running one stays.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::App;
use super::certificates::Certificates;
use super::planner::Plans;
use crate::admin::{Gate, Planner as _};
use crate::config::{self, Config, Surroundings};
use crate::delivery::Deliveries;
use crate::fetch::Fetches;
use crate::refresh::Refreshes;
use crate::server::{Door, Subscriptions};
use crate::tasks::Tasks;
use crate::telemetry::{ListOnly, Metrics, Reloaded};

/// What a new config is put into.
struct Running {
    config: PathBuf,
    surroundings: Surroundings,
    door: Arc<arc_swap::ArcSwap<Door>>,
    plans: Arc<Plans>,
    deliveries: Arc<Deliveries>,
    subscriptions: Arc<Subscriptions>,
    fetches: Arc<Fetches>,
    refreshes: Arc<Refreshes>,
    metrics: Metrics,
    certificates: Certificates,
    gate: Arc<Gate>,
    settings: Fixed,
}

/// What only a restart can change.
#[derive(PartialEq)]
pub(super) struct Fixed {
    /// `admin.listen`.
    admin: SocketAddr,
    others: String,
}

impl Fixed {
    pub(super) fn of(config: &Config) -> Self {
        let Config {
            server,
            admin,
            store,
            log,
            ..
        } = config;
        Self {
            admin: admin.listen,
            others: format!(
                "{:?} {} {store:?} {log:?}",
                server.fixed(),
                admin.tls.is_some()
            ),
        }
    }
}

impl App {
    /// Loads the config anew whenever one of its files changes, and on SIGHUP.
    pub(super) fn follow(&self, files: Vec<PathBuf>, settings: Fixed) {
        let running = Running {
            config: self.config.clone(),
            surroundings: self.surroundings.clone(),
            door: self.door.clone(),
            plans: self.plans.clone(),
            deliveries: self.deliveries.clone(),
            subscriptions: self.subscriptions.clone(),
            fetches: self.fetches.clone(),
            refreshes: self.refreshes.clone(),
            metrics: self.metrics.clone(),
            certificates: self.certificates.clone(),
            gate: self.gate.clone(),
            settings,
        };
        let tasks = self.accepting.clone();
        self.accepting.spawn(running.follow(files, tasks));
    }
}

impl Running {
    async fn follow(self, mut files: Vec<PathBuf>, tasks: Tasks) {
        let mut hangups = signal(SignalKind::hangup()).ok();
        let mut watch = Watch::of(&files, &tasks);
        loop {
            let hangup = async {
                match &mut hangups {
                    Some(hangups) => hangups.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = tasks.stopping() => return,
                _ = hangup => tracing::info!("asked to load the config again"),
                () = watch.changed() => tracing::info!("the config has changed"),
            }
            if let Some(now) = self.load().await
                && now != files
            {
                watch = Watch::of(&now, &tasks);
                files = now;
            }
        }
    }

    /// Returns the files that the new config reads.
    async fn load(&self) -> Option<Vec<PathBuf>> {
        let (path, around) = (self.config.clone(), self.surroundings.clone());
        let loaded = tokio::task::spawn_blocking(move || Config::load_by(&path, &around)).await;
        let outcome = |outcome| {
            self.metrics
                .reloads
                .get_or_create(&Reloaded { outcome })
                .inc()
        };
        match loaded {
            Ok(Ok(mut config)) => {
                if Fixed::of(&config) != self.settings {
                    tracing::warn!(
                        "what changed in `server`, `admin.listen`, `store` or `log` is taken up by a restart only (`catch_all` and certificates apart)"
                    );
                }
                // Who may look was checked for the address in the file; another one is still bound.
                if config.admin.listen == self.settings.admin {
                    self.gate.replace(&config.admin);
                }
                let files = config.files.clone();
                self.certificates
                    .replace(config.server_tls.take(), config.admin_tls.take());
                // Before anybody looks plates up in the new lists, they get what is in memory.
                self.refreshes
                    .replace(std::mem::take(&mut config.refreshed));
                self.forget_lists(&config);
                for route in self.plans.replace(&config.planned()) {
                    tracing::warn!(
                        %route,
                        "this route is gone: what is still pending of it will be dead, and `camhook replay` plans it anew"
                    );
                }
                let subscriptions = config.subscriptions();
                let fetchers = config.fetchers();
                let (door, pipelines) = config.open();
                // The way out first: an event that comes in by a new route must find its target.
                self.plans.replace_pipelines(pipelines.clone());
                self.deliveries.replace(pipelines);
                self.fetches.replace(fetchers);
                self.door.store(Arc::new(door));
                self.subscriptions.replace(subscriptions);
                outcome("taken");
                tracing::info!("the new config is in use");
                Some(files)
            }
            Ok(Err(report)) => {
                outcome("refused");
                tracing::error!(
                    "the new config is refused, the running one stays:\n{}",
                    report.plain()
                );
                None
            }
            Err(error) => {
                outcome("refused");
                tracing::error!(%error, "the new config could not be loaded, the running one stays");
                None
            }
        }
    }
}

impl Running {
    /// What is not in the config any more is not measured any more.
    fn forget_lists(&self, config: &Config) {
        for (name, _) in self.plans.lists().iter() {
            if config.lists.get(name).is_none() {
                let label = ListOnly::new(name);
                self.metrics.list_rows.remove(&label);
                self.metrics.list_age_seconds.remove(&label);
            }
        }
    }
}

/// Watches files until it is dropped.
struct Watch {
    changes: Option<mpsc::Receiver<()>>,
    tasks: Tasks,
}

impl Watch {
    fn of(files: &[PathBuf], tasks: &Tasks) -> Self {
        let tasks = tasks.child();
        let changes = config::watch(files.to_owned(), &tasks);
        let changes = changes.inspect_err(|error| {
            tracing::warn!(%error, "the config is not watched; send SIGHUP after a change");
        });
        Self {
            changes: changes.ok(),
            tasks,
        }
    }

    async fn changed(&mut self) {
        match &mut self.changes {
            Some(changes) => {
                if changes.recv().await.is_none() {
                    std::future::pending().await
                }
            }
            None => std::future::pending().await,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}
