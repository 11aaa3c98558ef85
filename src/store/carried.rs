//! What a removed segment told of a delivery, and what was said of it meanwhile.
//!
//! A carried delivery ([`Carried`]) is as it was `as_of` a moment, and its record comes a little later; outcomes may lie in
//! between. While the store runs, the index has them already. In an index that is rebuilt they were applied to a delivery
//! that lacks what the removed segment told of it, or to none at all. So both are put together the same way: the attempts up
//! to `as_of` are those that were carried, later ones stay behind them.

use std::collections::VecDeque;

use rusqlite::params;

use super::index::{Index, micros};
use super::record::{Carried, Outcome};
use crate::fate::Attempt;

type Result<T> = rusqlite::Result<T>;

/// Outcomes of deliveries that are not known, the last few, with their LSNs. What carries a delivery follows its moment by
/// less than these.
#[derive(Default)]
pub(super) struct Early(VecDeque<(u64, Outcome)>);

const EARLY_MAX: usize = 4_096;

impl Early {
    pub(super) fn keep(&mut self, lsn: u64, outcome: &Outcome) {
        if self.0.iter().rev().any(|(known, _)| *known == lsn) {
            return; // a transaction that is tried again
        }
        if self.0.len() == EARLY_MAX {
            self.0.pop_front();
        }
        self.0.push_back((lsn, outcome.clone()));
    }

    fn of(&self, delivery: i64, as_of: u64) -> Vec<(u64, Outcome)> {
        let mut found: Vec<_> = self
            .0
            .iter()
            .filter(|(lsn, outcome)| *lsn > as_of && outcome.delivery == delivery)
            .cloned()
            .collect();
        found.sort_by_key(|(lsn, _)| *lsn);
        found
    }
}

impl Index {
    /// The `n`th attempt at a delivery, known as of one record and told by another, `told`.
    pub(super) fn note_attempt(
        &self,
        delivery: i64,
        n: u32,
        attempt: &Attempt,
        (lsn, told): (u64, u64),
        counts: bool,
    ) -> Result<()> {
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO attempts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                delivery,
                n,
                micros(attempt.at),
                attempt.status,
                attempt.ms as i64,
                attempt.error,
                attempt.excerpt,
                lsn as i64,
                told as i64,
                counts
            ])?;
        Ok(())
    }

    /// Puts what was carried under what later records said of the delivery.
    pub(super) fn merge_carried(&mut self, lsn: u64, as_of: u64, carried: &Carried) -> Result<()> {
        let number = carried.number;
        let (counted, planned_at): (u32, i64) = self
            .db
            .prepare_cached("SELECT counted, planned_at FROM deliveries WHERE number = ?1")?
            .query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.db
            .prepare_cached("DELETE FROM attempts WHERE delivery = ?1 AND lsn <= ?2")?
            .execute(params![number, as_of as i64])?;
        let later: Vec<(u32, bool)> = self
            .db
            .prepare_cached(
                "SELECT attempt, counts FROM attempts WHERE delivery = ?1 ORDER BY attempt",
            )?
            .query_map([number], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_>>()?;
        // Out of the way first: numbers are unique.
        let (far, tried) = (1 << 24, carried.tried);
        for step in [(0, far), (far, 0)] {
            for (n, (was, _)) in later.iter().enumerate() {
                let is = tried + n as u32 + 1;
                let (from, to) = match step.0 {
                    0 => (*was, is + far),
                    _ => (is + far, is),
                };
                self.db
                    .prepare_cached(
                        "UPDATE attempts SET attempt = ?3 WHERE delivery = ?1 AND attempt = ?2",
                    )?
                    .execute(params![number, from, to])?;
            }
        }
        for (n, attempt) in carried.attempts.iter().enumerate() {
            self.note_attempt(number, n as u32 + 1, attempt, (as_of, lsn), false)?;
        }
        // Made due again by hand since, it began to count anew.
        let counted = match planned_at > carried.planned_at {
            true => counted,
            false => carried.counted + later.iter().filter(|(_, counts)| *counts).count() as u32,
        };
        self.db
            .prepare_cached(
                "UPDATE deliveries SET tried = ?2, counted = ?3, planned_at = max(planned_at, ?4),
                 replanned = CASE WHEN replanned > 0 THEN ?5 ELSE 0 END WHERE number = ?1",
            )?
            .execute(params![
                number,
                tried + later.len() as u32,
                counted,
                carried.planned_at,
                lsn as i64
            ])?;
        self.group(number)
    }

    /// Applies what came of a delivery before it was told of.
    pub(super) fn catch_up_with_outcomes(&mut self, as_of: u64, delivery: i64) -> Result<()> {
        for (lsn, outcome) in self.early.of(delivery, as_of) {
            self.outcome(lsn, &outcome)?;
        }
        Ok(())
    }
}
