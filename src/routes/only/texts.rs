//! Texts that must be one of several, or none of them.

use std::borrow::Cow;
use std::fmt::{self, Debug, Write as _};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use super::bounds::Bounds;
use super::forms::{self, Forms, Unknown};
use crate::likeness::{Fold, Pattern};

/// What one value of a list asks for.
pub(super) trait Asked: Debug + Clone + for<'de> Deserialize<'de> + JsonSchema {
    fn fits(&self, seen: &str) -> bool;
    /// As it was written.
    fn source(&self) -> &str;
}

/// One of these, and none of those.
#[derive(Debug, Clone)]
pub(super) struct Texts<A> {
    /// Any will do when `None`; none will do when empty.
    is: Option<Vec<A>>,
    not: Vec<A>,
    unknown: Unknown,
}

/// The same of a value that the sender is more or less sure of.
#[derive(Debug, Clone)]
pub(super) struct Sure {
    texts: Texts<Text>,
    score: Option<Bounds>,
}

/// A text with wildcards, in any case.
#[derive(Debug, Clone)]
pub(super) struct Text(Pattern);

/// A plate with wildcards, in any case and with any separators.
#[derive(Debug, Clone)]
pub(super) struct PlateText(Pattern);

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, bound = "A: Asked")]
pub(super) struct Full<A> {
    /// It must be one of these; `*` stands for anything, `?` for one letter, and case does not matter. An empty list lets
    /// nothing pass.
    is: Option<Vec<A>>,
    /// It must be none of these.
    not: Vec<A>,
    /// What happens when the event does not tell it (`fail`).
    unknown: Unknown,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FullSure {
    /// It must be one of these; `*` stands for anything, `?` for one letter, and case does not matter. An empty list lets
    /// nothing pass.
    is: Option<Vec<Text>>,
    /// It must be none of these.
    not: Vec<Text>,
    /// How sure the sender must be of it, such as `">= 0.8"`. Default: it does not matter.
    score: Option<Bounds>,
    /// What happens when the event does not tell it (`fail`).
    unknown: Unknown,
}

impl<A> Default for Full<A> {
    fn default() -> Self {
        Self {
            is: None,
            not: Vec::new(),
            unknown: Unknown::Fail,
        }
    }
}

impl<A: Asked> Forms for Texts<A> {
    type One = A;
    type Full = Full<A>;
    const EXPECTED: &'static str = "a text, a list of texts, or `{ is, not, unknown }`";

    fn of(all: Vec<A>) -> Result<Self, String> {
        Ok(Self {
            is: Some(all),
            not: Vec::new(),
            unknown: Unknown::Fail,
        })
    }

    fn of_map(full: Full<A>) -> Result<Self, String> {
        let Full { is, not, unknown } = full;
        Ok(Self { is, not, unknown })
    }
}

impl Forms for Sure {
    type One = Text;
    type Full = FullSure;
    const EXPECTED: &'static str = "a text, a list of texts, or `{ is, not, score, unknown }`";

    fn of(all: Vec<Text>) -> Result<Self, String> {
        Ok(Self {
            texts: Texts::of(all)?,
            score: None,
        })
    }

    fn of_map(full: FullSure) -> Result<Self, String> {
        let FullSure {
            is,
            not,
            score,
            unknown,
        } = full;
        Ok(Self {
            texts: Texts { is, not, unknown },
            score,
        })
    }
}

impl<A: Asked> Texts<A> {
    pub(super) fn new(is: Option<Vec<A>>, not: Vec<A>, unknown: Unknown) -> Self {
        Self { is, not, unknown }
    }

    /// Several names of one thing may be seen, such as a camera's id and name: one of them must fit, none may be unwanted.
    pub(super) fn hold(&self, seen: &[Option<&str>]) -> bool {
        let mut told = seen.iter().flatten().peekable();
        if told.peek().is_none() {
            return self.unknown.passes();
        }
        let fits = |asked: &[A], seen: &str| asked.iter().any(|asked| asked.fits(seen));
        let mut is_one = self.is.is_none();
        for seen in told {
            if fits(&self.not, seen) {
                return false;
            }
            is_one = is_one || self.is.as_deref().is_some_and(|is| fits(is, seen));
        }
        is_one
    }

