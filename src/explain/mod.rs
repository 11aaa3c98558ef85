//! Explain: what each route would do with an event, to the last byte of each request. Nothing is sent or stored.

mod describe;
mod request;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::config;
use crate::decide::{Memory, Written};
use crate::delivery::{Pipelines, Unready, prepare};
use crate::event::Event;
use crate::fate::{Choice, Plan, Planned};
use crate::name::Name;
use crate::routes;

pub(crate) use request::{decode, parse};

/// The story of one event, one entry a route: `{route, outcome, condition, deliveries: [{target, item, outcome, steps,
/// reason, request}]}`, secrets masked. A route with steps that are decided on arrival also has `notes`, and under `told`
/// the same story of each event that they would tell, with its `event`.
pub(crate) fn explain(
    planned: &config::Planned,
    pipelines: &Pipelines,
    event: &Arc<Event>,
    only: Option<&Name>,
    now: Timestamp,
) -> Vec<Value> {
    // Steps that are decided on arrival are asked as if they had never seen anything: their memory is the running
    // camhook's, and must not be disturbed.
    let mut written = Written::default();
    let (routes, memory) = (&planned.routes, Memory::blank());
    let decided = routes::decide(
        routes,
        event.clone(),
        &planned.lists,
        now,
        &memory,
        &mut written,
    );
    let Some(((event, plan), told)) = decided.split_first() else {
        return Vec::new();
    };
    let choices = plan
        .routes
        .iter()
        .filter(|choice| only.is_none_or(|only| *only == choice.route));
    choices
        .map(|choice| {
            let mut story = route(pipelines, event, plan, choice, now);
            let asked: Vec<&str> = routes
                .iter()
                .filter(|route| route.name == choice.route)
                .flat_map(|route| route.deciders.iter().map(|(_, decider)| decider.name()))
                .collect();
            if !asked.is_empty() {
                let of_this = told.iter().flat_map(|(event, plan)| {
                    let mine = plan.routes.iter().filter(|mine| mine.route == choice.route);
                    mine.map(move |choice| (event, plan, choice))
                });
                let told = of_this.map(|(event, plan, choice)| {
                    let mut story = route(pipelines, event, plan, choice, now);
                    story["event"] = event.to_json();
                    story
                });
                story["told"] = told.collect();
                let asked = asked.join(", ");
                story["notes"] = json!([format!("{asked}: as if it remembered nothing")]);
            }
            story
        })
        .collect()
}

/// What becomes of one event on one route.
fn route(
    pipelines: &Pipelines,
    event: &Arc<Event>,
    plan: &Plan,
    choice: &Choice,
    now: Timestamp,
) -> Value {
    if let Some(condition) = &choice.filtered_by {
        return json!({ "route": choice.route, "outcome": "filtered", "condition": condition });
    }
    let mine = |planned: &&Planned| planned.route == choice.route;
    let deliveries = plan.deliveries.iter().filter(mine);
    let deliveries = deliveries.map(|planned| delivery(pipelines, event, planned, now));
    json!({ "route": choice.route, "outcome": "planned", "deliveries": deliveries.collect::<Value>() })
}

fn delivery(pipelines: &Pipelines, event: &Arc<Event>, planned: &Planned, now: Timestamp) -> Value {
    let Planned {
        id,
        route,
        target,
        item,
        not_before,
    } = planned;
    let ready = prepare(pipelines, route, target, event, *item, (*id, 1), now);
    let mut story = json!({ "target": target, "item": item });
    let (outcome, steps) = match ready {
        Ok(prepared) => {
            story["request"] = describe::payload(&prepared.payload, &pipelines.blot);
            ("send", prepared.notes)
        }
        Err(Unready::Filtered { reason, notes }) => {
            story["reason"] = reason.into();
            ("filtered", notes)
        }
        Err(Unready::Unfit { reason, notes }) => {
            story["reason"] = pipelines.blot.out(&reason).into();
            ("dead", notes)
        }
    };
    if let Some(not_before) = not_before {
        story["not_before"] = not_before.to_string().into();
    }
    story["outcome"] = outcome.into();
    story["steps"] = steps.into();
    story
}

#[cfg(test)]
mod tests {
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
        let stories = explain(&planned, &pipelines, &event, None, now);
        let story = &stories[0];
        assert_eq!(story["outcome"], "filtered");
        assert_eq!(story["condition"], "track: told as entered, dwell, left");
        assert_eq!(
            story["notes"],
            json!(["track: as if it remembered nothing"])
        );
        let told = &story["told"][0];
        assert_eq!(told["event"]["status"]["name"], "entered");
        assert_eq!(told["deliveries"][0]["outcome"], "send");
    }
}
