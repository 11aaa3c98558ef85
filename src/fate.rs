//! What becomes of an event: the plan made on arrival, its deliveries, their attempts and fates.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{DeliveryId, Event, EventId, Item, Moment, Picture, Role, Score};
use crate::name::Name;

/// What the routes decided for one event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) routes: Vec<Choice>,
    pub(crate) deliveries: Vec<Planned>,
    /// Deliveries of earlier events that this one ends, and what of this event itself went into an earlier one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) joined: Vec<Joined>,
}

impl Plan {
    /// Takes a target out; a route that leads nowhere else is filtered, and says why.
    pub(crate) fn without(&mut self, target: &str, why: &str) {
        let gone = |planned: &Planned| planned.target.as_str() == target;
        for choice in &mut self.routes {
            let of_it = |planned: &&Planned| planned.route == choice.route;
            let mut planned = self.deliveries.iter().filter(of_it).peekable();
            if planned.peek().is_some() && planned.all(gone) {
                choice.filtered_by = Some(why.to_owned());
            }
        }
        self.deliveries.retain(|planned| !gone(planned));
    }
}

/// What one route decided; routes whose `from` does not name the event's source are not told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Choice {
    pub(crate) route: Name,
    /// The condition that said no (for every item, if the route has `each`); `None` when deliveries were planned.
    pub(crate) filtered_by: Option<String>,
    /// Items that a deciding step filtered while others went on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) left_out: Vec<LeftOut>,
}

/// An item that is not delivered, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct LeftOut {
    pub(crate) item: Item,
    pub(crate) reason: String,
}

/// A delivery to be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Planned {
    pub(crate) id: DeliveryId,
    pub(crate) route: Name,
    pub(crate) target: Name,
    pub(crate) item: Option<Item>,
    /// It is held until then, because another event may yet take its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_before: Option<Timestamp>,
}

/// An event, or one item of it, that a route delivers as a part of another: it was the same, or the two are a pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Joined {
    pub(crate) route: Name,
    /// What is not delivered by itself. Its delivery, if one waits that was never tried, is filtered.
    pub(crate) part: Part,
    pub(crate) into: EventId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) into_item: Option<Item>,
    pub(crate) how: How,
    /// In words, with the step's name.
    pub(crate) why: String,
}

impl Joined {
    /// Of all that went into an event on any route, what went into one delivery of it, in the order of capture: its own
    /// parts, and theirs.
    pub(crate) fn into_delivery(
        mut joined: Vec<Self>,
        event: EventId,
        route: &Name,
        item: Option<Item>,
    ) -> Vec<Self> {
        joined.retain(|joined| joined.route == *route);
        let mut wanted = vec![(event, item)];
        let mut parts = Vec::new();
        while let Some((into, into_item)) = wanted.pop() {
            let of_this = |joined: &mut Self| joined.into == into && joined.into_item == into_item;
            for joined in joined.extract_if(.., of_this) {
                wanted.push((joined.part.id, joined.part.item));
                parts.push(joined);
            }
        }
        parts.sort_by_key(|joined| (joined.part.occurred_at.instant(), joined.part.id));
        parts
    }
}

/// What is told of an event that is delivered as a part of another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Part {
    pub(crate) id: EventId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) item: Option<Item>,
    pub(crate) occurred_at: Moment,
    pub(crate) camera: Option<String>,
    /// The plate.
    pub(crate) text: Option<String>,
    pub(crate) score: Option<f64>,
}

/// What one delivery is made of, besides its event.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parts {
    /// The reads that are the same as this one, in the order of their capture; the first [`MERGED_MAX`] are told.
    pub(crate) merged: Vec<Part>,
    pub(crate) merged_count: usize,
    pub(crate) pair: Option<Pair>,
}

pub(crate) const MERGED_MAX: usize = 16;

/// The other half of a pair of cameras' reads.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) other: Arc<Event>,
    pub(crate) other_item: Option<Item>,
    pub(crate) other_is_front: bool,
}

impl Pair {
    /// Of what went into a delivery of that event, the other half of the pair it makes.
    pub(crate) fn half(joined: &[Joined], event: EventId) -> Option<&Joined> {
        joined.iter().find(|joined| Self::is_half(joined, event))
    }

    pub(crate) fn is_half(joined: &Joined, event: EventId) -> bool {
        joined.how.is_half() && joined.into == event
    }

    /// With the event of that half.
    pub(crate) fn with(half: &Joined, other: Arc<Event>) -> Self {
        Self {
            other,
            other_item: half.part.item,
            other_is_front: half.how == How::Front,
        }
    }

    /// The same pair, seen from its other half.
    pub(crate) fn turned(&self, own: &Arc<Event>, own_item: Option<Item>) -> Self {
        Self {
            other: Arc::clone(own),
            other_item: own_item,
            other_is_front: !self.other_is_front,
        }
    }

