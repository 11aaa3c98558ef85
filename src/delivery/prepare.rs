//! From an event to what a target is sent: the steps of the route, then the target's templates. Pure, and CPU work.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::event::{DeliveryId, Event, Item, Kind, Original};
use crate::fate::{Parts, Planned};
use crate::lists::Lists;
use crate::name::Name;
use crate::payload::Payload;
use crate::render::Renderer;
use crate::secret::Blot;
use crate::steps::{Flow, Step, Work};
use crate::targets::Target;
use crate::template::{Given, Scope};

use super::settings::Settings;
use super::with::With;

/// What the config of the moment says about delivering. Cheap to clone; a reload makes a new one.
#[derive(Clone, Default)]
pub(crate) struct Pipelines {
    /// Each route's steps, in order.
    pub(crate) routes: HashMap<Name, Arc<[Box<dyn Step>]>>,
    pub(crate) targets: HashMap<Name, Outlet>,
    pub(crate) lists: Lists,
    /// Blotted out of everything that is recorded about attempts.
    pub(crate) blot: Blot,
}

/// One target: how its payloads are written and sent, and when.
#[derive(Clone)]
pub(crate) struct Outlet {
    pub(crate) renderer: Arc<Renderer>,
    pub(crate) target: Arc<dyn Target>,
    /// A preset's settings.
    pub(crate) with: Option<Arc<With>>,
    pub(crate) settings: Settings,
}

/// Why nothing is sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unready {
    /// A step found that there is nothing to deliver.
    Filtered(String),
    /// It cannot be made; another try would end the same.
    Unfit(String),
}

/// What steps made of an event.
pub(super) enum Reshaped {
    Ready(Work),
    Filtered(String),
    Unfit(String),
}

/// What the target would be sent at the first attempt, with nothing sent. `parts` are what went into the delivery besides
/// its event; `watch` is shown what each step leaves. Pictures with more than `pixels_max` pixels are not decoded.
pub(crate) fn prepare(
    pipelines: &Pipelines,
    event: &Arc<Event>,
    planned: &Planned,
    parts: Option<Arc<Parts>>,
    (now, pixels_max): (Timestamp, u64),
    watch: impl FnMut(&'static str, &Work),
) -> Result<Payload, Unready> {
    let Planned {
        id,
        route,
        target,
        item,
        not_before: _,
    } = planned;
    let Some(steps) = pipelines.routes.get(route) else {
        return Err(Unready::Unfit(no_route(route)));
    };
    let Some(outlet) = pipelines.targets.get(target) else {
        let reason = format!("there is no target `{target}`");
        return Err(Unready::Unfit(reason));
    };
    let lists = &pipelines.lists;
    let means = Means {
        lists,
        now,
        pixels_max,
    };
    match reshape(steps, event, *item, parts, &means, watch) {
        Reshaped::Filtered(reason) => Err(Unready::Filtered(reason)),
        Reshaped::Unfit(reason) => Err(Unready::Unfit(reason)),
        Reshaped::Ready(work) => write(outlet, lists, &work, (*id, 1), now).map_err(Unready::Unfit),
    }
}

/// What `watch` is told of the end, where boxes and pictures get their last form.
pub(super) const AFTER_ALL: &str = "after all steps";

/// What steps work with besides the event.
pub(super) struct Means<'a> {
    pub(super) lists: &'a Lists,
    pub(super) now: Timestamp,
    /// Of one picture, as many as there is memory for.
    pub(super) pixels_max: u64,
}

/// Why there may have been nothing to work on.
fn removed(event: &Event) -> String {
    let told = |rule| format!(" (its pictures were removed by `{rule}`)");
    event.removed_by().map(told).unwrap_or_default()
}

