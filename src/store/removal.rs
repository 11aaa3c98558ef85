//! What the index thread removes: what is old, and what is too much.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;

use super::StoreError;
use super::books::SegmentBook;
use super::index::moment;
use super::indexer::{Indexer, ROLLS_PER_KEEP};
use super::record::{Carry, What};
use super::redact::Rule;
use super::weighing::Worth;
use super::writer::{Command, Guard, Item};

impl Indexer {
    pub(super) fn kept_since(&self) -> Timestamp {
        let keep = SignedDuration::try_from(self.keep).unwrap_or(SignedDuration::MAX);
        self.clock
            .now()
            .saturating_sub(keep)
            .unwrap_or(Timestamp::MIN)
    }

    pub(super) fn begin_retaining(&mut self, reply: oneshot::Sender<Result<(), StoreError>>) {
        let now = self.clock.now();
        let keep = self
            .pictures
            .map_or(self.keep, |pictures| pictures.keep.min(self.keep));
        let part = SignedDuration::try_from(keep).unwrap_or(SignedDuration::MAX) / ROLLS_PER_KEEP;
        let books = self.index.books.segments();
        let aging = books.last().is_some_and(|book| {
            book.segment == self.active && now.duration_since(moment(book.oldest)) > part
        });
        if aging && self.writer.send(Command::Roll).is_ok() {
            self.retaining.push(reply); // goes on once the writer has begun another segment
        } else {
            let _ = reply.send(self.retain());
        }
    }

    pub(super) fn retain(&mut self) -> Result<(), StoreError> {
        let told = |error| StoreError::Failed(format!("the index: {error}"));
        let since = self.kept_since();
        for book in self.scales.in_turn(self.index.books.segments()) {
            if self.is_worn_out(&book, since).map_err(told)? {
                self.remove(&book)?;
            }
        }
        self.index.drop_notes(self.clock.now()).map_err(told)?;
        self.index.drop_cameras(self.clock.now()).map_err(told)?;
        self.go_on_forgetting();
        self.shed_some();
        self.make_room();
        self.room.restore_ballast();
        self.room.measure();
        let _ = self.writer.send(Command::Probe);
        Ok(())
    }

    /// Removes the oldest settled segments until the next one fits on the disk and under `max_size`.
    pub(super) fn make_room(&mut self) {
        let unused = self.index.unused().unwrap_or(0);
        self.room.index_unused.store(unused, Ordering::Relaxed);
        self.room.measure();
        let next = self.room.catalog.segment_bytes;
        let mut fails = false;
        loop {
            let recycled = self.room.catalog.has_spare();
            let short = self.room.full().is_some() && !recycled && !self.room.disk_allows(next);
            if !short && self.room.allows(if recycled { 0 } else { next }) {
                break;
            }
            if self.shed_one(Rule::Size) {
                continue;
            }
            let Some(Worth { book, debt }) = self.worth_removing() else {
                if !self.room.allows(0) {
                    self.room.catalog.drop_spares();
                }
                break;
            };
            if let Err(error) = self.remove(&book) {
                // One with less to say may go all the same.
                self.scales.is_stuck(book.segment, self.clock.now());
                if !fails {
                    tracing::error!(%error, "cannot remove an old segment");
                }
                fails = true;
                continue;
            }
            let is_on_credit = debt > self.scales.debt(self.clock.now());
            self.scales.went(debt, self.clock.now());
            if is_on_credit {
                // What it said again is to be applied first: the next one would say that once more.
                let _ = self.writer.send(Command::Probe);
                break;
            }
        }
        self.room.measure();
    }

    /// Removes one settled segment and its events' rows.
    pub(super) fn remove(&mut self, book: &SegmentBook) -> Result<(), StoreError> {
        let failed = |error: rusqlite::Error| StoreError::Failed(format!("the index: {error}"));
        let said = |carry| match self.say_again(carry) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        };
        let told = self.index.carried_from(book, self.clock.now(), said);
        if let ControlFlow::Break(error) = told.map_err(failed)? {
            return Err(error);
        }
        // The file goes first: rows without a file are removed when the store is opened, the reverse would come back.
        self.room
            .catalog
            .retire(book.segment)
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        self.remove_rows(book).map_err(failed)
    }

    pub(super) fn remove_rows(&mut self, book: &SegmentBook) -> rusqlite::Result<()> {
        loop {
            match self.index.remove_some(book) {
                Ok(done) => {
                    self.tell_news();
                    if done {
                        return Ok(());
                    }
                }
                Err(error) => {
                    self.index.rollback()?;
                    return Err(error);
                }
            }
        }
    }

    pub(super) fn say_again(&self, carry: Carry) -> Result<(), StoreError> {
        self.say_now(What::Carry(Box::new(carry)))
    }

    /// Writes a record and waits until it is safe.
    pub(super) fn say_now(&self, what: What) -> Result<(), StoreError> {
        let draft = what
            .draft()
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        let (safe, told) = oneshot::channel();
        let item = Item {
            draft,
            what,
            to_deliver: Vec::new(),
            urgent: true,
            safe: Some(safe),
            applied: None,
            guard: Guard {
                _busy: self.clock.busy(),
                _permit: None,
            },
        };
        let gone = || StoreError::Failed("the writer has stopped".to_owned());
        self.writer
            .send(Command::Append(Box::new(item)))
            .map_err(|_| gone())?;
        told.blocking_recv().map_err(|_| gone())?
    }
}
