//! What records say: the disk form of requests, outcomes and the rest, as JSON metadata beside the raw payload.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::log::{Draft, Record};
use super::segment::RecordKind;
use super::{Intake, RetryQuery, Settled, TargetState, Unread};
use crate::event::{Event, EventId, Item, Original, Picture, PictureData, Raw, Role};
use crate::fate::{Attempt, Fate, Plan};
use crate::name::Name;

/// A stretch of the payload: (first byte, length).
type Stretch = (u64, u64);

#[derive(Serialize)]
struct HeadOut<'a> {
    method: &'a str,
    path: &'a str,
    headers: &'a [(String, String)],
    remote: Option<IpAddr>,
    received_at: Timestamp,
    /// The body is the first so many bytes of the payload.
    body: u64,
}

#[derive(Deserialize)]
struct HeadIn {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    remote: Option<IpAddr>,
    received_at: Timestamp,
    body: u64,
}

#[derive(Serialize)]
struct EventOut<'a> {
    event: &'a Event,
    images: Vec<ImageForm>,
    raw: Stretch,
    plan: &'a Plan,
}

#[derive(Deserialize)]
struct EventIn {
    event: Event,
    images: Vec<ImageForm>,
    raw: Stretch,
    plan: Plan,
}

#[derive(Serialize, Deserialize)]
struct ImageForm {
    role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    item: Option<Item>,
    content_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<Stretch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

#[derive(Serialize)]
struct RequestOut<'a> {
    at: Timestamp,
    request: HeadOut<'a>,
    events: Vec<EventOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    releases: Option<EventId>,
}

#[derive(Deserialize)]
struct RequestIn {
    at: Timestamp,
    request: HeadIn,
    events: Vec<EventIn>,
    #[serde(default)]
    releases: Option<EventId>,
}

#[derive(Serialize)]
struct QuarantineOut<'a> {
    at: Timestamp,
    id: EventId,
    source: &'a Name,
    reason: &'a str,
    request: HeadOut<'a>,
}

#[derive(Deserialize)]
struct QuarantineIn {
    at: Timestamp,
    id: EventId,
    source: Name,
    reason: String,
    request: HeadIn,
}

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
    pub(super) plan: Vec<PlannedRow>,
}

pub(super) use crate::fate::Planned as PlannedRow;

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
#[derive(Serialize, Deserialize)]
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
}

#[derive(Serialize, Deserialize)]
pub(super) struct Purge {
    pub(super) at: Timestamp,
    pub(super) before: Timestamp,
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
}

/// One record's meaning.
pub(super) enum What {
    Request {
        at: Timestamp,
        events: Vec<EventRow>,
        releases: Option<EventId>,
    },
    Quarantine(Box<QuarantineEntry>),
    Outcome(Box<Outcome>),
    PlanAgain(Box<PlanAgain>),
    Retry(Retry),
    Target(Steered),
    Purge(Purge),
    Carry(Box<Carry>),
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
    pub(super) fn of(event: &Event, plan: &Plan) -> Self {
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
            plan: plan.deliveries.clone(),
        }
    }
}

/// Collects what lies outside of the body, behind it.
struct Payload<'a> {
    body: &'a Bytes,
    parts: Vec<Bytes>,
    bytes: u64,
}

impl<'a> Payload<'a> {
    fn new(body: &'a Bytes) -> Self {
        let parts = if body.is_empty() {
            vec![]
        } else {
            vec![body.clone()]
        };
        Self {
            body,
            parts,
            bytes: body.len() as u64,
        }
    }

    /// Where these bytes are in the payload; a slice of the body is known by its address and not stored again.
    fn place(&mut self, bytes: &Bytes) -> Stretch {
        let len = bytes.len() as u64;
        if len == 0 {
            return (0, 0);
        }
        let (body, slice) = (self.body.as_ptr() as usize, bytes.as_ptr() as usize);
        if slice >= body && slice + bytes.len() <= body + self.body.len() {
            return ((slice - body) as u64, len);
        }
        let start = self.bytes;
        self.parts.push(bytes.clone());
        self.bytes += len;
        (start, len)
    }
}

fn head(original: &Original) -> HeadOut<'_> {
    HeadOut {
        method: &original.method,
        path: &original.path,
        headers: &original.headers,
        remote: original.remote,
        received_at: original.received_at,
        body: original.body.len() as u64,
    }
}

/// A record, or what cannot be said in JSON.
fn draft(
    kind: RecordKind,
    meta: &impl Serialize,
    payload: Vec<Bytes>,
) -> Result<Draft, serde_json::Error> {
    let mut bytes = Vec::with_capacity(1024);
    serde_json::to_writer(&mut bytes, meta)?;
    Ok(Draft::new(kind, bytes, payload))
}

