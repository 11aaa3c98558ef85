//! Systems that tell people: Slack, Discord, Telegram, ntfy.

use serde_json::{Value, json};

use super::wire::{parts, want};
use super::{
    AgainAfter, Dead, Delivered, Fate, Held, Use, but, no, ok, play, sent, table, usual, within_200,
};
use crate::harness::{Answer, Taken};

fn characters(value: &Value, max: usize) -> Result<(), String> {
    let text = value.as_str().ok_or("no text")?;
    want(
        !text.is_empty() && text.chars().count() <= max,
        &format!("{} characters", text.chars().count()),
    )
}

fn slack(taken: &Taken) -> Result<Answer, String> {
    if taken.path != "/services/T000/B000/XXXX" {
        return Ok(Answer::status(404).body("no_service"));
    }
    taken.posts("/services/T000/B000/XXXX", "application/json")?;
    characters(&taken.json()?["text"], 40_000)?;
    ok("ok")
}

#[tokio::test]
async fn slack_table() {
    let used = |path: &str| Use::of("slack", json!({ "url": format!("URL{path}") }));
    let mut rows = usual();
    rows.extend([
        no(400, "invalid_payload"),
        no(403, "action_prohibited"),
        (Answer::status(404).body("channel_not_found"), Held),
        (Answer::status(410).body("channel_is_archived"), Held),
        no(500, "rollup_error"),
        (
            Answer::status(429).header("retry-after", "30"),
            AgainAfter(30.0),
        ),
    ]);
    table(&used("/services/T000/B000/XXXX"), play(slack), &rows).await;
    let (_, delivery) = sent(
        &used("/services/T000/B000/YYYY"),
        play(slack),
        "camera-1",
        "ab123cd",
    )
    .await;
    assert_eq!(delivery["fate"], "held");
}

