//! Walks `tests/fixtures/sources/<kind>/<case>/`: each `request.http` must decode into its `events.json`.
//!
//! A case may hold `source.yaml`, the settings of its source.
//!
//! `CAMHOOK_BLESS=1 cargo test` writes the golden files anew; then look at what changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::{ALL, CameraSettings, DecodeSettings, MapSettings, Source, find};
use crate::event::Original;
use crate::name::Name;
use crate::template::Engine;
use crate::units::Timezone;

const BLESS: bool = option_env!("CAMHOOK_BLESS").is_some();

fn folders(path: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = fs::read_dir(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

/// The source that each folder is named after, and the folder's cases.
fn cases() -> Vec<(&'static dyn Source, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sources");
    let mut cases = Vec::new();
    for folder in folders(&root) {
        let kind = folder.file_name().unwrap().to_str().unwrap();
        let source = find(kind).unwrap_or_else(|| panic!("no source of kind {kind}"));
        cases.extend(folders(&folder).into_iter().map(|case| (source, case)));
    }
    cases
}

fn request(case: &Path) -> Original {
    let bytes = fs::read(case.join("request.http")).unwrap();
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Request::new(&mut headers);
    let body = head.parse(&bytes).unwrap().unwrap();
    Original {
        method: head.method.unwrap().to_owned(),
        path: head.path.unwrap().to_owned(),
        headers: head
            .headers
            .iter()
            .map(|header| {
                let value = String::from_utf8_lossy(header.value).into_owned();
                (header.name.to_owned(), value)
            })
            .collect(),
        remote: None,
        received_at: "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap(),
        body: Bytes::copy_from_slice(&bytes[body..]),
    }
}

/// What `source.yaml` of a case says of its source.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Said {
    timezone: Option<Timezone>,
    cameras: BTreeMap<String, CameraSettings>,
    map: Option<MapSettings>,
}

fn settings(source: &dyn Source, case: &Path) -> DecodeSettings {
    let Ok(text) = fs::read_to_string(case.join("source.yaml")) else {
        return DecodeSettings::default();
    };
    let said: Said = serde_saphyr::from_str(&text).unwrap();
    let map = said.map.map(|map| {
        let compiled = map.compile(&Engine::new(&[]), source.kind());
        Arc::new(compiled.unwrap_or_else(|wrong| panic!("{}: {wrong:?}", case.display())))
    });
    DecodeSettings {
        fetches: false,
        timezone: said.timezone.map(|zone| zone.0),
        cameras: said.cameras,
        map,
    }
}

fn decoded(source: &dyn Source, request: &Arc<Original>) -> Value {
    decoded_by(source, &DecodeSettings::default(), request)
}

fn decoded_by(source: &dyn Source, settings: &DecodeSettings, request: &Arc<Original>) -> Value {
    let name = Name::new("cameras").unwrap();
    match super::decode(source, &name, settings, request) {
        Err(error) => json!({ "undecodable": error.reason }),
        Ok(events) => events
            .iter()
            .map(|event| {
                let mut json = event.to_json();
                json["id"] = "ID".into();
                json
            })
            .collect(),
    }
}

#[test]
fn requests_decode_into_their_golden_events() {
    let mut wrong = Vec::new();
    for (source, case) in cases() {
        let settings = settings(source, &case);
        let events = decoded_by(source, &settings, &Arc::new(request(&case)));
        let file = case.join("events.json");
        let text = format!("{}\n", serde_json::to_string_pretty(&events).unwrap());
        if BLESS {
            fs::write(&file, &text).unwrap();
        } else if fs::read_to_string(&file).unwrap_or_default() != text {
            wrong.push(format!("{}:\n{text}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn auto_knows_every_vendor_by_its_requests() {
    for (source, case) in cases() {
        let request = Arc::new(request(&case));
        let auto = decoded(find("auto").unwrap(), &request);
        // Names that mean something to a generic source mean nothing where nobody knows who sends.
        if source.kind() != "generic" && source.recognises(&request) {
            assert_eq!(auto, decoded(source, &request), "{}", case.display());
        }
    }
}

/// `generic` takes anything well-formed and stands below all others.
#[test]
fn no_vendor_recognises_the_requests_of_another() {
    for (source, case) in cases() {
        let request = request(&case);
        let others = ALL.iter().filter(|other| {
            ![source.kind(), "generic"].contains(&other.kind()) && source.kind() != "auto"
        });
        for other in others {
            assert!(
                !other.recognises(&request),
                "{} recognises {}",
                other.kind(),
                case.display()
            );
        }
    }
}

#[test]
fn every_source_has_a_fixture() {
    let cases = cases();
    for source in ALL {
        assert!(
            cases.iter().any(|(known, _)| known.kind() == source.kind()),
            "{} has no folder in tests/fixtures/sources",
            source.kind()
        );
    }
}

fn decode_by_all(request: Original) {
    let request = Arc::new(request);
    for source in ALL {
        source.recognises(&request);
        decoded(*source, &request);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sources/generic");
    for case in ["map-list", "map-everything"] {
        let generic = find("generic").unwrap();
        decoded_by(generic, &settings(generic, &root.join(case)), &request);
    }
}

const CONTENT_TYPES: [&str; 8] = [
    "",
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=B",
    "multipart/form-data",
    "text/xml",
    "application/xml; charset=gb2312",
    "image/jpeg",
];

/// Bodies that begin as bodies of each form do, and go on as they like.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let multipart =
        "(--B|--|\r?\n|[;=:\"'*\\\\]|name|Content-Disposition: |\\{\"hook\":|json=|[^a]){0,60}";
    let xml = "<\\?xml version='1.0'( encoding='(utf-16|gb2312|x)')?\\?>\
               (</?(config|item|anpr|decision|EventNotificationAlert|ANPR|x:y)( (type|a:b)='[&;a-z]{0,6}')?/?>|\
               <!\\[CDATA\\[|\\]\\]>|<!--|-->|<!DOCTYPE |&(lt|#x?[0-9a-f]{1,7}|z);|[^<]){0,40}";
    let form =
        "((json|plate|camera|image|xml|[a-z]{0,3})(=|&|\\+|%[0-9a-fA-F]{0,2}|[^a]){0,4}){0,20}";
    let head = "(Content-(Disposition|Type|Transfer-Encoding|Length): ?(form-data|image/jpeg|application/json|text/xml|base64)?\
                (; ?(name|filename\\*?|charset)=(\"[^\"\r\n]{0,8}\"|utf-8''%[0-9a-f]{0,2}|x)){0,2}\r\n){0,3}";
    let content = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..80),
        any_json().prop_map(|json| json.to_string().into_bytes()),
        xml.prop_map(String::into_bytes),
        form.prop_map(String::into_bytes),
    ];
    let parts = proptest::collection::vec((head, content.clone()), 0..5);
    let parts = (parts, any::<bool>()).prop_map(|(parts, closed)| {
        let mut body = Vec::new();
        for (head, content) in parts {
            body.extend_from_slice(format!("--B\r\n{head}\r\n").as_bytes());
            body.extend_from_slice(&content);
            body.extend_from_slice(b"\r\n");
        }
        if closed {
            body.extend_from_slice(b"--B--\r\n");
        }
        body
    });
    prop_oneof![content, multipart.prop_map(String::into_bytes), parts]
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(
        body in any_body(),
        content_type in proptest::sample::select(CONTENT_TYPES.as_slice()),
        method in proptest::sample::select(["POST", "GET", "PUT", "DELETE"].as_slice()),
        query in "([?&](event|camera|channel|plate|json|id)?=?([0-9{}\\[\\]\"]|%[0-9a-fA-F]{0,2}|[^a]){0,9}){0,5}",
    ) {
        decode_by_all(Original {
            method: method.to_owned(),
            path: format!("/{query}"),
            headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
            body: Bytes::from(body),
            ..Original::default()
        });
    }

    #[test]
    fn no_damage_to_a_request_makes_a_decoder_panic(
        case in any::<Index>(),
        damage in proptest::collection::vec((any::<Index>(), any::<u8>(), 0_usize..3), 1..8),
    ) {
        let cases = cases();
        let mut request = request(&case.get(&cases).1);
        let mut body = request.body.to_vec();
        for (at, byte, how) in damage {
            if body.is_empty() {
                break;
            }
            let at = at.index(body.len());
            match how {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => body.truncate(at),
            }
        }
        request.body = Bytes::from(body);
        decode_by_all(request);
    }

    #[test]
    fn no_document_makes_the_plate_recognizer_panic(
        results in proptest::collection::vec(any_json(), 0..4),
        word in proptest::sample::select(["recognition", "image.done", "dwell_time", "video_file", "x"].as_slice()),
        time in any_json(),
    ) {
        let document = json!({ "hook": { "event": word }, "data": { "results": results, "timestamp": time } });
        decode_by_all(Original { body: Bytes::from(document.to_string()), ..Original::default() });
    }

    #[test]
    fn no_values_make_a_plate_reader_panic(
        a in any_value(), b in any_value(), c in any_value(), d in any_value(), e in any_json(),
    ) {
        let documents = [
            json!({ "plateUTF8": a, "carState": b, "plateCoordinates": [a, b, c, d], "capture_timestamp": c, "datetime": d, "geotag": e }),
            json!({ "CameraName": a, "Plate": b, "DateUtc": c, "TimeUtc": d, "DateLocal": d, "TimeLocal": a, "Attributes": e, "ContextImage": b }),
            json!({ "PlateRead": a, "PlateAnalytics": [{ "Key": "Context", "Value": b }, e], "Timestamp": c }),
            json!({ "webhook_type": "lpr", "data": { "created": a, "license_plate_number": b, "license_plate_state": c, "image_url": d } }),
            json!({ "anpr": { "@date": a, "decision": { "@plate": b, "@reliability": c, "jpeg": d, "speed": e } } }),
        ];
        for document in documents {
            decode_by_all(Original { body: Bytes::from(document.to_string()), ..Original::default() });
        }
        let [a, b, c, d] = [a, b, c, d].map(|value| value.as_str().map_or(value.to_string(), |text| text.replace(['<', '&'], "")));
        let alert = format!(
            "<EventNotificationAlert><eventType>ANPR</eventType><dateTime>{a}</dateTime><ANPR><licensePlate>{b}</licensePlate><pictureInfoList>\
             <pictureInfo><plateRect><X>{a}</X><Y>{b}</Y><width>{c}</width><height>{d}</height></plateRect></pictureInfo></pictureInfoList>\
             <detectionBackgroundImageResolution><width>{d}</width><height>{c}</height></detectionBackgroundImageResolution></ANPR></EventNotificationAlert>"
        );
        decode_by_all(Original { body: Bytes::from(alert), ..Original::default() });
    }

    #[test]
    fn nothing_that_a_map_writes_makes_it_panic(document in any_json()) {
        let request = Arc::new(Original { body: Bytes::from(json!([document]).to_string()), ..Original::default() });
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sources/generic");
        let generic = find("generic").unwrap();
        let settings = settings(generic, &root.join("map-anything"));
        let events = decoded_by(generic, &settings, &request);
        prop_assert_eq!(&events[0]["raw"], &json!([document]));
    }

    #[test]
    fn a_document_of_no_known_vendor_is_not_guessed_at(document in any_json()) {
        let document = json!({ "plate": document, "results": [document], "camera_id": "a", "timestamp": "2025-03-04T09:11:12Z" });
        let body = Bytes::from(document.to_string());
        let events = decoded(find("auto").unwrap(), &Arc::new(Original { body, ..Original::default() }));
        prop_assert_eq!(&events[0]["vendor"], "generic");
        prop_assert_eq!(&events[0]["kind"], "other");
        prop_assert_eq!(&events[0]["plates"], &json!([]));
        prop_assert_eq!(&events[0]["raw"], &document);
    }
}

/// What stands where a vendor writes a number, a time or a word.
fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(|number| number.to_string().into()),
        (-10_i32..2_000).prop_map(Value::from),
        "[0-9]{1,4}[/.-][0-9]{1,2}[/.-][0-9]{1,4}".prop_map(Value::from),
        "[0-9+-]{1,3}:[0-9]{1,3}(:[0-9.]{0,12})?( [ap]m)?".prop_map(Value::from),
        "[0-9]{8} [0-9]{6,12}[+0-9-]{0,5}".prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ]
}

/// Documents with the keys that decoders look for, holding anything.
fn any_json() -> impl Strategy<Value = Value> {
    let keys = [
        "plate",
        "score",
        "box",
        "xmin",
        "ymin",
        "xmax",
        "ymax",
        "vehicle",
        "props",
        "region",
        "value",
        "color",
        "model_make",
        "candidates",
        "direction",
        "dwell_time",
        "first_seen",
        "orientation",
        "code",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        let key = proptest::sample::select(keys.to_vec());
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(key.prop_map(str::to_owned), inner, 0..8)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}
