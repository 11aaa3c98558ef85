//! What stands in the place of a record that loses something: its pictures, because they are old, or whole events, because
//! somebody asked that they be forgotten. What it then says is smaller and still true: numbers stay, and what is gone is
//! told where people look.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::index::NUMBERS_PER_RECORD;
use super::record::normal_plate;
use super::request::RequestIn;
use super::rewrite::Lesser;
use super::segment::{Record, RecordKind};
use crate::event::EventId;
use crate::fate::Plan;

/// Since when a request's bytes are gone, and by which rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Shed {
    pub(super) at: Timestamp,
    pub(super) by: Rule,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Rule {
    /// Older than `store.pictures.keep`.
    Age,
    /// Beyond `store.pictures.max_size` or `store.max_size`.
    Size,
    /// Another event of its request was forgotten.
    Forgotten,
}

/// An event of a request that was forgotten: the numbers of the others stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gap {
    /// Which one it was, counted from 0.
    pub(super) at: i64,
    /// How many deliveries it had.
    pub(super) deliveries: i64,
}

/// What is to be forgotten, as records know it.
#[derive(Default)]
pub(super) struct Erasure {
    /// Numbers of events, and the ids of these and of quarantined requests.
    pub(super) events: HashSet<i64>,
    pub(super) ids: HashSet<EventId>,
    pub(super) quarantined: HashSet<i64>,
    pub(super) deliveries: HashSet<i64>,
    /// Normalised plates, which steps may remember.
    pub(super) texts: Vec<String>,
}

type Stretch = (u64, u64);

/// A text shorter than this is looked for as a whole only: it is in many others.
const PART_MIN: usize = 4;

impl Rule {
    /// The setting, or what was asked.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Age => "store.pictures.keep",
            Self::Size => "store.pictures.max_size",
            Self::Forgotten => "camhook forget",
        }
    }
}

impl Shed {
    /// For people, in the event's `repaired`.
    pub(super) fn note(&self) -> String {
        let day = self.at.strftime("%Y-%m-%d %H:%M UTC");
        match self.by {
            Rule::Age | Rule::Size => format!(
                "its pictures and the request as it came were removed on {day} by `{}`",
                self.by.word()
            ),
            Rule::Forgotten => format!(
                "its pictures and the request as it came were removed on {day}: another event of that request was forgotten"
            ),
        }
    }
}

/// A request, or fetched pictures, without pictures. What the vendor told stays where it is apart from them; a document that
/// holds a picture itself (as base64) goes with it. `None` when there is nothing to remove.
pub(super) fn without_pictures(record: &Record, shed: &Shed) -> Result<Option<Lesser>, String> {
    match record.kind {
        RecordKind::Request => request_without_pictures(record, shed),
        RecordKind::Fetched => {
            let mut meta = parsed(&record.meta)?;
            if list(&meta["pictures"]).is_empty() {
                return Ok(None);
            }
            meta["pictures"] = json!([]);
            let mut notes = list(&meta["notes"]).to_vec();
            notes.push(shed.note().into());
            meta["notes"] = notes.into();
            Ok(Some(lesser(record.kind, &meta, vec![])))
        }
        RecordKind::Quarantine
        | RecordKind::Outcome
        | RecordKind::PlanAgain
        | RecordKind::Retry
        | RecordKind::Target
        | RecordKind::Purge
        | RecordKind::Carry
        | RecordKind::Seal
        | RecordKind::Erased
        | RecordKind::Forgot
        | RecordKind::Worked => Ok(None),
    }
}

fn request_without_pictures(record: &Record, shed: &Shed) -> Result<Option<Lesser>, String> {
    let request: RequestIn =
        serde_json::from_slice(&record.meta).map_err(|error| error.to_string())?;
    if request.shed.is_some() {
        return Ok(None);
    }
    let body = request.request.body;
    let mut pictures: Vec<Stretch> = Vec::new();
    for stored in &request.events {
        pictures.extend(stored.images.iter().filter_map(|image| image.bytes));
        let clip = stored.event.video.as_ref().and_then(|video| video.range);
        pictures.extend(clip.map(|(start, end)| (start as u64, (end.max(start) - start) as u64)));
    }
    if pictures.is_empty() {
        return Ok(None);
    }
    // A picture behind the body was decoded from a text within it.
    let apart = pictures.iter().all(|(start, len)| start + len <= body);
    let overlap = |a: Stretch, b: Stretch| a.0 < b.0 + b.1 && b.0 < a.0 + a.1;
    let stays = |raw: Stretch| apart && !pictures.iter().any(|picture| overlap(*picture, raw));
    let mut meta = parsed(&record.meta)?;
    let (mut payload, mut bytes) = (Vec::new(), 0);
    let mut placed: HashMap<Stretch, u64> = HashMap::new();
    for (n, stored) in request.events.iter().enumerate() {
        let raw = if stored.raw.1 > 0 && stays(stored.raw) {
            let start = match placed.get(&stored.raw) {
                Some(start) => *start,
                None => {
                    payload.push(super::request::stretch(&record.payload, stored.raw)?);
                    placed.insert(stored.raw, bytes);
                    bytes += stored.raw.1;
                    bytes - stored.raw.1
                }
            };
            (start, stored.raw.1)
        } else {
            (0, 0)
        };
        bare(&mut meta["events"][n], raw);
    }
    meta["request"]["body"] = 0.into();
    meta["shed"] = serde_json::to_value(shed).map_err(|error| error.to_string())?;
    Ok(Some(lesser(record.kind, &meta, payload)))
}

