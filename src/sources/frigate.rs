//! Frigate NVR: what it publishes over MQTT, or what somebody posts of it in the same form.
//!
//! Four documents, told apart by their shape, so that a topic prefix of the user's own does not matter: the life of a
//! tracked object (`events`) and of a review item (`reviews`), what recognition found out later
//! (`tracked_object_update`), and a bare picture (`CAMERA/OBJECT/snapshot`), which alone needs its topic. Short texts of
//! other topics, if somebody subscribes to them, are states and counts.
//!
//! A plate that Frigate knows is told twice, as text and as a name the user gave it (`sub_label`); for people the
//! sub label is the name of a recognised face. Boxes count in pixels of the stream that Frigate detects on.
//!
//! After "MQTT" and "License Plate Recognition" in Frigate's documentation (docs.frigate.video), read on 2026-11-21 as far
//! as it shows the documents; the fields of `reviews` and `tracked_object_update` were held against public receivers of
//! them, not against a running Frigate.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::body::{self, Body};
use super::bounds::ITEMS_READ;
use super::json::Json;
use super::lenient::{list, number, score, text};
use super::media::picture;
use super::{DecodeSettings, Source, Undecodable};
use crate::event::{
    Area, Dwell, Event, Face, Kind, ListEntry, Moment, Object, Original, Person, Plate, Raw, Role,
    Score, Status, Unit, Vehicle,
};
use crate::name::Name;

pub(super) struct Frigate;

/// What Frigate lets plates be read on.
const VEHICLES: [&str; 7] = [
    "car",
    "motorcycle",
    "bus",
    "truck",
    "school_bus",
    "garbage_truck",
    "license_plate",
];

/// A state is a word or a number. Bytes.
const STATE_MAX: usize = 256;

/// Which document it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Object,
    Review,
    Update,
}

impl Source for Frigate {
    fn kind(&self) -> &'static str {
        "frigate"
    }

    fn recognises(&self, request: &Original) -> bool {
        let Ok(Body::Json(text)) = Body::read(request) else {
            return false;
        };
        body::parse::<Json>(&text).is_ok_and(|document| says(&document).is_some())
    }

    fn decode(
        &self,
        source: &Name,
        _: &DecodeSettings,
        request: &Arc<Original>,
    ) -> Result<Vec<Event>, Undecodable> {
        let mut event = Event::new(source.clone(), "frigate", Kind::Other, Arc::clone(request));
        match Body::read(request) {
            Ok(Body::Json(text)) => {
                let document = body::parse::<Json>(&text)?;
                let known = says(&document);
                let known = known.ok_or_else(|| {
                    let reason = "the JSON is none that Frigate publishes: expected that of `events`, `reviews` or \
                                  `tracked_object_update`";
                    Undecodable::because(reason)
                })?;
                match known {
                    Says::Object => take_object(&mut event, &document),
                    Says::Review => take_review(&mut event, &document),
                    Says::Update => take_update(&mut event, &document),
                }
                drop(document);
                event.raw = Raw::from_text(text);
            }
            Ok(Body::Picture(bytes)) => {
                take_snapshot(&mut event);
                event.images.push(picture(bytes, None, Role::FRAME, None));
            }
            Ok(_) => {
                let reason =
                    "Frigate publishes JSON, pictures and short texts, and this is none of them";
                return Err(Undecodable::because(reason));
            }
            Err(error) => take_state(&mut event).ok_or(error)?,
        }
        Ok(vec![event])
    }

    fn topics(&self) -> &'static [&'static str] {
        &["frigate/events", "frigate/tracked_object_update"]
    }
}

fn says(document: &Json) -> Option<Says> {
    let word = text(&document["type"])?;
    let after = &document["after"];
    let has = |keys: &[&str], of: &Json| keys.iter().all(|key| text(&of[*key]).is_some());
    match word.as_str() {
        "new" | "update" | "end" if document["before"].is_map() => {
            if has(&["id", "camera", "label", "frame_time"], after) {
                Some(Says::Object)
            } else if has(&["id", "camera", "severity", "start_time"], after) {
                Some(Says::Review)
            } else {
                None
            }
        }
        "lpr" if has(&["id", "camera", "plate"], document) => Some(Says::Update),
        "face" if has(&["id", "camera", "timestamp"], document) => Some(Says::Update),
        "description" if has(&["id", "description"], document) => Some(Says::Update),
        "classification" if has(&["id", "camera", "model"], document) => Some(Says::Update),
        _ => None,
    }
}

