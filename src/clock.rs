//! Time: the system's, or one that a test steps by hand.
//!
//! Everything that waits for a moment asks this clock, so a test can live through a weekend outage in milliseconds.
//! A stepped clock must know when nothing is left to do before it moves on: whoever works holds a [`Busy`], and a
//! sleeper that is woken gets one handed over, so there is no gap between waking and working.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;

/// A source of time, cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<Kind>);

enum Kind {
    System,
    Stepped(Stepped),
}

struct Stepped {
    state: Mutex<State>,
    busy: Arc<AtomicUsize>,
}

struct State {
    now: Timestamp,
    sleepers: BTreeMap<(Timestamp, u64), oneshot::Sender<Busy>>,
    next: u64,
    /// By how much it was set, each time.
    sets: Vec<SignedDuration>,
    watchers: Vec<oneshot::Sender<Busy>>,
}

/// Notices that the clock was set, forwards or backwards.
///
/// Moments that were reckoned from the time before are of no use then: a pause of a minute would last for as long as the
/// clock was set back.
pub(crate) struct Watch {
    clock: Clock,
    /// The same moment, on the clock and on one that is never set.
    wall: Timestamp,
    steady: Instant,
    /// Of a stepped clock: how often it had been set.
    seen: usize,
}

/// How often the system's clock is looked at.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(1);
/// What two clocks may differ by in that time without one having been set: slewing is far slower.
const SET_BY_MIN: SignedDuration = SignedDuration::from_secs(1);

/// Held by whoever is at work; a stepped clock stands still until all are dropped.
#[must_use]
pub(crate) struct Busy(Option<Arc<AtomicUsize>>);

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(busy) = &self.0 {
            busy.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Clock {
    pub fn system() -> Self {
        Self(Arc::new(Kind::System))
    }

    /// A clock that stands at `now` until [`Clock::advance`] moves it. For tests.
    pub fn stepped(now: Timestamp) -> Self {
        let state = State {
            now,
            sleepers: BTreeMap::new(),
            next: 0,
            sets: Vec::new(),
            watchers: Vec::new(),
        };
        Self(Arc::new(Kind::Stepped(Stepped {
            state: Mutex::new(state),
            busy: Arc::default(),
        })))
    }

    /// The moment it is. For tests, which see nothing else of a clock.
    pub fn moment(&self) -> Timestamp {
        self.now()
    }

    pub(crate) fn now(&self) -> Timestamp {
        match &*self.0 {
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the one place that asks the system"
            )]
            Kind::System => {
                // Microseconds, as cameras tell and the store keeps them: what is read back equals what was put in.
                let now = Timestamp::now();
                now.round(jiff::Unit::Microsecond).unwrap_or(now)
            }
            Kind::Stepped(stepped) => stepped.lock().now,
        }
    }

    /// Waits until `moment`; a moment that has passed is waited for not at all.
    pub(crate) async fn sleep_until(&self, moment: Timestamp) -> Busy {
        match &*self.0 {
            Kind::System => {
                // The wall clock may be set while we wait, so no nap is longer than a few seconds.
                loop {
                    let left = moment.duration_since(self.now());
                    if left <= SignedDuration::ZERO {
                        return Busy(None);
                    }
                    let left = Duration::try_from(left).unwrap_or_default();
                    tokio::time::sleep(left.min(Duration::from_secs(5))).await;
                }
            }
            Kind::Stepped(stepped) => {
                let woken = {
                    let mut state = stepped.lock();
                    if moment <= state.now {
                        return stepped.busy();
                    }
                    let (wake, woken) = oneshot::channel();
                    let key = (moment, state.next);
                    state.next += 1;
                    state.sleepers.insert(key, wake);
                    woken
                };
                match woken.await {
                    Ok(busy) => busy,
                    Err(_) => std::future::pending().await, // the clock is gone, and the test with it
                }
            }
        }
    }

    /// Waits for so long, whatever the clock is set to meanwhile.
    pub(crate) async fn sleep(&self, duration: Duration) -> Busy {
        if matches!(&*self.0, Kind::System) {
            tokio::time::sleep(duration).await;
            return Busy(None);
        }
        let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        self.sleep_until(
            self.now()
                .saturating_add(duration)
                .unwrap_or(Timestamp::MAX),
        )
        .await
    }

    /// Notices from now on that the clock is set.
    pub(crate) fn watch(&self) -> Watch {
        let seen = match &*self.0 {
            Kind::System => 0,
            Kind::Stepped(stepped) => stepped.lock().sets.len(),
        };
        Watch {
            clock: self.clone(),
            wall: self.now(),
            steady: Instant::now(),
            seen,
        }
    }

    /// Sets a stepped clock, as an administrator or a time server sets the system's: sleepers sleep on. For tests.
    pub fn set(&self, now: Timestamp) {
        let Kind::Stepped(stepped) = &*self.0 else {
            return;
        };
        let mut state = stepped.lock();
        let by = now.duration_since(state.now);
        state.now = now;
        state.sets.push(by);
        for watcher in std::mem::take(&mut state.watchers) {
            let _ = watcher.send(stepped.busy());
        }
    }

    /// To be held while working.
    pub(crate) fn busy(&self) -> Busy {
        match &*self.0 {
            Kind::System => Busy(None),
            Kind::Stepped(stepped) => stepped.busy(),
        }
    }

    /// How many are at work; always 0 on the system's clock.
    pub fn at_work(&self) -> usize {
        match &*self.0 {
            Kind::System => 0,
            Kind::Stepped(stepped) => stepped.busy.load(Ordering::SeqCst),
        }
    }

    /// How many wait for a stepped clock.
    #[cfg(test)]
    pub(crate) fn sleepers(&self) -> usize {
        match &*self.0 {
            Kind::System => 0,
            Kind::Stepped(stepped) => stepped.lock().sleepers.len(),
        }
    }

    /// Moves a stepped clock to the next sleeper's moment, at most to `limit`, and wakes who is due.
    /// Returns false when it stands at `limit` and nobody was woken. For tests.
    pub fn step(&self, limit: Timestamp) -> bool {
        let Kind::Stepped(stepped) = &*self.0 else {
            return false;
        };
        let mut state = stepped.lock();
        state.sleepers.retain(|_, wake| !wake.is_closed());
        let next = state
            .sleepers
            .keys()
            .next()
            .map_or(limit, |(moment, _)| (*moment).min(limit));
        state.now = state.now.max(next);
        let mut woken = false;
        let now = state.now;
        let later = state.sleepers.split_off(&(now, u64::MAX));
        for wake in std::mem::replace(&mut state.sleepers, later).into_values() {
            woken |= wake.send(stepped.busy()).is_ok();
        }
        woken
    }
}

