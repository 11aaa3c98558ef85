//! The store: where events and deliveries are safe.
//!
//! An append-only segment log is both write-ahead log and payload store; its `fdatasync` is the commit. SQLite is a
//! derived index, applied behind the commit by one thread, and rebuilt from the segments alone when it is lost.
//!
//! One thread writes the log (`writer`), one applies it to the index and removes what is old (`indexer`); readers have
//! connections of their own. A request is serialised in the task that brings it, answered when its group is synced, and
//! leased once it is indexed. `kill -9` loses nothing; a power failure at most outcomes of the last tenth of a second,
//! whose deliveries are then made once more under the same ids.

mod accept;
mod activity;
mod backup;
mod books;
mod by_hand;
mod cache;
mod carried;
mod catalog;
mod check;
mod compare;
mod damage;
mod delivery_rows;
mod desk;
mod disk;
mod due;
mod event_walk;
mod feed;
mod find;
mod fitting;
mod forget;
mod forgetting;
mod idle;
mod index;
mod indexer;
mod jobs;
mod joined;
mod lease;
mod log;
mod look;
mod notes;
mod open;
mod outcomes;
mod overview;
mod pictures;
mod plates;
mod probe;
mod progress;
mod purge;
mod purged;
mod quarantine;
mod query;
mod record;
mod redact;
mod removal;
mod request;
mod retention;
mod rewrite;
mod room;
mod scan;
mod schema;
mod scrub;
mod seal;
mod segment;
mod selection;
mod set_clock;
mod shed;
mod since;
mod snapshot;
mod steer;
mod survey;
mod trouble;
mod undelivered;
mod walk;
mod watch;
mod weighing;
mod worked;
mod writer;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

pub(crate) use accept::{Accepted, Intake, Unread};
pub(crate) use backup::backup;
pub(crate) use check::{Checked, Damaged, IndexState, check};
pub(crate) use feed::{LISTENERS_MAX, Listener, Place as FeedPlace, Taken};
pub(crate) use find::Cursor;
pub(crate) use forget::Sighting;
pub(crate) use jobs::{
    Action, Again, EVENTS_MAX, Job, JobState, Order as JobOrder, PART_MAX, Step,
};
pub(crate) use lease::{Lease, Order, Settled};
pub(crate) use look::{
    DeliveryQuery, EventQuery, Found, FoundEvent, PageQuery, QuarantineRow, SourceSummary,
    TargetSummary,
};
pub(crate) use overview::{CameraQuery, CameraSummary, Failing, History, TargetActivity};
pub(crate) use pictures::{Fetch, FetchedPicture, Unfetched};
pub(crate) use probe::{try_log, try_records};
pub(crate) use record::Forgotten;
pub(crate) use request::there_and_back;
pub(crate) use selection::{Place, Selection};
pub(crate) use since::{Back, Told as FeedTold, Wanted};
pub(crate) use steer::{RetryQuery, TargetState};
pub(crate) use undelivered::{Group, Preview, Undelivered};

use crate::clock::Clock;
use crate::decide::Memory;
use crate::event::Event;
use crate::fate::Plan;
use crate::telemetry::Metrics;
use cache::Cache;
use catalog::Catalog;
use desk::Desks;
use feed::Feed;
use forget::Gone;
use record::What;
use room::Room;
use writer::{Command, Guard, Told};

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) path: PathBuf,
    /// Events older than this are removed, unless a delivery of theirs is still pending.
    pub(crate) keep: Duration,
    /// Bytes on disk, segments and index together; beyond it the oldest events go first, and when all that is left is
    /// still pending, nothing more is accepted.
    pub(crate) max_size: u64,
    /// When pictures go before their events; `None`: with them.
    pub(crate) pictures: Option<Pictures>,
}

/// How long pictures, and the requests they came in, are kept when their events stay longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pictures {
    pub(crate) keep: Duration,
    /// Bytes of segments that still have theirs.
    pub(crate) max_size: u64,
}

/// The open store. Cheap to clone. One process holds a store at a time.
#[derive(Clone)]
pub(crate) struct Store(Arc<Inner>);

