//! `pair`: makes one delivery of what the front and the rear camera of a lane saw of one vehicle.
//!
//! Decided on arrival. Whichever comes first waits: it is planned, but held, and remembered in the step's one page. The
//! second joins it: its delivery carries both, and the first's own is ended in the commit of the second, so there is no
//! moment at which both or neither would go out. Nobody posts that nothing came, so the end of a wait is asked for by the
//! ticker; what is told then rides in a record of its own, and the first goes alone.

mod settings;

pub(crate) use settings::Settings;

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::dedupe::{SETTLED, captured, later};
use super::{Mistakes, key};
use crate::decide::{Asked, Book, Decider, Decision, Join};
use crate::event::{Event, Item, Kind, Original, Plate, Raw, Score, Status};
use crate::fate::{How, Part};
use crate::name::Name;
use crate::units::Span;
use settings::{By, OnTimeout, Word};

pub(super) const NAME: &str = "pair";

/// Halves that wait at the same time; beyond it the oldest goes alone.
const WAITING_MAX: usize = 64;
const ONLY_TOLD: &str = "only what it tells is delivered";
const EDITS_MAX: u8 = 3;
/// The one page of those that wait.
const WAITING: &str = "waiting";

pub(super) struct Pair {
    settings: Settings,
    within: SignedDuration,
    late: SignedDuration,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Side {
    Front,
    Rear,
}

/// A half whose other has not come yet.
#[derive(Clone, Serialize, Deserialize)]
struct Half {
    side: Side,
    part: Part,
    source: Name,
    vendor: String,
    /// Normalised.
    plate: Option<String>,
    captured: Timestamp,
    /// By our clock.
    until: Timestamp,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Waiting(Vec<Half>);

/// The event that told of a capture: whoever sends it again is told apart from another vehicle.
#[derive(Serialize, Deserialize)]
struct Seen(crate::event::EventId);

impl Pair {
    pub(super) fn build(settings: Settings) -> Result<Self, Mistakes> {
        for (key, cameras) in [("front", &settings.front), ("rear", &settings.rear)] {
            if cameras.is_empty() {
                return Err(key::mistake(
                    &[],
                    &format!("`pair` needs the cameras of the {key}"),
                    &format!("give their ids, such as `{key}: [lane-1-{key}]`"),
                ));
            }
        }
        if let Some(both) = settings.front.iter().find(|id| settings.rear.contains(id)) {
            return Err(key::mistake(
                &["rear"],
                &format!("`{both}` is a camera of the front already"),
                "a camera sees one side: name it once",
            ));
        }
        if settings.edits > EDITS_MAX {
            return Err(key::mistake(
                &["edits"],
                "with so many edits any plate is like any other",
                "take 0 to 3",
            ));
        }
        let duration = |span: Span| SignedDuration::try_from(span.0).unwrap_or(SignedDuration::MAX);
        Ok(Self {
            within: duration(settings.within),
            late: duration(settings.late),
            settings,
        })
    }

    fn side(&self, event: &Event) -> Option<Side> {
        let id = event.camera.id.as_ref()?;
        if self.settings.front.contains(id) {
            return Some(Side::Front);
        }
        self.settings.rear.contains(id).then_some(Side::Rear)
    }

    fn half(&self, asked: &Asked<'_>) -> Option<Half> {
        let (event, now) = (asked.event, asked.now);
        let side = self.side(event)?;
        let plate = match asked.item {
            Some(Item::Plate(n)) => key::plate(event, n),
            Some(_) => return None,
            None => (0..event.plates.len()).find_map(|n| key::plate(event, n)),
        };
        let is_of_a_vehicle = match self.settings.by {
            By::Plate => plate.is_some(),
            By::None => event.kind == Kind::Plate || !event.plates.is_empty(),
        };
        is_of_a_vehicle.then(|| Half {
            side,
            part: Part::of(event, asked.item),
            source: event.source.clone(),
            vendor: event.vendor.clone(),
            plate: plate.map(|plate| key::bounded(&plate)),
            captured: captured(event.occurred_at.instant(), now, self.late),
            until: later(now, self.within),
        })
    }

