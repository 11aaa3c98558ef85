//! A JSON document around a finished body, for receivers that want a request in an envelope, such as AWS Lambda's Invoke.

use super::Settings;
use super::body::{Written, given, json};
use crate::payload::late;
use crate::render::Building;
use crate::template::{Names, RenderError, Scope, Structure};

/// `None` when nothing is wrapped, or when there were mistakes.
pub(super) fn compile(building: &mut Building<'_>, settings: &Settings) -> Option<Structure> {
    let source = settings.wrap.as_ref()?;
    if given(settings).is_empty() {
        let message = "`wrap` stands around a body, and there is none".to_owned();
        let help = "add such as `stream: true`, or write the document as `json`";
        building.wrong(&["wrap"], message, Some(help));
    }
    let names = std::mem::replace(&mut building.names, Names::Wrapping);
    let structure = building.structure(&["wrap"], source);
    building.names = names;
    structure
}

pub(super) fn write(
    structure: &Structure,
    inner: &Written,
    scope: &Scope,
) -> Result<Written, RenderError> {
    // Nobody finds the place of a value that comes later once it is encoded.
    if let Some(name) = late::left_in(&inner.body) {
        return Err(RenderError(format!(
            "a body with `{name}` cannot be wrapped: its value is known only when it is sent"
        )));
    }
    let scope = scope.wrapping(inner.body.to_vec(), inner.content_type.as_deref());
    Ok(json(&structure.json(&scope)?))
}
