//! One budget of bytes for all that is in flight in the process: requests being read, pictures being fetched, events on their
//! way out, pixels being worked on.
//!
//! Three kinds of work share it, its lanes. Each lane has a floor that no other may use, and may use whatever else is free:
//!
//! | lane | floor | at most | who |
//! |---|---|---|---|
//! | ingest | 1/4 | 5/8 | requests from the first byte of their body until they are on disk |
//! | delivery | 1/8 | 1/4 | events on their way to targets, pictures being fetched, lists being refreshed |
//! | pixels | 1/4 | 1/2 | decoded pictures, while steps work on them |
//!
//! So neither can starve another: whatever hangs in one lane, the others go on with their floors. Within a lane who asks
//! first is served first.
//!
//! It cannot deadlock. A delivery asks once for its event, then once for its pixels; whoever has pixels asks for nothing more
//! and gives them back when the processor is done. And however much deliveries hold while they wait for pixels, the most
//! that one may ask for is beside it: a half for pixels, a quarter for deliveries and the floor of ingest are the whole.
//! Senders, who ask for more while they hold some, wait for 2 s at most. A large request for pixels is not passed over for
//! ever by small ones of other lanes: what its lane would need is kept free beside their floors while it waits.
//!
//! Bytes are asked for before they are taken, so they are estimates where the size is not known; callers say how they count.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::telemetry::Metrics;

/// One lane of the budget. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Budget {
    shared: Arc<Shared>,
    lane: Lane,
}

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Ingest,
    Delivery,
    Pixels,
}

const LANES: [Lane; 3] = [Lane::Ingest, Lane::Delivery, Lane::Pixels];

struct Shared {
    whole: usize,
    state: Mutex<State>,
    metrics: Metrics,
}

#[derive(Default)]
struct State {
    used: [usize; LANES.len()],
    waiting: [VecDeque<Arc<Waiter>>; LANES.len()],
}

struct Waiter {
    bytes: usize,
    /// Its bytes are counted as used. Written under the lock only.
    granted: AtomicBool,
    wake: Notify,
}

/// Bytes taken from the budget, given back on drop.
#[must_use = "dropping it gives the bytes back"]
pub(crate) struct Reserved {
    bytes: usize,
    budget: Budget,
}

/// Why bytes could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    /// Waiting would not help: more than one asker may ever have.
    #[error("{asked} bytes are more than the {most} that one may have")]
    Never { asked: usize, most: usize },
    /// Others held the bytes for as long as the asker could wait.
    #[error("too much is in flight at the moment")]
    Busy,
}

/// For who waits until there is room.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(30 * 86_400);

impl Lane {
    /// What no other lane may use, in eighths of the whole.
    const fn floor(self) -> usize {
        match self {
            Self::Ingest | Self::Pixels => 2,
            Self::Delivery => 1,
        }
    }

    /// The most that it may use. What deliveries hold while they wait for pixels must leave room for the most of pixels.
    const fn most(self) -> usize {
        match self {
            Self::Ingest => 5,
            Self::Delivery => 2,
            Self::Pixels => 4,
        }
    }
}

impl State {
    /// Whether a lane can have so many bytes more.
    fn fits(&self, lane: Lane, bytes: usize, whole: usize) -> bool {
        bytes <= self.free(lane, whole)
    }

    /// What a lane could have more.
    fn free(&self, lane: Lane, whole: usize) -> usize {
        let (eighth, own) = (whole / 8, self.used[lane as usize]);
        let mut taken = own;
        for other in LANES.into_iter().filter(|other| *other != lane) {
            let used = self.used[other as usize];
            let claim = match (other, self.waiting[other as usize].front()) {
                (Lane::Pixels, Some(first)) => {
                    (used.saturating_add(first.bytes)).min(eighth * other.most())
                }
                _ => 0,
            };
            taken = taken.saturating_add(used.max(eighth * other.floor()).max(claim));
        }
        whole
            .saturating_sub(taken)
            .min((eighth * lane.most()).saturating_sub(own))
    }

