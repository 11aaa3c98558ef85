//! Weaves the webhooks that were made over the API into the tree of the config, as if they stood in the file.
//!
//! They lie in the store's folder, so they are read when the place of that is known. What comes of them is put in behind the
//! file's own targets and routes, after `${…}` is filled in: what a client of the API writes is never looked at for that. A
//! webhook that may not be called, or is not active, has no target; one that lies on the shelf damaged hurts no other part.

use std::ops::Range;
use std::path::Path;

use serde_json::Value;

use super::mistake::{Mistake, Page};
use super::routing::StepsOf;
use super::tree::{Key, Node, Scalar, Shape};
use crate::webhooks::{self, Settings, Shelf, Webhook, target_name};

/// Where a config takes its webhooks from.
#[derive(Clone)]
pub(crate) enum WebhooksFrom {
    /// The file in the store's folder.
    Store,
    /// These: what that file would hold.
    Shelf(Shelf),
    /// There are none: for tests of a config, which hold on any machine.
    Nowhere,
}

/// What became of the webhooks of a config.
#[derive(Debug, Clone, Default)]
pub(crate) enum Webhooks {
    /// `admin.findface` is not there.
    #[default]
    Off,
    On {
        shelf: Shelf,
        settings: Settings,
        /// Active ones that are not called, and why.
        idle: Vec<(u64, String)>,
    },
    /// They cannot be read, so that none is called.
    Unreadable(String),
}

pub(super) struct Woven {
    pub(super) webhooks: Webhooks,
    /// For mistakes, which should not be.
    pub(super) page: Option<Page>,
    /// Behind the page.
    pub(super) end: usize,
    pub(super) mistakes: Vec<Mistake>,
    /// Those that have a target now.
    pub(super) ids: Vec<u64>,
}

/// `end` is behind the text of the config.
pub(super) fn weave(root: &mut Node, end: usize, folder: &Path, from: &WebhooksFrom) -> Woven {
    let mut woven = Woven {
        webhooks: Webhooks::Off,
        page: None,
        end,
        mistakes: Vec::new(),
        ids: Vec::new(),
    };
    let section = root.get("admin").and_then(|admin| admin.get("findface"));
    let said = section.map_or(Value::Null, Node::value);
    if said.is_null() || matches!(from, WebhooksFrom::Nowhere) {
        return woven;
    }
    // What is wrong there is told when the section is read.
    let Ok(settings) = serde_json::from_value::<Settings>(said) else {
        return woven;
    };
    reserved(root, &mut woven.mistakes);
    let shelf = match from {
        WebhooksFrom::Shelf(shelf) => Ok(shelf.clone()),
        WebhooksFrom::Store | WebhooksFrom::Nowhere => Shelf::read(&store(root, folder)),
    };
    let shelf = match shelf {
        Ok(shelf) => shelf,
        Err(error) => {
            let source = std::error::Error::source(&error);
            let cause = source.map_or(String::new(), |source| format!(": {source}"));
            woven.webhooks = Webhooks::Unreadable(format!("{error}{cause}"));
            return woven;
        }
    };
    let idle = place_all(root, &shelf, &settings, &mut woven);
    woven.webhooks = Webhooks::On {
        shelf,
        settings,
        idle,
    };
    woven
}

/// Deliveries remember the way they came, also when the filters have changed since and that way is no more.
pub(super) fn keep_parts(steps: &mut StepsOf, ids: &[u64]) {
    for name in ids.iter().flat_map(|id| webhooks::parts(*id)) {
        steps.entry(name).or_default();
    }
}

/// The folder of the store, as the file says it.
fn store(root: &Node, folder: &Path) -> std::path::PathBuf {
    let path = root.get("store").and_then(|store| store.get("path"));
    let path = path.and_then(Node::text).filter(|path| !path.is_empty());
    match path {
        Some(path) => folder.join(path),
        None => folder.join(super::entry::Store::default().path),
    }
}

/// Refuses what could be taken for a webhook.
fn reserved(root: &Node, mistakes: &mut Vec<Mistake>) {
    let targets = root.get("targets").map(Node::entries).unwrap_or_default();
    let targets = targets.iter().map(|(key, _)| (key.text.as_str(), &key.at));
    let routes = root.get("routes").map(Node::items).unwrap_or_default();
    let routes = routes.iter().filter_map(|route| {
        let name = route.get("name")?;
        Some((name.text()?, &name.at))
    });
    for (name, at) in targets.chain(routes) {
        if webhooks::is_reserved(name) {
            let message =
                format!("`{name}` is a name that webhooks have, which are made over the API");
            let mistake = Mistake::new(at.clone(), message);
            mistakes.push(mistake.help("give it another name, or take `admin.findface` out"));
        }
    }
}

