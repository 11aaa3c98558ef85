//! A secret in every place that can hold one, everything that can go wrong with it, and then a search through all that
//! camhook wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::harness::{
    Answer, Process, Receiver, camhook_command, client, eventually, form_event, multipart_event,
};

/// The secrets of the test, by the place that holds each.
#[derive(Default)]
struct Vault(BTreeMap<String, String>);

impl Vault {
    /// One with the characters that are written differently in addresses, JSON, XML and base64.
    fn odd(&mut self, place: &str) -> String {
        let n = self.0.len();
        self.keep(place, format!("zQ{n:03}/s<e&c'r+e=t~{n:03}"))
    }

    /// One that is written the same way everywhere.
    fn plain(&mut self, place: &str) -> String {
        let n = self.0.len();
        self.keep(place, format!("zQ{n:03}secretword{n:03}"))
    }

    fn keep(&mut self, place: &str, secret: String) -> String {
        self.0.insert(place.to_owned(), secret.clone());
        secret
    }
}

/// What a secret may look like, with the names of these forms.
fn forms(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let json = Value::from(secret).to_string();
    let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let mut forms = vec![
        ("raw", secret.to_owned()),
        ("JSON", json.trim_matches('"').replace('/', "\\/")),
        ("XML", secret.replace('&', "&amp;").replace('<', "&lt;")),
        ("percent-encoded", percent.to_lowercase()),
        ("percent-encoded", percent),
        ("hex", hex.to_uppercase()),
        ("hex", hex),
    ];
    // Base64 of something that holds it: what does not depend on what stands before and behind.
    for before in 0..3 {
        let code = |engine: &dyn Fn(&[u8]) -> String| {
            let code = engine(&[&b"xyz"[..before], secret.as_bytes()].concat());
            let whole = (before + secret.len()) * 8 / 6;
            code[(before * 8).div_ceil(6)..whole].to_owned()
        };
        forms.push(("base64", code(&|bytes| STANDARD.encode(bytes))));
        forms.push(("base64", code(&|bytes| URL_SAFE.encode(bytes))));
    }
    forms
        .into_iter()
        .map(|(name, text)| (name, text.into_bytes()))
        .collect()
}

/// Where which secret stands in what camhook wrote, each form once in each place.
fn found(vault: &Vault, written: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let mut told = Vec::new();
    let mut sought = Vec::new();
    for (place, secret) in &vault.0 {
        for (form, bytes) in forms(secret) {
            told.push((place, form));
            sought.push(bytes);
        }
    }
    // All at once: there are hundreds, and a store is large.
    let sought = AhoCorasick::new(sought).unwrap();
    let mut found = Vec::new();
    for (name, text) in written {
        let mut seen = BTreeSet::new();
        for hit in sought.find_iter(text) {
            let (place, form) = told[hit.pattern().as_usize()];
            if seen.insert((place, form)) {
                let around =
                    &text[hit.start().saturating_sub(60)..text.len().min(hit.start() + 90)];
                let around = String::from_utf8_lossy(around).into_owned();
                found.push(format!("{place}, {form}, in {name}: …{around:?}…"));
            }
        }
    }
    found
}

#[test]
fn the_search_finds_a_secret_in_every_form() {
    let mut vault = Vault::default();
    let secret = vault.odd("somewhere");
    let percent = utf8_percent_encode(&secret, NON_ALPHANUMERIC).to_string();
    let hex: String = secret.bytes().map(|byte| format!("{byte:02X}")).collect();
    for text in [
        format!("a {secret} b"),
        format!("?a={percent}&b"),
        hex,
        STANDARD.encode(format!("user:{secret}")),
        STANDARD.encode(format!("u:{secret}:x")),
        URL_SAFE.encode(format!("us:{secret}")),
        json!({ "a": secret }).to_string(),
    ] {
        let written = [("text".to_owned(), text.clone().into_bytes())].into();
        assert!(!found(&vault, &written).is_empty(), "{text}");
    }
    let other = [("text".to_owned(), b"zQ000 and more".to_vec())].into();
    assert!(found(&vault, &other).is_empty());
}

/// A server that repeats what it hears in its refusal, in the words of its protocol.
fn repeating(protocol: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || repeat(stream, protocol));
        }
    });
    port
}

