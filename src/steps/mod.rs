//! Steps: what happens to an event's pictures and fields on the way to a target. Pure; CPU work, run on the blocking pool.
//!
//! To add a step: one file with its `Settings` and its [`Step`], its line in [`Settings`] below, its cases under
//! `tests/fixtures/steps/`. What must be decided once for each event, and not for each try of each delivery, is a
//! [`Decider`] instead: it is asked in the accepting commit.

mod album;
mod annotate;
mod blur;
mod choice;
mod chosen;
mod color;
mod crop;
mod dedupe;
mod draft;
#[cfg(test)]
mod drawing;
mod dwell;
mod encode;
mod field;
#[cfg(test)]
mod fixtures;
mod glance;
mod halves;
mod hash;
mod jpeg;
mod key;
mod made;
mod opened;
mod pad;
mod pair;
mod pixels;
mod places;
mod plates;
mod reencode;
mod remove;
mod rename;
mod resize;
mod sample;
mod scale;
mod set;
#[cfg(test)]
mod stories;
mod strip;
mod throttle;
mod track;
mod translate_box;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema};
use serde::de::{self, Deserialize, Deserializer, MapAccess};
use serde_json::json;

use crate::decide::Decider;
use crate::event::{Boxes, Event, Item, Picture, PictureData, Withholding};
use crate::fate::Parts;
use crate::lists::Lists;
use crate::template::{self, Engine, Mistake, Scope};
use opened::Opened;

/// Mistakes in the settings of one step, each with the way to it inside the settings: keys from the outside in.
pub(crate) type Mistakes = Vec<(Vec<String>, Mistake)>;

pub(crate) use glance::{glance, glance_bytes};
pub(crate) use jpeg::try_jpeg;
pub(crate) use pixels::Pixels;

/// What steps work on: the event (never changed in the store) and the pictures at hand.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) event: Arc<Event>,
    /// The plate, face or object that this delivery is about, if the route has `each`.
    pub(crate) item: Option<Item>,
    /// The event's pictures and those that steps made; of one role, in the order of their items.
    pub(crate) pictures: Vec<Picture>,
    /// What was done or could not be done, in words, for `explain` and for the delivery's record.
    pub(crate) notes: Vec<String>,
    pub(crate) lists: Lists,
    pub(crate) now: Timestamp,
    /// Something was made unreadable in the pictures. What else holds them as they were goes when all steps are taken.
    pub(crate) private: bool,
    /// A step looked for what to take out, in this event alone: what else went into the delivery is withheld.
    alone: bool,
    /// Which picture the event's boxes are to count in.
    translate: Option<translate_box::Wish>,
    opened: Opened,
    /// What went into this delivery besides its event, if anything did.
    pub(crate) parts: Option<Arc<Parts>>,
}

impl Work {
    /// A delivery before any step is taken. The event's boxes count in its pictures as they were sent, until
    /// [`Self::finish`]: steps find them in the pictures at hand with [`places::Places`].
    pub(crate) fn new(event: Arc<Event>, item: Option<Item>, lists: Lists, now: Timestamp) -> Self {
        Self {
            pictures: event.images.clone(),
            event,
            item,
            notes: Vec::new(),
            lists,
            now,
            private: false,
            alone: false,
            translate: None,
            opened: Opened::default(),
            parts: None,
        }
    }

    /// What the templates of a step see: all but what belongs to one target. Boxes count in the pictures at hand.
    pub(crate) fn scope(&self) -> Scope {
        Scope::new(&template::Given {
            event: &self.told(),
            item: self.item,
            pictures: &self.pictures,
            lists: &self.lists,
            with: None,
            delivery: None,
            now: self.now,
        })
        .made_of(self.parts.as_ref().filter(|_| !self.is_alone()))
    }

    /// Decodes no picture with more pixels.
    pub(crate) fn bound(&mut self, pixels_max: u64) {
        self.opened.pixels_max = pixels_max;
    }

