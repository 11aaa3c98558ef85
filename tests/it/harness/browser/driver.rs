//! The one ChromeDriver of a run, and the sessions in it: each is a browser.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// Each browser is half a dozen processes, and other tests run beside them.
pub(super) static SEATS: Semaphore = Semaphore::const_new(2);

/// Ends all that runs in its session once whoever started it is gone, however that came about: its end of a pipe closes.
const KEEPER: &str = r#"
chromedriver --port=0 --log-level=SEVERE &
read -r _
for status in /proc/[0-9]*/stat; do
  read -r line < "$status" || continue
  set -- ${line##*) }
  process=${status#/proc/}; process=${process%/stat}
  [ "$4" = $$ ] && [ "$process" != $$ ] && kill -KILL "$process"
done 2>/dev/null
"#;

struct Driver {
    port: u16,
    /// Its pipe is open as long as the tests run.
    _keeper: Child,
}

fn driver() -> &'static Driver {
    static DRIVER: OnceLock<Driver> = OnceLock::new();
    DRIVER.get_or_init(|| {
        let keeper = Command::new("setsid")
            .args(["sh", "-c", KEEPER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut keeper = keeper.expect("there is a shell");
        let lines = BufReader::new(keeper.stdout.take().unwrap()).lines();
        let mut lines = lines.map_while(Result::ok);
        let port = lines.find_map(|line| {
            let (_, port) = line.rsplit_once("started successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        });
        std::thread::spawn(move || lines.for_each(drop));
        Driver {
            port: port
                .expect("chromedriver is installed (apt-get install chromium chromium-driver)"),
            _keeper: keeper,
        }
    })
}

/// What WebDriver answers instead of a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    error: String,
    message: String,
}

impl Failure {
    /// Whether the page may only need time.
    pub(super) fn may_pass(&self) -> bool {
        matches!(
            self.error.as_str(),
            "no such element"
                | "stale element reference"
                | "element not interactable"
                | "element click intercepted"
                | "invalid element state"
        )
    }
}

pub(super) struct Session {
    client: reqwest::Client,
    id: String,
}

impl Session {
    pub(super) async fn begin(profile: &Path) -> Self {
        let mut session = Self {
            client: super::super::client(),
            id: String::new(),
        };
        let mut arguments = vec![
            format!("--user-data-dir={}", profile.display()),
            // What is not on this machine does not exist.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
                .to_owned(),
        ];
        arguments.extend(
            [
                "--headless",
                "--no-first-run",
                "--no-default-browser-check",
                "--no-proxy-server",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-crash-reporter",
                "--disable-dev-shm-usage",
                "--disable-extensions",
                "--disable-gpu",
                "--disable-sync",
                "--force-color-profile=srgb",
                "--lang=en",
                "--password-store=basic",
            ]
            .map(str::to_owned),
        );
        if rustix::process::getuid().is_root() {
            arguments.push("--no-sandbox".to_owned()); // Chromium's own refuses to start as root
        }
        let begun = session.try_post(
            "",
            json!({ "capabilities": { "alwaysMatch": {
                "browserName": "chrome",
                "goog:loggingPrefs": { "browser": "ALL" },
                "goog:chromeOptions": { "args": arguments },
                "timeouts": { "script": 60_000, "pageLoad": 60_000, "implicit": 0 },
            }}}),
        );
        let begun = begun
            .await
            .unwrap_or_else(|error| panic!("no browser: {error:?}"));
        session.id = begun["sessionId"].as_str().unwrap().to_owned();
        session
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let answer = self.try_get(path).await;
        answer.unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.try_post(path, body).await;
        answer.unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }

    pub(super) async fn try_get(&self, path: &str) -> Result<Value, Failure> {
        self.answer(self.client.get(self.address(path))).await
    }

    pub(super) async fn try_post(&self, path: &str, body: Value) -> Result<Value, Failure> {
        let request = self.client.post(self.address(path));
        let request = request.header("content-type", "application/json");
        self.answer(request.body(body.to_string())).await
    }

    fn address(&self, path: &str) -> String {
        let between = if self.id.is_empty() { "" } else { "/" };
        format!(
            "http://127.0.0.1:{}/session{between}{}{path}",
            driver().port,
            self.id
        )
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Value, Failure> {
        let answer = request.send().await.expect("ChromeDriver runs");
        let failed = !answer.status().is_success();
        let mut answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let value = answer["value"].take();
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        match failed {
            true => Err(Failure {
                error: text("error"),
                message: text("message")
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            }),
            false => Ok(value),
        }
    }
}

impl Drop for Session {
    /// Ends the browser, also when its test panics: so without the runtime.
    fn drop(&mut self) {
        if self.id.is_empty() {
            return;
        }
        let Ok(mut connection) = TcpStream::connect(("127.0.0.1", driver().port)) else {
            return;
        };
        let _ = connection.set_read_timeout(Some(Duration::from_secs(20)));
        let head = format!(
            "DELETE /session/{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            self.id
        );
        let _ = connection.write_all(head.as_bytes());
        let _ = connection.read(&mut [0; 256]); // answered once the browser is gone
    }
}