pub(super) fn request(
    intake: &Intake,
    at: Timestamp,
    releases: Option<EventId>,
) -> Result<(Draft, What), serde_json::Error> {
    let mut payload = Payload::new(&intake.original.body);
    let mut events = Vec::with_capacity(intake.events.len());
    let mut rows = Vec::with_capacity(intake.events.len());
    for (event, plan) in &intake.events {
        let mut images = Vec::with_capacity(event.images.len());
        for picture in &event.images {
            let (bytes, url) = match &picture.data {
                PictureData::Bytes(bytes) => (Some(payload.place(bytes)), None),
                PictureData::Url(url) => (None, Some(url.clone())),
            };
            images.push(ImageForm {
                role: picture.role.clone(),
                item: picture.item,
                content_type: picture.content_type.clone(),
                bytes,
                url,
            });
        }
        let raw = payload.place(event.raw.text());
        events.push(EventOut {
            event,
            images,
            raw,
            plan,
        });
        rows.push(EventRow::of(event, plan));
    }
    let meta = RequestOut {
        at,
        request: head(&intake.original),
        events,
        releases,
    };
    let draft = draft(RecordKind::Request, &meta, payload.parts)?;
    Ok((
        draft,
        What::Request {
            at,
            events: rows,
            releases,
        },
    ))
}

pub(super) fn quarantine(
    unread: &Unread,
    id: EventId,
    at: Timestamp,
) -> Result<(Draft, What), serde_json::Error> {
    let original = &unread.original;
    let meta = QuarantineOut {
        at,
        id,
        source: &unread.source,
        reason: &unread.reason,
        request: head(original),
    };
    let draft = draft(
        RecordKind::Quarantine,
        &meta,
        Payload::new(&original.body).parts,
    )?;
    let entry = QuarantineEntry {
        id,
        source: unread.source.clone(),
        reason: unread.reason.clone(),
        received_at: original.received_at,
        remote: original.remote,
        content_type: original.content_type().map(str::to_owned),
        size: original.body.len() as u64,
    };
    Ok((draft, What::Quarantine(Box::new(entry))))
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
            Self::Seal => Ok(Draft::new(RecordKind::Seal, vec![], vec![])),
            Self::Request { .. } | Self::Quarantine(_) => Err(serde::ser::Error::custom(
                "a request is drafted with its payload",
            )),
        }
    }

    /// What a record read back means to the index.
    pub(super) fn of(record: &Record) -> Result<Self, serde_json::Error> {
        let meta = &record.meta[..];
        Ok(match record.kind {
            RecordKind::Request => {
                let request: RequestIn = serde_json::from_slice(meta)?;
                let rows = request.events.iter();
                Self::Request {
                    at: request.at,
                    events: rows.map(|e| EventRow::of(&e.event, &e.plan)).collect(),
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
            RecordKind::Seal => Self::Seal,
        })
    }
}

fn original(head: HeadIn, body: Bytes) -> Original {
    Original {
        method: head.method,
        path: head.path,
        headers: head.headers,
        remote: head.remote,
        received_at: head.received_at,
        body,
    }
}

fn stretch(payload: &Bytes, (start, len): Stretch) -> Result<Bytes, String> {
    let end = start
        .checked_add(len)
        .filter(|end| *end <= payload.len() as u64);
    let end = end.ok_or("a picture lies outside of its record")?;
    Ok(payload.slice(start as usize..end as usize))
}

/// All events of a request, their pictures, documents and clips slices of the record's buffer.
pub(super) fn events(record: &Record) -> Result<Vec<(Arc<Event>, Plan)>, String> {
    let request: RequestIn =
        serde_json::from_slice(&record.meta).map_err(|error| error.to_string())?;
    let body = stretch(&record.payload, (0, request.request.body))?;
    let original = Arc::new(original(request.request, body));
    let mut events = Vec::with_capacity(request.events.len());
    for stored in request.events {
        let mut event = stored.event;
        for image in stored.images {
            let data = match (image.bytes, image.url) {
                (Some(at), _) => PictureData::Bytes(stretch(&record.payload, at)?),
                (None, url) => PictureData::Url(url.unwrap_or_default()),
            };
            event.images.push(Picture {
                role: image.role,
                item: image.item,
                content_type: image.content_type,
                data,
            });
        }
        event.raw = Raw::from_text(stretch(&record.payload, stored.raw)?);
        event.original = original.clone();
        events.push((Arc::new(event), stored.plan));
    }
    Ok(events)
}

/// A quarantined request as it came.
pub(super) fn unread(record: &Record) -> Result<Unread, String> {
    let quarantine: QuarantineIn =
        serde_json::from_slice(&record.meta).map_err(|error| error.to_string())?;
    let body = stretch(&record.payload, (0, quarantine.request.body))?;
    Ok(Unread {
        source: quarantine.source,
        original: Arc::new(original(quarantine.request, body)),
        reason: quarantine.reason,
    })
}
