//! The one small language of `routes.yaml`: MiniJinja, with null-safe comparisons and the filters of the domain.

use std::sync::Arc;

use serde_json::Value;

use crate::event::{DeliveryId, Event, Item, Picture};
use crate::lists::Lists;

/// Compiles templates. Cheap to clone; every template keeps it alive.
#[derive(Clone)]
pub(crate) struct Engine;

/// A text that may hold `{{ … }}`. Knows its source.
#[derive(Clone)]
pub(crate) struct Template;

/// A MiniJinja expression that is true or false (`when`). A condition that cannot be evaluated is false.
#[derive(Clone)]
pub(crate) struct Condition;

/// A YAML structure (map, list, text, number, …) whose texts are templates, keys in order.
#[derive(Clone)]
pub(crate) struct Structure;

/// Which names a text may use, for the check at load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// `event plate face object lists now`: in `when`, decided on arrival.
    Choosing,
    /// Those, `images`, `with` and `delivery`: in what is sent.
    Rendering,
}

/// What a mistake in a template is, and where.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Mistake {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// Bytes of the template's source; of a `Structure`, of the text at `path`.
    pub(crate) range: std::ops::Range<usize>,
    /// Where in a `Structure`: keys and indices from the outside in.
    pub(crate) path: Vec<String>,
}

/// What the names of a template stand for, for one delivery (or one event and item, in `when`).
pub(crate) struct Scope;

/// What a scope is made of.
pub(crate) struct Given<'a> {
    pub(crate) event: &'a Arc<Event>,
    pub(crate) item: Option<Item>,
    /// The event's pictures and those that steps made.
    pub(crate) pictures: &'a [Picture],
    pub(crate) lists: &'a Lists,
    /// A preset's settings.
    pub(crate) with: Option<&'a Value>,
    /// The delivery and which attempt this is, from 1.
    pub(crate) delivery: Option<(DeliveryId, u32)>,
    pub(crate) now: jiff::Timestamp,
}

/// What a template came to: a text, or the value of its single expression.
#[derive(Debug, Clone)]
pub(crate) enum Output {
    Json(Value),
    Picture(Picture),
    /// `images.list`, or a list of chosen pictures.
    Pictures(Vec<Picture>),
}

/// Why a template could not be rendered.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct RenderError(pub(crate) String);

impl Engine {
    pub(crate) fn new() -> Self {
        todo!()
    }
    pub(crate) fn template(&self, source: &str, names: Names) -> Result<Template, Mistake> {
        todo!()
    }
    /// A path for [`crate::payload::File`] and its like: the value of each `{{ … }}` goes through
    /// [`crate::payload::safe_segment`], the literal text stays as written (strftime codes included).
    pub(crate) fn path(&self, source: &str, names: Names) -> Result<Template, Mistake> {
        todo!()
    }
    pub(crate) fn condition(&self, source: &str, names: Names) -> Result<Condition, Mistake> {
        todo!()
    }
    pub(crate) fn structure(
        &self,
        source: &Value,
        names: Names,
    ) -> Result<Structure, Vec<Mistake>> {
        todo!()
    }
}

impl Scope {
    pub(crate) fn new(given: &Given<'_>) -> Self {
        todo!()
    }
}

impl Template {
    pub(crate) fn source(&self) -> &str {
        todo!()
    }
    /// As text; null is the empty text, a number or list is its JSON, a picture is an error.
    pub(crate) fn text(&self, scope: &Scope) -> Result<String, RenderError> {
        todo!()
    }
    /// A text that is exactly one `{{ expression }}` keeps the value's type.
    pub(crate) fn output(&self, scope: &Scope) -> Result<Output, RenderError> {
        todo!()
    }
}

impl Condition {
    pub(crate) fn source(&self) -> &str {
        todo!()
    }
    pub(crate) fn holds(&self, scope: &Scope) -> bool {
        todo!()
    }
}

impl Structure {
    /// A picture inside is an error that says to use `| base64`.
    pub(crate) fn json(&self, scope: &Scope) -> Result<Value, RenderError> {
        todo!()
    }
}
