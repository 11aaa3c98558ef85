//! Carries out what a purge asks for: names what goes, in the log, and removes it.
//!
//! Whether an event is settled depends on all that was said of it, and a part of that may be gone from the log when the
//! index is rebuilt. So the decision is made once, by the index as it is when the purge comes; what was decided is a record
//! of its own ([`Carry::gone`]), written before anything is removed. A crash in between removes nothing more.

use rusqlite::params;

use super::StoreError;
use super::index::{Index, micros};
use super::indexer::Indexer;
use super::record::{Carry, Purge};

type Result<T> = rusqlite::Result<T>;

/// Removed in one transaction, and named in one record.
const PURGED_AT_ONCE: usize = 1_000;

/// How far a purge has looked.
#[derive(Default)]
struct Looked {
    /// Events below this number.
    events: i64,
    quarantined: i64,
}

impl Indexer {
    /// Returns how many events were removed.
    pub(super) fn carry_out(&mut self, purge: &Purge) -> std::result::Result<u64, StoreError> {
        let told = |error: rusqlite::Error| StoreError::Failed(format!("the index: {error}"));
        let before = micros(purge.before);
        let mut looked = Looked::default();
        let mut removed = 0;
        loop {
            let found = self.index.purgeable(before, &mut looked).map_err(told)?;
            let Some((gone, events)) = found else {
                return Ok(removed);
            };
            if gone.is_empty() {
                continue;
            }
            let carry = Carry {
                at: purge.at,
                as_of: self.index.progress.lsn,
                gone: gone.clone(),
                ..Carry::default()
            };
            self.say_again(carry)?;
            if let Err(error) = self.index.remove_named(&gone) {
                self.index.rollback().map_err(told)?;
                return Err(told(error)); // the record has it: it goes when that is applied
            }
            self.tell_news();
            removed += events;
        }
    }
}

impl Index {
    /// The next settled events and quarantined requests that were received before, and how many of them are events. None when
    /// there are no more.
    fn purgeable(&self, before: i64, looked: &mut Looked) -> Result<Option<(Vec<i64>, u64)>> {
        let most = PURGED_AT_ONCE as i64;
        for book in self.books.segments() {
            let (first, last) = book.numbers();
            if book.oldest >= before || last < looked.events {
                continue;
            }
            let mut numbers: Vec<i64> = self
                .db
                .prepare_cached(
                    "SELECT number FROM events WHERE number BETWEEN ?1 AND ?2 AND received_at < ?3 ORDER BY number LIMIT ?4",
                )?
                .query_map(params![first.max(looked.events), last, before, most], |row| {
                    row.get(0)
                })?
                .collect::<Result<_>>()?;
            if let Some(last) = numbers.last() {
                looked.events = last + 1;
                let mut needed = Vec::new();
                for number in &numbers {
                    if self.is_needed(*number)? {
                        needed.push(*number);
                    }
                }
                numbers.retain(|number| needed.binary_search(number).is_err());
                let events = numbers.len() as u64;
                return Ok(Some((numbers, events)));
            }
        }
        let numbers: Vec<i64> = self
            .db
            .prepare_cached(
                "SELECT number FROM quarantine WHERE number >= ?1 AND received_at < ?2 ORDER BY number LIMIT ?3",
            )?
            .query_map(params![looked.quarantined, before, most], |row| row.get(0))?
            .collect::<Result<_>>()?;
        Ok(numbers.last().copied().map(|last| {
            looked.quarantined = last + 1;
            (numbers, 0)
        }))
    }

    /// Removes events and quarantined requests whose segments stay, in a transaction of its own.
    pub(super) fn remove_named(&mut self, numbers: &[i64]) -> Result<()> {
        self.begin()?;
        for number in numbers {
            self.remove_event(*number)?;
            self.remove_quarantined(*number)?;
            self.remember_gone(*number, self.progress.lsn)?;
        }
        self.commit()
    }
}
