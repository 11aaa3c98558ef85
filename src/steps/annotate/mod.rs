//! The `annotate` step: the event's boxes, labels and a caption drawn into a picture.

mod settings;
mod sheet;
mod text;

use std::sync::Arc;

use super::album::{Album, Photo};
use super::choice::put;
use super::made::{Writing, size_of};
use super::places::{Places, Thing, What};
use super::{Flow, Mistakes, Step, StepError, Work};
use crate::event::{Event, Item, Picture, Pixels};
use crate::template::{Engine, Names, Scope, Template};
use settings::Items;
use sheet::Sheet;
use text::Pen;

pub(crate) use settings::Settings;

pub(super) const NAME: &str = "annotate";

/// Boxes that are drawn into one picture.
const BOXES_MAX: usize = 100;
/// Reasons why boxes are not drawn that are told of one picture.
const REASONS_MAX: usize = 3;

/// The step, ready to be taken.
pub(super) struct Annotate {
    settings: Settings,
    labels: Vec<(What, Template)>,
    caption: Option<Template>,
    pen: Pen,
}

/// A box to be drawn, and what to write beside it.
struct Marked<'a> {
    thing: Thing<'a>,
    label: String,
}

impl Annotate {
    pub(super) fn new(settings: Settings, engine: &Engine) -> Result<Self, Mistakes> {
        let mut mistakes = Vec::new();
        if let Err(mistake) = settings.on.check(engine) {
            mistakes.push((vec!["on".to_owned()], mistake));
        }
        let mut template = |path: &[&str], source: &str| {
            let template = engine.template(source, Names::Reshaping);
            let path = path.iter().map(|&key| key.to_owned()).collect();
            template
                .map_err(|mistake| mistakes.push((path, mistake)))
                .ok()
        };
        let labels = What::ALL
            .iter()
            .filter_map(|what| {
                let source = settings.labels.of(*what);
                Some((*what, template(&["labels", what.word()], source)?))
            })
            .collect();
        let caption = settings.caption.as_deref();
        let caption = caption.and_then(|source| template(&["caption"], source));
        match mistakes.is_empty() {
            true => Ok(Self {
                settings,
                labels,
                caption,
                pen: Pen::new(),
            }),
            false => Err(mistakes),
        }
    }

