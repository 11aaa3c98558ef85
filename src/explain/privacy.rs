//! What a step takes out is in nothing that any target is sent: values are planted in a request, and looked for.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::json;

use super::decode;
use crate::config::Config;
use crate::delivery::{Unready, prepare};
use crate::event::{DeliveryId, Event};
use crate::fate::Planned;
use crate::name::Name;
use crate::payload::{Body, Field, Payload};
use crate::steps::Work;

/// All ways to write an event, each asking for everything that it can.
const TARGETS: &str = r#"
targets:
  event: { http: { url: "https://a.example", json: { event: "{{ event }}", plate: "{{ plate }}", with: "{{ event.plates[0] }}" } } }
  document: { http: { url: "https://a.example?p={{ event.plates[0].text }}", json: "{{ event.raw }}", headers: { X-P: "{{ event.path }}" } } }
  head: { http: { url: "https://a.example", form: { h: "{{ event.headers | tojson }}", p: "{{ event.path }}", raw: "{{ event.raw | tojson }}" } } }
  parts:
    http:
      url: https://a.example
      multipart: { json: "{{ event }}", frame: "{{ images.frame }}", vehicle: "{{ images.vehicle }}", list: "{{ images.list }}" }
  base64: { http: { url: "https://a.example", json: { i: "{{ images.frame | base64 }}", v: "{{ images.vehicle | base64 }}" } } }
  text: { http: { url: "https://a.example", text: "{{ event | tojson }} {{ images.list | length }}" } }
  xml: { http: { url: "https://a.example", xml: "<p>{{ event | tojson | xml }}</p>" } }
  image: { http: { url: "https://a.example", image: "{{ images.frame }}" } }
  stream: { http: { url: "https://a.example", stream: true } }
  stream-plate: { http: { url: "https://a.example", stream: plate } }
  stream-vehicle: { http: { url: "https://a.example", stream: vehicle } }
  lines: { jsonl: "x/{{ event.plates[0].text }}.jsonl" }
  stream-lines: { jsonl: { path: x.jsonl, format: stream } }
  table: { csv: x.csv }
  frame: { files: { path: "{{ event.plates[0].text }}.jpg", image: frame } }
  vehicle: { files: { path: x.jpg, image: vehicle } }
  clip: { files: { path: x.mp4, image: video } }
  mqtt: { mqtt: { url: "mqtt://127.0.0.1", topic: "c/{{ event.camera.id }}", payload: "{{ event }}" } }
  nats: { nats: { url: "nats://127.0.0.1", subject: "p.{{ event.plates[0].text }}", headers: { X-Raw: "{{ event.raw | tojson }}" } } }
  row: { postgres: { url: "postgres://u@127.0.0.1/d", sql: "INSERT INTO t VALUES ($1, $2)", values: ["{{ event }}", "{{ images.frame }}"] } }
  mail: { smtp: { url: "smtp://127.0.0.1", from: a@example.com, to: b@example.com, text: "{{ event | tojson }}", attach: ["{{ images.frame }}"] } }
  log: { log: { level: debug } }
"#;

const PLATE: &str = "XK42ZZT";

