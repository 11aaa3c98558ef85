//! What all deciding steps remember: a book for each step of each route.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedMutexGuard;

use super::book::{Before, Book};
use crate::name::Name;
use crate::telemetry::{Metrics, RouteStep};

/// Written to a book, to be kept with the event that caused it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) route: Name,
    /// The step's word, and from the second of its kind in the route on, its number.
    pub(crate) step: Arc<str>,
    pub(crate) key: Arc<str>,
    /// JSON; `None` when it was forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<Box<str>>,
    pub(crate) until: Timestamp,
    /// Later writings have greater ones. Records may reach the log in another order than they were decided in.
    pub(crate) version: i64,
}

/// Changes on their way to the disk. Dropped without being kept they are undone: whoever sends the event again must find
/// that it was never seen.
#[derive(Default)]
#[must_use]
pub(crate) struct Written {
    pub(crate) changes: Vec<Change>,
    before: Vec<Option<Before>>,
    memory: Option<Memory>,
    turn: Option<Turn>,
}

/// Held from the decision until its record has its place in the log, by one at a time.
pub(crate) struct Turn {
    _held: OwnedMutexGuard<()>,
}

/// The memory of all deciding steps. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Memory {
    books: Arc<Mutex<Books>>,
    turn: Arc<tokio::sync::Mutex<()>>,
    metrics: Metrics,
}

#[derive(Default)]
struct Books {
    books: HashMap<Name, Vec<(Arc<str>, Book)>>,
    version: i64,
}

impl Memory {
    /// With what the store kept.
    pub(crate) fn load(kept: Vec<Change>, now: Timestamp, metrics: Metrics) -> Self {
        let mut books = Books::default();
        for change in kept {
            books.version = books.version.max(change.version);
            if let Some(text) = change.state
                && change.until > now
            {
                let book = books.of(&change.route, &change.step);
                book.put_back(change.key, text, change.until, change.version);
            }
        }
        Self {
            books: Arc::new(Mutex::new(books)),
            turn: Arc::default(),
            metrics,
        }
    }

    /// Remembers nothing, and is not kept: to see what steps would do.
    pub(crate) fn blank() -> Self {
        Self::load(Vec::new(), Timestamp::MIN, Metrics::new())
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until all that was decided before has its place in the log. What is decided next is kept in
    /// [`Written::in_turn`].
    pub(crate) async fn turn(&self) -> Turn {
        Turn {
            _held: self.turn.clone().lock_owned().await,
        }
    }

    /// Opens a step's book for one question; what is written to it meanwhile is added to `written`.
    pub(crate) fn open<R>(
        &self,
        route: &Name,
        step: &str,
        now: Timestamp,
        written: &mut Written,
        ask: impl FnOnce(&mut Book) -> R,
    ) -> R {
        let mut books = self.lock();
        let version = (books.version + 1).max(now.as_microsecond());
        let book = books.of(route, step);
        book.version = version;
        let answer = ask(book);
        let writings = std::mem::take(&mut book.writings);
        for writing in writings {
            books.version = writing.version;
            written.changes.push(Change {
                route: route.clone(),
                step: step.into(),
                key: writing.key,
                state: writing.state,
                until: writing.until,
                version: writing.version,
            });
            written.before.push(writing.before);
            written.memory.get_or_insert_with(|| self.clone());
        }
        answer
    }

    /// Lets go of every page whose key or content is one of those, for good: who asks is to see to what is on disk.
    pub(crate) fn forget(&self, which: impl Fn(&str) -> bool) {
        for books in self.lock().books.values_mut() {
            books.iter_mut().for_each(|(_, book)| book.forget(&which));
        }
    }

    /// Lets go of what is forgotten, and tells the metrics what made room for others. False when nothing is left.
    pub(crate) fn sweep(&self, now: Timestamp) -> bool {
        let mut remembers = false;
        for (route, books) in &mut self.lock().books {
            for (step, book) in books {
                book.sweep(now);
                remembers |= book.len() > 0;
                let crowded_out = std::mem::take(&mut book.crowded_out);
                if crowded_out > 0 {
                    tracing::warn!(%route, step = &**step, crowded_out, "a step remembers as much as it may: the least recently seen was forgotten");
                    let label = RouteStep {
                        route: route.clone(),
                        step: step.to_string(),
                    };
                    let forgotten = self.metrics.steps_forgotten.get_or_create(&label);
                    forgotten.inc_by(crowded_out);
                }
            }
        }
        remembers
    }
}

impl Books {
    fn of(&mut self, route: &Name, step: &str) -> &mut Book {
        let books = self.books.entry(route.clone()).or_default();
        let n = match books.iter().position(|(known, _)| **known == *step) {
            Some(n) => n,
            None => {
                books.push((step.into(), Book::default()));
                books.len() - 1
            }
        };
        &mut books[n].1
    }
}

impl Written {
    /// For decisions that others may follow from.
    pub(crate) fn in_turn(turn: Turn) -> Self {
        let mut written = Self::default();
        written.turn = Some(turn);
        written
    }

