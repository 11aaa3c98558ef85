//! What a job is asked to do, as it comes from scripts and forms, and what is wrong with it.

use std::borrow::Cow;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::admin::api::event_id;
use crate::admin::steer::delivery_id;
use crate::admin::{Admin, Refusal};
use crate::fate::Fate;
use crate::name::Name;
use crate::store::{Action, JobOrder, Selection};

/// Deliveries or events that can be named one by one; each part of a job tells those that are left.
const NAMED_MAX: usize = 1_000;

const RATE_HELP: &str = "a rate such as 10/s, 100/m or 500/h";

/// What is to be done with many deliveries (`retry`, `discard`) or events (`replay`), and with which.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::admin) struct Wanted {
    /// `retry`, `discard` or `replay`.
    pub(in crate::admin) action: String,
    /// Deliveries to this target.
    pub(in crate::admin) target: Option<String>,
    /// Deliveries that failed for this reason, as `/api/v1/undelivered` tells it.
    pub(in crate::admin) reason: Option<String>,
    /// `dead`, `held` or `pending`; dead and held ones unless set.
    pub(in crate::admin) fate: Option<String>,
    /// Of the camera with this id.
    pub(in crate::admin) camera: Option<String>,
    /// Received by this source.
    pub(in crate::admin) source: Option<String>,
    /// Deliveries by this route; of a replay only what this route plans and has not planned before.
    pub(in crate::admin) route: Option<String>,
    /// With a plate that begins so.
    pub(in crate::admin) plate: Option<String>,
    /// Received at this moment or later.
    pub(in crate::admin) since: Option<Timestamp>,
    /// Received before this moment.
    pub(in crate::admin) until: Option<Timestamp>,
    /// Deliveries by name, at most 1,000.
    pub(in crate::admin) ids: Vec<String>,
    /// Events by name, at most 1,000.
    pub(in crate::admin) events: Vec<String>,
    /// All of them.
    pub(in crate::admin) all: bool,
    /// Of a replay only what goes to this target.
    pub(in crate::admin) to: Option<String>,
    /// At most so many in a time, such as `10/s`.
    pub(in crate::admin) rate: Option<String>,
    /// Tell only how many that would be.
    pub(in crate::admin) dry_run: bool,
    #[serde(skip)]
    pub(in crate::admin) by: Option<String>,
}

impl JsonSchema for Wanted {
    fn schema_name() -> Cow<'static, str> {
        "Order".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = |what: &str| json!({ "type": ["string", "null"], "description": what });
        let time = |what: &str| json!({ "type": ["string", "null"], "format": "date-time", "description": what });
        let ids = |what: &str| {
            let id = json!({ "type": "string", "format": "uuid" });
            json!({ "type": "array", "items": id, "maxItems": NAMED_MAX, "description": what })
        };
        let chosen = |texts: &[&str], list: &str| {
            let mut any: Vec<Value> = texts
                .iter()
                .map(|name| json!({ "required": [name], "properties": { *name: { "type": "string" } } }))
                .collect();
            any.push(json!({ "required": [list], "properties": { list: { "minItems": 1 } } }));
            any.push(json!({ "required": ["all"], "properties": { "all": { "const": true } } }));
            any
        };
        let (null_type, none) = (json!({ "type": "null" }), json!({ "maxItems": 0 }));
        let common = ["camera", "source", "plate", "since", "until"];
        let deliveries = [&["target", "reason", "fate", "route"][..], &common].concat();
        json_schema!({
            "description": "What is to be done with many deliveries (retry, discard) or events (replay), and with which.",
            "type": "object",
            "properties": {
                "action": { "type": "string", "enum": ["retry", "discard", "replay"] },
                "target": text("Deliveries to this target."),
                "reason": text("Deliveries that failed for this reason, as /api/v1/undelivered tells it."),
                "fate": { "enum": ["dead", "held", "pending", null], "description": "Dead and held ones unless set; pending is what waits to be tried again, or was never tried because its target is paused or no longer in routes.yaml." },
                "camera": text("Of the camera with this id."),
                "source": text("Received by this source."),
                "route": text("Deliveries by this route; of a replay only what this route plans and has not planned before."),
                "plate": text("With a plate that begins so."),
                "since": time("Received at this moment or later."),
                "until": time("Received before this moment."),
                "ids": ids("Deliveries by name."),
                "events": ids("Events by name."),
                "all": { "type": "boolean", "description": "All of them." },
                "to": text("Of a replay only what goes to this target."),
                "rate": { "type": ["string", "null"], "pattern": RATE, "description": "At most so many in a time." },
                "dry_run": { "type": "boolean", "description": "Tell only how many that would be." },
            },
            "required": ["action"],
            "additionalProperties": false,
            "oneOf": [
                {
                    "properties": { "action": { "enum": ["retry", "discard"] }, "to": null_type, "events": none },
                    "anyOf": chosen(&deliveries, "ids"),
                },
                {
                    "properties": { "action": { "const": "replay" }, "target": null_type, "reason": null_type, "fate": null_type, "ids": none },
                    "anyOf": chosen(&common, "events"),
                },
            ],
            "examples": [{ "action": "retry", "target": "vms", "rate": "10/s", "dry_run": true }],
        })
    }
}

