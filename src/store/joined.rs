//! Events that a route delivers as a part of another, in the index.
//!
//! A plan tells of them ([`Joined`]), so they ride in the record of the event that was accepted last. What it makes a part
//! of itself may have been planned before, held until a moment that has not come yet: that delivery is then filtered, in the
//! transaction that applies the record. It can have been neither leased nor tried by then; if it was after all (a clock that
//! jumped, a disk that took long), it stays as it is, and both are delivered. Decisions reach the log in the order they
//! were made in, so whatever a record ends is there before it.
//!
//! The rows go with the event that the parts went into. They are told again when the segment that told them is removed
//! before it. As long as the delivery of a pair waits, both halves are needed: the one that carries the other, and that one,
//! which stays with its pictures, however old, though nothing of its own waits.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::books::{SegmentBook, name_from};
use super::feed::Changed;
use super::index::Index;
use super::pictures::siblings;
use super::{Store, StoreError};
use crate::event::{EventId, Item};
use crate::fate::{Attempt, Fate, Joined};
use crate::name::Name;

type Result<T> = rusqlite::Result<T>;

/// Parts of one event that are read, parts of parts among them.
const PARTS_MAX: i64 = 1_000;

fn text(item: Option<Item>) -> String {
    item.map(|item| item.to_string()).unwrap_or_default()
}

impl Index {
    pub(super) fn join(&mut self, lsn: u64, at: Timestamp, joined: &Joined) -> Result<()> {
        self.remember_joined(lsn, joined)?;
        let part = &joined.part;
        let event = self
            .db
            .prepare_cached("SELECT number FROM events WHERE id = ?1")?
            .query_row([part.id.as_bytes()], |row| row.get::<_, i64>(0))
            .optional()?;
        let Some(event) = event else {
            return Ok(());
        };
        let (first, last) = siblings(event);
        let waiting: Vec<(i64, String)> = self
            .db
            .prepare_cached(
                "SELECT number, target FROM deliveries WHERE number BETWEEN ?2 AND ?3 AND event = ?1 AND route = ?4
                 AND coalesce(item, '') = ?5 AND fate = 'pending' AND tried = 0 AND replanned = 0
                 AND not_before IS NOT NULL AND coalesce(due, not_before) = not_before",
            )?
            .query_map(
                params![event, first, last, joined.route.as_str(), text(part.item)],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?
            .collect::<Result<_>>()?;
        for (number, target) in waiting {
            let target = name_from(target)?;
            self.db
                .prepare_cached(
                    "UPDATE deliveries SET fate = 'filtered', due = NULL, tried = 1, touched = ?2 WHERE number = ?1",
                )?
                .execute(params![number, lsn as i64])?;
            let told = Attempt {
                at,
                status: None,
                ms: 0,
                error: Some(joined.why.clone()),
                excerpt: None,
            };
            self.note_attempt(number, 1, &told, (lsn, lsn), false)?;
            let segment = self.books.segment_of(event);
            self.books.count(&target, Fate::Pending, segment, -1);
            self.books.count(&target, Fate::Filtered, segment, 1);
            self.news.fates.push((target.clone(), Fate::Filtered));
            self.news.changed.push((lsn, Changed::Delivery(number)));
            // Where order is kept, the camera's next one may go now.
            self.news.wake.insert(target);
        }
        Ok(())
    }

    /// Unless the event it went into is gone.
    pub(super) fn remember_joined(&self, lsn: u64, joined: &Joined) -> Result<()> {
        let told = serde_json::to_string(joined).unwrap_or_default();
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO joined SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
                 WHERE EXISTS (SELECT 1 FROM events WHERE id = ?4)",
            )?
            .execute(params![
                joined.route.as_str(),
                joined.part.id.as_bytes(),
                text(joined.part.item),
                joined.into.as_bytes(),
                text(joined.into_item),
                told,
                lsn as i64,
                joined.how.is_half()
            ])?;
        Ok(())
    }

