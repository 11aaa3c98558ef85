//! Explain: what each route would do with an event, to the last byte of each request. Nothing is sent or stored.

mod cases;
mod describe;
mod effect;
mod others;
mod outcome;
#[cfg(test)]
mod privacy;
mod request;
mod text;

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::config;
use crate::decide::{Memory, Written};
use crate::delivery::{Pipelines, Unready, prepare};
use crate::event::{DeliveryId, Event};
use crate::fate::{Choice, Joined, Plan, Planned};
use crate::name::Name;
use crate::routes::{self, Route};

use effect::Effects;
use others::Others;

pub(crate) use cases::Cases;
pub(crate) use outcome::Made;
pub(crate) use request::{decode, parse};
pub(crate) use text::text;

/// The delivery that requests are shown of, the same each time.
const EXAMPLE: [u8; 16] = [
    0x01, 0x9c, 0xb8, 0x1d, 0x9b, 0x50, 0x70, 0, 0x80, 0, 0x01, 0x23, 0x45, 0x67, 0x89, 0xcd,
];

/// Tells what routes would do, event after event. What steps remember of earlier ones is its own; at first nothing.
pub(crate) struct Explainer<'a> {
    planned: &'a config::Planned,
    pipelines: &'a Pipelines,
    only: Option<&'a Name>,
    memory: Memory,
    others: Others,
    /// Pictures that steps made, by the name their story has under `file`; `None` when they are not wanted.
    pub(crate) pictures: Option<Vec<(String, Bytes)>>,
    /// Pictures with more pixels are not decoded.
    pub(crate) pixels_max: u64,
}

impl<'a> Explainer<'a> {
    /// With `only`, of that route alone.
    pub(crate) fn new(
        planned: &'a config::Planned,
        pipelines: &'a Pipelines,
        only: Option<&'a Name>,
    ) -> Self {
        Self {
            planned,
            pipelines,
            only,
            memory: Memory::blank(),
            others: Others::default(),
            pictures: None,
            pixels_max: u64::MAX,
        }
    }

    /// What became a part of stored events, as the store tells it, with the other halves of their pairs.
    pub(crate) fn recall(&mut self, joined: &[Joined], halves: &[Arc<Event>]) {
        self.others.join(joined);
        halves.iter().for_each(|half| self.others.know(half));
    }

    /// The story of one event, one entry a route: `{route, outcome, condition, deliveries: [{target, item, outcome, steps,
    /// reason, request}]}`, secrets masked. A delivery that other events went into tells `merged`, how many of
    /// the same, and `pair`, `{side, event}` of the other half. A route with steps that are decided on arrival also has `asked`,
    /// their names, and under `told` the same story of each event that they would tell, with its `event`. `id` is the event's,
    /// `joined` what is no longer delivered by itself: `{id, item, why}`; `grown` are deliveries of earlier events that wait, and
    /// that this one went into: as they will be sent now, each with the id of its event as `of`.
    pub(crate) fn story(&mut self, event: &Arc<Event>, now: Timestamp) -> Vec<Value> {
        // Steps that are decided on arrival are asked of a memory of their own: that of the running camhook must not be
        // disturbed.
        let mut written = Written::default();
        let (routes, lists) = (self.planned.routes.clone(), &self.planned.lists);
        let decided = routes::decide(
            &routes,
            event.clone(),
            lists,
            now,
            &self.memory,
            &mut written,
        );
        written.kept();
        let grown = self.grown(&decided, now);
        let Some(((event, plan), told)) = decided.split_first() else {
            return Vec::new();
        };
        let mut stories = Vec::new();
        for choice in &plan.routes {
            if self.only.is_some_and(|only| *only != choice.route) {
                continue;
            }
            let mut story = self.route(event, plan, choice, now);
            let asked = asked(&routes, &choice.route);
            if !asked.is_empty() {
                story["asked"] = asked.into();
                story["told"] = self.told(told, Some(&choice.route), now).into();
            }
            stories.push(story);
        }
        others::attach(grown, &mut stories);
        stories
    }

