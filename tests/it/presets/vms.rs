//! Video management: Milestone XProtect, Genetec Security Center, OpenEye.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::wire::{decoded, is_jpeg, want, xml};
use super::{Dead, Delivered, Held, Use, but, no, ok, play, sent, table, usual, within_200};
use crate::harness::{Answer, Taken};

const GUID: &str = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";
const SPACE: &str = "urn:milestone-systems";

fn is_guid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// The event server: its schema, then its list of analytics events.
fn milestone(taken: &Taken) -> Result<Answer, String> {
    taken.posts("/", "text/xml")?;
    want(
        taken.header("authorization").is_empty(),
        "no credentials here",
    )?;
    let told = xml(taken.text()?);
    told.is(SPACE, "AnalyticsEvent")?;
    told.sequence("EventHeader! Description StartTime EndTime Location Count RuleList ObjectList ReferenceList SnapshotList Vendor")?;
    let head = told.child("EventHeader")?;
    head.sequence("ID! Timestamp! Class Type Version Priority Name Message! CustomTag Source!")?;
    want(is_guid(&head.child("ID")?.text), "ID is a GUID")?;
    let time = &head.child("Timestamp")?.text;
    want(
        time.parse::<jiff::Timestamp>().is_ok() && !time.contains('['),
        time,
    )?;
    let source = head.child("Source")?;
    source.sequence("Name FQID")?;
    let camera = match source.child("FQID") {
        Ok(id) => &id.child("ObjectId")?.text,
        Err(_) => &source.child("Name")?.text,
    };
    want(camera == GUID || camera == "10.0.0.7,2", camera)?;
    let object = told.child("ObjectList")?.child("Object")?;
    object.sequence("ID Name Type Description Confidence Value AlarmTrigger Color BoundingBox")?;
    let sure: f64 = object
        .child("Confidence")?
        .text
        .parse()
        .map_err(|_| "Confidence")?;
    want((0.0..=1.0).contains(&sure), "Confidence")?;
    want(!object.child("Value")?.text.is_empty(), "Value")?;
    if let Ok(pictures) = told.child("SnapshotList") {
        let picture = pictures.child("Snapshot")?;
        picture.sequence("TimeOffset! Width Height HasOverlay SizeInBytes Image Path FQID")?;
        let bytes = STANDARD
            .decode(&picture.child("Image")?.text)
            .map_err(|e| e.to_string())?;
        is_jpeg(&bytes)?;
    }
    match head.child("Message")?.text.as_str() {
        "License plate" => ok("OK"),
        other => ok(&format!("Warning: Event message not known: {other}")),
    }
}

#[tokio::test]
async fn milestone_table() {
    let used = |event: &str, camera: &str, image: &str| {
        let with = json!({ "url": "URL", "event": event, "image": image, "cameras": { "camera-1": camera } });
        Use::of("milestone", with)
    };
    let right = used("License plate", GUID, "none");
    let mut rows = usual();
    rows.extend([
        within_200("Warning: Event message not known", Held),
        within_200("Warning: Source not found", Delivered),
        within_200("", Delivered),
        no(400, "The element 'EventHeader' has invalid child element"),
        no(500, "Internal error"),
    ]);
    table(&right, play(milestone), &rows).await;
    for image in ["plate", "vehicle", "frame"] {
        let used = used("License plate", "10.0.0.7,2", image);
        let (taken, delivery) = sent(&used, play(milestone), "camera-1", "a<&>\"'\u{1}]]>é").await;
        assert_eq!(delivery["fate"], "delivered", "{delivery:#}");
        let told = xml(taken[0].text().unwrap());
        assert_eq!(told.child("SnapshotList").unwrap().children.len(), 1);
        let tag = &told
            .child("EventHeader")
            .unwrap()
            .child("CustomTag")
            .unwrap()
            .text;
        assert!(tag.starts_with("A<&>\"'") && tag.ends_with("]]>É"), "{tag}");
    }
    let (_, delivery) = sent(
        &used("ANPR", GUID, "none"),
        play(milestone),
        "camera-1",
        "ab123cd",
    )
    .await;
    assert_eq!(delivery["fate"], "held");
}

