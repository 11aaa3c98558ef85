//! Clients of FindFace: they log in, make webhooks, and get what these ask for, whatever happens to camhook in between.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Answer, Process, Receiver, camhook_command, client, eventually, form_event};

/// A body as such clients send it.
trait Json {
    fn json(self, body: &Value) -> Self;
}

impl Json for reqwest::RequestBuilder {
    fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json")
            .body(body.to_string())
    }
}

/// A camhook with a client of FindFace that is logged in.
struct Lite {
    camhook: Process,
    token: String,
    receiver: Receiver,
    folder: tempfile::TempDir,
}

const ANNA: &str = "password-of-anna";
const RITA: &str = "password-of-rita";

fn environment() -> Vec<(String, String)> {
    [("ANNA", ANNA), ("RITA", RITA)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

/// `findface` is what stands there, in which `PORT` is the receiver's.
fn write(folder: &Path, receiver: &Receiver, findface: &str) {
    let port = receiver.url().rsplit(':').next().unwrap().to_owned();
    let yaml = format!(
        "server: {{ listen: 127.0.0.1:0 }}\nadmin:\n  listen: 127.0.0.1:0\n  users:\n\
         \x20   anna: {{ password: \"${{ANNA}}\", scopes: [admin] }}\n\
         \x20   rita: {{ password: \"${{RITA}}\", scopes: [read] }}\n\
         \x20 findface: {}\n\
         log: {{ level: error }}\n",
        findface.replace("PORT", &port)
    );
    std::fs::write(folder.join("routes.yaml"), yaml).unwrap();
}

const HERE: &str = "{ hosts: [\"127.0.0.1:PORT\"] }";

impl Lite {
    async fn start(findface: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let receiver = Receiver::new().await;
        write(folder.path(), &receiver, findface);
        let camhook = Process::start_with(folder.path(), &environment());
        let token = log_in(&camhook.admin, "anna", ANNA).await.unwrap();
        Self {
            camhook,
            token,
            receiver,
            folder,
        }
    }

    /// After a `kill -9`.
    async fn killed(self) -> Self {
        self.camhook.kill();
        let camhook = Process::start_with(self.folder.path(), &environment());
        let token = log_in(&camhook.admin, "anna", ANNA).await.unwrap();
        Self {
            camhook,
            token,
            ..self
        }
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        call(&self.camhook.admin, &self.token, method, path, body).await
    }

    async fn make(&self, name: &str, filters: Value) -> u64 {
        let target = format!("{}/{name}", self.receiver.url());
        let body = json!({ "name": name, "target": target, "filters": filters });
        let (status, made) = self.call("POST", "/v1/webhooks/", body).await;
        assert_eq!(status, 201, "{made}");
        made["id"].as_u64().unwrap()
    }

    async fn send(&self, body: &Value) {
        let sent = client().post(&self.camhook.url).json(body).send().await;
        assert_eq!(sent.unwrap().status(), 200);
    }

    async fn stream(&self) {
        let (kind, body) = form_event(1);
        let sent = client()
            .post(&self.camhook.url)
            .header("content-type", kind)
            .body(body);
        assert_eq!(sent.send().await.unwrap().status(), 200);
    }

    fn cli(&self, arguments: &[&str]) -> std::process::Output {
        camhook_command(self.folder.path())
            .args(["--admin", &self.camhook.admin])
            .args(arguments)
            .env("CAMHOOK_ADMIN_TOKEN", &self.token)
            .envs(environment())
            .output()
            .unwrap()
    }

    fn rows(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.cli(&[arguments, &["--json"]].concat());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        let lines = String::from_utf8(output.stdout).unwrap();
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn deliveries(&self) -> Vec<Value> {
        self.rows(&["deliveries", "--limit", "0"])
    }

    /// Waits until nothing is pending any more.
    async fn settled(&self) {
        eventually("all is settled", async || {
            self.deliveries()
                .iter()
                .all(|delivery| delivery["fate"] != "pending")
        })
        .await;
    }

    /// What the receiver got at a path, by who or what it is about.
    fn got(&self, name: &str) -> Vec<String> {
        let path = format!("/{name}");
        let taken = self
            .receiver
            .taken()
            .into_iter()
            .filter(|taken| taken.path == path);
        let mut got: Vec<String> = taken
            .flat_map(|taken| {
                assert_eq!(taken.headers["content-type"], "application/json");
                let body: Value = serde_json::from_slice(&taken.body).unwrap();
                let about =
                    body.as_array()
                        .unwrap()
                        .iter()
                        .map(|message| match message["id"].as_str() {
                            _ if message["camhook"].is_object() => "stream car".to_owned(),
                            id => id.unwrap().to_owned(),
                        });
                about.collect::<Vec<_>>()
            })
            .collect();
        got.sort();
        got
    }
}

async fn call(admin: &str, token: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request = client()
        .request(method, format!("{admin}{path}"))
        .bearer_auth(token);
    let request = match body {
        Value::Null => request,
        body => request.json(&body),
    };
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    let body = match text.as_str() {
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap(),
    };
    (status, body)
}

async fn log_in(admin: &str, user: &str, password: &str) -> Result<String, (StatusCode, Value)> {
    let body = json!({ "username": user, "password": password });
    let answer = client()
        .post(format!("{admin}/v1/auth/login"))
        .json(&body)
        .send()
        .await
        .unwrap();
    let status = answer.status();
    let told: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    match told["access_token"].as_str() {
        Some(token) if status == 200 => Ok(token.to_owned()),
        _ => Err((status, told)),
    }
}

/// All filters at once, as the vendor's page shows them; the two ends of each angle are the same, so that hardly anything passes.
fn vendors_example(target: &str) -> Value {
    json!({
        "name": "webhook_test",
        "active": true,
        "target": target,
        "filters": {
            "camera_in": [1, 2], "card_in": [3, 4], "bs_type_in": ["overall", "realtime"],
            "confidence_gte": 0.75, "confidence_lte": 0.79, "matched": true,
            "yaw_lte": 3.5, "yaw_gte": 3.5, "pitch_lte": -4.2, "pitch_gte": -4.2, "roll_lte": 1.8, "roll_gte": 1.8,
            "liveness_lte": 0.44, "liveness_gte": 0.44,
            "medmask": { "name": "none", "confidence_lte": 0.9, "confidence_gte": 0.5 },
            "orientation": { "name": "back", "confidence_lte": 0.9, "confidence_gte": 0.5 },
            "special_type": { "name": "not_special", "confidence_lte": 0.9, "confidence_gte": 0.5 },
            "license_plate_number": "AB123CD",
            "license_plate_visibility": { "name": "fully_visible", "confidence_lte": 0.9, "confidence_gte": 0.5 },
            "license_plate_event_number": "AB123CD",
        },
        "send_attempts": 3,
    })
}

/// What a FindFace server posts; the ids are names.
fn posted() -> Value {
    let body = |more: Value| {
        let mut body = json!({
            "created_date": "2026-02-03T08:15:30+01:00", "camera": 7, "bs_type": "overall",
            "matched": false, "matched_card": null, "matched_lists": [], "confidence": 0,
        });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    let sure = |name: Value, confidence: f64| json!({ "name": name, "confidence": confidence });
    json!([
        body(json!({
            "id": "known face", "object_type": "face", "matched": true, "matched_card": 15, "confidence": 0.87,
            "features": {
                "headpose_yaw": sure((-4.5).into(), 1.0), "headpose_pitch": sure((-4.2).into(), 1.0),
                "headpose_roll": sure(1.8.into(), 1.0), "liveness": sure(0.44.into(), 1.0), "medmask": sure("correct".into(), 0.9),
            },
        })),
        body(json!({
            "id": "edge face", "object_type": "face", "camera": 12, "matched": true, "matched_card": { "id": 16, "name": "Ann" },
            "confidence": 0.75, "bs_type": "realtime",
            "features": { "headpose_yaw": sure(3.5.into(), 1.0), "liveness": "real", "medmask": sure("none".into(), 0.5) },
        })),
        body(json!({ "id": "bare face", "object_type": "face" })),
        body(json!({
            "id": "known car", "object_type": "car", "camera": 12, "matched": true, "matched_card": 41, "confidence": 0.91,
            "features": {
                "license_plate_number": sure("AB123CD".into(), 0.97),
                "license_plate_visibility": sure("fully_visible".into(), 0.99),
                "orientation": sure("front".into(), 0.93), "special_type": sure("police".into(), 0.8),
            },
        })),
        body(json!({
            "id": "bare car", "object_type": "car", "camera": 99,
            "features": {
                "license_plate_number": sure("".into(), 0.0),
                "license_plate_visibility": sure("invisible".into(), 0.9), "orientation": sure("back".into(), 0.5),
            },
        })),
        body(
            json!({ "id": "plate", "object_type": "license_plate", "license_plate_number": sure("AB123CD".into(), 0.8) })
        ),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vendors_own_example_makes_a_webhook_that_is_told_again_as_it_was_sent() {
    let lite = Lite::start(HERE).await;
    let example = vendors_example(&format!("{}/webhok_test", lite.receiver.url()));
    let (status, made) = lite.call("POST", "/v1/webhooks/", example.clone()).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["id"], 1);
    let mut whole = example;
    whole["id"] = 1.into();
    assert_eq!(made, whole);
    for path in ["/v1/webhooks/1", "/v1/webhooks/1/"] {
        assert_eq!(
            lite.call("GET", path, Value::Null).await,
            (200, whole.clone())
        );
    }
    for path in ["/v1/webhooks", "/v1/webhooks/"] {
        assert_eq!(
            lite.call("GET", path, Value::Null).await,
            (200, json!([whole]))
        );
    }
    // A document that was read may be sent back.
    assert_eq!(
        lite.call("PUT", "/v1/webhooks/1/", whole.clone()).await,
        (200, whole.clone())
    );
    lite.send(&posted()).await;
    lite.stream().await;
    lite.settled().await;
    assert_eq!(
        lite.receiver.requests(),
        0,
        "its filters contradict one another"
    );

    // It shows where targets show, and says why it got nothing.
    let targets = lite.rows(&["targets"]);
    assert!(
        targets
            .iter()
            .any(|target| target["target"] == "webhook-1" && target["configured"] == true),
        "{targets:?}"
    );
    let events = lite.rows(&["events"]);
    let event = events
        .iter()
        .find(|event| event["vendor_id"] == "known car")
        .unwrap();
    let told = lite.cli(&["explain", "--event", event["id"].as_str().unwrap()]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(
        told.contains("webhook-1") && told.contains("only."),
        "{told}"
    );
}

#[rustfmt::skip] // a table: one filter, one line
fn filters() -> Vec<(Value, &'static [&'static str])> {
    const KNOWN_FACE: &[&str] = &["known face"];
    const KNOWN_CAR: &[&str] = &["known car"];
    vec![
        (json!({}), &["bare car", "bare face", "edge face", "known car", "known face", "plate", "stream car"]),
        (json!({ "type_in": ["face"] }), &["bare face", "edge face", "known face"]),
        (json!({ "type_in": "car" }), &["bare car", "known car", "stream car"]),
        (json!({ "type_in": ["license_plate"] }), &["plate"]),
        (json!({ "type_in": [] }), &[]),
        (json!({ "camera_in": 12 }), &["edge face", "known car"]),
        (json!({ "camera_in": [99, "cam-1"] }), &["bare car", "stream car"]),
        (json!({ "camera_in": [] }), &[]),
        (json!({ "card_in": [15, 41] }), &["known car", "known face"]),
        (json!({ "confidence_gte": 0.76 }), &["known car", "known face"]),
        (json!({ "confidence_lte": 0.74 }), &["bare car", "bare face", "plate", "stream car"]),
        (json!({ "matched": true }), &["edge face", "known car", "known face"]),
        (json!({ "matched": false }), &["bare car", "bare face", "plate", "stream car"]),
        (json!({ "bs_type_in": ["overall"] }), &["bare car", "bare face", "known car", "known face", "plate", "stream car"]),
        (json!({ "bs_type_in": ["realtime"] }), &["edge face"]),
        (json!({ "yaw_gte": -4.4 }), &["edge face"]),
        (json!({ "yaw_lte": -4.5 }), KNOWN_FACE),
        (json!({ "yaw_lte": 3.5, "yaw_gte": 3.5 }), &["edge face"]),
        (json!({ "pitch_gte": -4.2, "pitch_lte": -4.2 }), KNOWN_FACE),
        (json!({ "roll_lte": 1.8 }), KNOWN_FACE),
        (json!({ "roll_gte": 1.9 }), &[]),
        (json!({ "liveness_gte": 0.44 }), &["edge face", "known face"]),
        (json!({ "liveness_lte": 0.44 }), KNOWN_FACE),
        (json!({ "medmask": { "name": "correct", "confidence_gte": 0.9 } }), KNOWN_FACE),
        (json!({ "medmask": { "name": "correct", "confidence_gte": 0.91 } }), &[]),
        (json!({ "orientation": { "name": "back", "confidence_lte": 0.5 } }), &["bare car"]),
        (json!({ "special_type": { "name": "police" } }), KNOWN_CAR),
        (json!({ "license_plate_number": "AB123CD" }), &["known car", "stream car"]),
        (json!({ "license_plate_number": "AB123C" }), &[]),
        (json!({ "license_plate_visibility": { "name": "invisible", "confidence_gte": 0.9 } }), &["bare car"]),
        (json!({ "license_plate_event_number": "AB123CD" }), &["plate"]),
        (json!({ "type_in": ["car"], "camera_in": [12], "matched": true, "bs_type_in": ["overall"], "orientation": { "name": "front" } }), KNOWN_CAR),
        (json!({ "type_in": ["face"], "license_plate_number": "AB123CD" }), &[]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_filter_lets_its_events_pass_and_no_others() {
    let lite = Lite::start(HERE).await;
    for (n, (filters, _)) in filters().iter().enumerate() {
        lite.make(&format!("f{n}"), filters.clone()).await;
    }
    lite.send(&posted()).await;
    lite.stream().await;
    lite.settled().await;
    let mut wrong = Vec::new();
    for (n, (filters, expected)) in filters().iter().enumerate() {
        let got = lite.got(&format!("f{n}"));
        if got != *expected {
            wrong.push(format!("{filters}: {got:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // FindFace's own document goes on, and what is made of another's event is one that camhook reads as FindFace's.
    let whole = lite
        .receiver
        .taken()
        .into_iter()
        .filter(|taken| taken.path == "/f0");
    let whole: Vec<Value> = whole
        .map(|taken| serde_json::from_slice(&taken.body).unwrap())
        .collect();
    for element in posted().as_array().unwrap() {
        assert!(whole.contains(&json!([element])), "{element}");
    }
    let made = whole
        .iter()
        .find(|body| body[0]["camhook"].is_object())
        .unwrap();
    assert_eq!(made[0]["object_type"], "car");
    assert_eq!(
        made[0]["features"]["license_plate_number"]["name"],
        "AB123CD"
    );
    lite.send(made).await;
    eventually("it is an event of FindFace's", async || {
        let events = lite.rows(&["events", "--limit", "1"]);
        events[0]["vendor"] == "findface" && events[0]["plates"][0]["text"] == "AB123CD"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_take_effect_at_once_and_nothing_undelivered_goes_astray() {
    let lite = Lite::start(HERE).await;
    let id = lite.make("first", json!({})).await;
    let path = format!("/v1/webhooks/{id}");
    lite.stream().await;
    lite.settled().await;
    assert_eq!(lite.got("first").len(), 1);

    // Another address and other filters: what was planned before goes to the new address.
    lite.receiver.always(Some(Answer::status(503)));
    lite.stream().await;
    lite.receiver.wait_for(2).await;
    let target = format!("{}/second", lite.receiver.url());
    let body = json!({ "name": "second", "target": target, "filters": { "type_in": ["face"] } });
    let (status, changed) = lite.call("PUT", &path, body).await;
    assert_eq!(
        (status, &changed["send_attempts"]),
        (200, &json!(0)),
        "what PUT leaves out is the default"
    );
    lite.receiver.always(None);
    lite.settled().await;
    assert_eq!(lite.got("second"), ["stream car"]);
    lite.stream().await;
    lite.send(&posted()).await;
    lite.settled().await;
    assert_eq!(
        lite.got("second"),
        ["bare face", "edge face", "known face", "stream car"]
    );

    // Inactive: nothing is planned, and what is not delivered waits.
    lite.receiver.always(Some(Answer::status(503)));
    let before = lite.receiver.requests();
    lite.send(&json!([posted()[0]])).await;
    lite.receiver.wait_for(before + 1).await;
    let (status, changed) = lite.call("PATCH", &path, json!({ "active": false })).await;
    assert_eq!(
        (status, &changed["active"], &changed["name"]),
        (200, &json!(false), &json!("second"))
    );
    lite.receiver.always(None);
    let planned = lite.deliveries().len();
    let before = lite.receiver.requests();
    lite.send(&json!([posted()[1]])).await;
    tokio::time::sleep(Duration::from_secs(4)).await; // longer than the first wait of a retry
    assert_eq!(
        (lite.deliveries().len(), lite.receiver.requests()),
        (planned, before)
    );
    assert_eq!(lite.rows(&["deliveries", "--fate", "pending"]).len(), 1);
    lite.call("PATCH", &path, json!({ "active": true })).await;
    lite.settled().await;
    assert_eq!(
        lite.got("second")
            .iter()
            .filter(|who| *who == "known face")
            .count(),
        3,
        "told twice when asked again, and once"
    );

    // Deleted: what is not delivered ends as dead, and says why.
    lite.receiver.always(Some(Answer::status(503)));
    let before = lite.receiver.requests();
    lite.send(&posted()).await;
    lite.receiver.wait_for(before + 3).await;
    assert_eq!(
        lite.call("DELETE", &format!("{path}/"), Value::Null).await,
        (204, Value::Null)
    );
    assert_eq!(lite.call("GET", &path, Value::Null).await.0, 404);
    assert_eq!(lite.call("DELETE", &path, Value::Null).await.0, 404);
    eventually("the rest is dead", async || {
        let dead = lite.rows(&["deliveries", "--fate", "dead"]);
        let told = |delivery: &&Value| {
            delivery["attempts"]
                .to_string()
                .contains("the webhook was deleted")
        };
        dead.iter().filter(told).count() == 3
    })
    .await;
    eventually("nothing is left of it", async || {
        let file = std::fs::read_to_string(lite.folder.path().join("data/webhooks.json")).unwrap();
        serde_json::from_str::<Value>(&file).unwrap()["leaving"] == json!([])
    })
    .await;
    lite.receiver.always(None);
    assert_eq!(
        lite.make("third", json!({})).await,
        id + 1,
        "a number is given once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_is_dropped_while_webhooks_come_and_go() {
    let lite = Lite::start(HERE).await;
    lite.make("steady", json!({ "type_in": ["car"] })).await;
    let changing = async {
        for n in 0..10 {
            let id = lite
                .make(&format!("other{n}"), json!({ "camera_in": n }))
                .await;
            if n % 2 == 0 {
                lite.call(
                    "PATCH",
                    &format!("/v1/webhooks/{id}"),
                    json!({ "filters": {} }),
                )
                .await;
            } else {
                lite.call("DELETE", &format!("/v1/webhooks/{id}"), Value::Null)
                    .await;
            }
        }
    };
    let sending = async {
        for n in 0..100 {
            let (kind, body) = form_event(n);
            let sent = client()
                .post(&lite.camhook.url)
                .header("content-type", kind)
                .body(body);
            assert_eq!(sent.send().await.unwrap().status(), 200);
        }
    };
    tokio::join!(changing, sending);
    lite.settled().await;
    let taken = lite.receiver.taken();
    let steady = taken.iter().filter(|taken| taken.path == "/steady");
    let keys: BTreeSet<&str> = steady.map(|taken| taken.key()).collect();
    assert_eq!(keys.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_kill_9_at_any_moment() {
    let mut lite = Lite::start(HERE).await;
    let mut known: BTreeMap<u64, String> = BTreeMap::new();
    for round in 0..8_u64 {
        let admin = lite.camhook.admin.clone();
        let token = lite.token.clone();
        let target = format!("{}/in", lite.receiver.url());
        let mine = known.clone();
        // Makes, renames and deletes until camhook is gone; returns what it knows, and what it was about to do.
        #[expect(clippy::disallowed_methods, reason = "the test's own client")]
        let runner = tokio::spawn(async move {
            let mut known = mine;
            for n in 0.. {
                let name = format!("r{round} n{n}");
                let oldest = known.keys().next().copied().filter(|_| known.len() > 5);
                let (method, path, body) = match (n % 3, oldest) {
                    (1, Some(id)) => ("DELETE", format!("/v1/webhooks/{id}"), Value::Null),
                    (2, Some(id)) => (
                        "PATCH",
                        format!("/v1/webhooks/{id}"),
                        json!({ "name": name }),
                    ),
                    _ => (
                        "POST",
                        "/v1/webhooks/".to_owned(),
                        json!({ "name": name, "target": target, "active": n % 2 == 0 }),
                    ),
                };
                let verb = Method::from_bytes(method.as_bytes()).unwrap();
                let request = client()
                    .request(verb, format!("{admin}{path}"))
                    .bearer_auth(&token);
                let request = if body.is_null() {
                    request
                } else {
                    request.json(&body)
                };
                let doing = (method, oldest, name.clone());
                let Ok(answer) = request.send().await else {
                    return (known, doing);
                };
                let status = answer.status().as_u16();
                let Ok(text) = answer.text().await else {
                    return (known, doing);
                };
                assert!(
                    matches!(status, 200 | 201 | 204),
                    "{method} {path}: {status} {text}"
                );
                match (method, oldest) {
                    ("DELETE", Some(id)) => drop(known.remove(&id)),
                    ("PATCH", Some(id)) => drop(known.insert(id, name)),
                    _ => {
                        let made: Value = serde_json::from_str(&text).unwrap();
                        known.insert(made["id"].as_u64().unwrap(), name);
                    }
                }
            }
            unreachable!("it goes on for ever")
        });
        tokio::time::sleep(Duration::from_millis(150 + 130 * round)).await;
        lite = lite.killed().await;
        let (acknowledged, (method, id, name)) = runner.await.unwrap();
        let (status, list) = lite.call("GET", "/v1/webhooks/", Value::Null).await;
        assert_eq!(status, 200, "{list}");
        let there: BTreeMap<u64, String> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|webhook| {
                (
                    webhook["id"].as_u64().unwrap(),
                    webhook["name"].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        // What it was about to do is done or not; everything else is as it was told.
        let mut done = acknowledged.clone();
        match (method, id) {
            ("DELETE", Some(id)) => drop(done.remove(&id)),
            ("PATCH", Some(id)) => drop(done.insert(id, name)),
            _ => {
                let new = there.keys().find(|id| !acknowledged.contains_key(id));
                done.extend(new.map(|id| (*id, name)));
            }
        }
        assert!(
            there == acknowledged || there == done,
            "{there:?} is neither {acknowledged:?} nor {done:?}"
        );
        known = there;
    }
    // And they work.
    lite.make("last", json!({})).await;
    lite.stream().await;
    lite.settled().await;
    assert_eq!(lite.got("last"), ["stream car"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_calls_permitted_hosts_only() {
    let listed = "{ hosts: [\"127.0.0.1:PORT\", \"localhost:PORT\"] }";
    let lite = Lite::start(listed).await;
    let port = lite.receiver.url().rsplit(':').next().unwrap().to_owned();
    for (target, why) in [
        (
            "http://169.254.169.254/latest/meta-data",
            "admin.findface.hosts",
        ),
        ("http://10.0.0.1/", "admin.findface.hosts"),
        ("http://[::1]:PORT/", "admin.findface.hosts"),
        ("http://2130706433:1/", "admin.findface.hosts"),
        ("http://127.0.0.1/", "admin.findface.hosts"),
        ("http://127.0.0.1:PORT@10.0.0.1/", "admin.findface.hosts"),
        ("http://example.com/", "admin.findface.hosts"),
        ("ftp://127.0.0.1:PORT/", "http"),
    ] {
        let target = target.replace("PORT", &port);
        let body = json!({ "name": "x", "target": target });
        let (status, told) = lite.call("POST", "/v1/webhooks/", body).await;
        assert_eq!(
            (status, &told["detail"][0]["loc"]),
            (422, &json!(["body", "target"])),
            "{target} {told}"
        );
        assert!(
            told["detail"][0]["msg"].as_str().unwrap().contains(why),
            "{told}"
        );
    }
    // The same number, written otherwise.
    let body = json!({ "name": "x", "target": format!("http://2130706433:{port}/number") });
    assert_eq!(lite.call("POST", "/v1/webhooks/", body).await.0, 201);
    // A listed name whose address is not public, which is seen when it is connected to.
    let body = json!({ "name": "x", "target": format!("http://localhost:{port}/by-name"), "send_attempts": 1 });
    assert_eq!(lite.call("POST", "/v1/webhooks/", body).await.0, 201);
    lite.stream().await;
    eventually("both were tried", async || {
        let deliveries = lite.deliveries();
        deliveries.len() == 2
            && deliveries
                .iter()
                .all(|one| !one["attempts"].as_array().unwrap().is_empty())
    })
    .await;
    let paths: Vec<String> = lite
        .receiver
        .taken()
        .into_iter()
        .map(|taken| taken.path)
        .collect();
    assert_eq!(paths, ["/number"]);
    let refused = lite
        .deliveries()
        .into_iter()
        .find(|one| one["target"] == "webhook-2")
        .unwrap();
    assert!(
        refused["attempts"].to_string().contains("networks"),
        "{refused}"
    );

    // With the networks it is reached, also by what waited.
    let networks =
        "{ hosts: [\"127.0.0.1:PORT\", \"localhost:PORT\"], networks: [127.0.0.0/8, \"::1\"] }";
    write(lite.folder.path(), &lite.receiver, networks);
    lite.camhook.signal("HUP");
    eventually("the name is reached", async || {
        lite.stream().await;
        lite.receiver
            .taken()
            .iter()
            .any(|taken| taken.path == "/by-name")
    })
    .await;

    // A host that is taken out is called no more, and the webhook is kept.
    write(
        lite.folder.path(),
        &lite.receiver,
        "{ hosts: [elsewhere.example] }",
    );
    lite.camhook.signal("HUP");
    eventually("its target is gone", async || {
        let targets = lite.rows(&["targets"]);
        targets.iter().all(|target| target["configured"] == false)
    })
    .await;
    let (_, list) = lite.call("GET", "/v1/webhooks/", Value::Null).await;
    assert_eq!(list.as_array().unwrap().len(), 2);
    let (status, told) = lite
        .call("PATCH", "/v1/webhooks/1", json!({ "name": "y" }))
        .await;
    assert_eq!(status, 422, "{told}");
    assert_eq!(
        lite.call("PATCH", "/v1/webhooks/1", json!({ "active": false }))
            .await
            .0,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_writes_is_no_template_and_takes_nothing_from_the_environment() {
    let lite = Lite::start(HERE).await;
    let target = format!(
        "{}/t/{{{{ event.id }}}}?a=${{ANNA}}&b={{{{ 7 * 7 }}}}",
        lite.receiver.url()
    );
    let body = json!({ "name": "${ANNA} {{ event }}", "target": target, "filters": { "camera_in": ["${ANNA}", "cam-*"] } });
    let (status, made) = lite.call("POST", "/v1/webhooks/", body.clone()).await;
    assert_eq!(
        (status, &made["target"], &made["name"]),
        (201, &body["target"], &body["name"])
    );
    lite.stream().await;
    lite.settled().await;
    let taken = lite.receiver.taken();
    let path = &taken[0].path;
    assert!(
        path.contains("%7B%7B") && path.contains("event.id") && !path.contains("49"),
        "{path}"
    );
    assert!(path.contains("ANNA") && !path.contains(ANNA), "{path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_told_so_in_the_words_of_such_clients() {
    let lite = Lite::start("{ hosts: [\"127.0.0.1:PORT\"], most: 2 }").await;
    let admin = lite.camhook.admin.clone();
    let (status, told) = log_in(&admin, "anna", "wrong").await.unwrap_err();
    assert_eq!(
        (status.as_u16(), &told["detail"]),
        (401, &json!("wrong name or password"))
    );
    let answer = client()
        .post(format!("{admin}/v1/auth/login"))
        .json(&json!({ "username": "anna" }));
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.status(), 422);
    let told: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(
        told,
        json!({ "detail": [{ "loc": ["body", "password"], "msg": "field required", "type": "value_error.missing" }] })
    );

    for token in ["", "nobody's", &format!("{}x", lite.token)] {
        let (status, told) = call(&admin, token, "GET", "/v1/webhooks/", Value::Null).await;
        assert_eq!((status, told["detail"].is_string()), (401, true), "{told}");
    }
    // Who may only look sees what is there, but not where it goes: the address may hold a token.
    let body = json!({ "name": "x", "target": format!("{}/in?token=abcdef", lite.receiver.url()) });
    assert_eq!(lite.call("POST", "/v1/webhooks", body.clone()).await.0, 201);
    let reader = log_in(&admin, "rita", RITA).await.unwrap();
    let (status, list) = call(&admin, &reader, "GET", "/v1/webhooks/", Value::Null).await;
    assert_eq!(
        (status, &list[0]["target"]),
        (200, &json!(format!("{}/***", lite.receiver.url())))
    );
    let (status, told) = call(&admin, &reader, "POST", "/v1/webhooks/", body.clone()).await;
    assert_eq!((status, told["detail"].is_string()), (403, true), "{told}");
    // The same token is good for the rest of the API, as far as its user is.
    assert_eq!(
        call(&admin, &reader, "GET", "/api/v1/events", Value::Null)
            .await
            .0,
        200
    );
    assert_eq!(
        call(&admin, &reader, "GET", "/api/v1/config", Value::Null)
            .await
            .0,
        403
    );

    let (status, told) = lite
        .call(
            "POST",
            "/v1/webhooks/",
            json!({ "name": "", "filters": { "yaw_lte": "x" } }),
        )
        .await;
    let ways: Vec<&Value> = told["detail"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| &fault["loc"])
        .collect();
    assert_eq!(status, 422);
    assert_eq!(
        ways,
        [
            &json!(["body", "name"]),
            &json!(["body", "target"]),
            &json!(["body", "filters", "yaw_lte"])
        ]
    );
    for (method, path, expected) in [
        ("GET", "/v1/webhooks/99", 404),
        ("GET", "/v1/webhooks/x", 404),
        ("POST", "/v1/webhooks/1", 405),
        ("GET", "/v1/cameras/", 404),
    ] {
        let (status, told) = lite.call(method, path, json!({})).await;
        assert_eq!(
            (status, told["detail"].is_string()),
            (expected, true),
            "{path} {told}"
        );
    }
    assert_eq!(lite.call("POST", "/v1/webhooks", body.clone()).await.0, 201);
    let (status, told) = lite.call("POST", "/v1/webhooks", body).await;
    assert_eq!(status, 409);
    assert!(
        told["detail"]
            .as_str()
            .unwrap()
            .contains("admin.findface.most"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_hurts_webhooks_alone_and_can_be_mended() {
    let lite = Lite::start(HERE).await;
    lite.make("kept", json!({})).await;
    let file = lite.folder.path().join("data/webhooks.json");
    let whole = std::fs::read(&file).unwrap();
    let mut copying = camhook_command(lite.folder.path());
    copying.args(["store", "backup", "copy"]);
    let copied = copying.envs(environment()).output().unwrap();
    assert!(copied.status.success(), "{copied:?}");
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let lite = lite.killed().await;
    lite.stream().await;
    let (status, told) = lite.call("GET", "/v1/webhooks/", Value::Null).await;
    assert_eq!(status, 503);
    assert!(
        told["detail"]
            .as_str()
            .unwrap()
            .contains("webhooks.json is damaged"),
        "{told}"
    );
    let body = json!({ "name": "x", "target": format!("{}/in", lite.receiver.url()) });
    assert_eq!(
        lite.call("POST", "/v1/webhooks/", body).await.0,
        503,
        "it would take the place of what may be mended"
    );
    let copy = lite.folder.path().join("copy/webhooks.json");
    assert_eq!(std::fs::read(&copy).unwrap(), whole);
    std::fs::copy(&copy, &file).unwrap();
    lite.camhook.signal("HUP");
    eventually("they are there again", async || {
        lite.call("GET", "/v1/webhooks/1", Value::Null).await.0 == 200
    })
    .await;
    lite.stream().await;
    lite.settled().await;
    assert_eq!(lite.got("kept"), ["stream car"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_there_is_no_such_interface() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), "log: { level: error }\n");
    for (method, path) in [
        ("POST", "/v1/auth/login"),
        ("GET", "/v1/webhooks/"),
        ("POST", "/v1/webhooks/"),
        ("DELETE", "/v1/webhooks/1"),
        ("GET", "/v1/auth/login"),
    ] {
        let (status, told) = call(&camhook.admin, "x", method, path, json!({})).await;
        assert_eq!(
            (status, told["detail"].is_string()),
            (404, true),
            "{method} {path} {told}"
        );
    }
    let index = client()
        .get(format!("{}/", camhook.admin))
        .send()
        .await
        .unwrap();
    assert!(!index.text().await.unwrap().contains("/v1/webhooks"));
}

#[test]
fn names_of_webhooks_are_kept_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = "admin: { findface: { hosts: [a.example], most: 0, networks: [x] } }\ntargets: { webhook-1: { log: {} } }\nroutes: [{ name: webhook-2 faces, to: [webhook-1] }]\n";
    std::fs::write(folder.path().join("routes.yaml"), yaml).unwrap();
    let checked = camhook_command(folder.path())
        .arg("check")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert_eq!(checked.status.code(), Some(2), "{told}");
    for part in [
        "`webhook-1` is a name that webhooks have",
        "`webhook-2 faces` is a name",
        "expected 1 to 1000",
        "`x` is no network",
    ] {
        assert!(told.contains(part), "{told}");
    }
}
