//! Tells an OpenTelemetry collector of traces and metrics, if the config names one.

use std::time::Duration;

use crate::admin::Admin;
use crate::tasks::Tasks;
use crate::telemetry::{Exporter, Otlp};

/// Begins to tell; what follows is told until `tasks` stop.
pub(super) fn begin(settings: &Otlp, admin: &Admin, tasks: &Tasks) {
    let exporter = match Exporter::new(settings, &admin.metrics) {
        Ok(exporter) => exporter,
        Err(error) => {
            tracing::error!(error, "no collector is told of anything");
            return;
        }
    };
    if settings.traces {
        let dropped = admin.metrics.otlp_dropped.clone();
        if let Some(waiting) = admin.metrics.spans.open(dropped, settings.propagate) {
            tasks.spawn(exporter.clone().tell_spans(waiting, tasks.clone()));
        }
    }
    if settings.metrics {
        let every = settings.every.0.max(Duration::from_secs(1));
        tasks.spawn(tell_numbers(exporter, admin.clone(), every, tasks.clone()));
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
