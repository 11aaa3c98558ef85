//! One table: its rows by plate, each with the time in which it counts.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::normalise;
use super::period::{self, End, Period};

/// Rows of one list; more are refused, for they stay in memory.
pub(super) const ROWS_MAX: usize = 1_000_000;
/// Rows of one plate, which are gone through for each look.
const PERIODS_MAX: usize = 1_000;

/// Which columns mean something.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Columns {
    /// The one with the plates. Empty where rows are nothing but plates.
    pub(crate) key: String,
    pub(crate) valid_from: Option<String>,
    pub(crate) valid_until: Option<String>,
    /// Of dates that tell none.
    pub(crate) zone: TimeZone,
}

/// The rows of a list as they were once read.
#[derive(Clone, Default)]
pub(crate) struct Table {
    rows: HashMap<String, Vec<Entry>>,
    len: usize,
    /// Rows of which a date was read.
    dated: usize,
}

#[derive(Clone)]
struct Entry {
    period: Period,
    row: Row,
}

/// Column name to cell, in the table's order. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row(Arc<[(Arc<str>, Box<str>)]>);

/// Where something stands, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Line(u64),
    Row(u64),
}

/// Why a text is no list.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    #[error("the file is empty: expected a first line with the names of the columns")]
    Empty,
    #[error("line 1: there is no column `{column}`: the file has {}", columns.join(", "))]
    NoColumn {
        column: String,
        columns: Vec<String>,
    },
    #[error("line 1: there are two columns `{column}`")]
    Twice { column: String },
    #[error("line {line}: expected {expected} cells, found {found}")]
    Cells {
        line: u64,
        expected: u64,
        found: u64,
    },
    #[error("line {line}: not a readable line of CSV")]
    Unreadable { line: u64, source: csv::Error },
    #[error(
        "{place}: `{text}` in `{column}` is no date: expected {}",
        period::EXPECTED
    )]
    Date {
        place: Place,
        column: String,
        text: String,
    },
    #[error("{place}: more than {ROWS_MAX} rows, which are as many as a list may have")]
    TooMany { place: Place },
    #[error("{place}: more than {PERIODS_MAX} rows with one plate")]
    TooManyOfOne { place: Place },
    #[error("not text in UTF-8")]
    NotText,
    #[error("not readable as JSON")]
    NotJson { source: serde_json::Error },
    #[error("{}: expected an array of rows", at(pointer))]
    NoRows { pointer: String },
    #[error("{place}: expected an object, or a plate as text")]
    NoRow { place: Place },
    #[error("{place}: `{column}` is no text")]
    NoPlate { place: Place, column: String },
    #[error("no row has `{column}`: the first has {}", columns.join(", "))]
    NoField {
        column: String,
        columns: Vec<String>,
    },
    #[error("say in `key` which of the rows' fields is the plate: they have {}", columns.join(", "))]
    NoKey { columns: Vec<String> },
    #[error("{}: expected the address of the next page as text", at(pointer))]
    NoNext { pointer: String },
}

fn at(pointer: &str) -> &str {
    match pointer {
        "" => "the answer",
        pointer => pointer,
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// Only how many: plates are nobody's business.
impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows", self.len)
    }
}

impl Row {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(column, cell)| (&**column, &**cell))
    }

    #[cfg(test)]
    pub(crate) fn get(&self, column: &str) -> Option<&str> {
        self.iter()
            .find_map(|(name, cell)| (name == column).then_some(cell))
    }
}

impl Table {
    /// The row of a plate that counts at that moment; of several the last one.
    pub(crate) fn find(&self, plate: &str, when: Timestamp) -> Option<&Row> {
        let rows = self.rows.get(&normalise(plate))?;
        let counts = |entry: &&Entry| entry.period.holds(when);
        rows.iter().rev().find(counts).map(|entry| &entry.row)
    }

    /// All rows of a plate, with the times in which they count.
    pub(crate) fn all(&self, plate: &str) -> impl Iterator<Item = (&Row, Period)> {
        let rows = self.rows.get(&normalise(plate)).into_iter().flatten();
        rows.map(|entry| (&entry.row, entry.period))
    }

    /// The plates that are in it at that moment, in normal form and in order.
    pub(crate) fn keys(&self, when: Timestamp) -> Vec<&str> {
        let counts = |rows: &Vec<Entry>| rows.iter().any(|entry| entry.period.holds(when));
        let rows = self.rows.iter().filter(|(_, rows)| counts(rows));
        let mut keys: Vec<&str> = rows.map(|(key, _)| key.as_str()).collect();
        keys.sort_unstable();
        keys
    }

    /// Rows, whether their time is now or not.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Rows that begin or end some time.
    pub(crate) fn dated(&self) -> usize {
        self.dated
    }
}

/// Makes a table of the rows that one reads after the other.
pub(crate) struct Builder<'a> {
    pub(super) columns: &'a Columns,
    names: BTreeSet<Arc<str>>,
    table: Table,
}

/// The cells of one row that mean something.
#[derive(Default)]
pub(super) struct Meant<'a> {
    pub(super) key: &'a str,
    pub(super) from: &'a str,
    pub(super) until: &'a str,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(columns: &'a Columns) -> Self {
        Self {
            columns,
            names: BTreeSet::new(),
            table: Table::default(),
        }
    }

    /// Adds a row. One without a plate is left out; of two with one plate the later counts, unless each has its time.
    pub(super) fn add<'c>(
        &mut self,
        place: Place,
        meant: &Meant<'_>,
        cells: impl Iterator<Item = (&'c str, &'c str)>,
    ) -> Result<(), ListError> {
        let Columns {
            valid_from,
            valid_until,
            zone,
            ..
        } = self.columns;
        let read = |column: &Option<String>, text: &str, end: End| {
            let Some(column) = column else {
                return Ok(None);
            };
            period::read(text, end, zone).map_err(|()| ListError::Date {
                place,
                column: column.clone(),
                text: text.chars().take(SHOWN_MAX).collect(),
            })
        };
        let period = Period {
            from: read(valid_from, meant.from, End::From)?,
            until: read(valid_until, meant.until, End::Until)?,
        };
        let key = normalise(meant.key);
        if key.is_empty() {
            return Ok(());
        }
        let row = cells.map(|(column, cell)| (self.name(column), cell.into()));
        let row = Row(row.collect());
        let dated = period != Period::default();
        let rows = self.table.rows.entry(key).or_default();
        if valid_from.is_none() && valid_until.is_none() {
            self.table.len -= rows.len();
            rows.clear();
        }
        if rows.len() >= PERIODS_MAX {
            return Err(ListError::TooManyOfOne { place });
        }
        rows.push(Entry { period, row });
        self.table.len += 1;
        self.table.dated += usize::from(dated);
        match self.table.len > ROWS_MAX {
            true => Err(ListError::TooMany { place }),
            false => Ok(()),
        }
    }

    /// Rows share the names of their columns.
    fn name(&mut self, column: &str) -> Arc<str> {
        if let Some(name) = self.names.get(column) {
            return name.clone();
        }
        let name: Arc<str> = column.into();
        self.names.insert(name.clone());
        name
    }

    pub(crate) fn finish(self) -> Table {
        self.table
    }
}

/// Characters of a cell that a message repeats.
const SHOWN_MAX: usize = 60;