fn repeat(mut stream: TcpStream, protocol: &str) -> Option<()> {
    let mut bytes = [0; 4096];
    let greeting: &[u8] = match protocol {
        "smtp" => b"220 mail.example\r\n",
        "nats" => b"INFO {\"server_id\":\"x\",\"version\":\"2.9\",\"max_payload\":1048576,\"auth_required\":true,\"headers\":true}\r\n",
        _ => b"",
    };
    stream.write_all(greeting).ok()?;
    loop {
        let read = stream.read(&mut bytes).ok().filter(|read| *read > 0)?;
        let heard = String::from_utf8_lossy(&bytes[..read]).replace('\0', " ");
        let line = heard.trim().replace(['\r', '\n'], " ");
        let answer = match protocol {
            "smtp" if line.starts_with("EHLO") => {
                "250-mail.example\r\n250 AUTH PLAIN LOGIN\r\n".into()
            }
            "smtp" => format!("535 5.7.8 refused: {line}\r\n").into_bytes(),
            "nats" => format!("-ERR 'Authorization Violation: {line}'\r\n").into_bytes(),
            // Asks for the password in clear text, and repeats it in the error.
            "postgres" if bytes[0] == b'p' => {
                let message = format!("SFATAL\0C28P01\0Mrefused: {line}\0\0");
                let length = u32::try_from(message.len() + 4).unwrap().to_be_bytes();
                [b"E", &length[..], message.as_bytes()].concat()
            }
            "postgres" => vec![b'R', 0, 0, 0, 8, 0, 0, 0, 3],
            _ => bytes[..read].to_vec(),
        };
        stream.write_all(&answer).ok()?;
    }
}

/// Every shipped preset with a secret setting, with the `with` of its first example.
fn presets(vault: &mut Vault, server: &str) -> Map<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("presets");
    let mut targets = Map::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let preset: Value = serde_saphyr::from_str(&text).unwrap();
        let name = preset["name"].as_str().unwrap();
        let settings = preset["settings"].as_object().cloned().unwrap_or_default();
        let mut with = preset["examples"][0]["with"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        for (key, setting) in &settings {
            let kind = setting["type"].as_str().unwrap_or("text");
            let place = format!("{name}.{key}");
            if kind == "secret" || setting["secret"] == true && kind != "url" && kind != "cameras" {
                with.insert(key.clone(), vault.odd(&place).into());
            } else if setting["secret"] == true && kind == "url" {
                let token = vault.plain(&place);
                with.insert(
                    key.clone(),
                    format!("{server}/hook/{token}?token={token}").into(),
                );
            } else if kind == "url" {
                let protocol = match name {
                    "mqtt" | "home-assistant-mqtt" => "mqtt",
                    "nats" => "nats",
                    "postgres" => "postgres",
                    "smtp" => "smtp",
                    _ => {
                        with.insert(key.clone(), server.into());
                        continue;
                    }
                };
                let password = vault.plain(&format!("{place}, in the url"));
                let port = repeating(protocol);
                let rest = match protocol {
                    "postgres" => "/gate?sslmode=disable",
                    _ => "",
                };
                let url = format!("{protocol}://gate:{password}@127.0.0.1:{port}{rest}");
                with.insert(key.clone(), url.into());
            } else if kind == "cameras" && setting["secret"] == true {
                let token = vault.plain(&place);
                with.insert(
                    key.clone(),
                    json!({ "*": format!("{server}/hook?token={token}") }),
                );
            } else if kind == "cameras" {
                let entry = with.get(key).and_then(Value::as_object);
                let entry = entry.and_then(|all| all.values().next()).cloned();
                let mut entry = entry.unwrap_or_else(|| "camera".into());
                if entry.as_str().is_some_and(|text| text.starts_with("http")) {
                    entry = server.into();
                }
                with.insert(key.clone(), json!({ "*": entry }));
            }
        }
        if matches!(name, "jsonl" | "csv") {
            continue;
        }
        if with
            .values()
            .any(|value| value.as_str().is_some_and(|text| text.contains("://gate:")))
        {
            for other in ["username", "password", "token", "nkey", "creds"] {
                with.remove(other); // they stand in the url
            }
        }
        let target = json!({ "preset": name, "with": with, "retry": { "initial": "100ms", "max": "200ms", "attempts": 4 },
            "breaker": { "failures": 1000, "cool_down": "200ms" } });
        targets.insert(format!("p-{name}"), target);
    }
    assert!(targets.len() > 25, "{}", targets.len());
    targets
}

