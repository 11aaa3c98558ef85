//! The filters of a webhook: which there are, and what each takes.
//!
//! After the filter table of NtechLab's webhooks page of FindFace Lite 1.6, read on 2026-11-21. That page flattens objects such
//! as `medmask`, and says "less than" of two bounds called `gte`; here a `gte` is always "at least". Lists may also be a
//! single value, and a filter that is null is one that is not there.

use serde_json::{Map, Value};

use super::document::unknown;
use super::fault::Fault;

/// Values of one list.
const VALUES_MAX: usize = 1000;
/// Bytes of a camera's id or a plate.
const TEXT_MAX: usize = 200;
/// Beyond it angles are mistakes.
const DEGREES_MAX: f64 = 360.0;

/// Filters that were found to be right, as they were written.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Filters(Map<String, Value>);

/// What a filter takes.
enum Takes {
    /// One of these words, or several.
    Words(&'static [&'static str]),
    /// A number or a text, or several.
    Ids,
    /// From 0 to 1.
    Fraction,
    Degrees,
    Bool,
    /// `{ name, confidence_lte, confidence_gte }`.
    Sure(&'static [&'static str]),
    Text,
}

pub(super) const TYPES: &[&str] = &["face", "car", "license_plate"];

/// In the order of the vendor's page.
const KNOWN: &[(&str, Takes)] = &[
    ("type_in", Takes::Words(TYPES)),
    ("camera_in", Takes::Ids),
    ("card_in", Takes::Ids),
    ("confidence_gte", Takes::Fraction),
    ("confidence_lte", Takes::Fraction),
    ("matched", Takes::Bool),
    ("bs_type_in", Takes::Words(&["overall", "realtime"])),
    ("yaw_lte", Takes::Degrees),
    ("yaw_gte", Takes::Degrees),
    ("pitch_lte", Takes::Degrees),
    ("pitch_gte", Takes::Degrees),
    ("roll_lte", Takes::Degrees),
    ("roll_gte", Takes::Degrees),
    ("liveness_lte", Takes::Fraction),
    ("liveness_gte", Takes::Fraction),
    ("medmask", Takes::Sure(&["none", "correct", "incorrect"])),
    ("orientation", Takes::Sure(&["back", "side", "front"])),
    (
        "special_type",
        Takes::Sure(&[
            "not_special",
            "police",
            "ambulance",
            "road_service",
            "gas_service",
            "rescue_service",
            "other_special",
            "taxi",
            "route_transport",
            "car_sharing",
            "military",
        ]),
    ),
    ("license_plate_number", Takes::Text),
    (
        "license_plate_visibility",
        Takes::Sure(&[
            "partly_visible_no_text",
            "fully_visible_no_text",
            "invisible",
            "partly_visible",
            "fully_visible",
        ]),
    ),
    ("license_plate_event_number", Takes::Text),
];

/// Filters that are a lower and an upper bound of one thing.
const BOUNDS: [&str; 5] = ["confidence", "yaw", "pitch", "roll", "liveness"];
const SURE_KEYS: [&str; 3] = ["name", "confidence_lte", "confidence_gte"];

impl Filters {
    /// What is wrong goes to `faults`.
    pub(super) fn read(value: &Value, faults: &mut Vec<Fault>) -> Self {
        let Value::Object(map) = value else {
            let message = "value is not a JSON object: `{}` lets every event pass";
            faults.push(Fault::new(&["filters"], Fault::TYPE, message));
            return Self::default();
        };
        let names: Vec<&str> = KNOWN.iter().map(|(name, _)| *name).collect();
        let mut read = Map::new();
        for (name, value) in map.iter().filter(|(_, value)| !value.is_null()) {
            let way = ["filters", name.as_str()];
            match KNOWN.iter().find(|(known, _)| known == name) {
                None => faults.push(unknown(&way, name, &names)),
                Some((_, takes)) => check(takes, value, &way, faults),
            }
            read.insert(name.clone(), value.clone());
        }
        for base in BOUNDS {
            let [gte, lte] = ["gte", "lte"].map(|end| format!("{base}_{end}"));
            in_order(&read, [&gte, &lte], &["filters"], faults);
        }
        Self(read)
    }

