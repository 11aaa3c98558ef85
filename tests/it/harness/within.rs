//! A camhook inside the test's process, on a clock that the test steps by hand.

use std::path::Path;
use std::time::Duration;

use camhook::testing::{App, Clock};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

const HEAD: &str =
    "server: { listen: 127.0.0.1:0 }\nadmin: { listen: 127.0.0.1:0 }\nlog: { level: warn }\n";

pub(crate) struct Within {
    app: App,
    clock: Clock,
    folder: tempfile::TempDir,
}

impl Within {
    /// `routes` without `server`, `admin` and `log`.
    pub(crate) async fn start(routes: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::stepped("2026-01-31T12:00:00Z".parse().unwrap());
        Self::start_in(folder, clock, routes).await
    }

    async fn start_in(folder: tempfile::TempDir, clock: Clock, routes: &str) -> Self {
        let file = folder.path().join("routes.yaml");
        std::fs::write(&file, format!("{HEAD}{routes}")).unwrap();
        let app = App::start(&file, clock.clone())
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        Self { app, clock, folder }
    }

    /// Stops, and starts again on the same store at the same moment.
    pub(crate) async fn restarted(self, routes: &str) -> Self {
        let Self { app, clock, folder } = self;
        app.stop().await;
        let now = clock.moment();
        Self::start_in(folder, Clock::stepped(now), routes).await
    }

    /// Saves another `routes.yaml`, which is loaded in a moment.
    pub(crate) async fn rewrite(&self, routes: &str) {
        let file = self.folder.path().join("routes.yaml");
        std::fs::write(file, format!("{HEAD}{routes}")).unwrap();
        self.settled().await;
    }

    /// An address of the admin listener.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.app.admin_url())
    }

    /// A page that is no JSON.
    pub(crate) async fn text(&self, path: &str) -> String {
        let answer = super::get(&format!("{}{path}", self.app.admin_url())).await;
        answer.text().await.unwrap()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Posts and expects to be acknowledged.
    pub(crate) async fn post(&self, content_type: &str, body: Vec<u8>) {
        let client = super::client();
        let request = client
            .post(self.app.url())
            .header("content-type", content_type)
            .body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        self.settled().await;
    }

    /// Posts to a path with headers of the test's own; returns the status.
    pub(crate) async fn send(&self, path: &str, headers: &[(&str, String)], body: &str) -> u16 {
        let url = format!("{}{path}", self.app.url().trim_end_matches('/'));
        let mut request = super::client().post(url).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let status = request.send().await.unwrap().status().as_u16();
        self.settled().await;
        status
    }

    /// Lets time pass, sleeper by sleeper; returns when every worker waits again.
    pub(crate) async fn advance(&self, seconds: f64) {
        let limit: Timestamp = self.clock.moment() + SignedDuration::from_secs_f64(seconds);
        loop {
            self.settled().await;
            if !self.clock.step(limit) {
                return self.settled().await;
            }
        }
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// Sets the clock, as an administrator or a time server does.
    pub(crate) async fn set_clock(&self, by_seconds: i64) {
        self.settled().await;
        let moment = self.clock.moment() + SignedDuration::from_secs(by_seconds);
        self.clock.set(moment);
        self.settled().await;
    }

    /// Waits until nothing is being done: the index has caught up and every worker waits.
    pub(crate) async fn settled(&self) {
        let mut still = 0;
        super::eventually("all is still", async || {
            self.app.caught_up().await;
            still = if self.clock.at_work() == 0 {
                still + 1
            } else {
                0
            };
            tokio::time::sleep(Duration::from_millis(2)).await;
            still >= 4
        })
        .await;
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = super::get(&format!("{}{path}", self.app.admin_url())).await;
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    pub(crate) async fn steer(&self, path: &str, body: &Value) -> Value {
        let client = super::client();
        let request = client
            .post(format!("{}{path}", self.app.admin_url()))
            .header("content-type", "application/json");
        let answer = request
            .body(body.to_string())
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        self.settled().await;
        serde_json::from_str(&answer).unwrap()
    }

    /// Fates of all deliveries, newest first.
    pub(crate) async fn fates(&self) -> Vec<String> {
        let deliveries = self.get("/api/v1/deliveries?limit=0").await;
        deliveries
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["fate"].as_str().unwrap().to_owned())
            .collect()
    }
}