/// The config, and the environment that it needs.
fn config(vault: &mut Vault, folder: &Path, server: &Receiver) -> (Value, Vec<(String, String)>) {
    let url = server.url();
    let host = url.replace("http://", "");
    let env = vec![
        ("LEAK_ENV".to_owned(), vault.odd("${ENV}")),
        ("LEAK_MIXED".to_owned(), vault.plain("${ENV} within a text")),
    ];
    std::fs::write(folder.join("secret.txt"), vault.odd("${file:…}")).unwrap();
    let retry = json!({ "initial": "100ms", "max": "200ms", "attempts": 4 });
    let breaker = json!({ "failures": 1000, "cool_down": "200ms" });
    let mut targets = presets(vault, &url);
    let mut add = |name: &str, http: Value| {
        let target = json!({ "http": http, "retry": retry, "breaker": breaker });
        targets.insert(name.to_owned(), target);
    };
    let login = |password: String| json!({ "username": "gate", "password": password });
    add(
        "basic",
        json!({ "url": url, "auth": { "basic": login(vault.odd("auth.basic")) }, "json": "{{ event }}" }),
    );
    add(
        "digest",
        json!({ "url": format!("{url}/digest"), "auth": { "digest": login(vault.odd("auth.digest")) }, "text": "x" }),
    );
    add(
        "bearer",
        json!({ "url": url, "auth": { "bearer": vault.odd("auth.bearer") }, "text": "x" }),
    );
    add(
        "token",
        json!({ "url": url, "auth": { "token": vault.odd("auth.token") }, "text": "x" }),
    );
    add(
        "webhook",
        json!({ "url": url, "auth": { "webhook": vault.odd("auth.webhook") }, "text": "x" }),
    );
    add(
        "aws",
        json!({ "url": url, "text": "x", "auth": { "aws": { "service": "s3", "region": "x", "access_key_id": "AKIATEST",
        "secret_access_key": vault.odd("aws.secret_access_key"), "session_token": vault.odd("aws.session_token") } } }),
    );
    add(
        "headers",
        json!({ "url": url, "text": "x", "headers": { "X-Api-Key": vault.odd("headers.X-Api-Key"),
        "Authorization": format!("Custom {}", vault.odd("headers.Authorization")), "Cookie": format!("sid={}", vault.plain("headers.Cookie")) } }),
    );
    add(
        "userinfo",
        json!({ "url": format!("http://gate:{}@{host}/x", vault.plain("url's userinfo")), "text": "x" }),
    );
    add(
        "from-env",
        json!({ "url": url, "text": "x", "headers": { "X-A": "${LEAK_ENV}", "X-B": "key=${LEAK_MIXED};v=1", "X-C": "${file:secret.txt}" } }),
    );
    add(
        "in-query",
        json!({ "url": url, "query": { "token": vault.odd("query.token") }, "text": "x" }),
    );
    add(
        "in-body",
        json!({ "url": url, "json": { "password": vault.odd("json.password"), "inner": [{ "api_key": vault.odd("json.api_key") }] } }),
    );
    add(
        "in-form",
        json!({ "url": url, "form": { "password": vault.odd("form.password"), "plate": "x" } }),
    );
    add(
        "session",
        json!({ "url": format!("{url}/main"), "auth": { "bearer": "{{ session.token }}" }, "text": "x",
        "session": { "login": { "url": format!("{url}/login"), "json": { "user": "gate", "password": vault.odd("session.login.password") } },
            "token": { "json": "/token" } } }),
    );
    let mut sources = Map::new();
    let mut source = |name: &str, auth: Value| {
        sources.insert(
            name.to_owned(),
            json!({ "kind": "generic", "path": format!("/{name}"), "auth": auth }),
        );
    };
    source("token", json!({ "token": vault.plain("source token") }));
    let tokens = [
        vault.plain("source tokens, first"),
        vault.plain("source tokens, second"),
    ];
    source("tokens", json!({ "tokens": tokens.join(",") }));
    source(
        "basic",
        json!({ "basic": { "username": "gate", "password": vault.odd("source basic") } }),
    );
    source(
        "signed",
        json!({ "signature": { "scheme": "github", "secret": vault.odd("source signature") } }),
    );
    sources.insert(
        "ff".to_owned(),
        json!({ "kind": "findface", "path": "/ff", "fetch": { "hosts": [host], "attempts": 1,
        "headers": { "Authorization": format!("Token {}", vault.odd("fetch header")) } } }),
    );
    sources.insert("bus".to_owned(), json!({ "kind": "generic", "mqtt": { "topics": ["a/#"],
        "url": format!("mqtt://gate:{}@127.0.0.1:{}", vault.plain("source mqtt"), repeating("mqtt")) } }));
    let lists = json!({
        "basic": { "http": { "url": format!("{url}/list"), "key": "plate", "auth": { "basic": login(vault.odd("list basic")) } } },
        "headers": { "http": { "url": format!("{url}/list?token={}", vault.plain("list url")), "key": "plate",
            "headers": { "X-Key": vault.odd("list header") } } },
        "parkpow": { "parkpow": { "url": url, "token": vault.odd("list parkpow"), "tag": "x" } },
    });
    let names: Vec<&String> = targets.keys().collect();
    let routes = json!([{ "name": "all", "to": names }]);
    let config = json!({
        "server": { "listen": "127.0.0.1:0" }, "admin": { "listen": "127.0.0.1:0" }, "log": { "level": "trace" },
        "sources": sources, "lists": lists, "targets": targets, "routes": routes,
    });
    (config, env)
}

