//! Applies records to the index, in the order of the log.
//!
//! Everything here follows from the records alone, so that an index rebuilt from the segments tells the same. Who applies
//! a record twice (after a crash, from the last progress on) changes nothing the second time, because progress is stored
//! in the same transaction as the rows.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::TargetState;
use super::books::{Books, name_from};
use super::carried::Early;
use super::catalog::Position;
use super::feed::Changed;
use super::progress::Progress;
use super::record::{EventRow, QuarantineEntry, What};
use super::redact::Gap;
use super::writer::Change;
use crate::fate::{Fate, Planned};
use crate::name::Name;

/// An event's or delivery's number is its record's LSN times this, plus a count.
pub(super) const NUMBERS_PER_RECORD: i64 = 1 << 20;

pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

pub(super) fn moment(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}

/// The writing side of the index.
pub(super) struct Index {
    pub(super) db: Connection,
    pub(super) books: Books,
    pub(super) progress: Progress,
    /// Targets that keep order.
    pub(super) ordered: HashSet<Name>,
    /// What the current transaction did, for those who wait and for the metrics.
    pub(super) news: News,
    /// What is in memory is not what is in the database: undoing a transaction failed.
    stale: bool,
    /// All records that were there when the store was opened are applied.
    pub(super) is_live: bool,
    /// Outcomes of deliveries that nothing told of so far, see [`Index::carried`].
    pub(super) early: Early,
}

#[derive(Default)]
pub(super) struct News {
    pub(super) wake: HashSet<Name>,
    /// Settled leases: the target and the delivery.
    pub(super) settled: Vec<(Name, i64)>,
    pub(super) fates: Vec<(Name, Fate)>,
    pub(super) states: Vec<(Name, TargetState)>,
    /// For those who watch, each with the record that told it.
    pub(super) changed: Vec<(u64, Changed)>,
    /// An event came whose pictures are to be fetched.
    pub(super) pictures: bool,
    /// Events or quarantined requests were removed.
    pub(super) removed: bool,
    /// Whose deliveries were given up by hand, one for each.
    pub(super) discarded: Vec<Name>,
}

type Result<T> = rusqlite::Result<T>;

impl Index {
    pub(super) fn load(db: Connection) -> Result<Self> {
        let progress = Progress::load(&db)?;
        let books = Books::load(&db)?;
        let mut index = Self {
            db,
            books,
            progress,
            ordered: HashSet::new(),
            news: News::default(),
            stale: false,
            is_live: false,
            early: Early::default(),
        };
        index.load_targets()?;
        Ok(index)
    }

    fn load_targets(&mut self) -> Result<()> {
        let mut rows = self.db.prepare("SELECT target, ordered FROM targets")?;
        let mut rows = rows.query([])?;
        self.ordered.clear();
        while let Some(row) = rows.next()? {
            if row.get(1)? {
                self.ordered.insert(name_from(row.get(0)?)?);
            }
        }
        Ok(())
    }

    pub(super) fn states(&self) -> Result<Vec<(Name, TargetState)>> {
        let mut rows = self.db.prepare("SELECT target, state FROM targets")?;
        let mut rows = rows.query([])?;
        let mut states = Vec::new();
        while let Some(row) = rows.next()? {
            let state: String = row.get(1)?;
            let state = serde_json::from_str(&state).unwrap_or(TargetState::Running);
            states.push((name_from(row.get(0)?)?, state));
        }
        Ok(states)
    }

    /// Bytes within the file that hold nothing.
    pub(super) fn unused(&self) -> Result<u64> {
        let number = |sql| self.db.query_row(sql, [], |row| row.get::<_, i64>(0));
        let (pages, each) = (
            number("PRAGMA freelist_count")?,
            number("PRAGMA page_size")?,
        );
        Ok(u64::try_from(pages * each).unwrap_or(0))
    }

    pub(super) fn begin(&mut self) -> Result<()> {
        if self.stale {
            self.rollback()?;
        }
        self.news = News::default();
        self.db.execute_batch("BEGIN IMMEDIATE")
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        self.books.write(&self.db)?;
        self.db
            .prepare_cached("UPDATE progress SET lsn = ?1, segment = ?2, offset = ?3, synced = ?4")?
            .execute(params![
                self.progress.lsn as i64,
                self.progress.next.segment as i64,
                self.progress.next.offset as i64,
                self.progress.synced as i64
            ])?;
        self.db.execute_batch("COMMIT")
    }

