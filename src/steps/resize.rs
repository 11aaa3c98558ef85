//! The `resize` step: pictures in another size, for receivers that take only small ones or only one size.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::album::{Album, Photo};
use super::choice::{On, PictureName, put};
use super::encode::{Format, Quality};
use super::made::Writing;
use super::places::Places;
use super::scale::{Part, scaled};
use super::{Flow, Mistakes, Step, StepError, Work, wrong};
use crate::event::{Picture, Size};
use crate::template::Engine;

pub(super) const NAME: &str = "resize";

/// Makes pictures smaller (or, with `enlarge`, larger). Boxes of the event that count in pixels of a picture count in the
/// resized one afterwards. What cannot be decoded goes on as it is, with a note.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Resize")]
pub(crate) struct Settings {
    /// Which pictures: `frame` (default), `vehicle`, `plate`, `face`, `thumbnail`, a name that an earlier step gave with
    /// `as`, or `all`.
    on: On,
    /// In pixels, from 1 to 65535. At least one of `width` and `height` is needed.
    #[schemars(range(min = 1, max = 65_535))]
    width: Option<u32>,
    /// In pixels, from 1 to 65535.
    #[schemars(range(min = 1, max = 65_535))]
    height: Option<u32>,
    /// `inside` (default): all of the picture, in its proportions, no larger than `width` and `height`. `cover`: cut in the
    /// middle to the proportions of `width` and `height`. `exact`: stretched to them.
    fit: Fit,
    /// Whether pictures that are smaller are made larger. Default false: they keep their size (`cover` still cuts them to
    /// the proportions).
    enlarge: bool,
    /// A name of its own for the result, `images.NAME`; the picture itself then stays as it is.
    #[serde(rename = "as")]
    name: Option<PictureName>,
    /// How the result is written: `jpeg`, `png` or `webp` (lossless). Default: as the picture was.
    format: Option<Format>,
    /// JPEG quality from 1 to 100, default 90. Of no effect on `png` and `webp`.
    quality: Option<Quality>,
    /// Pictures with more pixels are not decoded, and none is made larger than this. Default 100000000 (100 megapixels, up
    /// to 400 MB while decoded).
    #[schemars(range(min = 1))]
    max_pixels: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            on: On::default(),
            width: None,
            height: None,
            fit: Fit::default(),
            enlarge: false,
            name: None,
            format: None,
            quality: None,
            max_pixels: 100_000_000,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Fit {
    #[default]
    Inside,
    Cover,
    Exact,
}

/// The step, ready to be taken.
pub(super) struct Resize(Settings);

impl Resize {
    pub(super) fn new(settings: Settings, engine: &Engine) -> Result<Self, Mistakes> {
        let mut mistakes = Vec::new();
        if let Err(mistake) = settings.on.check(engine) {
            mistakes.push((vec!["on".to_owned()], mistake));
        }
        let sides = [("width", settings.width), ("height", settings.height)];
        for (name, side) in sides {
            if side.is_some_and(|side| !(1..=65_535).contains(&side)) {
                mistakes.push(wrong(&[name], "a side is from 1 to 65535 pixels", None));
            }
        }
        if sides.iter().all(|(_, side)| side.is_none()) {
            let help = "such as `resize: { width: 1280 }`; the height follows";
            mistakes.push(wrong(&[], "neither `width` nor `height`", Some(help)));
        } else if settings.fit != Fit::Inside
            && let Some((missing, _)) = sides.iter().find(|(_, side)| side.is_none())
        {
            let message = format!("this `fit` needs a `{missing}` too");
            mistakes.push(wrong(&["fit"], &message, None));
        }
        match mistakes.is_empty() {
            true => Ok(Self(settings)),
            false => Err(mistakes),
        }
    }

    /// Which part of a picture of that size becomes a picture of which size.
    fn plan(&self, size: Size) -> (Part, Size) {
        let Settings {
            width, height, fit, ..
        } = self.0;
        let (own_width, own_height) = (f64::from(size.width), f64::from(size.height));
        let wide = width.map(|width| f64::from(width) / own_width);
        let high = height.map(|height| f64::from(height) / own_height);
        let limit = |scale: f64| {
            if self.0.enlarge {
                scale
            } else {
                scale.min(1.0)
            }
        };
        // The casts saturate; no picture is less than a pixel.
        let side = |length: f64| (length.round() as u32).max(1);
        match (fit, wide, high) {
            (Fit::Exact, Some(wide), Some(high)) => {
                let to = Size {
                    width: side(own_width * limit(wide)),
                    height: side(own_height * limit(high)),
                };
                (Part::whole(size), to)
            }
            (Fit::Cover, Some(wide), Some(high)) => {
                let scale = limit(wide.max(high));
                let within = |wanted: f64, own: f64| (own * wanted).min(own * scale);
                let to = Size {
                    width: side(within(wide, own_width)),
                    height: side(within(high, own_height)),
                };
                let part = |length: u32, own: f64| (f64::from(length) / scale).min(own);
                let (width, height) = (part(to.width, own_width), part(to.height, own_height));
                let part = Part {
                    x: (own_width - width) / 2.0,
                    y: (own_height - height) / 2.0,
                    width,
                    height,
                };
                (part, to)
            }
            (Fit::Inside | Fit::Cover | Fit::Exact, wide, high) => {
                let scale = wide
                    .unwrap_or(f64::INFINITY)
                    .min(high.unwrap_or(f64::INFINITY));
                let scale = limit(scale);
                let to = Size {
                    width: side(own_width * scale),
                    height: side(own_height * scale),
                };
                (Part::whole(size), to)
            }
        }
    }