/// `Name(argument,argument)` where `\` takes the meaning from what follows.
fn action(text: &str) -> Result<(String, Vec<String>), String> {
    let (name, rest) = text.split_once('(').ok_or("no arguments")?;
    let mut arguments = vec![String::new()];
    let mut rest = rest.chars();
    loop {
        match rest.next().ok_or("arguments without an end")? {
            '\\' => arguments.last_mut().unwrap().extend(rest.next()),
            ',' => arguments.push(String::new()),
            ')' => break,
            '(' => return Err("( inside of an argument".to_owned()),
            other => arguments.last_mut().unwrap().push(other),
        }
    }
    want(rest.next().is_none(), "more behind the arguments")?;
    Ok((name.to_owned(), arguments))
}

fn genetec(taken: &Taken) -> Result<Answer, String> {
    want(taken.method == "POST", "a POST")?;
    taken.is_whole()?;
    want(taken.header("accept") == "text/json", "Accept")?;
    if taken.basic()? != ("camhook;KxsD11z743".to_owned(), "correct: horse".to_owned()) {
        return Ok(Answer::status(401));
    }
    let rsp = |status: &str| {
        ok(&format!(
            r#"{{"Rsp":{{"Status":"{status}","Result":{{}}}}}}"#
        ))
    };
    let (path, _) = taken.address();
    let path = path.strip_prefix("/WebSdk/").ok_or("no such path")?;
    if let Some(event) = path.strip_prefix("events/RaiseCustomEvent/") {
        let words: Vec<String> = event.split('/').map(decoded).collect();
        want(words.len() == 3 && is_guid(&words[1]), event)?;
        want(
            words[0].parse::<u32>().is_ok() && !words[2].is_empty(),
            event,
        )?;
        return rsp(if words[1] == GUID { "Ok" } else { "Fail" });
    }
    want(path == "action", path)?;
    let (name, arguments) = action(&taken.query("q").ok_or("no q")?)?;
    want(
        name == "AddCameraBookmark" && arguments.len() == 3,
        &format!("{name} {arguments:?}"),
    )?;
    let time = arguments[1].as_str();
    want(time == "2025-03-04T09:11:12.131Z", time)?;
    want(
        is_guid(&arguments[0]) && !arguments[2].is_empty(),
        "camera and text",
    )?;
    rsp(if arguments[0] == GUID { "Ok" } else { "Fail" })
}

