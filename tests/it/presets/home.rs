//! What stands in homes: Home Assistant, Blue Iris, Synology Surveillance Station.

use serde_json::{Value, json};

use super::wire::want;
use super::{Again, Dead, Delivered, Held, Use, but, no, ok, play, sent, table, usual, within_200};
use crate::harness::{Answer, Taken};

fn home_assistant(taken: &Taken) -> Result<Answer, String> {
    let (path, _) = taken.address();
    taken.posts(path, "application/json")?;
    let told = taken.json()?;
    want(told.is_object(), "event data is an object")?;
    if path.starts_with("/api/webhook/") {
        return ok(""); // whatever it is
    }
    if taken.header("authorization") != "Bearer eyJexample" {
        return Ok(Answer::status(401).body("401: Unauthorized"));
    }
    let event = path.strip_prefix("/api/events/").ok_or("no such path")?;
    want(!event.is_empty() && !event.contains('/'), "event type")?;
    for name in ["id", "kind", "plate", "camera", "occurred_at"] {
        want(told[name].is_string(), &format!("{name}: {}", told[name]))?;
    }
    want(told["score"].is_f64(), "score is a number")?;
    ok(&json!({ "message": format!("Event {event} fired.") }).to_string())
}

#[tokio::test]
async fn home_assistant_table() {
    let used = |token: &str| Use::of("home-assistant", json!({ "url": "URL", "token": token }));
    let mut rows = but(usual(), &[(400, Held)]);
    rows.extend([
        (Answer::status(201).body("{}"), Delivered),
        (Answer::status(405).body("405: Method Not Allowed"), Held),
        no(404, "404: Not Found"),
    ]);
    table(&used("eyJexample"), play(home_assistant), &rows).await;
    let (_, delivery) = sent(
        &used("eyJother"),
        play(home_assistant),
        "camera-1",
        "ab123cd",
    )
    .await;
    assert_eq!(delivery["fate"], "held");
    let webhook = Use::of(
        "home-assistant",
        json!({ "url": "URL/", "webhook": "gate-plates" }),
    );
    let (taken, delivery) = sent(&webhook, play(home_assistant), "camera-1", "ab123cd").await;
    assert_eq!(taken[0].path, "/api/webhook/gate-plates");
    assert_eq!(taken[0].header("authorization"), "");
    assert_eq!(delivery["fate"], "delivered");
}

