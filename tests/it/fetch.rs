//! Pictures known by address: fetched over real HTTP from allowed hosts only, before their events are delivered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::{Answer, Receiver, Within};

const FRAME: &str = "GIF89a the whole frame";
const FACE: &str = "GIF89a only the face";

fn event(pictures: &Receiver) -> Vec<u8> {
    let url = pictures.url();
    json!([{
        "id": "4611686018427387912", "object_type": "face", "bs_type": "overall", "camera": 7,
        "created_date": "2026-01-31T12:00:00Z",
        "fullframe": format!("{url}/full.jpg?token=in-the-address"), "thumbnail": format!("{url}/face.jpg"),
    }])
    .to_string()
    .into_bytes()
}

fn host(receiver: &Receiver) -> String {
    receiver.url().replace("http://", "")
}

fn config(fetch: &str, target: &Receiver) -> String {
    format!(
        "sources:\n  ff: {{ kind: findface, path: /, {fetch} }}\n\
         targets:\n  vms: {{ http: {{ url: \"{}\", multipart: {{ event: \"{{{{ event | tojson }}}}\", frame: \"{{{{ images.frame }}}}\", face: \"{{{{ images.face }}}}\" }} }} }}\n\
         routes:\n  - {{ name: all, to: [vms] }}\n",
        target.url()
    )
}

fn fetching(pictures: &Receiver, more: &str) -> String {
    format!("fetch: {{ hosts: [\"{}\"]{more} }}", host(pictures))
}

/// The event as the target got it.
fn delivered(target: &Receiver) -> Value {
    let taken = target.taken();
    assert_eq!(taken.len(), 1, "one delivery");
    serde_json::from_slice(&taken[0].parts()["event"]).unwrap()
}

/// Posts one event to a camhook that fetches so, and returns it as it was delivered in the end.
async fn after(pictures: &Receiver, fetch: &str) -> Value {
    let target = Receiver::new().await;
    let camhook = Within::start(&config(fetch, &target)).await;
    camhook.post("application/json", event(pictures)).await;
    camhook.advance(60.0).await;
    assert_eq!(camhook.fates().await, ["delivered"]);
    delivered(&target)
}

fn notes(event: &Value) -> Vec<&str> {
    let notes = event["repaired"].as_array().unwrap();
    notes.iter().map(|note| note.as_str().unwrap()).collect()
}

#[tokio::test]
async fn fetched_pictures_are_delivered_as_if_they_had_come_along() {
    let pictures = Receiver::answering([
        Answer::status(200).body(FRAME),
        Answer::status(200).body(FACE),
    ])
    .await;
    let target = Receiver::new().await;
    let fetch = fetching(
        &pictures,
        ", headers: { Authorization: \"Token hunter22\" }",
    );
    let camhook = Within::start(&config(&fetch, &target)).await;
    camhook.post("application/json", event(&pictures)).await;
    let asked = pictures.taken();
    let paths: Vec<&str> = asked.iter().map(|taken| taken.path.as_str()).collect();
    assert_eq!(paths, ["/full.jpg?token=in-the-address", "/face.jpg"]);
    assert!(
        asked
            .iter()
            .all(|taken| taken.headers["authorization"] == "Token hunter22")
    );
    let parts = target.taken()[0].parts();
    assert_eq!(
        (&parts["frame"][..], &parts["face"][..]),
        (FRAME.as_bytes(), FACE.as_bytes())
    );
    let event = delivered(&target);
    assert!(notes(&event).is_empty());
    let images = &event["images"];
    assert_eq!(images[0]["content_type"], "image/gif");
    assert_eq!(images[0]["size"], FRAME.len());
    assert!(images[0].get("url").is_none() && images[1]["item"] == "faces/0");

    // And they are kept: after a restart the API has them.
    let camhook = camhook.restarted(&config(&fetch, &target)).await;
    let id = event["id"].as_str().unwrap();
    let kept = camhook.get(&format!("/api/v1/events/{id}")).await;
    assert_eq!(kept["images"], event["images"]);
    assert_eq!(pictures.requests(), 2);
}

#[tokio::test]
async fn without_fetch_nothing_is_fetched_and_the_address_stays() {
    let pictures = Receiver::new().await;
    let event = after(&pictures, "timezone: UTC").await;
    assert_eq!(pictures.requests(), 0);
    assert!(
        event["images"][1]["url"]
            .as_str()
            .unwrap()
            .ends_with("/face.jpg")
    );
    assert!(notes(&event).is_empty());
}

#[tokio::test]
async fn what_is_too_large_or_no_picture_is_given_up_at_once() {
    let large = format!("{FRAME}{}", "x".repeat(2_000));
    let pictures = Receiver::answering([
        Answer::status(200).body(&large),
        Answer::status(200)
            .header("content-type", "image/jpeg")
            .body("<html>no</html>"),
    ])
    .await;
    let event = after(&pictures, &fetching(&pictures, ", max: 1KiB")).await;
    assert_eq!(pictures.requests(), 2);
    let notes = notes(&event);
    assert!(
        notes[0].contains("`frame`") && notes[0].contains("larger than"),
        "{notes:?}"
    );
    assert!(
        notes[1].contains("`face`") && notes[1].contains("no picture"),
        "{notes:?}"
    );
    assert!(!notes[0].contains("in-the-address"));
    assert!(event["images"][0]["url"].is_string());
}

