//! One attempt: load the event, take the steps, write, send.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Mutex, OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;

use crate::budget::Reserved;
use crate::event::{EventId, Item, Picture};
use crate::fate::{Joined, Pair, Parts};
use crate::name::Name;
use crate::payload::Payload;
use crate::steps::{Pixels, Work};
use crate::store::{Kept, Lease, StoreError};
use crate::telemetry::StepHandles;

use super::deliveries::{Current, FINISH, Shared};
use super::gate::Facts;
use super::outcome::Outcome;
use super::prepare::{self, Means, Reshaped};
use super::traced::Traced;

/// Events up to this size are written without going to another thread, which would cost more than most templates: bytes
/// of the request.
const LIGHT_BYTES: usize = 256 << 10;

/// What is to be delivered.
pub(super) struct Job {
    pub(super) facts: Facts,
    event: EventId,
    pub(super) route: Name,
    pub(super) item: Option<Item>,
    has_parts: bool,
}

impl From<&Lease> for Job {
    fn from(lease: &Lease) -> Self {
        Self {
            facts: lease.into(),
            event: lease.event,
            route: lease.route.clone(),
            item: lease.item,
            has_parts: lease.has_parts,
        }
    }
}

/// Memory for the events that one target is being sent.
///
/// Each target has its own share of what the budget has for deliveries, so that one whose requests hang with large events
/// in hand delays nobody else. An event counts twice, for itself and for what is written of it; one that is larger than the
/// share passes alone, and counts as the share.
pub(super) struct Room {
    share: u32,
    bytes: Arc<Semaphore>,
    /// One at a time waits for room.
    door: Mutex<()>,
}

/// An event in memory, and the room it takes.
struct Loaded {
    kept: Kept,
    parts: Option<Arc<Parts>>,
    _room: OwnedSemaphorePermit,
    _held: Reserved,
}

impl Room {
    pub(super) fn new(share: u32) -> Self {
        Self {
            share,
            bytes: Arc::new(Semaphore::new(share as usize)),
            door: Mutex::new(()),
        }
    }

    pub(super) fn share(&self) -> u32 {
        self.share
    }

    /// What came of it instead, when it cannot be.
    async fn load(&self, shared: &Shared, job: &Job) -> Result<Loaded, Outcome> {
        let _first = self.door.lock().await;
        let joined = match job.has_parts {
            true => {
                let joined = shared.store.parts(job.event, &job.route, job.item).await?;
                Some(joined)
            }
            false => None,
        };
        let half = joined
            .as_ref()
            .and_then(|joined| Pair::half(joined, job.event));
        // Its own event's pictures are there, or it would not be due.
        if let Some(half) = half
            && shared.store.awaits_pictures(half.part.id).await?
        {
            return Err(Outcome::Early);
        }
        let mut size = shared.store.weight(job.event).await?;
        if let Some(half) = half {
            size += match shared.store.weight(half.part.id).await {
                Err(StoreError::Unknown { .. }) => 0,
                weight => weight?,
            };
        }
        let room = u32::try_from(size.saturating_mul(2)).unwrap_or(u32::MAX);
        let bytes = room.min(self.share);
        let room = self
            .bytes
            .clone()
            .acquire_many_owned(bytes)
            .await
            .expect("nobody closes it");
        let held = shared.budget.reserve_some(bytes as usize).await;
        let kept = shared.store.event(job.event).await?;
        let parts = match &joined {
            Some(joined) => Some(Arc::new(parts(shared, half, joined).await?)),
            None => None,
        };
        Ok(Loaded {
            kept,
            parts,
            _room: room,
            _held: held,
        })
    }
}