    /// Whether a delivery waits that needs that event: one of its own, or of a pair of which it is a half.
    pub(super) fn is_needed(&self, event: i64) -> Result<bool> {
        if self.is_pending(event)? {
            return Ok(true);
        }
        let mut carriers = self.db.prepare_cached(
            "SELECT c.number FROM events e CROSS JOIN joined j INDEXED BY joined_halves ON j.part = e.id AND j.half
             CROSS JOIN events c ON c.id = j.into_event WHERE e.number = ?1",
        )?;
        let mut carriers = carriers.query([event])?;
        while let Some(row) = carriers.next()? {
            if self.is_pending(row.get(0)?)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a segment has halves of pairs that wait, carried by events in others.
    pub(super) fn holds_halves(&self, book: &SegmentBook) -> Result<bool> {
        let there_are_some = "SELECT 1 FROM joined INDEXED BY joined_halves WHERE half LIMIT 1";
        if !self.db.prepare_cached(there_are_some)?.exists([])? {
            return Ok(false);
        }
        let (first, last) = book.numbers();
        let mut halves = self.db.prepare_cached(
            "SELECT e.number FROM events e CROSS JOIN joined j INDEXED BY joined_halves ON j.part = e.id AND j.half
             WHERE e.number BETWEEN ?1 AND ?2",
        )?;
        let mut halves = halves.query(params![first, last])?;
        while let Some(row) = halves.next()? {
            if self.is_needed(row.get(0)?)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What went into an event that is removed.
    pub(super) fn forget_joined(&self, into: &[u8; 16]) -> Result<()> {
        self.db
            .prepare_cached("DELETE FROM joined WHERE into_event = ?1")?
            .execute([into])?;
        Ok(())
    }

    /// What a segment tells of parts of events that lie in others.
    pub(super) fn joined_between(&self, book: &SegmentBook) -> Result<Vec<Joined>> {
        let (first, last) = book.numbers();
        let told: Vec<String> = self
            .db
            .prepare_cached(
                "SELECT j.told FROM joined j CROSS JOIN events e ON e.id = j.into_event
                 WHERE j.touched BETWEEN ?1 AND ?2 AND e.number NOT BETWEEN ?3 AND ?4",
            )?
            .query_map(
                params![book.first_lsn as i64, book.last_lsn as i64, first, last],
                |row| row.get(0),
            )?
            .collect::<Result<_>>()?;
        Ok(told.iter().filter_map(|told| read(told)).collect())
    }
}

fn read(told: &str) -> Option<Joined> {
    serde_json::from_str(told).ok()
}

impl Store {
    /// What went into that event, on any route: its own parts, and theirs.
    pub(crate) async fn joined(
        &self,
        event: EventId,
    ) -> std::result::Result<Vec<Joined>, StoreError> {
        self.read(move |db, _| parts(db, event)).await
    }

    /// What went into one delivery.
    pub(crate) async fn parts(
        &self,
        event: EventId,
        route: &Name,
        item: Option<Item>,
    ) -> std::result::Result<Vec<Joined>, StoreError> {
        let joined = self.joined(event).await?;
        Ok(Joined::into_delivery(joined, event, route, item))
    }
}

fn parts(db: &Connection, event: EventId) -> Result<Vec<Joined>> {
    let told: Vec<String> = db
        .prepare_cached(
            "WITH RECURSIVE parts (told, part, item, route) AS (
                 SELECT told, part, item, route FROM joined WHERE into_event = ?1
                 UNION
                 SELECT j.told, j.part, j.item, j.route FROM parts p CROSS JOIN joined j
                 ON j.into_event = p.part AND j.into_item = p.item AND j.route = p.route
             )
             SELECT told FROM parts LIMIT ?2",
        )?
        .query_map(params![event.as_bytes(), PARTS_MAX], |row| row.get(0))?
        .collect::<Result<_>>()?;
    Ok(told.iter().filter_map(|told| read(told)).collect())
}
