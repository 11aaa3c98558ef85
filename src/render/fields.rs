//! Names with values, as in headers, queries and forms.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Names with their values, in the order they are written. Texts are templates; null leaves the name out, a list
/// repeats it.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Fields(pub(crate) Map<String, Value>);

impl JsonSchema for Fields {
    fn schema_name() -> Cow<'static, str> {
        "Fields".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "additionalProperties": { "type": ["string", "number", "boolean", "null", "array"] }
        })
    }
}

/// Rendered fields as pairs of texts: null is left out, a list repeats its name, what is no text becomes JSON.
pub(super) fn pairs(fields: Value) -> Vec<(String, String)> {
    let Value::Object(fields) = fields else {
        return Vec::new();
    };
    let mut pairs = Vec::new();
    for (name, value) in fields {
        match value {
            Value::Array(values) => {
                for value in values {
                    pairs.extend(text_of(value).map(|text| (name.clone(), text)));
                }
            }
            value => pairs.extend(text_of(value).map(|text| (name, text))),
        }
    }
    pairs
}

/// Null is no text; what is no text becomes JSON.
pub(super) fn text_of(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn null_is_left_out_and_a_list_repeats_its_name() {
        let fields = json!({ "z": "1", "gone": null, "n": 2.5, "on": true, "l": ["x", null, 3], "o": { "k": 1 } });
        let pairs = pairs(fields);
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, text)| format!("{name}={text}"))
            .collect();
        assert_eq!(
            pairs,
            ["z=1", "n=2.5", "on=true", "l=x", "l=3", r#"o={"k":1}"#]
        );
    }
}
