//! Explain: what each route would do with an event, to the last byte of each request. Nothing is sent or stored.

mod describe;
mod request;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::config::Planned;
use crate::delivery::{Pipelines, Unready, prepare};
use crate::event::Event;
use crate::name::Name;
use crate::routes;

pub(crate) use request::decode;

/// The story of one event, one entry a route: `{route, outcome, condition, deliveries: [{target, item, outcome, steps,
/// reason, request}]}`, secrets masked.
pub(crate) fn explain(
    planned: &Planned,
    pipelines: &Pipelines,
    event: &Arc<Event>,
    only: Option<&Name>,
    now: Timestamp,
) -> Vec<Value> {
    let plan = routes::plan(&planned.routes, event, &planned.lists, now, None);
    let told = plan
        .routes
        .iter()
        .filter(|choice| only.is_none_or(|only| *only == choice.route));
    told.map(|choice| {
        if let Some(condition) = &choice.filtered_by {
            return json!({ "route": choice.route, "outcome": "filtered", "condition": condition });
        }
        let deliveries = plan.deliveries.iter().filter(|delivery| delivery.route == choice.route);
        let deliveries = deliveries.map(|delivery| {
            let key = (delivery.id, 1);
            let ready = prepare(pipelines, &delivery.route, &delivery.target, event, delivery.item, key, now);
            let mut story = json!({ "target": delivery.target, "item": delivery.item });
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
            story["outcome"] = outcome.into();
            story["steps"] = steps.into();
            story
        });
        json!({ "route": choice.route, "outcome": "planned", "deliveries": deliveries.collect::<Value>() })
    })
    .collect()
}
