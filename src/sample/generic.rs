//! Requests of programs that are no vendor's: one plate in each form of body that a `generic` source reads.
//!
//! JSON, form and XML use plain names, so that they are plate events without a `map`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::tz::TimeZone;
use serde_json::json;

use super::python::{File, dumps, multipart, quote_plus};
use super::{Chance, Drawn, Request, Sample, Told};

pub(super) const SAMPLES: [Sample; 5] = [
    Sample {
        name: "generic json",
        about: "a plate as JSON, its picture in base64",
        make: json,
    },
    Sample {
        name: "generic form",
        about: "a plate as a form, without a picture",
        make: form,
    },
    Sample {
        name: "generic multipart",
        about: "a plate as JSON in a multipart body, frame and plate beside it",
        make: parts,
    },
    Sample {
        name: "generic xml",
        about: "a plate as XML, without a picture",
        make: xml,
    },
    Sample {
        name: "generic picture",
        about: "a bare picture",
        make: picture,
    },
];

fn json(drawn: &Drawn, told: &Told<'_>) -> Request {
    let document = json!({
        "plate": told.plate,
        "confidence": Chance(told.seed).score(0.8),
        "camera_id": told.camera,
        "timestamp": told.at.as_millisecond(),
        "picture": STANDARD.encode(&drawn.one_car.frame),
    });
    Request::post("application/json", document.to_string())
}

fn form(_: &Drawn, told: &Told<'_>) -> Request {
    let fields = [
        ("license_plate", told.plate.to_owned()),
        ("score", Chance(told.seed).score(0.8).to_string()),
        ("camera", told.camera.to_owned()),
        ("time", told.at.to_string()),
    ];
    let fields = fields.map(|(name, value)| format!("{name}={}", quote_plus(&value)));
    Request::post("application/x-www-form-urlencoded", fields.join("&"))
}

fn parts(drawn: &Drawn, told: &Told<'_>) -> Request {
    let mut chance = Chance(told.seed);
    let document = json!({
        "plate": told.plate,
        "score": chance.score(0.8),
        "camera_id": told.camera,
        "time": told.at.as_second(),
    });
    let boundary = chance.hex();
    let file = |name, filename, bytes| File {
        name,
        filename,
        content_type: Some("image/jpeg"),
        bytes,
    };
    let files = [
        file("frame", "frame.jpg", &drawn.one_car.frame),
        file("plate", "plate.jpg", &drawn.one_car.cars[0].plate_picture),
    ];
    let body = multipart(&boundary, &dumps(&document), &files);
    Request::post(format!("multipart/form-data; boundary={boundary}"), body)
}

fn xml(_: &Drawn, told: &Told<'_>) -> Request {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
    let at = told.at.to_zoned(TimeZone::UTC);
    Request::post(
        "application/xml",
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Detection><PlateNumber>{}</PlateNumber><Confidence>{}</Confidence>\
             <CameraId>{}</CameraId><Time>{}</Time></Detection>\n",
            escaped(told.plate),
            Chance(told.seed).score(0.8),
            escaped(told.camera),
            at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        ),
    )
}

fn picture(drawn: &Drawn, _: &Told<'_>) -> Request {
    Request::post("image/jpeg", drawn.one_car.frame.to_vec())
}
