//! Render: writes what a target is to be sent, from templates. Pure.

use crate::event::Event;
use crate::payload::Payload;
use crate::template::{RenderError, Scope};

/// How one target's payloads are written.
pub(crate) enum Renderer {}

impl Renderer {
    pub(crate) fn render(&self, event: &Event, scope: &Scope) -> Result<Payload, RenderError> {
        todo!()
    }
}
