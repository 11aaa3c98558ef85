//! The event: one thing one camera or analytics system reported, in neutral form.
//!
//! Vendors' words stop at `sources`; from here on a field has one name and one meaning. What a vendor did not tell is
//! `None` or empty. The derived `Serialize` is the part that the store keeps beside the request's bytes; the whole event
//! as others see it (API, files, `{{ event }}`), with pictures described and the vendor's document in full, is [`Shown`].

mod altered;
mod area;
mod id;
mod item;
mod kind;
mod moment;
mod origin;
mod original;
mod parts;
mod picture;
mod polygon;
mod read;
mod shown;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::name::Name;

pub(crate) use altered::{Altered, Boxes, Withholding};
pub(crate) use area::{Area, Pixels, Unit};
pub(crate) use id::{DeliveryId, EventId};
pub(crate) use item::Item;
pub(crate) use kind::Kind;
pub(crate) use moment::{Moment, Told, Zone};
pub(crate) use origin::{Origin, Spot, Ties};
pub(crate) use original::Original;
pub(crate) use parts::{
    Camera, Candidate, Dwell, Face, ListEntry, Object, Person, Plate, Score, Scored, Status,
    Vehicle, Video,
};
pub(crate) use picture::{Made, Picture, PictureData, Raw, Role, Size, sniff};
pub(crate) use polygon::Polygon;
pub(crate) use shown::Shown;

/// One event. Made by a source from an [`Original`], kept by the store, never changed afterwards.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: EventId,
    pub(crate) source: Name,
    /// Who made the sender: `platerecognizer`, `viewtron`, …, or `generic`.
    pub(crate) vendor: String,
    pub(crate) kind: Kind,
    /// The vendor's own word for the kind.
    pub(crate) vendor_kind: Option<String>,
    /// The vendor's own event id, always as text.
    pub(crate) vendor_id: Option<String>,
    /// The camera's clock at the moment of capture; ours when the camera told none or nonsense (then `repaired` says so).
    pub(crate) occurred_at: Moment,
    pub(crate) ended_at: Option<Moment>,
    /// Our clock when the request was complete.
    pub(crate) received_at: jiff::Timestamp,
    #[serde(default)]
    pub(crate) camera: Camera,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) plates: Vec<Plate>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) faces: Vec<Face>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) objects: Vec<Object>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) video: Option<Video>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dwell: Option<Dwell>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<Status>,
    /// Whatever else the vendor tells of the event itself, in its own words.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) attributes: Map<String, Value>,
    /// What the source had to mend to understand the request, in words; empty when nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) repaired: Vec<String>,
    /// Its pictures that are known by their address are to be fetched before it is delivered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) awaits_pictures: bool,
    /// The pictures that came with the request (and, after steps, those made from them).
    #[serde(skip)]
    pub(crate) images: Vec<Picture>,
    /// The vendor's own document.
    #[serde(skip)]
    pub(crate) raw: Raw,
    /// The request it came in, shared by all events of that request.
    #[serde(skip)]
    pub(crate) original: Arc<Original>,
    /// What steps did to its fields on the way to a target.
    #[serde(skip)]
    pub(crate) altered: Altered,
    /// Which pictures its boxes count in.
    #[serde(skip)]
    pub(crate) boxes: Boxes,
}

impl Event {
    /// An event that tells nothing yet but where it came from; `occurred_at` is the moment of arrival until the source
    /// knows better.
    pub(crate) fn new(source: Name, vendor: &str, kind: Kind, original: Arc<Original>) -> Self {
        Self {
            id: EventId::at(original.received_at),
            source,
            vendor: vendor.to_owned(),
            kind,
            vendor_kind: None,
            vendor_id: None,
            occurred_at: Moment::utc(original.received_at),
            ended_at: None,
            received_at: original.received_at,
            camera: Camera::default(),
            plates: Vec::new(),
            faces: Vec::new(),
            objects: Vec::new(),
            video: None,
            dwell: None,
            status: None,
            attributes: Map::new(),
            repaired: Vec::new(),
            awaits_pictures: false,
            images: Vec::new(),
            raw: Raw::default(),
            original,
            altered: Altered::default(),
            boxes: Boxes::default(),
        }
    }

    /// What it holds in memory: its request, and the pictures that were fetched later.
    pub(crate) fn bytes(&self) -> usize {
        let pictures = self.images.iter().filter_map(Picture::bytes);
        let fetched = pictures
            .filter(|_| self.awaits_pictures)
            .map(bytes::Bytes::len);
        self.original.body.len() + fetched.sum::<usize>()
    }

    /// The clip that came with the request, if one did.
    pub(crate) fn clip(&self) -> Option<bytes::Bytes> {
        let (start, end) = self.video.as_ref()?.range?;
        (start <= end && end <= self.original.body.len())
            .then(|| self.original.body.slice(start..end))
    }
}

fn plain(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("these types have text keys and no failing Serialize")
}
