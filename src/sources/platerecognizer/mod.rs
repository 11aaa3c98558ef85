//! Plate Recognizer: the webhooks of Stream and Snapshot.
//!
//! After the vendor's pages "Webhooks and Outputs" (Stream) and "Webhooks" (Snapshot) as of late 2025, its older API
//! documentation of July 2023, and what its published readers accept. One document, `{"hook": …, "data": …}`, comes in
//! three wrappings: as the field `json` of a multipart body with pictures, as the same field of an urlencoded form when
//! no pictures are sent (Stream), or bare (Snapshot). Nothing in it is signed, and no event has an id.
//!
//! What it says of a car is read in [`results`], which picture is which in [`pictures`].

mod pictures;
mod results;

use std::sync::Arc;

use bytes::Bytes;
use jiff::tz::{Offset, TimeZone};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::body::{self, Body};
use super::bounds::ITEMS_READ;
use super::json::Json;
use super::lenient::{first_of, list, number, text};
use super::media::{clip, is_clip};
use super::multipart::Part;
use super::{DecodeSettings, Source, Undecodable};
use crate::event::{Dwell, Event, Kind, Moment, Original, Raw, Told, Video, Zone};
use crate::name::Name;

pub(super) struct PlateRecognizer;

impl Source for PlateRecognizer {
    fn kind(&self) -> &'static str {
        "platerecognizer"
    }

    fn recognises(&self, request: &Original) -> bool {
        #[derive(Deserialize)]
        struct Shape<'a> {
            #[serde(borrow)]
            hook: &'a RawValue,
            #[serde(borrow)]
            data: &'a RawValue,
        }
        let Ok(document) = Document::find(request) else {
            return false;
        };
        document.text.starts_with(b"{") // serde would read a list as a struct, too
            && serde_json::from_slice(&document.text).is_ok_and(|shape: Shape| {
                shape.hook.get().starts_with('{') && shape.data.get().starts_with('{')
            })
    }

    fn decode(
        &self,
        source: &Name,
        settings: &DecodeSettings,
        request: &Arc<Original>,
    ) -> Result<Vec<Event>, Undecodable> {
        let Document { text, parts } = Document::find(request)?;
        let json: Json = body::parse(&text)?;
        let (hook, data) = (&json["hook"], &json["data"]);
        if !hook.is_map() || !data.is_map() {
            return Err(Undecodable::because(
                "the JSON has no objects `hook` and `data` as Plate Recognizer's webhooks do",
            ));
        }
        let word = self::text(&hook["event"]);
        let says = Says::of(word.as_deref());
        let kind = match says {
            Says::Recognition | Says::Picture => Kind::Plate,
            Says::Dwell => Kind::Dwell,
            Says::Video => Kind::Video,
            Says::Other => Kind::Other,
        };
        let mut event = Event::new(source.clone(), self.kind(), kind, Arc::clone(request));
        event.vendor_kind = word;
        event.raw = Raw::from_text(text.clone());
        take_camera(&mut event, says, hook, data);
        take_time(&mut event, settings, data);
        take_plates(&mut event, says, data);
        event.images = pictures::sort_out(&parts, &mut event.plates, says == Says::Picture);
        match says {
            Says::Dwell => take_dwell(&mut event, settings, data),
            Says::Video => take_video(&mut event, hook, data, &parts),
            Says::Other if parts.iter().any(is_clip) => take_video(&mut event, hook, data, &parts),
            Says::Recognition | Says::Picture | Says::Other => {}
        }
        Ok(vec![event])
    }
}

/// What `hook.event` means; new words appear without notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    /// Stream: one vehicle, each result a plate of it.
    Recognition,
    /// Snapshot: one picture with any number of vehicles, or none.
    Picture,
    Dwell,
    Video,
    Other,
}

impl Says {
    fn of(word: Option<&str>) -> Self {
        match word {
            Some("recognition") => Self::Recognition,
            Some("image.done") => Self::Picture,
            Some("dwell_time") => Self::Dwell,
            Some("video_file") => Self::Video,
            _ => Self::Other,
        }
    }
}

/// The JSON text in its wrapping, and the parts beside it.
struct Document {
    text: Bytes,
    parts: Vec<Part>,
}

