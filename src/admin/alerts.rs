//! What is wrong now, as the API tells it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::answers::Json;
use super::api::Told;
use super::table::Ask;
use crate::alerts::Alert;
use crate::event::EventId;

pub(super) async fn alerts(ask: Ask<'_>, (): ()) -> Told<Json<Vec<AlertRow>>> {
    let now = ask.admin.clock.now();
    let alerts = ask.admin.planner.alerts();
    let rows = alerts.iter().map(|alert| AlertRow::of(alert, now));
    Ok(Json(rows.collect()))
}

/// Something that is wrong.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Alert")]
pub(super) struct AlertRow {
    /// `target_failing`, `undelivered`, `camera_silent`, `disk_full`, `store_full`, `quarantine` or `certificate`.
    pub(super) alert: &'static str,
    /// Which target, camera, folder, source, listener.
    pub(super) subject: String,
    pub(super) since: Timestamp,
    pub(super) value: f64,
    pub(super) threshold: f64,
    /// What the two count: `seconds`, `percent` or `requests`.
    pub(super) unit: &'static str,
    pub(super) message: String,
    /// What to do next.
    pub(super) advice: &'static str,
    /// The event that told its beginning; null while that cannot be kept.
    pub(super) event: Option<EventId>,
}

impl AlertRow {
    pub(super) fn of(alert: &Alert, now: Timestamp) -> Self {
        Self {
            alert: alert.alert.as_str(),
            subject: alert.subject.clone(),
            since: alert.since,
            value: alert.value,
            threshold: alert.threshold,
            unit: alert.alert.unit(),
            message: alert.message(now),
            advice: alert.advice(),
            event: alert.event,
        }
    }
}
