//! The `blur` step: plates, faces or parts of the scene made unreadable in every picture of the event.
//!
//! It fails closed. A picture is shown only when it is known where all that must not be seen lies in it; the rest is left
//! out. So a frame with one plate whose box nobody told is left out, and so is the sender's own close-up of a face, in
//! which no box of a plate can be found. What nobody reported cannot be hidden: for that there is `outside`.

mod settings;
mod smear;

use std::sync::Arc;

use super::album::{Album, Photo};
use super::made::{Writing, size_of};
use super::places::{Places, Thing, What};
use super::{Flow, Mistakes, Step, StepError, Work, wrong};
use crate::event::{Event, Item, Origin, Picture, PictureData, Pixels, Role, Size, Spot};
use crate::template::{Condition, Engine, Names, Scope};
use settings::{How, Shape};
use smear::{Area, Smear};

pub(crate) use settings::Settings;

pub(super) const NAME: &str = "blur";

/// How much more than its box a sender's close-up may show, on each side, in parts of the box.
const MARGIN: f64 = 0.5;
/// However small a box, so many pixels around it go too.
const PAD_MIN: f64 = 2.0;

/// The step, ready to be taken.
pub(super) struct Blur {
    settings: Settings,
    what: Vec<What>,
    only: Option<Condition>,
    except: Option<Condition>,
}

/// What becomes of one picture.
enum Outcome {
    /// Nothing in it has to go.
    Untouched,
    Smeared(Picture, usize),
    LeftOut(String),
}

impl Blur {
    pub(super) fn new(settings: Settings, engine: &Engine) -> Result<Self, Mistakes> {
        let mut mistakes = Vec::new();
        let mut condition = |key: &str, source: &Option<String>| {
            let condition = engine.condition(source.as_deref()?, Names::Choosing);
            let condition = condition.map_err(|mistake| {
                mistakes.push((vec![key.to_owned()], mistake));
            });
            condition.ok()
        };
        let only = condition("only", &settings.only);
        let except = condition("except", &settings.except);
        if let Some(message) = settings.outside.as_ref().and_then(Shape::mistake) {
            mistakes.push(wrong(&["outside"], message, None));
        }
        for (n, shape) in settings.regions.iter().enumerate() {
            if let Some(message) = shape.mistake() {
                mistakes.push(wrong(&["regions", &n.to_string()], message, None));
            }
        }
        let shaped = settings.outside.is_some() || !settings.regions.is_empty();
        let what = match &settings.what {
            Some(what) => what.clone(),
            None if shaped => Vec::new(),
            None => vec![What::Plates, What::Faces],
        };
        if what.is_empty() && !shaped {
            let help = "name some under `what`, or set `outside` or `regions`";
            mistakes.push(wrong(&["what"], "nothing is made unreadable", Some(help)));
        }
        match mistakes.is_empty() {
            true => Ok(Self {
                settings,
                what,
                only,
                except,
            }),
            false => Err(mistakes),
        }
    }