fn take_object(event: &mut Event, document: &Json) {
    let after = &document["after"];
    event.vendor_kind = text(&document["type"]).map(|word| format!("events.{word}"));
    event.vendor_id = text(&after["id"]);
    event.camera.id = text(&after["camera"]);
    take_time(event, "frame_time", &after["frame_time"]);
    take_end(event, after);

    let label = text(&after["label"]).unwrap_or_default();
    let area = area(&after["box"]);
    let (name, sureness) = sub_label(&after["sub_label"]);
    event.kind = Kind::Object;
    event.objects.push(Object {
        class: Some(label.clone()),
        score: score(&after["score"]).or_else(|| score(&after["top_score"])),
        area: area.clone(),
        track_id: event.vendor_id.clone(),
        ..Object::default()
    });
    let part = |name: &str| {
        let parts = list(&after["current_attributes"]).iter();
        let mut named = parts.filter(|part| text(&part["label"]).as_deref() == Some(name));
        named.next().unwrap_or(&Json::Null)
    };
    if let Some(read) = text(&after["recognized_license_plate"]) {
        let told = part("license_plate");
        let alone = label == "license_plate"; // a camera for plates alone tracks the plate itself
        event.kind = Kind::Plate;
        event.plates.push(Plate {
            text: Some(read),
            score: score(&after["recognized_license_plate_score"]),
            detection_score: score(&told["score"]),
            area: self::area(&told["box"]).or_else(|| area.clone().filter(|_| alone)),
            speed: speed(after),
            vehicle: (!alone).then(|| Vehicle {
                kind: Some(label),
                score: score(&after["score"]),
                area,
                ..Vehicle::default()
            }),
            list: name.map(known_as),
            ..Plate::default()
        });
    } else if label == "person"
        && let Some(name) = name
    {
        event.kind = Kind::Face;
        event.faces.push(Face {
            person: Some(person(name)),
            similarity: sureness,
            area: self::area(&part("face")["box"]),
            ..Face::default()
        });
    } else if VEHICLES.contains(&label.as_str()) && speed(after).is_some() {
        event.objects[0].velocity = speed(after);
    }
}

fn take_review(event: &mut Event, document: &Json) {
    let after = &document["after"];
    let word = text(&document["type"]);
    event.kind = Kind::Object;
    event.vendor_kind = word.map(|word| format!("reviews.{word}"));
    event.vendor_id = text(&after["id"]);
    event.camera.id = text(&after["camera"]);
    take_time(event, "start_time", &after["start_time"]);
    take_end(event, after);
    event.status = Some(Status {
        name: text(&after["severity"]),
        active: Some(event.ended_at.is_none()),
        rule: None,
    });
    for class in list(&after["data"]["objects"]).iter().take(ITEMS_READ) {
        // Of an object with a sub label, too.
        let class = text(class).map(|class| class.trim_end_matches("-verified").to_owned());
        event.objects.push(Object {
            class,
            ..Object::default()
        });
    }
}

fn take_update(event: &mut Event, document: &Json) {
    let word = text(&document["type"]).unwrap_or_default();
    event.vendor_kind = Some(format!("tracked_object_update.{word}"));
    event.vendor_id = text(&document["id"]);
    event.camera.id = text(&document["camera"]);
    if !document["timestamp"].is_null() {
        take_time(event, "timestamp", &document["timestamp"]);
    }
    let name = text(&document["name"]);
    match word.as_str() {
        "lpr" => {
            event.kind = Kind::Plate;
            event.plates.push(Plate {
                text: text(&document["plate"]),
                score: score(&document["score"]),
                area: area(&document["plate_box"]),
                list: name.map(known_as),
                ..Plate::default()
            });
        }
        "face" => {
            event.kind = Kind::Face;
            let name = name.filter(|name| name != "unknown"); // a face of nobody it knows
            event.faces.push(Face {
                person: name.map(person),
                similarity: score(&document["score"]),
                ..Face::default()
            });
        }
        _ => {}
    }
}

