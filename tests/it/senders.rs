//! Each request form of Plate Recognizer's senders, written as their programs write it, is taken and shown.

use image::ImageFormat;
use serde_json::{Value, json};

use crate::harness::{Process, Receiver, eventually, form_event, multipart, picture, recognition};

const ROUTES: &str = "sources:\n  any: { kind: auto, path: / }\n";

async fn post(
    camhook: &Process,
    path: &str,
    content_type: Option<&str>,
    body: impl Into<reqwest::Body>,
) -> u16 {
    let mut request = crate::harness::client()
        .post(format!("{}{path}", camhook.url))
        .body(body);
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    request.send().await.unwrap().status().as_u16()
}

async fn newest(camhook: &Process, events: usize) -> Value {
    eventually("the event is listed", async || {
        camhook
            .get("/api/v1/events?limit=0")
            .await
            .as_array()
            .unwrap()
            .len()
            == events
    })
    .await;
    camhook.get("/api/v1/events").await[0].clone()
}

#[tokio::test]
async fn every_body_form_becomes_an_event() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), ROUTES);
    let json = recognition("gate-1", &[("ab123cd", [10, 10, 110, 40])]).to_string();
    let jpeg = picture(320, 200, &[], ImageFormat::Jpeg);

    let (kind, body) = multipart(&json, &[("upload", &jpeg)]);
    assert_eq!(post(&camhook, "/", Some(&kind), body).await, 200);
    let event = newest(&camhook, 1).await;
    assert_eq!(
        (&event["kind"], &event["vendor"]),
        (&json!("plate"), &json!("platerecognizer"))
    );
    assert_eq!(event["plates"][0]["text"], "ab123cd");
    assert_eq!(event["plates"][0]["score"], 0.91);
    assert_eq!(event["camera"]["id"], "gate-1");
    assert_eq!(event["occurred_at"], "2025-03-04T10:11:12.131415+01:00");
    assert_eq!(event["images"][0]["width"], 320);

    let (kind, body) = form_event(7);
    assert_eq!(
        post(&camhook, "/any/path?x=1", Some(&kind), body).await,
        200
    );
    assert_eq!(
        newest(&camhook, 2).await["plates"][0]["user_data"],
        "event-00000007"
    );

    for kind in [
        Some("application/json"),
        Some("Application/JSON; charset=utf-8"),
        None,
    ] {
        assert_eq!(post(&camhook, "/", kind, json.clone()).await, 200);
    }
    assert_eq!(newest(&camhook, 5).await["vendor"], "platerecognizer");

    // A quoted boundary, files before the JSON, a preamble, a capitalised type.
    let body = [
        b"preamble\r\n--b c\r\nContent-Disposition: form-data; name=\"upload\"; filename=\"a.jpg\"\r\n\r\n".as_slice(),
        &jpeg,
        b"\r\n--b c\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n",
        json.as_bytes(),
        b"\r\n--b c--\r\nepilogue",
    ]
    .concat();
    assert_eq!(
        post(
            &camhook,
            "/",
            Some("Multipart/Form-Data; charset=utf-8; boundary=\"b c\""),
            body
        )
        .await,
        200
    );
    let event = newest(&camhook, 6).await;
    assert_eq!(
        (&event["vendor"], &event["images"][0]["content_type"]),
        (&json!("platerecognizer"), &json!("image/jpeg"))
    );
}

