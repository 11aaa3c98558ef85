//! Going through what is not delivered, or through events, by what somebody chose of it: a bounded part at a time, each taking
//! up where the last one ended, so that neither a page nor a job ever waits for a whole store.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde::{Deserialize, Serialize};

use super::books::fate_from;
use super::index::{NUMBERS_PER_RECORD, micros};
use super::pictures::siblings;
use super::record::normal_plate;
use crate::event::{DeliveryId, EventId};
use crate::fate::Fate;
use crate::name::Name;

type Result<T> = rusqlite::Result<T>;

/// The reason of deliveries that were never tried, because their target is held.
pub(crate) const UNTRIED: &str = "not tried yet: its target is held";

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
    /// `dead`, `held`, `pending` (tried, and waiting to be tried again); none is all of them.
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
    /// Set once it goes through what a held target was never asked; `None` before that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) held: Option<Name>,
    /// Of what was seen last: event and delivery, or due time and delivery.
    pub(super) first: i64,
    pub(super) second: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    OldestFirst,
    NewestFirst,
}

/// What is known of the moment.
pub(super) struct Today<'a> {
    pub(super) held: &'a HashSet<Name>,
    pub(super) now: Timestamp,
    /// Deliveries planned later than this record are not seen.
    pub(super) through: i64,
}

/// How much one part may take.
#[derive(Clone, Copy)]
pub(super) struct Most {
    pub(super) found: usize,
    pub(super) examined: usize,
}

/// One part of a walk.
#[derive(Default)]
pub(super) struct Walked {
    /// Deliveries' numbers, or events'.
    pub(super) found: Vec<i64>,
    /// `None` at the end.
    pub(super) next: Option<Place>,
}

/// One group of the index.
pub(super) struct GroupRow {
    pub(super) reason: i64,
    pub(super) target: Name,
    pub(super) fate: Fate,
    pub(super) told: String,
    pub(super) deliveries: u64,
}