    /// The picture in its new size; `None` when it has that size.
    fn resized(&self, photo: &Photo, places: &Places<'_>) -> Result<Option<Picture>, String> {
        let unreadable = || photo.complaint().unwrap_or_default().to_owned();
        let size = photo.size().ok_or_else(unreadable)?;
        let (part, to) = self.plan(size);
        let writing = Writing {
            format: self.0.format,
            quality: self.0.quality,
        };
        if to == size && part == Part::whole(size) {
            return Ok(None);
        }
        let pixels = u64::from(to.width) * u64::from(to.height);
        if pixels > self.0.max_pixels {
            let (Size { width, height }, max) = (to, self.0.max_pixels);
            return Err(format!(
                "{width}x{height} is more than max_pixels allows ({max})"
            ));
        }
        writing.format(&photo.picture).has_room_for(to)?;
        let image = photo.image().ok_or_else(unreadable)?;
        let image = scaled(image, part, to)?;
        let (x, y) = (
            f64::from(to.width) / part.width,
            f64::from(to.height) / part.height,
        );
        let origin = places.origin(photo);
        let origin = origin.map(|origin| origin.moved(-part.x, -part.y).scaled(x, y));
        writing.remade(&photo.picture, image, origin).map(Some)
    }
}

impl Step for Resize {
    fn name(&self) -> &'static str {
        NAME
    }

    fn take(&self, work: &mut Work) -> Result<Flow, StepError> {
        let settings = &self.0;
        let event = Arc::clone(&work.event);
        let places = Places::of(&event, settings.max_pixels, &work.opened);
        let album = Album::of(&work.pictures, settings.max_pixels, &work.opened);
        for at in settings.on.among(work, NAME) {
            let Some(photo) = album.photos().nth(at) else {
                continue;
            };
            let role = &photo.picture.role;
            let note = match self.resized(photo, &places) {
                Ok(Some(picture)) => {
                    let sides = |size: Option<Size>| {
                        size.map_or_else(String::new, |size| {
                            format!("{}x{}", size.width, size.height)
                        })
                    };
                    let (from, to) = (sides(photo.size()), sides(picture.size()));
                    put(picture, at, settings.name.as_ref(), &mut work.pictures);
                    format!("{role}: {to} from {from}")
                }
                Ok(None) => {
                    if settings.name.is_some() {
                        let same = photo.picture.clone();
                        put(same, at, settings.name.as_ref(), &mut work.pictures);
                    }
                    format!("{role}: has the size that is wanted")
                }
                Err(reason) => format!("{role}: not resized, {reason}"),
            };
            work.notes.push(note);
        }
        Ok(Flow::Continue)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn built(yaml: &str) -> Result<Resize, Mistakes> {
        Resize::new(serde_saphyr::from_str(yaml).unwrap(), &Engine::new(&[]))
    }

    #[test]
    fn every_case_comes_out_as_expected() {
        crate::steps::fixtures::every_case("resize");
    }

    #[test]
    fn settings_that_make_no_size_are_refused() {
        for (yaml, said) in [
            ("{}", "neither"),
            ("width: 0", "a side is"),
            ("height: 70000", "a side is"),
            ("{ width: 10, fit: cover }", "`height`"),
            ("{ height: 10, fit: exact }", "`width`"),
        ] {
            let Err(mistakes) = built(yaml) else {
                panic!("{yaml}");
            };
            assert!(mistakes[0].1.message.contains(said), "{yaml}: {mistakes:?}");
        }
    }

    proptest! {
        #[test]
        fn no_plan_leaves_the_picture_or_the_size(
            own in (1u32..5_000, 1u32..5_000),
            wanted in (1u32..=65_535, 1u32..=65_535),
            fit in prop_oneof![Just("inside"), Just("cover"), Just("exact")],
            enlarge: bool,
        ) {
            let (width, height) = wanted;
            let resize = built(&format!("{{ width: {width}, height: {height}, fit: {fit}, enlarge: {enlarge} }}")).unwrap();
            let (part, to) = resize.plan(Size { width: own.0, height: own.1 });
            prop_assert!(part.x >= 0.0 && part.y >= 0.0 && part.width > 0.0 && part.height > 0.0);
            prop_assert!(part.x + part.width <= f64::from(own.0) + 1e-6);
            prop_assert!(part.y + part.height <= f64::from(own.1) + 1e-6);
            prop_assert!((1..=width).contains(&to.width) && (1..=height).contains(&to.height));
            prop_assert!(enlarge || (to.width <= own.0 && to.height <= own.1));
        }
    }
}
