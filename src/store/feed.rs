//! What just happened, for those who watch.
//!
//! The index thread notes the place of each change in a ring, once its transaction is committed; listeners take from it when
//! they can. So nothing that is accepted ever waits for a listener, a slow one costs no memory, and whoever fell behind by
//! more than the ring holds is told how much was missed.
//!
//! A place is a record's number in the log, and which of the record's changes: it means the same after a restart. Who comes
//! back with a place that the ring no longer holds is told what the index knows to have changed since, if that is little
//! enough (see [`since`](super::since)).

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::event::EventId;
use crate::name::Name;

/// Changes that are remembered: about a megabyte, hours of an ordinary day, seconds of the worst.
const RING: usize = 1 << 15;
/// Listeners at once; each has a connection of its own.
pub(crate) const LISTENERS_MAX: usize = 32;

/// Where in the store's history something happened; later is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(super) lsn: u64,
    /// The how-manieth change of that record, from 1; 0 is before all of them.
    pub(super) n: u32,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Changed {
    /// An event was kept, or its pictures came.
    Event { number: i64, id: EventId },
    /// A delivery was planned, tried or settled: its number.
    Delivery(i64),
    /// A target was paused, held, or runs again.
    Target(Name),
}

pub(super) struct Feed {
    ring: Mutex<Ring>,
    /// How many changes there have been.
    total: watch::Sender<u64>,
    slots: Arc<Semaphore>,
}

struct Ring {
    entries: VecDeque<(Place, Changed)>,
    /// How many changes came before the first of them.
    begins: u64,
    /// All up to here is in the ring no longer.
    floor: Place,
    last: Place,
    most: usize,
}

/// Who watches. It takes what it can; dropped, it makes room for another.
pub(crate) struct Listener {
    feed: Arc<Feed>,
    total: watch::Receiver<u64>,
    /// Counts changes, as `begins` does.
    next: u64,
    last: Place,
    _slot: OwnedSemaphorePermit,
}

/// What a listener takes.
pub(crate) struct Taken {
    /// So many changes are lost to it.
    pub(crate) missed: u64,
    pub(crate) changes: Vec<(Place, Changed)>,
    /// Where the last of all this happened.
    pub(crate) upto: Place,
}

impl Feed {
    /// Of a store whose index is at that record.
    pub(super) fn new(lsn: u64) -> Self {
        Self::holding(RING, lsn)
    }