struct Inner {
    clock: Clock,
    metrics: Metrics,
    catalog: Arc<Catalog>,
    room: Arc<Room>,
    desks: Arc<Desks>,
    cache: Arc<Cache>,
    feed: Arc<Feed>,
    memory: Memory,
    /// What was forgotten while it was under way.
    gone: Mutex<Gone>,
    index_path: PathBuf,
    writer: Sender<Command>,
    index: Sender<Told>,
    permits: Arc<Semaphore>,
    /// The index cannot be written.
    failing: Arc<AtomicBool>,
    closing: Arc<AtomicBool>,
    /// Who works on a job, or changes one, has the turn.
    jobs: Arc<tokio::sync::Mutex<()>>,
    readers: Mutex<Vec<Connection>>,
    /// As many as may read the index at once.
    reading: Arc<Semaphore>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Outcomes are waited for, for simulations.
    #[cfg(test)]
    in_step: AtomicBool,
}

/// An event read back: the event holds its original, pictures and raw as slices of it.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) event: Arc<Event>,
    pub(crate) plan: Arc<Plan>,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, or the store has reached `max_size` with nothing it may remove. Answered with 503.
    #[error("the store is full: {0}")]
    Full(String),
    #[error("the store failed: {0}")]
    Failed(String),
    /// What was stored cannot be read any more, and no second try would help.
    #[error("what was stored is damaged: {0}")]
    Damaged(String),
    #[error("another camhook holds the store {}; stop it first, or use --admin", path.display())]
    Locked { path: PathBuf },
    #[error("no such {what}: {id}")]
    Unknown { what: &'static str, id: String },
}

fn failed(error: impl std::fmt::Display) -> StoreError {
    StoreError::Failed(error.to_string())
}

impl Store {
    fn guard(&self, permit: Option<OwnedSemaphorePermit>) -> Guard {
        Guard {
            _busy: self.0.clock.busy(),
            _permit: permit,
        }
    }

    fn append(&self, item: writer::Item) -> Result<(), StoreError> {
        let command = Command::Append(Box::new(item));
        self.0.writer.send(command).map_err(|_| closed())
    }

    /// Writes a record without payload and waits until the index has applied it.
    async fn say(&self, what: What) -> Result<u64, StoreError> {
        let (safe, is_safe) = oneshot::channel();
        let (applied, is_applied) = oneshot::channel();
        self.append(writer::Item {
            draft: what.draft().map_err(failed)?,
            what,
            to_deliver: Vec::new(),
            urgent: true,
            safe: Some(safe),
            applied: Some(applied),
            guard: self.guard(None),
        })?;
        is_safe.await.map_err(|_| closed())??;
        is_applied.await.map_err(|_| {
            StoreError::Failed("it was noted, but not carried out; try again".to_owned())
        })
    }

    /// Removes what is older than `keep` or beyond `max_size`, as far as it is settled. To be called now and then.
    pub(crate) async fn retain(&self) -> Result<(), StoreError> {
        let (reply, done) = oneshot::channel();
        let _busy = self.0.clock.busy();
        self.0
            .index
            .send(Told::Retain(reply))
            .map_err(|_| closed())?;
        done.await.map_err(|_| closed())?
    }

    /// Waits until the index has caught up with the log.
    pub(crate) async fn caught_up(&self) {
        let (reply, done) = oneshot::channel();
        if self.0.writer.send(Command::Barrier(reply)).is_ok() {
            let _ = done.await;
        }
    }

    /// Writes everything out and lets go of the store.
    pub(crate) async fn close(&self) {
        let inner = self.0.clone();
        let _ = tokio::task::spawn_blocking(move || inner.stop()).await;
    }
}

fn closed() -> StoreError {
    StoreError::Failed("it is closed".to_owned())
}

impl Inner {
    fn gone(&self) -> MutexGuard<'_, Gone> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets both threads finish what they were given, and waits for them.
    fn stop(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.permits.close();
        let _ = self.writer.send(Command::Close);
        self.readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the store has panicked");
                #[cfg(test)]
                panic!("a thread of the store has panicked");
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests;
