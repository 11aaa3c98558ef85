//! What the fixtures do not show: borders, and requests without a body.

use serde_json::json;

use super::*;

fn decode(method: &str, path: &str, body: &str) -> Result<Vec<Event>, Undecodable> {
    let request = Arc::new(Original {
        method: method.to_owned(),
        path: path.to_owned(),
        body: Bytes::from(body.to_owned()),
        ..Original::default()
    });
    let name = Name::new("kipod").unwrap();
    Kipod.decode(&name, &DecodeSettings::default(), &request)
}

fn one(document: &Value) -> Event {
    let events = decode("POST", "/kipod", &document.to_string()).unwrap();
    let [event] = <[Event; 1]>::try_from(events).unwrap();
    event
}

fn reason(method: &str, path: &str, body: &str) -> String {
    decode(method, path, body).err().unwrap().reason
}

#[test]
fn without_a_body_a_method_that_has_none_tells_of_a_test() {
    for method in ["GET", "HEAD", "DELETE"] {
        for path in ["/kipod", "/kipod?token=***&x=1"] {
            let event = decode(method, path, " \r\n").unwrap().remove(0);
            assert_eq!(event.kind, Kind::Status);
            assert_eq!(event.status.unwrap().name.as_deref(), Some("test"));
        }
    }
    assert!(
        decode("OPTIONS", "/kipod?topic=Motion", "")
            .unwrap()
            .is_empty()
    );
    for method in ["POST", "PUT", "PATCH"] {
        assert_eq!(reason(method, "/kipod", ""), "the body is empty");
    }
}

#[test]
fn fields_of_the_query_are_an_event() {
    let path = "/kipod?token=***&monitor_id=7&id=1:2:3&topic=Motion&start_time=1700000000123&channel_id=9&level=2\
                &channel_name=North+gate&params=%7B%22attributes%22:%7B%22age%22:4%7D%7D";
    let event = decode("GET", path, "").unwrap().remove(0);
    assert_eq!(
        (event.kind, event.vendor_id.as_deref()),
        (Kind::Motion, Some("1:2:3"))
    );
    assert_eq!(event.camera.id.as_deref(), Some("9"));
    assert_eq!(event.camera.name.as_deref(), Some("North gate"));
    assert_eq!(event.occurred_at.to_string(), "2023-11-14T22:13:20.123Z");
    let raw = event.raw.to_json();
    assert_eq!((&raw["level"], &raw["token"]), (&json!("2"), &Value::Null));
    assert_eq!(raw["params"]["attributes"]["age"], 4);
}

