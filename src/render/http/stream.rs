//! The request that Plate Recognizer Stream itself would have made, for receivers that know Stream.
//!
//! After Stream's "Webhooks and Outputs" page and its webhook readers (read 2026-11-21): with pictures, `multipart` with the
//! field `json` and a file for each picture; without, a form with the field `json`. A plate's box counts in the picture
//! that is sent as `upload`: of an event that Stream sent this is the crop of the vehicle where there was one, as it was;
//! of any other the whole frame, which is what boxes are written for.

use serde_json::{Value, json};

use super::body::{Written, form, multipart, picture_part};
use crate::event::{Boxes, Event, Item, Picture, Role};
use crate::render::forms::Form;
use crate::render::multipart::Part;
use crate::render::{Building, own, stream};
use crate::template::{Output, RenderError, Scope, Template};

pub(super) struct Writer {
    pictures: Template,
    form: Form,
}

impl Writer {
    pub(super) fn new(building: &mut Building<'_>, form: Form) -> Option<Self> {
        let pictures = building.template(&["stream"], "{{ images.list }}")?;
        Some(Self { pictures, form })
    }

    /// `url` is where the request goes.
    pub(super) fn write(
        &self,
        event: &Event,
        item: Option<Item>,
        scope: &Scope,
        url: &str,
    ) -> Result<Written, RenderError> {
        let (document, own) = document(event, item, self.form, url);
        let document = document.to_string();
        let all = match self.pictures.output(scope)? {
            Output::Pictures(pictures) => pictures,
            Output::Picture(_) | Output::Json(_) => Vec::new(),
        };
        let mut files = Vec::new();
        for (name, picture) in named(event, item, &all, own) {
            files.extend(picture_part(&name, picture));
        }
        if let Some(clip) = event.clip() {
            files.push(Part {
                name: "video".to_owned(),
                filename: Some("video.mp4".to_owned()),
                content_type: Some("video/mp4".to_owned()),
                bytes: clip,
            });
        }
        if files.is_empty() {
            return Ok(form(json!({ "json": document })));
        }
        let mut parts = vec![Part {
            name: "json".to_owned(),
            filename: None,
            content_type: None,
            bytes: document.into(),
        }];
        parts.append(&mut files);
        Ok(multipart(event, parts))
    }
}

/// The document, and whether it is Stream's own.
fn document(event: &Event, item: Option<Item>, form: Form, url: &str) -> (Value, bool) {
    // What the sender wrote there may hold the token it came in with, and what we send to, ours.
    let target = url.split(['?', '#']).next().unwrap_or_default();
    if let Some(own) = own::document(event)
        && let mut own = Value::Object(own)
        && own["hook"].is_object()
    {
        own["hook"]["target"] = target.into();
        if let Some(results) = own
            .pointer_mut("/data/results")
            .and_then(Value::as_array_mut)
        {
            if let Some(Item::Plate(n)) = item
                && n < results.len()
            {
                *results = vec![results.swap_remove(n)];
            }
            for result in results {
                *result = form.of(result.take());
            }
        }
        return (own, true);
    }
    let hook = json!({
        "event": "recognition",
        "id": event.camera.id,
        "target": target,
        "filename": "",
    });
    (
        json!({ "hook": hook, "data": stream::line(event, item, form) }),
        false,
    )
}