    /// What is drawn, the things that hold others first, so that a plate's line lies over its vehicle's.
    fn marked<'a>(
        &self,
        event: &'a Event,
        item: Option<Item>,
        scope: &Scope,
        notes: &mut Vec<String>,
    ) -> Vec<Marked<'a>> {
        let order = [What::Vehicles, What::Objects, What::Plates, What::Faces];
        let wanted = order
            .into_iter()
            .filter(|what| self.settings.boxes.contains(what));
        let own = item.filter(|_| self.settings.items == Items::Own);
        let mut things: Vec<Thing<'a>> = wanted
            .flat_map(|what| what.of(event))
            .filter(|thing| own.is_none_or(|own| thing.item == own))
            .collect();
        if things.len() > BOXES_MAX {
            let left = things.len() - BOXES_MAX;
            notes.push(format!(
                "annotate: {left} boxes more than are drawn ({BOXES_MAX})"
            ));
            things.truncate(BOXES_MAX);
        }
        things
            .into_iter()
            .map(|thing| {
                let template = self.labels.iter().find(|(what, _)| *what == thing.what);
                let label = match template {
                    Some((_, template)) => template.text(&scope.about(thing.item)),
                    None => Ok(String::new()),
                };
                let label = label.unwrap_or_else(|error| {
                    notes.push(format!("{}: no label, {error}", thing.item));
                    String::new()
                });
                Marked { thing, label }
            })
            .collect()
    }

    /// The picture with everything drawn into it, and a note.
    fn drawn(
        &self,
        photo: &Photo,
        places: &Places<'_>,
        marked: &[Marked<'_>],
        caption: &str,
    ) -> Result<(Picture, String), String> {
        let settings = &self.settings;
        let unreadable = || photo.complaint().unwrap_or_default().to_owned();
        let size = photo.size().ok_or_else(unreadable)?;
        let image = photo.image().ok_or_else(unreadable)?.to_rgb8();
        let line = settings.line.of(size.width.max(size.height));
        let mut sheet = Sheet::new(image, &self.pen, line, settings.text.of(size.height));
        let origin = places.origin(photo);
        let mut missing = Vec::new();
        let mut found: Vec<(&Marked<'_>, Pixels)> = Vec::new();
        for mark in marked {
            let spot = match &origin {
                Some(origin) => places.find(&mark.thing, origin),
                None => Err("no way leads from the box to this picture"),
            };
            match spot.map(|spot| spot.within(size)) {
                Ok(Some(pixels)) => found.push((mark, pixels)),
                Ok(None) => missing.push((mark, "the box lies outside of the picture")),
                Err(reason) => missing.push((mark, reason)),
            }
        }
        for (mark, pixels) in &found {
            sheet.outline(*pixels, settings.colors.of(mark.thing.what));
        }
        // Plates and faces first: what is told of them must not hide behind another label.
        for (mark, pixels) in found.iter().rev() {
            sheet.label(*pixels, &mark.label, settings.colors.of(mark.thing.what));
        }
        let (ink, background) = (settings.caption_color, settings.caption_background);
        let moved = sheet.caption(caption, settings.caption_at, ink, background);
        let origin = origin.map(|origin| origin.moved(0.0, f64::from(moved)));
        let writing = Writing {
            format: settings.format,
            quality: settings.quality,
        };
        let image = image::DynamicImage::from(sheet.image);
        let size = size_of(&image);
        let picture = writing.remade(&photo.picture, image, origin)?;
        let boxes = match found.len() {
            1 => "1 box".to_owned(),
            n => format!("{n} boxes"),
        };
        let mut note = format!("{boxes} drawn, {}x{}", size.width, size.height);
        for (mark, reason) in missing.iter().take(REASONS_MAX) {
            let Thing { item, what, .. } = mark.thing;
            let what = match what {
                What::Vehicles => " (vehicle)",
                What::Plates | What::Faces | What::Objects => "",
            };
            note.push_str(&format!("; {item}{what}: {reason}"));
        }
        if let Some(more) = missing
            .len()
            .checked_sub(REASONS_MAX)
            .filter(|more| *more > 0)
        {
            note.push_str(&format!("; {more} more are not drawn"));
        }
        Ok((picture, note))
    }
}

impl Step for Annotate {
    fn name(&self) -> &'static str {
        NAME
    }

    fn take(&self, work: &mut Work) -> Result<Flow, StepError> {
        let event = Arc::clone(&work.event);
        let max_pixels = self.settings.max_pixels;
        let at = self.settings.on.among(work, NAME);
        if at.is_empty() {
            return Ok(Flow::Continue);
        }
        let scope = work.scope();
        let marked = self.marked(&event, work.item, &scope, &mut work.notes);
        let caption = self.caption.as_ref().map(|caption| caption.text(&scope));
        let caption = caption.unwrap_or_else(|| Ok(String::new()));
        let caption = caption.unwrap_or_else(|error| {
            work.notes.push(format!("annotate: no caption, {error}"));
            String::new()
        });
        let places = Places::of(&event, max_pixels, &work.opened);
        let album = Album::of(&work.pictures, max_pixels, &work.opened);
        for at in at {
            let Some(photo) = album.photos().nth(at) else {
                continue;
            };
            let role = &photo.picture.role;
            let note = match self.drawn(photo, &places, &marked, &caption) {
                Ok((picture, note)) => {
                    put(picture, at, self.settings.name.as_ref(), &mut work.pictures);
                    format!("{role}: {note}")
                }
                Err(reason) => format!("{role}: not annotated, {reason}"),
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
    use crate::event::{Area, Role, Unit};
    use crate::steps::fixtures::{self, Drawing, Written};

    #[test]
    fn every_case_comes_out_as_expected() {
        fixtures::every_case("annotate");
    }

    #[test]
    fn templates_see_what_is_known_when_steps_are_taken() {
        for (yaml, path, said) in [
            ("caption: '{{ event.camra }}'", "caption", "camra"),
            ("caption: '{{ delivery.id }}'", "caption", "one target"),
            (
                "labels: { faces: '{{ with.url }}' }",
                "labels",
                "one target",
            ),
            ("labels: { plates: '{{ plate.' }", "labels", "unexpected"),
            ("on: fram", "on", "fram"),
        ] {
            let engine = Engine::knowing(crate::template::Known {
                pictures: Some(Vec::new()),
                ..Default::default()
            });
            let settings = serde_saphyr::from_str(yaml).unwrap();
            let Err(mistakes) = Annotate::new(settings, &engine) else {
                panic!("{yaml}");
            };
            assert_eq!(mistakes[0].0[0], path, "{yaml}");
            assert!(mistakes[0].1.message.contains(said), "{yaml}: {mistakes:?}");
        }
        let settings = "caption: '{{ plate.text }} {{ images.frame.width }} {{ now }}'";
        let settings = serde_saphyr::from_str(settings).unwrap();
        assert!(Annotate::new(settings, &Engine::new(&[])).is_ok());
    }

    #[test]
    fn default_labels_tell_the_text_and_how_sure_the_reader_is() {
        let plate = |text: Option<&str>, score| crate::event::Plate {
            text: text.map(str::to_owned),
            score: crate::event::Score::from_fraction(score),
            ..Default::default()
        };
        let event = fixtures::event(vec![plate(Some("AB 1"), 0.934), plate(None, -1.0)]);
        let work = fixtures::work(event, Vec::new());
        let step = Annotate::new(Settings::default(), &Engine::new(&[])).unwrap();
        let mut notes = Vec::new();
        let marked = step.marked(&work.event, None, &work.scope(), &mut notes);
        let labels: Vec<&str> = marked.iter().map(|mark| mark.label.as_str()).collect();
        assert_eq!((labels, notes.len()), (vec!["AB 1 93%", ""], 0));
    }

    proptest! {
        #[test]
        fn no_box_and_no_text_panics_however_small_the_picture(
            corners in any::<[i32; 4]>(), near in (-9..40i32, -9..40i32, -9..40i32, -9..40i32),
            use_near: bool,
            size in (1u32..40, 1u32..40),
            text in "[^{]{0,30}",
            at in prop_oneof![Just("above"), Just("below"), Just("over")],
            letters in prop_oneof![Just("20%"), Just("500px"), Just("0px")],
            line in prop_oneof![Just("20%"), Just("500px"), Just("0px")],
        ) {
            let corners = if use_near { [near.0, near.1, near.2, near.3] } else { corners };
            let [xmin, ymin, xmax, ymax] = corners;
            let image = Role::FRAME;
            let area = Area { xmin, ymin, xmax, ymax, unit: Unit::Pixels, image };
            let plate = crate::event::Plate { text: Some(text.clone()), area: Some(area), ..Default::default() };
            let drawing = Drawing::of(size.0, size.1).written(Written::Png);
            let mut work = fixtures::work(fixtures::event(vec![plate]), vec![fixtures::sent(Role::FRAME, None, drawing)]);
            let mut settings: Settings = serde_saphyr::from_str(
                &format!("{{ caption_at: {at}, text: {letters}, line: {line} }}")
            ).unwrap();
            settings.caption = Some(text);
            Annotate::new(settings, &Engine::new(&[])).unwrap().take(&mut work).unwrap();
            prop_assert!(work.notes[0].contains("drawn"), "{:?}", work.notes);
        }
    }
}
