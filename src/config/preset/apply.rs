//! Fills in what presets say, in the tree of the config.

use std::ops::Range;
use std::path::Path;

use serde_json::{Map, Value};

use super::file::Kind;
use super::{Catalog, Known, is_something};
use crate::config::mistake::Mistake;
use crate::config::schema::{BESIDE_HTTP, TRANSPORTS};
use crate::config::tree::{Key, Node, Scalar, Shape};

/// Maps whose keys the user overrides one by one; any other key as a whole.
const MERGED: &[&str] = &["retry", "breaker"];

/// Ways to send whose keys take what is written there, not what a template makes of it.
const WRITTEN: &[&str] = &["mqtt", "nats", "postgres", "smtp"];

/// Fills each target with `preset` in; what is wrong is in the catalog's mistakes. `end` is behind the text of the config.
pub(in crate::config) fn apply(root: &mut Node, end: usize, folder: &Path) -> Catalog {
    let mut catalog = Catalog::new(end);
    let path = root
        .get("presets")
        .and_then(|presets| presets.get("path"))
        .and_then(|path| Some((path.text()?.to_owned(), path.at.clone())));
    if let Some((path, at)) = path {
        catalog.read_folder(&folder.join(path), at);
    }
    let targets = root.get_mut("targets").and_then(Node::entries_mut);
    for (_, target) in targets.into_iter().flatten() {
        let Some((name, at)) = target
            .get("preset")
            .and_then(|preset| Some((preset.text()?.to_owned(), preset.at.clone())))
        else {
            if let Some(key) = target
                .key("with")
                .filter(|_| target.get("preset").is_none())
            {
                let message = "`with` without a `preset`";
                let help = "`with` holds a preset's settings: name the preset, or remove it";
                let at = key.at.clone();
                catalog.mistakes.push(Mistake::new(at, message).help(help));
            }
            continue;
        };
        transports_beside(target, &name, &mut catalog.mistakes);
        if let Some(known) = catalog.find(&name, &at) {
            fill(target, known, &at);
        }
    }
    catalog
}

/// A preset says how it sends: what the user says beside it is refused and taken out.
fn transports_beside(target: &mut Node, preset: &str, mistakes: &mut Vec<Mistake>) {
    let Some(entries) = target.entries_mut() else {
        return;
    };
    entries.retain(|(key, _)| {
        if !TRANSPORTS.contains(&key.text.as_str()) {
            return true;
        }
        let message = format!("`{}` beside `preset`: a preset says how it sends", key.text);
        let help = format!(
            "to change what is sent, put a copy of `camhook presets show {preset} --file` into a folder of your own presets"
        );
        mistakes.push(Mistake::new(key.at.clone(), message).help(help));
        false
    });
}

fn fill(target: &mut Node, known: &Known, at: &Range<usize>) {
    let with = with_defaults(target, known, at);
    let way = known.way(Some(&with));
    let mut from = (known.target_node(way).cloned()).unwrap_or_else(Node::empty);
    if let Some(http) = from.get_mut("http").and_then(Node::entries_mut) {
        // What the user says beside a preset counts, wherever the preset says it.
        let said = |key: &Key| ["timeout", "tls"].contains(&key.text.as_str());
        http.retain(|(key, _)| !said(key) || target.get(&key.text).is_none());
    }
    let is_written = is_written(known.target(way));
    put_fixed(&mut from, &with, known, is_written);
    if is_written {
        leave_out_unset(&mut from, known);
        for word in WRITTEN {
            if let Some(sending) = from.get_mut(word).and_then(Node::entries_mut) {
                move_in(target, sending);
            }
        }
    }
    let Some(entries) = target.entries_mut() else {
        return;
    };
    let key = Key {
        text: "with".to_owned(),
        at: at.clone(),
    };
    match entries.iter_mut().find(|(key, _)| key.text == "with") {
        Some((_, value)) => *value = with,
        None => entries.push((key, with)),
    }
    merge(entries, &from);
}

/// The preset's entries, where there is none yet.
fn merge(entries: &mut Vec<(Key, Node)>, from: &Node) {
    for (key, value) in from.entries() {
        match entries.iter_mut().find(|(known, _)| known.text == key.text) {
            None => entries.push((key.clone(), value.clone())),
            Some((_, own)) if MERGED.contains(&key.text.as_str()) => {
                if let Some(own) = own.entries_mut() {
                    merge(own, value);
                }
            }
            Some(_) => {}
        }
    }
}

