//! Webhooks as Verkada Command posts them, but unsigned. After Verkada's pages named in the decoder; values are invented.

use serde_json::{Value, json};

use super::{Chance, Drawn, Request, Sample, Told};

pub(super) const SAMPLES: [Sample; 2] = [
    Sample {
        name: "verkada plate",
        about: "a plate as Verkada posts it, without a picture and not signed",
        make: plate,
    },
    Sample {
        name: "verkada notification",
        about: "another webhook of Verkada, not signed",
        make: notification,
    },
];

fn plate(_: &Drawn, told: &Told<'_>) -> Request {
    let confidence = Chance(told.seed).score(0.8);
    webhook(
        told,
        "lpr",
        &json!({
            "camera_id": told.camera,
            "created": told.at.as_second(),
            "license_plate_number": told.plate,
            "confidence": confidence,
            "license_plate_state": "us-ca",
        }),
    )
}

fn notification(_: &Drawn, told: &Told<'_>) -> Request {
    webhook(
        told,
        "notification",
        &json!({ "notification_type": "motion", "camera_id": told.camera, "created": told.at.as_second(), "objects": ["vehicle"] }),
    )
}

fn webhook(told: &Told<'_>, kind: &str, data: &Value) -> Request {
    let id = Chance(told.seed).hex();
    let webhook = json!({
        "org_id": "00000000-0000-4000-8000-000000000001",
        "webhook_type": kind,
        "created_at": told.at.as_second(),
        "webhook_id": id,
        "data": data,
    });
    Request::post("application/json", webhook.to_string())
}
