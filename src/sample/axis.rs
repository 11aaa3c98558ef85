//! Requests as the AXIS License Plate Verifier pushes them. After the vendors' pages named in the decoder; values are invented.

use serde_json::json;

use super::multipart::{File, multipart};
use super::{Chance, Drawn, Request, Sample, Told};
use crate::event::Pixels;

pub(super) const SAMPLES: [Sample; 2] = [
    Sample {
        name: "axis frame",
        about: "a plate as an Axis camera pushes it, with the whole frame",
        make: frame,
    },
    Sample {
        name: "axis plate",
        about: "the same with the plate's own picture, as the car leaves",
        make: plate,
    },
];

/// From the range that is reserved for documentation.
const MAC: &str = "00:00:5E:00:53:20";

fn frame(drawn: &Drawn, told: &Told<'_>) -> Request {
    push(drawn, told, "update", "frame", &drawn.one_car.frame)
}

fn plate(drawn: &Drawn, told: &Told<'_>) -> Request {
    let picture = &drawn.one_car.cars[0].plate_picture;
    push(drawn, told, "lost", "plate", picture)
}

fn push(drawn: &Drawn, told: &Told<'_>, state: &str, image_type: &str, picture: &[u8]) -> Request {
    let mut chance = Chance(told.seed);
    let Pixels {
        x,
        y,
        width,
        height,
    } = drawn.one_car.cars[0].plate;
    let event = json!({
        "packetCounter": chance.below(1_000_000).to_string(),
        "capture_timestamp": told.at.as_millisecond().to_string(),
        "datetime": told.at.strftime("%Y%m%d %H%M%S%3f").to_string(),
        "plateUTF8": told.plate,
        "plateASCII": told.plate,
        "plateCountry": "ITA",
        "plateConfidence": format!("{:.6}", chance.score(0.7)),
        "carState": state,
        "roiID": "1",
        "geotag": { "lat": 45.07, "lon": 7.69 },
        "imageType": image_type,
        "plateImageType": "jpeg",
        "plateImageSize": picture.len().to_string(),
        "carMoveDirection": "out",
        "timeProcessing": (20 + chance.below(60)).to_string(),
        "plateCoordinates": [x, y, width, height],
        "carID": (1 + chance.below(99_999)).to_string(),
        "camera_info": { "SerialNumber": MAC.replace(':', ""), "ProdShortName": "AXIS P0000", "MACAddress": MAC },
        "sensorProviderID": told.camera,
    })
    .to_string();
    let boundary = format!("camera{}", chance.hex());
    let files = [
        File {
            name: "event",
            filename: "event.json",
            content_type: "application/json",
            bytes: event.as_bytes(),
        },
        File {
            name: "image",
            filename: "image.jpg",
            content_type: "image/jpeg",
            bytes: picture,
        },
    ];
    Request::post(
        format!("multipart/form-data; boundary={boundary}"),
        multipart(&boundary, &files),
    )
}
