//! `sample`: of much that is alike, lets one in so many pass, or one in a time.

use std::num::NonZeroU32;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Mistakes, key};
use crate::decide::{Asked, Book, Decider, Decision};
use crate::template::{Engine, Template};
use crate::units::Span;

pub(super) const NAME: &str = "sample";

/// How far a count has come is remembered for so long without another event.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Of much that is alike, lets one in so many pass, or one in a time; the rest is filtered. The first one passes. Give
/// either `one_in` or `every`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Sample")]
pub(crate) struct Settings {
    /// One in so many passes: `10` lets the first, the eleventh, … through.
    one_in: Option<NonZeroU32>,
    /// After one has passed, none does for so long, by camhook's clock: `30s`.
    every: Option<Span>,
    /// What is counted apart, such as `"{{ plate.text }}"`. Default: the source and the camera.
    by: Option<String>,
}

pub(super) struct Sample {
    by: Option<Template>,
    one: One,
    reason: String,
}

enum One {
    In(u32),
    Every(SignedDuration),
}

/// How many came since one passed, itself among them.
#[derive(Serialize, Deserialize)]
struct Count(u32);

/// When the last one passed.
#[derive(Serialize, Deserialize)]
struct Last(Timestamp);

impl Sample {
    pub(super) fn build(settings: Settings, engine: &Engine) -> Result<Self, Mistakes> {
        let (one, reason) = match (settings.one_in, settings.every) {
            (Some(n), None) => (One::In(n.get()), format!("one in {n} passes")),
            (None, Some(span)) => {
                let every = SignedDuration::try_from(span.0).unwrap_or(SignedDuration::MAX);
                (One::Every(every), format!("one every {span} passes"))
            }
            (Some(_), Some(_)) => {
                return Err(key::mistake(
                    &["every"],
                    "`sample` takes either `one_in` or `every`",
                    "for both, write two steps",
                ));
            }
            (None, None) => {
                return Err(key::mistake(
                    &[],
                    "`sample` needs `one_in` or `every`",
                    "such as `one_in: 10` or `every: 30s`",
                ));
            }
        };
        Ok(Self {
            by: key::compile(engine, "by", settings.by.as_deref())?,
            one,
            reason,
        })
    }

    fn passes(&self, by: &str, now: Timestamp, book: &mut Book) -> bool {
        let later = |by| now.saturating_add(by).unwrap_or(Timestamp::MAX);
        match self.one {
            One::In(n) => {
                let count = book.find::<Count>(by, now).map_or(0, |found| found.state.0);
                let passes = count == 0 || count >= n;
                let count = if passes { 1 } else { count + 1 };
                book.write(by, Count(count), later(REMEMBERED), now);
                passes
            }
            One::Every(every) => {
                // A clock that was set back must not let nothing pass for as long.
                let last = book.find::<Last>(by, now).map(|found| found.state.0);
                if last.is_some_and(|last| last <= now && now.duration_since(last) < every) {
                    return false;
                }
                book.write(by, Last(now), later(every), now);
                true
            }
        }
    }
}

impl Decider for Sample {
    fn name(&self) -> &'static str {
        NAME
    }

    fn decide(&self, asked: &Asked<'_>, book: &mut Book) -> Decision {
        let by = match &self.by {
            Some(by) => key::given(by, asked).unwrap_or_default(),
            None => key::camera(asked.event),
        };
        match self.passes(&by, asked.now, book) {
            true => Decision::pass(),
            false => Decision::filtered(self.reason.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::stories::every_story;

    #[test]
    fn follows_every_story() {
        every_story(NAME);
    }
}
