//! The writer thread: takes what is waiting, writes it as one group, syncs once, answers everybody.
//!
//! No timer holds a group back while syncs are quick; when they are slow, a short wait lets more requests share one.
//! Outcomes of deliveries are written but not waited for: they ride with the next group, or are synced soon after.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::cache::Cache;
use super::catalog::Position;
use super::disk::is_full;
use super::forgetting::Job;
use super::log::{Draft, Log};
use super::record::What;
use super::room::Room;
use super::scrub::Reply;
use super::{Kept, StoreError};
use crate::clock::Busy;

/// Held until the index knows of a change: a stepped clock stands still meanwhile, and the index's lag is bounded.
pub(super) struct Guard {
    pub(super) _busy: Busy,
    pub(super) _permit: Option<OwnedSemaphorePermit>,
}

/// Something to be written.
pub(super) struct Item {
    pub(super) draft: Draft,
    pub(super) what: What,
    /// Cached once they are safe, and before anybody can lease their deliveries.
    pub(super) to_deliver: Vec<Kept>,
    /// May use the room that is kept for outcomes.
    pub(super) urgent: bool,
    /// Told once the record is safe. Without it the record is written, but not waited for.
    pub(super) safe: Option<oneshot::Sender<Result<(), StoreError>>>,
    /// Told once the index has applied it, with how many rows it was about.
    pub(super) applied: Option<oneshot::Sender<u64>>,
    pub(super) guard: Guard,
}

/// Something written, on its way to the index.
pub(super) struct Change {
    /// 0 when the log had no room for it.
    pub(super) lsn: u64,
    pub(super) position: Position,
    pub(super) bytes: u64,
    /// Whether it is known to be safe, or merely written.
    pub(super) synced: bool,
    pub(super) what: What,
    pub(super) applied: Option<oneshot::Sender<u64>>,
    pub(super) _guard: Option<Guard>,
}

pub(super) enum Command {
    Append(Box<Item>),
    /// Looks whether there is room again.
    Probe,
    /// Ends the active segment, so that its events can age out.
    Roll,
    /// Answered once everything before it is written and applied.
    Barrier(oneshot::Sender<()>),
    Close,
}

/// What the index thread is told.
pub(super) enum Told {
    Changes(Vec<Change>),
    /// A new segment was begun; earlier ones may be removed.
    Rolled(u64),
    MakeRoom,
    Barrier(oneshot::Sender<()>),
    Retain(oneshot::Sender<Result<(), StoreError>>),
    /// Takes it out of everything.
    Forget(Box<Job>, Reply),
    /// The target keeps order from now on.
    Order(crate::name::Name, oneshot::Sender<()>),
    /// The clock was set by so much.
    ClockSet(jiff::SignedDuration, oneshot::Sender<()>),
    Close,
}

/// More only adds latency, not throughput.
const GROUP_EVENTS: usize = 256;
const GROUP_BYTES: u64 = 4 << 20;
const WINDOW_MAX: Duration = Duration::from_millis(1);
const SLOW_SYNC: Duration = Duration::from_micros(500);
/// How long outcomes may stay unsynced when no event comes after them.
const OUTCOMES_SYNCED_WITHIN: Duration = Duration::from_millis(100);

pub(super) struct Writer {
    pub(super) log: Log,
    pub(super) room: Arc<Room>,
    pub(super) cache: Arc<Cache>,
    pub(super) commands: Receiver<Command>,
    pub(super) index: Sender<Told>,
    pub(super) sync_time: Duration,
    pub(super) last_group: usize,
    /// Room in the active segment that only outcomes may use.
    pub(super) reserve: u64,
}

