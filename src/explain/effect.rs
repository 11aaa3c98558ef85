//! What each step did to an event and its pictures, told by what was there before and after.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::event::{Event, Picture};
use crate::fate::Pair;
use crate::steps::Work;

/// Changed fields of one step that are told one by one.
const CHANGES_MAX: usize = 50;
/// Characters of a value in a change.
const VALUE_MAX: usize = 200;

/// What the steps of one delivery did so far.
pub(super) struct Effects {
    event: Arc<Event>,
    pictures: Vec<Picture>,
    notes: usize,
    told: Vec<Value>,
    /// What the names of the pictures' files begin with, when pictures are kept.
    stem: Option<String>,
    kept: Vec<(String, Bytes)>,
}

impl Effects {
    /// With a `stem`, the pictures that steps make are kept under names that begin with it.
    pub(super) fn of(event: &Arc<Event>, pair: Option<&Pair>, stem: Option<String>) -> Self {
        let mut pictures = event.images.clone();
        pictures.extend(pair.map(Pair::pictures).into_iter().flatten());
        Self {
            event: event.clone(),
            pictures,
            notes: 0,
            told: Vec::new(),
            stem,
            kept: Vec::new(),
        }
    }

    /// A step was taken and left this.
    pub(super) fn after(&mut self, step: &'static str, work: &Work) {
        let notes = work.notes.get(self.notes..).unwrap_or_default();
        let made: Vec<Value> = work
            .pictures
            .iter()
            .filter(|picture| !self.pictures.iter().any(|old| same(old, picture)))
            .map(|picture| depict(picture, self.stem.as_deref(), step, &mut self.kept))
            .collect();
        let gone = self.pictures.iter().filter(|old| {
            let place = |now: &&Picture| now.role == old.role && now.item == old.item;
            !work.pictures.iter().any(|now| place(&now))
        });
        let gone: Vec<Value> = gone
            .map(|picture| json!({ "role": picture.role, "item": picture.item }))
            .collect();
        let mut changed = Vec::new();
        if !Arc::ptr_eq(&self.event, &work.event) {
            let (old, new) = (self.event.to_json(), work.event.to_json());
            difference("", &old, &new, &mut changed);
        }
        self.told.push(json!({
            "step": step, "notes": notes, "pictures": made, "gone": gone, "changed": changed,
        }));
        self.event = work.event.clone();
        self.pictures.clone_from(&work.pictures);
        self.notes = work.notes.len();
    }

    /// The story, and the pictures to be kept.
    pub(super) fn told(self) -> (Value, Vec<(String, Bytes)>) {
        (Value::Array(self.told), self.kept)
    }
}

fn same(old: &Picture, new: &Picture) -> bool {
    let place = old.role == new.role && old.item == new.item;
    place
        && match (old.bytes(), new.bytes()) {
            (Some(old), Some(new)) => old.as_ptr() == new.as_ptr() && old.len() == new.len(),
            (None, None) => true,
            _ => false,
        }
}

fn depict(
    picture: &Picture,
    stem: Option<&str>,
    step: &str,
    kept: &mut Vec<(String, Bytes)>,
) -> Value {
    let mut told = picture.describe();
    if let Some(told) = told.as_object_mut() {
        told.shift_remove("sha256");
    }
    if let (Some(stem), Some(bytes)) = (stem, picture.bytes()) {
        let item = match picture.item {
            Some(item) => format!("{item}-"),
            None => String::new(),
        };
        let ending = match picture.content_type.as_str() {
            "image/png" => "png",
            "image/webp" => "webp",
            _ => "jpg",
        };
        let name = format!("{stem}-{step}-{item}{}", picture.role);
        let name = format!("{}.{ending}", file_name(&name));
        told["file"] = name.clone().into();
        kept.push((name, bytes.clone()));
    }
    told
}

/// Letters, digits and dashes: what a route or target is called must not choose another folder.
fn file_name(text: &str) -> String {
    let kept = text.chars().map(|c| match c {
        c if c.is_alphanumeric() => c,
        _ => '-',
    });
    kept.take(150).collect()
}

/// The values that differ, each with the way to it; at most [`CHANGES_MAX`].
fn difference(way: &str, old: &Value, new: &Value, told: &mut Vec<Value>) {
    if old == new || told.len() >= CHANGES_MAX {
        return;
    }
    let below = |key: &str| match way {
        "" => key.to_owned(),
        way => format!("{way}.{key}"),
    };
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            let more = after.keys().filter(|key| !before.contains_key(*key));
            for key in before.keys().chain(more) {
                difference(&below(key), &old[key.as_str()], &new[key.as_str()], told);
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for n in 0..before.len().max(after.len()) {
                difference(&below(&n.to_string()), &old[n], &new[n], told);
            }
        }
        _ => told.push(json!({ "field": way, "was": short(old), "is": short(new) })),
    }
}

/// A value in a line.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(VALUE_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_by_its_way() {
        let old = json!({ "plates": [{ "text": "AB123CD", "score": 0.9 }], "raw": { "x": 1 } });
        let new = json!({ "plates": [{ "text": "x7", "score": 0.9 }], "raw": null });
        let mut told = Vec::new();
        difference("", &old, &new, &mut told);
        assert_eq!(
            told,
            [
                json!({ "field": "plates.0.text", "was": "\"AB123CD\"", "is": "\"x7\"" }),
                json!({ "field": "raw", "was": "{\"x\":1}", "is": "null" }),
            ]
        );
    }

    #[test]
    fn a_large_difference_is_cut() {
        let old = Value::Array((0..1_000).map(Value::from).collect());
        let mut told = Vec::new();
        difference("raw", &old, &json!([]), &mut told);
        assert_eq!(told.len(), CHANGES_MAX);
        let long = Value::from("é".repeat(5_000));
        assert!(short(&long).len() < 1_000);
    }

    #[test]
    fn a_file_stays_in_its_folder() {
        assert_eq!(file_name("../../etc/a b"), "------etc-a-b");
    }
}
