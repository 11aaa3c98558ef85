//! The page Not delivered: what failed is found by its plate and sent again, or many of it at once.

use crate::harness::{Answer, Browser, Process, Receiver, Size, eventually};
use crate::undelivered::{routes, see, until_dead};

/// A camhook whose receiver has refused so many.
async fn refused(folder: &std::path::Path, plates: &[String]) -> (Process, Receiver, Receiver) {
    let (vms, other) = (Receiver::new().await, Receiver::new().await);
    vms.always(Some(Answer::status(422).body("no such camera")));
    let camhook = Process::start(folder, &routes(&vms, &other, ""));
    for plate in plates {
        see(&camhook, "gate", plate).await;
    }
    until_dead(&camhook, plates.len()).await;
    (camhook, vms, other)
}

fn texts(plates: &[&str]) -> Vec<String> {
    plates.iter().map(|plate| (*plate).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_delivery_is_found_by_its_plate_and_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let (camhook, vms, _other) =
        refused(folder.path(), &texts(&["AB123CD", "EF456GH", "AB999ZZ"])).await;
    let browser = Browser::open(Size::Phone).await;
    browser.go(&format!("{}/undelivered", camhook.admin)).await;
    assert_eq!(browser.text("nav a[aria-current] .count").await, "3");
    browser.is_accessible().await;
    browser.fits_sideways().await;
    browser.picture("undelivered").await;
    browser.fill("#plate", "ab123").await;
    browser.press("Find").await;
    browser.until_shown("AB123CD").await;
    assert_eq!(browser.count("tbody tr").await, 1);
    browser
        .until("document.querySelector('img.thumb').naturalWidth > 0")
        .await;
    browser.is_accessible().await;
    browser.fits_sideways().await;
    browser.picture("undelivered-found").await;

    vms.always(None);
    let before = vms.requests();
    browser.click("button[name=retry]").await;
    browser.until_shown("Sending again: done, 1").await;
    browser.is_accessible().await;
    browser.fits_sideways().await;
    vms.wait_for(before + 1).await;
    let sent = vms.taken().pop().unwrap();
    let sent = String::from_utf8_lossy(&sent.body).to_uppercase();
    assert!(sent.contains("AB123CD"), "{sent}");
    browser.press("All that is not delivered").await;
    browser
        .until("document.querySelector('nav a[aria-current] .count').textContent == '2'")
        .await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_shown_with_their_count_before_they_are_sent_again_at_a_rate() {
    let folder = tempfile::tempdir().unwrap();
    let plates: Vec<String> = (0..60).map(|n| format!("AB{n:03}")).collect();
    let (camhook, vms, _other) = refused(folder.path(), &plates).await;
    vms.always(None);
    let before = vms.requests();
    let browser = Browser::open(Size::Desktop).await;
    browser.dark().await;
    browser.go(&format!("{}/undelivered", camhook.admin)).await;
    browser.press("Send again").await;
    browser.until_shown("Send 60 deliveries again?").await;
    assert_eq!(
        vms.requests(),
        before,
        "nothing is sent before it is confirmed"
    );
    assert_eq!(browser.count("tbody tr").await, 8);
    browser.is_accessible().await;
    browser.fits_sideways().await;
    browser.picture("undelivered-confirm-dark").await;
    browser.click("#rate option[value='100/s']").await;
    browser.press("Send again 60").await;
    browser.until_shown("Sending again: done, 60").await;
    browser.is_accessible().await;
    browser.picture("undelivered-job-dark").await;
    vms.wait_for(before + 60).await;
    browser.press("All that is not delivered").await;
    browser.until_shown("Everything has been delivered").await;
    browser.is_accessible().await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chosen_ones_are_given_up_without_a_script_on_a_narrow_screen() {
    let folder = tempfile::tempdir().unwrap();
    let (camhook, _vms, _other) = refused(folder.path(), &texts(&["AB1", "AB2", "AB3"])).await;
    let mut browser = Browser::open(Size::Narrow).await;
    browser.without_scripts().await;
    browser
        .go(&format!("{}/undelivered?target=vms", camhook.admin))
        .await;
    browser.foretell("status of 400");
    browser.press("Send the chosen ones again").await;
    browser.until_shown("Choose at least one delivery").await;
    browser
        .go(&format!("{}/undelivered?target=vms", camhook.admin))
        .await;
    browser
        .click("tbody tr:nth-child(1) input[type=checkbox]")
        .await;
    browser
        .click("tbody tr:nth-child(3) input[type=checkbox]")
        .await;
    browser.press("Give the chosen ones up…").await;
    browser.until_shown("Give up 2 deliveries?").await;
    browser.fits_sideways().await;
    browser.press("Give up 2").await;
    browser.until_shown("Giving up").await;
    eventually("two are given up", async || {
        let expired = camhook.get("/api/v1/deliveries?fate=expired").await;
        expired.as_array().unwrap().len() == 2
    })
    .await;
    browser
        .go(&format!("{}/undelivered?target=vms", camhook.admin))
        .await;
    let shown = browser.shown().await;
    assert!(
        shown.contains("AB2") && !shown.contains("AB1") && !shown.contains("AB3"),
        "{shown}"
    );
    browser.close().await;
}
