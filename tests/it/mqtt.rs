//! Both ways over MQTT, with a real broker.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{Broker, Process, Receiver, client, eventually, form_event, get};

/// Long enough for a machine under full load.
const LONG: Duration = Duration::from_secs(60);

fn tracked(kind: &str, n: usize) -> Vec<u8> {
    let after = serde_json::json!({
        "id": format!("1780304400.125-{n}"), "camera": "gate", "frame_time": 1_780_304_405.25, "label": "car",
        "sub_label": null, "score": 0.9, "top_score": 0.9, "box": [310, 205, 705, 512],
        "start_time": 1_780_304_400.125, "end_time": null,
        "recognized_license_plate": format!("KD{n:04}"), "recognized_license_plate_score": 0.93,
    });
    let document = serde_json::json!({ "type": kind, "before": {}, "after": after });
    document.to_string().into_bytes()
}

fn hearing(broker: &Broker, more: &str) -> String {
    format!(
        "sources:\n  frigate: {{ kind: frigate, mqtt: {{ url: \"{}\" }} }}\n{more}",
        broker.url()
    )
}

async fn connected(camhook: &Process, source: &str, state: u8) {
    let line = format!("camhook_mqtt_connected{{source=\"{source}\"}} {state}");
    eventually(&line, async || {
        let page = get(&format!("{}/metrics", camhook.admin)).await;
        page.text()
            .await
            .unwrap()
            .lines()
            .any(|found| found == line)
    })
    .await;
}

