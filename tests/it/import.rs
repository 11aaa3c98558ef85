//! The vendor's own middleware, protocol by protocol: its settings are imported, and the same events of Stream and
//! Snapshot make the same requests at the same system, without its defects.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use image::ImageFormat;
use serde_json::{Value, json};

use crate::harness::{
    Answer, Process, Receiver, Taken, camhook_command, client, eventually, multipart, picture,
    recognition,
};

/// What the sender shows itself with; it must go nowhere.
const SENDER: &str = "sender-token-0123456789";
/// 2025-03-04T09:11:12Z.
const SECOND: u64 = 1_741_079_472;

/// The plates of all recognitions below, event by event.
const EVENTS: [&[&str]; 7] = [
    &["ab123cd"],
    &["two1", "two2"],
    &["veh552"],
    &["whole1"],
    &["offset1"],
    &["nopic1"],
    &["snap1"],
];

fn plates() -> impl Iterator<Item = &'static str> {
    EVENTS.iter().copied().flatten().copied()
}

fn has_picture(plate: &str) -> bool {
    !["nopic1", "snap1"].contains(&plate)
}

/// Stream's picture of the vehicle, the size of its box.
fn upload() -> Vec<u8> {
    let red = ([10, 10, 110, 40], [255, 0, 0]);
    picture(400, 300, &[red], ImageFormat::Jpeg)
}

/// Every kind of event: content type and body.
fn requests() -> Vec<(String, Vec<u8>)> {
    let upload = upload();
    let boxes = [[10, 10, 110, 40], [200, 100, 300, 130]];
    let with_picture = |document: &Value| multipart(&document.to_string(), &[("upload", &upload)]);
    let as_form = |document: &Value| {
        let body = form_urlencoded(&document.to_string());
        ("application/x-www-form-urlencoded".to_owned(), body)
    };
    let read = |plate: &str| recognition("camera-1", &[(plate, boxes[0])]);
    let timed = |plate: &str, utc: &str, local: &str| {
        let mut document = read(plate);
        document["data"]["timestamp"] = utc.into();
        document["data"]["timestamp_local"] = local.into();
        document
    };

    let mut two = recognition("camera-1", &[("two1", boxes[0]), ("two2", boxes[1])]);
    two["data"]["results"][1]["direction"] = 10.into();
    let vehicle = json!({ "type": "Sedan", "score": 0.8, "box": { "xmin": 600, "ymin": 100, "xmax": 1000, "ymax": 400 },
        "props": { "make_model": [], "color": [], "orientation": [] } });
    let mut of_vehicle = read("");
    of_vehicle["data"]["results"] = json!([{ "direction": "210.0", "vehicle": vehicle, "plate": { "type": "Plate", "score": 0.7,
        "box": { "xmin": 10, "ymin": 10, "xmax": 110, "ymax": 40 },
        "props": { "plate": [{ "value": "veh552", "score": 0.91 }], "region": [] } } }]);
    let mut unread = of_vehicle.clone();
    unread["data"]["results"] = json!([{ "plate": null, "vehicle": vehicle, "direction": 210 }]);
    let mut snapshot = read("snap1");
    snapshot["hook"]["event"] = "image.done".into();
    snapshot["data"]
        .as_object_mut()
        .unwrap()
        .remove("timestamp_local");
    let mut dwell = read("ab123cd");
    dwell["hook"]["event"] = "dwell_time".into();
    dwell["data"]["results"] = json!([{ "plate": "ab123cd", "dwell_time": 12.5, "user_data": "",
        "first_seen": "2025-03-04 10:11:12.131415+01:00", "last_seen": "2025-03-04 10:11:24+01:00" }]);
    let mut video = read("ab123cd");
    video["hook"]["event"] = "video_file".into();
    video["data"]["results"] = json!([{ "plate": "ab123cd", "user_data": "" }]);
    video["data"]["video_filename"] = "camera-1_videos/25-03-04/10-11-12.mp4".into();

    vec![
        with_picture(&read("ab123cd")),
        with_picture(&two),
        with_picture(&of_vehicle),
        with_picture(&timed(
            "whole1",
            "2025-03-04T09:11:12Z",
            "2025-03-04 10:11:12+01:00",
        )),
        with_picture(&timed(
            "offset1",
            "2025-03-04T10:11:12.131415+01:00",
            "2025-03-04 10:11:12.131415+01:00",
        )),
        as_form(&read("nopic1")),
        (
            "application/json; charset=utf-8".to_owned(),
            snapshot.to_string().into_bytes(),
        ),
        with_picture(&unread),
        as_form(&dwell),
        multipart(
            &video.to_string(),
            &[("video", b"\0\0\0\x18ftypmp42".as_slice())],
        ),
    ]
}

