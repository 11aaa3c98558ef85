//! What must hold for one target at every send and every answer, told from outside: by who asked when and what the
//! target said. Written as the documentation of `retry`, `breaker`, `rate_limit` and `order` says it, not as the gate does it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::delivery::after;
use crate::delivery::settings::{Order, Settings};
use crate::event::DeliveryId;
use crate::fate::{Delivery, Fate, Verdict};

/// Times are kept in whole microseconds.
const TICK: SignedDuration = SignedDuration::from_micros(1);
const DAY: Duration = Duration::from_secs(86_400);

/// What is known of one delivery.
#[derive(Debug)]
pub(super) struct Known {
    /// Events are numbered in the order they were received.
    pub(super) number: u64,
    pub(super) camera: usize,
    pub(super) received_at: Timestamp,
    pub(super) planned_at: Timestamp,
    /// Failures that count against `retry.attempts`.
    counted: u32,
    pub(super) sends: u64,
    /// Not tried before the first, and due at the second.
    between: (Timestamp, Timestamp),
    last: Option<Verdict>,
    /// What the last answer leaves it.
    may: May,
    ended: Option<Fate>,
}

/// Fates that are open to a delivery.
#[derive(Debug, Clone, Copy)]
struct May {
    wait: bool,
    die: bool,
    expire: bool,
}

const WAIT: May = May {
    wait: true,
    die: false,
    expire: false,
};

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Passing { failures: u32 },
    Holding { until: Timestamp },
    Probing,
}

/// Everything about one target.
pub(super) struct Rules {
    name: &'static str,
    settings: Settings,
    /// As the settings were when they were kindest, and least kind.
    most_attempts: u32,
    shortest_patience: Option<Duration>,
    shortest_value: Option<Duration>,
    state: State,
    paused_until: Timestamp,
    pub(super) stopped_by_user: bool,
    refused: HashSet<DeliveryId>,
    suspects: HashSet<DeliveryId>,
    in_flight: HashMap<DeliveryId, bool>,
    /// When the allowance of the rate limit would be whole again.
    whole_at: Timestamp,
    latest_of_camera: HashMap<usize, u64>,
    pub(super) known: BTreeMap<DeliveryId, Known>,
    pub(super) complaints: Vec<String>,
    pub(super) sends: u64,
    pub(super) probes: u64,
    /// Everything that happened, for comparing runs: when, which event, what.
    pub(super) trace: Vec<(i64, u64, &'static str)>,
}

impl Rules {
    pub(super) fn new(name: &'static str, settings: Settings) -> Self {
        let mut rules = Self {
            name,
            most_attempts: 0,
            shortest_patience: None,
            shortest_value: None,
            settings: settings.clone(),
            state: State::Passing { failures: 0 },
            paused_until: Timestamp::MIN,
            stopped_by_user: false,
            refused: HashSet::new(),
            suspects: HashSet::new(),
            in_flight: HashMap::new(),
            whole_at: Timestamp::MIN,
            latest_of_camera: HashMap::new(),
            known: BTreeMap::new(),
            complaints: Vec::new(),
            sends: 0,
            probes: 0,
            trace: Vec::new(),
        };
        rules.follow(settings);
        rules
    }

    fn follow(&mut self, settings: Settings) {
        self.most_attempts = match settings.retry.attempts {
            0 => u32::MAX,
            some => self.most_attempts.max(some),
        };
        let patience = settings.retry.give_up_after.0;
        let shorter =
            |known: Option<Duration>, new: Duration| known.map_or(new, |known| known.min(new));
        if !patience.is_zero() {
            self.shortest_patience = Some(shorter(self.shortest_patience, patience));
        }
        if let Some(value) = settings.expires {
            self.shortest_value = Some(shorter(self.shortest_value, value.0));
        }
        self.settings = settings;
    }

    fn complain(&mut self, now: Timestamp, id: DeliveryId, what: &str) {
        let (name, known) = (self.name, self.known.get(&id));
        self.complaints.push(format!(
            "{now} {name}: {what}\n  {id}: {known:?}\n  {:?}, {:?}",
            self.state, self.settings
        ));
    }

