//! The two forms of a result of Plate Recognizer, and the way from each to the other.
//!
//! After Stream's "Results" page and the vendor's own converters (read 2026-11-21). Stream writes the plate form (`plate` is
//! a text) when it detects plates, the vehicle form (`plate` is an object or null) when it detects vehicles. What they
//! call score swaps places: `score` of the plate form is how sure the text is, which the vehicle form tells beside the
//! text, and its `plate.score` is the `dscore` of the other. A receiver knows one of them, and cameras are set to either.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// How Plate Recognizer's results look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Form {
    /// As they came; those of other vendors in the plate form.
    #[default]
    AsItCame,
    /// `plate` is a text, as Stream writes when `detection_mode` is `plate`.
    Plate,
    /// `plate` is an object with `props`, as Stream writes when `detection_mode` is `vehicle`.
    Vehicle,
}

impl Form {
    /// The result in this form. What is of neither form stays as it is.
    pub(super) fn of(self, result: Value) -> Value {
        match (self, result) {
            (Self::Plate, Value::Object(result)) if is_vehicle_form(&result) => plate_form(result),
            (Self::Vehicle, Value::Object(result))
                if result.get("plate").is_some_and(Value::is_string) =>
            {
                vehicle_form(result)
            }
            (_, result) => result,
        }
    }
}

pub(super) fn is_vehicle_form(result: &Map<String, Value>) -> bool {
    match result.get("plate") {
        Some(Value::Object(_)) => true,
        Some(Value::Null) | None => result
            .get("vehicle")
            .is_some_and(|vehicle| vehicle.get("props").is_some()),
        _ => false,
    }
}

fn vehicle_form(mut result: Map<String, Value>) -> Value {
    let mut taken = |name: &str| result.shift_remove(name).unwrap_or_default();
    let (text, score, found, area) = (
        taken("plate"),
        taken("score"),
        taken("dscore"),
        taken("box"),
    );
    let (region, candidates) = (taken("region"), taken("candidates"));
    let (mut vehicle, position) = (taken("vehicle"), taken("position_sec"));
    let mut props = Map::new();
    for (name, in_props) in [
        ("model_make", "make_model"),
        ("orientation", "orientation"),
        ("color", "color"),
    ] {
        let words = match taken(name) {
            Value::Array(words) => words
                .into_iter()
                .map(|word| renamed(word, name, "value"))
                .collect(),
            _ => Vec::new(),
        };
        props.insert(in_props.to_owned(), Value::Array(words));
    }
    let mut read: Vec<Value> = match candidates {
        Value::Array(candidates) => candidates
            .into_iter()
            .map(|candidate| renamed(candidate, "plate", "value"))
            .collect(),
        _ => Vec::new(),
    };
    // The first of them is the text itself.
    if read.first().is_none_or(|first| first["value"] != text) {
        read.insert(0, json!({ "value": text, "score": score }));
    }
    let regions = match region["code"].as_str() {
        Some(code) if !code.is_empty() => vec![json!({ "value": code, "score": region["score"] })],
        _ => Vec::new(),
    };
    let plate = match text.as_str() {
        Some("") if is_nowhere(&area) => Value::Null,
        _ => {
            json!({ "type": "Plate", "score": found, "box": area, "props": { "plate": read, "region": regions } })
        }
    };
    if !vehicle.is_object() {
        vehicle = json!({ "type": "Unknown", "score": 0.0, "box": nowhere() });
    }
    vehicle["props"] = Value::Object(props);
    let mut told = Map::new();
    told.insert("plate".to_owned(), plate);
    told.insert("vehicle".to_owned(), vehicle);
    told.append(&mut result);
    match position {
        Value::Null => {}
        Value::String(text) => {
            let number = text.parse::<f64>().ok().map(Value::from);
            told.insert(
                "position_sec".to_owned(),
                number.unwrap_or(Value::String(text)),
            );
        }
        other => {
            told.insert("position_sec".to_owned(), other);
        }
    }
    Value::Object(told)
}