impl Place {
    /// As it stands in an address.
    pub(crate) fn to_text(&self) -> String {
        match &self.held {
            None => format!("{}.{}", self.first, self.second),
            Some(held) => format!("{}.{}.{held}", self.first, self.second),
        }
    }

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let first = parts.next()?.parse().ok()?;
        let second = parts.next()?.parse().ok()?;
        let held = parts.next().map(Name::new).transpose().ok()?;
        Some(Self {
            held,
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

    /// Whether deliveries that a held target was never asked are among these.
    pub(super) fn wants_untried(&self, target: &Name) -> bool {
        self.wants(target.as_str(), Fate::Held, UNTRIED)
    }

    fn fits_event(&self, row: &EventFacts) -> bool {
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

struct EventFacts {
    camera: Option<String>,
    source: String,
    plates: String,
    received_at: i64,
}

/// One delivery that is looked at.
struct Looked {
    number: i64,
    event: i64,
    target: String,
    fate: String,
    due: Option<i64>,
    reason: Option<i64>,
    route: String,
    facts: EventFacts,
}

const LOOKED: &str = "d.number, d.event, d.target, d.fate, d.due, d.reason, d.route, e.camera, e.source, e.plates, e.received_at";

fn looked(row: &Row<'_>) -> Result<Looked> {
    Ok(Looked {
        number: row.get(0)?,
        event: row.get(1)?,
        target: row.get(2)?,
        fate: row.get(3)?,
        due: row.get(4)?,
        reason: row.get(5)?,
        route: row.get(6)?,
        facts: EventFacts {
            camera: row.get(7)?,
            source: row.get(8)?,
            plates: row.get(9)?,
            received_at: row.get(10)?,
        },
    })
}

pub(super) fn group_rows(db: &Connection) -> Result<Vec<GroupRow>> {
    db.prepare_cached("SELECT reason, target, fate, told, deliveries FROM reasons")?
        .query_map([], |row| {
            Ok(GroupRow {
                reason: row.get(0)?,
                target: super::books::name_from(row.get(1)?)?,
                fate: fate_from(&row.get::<_, String>(2)?),
                told: row.get(3)?,
                deliveries: u64::try_from(row.get::<_, i64>(4)?).unwrap_or(0),
            })
        })?
        .collect()
}

/// A walk through deliveries that are not delivered.
struct Walk<'a> {
    db: &'a Connection,
    which: &'a Selection,
    today: &'a Today<'a>,
    way: Way,
    most: Most,
    groups: HashMap<i64, GroupRow>,
    examined: usize,
    walked: Walked,
}

/// The next part of what was chosen, after `from`.
pub(super) fn undelivered(
    db: &Connection,
    which: &Selection,
    today: &Today<'_>,
    way: Way,
    from: Option<&Place>,
    most: Most,
) -> Result<Walked> {
    let groups = which.groups(group_rows(db)?, today.held);
    let mut walk = Walk {
        db,
        which,
        today,
        way,
        most,
        groups: groups
            .into_iter()
            .map(|group| (group.reason, group))
            .collect(),
        examined: 0,
        walked: Walked::default(),
    };
    walk.go(from)?;
    Ok(walk.walked)
}

impl Walk<'_> {
    fn go(&mut self, from: Option<&Place>) -> Result<()> {
        if !self.which.deliveries.is_empty() {
            return self.by_id(from);
        }
        if let Some(events) = few_events(self.db, self.which)? {
            return self.by_event(events, from);
        }
        if from.is_none_or(|from| from.held.is_none()) && !self.tried(from)? {
            return Ok(());
        }
        let mut held: Vec<&Name> = self
            .today
            .held
            .iter()
            .filter(|target| self.which.wants_untried(target))
            .collect();
        held.sort();
        let begun = from.and_then(|from| from.held.as_ref());
        for target in held {
            let place = from.filter(|_| begun == Some(target));
            if begun.is_none_or(|begun| begun <= target) && !self.untried(target, place)? {
                return Ok(());
            }
        }
        self.walked.next = None;
        Ok(())
    }

    /// Looks at one; false when this part has become large enough.
    fn look(&mut self, one: &Looked, place: Place) -> bool {
        self.walked.next = Some(place);
        self.examined += 1;
        let fits = match one.reason {
            Some(reason) => self.groups.contains_key(&reason),
            None => Name::new(&one.target).is_ok_and(|target| {
                let due = one.due.is_some_and(|due| due <= micros(self.today.now));
                one.fate == Fate::Pending.as_str()
                    && due
                    && self.today.held.contains(&target)
                    && self.which.wants_untried(&target)
            }),
        };
        let route = self.which.route.as_deref();
        if fits
            && one.number < self.today.through
            && route.is_none_or(|route| route == one.route)
            && self.which.fits_event(&one.facts)
        {
            self.walked.found.push(one.number);
        }
        self.walked.found.len() < self.most.found && self.examined < self.most.examined
    }

    /// What was tried. False when there may be more.
    fn tried(&mut self, from: Option<&Place>) -> Result<bool> {
        if self.groups.is_empty() {
            return Ok(true);
        }
        let (first, last) = event_bounds(self.db, self.which)?;
        // An event is not later than its deliveries.
        let last = last.min(self.today.through);
        let mut values: Vec<Value> = vec![first.into(), last.into()];
        let (sign, order) = match self.way {
            Way::OldestFirst => (">", ""),
            Way::NewestFirst => ("<", "DESC"),
        };
        let after = match from {
            None => String::new(),
            Some(place) => {
                values.extend([place.first, place.first, place.second].map(Value::from));
                // The first bound is the one that an index is searched by.
                format!("AND d.event {sign}= ? AND (d.event <> ? OR d.number {sign} ?)")
            }
        };
        let ids: Vec<String> = self.groups.keys().map(ToString::to_string).collect();
        let (index, of) = match &ids[..] {
            [one] => ("deliveries_by_reason", format!("d.reason = {one}")),
            _ => (
                "deliveries_undelivered",
                format!("d.reason IN ({})", ids.join(", ")),
            ),
        };
        let sql = format!(
            "SELECT {LOOKED} FROM deliveries d INDEXED BY {index} CROSS JOIN events e ON e.number = d.event
             WHERE {of} AND d.reason IS NOT NULL AND d.event >= ? AND d.event < ? {after}
             ORDER BY d.event {order}, d.number {order}"
        );
        let mut statement = self.db.prepare(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            let one = looked(row)?;
            let place = Place {
                held: None,
                first: one.event,
                second: one.number,
            };
            if !self.look(&one, place) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What a held target was never asked. False when there may be more.
    fn untried(&mut self, target: &Name, from: Option<&Place>) -> Result<bool> {
        let (sign, order, start) = match self.way {
            Way::OldestFirst => (">", "", i64::MIN),
            Way::NewestFirst => ("<", "DESC", i64::MAX),
        };
        let (first, second) = from.map_or((start, start), |place| (place.first, place.second));
        let sql = format!(
            "SELECT {LOOKED} FROM deliveries d INDEXED BY deliveries_due CROSS JOIN events e ON e.number = d.event
             WHERE d.target = ?1 AND d.fate = 'pending' AND d.due <= ?2 AND d.due {sign}= ?3
             AND (d.due <> ?3 OR d.number {sign} ?4)
             ORDER BY d.due {order}, d.number {order}"
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        let now = micros(self.today.now);
        let mut rows = statement.query(params![target.as_str(), now, first, second])?;
        while let Some(row) = rows.next()? {
            let one = looked(row)?;
            let place = Place {
                held: Some(target.clone()),
                first: one.due.unwrap_or(now),
                second: one.number,
            };
            if one.reason.is_some() {
                self.examined += 1; // it was tried: seen before
                if self.examined >= self.most.examined {
                    self.walked.next = Some(place);
                    return Ok(false);
                }
            } else if !self.look(&one, place) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Deliveries by name, in the order of their events.
    fn by_id(&mut self, from: Option<&Place>) -> Result<()> {
        let mut all = Vec::new();
        let sql = format!(
            "SELECT {LOOKED} FROM deliveries d CROSS JOIN events e ON e.number = d.event WHERE d.id = ?1"
        );
        for id in &self.which.deliveries {
            let mut statement = self.db.prepare_cached(&sql)?;
            all.extend(statement.query_row([id.as_bytes()], looked).optional()?);
        }
        self.in_order(all, from);
        Ok(())
    }

    fn by_event(&mut self, mut events: Vec<i64>, from: Option<&Place>) -> Result<()> {
        match self.way {
            Way::OldestFirst => events.sort_unstable(),
            Way::NewestFirst => events.sort_unstable_by(|one, two| two.cmp(one)),
        }
        let sql = format!(
            "SELECT {LOOKED} FROM events e CROSS JOIN deliveries d ON d.event = e.number
             WHERE e.number = ?1 AND d.number IN (
                 SELECT number FROM deliveries WHERE number BETWEEN ?2 AND ?3 AND event = ?1
                 UNION SELECT number FROM deliveries WHERE replanned > 0 AND event = ?1)
             AND d.fate IN ('dead', 'pending')"
        );
        for event in events {
            let over = |from: &Place| match self.way {
                Way::OldestFirst => event < from.first,
                Way::NewestFirst => event > from.first,
            };
            if from.is_some_and(over) {
                continue;
            }
            let (first, last) = siblings(event);
            let mut statement = self.db.prepare_cached(&sql)?;
            let all = statement
                .query_map([event, first, last], looked)?
                .collect::<Result<Vec<_>>>()?;
            if !self.in_order(all, from) {
                return Ok(());
            }
        }
        self.walked.next = None;
        Ok(())
    }

    /// False when this part has become large enough.
    fn in_order(&mut self, mut all: Vec<Looked>, from: Option<&Place>) -> bool {
        all.sort_by_key(|one| (one.event, one.number));
        if self.way == Way::NewestFirst {
            all.reverse();
        }
        for one in all {
            let place = Place {
                held: None,
                first: one.event,
                second: one.number,
            };
            let key = |place: &Place| (place.first, place.second);
            let over = |from: &Place| match self.way {
                Way::OldestFirst => key(&place) <= key(from),
                Way::NewestFirst => key(&place) >= key(from),
            };
            if from.is_some_and(over) {
                continue;
            }
            if !self.look(&one, place) {
                return false;
            }
        }
        self.walked.next = None;
        true
    }
}

/// The events of the plate or the camera that was asked for, if they are few.
fn few_events(db: &Connection, which: &Selection) -> Result<Option<Vec<i64>>> {
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
fn event_bounds(db: &Connection, which: &Selection) -> Result<(i64, i64)> {
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

/// The next part of the events that were chosen, oldest first.
pub(super) fn events(
    db: &Connection,
    which: &Selection,
    through: i64,
    from: Option<&Place>,
    most: Most,
) -> Result<Walked> {
    let after = from.map_or(-1, |from| from.first);
    let mut walked = Walked::default();
    let few = match which.events.is_empty() {
        true => few_events(db, which)?,
        false => {
            let mut numbers = Vec::new();
            for id in &which.events {
                let mut known = db.prepare_cached("SELECT number FROM events WHERE id = ?1")?;
                numbers.extend(
                    known
                        .query_row([id.as_bytes()], |row| row.get::<_, i64>(0))
                        .optional()?,
                );
            }
            Some(numbers)
        }
    };
    let (first, last) = event_bounds(db, which)?;
    let (first, last) = (first.max(after + 1), last.min(through));
    const FACTS: &str = "SELECT number, camera, source, plates, received_at FROM events";
    let read = |row: &Row<'_>| {
        let facts = EventFacts {
            camera: row.get(1)?,
            source: row.get(2)?,
            plates: row.get(3)?,
            received_at: row.get(4)?,
        };
        Ok((row.get::<_, i64>(0)?, facts))
    };
    let mut examined = 0;
    let mut look = |(number, facts): (i64, EventFacts)| {
        examined += 1;
        walked.next = Some(Place {
            held: None,
            first: number,
            second: 0,
        });
        if which.fits_event(&facts) {
            walked.found.push(number);
        }
        walked.found.len() < most.found && examined < most.examined
    };
    let mut ended = true;
    if let Some(mut numbers) = few {
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers
            .into_iter()
            .filter(|one| (first..last).contains(one))
        {
            let mut one = db.prepare_cached(&format!("{FACTS} WHERE number = ?1"))?;
            if let Some(found) = one.query_row([number], read).optional()?
                && !look(found)
            {
                ended = false;
                break;
            }
        }
    } else {
        let sql = format!("{FACTS} WHERE number >= ?1 AND number < ?2 ORDER BY number");
        let mut statement = db.prepare_cached(&sql)?;
        let mut rows = statement.query([first, last])?;
        while let Some(row) = rows.next()? {
            if !look(read(row)?) {
                ended = false;
                break;
            }
        }
    }
    if ended {
        walked.next = None;
    }
    Ok(walked)
}