/// Answers with all that it was sent, well and badly by turns.
async fn repeating_server(token: String) -> Receiver {
    let count = AtomicUsize::new(0);
    Receiver::that(move |taken| {
        let n = count.fetch_add(1, Ordering::SeqCst);
        if taken.path.starts_with("/login") || taken.path.contains("/login") {
            let answer = json!({ "token": token, "expiresInS": 3600, "access_token": token });
            return Answer::status(200)
                .header("set-cookie", &format!("sid={token}; Path=/"))
                .body(&answer.to_string());
        }
        let headers: Vec<String> = (taken.headers.iter())
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        let body = String::from_utf8_lossy(&taken.body);
        let body: String = body.chars().take(600).collect();
        let echo = format!("refused {} {}\n{}", taken.path, headers.join("\n"), body);
        let status = [500, 400, 401, 429, 302, 403, 200, 503][n % 8];
        let location: String = taken
            .path
            .chars()
            .filter(|c| c.is_ascii_graphic())
            .collect();
        Answer::status(status)
            .header(
                "www-authenticate",
                "Digest realm=\"x\", nonce=\"abc\", qop=\"auth\"",
            )
            .header("location", &location)
            .header("content-type", "text/plain")
            .body(&echo)
    })
    .await
}

fn written(name: &str, output: &Output, all: &mut BTreeMap<String, Vec<u8>>) {
    all.insert(format!("{name}, stdout"), output.stdout.clone());
    all.insert(format!("{name}, stderr"), output.stderr.clone());
}

