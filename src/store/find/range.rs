//! Which numbers of events a question is about.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Cursor, LOOKS_MAX};
use crate::store::EventQuery;
use crate::store::index::{NUMBERS_PER_RECORD, micros};
use crate::store::query::locate;

type Result<T> = rusqlite::Result<T>;

/// Events between these numbers, the bounds not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) above: i64,
    pub(super) below: i64,
}

/// Segments bound the numbers to look at; `received_at` alone would mean to look at every row.
pub(super) fn range(db: &Connection, query: &EventQuery) -> Result<Range> {
    let mut range = Range {
        above: -1,
        below: i64::MAX,
    };
    if let Some(since) = query.since {
        let first: Option<i64> = db
            .prepare_cached("SELECT min(first_lsn) FROM segments WHERE newest >= ?1")?
            .query_row([micros(since)], |row| row.get(0))?;
        range.above = first.map_or(i64::MAX, |lsn| lsn * NUMBERS_PER_RECORD - 1);
    }
    if let Some(until) = query.until {
        let last: Option<i64> = db
            .prepare_cached("SELECT max(last_lsn) FROM segments WHERE oldest < ?1")?
            .query_row([micros(until)], |row| row.get(0))?;
        range.below = last.map_or(-1, |lsn| (lsn + 1) * NUMBERS_PER_RECORD);
    }
    if let Some(before) = query.before {
        let (number, _) = place(db, before)?;
        range.below = range.below.min(number);
    }
    if let Some(after) = query.after {
        let (number, is_kept) = place(db, after)?;
        range.above = range.above.max(if is_kept { number } else { number - 1 });
    }
    Ok(range)
}

/// Where an event stands; for one that is gone without its number being known, where the first one after it can stand, and
/// false.
fn place(db: &Connection, Cursor { id, number }: Cursor) -> Result<(i64, bool)> {
    if let Some(located) = locate(db, id)? {
        return Ok((located.number, true));
    }
    if let Some(number) = number {
        return Ok((number, true));
    }
    let [a, b, c, d, e, f, ..] = *id.as_bytes();
    let millis = i64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    let last: Option<i64> = db
        .prepare_cached("SELECT max(last_lsn) FROM segments WHERE oldest <= ?1")?
        .query_row([millis.saturating_mul(1_000)], |row| row.get(0))?;
    let upper = last.map_or(0, |lsn| (lsn + 1) * NUMBERS_PER_RECORD);
    // Ids follow the order of arrival nearly, so the right place is close to the end of that segment.
    let found: Option<i64> = db
        .prepare_cached(
            "SELECT number FROM (SELECT number, id FROM events WHERE number < ?1 ORDER BY number DESC LIMIT ?3)
             WHERE id > ?2 ORDER BY number LIMIT 1",
        )?
        .query_row(params![upper, id.as_bytes(), LOOKS_MAX as i64], |row| row.get(0))
        .optional()?;
    Ok((found.unwrap_or(upper), false))
}
