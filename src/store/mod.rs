//! The store: where events and deliveries are safe.
//!
//! An append-only segment log is both write-ahead log and payload store; its `fdatasync` is the commit. SQLite is a
//! derived index, applied behind the commit by one thread, and rebuilt from the segments alone when it is lost.
//!
//! One thread writes the log (`writer`), one applies it to the index and removes what is old (`indexer`); readers have
//! connections of their own. A request is serialised in the task that brings it, answered when its group is synced, and
//! leased once it is indexed. `kill -9` loses nothing; a power failure at most outcomes of the last tenth of a second,
//! whose deliveries are then made once more under the same ids.

mod books;
mod cache;
mod desk;
mod disk;
mod index;
mod indexer;
mod log;
mod open;
mod query;
mod record;
mod retention;
mod room;
mod schema;
mod segment;
mod writer;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::clock::{Busy, Clock};
use crate::event::{DeliveryId, Event, EventId, Item, Kind, Original};
use crate::fate::{Attempt, Delivery, Fate, Plan};
use crate::name::Name;
use crate::telemetry::Metrics;
use cache::Cache;
use desk::{Desk, Desks, Hold};
use log::{Catalog, Draft};
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
    index_path: PathBuf,
    writer: Sender<Command>,
    index: Sender<Told>,
    permits: Arc<Semaphore>,
    /// The index cannot be written.
    failing: Arc<AtomicBool>,
    closing: Arc<AtomicBool>,
    readers: Mutex<Vec<Connection>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// One request, decoded: to be committed as a whole.
pub(crate) struct Intake {
    pub(crate) original: Arc<Original>,
    pub(crate) events: Vec<(Arc<Event>, Plan)>,
}

/// An authentic request that could not be decoded.
pub(crate) struct Unread {
    pub(crate) source: Name,
    pub(crate) original: Arc<Original>,
    pub(crate) reason: String,
}

/// Proof that a request is on disk. Only the store makes one, and the answer to a camera asks for it.
#[must_use]
#[derive(Debug)]
pub(crate) struct Accepted(());

/// An event read back: the event holds its original, pictures and raw as slices of it.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) event: Arc<Event>,
    pub(crate) plan: Arc<Plan>,
}

/// A delivery taken by a worker; nobody else gets it until it is settled or the lease is dropped.
pub(crate) struct Lease {
    pub(crate) id: DeliveryId,
    pub(crate) event: EventId,
    pub(crate) route: Name,
    pub(crate) item: Option<Item>,
    /// When the event was received, for `expires`.
    pub(crate) received_at: Timestamp,
    /// When it was planned (or made due again by hand), for `give_up_after`.
    pub(crate) planned_at: Timestamp,
    /// Attempts counted so far against `retry.attempts`.
    pub(crate) attempts: u32,
    /// The camera, when the target keeps order.
    pub(crate) camera: Option<String>,
    hold: Hold,
}

/// How a leased delivery goes on.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Settled {
    Delivered,
    /// `counts` is false when the attempt is not to be counted (a breaker's probe, a held target).
    Again {
        due: Timestamp,
        counts: bool,
    },
    Dead,
    Expired,
    Filtered,
}

/// Which deliveries may be leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Whichever is due first.
    None,
    /// Of each camera only the oldest undelivered, and only when it is due.
    Camera,
}

/// What a user or a refusal did to a whole target. Survives a restart.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum TargetState {
    Running,
    Paused { since: Timestamp },
    Held { since: Timestamp, reason: String },
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, or the store has reached `max_size` with nothing it may remove. Answered with 503.
    #[error("the store is full: {0}")]
    Full(String),
    #[error("the store failed: {0}")]
    Failed(String),
    #[error("another camhook holds the store {}; stop it first, or use --admin", path.display())]
    Locked { path: PathBuf },
    #[error("no such {what}: {id}")]
    Unknown { what: &'static str, id: String },
}

#[derive(Debug, Clone, Default)]
pub(crate) struct EventQuery {
    pub(crate) source: Option<String>,
    pub(crate) camera: Option<String>,
    /// A plate; `*` at the end searches by prefix.
    pub(crate) plate: Option<String>,
    pub(crate) kind: Option<Kind>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    /// Only events older than this one, for paging.
    pub(crate) before: Option<EventId>,
    /// 0 is all.
    pub(crate) limit: usize,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct DeliveryQuery {
    pub(crate) event: Option<EventId>,
    pub(crate) target: Option<String>,
    pub(crate) fate: Option<Fate>,
    pub(crate) before: Option<DeliveryId>,
    pub(crate) limit: usize,
}

/// Which dead and held deliveries to make due again.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RetryQuery {
    Ids(Vec<DeliveryId>),
    Target(Name),
    All,
}

