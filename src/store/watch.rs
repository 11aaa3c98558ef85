//! What is asked now and then, to find out whether something is wrong.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::books::name_from;
use super::index::{NUMBERS_PER_RECORD, micros, moment};
use super::{Store, StoreError};
use crate::name::Name;

/// How the file system of the store stands, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DiskSpace {
    pub(crate) size: u64,
    /// What camhook, which is not root, may still take.
    pub(crate) free: u64,
    pub(crate) taken: u64,
}

impl DiskSpace {
    /// In percent, reckoned as `df` does.
    pub(crate) fn used(self) -> f64 {
        let all = self.taken.saturating_add(self.free).max(1);
        self.taken as f64 * 100.0 / all as f64
    }
}

impl Store {
    /// When the last event of each camera came, for so many at most: those that were heard last.
    pub(crate) async fn last_heard(
        &self,
        limit: usize,
    ) -> Result<Vec<(String, Timestamp)>, StoreError> {
        self.read(move |db, _| last_heard(db, limit)).await
    }

    /// How many requests of each source were put into quarantine since then and are still there.
    pub(crate) async fn quarantined_since(
        &self,
        since: Timestamp,
    ) -> Result<Vec<(Name, u64)>, StoreError> {
        self.read(move |db, _| quarantined_since(db, since)).await
    }

    /// Bytes of segments that hold what some target has not got yet: they cannot be removed.
    pub(crate) async fn pinned_bytes(&self) -> Result<u64, StoreError> {
        self.read(|db, inner| {
            let segments: Vec<u64> = db
                .prepare_cached("SELECT DISTINCT segment FROM backlog WHERE pending > 0")?
                .query_map([], |row| Ok(row.get::<_, i64>(0)? as u64))?
                .collect::<rusqlite::Result<_>>()?;
            Ok(inner.catalog.bytes_in(&segments))
        })
        .await
    }

    /// The limit of its size, `store.max_size`.
    pub(crate) fn size_max(&self) -> u64 {
        self.0.room.max_size
    }

    /// Space in its file system; `None` where the system does not tell.
    pub(crate) fn disk_space(&self) -> Option<DiskSpace> {
        let told = rustix::fs::statvfs(&self.0.catalog.folder).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(told.f_frsize);
        let space = DiskSpace {
            size: bytes(told.f_blocks),
            free: bytes(told.f_bavail),
            taken: bytes(told.f_blocks.saturating_sub(told.f_bfree)),
        };
        (space.size > 0).then_some(space)
    }
}

/// A camera that is heard through several sources is one.
fn last_heard(db: &Connection, limit: usize) -> rusqlite::Result<Vec<(String, Timestamp)>> {
    db.prepare_cached(
        "SELECT camera, max(last_received) FROM cameras WHERE camera <> '' GROUP BY camera ORDER BY 2 DESC, 1 LIMIT ?1",
    )?
    .query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
        Ok((row.get(0)?, moment(row.get(1)?)))
    })?
    .collect()
}

/// Segments bound the rows to look at.
fn quarantined_since(db: &Connection, since: Timestamp) -> rusqlite::Result<Vec<(Name, u64)>> {
    db.prepare_cached(
        "SELECT source, count(*) FROM quarantine WHERE received_at >= ?1
         AND number >= coalesce((SELECT min(first_lsn) FROM segments WHERE newest >= ?1), 0) * ?2 GROUP BY source",
    )?
    .query_map(params![micros(since), NUMBERS_PER_RECORD], |row| {
        Ok((name_from(row.get(0)?)?, row.get::<_, i64>(1)? as u64))
    })?
    .collect()
}
