//! A JSON document to read once: what [`serde_json::Value`] is, but borrowed from the text and without an index of keys.

use std::borrow::Cow;
use std::fmt;
use std::ops::Index;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

/// A JSON value. What is not there reads as null, so that paths can be written down without asking at each step.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Self>),
    /// In the document's order; of two with the same key, the later one counts.
    Map(Vec<(Cow<'a, str>, Self)>),
}

impl Json<'_> {
    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self, Self::List(_))
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self, Self::Map(_))
    }

    /// To be kept.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(truth) => Value::Bool(*truth),
            Self::Number(number) => Value::Number(number.clone()),
            Self::Text(text) => Value::String(text.to_string()),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Map(entries) => entries
                .iter()
                .map(|(key, value)| (key.to_string(), value.to_json()))
                .collect(),
        }
    }
}

impl<'a> Index<&str> for Json<'a> {
    type Output = Self;

    fn index(&self, name: &str) -> &Self {
        let found = match self {
            Self::Map(entries) => entries.iter().rfind(|(key, _)| key == name),
            _ => None,
        };
        found.map_or(&Json::Null, |(_, value)| value)
    }
}

impl<'a> Index<usize> for Json<'a> {
    type Output = Self;

    fn index(&self, at: usize) -> &Self {
        let found = match self {
            Self::List(items) => items.get(at),
            _ => None,
        };
        found.unwrap_or(&Json::Null)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(Reader)
            .map(|told: Json<'de>| told)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(truth))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json<'de>, E> {
        Ok(Number::from_f64(number).map_or(Json::Null, Json::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(text.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(text.to_owned().into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Key>()? {
            entries.push((key.0, map.next_value()?));
        }
        Ok(Json::Map(entries))
    }
}

/// Serde's own `Cow` is never borrowed unless a field says so.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_the_document_tells() {
        let text = r#"{"a": [null, true, -1, 2.50, 18446744073709551615], "b\n": {"c": "d\u00e9"}, "a b": {}}"#;
        let told: Json = serde_json::from_str(text).unwrap();
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(told.to_json(), value);
        assert_eq!(told["b\n"]["c"], Json::Text("dé".into()));
        assert!(told["a"][0].is_null() && told["a"][9].is_null() && told["x"]["y"][0].is_null());
    }

    #[test]
    fn of_two_with_the_same_key_the_later_one_counts() {
        let told: Json = serde_json::from_str(r#"{"a": 1, "a": 2}"#).unwrap();
        assert_eq!(told["a"], Json::Number(2.into()));
        assert_eq!(told.to_json(), serde_json::json!({ "a": 2 }));
    }

    #[test]
    fn what_is_no_json_is_refused_as_ever() {
        let deep = "[".repeat(200);
        for broken in ["", "{", "[1,]", "1e999", r#""\ud800""#, "{} x", &deep] {
            let told = serde_json::from_str::<Json>(broken).unwrap_err();
            let value = serde_json::from_str::<Value>(broken).unwrap_err();
            assert_eq!(told.to_string(), value.to_string());
        }
    }
}