    /// Its record has its place in the log.
    pub(crate) fn placed(&mut self) {
        self.turn = None;
    }

    /// It is on disk.
    pub(crate) fn kept(mut self) {
        self.memory = None;
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let Some(memory) = self.memory.take() else {
            return;
        };
        let mut books = memory.lock();
        let pairs = self.changes.iter().zip(self.before.drain(..));
        for (change, before) in pairs.rev() {
            books.of(&change.route, &change.step).undo(change, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn later() -> Timestamp {
        NOW + SignedDuration::from_secs(60)
    }

    fn read(memory: &Memory, route: &str) -> Option<u32> {
        let mut written = Written::default();
        memory.open(&name(route), "track", NOW, &mut written, |book| {
            book.find::<u32>("a", NOW).map(|found| *found.state)
        })
    }

    fn write(memory: &Memory, route: &str, state: u32) -> Written {
        let mut written = Written::default();
        memory.open(&name(route), "track", NOW, &mut written, |book| {
            book.write("a", state, later(), NOW);
        });
        written
    }

    #[test]
    fn what_was_written_is_known_again_after_a_restart() {
        let memory = Memory::load(vec![], NOW, Metrics::new());
        let one = write(&memory, "one", 1);
        let two = write(&memory, "two", 2);
        let kept = [one.changes.clone(), two.changes.clone()].concat();
        assert!(kept[0].version < kept[1].version);
        let text = serde_json::to_string(&kept).unwrap();
        let again = serde_json::from_str(&text).unwrap();
        let memory = Memory::load(again, NOW, Metrics::new());
        assert_eq!(
            (read(&memory, "one"), read(&memory, "two")),
            (Some(1), Some(2))
        );
        assert!(write(&memory, "one", 3).changes[0].version > kept[1].version);
        let memory = Memory::load(kept, later(), Metrics::new());
        assert_eq!(read(&memory, "one"), None, "its time is over");
    }

    #[test]
    fn what_did_not_reach_the_disk_is_taken_back() {
        let memory = Memory::load(vec![], NOW, Metrics::new());
        let first = write(&memory, "one", 1);
        let second = write(&memory, "one", 2);
        drop(second);
        assert_eq!(read(&memory, "one"), Some(1));
        drop(first);
        assert_eq!(read(&memory, "one"), None);
    }

    #[test]
    fn what_follows_from_an_event_that_is_not_kept_is_forgotten_with_it() {
        for the_first_fails_first in [true, false] {
            let memory = Memory::load(vec![], NOW, Metrics::new());
            let first = write(&memory, "one", 1);
            let second = write(&memory, "one", 2);
            let (one, other) = match the_first_fails_first {
                true => (first, second),
                false => (second, first),
            };
            drop(one);
            drop(other);
            assert_eq!(read(&memory, "one"), None);
        }
        let memory = Memory::load(vec![], NOW, Metrics::new());
        let first = write(&memory, "one", 1);
        write(&memory, "one", 2).kept();
        drop(first);
        assert_eq!(read(&memory, "one"), None);
    }

    #[test]
    fn nothing_is_left_when_all_is_forgotten() {
        let memory = Memory::load(vec![], NOW, Metrics::new());
        write(&memory, "one", 1).kept();
        assert!(memory.sweep(NOW));
        assert!(!memory.sweep(later()));
    }
}