    pub(super) fn planned(&mut self, id: DeliveryId, number: u64, camera: usize, now: Timestamp) {
        let known = Known {
            number,
            camera,
            received_at: now,
            planned_at: now,
            counted: 0,
            sends: 0,
            between: (now, now),
            last: None,
            may: WAIT,
            ended: None,
        };
        self.known.insert(id, known);
    }

    /// The interval between permits, and how many may go at once.
    fn rate(&self) -> Option<(Duration, u32)> {
        let limit = self.settings.rate_limit?;
        Some((limit.rate.per / limit.rate.count, limit.burst.get()))
    }

    /// Whether the rate allows one now.
    fn in_rate(&self, now: Timestamp) -> bool {
        self.rate().is_none_or(|(interval, burst)| {
            let saved = SignedDuration::try_from(interval * (burst - 1)).expect("it is short");
            self.whole_at.duration_since(now) <= saved + TICK
        })
    }

    pub(super) fn begins(&mut self, id: DeliveryId, now: Timestamp) {
        self.sends += 1;
        let probe = matches!(self.state, State::Holding { .. });
        let Some(known) = self.known.get_mut(&id) else {
            return self.complain(now, id, "nobody planned it");
        };
        known.sends += 1;
        let (number, camera, first) = (known.number, known.camera, known.between.0);
        let (counted, ended, last) = (known.counted, known.ended, known.last.clone());
        let (expiry, deadline) = self.limits(id);
        let place = usize::from(self.settings.concurrency.get());
        let others_of_camera = self
            .in_flight
            .keys()
            .any(|other| self.known[other].camera == camera);
        let ordered = self.settings.order == Order::Camera;
        let latest = self.latest_of_camera.insert(camera, number);
        let late = deadline.is_some_and(|deadline| now > deadline + TICK);
        for (wrong, what) in [
            (ended.is_some(), "it was settled, and is sent again"),
            (
                matches!(last, Some(Verdict::Delivered | Verdict::Dead)),
                "it was answered for good, and is sent again",
            ),
            (self.in_flight.contains_key(&id), "it is on its way already"),
            (
                self.in_flight.len() >= place,
                "more at once than `concurrency`",
            ),
            (self.stopped_by_user, "a user has paused the target"),
            (
                now + TICK < self.paused_until,
                "the target asked for a pause that is not over",
            ),
            (now + TICK < first, "tried again too early"),
            (self.state == State::Probing, "a probe is under way"),
            (
                matches!(self.state, State::Holding { until } if now + TICK < until),
                "the target is left in peace until later",
            ),
            (expiry.is_some_and(|expiry| now >= expiry), "it has expired"),
            (late && (counted > 0 || probe), "`give_up_after` is over"),
            (counted >= self.most_attempts, "its `attempts` are spent"),
            (!self.in_rate(now), "more than `rate_limit`"),
            (ordered && others_of_camera, "two of one camera at once"),
            (
                ordered && latest.is_some_and(|latest| latest > number),
                "an older event of the camera comes after a younger one",
            ),
        ] {
            if wrong {
                self.complain(now, id, what);
            }
        }
        if let Some((interval, _)) = self.rate() {
            self.whole_at = after(self.whole_at.max(now), interval);
        }
        if probe {
            self.state = State::Probing;
            self.probes += 1;
        }
        self.in_flight.insert(id, probe);
        self.trace.push((
            now.as_microsecond(),
            number,
            if probe { "probe" } else { "send" },
        ));
    }

    fn limits(&self, id: DeliveryId) -> (Option<Timestamp>, Option<Timestamp>) {
        let known = &self.known[&id];
        let expiry = self
            .settings
            .expires
            .map(|span| after(known.received_at, span.0));
        let patience = self.settings.retry.give_up_after.0;
        (
            expiry,
            (!patience.is_zero()).then(|| after(known.planned_at, patience)),
        )
    }