    pub(crate) fn to_json(&self) -> Value {
        Value::Object(self.0.clone())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The values of a list, which may have been written as one value.
    pub(super) fn list(&self, name: &str) -> Option<Vec<&Value>> {
        Some(match self.0.get(name)? {
            Value::Array(values) => values.iter().collect(),
            value => vec![value],
        })
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.0.get(name)?.as_f64()
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }
}

fn check(takes: &Takes, value: &Value, way: &[&str], faults: &mut Vec<Fault>) {
    match takes {
        Takes::Words(words) => each(value, way, faults, |value| one_of(value, words)),
        Takes::Ids => each(value, way, faults, id),
        Takes::Fraction => faults.extend(number(value, 0.0, 1.0).map(|told| told.fault(way))),
        Takes::Degrees => {
            let wrong = number(value, -DEGREES_MAX, DEGREES_MAX);
            faults.extend(wrong.map(|told| told.fault(way)));
        }
        Takes::Bool => {
            if !value.is_boolean() {
                let message = "value could not be parsed to a boolean: expected true or false";
                faults.push(Fault::new(way, Fault::TYPE, message));
            }
        }
        Takes::Text => faults.extend(plain(value).map(|told| told.fault(way))),
        Takes::Sure(words) => sure(value, words, way, faults),
    }
}

/// Kind and message.
struct Wrong(&'static str, String);

impl Wrong {
    fn fault(self, way: &[&str]) -> Fault {
        Fault::new(way, self.0, self.1)
    }
}

fn each(
    value: &Value,
    way: &[&str],
    faults: &mut Vec<Fault>,
    wrong: impl Fn(&Value) -> Option<Wrong>,
) {
    let Value::Array(values) = value else {
        faults.extend(wrong(value).map(|told| told.fault(way)));
        return;
    };
    if values.len() > VALUES_MAX {
        let message = format!("ensure this value has at most {VALUES_MAX} items");
        faults.push(Fault::new(way, Fault::VALUE, message));
        return;
    }
    for (place, value) in values.iter().enumerate() {
        faults.extend(wrong(value).map(|told| told.fault(way).at(place)));
    }
}

fn one_of(value: &Value, words: &[&str]) -> Option<Wrong> {
    if value.as_str().is_some_and(|word| words.contains(&word)) {
        return None;
    }
    let words = words.join("`, `");
    let message = format!("value is not a valid enumeration member; permitted: `{words}`");
    Some(Wrong(Fault::WORD, message))
}

fn id(value: &Value) -> Option<Wrong> {
    match value {
        Value::Number(number) if number.is_u64() || number.is_i64() => None,
        Value::String(text) if text.is_empty() => {
            Some(Wrong(Fault::VALUE, "an id must not be empty".to_owned()))
        }
        Value::String(_) => plain(value),
        _ => Some(Wrong(
            Fault::TYPE,
            "expected a whole number, or a text".to_owned(),
        )),
    }
}

fn plain(value: &Value) -> Option<Wrong> {
    let Some(text) = value.as_str() else {
        return Some(Wrong(Fault::TYPE, "str type expected".to_owned()));
    };
    if text.len() > TEXT_MAX {
        let message = format!("ensure this value has at most {TEXT_MAX} bytes");
        return Some(Wrong(Fault::VALUE, message));
    }
    let controls = text.chars().any(char::is_control);
    controls.then(|| Wrong(Fault::VALUE, "it holds control characters".to_owned()))
}

fn number(value: &Value, least: f64, most: f64) -> Option<Wrong> {
    match value.as_f64() {
        None => Some(Wrong(
            Fault::TYPE,
            "value is not a valid float: expected a number".to_owned(),
        )),
        Some(number) if (least..=most).contains(&number) => None,
        Some(_) => Some(Wrong(
            Fault::RANGE,
            format!("ensure this value is from {least} to {most}"),
        )),
    }
}

fn sure(value: &Value, words: &[&str], way: &[&str], faults: &mut Vec<Fault>) {
    let Value::Object(map) = value else {
        let message = "expected an object: { name, confidence_lte, confidence_gte }";
        return faults.push(Fault::new(way, Fault::TYPE, message));
    };
    for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
        let way = [way, &[key.as_str()]].concat();
        let wrong = match key.as_str() {
            "name" => one_of(value, words),
            "confidence_lte" | "confidence_gte" => number(value, 0.0, 1.0),
            _ => {
                faults.push(unknown(&way, key, &SURE_KEYS));
                None
            }
        };
        faults.extend(wrong.map(|told| told.fault(&way)));
    }
    in_order(map, ["confidence_gte", "confidence_lte"], way, faults);
}

/// A lower bound above the upper one could let nothing pass, ever.
fn in_order(map: &Map<String, Value>, ends: [&str; 2], way: &[&str], faults: &mut Vec<Fault>) {
    let [gte, lte] = ends.map(|end| map.get(end).and_then(Value::as_f64));
    if let (Some(low), Some(high)) = (gte, lte)
        && low > high
    {
        let message = format!("{low} is above `{}`, {high}: nothing could pass", ends[1]);
        let way = [way, &[ends[0]]].concat();
        faults.push(Fault::new(&way, Fault::RANGE, message));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(value: &Value) -> usize {
        let mut faults = Vec::new();
        Filters::read(value, &mut faults);
        faults.len()
    }

    #[test]
    fn takes_lists_single_values_and_nothing() {
        for fine in [
            json!({}),
            json!({ "type_in": "face", "camera_in": 7, "card_in": "15", "bs_type_in": [] }),
            json!({ "type_in": ["car", "license_plate"], "camera_in": [7, "gate-1"] }),
            json!({ "yaw_lte": 3.5, "yaw_gte": 3.5, "pitch_lte": -4.2, "liveness_gte": 0 }),
            json!({ "medmask": { "name": "none" }, "orientation": {}, "special_type": null }),
            json!({ "medmask": { "confidence_gte": 0.5, "confidence_lte": 0.5, "name": null } }),
            json!({ "license_plate_number": "", "matched": false }),
        ] {
            assert_eq!(faults(&fine), 0, "{fine}");
        }
    }

    #[test]
    fn refuses_what_no_filter_takes() {
        for wrong in [
            json!([]),
            json!("{}"),
            json!({ "type_in": "faces" }),
            json!({ "type_in": [["face"]] }),
            json!({ "camera_in": 1.5 }),
            json!({ "camera_in": { "id": 1 } }),
            json!({ "camera_in": "" }),
            json!({ "camera_in": "a\nb" }),
            json!({ "camera_in": vec![1; 1001] }),
            json!({ "confidence_gte": 75 }),
            json!({ "confidence_gte": 0.8, "confidence_lte": 0.7 }),
            json!({ "yaw_gte": 361 }),
            json!({ "matched": "true" }),
            json!({ "medmask": "none" }),
            json!({ "medmask": { "name": "none", "score": 1 } }),
            json!({ "medmask": { "confidence_gte": 0.8, "confidence_lte": 0.7 } }),
            json!({ "medmask_confidence_gte": 0.8 }),
            json!({ "license_plate_number": 5 }),
        ] {
            assert_eq!(faults(&wrong), 1, "{wrong}");
        }
    }
}
