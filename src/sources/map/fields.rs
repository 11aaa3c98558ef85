//! The neutral event as a map may write it: names, types and what they mean.

use serde_json::{Map, Value, json};

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    Text,
    Number,
    /// Degrees, brought to 0 up to 360.
    Angle,
    /// Degrees, from `-limit` to `limit`.
    Degrees(f64),
    Score,
    Moment,
    Flag,
    Kind,
    Unit,
    Role,
    Texts,
    /// Whatever the document holds.
    Open,
    /// A map of whatever the document holds.
    OpenMap,
    Box,
    Map(&'static [Known]),
    /// Items with these fields; an item without the one it needs says nothing.
    List(&'static [Known], Option<&'static str>),
    /// Pictures by role.
    Pictures,
}

/// One field, and what editors say of it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    about: &'static str,
    pub(super) field: Field,
}

const fn known(name: &'static str, field: Field, about: &'static str) -> Known {
    Known { name, about, field }
}

use Field::{
    Angle, Box, Degrees, Flag, Kind, List, Map as Fields, Moment, Number, Open, OpenMap, Pictures,
    Role, Score, Text, Texts, Unit,
};

pub(super) const EVENT: &[Known] = &[
    known(
        "kind",
        Kind,
        "What happened, in one word of camhook's. Default: `plate` where there is a plate, `face`, `object`; else `other`.",
    ),
    known("vendor", Text, "Who made the sender (`generic`)."),
    known("vendor_kind", Text, "The sender's own word for the kind."),
    known("vendor_id", Text, "The sender's own id of the event."),
    known(
        "occurred_at",
        Moment,
        "The moment of capture: text in most forms, or a number of seconds, milliseconds or microseconds since 1970. One \
         without a zone is in the source's `timezone`. Default: the moment of arrival.",
    ),
    known("ended_at", Moment, "When it was over."),
    known(
        "camera",
        Fields(CAMERA),
        "Which camera, and where it stands.",
    ),
    known(
        "plates",
        List(PLATE, Some("text")),
        "Plates: a list, or one template that gives a list. An entry without a text is left out.",
    ),
    known("faces", List(FACE, None), "Faces."),
    known(
        "objects",
        List(OBJECT, None),
        "Vehicles, people and things.",
    ),
    known(
        "images",
        Pictures,
        "Pictures by role (`frame`, `vehicle`, `plate`, `face`, `thumbnail`, or a name of your own): base64, a data URL, an \
         http(s) address, the name of a multipart part, or `body` where the body is the picture.",
    ),
    known("video", Fields(VIDEO), "A clip that is elsewhere."),
    known("dwell", Fields(DWELL), "How long it stayed."),
    known(
        "status",
        Fields(STATUS),
        "What a camera says of itself or of a rule.",
    ),
];

const CAMERA: &[Known] = &[
    known("id", Text, "What the sender calls the camera."),
    known("name", Text, "A name for people."),
    known("channel", Text, "Its channel at a recorder."),
    known("mac", Text, "Its hardware address."),
    known("serial", Text, "Its serial number."),
    known("ip", Text, "Its address in the network."),
    known("latitude", Degrees(90.0), "Degrees north (WGS 84)."),
    known("longitude", Degrees(180.0), "Degrees east (WGS 84)."),
    known("address", Text, "Where it stands, in words."),
    known("tags", Texts, "Words to choose by."),
];

const PLATE: &[Known] = &[
    known("text", Text, "The plate as read."),
    known(
        "score",
        Score,
        "How sure the text is, from 0 to 1; more than 1 is taken as percent.",
    ),
    known(
        "detection_score",
        Score,
        "How sure it is that there is a plate.",
    ),
    known("region", Text, "The sender's region code, such as `us-ca`."),
    known("region_score", Score, "How sure the region is."),
    known("country", Text, "ISO 3166 alpha-2, such as `IT`."),
    known("box", Box, "Where the plate is."),
    known(
        "candidates",
        List(CANDIDATE, Some("text")),
        "Other readings.",
    ),
    known(
        "direction",
        Angle,
        "Degrees from 0 to 359, counter-clockwise, 90 is up the picture.",
    ),
    known("heading", Text, "The sender's word for the direction."),
    known(
        "orientation",
        List(SCORED, Some("value")),
        "Which side is seen.",
    ),
    known("speed", Number, "As the sender tells it."),
    known("vehicle", Fields(VEHICLE), "The vehicle."),
    known(
        "list",
        Fields(LIST),
        "The sender's list that the plate is in.",
    ),
    known("owner", Text, "The vehicle's owner."),
    known(
        "user_data",
        Open,
        "Anything else that belongs to the plate.",
    ),
];

const VEHICLE: &[Known] = &[
    known("type", Text, "Such as `car` or `truck`."),
    known("score", Score, "How sure it is."),
    known("box", Box, "Where the vehicle is."),
    known("make", Text, "Who made it."),
    known("model", Text, "Its model."),
    known("year", Text, "Its year, or years."),
    known("color", Text, "Its color."),
    known(
        "colors",
        List(SCORED, Some("value")),
        "Colors with scores, best first.",
    ),
];

const FACE: &[Known] = &[
    known("person", Fields(PERSON), "Who it is."),
    known("similarity", Score, "How like the person it is."),
    known(
        "attributes",
        OpenMap,
        "Whatever the sender tells of a face.",
    ),
    known(
        "list",
        Fields(LIST),
        "The sender's list that the person is in.",
    ),
    known("box", Box, "Where the face is."),
];

