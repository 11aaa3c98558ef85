//! What the API tells of cameras, and of what lately came of each target and source.

use serde::Serialize;
use serde_json::{Value, json};

use super::api::{Answer, caught_up, ok, paged};
use super::steer::{body, named};
use super::table::Ask;
use crate::store::{CameraQuery, CameraSummary, Failing, TargetActivity};

/// One camera.
#[derive(Serialize)]
struct CameraRow<'a> {
    source: &'a str,
    /// Null for all events of the source that name no camera.
    camera: Option<&'a str>,
    events: u64,
    first_received: jiff::Timestamp,
    last_received: jiff::Timestamp,
    events_last_day: u64,
    /// Of the last 24 hours by the clock, oldest first; the last one is still running.
    hours: &'a [u32],
    /// Since when it is silent: it has sent nothing for much longer than usual.
    silent_since: Option<jiff::Timestamp>,
}

/// By source and name.
pub(super) async fn cameras(ask: Ask<'_>) -> Answer {
    let query = ask.parameters().cameras()?;
    caught_up(ask.admin).await;
    let limit = query.limit;
    let cameras = ask.admin.store.cameras(query).await?;
    let rows: Value = cameras.iter().map(camera_row).collect();
    let next = cameras
        .last()
        .filter(|_| cameras.len() == limit)
        .map(cursor);
    Ok(paged(ask.request, ok(&rows), "after", next))
}

fn camera_row(camera: &CameraSummary) -> Value {
    let row = CameraRow {
        source: camera.source.as_str(),
        camera: camera.camera.as_deref(),
        events: camera.events,
        first_received: camera.first_received,
        last_received: camera.last_received,
        events_last_day: camera.last_day(),
        hours: &camera.hours,
        silent_since: camera.silent.then_some(camera.last_received),
    };
    serde_json::to_value(row).expect("a row has text keys")
}

/// A camera's place among all.
pub(super) fn cursor(camera: &CameraSummary) -> String {
    let name = camera.camera.as_deref().unwrap_or_default();
    data_encoding::HEXLOWER.encode(format!("{}\n{name}", camera.source).as_bytes())
}

/// The place that a cursor tells.
pub(super) fn place(cursor: &str) -> Option<(String, String)> {
    let bytes = data_encoding::HEXLOWER.decode(cursor.as_bytes()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (source, camera) = text.split_once('\n')?;
    Some((source.to_owned(), camera.to_owned()))
}

/// What is added to a row of a target.
pub(super) fn add_activity(row: &mut Value, activity: Option<&TargetActivity>) {
    let history = activity.map(|activity| &activity.history);
    row["delivered_per_minute"] = activity.map_or(0.0, |activity| activity.per_minute).into();
    row["last_error"] = activity
        .and_then(|activity| activity.failures.first())
        .map_or(Value::Null, failing_row);
    row["history"] = history.map_or(Value::Null, |history| {
        json!({
            "start": history.start,
            "step_seconds": history.step.as_secs(),
            "planned": history.planned,
            "delivered": history.delivered,
            "failed": history.failed,
        })
    });
}

fn failing_row(failing: &Failing) -> Value {
    json!({
        "at": failing.at,
        "status": failing.status,
        "error": failing.error,
        "delivery": failing.delivery,
        "event": failing.event,
    })
}

/// What is added to a row of a source: how many of its cameras there are, those that are silent, events of the last day.
pub(super) fn add_cameras(row: &mut Value, cameras: &[CameraSummary]) {
    let source = row["source"].as_str().unwrap_or_default();
    let of_it = cameras
        .iter()
        .filter(|camera| camera.source.as_str() == source);
    let (mut known, mut silent, mut last_day) = (0_u64, 0_u64, 0_u64);
    for camera in of_it {
        known += u64::from(camera.camera.is_some());
        silent += u64::from(camera.camera.is_some() && camera.silent);
        last_day += camera.last_day();
    }
    row["cameras"] = known.into();
    row["cameras_silent"] = silent.into();
    row["events_last_day"] = last_day.into();
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    /// As if this camera had sent it.
    camera: Option<String>,
}

/// Sends a sample event to one target.
pub(super) async fn test(ask: Ask<'_>) -> Answer {
    let Test { camera } = body(ask.request)?;
    let target = ask.admin.target(&named(&ask)).await?;
    let event = ask.admin.planner.test(&target, camera.as_deref()).await?;
    Ok(ok(&json!({ "target": target, "event": event })))
}

/// What most cameras of a store fit into; of more, the rest is not asked for by pages that show all sources.
pub(super) fn all_cameras() -> CameraQuery {
    CameraQuery {
        limit: 10_000,
        ..CameraQuery::default()
    }
}
