//! `camhook explain` and `camhook test`, as a user runs them beside a `routes.yaml`.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::harness::{Process, Receiver, camhook_command, eventually};

const ROUTES: &str = r#"
targets:
  vms: { http: { url: "http://127.0.0.1:9/plates", auth: { bearer: "${VMS_TOKEN}" }, json: { plate: "{{ plate.text }}" } } }
  disk: { files: { path: "plates/{{ plate.text }}.jpg", image: plate } }
routes:
  - { name: plates, each: plate, when: plate.score >= 0.5 and plate.text != 'RES1', to: [vms] }
  - { name: crops, each: plate, when: plate.text == 'ab123cd', steps: [crop], to: [disk] }
"#;

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = camhook_command(folder).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn site(tests: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("routes.yaml"), ROUTES).unwrap();
    std::fs::write(folder.path().join("tests.yaml"), tests).unwrap();
    folder
}

#[test]
fn tests_that_hold_pass_and_those_that_do_not_show_the_difference() {
    let folder = site(
        r#"
environment: { VMS_TOKEN: never-shown-anywhere }
tests:
  - name: a plate is reported and its crop is kept
    events: [{ sample: stream, plate: AB123CD }]
    expect:
      - to: disk
        has: ["plates/ab123cd.jpg", "<image/jpeg, "]
      - to: vms
        request: |
          POST http://127.0.0.1:9/plates
          authorization: ***
          content-type: application/json

          { "plate": "ab123cd" }
  - name: residents are not reported
    events: [{ event: { kind: plate, plates: [{ text: RES1, score: 0.9 }] } }]
    expect: [{ route: plates, filtered: "RES1" }]
  - name: nobody is reported
    events: [{ sample: stream, plate: XY99 }]
    expect: []
  - name: everybody is someone else
    events: [{ sample: stream, plate: XY99 }]
    expect: [{ to: vms, request: "POST http://127.0.0.1:9/plates\nauthorization: ***\ncontent-type: application/json\n\n{\"plate\":\"ZZ1\"}" }]
"#,
    );
    let (code, told, said) = run(folder.path(), &["test"]);
    assert_eq!(code, Some(1), "{told}{said}");
    assert!(
        told.contains("ok  a plate is reported and its crop is kept\n"),
        "{told}"
    );
    assert!(told.contains("ok  residents are not reported\n"), "{told}");
    assert!(told.contains("FAILED  nobody is reported\n    to `vms` about plates/0 by route `plates`: not expected\n"), "{told}");
    assert!(
        told.contains("      -   \"plate\": \"ZZ1\"\n      +   \"plate\": \"xy99\"\n"),
        "{told}"
    );
    assert!(told.ends_with("2 passed, 2 failed\n"), "{told}");
    assert!(!told.contains("never-shown-anywhere"), "{told}");

    let (code, told, _) = run(folder.path(), &["test", "--name", "residents"]);
    assert_eq!(
        (code, told.as_str()),
        (
            Some(0),
            "ok  residents are not reported\n1 passed, 0 failed\n"
        )
    );

    let (_, told, _) = run(folder.path(), &["--json", "test", "--name", "nobody"]);
    let row: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(row["passed"], false);
}

