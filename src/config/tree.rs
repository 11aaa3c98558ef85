//! A YAML file as a tree that remembers where everything stands.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Map, Number, Value};

/// A value of the file and the bytes it stands at. Where it was reached through an alias, these are the anchor's.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) at: Range<usize>,
    pub(super) shape: Shape,
}

#[derive(Debug, Clone)]
pub(super) enum Shape {
    Map(Vec<(Key, Node)>),
    List(Vec<Node>),
    Scalar(Scalar),
}

#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) at: Range<usize>,
}

/// A text, number, boolean or null as written.
#[derive(Debug, Clone)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// Written without quotes, so that it may be something else than a text.
    pub(super) plain: bool,
    /// Holds something of the environment or of a secret file.
    pub(super) expanded: bool,
    /// Something to be taken from there was not there: what depends on it is not told again.
    pub(super) broken: bool,
    /// For each byte of `text`, and for its end, the byte of the file.
    pub(super) positions: Vec<usize>,
}

impl Node {
    /// What a file says that says nothing.
    pub(super) fn empty() -> Self {
        Self {
            at: 0..0,
            shape: Shape::Map(Vec::new()),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries()
            .iter()
            .find(|(name, _)| name.text == key)
            .map(|(_, value)| value)
    }

    pub(super) fn key(&self, key: &str) -> Option<&Key> {
        self.entries()
            .iter()
            .map(|(name, _)| name)
            .find(|name| name.text == key)
    }

    /// The entries of a map; of anything else, none.
    pub(super) fn entries(&self) -> &[(Key, Self)] {
        match &self.shape {
            Shape::Map(entries) => entries,
            Shape::List(_) | Shape::Scalar(_) => &[],
        }
    }

    /// The items of a list; a single value counts as a list of one.
    pub(super) fn items(&self) -> &[Self] {
        match &self.shape {
            Shape::List(items) => items,
            Shape::Map(_) | Shape::Scalar(_) => std::slice::from_ref(self),
        }
    }

    /// Moves all places on by so many bytes: those of a file that stands behind others.
    pub(super) fn shift(&mut self, by: usize) {
        let moved = |at: &Range<usize>| at.start + by..at.end + by;
        self.at = moved(&self.at);
        match &mut self.shape {
            Shape::Map(entries) => {
                for (key, value) in entries {
                    key.at = moved(&key.at);
                    value.shift(by);
                }
            }
            Shape::List(items) => items.iter_mut().for_each(|item| item.shift(by)),
            Shape::Scalar(scalar) => scalar.positions.iter_mut().for_each(|at| *at += by),
        }
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        self.entries_mut()?
            .iter_mut()
            .find(|(name, _)| name.text == key)
            .map(|(_, value)| value)
    }

    pub(super) fn entries_mut(&mut self) -> Option<&mut Vec<(Key, Self)>> {
        match &mut self.shape {
            Shape::Map(entries) => Some(entries),
            Shape::List(_) | Shape::Scalar(_) => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.shape {
            Shape::Scalar(scalar) => Some(&scalar.text),
            Shape::Map(_) | Shape::List(_) => None,
        }
    }

    /// Follows keys and indices as far as they lead.
    pub(super) fn follow(&self, path: &[String]) -> &Self {
        let Some((step, rest)) = path.split_first() else {
            return self;
        };
        let next = match &self.shape {
            Shape::Map(_) => self.get(step),
            Shape::List(items) => step
                .trim_matches(['[', ']'])
                .parse()
                .ok()
                .and_then(|index: usize| items.get(index)),
            Shape::Scalar(_) => None,
        };
        next.map_or(self, |next| next.follow(rest))
    }

    /// The bytes of the file for these bytes of the scalar's text.
    pub(super) fn within(&self, range: &Range<usize>) -> Range<usize> {
        let Shape::Scalar(scalar) = &self.shape else {
            return self.at.clone();
        };
        let place = |byte: usize| scalar.positions.get(byte).copied();
        match (place(range.start), place(range.end)) {
            (Some(start), Some(end)) if start < end => start..end,
            (Some(start), _) => start..start,
            (None, _) => self.at.clone(),
        }
    }

    /// Where scalars stand that lack what they were to take from outside: the end of each by its beginning.
    pub(super) fn broken(&self) -> BTreeMap<usize, usize> {
        let mut found = BTreeMap::new();
        self.find_broken(&mut found);
        found
    }

    fn find_broken(&self, found: &mut BTreeMap<usize, usize>) {
        match &self.shape {
            Shape::Map(entries) => entries
                .iter()
                .for_each(|(_, value)| value.find_broken(found)),
            Shape::List(items) => items.iter().for_each(|item| item.find_broken(found)),
            Shape::Scalar(scalar) if scalar.broken => {
                found.insert(self.at.start, self.at.end);
            }
            Shape::Scalar(_) => {}
        }
    }

    /// The value as YAML reads it, for places that take anything.
    pub(super) fn value(&self) -> Value {
        match &self.shape {
            Shape::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, value)| (key.text.clone(), value.value()))
                    .collect::<Map<_, _>>(),
            ),
            Shape::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Shape::Scalar(scalar) => scalar.value(),
        }
    }
}

impl Scalar {
    /// YAML 1.2's core schema.
    pub(super) fn value(&self) -> Value {
        if !self.plain {
            return Value::String(self.text.clone());
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Value::Null,
            "true" | "True" | "TRUE" => Value::Bool(true),
            "false" | "False" | "FALSE" => Value::Bool(false),
            text => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
        }
    }

    pub(super) fn is_null(&self) -> bool {
        self.value().is_null()
    }
}

/// Reads decimal, `0x` and `0o` numbers; what JSON cannot hold (`.inf`) stays a text.
pub(super) fn number(text: &str) -> Option<Number> {
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok().map(Number::from);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return u64::from_str_radix(octal, 8).ok().map(Number::from);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || !digits.contains(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    if let Ok(whole) = text.parse::<u64>() {
        return Some(whole.into());
    }
    text.parse().ok().and_then(Number::from_f64)
}
