//! Applies what came of leases.

use rusqlite::{OptionalExtension, params};

use super::Settled;
use super::books::{fate_from, name_from};
use super::feed::Changed;
use super::index::{Index, micros};
use super::record::Outcome;
use crate::fate::Fate;

type Result<T> = rusqlite::Result<T>;

impl Index {
    pub(super) fn outcome(&mut self, touched: u64, outcome: &Outcome) -> Result<u64> {
        let number = outcome.delivery;
        let known = self
            .db
            .prepare_cached(
                "SELECT target, fate, event, tried, reason FROM deliveries WHERE number = ?1",
            )?
            .query_row([number], |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, i64>(2)?,
                    row.get::<_, u32>(3)?,
                    row.get::<_, Option<i64>>(4)?,
                ))
            })
            .optional()?;
        let Some((target, before, event, tried, reason)) = known else {
            // Its event has been removed since; or what plans it comes later, see there.
            self.early.keep(touched, outcome);
            return Ok(0);
        };
        let target = name_from(target)?;
        let before = fate_from(&before);
        self.news.settled.push((target.clone(), number));
        let tried = tried + u32::from(outcome.attempt.is_some());
        let (fate, due, counts) = match &outcome.settled {
            Settled::Delivered => (Fate::Delivered, None, true),
            Settled::Again { due, counts } => (Fate::Pending, Some(micros(*due)), *counts),
            Settled::Dead => (Fate::Dead, None, true),
            Settled::Expired => (Fate::Expired, None, outcome.attempt.is_some()),
            Settled::Filtered => (Fate::Filtered, None, outcome.attempt.is_some()),
        };
        if fate == Fate::Delivered {
            self.books.activity.delivered(&target, outcome.at);
        } else if outcome.attempt.is_some() && fate != Fate::Filtered {
            self.books.activity.failed(&target, outcome.at, number);
        }
        if let Some(attempt) = &outcome.attempt {
            self.note_attempt(number, tried, attempt, (touched, touched), counts)?;
        }
        // A second outcome cannot undo a delivery. That what was dead has another one tells that it was made due again, by a
        // record that may be gone.
        let is_open = matches!(before, Fate::Pending | Fate::Dead);
        let (fate, due) = if is_open || fate == Fate::Delivered {
            (fate, due)
        } else {
            (before, None)
        };
        self.db
            .prepare_cached(
                "UPDATE deliveries SET fate = ?2, due = ?3, counted = counted + ?4, tried = ?5, touched = ?6 WHERE number = ?1",
            )?
            .execute(params![number, fate.as_str(), due, counts, tried, touched as i64])?;
        self.news.changed.push((touched, Changed::Delivery(number)));
        if fate != before {
            let segment = self.books.segment_of(event);
            self.books.count(&target, before, segment, -1);
            self.books.count(&target, fate, segment, 1);
            self.news.fates.push((target.clone(), fate));
        }
        if reason.is_some() || matches!(fate, Fate::Pending | Fate::Dead) {
            self.group(number)?;
        }
        // Where order is kept, the camera's next one may go now.
        if fate == Fate::Pending || self.ordered.contains(&target) {
            self.news.wake.insert(target);
        }
        Ok(1)
    }
}
