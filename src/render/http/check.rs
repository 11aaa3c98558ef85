//! What `check --connect` asks, and what the answer should say.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::settings;
use crate::payload::around::{Call, Expect};
use crate::render::Building;
use crate::template::{RenderError, Scope, Structure};

/// A request that only asks.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    pub(crate) request: settings::Call,
    /// Whether its answer lists the system's cameras: then those of a preset's `cameras` are looked for in it; `false` if
    /// not given.
    #[serde(default)]
    pub(crate) lists_cameras: bool,
    /// What its answer should say, for systems that describe themselves, such as in a WSDL. What differs is a warning; an
    /// answer that tells nothing is one, too.
    #[serde(default)]
    pub(crate) expects: Vec<Expected>,
    /// The SOAP call that is made, where the answer is a WSDL: what the service says differently is a warning.
    #[serde(default)]
    pub(crate) wsdl: Option<Wsdl>,
}

/// A SOAP call, to be held against a WSDL. Every text may be a template.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wsdl {
    /// The operation, which is also the element around the arguments.
    pub(crate) operation: String,
    /// That element's namespace.
    pub(crate) namespace: String,
    /// What is sent as `SOAPAction`, without quotes.
    pub(crate) action: String,
    /// The version of SOAP, `1.1` or `1.2`; `1.1` if not given.
    #[serde(default = "version")]
    pub(crate) version: String,
    /// The elements inside of the operation's, in the order in which they are sent: a list, or a template that makes one.
    pub(crate) arguments: Value,
    /// Where the call goes.
    pub(crate) address: String,
}

fn version() -> String {
    "1.1".to_owned()
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
    call: Option<Structure>,
}

impl Expects {
    pub(super) fn new(building: &mut Building<'_>, check: Option<&Check>) -> Self {
        let Some(check) = check else {
            return Self::default();
        };
        let call = check.wsdl.as_ref().and_then(|wsdl| {
            let call = json!({
                "operation": wsdl.operation, "namespace": wsdl.namespace, "action": wsdl.action,
                "version": wsdl.version, "arguments": wsdl.arguments, "address": wsdl.address,
            });
            building.structure(&["check", "wsdl"], &call)
        });
        if check.expects.is_empty() {
            return Self {
                call,
                ..Self::default()
            };
        }
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
            call,
        }
    }

    pub(super) fn call(&self, scope: &Scope) -> Result<Option<Call>, RenderError> {
        let Some(call) = &self.call else {
            return Ok(None);
        };
        let call = call.json(scope)?;
        let said = |key: &str| text(&call[key]);
        Ok(Some(Call {
            operation: said("operation"),
            namespace: said("namespace"),
            action: said("action"),
            version: said("version"),
            arguments: texts(&call["arguments"]),
            address: said("address"),
        }))
    }

    pub(super) fn write(&self, scope: &Scope) -> Result<Vec<Expect>, RenderError> {
        let Some(wanted) = &self.wanted else {
            return Ok(Vec::new());
        };
        let wanted = wanted.json(scope)?;
        let expect = |(n, place): (usize, &Expect)| Expect {
            wanted: texts(&wanted[n]["is"]),
            ..place.clone()
        };
        Ok(self.places.iter().enumerate().map(expect).collect())
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A value by itself is a list of one.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(list) => list.iter().map(text).collect(),
        one => vec![text(one)],
    }
}
