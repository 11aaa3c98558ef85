//! The page Config: the file in use, the file on disk, mistakes in their place, loads.

use super::lively::Lively;
use crate::harness::{Browser, Size};

#[tokio::test]
async fn the_page_of_the_config_tells_what_a_load_would_do() {
    let lively = Lively::start().await;
    let file = lively.folder().join("routes.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    let browser = Browser::open(Size::Desktop).await;
    browser.log_in(&lively.at("/config"), "anna").await;
    browser
        .until_shown("It is the one in use, and has no mistakes.")
        .await;

    // With the numbers of the file, and without its secrets.
    let shown = browser.text("main").await;
    for secret in ["token-with-scope", "argon2id"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let line = good
        .lines()
        .position(|line| line.contains("  vms: "))
        .unwrap()
        + 1;
    let vms = format!(".line[data-number='{line}']");
    assert!(browser.text(&vms).await.contains("vms: {"));

    // A mistake is told with its place, and what runs stays.
    let bad = good.replace(
        "{ kind: viewtron, path: /API }",
        "{ kind: viewtrom, path: /API }",
    );
    assert_ne!(bad, good);
    std::fs::write(&file, &bad).unwrap();
    lively.camhook.signal("HUP");
    refused(&browser).await;
    let told = browser
        .text("[aria-label='Mistakes of the file on disk']")
        .await;
    assert!(
        told.contains("viewtrom")
            && told.contains("^^^")
            && told.contains("did you mean `viewtron`?"),
        "{told}"
    );
    let place = format!(
        "routes.yaml:{}:",
        bad.lines()
            .position(|line| line.contains("viewtrom"))
            .unwrap()
            + 1
    );
    assert!(told.contains(&place), "{told}");
    assert_eq!(browser.count("//button[.='Load it now']").await, 0);
    browser.is_accessible().await;
    browser.dark().await;
    browser.is_accessible().await;
    browser.light().await;
    browser.resize(Size::Phone).await;
    browser.fits_sideways().await;
    browser.picture("config-mistake-phone").await;
    browser.resize(Size::Desktop).await;

    // Mended: loaded by itself or by the button, whichever is first.
    let other = good.replace("path: /stream", "path: /flow");
    std::fs::write(&file, &other).unwrap();
    browser.reload().await;
    browser.press("Load it now").await;
    browser
        .until_shown("It is the one in use, and has no mistakes.")
        .await;
    browser
        .until_shown("before what is in use now was loaded")
        .await;
    browser.until_shown("path: /flow").await;
    let door = format!("{}/flow", lively.camhook.root());
    assert_eq!(crate::harness::get(&door).await.status(), 200);
    browser.close().await;
}

/// The watch on the file and the signal are on their way.
async fn refused(browser: &Browser) {
    let start = std::time::Instant::now();
    while browser.count("#refused").await == 0 {
        assert!(start.elapsed().as_secs() < 60, "the load is never refused");
        browser.reload().await;
    }
}
