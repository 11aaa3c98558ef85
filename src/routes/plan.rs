//! Decides what becomes of one event.
//!
//! [`plan`] only looks at conditions: for replays, which must not disturb what steps remember, and let pass what was
//! decided once. [`decide`] is for events that come in: it asks the deciding steps too.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Each, Route};
use crate::decide::{Asked, Book, Memory, Written};
use crate::event::{DeliveryId, Event, Item};
use crate::fate::{Choice, Joined, LeftOut, Plan, Planned};
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
    let scope = scope(event, lists, now);
    for route in routes.iter().filter(|route| route.takes(event)) {
        if only.is_none_or(|only| route.to.contains(only)) {
            let (chosen, filtered_by) = choose(route, event, &scope, lists);
            let chosen = chosen.into_iter().map(Chosen::now).collect();
            add(&mut plan, route, chosen, filtered_by, now, only);
        }
    }
    plan
}

/// Shared by all routes, so that a vendor's document is parsed once at most.
fn scope(event: &Arc<Event>, lists: &Lists, now: Timestamp) -> Scope {
    Scope::new(&Given {
        event,
        item: None,
        pictures: &[],
        lists,
        with: None,
        delivery: None,
        now,
    })
}

/// Decides what becomes of an event that comes in, and of those that steps tell beside it, which follow it.
pub(crate) fn decide(
    routes: &[Route],
    event: Arc<Event>,
    lists: &Lists,
    now: Timestamp,
    memory: &Memory,
    written: &mut Written,
) -> Vec<(Arc<Event>, Plan)> {
    let mut plan = Plan::default();
    let mut told = Vec::new();
    let scope = scope(&event, lists, now);
    for route in routes.iter().filter(|route| route.takes(&event)) {
        let (chosen, mut filtered_by) = choose(route, &event, &scope, lists);
        let mut left_out = Vec::new();
        let mut chosen: Vec<Chosen> = chosen.into_iter().map(Chosen::now).collect();
        if !route.deciders.is_empty() && !chosen.is_empty() {
            let mut passing = Passing::new(route, lists, now, memory, written);
            (filtered_by, left_out) = passing.sift(&event, &mut chosen, 0);
            told.append(&mut passing.told);
            plan.joined.append(&mut passing.joined);
        }
        add(&mut plan, route, chosen, filtered_by, now, None);
        note(&mut plan, left_out);
    }
    drop(scope);
    let mut all = Vec::with_capacity(1 + told.len());
    all.push((event, plan));
    all.append(&mut told);
    all
}

/// What the routes' steps have to tell because time has passed, planned.
pub(crate) fn overdue(
    routes: &[Route],
    lists: &Lists,
    now: Timestamp,
    memory: &Memory,
    written: &mut Written,
) -> Vec<(Arc<Event>, Plan)> {
    let mut told = Vec::new();
    for route in routes {
        let mut passing = Passing::new(route, lists, now, memory, written);
        for (n, (step, decider)) in route.deciders.iter().enumerate() {
            let overdue = passing.open(step, |book| decider.overdue(book, now));
            for event in overdue {
                passing.follow(event, n + 1);
            }
        }
        told.append(&mut passing.told);
    }
    told
}

/// What goes on to the targets.
struct Chosen {
    item: Option<Item>,
    not_before: Option<Timestamp>,
}

impl Chosen {
    fn now(item: Option<Item>) -> Self {
        Self {
            item,
            not_before: None,
        }
    }
}

/// An event on its way through the deciding steps of one route.
struct Passing<'a> {
    route: &'a Route,
    lists: &'a Lists,
    now: Timestamp,
    memory: &'a Memory,
    written: &'a mut Written,
    told: Vec<(Arc<Event>, Plan)>,
    joined: Vec<Joined>,
}

impl<'a> Passing<'a> {
    fn new(
        route: &'a Route,
        lists: &'a Lists,
        now: Timestamp,
        memory: &'a Memory,
        written: &'a mut Written,
    ) -> Self {
        Self {
            route,
            lists,
            now,
            memory,
            written,
            told: Vec::new(),
            joined: Vec::new(),
        }
    }

    fn open<R>(&mut self, step: &str, ask: impl FnOnce(&mut Book) -> R) -> R {
        let route = &self.route.name;
        self.memory.open(route, step, self.now, self.written, ask)
    }