#[tokio::test]
async fn genetec_table() {
    let used = |password: &str, camera: &str, event: Value| {
        let with = json!({
            "url": "URL/WebSdk", "username": "camhook", "application_id": "KxsD11z743", "event": event,
            "password": password, "cameras": { "camera-1": camera },
        });
        Use::of("genetec", with)
    };
    let right = used("correct: horse", GUID, Value::Null);
    let mut rows = usual();
    rows.extend([
        within_200(
            r#"{"Rsp":{"Status":"Fail","Result":{"SdkErrorCode":"UnableToRetrieveEntity"}}}"#,
            Dead,
        ),
        within_200(r#"{"rsp":{"status":"fail"}}"#, Dead),
        within_200(r#"{"rsp":{"status":"ok"}}"#, Delivered),
        within_200("", Delivered),
        no(400, "<html>Bad Request</html>"),
    ]);
    table(&right, play(genetec), &rows).await;
    let (taken, delivery) = sent(&right, play(genetec), "camera-1", "a,b(1)\\)&/é%").await;
    assert_eq!(delivery["fate"], "delivered", "{delivery:#}");
    let (_, arguments) = action(&taken[0].query("q").unwrap()).unwrap();
    assert_eq!(arguments[2], "A,B[1] ]&/É%");
    let raised = used("correct: horse", GUID, "5000".into());
    let (_, delivery) = sent(&raised, play(genetec), "camera-1", "a,b/../c?d#e").await;
    assert_eq!(delivery["fate"], "delivered", "{delivery:#}");
    let wrong_camera = used("correct: horse", &GUID.replace('3', "4"), Value::Null);
    let (_, delivery) = sent(&wrong_camera, play(genetec), "camera-1", "ab123cd").await;
    assert_eq!(delivery["fate"], "dead");
    let (_, delivery) = sent(
        &used("wrong", GUID, Value::Null),
        play(genetec),
        "camera-1",
        "ab123cd",
    )
    .await;
    assert_eq!(delivery["fate"], "held");
}

fn openeye(taken: &Taken) -> Result<Answer, String> {
    taken.posts("/api/monitoring/integration/event", "application/json")?;
    let keys = taken
        .header("authorization")
        .strip_prefix("!EXT-INTEGRATOR ");
    let keys = keys.and_then(|keys| keys.strip_prefix("AKI=")?.split_once(",AKS="));
    match keys {
        Some(("AKIEXAMPLE", "aks/example+=")) => {}
        Some(_) => return Ok(Answer::status(401)),
        None => return Err(format!("authorization {}", taken.header("authorization"))),
    }
    let micros = |value: &Value, name: &str| {
        let number = value[name]
            .as_i64()
            .ok_or(format!("{name} is no integer"))?;
        want(number.to_string().len() == 16, &format!("{name} {number}"))
    };
    let told = taken.json()?;
    micros(&told, "requestDateMicros")?;
    let events = told["events"].as_array().ok_or("no events")?;
    want(events.len() == 1, "one event")?;
    let event = &events[0];
    micros(event, "eventId")?;
    micros(event, "eventDate")?;
    want(event["eventDate"] == 1_741_079_472_131_415_i64, "eventDate")?;
    want(
        event["eventType"] == "ANALYTIC_LICENSE_PLATE_DETECTED",
        "eventType",
    )?;
    let attributes = &event["attributes"];
    let source = &attributes["sourceObject"];
    want(
        source["type"] == "CAMERA" && source["id"].is_string(),
        "sourceObject",
    )?;
    want(
        attributes["linkedObjects"]
            .as_array()
            .is_some_and(Vec::is_empty),
        "linkedObjects",
    )?;
    let props = attributes["props"].as_array().ok_or("no props")?;
    want(
        props.len() == 1 && props[0]["name"] == "licensePlate",
        "props",
    )?;
    want(props[0]["value"].is_string(), "licensePlate")?;
    ok("{}")
}

#[tokio::test]
async fn openeye_table() {
    let used = |aks: &str| {
        let url = "URL/api/monitoring/integration/event";
        let with = json!({ "url": url, "aki": "AKIEXAMPLE", "aks": aks, "cameras": { "camera-1": "gate-north" } });
        Use::of("openeye", with)
    };
    let mut rows = but(usual(), &[]);
    rows.extend([
        (Answer::status(202), Delivered),
        within_200("<html>", Delivered),
        (Answer::status(409), Dead),
    ]);
    table(&used("aks/example+="), play(openeye), &rows).await;
    let id = async |plate: &str| {
        let (taken, _) = sent(&used("aks/example+="), play(openeye), "camera-1", plate).await;
        let told = taken[0].json().unwrap();
        assert_eq!(
            told["events"][0]["attributes"]["sourceObject"]["id"],
            "gate-north"
        );
        told["events"][0]["eventId"].clone()
    };
    assert_ne!(id("ab123cd").await, id("ef456gh").await);
    assert_eq!(id("ab123cd").await, id("ab123cd").await);
    let (_, delivery) = sent(&used("wrong"), play(openeye), "camera-1", "ab123cd").await;
    assert_eq!(delivery["fate"], "held");
}
