//! Checks what users write under `with`, and makes of it what deliveries are written with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::Catalog;
use super::file::{Kind, Preset};
use crate::config::load::{Entry, Loader, object, place};
use crate::config::mistake::Mistake;
use crate::config::tree::{Node, Shape};
use crate::delivery::{Cameras, With};
use crate::template::{Names, Structure};
use crate::units::Span;

/// What a target's templates know of the settings of its preset.
pub(in crate::config) struct Settings {
    pub(in crate::config) names: Vec<String>,
    /// Those that hold templates.
    pub(in crate::config) told: BTreeSet<String>,
    /// `None` when something is wrong with them.
    pub(in crate::config) with: Option<Arc<With>>,
}

/// The settings of a target's preset, if it has one.
pub(in crate::config) fn with<'a>(
    loader: &mut Loader<'a>,
    entry: &Entry<'a>,
    catalog: &'a Catalog,
) -> Option<Settings> {
    let name = entry.node.get("preset").and_then(Node::text);
    let Some(known) = name.and_then(|name| catalog.get(name)) else {
        // Nobody knows which of its settings are secret, and its lines are shown beside the mistake.
        if let Some(settings) = entry.node.get("with") {
            texts(settings, &mut loader.checker.secrets);
        }
        return None;
    };
    let preset = &known.preset;
    let node = entry.node.get("with")?;
    let is_setting = |key: &str| preset.settings.0.iter().any(|(name, _)| name == key);
    for (key, value) in node.entries() {
        if !is_setting(&key.text) {
            texts(value, &mut loader.checker.secrets); // it may be a secret one, misspelt
        }
    }
    let here = match entry.node.key("with") {
        Some(key) => key.at.clone(),
        None => entry.key.at.clone(),
    };
    let before = loader.checker.mistakes.len();
    let way = known.way(Some(node));
    let value = object(loader.checker.check(node, &known.withs[way], &here));
    let over_http = known.target(way).contains_key("http");
    plain(loader, entry, preset, over_http);
    let mut names: Vec<String> = preset
        .settings
        .0
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    let cameras = preset
        .settings
        .0
        .iter()
        .find(|(_, s)| s.kind == Kind::Cameras);
    if cameras.is_some() {
        names.push("camera".to_owned());
    }
    let built = build(loader, entry, preset, &value);
    let clean = loader.checker.mistakes.len() == before;
    Some(Settings {
        told: told(preset, &value),
        names,
        with: built.filter(|_| clean).map(Arc::new),
    })
}

/// The settings that are written anew for each event; `camera` is the entry of its camera.
fn told(preset: &Preset, value: &Map<String, Value>) -> BTreeSet<String> {
    let given = preset.settings.0.iter().filter_map(|(name, setting)| {
        let text = value.get(name)?.to_string();
        let is_template = ["{{", "{%"].iter().any(|mark| text.contains(mark));
        is_template.then(|| match setting.kind {
            Kind::Cameras => "camera".to_owned(),
            _ => name.clone(),
        })
    });
    given.collect()
}

fn texts(node: &Node, all: &mut Vec<String>) {
    match &node.shape {
        Shape::Map(entries) => entries.iter().for_each(|(_, value)| texts(value, all)),
        Shape::List(items) => items.iter().for_each(|item| texts(item, all)),
        Shape::Scalar(scalar) => all.push(scalar.text.clone()),
    }
}

/// What the schema cannot tell: addresses, and texts that may be no templates.
fn plain(loader: &mut Loader<'_>, entry: &Entry<'_>, preset: &Preset, over_http: bool) {
    for (name, setting) in &preset.settings.0 {
        let way = ["with".to_owned(), name.clone()];
        let value = entry.node.get("with").and_then(|with| with.get(name));
        let Some(text) = value.and_then(|value| value.text()) else {
            continue;
        };
        let wrong = match setting.kind {
            Kind::Url if text.contains("{{") || text.contains("{%") => {
                Some((format!("`{name}` is no template"), None))
            }
            Kind::Url if !is_address(text, over_http) => Some((
                format!("`{name}` is no address"),
                Some("expected such as https://10.0.0.5:8443"),
            )),
            _ => None,
        };
        if let Some((message, help)) = wrong {
            let mistake = Mistake::new(place(entry.node, &way), message);
            loader.mistake(mistake.maybe_help(help.map(str::to_owned)));
        }
    }
}

/// What is no way to a system that speaks something else than HTTP its target says itself.
fn is_address(text: &str, over_http: bool) -> bool {
    text.trim() == text
        && url::Url::parse(text).is_ok_and(|url| {
            (!over_http || matches!(url.scheme(), "http" | "https"))
                && url.host_str().is_some_and(|h| !h.is_empty())
        })
}

fn build(
    loader: &mut Loader<'_>,
    entry: &Entry<'_>,
    preset: &Preset,
    value: &Map<String, Value>,
) -> Option<With> {
    let mut fixed = Map::new();
    let mut texts = Map::new();
    let mut cameras = None;
    let mut fine = true;
    for (name, setting) in &preset.settings.0 {
        let given = value.get(name);
        if setting.kind == Kind::Cameras {
            let entries = given
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default();
            let mut by_id = BTreeMap::new();
            let fixed = entries.iter().filter_map(|(id, value)| {
                let known = value.as_str().or_else(|| value.get("id")?.as_str())?;
                (!known.contains("{{")).then(|| (id.clone(), known.to_owned()))
            });
            let fixed = fixed.collect();
            for (id, value) in entries {
                let way = ["with", name.as_str(), id.as_str()];
                match structure(loader, entry, &way, &value) {
                    Some(structure) => drop(by_id.insert(id, structure)),
                    None => fine = false,
                }
            }
            cameras = Some(Cameras {
                setting: name.clone(),
                required: setting.required,
                by_id,
                fixed,
            });
            continue;
        }
        let Some(given) = given else { continue };
        let is_template = setting.kind.is_template() && !setting.is_secret();
        match (setting.kind, given) {
            (Kind::Duration, Value::String(text)) => {
                fixed.insert(name.clone(), seconds(text));
            }
            (_, given) if is_template && given.to_string().contains(['{']) => {
                texts.insert(name.clone(), given.clone());
            }
            (_, given) => {
                fixed.insert(name.clone(), given.clone());
            }
        }
    }
    let texts = match texts.is_empty() {
        true => None,
        false => Some(structure(loader, entry, &["with"], &Value::Object(texts))?),
    };
    fine.then_some(With {
        fixed,
        texts,
        cameras,
    })
}

fn structure(
    loader: &mut Loader<'_>,
    entry: &Entry<'_>,
    way: &[&str],
    value: &Value,
) -> Option<Structure> {
    match loader.engine.structure(value, Names::Rendering) {
        Ok(structure) => Some(structure),
        Err(mistakes) => {
            for mut mistake in mistakes {
                let mut path: Vec<String> = way.iter().map(|step| (*step).to_owned()).collect();
                path.append(&mut mistake.path);
                loader.template_mistake(entry.node, &path, mistake);
            }
            None
        }
    }
}

/// What was refused by the schema is null.
fn seconds(text: &str) -> Value {
    match Span::parse(text) {
        Ok(span) if span.0.subsec_nanos() == 0 => span.0.as_secs().into(),
        Ok(span) => span.0.as_secs_f64().into(),
        Err(_) => Value::Null,
    }
}