/// Takes the steps of a route; `watch` is shown what each of them leaves.
pub(super) fn reshape(
    steps: &[Box<dyn Step>],
    event: &Arc<Event>,
    item: Option<Item>,
    parts: Option<Arc<Parts>>,
    means: &Means<'_>,
    mut watch: impl FnMut(&'static str, &Work),
) -> Reshaped {
    let mut work = Work::new(event.clone(), item, means.lists.clone(), means.now);
    work.bound(means.pixels_max);
    if let Some(rule) = event.removed_by() {
        work.notes.push(format!(
            "its pictures and the request as it came were removed by `{rule}`"
        ));
    }
    if let Some(pair) = parts.as_ref().and_then(|parts| parts.pair.as_ref()) {
        work.pictures.extend(pair.pictures());
    }
    work.parts = parts;
    for step in steps {
        let flow = step.take(&mut work);
        watch(step.name(), &work);
        match flow {
            Ok(Flow::Continue) => {}
            Ok(Flow::Filtered { reason }) => {
                let why = removed(event);
                return Reshaped::Filtered(format!("{}: {reason}{why}", step.name()));
            }
            Err(error) => return Reshaped::Unfit(format!("{error}{}", removed(event))),
        }
    }
    let (event, notes) = (work.event.clone(), work.notes.len());
    if let Err(reason) = work.finish() {
        return Reshaped::Unfit(reason);
    }
    if !Arc::ptr_eq(&event, &work.event) || notes < work.notes.len() {
        watch(AFTER_ALL, &work);
    }
    Reshaped::Ready(work)
}

/// Writes what the target is sent.
pub(super) fn write(
    outlet: &Outlet,
    lists: &Lists,
    work: &Work,
    delivery: (DeliveryId, u32),
    now: Timestamp,
) -> Result<Payload, String> {
    let scope = |with: Option<&serde_json::Value>| {
        Scope::new(&Given {
            event: &work.event,
            item: work.item,
            pictures: &work.pictures,
            lists,
            with,
            delivery: Some(delivery),
            now,
        })
        .made_of(work.parts.as_ref())
    };
    let scope = match &outlet.with {
        Some(with) => scope(Some(&with.values(&work.event, &scope(None))?)),
        None => scope(None),
    };
    let payload = outlet
        .renderer
        .render(&work.event, work.item, &scope)
        .map_err(|error| error.to_string())?;
    match outlet.target.refuses(&payload) {
        Some(why) => Err(why),
        None => Ok(payload),
    }
}

/// The request that only asks whether a system is there and takes the credentials, if its target has one. It knows no event:
/// templates see an empty one.
pub(crate) fn check(
    renderer: &Renderer,
    with: Option<&With>,
    now: Timestamp,
) -> Result<Option<Payload>, String> {
    let name = Name::new("check").map_err(|error| error.to_string())?;
    let event = Arc::new(Event::new(
        name,
        "",
        Kind::Other,
        Arc::new(Original::default()),
    ));
    let lists = Lists::default();
    let scope = |with: Option<&serde_json::Value>| {
        Scope::new(&Given {
            event: &event,
            item: None,
            pictures: &[],
            lists: &lists,
            with,
            delivery: None,
            now,
        })
    };
    let scope = match with {
        Some(with) => scope(Some(&with.without_camera(&scope(None))?)),
        None => scope(None),
    };
    renderer
        .check(&event, &scope)
        .map_err(|error| error.to_string())
}

pub(super) fn no_route(route: &Name) -> String {
    format!("route `{route}` is no longer in routes.yaml; `camhook replay` plans the event anew")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Role;
    use crate::steps::StepError;

    /// Notes its word, and then does as it is told.
    struct Told(&'static str, fn() -> Result<Flow, StepError>);

    impl Step for Told {
        fn name(&self) -> &'static str {
            self.0
        }
        fn take(&self, work: &mut Work) -> Result<Flow, StepError> {
            work.notes.push(self.0.to_owned());
            self.1()
        }
    }

    fn event() -> Arc<Event> {
        Arc::new(Event::new(
            Name::new("gate").unwrap(),
            "generic",
            Kind::Plate,
            Arc::new(Original::default()),
        ))
    }

    /// What came of the steps, and what each of them had noted by then.
    fn taken(steps: &[Box<dyn Step>]) -> (Reshaped, Vec<Vec<String>>) {
        let (lists, now) = (Lists::default(), Timestamp::UNIX_EPOCH);
        let mut seen = Vec::new();
        let watch = |_: &'static str, work: &Work| seen.push(work.notes.clone());
        let means = Means {
            lists: &lists,
            now,
            pixels_max: u64::MAX,
        };
        let reshaped = reshape(steps, &event(), Some(Item::Plate(1)), None, &means, watch);
        (reshaped, seen)
    }

    fn go_on() -> Result<Flow, StepError> {
        Ok(Flow::Continue)
    }

    #[test]
    fn takes_the_steps_in_order() {
        let steps: [Box<dyn Step>; 2] = [
            Box::new(Told("crop", go_on)),
            Box::new(Told("annotate", go_on)),
        ];
        let (Reshaped::Ready(work), seen) = taken(&steps) else {
            panic!("both go on");
        };
        assert_eq!(seen, [vec!["crop"], vec!["crop", "annotate"]]);
        assert_eq!(work.notes, ["crop", "annotate"]);
        assert_eq!(work.item, Some(Item::Plate(1)));
        assert!(
            work.pictures
                .iter()
                .all(|picture| picture.role == Role::FRAME)
        );
    }

    #[test]
    fn stops_at_the_step_that_filters_and_says_which() {
        let filter = || {
            Ok(Flow::Filtered {
                reason: "no picture fits".to_owned(),
            })
        };
        let steps: [Box<dyn Step>; 2] = [
            Box::new(Told("crop", filter)),
            Box::new(Told("annotate", go_on)),
        ];
        let (Reshaped::Filtered(reason), seen) = taken(&steps) else {
            panic!("the first one filters");
        };
        assert_eq!(reason, "crop: no picture fits");
        assert_eq!(seen, [["crop"]]);
    }

    #[test]
    fn says_which_step_failed() {
        let fail = || {
            Err(StepError {
                step: "crop",
                reason: "the picture is broken".to_owned(),
            })
        };
        let steps: [Box<dyn Step>; 1] = [Box::new(Told("crop", fail))];
        let (Reshaped::Unfit(reason), _) = taken(&steps) else {
            panic!("it fails");
        };
        assert_eq!(reason, "crop: the picture is broken");
    }

    #[test]
    fn a_route_that_is_gone_is_told_with_the_way_out() {
        let planned = Planned {
            id: DeliveryId::at(Timestamp::UNIX_EPOCH),
            route: Name::new("old").unwrap(),
            target: Name::new("vms").unwrap(),
            item: None,
            not_before: None,
        };
        let (pipelines, now) = (Pipelines::default(), Timestamp::UNIX_EPOCH);
        let unready = prepare(
            &pipelines,
            &event(),
            &planned,
            None,
            (now, u64::MAX),
            |_, _| {},
        );
        let Err(Unready::Unfit(reason)) = unready else {
            panic!("there is no such route");
        };
        assert!(
            reason.contains("`old`") && reason.contains("camhook replay"),
            "{reason}"
        );
    }
}
