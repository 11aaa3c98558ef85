//! Removing what is old: rows in small transactions, and what of a removed segment must be said again.
//!
//! A segment also tells of events that lie in others: how they were delivered, that they were planned anew. Before it goes,
//! whatever it said of events that stay is written again ([`Carry`]), so that the segments alone always tell everything.

use std::ops::ControlFlow::{self, Break, Continue};

use rusqlite::{OptionalExtension, params};

use super::books::{SegmentBook, fate_from, name_from};
use super::index::Index;
use super::pictures::siblings;
use super::record::{Carried, Carry};
use super::{TargetState, delivery_rows};
use crate::event::{DeliveryId, Item};
use crate::fate::{Fate, Plan};
use jiff::Timestamp;

type Result<T> = rusqlite::Result<T>;

/// Events removed in one transaction, so that deliveries are not held up for long.
const REMOVED_AT_ONCE: usize = 500;
/// Deliveries told in one record.
const CARRIED_AT_ONCE: usize = 2_000;

/// Whether the segment tells of one of a delivery's attempts.
const TRIED: &str = "EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = deliveries.number AND a.told BETWEEN ?3 AND ?4)";

const CARRIED_COLUMNS: &str = "number, id, event, route, target, item, fate, due, planned_at, counted, tried, replanned, not_before";

impl Index {
    /// Whether any delivery of that event waits.
    pub(super) fn is_pending(&self, event: i64) -> Result<bool> {
        let (first, last) = siblings(event);
        self.db
            .prepare_cached(
                "SELECT 1 FROM deliveries WHERE number BETWEEN ?2 AND ?3 AND event = ?1 AND fate = 'pending'
                 UNION ALL
                 SELECT 1 FROM deliveries WHERE replanned > 0 AND event = ?1 AND fate = 'pending'",
            )?
            .exists(params![event, first, last])
    }

    /// An event and all that belongs to it.
    pub(super) fn remove_event(&mut self, number: i64) -> Result<()> {
        let found = self
            .db
            .prepare_cached(
                "DELETE FROM events WHERE number = ?1 RETURNING source, plates, id, camera",
            )?
            .query_row([number], |row| {
                let (source, plates): (String, String) = (row.get(0)?, row.get(1)?);
                let camera: Option<String> = row.get(3)?;
                Ok((source, plates, row.get::<_, [u8; 16]>(2)?, camera))
            })
            .optional()?;
        let Some((source, plates, id, camera)) = found else {
            return Ok(());
        };
        self.forget_joined(&id)?;
        self.news.removed = true;
        let source = name_from(source)?;
        self.books.source(&source, |book| book.events -= 1);
        self.books.activity.went(&source, camera.as_deref());
        for plate in plates.split(' ').filter(|plate| !plate.is_empty()) {
            self.db
                .prepare_cached("DELETE FROM plates WHERE plate = ?1 AND event = ?2")?
                .execute(params![plate, number])?;
        }
        self.db
            .prepare_cached("DELETE FROM plans_again WHERE event = ?1")?
            .execute([number])?;
        self.db
            .prepare_cached("DELETE FROM pictures WHERE event = ?1")?
            .execute([number])?;
        let (first, last) = siblings(number);
        for (delivery, target, fate) in self.deliveries_of(number, first, last)? {
            let segment = self.books.segment_of(number);
            self.books
                .count(&name_from(target)?, fate_from(&fate), segment, -1);
            self.remove_delivery(delivery)?;
        }
        Ok(())
    }

