//! Requests as Kipod's alarm monitors make them.
//!
//! After the vendor's page on the webhook of an alarm monitor, read in November 2026. All values are invented. The page's
//! own samples are broken JSON; `kipod broken` has their faults, for whoever wants to see what a receiver does with them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::scene::{Car, PAINT};
use super::{Chance, Drawn, Request, Sample, Told};

pub(super) const SAMPLES: [Sample; 4] = [
    Sample {
        name: "kipod plate",
        about: "a plate of a list, with frame, car and plate in base64",
        make: plate,
    },
    Sample {
        name: "kipod face",
        about: "a face of a list, with its pictures on the server alone",
        make: face,
    },
    Sample {
        name: "kipod motion",
        about: "the end of a motion, with the frame as a data URL",
        make: motion,
    },
    Sample {
        name: "kipod broken",
        about: "broken JSON as the vendor's page prints it",
        make: broken,
    },
];

const MONITOR: u32 = 12;
const STREAM: u32 = 3;

fn plate(drawn: &Drawn, told: &Told<'_>) -> Request {
    let mut chance = Chance(told.seed);
    let car: &Car = &drawn.one_car.cars[0];
    let number = 1_000 + chance.below(9_000);
    let params = json!({
        "identities": [{
            "plates": [{
                "id": number, "number": told.plate, "state": "IT", "owner_first_name": "-", "owner_last_name": "-",
            }],
            "list": { "id": 4, "name": "Residents", "level": 1 },
        }],
        "object": {
            "color": { "value": PAINT[0].1, "reliability": chance.score(0.8) },
            "object_type": { "value": "car", "reliability": chance.score(0.9) },
        },
        "reliability": chance.score(0.9),
    });
    let snapshots = json!([
        snapshot(told, "FULLSCREEN", "", Some(encoded(&drawn.one_car.frame))),
        snapshot(
            told,
            "THUMBNAIL",
            &format!("best-{number}/"),
            Some(encoded(&car.vehicle_picture))
        ),
        snapshot(
            told,
            "THUMBNAIL",
            &format!("aligned-{number}/"),
            Some(encoded(&car.plate_picture))
        ),
    ]);
    post(&event(told, "PlateMatched", "KX.PDD", &params, &snapshots))
}

fn face(_: &Drawn, told: &Told<'_>) -> Request {
    let mut chance = Chance(told.seed);
    let params = json!({
        "identities": [{
            "faces": [{
                "id": 1_000 + chance.below(9_000), "similarity": chance.score(0.8),
                "first_name": "Sample", "last_name": "Person",
            }],
            "list": { "id": 5, "name": "Guests", "level": 0 },
        }],
        "attributes": {
            "age": 20 + chance.below(50), "gender": chance.one_of(&["female", "male"]), "race": "unknown",
            "glasses": chance.below(2) == 1, "beard": false, "mask": false, "has": true,
        },
    });
    let snapshots = json!([
        snapshot(told, "FULLSCREEN", "", None),
        snapshot(told, "THUMBNAIL", "thumbnail/first-", None),
        snapshot(told, "THUMBNAIL", "thumbnail/last-", None),
    ]);
    post(&event(told, "FaceMatched", "KX.Faces", &params, &snapshots))
}

fn motion(drawn: &Drawn, told: &Told<'_>) -> Request {
    let mut chance = Chance(told.seed);
    let image = format!("data:image/jpeg;base64,{}", encoded(&drawn.no_car.frame));
    let snapshots = json!([snapshot(told, "FULLSCREEN", "", Some(image))]);
    let mut event = event(told, "Motion", "KX.Motion", &json!({}), &snapshots);
    event["source_name"] = "Motion detector".into();
    event["end_time"] = (told.at.as_millisecond() + 1_000 + i64::from(chance.below(9_000))).into();
    post(&event)
}

