//! `map`: what a user says of the sender's fields, in a few lines of templates.
//!
//! A decoder cannot know every body: vendors publish some of them never and change others overnight. So the user may say
//! which field of the document is which field of the neutral event. For a sender of kind `generic` that makes the event;
//! for any other it is laid over the event that was decoded, field by field, and stands in for the decoder where that gives
//! up.
//!
//! It runs in four moves for each event: [`compile`] has made templates of the texts when the file was loaded, they are
//! rendered, [`coerce`] makes of what comes the types of the event (text to numbers, percent to fractions, anything to
//! moments), and the result is laid over. A value that does not fit costs itself alone and is told under `repaired`; only
//! what the user requires costs the request.
//!
//! Bounds: elements of `each`, and bytes that all templates of a request write together, so that a map that repeats a large
//! document for each of its elements ends.

mod compile;
mod fields;
mod pass;
mod pictures;
mod written;

pub(super) mod coerce;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Value, json};

use super::document::Document;
use super::generic::blank;
use super::{DecodeSettings, Source, Undecodable};
use crate::event::{Event, Original, Role};
use crate::name::Name;
use crate::template::{Engine, Mistake, Reading, Template};

use compile::Node;
use pass::Pass;

pub(super) use pictures::inline;
pub(super) use written::mend;

/// A source's `map` as it is written.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct MapSettings(serde_json::Map<String, Value>);

/// A source's `map`, ready to be used.
pub(crate) struct Map {
    each: Option<Template>,
    fields: Node,
    images: Vec<(Role, Node)>,
    require: Vec<String>,
    /// Whether the map alone makes the event.
    generic: bool,
}

impl MapSettings {
    /// `kind` is the source's.
    pub(crate) fn compile(&self, engine: &Engine, kind: &str) -> Result<Map, Vec<Mistake>> {
        compile::compile(self, engine, kind == "generic")
    }

    fn require(&self) -> impl Iterator<Item = &str> {
        let paths = self.0.get("require").and_then(Value::as_array);
        paths.into_iter().flatten().filter_map(Value::as_str)
    }
}

impl JsonSchema for MapSettings {
    fn schema_name() -> Cow<'static, str> {
        "Map".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut properties = serde_json::Map::new();
        let each = "A list in the request, such as `{{ body.detections }}`: one event for each element, which templates see as \
                    `it`. Default: one event.";
        properties.insert(
            "each".to_owned(),
            json!({ "type": "string", "description": each }),
        );
        properties.extend(fields::properties(fields::EVENT));
        let require = "Fields without which the request is no event, such as `plates` or `camera.id`: kind `generic` answers \
                       422 with the reason, others put it into quarantine (`undecodable` changes either). Default: none.";
        properties.insert(
            "require".to_owned(),
            json!({ "type": "array", "items": { "type": "string" }, "description": require }),
        );
        let mut schema = Schema::default();
        schema.insert("type".to_owned(), "object".into());
        schema.insert("properties".to_owned(), Value::Object(properties));
        schema.insert("additionalProperties".to_owned(), false.into());
        schema
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Map")
    }
}

impl Map {
    pub(super) fn decode(
        &self,
        source: &dyn Source,
        name: &Name,
        settings: &DecodeSettings,
        request: &Arc<Original>,
    ) -> Result<Vec<Event>, Undecodable> {
        let source = source.passes_on(request).unwrap_or(source);
        let document = Document::read(request);
        let (document, decoded, failed) = if self.generic {
            let document = document?;
            let event = blank(&document, name, request);
            (document, vec![event], None)
        } else {
            match (source.decode(name, settings, request), document) {
                (Ok(events), document) => (document.unwrap_or_default(), events, None),
                (Err(error), Err(_)) => return Err(error),
                (Err(error), Ok(document)) => {
                    let mut event = blank(&document, name, request);
                    source.kind().clone_into(&mut event.vendor);
                    (document, vec![event], Some(error))
                }
            }
        };
        let reading = Reading::new(request, &document.value(), &document.parts());
        let mut pass = Pass::new(self, settings, &document);
        let mut events = Vec::new();
        for event in decoded {
            let event = Arc::new(event);
            let here = match self.generic {
                true => reading.clone(),
                false => reading.beside(&event),
            };
            pass.events(&event, &here, &mut events)?;
        }
        match failed {
            None => Ok(events),
            Some(error) if events.iter().all(says_nothing) => Err(error),
            Some(error) => {
                for event in &mut events {
                    let note = format!("read by `map` alone, for: {error}");
                    event.repaired.insert(0, note);
                }
                Ok(events)
            }
        }
    }
}

fn says_nothing(event: &Event) -> bool {
    event.plates.is_empty()
        && event.faces.is_empty()
        && event.objects.is_empty()
        && event.camera.id.is_none()
        && event.status.is_none()
        && event.dwell.is_none()
}

#[cfg(test)]
mod tests;
