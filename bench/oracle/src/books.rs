//! What was sent, what camhook said to it, and what arrived where: the whole history of each event.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::event::{self, Made, Sender, Sha};
use crate::routes;

/// What the camera heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The connection broke, or nothing came in time: it may be there or not.
    Unanswered(String),
    Acknowledged(u16),
    Refused(u16),
}

/// One event as it was sent.
#[derive(Debug, Clone)]
pub struct Sent {
    pub sender: Sender,
    pub camera: String,
    pub plate: String,
    pub content_type: String,
    pub sha: Sha,
    pub document: Value,
    pub began: Duration,
    pub answer: Option<(Duration, Answer)>,
}

impl Sent {
    /// Whether it must not be lost.
    #[must_use]
    pub fn is_promised(&self) -> bool {
        self.is_acknowledged() && self.sender.is_promised()
    }

    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        matches!(self.answer, Some((_, Answer::Acknowledged(_))))
    }
}

/// What a target did with a request that it had read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    /// Answered 200, whole.
    Accepted,
    /// Answered 200, and broke the connection in it or behind it: the sender may not know.
    AcceptedAndCut,
    Refused(u16),
    /// No answer.
    Silent,
}

impl Did {
    #[must_use]
    pub fn has_it(self) -> bool {
        matches!(self, Self::Accepted | Self::AcceptedAndCut)
    }
}

/// One request that reached a target.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub target: usize,
    /// Its Idempotency-Key.
    pub key: String,
    pub number: u32,
    /// Other events that it tells of as its parts.
    pub parts: Vec<u32>,
    pub did: Did,
    pub at: Duration,
    /// Asked for by `camhook replay`, so under a new key.
    pub replayed: bool,
}

/// Everything that happened, from one beginning of time.
pub struct Books {
    start: Instant,
    next: AtomicU32,
    inner: Mutex<Inner>,
    /// Requests that were cut off before their end.
    pub torn: AtomicU64,
}

#[derive(Default)]
pub struct Inner {
    pub sent: HashMap<u32, Sent>,
    pub arrivals: Vec<Arrival>,
    /// camhook's own ids of events, as a target was told.
    pub ids: HashMap<String, u32>,
    /// Kills, jumps, reloads: what else happened, for histories.
    pub happened: Vec<(Duration, String)>,
    /// When camhook's clock was set, and by how many seconds.
    pub jumps: Vec<(Duration, i64)>,
    /// What must not be: found while running.
    pub faults: Vec<Fault>,
    pub replaying: bool,
    /// Events whose plates camhook was asked to forget, and when it said that it had.
    pub forgotten: BTreeMap<u32, Option<Duration>>,
    /// Deliveries to `brief` that camhook told as expired, by the ids of their events.
    pub expired: HashSet<String>,
    /// Events that `camhook purge` said it removed.
    pub purged: u64,
}

/// A broken promise.
#[derive(Debug, Clone)]
pub struct Fault {
    pub what: String,
    pub event: Option<u32>,
}

impl Default for Books {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            next: AtomicU32::new(1),
            inner: Mutex::default(),
            torn: AtomicU64::new(0),
        }
    }
}

impl Books {
    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[must_use]
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    pub fn number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Written before the first byte goes out, so that no target can have what is not in the books.
    pub fn sending(&self, number: u32, sender: Sender, made: &Made) {
        let sent = Sent {
            sender,
            camera: made.camera.clone(),
            plate: made.plate.clone(),
            content_type: made.content_type.clone(),
            sha: made.sha,
            document: made.document.clone(),
            began: self.now(),
            answer: None,
        };
        self.inner().sent.insert(number, sent);
    }

    pub fn answered(&self, number: u32, answer: Answer) {
        let now = self.now();
        let mut inner = self.inner();
        if let Answer::Refused(status @ 400..500) = answer {
            let what = format!("a good request was refused for ever, with {status}");
            inner.faults.push(Fault {
                what,
                event: Some(number),
            });
        }
        if let Some(sent) = inner.sent.get_mut(&number) {
            sent.answer = Some((now, answer));
        }
    }