    fn told(&self) -> Arc<Event> {
        let told = places::told(&self.event, &self.pictures, &self.opened);
        told.map_or_else(|| Arc::clone(&self.event), Arc::new)
    }

    /// Lets boxes count in the pictures that stand in the place of those that were sent.
    fn tell_boxes(&mut self) {
        if let Some(mut told) = places::told(&self.event, &self.pictures, &self.opened) {
            told.changed_from(&self.event);
            told.boxes = Boxes::Retold {
                sent: Arc::clone(&self.event),
            };
            self.event = Arc::new(told);
        }
    }

    /// All steps are taken: writes the pictures they made, forgets decoded pixels, and lets the event's boxes count in the
    /// pictures that there are now.
    pub(crate) fn finish(&mut self) -> Result<(), String> {
        let translated = self.translate.as_ref().map(|wish| {
            translate_box::translated(&self.event, self.item, &self.pictures, &self.opened, wish)
        });
        match translated {
            None => self.tell_boxes(),
            Some(Some((event, notes))) => {
                self.event = Arc::new(event);
                self.notes.extend(notes);
            }
            Some(None) => {
                self.tell_boxes();
                self.notes
                    .push(format!("{}: there is no such picture", translate_box::NAME));
            }
        }
        if self.private {
            // The clip, and pictures known by their address, show what was made unreadable.
            let event = Arc::make_mut(&mut self.event);
            event.video = None;
            event.images.retain(|picture| picture.bytes().is_some());
            self.pictures.retain(|picture| picture.bytes().is_some());
            event.withhold(
                BLUR,
                Withholding {
                    request: true,
                    raw: true,
                },
            );
        }
        self.opened.clear();
        if self.is_alone() {
            // The steps took nothing out of the other events that went into this delivery.
            let parts = self.parts.take();
            if let Some(pair) = parts.as_ref().and_then(|parts| parts.pair.as_ref()) {
                let theirs = pair.pictures();
                self.pictures
                    .retain(|picture| !theirs.iter().any(|their| their.role == picture.role));
                self.notes
                    .push("pair: the other half is withheld too".to_owned());
            }
        }
        for picture in &mut self.pictures {
            *picture = made::finished(picture)?;
        }
        if self.private {
            // What is told of the sent pictures is told of those that took their place.
            let event = Arc::make_mut(&mut self.event);
            let sent = std::mem::take(&mut event.images);
            let now = |sent: &Picture| {
                let same = |now: &&Picture| now.role == sent.role && now.item == sent.item;
                self.pictures.iter().find(same).cloned()
            };
            event.images = sent.iter().filter_map(now).collect();
        }
        if self.event.images.iter().any(is_made) {
            let event = Arc::make_mut(&mut self.event);
            for picture in &mut event.images {
                *picture = made::finished(picture)?;
            }
        }
        Ok(())
    }
}

/// The step that makes something unreadable.
const BLUR: &str = "blur";

fn is_made(picture: &Picture) -> bool {
    matches!(picture.data, PictureData::Made(_))
}

/// One step of a route.
pub(crate) trait Step: Send + Sync {
    /// Its word in `routes.yaml`.
    fn name(&self) -> &'static str;
    fn take(&self, work: &mut Work) -> Result<Flow, StepError>;
}

/// A step as a route has it.
pub(crate) enum Built {
    /// Taken for each delivery.
    OnDelivery(Box<dyn Step>),
    /// Decided once, when the event comes in.
    OnArrival(Arc<dyn Decider>),
}

/// Whether the delivery goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    /// Nothing is delivered; the reason is shown.
    Filtered {
        reason: String,
    },
}

/// A step failed in a way that another try will not mend.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {reason}")]
pub(crate) struct StepError {
    pub(crate) step: &'static str,
    pub(crate) reason: String,
}

