//! Secrets that systems repeat, in whatever form, are shown nowhere.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{event, play};
use crate::harness::{Answer, Process, Receiver, Taken, camhook_command, client, eventually, get};

/// Ways to repeat what was sent.
const WAYS: usize = 11;

/// A preset with secrets of its own, and what of them nobody may see.
struct Planted {
    preset: &'static str,
    with: Value,
    secrets: Vec<String>,
}

/// Passwords hold what must be escaped somewhere; tokens what a header may hold.
fn planted() -> Vec<Planted> {
    let plant = |preset: &'static str, more: Value, secrets: &[&str]| {
        let mut with = json!({ "url": "URL" });
        for (name, value) in more.as_object().unwrap() {
            with[name] = value.clone();
        }
        let secrets = secrets.iter().map(|text| (*text).to_owned()).collect();
        Planted {
            preset,
            with,
            secrets,
        }
    };
    let cameras = json!({ "camera-1": "gate-1" });
    let pairs =
        |username: &str, password: &str| [password.to_owned(), format!("{username}:{password}")];
    let soap = pairs("soapy", "p\"w&<s0ap>'/+ é");
    let basic = pairs("basic", "p\"w&<basic>'/+ é");
    let wsse = pairs("wsse", "p\"w&<wsse>'/+ é");
    let blue = pairs("blue", "p\"w&<blue>'/+ é");
    let genetec = "p\"w&<gen>'/+ é";
    let with_pair =
        |pair: &[String; 2]| json!({ "username": pair[1].split(':').next(), "password": pair[0] });
    let also = |mut with: Value, name: &str, value: Value| {
        with[name] = value;
        with
    };
    let texts = |pair: &[String; 2]| pair.clone();
    let mut all = vec![
        plant(
            "parkpow",
            json!({ "token": "parkpow-T0ken/+=~" }),
            &["parkpow-T0ken/+=~"],
        ),
        plant(
            "platerecognizer",
            json!({ "token": "plates-T0ken/+=~" }),
            &["plates-T0ken/+=~"],
        ),
        plant(
            "aws-lambda",
            json!({ "token": "lambda-T0ken/+=~" }),
            &["lambda-T0ken/+=~"],
        ),
        plant(
            "cloudevents",
            json!({ "token": "cloud-T0ken/+=~" }),
            &["cloud-T0ken/+=~"],
        ),
        plant(
            "home-assistant",
            json!({ "token": "homeas-T0ken/+=~" }),
            &["homeas-T0ken/+=~"],
        ),
        plant(
            "home-assistant",
            json!({ "webhook": "hook ä/id-4711" }),
            &["hook ä/id-4711"],
        ),
        plant(
            "ntfy",
            json!({ "topic": "gate", "token": "tk_ntfy-T0ken~" }),
            &["tk_ntfy-T0ken~"],
        ),
        plant(
            "telegram",
            json!({ "chat": "1", "token": "123456:ABC-s3cret_gram" }),
            &["123456:ABC-s3cret_gram", "ABC-s3cret_gram"],
        ),
        plant(
            "slack",
            json!({ "url": "URL/services/T0001/B0002/sl4ckS3cret" }),
            &["sl4ckS3cret", "/services/T0001/B0002/"],
        ),
        plant(
            "discord",
            json!({ "url": "URL/api/webhooks/1234567890/d1sc0rd-S3cret_~" }),
            &["d1sc0rd-S3cret_~"],
        ),
        plant(
            "synology",
            json!({ "url": "URL/webapi/x?token=syn0logyS3cret", "cameras": { "camera-2": "URL/webapi/x?token=syn0logyOther" } }),
            &["syn0logyS3cret", "syn0logyOther"],
        ),
        plant(
            "openeye",
            json!({ "aki": "ak1OpenEye+/", "aks": "aks0penEye+/", "cameras": cameras }),
            &["ak1OpenEye+/", "aks0penEye+/"],
        ),
        plant(
            "genetec",
            json!({ "username": "gen", "application_id": "appl1cat10n", "password": genetec, "cameras": cameras }),
            &[
                genetec,
                "appl1cat10n",
                &format!("gen;appl1cat10n:{genetec}"),
            ],
        ),
    ];
    for (preset, pair, with) in [
        (
            "blue-iris",
            blue.clone(),
            also(with_pair(&blue), "cameras", cameras),
        ),
        ("soap", soap.clone(), with_pair(&soap)),
        (
            "soap",
            basic.clone(),
            also(with_pair(&basic), "security", "basic".into()),
        ),
        (
            "soap",
            wsse.clone(),
            also(with_pair(&wsse), "security", "wsse-text".into()),
        ),
    ] {
        all.push(Planted {
            secrets: texts(&pair).into(),
            ..plant(preset, with, &[])
        });
    }
    all
}

