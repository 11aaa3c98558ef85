//! For how long a camera has been silent, of the time in which it could have been heard and somebody might have passed.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::event::Moment;
use crate::schedule::Hours;

/// Quiet hours are counted in pieces of this.
const PIECE: SignedDuration = SignedDuration::from_mins(5);
/// So many pieces are looked at, which is two months; what lies before counts as a whole.
const PIECES_MAX: u32 = 2 * 31 * 24 * 12;
/// A shorter stop does not matter.
const GAP_MIN: SignedDuration = SignedDuration::from_mins(2);
/// Stops that are remembered.
const GAPS_MAX: usize = 32;

/// When camhook did not run, as far as it matters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Awake {
    /// It ran until then, at least.
    pub(crate) until: Option<Timestamp>,
    gaps: Vec<(Timestamp, Timestamp)>,
}

impl Awake {
    /// It runs at that moment; `began` if it did not just before.
    pub(crate) fn at(&mut self, now: Timestamp, began: bool) {
        if let Some(until) = self.until
            && began
            && now.duration_since(until) >= GAP_MIN
        {
            self.gaps.push((until, now));
            let beyond = self.gaps.len().saturating_sub(GAPS_MAX);
            self.gaps.drain(..beyond);
        }
        self.until = Some(now);
    }

    fn slept(&self, from: Timestamp, to: Timestamp) -> SignedDuration {
        let overlap = |(begin, end): &(Timestamp, Timestamp)| {
            let both = (*end).min(to).duration_since((*begin).max(from));
            both.max(SignedDuration::ZERO)
        };
        self.gaps.iter().map(overlap).sum()
    }

    /// How long it was silent from `last` to `now`, without what does not count.
    pub(super) fn silent(
        &self,
        last: Timestamp,
        now: Timestamp,
        quiet: Option<&Hours>,
    ) -> SignedDuration {
        let Some(quiet) = quiet else {
            let silent = now.duration_since(last) - self.slept(last, now);
            return silent.max(SignedDuration::ZERO);
        };
        let (mut to, mut silent) = (now, SignedDuration::ZERO);
        for _ in 0..PIECES_MAX {
            if to <= last {
                break;
            }
            let from = to.saturating_sub(PIECE).unwrap_or(last).max(last);
            if !quiet.hold(Moment::utc(from)) {
                silent += to.duration_since(from) - self.slept(from, to);
            }
            to = from;
        }
        silent + to.duration_since(last).max(SignedDuration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn quiet_hours_and_the_time_in_which_camhook_did_not_run_do_not_count() {
        let (last, now) = (at("2026-11-20T21:00:00Z"), at("2026-11-21T09:00:00Z"));
        let night = Hours::parse("22:00-06:00 UTC").unwrap();
        let mut awake = Awake::default();
        let hours = |awake: &Awake, quiet| awake.silent(last, now, quiet).as_hours();
        assert_eq!((hours(&awake, None), hours(&awake, Some(&night))), (12, 4));
        awake.at(at("2026-11-21T05:00:00Z"), true);
        awake.at(at("2026-11-21T08:00:00Z"), true);
        awake.at(at("2026-11-21T08:30:00Z"), false);
        assert_eq!((hours(&awake, None), hours(&awake, Some(&night))), (9, 2));
        assert_eq!(awake.silent(now, last, None), SignedDuration::ZERO);
        assert_eq!(awake.silent(now, last, Some(&night)), SignedDuration::ZERO);
    }

    #[test]
    fn stops_are_remembered_up_to_a_limit() {
        let mut awake = Awake::default();
        for n in 0..100 {
            awake.at(Timestamp::from_second(n * 3_600).unwrap(), true);
        }
        assert_eq!(awake.gaps.len(), GAPS_MAX);
    }
}
