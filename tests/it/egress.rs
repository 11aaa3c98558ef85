//! Where camhook connects to when somebody else names the place: each way in, each spelling, each setting.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Answer, Receiver, Within};

const PICTURE: &str = "GIF89a a picture";
const COME_BACK: &str = "{ attempts: 1 }";

/// Who names the address.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// A picture's address in an event.
    Picture,
    /// A server that pictures may be fetched from, by a redirect.
    Redirect,
    /// A value in the host of a target's url.
    Host,
    /// A value that is a target's whole url.
    Url,
    /// The answer to a request before, in the host of the url.
    Captured,
}

const WAYS: [Way; 5] = [
    Way::Picture,
    Way::Redirect,
    Way::Host,
    Way::Url,
    Way::Captured,
];

/// What `hosts` and `networks` say; `PORT` is the server's, on 127.0.0.1.
const SETTINGS: [(&str, &str); 6] = [
    ("cam.example:PORT", ""),
    ("127.0.0.1:PORT", ""),
    ("localhost:PORT", ""),
    ("localhost:PORT", "127.0.0.0/8, \"::1\""),
    ("127.0.0.0/8:PORT", ""),
    ("127.0.0.1", "0.0.0.0/0, \"::/0\""),
];

/// The hosts, and what becomes of each under each setting: `R`eached, `U`nlisted, `P`rivate, `C`annot be connected to, for
/// nobody is there.
const HOSTS: [(&str, &str); 17] = [
    ("127.0.0.1", "URUURU"),
    ("127.1", "URUURU"),
    ("127.0.1", "URUURU"),
    ("2130706433", "URUURU"),
    ("0x7f000001", "URUURU"),
    ("0x7F.0.0.0x1", "URUURU"),
    ("0177.0.0.01", "URUURU"),
    ("127.0.0.1.", "URUURU"),
    ("127.0.0.2", "UUUUCU"),
    ("localhost", "UUPRUU"),
    ("LocalHost", "UUPRUU"),
    ("localhost.", "UUUUUU"),
    ("0.0.0.0", "UUUUUU"),
    ("10.255.255.1", "UUUUUU"),
    ("169.254.169.254", "UUUUUU"),
    ("2852039166", "UUUUUU"),
    ("cam.example.evil.example", "UUUUUU"),
];

/// Those of IPv6, where the machine has it. A value in the host may not bring brackets unless it is the whole host.
const HOSTS_V6: [(&str, &str); 5] = [
    ("[::ffff:127.0.0.1]", "URUURU"),
    ("[::ffff:7f00:1]", "URUURU"),
    ("[0:0:0:0:0:FFFF:7f00:0001]", "URUURU"),
    ("[::1]", "UUUUUU"),
    ("[fd00:ec2::254]", "UUUUUU"),
];

fn settings(hosts: &str, networks: &str) -> String {
    format!("hosts: [{hosts}], networks: [{networks}]")
}

fn config(way: Way, hosts: &str, networks: &str, port: u16, helper: &Receiver) -> String {
    let mut listed = format!("\"{}\"", hosts.replace("PORT", &port.to_string()));
    if matches!(way, Way::Redirect | Way::Captured) {
        listed.push_str(&format!(", \"{}\"", helper.url().replace("http://", "")));
    }
    let settings = settings(&listed, networks);
    if matches!(way, Way::Picture | Way::Redirect) {
        return format!(
            "sources:\n  ff: {{ kind: findface, path: /, fetch: {{ attempts: 1, {settings} }} }}\n\
             targets:\n  all: {{ log: {{}} }}\nroutes:\n  - {{ to: [all] }}\n"
        );
    }
    let (url, first) = match way {
        Way::Host => (
            format!("http://{{{{ event.raw.host }}}}:{port}/{{{{ event.raw.n }}}}"),
            String::new(),
        ),
        Way::Url => ("{{ event.raw.url }}".to_owned(), String::new()),
        _ => (
            format!("http://{{{{ captured.host }}}}:{port}/{{{{ event.raw.n }}}}"),
            format!(
                ", first: [{{ request: {{ url: \"{}/{{{{ event.raw.n }}}}\" }}, capture: {{ host: {{ json: /host }} }} }}]",
                helper.url()
            ),
        ),
    };
    format!(
        "sources:\n  any: {{ kind: generic, path: / }}\n\
         targets:\n  vms: {{ http: {{ url: \"{url}\", text: x{first}, {settings} }}, retry: {COME_BACK}, breaker: {{ failures: 1000 }} }}\n\
         routes:\n  - {{ to: [vms] }}\n"
    )
}

