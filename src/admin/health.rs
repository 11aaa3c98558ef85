//! Whether camhook is alive and takes events, and its numbers.

use http::StatusCode;

use super::answers::Text;
use super::api::Told;
use super::settings::Scope;
use super::table::Ask;
use super::{Admin, Refusal};
use crate::fate::Fate;
use crate::store::StoreError;
use crate::telemetry::{TargetFate, TargetOnly};

fn plain(text: &str) -> Text {
    Text {
        content_type: "text/plain; charset=utf-8",
        text: text.to_owned(),
    }
}

pub(super) async fn alive(_: Ask<'_>, (): ()) -> Told<Text> {
    Ok(plain("ok\n"))
}

pub(super) async fn ready(ask: Ask<'_>, (): ()) -> Told<Text> {
    match ask.admin.store.accepting() {
        Ok(()) => Ok(plain("ready\n")),
        Err(error) => Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            error.to_string(),
        )),
    }
}

pub(super) async fn metrics(ask: Ask<'_>, (): ()) -> Told<Text> {
    let numbers = ask.admin.numbers().await?;
    Ok(Text {
        content_type: "text/plain; version=0.0.4; charset=utf-8",
        text: match ask.visitor.may(Scope::Metrics) {
            true => numbers,
            false => without_cameras(&numbers),
        },
    })
}

/// How lines about single cameras begin: when somebody passed one is not for strangers.
const OF_CAMERAS: [&str; 2] = [
    "camhook_camera_last_event_timestamp_seconds{",
    "camhook_alerts{alert=\"camera_silent\",",
];

fn without_cameras(numbers: &str) -> String {
    let mut told =
        "# What is told of single cameras is for tokens with the scope `metrics`.\n".to_owned();
    let of_a_camera = |line: &&str| OF_CAMERAS.iter().any(|begins| line.starts_with(begins));
    for line in numbers.lines().filter(|line| !of_a_camera(line)) {
        told.push_str(line);
        told.push('\n');
    }
    told
}

/// Measures what is only looked at when somebody asks.
async fn measure(admin: &Admin) -> Result<(), StoreError> {
    let now = admin.clock.now();
    for summary in admin.store.targets().await? {
        let age = summary
            .oldest_undelivered
            .map_or(0, |oldest| now.duration_since(oldest).as_secs().max(0));
        let label = TargetOnly {
            target: summary.target.clone(),
        };
        admin
            .metrics
            .oldest_undelivered_seconds
            .get_or_create(&label)
            .set(age);
        for fate in Fate::ALL {
            let label = TargetFate {
                target: label.target.clone(),
                fate: fate.as_str(),
            };
            let count = i64::try_from(summary.count(fate)).unwrap_or(i64::MAX);
            admin.metrics.deliveries.get_or_create(&label).set(count);
        }
    }
    admin.measure_lists();
    admin
        .metrics
        .store_bytes
        .set(i64::try_from(admin.store.size()).unwrap_or(i64::MAX));
    admin
        .metrics
        .store_damaged_records
        .set(i64::try_from(admin.store.damaged_records()).unwrap_or(i64::MAX));
    Ok(())
}

impl Admin {
    /// All numbers as Prometheus reads them.
    pub(crate) async fn numbers(&self) -> Result<String, StoreError> {
        measure(self).await?;
        Ok(self.metrics.page())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::What;
    use crate::telemetry::{AlertSubject, CameraOnly, Metrics};

    #[test]
    fn strangers_are_told_of_no_camera() {
        let metrics = Metrics::new();
        let camera = "gate\ncamhook_x 1".to_owned();
        let gauge = &metrics.camera_last_event;
        gauge.get_or_create(&CameraOnly { camera }).set(1);
        for (what, subject) in [(What::CameraSilent, "gate"), (What::Quarantine, "auto")] {
            let (alert, subject) = (what.as_str(), subject.to_owned());
            let label = AlertSubject { alert, subject };
            metrics.alerts.get_or_create(&label).set(1);
        }
        let page = metrics.page();
        assert_eq!(page.matches("gate").count(), 2, "{page}");
        let told = without_cameras(&page);
        assert!(!told.contains("gate"), "{told}");
        assert!(told.contains("alert=\"quarantine\",subject=\"auto\"} 1"));
        assert_eq!(told.lines().count() + 2, page.lines().count() + 1);
    }
}
