//! For tests of steps: pictures drawn on the spot, and the cases under `tests/fixtures/steps/`.
//!
//! A case is a folder of three files: `settings.yaml` (the step, or a list of steps), `event.json` (the event, the item the delivery is
//! about, and what to draw as its pictures) and `expected.json` (what becomes of the delivery, the notes, all pictures).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use jiff::Timestamp;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use serde::Deserialize;
use serde_json::Value;

use super::{Flow, Work};
use crate::event::{Event, Item, Kind, Original, Picture, PictureData, Plate, Role, sniff};
use crate::lists::Lists;
use crate::name::Name;

/// A picture of coloured rectangles on a restless dark ground, which never has a rectangle's colour.
#[derive(Clone)]
pub(crate) struct Drawing(RgbImage);

/// How a drawing is turned into bytes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Written {
    Jpeg,
    ProgressiveJpeg,
    /// Sequential, with every colour in a scan of its own.
    MultiScanJpeg,
    /// Stored lying on its side, with the EXIF orientation that turns it upright (6).
    TurnedJpeg,
    /// With inks in place of light, as printers have it.
    CmykJpeg,
    Png,
    Webp,
    /// A PNG whose header promises 30,000 x 30,000 pixels.
    Bomb,
    Gif,
    Garbage,
}

impl Drawing {
    pub(crate) fn of(width: u32, height: u32) -> Self {
        Self(RgbImage::from_fn(width, height, |x, y| {
            let shade = u8::try_from((x * 7 + y * 13) % 32).expect("below 32");
            Rgb([20 + shade, 24 + shade, 32 + shade])
        }))
    }

    /// With a filled rectangle from its left upper to its outer right lower corner.
    pub(crate) fn with(mut self, corners: [u32; 4], color: [u8; 3]) -> Self {
        let [xmin, ymin, xmax, ymax] = corners;
        for y in ymin..ymax {
            for x in xmin..xmax {
                self.0.put_pixel(x, y, Rgb(color));
            }
        }
        self
    }

    pub(crate) fn written(&self, how: Written) -> Vec<u8> {
        match how {
            Written::Jpeg => jpeg(&self.0, |_| {}),
            Written::ProgressiveJpeg => jpeg(&self.0, |encoder| encoder.set_progressive(true)),
            Written::MultiScanJpeg => jpeg(&self.0, |encoder| {
                encoder.set_sampling_factor(SamplingFactor::F_2_2);
                encoder.set_optimized_huffman_tables(true);
            }),
            Written::TurnedJpeg => turned(&jpeg(&image::imageops::rotate270(&self.0), |_| {})),
            Written::CmykJpeg => cmyk(&self.0),
            Written::Png => self.lossless(ImageFormat::Png),
            Written::Webp => self.lossless(ImageFormat::WebP),
            Written::Bomb => bomb(self.lossless(ImageFormat::Png)),
            Written::Gif => b"GIF89a\x20\x00\x20\x00\x00\x00\x00;".to_vec(),
            Written::Garbage => b"\xff\xd8\xff and then no picture at all".to_vec(),
        }
    }

    fn lossless(&self, format: ImageFormat) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        DynamicImage::from(self.0.clone())
            .write_to(&mut bytes, format)
            .unwrap();
        bytes.into_inner()
    }
}

fn jpeg(image: &RgbImage, how: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    encoded(image.as_raw(), image, ColorType::Rgb, how)
}

fn encoded(
    samples: &[u8],
    image: &RgbImage,
    kind: ColorType,
    how: impl FnOnce(&mut Encoder<&mut Vec<u8>>),
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 95);
    how(&mut encoder);
    let (width, height) = image.dimensions();
    let side = |length: u32| u16::try_from(length).unwrap();
    let (width, height) = (side(width), side(height));
    encoder.encode(samples, width, height, kind).unwrap();
    bytes
}

fn cmyk(image: &RgbImage) -> Vec<u8> {
    let inks = |Rgb([r, g, b]): &Rgb<u8>| [255 - r, 255 - g, 255 - b, 0];
    let inks: Vec<u8> = image.pixels().flat_map(inks).collect();
    encoded(&inks, image, ColorType::Cmyk, |_| {})
}

/// Puts an EXIF segment with one entry, the orientation, behind the start of the picture.
fn turned(jpeg: &[u8]) -> Vec<u8> {
    let tiff = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let length = u16::try_from(2 + 6 + tiff.len()).unwrap().to_be_bytes();
    [
        &jpeg[..2],
        &[0xff, 0xe1],
        &length,
        b"Exif\0\0",
        tiff,
        &jpeg[2..],
    ]
    .concat()
}

fn bomb(mut png: Vec<u8>) -> Vec<u8> {
    png[16..20].copy_from_slice(&30_000_u32.to_be_bytes());
    png[20..24].copy_from_slice(&30_000_u32.to_be_bytes());
    let sum = checksum(&png[12..29]).to_be_bytes();
    png[29..33].copy_from_slice(&sum);
    png
}

/// PNG's CRC-32.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}

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
