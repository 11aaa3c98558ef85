//! FindFace's webhook filters in the words of `only`, all of them.
//!
//! After the filter table of NtechLab's webhooks page of FindFace Lite 1.6 and the API description of FindFace Multi 2, both
//! read on 2026-11-21: filters are joined by "and", the values of a list by "or", bounds include themselves, an empty list
//! matches nothing, and what is not matched has a confidence of 0. What is not told does not pass.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::config::Config;
use crate::event::Event;
use crate::explain::decode;
use crate::routes;

/// What FindFace posts, by the names that the table calls it.
fn bodies() -> Vec<(&'static str, Value)> {
    let body = |more: Value| {
        let mut body = json!({
            "id": "1", "created_date": "2026-02-03T08:15:30+01:00", "camera": 7, "bs_type": "overall",
            "matched": false, "matched_card": null, "matched_lists": [], "confidence": 0,
            "frame_coords_left": 10, "frame_coords_top": 10, "frame_coords_right": 90, "frame_coords_bottom": 90,
        });
        let map = body.as_object_mut().unwrap();
        map.extend(more.as_object().unwrap().clone());
        body
    };
    vec![
        (
            "known face",
            body(json!({
                "object_type": "face", "matched": true, "matched_card": 15, "matched_lists": [2, 5], "confidence": 0.87,
                "features": {
                    "headpose_yaw": { "name": -4.5, "confidence": 1 }, "headpose_pitch": { "name": -4.2, "confidence": 1 },
                    "headpose_roll": { "name": 1.8, "confidence": 1 }, "liveness": { "name": 0.44, "confidence": 1 },
                    "medmask": { "name": "correct", "confidence": 0.9 }, "gender": { "name": "FEMALE", "confidence": 0.99 },
                    "age": { "name": 33.0, "confidence": 1 }, "emotions": { "name": "happy", "confidence": 0.6 },
                    "beard": { "name": "none", "confidence": 0.8 }, "glasses": { "name": "sun", "confidence": 0.7 },
                },
            })),
        ),
        (
            "edge face",
            body(json!({
                "object_type": "face", "camera": 12, "matched": true, "matched_card": { "id": 16, "name": "Ann" },
                "confidence": 0.75, "bs_type": "realtime",
                "features": {
                    "headpose_yaw": { "name": 3.5, "confidence": 1 }, "liveness": "real",
                    "medmask": { "name": "none", "confidence": 0.5 },
                },
            })),
        ),
        // No features are switched on, and some are empty.
        (
            "bare face",
            body(
                json!({ "object_type": "face", "features": { "medmask": { "name": "", "confidence": 0 }, "age": null } }),
            ),
        ),
        (
            "known car",
            body(json!({
                "object_type": "car", "camera": 12, "matched": true, "matched_card": 41, "matched_lists": [3],
                "confidence": 0.91, "license_plate_thumbnail": "https://ff.example/p.jpg",
                "features": {
                    "license_plate_number": { "name": "AB123CD", "confidence": 0.97 },
                    "license_plate_country": { "name": "IT", "confidence": 1 },
                    "license_plate_visibility": { "name": "fully_visible", "confidence": 0.99 },
                    "license_plate_color": { "name": "white", "confidence": 0.9 },
                    "orientation": { "name": "front", "confidence": 0.93 }, "special_type": { "name": "police", "confidence": 0.8 },
                    "make": { "name": "nissan", "confidence": 0.9 }, "model": { "name": "nissan/note", "confidence": 0.8 },
                    "color": { "name": "grey", "confidence": 0.77 }, "body": { "name": "hatchback", "confidence": 0.9 },
                    "category": { "name": "B", "confidence": 0.9 }, "weight_type": { "name": "light", "confidence": 0.9 },
                },
            })),
        ),
        (
            "bare car",
            body(json!({
                "object_type": "car", "camera": 99,
                "features": {
                    "license_plate_number": { "name": "", "confidence": 0 },
                    "license_plate_visibility": { "name": "invisible", "confidence": 0.9 },
                    "orientation": { "name": "back", "confidence": 0.5 }, "special_type": { "name": "", "confidence": 0 },
                },
            })),
        ),
        (
            "plate",
            body(
                json!({ "object_type": "license_plate", "license_plate_number": { "name": "AB123CD", "confidence": 0.8 } }),
            ),
        ),
        ("body", body(json!({ "object_type": "body" }))),
    ]
}

/// A filter as FindFace takes it, the same as words, and what passes.
type Case = (&'static str, &'static str, &'static [&'static str]);

const FACES: &[&str] = &["bare face", "edge face", "known face"];
const KNOWN: &[&str] = &["edge face", "known car", "known face"];
const UNKNOWN: &[&str] = &["bare car", "bare face", "body", "plate"];
const ALL: &[&str] = &[
    "bare car",
    "bare face",
    "body",
    "edge face",
    "known car",
    "known face",
    "plate",
];

