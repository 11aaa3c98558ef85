//! `track`: follows what cameras track, and tells when a target has entered, how long it stays, and that it has left.
//!
//! Cameras post where their targets are several times a second, several targets to a post, and never that one has left: it
//! is merely not heard of any more. So this is decided on arrival. Posts are filtered, and in their place each target
//! makes a few events. Written down are only its entrance, its dwells and its end; where it was last seen is only in
//! memory, so after a restart its stay counts from what was written until it is seen again.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decide::{Asked, Book, Decider, Decision};
use crate::event::{Camera, Dwell, Event, Item, Kind, Moment, Object, Original, Status};
use crate::name::Name;
use crate::units::Span;

pub(super) const NAME: &str = "track";

const FILTERED: &str = "told as entered, dwell, left";
/// A target that is present is remembered for so long without a post, through a stop of camhook, say.
const PRESENT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// After it has left, late posts are still known to be of the past for so long.
const LEFT: SignedDuration = SignedDuration::from_mins(1);
/// Targets in one post; a camera tells some tens at most.
const TARGETS_MAX: usize = 256;
/// Bytes of what names a target.
const KEY_MAX: usize = 256;
/// Bytes of what is remembered of a camera; of one that tells more, only its id is.
const CAMERA_MAX: usize = 1_024;
const CLASS_MAX: usize = 64;

/// For posts of kind `track`: tells when a target has entered, how long it stays, and that it has left.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// A target that no post has told of for so long has left (`3s`).
    left_after: Span,
    /// Stays after which `dwell` is told, such as `[10s, 1m]`, each once for each target. Default: none.
    dwell: Vec<Span>,
    /// Which of `entered`, `dwell` and `left` are told. Default: all.
    tell: Vec<Word>,
}

/// What is told of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Word {
    /// It is seen for the first time.
    Entered,
    /// It has stayed for one of the times under `dwell`.
    Dwell,
    /// It has not been seen for `left_after`.
    Left,
}

impl Word {
    fn as_str(self) -> &'static str {
        match self {
            Self::Entered => "entered",
            Self::Dwell => "dwell",
            Self::Left => "left",
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            left_after: Span(std::time::Duration::from_secs(3)),
            dwell: Vec::new(),
            tell: vec![Word::Entered, Word::Dwell, Word::Left],
        }
    }
}

pub(super) struct Track {
    left_after: SignedDuration,
    /// Shortest first.
    dwell: Vec<SignedDuration>,
    tell: Vec<Word>,
}

/// What is remembered of a target.
#[derive(Clone, Serialize, Deserialize)]
struct Target {
    source: Name,
    vendor: String,
    camera: Camera,
    object: Object,
    first_seen: Moment,
    last_seen: Moment,
    stage: Stage,
    /// By our clock; after a restart, from when it was looked for again.
    #[serde(skip)]
    heard: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// The longest stay that was told, in milliseconds.
    Present {
        dwelt: i64,
    },
    Left,
}

impl Track {
    pub(super) fn new(settings: Settings) -> Self {
        let duration = |span: Span| SignedDuration::try_from(span.0).unwrap_or(SignedDuration::MAX);
        let mut dwell: Vec<SignedDuration> = settings.dwell.into_iter().map(duration).collect();
        dwell.sort_unstable();
        Self {
            left_after: duration(settings.left_after),
            dwell,
            tell: settings.tell,
        }
    }

    /// One sighting of one target.
    fn see(
        &self,
        event: &Event,
        object: &Object,
        now: Timestamp,
        book: &mut Book,
    ) -> Option<Event> {
        let key = key(event, object)?;
        let Some(found) = book.find::<Target>(&key, now) else {
            return self.enter(&key, event, object, now, book);
        };
        let (target, seen) = (found.state, event.occurred_at);
        match target.stage {
            Stage::Left => {
                // Late posts tell of the stay that is over; an id that comes back is another one.
                let over = later(target.last_seen.instant(), self.left_after);
                if seen.instant() <= over {
                    return None;
                }
                self.enter(&key, event, object, now, book)
            }
            Stage::Present { dwelt } => {
                target.heard = target.heard.max(Some(now));
                *found.until = later(now, PRESENT);
                if seen.instant() < target.last_seen.instant() {
                    return None;
                }
                target.last_seen = seen;
                target.object = known(object);
                let stay = seen.instant().duration_since(target.first_seen.instant());
                let passed = self.dwell.iter().rev().find(|dwell| **dwell <= stay)?;
                let passed = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
                if passed <= dwelt {
                    return None;
                }
                let mut target = target.clone();
                target.stage = Stage::Present { dwelt: passed };
                let told = self.told(Word::Dwell, &target, &event.original, now);
                book.write(&key, target, later(now, PRESENT), now);
                told
            }
        }
    }

