//! The numbers behind `/metrics`. Names and labels are a promise to dashboards.

use std::sync::Arc;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::labels::{
    AlertSubject, CameraOnly, ListOnly, Listener, Refused, Reloaded, RouteStep, SourceKind,
    SourceOnly, Status, TargetFate, TargetOnly, TargetOutcome,
};
use super::otlp::Spans;
use crate::name::Name;

/// All metrics of one camhook. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    numbers: Numbers,
}

pub(crate) struct Numbers {
    /// Events acknowledged.
    pub(crate) events_received: Family<SourceKind, Counter>,
    pub(crate) quarantined: Family<SourceOnly, Counter>,
    /// Requests answered with something else than success, by status.
    pub(crate) requests_refused: Family<Status, Counter>,
    pub(crate) deliveries: Family<TargetFate, Gauge>,
    /// Deliveries that reached a fate.
    pub(crate) deliveries_total: Family<TargetFate, Counter>,
    /// Deliveries that a user gave up by hand; they are counted as `expired` as well.
    pub(crate) discarded: Family<TargetOnly, Counter>,
    /// Attempts by what came of them: `delivered`, `again`, `held`, `dead`.
    pub(crate) attempts: Family<TargetOutcome, Counter>,
    pub(crate) oldest_undelivered_seconds: Family<TargetOnly, Gauge>,
    /// From a request handed to the store until it is on disk.
    pub(crate) commit_seconds: Histogram,
    /// From the acknowledgement to delivered.
    pub(crate) delivery_seconds: Family<TargetOnly, Histogram, fn() -> Histogram>,
    pub(crate) inflight_bytes: Gauge,
    pub(crate) store_bytes: Gauge,
    /// Records of the log that cannot be read any more, found since the start.
    pub(crate) store_damaged_records: Gauge,
    pub(crate) connections: Gauge,
    /// When a listener's certificate ends, in seconds since 1970.
    pub(crate) certificate_ends: Family<Listener, Gauge>,
    pub(crate) reloads: Family<Reloaded, Counter>,
    /// Requests at the admin address that were not let in, by the word of the answer.
    pub(crate) admin_refused: Family<Refused, Counter>,
    /// 1 while a source with `mqtt` is connected to its broker.
    pub(crate) mqtt_connected: Family<SourceOnly, Gauge>,
    /// Rows of a list.
    pub(crate) list_rows: Family<ListOnly, Gauge>,
    /// Since a server last gave a list, or said that nothing has changed.
    pub(crate) list_age_seconds: Family<ListOnly, Gauge>,
    /// What a step took, by route and step; `finish` is writing the pictures that steps made.
    pub(crate) step_seconds: Family<RouteStep, Histogram, fn() -> Histogram>,
    /// 1 while an alert stands, 0 while what it is about is watched and well.
    pub(crate) alerts: Family<AlertSubject, Gauge>,
    /// When a camera's last event came, in seconds since 1970.
    pub(crate) camera_last_event: Family<CameraOnly, Gauge>,
    /// When the certificate that a target showed ends, in seconds since 1970.
    pub(crate) target_certificate_ends: Family<TargetOnly, Gauge>,
    /// The store's file system.
    pub(crate) disk_size_bytes: Gauge,
    pub(crate) disk_free_bytes: Gauge,
    /// `store.max_size`.
    pub(crate) store_max_bytes: Gauge,
    /// Of the store, what holds events that targets have not got.
    pub(crate) store_undelivered_bytes: Gauge,
    /// Spans that the collector did not get.
    pub(crate) otlp_dropped: Counter,
    /// Where what took its time is told; nowhere unless there is a collector.
    pub(crate) spans: Spans,
    /// What a deciding step forgot before its time, because it remembers no more than so much.
    pub(crate) steps_forgotten: Family<RouteStep, Counter>,
}

