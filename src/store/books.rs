//! Running totals beside the rows, so that counts cost nothing however many rows there are.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::{Connection, params};

use super::activity::Activity;
use super::index::NUMBERS_PER_RECORD;
use crate::fate::Fate;
use crate::name::Name;

/// What is known of one segment's records.
#[derive(Debug, Clone, Copy)]
pub(super) struct SegmentBook {
    pub(super) segment: u64,
    pub(super) first_lsn: u64,
    pub(super) last_lsn: u64,
    /// Times of its oldest and newest record, in microseconds.
    pub(super) oldest: i64,
    pub(super) newest: i64,
}

#[derive(Default, Clone, Copy)]
pub(super) struct SourceBook {
    pub(super) events: i64,
    pub(super) quarantined: i64,
    pub(super) last_received: Option<i64>,
}

/// Totals as of the current transaction; what changed is written at its end.
#[derive(Default)]
pub(super) struct Books {
    segments: BTreeMap<u64, SegmentBook>,
    tallies: HashMap<(Name, &'static str), i64>,
    backlog: HashMap<(Name, u64), i64>,
    /// Over all targets.
    pending: HashMap<u64, i64>,
    sources: HashMap<Name, SourceBook>,
    pub(super) activity: Activity,
    changed_segments: HashSet<u64>,
    changed_tallies: HashSet<(Name, &'static str)>,
    changed_backlog: HashSet<(Name, u64)>,
    changed_sources: HashSet<Name>,
}

pub(super) fn fate_from(text: &str) -> Fate {
    Fate::ALL
        .into_iter()
        .find(|fate| fate.as_str() == text)
        .unwrap_or(Fate::Pending)
}

pub(super) fn name_from(text: String) -> rusqlite::Result<Name> {
    Name::new(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}

impl SegmentBook {
    /// The numbers of everything first told in this segment.
    pub(super) fn numbers(&self) -> (i64, i64) {
        let first = self.first_lsn as i64 * NUMBERS_PER_RECORD;
        (first, (self.last_lsn as i64 + 1) * NUMBERS_PER_RECORD - 1)
    }
}

impl Books {
    pub(super) fn load(db: &Connection) -> rusqlite::Result<Self> {
        let mut books = Self {
            activity: Activity::load(db)?,
            ..Self::default()
        };
        let mut rows =
            db.prepare("SELECT segment, first_lsn, last_lsn, oldest, newest FROM segments")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let book = SegmentBook {
                segment: row.get::<_, i64>(0)? as u64,
                first_lsn: row.get::<_, i64>(1)? as u64,
                last_lsn: row.get::<_, i64>(2)? as u64,
                oldest: row.get(3)?,
                newest: row.get(4)?,
            };
            books.segments.insert(book.first_lsn, book);
        }
        let mut rows = db.prepare("SELECT target, fate, deliveries FROM tallies")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let fate = fate_from(&row.get::<_, String>(1)?).as_str();
            books
                .tallies
                .insert((name_from(row.get(0)?)?, fate), row.get(2)?);
        }
        let mut rows = db.prepare("SELECT target, segment, pending FROM backlog")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let (segment, pending) = (row.get::<_, i64>(1)? as u64, row.get(2)?);
            books
                .backlog
                .insert((name_from(row.get(0)?)?, segment), pending);
            *books.pending.entry(segment).or_default() += pending;
        }
        let mut rows =
            db.prepare("SELECT source, events, quarantined, last_received FROM sources")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let book = SourceBook {
                events: row.get(1)?,
                quarantined: row.get(2)?,
                last_received: row.get(3)?,
            };
            books.sources.insert(name_from(row.get(0)?)?, book);
        }
        Ok(books)
    }

    /// Writes what changed since the last time.
    pub(super) fn write(&mut self, db: &Connection) -> rusqlite::Result<()> {
        self.activity.write(db)?;
        for first_lsn in self.changed_segments.drain() {
            let Some(book) = self.segments.get(&first_lsn) else {
                continue;
            };
            db.prepare_cached("INSERT OR REPLACE INTO segments VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![
                    book.segment as i64,
                    book.first_lsn as i64,
                    book.last_lsn as i64,
                    book.oldest,
                    book.newest
                ])?;
        }
        for key in self.changed_tallies.drain() {
            // Nothing is told of a target without deliveries; in memory the zero stays, for the metrics.
            let (count, target, fate) = (self.tallies.get(&key).copied(), key.0.as_str(), key.1);
            match count.unwrap_or(0) {
                0 => db
                    .prepare_cached("DELETE FROM tallies WHERE target = ?1 AND fate = ?2")?
                    .execute(params![target, fate])?,
                count => db
                    .prepare_cached("INSERT OR REPLACE INTO tallies VALUES (?1, ?2, ?3)")?
                    .execute(params![target, fate, count])?,
            };
        }
        for key in self.changed_backlog.drain() {
            let pending = self.backlog.get(&key).copied().unwrap_or(0);
            let (target, segment) = (key.0.as_str(), key.1 as i64);
            if pending == 0 {
                self.backlog.remove(&key);
                db.prepare_cached("DELETE FROM backlog WHERE target = ?1 AND segment = ?2")?
                    .execute(params![target, segment])?;
            } else {
                db.prepare_cached("INSERT OR REPLACE INTO backlog VALUES (?1, ?2, ?3)")?
                    .execute(params![target, segment, pending])?;
            }
        }
        for source in self.changed_sources.drain() {
            let book = self.sources.get(&source).copied().unwrap_or_default();
            db.prepare_cached("INSERT OR REPLACE INTO sources VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![
                    source.as_str(),
                    book.events,
                    book.quarantined,
                    book.last_received
                ])?;
        }
        Ok(())
    }

    /// A record that tells of these times was applied.
    pub(super) fn record(&mut self, segment: u64, lsn: u64, oldest: i64, newest: i64) {
        let known = self.segments.range_mut(..=lsn).next_back();
        let first = match known {
            Some((first, book)) if book.segment == segment => {
                book.last_lsn = book.last_lsn.max(lsn);
                book.oldest = book.oldest.min(oldest);
                book.newest = book.newest.max(newest);
                *first
            }
            _ => {
                let book = SegmentBook {
                    segment,
                    first_lsn: lsn,
                    last_lsn: lsn,
                    oldest,
                    newest,
                };
                self.segments.insert(lsn, book);
                lsn
            }
        };
        self.changed_segments.insert(first);
    }

    /// The segment that tells of that event, if it is kept.
    pub(super) fn segment_of(&self, number: i64) -> Option<u64> {
        let lsn = (number / NUMBERS_PER_RECORD) as u64;
        let (_, book) = self.segments.range(..=lsn).next_back()?;
        (lsn <= book.last_lsn).then_some(book.segment)
    }

    /// A delivery for an event in `segment` came to stand at `fate` (or no longer does, with -1).
    pub(super) fn count(&mut self, target: &Name, fate: Fate, segment: Option<u64>, by: i64) {
        let key = (target.clone(), fate.as_str());
        *self.tallies.entry(key.clone()).or_default() += by;
        self.changed_tallies.insert(key);
        if fate == Fate::Pending
            && let Some(segment) = segment
        {
            let key = (target.clone(), segment);
            *self.backlog.entry(key.clone()).or_default() += by;
            self.changed_backlog.insert(key);
            *self.pending.entry(segment).or_default() += by;
        }
    }

    pub(super) fn source(&mut self, source: &Name, change: impl FnOnce(&mut SourceBook)) {
        change(self.sources.entry(source.clone()).or_default());
        self.changed_sources.insert(source.clone());
    }

    /// Oldest first.
    pub(super) fn segments(&self) -> Vec<SegmentBook> {
        self.segments.values().copied().collect()
    }

    pub(super) fn pending_in(&self, segment: u64) -> i64 {
        self.pending.get(&segment).copied().unwrap_or(0)
    }

    pub(super) fn forget(&mut self, book: &SegmentBook) {
        self.segments.remove(&book.first_lsn);
        self.changed_segments.remove(&book.first_lsn);
        self.pending.remove(&book.segment);
        self.backlog
            .retain(|(_, segment), _| *segment != book.segment);
    }

    pub(super) fn targets_with_pending(&self) -> Vec<Name> {
        let pending = self
            .tallies()
            .filter(|(_, fate, count)| *fate == Fate::Pending.as_str() && *count > 0);
        pending.map(|(target, ..)| target.clone()).collect()
    }

    pub(super) fn tallies(&self) -> impl Iterator<Item = (&Name, &'static str, i64)> {
        self.tallies
            .iter()
            .map(|((target, fate), count)| (target, *fate, *count))
    }
}
