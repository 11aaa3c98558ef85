//! Looking in: events, deliveries and sums, read on connections of their own.

use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use rusqlite::Connection;
use schemars::JsonSchema;
use serde::Serialize;

use super::cache::EVENT_BYTES;
use super::query::Located;
use super::{
    Cursor, Inner, Kept, Store, StoreError, TargetState, Unread, failed, find, pictures,
    quarantine, query, request, schema, seal,
};
use crate::event::{DeliveryId, EventId, Kind};
use crate::fate::{Delivery, Fate};
use crate::name::Name;

/// Events that are read in one go where all are asked for.
const ALL_AT_ONCE: usize = 10_000;

#[derive(Debug, Clone, Default)]
pub(crate) struct EventQuery {
    pub(crate) source: Option<String>,
    pub(crate) camera: Option<String>,
    /// A plate; `*` stands for any letters or none, `?` for one.
    pub(crate) plate: Option<String>,
    pub(crate) kind: Option<Kind>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    /// One of its deliveries is all of these.
    pub(crate) fate: Option<Fate>,
    pub(crate) target: Option<String>,
    pub(crate) route: Option<String>,
    /// Only events older than this one, for paging.
    pub(crate) before: Option<Cursor>,
    /// Only events newer than this one, those next to it, for paging back.
    pub(crate) after: Option<Cursor>,
    /// 0 is all.
    pub(crate) limit: usize,
}

/// An event as the index knows it: what is told of many without reading the log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FoundEvent {
    pub(crate) id: EventId,
    pub(crate) source: Name,
    pub(crate) kind: String,
    pub(crate) camera: Option<String>,
    /// As they are compared.
    pub(crate) plates: Vec<String>,
    pub(crate) received_at: Timestamp,
    pub(crate) occurred_at: Timestamp,
}

/// What a question found.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Found {
    /// Newest first.
    pub(crate) events: Vec<FoundEvent>,
    /// About how many rows were looked at.
    pub(crate) looked_at: usize,
    /// One question looks at so many rows only: set when that was the end, to when the last one was received.
    pub(crate) looked_until: Option<Timestamp>,
    /// `before` of the question that goes on, when there may be more.
    pub(crate) older: Option<Cursor>,
    /// `after` of the question that goes back.
    pub(crate) newer: Option<Cursor>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct DeliveryQuery {
    pub(crate) event: Option<EventId>,
    pub(crate) target: Option<String>,
    pub(crate) fate: Option<Fate>,
    pub(crate) before: Option<DeliveryId>,
    pub(crate) limit: usize,
}

/// A part of a list that is asked nothing else.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PageQuery {
    /// Only what is older than this, for paging.
    pub(crate) before: Option<EventId>,
    /// 0 is all.
    pub(crate) limit: usize,
}

/// A request that was kept but not understood.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Quarantined")]
pub(crate) struct QuarantineRow {
    pub(crate) id: EventId,
    pub(crate) source: Name,
    pub(crate) received_at: Timestamp,
    pub(crate) remote: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) size: u64,
    pub(crate) reason: String,
}

/// One target's deliveries.
#[derive(Debug, Clone)]
pub(crate) struct TargetSummary {
    pub(crate) target: Name,
    pub(crate) state: TargetState,
    pub(crate) fates: Vec<(Fate, u64)>,
    /// When the oldest undelivered event of this target was received.
    pub(crate) oldest_undelivered: Option<Timestamp>,
}

impl TargetSummary {
    pub(crate) fn count(&self, fate: Fate) -> u64 {
        let found = self.fates.iter().find(|(known, _)| *known == fate);
        found.map_or(0, |(_, count)| *count)
    }
}

pub(crate) struct SourceSummary {
    pub(crate) source: Name,
    pub(crate) events: u64,
    pub(crate) quarantined: u64,
    pub(crate) last_received: Option<Timestamp>,
}

impl Store {
    /// Reads one event back from the log.
    pub(crate) async fn event(&self, id: EventId) -> Result<Kept, StoreError> {
        if let Some(kept) = self.0.cache.get(id) {
            return Ok(kept);
        }
        self.read_inner(move |inner, db| {
            let located = query::locate(db, id).map_err(failed)?;
            let located = located.ok_or_else(|| unknown(id))?;
            match inner.read_kept(db, id, &located) {
                // Removed since it was looked up: its file goes before its rows.
                Err(_) if !inner.catalog.contains(located.position.segment) => Err(unknown(id)),
                kept => kept,
            }
        })
        .await
    }

    /// About how many bytes an event takes in memory, told before it is read.
    pub(crate) async fn weight(&self, id: EventId) -> Result<usize, StoreError> {
        if let Some(kept) = self.0.cache.get(id) {
            return Ok(kept.event.bytes() + EVENT_BYTES);
        }
        self.read_inner(move |inner, db| {
            let located = query::locate(db, id).map_err(failed)?;
            let located = located.ok_or_else(|| unknown(id))?;
            // What is damaged takes no room; reading it tells.
            let bytes_of = |position| match inner.catalog.bytes_of(position) {
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Ok(0),
                Err(_) if !inner.catalog.contains(located.position.segment) => Err(unknown(id)),
                bytes => bytes.map_err(failed),
            };
            let mut bytes = bytes_of(located.position)?;
            if let Some(fetched) = pictures::place(db, located.number).map_err(failed)? {
                bytes += bytes_of(fetched)?;
            }
            Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
        })
        .await
    }