impl Document {
    fn find(request: &Original) -> Result<Self, Undecodable> {
        let missing = |form: &str| {
            Undecodable::because(format!(
                "the {form} has no field `json` as Plate Recognizer's webhooks do"
            ))
        };
        match Body::read(request)? {
            Body::Json(text) => Ok(Self {
                text,
                parts: Vec::new(),
            }),
            Body::Form(fields) => {
                let field = fields.into_iter().find(|(name, _)| name == "json");
                let (_, text) = field.ok_or_else(|| missing("form"))?;
                Ok(Self {
                    text: body::utf8(text)?,
                    parts: Vec::new(),
                })
            }
            Body::Multipart(mut parts) => {
                let at = parts
                    .iter()
                    .position(|part| part.name == "json")
                    .or_else(|| {
                        parts
                            .iter()
                            .position(|part| body::looks_like_json(&part.data))
                    })
                    .ok_or_else(|| missing("multipart body"))?;
                let text = body::utf8(parts.remove(at).data)?;
                Ok(Self { text, parts })
            }
            Body::Xml(_) | Body::Picture(..) => Err(Undecodable::because(
                "the body holds no JSON as Plate Recognizer's webhooks do",
            )),
        }
    }
}

fn take_camera(event: &mut Event, says: Says, hook: &Json, data: &Json) {
    let told = text(&data["camera_id"]);
    event.camera.id = match says {
        // Here `hook.id` is the number of the webhook, and the SDK has sent the word null.
        Says::Picture => told.filter(|id| id != "null"),
        Says::Recognition | Says::Dwell | Says::Video | Says::Other => {
            told.or_else(|| text(&hook["id"]))
        }
    };
    // The vendor's own middlewares have users configure these headers in Stream, one webhook for each camera.
    let header = |name: &str| {
        let value = event.original.header(name)?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    let (mac, name, serial) = (
        header("mac-address"),
        header("camera-name"),
        header("serial-number"),
    );
    event.camera.mac = mac;
    event.camera.name = name;
    event.camera.serial = serial;
}

/// `timestamp` is UTC by documentation and `timestamp_local` the same instant where the camera is, but in real events
/// either may carry any offset or none, and the two have been seen an hour apart. Snapshot tells the former alone, often
/// without a zone.
fn take_time(event: &mut Event, settings: &DecodeSettings, data: &Json) {
    let mut read = |name: &str, zone: &TimeZone| {
        let text = text(&data[name])?;
        let told = Told::read(&text, zone);
        match told {
            None => event.repaired.push(format!("`{name}` is no time")),
            Some(told) if told.zone == Zone::OffsetWithoutPlus => event
                .repaired
                .push(format!("the offset of `{name}` had lost its plus sign")),
            Some(_) => {}
        }
        told
    };
    let plain = read("timestamp", &TimeZone::UTC);
    let local = read("timestamp_local", &settings.zone());
    let (believed, doubted) = match (plain, local) {
        (None, None) => {
            let note = "no time was told: the moment of arrival stands in for it";
            event.repaired.push(note.to_owned());
            return;
        }
        (Some(told), None) | (None, Some(told)) => (told.moment, None),
        (Some(plain), Some(local)) if trust(local) >= trust(plain) => {
            (local.moment, Some(("timestamp", plain)))
        }
        (Some(plain), Some(local)) => (
            on_wall_clock(plain, local),
            Some(("timestamp_local", local)),
        ),
    };
    if let Some((name, other)) = doubted
        && other.zone != Zone::Assumed
        && other.moment != believed
    {
        event.repaired.push(format!(
            "`timestamp` and `timestamp_local` disagree: `{name}` was not believed"
        ));
    }
    event.occurred_at = believed;
}

/// The instant of `plain`; where that is UTC and `local` is a wall clock without a zone, how far they are apart is the
/// camera's offset, which file names and receivers want.
fn on_wall_clock(plain: Told, local: Told) -> Moment {
    let utc = plain.moment.local();
    if local.zone != Zone::Assumed || utc.offset() != Offset::UTC {
        return plain.moment;
    }
    let wall = local.moment.local().datetime();
    let apart = wall.duration_since(utc.datetime()).as_secs_f64();
    let quarters = (apart / 900.0).round(); // zones are whole quarters of an hour from UTC
    if quarters.abs() > 14.0 * 4.0 || (apart - quarters * 900.0).abs() > 1.0 {
        return plain.moment;
    }
    Offset::from_seconds(quarters as i32 * 900).map_or(plain.moment, |offset| {
        Moment::new(plain.moment.instant(), offset)
    })
}

/// Whoever writes an offset has looked where it is; `Z` is also written by habit.
fn trust(told: Told) -> u8 {
    match told.zone {
        Zone::Offset | Zone::OffsetWithoutPlus => 2,
        Zone::Utc => 1,
        Zone::Assumed => 0,
    }
}

fn take_plates(event: &mut Event, says: Says, data: &Json) {
    let told = &data["results"];
    if says == Says::Other {
        return; // what results mean in an event nobody documented is not for us to guess
    }
    if !told.is_list() && !told.is_null() {
        event.repaired.push("`results` is no list".to_owned());
    }
    let results = list(told).iter().take(ITEMS_READ);
    event.plates = results.map(results::read).collect();
}

fn take_dwell(event: &mut Event, settings: &DecodeSettings, data: &Json) {
    let told = &data["results"][0];
    let moment = |name: &str| Moment::parse_lenient(&text(&told[name])?, &settings.zone());
    let dwell = Dwell {
        seconds: number(&told["dwell_time"]),
        first_seen: moment("first_seen"),
        last_seen: moment("last_seen"),
    };
    event.ended_at = dwell.last_seen;
    event.dwell = Some(dwell);
}

fn take_video(event: &mut Event, hook: &Json, data: &Json, parts: &[Part]) {
    let part = parts
        .iter()
        .find(|part| part.name == "video" || is_clip(part))
        .filter(|part| !part.data.is_empty());
    let told = first_of(&[&data["video_filename"], &hook["video_filename"]]);
    let came = part.map_or_else(Video::default, clip);
    event.video = Some(Video {
        filename: text(told).or(came.filename),
        url: text(&data["url"]).filter(|url| url != "RESERVED"), // the vendor's placeholder
        ..came
    });
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn decode(body: &Value) -> Event {
        let request = Arc::new(Original {
            body: Bytes::from(body.to_string()),
            ..Original::default()
        });
        assert!(PlateRecognizer.recognises(&request), "{body}");
        let name = Name::new("stream").unwrap();
        let events = PlateRecognizer
            .decode(&name, &DecodeSettings::default(), &request)
            .unwrap();
        let [event] = <[Event; 1]>::try_from(events).unwrap();
        event
    }

    fn timed(times: Value) -> Event {
        decode(&json!({ "hook": { "event": "recognition" }, "data": times }))
    }

    #[test]
    fn when_both_times_agree_the_local_clock_is_kept() {
        let event = timed(json!({
            "timestamp": "2025-03-04T09:11:12.131415Z", "timestamp_local": "2025-03-04 10:11:12.131415+01:00"
        }));
        assert_eq!(
            event.occurred_at.to_string(),
            "2025-03-04T10:11:12.131415+01:00"
        );
        assert_eq!(event.repaired, Vec::<String>::new());
    }

    #[test]
    fn when_they_disagree_the_one_with_an_offset_is_believed() {
        for (times, believed, doubted) in [
            (
                json!({ "timestamp": "2025-03-04T09:11:12Z", "timestamp_local": "2025-03-04 09:11:12+0100" }),
                "2025-03-04T09:11:12+01:00",
                "`timestamp` was not",
            ),
            (
                json!({ "timestamp": "2025-03-04T09:11:12+01:00", "timestamp_local": "2025-03-04 09:11:12Z" }),
                "2025-03-04T09:11:12+01:00",
                "`timestamp_local` was not",
            ),
        ] {
            let event = timed(times);
            assert_eq!(event.occurred_at.to_string(), believed);
            assert!(event.repaired[0].contains(doubted), "{:?}", event.repaired);
        }
    }

    #[test]
    fn a_wall_clock_beside_utc_tells_the_offset() {
        for (plain, wall, expected) in [
            (
                "2025-03-04T09:11:12.5Z",
                "2025-03-04 10:11:12",
                "2025-03-04T10:11:12.5+01:00",
            ),
            (
                "2025-03-04T23:11:12Z",
                "2025-03-05 04:41:12",
                "2025-03-05T04:41:12+05:30",
            ),
            (
                "2025-03-04T02:00:00+00:00",
                "2025-03-03 21:00:00",
                "2025-03-03T21:00:00-05:00",
            ),
            (
                "2025-03-04T09:11:12Z",
                "2025-03-04 09:11:12",
                "2025-03-04T09:11:12Z",
            ),
            (
                "2025-03-04T09:11:12Z",
                "2025-03-04 10:18:12",
                "2025-03-04T09:11:12Z",
            ),
            (
                "2025-03-04T09:11:12Z",
                "9999-12-30 00:00:00",
                "2025-03-04T09:11:12Z",
            ),
            (
                "2025-03-04T09:11:12Z",
                "1970-01-01 00:00:00",
                "2025-03-04T09:11:12Z",
            ),
            (
                "2025-03-04T09:11:12+02:00",
                "2025-03-04 10:11:12",
                "2025-03-04T09:11:12+02:00",
            ),
        ] {
            let event = timed(json!({ "timestamp": plain, "timestamp_local": wall }));
            assert_eq!(event.occurred_at.to_string(), expected, "{wall}");
        }
    }

    #[test]
    fn a_time_that_is_none_is_said_so_and_the_arrival_stands_in() {
        for times in [
            json!({}),
            json!({ "timestamp": null }),
            json!({ "timestamp": "soon", "timestamp_local": "later" }),
        ] {
            let event = timed(times);
            assert_eq!(event.occurred_at.instant(), event.received_at);
            let note = event.repaired.last().unwrap();
            assert!(note.contains("moment of arrival"), "{note}");
        }
        let event =
            timed(json!({ "timestamp": "soon", "timestamp_local": "2025-03-04 09:11:12 01:00" }));
        assert_eq!(event.occurred_at.to_string(), "2025-03-04T09:11:12+01:00");
        assert_eq!(event.repaired.len(), 2);
    }

    #[test]
    fn of_times_without_a_zone_the_local_ones_follow_the_settings_and_the_plain_one_is_utc() {
        let told = "2025-03-04 09:11:12";
        for (word, times, expected) in [
            (
                "image.done",
                json!({ "timestamp": told }),
                "2025-03-04T09:11:12Z",
            ),
            (
                "recognition",
                json!({ "timestamp": told }),
                "2025-03-04T09:11:12Z",
            ),
            (
                "recognition",
                json!({ "timestamp": "2025-03-04 07:11:12", "timestamp_local": told }),
                "2025-03-04T09:11:12+02:00",
            ),
            (
                "recognition",
                json!({ "timestamp_local": told }),
                "2025-03-04T09:11:12+02:00",
            ),
        ] {
            let body = json!({ "hook": { "event": word }, "data": times });
            let request = Arc::new(Original {
                body: Bytes::from(body.to_string()),
                ..Original::default()
            });
            let settings = DecodeSettings {
                timezone: Some(TimeZone::fixed(jiff::tz::offset(2))),
                ..DecodeSettings::default()
            };
            let name = Name::new("stream").unwrap();
            let events = PlateRecognizer.decode(&name, &settings, &request).unwrap();
            assert_eq!(events[0].occurred_at.to_string(), expected, "{body}");
            assert!(events[0].repaired.is_empty(), "{:?}", events[0].repaired);
        }
    }

    #[test]
    fn what_merely_resembles_is_not_recognised() {
        for body in [
            r#"{"hook": "x", "data": {}}"#,
            r#"{"hook": {}}"#,
            r#"[{"hook": {}, "data": {}}]"#,
            "[{}, {}]",
            "{",
            "",
        ] {
            let request = Original {
                body: Bytes::from_static(body.as_bytes()),
                ..Original::default()
            };
            assert!(!PlateRecognizer.recognises(&request), "{body}");
        }
    }

    #[test]
    fn secrets_of_the_sender_stay_in_the_document() {
        let event = decode(&json!({
            "hook": { "event": "recognition", "target": "http://proxy/?token=hush" },
            "data": { "camera_id": "a", "results": [{ "plate": "x1", "source_url": "rtsp://u:hush@cam/1" }] }
        }));
        let mut json = event.to_json();
        json["raw"].take();
        assert!(!json.to_string().contains("hush"), "{json}");
    }
}
