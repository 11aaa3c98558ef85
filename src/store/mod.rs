//! The store: where events and deliveries are safe.
//!
//! An append-only segment log is both write-ahead log and payload store; its `fdatasync` is the commit. SQLite is a
//! derived index, applied behind the commit by one thread, and rebuilt from the segments alone when it is lost.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::clock::Clock;
use crate::event::{DeliveryId, Event, EventId, Item, Kind, Original};
use crate::fate::{Attempt, Delivery, Fate, Plan};
use crate::name::Name;

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
pub(crate) struct Store;

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
}

/// How a leased delivery goes on.
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
pub(crate) enum StoreError {
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

impl Store {
    pub(crate) fn open(settings: Settings, clock: Clock) -> Result<Self, StoreError> {
        todo!()
    }

    // The accepting half.

    /// Returns once the request, its events and all their deliveries are on disk.
    pub(crate) async fn accept(&self, intake: Intake) -> Result<Accepted, StoreError> {
        todo!()
    }
    pub(crate) async fn quarantine(&self, unread: Unread) -> Result<Accepted, StoreError> {
        todo!()
    }
    /// Whether the next request is likely to be accepted; for `/readyz` and to refuse early.
    pub(crate) fn accepting(&self) -> Result<(), StoreError> {
        todo!()
    }

    // The delivering half.

    /// Up to `max` due deliveries of the target, taken; and when the next one falls due, if none was.
    pub(crate) async fn lease(
        &self,
        target: &Name,
        order: Order,
        max: usize,
    ) -> Result<Leased, StoreError> {
        todo!()
    }
    /// Ends once the target may have something new to lease.
    pub(crate) async fn changed(&self, target: &Name) {
        todo!()
    }
    pub(crate) fn settle(&self, lease: Lease, attempt: Option<Attempt>, settled: Settled) {
        todo!()
    }
    /// Reads one event back from the log.
    pub(crate) async fn event(&self, id: EventId) -> Result<Kept, StoreError> {
        todo!()
    }
    pub(crate) async fn set_target_state(
        &self,
        target: &Name,
        state: TargetState,
    ) -> Result<(), StoreError> {
        todo!()
    }
    pub(crate) fn target_state(&self, target: &Name) -> TargetState {
        todo!()
    }

    // Looking in.

    /// Newest first.
    pub(crate) async fn events(&self, query: EventQuery) -> Result<Vec<EventId>, StoreError> {
        todo!()
    }
    pub(crate) async fn deliveries(
        &self,
        query: DeliveryQuery,
    ) -> Result<Vec<Delivery>, StoreError> {
        todo!()
    }
    pub(crate) async fn targets(&self) -> Result<Vec<TargetSummary>, StoreError> {
        todo!()
    }
    pub(crate) async fn sources(&self) -> Result<Vec<SourceSummary>, StoreError> {
        todo!()
    }
    pub(crate) async fn quarantined(&self, limit: usize) -> Result<Vec<QuarantineRow>, StoreError> {
        todo!()
    }
    pub(crate) async fn quarantined_request(&self, id: EventId) -> Result<Unread, StoreError> {
        todo!()
    }
    /// Bytes on disk.
    pub(crate) fn size(&self) -> u64 {
        todo!()
    }

    // Steering.

    /// How many were made due again, under the same ids.
    pub(crate) async fn retry(&self, which: RetryQuery) -> Result<u64, StoreError> {
        todo!()
    }
    /// Adds deliveries to an event that is kept already (replay).
    pub(crate) async fn plan_again(&self, event: EventId, plan: Plan) -> Result<(), StoreError> {
        todo!()
    }
    /// A quarantined request that can be decoded now: its events are committed and its quarantine row goes.
    pub(crate) async fn release(
        &self,
        quarantined: EventId,
        intake: Intake,
    ) -> Result<Accepted, StoreError> {
        todo!()
    }
    /// Removes events received before that moment with everything settled, and returns how many.
    pub(crate) async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        todo!()
    }
    /// Waits until the index has caught up with the log.
    pub(crate) async fn caught_up(&self) {
        todo!()
    }
    /// Writes everything out and lets go of the store.
    pub(crate) async fn close(&self) {
        todo!()
    }
}

pub(crate) struct Leased {
    pub(crate) leases: Vec<Lease>,
    pub(crate) next_due: Option<Timestamp>,
}
