//! `/api/v1`: what the command line and scripts read and steer.
//!
//! Lists are JSON arrays, newest first; when there is more, a `Link: <…>; rel="next"` header says where. What changes
//! something is a `POST` with a JSON body: a web page elsewhere cannot send that without asking first.

use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderValue, LINK};
use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::question::Parameters;
use super::rows::{forgotten_row, quarantine_row, show, target_row};
use super::{Admin, Refusal, pages};
use crate::event::EventId;
use crate::name::Name;
use crate::store::{DeliveryQuery, EventQuery, TargetSummary};

/// How long a question waits for the index to catch up with the log.
const INDEX_PATIENCE: Duration = Duration::from_millis(500);

pub(super) type Answer = Result<Response<Bytes>, Refusal>;

impl Admin {
    pub(super) async fn api(&self, request: &Request<Bytes>, path: &[&str]) -> Answer {
        let steering = matches!(
            path,
            ["retry" | "replay" | "purge" | "forget"] | ["targets", _, _]
        );
        match (request.method(), steering) {
            (&Method::POST, true) => self.steer(request, path).await,
            (_, true) => Err(Refusal::method("POST")),
            (&Method::GET | &Method::HEAD, false) => self.look(request, path).await,
            (_, false) => Err(Refusal::method("GET")),
        }
    }

    async fn look(&self, request: &Request<Bytes>, path: &[&str]) -> Answer {
        // What was acknowledged is listed: the index is a few milliseconds behind the log, so it is waited for, a while.
        let _ = tokio::time::timeout(INDEX_PATIENCE, self.store.caught_up()).await;
        let parameters = Parameters::of(request.uri().query());
        match path {
            ["events"] => self.events(request, parameters.events()?).await,
            ["events", id] => {
                let id = event_id(id)?;
                let kept = self.store.event(id).await?;
                Ok(ok(&show(&kept, &self.store.joined(id).await?)))
            }
            ["events", id, "original"] => {
                let kept = self.store.event(event_id(id)?).await?;
                let original = &kept.event.original;
                if let Some(rule) = kept.event.removed_by() {
                    return Err(removed("the request as it came", rule));
                }
                let kind = original
                    .content_type()
                    .unwrap_or("application/octet-stream");
                Ok(pages::text(StatusCode::OK, kind, original.body.clone()))
            }
            ["events", id, "images", n] => self.image(event_id(id)?, n).await,
            ["deliveries"] => self.deliveries(request, parameters.deliveries()?).await,
            ["targets"] => self.targets().await,
            ["sources"] => self.sources().await,
            ["lists"] => self.lists(),
            ["lists", name] => self.list(name, parameters),
            ["quarantine"] => {
                let rows = self.store.quarantined(parameters.page()?).await?;
                Ok(ok(&rows.iter().map(quarantine_row).collect()))
            }
            ["quarantine", id, "original"] => {
                let unread = self.store.quarantined_request(event_id(id)?).await?;
                Ok(pages::text(
                    StatusCode::OK,
                    "application/octet-stream",
                    unread.original.body.clone(),
                ))
            }
            ["forgotten"] => {
                let rows = self.store.forgotten().await?;
                Ok(ok(&rows.iter().map(forgotten_row).collect()))
            }
            _ => Err(Refusal::missing(
                "the API has events, deliveries, targets, sources, lists, quarantine, forgotten, retry, replay, purge, forget",
            )),
        }
    }

    async fn events(&self, request: &Request<Bytes>, query: EventQuery) -> Answer {
        let limit = query.limit;
        let ids = self.store.events(query).await?;
        let mut events = Vec::with_capacity(ids.len());
        for id in &ids {
            match self.store.event(*id).await {
                Ok(kept) => events.push(show(&kept, &self.store.joined(*id).await?)),
                Err(crate::store::StoreError::Unknown { .. }) => {} // pruned since
                Err(error) => return Err(error.into()),
            }
        }
        let last = (ids.len() == limit).then(|| ids.last()).flatten();
        Ok(paged(
            request,
            ok(&Value::Array(events)),
            last.map(ToString::to_string),
        ))
    }

    async fn deliveries(&self, request: &Request<Bytes>, query: DeliveryQuery) -> Answer {
        let limit = query.limit;
        let deliveries = self.store.deliveries(query).await?;
        let last = (deliveries.len() == limit)
            .then(|| deliveries.last())
            .flatten();
        let next = last.map(|delivery| delivery.id.to_string());
        let body = serde_json::to_value(&deliveries).expect("deliveries have text keys");
        Ok(paged(request, ok(&body), next))
    }

    async fn image(&self, id: EventId, n: &str) -> Answer {
        let kept = self.store.event(id).await?;
        let picture = n.parse().ok().and_then(|n: usize| kept.event.images.get(n));
        if let (None, Some(rule)) = (picture, kept.event.removed_by()) {
            return Err(removed("the picture", rule));
        }
        let picture = picture.ok_or_else(|| {
            Refusal::missing(format!(
                "the event has {} pictures, counted from 0",
                kept.event.images.len()
            ))
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

    /// Configured targets in the order of the file, then those that only old deliveries know.
    async fn targets(&self) -> Answer {
        let mut summaries = self.store.targets().await?;
        let configured = self.planner.targets();
        let now = self.clock.now();
        let mut rows = Vec::new();
        for name in &configured {
            let summary = match summaries.iter().position(|summary| summary.target == *name) {
                Some(index) => summaries.remove(index),
                None => TargetSummary {
                    target: name.clone(),
                    state: self.store.target_state(name),
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

    async fn sources(&self) -> Answer {
        let known = self.store.sources().await?;
        let configured = self.planner.sources();
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
}

fn removed(what: &str, rule: &str) -> Refusal {
    Refusal::missing(format!("{what} is no longer kept: removed by `{rule}`"))
}

pub(super) fn ok(body: &Value) -> Response<Bytes> {
    pages::json(StatusCode::OK, body)
}

pub(super) fn event_id(text: &str) -> Result<EventId, Refusal> {
    EventId::from_str(text).map_err(|_| Refusal::missing(format!("`{text}` is no event id")))
}

/// Adds where the next page is.
fn paged(
    request: &Request<Bytes>,
    mut response: Response<Bytes>,
    next: Option<String>,
) -> Response<Bytes> {
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