    fn enter(
        &self,
        key: &str,
        event: &Event,
        object: &Object,
        now: Timestamp,
        book: &mut Book,
    ) -> Option<Event> {
        let target = Target {
            source: event.source.clone(),
            vendor: event.vendor.clone(),
            camera: remembered(&event.camera),
            object: known(object),
            first_seen: event.occurred_at,
            last_seen: event.occurred_at,
            stage: Stage::Present { dwelt: 0 },
            heard: Some(now),
        };
        let told = self.told(Word::Entered, &target, &event.original, now);
        book.write(key, target, later(now, PRESENT), now);
        told
    }

    /// The event that tells of it, unless it is not to be told.
    fn told(
        &self,
        word: Word,
        target: &Target,
        original: &Arc<Original>,
        now: Timestamp,
    ) -> Option<Event> {
        if !self.tell.contains(&word) {
            return None;
        }
        let mut event = Event::new(
            target.source.clone(),
            &target.vendor,
            Kind::Track,
            original.clone(),
        );
        event.received_at = now;
        event.vendor_kind = Some(word.as_str().to_owned());
        event.occurred_at = target.last_seen;
        event.camera = target.camera.clone();
        event.objects = vec![target.object.clone()];
        event.status = Some(Status {
            name: Some(word.as_str().to_owned()),
            active: Some(word != Word::Left),
            rule: None,
        });
        if word != Word::Entered {
            let stay = target.last_seen.instant();
            let stay = stay.duration_since(target.first_seen.instant());
            event.dwell = Some(Dwell {
                seconds: Some(stay.as_secs_f64()),
                first_seen: Some(target.first_seen),
                last_seen: Some(target.last_seen),
            });
        }
        Some(event)
    }
}

impl Decider for Track {
    fn name(&self) -> &'static str {
        NAME
    }

    fn decide(&self, asked: &Asked<'_>, book: &mut Book) -> Decision {
        let event = asked.event;
        if event.kind != Kind::Track || is_told(event) {
            return Decision::pass();
        }
        let objects = match asked.item {
            None => &event.objects[..event.objects.len().min(TARGETS_MAX)],
            Some(Item::Object(n)) if n < TARGETS_MAX => event.objects.get(n..=n).unwrap_or(&[]),
            Some(_) => &[],
        };
        let see = |object| self.see(event, object, asked.now, book);
        Decision {
            filtered_by: Some(FILTERED.into()),
            told: objects.iter().filter_map(see).collect(),
            ..Decision::default()
        }
    }

    /// Who was not heard of for long enough has left.
    fn overdue(&self, book: &mut Book, now: Timestamp) -> Vec<Event> {
        let mut gone = Vec::new();
        for (key, found) in book.pages::<Target>(now) {
            if found.state.stage == Stage::Left {
                continue;
            }
            let heard = *found.state.heard.get_or_insert(now);
            if later(heard, self.left_after) <= now {
                gone.push((heard, key.clone(), found.state.clone()));
            }
        }
        gone.sort_unstable_by(|(a, key_a, _), (b, key_b, _)| (a, key_a).cmp(&(b, key_b)));
        let original = Arc::new(Original {
            received_at: now,
            ..Original::default()
        });
        let mut told = Vec::new();
        for (_, key, mut target) in gone {
            target.stage = Stage::Left;
            told.extend(self.told(Word::Left, &target, &original, now));
            book.write(&key, target, later(now, LEFT), now);
        }
        told
    }
}