    fn near(&self, one: &Half, other: &Half) -> bool {
        one.side != other.side && one.captured.duration_since(other.captured).abs() < self.within
    }

    /// Of those that wait the one that it belongs to: the most alike, and then the oldest.
    fn other_of(&self, half: &Half, waiting: &[Half], now: Timestamp) -> Option<usize> {
        let there = waiting
            .iter()
            .enumerate()
            .filter(|(_, other)| now < other.until && self.near(half, other));
        let alike = there.filter_map(|(n, other)| match self.settings.by {
            By::None => Some((0, other.captured, n)),
            By::Plate => {
                let edits = edits(half.plate.as_deref()?, other.plate.as_deref()?);
                (edits <= usize::from(self.settings.edits)).then_some((edits, other.captured, n))
            }
        });
        alike.min().map(|(_, _, n)| n)
    }

    fn differ(&self, one: &Half, other: &Half) -> bool {
        match (&one.plate, &other.plate) {
            (Some(one), Some(other)) => edits(one, other) > usize::from(self.settings.edits),
            _ => false,
        }
    }

    fn remember(&self, mut waiting: Waiting, now: Timestamp, book: &mut Book) {
        waiting.0.sort_by_key(|half| Reverse(half.until));
        waiting.0.truncate(WAITING_MAX);
        // The ticker must find those whose time is over.
        let last = waiting.0.first().map_or(now, |half| half.until);
        book.write(WAITING, waiting, later(last, self.late), now);
    }

    fn told(
        &self,
        word: Word,
        halves: [&Half; 2],
        original: &std::sync::Arc<Original>,
        now: Timestamp,
    ) -> Option<Event> {
        if !self.settings.tell.contains(&word) {
            return None;
        }
        let [one, other] = halves;
        let of = |side| [one, other].into_iter().find(|half| half.side == side);
        let (front, rear) = (of(Side::Front), of(Side::Rear));
        let first = front.unwrap_or(one);
        let name = match word {
            Word::Mismatch => "mismatch",
            Word::Missing => "missing",
        };
        let mut event = Event::new(
            first.source.clone(),
            &first.vendor,
            Kind::Status,
            original.clone(),
        );
        event.received_at = now;
        event.vendor_kind = Some(name.to_owned());
        event.occurred_at = first.part.occurred_at;
        event.camera.id.clone_from(&first.part.camera);
        event.plates = vec![Plate {
            text: first.part.text.clone(),
            score: first.part.score.and_then(Score::from_fraction),
            ..Plate::default()
        }];
        event.status = Some(Status {
            name: Some(name.to_owned()),
            active: None,
            rule: Some(NAME.to_owned()),
        });
        let (front, rear) = (front.map(|half| &half.part), rear.map(|half| &half.part));
        event.raw = Raw::from_value(&json!({ "front": front, "rear": rear }));
        Some(event)
    }
}

impl Decider for Pair {
    fn name(&self) -> &'static str {
        NAME
    }

    fn holds(&self) -> bool {
        true
    }

