//! The event as others see it: in the API, in files, in `{{ event }}`. Its schema is made of the same type.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::picture::Described;
use super::{
    Camera, Dwell, Event, EventId, Face, Kind, Moment, Object, Picture, Plate, Status, Video, plain,
};
use crate::name::Name;

/// One thing that a camera or an analytics system reported. Every field is present, null where the sender told nothing;
/// `attributes` only where there are any.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Event")]
pub(crate) struct Shown<'a> {
    id: EventId,
    source: &'a Name,
    /// Who made the sender, or `generic`.
    vendor: &'a str,
    kind: Kind,
    /// The vendor's own word for the kind.
    vendor_kind: Option<&'a str>,
    /// The vendor's own event id, always as text.
    vendor_id: Option<&'a str>,
    /// By the camera's clock; by camhook's when the camera told nothing of use, and then `repaired` says so.
    occurred_at: Moment,
    ended_at: Option<Moment>,
    /// By camhook's clock.
    received_at: Timestamp,
    camera: &'a Camera,
    plates: &'a [Plate],
    faces: &'a [Face],
    objects: &'a [Object],
    images: Vec<Described<'a>>,
    video: Option<&'a Video>,
    dwell: Option<&'a Dwell>,
    status: Option<&'a Status>,
    /// What had to be mended to understand the request, in words.
    repaired: &'a [String],
    /// Where it was posted to; credentials are masked.
    path: &'a str,
    /// The sender's headers under lower-case names, its credentials masked; a repeated header is joined by a comma.
    headers: BTreeMap<String, String>,
    /// The vendor's own document; XML as a tree.
    raw: Value,
    /// Whatever else the vendor tells of the event itself, in its own words.
    #[serde(skip_serializing_if = "Map::is_empty")]
    attributes: &'a Map<String, Value>,
}

impl Event {
    /// The event as others see it.
    pub(crate) fn to_json(&self) -> Value {
        let mut json = plain(&Shown {
            id: self.id,
            source: &self.source,
            vendor: &self.vendor,
            kind: self.kind,
            vendor_kind: self.vendor_kind.as_deref(),
            vendor_id: self.vendor_id.as_deref(),
            occurred_at: self.occurred_at,
            ended_at: self.ended_at,
            received_at: self.received_at,
            camera: &self.camera,
            plates: &self.plates,
            faces: &self.faces,
            objects: &self.objects,
            images: self.images.iter().map(Picture::described).collect(),
            video: self.video.as_ref(),
            dwell: self.dwell.as_ref(),
            status: self.status.as_ref(),
            repaired: &self.repaired,
            path: &self.original.path,
            headers: self.told_headers(),
            raw: Value::Null,
            attributes: &self.attributes,
        });
        json["raw"] = self.raw.to_json(); // moved to its place, since it may be large
        json
    }

    pub(crate) fn headers(&self) -> Value {
        plain(&self.told_headers())
    }

    fn told_headers(&self) -> BTreeMap<String, String> {
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &self.original.headers {
            headers
                .entry(name.to_ascii_lowercase())
                .and_modify(|all| {
                    all.push_str(", ");
                    all.push_str(value);
                })
                .or_insert_with(|| value.clone());
        }
        headers
    }
}
