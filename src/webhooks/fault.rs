//! What is wrong with a document, and where, in the form that clients of such servers read.

use std::borrow::Cow;

use serde_json::{Value, json};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    /// The way to it in the body, keys and places in lists.
    pub(crate) way: Vec<Value>,
    pub(crate) message: Cow<'static, str>,
    /// A word for programs.
    pub(crate) kind: &'static str,
}

impl Fault {
    pub(crate) const MISSING: &'static str = "value_error.missing";
    pub(super) const EXTRA: &'static str = "value_error.extra";
    pub(crate) const VALUE: &'static str = "value_error";
    pub(super) const TYPE: &'static str = "type_error";
    pub(super) const WORD: &'static str = "value_error.enum";
    pub(super) const RANGE: &'static str = "value_error.number";
    pub(crate) const NOT_PERMITTED: &'static str = "value_error.url.host";
    pub(crate) const JSON: &'static str = "value_error.jsondecode";

    pub(crate) fn new(
        way: &[&str],
        kind: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            way: way.iter().map(|step| Value::from(*step)).collect(),
            message: message.into(),
            kind,
        }
    }

    /// The same, at this place of a list.
    pub(super) fn at(mut self, place: usize) -> Self {
        self.way.push(place.into());
        self
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut way = vec![Value::from("body")];
        way.extend(self.way.iter().cloned());
        json!({ "loc": way, "msg": self.message, "type": self.kind })
    }
}
