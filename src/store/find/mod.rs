//! Searching events: a question looks at a bounded number of rows, newest first, and tells how far it got.
//!
//! The question's rarest word leads: a plate or its beginning, a rare fate, or the camera is looked up in its index, and
//! everything else is compared row by row. Where no index leads (`*123`, a kind, a common fate), the newest
//! [`LOOKS_MAX`] rows are looked at. What was looked at is told, with the place to go on from, so that "nothing found" is
//! never said of rows that nobody looked at.

mod cursor;
mod deliveries;
mod listed;
mod range;

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, Statement, named_params};

use super::books::name_from;
use super::index::{micros, moment};
use super::plates::Wanted;
use super::{EventQuery, Found, FoundEvent};
use crate::event::EventId;
use crate::name::Name;
pub(crate) use cursor::Cursor;
#[cfg(test)]
pub(super) use listed::{BY_DEAD, BY_PENDING, BY_PREFIX};
use range::{Range, range};

type Result<T> = rusqlite::Result<T>;

/// Rows that one question looks at, about.
pub(super) const LOOKS_MAX: usize = 100_000;
/// What looking up a row by its number costs, beside reading on in an index.
const SEEK: usize = 4;

const COLUMNS: &str =
    "e.number, e.id, e.source, e.kind, e.camera, e.plates, e.received_at, e.occurred_at";

/// What is held, and what time it is: a pending delivery is told as held by that.
pub(super) struct Moment<'a> {
    pub(super) held: &'a HashSet<Name>,
    pub(super) now: Timestamp,
}

/// What is in the order of events' numbers already.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lead {
    Plate,
    Camera,
    All,
}

impl Lead {
    pub(super) fn sql(self, ascends: bool) -> String {
        let (from, number, is_it) = match self {
            Self::Plate => (
                "plates p CROSS JOIN events e ON e.number = p.event",
                "p.event",
                "p.plate = :word",
            ),
            Self::Camera => (
                "events e INDEXED BY events_by_camera",
                "e.number",
                "e.camera = :word",
            ),
            Self::All => ("events e", "e.number", "TRUE"),
        };
        let order = if ascends { "ASC" } else { "DESC" };
        format!(
            "SELECT {COLUMNS} FROM {from} WHERE {is_it} AND {number} > :above AND {number} < :below ORDER BY {number} {order}"
        )
    }
}

/// One question while it is answered.
struct Search<'a> {
    db: &'a Connection,
    query: &'a EventQuery,
    plate: Option<Wanted>,
    moment: &'a Moment<'a>,
    range: Range,
    looks: usize,
    looks_max: usize,
    /// The last event that was looked at, found or not.
    reached: Option<i64>,
    rows: Vec<(i64, FoundEvent)>,
    /// There is another one that fits.
    more: bool,
}

pub(super) fn search(db: &Connection, query: &EventQuery, moment: &Moment<'_>) -> Result<Found> {
    search_within(db, query, moment, LOOKS_MAX)
}

pub(super) fn search_within(
    db: &Connection,
    query: &EventQuery,
    moment: &Moment<'_>,
    looks_max: usize,
) -> Result<Found> {
    let _snapshot = db.unchecked_transaction()?;
    let mut search = Search {
        db,
        query,
        plate: query.plate.as_deref().map(Wanted::of),
        moment,
        range: range(db, query)?,
        looks: 0,
        looks_max,
        reached: None,
        rows: Vec::new(),
        more: false,
    };
    let possible = search.range.above < search.range.below
        && search.plate != Some(Wanted::Nothing)
        && search.fates_exist()?;
    if possible {
        search.run()?;
    }
    search.told()
}