fn blue_iris(taken: &Taken) -> Result<Answer, String> {
    want(
        taken.method == "GET" && taken.body.is_empty(),
        "a GET without a body",
    )?;
    let (path, query) = taken.address();
    want(path == "/admin", path)?;
    want(
        query.contains(&("trigger".to_owned(), None)),
        "trigger has no value",
    )?;
    let value = |name: &str| taken.query(name).unwrap_or_default();
    if (value("user").as_str(), value("pw").as_str()) != ("camhook", "correct horse&=+") {
        return ok(r#"{"result":"fail","data":{"reason":"access denied"}}"#);
    }
    want(value("camera") == "gate", "camera")?;
    want(
        ["0", "1", "2"].contains(&value("flagalert").as_str()),
        "flagalert",
    )?;
    want(!value("memo").is_empty(), "memo")?;
    ok(r#"{"result":"success"}"#)
}

#[tokio::test]
async fn blue_iris_table() {
    let used = |password: &str| {
        let with = json!({ "url": "URL", "username": "camhook", "password": password, "cameras": { "camera-1": "gate" } });
        Use::of("blue-iris", with)
    };
    let mut rows = usual();
    rows.extend([
        within_200(r#"{"result":"fail"}"#, Held),
        within_200("", Delivered),
        within_200("<html>", Delivered),
        no(404, ""),
    ]);
    table(&used("correct horse&=+"), play(blue_iris), &rows).await;
    let right = used("correct horse&=+");
    let (taken, _) = sent(&right, play(blue_iris), "camera-1", "a&b=c+d e").await;
    assert_eq!(taken[0].query("memo").as_deref(), Some("A&B=C+D E"));
    let (_, delivery) = sent(&used("wrong"), play(blue_iris), "camera-1", "ab123cd").await;
    assert_eq!(delivery["fate"], "held");
}

fn synology(taken: &Taken) -> Result<Answer, String> {
    let (path, _) = taken.address();
    taken.posts(path, "application/x-www-form-urlencoded")?;
    let error = |code: u16| ok(&format!(r#"{{"error":{{"code":{code}}},"success":false}}"#));
    match path {
        "/webapi/SurveillanceStation/Webhook/Incoming/v1" => {}
        "/webapi/entry.cgi" => {
            let value = |name: &str| taken.query(name).unwrap_or_default().replace('"', "");
            if value("api") != "SYNO.SurveillanceStation.Webhook" {
                return error(102);
            } else if value("method") != "Incoming" {
                return error(103);
            } else if value("version") != "1" {
                return error(104);
            }
        }
        _ => return Ok(Answer::status(404)),
    }
    match taken.query("token").map(|token| token.replace('"', "")) {
        Some(token) if token == "0123456789" => {}
        Some(_) => return error(105),
        None => return error(101),
    }
    let told = taken.form();
    for name in told.keys() {
        want(
            ["text1", "text2", "text3", "time", "status"].contains(&name.as_str()),
            name,
        )?;
    }
    want(
        told.get("text1").is_some_and(|text| !text.is_empty()),
        "text1",
    )?;
    let time = told.get("time").map_or("", String::as_str);
    want(time == "1741079472" || time == "2025-03-04T10:11:12", time)?;
    ok(r#"{"success":true}"#)
}

const INCOMING: &str = "URL/webapi/SurveillanceStation/Webhook/Incoming/v1?token=";

fn to_synology(with: Value) -> Use {
    Use::of("synology", with)
}

#[tokio::test]
async fn synology_table() {
    let mut rows = usual();
    for code in [100, 106, 107, 119, 400, 405, 410] {
        rows.push(within_200(
            &format!(r#"{{"success":false,"error":{{"code":{code}}}}}"#),
            Again,
        ));
    }
    for code in [101, 102, 103, 104, 401, 402, 403, 418] {
        rows.push(within_200(
            &format!(r#"{{"error":{{"code":{code}}},"success":false}}"#),
            Dead,
        ));
    }
    rows.extend([
        within_200(r#"{"success":false,"error":{"code":105}}"#, Held),
        within_200(r#"{"success":false}"#, Dead),
        within_200("", Delivered),
        within_200("<html>", Delivered),
        no(404, ""),
    ]);
    table(
        &to_synology(json!({ "url": format!("{INCOMING}0123456789") })),
        play(synology),
        &rows,
    )
    .await;
}

#[tokio::test]
async fn synology_takes_both_addresses_both_times_and_a_token_for_each_camera() {
    let entry = "URL/webapi/entry.cgi?api=SYNO.SurveillanceStation.Webhook&method=%22Incoming%22&version=1&token=%220123456789%22";
    for with in [
        json!({ "url": entry }),
        json!({ "url": format!("{INCOMING}0123456789"), "time": "iso" }),
        json!({ "url": format!("{INCOMING}wrong"), "cameras": { "camera-1": format!("{INCOMING}0123456789") } }),
    ] {
        let (taken, delivery) =
            sent(&to_synology(with), play(synology), "camera-1", "äb&1=2").await;
        assert_eq!(delivery["fate"], "delivered", "{delivery:#}");
        assert_eq!(taken[0].form()["text1"], "ÄB&1=2");
    }
    let wrong = to_synology(json!({ "url": format!("{INCOMING}wrong") }));
    let (_, delivery) = sent(&wrong, play(synology), "camera-1", "ab123cd").await;
    assert_eq!(delivery["fate"], "held");
}
