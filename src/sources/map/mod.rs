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
mod pictures;

pub(super) mod coerce;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Value, json};

use super::document::Document;
use super::generic::blank;
use super::{DecodeSettings, Source, Undecodable, country};
use crate::event::{Event, EventId, Kind, Original, Role};
use crate::name::Name;
use crate::template::{Engine, Mistake, Reading, Template};

use coerce::{Coerce, Notes};
use compile::Node;
use fields::Field;

pub(super) use pictures::inline;

/// Elements of `each`; more comes from no camera in one request.
const EACH_MAX: usize = 1_000;
/// Bytes that the templates of one request may write, pictures as text among them.
const WRITTEN_MAX: usize = 512 << 20;

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

/// One request on its way through a map.
struct Pass<'a> {
    map: &'a Map,
    settings: &'a DecodeSettings,
    document: &'a Document,
    seen: pictures::Seen,
    written: usize,
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
        let mut pass = Pass {
            map: self,
            settings,
            document: &document,
            seen: pictures::Seen::default(),
            written: 0,
        };
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

impl Pass<'_> {
    fn events(
        &mut self,
        event: &Arc<Event>,
        reading: &Reading,
        events: &mut Vec<Event>,
    ) -> Result<(), Undecodable> {
        let Some(each) = &self.map.each else {
            events.push(self.event(event, reading.clone())?);
            return Ok(());
        };
        let list = compile::output(each, &reading.clone().scope())
            .map_err(|error| Undecodable::because(format!("`each` of the `map`: {error}")))?;
        let list = match list {
            Value::Array(items) => items,
            Value::Null => {
                let source = each.source();
                return Err(Undecodable::because(format!(
                    "the request has no list for `each` of the `map`: `{source}` is nothing"
                )));
            }
            one => vec![one], // XML makes no list of what comes once
        };
        if list.len() > EACH_MAX {
            return Err(Undecodable::because(format!(
                "the list for `each` of the `map` has more than {EACH_MAX} elements"
            )));
        }
        for (n, it) in list.iter().enumerate() {
            let made = self.event(event, reading.at(it));
            let mut made = made.map_err(|Undecodable { reason }| {
                Undecodable::because(format!("element {n} of `each`: {reason}"))
            })?;
            if n > 0 {
                made.id = EventId::at(made.received_at);
            }
            events.push(made);
        }
        Ok(())
    }

    /// The event with the map laid over.
    fn event(&mut self, event: &Event, reading: Reading) -> Result<Event, Undecodable> {
        let scope = reading.scope();
        let mut notes = Notes::default();
        let rendered = self.map.fields.render(&scope, "", &mut notes);
        self.weigh(&rendered)?;
        let mut over = self.coerced(rendered, &mut notes);
        let told_moment = over.contains_key("occurred_at");
        let mut mapped = self.laid_over(event, &mut over)?;
        for (role, node) in &self.map.images {
            let path = format!("images.{role}");
            let value = node.render(&scope, &path, &mut notes);
            self.weigh(&value)?;
            match self.seen.picture(role, &value, self.document) {
                Ok(Some(picture)) => pictures::put(&mut mapped, picture),
                Ok(None) => {}
                Err(why) => notes.say(format!("`{path}`: {why}")),
            }
        }
        if !over.contains_key("kind") && mapped.kind == Kind::Other {
            mapped.kind = usual_kind(&mapped);
        }
        self.require(&mapped, told_moment, &notes)?;
        mapped.repaired.append(&mut notes.repaired);
        Ok(mapped)
    }

    fn weigh(&mut self, value: &Value) -> Result<(), Undecodable> {
        self.written = self.written.saturating_add(weight(value));
        if self.written > WRITTEN_MAX {
            return Err(Undecodable::because(format!(
                "the `map` writes more than {} MiB for one request",
                WRITTEN_MAX >> 20
            )));
        }
        Ok(())
    }

    /// The fields that have a value. The event's own lists may have gaps.
    fn coerced(&self, rendered: Value, notes: &mut Notes) -> serde_json::Map<String, Value> {
        let zone = self.settings.zone();
        let mut coerce = Coerce { zone: &zone, notes };
        let mut over = serde_json::Map::new();
        let Value::Object(rendered) = rendered else {
            return over;
        };
        for (name, value) in rendered {
            let Some(known) = fields::of(fields::EVENT, &name) else {
                continue;
            };
            let value = match (known.field, value) {
                (_, Value::Null) => None,
                (field @ Field::List(..), value) => {
                    let items = coerce.places(value, field, &name);
                    Some(Value::Array(items))
                }
                (field, value) => coerce.value(value, field, &name),
            };
            over.extend(value.map(|value| (name, value)));
        }
        over
    }

    fn laid_over(
        &self,
        event: &Event,
        over: &mut serde_json::Map<String, Value>,
    ) -> Result<Event, Undecodable> {
        let bug = |error: serde_json::Error| {
            Undecodable::because(format!("the `map` makes no event: {error}"))
        };
        let mut json = serde_json::to_value(event).map_err(bug)?;
        for (name, value) in over.iter() {
            let Value::Array(items) = value else {
                lay(&mut json[name], value);
                continue;
            };
            let replaces = matches!(&self.map.fields, Node::Map(entries)
                if entries.iter().any(|(known, node)| known == name && matches!(node, Node::Text(_))));
            let mut list = match json[name].take() {
                Value::Array(list) if !replaces => list,
                _ => Vec::new(),
            };
            let before = list.len();
            for (n, item) in items.iter().enumerate() {
                match list.get_mut(n) {
                    Some(known) => lay(known, item),
                    None => list.push(item.clone()),
                }
            }
            let is_said = |item: &Value| match fields::of(fields::EVENT, name).map(|it| it.field) {
                Some(Field::List(_, Some(needs))) => item.get(needs).is_some(),
                _ => item.is_object(),
            };
            let mut n = 0;
            list.retain(|item| {
                n += 1;
                n <= before || is_said(item)
            });
            json[name] = Value::Array(list);
        }
        let mut mapped: Event = serde_json::from_value(json).map_err(bug)?;
        mapped.images.clone_from(&event.images);
        mapped.raw = event.raw.clone();
        mapped.original = Arc::clone(&event.original);
        for plate in &mut mapped.plates {
            if plate.country.is_none() {
                plate.country = plate.region.as_deref().and_then(country::of_region);
            }
            if let Some(vehicle) = &mut plate.vehicle
                && vehicle.color.is_none()
            {
                vehicle.color = vehicle.colors.first().map(|color| color.value.clone());
            }
        }
        Ok(mapped)
    }

    /// Signs of life are never without what is required of the rest.
    fn require(&self, event: &Event, told_moment: bool, notes: &Notes) -> Result<(), Undecodable> {
        if self.map.require.is_empty() || matches!(event.kind, Kind::Heartbeat | Kind::Status) {
            return Ok(());
        }
        let json = serde_json::to_value(event).unwrap_or_default();
        let missing: Vec<String> = self
            .map
            .require
            .iter()
            .filter(|path| !match path.split_once('.') {
                Some(("images", role)) => event.images.iter().any(|it| it.role.as_str() == role),
                _ if *path == "images" => !event.images.is_empty(),
                // The moment of arrival stands where none was told.
                _ if *path == "occurred_at" => told_moment || !self.map.generic,
                _ => holds(&json, path),
            })
            .map(|path| format!("`{path}`"))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut reason = format!(
            "{} {} required by the source's `map`, and the request does not tell {}",
            missing.join(", "),
            if missing.len() == 1 { "is" } else { "are" },
            if missing.len() == 1 { "it" } else { "them" },
        );
        for note in &notes.repaired {
            reason.push_str("; ");
            reason.push_str(note);
        }
        Err(Undecodable::because(reason))
    }
}

