//! The index thread: applies what was written, wakes who waits for it, checkpoints, removes what is old.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::cache::Cache;
use super::desk::Desks;
use super::feed::Feed;
use super::index::Index;
use super::record::What;
use super::room::Room;
use super::scrub::Scrub;
use super::shed::Looked;
use super::weighing::Scales;
use super::writer::{Change, Command, Told};
use super::{Pictures, StoreError, schema, seal};
use crate::clock::Clock;
use crate::telemetry::{Metrics, TargetFate, TargetOnly};

/// Records applied in one transaction.
const APPLIED_AT_ONCE: usize = 2_000;
/// After so many at once, the next batch is waited for a little: every transaction writes the same few pages again, so
/// under load fewer and larger ones cost much less. A single event is applied at once.
const BUSY_BATCH: usize = 16;
const BUSY_WINDOW: Duration = Duration::from_millis(10);
/// An active segment is ended when it holds something older than this part of `keep`, so that it can age out.
pub(super) const ROLLS_PER_KEEP: i32 = 8;

pub(super) struct Indexer {
    pub(super) index: Index,
    pub(super) room: Arc<Room>,
    pub(super) desks: Arc<Desks>,
    pub(super) cache: Arc<Cache>,
    pub(super) feed: Arc<Feed>,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) folder: PathBuf,
    pub(super) keep: Duration,
    pub(super) path: PathBuf,
    /// When pictures go before their events.
    pub(super) pictures: Option<Pictures>,
    /// Segments whose pictures were looked at.
    pub(super) looked_at: HashMap<u64, Looked>,
    /// Segments that are not worth removing.
    pub(super) scales: Scales,
    /// What is being forgotten.
    pub(super) scrub: Option<Scrub>,
    pub(super) told: Receiver<Told>,
    pub(super) writer: Sender<Command>,
    /// Segments below are complete.
    pub(super) active: u64,
    /// Set while the index cannot be written.
    pub(super) failing: Arc<AtomicBool>,
    pub(super) closing: Arc<AtomicBool>,
    /// Checkpoint beyond so many pages.
    pub(super) wal_pages: i64,
    /// The last batch was a large one.
    pub(super) busy: bool,
    pub(super) retaining: Vec<oneshot::Sender<Result<(), StoreError>>>,
}

impl Indexer {
    pub(super) fn run(mut self) {
        while let Some(mut told) = self.next() {
            if let Told::Changes(mut batch) = told {
                let after = self.gather(&mut batch);
                self.busy = batch.len() > BUSY_BATCH;
                if !parts(batch).into_iter().all(|part| self.apply(part)) {
                    self.give_up(after);
                    break;
                }
                match after {
                    Some(next) => told = next,
                    None => continue,
                }
            }
            match told {
                Told::Changes(_) => {}
                Told::Rolled(number) => {
                    self.active = number;
                    self.scrub_from(number);
                    self.make_room();
                    for reply in std::mem::take(&mut self.retaining) {
                        let _ = reply.send(self.retain());
                    }
                }
                Told::MakeRoom => {
                    self.room.looks_for_room();
                    self.make_room();
                }
                Told::Barrier(reply) => {
                    let _ = reply.send(());
                }
                Told::Retain(reply) => self.begin_retaining(reply),
                Told::Forget(job, reply) => self.begin_forgetting(*job, reply),
                Told::Order(target, reply) => {
                    if !self.index.ordered.contains(&target)
                        && let Err(error) = self.index.keep_order(&target)
                    {
                        tracing::error!(%error, "cannot note that a target keeps order");
                        let _ = self.index.rollback();
                        continue; // the one who waits sees that nobody answers
                    }
                    let _ = reply.send(());
                }
                Told::ClockSet(by, reply) => {
                    self.clock_was_set(by);
                    let _ = reply.send(());
                }
                Told::Close => break,
            }
        }
        let _ = self
            .index
            .db
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }

    /// What it is told next; while nothing is said, what is forgotten is taken out of another segment.
    fn next(&mut self) -> Option<Told> {
        loop {
            if !self.scrub.as_ref().is_some_and(Scrub::is_at_work) {
                return self.told.recv().ok();
            }
            match self.told.try_recv() {
                Ok(told) => return Some(told),
                Err(TryRecvError::Empty) => self.scrub_some(),
                Err(TryRecvError::Disconnected) => return None,
            }
        }
    }

    /// Applies nothing more: behind a gap, progress would hide it. What is left out is applied when the store is opened.
    fn give_up(&self, after: Option<Told>) {
        let mut next = after.or_else(|| self.told.recv().ok());
        while !matches!(next, None | Some(Told::Close)) {
            next = self.told.recv().ok();
        }
    }

    /// What else waits, up to a transaction's limit; and the first thing that is no change.
    fn gather(&self, batch: &mut Vec<Change>) -> Option<Told> {
        let until = Instant::now()
            + if self.busy {
                BUSY_WINDOW
            } else {
                Duration::ZERO
            };
        while batch.len() < APPLIED_AT_ONCE {
            let left = until.saturating_duration_since(Instant::now());
            let next = match self.told.try_recv() {
                Ok(next) => next,
                Err(_) if left.is_zero() => return None,
                Err(_) => self.told.recv_timeout(left).ok()?,
            };
            match next {
                Told::Changes(more) => batch.extend(more),
                other => return Some(other),
            }
        }
        None
    }

