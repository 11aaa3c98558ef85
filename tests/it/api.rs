//! The API against its own description: by schemathesis, by every event that there is, and by hand where a description
//! says too little.
//!
//! The suite's run of schemathesis is short; `CAMHOOK_API_EXAMPLES` and `CAMHOOK_API_SEED` change it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::durability::number;
use crate::harness::{Answer, Process, Receiver, client, eventually, python, recognition};

const TOKEN: &str = "token-of-the-tests";

/// A camhook with something of everything in it: events of every fixture, deliveries that are delivered, dead and held,
/// requests in quarantine, something forgotten, and lists.
struct House {
    camhook: Process,
    folder: tempfile::TempDir,
    client: Client,
    _receivers: [Receiver; 2],
}

impl House {
    async fn furnished() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let answering = |status| Receiver::that(move |_| Answer::status(status));
        let receivers = [answering(400).await, answering(401).await];
        fs::write(folder.path().join("residents.csv"), "plate\nAB123\n").unwrap();
        let routes = format!(
            "server: {{ listen: 127.0.0.1:0 }}\n\
             admin:\n  listen: 127.0.0.1:0\n  tokens: {{ t: {{ token: {TOKEN}, scopes: [admin] }} }}\n\
             log: {{ level: error }}\n\
             lists: {{ residents: {{ csv: residents.csv, key: plate }} }}\n\
             targets:\n  log: {{ jsonl: log.jsonl }}\n\
             \x20 dead: {{ http: {{ url: \"{}\", json: {{}} }}, retry: {{ attempts: 1 }} }}\n\
             \x20 held: {{ http: {{ url: \"{}\", json: {{}} }} }}\n\
             routes:\n  - {{ name: all, to: [log, dead, held] }}\n\
             \x20 - {{ name: none, when: \"event.kind == 'counting' and event.camera.id == 'x'\", to: [log] }}\n",
            receivers[0].url(),
            receivers[1].url(),
        );
        fs::write(folder.path().join("routes.yaml"), routes).unwrap();
        let camhook = Process::start_again(folder.path());
        let house = Self {
            camhook,
            folder,
            client: client(),
            _receivers: receivers,
        };
        house.furnish().await;
        house
    }

    async fn furnish(&self) {
        let mut sent = 0;
        for case in fixtures() {
            let (method, path, headers, body) =
                request(&fs::read(case.join("request.http")).unwrap());
            let url = format!("{}{path}", self.camhook.root());
            let request = self.client.request(method, url).headers(headers).body(body);
            sent += usize::from(request.send().await.unwrap().status().is_success());
        }
        assert!(sent > 50, "{sent}");
        for n in 0..3 {
            let url = format!("{}/", self.camhook.root());
            let broken = self.client.post(url).body(format!("no event {n} \0"));
            assert!(broken.send().await.unwrap().status().is_success());
        }
        let forgotten = json!({ "plate": "AB123CD" });
        let (status, _) = self.steer("/api/v1/forget", &forgotten).await;
        assert_eq!(status, 200);
        eventually("there are dead and held deliveries", async || {
            let dead = self.rows("/api/v1/deliveries?fate=dead").await;
            let held = self.rows("/api/v1/deliveries?fate=held").await;
            !dead.is_empty() && !held.is_empty()
        })
        .await;
        assert!(self.rows("/api/v1/quarantine").await.len() >= 3);
    }

    async fn ask(&self, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
        self.send(Method::GET, path, headers).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> reqwest::Response {
        let url = format!("{}{path}", self.camhook.admin);
        let mut request = self.client.request(method, url).bearer_auth(TOKEN);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn rows(&self, path: &str) -> Vec<Value> {
        let text = self.ask(path, &[]).await.text().await.unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    async fn steer(&self, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}{path}", self.camhook.admin);
        let request = self.client.post(url).bearer_auth(TOKEN);
        let request = request.header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        let status = answer.status().as_u16();
        (
            status,
            serde_json::from_str(&answer.text().await.unwrap()).unwrap(),
        )
    }

    /// Runs schemathesis with these arguments; what it says when something is wrong.
    fn schemathesis(&self, examples: &str, arguments: &[&str]) {
        let seed = number("CAMHOOK_API_SEED", 1).to_string();
        let mut command = Command::new(python());
        command.current_dir(self.folder.path());
        command.args(["-m", "schemathesis.cli", "--no-color", "run"]);
        command.arg(format!("{}/api/v1/openapi.json", self.camhook.admin));
        command.args([
            "--checks",
            "all",
            // Who guesses tokens is slowed down; tests of the login ask each route by everybody.
            "--exclude-checks",
            "ignored_auth",
            "--continue-on-failure",
            // A sample photo is drawn slowly without optimization.
            "--request-timeout",
            "60",
            "--max-response-time",
            "60",
            "--seed",
            &seed,
            "--max-examples",
            examples,
        ]);
        command.args([
            "--phases",
            "examples,coverage,fuzzing",
            "--suppress-health-check",
            "all",
        ]);
        command.args(["-H", &format!("Authorization: Bearer {TOKEN}")]);
        command.args(arguments);
        let output = command
            .output()
            .expect("test.sh has installed schemathesis");
        assert!(
            output.status.success(),
            "{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// Folders of requests with what they decode into, of all sources.
fn fixtures() -> Vec<PathBuf> {
    let inside = |folder: PathBuf| {
        let entries = fs::read_dir(folder).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.is_dir())
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sources");
    let mut cases: Vec<PathBuf> = inside(root)
        .flat_map(inside)
        .filter(|case| case.join("request.http").exists())
        .collect();
    cases.sort();
    cases
}

/// A request as it stands in a file.
fn request(bytes: &[u8]) -> (Method, String, HeaderMap, Vec<u8>) {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut head = httparse::Request::new(&mut headers);
    let body = head.parse(bytes).unwrap().unwrap();
    let told = head.headers.iter().filter(|header| {
        let name = header.name.to_ascii_lowercase();
        ![
            "host",
            "connection",
            "content-length",
            "transfer-encoding",
            "expect",
        ]
        .contains(&&*name)
    });
    let told = told.filter_map(|header| {
        let name: reqwest::header::HeaderName = header.name.parse().ok()?;
        Some((
            name,
            reqwest::header::HeaderValue::from_bytes(header.value).ok()?,
        ))
    });
    let method = head.method.unwrap().parse().unwrap();
    // Some are written as to a proxy.
    let path = head.path.filter(|path| path.starts_with('/'));
    let path = path.unwrap_or("/").to_owned();
    (method, path, told.collect(), bytes[body..].to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_what_its_description_says() {
    let house = House::furnished().await;
    let ids = |rows: &[Value]| {
        let ids = rows.iter().map(|row| row["id"].to_string());
        ids.take(200).collect::<Vec<_>>().join(", ")
    };
    let events = ids(&house.rows("/api/v1/events?limit=0").await);
    let unread = ids(&house.rows("/api/v1/quarantine").await);
    let deliveries = ids(&house.rows("/api/v1/deliveries").await);
    // Half of what is asked for is there.
    let config = format!(
        "[dictionaries]\nevents.values = [{events}]\nunread.values = [{unread}]\ndeliveries.values = [{deliveries}]\n\
         names.values = [\"log\", \"dead\", \"held\", \"residents\"]\nsmall.values = [0, 1, 2]\n\
         [parameters]\n\"path.id\" = {{ dictionary = \"events\", probability = 0.5 }}\n\
         \"path.n\" = {{ dictionary = \"small\", probability = 0.7 }}\n\
         \"path.name\" = {{ dictionary = \"names\", probability = 0.5 }}\n\
         \"query.event\" = {{ dictionary = \"events\", probability = 0.5 }}\n\
         [[operations]]\ninclude-path-regex = \"/quarantine/\"\n\
         parameters = {{ \"path.id\" = {{ dictionary = \"unread\", probability = 0.5 }} }}\n"
    );
    fs::write(house.folder.path().join("schemathesis.toml"), config).unwrap();
    let examples = number("CAMHOOK_API_EXAMPLES", 20).to_string();
    // What empties the store is asked last.
    let removes = "/purge$|/forget$";
    // The feed does not end.
    let exclude = format!("{removes}|/feed$");
    house.schemathesis(&examples, &["--exclude-path-regex", &exclude]);
    // A plate has a letter or digit in it, of any script: no pattern says that alike to everybody.
    let lenient = ["--exclude-checks", "ignored_auth,positive_data_acceptance"];
    house.schemathesis(
        "10",
        &[&["--include-path-regex", removes][..], &lenient].concat(),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_every_sender_are_as_described() {
    let house = House::furnished().await;
    let document = house
        .ask("/api/v1/openapi.json", &[])
        .await
        .text()
        .await
        .unwrap();
    let mut kept: Vec<Value> = Vec::new();
    for event in house.rows("/api/v1/events?limit=0").await {
        let path = format!("/api/v1/events/{}", event["id"].as_str().unwrap());
        let alone = house.ask(&path, &[]).await.text().await.unwrap();
        assert_eq!(serde_json::from_str::<Value>(&alone).unwrap(), event);
        kept.push(event);
    }
    // Also as sources make them that are told more than `auto` is.
    let mut made = Vec::new();
    for case in fixtures() {
        let told = fs::read_to_string(case.join("events.json")).unwrap();
        let told: Value = serde_json::from_str(&told).unwrap();
        for mut event in told.as_array().cloned().unwrap_or_default() {
            event["id"] = "01936b2c-0000-7000-8000-000000000000".into();
            event["routes"] = json!([]);
            made.push(event);
        }
    }
    assert!(kept.len() > 50 && made.len() > 50);
    let (document_file, events_file) = (
        house.folder.path().join("openapi.json"),
        house.folder.path().join("all.json"),
    );
    fs::write(&document_file, document).unwrap();
    kept.extend(made);
    fs::write(&events_file, serde_json::to_vec(&kept).unwrap()).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/harness/fits.py");
    let output = Command::new(python())
        .args([script, "Event"])
        .args([document_file, events_file])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_changed_is_not_sent_again() {
    let house = House::furnished().await;
    let with_picture = house.rows("/api/v1/events?limit=0").await;
    let with_picture = with_picture
        .iter()
        .find(|event| event["images"][0]["size"].is_u64());
    let id = with_picture.unwrap()["id"].as_str().unwrap();
    let unread = house.rows("/api/v1/quarantine?limit=1").await;
    let unread = unread[0]["id"].as_str().unwrap();
    for path in [
        format!("/api/v1/events/{id}"),
        format!("/api/v1/events/{id}/images/0"),
        format!("/api/v1/events/{id}/original"),
        format!("/api/v1/quarantine/{unread}/original"),
        "/api/v1/openapi.json".to_owned(),
        "/api/v1/config".to_owned(),
    ] {
        let first = house.ask(&path, &[]).await;
        assert_eq!(first.status(), 200, "{path}");
        assert_eq!(
            first.headers()["cache-control"],
            "private, no-cache",
            "{path}"
        );
        let tag = first.headers()["etag"].to_str().unwrap().to_owned();
        let told = first.headers()["content-length"].clone();
        let length = first.bytes().await.unwrap().len();
        assert!(length > 0);

        let again = house.ask(&path, &[("if-none-match", &tag)]).await;
        assert_eq!(
            (
                again.status().as_u16(),
                again.headers()["etag"].to_str().unwrap()
            ),
            (304, &*tag),
            "{path}"
        );
        assert!(again.bytes().await.unwrap().is_empty());
        let other = house.ask(&path, &[("if-none-match", "\"other\"")]).await;
        assert_eq!(other.status(), 200, "{path}");

        let head = house.send(Method::HEAD, &path, &[]).await;
        assert_eq!(head.status(), 200);
        assert_eq!(
            (
                &head.headers()["content-length"],
                head.headers()["etag"].to_str().unwrap()
            ),
            (&told, &*tag)
        );
        assert_eq!(told, length.to_string());
        let head = house
            .send(Method::HEAD, &path, &[("if-none-match", &tag)])
            .await;
        assert_eq!(head.status(), 304, "{path}");
    }
    // What became of an event is part of it.
    let path = format!("/api/v1/events/{id}");
    let lists = house.ask("/api/v1/events", &[]).await;
    assert_eq!(lists.headers()["cache-control"], "no-store");
    let tag = house.ask(&path, &[]).await.headers()["etag"]
        .to_str()
        .unwrap()
        .to_owned();
    let plate = with_picture.unwrap()["plates"][0]["text"].as_str();
    let (status, _) = house
        .steer("/api/v1/forget", &json!({ "plate": plate.unwrap_or("X") }))
        .await;
    assert_eq!(status, 200);
    if plate.is_some() {
        let gone = house.ask(&path, &[("if-none-match", &tag)]).await;
        assert_eq!(gone.status(), 404, "a tag shows nothing that was forgotten");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_is_wrong_and_where_that_is_described() {
    let house = House::furnished().await;
    let page = house.ask("/api/v1/docs", &[("accept", "text/html")]).await;
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    for (method, path, status, error) in [
        (Method::GET, "/api/v1/events?camra=1", 400, "bad_request"),
        (Method::GET, "/api/v1/events/x", 404, "not_found"),
        (Method::GET, "/api/v1/nothing", 404, "not_found"),
        (Method::PUT, "/api/v1/events", 405, "method_not_allowed"),
        (Method::POST, "/api/v1/retry", 400, "bad_request"),
    ] {
        let answer = house.send(method, path, &[]).await;
        assert_eq!(answer.status(), status, "{path}");
        let headers = answer.headers().clone();
        assert_eq!(
            headers["content-type"], "application/problem+json",
            "{path}"
        );
        if status == 405 {
            assert_eq!(headers["allow"], "GET, HEAD");
        }
        let told: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(
            (&told["status"], &told["error"]),
            (&json!(status), &json!(error))
        );
        assert!(
            told["detail"] == told["reason"] && told["title"].is_string(),
            "{told}"
        );
        let (_, anchor) = told["type"]
            .as_str()
            .unwrap()
            .split_once("/api/v1/docs#")
            .unwrap();
        assert!(page.contains(&format!("id=\"{anchor}\"")), "{anchor}");
    }
    let camhook = house.camhook.cli(&["api"]);
    let printed: Value = serde_json::from_slice(&camhook.stdout).unwrap();
    let served = house
        .ask("/api/v1/openapi.json", &[])
        .await
        .text()
        .await
        .unwrap();
    assert_eq!(printed, serde_json::from_str::<Value>(&served).unwrap());
}

/// Every list, page by page, while more comes in and what the last page ended with is taken away.
#[tokio::test(flavor = "multi_thread")]
async fn pages_lose_and_repeat_nothing_while_more_comes() {
    let folder = tempfile::tempdir().unwrap();
    let routes = "log: { level: error }\ntargets: { log: { jsonl: log.jsonl } }\nroutes: [{ name: all, to: [log] }]\n";
    let camhook = Process::start(folder.path(), routes);
    let client = client();
    let steer = async |path: &str, body: Value| {
        let request = client.post(format!("{}{path}", camhook.admin));
        let request = request.header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    };
    let sent = std::sync::atomic::AtomicUsize::new(0);
    let more = async || {
        let n = sent.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let event = |plate: &str| {
            let plate = format!("{plate}{n:04}");
            recognition("cam-1", &[(&plate, [10, 10, 60, 30])]).to_string()
        };
        for (kind, body) in [
            ("application/json", event("AB")),
            ("text/plain", format!("no event {n}")),
            ("application/json", event("GONE")),
        ] {
            let request = client.post(format!("{}/", camhook.root()));
            let request = request.header("content-type", kind).body(body);
            assert_eq!(request.send().await.unwrap().status(), 200);
        }
        let gone = json!({ "plate": format!("GONE{n:04}") });
        steer("/api/v1/forget", gone).await;
    };
    for _ in 0..11 {
        more().await;
    }
    for list in ["events", "deliveries", "quarantine", "forgotten"] {
        let all = camhook.get(&format!("/api/v1/{list}?limit=0")).await;
        let ids = |rows: &Value| -> Vec<String> {
            let rows = rows.as_array().unwrap().iter();
            rows.map(|row| row["id"].as_str().unwrap().to_owned())
                .collect()
        };
        let mut seen = Vec::new();
        let mut next = Some(format!("/api/v1/{list}?limit=3"));
        while let Some(path) = next.take() {
            let answer = crate::harness::get(&format!("{}{path}", camhook.admin)).await;
            let link = answer
                .headers()
                .get("link")
                .map(|link| link.to_str().unwrap().to_owned());
            let rows: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
            assert!(rows.as_array().unwrap().len() <= 3);
            seen.extend(ids(&rows));
            next = link.map(|link| {
                let (address, is_next) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
                assert!(is_next.contains("rel=\"next\""), "{link}");
                address.to_owned()
            });
            more().await;
            // The next page goes on behind something that is gone.
            if let Some(plate) = rows[2]["plates"][0]["text"].as_str() {
                steer("/api/v1/forget", json!({ "plate": plate })).await;
            }
        }
        assert_eq!(seen, ids(&all), "{list}");
        assert!(seen.len() >= 11, "{list}");
    }
}