fn discord(taken: &Taken) -> Result<Answer, String> {
    if taken.address().0 != "/api/webhooks/1234/abcd" {
        return Ok(Answer::status(404).body(r#"{"message":"Unknown Webhook","code":10015}"#));
    }
    taken.posts("/api/webhooks/1234/abcd", "multipart/form-data")?;
    let parts = parts(taken)?;
    want(parts[0].name == "payload_json", "payload_json")?;
    want(
        parts[0].content_type.as_deref() == Some("application/json"),
        "payload_json is JSON",
    )?;
    let told: Value = serde_json::from_str(parts[0].text()?).map_err(|error| error.to_string())?;
    characters(&told["content"], 2_000)?;
    want(
        told["allowed_mentions"]["parse"]
            .as_array()
            .is_some_and(Vec::is_empty),
        "allowed_mentions",
    )?;
    for (n, part) in parts[1..].iter().enumerate() {
        want(part.name == format!("files[{n}]"), &part.name)?;
        part.is_a_file()?;
    }
    match taken.query("wait").as_deref() {
        Some("true") => ok(r#"{"id":"1","type":0}"#),
        _ => Ok(Answer::status(204)),
    }
}

fn told_to_wait(body: &str, seconds: f64) -> (Answer, Fate) {
    (Answer::status(429).body(body), AgainAfter(seconds))
}

#[tokio::test]
async fn discord_table() {
    let used = |path: &str, image: &str| {
        Use::of(
            "discord",
            json!({ "url": format!("URL{path}"), "image": image }),
        )
    };
    let mut rows = usual();
    rows.extend([
        told_to_wait(
            r#"{"message":"You are being rate limited.","retry_after":12.337,"global":false}"#,
            12.3,
        ),
        (
            Answer::status(404).body(r#"{"message":"Unknown Webhook","code":10015}"#),
            Held,
        ),
        (Answer::status(204), Delivered),
        no(
            400,
            r#"{"message":"Cannot send an empty message","code":50006}"#,
        ),
    ]);
    table(
        &used("/api/webhooks/1234/abcd", "vehicle"),
        play(discord),
        &rows,
    )
    .await;
    for (image, files) in [("plate", 1), ("frame", 1), ("none", 0)] {
        let used = used("/api/webhooks/1234/abcd", image);
        let (taken, _) = sent(&used, play(discord), "camera-1", "@everyone").await;
        assert_eq!(parts(&taken[0]).unwrap().len(), 1 + files, "{image}");
    }
    let (_, delivery) = sent(
        &used("/api/webhooks/1234/gone", "none"),
        play(discord),
        "camera-1",
        "ab123cd",
    )
    .await;
    assert_eq!(delivery["fate"], "held");
}

fn telegram(taken: &Taken) -> Result<Answer, String> {
    let (path, _) = taken.address();
    let refused = |status: u16, description: &str| {
        let body = json!({ "ok": false, "error_code": status, "description": description });
        Ok(Answer::status(status).body(&body.to_string()))
    };
    let Some(method) = path.strip_prefix("/bot123456:ABC-example/") else {
        return refused(401, "Unauthorized");
    };
    taken.posts(path, "multipart/form-data")?;
    let parts = parts(taken)?;
    let part = |name: &str| parts.iter().find(|part| part.name == name);
    let text = |name: &str| {
        part(name)
            .ok_or(format!("no {name}"))?
            .text()
            .map(Value::from)
    };
    if text("chat_id")? != "-1001234567890" {
        return refused(400, "Bad Request: chat not found");
    }
    match method {
        "sendPhoto" => {
            part("photo").ok_or("no photo")?.is_a_file()?;
            characters(&text("caption")?, 1_024)?;
            want(parts.len() == 3, "parts")?;
        }
        "sendMessage" => {
            characters(&text("text")?, 4_096)?;
            want(parts.len() == 2, "parts")?;
        }
        _ => return refused(404, "Not Found"),
    }
    ok(r#"{"ok":true,"result":{"message_id":1}}"#)
}

#[tokio::test]
async fn telegram_table() {
    let used = |token: &str, chat: &str, image: &str| {
        let with = json!({ "url": "URL", "token": token, "chat": chat, "image": image });
        Use::of("telegram", with)
    };
    let right = |image: &str| used("123456:ABC-example", "-1001234567890", image);
    let mut rows = usual();
    rows.extend([
        told_to_wait(r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 11","parameters":{"retry_after":11}}"#, 11.0),
        no(403, r#"{"ok":false,"error_code":403,"description":"Forbidden: bot was kicked from the group chat"}"#),
        (Answer::status(404).body(r#"{"ok":false,"error_code":404,"description":"Not Found"}"#), Held),
        (
            Answer::status(400).body(r#"{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-1001}}"#),
            Held,
        ),
        no(400, r#"{"ok":false,"error_code":400,"description":"Bad Request: IMAGE_PROCESS_FAILED"}"#),
    ]);
    table(&right("vehicle"), play(telegram), &rows).await;
    for (image, method) in [("plate", "sendPhoto"), ("none", "sendMessage")] {
        let (taken, delivery) = sent(&right(image), play(telegram), "camera-1", "a<b>_*`[").await;
        assert!(taken[0].path.ends_with(method), "{}", taken[0].path);
        assert_eq!(delivery["fate"], "delivered");
    }
    for used in [
        used("654321:another", "-1001234567890", "none"),
        used("123456:ABC-example", "@nowhere", "none"),
    ] {
        let (_, delivery) = sent(&used, play(telegram), "camera-1", "ab123cd").await;
        assert_eq!(delivery["fate"], "held", "{delivery:#}");
    }
}

fn ntfy(taken: &Taken) -> Result<Answer, String> {
    taken.posts("/", "application/json")?;
    if taken.header("authorization") != "Bearer tk_example" {
        return Ok(Answer::status(401).body(r#"{"code":40101,"http":401,"error":"unauthorized"}"#));
    }
    let told = taken.json()?;
    let topic = told["topic"].as_str().ok_or("no topic")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    want(
        topic.chars().all(plain) && (1..=64).contains(&topic.len()),
        "topic",
    )?;
    for (name, value) in told.as_object().ok_or("no object")? {
        let fits = match name.as_str() {
            "topic" | "title" | "message" | "click" => value.is_string(),
            "priority" => value.as_i64().is_some_and(|n| (1..=5).contains(&n)),
            "tags" => value
                .as_array()
                .is_some_and(|tags| tags.iter().all(Value::is_string)),
            _ => false,
        };
        want(fits, &format!("{name}: {value}"))?;
    }
    characters(&told["message"], 4_096)?;
    ok(r#"{"id":"x","event":"message"}"#)
}

#[tokio::test]
async fn ntfy_table() {
    let used = |token: &str| {
        let with = json!({ "url": "URL", "topic": "gate-4711", "token": token, "click": "https://example.com/a?b=c&d" });
        Use::of("ntfy", with)
    };
    let mut rows = but(usual(), &[]);
    rows.extend([
        no(429, r#"{"code":42901,"http":429,"error":"limit reached: too many requests"}"#),
        no(400, r#"{"code":40024,"http":400,"error":"invalid request: request body must be valid JSON"}"#),
        no(403, r#"{"code":40301,"http":403,"error":"forbidden"}"#),
        no(507, r#"{"code":50701,"http":507,"error":"cannot publish to UnifiedPush topic"}"#),
        no(413, ""),
        within_200("<html>", Delivered),
        (Answer::status(405), Dead),
    ]);
    table(&used("tk_example"), play(ntfy), &rows).await;
    let (_, delivery) = sent(&used("tk_another"), play(ntfy), "camera-1", "ab123cd").await;
    assert_eq!(delivery["fate"], "held");
}
