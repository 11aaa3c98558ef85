//! `throttle`: lets at most so many pass in a time, by camera or whatever else `by` says.
//!
//! Decided on arrival and by our clock, for it protects who receives. The times of the last ones that passed are
//! remembered, as many as may pass in the time, so it holds for every stretch of that length, wherever it begins.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroU32;

use jiff::{SignedDuration, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{Mistakes, key};
use crate::decide::{Asked, Book, Decider, Decision};
use crate::template::{Engine, Template};
use crate::units::{RATE_PATTERN, Rate, SPAN_PATTERN, Span};

pub(super) const NAME: &str = "throttle";

/// What is remembered of one key is that many times at most.
const COUNT_MAX: u32 = 1_000;

/// Lets at most so many pass in a time, counted by camera (or `by`). The rest is filtered.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Throttle")]
pub(crate) struct Settings {
    /// What is counted apart, such as `"{{ event.camera.id }}/{{ plate.text }}"`. Default: the source and the camera.
    by: Option<String>,
    /// How many may pass in any stretch of that time: `5/s`, `5/m`, `5/h`, or `{ count: 5, per: 10m }`; 1000 at most.
    /// Required.
    rate: Option<Limit>,
    /// How many of them may follow close upon each other; more are spread evenly over the time. Default: all of them.
    burst: Option<NonZeroU32>,
}

#[derive(Debug, Clone, Copy)]
struct Limit(Rate);

pub(super) struct Throttle {
    by: Option<Template>,
    count: usize,
    per: SignedDuration,
    burst: usize,
    over: String,
}

/// When the last ones passed, in milliseconds, oldest first.
#[derive(Default, Serialize, Deserialize)]
struct Passed(VecDeque<i64>);

impl Throttle {
    pub(super) fn build(settings: Settings, engine: &Engine) -> Result<Self, Mistakes> {
        let Some(Limit(rate)) = settings.rate else {
            return Err(key::mistake(
                &[],
                "`throttle` needs a `rate`",
                "say how many may pass in a time, such as `rate: 5/m`",
            ));
        };
        let count = rate.count.min(COUNT_MAX);
        if rate.count > COUNT_MAX {
            return Err(key::mistake(
                &["rate"],
                "so many cannot be counted one by one",
                "at most 1000 in a time: for more take a shorter time, such as `20/s`",
            ));
        }
        let burst = settings.burst.map_or(count, NonZeroU32::get).min(count);
        Ok(Self {
            by: key::compile(engine, "by", settings.by.as_deref())?,
            count: count as usize,
            per: SignedDuration::try_from(rate.per).unwrap_or(SignedDuration::MAX),
            burst: burst as usize,
            over: format!("more than {count} in {}", Span(rate.per)),
        })
    }

    /// Whether one more may pass at that moment.
    fn allows(&self, passed: &VecDeque<i64>, now: i64) -> bool {
        let per = i64::try_from(self.per.as_millis()).unwrap_or(i64::MAX);
        let since = |time: i64| now.saturating_sub(time);
        let recent = passed.iter().filter(|time| since(**time) < per).count();
        if recent >= self.count {
            return false;
        }
        // So many at once, and from then on one in each even part of the time.
        let step = per / self.count as i64;
        let close = passed
            .iter()
            .rev()
            .zip(1..)
            .filter(|(_, n)| *n >= self.burst as i64)
            .all(|(time, n)| since(*time) >= (n - self.burst as i64 + 1).saturating_mul(step));
        self.burst == self.count || close
    }
}

impl Decider for Throttle {
    fn name(&self) -> &'static str {
        NAME
    }

    fn decide(&self, asked: &Asked<'_>, book: &mut Book) -> Decision {
        let by = self.by.as_ref().map(|by| key::given(by, asked));
        let by = match by {
            Some(given) => given.unwrap_or_default(),
            None => key::camera(asked.event),
        };
        let now = asked.now.as_millisecond();
        let mut passed = match book.find::<Passed>(&by, asked.now) {
            Some(found) => std::mem::take(&mut found.state.0),
            None => VecDeque::new(),
        };
        // What a clock that was set back since calls the future was a moment ago.
        for time in &mut passed {
            *time = (*time).min(now);
        }
        let allowed = self.allows(&passed, now);
        if !allowed {
            if let Some(found) = book.find::<Passed>(&by, asked.now) {
                found.state.0 = passed;
            }
            return Decision::filtered(format!("{} for {by}", self.over));
        }
        passed.push_back(now);
        while passed.len() > self.count {
            passed.pop_front();
        }
        let until = asked.now.saturating_add(self.per);
        let until = until.unwrap_or(Timestamp::MAX);
        book.write(&by, Passed(passed), until, asked.now);
        Decision::pass()
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Per {
            count: NonZeroU32,
            per: Span,
        }

        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Limit;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rate such as `5/m`, or `{ count: 5, per: 10m }`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Limit, E> {
                Rate::parse(text).map(Limit).map_err(E::custom)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Limit, A::Error> {
                let given = Per::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Limit(Rate {
                    count: given.count.get(),
                    per: given.per.0,
                }))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Limit {
    fn schema_name() -> Cow<'static, str> {
        "ThrottleRate".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [
            { "type": "string", "pattern": RATE_PATTERN, "description": "a rate such as `5/m`" },
            { "type": "object", "additionalProperties": false, "required": ["count", "per"], "properties": {
                "count": { "type": "integer", "minimum": 1, "maximum": COUNT_MAX, "description": "So many." },
                "per": { "type": "string", "pattern": SPAN_PATTERN, "description": "In such a time, `10m`." },
            } },
        ] })
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

    #[test]
    fn no_stretch_of_the_time_sees_more_than_the_rate() {
        let settings = |yaml: &str| serde_saphyr::from_str::<Settings>(yaml).unwrap();
        for (yaml, burst) in [
            ("{ rate: { count: 7, per: 10s } }", 7),
            ("{ rate: { count: 7, per: 10s }, burst: 2 }", 2),
            ("{ rate: { count: 7, per: 10s }, burst: 1 }", 1),
        ] {
            let throttle = Throttle::build(settings(yaml), &Engine::new(&[])).unwrap();
            let mut passed: Vec<i64> = Vec::new();
            let mut seed = 7_u64;
            let mut now = 0_i64;
            for _ in 0..5_000 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                now += i64::try_from(seed >> 53).unwrap(); // 0 to 2047 ms
                let recent: VecDeque<i64> = passed.iter().rev().take(7).rev().copied().collect();
                if throttle.allows(&recent, now) {
                    passed.push(now);
                }
            }
            let most = |span: i64| {
                let count = |from: i64| {
                    let within = passed
                        .iter()
                        .filter(|time| (from..from + span).contains(*time));
                    within.count()
                };
                passed.iter().map(|from| count(*from)).max()
            };
            assert_eq!(most(10_000), Some(7), "{yaml}");
            assert!(most(1_000) <= Some(burst), "{yaml}");
        }
    }
}
