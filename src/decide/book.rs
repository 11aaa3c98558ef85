//! What one step of one route remembers, by key.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::memory::Change;

/// Keys that one step remembers at most; beyond that the least recently seen are forgotten, and counted.
pub(super) const PAGES_MAX: usize = 50_000;
/// So many are forgotten at once, because finding the oldest means to look at all.
const FORGOTTEN_AT_ONCE: usize = PAGES_MAX / 64;

/// What one step remembers.
#[derive(Default)]
pub(crate) struct Book {
    pages: HashMap<Arc<str>, Page>,
    /// Since they were last taken.
    pub(super) writings: Vec<Writing>,
    /// Of the next writing.
    pub(super) version: i64,
    /// Pages that made room for others, since they were last counted.
    pub(super) crowded_out: u64,
    #[cfg(test)]
    pub(super) limit: Option<usize>,
}

struct Page {
    state: State,
    /// Forgotten from this moment on.
    until: Timestamp,
    seen: Timestamp,
    /// Of its last writing.
    version: i64,
}

enum State {
    /// As read from the store: nobody has asked for it since.
    Asleep(Box<str>),
    Awake(Box<dyn Remembered>),
}

/// Anything that can be written down.
trait Remembered: Any + Send {
    fn text(&self) -> Box<str>;
    fn as_any(&mut self) -> &mut dyn Any;
}

impl<S: Any + Send + Serialize> Remembered for S {
    fn text(&self) -> Box<str> {
        serde_json::to_string(self).unwrap_or_default().into()
    }
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

impl State {
    fn text(&self) -> Box<str> {
        match self {
            Self::Asleep(text) => text.clone(),
            Self::Awake(state) => state.text(),
        }
    }
}

/// What was written under a key, and what stood there before.
pub(super) struct Writing {
    pub(super) key: Arc<str>,
    /// `None`: forgotten.
    pub(super) state: Option<Box<str>>,
    pub(super) until: Timestamp,
    pub(super) version: i64,
    pub(super) before: Option<Before>,
}

/// What stood there before a writing.
pub(super) struct Before {
    text: Box<str>,
    until: Timestamp,
    version: i64,
}

/// A page that may be mended in place, which is not written down.
pub(crate) struct Found<'a, S> {
    pub(crate) state: &'a mut S,
    /// When it will be forgotten.
    pub(crate) until: &'a mut Timestamp,
}

impl Book {
    /// What is remembered under the key. A page that an older camhook wrote in another form is as good as none.
    pub(crate) fn find<S>(&mut self, key: &str, now: Timestamp) -> Option<Found<'_, S>>
    where
        S: Any + Send + Serialize + DeserializeOwned,
    {
        let page = self.pages.get_mut(key)?;
        if page.until <= now {
            return None;
        }
        page.seen = page.seen.max(now);
        page.open()
    }

    /// All pages of that form that are not forgotten yet, in no order.
    pub(crate) fn pages<S>(
        &mut self,
        now: Timestamp,
    ) -> impl Iterator<Item = (&Arc<str>, Found<'_, S>)>
    where
        S: Any + Send + Serialize + DeserializeOwned,
    {
        let kept = self
            .pages
            .iter_mut()
            .filter(move |(_, page)| page.until > now);
        kept.filter_map(|(key, page)| Some((key, page.open()?)))
    }

    /// Remembers it, on disk as well.
    pub(crate) fn write<S: Any + Send + Serialize>(
        &mut self,
        key: &str,
        state: S,
        until: Timestamp,
        now: Timestamp,
    ) {
        let (key, before) = match self.pages.get_key_value(key) {
            Some((key, page)) => (key.clone(), Some(page.before())),
            None => {
                if self.pages.len() >= self.limit() {
                    self.make_room();
                }
                (Arc::from(key), None)
            }
        };
        let version = self.next_version();
        self.writings.push(Writing {
            key: key.clone(),
            state: Some(state.text()),
            until,
            version,
            before,
        });
        let page = Page {
            state: State::Awake(Box::new(state)),
            until,
            seen: now,
            version,
        };
        self.pages.insert(key, page);
    }

    fn next_version(&mut self) -> i64 {
        self.version += 1;
        self.version - 1
    }

    fn limit(&self) -> usize {
        #[cfg(test)]
        if let Some(limit) = self.limit {
            return limit;
        }
        PAGES_MAX
    }

    /// Forgets the least recently seen.
    fn make_room(&mut self) {
        let count = FORGOTTEN_AT_ONCE.min(self.limit() / 8).max(1);
        let mut seen: Vec<(Timestamp, Arc<str>)> = self
            .pages
            .iter()
            .map(|(key, page)| (page.seen, key.clone()))
            .collect();
        if seen.len() > count {
            seen.select_nth_unstable(count);
            seen.truncate(count);
        }
        for (_, key) in seen {
            let gone = self.pages.remove(&key);
            self.crowded_out += 1;
            let version = self.next_version();
            self.writings.push(Writing {
                key,
                state: None,
                until: Timestamp::MIN,
                version,
                before: gone.map(|page| page.before()),
            });
        }
    }

    /// As it was before a writing that did not reach the disk. What was written upon it since knows of an event that is
    /// not kept, so all of the page is forgotten then: better a thing is told twice than not at all.
    pub(super) fn undo(&mut self, change: &Change, before: Option<Before>) {
        let stands = self.pages.get(&change.key).map(|page| page.version);
        let own = change.state.as_ref().map(|_| change.version);
        let before = before.filter(|_| stands == own);
        match before {
            None if own.is_some() => drop(self.pages.remove(&change.key)),
            None => {} // it was forgotten, and is known anew
            Some(before) => {
                let Before {
                    text,
                    until,
                    version,
                } = before;
                self.put_back(change.key.clone(), text, until, version);
            }
        }
    }

    /// As read from the store.
    pub(super) fn put_back(
        &mut self,
        key: Arc<str>,
        text: Box<str>,
        until: Timestamp,
        version: i64,
    ) {
        let page = Page {
            state: State::Asleep(text),
            until,
            seen: Timestamp::MIN,
            version,
        };
        self.pages.insert(key, page);
    }

    /// Lets go of what is forgotten; on disk it has the same end.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        self.pages.retain(|_, page| page.until > now);
    }

