//! `/api/v1`: what the command line and scripts read.
//!
//! Lists are JSON arrays, newest first; when there is more, a `Link: <…>; rel="next"` header says where. What changes
//! something is a `POST` with a JSON body: a web page elsewhere cannot send that without asking first. Who may ask is
//! settled before anything here is called.

use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::Response;

use super::answers::{Blob, Json, Page, Tagged, Text};
use super::body::Body;
use super::rows::{DamagedRow, EventRow, ForgottenRow, Listed, SourceRow, TargetRow};
use super::table::Ask;
use super::{Admin, Refusal};
use crate::event::{EventId, OWN};
use crate::fate::{Delivery, Joined};
use crate::name::Name;
use crate::store::{
    CameraQuery, CameraSummary, Cursor, DeliveryQuery, EventQuery, PageQuery, QuarantineRow, Store,
    StoreError, TargetSummary,
};

/// How long a question waits for the index to catch up with the log.
const INDEX_PATIENCE: Duration = Duration::from_millis(500);
/// What is said of bytes that nothing else is known of.
const BYTES: &str = "application/octet-stream";

/// Bytes of events in one answer. An event is as large as its sender wants.
const ROWS_BYTES: usize = 16 << 20;
/// Cameras that are looked at to count those of each source.
const CAMERAS_MAX: usize = 10_000;

pub(super) type Answer = Told<Response<Body>>;

pub(super) type Told<T> = Result<T, Refusal>;

/// What was acknowledged is listed: the index is a few milliseconds behind the log, so it is waited for, a while.
pub(super) async fn caught_up(admin: &Admin) {
    let _ = tokio::time::timeout(INDEX_PATIENCE, admin.store.caught_up()).await;
}

/// A page ends where its rows take too many bytes, but has one event at least. What does not fit any more is what is farthest
/// from where the question begins, so that whoever goes on, in either direction, misses nothing.
pub(super) async fn events(ask: Ask<'_>, query: EventQuery) -> Told<Page<Listed>> {
    let store = &ask.admin.store;
    caught_up(ask.admin).await;
    let found = store.search(query.clone()).await?;
    let ascends = query.after.is_some() && query.before.is_none();
    let mut ids: Vec<EventId> = found.events.iter().map(|event| event.id).collect();
    if ascends {
        ids.reverse();
    }
    let (mut rows, mut left, mut told) = (Vec::new(), ROWS_BYTES, 0);
    for id in &ids {
        if let Some(row) = listed(ask.admin, *id).await? {
            let bytes = row.bytes();
            if bytes > left && !rows.is_empty() {
                break;
            }
            left = left.saturating_sub(bytes);
            rows.push(row);
        }
        told += 1;
    }
    let older = match ids.get(..told) {
        Some([.., last]) if told < ids.len() && !ascends => {
            Some(behind(store, query, told, *last).await?)
        }
        _ => found.older,
    };
    if ascends {
        rows.reverse();
    }
    let next = older.map(|older| older.to_string());
    Ok(Page { rows, next })
}

/// One row; None when the event was removed since.
async fn listed(admin: &Admin, id: EventId) -> Told<Option<Listed>> {
    match admin.store.event(id).await {
        Ok(kept) => Ok(Some(Listed::of(&kept, &admin.store.joined(id).await?))),
        Err(StoreError::Unknown { .. }) => Ok(None),
        // One that cannot be read hides no other.
        Err(error @ StoreError::Damaged(_)) => Ok(Some(Listed::Damaged(DamagedRow {
            id,
            damaged: error.to_string(),
        }))),
        Err(error) => Err(error.into()),
    }
}

/// The place behind the nth event of what a question finds: with its number, unless others came in meanwhile.
async fn behind(store: &Store, query: EventQuery, n: usize, id: EventId) -> Told<Cursor> {
    let shorter = EventQuery { limit: n, ..query };
    let older = store.search(shorter).await?.older;
    Ok(older.filter(|older| older.id == id).unwrap_or(id.into()))
}

