//! Events that are delivered as a part of another, as the store would tell them: which are a part of which, and deliveries
//! that wait for what may yet become a part of them.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::event::{Event, EventId, Item};
use crate::fate::{Joined, Pair, Parts, Plan, Planned};
use crate::name::Name;

/// What is known of the events so far.
#[derive(Default)]
pub(super) struct Others {
    events: HashMap<EventId, Arc<Event>>,
    joined: Vec<Joined>,
    waiting: Vec<Waiting>,
}

/// A delivery that is held, because another event may yet take its place.
#[derive(Clone)]
pub(super) struct Waiting {
    pub(super) event: Arc<Event>,
    pub(super) planned: Planned,
}

impl Others {
    pub(super) fn know(&mut self, event: &Arc<Event>) {
        self.events.insert(event.id, Arc::clone(event));
    }

    pub(super) fn join(&mut self, joined: &[Joined]) {
        self.joined.extend_from_slice(joined);
    }

    /// An event was decided: returns the deliveries of others that wait, and that it went into.
    pub(super) fn decided(
        &mut self,
        event: &Arc<Event>,
        plan: &Plan,
        now: Timestamp,
    ) -> Vec<Waiting> {
        self.know(event);
        self.join(&plan.joined);
        let is = |waiting: &Waiting, route: &Name, id: EventId, item: Option<Item>| {
            waiting.event.id == id
                && waiting.planned.route == *route
                && waiting.planned.item == item
        };
        self.waiting.retain(|waiting| {
            let is_part =
                |joined: &Joined| is(waiting, &joined.route, joined.part.id, joined.part.item);
            let waits = waiting.planned.not_before.is_some_and(|until| now < until);
            waits && !plan.joined.iter().any(is_part)
        });
        let grown = self.waiting.iter().filter(|waiting| {
            let grows = |joined: &Joined| is(waiting, &joined.route, joined.into, joined.into_item);
            plan.joined.iter().any(grows)
        });
        let grown = grown.cloned().collect();
        let held = plan.deliveries.iter();
        let held = held.filter(|planned| planned.not_before.is_some());
        self.waiting.extend(held.map(|planned| Waiting {
            event: Arc::clone(event),
            planned: planned.clone(),
        }));
        grown
    }

    /// What went into a delivery besides its event, as far as it is known; none when that is nothing.
    pub(super) fn parts(&self, event: EventId, planned: &Planned) -> Option<Arc<Parts>> {
        if self.joined.is_empty() {
            return None;
        }
        let joined =
            Joined::into_delivery(self.joined.clone(), event, &planned.route, planned.item);
        if joined.is_empty() {
            return None;
        }
        let mut parts = Parts::merged(&joined);
        let half = Pair::half(&joined, event);
        parts.pair = half.and_then(|half| {
            let other = self.events.get(&half.part.id)?;
            Some(Pair::with(half, Arc::clone(other)))
        });
        Some(Arc::new(parts))
    }
}

/// What went into a delivery, in the story of it: `merged`, how many reads were the same, and `pair`, the other half.
pub(super) fn tell(parts: &Parts, story: &mut Value) {
    if parts.merged_count > 0 {
        story["merged"] = parts.merged_count.into();
    }
    if let Some(pair) = &parts.pair {
        let side = if pair.other_is_front { "front" } else { "rear" };
        story["pair"] = json!({ "side": side, "event": pair.other.id });
    }
}

/// Tells of deliveries that grew in the stories of what made them grow.
pub(super) fn attach(grown: Vec<(Name, Value)>, stories: &mut [Value]) {
    for (route, delivery) in grown {
        let story = stories
            .iter_mut()
            .find(|story| story["route"] == route.as_str());
        if let Some(Value::Object(story)) = story {
            let list = story.entry("grown").or_insert_with(|| json!([]));
            if let Value::Array(list) = list {
                list.push(delivery);
            }
        }
    }
}