    /// Where it is known that there is nothing.
    pub(super) fn hold_nothing(&self) -> bool {
        self.is.is_none() || self.unknown.passes()
    }

    pub(super) fn why(&self, seen: &[Option<&str>]) -> String {
        let mut told = seen.iter().flatten();
        let unwanted = |seen: &&&str| self.not.iter().any(|asked| asked.fits(seen));
        match told.clone().find(unwanted) {
            Some(seen) => format!("{} is not wanted", shown(seen)),
            None => match told.next() {
                None => NOT_TOLD.to_owned(),
                Some(seen) => format!("{} is none of {}", shown(seen), self.asked()),
            },
        }
    }

    fn asked(&self) -> String {
        let sources = self.is.iter().flatten().map(Asked::source);
        several(sources, "an empty list")
    }
}

impl Sure {
    pub(super) fn new(texts: Texts<Text>, score: Option<Bounds>) -> Self {
        Self { texts, score }
    }

    pub(super) fn hold(&self, seen: Option<&str>, score: Option<f64>) -> bool {
        self.texts.hold(&[seen])
            && (seen.is_none() || self.score.as_ref().is_none_or(|bounds| bounds.hold(score)))
    }

    pub(super) fn why(&self, seen: Option<&str>, score: Option<f64>) -> String {
        match (&self.score, seen) {
            (Some(bounds), Some(seen)) if self.texts.hold(&[Some(seen)]) => {
                format!("{}, but its score: {}", shown(seen), bounds.why(score))
            }
            _ => self.texts.why(&[seen]),
        }
    }
}

/// What is said where an event tells nothing.
pub(super) const NOT_TOLD: &str = "the event does not tell it";

/// At most so many characters of a value are shown.
const SHOWN_MAX: usize = 40;

/// A value for messages.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// Such as `it, de`; only the first of many.
pub(super) fn several<'a>(all: impl Iterator<Item = &'a str>, none: &str) -> String {
    let mut told = String::new();
    for (n, one) in all.enumerate() {
        if n == 5 {
            told.push_str(", …");
            break;
        }
        let comma = if n == 0 { "" } else { ", " };
        let _ = write!(told, "{comma}{}", shown(one));
    }
    match told.is_empty() {
        true => none.to_owned(),
        false => told,
    }
}

impl<'de, A: Asked> Deserialize<'de> for Texts<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        forms::read(deserializer)
    }
}

impl<A: Asked> JsonSchema for Texts<A> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}s", A::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        forms::schema::<Self>(generator)
    }
}

impl<'de> Deserialize<'de> for Sure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        forms::read(deserializer)
    }
}

impl JsonSchema for Sure {
    fn schema_name() -> Cow<'static, str> {
        "SureTexts".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        forms::schema::<Self>(generator)
    }
}

/// Reads one value of a list, which is a text.
pub(super) fn one<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    let text = deserializer.deserialize_any(TextOrNumber)?;
    parse(&text).map_err(D::Error::custom)
}

/// What needs no quotes in YAML, such as the `12` of a camera, is its text.
struct TextOrNumber;

impl Visitor<'_> for TextOrNumber {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<String, E> {
        Ok(flag.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<String, E> {
        Ok(number.to_string())
    }
}

impl Text {
    /// # Errors
    /// In words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Pattern::new(text, Fold::Case).map(Self)
    }
}

impl Asked for Text {
    fn fits(&self, seen: &str) -> bool {
        self.0.matches(seen)
    }

    fn source(&self) -> &str {
        self.0.source()
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one(deserializer, Self::parse)
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": 200 })
    }
}

impl Asked for PlateText {
    fn fits(&self, seen: &str) -> bool {
        self.0.matches(seen)
    }

    fn source(&self) -> &str {
        self.0.source()
    }
}

impl<'de> Deserialize<'de> for PlateText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one(deserializer, |text| {
            Pattern::new(text, Fold::Plate).map(Self)
        })
    }
}

impl JsonSchema for PlateText {
    fn schema_name() -> Cow<'static, str> {
        "PlatePattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": 200 })
    }
}
