//! Whether camhook is alive and takes events, and its numbers.

use http::StatusCode;

use super::Refusal;
use super::answers::Text;
use super::api::Told;
use super::table::Ask;
use crate::fate::Fate;
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
    let admin = ask.admin;
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
    Ok(Text {
        content_type: "text/plain; version=0.0.4; charset=utf-8",
        text: admin.metrics.page(),
    })
}
