//! One vehicle and its plate, as the two formats of Plate Recognizer tell them.

use serde_json::{Value, json};

/// Everything that is known of a car, to be told in one format or the other.
pub(super) struct Read {
    pub(super) text: String,
    pub(super) score: f64,
    pub(super) detection_score: f64,
    pub(super) plate: Value,
    pub(super) vehicle: Value,
    pub(super) kind: &'static str,
    pub(super) kind_score: f64,
    pub(super) make: &'static str,
    pub(super) model: &'static str,
    pub(super) make_score: f64,
    pub(super) color: &'static str,
    pub(super) color_score: f64,
    pub(super) orientation_score: f64,
    pub(super) direction: u32,
}

impl Read {
    pub(super) fn plate_format(&self) -> Value {
        json!({
            "plate": self.text,
            "score": self.score,
            "dscore": self.detection_score,
            "box": self.plate,
            "region": { "code": "it", "score": 0.48 },
            "candidates": [
                { "plate": self.text, "score": self.score },
                { "plate": self.text.replace('b', "8").replace('s', "5"), "score": thousandth(self.score * 0.8) },
            ],
            "vehicle": { "type": self.kind, "score": self.kind_score, "box": self.vehicle },
            "model_make": [{ "make": self.make, "model": self.model, "score": self.make_score }],
            "color": [{ "color": self.color, "score": self.color_score }],
            "orientation": [{ "orientation": "Rear", "score": self.orientation_score }],
            "direction": self.direction,
            "speed": null,
            "speed_score": 0.0,
        })
    }

    pub(super) fn vehicle_format(&self, with_plate: bool) -> Value {
        let plate = with_plate.then(|| {
            json!({
                "type": "Plate",
                "score": self.detection_score,
                "box": self.plate,
                "props": {
                    "plate": [{ "value": self.text, "score": self.score }],
                    "region": [{ "value": "it", "score": 0.48 }],
                },
            })
        });
        json!({
            "plate": plate,
            "vehicle": {
                "type": self.kind,
                "score": self.kind_score,
                "box": self.vehicle,
                "props": {
                    "make_model": [{ "make": self.make, "model": self.model, "score": self.make_score }],
                    "orientation": [{ "value": "Rear", "score": self.orientation_score }],
                    "color": [{ "value": self.color, "score": self.color_score }],
                },
            },
            "direction": self.direction,
            "speed": null,
            "speed_score": 0.0,
        })
    }

    pub(super) fn snapshot(&self) -> Value {
        let mut result = self.plate_format();
        if let Some(result) = result.as_object_mut() {
            for of_stream in ["direction", "speed", "speed_score"] {
                result.shift_remove(of_stream);
            }
        }
        result
    }
}

fn thousandth(score: f64) -> f64 {
    (score * 1_000.0).round() / 1_000.0
}
