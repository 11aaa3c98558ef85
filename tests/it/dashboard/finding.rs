//! Search, Sources and Targets in a browser.

use serde_json::json;

use crate::harness::{Browser, Receiver, Size, Within};

async fn lively(receiver: &Receiver) -> Within {
    let camhook = Within::start(&format!(
        "sources: {{ gate: {{ kind: generic, path: /gate, undecodable: keep }} }}\n\
         targets:\n  vms: {{ http: {{ url: \"{}\", json: {{ id: \"{{{{ event.id }}}}\" }} }} }}\n\
         routes:\n  - {{ name: all, to: [vms] }}\n",
        receiver.url()
    ))
    .await;
    let json = [("content-type", "application/json".to_owned())];
    for n in 0..60 {
        let body = json!({ "plate": format!("AB{n:03}"), "camera_id": if n % 2 == 0 { "in" } else { "out" } });
        assert_eq!(camhook.send("/gate", &json, &body.to_string()).await, 200);
    }
    assert_eq!(camhook.send("/gate", &json, "{ no json").await, 200);
    camhook
}

#[tokio::test]
async fn finds_by_plate_and_turns_pages_both_ways() {
    let receiver = Receiver::new().await;
    let camhook = lively(&receiver).await;
    let browser = Browser::open(Size::Phone).await;
    browser.go(&camhook.at("/search")).await;
    browser.is_accessible().await;
    browser.fits_sideways().await;
    browser.press("Older").await;
    browser.until_shown("AB000").await;
    browser.press("Newer").await;
    browser.until_shown("AB059").await;
    browser.fill("#plate", "*b01?").await;
    browser.click("form[role=search] button").await;
    browser.until_shown("AB019").await;
    browser
        .until("document.querySelectorAll('tbody tr').length === 10")
        .await;
    browser.picture("search").await;
    browser.fill("#plate", "nothing").await;
    browser.click("form[role=search] button").await;
    browser.until_shown("Nothing found").await;
    browser.is_accessible().await;
    browser.fits_sideways().await;
    browser.close().await;
}

#[tokio::test]
async fn a_target_is_tested_paused_and_resumed_with_buttons() {
    let receiver = Receiver::new().await;
    let camhook = lively(&receiver).await;
    let before = receiver.requests();
    let browser = Browser::open(Size::Desktop).await;
    browser.go(&camhook.at("/targets/vms")).await;
    browser.is_accessible().await;
    browser.go(&camhook.at("/targets")).await;
    browser.is_accessible().await;
    browser.without_scripts().await;
    browser.press("vms").await;
    browser.until_shown("Send a test event").await;
    browser.press("Send a test event").await;
    browser.until_shown("test event is").await;
    camhook.settled().await;
    assert_eq!(receiver.requests(), before + 1);
    browser.reload().await;
    browser.until_shown("delivered").await;
    browser.press("Pause").await;
    browser.until_shown("by hand").await;
    browser.picture("target").await;
    browser.press("Resume").await;
    browser.until_shown("running").await;
    browser.close().await;
}

#[tokio::test]
async fn sources_show_cameras_and_what_was_not_understood() {
    let receiver = Receiver::new().await;
    let camhook = lively(&receiver).await;
    let browser = Browser::open(Size::Phone).await;
    browser.go(&camhook.at("/sources")).await;
    browser.until_shown("Cameras of gate").await;
    browser.is_accessible().await;
    browser.fits_sideways().await;
    browser.picture("sources").await;
    browser.press("Decode anew").await;
    browser.until_shown("still not understood").await;
    browser.until_shown("{ no json").await;
    browser.is_accessible().await;
    browser.fits_sideways().await;
    browser.close().await;
}