    /// Undoes the current transaction, in memory as well. After an error the next transaction tries that again first.
    pub(super) fn rollback(&mut self) -> Result<()> {
        self.stale = true;
        if !self.db.is_autocommit() {
            self.db.execute_batch("ROLLBACK")?;
        }
        self.news = News::default();
        self.progress = Progress::load(&self.db)?;
        self.books = Books::load(&self.db)?;
        self.load_targets()?;
        self.stale = false;
        Ok(())
    }

    /// Applies one record, in several transactions if it is about many rows. Returns how many.
    pub(super) fn apply(&mut self, change: &Change) -> Result<u64> {
        let (mut cursor, mut total) = (0, 0);
        loop {
            let (count, done) = self.apply_some(change, &mut cursor)?;
            total += count;
            if done {
                return Ok(total);
            }
            self.commit()?;
            self.begin()?;
        }
    }

    /// Applies a part of a record, and tells how many rows it was about and whether that was all; `cursor` is 0 at first.
    /// Every part changes nothing when it is applied once more. The record's `lsn` is 0 for an outcome that the log had no
    /// room for.
    pub(super) fn apply_some(&mut self, change: &Change, cursor: &mut i64) -> Result<(u64, bool)> {
        let (lsn, at) = (change.lsn, change.position);
        if lsn != 0 {
            if lsn <= self.progress.lsn {
                return Ok((0, true));
            }
            if let Some((oldest, newest)) = change.what.times() {
                self.books
                    .record(at.segment, lsn, micros(oldest), micros(newest));
            }
        }
        let touched = if lsn == 0 { self.progress.lsn } else { lsn };
        let whole = |count| (count, true);
        let (count, done) = match &change.what {
            What::Request {
                at: now,
                events,
                gaps,
                remembered,
                releases,
            } => {
                self.request(lsn, at, *now, events, gaps)?;
                self.remember(lsn, remembered)?;
                if let Some(quarantined) = releases {
                    self.release(lsn, quarantined.as_bytes())?;
                }
                whole(events.len() as u64)
            }
            What::Quarantine(entry) => whole(self.quarantine(lsn, at, entry)?),
            What::Outcome(outcome) => whole(self.outcome(touched, outcome)?),
            What::PlanAgain(again) => whole(self.plan_again(lsn, again)?),
            What::Retry(retry) => self.retry(lsn, retry)?,
            What::Target(steered) => whole(self.steered(lsn, steered)?),
            What::Purge(purge) if purge.named => whole(0),
            What::Purge(purge) => self.purge(lsn, purge, cursor)?,
            What::Carry(carry) => whole(self.carry(lsn, carry)?),
            What::Fetched(fetched) => whole(self.fetched(lsn, at, fetched)?),
            What::Forgot(forgotten) => whole(self.forgot(lsn, forgotten)?),
            What::Worked(worked) => whole(self.worked(lsn, worked)?),
            What::Erased | What::Seal => whole(0),
        };
        if lsn != 0 && done {
            self.progress.lsn = lsn;
            if change.synced {
                self.progress.synced = lsn;
                self.progress.next = Position {
                    segment: at.segment,
                    offset: at.offset + change.bytes,
                };
            }
        }
        Ok((count, done))
    }

