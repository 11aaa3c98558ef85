//! Applies records to the index, in the order of the log.
//!
//! Everything here follows from the records alone, so that an index rebuilt from the segments tells the same. Who applies
//! a record twice (after a crash, from the last progress on) changes nothing the second time, because progress is stored
//! in the same transaction as the rows.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::books::{Books, fate_from, name_from};
use super::log::Position;
use super::record::{
    Carry, EventRow, Outcome, PlanAgain, Purge, QuarantineEntry, Retry, Steered, What,
};
use super::writer::Change;
use super::{RetryQuery, Settled, TargetState};
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

/// How far the index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// The last record applied.
    pub(super) lsn: u64,
    /// The last one known to be safe in the log, and where the one after it lies: there reading goes on after a crash,
    /// because outcomes behind it may be applied here and yet be lost there.
    pub(super) synced: u64,
    pub(super) next: Position,
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
}

#[derive(Default)]
pub(super) struct News {
    pub(super) wake: HashSet<Name>,
    /// Settled leases: the target and the delivery.
    pub(super) settled: Vec<(Name, i64)>,
    pub(super) fates: Vec<(Name, Fate)>,
    pub(super) states: Vec<(Name, TargetState)>,
    /// Events or quarantined requests were removed.
    pub(super) removed: bool,
}

type Result<T> = rusqlite::Result<T>;

