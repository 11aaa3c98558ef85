//! What the API tells of jobs and of what is not delivered, and what it is asked of them.

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::borrow::Cow;

use crate::admin::Refusal;
use crate::admin::question::{Parameters, Question, Word, one_of};
use crate::event::{DeliveryId, EventId, Item, JobId};
use crate::fate::{Attempt, Fate};
use crate::name::Name;
use crate::store::{Action, Group, Job, JobState, Place, Preview, Selection, Undelivered};

/// Work on many deliveries or events.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Job")]
pub(in crate::admin) struct JobRow {
    id: JobId,
    action: &'static str,
    /// `running`, `done` or `cancelled`.
    state: &'static str,
    target: Option<String>,
    reason: Option<String>,
    fates: Vec<Fate>,
    camera: Option<String>,
    source: Option<String>,
    route: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    /// How many deliveries were named.
    ids: usize,
    /// How many events were named.
    events: usize,
    to: Option<Name>,
    rate: Option<String>,
    /// Who asked for it.
    by: Option<String>,
    created_at: Timestamp,
    ended_at: Option<Timestamp>,
    /// Null when there were too many to be counted.
    total: Option<u64>,
    done: u64,
    /// What stood differently when its turn came, or was there already.
    skipped: u64,
    failed: u64,
    left: Option<u64>,
    /// Deliveries that a replay has planned.
    planned: u64,
    /// Why the last one failed.
    error: Option<String>,
}

/// How many were chosen, and the first of them.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Preview")]
pub(in crate::admin) struct PreviewRow {
    dry_run: bool,
    count: u64,
    /// There are too many to be counted.
    at_least: bool,
    samples: Vec<UndeliveredRow>,
    events: Vec<EventId>,
}

/// A job that has begun, or what it would be about.
pub(in crate::admin) enum Began {
    Job(Box<JobRow>),
    Preview(PreviewRow),
}

/// Deliveries of one target that are not delivered for the same reason.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Group")]
pub(in crate::admin) struct GroupRow {
    target: Name,
    /// `dead`, `held`, or `pending`: waiting to be tried again, or for its target to be asked.
    fate: Fate,
    /// The last failure, without its numbers and ids.
    reason: String,
    deliveries: u64,
    oldest: Option<Timestamp>,
    newest: Option<Timestamp>,
}

/// A delivery that is not delivered.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Undelivered")]
pub(in crate::admin) struct UndeliveredRow {
    id: DeliveryId,
    event: EventId,
    route: Name,
    target: Name,
    item: Option<Item>,
    fate: Fate,
    due: Option<Timestamp>,
    attempts: Vec<Attempt>,
    reason: String,
    received_at: Timestamp,
    source: String,
    camera: Option<String>,
    /// As they are compared: upper case letters and digits.
    plates: Vec<String>,
}

pub(in crate::admin) fn action_word(action: Action) -> &'static str {
    match action {
        Action::Retry => "retry",
        Action::Discard => "discard",
        Action::Replay => "replay",
    }
}

pub(in crate::admin) fn state_word(state: JobState) -> &'static str {
    match state {
        JobState::Running => "running",
        JobState::Done => "done",
        JobState::Cancelled => "cancelled",
    }
}

impl JobRow {
    pub(super) fn of(job: &Job) -> Self {
        let which = job.which.clone();
        Self {
            id: job.id,
            action: action_word(job.action),
            state: state_word(job.state),
            target: which.target,
            reason: which.reason,
            fates: which.fates,
            camera: which.camera,
            source: which.source,
            route: which.route,
            since: which.since,
            until: which.until,
            ids: which.deliveries.len(),
            events: which.events.len(),
            to: job.to.clone(),
            rate: job.rate.clone(),
            by: job.by.clone(),
            created_at: job.created_at,
            ended_at: job.ended_at,
            total: job.total,
            done: job.done,
            skipped: job.skipped,
            failed: job.failed,
            left: job.left(),
            planned: job.planned,
            error: job.told.clone(),
        }
    }
}