    fn request(
        &mut self,
        lsn: u64,
        at: Position,
        now: Timestamp,
        events: &[EventRow],
        gaps: &[Gap],
    ) -> Result<()> {
        let first = lsn as i64 * NUMBERS_PER_RECORD;
        let (mut next_event, mut next_delivery) = (first, first);
        let mut added_ones = Vec::new();
        for event in events {
            while let Some(gap) = gaps.iter().find(|gap| first + gap.at == next_event) {
                next_event += 1;
                next_delivery += gap.deliveries;
            }
            let number = next_event;
            next_event += 1;
            let added = self
                .db
                .prepare_cached(
                    "INSERT OR IGNORE INTO events (number, id, source, kind, camera, plates, received_at, occurred_at, segment, offset)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                )?
                .execute(params![
                    number,
                    event.id.as_bytes(),
                    event.source.as_str(),
                    event.kind,
                    event.camera,
                    event.plates.join(" "),
                    micros(event.received_at),
                    micros(event.occurred_at),
                    at.segment as i64,
                    at.offset as i64
                ])?;
            if added == 0 {
                continue; // an event of that id is known; ids are ours, so this is the same event again
            }
            for plate in &event.plates {
                self.db
                    .prepare_cached("INSERT OR IGNORE INTO plates VALUES (?1, ?2)")?
                    .execute(params![plate, number])?;
            }
            self.books.source(&event.source, |book| {
                book.events += 1;
                book.last_received = book.last_received.max(Some(micros(event.received_at)));
            });
            let id = event.id;
            self.news.changed.push((lsn, Changed::Event { number, id }));
            let received_at = micros(event.received_at);
            self.books
                .activity
                .came(&event.source, event.camera.as_deref(), received_at);
            let camera = event.camera.as_deref().unwrap_or("");
            for planned in &event.plan.deliveries {
                let delivery = next_delivery;
                next_delivery += 1;
                self.deliver(lsn, delivery, number, camera, planned, now, at.segment, 0)?;
            }
            if event.awaits_pictures {
                self.await_pictures(number, &event.source)?;
            }
            added_ones.push(event);
        }
        // What an event goes into may be one that was told beside it.
        for joined in added_ones.iter().flat_map(|event| &event.plan.joined) {
            self.join(lsn, now, joined)?;
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "one row has that many columns")]
    pub(super) fn deliver(
        &mut self,
        lsn: u64,
        number: i64,
        event: i64,
        camera: &str,
        planned: &Planned,
        now: Timestamp,
        segment: u64,
        replanned: u64,
    ) -> Result<()> {
        let camera = self.ordered.contains(&planned.target).then_some(camera);
        let added = self
            .db
            .prepare_cached(
                "INSERT OR IGNORE INTO deliveries
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'pending', max(?7, coalesce(?11, ?7)), ?7, 0, 0, ?8, ?9, ?10, ?11, NULL)",
            )?
            .execute(params![
                number,
                planned.id.as_bytes(),
                event,
                planned.route.as_str(),
                planned.target.as_str(),
                planned.item.map(|item| item.to_string()),
                micros(now),
                lsn as i64,
                replanned as i64,
                camera,
                planned.not_before.map(micros)
            ])?;
        if added > 0 {
            self.news.changed.push((lsn, Changed::Delivery(number)));
            self.books
                .count(&planned.target, Fate::Pending, Some(segment), 1);
            self.books.activity.planned(&planned.target, now);
            if !self.news.wake.contains(&planned.target) {
                self.news.wake.insert(planned.target.clone());
            }
        }
        Ok(())
    }

    fn quarantine(&mut self, lsn: u64, at: Position, entry: &QuarantineEntry) -> Result<u64> {
        self.db
            .prepare_cached(
                "INSERT OR IGNORE INTO quarantine VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                lsn as i64 * NUMBERS_PER_RECORD,
                entry.id.as_bytes(),
                entry.source.as_str(),
                micros(entry.received_at),
                entry.remote.map(|remote| remote.to_string()),
                entry.content_type,
                entry.size as i64,
                entry.reason,
                at.segment as i64,
                at.offset as i64
            ])?;
        self.books.source(&entry.source, |book| {
            book.quarantined += 1;
            book.last_received = book.last_received.max(Some(micros(entry.received_at)));
        });
        Ok(1)
    }

    fn release(&mut self, lsn: u64, id: &[u8; 16]) -> Result<()> {
        let number = self
            .db
            .prepare_cached("SELECT number FROM quarantine WHERE id = ?1")?
            .query_row([id], |row| row.get::<_, i64>(0))
            .optional()?;
        if let Some(number) = number {
            self.remove_quarantined(number)?;
            self.remember_gone(number, lsn)?;
        }
        Ok(())
    }

    pub(super) fn remember_gone(&mut self, number: i64, lsn: u64) -> Result<()> {
        self.news.removed = true;
        self.db
            .prepare_cached("INSERT OR REPLACE INTO gone VALUES (?1, ?2)")?
            .execute(params![number, lsn as i64])?;
        Ok(())
    }
}