fn later(from: Timestamp, by: SignedDuration) -> Timestamp {
    from.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// What names a target; `None` for an object that is not tracked, or under an id that is none.
fn key(event: &Event, object: &Object) -> Option<String> {
    let track = object.track_id.as_deref()?;
    let camera = event.camera.id.as_deref().unwrap_or("");
    let key = format!("{}\n{camera}\n{track}", event.source);
    (key.len() <= KEY_MAX).then_some(key)
}

/// What another `track` told is no post.
fn is_told(event: &Event) -> bool {
    let status = event.status.as_ref();
    let name = status.and_then(|status| status.name.as_deref());
    name.is_some() && name == event.vendor_kind.as_deref()
}

/// Without what could be of any length.
fn known(object: &Object) -> Object {
    let mut object = object.clone();
    object.class = object.class.filter(|class| class.len() <= CLASS_MAX);
    object
}

fn remembered(camera: &Camera) -> Camera {
    let texts = [
        &camera.name,
        &camera.channel,
        &camera.mac,
        &camera.serial,
        &camera.ip,
        &camera.address,
    ];
    let texts = texts.into_iter().flatten().chain(&camera.tags);
    if texts.map(|text| text.len() + 8).sum::<usize>() <= CAMERA_MAX {
        return camera.clone();
    }
    Camera {
        id: camera.id.clone(),
        ..Camera::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::{Memory, Written};
    use crate::lists::Lists;
    use crate::steps::stories::every_story;
    use crate::telemetry::Metrics;

    fn at(ms: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_millis(ms)
    }

    fn post(ids: &[&str], ms: i64) -> Arc<Event> {
        let original = Arc::new(Original {
            received_at: at(ms),
            ..Original::default()
        });
        let name = Name::new("yard").unwrap();
        let mut event = Event::new(name, "viewtron", Kind::Track, original);
        event.camera.id = Some("cam-1".to_owned());
        event.objects = ids
            .iter()
            .map(|id| Object {
                track_id: Some((*id).to_owned()),
                ..Object::default()
            })
            .collect();
        Arc::new(event)
    }

    fn see(track: &Track, book: &mut Book, event: &Arc<Event>, now: Timestamp) -> Decision {
        let lists = Lists::default();
        let asked = Asked {
            event,
            item: None,
            lists: &lists,
            now,
        };
        track.decide(&asked, book)
    }

    #[test]
    fn follows_every_story() {
        every_story(NAME);
    }

    #[test]
    fn who_was_present_before_a_restart_is_not_told_again_and_still_leaves() {
        let track = Track::new(Settings::default());
        let route = Name::new("yard").unwrap();
        let mut written = Written::default();
        let first = post(&["7"], 0);
        let told = Memory::blank().open(&route, NAME, at(0), &mut written, |book| {
            see(&track, book, &first, at(0)).told
        });
        assert_eq!(told.len(), 1);

        let hour = 3_600_000;
        let kept = written.changes.clone();
        let memory = Memory::load(kept, at(hour), Metrics::new());
        memory.open(&route, NAME, at(hour), &mut written, |book| {
            assert!(
                track.overdue(book, at(hour)).is_empty(),
                "it may be seen yet"
            );
            let again = post(&["7"], hour + 1_000);
            assert!(see(&track, book, &again, at(hour + 1_000)).told.is_empty());
            assert!(track.overdue(book, at(hour + 3_900)).is_empty());
            let left = track.overdue(book, at(hour + 4_000));
            assert_eq!(left[0].dwell.as_ref().unwrap().seconds, Some(3_601.0));
            assert!(
                track.overdue(book, at(hour + 9_000)).is_empty(),
                "told once"
            );
        });
    }

    #[test]
    fn a_hostile_post_is_followed_no_further_than_it_may_be_remembered() {
        let track = Track::new(Settings::default());
        let mut book = Book::default();
        let long = "x".repeat(KEY_MAX);
        let many: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(
            see(&track, &mut book, &post(&[&long], 0), at(0))
                .told
                .is_empty()
        );
        let told = see(&track, &mut book, &post(&many, 0), at(0)).told;
        assert_eq!(told.len(), TARGETS_MAX);
        let mut wordy = Event::clone(&post(&["7"], 0));
        wordy.camera.name = Some("x".repeat(CAMERA_MAX));
        wordy.objects[0].class = Some("x".repeat(CLASS_MAX + 1));
        let told = see(&track, &mut Book::default(), &Arc::new(wordy), at(0)).told;
        assert_eq!(told[0].camera.id.as_deref(), Some("cam-1"));
        assert_eq!(
            (&told[0].camera.name, &told[0].objects[0].class),
            (&None, &None)
        );
    }
}