#[tokio::test]
async fn only_allowed_hosts_are_asked_not_by_a_redirect_either() {
    let forbidden = Receiver::new().await;
    let event_of = after(&forbidden, "fetch: { hosts: [ff.example] }").await;
    assert_eq!(forbidden.requests(), 0);
    assert!(notes(&event_of)[0].contains("not among"));

    let elsewhere = Answer::status(302).header("location", &format!("{}/x", forbidden.url()));
    let pictures = Receiver::answering([
        elsewhere,
        Answer::status(307).header("location", "/there"),
        Answer::status(200).body(FACE),
    ])
    .await;
    let event = after(&pictures, &fetching(&pictures, "")).await;
    assert_eq!(forbidden.requests(), 0);
    let notes = notes(&event);
    assert_eq!(notes.len(), 1);
    assert!(
        notes[0].contains("redirects") && notes[0].contains("not among"),
        "{notes:?}"
    );
    assert_eq!(pictures.taken()[2].path, "/there");
    assert_eq!(event["images"][1]["size"], FACE.len());
}

#[tokio::test]
async fn endless_redirects_end() {
    let pictures = Receiver::new().await;
    pictures.always(Some(Answer::status(302).header("location", "/again")));
    let event = after(&pictures, &fetching(&pictures, "")).await;
    assert_eq!(pictures.requests(), 8);
    assert!(notes(&event)[0].contains("more than 3 redirects"));
}

#[tokio::test]
async fn a_server_that_comes_back_is_asked_again_while_the_delivery_waits() {
    let pictures = Receiver::new().await;
    pictures.always(Some(Answer::status(200).body(FRAME)));
    pictures.go_away().await;
    let target = Receiver::new().await;
    let camhook = Within::start(&config(&fetching(&pictures, ""), &target)).await;
    camhook.post("application/json", event(&pictures)).await;
    camhook.advance(2.0).await;
    assert_eq!(target.requests(), 0);
    let waiting = camhook.get("/api/v1/deliveries").await;
    assert_eq!(
        (&waiting[0]["fate"], &waiting[0]["due"]),
        (&json!("pending"), &json!(null))
    );
    pictures.come_back().await;
    camhook.advance(2.0).await;
    assert_eq!(camhook.fates().await, ["delivered"]);
    assert_eq!(delivered(&target)["images"][0]["size"], FRAME.len());
}

#[tokio::test]
async fn a_picture_that_cannot_be_had_does_not_hold_its_event_for_long() {
    let pictures = Receiver::new().await;
    pictures.always(Some(Answer::status(503)));
    let event = after(&pictures, &fetching(&pictures, ", attempts: 3")).await;
    assert_eq!(pictures.requests(), 6);
    assert!(notes(&event)[1].contains("503"));
    assert!(event["images"][0]["url"].is_string());
}

#[tokio::test]
async fn a_restart_in_between_begins_anew() {
    let pictures = Receiver::new().await;
    pictures.always(Some(Answer::status(200).body(FRAME)));
    pictures.go_away().await;
    let target = Receiver::new().await;
    let routes = config(&fetching(&pictures, ""), &target);
    let camhook = Within::start(&routes).await;
    camhook.post("application/json", event(&pictures)).await;
    assert_eq!(camhook.fates().await, ["pending"]);
    pictures.come_back().await;
    let camhook = camhook.restarted(&routes).await;
    camhook.advance(1.0).await;
    assert_eq!(camhook.fates().await, ["delivered"]);
    assert_eq!(delivered(&target)["images"][1]["size"], FRAME.len());
}

#[tokio::test]
async fn events_that_await_pictures_go_on_when_fetching_is_switched_off() {
    let pictures = Receiver::new().await;
    pictures.go_away().await;
    let target = Receiver::new().await;
    let camhook = Within::start(&config(&fetching(&pictures, ""), &target)).await;
    camhook.post("application/json", event(&pictures)).await;
    let camhook = camhook.restarted(&config("timezone: UTC", &target)).await;
    camhook.advance(1.0).await;
    assert_eq!(camhook.fates().await, ["delivered"]);
    assert!(notes(&delivered(&target))[0].contains("no `fetch` any more"));
}

