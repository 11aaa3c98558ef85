//! The index as it is at one moment, looked at beside whoever writes it.

use std::path::Path;

use rusqlite::{Connection, params};

use super::check::IndexState;
use super::damage::Damage;
use super::index::NUMBERS_PER_RECORD;
use super::schema;
use crate::event::EventId;

/// The index as it is at one moment.
pub(super) struct Moment {
    pub(super) db: Connection,
    pub(super) lsn: u64,
    pub(super) segments: Vec<Known>,
    /// Removed though their segment is still there; the log may tell of that only behind this moment.
    pub(super) gone: Vec<i64>,
}

/// What the index knows of a segment.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) segment: u64,
    pub(super) first_lsn: u64,
    pub(super) last_lsn: u64,
    pub(super) pending: i64,
}

impl Moment {
    pub(super) fn of(path: &Path) -> Result<Self, IndexState> {
        if !path.exists() {
            return Err(IndexState::Absent);
        }
        let told = |error: rusqlite::Error| IndexState::Unreadable(error.to_string());
        let db = schema::open_reader(path).map_err(told)?;
        let version = schema::version(&db).map_err(told)?;
        if !schema::is_current(version) {
            let told = format!("it is of version {version}: the next start builds it anew");
            return Err(IndexState::NotCompared(told));
        }
        Self::begin(db).map_err(told)
    }

    fn begin(db: Connection) -> rusqlite::Result<Self> {
        db.execute_batch("BEGIN")?;
        let progress = "SELECT lsn FROM progress";
        let lsn = db.query_row(progress, [], |row| row.get::<_, i64>(0))? as u64;
        let segments = db
            .prepare(
                "SELECT segment, first_lsn, last_lsn,
                 (SELECT coalesce(sum(pending), 0) FROM backlog WHERE backlog.segment = segments.segment) FROM segments",
            )?
            .query_map([], |row| {
                Ok(Known {
                    segment: row.get::<_, i64>(0)? as u64,
                    first_lsn: row.get::<_, i64>(1)? as u64,
                    last_lsn: row.get::<_, i64>(2)? as u64,
                    pending: row.get(3)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let gone = db
            .prepare("SELECT number FROM gone")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Self {
            db,
            lsn,
            segments,
            gone,
        })
    }

    /// What lay at these LSNs.
    pub(super) fn events(&self, damage: &Damage) -> Vec<EventId> {
        let sql = "SELECT id FROM events WHERE number BETWEEN ?1 AND ?2
                   UNION ALL SELECT id FROM quarantine WHERE number BETWEEN ?1 AND ?2";
        let (first, last) = (
            damage.first_lsn as i64 * NUMBERS_PER_RECORD,
            damage.next_lsn as i64 * NUMBERS_PER_RECORD - 1,
        );
        let found = self.db.prepare(sql).and_then(|mut rows| {
            rows.query_map(params![first, last], |row| {
                Ok(EventId::from_bytes(row.get(0)?))
            })?
            .collect()
        });
        found.unwrap_or_default()
    }
}
