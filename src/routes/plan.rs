//! Decides what becomes of one event.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Each, Route};
use crate::event::{DeliveryId, Event, Item};
use crate::fate::{Choice, Plan, Planned};
use crate::lists::Lists;
use crate::name::Name;
use crate::template::{Given, Scope};

/// Decides what becomes of one event. `only` restricts the plan to this target (replay `--to`): routes that do not lead
/// there are not told.
pub(crate) fn plan(
    routes: &[Route],
    event: &Arc<Event>,
    lists: &Lists,
    now: Timestamp,
    only: Option<&Name>,
) -> Plan {
    let mut plan = Plan::default();
    // Shared by all routes, so that a vendor's document is parsed once at most.
    let scope = Scope::new(&Given {
        event,
        item: None,
        pictures: &[],
        lists,
        with: None,
        delivery: None,
        now,
    });
    for route in routes {
        let taken = route
            .from
            .as_ref()
            .is_none_or(|from| from.contains(&event.source));
        let leads = only.is_none_or(|only| route.to.contains(only));
        if taken && leads {
            let (chosen, filtered_by) = choose(route, event, &scope);
            plan.routes.push(Choice {
                route: route.name.clone(),
                filtered_by,
            });
            for item in chosen {
                let targets = route
                    .to
                    .iter()
                    .filter(|target| only.is_none_or(|only| only == *target));
                plan.deliveries.extend(targets.map(|target| Planned {
                    id: DeliveryId::at(now),
                    route: route.name.clone(),
                    target: target.clone(),
                    item,
                }));
            }
        }
    }
    plan
}

/// What is delivered, each to all targets, or else who said no.
fn choose(route: &Route, event: &Event, scope: &Scope) -> (Vec<Option<Item>>, Option<String>) {
    let Some(each) = route.each else {
        return match &route.when {
            Some(when) if !when.holds(scope) => (Vec::new(), Some(when.source().to_owned())),
            _ => (vec![None], None),
        };
    };
    let items = items(each, event);
    if items.is_empty() {
        let nothing = format!("no {} in the event", each.as_str());
        return (Vec::new(), Some(nothing));
    }
    let Some(when) = &route.when else {
        return (items.into_iter().map(Some).collect(), None);
    };
    let chosen: Vec<Option<Item>> = items
        .into_iter()
        .filter(|item| when.holds(&scope.about(*item)))
        .map(Some)
        .collect();
    let filtered_by = chosen.is_empty().then(|| when.source().to_owned());
    (chosen, filtered_by)
}

/// A vehicle whose plate was not read is no plate.
fn items(each: Each, event: &Event) -> Vec<Item> {
    match each {
        Each::Plate => event
            .plates
            .iter()
            .enumerate()
            .filter(|(_, plate)| {
                plate
                    .text
                    .as_deref()
                    .is_some_and(|text| !text.trim().is_empty())
            })
            .map(|(n, _)| Item::Plate(n))
            .collect(),
        Each::Face => (0..event.faces.len()).map(Item::Face).collect(),
        Each::Object => (0..event.objects.len()).map(Item::Object).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Kind, Object, Original, Plate, Raw, Score};
    use crate::lists::List;
    use crate::routes::Settings;
    use crate::template::Engine;

    fn event() -> Arc<Event> {
        let name = Name::new("gate").unwrap();
        let mut event = Event::new(name, "generic", Kind::Plate, Arc::new(Original::default()));
        event.plates = [Some("AB123C"), None, Some("XY99"), Some(" ")]
            .into_iter()
            .enumerate()
            .map(|(n, text)| Plate {
                text: text.map(str::to_owned),
                score: Score::from_fraction(0.9 - 0.2 * n as f64),
                ..Plate::default()
            })
            .collect();
        event.objects = vec![Object::default()];
        event.raw = Raw::from_value(&serde_json::json!({ "lane": 3 }));
        Arc::new(event)
    }

    fn lists() -> Lists {
        let residents = List::from_csv("plate,owner\nab-123c,Max\n", "plate").unwrap();
        Lists::new([("residents".to_owned(), residents)])
    }

    fn route(yaml: &str) -> Route {
        let settings: Settings = serde_saphyr::from_str(yaml).unwrap();
        settings
            .build(&Engine::new(&["residents".to_owned()]))
            .unwrap()
    }

    fn plan_of(yaml: &str, only: Option<&str>) -> (Vec<Option<String>>, Vec<String>) {
        let only = only.map(|name| Name::new(name).unwrap());
        let plan = plan(
            &[route(yaml)],
            &event(),
            &lists(),
            Timestamp::UNIX_EPOCH,
            only.as_ref(),
        );
        let choices = plan.routes.into_iter().map(|choice| choice.filtered_by);
        let deliveries = plan
            .deliveries
            .into_iter()
            .map(|planned| match planned.item {
                Some(item) => format!("{} {item}", planned.target),
                None => planned.target.to_string(),
            });
        (choices.collect(), deliveries.collect())
    }

    #[test]
    fn plans_one_delivery_for_each_item_and_target() {
        for (yaml, deliveries) in [
            ("{ name: r, to: [a, b] }", &["a", "b"][..]),
            ("{ name: r, from: [gate], to: [a] }", &["a"]),
            ("{ name: r, from: [door], to: [a] }", &[]),
            ("{ name: r, when: event.raw.lane == 3, to: [a] }", &["a"]),
            (
                "{ name: r, each: plate, to: [a, b] }",
                &["a plates/0", "b plates/0", "a plates/2", "b plates/2"],
            ),
            (
                "{ name: r, each: plate, when: plate.score >= 0.8, to: [a] }",
                &["a plates/0"],
            ),
            (
                "{ name: r, each: plate, when: not plate.text in lists.residents, to: [a] }",
                &["a plates/2"],
            ),
            ("{ name: r, each: object, to: [a] }", &["a objects/0"]),
        ] {
            assert_eq!(plan_of(yaml, None).1, deliveries, "{yaml}");
        }
    }

    #[test]
    fn tells_who_said_no() {
        for (yaml, said) in [
            (
                "{ name: r, when: event.dwell.seconds > 5, to: [a] }",
                "event.dwell.seconds > 5",
            ),
            (
                "{ name: r, each: plate, when: plate.speed > 5, to: [a] }",
                "plate.speed > 5",
            ),
            (
                "{ name: r, each: face, when: face.similarity > 0, to: [a] }",
                "no face in the event",
            ),
        ] {
            assert_eq!(plan_of(yaml, None), (vec![Some(said.to_owned())], vec![]));
        }
        assert_eq!(plan_of("{ name: r, to: [a] }", None).0, [None]);
        assert!(
            plan_of("{ name: r, from: [door], to: [a] }", None)
                .0
                .is_empty()
        );
    }

    #[test]
    fn a_replay_to_one_target_tells_only_the_routes_that_lead_there() {
        let route = "{ name: r, to: [a, b] }";
        assert_eq!(
            plan_of(route, Some("b")),
            (vec![None], vec!["b".to_owned()])
        );
        assert_eq!(plan_of(route, Some("c")), (vec![], vec![]));
    }

    #[test]
    fn a_mistake_in_a_condition_tells_where_it_stands() {
        let settings: Settings =
            serde_saphyr::from_str("{ name: r, when: plate.scor > 1, to: [a] }").unwrap();
        let mistake = settings.build(&Engine::new(&[])).err().unwrap();
        assert_eq!(mistake.range, 6..10);
        assert!(serde_saphyr::from_str::<Settings>("{ name: r, whn: x, to: [a] }").is_err());
    }
}
