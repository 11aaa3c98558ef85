//! What fields the things have that templates see, for the check.

use std::cmp::Reverse;

use serde_json::Value as Json;

/// What is known of a value before it is there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// Nothing is known; every field may be there.
    Open,
    /// No fields; told with its article, such as `a text`.
    Leaf(&'static str),
    Map(&'static [(&'static str, Shape)]),
    List(&'static Shape),
    /// `images`: roles, which steps may name as they like.
    Images,
    /// `lists`: those of the config.
    Lists,
    /// `with`: the settings of the target's preset.
    With,
}

use Shape::{Leaf, List, Map, Open};

const TEXT: Shape = Leaf(A_TEXT);
const NUMBER: Shape = Leaf(A_NUMBER);
const SCORE: Shape = Leaf(A_SCORE);
const MOMENT: Shape = Leaf(A_MOMENT);
const FLAG: Shape = Leaf(A_FLAG);
const A_TEXT: &str = "a text";
const A_NUMBER: &str = "a number";
const A_SCORE: &str = "a number from 0 to 1";
const A_MOMENT: &str = "a moment";
const A_FLAG: &str = "true or false";

pub(crate) const EVENT: Shape = Map(&[
    ("id", TEXT),
    ("source", TEXT),
    ("vendor", TEXT),
    ("kind", TEXT),
    ("vendor_kind", TEXT),
    ("vendor_id", TEXT),
    ("occurred_at", MOMENT),
    ("ended_at", MOMENT),
    ("received_at", MOMENT),
    ("camera", CAMERA),
    ("plates", List(&PLATE)),
    ("faces", List(&FACE)),
    ("objects", List(&OBJECT)),
    ("images", List(&PICTURE)),
    ("video", VIDEO),
    ("dwell", DWELL),
    ("status", STATUS),
    ("repaired", List(&TEXT)),
    ("path", TEXT),
    ("headers", Open),
    ("raw", Open),
    ("attributes", Open),
]);

const CAMERA: Shape = Map(&[
    ("id", TEXT),
    ("name", TEXT),
    ("channel", TEXT),
    ("mac", TEXT),
    ("serial", TEXT),
    ("ip", TEXT),
    ("latitude", NUMBER),
    ("longitude", NUMBER),
    ("address", TEXT),
    ("tags", List(&TEXT)),
]);

pub(super) const PLATE: Shape = Map(&[
    ("text", TEXT),
    ("score", SCORE),
    ("detection_score", SCORE),
    ("region", TEXT),
    ("region_score", SCORE),
    ("country", TEXT),
    ("box", BOX),
    ("candidates", List(&CANDIDATE)),
    ("direction", NUMBER),
    ("heading", TEXT),
    ("orientation", List(&SCORED)),
    ("speed", NUMBER),
    ("vehicle", VEHICLE),
    ("list", LIST_ENTRY),
    ("owner", TEXT),
    ("user_data", Open),
    ("attributes", Open),
    ("attribute_scores", Open),
]);

const VEHICLE: Shape = Map(&[
    ("type", TEXT),
    ("score", SCORE),
    ("box", BOX),
    ("make", TEXT),
    ("model", TEXT),
    ("year", TEXT),
    ("color", TEXT),
    ("colors", List(&SCORED)),
]);

pub(super) const FACE: Shape = Map(&[
    ("person", Map(&[("id", TEXT), ("name", TEXT)])),
    ("similarity", SCORE),
    ("attributes", Open),
    ("list", LIST_ENTRY),
    ("box", BOX),
    ("attribute_scores", Open),
]);

pub(super) const OBJECT: Shape = Map(&[
    ("class", TEXT),
    ("score", SCORE),
    ("box", BOX),
    ("track_id", TEXT),
    ("velocity", NUMBER),
    ("direction", NUMBER),
]);

pub(super) const PICTURE: Shape = Map(&[
    ("role", TEXT),
    ("item", TEXT),
    ("content_type", TEXT),
    ("size", NUMBER),
    ("width", NUMBER),
    ("height", NUMBER),
    ("sha256", TEXT),
    ("url", TEXT),
]);

const BOX: Shape = Map(&[
    ("xmin", NUMBER),
    ("ymin", NUMBER),
    ("xmax", NUMBER),
    ("ymax", NUMBER),
    ("unit", TEXT),
    ("image", TEXT),
]);

