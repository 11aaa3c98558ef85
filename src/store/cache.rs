//! Events that were accepted or read a short while ago, so that ten targets read one event once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Kept;
use crate::event::EventId;

/// Bounded by the bytes of the requests that the events are slices of. The oldest go first: events are delivered soon
/// after they come, or much later.
pub(super) struct Cache {
    bytes_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    kept: HashMap<EventId, (Kept, usize)>,
    /// As they came; some may be gone since.
    order: VecDeque<EventId>,
    bytes: usize,
}

/// What an event weighs beside its request's body.
pub(super) const EVENT_BYTES: usize = 4 << 10;

impl Cache {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            inner: Mutex::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, id: EventId) -> Option<Kept> {
        self.inner().kept.get(&id).map(|(kept, _)| kept.clone())
    }

    pub(super) fn has(&self, id: EventId) -> bool {
        self.inner().kept.contains_key(&id)
    }

    /// Keeps events, each as if it alone held its request in memory.
    pub(super) fn put(&self, events: impl IntoIterator<Item = Kept>) {
        let mut inner = self.inner();
        for kept in events {
            let bytes = kept.event.bytes() + EVENT_BYTES;
            if bytes > self.bytes_max / 4 {
                continue;
            }
            let id = kept.event.id;
            inner.bytes += bytes;
            match inner.kept.insert(id, (kept, bytes)) {
                Some((_, old)) => inner.bytes -= old,
                None => inner.order.push_back(id),
            }
        }
        while inner.bytes > self.bytes_max {
            let Some(id) = inner.order.pop_front() else {
                break;
            };
            inner.forget(id);
        }
    }

    pub(super) fn remove(&self, id: EventId) {
        let mut inner = self.inner();
        inner.forget(id);
        inner.order.retain(|other| *other != id);
    }

    pub(super) fn clear(&self) {
        *self.inner() = Inner::default();
    }
}

impl Inner {
    fn forget(&mut self, id: EventId) {
        if let Some((_, bytes)) = self.kept.remove(&id) {
            self.bytes -= bytes;
        }
    }
}