    /// What must not be seen.
    fn hidden<'a>(&self, event: &'a Event, own: Option<Item>, scope: &Scope) -> Vec<Thing<'a>> {
        let own = own.filter(|_| self.settings.keep_own);
        let is_there = |thing: &Thing<'_>| match (thing.what, thing.item) {
            // A vehicle whose plate was not found comes as a plate of which nothing is known.
            (What::Plates, Item::Plate(n)) => {
                let text = event.plates.get(n).and_then(|plate| plate.text.as_ref());
                thing.area.is_some() || text.is_some()
            }
            _ => true,
        };
        self.what
            .iter()
            .flat_map(|what| what.of(event))
            .filter(|thing| Some(thing.item) != own && is_there(thing))
            .filter(|thing| {
                let scope = scope.about(thing.item);
                let says_no = |only: &Condition| only.evaluated(&scope) == Some(false);
                let is_exempt = |except: &Condition| except.evaluated(&scope) == Some(true);
                !self.only.as_ref().is_some_and(says_no)
                    && !self.except.as_ref().is_some_and(is_exempt)
            })
            .collect()
    }

    fn outcome(&self, photo: &Photo, places: &Places<'_>, hidden: &[Thing<'_>]) -> Outcome {
        if let PictureData::Url(_) = photo.picture.data {
            return Outcome::LeftOut("known only by its address".to_owned());
        }
        let (Some(size), Some(origin)) = (photo.size(), places.origin(photo)) else {
            let why = photo.complaint().unwrap_or("nobody knows what it shows");
            return Outcome::LeftOut(why.to_owned());
        };
        if !places.is_certain(photo, &origin) {
            let why = "it is one of several frames, and boxes do not say which they count in";
            return Outcome::LeftOut(why.to_owned());
        }
        let spots = match self.spots(&origin, places, hidden) {
            Ok(spots) => spots,
            Err(reason) => return Outcome::LeftOut(reason),
        };
        let areas = match self.areas(&origin, places) {
            Ok(areas) => areas,
            Err(reason) => return Outcome::LeftOut(reason.to_owned()),
        };
        let places: Vec<_> = spots
            .iter()
            .filter_map(|spot| {
                let pad = self.settings.pad.0;
                let grown = spot.grown(
                    pad.of(spot.width()).max(PAD_MIN),
                    pad.of(spot.height()).max(PAD_MIN),
                );
                // Something of the thing itself must lie inside, not of its pad alone.
                spot.covering(size)?;
                grown.covering(size)
            })
            .collect();
        if places.is_empty() && areas.is_empty() {
            return Outcome::Untouched;
        }
        let Some(image) = photo.image() else {
            let why = photo.complaint().unwrap_or_default();
            return Outcome::LeftOut(why.to_owned());
        };
        let mut image = image.to_rgb8();
        let smear = |patches| Smear {
            how: self.settings.how,
            color: self.settings.color,
            patches,
        };
        let of_all = smear(self.settings.strength.patches_of_a_picture());
        for (area, outside) in &areas {
            let runs = |y| match outside {
                true => area.outside(y, size.width),
                false => area.inside(y, size.width),
            };
            of_all.over(&mut image, whole(size), runs);
        }
        let of_one = smear(self.settings.strength.patches_of_a_box());
        for place in &places {
            of_one.over(&mut image, *place, |_| vec![(0, size.width)]);
        }
        let image = image::DynamicImage::from(image);
        debug_assert_eq!(size_of(&image), size);
        let writing = Writing {
            format: self.settings.format,
            quality: self.settings.quality,
        };
        match writing.remade(&photo.picture, image, Some(origin)) {
            Ok(picture) => Outcome::Smeared(picture, places.len() + areas.len()),
            Err(reason) => Outcome::LeftOut(reason),
        }
    }

    /// Where what must not be seen lies in a picture of that origin; why the picture cannot be shown.
    fn spots(
        &self,
        origin: &Origin,
        places: &Places<'_>,
        hidden: &[Thing<'_>],
    ) -> Result<Vec<Spot>, String> {
        let mut spots = Vec::new();
        for thing in hidden {
            let close_up = match thing.what {
                What::Plates => Role::PLATE,
                What::Faces => Role::FACE,
                What::Vehicles | What::Objects => Role::THUMBNAIL,
            };
            let item = thing.item;
            if origin.role == close_up && origin.item.is_none_or(|shown| shown == item) {
                return Err(format!("it is the sender's close-up of {item}"));
            }
            if [Role::PLATE, Role::FACE].contains(&origin.role)
                && self.is_apart(thing, origin, places)
            {
                continue;
            }
            let spot = places.find(thing, origin).and_then(|spot| {
                let sent = Origin::sent(origin.role.clone(), origin.item, origin.size);
                let lost = places.find(thing, &sent)?.covering(origin.size).is_none();
                let is_of_it = origin.item == Some(item) || origin.role == Role::FRAME;
                match () {
                    () if lost && is_of_it => {
                        Err("the box lies outside of the picture it counts in")
                    }
                    () if origin.role == Role::FRAME
                        && origin.item.is_some_and(|shown| shown != item) =>
                    {
                        Err("it is the frame of another item")
                    }
                    () => Ok(spot),
                }
            });
            spots.push(spot.map_err(|reason| format!("{item}: {reason}"))?);
        }
        Ok(spots)
    }

    /// Whether the sender's close-up of another item cannot show this thing, because their boxes lie apart in the frame.
    fn is_apart(&self, thing: &Thing<'_>, close_up: &Origin, places: &Places<'_>) -> bool {
        let shown = [What::Plates, What::Faces]
            .iter()
            .flat_map(|what| what.of(places.event()))
            .find(|other| Some(other.item) == close_up.item);
        let (Some(shown), Some(frame)) = (shown, places.sent_frame()) else {
            return false;
        };
        let (Ok(shown), Ok(thing)) = (places.find(&shown, &frame), places.find(thing, &frame))
        else {
            return false;
        };
        let shown = shown.grown(shown.width() * MARGIN, shown.height() * MARGIN);
        let pad = self.settings.pad.0;
        let thing = thing.grown(pad.of(thing.width()), pad.of(thing.height()));
        !shown.meets(thing)
    }

    /// The parts of the frame as they lie in a picture of that origin, each with whether what is outside goes.
    fn areas(
        &self,
        origin: &Origin,
        places: &Places<'_>,
    ) -> Result<Vec<(Area, bool)>, &'static str> {
        let outside = self.settings.outside.iter().map(|shape| (shape, true));
        let inside = self.settings.regions.iter().map(|shape| (shape, false));
        outside
            .chain(inside)
            .map(|(shape, outside)| {
                let part = places.in_the_frame(origin)?;
                let corners = shape.corners(part.size).into_iter();
                let corners = corners.map(|corner| part.mapping.point(corner));
                Ok((Area(corners.collect()), outside))
            })
            .collect()
    }
}