    /// Hands out what has become free.
    fn serve(&mut self, whole: usize) {
        for lane in LANES {
            while let Some(first) = self.waiting[lane as usize].front().cloned()
                && self.fits(lane, first.bytes, whole)
            {
                self.waiting[lane as usize].pop_front();
                self.used[lane as usize] += first.bytes;
                first.granted.store(true, Ordering::Release);
                first.wake.notify_one();
            }
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Budget {
    /// Of so many bytes, for ingest; see [`Self::lane`].
    pub(crate) fn new(bytes: usize, metrics: Metrics) -> Self {
        Self {
            shared: Arc::new(Shared {
                whole: bytes.max(LANES.len() * 8),
                state: Mutex::default(),
                metrics,
            }),
            lane: Lane::Ingest,
        }
    }

    /// The same budget for another kind of work.
    pub(crate) fn lane(&self, lane: Lane) -> Self {
        Self {
            shared: self.shared.clone(),
            lane,
        }
    }

    /// Waits at most `patience` for its turn.
    pub(crate) async fn reserve(&self, bytes: usize, patience: Duration) -> Result<Reserved, Full> {
        self.take(bytes, bytes, patience).await?;
        Ok(self.reserved(bytes))
    }

    /// As many bytes, or the most that there can be: then nobody else of the lane has any meanwhile. Waits as long as it takes.
    pub(crate) async fn reserve_some(&self, bytes: usize) -> Reserved {
        let bytes = bytes.min(self.most());
        loop {
            if let Ok(reserved) = self.reserve(bytes, FOR_EVER).await {
                return reserved;
            }
        }
    }

    fn reserved(&self, bytes: usize) -> Reserved {
        self.count(bytes);
        Reserved {
            bytes,
            budget: self.clone(),
        }
    }

    /// `asked` is what the asker has then, all in all.
    async fn take(&self, bytes: usize, asked: usize, patience: Duration) -> Result<(), Full> {
        let (most, shared) = (self.most(), &*self.shared);
        if asked > most {
            return Err(Full::Never { asked, most });
        }
        let waiter = {
            let mut state = shared.state();
            let queue = self.lane as usize;
            if state.waiting[queue].is_empty() && state.fits(self.lane, bytes, shared.whole) {
                state.used[queue] += bytes;
                return Ok(());
            }
            if patience.is_zero() {
                return Err(Full::Busy);
            }
            let waiter = Arc::new(Waiter {
                bytes,
                granted: AtomicBool::new(false),
                wake: Notify::new(),
            });
            state.waiting[queue].push_back(waiter.clone());
            waiter
        };
        let mut turn = Turn {
            budget: self,
            waiter: Some(waiter.clone()),
        };
        let _ = tokio::time::timeout(patience, waiter.wake.notified()).await;
        match waiter.granted.load(Ordering::Acquire) {
            true => {
                turn.waiter = None; // its bytes are the asker's now
                Ok(())
            }
            false => Err(Full::Busy),
        }
    }

    /// The most that one asker can have; who needs more never gets it.
    pub(crate) fn most(&self) -> usize {
        self.shared.whole / 8 * self.lane.most()
    }

    /// What the lane could have at this moment.
    pub(crate) fn free(&self) -> usize {
        let state = self.shared.state();
        state.free(self.lane, self.shared.whole)
    }

    fn count(&self, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.shared.metrics.inflight_bytes.inc_by(bytes);
    }

    fn give_back(&self, bytes: usize) {
        let mut state = self.shared.state();
        state.used[self.lane as usize] -= bytes;
        state.serve(self.shared.whole);
    }
}

/// A place in the queue; dropped, it is given up, with the bytes if they were granted at that very moment.
struct Turn<'a> {
    budget: &'a Budget,
    waiter: Option<Arc<Waiter>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter.take() else {
            return;
        };
        let lane = self.budget.lane as usize;
        let mut state = self.budget.shared.state();
        if waiter.granted.load(Ordering::Acquire) {
            state.used[lane] -= waiter.bytes;
        } else {
            state.waiting[lane].retain(|other| !Arc::ptr_eq(other, &waiter));
        }
        state.serve(self.budget.shared.whole);
    }
}

impl Reserved {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `more` bytes. What is held already stays held, also when this fails.
    pub(crate) async fn grow(&mut self, more: usize, patience: Duration) -> Result<(), Full> {
        let bytes = self.bytes.saturating_add(more);
        self.budget.take(more, bytes, patience).await?;
        self.bytes = bytes;
        self.budget.count(more);
        Ok(())
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let bytes = i64::try_from(self.bytes).unwrap_or(i64::MAX);
        self.budget.shared.metrics.inflight_bytes.dec_by(bytes);
        self.budget.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    /// Budgets of 8,000 bytes: an eighth is 1,000.
    fn lanes() -> (Budget, Budget, Budget, Metrics) {
        let metrics = Metrics::new();
        let ingest = Budget::new(8_000, metrics.clone());
        let (delivery, pixels) = (ingest.lane(Lane::Delivery), ingest.lane(Lane::Pixels));
        (ingest, delivery, pixels, metrics)
    }

    #[tokio::test]
    async fn gives_back_what_is_dropped_and_counts_it() {
        let (ingest, _, _, metrics) = lanes();
        let held = ingest.reserve(4_900, NOW).await.unwrap();
        assert_eq!(metrics.inflight_bytes.get(), 4_900);
        assert_eq!(ingest.reserve(200, NOW).await.err(), Some(Full::Busy));
        drop(held);
        assert_eq!(metrics.inflight_bytes.get(), 0);
        assert!(ingest.reserve(5_000, NOW).await.is_ok());
    }

    #[tokio::test]
    async fn refuses_at_once_what_could_never_be_had() {
        let (ingest, ..) = lanes();
        let never = |asked| Full::Never { asked, most: 5_000 };
        assert_eq!(
            ingest.reserve(5_001, FOR_EVER).await.err(),
            Some(never(5_001))
        );
        let mut held = ingest.reserve(3_000, NOW).await.unwrap();
        assert_eq!(held.grow(2_001, FOR_EVER).await.err(), Some(never(5_001)));
        assert_eq!(held.bytes(), 3_000);
        held.grow(2_000, NOW).await.unwrap();
        assert_eq!(held.bytes(), 5_000);
    }

    #[tokio::test]
    async fn no_lane_can_take_the_floor_of_another() {
        let (ingest, delivery, pixels, metrics) = lanes();
        let _all = ingest.reserve(5_000, NOW).await.unwrap();
        assert_eq!(delivery.reserve(1_001, NOW).await.err(), Some(Full::Busy));
        let _events = delivery.reserve(1_000, NOW).await.unwrap();
        let _drawn = pixels.reserve(2_000, NOW).await.unwrap();
        assert_eq!(metrics.inflight_bytes.get(), 8_000);
        for lane in [&ingest, &delivery, &pixels] {
            assert_eq!(lane.reserve(1, NOW).await.err(), Some(Full::Busy));
        }
    }

    #[tokio::test]
    async fn serves_a_waiting_asker_when_room_comes_and_in_turn() {
        let (ingest, ..) = lanes();
        let held = ingest.reserve(5_000, NOW).await.unwrap();
        let mut waiting = Box::pin(ingest.reserve(4_000, FOR_EVER));
        let mut second = Box::pin(ingest.reserve(10, FOR_EVER));
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("there is no room"),
            _ = &mut second => panic!("it is not its turn"),
            () = std::future::ready(()) => {}
        }
        drop(held);
        let first = waiting.await.unwrap();
        assert!(second.await.is_ok());
        drop(first);
    }