    pub(super) fn answers(&mut self, id: DeliveryId, verdict: &Verdict, now: Timestamp) {
        let Some(probe) = self.in_flight.remove(&id) else {
            return self.complain(now, id, "nobody sent it");
        };
        let own_fault = !probe && self.suspects.contains(&id);
        let word = match verdict {
            Verdict::Delivered | Verdict::Dead => {
                if probe || matches!(self.state, State::Passing { .. }) {
                    self.state = State::Passing { failures: 0 };
                }
                if probe {
                    self.suspects.extend(self.refused.drain());
                }
                self.suspects.remove(&id);
                if *verdict == Verdict::Dead {
                    "dead"
                } else {
                    "delivered"
                }
            }
            Verdict::TryAgain { pause } => {
                let pause = pause.map(|pause| pause.min(DAY));
                if let Some(pause) = pause {
                    self.paused_until = self.paused_until.max(after(now, pause));
                }
                self.failed(probe, pause, now);
                self.later(id, probe, pause, now);
                "failed"
            }
            Verdict::Hold if own_fault => {
                self.later(id, false, None, now);
                "failed"
            }
            Verdict::Hold => {
                let until = after(now, self.settings.breaker.cool_down.0);
                self.state = match self.state {
                    State::Passing { .. } => State::Holding { until },
                    State::Holding { until: known } => State::Holding {
                        until: known.max(until),
                    },
                    State::Probing if probe => State::Holding { until },
                    State::Probing => State::Probing,
                };
                self.refused.insert(id);
                if let Some(known) = self.known.get_mut(&id) {
                    (known.between, known.may) = ((now, now), WAIT);
                }
                "refused"
            }
        };
        if let Some(known) = self.known.get_mut(&id) {
            known.last = Some(verdict.clone());
            self.trace.push((now.as_microsecond(), known.number, word));
        }
    }

    fn failed(&mut self, probe: bool, pause: Option<Duration>, now: Timestamp) {
        let breaker = self.settings.breaker;
        let until = after(now, pause.unwrap_or(breaker.cool_down.0));
        match self.state {
            State::Passing { failures } if failures + 1 < breaker.failures.get() => {
                self.state = State::Passing {
                    failures: failures + 1,
                };
            }
            State::Passing { .. } => self.state = State::Holding { until },
            State::Holding { .. } | State::Probing if probe => {
                self.state = State::Holding { until }
            }
            State::Holding { .. } | State::Probing => {}
        }
    }

    /// Within which bounds it must be due again.
    fn later(&mut self, id: DeliveryId, probe: bool, pause: Option<Duration>, now: Timestamp) {
        let retry = &self.settings.retry;
        let Some(known) = self.known.get_mut(&id) else {
            return;
        };
        known.between = if probe {
            let wait = after(now, pause.unwrap_or(self.settings.breaker.cool_down.0));
            (wait, wait)
        } else {
            known.counted += 1;
            let times = retry
                .factor
                .get()
                .powi(i32::try_from(known.counted - 1).expect("few attempts"));
            let full = (retry.initial.0.as_secs_f64() * times).min(retry.max.0.as_secs_f64());
            let least = Duration::from_secs_f64(full * (1.0 - retry.jitter.get()));
            let (full, pause) = (Duration::from_secs_f64(full), pause.unwrap_or_default());
            (after(now, least.max(pause)), after(now, full.max(pause)))
        };
        let ((first, last), attempts) = (known.between, self.settings.retry.attempts);
        let spent = !probe && attempts > 0 && known.counted >= attempts;
        let (expiry, deadline) = self.limits(id);
        let past =
            |moment: Timestamp, limit: Option<Timestamp>| limit.is_some_and(|limit| moment > limit);
        let worthless = past(first + TICK, expiry);
        let may = May {
            expire: past(last + TICK, expiry),
            die: !worthless && (spent || past(last, deadline)),
            wait: !worthless && !spent && !past(first, deadline),
        };
        self.known.get_mut(&id).expect("looked at above").may = may;
    }

    /// The config was loaded again.
    pub(super) fn reloaded(&mut self, settings: Settings, now: Timestamp) {
        if settings.rate_limit != self.settings.rate_limit {
            self.whole_at = Timestamp::MIN;
        }
        if settings.order != self.settings.order {
            self.latest_of_camera.clear();
        }
        self.follow(settings);
        if let State::Holding { until } = &mut self.state {
            *until = now.min(*until);
        }
    }

    /// A user said that it works again.
    pub(super) fn resumed(&mut self) {
        self.stopped_by_user = false;
        if self.state != State::Probing {
            self.state = State::Passing { failures: 0 };
        }
        self.paused_until = Timestamp::MIN;
        self.refused.clear();
    }

