//! What is asked of the index, on connections that only read.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::books::{fate_from, name_from};
use super::catalog::Position;
use super::index::{NUMBERS_PER_RECORD, micros, moment};
use super::{DeliveryQuery, SourceSummary, TargetState, TargetSummary, delivery_rows};
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

/// Deliveries of a held target that are not due yet: so many are counted one by one.
const LATER_MAX: i64 = 50_000;

/// So many of the newest deliveries are looked through before an index is asked: a few milliseconds.
const NEWEST: i64 = 20_000;

/// Conditions joined by AND, with their values.
#[derive(Default, Clone)]
pub(super) struct Filter {
    conditions: Vec<String>,
    pub(super) values: Vec<Value>,
}

impl Filter {
    /// `?` in the condition stands for the values, in order.
    pub(super) fn add(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.conditions.push(condition.to_owned());
        self.values.extend(values);
    }

    pub(super) fn sql(&self) -> String {
        if self.conditions.is_empty() {
            String::new()
        } else {
            format!("WHERE {}", self.conditions.join(" AND "))
        }
    }
}

pub(super) fn limit(limit: usize) -> i64 {
    if limit == 0 {
        -1
    } else {
        i64::try_from(limit).unwrap_or(-1)
    }
}

pub(super) fn deliveries(
    db: &Connection,
    query: &DeliveryQuery,
    held: &HashSet<Name>,
    now: Timestamp,
) -> Result<Vec<Delivery>> {
    deliveries_within(db, query, held, now, NEWEST)
}

/// The same whatever `newest` is; so many of the newest are looked through before an index is asked.
pub(super) fn deliveries_within(
    db: &Connection,
    query: &DeliveryQuery,
    held: &HashSet<Name>,
    now: Timestamp,
    newest: i64,
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
    let mut below = i64::MAX;
    if let Some(before) = query.before {
        let number: Option<i64> = db
            .prepare_cached("SELECT number FROM deliveries WHERE id = ?1")?
            .query_row([before.as_bytes()], |row| row.get(0))
            .optional()?;
        match number {
            Some(number) => {
                below = number;
                filter.add("d.number < ?", [number.into()]);
            }
            None => filter.add("d.id < ?", [before.as_bytes().to_vec().into()]),
        }
    }
    let ask = |table: &str, filter: &Filter| {
        let sql = format!(
            "{table} {} ORDER BY d.number DESC LIMIT {}",
            filter.sql(),
            limit(query.limit)
        );
        let values = params_from_iter(&filter.values);
        delivery_rows::read(db, &sql, values, held, now)
    };
    // Of a fate that many have, the newest are found sooner by looking than by sorting all.
    if query.fate.is_some()
        && query.event.is_none()
        && query.limit > 0
        && let Some(above) = behind_newest(db, below, newest)?
    {
        let mut newest = filter.clone();
        newest.add("d.number > ?", [above.into()]);
        let found = ask(delivery_rows::SELECT_BY_NUMBER, &newest)?;
        if found.len() >= query.limit {
            return Ok(found);
        }
    }
    ask(delivery_rows::SELECT, &filter)
}

/// The delivery behind the `newest` ones of those below `below`, if there are so many.
fn behind_newest(db: &Connection, below: i64, newest: i64) -> Result<Option<i64>> {
    db.prepare_cached(
        "SELECT number FROM deliveries WHERE number < ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2",
    )?
    .query_row([below, newest], |row| row.get(0))
    .optional()
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
            let held = count_due(db, &summary.target, now, summary.count(Fate::Pending))?;
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

/// How many of a target's pending deliveries are due. Of a held target nearly all are, so the others are counted, unless they
/// are many.
fn count_due(db: &Connection, target: &Name, now: Timestamp, pending: u64) -> Result<u64> {
    let later: i64 = db
        .prepare_cached(
            "SELECT count(*) FROM (
                 SELECT 1 FROM deliveries INDEXED BY deliveries_due WHERE target = ?1 AND fate = 'pending' AND due > ?2
                 UNION ALL
                 SELECT 1 FROM deliveries INDEXED BY deliveries_due WHERE target = ?1 AND fate = 'pending' AND due IS NULL
                 LIMIT ?3
             )",
        )?
        .query_row(params![target.as_str(), micros(now), LATER_MAX], |row| row.get(0))?;
    if later < LATER_MAX {
        return Ok(pending.saturating_sub(later as u64));
    }
    db.prepare_cached(
        "SELECT count(*) FROM deliveries WHERE target = ?1 AND fate = 'pending' AND due <= ?2",
    )?
    .query_row(params![target.as_str(), micros(now)], |row| {
        Ok(row.get::<_, i64>(0)? as u64)
    })
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
