//! Finding events and seeing how cameras and targets are, over the API and the pages without a browser.

use serde_json::{Value, json};

use crate::harness::{Answer, Receiver, Within, get};

const ROUTES: &str = "sources: { gate: { kind: generic, path: /gate, undecodable: keep } }\n";

fn to(receiver: &Receiver) -> String {
    format!(
        "{ROUTES}targets:\n  vms: {{ http: {{ url: \"{}\", json: {{ plate: \"{{{{ event.plates[0].text }}}}\", camera: \"{{{{ event.camera.id }}}}\", tags: \"{{{{ event.camera.tags }}}}\" }} }} }}\n  \
         alone: {{ jsonl: alone.jsonl }}\n\
         routes:\n  - {{ name: all, to: [vms] }}\n",
        receiver.url()
    )
}

async fn read(camhook: &Within, plate: &str, camera: &str) {
    let body = json!({ "plate": plate, "camera_id": camera });
    let sent = [("content-type", "application/json".to_owned())];
    assert_eq!(camhook.send("/gate", &sent, &body.to_string()).await, 200);
}

fn plates(events: &Value) -> Vec<&str> {
    let events = events.as_array().unwrap().iter();
    events
        .map(|event| event["plates"][0]["text"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn events_are_found_by_pattern_fate_and_target() {
    let receiver = Receiver::answering([Answer::status(400)]).await;
    let camhook = Within::start(&to(&receiver)).await;
    for (plate, camera) in [("AB123", "in"), ("AC123", "out"), ("XY9", "in")] {
        read(&camhook, plate, camera).await;
        camhook.advance(1.0).await;
    }
    for (query, expected) in [
        ("plate=ab1*", &["AB123"][..]),
        ("plate=*123", &["AC123", "AB123"]),
        ("plate=A?1*", &["AC123", "AB123"]),
        ("plate=*Y*&camera=in", &["XY9"]),
        ("fate=dead", &["AB123"]),
        ("fate=delivered&target=vms", &["XY9", "AC123"]),
        ("fate=delivered&route=none", &[]),
        ("fate=pending", &[]),
    ] {
        let events = camhook.get(&format!("/api/v1/events?{query}")).await;
        assert_eq!(plates(&events), expected, "{query}");
        let page = camhook.text(&format!("/search?{query}")).await;
        for plate in ["AB123", "AC123", "XY9"] {
            let shown = page.contains(&format!("<bdi>{plate}</bdi>"));
            assert_eq!(shown, expected.contains(&plate), "{query} {plate} {page}");
        }
        let csv = camhook.text(&format!("/search.csv?{query}")).await;
        assert_eq!(csv.lines().count(), 1 + expected.len(), "{csv}");
    }
    let first = camhook.get("/api/v1/events?limit=1").await;
    let first = first[0]["id"].as_str().unwrap();
    let older = camhook
        .get(&format!("/api/v1/events?limit=1&before={first}"))
        .await;
    assert_eq!(plates(&older), ["AC123"]);
    let id = older[0]["id"].as_str().unwrap();
    let newer = camhook
        .get(&format!("/api/v1/events?limit=1&after={id}"))
        .await;
    assert_eq!(plates(&newer), ["XY9"]);
    let wrong = camhook.text("/search?since=never").await;
    assert!(wrong.contains("This could not be searched"), "{wrong}");
    let local = camhook
        .text("/search?since=2026-01-31T00:00&until=2026-02-01T00:00")
        .await;
    assert!(local.contains("<bdi>XY9</bdi>"), "{local}");
}

/// A page of the API, and where the next one is.
async fn page_of(camhook: &Within, path: &str) -> (Vec<String>, Option<String>) {
    let answer = get(&camhook.at(path)).await;
    let link = answer.headers().get("link");
    let link = link.map(|link| link.to_str().unwrap().to_owned());
    let next = link.map(|link| link[1..].split_once('>').unwrap().0.to_owned());
    let rows = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    (plates(&rows).into_iter().map(str::to_owned).collect(), next)
}

#[tokio::test]
async fn large_events_end_a_page_and_are_only_named_in_lists() {
    let receiver = Receiver::answering([Answer::status(400)]).await;
    let camhook = Within::start(&to(&receiver)).await;
    for (plate, mib) in [("AB1", 9), ("AB2", 6), ("AB3", 6), ("AB4", 6), ("AB5", 17)] {
        let body = json!({ "plate": plate, "camera_id": "in", "note": "x".repeat(mib << 20) });
        let sent = [("content-type", "application/json".to_owned())];
        assert_eq!(camhook.send("/gate", &sent, &body.to_string()).await, 200);
        camhook.advance(1.0).await;
    }
    let (mut pages, mut next) = (Vec::new(), Some("/api/v1/events".to_owned()));
    while let Some(path) = next {
        let numbered = path.split_once("before=").map(|(_, id)| id.contains('.'));
        assert!(numbered.unwrap_or(true), "{path}");
        let page;
        (page, next) = page_of(&camhook, &path).await;
        pages.push(page);
    }
    assert_eq!(pages, [&["AB5"][..], &["AB4", "AB3"], &["AB2", "AB1"]]);
    // Who asks for what is newer goes on with the newest that was told.
    let oldest = camhook.get("/api/v1/events?plate=AB1").await;
    let oldest = oldest[0]["id"].as_str().unwrap();
    let (newer, _) = page_of(&camhook, &format!("/api/v1/events?after={oldest}")).await;
    assert_eq!(newer, ["AB3", "AB2"]);

    let live = camhook.text("/live").await;
    for shown in ["<bdi>AB4</bdi>", "With 9 MiB", "With 17 MiB"] {
        assert!(live.contains(shown), "{shown} is not in {live}");
    }
    assert!(!live.contains("<bdi>AB5</bdi>"), "{live}");
    let dead = camhook.text("/undelivered?target=vms").await;
    assert!(
        dead.contains("<bdi>AB1</bdi>") && dead.contains("not shown"),
        "{dead}"
    );
}

#[tokio::test]
async fn cameras_and_targets_tell_how_they_are() {
    let receiver = Receiver::answering([Answer::status(500).body("no disk")]).await;
    let camhook = Within::start(&to(&receiver)).await;
    for _ in 0..3 {
        read(&camhook, "AB123", "in").await;
        camhook.advance(120.0).await;
    }
    read(&camhook, "AB123", "<out>").await;
    let cameras = camhook.get("/api/v1/cameras").await;
    assert_eq!(cameras[1]["camera"], "in");
    assert_eq!(cameras[1]["events"], 3);
    assert_eq!(cameras[1]["silent_since"], Value::Null);
    let next = camhook.get("/api/v1/cameras?limit=1").await;
    assert_eq!(next.as_array().unwrap().len(), 1);
    camhook.advance(3.0 * 3_600.0).await;
    let cameras = camhook.get("/api/v1/cameras?source=gate").await;
    assert!(cameras[1]["silent_since"].is_string(), "{cameras}");
    let sources = camhook.get("/api/v1/sources").await;
    assert_eq!(sources[0]["cameras"], 2);
    assert_eq!(sources[0]["events_last_day"], 4);
    let page = camhook.text("/sources").await;
    assert!(
        page.contains("&lt;out&gt;") && page.contains("state silent"),
        "{page}"
    );
    assert!(
        camhook
            .text("/sources/gate")
            .await
            .contains("<bdi>in</bdi>")
    );

    let targets = camhook.get("/api/v1/targets").await;
    assert_eq!(targets[0]["target"], "vms");
    assert_eq!(targets[0]["last_error"]["status"], 500, "{targets}");
    let failed = targets[0]["history"]["failed"].as_array();
    assert!(failed.is_none_or(|failed| failed.len() == 36), "{targets}");
    let page = camhook.text("/targets/vms").await;
    assert!(page.contains("no disk"), "{page}");
    assert!(camhook.text("/targets").await.contains("<svg"));
}

#[tokio::test]
async fn a_test_event_goes_to_its_target_alone_and_says_what_it_is() {
    let receiver = Receiver::new().await;
    let camhook = Within::start(&to(&receiver)).await;
    let sent = camhook
        .steer("/api/v1/targets/vms/test", &json!({ "camera": "in" }))
        .await;
    let taken = receiver.taken();
    assert_eq!(taken.len(), 1);
    let told: Value = serde_json::from_slice(&taken[0].body).unwrap();
    assert_eq!(told["plate"], "test123");
    assert_eq!(told["camera"], "in");
    assert_eq!(told["tags"], json!(["camhook-test"]));
    let event = sent["event"].as_str().unwrap();
    let event = camhook.get(&format!("/api/v1/events/{event}")).await;
    assert_eq!(event["source"], "camhook-test");
    assert_eq!(event["attributes"]["camhook_test"], true);
    assert_eq!(camhook.fates().await, ["delivered"]);
    let refused = camhook
        .steer("/api/v1/targets/alone/test", &json!({}))
        .await;
    assert_eq!(refused["error"], "no_route", "{refused}");
}
