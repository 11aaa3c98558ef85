//! What an entry of the file is: the settings of one room, or of several rooms joined under one key.

use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::fetch;
use crate::sources::{CameraSettings, MapSettings, SourceKind};
use crate::steps;
use crate::units::{ByteSize, Span, Timezone};

/// Where events are kept.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Store {
    /// Folder of the store (`data`), counted from this file's folder.
    pub(super) path: String,
    /// How long settled events are kept (`7d`). What is still pending stays longer.
    pub(super) keep: Span,
    /// Bytes on disk (`20GiB`). Beyond it the oldest settled events go first; when all is still pending, senders get 503.
    pub(super) max_size: ByteSize,
    /// Lets pictures go before their events: what the events tell stays for `keep`. Without it they go together.
    pub(super) pictures: Option<Pictures>,
}

/// How long pictures are kept, and with them the requests they came in. Beyond `store.max_size` too pictures go first.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "KeptPictures")]
pub(super) struct Pictures {
    /// How long pictures of settled events are kept (`store.keep`), such as `7d`.
    pub(super) keep: Option<Span>,
    /// Bytes on disk of events that still have their pictures (no limit but `store.max_size`). Beyond it the oldest lose
    /// theirs.
    pub(super) max_size: Option<ByteSize>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            path: "data".to_owned(),
            keep: Span(std::time::Duration::from_secs(7 * 86_400)),
            max_size: ByteSize(20 << 30),
            pictures: None,
        }
    }
}

/// A place that cameras post to.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Decoding {
    /// Whose requests come here (`auto`: told apart by the requests themselves).
    pub(super) kind: SourceKind,
    /// An IANA time zone such as `Europe/Rome`, for times that the sender tells without one (`UTC`).
    pub(super) timezone: Option<Timezone>,
    /// What you know of cameras and their sender does not tell, by the id that it gives them.
    pub(super) cameras: BTreeMap<String, CameraSettings>,
    /// Fetching the pictures that the sender tells only by their address, before the event is delivered. Default: they
    /// are not fetched, and targets see the address.
    pub(super) fetch: Option<fetch::Settings>,
    /// Which of the sender's fields is which of the event's: templates that see `body` (the document: JSON, form, multipart
    /// texts, XML), `headers`, `query`, `path`, `method`, `parts`, with `each` also `it`, and `event` as decoded unless the
    /// kind is `generic`. Default: the decoder's own reading.
    pub(super) map: Option<MapSettings>,
}

/// What happens to events on a route: beside what the route itself says.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Steps {
    /// What happens to the event on its way, in this order. Default: nothing.
    pub(super) steps: Vec<steps::Settings>,
}

/// Presets of your own.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Presets {
    /// A folder of preset files (`*.yaml`), counted from this file's folder. A preset there with the name of a shipped one
    /// takes its place.
    pub(super) path: Option<String>,
}

/// What a target takes from a preset.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ByPreset {
    /// The system to speak to, by the name of its preset: `camhook presets` lists them. Stands in place of `http`, `jsonl`
    /// and so on.
    pub(super) preset: Option<String>,
    /// The preset's settings, such as its `url`: `camhook presets show NAME` tells them. Texts may be templates.
    pub(super) with: Option<Map<String, Value>>,
}

/// Why settings could not be read, and where in them.
pub(super) struct Unreadable {
    pub(super) path: Vec<String>,
    pub(super) message: String,
}

/// Reads one room's settings out of an entry: of its keys those that the room knows.
pub(super) fn part<T: DeserializeOwned + JsonSchema>(
    entry: &Map<String, Value>,
) -> (Option<T>, Vec<Unreadable>) {
    let known = keys::<T>();
    let own: Map<String, Value> = entry
        .iter()
        .filter(|(key, _)| known.contains(*key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    read(Value::Object(own))
}

/// Reads settings; what cannot be read is told, taken out, and the rest tried again, so that all of it is told. The
/// settings that come with a mistake serve only to look for more of them.
pub(super) fn read<T: DeserializeOwned>(mut value: Value) -> (Option<T>, Vec<Unreadable>) {
    let mut unreadable = Vec::new();
    let mut removed: Vec<(Vec<String>, usize)> = Vec::new();
    loop {
        let error = match serde_path_to_error::deserialize(value.clone()) {
            Ok(settings) => return (Some(settings), unreadable),
            Err(error) => error,
        };
        let mut path: Vec<String> = error
            .path()
            .iter()
            .map(|segment| segment.to_string().trim_matches(['[', ']']).to_owned())
            .collect();
        let taken_out = take_out(&mut value, &path);
        for depth in 0..path.len() {
            // An item stands further down in the file than in the list that items were taken out of.
            let (before, rest) = path.split_at_mut(depth);
            if let Ok(mut index) = rest[0].parse::<usize>() {
                let mut gone: Vec<usize> = removed
                    .iter()
                    .filter(|(list, _)| list == before)
                    .map(|(_, index)| *index)
                    .collect();
                gone.sort_unstable();
                index += gone
                    .iter()
                    .fold(0, |more, gone| more + usize::from(*gone <= index + more));
                rest[0] = index.to_string();
            }
        }
        if let Some((last, list)) = path.split_last()
            && let Ok(index) = last.parse()
        {
            removed.push((list.to_vec(), index));
        }
        unreadable.push(Unreadable {
            path,
            message: error.inner().to_string(),
        });
        if !taken_out {
            return (None, unreadable);
        }
    }
}

/// Removes the value at the end of the path; false when nothing is there.
fn take_out(value: &mut Value, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else {
        return false;
    };
    match (value, rest) {
        (Value::Object(map), []) => map.shift_remove(first).is_some(),
        (Value::Object(map), rest) => map.get_mut(first).is_some_and(|next| take_out(next, rest)),
        (Value::Array(items), rest) => {
            let index = first.parse().ok().filter(|index| *index < items.len());
            match (index, rest) {
                (None, _) => false,
                (Some(index), []) => {
                    items.remove(index);
                    true
                }
                (Some(index), rest) => take_out(&mut items[index], rest),
            }
        }
        _ => false,
    }
}

fn keys<T: JsonSchema>() -> BTreeSet<String> {
    let schema = T::json_schema(&mut SchemaGenerator::default());
    let properties = schema.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .map(|(key, _)| key.clone())
        .collect()
}

/// A map with the keys of all of these.
pub(super) fn joined(description: &str, parts: &[Schema]) -> Schema {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for part in parts {
        if let Some(Value::Object(own)) = part.get("properties") {
            properties.extend(own.clone());
        }
        if let Some(Value::Array(own)) = part.get("required") {
            required.extend(own.clone());
        }
    }
    json_schema!({
        "description": description,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// A map with these keys, all of which may be left out.
pub(super) fn object(description: &str, properties: Vec<(&str, Schema)>) -> Schema {
    let properties: Map<String, Value> = properties
        .into_iter()
        .map(|(key, schema)| (key.to_owned(), schema.to_value()))
        .collect();
    json_schema!({
        "description": description,
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

/// A map from names that the user chooses.
pub(super) fn named(description: &str, entry: &Schema) -> Schema {
    json_schema!({
        "description": description,
        "type": "object",
        "additionalProperties": entry,
    })
}