#[test]
fn what_is_shown_passes_when_it_is_pasted() {
    let head = "environment: { VMS_TOKEN: x }\ntests:\n  - name: all\n    events: [{ sample: snapshot two, plate: AB123CD }]\n";
    let folder = site(&format!("{head}    expect: []\n"));
    let (code, shown, said) = run(folder.path(), &["test", "--show"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(shown.matches("- to: ").count() >= 3, "{shown}");
    let pasted: String = shown
        .lines()
        .skip(1)
        .map(|line| format!("    {line}\n"))
        .collect();
    std::fs::write(folder.path().join("tests.yaml"), format!("{head}{pasted}")).unwrap();
    let (code, told, said) = run(folder.path(), &["test"]);
    assert_eq!(code, Some(0), "{told}{said}\n{pasted}");
}

#[test]
fn a_mistake_in_the_tests_is_told_with_its_place() {
    let folder = site("tests:\n  - name: x\n    events: [{ sampel: stream }]\n    expect: []\n");
    let (code, _, said) = run(folder.path(), &["test"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("tests.yaml:3:16: unknown key `sampel`"),
        "{said}"
    );
    assert!(said.contains("did you mean `sample`?"), "{said}");
}

#[test]
fn explain_tells_what_each_step_did_and_writes_its_pictures() {
    let folder = site("tests: []\n");
    let routes = ROUTES.replace("${VMS_TOKEN}", "planted");
    let routes = routes.replace("plate.text == 'ab123cd'", "plate.score > 0.1");
    std::fs::write(folder.path().join("routes.yaml"), routes).unwrap();
    let request = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/sources/platerecognizer/snapshot-with-picture/request.http");
    let event = request.to_str().unwrap();
    let arguments = ["explain", "--event", event, "--pictures", "made"];
    let (code, told, said) = run(folder.path(), &arguments);
    assert_eq!(code, Some(0), "{said}");
    assert!(told.contains("route `plates`: planned\n"), "{told}");
    assert!(told.contains("POST http://127.0.0.1:9/plates"), "{told}");
    assert!(!told.contains("planted"), "{told}");
    assert!(told.contains("step  crop: plates/0: "), "{told}");
    assert!(
        told.contains("step  crop: made plate of plates/0: image/jpeg, "),
        "{told}"
    );
    let made: Vec<_> = std::fs::read_dir(folder.path().join("made"))
        .unwrap()
        .collect();
    let bytes = std::fs::read(made[0].as_ref().unwrap().path()).unwrap();
    assert_eq!(&bytes[..3], b"\xff\xd8\xff");

    let (_, told, _) = run(
        folder.path(),
        &["explain", "--event", event, "--route", "plates"],
    );
    assert!(!told.contains("crops"), "{told}");
}

/// Two lanes: one with a camera on each side, one whose camera reads each plate again and again.
const LANES: &str = r#"
sources: { cams: { kind: auto, path: / } }
targets:
  visits: { http: { url: "URL/visits", json: { front: "{{ pair.front.plates[0].text }}", rear: "{{ pair.rear.plates[0].text }}" } } }
  pictures: { http: { url: "URL/pictures", multipart: { front: "{{ images.front_frame }}", rear: "{{ images.rear_frame }}" } } }
  reads:
    http:
      url: URL/reads
      json: { best: "{{ plate.text }}", others: "{{ delivery.merged_count }}", of: "{{ delivery.merged[0].text }}", at: "{{ now }}" }
routes:
  - name: lane
    each: plate
    only: { camera: [front, rear] }
    steps:
      - pair: { front: [front], rear: [rear], edits: 3, within: 10m }
      - remove: [plates.owner]
    to: [visits, pictures]
  - name: gate
    each: plate
    only: { camera: gate }
    steps: [{ dedupe: { by: car, within: 10s, keep: best } }]
    to: [reads]
"#;

#[test]
fn requests_show_the_other_events_that_went_into_them() {
    let folder = site(
        r#"
tests:
  - name: front and rear are one visit
    events:
      - { sample: stream original, plate: AB123CD, camera: front }
      - { sample: stream original, plate: AB123CE, camera: rear, after: 2s }
    expect:
      - { to: visits, has: ['"front": "ab123cd"', '"rear": "ab123ce"'] }
      - { to: pictures, has: ["front", "rear", "<image/jpeg"] }
  - name: one half alone has no other
    events: [{ sample: stream original, plate: AB123CD, camera: front }]
    expect:
      - { to: visits, lacks: [front, rear] }
      - { to: pictures, lacks: ["<image/jpeg"] }
  - name: the best read tells how many others there were when its time is over
    events:
      - { event: { camera: { id: gate }, plates: [{ text: AB1, score: 0.7 }] } }
      - { event: { camera: { id: gate }, plates: [{ text: AB12, score: 0.9 }] }, after: 2s }
      - { event: { camera: { id: gate }, plates: [{ text: AB, score: 0.5 }] }, after: 2s }
    expect:
      - { to: reads, has: ['"best": "AB12"', '"others": 2', '"of": "AB1"', '"at": "2026-01-01T12:00:10.5Z"'] }
  - name: what comes when the time is over is not told any more
    events:
      - { event: { camera: { id: gate }, plates: [{ text: AB12, score: 0.9 }] } }
      - { event: { camera: { id: gate }, plates: [{ text: AB, score: 0.5 }], occurred_at: 2026-01-01T12:00:05Z }, after: 15s }
    expect:
      - { to: reads, has: ['"best": "AB12"', '"others": 0'] }
"#,
    );
    let routes = LANES.replace("URL", "http://127.0.0.1:9");
    std::fs::write(folder.path().join("routes.yaml"), routes).unwrap();
    let (code, told, said) = run(folder.path(), &["test"]);
    assert_eq!(code, Some(0), "{told}{said}");
    assert!(told.ends_with("4 passed, 0 failed\n"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_shows_a_stored_event_with_what_it_was_delivered_with() {
    let receiver = Receiver::new().await;
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), &LANES.replace("URL", &receiver.url()));
    for camera in ["front", "rear"] {
        let sent = camhook.cli(&[
            "send",
            "stream original",
            "--plate",
            "AB123CD",
            "--url",
            &camhook.url,
            "--camera",
            camera,
        ]);
        assert!(
            sent.status.success(),
            "{}",
            String::from_utf8_lossy(&sent.stderr)
        );
    }
    receiver.wait_for(2).await;
    let taken = receiver.taken();
    let visit = taken.iter().find(|taken| taken.path == "/visits").unwrap();
    let visit: Value = serde_json::from_slice(&visit.body).unwrap();
    assert!(
        visit["front"].is_string() && visit["rear"].is_string(),
        "{visit}"
    );

    let mut rear = String::new();
    eventually("both are listed", async || {
        let events = camhook.rows(&["events"]);
        let last = events
            .iter()
            .find(|event| event["camera"]["id"] == "rear" && !event["joined"].is_null());
        rear = last.map_or(String::new(), |event| {
            event["id"].as_str().unwrap().to_owned()
        });
        !rear.is_empty()
    })
    .await;
    let arguments = ["explain", "--event", &rear, "--route", "lane"];
    let running = camhook.cli(&arguments);
    camhook.stop();
    let stopped = camhook_command(folder.path())
        .args(arguments)
        .output()
        .unwrap();
    for output in [running, stopped] {
        let told = String::from_utf8(output.stdout).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        for side in ["front", "rear"] {
            let line = format!("\"{side}\": {}", visit[side]);
            assert!(told.contains(&line), "{line} in {told}{said}");
        }
        assert!(told.contains("with  the front: event "), "{told}{said}");
        assert!(!told.contains("not before"), "{told}");
        assert_eq!(told.matches("<image/jpeg").count(), 2, "{told}");
    }
}
