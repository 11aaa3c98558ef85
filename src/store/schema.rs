//! The index's tables, and opening them. Operators may look at them with `sqlite3` while camhook runs.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::disk::PRIVATE;
/// Written into the file; an index of another version is rebuilt from the log.
const VERSION: i64 = 10;

/// Times are microseconds since 1970, UTC. Numbers of events and deliveries are the record's place in the log (LSN) times
/// 2^20 plus a count, so that a rebuilt index numbers everything the same, and a segment is a range of numbers.
const TABLES: &str = "
CREATE TABLE progress (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    lsn INTEGER NOT NULL,      -- the last record applied
    synced INTEGER NOT NULL,   -- the last one known to be safe in the log
    segment INTEGER NOT NULL,  -- and where the one after that lies
    offset INTEGER NOT NULL
);
INSERT INTO progress VALUES (1, 0, 0, 0, 0);
CREATE TABLE segments (
    segment INTEGER PRIMARY KEY,
    first_lsn INTEGER NOT NULL,
    last_lsn INTEGER NOT NULL,
    oldest INTEGER NOT NULL,
    newest INTEGER NOT NULL
);
CREATE TABLE events (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    source TEXT NOT NULL,
    kind TEXT NOT NULL,
    camera TEXT,
    plates TEXT NOT NULL,      -- normalised, with spaces between
    received_at INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    offset INTEGER NOT NULL
);
CREATE UNIQUE INDEX events_by_id ON events (id);
CREATE INDEX events_by_camera ON events (camera) WHERE camera IS NOT NULL;
CREATE TABLE plates (
    plate TEXT NOT NULL,
    event INTEGER NOT NULL,
    PRIMARY KEY (plate, event)
) WITHOUT ROWID;
CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    event INTEGER NOT NULL,
    route TEXT NOT NULL,
    target TEXT NOT NULL,
    item TEXT,
    fate TEXT NOT NULL,
    due INTEGER,               -- none while its event's pictures are awaited
    planned_at INTEGER NOT NULL,
    counted INTEGER NOT NULL,  -- attempts that count against the limit
    tried INTEGER NOT NULL,    -- all attempts
    touched INTEGER NOT NULL,  -- the record that last changed it
    replanned INTEGER NOT NULL, -- 0, or the record that tells of a delivery planned later than its event
    camera TEXT,               -- only where the target keeps order
    not_before INTEGER,        -- held until then, because another event might have taken its place
    reason INTEGER             -- why it is not delivered, where it failed: a row of `reasons`
);
CREATE UNIQUE INDEX deliveries_by_id ON deliveries (id);
CREATE INDEX deliveries_due ON deliveries (target, due) WHERE fate = 'pending';
CREATE INDEX deliveries_in_order ON deliveries (target, camera, number) WHERE fate = 'pending' AND camera IS NOT NULL;
CREATE INDEX deliveries_dead ON deliveries (target) WHERE fate = 'dead';
CREATE INDEX deliveries_by_reason ON deliveries (reason, event) WHERE reason IS NOT NULL;
CREATE INDEX deliveries_undelivered ON deliveries (event, reason) WHERE reason IS NOT NULL;
CREATE INDEX deliveries_replanned ON deliveries (event) WHERE replanned > 0;
CREATE TABLE attempts (
    delivery INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    at INTEGER NOT NULL,
    status INTEGER,
    ms INTEGER NOT NULL,
    error TEXT,
    excerpt TEXT,
    lsn INTEGER NOT NULL,      -- it was known as of this record
    told INTEGER NOT NULL,     -- the record that tells it, this one or a later one that carries it
    counts INTEGER NOT NULL,   -- whether it counts against the limit
    PRIMARY KEY (delivery, attempt)
) WITHOUT ROWID;
CREATE TABLE plans_again (
    event INTEGER NOT NULL,
    lsn INTEGER NOT NULL,
    plan TEXT NOT NULL,
    touched INTEGER NOT NULL,
    PRIMARY KEY (event, lsn)
) WITHOUT ROWID;
CREATE TABLE quarantine (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    source TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    remote TEXT,
    content_type TEXT,
    size INTEGER NOT NULL,
    reason TEXT NOT NULL,
    segment INTEGER NOT NULL,
    offset INTEGER NOT NULL
);
CREATE TABLE joined (          -- events that a route delivers as a part of another
    route TEXT NOT NULL,
    part BLOB NOT NULL,
    item TEXT NOT NULL,        -- of the part, empty for all of it
    into_event BLOB NOT NULL,
    into_item TEXT NOT NULL,
    told TEXT NOT NULL,        -- as JSON
    touched INTEGER NOT NULL,  -- the record that tells it
    half INTEGER NOT NULL,     -- whether all of its event is delivered with the other
    PRIMARY KEY (part, route, item)
) WITHOUT ROWID;
CREATE INDEX joined_halves ON joined (part) WHERE half;
CREATE INDEX joined_into ON joined (into_event);
CREATE INDEX joined_touched ON joined (touched);
CREATE TABLE pictures (        -- events whose pictures are fetched from their addresses before they are delivered
    event INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    lsn INTEGER NOT NULL,      -- 0 while they are awaited, else the record that holds them, and where it lies
    segment INTEGER NOT NULL,
    offset INTEGER NOT NULL
);
CREATE INDEX pictures_awaited ON pictures (source, event) WHERE lsn = 0;
CREATE INDEX pictures_by_segment ON pictures (segment) WHERE lsn > 0;
CREATE TABLE gone (            -- removed though the segment is still there
    number INTEGER PRIMARY KEY,
    touched INTEGER NOT NULL
);
CREATE TABLE targets (
    target TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    ordered INTEGER NOT NULL,
    touched INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE tallies (
    target TEXT NOT NULL,
    fate TEXT NOT NULL,
    deliveries INTEGER NOT NULL,
    PRIMARY KEY (target, fate)
) WITHOUT ROWID;
CREATE TABLE reasons (         -- what is dead, or waits though it was tried, by why
    reason INTEGER PRIMARY KEY,
    target TEXT NOT NULL,
    fate TEXT NOT NULL,        -- dead or pending
    told TEXT NOT NULL,        -- the last failure, without what differs from one to the next
    deliveries INTEGER NOT NULL,
    UNIQUE (target, fate, told)
);
CREATE TABLE jobs (            -- what users asked to be done with many deliveries or events
    id BLOB PRIMARY KEY,
    told TEXT NOT NULL,        -- as JSON
    ended INTEGER NOT NULL,
    touched INTEGER NOT NULL   -- the record that last told of it
) WITHOUT ROWID;
CREATE TABLE backlog (
    target TEXT NOT NULL,
    segment INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    PRIMARY KEY (target, segment)
) WITHOUT ROWID;
CREATE TABLE sources (
    source TEXT PRIMARY KEY,
    events INTEGER NOT NULL,
    quarantined INTEGER NOT NULL,
    last_received INTEGER
) WITHOUT ROWID;
CREATE TABLE cameras (         -- who sends, under which source; an empty name stands for events that name none
    source TEXT NOT NULL,
    camera TEXT NOT NULL,
    events INTEGER NOT NULL,   -- that are kept
    first_received INTEGER NOT NULL,
    last_received INTEGER NOT NULL,
    hours BLOB NOT NULL,       -- the hour of the last one since 1970 (8 bytes), events of the 24 hours up to it (4 bytes each)
    PRIMARY KEY (source, camera)
) WITHOUT ROWID;
CREATE TABLE minutes (         -- what came of each target's deliveries in the last hours
    target TEXT NOT NULL,
    minute INTEGER NOT NULL,   -- since 1970
    planned INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    failed INTEGER NOT NULL,   -- attempts
    last_failed INTEGER,       -- the delivery of the last of them
    PRIMARY KEY (target, minute)
) WITHOUT ROWID;
CREATE TABLE notes (           -- what deciding steps remember
    route TEXT NOT NULL,
    step TEXT NOT NULL,
    key TEXT NOT NULL,
    state TEXT,                -- NULL: forgotten
    expires INTEGER NOT NULL,
    version INTEGER NOT NULL,  -- later decisions have greater ones
    touched INTEGER NOT NULL,  -- the record that tells it
    PRIMARY KEY (route, step, key)
) WITHOUT ROWID;
CREATE TABLE forgotten (       -- that something was forgotten on request
    id BLOB PRIMARY KEY,
    told TEXT NOT NULL,        -- as JSON: when and how much, not what
    touched INTEGER NOT NULL   -- the record that tells it
) WITHOUT ROWID;
CREATE VIEW readable_events AS SELECT
    lower(substr(hex(id),1,8)||'-'||substr(hex(id),9,4)||'-'||substr(hex(id),13,4)||'-'||substr(hex(id),17,4)||'-'||substr(hex(id),21)) AS id,
    datetime(received_at / 1000000, 'unixepoch') AS received_at, datetime(occurred_at / 1000000, 'unixepoch') AS occurred_at,
    source, kind, camera, plates, segment, offset
    FROM events;
CREATE VIEW readable_deliveries AS SELECT
    lower(substr(hex(d.id),1,8)||'-'||substr(hex(d.id),9,4)||'-'||substr(hex(d.id),13,4)||'-'||substr(hex(d.id),17,4)||'-'||substr(hex(d.id),21)) AS id,
    lower(substr(hex(e.id),1,8)||'-'||substr(hex(e.id),9,4)||'-'||substr(hex(e.id),13,4)||'-'||substr(hex(e.id),17,4)||'-'||substr(hex(e.id),21)) AS event,
    route, target, item, fate, datetime(due / 1000000, 'unixepoch') AS due, tried AS attempts
    FROM deliveries d JOIN events e ON e.number = d.event;
";

/// Before 3.51.3 a checkpoint that races a reset of the write-ahead log could lose committed pages.
const SQLITE_MIN: i32 = 3_051_003;

/// The one connection that writes. A file that is no index of this version is set aside and begun anew.
pub(super) fn open_writer(path: &Path) -> Result<Connection, String> {
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(format!(
            "SQLite {} may lose data, at least 3.51.3 is needed: build camhook with the bundled one",
            rusqlite::version()
        ));
    }
    match try_open(path) {
        Ok(db) => Ok(db),
        Err(error) if is_busy(&error) => Err(format!("{}: {error}", path.display())),
        Err(error) => {
            set_aside(path, &error.to_string())?;
            try_open(path).map_err(|error| format!("{}: {error}", path.display()))
        }
    }
}

