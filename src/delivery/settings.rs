//! How fast a target is fed, and how often it is tried again.

use std::borrow::Cow;
use std::fmt;
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, de};

use crate::store;
use crate::units::{RATE_PATTERN, Rate, Span};

/// How fast a target is fed, and how often it is tried again.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// At most so many attempts in a time: `5/s`, `100/m`, `1000/h`, evenly spread; or `{ rate: 5/s, burst: 20 }`, which
    /// lets up to 20 go at once after a quiet time. Not limited by default.
    pub(crate) rate_limit: Option<RateLimit>,
    /// How many requests may be under way at once. Default 4.
    pub(crate) concurrency: NonZeroU16,
    /// `none` (the default): whichever delivery is due first. `camera`: one at a time per camera, oldest first; a delivery
    /// that has to be tried again then keeps the later ones of its camera waiting.
    pub(crate) order: Order,
    /// What happens after a failure that may pass.
    pub(crate) retry: Retry,
    /// The event's value ends so long after it was received, such as `10s` for a gate: what could not be delivered by then
    /// never is, and shows as `expired`. Not set by default.
    pub(crate) expires: Option<Span>,
    /// Leaves a target that keeps failing in peace.
    pub(crate) breaker: BreakerSettings,
}

/// A rate with a burst.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RateLimit {
    pub(crate) rate: Rate,
    /// How many may go at once after a quiet time.
    pub(crate) burst: NonZeroU32,
}

/// In which order a target gets its deliveries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Whichever is due first.
    #[default]
    None,
    /// One at a time per camera, oldest first.
    Camera,
}

/// When a failed delivery is tried again: after `initial`, then each time `factor` times longer, at most `max`, until it
/// has been tried `attempts` times or `give_up_after` has passed. The defaults go on for five days, so nothing is given up
/// over a long weekend without the target. What is given up is kept as `dead` and can be retried by hand.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Retry {
    /// Attempts before a delivery is given up; 0, the default, is no limit. A breaker's probe is not counted.
    pub(crate) attempts: u32,
    /// The wait after the first failure. Default `1s`.
    pub(crate) initial: Span,
    /// How many times longer each wait is than the one before, from 1. Default 2.
    pub(crate) factor: Factor,
    /// The longest wait. Default `10m`.
    pub(crate) max: Span,
    /// Each wait is shortened by up to this fraction (0 to 1), so that deliveries that failed together do not come back
    /// together. Default 0.2.
    pub(crate) jitter: Fraction,
    /// A delivery is given up so long after it was planned (or retried by hand); `0s` is never. Default `5d`: two days
    /// before events are removed (`store.keep`), so that a dead delivery can still be seen and retried.
    pub(crate) give_up_after: Span,
}

/// Leaves a target that keeps failing in peace: deliveries wait and spend no attempt, one at a time is sent as a probe.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BreakerSettings {
    /// Failures in a row after which the target is left in peace. Default 5.
    pub(crate) failures: NonZeroU32,
    /// How long, before a probe is sent; also how often a held target is probed. Default `30s`.
    pub(crate) cool_down: Span,
}

/// A number from 1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Factor(f64);

/// A number from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Fraction(f64);

const BURST: NonZeroU32 = NonZeroU32::MIN;
const CONCURRENCY: NonZeroU16 = NonZeroU16::new(4).expect("4 is not 0");
const FAILURES: NonZeroU32 = NonZeroU32::new(5).expect("5 is not 0");

impl Default for Settings {
    fn default() -> Self {
        Self {
            rate_limit: None,
            concurrency: CONCURRENCY,
            order: Order::None,
            retry: Retry::default(),
            expires: None,
            breaker: BreakerSettings::default(),
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 0,
            initial: Span(Duration::from_secs(1)),
            factor: Factor(2.0),
            max: Span(Duration::from_secs(10 * 60)),
            jitter: Fraction(0.2),
            give_up_after: Span(Duration::from_secs(5 * 86_400)),
        }
    }
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures: FAILURES,
            cool_down: Span(Duration::from_secs(30)),
        }
    }
}

impl Factor {
    pub(super) fn get(self) -> f64 {
        self.0
    }
}