#[test]
fn a_body_counts_whatever_the_method_is() {
    for method in ["GET", "DELETE", "OPTIONS", "PUT"] {
        let events = decode(method, "/?topic=Motion", r#"{"topic": "Intrusion"}"#).unwrap();
        assert_eq!(events[0].kind, Kind::Intrusion);
    }
}

#[test]
fn each_event_of_a_list_keeps_its_own_text() {
    let body = r#" [ {"monitor_id": 1, "topic": "Motion"} , {"monitor_id": 2, "module": "KX.X"}] "#;
    let events = decode("POST", "/", body).unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(
        events[1].raw.text().as_ref(),
        br#"{"monitor_id": 2, "module": "KX.X"}"#
    );
    assert!(decode("POST", "/", "[]").unwrap().is_empty());
    let many = format!("[{}{{}}]", "{\"topic\":1},".repeat(ITEMS_MAX));
    assert!(reason("POST", "/", &many).contains("more than 1000 events"));
}

#[test]
fn what_is_mended_is_told_and_what_is_not_has_a_reason() {
    let event = decode(
        "POST",
        "/",
        "\u{feff}{\"topic\": \"Motion\", \"params\": {...},}",
    )
    .unwrap()
    .remove(0);
    assert_eq!(event.repaired.len(), 4, "{:?}", event.repaired); // also that no time was told
    assert_eq!(
        event.raw.to_json(),
        json!({ "topic": "Motion", "params": {} })
    );
    for (body, told) in [
        ("{\"topic\": ", "the JSON is broken: EOF"),
        ("{\"topic\": {...}, 7}", "; once mended: the JSON is broken"),
        ("{\"temperature\": 21}", "neither `monitor_id`"),
        ("[1]", "neither `monitor_id`"),
        ("<a/>", "no JSON object"),
    ] {
        let reason = reason("POST", "/", body);
        assert!(reason.contains(told), "{reason}");
    }
    let large = format!("{{\"topic\": \"{}\",}}", "x".repeat(REPAIR_MAX));
    assert!(reason("POST", "/", &large).contains("broken"));
}

#[test]
fn a_picture_is_not_copied_into_the_document() {
    let body = r#"{"topic": "Motion", "snapshots": [{"image": "aGk="}]}"#;
    let request = Arc::new(Original {
        body: Bytes::from_static(body.as_bytes()),
        ..Original::default()
    });
    let name = Name::new("kipod").unwrap();
    let events = Kipod
        .decode(&name, &DecodeSettings::default(), &request)
        .unwrap();
    assert_eq!(events[0].raw.text().as_ptr(), request.body.as_ptr());
}

#[test]
fn times_that_are_none_are_not_believed() {
    for start in [
        json!(null),
        json!(0),
        json!(-5),
        json!("soon"),
        json!(1e30),
        json!({}),
    ] {
        let event = one(&json!({ "topic": "Motion", "start_time": start }));
        assert_eq!(event.occurred_at.instant(), event.received_at, "{start}");
        assert!(event.repaired[0].contains("moment of arrival"));
    }
    let event = one(
        &json!({ "topic": "Motion", "start_time": "1700000000123", "end_time": 1_700_000_000_000_u64 }),
    );
    assert!(event.ended_at.is_none() && event.dwell.is_none());
    assert!(event.repaired[0].contains("`end_time`"));
    let event = one(
        &json!({ "topic": "Motion", "start_time": 1_700_000_000_123_u64, "end_time": "1700000002623" }),
    );
    assert_eq!(event.dwell.unwrap().seconds, Some(2.5));
    assert_eq!(
        event.ended_at.unwrap().to_string(),
        "2023-11-14T22:13:22.623Z"
    );
}

#[test]
fn places_that_nobody_set_are_none() {
    for (latitude, longitude, expected) in [
        (json!(53.9), json!("27.56"), Some(27.56)),
        (json!(0), json!(0.0), None),
        (json!(91), json!(27), None),
        (json!(53.9), json!(null), None),
    ] {
        let channel =
            json!({ "id": 9, "latitude": latitude, "longitude": longitude, "address": "Gate 1" });
        let camera = one(&json!({ "topic": "Motion", "channel": channel })).camera;
        assert_eq!(camera.longitude, expected);
        assert_eq!(camera.latitude.is_some(), expected.is_some());
        assert_eq!(camera.address.as_deref(), Some("Gate 1"));
    }
    let camera = one(&json!({ "topic": "Motion", "channel": 9 })).camera;
    assert_eq!(camera.id.as_deref(), Some("9"));
}

#[test]
fn a_topic_that_nobody_knows_is_told_by_what_it_holds() {
    for (params, kind) in [
        (json!({ "identities": [{ "plates": [{}] }] }), Kind::Plate),
        (json!({ "faces": [{}] }), Kind::Face),
        (
            json!({ "object": { "object_type": { "value": "car" } } }),
            Kind::Other,
        ),
        (json!([]), Kind::Other),
    ] {
        let event = one(&json!({ "topic": "Crowd", "params": params }));
        assert_eq!(
            (event.kind, event.vendor_kind.as_deref()),
            (kind, Some("Crowd"))
        );
    }
}

#[test]
fn no_number_of_entries_takes_more_than_its_share() {
    let plates = vec![json!({ "number": "A1" }); ITEMS_MAX + 1];
    let event = one(
        &json!({ "topic": "PlateMatched", "params": { "identities": [{ "plates": plates }] } }),
    );
    assert_eq!(event.plates.len(), ITEMS_MAX);
    assert!(
        event
            .repaired
            .iter()
            .any(|note| note.contains("first 1000"))
    );
}
