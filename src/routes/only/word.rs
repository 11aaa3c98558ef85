//! One word: what it is about, and whether it holds.

use std::borrow::Cow;
use std::fmt;

use super::bounds::Bounds;
use super::texts::{Asked, Sure, Texts};
use crate::event::{Event, Face, Item, Object, Plate};
use crate::lists::Lists;

/// What a word is asked about. Without an item, only words about the event are asked.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) event: &'a Event,
    pub(super) item: Option<Item>,
    pub(super) lists: &'a Lists,
}

impl<'a> Of<'a> {
    pub(super) fn plate(&self) -> Option<&'a Plate> {
        match self.item {
            Some(Item::Plate(n)) => self.event.plates.get(n),
            _ => None,
        }
    }

    pub(super) fn face(&self) -> Option<&'a Face> {
        match self.item {
            Some(Item::Face(n)) => self.event.faces.get(n),
            _ => None,
        }
    }

    pub(super) fn object(&self) -> Option<&'a Object> {
        match self.item {
            Some(Item::Object(n)) => self.event.objects.get(n),
            _ => None,
        }
    }
}

/// What a value must be.
pub(super) trait Word: fmt::Debug + Send + Sync {
    fn holds(&self, of: &Of<'_>) -> bool;

    /// Why it does not, the value seen first; asked only when it does not hold.
    fn why(&self, of: &Of<'_>) -> String;
}

/// Kinds of items that a word may be about; none when it is about the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct About(u8);

impl About {
    pub(super) const EVENT: Self = Self(0);
    pub(super) const PLATE: Self = Self(1);
    pub(super) const FACE: Self = Self(2);
    pub(super) const OBJECT: Self = Self(4);
    pub(super) const ANY: Self = Self(7);
    pub(super) const KINDS: [Self; 3] = [Self::PLATE, Self::FACE, Self::OBJECT];

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn is_event(self) -> bool {
        self == Self::EVENT
    }

    /// Whether they have a kind in common.
    pub(super) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Such as `plate or object`.
    pub(super) fn told(self) -> String {
        let names = Self::KINDS.iter().zip(["plate", "face", "object"]);
        let names: Vec<&str> = names
            .filter(|(kind, _)| self.meets(**kind))
            .map(|(_, name)| name)
            .collect();
        names.join(" or ")
    }

    /// The items of these kinds.
    pub(super) fn items(self, event: &Event) -> impl Iterator<Item = Item> {
        let count = |kind, count| if self.meets(kind) { count } else { 0 };
        let plates = count(Self::PLATE, event.plates.len());
        let faces = count(Self::FACE, event.faces.len());
        let objects = count(Self::OBJECT, event.objects.len());
        (0..plates)
            .map(Item::Plate)
            .chain((0..faces).map(Item::Face))
            .chain((0..objects).map(Item::Object))
    }
}

/// Where a text is found; a thing may have two names.
pub(super) type GetTexts = for<'a> fn(&Of<'a>) -> [Option<&'a str>; 2];
pub(super) type GetNumber = fn(&Of<'_>) -> Option<f64>;
/// A text and how sure the sender is of it.
pub(super) type GetSure = for<'a> fn(&Of<'a>) -> (Option<Cow<'a, str>>, Option<f64>);

#[derive(Debug)]
pub(super) struct ByTexts<A>(pub(super) Texts<A>, pub(super) GetTexts);
#[derive(Debug)]
pub(super) struct ByBounds(pub(super) Bounds, pub(super) GetNumber);
#[derive(Debug)]
pub(super) struct BySure(pub(super) Sure, pub(super) GetSure);

impl<A: Asked + Send + Sync> Word for ByTexts<A> {
    fn holds(&self, of: &Of<'_>) -> bool {
        self.0.hold(&(self.1)(of))
    }

    fn why(&self, of: &Of<'_>) -> String {
        self.0.why(&(self.1)(of))
    }
}

impl Word for ByBounds {
    fn holds(&self, of: &Of<'_>) -> bool {
        self.0.hold((self.1)(of))
    }

    fn why(&self, of: &Of<'_>) -> String {
        self.0.why((self.1)(of))
    }
}

impl Word for BySure {
    fn holds(&self, of: &Of<'_>) -> bool {
        let (text, score) = (self.1)(of);
        self.0.hold(text.as_deref(), score)
    }

    fn why(&self, of: &Of<'_>) -> String {
        let (text, score) = (self.1)(of);
        self.0.why(text.as_deref(), score)
    }
}