fn form_urlencoded(json: &str) -> Vec<u8> {
    let mut body = String::from("json=");
    for byte in json.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => body.push(char::from(byte)),
            other => body.push_str(&format!("%{other:02X}")),
        }
    }
    body.into_bytes()
}

/// One protocol: its settings, how its requests are told in short, and what they must come to.
struct Protocol {
    name: &'static str,
    /// `URL` stands for the receiver.
    env: &'static str,
    /// Files beside it, with `URL` too.
    files: &'static [(&'static str, &'static str)],
    /// What is changed in the config, where the system's address cannot be set by a variable.
    change: (&'static str, &'static str),
    /// Null for a request that reports nothing, such as a login.
    told: fn(&Taken) -> Value,
    expected: fn() -> Vec<Value>,
}

const USUAL: Protocol = Protocol {
    name: "",
    env: "",
    files: &[],
    change: ("", ""),
    told: |_| Value::Null,
    expected: Vec::new,
};

fn each_plate(of: impl Fn(&str) -> Value) -> Vec<Value> {
    plates().map(of).collect()
}

/// One request for each event that reports a vehicle; the last is the one whose plate was not read.
fn each_event(of: impl Fn(&[&str]) -> Value) -> Vec<Value> {
    EVENTS.into_iter().chain([[].as_slice()]).map(of).collect()
}

fn json_of(request: &Taken) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// The document that Stream's receivers look for: in a multipart or a form.
fn document_of(request: &Taken) -> Value {
    match request.headers["content-type"].starts_with("multipart/") {
        true => serde_json::from_slice(&request.parts()["json"]).unwrap(),
        false => serde_json::from_str(&form_of(request)["json"]).unwrap(),
    }
}

fn form_of(request: &Taken) -> BTreeMap<String, String> {
    let url = format!("http://x/?{}", String::from_utf8_lossy(&request.body));
    let url = reqwest::Url::parse(&url).unwrap();
    url.query_pairs().into_owned().collect()
}

/// The plates of a document in either format.
fn plates_of(document: &Value) -> Vec<String> {
    let results = document["data"]["results"].as_array().unwrap().iter();
    let plate = |result: &Value| match &result["plate"] {
        Value::String(plate) => Some(plate.clone()),
        plate => Some(plate["props"]["plate"][0]["value"].as_str()?.to_owned()),
    };
    results.filter_map(plate).collect()
}

fn part(request: &Taken, name: &str) -> Value {
    match request.headers["content-type"].starts_with("multipart/") {
        true => match request.parts().get(name) {
            Some(bytes) if **bytes == upload() => "upload".into(),
            Some(bytes) => {
                let picture = image::load_from_memory(bytes).unwrap();
                json!([picture.width(), picture.height()])
            }
            None => Value::Null,
        },
        false => Value::Null,
    }
}

fn xml<'a>(request: &'a Taken, element: &str) -> &'a str {
    let text = std::str::from_utf8(&request.body).unwrap();
    let after = text.split_once(&format!("<{element}>")).unwrap().1;
    after.split_once('<').unwrap().0
}