    fn decide(&self, asked: &Asked<'_>, book: &mut Book) -> Decision {
        let Some(half) = self.half(asked) else {
            return Decision::pass();
        };
        let now = asked.now;
        let plate = half.plate.as_deref().unwrap_or_default();
        let camera = half.part.camera.as_deref().unwrap_or_default();
        let again = format!("{camera}/{plate}/{}", half.captured.as_microsecond());
        if let Some(seen) = book.find::<Seen>(&again, now) {
            return Decision::filtered(format!("same as {}, sent again", seen.state.0));
        }
        let forgotten = later(later(now, self.within), self.late);
        book.write(&again, Seen(half.part.id), forgotten, now);
        let found = book.find::<Waiting>(WAITING, now);
        let mut waiting = found.map(|found| found.state.clone()).unwrap_or_default();
        let Some(n) = self.other_of(&half, &waiting.0, now) else {
            let until = later(half.until, SETTLED);
            waiting.0.push(half);
            self.remember(waiting, now, book);
            return match self.settings.on_timeout {
                _ if self.settings.only_told => Decision::filtered(ONLY_TOLD),
                OnTimeout::Alone => Decision {
                    not_before: Some(until),
                    ..Decision::default()
                },
                OnTimeout::Drop => Decision::filtered("not delivered without its other half"),
            };
        };
        let other = waiting.0.remove(n);
        self.remember(waiting, now, book);
        let differ = self.differ(&half, &other);
        let told = differ.then(|| {
            let original = &asked.event.original;
            self.told(Word::Mismatch, [&half, &other], original, now)
        });
        let told = told.flatten().into_iter().collect();
        if self.settings.only_told {
            return Decision {
                told,
                ..Decision::filtered(ONLY_TOLD)
            };
        }
        Decision {
            joins: vec![Join {
                how: match other.side {
                    Side::Front => How::Front,
                    Side::Rear => How::Rear,
                },
                part: other.part,
                into: (asked.event.id, asked.item),
                why: format!("delivered with {}", asked.event.id),
            }],
            told,
            ..Decision::default()
        }
    }

    /// Those whose other half did not come.
    fn overdue(&self, book: &mut Book, now: Timestamp) -> Vec<Event> {
        let Some(found) = book.find::<Waiting>(WAITING, now) else {
            return Vec::new();
        };
        if found.state.0.iter().all(|half| now < half.until) {
            return Vec::new();
        }
        let mut all = found.state.0.clone();
        all.sort_by_key(|half| half.until);
        let (mut waiting, mut told) = (Waiting::default(), Vec::new());
        let original = std::sync::Arc::new(Original {
            received_at: now,
            ..Original::default()
        });
        while !all.is_empty() {
            let half = all.remove(0);
            if now < half.until {
                waiting.0.push(half);
                continue;
            }
            // Both came, and were not taken for one: their plates are too different. Each goes alone.
            let other = all.iter().position(|other| self.near(&half, other));
            let event = match other {
                Some(n) if self.differ(&half, &all[n]) => {
                    let other = all.remove(n);
                    self.told(Word::Mismatch, [&half, &other], &original, now)
                }
                _ => self.told(Word::Missing, [&half, &half], &original, now),
            };
            told.extend(event);
        }
        self.remember(waiting, now, book);
        told
    }
}

/// Letters to change, leave out or add to make one text the other.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (n, a) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = n + 1;
        for (m, b) in other.iter().enumerate() {
            let changed = corner + usize::from(a != *b);
            corner = row[m + 1];
            row[m + 1] = changed.min(corner + 1).min(row[m] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::stories::every_story;

    #[test]
    fn follows_every_story() {
        every_story(NAME);
    }

    #[test]
    fn counts_what_two_readers_read_differently() {
        for (one, other, count) in [
            ("AB123", "AB123", 0),
            ("AB123", "A8123", 1),
            ("AB123", "AB12", 1),
            ("AB123", "1AB123", 1),
            ("AB123", "BA123", 2),
            ("", "AB", 2),
        ] {
            assert_eq!(edits(one, other), count, "{one} {other}");
            assert_eq!(edits(other, one), count, "{other} {one}");
        }
    }

    #[test]
    fn a_lane_has_a_camera_on_each_side() {
        for yaml in [
            "{ front: [a] }",
            "{ front: [a], rear: [a] }",
            "{ front: [a], rear: [b], edits: 4 }",
        ] {
            let settings: Settings = serde_saphyr::from_str(yaml).unwrap();
            assert!(Pair::build(settings).is_err(), "{yaml}");
        }
    }
}