fn body(way: Way, n: usize, host: &str, port: u16, helper: &Receiver) -> Vec<u8> {
    let url = format!("http://{host}:{port}/{n}");
    let told = match way {
        Way::Redirect => format!("{}/{n}", helper.url()),
        _ => url.clone(),
    };
    match way {
        Way::Picture | Way::Redirect => json!([{
            "id": n.to_string(), "object_type": "face", "bs_type": "overall", "camera": 7,
            "created_date": "2026-01-31T12:00:00Z", "fullframe": told,
        }]),
        _ => json!({ "n": n, "host": host, "url": url }),
    }
    .to_string()
    .into_bytes()
}

/// What became of each address, by its number.
async fn outcomes(way: Way, hosts: &str, networks: &str, all: &[&str]) -> Vec<String> {
    let server = Receiver::new().await;
    server.always(Some(Answer::status(200).body(PICTURE)));
    let port: u16 = server.url().rsplit(':').next().unwrap().parse().unwrap();
    let named: Vec<String> = all.iter().map(|host| (*host).to_owned()).collect();
    // Redirects to the address, or tells its host.
    let helper = Receiver::that(move |taken| {
        let n: usize = taken.path.trim_start_matches('/').parse().unwrap();
        Answer::status(if way == Way::Redirect { 302 } else { 200 })
            .header("location", &format!("http://{}:{port}/{n}", named[n]))
            .body(&json!({ "host": named[n] }).to_string())
    })
    .await;
    let camhook = Within::start(&config(way, hosts, networks, port, &helper)).await;
    for (n, host) in all.iter().enumerate() {
        camhook
            .post("application/json", body(way, n, host, port, &helper))
            .await;
    }
    camhook.advance(1.0).await;
    let told = told(&camhook, way).await;
    let reached: Vec<String> = server.taken().into_iter().map(|taken| taken.path).collect();
    let outcome = |n: usize| {
        let told = told.get(&n).map_or("", String::as_str);
        let (reached, outcome) = match reached.contains(&format!("/{n}")) {
            true => (true, "R"),
            false if told.contains("is not among `") => (false, "U"),
            false if told.contains("has the address 127.0.0.1, which is this machine's own") => {
                (false, "P")
            }
            false if told.contains("could not connect") => (false, "C"),
            false => (false, told),
        };
        assert!(!reached || told.is_empty(), "{told}, but it was asked");
        outcome.to_owned()
    };
    (0..all.len()).map(outcome).collect()
}