/// What the system understood: address, credentials, and the beginning of the body.
fn understood(taken: &Taken) -> String {
    let body = String::from_utf8_lossy(&taken.body);
    let inside = |name: &str| {
        let from = body.find(&format!("<{name}"))?;
        let text = body[from..].split('>').nth(1)?.split('<').next()?;
        Some(
            text.replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&quot;", "\"")
                .replace("&apos;", "'")
                .replace("&#39;", "'")
                .replace("&#x27;", "'")
                .replace("&amp;", "&"),
        )
    };
    let pair = taken
        .basic()
        .map(|(username, password)| format!("{username}:{password}"));
    [
        Some(taken.path.clone()),
        Some(super::wire::decoded(&taken.path)),
        taken.headers.get("authorization").cloned(),
        pair.ok(),
        inside("password"),
        inside("wsse:Password"),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(" | ")
}

fn repeated(way: usize, taken: &Taken) -> Answer {
    let text = understood(taken);
    let escaped = |apostrophe: &str| {
        let text = text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        text.replace('"', "&quot;").replace('\'', apostrophe)
    };
    let percent = utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
    let body = match way {
        0 => text.clone(),
        1 => json!({ "error": text }).to_string(),
        2 => json!({ "error": text })
            .to_string()
            .replace('/', "\\/")
            .replace('é', "\\u00e9")
            .replace('ä', "\\u00e4"),
        3 => escaped("&apos;"),
        4 => escaped("&#x27;"),
        5 => percent,
        6 => percent.to_lowercase(), // of the secrets' own letters too: only the forms in between matter
        7 => form_urlencoded::byte_serialize(text.as_bytes()).collect(),
        8 => STANDARD.encode(&text),
        9 => URL_SAFE_NO_PAD.encode(&text),
        _ => String::from_utf8_lossy(&taken.body[..taken.body.len().min(700)]).into_owned(),
    };
    let header: String = text.chars().filter(char::is_ascii).collect();
    Answer::status([500, 400, 401, 302][way % 4])
        .body(&body)
        .header("location", &format!("/login?{header}"))
        .header("www-authenticate", &header)
        .header("x-request", &header)
}

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// How a secret might look.
fn forms(secret: &str) -> Vec<String> {
    let json = json!(secret).to_string();
    let json = json.trim_matches('"').to_owned();
    let xml = secret
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let mut forms = vec![
        secret.to_owned(),
        json.replace('/', "\\/"),
        json.replace('é', "\\u00e9"),
        json,
        xml.replace('"', "&quot;").replace('\'', "&apos;"),
        xml.replace('"', "&quot;").replace('\'', "&#x27;"),
        xml.replace('"', "&quot;").replace('\'', "&#39;"),
        xml,
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        utf8_percent_encode(secret, UNRESERVED).to_string(),
        form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        STANDARD.encode(secret),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
    ];
    // Somewhere inside of other base64: what surely stands there, wherever the secret begins.
    for (shift, skip) in [(0, 0), (1, 2), (2, 3)] {
        let shifted = STANDARD.encode([&vec![b' '; shift][..], secret.as_bytes()].concat());
        let sure = &shifted[skip..shifted.len() - 4];
        forms.push(sure.to_owned());
        forms.push(sure.replace('+', "-").replace('/', "_"));
    }
    forms
}

