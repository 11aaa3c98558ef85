//! Questions as they come over HTTP: query parameters read into the store's queries, every unknown one refused.
//!
//! What reads a parameter also names it, says what it is for and what may stand in it, so that the document and the
//! refusals know what is read.

use std::collections::BTreeMap;
use std::str::FromStr;

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Refusal, overview};
use crate::event::{DeliveryId, EventId, Kind};
use crate::fate::Fate;
use crate::store::{CameraQuery, Cursor, DeliveryQuery, EventQuery, PageQuery, Wanted};

/// How many rows one answer holds at most.
const PAGE_MAX: usize = 1_000;
const PAGE: usize = 50;

/// What is asked of a list.
pub(super) trait Question: Sized {
    /// Takes each parameter, whether it is there or not.
    ///
    /// # Errors
    /// When one cannot be read.
    fn read(parameters: &mut Parameters) -> Result<Self, Refusal>;
}

/// What stands in a parameter.
pub(super) trait Word: Sized {
    /// An empty one is none.
    const MAY_BE_EMPTY: bool = false;

    /// # Errors
    /// With what was expected.
    fn read(text: &str) -> Result<Self, String>;

    fn schema() -> Value;
}

/// A parameter that is known.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    /// For the document; a sentence.
    pub(super) what: &'static str,
    pub(super) schema: fn() -> Value,
}

/// The parameters of a query string; each is taken once, and what is left at the end is a mistake.
pub(super) struct Parameters {
    given: BTreeMap<String, String>,
    twice: Option<String>,
    known: Vec<Parameter>,
}

impl Parameters {
    /// As programs ask.
    pub(super) fn of(query: Option<&str>) -> Self {
        let (mut given, mut twice) = (BTreeMap::new(), None);
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let name = name.into_owned();
            if given.insert(name.clone(), value.into_owned()).is_some() {
                twice = Some(name);
            }
        }
        Self {
            given,
            twice,
            known: Vec::new(),
        }
    }

    /// As forms of pages ask: a field that was left empty is none.
    pub(super) fn of_form(query: Option<&str>) -> Self {
        let mut parameters = Self::of(query);
        parameters.given.retain(|_, value| !value.is_empty());
        parameters
    }

    /// What may be asked.
    pub(super) fn known<Q: Question>() -> Vec<Parameter> {
        let mut none = Self::of(None);
        // Nothing was given that could be wrong, and all of it is taken.
        let _ = Q::read(&mut none);
        none.known
    }

    /// # Errors
    /// When a parameter cannot be read, stands there twice, or is not known.
    pub(super) fn read<Q: Question>(mut self) -> Result<Q, Refusal> {
        let question = Q::read(&mut self)?;
        if let Some(name) = self.given.keys().next() {
            let known: Vec<&str> = self.known.iter().map(|known| known.name).collect();
            let known = match known.is_empty() {
                true => "there are none here".to_owned(),
                false => format!("known are {}", known.join(", ")),
            };
            return Err(Refusal::bad(format!("unknown parameter `{name}`: {known}")));
        }
        match self.twice {
            Some(name) => Err(Refusal::bad(format!("`{name}` stands there twice"))),
            None => Ok(question),
        }
    }

    /// # Errors
    /// When it cannot be read.
    pub(super) fn take<T: Word>(
        &mut self,
        name: &'static str,
        what: &'static str,
    ) -> Result<Option<T>, Refusal> {
        let schema = T::schema;
        self.known.push(Parameter { name, what, schema });
        let given = self.given.remove(name);
        let Some(text) = given.filter(|text| !(T::MAY_BE_EMPTY && text.is_empty())) else {
            return Ok(None);
        };
        let read = T::read(&text).map(Some);
        read.map_err(|expected| Refusal::bad(format!("`{name}={text}`: expected {expected}")))
    }

    pub(super) fn limit(&mut self) -> Result<usize, Refusal> {
        let what = "How many rows at most; 0 and everything above 1000 mean 1000.";
        Ok(match self.take("limit", what)? {
            None => PAGE,
            Some(Count(0)) => PAGE_MAX,
            Some(Count(limit)) => PAGE_MAX.min(limit),
        })
    }
}

impl Question for () {
    fn read(_: &mut Parameters) -> Result<Self, Refusal> {
        Ok(())
    }
}

