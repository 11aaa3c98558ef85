//! For tests of steps that are decided on arrival: the cases under `tests/fixtures/steps/`.
//!
//! A case is a folder of two files: `settings.yaml` (the step) and `story.json`, what happens one after the other, each
//! `at` so many seconds: an event that comes in, or without one only time that has passed; whether it is `filtered`, and
//! what is `told`, of each event the fields that matter; until when it is held (`not_before`), and what becomes a part of
//! what (`joins`: the ids, the way, and the reason).

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::{Built, Settings, Step};
use crate::decide::{Asked, Book, Decision};
use crate::event::{Event, EventId, Item};
use crate::fate::How;
use crate::lists::Lists;
use crate::template::Engine;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Moment {
    at: f64,
    #[serde(default)]
    event: Option<Value>,
    #[serde(default)]
    item: Option<Item>,
    #[serde(default)]
    filtered: Option<String>,
    #[serde(default)]
    told: Vec<Value>,
    #[serde(default)]
    not_before: Option<f64>,
    #[serde(default)]
    joins: Vec<Expected>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    part: EventId,
    #[serde(default)]
    item: Option<Item>,
    /// Of an event that is told its id cannot be known.
    #[serde(default)]
    into: Option<EventId>,
    how: How,
    why: String,
}

/// Lives through every case in the step's folder.
pub(super) fn every_story(step: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/steps")
        .join(step);
    let entries = std::fs::read_dir(&folder).unwrap();
    let mut cases: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    for path in cases {
        live_through(&path);
    }
}

fn live_through(path: &Path) {
    let read = |file: &str| std::fs::read_to_string(path.join(file)).unwrap();
    let settings: Settings = serde_saphyr::from_str(&read("settings.yaml")).unwrap();
    let Ok(Built::OnArrival(decider)) = settings.build(&Engine::new(&[])) else {
        panic!("{}: a step that is decided on arrival", path.display());
    };
    let story: Vec<Moment> = serde_json::from_str(&read("story.json")).unwrap();
    let (lists, mut book) = (Lists::default(), Book::default());
    for moment in story {
        let place = format!("{} at {}", path.display(), moment.at);
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_secs_f64(moment.at);
        let decision = match moment.event {
            None => Decision {
                told: decider.overdue(&mut book, now),
                ..Decision::default()
            },
            Some(event) => {
                let event = Arc::new(Event::from_json(event, now).unwrap());
                let asked = Asked {
                    event: &event,
                    item: moment.item,
                    lists: &lists,
                    now,
                };
                decider.decide(&asked, &mut book)
            }
        };
        let (filtered_by, told) = (decision.filtered_by, decision.told);
        assert_eq!(
            filtered_by.as_deref(),
            moment.filtered.as_deref(),
            "{place}"
        );
        let seconds = |at: Timestamp| at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64();
        assert_eq!(
            decision.not_before.map(seconds),
            moment.not_before,
            "{place}"
        );
        let is_told = |id: EventId| told.iter().any(|told| told.id == id);
        let joins = decision.joins.into_iter().map(|join| Expected {
            part: join.part.id,
            item: join.part.item,
            into: Some(join.into.0).filter(|id| !is_told(*id)),
            how: join.how,
            why: join.why,
        });
        assert_eq!(joins.collect::<Vec<_>>(), moment.joins, "{place}");
        let told: Vec<Value> = told.iter().map(Event::to_json).collect();
        assert_eq!(told.len(), moment.told.len(), "{place}: {told:#?}");
        for (told, expected) in told.iter().zip(&moment.told) {
            holds(&place, told, expected);
        }
    }
}

/// All that is expected is there; there may be more.
pub(super) fn holds(place: &str, told: &Value, expected: &Value) {
    match expected {
        Value::Object(fields) => {
            for (name, field) in fields {
                holds(&format!("{place}: {name}"), &told[name.as_str()], field);
            }
        }
        Value::Array(items) => {
            assert_eq!(told.as_array().map(Vec::len), Some(items.len()), "{place}");
            for (n, item) in items.iter().enumerate() {
                holds(&format!("{place}: {n}"), &told[n], item);
            }
        }
        _ => assert_eq!(told, expected, "{place}"),
    }
}

/// One step, or a list of them, that are taken on delivery.
pub(super) fn steps(case: &str, settings: &str) -> Vec<Box<dyn Step>> {
    let settings: Vec<Settings> = match settings.starts_with('-') {
        true => serde_saphyr::from_str(settings).unwrap(),
        false => vec![serde_saphyr::from_str(settings).unwrap()],
    };
    let build = |settings: Settings| match settings.build(&Engine::new(&[])) {
        Ok(Built::OnDelivery(step)) => step,
        _ => panic!("{case}: a step that is taken on delivery"),
    };
    settings.into_iter().map(build).collect()
}
