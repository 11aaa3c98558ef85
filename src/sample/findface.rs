//! Requests as NtechLab FindFace makes them: a list of one event, its pictures known by address only.
//!
//! After the API description of FindFace Multi 2 and the webhooks page of FindFace Lite 1.6, both read on 2026-11-21; all
//! values are invented. Nobody answers at the addresses: they show what an event without `fetch` looks like.

use serde_json::{Value, json};

use super::scene::{Car, PAINT};
use super::{Chance, Drawn, Request, Sample, Told};
use crate::event::Pixels;

pub(super) const SAMPLES: [Sample; 3] = [
    Sample {
        name: "findface car",
        about: "a car with its plate as FindFace Multi posts it",
        make: car,
    },
    Sample {
        name: "findface face",
        about: "a face that matched a card, from FindFace Multi",
        make: face,
    },
    Sample {
        name: "findface plate",
        about: "a plate without a car, as FindFace Lite may post it",
        make: plate,
    },
];

/// A name that is reserved for documentation.
const SERVER: &str = "https://findface.example/uploads";

fn car(drawn: &Drawn, told: &Told<'_>) -> Request {
    let mut chance = Chance(told.seed);
    let Car { vehicle, plate, .. } = &drawn.one_car.cars[0];
    let id = id(&mut chance);
    let mut event = common(&id, "car", told, *vehicle, &mut chance);
    event["webhook_type"] = "car_events".into();
    event["license_plate_thumbnail"] = format!("{SERVER}/{id}_plate.jpg").into();
    event["features"] = json!({
        "license_plate_number": {
            "name": told.plate, "confidence": chance.score(0.85),
            "bbox": {
                "left": plate.x, "top": plate.y, "right": plate.x + plate.width, "bottom": plate.y + plate.height
            },
        },
        "license_plate_country": { "name": "unknown", "confidence": 1 },
        "make": { "name": "nissan", "confidence": chance.score(0.5) },
        "model": { "name": "nissan/note", "confidence": chance.score(0.5) },
        "color": { "name": PAINT[0].1, "confidence": chance.score(0.7) },
        "body": { "name": "sedan", "confidence": chance.score(0.7) },
        "special_vehicle_type": { "name": "", "confidence": 0 },
    });
    request(event)
}

fn face(_: &Drawn, told: &Told<'_>) -> Request {
    let mut chance = Chance(told.seed);
    let id = id(&mut chance);
    let around = Pixels {
        x: 400 + chance.below(100),
        y: 100 + chance.below(50),
        width: 120,
        height: 150,
    };
    let mut event = common(&id, "face", told, around, &mut chance);
    event["webhook_type"] = "face_events".into();
    event["matched"] = true.into();
    event["matched_card"] = json!({ "id": 1 + chance.below(99), "name": "Ada Example" });
    event["matched_lists"] = json!([{ "id": 2, "name": "Staff" }]);
    event["confidence"] = chance.score(0.75).into();
    event["features"] = json!({
        "age": { "name": 20 + chance.below(50), "confidence": 1 },
        "gender": { "name": "FEMALE", "confidence": chance.score(0.8) },
        "medmask": { "name": "none", "confidence": chance.score(0.8) },
        "emotions": null,
    });
    request(event)
}

fn plate(drawn: &Drawn, told: &Told<'_>) -> Request {
    let mut chance = Chance(told.seed);
    let id = id(&mut chance);
    let around = drawn.one_car.cars[0].plate;
    let mut event = common(&id, "license_plate", told, around, &mut chance);
    event["features"] = json!({
        "license_plate_number": { "name": told.plate, "confidence": chance.score(0.85) },
        "license_plate_visibility": { "name": "fully_visible", "confidence": chance.score(0.85) },
    });
    request(event)
}

/// Of nineteen digits, as Multi's are: more than a float holds.
fn id(chance: &mut Chance) -> String {
    (4_600_000_000_000_000_000 + chance.next() % 10_u64.pow(15)).to_string()
}

fn common(id: &str, kind: &str, told: &Told<'_>, around: Pixels, chance: &mut Chance) -> Value {
    json!({
        "id": id,
        "object_type": kind,
        "event_model_class": "event_created",
        "created_date": told.at.to_string(),
        "camera": { "id": told.camera, "name": told.camera },
        "bs_type": "overall",
        "fullframe": format!("{SERVER}/{id}_full.jpg"),
        "thumbnail": format!("{SERVER}/{id}_thumb.jpg"),
        "frame_coords_left": around.x,
        "frame_coords_top": around.y,
        "frame_coords_right": around.x + around.width,
        "frame_coords_bottom": around.y + around.height,
        "matched": false,
        "matched_card": null,
        "matched_lists": [],
        "confidence": 0,
        "quality": chance.score(0.4),
    })
}

fn request(event: Value) -> Request {
    Request::post("application/json", Value::from(vec![event]).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_a_list_of_one_event_with_pictures_by_address() {
        let drawn = Drawn::new("AB123CD", "");
        let told = Told {
            plate: "AB123CD",
            second_plate: "",
            camera: "gate",
            at: "2026-03-04T09:11:12Z".parse().unwrap(),
            url: "",
            seed: 42,
        };
        for sample in SAMPLES {
            let body: Value = serde_json::from_slice(&sample.request(&drawn, &told).body).unwrap();
            let events = body.as_array().unwrap();
            assert_eq!(events.len(), 1);
            assert!(events[0]["id"].as_str().unwrap().len() == 19);
            assert!(events[0]["fullframe"].as_str().unwrap().starts_with(SERVER));
        }
    }
}
