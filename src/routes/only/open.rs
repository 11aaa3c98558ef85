//! What a vendor tells in its own words: the open `attributes` of events, plates and faces.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::bounds::{Bounds, FullBounds};
use super::forms::{self, Forms, Unknown};
use super::texts::{Sure, Text, Texts, one};
use crate::event::{Score, Scored};

/// An attribute and how sure the vendor is of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute<'a> {
    value: &'a Value,
    score: Option<Score>,
}

impl<'a> Attribute<'a> {
    /// The first of these names that is told.
    pub(super) fn find(
        attributes: &'a Map<String, Value>,
        scores: &BTreeMap<String, Score>,
        names: &[&str],
    ) -> Option<Self> {
        let found = names
            .iter()
            .find_map(|name| Some((*name, attributes.get(*name).filter(|told| !told.is_null())?)));
        found.map(|(name, value)| Self {
            value,
            score: scores.get(name).copied(),
        })
    }

    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self.value {
            Value::String(text) => Some(text.as_str().into()),
            Value::Bool(_) | Value::Number(_) => Some(self.value.to_string().into()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    pub(super) fn number(self) -> Option<f64> {
        match self.value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    pub(super) fn score(self) -> Option<f64> {
        self.score.map(Score::fraction)
    }
}

/// The best of several guesses.
pub(super) fn best(guesses: &[Scored]) -> (Option<Cow<'_, str>>, Option<f64>) {
    let best = guesses.first();
    (
        best.map(|best| best.value.as_str().into()),
        best.and_then(|best| best.score).map(Score::fraction),
    )
}

/// What an attribute must be: a text, or a number.
#[derive(Debug, Clone)]
pub(super) enum Told {
    Text(Sure),
    Number(Bounds),
}

/// One value as a text: a bound if it begins like one.
pub(super) enum OneTold {
    Text(Text),
    Number(Bounds),
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FullTold {
    /// It must be one of these texts; `*` stands for anything, `?` for one letter, and case does not matter.
    is: Option<Vec<Text>>,
    /// It must be none of these.
    not: Vec<Text>,
    /// How sure the sender must be of it, such as `">= 0.8"`.
    score: Option<Bounds>,
    /// The least number that passes; the bound itself does.
    min: Option<f64>,
    /// The greatest number that passes; the bound itself does.
    max: Option<f64>,
    /// The number must be more than this.
    above: Option<f64>,
    /// The number must be less than this.
    below: Option<f64>,
    /// What happens when the event does not tell it (`fail`).
    unknown: Unknown,
}

impl Told {
    pub(super) fn hold(&self, seen: Option<Attribute<'_>>) -> bool {
        match self {
            Self::Text(sure) => {
                let text = seen.and_then(Attribute::text);
                sure.hold(text.as_deref(), seen.and_then(Attribute::score))
            }
            Self::Number(bounds) => bounds.hold(seen.and_then(Attribute::number)),
        }
    }

    pub(super) fn why(&self, seen: Option<Attribute<'_>>) -> String {
        match self {
            Self::Text(sure) => {
                let text = seen.and_then(Attribute::text);
                sure.why(text.as_deref(), seen.and_then(Attribute::score))
            }
            Self::Number(bounds) => bounds.why(seen.and_then(Attribute::number)),
        }
    }
}

impl Forms for Told {
    type One = OneTold;
    type Full = FullTold;
    const EXPECTED: &'static str = "a text, a list of texts, a bound such as `\">= 18\"`, or `{ is, not, score, min, max, above, below, unknown }`";

    fn of(all: Vec<OneTold>) -> Result<Self, String> {
        let mut texts = Vec::new();
        let several = all.len() > 1;
        for one in all {
            match one {
                OneTold::Number(_) if several => {
                    return Err("a bound in a list: expected `{ min, max }`".to_owned());
                }
                OneTold::Number(bounds) => return Ok(Self::Number(bounds)),
                OneTold::Text(text) => texts.push(text),
            }
        }
        Ok(Self::Text(Sure::new(Texts::of(texts)?, None)))
    }

    fn of_map(full: FullTold) -> Result<Self, String> {
        let bounds = [full.min, full.max, full.above, full.below];
        if bounds.iter().all(Option::is_none) {
            let texts = Texts::new(full.is, full.not, full.unknown);
            return Ok(Self::Text(Sure::new(texts, full.score)));
        }
        if full.is.is_some() || !full.not.is_empty() || full.score.is_some() {
            return Err("it is asked for as a text and as a number: expected `is`, `not` and `score`, or bounds".to_owned());
        }
        let [min, max, above, below] = bounds;
        let bounds = FullBounds {
            min,
            max,
            above,
            below,
            unknown: full.unknown,
        };
        Bounds::between(&bounds).map(Self::Number)
    }
}

impl<'de> Deserialize<'de> for Told {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        forms::read(deserializer)
    }
}

impl JsonSchema for Told {
    fn schema_name() -> Cow<'static, str> {
        "Attribute".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        forms::schema::<Self>(generator)
    }
}

impl<'de> Deserialize<'de> for OneTold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one(deserializer, |text| {
            match text.trim().starts_with(['<', '>']) {
                true => Bounds::parse(text).map(Self::Number),
                false => Text::parse(text).map(Self::Text),
            }
        })
    }
}

impl JsonSchema for OneTold {
    fn schema_name() -> Cow<'static, str> {
        "AttributeText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}