    pub fn happened(&self, what: impl Into<String>) {
        let now = self.now();
        self.inner().happened.push((now, what.into()));
    }

    /// camhook's clock was set.
    pub fn jumped(&self, by: i64) {
        let now = self.now();
        self.inner().jumps.push((now, by));
    }

    /// camhook said that it had forgotten it.
    pub fn forgotten(&self, number: u32) {
        let now = self.now();
        self.inner().forgotten.insert(number, Some(now));
    }

    /// Three faults that did not happen.
    pub fn pretend(&self) {
        let number = self.number();
        let lost = event::make(Sender::Plain, 99, 0, number);
        self.sending(number, Sender::Plain, &lost);
        self.answered(number, Answer::Acknowledged(200));

        let mut inner = self.inner();
        let here = |name: &str| routes::TARGETS.iter().position(|(known, _)| *known == name);
        let (ordered, hostile) = (here("ordered"), here("hostile"));
        let taken = |arrival: &&Arrival| Some(arrival.target) == hostile && arrival.did.has_it();
        if let Some(arrival) = inner.arrivals.iter().find(taken) {
            let key = "00000000-0000-7000-8000-000000000000".to_owned();
            let again = Arrival {
                key,
                ..arrival.clone()
            };
            inner.arrivals.push(again);
        }
        let Inner { arrivals, sent, .. } = &mut *inner;
        let mut first: HashMap<&str, usize> = HashMap::new();
        for n in 0..arrivals.len() {
            let arrival = &arrivals[n];
            if Some(arrival.target) != ordered || !arrival.did.has_it() {
                continue;
            }
            let before = *first.entry(&sent[&arrival.number].camera).or_insert(n);
            if arrivals[before].number != arrival.number {
                arrivals.swap(before, n);
                return;
            }
        }
    }

    pub fn fault(&self, event: Option<u32>, what: impl Into<String>) {
        let what = what.into();
        self.inner().faults.push(Fault { what, event });
    }
}

impl Inner {
    /// All that is known of one event, in the order of time.
    #[must_use]
    pub fn history(&self, number: u32, targets: &[&str]) -> String {
        let mut lines: Vec<(Duration, String)> = Vec::new();
        let Some(sent) = self.sent.get(&number) else {
            return format!("event {number} was never sent\n");
        };
        let (sender, camera, plate) = (sent.sender, &sent.camera, &sent.plate);
        lines.push((
            sent.began,
            format!("sent by {sender:?}, camera {camera}, plate {plate}"),
        ));
        let mut until = sent.began;
        match &sent.answer {
            Some((at, answer)) => lines.push((*at, format!("camhook: {answer:?}"))),
            None => lines.push((sent.began, "still on its way at the end".to_owned())),
        }
        for arrival in self
            .arrivals
            .iter()
            .filter(|arrival| arrival.number == number || arrival.parts.contains(&number))
        {
            let (target, key, did) = (targets[arrival.target], &arrival.key, arrival.did);
            let part = if arrival.number == number {
                String::new()
            } else {
                format!(" as a part of event {}", arrival.number)
            };
            lines.push((arrival.at, format!("at {target}{part}: {did:?}, key {key}")));
            until = until.max(arrival.at);
        }
        let from = sent.began.saturating_sub(Duration::from_secs(2));
        let until = until + Duration::from_secs(2);
        let around = self
            .happened
            .iter()
            .filter(|(at, _)| (from..until).contains(at));
        lines.extend(around.map(|(at, what)| (*at, format!("-- {what}"))));
        lines.sort_by_key(|(at, _)| *at);
        let mut text = format!("history of event {number}\n");
        for (id, _) in self.ids.iter().filter(|(_, known)| **known == number) {
            let _ = writeln!(text, "  camhook's id {id}");
        }
        for (at, line) in lines {
            let _ = writeln!(text, "  {:10.3} s  {line}", at.as_secs_f64());
        }
        text
    }
}