    /// Applies a batch in one transaction, however long that takes: the log has it, so it cannot be lost, only late.
    /// False only when the store is being closed and the index cannot be written.
    fn apply(&mut self, batch: Vec<Change>) -> bool {
        let mut counts = vec![0; batch.len()];
        let mut cursor = 0;
        let mut failed = false;
        if let [change] = &batch[..]
            && let What::Purge(purge) = &change.what
            && purge.named
        {
            match self.carry_out(purge) {
                Ok(removed) => counts[0] = removed,
                Err(error) => {
                    tracing::error!(%error, "cannot purge all that was asked for");
                    failed = true; // the one who asked sees that nobody answers
                }
            }
        }
        loop {
            match self.try_apply(&batch, &mut cursor, &mut counts) {
                Ok(done) => {
                    if self.failing.swap(false, Ordering::SeqCst) {
                        tracing::info!("the index can be written again");
                    }
                    self.tell_news();
                    self.checkpoint();
                    if done {
                        break;
                    }
                }
                Err(error) => {
                    if !self.failing.swap(true, Ordering::SeqCst) {
                        tracing::error!(%error, "cannot write the index; nothing is accepted meanwhile");
                    }
                    if schema::is_damaged(&error) {
                        seal::mark_damaged(&self.path);
                    }
                    let undone = self.index.rollback();
                    self.room.drop_ballast();
                    self.room.catalog.drop_spares();
                    if self.closing.load(Ordering::SeqCst) {
                        return false;
                    }
                    if let Err(error) = undone {
                        tracing::error!(%error, "cannot read the index");
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
        for (change, count) in batch.into_iter().zip(counts) {
            if let Some(applied) = change.applied.filter(|_| !failed) {
                let _ = applied.send(count);
            }
        }
        true
    }

    /// One transaction. True when all of the batch is applied; else its only change goes on at `cursor`.
    fn try_apply(
        &mut self,
        batch: &[Change],
        cursor: &mut i64,
        counts: &mut [u64],
    ) -> rusqlite::Result<bool> {
        #[cfg(test)]
        self.limit_index()?;
        self.index.begin()?;
        let (mut next, mut done) = (*cursor, true);
        let mut added = Vec::with_capacity(batch.len());
        for change in batch {
            let (count, whole) = self.index.apply_some(change, &mut next)?;
            added.push(count);
            done &= whole;
        }
        self.index.commit()?;
        *cursor = next;
        for (count, added) in counts.iter_mut().zip(added) {
            *count += added;
        }
        Ok(done)
    }

    /// Lets tests fill the disk under SQLite.
    #[cfg(test)]
    fn limit_index(&self) -> rusqlite::Result<()> {
        let full = self.room.index_full.load(Ordering::SeqCst);
        let pages = if full { 1 } else { u32::MAX - 1 }; // never less than there are
        self.index
            .db
            .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
    }

    pub(super) fn tell_news(&mut self) {
        let news = std::mem::take(&mut self.index.news);
        if news.removed {
            self.cache.clear();
        }
        for (target, delivery) in news.settled {
            self.desks.of(&target).applied(delivery);
        }
        for (target, fate) in news.fates {
            let label = TargetFate {
                target,
                fate: fate.as_str(),
            };
            self.metrics.deliveries_total.get_or_create(&label).inc();
        }
        for target in news.discarded {
            let label = TargetOnly { target };
            self.metrics.discarded.get_or_create(&label).inc();
        }
        for (target, state) in news.states {
            self.desks.of(&target).set_state(state);
        }
        for (target, fate, count) in self.index.books.tallies() {
            let label = TargetFate {
                target: target.clone(),
                fate,
            };
            self.metrics.deliveries.get_or_create(&label).set(count);
        }
        self.feed.tell(news.changed);
        self.desks.pictures.wake_if(news.pictures);
        for target in news.wake {
            self.desks.of(&target).wake();
        }
    }

    fn checkpoint(&mut self) {
        let ask = |mode: &str| {
            self.index
                .db
                .query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
                    Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?)
                })
        };
        match ask("NOOP") {
            Ok(waiting) if waiting > self.wal_pages => {
                if let Err(error) = ask("PASSIVE") {
                    tracing::warn!(%error, "cannot checkpoint the index");
                }
                self.room.measure();
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "cannot look at the index's log"),
        }
    }
}

/// Cuts a batch so that what may take several transactions stands alone.
fn parts(batch: Vec<Change>) -> Vec<Vec<Change>> {
    let mut parts = vec![Vec::with_capacity(batch.len())];
    let mut alone = false;
    for change in batch {
        let is_large = matches!(change.what, What::Retry(_) | What::Purge(_));
        if (is_large || alone) && parts.last().is_some_and(|part| !part.is_empty()) {
            parts.push(Vec::new());
        }
        alone = is_large;
        if let Some(part) = parts.last_mut() {
            part.push(change);
        }
    }
    parts
}