#[tokio::test]
async fn every_event_of_stream_and_snapshot_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), ROUTES);
    let mut dwell = recognition("gate-1", &[]);
    dwell["hook"] = json!({ "event": "dwell_time", "id": "gate-1" });
    dwell["data"]["results"] = json!([{ "dwell_time": 12.5, "plate": "ab123cd", "user_data": "",
        "first_seen": "2025-03-04 10:11:12+01:00", "last_seen": "2025-03-04 10:11:24.5+01:00" }]);
    let mut unknown = recognition("gate-1", &[]);
    unknown["hook"]["event"] = "camera_heartbeat".into();
    let vehicle = json!({ "hook": { "event": "recognition", "id": "gate-1" }, "data": { "camera_id": "gate-1",
        "timestamp": "2025-03-04T09:11:12Z", "results": [
            { "plate": { "type": "Plate", "score": 0.7, "box": { "xmin": 1, "ymin": 2, "xmax": 30, "ymax": 12 },
                "props": { "plate": [{ "value": "nhk552", "score": 0.9 }], "region": [{ "value": "gb", "score": 0.5 }] } },
              "vehicle": { "type": "Sedan", "score": 0.8, "box": { "xmin": 0, "ymin": 0, "xmax": 50, "ymax": 40 } } },
            { "plate": null, "vehicle": { "type": "Bus", "score": 0.6 } } ] } });
    let empty = json!({ "hook": { "event": "image.done", "id": 7 }, "data": { "camera_id": null, "filename": "x.jpg",
        "timestamp": "2020-01-16 17:00:00", "results": [] } });

    let mut seen = 0;
    let mut kind_of = async |document: &Value| {
        assert_eq!(
            post(
                &camhook,
                "/",
                Some("application/json"),
                document.to_string()
            )
            .await,
            200
        );
        seen += 1;
        newest(&camhook, seen).await
    };
    let event = kind_of(&dwell).await;
    assert_eq!(
        (&event["kind"], &event["dwell"]["seconds"]),
        (&json!("dwell"), &json!(12.5))
    );
    let event = kind_of(&unknown).await;
    assert_eq!(
        (&event["kind"], &event["vendor_kind"]),
        (&json!("other"), &json!("camera_heartbeat"))
    );
    let event = kind_of(&vehicle).await;
    assert_eq!(event["plates"][0]["text"], "nhk552");
    assert_eq!(
        (
            &event["plates"][0]["score"],
            &event["plates"][0]["detection_score"]
        ),
        (&json!(0.9), &json!(0.7))
    );
    assert_eq!(
        (
            &event["plates"][1]["text"],
            &event["plates"][1]["vehicle"]["type"]
        ),
        (&Value::Null, &json!("Bus"))
    );
    let event = kind_of(&empty).await;
    assert_eq!(
        (&event["plates"], &event["occurred_at"]),
        (&json!([]), &json!("2020-01-16T17:00:00Z"))
    );
}

#[tokio::test]
async fn a_clip_of_tens_of_megabytes_passes_byte_for_byte() {
    let receiver = Receiver::new().await;
    let folder = tempfile::tempdir().unwrap();
    let routes = format!(
        "sources:\n  any: {{ kind: auto, path: /, max_body: 64MiB }}\n\
         targets:\n  all: {{ http: {{ url: \"{}\", original: true }} }}\n\
         routes:\n  - {{ name: all, to: [all] }}\n",
        receiver.url()
    );
    let camhook = Process::start(folder.path(), &routes);
    let mut json = recognition("gate-1", &[]);
    json["hook"] = json!({ "event": "video_file", "id": "gate-1", "video_filename": "v/1.mp4" });
    json["data"]["video_filename"] = "v/1.mp4".into();
    let clip: Vec<u8> = (0..40_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let (kind, body) = multipart(&json.to_string(), &[("video", &clip)]);
    assert_eq!(post(&camhook, "/", Some(&kind), body.clone()).await, 200);
    receiver.wait_for(1).await;
    let taken = &receiver.taken()[0];
    assert!(taken.body == body, "the clip changed on the way");
    assert_eq!(taken.headers["content-type"], kind);
    assert_eq!(newest(&camhook, 1).await["kind"], "video");
}

#[tokio::test]
async fn a_browser_gets_a_short_human_text() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), ROUTES);
    let answer = crate::harness::get(&format!("{}/", camhook.url)).await;
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.unwrap();
    assert!(text.contains("POST") || text.contains("post"), "{text}");
}

#[tokio::test]
async fn what_is_not_understood_is_kept_in_quarantine_and_answered_as_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(
        folder.path(),
        "sources:\n  pr: { kind: platerecognizer, path: / }\n",
    );
    assert_eq!(
        post(&camhook, "/", Some("application/json"), "{\"data\": ").await,
        200
    );
    eventually("it is listed", async || {
        !camhook.rows(&["quarantine"]).is_empty()
    })
    .await;
    let row = camhook.rows(&["quarantine"]).remove(0);
    assert_eq!((&row["source"], &row["size"]), (&json!("pr"), &json!(9)));
    assert!(!row["reason"].as_str().unwrap().is_empty());
    assert!(camhook.rows(&["events"]).is_empty());
    let output = camhook.cli(&["replay", row["id"].as_str().unwrap()]);
    assert!(
        !output.status.success()
            && String::from_utf8_lossy(&output.stderr).contains("not understood")
    );
}