#[rustfmt::skip] // a table: one filter, one line
const LITE: &[Case] = &[
    ("{}", "{}", ALL),
    // Types and cameras.
    ("type_in: [face]", "about: face", FACES),
    ("type_in: [car]", "about: [vehicle]", &["bare car", "known car"]),
    ("type_in: [license_plate]", "about: bare_plate", &["plate"]),
    ("type_in: [car, license_plate]", "about: [vehicle, bare_plate]", &["bare car", "known car", "plate"]),
    ("type_in: []", "about: []", &[]),
    ("camera_in: [12]", "camera: [12]", &["edge face", "known car"]),
    ("camera_in: [12, 99]", "camera: [12, 99]", &["bare car", "edge face", "known car"]),
    ("camera_in: 1", "camera: 1", &[]),
    ("camera_in: []", "camera: []", &[]),
    // The match.
    ("card_in: [15]", "card: [15]", &["known face"]),
    ("card_in: [15, 41, 16]", "card: [15, 41, 16]", KNOWN),
    ("card_in: []", "card: []", &[]),
    ("confidence_gte: 0.75", "similarity: { min: 0.75 }", KNOWN),
    ("confidence_gte: 0.76", "similarity: { min: 0.76 }", &["known car", "known face"]),
    ("confidence_gte: 0", "similarity: { min: 0, unknown: pass }", ALL),
    ("confidence_lte: 0.75", "similarity: { max: 0.75, unknown: pass }", &["bare car", "bare face", "body", "edge face", "plate"]),
    ("confidence_lte: 0.74", "similarity: { max: 0.74, unknown: pass }", UNKNOWN),
    ("confidence_gte: 0.75, confidence_lte: 0.87", "similarity: { min: 0.75, max: 0.87 }", &["edge face", "known face"]),
    ("matched: true", "matched: true", KNOWN),
    ("matched: false", "matched: false", UNKNOWN),
    ("matched: true, confidence_gte: 0.9", "{ matched: true, similarity: { min: 0.9 } }", &["known car"]),
    ("bs_type_in: [overall]", "shot: [overall]", &["bare car", "bare face", "body", "known car", "known face", "plate"]),
    ("bs_type_in: [realtime]", "shot: realtime", &["edge face"]),
    ("bs_type_in: [overall, realtime]", "shot: [overall, realtime]", ALL),
    ("bs_type_in: []", "shot: []", &[]),
    // Faces.
    ("yaw_gte: -4.5", "face: { yaw: { min: -4.5 } }", &["edge face", "known face"]),
    ("yaw_gte: -4.4", "face: { yaw: { min: -4.4 } }", &["edge face"]),
    ("yaw_lte: -4.5", "face: { yaw: { max: -4.5 } }", &["known face"]),
    ("yaw_lte: 3.5, yaw_gte: 3.5", "face: { yaw: { min: 3.5, max: 3.5 } }", &["edge face"]),
    ("pitch_gte: -4.2", "face: { pitch: { min: -4.2 } }", &["known face"]),
    ("pitch_lte: -4.3", "face: { pitch: { max: -4.3 } }", &[]),
    ("roll_lte: 1.8", "face: { roll: { max: 1.8 } }", &["known face"]),
    ("roll_gte: 1.9", "face: { roll: { min: 1.9 } }", &[]),
    ("liveness_gte: 0.44", "face: { liveness: { min: 0.44 } }", &["edge face", "known face"]),
    ("liveness_lte: 0.44", "face: { liveness: { max: 0.44 } }", &["known face"]),
    ("medmask: { name: correct }", "face: { mask: correct }", &["known face"]),
    ("medmask: { name: none }", "face: { mask: none }", &["edge face"]),
    ("medmask: { name: incorrect }", "face: { mask: incorrect }", &[]),
    ("medmask: { name: correct, confidence_gte: 0.9 }", "face: { mask: { is: [correct], score: { min: 0.9 } } }", &["known face"]),
    ("medmask: { name: correct, confidence_gte: 0.91 }", "face: { mask: { is: [correct], score: { min: 0.91 } } }", &[]),
    ("medmask: { confidence_lte: 0.5 }", "face: { mask: { score: { max: 0.5 } } }", &["edge face"]),
    ("yaw_gte: -90, medmask: { name: none }", "face: { yaw: { min: -90 }, mask: none }", &["edge face"]),
    // Cars and plates.
    ("orientation: { name: front }", "orientation: front", &["known car"]),
    ("orientation: { name: side }", "orientation: side", &[]),
    ("orientation: { name: back, confidence_gte: 0.5, confidence_lte: 0.5 }", "orientation: { is: [back], score: { min: 0.5, max: 0.5 } }", &["bare car"]),
    ("orientation: { name: front, confidence_lte: 0.92 }", "orientation: { is: [front], score: { max: 0.92 } }", &[]),
    ("special_type: { name: police }", "vehicle: { special: police }", &["known car"]),
    ("special_type: { name: police, confidence_gte: 0.8 }", "vehicle: { special: { is: [police], score: { min: 0.8 } } }", &["known car"]),
    ("special_type: { name: not_special }", "vehicle: { special: not_special }", &[]),
    ("license_plate_visibility: { name: fully_visible }", "plate: { visibility: fully_visible }", &["known car"]),
    ("license_plate_visibility: { name: invisible, confidence_gte: 0.9 }", "plate: { visibility: { is: [invisible], score: { min: 0.9 } } }", &["bare car"]),
    ("license_plate_visibility: { name: partly_visible_no_text }", "plate: { visibility: partly_visible_no_text }", &[]),
    ("license_plate_number: AB123CD", "{ about: vehicle, plate: { similar: { to: [AB123CD], edits: 0, confusions: false } } }", &["known car"]),
    ("license_plate_number: AB123C", "{ about: vehicle, plate: { similar: { to: [AB123C], edits: 0, confusions: false } } }", &[]),
    ("license_plate_number: \"\"", "{ about: vehicle, plate: { similar: { to: [] } } }", &[]),
    ("license_plate_event_number: AB123CD", "{ about: bare_plate, plate: { similar: { to: [AB123CD], edits: 0, confusions: false } } }", &["plate"]),
    // All of them must hold.
    ("type_in: [car], camera_in: [12], matched: true, bs_type_in: [overall], orientation: { name: front }", "{ about: vehicle, camera: 12, matched: true, shot: overall, orientation: front }", &["known car"]),
    ("type_in: [face], license_plate_number: AB123CD", "{ about: face, plate: AB123CD }", &[]),
];