/// Camera and object stand in the topic: `PREFIX/CAMERA/OBJECT/snapshot`.
fn take_snapshot(event: &mut Event) {
    event.vendor_kind = Some("snapshot".to_owned());
    event.kind = Kind::Object;
    let path = event.original.path.split('?').next().unwrap_or_default();
    let mut levels = path.trim_matches('/').rsplit('/');
    if levels.next() == Some("snapshot")
        && let (Some(class), Some(camera)) = (levels.next(), levels.next())
    {
        let (class, camera) = (class.to_owned(), camera.to_owned());
        event.camera.id = Some(camera);
        event.objects.push(Object {
            class: Some(class),
            ..Object::default()
        });
    }
}

/// `online`, `ON`, `3`: none of anything else, and over HTTP, where everything has a form, not at all.
fn take_state(event: &mut Event) -> Option<()> {
    let request = Arc::clone(&event.original);
    if request.method != "MQTT" || request.body.len() > STATE_MAX {
        return None;
    }
    let told = std::str::from_utf8(&request.body).ok()?.trim();
    let (kind, active) = match told {
        "online" | "ON" => (Kind::Status, Some(true)),
        "offline" | "OFF" => (Kind::Status, Some(false)),
        number if number.parse::<u64>().is_ok() => (Kind::Counting, None),
        _ => return None,
    };
    let mut levels = request.path.split('/').skip(1).peekable();
    let name = levels.clone().collect::<Vec<_>>().join("/");
    event.kind = kind;
    event.vendor_kind = Some(name.clone());
    event.status = Some(Status {
        name: Some(name),
        active,
        rule: None,
    });
    let first = levels.next();
    event.camera.id = first.filter(|_| levels.peek().is_some()).map(str::to_owned);
    let payload: Value = told
        .parse::<u64>()
        .map_or_else(|_| told.into(), Value::from);
    event.raw = Raw::from_value(&json!({ "payload": payload }));
    Some(())
}

fn take_time(event: &mut Event, name: &str, told: &Json) {
    match moment(told) {
        Some(moment) => event.occurred_at = moment,
        None => event.repaired.push(format!(
            "`{name}` is no time: the moment of arrival stands in for it"
        )),
    }
}

fn take_end(event: &mut Event, after: &Json) {
    let (first, last) = (moment(&after["start_time"]), moment(&after["end_time"]));
    event.ended_at = last;
    if last.is_some() {
        let seconds = number(&after["end_time"]).zip(number(&after["start_time"]));
        let seconds = seconds.map(|(end, start)| ((end - start) * 1e6).round() / 1e6);
        event.dwell = Some(Dwell {
            seconds: seconds.filter(|seconds| *seconds >= 0.0),
            first_seen: first,
            last_seen: last,
        });
    }
}

/// Seconds since 1970 with a fraction; 0 is none.
fn moment(told: &Json) -> Option<Moment> {
    let seconds = number(told).filter(|seconds| *seconds > 0.0 && *seconds < 1e11)?;
    let instant = Timestamp::from_microsecond((seconds * 1e6).round() as i64).ok()?;
    Some(Moment::utc(instant))
}

/// `[left, top, right, bottom]`.
fn area(told: &Json) -> Option<Area> {
    let [xmin, ymin, xmax, ymax] = list(told) else {
        return None;
    };
    let corner = |corner: &Json| number(corner).map(|corner| corner.round() as i32); // saturates
    let area = Area {
        xmin: corner(xmin)?,
        ymin: corner(ymin)?,
        xmax: corner(xmax)?,
        ymax: corner(ymax)?,
        unit: Unit::Pixels,
        image: Role::FRAME,
    };
    (area.xmax > area.xmin && area.ymax > area.ymin).then_some(area)
}

/// A name, or a name and how sure Frigate is of it.
fn sub_label(told: &Json) -> (Option<String>, Option<Score>) {
    match told {
        Json::List(_) => (text(&told[0]), score(&told[1])),
        told => (text(told), None),
    }
}

fn person(name: String) -> Person {
    Person {
        id: None,
        name: Some(name),
    }
}

/// A plate of the list that the user keeps in Frigate.
fn known_as(name: String) -> ListEntry {
    ListEntry {
        name: Some(name),
        ..ListEntry::default()
    }
}

/// In the unit that the user set in Frigate. Zero is where no zone measures speeds.
fn speed(after: &Json) -> Option<f64> {
    let told = ["current_estimated_speed", "average_estimated_speed"].iter();
    told.filter_map(|name| number(&after[*name]))
        .find(|speed| *speed > 0.0)
}
