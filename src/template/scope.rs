//! What the names of a template stand for.

use std::sync::Arc;

use jiff::Timestamp;
use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::{Error, ErrorKind, Value};
use serde_json::Value as Json;

use super::output::from_json;
use super::view::Seen;
use crate::event::{DeliveryId, Event, Item, Picture};
use crate::fate::Parts;
use crate::lists::{Lists, Table};
use crate::payload::around::TOKEN;
use crate::payload::late;

/// What the names of a template stand for, for one delivery (or one event and item, in `when`).
pub(crate) struct Scope {
    /// None where there is no event to choose items of.
    pub(super) root: Option<Arc<Root>>,
    value: Value,
}

/// What a scope is made of.
pub(crate) struct Given<'a> {
    pub(crate) event: &'a Arc<Event>,
    pub(crate) item: Option<Item>,
    /// The event's pictures and those that steps made.
    pub(crate) pictures: &'a [Picture],
    pub(crate) lists: &'a Lists,
    /// A preset's settings.
    pub(crate) with: Option<&'a Json>,
    /// The delivery and which attempt this is, from 1.
    pub(crate) delivery: Option<(DeliveryId, u32)>,
    pub(crate) now: Timestamp,
}

#[derive(Debug, Clone)]
pub(super) struct Root {
    seen: Arc<Seen>,
    pub(super) event: Value,
    item: Option<(Item, Value)>,
    pub(super) images: Value,
    lists: Value,
    with: Value,
    delivery: Option<(DeliveryId, u32)>,
    now: Timestamp,
    pub(super) parts: Option<Arc<Parts>>,
    wrapped: Value,
}

impl Scope {
    pub(crate) fn new(given: &Given<'_>) -> Self {
        let seen = Seen::new(given.event);
        Self::of(Root {
            event: seen.root(),
            item: given.item.map(|item| (item, seen.item(item))),
            seen,
            images: Value::from_object(Images {
                pictures: given.pictures.to_vec(),
                made: given
                    .pictures
                    .iter()
                    .map(|picture| !picture.came_with(given.event))
                    .collect(),
                item: given.item,
                own_prefix: None,
            }),
            lists: Value::from_object(ListsView {
                lists: given.lists.clone(),
                when: given.event.occurred_at.instant(),
            }),
            with: given.with.map_or(Value::from(()), from_json),
            delivery: given.delivery,
            now: given.now,
            wrapped: Value::from(()),
            parts: None,
        })
    }

    /// The same for one item of the event: what was converted once is not converted again.
    pub(crate) fn about(&self, item: Item) -> Self {
        match &self.root {
            Some(root) => Self::of(Root {
                item: Some((item, root.seen.item(item))),
                images: match root.images.downcast_object_ref::<Images>() {
                    Some(images) => Value::from_object(Images {
                        item: Some(item),
                        ..images.clone()
                    }),
                    None => root.images.clone(),
                },
                ..(**root).clone()
            }),
            None => Self::plain(self.value()),
        }
    }

    /// Names that stand for the fields of this value.
    pub(super) fn plain(value: Value) -> Self {
        Self { root: None, value }
    }

    /// The same without any pictures.
    pub(crate) fn without_pictures(&self) -> Self {
        let none = Images {
            pictures: Vec::new(),
            made: Vec::new(),
            item: None,
            own_prefix: None,
        };
        match &self.root {
            Some(root) => Self::of(Root {
                images: Value::from_object(none),
                ..(**root).clone()
            }),
            None => Self::plain(self.value()),
        }
    }

    /// The same with a finished body, for what is written around it.
    pub(crate) fn wrapping(&self, body: Vec<u8>, content_type: Option<&str>) -> Self {
        match &self.root {
            Some(root) => Self::of(Root {
                wrapped: Value::from_pairs([
                    ("size", Value::from(body.len())),
                    ("body", Value::from_bytes(body)),
                    ("content_type", Value::from(content_type)),
                ]),
                ..(**root).clone()
            }),
            None => Self::plain(self.value()),
        }
    }

    pub(super) fn of(root: Root) -> Self {
        let root = Arc::new(root);
        Self {
            value: Value::from_dyn_object(root.clone()),
            root: Some(root),
        }
    }

    pub(super) fn value(&self) -> Value {
        self.value.clone()
    }
}

