//! A real browser (Debian's Chromium), steered as its makers mean it to be: by ChromeDriver, over WebDriver.
//!
//! The protocol is a handful of JSON requests, so they are written here with the HTTP client that the tests have anyway. The
//! clients on crates.io bring either forty crates or one under a licence that nothing else here has, and neither reads Chromium's
//! own log, without which a page that fails quietly passes.
//!
//! One ChromeDriver serves all tests of a run, and two browsers are open at most. Each has a profile of its own, reaches
//! nothing but this machine, and is asked at its end what went wrong in its pages: an error on its console, a file that was
//! not there or something that the Content-Security-Policy forbade fails the test, unless that was foretold.

mod driver;
mod keys;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::SemaphorePermit;

pub(crate) use keys::Key;

/// How long something may take to appear; for a machine under full load, not for the pages.
const PATIENCE: Duration = Duration::from_secs(60);

/// The window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// Of a hand, 390 pixels wide.
    Phone,
    /// Of the narrowest phones, 360 pixels wide.
    Narrow,
    Desktop,
}

impl Size {
    fn pixels(self) -> (u32, u32) {
        match self {
            Self::Phone => (390, 844),
            Self::Narrow => (360, 640),
            Self::Desktop => (1280, 900),
        }
    }
}

/// One browser with an empty profile. [`Browser::close`] ends a test.
pub(crate) struct Browser {
    session: driver::Session,
    /// What went wrong as it was meant to: parts of lines of the console, each of which must come.
    foretold: Vec<String>,
    /// What was asked for so far: it is told as a whole.
    preferred: tokio::sync::Mutex<BTreeMap<String, String>>,
    closed: bool,
    _seat: SemaphorePermit<'static>,
    _profile: tempfile::TempDir,
}

impl Browser {
    pub(crate) async fn open(size: Size) -> Self {
        let seat = driver::SEATS.acquire().await.unwrap();
        let profile = tempfile::tempdir().unwrap();
        let browser = Self {
            session: driver::Session::begin(profile.path()).await,
            foretold: Vec::new(),
            preferred: tokio::sync::Mutex::default(),
            closed: false,
            _seat: seat,
            _profile: profile,
        };
        browser.resize(size).await;
        browser.light().await;
        browser
    }

    /// Ends it, after a look at what went wrong in its pages.
    pub(crate) async fn close(mut self) {
        self.closed = true;
        let log = self
            .session
            .post("/se/log", json!({ "type": "browser" }))
            .await;
        let mut wrong = Vec::new();
        let mut missing = self.foretold.clone();
        for entry in log.as_array().unwrap() {
            let line = entry["message"].as_str().unwrap().to_owned();
            missing.retain(|part| !line.contains(part.as_str()));
            let severe = matches!(entry["level"].as_str().unwrap(), "SEVERE" | "WARNING");
            if severe
                && !self
                    .foretold
                    .iter()
                    .any(|part| line.contains(part.as_str()))
            {
                wrong.push(line);
            }
        }
        assert!(wrong.is_empty(), "on the console:\n{}", wrong.join("\n"));
        assert!(
            missing.is_empty(),
            "these errors were meant to come: {missing:?}"
        );
    }

    /// A line with this part will be on the console, as it is meant to: such as `status of 401`.
    pub(crate) fn foretell(&mut self, part: &str) {
        self.foretold.push(part.to_owned());
    }

    /// Opens a page, and waits until it and all that belongs to it is loaded.
    pub(crate) async fn go(&self, url: &str) {
        self.session.post("/url", json!({ "url": url })).await;
    }

    pub(crate) async fn back(&self) {
        self.session.post("/back", json!({})).await;
    }

    pub(crate) async fn reload(&self) {
        self.session.post("/refresh", json!({})).await;
    }

    /// The address as the browser shows it.
    pub(crate) async fn url(&self) -> String {
        let url = self.session.get("/url").await;
        url.as_str().unwrap().to_owned()
    }

