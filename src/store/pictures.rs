//! Pictures that come later: fetched from their addresses after the answer, and kept as records of their own.
//!
//! An event that awaits pictures (`Event::awaits_pictures`) is indexed with a row in `pictures`, and its deliveries have no
//! due time, so nobody can lease them. One record, `Fetched`, ends that: it holds what was fetched and, in words, what was
//! not. Applying it makes the deliveries due in the same transaction, so a delivery never sees half of it; a crash before
//! it leaves the row, and whoever fetches begins again. The record stays in the log as long as its event.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::books::{SegmentBook, name_from};
use super::catalog::{Position, Record};
use super::desk::Hold;
use super::feed::Changed;
use super::index::{Index, NUMBERS_PER_RECORD, micros, moment};
use super::record::{What, draft};
use super::segment::RecordKind;
use super::{Inner, Store, StoreError, closed, failed, request, writer};
use crate::clock::Busy;
use crate::event::{Event, EventId, PictureData};
use crate::name::Name;

/// An event whose pictures are to be fetched, taken by whoever holds this; nobody else gets it until it is dropped.
pub(crate) struct Unfetched {
    pub(crate) event: EventId,
    pub(crate) source: Name,
    pub(crate) received_at: Timestamp,
    _hold: Hold,
}

/// How fetching an event's pictures ended.
#[derive(Default, Clone)]
pub(crate) struct Fetch {
    pub(crate) pictures: Vec<FetchedPicture>,
    /// What could not be fetched, in words for people; they stand in the event's `repaired`.
    pub(crate) notes: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct FetchedPicture {
    /// Which of the event's pictures it is.
    pub(crate) number: usize,
    pub(crate) content_type: String,
    pub(crate) bytes: Bytes,
}

/// The disk form.
#[derive(Serialize, Deserialize)]
pub(super) struct Fetched {
    pub(super) at: Timestamp,
    event: EventId,
    /// One behind the other in the payload.
    pictures: Vec<FetchedForm>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct FetchedForm {
    number: usize,
    content_type: String,
    bytes: u64,
}

impl Store {
    /// The oldest events of each source that await pictures, at most `window` of each including those taken already.
    pub(crate) async fn unfetched(&self, window: usize) -> Result<Vec<Unfetched>, StoreError> {
        self.read(move |db, inner| {
            let desk = &inner.desks.pictures;
            // Before the snapshot is taken, as with leases.
            let taken = desk.taken();
            let mut waiting = Vec::new();
            for source in waiting_sources(db)? {
                let mut rows = db.prepare_cached(
                    "SELECT p.event, e.id, e.received_at FROM pictures p CROSS JOIN events e ON e.number = p.event
                     WHERE p.lsn = 0 AND p.source = ?1 ORDER BY p.event LIMIT ?2",
                )?;
                let mut rows = rows.query(params![source.as_str(), window as i64])?;
                while let Some(row) = rows.next()? {
                    let number = row.get(0)?;
                    if !taken.contains(&number) {
                        waiting.push(Unfetched {
                            event: EventId::from_bytes(row.get(1)?),
                            source: source.clone(),
                            received_at: moment(row.get(2)?),
                            _hold: desk.take(number),
                        });
                    }
                }
            }
            Ok(waiting)
        })
        .await
    }

    /// Whether an event's pictures are still to be fetched; of one that is no longer kept they are not.
    pub(crate) async fn awaits_pictures(&self, event: EventId) -> Result<bool, StoreError> {
        self.read(move |db, _| {
            db.prepare_cached(
                "SELECT 1 FROM events e CROSS JOIN pictures p ON p.event = e.number WHERE e.id = ?1 AND p.lsn = 0",
            )?
            .exists([event.as_bytes()])
        })
        .await
    }

    /// Ends once there may be something new to fetch; the first time at once.
    pub(crate) async fn unfetched_changed(&self) -> Busy {
        self.0.desks.pictures.changed().await
    }

