//! The words as users write them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};

use super::bounds::Bounds;
use super::filter::Filter;
use super::forms::{self, Forms, List};
use super::open::Told;
use super::place::{Direction, Zone};
use super::plate::{Listed, Region, Similar};
use super::table;
use super::texts::{PlateText, Sure, Text, Texts};
use super::time::Times;
use super::words::Subject;
use crate::event::Kind;
use crate::routes::Each;
use crate::template::{Engine, Mistake};

/// Words that must all hold. In a list of values any will do. What an event does not tell fits no word, unless the word's
/// map says `unknown: pass`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Only")]
pub(crate) struct Settings {
    /// What happened, such as `[plate, face]`.
    pub(super) kind: Option<List<Kind>>,
    /// What the event shows: `face`, `vehicle` (with a plate or without), `bare_plate` (of whose vehicle nothing is told),
    /// `body` (a whole person).
    pub(super) about: Option<List<Subject>>,
    /// Who made the sender, such as `viewtron`.
    pub(super) vendor: Option<Texts<Text>>,
    /// The vendor's own word for the kind.
    pub(super) vendor_kind: Option<Texts<Text>>,
    /// The camera's id or name, such as `[gate-1, "yard-*"]`.
    pub(super) camera: Option<Texts<Text>>,
    /// One of the camera's tags.
    pub(super) tag: Option<Texts<Text>>,
    /// Which of a passage's pictures it is, where a sender tells several: FindFace's `overall` is the best one, `realtime`
    /// one of many.
    pub(super) shot: Option<Texts<Text>>,
    /// When it happened, by the wall clock: `mon-fri 18:00-06:00 Europe/Rome`, a list of such, or a map.
    pub(super) time: Option<Times>,
    /// What the vendor tells of the event besides, by its own names (`event.attributes`).
    pub(super) attributes: BTreeMap<String, Told>,
    /// What was read: a plate, a list of plates with wildcards, or a map.
    pub(super) plate: Option<PlateWords>,
    /// Country or region of the plate, such as `[it, us-ca]`; a country is all of its regions.
    pub(super) region: Option<Texts<Region>>,
    /// Whether the plate stands in one of this file's `lists`.
    pub(super) list: Option<Listed>,
    /// Which side of the vehicle is seen, such as `front`.
    pub(super) orientation: Option<Sure>,
    /// A vendor's word for the direction of travel.
    pub(super) heading: Option<Texts<Text>>,
    /// As the vendor tells it, in its unit.
    pub(super) speed: Option<Bounds>,
    /// The vehicle of the plate.
    pub(super) vehicle: VehicleWords,
    /// The face.
    pub(super) face: FaceWords,
    /// What else is seen: a person, a bag, an animal.
    pub(super) object: ObjectWords,
    /// `true`: the sender knows who or whose it is (a face of a person that it knows, a plate in one of its own lists);
    /// `false`: it does not.
    pub(super) matched: Option<bool>,
    /// The sender's person or card, by id or name.
    pub(super) card: Option<Texts<Text>>,
    /// The sender's own list, by id or name.
    pub(super) listed: Option<Texts<Text>>,
    /// How much it is like what it was matched with, 0 to 1.
    pub(super) similarity: Option<Bounds>,
    /// The direction of travel in degrees: `{ from: 315, to: 45 }`.
    pub(super) direction: Option<Direction>,
    /// The part of the picture that the item is in.
    pub(super) zone: Option<Zone>,
}

/// What was read of a plate.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FullPlate {
    /// Its text, such as `["AB?12*"]`: `*` stands for anything, `?` for one letter; case, blanks, dashes and dots do not
    /// matter.
    pub(super) like: Option<Texts<PlateText>>,
    /// Plates that this one may be a misreading of.
    pub(super) similar: Option<Similar>,
    /// How sure the reader is of the text, 0 to 1.
    pub(super) score: Option<Bounds>,
    /// How sure the reader is that there is a plate at all, 0 to 1.
    pub(super) detection_score: Option<Bounds>,
    /// How much of the plate is seen, such as FindFace's `fully_visible`, `partly_visible`, `invisible`.
    pub(super) visibility: Option<Sure>,
    /// What the vendor tells of the plate and its vehicle besides, by its own names (`plate.attributes`).
    pub(super) attributes: BTreeMap<String, Told>,
}

