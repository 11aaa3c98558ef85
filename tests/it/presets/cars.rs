//! Systems that take plate reads: ParkPow, receivers of Stream's webhooks, ZatPark, functions on Lambda, CloudEvents.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::wire::{is_jpeg, parts, want};
use super::{
    Again, Dead, Delivered, Held, Use, but, event, no, ok, play, sent, table, usual, within_200,
};
use crate::harness::{Answer, Receiver, Taken, Within};

const TOKEN: &str = "0123456789abcdef";

/// Stream's document and its pictures, as the readers of its webhooks take them.
fn of_stream(taken: &Taken) -> Result<Value, String> {
    let parts = parts(taken)?;
    let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    // Of two pictures Stream calls the crop of the vehicle `upload`.
    let known = ["original", "vehicle"].map(|other| ["json", "upload", other, "plate_img"]);
    want(
        known.iter().any(|known| names == known),
        &format!("parts {names:?}"),
    )?;
    want(parts[0].filename.is_none(), "json is no file")?;
    for part in &parts[1..] {
        part.is_a_file()?;
    }
    let told: Value = serde_json::from_str(parts[0].text()?).map_err(|error| error.to_string())?;
    let result = &told["data"]["results"][0];
    want(told["hook"]["event"] == "recognition", "hook.event")?;
    want(told["data"]["camera_id"].is_string(), "data.camera_id")?;
    let time = told["data"]["timestamp"].as_str().ok_or("data.timestamp")?;
    want(time.ends_with('Z') && time.len() == 27, time)?;
    want(
        result["plate"].is_string() && result["score"].is_f64(),
        "plate and score",
    )?;
    for side in ["xmin", "ymin", "xmax", "ymax"] {
        want(result["box"][side].is_i64(), &format!("box.{side}"))?;
    }
    Ok(told)
}