/// A text without its closing quote, commas before closing brackets, and dots for what was left out.
fn broken(_: &Drawn, told: &Told<'_>) -> Request {
    let id = id(told);
    let (path, camera) = (path(told, ""), json!(told.camera));
    let text = format!(
        r#"{{
  "monitor_id": {MONITOR},
  "id": "{id}",
  "topic": "PlateMatched",
  "module": "KX.PDD",
  "level": 2,
  "start_time": {time},
  "params": {{
    "identities": [{{
      "plates": [{{"id": 7, "number": {plate}, "state": "UNKNOWN",}}],
      "list": {{...}}
    }}],
    "reliability": "0.97",
  }},
  "snapshots": [
    {{
      "type": "FULLSCREEN
      "path": "{path}",
      "image": "data:image/png;base64,iV...II"
    }},
    {{"type": "THUMBNAIL", "path": "{path}",}}
  ],
  "channel": {{"id": {camera}, "name": "Gate, …"}}
}}
"#,
        time = told.at.as_millisecond(),
        plate = json!(told.plate),
    );
    Request::post("application/json", text)
}

fn post(event: &Value) -> Request {
    Request::post("application/json", event.to_string())
}

fn event(told: &Told<'_>, topic: &str, module: &str, params: &Value, snapshots: &Value) -> Value {
    json!({
        "monitor_id": MONITOR,
        "id": id(told),
        "event_id": number(told).to_string(),
        "topic": topic,
        "module": module,
        "level": 2,
        "start_time": told.at.as_millisecond(),
        "params": params,
        "snapshots": snapshots,
        "channel": {
            "id": told.camera, "channel_type": "STREAM", "name": format!("Camera {}", told.camera),
            "latitude": 45.0703, "longitude": 7.6869,
            "address": { "country": "Italy", "city": "Torino", "street": "Via Esempio", "place_info": "1" },
            "tags": [{ "id": 1, "name": "gate" }],
        },
    })
}

/// Node, a time of its own in milliseconds, and the event's number.
fn id(told: &Told<'_>) -> String {
    let later = told.at.as_millisecond() + 1_500;
    format!("21:{later}:{}", number(told))
}

fn number(told: &Told<'_>) -> u64 {
    4_800_000_000_000_000 + Chance(told.seed).next() % 100_000_000_000_000
}

fn snapshot(told: &Told<'_>, kind: &str, folder: &str, image: Option<String>) -> Value {
    let mut snapshot = json!({ "type": kind, "path": path(told, folder) });
    if let Some(image) = image {
        snapshot["image"] = image.into();
    }
    snapshot
}

/// It ends in nanoseconds and in `.jpg`, whatever the picture is.
fn path(told: &Told<'_>, folder: &str) -> String {
    let nanoseconds = told.at.as_nanosecond();
    format!("/api/v1/media/snapshot/{MONITOR}-{STREAM}/{folder}{nanoseconds}.jpg?ttl=2592000")
}

fn encoded(picture: &[u8]) -> String {
    STANDARD.encode(picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: &str) -> Request {
        let told = Told {
            plate: "KD482PL",
            second_plate: "BX771ZR",
            camera: "gate-1",
            at: "2026-01-02T03:04:05.678Z".parse().unwrap(),
            url: "http://127.0.0.1:8001/",
            seed: 7,
        };
        let drawn = Drawn::new("KD482PL", "BX771ZR");
        Sample::named(name).unwrap().request(&drawn, &told)
    }

    #[test]
    fn a_plate_comes_with_the_drawn_pictures() {
        let event: Value = serde_json::from_slice(&request("kipod plate").body).unwrap();
        let plate = &event["params"]["identities"][0]["plates"][0];
        assert_eq!(plate["number"], "KD482PL");
        assert_eq!(event["start_time"], 1_767_323_045_678_i64);
        let image = event["snapshots"][2]["image"].as_str().unwrap();
        let drawn = Drawn::new("KD482PL", "BX771ZR");
        assert_eq!(
            STANDARD.decode(image).unwrap(),
            drawn.one_car.cars[0].plate_picture
        );
    }

    #[test]
    fn all_but_the_broken_one_are_json() {
        for sample in &SAMPLES {
            let request = request(sample.name);
            assert_eq!(request.content_type(), "application/json");
            let read = serde_json::from_slice::<Value>(&request.body);
            assert_eq!(
                read.is_ok(),
                sample.name != "kipod broken",
                "{}",
                sample.name
            );
        }
    }
}
