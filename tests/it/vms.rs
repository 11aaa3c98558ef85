//! Presets against systems that behave as the real ones do: logins, sessions that end, failures inside of a 200.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::harness::{
    Answer, Process, Receiver, Taken, Within, camhook_command, client, eventually, form_event,
    multipart_event,
};

const SERVER: &str = "{7d0c5a52-5d4f-4f6b-8f5b-1b6d1e2a3c44}";
const CAMERA: &str = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";

/// Nx Witness: sessions with a token, bookmarks of its cameras, errors with an `errorId`.
#[derive(Clone, Default)]
struct Nx(Arc<Mutex<NxState>>);

#[derive(Default)]
struct NxState {
    logins: usize,
    sessions: HashSet<String>,
    bookmarks: Vec<Value>,
    events: Vec<Value>,
    /// The next bookmark is answered so: status and `errorId`.
    refuses: Option<(u16, &'static str)>,
}

impl Nx {
    async fn receiver(&self) -> Receiver {
        let nx = self.clone();
        Receiver::that(move |request| nx.answer(request)).await
    }

    fn state(&self) -> std::sync::MutexGuard<'_, NxState> {
        self.0.lock().unwrap()
    }

    fn answer(&self, request: &Taken) -> Answer {
        let mut state = self.state();
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let ways: Vec<&str> = request.path.split('/').skip(3).collect();
        if (&request.method[..], &ways[..]) == ("POST", &["login", "sessions"]) {
            if body["username"] != "camhook" || body["password"] != "correct horse" {
                return refusal(401, "unauthorized");
            }
            assert_eq!(body["setCookie"], false);
            state.logins += 1;
            let token = format!("vms-{}", state.logins);
            state.sessions.insert(token.clone());
            let answer = json!({ "id": token, "username": "camhook", "token": token, "ageS": 0, "expiresInS": 2_592_000 });
            return Answer::status(200).body(&answer.to_string());
        }
        let token = request.headers.get("authorization");
        let token = token.and_then(|text| text.strip_prefix("Bearer "));
        let Some(token) = token.filter(|token| state.sessions.contains(*token)) else {
            return refusal(403, "sessionExpired");
        };
        match (&request.method[..], &ways[..]) {
            ("DELETE", ["login", "sessions", ended]) => {
                assert_eq!(token, *ended);
                state.sessions.remove(*ended);
                Answer::status(200)
            }
            ("GET", ["servers", ""]) => Answer::status(200)
                .body(&json!([{ "id": SERVER }, { "id": "{another}" }]).to_string()),
            ("GET", ["devices"]) => {
                let devices = json!([{ "id": format!("{{{CAMERA}}}"), "name": "Gate" }]);
                Answer::status(200).body(&devices.to_string())
            }
            ("POST", ["devices", camera, "bookmarks"]) => {
                if let Some((status, error)) = state.refuses.take() {
                    return refusal(status, error);
                }
                if *camera != CAMERA {
                    return refusal(404, "notFound");
                }
                let missing = ["name", "startTimeMs", "durationMs"];
                if missing.iter().any(|name| body[name].is_null()) {
                    return refusal(422, "missingParameter");
                }
                state.bookmarks.push(body.clone());
                Answer::status(200).body(&body.to_string())
            }
            ("POST", ["events", "generic"]) => {
                state.events.push(body);
                Answer::status(200).body("{}")
            }
            _ => refusal(404, "notFound"),
        }
    }
}

fn refusal(status: u16, error: &str) -> Answer {
    let body = json!({ "error": "13", "errorId": error, "errorString": "as the server says it" });
    Answer::status(status).body(&body.to_string())
}

fn routes(preset: &str, with: &Value, more: &str) -> String {
    format!(
        "targets:\n  vms: {{ preset: {preset}, with: {with}{more} }}\nroutes:\n  - {{ name: all, each: plate, to: [vms] }}\n"
    )
}

fn nx_with(receiver: &Receiver) -> Value {
    json!({ "url": receiver.url(), "username": "camhook", "password": "correct horse", "cameras": { "*": format!("{{{}}}", CAMERA.to_uppercase()) } })
}