/// A mended sender: what was kept in quarantine becomes one event, however often it is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_quarantine_is_released_once() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(
        folder.path(),
        "sources:\n  in: { kind: platerecognizer, path: / }\n",
    );
    assert_eq!(
        post(
            &camhook,
            "/",
            Some("application/json"),
            "{\"temperature\": 21}"
        )
        .await,
        200
    );
    let id = camhook.get("/api/v1/quarantine").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    // The fix: the source takes any JSON.
    camhook.stop();
    let file = folder.path().join("routes.yaml");
    let routes = std::fs::read_to_string(&file)
        .unwrap()
        .replace("platerecognizer", "generic");
    std::fs::write(&file, routes).unwrap();
    let camhook = Process::start_again(folder.path());
    let (first, second) = std::thread::scope(|scope| {
        let [first, second] =
            [(), ()].map(|()| scope.spawn(|| camhook.cli(&["replay", &id]).status.success()));
        (first.join().unwrap(), second.join().unwrap())
    });
    assert!(first != second, "one of them finds nothing left to release");
    assert_eq!(camhook.rows(&["events"]).len(), 1);
    assert!(camhook.rows(&["quarantine"]).is_empty());
}

#[tokio::test]
async fn two_plates_of_one_vehicle_give_two_crops_in_either_coordinates() {
    let red = ([60, 50, 160, 80], [220, 20, 20]);
    let blue = ([200, 120, 300, 150], [20, 20, 220]);
    // The vehicle stands at 600,100 of a 1280 x 720 frame and is 400 x 300.
    let vehicle = picture(400, 300, &[red, blue], ImageFormat::Png);
    let shift = |([xmin, ymin, xmax, ymax], colour): ([i32; 4], [u8; 3])| {
        ([xmin + 600, ymin + 100, xmax + 600, ymax + 100], colour)
    };
    let frame = picture(1280, 720, &[shift(red), shift(blue)], ImageFormat::Png);
    for (upload, plates) in [
        (&vehicle, [("red1", red.0), ("blue2", blue.0)]),
        (&frame, [("red1", shift(red).0), ("blue2", shift(blue).0)]),
        (&vehicle, [("red1", shift(red).0), ("blue2", shift(blue).0)]), // frame pixels beside a vehicle crop
    ] {
        let receiver = Receiver::new().await;
        let folder = tempfile::tempdir().unwrap();
        let routes = format!(
            "targets:\n  all:\n    http: {{ url: \"{}\", multipart: {{ json: \"{{{{ plate.text }}}}\", cropped_image: \"{{{{ images.plate }}}}\" }} }}\n\
             routes:\n  - name: crops\n    each: plate\n    steps: [ {{ crop: {{ region: plate, format: png }} }} ]\n    to: [all]\n",
            receiver.url()
        );
        let camhook = Process::start(folder.path(), &routes);
        let (kind, body) = multipart(
            &recognition("gate-1", &plates).to_string(),
            &[("upload", upload)],
        );
        assert_eq!(post(&camhook, "/", Some(&kind), body).await, 200);
        receiver.wait_for(2).await;
        for taken in receiver.taken() {
            let parts = taken.parts();
            let colour = if parts["json"] == "red1" {
                red.1
            } else {
                blue.1
            };
            let crop = image::load_from_memory(&parts["cropped_image"])
                .unwrap()
                .to_rgb8();
            assert_eq!(crop.dimensions(), (100, 30));
            assert!(
                crop.pixels().all(|pixel| pixel.0 == colour),
                "wrong pixels for {:?}",
                parts["json"]
            );
        }
    }
}