    /// Leaves what the steps let pass, from the given one on; when that is nothing, returns who said no, else the items that
    /// are left out.
    fn sift(
        &mut self,
        event: &Arc<Event>,
        chosen: &mut Vec<Chosen>,
        from: usize,
    ) -> (Option<String>, Vec<LeftOut>) {
        let mut said_no = None;
        let mut left_out = Vec::new();
        chosen.retain_mut(|one| match self.ask(event, one.item, from) {
            Ok(not_before) => {
                one.not_before = not_before;
                true
            }
            Err(reason) => {
                if let Some(item) = one.item {
                    let reason = reason.clone();
                    left_out.push(LeftOut { item, reason });
                }
                said_no = Some(reason);
                false
            }
        });
        match chosen.is_empty() {
            true => (said_no, Vec::new()),
            false => (None, left_out),
        }
    }

    /// Asks the steps about one item; returns until when it is held, or who said no.
    fn ask(
        &mut self,
        event: &Arc<Event>,
        item: Option<Item>,
        from: usize,
    ) -> Result<Option<Timestamp>, String> {
        let mut not_before = None;
        for (n, (step, decider)) in self.route.deciders.iter().enumerate().skip(from) {
            let asked = Asked {
                event,
                item,
                lists: self.lists,
                now: self.now,
            };
            let decision = self.open(step, |book| decider.decide(&asked, book));
            for told in decision.told {
                self.follow(told, n + 1);
            }
            self.joined
                .extend(decision.joins.into_iter().map(|join| Joined {
                    route: self.route.name.clone(),
                    part: join.part,
                    into: join.into.0,
                    into_item: join.into.1,
                    how: join.how,
                    why: format!("{}: {}", decider.name(), join.why),
                }));
            if let Some(reason) = decision.filtered_by {
                return Err(format!("{}: {reason}", decider.name()));
            }
            not_before = not_before.max(decision.not_before);
        }
        Ok(not_before)
    }

    /// An event that a step told goes through the steps behind it. The condition held for what it was told of.
    fn follow(&mut self, event: Event, from: usize) {
        let event = Arc::new(event);
        let mut chosen: Vec<Chosen> = match self.route.each {
            None => vec![Chosen::now(None)],
            Some(each) => {
                let items = items(each, &event).into_iter();
                items.map(|item| Chosen::now(Some(item))).collect()
            }
        };
        let before = std::mem::take(&mut self.joined);
        let (filtered_by, left_out) = self.sift(&event, &mut chosen, from);
        let mut plan = Plan {
            joined: std::mem::replace(&mut self.joined, before),
            ..Plan::default()
        };
        add(&mut plan, self.route, chosen, filtered_by, self.now, None);
        note(&mut plan, left_out);
        self.told.push((event, plan));
    }
}

/// Notes what the last route left out.
fn note(plan: &mut Plan, left_out: Vec<LeftOut>) {
    if let Some(choice) = plan.routes.last_mut() {
        choice.left_out = left_out;
    }
}

/// Adds what a route decided.
fn add(
    plan: &mut Plan,
    route: &Route,
    chosen: Vec<Chosen>,
    filtered_by: Option<String>,
    now: Timestamp,
    only: Option<&Name>,
) {
    plan.routes.push(Choice {
        route: route.name.clone(),
        filtered_by,
        left_out: Vec::new(),
    });
    for one in chosen {
        let targets = route
            .to
            .iter()
            .filter(|target| only.is_none_or(|only| only == *target));
        plan.deliveries.extend(targets.map(|target| Planned {
            id: DeliveryId::at(now),
            route: route.name.clone(),
            target: target.clone(),
            item: one.item,
            not_before: one.not_before,
        }));
    }
}

/// What is delivered, each to all targets, or else who said no.
fn choose(
    route: &Route,
    event: &Event,
    scope: &Scope,
    lists: &Lists,
) -> (Vec<Option<Item>>, Option<String>) {
    let no = |told: &str| (Vec::new(), Some(route.shown(told)));
    let only = route.only.as_ref();
    if let Some(told) = only.and_then(|only| only.of_event(event, lists)) {
        return no(&told);
    }
    let Some(each) = route.each else {
        return match &route.when {
            Some(when) if !when.holds(scope) => no(&when.why(scope)),
            _ => (vec![None], None),
        };
    };
    let items = items(each, event);
    if items.is_empty() {
        return no(&format!("no {} in the event", each.as_str()));
    }
    let fits = |item: &Item| {
        only.is_none_or(|only| only.fits(event, *item, lists))
            && (route.when.as_ref()).is_none_or(|when| when.holds(&scope.about(*item)))
    };
    let chosen: Vec<Option<Item>> = items.iter().copied().filter(fits).map(Some).collect();
    if chosen.is_empty() {
        return no(&why_none(route, event, scope, lists, &items));
    }
    (chosen, None)
}