const PROTOCOLS: &[Protocol] = &[
    Protocol {
        name: "crop_plate",
        env: "MIDDLEWARE_NAME=crop_plate\nWEBHOOK_URL=URL/webhook\n",
        told: |request| {
            let document = document_of(request);
            assert_eq!(document["webhook_header"]["camera_id"], "vms-17");
            assert_eq!(document["data"]["camera_id"], "camera-1");
            json!({ "plates": plates_of(&document), "original": part(request, "original_image"), "crop": part(request, "cropped_image") })
        },
        expected: || {
            let mut all = each_plate(|plate| match has_picture(plate) {
                true => json!({ "plates": [plate], "original": "upload", "crop": [100, 30] }),
                false => json!({ "plates": [plate], "original": null, "crop": null }),
            });
            all.push(json!({ "plates": [], "original": "upload", "crop": null }));
            all
        },
        ..USUAL
    },
    Protocol {
        name: "annotate",
        env: "MIDDLEWARE_NAME=annotate\nWEBHOOK_URL=URL/webhook\n",
        told: |request| json!({ "plates": plates_of(&document_of(request)), "upload": part(request, "upload") }),
        expected: || each_event(|plates| with_upload(plates, "upload")),
        ..USUAL
    },
    Protocol {
        name: "dot",
        env: "MIDDLEWARE_NAME=dot\nSEND_FILE=1\n",
        files: &[(
            "dot_config.csv",
            "CameraID,StartDOT,EndDOT,Destination\ncamera-1,200,220,URL/in\n",
        )],
        told: |request| json!({ "plates": plates_of(&document_of(request)), "upload": part(request, "upload") }),
        expected: || {
            each_event(|plates| match plates {
                ["two1", _] => with_upload(&["two1"], "upload"), // the other moves the other way
                plates => with_upload(plates, "upload"),
            })
        },
        ..USUAL
    },
    Protocol {
        name: "dot without files, through north",
        env: "MIDDLEWARE_NAME=dot\n",
        files: &[(
            "dot_config.csv",
            "CameraID,StartDOT,EndDOT,Destination\ncamera-1,350,20,URL/in\ncamera-2,0,359,URL/in\n",
        )],
        told: |request| {
            assert_eq!(
                request.headers["content-type"],
                "application/x-www-form-urlencoded"
            );
            json!(plates_of(&document_of(request)))
        },
        expected: || vec![json!(["two2"])],
        ..USUAL
    },
    Protocol {
        name: "synology_rest",
        env: "MIDDLEWARE_NAME=synology_rest\nREST_SERVICE_URL=URL/webapi/v1?token=abc\n",
        told: |request| json!([request.path, form_of(request)]),
        expected: || {
            each_plate(
                |plate| json!(["/webapi/v1?token=abc", { "text1": plate, "time": SECOND.to_string() }]),
            )
        },
        ..USUAL
    },
    Protocol {
        name: "soap",
        env: "MIDDLEWARE_NAME=soap\nSOAP_SERVICE_URL=URL/Plates.asmx?WSDL\nSOAP_USER=o'brien\nSOAP_SERVICE_KEY=<key>\n",
        told: |request| {
            assert_eq!(request.path, "/Plates.asmx");
            assert_eq!(
                request.headers["soapaction"],
                "\"http://tempuri.org/PostImage\""
            );
            let values =
                ["user", "password", "date", "plate", "score"].map(|name| xml(request, name));
            json!([
                values,
                BASE64.decode(xml(request, "image")).unwrap() == upload()
            ])
        },
        expected: || {
            each_plate(|plate| {
                let date = if plate == "snap1" {
                    "3/4/2025 09:11:12"
                } else {
                    "3/4/2025 10:11:12"
                };
                json!([
                    ["o&apos;brien", "&lt;key&gt;", date, plate, "0.91"],
                    has_picture(plate)
                ])
            })
        },
        ..USUAL
    },
    Protocol {
        name: "salient",
        env: "MIDDLEWARE_NAME=salient\nVMS_USERNAME=admin\nVMS_PASSWORD=pass\nVMS_API_URL=URL/base\nCAMERA_UID=guid-5\n",
        told: |request| {
            assert_eq!(request.headers["authorization"], "Basic YWRtaW46cGFzcw==");
            assert_eq!(request.path, "/base/v2.0/events");
            let mut document = json_of(request);
            let said = &mut document["events"][0]["eventDescription"];
            // what follows tells the time, where it is late
            *said = said.as_str().unwrap().split_inclusive(']').next().into();
            document
        },
        expected: || {
            each_plate(|plate| {
                json!({ "events": [{
                    "entityType": 1, "eventType": 58, "eventDescription": format!("Plate Detection [{plate}]"),
                    "user": "Platerecognizer(camera-1)", "deviceGuid": "guid-5",
                }] })
            })
        },
        ..USUAL
    },
    Protocol {
        name: "nx",
        env: "MIDDLEWARE_NAME=nx\nSERVER_HOST=URL/\nLOGIN=stream\nPASSWORD=pass\nSSL=False\n",
        told: |request| {
            if request.path == "/rest/v2/login/sessions" {
                let login = json_of(request);
                return json!([login["username"], login["password"]]);
            }
            assert_eq!(request.headers["authorization"], "Bearer vms-1");
            if request.path == "/rest/v2/servers/" {
                return Value::Null; // how often it asks is its own affair
            }
            assert_eq!(request.path, "/rest/v2/devices/vms-17/bookmarks");
            let mut bookmark = json_of(request);
            let start = bookmark["startTimeMs"].as_u64().unwrap();
            bookmark["startTimeMs"] = (start - start % 1000).into();
            bookmark
        },
        expected: || {
            let mut all = each_plate(|plate| {
                json!({
                    "name": plate.to_uppercase(), "description": "", "startTimeMs": SECOND * 1000, "durationMs": 5000,
                    "tags": ["Stream"], "serverId": "{server-1}", "creationTimeMs": 0,
                })
            });
            all.push(json!(["stream", "pass"])); // once for all of them
            all
        },
        ..USUAL
    },
    Protocol {
        name: "openeye",
        env: "MIDDLEWARE_NAME=openeye\nAKI_TOKEN=k\nAKS_TOKEN=s\n",
        change: ("      aki:", "      url: URL/event\n      aki:"),
        told: |request| {
            assert_eq!(
                request.headers["authorization"],
                "!EXT-INTEGRATOR AKI=k,AKS=s"
            );
            let event = &json_of(request)["events"][0];
            json!([
                event["eventDate"].as_u64().unwrap() / 1_000_000,
                event["eventType"],
                event["attributes"]["sourceObject"],
                event["attributes"]["props"]
            ])
        },
        expected: || {
            each_plate(
                |plate| json!([SECOND, "ANALYTIC_LICENSE_PLATE_DETECTED", { "type": "CAMERA", "id": "vms-17" }, [{ "name": "licensePlate", "value": plate }]]),
            )
        },
        ..USUAL
    },
    Protocol {
        name: "zatpark",
        env: "MIDDLEWARE_NAME=zatpark\nZATPARK_SERVICE_URL=URL/anpr\n",
        told: |request| {
            let decode = &json_of(request)["decodes"][0];
            let overview = BASE64.decode(decode["overview"].as_str().unwrap()).unwrap();
            json!([
                decode["vrm"],
                decode["MAC"],
                decode["serialNo"],
                decode["cameraName"],
                decode["timeStamp"]["Time"],
                decode["confidence"],
                decode["motion"],
                overview == upload()
            ])
        },
        expected: || {
            let sent = plates().filter(|plate| has_picture(plate)); // ZatPark wants both pictures
            sent.map(|plate| {
                json!([
                    plate.to_uppercase(),
                    "00:11:22:AA:BB:CC",
                    "00:11:22:AA:BB:CC",
                    "camera-1",
                    SECOND,
                    91,
                    "Away",
                    true
                ])
            })
            .collect()
        },
        ..USUAL
    },
    Protocol {
        name: "strip_plate",
        env: "MIDDLEWARE_NAME=strip_plate\nWEBHOOK_URL=URL/webhook-receiver/\nPARKPOW_TOKEN=parkpow\n",
        told: |request| {
            assert_eq!(request.headers["authorization"], "Token parkpow");
            let document = document_of(request);
            let text = document.to_string();
            assert!(plates().all(|plate| !text.contains(plate)), "{text}");
            assert!(!request.parts().contains_key("plate_img"));
            let result = &document["data"]["results"][0];
            json!([
                document["data"]["results"].as_array().unwrap().len(),
                result["plate"],
                result["vehicle"]["type"],
                result["vehicle"]["props"]["color"],
                result["vehicle"]["box"]["xmax"],
                part(request, "upload")
            ])
        },
        expected: || {
            each_event(|plates| {
                let kind = if plates.is_empty() || plates == ["veh552"] {
                    "Sedan"
                } else {
                    "SUV"
                };
                let upload = has_picture(plates.first().unwrap_or(&"")).then_some("upload");
                json!([plates.len().max(1), null, kind, [], 1000, upload])
            })
        },
        ..USUAL
    },
    Protocol {
        name: "front_rear",
        env: "MIDDLEWARE_NAME=front_rear\nSTREAM_API_TOKENS=another, sender-token-0123456789\nPARKPOW_TOKEN=parkpow\n",
        files: &[(
            "front_rear_config.json",
            r#"{ "camera_pairs": [{ "front": "camera-2", "rear": "camera-1" }], "parkpow": { "webhook_endpoint": "URL/webhook-receiver/" } }"#,
        )],
        told: |request| {
            assert_eq!(request.headers["authorization"], "Token parkpow");
            json!({ "plates": plates_of(&document_of(request)), "upload": part(request, "upload") })
        },
        // Nobody is seen by the other camera of the lane.
        change: ("within: 30s", "within: 200ms"),
        expected: || each_event(|plates| with_upload(plates, "upload")),
    },
    Protocol {
        name: "multiple_parkpow",
        env: "MIDDLEWARE_NAME=multiple_parkpow\nPARKPOW_TOKEN_1=parkpow\n",
        change: (
            "with: { token:",
            "with: { url: \"URL/webhook-receiver/\", token:",
        ),
        told: |request| {
            assert_eq!(request.headers["authorization"], "Token parkpow");
            json!({ "plates": plates_of(&document_of(request)), "upload": part(request, "upload") })
        },
        expected: || each_event(|plates| with_upload(plates, "upload")),
        ..USUAL
    },
    Protocol {
        name: "worker",
        env: "STREAM_TOKEN=sender-token-0123456789\nPARKPOW_TOKEN=parkpow\nPARKPOW_ENDPOINT=URL/webhook-receiver/\n",
        told: |request| {
            assert_eq!(request.headers["authorization"], "Token parkpow");
            json!([request.headers["content-type"], request.body.to_vec()])
        },
        expected: || {
            requests()
                .iter()
                .map(|(kind, body)| json!([kind, body]))
                .collect()
        },
        ..USUAL
    },
    Protocol {
        name: "webhook_lambda",
        env: "MIDDLEWARE_NAME=webhook_lambda\n",
        ..USUAL
    },
    Protocol {
        name: "config.ini",
        env: "",
        files: &[(
            "config.ini",
            "[cameras]\n webhook_targets = all, bare\n [[camera-1]]\n [[camera-2]]\n webhook_targets = other\n[webhooks]\n\
             [[all]]\n url = URL/all\n header = Authorization: Token abc\n [[bare]]\n url = URL/bare\n image = no\n\
             [[other]]\n url = URL/other\n",
        )],
        told: |request| {
            let token = request.headers.get("authorization");
            json!([
                request.path,
                token,
                document_of(request)["hook"]["event"],
                part(request, "upload")
            ])
        },
        expected: || {
            let mut all = Vec::new();
            for (path, token) in [("/all", Some("Token all-token")), ("/bare", None)] {
                let upload = (path == "/all").then_some("upload");
                all.extend([0; 6].map(|_| json!([path, token, "recognition", upload])));
                all.push(json!([path, token, "recognition", null])); // the one without a picture
                all.push(json!([path, token, "image.done", null]));
                all.push(json!([path, token, "dwell_time", null]));
            }
            all
        },
        ..USUAL
    },
];

