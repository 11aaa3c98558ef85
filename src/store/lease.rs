//! The delivering half: leases of due deliveries, and what came of them.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::desk::{Desk, Hold};
use super::record::{self, What};
use super::writer::{self, Told};
use super::{Inner, Store, StoreError, closed, due, failed};
use crate::clock::Busy;
use crate::event::{DeliveryId, EventId, Item};
use crate::fate::Attempt;
use crate::name::Name;

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
    #[cfg_attr(not(test), expect(dead_code, reason = "tests look at the order by it"))]
    pub(crate) camera: Option<String>,
    /// Other events went into this one, see [`Store::parts`].
    pub(crate) has_parts: bool,
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

/// Deliveries of a target that is no more, ended in one go.
const ENDED_AT_ONCE: usize = 500;

pub(crate) struct Leased {
    pub(crate) leases: Vec<Lease>,
    pub(crate) next_due: Option<Timestamp>,
}

impl Store {
    /// Up to `max` due deliveries of the target, taken; and when the next one falls due, if none was.
    pub(crate) async fn lease(
        &self,
        target: &Name,
        order: Order,
        max: usize,
    ) -> Result<Leased, StoreError> {
        let now = self.0.clock.now();
        self.lease_until(now, target, order, max).await
    }

    /// Ends deliveries of a target that is no more, due or not, as dead for this reason. Some that are under way may be left
    /// out. Returns how many there were.
    pub(crate) async fn end_all(&self, target: &Name, reason: &str) -> Result<usize, StoreError> {
        let max = ENDED_AT_ONCE;
        let rest = self.lease_until(Timestamp::MAX, target, Order::None, max);
        let leases = rest.await?.leases;
        let count = leases.len();
        for lease in leases {
            let attempt = Attempt {
                at: self.0.clock.now(),
                status: None,
                ms: 0,
                error: Some(reason.to_owned()),
                excerpt: None,
            };
            self.settle(lease, Some(attempt), Settled::Dead);
        }
        Ok(count)
    }

    async fn lease_until(
        &self,
        now: Timestamp,
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
        self.read(move |db, inner| {
            // Before the snapshot is taken: what is settled and indexed in between is in neither otherwise.
            let taken = desk_there.taken();
            let (due, next_due) = match order {
                Order::None => due::due_first(db, &target, now, &taken, max),
                Order::Camera => due::oldest_of_each_camera(db, &target, now, &taken, max),
            }?;
            inner.read_ahead(db, &due);
            let leases: Vec<Lease> = due.into_iter().map(|due| lease(&desk_there, due)).collect();
            let next_due = next_due.filter(|_| leases.is_empty());
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
        let delivery = lease.hold.settle();
        // What the target said may tell of it.
        let attempt = attempt.filter(|_| !self.0.gone().deliveries.contains(&delivery));
        let outcome = record::Outcome {
            at: self.0.clock.now(),
            delivery,
            attempt,
            settled,
        };
        let what = What::Outcome(Box::new(outcome));
        let (applied, in_the_index) = self.waited_for();
        let appended = what.draft().map_err(failed).and_then(|draft| {
            self.append(writer::Item {
                draft,
                what,
                to_deliver: Vec::new(),
                urgent: true,
                safe: None,
                applied,
                guard: self.guard(None),
            })
        });
        in_the_index();
        if let Err(error) = appended {
            tracing::error!(%error, delivery = %lease.id, "an outcome is lost; the delivery will be made again");
        }
    }
}

#[cfg(not(test))]
impl Store {
    fn waited_for(&self) -> (Option<oneshot::Sender<u64>>, impl FnOnce() + use<>) {
        (None, || {})
    }
}

/// For simulations: which thread is quicker must not decide what happens next.
#[cfg(test)]
impl Store {
    /// From now on the index knows an outcome as soon as it is settled.
    pub(crate) fn wait_for_outcomes(&self) {
        self.0
            .in_step
            .store(true, std::sync::atomic::Ordering::SeqCst);
    }

    fn waited_for(&self) -> (Option<oneshot::Sender<u64>>, impl FnOnce() + use<>) {
        let (applied, mut is_applied) = oneshot::channel();
        let in_step = self.0.in_step.load(std::sync::atomic::Ordering::SeqCst);
        let wait = move || {
            while in_step && is_applied.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
                std::thread::yield_now();
            }
        };
        (Some(applied), wait)
    }
}

fn lease(desk: &Arc<Desk>, due: due::Candidate) -> Lease {
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
        has_parts: due.has_parts,
    }
}

/// Bytes of events read ahead of their deliveries.
const READ_AHEAD: u64 = 4 << 20;

impl Inner {
    /// Reads the events of a few deliveries that are about to be made, unless they are at hand: one trip to another
    /// thread instead of one for each. What goes wrong here shows again, and is told, when the delivery is made.
    fn read_ahead(&self, db: &Connection, due: &[due::Candidate]) {
        let mut bytes = 0;
        for one in due {
            if self.cache.has(one.event) {
                continue;
            }
            bytes += self.catalog.bytes_of(one.located.position).unwrap_or(0);
            if bytes > READ_AHEAD {
                return;
            }
            let _ = self.read_kept(db, one.event, &one.located);
        }
    }
}
