//! What changes something: retry, replay, purge, forget, pause, resume.

use std::borrow::Cow;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use super::answers::Json;
use super::api::{Told, event_id};
use super::rows::{ForgottenRow, SightingRow, StateWord};
use super::table::Ask;
use super::{Admin, Refusal, ReplayError};
use crate::event::{DeliveryId, EventId};
use crate::name::Name;
use crate::store::{EventQuery, RetryQuery, StoreError, TargetState};

/// Which deliveries are made due again: exactly one of the three.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retry {
    #[serde(default)]
    ids: Vec<String>,
    target: Option<String>,
    #[serde(default)]
    all: bool,
}

impl JsonSchema for Retry {
    fn schema_name() -> Cow<'static, str> {
        "Retry".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Which deliveries are made due again.",
            "type": "object",
            "properties": {
                "ids": ids("Of deliveries."),
                "target": name("All dead and held ones of this target."),
                "all": { "type": "boolean", "description": "Those of all targets." },
            },
            "additionalProperties": false,
            "oneOf": [
                {
                    "required": ["ids"],
                    "properties": { "ids": { "minItems": 1 }, "target": { "type": "null" }, "all": { "const": false } },
                },
                {
                    "required": ["target"],
                    "properties": { "ids": { "maxItems": 0 }, "target": { "type": "string" }, "all": { "const": false } },
                },
                {
                    "required": ["all"],
                    "properties": { "ids": { "maxItems": 0 }, "target": { "type": "null" }, "all": { "const": true } },
                },
            ],
            "examples": [{ "target": "vms" }],
        })
    }
}

/// Which events are planned anew: exactly one of `events` and `since`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Replay {
    #[serde(default)]
    events: Vec<String>,
    since: Option<jiff::Timestamp>,
    to: Option<String>,
}

impl JsonSchema for Replay {
    fn schema_name() -> Cow<'static, str> {
        "Replay".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let since = json!({
            "type": ["string", "null"],
            "format": "date-time",
            "description": "All that was received then or later.",
        });
        json_schema!({
            "description": "Which events are planned anew.",
            "type": "object",
            "properties": {
                "events": ids("Of events, and of requests in quarantine."),
                "since": since,
                "to": name("To this target alone."),
            },
            "additionalProperties": false,
            "oneOf": [
                {
                    "required": ["events"],
                    "properties": { "events": { "minItems": 1 }, "since": { "type": "null" } },
                },
                {
                    "required": ["since"],
                    "properties": { "events": { "maxItems": 0 }, "since": { "type": "string" } },
                },
            ],
            "examples": [{ "since": "2026-01-31T00:00:00Z", "to": "vms" }],
        })
    }
}

fn ids(what: &str) -> Value {
    json!({
        "type": "array",
        "items": { "type": "string", "format": "uuid" },
        "description": what,
    })
}

fn name(what: &str) -> Value {
    json!({ "type": ["string", "null"], "description": what })
}

/// Which events are removed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "before": "2026-01-01T00:00:00Z" }]))]
pub(super) struct Purge {
    /// Those received earlier, whose deliveries are all settled.
    before: jiff::Timestamp,
}

/// What is taken out of all that is kept.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "plate": "AB123CD", "dry_run": true }]))]
pub(super) struct Forget {
    /// With one letter or digit at least.
    #[schemars(length(min = 1))]
    plate: String,
    /// Also plates of letters that readers take for one another.
    #[serde(default)]
    like: bool,
    /// Tell only what that would be.
    #[serde(default)]
    dry_run: bool,
}

/// Nothing more needs to be said.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{}]))]
pub(super) struct Nothing {}

/// How many deliveries are due again, under the same ids.
#[derive(Serialize, JsonSchema)]
pub(super) struct Retried {
    retried: u64,
}

/// How many events were planned anew, and the deliveries that came of it.
#[derive(Serialize, JsonSchema)]
pub(super) struct Replayed {
    events: usize,
    deliveries: usize,
}

/// How many events were removed.
#[derive(Serialize, JsonSchema)]
pub(super) struct Purged {
    purged: u64,
}

/// How a target stands now.
#[derive(Serialize, JsonSchema)]
pub(super) struct Turned {
    target: Name,
    state: StateWord,
}

/// What was forgotten, or, after a dry run, what would be.
pub(super) enum Forgot {
    Done(Box<ForgottenRow>),
    DryRun(DryRun),
}

/// What would be forgotten.
#[derive(Serialize, JsonSchema)]
pub(super) struct DryRun {
    dry_run: bool,
    found: Vec<SightingRow>,
}

impl Serialize for Forgot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Done(row) => row.serialize(serializer),
            Self::DryRun(found) => found.serialize(serializer),
        }
    }
}

impl JsonSchema for Forgot {
    fn schema_name() -> Cow<'static, str> {
        "Forgot".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                generator.subschema_for::<ForgottenRow>(),
                generator.subschema_for::<DryRun>(),
            ],
        })
    }
}

pub(super) async fn retry(ask: Ask<'_>, which: Retry) -> Told<Json<Retried>> {
    let which = ask.admin.which(which).await?;
    let retried = ask.admin.store.retry(which).await?;
    Ok(Json(Retried { retried }))
}

pub(super) async fn replay(ask: Ask<'_>, which: Replay) -> Told<Json<Replayed>> {
    ask.admin.replay(which).await.map(Json)
}

pub(super) async fn purge(ask: Ask<'_>, which: Purge) -> Told<Json<Purged>> {
    let purged = ask.admin.store.purge(which.before).await?;
    Ok(Json(Purged { purged }))
}

pub(super) async fn pause(ask: Ask<'_>, _: Nothing) -> Told<Json<Turned>> {
    let since = ask.admin.clock.now();
    turn(ask, TargetState::Paused { since }).await
}

pub(super) async fn resume(ask: Ask<'_>, _: Nothing) -> Told<Json<Turned>> {
    turn(ask, TargetState::Running).await
}

async fn turn(ask: Ask<'_>, state: TargetState) -> Told<Json<Turned>> {
    let target = ask.admin.target(&named(&ask)).await?;
    let store = &ask.admin.store;
    store.set_target_state(&target, state.clone()).await?;
    let state = StateWord::of(&state);
    Ok(Json(Turned { target, state }))
}

/// The name that stands in the path.
pub(super) fn named(ask: &Ask<'_>) -> String {
    let name = percent_encoding::percent_decode_str(ask.part(0));
    name.decode_utf8_lossy().into_owned()
}

pub(super) async fn forget(ask: Ask<'_>, what: Forget) -> Told<Json<Forgot>> {
    ask.admin.forget(what).await.map(Json)
}

impl Admin {
    async fn forget(&self, forget: Forget) -> Told<Forgot> {
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
            let found = found.iter().map(SightingRow::of).collect();
            return Ok(Forgot::DryRun(DryRun {
                dry_run: true,
                found,
            }));
        }
        let (told, found) = self.store.forget(&plate, like).await?;
        let row = ForgottenRow::of(&told).with(&found);
        Ok(Forgot::Done(Box::new(row)))
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

    async fn which(&self, retry: Retry) -> Told<RetryQuery> {
        Ok(match retry {
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
        })
    }

    async fn replay(&self, replay: Replay) -> Told<Replayed> {
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
        Ok(Replayed { events, deliveries })
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

fn delivery_id(text: &str) -> Result<DeliveryId, Refusal> {
    DeliveryId::from_str(text).map_err(|_| Refusal::missing(format!("`{text}` is no delivery id")))
}
