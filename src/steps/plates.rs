//! The texts of plates that a step hides, and where else an event repeats them: a vendor's id of the event, the name of a
//! clip, the address of a picture often hold the plate.

use std::collections::HashSet;

use aho_corasick::AhoCorasick;
use serde_json::Value;

use super::field::Field;
use crate::event::{Picture, PictureData};
use crate::lists::normalise;

/// Shorter texts are found by chance.
const LENGTH_MIN: usize = 4;

/// They are camhook's own, or times.
const OURS: [&str; 7] = [
    "id",
    "source",
    "vendor",
    "kind",
    "occurred_at",
    "ended_at",
    "received_at",
];

/// Texts in the making.
#[derive(Debug, Default)]
pub(super) struct Plates(Vec<String>);

/// Texts that can be looked for.
pub(super) struct Hidden {
    plates: Option<AhoCorasick>,
    /// What stands in their places now, which may hold one of them by chance.
    instead: HashSet<String>,
}

impl Plates {
    /// Notes the texts of plates in what the field held.
    pub(super) fn note(&mut self, field: &Field, value: &Value) {
        if matches!(
            field.told.as_str(),
            "plates" | "plates.text" | "plates.candidates" | "plates.candidates.text"
        ) {
            self.add(value);
        }
    }

    fn add(&mut self, value: &Value) {
        match value {
            Value::String(text) => {
                let text = normalise(text);
                if text.chars().count() >= LENGTH_MIN {
                    self.0.push(text);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            Value::Object(map) => ["text", "candidates"]
                .iter()
                .filter_map(|name| map.get(*name))
                .for_each(|value| self.add(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// # Errors
    /// When they are too many to be looked for.
    pub(super) fn ready(mut self, instead: HashSet<String>) -> Result<Hidden, String> {
        self.0.sort_unstable();
        self.0.dedup();
        let plates = match self.0.is_empty() {
            true => None,
            false => Some(AhoCorasick::new(&self.0).map_err(|error| error.to_string())?),
        };
        Ok(Hidden { plates, instead })
    }
}

impl Hidden {
    fn are_told_in(&self, text: &str) -> bool {
        let is_told =
            |plates: &AhoCorasick| text.len() >= LENGTH_MIN && plates.is_match(&normalise(text));
        self.plates.as_ref().is_some_and(is_told) && !self.instead.contains(text)
    }

    /// Takes every text that repeats one of them out of the event.
    pub(super) fn scrub(&self, sheet: &mut Value) {
        if self.plates.is_none() {
            return;
        }
        if let Value::Object(fields) = sheet {
            fields
                .iter_mut()
                .filter(|(name, _)| !OURS.contains(&name.as_str()))
                .for_each(|(_, value)| self.scrub_all(value));
        }
    }

    fn scrub_all(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if self.are_told_in(text) {
                    *value = Value::Null;
                }
            }
            Value::Array(items) => {
                // Without its word an item of such a list is none.
                let words = |item: &Value| {
                    [item, &item["text"], &item["value"]]
                        .map(|word| word.as_str().is_some_and(|word| self.are_told_in(word)))
                };
                let is_told = |item: &Value| words(item).contains(&true);
                items.retain(|item| !is_told(item));
                items.iter_mut().for_each(|item| self.scrub_all(item));
            }
            Value::Object(map) => {
                map.retain(|name, _| !self.are_told_in(name));
                map.values_mut().for_each(|value| self.scrub_all(value));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Whether a picture's address holds one of them.
    pub(super) fn are_told_by(&self, picture: &Picture) -> bool {
        match &picture.data {
            PictureData::Url(url) => self.are_told_in(url),
            PictureData::Bytes(_) | PictureData::Made(_) => false,
        }
    }
}
