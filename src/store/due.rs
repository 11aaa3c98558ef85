//! Which deliveries a target may lease now.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::books::name_from;
use super::index::{micros, moment};
use super::query::Located;
use crate::event::{DeliveryId, EventId, Item};
use crate::name::Name;

type Result<T> = rusqlite::Result<T>;

/// A due delivery, before it is leased.
pub(super) struct Candidate {
    pub(super) number: i64,
    pub(super) id: DeliveryId,
    pub(super) event: EventId,
    pub(super) route: Name,
    pub(super) item: Option<Item>,
    pub(super) received_at: Timestamp,
    pub(super) planned_at: Timestamp,
    pub(super) attempts: u32,
    pub(super) camera: Option<String>,
    /// Other events went into its own.
    pub(super) has_parts: bool,
    /// Where the event's record is.
    pub(super) located: Located,
}

/// Due deliveries nobody works on, and when the next one falls due.
pub(super) type Due = (Vec<Candidate>, Option<Timestamp>);

const CANDIDATE: &str = "d.number, d.id, e.id, d.route, d.item, e.received_at, d.planned_at, d.counted, d.camera, d.due, d.event, e.segment, e.offset,
    EXISTS (SELECT 1 FROM joined j WHERE j.into_event = e.id)";

fn candidate(row: &rusqlite::Row<'_>) -> Result<Candidate> {
    Ok(Candidate {
        number: row.get(0)?,
        id: DeliveryId::from_bytes(row.get(1)?),
        event: EventId::from_bytes(row.get(2)?),
        route: name_from(row.get(3)?)?,
        item: row
            .get::<_, Option<String>>(4)?
            .and_then(|item| Item::try_from(item).ok()),
        received_at: moment(row.get(5)?),
        planned_at: moment(row.get(6)?),
        attempts: row.get(7)?,
        camera: row.get(8)?,
        has_parts: row.get(13)?,
        located: Located::new(row.get(10)?, row.get(11)?, row.get(12)?),
    })
}

/// The target's deliveries that are due first.
pub(super) fn due_first(
    db: &Connection,
    target: &Name,
    now: Timestamp,
    taken: &HashSet<i64>,
    max: usize,
) -> Result<Due> {
    let sql = format!(
        "SELECT {CANDIDATE} FROM deliveries d INDEXED BY deliveries_due CROSS JOIN events e ON e.number = d.event
         WHERE d.target = ?1 AND d.fate = 'pending' AND d.due <= ?2 ORDER BY d.due, d.number LIMIT ?3"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let limit = max.saturating_add(taken.len());
    let mut rows = statement.query(params![target.as_str(), micros(now), limit as i64])?;
    let mut due = Vec::new();
    while due.len() < max
        && let Some(row) = rows.next()?
    {
        if !taken.contains(&row.get(0)?) {
            due.push(candidate(row)?);
        }
    }
    let next = if due.is_empty() {
        db.prepare_cached(
            "SELECT due FROM deliveries WHERE target = ?1 AND fate = 'pending' AND due > ?2 ORDER BY due LIMIT 1",
        )?
        .query_row(params![target.as_str(), micros(now)], |row| row.get(0))
        .optional()?
        .map(moment)
    } else {
        None
    };
    Ok((due, next))
}

/// Of each camera the target's oldest delivery, if that is due. A skip scan: one look for each camera, however much waits.
pub(super) fn oldest_of_each_camera(
    db: &Connection,
    target: &Name,
    now: Timestamp,
    taken: &HashSet<i64>,
    max: usize,
) -> Result<Due> {
    let sql = format!(
        "WITH RECURSIVE cameras (camera) AS (
             SELECT min(camera) FROM deliveries WHERE target = ?1 AND fate = 'pending' AND camera IS NOT NULL
             UNION ALL
             SELECT (SELECT min(camera) FROM deliveries
                     WHERE target = ?1 AND fate = 'pending' AND camera > cameras.camera AND camera IS NOT NULL)
             FROM cameras WHERE cameras.camera IS NOT NULL
         )
         SELECT {CANDIDATE} FROM cameras CROSS JOIN deliveries d CROSS JOIN events e
         WHERE d.number = (SELECT min(number) FROM deliveries INDEXED BY deliveries_in_order
                           WHERE target = ?1 AND fate = 'pending' AND camera = cameras.camera AND camera IS NOT NULL)
           AND e.number = d.event"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params![target.as_str()])?;
    let mut due = Vec::new();
    let mut next: Option<i64> = None;
    while let Some(row) = rows.next()? {
        let number = row.get(0)?;
        // Without a due time it waits for its pictures, and its camera's later ones with it.
        let Some(at) = row
            .get::<_, Option<i64>>(9)?
            .filter(|_| !taken.contains(&number))
        else {
            continue;
        };
        if at > micros(now) {
            next = Some(next.map_or(at, |next| next.min(at)));
        } else {
            due.push((at, candidate(row)?));
        }
    }
    due.sort_by_key(|(at, candidate)| (*at, candidate.number));
    due.truncate(max);
    let due: Vec<_> = due.into_iter().map(|(_, candidate)| candidate).collect();
    let next = if due.is_empty() {
        next.map(moment)
    } else {
        None
    };
    Ok((due, next))
}
