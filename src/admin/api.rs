//! `/api/v1`: what the command line and scripts read and steer.
//!
//! Lists are JSON arrays, newest first; when there is more, a `Link: <…>; rel="next"` header says where. What changes
//! something is a `POST` with a JSON body: a web page elsewhere cannot send that without asking first.

use std::str::FromStr;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, LINK};
use http::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::question::Parameters;
use super::{Admin, Refusal, pages};
use crate::event::{DeliveryId, EventId, PictureData};
use crate::fate::Fate;
use crate::name::Name;
use crate::store::{
    DeliveryQuery, EventQuery, Kept, QuarantineRow, RetryQuery, TargetState, TargetSummary,
};

type Answer = Result<Response<Bytes>, Refusal>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Retry {
    #[serde(default)]
    ids: Vec<String>,
    target: Option<String>,
    #[serde(default)]
    all: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    #[serde(default)]
    events: Vec<String>,
    since: Option<jiff::Timestamp>,
    to: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Purge {
    before: jiff::Timestamp,
}

impl Admin {
    pub(super) async fn api(&self, request: &Request<Bytes>, path: &[&str]) -> Answer {
        let steering = matches!(path, ["retry" | "replay" | "purge"] | ["targets", _, _]);
        match (request.method(), steering) {
            (&Method::POST, true) => self.steer(request, path).await,
            (_, true) => Err(Refusal::method("POST")),
            (&Method::GET | &Method::HEAD, false) => self.look(request, path).await,
            (_, false) => Err(Refusal::method("GET")),
        }
    }

    async fn look(&self, request: &Request<Bytes>, path: &[&str]) -> Answer {
        let parameters = Parameters::of(request.uri().query());
        match path {
            ["events"] => self.events(request, parameters.events()?).await,
            ["events", id] => Ok(ok(&show(&self.store.event(event_id(id)?).await?))),
            ["events", id, "original"] => {
                let kept = self.store.event(event_id(id)?).await?;
                let original = &kept.event.original;
                let kind = original
                    .content_type()
                    .unwrap_or("application/octet-stream");
                Ok(pages::text(StatusCode::OK, kind, original.body.clone()))
            }
            ["events", id, "images", n] => self.image(event_id(id)?, n).await,
            ["deliveries"] => self.deliveries(request, parameters.deliveries()?).await,
            ["targets"] => self.targets().await,
            ["sources"] => self.sources().await,
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
            _ => Err(Refusal::missing(
                "the API has events, deliveries, targets, sources, quarantine, retry, replay, purge",
            )),
        }
    }

    async fn steer(&self, request: &Request<Bytes>, path: &[&str]) -> Answer {
        match path {
            ["retry"] => self.retry(body(request)?).await,
            ["replay"] => self.replay(body(request)?).await,
            ["purge"] => {
                let Purge { before } = body(request)?;
                Ok(ok(&json!({ "purged": self.store.purge(before).await? })))
            }
            ["targets", name, action] => {
                body::<serde_json::Map<String, Value>>(request)?;
                let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
                let target = self.target(&name).await?;
                let state = match *action {
                    "pause" => TargetState::Paused {
                        since: self.clock.now(),
                    },
                    "resume" => TargetState::Running,
                    _ => return Err(Refusal::missing("a target can be paused and resumed")),
                };
                self.store.set_target_state(&target, state.clone()).await?;
                Ok(ok(
                    &json!({ "target": target, "state": state_word(&state) }),
                ))
            }
            _ => Err(Refusal::missing(
                "retry, replay, purge, targets/NAME/pause and targets/NAME/resume can be posted",
            )),
        }
    }

    async fn events(&self, request: &Request<Bytes>, query: EventQuery) -> Answer {
        let limit = query.limit;
        let ids = self.store.events(query).await?;
        let mut events = Vec::with_capacity(ids.len());
        for id in &ids {
            match self.store.event(*id).await {
                Ok(kept) => events.push(show(&kept)),
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
        let picture = picture.ok_or_else(|| {
            Refusal::missing(format!(
                "the event has {} pictures, counted from 0",
                kept.event.images.len()
            ))
        })?;
        match &picture.data {
            PictureData::Bytes(bytes) => Ok(pages::text(
                StatusCode::OK,
                &picture.content_type,
                bytes.clone(),
            )),
            PictureData::Url(_) => Err(Refusal::missing(
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

    async fn target(&self, name: &str) -> Result<Name, Refusal> {
        let configured = self.planner.targets();
        let stored = self
            .store
            .targets()
            .await?
            .into_iter()
            .map(|summary| summary.target);
        let known: Vec<Name> = configured.into_iter().chain(stored).collect();
        known
            .iter()
            .find(|known| known.as_str() == name)
            .cloned()
            .ok_or_else(|| {
                let names: Vec<&str> = known.iter().map(Name::as_str).collect();
                Refusal::missing(format!(
                    "no target named `{name}`; there are: {}",
                    names.join(", ")
                ))
            })
    }

    async fn retry(&self, retry: Retry) -> Answer {
        let which = match retry {
            Retry {
                ids,
                target: None,
                all: false,
            } if !ids.is_empty() => RetryQuery::Ids(
                ids.iter()
                    .map(|id| delivery_id(id))
                    .collect::<Result<_, _>>()?,
            ),
            Retry {
                ids,
                target: Some(target),
                all: false,
            } if ids.is_empty() => RetryQuery::Target(self.target(&target).await?),
            Retry {
                ids,
                target: None,
                all: true,
            } if ids.is_empty() => RetryQuery::All,
            _ => {
                return Err(Refusal::bad(
                    "say which: either `ids`, or `target`, or `all: true`",
                ));
            }
        };
        Ok(ok(&json!({ "retried": self.store.retry(which).await? })))
    }

    async fn replay(&self, replay: Replay) -> Answer {
        let to = match &replay.to {
            Some(name) => Some(self.target(name).await?),
            None => None,
        };
        let ids = match (replay.events.as_slice(), replay.since) {
            ([], Some(since)) => self.all_since(since).await?,
            (ids @ [_, ..], None) => ids
                .iter()
                .map(|id| event_id(id))
                .collect::<Result<_, _>>()?,
            _ => return Err(Refusal::bad("say which: either `events`, or `since`")),
        };
        let mut deliveries = 0;
        for id in &ids {
            deliveries += self.planner.replay(*id, to.as_ref()).await?;
        }
        Ok(ok(
            &json!({ "events": ids.len(), "deliveries": deliveries }),
        ))
    }

    /// Oldest first, so that a replay keeps the order.
    async fn all_since(&self, since: jiff::Timestamp) -> Result<Vec<EventId>, Refusal> {
        let query = EventQuery {
            since: Some(since),
            ..EventQuery::default()
        };
        let mut ids = self.store.events(query).await?;
        ids.reverse();
        Ok(ids)
    }
}

fn ok(body: &Value) -> Response<Bytes> {
    pages::json(StatusCode::OK, body)
}

fn body<T: DeserializeOwned>(request: &Request<Bytes>) -> Result<T, Refusal> {
    let kind = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Err(Refusal::bad(
            "send a JSON body with `Content-Type: application/json`",
        ));
    }
    serde_json::from_slice(request.body()).map_err(|error| Refusal::bad(error.to_string()))
}

fn event_id(text: &str) -> Result<EventId, Refusal> {
    EventId::from_str(text).map_err(|_| Refusal::missing(format!("`{text}` is no event id")))
}

fn delivery_id(text: &str) -> Result<DeliveryId, Refusal> {
    DeliveryId::from_str(text).map_err(|_| Refusal::missing(format!("`{text}` is no delivery id")))
}

/// The event, and what each route decided for it.
fn show(kept: &Kept) -> Value {
    let mut json = kept.event.to_json();
    let routes = kept
        .plan
        .routes
        .iter()
        .map(|choice| match &choice.filtered_by {
            None => json!({ "route": choice.route, "outcome": "planned" }),
            Some(condition) => {
                json!({ "route": choice.route, "outcome": "filtered", "condition": condition })
            }
        });
    json["routes"] = routes.collect();
    json
}

fn state_word(state: &TargetState) -> &'static str {
    match state {
        TargetState::Running => "running",
        TargetState::Paused { .. } => "paused",
        TargetState::Held { .. } => "held",
    }
}

fn target_row(summary: &TargetSummary, configured: bool, now: jiff::Timestamp) -> Value {
    let (since, reason) = match &summary.state {
        TargetState::Running => (None, None),
        TargetState::Paused { since } => (Some(since), None),
        TargetState::Held { since, reason } => (Some(since), Some(reason)),
    };
    let count = |fate| {
        summary
            .fates
            .iter()
            .find(|(known, _)| *known == fate)
            .map_or(0, |(_, count)| *count)
    };
    let fates: serde_json::Map<String, Value> = Fate::ALL
        .into_iter()
        .map(|fate| (fate.as_str().to_owned(), count(fate).into()))
        .collect();
    json!({
        "target": summary.target,
        "configured": configured,
        "state": state_word(&summary.state),
        "since": since,
        "reason": reason,
        "deliveries": fates,
        "oldest_undelivered_seconds":
            summary.oldest_undelivered.map(|oldest| now.duration_since(oldest).as_secs().max(0)),
    })
}

fn quarantine_row(row: &QuarantineRow) -> Value {
    json!({
        "id": row.id,
        "source": row.source,
        "received_at": row.received_at,
        "remote": row.remote,
        "content_type": row.content_type,
        "size": row.size,
        "reason": row.reason,
    })
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
