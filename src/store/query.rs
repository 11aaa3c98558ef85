//! What is asked of the index, on connections that only read.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::books::{fate_from, name_from};
use super::catalog::Position;
use super::index::{NUMBERS_PER_RECORD, micros, moment};
use super::record::normal_plate;
use super::{
    DeliveryQuery, EventQuery, QuarantineRow, SourceSummary, TargetState, TargetSummary,
    delivery_rows,
};
use crate::event::{DeliveryId, EventId};
use crate::fate::{Delivery, Fate, Plan};
use crate::name::Name;

type Result<T> = rusqlite::Result<T>;

/// Where an event's record is.
pub(super) struct Located {
    pub(super) number: i64,
    pub(super) lsn: u64,
    pub(super) position: Position,
}

impl Located {
    pub(super) fn new(number: i64, segment: i64, offset: i64) -> Self {
        Self {
            number,
            lsn: (number / NUMBERS_PER_RECORD) as u64,
            position: Position {
                segment: segment as u64,
                offset: offset as u64,
            },
        }
    }
}

pub(super) fn locate(db: &Connection, id: EventId) -> Result<Option<Located>> {
    locate_in(
        db,
        "SELECT number, segment, offset FROM events WHERE id = ?1",
        id,
    )
}

pub(super) fn locate_quarantined(db: &Connection, id: EventId) -> Result<Option<Located>> {
    locate_in(
        db,
        "SELECT number, segment, offset FROM quarantine WHERE id = ?1",
        id,
    )
}