    /// Asks the index on the blocking pool, on a connection that only reads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection, &Inner) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read_inner(move |inner, db| {
            ask(db, inner).map_err(|error| {
                if schema::is_damaged(&error) {
                    seal::mark_damaged(&inner.index_path);
                }
                failed(error)
            })
        })
        .await
    }

    pub(super) async fn read_inner<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Inner, &Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = self.0.clone();
        // Each has the index's files open.
        let turn = inner
            .reading
            .clone()
            .acquire_owned()
            .await
            .map_err(failed)?;
        let asked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let reader = inner
                .readers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop();
            let db = match reader {
                Some(db) => db,
                None => schema::open_reader(&inner.index_path).map_err(failed)?,
            };
            let answer = ask(&inner, &db);
            inner
                .readers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(db);
            answer
        });
        asked.await.map_err(failed)?
    }

    /// All that fit, newest first, however many rows that means to look at.
    pub(crate) async fn events(&self, mut query: EventQuery) -> Result<Vec<EventId>, StoreError> {
        let mut ids = Vec::new();
        let limit = query.limit;
        loop {
            query.limit = match limit {
                0 => ALL_AT_ONCE,
                limit => ALL_AT_ONCE.min(limit - ids.len()),
            };
            let found = self.search(query.clone()).await?;
            ids.extend(found.events.iter().map(|event| event.id));
            if found.older.is_none() || limit > 0 && ids.len() >= limit {
                return Ok(ids);
            }
            query.before = found.older;
        }
    }

    /// One page of what fits; looks at a bounded number of rows, and tells how far that went.
    pub(crate) async fn search(&self, query: EventQuery) -> Result<Found, StoreError> {
        self.read(move |db, inner| {
            let held = inner.desks.held();
            let now = inner.clock.now();
            find::search(db, &query, &find::Moment { held: &held, now })
        })
        .await
    }

    /// Newest first.
    pub(crate) async fn deliveries(
        &self,
        query: DeliveryQuery,
    ) -> Result<Vec<Delivery>, StoreError> {
        self.read(move |db, inner| {
            query::deliveries(db, &query, &inner.desks.held(), inner.clock.now())
        })
        .await
    }

    pub(crate) async fn targets(&self) -> Result<Vec<TargetSummary>, StoreError> {
        self.read(move |db, inner| query::targets(db, &inner.desks.states(), inner.clock.now()))
            .await
    }

    pub(crate) async fn sources(&self) -> Result<Vec<SourceSummary>, StoreError> {
        self.read(|db, _| query::sources(db)).await
    }

    /// Newest first.
    pub(crate) async fn quarantined(
        &self,
        page: PageQuery,
    ) -> Result<Vec<QuarantineRow>, StoreError> {
        self.read(move |db, _| quarantine::quarantined(db, page))
            .await
    }

    pub(crate) async fn quarantined_request(&self, id: EventId) -> Result<Unread, StoreError> {
        self.read_inner(move |inner, db| {
            let located = query::locate_quarantined(db, id).map_err(failed)?;
            let located = located.ok_or_else(|| StoreError::Unknown {
                what: "quarantined request",
                id: id.to_string(),
            })?;
            let record = inner.catalog.read(located.position, located.lsn)?;
            request::unread(&record).map_err(failed)
        })
        .await
    }

    /// Records that cannot be read any more, found since the store was opened.
    pub(crate) fn damaged_records(&self) -> u64 {
        self.0.catalog.damages.records()
    }

    /// Bytes on disk.
    pub(crate) fn size(&self) -> u64 {
        self.0.room.used()
    }
}

fn unknown(id: EventId) -> StoreError {
    StoreError::Unknown {
        what: "event",
        id: id.to_string(),
    }
}

impl Inner {
    /// Reads one event from the log, and keeps it in the cache.
    pub(super) fn read_kept(
        &self,
        db: &Connection,
        id: EventId,
        located: &Located,
    ) -> Result<Kept, StoreError> {
        let again = query::plans_again(db, located.number).map_err(failed)?;
        let record = self.catalog.read(located.position, located.lsn)?;
        let events = request::events(&record).map_err(failed)?;
        let found = events.into_iter().find(|(event, _)| event.id == id);
        let (mut event, mut plan) = found.ok_or_else(|| unknown(id))?;
        let is_whole = self.complete(db, located.number, &mut event)?;
        for more in again {
            for choice in more.routes {
                plan.routes.retain(|old| old.route != choice.route);
                plan.routes.push(choice);
            }
            plan.deliveries.extend(more.deliveries);
        }
        let kept = Kept {
            event,
            plan: Arc::new(plan),
        };
        if is_whole {
            self.cache.put([kept.clone()]);
        }
        Ok(kept)
    }
}
