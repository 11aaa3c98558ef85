//! What steps made of an event, made once and shared by all targets (and attempts) that come for it soon enough.
//!
//! Whoever works with a result keeps it alive for the others; beyond that the latest few are kept, up to [`KEPT_MAX`]
//! bytes. A result belongs to the routes of one config, so a reload begins with an empty memo.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::OnceCell;

use crate::event::{EventId, Item};
use crate::name::Name;

/// Bytes of results that nobody is working with.
const KEPT_MAX: usize = 16 << 20;

/// Forgotten results are swept out when there are so many entries.
const SWEEP_AT: usize = 256;

/// The event, the route whose steps are taken, and the item it is about.
pub(super) type Key = (EventId, Name, Option<Item>);

/// Results by what they were made of.
pub(super) struct Memo<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    known: HashMap<Key, Weak<OnceCell<T>>>,
    recent: VecDeque<(Arc<OnceCell<T>>, usize)>,
    bytes: usize,
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                known: HashMap::new(),
                recent: VecDeque::new(),
                bytes: 0,
            }),
        }
    }
}

impl<T> Memo<T> {
    /// The result for `key`, made by `make` unless somebody has made it or is making it; `weigh` tells how many bytes it
    /// keeps in memory. The cell that is returned is full.
    pub(super) async fn get<F: Future<Output = T>>(
        &self,
        key: Key,
        make: impl FnOnce() -> F,
        weigh: impl FnOnce(&T) -> usize,
    ) -> Arc<OnceCell<T>> {
        let cell = self.lock().cell(key);
        let mut made = false;
        let result = cell
            .get_or_init(|| {
                made = true;
                make()
            })
            .await;
        if made {
            self.lock().keep(cell.clone(), weigh(result));
        }
        cell
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn cell(&mut self, key: Key) -> Arc<OnceCell<T>> {
        if let Some(cell) = self.known.get(&key).and_then(Weak::upgrade) {
            return cell;
        }
        if self.known.len() >= SWEEP_AT {
            self.known.retain(|_, cell| cell.strong_count() > 0);
        }
        let cell = Arc::new(OnceCell::new());
        self.known.insert(key, Arc::downgrade(&cell));
        cell
    }

    fn keep(&mut self, cell: Arc<OnceCell<T>>, bytes: usize) {
        if bytes > KEPT_MAX {
            return;
        }
        self.recent.push_back((cell, bytes));
        self.bytes += bytes;
        while self.bytes > KEPT_MAX || self.recent.len() > SWEEP_AT {
            match self.recent.pop_front() {
                Some((_, bytes)) => self.bytes -= bytes,
                None => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Notify;

    fn key(item: usize) -> Key {
        let event = EventId::from_bytes([1; 16]);
        (event, Name::new("r").unwrap(), Some(Item::Plate(item)))
    }

    #[tokio::test]
    async fn two_who_come_together_share_one_making() {
        let memo = Memo::default();
        let (made, go) = (AtomicUsize::new(0), Notify::new());
        let make = || async {
            go.notified().await;
            made.fetch_add(1, Ordering::SeqCst)
        };
        let (one, other, ()) = tokio::join!(
            memo.get(key(0), make, |_| 1),
            memo.get(key(0), make, |_| 1),
            async { go.notify_one() },
        );
        assert_eq!((one.get(), other.get()), (Some(&0), Some(&0)));
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn another_item_event_or_route_is_made_by_itself() {
        let memo = Memo::default();
        memo.get(key(0), || async { 0 }, |_| 1).await;
        assert_eq!(
            memo.get(key(1), || async { 1 }, |_| 1).await.get(),
            Some(&1)
        );
        let other = (EventId::at(Timestamp::UNIX_EPOCH), key(0).1, key(0).2);
        assert_eq!(memo.get(other, || async { 2 }, |_| 1).await.get(), Some(&2));
        assert_eq!(
            memo.get(key(0), || async { 3 }, |_| 1).await.get(),
            Some(&0)
        );
    }

    #[tokio::test]
    async fn keeps_no_more_bytes_than_it_may() {
        let memo = Memo::default();
        for n in 0..100 {
            memo.get(key(n), || async { n }, |_| 1 << 20).await;
        }
        assert_eq!(memo.lock().recent.len(), 16);
        assert_eq!(memo.lock().bytes, KEPT_MAX);
        assert_eq!(
            memo.get(key(0), || async { 7 }, |_| usize::MAX).await.get(),
            Some(&7)
        );
        assert_eq!(
            memo.get(key(0), || async { 8 }, |_| 1).await.get(),
            Some(&8)
        );
    }

    #[tokio::test]
    async fn a_maker_that_goes_away_leaves_the_work_to_the_next() {
        let memo = Memo::default();
        let never = memo.get(key(0), std::future::pending::<u32>, |_| 1);
        let mut never = Box::pin(never);
        assert!(super::super::poll_now(never.as_mut()).await.is_none());
        drop(never);
        assert_eq!(
            memo.get(key(0), || async { 1 }, |_| 1).await.get(),
            Some(&1)
        );
    }
}
