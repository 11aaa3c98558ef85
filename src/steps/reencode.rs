//! The `reencode` step: pictures in another format, or within a budget of bytes.
//!
//! The budget is met by quality first, since receivers care for detail more than for smoothness, and by size only when the
//! worst quality that is still of use does not do. Each try costs an encoding of the whole picture, so there are few.

use std::sync::Arc;

use bytes::Bytes;
use image::DynamicImage;
use schemars::JsonSchema;
use serde::Deserialize;

use super::album::{Album, Photo};
use super::choice::{On, PictureName, put};
use super::encode::{Format, Quality};
use super::made::{Writing, size_of, written};
use super::places::Places;
use super::scale::{Part, scaled};
use super::{Flow, Mistakes, Step, StepError, Work, wrong};
use crate::event::{Picture, Size};
use crate::template::Engine;
use crate::units::ByteSize;

pub(super) const NAME: &str = "reencode";

/// Encodings of one picture.
const TRIES_MAX: u32 = 8;
/// A picture is not made narrower or lower than this to save bytes.
const SIDE_MIN: u32 = 16;

/// Writes pictures anew: in another format, of another quality, or so that they have at most so many bytes. EXIF and all
/// other metadata, positions too, are gone afterwards, and the picture is turned as EXIF said.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Reencode")]
pub(crate) struct Settings {
    /// Which pictures: `frame` (default), `vehicle`, `plate`, `face`, `thumbnail`, a name that an earlier step gave with
    /// `as`, or `all`.
    on: On,
    /// A name of its own for the result, `images.NAME`; the picture itself then stays as it is.
    #[serde(rename = "as")]
    name: Option<PictureName>,
    /// How the result is written: `jpeg` (default), `png`, or `webp` (lossless).
    format: Format,
    /// JPEG quality from 1 to 100, default 90; with `max_bytes`, the best that is tried. Of no effect on `png` and `webp`.
    quality: Quality,
    /// The most bytes the result may have, such as `200KiB`. The quality goes down as far as needed, to `min_quality`; then
    /// the picture becomes smaller. Default: as many as it takes.
    max_bytes: Option<ByteSize>,
    /// JPEG quality below which the picture is rather made smaller. Default 40.
    min_quality: MinQuality,
    /// What happens when a picture cannot be decoded, or not be made as small as `max_bytes`: `error` (default, the delivery
    /// is dead) or `leave_out` (it goes on without the picture).
    #[serde(rename = "else")]
    otherwise: Otherwise,
    /// Pictures with more pixels are not decoded. Default 100000000 (100 megapixels, up to 400 MB while decoded).
    #[schemars(range(min = 1))]
    max_pixels: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            on: On::default(),
            name: None,
            format: Format::default(),
            quality: Quality::default(),
            max_bytes: None,
            min_quality: MinQuality::default(),
            otherwise: Otherwise::default(),
            max_pixels: 100_000_000,
        }
    }
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
struct MinQuality(Quality);