/// A vehicle.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct VehicleWords {
    /// Such as `[sedan, suv]`.
    #[serde(rename = "type")]
    pub(super) kind: Option<Texts<Text>>,
    /// Such as `fiat`.
    pub(super) make: Option<Texts<Text>>,
    /// Such as `panda`.
    pub(super) model: Option<Texts<Text>>,
    /// The best guess of its colour.
    pub(super) color: Option<Sure>,
    /// What it serves for, such as FindFace's `police`, `ambulance`, `taxi`, `not_special`.
    pub(super) special: Option<Sure>,
    /// How sure the reader is of the vehicle, 0 to 1.
    pub(super) score: Option<Bounds>,
}

/// A face.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FaceWords {
    /// `true`: the sender knows who it is; `false`: it does not.
    pub(super) matched: Option<bool>,
    /// The person, by id or name.
    pub(super) person: Option<Texts<Text>>,
    /// How much it is like the person's picture, 0 to 1.
    pub(super) similarity: Option<Bounds>,
    /// Head turned to the side, degrees.
    pub(super) yaw: Option<Bounds>,
    /// Head up or down, degrees.
    pub(super) pitch: Option<Bounds>,
    /// Head tilted, degrees.
    pub(super) roll: Option<Bounds>,
    /// Whether it is a living face, 0 to 1; `real` counts as 1, `fake` as 0.
    pub(super) liveness: Option<Bounds>,
    /// Mask on the face, such as FindFace's `none`, `correct`, `incorrect`.
    pub(super) mask: Option<Sure>,
    /// Years.
    pub(super) age: Option<Bounds>,
    /// What the vendor tells of the face besides, by its own names (`face.attributes`): `{ gender: female, beard: none }`.
    pub(super) attributes: BTreeMap<String, Told>,
}

/// An object.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ObjectWords {
    /// Such as `[person, dog]`.
    pub(super) class: Option<Texts<Text>>,
    /// How sure the sender is of it, 0 to 1.
    pub(super) score: Option<Bounds>,
}

/// What was read of a plate, or only patterns of it.
#[derive(Debug, Clone, Default)]
pub(super) struct PlateWords(pub(super) FullPlate);

impl Forms for PlateWords {
    type One = PlateText;
    type Full = FullPlate;
    const EXPECTED: &'static str =
        "a plate such as `AB*`, a list of plates, or a map such as `{ like, similar, score }`";

    fn of(all: Vec<PlateText>) -> Result<Self, String> {
        Ok(Self(FullPlate {
            like: Some(Texts::of(all)?),
            ..FullPlate::default()
        }))
    }

    fn of_map(full: FullPlate) -> Result<Self, String> {
        Ok(Self(full))
    }
}

impl<'de> Deserialize<'de> for PlateWords {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        forms::read(deserializer)
    }
}

impl JsonSchema for PlateWords {
    fn schema_name() -> Cow<'static, str> {
        "PlateWords".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        forms::schema::<Self>(generator)
    }
}

impl Settings {
    /// # Errors
    /// When a list is named that there is none of; everything else was refused when it was read.
    pub(in crate::routes) fn build(
        self,
        each: Option<Each>,
        engine: &Engine,
    ) -> Result<Filter, Mistake> {
        let names = self.list.iter().flat_map(|list| {
            let key = |names: &Option<super::plate::Names>, key| {
                let names = names.iter().flat_map(|names| names.0.clone());
                let places: Vec<(String, String, String)> = names
                    .enumerate()
                    .map(|(n, name)| (key, n, name))
                    .map(|(key, n, name): (&str, usize, String)| {
                        (key.to_owned(), n.to_string(), name)
                    })
                    .collect();
                places
            };
            key(&list.of, "in")
                .into_iter()
                .chain(key(&list.not_in, "not_in"))
        });
        for (key, place, name) in names {
            engine.list(&name).map_err(|mistake| Mistake {
                path: vec!["list".to_owned(), key, place],
                ..mistake
            })?;
        }
        Ok(Filter::new(table::entries(self), each))
    }
}