/// An event of a request whose bytes are gone, but for its document.
fn bare(stored: &mut Value, raw: Stretch) {
    stored["raw"] = json!([raw.0, raw.1]);
    drop_from(stored.get_mut("images"), |image| !image["bytes"].is_null());
    if let Some(Value::Object(video)) = stored.pointer_mut("/event/video") {
        video.remove("range");
    }
}

impl Erasure {
    /// Whether a text, whatever stands between its letters, tells one of the plates.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let normal = normal_plate(text);
        self.texts.iter().any(|plate| {
            normal == *plate || plate.chars().count() >= PART_MIN && normal.contains(&**plate)
        })
    }

    /// Whether it is the number of an event, a quarantined request or a delivery of it.
    pub(super) fn has(&self, number: i64) -> bool {
        self.events.contains(&number)
            || self.quarantined.contains(&number)
            || self.deliveries.contains(&number)
    }

    pub(super) fn is_event(&self, id: &Value) -> bool {
        let id = id.as_str().and_then(|id| id.parse::<EventId>().ok());
        id.is_some_and(|id| self.ids.contains(&id))
    }

    /// What is left of a record; `None` when it tells nothing of what is to be forgotten. `payload` may be left out to learn
    /// just that.
    pub(super) fn rest_of(
        &self,
        lsn: u64,
        kind: RecordKind,
        meta: &[u8],
        payload: Option<&Bytes>,
    ) -> Result<Option<Lesser>, String> {
        match kind {
            RecordKind::Request => self.rest_of_request(lsn, meta, payload),
            RecordKind::Quarantine => Ok(self
                .is_event(&parsed(meta)?["id"])
                .then(|| lesser(RecordKind::Erased, &json!({}), vec![]))),
            RecordKind::Fetched => {
                let mut meta = parsed(meta)?;
                if !self.is_event(&meta["event"]) || list(&meta["pictures"]).is_empty() {
                    return Ok(None);
                }
                meta["pictures"] = json!([]);
                meta["notes"] = json!([]);
                Ok(Some(lesser(kind, &meta, vec![])))
            }
            RecordKind::Outcome => {
                let mut meta = parsed(meta)?;
                let ours = meta["delivery"].as_i64();
                let ours = ours.is_some_and(|number| self.deliveries.contains(&number));
                if !ours || meta["attempt"].is_null() {
                    return Ok(None);
                }
                meta["attempt"] = Value::Null;
                Ok(Some(lesser(kind, &meta, vec![])))
            }
            RecordKind::PlanAgain => {
                let mut meta = parsed(meta)?;
                let nothing = serde_json::to_value(Plan::default()).unwrap_or_default();
                if self.is_event(&meta["event"]) && meta["plan"] != nothing {
                    meta["plan"] = nothing;
                } else if !self.unjoin(meta.pointer_mut("/plan/joined")) {
                    return Ok(None);
                }
                Ok(Some(lesser(kind, &meta, vec![])))
            }
            RecordKind::Carry => {
                let mut meta = parsed(meta)?;
                let is_ours = |number: &Value| {
                    let number = number.as_i64();
                    number.is_some_and(|number| self.events.contains(&number))
                };
                let mut changed =
                    drop_from(meta.get_mut("deliveries"), |one| is_ours(&one["event"]));
                changed |= drop_from(meta.get_mut("plans"), |one| is_ours(&one[0]));
                changed |= self.unjoin(meta.get_mut("joined"));
                changed |= self.unremember(meta.get_mut("remembered"));
                changed |= self.unsay_each(meta.get_mut("jobs"));
                Ok(changed.then(|| lesser(kind, &meta, vec![])))
            }
            RecordKind::Worked => self.rest_of_worked(meta),
            RecordKind::Retry
            | RecordKind::Target
            | RecordKind::Purge
            | RecordKind::Seal
            | RecordKind::Erased
            | RecordKind::Forgot => Ok(None),
        }
    }

    fn rest_of_request(
        &self,
        lsn: u64,
        meta: &[u8],
        payload: Option<&Bytes>,
    ) -> Result<Option<Lesser>, String> {
        let told = |error: serde_json::Error| error.to_string();
        let mut value = parsed(meta)?;
        let mut gaps: Vec<Gap> = match value.get("gaps") {
            Some(gaps) => serde_json::from_value(gaps.clone()).map_err(told)?,
            None => vec![],
        };
        let stored = list(&value["events"]).to_vec();
        let (mut stay, mut slot) = (Vec::with_capacity(stored.len()), 0);
        let mut forgotten = false;
        for one in stored {
            while gaps.iter().any(|gap| gap.at == slot) {
                slot += 1;
            }
            let number = lsn as i64 * NUMBERS_PER_RECORD + slot;
            if self.events.contains(&number) {
                let deliveries = list(&one["plan"]["deliveries"]).len() as i64;
                gaps.push(Gap {
                    at: slot,
                    deliveries,
                });
                forgotten = true;
            } else {
                stay.push(one);
            }
            slot += 1;
        }
        let mut changed = forgotten;
        for one in &mut stay {
            changed |= self.unjoin(one.pointer_mut("/plan/joined"));
        }
        changed |= self.unremember(value.get_mut("remembered"));
        if !changed {
            return Ok(None);
        }
        let mut kept = payload.cloned().unwrap_or_default();
        if forgotten {
            // Whose bytes are whose in a request cannot be told, so those of the others go as well.
            stay.iter_mut().for_each(|one| bare(one, (0, 0)));
            let shed = Shed {
                at: at_of(&value),
                by: Rule::Forgotten,
            };
            if !stay.is_empty() {
                value["shed"] = serde_json::to_value(shed).map_err(told)?;
            }
            gaps.sort_by_key(|gap| gap.at);
            value["gaps"] = serde_json::to_value(gaps).map_err(told)?;
            let request = &mut value["request"];
            request["body"] = 0.into();
            request["headers"] = json!([]);
            let path = request["path"].as_str().unwrap_or_default();
            // The last part of a path or its query may be the plate.
            let path = path.split('?').next().unwrap_or_default().to_owned();
            let path = if self.is_in(&path) { "/" } else { &path };
            request["path"] = path.into();
            kept = Bytes::new();
        }
        value["events"] = stay.into();
        // Zeros at the end may be a hole already, and stay one.
        let end = kept
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |n| n + 1);
        let end = end.max(needed(&value)).min(kept.len());
        Ok(Some(lesser(
            RecordKind::Request,
            &value,
            vec![kept.slice(..end)],
        )))
    }

    pub(super) fn unjoin(&self, joined: Option<&mut Value>) -> bool {
        drop_from(joined, |one| {
            self.is_event(&one["part"]["id"]) || self.is_event(&one["into"])
        })
    }

    fn unremember(&self, remembered: Option<&mut Value>) -> bool {
        drop_from(remembered, |one| {
            ["key", "state"]
                .iter()
                .any(|field| one[*field].as_str().is_some_and(|text| self.is_in(text)))
        })
    }
}