pub(crate) struct QuarantineRow {
    pub(crate) id: EventId,
    pub(crate) source: Name,
    pub(crate) received_at: Timestamp,
    pub(crate) remote: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) size: u64,
    pub(crate) reason: String,
}

/// One target's deliveries.
#[derive(Debug, Clone)]
pub(crate) struct TargetSummary {
    pub(crate) target: Name,
    pub(crate) state: TargetState,
    pub(crate) fates: Vec<(Fate, u64)>,
    /// When the oldest undelivered event of this target was received.
    pub(crate) oldest_undelivered: Option<Timestamp>,
}

pub(crate) struct SourceSummary {
    pub(crate) source: Name,
    pub(crate) events: u64,
    pub(crate) quarantined: u64,
    pub(crate) last_received: Option<Timestamp>,
}

fn failed(error: impl std::fmt::Display) -> StoreError {
    StoreError::Failed(error.to_string())
}

impl Store {
    // The accepting half.

    /// Returns once the request, its events and all their deliveries are on disk.
    pub(crate) async fn accept(&self, intake: Intake) -> Result<Accepted, StoreError> {
        self.keep(intake, None).await
    }

    async fn keep(
        &self,
        intake: Intake,
        releases: Option<EventId>,
    ) -> Result<Accepted, StoreError> {
        let permit = self.permit().await?;
        let (draft, what) =
            record::request(&intake, self.0.clock.now(), releases).map_err(failed)?;
        // Beforehand, since a delivery may begin before this task runs again.
        for (event, plan) in &intake.events {
            let kept = Kept {
                event: event.clone(),
                plan: Arc::new(plan.clone()),
            };
            self.0.cache.put(kept, intake.events.len());
        }
        let safe = self.commit(draft, what, permit).await;
        if safe.is_err() {
            for (event, _) in &intake.events {
                self.0.cache.remove(event.id);
            }
        }
        safe
    }

    pub(crate) async fn quarantine(&self, unread: Unread) -> Result<Accepted, StoreError> {
        let permit = self.permit().await?;
        let now = self.0.clock.now();
        let (draft, what) = record::quarantine(&unread, EventId::at(now), now).map_err(failed)?;
        self.commit(draft, what, permit).await
    }

