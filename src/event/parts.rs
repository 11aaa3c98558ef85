//! What an event holds: its camera, plates, faces, objects, and what goes with them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Area, Moment};

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Camera {
    /// What the sender calls the camera; deliveries with `order: camera` follow it.
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) channel: Option<String>,
    pub(crate) mac: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) ip: Option<String>,
    /// Degrees, WGS 84.
    pub(crate) latitude: Option<f64>,
    pub(crate) longitude: Option<f64>,
    pub(crate) address: Option<String>,
    pub(crate) tags: Vec<String>,
}

/// One plate read, or one vehicle whose plate was not (then `text` is `None`).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Plate {
    /// As read: the vendor's case and script, no separators added or removed.
    pub(crate) text: Option<String>,
    /// How sure the reader is of the text.
    pub(crate) score: Option<Score>,
    /// How sure the reader is that there is a plate at all.
    pub(crate) detection_score: Option<Score>,
    /// The vendor's region code, such as `us-ca`.
    pub(crate) region: Option<String>,
    pub(crate) region_score: Option<Score>,
    /// ISO 3166 alpha-2 in upper case, where it follows from the region.
    pub(crate) country: Option<String>,
    #[serde(rename = "box")]
    pub(crate) area: Option<Area>,
    pub(crate) candidates: Vec<Candidate>,
    /// Degrees from 0 to 359, counter-clockwise, 90 is up the picture.
    pub(crate) direction: Option<f64>,
    /// A vendor's word for the direction of travel.
    pub(crate) heading: Option<String>,
    pub(crate) orientation: Vec<Scored>,
    /// As the vendor tells it; Plate Recognizer documents no unit.
    pub(crate) speed: Option<f64>,
    pub(crate) vehicle: Option<Vehicle>,
    pub(crate) list: Option<ListEntry>,
    pub(crate) owner: Option<String>,
    pub(crate) user_data: Option<Value>,
    /// Whatever else the vendor tells of a plate and its vehicle, in its own words.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) attributes: Map<String, Value>,
    /// How sure the vendor is of an attribute, where it says so.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) attribute_scores: BTreeMap<String, Score>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Candidate {
    pub(crate) text: String,
    pub(crate) score: Option<Score>,
}

/// A word with how sure the vendor is of it, best first in lists.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Scored {
    pub(crate) value: String,
    pub(crate) score: Option<Score>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Vehicle {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) score: Option<Score>,
    #[serde(rename = "box")]
    pub(crate) area: Option<Area>,
    pub(crate) make: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) year: Option<String>,
    /// The best of `colors`.
    pub(crate) color: Option<String>,
    pub(crate) colors: Vec<Scored>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct ListEntry {
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    /// A number where the vendor counts levels, else its word.
    pub(crate) level: Option<Value>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Face {
    pub(crate) person: Option<Person>,
    pub(crate) similarity: Option<Score>,
    /// Whatever the vendor tells of a face, in its own words.
    pub(crate) attributes: Map<String, Value>,
    pub(crate) list: Option<ListEntry>,
    #[serde(rename = "box")]
    pub(crate) area: Option<Area>,
    /// How sure the vendor is of an attribute, where it says so.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) attribute_scores: BTreeMap<String, Score>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Person {
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Object {
    pub(crate) class: Option<String>,
    pub(crate) score: Option<Score>,
    #[serde(rename = "box")]
    pub(crate) area: Option<Area>,
    pub(crate) track_id: Option<String>,
    pub(crate) velocity: Option<f64>,
    pub(crate) direction: Option<f64>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Video {
    pub(crate) filename: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) content_type: Option<String>,
    /// Where the clip lies in the body of the original request, if it came along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) range: Option<(usize, usize)>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Dwell {
    pub(crate) seconds: Option<f64>,
    pub(crate) first_seen: Option<Moment>,
    pub(crate) last_seen: Option<Moment>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Status {
    pub(crate) name: Option<String>,
    pub(crate) active: Option<bool>,
    pub(crate) rule: Option<String>,
}

/// A fraction from 0 to 1: what vendors call score, confidence or probability.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Score(#[schemars(range(min = 0, max = 1))] f64);

impl Score {
    /// `None` for what is not a number from 0 to 1.
    pub(crate) fn from_fraction(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    pub(crate) fn fraction(self) -> f64 {
        self.0
    }
}
