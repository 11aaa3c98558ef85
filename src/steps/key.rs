//! What deciding steps know a thing by: the text of `by`, or else what the event tells of itself.

use crate::decide::Asked;
use crate::event::{Event, Item};
use crate::template::{Engine, Given, Names, Scope, Template};

use super::Mistakes;

/// Bytes of a key that are kept as they are; of a longer one the beginning and a hash are.
const KEY_MAX: usize = 200;

/// What the templates of a deciding step see: the event, the item, lists, now.
pub(super) fn scope(asked: &Asked<'_>) -> Scope {
    Scope::new(&Given {
        event: asked.event,
        item: asked.item,
        pictures: &[],
        lists: asked.lists,
        with: None,
        delivery: None,
        now: asked.now,
    })
}

/// A setting that is a template, compiled.
pub(super) fn compile(
    engine: &Engine,
    key: &str,
    source: Option<&str>,
) -> Result<Option<Template>, Mistakes> {
    let compiled = source.map(|source| engine.template(source, Names::Choosing));
    compiled
        .transpose()
        .map_err(|mistake| vec![(vec![key.to_owned()], mistake)])
}

/// A mistake that is not in a template.
pub(super) fn mistake(path: &[&str], message: &str, help: &str) -> Mistakes {
    let mistake = crate::template::Mistake {
        message: message.to_owned(),
        help: Some(help.to_owned()),
        range: 0..0,
        path: Vec::new(),
        others: Vec::new(),
    };
    vec![(path.iter().map(|&key| key.to_owned()).collect(), mistake)]
}

/// What the template comes to; `None` when that is nothing, or it cannot be rendered.
pub(super) fn given(by: &Template, asked: &Asked<'_>) -> Option<String> {
    let text = by.text(&scope(asked)).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| bounded(text))
}

/// The camera, as far as it is told.
pub(super) fn camera(event: &Event) -> String {
    let camera = &event.camera;
    let id = camera.id.as_ref().or(camera.name.as_ref());
    let id = id.map_or("", String::as_str);
    bounded(&format!("{}/{id}", event.source))
}

/// What the delivery is about: its plate (or all of the event's), its face's person, its object's track; for want of
/// these the vendor's own id of the event.
pub(super) fn subject(event: &Event, item: Option<Item>) -> Option<String> {
    let own = match item {
        Some(Item::Plate(n)) => plate(event, n),
        Some(Item::Face(n)) => person(event, n),
        Some(Item::Object(n)) => track(event, n),
        None => {
            let of = |count, one: fn(&Event, usize) -> Option<String>| {
                let mut all: Vec<String> = (0..count).filter_map(|n| one(event, n)).collect();
                all.sort_unstable();
                (!all.is_empty()).then(|| all.join(" "))
            };
            of(event.plates.len(), plate)
                .or_else(|| of(event.objects.len(), track))
                .or_else(|| of(event.faces.len(), person))
        }
    };
    own.or_else(|| event.vendor_id.clone())
        .filter(|text| !text.is_empty())
}

/// Upper case letters and digits only.
pub(super) fn plate(event: &Event, n: usize) -> Option<String> {
    let text = event.plates.get(n)?.text.as_deref()?;
    let normal: String = text
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_uppercase)
        .collect();
    (!normal.is_empty()).then_some(normal)
}

fn person(event: &Event, n: usize) -> Option<String> {
    let person = event.faces.get(n)?.person.as_ref()?;
    person.id.clone().or_else(|| person.name.clone())
}

fn track(event: &Event, n: usize) -> Option<String> {
    event.objects.get(n)?.track_id.clone()
}

pub(super) fn bounded(key: &str) -> String {
    if key.len() <= KEY_MAX {
        return key.to_owned();
    }
    let beginning = &key[..key.floor_char_boundary(KEY_MAX)];
    format!("{beginning}…{:016x}", hash(key))
}

/// FNV-1a, which is the same in every build: keys are kept on disk.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    fn event(json: serde_json::Value) -> Event {
        Event::from_json(json, Timestamp::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn a_thing_is_known_by_what_is_most_its_own() {
        for (told, item, known) in [
            (
                json!({ "plates": [{ "text": "ab-12 c" }] }),
                None,
                Some("AB12C"),
            ),
            (
                json!({ "plates": [{ "text": "x" }, { "text": "b" }] }),
                None,
                Some("B X"),
            ),
            (
                json!({ "plates": [{ "text": "x" }, { "text": "b" }] }),
                Some(Item::Plate(1)),
                Some("B"),
            ),
            (
                json!({ "objects": [{ "track_id": "7" }], "vendor_id": "e" }),
                None,
                Some("7"),
            ),
            (json!({ "vendor_id": "e" }), None, Some("e")),
            (json!({}), None, None),
        ] {
            assert_eq!(subject(&event(told), item).as_deref(), known);
        }
    }

    #[test]
    fn a_key_of_any_length_is_one_of_bounded_length() {
        let (one, other) = (
            format!("{}1", "ü".repeat(500)),
            format!("{}2", "ü".repeat(500)),
        );
        assert_ne!(bounded(&one), bounded(&other));
        assert!(bounded(&one).len() < KEY_MAX + 30);
    }
}
