//! Lists that conditions and templates look plates up in.
//!
//! A list may be a file, which is read with the config, or come from a server, which may be away. Those who look plates up
//! hold a [`List`] and see whatever copy is in memory; those who fetch put a new copy into the same list. Until there is a
//! first copy a list is *not here*: that is an error and not an empty list, for `not plate.text in lists.residents` must not
//! open a gate because a server is down. A condition that meets the error is no.
//!
//! Whether a row counts is asked for a moment: that of the event (its `occurred_at`), so that a delivery which is made days
//! later, or once more, comes to the same; without an event that of the question.

mod csv;
mod json;
mod period;
mod settings;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;

pub(crate) use csv::read as read_csv;
pub(crate) use json::{Only, Shape, next as next_page, read as read_json};
pub(crate) use settings::{Settings, zone};
pub(crate) use table::{Columns, ListError, Row, Table};

/// All lists of the config by name. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lists(pub(crate) Arc<BTreeMap<String, List>>);

/// One table: rows found by their key column without regard to case or to separators. Cheap to clone; clones see the same
/// copy, also one that is put in later.
#[derive(Debug, Clone)]
pub(crate) struct List(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    kind: &'static str,
    state: ArcSwap<State>,
}

/// What is known of a list at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    /// The last good copy.
    pub(crate) table: Option<Arc<Table>>,
    /// When that was read, or found to be what the server still has.
    pub(crate) read_at: Option<Timestamp>,
    /// Why there is no newer one, since it was last tried.
    pub(crate) failure: Option<Failure>,
}

#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) at: Timestamp,
    pub(crate) why: String,
}

/// What [`List::kind`] is of a list that is read with the config.
pub(crate) const FILE: &str = "csv";

/// There is no copy of a list yet, so nothing can be said of any plate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this list was not fetched yet")]
pub(crate) struct NotHere;

impl Lists {
    pub(crate) fn new(lists: impl IntoIterator<Item = (String, List)>) -> Self {
        Self(Arc::new(lists.into_iter().collect()))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&List> {
        self.0.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &List)> {
        self.0.iter().map(|(name, list)| (name.as_str(), list))
    }

    /// Whether a list was not fetched yet: what could not be evaluated for want of it may be evaluated later.
    pub(crate) fn any_not_here(&self) -> bool {
        self.0.values().any(|list| !list.is_here())
    }
}

impl List {
    /// One whose copy is yet to come. `kind` is the setting's key, such as `http`.
    pub(crate) fn awaited(kind: &'static str) -> Self {
        Self(Arc::new(Shared {
            kind,
            state: ArcSwap::default(),
        }))
    }

    pub(crate) fn of(kind: &'static str, table: Table, read_at: Timestamp) -> Self {
        let list = Self::awaited(kind);
        list.put(table, read_at);
        list
    }

    #[cfg(test)]
    pub(crate) fn from_csv(text: &str, key: &str) -> Result<Self, ListError> {
        let settings = Settings {
            key: Some(key.to_owned()),
            ..Settings::default()
        };
        let table = read_csv(text, &settings.columns())?;
        Ok(Self::of(FILE, table, Timestamp::UNIX_EPOCH))
    }

    pub(crate) fn kind(&self) -> &'static str {
        self.0.kind
    }

    /// Else it is read with the config.
    pub(crate) fn comes_from_a_server(&self) -> bool {
        self.0.kind != FILE
    }

    pub(crate) fn state(&self) -> Arc<State> {
        self.0.state.load_full()
    }

    pub(crate) fn is_here(&self) -> bool {
        self.0.state.load().table.is_some()
    }

    /// Whether the plate is in it at that moment.
    pub(crate) fn contains_at(&self, plate: &str, when: Timestamp) -> Result<bool, NotHere> {
        self.find(plate, when).map(|row| row.is_some())
    }

    /// The plate's row at that moment.
    pub(crate) fn find(&self, plate: &str, when: Timestamp) -> Result<Option<Row>, NotHere> {
        let state = self.0.state.load();
        let table = state.table.as_ref().ok_or(NotHere)?;
        Ok(table.find(plate, when).cloned())
    }

    pub(crate) fn put(&self, table: Table, read_at: Timestamp) {
        self.0.state.store(Arc::new(State {
            table: Some(Arc::new(table)),
            read_at: Some(read_at),
            failure: None,
        }));
    }

    /// The server has nothing newer.
    pub(crate) fn still_good(&self, now: Timestamp) {
        self.0.state.rcu(|state| State {
            read_at: Some(now),
            failure: None,
            ..State::clone(state)
        });
    }

    /// What is here stays.
    pub(crate) fn failed(&self, at: Timestamp, why: &str) {
        let failure = Failure {
            at,
            why: why.to_owned(),
        };
        self.0.state.rcu(|state| State {
            failure: Some(failure.clone()),
            ..State::clone(state)
        });
    }

    /// As if nothing had ever been fetched.
    pub(crate) fn forget(&self) {
        self.0.state.store(Arc::default());
    }

    /// Begins with what another one knows: the same list, in a config that was loaded anew.
    pub(crate) fn take_over(&self, other: &Self) {
        self.0.state.store(other.state());
    }
}

/// Nobody is in it.
impl Default for List {
    fn default() -> Self {
        Self::of(FILE, Table::default(), Timestamp::UNIX_EPOCH)
    }
}

/// A plate in the form that plates are compared in: upper case, without blanks, dashes, dots and the like.
pub(crate) fn normalise(plate: &str) -> String {
    plate
        .chars()
        .filter(|c| !is_separator(*c))
        .flat_map(char::to_uppercase)
        .collect()
}

/// What plates are written with or without.
pub(crate) fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '-' | '.' | '_' | '·' | '•' | '・' | '\u{2010}'..='\u{2015}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_not_here_says_neither_yes_nor_no() {
        let list = List::awaited("http");
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(list.contains_at("a", now), Err(NotHere));
        list.failed(now, "no answer");
        assert_eq!(list.contains_at("a", now), Err(NotHere));
        list.put(Table::default(), now);
        assert_eq!(list.contains_at("a", now), Ok(false));
        assert!(list.state().failure.is_none());
    }

    #[test]
    fn a_failure_leaves_the_last_good_copy_in_use() {
        let list = List::from_csv("plate\nab1\n", "plate").unwrap();
        let (clone, now) = (list.clone(), Timestamp::from_second(9).unwrap());
        list.failed(now, "no answer");
        assert_eq!(clone.contains_at("AB-1", now), Ok(true));
        assert_eq!(clone.state().read_at, Some(Timestamp::UNIX_EPOCH));
        assert_eq!(clone.state().failure.as_ref().unwrap().why, "no answer");
        list.still_good(now);
        assert_eq!(clone.state().read_at, Some(now));
        let other = List::awaited("http");
        other.take_over(&clone);
        assert_eq!(other.contains_at("AB-1", now), Ok(true));
    }
}
