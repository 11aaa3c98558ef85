//! Readings as Survision's units push them. After third-party receivers of them; values are invented.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Chance, Drawn, Request, Sample, Told};

pub(super) const SAMPLES: [Sample; 1] = [Sample {
    name: "survision plate",
    about: "a plate as a Survision unit pushes it",
    make: plate,
}];

fn plate(drawn: &Drawn, told: &Told<'_>) -> Request {
    let mut chance = Chance(told.seed);
    let reading = json!({
        "anpr": {
            "@date": told.at.as_millisecond().to_string(),
            "@session": chance.below(10_000).to_string(),
            "@id": chance.below(1_000_000).to_string(),
            "decision": {
                "@plate": told.plate,
                "@reliability": (80 + chance.below(20)).to_string(),
                "@direction": "rear",
                "@context": "I",
                "@context_isoAlpha2": "IT",
                "@context_isoAlpha3": "ITA",
                "@plateOccurences": (1 + chance.below(9)).to_string(),
                "jpeg": STANDARD.encode(&drawn.one_car.frame),
            },
        },
    });
    let mut request = Request::post("application/json", reading.to_string());
    let serial = told.camera.chars().filter(char::is_ascii_graphic).collect();
    request.headers.push(("survision-serial-number", serial));
    request
}