/// Who said no to the item that came furthest.
fn why_none(route: &Route, event: &Event, scope: &Scope, lists: &Lists, items: &[Item]) -> String {
    let mut furthest: Option<(usize, Item, String)> = None;
    for item in items {
        let word = route.only.as_ref();
        let word = word.and_then(|only| only.of_item(event, *item, lists));
        let (asked, told) = match (word, &route.when) {
            (Some(no), _) => (no.asked, no.told),
            (None, Some(when)) => (usize::MAX, when.why(&scope.about(*item))),
            (None, None) => continue,
        };
        if furthest.as_ref().is_none_or(|(most, ..)| asked > *most) {
            furthest = Some((asked, *item, told));
        }
        if asked == usize::MAX {
            break; // to tell of the first that came so far is enough
        }
    }
    match furthest {
        Some((_, item, told)) if items.len() > 1 => format!("{item}: {told}"),
        Some((.., told)) => told,
        None => String::new(),
    }
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
    use crate::decide::{Decider, Decision};
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
                "event.dwell.seconds > 5 (event.dwell.seconds is null)",
            ),
            (
                "{ name: r, each: plate, when: plate.speed > 5, to: [a] }",
                "plates/0: plate.speed > 5 (plate.speed is null)",
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

    /// Lets what it has not seen for a minute pass, and tells of each plate that it does not.
    struct Once;

    impl Decider for Once {
        fn name(&self) -> &'static str {
            "once"
        }
        fn decide(&self, asked: &Asked<'_>, book: &mut Book) -> Decision {
            let Some(Item::Plate(n)) = asked.item else {
                return Decision::pass();
            };
            let text = asked.event.plates[n].text.clone().unwrap();
            if book.find::<bool>(&text, asked.now).is_none() {
                let until = asked.now + jiff::SignedDuration::from_secs(60);
                book.write(&text, true, until, asked.now);
                return Decision::pass();
            }
            let mut told = Event::clone(asked.event);
            told.plates = vec![asked.event.plates[n].clone()];
            Decision {
                filtered_by: Some("seen before".into()),
                told: vec![told],
                ..Decision::default()
            }
        }
    }

    fn decided(routes: &[Route], memory: &Memory) -> Vec<(Vec<Option<String>>, usize)> {
        let (now, lists) = (Timestamp::UNIX_EPOCH, lists());
        let mut written = Written::default();
        let all = decide(routes, event(), &lists, now, memory, &mut written);
        written.kept();
        all.into_iter()
            .map(|(_, plan)| {
                let choices = plan.routes.into_iter().map(|choice| choice.filtered_by);
                (choices.collect(), plan.deliveries.len())
            })
            .collect()
    }

    #[test]
    fn a_step_decides_for_its_route_alone_and_its_events_go_through_the_steps_behind_it() {
        let each = "{ name: r, each: plate, to: [a, b] }";
        let deciding = |yaml, steps: &[&str]| Route {
            deciders: steps
                .iter()
                .map(|step| ((*step).into(), Arc::new(Once) as Arc<dyn Decider>))
                .collect(),
            ..route(yaml)
        };
        let other = "{ name: other, to: [a] }";
        let memory = Memory::blank();
        let one = [deciding(each, &["once"]), route(other)];
        assert_eq!(decided(&one, &memory), [(vec![None, None], 5)]);
        let seen = Some("once: seen before".to_owned());
        assert_eq!(
            decided(&one, &memory),
            [
                (vec![seen.clone(), None], 1),
                (vec![None], 2),
                (vec![None], 2)
            ],
        );
        // A second one has a book of its own, and is asked about what the first one tells.
        let two = [deciding(each, &["once", "once 2"])];
        assert_eq!(
            decided(&two, &memory),
            [(vec![seen.clone()], 0), (vec![None], 2), (vec![None], 2)]
        );
        let again = decided(&two, &memory);
        assert_eq!(again.len(), 5, "both told of both plates");
        assert_eq!(again.iter().filter(|(_, n)| *n > 0).count(), 2);
        // Another route of the same step remembers for itself; what is filtered by its condition is not asked about.
        let elsewhere = "{ name: r2, each: plate, when: plate.score >= 0.8, to: [a] }";
        let elsewhere = [deciding(elsewhere, &["once"])];
        assert_eq!(decided(&elsewhere, &memory), [(vec![None], 1)]);
        assert_eq!(
            plan(&one, &event(), &lists(), Timestamp::UNIX_EPOCH, None)
                .deliveries
                .len(),
            5
        );
    }
}
