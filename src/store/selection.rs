//! What somebody chose: which deliveries that are not delivered, or which events.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::books::{fate_from, name_from};
use super::idle::Idle;
use super::index::{NUMBERS_PER_RECORD, micros};
use super::record::normal_plate;
use crate::event::{DeliveryId, EventId};
use crate::fate::Fate;
use crate::name::Name;

type Result<T> = rusqlite::Result<T>;

/// A camera's or a plate's events, if they are no more than this, are looked at one by one; else all that is not delivered is.
const DRIVERS_MAX: usize = 5_000;

/// Which deliveries, or which events.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Selection {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
    /// As the groups tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// `dead`, `held`, `pending` (tried, and waiting to be tried again, or its target is not asked); none is all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) fates: Vec<Fate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) camera: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) route: Option<String>,
    /// How a plate begins. Never written down: who asks for a plate gets the ids.
    #[serde(skip)]
    pub(crate) plate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) deliveries: Vec<DeliveryId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) events: Vec<EventId>,
}

/// How far a walk has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Set once it goes through what an idle target was never asked; `None` before that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) held: Option<String>,
    /// Of what was seen last: event and delivery, or due time and delivery.
    pub(super) first: i64,
    pub(super) second: i64,
}

/// One group of the index.
pub(super) struct GroupRow {
    pub(super) reason: i64,
    pub(super) target: Name,
    pub(super) fate: Fate,
    pub(super) told: String,
    pub(super) deliveries: u64,
}

/// What is known of the event of something that is looked at.
pub(super) struct EventFacts {
    pub(super) camera: Option<String>,
    pub(super) source: String,
    pub(super) plates: String,
    pub(super) received_at: i64,
}

impl Place {
    /// What [`Self::from_text`] reads.
    pub(crate) const PATTERN: &str = r"^-?[0-9]{1,18}\.-?[0-9]{1,18}(\.[\s\S]*)?$";

    /// As it stands in an address.
    pub(crate) fn to_text(&self) -> String {
        match &self.held {
            None => format!("{}.{}", self.first, self.second),
            Some(held) => format!("{}.{}.{held}", self.first, self.second),
        }
    }

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let number = |part: &str| {
            let digits = part.strip_prefix('-').unwrap_or(part);
            let plain = digits.len() <= 18 && digits.bytes().all(|byte| byte.is_ascii_digit());
            part.parse().ok().filter(|_| plain)
        };
        let mut parts = text.splitn(3, '.');
        let first = number(parts.next()?)?;
        let second = parts.next()?;
        // To some a pattern's end is before the last line's.
        let second = number(second.strip_suffix('\n').unwrap_or(second))?;
        Some(Self {
            held: parts.next().map(str::to_owned),
            first,
            second,
        })
    }
}

impl Selection {
    /// Whether the groups alone tell which deliveries these are.
    pub(super) fn is_of_groups(&self) -> bool {
        let Self {
            target: _,
            reason: _,
            fates: _,
            camera,
            source,
            route,
            plate,
            since,
            until,
            deliveries,
            events,
        } = self;
        camera.is_none()
            && source.is_none()
            && route.is_none()
            && plate.is_none()
            && since.is_none()
            && until.is_none()
            && deliveries.is_empty()
            && events.is_empty()
    }

    fn wants(&self, target: &str, fate: Fate, told: &str) -> bool {
        self.target.as_deref().is_none_or(|wanted| wanted == target)
            && (self.fates.is_empty() || self.fates.contains(&fate))
            && self.reason.as_deref().is_none_or(|wanted| wanted == told)
    }

    /// The groups whose deliveries may be among these.
    pub(super) fn groups(&self, groups: Vec<GroupRow>, held: &HashSet<Name>) -> Vec<GroupRow> {
        groups
            .into_iter()
            .filter(|group| {
                let fate = group.fate_today(held);
                self.wants(group.target.as_str(), fate, &group.told)
            })
            .collect()
    }

    /// Whether deliveries that an idle target was never asked are among these.
    pub(super) fn wants_untried(&self, target: &Name, idle: Idle) -> bool {
        self.wants(target.as_str(), idle.fate(), idle.reason())
    }

    pub(super) fn fits_event(&self, row: &EventFacts) -> bool {
        let plate = || {
            let wanted = normal_plate(self.plate.as_deref().unwrap_or_default());
            let mut plates = row.plates.split(' ');
            !wanted.is_empty() && plates.any(|plate| plate.starts_with(&wanted))
        };
        (self.camera.is_none() || self.camera == row.camera)
            && (self.source.as_deref()).is_none_or(|source| source == row.source)
            && self
                .since
                .is_none_or(|since| micros(since) <= row.received_at)
            && self
                .until
                .is_none_or(|until| row.received_at < micros(until))
            && (self.plate.is_none() || plate())
    }
}

impl GroupRow {
    pub(super) fn fate_today(&self, held: &HashSet<Name>) -> Fate {
        match self.fate {
            Fate::Pending if held.contains(&self.target) => Fate::Held,
            fate => fate,
        }
    }
}

pub(super) fn group_rows(db: &Connection) -> Result<Vec<GroupRow>> {
    db.prepare_cached("SELECT reason, target, fate, told, deliveries FROM reasons")?
        .query_map([], |row| {
            Ok(GroupRow {
                reason: row.get(0)?,
                target: name_from(row.get(1)?)?,
                fate: fate_from(&row.get::<_, String>(2)?),
                told: row.get(3)?,
                deliveries: u64::try_from(row.get::<_, i64>(4)?).unwrap_or(0),
            })
        })?
        .collect()
}

/// The events of the plate or the camera that was asked for, if they are few.
pub(super) fn few_events(db: &Connection, which: &Selection) -> Result<Option<Vec<i64>>> {
    let most = DRIVERS_MAX as i64 + 1;
    let mut few = None;
    if let Some(plate) = &which.plate {
        let normal = normal_plate(plate);
        if normal.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let end = format!("{normal}{}", char::MAX);
        let events = db
            .prepare_cached(
                "SELECT DISTINCT event FROM plates WHERE plate >= ?1 AND plate < ?2 LIMIT ?3",
            )?
            .query_map(params![normal, end, most], |row| row.get(0))?
            .collect::<Result<Vec<i64>>>()?;
        few = Some(events);
    } else if let Some(camera) = &which.camera {
        let events = db
            .prepare_cached("SELECT number FROM events WHERE camera = ?1 LIMIT ?2")?
            .query_map(params![camera, most], |row| row.get(0))?
            .collect::<Result<Vec<i64>>>()?;
        few = Some(events);
    }
    Ok(few.filter(|events| events.len() <= DRIVERS_MAX))
}

/// Numbers from which on, and up to which, events can be those; segments tell roughly.
pub(super) fn event_bounds(db: &Connection, which: &Selection) -> Result<(i64, i64)> {
    let first = match which.since {
        None => 0,
        Some(since) => db
            .prepare_cached("SELECT coalesce(min(first_lsn), 0) FROM segments WHERE newest >= ?1")?
            .query_row([micros(since)], |row| row.get::<_, i64>(0))?,
    };
    let last = match which.until {
        None => i64::MAX / NUMBERS_PER_RECORD - 1,
        Some(until) => db
            .prepare_cached("SELECT coalesce(max(last_lsn), -1) FROM segments WHERE oldest < ?1")?
            .query_row([micros(until)], |row| row.get::<_, i64>(0))?,
    };
    Ok((first * NUMBERS_PER_RECORD, (last + 1) * NUMBERS_PER_RECORD))
}