async fn send(camhook: &Process, n: usize) {
    let (kind, body) = form_event(n);
    let request = client().post(&camhook.url).header("content-type", kind);
    assert_eq!(request.body(body).send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_events_at_an_ended_nx_session_make_one_login_and_a_hundred_bookmarks() {
    let nx = Nx::default();
    let receiver = nx.receiver().await;
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(
        folder.path(),
        &routes("nx-witness", &nx_with(&receiver), ", concurrency: 16"),
    );
    send(&camhook, 0).await;
    eventually("the first bookmark", async || {
        nx.state().bookmarks.len() == 1
    })
    .await;
    nx.state().sessions.clear();
    for n in 1..=100 {
        send(&camhook, n).await;
    }
    eventually("all bookmarks", async || nx.state().bookmarks.len() == 101).await;
    eventually("all are delivered", async || {
        camhook
            .rows(&["deliveries", "--fate", "delivered", "--limit", "0"])
            .len()
            == 101
    })
    .await;
    assert_eq!(nx.state().logins, 2);
    let bookmark = nx.state().bookmarks[0].clone();
    assert_eq!(bookmark["durationMs"], 5000);
    assert_eq!(bookmark["tags"], json!(["camhook"]));
    assert!(bookmark["startTimeMs"].is_u64() && bookmark["serverId"].is_null());
    camhook.stop();
    assert!(nx.state().sessions.is_empty(), "it logged out");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_imported_for_nx_logs_in_once_makes_the_middlewares_bookmarks_and_logs_out() {
    let nx = Nx::default();
    let receiver = nx.receiver().await;
    let folder = tempfile::tempdir().unwrap();
    let env = format!(
        "MIDDLEWARE_NAME=nx\nSERVER_HOST={}\nLOGIN=camhook\nPASSWORD=correct horse\nSSL=no\n",
        receiver.url()
    );
    std::fs::write(folder.path().join("old.env"), env).unwrap();
    let output = camhook_command(folder.path())
        .args(["import", "--env", "old.env"])
        .output()
        .unwrap();
    let routes = String::from_utf8(output.stdout).unwrap();
    let routes = routes.replace(
        "server: { listen: 0.0.0.0:8002 }",
        "server: { listen: 127.0.0.1:0 }",
    );
    std::fs::write(
        folder.path().join("routes.yaml"),
        format!("{routes}\nadmin: {{ listen: 127.0.0.1:0 }}\n"),
    )
    .unwrap();
    let password = ("PASSWORD".to_owned(), "correct horse".to_owned());
    let camhook = Process::start_with(folder.path(), &[password]);
    for n in 0..10 {
        let (kind, body) = form_event(n);
        let request = client().post(format!("{}/", camhook.url));
        let request = request
            .header("content-type", kind)
            .header("camera-id", CAMERA);
        assert_eq!(request.body(body).send().await.unwrap().status(), 200);
    }
    eventually("all bookmarks", async || nx.state().bookmarks.len() == 10).await;
    let bookmark = nx.state().bookmarks[0].clone();
    assert_eq!(bookmark["serverId"], SERVER);
    assert_eq!(
        (&bookmark["description"], &bookmark["creationTimeMs"]),
        (&json!(""), &json!(0))
    );
    assert_eq!(bookmark["tags"], json!(["Stream"]));
    assert_eq!(nx.state().logins, 1);
    camhook.stop();
    assert!(nx.state().sessions.is_empty(), "it logged out");
}

/// What became of one event, with the answer of the system and camhook's reason.
async fn fate(preset: &str, with: &Value) -> (String, String) {
    let camhook = Within::start(&routes(preset, with, "")).await;
    let (kind, body) = multipart_event(1);
    camhook.post(&kind, body).await;
    let deliveries = camhook.get("/api/v1/deliveries").await;
    let attempt = &deliveries[0]["attempts"][0];
    let fate = camhook.fates().await.remove(0);
    (fate, format!("{} {}", attempt["status"], attempt["error"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nx_answers_means_what_its_error_says() {
    let cases = [
        (401, "unauthorized", "delivered"),
        (403, "sessionRequired", "delivered"),
        (403, "sessionTruncated", "delivered"),
        (403, "serviceUnauthorized", "pending"),
        (403, "forbidden", "held"),
        (422, "invalidParameter", "dead"),
        (422, "cantProcessRequest", "pending"),
        (400, "badRequest", "dead"),
        (404, "notFound", "dead"),
        (409, "conflict", "dead"),
        (501, "notImplemented", "dead"),
        (500, "internalServerError", "pending"),
        (503, "serviceUnavailable", "pending"),
    ];
    for (status, error, expected) in cases {
        let nx = Nx::default();
        let receiver = nx.receiver().await;
        nx.state().refuses = Some((status, error));
        let (fate, told) = fate("nx-witness", &nx_with(&receiver)).await;
        assert_eq!(fate, expected, "{status} {error}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nx_in_its_fourth_version_takes_bookmarks_and_events() {
    let nx = Nx::default();
    let receiver = nx.receiver().await;
    let mut with = nx_with(&receiver);
    with["api"] = json!("v4");
    assert_eq!(fate("nx-witness", &with).await.0, "delivered");
    with["mode"] = json!("event");
    assert_eq!(fate("nx-witness", &with).await.0, "delivered");
    let state = nx.state();
    assert_eq!((state.bookmarks.len(), state.events.len()), (1, 1));
    assert_eq!(state.events[0]["deviceIds"], json!([CAMERA]));
    assert!(
        receiver
            .taken()
            .iter()
            .all(|one| one.path.starts_with("/rest/v4/"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_holds_and_a_wrong_camera_is_told_before_and_after() {
    let nx = Nx::default();
    let receiver = nx.receiver().await;
    let mut with = nx_with(&receiver);
    let check = async |with: &Value| {
        let folder = tempfile::tempdir().unwrap();
        let text = routes("nx-witness", with, "");
        std::fs::write(folder.path().join("routes.yaml"), text).unwrap();
        let output = tokio::task::spawn_blocking(move || {
            camhook_command(folder.path())
                .args(["check", "--connect"])
                .output()
                .unwrap()
        });
        let output = output.await.unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(told).unwrap())
    };
    let (fine, told) = check(&with).await;
    assert!(fine && told.contains("knows the cameras"), "{told}");

    with["cameras"] = json!({ "*": "00000000-0000-0000-0000-000000000001" });
    let (fine, told) = check(&with).await;
    assert!(!fine && told.contains("has no camera"), "{told}");
    let (became, told) = fate("nx-witness", &with).await;
    assert_eq!(became, "dead");
    assert!(told.contains("with.cameras"), "{told}");

    with["password"] = json!("a wrong one");
    let (fine, told) = check(&with).await;
    assert!(!fine && told.contains("401"), "{told}");
    assert!(!told.contains("a wrong one"), "{told}");
    let logins = receiver.requests();
    let (became, _) = fate("nx-witness", &with).await;
    assert_eq!((became.as_str(), receiver.requests()), ("held", logins + 1));
}

/// A system that gives one answer to all that is not a login, and what became of an event.
async fn answered(preset: &str, with: &Value, answer: Answer) -> (String, String) {
    let receiver = Receiver::that(move |request| match &request.path[..] {
        "/api/login" => Answer::status(200).header("set-cookie", "frigate_token=jwt; HttpOnly"),
        "/api/host/login.json" => Answer::status(200)
            .body(r#"{"access_token":"t","access_token_expires":3600,"refresh_token":"r"}"#),
        _ => answer.clone(),
    })
    .await;
    let mut with = with.clone();
    let url = receiver.url();
    match with["url"].is_null() {
        true => with["cameras"] = json!({ "*": url }),
        false => with["url"] = json!(url),
    }
    fate(preset, &with).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_system_is_understood_too() {
    let login = json!({ "url": "x", "username": "root", "password": "correct horse", "cameras": { "*": "3" } });
    let camera = json!({ "username": "root", "password": "correct horse" });
    let open = json!({ "url": "x" });
    let cameras = json!({ "url": "x", "cameras": { "*": "gate" } });
    let keys = json!({ "url": "x", "access_key_id": "AKIAEXAMPLE", "secret_access_key": "wJalrXUtnFEMIK7" });
    let status = |code: u8| {
        format!(
            "<ResponseStatus><statusCode>{code}</statusCode><statusString>so</statusString></ResponseStatus>"
        )
    };
    let config = |status: &str, code: u16| {
        format!(
            "<?xml version=\"1.0\"?><config status=\"{status}\" errorCode=\"{code}\" errorDesc=\"x\"/>"
        )
    };
    let record = |code: Value| {
        json!({ "offsets": [{ "partition": 0, "offset": 1, "error_code": code, "error": null }] })
            .to_string()
    };
    let s3 = |code: &str| format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
    let nx = |error: &str| json!({ "error": error, "errorString": "x" }).to_string();
    let cases = [
        ("salient", &login, 200, String::new(), "delivered"),
        ("salient", &login, 401, String::new(), "held"),
        ("salient", &login, 404, String::new(), "dead"),
        ("salient", &login, 429, String::new(), "pending"),
        ("nx-witness-4", &login, 200, nx("0"), "delivered"),
        ("nx-witness-4", &login, 200, nx("3"), "dead"),
        ("frigate", &login, 404, r#"{"success":false,"message":"not a valid camera"}"#.to_owned(), "dead"),
        ("frigate", &login, 404, r#"{"success":false,"message":"Event not found"}"#.to_owned(), "pending"),
        ("frigate", &login, 200, r#"{"success":true,"event_id":"1.5-a"}"#.to_owned(), "delivered"),
        ("frigate", &login, 200, r#"{"success":false,"event_id":"1.5-a"}"#.to_owned(), "dead"),
        ("frigate", &login, 422, String::new(), "dead"),
        ("frigate-internal", &cameras, 404, r#"{"success":false,"message":"not a valid camera"}"#.to_owned(), "dead"),
        ("frigate-internal", &cameras, 404, r#"{"success":false,"message":"Event not found"}"#.to_owned(), "pending"),
        ("frigate-internal", &cameras, 200, r#"{"success":true,"event_id":"1.5-a"}"#.to_owned(), "delivered"),
        ("frigate-internal", &cameras, 200, r#"{"success":false,"event_id":"1.5-a"}"#.to_owned(), "dead"),
        ("zoneminder", &login, 200, r#"{"status":"ok"}"#.to_owned(), "delivered"),
        ("zoneminder", &login, 404, String::new(), "dead"),
        ("zoneminder", &login, 401, String::new(), "held"),
        ("hikvision-gate", &camera, 200, status(1), "delivered"),
        ("hikvision-gate", &camera, 200, status(2), "pending"),
        ("hikvision-gate", &camera, 200, status(4), "dead"),
        ("hikvision-gate", &camera, 401, String::new(), "held"),
        ("axis-virtual-input", &camera, 200, "<Success/>".to_owned(), "delivered"),
        ("axis-virtual-input", &camera, 200, "<Response><Error>x</Error></Response>".to_owned(), "dead"),
        ("axis-virtual-input", &camera, 401, String::new(), "held"),
        ("viewtron-plates", &camera, 200, config("success", 0), "delivered"),
        ("viewtron-plates", &camera, 200, config("failed", 203), "delivered"),
        ("viewtron-plates", &camera, 400, config("failed", 202), "dead"),
        ("viewtron-plates", &camera, 200, config("failed", 16), "dead"),
        ("viewtron-plates", &camera, 200, config("failed", 7), "pending"),
        ("viewtron-plates", &camera, 400, config("failed", 1), "held"),
        ("viewtron-plates", &camera, 200, "<config><licensePlatesReply><item><index>1</index><errorCode type=\"uint32\">203</errorCode></item></licensePlatesReply></config>".to_owned(), "delivered"),
        ("viewtron-plates", &camera, 200, "<config><licensePlatesReply><item><index>1</index><errorCode>207</errorCode></item></licensePlatesReply></config>".to_owned(), "held"),
        ("s3", &keys, 200, String::new(), "delivered"),
        ("s3", &keys, 412, s3("PreconditionFailed"), "delivered"),
        ("s3", &keys, 503, s3("SlowDown"), "pending"),
        ("s3", &keys, 400, s3("RequestTimeout"), "pending"),
        ("s3", &keys, 403, s3("SignatureDoesNotMatch"), "held"),
        ("s3", &keys, 301, s3("PermanentRedirect"), "held"),
        ("s3", &keys, 400, s3("EntityTooLarge"), "dead"),
        ("kafka", &open, 200, record(Value::Null), "delivered"),
        ("kafka", &open, 200, record(json!(2)), "pending"),
        ("kafka", &open, 200, record(json!(1)), "dead"),
        ("kafka", &open, 404, json!({ "error_code": 40401 }).to_string(), "held"),
        ("kafka", &open, 422, json!({ "error_code": 42201 }).to_string(), "dead"),
    ];
    let mut wrong = Vec::new();
    for (preset, with, status, body, expected) in cases {
        let (fate, told) = answered(preset, with, Answer::status(status).body(&body)).await;
        if fate != expected {
            wrong.push(format!("{preset}: {status} {body}: {fate}: {told}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_is_opened_by_digest_and_an_input_is_set_and_cleared() {
    let challenge = "Digest realm=\"cam\", qop=\"auth\", algorithm=MD5, nonce=\"n1\"";
    let receiver = Receiver::that(move |request| {
        let proof = request.headers.get("authorization");
        match proof.is_some_and(|proof| proof.starts_with("Digest username=\"root\"")) {
            true => Answer::status(200)
                .body("<ResponseStatus><statusCode>1</statusCode></ResponseStatus>"),
            false => Answer::status(401).header("www-authenticate", challenge),
        }
    })
    .await;
    let with = json!({ "username": "root", "password": "correct horse", "cameras": { "*": receiver.url() } });
    assert_eq!(fate("hikvision-gate", &with).await.0, "delivered");
    let gate = receiver.taken().pop().unwrap();
    assert_eq!(
        (&gate.method[..], &gate.path[..]),
        ("PUT", "/ISAPI/Parking/channels/1/barrierGate")
    );
    assert!(String::from_utf8_lossy(&gate.body).contains("<ctrlMode>open</ctrlMode>"));

    let before = receiver.requests();
    assert_eq!(fate("axis-virtual-input", &with).await.0, "delivered");
    let taken = receiver.taken().split_off(before);
    let good = taken.iter().filter(|one| one.answered == 200);
    let paths: Vec<&str> = good
        .map(|one| one.path.split('?').next().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "/axis-cgi/virtualinput/activate.cgi",
            "/axis-cgi/virtualinput/deactivate.cgi"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_in_frigate_is_made_once_though_its_plate_fails_at_first() {
    let tries = Arc::new(Mutex::new(0));
    let receiver = Receiver::that(move |request| match &request.path[..] {
        "/api/login" => Answer::status(200).header("set-cookie", "frigate_token=jwt; HttpOnly"),
        "/api/events/gate/car/create" => {
            assert_eq!(request.headers["authorization"], "Bearer jwt");
            Answer::status(200).body(r#"{"success":true,"event_id":"1.5-a"}"#)
        }
        _ => {
            let mut tries = tries.lock().unwrap();
            *tries += 1;
            Answer::status(if *tries == 1 { 503 } else { 200 })
        }
    })
    .await;
    let with = json!({ "url": receiver.url(), "username": "root", "password": "correct horse", "cameras": { "*": "gate" } });
    let camhook = Within::start(&routes("frigate", &with, "")).await;
    let (kind, body) = multipart_event(1);
    camhook.post(&kind, body).await;
    assert_eq!(camhook.fates().await, ["pending"]);
    camhook.advance(10.0).await;
    assert_eq!(camhook.fates().await, ["delivered"]);
    let taken = receiver.taken();
    let created = taken.iter().filter(|one| one.path.ends_with("/create"));
    assert_eq!(created.count(), 1);
    assert_eq!(
        taken.last().unwrap().path,
        "/api/events/1.5-a/recognized_license_plate"
    );
}
