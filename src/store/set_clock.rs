//! What becomes of moments in the index when the clock is set.
//!
//! A delivery's due moment was reckoned from the time at which it was planned or last tried. Where that time is yet to come,
//! the clock was set back since: the delivery would wait for as long as the clock was wrong, a year perhaps. So it waits
//! anew, as long as it was to wait then. When the clock is set forwards, what waits would be due early, which does no harm,
//! and given up early, which does: so the time for which it waited counts as before.
//!
//! Only the index is changed. A rebuilt one has the moments of the log again, and is judged when it is opened.

use jiff::{SignedDuration, Timestamp};
use rusqlite::params;
use tokio::sync::oneshot;

use super::index::{Index, micros};
use super::indexer::Indexer;
use super::writer::Told;
use super::{Store, StoreError, closed};
use crate::name::Name;

type Result<T> = rusqlite::Result<T>;

/// Deliveries changed in one transaction.
const CHANGED_AT_ONCE: i64 = 1_000;

/// Of a target's deliveries those that are due after a place in their order, and when each was planned or last tried.
const DUE_LATER: &str = "SELECT d.number, d.due,
        max(d.planned_at, coalesce((SELECT max(a.at) FROM attempts a WHERE a.delivery = d.number), d.planned_at))
    FROM deliveries d INDEXED BY deliveries_due
    WHERE d.target = ?1 AND d.fate = 'pending' AND (d.due, d.number) > (?2, ?3) ORDER BY d.due, d.number LIMIT ?4";

impl Store {
    /// To be told when the clock was set: what was to be due later is judged anew.
    pub(crate) async fn clock_was_set(
        &self,
        by: SignedDuration,
    ) -> std::result::Result<(), StoreError> {
        let (reply, done) = oneshot::channel();
        let _busy = self.0.clock.busy();
        let told = Told::ClockSet(by, reply);
        self.0.index.send(told).map_err(|_| closed())?;
        done.await.map_err(|_| closed())
    }
}

impl Indexer {
    pub(super) fn clock_was_set(&mut self, by: SignedDuration) {
        let now = self.clock.now();
        let changed = match by.is_negative() {
            true => self.index.wait_anew(now),
            false => self.index.wait_longer(by),
        };
        match changed {
            Ok(changed) => {
                tracing::warn!(by = %by, deliveries = changed, "the clock was set; what waits is judged anew");
                for target in self.index.books.targets_with_pending() {
                    self.desks.of(&target).wake();
                }
            }
            Err(error) => {
                tracing::error!(%error, "the clock was set, and what waits could not be judged anew");
                let _ = self.index.rollback();
            }
        }
    }
}

impl Index {
    /// Lets deliveries that were planned or tried at a moment that is yet to come wait anew. Returns how many.
    pub(super) fn wait_anew(&mut self, now: Timestamp) -> Result<usize> {
        let now = micros(now);
        let mut changed = 0;
        for target in self.books.targets_with_pending() {
            let mut after = (now, i64::MAX);
            loop {
                let found = self.due_later(&target, after)?;
                let Some((last, due, _)) = found.last() else {
                    break;
                };
                // Those changed are due earlier than before, so they are not met again.
                after = (*due, *last);
                let ahead = found.into_iter().filter(|(_, _, since)| *since > now);
                self.begin()?;
                for (number, due, since) in ahead {
                    let anew = now.saturating_add(due.saturating_sub(since).max(0));
                    changed += self
                        .db
                        .prepare_cached(
                            "UPDATE deliveries SET not_before = CASE not_before WHEN due THEN ?2 ELSE not_before END, due = ?2
                             WHERE number = ?1",
                        )?
                        .execute(params![number, anew])?;
                }
                self.commit()?;
            }
        }
        Ok(changed)
    }

    /// Counts the time for which deliveries have waited as before a jump forwards. Returns how many.
    fn wait_longer(&mut self, by: SignedDuration) -> Result<usize> {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX / 2);
        let mut changed = 0;
        for target in self.books.targets_with_pending() {
            let mut after = (i64::MIN, i64::MIN);
            loop {
                let found = self.due_later(&target, after)?;
                let Some((last, due, _)) = found.last() else {
                    break;
                };
                after = (*due, *last);
                self.begin()?;
                for (number, ..) in found {
                    changed += self
                        .db
                        .prepare_cached(
                            "UPDATE deliveries SET planned_at = planned_at + ?2 WHERE number = ?1",
                        )?
                        .execute(params![number, by])?;
                }
                self.commit()?;
            }
        }
        Ok(changed)
    }

    fn due_later(&self, target: &Name, after: (i64, i64)) -> Result<Vec<(i64, i64, i64)>> {
        let mut statement = self.db.prepare_cached(DUE_LATER)?;
        let rows = statement.query_map(
            params![target.as_str(), after.0, after.1, CHANGED_AT_ONCE],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        rows.collect()
    }
}
