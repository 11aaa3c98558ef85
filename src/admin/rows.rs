//! What the API tells of an event, a target, a request in quarantine: each a type, which the document is made of too.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::overview::{FailingRow, HistoryRow};
use crate::event::{EventId, Shown};
use crate::fate::{Fate, How, Joined, LeftOut, Part};
use crate::name::Name;
use crate::store::{Forgotten, Kept, Sighting, TargetActivity, TargetState, TargetSummary};

/// Of what went into an event, so many are shown; they are all counted.
const JOINED_MAX: usize = 16;

/// An event of a list.
pub(super) enum Listed {
    /// An [`EventRow`] as it is written: as a tree a large one takes many times its bytes.
    Event(Box<RawValue>),
    Damaged(DamagedRow),
}

/// The event, what each route decided for it, and what was delivered as a part of it.
pub(super) struct EventRow(Value);

/// What camhook adds to an event.
#[derive(Serialize, JsonSchema)]
struct Decided {
    /// What each route decided that takes events of its source.
    routes: Vec<RouteRow>,
    /// What was delivered as a part of it; at most 16 are told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    joined: Vec<JoinedRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    joined_count: Option<usize>,
}

/// What a route decided.
#[derive(Serialize, JsonSchema)]
struct RouteRow {
    route: Name,
    outcome: Outcome,
    /// The word, or the part of a condition, that said no.
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<String>,
    /// Items that a step filtered while others went on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<LeftOut>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Outcome {
    Planned,
    Filtered,
}

/// What was delivered as a part of an event.
#[derive(Serialize, JsonSchema)]
struct JoinedRow {
    route: Name,
    how: How,
    event: Part,
}

/// An event that is kept but cannot be read any more.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DamagedEvent")]
pub(super) struct DamagedRow {
    pub(super) id: EventId,
    /// Why not.
    pub(super) damaged: String,
}

impl Listed {
    pub(super) fn of(kept: &Kept, joined: &[Joined]) -> Self {
        let written = serde_json::value::to_raw_value(&EventRow::of(kept, joined));
        Self::Event(written.expect("an event has text keys and no failing Serialize"))
    }

    /// What it takes in an answer, about.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Event(written) => written.get().len(),
            Self::Damaged(row) => row.damaged.len(),
        }
    }
}

impl EventRow {
    pub(super) fn of(kept: &Kept, joined: &[Joined]) -> Self {
        let routes = kept.plan.routes.iter().map(|choice| RouteRow {
            route: choice.route.clone(),
            outcome: match choice.filtered_by {
                None => Outcome::Planned,
                Some(_) => Outcome::Filtered,
            },
            condition: choice.filtered_by.clone(),
            left_out: match choice.filtered_by {
                None => choice.left_out.clone(),
                Some(_) => Vec::new(),
            },
        });
        let shown = joined.iter().take(JOINED_MAX).map(|joined| JoinedRow {
            route: joined.route.clone(),
            how: joined.how,
            event: joined.part.clone(),
        });
        let decided = Decided {
            routes: routes.collect(),
            joined: shown.collect(),
            joined_count: (!joined.is_empty()).then_some(joined.len()),
        };
        let mut json = kept.event.to_json();
        let decided = serde_json::to_value(decided).expect("what was decided has text keys");
        if let (Value::Object(json), Value::Object(decided)) = (&mut json, decided) {
            json.extend(decided);
        }
        Self(json)
    }
}

impl Serialize for EventRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl JsonSchema for EventRow {
    fn schema_name() -> Cow<'static, str> {
        "Event".into()
    }

    /// Both in one object, as they are written.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Shown::json_schema(generator);
        let decided = Decided::json_schema(generator);
        for key in ["properties", "required"] {
            match (schema.get_mut(key), decided.get(key)) {
                (Some(Value::Object(all)), Some(Value::Object(more))) => all.extend(more.clone()),
                (Some(Value::Array(all)), Some(Value::Array(more))) => {
                    all.extend(more.iter().cloned());
                }
                _ => {}
            }
        }
        schema
    }
}

impl Serialize for Listed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Event(row) => row.serialize(serializer),
            Self::Damaged(row) => row.serialize(serializer),
        }
    }
}

impl JsonSchema for Listed {
    fn schema_name() -> Cow<'static, str> {
        "ListedEvent".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                generator.subschema_for::<EventRow>(),
                generator.subschema_for::<DamagedRow>(),
            ],
        })
    }
}

/// That something was forgotten on request, and who had got it before; not what.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Forgotten")]
pub(super) struct ForgottenRow {
    id: EventId,
    at: Timestamp,
    events: u64,
    /// Requests in quarantine.
    requests: u64,
    /// Deliveries that were still to be made.
    ended: u64,
    /// Who had got some of it before.
    delivered: Vec<DeliveredRow>,
    /// What it was; told only to who asked to forget it.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<Vec<SightingRow>>,
}

/// Deliveries that a target had got.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Delivered")]
struct DeliveredRow {
    target: Name,
    deliveries: u64,
}

impl ForgottenRow {
    pub(super) fn of(told: &Forgotten) -> Self {
        let delivered = told.delivered.iter();
        let delivered = delivered.map(|(target, deliveries)| DeliveredRow {
            target: target.clone(),
            deliveries: *deliveries,
        });
        Self {
            id: told.id,
            at: told.at,
            events: told.events,
            requests: told.requests,
            ended: told.ended,
            delivered: delivered.collect(),
            found: None,
        }
    }

