//! The disk form of requests: JSON metadata beside the raw payload, whose pictures are known by their place in it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::catalog::Record;
use super::log::Draft;
use super::record::{EventRow, QuarantineEntry, What, draft};
use super::redact::{Gap, Shed};
use super::segment::{Head, RecordKind};
use super::{Intake, Kept, Unread};
use crate::decide::{Change, Written};
use crate::event::{Event, EventId, Item, Original, Picture, PictureData, Raw, Role, Withholding};
use crate::fate::Plan;
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
pub(super) struct HeadIn {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) remote: Option<IpAddr>,
    pub(super) received_at: Timestamp,
    pub(super) body: u64,
}

#[derive(Serialize)]
struct EventOut<'a> {
    event: &'a Event,
    images: Vec<ImageForm>,
    raw: Stretch,
    plan: &'a Plan,
}

#[derive(Deserialize)]
pub(super) struct EventIn {
    pub(super) event: Event,
    pub(super) images: Vec<ImageForm>,
    pub(super) raw: Stretch,
    pub(super) plan: Plan,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ImageForm {
    role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    item: Option<Item>,
    content_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) bytes: Option<Stretch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

#[derive(Serialize)]
struct RequestOut<'a> {
    at: Timestamp,
    request: HeadOut<'a>,
    events: Vec<EventOut<'a>>,
    #[serde(skip_serializing_if = "<[Change]>::is_empty")]
    remembered: &'a [Change],
    #[serde(skip_serializing_if = "Option::is_none")]
    releases: Option<EventId>,
}

#[derive(Deserialize)]
pub(super) struct RequestIn {
    pub(super) at: Timestamp,
    pub(super) request: HeadIn,
    pub(super) events: Vec<EventIn>,
    #[serde(default)]
    pub(super) remembered: Vec<Change>,
    #[serde(default)]
    pub(super) releases: Option<EventId>,
    /// Its pictures and body were removed since.
    #[serde(default)]
    pub(super) shed: Option<Shed>,
    /// Events that were forgotten since.
    #[serde(default)]
    pub(super) gaps: Vec<Gap>,
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
pub(super) struct QuarantineIn {
    pub(super) id: EventId,
    pub(super) source: Name,
    pub(super) reason: String,
    pub(super) request: HeadIn,
}

/// Collects what lies outside of the body, behind it.
struct Payload<'a> {
    body: &'a Bytes,
    /// Kept until all is placed, so that no two have the same address by turns.
    parts: Vec<Bytes>,
    /// Where parts begin, by their address and length.
    placed: HashMap<(usize, usize), u64>,
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
            placed: HashMap::new(),
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
        // Events of one request often share a picture or a document.
        let key = (slice, bytes.len());
        if let Some(start) = self.placed.get(&key) {
            return (*start, len);
        }
        let start = self.bytes;
        self.placed.insert(key, start);
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

/// The record of a request, what it means to the index, and the events that are about to be delivered.
pub(super) fn request(
    intake: Intake,
    remembered: &[Change],
    at: Timestamp,
    releases: Option<EventId>,
) -> Result<(Draft, What, Vec<Kept>), serde_json::Error> {
    let mut payload = Payload::new(&intake.original.body);
    let mut events = Vec::with_capacity(intake.events.len());
    for (event, plan) in &intake.events {
        let mut images = Vec::with_capacity(event.images.len());
        for picture in &event.images {
            let (bytes, url) = match &picture.data {
                PictureData::Bytes(bytes) => (Some(payload.place(bytes)), None),
                PictureData::Url(url) => (None, Some(url.clone())),
                PictureData::Made(made) => (made.bytes().map(|bytes| payload.place(bytes)), None),
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
    }
    let meta = RequestOut {
        at,
        request: head(&intake.original),
        events,
        remembered,
        releases,
    };
    let draft = draft(RecordKind::Request, &meta, payload.parts)?;
    let mut rows = Vec::with_capacity(intake.events.len());
    let mut to_deliver = Vec::new();
    for (event, plan) in intake.events {
        let plan = Arc::new(plan);
        rows.push(EventRow::of(&event, plan.clone()));
        if !plan.deliveries.is_empty() && !event.awaits_pictures {
            to_deliver.push(Kept { event, plan });
        }
    }
    let what = What::Request {
        at,
        events: rows,
        gaps: vec![],
        remembered: remembered.to_vec(),
        releases,
    };
    Ok((draft, what, to_deliver))
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

pub(super) fn original(head: HeadIn, body: Bytes) -> Original {
    Original {
        method: head.method,
        path: head.path,
        headers: head.headers,
        remote: head.remote,
        received_at: head.received_at,
        body,
    }
}

pub(super) fn stretch(payload: &Bytes, (start, len): Stretch) -> Result<Bytes, String> {
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
        if let Some(shed) = &request.shed {
            event.repaired.push(shed.note());
            let (request, raw) = (true, false);
            event.withhold(shed.by.word(), Withholding { request, raw });
        }
        events.push((Arc::new(event), stored.plan));
    }
    Ok(events)
}

/// A request's events as a store would give them back, which must be as they were.
pub(crate) fn there_and_back(
    original: &Arc<Original>,
    events: &[Arc<Event>],
) -> Result<Vec<Arc<Event>>, String> {
    let intake = Intake {
        original: original.clone(),
        events: events
            .iter()
            .map(|event| (event.clone(), Plan::default()))
            .collect(),
        written: Written::default(),
    };
    let drafted = request(intake, &[], original.received_at, None);
    let (draft, _, _) = drafted.map_err(|error| error.to_string())?;
    let record = Record {
        head: Head::default(),
        kind: draft.kind,
        meta: draft.meta.into(),
        payload: draft.payload.concat().into(),
    };
    let events = self::events(&record)?;
    Ok(events.into_iter().map(|(event, _)| event).collect())
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
