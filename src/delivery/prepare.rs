//! From an event to what a target is sent: the steps of the route, then the target's templates. Pure, and CPU work.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::event::{DeliveryId, Event, Item, Kind, Original};
use crate::fate::Parts;
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

/// Ready to be sent.
pub(crate) struct Prepared {
    /// What the steps did, in words.
    pub(crate) notes: Vec<String>,
    pub(crate) payload: Payload,
}

/// Why nothing is sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unready {
    /// A step found that there is nothing to deliver.
    Filtered { reason: String, notes: Vec<String> },
    /// It cannot be made; another try would end the same.
    Unfit { reason: String, notes: Vec<String> },
}

/// What steps made of an event.
pub(super) enum Reshaped {
    Ready(Work),
    Filtered { reason: String, notes: Vec<String> },
    Unfit { reason: String, notes: Vec<String> },
}

/// What the target would be sent, with nothing sent. `attempt` counts from 1.
pub(crate) fn prepare(
    pipelines: &Pipelines,
    route: &Name,
    target: &Name,
    event: &Arc<Event>,
    item: Option<Item>,
    delivery: (DeliveryId, u32),
    now: Timestamp,
) -> Result<Prepared, Unready> {
    let unfit = |reason, notes| Unready::Unfit { reason, notes };
    let steps = pipelines
        .routes
        .get(route)
        .ok_or_else(|| unfit(no_route(route), Vec::new()))?;
    let outlet = pipelines
        .targets
        .get(target)
        .ok_or_else(|| unfit(format!("there is no target `{target}`"), Vec::new()))?;
    match reshape(steps, event, item, None, &pipelines.lists, now) {
        Reshaped::Filtered { reason, notes } => Err(Unready::Filtered { reason, notes }),
        Reshaped::Unfit { reason, notes } => Err(Unready::Unfit { reason, notes }),
        Reshaped::Ready(work) => match write(outlet, &pipelines.lists, &work, delivery, now) {
            Ok(payload) => Ok(Prepared {
                notes: work.notes,
                payload,
            }),
            Err(reason) => Err(unfit(reason, work.notes)),
        },
    }
}

/// Takes the steps of a route.
pub(super) fn reshape(
    steps: &[Box<dyn Step>],
    event: &Arc<Event>,
    item: Option<Item>,
    parts: Option<Arc<Parts>>,
    lists: &Lists,
    now: Timestamp,
) -> Reshaped {
    let mut pictures = event.images.clone();
    if let Some(pair) = parts.as_ref().and_then(|parts| parts.pair.as_ref()) {
        pictures.extend(pair.pictures());
    }
    let mut work = Work {
        event: event.clone(),
        item,
        pictures,
        parts,
        notes: Vec::new(),
        lists: lists.clone(),
        now,
    };
    for step in steps {
        match step.take(&mut work) {
            Ok(Flow::Continue) => {}
            Ok(Flow::Filtered { reason }) => {
                return Reshaped::Filtered {
                    reason: format!("{}: {reason}", step.name()),
                    notes: work.notes,
                };
            }
            Err(error) => {
                return Reshaped::Unfit {
                    reason: error.to_string(),
                    notes: work.notes,
                };
            }
        }
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
    outlet
        .renderer
        .render(&work.event, work.item, &scope)
        .map_err(|error| error.to_string())
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

    fn taken(steps: &[Box<dyn Step>], item: Option<Item>) -> Reshaped {
        reshape(
            steps,
            &event(),
            item,
            None,
            &Lists::default(),
            Timestamp::UNIX_EPOCH,
        )
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
        let Reshaped::Ready(work) = taken(&steps, Some(Item::Plate(1))) else {
            panic!("both go on");
        };
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
        let Reshaped::Filtered { reason, notes } = taken(&steps, None) else {
            panic!("the first one filters");
        };
        assert_eq!(reason, "crop: no picture fits");
        assert_eq!(notes, ["crop"]);
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
        let Reshaped::Unfit { reason, .. } = taken(&steps, None) else {
            panic!("it fails");
        };
        assert_eq!(reason, "crop: the picture is broken");
    }

    #[test]
    fn a_route_that_is_gone_is_told_with_the_way_out() {
        let unready = prepare(
            &Pipelines::default(),
            &Name::new("old").unwrap(),
            &Name::new("vms").unwrap(),
            &event(),
            None,
            (DeliveryId::at(Timestamp::UNIX_EPOCH), 1),
            Timestamp::UNIX_EPOCH,
        );
        let Err(Unready::Unfit { reason, .. }) = unready else {
            panic!("there is no such route");
        };
        assert!(
            reason.contains("`old`") && reason.contains("camhook replay"),
            "{reason}"
        );
    }
}
