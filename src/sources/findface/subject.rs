//! What a FindFace event is about: a face, a car, a plate, a body, or something else.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::country;
use super::super::json::Json;
use super::super::lenient::{first_of, number, score, text};
use super::matched::{car_match, is_matched, list_entry, person, take_lists};
use super::text_of;
use crate::event::{
    Area, Event, Face, Item, Kind, Object, Picture, PictureData, Plate, Role, Score, Scored, Unit,
    Vehicle,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Face,
    Body,
    Car,
    /// Lite reads plates without a car, too.
    Plate,
    Counter,
    Other,
}

/// Features that only a car has, and only a face.
const OF_CARS: [&str; 4] = ["license_plate_number", "make", "model", "body"];
const OF_FACES: [&str; 5] = ["headpose_yaw", "age", "gender", "emotions", "medmask"];
/// Features of cars that the event has fields for.
const IN_FIELDS: [&str; 8] = [
    "license_plate_number",
    "license_plate_country",
    "license_plate_region",
    "color",
    "body",
    "make",
    "model",
    "orientation",
];

impl Subject {
    fn of(json: &Json) -> Self {
        let word = |name: &str| text(&json[name]).unwrap_or_default();
        let webhook = word("webhook_type");
        let is_episode = |name: &str| word(name).starts_with("episode_");
        if webhook == "counters" {
            return Self::Counter;
        }
        if webhook.ends_with("_episodes")
            || webhook == "areas"
            || is_episode("event_type")
            || is_episode("event_model_class")
        {
            return Self::Other;
        }
        let named = ["object_type", "type", "event_type", "webhook_type"];
        if let Some(told) = named.iter().find_map(|name| Self::named(&word(name))) {
            return told;
        }
        let has = |names: &[&str]| names.iter().any(|name| !json["features"][*name].is_null());
        let is_there = |name: &str| !json[name].is_null();
        if ["face", "matched_face", "matched_dossier", "dossier"]
            .into_iter()
            .any(is_there)
            || has(&OF_FACES)
        {
            Self::Face
        } else if has(&OF_CARS) || is_there("license_plate_thumbnail") {
            Self::Car
        } else if plate_text(json).is_some() {
            Self::Plate
        } else if let Some(told) = text(&json["matched_card"]["type"]) {
            Self::named(&told).unwrap_or(Self::Other)
        } else if text(&json["matched_card"]["name"]).is_some() {
            // The least that is posted: a card and pictures. Cards are people's, as a rule.
            Self::Face
        } else {
            Self::Other
        }
    }

    fn named(word: &str) -> Option<Self> {
        match word {
            "face" | "face_events" => Some(Self::Face),
            "body" | "human" | "body_events" => Some(Self::Body),
            "car" | "car_events" => Some(Self::Car),
            "license_plate" | "license_plate_events" | "plate" => Some(Self::Plate),
            _ => None,
        }
    }
}

/// Fills in what the event is about, and its pictures.
pub(super) fn take(event: &mut Event, json: &Json) {
    let subject = Subject::of(json);
    event.vendor_kind = text_of(json, &["webhook_type", "object_type", "type", "event_type"]);
    if let Some(shot) = text(&json["bs_type"]) {
        event.attributes.insert("bs_type".to_owned(), shot.into());
    }
    let area = frame_box(json);
    match subject {
        Subject::Face => {
            event.kind = Kind::Face;
            event.faces.push(face(json, area));
        }
        Subject::Body => {
            event.kind = Kind::Object;
            event.objects.push(object(json, "body", area));
        }
        Subject::Car => {
            let mut plate = car(json, area.clone());
            plate.vehicle.get_or_insert_default(); // it was seen, if only that
            event.kind = if plate.text.is_some() {
                Kind::Plate
            } else {
                event.objects.push(object(json, "car", area));
                Kind::Object
            };
            event.plates.push(plate);
        }
        Subject::Plate => {
            event.kind = Kind::Plate;
            let mut plate = car(json, None);
            plate.area = plate.area.or(area);
            event.plates.push(plate);
        }
        Subject::Counter => event.kind = Kind::Counting,
        Subject::Other => event.kind = Kind::Other,
    }
    take_pictures(event, subject, json);
}

/// Its value under `features`, if it is told: vendors write null, "" and "unknown" when it is not.
fn feature<'t, 'a>(json: &'t Json<'a>, name: &str) -> &'t Json<'a> {
    let told = &json["features"][name];
    let value = if told.is_map() { &told["name"] } else { told };
    match value {
        Json::Text(word) if word.trim().is_empty() || word.eq_ignore_ascii_case("unknown") => {
            &Json::Null
        }
        value => value,
    }
}

