//! Kipod's webhooks against the program: every method, broken documents, and what cannot be read until it is mended.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Process, camhook_command, client, eventually};

const ROUTES: &str = "sources:\n  vms: { kind: kipod, path: /kipod, auth: { token: tok-4711 } }\n";

/// Status, `Allow` and body of the answer.
async fn ask(
    camhook: &Process,
    method: Method,
    path: &str,
    body: &'static str,
) -> (u16, String, String) {
    // The address it tells is that of its first source.
    let url = format!("{}{path}", camhook.url.trim_end_matches("/kipod"));
    let answer = client().request(method, url).body(body);
    let answer = answer.send().await.unwrap();
    let allow = answer.headers().get("allow");
    let allow = allow.map_or("", |allow| allow.to_str().unwrap()).to_owned();
    (
        answer.status().as_u16(),
        allow,
        answer.text().await.unwrap(),
    )
}

async fn listed(camhook: &Process, command: &str, rows: usize) -> Vec<Value> {
    eventually("they are listed", async || {
        camhook.rows(&[command]).len() == rows
    })
    .await;
    camhook.rows(&[command])
}

#[tokio::test]
async fn any_method_may_bring_an_event_and_one_without_a_body_is_a_test() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), ROUTES);
    const EVENT: &str = r#"{"monitor_id": 7, "topic": "Motion", "level": 2}"#;
    for method in [
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::GET,
    ] {
        let (status, _, _) = ask(&camhook, method, "/kipod/tok-4711", EVENT).await;
        assert_eq!(status, 200);
    }
    let (status, allow, body) = ask(&camhook, Method::OPTIONS, "/kipod/tok-4711", EVENT).await;
    assert_eq!((status, body.as_str()), (204, ""));
    assert_eq!(allow, "POST, PUT, PATCH, DELETE, GET, HEAD, OPTIONS");
    let motions = listed(&camhook, "events", 6).await;
    assert!(motions.iter().all(|event| event["kind"] == "motion"));

    for method in [Method::GET, Method::DELETE, Method::HEAD] {
        let is_head = method == Method::HEAD;
        let (status, _, body) = ask(&camhook, method, "/kipod?token=tok-4711", "").await;
        assert_eq!((status, body.is_empty()), (200, is_head));
    }
    let (status, allow, body) = ask(&camhook, Method::OPTIONS, "/kipod/tok-4711", "").await;
    assert_eq!(
        (status, allow.contains("PATCH"), body.as_str()),
        (204, true, "")
    );
    let query = "/kipod?token=tok-4711&monitor_id=7&topic=Intrusion&level=3";
    assert_eq!(ask(&camhook, Method::GET, query, "").await.0, 200);
    let events = listed(&camhook, "events", 10).await;
    let kinds: Vec<_> = events
        .iter()
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds[..4], ["intrusion", "status", "status", "status"]);

    let (status, allow, _) = ask(&camhook, Method::TRACE, "/kipod/tok-4711", "").await;
    assert_eq!((status, allow.contains("GET")), (405, true));
    assert_eq!(ask(&camhook, Method::GET, "/kipod", "").await.0, 401);
    // The source at `/` takes no events by such methods.
    assert_eq!(ask(&camhook, Method::GET, "/", "").await.0, 200);
    assert_eq!(ask(&camhook, Method::OPTIONS, "/", "").await.0, 405);
    assert_eq!(camhook.rows(&["events"]).len(), 10);
}

