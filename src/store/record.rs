//! What records say to the index: requests, outcomes and the rest, as JSON metadata.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::catalog::Record;
use super::jobs::{Job, Worked};
use super::log::Draft;
use super::pictures::Fetched;
use super::redact::Gap;
use super::request::{QuarantineIn, RequestIn, original};
use super::segment::RecordKind;
use super::{RetryQuery, Settled, TargetState};
use crate::decide::Change;
use crate::event::{Event, EventId, Item};
use crate::fate::{Attempt, Fate, Joined, Plan};
use crate::name::Name;

/// What the index must know of one event.
pub(super) struct EventRow {
    pub(super) id: EventId,
    pub(super) source: Name,
    pub(super) kind: &'static str,
    pub(super) camera: Option<String>,
    /// Normalised, see [`normal_plate`].
    pub(super) plates: Vec<String>,
    pub(super) received_at: Timestamp,
    pub(super) occurred_at: Timestamp,
    pub(super) awaits_pictures: bool,
    pub(super) plan: Arc<Plan>,
}

pub(super) struct QuarantineEntry {
    pub(super) id: EventId,
    pub(super) source: Name,
    pub(super) reason: String,
    pub(super) received_at: Timestamp,
    pub(super) remote: Option<IpAddr>,
    pub(super) content_type: Option<String>,
    pub(super) size: u64,
}