    pub(crate) async fn resize(&self, size: Size) {
        let (width, height) = size.pixels();
        let mobile = size != Size::Desktop;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile,
            "screenWidth": width, "screenHeight": height });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        self.devtools(
            "Emulation.setTouchEmulationEnabled",
            json!({ "enabled": mobile }),
        )
        .await;
    }

    pub(crate) async fn light(&self) {
        self.prefers("prefers-color-scheme", "light").await;
    }

    pub(crate) async fn dark(&self) {
        self.prefers("prefers-color-scheme", "dark").await;
    }

    /// What the person at the browser has asked their system for, such as `reduce` for `prefers-reduced-motion`.
    pub(crate) async fn prefers(&self, name: &str, value: &str) {
        let mut all = self.preferred.lock().await;
        all.insert(name.to_owned(), value.to_owned());
        let all = all
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }));
        let features = json!({ "features": all.collect::<Vec<_>>() });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Where the browser believes to be, such as `Europe/Rome`.
    pub(crate) async fn time_zone(&self, zone: &str) {
        self.devtools(
            "Emulation.setTimezoneOverride",
            json!({ "timezoneId": zone }),
        )
        .await;
    }

    /// As if scripts were switched off, from the next page on.
    pub(crate) async fn without_scripts(&self) {
        self.devtools(
            "Emulation.setScriptExecutionDisabled",
            json!({ "value": true }),
        )
        .await;
    }

    /// A request of Chromium's own protocol.
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.session.post("/goog/cdp/execute", body).await
    }

    /// What a function with this body returns, awaited if it is a promise; `arguments` holds what is passed.
    pub(crate) async fn js(&self, body: &str, arguments: Value) -> Value {
        let body = json!({ "script": body, "args": arguments });
        self.session.post("/execute/sync", body).await
    }

    /// Waits until this expression holds in the page.
    pub(crate) async fn until(&self, expression: &str) {
        let body = json!({ "script": format!("return Boolean({expression})"), "args": [] });
        let start = Instant::now();
        loop {
            // While a page goes, its script has nowhere to run.
            let held = self.session.try_post("/execute/sync", body.clone()).await;
            if held == Ok(Value::Bool(true)) {
                return;
            }
            if start.elapsed() > PATIENCE {
                let page = self.session.get("/source").await;
                panic!(
                    "never happened: {expression} ({held:?})\n{}",
                    page.as_str().unwrap()
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the address ends with this.
    pub(crate) async fn until_at(&self, end: &str) {
        self.until(&format!("location.href.endsWith({})", json!(end)))
            .await;
    }

    /// Waits until the page shows this text.
    pub(crate) async fn until_shown(&self, text: &str) {
        self.until(&format!(
            "document.body.innerText.includes({})",
            json!(text)
        ))
        .await;
    }

    /// How many parts of the page there are; `selector` is CSS, or XPath when it begins with `/`.
    pub(crate) async fn count(&self, selector: &str) -> usize {
        let found = self.session.post("/elements", strategy(selector)).await;
        found.as_array().unwrap().len()
    }

    /// The text that the first such part shows, once there is one.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let text = self.with(selector, "/text", None).await;
        text.as_str().unwrap().to_owned()
    }

    /// Its property, such as `value`, `checked` or `href`.
    pub(crate) async fn property(&self, selector: &str, name: &str) -> Value {
        self.with(selector, &format!("/property/{name}"), None)
            .await
    }

    /// All that the page shows.
    pub(crate) async fn shown(&self) -> String {
        self.text("body").await
    }

    /// Presses it with the mouse, or a finger, once that is possible: it must be seen, and lie below nothing else.
    pub(crate) async fn click(&self, selector: &str) {
        self.with(selector, "/click", Some(json!({}))).await;
    }

    /// Presses the button or follows the link that is called so.
    pub(crate) async fn press(&self, name: &str) {
        let quoted = format!("'{name}'");
        assert!(!name.contains('\''), "XPath 1.0 has no way to write it");
        self.click(&format!(
            "//*[(self::button or self::a or self::summary) and normalize-space()={quoted}]"
        ))
        .await;
    }

    /// Empties a field and types into it.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        self.with(selector, "/clear", Some(json!({}))).await;
        self.with(selector, "/value", Some(json!({ "text": text })))
            .await;
    }

    /// Presses keys one after another, wherever the focus is.
    pub(crate) async fn keys(&self, keys: &[Key]) {
        self.session.post("/actions", keys::actions(keys)).await;
    }

    /// Types, wherever the focus is.
    pub(crate) async fn type_text(&self, text: &str) {
        let letters: Vec<Key> = text.chars().map(Key::Letter).collect();
        self.keys(&letters).await;
    }

    /// What has the focus, in short: `a Events`, `input username`.
    pub(crate) async fn focus(&self) -> String {
        let focus = "const e = document.activeElement; if (!e || e === document.body) return 'nothing';
            return e.localName + ' ' + (e.name || e.getAttribute('aria-label') || e.innerText || e.id || '').trim();";
        let focus = self.js(focus, json!([])).await;
        focus.as_str().unwrap().to_owned()
    }

    /// Logs a user of the tests in, whose password is `password of NAME`, by the way of a page that needs it.
    pub(crate) async fn log_in(&self, url: &str, user: &str) {
        self.go(url).await;
        self.fill("#username", user).await;
        self.fill("#password", &format!("password of {user}")).await;
        self.press("Log in").await;
        self.until_at(url).await;
    }

    /// Fails if the page can be moved sideways, and tells what is too wide.
    pub(crate) async fn fits_sideways(&self) {
        let wide = self.wider_than_the_window().await;
        let url = self.url().await;
        assert!(
            wide.is_empty(),
            "{url} is wider than the window:\n{}",
            wide.join("\n")
        );
    }

    pub(crate) async fn wider_than_the_window(&self) -> Vec<String> {
        let wide = "const page = document.documentElement, wide = [];
            const width = Math.min(page.clientWidth, screen.width);
            if (page.scrollWidth <= width) return wide;
            for (const e of document.body.querySelectorAll('*'))
                if (e.getBoundingClientRect().right > width + 0.5) wide.push(e.outerHTML.slice(0, 160));
            return wide.concat(page.scrollWidth + ' > ' + width);";
        texts(&self.js(wide, json!([])).await)
    }

    /// Fails if something in the page is hard to use for some people: axe-core looks at it as it is now.
    pub(crate) async fn is_accessible(&self) {
        let found = self.found_by_axe().await;
        let url = self.url().await;
        assert!(
            found.is_empty(),
            "{url} is hard to use for some people:\n{}",
            found.join("\n")
        );
    }

    /// What breaks WCAG 2.2 (AA) or is against good practice; minor findings apart.
    pub(crate) async fn found_by_axe(&self) -> Vec<String> {
        let axe = std::fs::read_to_string(axe()).unwrap();
        let body = format!(
            "if (!window.axe) {{ {axe} }}
            const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
            const options = {{ resultTypes: ['violations'], runOnly: {{ type: 'tag', values: tags }} }};
            return axe.run(document, options).then(found => found.violations
                .filter(one => one.impact !== 'minor')
                .map(one => one.impact + ': ' + one.help + ' (' + one.id + ')\\n' + one.nodes
                    .map(node => '    ' + node.html.slice(0, 200) + '\\n    ' + node.failureSummary).join('\\n')));"
        );
        texts(&self.js(&body, json!([])).await)
    }

    /// Writes a picture of the window into the folder that `CAMHOOK_SCREENSHOTS` names, if it does.
    pub(crate) async fn picture(&self, name: &str) {
        use base64::Engine;
        let Some(folder) = std::env::var_os("CAMHOOK_SCREENSHOTS") else {
            return;
        };
        let picture = self.session.get("/screenshot").await;
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture.as_str().unwrap());
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), bytes.unwrap()).unwrap();
    }

    /// Does something with the first such part, once it is there and willing.
    async fn with(&self, selector: &str, what: &str, body: Option<Value>) -> Value {
        let start = Instant::now();
        loop {
            let done = match self.session.try_post("/element", strategy(selector)).await {
                Ok(found) => {
                    let id = found.as_object().and_then(|found| found.values().next());
                    let path = format!("/element/{}{what}", id.unwrap().as_str().unwrap());
                    match &body {
                        Some(body) => self.session.try_post(&path, body.clone()).await,
                        None => self.session.try_get(&path).await,
                    }
                }
                Err(error) => Err(error),
            };
            match done {
                Ok(value) => return value,
                Err(error) if start.elapsed() > PATIENCE || !error.may_pass() => {
                    let page = self.session.try_get("/source").await.unwrap_or_default();
                    let page = page.as_str().unwrap_or_default();
                    panic!("{selector}{what}: {error:?}\n{page}");
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        assert!(
            self.closed || std::thread::panicking(),
            "a test ends with `browser.close().await`, which looks at the console"
        );
    }
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    list.map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn strategy(selector: &str) -> Value {
    let using = if selector.starts_with('/') {
        "xpath"
    } else {
        "css selector"
    };
    json!({ "using": using, "value": selector })
}

/// In the environment that `test.sh` keeps in the folder of what is built.
fn axe() -> PathBuf {
    let lib = super::cloud::environment().join("lib");
    let versions = std::fs::read_dir(&lib).into_iter().flatten();
    let file = "site-packages/axe_playwright_python/axe.min.js";
    let mut found = versions.map(|version| version.unwrap().path().join(file));
    found
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("no axe-core in {}: ./test.sh installs it", lib.display()))
}