/// As Stream would post it, with the plate in every place where one was ever seen.
fn request() -> Bytes {
    let result = json!({
        "plate": "xk42zzt", "score": 0.9, "dscore": 0.8, "box": { "xmin": 1, "ymin": 2, "xmax": 9, "ymax": 8 },
        "region": { "code": "at", "score": 0.5 }, "candidates": [{ "plate": "xk42zzt", "score": 0.9 }, { "plate": "xk4222t", "score": 0.1 }],
        "vehicle": { "type": "Van", "score": 0.3, "box": { "xmin": 0, "ymin": 0, "xmax": 20, "ymax": 20 } },
        "user_data": "planted-words", "source_url": "/videos/xk42zzt.mp4",
    });
    let document = json!({
        "hook": { "event": "recognition", "id": "lane", "target": "http://proxy/", "filename": "shots/XK42ZZT.jpg" },
        "data": { "camera_id": "lane", "filename": "shots/XK42ZZT.jpg", "timestamp": "2025-03-04T09:11:12Z", "results": [result] },
    });
    let part = |name: &str, file: &str, content: &[u8]| {
        let head = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        [head.as_bytes(), content, b"\r\n"].concat()
    };
    let body = [
        part("json", "", document.to_string().as_bytes()),
        part(
            "upload",
            "; filename=\"XK42ZZT.jpg\"\r\nContent-Type: image/jpeg",
            &planted("frame pixels"),
        ),
        part(
            "vehicle",
            "; filename=\"XK42ZZT-v.jpg\"\r\nContent-Type: image/jpeg",
            &planted("vehicle pixels"),
        ),
        b"--b--\r\n".to_vec(),
    ]
    .concat();
    let head = format!(
        "POST /lanes?plate={PLATE} HTTP/1.1\r\nHost: proxy\r\nX-Plate: {PLATE}\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat().into()
}

/// It only begins like a picture.
fn planted(words: &str) -> Vec<u8> {
    [b"\xff\xd8\xff\xe0", words.as_bytes()].concat()
}

fn written(body: &Body) -> Vec<u8> {
    body.to_vec()
}

/// Everything that leaves with it.
fn sent(payload: &Payload) -> Vec<u8> {
    match payload {
        Payload::Http(request) => {
            let mut all =
                format!("{} {:?} {:?}", request.url, request.headers, request.around).into_bytes();
            all.extend(written(&request.body));
            all
        }
        Payload::Line { path, line, .. } => format!("{path} {line}").into_bytes(),
        Payload::Files(files) => files
            .iter()
            .flat_map(|file| [file.path.as_bytes(), &file.bytes].concat())
            .collect(),
        Payload::Mqtt(messages) => messages
            .iter()
            .flat_map(|message| [message.topic.as_bytes(), &written(&message.payload)].concat())
            .collect(),
        Payload::Publication(sent) => {
            let mut all = format!("{} {:?} ", sent.subject, sent.headers).into_bytes();
            all.extend(written(&sent.payload));
            all
        }
        Payload::Row(row) => (row.values.iter())
            .flat_map(|value| match value {
                Field::Value(value) => value.to_string().into_bytes(),
                Field::Bytes(bytes) => bytes.to_vec(),
            })
            .collect(),
        Payload::Mail(mail) => {
            let mut all = format!("{} {} {:?}", mail.subject, mail.text, mail.html).into_bytes();
            mail.attachments.iter().for_each(|attached| {
                all.extend([attached.name.as_bytes(), &attached.bytes].concat())
            });
            all
        }
        Payload::Log { text } => text.clone().into_bytes(),
    }
}

/// The event as decoded, and what each target is sent of it behind these steps, by the target's name.
fn all_sent(steps: &str) -> (Arc<Event>, Vec<(String, Vec<u8>)>) {
    let targets: Vec<&str> = TARGETS
        .lines()
        .filter_map(|line| {
            line.strip_prefix("  ")?
                .split_once(':')
                .map(|(name, _)| name)
                .filter(|name| !name.starts_with(' '))
        })
        .collect();
    let sources = "sources: { lanes: { kind: platerecognizer, path: /lanes, cameras: { lane: { latitude: 48.123456 } } } }\n";
    let routes = format!(
        "routes: [ {{ name: r, steps: {steps}, to: [{}] }} ]\n",
        targets.join(", ")
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("routes.yaml");
    std::fs::write(&path, format!("{sources}{TARGETS}{routes}")).unwrap();
    let config = Config::load(&path).unwrap_or_else(|report| panic!("{}", report.plain()));
    let planned = config.planned();
    let (_, pipelines) = config.open();
    let now = Timestamp::UNIX_EPOCH;
    let event = decode(&planned, request(), now).unwrap().remove(0);
    assert_eq!(event.images.len(), 2, "both pictures came along");
    let route = Name::new("r").unwrap();
    let mut all = Vec::new();
    for name in targets {
        let target = Name::new(name).unwrap();
        let planned = Planned {
            id: DeliveryId::at(now),
            route: route.clone(),
            target,
            item: None,
            not_before: None,
        };
        let mut notes = Vec::new();
        let watch = |_, work: &Work| notes.clone_from(&work.notes);
        let bytes = match prepare(&pipelines, &event, &planned, None, (now, u64::MAX), watch) {
            Ok(payload) => sent(&payload),
            Err(Unready::Unfit(reason)) => reason.into_bytes(),
            Err(Unready::Filtered(reason)) => panic!("{reason}"),
        };
        let notes = notes.join("\n").into_bytes();
        all.push((name.to_owned(), [bytes, notes].concat()));
    }
    (event, all)
}

fn holds(bytes: &[u8], value: &str) -> bool {
    let plain = String::from_utf8_lossy(bytes).to_uppercase();
    // In base64 a value looks one of three ways, by where it begins.
    let encoded = (0..3).any(|before| {
        let text = STANDARD_NO_PAD.encode([&vec![0; before], value.as_bytes()].concat());
        let inner = &text[before.div_ceil(3) * 4..text.len() - 2];
        String::from_utf8_lossy(bytes).contains(inner)
    });
    plain.contains(&value.to_uppercase()) || encoded
}

fn tells(all: &[(String, Vec<u8>)], value: &str) -> Vec<String> {
    let telling = all.iter().filter(|(_, bytes)| holds(bytes, value));
    telling.map(|(name, _)| name.clone()).collect()
}

#[test]
fn without_such_a_step_everything_is_told() {
    let (_, all) = all_sent("[]");
    for (value, least) in [
        (PLATE, 15),
        ("planted-words", 8),
        ("48.123456", 5),
        ("frame pixels", 7),
        ("vehicle pixels", 5),
    ] {
        assert!(
            tells(&all, value).len() >= least,
            "{value}: {:?}",
            tells(&all, value)
        );
    }
    assert!(tells(&all, "frame pixels").contains(&"base64".to_owned()));
}

#[test]
fn what_is_stripped_is_in_nothing_that_is_sent() {
    let steps = "[ { strip: { fields: [plates.text, plates.user_data, camera.latitude], pictures: all } } ]";
    let (event, all) = all_sent(steps);
    for value in [
        PLATE,
        "XK4222T",
        "planted-words",
        "48.123456",
        "frame pixels",
        "vehicle pixels",
    ] {
        assert_eq!(tells(&all, value), [""; 0], "{value}");
    }
    assert_eq!(
        event.plates[0].text.as_deref(),
        Some("xk42zzt"),
        "the store's own is whole"
    );
    let stream = all.iter().find(|(name, _)| name == "stream").unwrap();
    assert!(
        holds(&stream.1, "recognition"),
        "it is still sent in Stream's words"
    );
}

#[test]
fn pictures_that_are_not_stripped_are_sent() {
    let (_, all) = all_sent("[ { strip: { pictures: [frame] } } ]");
    assert_eq!(tells(&all, "frame pixels"), [""; 0]);
    assert!(tells(&all, "vehicle pixels").contains(&"stream".to_owned()));
    assert!(tells(&all, PLATE).contains(&"stream".to_owned()));
}

#[test]
fn a_path_into_the_document_is_cut_out_of_it_and_the_rest_goes_on() {
    let (_, all) = all_sent(
        "[ { strip: { fields: [raw.data.results.*.user_data, plates.user_data], raw: false } } ]",
    );
    assert_eq!(tells(&all, "planted-words"), [""; 0]);
    assert!(
        tells(&all, "/videos/xk42zzt.mp4").contains(&"stream".to_owned()),
        "of the vendor's own document"
    );
}

#[test]
fn a_hashed_plate_is_the_same_everywhere_and_nowhere_in_the_clear() {
    let (_, all) = all_sent("[ { hash: { key: a key that only tests have, prefix: hashed- } } ]");
    for value in [PLATE, "XK4222T"] {
        assert_eq!(tells(&all, value), [""; 0], "{value}");
    }
    let event = all.iter().find(|(name, _)| name == "text").unwrap();
    let text = String::from_utf8_lossy(&event.1).into_owned();
    let at = text.find("hashed-").unwrap();
    let hash = &text[at..at + 23];
    let telling = tells(&all, hash);
    for name in [
        "event",
        "stream",
        "stream-vehicle",
        "stream-lines",
        "table",
        "mqtt",
        "mail",
        "lines",
        "frame",
        "log",
    ] {
        assert!(telling.contains(&name.to_owned()), "{name}: {telling:?}");
    }
}

#[test]
fn a_field_with_another_value_has_it_in_streams_own_document_too() {
    let (_, all) =
        all_sent("[ { set: { plates.text: \"new{{ 1 + 1 }}plate\", camera.id: other } } ]");
    for name in [
        "stream",
        "stream-plate",
        "stream-vehicle",
        "stream-lines",
        "table",
    ] {
        let (_, bytes) = all.iter().find(|(known, _)| known == name).unwrap();
        assert!(
            holds(bytes, "new2plate")
                && !holds(bytes, "\"plate\":\"xk42zzt\",\"score\":0.9,\"dscore\""),
            "{name}"
        );
        assert!(
            name == "table" || holds(bytes, "\"camera_id\":\"other\""),
            "{name}"
        );
        assert!(
            holds(bytes, "/videos/xk42zzt.mp4"),
            "{name}: the rest is Stream's own"
        );
    }
}

#[test]
fn a_target_that_sends_the_request_as_it_came_is_refused_behind_such_a_step() {
    let config = |steps: &str| {
        let yaml = format!(
            "targets: {{ whole: {{ http: {{ url: \"https://a.example\", original: true }} }} }}\nroutes: [ {{ name: r, steps: {steps}, to: [whole] }} ]\n"
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("routes.yaml");
        std::fs::write(&path, yaml).unwrap();
        Config::load(&path)
            .map(|_| ())
            .map_err(|report| report.plain())
    };
    for step in [
        "strip: { fields: [plates.text] }",
        "hash: { key: a key that only tests have }",
    ] {
        let told = config(&format!("[ {{ {step} }} ]")).unwrap_err();
        assert!(
            told.contains("`whole` sends the request as it came"),
            "{told}"
        );
        assert!(
            config(&format!(
                "[ {{ {} }} ]",
                step.replace(" }", ", original: false }")
            ))
            .is_ok()
        );
    }
}