fn with_upload(plates: &[&str], upload: &str) -> Value {
    let there = plates.first().is_none_or(|plate| has_picture(plate));
    json!({ "plates": plates, "upload": there.then_some(upload) })
}

/// Every variable that the config refers to, from the `.env` or made up.
fn environment(folder: &Path, routes: &str) -> Vec<(String, String)> {
    let env = std::fs::read_to_string(folder.join(".env")).unwrap_or_default();
    let mut all: Vec<(String, String)> = env
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for reference in routes.split("\"${").skip(1) {
        let name = reference.split('}').next().unwrap();
        if !all.iter().any(|(known, _)| known == name) {
            let made_up = match name.ends_with("URL") || name.contains("_URL_") {
                true => "https://example.com/?key=1".to_owned(),
                false => name.to_lowercase().replace('_', "-"),
            };
            all.push((name.to_owned(), made_up));
        }
    }
    all
}

/// Imports what lies in the folder and starts with it, on free ports.
fn imported(folder: &Path, change: (&str, &str)) -> Process {
    let mut command = camhook_command(folder);
    command.args(["import", "--out", "routes.yaml"]);
    if folder.join("config.ini").exists() {
        command.args(["--config-ini", "config.ini"]);
    }
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let file = folder.join("routes.yaml");
    let routes = std::fs::read_to_string(&file).unwrap();
    assert!(routes.contains(change.0), "{routes}");
    let routes = match change {
        ("", _) => routes,
        (from, to) => routes.replace(from, to),
    };
    let routes = routes.replace("0.0.0.0:8002", "127.0.0.1:0");
    let routes = format!("{routes}\nadmin: {{ listen: 127.0.0.1:0 }}\n");
    std::fs::write(&file, &routes).unwrap();
    Process::start_with(folder, &environment(folder, &routes))
}

