//! Compares two indexes row by row.

use std::cmp::Ordering;
use std::fmt;

use rusqlite::types::Value;
use rusqlite::{Connection, Rows};

type Result<T> = rusqlite::Result<T>;

/// How a table of the index is not as the log tells it.
pub(super) struct Difference {
    what: &'static str,
    /// Rows of the log that the index lacks, rows that the log does not tell of, and rows that say something else.
    missing: u64,
    extra: u64,
    other: u64,
    /// The number of the first such row.
    first: i64,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            missing,
            extra,
            other,
            first,
        } = self;
        write!(
            f,
            "{what}: {missing} missing, {extra} that the log does not tell of, {other} that say something else; the first has \
             number {first}"
        )
    }
}

/// What is compared: its name, and its rows by their number.
const TABLES: [(&str, &str); 4] = [
    (
        "events",
        "SELECT number, id, source, kind, camera, plates, received_at, occurred_at, segment, offset FROM events ORDER BY number",
    ),
    (
        "plates by event",
        "SELECT event, group_concat(plate, ' ' ORDER BY plate) FROM plates GROUP BY event ORDER BY event",
    ),
    (
        "quarantined requests",
        "SELECT number, id, source, received_at, remote, content_type, size, reason, segment, offset FROM quarantine ORDER BY number",
    ),
    (
        "deliveries",
        "SELECT number, id, event, route, target, item, fate, due IS NULL FROM deliveries ORDER BY number",
    ),
];

/// What SQLite itself finds wrong, and sums that are not those of the rows.
pub(super) fn integrity(db: &Connection) -> Result<Vec<String>> {
    let mut rows = db.prepare("PRAGMA integrity_check(10)")?;
    let mut told: Vec<String> = rows
        .query_map([], |row| row.get(0))?
        .collect::<Result<_>>()?;
    told.retain(|told| told != "ok");
    let sums: i64 = db.query_row(
        "SELECT count(*) FROM (
             SELECT target, fate, count(*) FROM deliveries GROUP BY target, fate
             EXCEPT SELECT target, fate, deliveries FROM tallies
         )",
        [],
        |row| row.get(0),
    )?;
    if sums > 0 {
        told.push(format!(
            "the counts of {sums} targets' fates are not those of their deliveries"
        ));
    }
    let groups: i64 = db.query_row(
        "SELECT count(*) FROM (
             SELECT reason, count(*) FROM deliveries WHERE reason IS NOT NULL GROUP BY reason
             EXCEPT SELECT reason, deliveries FROM reasons
         )",
        [],
        |row| row.get(0),
    )?;
    if groups > 0 {
        told.push(format!(
            "the counts of {groups} reasons why something is not delivered are not those of their deliveries"
        ));
    }
    Ok(told)
}

/// Compares `kept` with what the log tells; `fates` whether what became of deliveries is compared, too. Rows that are `lost`
/// are left out.
pub(super) fn compare(
    kept: &Connection,
    told: &Connection,
    fates: bool,
    lost: &dyn Fn(i64) -> bool,
) -> Result<Vec<Difference>> {
    let mut differences = Vec::new();
    for (what, sql) in TABLES {
        if what == "deliveries" && !fates {
            continue;
        }
        let (mut kept, mut told) = (kept.prepare(sql)?, told.prepare(sql)?);
        let (kept, told) = (kept.query([])?, told.query([])?);
        differences.extend(differ(what, kept, told, lost)?);
    }
    Ok(differences)
}

fn next(rows: &mut Rows<'_>, lost: &dyn Fn(i64) -> bool) -> Result<Option<(i64, Vec<Value>)>> {
    loop {
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let number: i64 = row.get(0)?;
        if lost(number) {
            continue;
        }
        let cells = 1..row.as_ref().column_count();
        let cells = cells.map(|n| row.get(n)).collect::<Result<_>>()?;
        return Ok(Some((number, cells)));
    }
}

fn differ(
    what: &'static str,
    mut kept: Rows<'_>,
    mut told: Rows<'_>,
    lost: &dyn Fn(i64) -> bool,
) -> Result<Option<Difference>> {
    let mut found = Difference {
        what,
        missing: 0,
        extra: 0,
        other: 0,
        first: i64::MAX,
    };
    let (mut one, mut two) = (next(&mut kept, lost)?, next(&mut told, lost)?);
    loop {
        let order = match (&one, &two) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((one, _)), Some((two, _))) => one.cmp(two),
        };
        let number = match order {
            Ordering::Less | Ordering::Equal => one.as_ref(),
            Ordering::Greater => two.as_ref(),
        };
        let number = number.map_or(0, |(number, _)| *number);
        let is_same = one == two;
        match order {
            Ordering::Less => found.extra += 1,
            Ordering::Greater => found.missing += 1,
            Ordering::Equal => found.other += u64::from(!is_same),
        }
        if !is_same {
            found.first = found.first.min(number);
        }
        if order != Ordering::Greater {
            one = next(&mut kept, lost)?;
        }
        if order != Ordering::Less {
            two = next(&mut told, lost)?;
        }
    }
    Ok((found.missing + found.extra + found.other > 0).then_some(found))
}