fn plate_form(mut result: Map<String, Value>) -> Value {
    let plate = result.shift_remove("plate").unwrap_or_default();
    let mut vehicle = result.shift_remove("vehicle").unwrap_or_default();
    let props = match &mut vehicle {
        Value::Object(vehicle) => vehicle.shift_remove("props").unwrap_or_default(),
        _ => Value::Null,
    };
    if !vehicle.is_object() {
        vehicle = json!({ "type": "Unknown", "score": 0.0, "box": nowhere() });
    }
    let read = plate["props"]["plate"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let (text, score) = match read.first() {
        Some(best) => (best["value"].clone(), best["score"].clone()),
        None => ("".into(), 0.0.into()),
    };
    let region = match &plate["props"]["region"][0] {
        Value::Object(region) => {
            json!({ "code": region.get("value"), "score": region.get("score") })
        }
        _ => json!({ "code": "", "score": 0.0 }),
    };
    let candidates: Vec<Value> = match read.is_empty() {
        true => vec![json!({ "plate": text, "score": score })],
        false => read
            .into_iter()
            .map(|word| renamed(word, "value", "plate"))
            .collect(),
    };
    let mut told = Map::new();
    let mut put = |name: &str, value: Value| told.insert(name.to_owned(), value);
    put("plate", text);
    put("score", score);
    put(
        "dscore",
        if plate.is_object() {
            plate["score"].clone()
        } else {
            0.0.into()
        },
    );
    put(
        "box",
        if plate["box"].is_object() {
            plate["box"].clone()
        } else {
            nowhere()
        },
    );
    put("region", region);
    put("candidates", Value::Array(candidates));
    put("vehicle", vehicle);
    for (name, in_props) in [
        ("model_make", "make_model"),
        ("color", "color"),
        ("orientation", "orientation"),
    ] {
        if let Some(words) = props[in_props].as_array().filter(|words| !words.is_empty()) {
            put(
                name,
                words
                    .iter()
                    .map(|word| renamed(word.clone(), "value", name))
                    .collect(),
            );
        }
    }
    if let Some(Value::Number(position)) = result.get("position_sec") {
        let text = position.to_string();
        result.insert("position_sec".to_owned(), text.into());
    }
    told.append(&mut result);
    Value::Object(told)
}

/// `{<from>, score}` as `{<to>, score}`; of makes and models both forms tell the same.
fn renamed(mut word: Value, from: &str, to: &str) -> Value {
    let value = word
        .as_object_mut()
        .and_then(|word| word.shift_remove(from));
    match value {
        Some(value) => json!({ to: value, "score": word["score"] }),
        None => word,
    }
}

fn nowhere() -> Value {
    json!({ "xmin": 0, "ymin": 0, "xmax": 0, "ymax": 0 })
}

/// All zeros is Stream's word for "none".
fn is_nowhere(area: &Value) -> bool {
    match area {
        Value::Object(sides) => sides.values().all(|side| side.as_f64() == Some(0.0)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_plate_form() -> Value {
        json!({
            "plate": "xy987zz", "score": 0.91, "dscore": 0.74, "box": { "xmin": 5, "ymin": 6, "xmax": 25, "ymax": 16 },
            "region": { "code": "at", "score": 0.5 },
            "candidates": [{ "plate": "xy987zz", "score": 0.91 }, { "plate": "xy9872z", "score": 0.6 }],
            "vehicle": { "type": "Van", "score": 0.3, "box": { "xmin": 1, "ymin": 2, "xmax": 90, "ymax": 80 } },
            "model_make": [{ "make": "Opel", "model": "Vivaro", "score": 0.4 }],
            "color": [{ "color": "blue", "score": 0.8 }], "orientation": [{ "orientation": "Rear", "score": 0.7 }],
            "direction": 90, "speed": null, "speed_score": 0.0, "new_key": [1], "position_sec": "12.5",
        })
    }

    #[test]
    fn scores_swap_places_in_the_vehicle_form() {
        let told = Form::Vehicle.of(in_plate_form());
        assert_eq!(told["plate"]["score"], 0.74);
        assert_eq!(
            told["plate"]["props"]["plate"][0],
            json!({ "value": "xy987zz", "score": 0.91 })
        );
        assert_eq!(
            told["plate"]["props"]["region"],
            json!([{ "value": "at", "score": 0.5 }])
        );
        assert_eq!(told["vehicle"]["props"]["make_model"][0]["model"], "Vivaro");
        assert_eq!(
            told["vehicle"]["props"]["color"],
            json!([{ "value": "blue", "score": 0.8 }])
        );
        assert_eq!(
            (&told["position_sec"], &told["new_key"]),
            (&json!(12.5), &json!([1]))
        );
        assert!(told.get("dscore").is_none() && told.get("candidates").is_none());
    }

    #[test]
    fn there_and_back_is_the_same() {
        let there = Form::Vehicle.of(in_plate_form());
        assert_eq!(Form::Plate.of(there.clone()), in_plate_form());
        assert_eq!(Form::Vehicle.of(Form::Plate.of(there.clone())), there);
        for form in [Form::AsItCame, Form::Vehicle] {
            assert_eq!(form.of(there.clone()), there);
        }
        assert_eq!(Form::Plate.of(in_plate_form()), in_plate_form());
    }

    #[test]
    fn a_vehicle_without_plate_has_none_in_either_form() {
        let bare = json!({ "plate": null, "vehicle": { "type": "Bus", "score": 0.9, "box": nowhere(), "props": { "color": [] } }, "direction": null });
        let told = Form::Plate.of(bare);
        assert_eq!((&told["plate"], &told["dscore"]), (&json!(""), &json!(0.0)));
        assert_eq!(told["candidates"], json!([{ "plate": "", "score": 0.0 }]));
        assert!(told.get("color").is_none());
        assert_eq!(Form::Vehicle.of(told)["plate"], Value::Null);
    }

    #[test]
    fn what_is_of_neither_form_stays() {
        for odd in [
            json!(7),
            json!({}),
            json!({ "plate": 7 }),
            json!(null),
            json!({ "plate": { "props": null } }),
        ] {
            let told = Form::Plate.of(Form::Vehicle.of(odd.clone()));
            assert_eq!(Form::AsItCame.of(odd.clone()), odd);
            assert!(told == odd || told["plate"].is_string(), "{told}");
        }
    }
}
