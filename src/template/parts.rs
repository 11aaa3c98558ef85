//! What templates see of a delivery that other events went into.

use std::sync::Arc;

use minijinja::Value;

use super::output::from_json;
use super::scope::{Images, Root, Scope};
use super::view::Seen;
use crate::fate::{Part, Parts};

impl Scope {
    /// The same for a delivery that other events went into: `delivery.merged`, `pair`, and the pictures of both halves of a
    /// pair under `images.front_…` and `images.rear_…`.
    pub(crate) fn made_of(self, parts: Option<&Arc<Parts>>) -> Self {
        let (Some(parts), Some(root)) = (parts, &self.root) else {
            return self;
        };
        let mut root = Root::clone(root);
        let images = root.images.downcast_object_ref::<Images>().cloned();
        if let (Some(pair), Some(mut images)) = (&parts.pair, images) {
            images.own_prefix = Some(pair.own_prefix());
            root.images = Value::from_object(images);
        }
        root.parts = Some(parts.clone());
        Self::of(root)
    }
}

impl Root {
    pub(super) fn merged(&self) -> Value {
        let merged = self.parts.iter().flat_map(|parts| &parts.merged);
        let json = |part: &Part| serde_json::to_value(part).unwrap_or_default();
        from_json(&merged.map(json).collect())
    }

    pub(super) fn merged_count(&self) -> usize {
        self.parts.as_ref().map_or(0, |parts| parts.merged_count)
    }

    /// Both halves as events; null when this is none of a pair.
    pub(super) fn pair(&self) -> Value {
        let pair = self.parts.as_ref().and_then(|parts| parts.pair.as_ref());
        let Some(pair) = pair else {
            return Value::from(());
        };
        let (own, other) = (self.event.clone(), Seen::new(&pair.other).root());
        let (front, rear) = match pair.other_is_front {
            true => (other, own),
            false => (own, other),
        };
        Value::from_pairs([("front", front), ("rear", rear)])
    }
}