impl Question for EventQuery {
    fn read(parameters: &mut Parameters) -> Result<Self, Refusal> {
        Ok(Self {
            source: parameters.take("source", "Received by this source.")?,
            camera: parameters.take("camera", "Of the camera with this id.")?,
            plate: parameters.take(
                "plate",
                "With this plate; `*` stands for any letters, `?` for one: `AB1*`, `*123`, `A?1*`.",
            )?,
            kind: parameters.take("kind", "Of this kind.")?,
            since: parameters.take("since", "Received at this moment or later.")?,
            until: parameters.take("until", "Received before this moment.")?,
            fate: parameters.take("fate", "Having a delivery of which this became.")?,
            target: parameters.take("target", "Having a delivery to this target.")?,
            route: parameters.take("route", "Having a delivery by this route.")?,
            before: parameters.take(
                "before",
                "Older than the event with this id, or behind what the `Link` told.",
            )?,
            after: parameters.take(
                "after",
                "Newer than the event with this id, those that came next after it.",
            )?,
            limit: parameters.limit()?,
        })
    }
}

impl Question for CameraQuery {
    fn read(parameters: &mut Parameters) -> Result<Self, Refusal> {
        let behind: Option<Place> = parameters.take("before", "Behind what the `Link` told.")?;
        Ok(Self {
            source: parameters.take("source", "Of this source.")?,
            after: behind.map(|Place(place)| place),
            limit: parameters.limit()?,
        })
    }
}

/// A camera's place among all.
struct Place((String, String));

impl Word for Place {
    fn read(text: &str) -> Result<Self, String> {
        let place = overview::place(text).map(Self);
        place.ok_or_else(|| "what the answer before this one told".to_owned())
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^([0-9a-f]{2})*$" })
    }
}

impl Question for DeliveryQuery {
    fn read(parameters: &mut Parameters) -> Result<Self, Refusal> {
        Ok(Self {
            event: parameters.take("event", "Of the event with this id.")?,
            target: parameters.take("target", "To this target.")?,
            fate: parameters.take("fate", "What became of it.")?,
            before: parameters.take("before", "Older than the delivery with this id.")?,
            limit: parameters.limit()?,
        })
    }
}

/// What a stream is to tell, and after which place.
pub(super) struct FeedQuery {
    pub(super) wanted: Wanted,
    pub(super) after: Option<String>,
}

impl Question for FeedQuery {
    fn read(parameters: &mut Parameters) -> Result<Self, Refusal> {
        let wanted = Wanted {
            source: parameters.take("source", "Of events that this source received.")?,
            camera: parameters.take("camera", "Of events of the camera with this id.")?,
            plate: parameters.take(
                "plate",
                "Of events with this plate; `AB1*`: all that begin so.",
            )?,
            kind: parameters.take("kind", "Of events of this kind.")?,
            target: parameters.take("target", "Only deliveries to this target.")?,
            fate: parameters.take("fate", "Only deliveries of which this became.")?,
        };
        let what = "After the message with this id; the header `Last-Event-ID` says the same.";
        let after = parameters.take("after", what)?;
        Ok(Self { wanted, after })
    }
}

impl Question for PageQuery {
    fn read(parameters: &mut Parameters) -> Result<Self, Refusal> {
        Ok(Self {
            before: parameters.take("before", "Older than the one with this id.")?,
            limit: parameters.limit()?,
        })
    }
}

/// A plate to look up.
pub(super) struct OfPlate(pub(super) Option<String>);

impl Question for OfPlate {
    fn read(parameters: &mut Parameters) -> Result<Self, Refusal> {
        let what = "Tell also whether this plate is in it, and its rows.";
        parameters.take("plate", what).map(Self)
    }
}

/// A whole number; more digits than fit are the largest one.
struct Count(usize);

impl Word for Count {
    fn read(text: &str) -> Result<Self, String> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match is_number {
            true => Ok(Self(text.parse().unwrap_or(usize::MAX))),
            false => Err("a whole number".to_owned()),
        }
    }

    fn schema() -> Value {
        json!({ "type": "integer", "minimum": 0, "default": PAGE })
    }
}

impl Word for String {
    const MAY_BE_EMPTY: bool = true;

    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn schema() -> Value {
        json!({ "type": "string" })
    }
}

impl Word for Timestamp {
    fn read(text: &str) -> Result<Self, String> {
        parsed(text, "a time such as 2026-01-31T12:00:00Z")
    }