fn locate_in(db: &Connection, sql: &str, id: EventId) -> Result<Option<Located>> {
    db.prepare_cached(sql)?
        .query_row([id.as_bytes()], |row| {
            Ok(Located::new(row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()
}

/// Plans that were added to an event, in the order they were.
pub(super) fn plans_again(db: &Connection, event: i64) -> Result<Vec<Plan>> {
    db.prepare_cached("SELECT plan FROM plans_again WHERE event = ?1 ORDER BY lsn")?
        .query_map([event], |row| {
            Ok(serde_json::from_str(&row.get::<_, String>(0)?).unwrap_or_default())
        })?
        .collect()
}

/// Conditions joined by AND, with their values.
#[derive(Default)]
struct Filter {
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Filter {
    /// `?` in the condition stands for the values, in order.
    fn add(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.conditions.push(condition.to_owned());
        self.values.extend(values);
    }

    fn sql(&self) -> String {
        if self.conditions.is_empty() {
            String::new()
        } else {
            format!("WHERE {}", self.conditions.join(" AND "))
        }
    }
}

fn limit(limit: usize) -> i64 {
    if limit == 0 {
        -1
    } else {
        i64::try_from(limit).unwrap_or(-1)
    }
}

pub(super) fn events(db: &Connection, query: &EventQuery) -> Result<Vec<EventId>> {
    let mut filter = Filter::default();
    if let Some(source) = &query.source {
        filter.add("source = ?", [source.clone().into()]);
    }
    if let Some(camera) = &query.camera {
        filter.add("camera = ?", [camera.clone().into()]);
    }
    if let Some(kind) = query.kind {
        filter.add("kind = ?", [kind.as_str().to_owned().into()]);
    }
    if let Some(plate) = &query.plate {
        let normal = normal_plate(plate);
        if plate.ends_with('*') {
            let end = format!("{normal}{}", char::MAX);
            filter.add(
                "number IN (SELECT event FROM plates WHERE plate >= ? AND plate < ?)",
                [normal.into(), end.into()],
            );
        } else {
            filter.add(
                "number IN (SELECT event FROM plates WHERE plate = ?)",
                [normal.into()],
            );
        }
    }
    // Segments bound the numbers to look at; received_at alone would mean to look at every row.
    if let Some(since) = query.since {
        let since = micros(since);
        filter.add("received_at >= ?", [since.into()]);
        filter.add(
            "number >= coalesce((SELECT min(first_lsn) FROM segments WHERE newest >= ?), 0) * 1048576",
            [since.into()],
        );
    }
    if let Some(until) = query.until {
        let until = micros(until);
        filter.add("received_at < ?", [until.into()]);
        filter.add(
            "number < (coalesce((SELECT max(last_lsn) FROM segments WHERE oldest < ?), 0) + 1) * 1048576",
            [until.into()],
        );
    }
    if let Some(before) = query.before {
        match locate(db, before)? {
            Some(located) => filter.add("number < ?", [located.number.into()]),
            None => filter.add("id < ?", [before.as_bytes().to_vec().into()]),
        }
    }
    let sql = format!(
        "SELECT id FROM events {} ORDER BY number DESC LIMIT {}",
        filter.sql(),
        limit(query.limit)
    );
    db.prepare_cached(&sql)?
        .query_map(params_from_iter(filter.values), |row| {
            Ok(EventId::from_bytes(row.get(0)?))
        })?
        .collect()
}

pub(super) fn deliveries(
    db: &Connection,
    query: &DeliveryQuery,
    held: &HashSet<Name>,
    now: Timestamp,
) -> Result<Vec<Delivery>> {
    let mut filter = Filter::default();
    if let Some(event) = query.event {
        let Some(located) = locate(db, event)? else {
            return Ok(Vec::new());
        };
        let first = located.lsn as i64 * NUMBERS_PER_RECORD;
        filter.add(
            "d.number IN (SELECT number FROM deliveries WHERE number BETWEEN ? AND ? AND event = ?
                          UNION SELECT number FROM deliveries WHERE replanned > 0 AND event = ?)",
            [
                first,
                first + NUMBERS_PER_RECORD - 1,
                located.number,
                located.number,
            ]
            .map(Value::from),
        );
    }
    if let Some(target) = &query.target {
        filter.add("d.target = ?", [target.clone().into()]);
    }
    if let Some(fate) = query.fate {
        let marks = vec!["?"; held.len()].join(", ");
        let is_held = format!("(coalesce(d.due <= ?, FALSE) AND d.target IN ({marks}))");
        let held = || {
            let names = held
                .iter()
                .map(|name| Value::from(name.as_str().to_owned()));
            std::iter::once(Value::from(micros(now))).chain(names)
        };
        match fate {
            Fate::Held => filter.add(&format!("d.fate = 'pending' AND {is_held}"), held()),
            Fate::Pending => filter.add(&format!("d.fate = 'pending' AND NOT {is_held}"), held()),
            Fate::Dead => filter.add("d.fate = 'dead'", []),
            Fate::Delivered | Fate::Expired | Fate::Filtered => {
                filter.add("d.fate = ?", [fate.as_str().to_owned().into()]);
            }
        }
    }
    if let Some(before) = query.before {
        let number: Option<i64> = db
            .prepare_cached("SELECT number FROM deliveries WHERE id = ?1")?
            .query_row([before.as_bytes()], |row| row.get(0))
            .optional()?;
        match number {
            Some(number) => filter.add("d.number < ?", [number.into()]),
            None => filter.add("d.id < ?", [before.as_bytes().to_vec().into()]),
        }
    }
    let sql = format!(
        "{} {} ORDER BY d.number DESC LIMIT {}",
        delivery_rows::SELECT,
        filter.sql(),
        limit(query.limit)
    );
    delivery_rows::read(db, &sql, params_from_iter(filter.values), held, now)
}

pub(super) fn targets(
    db: &Connection,
    states: &[(Name, TargetState)],
    now: Timestamp,
) -> Result<Vec<TargetSummary>> {
    let mut summaries: Vec<TargetSummary> = Vec::new();
    let mut rows = db.prepare_cached(
        "SELECT target, fate, deliveries FROM tallies UNION ALL SELECT target, NULL, 0 FROM targets WHERE touched > 0 ORDER BY 1",
    )?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let target = name_from(row.get(0)?)?;
        if summaries.last().is_none_or(|last| last.target != target) {
            let state = states.iter().find(|(name, _)| *name == target);
            summaries.push(TargetSummary {
                state: state.map_or(TargetState::Running, |(_, state)| state.clone()),
                oldest_undelivered: oldest_undelivered(db, &target)?,
                target,
                fates: Vec::new(),
            });
        }
        let count = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
        if let (Some(fate), Some(last)) = (row.get::<_, Option<String>>(1)?, summaries.last_mut())
            && count > 0
        {
            last.fates.push((fate_from(&fate), count));
        }
    }
    for summary in &mut summaries {
        if matches!(summary.state, TargetState::Held { .. }) {
            let held: i64 = db
                .prepare_cached("SELECT count(*) FROM deliveries WHERE target = ?1 AND fate = 'pending' AND due <= ?2")?
                .query_row(params![summary.target.as_str(), micros(now)], |row| row.get(0))?;
            let held = held as u64;
            for (fate, count) in &mut summary.fates {
                if *fate == Fate::Pending {
                    *count -= held.min(*count);
                }
            }
            summary.fates.push((Fate::Held, held));
            summary.fates.retain(|(_, count)| *count > 0);
        }
        summary.fates.sort_unstable();
    }
    Ok(summaries)
}

/// Looks only into the first segment that has something of this target.
fn oldest_undelivered(db: &Connection, target: &Name) -> Result<Option<Timestamp>> {
    let bounds = db
        .prepare_cached(
            "SELECT s.first_lsn, s.last_lsn FROM backlog b JOIN segments s ON s.segment = b.segment
             WHERE b.target = ?1 AND b.pending > 0 ORDER BY b.segment LIMIT 1",
        )?
        .query_row([target.as_str()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })
        .optional()?;
    let Some((first, last)) = bounds else {
        return Ok(None);
    };
    let (first, last) = (
        first * NUMBERS_PER_RECORD,
        (last + 1) * NUMBERS_PER_RECORD - 1,
    );
    // The plus signs keep SQLite from going through all of the target's pending deliveries instead.
    let planned: Option<i64> = db
        .prepare_cached(
            "SELECT e.received_at FROM deliveries d CROSS JOIN events e ON e.number = d.event
             WHERE d.number BETWEEN ?2 AND ?3 AND +d.target = ?1 AND +d.fate = 'pending' ORDER BY d.number LIMIT 1",
        )?
        .query_row(params![target.as_str(), first, last], |row| row.get(0))
        .optional()?;
    let replanned: Option<i64> = db
        .prepare_cached(
            "SELECT e.received_at FROM deliveries d CROSS JOIN events e ON e.number = d.event
             WHERE d.replanned > 0 AND d.event BETWEEN ?2 AND ?3 AND +d.target = ?1 AND +d.fate = 'pending'
             ORDER BY d.event LIMIT 1",
        )?
        .query_row(params![target.as_str(), first, last], |row| row.get(0))
        .optional()?;
    Ok(planned.into_iter().chain(replanned).min().map(moment))
}

pub(super) fn sources(db: &Connection) -> Result<Vec<SourceSummary>> {
    db.prepare_cached(
        "SELECT source, events, quarantined, last_received FROM sources ORDER BY source",
    )?
    .query_map([], |row| {
        Ok(SourceSummary {
            source: name_from(row.get(0)?)?,
            events: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0),
            quarantined: u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0),
            last_received: row.get::<_, Option<i64>>(3)?.map(moment),
        })
    })?
    .collect()
}

pub(super) fn quarantined(db: &Connection, max: usize) -> Result<Vec<QuarantineRow>> {
    db.prepare_cached(
        "SELECT id, source, received_at, remote, content_type, size, reason FROM quarantine ORDER BY number DESC LIMIT ?1",
    )?
    .query_map([limit(max)], |row| {
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

/// The first of these that names no delivery.
pub(super) fn unknown_delivery(db: &Connection, ids: &[DeliveryId]) -> Result<Option<DeliveryId>> {
    for id in ids {
        let known = db
            .prepare_cached("SELECT 1 FROM deliveries WHERE id = ?1")?
            .exists([id.as_bytes()])?;
        if !known {
            return Ok(Some(*id));
        }
    }
    Ok(None)
}