    /// Returns once the pictures are on disk and the event's deliveries may go.
    pub(crate) async fn fetched(
        &self,
        unfetched: &Unfetched,
        fetch: Fetch,
    ) -> Result<(), StoreError> {
        if self.0.gone().events.contains(&unfetched.event) {
            return Ok(()); // it was forgotten meanwhile
        }
        let mut meta = Fetched {
            at: self.0.clock.now(),
            event: unfetched.event,
            pictures: Vec::with_capacity(fetch.pictures.len()),
            notes: fetch.notes,
        };
        let mut payload = Vec::with_capacity(fetch.pictures.len());
        for picture in fetch.pictures {
            meta.pictures.push(FetchedForm {
                number: picture.number,
                content_type: picture.content_type,
                bytes: picture.bytes.len() as u64,
            });
            payload.push(picture.bytes);
        }
        // Without pictures the record is small, and it lets deliveries go that make room: it may use what is kept for them.
        let urgent = payload.is_empty();
        let draft = draft(RecordKind::Fetched, &meta, payload).map_err(failed)?;
        let (safe, is_safe) = oneshot::channel();
        let (applied, is_applied) = oneshot::channel();
        self.append(writer::Item {
            draft,
            what: What::Fetched(Box::new(meta)),
            to_deliver: Vec::new(),
            urgent,
            safe: Some(safe),
            applied: Some(applied),
            guard: self.guard(None),
        })?;
        is_safe.await.map_err(|_| closed())??;
        is_applied.await.map(drop).map_err(|_| closed())
    }
}

fn waiting_sources(db: &Connection) -> rusqlite::Result<Vec<Name>> {
    // A skip scan: one look for each source, however much waits.
    db.prepare_cached(
        "WITH RECURSIVE sources (source) AS (
             SELECT min(source) FROM pictures WHERE lsn = 0
             UNION ALL
             SELECT (SELECT min(source) FROM pictures WHERE lsn = 0 AND source > sources.source)
             FROM sources WHERE sources.source IS NOT NULL
         )
         SELECT source FROM sources WHERE source IS NOT NULL",
    )?
    .query_map([], |row| name_from(row.get(0)?))?
    .collect()
}

impl Index {
    /// An event was accepted whose pictures are to be fetched first.
    pub(super) fn await_pictures(&mut self, event: i64, source: &Name) -> rusqlite::Result<()> {
        self.db
            .prepare_cached("INSERT OR IGNORE INTO pictures VALUES (?1, ?2, 0, 0, 0)")?
            .execute(params![event, source.as_str()])?;
        self.news.pictures = true;
        self.hold_back(event)
    }

    /// Whether an event's pictures are still to be fetched.
    pub(super) fn awaits_pictures(&self, event: i64) -> rusqlite::Result<bool> {
        self.db
            .prepare_cached("SELECT 1 FROM pictures WHERE event = ?1 AND lsn = 0")?
            .exists([event])
    }

    /// Takes the due times from an event's pending deliveries.
    pub(super) fn hold_back(&self, event: i64) -> rusqlite::Result<()> {
        for sql in [
            "UPDATE deliveries SET due = NULL WHERE number BETWEEN ?2 AND ?3 AND event = ?1 AND fate = 'pending'",
            "UPDATE deliveries SET due = NULL WHERE replanned > 0 AND event = ?1 AND fate = 'pending' AND ?2 < ?3",
        ] {
            let (first, last) = siblings(event);
            self.db
                .prepare_cached(sql)?
                .execute(params![event, first, last])?;
        }
        Ok(())
    }