pub(super) async fn event(ask: Ask<'_>, (): ()) -> Told<Tagged<Json<EventRow>>> {
    let (store, id) = (&ask.admin.store, event_id(ask.part(0))?);
    caught_up(ask.admin).await;
    let kept = store.event(id).await?;
    Ok(Tagged(Json(EventRow::of(&kept, &store.joined(id).await?))))
}

pub(super) async fn original(ask: Ask<'_>, (): ()) -> Told<Tagged<Blob>> {
    caught_up(ask.admin).await;
    let kept = ask.admin.store.event(event_id(ask.part(0))?).await?;
    if let Some(rule) = kept.event.removed_by() {
        return Err(removed("the request as it came", rule));
    }
    let original = &kept.event.original;
    let kind = original.content_type().unwrap_or(BYTES);
    Ok(blob(kind, &original.body))
}

pub(super) async fn joined(ask: Ask<'_>, (): ()) -> Told<Json<Vec<Joined>>> {
    caught_up(ask.admin).await;
    let id = event_id(ask.part(0))?;
    Ok(Json(ask.admin.store.joined(id).await?))
}

pub(super) async fn image(ask: Ask<'_>, (): ()) -> Told<Tagged<Blob>> {
    caught_up(ask.admin).await;
    let kept = ask.admin.store.event(event_id(ask.part(0))?).await?;
    let images = &kept.event.images;
    let picture = ask.part(1).parse().ok().and_then(|n: usize| images.get(n));
    if let (None, Some(rule)) = (picture, kept.event.removed_by()) {
        return Err(removed("the picture", rule));
    }
    let picture = picture.ok_or_else(|| {
        let many = images.len();
        Refusal::missing(format!("the event has {many} pictures, counted from 0"))
    })?;
    match picture.bytes() {
        Some(bytes) => Ok(blob(&picture.content_type, bytes)),
        None => Err(Refusal::missing(
            "the picture is known only by its address so far",
        )),
    }
}

pub(super) async fn deliveries(ask: Ask<'_>, query: DeliveryQuery) -> Told<Page<Delivery>> {
    caught_up(ask.admin).await;
    let limit = query.limit;
    let rows = ask.admin.store.deliveries(query).await?;
    let next = next(&rows, limit, |delivery| delivery.id);
    Ok(Page { rows, next })
}

pub(super) async fn targets(ask: Ask<'_>, (): ()) -> Told<Json<Vec<TargetRow>>> {
    let admin = ask.admin;
    caught_up(admin).await;
    let targets = all_targets(admin).await?;
    let activity = admin.store.activity(None).await?;
    let now = admin.clock.now();
    let row = |target: &Target| {
        let activity = activity.get(&target.summary.target);
        TargetRow::of(&target.summary, target.configured, activity, now)
    };
    Ok(Json(targets.iter().map(row).collect()))
}

/// A target, and whether it is in routes.yaml.
pub(super) struct Target {
    pub(super) summary: TargetSummary,
    pub(super) configured: bool,
}

/// Configured targets in the order of the file, then those that only old deliveries know.
pub(super) async fn all_targets(admin: &Admin) -> Result<Vec<Target>, StoreError> {
    let mut summaries = admin.store.targets().await?;
    let mut targets = Vec::new();
    for name in admin.planner.targets() {
        let known = summaries.iter().position(|summary| summary.target == name);
        let summary = match known {
            Some(index) => summaries.remove(index),
            None => TargetSummary {
                state: admin.store.target_state(&name),
                target: name,
                fates: Vec::new(),
                oldest_undelivered: None,
            },
        };
        targets.push(Target {
            summary,
            configured: true,
        });
    }
    targets.extend(summaries.into_iter().map(|summary| Target {
        summary,
        configured: false,
    }));
    Ok(targets)
}

