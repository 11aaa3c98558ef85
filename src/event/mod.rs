//! The event: one thing one camera or analytics system reported, in neutral form.
//!
//! Vendors' words stop at `sources`; from here on a field has one name and one meaning. What a vendor did not tell is
//! `None` or empty. The derived `Serialize` is the part that the store keeps beside the request's bytes; the whole event
//! as others see it (API, files, `{{ event }}`), with pictures described and the vendor's document in full, is [`Event::to_json`].

mod area;
mod id;
mod moment;
mod original;
mod picture;
mod read;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::name::Name;

pub(crate) use area::{Area, Pixels, Unit};
pub(crate) use id::{DeliveryId, EventId};
pub(crate) use moment::{Moment, Told, Zone};
pub(crate) use original::Original;
pub(crate) use picture::{Picture, PictureData, Raw, Role, Size, sniff};

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
    /// What the source had to mend to understand the request, in words; empty when nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) repaired: Vec<String>,
    /// The pictures that came with the request (and, after steps, those made from them).
    #[serde(skip)]
    pub(crate) images: Vec<Picture>,
    /// The vendor's own document.
    #[serde(skip)]
    pub(crate) raw: Raw,
    /// The request it came in, shared by all events of that request.
    #[serde(skip)]
    pub(crate) original: Arc<Original>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Plate,
    Face,
    Object,
    Track,
    Motion,
    Intrusion,
    LineCrossing,
    RegionEntry,
    RegionExit,
    Loitering,
    Parking,
    Counting,
    Dwell,
    Video,
    Status,
    Heartbeat,
    Other,
}

impl Kind {
    pub(crate) const ALL: [Self; 17] = [
        Self::Plate,
        Self::Face,
        Self::Object,
        Self::Track,
        Self::Motion,
        Self::Intrusion,
        Self::LineCrossing,
        Self::RegionEntry,
        Self::RegionExit,
        Self::Loitering,
        Self::Parking,
        Self::Counting,
        Self::Dwell,
        Self::Video,
        Self::Status,
        Self::Heartbeat,
        Self::Other,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Plate => "plate",
            Self::Face => "face",
            Self::Object => "object",
            Self::Track => "track",
            Self::Motion => "motion",
            Self::Intrusion => "intrusion",
            Self::LineCrossing => "line_crossing",
            Self::RegionEntry => "region_entry",
            Self::RegionExit => "region_exit",
            Self::Loitering => "loitering",
            Self::Parking => "parking",
            Self::Counting => "counting",
            Self::Dwell => "dwell",
            Self::Video => "video",
            Self::Status => "status",
            Self::Heartbeat => "heartbeat",
            Self::Other => "other",
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Camera {
    /// What the sender calls the camera; deliveries with `order: camera` follow it.
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) channel: Option<String>,
    pub(crate) mac: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) ip: Option<String>,
    /// Degrees, WGS 84.
    pub(crate) latitude: Option<f64>,
    pub(crate) longitude: Option<f64>,
    pub(crate) address: Option<String>,
    pub(crate) tags: Vec<String>,
}

/// One plate read, or one vehicle whose plate was not (then `text` is `None`).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Plate {
    /// As read: the vendor's case and script, no separators added or removed.
    pub(crate) text: Option<String>,
    /// How sure the reader is of the text.
    pub(crate) score: Option<Score>,
    /// How sure the reader is that there is a plate at all.
    pub(crate) detection_score: Option<Score>,
    /// The vendor's region code, such as `us-ca`.
    pub(crate) region: Option<String>,
    pub(crate) region_score: Option<Score>,
    /// ISO 3166 alpha-2 in lower case, where it follows from the region.
    pub(crate) country: Option<String>,
    #[serde(rename = "box")]
    pub(crate) area: Option<Area>,
    pub(crate) candidates: Vec<Candidate>,
    /// Degrees from 0 to 359, counter-clockwise, 90 is up the picture.
    pub(crate) direction: Option<f64>,
    /// A vendor's word for the direction of travel.
    pub(crate) heading: Option<String>,
    pub(crate) orientation: Vec<Scored>,
    /// As the vendor tells it; Plate Recognizer documents no unit.
    pub(crate) speed: Option<f64>,
    pub(crate) vehicle: Option<Vehicle>,
    pub(crate) list: Option<ListEntry>,
    pub(crate) owner: Option<String>,
    pub(crate) user_data: Option<Value>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Candidate {
    pub(crate) text: String,
    pub(crate) score: Option<Score>,
}