impl Fraction {
    pub(super) fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Factor {
    type Error = &'static str;
    fn try_from(number: f64) -> Result<Self, Self::Error> {
        if number.is_finite() && number >= 1.0 {
            Ok(Self(number))
        } else {
            Err("expected a number from 1: each wait is so many times longer than the one before")
        }
    }
}

impl TryFrom<f64> for Fraction {
    type Error = &'static str;
    fn try_from(number: f64) -> Result<Self, Self::Error> {
        if (0.0..=1.0).contains(&number) {
            Ok(Self(number))
        } else {
            Err("expected a fraction from 0 to 1, such as 0.2")
        }
    }
}

impl From<Order> for store::Order {
    fn from(order: Order) -> Self {
        match order {
            Order::None => Self::None,
            Order::Camera => Self::Camera,
        }
    }
}

impl<'de> Deserialize<'de> for RateLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct WithBurst {
            rate: Rate,
            burst: Option<NonZeroU32>,
        }

        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = RateLimit;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rate such as `5/s`, or `{ rate: 5/s, burst: 20 }`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<RateLimit, E> {
                let rate = Rate::parse(text).map_err(E::custom)?;
                Ok(RateLimit { rate, burst: BURST })
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<RateLimit, A::Error> {
                let given = WithBurst::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RateLimit {
                    rate: given.rate,
                    burst: given.burst.unwrap_or(BURST),
                })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for RateLimit {
    fn schema_name() -> Cow<'static, str> {
        "RateLimit".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let rate = json_schema!({ "type": "string", "pattern": RATE_PATTERN, "description": "a rate such as `5/s`" });
        json_schema!({
            "anyOf": [
                rate,
                {
                    "type": "object",
                    "properties": {
                        "rate": rate,
                        "burst": { "type": "integer", "minimum": 1, "description": "How many may go at once after a quiet time. Default 1." },
                    },
                    "required": ["rate"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

impl JsonSchema for Factor {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Factor".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 1 })
    }
}

impl JsonSchema for Fraction {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Fraction".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(yaml: &str) -> Result<Settings, String> {
        serde_saphyr::from_str(yaml).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_said_is_the_documented_default() {
        let settings = read("{}").unwrap();
        assert_eq!(settings, Settings::default());
        assert_eq!(settings.concurrency.get(), 4);
        assert_eq!(settings.breaker.failures.get(), 5);
        assert_eq!(settings.breaker.cool_down.to_string(), "30s");
    }

    #[test]
    fn reads_every_option() {
        let settings = read(
            "{ rate_limit: { rate: 100/m, burst: 20 }, concurrency: 1, order: camera, expires: 10s,
               retry: { attempts: 20, initial: 500ms, factor: 3, max: 1h, jitter: 0, give_up_after: 24h },
               breaker: { failures: 2, cool_down: 1m } }",
        )
        .unwrap();
        let limit = settings.rate_limit.unwrap();
        assert_eq!((limit.rate.count, limit.burst.get()), (100, 20));
        assert_eq!(settings.order, Order::Camera);
        assert_eq!(settings.retry.factor.get(), 3.0);
        assert_eq!(settings.retry.jitter.get(), 0.0);
    }

    #[test]
    fn a_rate_alone_has_a_burst_of_one() {
        let limit = read("rate_limit: 5/s").unwrap().rate_limit.unwrap();
        assert_eq!((limit.rate.count, limit.burst.get()), (5, 1));
        let limit = read("rate_limit: { rate: 5/s }").unwrap().rate_limit;
        assert_eq!(limit.unwrap().burst.get(), 1);
    }

    #[test]
    fn refuses_what_would_never_send_or_makes_no_sense() {
        for wrong in [
            "rate_limit: 0/s",
            "rate_limit: 5",
            "rate_limit: { rate: 5/s, bust: 2 }",
            "rate_limit: { rate: 5/s, burst: 0 }",
            "concurrency: 0",
            "order: cameras",
            "retry: { factor: 0.5 }",
            "retry: { factor: .nan }",
            "retry: { jitter: 1.5 }",
            "retry: { tries: 3 }",
            "breaker: { failures: 0 }",
            "expires: soon",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_schema_knows_both_forms_of_a_rate() {
        let schema = schemars::schema_for!(Settings).to_value();
        let forms = &schema["$defs"]["RateLimit"]["anyOf"];
        assert_eq!(forms[0]["type"], json!("string"));
        assert_eq!(forms[1]["required"], json!(["rate"]));
    }
}
