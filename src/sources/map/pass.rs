//! One request on its way through a map: rendered, coerced, laid over, and held against what is required.

use std::sync::Arc;

use serde_json::Value;

use super::coerce::{Coerce, Notes};
use super::compile::{self, Node};
use super::fields::{self, Field};
use super::{Map, pictures};
use crate::event::{Event, EventId, Kind};
use crate::sources::document::Document;
use crate::sources::{DecodeSettings, Undecodable, country};
use crate::template::Reading;

/// Elements of `each`; more comes from no camera in one request.
pub(super) const EACH_MAX: usize = 1_000;
/// Bytes that the templates of one request may write, pictures as text among them.
const WRITTEN_MAX: usize = 512 << 20;

/// One request on its way through a map.
pub(super) struct Pass<'a> {
    map: &'a Map,
    settings: &'a DecodeSettings,
    document: &'a Document,
    seen: pictures::Seen,
    written: usize,
}

impl<'a> Pass<'a> {
    pub(super) fn new(map: &'a Map, settings: &'a DecodeSettings, document: &'a Document) -> Self {
        Self {
            map,
            settings,
            document,
            seen: pictures::Seen::default(),
            written: 0,
        }
    }

    pub(super) fn events(
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