/// When a request was made safe, as it says itself.
fn at_of(request: &Value) -> Timestamp {
    let at = request["at"].as_str().and_then(|at| at.parse().ok());
    at.unwrap_or(Timestamp::UNIX_EPOCH)
}

/// How much of the payload a request's metadata speaks of.
fn needed(request: &Value) -> usize {
    let end = |stretch: &Value| {
        let part = |n: usize| stretch[n].as_u64().unwrap_or(0);
        part(0) + part(1)
    };
    let mut needed = request["request"]["body"].as_u64().unwrap_or(0);
    for one in list(&request["events"]) {
        needed = needed.max(end(&one["raw"]));
        for image in list(&one["images"]) {
            needed = needed.max(end(&image["bytes"]));
        }
    }
    usize::try_from(needed).unwrap_or(usize::MAX)
}

pub(super) fn drop_from(list: Option<&mut Value>, which: impl Fn(&Value) -> bool) -> bool {
    let Some(Value::Array(list)) = list else {
        return false;
    };
    let before = list.len();
    list.retain(|one| !which(one));
    list.len() < before
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn parsed(meta: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(meta).map_err(|error| error.to_string())
}

pub(super) fn lesser(kind: RecordKind, meta: &Value, payload: Vec<Bytes>) -> Lesser {
    Lesser {
        kind,
        meta: meta.to_string().into_bytes(),
        payload,
    }
}