const PERSON: &[Known] = &[
    known("id", Text, "Who it is."),
    known("name", Text, "Their name."),
];

const OBJECT: &[Known] = &[
    known("class", Text, "What it is, such as `person`."),
    known("score", Score, "How sure it is."),
    known("box", Box, "Where it is."),
    known(
        "track_id",
        Text,
        "The same for the same thing in other events.",
    ),
    known("velocity", Number, "As the sender tells it."),
    known("direction", Angle, "Degrees from 0 to 359."),
];

pub(super) const BOX: &[Known] = &[
    known("xmin", Number, "Left."),
    known("ymin", Number, "Top."),
    known("xmax", Number, "Right."),
    known("ymax", Number, "Bottom."),
    known(
        "unit",
        Unit,
        "`px`, or `e4` for ten-thousandths of the picture's width and height (`px`).",
    ),
    known(
        "image",
        Role,
        "The picture that the corners count in (`frame`).",
    ),
];

const CANDIDATE: &[Known] = &[
    known("text", Text, "The reading."),
    known("score", Score, "How sure it is."),
];
const SCORED: &[Known] = &[
    known("value", Text, "The word."),
    known("score", Score, "How sure it is."),
];
const LIST: &[Known] = &[
    known("id", Text, "Its id."),
    known("name", Text, "Its name."),
    known("level", Open, "Such as `alarm` or 3."),
];
const VIDEO: &[Known] = &[
    known("filename", Text, "Its file's name."),
    known("url", Text, "Where it is."),
    known("content_type", Text, "Such as `video/mp4`."),
];
const DWELL: &[Known] = &[
    known("seconds", Number, "How long."),
    known("first_seen", Moment, "From when."),
    known("last_seen", Moment, "Until when."),
];
const STATUS: &[Known] = &[
    known("name", Text, "What is told of."),
    known("active", Flag, "Whether it is so."),
    known("rule", Text, "The rule that says so."),
];

/// The field of that name.
pub(super) fn of<'k>(fields: &'k [Known], name: &str) -> Option<&'k Known> {
    fields.iter().find(|known| known.name == name)
}

impl Field {
    /// The fields below this one.
    pub(super) fn below(self) -> &'static [Known] {
        match self {
            Fields(fields) | List(fields, _) => fields,
            Box => BOX,
            _ => &[],
        }
    }

    /// What editors and the check know of it. A text may be a template for any of it.
    fn schema(self) -> Value {
        let leaf = || json!({ "type": ["string", "number", "boolean", "null"] });
        let or_text = |schema: Value| json!({ "anyOf": [schema, { "type": ["string", "null"] }] });
        match self {
            Text | Number | Angle | Degrees(_) | Score | Moment | Flag | Role => leaf(),
            Kind => {
                let words: Vec<&str> = crate::event::Kind::ALL
                    .iter()
                    .map(|kind| kind.as_str())
                    .collect();
                json!({ "anyOf": [{ "type": "string", "enum": words }, { "type": "string" }] })
            }
            Unit => {
                json!({ "anyOf": [{ "type": "string", "enum": ["px", "e4"] }, { "type": "string" }] })
            }
            Open => json!({}),
            OpenMap => or_text(json!({ "type": "object" })),
            Texts => or_text(json!({ "type": "array", "items": leaf() })),
            Box | Fields(_) => or_text(object(self.below())),
            List(fields, _) => or_text(json!({ "type": "array", "items": object(fields) })),
            Pictures => json!({ "type": "object", "additionalProperties": leaf() }),
        }
    }
}

fn object(fields: &[Known]) -> Value {
    json!({ "type": "object", "properties": properties(fields), "additionalProperties": false })
}

/// The schemas of these fields with what is said of them.
pub(super) fn properties(fields: &[Known]) -> Map<String, Value> {
    let entries = fields.iter().map(|known| {
        let mut schema = known.field.schema();
        schema["description"] = known.about.into();
        (known.name.to_owned(), schema)
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::{Event, Kind, Original};
    use crate::name::Name;

    #[test]
    fn every_field_of_an_event_is_here_but_those_that_nobody_maps() {
        let name = Name::new("gate").unwrap();
        let event = Event::new(name, "x", Kind::Other, Arc::new(Original::default())).to_json();
        for (name, value) in event.as_object().unwrap() {
            let ours = [
                "id",
                "source",
                "received_at",
                "repaired",
                "path",
                "headers",
                "raw",
            ];
            assert_ne!(of(EVENT, name).is_some(), ours.contains(&&**name), "{name}");
            for (inner, _) in value.as_object().into_iter().flatten() {
                if let Some(known) = of(EVENT, name) {
                    assert!(of(known.field.below(), inner).is_some(), "{name}.{inner}");
                }
            }
        }
        let plate = serde_json::to_value(crate::event::Plate::default()).unwrap();
        let vehicle = serde_json::to_value(crate::event::Vehicle::default()).unwrap();
        for (fields, value) in [(PLATE, plate), (VEHICLE, vehicle)] {
            let names: Vec<&String> = value.as_object().unwrap().keys().collect();
            let ours: Vec<&str> = fields.iter().map(|known| known.name).collect();
            assert_eq!(names, ours);
        }
    }
}