fn token(taken: &Taken) -> Option<Answer> {
    let right = taken.header("authorization") == format!("Token {TOKEN}");
    (!right).then(|| Answer::status(401).body(r#"{"detail":"Invalid token."}"#))
}

fn parkpow(taken: &Taken) -> Result<Answer, String> {
    if taken.path == "/api/v1/webhook-receiver" {
        return Ok(Answer::status(301).header("location", "/api/v1/webhook-receiver/"));
    }
    taken.posts("/api/v1/webhook-receiver/", "multipart/form-data")?;
    if let Some(refused) = token(taken) {
        return Ok(refused);
    }
    let told = of_stream(taken)?;
    want(
        told["hook"]["target"]
            .as_str()
            .is_some_and(|to| to.ends_with(&taken.path)),
        "hook.target",
    )?;
    ok(r#"[{"id":4711,"status":"Visit created."}]"#)
}

fn to_parkpow(path: &str, token: &str) -> Use {
    Use::whole(
        "parkpow",
        json!({ "url": format!("URL{path}"), "token": token }),
    )
}

#[tokio::test]
async fn parkpow_table() {
    let mut rows = but(usual(), &[(302, Held)]);
    rows.extend([
        within_200(
            r#"[{"status":"This plate requires higher scores to be saved."}]"#,
            Dead,
        ),
        within_200(r#"[{"status":"Visit was ignored."}]"#, Delivered),
        within_200("OK", Delivered),
        no(413, ""),
    ]);
    table(
        &to_parkpow("/api/v1/webhook-receiver/", TOKEN),
        play(parkpow),
        &rows,
    )
    .await;
}

#[tokio::test]
async fn parkpow_holds_for_another_token_and_for_a_url_without_its_slash() {
    for used in [
        to_parkpow("/api/v1/webhook-receiver/", "another-token"),
        to_parkpow("/api/v1/webhook-receiver", TOKEN),
    ] {
        let (_, delivery) = sent(&used, play(parkpow), "camera-1", "ab123cd").await;
        assert_eq!(delivery["fate"], "held", "{delivery:#}");
    }
}

#[tokio::test]
async fn platerecognizer_table() {
    let reader = |taken: &Taken| {
        taken.posts("/hook", "multipart/form-data")?;
        want(
            taken.header("authorization") == format!("Token {TOKEN}"),
            "token",
        )?;
        let told = of_stream(taken)?;
        let result = &told["data"]["results"][0];
        want(
            result["plate"] == "ab123cd" && result["candidates"][0]["score"] == 0.91,
            "result",
        )?;
        want(
            told["data"]["timestamp_local"] == "2025-03-04 10:11:12.131415+01:00",
            "local time",
        )?;
        ok("OK!")
    };
    let used = Use::whole(
        "platerecognizer",
        json!({ "url": "URL/hook", "token": TOKEN }),
    );
    let mut rows = usual();
    rows.extend([within_200("<html>", Delivered), no(404, ""), no(413, "")]);
    table(&used, play(reader), &rows).await;
}

fn zatpark(taken: &Taken) -> Result<Answer, String> {
    taken.posts("/anpr", "application/json")?;
    let told = taken.json()?;
    let decodes = told["decodes"].as_array().ok_or("no decodes")?;
    want(
        decodes.len() == 1 && told.as_object().is_some_and(|all| all.len() == 1),
        "decodes",
    )?;
    let read = decodes[0].as_object().ok_or("no object")?;
    let mut names: Vec<&str> = read.keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = "MAC,cameraName,confidence,motion,overview,plate,serialNo,timeStamp,vrm";
    want(names.join(",") == expected, &names.join(","))?;
    let text = |name: &str| read[name].as_str().ok_or(format!("{name} is no text"));
    want(
        text("vrm")? == text("vrm")?.to_uppercase(),
        "vrm in capitals",
    )?;
    want(["toward", "Away"].contains(&text("motion")?), "motion")?;
    want(
        read["confidence"]
            .as_i64()
            .is_some_and(|n| (0..=100).contains(&n)),
        "confidence",
    )?;
    for name in ["Time", "LocalTime"] {
        let time = read["timeStamp"][name]
            .as_i64()
            .ok_or("times are numbers")?;
        want(time == 1_741_079_472, &format!("{name} {time}"))?;
    }
    for name in ["plate", "overview"] {
        let bytes = STANDARD
            .decode(text(name)?)
            .map_err(|error| error.to_string())?;
        is_jpeg(&bytes)?;
    }
    ok("{}")
}

#[tokio::test]
async fn zatpark_table() {
    let with =
        json!({ "url": "URL/anpr", "cameras": { "camera-1": { "mac": "00:11:22:AA:BB:CC" } } });
    let used = Use::of("zatpark", with);
    table(&used, play(zatpark), &usual()).await;
    let (taken, _) = sent(&used, play(zatpark), "camera-1", "ab123cd").await;
    let read = &taken[0].json().unwrap()["decodes"][0];
    assert_eq!(read["vrm"], "AB123CD");
    assert_eq!(read["confidence"], 91);
    assert_eq!(read["motion"], "toward");
    assert_eq!(read["serialNo"], "00:11:22:AA:BB:CC");
}

/// A function behind its URL: it gets text as it is and all else in base64, which samples decode without asking. Without
/// pictures Stream's request is a form.
fn lambda(taken: &Taken) -> Result<Answer, String> {
    if taken.header("content-type") == "application/x-www-form-urlencoded" {
        want(taken.body.starts_with(b"json="), "no document in the form")?;
        return ok("200");
    }
    taken.posts("/", "multipart/form-data")?;
    let kind = taken.header("content-type");
    let is_text = kind.starts_with("text/") || kind.starts_with("application/json");
    want(!is_text, "the function would decode text as base64")?;
    want(taken.body.len() < 4_500_000, "too large")?;
    if taken.header("authorization") != "Bearer the-token" {
        return Ok(Answer::status(403).body(r#"{"Message":"Forbidden"}"#));
    }
    of_stream(taken)?;
    ok("200")
}

#[tokio::test]
async fn lambda_table() {
    let used = |token: &str| Use::whole("aws-lambda", json!({ "url": "URL/", "token": token }));
    let mut rows = usual();
    rows.extend([
        no(429, r#"{"Reason":"ConcurrentInvocationLimitExceeded"}"#),
        no(404, r#"{"message":"Not Found"}"#),
    ]);
    table(&used("the-token"), play(lambda), &rows).await;
    // What is too large goes once more, without its pictures.
    let long = Answer::status(413).body(r#"{"message":"Request Too Long"}"#);
    let receiver = Receiver::playing([long], play(lambda)).await;
    let routes = used("the-token");
    let names = ["it".to_owned()];
    let routes = format!(
        "targets:\n{}{}",
        routes.target("it", &receiver.url()),
        routes.route(&names)
    );
    let camhook = Within::start(&routes).await;
    let (kind, body) = event("camera-1", "ab123cd");
    camhook.post(&kind, body).await;
    assert_eq!(receiver.complaints(), [""; 0]);
    let deliveries = camhook.get("/api/v1/deliveries").await;
    assert_eq!(
        (&deliveries[0]["fate"], receiver.requests()),
        (&json!("delivered"), 2),
        "{deliveries}"
    );
    let (_, delivery) = sent(&used("another"), play(lambda), "camera-1", "ab123cd").await;
    assert_eq!(delivery["fate"], "held");
}

/// A receiver of structured mode, as strict as the specification.
fn cloudevents(taken: &Taken) -> Result<Answer, String> {
    taken.posts("/", "application/cloudevents+json")?;
    let told = taken.json()?;
    let told = told.as_object().ok_or("no object")?;
    for name in told.keys() {
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        want(plain, &format!("`{name}` is no name of an attribute"))?;
    }
    for name in ["id", "source", "type", "specversion", "subject", "time"] {
        let text = told.get(name).and_then(Value::as_str);
        want(
            text.is_some_and(|text| !text.is_empty()),
            &format!("{name} is empty"),
        )?;
    }
    want(told["specversion"] == "1.0", "specversion")?;
    let time: Result<jiff::Timestamp, _> = told["time"].as_str().unwrap_or_default().parse();
    want(time.is_ok(), "time")?;
    want(
        !told["source"].as_str().is_some_and(|uri| uri.contains(' ')),
        "source is no URI",
    )?;
    want(
        told["datacontenttype"] == "application/json" && told["data"].is_object(),
        "data",
    )?;
    Ok(Answer::status(202))
}

#[tokio::test]
async fn cloudevents_table() {
    let used = Use::whole("cloudevents", json!({ "url": "URL", "token": "the-token" }));
    let mut rows = usual();
    rows.extend([
        (Answer::status(204), Delivered),
        (Answer::status(415), Dead),
        (Answer::status(408), Again),
    ]);
    table(&used, play(cloudevents), &rows).await;
    let (first, _) = sent(
        &Use::of("cloudevents", json!({ "url": "URL" })),
        play(cloudevents),
        "camera-1",
        "ab123cd",
    )
    .await;
    assert_eq!(first[0].header("authorization"), "");
}
