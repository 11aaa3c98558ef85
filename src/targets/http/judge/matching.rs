//! What a value of an answer is held against.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// What a value must be.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Value")]
pub(super) enum Match {
    /// Null, or not there.
    Absent,
    /// Anything but null.
    Present,
    OneOf(Vec<Value>),
    Not(Box<Match>),
    Contains(String),
}

/// Elements of an XML document, and what their texts must be.
#[derive(Debug, Clone)]
pub(super) struct Elements(BTreeMap<String, Match>);

impl TryFrom<Value> for Match {
    type Error = String;
    fn try_from(value: Value) -> Result<Self, String> {
        Ok(match value {
            Value::Null => Self::Absent,
            Value::String(text) if text == "*" => Self::Present,
            Value::Array(values) => Self::OneOf(values),
            Value::Object(map) => {
                let mut entries = map.into_iter();
                match (entries.next(), entries.next()) {
                    (Some((key, value)), None) if key == "not" => {
                        Self::Not(Box::new(Self::try_from(value)?))
                    }
                    (Some((key, Value::String(text))), None) if key == "contains" => {
                        Self::Contains(text)
                    }
                    _ => {
                        return Err(
                            "neither a value nor a list of them: expected `{ not: VALUE }` or `{ contains: TEXT }`"
                                .to_owned(),
                        );
                    }
                }
            }
            other => Self::OneOf(vec![other]),
        })
    }
}

impl Match {
    pub(super) fn fits(&self, value: Option<&Value>) -> bool {
        let value = value.filter(|value| !value.is_null());
        match (self, value) {
            (Self::Absent, value) => value.is_none(),
            (Self::Not(inner), value) => !inner.fits(value),
            (_, None) => false,
            (Self::Present, Some(_)) => true,
            (Self::OneOf(wanted), Some(value)) => wanted.iter().any(|wanted| same(wanted, value)),
            (Self::Contains(part), Some(value)) => {
                value.as_str().is_some_and(|text| text.contains(part))
            }
        }
    }
}

/// 1 and 1.0 are the same; a number and its text are not, but headers and XML have texts only.
fn same(wanted: &Value, value: &Value) -> bool {
    match (wanted, value) {
        (Value::Number(wanted), Value::Number(value)) => wanted.as_f64() == value.as_f64(),
        (Value::Number(wanted), Value::String(text)) => *text == wanted.to_string(),
        (Value::Bool(wanted), Value::String(text)) => *text == wanted.to_string(),
        _ => wanted == value,
    }
}

impl Elements {
    /// Each is there at least once with such a text; `{ not: … }` is asked of the first.
    pub(super) fn fit(&self, document: &[(String, String)]) -> bool {
        self.0.iter().all(|(name, wanted)| {
            let mut texts = document.iter().filter(|(known, _)| known == name);
            match wanted {
                Match::Absent | Match::Not(_) => {
                    let text = texts.next().map(|(_, text)| Value::from(text.as_str()));
                    wanted.fits(text.as_ref())
                }
                _ => texts.any(|(_, text)| wanted.fits(Some(&text.as_str().into()))),
            }
        })
    }
}

impl<'de> Deserialize<'de> for Elements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Elements;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the name of an element, or names and what their texts are")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Elements, E> {
                Ok(Elements([(name.to_owned(), Match::Present)].into()))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Elements, A::Error> {
                BTreeMap::deserialize(de::value::MapAccessDeserializer::new(map)).map(Elements)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Match {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Match".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!(true)
    }
}

impl JsonSchema for Elements {
    fn schema_name() -> Cow<'static, str> {
        "Elements".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string" },
            { "type": "object", "additionalProperties": true }
        ] })
    }
}
