//! How an event looks from a template: the same as its JSON, but a field is converted only when it is read.

use std::sync::{Arc, OnceLock};

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};

use super::output::from_json;
use crate::event::{
    Camera, Event, Face, Item, Moment, Object as Thing, Picture, Plate, Score, Vehicle,
};

/// An event and what has been converted of it already. The vendor's document is the costly part.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) event: Arc<Event>,
    raw: OnceLock<Value>,
}

/// A part of an event.
#[derive(Debug)]
pub(super) struct View {
    seen: Arc<Seen>,
    part: Part,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Event,
    Camera,
    Plates,
    Plate(usize),
    Vehicle(usize),
    Faces,
    Face(usize),
    Objects,
    Object(usize),
}

pub(super) const EVENT: &[&str] = &[
    "id",
    "source",
    "vendor",
    "kind",
    "vendor_kind",
    "vendor_id",
    "occurred_at",
    "ended_at",
    "received_at",
    "camera",
    "plates",
    "faces",
    "objects",
    "images",
    "video",
    "dwell",
    "status",
    "repaired",
    "path",
    "headers",
    "raw",
    "attributes",
];
pub(super) const CAMERA: &[&str] = &[
    "id",
    "name",
    "channel",
    "mac",
    "serial",
    "ip",
    "latitude",
    "longitude",
    "address",
    "tags",
];
pub(super) const PLATE: &[&str] = &[
    "text",
    "score",
    "detection_score",
    "region",
    "region_score",
    "country",
    "box",
    "candidates",
    "direction",
    "heading",
    "orientation",
    "speed",
    "vehicle",
    "list",
    "owner",
    "user_data",
    "attributes",
    "attribute_scores",
];
pub(super) const VEHICLE: &[&str] = &[
    "type", "score", "box", "make", "model", "year", "color", "colors",
];
pub(super) const FACE: &[&str] = &[
    "person",
    "similarity",
    "attributes",
    "list",
    "box",
    "attribute_scores",
];
pub(super) const OBJECT: &[&str] = &["class", "score", "box", "track_id", "velocity", "direction"];

impl Seen {
    pub(super) fn new(event: &Arc<Event>) -> Arc<Self> {
        Arc::new(Self {
            event: event.clone(),
            raw: OnceLock::new(),
        })
    }

    pub(super) fn root(self: &Arc<Self>) -> Value {
        View::value(self, Part::Event)
    }

    /// Null when the event has no such item.
    pub(super) fn item(self: &Arc<Self>, item: Item) -> Value {
        let (part, known) = match item {
            Item::Plate(n) => (Part::Plate(n), n < self.event.plates.len()),
            Item::Face(n) => (Part::Face(n), n < self.event.faces.len()),
            Item::Object(n) => (Part::Object(n), n < self.event.objects.len()),
        };
        if known {
            View::value(self, part)
        } else {
            Value::from(())
        }
    }
}

impl View {
    fn value(seen: &Arc<Seen>, part: Part) -> Value {
        Value::from_object(Self {
            seen: seen.clone(),
            part,
        })
    }

    /// The event, if this is the whole of it.
    pub(super) fn whole(&self) -> Option<&Event> {
        matches!(self.part, Part::Event).then_some(&*self.seen.event)
    }

    /// As in its JSON: the last ones are told only where there is something to tell.
    fn names(&self) -> &'static [&'static str] {
        let event = &self.seen.event;
        let without_last = |names: &'static [&'static str], empty: &[bool]| {
            let left_out = empty.iter().filter(|empty| **empty).count();
            &names[..names.len() - left_out]
        };
        match self.part {
            Part::Event => without_last(EVENT, &[event.attributes.is_empty()]),
            Part::Camera => CAMERA,
            Part::Plate(n) => event.plates.get(n).map_or(PLATE, |plate| {
                let scores = plate.attribute_scores.is_empty();
                without_last(PLATE, &[plate.attributes.is_empty() && scores, scores])
            }),
            Part::Vehicle(_) => VEHICLE,
            Part::Face(n) => event.faces.get(n).map_or(FACE, |face| {
                without_last(FACE, &[face.attribute_scores.is_empty()])
            }),
            Part::Object(_) => OBJECT,
            Part::Plates | Part::Faces | Part::Objects => &[],
        }
    }

    /// How many items a list has; `None` for what is no list.
    fn len(&self) -> Option<usize> {
        match self.part {
            Part::Plates => Some(self.seen.event.plates.len()),
            Part::Faces => Some(self.seen.event.faces.len()),
            Part::Objects => Some(self.seen.event.objects.len()),
            _ => None,
        }
    }

    fn element(&self, n: usize) -> Option<Value> {
        let item = match self.part {
            Part::Plates => Item::Plate(n),
            Part::Faces => Item::Face(n),
            Part::Objects => Item::Object(n),
            _ => return None,
        };
        (n < self.len()?).then(|| self.seen.item(item))
    }

    fn field(&self, name: &str) -> Option<Value> {
        let event = &self.seen.event;
        match self.part {
            Part::Event => self.event_field(name),
            Part::Camera => camera(&event.camera, name),
            Part::Plate(n) => match name {
                "vehicle" => Some(match event.plates.get(n)?.vehicle {
                    Some(_) => Self::value(&self.seen, Part::Vehicle(n)),
                    None => Value::from(()),
                }),
                _ => plate(event.plates.get(n)?, name),
            },
            Part::Vehicle(n) => vehicle(event.plates.get(n)?.vehicle.as_ref()?, name),
            Part::Face(n) => face(event.faces.get(n)?, name),
            Part::Object(n) => thing(event.objects.get(n)?, name),
            Part::Plates | Part::Faces | Part::Objects => None,
        }
    }

    fn event_field(&self, name: &str) -> Option<Value> {
        let event = &self.seen.event;
        Some(match name {
            "id" => Value::from(event.id.to_string()),
            "source" => Value::from(event.source.as_str()),
            "vendor" => Value::from(&*event.vendor),
            "kind" => Value::from(event.kind.as_str()),
            "vendor_kind" => text(&event.vendor_kind),
            "vendor_id" => text(&event.vendor_id),
            "occurred_at" => Value::from(event.occurred_at.to_string()),
            "ended_at" => event.ended_at.map(|at: Moment| at.to_string()).into(),
            "received_at" => Value::from(event.received_at.to_string()),
            "camera" => Self::value(&self.seen, Part::Camera),
            "plates" => Self::value(&self.seen, Part::Plates),
            "faces" => Self::value(&self.seen, Part::Faces),
            "objects" => Self::value(&self.seen, Part::Objects),
            "images" => event
                .images
                .iter()
                .map(|picture: &Picture| from_json(&picture.describe()))
                .collect(),
            "video" => plain(&event.video),
            "dwell" => plain(&event.dwell),
            "status" => plain(&event.status),
            "repaired" => plain(&event.repaired),
            "path" => Value::from(&*event.original.path),
            "headers" => from_json(&event.headers()),
            "raw" => self
                .seen
                .raw
                .get_or_init(|| from_json(&event.raw.to_json()))
                .clone(),
            "attributes" => plain(&event.attributes),
            _ => return None,
        })
    }
}