const CANDIDATE: Shape = Map(&[("text", TEXT), ("score", SCORE)]);
const SCORED: Shape = Map(&[("value", TEXT), ("score", SCORE)]);
const LIST_ENTRY: Shape = Map(&[("id", TEXT), ("name", TEXT), ("level", Open)]);
const VIDEO: Shape = Map(&[
    ("filename", TEXT),
    ("url", TEXT),
    ("content_type", TEXT),
    ("range", List(&NUMBER)),
]);
const DWELL: Shape = Map(&[
    ("seconds", NUMBER),
    ("first_seen", MOMENT),
    ("last_seen", MOMENT),
]);
const STATUS: Shape = Map(&[("name", TEXT), ("active", FLAG), ("rule", TEXT)]);
pub(super) const DELIVERY: Shape = Map(&[
    ("id", TEXT),
    ("attempt", NUMBER),
    ("merged", List(&PART)),
    ("merged_count", NUMBER),
]);

const PART: Shape = Map(&[
    ("id", TEXT),
    ("item", TEXT),
    ("occurred_at", MOMENT),
    ("camera", TEXT),
    ("text", TEXT),
    ("score", SCORE),
]);

pub(super) const PAIR: Shape = Map(&[("front", EVENT), ("rear", EVENT)]);
pub(super) const WRAPPED: Shape = Map(&[("body", TEXT), ("content_type", TEXT), ("size", NUMBER)]);
pub(super) const SESSION: Shape = Map(&[("token", TEXT)]);
pub(super) const NOW: Shape = MOMENT;

pub(super) const LOOP: Shape = Open;

impl Shape {
    /// Whether a value may stand there; null stands for what is absent. Else why not, and never with the value itself.
    ///
    /// # Errors
    /// What is expected, and where below it.
    pub(crate) fn takes(self, value: &Json) -> Result<(), String> {
        let expected = |what: &str| Err(format!("expected {what}, found {}", kind(value)));
        match (self, value) {
            (_, Json::Null) | (Self::Open | Self::Images | Self::Lists | Self::With, _) => Ok(()),
            (Leaf(A_NUMBER), Json::Number(_)) | (Leaf(A_FLAG), Json::Bool(_)) => Ok(()),
            (Leaf(A_SCORE), Json::Number(n))
                if n.as_f64().is_some_and(|n| (0.0..=1.0).contains(&n)) =>
            {
                Ok(())
            }
            (Leaf(A_TEXT | A_MOMENT), Json::String(_)) => Ok(()),
            (Leaf(A_SCORE), Json::Number(_)) => {
                Err(format!("expected {A_SCORE}, found another number"))
            }
            (Leaf(A_NUMBER | A_SCORE), Json::String(_)) => {
                Err("expected a number, found a text: use `| float` or `| int`".to_owned())
            }
            (Leaf(what), _) => expected(what),
            (List(of), Json::Array(items)) => (items.iter().enumerate())
                .try_for_each(|(n, item)| of.takes(item).map_err(|why| format!("at {n}: {why}"))),
            (List(_), _) => expected("a list"),
            (Map(fields), Json::Object(map)) => map.iter().try_for_each(|(name, value)| {
                let known = fields.iter().find(|(known, _)| known == name);
                let (_, shape) = known.ok_or_else(|| format!("there is no field `{name}`"))?;
                shape.takes(value).map_err(|why| format!("{name}: {why}"))
            }),
            (Map(_), _) => expected("a map of fields"),
        }
    }

    pub(crate) fn is_text(self) -> bool {
        matches!(self, Leaf(A_TEXT))
    }

    /// The name of the field that was meant, perhaps one level deeper: `color` of a plate is its vehicle's.
    pub(crate) fn suggest(self, name: &str) -> Option<String> {
        let Map(fields) = self else { return None };
        let deeper = || {
            fields.iter().find_map(|(outer, shape)| match shape {
                Map(inner) if inner.iter().any(|(inner, _)| *inner == name) => {
                    Some(format!("{outer}.{name}"))
                }
                _ => None,
            })
        };
        deeper().or_else(|| nearest(name, fields.iter().map(|(name, _)| *name)).map(str::to_owned))
    }
}

fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "nothing",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
    }
}

/// The known word that looks most like this one, if one does.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).max(1);
    let distance = |known: &str| strsim::osa_distance(word, known);
    let near = |known: &&str| {
        distance(known) <= allowed
            || (word.len() >= 4 && known.starts_with(word))
            || strsim::jaro_winkler(word, known) > 0.9
    };
    known
        .into_iter()
        .filter(near)
        .max_by_key(|known| Reverse(distance(known)))
}