pub(super) async fn sources(ask: Ask<'_>, (): ()) -> Told<Json<Vec<SourceRow>>> {
    caught_up(ask.admin).await;
    let known = ask.admin.store.sources().await?;
    let all = CameraQuery {
        limit: CAMERAS_MAX,
        ..CameraQuery::default()
    };
    let cameras = ask.admin.store.cameras(all).await?;
    let configured = ask.admin.planner.sources();
    let row = |name: &Name, kind: Option<&'static str>| {
        let of_it = cameras.iter().filter(|camera| camera.source == *name);
        let named = || of_it.clone().filter(|camera| camera.camera.is_some());
        let summary = known.iter().find(|summary| summary.source == *name);
        SourceRow {
            source: name.clone(),
            kind,
            configured: kind.is_some(),
            events: summary.map_or(0, |summary| summary.events),
            quarantined: summary.map_or(0, |summary| summary.quarantined),
            last_received: summary.and_then(|summary| summary.last_received),
            cameras: named().count(),
            cameras_silent: named().filter(|camera| camera.silent).count(),
            events_last_day: of_it.clone().map(CameraSummary::last_day).sum(),
        }
    };
    let mut rows: Vec<SourceRow> = configured
        .iter()
        .map(|(name, kind)| row(name, Some(kind)))
        .collect();
    let gone = known
        .iter()
        .filter(|summary| !configured.iter().any(|(name, _)| *name == summary.source));
    rows.extend(gone.map(|summary| {
        // Alerts come from camhook itself, whatever the file says.
        let own = (summary.source.as_str() == OWN).then_some(OWN);
        row(&summary.source, own)
    }));
    Ok(Json(rows))
}

pub(super) async fn quarantine(ask: Ask<'_>, page: PageQuery) -> Told<Page<QuarantineRow>> {
    caught_up(ask.admin).await;
    let rows = ask.admin.store.quarantined(page).await?;
    let next = next(&rows, page.limit, |row| row.id);
    Ok(Page { rows, next })
}

pub(super) async fn quarantined(ask: Ask<'_>, (): ()) -> Told<Tagged<Blob>> {
    caught_up(ask.admin).await;
    let id = event_id(ask.part(0))?;
    let unread = ask.admin.store.quarantined_request(id).await?;
    Ok(blob(BYTES, &unread.original.body))
}

pub(super) async fn forgotten(ask: Ask<'_>, page: PageQuery) -> Told<Page<ForgottenRow>> {
    caught_up(ask.admin).await;
    let told = ask.admin.store.forgotten(page).await?;
    let next = next(&told, page.limit, |told| told.id);
    let rows = told.iter().map(ForgottenRow::of).collect();
    Ok(Page { rows, next })
}

/// The file as it is in use; where secrets stand in it there are stars.
pub(super) async fn config(ask: Ask<'_>, (): ()) -> Told<Tagged<Text>> {
    Ok(Tagged(Text {
        content_type: "text/plain; charset=utf-8",
        text: ask.admin.planner.config().text.clone(),
    }))
}

/// Where a page that is full goes on.
pub(super) fn next<T, Id: ToString>(rows: &[T], limit: usize, id: fn(&T) -> Id) -> Option<String> {
    let last = rows.last().filter(|_| rows.len() == limit)?;
    Some(id(last).to_string())
}

pub(super) fn blob(content_type: &str, bytes: &Bytes) -> Tagged<Blob> {
    Tagged(Blob {
        content_type: content_type.to_owned(),
        bytes: bytes.clone(),
    })
}

fn removed(what: &str, rule: &str) -> Refusal {
    Refusal::missing(format!("{what} is no longer kept: removed by `{rule}`"))
}

pub(super) fn event_id(text: &str) -> Told<EventId> {
    EventId::from_str(text).map_err(|_| Refusal::missing(format!("`{text}` is no event id")))
}
