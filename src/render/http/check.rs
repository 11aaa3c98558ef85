//! What `check --connect` asks, and what the answer should say.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::settings::Call;
use crate::payload::around::Expect;
use crate::render::Building;
use crate::template::{RenderError, Scope, Structure};

/// A request that only asks.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    pub(crate) request: Call,
    /// Whether its answer lists the system's cameras: then those of a preset's `cameras` are looked for in it; `false` if
    /// not given.
    #[serde(default)]
    pub(crate) lists_cameras: bool,
    /// What its answer should say, for systems that describe themselves, such as in a WSDL. What differs is a warning; an
    /// answer that tells nothing is one, too.
    #[serde(default)]
    pub(crate) expects: Vec<Expected>,
}

/// What some elements of an XML answer should have.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    /// The elements, by their name without prefix.
    pub(crate) xml: String,
    /// Which of their attributes; their text if not given.
    #[serde(default)]
    pub(crate) attribute: Option<String>,
    /// What one of them should have, or a list: what they should have one after the other.
    pub(crate) is: Value,
    /// What it means if it differs.
    pub(crate) otherwise: String,
}

/// The places, and what should be there, each as `{ is }` in the order of the places.
#[derive(Default)]
pub(super) struct Expects {
    places: Vec<Expect>,
    wanted: Option<Structure>,
}

impl Expects {
    pub(super) fn new(building: &mut Building<'_>, check: Option<&Check>) -> Self {
        let Some(check) = check.filter(|check| !check.expects.is_empty()) else {
            return Self::default();
        };
        let wanted = check
            .expects
            .iter()
            .map(|expect| json!({ "is": expect.is }));
        let wanted = Value::Array(wanted.collect());
        let places = check.expects.iter().map(|expect| Expect {
            element: expect.xml.clone(),
            attribute: expect.attribute.clone(),
            wanted: Vec::new(),
            otherwise: expect.otherwise.clone(),
        });
        Self {
            wanted: building.structure(&["check", "expects"], &wanted),
            places: places.collect(),
        }
    }

    pub(super) fn write(&self, scope: &Scope) -> Result<Vec<Expect>, RenderError> {
        let Some(wanted) = &self.wanted else {
            return Ok(Vec::new());
        };
        let wanted = wanted.json(scope)?;
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let expect = |(n, place): (usize, &Expect)| Expect {
            wanted: match &wanted[n]["is"] {
                Value::Null => Vec::new(),
                Value::Array(list) => list.iter().map(text).collect(),
                one => vec![text(one)],
            },
            ..place.clone()
        };
        Ok(self.places.iter().enumerate().map(expect).collect())
    }
}
