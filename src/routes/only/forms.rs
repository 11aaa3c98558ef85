//! Values that are written in a short form or in full: one, a list of them, or a map with all there is to say.

use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::json;

/// Something with a short form.
pub(super) trait Forms: Sized {
    /// What one value, or each of a list, is.
    type One: for<'de> Deserialize<'de> + JsonSchema;
    /// The map.
    type Full: for<'de> Deserialize<'de> + JsonSchema;
    /// Whether a list of several may stand here.
    const SEVERAL: bool = true;
    /// Whether a map may; else `Full` is [`NoMap`].
    const MAP: bool = true;
    /// For messages, such as `a text or a list of texts`.
    const EXPECTED: &'static str;

    /// The short forms.
    ///
    /// # Errors
    /// In words.
    fn of(all: Vec<Self::One>) -> Result<Self, String>;

    /// # Errors
    /// In words, perhaps with `: expected` and what was.
    fn of_map(full: Self::Full) -> Result<Self, String>;
}

/// What has no form as a map.
pub(super) enum NoMap {}

impl<'de> Deserialize<'de> for NoMap {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("a map cannot stand here"))
    }
}

impl JsonSchema for NoMap {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NoMap".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "not": {} })
    }
}

/// Whether what an event does not tell passes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unknown {
    #[default]
    Fail,
    Pass,
}

impl Unknown {
    pub(super) fn passes(self) -> bool {
        self == Self::Pass
    }
}

pub(super) fn read<'de, T: Forms, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(Reader(PhantomData))
}

pub(super) fn schema<T: Forms>(generator: &mut SchemaGenerator) -> Schema {
    let one = generator.subschema_for::<T::One>().to_value();
    let mut forms = vec![one.clone()];
    if T::SEVERAL {
        forms.push(json!({ "type": "array", "items": one }));
    }
    if T::MAP {
        forms.push(generator.subschema_for::<T::Full>().to_value());
    }
    json_schema!({ "anyOf": forms })
}

struct Reader<T>(PhantomData<T>);

impl<'de, T: Forms> Visitor<'de> for Reader<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        let text: StrDeserializer<'_, E> = text.into_deserializer();
        T::of(vec![T::One::deserialize(text)?]).map_err(E::custom)
    }

    // A number is its text: a camera may be called `12`.
    fn visit_bool<E: Error>(self, flag: bool) -> Result<T, E> {
        self.visit_str(if flag { "true" } else { "false" })
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<T, A::Error> {
        if !T::SEVERAL {
            return Err(A::Error::custom(format!(
                "a list cannot stand here: expected {}",
                T::EXPECTED
            )));
        }
        let mut all = Vec::new();
        while let Some(one) = items.next_element()? {
            all.push(one);
        }
        T::of(all).map_err(A::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        let full = T::Full::deserialize(MapAccessDeserializer::new(map))?;
        T::of_map(full).map_err(A::Error::custom)
    }
}

/// One value or several of them, none of which is a map.
#[derive(Debug, Clone)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T: for<'de> Deserialize<'de> + JsonSchema> Forms for List<T> {
    type One = T;
    type Full = NoMap;
    const MAP: bool = false;
    const EXPECTED: &'static str = "a word, or a list of words";

    fn of(all: Vec<T>) -> Result<Self, String> {
        Ok(Self(all))
    }

    fn of_map(never: NoMap) -> Result<Self, String> {
        match never {}
    }
}

impl<'de, T: for<'a> Deserialize<'a> + JsonSchema> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl<T: for<'de> Deserialize<'de> + JsonSchema> JsonSchema for List<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("OneOrMore{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schema::<Self>(generator)
    }
}
