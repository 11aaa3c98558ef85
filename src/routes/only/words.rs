//! The words that are found in a way of their own.

use schemars::JsonSchema;
use serde::Deserialize;

use super::open::{Attribute, Told};
use super::place::{Direction, Zone};
use super::plate::{Listed, Similar};
use super::texts::{Text, Texts, several};
use super::time::Times;
use super::word::{Of, Word};
use crate::event::{Area, Kind};

/// What happened.
#[derive(Debug)]
pub(super) struct IsKind(pub(super) Vec<Kind>);

impl Word for IsKind {
    fn holds(&self, of: &Of<'_>) -> bool {
        self.0.contains(&of.event.kind)
    }

    fn why(&self, of: &Of<'_>) -> String {
        let kinds = several(self.0.iter().map(|kind| kind.as_str()), "an empty list");
        format!("{} is none of {kinds}", of.event.kind.as_str())
    }
}

/// What an event shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Subject {
    /// A face.
    Face,
    /// A vehicle, with its plate or without.
    Vehicle,
    /// A plate of whose vehicle nothing is told.
    BarePlate,
    /// A whole person.
    Body,
}

impl Subject {
    const VEHICLES: [&str; 8] = [
        "car",
        "vehicle",
        "truck",
        "bus",
        "van",
        "motorcycle",
        "motorbike",
        "bicycle",
    ];
    const BODIES: [&str; 4] = ["body", "person", "human", "pedestrian"];

    fn as_str(self) -> &'static str {
        match self {
            Self::Face => "face",
            Self::Vehicle => "vehicle",
            Self::BarePlate => "bare_plate",
            Self::Body => "body",
        }
    }

    fn is_shown(self, of: &Of<'_>) -> bool {
        let event = of.event;
        let class = |names: &[&str]| {
            let classes = event
                .objects
                .iter()
                .filter_map(|object| object.class.as_deref());
            classes
                .into_iter()
                .any(|class| names.iter().any(|name| class.eq_ignore_ascii_case(name)))
        };
        match self {
            Self::Face => !event.faces.is_empty(),
            Self::Vehicle => {
                event.plates.iter().any(|plate| plate.vehicle.is_some()) || class(&Self::VEHICLES)
            }
            Self::BarePlate => {
                event.plates.iter().any(|plate| plate.text.is_some()) && !Self::Vehicle.is_shown(of)
            }
            Self::Body => class(&Self::BODIES),
        }
    }
}

#[derive(Debug)]
pub(super) struct Shows(pub(super) Vec<Subject>);

impl Word for Shows {
    fn holds(&self, of: &Of<'_>) -> bool {
        self.0.iter().any(|subject| subject.is_shown(of))
    }

    fn why(&self, of: &Of<'_>) -> String {
        let all = [
            Subject::Face,
            Subject::Vehicle,
            Subject::BarePlate,
            Subject::Body,
        ];
        let shown = all.iter().filter(|subject| subject.is_shown(of));
        let shown = several(shown.map(|subject| subject.as_str()), "none of these");
        let asked = several(
            self.0.iter().map(|subject| subject.as_str()),
            "an empty list",
        );
        format!("it shows {shown}, not {asked}")
    }
}

/// One of the camera's tags.
#[derive(Debug)]
pub(super) struct Tagged(pub(super) Texts<Text>);

impl Word for Tagged {
    fn holds(&self, of: &Of<'_>) -> bool {
        // One that is wanted is enough, one that is not is too much, and a camera without tags has none of either.
        let tags = tags(of);
        match tags.is_empty() {
            true => self.0.hold_nothing(),
            false => self.0.hold(&tags),
        }
    }

    fn why(&self, of: &Of<'_>) -> String {
        self.0.why(&tags(of))
    }
}

fn tags<'a>(of: &Of<'a>) -> Vec<Option<&'a str>> {
    let tags = of.event.camera.tags.iter();
    tags.map(|tag| Some(tag.as_str())).collect()
}

#[derive(Debug)]
pub(super) struct At(pub(super) Times);

impl Word for At {
    fn holds(&self, of: &Of<'_>) -> bool {
        self.0.hold(of.event.occurred_at)
    }

    fn why(&self, of: &Of<'_>) -> String {
        self.0.why(of.event.occurred_at)
    }
}

/// Whether the sender knows who or whose it is.
#[derive(Debug)]
pub(super) struct Matched(pub(super) bool);

impl Matched {
    fn is_matched(of: &Of<'_>) -> bool {
        let face = of.face().is_some_and(|face| {
            face.person.is_some() || face.list.is_some() || face.similarity.is_some()
        });
        let plate = of.plate().is_some_and(|plate| {
            let told = |name: &str| plate.attributes.contains_key(name);
            plate.list.is_some() || told("card_id") || told("card_name") || told("similarity")
        });
        face || plate
    }
}

impl Word for Matched {
    fn holds(&self, of: &Of<'_>) -> bool {
        Self::is_matched(of) == self.0
    }

