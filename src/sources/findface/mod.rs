//! FindFace: the webhooks of NtechLab's Lite, Multi and Security.
//!
//! After NtechLab's page on the webhooks of FindFace Lite 1.6 and the API description of FindFace Multi 2, both read on
//! 2026-11-21, and bodies that Multi and Security have posted. The body that Lite posts is published nowhere but in the
//! product itself, so it is read with the names of all three, and everything stays in `raw`.
//!
//! A body is a list of events, or one event, either of them perhaps wrapped. Pictures come as addresses only. What an
//! event says is read in [`subject`]; credentials of cameras that Security tells along are masked in [`masked`].

mod masked;
mod matched;
mod subject;

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::body::{self, Body};
use super::json::Json;
use super::lenient::{first_of, number, text};
use super::{DecodeSettings, Source, Undecodable};
use crate::event::{Event, Kind, Original, Raw, Told, Zone};
use crate::name::Name;

pub(super) struct FindFace;

/// Events of one request; a server's `batch_size` is far below.
const BATCH_MAX: usize = 1_000;
/// Wrappings within wrappings.
const WRAPPINGS_MAX: usize = 3;
/// What Multi calls its webhooks. Security says `events`, which is no sign of anything.
const WEBHOOK_TYPES: [&str; 7] = [
    "face_events",
    "body_events",
    "car_events",
    "human_episodes",
    "car_episodes",
    "counters",
    "areas",
];

impl Source for FindFace {
    fn kind(&self) -> &'static str {
        "findface"
    }

    fn recognises(&self, request: &Original) -> bool {
        let Ok(Body::Json(text)) = Body::read(request) else {
            return false;
        };
        let first = elements(&text).ok().and_then(|all| all.into_iter().next());
        first.is_some_and(|element| Signs::of(&element).is_some_and(|signs| signs.are_findface()))
    }

    fn decode(
        &self,
        source: &Name,
        settings: &DecodeSettings,
        request: &Arc<Original>,
    ) -> Result<Vec<Event>, Undecodable> {
        let Body::Json(text) = Body::read(request)? else {
            return Err(Undecodable::because(
                "the body is no JSON, as FindFace's webhooks are",
            ));
        };
        let elements = elements(&text)?;
        let one = |element: Bytes| {
            let json: Json = body::parse(&element)?;
            if !json.is_map() {
                let reason = "the JSON holds something else than objects, which events are";
                return Err(Undecodable::because(reason));
            }
            let mut event = Event::new(source.clone(), self.kind(), Kind::Other, request.clone());
            event.raw = masked::raw(&json).unwrap_or_else(|| Raw::from_text(element.clone()));
            take_camera(&mut event, &json);
            take_time(&mut event, settings, &json);
            event.vendor_id = text_of(&json, &["id", "event_id", "uuid"]);
            subject::take(&mut event, &json);
            Ok(event)
        };
        elements.into_iter().map(one).collect()
    }
}

/// The fields that tell whose an element is, and where events may be wrapped.
#[derive(Deserialize)]
struct Signs<'a> {
    #[serde(borrow)]
    bs_type: Option<&'a RawValue>,
    #[serde(borrow)]
    webhook_type: Option<&'a RawValue>,
    #[serde(borrow)]
    frame_coords_left: Option<&'a RawValue>,
    #[serde(borrow)]
    fullframe: Option<&'a RawValue>,
    #[serde(borrow)]
    thumbnail: Option<&'a RawValue>,
    #[serde(borrow)]
    created_date: Option<&'a RawValue>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    events: Option<&'a RawValue>,
    #[serde(borrow)]
    results: Option<&'a RawValue>,
}

impl<'a> Signs<'a> {
    fn of(element: &'a [u8]) -> Option<Self> {
        // Serde would read a list as a struct, too.
        let signs = element.starts_with(b"{").then_some(element)?;
        serde_json::from_slice(signs).ok()
    }

    fn are_findface(&self) -> bool {
        let word = |field: Option<&RawValue>, words: &[&str]| {
            let word = field.and_then(|value| value.get().strip_prefix('"')?.strip_suffix('"'));
            word.is_some_and(|word| words.contains(&word))
        };
        word(self.bs_type, &["overall", "realtime"])
            || word(self.webhook_type, &WEBHOOK_TYPES)
            || (word(self.webhook_type, &["events"]) && self.created_date.is_some())
            || self.frame_coords_left.is_some()
            || (self.fullframe.is_some() && self.thumbnail.is_some())
    }

    /// What it wraps, unless it is an event itself.
    fn wrapped(&self) -> Option<&'a RawValue> {
        if self.are_findface() || self.created_date.is_some() {
            return None;
        }
        [self.event, self.data, self.events, self.results]
            .into_iter()
            .flatten()
            .find(|value| value.get().starts_with(['{', '[']))
    }
}

/// Each event's JSON text, a slice of the body.
fn elements(text: &Bytes) -> Result<Vec<Bytes>, Undecodable> {
    let mut text = text.clone();
    for _ in 0..=WRAPPINGS_MAX {
        if text.starts_with(b"[") {
            let items: Vec<&RawValue> = body::parse(&text)?;
            if items.len() > BATCH_MAX {
                let reason = format!("the JSON holds more than {BATCH_MAX} events");
                return Err(Undecodable::because(reason));
            }
            let slice = |item: &&RawValue| text.slice_ref(item.get().as_bytes());
            return Ok(items.iter().map(slice).collect());
        }
        let signs: Signs = body::parse(&text)?;
        match signs.wrapped() {
            Some(inner) => text = text.slice_ref(inner.get().as_bytes()),
            None => break,
        }
    }
    Ok(vec![text])
}