/// What came of one lease.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) at: Timestamp,
    /// The delivery's number in the index.
    pub(super) delivery: i64,
    pub(super) attempt: Option<Attempt>,
    pub(super) settled: Settled,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PlanAgain {
    pub(super) at: Timestamp,
    pub(super) event: EventId,
    pub(super) plan: Plan,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Retry {
    pub(super) at: Timestamp,
    pub(super) which: RetryQuery,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Steered {
    pub(super) at: Timestamp,
    pub(super) target: Name,
    pub(super) state: TargetState,
    /// Found by sending to it, and not a user's word: a pause stands above it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) found: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Purge {
    pub(super) at: Timestamp,
    pub(super) before: Timestamp,
    /// What was removed is told by name, in records behind this one. Before, each reader of the record found out anew.
    #[serde(default)]
    pub(super) named: bool,
}

/// What a removed segment told about events that lie in others.
#[derive(Serialize, Deserialize, Default)]
pub(super) struct Carry {
    pub(super) at: Timestamp,
    /// True as of this LSN; whatever later records said about a delivery stays.
    pub(super) as_of: u64,
    pub(super) deliveries: Vec<Carried>,
    /// Numbers of events and quarantined requests that are gone though their segment is kept.
    pub(super) gone: Vec<i64>,
    pub(super) targets: Vec<(Name, TargetState)>,
    /// Plans that were added to kept events.
    pub(super) plans: Vec<(i64, u64, Plan)>,
    /// What deciding steps remember.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) remembered: Vec<Change>,
    /// What went into kept events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) joined: Vec<Joined>,
    /// That something was forgotten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) forgot: Vec<Forgotten>,
    /// What users asked to be done with many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) jobs: Vec<Job>,
}

/// That something was forgotten on request; not what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Forgotten {
    pub(crate) id: EventId,
    pub(crate) at: Timestamp,
    pub(crate) events: u64,
    /// Requests in quarantine.
    pub(crate) requests: u64,
    /// Deliveries that were still to be made.
    pub(crate) ended: u64,
    /// Who had got some of it before, and how many deliveries: what they keep is not camhook's.
    pub(crate) delivered: Vec<(Name, u64)>,
}

impl Forgotten {
    /// Whether there was anything of it.
    pub(super) fn is_something(&self) -> bool {
        self.events + self.requests > 0
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Carried {
    pub(super) number: i64,
    pub(super) id: crate::event::DeliveryId,
    pub(super) event: i64,
    pub(super) route: Name,
    pub(super) target: Name,
    pub(super) item: Option<Item>,
    pub(super) fate: Fate,
    pub(super) due: Option<i64>,
    pub(super) planned_at: i64,
    pub(super) counted: u32,
    pub(super) replanned: bool,
    pub(super) tried: u32,
    pub(super) attempts: Vec<Attempt>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) not_before: Option<i64>,
}

/// One record's meaning.
pub(super) enum What {
    Request {
        at: Timestamp,
        events: Vec<EventRow>,
        /// Those among them that were forgotten.
        gaps: Vec<Gap>,
        remembered: Vec<Change>,
        releases: Option<EventId>,
    },
    Quarantine(Box<QuarantineEntry>),
    Outcome(Box<Outcome>),
    PlanAgain(Box<PlanAgain>),
    Retry(Retry),
    Target(Steered),
    Purge(Purge),
    Carry(Box<Carry>),
    Fetched(Box<Fetched>),
    Forgot(Box<Forgotten>),
    Worked(Box<Worked>),
    Erased,
    Seal,
}

/// Upper case letters and digits only: how plates are compared when they are searched.
pub(super) fn normal_plate(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_uppercase)
        .collect()
}

impl EventRow {
    pub(super) fn of(event: &Event, plan: Arc<Plan>) -> Self {
        let mut plates: Vec<String> = event
            .plates
            .iter()
            .filter_map(|plate| plate.text.as_deref())
            .map(normal_plate)
            .filter(|text| !text.is_empty())
            .collect();
        plates.sort_unstable();
        plates.dedup();
        Self {
            id: event.id,
            source: event.source.clone(),
            kind: event.kind.as_str(),
            camera: event.camera.id.clone(),
            plates,
            received_at: event.received_at,
            occurred_at: event.occurred_at.instant(),
            awaits_pictures: event.awaits_pictures,
            plan,
        }
    }
}

/// A record, or what cannot be said in JSON.
pub(super) fn draft(
    kind: RecordKind,
    meta: &impl Serialize,
    payload: Vec<Bytes>,
) -> Result<Draft, serde_json::Error> {
    let mut bytes = Vec::with_capacity(1024);
    serde_json::to_writer(&mut bytes, meta)?;
    Ok(Draft::new(kind, bytes, payload))
}

impl What {
    /// The record of anything that has no payload.
    pub(super) fn draft(&self) -> Result<Draft, serde_json::Error> {
        match self {
            Self::Outcome(outcome) => draft(RecordKind::Outcome, outcome, vec![]),
            Self::PlanAgain(again) => draft(RecordKind::PlanAgain, again, vec![]),
            Self::Retry(retry) => draft(RecordKind::Retry, retry, vec![]),
            Self::Target(steered) => draft(RecordKind::Target, steered, vec![]),
            Self::Purge(purge) => draft(RecordKind::Purge, purge, vec![]),
            Self::Carry(carry) => draft(RecordKind::Carry, carry, vec![]),
            Self::Forgot(forgotten) => draft(RecordKind::Forgot, forgotten, vec![]),
            Self::Worked(worked) => draft(RecordKind::Worked, worked, vec![]),
            Self::Erased => Ok(Draft::new(RecordKind::Erased, vec![], vec![])),
            Self::Seal => Ok(Draft::new(RecordKind::Seal, vec![], vec![])),
            Self::Request { .. } | Self::Quarantine(_) | Self::Fetched(_) => Err(
                serde::ser::Error::custom("this is drafted with its payload"),
            ),
        }
    }

    /// The times it tells of, as far as they matter to its segment's age: the oldest reception, and when it was made.
    pub(super) fn times(&self) -> Option<(Timestamp, Timestamp)> {
        let made = match self {
            Self::Request { at, events, .. } => {
                let received = events.iter().map(|event| event.received_at).min();
                return Some((received.unwrap_or(*at).min(*at), *at));
            }
            Self::Quarantine(entry) => entry.received_at,
            Self::Outcome(outcome) => outcome.at,
            Self::PlanAgain(again) => again.at,
            Self::Retry(Retry { at, .. })
            | Self::Target(Steered { at, .. })
            | Self::Purge(Purge { at, .. }) => *at,
            Self::Carry(carry) => carry.at,
            Self::Fetched(fetched) => fetched.at,
            Self::Forgot(forgotten) => forgotten.at,
            Self::Worked(worked) => worked.at,
            Self::Erased | Self::Seal => return None,
        };
        Some((made, made))
    }

    /// What a record read back means to the index.
    pub(super) fn of(record: &Record) -> Result<Self, serde_json::Error> {
        let meta = &record.meta[..];
        Ok(match record.kind {
            RecordKind::Request => {
                let request: RequestIn = serde_json::from_slice(meta)?;
                let rows = request.events.into_iter();
                Self::Request {
                    at: request.at,
                    events: rows
                        .map(|e| EventRow::of(&e.event, Arc::new(e.plan)))
                        .collect(),
                    gaps: request.gaps,
                    remembered: request.remembered,
                    releases: request.releases,
                }
            }
            RecordKind::Quarantine => {
                let quarantine: QuarantineIn = serde_json::from_slice(meta)?;
                let size = quarantine.request.body;
                let original = original(quarantine.request, Bytes::new());
                Self::Quarantine(Box::new(QuarantineEntry {
                    id: quarantine.id,
                    source: quarantine.source,
                    reason: quarantine.reason,
                    received_at: original.received_at,
                    remote: original.remote,
                    content_type: original.content_type().map(str::to_owned),
                    size,
                }))
            }
            RecordKind::Outcome => Self::Outcome(serde_json::from_slice(meta)?),
            RecordKind::PlanAgain => Self::PlanAgain(serde_json::from_slice(meta)?),
            RecordKind::Retry => Self::Retry(serde_json::from_slice(meta)?),
            RecordKind::Target => Self::Target(serde_json::from_slice(meta)?),
            RecordKind::Purge => Self::Purge(serde_json::from_slice(meta)?),
            RecordKind::Carry => Self::Carry(serde_json::from_slice(meta)?),
            RecordKind::Fetched => Self::Fetched(serde_json::from_slice(meta)?),
            RecordKind::Forgot => Self::Forgot(serde_json::from_slice(meta)?),
            RecordKind::Worked => Self::Worked(serde_json::from_slice(meta)?),
            RecordKind::Erased => Self::Erased,
            RecordKind::Seal => Self::Seal,
        })
    }
}
