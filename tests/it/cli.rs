//! The commands as a user types them, against a running camhook and against a stopped one.

use serde_json::json;

use crate::harness::{Answer, Process, Receiver, camhook_command, eventually, form_event};

async fn send(camhook: &Process, events: usize) {
    for n in 0..events {
        let (kind, body) = form_event(n);
        let request = crate::harness::client()
            .post(&camhook.url)
            .header("content-type", kind)
            .body(body);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
}

fn routes(receiver: &Receiver) -> String {
    format!(
        "targets:\n  vms: {{ http: {{ url: \"{}\", json: \"{{{{ event }}}}\" }}, retry: {{ attempts: 1 }} }}\n\
         routes:\n  - {{ name: to the VMS, to: [vms] }}\n",
        receiver.url()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_deliveries_are_listed_retried_and_replayed() {
    let receiver = Receiver::new().await;
    receiver.always(Some(Answer::status(422).body("no such camera")));
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), &routes(&receiver));
    send(&camhook, 3).await;
    eventually("all are dead", async || {
        camhook.rows(&["deliveries", "--fate", "dead"]).len() == 3
    })
    .await;
    let dead = camhook.rows(&["deliveries", "--fate", "dead"]);
    assert_eq!(dead[0]["attempts"][0]["status"], 422);
    assert_eq!(dead[0]["attempts"][0]["excerpt"], "no such camera");

    receiver.always(None);
    let id = dead[0]["id"].as_str().unwrap();
    assert!(camhook.cli(&["retry", id]).status.success());
    eventually("one is delivered", async || {
        camhook.rows(&["deliveries", "--fate", "delivered"]).len() == 1
    })
    .await;
    assert_eq!(
        receiver.taken().last().unwrap().key(),
        id,
        "a retry keeps the idempotency key"
    );
    assert!(camhook.cli(&["retry", "--target", "vms"]).status.success());
    eventually("all are delivered", async || {
        camhook.rows(&["deliveries", "--fate", "delivered"]).len() == 3
    })
    .await;

    let event = dead[1]["event"].as_str().unwrap();
    assert!(
        camhook
            .cli(&["replay", event, "--to", "vms"])
            .status
            .success()
    );
    eventually("it is delivered again", async || {
        camhook.rows(&["deliveries", "--fate", "delivered"]).len() == 4
    })
    .await;
    let keys: std::collections::BTreeSet<String> = receiver
        .taken()
        .iter()
        .filter(|taken| taken.answered == 200)
        .map(|taken| taken.key().to_owned())
        .collect();
    assert_eq!(keys.len(), 4, "a replay has a key of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_target_waits_and_a_stopped_camhook_can_be_looked_into() {
    let receiver = Receiver::new().await;
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), &routes(&receiver));
    assert!(camhook.cli(&["targets", "pause", "vms"]).status.success());
    send(&camhook, 2).await;
    eventually("they wait", async || {
        camhook.rows(&["deliveries", "--fate", "pending"]).len() == 2
    })
    .await;
    assert_eq!(camhook.rows(&["targets"])[0]["state"], "paused");
    camhook.stop();

    let looked = |arguments: &[&str]| {
        // The admin port of the stopped one was free and is not known: give one where nobody listens.
        let output = camhook_command(folder.path())
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(looked(&["events", "--json"]).lines().count(), 2);
    assert!(looked(&["deliveries"]).contains("pending"));
    looked(&["targets", "resume", "vms"]);
    assert_eq!(receiver.requests(), 0);

    let camhook = Process::start_again(folder.path());
    receiver.wait_for(2).await;
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_credentials_holds_the_target_and_loses_nothing() {
    let receiver = Receiver::new().await;
    receiver.always(Some(Answer::status(401)));
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), &routes(&receiver));
    send(&camhook, 3).await;
    eventually("it is held", async || {
        camhook.rows(&["targets"])[0]["state"] == "held"
    })
    .await;
    eventually("its deliveries say so", async || {
        camhook.rows(&["deliveries", "--fate", "held"]).len() == 3
    })
    .await;
    receiver.always(None);
    assert!(camhook.cli(&["retry", "--target", "vms"]).status.success());
    eventually("all arrive", async || {
        camhook.rows(&["deliveries", "--fate", "delivered"]).len() == 3
    })
    .await;
    assert_eq!(camhook.rows(&["targets"])[0]["state"], "running");
}