impl Default for MinQuality {
    fn default() -> Self {
        Self(Quality(40))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Otherwise {
    #[default]
    Error,
    LeaveOut,
}

/// The step, ready to be taken.
pub(super) struct Reencode(Settings);

/// A picture as it was written.
struct Tried {
    bytes: Bytes,
    quality: Quality,
    /// `None` when it is the picture in its own size.
    smaller: Option<DynamicImage>,
}

impl Reencode {
    pub(super) fn new(settings: Settings, engine: &Engine) -> Result<Self, Mistakes> {
        let mut mistakes = Vec::new();
        if let Err(mistake) = settings.on.check(engine) {
            mistakes.push((vec!["on".to_owned()], mistake));
        }
        if settings.max_bytes.is_some_and(|max| max.0 == 0) {
            let help = "such as `max_bytes: 200KiB`";
            mistakes.push(wrong(&["max_bytes"], "no picture has 0 bytes", Some(help)));
        }
        match mistakes.is_empty() {
            true => Ok(Self(settings)),
            false => Err(mistakes),
        }
    }

    fn again(&self, photo: &Photo, places: &Places<'_>) -> Result<(Picture, String), String> {
        let unreadable = || photo.complaint().unwrap_or_default().to_owned();
        let Settings {
            format, quality, ..
        } = self.0;
        let size = photo.size().ok_or_else(unreadable)?;
        format.has_room_for(size)?;
        let image = photo.image().ok_or_else(unreadable)?;
        let origin = places.origin(photo);
        let Some(max) = self.0.max_bytes else {
            let writing = Writing {
                format: Some(format),
                quality: Some(quality),
            };
            let picture = writing.remade(&photo.picture, image.clone(), origin)?;
            let Size { width, height } = size;
            return Ok((picture, format!("{}, {width}x{height}", self.told(quality))));
        };
        let tried = self.within(image, max.bytes())?;
        let image = tried.smaller.unwrap_or_else(|| image.clone());
        let to = size_of(&image);
        let shrunk = |to: u32, from: u32| f64::from(to) / f64::from(from);
        let (x, y) = (shrunk(to.width, size.width), shrunk(to.height, size.height));
        let origin = origin.map(|origin| origin.scaled(x, y));
        let note = format!(
            "{} bytes as {}, {}x{}",
            tried.bytes.len(),
            self.told(tried.quality),
            to.width,
            to.height
        );
        let (before, bytes) = (&photo.picture, tried.bytes);
        Ok((
            written(before, image, origin, format, tried.quality, bytes),
            note,
        ))
    }

    fn told(&self, quality: Quality) -> String {
        match self.0.format {
            Format::Jpeg => format!("jpeg of quality {}", quality.0),
            Format::Png => "png".to_owned(),
            Format::Webp => "webp".to_owned(),
        }
    }

    /// The picture at the best quality with so many bytes, or smaller.
    fn within(&self, image: &DynamicImage, bytes_max: usize) -> Result<Tried, String> {
        let Settings {
            format, quality, ..
        } = self.0;
        let mut tries = 0;
        let mut write = |image: &DynamicImage, quality: Quality| {
            tries += 1;
            let bytes = format.write(image, quality);
            bytes
                .map_err(|error| format!("could not be written: {error}"))
                .map(|bytes| (bytes, tries))
        };
        let as_it_is = |bytes, quality| Tried {
            bytes,
            quality,
            smaller: None,
        };
        let (best, _) = write(image, quality)?;
        if best.len() <= bytes_max {
            return Ok(as_it_is(best, quality));
        }
        let mut least = best.len();
        let mut floor = quality;
        if format == Format::Jpeg && self.0.min_quality.0.0 < quality.0 {
            floor = self.0.min_quality.0;
            let (worst, _) = write(image, floor)?;
            least = worst.len();
            if worst.len() <= bytes_max {
                let mut found = (worst, floor);
                let (mut fits, mut exceeds) = (floor.0, quality.0);
                while exceeds - fits > 1 {
                    let middle = Quality(fits.midpoint(exceeds));
                    let (bytes, tries) = write(image, middle)?;
                    if bytes.len() <= bytes_max {
                        (fits, found) = (middle.0, (bytes, middle));
                    } else {
                        exceeds = middle.0;
                    }
                    if tries == TRIES_MAX {
                        break;
                    }
                }
                return Ok(as_it_is(found.0, found.1));
            }
        }
        let own = size_of(image);
        let mut to = own;
        loop {
            // Bytes go roughly with the area; a little less, so that one more try will mostly do.
            let ratio = ((bytes_max as f64 / least as f64).sqrt() * 0.95).clamp(0.05, 0.9);
            let side = |length: u32| (f64::from(length) * ratio).round() as u32;
            to = Size {
                width: side(to.width),
                height: side(to.height),
            };
            if to.width < SIDE_MIN || to.height < SIDE_MIN {
                break;
            }
            let smaller = scaled(image, Part::whole(own), to)?;
            let (bytes, tries) = write(&smaller, floor)?;
            least = bytes.len();
            if bytes.len() <= bytes_max {
                return Ok(Tried {
                    bytes,
                    quality: floor,
                    smaller: Some(smaller),
                });
            }
            if tries == TRIES_MAX {
                break;
            }
        }
        Err(format!(
            "even as {} and smaller it has more than {bytes_max} bytes ({least})",
            self.told(floor)
        ))
    }
}

impl Step for Reencode {
    fn name(&self) -> &'static str {
        NAME
    }

    fn take(&self, work: &mut Work) -> Result<Flow, StepError> {
        let settings = &self.0;
        let event = Arc::clone(&work.event);
        let places = Places::of(&event, settings.max_pixels, &work.opened);
        let album = Album::of(&work.pictures, settings.max_pixels, &work.opened);
        let mut left_out = Vec::new();
        for at in settings.on.among(work, NAME) {
            let Some(photo) = album.photos().nth(at) else {
                continue;
            };
            let role = &photo.picture.role;
            let note = match (self.again(photo, &places), settings.otherwise) {
                (Ok((picture, note)), _) => {
                    put(picture, at, settings.name.as_ref(), &mut work.pictures);
                    format!("{role}: {note}")
                }
                (Err(reason), Otherwise::LeaveOut) => {
                    if settings.name.is_none() {
                        left_out.push(at);
                    }
                    format!("{role}: left out, {reason}")
                }
                (Err(reason), Otherwise::Error) => {
                    return Err(StepError {
                        step: NAME,
                        reason: format!("{role}: {reason}"),
                    });
                }
            };
            work.notes.push(note);
        }
        for at in left_out.into_iter().rev() {
            work.pictures.remove(at);
        }
        Ok(Flow::Continue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Role;
    use crate::steps::fixtures::{Drawing, Written, event, sent, work};

    fn built(yaml: &str) -> Reencode {
        Reencode::new(serde_saphyr::from_str(yaml).unwrap(), &Engine::new(&[])).unwrap()
    }

    /// What becomes of a noisy picture of 400 x 300.
    fn taken(yaml: &str) -> Result<Work, StepError> {
        let noise = |x: u32, y: u32| {
            let mixed = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(2_246_822_519))
                .wrapping_mul(3_266_489_917);
            [
                mixed.to_be_bytes()[0],
                mixed.to_be_bytes()[1],
                mixed.to_be_bytes()[2],
            ]
        };
        let mut drawing = Drawing::of(400, 300);
        for y in 0..300 {
            for x in 0..400 {
                drawing = drawing.with([x, y, x + 1, y + 1], noise(x, y));
            }
        }
        let mut work = work(
            event(Vec::new()),
            vec![sent(Role::FRAME, None, drawing.written(Written::Png))],
        );
        built(yaml).take(&mut work)?;
        work.finish().unwrap();
        Ok(work)
    }

    #[test]
    fn every_case_comes_out_as_expected() {
        crate::steps::fixtures::every_case("reencode");
    }

    #[test]
    fn the_best_quality_that_fits_is_found() {
        let all = taken("{}").unwrap();
        let whole = all.pictures[0].bytes().unwrap().len();
        assert_eq!(all.notes, ["frame: jpeg of quality 90, 400x300"]);
        let budget = whole / 2;
        let work = taken(&format!("max_bytes: {budget}B")).unwrap();
        let bytes = work.pictures[0].bytes().unwrap().len();
        assert!(
            bytes <= budget && bytes > budget * 9 / 10,
            "{bytes} of {budget}"
        );
        assert!(work.notes[0].contains("400x300"), "{:?}", work.notes);
    }

    #[test]
    fn what_quality_does_not_do_is_done_by_size() {
        for format in ["jpeg", "png", "webp"] {
            let work = taken(&format!("{{ format: {format}, max_bytes: 12KiB }}")).unwrap();
            let picture = &work.pictures[0];
            assert!(picture.bytes().unwrap().len() <= 12 << 10);
            assert_eq!(picture.content_type, format!("image/{format}"));
            let size = picture.size().unwrap();
            assert!(size.width < 400 && size.width > 50, "{:?}", work.notes);
        }
    }

    #[test]
    fn what_cannot_be_made_so_small_is_an_error_or_left_out() {
        let error = taken("max_bytes: 100B").unwrap_err().to_string();
        assert!(error.contains("more than 100 bytes"), "{error}");
        let work = taken("{ max_bytes: 100B, else: leave_out }").unwrap();
        assert!(work.pictures.is_empty());
        assert!(work.notes[0].contains("left out"), "{:?}", work.notes);
    }

    #[test]
    fn a_budget_of_nothing_is_refused() {
        let settings = serde_saphyr::from_str("max_bytes: 0B").unwrap();
        assert!(Reencode::new(settings, &Engine::new(&[])).is_err());
    }
}