impl Admin {
    /// # Errors
    /// When it is not clear what is to be done, or to what.
    pub(in crate::admin) async fn order(&self, wanted: Wanted) -> Result<JobOrder, Refusal> {
        let action = match wanted.action.as_str() {
            "retry" => Action::Retry,
            "discard" => Action::Discard,
            "replay" => Action::Replay,
            _ => return Err(Refusal::bad("`action` is one of: retry, discard, replay")),
        };
        let of_events = action == Action::Replay;
        let misplaced = match of_events {
            true => [
                ("target", wanted.target.is_some()),
                ("reason", wanted.reason.is_some()),
                ("fate", wanted.fate.is_some()),
                ("ids", !wanted.ids.is_empty()),
            ],
            false => [
                ("to", wanted.to.is_some()),
                ("events", !wanted.events.is_empty()),
                ("", false),
                ("", false),
            ],
        };
        if let Some((name, _)) = misplaced.iter().find(|(_, there)| *there) {
            let instead = match of_events {
                true => {
                    "a replay takes events: say `events`, `since`, `until`, `camera`, `source`, `plate`, and `route` and `to`"
                }
                false => {
                    "it takes deliveries: say `ids`, `target`, `reason`, `fate`, `camera`, `source`, `route`, `plate`, `since`, `until`"
                }
            };
            return Err(Refusal::bad(format!(
                "`{name}` does not go with `{}`: {instead}",
                wanted.action
            )));
        }
        if let Some(rate) = &wanted.rate {
            check_rate(rate)?;
        }
        for named in [&wanted.ids, &wanted.events] {
            if named.len() > NAMED_MAX {
                return Err(Refusal::bad(format!(
                    "at most {NAMED_MAX} can be named at once; choose them by `target`, `camera`, `since` and the like"
                )));
            }
        }
        if let Some(plate) = &wanted.plate
            && !plate.chars().any(char::is_alphanumeric)
        {
            return Err(Refusal::missing(
                "say how the `plate` begins, with letters or digits",
            ));
        }
        let fates = match &wanted.fate {
            Some(fate) => vec![fate_word(fate)?],
            // What is named is meant as it is; what waits to be tried again anyway is not meant by the rest.
            None if of_events || !wanted.ids.is_empty() => Vec::new(),
            None => vec![Fate::Dead, Fate::Held],
        };
        let target = match &wanted.target {
            Some(target) => Some(self.target(target).await?.to_string()),
            None => None,
        };
        let to = match &wanted.to {
            Some(to) => Some(self.target(to).await?),
            None => None,
        };
        if let Some(route) = wanted.route.as_ref().filter(|_| of_events) {
            self.check_route(route)?;
        }
        let deliveries = wanted.ids.iter().map(|id| delivery_id(id));
        let events = wanted.events.iter().map(|id| event_id(id));
        let which = Selection {
            target,
            reason: wanted.reason,
            fates,
            camera: wanted.camera,
            source: wanted.source,
            route: wanted.route,
            plate: wanted.plate,
            since: wanted.since,
            until: wanted.until,
            deliveries: deliveries.collect::<Result<_, _>>()?,
            events: events.collect::<Result<_, _>>()?,
        };
        let said = Selection {
            fates: Vec::new(),
            route: which.route.clone().filter(|_| !of_events),
            ..which.clone()
        };
        if said == Selection::default() && wanted.fate.is_none() && !wanted.all {
            return Err(Refusal::bad(match of_events {
                true => {
                    "say which events: `since`, `until`, `camera`, `source`, `plate`, `events`, or `all: true`"
                }
                false => {
                    "say which deliveries: `target`, `reason`, `fate`, `camera`, `source`, `route`, `plate`, `since`, `until`, `ids`, or `all: true`"
                }
            }));
        }
        Ok(JobOrder {
            action,
            which,
            to,
            rate: wanted.rate.map(|rate| rate.trim_end().to_owned()),
            by: wanted.by,
        })
    }