impl Began {
    pub(super) fn preview(preview: &Preview) -> Self {
        Self::Preview(PreviewRow {
            dry_run: true,
            count: preview.count,
            at_least: !preview.is_all,
            samples: preview.samples.iter().map(UndeliveredRow::of).collect(),
            events: preview.events.clone(),
        })
    }
}

impl Serialize for Began {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Job(job) => job.serialize(serializer),
            Self::Preview(preview) => preview.serialize(serializer),
        }
    }
}

impl JsonSchema for Began {
    fn schema_name() -> Cow<'static, str> {
        "JobOrPreview".into()
    }

    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        let (job, preview) = (
            schemas.subschema_for::<JobRow>(),
            schemas.subschema_for::<PreviewRow>(),
        );
        schemars::json_schema!({ "anyOf": [job, preview] })
    }
}

impl GroupRow {
    pub(super) fn of(group: &Group) -> Self {
        Self {
            target: group.target.clone(),
            fate: group.fate,
            reason: group.reason.clone(),
            deliveries: group.deliveries,
            oldest: group.oldest,
            newest: group.newest,
        }
    }
}

impl UndeliveredRow {
    pub(super) fn of(one: &Undelivered) -> Self {
        let delivery = one.delivery.clone();
        Self {
            id: delivery.id,
            event: delivery.event,
            route: delivery.route,
            target: delivery.target,
            item: delivery.item,
            fate: delivery.fate,
            due: delivery.due,
            attempts: delivery.attempts,
            reason: one.reason.clone(),
            received_at: one.received_at,
            source: one.source.clone(),
            camera: one.camera.clone(),
            plates: one.plates.clone(),
        }
    }
}

/// How many rows.
pub(in crate::admin) struct Limit(pub(super) usize);

impl Question for Limit {
    fn read(parameters: &mut Parameters) -> Result<Self, Refusal> {
        parameters.limit().map(Self)
    }
}

/// What is not delivered: which, from where on, how many.
pub(in crate::admin) struct OfUndelivered {
    pub(in crate::admin) which: Selection,
    pub(in crate::admin) from: Option<Place>,
    pub(in crate::admin) limit: usize,
}

impl Question for OfUndelivered {
    fn read(parameters: &mut Parameters) -> Result<Self, Refusal> {
        let fate: Option<Open> = parameters.take("fate", "Where it stands.")?;
        let which = Selection {
            target: parameters.take("target", "To this target.")?,
            reason: parameters.take("reason", "For this reason, as the groups tell it.")?,
            fates: fate.map(|Open(fate)| fate).into_iter().collect(),
            camera: parameters.take("camera", "Of the camera with this id.")?,
            source: parameters.take("source", "Received by this source.")?,
            route: parameters.take("route", "By this route.")?,
            plate: parameters.take("plate", "With a plate that begins so.")?,
            since: parameters.take("since", "Received at this moment or later.")?,
            until: parameters.take("until", "Received before this moment.")?,
            ..Selection::default()
        };
        Ok(Self {
            which,
            from: parameters.take("before", "Behind what the `Link` told.")?,
            limit: parameters.limit()?,
        })
    }
}

/// A fate that something not delivered may have.
struct Open(Fate);

const OPEN: [Fate; 3] = [Fate::Dead, Fate::Held, Fate::Pending];

impl Word for Open {
    fn read(text: &str) -> Result<Self, String> {
        one_of(OPEN, Fate::as_str, text).map(Self)
    }

    fn schema() -> Value {
        json!({ "type": "string", "enum": OPEN.map(Fate::as_str) })
    }
}

impl Word for Place {
    fn read(text: &str) -> Result<Self, String> {
        Self::from_text(text).ok_or_else(|| "what the page before told".to_owned())
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": Self::PATTERN })
    }
}
