//! One result of a recognition as a plate and its vehicle.
//!
//! Stream writes two formats, told apart by each result's `plate`: text in the plate format, an object or null in the
//! vehicle format. Their scores swap places: `score` beside the text is how sure the *text* is, while `plate.score` of the
//! vehicle format is how sure it is that there *is* a plate, and the text's own stands with it in `plate.props.plate`.

use crate::event::{Candidate, Plate, Role, Scored, Vehicle};
use crate::sources::country;
use crate::sources::json::Json;
use crate::sources::lenient::{area, first_of, list, number, score, text};

/// Reads whatever of a result can be read, so that item N is always result N.
pub(super) fn read(result: &Json) -> Plate {
    let plate = if result["plate"].is_map() {
        read_plate_object(&result["plate"])
    } else {
        read_plate_text(result)
    };
    let told_in_vehicle = &result["vehicle"]["props"];
    let orientation = first_of(&[&told_in_vehicle["orientation"], &result["orientation"]]);
    Plate {
        direction: number(&result["direction"]).map(|degrees| degrees.rem_euclid(360.0)),
        orientation: scored(orientation, "orientation"),
        speed: number(&result["speed"]),
        vehicle: read_vehicle(result),
        user_data: match &result["user_data"] {
            Json::Null => None,
            Json::Text(unset) if unset.is_empty() => None,
            told => Some(told.to_json()),
        },
        ..plate
    }
}

/// The plate format, and the vehicle format where no plate was found.
fn read_plate_text(result: &Json) -> Plate {
    let region = &result["region"];
    let code = text(first_of(&[&region["code"], region]));
    let text = text(&result["plate"]);
    Plate {
        score: text.as_ref().and_then(|_| score(&result["score"])),
        detection_score: score(&result["dscore"]),
        country: code.as_deref().and_then(country::of_region),
        region: code,
        region_score: score(&region["score"]),
        area: area(&result["box"], Role::FRAME),
        candidates: candidates(&result["candidates"], "plate"),
        text,
        ..Plate::default()
    }
}

fn read_plate_object(plate: &Json) -> Plate {
    let readings = &plate["props"]["plate"];
    let region = &plate["props"]["region"][0];
    let code = text(&region["value"]);
    Plate {
        text: text(&readings[0]["value"]),
        score: score(&readings[0]["score"]),
        detection_score: score(&plate["score"]),
        country: code.as_deref().and_then(country::of_region),
        region: code,
        region_score: score(&region["score"]),
        area: area(&plate["box"], Role::FRAME),
        candidates: candidates(readings, "value"),
        ..Plate::default()
    }
}

fn candidates(told: &Json, name: &str) -> Vec<Candidate> {
    let read = |candidate: &Json| {
        Some(Candidate {
            text: text(&candidate[name])?,
            score: score(&candidate["score"]),
        })
    };
    list(told).iter().filter_map(read).collect()
}

/// `None` when nothing at all is told of a vehicle.
fn read_vehicle(result: &Json) -> Option<Vehicle> {
    let told = &result["vehicle"];
    let props = &told["props"];
    let models = first_of(&[
        &props["make_model"],
        &result["model_make"],
        &props["model_make"],
        &result["make_model"],
    ]);
    let colors = scored(first_of(&[&props["color"], &result["color"]]), "color");
    let model = best(list(models), |model| number(&model["score"]));
    if !told.is_map() && model.is_none() && colors.is_empty() {
        return None;
    }
    let model = model.unwrap_or(&Json::Null);
    let year = first_of(&[&props["year"], &result["year"], &told["year"]]);
    let year = first_of(&[&year[0], year]);
    Some(Vehicle {
        kind: text(&told["type"]),
        score: score(&told["score"]),
        area: area(&told["box"], Role::FRAME), // of the full frame whatever picture came along
        make: text(&model["make"]),
        model: text(&model["model"]),
        year: text(first_of(&[&year["value"], &year["year"], year])),
        color: best(&colors, |color| color.score.map(|score| score.fraction()))
            .map(|color| color.value.clone()),
        colors,
    })
}

/// `[{value, score}]` of the vehicle format, or the plate format's `[{<name>, score}]`.
fn scored(told: &Json, name: &str) -> Vec<Scored> {
    let read = |entry: &Json| {
        Some(Scored {
            value: text(first_of(&[&entry["value"], &entry[name]]))?,
            score: score(&entry["score"]),
        })
    };
    list(told).iter().filter_map(read).collect()
}