/// A step: its name alone (`- crop`), or a map with one key, its name (`- crop: { pad: 10% }`).
#[derive(Debug, Clone, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Step", transform = or_the_bare_name)]
pub(crate) enum Settings {
    /// Draws the event's boxes, labels and a caption into a picture.
    Annotate(annotate::Settings),
    /// Makes plates, faces or parts of the scene unreadable in all pictures.
    Blur(blur::Settings),
    /// Cuts each plate (or vehicle, face, object) out of the event's best picture, by its box.
    Crop(crop::Settings),
    /// Of several reads of one passage, delivers one.
    Dedupe(dedupe::Settings),
    /// Joins the report of how long a vehicle stayed to the recognition of its plate.
    Dwell(dwell::Settings),
    /// Puts a keyed hash in place of plates and other texts: the same text makes the same hash, and nobody reads it back.
    Hash(hash::Settings),
    /// Makes one delivery of what the front and the rear camera of a lane saw of one vehicle.
    Pair(pair::Settings),
    /// Writes pictures anew: in another format, or within a budget of bytes.
    Reencode(reencode::Settings),
    /// Takes fields out of the event.
    Remove(remove::Settings),
    /// Gives values another place in the event.
    Rename(rename::Settings),
    /// Makes pictures smaller, or of one size.
    Resize(resize::Settings),
    /// Of much that is alike, lets one in so many pass, or one in a time.
    Sample(sample::Settings),
    /// Gives fields of the event other values.
    Set(set::Settings),
    /// Takes fields and pictures out of what targets see.
    Strip(strip::Settings),
    /// Lets at most so many pass in a time.
    Throttle(throttle::Settings),
    /// Tells of what cameras track: `entered`, `dwell` and `left`, in place of several posts a second.
    Track(track::Settings),
    /// Has the event's boxes count in the one picture that a target is sent.
    TranslateBox(translate_box::Settings),
}

/// The step that makes pictures known by the side they show.
pub(crate) const PAIR: &str = pair::NAME;

/// The words for the steps, in the order of [`Settings`].
const NAMES: &[&str] = &[
    annotate::NAME,
    blur::NAME,
    crop::NAME,
    dedupe::NAME,
    dwell::NAME,
    hash::NAME,
    pair::NAME,
    reencode::NAME,
    remove::NAME,
    rename::NAME,
    resize::NAME,
    sample::NAME,
    set::NAME,
    strip::NAME,
    throttle::NAME,
    track::NAME,
    translate_box::NAME,
];

impl Settings {
    /// Compiles what is a template in it.
    pub(crate) fn build(self, engine: &Engine) -> Result<Built, Mistakes> {
        Ok(match self {
            Self::Annotate(settings) => on_delivery(annotate::Annotate::new(settings, engine)?),
            Self::Blur(settings) => on_delivery(blur::Blur::new(settings, engine)?),
            Self::Crop(settings) => Built::OnDelivery(Box::new(crop::Crop::new(settings))),
            Self::Dedupe(settings) => {
                Built::OnArrival(Arc::new(dedupe::Dedupe::build(settings, engine)?))
            }
            Self::Dwell(settings) => Built::OnArrival(Arc::new(dwell::Dwell::new(&settings))),
            Self::Hash(settings) => on_delivery(hash::Hash::new(&settings)?),
            Self::Pair(settings) => Built::OnArrival(Arc::new(pair::Pair::build(settings)?)),
            Self::Reencode(settings) => on_delivery(reencode::Reencode::new(settings, engine)?),
            Self::Remove(settings) => on_delivery(remove::Remove::new(&settings)?),
            Self::Rename(settings) => on_delivery(rename::Rename::new(&settings)?),
            Self::Resize(settings) => on_delivery(resize::Resize::new(settings, engine)?),
            Self::Sample(settings) => {
                Built::OnArrival(Arc::new(sample::Sample::build(settings, engine)?))
            }
            Self::Set(settings) => on_delivery(set::Set::new(&settings, engine)?),
            Self::Strip(settings) => on_delivery(strip::Strip::new(&settings, engine)?),
            Self::Throttle(settings) => {
                Built::OnArrival(Arc::new(throttle::Throttle::build(settings, engine)?))
            }
            Self::Track(settings) => Built::OnArrival(Arc::new(track::Track::new(settings))),
            Self::TranslateBox(settings) => {
                on_delivery(translate_box::TranslateBox::new(&settings, engine)?)
            }
        })
    }

