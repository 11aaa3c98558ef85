//! Well-known plain names, for those who post to a source of kind `generic` and have not written a `map`.
//!
//! A name counts at the top of the document and one level below it, where it stands only once; case, `_` and `-` do not
//! count. Nothing is taken for what it cannot be: a plate is a short text, a time one that can be read in one way, a picture
//! one that shows itself to be one.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::map::coerce::{self, quoted};
use super::map::inline;
use super::moments;
use crate::event::{Event, Kind, Picture, Plate, Role};

const PLATE: &[&str] = &[
    "plate",
    "licenseplate",
    "licenceplate",
    "platenumber",
    "numberplate",
];
const SCORE: &[&str] = &["score", "confidence"];
const CAMERA: &[&str] = &["cameraid", "camera", "device", "channel"];
const CAMERA_NAME: &[&str] = &["cameraname"];
const TIME: &[&str] = &["occurredat", "timestamp", "datetime", "time", "date"];
const PICTURE: &[&str] = &["image", "picture", "photo", "frame", "snapshot"];

/// Longer is no plate's text.
const PLATE_MAX: usize = 32;
/// Shorter is no picture's base64.
const PICTURE_MIN: usize = 32;

/// Fills in what the document tells under names that leave no doubt, and the event does not tell yet.
pub(super) fn fill(event: &mut Event, document: &Value, zone: &TimeZone) {
    let is_open = event.plates.is_empty() && event.faces.is_empty() && event.objects.is_empty();
    let plate = find(document, PLATE, scalar).filter(|text| text.chars().count() <= PLATE_MAX);
    if let Some(plate) = plate.filter(|_| is_open) {
        let mut notes = coerce::Notes::default();
        let score = find(document, SCORE, |value| notes.score(value, "score"));
        event.repaired.append(&mut notes.repaired);
        if event.kind == Kind::Other {
            event.kind = Kind::Plate;
        }
        event.plates.push(Plate {
            text: Some(plate),
            score,
            ..Plate::default()
        });
    }
    if event.camera.id.is_none() && event.camera.name.is_none() {
        take_camera(event, document);
    }
    if let Some(moment) = find(document, TIME, |value| moments::read(value, zone)) {
        event.occurred_at = moment;
    }
    if event.images.is_empty() {
        let mut wrong = None;
        let picture = find(document, PICTURE, |value| {
            let text = value.as_str().filter(|text| text.len() >= PICTURE_MIN)?;
            let say =
                |why| wrong = Some(format!("a picture was left out: {} {why}", quoted(value)));
            inline(text).map_err(say).ok()
        });
        match picture {
            Some((content_type, data)) => event.images.push(Picture {
                role: Role::FRAME,
                item: None,
                content_type,
                data,
            }),
            None => event.repaired.extend(wrong),
        }
    }
}

fn take_camera(event: &mut Event, document: &Value) {
    event.camera.id = find(document, CAMERA, scalar);
    event.camera.name = find(document, CAMERA_NAME, scalar);
    if let Some(camera) = document.get("camera").filter(|camera| camera.is_object()) {
        let field = |name: &str| camera.get(name).and_then(scalar);
        event.camera.id = field("id").or(event.camera.id.take());
        event.camera.name = event.camera.name.take().or(field("name"));
    }
}

/// The first of the names whose value can be read, at the top, else below it.
fn find<T>(
    document: &Value,
    names: &[&str],
    mut read: impl FnMut(&Value) -> Option<T>,
) -> Option<T> {
    let below = || {
        let tree = document.as_object().into_iter().flatten();
        tree.filter_map(|(_, value)| value.is_object().then_some(value))
    };
    for name in names {
        let at_top = field(document, name);
        let found = match at_top.and_then(&mut read) {
            Some(found) => return Some(found),
            None if at_top.is_some() => continue,
            None => {
                let mut found = below().filter_map(|tree| field(tree, name));
                found.next().filter(|_| found.next().is_none())
            }
        };
        if let Some(found) = found.and_then(&mut read) {
            return Some(found);
        }
    }
    None
}

fn field<'v>(tree: &'v Value, wanted: &str) -> Option<&'v Value> {
    let plain = |name: &str| {
        name.chars()
            .filter(|char| !matches!(char, '_' | '-'))
            .map(|char| char.to_ascii_lowercase())
            .eq(wanted.chars())
    };
    let mut fields = tree.as_object()?.iter();
    fields.find(|(name, _)| plain(name)).map(|(_, value)| value)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::event::Original;
    use crate::name::Name;

    fn filled(document: &Value) -> Event {
        let name = Name::new("gate").unwrap();
        let mut event = Event::new(name, "generic", Kind::Other, Arc::new(Original::default()));
        fill(&mut event, document, &TimeZone::UTC);
        event
    }

    #[test]
    fn plain_names_are_taken_at_the_top_and_one_level_down() {
        for document in [
            json!({ "plate": "AB123CD", "confidence": 93, "camera": "c1", "time": 1_741_079_472 }),
            json!({ "anpr": { "licensePlate": "AB123CD", "Score": "0.93", "camera_id": "c1", "date": "2025-03-04 09:11:12" } }),
            json!({ "number_plate": "AB123CD", "score": "93%", "camera": { "id": "c1" }, "datetime": "20250304091112" }),
        ] {
            let event = filled(&document);
            assert_eq!(event.kind, Kind::Plate, "{document}");
            assert_eq!(event.plates[0].text.as_deref(), Some("AB123CD"));
            assert_eq!(event.plates[0].score.unwrap().fraction(), 0.93);
            assert_eq!(event.camera.id.as_deref(), Some("c1"));
            assert_eq!(event.occurred_at.to_string(), "2025-03-04T09:11:12Z");
        }
    }

    #[test]
    fn what_leaves_a_doubt_is_left_alone() {
        for document in [
            json!({ "plate": ["AB1"], "time": "12:30" }),
            json!({ "plate": "no plate of any country is as long as this text", "time": "03/04/2025 10:00" }),
            json!({ "a": { "plate": "AB1" }, "b": { "plate": "AB2" } }),
            json!({ "a": { "b": { "plate": "AB1" } } }),
            json!({ "plate": null, "picture": "on the wall of the living room at home" }),
            json!(["plate"]),
            json!(null),
        ] {
            let event = filled(&document);
            assert_eq!(event.kind, Kind::Other, "{document}");
            assert!(
                event.plates.is_empty() && event.images.is_empty(),
                "{document}"
            );
            assert_eq!(event.occurred_at.instant().as_second(), 0, "{document}");
        }
    }

    #[test]
    fn a_picture_that_is_none_is_said() {
        let event = filled(&json!({ "image": "/9j/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA…" }));
        assert!(event.images.is_empty());
        let note = event.repaired.join("; ");
        assert!(
            note.starts_with("a picture was left out: `/9j/AA"),
            "{note}"
        );
    }
}
