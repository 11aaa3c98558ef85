//! Tells an OpenTelemetry collector of traces and metrics, if the config names one.

use std::time::Duration;

use crate::admin::Admin;
use crate::tasks::Tasks;
use crate::telemetry::{Exporter, Metrics, Telemetry, WaitingSpans};

/// What is told, and to whom.
pub(super) struct Collector {
    exporter: Exporter,
    waiting: Option<WaitingSpans>,
    numbers: Option<Duration>,
}

impl Collector {
    /// To be called before anything is taken in or sent: from now on spans wait.
    pub(super) fn new(settings: &Telemetry, metrics: &Metrics) -> Option<Self> {
        let otlp = settings.otlp.as_ref()?;
        let exporter = Exporter::new(otlp, metrics);
        let exporter = exporter
            .inspect_err(|error| tracing::error!(error, "no collector is told of anything"));
        let open = || {
            let dropped = metrics.otlp_dropped.clone();
            metrics.spans.open(dropped, otlp.propagate)
        };
        Some(Self {
            exporter: exporter.ok()?,
            waiting: if otlp.traces { open() } else { None },
            numbers: otlp
                .metrics
                .then(|| otlp.every.0.max(Duration::from_secs(1))),
        })
    }

    /// Tells until `tasks` stop.
    pub(super) fn begin(self, admin: &Admin, tasks: &Tasks) {
        if let Some(waiting) = self.waiting {
            let telling = self.exporter.clone().tell_spans(waiting, tasks.clone());
            tasks.spawn(telling);
        }
        if let Some(every) = self.numbers {
            let (admin, exporter) = (admin.clone(), self.exporter);
            tasks.spawn(tell_numbers(exporter, admin, every, tasks.clone()));
        }
    }
}

async fn tell_numbers(exporter: Exporter, admin: Admin, every: Duration, tasks: Tasks) {
    let start = admin.clock.now();
    loop {
        tokio::select! {
            () = tasks.stopping() => return,
            () = tokio::time::sleep(every) => {}
        }
        let telling = async {
            match admin.numbers().await {
                Ok(page) => exporter.numbers(&page, start, admin.clock.now()).await,
                Err(error) => tracing::warn!(%error, "the collector is not told of metrics"),
            }
        };
        tokio::select! {
            () = tasks.stopping() => return,
            () = telling => {}
        }
    }
}
