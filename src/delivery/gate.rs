//! When a target may be sent something, and how a delivery goes on after it was. Pure but for the rate limiter's clock.
//!
//! Four things hold a target back, and waiting for any of them spends no attempt: the pause it asked for, the breaker,
//! its rate limit, and a refusal (401, 403) that will meet every delivery until somebody mends it. The first two and the
//! last are one gate, because a probe has to pass all of them at once.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::event::DeliveryId;
use crate::fate::{Attempt, Verdict};
use crate::store::{Lease, Settled};
use crate::targets::Report;

use super::breaker::{Breaker, Opening};
use super::limit::Limit;
use super::outcome::Outcome;
use super::settings::Settings;
use super::{after, backoff, record};

/// The longest pause a target may ask for; one that says "in a year" has made a mistake.
const PAUSE_MAX: Duration = Duration::from_secs(86_400);

/// How long a delivery waits when it was camhook that failed, not the target.
pub(super) const TROUBLE: Duration = Duration::from_secs(5);

/// How long a delivery waits for pictures of its pair's other half before it looks again: as long as it has waited already,
/// within these bounds.
const EARLY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(10);

/// More deliveries than this are not remembered as refused for their own sake.
const SUSPECTS_MAX: usize = 1_000;

/// What stands between one target's queue and the target.
pub(super) struct Gate {
    settings: Settings,
    limit: Option<Limit>,
    breaker: Breaker,
    paused_until: Option<Timestamp>,
    /// Deliveries that met a refusal since the target last worked.
    refused: HashSet<DeliveryId>,
    /// Deliveries that were refused before the target worked for others: if they are refused once more, it is for their
    /// own sake, and nobody else is to wait for them.
    suspects: HashSet<DeliveryId>,
}

/// What is known of a leased delivery while it is on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) id: DeliveryId,
    pub(super) received_at: Timestamp,
    pub(super) planned_at: Timestamp,
    /// Counted so far.
    pub(super) attempts: u32,
}

/// How a delivery goes on, and its target.
pub(super) struct Course {
    pub(super) settled: Settled,
    pub(super) attempt: Option<Attempt>,
    pub(super) target: Change,
    /// What came of asking the target, for the metrics; `None` when it was not asked.
    pub(super) outcome: Option<&'static str>,
}

/// What an answer means for the whole target.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// It refuses everything until somebody mends it.
    Hold {
        reason: String,
    },
    /// It works.
    Run,
}

impl From<&Lease> for Facts {
    fn from(lease: &Lease) -> Self {
        Self {
            id: lease.id,
            received_at: lease.received_at,
            planned_at: lease.planned_at,
            attempts: lease.attempts,
        }
    }
}