    fn holding(most: usize, lsn: u64) -> Self {
        let all = Place { lsn, n: u32::MAX };
        Self {
            ring: Mutex::new(Ring {
                entries: VecDeque::new(),
                begins: 0,
                floor: all,
                last: all,
                most,
            }),
            total: watch::Sender::new(0),
            slots: Arc::new(Semaphore::new(LISTENERS_MAX)),
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a transaction changed, each with its record.
    pub(super) fn tell(&self, changes: Vec<(u64, Changed)>) {
        if changes.is_empty() {
            return;
        }
        let total = {
            let mut ring = self.ring();
            for (lsn, changed) in changes {
                ring.push(lsn, changed);
            }
            ring.begins + ring.entries.len() as u64
        };
        self.total.send_replace(total);
    }

    /// Where the last change happened.
    pub(super) fn place(&self) -> Place {
        self.ring().last
    }

    /// From now on. None when too many listen.
    pub(super) fn listen(self: &Arc<Self>) -> Option<Listener> {
        let slot = self.slots.clone().try_acquire_owned().ok()?;
        let ring = self.ring();
        Some(Listener {
            feed: self.clone(),
            total: self.total.subscribe(),
            next: ring.begins + ring.entries.len() as u64,
            last: ring.last,
            _slot: slot,
        })
    }
}

impl Ring {
    fn push(&mut self, lsn: u64, changed: Changed) {
        // What is told late, of an earlier record, happens now to those who watch.
        let place = match lsn > self.last.lsn {
            true => Place { lsn, n: 1 },
            false => Place {
                lsn: self.last.lsn,
                n: self.last.n.saturating_add(1),
            },
        };
        if self.entries.len() == self.most
            && let Some((gone, _)) = self.entries.pop_front()
        {
            self.floor = gone;
            self.begins += 1;
        }
        self.entries.push_back((place, changed));
        self.last = place;
    }
}

impl Listener {
    /// Where it has heard everything up to.
    pub(crate) fn place(&self) -> Place {
        self.last
    }

    /// Goes back to a place, if the ring holds all that came after it; else tells up to which record the index must be asked,
    /// and goes on with what the ring holds. None when that place is still to come.
    pub(super) fn go_back(&mut self, to: Place) -> Option<Result<(), u64>> {
        let ring = self.feed.ring();
        if to.lsn > ring.last.lsn {
            return None;
        }
        let after = ring.entries.partition_point(|(place, _)| *place <= to);
        self.next = ring.begins + after as u64;
        if to >= ring.floor {
            self.last = to;
            return Some(Ok(()));
        }
        self.last = ring.floor;
        Some(Err(ring.floor.lsn))
    }

    /// Ends when there is something to take; at once if there is already.
    pub(crate) async fn changed(&mut self) {
        let next = self.next;
        if self.total.wait_for(|total| *total > next).await.is_err() {
            std::future::pending().await // the store is gone, and this with it
        }
    }

    /// Passes over all but the last so many; tells how many were passed over.
    pub(crate) fn skip_to_last(&mut self, most: usize) -> u64 {
        let ring = self.feed.ring();
        let end = ring.begins + ring.entries.len() as u64;
        let from = end.saturating_sub(most as u64).max(ring.begins);
        let skipped = from.saturating_sub(self.next);
        self.next = self.next.max(from);
        skipped
    }

    /// Takes what there is, so many at most.
    pub(crate) fn take(&mut self, most: usize) -> Taken {
        let ring = self.feed.ring();
        let mut missed = 0;
        if self.next < ring.begins {
            // In the middle of the ring there is time to catch up.
            let middle = ring.begins + (ring.entries.len() / 2) as u64;
            missed = middle - self.next;
            self.next = middle;
        }
        let from = usize::try_from(self.next - ring.begins).unwrap_or(usize::MAX);
        let changes: Vec<_> = ring.entries.iter().skip(from).take(most).cloned().collect();
        self.next += changes.len() as u64;
        if let Some((place, _)) = changes.last() {
            self.last = *place;
        }
        Taken {
            missed,
            changes,
            upto: self.last,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.n {
            u32::MAX => write!(f, "{}", self.lsn),
            n => write!(f, "{}.{n}", self.lsn),
        }
    }
}

impl FromStr for Place {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.split_once('.') {
            Some((lsn, n)) => Self {
                lsn: lsn.parse()?,
                n: n.parse()?,
            },
            None => Self {
                lsn: text.parse()?,
                n: u32::MAX,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(most: usize) -> Arc<Feed> {
        Arc::new(Feed::holding(most, 7))
    }

    fn place(lsn: u64, n: u32) -> Place {
        Place { lsn, n }
    }

    fn numbers(taken: &Taken) -> Vec<i64> {
        let numbers = taken.changes.iter().map(|(_, changed)| match changed {
            Changed::Delivery(number) => *number,
            _ => panic!("{changed:?}"),
        });
        numbers.collect()
    }

    #[test]
    fn listeners_hear_what_comes_after_they_began_each_at_its_own_pace() {
        let feed = feed(10);
        feed.tell(vec![(8, Changed::Delivery(1))]);
        let mut quick = feed.listen().unwrap();
        let mut slow = feed.listen().unwrap();
        assert_eq!(quick.place(), place(8, 1));
        assert!(quick.take(5).changes.is_empty());
        feed.tell(vec![(9, Changed::Delivery(2)), (9, Changed::Delivery(3))]);
        let taken = quick.take(1);
        assert_eq!((numbers(&taken), taken.upto), (vec![2], place(9, 1)));
        feed.tell(vec![(10, Changed::Delivery(4))]);
        assert_eq!(numbers(&quick.take(5)), [3, 4]);
        assert_eq!(numbers(&slow.take(5)), [2, 3, 4]);
    }

    #[test]
    fn who_is_too_slow_is_told_how_much_was_missed_and_goes_on() {
        let feed = feed(4);
        let mut slow = feed.listen().unwrap();
        for n in 1..=10 {
            feed.tell(vec![(7 + n as u64, Changed::Delivery(n))]);
        }
        let taken = slow.take(5);
        assert_eq!((taken.missed, numbers(&taken)), (8, vec![9, 10]));
        feed.tell(vec![(18, Changed::Delivery(11))]);
        let taken = slow.take(5);
        assert_eq!((taken.missed, numbers(&taken)), (0, vec![11]));
    }

    #[test]
    fn who_comes_back_goes_on_where_the_ring_still_knows_and_else_the_index_must() {
        let feed = feed(4);
        for n in 1..=6 {
            feed.tell(vec![(7 + (n as u64).div_ceil(2), Changed::Delivery(n))]);
        }
        let mut back = feed.listen().unwrap();
        assert_eq!(back.go_back(place(9, 1)), Some(Ok(())));
        assert_eq!(numbers(&back.take(9)), [4, 5, 6]);
        assert_eq!(back.go_back(place(8, 2)), Some(Ok(())), "the floor itself");
        assert_eq!(numbers(&back.take(9)), [3, 4, 5, 6]);
        assert_eq!(back.go_back(place(8, 1)), Some(Err(8)));
        assert_eq!(
            numbers(&back.take(9)),
            [3, 4, 5, 6],
            "and what the ring has"
        );
        assert_eq!(back.go_back(place(11, 1)), None, "it has not happened yet");
    }

    #[test]
    fn what_is_told_late_stands_behind_what_was_told() {
        let feed = feed(4);
        feed.tell(vec![(9, Changed::Delivery(1)), (8, Changed::Delivery(2))]);
        let mut back = feed.listen().unwrap();
        assert_eq!(back.go_back(place(9, 1)), Some(Ok(())));
        let taken = back.take(9);
        assert_eq!((numbers(&taken), taken.upto), (vec![2], place(9, 2)));
    }

    #[test]
    fn so_many_listen_and_no_more() {
        let feed = feed(4);
        let all: Vec<_> = (0..LISTENERS_MAX).map(|_| feed.listen().unwrap()).collect();
        assert!(feed.listen().is_none());
        drop(all);
        assert!(feed.listen().is_some());
    }

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for written in ["12", "12.3", "0.0"] {
            let place: Place = written.parse().unwrap();
            assert_eq!(place.to_string(), written);
        }
        for wrong in ["", "x", "1.", "-1", "1.2.3"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
