//! What only plates have: look-alikes, a region, a place in a list.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::forms::{self, Forms, NoMap, Unknown};
use super::texts::{Asked, NOT_TOLD, one, several, shown};
use crate::likeness::{Fold, Letters, edits};
use crate::lists::{Lists, NotHere};

/// Plates that this one may be a misreading of.
#[derive(Debug, Clone)]
pub(super) struct Similar {
    to: Vec<(Plate, Letters)>,
    edits: usize,
    fold: Fold,
    unknown: Unknown,
}

/// A plate that others are compared with.
#[derive(Debug, Clone)]
pub(super) struct Plate {
    source: Box<str>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FullSimilar {
    /// The plates. Case, blanks, dashes and dots in them do not matter.
    to: Vec<Plate>,
    /// So many letters may be wrong, missing or too many, 0 to 8 (`1`).
    #[serde(default = "one_edit", deserialize_with = "few_edits")]
    #[schemars(range(max = 8))]
    edits: u8,
    /// Whether letters that readers take for one another are the same: `0 O D Q`, `1 I L`, `2 Z`, `4 A`, `5 S`, `6 G`, `8 B`
    /// and `U V` (`true`).
    #[serde(default = "by_default")]
    confusions: bool,
    /// What happens when no plate was read (`fail`).
    #[serde(default)]
    unknown: Unknown,
}

fn one_edit() -> u8 {
    1
}

fn by_default() -> bool {
    true
}

/// More make a plate of any other.
const EDITS_MAX: u8 = 8;

fn few_edits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let edits = u8::deserialize(deserializer)?;
    match edits <= EDITS_MAX {
        true => Ok(edits),
        false => Err(D::Error::custom(format!(
            "{edits} is too large: expected at most {EDITS_MAX}"
        ))),
    }
}

impl Similar {
    fn new(to: Vec<Plate>, edits: u8, confusions: bool, unknown: Unknown) -> Result<Self, String> {
        let fold = match confusions {
            true => Fold::LookAlike,
            false => Fold::Plate,
        };
        let with_letters = |plate: Plate| match Letters::of(&plate.source, fold) {
            Some(letters) => Ok((plate, letters)),
            None => Err(no_plate(&plate.source)),
        };
        Ok(Self {
            to: to.into_iter().map(with_letters).collect::<Result<_, _>>()?,
            edits: edits.into(),
            fold,
            unknown,
        })
    }

    pub(super) fn hold(&self, seen: Option<&str>) -> bool {
        let Some(seen) = seen else {
            return self.unknown.passes();
        };
        let Some(seen) = Letters::of(seen, self.fold) else {
            return false;
        };
        let mut to = self.to.iter();
        to.any(|(_, plate)| edits(&seen, plate, self.edits).is_some())
    }

    pub(super) fn why(&self, seen: Option<&str>) -> String {
        let Some(seen) = seen else {
            return NOT_TOLD.to_owned();
        };
        let to = several(
            self.to.iter().map(|(plate, _)| &*plate.source),
            "the plates of an empty list",
        );
        let letters = if self.edits == 1 { "letter" } else { "letters" };
        let edits = self.edits;
        format!(
            "{} is more than {edits} {letters} away from {to}",
            shown(seen)
        )
    }
}

impl Forms for Similar {
    type One = Plate;
    type Full = FullSimilar;
    const EXPECTED: &'static str =
        "a plate, a list of plates, or `{ to, edits, confusions, unknown }`";

    fn of(all: Vec<Plate>) -> Result<Self, String> {
        Self::new(all, one_edit(), true, Unknown::Fail)
    }

    fn of_map(full: FullSimilar) -> Result<Self, String> {
        Self::new(full.to, full.edits, full.confusions, full.unknown)
    }
}

impl<'de> Deserialize<'de> for Similar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        forms::read(deserializer)
    }
}

impl JsonSchema for Similar {
    fn schema_name() -> Cow<'static, str> {
        "Similar".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        forms::schema::<Self>(generator)
    }
}

fn no_plate(text: &str) -> String {
    format!(
        "`{}` is no plate: expected 1 to 64 letters and digits",
        shown(text)
    )
}

impl<'de> Deserialize<'de> for Plate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one(deserializer, |text| match Letters::of(text, Fold::Plate) {
            Some(letters) if !letters.as_slice().is_empty() => Ok(Self {
                source: text.into(),
            }),
            _ => Err(format!(
                "`{}` is no plate: expected 1 to 64 letters and digits",
                shown(text)
            )),
        })
    }
}

