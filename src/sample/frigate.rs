//! Messages as Frigate publishes them, posted over HTTP here: its documents of tracked objects.
//!
//! After the MQTT page of Frigate's documentation, read on 2026-11-21; all values are invented. Frigate sends no
//! pictures with them.

use serde_json::{Value, json};

use super::{Chance, Drawn, Request, Sample, Told};
use crate::event::Pixels;

pub(super) const SAMPLES: [Sample; 2] = [
    Sample {
        name: "frigate plate",
        about: "a car whose plate Frigate has read, as of its topic `frigate/events`",
        make: plate,
    },
    Sample {
        name: "frigate person",
        about: "a person whose face Frigate knows, as of its topic `frigate/events`",
        make: person,
    },
];

/// Seconds that the object has been seen for.
const SEEN: f64 = 4.5;

fn plate(drawn: &Drawn, told: &Told<'_>) -> Request {
    let mut chance = Chance(told.seed);
    let car = &drawn.one_car.cars[0];
    let mut after = tracked(told, &mut chance, "car", corners(car.vehicle));
    let score = fraction(&mut chance);
    after["recognized_license_plate"] = told.plate.into();
    after["recognized_license_plate_score"] = score.into();
    after["attributes"] = json!({ "license_plate": score });
    after["current_attributes"] =
        json!([{ "label": "license_plate", "box": corners(car.plate), "score": score }]);
    update(after)
}

fn person(_: &Drawn, told: &Told<'_>) -> Request {
    let mut chance = Chance(told.seed);
    let mut after = tracked(told, &mut chance, "person", json!([410, 120, 560, 610]));
    after["sub_label"] = json!(["Robin", fraction(&mut chance)]);
    after["attributes"] = json!({ "face": 0.71 });
    after["current_attributes"] =
        json!([{ "label": "face", "box": [455, 140, 510, 210], "score": 0.71 }]);
    update(after)
}

fn tracked(told: &Told<'_>, chance: &mut Chance, label: &str, area: Value) -> Value {
    let seconds = told.at.as_microsecond() as f64 / 1e6;
    let start = seconds - SEEN;
    let score = fraction(chance);
    json!({
        "id": format!("{start:.6}-{:06x}", chance.below(0xFF_FFFF)),
        "camera": told.camera,
        "frame_time": seconds,
        "label": label,
        "sub_label": null,
        "top_score": score,
        "false_positive": false,
        "start_time": start,
        "end_time": null,
        "score": score,
        "box": area,
        "current_zones": ["drive"],
        "entered_zones": ["drive"],
        "has_snapshot": true,
        "has_clip": true,
        "active": true,
        "stationary": false,
    })
}

/// Before is as after here: what changed is nobody's business.
fn update(after: Value) -> Request {
    let document = json!({ "type": "update", "before": after, "after": after });
    Request::post("application/json", document.to_string())
}

fn fraction(chance: &mut Chance) -> f64 {
    (8_000 + chance.below(1_900)) as f64 / 10_000.0
}

fn corners(area: Pixels) -> Value {
    json!([area.x, area.y, area.x + area.width, area.y + area.height])
}
