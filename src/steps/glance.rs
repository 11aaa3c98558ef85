//! A small picture of an event, or of one thing in it, for people who look at a list: what `crop` and `resize` make of it.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use serde_json::json;

use super::{Built, Pixels, Settings, Step, Work};
use crate::event::{Event, Item, Picture, Role, Size};
use crate::lists::Lists;
use crate::template::{Engine, Known};

/// Wide enough for a list on any screen.
const WIDTH: u32 = 360;
const HEIGHT: u32 = 240;

/// The steps to a picture of each kind of item, and of each role.
static ITEMS: LazyLock<[Vec<Box<dyn Step>>; 3]> = LazyLock::new(|| {
    [
        ("plate", "plate"),
        ("face", "face"),
        ("object", "thumbnail"),
    ]
    .map(|(region, role)| {
        let crop = json!({ "crop": { "region": region, "pad": "8%", "prefer": "sender" } });
        steps(json!([crop, small(role)]))
    })
});
static WHOLE: LazyLock<[Vec<Box<dyn Step>>; 5]> =
    LazyLock::new(|| ROLES.map(|role| steps(json!([small(role.as_str())]))));

/// Which picture stands for the whole event, the best first.
const ROLES: [Role; 5] = [
    Role::FRAME,
    Role::VEHICLE,
    Role::PLATE,
    Role::FACE,
    Role::THUMBNAIL,
];

fn small(role: &str) -> serde_json::Value {
    json!({ "resize": { "on": role, "width": WIDTH, "height": HEIGHT, "format": "jpeg", "quality": 80 } })
}

fn steps(settings: serde_json::Value) -> Vec<Box<dyn Step>> {
    let settings: Vec<Settings> =
        serde_json::from_value(settings).expect("these settings are in the docs");
    let engine = Engine::knowing(Known::default());
    let built = settings
        .into_iter()
        .filter_map(|settings| match settings.build(&engine) {
            Ok(Built::OnDelivery(step)) => Some(step),
            Ok(Built::OnArrival(_)) | Err(_) => None,
        });
    built.collect()
}

/// What it takes in memory to make one, told before any picture is decoded.
pub(crate) fn glance_bytes(event: &Event, most: usize) -> usize {
    Pixels::Drawn.bytes(&event.images, Pixels::Drawn.most(most))
}

/// A small picture of an item, the sender's own or cut out by its box; of the whole event without one. None when there is
/// nothing to show. `most` is what it may take in memory.
pub(crate) fn glance(
    event: &Arc<Event>,
    item: Option<Item>,
    most: usize,
    now: Timestamp,
) -> Option<Picture> {
    let (role, steps) = match item {
        Some(Item::Plate(_)) => (Role::PLATE, &ITEMS[0]),
        Some(Item::Face(_)) => (Role::FACE, &ITEMS[1]),
        Some(Item::Object(_)) => (Role::THUMBNAIL, &ITEMS[2]),
        None => {
            let there = |role: &Role| {
                let mut images = event.images.iter();
                images.any(|picture| picture.role == *role && picture.bytes().is_some())
            };
            let best = ROLES.iter().position(there)?;
            (ROLES[best].clone(), &WHOLE[best])
        }
    };
    let mut work = Work::new(event.clone(), item, Lists::default(), now);
    work.bound(Pixels::Drawn.most(most));
    for step in steps {
        step.take(&mut work).ok()?;
    }
    work.finish().ok()?;
    let mut pictures = work.pictures.into_iter();
    pictures.find(|picture| {
        picture.role == role
            && (item.is_none() || picture.item == item)
            && picture.bytes().is_some()
            && picture.size().is_some_and(fits)
    })
}

/// A step that has no room leaves a picture as it is.
fn fits(size: Size) -> bool {
    size.width <= WIDTH && size.height <= HEIGHT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Area, Kind, Original, Plate, Unit};
    use crate::name::Name;
    use crate::steps::fixtures::{self, Drawing, Written};

    fn event(images: Vec<Picture>) -> Arc<Event> {
        let name = Name::new("gate").unwrap();
        let mut event = Event::new(name, "acme", Kind::Plate, Arc::new(Original::default()));
        event.images = images;
        event.plates = vec![Plate {
            text: Some("AB123".to_owned()),
            area: Some(Area {
                xmin: 100,
                ymin: 100,
                xmax: 200,
                ymax: 150,
                unit: Unit::Pixels,
                image: Role::FRAME,
            }),
            ..Plate::default()
        }];
        Arc::new(event)
    }

    fn size(event: &Arc<Event>, item: Option<Item>, most: usize) -> Option<Size> {
        glance(event, item, most, Timestamp::UNIX_EPOCH)?.size()
    }

    #[test]
    fn shows_the_plate_and_else_the_whole_and_neither_when_there_is_no_room_for_it() {
        let frame = Drawing::of(1200, 800).written(Written::Png);
        let event = event(vec![fixtures::sent(Role::FRAME, None, frame)]);
        let plate = size(&event, Some(Item::Plate(0)), 64 << 20).unwrap();
        assert!(
            (100..=120).contains(&plate.width) && plate.height < 70,
            "{plate:?}"
        );
        let whole = size(&event, None, 64 << 20).unwrap();
        assert_eq!((whole.width, whole.height), (360, 240));
        assert_eq!(size(&event, Some(Item::Plate(1)), 64 << 20), None);
        assert_eq!(size(&event, None, 1 << 20), None);
        assert!(glance_bytes(&event, 64 << 20) >= 1200 * 800 * 3);
    }

    #[test]
    fn an_event_without_pictures_has_nothing_to_show() {
        let event = event(Vec::new());
        assert_eq!(size(&event, None, 64 << 20), None);
        assert_eq!(size(&event, Some(Item::Plate(0)), 64 << 20), None);
    }
}