fn scored(json: &Json, name: &str) -> Option<Scored> {
    Some(Scored {
        value: text(feature(json, name))?,
        score: score(&json["features"][name]["confidence"]),
    })
}

fn face(json: &Json, area: Option<Area>) -> Face {
    let (mut attributes, attribute_scores) = attributes(json, &[]);
    let is_matched = is_matched(json);
    if is_matched {
        take_lists(json, &mut attributes);
    }
    Face {
        person: person(json).filter(|_| is_matched),
        similarity: score(&json["confidence"]).filter(|_| is_matched),
        attributes,
        list: list_entry(json, false).filter(|_| is_matched),
        area,
        attribute_scores,
    }
}

/// All features that are told but those of `others`, and how sure FindFace is of each.
fn attributes(json: &Json, others: &[&str]) -> (Map<String, Value>, BTreeMap<String, Score>) {
    let (mut attributes, mut scores) = (Map::new(), BTreeMap::new());
    if let Json::Map(features) = &json["features"] {
        for (name, told) in features {
            let value = feature(json, name);
            let is_plain = matches!(value, Json::Text(_) | Json::Number(_) | Json::Bool(_));
            if is_plain && !others.contains(&name.as_ref()) {
                attributes.insert(name.to_string(), value.to_json());
                let sure = told.is_map().then(|| score(&told["confidence"])).flatten();
                scores.extend(sure.map(|sure| (name.to_string(), sure)));
            }
        }
    }
    (attributes, scores)
}

fn object(json: &Json, class: &str, area: Option<Area>) -> Object {
    let tracks = [
        &json["detector_params"]["track"]["id"],
        &json["scores"]["track"]["id"],
        &json["track_id"],
    ];
    Object {
        class: Some(class.to_owned()),
        area,
        track_id: tracks.into_iter().find_map(text),
        ..Object::default()
    }
}

/// A car with its plate; `area` is the car's.
fn car(json: &Json, area: Option<Area>) -> Plate {
    let read = &json["features"]["license_plate_number"];
    let (country, region) = (
        text(feature(json, "license_plate_country")),
        text(feature(json, "license_plate_region")),
    );
    let known = country.as_deref().and_then(country::of_region);
    let color = scored(json, "color");
    let vehicle = Vehicle {
        kind: text(feature(json, "body")).or_else(|| text(feature(json, "category"))),
        area,
        make: text(feature(json, "make")),
        model: text(feature(json, "model")).map(|model| match model.rsplit_once('/') {
            Some((_, model)) => model.to_owned(), // after its make: `nissan/cefiro`
            None => model,
        }),
        color: color.as_ref().map(|color| color.value.clone()),
        colors: color.into_iter().collect(),
        ..Vehicle::default()
    };
    let is_told = vehicle.kind.is_some()
        || vehicle.area.is_some()
        || vehicle.make.is_some()
        || vehicle.model.is_some()
        || vehicle.color.is_some();
    let (mut attributes, attribute_scores) = attributes(json, &IN_FIELDS);
    let is_matched = is_matched(json);
    if is_matched {
        car_match(json, &mut attributes);
    }
    let plate = plate_text(json);
    let sure = [read, &json["license_plate_number"]]
        .into_iter()
        .find_map(|told| score(&told["confidence"]));
    Plate {
        score: sure.filter(|_| plate.is_some()),
        text: plate,
        region: region.or_else(|| country.filter(|_| known.is_none())),
        country: known,
        area: sides(&read["bbox"], ["left", "top", "right", "bottom"]),
        heading: text(&json["line_crossing_direction"]),
        orientation: scored(json, "orientation").into_iter().collect(),
        vehicle: is_told.then_some(vehicle),
        list: list_entry(json, true).filter(|_| is_matched),
        attributes,
        attribute_scores,
        ..Plate::default()
    }
}

/// Multi tells it among the features; where Lite does is not published, so it is looked for under every likely name.
fn plate_text(json: &Json) -> Option<String> {
    text(feature(json, "license_plate_number")).or_else(|| {
        ["license_plate_number", "license_plate", "plate", "number"]
            .iter()
            .find_map(|name| {
                let told = &json[*name];
                text(told).or_else(|| text_of(told, &["name", "number", "text"]))
            })
    })
}

/// The box around what the event shows, in pixels of the frame.
fn frame_box(json: &Json) -> Option<Area> {
    let names = [
        "frame_coords_left",
        "frame_coords_top",
        "frame_coords_right",
        "frame_coords_bottom",
    ];
    sides(json, names).or_else(|| {
        let inner = first_of(&[&json["bbox"], &json["box"]]);
        sides(inner, ["left", "top", "right", "bottom"])
    })
}