async fn post_everything(url: &str) {
    for (kind, body) in requests() {
        let request = client()
            .post(url)
            .header("content-type", kind)
            .header("authorization", format!("Token {SENDER}"))
            .header("camera-id", "vms-17")
            .header("mac-address", "00:11:22:AA:BB:CC")
            .body(body);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn each_protocol_makes_the_requests_it_made_and_none_of_its_mistakes() {
    for protocol in PROTOCOLS {
        println!("{}", protocol.name);
        let folder = tempfile::tempdir().unwrap();
        let receiver = Receiver::new().await;
        receiver.always(Some(Answer::status(200).body(
            r#"{"success":true,"token":"vms-1","expiresInS":600,"0":{"id":"{server-1}"}}"#,
        )));
        let address = |text: &str| text.replace("URL/", &format!("{}/", receiver.url()));
        if !protocol.env.is_empty() {
            std::fs::write(folder.path().join(".env"), address(protocol.env)).unwrap();
        }
        for (name, text) in protocol.files {
            std::fs::write(folder.path().join(name), address(text)).unwrap();
        }
        let change = (protocol.change.0, &*address(protocol.change.1));
        let camhook = imported(folder.path(), change);
        post_everything(&format!("{}/", camhook.url)).await;
        eventually("everything is delivered, or dead", async || {
            let events = camhook.get("/api/v1/events?limit=0").await;
            let deliveries = camhook.get("/api/v1/deliveries?limit=0").await;
            let open = |row: &&Value| ["pending", "held"].iter().any(|fate| row["fate"] == *fate);
            events.as_array().unwrap().len() == requests().len()
                && deliveries.as_array().unwrap().iter().filter(open).count() == 0
        })
        .await;

        let text = |value: Value| value.to_string();
        let mut told: Vec<String> = Vec::new();
        for request in receiver.taken() {
            let head = request.headers.values().any(|value| value.contains(SENDER));
            let body = String::from_utf8_lossy(&request.body).contains(SENDER);
            assert!(!head && !body, "the sender's token went out: {request:?}");
            let what = (protocol.told)(&request);
            told.extend((!what.is_null()).then(|| text(what)));
        }
        let mut expected: Vec<String> = (protocol.expected)().into_iter().map(text).collect();
        told.sort();
        expected.sort();
        assert_eq!(told, expected, "{}", protocol.name);
    }
}

#[test]
fn every_imported_config_passes_the_check() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/import");
    for entry in std::fs::read_dir(fixtures).unwrap() {
        let folder = entry.unwrap().path();
        let routes = std::fs::read_to_string(folder.join("routes.yaml")).unwrap();
        let mut command = camhook_command(&folder);
        let output = command
            .arg("check")
            .envs(environment(&folder, &routes))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}: {}",
            folder.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn a_file_is_overwritten_only_by_force_and_what_is_different_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("my.env"),
        "MIDDLEWARE_NAME=annotate\nWEBHOOK_URL=http://x/\n",
    )
    .unwrap();
    let run = |arguments: &[&str]| {
        let mut command = camhook_command(folder.path());
        command
            .args(["import", "--env", "my.env"])
            .args(arguments)
            .output()
            .unwrap()
    };
    let printed = run(&[]);
    assert!(printed.status.success());
    assert!(String::from_utf8_lossy(&printed.stderr).contains("rectangle"));
    assert!(run(&["--out", "routes.yaml"]).status.success());
    assert_eq!(
        std::fs::read(folder.path().join("routes.yaml")).unwrap(),
        printed.stdout
    );
    let refused = run(&["--out", "routes.yaml"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--force"));
    assert!(run(&["--out", "routes.yaml", "--force"]).status.success());
}

/// The ports are the container's own, so this is left out where something else has them.
#[tokio::test]
async fn run_with_the_variables_alone_does_the_same() {
    for port in [8002, 9001] {
        if std::net::TcpListener::bind(("0.0.0.0", port)).is_err() {
            println!("left out: port {port} is taken");
            return;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::new().await;
    let variables = [
        ("MIDDLEWARE_NAME", "crop_plate".to_owned()),
        ("WEBHOOK_URL", receiver.url()),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value));
    let camhook = Process::start_with(folder.path(), &variables);
    assert_eq!(camhook.url, "http://127.0.0.1:8002");
    let (kind, body) = requests().remove(0);
    let request = client()
        .post(format!("{}/", camhook.url))
        .header("content-type", kind)
        .body(body);
    assert_eq!(request.send().await.unwrap().status(), 200);
    receiver.wait_for(1).await;
    assert!(receiver.taken()[0].parts().contains_key("cropped_image"));
    assert!(folder.path().join("data/middleware.yaml").is_file());
    camhook.stop();
}