    /// Whether nothing is held against it: what the gate forgets of a delivery that dies, and when, is its own business.
    pub(super) fn never_refused(&self, id: DeliveryId) -> bool {
        !self.refused.contains(&id) && !self.suspects.contains(&id)
    }

    /// A user asked for another try of what was dead.
    pub(super) fn retried(&mut self, id: DeliveryId, now: Timestamp) {
        let known = self.known.get_mut(&id).expect("it was planned");
        known.counted = 0;
        known.planned_at = now;
        known.between = (now, now);
        known.may = WAIT;
        known.last = None;
        known.ended = None;
        self.latest_of_camera.remove(&known.camera);
    }

    /// Compares with what the store says is pending, while nothing is being done.
    pub(super) fn compare(&mut self, pending: &[Delivery], now: Timestamp) {
        let open = match self.state {
            State::Passing { .. } => true,
            State::Holding { until } => until <= now,
            State::Probing => false,
        };
        let places = self.in_flight.len() < usize::from(self.settings.concurrency.get());
        let may_send = open
            && places
            && !self.stopped_by_user
            && self.paused_until <= now
            && self.in_rate(now);
        let mut oldest: HashMap<usize, (u64, DeliveryId)> = HashMap::new();
        for row in pending {
            let known = &self.known[&row.id];
            let first = oldest.entry(known.camera).or_insert((known.number, row.id));
            *first = (*first).min((known.number, row.id));
        }
        let mut wrong = Vec::new();
        for row in pending {
            let known = &self.known[&row.id];
            let due = row.due.expect("pending deliveries are due sometime");
            if self.in_flight.contains_key(&row.id) {
                continue;
            }
            let (first, last) = known.between;
            if due + TICK < first || due > last + TICK {
                wrong.push((
                    row.id,
                    format!("due at {due}, not between {first} and {last}"),
                ));
            }
            let waits_for_older =
                self.settings.order == Order::Camera && oldest[&known.camera].1 != row.id;
            if may_send && due <= now && !waits_for_older {
                wrong.push((row.id, "it is due, could be sent, and is not".to_owned()));
            }
        }
        for (id, what) in wrong {
            self.complain(now, id, &what);
        }
    }