    fn schema() -> Value {
        json!({ "type": "string", "format": "date-time", "examples": ["2026-01-31T12:00:00Z"] })
    }
}

impl Word for EventId {
    fn read(text: &str) -> Result<Self, String> {
        parsed(text, "an event's id")
    }

    fn schema() -> Value {
        json!({ "type": "string", "format": "uuid" })
    }
}

impl Word for Cursor {
    fn read(text: &str) -> Result<Self, String> {
        parsed(text, "an event's id")
    }

    fn schema() -> Value {
        let id = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
        json!({ "type": "string", "pattern": format!(r"^{id}(\.[0-9]{{1,18}})?$") })
    }
}

impl Word for DeliveryId {
    fn read(text: &str) -> Result<Self, String> {
        parsed(text, "a delivery's id")
    }

    fn schema() -> Value {
        json!({ "type": "string", "format": "uuid" })
    }
}

impl Word for Kind {
    fn read(text: &str) -> Result<Self, String> {
        one_of(Self::ALL, Self::as_str, text)
    }

    fn schema() -> Value {
        json!({ "type": "string", "enum": Self::ALL.map(Self::as_str) })
    }
}

impl Word for Fate {
    fn read(text: &str) -> Result<Self, String> {
        one_of(Self::ALL, Self::as_str, text)
    }

    fn schema() -> Value {
        json!({ "type": "string", "enum": Self::ALL.map(Self::as_str) })
    }
}

pub(super) fn parsed<T: FromStr>(text: &str, expected: &str) -> Result<T, String> {
    text.parse().map_err(|_| expected.to_owned())
}

pub(super) fn one_of<T: Copy, const N: usize>(
    all: [T; N],
    word: fn(T) -> &'static str,
    text: &str,
) -> Result<T, String> {
    let found = all.into_iter().find(|one| word(*one) == text);
    found.ok_or_else(|| format!("one of {}", all.map(word).join(", ")))
}

/// What was sent as JSON.
///
/// # Errors
/// When it is something else.
pub(super) fn sent<T: DeserializeOwned>(request: &Request<Bytes>) -> Result<T, Refusal> {
    let kind = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Err(Refusal::bad(
            "send a JSON body with `Content-Type: application/json`",
        ));
    }
    // A list would be taken for the fields in their order.
    if !request.body().trim_ascii_start().starts_with(b"{") {
        return Err(Refusal::bad("the body is no JSON object"));
    }
    serde_json::from_slice(request.body()).map_err(|error| Refusal::bad(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(query: &str) -> Result<EventQuery, Refusal> {
        Parameters::of(Some(query)).read()
    }

    #[test]
    fn reads_known_parameters_and_refuses_the_rest() {
        let query = events("camera=gate%201&kind=plate&limit=0&plate=").unwrap();
        assert_eq!(query.camera.as_deref(), Some("gate 1"));
        assert_eq!(
            (query.kind, query.limit, query.plate),
            (Some(Kind::Plate), PAGE_MAX, None)
        );

        for wrong in [
            "camra=1",
            "kind=plates",
            "since=yesterday",
            "limit=-1",
            "before=7",
            "kind=plate&kind=face",
            "kind=",
        ] {
            assert!(events(wrong).is_err(), "{wrong}");
        }
        let asked: FeedQuery = Parameters::of(Some("fate=dead&after=3.1")).read().unwrap();
        assert_eq!(
            (asked.wanted.fate, asked.after.as_deref()),
            (Some(Fate::Dead), Some("3.1"))
        );
        assert!(Parameters::of(Some("limit=3")).read::<FeedQuery>().is_err());
        let none: DeliveryQuery = Parameters::of(None).read().unwrap();
        assert_eq!(none.limit, PAGE);
        let lost = Parameters::of(Some("fate=lost")).read::<DeliveryQuery>();
        assert!(lost.is_err());
    }

    #[test]
    fn a_refusal_tells_what_is_known() {
        let refusal = events("camra=1").err().unwrap();
        assert_eq!(
            refusal.reason,
            "unknown parameter `camra`: known are source, camera, plate, kind, since, until, fate, target, route, before, after, limit"
        );
        let refusal = events("kind=plates").err().unwrap();
        assert!(
            refusal
                .reason
                .starts_with("`kind=plates`: expected one of plate, face,")
        );
    }
}