    fn why(&self, of: &Of<'_>) -> String {
        match Self::is_matched(of) {
            true => "the sender knows who or whose it is".to_owned(),
            false => "the sender does not know who or whose it is".to_owned(),
        }
    }
}

/// The sender's own lists: the one that the event has a field for, and those that FindFace tells besides.
#[derive(Debug)]
pub(super) struct OnList(pub(super) Texts<Text>);

impl OnList {
    fn seen<'a>(of: &Of<'a>) -> Vec<Option<&'a str>> {
        let (face, plate) = (of.face(), of.plate());
        let of_face = face.and_then(|face| face.list.as_ref());
        let entry = of_face.or_else(|| plate?.list.as_ref());
        let of_face = face.map(|face| &face.attributes);
        let attributes = of_face.or(plate.map(|plate| &plate.attributes));
        let others = attributes
            .and_then(|attributes| attributes.get("matched_lists")?.as_array())
            .into_iter()
            .flatten();
        entry
            .into_iter()
            .flat_map(|entry| [told(&entry.id), told(&entry.name)])
            .chain(others.map(|id| id.as_str()))
            .collect()
    }
}

impl Word for OnList {
    fn holds(&self, of: &Of<'_>) -> bool {
        self.0.hold(&Self::seen(of))
    }

    fn why(&self, of: &Of<'_>) -> String {
        self.0.why(&Self::seen(of))
    }
}

#[derive(Debug)]
pub(super) struct LooksLike(pub(super) Similar);

impl Word for LooksLike {
    fn holds(&self, of: &Of<'_>) -> bool {
        self.0.hold(text(of))
    }

    fn why(&self, of: &Of<'_>) -> String {
        self.0.why(text(of))
    }
}

#[derive(Debug)]
pub(super) struct InList(pub(super) Listed);

impl Word for InList {
    fn holds(&self, of: &Of<'_>) -> bool {
        let when = of.event.occurred_at.instant();
        self.0.hold(text(of), of.lists, when)
    }

    fn why(&self, of: &Of<'_>) -> String {
        let when = of.event.occurred_at.instant();
        self.0.why(text(of), of.lists, when)
    }
}

/// The plate's text, if it was read.
pub(super) fn text<'a>(of: &Of<'a>) -> Option<&'a str> {
    told(&of.plate()?.text)
}

/// A text that says something.
pub(super) fn told(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.trim().is_empty())
}

#[derive(Debug)]
pub(super) struct Heads(pub(super) Direction);

impl Heads {
    fn seen(of: &Of<'_>) -> Option<f64> {
        let plate = of.plate().and_then(|plate| plate.direction);
        plate.or_else(|| of.object()?.direction)
    }
}

impl Word for Heads {
    fn holds(&self, of: &Of<'_>) -> bool {
        self.0.hold(Self::seen(of))
    }

    fn why(&self, of: &Of<'_>) -> String {
        self.0.why(Self::seen(of))
    }
}

#[derive(Debug)]
pub(super) struct Within(pub(super) Zone);

impl Within {
    /// The item's box, and that of its vehicle. A vehicle whose plate has no box stands for it.
    fn boxes<'a>(of: &Of<'a>) -> (Option<&'a Area>, Option<&'a Area>) {
        let vehicle = of.plate().and_then(|plate| plate.vehicle.as_ref());
        let vehicle = vehicle.and_then(|vehicle| vehicle.area.as_ref());
        let own = of
            .plate()
            .and_then(|plate| plate.area.as_ref())
            .or(vehicle)
            .or_else(|| of.face()?.area.as_ref())
            .or_else(|| of.object()?.area.as_ref());
        (own, vehicle)
    }
}

impl Word for Within {
    fn holds(&self, of: &Of<'_>) -> bool {
        let (own, vehicle) = Self::boxes(of);
        self.0.hold(of.event, own, vehicle)
    }

    fn why(&self, of: &Of<'_>) -> String {
        let (own, vehicle) = Self::boxes(of);
        self.0.why(of.event, own, vehicle)
    }
}

/// Whose attributes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whose {
    Event,
    Plate,
    Face,
}

impl Whose {
    pub(super) fn find<'a>(self, of: &Of<'a>, names: &[&str]) -> Option<Attribute<'a>> {
        match self {
            Self::Event => Attribute::find(
                &of.event.attributes,
                &std::collections::BTreeMap::new(),
                names,
            ),
            Self::Plate => {
                let plate = of.plate()?;
                Attribute::find(&plate.attributes, &plate.attribute_scores, names)
            }
            Self::Face => {
                let face = of.face()?;
                Attribute::find(&face.attributes, &face.attribute_scores, names)
            }
        }
    }
}

/// An attribute that the user names.
#[derive(Debug)]
pub(super) struct Tells {
    pub(super) whose: Whose,
    pub(super) name: String,
    pub(super) told: Told,
}

impl Word for Tells {
    fn holds(&self, of: &Of<'_>) -> bool {
        self.told.hold(self.whose.find(of, &[&self.name]))
    }

    fn why(&self, of: &Of<'_>) -> String {
        self.told.why(self.whose.find(of, &[&self.name]))
    }
}