impl Index {
    pub(super) fn load(db: Connection) -> Result<Self> {
        let progress = load_progress(&db)?;
        let books = Books::load(&db)?;
        let mut index = Self {
            db,
            books,
            progress,
            ordered: HashSet::new(),
            news: News::default(),
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

    pub(super) fn begin(&mut self) -> Result<()> {
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

    /// Undoes the current transaction, in memory as well.
    pub(super) fn rollback(&mut self) -> Result<()> {
        if !self.db.is_autocommit() {
            self.db.execute_batch("ROLLBACK")?;
        }
        self.news = News::default();
        self.books = Books::load(&self.db)?;
        self.progress = load_progress(&self.db)?;
        self.load_targets()
    }

    /// Applies one record; `lsn` is 0 for an outcome that the log had no room for. Returns how many rows it was about.
    pub(super) fn apply(&mut self, change: &Change) -> Result<u64> {
        let Change {
            lsn,
            position: at,
            bytes,
            ref what,
            synced,
            ..
        } = *change;
        if lsn != 0 {
            if lsn <= self.progress.lsn {
                return Ok(0);
            }
            if let Some((oldest, newest)) = times_of(what) {
                self.books
                    .record(at.segment, lsn, micros(oldest), micros(newest));
            }
        }
        let touched = if lsn == 0 { self.progress.lsn } else { lsn };
        let count = match what {
            What::Request {
                at: now,
                events,
                releases,
            } => {
                self.request(lsn, at, *now, events)?;
                if let Some(quarantined) = releases {
                    self.release(lsn, quarantined.as_bytes())?;
                }
                events.len() as u64
            }
            What::Quarantine(entry) => self.quarantine(lsn, at, entry)?,
            What::Outcome(outcome) => self.outcome(touched, outcome)?,
            What::PlanAgain(again) => self.plan_again(lsn, again)?,
            What::Retry(retry) => self.retry(lsn, retry)?,
            What::Target(steered) => self.steer(lsn, &steered.target, &steered.state)?,
            What::Purge(purge) => self.purge(lsn, purge)?,
            What::Carry(carry) => self.carry(lsn, carry)?,
            What::Seal => 0,
        };
        if lsn != 0 {
            self.progress.lsn = lsn;
            if synced {
                self.progress.synced = lsn;
                self.progress.next = Position {
                    segment: at.segment,
                    offset: at.offset + bytes,
                };
            }
        }
        Ok(count)
    }

    fn request(
        &mut self,
        lsn: u64,
        at: Position,
        now: Timestamp,
        events: &[EventRow],
    ) -> Result<()> {
        let first = lsn as i64 * NUMBERS_PER_RECORD;
        let mut next_delivery = first;
        for (n, event) in events.iter().enumerate() {
            let number = first + n as i64;
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
            let camera = event.camera.as_deref().unwrap_or("");
            for planned in &event.plan {
                let delivery = next_delivery;
                next_delivery += 1;
                self.deliver(lsn, delivery, number, camera, planned, now, at.segment, 0)?;
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "one row has that many columns")]
    fn deliver(
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
                "INSERT OR IGNORE INTO deliveries VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'pending', ?7, ?7, 0, 0, ?8, ?9, ?10)",
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
                camera
            ])?;
        if added > 0 {
            self.books
                .count(&planned.target, Fate::Pending, Some(segment), 1);
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

    fn outcome(&mut self, touched: u64, outcome: &Outcome) -> Result<u64> {
        let number = outcome.delivery;
        let known = self
            .db
            .prepare_cached("SELECT target, fate, event, tried FROM deliveries WHERE number = ?1")?
            .query_row([number], |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, i64>(2)?,
                    row.get::<_, u32>(3)?,
                ))
            })
            .optional()?;
        let Some((target, before, event, tried)) = known else {
            return Ok(0); // its event has been removed since
        };
        let target = name_from(target)?;
        let before = fate_from(&before);
        self.news.settled.push((target.clone(), number));
        let tried = tried + u32::from(outcome.attempt.is_some());
        if let Some(attempt) = &outcome.attempt {
            self.db
                .prepare_cached(
                    "INSERT OR REPLACE INTO attempts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    number,
                    tried,
                    micros(attempt.at),
                    attempt.status,
                    attempt.ms as i64,
                    attempt.error,
                    attempt.excerpt
                ])?;
        }
        let (fate, due, counts) = match &outcome.settled {
            Settled::Delivered => (Fate::Delivered, None, true),
            Settled::Again { due, counts } => (Fate::Pending, Some(micros(*due)), *counts),
            Settled::Dead => (Fate::Dead, None, true),
            Settled::Expired => (Fate::Expired, None, outcome.attempt.is_some()),
            Settled::Filtered => (Fate::Filtered, None, outcome.attempt.is_some()),
        };
        // A second outcome after an expired lease cannot undo a delivery.
        let (fate, due) = if before == Fate::Pending || fate == Fate::Delivered {
            (fate, due)
        } else {
            (before, None)
        };
        self.db
            .prepare_cached(
                "UPDATE deliveries SET fate = ?2, due = ?3, counted = counted + ?4, tried = ?5, touched = ?6 WHERE number = ?1",
            )?
            .execute(params![number, fate.as_str(), due, counts, tried, touched as i64])?;
        if fate != before {
            let segment = self.books.segment_of(event);
            self.books.count(&target, before, segment, -1);
            self.books.count(&target, fate, segment, 1);
            self.news.fates.push((target.clone(), fate));
        }
        // Where order is kept, the camera's next one may go now.
        if fate == Fate::Pending || self.ordered.contains(&target) {
            self.news.wake.insert(target);
        }
        Ok(1)
    }

