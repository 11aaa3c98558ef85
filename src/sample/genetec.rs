//! Plate reads as Genetec's Security Center and Sharp cameras post them. After what the decoder names; values are invented.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Chance, Drawn, Request, Sample, Told};

pub(super) const SAMPLES: [Sample; 2] = [
    Sample {
        name: "genetec read",
        about: "a plate read as Security Center posts it",
        make: security_center,
    },
    Sample {
        name: "genetec sharp",
        about: "a plate read as a Sharp camera posts it",
        make: sharp,
    },
];

fn security_center(drawn: &Drawn, told: &Told<'_>) -> Request {
    let mut chance = Chance(told.seed);
    let confidence = (80 + chance.below(20)).to_string();
    let (date, time) = (
        told.at.strftime("%d/%m/%Y").to_string(),
        told.at.strftime("%H:%M:%S").to_string(),
    );
    let read = json!({
        "CameraName": told.camera,
        "Plate": told.plate,
        "State": "-",
        "ConfidenceScore": confidence,
        "ContextImage": STANDARD.encode(&drawn.one_car.frame),
        "PlateImage": STANDARD.encode(&drawn.one_car.cars[0].plate_picture),
        "DateUtc": date,
        "TimeUtc": time,
        "DateLocal": date,
        "TimeLocal": time,
        "Latitude": 45.5,
        "Longitude": -73.6,
        "IsHit": false,
        "SharpName": "SHARP0001",
        "UserName": "-",
        "VehicleID": "-",
        "Attributes": {
            "Vehicle Type": "Car",
            "Vehicle Color": "Blue",
            "Vehicle Make": "-",
            "Vehicle Model": "-",
            "Relative Motion": "Moving Away",
            "Confidence Score": confidence,
            "State Name Confidence Score": "-",
        },
    });
    Request::post("application/json", read.to_string())
}

fn sharp(drawn: &Drawn, told: &Told<'_>) -> Request {
    let mut chance = Chance(told.seed);
    let known = |key: &str, value: &str| json!({ "Key": key, "Score": 1.0, "Value": value });
    let read = json!({
        "ContextCameraName": "Context Camera",
        "ContextImage": STANDARD.encode(&drawn.one_car.frame),
        "Id": chance.hex(),
        "Latitude": 0.0,
        "Longitude": 0.0,
        "LprCameraName": told.camera,
        "PlateAnalytics": [
            known("State Name", "-"),
            known("Relative Motion", "Moving Away"),
            known("Confidence Score", &(80 + chance.below(20)).to_string()),
        ],
        "PlateImage": STANDARD.encode(&drawn.one_car.cars[0].plate_picture),
        "PlateRead": told.plate,
        "SourceUrl": told.camera,
        "Timestamp": told.at.strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string(),
    });
    Request::post("application/json", read.to_string())
}
