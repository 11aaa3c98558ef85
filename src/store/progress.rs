//! How far the index is behind the log.

use rusqlite::Connection;

use super::catalog::Position;

/// How far the index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// The last record applied.
    pub(super) lsn: u64,
    /// The last one known to be safe in the log, and where the one after it lies: there reading goes on after a crash,
    /// because outcomes behind it may be applied here and yet be lost there.
    pub(super) synced: u64,
    pub(super) next: Position,
}

impl Progress {
    pub(super) fn load(db: &Connection) -> rusqlite::Result<Self> {
        db.query_row(
            "SELECT lsn, synced, segment, offset FROM progress",
            [],
            |row| {
                Ok(Self {
                    lsn: row.get::<_, i64>(0)? as u64,
                    synced: row.get::<_, i64>(1)? as u64,
                    next: Position {
                        segment: row.get::<_, i64>(2)? as u64,
                        offset: row.get::<_, i64>(3)? as u64,
                    },
                })
            },
        )
    }
}