/// Lets SQLite look over the file of an index that was in use when its camhook ended. A file that cannot be opened, or is of
/// another version, is left to [`open_writer`].
pub(super) fn quick_check(path: &Path) -> Result<(), String> {
    let Ok(db) = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE) else {
        return Ok(());
    };
    match db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)) {
        Ok(told) if told == "ok" => Ok(()),
        Ok(told) => Err(told.replace('\n', " ")),
        Err(error) if is_damaged(&error) => Err(error.to_string()),
        Err(_) => Ok(()),
    }
}

/// An index of its own, in a file that is gone when it is closed.
pub(super) fn open_scratch() -> Result<Connection, rusqlite::Error> {
    let db = Connection::open("")?;
    db.pragma_update(None, "synchronous", "OFF")?;
    db.pragma_update(None, "cache_size", -32_768)?;
    db.set_prepared_statement_cache_capacity(64);
    db.execute_batch(TABLES)?;
    Ok(db)
}

/// The version of an index.
pub(super) fn version(db: &Connection) -> Result<i64, rusqlite::Error> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

pub(super) fn is_current(version: i64) -> bool {
    version == VERSION
}

/// Makes way for another index.
pub(super) fn set_aside(path: &Path, why: &str) -> Result<(), String> {
    tracing::warn!(index = %path.display(), why, "rebuilding the index from the log");
    for suffix in ["", "-wal", "-shm"] {
        let old = format!("{}{suffix}", path.display());
        if Path::new(&old).exists() {
            let aside = format!("{}.unreadable{suffix}", path.display());
            std::fs::rename(&old, &aside).map_err(|error| format!("{old}: {error}"))?;
        }
    }
    Ok(())
}