/// The user's `with`, and the preset's defaults for what it leaves out.
fn with_defaults(target: &Node, known: &Known, at: &Range<usize>) -> Node {
    let mut with = match target.get("with") {
        Some(with) if matches!(&with.shape, Shape::Scalar(scalar) if scalar.is_null()) => Node {
            at: with.at.clone(),
            shape: Shape::Map(Vec::new()),
        },
        Some(with) => with.clone(),
        None => Node {
            at: at.clone(),
            shape: Shape::Map(Vec::new()),
        },
    };
    let settings = known.node.get("settings");
    let settings = settings.map(Node::entries).unwrap_or_default();
    if let Some(entries) = with.entries_mut() {
        entries.retain(|(_, value)| is_something(value));
        for (name, setting) in settings {
            let given = entries.iter().any(|(key, _)| key.text == name.text);
            if let Some(default) = setting
                .get("default")
                .filter(|node| !given && is_something(node))
            {
                entries.push((name.clone(), default.clone()));
            }
        }
    }
    with
}

/// Puts the user's paths and words where the preset says `{{ with.NAME }}` of such a setting: as if written there. So is
/// every setting of a target that does not speak HTTP, whose addresses and passwords are no templates.
fn put_fixed(from: &mut Node, with: &Node, known: &Known, is_written: bool) {
    put(from, &|scalar| {
        let name = name_alone(scalar)?;
        let setting = known.preset.settings.get(name)?;
        let fixed = setting.kind == Kind::Path || !setting.one_of.is_empty() || is_written;
        with.get(name).filter(|_| fixed).cloned()
    });
}

/// Whether the target's keys take what is written there, not what a template makes of it.
fn is_written(target: &Map<String, Value>) -> bool {
    WRITTEN.iter().any(|key| target.contains_key(*key))
}

/// Puts what the user says beside the preset of such a target where its own keys are.
fn move_in(target: &mut Node, sending: &mut Vec<(Key, Node)>) {
    let Some(entries) = target.entries_mut() else {
        return;
    };
    for word in BESIDE_HTTP {
        if let Some(place) = entries.iter().position(|(key, _)| key.text == *word) {
            sending.retain(|(key, _)| key.text != *word);
            sending.push(entries.remove(place));
        }
    }
}

/// Takes out the keys of such a target whose setting is not set.
fn leave_out_unset(from: &mut Node, known: &Known) {
    match &mut from.shape {
        Shape::Map(entries) => {
            entries.retain(|(_, value)| {
                let name = match &value.shape {
                    Shape::Scalar(scalar) => name_alone(scalar),
                    Shape::Map(_) | Shape::List(_) => None,
                };
                name.is_none_or(|name| {
                    let setting = known.preset.settings.get(name);
                    setting.is_none_or(|setting| setting.kind == Kind::Cameras)
                })
            });
            for (_, value) in entries {
                leave_out_unset(value, known);
            }
        }
        Shape::List(items) => {
            for item in items {
                leave_out_unset(item, known);
            }
        }
        Shape::Scalar(_) => {}
    }
}

/// The file with something that may stand where the user's paths and words will, so that its target can be checked.
pub(super) fn with_stand_ins(preset: &Node) -> Node {
    let mut stand_ins = Vec::new();
    for (name, setting) in preset
        .get("settings")
        .map(Node::entries)
        .unwrap_or_default()
    {
        let word = setting
            .get("one_of")
            .and_then(|words| words.items().first());
        let kind = setting.get("type").and_then(Node::text);
        let is_path = kind == Some("path");
        let is_flag = matches!(kind, Some("bool" | "number"));
        let path = is_path.then(|| setting.get("about")).flatten(); // any text will do
        if let Some(value) = setting.get("default").or(word).or(path)
            && (is_path || is_flag || word.is_some())
        {
            stand_ins.push((name.clone(), value.clone()));
        }
    }
    let mut filled = preset.clone();
    let stand_in = |scalar: &Scalar| {
        let name = name_alone(scalar)?;
        let known = stand_ins.iter().find(|(key, _)| key.text == name);
        known.map(|(_, value)| value.clone())
    };
    for key in ["target", "variants"] {
        if let Some(node) = filled.get_mut(key) {
            put(node, &stand_in);
        }
    }
    filled
}

/// Puts another value in place of each scalar that there is one for.
fn put(node: &mut Node, value_of: &impl Fn(&Scalar) -> Option<Node>) {
    match &mut node.shape {
        Shape::Map(entries) => {
            for (_, value) in entries {
                put(value, value_of);
            }
        }
        Shape::List(items) => {
            for item in items {
                put(item, value_of);
            }
        }
        Shape::Scalar(scalar) => {
            if let Some(value) = value_of(scalar) {
                *node = value;
            }
        }
    }
}

/// The name of a text that is `{{ with.NAME }}` and nothing else.
fn name_alone(scalar: &Scalar) -> Option<&str> {
    let inner = scalar.text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    inner.trim().strip_prefix("with.")
}