/// The first of these fields that tells something.
fn text_of(json: &Json, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| text(&json[*name]))
}

/// A camera is its id, or an object.
fn take_camera(event: &mut Event, json: &Json) {
    let told = first_of(&[&json["camera"], &json["camera_id"]]);
    let camera = &mut event.camera;
    if told.is_map() {
        camera.id = text_of(told, &["id", "camera_id"]);
        camera.name = text_of(told, &["name", "title"]);
        camera.latitude = degrees(&told["latitude"], 90.0);
        camera.longitude = degrees(&told["longitude"], 180.0);
    } else {
        camera.id = text(told);
    }
    if camera.name.is_none() {
        camera.name = text(&json["camera_name"]);
    }
}

fn degrees(value: &Json, most: f64) -> Option<f64> {
    number(value).filter(|degrees| degrees.abs() <= most)
}

fn take_time(event: &mut Event, settings: &DecodeSettings, json: &Json) {
    let names = ["created_date", "created_at", "timestamp", "event_date"];
    let told = names
        .iter()
        .find_map(|name| Some((*name, text(&json[*name])?)));
    let Some((name, word)) = told else {
        let note = "no time was told: the moment of arrival stands in for it";
        return event.repaired.push(note.to_owned());
    };
    match Told::read(&word, &settings.zone()) {
        None => event.repaired.push(format!("`{name}` is no time")),
        Some(told) => {
            if told.zone == Zone::OffsetWithoutPlus {
                let note = format!("the offset of `{name}` had lost its plus sign");
                event.repaired.push(note);
            }
            event.occurred_at = told.moment;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &str) -> Arc<Original> {
        Arc::new(Original {
            body: Bytes::copy_from_slice(body.as_bytes()),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            ..Original::default()
        })
    }

    fn decoded(body: &str) -> Result<Vec<Event>, Undecodable> {
        let name = Name::new("ff").unwrap();
        FindFace.decode(&name, &DecodeSettings::default(), &request(body))
    }

    #[test]
    fn is_told_from_other_vendors_json_by_its_own_words() {
        for body in [
            r#"[{"bs_type": "overall"}]"#,
            r#"{"bs_type": "realtime", "id": 1}"#,
            r#"{"events": [{"webhook_type": "car_events"}]}"#,
            r#"{"data": {"frame_coords_left": 1}}"#,
            r#"{"event": {"fullframe": "http://a/b", "thumbnail": "http://a/c"}}"#,
            r#"[{"webhook_type": "events", "created_date": "2025-01-01T00:00:00Z"}]"#,
        ] {
            assert!(FindFace.recognises(&request(body)), "{body}");
        }
        for body in [
            "[]",
            "{}",
            "[1]",
            "[[{\"bs_type\": \"overall\"}]]",
            r#"{"bs_type": "other"}"#,
            r#"{"webhook_type": "events"}"#,
            r#"{"webhook_type": 7, "fullframe": "x"}"#,
            r#"{"hook": {}, "data": {"results": []}}"#,
            r#"{"bs_type": "overall""#,
            "",
        ] {
            assert!(!FindFace.recognises(&request(body)), "{body}");
        }
    }

    #[test]
    fn an_empty_list_is_a_valid_nothing() {
        assert!(decoded("[]").unwrap().is_empty());
        assert!(decoded(r#"{"events": []}"#).unwrap().is_empty());
        for wrong in ["[1]", "[[]]", "[null]", "no"] {
            assert!(decoded(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn more_events_than_any_batch_are_refused() {
        let many = |count| format!("[{}]", vec!["{}"; count].join(","));
        assert_eq!(decoded(&many(BATCH_MAX)).unwrap().len(), BATCH_MAX);
        assert!(decoded(&many(BATCH_MAX + 1)).is_err());
    }

    #[test]
    fn an_id_beyond_what_a_float_holds_keeps_every_digit() {
        for id in ["4600000000000000123", "\"4600000000000000123\""] {
            let events = decoded(&format!(
                r#"[{{"id": {id}, "camera": {{"id": {id}}}, "matched": true, "matched_card": {id}, "object_type": "face"}}]"#
            ))
            .unwrap();
            let json = events[0].to_json();
            for place in ["/vendor_id", "/camera/id", "/faces/0/person/id"] {
                assert_eq!(
                    json.pointer(place).unwrap(),
                    "4600000000000000123",
                    "{place}"
                );
            }
        }
    }

    #[test]
    fn a_camera_credentials_are_shown_nowhere() {
        let body = r#"{"bs_type": "overall", "camera": {"id": 3, "name": "Gate", "url":
            "rtsp://admin:hunter22@10.0.0.9:554/live?user=a&password=hunter23", "password": "hunter24"},
            "thumbnail": "https://ff.example/a.jpg?x=1"}"#;
        let events = decoded(body).unwrap();
        let shown = events[0].to_json();
        assert!(!shown.to_string().contains("hunter"), "{shown}");
        assert_eq!(shown["raw"]["camera"]["url"], "rtsp://***@10.0.0.9:554/***");
        assert_eq!(shown["raw"]["camera"]["name"], "Gate");
        assert_eq!(shown["raw"]["thumbnail"], "https://ff.example/a.jpg?x=1");
        // The sender's own bytes are kept as they came.
        assert_eq!(events[0].original.body, body.as_bytes());
    }
}
