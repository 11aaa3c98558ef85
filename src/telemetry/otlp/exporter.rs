//! Sends to the collector what waits for it.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use prost::Message;
use tokio::time::Instant;

use super::{Otlp, Span, WaitingSpans, numbers, words};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;
use crate::tls;

/// Spans in one request.
const BATCH: usize = 512;
/// How long the first of a batch waits for others.
const LINGER: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(10);
/// Between two tries, doubled each time; meanwhile the queue fills.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
/// What is still waiting when camhook stops gets so much time.
const FAREWELL: Duration = Duration::from_secs(5);

/// The way to one collector. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Exporter(Arc<Inner>);

struct Inner {
    settings: Otlp,
    client: reqwest::Client,
    headers: Vec<(HeaderName, HeaderValue)>,
    metrics: Metrics,
}

impl Exporter {
    /// # Errors
    /// In words, when it cannot work at all.
    pub(crate) fn new(settings: &Otlp, metrics: &Metrics) -> Result<Self, String> {
        let tls = tls::client_config(Vec::new()).map_err(|error| error.to_string())?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("camhook/", env!("CARGO_PKG_VERSION")))
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(Inner {
            headers: settings.headers()?,
            settings: settings.clone(),
            client,
            metrics: metrics.clone(),
        })))
    }

    /// Tells of spans until camhook stops, and then of those that still wait.
    pub(crate) async fn tell_spans(self, mut waiting: WaitingSpans, tasks: Tasks) {
        let mut batch = Vec::with_capacity(BATCH);
        while !tasks.is_stopping() {
            tokio::select! {
                () = tasks.stopping() => break,
                got = waiting.recv_many(&mut batch, BATCH) => if got == 0 { return },
            }
            let until = Instant::now() + LINGER;
            while batch.len() < BATCH {
                let room = BATCH - batch.len();
                tokio::select! {
                    () = tasks.stopping() => break,
                    () = tokio::time::sleep_until(until) => break,
                    _ = waiting.recv_many(&mut batch, room) => {}
                }
            }
            tokio::select! {
                () = self.spans(&batch, true) => batch.clear(),
                () = tasks.stopping() => break, // they are told below
            }
        }
        // Deliveries that end meanwhile still put theirs here.
        let farewell = async {
            loop {
                let more = waiting.recv_many(&mut batch, BATCH);
                let _ = tokio::time::timeout(LINGER, more).await;
                if batch.is_empty() {
                    return;
                }
                self.spans(&batch, false).await;
                batch.clear();
            }
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }

    /// Tells of these; what the collector does not take is counted and lost.
    async fn spans(&self, batch: &[Span], patient: bool) {
        let inner = &*self.0;
        let request = words::spans(&inner.settings.service, batch);
        let body = request.encode_to_vec();
        let pauses = if patient { &PAUSES[..] } else { &[] };
        let mut pauses = pauses.iter();
        loop {
            let Err((error, again)) = self.post("v1/traces", body.clone()).await else {
                return;
            };
            match pauses.next().filter(|_| again) {
                Some(pause) => tokio::time::sleep(*pause).await,
                None => {
                    let lost = batch.len() as u64;
                    inner.metrics.otlp_dropped.inc_by(lost);
                    let collector = inner.settings.url.shown();
                    tracing::warn!(
                        collector,
                        error,
                        lost,
                        "spans are lost: the collector does not take them"
                    );
                    return;
                }
            }
        }
    }

    /// Tells what the page of `/metrics` tells. What is not taken comes with the next.
    pub(crate) async fn numbers(&self, page: &str, start: Timestamp, now: Timestamp) {
        let inner = &*self.0;
        let request = numbers::request(&inner.settings.service, page, start, now);
        if let Err((error, _)) = self.post("v1/metrics", request.encode_to_vec()).await {
            let collector = inner.settings.url.shown();
            tracing::warn!(collector, error, "the collector does not take metrics");
        }
    }

    /// Why it failed, and whether another try may help.
    async fn post(&self, path: &str, body: Vec<u8>) -> Result<(), (String, bool)> {
        let inner = &*self.0;
        let mut request = inner.client.post(inner.settings.url.with(path));
        for (name, value) in &inner.headers {
            request = request.header(name, value);
        }
        let request = request.header(http::header::CONTENT_TYPE, "application/x-protobuf");
        let response = request.body(body).send().await;
        // Its address, which may hold something secret, is in the settings.
        let response = response.map_err(|error| (chain(&error.without_url()), true))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err((format!("it answered {status}"), may_help(status))),
        }
    }
}

fn may_help(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502..=504)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