/// The one with the highest score; of equals, and of those without one, the first, since vendors put the best first.
fn best<T>(all: &[T], score: impl Fn(&T) -> Option<f64>) -> Option<&T> {
    let score = |entry: &T| score(entry).unwrap_or(0.0);
    all.iter().reduce(|best, next| {
        if score(next) > score(best) {
            next
        } else {
            best
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(result: &Value) -> Plate {
        super::read(&serde_json::from_str(&result.to_string()).unwrap())
    }

    #[test]
    fn the_scores_of_the_two_formats_mean_the_same_afterwards() {
        let plain = read(&json!({ "plate": "nhk552", "score": 0.9, "dscore": 0.7 }));
        let nested = read(&json!({ "plate": {
            "type": "Plate", "score": 0.7, "props": { "plate": [{ "value": "nhk552", "score": 0.9 }] }
        } }));
        for plate in [plain, nested] {
            assert_eq!(plate.text.as_deref(), Some("nhk552"));
            assert_eq!(plate.score.unwrap().fraction(), 0.9);
            assert_eq!(plate.detection_score.unwrap().fraction(), 0.7);
        }
    }

    #[test]
    fn a_vehicle_without_a_plate_has_no_text() {
        for told in [
            json!({ "plate": null, "vehicle": { "type": "Bus" } }),
            json!({ "plate": "", "score": 0.0, "vehicle": { "type": "Bus" } }),
            json!({ "plate": { "score": 0.3, "props": null }, "vehicle": { "type": "Bus" } }),
            json!({ "plate": { "props": { "plate": [], "region": [] } }, "vehicle": { "type": "Bus" } }),
            json!({ "vehicle": { "type": "Bus", "box": { "xmin": 0, "ymin": 0, "xmax": 0, "ymax": 0 } } }),
        ] {
            let plate = read(&told);
            assert_eq!((plate.text, plate.score), (None, None), "{told}");
            let vehicle = plate.vehicle.unwrap();
            assert_eq!(
                (vehicle.kind.as_deref(), vehicle.area),
                (Some("Bus"), None),
                "{told}"
            );
        }
    }

    #[test]
    fn numbers_may_be_text_and_nonsense_is_nothing() {
        let plate = read(&json!({
            "plate": 1234, "score": "0.5", "dscore": 7, "direction": "-90", "speed": "12.5", "region": "us-ca",
            "candidates": [{ "plate": "1234" }, { "plate": null }, 7], "color": "red", "user_data": { "gps": 1 }
        }));
        assert_eq!(plate.text.as_deref(), Some("1234"));
        assert_eq!(plate.score.unwrap().fraction(), 0.5);
        assert_eq!(plate.detection_score, None);
        assert_eq!((plate.direction, plate.speed), (Some(270.0), Some(12.5)));
        assert_eq!(
            (plate.region.as_deref(), plate.country.as_deref()),
            (Some("us-ca"), Some("US"))
        );
        assert_eq!(plate.candidates.len(), 1);
        assert!(plate.vehicle.is_none());
        assert_eq!(plate.user_data, Some(json!({ "gps": 1 })));
        for nonsense in [json!(null), json!([]), json!("x"), json!({ "plate": [1] })] {
            assert_eq!(read(&nonsense).text, None);
        }
    }

    #[test]
    fn the_best_by_score_is_chosen() {
        let plate = read(&json!({
            "plate": "a", "color": [{ "color": "blue", "score": 0.2 }, { "color": "white", "score": 0.9 }],
            "model_make": [{ "make": "Fiat", "model": "Panda", "score": 0.3 }, { "make": "Fiat", "model": "500", "score": 0.3 }],
            "year": [{ "value": "2015-2018", "score": 0.4 }]
        }));
        let vehicle = plate.vehicle.unwrap();
        assert_eq!(vehicle.color.as_deref(), Some("white"));
        assert_eq!(
            (vehicle.make.as_deref(), vehicle.model.as_deref()),
            (Some("Fiat"), Some("Panda"))
        );
        assert_eq!(vehicle.year.as_deref(), Some("2015-2018"));
    }
}