    /// What comes before the role of the other half's pictures: `front_frame`.
    pub(crate) fn other_prefix(&self) -> &'static str {
        if self.other_is_front { FRONT } else { REAR }
    }

    pub(crate) fn own_prefix(&self) -> &'static str {
        if self.other_is_front { REAR } else { FRONT }
    }

    /// The other half's pictures under roles of their own, of each role that of its item or else the first.
    pub(crate) fn pictures(&self) -> Vec<Picture> {
        let mut pictures: Vec<Picture> = Vec::new();
        for picture in &self.other.images {
            let role = Role::named(&format!("{}{}", self.other_prefix(), picture.role.as_str()));
            let fits = picture.item.is_some() && picture.item == self.other_item;
            let known = pictures.iter().position(|known| known.role == role);
            let picture = Picture {
                role,
                item: None,
                ..picture.clone()
            };
            match known {
                None => pictures.push(picture),
                Some(n) if fits => pictures[n] = picture,
                Some(_) => {}
            }
        }
        pictures
    }
}

/// The roles that the pictures of both halves have.
pub(crate) fn pair_roles() -> Vec<String> {
    let roles = [
        Role::FRAME,
        Role::VEHICLE,
        Role::PLATE,
        Role::FACE,
        Role::THUMBNAIL,
    ];
    let both = |role: Role| [FRONT, REAR].map(|prefix| format!("{prefix}{}", role.as_str()));
    roles.into_iter().flat_map(both).collect()
}

const FRONT: &str = "front_";
const REAR: &str = "rear_";

impl Parts {
    /// Without the other half of a pair, whose event is to be loaded.
    pub(crate) fn merged(joined: &[Joined]) -> Self {
        let same = || joined.iter().filter(|joined| joined.how == How::Same);
        Self {
            merged: same()
                .take(MERGED_MAX)
                .map(|one| one.part.clone())
                .collect(),
            merged_count: same().count(),
            pair: None,
        }
    }
}

/// What makes an event a part of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    /// It tells the same.
    Same,
    /// It is the front of what the other is the rear of.
    Front,
    Rear,
    /// It is the recognition of the plate whose stay the other tells of.
    Recognition,
}

impl How {
    /// Whether the event itself is delivered with the other, not only what is told of it.
    pub(crate) fn is_half(self) -> bool {
        matches!(self, Self::Front | Self::Rear)
    }
}

/// Bytes of a text in a [`Part`]; of a longer one the beginning is kept.
const PART_TEXT_MAX: usize = 128;

impl Part {
    pub(crate) fn of(event: &Event, item: Option<Item>) -> Self {
        let short = |text: &String| text[..text.floor_char_boundary(PART_TEXT_MAX)].to_owned();
        let plate = match item {
            Some(Item::Plate(n)) => event.plates.get(n),
            Some(_) => None,
            None => event.plates.first(),
        };
        Self {
            id: event.id,
            item,
            occurred_at: event.occurred_at,
            camera: event.camera.id.as_ref().map(short),
            text: plate.and_then(|plate| plate.text.as_ref()).map(short),
            score: plate.and_then(|plate| plate.score).map(Score::fraction),
        }
    }
}

/// Where a delivery stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    /// Waiting for its turn or its next attempt.
    Pending,
    /// Due, but its whole target is held until somebody mends it.
    Held,
    Delivered,
    /// Given up; kept, and can be retried.
    Dead,
    /// Too late to be of use.
    Expired,
    /// A step decided on the way that there is nothing to deliver.
    Filtered,
}

impl Fate {
    pub(crate) const ALL: [Self; 6] = [
        Self::Pending,
        Self::Held,
        Self::Delivered,
        Self::Dead,
        Self::Expired,
        Self::Filtered,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Held => "held",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Expired => "expired",
            Self::Filtered => "filtered",
        }
    }
}

/// One try at one delivery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Attempt {
    pub(crate) at: Timestamp,
    /// The HTTP status, where there was one.
    pub(crate) status: Option<u16>,
    /// How long it took.
    pub(crate) ms: u64,
    /// Why it failed, secrets blotted out.
    pub(crate) error: Option<String>,
    /// The beginning of the answer, at most 512 bytes, secrets blotted out.
    pub(crate) excerpt: Option<String>,
}

pub(crate) const EXCERPT_MAX: usize = 512;

/// One delivery as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Delivery {
    pub(crate) id: DeliveryId,
    pub(crate) event: EventId,
    pub(crate) route: Name,
    pub(crate) target: Name,
    pub(crate) item: Option<Item>,
    pub(crate) fate: Fate,
    /// When the next attempt may be made; `None` once the fate is settled.
    pub(crate) due: Option<Timestamp>,
    pub(crate) attempts: Vec<Attempt>,
}

/// What a target's answer means for the delivery. The target knows why, delivery decides when.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    Delivered,
    /// Worth another try, not before `pause` has passed if the target asked for one.
    TryAgain {
        pause: Option<Duration>,
    },
    /// Nothing sent to this target will succeed until somebody mends it (wrong password, say).
    Hold,
    /// Will never succeed.
    Dead,
}
