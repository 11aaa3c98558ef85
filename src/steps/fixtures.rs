//! For tests of steps: pictures drawn on the spot, and the cases under `tests/fixtures/steps/`.
//!
//! A case is a folder of three files: `settings.yaml` (the step, or a list of steps), `event.json` (the event, the item the delivery is
//! about, and what to draw as its pictures) and `expected.json` (what becomes of the delivery, the notes, all pictures).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use image::Rgb;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

pub(crate) use super::drawing::{Drawing, Written};
use super::{Flow, Work};
use crate::event::{Event, Item, Kind, Original, Picture, PictureData, Plate, Role, sniff};
use crate::lists::Lists;
use crate::name::Name;

pub(crate) fn event(plates: Vec<Plate>) -> Event {
    let source = Name::new("test").unwrap();
    Event {
        plates,
        ..Event::new(
            source,
            "generic",
            Kind::Plate,
            Arc::new(Original::default()),
        )
    }
}

pub(crate) fn sent(role: Role, item: Option<Item>, bytes: Vec<u8>) -> Picture {
    let content_type = sniff(&bytes).unwrap_or("image/jpeg").to_owned();
    Picture {
        role,
        item,
        content_type,
        data: PictureData::Bytes(Bytes::from(bytes)),
    }
}

/// A delivery of the whole event with these pictures.
pub(crate) fn work(mut event: Event, pictures: Vec<Picture>) -> Work {
    event.images = pictures;
    Work::new(
        Arc::new(event),
        None,
        Lists::default(),
        Timestamp::UNIX_EPOCH,
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    event: Value,
    #[serde(default)]
    item: Option<Item>,
    pictures: Vec<Drawn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Drawn {
    role: Role,
    #[serde(default)]
    item: Option<Item>,
    written: Written,
    size: [u32; 2],
    #[serde(default)]
    marks: Vec<Mark>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    corners: [u32; 4],
    color: [u8; 3],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// Why nothing is delivered; absent when the delivery goes on.
    #[serde(default)]
    filtered: Option<String>,
    /// Why it is dead; the rest is then not looked at.
    #[serde(default)]
    failed: Option<String>,
    notes: Vec<String>,
    pictures: Vec<Seen>,
    /// Corners that the event tells afterwards, by item and, behind a dot, `vehicle`; null where it tells none.
    #[serde(default)]
    boxes: BTreeMap<String, Option<[i32; 4]>>,
    /// What the event says then; fields that are not named may say anything.
    #[serde(default)]
    event: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    role: Role,
    #[serde(default)]
    item: Option<Item>,
    content_type: String,
    /// As stored; absent when there is no telling.
    #[serde(default)]
    size: Option<[u32; 2]>,
    /// The colour of all of it: exact in lossless pictures, about right away from the edges in a JPEG.
    #[serde(default)]
    color: Option<[u8; 3]>,
    /// Colours at places, compared like `color`; in a JPEG away from edges.
    #[serde(default)]
    points: Vec<Point>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Point {
    at: [u32; 2],
    /// Null where it is any other than what was drawn there; told by `not`.
    #[serde(default)]
    color: Option<[u8; 3]>,
    #[serde(default)]
    not: Option<[u8; 3]>,
}

/// Takes the step of every case in the folder and compares what came of it.
pub(crate) fn every_case(step: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/steps")
        .join(step);
    let mut cases: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(!cases.is_empty());
    for path in cases {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let read = |file: &str| std::fs::read_to_string(path.join(file)).unwrap();
        let steps = super::stories::steps(&name, &read("settings.yaml"));
        let case: Case = serde_json::from_str(&read("event.json")).unwrap();
        let expected: Expected = serde_json::from_str(&read("expected.json")).unwrap();
        let mut work = work(
            Event::from_json(case.event, Timestamp::UNIX_EPOCH).unwrap(),
            case.pictures.iter().map(Drawn::picture).collect(),
        );
        work.item = case.item;
        let taken = steps
            .iter()
            .try_fold(Flow::Continue, |taken, step| match taken {
                Flow::Continue => step.take(&mut work),
                ended @ Flow::Filtered { .. } => Ok(ended),
            });
        work.finish().unwrap();
        let flow = match (taken, &expected.failed) {
            (Ok(flow), None) => flow,
            (Err(error), Some(failed)) => {
                assert_eq!(error.to_string(), *failed, "{name}");
                continue;
            }
            (taken, failed) => panic!("{name}: {taken:?} instead of {failed:?}"),
        };
        let filtered = match flow {
            Flow::Continue => None,
            Flow::Filtered { reason } => Some(reason),
        };
        assert_eq!(work.notes, expected.notes, "{name}");
        assert_eq!(filtered, expected.filtered, "{name}");
        if let Some(event) = &expected.event {
            super::stories::holds(&name, &work.event.to_json(), event);
        }
        assert_eq!(
            work.pictures.len(),
            expected.pictures.len(),
            "{name}: {:?}",
            work.pictures
        );
        for (picture, seen) in work.pictures.iter().zip(&expected.pictures) {
            seen.compare(&name, picture);
        }
        for (item, corners) in &expected.boxes {
            assert_eq!(corners_of(&work.event, item), *corners, "{name}: {item}");
        }
    }
}

fn corners_of(event: &Event, item: &str) -> Option<[i32; 4]> {
    let (item, vehicle) = match item.strip_suffix(".vehicle") {
        Some(item) => (item, true),
        None => (item, false),
    };
    let area = match Item::try_from(item.to_owned()).unwrap() {
        Item::Plate(n) if vehicle => &event.plates[n].vehicle.as_ref().unwrap().area,
        Item::Plate(n) => &event.plates[n].area,
        Item::Face(n) => &event.faces[n].area,
        Item::Object(n) => &event.objects[n].area,
    };
    let area = area.as_ref()?;
    Some([area.xmin, area.ymin, area.xmax, area.ymax])
}

impl Drawn {
    fn picture(&self) -> Picture {
        let [width, height] = self.size;
        let blank = Drawing::of(width, height);
        let drawing = self.marks.iter().fold(blank, |drawing, mark| {
            drawing.with(mark.corners, mark.color)
        });
        sent(self.role.clone(), self.item, drawing.written(self.written))
    }
}

impl Seen {
    fn compare(&self, case: &str, picture: &Picture) {
        assert_eq!(
            (&picture.role, picture.item),
            (&self.role, self.item),
            "{case}"
        );
        assert_eq!(picture.content_type, self.content_type, "{case}");
        if let Some(size) = self.size {
            assert_eq!(
                picture.size().map(|size| [size.width, size.height]),
                Some(size),
                "{case}"
            );
        }
        if self.color.is_none() && self.points.is_empty() {
            return;
        }
        let image = image::load_from_memory(picture.bytes().unwrap())
            .unwrap()
            .to_rgb8();
        let lossy = self.content_type == "image/jpeg";
        // A JPEG smears colours over its blocks, so its edges tell of what was beside the cut.
        // What was scaled may be rounded another way by another processor.
        let (edge, tolerance) = if lossy { (8, 12) } else { (0, 1) };
        let near = |is: &Rgb<u8>, should: [u8; 3]| {
            is.0.iter()
                .zip(should)
                .all(|(is, should)| is.abs_diff(should) <= tolerance)
        };
        let (width, height) = image.dimensions();
        let everywhere = self.color.iter().flat_map(|color| {
            let pixels = image.enumerate_pixels();
            let inside = pixels.filter(|(x, y, _)| {
                *x >= edge && *y >= edge && x + edge < width && y + edge < height
            });
            inside.map(|(x, y, pixel)| (x, y, pixel, *color))
        });
        for (x, y, pixel, color) in everywhere {
            assert!(
                near(pixel, color),
                "{case}: {pixel:?} at {x}, {y} instead of {color:?}"
            );
        }
        for Point {
            at: [x, y],
            color,
            not,
        } in &self.points
        {
            let pixel = image.get_pixel(*x, *y);
            let role = &self.role;
            assert!(
                color.is_none_or(|color| near(pixel, color))
                    && not.is_none_or(|not| !near(pixel, not)),
                "{case}: {role} has {pixel:?} at {x}, {y} instead of {color:?}, not {not:?}"
            );
        }
    }
}