const MAPPED: &str = r#"
sources:
  any: { kind: auto, path: / }
  json:
    kind: generic
    timezone: Europe/Rome
    map:
      each: "{{ body.detections }}"
      occurred_at: "{{ it.time }}"
      camera: { id: "{{ body.cam }}", name: "{{ headers['x-camera'] }}" }
      plates: [{ text: "{{ it.plate }}", score: "{{ it.confidence }}" }]
      require: [plates, camera.id]
  form:
    kind: generic
    map: { camera: { id: "{{ body.cam }}" }, plates: [{ text: "{{ body.nr }}" }], require: [plates] }
  multipart:
    kind: generic
    map: { plates: [{ text: "{{ body.info.nr }}" }], images: { plate: detail }, require: [plates, images.plate] }
  xml:
    kind: generic
    map: { plates: [{ text: "{{ body.Read.No }}", score: "{{ body.Read['@conf'] }}" }], require: [plates] }
  picture:
    kind: generic
    map: { plates: [{ text: "{{ query.nr }}" }], images: { frame: body }, require: [plates] }
  kept:
    kind: generic
    undecodable: keep
    map: { plates: [{ text: "{{ body.nr }}" }], require: [plates] }
"#;

#[tokio::test]
async fn a_few_lines_map_every_form_of_body_to_a_plate() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), MAPPED);
    let jpeg = picture(64, 32, &[], ImageFormat::Jpeg);

    let json = r#"{"cam": 7, "detections": [{"time": "2025-03-04 10:11:12", "plate": "AB123CD", "confidence": 93}]}"#;
    assert_eq!(
        post(&camhook, "/json", Some("application/json"), json).await,
        200
    );
    let event = newest(&camhook, 1).await;
    assert_eq!(event["kind"], "plate");
    assert_eq!(event["plates"][0]["text"], "AB123CD");
    assert_eq!(event["plates"][0]["score"], 0.93);
    assert_eq!(event["camera"]["id"], "7");
    assert_eq!(event["occurred_at"], "2025-03-04T10:11:12+01:00");

    let form = Some("application/x-www-form-urlencoded");
    assert_eq!(
        post(&camhook, "/form", form, "cam=a+b&nr=AB123CD").await,
        200
    );
    let event = newest(&camhook, 2).await;
    assert_eq!(
        (&event["camera"]["id"], &event["plates"][0]["text"]),
        (&json!("a b"), &json!("AB123CD"))
    );

    let body = [
        b"--b\r\nContent-Disposition: form-data; name=\"info\"\r\n\r\n{\"nr\": \"AB123CD\"}\r\n\
          --b\r\nContent-Disposition: form-data; name=\"detail\"; filename=\"d.jpg\"\r\n\r\n"
            .as_slice(),
        &jpeg,
        b"\r\n--b--\r\n",
    ]
    .concat();
    let multipart = Some("multipart/form-data; boundary=b");
    assert_eq!(post(&camhook, "/multipart", multipart, body).await, 200);
    let event = newest(&camhook, 3).await;
    assert_eq!(event["plates"][0]["text"], "AB123CD");
    assert_eq!(
        (&event["images"][0]["role"], &event["images"][0]["width"]),
        (&json!("plate"), &json!(64))
    );

    let xml = "<Read conf=\"93%\"><No>AB123CD</No></Read>";
    assert_eq!(post(&camhook, "/xml", Some("text/xml"), xml).await, 200);
    assert_eq!(newest(&camhook, 4).await["plates"][0]["score"], 0.93);

    assert_eq!(
        post(&camhook, "/picture?nr=AB123CD", Some("image/jpeg"), jpeg).await,
        200
    );
    let event = newest(&camhook, 5).await;
    assert_eq!(
        (&event["kind"], &event["images"][0]["role"]),
        (&json!("plate"), &json!("frame"))
    );
}

#[tokio::test]
async fn what_a_map_requires_and_misses_is_refused_with_the_reason_or_kept() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), MAPPED);
    let answer = crate::harness::client()
        .post(format!("{}/form", camhook.url))
        .header("content-type", "application/json")
        .body(r#"{"cam": "a"}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 422);
    let told: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(told["error"], "undecodable");
    assert!(
        told["reason"].as_str().unwrap().contains("`plates`"),
        "{told}"
    );

    assert_eq!(post(&camhook, "/kept", None, r#"{"cam": "a"}"#).await, 200);
    eventually("the request is in quarantine", async || {
        camhook
            .get("/api/v1/quarantine")
            .await
            .as_array()
            .unwrap()
            .len()
            == 1
    })
    .await;
    assert_eq!(camhook.get("/api/v1/events").await, json!([]));
}