    #[tokio::test]
    async fn who_goes_away_leaves_nothing_behind() {
        let (ingest, _, _, metrics) = lanes();
        let held = ingest.reserve(5_000, NOW).await.unwrap();
        let mut impatient = Box::pin(ingest.reserve(4_000, FOR_EVER));
        let mut second = Box::pin(ingest.reserve(3_000, FOR_EVER));
        tokio::select! {
            biased;
            _ = &mut impatient => panic!("there is no room"),
            _ = &mut second => panic!("there is no room"),
            () = std::future::ready(()) => {}
        }
        drop(held); // the bytes are the first one's now, who never looks
        drop(impatient);
        drop(second.await);
        assert!(ingest.reserve(5_000, NOW).await.is_ok());
        assert_eq!(metrics.inflight_bytes.get(), 0);
    }

    #[tokio::test]
    async fn small_requests_do_not_pass_over_a_large_picture_for_ever() {
        let (ingest, delivery, pixels, _) = lanes();
        let read = ingest.reserve(4_500, NOW).await.unwrap();
        let mut large = Box::pin(pixels.reserve(4_000, FOR_EVER));
        tokio::select! {
            biased;
            _ = &mut large => panic!("there is no room"),
            () = std::future::ready(()) => {}
        }
        drop(read);
        assert!(large.await.is_ok());
        let read = ingest.reserve(2_000, NOW).await.unwrap();
        let held = pixels.reserve(4_000, NOW).await.unwrap();
        let mut large = Box::pin(pixels.reserve(3_000, FOR_EVER));
        tokio::select! {
            biased;
            _ = &mut large => panic!("there is no room"),
            () = std::future::ready(()) => {}
        }
        drop(held);
        drop(read);
        // Granted, but not taken yet: others get what is beside it.
        assert!(delivery.reserve(1_000, NOW).await.is_ok());
        assert!(large.await.is_ok());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_askers_of_all_lanes_all_get_their_turn_and_never_too_much() {
        let (ingest, delivery, pixels, metrics) = lanes();
        let mut askers = tokio::task::JoinSet::new();
        for n in 0..400_usize {
            let (ingest, delivery, pixels) = (ingest.clone(), delivery.clone(), pixels.clone());
            let metrics = metrics.clone();
            askers.spawn(async move {
                let fine = || assert!(metrics.inflight_bytes.get() <= 8_000);
                if n.is_multiple_of(2) {
                    let _read = ingest.reserve_some(1 + n * 37 % 6_000).await;
                    fine();
                    tokio::task::yield_now().await;
                } else {
                    let _event = delivery.reserve_some(1 + n * 53 % 900).await;
                    fine();
                    tokio::task::yield_now().await;
                    let _drawn = pixels.reserve_some(1 + n * 91 % 7_000).await;
                    fine();
                    tokio::task::yield_now().await;
                }
            });
        }
        askers.join_all().await;
        assert_eq!(metrics.inflight_bytes.get(), 0);
    }
}