/// Field by field; a list is replaced.
fn lay(under: &mut Value, over: &Value) {
    match (under, over) {
        (_, Value::Null) => {}
        (Value::Object(under), Value::Object(over)) => {
            for (name, value) in over {
                lay(under.entry(name.as_str()).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over.clone(),
    }
}

/// Whether there is something at the end of the path, in lists in any of the items.
fn holds(value: &Value, path: &str) -> bool {
    match value {
        Value::Array(items) if !path.is_empty() => items.iter().any(|item| holds(item, path)),
        _ if path.is_empty() => match value {
            Value::Null => false,
            Value::Array(items) => !items.is_empty(),
            Value::Object(map) => !map.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        },
        _ => {
            let (first, rest) = path.split_once('.').unwrap_or((path, ""));
            value.get(first).is_some_and(|value| holds(value, rest))
        }
    }
}

fn usual_kind(event: &Event) -> Kind {
    if !event.plates.is_empty() {
        Kind::Plate
    } else if !event.faces.is_empty() {
        Kind::Face
    } else if !event.objects.is_empty() {
        Kind::Object
    } else {
        event.kind
    }
}

/// Bytes, about.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 8,
        Value::Array(items) => items.iter().map(weight).sum::<usize>() + 8,
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| key.len() + weight(value) + 8)
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

#[cfg(test)]
mod tests;
