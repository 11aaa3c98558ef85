//! Who or what a FindFace event was matched with: a card, and the watch lists that it is on.

use serde_json::{Map, Value};

use super::super::json::Json;
use super::super::lenient::{first_of, list, score, text};
use super::text_of;
use crate::event::{ListEntry, Person};

/// The watch lists, where they are more than the one that the event has a field for.
pub(super) fn take_lists(json: &Json, attributes: &mut Map<String, Value>) {
    let lists = list(&json["matched_lists"]).iter();
    let ids = lists.filter_map(|told| text(&told["id"]).or_else(|| text(told)));
    let ids: Vec<Value> = ids.map(Value::from).collect();
    if ids.len() > 1 {
        attributes.insert("matched_lists".to_owned(), ids.into());
    }
}

/// The match of a car, which is told of faces by their person and similarity.
pub(super) fn car_match(json: &Json, attributes: &mut Map<String, Value>) {
    if let Some(card) = person(json) {
        for (name, told) in [("card_id", card.id), ("card_name", card.name)] {
            attributes.extend(told.map(|told| (name.to_owned(), told.into())));
        }
    }
    take_lists(json, attributes);
    if let Some(similarity) = score(&json["confidence"]) {
        attributes.insert("similarity".to_owned(), similarity.fraction().into());
    }
}

/// Older and smaller bodies say it by the card alone.
pub(super) fn is_matched(json: &Json) -> bool {
    match &json["matched"] {
        Json::Bool(told) => *told,
        _ => person(json).is_some(),
    }
}

/// A card or dossier: its id, or an object with its name.
pub(super) fn person(json: &Json) -> Option<Person> {
    let cards = [
        &json["matched_card"],
        &json["dossier"],
        &json["matched_dossier"],
    ];
    let told = cards.into_iter().find(|card| card.is_map());
    let person = match told {
        Some(card) => Person {
            id: text_of(card, &["id"]),
            name: text_of(card, &["name"]),
        },
        None => Person {
            id: text(first_of(&cards)),
            name: None,
        },
    };
    (person.id.is_some() || person.name.is_some()).then_some(person)
}

/// The first watch list; a car without one is known by its card.
pub(super) fn list_entry(json: &Json, or_card: bool) -> Option<ListEntry> {
    let first = list(&json["matched_lists"]).first();
    let entry = first.map(|told| ListEntry {
        id: text(&told["id"]).or_else(|| text(told)),
        name: text(&told["name"]),
        level: None,
    });
    let card = || {
        person(json).map(|card| ListEntry {
            id: card.id,
            name: card.name,
            level: None,
        })
    };
    entry
        .filter(|entry| entry.id.is_some() || entry.name.is_some())
        .or_else(|| or_card.then(card).flatten())
}