    /// The fate of a delivery, as the store tells it.
    pub(super) fn settled(&mut self, row: &Delivery, now: Timestamp) {
        let Some(known) = self.known.get(&row.id) else {
            return self.complain(now, row.id, "nobody planned it");
        };
        let over =
            |span: Option<Duration>, since| span.is_some_and(|span| now >= after(since, span));
        let answered = matches!(known.last, Some(Verdict::Delivered | Verdict::Dead));
        let fits = match row.fate {
            Fate::Delivered => known.last == Some(Verdict::Delivered),
            Fate::Dead if answered => known.last == Some(Verdict::Dead),
            Fate::Dead => known.may.die || over(self.shortest_patience, known.planned_at),
            Fate::Expired => {
                !answered && (known.may.expire || over(self.shortest_value, known.received_at))
            }
            Fate::Pending | Fate::Held => !answered && known.may.wait,
            Fate::Filtered => false,
        };
        let changed = known.ended.is_some_and(|fate| fate != row.fate);
        let on_its_way = self.in_flight.contains_key(&row.id);
        let asked = row
            .attempts
            .iter()
            .filter(|attempt| attempt.status.is_some());
        let asked = asked.count() as u64;
        let told = asked == known.sends - u64::from(on_its_way);
        for (wrong, what) in [
            (!fits, format!("its fate is {:?}", row.fate)),
            (changed, format!("its fate was {:?} before", known.ended)),
            (
                !told,
                format!("{asked} attempts are told of {}", known.sends),
            ),
        ] {
            if wrong {
                self.complain(now, row.id, &what);
            }
        }
        if !matches!(row.fate, Fate::Pending | Fate::Held) {
            let known = self.known.get_mut(&row.id).expect("looked at above");
            known.ended = Some(row.fate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::{START, settings};
    use super::*;

    const FAILED: Verdict = Verdict::TryAgain { pause: None };

    fn id(n: u8) -> DeliveryId {
        DeliveryId::from_bytes([n; 16])
    }

    fn at(seconds: u64) -> Timestamp {
        after(START, Duration::from_secs(seconds))
    }

    /// Three events of one camera are planned at the start.
    fn rules(yaml: &str) -> Rules {
        let mut rules = Rules::new("vms", settings(yaml));
        for n in 1..=3 {
            rules.planned(id(n), n.into(), 0, START);
        }
        rules
    }

    /// What is complained of, after `n` was sent at those moments and each time answered so a second later.
    fn complaints(yaml: &str, sends: &[(u8, u64, Verdict)]) -> String {
        let mut rules = rules(yaml);
        for (n, moment, verdict) in sends {
            rules.begins(id(*n), at(*moment));
            rules.answers(id(*n), verdict, at(moment + 1));
        }
        rules.complaints.join("\n")
    }

    #[test]
    fn what_is_right_is_not_complained_of() {
        let told = complaints(
            "{ rate_limit: 1/s, order: camera, breaker: { failures: 2, cool_down: 1m }, retry: { initial: 10s, jitter: 0 } }",
            &[
                (1, 0, FAILED),
                (1, 11, FAILED),
                (1, 72, Verdict::Delivered),
                (
                    2,
                    73,
                    Verdict::TryAgain {
                        pause: Some(Duration::from_secs(100)),
                    },
                ),
                (2, 174, Verdict::Delivered),
            ],
        );
        assert_eq!(told, "");
    }

    #[test]
    fn each_broken_promise_is_complained_of() {
        for (yaml, sends, told) in [
            (
                "{}",
                &[(1, 0, Verdict::Delivered), (1, 5, FAILED)][..],
                "answered for good",
            ),
            (
                "{ retry: { initial: 10s } }",
                &[(1, 0, FAILED), (1, 5, FAILED)],
                "too early",
            ),
            (
                "{ retry: { attempts: 1 } }",
                &[(1, 0, FAILED), (1, 50, FAILED)],
                "`attempts`",
            ),
            (
                "{ retry: { give_up_after: 20s } }",
                &[(1, 0, FAILED), (1, 50, FAILED)],
                "`give_up_after`",
            ),
            ("{ expires: 20s }", &[(1, 20, FAILED)], "expired"),
            (
                "{ breaker: { failures: 1, cool_down: 1m } }",
                &[(1, 0, FAILED), (2, 50, FAILED)],
                "left in peace",
            ),
            (
                "{ rate_limit: 1/m }",
                &[(1, 0, Verdict::Delivered), (2, 50, Verdict::Delivered)],
                "`rate_limit`",
            ),
            (
                "{ order: camera }",
                &[(2, 0, FAILED), (1, 5, FAILED)],
                "older event",
            ),
            (
                "{}",
                &[
                    (
                        1,
                        0,
                        Verdict::TryAgain {
                            pause: Some(DAY * 9),
                        },
                    ),
                    (2, 80_000, FAILED),
                ],
                "asked for a pause",
            ),
            ("{}", &[(9, 0, FAILED)], "nobody planned"),
        ] {
            let complaints = complaints(yaml, sends);
            assert!(complaints.contains(told), "{yaml}: {complaints}");
        }
    }

    #[test]
    fn what_goes_on_at_once_is_counted() {
        let begun = |yaml: &str, sends: &[u8]| {
            let mut rules = rules(yaml);
            for n in sends {
                rules.begins(id(*n), START);
            }
            rules.complaints.join("\n")
        };
        assert_eq!(begun("{ concurrency: 2 }", &[1, 2]), "");
        assert!(begun("{ concurrency: 2 }", &[1, 2, 3]).contains("`concurrency`"));
        assert!(begun("{}", &[1, 1]).contains("on its way already"));
        assert!(begun("{ order: camera }", &[1, 2]).contains("two of one camera"));
        let mut rules = rules("{ breaker: { failures: 1 } }");
        rules.begins(id(1), START);
        rules.answers(id(1), &FAILED, START);
        rules.begins(id(2), at(31));
        rules.begins(id(3), at(31));
        assert!(rules.complaints.join("\n").contains("a probe is under way"));
    }
}