#[tokio::test]
async fn a_broken_document_is_mended_and_filtered_by_its_level() {
    let folder = tempfile::tempdir().unwrap();
    let routes = "targets:\n  out: { jsonl: out.jsonl }\nroutes:\n  - { name: high, when: event.raw.level >= 2, to: [out] }\n";
    let camhook = Process::start(folder.path(), routes);
    for body in [
        "{\"monitor_id\": 7, \"topic\": \"Motion\n \"level\": 3, \"params\": {...},}",
        "{\"monitor_id\": 8, \"topic\": \"Motion\", \"level\": 1,}",
    ] {
        assert_eq!(ask(&camhook, Method::POST, "/any", body).await.0, 200);
    }
    let events = listed(&camhook, "events", 2).await;
    assert!(events.iter().all(|event| event["vendor"] == "kipod"));
    let file = folder.path().join("out.jsonl");
    eventually("it is written", async || {
        std::fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n'))
    })
    .await;
    let text = std::fs::read_to_string(&file).unwrap();
    let written: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(written.len(), 1);
    assert_eq!(written[0]["raw"]["monitor_id"], 7);
    assert_eq!(written[0]["repaired"].as_array().unwrap().len(), 4);
    assert_eq!(written[0]["raw"]["params"], json!({}));
}

#[tokio::test]
async fn what_cannot_be_mended_waits_in_quarantine_until_its_source_can_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), ROUTES);
    const BROKEN: &str = "{\"monitor_id\": 7, \"topic\": \"Motion\" \"level\": 2, \"snapshots\": [";
    const OTHER: &str = "<alarm><zone>4</zone></alarm>";
    for body in [BROKEN, OTHER] {
        assert_eq!(
            ask(&camhook, Method::POST, "/kipod/tok-4711", body).await.0,
            200
        );
    }
    let rows = listed(&camhook, "quarantine", 2).await;
    assert!(camhook.rows(&["events"]).is_empty());
    let of_size = |size: usize| {
        let row = rows.iter().find(|row| row["size"] == size).unwrap();
        (row["id"].as_str().unwrap(), row["reason"].as_str().unwrap())
    };
    let ((broken, reason), (other, other_reason)) = (of_size(BROKEN.len()), of_size(OTHER.len()));
    assert!(
        reason.contains("the JSON is broken: expected `,` or `}`"),
        "{reason}"
    );
    assert!(
        other_reason.contains("no JSON object or list"),
        "{other_reason}"
    );
    assert!(!camhook.cli(&["replay", other]).status.success());
    assert_eq!(camhook.rows(&["quarantine"]).len(), 2);

    // The fix: this sender is no Kipod.
    camhook.stop();
    let file = folder.path().join("routes.yaml");
    let routes = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, routes.replace("kind: kipod", "kind: generic")).unwrap();
    let camhook = Process::start_again(folder.path());
    assert!(camhook.cli(&["replay", other]).status.success());
    let events = listed(&camhook, "events", 1).await;
    assert_eq!(events[0]["vendor"], "generic");
    let left = listed(&camhook, "quarantine", 1).await;
    assert_eq!(left[0]["id"], broken);
    assert!(!camhook.cli(&["replay", broken]).status.success());
}

#[tokio::test]
async fn the_samples_are_understood_also_at_the_address_for_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), "");
    let expected = [
        ("kipod plate", "plate", vec!["frame", "vehicle", "plate"]),
        ("kipod face", "face", vec!["frame", "face", "face"]),
        ("kipod motion", "motion", vec!["frame"]),
        ("kipod broken", "plate", vec!["vehicle"]),
    ];
    for (n, (sample, kind, roles)) in expected.into_iter().enumerate() {
        let url = camhook.url.as_str();
        let sent = camhook_command(folder.path())
            .args(["send", sample, "--url", url, "--plate", "KD482PL"])
            .output()
            .unwrap();
        assert!(sent.status.success(), "{sent:?}");
        let events = listed(&camhook, "events", n + 1).await;
        let id = events[0]["id"].as_str().unwrap();
        let event = camhook.get(&format!("/api/v1/events/{id}")).await;
        assert_eq!(
            (&event["vendor"], &event["kind"]),
            (&json!("kipod"), &json!(kind))
        );
        let images = event["images"].as_array().unwrap();
        let told: Vec<_> = images
            .iter()
            .map(|image| image["role"].as_str().unwrap())
            .collect();
        assert_eq!(told, roles, "{sample}");
        if kind == "plate" {
            assert_eq!(event["plates"][0]["text"], "KD482PL");
        }
        assert_eq!(event["repaired"] == json!([]), sample != "kipod broken");
    }
}
