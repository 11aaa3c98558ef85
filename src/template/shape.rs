//! What fields the things have that templates see, for the check.

use std::cmp::Reverse;

/// What is known of a value before it is there.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
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

const TEXT: Shape = Leaf("a text");
const NUMBER: Shape = Leaf("a number");
const SCORE: Shape = Leaf("a number from 0 to 1");
const MOMENT: Shape = Leaf("a moment");
const FLAG: Shape = Leaf("true or false");

pub(super) const EVENT: Shape = Map(&[
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
    /// The name of the field that was meant, perhaps one level deeper: `color` of a plate is its vehicle's.
    pub(super) fn suggest(self, name: &str) -> Option<String> {
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
