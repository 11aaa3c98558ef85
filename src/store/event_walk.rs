//! Going through events by what somebody chose of them, a bounded part at a time.

use rusqlite::{Connection, OptionalExtension, Row};

use super::selection::{EventFacts, Place, Selection, event_bounds, few_events};
use super::walk::{Most, Walked};

type Result<T> = rusqlite::Result<T>;

/// The next part of the events that were chosen, oldest first.
pub(super) fn events(
    db: &Connection,
    which: &Selection,
    through: i64,
    from: Option<&Place>,
    most: Most,
) -> Result<Walked> {
    let after = from.map_or(-1, |from| from.first);
    let mut walked = Walked::default();
    let few = match which.events.is_empty() {
        true => few_events(db, which)?,
        false => {
            let mut numbers = Vec::new();
            for id in &which.events {
                let mut known = db.prepare_cached("SELECT number FROM events WHERE id = ?1")?;
                numbers.extend(
                    known
                        .query_row([id.as_bytes()], |row| row.get::<_, i64>(0))
                        .optional()?,
                );
            }
            Some(numbers)
        }
    };
    let (first, last) = event_bounds(db, which)?;
    let (first, last) = (first.max(after + 1), last.min(through));
    const FACTS: &str = "SELECT number, camera, source, plates, received_at FROM events";
    let read = |row: &Row<'_>| {
        let facts = EventFacts {
            camera: row.get(1)?,
            source: row.get(2)?,
            plates: row.get(3)?,
            received_at: row.get(4)?,
        };
        Ok((row.get::<_, i64>(0)?, facts))
    };
    let mut examined = 0;
    let mut look = |(number, facts): (i64, EventFacts)| {
        examined += 1;
        walked.next = Some(Place {
            held: None,
            first: number,
            second: 0,
        });
        if which.fits_event(&facts) {
            walked.found.push(number);
        }
        walked.found.len() < most.found && examined < most.examined
    };
    let mut ended = true;
    if let Some(mut numbers) = few {
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers
            .into_iter()
            .filter(|one| (first..last).contains(one))
        {
            let mut one = db.prepare_cached(&format!("{FACTS} WHERE number = ?1"))?;
            if let Some(found) = one.query_row([number], read).optional()?
                && !look(found)
            {
                ended = false;
                break;
            }
        }
    } else {
        let sql = format!("{FACTS} WHERE number >= ?1 AND number < ?2 ORDER BY number");
        let mut statement = db.prepare_cached(&sql)?;
        let mut rows = statement.query([first, last])?;
        while let Some(row) = rows.next()? {
            if !look(read(row)?) {
                ended = false;
                break;
            }
        }
    }
    if ended {
        walked.next = None;
    }
    Ok(walked)
}
