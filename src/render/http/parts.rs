//! The parts of a multipart body, as users write them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// The parts of a multipart body, in the order they are written.
#[derive(Clone, Default)]
pub(crate) struct Parts(pub(crate) Vec<(String, Part)>);

/// One part: a value alone, or with what is said about it.
#[derive(Clone)]
pub(crate) struct Part {
    /// A text (a template), a number or bool, or a YAML structure that becomes JSON; null leaves the part out.
    pub(crate) value: Value,
    pub(crate) filename: Option<String>,
    pub(crate) content_type: Option<String>,
    /// Whether the settings were a value alone.
    pub(crate) short: bool,
}

/// A part with what is said about it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PartMap {
    /// A text, a picture such as `"{{ images.frame }}"`, or a YAML structure that becomes JSON.
    value: Value,
    /// The file's name; of a picture, the part's name and the usual ending if not given.
    #[serde(default)]
    filename: Option<String>,
    /// The part's content type; a picture's own if not given.
    #[serde(default, rename = "type")]
    content_type: Option<String>,
}
impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Parts;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map from the names of parts to their values")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Parts, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = map.next_entry()? {
                    parts.push(part);
                }
                Ok(Parts(parts))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Part;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text, a picture, or `{ value, filename, type }`")
            }
            fn visit_str<E>(self, text: &str) -> Result<Part, E> {
                Ok(Part::short(text.into()))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Part, E> {
                Ok(Part::short(value.into()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Part, E> {
                Ok(Part::short(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Part, E> {
                Ok(Part::short(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Part, E> {
                Ok(Part::short(value.into()))
            }
            fn visit_unit<E>(self) -> Result<Part, E> {
                Ok(Part::short(Value::Null))
            }
            fn visit_none<E>(self) -> Result<Part, E> {
                Ok(Part::short(Value::Null))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Part, A::Error> {
                let map = PartMap::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Part {
                    value: map.value,
                    filename: map.filename,
                    content_type: map.content_type,
                    short: false,
                })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Part {
    fn short(value: Value) -> Self {
        Self {
            value,
            filename: None,
            content_type: None,
            short: true,
        }
    }
}

impl JsonSchema for Parts {
    fn schema_name() -> Cow<'static, str> {
        "Parts".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let part = generator.subschema_for::<PartMap>();
        json_schema!({
            "type": "object",
            "additionalProperties": {
                "anyOf": [{ "type": ["string", "number", "boolean", "null"] }, part]
            }
        })
    }
}