/// The vendor's ids of all events, sorted.
fn vendor_ids(camhook: &Process) -> Vec<String> {
    let rows = camhook.rows(&["events", "--limit", "0"]);
    let mut ids: Vec<String> = rows
        .iter()
        .filter_map(|row| Some(row["vendor_id"].as_str()?.to_owned()))
        .collect();
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_becomes_an_event_and_reaches_a_target() {
    let broker = Broker::start().await;
    let receiver = Receiver::new().await;
    let folder = tempfile::tempdir().unwrap();
    let more = format!(
        "targets:\n  vms: {{ http: {{ url: \"{}\", json: \"{{{{ event }}}}\" }} }}\nroutes:\n  - {{ to: [vms] }}\n",
        receiver.url()
    );
    let camhook = Process::start(folder.path(), &hearing(&broker, &more));
    connected(&camhook, "frigate", 1).await;
    broker.publish("frigate/events", &tracked("new", 1)).await;
    receiver.wait_for(1).await;
    let event: Value = serde_json::from_slice(&receiver.taken()[0].body).unwrap();
    assert_eq!(event["vendor_kind"], "events.new");
    assert_eq!(event["plates"][0]["text"], "KD0001");
    assert_eq!(event["path"], "frigate/events");
    let rows = camhook.rows(&["events"]);
    assert_eq!(rows.len(), 1);

    // The source has no path: what is posted there goes to the source at `/`.
    let (kind, body) = form_event(1);
    let request = client()
        .post(format!("{}/frigate", camhook.url))
        .header("content-type", kind);
    assert_eq!(request.body(body).send().await.unwrap().status(), 200);
    let rows = camhook.rows(&["events"]);
    assert_eq!(rows[0]["source"], "auto");
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_camhook_is_killed_again_and_again() {
    const MESSAGES: usize = 300;
    let broker = Broker::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut camhook = Process::start(folder.path(), &hearing(&broker, ""));
    connected(&camhook, "frigate", 1).await; // from now on the broker keeps what is published
    for n in 0..MESSAGES {
        broker
            .publish("frigate/events", &tracked("update", n))
            .await;
        if n % 60 == 30 {
            // In the middle of taking in, and published while it is down.
            camhook.kill();
            for n in MESSAGES + n..MESSAGES + n + 10 {
                broker
                    .publish("frigate/events", &tracked("update", n))
                    .await;
            }
            camhook = Process::start_again(folder.path());
        }
    }
    let mut expected: Vec<String> = (0..MESSAGES)
        .chain((0..5).flat_map(|kill| (MESSAGES + kill * 60 + 30)..(MESSAGES + kill * 60 + 40)))
        .map(|n| format!("1780304400.125-{n}"))
        .collect();
    expected.sort();
    eventually("all messages are events", async || {
        let mut ids = vendor_ids(&camhook);
        ids.dedup(); // what was on disk but not confirmed comes again
        ids == expected
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_comes_back_is_heard_again() {
    let mut broker = Broker::start().await;
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), &hearing(&broker, ""));
    connected(&camhook, "frigate", 1).await;
    broker.stop();
    connected(&camhook, "frigate", 0).await;
    broker.start_again().await;
    broker.publish("frigate/events", &tracked("end", 7)).await; // kept for camhook, should it not be there yet
    eventually("the message is an event", async || {
        vendor_ids(&camhook) == ["1780304400.125-7"]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_decoded_is_kept_and_what_is_too_large_stops_nothing() {
    let broker = Broker::start().await;
    let folder = tempfile::tempdir().unwrap();
    let routes = format!(
        "sources:\n  any: {{ kind: generic, max_body: 64KiB, mqtt: {{ url: \"{}\", topics: [\"any/#\"] }} }}\n",
        broker.url()
    );
    let camhook = Process::start(folder.path(), &routes);
    connected(&camhook, "any", 1).await;
    broker.publish("any/noise", b"no document").await;
    broker.publish("any/huge", &vec![b' '; 100_000]).await;
    broker.publish("any/thing", br#"{"n":1}"#).await;
    eventually("the last message is an event", async || {
        !camhook.rows(&["events"]).is_empty()
    })
    .await;
    let quarantine = camhook.rows(&["quarantine"]);
    assert_eq!(quarantine.len(), 1, "{quarantine:?}");
    assert_eq!(quarantine[0]["source"], "any");
    let page = get(&format!("{}/metrics", camhook.admin))
        .await
        .text()
        .await
        .unwrap();
    assert!(
        page.contains("camhook_requests_refused_total{status=\"413\"} 1"),
        "{page}"
    );

    // Nothing of it is left at the broker: after a restart nothing comes again.
    camhook.stop();
    let camhook = Process::start_again(folder.path());
    connected(&camhook, "any", 1).await;
    broker.publish("any/thing", br#"{"n":2}"#).await;
    eventually("the next message is an event", async || {
        camhook.rows(&["events"]).len() == 2
    })
    .await;
    assert_eq!(camhook.rows(&["quarantine"]).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_changes_what_is_heard() {
    let broker = Broker::start().await;
    let folder = tempfile::tempdir().unwrap();
    let routes = |topics: &str| {
        format!(
            "server: {{ listen: 127.0.0.1:0 }}\nadmin: {{ listen: 127.0.0.1:0 }}\n\
             sources:\n  any: {{ kind: generic, mqtt: {{ url: \"{}\", topics: [{topics}] }} }}\n",
            broker.url()
        )
    };
    let file = folder.path().join("routes.yaml");
    std::fs::write(&file, routes("old")).unwrap();
    let camhook = Process::start_again(folder.path());
    connected(&camhook, "any", 1).await;
    std::fs::write(&file, routes("new")).unwrap();
    camhook.signal("HUP");
    let mut n = 0;
    eventually("the new topic is heard", async || {
        n += 1;
        broker
            .publish("old", format!("{{\"old\":{n}}}").as_bytes())
            .await;
        broker
            .publish("new", format!("{{\"new\":{n}}}").as_bytes())
            .await;
        camhook
            .rows(&["events"])
            .iter()
            .any(|row| row["path"] == "new")
    })
    .await;
    broker.publish("old", br#"{"late":1}"#).await;
    broker.publish("new", br#"{"last":1}"#).await;
    let heard = |path: &str| {
        let rows = camhook.rows(&["events", "--limit", "0"]);
        rows.iter().filter(|row| row["path"] == path).count()
    };
    let before = heard("old");
    eventually("the last message is heard", async || {
        broker.publish("new", br#"{"last":2}"#).await;
        heard("new") > 1
    })
    .await;
    assert_eq!(heard("old"), before);
}

fn publishing(url: &str, more: &str) -> String {
    format!(
        "targets:\n  ha:\n    mqtt: {{ url: \"{url}\", topic: \"cameras/{{{{ event.camera.id }}}}/plate\", \
         payload: {{ camera: \"{{{{ event.camera.id }}}}\" }}{more} }}\n    \
         retry: {{ initial: 100ms, max: 200ms, attempts: 0 }}\n    breaker: {{ cool_down: 200ms }}\n\
         routes:\n  - {{ to: [ha] }}\n"
    )
}

async fn post(camhook: &Process) {
    let (kind, body) = form_event(1);
    let request = client()
        .post(&camhook.url)
        .header("content-type", kind)
        .body(body);
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_delivers_once_its_broker_is_there_and_again_after_an_outage() {
    let mut broker = Broker::start().await;
    let folder = tempfile::tempdir().unwrap();
    broker.stop();
    let status = ", status: { topic: camhook/status }";
    let camhook = Process::start(folder.path(), &publishing(&broker.url(), status));
    post(&camhook).await;
    eventually("a try has failed", async || {
        let rows = camhook.rows(&["deliveries"]);
        rows.iter().any(|row| {
            row["attempts"]
                .as_array()
                .is_some_and(|tries| !tries.is_empty())
        })
    })
    .await;
    for n in 1..=2 {
        broker.start_again().await;
        let mut ear = broker.listen("cameras/#").await;
        if n > 1 {
            post(&camhook).await;
        }
        let (topic, payload) = ear.message(LONG).await.unwrap();
        let payload: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(
            topic,
            format!("cameras/{}/plate", payload["camera"].as_str().unwrap())
        );
        eventually("all is delivered", async || {
            camhook.rows(&["deliveries", "--fate", "delivered"]).len() == n
        })
        .await;
        assert_eq!(broker.retained("camhook/status").await.unwrap(), b"online");
        if n == 1 {
            broker.stop();
        }
    }
    camhook.stop();
    assert_eq!(broker.retained("camhook/status").await.unwrap(), b"offline");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_tells_when_camhook_is_gone_without_a_goodbye() {
    let broker = Broker::start().await;
    let folder = tempfile::tempdir().unwrap();
    let status = ", status: { topic: camhook/status, online: up, offline: down }";
    let camhook = Process::start(folder.path(), &publishing(&broker.url(), status));
    eventually("it says that it is up", async || {
        broker
            .retained("camhook/status")
            .await
            .is_some_and(|word| word == b"up")
    })
    .await;
    camhook.kill();
    eventually("the broker says that it is down", async || {
        broker
            .retained("camhook/status")
            .await
            .is_some_and(|word| word == b"down")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_holds_the_target_and_the_right_one_frees_it() {
    let broker = Broker::for_ann().await;
    let folder = tempfile::tempdir().unwrap();
    let login = |password: &str| {
        publishing(
            &broker.url(),
            &format!(", username: ann, password: {password}"),
        )
    };
    let camhook = Process::start(folder.path(), &login("something-else"));
    post(&camhook).await;
    eventually("the delivery is held", async || {
        camhook.rows(&["deliveries", "--fate", "held"]).len() == 1
    })
    .await;
    let error = camhook.rows(&["deliveries"])[0]["attempts"][0]["error"].to_string();
    assert!(error.contains("username or password is wrong"), "{error}");
    assert!(!error.contains("something-else"));

    let file = folder.path().join("routes.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("something-else", "secret-of-ann")).unwrap();
    camhook.signal("HUP");
    eventually("it is delivered", async || {
        camhook.rows(&["deliveries", "--fate", "delivered"]).len() == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_and_a_target_meet_at_one_broker_and_a_picture_goes_through() {
    let broker = Broker::start().await;
    let folder = tempfile::tempdir().unwrap();
    let routes = format!(
        "{}targets:\n  out: {{ mqtt: {{ url: \"{}\", topic: out, payload: \"{{{{ images.frame }}}}\" }} }}\n\
         routes:\n  - {{ to: [out] }}\n",
        hearing(&broker, "").replace(" } }", ", topics: [\"frigate/+/+/snapshot\"] } }"),
        broker.url()
    );
    let camhook = Process::start(folder.path(), &routes);
    connected(&camhook, "frigate", 1).await;
    let mut ear = broker.listen("out").await;
    let picture = crate::harness::picture(64, 48, &[], image::ImageFormat::Jpeg);
    broker.publish("frigate/gate/car/snapshot", &picture).await;
    assert_eq!(ear.message(LONG).await.unwrap().1, picture);
}