#[rustfmt::skip]
const MULTI: &[Case] = &[
    ("face_events: { gender_in: [FEMALE] }", "{ about: face, face: { attributes: { gender: female } } }", &["known face"]),
    ("face_events: { age_gte: 33, age_lte: 33 }", "{ about: face, face: { age: { min: 33, max: 33 } } }", &["known face"]),
    ("face_events: { glasses_in: [sun, eye] }", "face: { attributes: { glasses: [sun, eye] } }", &["known face"]),
    ("face_events: { emotions_in: [happy] }", "face: { attributes: { emotions: happy } }", &["known face"]),
    ("face_events: { beard_in: [beard] }", "face: { attributes: { beard: beard } }", &[]),
    ("face_events: { liveness_in: [real] }", "face: { attributes: { liveness: real } }", &["edge face"]),
    ("matched_lists_in: [2]", "listed: [2]", &["known face"]),
    ("matched_lists_in: [5, 3]", "listed: [5, 3]", &["known car", "known face"]),
    ("matched_lists_in: [-1]", "{ matched: false }", UNKNOWN),
    ("body_events: {}", "about: body", &["body"]),
    ("car_events: { color_in: [grey], color_confidence_gte: 0.77 }", "vehicle: { color: { is: [grey], score: { min: 0.77 } } }", &["known car"]),
    ("car_events: { body_in: [hatchback], make_in: [nissan], model_in: [nissan/note] }", "vehicle: { type: hatchback, make: nissan, model: note }", &["known car"]),
    ("car_events: { license_plate_country_in: [IT] }", "region: it", &["known car"]),
    ("car_events: { license_plate_color_in: [white] }", "plate: { attributes: { license_plate_color: white } }", &["known car"]),
    ("car_events: { category_type_in: [B], weight_type_in: [light] }", "plate: { attributes: { category: B, weight_type: light } }", &["known car"]),
];

#[test]
fn every_filter_of_findface_has_words_that_pass_the_same_events() {
    let cases: Vec<&Case> = LITE.iter().chain(MULTI).collect();
    let mut yaml = "targets: { all: { log: {} } }\nroutes:\n".to_owned();
    for (n, (_, words, _)) in cases.iter().enumerate() {
        let words = match words.starts_with('{') {
            true => (*words).to_owned(),
            false => format!("{{ {words} }}"),
        };
        let _ = writeln!(yaml, "  - {{ name: \"{n}\", only: {words}, to: [all] }}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("routes.yaml");
    std::fs::write(&path, yaml).unwrap();
    let config = Config::load(&path).unwrap_or_else(|report| panic!("{}", report.plain()));
    let planned = config.planned();

    let mut passed: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for (name, body) in bodies() {
        let body = Bytes::from(json!([body]).to_string());
        let events = decode(&planned, body, Timestamp::UNIX_EPOCH).unwrap();
        let [event]: &[Arc<Event>] = &events[..] else {
            panic!("{name}");
        };
        let now = Timestamp::UNIX_EPOCH;
        let plan = routes::plan(&planned.routes, event, &planned.lists, now, None);
        for choice in plan.routes {
            let n: usize = choice.route.as_str().parse().unwrap();
            match choice.filtered_by {
                None => passed.entry(n).or_default().push(name),
                Some(why) => assert!(why.starts_with("only."), "{}: {why}", cases[n].0),
            }
        }
    }
    for (n, (filter, words, expected)) in cases.iter().enumerate() {
        let mut passed = passed.remove(&n).unwrap_or_default();
        passed.sort_unstable();
        assert_eq!(passed, *expected, "{filter}  =  {words}");
    }
}
