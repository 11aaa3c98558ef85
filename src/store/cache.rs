//! Events that were accepted or read a short while ago, so that ten targets read one event once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::Kept;
use crate::event::EventId;

/// Bounded by the bytes of the requests that the events are slices of.
pub(super) struct Cache {
    bytes_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    kept: HashMap<EventId, (Kept, usize, u64)>,
    /// Uses in the order they happened; only an event's last one counts.
    uses: VecDeque<(EventId, u64)>,
    bytes: usize,
    next_use: u64,
}

/// What an event weighs beside its request's body.
const EVENT_BYTES: usize = 4 << 10;

impl Cache {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            inner: Mutex::default(),
        }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, id: EventId) -> Option<Kept> {
        let mut inner = self.inner();
        let now = inner.tick(id);
        match inner.kept.get_mut(&id) {
            Some((kept, _, used)) => {
                *used = now;
                Some(kept.clone())
            }
            None => {
                inner.uses.pop_back();
                None
            }
        }
    }

    /// Keeps an event of a request with `siblings` events in all.
    pub(super) fn put(&self, kept: Kept, siblings: usize) {
        let bytes = kept.event.original.body.len() / siblings.max(1) + EVENT_BYTES;
        if bytes > self.bytes_max / 4 {
            return;
        }
        let mut inner = self.inner();
        let id = kept.event.id;
        let now = inner.tick(id);
        inner.bytes += bytes;
        if let Some((_, old, _)) = inner.kept.insert(id, (kept, bytes, now)) {
            inner.bytes -= old;
        }
        while inner.bytes > self.bytes_max {
            let Some((id, at)) = inner.uses.pop_front() else {
                break;
            };
            if inner.kept.get(&id).is_some_and(|(_, _, used)| *used == at)
                && let Some((_, bytes, _)) = inner.kept.remove(&id)
            {
                inner.bytes -= bytes;
            }
        }
    }

    pub(super) fn remove(&self, id: EventId) {
        let mut inner = self.inner();
        if let Some((_, bytes, _)) = inner.kept.remove(&id) {
            inner.bytes -= bytes;
        }
    }

    pub(super) fn clear(&self) {
        *self.inner() = Inner::default();
    }
}

impl Inner {
    fn tick(&mut self, id: EventId) -> u64 {
        self.next_use += 1;
        let now = self.next_use;
        self.uses.push_back((id, now));
        // Many uses of few events: forget the uses that no longer count.
        if self.uses.len() > 64 + 4 * self.kept.len() {
            let kept = &self.kept;
            self.uses.retain(|(id, at)| {
                *at == now || kept.get(id).is_some_and(|(_, _, used)| used == at)
            });
        }
        now
    }
}
