//! From the file's `routes` to routes and their steps.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::entry::Steps;
use super::load::{Item, Loader, Places, place};
use super::mistake::Mistake;
use super::others;
use super::tree::Node;
use crate::decide::Decider;
use crate::fate;
use crate::name::{Name, NameError};
use crate::routes::{self, Route};
use crate::steps::{self, Built, Step};

/// The steps of each route, by its name.
pub(super) type StepsOf = BTreeMap<Name, Vec<Box<dyn Step>>>;

/// The routes, and the steps of each.
pub(super) fn routes(
    loader: &mut Loader<'_>,
    sources: &Places,
    targets: &Places,
    originals: &[Name],
) -> (Vec<Route>, StepsOf) {
    let mut routes: Vec<Route> = Vec::new();
    let mut steps_of = StepsOf::new();
    for item in loader.items("routes") {
        loader.known(item.node.get("from"), sources, "source");
        loader.known(item.node.get("to"), targets, "target");
        empty(loader, item.node);
        let node = item.node;
        let told = !item.clean && node.get("name").is_none(); // why its name may be wrong too
        let Some((route, steps)) = route(loader, item, originals) else {
            continue;
        };
        if routes.iter().any(|other| other.name == route.name) {
            if !told {
                loader.mistake(same_name(node, &route.name));
            }
            continue;
        }
        steps_of.insert(route.name.clone(), steps);
        routes.push(route);
    }
    (routes, steps_of)
}

/// The names that steps give the pictures they make, on any route: a target does not know which routes lead to it.
pub(super) fn pictures(root: &Node) -> Vec<String> {
    let items = |node: Option<&Node>| node.map(Node::items).unwrap_or_default().to_vec();
    let steps = items(root.get("routes"))
        .into_iter()
        .flat_map(|route| items(route.get("steps")));
    let steps: Vec<_> = steps.flat_map(|step| step.entries().to_vec()).collect();
    let mut pictures: Vec<String> = steps
        .iter()
        .filter_map(|(_, settings)| settings.get("as")?.text().map(str::to_owned))
        .collect();
    if steps.iter().any(|(name, _)| name.text == steps::PAIR) {
        pictures.extend(fate::pair_roles());
    }
    pictures
}

fn route(
    loader: &mut Loader<'_>,
    mut item: Item<'_>,
    originals: &[Name],
) -> Option<(Route, Vec<Box<dyn Step>>)> {
    // What is missing was told; the rest is still to be looked through.
    item.value
        .entry("to")
        .or_insert_with(|| Value::Array(Vec::new()));
    if !item.value.contains_key("name") {
        let name = own_name(&item.value);
        if let Err(NameError::Long(_)) = Name::new(&name) {
            let at = place(item.node, &["to".to_owned()]);
            let message = "so many targets make no name for the route";
            loader.mistake(Mistake::new(at, message).help("give it a `name`"));
            return None;
        }
        item.value.insert("name".to_owned(), Value::String(name));
    }
    let settings: Option<routes::Settings> = loader.part(item.node, &item.value, &[], item.clean);
    let steps: Option<Steps> = loader.part(item.node, &item.value, &[], item.clean);
    let mut route = match settings?.build(&loader.engine) {
        Ok(route) => route,
        Err(mistake) => {
            let path = mistake.path.clone();
            loader.template_mistake(item.node, &path, mistake);
            return None;
        }
    };
    let steps = steps?.steps;
    if let Some(step) = steps.iter().find(|step| step.withholds()) {
        withheld(loader, item.node, originals, step.name());
    }
    others::refuse(loader, item.node, &steps);
    let mut on_delivery = Vec::new();
    let mut faultless = true;
    for (n, step) in steps.into_iter().enumerate() {
        let name = step.name();
        match step.build(&loader.engine) {
            Ok(Built::OnDelivery(step)) => on_delivery.push(step),
            Ok(Built::OnArrival(decider)) => {
                if let Some((_, other)) = route.deciders.last().filter(|(_, other)| other.holds()) {
                    let at = place(item.node, &["steps".to_owned(), n.to_string()]);
                    let message = format!(
                        "`{name}` stands behind `{}`, which holds events back until it has seen others",
                        other.name()
                    );
                    let help = format!("put `{name}` before it, or into a route of its own");
                    loader.mistake(Mistake::new(at, message).help(help));
                    faultless = false;
                }
                add(&mut route.deciders, decider);
            }
            Err(mistakes) => {
                faultless = false;
                for (path, mistake) in mistakes {
                    let mut way = vec!["steps".to_owned(), n.to_string(), name.to_owned()];
                    way.extend(path);
                    loader.template_mistake(item.node, &way, mistake);
                }
            }
        }
    }
    faultless.then_some((route, on_delivery))
}

/// Refuses targets that are sent the request as it came, behind a step that withholds it.
fn withheld(loader: &mut Loader<'_>, node: &Node, originals: &[Name], step: &str) {
    for target in node.get("to").map(Node::items).unwrap_or_default() {
        let name = target.text().unwrap_or_default();
        if originals.iter().any(|original| original.as_str() == name) {
            let message = format!(
                "`{name}` sends the request as it came, which tells what `{step}` takes out"
            );
            loader.mistake(Mistake::new(target.at.clone(), message).help(
                "give the target `json: \"{{ event }}\"` or `stream: true` in place of `original: true`, or a route without this step",
            ));
        }
    }
}

/// A step that is decided when an event comes in. What it remembers is found again by its word, so that it outlives a
/// change of its settings and of the steps around it; a second one of its kind is numbered.
fn add(deciders: &mut Vec<(Arc<str>, Arc<dyn Decider>)>, decider: Arc<dyn Decider>) {
    let same = |(_, other): &&(Arc<str>, Arc<dyn Decider>)| other.name() == decider.name();
    let name = match deciders.iter().filter(same).count() {
        0 => decider.name().to_owned(),
        n => format!("{} {}", decider.name(), n + 1),
    };
    deciders.push((name.into(), decider));
}

/// The name of a route that is given none. Deliveries remember their route by its name while the file may change around
/// it, so it follows from what the route does and not from where it stands.
fn own_name(route: &Map<String, Value>) -> String {
    let targets = route.get("to").and_then(Value::as_array);
    let targets: Vec<&str> = targets
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    format!("to {}", targets.join(", "))
}

fn same_name(node: &Node, name: &Name) -> Mistake {
    let key = if node.get("name").is_some() {
        "name"
    } else {
        "to"
    };
    Mistake::new(
        place(node, &[key.to_owned()]),
        format!("another route is called `{name}` already"),
    )
    .help("give each a `name`: deliveries remember their route by it")
}

/// Refuses lists that leave a route without anything to do.
fn empty(loader: &mut Loader<'_>, node: &Node) {
    let says_none = |key: &str| {
        let list = node.get(key);
        list.is_some_and(|list| list.text().is_none() && list.items().is_empty())
    };
    if says_none("to") {
        let at = place(node, &["to".to_owned()]);
        loader.mistake(Mistake::new(at, "`to` names no target").help("name at least one"));
    }
    if says_none("from") {
        let at = place(node, &["from".to_owned()]);
        loader.mistake(
            Mistake::new(at, "`from` names no source").help("leave it out to take all sources"),
        );
    }
}