/// A word with how sure the vendor is of it, best first in lists.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Scored {
    pub(crate) value: String,
    pub(crate) score: Option<Score>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Vehicle {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) score: Option<Score>,
    #[serde(rename = "box")]
    pub(crate) area: Option<Area>,
    pub(crate) make: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) year: Option<String>,
    /// The best of `colors`.
    pub(crate) color: Option<String>,
    pub(crate) colors: Vec<Scored>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ListEntry {
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) level: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Face {
    pub(crate) person: Option<Person>,
    pub(crate) similarity: Option<Score>,
    /// Whatever the vendor tells of a face, in its own words.
    pub(crate) attributes: Map<String, Value>,
    pub(crate) list: Option<ListEntry>,
    #[serde(rename = "box")]
    pub(crate) area: Option<Area>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Person {
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Object {
    pub(crate) class: Option<String>,
    pub(crate) score: Option<Score>,
    #[serde(rename = "box")]
    pub(crate) area: Option<Area>,
    pub(crate) track_id: Option<String>,
    pub(crate) velocity: Option<f64>,
    pub(crate) direction: Option<f64>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Video {
    pub(crate) filename: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) content_type: Option<String>,
    /// Where the clip lies in the body of the original request, if it came along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) range: Option<(usize, usize)>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Dwell {
    pub(crate) seconds: Option<f64>,
    pub(crate) first_seen: Option<Moment>,
    pub(crate) last_seen: Option<Moment>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    pub(crate) name: Option<String>,
    pub(crate) active: Option<bool>,
    pub(crate) rule: Option<String>,
}

/// A fraction from 0 to 1: what vendors call score, confidence or probability.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Score(f64);

impl Score {
    /// `None` for what is not a number from 0 to 1.
    pub(crate) fn from_fraction(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    /// `None` for what is not a number from 0 to 100.
    pub(crate) fn from_percent(value: f64) -> Option<Self> {
        Self::from_fraction(value / 100.0)
    }

    pub(crate) fn fraction(self) -> f64 {
        self.0
    }
}

/// One plate, face or object of an event, counted from 0; written `plates/0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Item {
    Plate(usize),
    Face(usize),
    Object(usize),
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plate(n) => write!(f, "plates/{n}"),
            Self::Face(n) => write!(f, "faces/{n}"),
            Self::Object(n) => write!(f, "objects/{n}"),
        }
    }
}

impl From<Item> for String {
    fn from(item: Item) -> Self {
        item.to_string()
    }
}

impl TryFrom<String> for Item {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let parse = || {
            let (list, n) = text.split_once('/')?;
            let n = n.parse().ok()?;
            match list {
                "plates" => Some(Self::Plate(n)),
                "faces" => Some(Self::Face(n)),
                "objects" => Some(Self::Object(n)),
                _ => None,
            }
        };
        parse()
            .ok_or_else(|| format!("`{text}` is no item: expected plates/N, faces/N or objects/N"))
    }
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
            repaired: Vec::new(),
            images: Vec::new(),
            raw: Raw::default(),
            original,
        }
    }

    /// The event as others see it: every field present, null where the vendor told nothing.
    pub(crate) fn to_json(&self) -> Value {
        let mut json = Map::new();
        let mut put = |name: &str, value: Value| json.insert(name.to_owned(), value);
        put("id", text(&self.id));
        put("source", text(&self.source));
        put("vendor", self.vendor.clone().into());
        put("kind", self.kind.as_str().into());
        put("vendor_kind", plain(&self.vendor_kind));
        put("vendor_id", plain(&self.vendor_id));
        put("occurred_at", plain(&self.occurred_at));
        put("ended_at", plain(&self.ended_at));
        put("received_at", plain(&self.received_at));
        put("camera", plain(&self.camera));
        put("plates", plain(&self.plates));
        put("faces", plain(&self.faces));
        put("objects", plain(&self.objects));
        put(
            "images",
            self.images.iter().map(Picture::describe).collect(),
        );
        put("video", plain(&self.video));
        put("dwell", plain(&self.dwell));
        put("status", plain(&self.status));
        put("repaired", plain(&self.repaired));
        put("path", self.original.path.clone().into());
        put("headers", self.headers());
        put("raw", self.raw.to_json());
        Value::Object(json)
    }

    /// The sender's headers under lower-case names, its credentials masked; a repeated header is joined by a comma.
    pub(crate) fn headers(&self) -> Value {
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
        plain(&headers)
    }

    /// The clip that came with the request, if one did.
    pub(crate) fn clip(&self) -> Option<bytes::Bytes> {
        let (start, end) = self.video.as_ref()?.range?;
        (start <= end && end <= self.original.body.len())
            .then(|| self.original.body.slice(start..end))
    }
}

fn text(value: &impl ToString) -> Value {
    Value::String(value.to_string())
}

fn plain(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("these types have text keys and no failing Serialize")
}
