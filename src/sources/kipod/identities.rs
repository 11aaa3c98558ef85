//! Whom and what an event tells of: plates and faces with the lists they were found in, and the object seen.

use serde_json::{Map, Value};

use super::ITEMS_MAX;
use crate::event::{Event, Face, Kind, ListEntry, Object, Person, Plate, Score, Scored, Vehicle};
use crate::sources::country;
use crate::sources::json::Json;
use crate::sources::lenient::{first_of, list, number, score, text};

/// What is told once and repeated in each plate or face is not taken when it is longer. Bytes; documented are 128.
const LABEL_MAX: usize = 512;

/// Documented are seven.
const ATTRIBUTES_MAX: usize = 64;

/// Reads `params` into the event, whose kind is known.
pub(super) fn take(event: &mut Event, params: &Json) {
    let reliability = score(&params["reliability"]);
    let vehicle = vehicle(&params["object"]);
    let attributes = attributes(&params["attributes"]);
    // A lone identity may stand bare, as nobody documents but it costs nothing to read.
    for identity in list(&params["identities"]).iter().chain([params]) {
        let entry = list_entry(&identity["list"]);
        for plate in list(&identity["plates"]) {
            event
                .plates
                .push(read_plate(plate, reliability, vehicle.as_ref(), &entry));
        }
        for face in list(&identity["faces"]) {
            event.faces.push(read_face(face, &attributes, &entry));
        }
        if event.plates.len().max(event.faces.len()) > ITEMS_MAX {
            event.plates.truncate(ITEMS_MAX);
            event.faces.truncate(ITEMS_MAX);
            let note = format!("only the first {ITEMS_MAX} plates and faces were read");
            event.repaired.push(note);
            break;
        }
    }
    if event.plates.is_empty() {
        event.objects.extend(object(vehicle));
    }
    let is_unknown_face = event.vendor_kind.as_deref() == Some("FaceNotMatched");
    if event.faces.is_empty()
        && event.plates.is_empty()
        && (is_unknown_face || !attributes.is_empty())
    {
        event.faces.push(Face {
            attributes,
            ..Face::default()
        });
    }
}

/// What a topic that nobody documents is about.
pub(super) fn kind_by_content(params: &Json) -> Kind {
    let has = |name: &str| {
        let told = |identity: &Json| !list(&identity[name]).is_empty();
        list(&params["identities"]).iter().any(told) || told(params)
    };
    if has("plates") {
        Kind::Plate
    } else if has("faces") {
        Kind::Face
    } else {
        Kind::Other
    }
}

fn read_plate(
    plate: &Json,
    reliability: Option<Score>,
    vehicle: Option<&Vehicle>,
    entry: &Option<ListEntry>,
) -> Plate {
    Plate {
        text: text(&plate["number"]),
        score: reliability,
        country: text(&plate["state"]).and_then(|state| country_of(&state)),
        vehicle: vehicle.cloned(),
        list: entry.clone(),
        owner: name(&plate["owner_first_name"], &plate["owner_last_name"]),
        ..Plate::default()
    }
}

fn read_face(face: &Json, attributes: &Map<String, Value>, entry: &Option<ListEntry>) -> Face {
    let person = Person {
        id: text(&face["id"]),
        name: name(&face["first_name"], &face["last_name"]),
    };
    Face {
        person: (person.id.is_some() || person.name.is_some()).then_some(person),
        similarity: score(&face["similarity"]),
        attributes: attributes.clone(),
        list: entry.clone(),
        ..Face::default()
    }
}

/// First and last name. Where personal data may not leave the system a filler such as `-` stands for them.
fn name(first: &Json, last: &Json) -> Option<String> {
    let parts = [first, last].map(|part| {
        let part = text(part).unwrap_or_default();
        let says_something = part.contains(char::is_alphanumeric);
        if says_something {
            part.trim().to_owned()
        } else {
            String::new()
        }
    });
    let name = parts.join(" ").trim().to_owned();
    (!name.is_empty()).then_some(name)
}

fn list_entry(told: &Json) -> Option<ListEntry> {
    let entry = ListEntry {
        id: label(&told["id"]),
        name: label(&told["name"]),
        level: match number(&told["level"]) {
            Some(level) if level.fract() == 0.0 => Some((level as i64).into()),
            Some(level) => Some(level.into()),
            None => label(&told["level"]).map(Into::into),
        },
    };
    let is_told = entry.id.is_some() || entry.name.is_some() || entry.level.is_some();
    is_told.then_some(entry)
}

