//! Who may look and steer: every route of the admin address, asked by everybody, over real HTTP.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Mutex;

use argon2::password_hash::{PasswordHasher, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use camhook::testing::{App, Clock, admin_routes};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Process, camhook_command, eventually, form_event};

const START: &str = "2026-01-31T12:00:00Z";
const REST: &str = "log: { level: error }\nlists: { residents: { csv: residents.csv, key: plate } }\n\
                    targets: { vms: { jsonl: vms.jsonl } }\nroutes: [{ name: all, to: [vms] }]\n";

/// A camhook in this process with a clock that is stepped by hand, and secrets that can be told apart.
pub(crate) struct House {
    app: App,
    clock: Clock,
    folder: tempfile::TempDir,
}

impl House {
    /// `admin` is what stands below `admin:` beside `listen`.
    pub(crate) async fn start(admin: &str) -> Self {
        Self::start_behind("[]", admin).await
    }

    /// The same behind these proxies.
    async fn start_behind(proxies: &str, admin: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::stepped(START.parse().unwrap());
        std::fs::write(folder.path().join("residents.csv"), "plate\nAB123\n").unwrap();
        write(folder.path(), admin);
        let routes = folder.path().join("routes.yaml");
        let file = std::fs::read_to_string(&routes).unwrap();
        let behind = format!("server: {{ trusted_proxies: {proxies}, ");
        std::fs::write(&routes, file.replacen("server: { ", &behind, 1)).unwrap();
        let app = App::start(&folder.path().join("routes.yaml"), clock.clone()).await;
        let app = app.unwrap_or_else(|error| panic!("{error}"));
        Self { app, clock, folder }
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.app.admin_url())
    }

    fn port(&self) -> String {
        self.app.admin_url().rsplit(':').next().unwrap().to_owned()
    }

    /// A camera's event; returns its id.
    pub(crate) async fn event(&self) -> String {
        let (kind, body) = form_event(1);
        let sent = client()
            .post(self.app.url())
            .header("content-type", kind)
            .body(body);
        assert_eq!(sent.send().await.unwrap().status(), 200);
        self.app.caught_up().await;
        let events = ask(&self.at("/api/v1/events"), &bearer("admin")).await;
        let events: Value = serde_json::from_str(&events.text().await.unwrap()).unwrap();
        events[0]["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn advance(&self, seconds: i64) {
        let limit: Timestamp = self.clock.moment() + SignedDuration::from_secs(seconds);
        while self.clock.step(limit) {}
        assert_eq!(self.clock.moment(), limit);
    }

    /// Logs in as a browser does; returns the session's cookie and its token.
    async fn logged_in(&self, user: &str, password: &str) -> (String, String) {
        let answer = self.log_in(user, password, &[]).await;
        assert_eq!(answer.status(), 303, "{:?}", answer.text().await);
        let cookie = cookies(&answer).remove(0);
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let me = ask(&self.at("/api/v1/me"), &[("cookie", cookie.clone())]).await;
        let me: Value = serde_json::from_str(&me.text().await.unwrap()).unwrap();
        (cookie, me["csrf"].as_str().unwrap().to_owned())
    }

    async fn log_in(&self, user: &str, password: &str, headers: &[(&str, String)]) -> Response {
        let page = ask(&self.at("/login"), headers).await;
        assert_eq!(page.status(), 200);
        let cookie = cookies(&page).remove(0);
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let token = hidden(&page.text().await.unwrap());
        let form = form(&[
            ("username", user),
            ("password", password),
            ("csrf", &token),
            ("next", "/api/v1/me"),
        ]);
        let mut all = vec![("cookie", cookie), ("content-type", FORM.to_owned())];
        all.extend(headers.iter().cloned());
        send(&self.at("/login"), Method::POST, &all, form, None).await
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn write(folder: &Path, admin: &str) {
    let file = format!(
        "server: {{ listen: 127.0.0.1:0 }}\nadmin:\n  listen: 127.0.0.1:0\n  findface: {{ hosts: [client.example] }}\n{admin}\n{REST}"
    );
    std::fs::write(folder.join("routes.yaml"), file).unwrap();
}

/// A hash that is quick to look at, and no good for anything else.
fn quick(password: &str) -> String {
    let argon = Argon2::new(
        Algorithm::Argon2id,
        Version::V0x13,
        Params::new(64, 1, 1, None).unwrap(),
    );
    let salt = SaltString::encode_b64(b"sixteen bytes ..").unwrap();
    argon
        .hash_password(password.as_bytes(), &salt)
        .unwrap()
        .to_string()
}

/// Everybody of the tests: a user and a token for each set of scopes, and some for wrong passwords.
pub(crate) fn everybody() -> String {
    let mut text = "  users:\n".to_owned();
    for (name, scopes) in [
        ("anna", "admin"),
        ("rita", "read"),
        ("mona", "metrics"),
        ("w0", "admin"),
        ("w1", "admin"),
        ("w2", "admin"),
    ] {
        let hash = quick(&format!("password of {name}"));
        text.push_str(&format!(
            "    {name}: {{ password: \"{hash}\", scopes: [{scopes}] }}\n"
        ));
    }
    text.push_str("  tokens:\n");
    for scope in ["metrics", "read", "steer", "admin", "read, steer"] {
        let name = scope.replace(", ", "-");
        text.push_str(&format!(
            "    {name}: {{ token: token-with-scope-{name}, scopes: [{scope}] }}\n"
        ));
    }
    text.push_str(
        "    old: { token: token-with-scope-old, scopes: [admin], expires: 2026-01-31 }\n",
    );
    text
}

fn client() -> Client {
    from(None)
}

/// A client at an address of this machine. Made once for each, which takes long; connections are not kept, for each test has a
/// runtime of its own.
fn from(address: Option<IpAddr>) -> Client {
    static CLIENTS: Mutex<BTreeMap<Option<IpAddr>, Client>> = Mutex::new(BTreeMap::new());
    let mut clients = CLIENTS.lock().unwrap();
    let made = clients.entry(address).or_insert_with(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0);
        client.local_address(address).build().unwrap()
    });
    made.clone()
}