    fn plan_again(&mut self, lsn: u64, again: &PlanAgain) -> Result<u64> {
        let event = self
            .db
            .prepare_cached("SELECT number, camera, segment FROM events WHERE id = ?1")?
            .query_row([again.event.as_bytes()], |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get::<_, Option<String>>(1)?,
                    row.get::<_, i64>(2)? as u64,
                ))
            })
            .optional()?;
        let Some((event, camera, segment)) = event else {
            return Ok(0);
        };
        self.add_plan(event, lsn, lsn, &again.plan)?;
        let camera = camera.unwrap_or_default();
        for (n, planned) in again.plan.deliveries.iter().enumerate() {
            let number = lsn as i64 * NUMBERS_PER_RECORD + n as i64;
            self.deliver(lsn, number, event, &camera, planned, again.at, segment, lsn)?;
        }
        Ok(1)
    }

    fn add_plan(
        &mut self,
        event: i64,
        lsn: u64,
        touched: u64,
        plan: &crate::fate::Plan,
    ) -> Result<()> {
        let text = serde_json::to_string(plan).unwrap_or_default();
        self.db
            .prepare_cached("INSERT OR REPLACE INTO plans_again VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![event, lsn as i64, text, touched as i64])?;
        Ok(())
    }

    fn retry(&mut self, lsn: u64, retry: &Retry) -> Result<u64> {
        let mut numbers: Vec<i64> = Vec::new();
        let mut held: Vec<Name> = Vec::new();
        for (target, state) in self.states()? {
            if matches!(state, TargetState::Held { .. }) {
                held.push(target);
            }
        }
        let now = micros(retry.at);
        match &retry.which {
            RetryQuery::Ids(ids) => {
                let mut freed = HashSet::new();
                for id in ids {
                    let found = self
                        .db
                        .prepare_cached(
                            "SELECT number, target, fate FROM deliveries WHERE id = ?1",
                        )?
                        .query_row([id.as_bytes()], |row| {
                            Ok((
                                row.get(0)?,
                                row.get::<_, String>(1)?,
                                row.get::<_, String>(2)?,
                            ))
                        })
                        .optional()?;
                    if let Some((number, target, fate)) = found {
                        let target = name_from(target)?;
                        let is_held = fate == "pending" && held.contains(&target);
                        if is_held || fate == "dead" {
                            numbers.push(number);
                        }
                        freed.insert(target);
                    }
                }
                held.retain(|target| freed.contains(target));
            }
            RetryQuery::Target(target) => {
                held.retain(|name| name == target);
                self.find(
                    &mut numbers,
                    "SELECT number FROM deliveries WHERE fate = 'dead' AND target = ?1",
                    params![target.as_str()],
                )?;
                for name in &held {
                    self.find(&mut numbers, HELD, params![name.as_str(), now])?;
                }
            }
            RetryQuery::All => {
                self.find(
                    &mut numbers,
                    "SELECT number FROM deliveries WHERE fate = 'dead'",
                    params![],
                )?;
                for name in &held {
                    self.find(&mut numbers, HELD, params![name.as_str(), now])?;
                }
            }
        }
        for number in &numbers {
            self.make_due(lsn, *number, now)?;
        }
        for target in held {
            self.steer(lsn, &target, &TargetState::Running)?;
        }
        Ok(numbers.len() as u64)
    }

    fn find(&self, numbers: &mut Vec<i64>, sql: &str, params: impl rusqlite::Params) -> Result<()> {
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map(params, |row| row.get(0))?;
        for row in rows {
            numbers.push(row?);
        }
        Ok(())
    }

    fn make_due(&mut self, lsn: u64, number: i64, now: i64) -> Result<()> {
        let (target, fate, event): (String, String, i64) = self
            .db
            .prepare_cached("SELECT target, fate, event FROM deliveries WHERE number = ?1")?
            .query_row([number], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let target = name_from(target)?;
        self.db
            .prepare_cached(
                "UPDATE deliveries SET fate = 'pending', due = ?2, planned_at = ?2, counted = 0, touched = ?3,
                 camera = CASE WHEN ?4 THEN coalesce((SELECT camera FROM events WHERE number = deliveries.event), '') END
                 WHERE number = ?1",
            )?
            .execute(params![number, now, lsn as i64, self.ordered.contains(&target)])?;
        let before = fate_from(&fate);
        if before != Fate::Pending {
            let segment = self.books.segment_of(event);
            self.books.count(&target, before, segment, -1);
            self.books.count(&target, Fate::Pending, segment, 1);
        }
        self.news.wake.insert(target);
        Ok(())
    }

    fn steer(&mut self, lsn: u64, target: &Name, state: &TargetState) -> Result<u64> {
        let text = serde_json::to_string(state).unwrap_or_default();
        self.db
            .prepare_cached(
                "INSERT INTO targets VALUES (?1, ?2, ?3, ?4) ON CONFLICT (target) DO UPDATE SET state = ?2, touched = ?4",
            )?
            .execute(params![target.as_str(), text, self.ordered.contains(target), lsn as i64])?;
        self.news.states.push((target.clone(), state.clone()));
        self.news.wake.insert(target.clone());
        Ok(1)
    }

    /// From now on the target's deliveries are known by camera as well.
    pub(super) fn keep_order(&mut self, target: &Name) -> Result<()> {
        let running = serde_json::to_string(&TargetState::Running).unwrap_or_default();
        self.db.execute(
            "INSERT INTO targets VALUES (?1, ?2, 1, 0) ON CONFLICT (target) DO UPDATE SET ordered = 1",
            params![target.as_str(), running],
        )?;
        self.db.execute(
            "UPDATE deliveries SET camera = coalesce((SELECT camera FROM events WHERE number = deliveries.event), '')
             WHERE target = ?1 AND fate = 'pending'",
            [target.as_str()],
        )?;
        self.ordered.insert(target.clone());
        Ok(())
    }

    fn purge(&mut self, lsn: u64, purge: &Purge) -> Result<u64> {
        let before = micros(purge.before);
        let mut numbers = Vec::new();
        for book in self.books.segments() {
            if book.oldest < before {
                let (first, last) = book.numbers();
                self.find(
                    &mut numbers,
                    "SELECT number FROM events WHERE number BETWEEN ?1 AND ?2 AND received_at < ?3",
                    params![first, last, before],
                )?;
            }
        }
        let mut removed = 0;
        for number in numbers {
            if !self.is_pending(number)? {
                self.remove_event(number)?;
                self.remember_gone(number, lsn)?;
                removed += 1;
            }
        }
        let mut quarantined = Vec::new();
        self.find(
            &mut quarantined,
            "SELECT number FROM quarantine WHERE received_at < ?1",
            params![before],
        )?;
        for number in quarantined {
            self.remove_quarantined(number)?;
            self.remember_gone(number, lsn)?;
        }
        Ok(removed)
    }

    fn carry(&mut self, lsn: u64, carry: &Carry) -> Result<u64> {
        for number in &carry.gone {
            self.remove_event(*number)?;
            self.remove_quarantined(*number)?;
            self.remember_gone(*number, lsn)?;
        }
        for (target, state) in &carry.targets {
            let newer = self
                .db
                .prepare_cached("SELECT 1 FROM targets WHERE target = ?1 AND touched > ?2")?
                .exists(params![target.as_str(), carry.as_of as i64])?;
            if !newer {
                self.steer(lsn, target, state)?;
            }
        }
        for (event, at, plan) in &carry.plans {
            self.add_plan(*event, *at, lsn, plan)?;
        }
        for carried in &carry.deliveries {
            self.carried(lsn, carry.as_of, carried)?;
        }
        Ok(carry.deliveries.len() as u64)
    }
}

const HELD: &str =
    "SELECT number FROM deliveries WHERE fate = 'pending' AND target = ?1 AND due <= ?2";

/// The times a record tells of, as far as they matter to its segment's age: the oldest reception, and when it was made.
fn times_of(what: &What) -> Option<(Timestamp, Timestamp)> {
    let made = match what {
        What::Request { at, events, .. } => {
            let received = events.iter().map(|event| event.received_at).min();
            return Some((received.unwrap_or(*at).min(*at), *at));
        }
        What::Quarantine(entry) => entry.received_at,
        What::Outcome(outcome) => outcome.at,
        What::PlanAgain(again) => again.at,
        What::Retry(Retry { at, .. })
        | What::Target(Steered { at, .. })
        | What::Purge(Purge { at, .. }) => *at,
        What::Carry(carry) => carry.at,
        What::Seal => return None,
    };
    Some((made, made))
}

fn load_progress(db: &Connection) -> Result<Progress> {
    db.query_row(
        "SELECT lsn, synced, segment, offset FROM progress",
        [],
        |row| {
            Ok(Progress {
                lsn: row.get::<_, i64>(0)? as u64,
                synced: row.get::<_, i64>(1)? as u64,
                next: Position {
                    segment: row.get::<_, i64>(2)? as u64,
                    offset: row.get::<_, i64>(3)? as u64,
                },
            })
        },
    )
}
