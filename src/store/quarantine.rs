//! The list of requests that were kept but not understood.

use rusqlite::{Connection, Result, params_from_iter};

use super::books::name_from;
use super::index::moment;
use super::query::{Filter, limit, locate_quarantined};
use super::{PageQuery, QuarantineRow};
use crate::event::EventId;

/// Newest first.
pub(super) fn quarantined(db: &Connection, page: PageQuery) -> Result<Vec<QuarantineRow>> {
    let mut filter = Filter::default();
    if let Some(before) = page.before {
        match locate_quarantined(db, before)? {
            Some(located) => filter.add("number < ?", [located.number.into()]),
            None => filter.add("id < ?", [before.as_bytes().to_vec().into()]),
        }
    }
    let sql = format!(
        "SELECT id, source, received_at, remote, content_type, size, reason FROM quarantine {} ORDER BY number DESC LIMIT {}",
        filter.sql(),
        limit(page.limit)
    );
    db.prepare_cached(&sql)?
        .query_map(params_from_iter(filter.values), |row| {
            Ok(QuarantineRow {
                id: EventId::from_bytes(row.get(0)?),
                source: name_from(row.get(1)?)?,
                received_at: moment(row.get(2)?),
                remote: row.get(3)?,
                content_type: row.get(4)?,
                size: row.get::<_, i64>(5)? as u64,
                reason: row.get(6)?,
            })
        })?
        .collect()
}
