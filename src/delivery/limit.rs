//! A target's rate limit, on our clock.

use governor::clock::Reference;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use jiff::Timestamp;

use crate::clock::Clock;

use super::settings::RateLimit;

/// Lets so many through in a time, with a burst after quiet.
pub(super) struct Limit {
    settings: RateLimit,
    clock: Clock,
    limiter: Option<Limiter>,
    /// Permits that were given back. With those that the limiter has they are never more than a burst.
    returned: u32,
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, Ours, StateInformationMiddleware>;

/// Our clock as the limiter reads it: nanoseconds since 1970.
#[derive(Clone)]
struct Ours(Clock);

impl governor::clock::Clock for Ours {
    type Instant = Nanos;
    fn now(&self) -> Nanos {
        nanos(self.0.now())
    }
}

fn nanos(moment: Timestamp) -> Nanos {
    Nanos::new(u64::try_from(moment.as_nanosecond()).unwrap_or(0)) // up to the year 2554
}

impl Limit {
    pub(super) fn new(settings: RateLimit, clock: &Clock) -> Self {
        Self {
            settings,
            clock: clock.clone(),
            limiter: limiter(settings, clock),
            returned: 0,
        }
    }

    /// Takes one permit, or tells when there will be one.
    pub(super) fn take(&mut self) -> Result<(), Timestamp> {
        let Some(limiter) = &self.limiter else {
            return Ok(());
        };
        let burst = self.settings.burst.get();
        let refused = match limiter.check() {
            Ok(left) => {
                let had = left.remaining_burst_capacity().saturating_add(1);
                self.returned = self.returned.min(burst.saturating_sub(had));
                return Ok(());
            }
            Err(refused) => refused,
        };
        if let Some(left) = self.returned.min(burst).checked_sub(1) {
            self.returned = left;
            return Ok(());
        }
        let earliest = refused.earliest_possible();
        let left = earliest.duration_since(nanos(self.clock.now()));
        if left > refused.quota().replenish_interval().into() {
            // Permits come one by one, so a longer wait means that the system's clock was set back.
            self.limiter = self::limiter(self.settings, &self.clock);
            let _first = self.limiter.as_ref().map(Limiter::check);
            return Ok(());
        }
        Err(Timestamp::from_nanosecond(i128::from(earliest.as_u64())).unwrap_or(Timestamp::MAX))
    }

    /// A permit was taken for what then was not sent.
    pub(super) fn give_back(&mut self) {
        self.returned = self.returned.saturating_add(1);
    }
}

/// `None` for more than one permit in a nanosecond, which limits nothing.
fn limiter(settings: RateLimit, clock: &Clock) -> Option<Limiter> {
    let quota = Quota::with_period(settings.rate.per / settings.rate.count)?;
    let quota = quota.allow_burst(settings.burst);
    let limiter = RateLimiter::direct_with_clock(quota, Ours(clock.clone()));
    Some(limiter.with_middleware())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Rate;
    use jiff::SignedDuration;

    fn limit(rate: &str, burst: u32, clock: &Clock) -> Limit {
        let settings = RateLimit {
            rate: Rate::parse(rate).unwrap(),
            burst: burst.try_into().unwrap(),
        };
        Limit::new(settings, clock)
    }

    fn start() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn spreads_five_a_second_evenly() {
        let clock = Clock::stepped(start());
        let mut limit = limit("5/s", 1, &clock);
        assert_eq!(limit.take(), Ok(()));
        let next = start() + SignedDuration::from_millis(200);
        assert_eq!(limit.take(), Err(next));
        clock.step(next);
        assert_eq!(limit.take(), Ok(()));
        assert!(limit.take().is_err());
    }

    #[test]
    fn a_burst_goes_at_once_and_comes_back_with_quiet() {
        let clock = Clock::stepped(start());
        let mut limit = limit("60/m", 3, &clock);
        for _ in 0..3 {
            assert_eq!(limit.take(), Ok(()));
        }
        assert_eq!(limit.take(), Err(start() + SignedDuration::from_secs(1)));
        clock.step(start() + SignedDuration::from_secs(60));
        for _ in 0..3 {
            assert_eq!(limit.take(), Ok(()));
        }
        assert!(limit.take().is_err());
    }

    #[test]
    fn never_lets_more_through_than_rate_and_burst_allow() {
        let clock = Clock::stepped(start());
        let mut limit = limit("100/m", 7, &clock);
        let mut taken = 0;
        for _ in 0..60_000 {
            taken += u32::from(limit.take().is_ok());
            clock.step(clock.now() + SignedDuration::from_millis(1));
        }
        assert_eq!(taken, 107 - 1); // the permit of the 60th second is due after the last look
    }

    #[test]
    fn what_was_given_back_is_another_s_and_makes_no_greater_burst() {
        let clock = Clock::stepped(start());
        let mut limit = limit("1/s", 2, &clock);
        for _ in 0..100 {
            assert_eq!(limit.take(), Ok(()), "none of them was sent");
            limit.give_back();
        }
        assert_eq!(limit.take(), Ok(()));
        assert_eq!(limit.take(), Ok(()));
        let next = start() + SignedDuration::from_secs(1);
        assert_eq!(limit.take(), Err(next));
        limit.give_back();
        limit.give_back();
        clock.step(start() + SignedDuration::from_secs(60));
        assert_eq!(limit.take(), Ok(()));
        assert_eq!(limit.take(), Ok(()));
        assert!(limit.take().is_err(), "quiet gives a burst, no more");
    }

    #[test]
    fn what_is_given_back_for_long_makes_no_greater_burst_either() {
        let clock = Clock::stepped(start());
        let mut limit = limit("1/s", 3, &clock);
        for second in 0..100 {
            clock.step(start() + SignedDuration::from_secs(second));
            for _ in 0..2 {
                assert_eq!(limit.take(), Ok(()));
                limit.give_back();
            }
        }
        for _ in 0..3 {
            assert_eq!(limit.take(), Ok(()));
        }
        assert!(limit.take().is_err());
        clock.step(clock.now() + SignedDuration::from_secs(1));
        limit.give_back();
        assert_eq!(limit.take(), Ok(()));
        assert_eq!(limit.take(), Ok(()));
        assert!(limit.take().is_err());
    }

    #[test]
    fn a_clock_set_back_does_not_stop_everything() {
        let late = Clock::stepped(start() + SignedDuration::from_hours(24));
        let mut limit = limit("1/s", 1, &late);
        assert_eq!(limit.take(), Ok(()));
        limit.clock = Clock::stepped(start()); // what is left to wait is now a day
        assert_eq!(limit.take(), Ok(()));
        assert_eq!(limit.take(), Err(start() + SignedDuration::from_secs(1)));
    }
}