impl Search<'_> {
    /// From old to new, towards the newest.
    fn ascends(&self) -> bool {
        self.query.after.is_some() && self.query.before.is_none()
    }

    fn asks_deliveries(&self) -> bool {
        self.query.fate.is_some() || self.query.target.is_some() || self.query.route.is_some()
    }

    /// The rarest word leads.
    fn run(&mut self) -> Result<()> {
        if let Some(Wanted::Exact(plate)) = &self.plate {
            let plate = plate.clone();
            return self.along(Lead::Plate, Some(&plate));
        }
        if let Some(numbers) = self.listed()? {
            return self.through(numbers);
        }
        if let Some(camera) = &self.query.camera {
            let camera = camera.clone();
            return self.along(Lead::Camera, Some(&camera));
        }
        if self.asks_deliveries() {
            return self.along_deliveries();
        }
        self.along(Lead::All, None)
    }

    /// Reads on in an index whose rows are in the order of their numbers.
    fn along(&mut self, lead: Lead, word: Option<&str>) -> Result<()> {
        let sql = lead.sql(self.ascends());
        let mut statement = self.db.prepare_cached(&sql)?;
        let Range { above, below } = self.range;
        let mut rows = match word {
            Some(word) => statement
                .query(named_params! { ":word": word, ":above": above, ":below": below })?,
            None => statement.query(named_params! { ":above": above, ":below": below })?,
        };
        while let Some(row) = rows.next()? {
            if !self.look(row, 1, self.asks_deliveries())? {
                break;
            }
        }
        Ok(())
    }

    /// Looks up these events, in order.
    fn through(&mut self, mut numbers: Vec<i64>) -> Result<()> {
        let Range { above, below } = self.range;
        numbers.retain(|number| (above + 1..below).contains(number));
        numbers.sort_unstable();
        numbers.dedup();
        if !self.ascends() {
            numbers.reverse();
        }
        let mut statement = by_number(self.db)?;
        for number in numbers {
            if !self.look_up(&mut statement, number, self.asks_deliveries())? {
                break;
            }
        }
        Ok(())
    }

    fn look_up(
        &mut self,
        statement: &mut Statement<'_>,
        number: i64,
        check_deliveries: bool,
    ) -> Result<bool> {
        let mut rows = statement.query([number])?;
        match rows.next()? {
            Some(row) => self.look(row, SEEK, check_deliveries),
            None => Ok(true),
        }
    }

    fn goes_on_behind(&mut self, number: i64) -> bool {
        self.reached = Some(number);
        self.looks < self.looks_max
    }

    /// Looks at one event. False when that is the end.
    fn look(&mut self, row: &Row<'_>, cost: usize, check_deliveries: bool) -> Result<bool> {
        self.looks += cost;
        let number = row.get(0)?;
        let fits = self.event_fits(row)? && (!check_deliveries || self.has_delivery(number)?);
        if !fits {
            return Ok(self.goes_on_behind(number));
        }
        if self.rows.len() >= self.query.limit {
            self.more = true;
            return Ok(false);
        }
        self.rows.push((number, found(row)?));
        Ok(self.goes_on_behind(number))
    }

    fn event_fits(&self, row: &Row<'_>) -> Result<bool> {
        let query = self.query;
        let is =
            |n: usize, wanted: &str| Ok::<_, rusqlite::Error>(row.get_ref(n)?.as_str()? == wanted);
        if let Some(source) = &query.source
            && !is(2, source)?
        {
            return Ok(false);
        }
        if let Some(kind) = query.kind
            && !is(3, kind.as_str())?
        {
            return Ok(false);
        }
        if let Some(camera) = &query.camera
            && row.get_ref(4)?.as_str_or_null()? != Some(camera.as_str())
        {
            return Ok(false);
        }
        if query.since.is_some() || query.until.is_some() {
            let at: i64 = row.get(6)?;
            if query.since.is_some_and(|since| at < micros(since))
                || query.until.is_some_and(|until| at >= micros(until))
            {
                return Ok(false);
            }
        }
        match &self.plate {
            None => Ok(true),
            Some(wanted) => Ok(wanted.is_among(row.get_ref(5)?.as_str()?)),
        }
    }

    fn at(&self, number: Option<i64>) -> Result<Option<Cursor>> {
        let Some(number) = number else {
            return Ok(None);
        };
        self.db
            .prepare_cached("SELECT id FROM events WHERE number = ?1")?
            .query_row([number], |row| {
                let id = EventId::from_bytes(row.get(0)?);
                let number = Some(number);
                Ok(Cursor { id, number })
            })
            .optional()
    }

    /// What was found, newest first, and where it goes on in both directions.
    fn told(mut self) -> Result<Found> {
        let cut = !self.more && self.looks >= self.looks_max;
        let last = self.rows.last().map(|(number, _)| *number);
        // Behind what was found, or behind all that was looked at.
        let ahead = match (self.more, cut) {
            (true, _) => self.at(last)?,
            (false, true) => self.at(self.reached)?,
            (false, false) => None,
        };
        let looked_until = match cut {
            true => self.received_at(self.reached)?,
            false => None,
        };
        let ascends = self.ascends();
        if ascends {
            self.rows.reverse();
        }
        let cursor = |(number, row): &(i64, FoundEvent)| Cursor {
            id: row.id,
            number: Some(*number),
        };
        let first = self.rows.first().map(cursor);
        let last = self.rows.last().map(cursor);
        let (older, newer) = if ascends {
            (last.or(self.query.after), ahead)
        } else {
            let newer = self.query.before.map(|before| first.unwrap_or(before));
            (ahead, newer)
        };
        Ok(Found {
            events: self.rows.into_iter().map(|(_, row)| row).collect(),
            looked_at: self.looks,
            looked_until,
            older,
            newer,
        })
    }

    fn received_at(&self, number: Option<i64>) -> Result<Option<Timestamp>> {
        self.db
            .prepare_cached("SELECT received_at FROM events WHERE number = ?1")?
            .query_row([number], |row| row.get(0))
            .optional()
            .map(|at| at.map(moment))
    }
}

fn by_number(db: &Connection) -> Result<CachedStatement<'_>> {
    db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM events e WHERE e.number = ?1"
    ))
}

fn found(row: &Row<'_>) -> Result<FoundEvent> {
    let plates = row.get_ref(5)?.as_str()?;
    Ok(FoundEvent {
        id: EventId::from_bytes(row.get(1)?),
        source: name_from(row.get(2)?)?,
        kind: row.get(3)?,
        camera: row.get(4)?,
        plates: plates.split_whitespace().map(str::to_owned).collect(),
        received_at: moment(row.get(6)?),
        occurred_at: moment(row.get(7)?),
    })
}
