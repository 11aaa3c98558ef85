//! Rules over an answer: its status, headers, JSON, XML and text.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::answer::Answer;
use super::matching::{Elements, Match};
use super::statuses::{PAUSE_MAX, Statuses};

/// If all of this fits an answer, it means `then`. At least one of `status`, `header`, `json`, `xml` and `text` is said.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, try_from = "Written")]
#[schemars(with = "Written")]
pub(crate) struct Rule {
    written: Written,
    pub(super) then: Then,
    pub(super) because: Option<String>,
}

/// If all of this fits an answer, it means `then`. At least one of `status`, `header`, `json`, `xml` and `text` is said.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Rule")]
struct Written {
    /// Statuses, one of which it is: `409`, `2xx`, `200-204`, or a list of them.
    #[serde(default)]
    status: Option<OneOrMore>,
    /// Headers by name, and what their values are: see `json`.
    #[serde(default)]
    header: BTreeMap<String, Match>,
    /// Places in a JSON body such as `/error/code`, and what is there: a value, a list of values of which it is one, `"*"`
    /// for anything but null, null for nothing, `{ not: … }`, or `{ contains: TEXT }`. A body that is no JSON never fits.
    #[serde(default)]
    json: BTreeMap<Pointer, Match>,
    /// An element of an XML body such as `Fault`, by its name without prefix; or such names and what their texts are.
    #[serde(default)]
    xml: Option<Elements>,
    /// A text that stands somewhere in the body, or several of which one does.
    #[serde(default)]
    text: Option<Texts>,
    /// What it means. `duplicate`: the system has it already, so it counts as delivered; `login_again`: the session has
    /// ended; `hold`: nothing is sent until somebody mends it.
    then: Then,
    /// Why, in a sentence that is shown with the attempt.
    #[serde(default)]
    because: Option<String>,
    /// Where the JSON body tells the seconds to wait, such as `/retry_after`; for `then: try_again`.
    #[serde(default)]
    pause: Option<Pointer>,
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Then {
    Delivered,
    Duplicate,
    TryAgain,
    LoginAgain,
    Hold,
    Dead,
}

/// A place in JSON, as RFC 6901 writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline)]
struct Pointer(String);

impl TryFrom<String> for Pointer {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.is_empty() || text.starts_with('/') {
            true => Ok(Self(text)),
            false => Err(format!(
                "`{text}` is no place in JSON: expected such as /error/code"
            )),
        }
    }
}

/// One status or several.
#[derive(Debug, Clone)]
struct OneOrMore(Vec<Statuses>);

/// One text or several.
#[derive(Debug, Clone)]
struct Texts(Vec<String>);

impl TryFrom<Written> for Rule {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        let says_nothing = written.status.is_none()
            && written.header.is_empty()
            && written.json.is_empty()
            && written.xml.is_none()
            && written.text.is_none();
        if says_nothing {
            return Err(
                "a rule that says nothing of the answer: expected `status`, `header`, `json`, `xml` or `text`"
                    .to_owned(),
            );
        }
        if written.pause.is_some() && written.then != Then::TryAgain {
            return Err("`pause` is for `then: try_again`".to_owned());
        }
        Ok(Self {
            then: written.then,
            because: written.because.clone(),
            written,
        })
    }
}

impl Rule {
    pub(super) fn reads_body(&self) -> bool {
        let written = &self.written;
        !written.json.is_empty()
            || written.xml.is_some()
            || written.text.is_some()
            || written.pause.is_some()
    }

    pub(super) fn fits(&self, answer: &Answer) -> bool {
        self.head_fits(answer) && self.body_fits(answer)
    }

    /// Whether it might fit the whole of an answer that broke off.
    pub(super) fn might_fit(&self, answer: &Answer) -> bool {
        let written = &self.written;
        let looks = !written.json.is_empty() || written.xml.is_some() || written.text.is_some();
        looks && self.head_fits(answer)
    }

    fn head_fits(&self, answer: &Answer) -> bool {
        let Written { status, header, .. } = &self.written;
        status.as_ref().is_none_or(|statuses| {
            let mut statuses = statuses.0.iter();
            statuses.any(|statuses| statuses.hold(answer.status.as_u16()))
        }) && header.iter().all(|(name, wanted)| {
            wanted.fits(answer.header(name).map(serde_json::Value::from).as_ref())
        })
    }

    fn body_fits(&self, answer: &Answer) -> bool {
        let Written {
            json, xml, text, ..
        } = &self.written;
        (json.is_empty()
            || answer.json().is_some_and(|document| {
                let mut places = json.iter();
                places.all(|(place, wanted)| wanted.fits(document.pointer(&place.0)))
            }))
            && xml.as_ref().is_none_or(|wanted| wanted.fit(answer.xml()))
            && text.as_ref().is_none_or(|texts| {
                let body = answer.text();
                texts.0.iter().any(|text| body.contains(text.as_str()))
            })
    }

    /// How long the body asks to wait.
    pub(super) fn pause(&self, answer: &Answer) -> Option<Duration> {
        let place = self.written.pause.as_ref()?;
        let value = answer.json()?.pointer(&place.0)?;
        let seconds = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
        let pause = Duration::try_from_secs_f64(seconds.min(PAUSE_MAX.as_secs_f64())).ok()?;
        Some(pause).filter(|pause| !pause.is_zero())
    }
}

mod one_or_more {
    //! A value alone, or a list of them.

    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use serde::de::value::SeqAccessDeserializer;
    use serde::{Deserialize, Deserializer, de};

    use super::{OneOrMore, Statuses, Texts};

    impl<'de> Deserialize<'de> for OneOrMore {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> de::Visitor<'de> for Visitor {
                type Value = OneOrMore;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("a status such as 409, 2xx or 200-204, or a list of them")
                }
                fn visit_u64<E: de::Error>(self, code: u64) -> Result<OneOrMore, E> {
                    Statuses::deserialize(de::value::U64Deserializer::new(code))
                        .map(|one| OneOrMore(vec![one]))
                }
                fn visit_i64<E: de::Error>(self, code: i64) -> Result<OneOrMore, E> {
                    Statuses::deserialize(de::value::I64Deserializer::new(code))
                        .map(|one| OneOrMore(vec![one]))
                }
                fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMore, E> {
                    Statuses::deserialize(de::value::StrDeserializer::new(text))
                        .map(|one| OneOrMore(vec![one]))
                }
                fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<OneOrMore, A::Error> {
                    Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMore)
                }
            }
            deserializer.deserialize_any(Visitor)
        }
    }

    impl<'de> Deserialize<'de> for Texts {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> de::Visitor<'de> for Visitor {
                type Value = Texts;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("a text, or a list of texts")
                }
                fn visit_str<E: de::Error>(self, text: &str) -> Result<Texts, E> {
                    Ok(Texts(vec![text.to_owned()]))
                }
                fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Texts, A::Error> {
                    Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Texts)
                }
            }
            deserializer.deserialize_any(Visitor)
        }
    }

    impl JsonSchema for OneOrMore {
        fn schema_name() -> Cow<'static, str> {
            "StatusOrList".into()
        }
        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let one = generator.subschema_for::<Statuses>();
            json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
        }
    }

    impl JsonSchema for Texts {
        fn schema_name() -> Cow<'static, str> {
            "TextOrList".into()
        }
        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" } }
            ] })
        }
    }
}
