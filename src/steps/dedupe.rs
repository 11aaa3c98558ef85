//! `dedupe`: of several reads of one passage, delivers one.
//!
//! Cameras read the same plate again and again while a car is before them, send an event again whose answer they did not
//! see, and what they could not send for a while comes late and out of order. So this is decided on arrival, by the time
//! of *capture*: events whose captures lie close together are one passage, in whatever order they come. A camera's clock
//! may be wrong by years; a capture that is further from its arrival than `late` counts as of its arrival.
//!
//! A page is what is known of one key: its last few passages. It is written when one begins, when a better read takes
//! over and, with `extend`, when one grows, in the commit of the event that did it. With `keep: best` the read that is
//! best so far is held until the passage is over; a better one ends the other's delivery in the same commit.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Mistakes, key};
use crate::decide::{Asked, Book, Decider, Decision, Join};
use crate::fate::{How, Part};
use crate::template::{Engine, Output, Template};
use crate::units::Span;

pub(super) const NAME: &str = "dedupe";

/// Passages of one key that are told apart.
const PASSAGES_MAX: usize = 4;
/// A held read goes out so long after its passage is closed: a better one that was taken in a moment before must have
/// reached the disk.
pub(super) const SETTLED: SignedDuration = SignedDuration::from_millis(500);

/// Of several reads of one passage, delivers one; the others are filtered, with the event that they are the same as.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Dedupe")]
pub(crate) struct Settings {
    /// What makes two reads the same, such as `"{{ event.camera.id }}/{{ plate.text }}"`. Default: the source, the camera,
    /// and the plate (letters and digits only, in upper case), else the track, the person or the vendor's id. What has
    /// none of these passes.
    by: Option<String>,
    /// Reads whose captures lie less than this apart are of one passage (`30s`).
    within: Span,
    /// Whether each read makes its passage longer: `within` then counts from its last read and not from its first.
    /// Default false: of a car that stays, one in each `within` is delivered.
    extend: bool,
    /// Which one is delivered: the `first` (default), at once; or the `best` by its score, when `within` has passed since
    /// the first came.
    keep: Keep,
    /// What is compared for `keep: best`, a number: `"{{ plate.score }}"` by default, of an event the first plate's.
    score: Option<String>,
    /// A capture time further than this from the arrival is not believed, the arrival counts in its place (`5m`). It is also
    /// how late a read may come and still be known as one of its passage.
    late: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "DedupeKeep")]
enum Keep {
    /// The first one, at once.
    #[default]
    First,
    /// The one with the best score, when `within` has passed.
    Best,
}

impl Default for Settings {
    fn default() -> Self {
        let seconds = |seconds| Span(std::time::Duration::from_secs(seconds));
        Self {
            by: None,
            within: seconds(30),
            extend: false,
            keep: Keep::First,
            score: None,
            late: seconds(300),
        }
    }
}

pub(super) struct Dedupe {
    by: Option<Template>,
    within: SignedDuration,
    extend: bool,
    best: bool,
    score: Option<Template>,
    late: SignedDuration,
}

/// What is remembered of one key.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Passages(Vec<Passage>);

#[derive(Clone, Serialize, Deserialize)]
struct Passage {
    /// What is delivered of it.
    kept: Part,
    /// The captures from the first to the last that count.
    from: Timestamp,
    to: Timestamp,
    /// By our clock: until then a better read takes the kept one's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open_until: Option<Timestamp>,
}

impl Dedupe {
    pub(super) fn build(settings: Settings, engine: &Engine) -> Result<Self, Mistakes> {
        let best = settings.keep == Keep::Best;
        if settings.score.is_some() && !best {
            return Err(key::mistake(
                &["score"],
                "a score is compared only with `keep: best`",
                "add `keep: best`, or leave out `score`",
            ));
        }
        if settings.extend && best {
            return Err(key::mistake(
                &["extend"],
                "`keep: best` must know when a passage ends",
                "leave out `extend`: the best read goes out `within` after the first one came",
            ));
        }
        let duration = |span: Span| SignedDuration::try_from(span.0).unwrap_or(SignedDuration::MAX);
        Ok(Self {
            by: key::compile(engine, "by", settings.by.as_deref())?,
            within: duration(settings.within),
            extend: settings.extend,
            best,
            score: key::compile(engine, "score", settings.score.as_deref())?,
            late: duration(settings.late),
        })
    }

    fn key(&self, asked: &Asked<'_>) -> Option<String> {
        match &self.by {
            Some(by) => key::given(by, asked),
            None => {
                let subject = key::subject(asked.event, asked.item)?;
                let camera = key::camera(asked.event);
                Some(key::bounded(&format!("{camera}/{subject}")))
            }
        }
    }