    pub(super) fn deliveries_of(
        &self,
        event: i64,
        first: i64,
        last: i64,
    ) -> Result<Vec<(i64, String, String)>> {
        self.db
            .prepare_cached(
                "SELECT number, target, fate FROM deliveries WHERE number BETWEEN ?2 AND ?3 AND event = ?1
                 UNION
                 SELECT number, target, fate FROM deliveries WHERE replanned > 0 AND event = ?1",
            )?
            .query_map(params![event, first, last], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?
            .collect()
    }

    fn remove_delivery(&mut self, number: i64) -> Result<()> {
        self.db
            .prepare_cached("DELETE FROM attempts WHERE delivery = ?1")?
            .execute([number])?;
        let reason = self
            .db
            .prepare_cached("DELETE FROM deliveries WHERE number = ?1 RETURNING reason")?
            .query_row([number], |row| row.get::<_, Option<i64>>(0))
            .optional()?;
        match reason.flatten() {
            Some(reason) => self.leave_group(reason),
            None => Ok(()),
        }
    }

    pub(super) fn remove_quarantined(&mut self, number: i64) -> Result<()> {
        let source = self
            .db
            .prepare_cached("DELETE FROM quarantine WHERE number = ?1 RETURNING source")?
            .query_row([number], |row| row.get::<_, String>(0))
            .optional()?;
        if let Some(source) = source {
            self.books
                .source(&name_from(source)?, |book| book.quarantined -= 1);
        }
        Ok(())
    }

    /// Removes some of a segment's rows, in a transaction of its own; true when nothing is left.
    pub(super) fn remove_some(&mut self, book: &SegmentBook) -> Result<bool> {
        let (first, last) = book.numbers();
        self.begin()?;
        let numbers: Vec<i64> = self
            .db
            .prepare_cached("SELECT number FROM events WHERE number BETWEEN ?1 AND ?2 LIMIT ?3")?
            .query_map(params![first, last, REMOVED_AT_ONCE as i64], |row| {
                row.get(0)
            })?
            .collect::<Result<_>>()?;
        for number in &numbers {
            self.remove_event(*number)?;
        }
        let done = numbers.len() < REMOVED_AT_ONCE;
        if done {
            let quarantined: Vec<i64> = self
                .db
                .prepare_cached("SELECT number FROM quarantine WHERE number BETWEEN ?1 AND ?2")?
                .query_map(params![first, last], |row| row.get(0))?
                .collect::<Result<_>>()?;
            for number in quarantined {
                self.remove_quarantined(number)?;
            }
            self.db.execute(
                "DELETE FROM gone WHERE number BETWEEN ?1 AND ?2",
                params![first, last],
            )?;
            let segment = book.segment as i64;
            self.db
                .execute("DELETE FROM segments WHERE segment = ?1", [segment])?;
            self.db
                .execute("DELETE FROM backlog WHERE segment = ?1", [segment])?;
        }
        self.commit()?;
        if done {
            self.books.forget(book);
        }
        Ok(done)
    }

    /// What a segment says of events that are not its own, as records, one after the other until one is enough: a segment of
    /// nothing but outcomes tells of half a million deliveries.
    pub(super) fn carried_from<Enough>(
        &self,
        book: &SegmentBook,
        now: Timestamp,
        mut tell: impl FnMut(Carry) -> ControlFlow<Enough>,
    ) -> Result<ControlFlow<Enough>> {
        let (first, last) = book.numbers();
        let (from, to) = (book.first_lsn as i64, book.last_lsn as i64);
        let mut carry = Carry {
            at: now,
            as_of: self.progress.lsn,
            ..Carry::default()
        };
        carry.gone = self
            .db
            .prepare_cached("SELECT number FROM gone WHERE touched BETWEEN ?3 AND ?4 AND number NOT BETWEEN ?1 AND ?2")?
            .query_map(params![first, last, from, to], |row| row.get(0))?
            .collect::<Result<_>>()?;
        let mut rows = self
            .db
            .prepare_cached("SELECT target, state FROM targets WHERE touched BETWEEN ?1 AND ?2")?;
        let mut rows = rows.query(params![from, to])?;
        while let Some(row) = rows.next()? {
            let state: String = row.get(1)?;
            let state = serde_json::from_str(&state).unwrap_or(TargetState::Running);
            carry.targets.push((name_from(row.get(0)?)?, state));
        }
        let mut rows = self.db.prepare_cached(
            "SELECT event, lsn, plan FROM plans_again WHERE touched BETWEEN ?3 AND ?4 AND event NOT BETWEEN ?1 AND ?2",
        )?;
        let mut rows = rows.query(params![first, last, from, to])?;
        while let Some(row) = rows.next()? {
            let plan: Plan = serde_json::from_str(&row.get::<_, String>(2)?).unwrap_or_default();
            carry
                .plans
                .push((row.get(0)?, row.get::<_, i64>(1)? as u64, plan));
        }
        let as_of = carry.as_of;
        carry.forgot = self.forgotten_between(from, to)?;
        carry.jobs = self.jobs_between(from, to)?;
        let nothing = carry.gone.is_empty()
            && carry.jobs.is_empty()
            && carry.targets.is_empty()
            && carry.plans.is_empty()
            && carry.forgot.is_empty();
        if !nothing && let enough @ Break(_) = tell(carry) {
            return Ok(enough);
        }
        for remembered in self.notes_between(from, to, now)?.chunks(CARRIED_AT_ONCE) {
            let told = tell(Carry {
                at: now,
                as_of,
                remembered: remembered.to_vec(),
                ..Carry::default()
            });
            if told.is_break() {
                return Ok(told);
            }
        }
        for joined in self.joined_between(book)?.chunks(CARRIED_AT_ONCE) {
            let told = tell(Carry {
                at: now,
                as_of,
                joined: joined.to_vec(),
                ..Carry::default()
            });
            if told.is_break() {
                return Ok(told);
            }
        }
        let mut tell_of = |deliveries| {
            tell(Carry {
                at: now,
                as_of,
                deliveries,
                ..Carry::default()
            })
        };
        let mut deliveries = Vec::new();
        let mut gather = |carried| {
            deliveries.push(carried);
            match deliveries.len() {
                CARRIED_AT_ONCE => tell_of(std::mem::take(&mut deliveries)),
                _ => Continue(()),
            }
        };
        for other in self.books.segments() {
            if other.segment < book.segment {
                let (lower, upper) = other.numbers();
                let sql = format!(
                    "SELECT {CARRIED_COLUMNS} FROM deliveries
                     WHERE number BETWEEN ?1 AND ?2 AND (touched BETWEEN ?3 AND ?4 OR {TRIED}) AND replanned = 0"
                );
                let told = self.read_carried(&sql, params![lower, upper, from, to], &mut gather)?;
                if told.is_break() {
                    return Ok(told);
                }
            }
        }
        let sql = format!(
            "SELECT {CARRIED_COLUMNS} FROM deliveries WHERE replanned > 0 AND event NOT BETWEEN ?1 AND ?2
             AND (touched BETWEEN ?3 AND ?4 OR replanned BETWEEN ?3 AND ?4 OR {TRIED})"
        );
        let told = self.read_carried(&sql, params![first, last, from, to], &mut gather)?;
        if told.is_break() || deliveries.is_empty() {
            return Ok(told);
        }
        Ok(tell_of(deliveries))
    }

    fn read_carried<Enough>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        gather: &mut impl FnMut(Carried) -> ControlFlow<Enough>,
    ) -> Result<ControlFlow<Enough>> {
        let mut rows = self.db.prepare_cached(sql)?;
        let mut rows = rows.query(params)?;
        while let Some(row) = rows.next()? {
            let number = row.get(0)?;
            let item: Option<String> = row.get(5)?;
            let told = gather(Carried {
                number,
                id: DeliveryId::from_bytes(row.get(1)?),
                event: row.get(2)?,
                route: name_from(row.get(3)?)?,
                target: name_from(row.get(4)?)?,
                item: item.and_then(|item| Item::try_from(item).ok()),
                fate: fate_from(&row.get::<_, String>(6)?),
                due: row.get(7)?,
                planned_at: row.get(8)?,
                counted: row.get(9)?,
                tried: row.get(10)?,
                replanned: row.get::<_, i64>(11)? > 0,
                attempts: delivery_rows::attempts(&self.db, number)?,
                not_before: row.get(12)?,
            });
            if told.is_break() {
                return Ok(told);
            }
        }
        Ok(Continue(()))
    }

