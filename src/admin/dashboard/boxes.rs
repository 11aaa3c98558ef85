//! The boxes of an event drawn over one of its pictures, as they stand in the event: nothing is decoded for it.

use maud::{Markup, html};

use crate::event::{Area, Event, Item, Picture, Pixels, Role, Size};

/// So many are drawn.
const BOXES_MAX: usize = 100;

struct Boxed {
    kind: &'static str,
    label: String,
    at: Pixels,
}

/// An overlay that is scaled with the picture. Empty when no box lies in it.
pub(super) fn overlay(event: &Event, picture: &Picture, size: Size) -> Markup {
    let boxes = boxes(event, picture, size);
    let labels: Vec<&str> = boxes.iter().map(|one| one.label.as_str()).collect();
    // Letters as large as one reads them when the picture is as wide as a screen.
    let letters = (size.width / 45).max(8);
    html! {
        @if !boxes.is_empty() {
            svg.boxes viewBox={ "0 0 " (size.width) " " (size.height) } preserveAspectRatio="none" role="img"
                aria-label={ "Boxes: " (labels.join(", ")) } {
                @for one in &boxes {
                    rect class=(one.kind) x=(one.at.x) y=(one.at.y) width=(one.at.width) height=(one.at.height) {}
                    text class=(one.kind) x=(one.at.x) y=(baseline(one.at, letters, size)) font-size=(letters) { (one.label) }
                }
            }
        }
    }
}

/// Above the box, or below it where there is no room.
fn baseline(at: Pixels, letters: u32, size: Size) -> u32 {
    match at.y > letters + letters / 4 {
        true => at.y - letters / 4,
        false => (at.y + at.height + letters).min(size.height),
    }
}

fn boxes(event: &Event, picture: &Picture, size: Size) -> Vec<Boxed> {
    let mut frames = event
        .images
        .iter()
        .filter(|picture| picture.role == Role::FRAME);
    let frame = frames.find_map(Picture::size);
    let shows = |item: Item| picture.item.is_none_or(|shown| shown == item);
    let place = |area: Option<&Area>, vehicle: Option<&Area>| {
        area?.within(&picture.role, size, frame, vehicle)
    };
    let mut boxes = Vec::new();
    let mut draw = |kind, label: &str, at: Option<Pixels>| {
        boxes.extend(at.map(|at| Boxed {
            kind,
            label: label.to_owned(),
            at,
        }));
    };
    for (n, plate) in event.plates.iter().enumerate() {
        if !shows(Item::Plate(n)) {
            continue;
        }
        let vehicle = plate.vehicle.as_ref();
        let around = vehicle.and_then(|vehicle| vehicle.area.as_ref());
        if picture.role == Role::FRAME {
            let kind = vehicle.and_then(|vehicle| vehicle.kind.as_deref());
            draw("vehicle", kind.unwrap_or("vehicle"), place(around, None));
        }
        let text = plate.text.as_deref().unwrap_or("plate");
        draw("plate", text, place(plate.area.as_ref(), around));
    }
    for (n, face) in event.faces.iter().enumerate() {
        if shows(Item::Face(n)) {
            let person = face
                .person
                .as_ref()
                .and_then(|person| person.name.as_deref());
            draw(
                "face",
                person.unwrap_or("face"),
                place(face.area.as_ref(), None),
            );
        }
    }
    for (n, object) in event.objects.iter().enumerate() {
        if shows(Item::Object(n)) {
            let class = object.class.as_deref();
            draw(
                "object",
                class.unwrap_or("object"),
                place(object.area.as_ref(), None),
            );
        }
    }
    boxes.truncate(BOXES_MAX);
    boxes
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::{Kind, Original, PictureData, Plate, Unit, Vehicle};
    use crate::name::Name;

    fn area(corners: [i32; 4], unit: Unit) -> Option<Area> {
        let [xmin, ymin, xmax, ymax] = corners;
        let image = Role::FRAME;
        Some(Area {
            xmin,
            ymin,
            xmax,
            ymax,
            unit,
            image,
        })
    }

    fn drawn(role: Role, size: [u32; 2]) -> String {
        let name = Name::new("gate").unwrap();
        let mut event = Event::new(name, "acme", Kind::Plate, Arc::new(Original::default()));
        event.plates = vec![Plate {
            text: Some("AB<1>".to_owned()),
            area: area([320, 210, 420, 240], Unit::Pixels),
            vehicle: Some(Vehicle {
                kind: Some("SUV".to_owned()),
                area: area([300, 100, 500, 300], Unit::Pixels),
                ..Vehicle::default()
            }),
            ..Plate::default()
        }];
        let picture = Picture {
            role,
            item: None,
            content_type: "image/jpeg".to_owned(),
            data: PictureData::Url("https://example.com/".to_owned()),
        };
        let [width, height] = size;
        overlay(&event, &picture, Size { width, height }).into_string()
    }

    #[test]
    fn boxes_stand_where_the_picture_shows_them() {
        let frame = drawn(Role::FRAME, [1280, 720]);
        assert!(frame.contains("viewBox=\"0 0 1280 720\""), "{frame}");
        let plate = "<rect class=\"plate\" x=\"320\" y=\"210\" width=\"100\" height=\"30\">";
        assert!(frame.contains(plate), "{frame}");
        assert!(
            frame.contains("<rect class=\"vehicle\" x=\"300\" y=\"100\""),
            "{frame}"
        );
        assert!(
            frame.contains("AB&lt;1&gt;") && !frame.contains("AB<1>"),
            "{frame}"
        );

        let vehicle = drawn(Role::VEHICLE, [200, 200]);
        assert!(
            vehicle.contains("<rect class=\"plate\" x=\"20\" y=\"110\""),
            "{vehicle}"
        );
        assert!(!vehicle.contains("class=\"vehicle\""), "{vehicle}");
        assert_eq!(
            drawn(Role::PLATE, [100, 30]),
            "",
            "a picture of the plate has no way to the frame"
        );
    }
}
