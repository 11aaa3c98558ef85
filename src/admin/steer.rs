//! What changes something: retry, replay, purge, forget, pause, resume.

use std::str::FromStr;

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::api::{Answer, event_id, ok};
use super::rows::{forgotten_row, sighting_row, state_word};
use super::table::Ask;
use super::{Admin, Refusal, ReplayError};
use crate::event::{DeliveryId, EventId};
use crate::name::Name;
use crate::store::{EventQuery, RetryQuery, StoreError, TargetState};

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Forget {
    plate: String,
    #[serde(default)]
    like: bool,
    #[serde(default)]
    dry_run: bool,
}

pub(super) async fn retry(ask: Ask<'_>) -> Answer {
    ask.admin.retry(body(ask.request)?).await
}

pub(super) async fn replay(ask: Ask<'_>) -> Answer {
    ask.admin.replay(body(ask.request)?).await
}

pub(super) async fn purge(ask: Ask<'_>) -> Answer {
    let Purge { before } = body(ask.request)?;
    let purged = ask.admin.store.purge(before).await?;
    Ok(ok(&json!({ "purged": purged })))
}

pub(super) async fn pause(ask: Ask<'_>) -> Answer {
    let since = ask.admin.clock.now();
    turn(ask, TargetState::Paused { since }).await
}

pub(super) async fn resume(ask: Ask<'_>) -> Answer {
    turn(ask, TargetState::Running).await
}

async fn turn(ask: Ask<'_>, state: TargetState) -> Answer {
    body::<serde_json::Map<String, Value>>(ask.request)?;
    let name = percent_encoding::percent_decode_str(ask.part(0)).decode_utf8_lossy();
    let target = ask.admin.target(&name).await?;
    let store = &ask.admin.store;
    store.set_target_state(&target, state.clone()).await?;
    Ok(ok(
        &json!({ "target": target, "state": state_word(&state) }),
    ))
}

pub(super) async fn forget(ask: Ask<'_>) -> Answer {
    ask.admin.forget(body(ask.request)?).await
}

impl Admin {
    async fn forget(&self, forget: Forget) -> Answer {
        let Forget {
            plate,
            like,
            dry_run,
        } = forget;
        if !plate.chars().any(char::is_alphanumeric) {
            return Err(Refusal::bad("say which `plate`"));
        }
        if dry_run {
            let found = self.store.sightings(&plate, like).await?;
            let found: Value = found.iter().map(sighting_row).collect();
            return Ok(ok(&json!({ "dry_run": true, "found": found })));
        }
        let (told, found) = self.store.forget(&plate, like).await?;
        let mut answer = forgotten_row(&told);
        answer["found"] = found.iter().map(sighting_row).collect();
        Ok(ok(&answer))
    }

    pub(super) async fn target(&self, name: &str) -> Result<Name, Refusal> {
        let configured = self.planner.targets();
        let stored = self
            .store
            .targets()
            .await?
            .into_iter()
            .map(|summary| summary.target);
        let mut known: Vec<Name> = configured;
        for name in stored {
            if !known.contains(&name) {
                known.push(name);
            }
        }
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
        let (ids, named) = match (replay.events.as_slice(), replay.since) {
            ([], Some(since)) => (self.all_since(since).await?, false),
            (ids @ [_, ..], None) => (
                ids.iter()
                    .map(|id| event_id(id))
                    .collect::<Result<_, _>>()?,
                true,
            ),
            _ => return Err(Refusal::bad("say which: either `events`, or `since`")),
        };
        let (mut events, mut deliveries) = (0, 0);
        for id in &ids {
            match self.planner.replay(*id, to.as_ref()).await {
                Ok(planned) => {
                    events += 1;
                    deliveries += planned;
                }
                // Removed since it was listed, or not readable any more.
                Err(ReplayError::Store(StoreError::Unknown { .. } | StoreError::Damaged(_)))
                    if !named => {}
                Err(error) if events == 0 => return Err(error.into()),
                Err(error) => {
                    let mut refusal = Refusal::from(error);
                    refusal.reason = format!(
                        "{}; before {id}, {events} events were planned anew, {deliveries} deliveries",
                        refusal.reason
                    );
                    return Err(refusal);
                }
            }
        }
        Ok(ok(&json!({ "events": events, "deliveries": deliveries })))
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

pub(super) fn body<T: DeserializeOwned>(request: &Request<Bytes>) -> Result<T, Refusal> {
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

pub(super) fn delivery_id(text: &str) -> Result<DeliveryId, Refusal> {
    DeliveryId::from_str(text).map_err(|_| Refusal::missing(format!("`{text}` is no delivery id")))
}