/// Whether the file itself is at fault.
pub(super) fn is_damaged(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)
    )
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            rusqlite::ErrorCode::DatabaseBusy
                | rusqlite::ErrorCode::DatabaseLocked
                | rusqlite::ErrorCode::PermissionDenied
                | rusqlite::ErrorCode::CannotOpen
                | rusqlite::ErrorCode::DiskFull
                | rusqlite::ErrorCode::ReadOnly
        )
    )
}

fn try_open(path: &Path) -> Result<Connection, rusqlite::Error> {
    // SQLite gives its log the rights of the file itself. Where this fails, what it says is told by the opening.
    let _ = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(path);
    let mut db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    // The index thread checkpoints between transactions, so that no transaction pays for it.
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    db.pragma_update(None, "cache_size", -32_768)?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.set_prepared_statement_cache_capacity(64);
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 {
        let begun = db.transaction()?;
        begun.execute_batch(TABLES)?;
        begun.pragma_update(None, "user_version", VERSION)?;
        begun.commit()?;
    } else if version != VERSION {
        return Err(rusqlite::Error::InvalidQuery);
    }
    db.query_row("SELECT lsn FROM progress", [], |_| Ok(()))?;
    Ok(db)
}

/// A connection for looking.
pub(super) fn open_reader(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    db.pragma_update(None, "cache_size", -8_192)?;
    db.set_prepared_statement_cache_capacity(32);
    Ok(db)
}