    /// What steps tell because time has passed: the stories of those events.
    pub(crate) fn overdue(&mut self, now: Timestamp) -> Vec<Value> {
        let mut written = Written::default();
        let (routes, lists) = (self.planned.routes.clone(), &self.planned.lists);
        let told = routes::overdue(&routes, lists, now, &self.memory, &mut written);
        written.kept();
        let grown = self.grown(&told, now);
        let mut stories = self.told(&told, self.only, now);
        others::attach(grown, &mut stories);
        stories
    }

    /// Remembers what was decided; the stories of deliveries that wait, and that these events went into, by route.
    fn grown(&mut self, decided: &[(Arc<Event>, Plan)], now: Timestamp) -> Vec<(Name, Value)> {
        let mut grown = Vec::new();
        for (event, plan) in decided {
            for waiting in self.others.decided(event, plan, now) {
                let mut story = self.delivery(&waiting.event, &waiting.planned, now);
                story["of"] = waiting.event.id.to_string().into();
                grown.push((waiting.planned.route, story));
            }
        }
        grown
    }

    /// The stories of events that steps told on a route, or on any.
    fn told(
        &mut self,
        told: &[(Arc<Event>, Plan)],
        of: Option<&Name>,
        now: Timestamp,
    ) -> Vec<Value> {
        let mut stories = Vec::new();
        for (event, plan) in told {
            for choice in &plan.routes {
                if of.is_none_or(|of| *of == choice.route) {
                    let mut story = self.route(event, plan, choice, now);
                    story["event"] = event.to_json();
                    stories.push(story);
                }
            }
        }
        stories
    }

    /// What becomes of one event on one route.
    fn route(&mut self, event: &Arc<Event>, plan: &Plan, choice: &Choice, now: Timestamp) -> Value {
        let mine = plan
            .joined
            .iter()
            .filter(|joined| joined.route == choice.route);
        let joined: Value = mine
            .map(|joined| json!({ "id": joined.part.id, "item": joined.part.item, "why": joined.why }))
            .collect();
        if let Some(condition) = &choice.filtered_by {
            return json!({
                "route": choice.route, "id": event.id, "outcome": "filtered", "condition": condition, "joined": joined,
            });
        }
        let mut deliveries = Vec::new();
        for planned in &plan.deliveries {
            if planned.route == choice.route {
                deliveries.push(self.delivery(event, planned, now));
            }
        }
        json!({
            "route": choice.route, "id": event.id, "outcome": "planned", "deliveries": deliveries, "joined": joined,
        })
    }

    fn delivery(&mut self, event: &Arc<Event>, planned: &Planned, now: Timestamp) -> Value {
        let stem = self.pictures.as_ref().map(|_| stem(planned));
        let parts = self.others.parts(event.id, planned);
        let pair = parts.as_ref().and_then(|parts| parts.pair.as_ref());
        let mut effects = Effects::of(event, pair, stem);
        let mut planned = Planned {
            id: DeliveryId::from_bytes(EXAMPLE),
            ..planned.clone()
        };
        if pair.is_some() {
            planned.not_before = None; // what it waits for is there
        }
        let mut story = json!({ "target": planned.target, "item": planned.item });
        if let Some(parts) = &parts {
            others::tell(parts, &mut story);
        }
        // What is held is written when its wait is over.
        let then = planned.not_before.map_or(now, |until| until.max(now));
        let ready = prepare(
            self.pipelines,
            event,
            &planned,
            parts,
            (then, self.pixels_max),
            |step, work| {
                effects.after(step, work);
            },
        );
        let (steps, made) = effects.told();
        if let Some(pictures) = &mut self.pictures {
            pictures.extend(made);
        }
        if let Some(not_before) = planned.not_before {
            story["not_before"] = not_before.to_string().into();
        }
        let blot = &self.pipelines.blot;
        let outcome = match ready {
            Ok(payload) => {
                story["request"] = describe::payload(&payload, blot);
                "send"
            }
            Err(Unready::Filtered(reason)) => {
                story["reason"] = reason.into();
                "filtered"
            }
            Err(Unready::Unfit(reason)) => {
                story["reason"] = blot.out(&reason).into();
                "dead"
            }
        };
        story["outcome"] = outcome.into();
        story["steps"] = steps;
        story
    }
}