impl Object for View {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        match self.len() {
            Some(_) => ObjectRepr::Seq,
            None => ObjectRepr::Map,
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match self.len() {
            Some(_) => self.element(key.as_usize()?),
            None => self.field(key.as_str()?),
        }
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.field(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.len() {
            Some(len) => Enumerator::Seq(len),
            None => Enumerator::Str(self.names()),
        }
    }
}

fn camera(camera: &Camera, name: &str) -> Option<Value> {
    Some(match name {
        "id" => text(&camera.id),
        "name" => text(&camera.name),
        "channel" => text(&camera.channel),
        "mac" => text(&camera.mac),
        "serial" => text(&camera.serial),
        "ip" => text(&camera.ip),
        "latitude" => camera.latitude.into(),
        "longitude" => camera.longitude.into(),
        "address" => text(&camera.address),
        "tags" => plain(&camera.tags),
        _ => return None,
    })
}

/// All but `vehicle`, which is a view of its own.
fn plate(plate: &Plate, name: &str) -> Option<Value> {
    Some(match name {
        "text" => text(&plate.text),
        "score" => score(plate.score),
        "detection_score" => score(plate.detection_score),
        "region" => text(&plate.region),
        "region_score" => score(plate.region_score),
        "country" => text(&plate.country),
        "box" => plain(&plate.area),
        "candidates" => plain(&plate.candidates),
        "direction" => plate.direction.into(),
        "heading" => text(&plate.heading),
        "orientation" => plain(&plate.orientation),
        "speed" => plate.speed.into(),
        "list" => plain(&plate.list),
        "owner" => text(&plate.owner),
        "user_data" => plain(&plate.user_data),
        "attributes" => plain(&plate.attributes),
        "attribute_scores" => plain(&plate.attribute_scores),
        _ => return None,
    })
}

fn vehicle(vehicle: &Vehicle, name: &str) -> Option<Value> {
    Some(match name {
        "type" => text(&vehicle.kind),
        "score" => score(vehicle.score),
        "box" => plain(&vehicle.area),
        "make" => text(&vehicle.make),
        "model" => text(&vehicle.model),
        "year" => text(&vehicle.year),
        "color" => text(&vehicle.color),
        "colors" => plain(&vehicle.colors),
        _ => return None,
    })
}

fn face(face: &Face, name: &str) -> Option<Value> {
    Some(match name {
        "person" => plain(&face.person),
        "similarity" => score(face.similarity),
        "attributes" => plain(&face.attributes),
        "list" => plain(&face.list),
        "box" => plain(&face.area),
        "attribute_scores" => plain(&face.attribute_scores),
        _ => return None,
    })
}

fn thing(object: &Thing, name: &str) -> Option<Value> {
    Some(match name {
        "class" => text(&object.class),
        "score" => score(object.score),
        "box" => plain(&object.area),
        "track_id" => text(&object.track_id),
        "velocity" => object.velocity.into(),
        "direction" => object.direction.into(),
        _ => return None,
    })
}

fn text(value: &Option<String>) -> Value {
    value.as_deref().map_or(Value::from(()), Value::from)
}

fn score(value: Option<Score>) -> Value {
    value.map(Score::fraction).into()
}

fn plain(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).map_or(Value::from(()), |json| from_json(&json))
}
