//! The words of one route, in the order and the company that they are asked in.

use std::sync::Arc;

use super::word::{About, Of, Word};
use crate::event::{Event, Item};
use crate::lists::Lists;
use crate::routes::Each;

/// All words of a route. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::routes) struct Filter(Arc<Asking>);

#[derive(Debug)]
struct Asking {
    /// About the event as a whole.
    event: Vec<Entry>,
    /// Each must be satisfied by some item.
    groups: Vec<Group>,
    /// About the item at hand.
    own: Vec<Entry>,
}

/// Words that one item must satisfy together.
#[derive(Debug)]
struct Group {
    about: About,
    words: Vec<Entry>,
}

/// A word with its name.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Such as `plate.score`.
    pub(super) name: Arc<str>,
    pub(super) about: About,
    pub(super) word: Arc<dyn Word>,
}

/// Which word said no, and why.
pub(in crate::routes) struct No {
    /// How many words of the item were asked before: the item that came furthest is the one to tell of.
    pub(in crate::routes) asked: usize,
    pub(in crate::routes) told: String,
}

impl Filter {
    pub(super) fn new(entries: Vec<Entry>, each: Option<Each>) -> Self {
        let hand = match each {
            None => About::EVENT,
            Some(Each::Plate) => About::PLATE,
            Some(Each::Face) => About::FACE,
            Some(Each::Object) => About::OBJECT,
        };
        let (event, items): (Vec<Entry>, Vec<Entry>) = entries
            .into_iter()
            .partition(|entry| entry.about.is_event());
        let (own, others): (Vec<Entry>, Vec<Entry>) =
            items.into_iter().partition(|entry| entry.about.meets(hand));
        Self(Arc::new(Asking {
            event,
            groups: groups(others),
            own,
        }))
    }

    /// Which word about the event, or about other items than the one at hand, says no.
    pub(in crate::routes) fn of_event(&self, event: &Event, lists: &Lists) -> Option<String> {
        let of = Of {
            event,
            item: None,
            lists,
        };
        first_no(&self.0.event, &of)
            .or_else(|| self.0.groups.iter().find_map(|group| group.no(&of)))
            .map(|no| no.told)
    }

    /// Whether the item at hand satisfies the words about it.
    pub(in crate::routes) fn fits(&self, event: &Event, item: Item, lists: &Lists) -> bool {
        let of = Of {
            event,
            item: Some(item),
            lists,
        };
        self.0.own.iter().all(|entry| entry.word.holds(&of))
    }

    /// Which word about the item at hand says no.
    pub(in crate::routes) fn of_item(
        &self,
        event: &Event,
        item: Item,
        lists: &Lists,
    ) -> Option<No> {
        let of = Of {
            event,
            item: Some(item),
            lists,
        };
        first_no(&self.0.own, &of)
    }
}

/// Words about one kind gather those that may also be about others; the rest share an item of a kind that suits all.
fn groups(entries: Vec<Entry>) -> Vec<Group> {
    let mut groups: Vec<Group> = About::KINDS
        .into_iter()
        .filter(|kind| entries.iter().any(|entry| entry.about == *kind))
        .map(|about| Group {
            about,
            words: entries
                .iter()
                .filter(|entry| entry.about.meets(about))
                .cloned()
                .collect(),
        })
        .collect();
    let is_left = |entry: &Entry| !groups.iter().any(|group| group.about.meets(entry.about));
    let left: Vec<Entry> = entries.into_iter().filter(is_left).collect();
    if !left.is_empty() {
        let about = left
            .iter()
            .fold(About::ANY, |about, entry| about.common(entry.about));
        groups.push(Group { about, words: left });
    }
    groups
}

impl Group {
    fn no(&self, of: &Of<'_>) -> Option<No> {
        let with = |item| Of {
            item: Some(item),
            ..*of
        };
        let fits = |item| self.words.iter().all(|entry| entry.word.holds(&with(item)));
        if self.about.items(of.event).any(fits) {
            return None;
        }
        let items = self.about.items(of.event);
        let furthest = items
            .filter_map(|item| first_no(&self.words, &with(item)))
            .reduce(|a, b| if b.asked > a.asked { b } else { a });
        Some(furthest.unwrap_or_else(|| No {
            asked: 0,
            told: format!(
                "only.{}: no {} in the event",
                self.words.first().map_or("", |entry| &entry.name),
                self.about.told()
            ),
        }))
    }
}

fn first_no(words: &[Entry], of: &Of<'_>) -> Option<No> {
    let (asked, entry) = words
        .iter()
        .enumerate()
        .find(|(_, entry)| !entry.word.holds(of))?;
    Some(No {
        asked,
        told: format!("only.{}: {}", entry.name, entry.word.why(of)),
    })
}