/// Pictures by the names that Stream gives them.
fn named<'a>(
    event: &Event,
    item: Option<Item>,
    all: &'a [Picture],
    own: bool,
) -> Vec<(String, &'a Picture)> {
    // What steps made stands behind what came.
    let last = |role: &Role, of: Option<Item>| {
        let fits = |picture: &&Picture| picture.role == *role && picture.item == of;
        all.iter().rfind(fits)
    };
    let of_event = |role: &Role| last(role, item).or_else(|| last(role, None));
    let (frame, vehicle) = (of_event(&Role::FRAME), of_event(&Role::VEHICLE));
    let mut files = Vec::new();
    let mut put = |name: &str, picture: Option<&'a Picture>| {
        files.extend(picture.map(|picture| (name.to_owned(), picture)));
    };
    let chosen = match &event.boxes {
        Boxes::In(role) => of_event(role).map(|picture| (picture, *role == Role::FRAME)),
        Boxes::AsSent | Boxes::Retold { .. } => None,
    };
    if let Some((chosen, is_frame)) = chosen {
        put("upload", Some(chosen));
        put("original", frame.filter(|_| !is_frame));
    }
    match own {
        _ if chosen.is_some() => {}
        true if vehicle.is_some() => {
            put("upload", vehicle);
            put("original", frame);
        }
        _ => {
            put("upload", frame.or(vehicle));
            put("vehicle", vehicle.filter(|_| frame.is_some()));
        }
    }
    let plates: Vec<Option<Item>> = match item {
        Some(Item::Plate(_)) => vec![item],
        _ => (0..event.plates.len())
            .map(|n| Some(Item::Plate(n)))
            .collect(),
    };
    for (n, plate) in plates.into_iter().enumerate() {
        let name = match n {
            0 => "plate_img".to_owned(),
            n => format!("plate_img_{}", n + 1),
        };
        put(&name, last(&Role::PLATE, plate));
    }
    files
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::event::{Kind, Original, PictureData, Plate, Raw};
    use crate::name::Name;

    fn event(vendor: &'static str, raw: &str) -> Event {
        let source = Name::new("gate").unwrap();
        let mut event = Event::new(source, vendor, Kind::Plate, Arc::new(Original::default()));
        event.raw = Raw::from_text(raw.to_owned().into());
        event.plates = vec![Plate::default(), Plate::default()];
        event
    }

    fn picture(role: Role, item: Option<Item>) -> Picture {
        Picture {
            role,
            item,
            content_type: "image/jpeg".to_owned(),
            data: PictureData::Bytes(Bytes::from_static(b"x")),
        }
    }

    #[test]
    fn streams_own_document_goes_on_as_it_came_but_for_its_address() {
        let raw = r#"{"hook":{"event":"dwell_time","target":"http://us/?token=t","x":1},"data":{"results":[{"plate":"a"},{"plate":"b"}]}}"#;
        let event = event("platerecognizer", raw);
        let (whole, own) = document(&event, None, Form::AsItCame, "https://them/hook?key=secret");
        assert!(own);
        let expected = raw.replace("http://us/?token=t", "https://them/hook");
        assert_eq!(whole, serde_json::from_str::<Value>(&expected).unwrap());
        let (one, _) = document(
            &event,
            Some(Item::Plate(1)),
            Form::AsItCame,
            "https://them/hook",
        );
        assert_eq!(one["data"]["results"], json!([{ "plate": "b" }]));
    }

    #[test]
    fn pictures_have_the_names_that_boxes_count_in() {
        let all = [
            picture(Role::FRAME, None),
            picture(Role::VEHICLE, None),
            picture(Role::PLATE, Some(Item::Plate(0))),
            picture(Role::PLATE, Some(Item::Plate(1))),
        ];
        let names = |item, own| {
            let event = event("generic", "{}");
            let named = named(&event, item, &all, own);
            let told = named.iter().map(|(name, p)| format!("{name}={}", p.role));
            told.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            names(None, true),
            "upload=vehicle original=frame plate_img=plate plate_img_2=plate"
        );
        assert_eq!(
            names(Some(Item::Plate(1)), false),
            "upload=frame vehicle=vehicle plate_img=plate"
        );
        let mut event = event("generic", "{}");
        event.boxes = Boxes::In(Role::VEHICLE);
        let chosen = named(&event, Some(Item::Plate(1)), &all, false);
        let chosen: Vec<_> = chosen
            .iter()
            .map(|(name, p)| (&**name, p.role.as_str()))
            .collect();
        assert_eq!(chosen[..2], [("upload", "vehicle"), ("original", "frame")]);
    }
}
