//! What a message holds, be it for MQTT or NATS: JSON, a text or a picture.

use bytes::Bytes;
use serde_json::Value;

use super::Building;
use crate::template::{Output, RenderError, Scope, Structure, Template};

/// The compiled `payload` of a message.
pub(super) enum Writer {
    Template(Template),
    Structure(Structure),
}

impl Writer {
    pub(super) fn new(building: &mut Building<'_>, at: &[&str], payload: &Value) -> Option<Self> {
        match payload {
            Value::String(source) => building.template(at, source).map(Self::Template),
            other => building.structure(at, other).map(Self::Structure),
        }
    }

    /// None when it comes to nothing.
    pub(super) fn write(&self, scope: &Scope) -> Result<Option<Bytes>, RenderError> {
        let payload = match self {
            Self::Structure(structure) => structure.json(scope)?.to_string().into(),
            Self::Template(template) => match template.output(scope)? {
                Output::Json(Value::String(text)) => Bytes::from(text),
                Output::Json(Value::Null) => return Ok(None),
                Output::Json(value) => value.to_string().into(),
                Output::Picture(picture) => bytes_of(&picture)?,
                Output::Pictures(pictures) => match pictures.as_slice() {
                    [picture] => bytes_of(picture)?,
                    _ => {
                        let reason = "a message is one picture, such as {{ images.frame }}";
                        return Err(RenderError(reason.to_owned()));
                    }
                },
            },
        };
        Ok(Some(payload))
    }

    /// An error when it comes to nothing.
    pub(super) fn must_write(&self, scope: &Scope) -> Result<Bytes, RenderError> {
        self.write(scope)?.ok_or_else(|| {
            let reason = "the payload came to nothing: this event has no such value or picture";
            RenderError(reason.to_owned())
        })
    }
}

/// What is sent unless something else is said.
pub(super) fn event() -> Value {
    "{{ event }}".into()
}

fn bytes_of(picture: &crate::event::Picture) -> Result<Bytes, RenderError> {
    picture.bytes().cloned().ok_or_else(|| {
        let reason = "the picture is known only by its address: fetch it in a step before";
        RenderError(reason.to_owned())
    })
}
