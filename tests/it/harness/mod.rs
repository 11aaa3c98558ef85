//! One harness for all tests: real HTTP on free ports, a folder for each camhook, nothing mocked.

mod broker;
mod browser;
pub(crate) mod camera;
pub(crate) mod cloud;
mod cut;
mod database;
mod mail;
pub(crate) mod nats;
mod process;
mod receiver;
mod samples;
mod villain;
mod within;
pub(crate) mod xml;

pub(crate) use broker::Broker;
pub(crate) use browser::{Browser, Key, Size};
pub(crate) use cloud::python;
pub(crate) use cut::cutting_once;
pub(crate) use database::Database;
pub(crate) use mail::MailServer;
pub(crate) use process::{Process, camhook_command};
pub(crate) use receiver::{Answer, Play, Receiver, Taken};
pub(crate) use samples::{form_event, multipart, multipart_event, picture, recognition};
pub(crate) use villain::{Certificate, Harm, Villain};
pub(crate) use within::Within;

use std::time::{Duration, Instant};

/// An HTTP client of the test's own.
pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default(); // reqwest wants one even for plain HTTP
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub(crate) async fn get(url: &str) -> reqwest::Response {
    client().get(url).send().await.unwrap()
}

/// Waits until `done` says so; a minute is for a machine under full load, not for the code.
pub(crate) async fn eventually(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !done().await {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "never happened: {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