/// Every place where camhook shows something.
async fn shown(
    camhook: &Process,
    folder: &std::path::Path,
    planted: &[Planted],
    url: &str,
) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let events = camhook.get("/api/v1/events").await;
    let event = events[0]["id"].as_str().unwrap();
    for path in [
        "deliveries?limit=0",
        "events",
        "targets",
        "sources",
        "quarantine",
        &format!("events/{event}"),
    ] {
        let path = format!("/api/v1/{path}");
        all.push((path.clone(), camhook.get(&path).await.to_string()));
    }
    for path in ["/", "/metrics", "/readyz", "/healthz"] {
        let text = get(&format!("{}{path}", camhook.admin))
            .await
            .text()
            .await
            .unwrap();
        all.push((path.to_owned(), text));
    }
    let tell = |arguments: &[&str]| {
        let output = camhook.cli(arguments);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!text.is_empty(), "{arguments:?}");
        (arguments.join(" "), text)
    };
    all.push(tell(&["deliveries", "--limit", "0"]));
    all.push(tell(&["deliveries", "--limit", "0", "--json"]));
    all.push(tell(&["targets"]));
    all.push(tell(&["events"]));
    all.push(tell(&["sources", "--json"]));
    all.push(tell(&["explain", "--event", event]));
    all.push(tell(&["explain", "--event", event, "--json"]));
    all.push(tell(&["check", "--connect"]));
    for it in planted {
        all.push(tell(&["presets", "show", it.preset]));
        let with = it.with.to_string().replace("URL", url);
        let with: Value = serde_json::from_str(&with).unwrap();
        let given: Vec<String> = (with.as_object().unwrap().iter())
            .map(|(name, value)| {
                format!(
                    "{name}={}",
                    value.as_str().map_or(value.to_string(), str::to_owned)
                )
            })
            .collect();
        let mut arguments = vec!["presets", "test", it.preset];
        arguments.extend(given.iter().flat_map(|given| ["--with", given]));
        let name = format!("presets test {}", it.preset);
        let output = camhook.cli(&arguments);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        all.push((
            name,
            String::from_utf8([output.stdout, output.stderr].concat()).unwrap(),
        ));
    }
    let mut routes = String::from("targets:\n");
    for (n, it) in planted.iter().enumerate() {
        let with = it.with.to_string().replace("URL", url);
        routes.push_str(&format!(
            "  t{n}: {{ preset: {}, with: {with} }}\n",
            it.preset
        ));
    }
    routes.push_str("routes: [{ name: all, to: [t0] }]\n");
    for (right, wrong) in [
        ("preset: ", "presett: "),
        ("preset: ", "preset: x"),
        ("\"url", "\"urll"),
    ] {
        std::fs::write(folder.join("broken.yaml"), routes.replace(right, wrong)).unwrap();
        let mut check = camhook_command(folder);
        let output = check
            .args(["check", "--config", "broken.yaml"])
            .output()
            .unwrap();
        assert!(!output.status.success());
        all.push((wrong.to_owned(), String::from_utf8(output.stderr).unwrap()));
    }
    let log = std::fs::read_to_string(folder.join("log.txt")).unwrap();
    all.push(("log".to_owned(), log));
    all
}

// On several threads: systems answer while a command is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_a_preset_is_shown_anywhere_whatever_a_system_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let planted = planted();
    let mut receivers = Vec::new();
    for way in 0..WAYS {
        receivers.push(Receiver::playing([], play(move |taken| Ok(repeated(way, taken)))).await);
    }
    let (mut targets, mut names) = (String::new(), Vec::new());
    for (n, it) in planted.iter().enumerate() {
        for (way, receiver) in receivers.iter().enumerate() {
            let name = format!("t{n}-{way}");
            let with = it.with.to_string().replace("URL", &receiver.url());
            targets.push_str(&format!(
                "  {name}: {{ preset: {}, with: {with} }}\n",
                it.preset
            ));
            names.push(name);
        }
    }
    let routes = format!(
        "log: {{ level: debug }}\ntargets:\n{targets}routes:\n  - {{ name: all, each: plate, to: [{}] }}\n",
        names.join(", ")
    );
    let camhook = Process::logging(folder.path(), &routes);
    let (kind, body) = event("camera-1", "ab123cd");
    let request = client()
        .post(&camhook.url)
        .header("content-type", kind)
        .body(body);
    assert_eq!(request.send().await.unwrap().status(), 200);
    eventually("an attempt at every target", async || {
        let deliveries = camhook.get("/api/v1/deliveries?limit=0").await;
        let deliveries = deliveries.as_array().unwrap();
        let tried = |row: &&Value| {
            row["attempts"]
                .as_array()
                .is_some_and(|all| !all.is_empty())
        };
        deliveries.iter().filter(tried).count() == names.len()
    })
    .await;
    for receiver in &receivers {
        assert!(receiver.requests() >= planted.len());
    }
    let mut leaks = Vec::new();
    for (place, text) in shown(&camhook, folder.path(), &planted, &receivers[0].url()).await {
        for it in &planted {
            for form in it.secrets.iter().flat_map(|secret| forms(secret)) {
                if let Some(at) = text.find(&form) {
                    let from = text.floor_char_boundary(at.saturating_sub(120));
                    let until = text.ceil_char_boundary(at + form.len() + 20);
                    leaks.push(format!(
                        "{} in {place}: {form}: …{}…",
                        it.preset,
                        &text[from..until]
                    ));
                    break;
                }
            }
        }
    }
    assert!(
        leaks.is_empty(),
        "{} leaks:\n{}",
        leaks.len(),
        leaks.join("\n\n")
    );
    let deliveries = camhook.get("/api/v1/deliveries?limit=0").await.to_string();
    assert!(deliveries.contains("***"), "systems did repeat secrets");
}