#[test]
fn check_says_every_mistake_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = "targets:\n  vms: { http: { url: http://x/, retrys: 3 } }\n\
                 routes:\n  - { name: a, when: plate.scor > 1, to: [vmss] }\n";
    std::fs::write(folder.path().join("routes.yaml"), wrong).unwrap();
    let output = camhook_command(folder.path())
        .arg("check")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    for expected in [
        "routes.yaml:2:",
        "routes.yaml:4:",
        "retrys",
        "vmss",
        "scor",
        "^",
    ] {
        assert!(
            text.contains(expected),
            "`{expected}` is missing in:\n{text}"
        );
    }
    std::fs::write(folder.path().join("routes.yaml"), "sources: {}\n").unwrap();
    assert!(
        camhook_command(folder.path())
            .arg("check")
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn the_schema_is_json() {
    let output = camhook_command(&std::env::temp_dir())
        .arg("schema")
        .output()
        .unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(schema["properties"]["routes"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_shows_what_a_request_in_a_file_would_become_and_sends_nothing() {
    let receiver = Receiver::new().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("routes.yaml"), routes(&receiver)).unwrap();
    let (kind, body) = form_event(1);
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n\r\n");
    std::fs::write(
        folder.path().join("one.http"),
        [head.as_bytes(), &body].concat(),
    )
    .unwrap();
    let output = camhook_command(folder.path())
        .args(["explain", "--event", "one.http"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        text.contains("to the VMS")
            && text.contains(&receiver.url())
            && text.contains("event-00000001"),
        "{text}"
    );
    assert_eq!(receiver.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_tells_which_word_or_part_of_a_condition_said_no() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("residents.csv"), "plate\nAB 123 CD\n").unwrap();
    let camhook = Process::start(
        folder.path(),
        r#"
targets: { all: { log: {} } }
lists: { residents: { csv: residents.csv, key: plate } }
routes:
  - { name: word, only: { camera: [gate-1, "yard-*"] }, to: [all] }
  - { name: plates, each: plate, only: { plate: { like: "XY*" } }, to: [all] }
  - { name: strangers, each: plate, when: 'plate.text != "X" and not plate.text in lists.residents', to: [all] }
  - { name: known, each: plate, only: { list: { in: residents }, plate: { similar: A8I23CD } }, to: [all] }
"#,
    );
    send(&camhook, 1).await;
    eventually("it is listed", async || {
        camhook.rows(&["events"]).len() == 1
    })
    .await;
    let rows = camhook.rows(&["events"]);
    let id = rows[0]["id"].as_str().unwrap();
    let explained = camhook.rows(&["explain", "--event", id]);
    for told in [&rows[0]["routes"], &serde_json::Value::from(explained)] {
        for (n, condition) in [
            "only.camera: cam-0 is none of gate-1, yard-*",
            "only.plate.like: ab123cd is none of XY*",
            "not plate.text in lists.residents (plate.text is \"ab123cd\"), \
             in: plate.text != \"X\" and not plate.text in lists.residents",
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(told[n]["condition"], condition, "{told}");
        }
        assert_eq!(told[3]["outcome"], "planned", "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_health_are_there() {
    let receiver = Receiver::new().await;
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), &routes(&receiver));
    send(&camhook, 2).await;
    receiver.wait_for(2).await;
    eventually("both are counted", async || {
        let page = crate::harness::get(&format!("{}/metrics", camhook.admin))
            .await
            .text()
            .await
            .unwrap();
        page.contains("camhook_deliveries_total{target=\"vms\",fate=\"delivered\"} 2")
    })
    .await;
    let page = crate::harness::get(&format!("{}/metrics", camhook.admin))
        .await
        .text()
        .await
        .unwrap();
    for line in [
        "camhook_events_received_total{source=\"auto\",kind=\"plate\"} 2",
        "camhook_attempts_total{target=\"vms\",outcome=\"delivered\"} 2",
        "camhook_deliveries{target=\"vms\",fate=\"delivered\"} 2",
        "camhook_oldest_undelivered_seconds{target=\"vms\"} 0",
        "camhook_commit_seconds_count 2",
        "camhook_store_bytes ",
        "camhook_inflight_bytes ",
    ] {
        assert!(page.contains(line), "`{line}` is missing in:\n{page}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(
            crate::harness::get(&format!("{}{path}", camhook.admin))
                .await
                .status(),
            200
        );
    }
    let sources = camhook.rows(&["sources"]);
    assert_eq!(
        (&sources[0]["source"], &sources[0]["events"]),
        (&json!("auto"), &json!(2))
    );
}