fn vehicle(object: &Json) -> Option<Vehicle> {
    let scored = |property: &Json| {
        Some(Scored {
            value: label(first_of(&[&property["value"], property]))
                .filter(|word| is_known(word))?,
            score: score(&property["reliability"]),
        })
    };
    let kind = scored(&object["object_type"]);
    let color = scored(&object["color"]);
    if kind.is_none() && color.is_none() {
        return None;
    }
    Some(Vehicle {
        score: kind.as_ref().and_then(|kind| kind.score),
        kind: kind.map(|kind| kind.value),
        color: color.as_ref().map(|color| color.value.clone()),
        colors: color.into_iter().collect(),
        ..Vehicle::default()
    })
}

/// What was seen, where it has no plate.
fn object(seen: Option<Vehicle>) -> Option<Object> {
    let seen = seen?;
    Some(Object {
        class: Some(seen.kind?),
        score: seen.score,
        ..Object::default()
    })
}

/// Of a face. `has` is the documented name of a headdress, surely a slip for `hat`.
fn attributes(told: &Json) -> Map<String, Value> {
    let Json::Map(told) = told else {
        return Map::new();
    };
    let mut attributes = Map::new();
    for (key, value) in told {
        if attributes.len() == ATTRIBUTES_MAX || key.len() > LABEL_MAX {
            continue;
        }
        let key = if key == "has" { "hat" } else { key.as_ref() };
        if let Some(value) = attribute(key, value) {
            attributes.insert(key.to_owned(), value);
        }
    }
    attributes
}

/// `None` for what is not known, and for what is no single value.
fn attribute(key: &str, value: &Json) -> Option<Value> {
    let word = label(value).map(|word| word.trim().to_ascii_lowercase());
    if !word.as_deref().is_none_or(is_known) {
        return None;
    }
    match (key, value) {
        ("age", _) => {
            let age = number(value)?;
            let whole = age.fract() == 0.0 && (0.0..=1_000.0).contains(&age);
            Some(if whole {
                Value::from(age as u64)
            } else {
                Value::from(age)
            })
        }
        ("gender" | "race", Json::Text(_)) => word.map(Value::from),
        ("glasses" | "beard" | "mask" | "hat", Json::Text(_) | Json::Number(_)) => {
            match word?.as_str() {
                "true" | "yes" | "1" => Some(Value::Bool(true)),
                "false" | "no" | "0" => Some(Value::Bool(false)),
                _ => label(value).map(Value::from),
            }
        }
        (_, Json::Text(_)) => label(value).map(Value::from),
        (_, Json::Bool(_) | Json::Number(_)) => Some(value.to_json()),
        (_, Json::Null | Json::List(_) | Json::Map(_)) => None,
    }
}

fn label(value: &Json) -> Option<String> {
    text(value).filter(|text| text.len() <= LABEL_MAX)
}

fn is_known(word: &str) -> bool {
    !word.trim().eq_ignore_ascii_case("unknown")
}

/// Kipod's codes are those of ISO 3166, but for these.
fn country_of(state: &str) -> Option<String> {
    match state.trim().to_ascii_uppercase().as_str() {
        "NW" => Some("LU".to_owned()),
        "MS" => Some("MC".to_owned()), // Monaco, not Montserrat
        state => country::of_region(state),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: &Value) -> Map<String, Value> {
        attributes(&serde_json::from_str(&value.to_string()).unwrap())
    }

    #[test]
    fn states_are_countries() {
        for (state, country) in [
            ("BY", Some("BY")),
            ("UK", Some("GB")),
            ("NW", Some("LU")),
            ("ms", Some("MC")),
            ("KG", Some("KG")),
            (" US ", Some("US")),
            ("UNKNOWN", None),
            ("", None),
        ] {
            assert_eq!(country_of(state).as_deref(), country, "{state}");
        }
    }

    #[test]
    fn attributes_lose_what_is_unknown_and_gain_a_hat() {
        let told = json!({
            "age": "34", "gender": "Male", "race": "Unknown", "glasses": true, "beard": "false", "mask": 0, "has": true,
            "mood": "unknown", "height": 1.8, "more": { "a": 1 }, "nothing": null
        });
        let expected = json!({
            "age": 34, "gender": "male", "glasses": true, "beard": false, "mask": false, "hat": true, "height": 1.8
        });
        assert_eq!(Value::Object(parse(&told)), expected);
        assert_eq!(parse(&json!({ "race": "Caucasian" }))["race"], "caucasian");
    }

    #[test]
    fn fillers_are_no_names() {
        for (first, last, expected) in [
            ("Ada", "King", Some("Ada King")),
            ("-", "King", Some("King")),
            (" Ada ", "", Some("Ada")),
            ("-", "***", None),
        ] {
            let told = [first, last].map(|part| Json::Text(part.into()));
            assert_eq!(name(&told[0], &told[1]).as_deref(), expected);
        }
    }
}