/// What went into the delivery besides its event. Of a pair whose other half is no longer kept, or damaged, its own goes
/// alone.
async fn parts(
    shared: &Shared,
    half: Option<&Joined>,
    joined: &[Joined],
) -> Result<Parts, StoreError> {
    let mut parts = Parts::merged(joined);
    if let Some(half) = half {
        match shared.store.event(half.part.id).await {
            Ok(other) => parts.pair = Some(Pair::with(half, other.event)),
            Err(error @ (StoreError::Unknown { .. } | StoreError::Damaged(_))) => {
                tracing::warn!(event = %half.into, half = %half.part.id, %error, "goes without the other half of its pair");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(parts)
}

/// Tries once to deliver. May be dropped at any point; the target may have got it then, as after a crash.
pub(super) async fn attempt(shared: &Shared, room: &Room, target: &Name, job: &Job) -> Outcome {
    let mut traced = Traced::new(&shared.metrics.spans, shared.clock.now());
    let outcome = tried(shared, room, target, job, traced.as_mut()).await;
    if let Some(traced) = traced {
        traced.ended(job, target, &outcome, shared.clock.now());
    }
    outcome
}

async fn tried(
    shared: &Shared,
    room: &Room,
    target: &Name,
    job: &Job,
    mut traced: Option<&mut Traced>,
) -> Outcome {
    let loaded = match room.load(shared, job).await {
        Ok(loaded) => loaded,
        Err(outcome) => return outcome,
    };
    if let Some(traced) = &mut traced {
        traced.is_of(&loaded.kept.event, job);
    }
    let current = shared.current.load_full();
    let outcome = sent(shared, &current, target, job, &loaded, traced).await;
    // When the target answers, another config may be in use, which knows none of the secrets that went out.
    outcome.blotted(&current.pipelines.blot)
}

async fn sent(
    shared: &Shared,
    current: &Arc<Current>,
    target: &Name,
    job: &Job,
    loaded: &Loaded,
    traced: Option<&mut Traced>,
) -> Outcome {
    // Before the route: where both were taken out, it waits for the target to be put back.
    let Some(outlet) = current.pipelines.targets.get(target) else {
        return gone();
    };
    let mut payload = match payload(shared, current, target, job, loaded).await {
        Ok(payload) => payload,
        Err(outcome) => return outcome,
    };
    if let Some(traced) = traced {
        traced.tell(&mut payload);
    }
    let (at, watch) = (shared.clock.now(), shared.clock.watch());
    let begun = Instant::now();
    let report = outlet.target.send(job.facts.id, payload).await;
    // What is due after it is reckoned from the clock as it is now, so the attempt is told by that clock, too: else a delivery
    // whose attempt began before a jump forwards looks rightly due, and is stranded when the clock is set back.
    let at = at.saturating_add(watch.ahead()).unwrap_or(at);
    Outcome::Sent {
        report,
        at,
        took: begun.elapsed(),
    }
}

/// The target was taken out of the config a moment ago; its worker is about to learn of it.
fn gone() -> Outcome {
    Outcome::Trouble {
        reason: "the target is no longer in routes.yaml".to_owned(),
    }
}

async fn payload(
    shared: &Shared,
    current: &Arc<Current>,
    target: &Name,
    job: &Job,
    loaded: &Loaded,
) -> Result<Payload, Outcome> {
    let event = &loaded.kept.event;
    let Some(steps) = current.pipelines.routes.get(&job.route) else {
        return Err(Outcome::Unfit {
            reason: prepare::no_route(&job.route),
        });
    };
    let (item, delivery) = (
        job.item,
        (job.facts.id, job.facts.attempts.saturating_add(1)),
    );

    let make = || async {
        let (steps, event, parts) = (steps.clone(), event.clone(), loaded.parts.clone());
        let (lists, now) = (current.pipelines.lists.clone(), shared.clock.now());
        let light = steps.is_empty();
        let uses = Pixels::of(&steps);
        let pixels_max = uses.most(shared.pixels.most());
        let pixels = match uses.bytes(&event.images, pixels_max) {
            0 => None,
            bytes => Some(shared.pixels.reserve_some(bytes).await),
        };
        let mut costs = Costs {
            handles: current.costs.get(&job.route).cloned().unwrap_or_default(),
            since: Instant::now(),
        };
        on_a_core(shared, light, move || {
            let _pixels = pixels; // until the work is done, even when nobody waits for it any more
            costs.since = Instant::now();
            let means = Means {
                lists: &lists,
                now,
                pixels_max,
            };
            let watch = |step: &'static str, _: &Work| {
                if step != prepare::AFTER_ALL {
                    costs.took(step);
                }
            };
            let reshaped = prepare::reshape(&steps, &event, item, parts, &means, watch);
            if !light {
                costs.took(FINISH);
            }
            reshaped
        })
        .await
        .unwrap_or_else(Reshaped::Unfit)
    };
    let key = (job.event, job.route.clone(), item);
    // A list that comes from a server may be there a moment later, and what failed for want of it then go well: such a
    // failure is not remembered, and tried again.
    let lacks_a_list = current.pipelines.lists.any_not_here();
    let unfit = |reason| match lacks_a_list {
        true => Outcome::Trouble { reason },
        false => Outcome::Unfit { reason },
    };
    let reshaped = match lacks_a_list {
        true => Arc::new(OnceCell::new_with(Some(make().await))),
        false => current.memo.get(key, make, weight).await,
    };
    match reshaped.get() {
        Some(Reshaped::Filtered(reason)) => {
            return Err(Outcome::Filtered {
                reason: reason.clone(),
            });
        }
        Some(Reshaped::Unfit(reason)) => return Err(unfit(reason.clone())),
        Some(Reshaped::Ready(_)) | None => {}
    }

    let (writing, target) = (current.clone(), target.clone());
    let now = shared.clock.now();
    let light = event.bytes() <= LIGHT_BYTES;
    let written = on_a_core(shared, light, move || {
        let outlet = writing.pipelines.targets.get(&target)?;
        let Some(Reshaped::Ready(work)) = reshaped.get() else {
            return None; // looked at above
        };
        let lists = &writing.pipelines.lists;
        Some(prepare::write(outlet, lists, work, delivery, now))
    })
    .await;
    match written {
        Ok(Some(Ok(payload))) => Ok(payload),
        Ok(Some(Err(reason))) => Err(unfit(reason)),
        Err(reason) => Err(Outcome::Unfit { reason }),
        Ok(None) => Err(gone()),
    }
}

/// What the steps of one delivery cost, told to the metrics one after the other.
struct Costs {
    handles: Arc<StepHandles>,
    since: Instant,
}

impl Costs {
    /// All since the one before.
    fn took(&mut self, step: &'static str) {
        let spent = self.since.elapsed().as_secs_f64();
        self.handles.observe(step, spent);
        self.since = Instant::now();
    }
}

/// Bytes that a result keeps in memory.
fn weight(reshaped: &Reshaped) -> usize {
    match reshaped {
        Reshaped::Ready(work) => {
            let pictures = work.pictures.iter().filter_map(Picture::bytes);
            work.event.original.body.len() + pictures.map(bytes::Bytes::len).sum::<usize>()
        }
        Reshaped::Filtered(_) | Reshaped::Unfit(_) => 0,
    }
}

/// Runs CPU work on the blocking pool, as many at once as there are cores; `light` work right here. A panic becomes the
/// reason it failed.
async fn on_a_core<T: Send + 'static>(
    shared: &Shared,
    light: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    if light {
        return Ok(work()); // a panic ends this attempt's task, which says the same
    }
    let turn = shared.cores.clone().acquire_owned().await;
    tokio::task::spawn_blocking(move || {
        let _turn = turn; // until the work is done, even when nobody waits for it any more
        work()
    })
    .await
    .map_err(what_happened)
}

/// What a task that panicked said.
pub(super) fn what_happened(error: JoinError) -> String {
    let said = match error.try_into_panic() {
        Ok(panic) => match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => panic
                .downcast_ref::<&str>()
                .map_or_else(|| "panic".to_owned(), |text| (*text).to_owned()),
        },
        Err(_) => "it was cut short".to_owned(),
    };
    format!("a fault in camhook: {said}")
}