    pub(super) fn forget(&mut self, which: &impl Fn(&str) -> bool) {
        self.pages
            .retain(|key, page| !which(key) && !which(&page.state.text()));
    }

    pub(super) fn len(&self) -> usize {
        self.pages.len()
    }
}

impl Page {
    fn before(&self) -> Before {
        Before {
            text: self.state.text(),
            until: self.until,
            version: self.version,
        }
    }

    fn open<S>(&mut self) -> Option<Found<'_, S>>
    where
        S: Any + Send + Serialize + DeserializeOwned,
    {
        if let State::Asleep(text) = &self.state {
            let state: S = serde_json::from_str(text).ok()?;
            self.state = State::Awake(Box::new(state));
        }
        match &mut self.state {
            State::Asleep(_) => None,
            State::Awake(state) => Some(Found {
                state: (**state).as_any().downcast_mut()?,
                until: &mut self.until,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn read(book: &mut Book, key: &str, now: i64) -> Option<u32> {
        book.find::<u32>(key, at(now)).map(|found| *found.state)
    }

    #[test]
    fn a_page_is_forgotten_when_its_time_is_over() {
        let mut book = Book::default();
        book.write("a", 1_u32, at(10), at(0));
        assert_eq!(read(&mut book, "a", 9), Some(1));
        assert_eq!(read(&mut book, "a", 10), None);
        book.sweep(at(10));
        assert_eq!(book.len(), 0);
    }

    #[test]
    fn what_is_mended_in_place_is_not_written_down() {
        let mut book = Book::default();
        book.write("a", 1_u32, at(10), at(0));
        book.writings.clear();
        *book.find::<u32>("a", at(1)).unwrap().state = 2;
        assert!(book.writings.is_empty());
        assert_eq!(read(&mut book, "a", 1), Some(2));
    }

    #[test]
    fn a_page_wakes_up_in_the_form_it_was_written_in_or_not_at_all() {
        let mut book = Book::default();
        book.put_back("a".into(), "7".into(), at(10), 1);
        book.put_back("b".into(), "\"of another camhook\"".into(), at(10), 2);
        assert_eq!(read(&mut book, "a", 0), Some(7));
        assert_eq!(read(&mut book, "b", 0), None);
    }

    #[test]
    fn beyond_the_limit_the_least_recently_seen_go_and_are_counted() {
        let mut book = Book {
            limit: Some(16),
            ..Book::default()
        };
        for n in 0..16_u32 {
            book.write(&n.to_string(), n, at(100), at(i64::from(n)));
        }
        assert!(read(&mut book, "0", 50).is_some());
        book.write("new", 99_u32, at(100), at(51));
        assert_eq!(book.crowded_out, 2);
        assert!(read(&mut book, "0", 52).is_some(), "it was seen lately");
        assert_eq!(read(&mut book, "1", 52), None);
        assert_eq!(read(&mut book, "2", 52), None);
        let gone = book.writings.iter().filter(|write| write.state.is_none());
        assert_eq!(gone.count(), 2, "on disk too");
    }
}
