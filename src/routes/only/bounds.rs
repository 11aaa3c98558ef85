//! Numbers that must lie between bounds.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::forms::{self, Forms, Unknown};
use super::texts::{NOT_TOLD, one};

/// From here to there.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Bounds {
    least: Option<Limit>,
    most: Option<Limit>,
    unknown: Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Limit {
    at: f64,
    /// The limit itself passes.
    inclusive: bool,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FullBounds {
    /// The least that passes; the bound itself does.
    pub(super) min: Option<f64>,
    /// The most that passes; the bound itself does.
    pub(super) max: Option<f64>,
    /// What passes is more than this.
    pub(super) above: Option<f64>,
    /// What passes is less than this.
    pub(super) below: Option<f64>,
    /// What happens when the event does not tell it (`fail`).
    pub(super) unknown: Unknown,
}

/// A bound as a text, such as `>= 0.8`.
pub(super) struct Comparison(Bounds);

impl Bounds {
    pub(super) fn hold(&self, seen: Option<f64>) -> bool {
        let Some(seen) = seen else {
            return self.unknown.passes();
        };
        !self.is_below(seen) && !self.is_above(seen)
    }

    pub(super) fn why(&self, seen: Option<f64>) -> String {
        match (seen, self.least, self.most) {
            (None, ..) => NOT_TOLD.to_owned(),
            (Some(seen), Some(least), _) if self.is_below(seen) => match least.inclusive {
                true => format!("{seen} is below {}", least.at),
                false => format!("{seen} is not above {}", least.at),
            },
            (Some(seen), _, Some(most)) => match most.inclusive {
                true => format!("{seen} is above {}", most.at),
                false => format!("{seen} is not below {}", most.at),
            },
            (Some(seen), ..) => seen.to_string(),
        }
    }

    fn is_below(&self, seen: f64) -> bool {
        self.least.is_some_and(|least| match least.inclusive {
            true => seen < least.at,
            false => seen <= least.at,
        })
    }

    fn is_above(&self, seen: f64) -> bool {
        self.most.is_some_and(|most| match most.inclusive {
            true => seen > most.at,
            false => seen >= most.at,
        })
    }

    /// # Errors
    /// In words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = || {
            format!(
                "`{text}` is no bound: expected such as `\">= 0.8\"`, or `{{ min: 0.5, max: 0.8 }}`"
            )
        };
        let limit = |number: &str, inclusive| {
            let at: f64 = number.trim().parse().map_err(|_| wrong())?;
            match at.is_finite() {
                true => Ok(Some(Limit { at, inclusive })),
                false => Err(wrong()),
            }
        };
        let (least, most) = if let Some(number) = text.strip_prefix(">=") {
            (limit(number, true)?, None)
        } else if let Some(number) = text.strip_prefix('>') {
            (limit(number, false)?, None)
        } else if let Some(number) = text.strip_prefix("<=") {
            (None, limit(number, true)?)
        } else if let Some(number) = text.strip_prefix('<') {
            (None, limit(number, false)?)
        } else if let Ok(number) = text.parse::<f64>() {
            return Err(format!(
                "{number} alone does not say which side passes: expected `\">= {number}\"` or `\"<= {number}\"`"
            ));
        } else {
            return Err(wrong());
        };
        Ok(Self {
            least,
            most,
            unknown: Unknown::Fail,
        })
    }
}

impl Bounds {
    /// # Errors
    /// In words.
    pub(super) fn between(full: &FullBounds) -> Result<Self, String> {
        let side = |inclusive: Option<f64>, exclusive: Option<f64>, names: &str| {
            if inclusive.is_some() && exclusive.is_some() {
                return Err(format!("{names} say the same: expected one of them"));
            }
            let limit = |at, inclusive| Limit { at, inclusive };
            Ok(inclusive
                .map(|at| limit(at, true))
                .or(exclusive.map(|at| limit(at, false))))
        };
        let least = side(full.min, full.above, "`min` and `above`")?;
        let most = side(full.max, full.below, "`max` and `below`")?;
        if let (Some(least), Some(most)) = (least, most) {
            let none_between = least.at == most.at && !(least.inclusive && most.inclusive);
            if least.at > most.at || none_between {
                return Err(format!(
                    "no number is from {} to {}: expected the smaller one first",
                    least.at, most.at
                ));
            }
        }
        Ok(Self {
            least,
            most,
            unknown: full.unknown,
        })
    }
}

