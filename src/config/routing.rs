//! From the file's `routes` to routes and their steps.

use std::collections::BTreeMap;

use serde_json::Value;

use super::entry::Steps;
use super::load::{Item, Loader, Places, place};
use super::mistake::Mistake;
use super::tree::Node;
use crate::name::Name;
use crate::routes::{self, Route};
use crate::steps::{self, Step};

/// The steps of each route, by its name.
pub(super) type StepsOf = BTreeMap<Name, Vec<Box<dyn Step>>>;

/// The routes, and the steps of each.
pub(super) fn routes(
    loader: &mut Loader<'_>,
    sources: &Places,
    targets: &Places,
) -> (Vec<Route>, StepsOf) {
    let mut routes: Vec<Route> = Vec::new();
    let mut steps_of = StepsOf::new();
    for (number, item) in loader.items("routes").into_iter().enumerate() {
        loader.known(item.node.get("from"), sources, "source");
        loader.known(item.node.get("to"), targets, "target");
        empty(loader, item.node);
        let node = item.node;
        let Some((route, steps)) = route(loader, item, number + 1) else {
            continue;
        };
        if routes.iter().any(|other| other.name == route.name) {
            let at = place(node, &["name".to_owned()]);
            let message = format!("another route is called `{}` already", route.name);
            loader.mistake(
                Mistake::new(at, message)
                    .help("deliveries name their route: give each a name of its own"),
            );
            continue;
        }
        steps_of.insert(route.name.clone(), steps);
        routes.push(route);
    }
    (routes, steps_of)
}

fn route(
    loader: &mut Loader<'_>,
    mut item: Item<'_>,
    number: usize,
) -> Option<(Route, Vec<Box<dyn Step>>)> {
    item.value
        .entry("name")
        .or_insert_with(|| Value::String(format!("route {number}")));
    let settings: Option<routes::Settings> = loader.part(item.node, &item.value, &[], item.clean);
    let steps: Option<Steps> = loader.part(item.node, &item.value, &[], item.clean);
    let route = match settings?.build(&loader.engine) {
        Ok(route) => route,
        Err((path, mistake)) => {
            loader.template_mistake(item.node, &path, mistake);
            return None;
        }
    };
    let built = steps?.steps.into_iter().map(steps::Settings::build);
    Some((route, built.collect()))
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