impl Step for Blur {
    fn name(&self) -> &'static str {
        NAME
    }

    fn take(&self, work: &mut Work) -> Result<Flow, StepError> {
        let event = Arc::clone(&work.event);
        let hidden = self.hidden(&event, work.item, &work.scope());
        let shaped = self.settings.outside.is_some() || !self.settings.regions.is_empty();
        work.alone = true;
        if hidden.is_empty() && !shaped {
            work.notes
                .push("blur: there is nothing to make unreadable".to_owned());
            return Ok(Flow::Continue);
        }
        work.private = true;
        let max_pixels = self.settings.max_pixels;
        let places = Places::of(&event, max_pixels, &work.opened);
        let album = Album::of(&work.pictures, max_pixels, &work.opened);
        let mut pictures = Vec::with_capacity(work.pictures.len());
        for photo in album.photos() {
            let Picture { role, item, .. } = &photo.picture;
            let name = match item {
                Some(item) => format!("{role} of {item}"),
                None => role.to_string(),
            };
            match self.outcome(photo, &places, &hidden) {
                Outcome::Untouched => pictures.push(photo.picture.clone()),
                Outcome::Smeared(picture, parts) => {
                    let parts = match parts {
                        1 => "1 part".to_owned(),
                        n => format!("{n} parts"),
                    };
                    let done = match self.settings.how {
                        How::Blur => "blurred",
                        How::Pixelate => "pixelated",
                        How::Fill => "filled",
                    };
                    work.notes.push(format!("{name}: {parts} {done}"));
                    pictures.push(picture);
                }
                Outcome::LeftOut(reason) => {
                    work.notes.push(format!("{name}: left out, {reason}"));
                }
            }
        }
        work.pictures = pictures;
        Ok(Flow::Continue)
    }
}

