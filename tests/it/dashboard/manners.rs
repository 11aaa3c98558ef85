//! Logging in and out, refusals, and what every page keeps to.

use std::collections::{BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::lively::Lively;
use crate::harness::{Browser, Key, Size};
use crate::login::{House, everybody};

#[tokio::test]
async fn logs_in_and_out_with_the_keyboard_alone() {
    let house = House::start(&everybody()).await;
    let browser = Browser::open(Size::Phone).await;
    browser.go(&house.at("/config")).await;
    browser.until_at("/login?next=%2Fconfig").await;
    browser.is_accessible().await;
    browser.fits_sideways().await;
    assert_eq!(browser.focus().await, "input username");
    browser.type_text("anna").await;
    browser.keys(&[Key::Tab]).await;
    assert_eq!(browser.focus().await, "input password");
    browser.type_text("password of anna").await;
    browser.keys(&[Key::Enter]).await;
    browser.until_at("/config").await;

    // The first stop leads past the menu.
    browser.keys(&[Key::Tab]).await;
    assert_eq!(browser.focus().await, "a Skip to the content");
    browser.is_accessible().await;
    browser.keys(&[Key::Enter]).await;
    browser.until("document.activeElement.id === 'main'").await;
    browser.keys(&[Key::Tab]).await;
    let first = "document.activeElement.closest('main') !== null";
    browser.until(first).await;

    // And back, to the button that ends it.
    while browser.focus().await != "button Log out" {
        assert_ne!(browser.focus().await, "nothing", "it was passed over");
        browser.keys(&[Key::BackTab]).await;
    }
    browser.keys(&[Key::Space]).await;
    browser.until_at("/login").await;
    browser.go(&house.at("/")).await;
    browser.until_at("/login").await;
    browser.close().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_in_place() {
    let house = House::start(&everybody()).await;
    let mut browser = Browser::open(Size::Desktop).await;
    browser.foretell("status of 401");
    browser.go(&house.at("/login?next=/api/v1/me")).await;
    browser.fill("#username", "anna").await;
    browser.fill("#password", "password of rita").await;
    browser.press("Log in").await;
    browser.until_shown("Wrong name or password.").await;
    browser.is_accessible().await;
    browser.dark().await;
    browser.is_accessible().await;
    browser.without_scripts().await;
    browser.fill("#username", "anna").await;
    browser.fill("#password", "password of anna").await;
    browser.press("Log in").await;
    browser.until_at("/api/v1/me").await;
    browser.close().await;
}

#[tokio::test]
async fn a_login_that_ends_leads_back_to_where_one_was() {
    let house = House::start(&format!("  session: 10m\n{}", everybody())).await;
    let browser = Browser::open(Size::Desktop).await;
    let log_in = async || {
        browser.fill("#username", "anna").await;
        browser.fill("#password", "password of anna").await;
        browser.press("Log in").await;
        browser.until_at("/config").await;
    };
    browser.go(&house.at("/config")).await;
    log_in().await;
    house.advance(601);
    browser.reload().await;
    browser.until_at("/login?next=%2Fconfig").await;
    log_in().await;
    // The button of a page that was left open does nothing any more, and says so.
    house.advance(601);
    browser.press("Load it now").await;
    browser.until_shown("what you pressed was not done").await;
    browser.is_accessible().await;
    log_in().await;
    browser.press("Load it now").await;
    browser.until_at("/config").await;
    browser.until_shown("is the one in use").await;
    browser.close().await;
}

#[tokio::test]
async fn a_refusal_is_a_page_that_says_what_to_do_next() {
    let house = House::start(&everybody()).await;
    let mut browser = Browser::open(Size::Phone).await;
    browser.foretell("status of 403");
    browser.foretell("status of 404");
    browser.log_in(&house.at("/"), "rita").await;
    for (path, title, told) in [
        (
            "/config",
            "You may not do that",
            "Log in as somebody who may",
        ),
        ("/nowhere", "There is nothing here", "mistyped"),
        (
            "/api/v1/events/01a50000-0000-7000-8000-000000000000",
            "There is nothing here",
            "no longer kept",
        ),
    ] {
        browser.go(&house.at(path)).await;
        assert_eq!(browser.text("h1").await, title, "{path}");
        browser.until_shown(told).await;
        browser.is_accessible().await;
        browser.dark().await;
        browser.is_accessible().await;
        browser.light().await;
        browser.fits_sideways().await;
        browser.press("To the first page").await;
        browser.until_at("/").await;
    }
    // A form whose token is another login's.
    browser.go(&house.at("/")).await;
    browser
        .js(
            "document.querySelector('[name=csrf]').value = 'x'",
            json!([]),
        )
        .await;
    browser.press("Log out").await;
    browser.until_shown("That page was too old").await;
    browser.is_accessible().await;
    browser.close().await;
}

#[tokio::test]
async fn who_may_only_look_sees_no_button() {
    let lively = Lively::start().await;
    let browser = Browser::open(Size::Desktop).await;
    for user in ["rita", "mona"] {
        browser.log_in(&lively.at("/"), user).await;
        let menu = menu(&browser).await;
        assert!(!menu.contains(&"/config".to_owned()), "{user}: {menu:?}");
        assert!(user != "mona" || menu == [REFERENCE], "{menu:?}");
        for path in menu.iter().map(String::as_str).chain(["/"]) {
            browser.go(&lively.at(path)).await;
            let forms = "return [...document.querySelectorAll('form[method=post]')].map(form => form.getAttribute('action'))";
            let forms = browser.js(forms, json!([])).await;
            assert_eq!(forms, json!(["/logout"]), "{path} for {user}");
        }
        browser.press("Log out").await;
        browser.until_at("/login").await;
    }
    browser.close().await;
}

/// All that the menu leads to, and one of each kind of page that those lead to: light, dark, on phones, without a script.
#[tokio::test]
async fn every_page_is_fit_for_everybody() {
    let lively = Lively::start().await;
    walk(|path| lively.at(path), true).await;
}

#[tokio::test]
async fn every_page_is_fit_for_everybody_before_anything_happened() {
    let house = House::start(&everybody()).await;
    walk(|path| house.at(path), false).await;
}

async fn walk(at: impl Fn(&str) -> String, pictures: bool) {
    let browser = Browser::open(Size::Desktop).await;
    browser.prefers("prefers-reduced-motion", "reduce").await;
    browser.log_in(&at("/"), "anna").await;
    let menu = menu(&browser).await;
    assert!(menu.contains(&"/config".to_owned()), "{menu:?}");
    let others = ["/", REFERENCE].map(str::to_owned);
    let mut next: VecDeque<String> = menu.iter().cloned().chain(others).collect();
    let mut seen: BTreeSet<String> = next.iter().map(|path| kind(path)).collect();
    let mut headings = BTreeSet::new();
    while let Some(path) = next.pop_front() {
        browser.light().await;
        browser.resize(Size::Desktop).await;
        browser.go(&at(&path)).await;
        let heading = is_well_built(&browser, &path).await;
        headings.insert(heading.clone());
        browser.is_accessible().await;
        browser.fits_sideways().await;
        let name = pictures.then(|| name(&path)).flatten();
        if let Some(name) = &name {
            browser.picture(name).await;
        }
        browser.dark().await;
        browser.is_accessible().await;
        if let Some(name) = &name {
            browser.picture(&format!("{name}-dark")).await;
        }
        browser.light().await;
        browser.resize(Size::Phone).await;
        browser.is_accessible().await;
        browser.fits_sideways().await;
        if let Some(name) = &name {
            browser.picture(&format!("{name}-phone")).await;
        }
        browser.resize(Size::Narrow).await;
        browser.fits_sideways().await;
        for link in links(&browser, "main a[href]").await {
            if seen.len() < PAGES_MAX && seen.insert(kind(&link)) {
                next.push_back(link);
            }
        }
    }
    assert!(headings.len() + 1 >= menu.len(), "{headings:?}");
    // The same without a script.
    browser.without_scripts().await;
    for path in menu {
        browser.go(&at(&path)).await;
        assert!(headings.contains(&browser.text("h1").await), "{path}");
    }
    browser.close().await;
}

/// Enough for one of each kind.
const PAGES_MAX: usize = 40;

/// What axe-core does not ask; returns the page's heading.
async fn is_well_built(browser: &Browser, path: &str) -> String {
    for (selector, count) in [
        ("h1", 1),
        ("main", 1),
        ("main#main", 1),
        ("html[lang]", 1),
        ("table:not(:has(caption))", 0),
        ("table th:not([scope])", 0),
        ("[style], style, script:not([src]), [onclick]", 0),
        ("time:not([datetime])", 0),
    ] {
        assert_eq!(browser.count(selector).await, count, "{selector} in {path}");
    }
    let elsewhere = "return performance.getEntriesByType('resource').map(one => one.name)
        .filter(name => !name.startsWith(location.origin + '/'))";
    assert_eq!(browser.js(elsewhere, json!([])).await, json!([]), "{path}");
    browser.until("document.getAnimations().length === 0").await;
    let title = browser.js("return document.title", json!([])).await;
    assert!(title.as_str().unwrap().ends_with(" · camhook"), "{title}");
    browser.text("h1").await
}

async fn menu(browser: &Browser) -> Vec<String> {
    links(browser, "nav a[href]").await
}

/// Ways to pages of our own; what the API answers is no page, nor is a file.
async fn links(browser: &Browser, selector: &str) -> Vec<String> {
    let links = "return [...document.querySelectorAll(arguments[0])].filter(a => a.origin === location.origin)
        .map(a => a.pathname + a.search)";
    let links = browser.js(links, json!([selector])).await;
    let links = links.as_array().unwrap().iter().map(Value::as_str);
    let data = [
        "/api/",
        "/metrics",
        "/healthz",
        "/readyz",
        "/assets/",
        "/search.csv",
        "/v1/",
    ];
    let page = |link: &&str| *link == REFERENCE || !data.iter().any(|one| link.starts_with(one));
    links.flatten().filter(page).map(str::to_owned).collect()
}

/// The page that tells the API.
const REFERENCE: &str = "/api/v1/docs";

/// Alike for pages that differ in what they tell of alone: `/events/…` for every event, the names of a search's fields.
fn kind(path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut parts = path.split('/').skip(1);
    let first = parts.next().unwrap_or_default();
    let depth = parts.count();
    let names: BTreeSet<&str> = query
        .split('&')
        .filter_map(|pair| pair.split('=').next())
        .collect();
    format!("{first} {depth} {names:?}")
}

/// What a page's picture is called; those deep down and of a search have none.
fn name(path: &str) -> Option<String> {
    if path.contains('?') {
        return None;
    }
    let mut parts = path.split('/').skip(1);
    let first = parts.next().unwrap_or_default();
    let depth = parts.count();
    match (first, depth) {
        ("", _) => Some("first".to_owned()),
        (first, 0) => Some(first.to_owned()),
        (first, 1) => Some(format!("one-of-{first}")),
        (_, _) => None,
    }
}

/// The harness itself: what goes wrong in a page fails its test.
#[tokio::test]
async fn a_browser_tells_on_its_pages() {
    let house = House::start(&everybody()).await;
    let url = house.at("/login");
    for spoil in [
        "fetch('/nowhere')",
        "document.head.insertAdjacentHTML('beforeend', '<style>h1 { color: red }</style>')",
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"http://127.0.0.1:9/a.png\" alt=\"\">')",
        "console.warn('spoiled')",
        "setTimeout(() => { throw new Error('spoiled') })",
    ] {
        let url = url.clone();
        let mut spoiled = tokio::task::JoinSet::new();
        spoiled.spawn(async move {
            let browser = Browser::open(Size::Desktop).await;
            browser.go(&url).await;
            browser
                .js(
                    &format!("{spoil}; return new Promise(done => setTimeout(done, 100))"),
                    json!([]),
                )
                .await;
            browser.close().await;
        });
        let noticed = spoiled.join_next().await.is_some_and(|done| done.is_err());
        assert!(noticed, "{spoil} went unnoticed");
    }
    let browser = Browser::open(Size::Phone).await;
    browser.go(&url).await;
    let wide = "document.querySelector('main').insertAdjacentHTML('beforeend', '<canvas width=900></canvas>')";
    browser.js(wide, json!([])).await;
    let unlabelled = "document.querySelector('label').remove()";
    browser.js(unlabelled, json!([])).await;
    let found = browser.found_by_axe().await;
    assert!(found.iter().any(|one| one.contains("(label)")), "{found:?}");
    let wide = browser.wider_than_the_window().await;
    assert!(wide.iter().any(|one| one.contains("<canvas")), "{wide:?}");
    browser.close().await;
}
