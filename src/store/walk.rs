//! Going through what is not delivered by what somebody chose of it: a bounded part at a time, each taking
//! up where the last one ended, so that neither a page nor a job ever waits for a whole store.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::idle::Idlers;
use super::index::micros;
use super::pictures::siblings;
use super::selection::{
    EventFacts, GroupRow, Place, Selection, event_bounds, few_events, group_rows,
};
use crate::fate::Fate;
use crate::name::Name;

type Result<T> = rusqlite::Result<T>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    OldestFirst,
    NewestFirst,
}

/// What is known of the moment.
pub(super) struct Today<'a> {
    pub(super) idle: &'a Idlers,
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
    let groups = which.groups(group_rows(db)?, today.idle.held());
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
        let (idle, which) = (self.today.idle, self.which);
        let idle = idle.iter();
        let begun = from.and_then(|from| from.held.as_deref());
        for (target, _) in idle.filter(|(target, idle)| which.wants_untried(target, *idle)) {
            let place = from.filter(|_| begun == Some(target.as_str()));
            if begun.is_none_or(|begun| begun <= target.as_str()) && !self.untried(target, place)? {
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
                let idle = self.today.idle.get(&target);
                one.fate == Fate::Pending.as_str()
                    && due
                    && idle.is_some_and(|idle| self.which.wants_untried(&target, idle))
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

    /// What an idle target was never asked. False when there may be more.
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
                held: Some(target.to_string()),
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