impl Gate {
    pub(super) fn new(settings: Settings, clock: &Clock) -> Self {
        Self {
            limit: settings.rate_limit.map(|limit| Limit::new(limit, clock)),
            settings,
            breaker: Breaker::NEW,
            paused_until: None,
            refused: HashSet::new(),
            suspects: HashSet::new(),
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A reload; what is known of the target stays known.
    pub(super) fn adjust(&mut self, settings: &Settings, clock: &Clock) {
        if settings.rate_limit != self.settings.rate_limit {
            self.limit = settings.rate_limit.map(|limit| Limit::new(limit, clock));
        }
        self.settings = settings.clone();
    }

    /// Whether anything may be sent, the rate limit apart.
    pub(super) fn opening(&self, now: Timestamp) -> Opening {
        match (self.paused_until, self.breaker.opening(now)) {
            (Some(pause), Opening::Until(until)) if pause > now => Opening::Until(pause.max(until)),
            (Some(pause), Opening::Open | Opening::Probe) if pause > now => Opening::Until(pause),
            (_, opening) => opening,
        }
    }

    /// Takes what one delivery needs to pass: tells whether it is a probe, or when to ask again. To be asked for only
    /// while [`Gate::opening`] says that something may pass.
    pub(super) fn pass(&mut self, now: Timestamp) -> Result<bool, Timestamp> {
        if let Some(limit) = &mut self.limit {
            limit.take()?;
        }
        let probe = self.breaker.opening(now) == Opening::Probe;
        if probe {
            self.breaker.probe();
        }
        Ok(probe)
    }

    /// What ends a delivery without an attempt, if anything does.
    pub(super) fn too_late(&self, facts: &Facts, now: Timestamp) -> Option<Course> {
        if self.expiry(facts).is_some_and(|expiry| now >= expiry) {
            return Some(Course::unasked(Settled::Expired, None));
        }
        // What was never tried, because its target was paused or camhook was off, has its one try all the same.
        let tried = facts.attempts > 0 || !matches!(self.breaker, Breaker::Passing { .. });
        if tried && self.deadline(facts).is_some_and(|deadline| now > deadline) {
            let reason = format!(
                "given up: not delivered within {}",
                self.settings.retry.give_up_after
            );
            return Some(Course::unasked(
                Settled::Dead,
                Some(record::note(now, reason)),
            ));
        }
        None
    }

    /// How a delivery goes on after it passed the gate.
    pub(super) fn after(
        &mut self,
        facts: &Facts,
        probe: bool,
        outcome: Outcome,
        now: Timestamp,
    ) -> Course {
        let unasked = match outcome {
            Outcome::Sent { report, at, took } => {
                let attempt = record::answer(&report, at, took);
                return self.answered(facts, probe, &report, attempt, now);
            }
            Outcome::Early => {
                let waited = now.duration_since(facts.planned_at);
                let waited = Duration::try_from(waited).unwrap_or_default();
                let due = after(now, waited.clamp(*EARLY.start(), *EARLY.end()));
                let counts = false;
                Course::unasked(Settled::Again { due, counts }, None)
            }
            Outcome::Filtered { reason } => {
                Course::unasked(Settled::Filtered, Some(record::note(now, reason)))
            }
            Outcome::Unfit { reason } => {
                Course::unasked(Settled::Dead, Some(record::note(now, reason)))
            }
            Outcome::Trouble { reason } => {
                let attempt = record::note(now, reason);
                let mut course = self.again(facts, false, None, attempt, now);
                course.outcome = None;
                course
            }
        };
        self.withdrawn(probe, now);
        unasked
    }

    /// A delivery that passed the gate was not sent.
    pub(super) fn withdrawn(&mut self, probe: bool, now: Timestamp) {
        if let Some(limit) = &mut self.limit {
            limit.give_back();
        }
        if probe {
            self.breaker.unused(now);
        }
    }

    /// The target was held before we knew: since when and for how long does not matter, one probe will tell.
    pub(super) fn found_held(&mut self, now: Timestamp) {
        self.breaker.doubt(now);
    }

    /// A user said that it works again.
    pub(super) fn resumed(&mut self) {
        self.breaker = match self.breaker {
            Breaker::Probing => Breaker::Probing, // its answer is on its way, and ends the probing either way
            Breaker::Passing { .. } | Breaker::Holding { .. } => Breaker::NEW,
        };
        self.paused_until = None;
        self.refused.clear();
    }

    /// The clock was set by so much. Set back, what the target asked for and the breaker take as long as they were to.
    /// Set forwards, they end early, which does no harm; moving them might strand what was reckoned since.
    pub(super) fn clock_was_set(&mut self, by: SignedDuration) {
        if by.is_positive() {
            return;
        }
        self.paused_until = self
            .paused_until
            .map(|until| until.saturating_add(by).unwrap_or(until));
        self.breaker.clock_was_set_back(by);
    }

    /// A reload may have mended what kept it failing.
    pub(super) fn reloaded(&mut self, now: Timestamp) {
        self.breaker.probe_soon(now);
    }

    fn answered(
        &mut self,
        facts: &Facts,
        probe: bool,
        report: &Report,
        attempt: Attempt,
        now: Timestamp,
    ) -> Course {
        match report.verdict {
            Verdict::Delivered => self.works(facts, probe, Settled::Delivered, attempt),
            Verdict::Dead => self.works(facts, probe, Settled::Dead, attempt),
            Verdict::TryAgain { pause } => {
                let pause = pause.map(|pause| pause.min(PAUSE_MAX));
                if let Some(pause) = pause {
                    self.pause_until(after(now, pause));
                }
                self.breaker
                    .failed(&self.settings.breaker, probe, now, pause);
                self.again(facts, probe, pause, attempt, now)
            }
            Verdict::Hold if !probe && self.suspects.contains(&facts.id) => {
                self.again(facts, false, None, attempt, now)
            }
            Verdict::Hold => {
                self.breaker.refused(&self.settings.breaker, probe, now);
                if self.refused.len() < SUSPECTS_MAX {
                    self.refused.insert(facts.id);
                }
                let reason = attempt
                    .error
                    .clone()
                    .unwrap_or_else(|| match report.status {
                        Some(status) => format!("it answered {status}"),
                        None => "it refused".to_owned(),
                    });
                Course {
                    settled: Settled::Again {
                        due: now,
                        counts: false,
                    },
                    attempt: Some(attempt),
                    target: Change::Hold { reason },
                    outcome: Some("held"),
                }
            }
        }
    }

    /// The target did its part: whether it took the delivery or will never have it, others may follow.
    fn works(&mut self, facts: &Facts, probe: bool, settled: Settled, attempt: Attempt) -> Course {
        self.breaker.answered(probe);
        let lifted = probe || self.refused.is_empty();
        if probe {
            if self.suspects.len() + self.refused.len() > SUSPECTS_MAX {
                self.suspects.clear();
            }
            self.suspects.extend(self.refused.drain());
        }
        self.suspects.remove(&facts.id);
        let outcome = match settled {
            Settled::Delivered => "delivered",
            Settled::Again { .. } | Settled::Dead | Settled::Expired | Settled::Filtered => "dead",
        };
        Course {
            settled,
            attempt: Some(attempt),
            target: if lifted { Change::Run } else { Change::None },
            outcome: Some(outcome),
        }
    }

    /// Later, unless that is too late. A probe is not counted, and comes back when the next probe may go out.
    fn again(
        &mut self,
        facts: &Facts,
        probe: bool,
        pause: Option<Duration>,
        mut attempt: Attempt,
        now: Timestamp,
    ) -> Course {
        let retry = &self.settings.retry;
        let made = facts.attempts.saturating_add(u32::from(!probe));
        let wait = if probe {
            pause.unwrap_or(self.settings.breaker.cool_down.0)
        } else {
            backoff::wait(retry, facts.id, made).max(pause.unwrap_or_default())
        };
        let due = after(now, wait);

        let spent = !probe && retry.attempts > 0 && made >= retry.attempts;
        let settled = if self.expiry(facts).is_some_and(|expiry| due >= expiry) {
            Settled::Expired
        } else if spent {
            record::add(&mut attempt, &format!("given up after {made} attempts"));
            Settled::Dead
        } else if self.deadline(facts).is_some_and(|deadline| due > deadline) {
            record::add(
                &mut attempt,
                &format!("given up: not delivered within {}", retry.give_up_after),
            );
            Settled::Dead
        } else {
            Settled::Again {
                due,
                counts: !probe,
            }
        };
        if !matches!(settled, Settled::Again { .. }) {
            self.suspects.remove(&facts.id);
            self.refused.remove(&facts.id);
        }
        Course {
            settled,
            attempt: Some(attempt),
            target: Change::None,
            outcome: Some("again"),
        }
    }

    fn pause_until(&mut self, moment: Timestamp) {
        self.paused_until = self.paused_until.max(Some(moment));
    }

    fn expiry(&self, facts: &Facts) -> Option<Timestamp> {
        let expires = self.settings.expires?;
        Some(after(facts.received_at, expires.0))
    }

    fn deadline(&self, facts: &Facts) -> Option<Timestamp> {
        let patience = self.settings.retry.give_up_after.0;
        (!patience.is_zero()).then(|| after(facts.planned_at, patience))
    }
}

impl Course {
    fn unasked(settled: Settled, attempt: Option<Attempt>) -> Self {
        Self {
            settled,
            attempt,
            target: Change::None,
            outcome: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::settings::Retry;
    use crate::units::{Rate, Span};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn settings() -> Settings {
        Settings {
            retry: Retry {
                jitter: 0.0.try_into().unwrap(),
                ..Retry::default()
            },
            ..Settings::default()
        }
    }

    fn one_a_second() -> Settings {
        let rate = Rate::parse("1/s").unwrap();
        let burst = 1.try_into().unwrap();
        Settings {
            rate_limit: Some(super::super::settings::RateLimit { rate, burst }),
            ..settings()
        }
    }

    fn gate(settings: Settings) -> Gate {
        Gate::new(settings, &Clock::stepped(at(0)))
    }

    fn facts(id: u8, attempts: u32) -> Facts {
        Facts {
            id: DeliveryId::from_bytes([id; 16]),
            received_at: at(0),
            planned_at: at(0),
            attempts,
        }
    }

    fn report(verdict: Verdict, status: u16) -> Outcome {
        Outcome::Sent {
            report: Report {
                verdict,
                status: Some(status),
                error: Some(format!("it answered {status}")),
                excerpt: None,
            },
            at: at(0),
            took: Duration::from_millis(12),
        }
    }

    fn failure() -> Outcome {
        report(Verdict::TryAgain { pause: None }, 500)
    }

    fn busy_for(pause: u64) -> Outcome {
        let pause = Some(seconds(pause));
        report(Verdict::TryAgain { pause }, 429)
    }

    fn refusal() -> Outcome {
        report(Verdict::Hold, 401)
    }

    impl Gate {
        fn see(&mut self, facts: Facts, outcome: Outcome, now: i64) -> Course {
            let probe = self.pass(at(now)).unwrap();
            self.after(&facts, probe, outcome, at(now))
        }
    }

    fn again(course: &Course) -> Option<(i64, bool)> {
        match course.settled {
            Settled::Again { due, counts } => Some((due.as_second(), counts)),
            Settled::Delivered | Settled::Dead | Settled::Expired | Settled::Filtered => None,
        }
    }

    #[test]
    fn waits_longer_after_each_failure_and_counts_it() {
        let mut gate = gate(settings());
        for (made, due) in [(0, 1), (1, 2), (2, 4), (3, 8)] {
            let course = gate.see(facts(1, made), failure(), 0);
            assert_eq!(again(&course), Some((due, true)));
        }
    }

    #[test]
    fn gives_up_after_so_many_attempts_and_says_so() {
        let mut settings = settings();
        settings.retry.attempts = 3;
        let mut gate = gate(settings);
        assert!(again(&gate.see(facts(1, 1), failure(), 0)).is_some());
        let course = gate.see(facts(1, 2), failure(), 0);
        assert!(matches!(course.settled, Settled::Dead));
        assert_eq!(
            course.attempt.unwrap().error.unwrap(),
            "it answered 500; given up after 3 attempts"
        );
    }

    #[test]
    fn gives_up_when_the_next_attempt_would_come_too_late() {
        let mut settings = settings();
        settings.retry.give_up_after = Span(seconds(60));
        let mut gate = gate(settings);
        assert!(again(&gate.see(facts(1, 5), failure(), 28)).is_some());
        let course = gate.see(facts(1, 5), failure(), 29);
        assert!(matches!(course.settled, Settled::Dead));
    }

    #[test]
    fn what_waited_too_long_is_given_up_unless_it_never_had_a_try() {
        let mut settings = settings();
        settings.retry.give_up_after = Span(seconds(60));
        let mut gate = gate(settings);
        assert!(gate.too_late(&facts(1, 1), at(60)).is_none());
        let course = gate.too_late(&facts(1, 1), at(61)).unwrap();
        assert!(matches!(course.settled, Settled::Dead));
        assert!(gate.too_late(&facts(1, 0), at(61)).is_none());
        gate.found_held(at(61)); // then its try would be a probe, and the queue would never end
        assert!(gate.too_late(&facts(1, 0), at(61)).is_some());
    }

    #[test]
    fn what_lost_its_value_expires_before_and_after_an_attempt() {
        let mut settings = settings();
        settings.expires = Some(Span(seconds(10)));
        let mut gate = gate(settings);
        assert!(gate.too_late(&facts(1, 0), at(9)).is_none());
        let course = gate.too_late(&facts(1, 0), at(10)).unwrap();
        assert!(matches!(course.settled, Settled::Expired));

        assert_eq!(again(&gate.see(facts(1, 0), failure(), 8)), Some((9, true)));
        let course = gate.see(facts(1, 1), failure(), 8);
        assert!(matches!(course.settled, Settled::Expired) && course.attempt.is_some());
    }

    #[test]
    fn the_whole_target_pauses_as_long_as_it_asks() {
        let mut gate = gate(settings());
        let course = gate.see(facts(1, 0), busy_for(30), 0);
        assert_eq!(again(&course), Some((30, true)));
        assert_eq!(gate.opening(at(29)), Opening::Until(at(30)));
        assert_eq!(gate.opening(at(30)), Opening::Open);
    }

    #[test]
    fn a_shorter_pause_does_not_end_a_longer_one_and_none_is_longer_than_a_day() {
        let mut gate = gate(settings());
        gate.see(facts(1, 0), busy_for(u64::MAX), 0);
        gate.see(facts(2, 0), busy_for(1), 0);
        assert_eq!(gate.opening(at(5)), Opening::Until(at(86_400)));
    }

    #[test]
    fn a_probe_spends_no_attempt_and_comes_back_for_the_next_probe() {
        let mut gate = gate(settings());
        for n in 0..5 {
            gate.see(facts(n, 0), failure(), 0);
        }
        assert_eq!(gate.opening(at(0)), Opening::Until(at(30)));
        let course = gate.see(facts(1, 1), failure(), 30);
        assert_eq!(again(&course), Some((60, false)));
        assert_eq!(gate.opening(at(31)), Opening::Until(at(60)));
        gate.see(facts(1, 1), report(Verdict::Delivered, 200), 60);
        assert_eq!(gate.opening(at(60)), Opening::Open);
    }

    #[test]
    fn the_last_attempt_is_not_spent_on_a_probe() {
        let mut settings = settings();
        settings.retry.attempts = 1;
        settings.breaker.failures = 1.try_into().unwrap();
        let mut gate = gate(settings);
        assert!(again(&gate.see(facts(1, 0), failure(), 0)).is_none());
        assert_eq!(
            again(&gate.see(facts(2, 0), failure(), 30)),
            Some((60, false))
        );
    }

    #[test]
    fn a_refusal_holds_the_target_and_costs_nothing() {
        let mut gate = gate(settings());
        let course = gate.see(facts(1, 0), refusal(), 0);
        assert_eq!(again(&course), Some((0, false)));
        let reason = "it answered 401".to_owned();
        assert_eq!(course.target, Change::Hold { reason });
        assert_eq!(gate.opening(at(1)), Opening::Until(at(30)));

        let course = gate.see(facts(1, 0), refusal(), 30);
        assert_eq!(again(&course), Some((30, false)));
        let course = gate.see(facts(1, 0), report(Verdict::Delivered, 200), 60);
        assert_eq!(course.target, Change::Run);
        assert_eq!(gate.opening(at(60)), Opening::Open);
    }

    #[test]
    fn a_held_target_is_sent_to_at_once_when_a_user_resumes_it_and_probed_after_a_reload() {
        let mut gate = gate(settings());
        gate.see(facts(1, 0), refusal(), 0);
        gate.reloaded(at(1));
        assert_eq!(gate.opening(at(1)), Opening::Probe);
        gate.see(facts(1, 0), refusal(), 1);
        gate.resumed();
        assert_eq!(gate.opening(at(2)), Opening::Open);
    }

    #[test]
    fn one_delivery_that_alone_is_refused_does_not_hold_the_others_for_ever() {
        let mut gate = gate(settings());
        gate.see(facts(1, 0), refusal(), 0);
        let course = gate.see(facts(2, 0), report(Verdict::Delivered, 200), 30);
        assert_eq!(course.target, Change::Run);
        let course = gate.see(facts(1, 0), refusal(), 30);
        assert_eq!(course.target, Change::None);
        assert_eq!(again(&course), Some((31, true)));
        assert_eq!(gate.opening(at(30)), Opening::Open);
        // Another one that is refused for the first time is believed.
        assert_ne!(gate.see(facts(3, 0), refusal(), 30).target, Change::None);
    }

    #[test]
    fn a_late_success_does_not_lift_a_hold() {
        let mut gate = gate(settings());
        let earlier = gate.pass(at(0)).unwrap();
        gate.see(facts(1, 0), refusal(), 0);
        let late = report(Verdict::Delivered, 200);
        let course = gate.after(&facts(2, 0), earlier, late, at(1));
        assert_eq!(course.target, Change::None);
        assert_eq!(gate.opening(at(1)), Opening::Until(at(30)));
    }

    #[test]
    fn waiting_for_the_rate_limit_begins_no_probe() {
        let mut gate = gate(one_a_second());
        gate.see(facts(1, 0), refusal(), 0);
        gate.reloaded(at(0));
        assert_eq!(gate.pass(at(0)), Err(at(1)));
        assert_eq!(gate.opening(at(0)), Opening::Probe);
    }

    #[test]
    fn a_delivery_that_was_not_sent_leaves_probe_and_permit_to_the_next() {
        let mut gate = gate(one_a_second());
        gate.found_held(at(0));
        for outcome in [
            Outcome::Filtered {
                reason: "nothing".to_owned(),
            },
            Outcome::Unfit {
                reason: "broken".to_owned(),
            },
        ] {
            let course = gate.see(facts(1, 0), outcome, 0);
            assert!(again(&course).is_none() && course.outcome.is_none());
            assert!(course.attempt.unwrap().error.is_some());
            assert_eq!(gate.opening(at(0)), Opening::Probe);
        }
    }

    #[test]
    fn what_waits_for_pictures_of_its_other_half_spends_nothing_and_looks_again_soon() {
        let mut gate = gate(one_a_second());
        gate.found_held(at(0));
        for (now, due) in [(0, 1), (1, 2), (4, 8), (90, 100)] {
            let course = gate.see(facts(1, 0), Outcome::Early, now);
            assert_eq!(again(&course), Some((due, false)));
            assert!(course.attempt.is_none() && course.outcome.is_none());
            assert_eq!(gate.opening(at(now)), Opening::Probe);
        }
    }

    #[test]
    fn an_event_that_cannot_be_read_holds_up_no_other_and_ends() {
        let mut gate = gate(settings());
        let trouble = || Outcome::Trouble {
            reason: "the record is damaged".to_owned(),
        };
        let course = gate.see(facts(1, 0), trouble(), 0);
        assert!(again(&course).is_some_and(|(_, counts)| counts));
        assert!(course.attempt.unwrap().error.is_some() && course.outcome.is_none());
        assert_eq!(gate.opening(at(0)), Opening::Open);
    }

    #[test]
    fn a_reload_keeps_what_is_known_of_the_target() {
        let mut gate = gate(settings());
        gate.see(facts(1, 0), busy_for(30), 0);
        let mut slower = settings();
        slower.concurrency = 1.try_into().unwrap();
        gate.adjust(&slower, &Clock::stepped(at(0)));
        assert_eq!(gate.settings().concurrency.get(), 1);
        assert_eq!(gate.opening(at(1)), Opening::Until(at(30)));
    }
}