    /// The pictures are there, or given up: the deliveries may go.
    pub(super) fn fetched(
        &mut self,
        lsn: u64,
        at: Position,
        fetched: &Fetched,
    ) -> rusqlite::Result<u64> {
        let event: Option<i64> = self
            .db
            .prepare_cached("SELECT number FROM events WHERE id = ?1")?
            .query_row([fetched.event.as_bytes()], |row| row.get(0))
            .optional()?;
        let Some(event) = event else {
            return Ok(0); // it has been removed since
        };
        let ended = self
            .db
            .prepare_cached(
                "UPDATE pictures SET lsn = ?2, segment = ?3, offset = ?4 WHERE event = ?1 AND lsn = 0",
            )?
            .execute(params![
                event,
                lsn as i64,
                at.segment as i64,
                at.offset as i64
            ])?;
        if ended == 0 {
            return Ok(0); // the first one counts
        }
        let id = fetched.event;
        let number = event;
        self.news.changed.push((lsn, Changed::Event { number, id }));
        let (first, last) = siblings(event);
        for sql in [
            "UPDATE deliveries SET due = max(?4, coalesce(not_before, ?4)), touched = ?5 WHERE number BETWEEN ?2 AND ?3 AND event = ?1
             AND fate = 'pending' AND due IS NULL RETURNING target",
            "UPDATE deliveries SET due = max(?4, coalesce(not_before, ?4)), touched = ?5 WHERE replanned > 0 AND event = ?1 AND ?2 < ?3
             AND fate = 'pending' AND due IS NULL RETURNING target",
        ] {
            let mut statement = self.db.prepare_cached(sql)?;
            let params = params![event, first, last, micros(fetched.at), lsn as i64];
            let targets = statement.query_map(params, |row| name_from(row.get(0)?))?;
            for target in targets {
                self.news.wake.insert(target?);
            }
        }
        Ok(1)
    }

    /// Whether a segment holds fetched pictures of events that lie in others: it stays as long as they do.
    pub(super) fn holds_pictures(&self, book: &SegmentBook) -> rusqlite::Result<bool> {
        let (first, last) = book.numbers();
        self.db
            .prepare_cached(
                "SELECT 1 FROM pictures WHERE segment = ?1 AND lsn > 0 AND event NOT BETWEEN ?2 AND ?3",
            )?
            .exists(params![book.segment as i64, first, last])
    }
}

/// The numbers that one request's events and deliveries have.
pub(super) fn siblings(number: i64) -> (i64, i64) {
    let first = number / NUMBERS_PER_RECORD * NUMBERS_PER_RECORD;
    (first, first + NUMBERS_PER_RECORD - 1)
}

impl Inner {
    /// Puts in what was fetched for an event; false when that has not ended yet.
    pub(super) fn complete(
        &self,
        db: &Connection,
        number: i64,
        event: &mut Arc<Event>,
    ) -> Result<bool, StoreError> {
        if !event.awaits_pictures {
            return Ok(true);
        }
        let found: Option<(i64, i64, i64)> = db
            .prepare_cached("SELECT lsn, segment, offset FROM pictures WHERE event = ?1")
            .and_then(|mut row| {
                row.query_row([number], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                    .optional()
            })
            .map_err(failed)?;
        let Some((lsn, segment, offset)) = found.filter(|(lsn, ..)| *lsn > 0) else {
            return Ok(false);
        };
        let position = Position {
            segment: segment as u64,
            offset: offset as u64,
        };
        let event = Arc::make_mut(event);
        let read = self.catalog.read(position, lsn as u64);
        let read = read.map_err(|error| error.to_string());
        if let Err(error) = read.and_then(|record| put_in(&record, event)) {
            // The event itself is whole, and says what it lacks.
            let note = format!("its fetched pictures cannot be read: {error}");
            event.repaired.push(note);
            return Ok(false);
        }
        Ok(true)
    }
}

/// Where an event's fetched pictures lie, if it has any.
pub(super) fn place(db: &Connection, number: i64) -> rusqlite::Result<Option<Position>> {
    db.prepare_cached("SELECT segment, offset FROM pictures WHERE event = ?1 AND lsn > 0")?
        .query_row([number], |row| {
            Ok(Position {
                segment: row.get::<_, i64>(0)? as u64,
                offset: row.get::<_, i64>(1)? as u64,
            })
        })
        .optional()
}

fn put_in(record: &Record, event: &mut Event) -> Result<(), String> {
    let fetched: Fetched =
        serde_json::from_slice(&record.meta).map_err(|error| error.to_string())?;
    let mut start = 0;
    for form in fetched.pictures {
        let bytes = request::stretch(&record.payload, (start, form.bytes))?;
        start += form.bytes;
        if let Some(picture) = event.images.get_mut(form.number) {
            picture.content_type = form.content_type;
            picture.data = PictureData::Bytes(bytes);
        }
    }
    event.repaired.extend(fetched.notes);
    Ok(())
}
