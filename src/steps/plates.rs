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

/// They hold places and times wherever they stand.
const MEASURED: [&str; 3] = ["box", "first_seen", "last_seen"];

/// Below them the names are the sender's.
const OPEN: [&str; 5] = ["raw", "headers", "user_data", "attributes", "level"];

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
                .for_each(|(name, value)| self.scrub_all(value, OPEN.contains(&name.as_str())));
        }
    }

    fn scrub_all(&self, value: &mut Value, open: bool) {
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
                items.iter_mut().for_each(|item| self.scrub_all(item, open));
            }
            Value::Object(map) => {
                // Our own names are no plates, even those that read like one.
                map.retain(|name, _| !open || !self.are_told_in(name));
                map.iter_mut()
                    .filter(|(name, _)| open || !MEASURED.contains(&name.as_str()))
                    .for_each(|(name, value)| {
                        self.scrub_all(value, open || OPEN.contains(&name.as_str()));
                    });
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hidden(plates: &[&str]) -> Hidden {
        let mut hidden = Plates::default();
        hidden.note(&Field::new("plates.text").unwrap(), &json!(plates));
        hidden.ready(HashSet::new()).unwrap()
    }

    #[test]
    fn a_plate_is_found_however_it_is_written() {
        let mut sheet = json!({
            "vendor_id": "7-ab-12 cd", "camera": { "name": "gate", "tags": ["AB12CD", "north"] }, "video": { "filename": "x/Ab12Cd.mp4" },
            "plates": [{ "user_data": { "seen AB12CD": 1, "note": ["was ab.12.cd", { "x": "AB12C" }] } }],
            "repaired": ["the plate AB12CD was in capitals"],
        });
        hidden(&["AB 12 CD"]).scrub(&mut sheet);
        let left = json!({
            "vendor_id": null, "camera": { "name": "gate", "tags": ["north"] }, "video": { "filename": null },
            "plates": [{ "user_data": { "note": [{ "x": "AB12C" }] } }], "repaired": [],
        });
        assert_eq!(sheet, left);
    }

    #[test]
    fn a_plate_that_reads_like_a_name_of_ours_takes_no_field_with_it() {
        let sheet = json!({
            "id": "0193a5b2", "kind": "plate", "received_at": "2025-03-04T09:11:13Z", "dwell": { "first_seen": "2025-03-04T09:11:13Z" },
            "plates": [{ "text": null, "score": 0.5, "box": { "unit": "px", "image": "frame" }, "orientation": [{ "value": "rear", "score": 1 }] }],
        });
        let mut scrubbed = sheet.clone();
        hidden(&["TEXT", "FRAME", "PLATE", "2025", "score", "0193", "X"]).scrub(&mut scrubbed);
        assert_eq!(scrubbed, sheet);
    }
}