    /// Its word in `routes.yaml`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Annotate(_) => annotate::NAME,
            Self::Blur(_) => blur::NAME,
            Self::Crop(_) => crop::NAME,
            Self::Dedupe(_) => dedupe::NAME,
            Self::Dwell(_) => dwell::NAME,
            Self::Hash(_) => hash::NAME,
            Self::Pair(_) => pair::NAME,
            Self::Reencode(_) => reencode::NAME,
            Self::Remove(_) => remove::NAME,
            Self::Rename(_) => rename::NAME,
            Self::Resize(_) => resize::NAME,
            Self::Sample(_) => sample::NAME,
            Self::Set(_) => set::NAME,
            Self::Strip(_) => strip::NAME,
            Self::Throttle(_) => throttle::NAME,
            Self::Track(_) => track::NAME,
            Self::TranslateBox(_) => translate_box::NAME,
        }
    }

    /// Whether targets behind it cannot have the request as it came (`original: true`).
    pub(crate) fn withholds(&self) -> bool {
        match self {
            Self::Hash(settings) => settings.withholds(),
            Self::Strip(settings) => settings.withholds(),
            Self::Blur(_) => true,
            Self::Annotate(_)
            | Self::Crop(_)
            | Self::Dedupe(_)
            | Self::Dwell(_)
            | Self::Pair(_)
            | Self::Reencode(_)
            | Self::Remove(_)
            | Self::Rename(_)
            | Self::Resize(_)
            | Self::Sample(_)
            | Self::Set(_)
            | Self::Throttle(_)
            | Self::Track(_)
            | Self::TranslateBox(_) => false,
        }
    }

    /// Whether what went into a delivery besides its event is withheld behind it: it takes nothing out of that.
    pub(crate) fn withholds_others(&self) -> bool {
        matches!(self, Self::Blur(_) | Self::Hash(_) | Self::Strip(_))
    }

    /// What of other events goes into the deliveries of its route.
    pub(crate) fn joins(&self) -> Option<template::Others> {
        match self {
            Self::Dedupe(_) => Some(template::Others::Merged),
            Self::Pair(settings) if settings.pairs() => Some(template::Others::Pair),
            _ => None,
        }
    }

    /// The step of that name, with what `settings` gives; `None` when no step is called so.
    fn read<E>(name: &str, settings: impl Given<E>) -> Option<Result<Self, E>> {
        match name {
            annotate::NAME => Some(settings.give().map(Self::Annotate)),
            blur::NAME => Some(settings.give().map(Self::Blur)),
            crop::NAME => Some(settings.give().map(Self::Crop)),
            dedupe::NAME => Some(settings.give().map(Self::Dedupe)),
            dwell::NAME => Some(settings.give().map(Self::Dwell)),
            hash::NAME => Some(settings.give().map(Self::Hash)),
            pair::NAME => Some(settings.give().map(Self::Pair)),
            reencode::NAME => Some(settings.give().map(Self::Reencode)),
            remove::NAME => Some(settings.give().map(Self::Remove)),
            rename::NAME => Some(settings.give().map(Self::Rename)),
            resize::NAME => Some(settings.give().map(Self::Resize)),
            sample::NAME => Some(settings.give().map(Self::Sample)),
            set::NAME => Some(settings.give().map(Self::Set)),
            strip::NAME => Some(settings.give().map(Self::Strip)),
            throttle::NAME => Some(settings.give().map(Self::Throttle)),
            track::NAME => Some(settings.give().map(Self::Track)),
            translate_box::NAME => Some(settings.give().map(Self::TranslateBox)),
            _ => None,
        }
    }
}