impl Forms for Bounds {
    type One = Comparison;
    type Full = FullBounds;
    const SEVERAL: bool = false;
    const EXPECTED: &'static str =
        "a bound such as `\">= 0.8\"`, or `{ min, max, above, below, unknown }`";

    fn of(all: Vec<Comparison>) -> Result<Self, String> {
        Ok(all.first().map_or(Self::default(), |only| only.0))
    }

    fn of_map(full: FullBounds) -> Result<Self, String> {
        Self::between(&full)
    }
}

impl<'de> Deserialize<'de> for Comparison {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one(deserializer, |text| Bounds::parse(text).map(Self))
    }
}

impl JsonSchema for Comparison {
    fn schema_name() -> Cow<'static, str> {
        "Comparison".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl<'de> Deserialize<'de> for Bounds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        forms::read(deserializer)
    }
}

impl JsonSchema for Bounds {
    fn schema_name() -> Cow<'static, str> {
        "Bounds".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        forms::schema::<Self>(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Bounds, String> {
        serde_saphyr::from_str(yaml).map_err(|error| error.to_string())
    }

    #[test]
    fn bounds_hold_themselves_unless_they_say_otherwise() {
        for (yaml, holds, fails) in [
            ("'>= 0.8'", &[0.8, 0.9][..], &[0.79][..]),
            ("'> 0.8'", &[0.81], &[0.8]),
            ("'<=0.8'", &[0.8, -1.0], &[0.81]),
            ("'< 0.8'", &[0.79], &[0.8]),
            ("{ min: 0.5, max: 0.5 }", &[0.5], &[0.49, 0.51]),
            ("{ above: 1, below: 2 }", &[1.5], &[1.0, 2.0]),
            ("{ min: -3.5 }", &[-3.5, 0.0], &[-3.6]),
            ("{}", &[0.0], &[]),
        ] {
            let bounds = read(yaml).unwrap();
            for seen in holds {
                assert!(bounds.hold(Some(*seen)), "{yaml} {seen}");
            }
            for seen in fails {
                assert!(!bounds.hold(Some(*seen)), "{yaml} {seen}");
            }
            assert!(!bounds.hold(None), "{yaml}");
        }
        assert!(read("{ min: 3, unknown: pass }").unwrap().hold(None));
    }

    #[test]
    fn tells_the_value_and_the_bound_it_breaks() {
        for (yaml, seen, why) in [
            ("'>= 0.8'", Some(0.71), "0.71 is below 0.8"),
            ("'> 0.8'", Some(0.8), "0.8 is not above 0.8"),
            ("{ min: 1, max: 2 }", Some(3.0), "3 is above 2"),
            ("'< 1'", Some(1.0), "1 is not below 1"),
            ("'< 1'", None, "the event does not tell it"),
        ] {
            assert_eq!(read(yaml).unwrap().why(seen), why, "{yaml}");
        }
    }

    #[test]
    fn bounds_that_nothing_fits_are_refused() {
        for (yaml, message) in [
            ("{ min: 0.9, max: 0.5 }", "no number is from 0.9 to 0.5"),
            ("{ min: 1, below: 1 }", "no number is from 1 to 1"),
            ("{ min: 1, above: 1 }", "say the same"),
            ("0.8", "does not say which side passes"),
            ("high", "is no bound"),
            ("'>= NaN'", "is no bound"),
            ("['>= 1']", "a list cannot stand here"),
            ("{ mn: 1 }", "mn"),
        ] {
            let error = read(yaml).unwrap_err();
            assert!(error.contains(message), "{yaml}: {error}");
        }
    }
}