impl JsonSchema for Plate {
    fn schema_name() -> Cow<'static, str> {
        "PlateText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

/// A country or region: `it` is all of Italy, `us-ca` California.
#[derive(Debug, Clone)]
pub(super) struct Region(Box<str>);

impl Asked for Region {
    fn fits(&self, seen: &str) -> bool {
        let (seen, own) = (seen.as_bytes(), self.0.as_bytes());
        let same = seen
            .get(..own.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(own));
        same && matches!(seen.get(own.len()), None | Some(b'-' | b'_'))
    }

    fn source(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Region {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one(deserializer, |text| {
            let mut parts = text.split('-');
            let country = parts.next().unwrap_or_default();
            let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let is_country = (2..=3).contains(&country.len()) && plain(country);
            if is_country && parts.all(|part| (1..=8).contains(&part.len()) && plain(part)) {
                return Ok(Self(text.into()));
            }
            Err(format!(
                "`{}` is no region: expected a country's code of two letters, or that and a part of it, such as `it` or `us-ca`",
                shown(text)
            ))
        })
    }
}

impl JsonSchema for Region {
    fn schema_name() -> Cow<'static, str> {
        "Region".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

/// Whether the plate stands in a table.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed {
    /// Names of `lists`: the plate must stand in one of them.
    #[serde(default, rename = "in")]
    pub(super) of: Option<Names>,
    /// Names of `lists`: the plate must stand in none of them.
    #[serde(default)]
    pub(super) not_in: Option<Names>,
    /// What happens when no plate was read (`fail`).
    #[serde(default)]
    unknown: Unknown,
}

/// A name, or several.
#[derive(Debug, Clone)]
pub(super) struct Names(pub(super) Vec<String>);

impl Listed {
    /// A list that was not fetched yet says neither yes nor no, so nothing passes for it.
    pub(super) fn hold(&self, seen: Option<&str>, lists: &Lists, when: Timestamp) -> bool {
        let Some(seen) = seen else {
            return self.unknown.passes();
        };
        let says = |names: &Option<Names>, wanted: bool| match names {
            Some(names) => {
                holding(names, seen, lists, when).is_ok_and(|in_it| in_it.is_some() == wanted)
            }
            None => true,
        };
        says(&self.of, true) && says(&self.not_in, false)
    }

    pub(super) fn why(&self, seen: Option<&str>, lists: &Lists, when: Timestamp) -> String {
        let Some(seen) = seen else {
            return NOT_TOLD.to_owned();
        };
        let asked =
            |names| Option::map_or(names, Ok(None), |names| holding(names, seen, lists, when));
        match (asked(self.not_in.as_ref()), asked(self.of.as_ref())) {
            (Ok(Some(name)), _) => format!("{} is in {name}", shown(seen)),
            (Err(name), _) | (_, Err(name)) => format!("{name} was not fetched yet"),
            (Ok(None), Ok(_)) => {
                let names = self.of.iter().flat_map(|names| names.0.iter());
                let names = several(names.map(String::as_str), "an empty list");
                format!("{} is not in {names}", shown(seen))
            }
        }
    }
}

/// The first of the lists that the plate stands in at that moment, or else the first that was not fetched yet.
fn holding<'a>(
    names: &'a Names,
    plate: &str,
    lists: &Lists,
    when: Timestamp,
) -> Result<Option<&'a str>, &'a str> {
    let mut not_here = None;
    for name in &names.0 {
        match lists.get(name).map(|list| list.contains_at(plate, when)) {
            Some(Ok(true)) => return Ok(Some(name)),
            Some(Ok(false)) => {}
            Some(Err(NotHere)) | None => not_here = not_here.or(Some(name.as_str())),
        }
    }
    not_here.map_or(Ok(None), Err)
}

impl Forms for Names {
    type One = String;
    type Full = NoMap;
    const MAP: bool = false;
    const EXPECTED: &'static str = "the name of a list, or several of them";

    fn of(all: Vec<String>) -> Result<Self, String> {
        Ok(Self(all))
    }

    fn of_map(never: NoMap) -> Result<Self, String> {
        match never {}
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        forms::read(deserializer)
    }
}

impl JsonSchema for Names {
    fn schema_name() -> Cow<'static, str> {
        "ListNames".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        forms::schema::<Self>(generator)
    }
}
