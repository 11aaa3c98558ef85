//! `/api/v1`: what the command line and scripts read and steer.
//!
//! Lists are JSON arrays, newest first; when there is more, a `Link: <…>; rel="next"` header says where. What changes
//! something is a `POST` with a JSON body: a web page elsewhere cannot send that without asking first. Who may ask is
//! settled before anything here is called.

use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderValue, LINK};
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

use super::body::Body;
use super::rows::{forgotten_row, joined_rows, quarantine_row, show, target_row};
use super::table::Ask;
use super::{Admin, Refusal, pages};
use crate::event::EventId;
use crate::name::Name;
use crate::store::{StoreError, TargetSummary};

/// How long a question waits for the index to catch up with the log.
const INDEX_PATIENCE: Duration = Duration::from_millis(500);
/// What is said of bytes that nothing else is known of.
const BYTES: &str = "application/octet-stream";

pub(super) type Answer = Result<Response<Body>, Refusal>;

/// What was acknowledged is listed: the index is a few milliseconds behind the log, so it is waited for, a while.
pub(super) async fn caught_up(admin: &Admin) {
    let _ = tokio::time::timeout(INDEX_PATIENCE, admin.store.caught_up()).await;
}

pub(super) async fn events(ask: Ask<'_>) -> Answer {
    let (store, query) = (&ask.admin.store, ask.parameters().events()?);
    caught_up(ask.admin).await;
    let limit = query.limit;
    let ids = store.events(query).await?;
    let mut events = Vec::with_capacity(ids.len());
    for id in &ids {
        match store.event(*id).await {
            Ok(kept) => events.push(show(&kept, &store.joined(*id).await?)),
            Err(StoreError::Unknown { .. }) => {} // pruned since
            // One that cannot be read hides no other.
            Err(error @ StoreError::Damaged(_)) => {
                events.push(json!({ "id": id, "damaged": error.to_string() }));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let last = (ids.len() == limit).then(|| ids.last()).flatten();
    let body = ok(&Value::Array(events));
    Ok(paged(ask.request, body, last.map(ToString::to_string)))
}

pub(super) async fn event(ask: Ask<'_>) -> Answer {
    let (store, id) = (&ask.admin.store, event_id(ask.part(0))?);
    caught_up(ask.admin).await;
    let kept = store.event(id).await?;
    Ok(ok(&show(&kept, &store.joined(id).await?)))
}

pub(super) async fn original(ask: Ask<'_>) -> Answer {
    caught_up(ask.admin).await;
    let kept = ask.admin.store.event(event_id(ask.part(0))?).await?;
    if let Some(rule) = kept.event.removed_by() {
        return Err(removed("the request as it came", rule));
    }
    let original = &kept.event.original;
    let kind = original.content_type().unwrap_or(BYTES);
    Ok(pages::text(StatusCode::OK, kind, original.body.clone()))
}

pub(super) async fn joined(ask: Ask<'_>) -> Answer {
    caught_up(ask.admin).await;
    let joined = ask.admin.store.joined(event_id(ask.part(0))?).await?;
    Ok(ok(&joined_rows(&joined)))
}

pub(super) async fn image(ask: Ask<'_>) -> Answer {
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
        Some(bytes) => Ok(pages::text(
            StatusCode::OK,
            &picture.content_type,
            bytes.clone(),
        )),
        None => Err(Refusal::missing(
            "the picture is known only by its address so far",
        )),
    }
}

pub(super) async fn deliveries(ask: Ask<'_>) -> Answer {
    let query = ask.parameters().deliveries()?;
    caught_up(ask.admin).await;
    let limit = query.limit;
    let deliveries = ask.admin.store.deliveries(query).await?;
    let last = (deliveries.len() == limit)
        .then(|| deliveries.last())
        .flatten();
    let next = last.map(|delivery| delivery.id.to_string());
    let body = serde_json::to_value(&deliveries).expect("deliveries have text keys");
    Ok(paged(ask.request, ok(&body), next))
}

/// Configured targets in the order of the file, then those that only old deliveries know.
pub(super) async fn targets(ask: Ask<'_>) -> Answer {
    let admin = ask.admin;
    caught_up(admin).await;
    let mut summaries = admin.store.targets().await?;
    let configured = admin.planner.targets();
    let now = admin.clock.now();
    let mut rows = Vec::new();
    for name in &configured {
        let summary = match summaries.iter().position(|summary| summary.target == *name) {
            Some(index) => summaries.remove(index),
            None => TargetSummary {
                target: name.clone(),
                state: admin.store.target_state(name),
                fates: Vec::new(),
                oldest_undelivered: None,
            },
        };
        rows.push(target_row(&summary, true, now));
    }
    rows.extend(
        summaries
            .iter()
            .map(|summary| target_row(summary, false, now)),
    );
    Ok(ok(&Value::Array(rows)))
}

pub(super) async fn sources(ask: Ask<'_>) -> Answer {
    caught_up(ask.admin).await;
    let known = ask.admin.store.sources().await?;
    let configured = ask.admin.planner.sources();
    let row = |name: &Name, kind: Option<&str>| {
        let summary = known.iter().find(|summary| summary.source == *name);
        json!({
            "source": name,
            "kind": kind,
            "configured": kind.is_some(),
            "events": summary.map_or(0, |summary| summary.events),
            "quarantined": summary.map_or(0, |summary| summary.quarantined),
            "last_received": summary.and_then(|summary| summary.last_received),
        })
    };
    let mut rows: Vec<Value> = configured
        .iter()
        .map(|(name, kind)| row(name, Some(kind)))
        .collect();
    let gone = known
        .iter()
        .filter(|summary| !configured.iter().any(|(name, _)| *name == summary.source));
    rows.extend(gone.map(|summary| row(&summary.source, None)));
    Ok(ok(&Value::Array(rows)))
}

pub(super) async fn quarantine(ask: Ask<'_>) -> Answer {
    let page = ask.parameters().page()?;
    caught_up(ask.admin).await;
    let rows = ask.admin.store.quarantined(page).await?;
    Ok(ok(&rows.iter().map(quarantine_row).collect()))
}

pub(super) async fn quarantined(ask: Ask<'_>) -> Answer {
    caught_up(ask.admin).await;
    let id = event_id(ask.part(0))?;
    let unread = ask.admin.store.quarantined_request(id).await?;
    Ok(pages::text(
        StatusCode::OK,
        BYTES,
        unread.original.body.clone(),
    ))
}

pub(super) async fn forgotten(ask: Ask<'_>) -> Answer {
    caught_up(ask.admin).await;
    let rows = ask.admin.store.forgotten().await?;
    Ok(ok(&rows.iter().map(forgotten_row).collect()))
}

/// The file as it is in use; where secrets stand in it there are stars.
pub(super) async fn config(ask: Ask<'_>) -> Answer {
    let shown = ask.admin.planner.config();
    Ok(pages::text(
        StatusCode::OK,
        "text/plain; charset=utf-8",
        shown,
    ))
}

fn removed(what: &str, rule: &str) -> Refusal {
    Refusal::missing(format!("{what} is no longer kept: removed by `{rule}`"))
}

pub(super) fn ok(body: &Value) -> Response<Body> {
    pages::json(StatusCode::OK, body)
}

pub(super) fn event_id(text: &str) -> Result<EventId, Refusal> {
    EventId::from_str(text).map_err(|_| Refusal::missing(format!("`{text}` is no event id")))
}

/// Adds where the next page is.
fn paged(
    request: &Request<Bytes>,
    mut response: Response<Body>,
    next: Option<String>,
) -> Response<Body> {
    let Some(next) = next else { return response };
    let mut query = form_urlencoded::Serializer::new(String::new());
    let old = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
    query.extend_pairs(old.filter(|(name, _)| name != "before"));
    query.append_pair("before", &next);
    let link = format!(
        "<{}?{}>; rel=\"next\"",
        request.uri().path(),
        query.finish()
    );
    if let Ok(link) = HeaderValue::from_str(&link) {
        response.headers_mut().insert(LINK, link);
    }
    response
}
