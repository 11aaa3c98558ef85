//! What deciding steps remember, in the index: the last writing of each key.
//!
//! It comes with the records of the events it was decided with, and again in a [`Carry`](super::record::Carry) when the
//! segment that told it is removed. Records of two requests may lie in another order than their decisions, so the greater
//! version stands, and what was forgotten stays a row for a while.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Row, params};

use super::books::name_from;
use super::index::{Index, micros, moment};
use crate::decide::Change;

type Result<T> = rusqlite::Result<T>;

const COLUMNS: &str = "route, step, key, state, expires, version";
/// Rows are kept this much longer than they count, so that a record that was overtaken finds what overtook it.
const GRACE: SignedDuration = SignedDuration::from_mins(10);

impl Index {
    pub(super) fn remember(&mut self, lsn: u64, changes: &[Change]) -> Result<()> {
        for change in changes {
            self.db
                .prepare_cached(
                    "INSERT INTO notes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE
                     SET state = ?4, expires = ?5, version = ?6, touched = ?7 WHERE version <= ?6",
                )?
                .execute(params![
                    change.route.as_str(),
                    &*change.step,
                    &*change.key,
                    change.state.as_deref(),
                    micros(change.until),
                    change.version,
                    lsn as i64
                ])?;
        }
        Ok(())
    }

    pub(super) fn notes(&self) -> Result<Vec<Change>> {
        self.db
            .prepare(&format!("SELECT {COLUMNS} FROM notes"))?
            .query_map([], change)?
            .collect()
    }

    /// What these records told last, as far as it counts.
    pub(super) fn notes_between(
        &self,
        first: i64,
        last: i64,
        now: Timestamp,
    ) -> Result<Vec<Change>> {
        self.db
            .prepare(&format!(
                "SELECT {COLUMNS} FROM notes WHERE touched BETWEEN ?1 AND ?2 AND max(expires, version) >= ?3"
            ))?
            .query_map([first, last, over(now)], change)?
            .collect()
    }

    /// Removes what no longer counts, in a transaction of its own.
    pub(super) fn drop_notes(&mut self, now: Timestamp) -> Result<()> {
        self.db
            .prepare_cached("DELETE FROM notes WHERE max(expires, version) < ?1")?
            .execute([over(now)])?;
        Ok(())
    }
}

/// What expired before this moment no longer counts.
fn over(now: Timestamp) -> i64 {
    micros(now.saturating_sub(GRACE).unwrap_or(Timestamp::MIN))
}

fn change(row: &Row<'_>) -> Result<Change> {
    Ok(Change {
        route: name_from(row.get(0)?)?,
        step: row.get::<_, String>(1)?.into(),
        key: row.get::<_, String>(2)?.into(),
        state: row.get::<_, Option<String>>(3)?.map(Into::into),
        until: moment(row.get(4)?),
        version: row.get(5)?,
    })
}
