//! What the answer to `check --connect` should say.

use serde_json::{Value, json};

use super::settings::Check;
use crate::payload::around::Expect;
use crate::render::Building;
use crate::template::{RenderError, Scope, Structure};

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