    fn check_route(&self, route: &str) -> Result<(), Refusal> {
        let known = self.planner.routes();
        if known.iter().any(|known| known.as_str() == route) {
            return Ok(());
        }
        let names: Vec<&str> = known.iter().map(Name::as_str).collect();
        Err(Refusal::missing(format!(
            "no route named `{route}`; there are: {}",
            names.join(", ")
        )))
    }

    /// A job is written down, and a plate is not: it can be forgotten on request. So what has the plate is named.
    pub(super) async fn without_plate(&self, mut order: JobOrder) -> Result<JobOrder, Refusal> {
        if order.which.plate.is_none() {
            return Ok(order);
        }
        let preview = self.preview(&order, NAMED_MAX + 1).await?;
        let found = preview.samples.len().max(preview.events.len());
        if found > NAMED_MAX || !preview.is_all {
            return Err(Refusal::bad(format!(
                "more than {NAMED_MAX} begin so: give more of the plate, or choose by `camera`, `since` and the like"
            )));
        }
        let fates = order.which.fates;
        order.which = Selection {
            fates,
            route: order.which.route.filter(|_| order.action == Action::Replay),
            deliveries: preview.samples.iter().map(|one| one.delivery.id).collect(),
            events: preview.events,
            ..Selection::default()
        };
        if found == 0 {
            return Err(Refusal::missing(
                "nothing of a plate that begins so is there for that",
            ));
        }
        Ok(order)
    }
}

/// What [`check_rate`] takes.
const RATE: &str = "^[1-9][0-9]{0,5}/(s|m|h)$";

/// Narrower than rates in routes.yaml, so that it can be told by a pattern.
fn check_rate(rate: &str) -> Result<(), Refusal> {
    let plain = rate.strip_suffix('\n').unwrap_or(rate); // to some a pattern's end is before the last line's
    let told = plain.split_once('/').is_some_and(|(count, per)| {
        let digits = count.len() <= 6 && count.bytes().all(|byte| byte.is_ascii_digit());
        digits && !count.is_empty() && !count.starts_with('0') && matches!(per, "s" | "m" | "h")
    });
    match told {
        true => Ok(()),
        false => Err(Refusal::bad(format!(
            "`rate: {rate}`: expected {RATE_HELP}"
        ))),
    }
}

fn fate_word(word: &str) -> Result<Fate, Refusal> {
    [Fate::Dead, Fate::Held, Fate::Pending]
        .into_iter()
        .find(|fate| fate.as_str() == word)
        .ok_or_else(|| {
            Refusal::bad(format!(
                "`fate: {word}`: expected dead, held, or pending (waiting to be tried again)"
            ))
        })
}

impl FromStr for Wanted {
    type Err = Refusal;

    /// A form of ours.
    fn from_str(form: &str) -> Result<Self, Refusal> {
        let mut wanted = Self::default();
        for (name, value) in form_urlencoded::parse(form.as_bytes()) {
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            let text = || Some(value.to_owned());
            let moment = || {
                let moment = value.parse().map_err(|_| {
                    Refusal::bad(format!(
                        "`{name}`: `{value}` is no time such as 2026-01-31T12:00:00Z"
                    ))
                });
                moment.map(Some)
            };
            match &*name {
                "action" => value.clone_into(&mut wanted.action),
                "target" => wanted.target = text(),
                "reason" => wanted.reason = text(),
                "fate" => wanted.fate = text(),
                "camera" => wanted.camera = text(),
                "source" => wanted.source = text(),
                "route" => wanted.route = text(),
                "plate" => wanted.plate = text(),
                "since" => wanted.since = moment()?,
                "until" => wanted.until = moment()?,
                "id" => wanted.ids.push(value.to_owned()),
                "event" => wanted.events.push(value.to_owned()),
                "all" => wanted.all = true,
                "to" => wanted.to = text(),
                "rate" => wanted.rate = text(),
                _ => {} // the form's own
            }
        }
        Ok(wanted)
    }
}