impl Writer {
    pub(super) fn run(mut self) {
        loop {
            let first = if self.log.is_synced() {
                self.commands
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                self.commands.recv_timeout(OUTCOMES_SYNCED_WITHIN)
            };
            let mut after = None;
            match first {
                Ok(Command::Append(item)) => {
                    let (group, other) = self.gather(*item);
                    after = other;
                    self.commit(group);
                }
                Ok(other) => after = Some(other),
                Err(RecvTimeoutError::Timeout) => self.sync_outcomes(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            match after {
                None | Some(Command::Append(_)) => {}
                Some(Command::Probe) => self.probe(),
                Some(Command::Roll) => {
                    if !self.log.is_empty() {
                        let wanted = self.whatever_the_limit(0);
                        if let Err(error) = self.roll(wanted) {
                            tracing::warn!(%error, "cannot begin a new segment");
                        }
                    }
                    // Also when that failed: somebody waits to be told.
                    self.tell(Told::Rolled(self.log.active_number().unwrap_or(u64::MAX)));
                }
                Some(Command::Barrier(reply)) => {
                    self.sync_outcomes();
                    self.tell(Told::Barrier(reply));
                }
                Some(Command::Close) => break,
            }
        }
        self.sync_outcomes();
        self.tell(Told::Close);
    }

    pub(super) fn tell(&self, told: Told) {
        // The index thread ends only after it was told to close, which is the last thing it is told.
        let _ = self.index.send(told);
    }

    /// What waits, up to a group's limits; and the first command that is no record.
    fn gather(&self, first: Item) -> (Vec<Item>, Option<Command>) {
        let mut bytes = first.draft.bytes();
        let mut group = vec![first];
        let window = if self.last_group > 1 && self.sync_time > SLOW_SYNC {
            WINDOW_MAX.min(self.sync_time / 4)
        } else {
            Duration::ZERO
        };
        let until = Instant::now() + window;
        while group.len() < GROUP_EVENTS && bytes < GROUP_BYTES {
            let left = until.saturating_duration_since(Instant::now());
            let next = match self.commands.try_recv() {
                Ok(next) => next,
                Err(_) if left.is_zero() => break,
                Err(_) => match self.commands.recv_timeout(left) {
                    Ok(next) => next,
                    Err(_) => break,
                },
            };
            match next {
                Command::Append(item) => {
                    bytes += item.draft.bytes();
                    group.push(*item);
                }
                other => return (group, Some(other)),
            }
        }
        (group, None)
    }

    fn commit(&mut self, group: Vec<Item>) {
        self.last_group = group.len();
        let mut fitting = Vec::with_capacity(group.len());
        let mut bytes = 0;
        for item in group {
            let reserve = self.reserve_for(&item);
            if !self.log.fits(bytes + item.draft.bytes(), reserve) {
                self.write(std::mem::take(&mut fitting), true);
                bytes = 0;
                if let Err(error) = self.make_fit(&item) {
                    self.refuse(item, error);
                    continue;
                }
            }
            bytes += item.draft.bytes();
            fitting.push(item);
        }
        self.write(fitting, true);
    }

    /// Writes records that fit, and syncs them if anybody waits for that.
    fn write(&mut self, items: Vec<Item>, once_more: bool) {
        if items.is_empty() {
            return;
        }
        let first = self.log.next_lsn();
        let written = self.log.write(items.iter().map(|item| &item.draft));
        let waited_for = items.iter().any(|item| item.safe.is_some());
        let synced = written.and_then(|positions| {
            if waited_for {
                let begun = Instant::now();
                self.log.sync()?;
                self.sync_time = (self.sync_time * 7 + begun.elapsed()) / 8;
            }
            Ok(positions)
        });
        match synced {
            Ok(positions) => {
                if items.iter().any(|item| !item.urgent && item.safe.is_some()) {
                    self.room.set_full(None);
                }
                let mut changes = Vec::with_capacity(items.len());
                let mut to_deliver = Vec::new();
                for (n, (item, position)) in items.into_iter().zip(positions).enumerate() {
                    if let Some(safe) = item.safe {
                        let _ = safe.send(Ok(()));
                        to_deliver.extend(item.to_deliver);
                    }
                    changes.push(Change {
                        lsn: first + n as u64,
                        position,
                        bytes: item.draft.bytes(),
                        synced: waited_for,
                        what: item.what,
                        applied: item.applied,
                        _guard: Some(item.guard),
                    });
                }
                if !to_deliver.is_empty() {
                    self.cache.put(to_deliver);
                }
                self.tell(Told::Changes(changes));
            }
            Err(error) => self.failed(items, first, &error, once_more),
        }
    }

    /// A write or a sync failed: nobody of the group is told that it is safe, and the segment is left for good.
    fn failed(&mut self, items: Vec<Item>, first: u64, error: &std::io::Error, once_more: bool) {
        tracing::error!(%error, "cannot write to the log; leaving this segment");
        self.log.abandon(first);
        let mut outcomes = Vec::new();
        for item in items {
            if item.safe.is_some() {
                let told = if is_full(error) {
                    self.full(error.to_string())
                } else {
                    StoreError::Failed(error.to_string())
                };
                self.refuse(item, told);
            } else if once_more && self.make_fit(&item).is_ok() {
                outcomes.push(item);
            } else {
                self.refuse(item, StoreError::Failed(error.to_string()));
            }
        }
        for outcome in outcomes {
            if self.make_fit(&outcome).is_ok() {
                self.write(vec![outcome], false);
            } else {
                self.refuse(outcome, StoreError::Failed(error.to_string()));
            }
        }
    }

    /// Says no; an outcome, which nobody waits for, is at least remembered in the index.
    fn refuse(&self, item: Item, error: StoreError) {
        if let Some(safe) = item.safe {
            let _ = safe.send(Err(error));
            return;
        }
        tracing::error!(%error, "an outcome is kept in the index only");
        let change = Change {
            lsn: 0,
            position: Position::default(),
            bytes: 0,
            synced: false,
            what: item.what,
            applied: item.applied,
            _guard: Some(item.guard),
        };
        self.tell(Told::Changes(vec![change]));
    }

    fn sync_outcomes(&mut self) {
        if let Err(error) = self.log.sync() {
            tracing::error!(%error, "cannot sync the log; leaving this segment");
            self.log.abandon(self.log.next_lsn());
        }
    }
}