/// What the steps of one route cost, at hand for each delivery.
#[derive(Default)]
pub(crate) struct StepHandles(Vec<(&'static str, Histogram)>);

impl StepHandles {
    pub(crate) fn new(
        metrics: &Metrics,
        route: &Name,
        steps: impl Iterator<Item = &'static str>,
    ) -> Self {
        let mut handles: Vec<(&'static str, Histogram)> = Vec::new();
        for step in steps {
            if !handles.iter().any(|(known, _)| *known == step) {
                let label = RouteStep {
                    route: route.clone(),
                    step: step.to_owned(),
                };
                handles.push((step, metrics.step_seconds.get_or_create(&label).clone()));
            }
        }
        Self(handles)
    }

    pub(crate) fn observe(&self, step: &str, seconds: f64) {
        if let Some((_, handle)) = self.0.iter().find(|(known, _)| *known == step) {
            handle.observe(seconds);
        }
    }
}

fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 2.5, 16)) // 0.1 ms to 93 s
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let numbers = Numbers {
            events_received: Family::default(),
            quarantined: Family::default(),
            requests_refused: Family::default(),
            deliveries: Family::default(),
            deliveries_total: Family::default(),
            discarded: Family::default(),
            attempts: Family::default(),
            oldest_undelivered_seconds: Family::default(),
            commit_seconds: seconds(),
            delivery_seconds: Family::new_with_constructor(seconds),
            inflight_bytes: Gauge::default(),
            store_bytes: Gauge::default(),
            store_damaged_records: Gauge::default(),
            connections: Gauge::default(),
            certificate_ends: Family::default(),
            reloads: Family::default(),
            admin_refused: Family::default(),
            mqtt_connected: Family::default(),
            list_rows: Family::default(),
            list_age_seconds: Family::default(),
            step_seconds: Family::new_with_constructor(seconds),
            alerts: Family::default(),
            camera_last_event: Family::default(),
            target_certificate_ends: Family::default(),
            disk_size_bytes: Gauge::default(),
            disk_free_bytes: Gauge::default(),
            store_max_bytes: Gauge::default(),
            store_undelivered_bytes: Gauge::default(),
            otlp_dropped: Counter::default(),
            spans: Spans::default(),
            steps_forgotten: Family::default(),
        };
        let mut registry = Registry::with_prefix("camhook");
        // The library adds `_total` to the names of counters.
        registry.register(
            "events_received",
            "Events acknowledged",
            numbers.events_received.clone(),
        );
        registry.register(
            "quarantined",
            "Requests kept but not understood",
            numbers.quarantined.clone(),
        );
        registry.register(
            "requests_refused",
            "Requests answered with an error",
            numbers.requests_refused.clone(),
        );
        registry.register(
            "deliveries",
            "Deliveries by where they stand",
            numbers.deliveries.clone(),
        );
        registry.register(
            "deliveries",
            "Deliveries that reached a fate",
            numbers.deliveries_total.clone(),
        );
        registry.register(
            "discarded",
            "Deliveries that were given up by hand",
            numbers.discarded.clone(),
        );
        registry.register(
            "mqtt_connected",
            "Whether a source is connected to its broker",
            numbers.mqtt_connected.clone(),
        );
        registry.register("attempts", "Attempts by outcome", numbers.attempts.clone());
        registry.register(
            "oldest_undelivered_seconds",
            "Age of the oldest event a target has not got",
            numbers.oldest_undelivered_seconds.clone(),
        );
        registry.register(
            "commit_seconds",
            "From handed to the store to on disk",
            numbers.commit_seconds.clone(),
        );
        registry.register(
            "delivery_seconds",
            "From acknowledged to delivered",
            numbers.delivery_seconds.clone(),
        );
        registry.register(
            "inflight_bytes",
            "Bytes of requests and deliveries in memory",
            numbers.inflight_bytes.clone(),
        );
        registry.register("store_bytes", "Bytes on disk", numbers.store_bytes.clone());
        registry.register(
            "store_damaged_records",
            "Stored records that cannot be read any more, found since the start",
            numbers.store_damaged_records.clone(),
        );
        registry.register(
            "connections",
            "Open connections of senders",
            numbers.connections.clone(),
        );
        registry.register(
            "certificate_expires_timestamp_seconds",
            "When the certificate of a listener ends, since 1970",
            numbers.certificate_ends.clone(),
        );
        registry.register(
            "reloads",
            "Loads of a changed config by outcome",
            numbers.reloads.clone(),
        );
        registry.register(
            "admin_refused",
            "Requests at the admin address that were not let in",
            numbers.admin_refused.clone(),
        );
        registry.register("list_rows", "Rows of a list", numbers.list_rows.clone());
        registry.register(
            "list_age_seconds",
            "Since a server last gave a list",
            numbers.list_age_seconds.clone(),
        );
        registry.register(
            "step_seconds",
            "What a step on the way to a target took",
            numbers.step_seconds.clone(),
        );
        registry.register("alerts", "Whether an alert stands", numbers.alerts.clone());
        registry.register(
            "camera_last_event_timestamp_seconds",
            "When a camera's last event came, since 1970",
            numbers.camera_last_event.clone(),
        );
        registry.register(
            "target_certificate_expires_timestamp_seconds",
            "When the certificate that a target showed ends, since 1970",
            numbers.target_certificate_ends.clone(),
        );
        registry.register(
            "disk_size_bytes",
            "Size of the store's file system",
            numbers.disk_size_bytes.clone(),
        );
        registry.register(
            "disk_free_bytes",
            "What camhook may still take of it",
            numbers.disk_free_bytes.clone(),
        );
        registry.register(
            "store_max_bytes",
            "The limit of the store's size",
            numbers.store_max_bytes.clone(),
        );
        registry.register(
            "store_undelivered_bytes",
            "Bytes of the store that hold what targets have not got",
            numbers.store_undelivered_bytes.clone(),
        );
        registry.register(
            "otlp_dropped",
            "Spans that the OpenTelemetry collector did not get",
            numbers.otlp_dropped.clone(),
        );
        registry.register(
            "steps_forgotten",
            "What deciding steps forgot before its time, to make room",
            numbers.steps_forgotten.clone(),
        );
        Self(Arc::new(Inner { registry, numbers }))
    }

    /// The page that Prometheus reads, in its own text format. The library writes OpenMetrics, where a gauge
    /// `deliveries` and a counter `deliveries_total` would be one family.
    pub(crate) fn page(&self) -> String {
        let mut metrics = String::new();
        text::encode(&mut metrics, &self.0.registry).expect("writing to a String does not fail");
        let mut page = String::with_capacity(metrics.len());
        let mut lines = metrics.lines().filter(|line| *line != "# EOF").peekable();
        while let Some(line) = lines.next() {
            let counter = |line: &str| line.starts_with("# TYPE ") && line.ends_with(" counter");
            let told =
                line.starts_with("# HELP ") && lines.peek().is_some_and(|next| counter(next));
            match line.splitn(4, ' ').collect::<Vec<_>>()[..] {
                [hash, word, name, rest] if told || counter(line) => {
                    page.push_str(&format!("{hash} {word} {name}_total {rest}"));
                }
                _ => page.push_str(line),
            }
            page.push('\n');
        }
        page
    }
}

impl std::ops::Deref for Metrics {
    type Target = Numbers;
    fn deref(&self) -> &Numbers {
        &self.0.numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_and_a_counter_of_one_name_are_two_families() {
        let metrics = Metrics::new();
        let label = TargetFate {
            target: Name::new("vms").unwrap(),
            fate: "dead",
        };
        metrics.deliveries.get_or_create(&label).set(2);
        metrics.deliveries_total.get_or_create(&label).inc();
        let page = metrics.page();
        for line in [
            "# TYPE camhook_deliveries gauge",
            "camhook_deliveries{target=\"vms\",fate=\"dead\"} 2",
            "# TYPE camhook_deliveries_total counter",
            "# HELP camhook_deliveries_total Deliveries that reached a fate.",
            "camhook_deliveries_total{target=\"vms\",fate=\"dead\"} 1",
        ] {
            assert!(
                page.lines().any(|found| found == line),
                "`{line}` is missing in:\n{page}"
            );
        }
        assert!(!page.contains("EOF"));
    }
}