    /// One delivery as a removed segment left it, unless later records said more.
    pub(super) fn carried(&mut self, lsn: u64, as_of: u64, carried: &Carried) -> Result<()> {
        let known = self
            .db
            .prepare_cached(
                "SELECT touched, fate, due, planned_at, not_before FROM deliveries WHERE number = ?1",
            )?
            .query_row([carried.number], |row| {
                let moments = (row.get(2)?, row.get(3)?, row.get(4)?);
                Ok((row.get::<_, i64>(0)? as u64, row.get::<_, String>(1)?, moments))
            })
            .optional()?;
        let event = self
            .db
            .prepare_cached("SELECT camera FROM events WHERE number = ?1")?
            .query_row([carried.event], |row| row.get::<_, Option<String>>(0))
            .optional()?;
        let Some(camera) = event else {
            return Ok(());
        };
        let segment = self.books.segment_of(carried.event);
        let mut moments = (carried.due, carried.planned_at, carried.not_before);
        if let Some((touched, fate, known)) = known {
            if touched > as_of {
                return self.merge_carried(lsn, as_of, carried);
            }
            // The clock may have been set between the carried moment and this record.
            if self.is_live {
                moments = known;
            }
            self.books
                .count(&carried.target, fate_from(&fate), segment, -1);
            self.remove_delivery(carried.number)?;
        }
        // Fetching may have ended between the carried moment and this record.
        let (due, planned_at, not_before) = moments;
        let waits = carried.fate == Fate::Pending && due.is_none();
        let due = if waits && !self.awaits_pictures(carried.event)? {
            Some(planned_at.max(not_before.unwrap_or(i64::MIN)))
        } else {
            due
        };
        let camera = self
            .ordered
            .contains(&carried.target)
            .then(|| camera.unwrap_or_default());
        self.db
            .prepare_cached(
                "INSERT INTO deliveries VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, NULL)",
            )?
            .execute(params![
                carried.number,
                carried.id.as_bytes(),
                carried.event,
                carried.route.as_str(),
                carried.target.as_str(),
                carried.item.map(|item| item.to_string()),
                carried.fate.as_str(),
                due,
                planned_at,
                carried.counted,
                carried.tried,
                lsn as i64,
                if carried.replanned { lsn as i64 } else { 0 },
                camera,
                not_before
            ])?;
        for (n, attempt) in carried.attempts.iter().enumerate() {
            let told = (as_of, lsn);
            self.note_attempt(carried.number, n as u32 + 1, attempt, told, false)?;
        }
        self.group(carried.number)?;
        self.books.count(&carried.target, carried.fate, segment, 1);
        if carried.fate == Fate::Pending {
            self.news.wake.insert(carried.target.clone());
        }
        self.catch_up_with_outcomes(as_of, carried.number)
    }
}