fn sides(value: &Json, names: [&str; 4]) -> Option<Area> {
    // The cast saturates, which is all that can be done for a corner two billion pixels away.
    let side = |name: &str| Some(number(&value[name])?.round() as i32);
    let area = Area {
        xmin: side(names[0])?,
        ymin: side(names[1])?,
        xmax: side(names[2])?,
        ymax: side(names[3])?,
        unit: Unit::Pixels,
        image: Role::FRAME,
    };
    ((area.xmin, area.ymin, area.xmax, area.ymax) != (0, 0, 0, 0)).then_some(area)
}

fn take_pictures(event: &mut Event, subject: Subject, json: &Json) {
    let item = match subject {
        Subject::Face => Some(Item::Face(0)),
        Subject::Car | Subject::Plate => Some(Item::Plate(0)),
        Subject::Body => Some(Item::Object(0)),
        Subject::Counter | Subject::Other => None,
    };
    let crop = match subject {
        Subject::Face => Role::FACE,
        Subject::Car => Role::VEHICLE,
        Subject::Plate => Role::PLATE,
        Subject::Body | Subject::Counter | Subject::Other => Role::THUMBNAIL,
    };
    for (names, role, item) in [
        (["fullframe", "frame"].as_slice(), Role::FRAME, None),
        (&["thumbnail", "face"], crop, item),
        (&["license_plate_thumbnail"], Role::PLATE, item),
    ] {
        let address = names.iter().find_map(|name| match &json[*name] {
            Json::Text(address) if !address.trim().is_empty() => Some(address.trim().to_owned()),
            _ => None,
        });
        if let Some(address) = address {
            event.images.push(Picture {
                role,
                item,
                content_type: content_type(&address).to_owned(),
                data: PictureData::Url(address),
            });
        }
    }
}

/// By its name's end, until it is fetched.
fn content_type(address: &str) -> &'static str {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let (_, ending) = path.rsplit_once('.').unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(text: &str) -> Subject {
        Subject::of(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn what_an_event_is_about_follows_from_its_words_or_else_its_fields() {
        for (text, expected) in [
            (
                r#"{"object_type": "car", "webhook_type": "face_events"}"#,
                Subject::Car,
            ),
            (r#"{"webhook_type": "body_events"}"#, Subject::Body),
            (r#"{"type": "license_plate"}"#, Subject::Plate),
            (
                r#"{"webhook_type": "counters", "object_type": "face"}"#,
                Subject::Counter,
            ),
            (
                r#"{"webhook_type": "car_episodes", "object_type": "car"}"#,
                Subject::Other,
            ),
            (
                r#"{"event_type": "episode_open", "face": "http://a/b"}"#,
                Subject::Other,
            ),
            (
                r#"{"webhook_type": "events", "face": "http://a/b"}"#,
                Subject::Face,
            ),
            (r#"{"features": {"age": {"name": 3}}}"#, Subject::Face),
            (r#"{"features": {"make": {"name": "audi"}}}"#, Subject::Car),
            (r#"{"license_plate": {"number": "AB1"}}"#, Subject::Plate),
            (
                r#"{"matched_card": {"id": 1, "type": "car"}}"#,
                Subject::Car,
            ),
            (r#"{"matched_card": {"name": "Ann"}}"#, Subject::Face),
            (r#"{"object_type": "horse"}"#, Subject::Other),
            ("{}", Subject::Other),
        ] {
            assert_eq!(subject(text), expected, "{text}");
        }
    }

    #[test]
    fn somebody_is_told_only_of_a_match() {
        let told = |text: &str| {
            let json: Json = serde_json::from_str(text).unwrap();
            let face = face(&json, None);
            (face.person.is_some(), face.similarity.is_some())
        };
        assert_eq!(
            told(r#"{"matched": true, "matched_card": 3, "confidence": 0.8}"#),
            (true, true)
        );
        assert_eq!(
            told(r#"{"matched": false, "matched_card": 3, "confidence": 0}"#),
            (false, false)
        );
        assert_eq!(
            told(r#"{"matched_card": {"name": "Ann"}, "confidence": 0.8}"#),
            (true, true)
        );
        assert_eq!(
            told(r#"{"matched": null, "matched_card": null, "confidence": 0.8}"#),
            (false, false)
        );
    }

    #[test]
    fn pictures_are_named_by_their_endings_only_until_fetched() {
        for (address, kind) in [
            ("https://a/b.JPG?t=1.png", "image/jpeg"),
            ("/b.webp", "image/webp"),
            ("https://a.example", "application/octet-stream"),
            ("", "application/octet-stream"),
        ] {
            assert_eq!(content_type(address), kind, "{address}");
        }
    }
}
