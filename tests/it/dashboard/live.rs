//! Live, Event and First steps, with what comes in while somebody looks.

use std::path::Path;

use image::ImageFormat;
use serde_json::json;

use crate::harness::{
    Answer, Browser, Process, Receiver, Size, client, multipart, picture, recognition,
};

/// Where the plate is painted in a picture of 1280 by 720: a quarter of the way across, a third of the way down.
const PLATE: [i32; 4] = [320, 240, 448, 288];

/// Posts a plate with a picture of it, and returns how the picture's plate is coloured.
async fn post(camhook: &Process, plate: &str) {
    let json = recognition("gate", &[(plate, PLATE)]);
    let frame = picture(1280, 720, &[(PLATE, [220, 30, 30])], ImageFormat::Jpeg);
    let (kind, body) = multipart(&json.to_string(), &[("upload", &frame)]);
    let sent = client()
        .post(&camhook.url)
        .header("content-type", kind)
        .body(body);
    assert_eq!(sent.send().await.unwrap().status(), 200);
}

/// A camhook that delivers to a receiver, again and again, until that takes it.
fn delivering_to(receiver: &Receiver, folder: &Path) -> Process {
    let routes = format!(
        "targets: {{ vms: {{ http: {{ url: \"{}/plates?key=s3cr3t-in-a-query\", json: {{ plate: \"{{{{ plate.text }}}}\" }} }},\n\
         \x20 retry: {{ attempts: 0, initial: 50ms, max: 50ms }}, breaker: {{ failures: 1000000 }} }} }}\n\
         routes: [{{ name: plates, each: plate, to: [vms] }}, {{ name: never, when: \"plate.score > 2\", each: plate, to: [vms] }}]\n",
        receiver.url()
    );
    Process::start(folder, &routes)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_appears_with_its_crop_and_its_fate_changes_without_a_reload() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::new().await);
    receiver.always(Some(Answer::status(503).body("not now")));
    let camhook = delivering_to(&receiver, folder.path());
    let browser = Browser::open(Size::Phone).await;
    browser.go(&format!("{}/live", camhook.admin)).await;
    browser
        .until_shown("Live: new events appear by themselves")
        .await;
    browser.is_accessible().await;
    browser.js("window.before = true", json!([])).await;

    post(&camhook, "AA1").await;
    browser.until_shown("AA1").await;
    // The plate's crop: painted red, with a little around it.
    let crop = "const img = document.querySelector('.event img'); \
        if (!img || !img.complete || !img.naturalWidth) return null; \
        const canvas = document.createElement('canvas'); canvas.width = img.naturalWidth; canvas.height = img.naturalHeight; \
        const pen = canvas.getContext('2d'); pen.drawImage(img, 0, 0); \
        return [img.naturalWidth, ...pen.getImageData(img.naturalWidth / 2, img.naturalHeight / 2, 1, 1).data]";
    browser.until(&format!("(() => {{ {crop} }})()")).await;
    let crop = browser.js(crop, json!([])).await;
    let crop: Vec<i64> = crop
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part.as_i64().unwrap())
        .collect();
    assert!(
        (128..200).contains(&crop[0]),
        "{crop:?}: the width of the plate and what is around it"
    );
    assert!(
        crop[1] > 180 && crop[2] < 80 && crop[3] < 80,
        "{crop:?} is red"
    );
    browser
        .until("document.querySelector('.event .fate.pending')")
        .await;
    browser
        .until("/tried \\d+ times/.test(document.querySelector('.event').innerText)")
        .await;

    receiver.always(None);
    browser
        .until("document.querySelector('.event .fate.delivered')")
        .await;
    assert_eq!(browser.count(".event").await, 1, "the same row");
    assert_eq!(
        browser.js("return window.before", json!([])).await,
        json!(true),
        "the same page"
    );
    browser.is_accessible().await;
    browser.fits_sideways().await;
    browser.picture("live-phone").await;
    post(&camhook, "AA2").await;
    browser
        .until("document.querySelectorAll('.event').length === 2")
        .await;
    assert!(
        browser.text(".event").await.contains("AA2"),
        "the newest is the first"
    );
    browser.resize(Size::Desktop).await;
    browser.fits_sideways().await;
    browser.picture("live").await;
    browser.close().await;
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_list_stands_still_and_goes_on_with_what_came() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::new().await);
    let camhook = delivering_to(&receiver, folder.path());
    let browser = Browser::open(Size::Desktop).await;
    browser
        .go(&format!("{}/live?plate=AA*", camhook.admin))
        .await;
    browser.until_shown("Live: new events").await;
    browser.press("Pause").await;
    post(&camhook, "AA1").await;
    browser
        .until("/Paused: [1-9]/.test(document.getElementById('live-state').textContent)")
        .await;
    assert_eq!(browser.count(".event").await, 0);
    browser.press("Go on").await;
    browser.until_shown("AA1").await;
    // Another plate than those asked for stays away.
    post(&camhook, "BB1").await;
    post(&camhook, "AA2").await;
    browser.until_shown("AA2").await;
    assert!(!browser.shown().await.contains("BB1"));
    browser.close().await;
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_an_event_shows_its_boxes_and_what_became_of_it() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::new().await);
    receiver.always(Some(Answer::status(400).body("no such <b>camera</b>")));
    let camhook = delivering_to(&receiver, folder.path());
    post(&camhook, "AA1").await;
    let browser = Browser::open(Size::Phone).await;
    // The list is there without a script, too.
    browser.without_scripts().await;
    browser.go(&format!("{}/live", camhook.admin)).await;
    browser.click(".event .what a").await;
    browser
        .devtools(
            "Emulation.setScriptExecutionDisabled",
            json!({ "value": false }),
        )
        .await;
    let id = camhook.rows(&["events"])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    crate::harness::eventually("it is dead", async || {
        camhook
            .get("/api/v1/deliveries?fate=dead")
            .await
            .as_array()
            .unwrap()
            .len()
            == 1
    })
    .await;
    browser.go(&format!("{}/events/{id}", camhook.admin)).await;
    assert_eq!(browser.text("h1 .plate").await, "AA1");
    browser
        .until("document.querySelector('.picture img').naturalWidth === 1280")
        .await;
    // The box lies over the painted plate, however large the picture is shown.
    let place = "const [box, img] = ['.boxes rect.plate', '.picture img'].map(s => document.querySelector(s).getBoundingClientRect()); \
        return [(box.left - img.left) / img.width, (box.top - img.top) / img.height, box.width / img.width, box.height / img.height]";
    for size in [Size::Narrow, Size::Desktop] {
        browser.resize(size).await;
        let place = browser.js(place, json!([])).await;
        let wanted = [0.25, 1.0 / 3.0, 0.1, 48.0 / 720.0];
        for (is, wanted) in place.as_array().unwrap().iter().zip(wanted) {
            assert!(
                (is.as_f64().unwrap() - wanted).abs() < 0.01,
                "{place:?} at {size:?}"
            );
        }
        browser.fits_sideways().await;
    }
    let shown = browser.shown().await;
    for told in [
        "never: filtered by",
        "plate.score > 2",
        "no such <b>camera</b>",
        "400",
        "dead",
    ] {
        assert!(shown.contains(told), "{told} is not in\n{shown}");
    }
    browser
        .click("//section[@aria-labelledby='now']//summary")
        .await;
    browser.until_shown("\"plate\": \"AA1\"").await;
    assert!(browser.shown().await.contains("/plates?key="));
    browser.is_accessible().await;
    browser.dark().await;
    browser.is_accessible().await;
    browser.picture("event-dark").await;

    receiver.always(None);
    browser.press("Try again").await;
    browser.until_at("#deliveries").await;
    crate::harness::eventually("it is delivered", async || {
        camhook
            .get("/api/v1/deliveries?fate=delivered")
            .await
            .as_array()
            .unwrap()
            .len()
            == 1
    })
    .await;
    browser.click("form[action$='/replay'] button").await;
    crate::harness::eventually("it is delivered twice", async || {
        camhook
            .get("/api/v1/deliveries?fate=delivered")
            .await
            .as_array()
            .unwrap()
            .len()
            == 2
    })
    .await;
    browser.close().await;
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_steps_lead_to_an_event() {
    let folder = tempfile::tempdir().unwrap();
    let routes = "sources: { stream: { kind: platerecognizer, path: /stream, auth: { token: s3cr3t-of-stream } }, gate: { kind: viewtron, path: /API } }\n\
                  targets: { log: { jsonl: log.jsonl } }\nroutes: [{ name: all, to: [log] }]\n";
    let camhook = Process::start(folder.path(), routes);
    let port = camhook.address().rsplit(':').next().unwrap();
    let browser = Browser::open(Size::Narrow).await;
    browser.go(&camhook.admin).await;
    let shown = browser.shown().await;
    for told in [
        format!("http://127.0.0.1:{port}/stream"),
        format!("http://127.0.0.1:{port}/API"),
    ] {
        assert!(shown.contains(&told), "{told} is not in\n{shown}");
    }
    let page = browser
        .js("return document.documentElement.outerHTML", json!([]))
        .await;
    assert!(!page.as_str().unwrap().contains("s3cr3t-of-stream"));
    browser.is_accessible().await;
    browser.fits_sideways().await;
    browser.picture("first-steps").await;

    for (source, kind) in [("gate", "viewtron"), ("stream", "platerecognizer")] {
        browser.go(&format!("{}/first", camhook.admin)).await;
        browser.press(&format!("Send a sample to {source}")).await;
        browser.until_at("/live").await;
        browser.until_shown(&format!("· {source}")).await;
        let events = camhook.rows(&["events", "--source", source]);
        assert_eq!((events.len(), &events[0]["vendor"]), (1, &json!(kind)));
    }
    // Now that something has come, the start page is what comes.
    browser.go(&camhook.admin).await;
    assert_eq!(browser.text("h1").await, "Live");
    browser.close().await;
    camhook.stop();
}