fn whole(size: Size) -> Pixels {
    Pixels {
        x: 0,
        y: 0,
        width: size.width,
        height: size.height,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{self, Plate, Unit};
    use crate::steps::fixtures::{self, Drawing, Written};
    use crate::steps::{Built, Settings as AnyStep};

    fn take(yaml: &str, work: &mut Work) {
        let steps: Vec<AnyStep> = serde_saphyr::from_str(yaml).unwrap();
        for step in steps {
            let Ok(Built::OnDelivery(step)) = step.build(&Engine::new(&[])) else {
                panic!("{yaml}");
            };
            step.take(work).unwrap();
        }
    }

    fn plate(corners: [i32; 4]) -> Plate {
        let [xmin, ymin, xmax, ymax] = corners;
        let (unit, image) = (Unit::Pixels, Role::FRAME);
        let area = event::Area {
            xmin,
            ymin,
            xmax,
            ymax,
            unit,
            image,
        };
        Plate {
            area: Some(area),
            ..Plate::default()
        }
    }

    fn color(work: &Work, role: &str, (x, y): (u32, u32)) -> [u8; 3] {
        let picture = work.pictures.iter().find(|of| of.role.as_str() == role);
        let bytes = picture.unwrap().bytes().unwrap();
        let image = image::load_from_memory(bytes).unwrap().to_rgb8();
        image.get_pixel(x, y).0
    }

    #[test]
    fn every_case_comes_out_as_expected() {
        fixtures::every_case("blur");
    }

    #[test]
    fn what_earlier_steps_made_is_followed_wherever_it_went() {
        let red = [208, 32, 32];
        let drawing = Drawing::of(400, 200).with([200, 100, 260, 120], red);
        let frame = fixtures::sent(Role::FRAME, None, drawing.written(Written::Png));
        let mut work = fixtures::work(
            fixtures::event(vec![plate([200, 100, 260, 120])]),
            vec![frame],
        );
        take(
            "- crop: { pad: 20px, as: close }\n\
             - annotate: { on: close, as: told, boxes: [], caption: x, caption_at: above, text: 20px }\n\
             - resize: { width: 200, as: small }\n\
             - resize: { on: told, width: 50 }\n",
            &mut work,
        );
        let shown = work.clone();
        take("- blur: { how: fill, color: white }", &mut work);
        let places = [
            ("frame", (230, 110)),
            ("close", (50, 30)),
            ("told", (25, 32)),
            ("small", (115, 55)),
        ];
        for (role, at) in places {
            let near = |a: [u8; 3], b: [u8; 3]| a.iter().zip(b).all(|(a, b)| a.abs_diff(b) < 12);
            assert!(near(color(&shown, role, at), red), "{role}");
            assert!(near(color(&work, role, at), [255; 3]), "{role}");
        }
        assert!(work.private && !shown.private);
    }

    #[test]
    fn settings_that_hide_nothing_or_cannot_be_are_refused() {
        for (yaml, key, said) in [
            ("what: []", "what", "nothing"),
            ("outside: {}", "outside", "either"),
            ("outside: { box: [5, 5, 1, 9] }", "outside", "empty"),
            (
                "regions: [{ corners: [[1, 2], [3, 4]] }]",
                "regions",
                "corners",
            ),
            ("only: plate.colour == 1", "only", "colour"),
            ("except: images.frame", "except", "images"),
        ] {
            let settings = serde_saphyr::from_str(yaml).unwrap();
            let Err(mistakes) = Blur::new(settings, &Engine::new(&[])) else {
                panic!("{yaml}");
            };
            assert_eq!(mistakes[0].0[0], key, "{yaml}");
            assert!(mistakes[0].1.message.contains(said), "{yaml}: {mistakes:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_of_a_plate_is_seen_wherever_its_box_lies(
            corners in (-20..90i32, -20..70i32, -20..90i32, -20..70i32),
            pad in prop_oneof![Just("0"), Just("15%"), Just("9px")],
            how in prop_oneof![Just("blur"), Just("pixelate"), Just("fill")],
        ) {
            let (xmin, ymin, xmax, ymax) = corners;
            let drawing = Drawing::of(64, 48);
            let side = |at: i32, max: u32| u32::try_from(at).unwrap_or(0).min(max);
            let (left, top, right, bottom) = (side(xmin, 64), side(ymin, 48), side(xmax, 64), side(ymax, 48));
            let bright = [255, 0, 255];
            let drawing = if left < right && top < bottom {
                // A line in the plate's colour through its middle.
                let middle = (top + bottom) / 2;
                drawing.with([left, middle, right, middle + 1], bright)
            } else {
                drawing
            };
            let frame = fixtures::sent(Role::FRAME, None, drawing.written(Written::Png));
            let event = fixtures::event(vec![plate([xmin, ymin, xmax, ymax])]);
            let mut work = fixtures::work(event, vec![frame]);
            take(&format!("- blur: {{ how: {how}, pad: {pad} }}"), &mut work);
            for picture in &work.pictures {
                let image = image::load_from_memory(picture.bytes().unwrap()).unwrap().to_rgb8();
                prop_assert!(image.pixels().all(|pixel| pixel.0 != bright));
            }
        }
    }
}