    /// A place among the requests that the index does not know yet.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        if self.0.failing.load(Ordering::SeqCst) {
            return Err(StoreError::Full("the index cannot be written".to_owned()));
        }
        let permits = self.0.permits.clone();
        permits.acquire_owned().await.map_err(failed)
    }

    async fn commit(
        &self,
        draft: Draft,
        what: What,
        permit: OwnedSemaphorePermit,
    ) -> Result<Accepted, StoreError> {
        let begun = Instant::now();
        let (safe, told) = oneshot::channel();
        self.append(writer::Item {
            draft,
            what,
            urgent: false,
            safe: Some(safe),
            applied: None,
            guard: self.guard(Some(permit)),
        })?;
        told.await.map_err(|_| closed())??;
        self.0
            .metrics
            .commit_seconds
            .observe(begun.elapsed().as_secs_f64());
        Ok(Accepted(()))
    }

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
            urgent: true,
            safe: Some(safe),
            applied: Some(applied),
            guard: self.guard(None),
        })?;
        is_safe.await.map_err(|_| closed())??;
        is_applied.await.map_err(|_| closed())
    }

    /// Whether the next request is likely to be accepted; for `/readyz` and to refuse early.
    pub(crate) fn accepting(&self) -> Result<(), StoreError> {
        if self.0.closing.load(Ordering::SeqCst) {
            return Err(closed());
        }
        if self.0.failing.load(Ordering::SeqCst) {
            return Err(StoreError::Full("the index cannot be written".to_owned()));
        }
        match self.0.room.full() {
            None => Ok(()),
            Some(why) => {
                // Whoever refuses early would never find out that there is room again.
                let _ = self.0.writer.send(Command::Probe);
                Err(StoreError::Full(why))
            }
        }
    }

    // The delivering half.

    /// Up to `max` due deliveries of the target, taken; and when the next one falls due, if none was.
    pub(crate) async fn lease(
        &self,
        target: &Name,
        order: Order,
        max: usize,
    ) -> Result<Leased, StoreError> {
        let desk = self.0.desks.of(target);
        let _turn = desk.turn.lock().await;
        if order == Order::Camera && !desk.keeps_order() {
            let (reply, done) = oneshot::channel();
            let told = Told::Order(target.clone(), reply);
            self.0.index.send(told).map_err(|_| closed())?;
            done.await
                .map_err(|_| failed("the index cannot be written"))?;
            desk.keep_order();
        }
        let (target, desk_there) = (target.clone(), desk.clone());
        let now = self.0.clock.now();
        self.read(move |db, _| {
            // Before the snapshot is taken: what is settled and indexed in between is in neither otherwise.
            let taken = desk_there.taken();
            let (due, next_due) = match order {
                Order::None => query::due_first(db, &target, now, &taken, max),
                Order::Camera => query::oldest_of_each_camera(db, &target, now, &taken, max),
            }?;
            let leases: Vec<Lease> = due.into_iter().map(|due| lease(&desk_there, due)).collect();
            let next_due = if leases.is_empty() {
                next_due
                    .into_iter()
                    .chain(desk_there.first_deadline())
                    .min()
            } else {
                None
            };
            Ok(Leased { leases, next_due })
        })
        .await
    }

    /// Ends once the target may have something new to lease. Nothing is missed between two calls. What it returns keeps a
    /// stepped clock still until whoever waited is at work.
    pub(crate) async fn changed(&self, target: &Name) -> Busy {
        self.0.desks.of(target).changed().await
    }

    /// Notes what came of a lease. Not waited for: it is written with the next group.
    pub(crate) fn settle(&self, lease: Lease, attempt: Option<Attempt>, settled: Settled) {
        let outcome = record::Outcome {
            at: self.0.clock.now(),
            delivery: lease.hold.settle(),
            attempt,
            settled,
        };
        let what = What::Outcome(Box::new(outcome));
        let appended = what.draft().map_err(failed).and_then(|draft| {
            self.append(writer::Item {
                draft,
                what,
                urgent: true,
                safe: None,
                applied: None,
                guard: self.guard(None),
            })
        });
        if let Err(error) = appended {
            tracing::error!(%error, delivery = %lease.id, "an outcome is lost; the delivery will be made again");
        }
    }

    /// Reads one event back from the log.
    pub(crate) async fn event(&self, id: EventId) -> Result<Kept, StoreError> {
        if let Some(kept) = self.0.cache.get(id) {
            return Ok(kept);
        }
        self.read_inner(move |inner, db| {
            let located = query::locate(db, id).map_err(failed)?;
            let unknown = || StoreError::Unknown {
                what: "event",
                id: id.to_string(),
            };
            let located = located.ok_or_else(unknown)?;
            let again = query::plans_again(db, located.number).map_err(failed)?;
            let record = inner
                .catalog
                .read(located.position, located.lsn)
                .map_err(failed)?;
            let events = record::events(&record).map_err(failed)?;
            let siblings = events.len();
            let found = events.into_iter().find(|(event, _)| event.id == id);
            let (event, mut plan) = found.ok_or_else(unknown)?;
            for more in again {
                for choice in more.routes {
                    plan.routes.retain(|old| old.route != choice.route);
                    plan.routes.push(choice);
                }
                plan.deliveries.extend(more.deliveries);
            }
            let kept = Kept {
                event,
                plan: Arc::new(plan),
            };
            inner.cache.put(kept.clone(), siblings);
            Ok(kept)
        })
        .await
    }

    pub(crate) async fn set_target_state(
        &self,
        target: &Name,
        state: TargetState,
    ) -> Result<(), StoreError> {
        let steered = record::Steered {
            at: self.0.clock.now(),
            target: target.clone(),
            state,
        };
        self.say(What::Target(steered)).await.map(|_| ())
    }

    pub(crate) fn target_state(&self, target: &Name) -> TargetState {
        self.0.desks.of(target).state()
    }

    // Looking in.

    /// Asks the index on the blocking pool, on a connection that only reads.
    async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection, &Inner) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read_inner(move |inner, db| ask(db, inner).map_err(failed))
            .await
    }

    async fn read_inner<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Inner, &Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = self.0.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let reader = inner
                .readers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop();
            let db = match reader {
                Some(db) => db,
                None => schema::open_reader(&inner.index_path).map_err(failed)?,
            };
            let answer = ask(&inner, &db);
            inner
                .readers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(db);
            answer
        });
        asked.await.map_err(failed)?
    }

    /// Newest first.
    pub(crate) async fn events(&self, query: EventQuery) -> Result<Vec<EventId>, StoreError> {
        self.read(move |db, _| query::events(db, &query)).await
    }

    /// Newest first.
    pub(crate) async fn deliveries(
        &self,
        query: DeliveryQuery,
    ) -> Result<Vec<Delivery>, StoreError> {
        self.read(move |db, inner| {
            query::deliveries(db, &query, &inner.desks.held(), inner.clock.now())
        })
        .await
    }

    pub(crate) async fn targets(&self) -> Result<Vec<TargetSummary>, StoreError> {
        self.read(move |db, inner| query::targets(db, &inner.desks.states(), inner.clock.now()))
            .await
    }

    pub(crate) async fn sources(&self) -> Result<Vec<SourceSummary>, StoreError> {
        self.read(|db, _| query::sources(db)).await
    }

    /// Newest first; 0 is all.
    pub(crate) async fn quarantined(&self, limit: usize) -> Result<Vec<QuarantineRow>, StoreError> {
        self.read(move |db, _| query::quarantined(db, limit)).await
    }

    pub(crate) async fn quarantined_request(&self, id: EventId) -> Result<Unread, StoreError> {
        self.read_inner(move |inner, db| {
            let located = query::locate_quarantined(db, id).map_err(failed)?;
            let located = located.ok_or_else(|| StoreError::Unknown {
                what: "quarantined request",
                id: id.to_string(),
            })?;
            let record = inner
                .catalog
                .read(located.position, located.lsn)
                .map_err(failed)?;
            record::unread(&record).map_err(failed)
        })
        .await
    }

    /// Bytes on disk.
    pub(crate) fn size(&self) -> u64 {
        self.0.room.used()
    }

    // Steering.

    /// How many were made due again, under the same ids.
    pub(crate) async fn retry(&self, which: RetryQuery) -> Result<u64, StoreError> {
        if let RetryQuery::Ids(ids) = &which {
            let ids = ids.clone();
            let unknown = self
                .read(move |db, _| query::unknown_delivery(db, &ids))
                .await?;
            if let Some(id) = unknown {
                return Err(StoreError::Unknown {
                    what: "delivery",
                    id: id.to_string(),
                });
            }
        }
        let at = self.0.clock.now();
        self.say(What::Retry(record::Retry { at, which })).await
    }

    /// Adds deliveries to an event that is kept already (replay).
    pub(crate) async fn plan_again(&self, event: EventId, plan: Plan) -> Result<(), StoreError> {
        let at = self.0.clock.now();
        let again = record::PlanAgain { at, event, plan };
        let found = self.say(What::PlanAgain(Box::new(again))).await?;
        self.0.cache.remove(event);
        if found == 0 {
            return Err(StoreError::Unknown {
                what: "event",
                id: event.to_string(),
            });
        }
        Ok(())
    }

    /// A quarantined request that can be decoded now: its events are committed and its quarantine row goes.
    pub(crate) async fn release(
        &self,
        quarantined: EventId,
        intake: Intake,
    ) -> Result<Accepted, StoreError> {
        self.keep(intake, Some(quarantined)).await
    }

    /// Removes events received before that moment with everything settled, and returns how many. Their segments go with
    /// the next [`Store::retain`], once nothing in them is kept.
    pub(crate) async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        let at = self.0.clock.now();
        self.say(What::Purge(record::Purge { at, before })).await
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

fn lease(desk: &Arc<Desk>, due: query::Candidate) -> Lease {
    Lease {
        hold: desk.take(due.number),
        id: due.id,
        event: due.event,
        route: due.route,
        item: due.item,
        received_at: due.received_at,
        planned_at: due.planned_at,
        attempts: due.attempts,
        camera: due.camera,
    }
}

impl Inner {
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
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) struct Leased {
    pub(crate) leases: Vec<Lease>,
    pub(crate) next_due: Option<Timestamp>,
}

#[cfg(test)]
mod tests;