fn bearer(scope: &str) -> Vec<(&'static str, String)> {
    vec![("authorization", format!("Bearer token-with-scope-{scope}"))]
}

fn basic(user: &str, password: &str) -> Vec<(&'static str, String)> {
    let both = STANDARD.encode(format!("{user}:{password}"));
    vec![("authorization", format!("Basic {both}"))]
}

async fn ask(url: &str, headers: &[(&str, String)]) -> Response {
    send(url, Method::GET, headers, String::new(), None).await
}

async fn send(
    url: &str,
    method: Method,
    headers: &[(&str, String)],
    body: String,
    address: Option<IpAddr>,
) -> Response {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    let request = from(address).request(method, url).headers(map);
    request.body(body).send().await.unwrap()
}

fn cookies(answer: &Response) -> Vec<String> {
    let cookies = answer.headers().get_all("set-cookie").iter();
    cookies
        .map(|cookie| cookie.to_str().unwrap().to_owned())
        .collect()
}

fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// The token in a page's form.
fn hidden(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

/// What each route is asked, and what it answers to who may.
fn sample(method: &str, path: &str, event: &str) -> (String, Value, u16) {
    let way = match (method, path.starts_with("/v1/")) {
        ("DELETE", true) => path.replace("{id}", "999"), // the others still need theirs
        (_, true) => path.replace("{id}", "1"),
        (_, false) => path.replace("{id}", event).replace("{n}", "0"),
    };
    let way = way
        .replace("/lists/{name}", "/lists/residents")
        .replace("/sources/{name}", "/sources/auto")
        .replace("{name}", "vms");
    let webhook =
        json!({ "name": "a client", "target": "https://client.example/in?token=hidden-word" });
    let (body, status) = match (method, path) {
        ("POST", "/v1/auth/login") => (
            json!({ "username": "anna", "password": "password of anna" }),
            200,
        ),
        ("POST", "/v1/webhooks") => (webhook, 201),
        ("PUT", "/v1/webhooks/{id}") => (webhook, 200),
        ("PATCH", "/v1/webhooks/{id}") => (json!({ "send_attempts": 3 }), 200),
        ("DELETE", "/v1/webhooks/{id}") => (Value::Null, 404),
        ("GET", path) if path.starts_with("/v1/webhooks") => (Value::Null, 200),
        ("GET", "/login" | "/config") => (Value::Null, 200),
        ("POST", "/login" | "/logout") => (Value::Null, 303), // a form
        (
            "GET",
            "/api/v1/quarantine/{id}/original"
            | "/api/v1/events/{id}/images/{n}"
            | "/api/v1/events/{id}/thumbnail"
            | "/api/v1/events/{id}/crops/{n}",
        ) => (Value::Null, 404), // there is none
        ("GET", "/live" | "/live/rows" | "/events/{id}" | "/first") => (Value::Null, 200),
        ("POST", "/events/{id}/retry" | "/events/{id}/replay") => (Value::Null, 303), // forms
        ("POST", "/first/sample") => (Value::Null, 400), // it does not say which source
        ("GET", "/quarantine/{id}") => (Value::Null, 404),
        ("POST", "/quarantine/{id}/decode") => (Value::Null, 404),
        ("POST", "/targets/{name}/pause" | "/targets/{name}/resume" | "/targets/{name}/test") => {
            (Value::Null, 303)
        } // forms
        (
            "GET",
            "/alerts" | "/search" | "/search.csv" | "/sources" | "/sources/{name}" | "/targets"
            | "/targets/{name}",
        ) => (Value::Null, 200),
        ("GET", "/" | "/healthz" | "/readyz" | "/metrics") => (Value::Null, 200),
        (
            "GET" | "POST",
            "/api/v1/jobs/{id}" | "/jobs/{id}" | "/api/v1/jobs/{id}/cancel" | "/jobs/{id}/cancel",
        ) => {
            (json!({}), 404) // there is none of that id
        }
        ("GET", "/undelivered") => (Value::Null, 200),
        ("POST", "/undelivered") => (json!({}), 400), // no button was pressed
        ("POST", "/api/v1/jobs") => (json!({ "action": "retry", "all": true }), 200),
        ("GET", path) if path.starts_with("/assets/") => (Value::Null, 200),
        ("GET", path) if path.starts_with("/api/v1/") => (Value::Null, 200),
        ("POST", "/api/v1/retry") => (json!({ "all": true }), 200),
        ("POST", "/api/v1/replay") => (json!({ "events": [event] }), 200),
        ("POST", "/api/v1/purge") => (json!({ "before": "2000-01-01T00:00:00Z" }), 200),
        ("POST", "/config") => (Value::Null, 303), // a form
        ("POST", "/api/v1/config/reload") => (json!({}), 200),
        ("POST", "/api/v1/forget") => (json!({ "plate": "NOBODY1" }), 200),
        (
            "POST",
            "/api/v1/targets/{name}/pause"
            | "/api/v1/targets/{name}/resume"
            | "/api/v1/targets/{name}/test",
        ) => (json!({}), 200),
        _ => panic!(
            "{method} {path} is new: say here what it is asked, and what it answers to who may"
        ),
    };
    (way, body, status)
}

/// Somebody who asks: what is sent along, and which scopes that gives. None is nobody.
struct Asker {
    what: &'static str,
    headers: Vec<(&'static str, String)>,
    scopes: Option<&'static [&'static str]>,
    /// Refused at once for it, whoever it is.
    foreign: Option<&'static str>,
    /// A browser's login without its token.
    no_csrf: bool,
}

fn asker(
    what: &'static str,
    headers: Vec<(&'static str, String)>,
    scopes: Option<&'static [&'static str]>,
) -> Asker {
    Asker {
        what,
        headers,
        scopes,
        foreign: None,
        no_csrf: false,
    }
}

const ALL: Option<&[&str]> = Some(&["metrics", "read", "steer", "admin"]);

fn askers(
    cookie: &(String, String),
    reader: &(String, String),
    n: usize,
    port: &str,
) -> Vec<Asker> {
    let admin = || bearer("admin");
    let with = |mut headers: Vec<(&'static str, String)>, name, value: &str| {
        headers.push((name, value.to_owned()));
        headers
    };
    let session = |(cookie, _): &(String, String)| vec![("cookie", cookie.clone())];
    let whole = |login: &(String, String)| with(session(login), "x-csrf-token", &login.1);
    let mut all = vec![
        asker("nobody", vec![], None),
        asker("metrics", bearer("metrics"), Some(&["metrics"])),
        asker("read", bearer("read"), Some(&["metrics", "read"])),
        asker("steer", bearer("steer"), Some(&["steer"])),
        asker(
            "read and steer",
            bearer("read-steer"),
            Some(&["metrics", "read", "steer"]),
        ),
        asker("admin", admin(), ALL),
        asker("an expired token", bearer("old"), None),
        asker("a wrong token", bearer("unknown"), None),
        asker(
            "half a token",
            vec![("authorization", "Bearer token-with-scope-admi".into())],
            None,
        ),
        asker("no token", vec![("authorization", "Bearer ".into())], None),
        asker(
            "another scheme",
            vec![("authorization", "Digest token-with-scope-admin".into())],
            None,
        ),
        asker(
            "nonsense",
            vec![("authorization", "Basic ????".into())],
            None,
        ),
        asker("a user", basic("anna", "password of anna"), ALL),
        asker(
            "a reader",
            basic("rita", "password of rita"),
            Some(&["metrics", "read"]),
        ),
        asker(
            "a wrong password",
            basic(["w0", "w1", "w2"][n % 3], "password of anna"),
            None,
        ),
        asker(
            "an unknown user",
            basic(&format!("stranger {n}"), "password of anna"),
            None,
        ),
        asker(
            "a name in other letters",
            basic("Anna", "password of anna"),
            None,
        ),
        asker(
            "a token as a password",
            basic("admin", "token-with-scope-admin"),
            None,
        ),
        asker("a browser", whole(cookie), ALL),
        asker(
            "a reader's browser",
            whole(reader),
            Some(&["metrics", "read"]),
        ),
        asker(
            "a made-up session",
            vec![("cookie", format!("camhook-{port}={}", "A".repeat(43)))],
            None,
        ),
        asker(
            "a session of another port",
            vec![("cookie", format!("camhook-1={}", cookie.0))],
            None,
        ),
        asker(
            "a wrong token beside a session",
            with(whole(cookie), "authorization", "Bearer x"),
            None,
        ),
        asker(
            "its own page",
            with(admin(), "origin", &format!("http://127.0.0.1:{port}")),
            ALL,
        ),
    ];
    for (what, headers) in [
        ("a browser without its token", session(cookie)),
        (
            "a browser with another's token",
            with(session(cookie), "x-csrf-token", &reader.1),
        ),
        (
            "a browser with an empty token",
            with(session(cookie), "x-csrf-token", ""),
        ),
        (
            "a form without a token",
            with(session(cookie), "content-type", FORM),
        ),
    ] {
        all.push(Asker {
            no_csrf: true,
            ..asker(what, headers, ALL)
        });
    }
    let page = |what, headers| Asker {
        foreign: Some("foreign_origin"),
        ..asker(what, headers, ALL)
    };
    all.push(page(
        "a page from elsewhere",
        with(whole(cookie), "origin", "http://evil.example"),
    ));
    all.push(page(
        "a page of another port",
        with(whole(cookie), "origin", "http://127.0.0.1:3000"),
    ));
    all.push(page(
        "a page without an origin",
        with(admin(), "origin", "null"),
    ));
    all.push(page(
        "another site",
        with(whole(cookie), "sec-fetch-site", "cross-site"),
    ));
    all.push(page(
        "the same site",
        with(admin(), "sec-fetch-site", "same-site"),
    ));
    for host in ["evil.example", "127.0.0.1.evil.example", "10.0.0.5:9001"] {
        let headers = with(admin(), "host", host);
        all.push(Asker {
            foreign: Some("foreign_host"),
            ..asker(host, headers, ALL)
        });
    }
    all
}

/// What must come of it, told apart from how camhook finds it.
fn expected(
    asker: &Asker,
    method: &str,
    access: &str,
    login: bool,
    open_numbers: bool,
    fine: u16,
) -> (u16, &'static str) {
    let changes = method != "GET";
    match asker.foreign {
        Some("foreign_host") if access != "always" => return (403, "foreign_host"),
        Some("foreign_origin") if changes => return (403, "foreign_origin"),
        _ => {}
    }
    let needed = match access {
        "always" | "open" => return (fine, ""),
        "numbers" if open_numbers => return (fine, ""),
        "numbers" => "metrics",
        other => other,
    };
    if !login {
        return (fine, "");
    }
    let Some(scopes) = asker.scopes else {
        return (401, "unauthorized");
    };
    if asker.no_csrf && changes {
        return (403, "csrf");
    }
    match needed == "someone" || scopes.contains(&needed) {
        true => (fine, ""),
        false => (403, "forbidden"),
    }
}

/// Asks everything by everybody.
async fn matrix(house: &House, login: bool, open_numbers: bool) {
    let event = house.event().await;
    let nobody = || (String::from("none=none"), String::new());
    let mut wrong = Vec::new();
    for (n, (method, path, access)) in admin_routes().into_iter().enumerate() {
        let (way, body, fine) = sample(&method, path, &event);
        house.advance(600); // what failed before is forgiven
        // A login for each route: logging out is one of them.
        let (cookie, reader) = match login {
            true => (
                house.logged_in("anna", "password of anna").await,
                house.logged_in("rita", "password of rita").await,
            ),
            false => (nobody(), nobody()),
        };
        for (m, asker) in askers(&cookie, &reader, n, &house.port())
            .iter()
            .enumerate()
        {
            let (mut headers, mut body, mut fine) = (asker.headers.clone(), body.to_string(), fine);
            let is_form = headers.iter().any(|(name, _)| *name == "content-type");
            let takes_json = ["POST", "PUT", "PATCH"].contains(&method.as_str());
            if is_form && path == "/v1/auth/login" && takes_json {
                fine = 400;
            }
            if is_form && !login && path.contains("/v1/") && takes_json {
                fine = 400; // the API wants JSON
            }
            let is_browser = asker.what.contains("browser") && login;
            if !is_form {
                headers.push(("content-type", "application/json".into()));
            }
            if path == "/login" && method == "POST" {
                let form_cookie = format!("camhook-form-{}={}", house.port(), "B".repeat(43));
                headers.retain(|(name, _)| *name != "content-type");
                headers.extend([("content-type", FORM.into()), ("cookie", form_cookie)]);
                let csrf = "B".repeat(43);
                body = form(&[
                    ("username", "anna"),
                    ("password", "password of anna"),
                    ("csrf", &csrf),
                ]);
            } else if path == "/login"
                && (is_browser
                    || !login
                    || asker
                        .headers
                        .iter()
                        .any(|(name, value)| *name == "cookie" && *value == cookie.0))
            {
                fine = 303; // there is nothing to log in for
            } else if path == "/logout"
                && asker.what.starts_with("a browser")
                && !asker.no_csrf
                && login
            {
                // The others still need this login.
                continue;
            }
            // Each from an address of its own, since failures are counted.
            let address = IpAddr::from([127, 1, 1, 1 + u8::try_from(m).unwrap()]);
            let verb = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = send(&house.at(&way), verb, &headers, body, Some(address)).await;
            let told = (answer.status().as_u16(), answer.headers().clone());
            let streams = told.1["content-type"] == "text/event-stream"; // and would not end
            let text = match streams {
                true => String::new(),
                false => answer.text().await.unwrap(),
            };
            let error = serde_json::from_str::<Value>(&text).unwrap_or_default();
            let error = error["error"].as_str().unwrap_or_default();
            let (status, word) = expected(asker, &method, access, login, open_numbers, fine);
            if told.0 != status || (!word.is_empty() && word != error) {
                wrong.push(format!(
                    "{method} {path} by {}: {} {error}, not {status} {word}: {text}",
                    asker.what, told.0
                ));
            }
            wrong.extend(
                unguarded(&told.1, told.0)
                    .map(|what| format!("{method} {path} by {}: {what}", asker.what)),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What every answer must tell a browser.
fn unguarded(headers: &HeaderMap, status: u16) -> Option<String> {
    let value = |name: &str| {
        headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    };
    let policy = value("content-security-policy");
    let fine = value("x-content-type-options") == "nosniff"
        && value("x-frame-options") == "DENY"
        && value("referrer-policy") == "same-origin"
        && value("cross-origin-resource-policy") == "same-origin"
        && (value("cache-control") == "no-store"
            || value("cache-control") == "private, no-cache" && headers.contains_key("etag"))
        && policy.starts_with("default-src 'none'")
        && policy.contains("frame-ancestors 'none'")
        && !policy.contains("unsafe")
        && (status != 401 || headers.contains_key("www-authenticate"))
        && !headers.contains_key("access-control-allow-origin");
    (!fine).then(|| format!("{headers:?}"))
}

/// What is told last to who listened.
const OVER: &str =
    "event: end\ndata: {\"reason\":\"the login or the token has ended: log in again\"}\n\n";

/// The rest of a stream, which must end.
async fn rest(answer: Response) -> String {
    let text = tokio::time::timeout(std::time::Duration::from_secs(60), answer.text()).await;
    text.expect("the stream ends").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_is_out_when_the_login_or_the_token_ends() {
    let admin = format!(
        "{}\n  session: 1h\n  tokens:\n    short: {{ token: short-lived-token-0123456789, scopes: [read], expires: 2026-01-31T13:30:00Z }}\n",
        everybody().split("  tokens:").next().unwrap().trim_end()
    );
    let house = House::start(&admin).await;
    let feed = house.at("/api/v1/feed");
    let (cookie, csrf) = house.logged_in("anna", "password of anna").await;
    let (other, _) = house.logged_in("rita", "password of rita").await;
    let [leaving, staying] = [cookie.clone(), other].map(|cookie| [("cookie", cookie)]);
    let (leaving, staying) = (ask(&feed, &leaving).await, ask(&feed, &staying).await);
    let headers = [("cookie", cookie), ("content-type", FORM.to_owned())];
    let body = form(&[("csrf", &csrf)]);
    let out = send(&house.at("/logout"), Method::POST, &headers, body, None).await;
    assert_eq!(out.status(), 303);
    assert!(rest(leaving).await.ends_with(OVER), "logged out");

    let by_token = ask(
        &feed,
        &[(
            "authorization",
            "Bearer short-lived-token-0123456789".into(),
        )],
    )
    .await;
    assert_eq!(by_token.status(), 200);
    house.advance(3_600);
    assert!(
        rest(staying).await.ends_with(OVER),
        "the login lasted an hour"
    );
    house.advance(1_800);
    assert!(
        rest(by_token).await.ends_with(OVER),
        "the token was good for an hour and a half"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_by_everybody() {
    let house = House::start(&everybody()).await;
    matrix(&house, true, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_by_everybody_where_the_numbers_need_a_login_too() {
    let house = House::start(&format!("{}  metrics: login\n", everybody())).await;
    matrix(&house, true, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_login_all_is_open_but_to_pages_and_names_from_elsewhere() {
    let house = House::start("").await;
    matrix(&house, false, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_open_numbers_tell_strangers_of_no_camera() {
    for (admin, stranger_is_told) in [(everybody(), false), (String::new(), true)] {
        let house = House::start(&admin).await;
        let (kind, body) = form_event(1);
        let sent = client().post(house.app.url()).header("content-type", kind);
        assert_eq!(sent.body(body).send().await.unwrap().status(), 200);
        let told = async |headers: &[(&str, String)]| {
            let answer = ask(&house.at("/metrics"), headers).await;
            assert_eq!(answer.status(), 200);
            let page = answer.text().await.unwrap();
            assert!(page.contains("camhook_events_received_total{"), "{page}");
            page.contains("{camera=\"cam-1\"}")
        };
        eventually("somebody has looked", async || {
            house.advance(30);
            told(&bearer("metrics")).await
        })
        .await;
        assert!(told(&basic("rita", "password of rita")).await);
        for stranger in [vec![], bearer("steer"), bearer("old"), bearer("unknown")] {
            assert_eq!(told(&stranger).await, stranger_is_told, "{stranger:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_changes_nothing() {
    let house = House::start(&everybody()).await;
    let event = house.event().await;
    let cookie = house.logged_in("anna", "password of anna").await;
    let reader = house.logged_in("rita", "password of rita").await;
    let count = async || {
        let rows = ask(&house.at("/api/v1/deliveries?limit=0"), &bearer("read")).await;
        let rows: Value = serde_json::from_str(&rows.text().await.unwrap()).unwrap();
        rows.as_array().unwrap().len()
    };
    let before = count().await;
    for asker in askers(&cookie, &reader, 0, &house.port()) {
        let may = asker.scopes.is_some_and(|scopes| scopes.contains(&"steer"));
        if may && asker.foreign.is_none() && !asker.no_csrf {
            continue;
        }
        for (path, body) in [
            ("/api/v1/targets/vms/pause", json!({})),
            ("/api/v1/replay", json!({ "events": [event] })),
            ("/api/v1/purge", json!({ "before": "2027-01-01T00:00:00Z" })),
        ] {
            let mut headers = asker.headers.clone();
            headers.push(("content-type", "application/json".into()));
            let answer = send(
                &house.at(path),
                Method::POST,
                &headers,
                body.to_string(),
                None,
            )
            .await;
            assert!(
                matches!(answer.status().as_u16(), 401 | 403 | 429),
                "{}",
                asker.what
            );
        }
    }
    house.app.caught_up().await;
    assert_eq!(count().await, before);
    let targets = ask(&house.at("/api/v1/targets"), &bearer("read"))
        .await
        .text()
        .await
        .unwrap();
    assert!(targets.contains("\"state\":\"running\""), "{targets}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_looks_and_logs_out() {
    let house = House::start(&everybody()).await;
    let html = ("accept", "text/html,*/*".to_owned());
    let led = ask(
        &house.at("/api/v1/events?limit=1"),
        std::slice::from_ref(&html),
    )
    .await;
    assert_eq!(led.status(), 303);
    assert_eq!(
        led.headers()["location"],
        "/login?next=%2Fapi%2Fv1%2Fevents%3Flimit%3D1"
    );

    for (user, password, status) in [
        ("anna", "wrong", 401),
        ("", "", 401),
        ("nobody", "password of anna", 401),
    ] {
        let answer = house.log_in(user, password, &[]).await;
        assert_eq!(answer.status(), status);
        assert!(
            answer
                .text()
                .await
                .unwrap()
                .contains("Wrong name or password")
        );
    }
    let answer = house.log_in("anna", "password of anna", &[]).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["location"]),
        (303, &HeaderValue::from_static("/api/v1/me"))
    );
    let cookie = cookies(&answer).remove(0);
    let port = house.port();
    assert!(cookie.starts_with(&format!("camhook-{port}=")), "{cookie}");
    assert!(
        cookie.ends_with("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"),
        "{cookie}"
    );

    let cookie = ("cookie", cookie.split(';').next().unwrap().to_owned());
    let page = ask(&house.at("/"), &[cookie.clone(), html])
        .await
        .text()
        .await
        .unwrap();
    assert!(
        page.contains("Log out") && page.contains("anna") && !page.contains("style="),
        "{page}"
    );
    let ours = page.matches("<script src=\"/assets/").count();
    assert_eq!(page.matches("<script").count(), ours, "{page}");
    assert!(page.contains("First steps") && page.contains("name=\"viewport\""));
    let token = hidden(&page);
    let out = [cookie.clone(), ("content-type", FORM.to_owned())];
    let without = send(
        &house.at("/logout"),
        Method::POST,
        &out,
        form(&[("csrf", "x")]),
        None,
    )
    .await;
    assert_eq!(without.status(), 403);
    let done = send(
        &house.at("/logout"),
        Method::POST,
        &out,
        form(&[("csrf", &token)]),
        None,
    )
    .await;
    assert_eq!(done.status(), 303);
    assert!(
        cookies(&done)
            .iter()
            .all(|cookie| cookie.contains("Max-Age=0"))
    );
    let after = ask(&house.at("/api/v1/me"), &[cookie]).await;
    assert_eq!(after.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_https_the_cookie_is_of_the_strictest_kind() {
    let house = House::start(&format!("{}  hosts: [cam.example.com]\n", everybody())).await;
    let proxied = [
        ("host", "cam.example.com".to_owned()),
        ("origin", "https://cam.example.com".to_owned()),
    ];
    let answer = house.log_in("anna", "password of anna", &proxied).await;
    assert_eq!(answer.status(), 303);
    let cookie = cookies(&answer).remove(0);
    assert!(
        cookie.starts_with("__Host-camhook-")
            && cookie.ends_with("; Secure")
            && cookie.contains("Path=/;"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let me = ask(&house.at("/api/v1/me"), &[("cookie", cookie)]).await;
    assert!(me.text().await.unwrap().contains("\"anna\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_form_counts_only_from_the_browser_that_asked_for_it() {
    let house = House::start(&everybody()).await;
    let fields = form(&[
        ("username", "anna"),
        ("password", "password of anna"),
        ("csrf", &"C".repeat(43)),
    ]);
    for cookie in [
        "".to_owned(),
        format!("camhook-form-{}={}", house.port(), "D".repeat(43)),
    ] {
        let headers = [("content-type", FORM.to_owned()), ("cookie", cookie)];
        let answer = send(
            &house.at("/login"),
            Method::POST,
            &headers,
            fields.clone(),
            None,
        )
        .await;
        assert_eq!(answer.status(), 403);
        assert!(
            !cookies(&answer)
                .iter()
                .any(|cookie| cookie.starts_with(&format!("camhook-{}", house.port())))
        );
    }
    let inside = form(&[
        ("next", "//evil.example/\"><script>"),
        ("username", "<b>"),
        ("csrf", "x"),
    ]);
    let headers = [("content-type", FORM.to_owned())];
    let page = send(&house.at("/login"), Method::POST, &headers, inside, None)
        .await
        .text()
        .await
        .unwrap();
    assert!(
        !page.contains("evil") && !page.contains("<b>") && !page.contains("<script"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_each_client_is_counted_and_behind_others_the_proxy() {
    let house = House::start_behind("[127.0.0.9]", &everybody()).await;
    let me = house.at("/api/v1/me");
    let get = async |headers: &[(&str, String)], client: &str, proxy: [u8; 4]| {
        let mut all = headers.to_vec();
        all.push(("x-forwarded-for", client.to_owned()));
        let proxy = Some(IpAddr::from(proxy));
        send(&me, Method::GET, &all, String::new(), proxy)
            .await
            .status()
    };
    let trusted = [127, 0, 0, 9];
    let guess = |n: usize| basic(&format!("nobody-{n}"), "guess");
    for n in 0..20 {
        // What stands before the last address is the guesser's own invention.
        let client = format!("198.51.100.{n}, 192.0.2.66");
        assert_eq!(get(&guess(n), &client, trusted).await, 401);
    }
    assert_eq!(get(&guess(20), "192.0.2.66", trusted).await, 429);
    let rita = basic("rita", "password of rita");
    assert_eq!(
        get(&rita, "192.0.2.7", trusted).await,
        200,
        "another client"
    );

    let stranger = [127, 0, 0, 10];
    for n in 0..20 {
        let client = format!("192.0.2.{}", 100 + n);
        assert_eq!(get(&guess(100 + n), &client, stranger).await, 401);
    }
    let client = "192.0.2.200";
    assert_eq!(
        get(&guess(120), client, stranger).await,
        429,
        "nobody believes it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_is_slowed_down_and_who_knows_is_not_locked_out() {
    let house = House::start(&everybody()).await;
    let desk = Some(IpAddr::from([127, 0, 0, 7]));
    let me = house.at("/api/v1/me");
    let anna = basic("anna", "password of anna");
    let get = async |headers: &[(&str, String)], from| {
        send(&me, Method::GET, headers, String::new(), from).await
    };
    assert_eq!(get(&anna, desk).await.status(), 200);

    let guesser = Some(IpAddr::from([127, 0, 0, 66]));
    for n in 0..20 {
        let answer = get(&basic("anna", &format!("guess {n}")), guesser).await;
        assert_eq!(answer.status(), 401);
    }
    let slowed = get(&basic("anna", "guess"), guesser).await;
    assert_eq!(
        (slowed.status(), &slowed.headers()["retry-after"]),
        (
            StatusCode::TOO_MANY_REQUESTS,
            &HeaderValue::from_static("6")
        )
    );
    assert_eq!(
        get(&anna, guesser).await.status(),
        429,
        "or guessing would go on"
    );
    assert_eq!(get(&bearer("unknown"), guesser).await.status(), 429);
    assert_eq!(
        get(&bearer("read"), guesser).await.status(),
        200,
        "a right token is no guess"
    );
    assert_eq!(
        get(&anna, desk).await.status(),
        200,
        "she has logged in from there before"
    );
    assert_eq!(
        get(&basic("rita", "password of rita"), None).await.status(),
        200
    );

    house.advance(7);
    assert_eq!(
        get(&anna, guesser).await.status(),
        200,
        "nobody is locked out for ever"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_logins_end_at_their_time() {
    let tokens = "  users: { anna: { password: \"HASH\" } }\n  session: 1h\n  tokens:\n    \
                  short: { token: token-with-scope-short, expires: \"2026-01-31T13:30:00+01:00\" }\n"
        .replace("HASH", &quick("password of anna"));
    let house = House::start(&tokens).await;
    let (cookie, _) = house.logged_in("anna", "password of anna").await;
    let statuses = async || {
        let mut statuses = Vec::new();
        for headers in [bearer("short"), vec![("cookie", cookie.clone())]] {
            statuses.push(
                ask(&house.at("/api/v1/events"), &headers)
                    .await
                    .status()
                    .as_u16(),
            );
        }
        statuses
    };
    house.advance(1799);
    assert_eq!(statuses().await, [200, 200]);
    house.advance(1);
    assert_eq!(statuses().await, [401, 200]);
    let answer = ask(&house.at("/api/v1/events"), &bearer("short")).await;
    assert!(answer.text().await.unwrap().contains("has expired"));
    house.advance(1800);
    assert_eq!(statuses().await, [401, 401]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_taken_out_of_the_file_is_out() {
    let user = |password: &str| {
        format!(
            "  users: {{ anna: {{ password: \"{}\" }} }}\n",
            quick(password)
        )
    };
    let house = House::start(&user("password of anna")).await;
    let (cookie, _) = house.logged_in("anna", "password of anna").await;
    let status = async || {
        ask(&house.at("/api/v1/events"), &[("cookie", cookie.clone())])
            .await
            .status()
    };
    assert_eq!(status().await, 200);
    write(house.folder.path(), &user("another password"));
    eventually("the login has ended", async || status().await == 401).await;
    assert_eq!(
        ask(
            &house.at("/api/v1/events"),
            &basic("anna", "another password")
        )
        .await
        .status(),
        200
    );
    assert_eq!(
        ask(
            &house.at("/api/v1/events"),
            &basic("anna", "password of anna")
        )
        .await
        .status(),
        401
    );
    write(
        house.folder.path(),
        "  tokens: { t: { token: token-with-scope-new } }\n",
    );
    eventually("anna is not known any more", async || {
        ask(
            &house.at("/api/v1/events"),
            &basic("anna", "another password"),
        )
        .await
        .status()
            == 401
    })
    .await;
    assert_eq!(
        ask(&house.at("/api/v1/events"), &bearer("new"))
            .await
            .status(),
        200
    );
    // Also while another address in the file waits for a restart.
    let routes = house.folder.path().join("routes.yaml");
    let file = std::fs::read_to_string(&routes).unwrap();
    let moved = file.replace(
        "listen: 127.0.0.1:0\n  findface",
        "listen: 127.0.0.1:9\n  findface",
    );
    assert_ne!(moved, file);
    std::fs::write(&routes, moved.replace("scope-new", "scope-other")).unwrap();
    eventually("its token is out", async || {
        let asked = ask(&house.at("/api/v1/events"), &bearer("new")).await;
        asked.status() == 401
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_login_of_a_client_of_findface_ends_with_its_time_and_with_its_password() {
    let user = |password: &str| {
        format!(
            "  users: {{ anna: {{ password: \"{}\" }} }}\n",
            quick(password)
        )
    };
    let house = House::start(&user("password of anna")).await;
    let log_in = async |password: &str| {
        let body = json!({ "username": "anna", "password": password }).to_string();
        let headers = [("content-type", "application/json".to_owned())];
        let url = house.at("/v1/auth/login");
        let answer = send(&url, Method::POST, &headers, body, None).await;
        let status = answer.status().as_u16();
        let told: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let token = told["access_token"].as_str().unwrap_or_default();
        (status, format!("Bearer {token}"))
    };
    let status = async |bearer: &str| {
        let headers = [("authorization", bearer.to_owned())];
        ask(&house.at("/v1/webhooks/"), &headers)
            .await
            .status()
            .as_u16()
    };
    let (fine, token) = log_in("password of anna").await;
    assert_eq!((fine, status(&token).await), (200, 200));
    let headers = [("authorization", token.clone())];
    let feed = ask(&house.at("/api/v1/feed"), &headers).await;
    assert_eq!(feed.status(), 200);
    house.advance(12 * 3600 - 1);
    assert_eq!(status(&token).await, 200);
    house.advance(1);
    assert_eq!(status(&token).await, 401);
    assert!(rest(feed).await.ends_with(OVER), "the token has ended");

    let (_, token) = log_in("password of anna").await;
    // It is no cookie of a browser's.
    let cookie = format!("camhook-{}={}", house.port(), &token["Bearer ".len()..]);
    let as_cookie = ask(&house.at("/v1/webhooks/"), &[("cookie", cookie)]).await;
    assert_eq!(as_cookie.status(), 401);
    write(house.folder.path(), &user("another password"));
    eventually("the login has ended", async || status(&token).await == 401).await;

    let mut refused = 0;
    while log_in("wrong").await.0 == 401 {
        refused += 1;
        assert!(refused < 50, "who guesses is never slowed down");
    }
    assert_eq!(log_in("wrong").await.0, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_finds_its_way_in_and_the_log_tells_who_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let routes = |admin: &str| {
        format!(
            "server: {{ listen: 127.0.0.1:0 }}\nadmin:\n  listen: 127.0.0.1:0\n{admin}targets: {{ vms: {{ jsonl: vms.jsonl }} }}\nroutes: [{{ to: [vms] }}]\n"
        )
    };
    let plain = "a password in the environment";
    let admin = "  users: { anna: { password: \"${ANNA}\", scopes: [admin] } }\n  \
                 tokens: { robot: { token: \"${ROBOT}\", scopes: [read, steer] } }\n";
    std::fs::write(folder.path().join("routes.yaml"), routes(admin)).unwrap();
    let secrets = [
        ("ANNA".to_owned(), plain.to_owned()),
        ("ROBOT".to_owned(), "token-of-the-robot-1".to_owned()),
    ];
    let camhook = Process::logging_with(folder.path(), &secrets);

    let cli = |arguments: &[&str], token: Option<&str>| {
        let mut command = camhook_command(folder.path());
        command
            .args(arguments)
            .env_remove("CAMHOOK_ADMIN_TOKEN")
            .envs(secrets.clone());
        command.envs(token.map(|token| ("CAMHOOK_ADMIN_TOKEN", token)));
        let output = command.output().unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let key = folder.path().join("data/admin.token");
    let kept = std::fs::read_to_string(&key).unwrap();
    let (done, said) = cli(&["targets", "pause", "vms"], None);
    assert!(done, "{said}");
    let elsewhere = camhook.admin.replace("127.0.0.1", "localhost");
    assert!(cli(&["--admin", &elsewhere, "targets"], None).0);

    std::fs::remove_file(&key).unwrap();
    let far = ["--admin", camhook.admin.as_str()];
    let with = |more: &[&'static str]| -> Vec<&str> {
        far.iter().copied().chain(more.iter().copied()).collect()
    };
    let (done, said) = cli(&with(&["targets"]), None);
    assert!(!done && said.contains("CAMHOOK_ADMIN_TOKEN"), "{said}");
    assert!(
        cli(
            &with(&["targets", "resume", "vms"]),
            Some("token-of-the-robot-1")
        )
        .0
    );
    assert!(
        cli(
            &with(&["targets", "--admin-token", "token-of-the-robot-1"]),
            None
        )
        .0
    );
    let (done, said) = cli(&with(&["targets"]), Some("token-of-the-robot-2"));
    assert!(
        !done && said.contains("not known") && !said.contains("robot-2"),
        "{said}"
    );

    let replay = json!({ "events": ["x"] }).to_string();
    let json = ("content-type", "application/json".to_owned());
    let headers = [basic("anna", plain).remove(0), json];
    let url = format!("{}/api/v1/replay", camhook.admin);
    assert_eq!(
        send(&url, Method::POST, &headers, replay, None)
            .await
            .status(),
        404
    );
    let url = format!("{}/api/v1/config", camhook.admin);
    let shown = ask(&url, &basic("anna", plain)).await.text().await.unwrap();
    assert!(shown.contains("${ANNA}"), "{shown}");
    let wrong = ask(&url, &basic("a password in the wrong field", "x")).await;
    assert_eq!(wrong.status(), 401);
    let errors = wrong.text().await.unwrap();
    let token = kept.split_whitespace().last().unwrap().to_owned();
    std::fs::write(&key, &kept).unwrap();
    camhook.stop();
    assert!(!key.exists(), "the key goes when camhook stops");

    let log = std::fs::read_to_string(folder.path().join("log.txt")).unwrap();
    for line in [
        "who=the command line of this machine",
        "who=the token robot",
        "who=the user anna",
        "path=\"/api/v1/targets/vms/pause\"",
        "status=404",
        "refused a token that is not known",
        "(not known)",
    ] {
        assert!(log.contains(line), "{line} is not in\n{log}");
    }
    let anna = basic("anna", plain).remove(0).1;
    for secret in [
        plain,
        "token-of-the-robot",
        &token,
        anna.trim_start_matches("Basic "),
        "in the wrong field",
    ] {
        for (place, text) in [
            ("the log", &log),
            ("the config", &shown),
            ("an error", &errors),
        ] {
            assert!(!text.contains(secret), "{secret} is in {place}:\n{text}");
        }
    }
}

#[test]
fn an_address_that_others_reach_needs_a_login_or_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let check = |admin: &str| {
        let file = format!("server: {{ listen: 127.0.0.1:0 }}\n{admin}\n");
        std::fs::write(folder.path().join("routes.yaml"), file).unwrap();
        let output = camhook_command(folder.path())
            .arg("check")
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    for address in ["0.0.0.0:9001", "10.0.0.5:9001", "'[::]:9001'"] {
        let (code, said) = check(&format!("admin: {{ listen: {address} }}"));
        assert_eq!(code, Some(2), "{said}");
        assert!(
            said.contains("routes.yaml:2:")
                && said.contains("^^^")
                && said.contains("camhook password"),
            "{said}"
        );
        for way_out in ["open: true", "tokens: { a: { token: 0123456789abcdef } }"] {
            let (code, said) = check(&format!("admin: {{ listen: {address}, {way_out} }}"));
            assert_eq!(code, Some(0), "{said}");
        }
    }
    for here in [
        "127.0.0.1:9001",
        "127.0.0.2:9001",
        "'[::1]:9001'",
        "'[::ffff:127.0.0.1]:9001'",
    ] {
        let (code, said) = check(&format!("admin: {{ listen: {here} }}"));
        assert_eq!(code, Some(0), "{said}");
    }
    std::fs::write(
        folder.path().join("open.yaml"),
        "admin: { listen: 0.0.0.0:0 }\n",
    )
    .unwrap();
    let run = camhook_command(folder.path())
        .args(["--config", "open.yaml", "run"])
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(2), "it does not start either");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_command_makes_what_the_file_wants() {
    let folder = tempfile::tempdir().unwrap();
    let piped = |text: &str, arguments: &[&str]| {
        let mut command = camhook_command(folder.path());
        command.arg("password").args(arguments);
        command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped());
        let mut child = command
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout)
                .unwrap()
                .trim_end()
                .to_owned(),
        )
    };
    let (done, hash) = piped("pass wörd 1\n", &[]);
    assert!(done && hash.starts_with("$argon2id$"), "{hash}");
    assert!(!piped("short\n", &[]).0);
    let (_, token) = piped("", &["--new-token"]);
    assert_eq!(token.len(), 43);

    let house = House::start(&format!(
        "  users: {{ anna: {{ password: \"{hash}\" }} }}\n  tokens: {{ t: {{ token: {token} }} }}\n"
    ))
    .await;
    let status =
        async |headers: &[(&str, String)]| ask(&house.at("/api/v1/events"), headers).await.status();
    assert_eq!(status(&basic("anna", "pass wörd 1")).await, 200);
    assert_eq!(status(&basic("anna", "pass wörd 2")).await, 401);
    assert_eq!(
        status(&[("authorization", format!("Bearer {token}"))]).await,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_name_or_with_two_is_refused_and_a_long_form_is_not_read() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let house = House::start(&everybody()).await;
    let raw = async |text: String| {
        let address = format!("127.0.0.1:{}", house.port());
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = vec![0; 64];
        let read = stream.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..read]).into_owned()
    };
    for (status, request) in [
        ("HTTP/1.1 400", "GET /metrics HTTP/1.1\r\n\r\n".to_owned()),
        (
            "HTTP/1.1 400",
            "GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n".to_owned(),
        ),
        (
            "HTTP/1.1 403",
            "GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        ),
        (
            "HTTP/1.1 413",
            format!(
                "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 17000\r\n\r\n{}",
                "x".repeat(17_000)
            ),
        ),
        (
            "HTTP/1.1 401",
            "POST /api/v1/purge HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\n"
                .to_owned(),
        ),
    ] {
        let answer = raw(request.clone()).await;
        assert!(
            answer.starts_with(status),
            "{answer} to {}",
            &request[..60.min(request.len())]
        );
    }
}
