//! Steps that are decided once for each event, in the commit that accepts it, and what they remember.
//!
//! A delivery may be tried again and again, so a step that counts, compares or follows must not be taken on delivery. A
//! [`Decider`] is asked when the event comes in: it lets the event pass or filters it, may tell events of its own, and
//! remembers what it needs in a [`Book`]. What must survive a restart rides as a [`Change`] in the very record that keeps
//! the event: either both are on disk, or neither, and then the change is undone in memory as well.
//!
//! What one event is told may follow from another that came a moment before it, so both must reach the disk in that
//! order: whoever decides takes a turn ([`Memory::turn`]), and the store ends it once the record has its place in the log.
//!
//! A book is a map in memory, bounded in number and, by each step, in the size of a page. What it says on disk is what was
//! *written* to it; a page that was merely looked at and mended in place is as old, after a restart, as its last writing.

mod book;
mod memory;

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;

use crate::event::{Event, EventId, Item};
use crate::fate::{How, Part};
use crate::lists::Lists;

pub(crate) use book::Book;
pub(crate) use memory::{Change, Memory, Written};

/// A step that is decided when an event comes in.
pub(crate) trait Decider: Send + Sync {
    /// Its word in `routes.yaml`.
    fn name(&self) -> &'static str;

    /// Whether it holds events back until it has seen others. Then no deciding step may stand behind it: what it let
    /// pass in place of another must not be filtered.
    fn holds(&self) -> bool {
        false
    }

    /// Asked once for each item that the route's condition lets through.
    fn decide(&self, asked: &Asked<'_>, book: &mut Book) -> Decision;

    /// What is to be told because time has passed. Asked a few times a second while anything is remembered.
    fn overdue(&self, _book: &mut Book, _now: Timestamp) -> Vec<Event> {
        Vec::new()
    }
}

/// What a decider is asked about.
pub(crate) struct Asked<'a> {
    pub(crate) event: &'a Arc<Event>,
    /// The plate, face or object, if the route has `each`.
    pub(crate) item: Option<Item>,
    pub(crate) lists: &'a Lists,
    pub(crate) now: Timestamp,
}

/// What becomes of the event, or of one item of it.
#[derive(Default)]
pub(crate) struct Decision {
    /// Why it goes no further; `None` lets it pass.
    pub(crate) filtered_by: Option<Cow<'static, str>>,
    /// Events told beside it; they go through the steps behind this one, to the route's targets.
    pub(crate) told: Vec<Event>,
    /// It passes, but is not delivered before that moment: another may come in its place.
    pub(crate) not_before: Option<Timestamp>,
    /// What is delivered as a part of another event on this route; that of other events is no longer delivered by itself.
    pub(crate) joins: Vec<Join>,
}

/// Makes an event, or an item of it, a part of another.
pub(crate) struct Join {
    pub(crate) part: Part,
    pub(crate) into: (EventId, Option<Item>),
    pub(crate) how: How,
    pub(crate) why: String,
}

impl Decision {
    pub(crate) fn pass() -> Self {
        Self::default()
    }

    pub(crate) fn filtered(why: impl Into<Cow<'static, str>>) -> Self {
        Self {
            filtered_by: Some(why.into()),
            ..Self::default()
        }
    }
}