fn below(folder: &Path, all: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, all);
        } else {
            all.insert(path.display().to_string(), std::fs::read(&path).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_written_anywhere_whatever_goes_wrong() {
    let mut vault = Vault::default();
    let session = vault.plain("a session's token");
    let server = repeating_server(session).await;
    let folder = tempfile::tempdir().unwrap();
    let (mut config, env) = config(&mut vault, folder.path(), &server);
    let collector = Receiver::answering([Answer::status(503)]).await;
    config["telemetry"] = json!({ "otlp": { "url": collector.url(), "every": "1s",
        "headers": { "Authorization": format!("Bearer {}", vault.odd("otlp header")) } } });
    config["alerts"] = json!({ "target_failing": "1s" });
    let routes = folder.path().join("routes.yaml");
    let mut all: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let command = |arguments: &[&str]| {
        let mut command = camhook_command(folder.path());
        command.envs(env.iter().map(|(name, value)| (name, value)));
        command.args(arguments).output().unwrap()
    };

    // Mistakes, in a file of one line and in one of many: the lines are shown beside them.
    let mut broken = config.clone();
    let targets = broken["targets"].as_object_mut().unwrap();
    // Every sixth: a mistake in each would take minutes on a small machine.
    for target in targets.values_mut().step_by(6) {
        target["colour"] = "red".into();
        if let Some(http) = target.get_mut("http").and_then(Value::as_object_mut) {
            http.insert("methud".to_owned(), "POST".into());
        }
        if let Some(with) = target.get_mut("with").and_then(Value::as_object_mut) {
            with.insert("colour".to_owned(), "{{ evnt }}".into());
        }
    }
    for source in broken["sources"].as_object_mut().unwrap().values_mut() {
        source["auht"] = json!({ "token": "" });
    }
    for (name, text) in [
        ("one line", broken.to_string()),
        ("many lines", serde_json::to_string_pretty(&broken).unwrap()),
        (
            "no YAML",
            config.to_string().replace("\"routes\":", "\"routes\":]"),
        ),
    ] {
        std::fs::write(&routes, text).unwrap();
        let output = command(&["check"]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        written(&format!("check of {name}"), &output, &mut all);
    }
    written("run of no YAML", &command(&["run"]), &mut all);

    std::fs::write(&routes, serde_json::to_string_pretty(&config).unwrap()).unwrap();
    let output = command(&["check"]);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{complaint}");
    written("check", &output, &mut all);
    written(
        "check --connect",
        &command(&["check", "--connect"]),
        &mut all,
    );

    let camhook = Process::logging_with(folder.path(), &env);
    send_all(&camhook, &config, &server).await;
    let targets = config["targets"].as_object().unwrap().len();
    eventually("each target was tried", async || {
        let rows = camhook.rows(&["deliveries", "--limit", "0"]);
        let tried = |row: &&Value| {
            row["attempts"]
                .as_array()
                .is_some_and(|all| !all.is_empty())
        };
        let tried: BTreeSet<&str> = rows
            .iter()
            .filter(tried)
            .filter_map(|row| row["target"].as_str())
            .collect();
        // One that knows no such camera, or picture, is not tried.
        tried.len() + 6 >= targets
    })
    .await;

    // Reload, well and badly.
    std::fs::write(&routes, broken.to_string()).unwrap();
    camhook.signal("HUP");
    let log = || std::fs::read_to_string(folder.path().join("log.txt")).unwrap();
    eventually("the bad file is told", async || {
        log().contains("the running one stays")
    })
    .await;
    std::fs::write(&routes, config.to_string()).unwrap();
    camhook.signal("HUP");

    let event = camhook.rows(&["events"])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for arguments in [
        &["explain", "--event", &event][..],
        &["explain", "--json", "--event", &event],
        &["events", "--json"],
        &["deliveries", "--limit", "0"],
        &["deliveries", "--json", "--limit", "0"],
        &["targets"],
        &["targets", "--json"],
        &["sources", "--json"],
        &["quarantine", "--json"],
        &["alerts"],
        &["alerts", "--json"],
        &["retry", "--all"],
    ] {
        written(&arguments.join(" "), &camhook.cli(arguments), &mut all);
    }
    for path in [
        "/",
        "/metrics",
        "/healthz",
        "/readyz",
        "/api/v1/events",
        "/api/v1/deliveries?limit=0",
        "/api/v1/targets",
        "/api/v1/sources",
        "/api/v1/quarantine",
        "/api/v1/lists",
        "/api/v1/alerts",
    ] {
        let answer = crate::harness::get(&format!("{}{path}", camhook.admin)).await;
        all.insert(path.to_owned(), answer.bytes().await.unwrap().to_vec());
    }
    for row in camhook.rows(&["events", "--limit", "0"]) {
        let path = format!("/api/v1/events/{}", row["id"].as_str().unwrap());
        let answer = crate::harness::get(&format!("{}{path}", camhook.admin)).await;
        all.insert(path, answer.bytes().await.unwrap().to_vec());
    }
    camhook.stop();
    let told = collector.taken();
    assert!(
        told.iter()
            .any(|taken| taken.path == "/v1/traces" && taken.answered == 200)
    );
    assert!(told.iter().any(|taken| taken.path == "/v1/metrics"));
    for (n, taken) in told.into_iter().enumerate() {
        all.insert(format!("{} {n}", taken.path), taken.body.to_vec());
    }
    written(
        "events, of the store",
        &command(&["events", "--json"]),
        &mut all,
    );
    written(
        "deliveries, of the store",
        &command(&["deliveries", "--json"]),
        &mut all,
    );

    below(&folder.path().join("data"), &mut all);
    let log = std::fs::read(folder.path().join("log.txt")).unwrap();
    assert!(log.windows(5).any(|word| word == b"TRACE"), "all is logged");
    all.insert("the log".to_owned(), log);
    assert!(all.keys().any(|name| name.ends_with("index.sqlite")));
    let found = found(&vault, &all);
    assert!(
        found.is_empty(),
        "{} of:\n{}",
        found.len(),
        found.join("\n")
    );
}

/// Requests with the credentials in each place that may hold them, right and wrong, understood and not.
async fn send_all(camhook: &Process, config: &Value, server: &Receiver) {
    let sources = &config["sources"];
    let token = sources["token"]["auth"]["token"].as_str().unwrap();
    let tokens = sources["tokens"]["auth"]["tokens"].as_str().unwrap();
    let password = sources["basic"]["auth"]["basic"]["password"]
        .as_str()
        .unwrap();
    let basic = |password: &str| format!("Basic {}", STANDARD.encode(format!("gate:{password}")));
    let (kind, body) = form_event(1);
    let garbage = b"\xff\xfe no event".to_vec();
    let mut statuses = Vec::new();
    for (path, authorization) in [
        ("/".to_owned(), String::new()),
        ("/token".to_owned(), format!("Token {token}")),
        ("/token".to_owned(), format!("Bearer {token}")),
        (format!("/token/{token}"), String::new()),
        (format!("/token?token={token}&a=b"), String::new()),
        (
            format!("/tokens?token={}", tokens.split(',').next_back().unwrap()),
            String::new(),
        ),
        ("/basic".to_owned(), basic(password)),
        // The right secret where it does not belong.
        (format!("/nowhere/{token}"), String::new()),
        (format!("/basic/{token}?token={token}"), basic(token)),
        ("/token".to_owned(), basic(token)),
        ("/signed".to_owned(), String::new()),
    ] {
        for body in [&body, &garbage] {
            let url = format!("{}{path}", camhook.root());
            let mut request = client().post(url).header("content-type", &kind);
            if !authorization.is_empty() {
                request = request.header("authorization", &authorization);
            }
            let answer = request.body(body.clone()).send().await.unwrap();
            statuses.push(answer.status().as_u16());
        }
    }
    assert!(
        statuses.contains(&200) && statuses.contains(&401),
        "{statuses:?}"
    );
    let picture = json!([{ "id": "1", "object_type": "face", "bs_type": "overall", "camera": 7,
        "created_date": "2026-01-31T12:00:00Z", "fullframe": format!("{}/a.jpg", server.url()) }]);
    let url = format!("{}/ff", camhook.root());
    let request = client()
        .post(url)
        .header("content-type", "application/json");
    let answer = request.body(picture.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let (kind, body) = multipart_event(1);
    let request = client().post(camhook.root()).header("content-type", kind);
    assert_eq!(request.body(body).send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_target_says_after_its_secret_was_changed_shows_none_of_the_old_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, was_asked) = std::sync::mpsc::channel();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .write_all(b"INFO {\"max_payload\":1048576,\"headers\":true}\r\n")
            .unwrap();
        let mut heard = String::new();
        let mut bytes = [0; 4096];
        while !heard.contains("PING") {
            let read = stream.read(&mut bytes).unwrap();
            heard.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        asked.send(()).unwrap();
        let _dropped = wait.recv();
        let line = heard.trim().replace(['\r', '\n'], " ");
        let refusal = format!("-ERR 'Authorization Violation: {line}'\r\n");
        stream.write_all(refusal.as_bytes()).unwrap();
    });
    let folder = tempfile::tempdir().unwrap();
    let write = |password: &str| {
        let url = format!("nats://gate:{password}@127.0.0.1:{port}");
        let config = json!({ "server": { "listen": "127.0.0.1:0" }, "admin": { "listen": "127.0.0.1:0" },
            "targets": { "bus": { "preset": "nats", "with": { "url": url } } },
            "routes": [{ "name": "all", "to": ["bus"] }] });
        std::fs::write(folder.path().join("routes.yaml"), config.to_string()).unwrap();
    };
    write("olderword");
    let camhook = Process::start_again(folder.path());
    let (kind, body) = form_event(1);
    let request = client().post(camhook.root()).header("content-type", kind);
    assert_eq!(request.body(body).send().await.unwrap().status(), 200);
    was_asked.recv().unwrap();
    write("newerword");
    camhook.signal("HUP");
    eventually("the new config is in use", async || {
        let metrics = format!("{}/metrics", camhook.admin);
        let page = crate::harness::get(&metrics).await.text().await.unwrap();
        page.contains("camhook_reloads_total{outcome=\"taken\"}")
    })
    .await;
    drop(go);
    server.join().unwrap();
    let mut told = String::new();
    eventually("the refusal is told", async || {
        told = camhook.rows(&["deliveries"])[0]["attempts"].to_string();
        told.contains("Authorization Violation")
    })
    .await;
    assert!(
        told.contains("***") && !told.contains("olderword"),
        "{told}"
    );
}