/// Returns those that are active and have no target all the same.
fn place_all(
    root: &mut Node,
    shelf: &Shelf,
    settings: &Settings,
    woven: &mut Woven,
) -> Vec<(u64, String)> {
    let mut idle = Vec::new();
    let reach = settings.reach();
    let mut text = String::new();
    let start = woven.end + 1;
    let (mut targets, mut routes) = (Vec::new(), Vec::new());
    let active = shelf.webhooks().iter();
    for webhook in active.filter(|webhook| webhook.document.active) {
        match reach
            .as_ref()
            .map(|reach| reach.check(&webhook.document.url))
        {
            Some(Ok(())) => {}
            Some(Err(refused)) => {
                idle.push((webhook.id, refused.to_string()));
                continue;
            }
            None => continue, // the settings are wrong, which is told
        }
        // A mistake here is shown by this line.
        let line = format!("{}\n", target_name(webhook.id));
        let at = start + text.len()..start + text.len() + line.len() - 1;
        text.push_str(&line);
        woven.ids.push(webhook.id);
        let (target, ways) = nodes(webhook, settings, &at);
        targets.push(target);
        routes.extend(ways);
    }
    if !targets.is_empty() {
        woven.end = start + text.len();
        woven.page = Some(Page {
            file: format!("the webhooks of {}", webhooks::FILE),
            source: text,
            start,
        });
        put_in(root, targets, routes);
    }
    idle
}

fn nodes(webhook: &Webhook, settings: &Settings, at: &Range<usize>) -> ((Key, Node), Vec<Node>) {
    let key = Key {
        text: target_name(webhook.id).to_string(),
        at: at.clone(),
    };
    let target = node(&webhook.target(settings), at);
    let routes = webhook.routes();
    let routes = routes.iter().map(|route| node(route, at)).collect();
    ((key, target), routes)
}

/// Where the file has no such section, or nothing in it, one begins.
fn put_in(root: &mut Node, targets: Vec<(Key, Node)>, routes: Vec<Node>) {
    let at = targets.first().map_or(0..0, |(key, _)| key.at.clone());
    let Shape::Map(sections) = &mut root.shape else {
        return; // told elsewhere
    };
    for (name, empty) in [
        ("targets", Shape::Map(Vec::new())),
        ("routes", Shape::List(Vec::new())),
    ] {
        match sections.iter_mut().find(|(key, _)| key.text == name) {
            None => sections.push((
                Key {
                    text: name.to_owned(),
                    at: at.clone(),
                },
                Node {
                    at: at.clone(),
                    shape: empty,
                },
            )),
            Some((_, node)) if matches!(&node.shape, Shape::Scalar(scalar) if scalar.is_null()) => {
                node.shape = empty;
            }
            Some(_) => {}
        }
    }
    if let Some(own) = root.get_mut("targets").and_then(Node::entries_mut) {
        own.extend(targets);
    }
    if let Some(Node {
        shape: Shape::List(own),
        ..
    }) = root.get_mut("routes")
    {
        own.extend(routes);
    }
}

/// A value as if it were written at this place.
fn node(value: &Value, at: &Range<usize>) -> Node {
    let scalar = |text: String, plain: bool| {
        Shape::Scalar(Scalar {
            positions: vec![at.start; text.len() + 1],
            text,
            plain,
            expanded: false,
            broken: false,
        })
    };
    let shape = match value {
        Value::Null => scalar(String::new(), true),
        Value::Bool(_) | Value::Number(_) => scalar(value.to_string(), true),
        Value::String(text) => scalar(text.clone(), false),
        Value::Array(items) => Shape::List(items.iter().map(|item| node(item, at)).collect()),
        Value::Object(map) => Shape::Map(
            map.iter()
                .map(|(key, value)| {
                    let key = Key {
                        text: key.clone(),
                        at: at.clone(),
                    };
                    (key, node(value, at))
                })
                .collect(),
        ),
    };
    Node {
        at: at.clone(),
        shape,
    }
}