impl Root {
    fn item(&self, wanted: fn(&Item) -> bool) -> Value {
        match &self.item {
            Some((item, value)) if wanted(item) => value.clone(),
            _ => Value::from(()),
        }
    }
}

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        Some(match key {
            "event" => self.event.clone(),
            "plate" => self.item(|item| matches!(item, Item::Plate(_))),
            "face" => self.item(|item| matches!(item, Item::Face(_))),
            "object" => self.item(|item| matches!(item, Item::Object(_))),
            "images" => self.images.clone(),
            "lists" => self.lists.clone(),
            "with" => self.with.clone(),
            "session" => Value::from_pairs([("token", Value::from(late::mark(TOKEN)))]),
            "captured" => Value::from_object(CapturedView),
            "now" => Value::from(self.now.to_string()),
            "wrapped" => self.wrapped.clone(),
            "delivery" => match self.delivery {
                Some((id, attempt)) => Value::from_pairs([
                    ("id", Value::from(id.to_string())),
                    ("attempt", Value::from(attempt)),
                    ("merged", self.merged()),
                    ("merged_count", Value::from(self.merged_count())),
                ]),
                None => Value::from(()),
            },
            "pair" => self.pair(),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

/// Values that an earlier answer will tell; until then their marks stand for them.
#[derive(Debug)]
struct CapturedView;

impl Object for CapturedView {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = format!("captured.{}", key.as_str()?);
        Some(Value::from(late::mark(&name)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

/// The pictures at hand, by role.
#[derive(Debug, Clone)]
pub(super) struct Images {
    pub(super) pictures: Vec<Picture>,
    /// Which of them steps made; the others came with the event.
    made: Vec<bool>,
    item: Option<Item>,
    /// Of one half of a pair, what its own roles may begin with.
    pub(super) own_prefix: Option<&'static str>,
}

impl Images {
    /// The current item's picture of that role, else one that shows all of the event; without an item, the first. Never
    /// the picture of another item. What a step made, the last one above all, stands before what it was made from.
    fn of_role(&self, role: &str) -> Option<&Picture> {
        let of = |by_step: bool| {
            let pictures = self.pictures.iter().zip(&self.made);
            let pictures = pictures.filter(move |(_, made)| **made == by_step);
            pictures
                .map(|(picture, _)| picture)
                .filter(|picture| picture.role.as_str() == role)
        };
        let (sent, made) = (|| of(false), || of(true));
        let current = |picture: &&Picture| picture.item == self.item;
        let first_made = || match self.item {
            Some(_) => made().rfind(|picture| picture.item.is_none()),
            None => made().min_by_key(|picture| picture.item),
        };
        made()
            .rfind(current)
            .or_else(|| sent().find(current).filter(|_| self.item.is_some()))
            .or_else(first_made)
            .or_else(|| sent().find(|picture| picture.item.is_none()))
            .or_else(|| sent().chain(made()).next().filter(|_| self.item.is_none()))
    }
}

impl Object for Images {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match key {
            "list" => Some(Value::from_object(PictureList(self.clone()))),
            role => {
                let own = self.own_prefix.and_then(|prefix| role.strip_prefix(prefix));
                Some(picture(self.of_role(own.unwrap_or(role))?))
            }
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let mut roles: Vec<Value> = Vec::new();
        for picture in &self.pictures {
            let role = Value::from(picture.role.as_str());
            if !roles.contains(&role) {
                roles.push(role);
            }
        }
        Enumerator::Values(roles)
    }
}

/// `images.list`: an object of its own, so that an empty one is still a list of pictures.
#[derive(Debug)]
pub(super) struct PictureList(Arc<Images>);

impl Object for PictureList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(picture(self.0.pictures.get(key.as_usize()?)?))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.pictures.len())
    }
}

/// One picture. Its fields are those of its description; what it is worth by itself is its bytes.
#[derive(Debug)]
pub(super) struct PictureView(pub(super) Picture);

pub(super) const PICTURE: &[&str] = &[
    "role",
    "item",
    "content_type",
    "size",
    "width",
    "height",
    "sha256",
    "url",
];

fn picture(picture: &Picture) -> Value {
    Value::from_object(PictureView(picture.clone()))
}

impl Object for PictureView {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        // Describing computes a digest, so the cheap ones are told first.
        Some(match key {
            "role" => Value::from(self.0.role.as_str()),
            "content_type" => Value::from(&*self.0.content_type),
            "size" => self.0.bytes().map(|bytes| bytes.len()).into(),
            "width" => self.0.size().map(|size| size.width).into(),
            "height" => self.0.size().map(|size| size.height).into(),
            _ => from_json(self.0.describe().get(key)?),
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(PICTURE)
    }
}

/// All lists by name, as they are at the moment of the event.
#[derive(Debug)]
struct ListsView {
    lists: Lists,
    when: Timestamp,
}

impl Object for ListsView {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    /// One that was not fetched yet is an error to whatever is asked of it, so that a condition on it is no either way.
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let list = self.lists.get(key)?;
        let state = list.state();
        Some(match &state.table {
            Some(table) => Value::from_object(ListView {
                table: table.clone(),
                when: self.when,
            }),
            None => Value::from(Error::new(
                ErrorKind::InvalidOperation,
                format!("the list `{key}` was not fetched yet"),
            )),
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.lists.iter().map(|(name, _)| name.into()).collect())
    }
}

/// One list: rows by plate.
#[derive(Debug)]
pub(super) struct ListView {
    table: Arc<Table>,
    when: Timestamp,
}

impl ListView {
    pub(super) fn contains(&self, plate: &str) -> bool {
        self.table.find(plate, self.when).is_some()
    }
}

impl Object for ListView {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let row = self.table.find(key, self.when)?;
        Some(Value::from_pairs(
            row.iter().map(|(column, cell)| (column, Value::from(cell))),
        ))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let keys = self.table.keys(self.when);
        Enumerator::Values(keys.into_iter().map(Value::from).collect())
    }
}