fn on_delivery(step: impl Step + 'static) -> Built {
    Built::OnDelivery(Box::new(step))
}

/// A mistake in settings that is none of a template, at the key that `path` leads to.
fn wrong(path: &[&str], message: &str, help: Option<&str>) -> (Vec<String>, Mistake) {
    let mistake = Mistake {
        message: message.to_owned(),
        help: help.map(str::to_owned),
        range: 0..0,
        path: Vec::new(),
        others: Vec::new(),
    };
    (path.iter().map(|&key| key.to_owned()).collect(), mistake)
}

/// For the settings of a step that name nothing.
fn nothing_to_do(help: &str) -> (Vec<String>, Mistake) {
    wrong(&[], "this step has nothing to do", Some(help))
}

/// Where a step's settings come from: the value of its key, or nowhere when it stands bare.
trait Given<E> {
    fn give<T: Default + de::DeserializeOwned>(self) -> Result<T, E>;
}

struct Bare;

impl<E> Given<E> for Bare {
    fn give<T: Default>(self) -> Result<T, E> {
        Ok(T::default())
    }
}

impl<'de, A: MapAccess<'de>> Given<A::Error> for &mut A {
    fn give<T: Default + de::DeserializeOwned>(self) -> Result<T, A::Error> {
        Ok(self.next_value::<Option<T>>()?.unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Settings;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a step: its name, or a map with its name as the only key")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Settings, E> {
                Settings::read(name, Bare).unwrap_or_else(|| Err(E::unknown_variant(name, NAMES)))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Settings, A::Error> {
                let name: Cow<'_, str> = map
                    .next_key::<String>()?
                    .ok_or_else(|| de::Error::custom("a step needs its name"))?
                    .into();
                let step = Settings::read(&name, &mut map)
                    .unwrap_or_else(|| Err(de::Error::unknown_variant(&name, NAMES)))?;
                match map.next_key::<String>()? {
                    None => Ok(step),
                    Some(second) => Err(de::Error::custom(format!(
                        "`{second}` is a second step in one entry: start it on a line of its own, with a dash"
                    ))),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// The derived schema knows the map; a step with nothing to set may stand as its bare name.
fn or_the_bare_name(schema: &mut Schema) {
    if let Some(forms) = schema
        .get_mut("oneOf")
        .and_then(|forms| forms.as_array_mut())
    {
        forms.push(json!({ "type": "string", "enum": NAMES, "description": "A step with all its defaults." }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_may_stand_bare_or_with_settings() {
        for yaml in ["- crop", "- crop:", "- crop: {}", "- crop: { pad: 10% }"] {
            let steps: Vec<Settings> = serde_saphyr::from_str(yaml).unwrap();
            assert_eq!(steps.len(), 1, "{yaml}");
            for step in steps {
                assert_eq!(step.name(), "crop");
            }
        }
    }

    #[test]
    fn what_is_no_step_is_refused_with_what_there_is() {
        for (yaml, said) in [
            ("- crpo", "crop"),
            ("- crpo: {}", "crop"),
            ("- { crop: {}, blur: {} }", "line of its own"),
            ("- {}", "needs its name"),
            ("- 7", "a step"),
            ("- crop: { padding: 1px }", "pad"),
        ] {
            let mistake = serde_saphyr::from_str::<Vec<Settings>>(yaml)
                .unwrap_err()
                .to_string();
            assert!(mistake.contains(said), "{yaml}: {mistake}");
        }
    }

    #[test]
    fn the_schema_knows_both_forms() {
        let schema = schemars::schema_for!(Settings);
        let forms = schema
            .get("oneOf")
            .and_then(|forms| forms.as_array())
            .unwrap();
        assert_eq!(forms.len(), NAMES.len() + 1);
        assert_eq!(forms[NAMES.len()]["enum"], json!(NAMES));
    }
}
