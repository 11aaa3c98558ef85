//! Rows of deliveries as the API shows them.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::Connection;

use super::books::{fate_from, name_from};
use super::index::moment;
use crate::event::{DeliveryId, EventId, Item};
use crate::fate::{Attempt, Delivery, Fate};
use crate::name::Name;

type Result<T> = rusqlite::Result<T>;

macro_rules! select {
    ($led_by:literal) => {
        concat!(
            "SELECT d.number, d.id, e.id, d.route, d.target, d.item, d.fate, d.due FROM deliveries d ",
            $led_by,
            " CROSS JOIN events e ON e.number = d.event"
        )
    };
}

pub(super) const SELECT: &str = select!("");
/// The same, read in the order of the numbers, whatever else is asked for.
pub(super) const SELECT_BY_NUMBER: &str = select!("NOT INDEXED");

/// One by its number.
pub(super) fn one(
    db: &Connection,
    number: i64,
    held: &HashSet<Name>,
    now: Timestamp,
) -> Result<Option<Delivery>> {
    let sql = format!("{SELECT} WHERE d.number = ?1");
    Ok(read(db, &sql, [number], held, now)?.pop())
}

pub(super) fn read(
    db: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    held: &HashSet<Name>,
    now: Timestamp,
) -> Result<Vec<Delivery>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut deliveries = Vec::new();
    while let Some(row) = rows.next()? {
        let target = name_from(row.get(4)?)?;
        let due = row.get::<_, Option<i64>>(7)?.map(moment);
        let mut fate = fate_from(&row.get::<_, String>(6)?);
        if fate == Fate::Pending && due.is_some_and(|due| due <= now) && held.contains(&target) {
            fate = Fate::Held;
        }
        deliveries.push(Delivery {
            id: DeliveryId::from_bytes(row.get(1)?),
            event: EventId::from_bytes(row.get(2)?),
            route: name_from(row.get(3)?)?,
            target,
            item: row
                .get::<_, Option<String>>(5)?
                .and_then(|item| Item::try_from(item).ok()),
            fate,
            due,
            attempts: attempts(db, row.get(0)?)?,
        });
    }
    Ok(deliveries)
}

pub(super) fn attempts(db: &Connection, delivery: i64) -> Result<Vec<Attempt>> {
    db.prepare_cached(
        "SELECT at, status, ms, error, excerpt FROM attempts WHERE delivery = ?1 ORDER BY attempt",
    )?
    .query_map([delivery], |row| {
        Ok(Attempt {
            at: moment(row.get(0)?),
            status: row.get(1)?,
            ms: row.get::<_, i64>(2)? as u64,
            error: row.get(3)?,
            excerpt: row.get(4)?,
        })
    })?
    .collect()
}