    pub(super) fn with(self, found: &[Sighting]) -> Self {
        Self {
            found: Some(found.iter().map(SightingRow::of).collect()),
            ..self
        }
    }
}

/// Something that is kept of a plate.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Sighting")]
pub(super) struct SightingRow {
    id: EventId,
    /// `plate`, `like`, `candidate` or `quarantine`.
    #[schemars(extend("enum" = ["plate", "like", "candidate", "quarantine"]))]
    why: &'static str,
    received_at: Timestamp,
    source: Name,
    camera: Option<String>,
    /// As they are compared.
    plates: Vec<String>,
    /// Targets that were to get it still.
    waiting: Vec<Name>,
    /// Targets that have got it.
    delivered: Vec<Name>,
}

impl SightingRow {
    pub(super) fn of(seen: &Sighting) -> Self {
        let plates = seen.plates.split(' ').filter(|plate| !plate.is_empty());
        Self {
            id: seen.id,
            why: seen.why.word(),
            received_at: seen.received_at,
            source: seen.source.clone(),
            camera: seen.camera.clone(),
            plates: plates.map(str::to_owned).collect(),
            waiting: seen.waiting.clone(),
            delivered: seen.delivered.clone(),
        }
    }
}

/// Whether a target is sent to.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "TargetState")]
pub(super) enum StateWord {
    Running,
    /// Somebody paused it.
    Paused,
    /// It refuses camhook, and nothing is sent until that is mended.
    Held,
}

impl StateWord {
    pub(super) fn of(state: &TargetState) -> Self {
        match state {
            TargetState::Running => Self::Running,
            TargetState::Paused { .. } => Self::Paused,
            TargetState::Held { .. } => Self::Held,
        }
    }
}

/// That a target is sent to, or why not.
#[derive(Serialize)]
pub(super) struct StateRow<'a> {
    target: &'a Name,
    state: StateWord,
    since: Option<Timestamp>,
    reason: Option<&'a str>,
}

impl<'a> StateRow<'a> {
    pub(super) fn of(target: &'a Name, state: &'a TargetState) -> Self {
        let (since, reason) = match state {
            TargetState::Running => (None, None),
            TargetState::Paused { since } => (Some(*since), None),
            TargetState::Held { since, reason } => (Some(*since), Some(reason.as_str())),
        };
        Self {
            target,
            state: StateWord::of(state),
            since,
            reason,
        }
    }
}

/// Where events go.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Target")]
pub(super) struct TargetRow {
    target: Name,
    /// It stands in today's routes.yaml.
    configured: bool,
    state: StateWord,
    /// Since when it is paused or held.
    since: Option<Timestamp>,
    /// Why it is held.
    reason: Option<String>,
    deliveries: Counts,
    /// How long ago the oldest event was received that it has not got.
    oldest_undelivered_seconds: Option<i64>,
    /// Delivered in each of the last 5 minutes, on the average.
    delivered_per_minute: f64,
    /// The last attempt of the last 6 hours that failed.
    last_error: Option<FailingRow>,
    /// What came of it in the last 3 hours; null when it had nothing to do.
    history: Option<HistoryRow>,
}

/// Deliveries by what became of them.
#[derive(Serialize, JsonSchema)]
struct Counts {
    pending: u64,
    held: u64,
    delivered: u64,
    dead: u64,
    expired: u64,
    filtered: u64,
}

impl TargetRow {
    pub(super) fn of(
        summary: &TargetSummary,
        configured: bool,
        activity: Option<&TargetActivity>,
        now: Timestamp,
    ) -> Self {
        let (since, reason) = match &summary.state {
            TargetState::Running => (None, None),
            TargetState::Paused { since } => (Some(*since), None),
            TargetState::Held { since, reason } => (Some(*since), Some(reason.clone())),
        };
        let age = |oldest| now.duration_since(oldest).as_secs().max(0);
        Self {
            target: summary.target.clone(),
            configured,
            state: StateWord::of(&summary.state),
            since,
            reason,
            deliveries: Counts {
                pending: summary.count(Fate::Pending),
                held: summary.count(Fate::Held),
                delivered: summary.count(Fate::Delivered),
                dead: summary.count(Fate::Dead),
                expired: summary.count(Fate::Expired),
                filtered: summary.count(Fate::Filtered),
            },
            oldest_undelivered_seconds: summary.oldest_undelivered.map(age),
            delivered_per_minute: activity.map_or(0.0, |activity| activity.per_minute),
            last_error: activity
                .and_then(|activity| activity.failures.first())
                .map(FailingRow::of),
            history: activity.map(|activity| HistoryRow::of(&activity.history)),
        }
    }
}

/// Who sends.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Source")]
pub(super) struct SourceRow {
    pub(super) source: Name,
    /// What it understands; null when it is not in today's routes.yaml.
    pub(super) kind: Option<&'static str>,
    pub(super) configured: bool,
    pub(super) events: u64,
    pub(super) quarantined: u64,
    pub(super) last_received: Option<Timestamp>,
    pub(super) cameras: usize,
    /// Those that have sent nothing for much longer than usual.
    pub(super) cameras_silent: usize,
    pub(super) events_last_day: u64,
}