/// Why something did not go well, by number.
async fn told(camhook: &Within, way: Way) -> BTreeMap<usize, String> {
    let mut told = BTreeMap::new();
    let events = camhook.get("/api/v1/events?limit=0").await;
    for row in events.as_array().unwrap() {
        let id = row["id"].as_str().unwrap();
        let event = camhook.get(&format!("/api/v1/events/{id}")).await;
        if matches!(way, Way::Picture | Way::Redirect) {
            let n: usize = event["vendor_id"].as_str().unwrap().parse().unwrap();
            if let Some(note) = event["repaired"].get(0).and_then(Value::as_str) {
                told.insert(n, note.to_owned());
            }
            continue;
        }
        let n = usize::try_from(event["raw"]["n"].as_u64().unwrap()).unwrap();
        let rows = camhook
            .get(&format!("/api/v1/deliveries?event={id}&limit=0"))
            .await;
        if let Some(error) = rows[0]["attempts"][0]["error"].as_str() {
            told.insert(n, error.to_owned());
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_somebody_else_names_is_asked_only_where_the_settings_say() {
    let v6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    let more: &[_] = if v6 { &HOSTS_V6 } else { &[] };
    let rows: Vec<_> = HOSTS.iter().chain(more).collect();
    let hosts: Vec<&str> = rows.iter().map(|(host, _)| *host).collect();
    let mut wrong = Vec::new();
    let mut cells = 0;
    for way in WAYS {
        for (column, (listed, networks)) in SETTINGS.iter().enumerate() {
            let outcomes = outcomes(way, listed, networks, &hosts).await;
            for ((host, expected), outcome) in rows.iter().zip(outcomes) {
                let expected = &expected[column..=column];
                cells += 1;
                // What a system answered is percent-encoded in a url, so brackets make no host there.
                let is_no_host = way == Way::Captured
                    && host.starts_with('[')
                    && outcome.contains("url is wrong");
                if outcome != expected && !is_no_host {
                    wrong.push(format!(
                        "{way:?} {host} with hosts [{listed}], networks [{networks}]: {outcome}, expected {expected}"
                    ));
                }
            }
        }
    }
    assert!(cells >= 500, "{cells}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Settings of a url that somebody else has a say in, with the words of the complaint; none where it is taken.
const URLS: [(&str, Option<&str>); 14] = [
    ("url: \"http://10.0.0.5/{{ event.camera.id }}\"", None),
    (
        "url: \"http://{{ event.camera.ip }}/\"",
        Some("whoever sends the event would choose"),
    ),
    (
        "url: \"http://10.0.0.5:{{ event.raw.port }}/\"",
        Some("whoever sends the event would choose"),
    ),
    (
        "url: \"{{ event.raw.scheme }}://10.0.0.5/\"",
        Some("whoever sends the event would choose"),
    ),
    (
        "url: \"http://{{ event.raw.user }}:x@10.0.0.5/\"",
        Some("whoever sends the event would choose"),
    ),
    (
        "url: \"{% set a = event.raw.a %}{{ a }}\"",
        Some("`a` would choose"),
    ),
    (
        "url: \"http://{{ lists.cams[event.camera.id].host }}/\"",
        Some("`lists` would choose"),
    ),
    (
        "url: \"http://10.0.0.5/\", first: [{ request: { url: \"http://{{ event.camera.ip }}/\" } }]",
        Some("whoever sends the event would choose"),
    ),
    (
        "url: \"http://10.0.0.5/\", session: { login: { url: \"http://{{ event.camera.ip }}/\" }, token: { json: /t } }",
        Some("whoever sends the event would choose"),
    ),
    (
        "url: \"http://{{ event.camera.ip }}/\", hosts: [\"10.1.0.0/16\"]",
        None,
    ),
    (
        "url: \"http://{{ event.camera.ip }}/\", hosts: []",
        Some("at least one"),
    ),
    (
        "url: \"http://{{ event.camera.ip }}/\", hosts: [\"http://a.example\"]",
        Some("is no host"),
    ),
    (
        "url: \"http://{{ event.camera.ip }}/\", hosts: [a.example], networks: [a.example]",
        Some("is no network"),
    ),
    (
        "url: \"http://10.0.0.5/\", networks: [10.0.0.0/8]",
        Some("for the names among `hosts`"),
    ),
];

#[test]
fn check_refuses_a_url_whose_host_is_not_the_configs() {
    for (http, told) in URLS {
        let folder = tempfile::tempdir().unwrap();
        let routes = format!(
            "lists: {{ cams: {{ csv: cams.csv, key: id }} }}\n\
             targets:\n  vms: {{ http: {{ {http} }} }}\nroutes:\n  - {{ to: [vms] }}\n"
        );
        std::fs::write(folder.path().join("routes.yaml"), routes).unwrap();
        std::fs::write(folder.path().join("cams.csv"), "id,host\na,b\n").unwrap();
        let output = crate::harness::camhook_command(folder.path())
            .arg("check")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        match told {
            None => assert!(output.status.success(), "{http}: {text}"),
            Some(told) => {
                assert_eq!(output.status.code(), Some(2), "{http}: {text}");
                assert!(text.contains(told), "{http}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn a_setting_of_a_preset_that_an_event_fills_chooses_no_host_either() {
    let routes = |camera: &str, more: &str| {
        format!(
            "targets:\n  gate: {{ preset: axis-virtual-input, with: {{ username: u, password: \"pass-word\", \
             cameras: {{ \"*\": \"{camera}\" }} }}{more} }}\nroutes:\n  - {{ to: [gate], each: plate }}\n"
        )
    };
    for (camera, more, fine) in [
        ("http://10.0.0.5", "", true),
        ("http://{{ event.camera.ip }}", "", false),
        (
            "http://{{ event.camera.ip }}",
            ", hosts: [\"10.1.0.0/16\"]",
            true,
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("routes.yaml"), routes(camera, more)).unwrap();
        let output = crate::harness::camhook_command(folder.path())
            .arg("check")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), fine, "{camera}{more}: {text}");
        assert!(
            fine || text.contains("`with.camera` would choose"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn an_events_url_brings_no_credentials_and_a_target_follows_no_redirect() {
    let elsewhere = Receiver::new().await;
    let server = Receiver::new().await;
    let location = format!("{}/x", elsewhere.url());
    server.always(Some(Answer::status(307).header("location", &location)));
    let host = server.url().replace("http://", "");
    let hosts = format!(
        "hosts: [\"{host}\", \"{}\"]",
        elsewhere.url().replace("http://", "")
    );
    let routes = format!(
        "sources:\n  any: {{ kind: generic, path: / }}\n\
         targets:\n  vms: {{ http: {{ url: \"{{{{ event.raw.url }}}}\", text: x, {hosts} }}, retry: {COME_BACK} }}\n\
         routes:\n  - {{ to: [vms] }}\n"
    );
    let camhook = Within::start(&routes).await;
    for (n, url) in [format!("http://a:b@{host}/"), format!("http://{host}/")]
        .iter()
        .enumerate()
    {
        let event = json!({ "n": n, "url": url }).to_string();
        camhook.post("application/json", event.into_bytes()).await;
    }
    camhook.advance(1.0).await;
    let told = told(&camhook, Way::Url).await;
    assert!(told[&0].contains("holds a username"), "{}", told[&0]);
    assert!(
        told[&1].contains("redirects are not followed"),
        "{}",
        told[&1]
    );
    assert_eq!((server.requests(), elsewhere.requests()), (1, 0));
}
