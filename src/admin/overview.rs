//! What the API tells of cameras, and of what lately came of each target; test events.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answers::{Json, Page};
use super::api::{Told, caught_up};
use super::steer::named;
use super::table::Ask;
use crate::event::{DeliveryId, EventId};
use crate::name::Name;
use crate::store::{CameraQuery, CameraSummary, Failing, History};

/// A camera.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CameraSummary")]
pub(super) struct CameraRow {
    source: Name,
    /// Null for all events of the source that name no camera.
    camera: Option<String>,
    /// That are kept.
    events: u64,
    first_received: Timestamp,
    last_received: Timestamp,
    events_last_day: u64,
    /// Events of each of the last 24 hours by the clock, oldest first; the last one is still running.
    hours: Vec<u32>,
    /// Since when it is silent: it has sent nothing for much longer than usual.
    silent_since: Option<Timestamp>,
}

/// An attempt that failed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Failure")]
pub(super) struct FailingRow {
    at: Timestamp,
    status: Option<u16>,
    error: Option<String>,
    delivery: DeliveryId,
    event: EventId,
}

/// What came of a target's deliveries, in steps, oldest first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "History")]
pub(super) struct HistoryRow {
    start: Timestamp,
    step_seconds: i64,
    planned: Vec<u32>,
    delivered: Vec<u32>,
    /// Attempts.
    failed: Vec<u32>,
}

/// What is sent to a target as a test.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    /// The event is told as if this camera had sent it; `camhook-test` unless set.
    camera: Option<String>,
}

/// The event that was sent.
#[derive(Serialize, JsonSchema)]
pub(super) struct Tested {
    target: Name,
    event: EventId,
}

impl CameraRow {
    fn of(camera: &CameraSummary) -> Self {
        Self {
            source: camera.source.clone(),
            camera: camera.camera.clone(),
            events: camera.events,
            first_received: camera.first_received,
            last_received: camera.last_received,
            events_last_day: camera.last_day(),
            hours: camera.hours.to_vec(),
            silent_since: camera.silent.then_some(camera.last_received),
        }
    }
}

impl FailingRow {
    pub(super) fn of(failing: &Failing) -> Self {
        Self {
            at: failing.at,
            status: failing.status,
            error: failing.error.clone(),
            delivery: failing.delivery,
            event: failing.event,
        }
    }
}

impl HistoryRow {
    pub(super) fn of(history: &History) -> Self {
        Self {
            start: history.start,
            step_seconds: history.step.as_secs(),
            planned: history.planned.clone(),
            delivered: history.delivered.clone(),
            failed: history.failed.clone(),
        }
    }
}

/// By source and name.
pub(super) async fn cameras(ask: Ask<'_>, query: CameraQuery) -> Told<Page<CameraRow>> {
    caught_up(ask.admin).await;
    let limit = query.limit;
    let cameras = ask.admin.store.cameras(query).await?;
    let last = cameras.last().filter(|_| cameras.len() == limit);
    Ok(Page {
        next: last.map(cursor),
        rows: cameras.iter().map(CameraRow::of).collect(),
    })
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

/// Sends a sample event to one target.
pub(super) async fn test(ask: Ask<'_>, what: Test) -> Told<Json<Tested>> {
    let target = ask.admin.target(&named(&ask)).await?;
    let camera = what.camera.as_deref();
    let event = ask.admin.planner.test(&target, camera).await?;
    Ok(Json(Tested { target, event }))
}
