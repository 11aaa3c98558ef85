//! How simulated targets behave: spells of weeks or minutes in which they answer, fail, hang, ask for patience, refuse.

use std::time::Duration;

use jiff::Timestamp;

use super::dice::Dice;
use crate::delivery::after;
use crate::fate::Verdict;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// How long a send to a silent target takes, as in `targets::http`.
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Well,
    Slow,
    /// Fails at once.
    Down,
    /// Takes connections and never answers.
    Silent,
    /// Some attempts fail, some do not.
    Flapping,
    /// 429 or 503 with the wish for a pause, for most of the attempts.
    Busy,
    /// 401 to everything.
    Refusing,
}

/// The moods of one target, one after the other; behind the last it is well for ever.
pub(super) struct Weather {
    spells: Vec<(Timestamp, Mood)>,
    seed: u64,
    target: u64,
}

impl Weather {
    /// Spells of trouble are not longer than `probes` waits of `cool_down`, so that a year is over in seconds.
    pub(super) fn draw(
        seed: u64,
        target: u64,
        from: Timestamp,
        until: Timestamp,
        cool_down: Duration,
    ) -> Self {
        let mut dice = Dice::new(seed, &[1, target]);
        let (mut spells, mut now) = (Vec::new(), from);
        let longest = (cool_down * 150).clamp(2 * HOUR, 30 * DAY);
        while now < until {
            now = after(now, dice.span(HOUR, 25 * DAY));
            spells.push((now.min(until), Mood::Well));
            let mood = dice.pick(&[
                Mood::Slow,
                Mood::Down,
                Mood::Down,
                Mood::Silent,
                Mood::Flapping,
                Mood::Busy,
                Mood::Refusing,
            ]);
            let longest = match mood {
                Mood::Flapping | Mood::Slow => longest.min(2 * DAY),
                _ => longest,
            };
            now = after(now, dice.span(MINUTE, longest));
            spells.push((now.min(until), mood));
        }
        Self {
            spells,
            seed,
            target,
        }
    }

    /// Well, always.
    pub(super) fn calm(seed: u64, target: u64) -> Self {
        let spells = Vec::new();
        Self {
            spells,
            seed,
            target,
        }
    }

    /// Never answers, until the end.
    pub(super) fn black_hole(seed: u64, target: u64, until: Timestamp) -> Self {
        let spells = vec![(until, Mood::Silent)];
        Self {
            spells,
            seed,
            target,
        }
    }

    pub(super) fn at(&self, now: Timestamp) -> Mood {
        let spell = self.spells.iter().find(|(until, _)| now < *until);
        spell.map_or(Mood::Well, |(_, mood)| *mood)
    }

    /// How long it takes to answer the `nth` try to deliver event `number`, and what it answers.
    pub(super) fn answer(&self, now: Timestamp, number: u64, nth: u64) -> (Duration, Verdict) {
        let mut of_delivery = Dice::new(self.seed, &[2, self.target, number]);
        let mut dice = Dice::new(self.seed, &[3, self.target, number, nth]);
        let again = Verdict::TryAgain { pause: None };
        let quick = dice.span(Duration::from_millis(2), Duration::from_millis(900));
        let well = match of_delivery.below(240) {
            0..6 => Verdict::Dead, // a 422: for its own sake, whenever it is asked
            6 if self.target == 1 => Verdict::Hold, // a 401 for its own sake
            _ => Verdict::Delivered,
        };
        match self.at(now) {
            Mood::Well => (quick, well),
            Mood::Slow => (dice.span(3 * SECOND, TIMEOUT - SECOND), well),
            Mood::Down => (dice.span(Duration::from_micros(200), 6 * SECOND), again),
            Mood::Silent => (TIMEOUT + Duration::from_micros(dice.below(5_000)), again),
            Mood::Flapping if dice.in_a_hundred(50) => (quick, well),
            Mood::Flapping => (quick, again),
            Mood::Busy if dice.in_a_hundred(15) => (quick, well),
            Mood::Busy => {
                let pause = dice.pick(&[
                    SECOND,
                    7 * SECOND,
                    30 * SECOND,
                    5 * MINUTE,
                    HOUR,
                    3 * DAY,
                    400 * DAY,
                ]);
                // Long pauses are rare, else the year would be nothing but one.
                let pause = if pause > HOUR && dice.in_a_hundred(80) {
                    MINUTE
                } else {
                    pause
                };
                (quick, Verdict::TryAgain { pause: Some(pause) })
            }
            Mood::Refusing => (quick, Verdict::Hold),
        }
    }
}
