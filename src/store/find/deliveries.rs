//! Questions about what became of events: reading on in their deliveries.

use rusqlite::{Row, Rows, named_params, params};

use super::range::Range;
use super::{SEEK, Search, by_number};
use crate::fate::Fate;
use crate::store::index::{NUMBERS_PER_RECORD, micros};

type Result<T> = rusqlite::Result<T>;

const OF_EVENT: &str = "
    SELECT event, fate, target, route, due FROM deliveries WHERE number BETWEEN ?2 AND ?3 AND event = ?1 AND replanned = 0
    UNION ALL
    SELECT event, fate, target, route, due FROM deliveries WHERE replanned > 0 AND event = ?1";

impl Search<'_> {
    /// Reads on in the deliveries, which were numbered with their events, and in those that were planned later.
    pub(super) fn along_deliveries(&mut self) -> Result<()> {
        let (order, ascends) = if self.ascends() {
            ("ASC", true)
        } else {
            ("DESC", false)
        };
        let Range { above, below } = self.range;
        // A delivery's number is in its event's record.
        let record = |number: i64| number.div_euclid(NUMBERS_PER_RECORD) * NUMBERS_PER_RECORD;
        let first = record(above);
        let last = if below == i64::MAX {
            i64::MAX
        } else {
            record(below) + NUMBERS_PER_RECORD - 1
        };
        let with_event = format!(
            "SELECT event, fate, target, route, due FROM deliveries
             WHERE number BETWEEN :first AND :last AND replanned = 0 AND event > :above AND event < :below ORDER BY number {order}"
        );
        let later = format!(
            "SELECT event, fate, target, route, due FROM deliveries INDEXED BY deliveries_replanned
             WHERE replanned > 0 AND event > :above AND event < :below ORDER BY event {order}"
        );
        let mut with_event = self.db.prepare_cached(&with_event)?;
        let mut later = self.db.prepare_cached(&later)?;
        let mut with_event = with_event.query(
            named_params! { ":first": first, ":last": last, ":above": above, ":below": below },
        )?;
        let mut later = later.query(named_params! { ":above": above, ":below": below })?;
        let mut events = by_number(self.db)?;
        let (mut one, mut two) = (self.next_of(&mut with_event)?, self.next_of(&mut later)?);
        while one.is_some() || two.is_some() {
            let first = match (one, two) {
                (Some((one, _)), Some((two, _))) => {
                    if ascends {
                        one <= two
                    } else {
                        one >= two
                    }
                }
                (one, _) => one.is_some(),
            };
            let (taken, rows) = if first {
                (&mut one, &mut with_event)
            } else {
                (&mut two, &mut later)
            };
            let next = self.next_of(rows)?;
            let Some((event, fits)) = std::mem::replace(taken, next) else {
                break;
            };
            // All of one event's deliveries are looked at, or none: the next page begins behind an event.
            if self.reached != Some(event) && self.looks >= self.looks_max {
                break;
            }
            self.looks += 1;
            let known = self.rows.last().is_some_and(|(number, _)| *number == event);
            if fits && !known {
                self.look_up(&mut events, event, false)?;
            }
            if self.more {
                break;
            }
            self.reached = Some(event);
        }
        Ok(())
    }

    /// The next delivery's event, and whether the delivery is one that is asked for.
    fn next_of(&self, rows: &mut Rows<'_>) -> Result<Option<(i64, bool)>> {
        match rows.next()? {
            Some(row) => Ok(Some((row.get(0)?, self.delivery_fits(row)?))),
            None => Ok(None),
        }
    }

    /// Of columns `event, fate, target, route, due`.
    fn delivery_fits(&self, row: &Row<'_>) -> Result<bool> {
        let Self { query, moment, .. } = self;
        let text = |n: usize| Ok::<_, rusqlite::Error>(row.get_ref(n)?.as_str()?);
        if let Some(route) = &query.route
            && text(3)? != route
        {
            return Ok(false);
        }
        let target = text(2)?;
        if query.target.as_ref().is_some_and(|wanted| wanted != target) {
            return Ok(false);
        }
        let Some(wanted) = query.fate else {
            return Ok(true);
        };
        let fate = text(1)?;
        if !matches!(wanted, Fate::Held | Fate::Pending) {
            return Ok(fate == wanted.as_str());
        }
        let is_due = row.get::<_, Option<i64>>(4)?;
        let is_due = is_due.is_some_and(|due| due <= micros(moment.now));
        let held = is_due && moment.held.iter().any(|name| name.as_str() == target);
        Ok(fate == Fate::Pending.as_str() && held == (wanted == Fate::Held))
    }

    pub(super) fn has_delivery(&mut self, event: i64) -> Result<bool> {
        let first = event.div_euclid(NUMBERS_PER_RECORD) * NUMBERS_PER_RECORD;
        let mut statement = self.db.prepare_cached(OF_EVENT)?;
        let mut rows = statement.query(params![event, first, first + NUMBERS_PER_RECORD - 1])?;
        self.looks += SEEK;
        while let Some(row) = rows.next()? {
            self.looks += 1;
            if self.delivery_fits(row)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
