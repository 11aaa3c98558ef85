//! Refuses what asks for events that a step withholds: behind `strip`, `hash` and `blur` nothing is told of the other half
//! of a pair, nor of reads that were the same, for these steps took nothing out of them.

use std::ops::Range;

use super::load::Loader;
use super::mistake::Mistake;
use super::tree::{Node, Shape};
use crate::fate;
use crate::steps::Settings;
use crate::template::{Others, others_named, others_named_by};

/// A name of other events in the file.
struct Named {
    what: Others,
    told: String,
    at: Range<usize>,
}

/// Looks through what is taken behind the first of these steps on a route: further steps, and its targets.
pub(super) fn refuse(loader: &mut Loader<'_>, route: &Node, steps: &[Settings]) {
    let joined: Vec<Others> = steps.iter().filter_map(Settings::joins).collect();
    let Some(first) = steps.iter().position(Settings::withholds_others) else {
        return;
    };
    if joined.is_empty() {
        return;
    }
    let step = steps[first].name();
    // A picture that a step gives such a name is none of the other half.
    let given = given(route);
    let withheld = |named: &Named| {
        let picture = named.told.strip_prefix("images.");
        joined.contains(&named.what) && !picture.is_some_and(|name| given.contains(&name))
    };

    let written = (first + 1..steps.len()).map(|n| {
        let way = ["steps".to_owned(), n.to_string()];
        route.follow(&loader.checker.written(route, &way))
    });
    let mut mistakes = Vec::new();
    for named in written.flat_map(named).filter(withheld) {
        let message = format!(
            "`{}` is withheld behind `{step}`, and {} here",
            named.told,
            nothing(named.what)
        );
        let help = format!("put this step before `{step}`");
        mistakes.push(Mistake::new(named.at, message).help(help));
    }

    let targets = loader.root.get("targets");
    for target in route.get("to").map(Node::items).unwrap_or_default() {
        let Some(name) = target.text() else {
            continue;
        };
        let asked = targets.and_then(|targets| targets.get(name)).map(named);
        let mut asked = asked.into_iter().flatten().filter(withheld);
        let Some(named) = asked.next() else {
            continue;
        };
        let message = format!(
            "`{name}` asks for `{}`, which is withheld behind `{step}` and {} on this route",
            named.told,
            nothing(named.what)
        );
        let help = format!(
            "`{step}` takes nothing out of other events: give this route a target that does not name them, or leave out `{step}`"
        );
        mistakes.push(Mistake::new(target.at.clone(), message).help(help));
    }
    mistakes
        .into_iter()
        .for_each(|mistake| loader.mistake(mistake));
}

/// What always stands in its place.
fn nothing(what: Others) -> &'static str {
    match what {
        Others::Pair => "always null",
        Others::Merged => "always empty",
    }
}

/// The names that the route's steps give to pictures.
fn given(route: &Node) -> Vec<&str> {
    let steps = route.get("steps").map(Node::items).unwrap_or_default();
    let settings = steps.iter().flat_map(|step| step.entries());
    settings
        .filter_map(|(_, settings)| settings.get("as")?.text())
        .collect()
}

/// The names of other events in all texts of a part of the file.
fn named(node: &Node) -> Vec<Named> {
    let mut found = Vec::new();
    look(node, "", &mut found);
    found
}

fn look(node: &Node, key: &str, found: &mut Vec<Named>) {
    match &node.shape {
        Shape::Map(entries) => {
            for (key, value) in entries {
                look(value, &key.text, found);
            }
        }
        Shape::List(items) => items.iter().for_each(|item| look(item, "", found)),
        Shape::Scalar(scalar) => {
            if key == "image" && fate::pair_roles().contains(&scalar.text) {
                found.push(Named {
                    what: Others::Pair,
                    told: format!("images.{}", scalar.text),
                    at: node.at.clone(),
                });
            }
            let named = match key {
                "when" => others_named_by(&scalar.text),
                _ => others_named(&scalar.text),
            };
            found.extend(named.into_iter().map(|named| Named {
                what: named.what,
                told: named.told,
                at: node.within(&named.range),
            }));
        }
    }
}