/// The steps of a route that are decided on arrival.
fn asked(routes: &[Route], route: &Name) -> Vec<&'static str> {
    let mine = routes.iter().filter(|known| known.name == *route);
    mine.flat_map(|route| route.deciders.iter().map(|(_, decider)| decider.name()))
        .collect()
}

/// What tells the pictures of one delivery from those of others.
fn stem(planned: &Planned) -> String {
    match planned.item {
        Some(item) => format!("{}-{}-{item}", planned.route, planned.target),
        None => format!("{}-{}", planned.route, planned.target),
    }
}

#[cfg(test)]
mod tests {
    mod findface;

    use super::*;
    use crate::config::Config;

    #[test]
    fn a_step_that_is_decided_on_arrival_shows_what_it_would_tell() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("routes.yaml");
        let yaml = "targets: { all: { log: {} } }\nroutes: [ { name: yard, steps: [track], to: [all] } ]\n";
        std::fs::write(&path, yaml).unwrap();
        let config = Config::load(&path).unwrap_or_else(|report| panic!("{}", report.plain()));
        let planned = config.planned();
        let (_, pipelines) = config.open();
        let now = Timestamp::UNIX_EPOCH;
        let post = json!({ "kind": "track", "objects": [{ "class": "car", "track_id": "7" }] });
        let event = Arc::new(Event::from_json(post, now).unwrap());
        let mut explainer = Explainer::new(&planned, &pipelines, None);
        let stories = explainer.story(&event, now);
        let story = &stories[0];
        assert_eq!(story["outcome"], "filtered");
        assert_eq!(story["condition"], "track: told as entered, dwell, left");
        assert_eq!(story["asked"], json!(["track"]));
        let told = &story["told"][0];
        assert_eq!(told["event"]["status"]["name"], "entered");
        assert_eq!(told["deliveries"][0]["outcome"], "send");
        let minute = now + jiff::SignedDuration::from_mins(1);
        let left = explainer.overdue(minute);
        assert_eq!(left[0]["event"]["status"]["name"], "left");
    }

    #[test]
    fn a_step_is_told_by_what_it_did() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("routes.yaml");
        let yaml = "targets: { all: { log: {} } }\nroutes: [ { name: yard, each: plate, steps: [crop], to: [all] } ]\n";
        std::fs::write(&path, yaml).unwrap();
        let config = Config::load(&path).unwrap_or_else(|report| panic!("{}", report.plain()));
        let planned = config.planned();
        let (_, pipelines) = config.open();
        let now = Timestamp::UNIX_EPOCH;
        let coming = r#"{ "sample": "stream", "plate": "AB1" }"#;
        let coming: cases::Coming = serde_json::from_str(coming).unwrap();
        let event = coming
            .events(&planned, folder.path(), now)
            .unwrap()
            .remove(0);
        let mut explainer = Explainer::new(&planned, &pipelines, None);
        explainer.pictures = Some(Vec::new());
        let stories = explainer.story(&event, now);
        let step = &stories[0]["deliveries"][0]["steps"][0];
        assert_eq!(step["step"], "crop");
        let note = step["notes"][0].as_str().unwrap();
        assert!(note.starts_with("plates/0: "), "{note}");
        let made = &step["pictures"][0];
        assert_eq!(made["role"], "plate");
        assert!(made["width"].as_u64() > made["height"].as_u64());
        let kept = explainer.pictures.unwrap();
        assert_eq!(kept[0].0, "yard-all-plates-0-crop-plates-0-plate.jpg");
        assert_eq!(made["file"], kept[0].0.as_str());
    }
}