#[tokio::test]
async fn a_pair_waits_for_the_pictures_of_the_half_that_it_carries() {
    for comes_back in [true, false] {
        let pictures = Receiver::new().await;
        pictures.always(Some(Answer::status(200).body(FRAME)));
        pictures.go_away().await;
        let target = Receiver::new().await;
        let routes = format!(
            "sources:\n  lane: {{ kind: generic, path: /, {}, map: {{ camera: {{ id: \"{{{{ body.cam }}}}\" }}, \
             plates: [{{ text: \"{{{{ body.plate }}}}\" }}], images: {{ frame: \"{{{{ body.picture }}}}\" }} }} }}\n\
             targets:\n  visits: {{ http: {{ url: \"{}\", multipart: {{ rear: \"{{{{ plate.text }}}}\", front: \"{{{{ images.front_frame }}}}\" }} }} }}\n\
             routes:\n  - {{ name: lane, each: plate, steps: [{{ pair: {{ front: [front], rear: [rear], within: 60s }} }}], to: [visits] }}\n",
            fetching(&pictures, ""),
            target.url()
        );
        let camhook = Within::start(&routes).await;
        let address = format!("{}/front.jpg", pictures.url());
        let front = json!({ "cam": "front", "plate": "AB123CD", "picture": address });
        let rear = json!({ "cam": "rear", "plate": "AB123CD" });
        for half in [front, rear] {
            let half = half.to_string().into_bytes();
            camhook.post("application/json", half).await;
        }
        camhook.advance(2.0).await;
        assert_eq!(target.requests(), 0, "the front's picture is awaited");
        if comes_back {
            pictures.come_back().await;
        }
        camhook.advance(60.0).await;
        assert_eq!(camhook.fates().await, ["delivered", "filtered"]);
        let rows = camhook.get("/api/v1/deliveries").await;
        assert_eq!(rows[0]["attempts"].as_array().unwrap().len(), 1);
        let taken = target.taken();
        assert_eq!(taken.len(), 1);
        let front = taken[0].parts().get("front").cloned();
        assert_eq!(front, comes_back.then(|| FRAME.into()), "{comes_back}");
    }
}

#[tokio::test]
async fn a_silent_server_is_not_asked_anew_for_each_event_that_waited_too_long() {
    let pictures = Receiver::new().await;
    pictures.always(Some(Answer::status(200).body(FRAME)));
    let silent = pictures.hold().await;
    let target = Receiver::new().await;
    let fetch = fetching(&pictures, ", timeout: 300ms, give_up_after: 0s");
    let camhook = Within::start(&config(&fetch, &target)).await;
    for _ in 0..3 {
        camhook.post("application/json", event(&pictures)).await;
    }
    let delivered = |n: usize| -> Value {
        serde_json::from_slice(&target.taken()[n].parts()["event"]).unwrap()
    };
    let told: Vec<Value> = (0..3).map(delivered).collect();
    let told: Vec<&str> = told.iter().flat_map(notes).collect();
    let (first, others) = told.split_at(2);
    let asked = |note: &&str| note.contains("took longer than 0.3 s");
    assert!(first.iter().all(asked), "{told:?}");
    let believed = |note: &&str| note.contains("gave no answer a moment ago");
    assert_eq!(
        others.iter().filter(|note| believed(note)).count(),
        4,
        "{told:?}"
    );
    drop(silent);
}

#[tokio::test]
async fn a_server_that_cannot_be_connected_to_is_tried_once_for_all_pictures_of_an_event() {
    // No TLS is spoken there, so no connection is ever made.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    std::thread::spawn(move || {
        for _ in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let target = Receiver::new().await;
    let fetch = format!("fetch: {{ hosts: [\"{host}\"], attempts: 2 }}");
    let camhook = Within::start(&config(&fetch, &target)).await;
    let event = json!([{
        "id": "1", "object_type": "face", "bs_type": "overall", "camera": 7, "created_date": "2026-01-31T12:00:00Z",
        "fullframe": format!("https://{host}/full.jpg"), "thumbnail": format!("https://{host}/face.jpg"),
    }]);
    let event = event.to_string().into_bytes();
    camhook.post("application/json", event).await;
    camhook.advance(2.0).await;
    let event = delivered(&target);
    let notes = notes(&event);
    assert!(
        notes[0].contains(&format!("could not connect to {host}"))
            && notes[1].contains("could not be connected to a moment ago"),
        "{notes:?}"
    );
    assert_eq!(connections.load(Ordering::SeqCst), 2, "one in each attempt");
}

#[tokio::test]
async fn a_picture_that_was_had_is_not_lost_while_another_is_tried_again() {
    let pictures = Receiver::answering([
        Answer::status(200).body(FRAME),
        Answer::status(503),
        Answer::status(200).body(FACE),
    ])
    .await;
    // The link to the first one is good for once.
    pictures.always(Some(Answer::status(410)));
    let event = after(&pictures, &fetching(&pictures, "")).await;
    let asked = pictures.taken();
    let asked: Vec<&str> = asked.iter().map(|taken| &taken.path[..5]).collect();
    assert_eq!(asked, ["/full", "/face", "/face"]);
    assert_eq!(event["images"][0]["size"], FRAME.len());
    assert_eq!(event["images"][1]["size"], FACE.len());
    assert!(notes(&event).is_empty());
}