    /// What is told of the read, with the score that is compared.
    fn part(&self, asked: &Asked<'_>) -> Part {
        let mut part = Part::of(asked.event, asked.item);
        if let Some(score) = &self.score {
            let value = match score.output(&key::scope(asked)) {
                Ok(Output::Json(value)) => value,
                _ => serde_json::Value::Null,
            };
            let text = value.as_str().and_then(|text| text.trim().parse().ok());
            part.score = value.as_f64().or(text).filter(|score| score.is_finite());
        }
        part
    }

    /// The passage that a capture belongs to.
    fn passage(&self, passages: &mut [Passage], captured: Timestamp) -> Option<usize> {
        let near = |passage: &Passage| {
            captured > earlier(passage.from, self.within)
                && captured < later(passage.to, self.within)
        };
        passages.iter().rposition(near)
    }

    fn write(&self, by: &str, mut passages: Passages, now: Timestamp, book: &mut Book) {
        passages.0.sort_by_key(|passage| passage.to);
        while passages.0.len() > PASSAGES_MAX {
            passages.0.remove(0);
        }
        let last = passages.0.last().map_or(now, |passage| passage.to.max(now));
        let until = later(later(last, self.within), self.late);
        book.write(by, passages, until, now);
    }

    fn same(&self, asked: &Asked<'_>, passage: &Passage, captured: Timestamp) -> Decision {
        let (part, kept) = (self.part(asked), &passage.kept);
        let apart = captured.duration_since(passage.from).as_secs_f64();
        let word = if apart < 0.0 { "after" } else { "before" };
        let apart = (apart.abs() * 10.0).round() / 10.0;
        let mut why = format!("same as {}, {apart} s {word}", kept.id);
        if passage.open_until.is_some_and(|until| asked.now < until) {
            let score = |score: Option<f64>| score.map_or("none".to_owned(), |s| s.to_string());
            why += &format!(
                ", and no better ({}, {})",
                score(part.score),
                score(kept.score)
            );
        }
        Decision {
            filtered_by: Some(why.clone().into()),
            joins: vec![Join {
                part,
                into: (kept.id, kept.item),
                how: How::Same,
                why,
            }],
            ..Decision::default()
        }
    }
}

impl Decider for Dedupe {
    fn name(&self) -> &'static str {
        NAME
    }

    fn holds(&self) -> bool {
        self.best
    }

    fn decide(&self, asked: &Asked<'_>, book: &mut Book) -> Decision {
        let Some(by) = self.key(asked) else {
            return Decision::pass();
        };
        let now = asked.now;
        let captured = captured(asked.event.occurred_at.instant(), now, self.late);
        let found = book.find::<Passages>(&by, now);
        let mut passages = found.map(|found| found.state.clone()).unwrap_or_default();
        let Some(n) = self.passage(&mut passages.0, captured) else {
            let open_until = self.best.then(|| later(now, self.within));
            passages.0.push(Passage {
                kept: self.part(asked),
                from: captured,
                to: captured,
                open_until,
            });
            self.write(&by, passages, now, book);
            return Decision {
                not_before: open_until.map(|until| later(until, SETTLED)),
                ..Decision::default()
            };
        };
        let passage = &mut passages.0[n];
        if let Some(open_until) = passage.open_until
            && now < open_until
        {
            let part = self.part(asked);
            if part.score > passage.kept.score {
                let worse = std::mem::replace(&mut passage.kept, part);
                let into = (asked.event.id, asked.item);
                self.write(&by, passages, now, book);
                return Decision {
                    not_before: Some(later(open_until, SETTLED)),
                    joins: vec![Join {
                        part: worse,
                        into,
                        how: How::Same,
                        why: format!("{} was better", into.0),
                    }],
                    ..Decision::default()
                };
            }
        }
        let decision = self.same(asked, passage, captured);
        if self.extend && !(passage.from..=passage.to).contains(&captured) {
            passage.from = passage.from.min(captured);
            passage.to = passage.to.max(captured);
            self.write(&by, passages, now, book);
        }
        decision
    }
}

/// When it was captured, as far as that can be believed.
pub(super) fn captured(told: Timestamp, now: Timestamp, late: SignedDuration) -> Timestamp {
    match told.duration_since(now).abs() <= late {
        true => told,
        false => now,
    }
}

pub(super) fn later(from: Timestamp, by: SignedDuration) -> Timestamp {
    from.saturating_add(by).unwrap_or(Timestamp::MAX)
}

fn earlier(from: Timestamp, by: SignedDuration) -> Timestamp {
    from.saturating_sub(by).unwrap_or(Timestamp::MIN)
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
    fn settings_that_contradict_each_other_are_refused() {
        for yaml in [
            "{ score: '{{ plate.score }}' }",
            "{ keep: best, extend: true }",
            "{ by: '{{ plates.text }}' }",
        ] {
            let settings: Settings = serde_saphyr::from_str(yaml).unwrap();
            assert!(
                Dedupe::build(settings, &Engine::new(&[])).is_err(),
                "{yaml}"
            );
        }
    }
}
