//! Leaves a target that keeps failing in peace, and finds out when it is back.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::after;
use super::settings::BreakerSettings;

/// What it does with deliveries just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breaker {
    /// Lets everything through, and counts failures in a row.
    Passing { failures: u32 },
    /// Lets nothing through before that moment, then one probe.
    Holding { until: Timestamp },
    /// One probe is under way; everything else waits for its answer.
    Probing,
}

/// Whether a delivery may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    Open,
    /// One alone, which spends no attempt.
    Probe,
    Until(Timestamp),
    /// Not before a probe has come back.
    Shut,
}

impl Breaker {
    pub(super) const NEW: Self = Self::Passing { failures: 0 };

    pub(super) fn opening(self, now: Timestamp) -> Opening {
        match self {
            Self::Passing { .. } => Opening::Open,
            Self::Holding { until } if until <= now => Opening::Probe,
            Self::Holding { until } => Opening::Until(until),
            Self::Probing => Opening::Shut,
        }
    }

    /// A probe goes out.
    pub(super) fn probe(&mut self) {
        *self = Self::Probing;
    }

    /// The target answered as one that works. While it is left in peace only the probe's word counts: an answer to
    /// something sent earlier tells how it was earlier.
    pub(super) fn answered(&mut self, probe: bool) {
        if probe || matches!(self, Self::Passing { .. }) {
            *self = Self::NEW;
        }
    }

    /// The target failed. When it said itself how long to wait, that is how long it is left in peace.
    pub(super) fn failed(
        &mut self,
        settings: &BreakerSettings,
        probe: bool,
        now: Timestamp,
        asked: Option<Duration>,
    ) {
        let until = after(now, asked.unwrap_or(settings.cool_down.0));
        match *self {
            Self::Passing { failures } if failures.saturating_add(1) < settings.failures.get() => {
                *self = Self::Passing {
                    failures: failures + 1,
                };
            }
            Self::Passing { .. } => *self = Self::Holding { until },
            Self::Holding { .. } | Self::Probing if probe => *self = Self::Holding { until },
            Self::Holding { .. } | Self::Probing => {}
        }
    }

    /// The target refuses everything until somebody mends it.
    pub(super) fn refused(&mut self, settings: &BreakerSettings, probe: bool, now: Timestamp) {
        let until = after(now, settings.cool_down.0);
        match *self {
            Self::Passing { .. } => *self = Self::Holding { until },
            Self::Holding { until: known } => {
                *self = Self::Holding {
                    until: known.max(until),
                };
            }
            Self::Probing if probe => *self = Self::Holding { until },
            Self::Probing => {}
        }
    }

    /// Something may have been mended: the next delivery is a probe, now, unless everything passes anyway.
    pub(super) fn probe_soon(&mut self, now: Timestamp) {
        if let Self::Holding { until } = self {
            *until = now.min(*until);
        }
    }

    /// Nothing passes but a probe, from now on.
    pub(super) fn doubt(&mut self, now: Timestamp) {
        if matches!(self, Self::Passing { .. }) {
            *self = Self::Holding { until: now };
        }
    }

    /// The clock was set back by so much: it waits as long as it was to.
    pub(super) fn clock_was_set_back(&mut self, by: SignedDuration) {
        if let Self::Holding { until } = self {
            *until = until.saturating_add(by).unwrap_or(*until);
        }
    }

    /// The probe was not sent after all.
    pub(super) fn unused(&mut self, now: Timestamp) {
        if *self == Self::Probing {
            *self = Self::Holding { until: now };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn tripped() -> Breaker {
        let mut breaker = Breaker::NEW;
        for _ in 0..5 {
            breaker.failed(&BreakerSettings::default(), false, at(0), None);
        }
        breaker
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_lengthen_the_wait() {
        let mut breaker = tripped();
        assert_eq!(breaker.opening(at(0)), Opening::Until(at(30)));
        breaker.clock_was_set_back(SignedDuration::from_secs(-1_000));
        assert_eq!(breaker.opening(at(-1_000)), Opening::Until(at(-970)));
        assert_eq!(breaker.opening(at(-970)), Opening::Probe);
    }

    #[test]
    fn holds_after_five_failures_in_a_row() {
        let settings = BreakerSettings::default();
        let mut breaker = Breaker::NEW;
        for _ in 0..4 {
            breaker.failed(&settings, false, at(0), None);
            assert_eq!(breaker.opening(at(0)), Opening::Open);
        }
        breaker.answered(false);
        for _ in 0..4 {
            breaker.failed(&settings, false, at(0), None);
        }
        assert_eq!(breaker.opening(at(0)), Opening::Open);
        breaker.failed(&settings, false, at(1), None);
        assert_eq!(breaker.opening(at(1)), Opening::Until(at(31)));
    }

    #[test]
    fn sends_one_probe_after_the_cool_down_and_nothing_beside_it() {
        let mut breaker = tripped();
        assert_eq!(breaker.opening(at(29)), Opening::Until(at(30)));
        assert_eq!(breaker.opening(at(30)), Opening::Probe);
        breaker.probe();
        assert_eq!(breaker.opening(at(1_000)), Opening::Shut);
    }

    #[test]
    fn a_probe_that_succeeds_lets_everything_through() {
        let mut breaker = tripped();
        breaker.probe();
        breaker.answered(true);
        assert_eq!(breaker, Breaker::NEW);
    }

    #[test]
    fn a_probe_that_fails_begins_another_cool_down() {
        let mut breaker = tripped();
        breaker.probe();
        breaker.failed(&BreakerSettings::default(), true, at(35), None);
        assert_eq!(breaker.opening(at(36)), Opening::Until(at(65)));
    }

    #[test]
    fn answers_to_what_was_sent_earlier_change_nothing() {
        let settings = BreakerSettings::default();
        let mut breaker = tripped();
        breaker.failed(&settings, false, at(20), None);
        breaker.answered(false);
        assert_eq!(breaker.opening(at(21)), Opening::Until(at(30)));
        breaker.probe();
        breaker.failed(&settings, false, at(31), None);
        breaker.refused(&settings, false, at(31));
        breaker.answered(false);
        assert_eq!(breaker, Breaker::Probing);
    }

    #[test]
    fn waits_as_long_as_the_target_asked_for() {
        let mut breaker = Breaker::NEW;
        for _ in 0..5 {
            breaker.failed(
                &BreakerSettings::default(),
                false,
                at(0),
                Some(Duration::from_secs(2)),
            );
        }
        assert_eq!(breaker.opening(at(1)), Opening::Until(at(2)));
    }

    #[test]
    fn one_refusal_is_enough() {
        let mut breaker = Breaker::NEW;
        breaker.refused(&BreakerSettings::default(), false, at(0));
        assert_eq!(breaker.opening(at(1)), Opening::Until(at(30)));
        breaker.probe_soon(at(5));
        assert_eq!(breaker.opening(at(5)), Opening::Probe);
    }

    #[test]
    fn a_probe_that_was_not_sent_can_be_sent_again_at_once() {
        let mut breaker = tripped();
        breaker.probe();
        breaker.unused(at(30));
        assert_eq!(breaker.opening(at(30)), Opening::Probe);
    }
}