impl Watch {
    /// How far the clock was set forwards since the last look at it; zero when it was not.
    pub(crate) fn ahead(&self) -> SignedDuration {
        let by = match &*self.clock.0 {
            Kind::System => self.differs(self.clock.now(), Instant::now()),
            Kind::Stepped(stepped) => stepped.lock().sets[self.seen..]
                .iter()
                .fold(SignedDuration::ZERO, |sum, by| sum.saturating_add(*by)),
        };
        if by < SET_BY_MIN {
            SignedDuration::ZERO
        } else {
            by
        }
    }

    /// A look at it: what it was set by until now was dealt with.
    pub(crate) fn look(&mut self) {
        *self = self.clock.watch();
    }

    fn differs(&self, wall: Timestamp, steady: Instant) -> SignedDuration {
        let passed = SignedDuration::try_from(steady - self.steady).unwrap_or(SignedDuration::MAX);
        wall.duration_since(self.wall).saturating_sub(passed)
    }

    /// Ends when the clock was set, and tells by how much. Nothing is missed between two calls.
    pub(crate) async fn set(&mut self) -> (Busy, SignedDuration) {
        let mut handed = None;
        loop {
            let woken = match &*self.clock.0 {
                Kind::System => {
                    tokio::time::sleep(LOOKED_AT_EVERY).await;
                    let (wall, steady) = (self.clock.now(), Instant::now());
                    let by = self.differs(wall, steady);
                    (self.wall, self.steady) = (wall, steady);
                    if by.abs() >= SET_BY_MIN {
                        return (Busy(None), by);
                    }
                    continue;
                }
                Kind::Stepped(stepped) => {
                    let mut state = stepped.lock();
                    if let Some(by) = state.sets.get(self.seen) {
                        self.seen += 1;
                        return (handed.unwrap_or_else(|| stepped.busy()), *by);
                    }
                    let (wake, woken) = oneshot::channel();
                    state.watchers.push(wake);
                    woken
                }
            };
            match woken.await {
                Ok(busy) => handed = Some(busy),
                Err(_) => return std::future::pending().await,
            }
        }
    }
}

impl Stepped {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn busy(&self) -> Busy {
        self.busy.fetch_add(1, Ordering::SeqCst);
        Busy(Some(self.busy.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn wakes_sleepers_in_order_and_counts_them_as_busy() {
        let clock = Clock::stepped(Timestamp::UNIX_EPOCH);
        let limit = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(60);
        let (late, soon) = (
            clock.sleep(Duration::from_secs(20)),
            clock.sleep(Duration::from_secs(10)),
        );
        let (mut late, mut soon) = (Box::pin(late), Box::pin(soon));
        assert!(poll_once(&mut late).is_none() && poll_once(&mut soon).is_none());

        assert!(clock.step(limit));
        assert_eq!(clock.now().as_second(), 10);
        assert_eq!(clock.at_work(), 1);
        assert!(poll_once(&mut late).is_none());
        drop(poll_once(&mut soon).expect("it is due"));
        assert_eq!(clock.at_work(), 0);

        assert!(clock.step(limit));
        assert_eq!(clock.now().as_second(), 20);
        drop(poll_once(&mut late).expect("it is due"));
        assert!(!clock.step(limit));
        assert_eq!(clock.now(), limit);
    }

    #[test]
    fn being_set_is_noticed_once() {
        let clock = Clock::stepped(Timestamp::UNIX_EPOCH);
        let mut watch = clock.watch();
        {
            let mut set = Box::pin(watch.set());
            assert!(poll_once(&mut set).is_none());
            clock.set(Timestamp::from_second(-3_600).unwrap());
            assert_eq!(clock.at_work(), 1, "whoever was told is at work already");
            let (busy, by) = poll_once(&mut set).unwrap();
            assert_eq!(by, SignedDuration::from_hours(-1));
            drop(busy);
        }
        assert_eq!(clock.at_work(), 0);
        assert!(poll_once(&mut Box::pin(watch.set())).is_none());
        clock.set(Timestamp::from_second(5).unwrap());
        assert!(
            poll_once(&mut Box::pin(watch.set())).is_some(),
            "nothing is missed in between"
        );
    }

    fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
