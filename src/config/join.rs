//! Turns the entries of the file into what the rooms are built from, and compiles their templates.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::entry::{self, Decoding};
use super::load::{Entry, Loader, object, place};
use super::mistake::Mistake;
use super::schema::{BESIDE_HTTP, TRANSPORTS};
use super::tree::Node;
use super::{Source, Target};
use crate::lists::{self, List, Lists};
use crate::name::Name;
use crate::render::{self, Renderer};
use crate::routes::Route;
use crate::sources::{self, DecodeSettings};
use crate::steps::Step;
use crate::targets;
use crate::template::Names;
use crate::{delivery, server};

/// Names of a section and where they stand.
pub(super) type Places = BTreeMap<Name, Range<usize>>;

fn places(entries: &[Entry<'_>]) -> Places {
    entries
        .iter()
        .map(|entry| (entry.name.clone(), entry.key.at.clone()))
        .collect()
}

/// The sources, and the names that routes may use: with the one at `/` that is there when none is set there.
pub(super) fn sources(loader: &mut Loader<'_>) -> (Vec<Source>, Places) {
    let entries = loader.entries("sources");
    let mut known = places(&entries);
    let mut sources: Vec<Source> = Vec::new();
    let mut paths: BTreeMap<String, Name> = BTreeMap::new();
    for entry in &entries {
        let Some(source) = source(loader, entry) else {
            continue;
        };
        match paths.get(&source.path) {
            Some(other) => {
                let at = if entry.node.get("path").is_some() {
                    place(entry.node, &["path".to_owned()])
                } else {
                    entry.key.at.clone()
                };
                loader.mistake(
                    Mistake::new(
                        at,
                        format!("`{}` has the path of source `{other}`: `{}`", entry.name, source.path),
                    )
                    .help("give each source a path of its own"),
                );
            }
            None => {
                paths.insert(source.path.clone(), entry.name.clone());
                sources.push(source);
            }
        }
    }
    if !paths.contains_key("/") {
        let free = ["auto", "catch-all", "catch-all-at-root"]
            .iter()
            .filter_map(|name| Name::new(name).ok())
            .find(|name| !known.contains_key(name));
        if let Some(name) = free {
            known.insert(name.clone(), 0..0);
            sources.push(Source {
                name,
                path: "/".to_owned(),
                settings: server::SourceSettings {
                    path: Some("/".to_owned()),
                    ..server::SourceSettings::default()
                },
                source: sources::SourceKind::default().source(),
                decode: DecodeSettings::default(),
            });
        }
    }
    (sources, known)
}

fn source(loader: &mut Loader<'_>, entry: &Entry<'_>) -> Option<Source> {
    let decoding: Option<Decoding> = loader.part(entry, &entry.value, &[]);
    let settings: Option<server::SourceSettings> = loader.part(entry, &entry.value, &[]);
    let (decoding, settings) = (decoding?, settings?);
    let path = match &settings.path {
        Some(path) => path.clone(),
        None => format!("/{}", entry.name),
    };
    if !path.starts_with('/') || path.contains(['?', '#', ' ']) {
        loader.mistake(
            Mistake::new(
                place(entry.node, &["path".to_owned()]),
                format!("`{path}` is no path"),
            )
            .help("expected such as `/stream`"),
        );
    }
    let trimmed = path.trim_end_matches('/');
    Some(Source {
        name: entry.name.clone(),
        path: if trimmed.is_empty() { "/" } else { trimmed }.to_owned(),
        settings,
        source: decoding.kind.source(),
        decode: DecodeSettings {
            timezone: decoding.timezone.map(|zone| zone.0),
            cameras: decoding.cameras,
        },
    })
}

/// Reads every list's file.
pub(super) fn lists(loader: &mut Loader<'_>) -> Lists {
    let mut lists = Vec::new();
    for entry in loader.entries("lists") {
        let Some(settings) = loader.part::<lists::Settings>(&entry, &entry.value, &[]) else {
            continue;
        };
        let path = loader.folder.join(&settings.csv);
        loader.files.push(path.clone());
        let read = std::fs::read_to_string(&path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))
            .and_then(|text| {
                List::from_csv(&text, &settings.key)
                    .map_err(|error| format!("{}: {}", path.display(), chain(&error)))
            });
        match read {
            Ok(list) => lists.push((entry.name.as_str().to_owned(), list)),
            Err(message) => {
                let at = place(entry.node, &["csv".to_owned()]);
                loader.mistake(Mistake::new(at, message));
            }
        }
    }
    Lists::new(lists)
}

/// The targets, and the names that routes may use.
pub(super) fn targets(loader: &mut Loader<'_>) -> (Vec<Target>, Places) {
    let entries = loader.entries("targets");
    let known = places(&entries);
    let targets = entries
        .iter()
        .filter_map(|entry| target(loader, entry))
        .collect();
    (targets, known)
}

fn target(loader: &mut Loader<'_>, entry: &Entry<'_>) -> Option<Target> {
    let delivery: Option<delivery::Settings> = loader.part(entry, &entry.value, &[]);
    let transport = transport(loader, entry)?;
    let (renderer, sender) = match transport {
        "http" => http(loader, entry)?,
        _ => file(loader, entry, transport)?,
    };
    Some(Target {
        name: entry.name.clone(),
        delivery: delivery?,
        renderer,
        sender,
    })
}

/// The one key that says how a target sends.
fn transport(loader: &mut Loader<'_>, entry: &Entry<'_>) -> Option<&'static str> {
    let mut given = entry.node.entries().iter().filter_map(|(key, _)| {
        let transport = TRANSPORTS.iter().find(|word| **word == key.text)?;
        Some((*transport, key))
    });
    let Some((transport, _)) = given.next() else {
        if entry.clean {
            let message = format!("target `{}` does not say how it sends", entry.name);
            loader.mistake(
                Mistake::new(entry.key.at.clone(), message)
                    .help("add one of `http`, `jsonl`, `csv`, `files`, `log`"),
            );
        }
        return None;
    };
    let others: Vec<_> = given.collect();
    for (other, key) in &others {
        loader.mistake(
            Mistake::new(
                key.at.clone(),
                format!("`{other}` beside `{transport}`: a target sends in one way"),
            )
            .help("make it two targets, and name both in `to`"),
        );
    }
    others.is_empty().then_some(transport)
}

type Built = (Renderer, Arc<dyn targets::Target>);

fn http(loader: &mut Loader<'_>, entry: &Entry<'_>) -> Option<Built> {
    let mut value: Map<String, Value> = object(entry.value.get("http").cloned());
    for key in BESIDE_HTTP {
        let Some(beside) = entry.value.get(*key) else {
            continue;
        };
        if value.insert((*key).to_owned(), beside.clone()).is_some() {
            let at = entry.node.key(key).map_or(0..0, |key| key.at.clone());
            loader.mistake(
                Mistake::new(at, format!("`{key}` stands inside of `http` too"))
                    .help("keep one of the two"),
            );
        }
    }
    let writing: Option<render::http::Settings> = loader.part(entry, &value, &["http"]);
    let sending: Option<targets::http::Settings> = loader.part(entry, &value, &["http"]);
    let renderer = writing.and_then(|settings| {
        let built = Renderer::http(&settings, &loader.engine, Names::Rendering);
        compiled(loader, entry.node, "http", built)
    });
    let sender = sending.and_then(|settings| {
        match targets::http::Http::new(&settings, loader.folder) {
            Ok(sender) => Some(Arc::new(sender) as Arc<dyn targets::Target>),
            Err(mistake) => {
                let mut path = mistake.path;
                let inside = entry.node.get("http").is_some_and(|http| {
                    path.first().is_none_or(|first| http.get(first).is_some())
                });
                if inside {
                    path.insert(0, "http".to_owned());
                }
                let at = place(entry.node, &path);
                loader.mistake(Mistake::new(at, mistake.message));
                None
            }
        }
    });
    Some((renderer?, sender?))
}

fn file(loader: &mut Loader<'_>, entry: &Entry<'_>, transport: &str) -> Option<Built> {
    for key in BESIDE_HTTP {
        if let Some(key) = entry.node.key(key) {
            loader.mistake(
                Mistake::new(key.at.clone(), format!("`{}` is for `http` alone", key.text))
                    .help("remove it"),
            );
        }
    }
    let value = entry.value.get(transport)?.clone();
    let engine = loader.engine.clone();
    let way = &[transport];
    let renderer = match transport {
        "jsonl" => {
            let settings = loader.read(entry.node, value, way, entry.clean)?;
            let built = Renderer::lines(&settings, &engine, Names::Rendering);
            compiled(loader, entry.node, transport, built)?
        }
        "csv" => {
            let settings = loader.read(entry.node, value, way, entry.clean)?;
            let built = Renderer::csv(&settings, &engine, Names::Rendering);
            compiled(loader, entry.node, transport, built)?
        }
        "files" => {
            let settings = loader.read(entry.node, value, way, entry.clean)?;
            let built = Renderer::files(&settings, &engine, Names::Rendering);
            compiled(loader, entry.node, transport, built)?
        }
        _ => Renderer::log(&loader.read(entry.node, value, way, entry.clean)?),
    };
    let sender: Arc<dyn targets::Target> = if transport == "log" {
        Arc::new(targets::log::Log)
    } else {
        Arc::new(targets::files::Files::new(loader.folder))
    };
    Some((renderer, sender))
}

fn compiled<T>(
    loader: &mut Loader<'_>,
    node: &Node,
    key: &str,
    built: Result<T, render::Mistakes>,
) -> Option<T> {
    match built {
        Ok(built) => Some(built),
        Err(mistakes) => {
            for (path, mistake) in mistakes {
                let mut way = vec![key.to_owned()];
                way.extend(path);
                loader.template_mistake(node, &way, mistake);
            }
            None
        }
    }
}

/// The routes, and the steps of each.
pub(super) fn routes(
    loader: &mut Loader<'_>,
    sources: &Places,
    targets: &Places,
) -> (Vec<Route>, BTreeMap<Name, Vec<Box<dyn Step>>>) {
    let mut routes: Vec<Route> = Vec::new();
    let mut steps = BTreeMap::new();
    for (number, (node, value, clean)) in loader.items("routes").into_iter().enumerate() {
        let from = loader.known(node.get("from"), sources, "source");
        let to = loader.known(node.get("to"), targets, "target");
        let when = node.get("when").and_then(|when| condition(loader, when));
        let Some(settings) = loader.read::<entry::Route>(node, value, &[], clean) else {
            continue;
        };
        empty(loader, node, &settings);
        let text = settings
            .name
            .unwrap_or_else(|| format!("route {}", number + 1));
        let name = match Name::new(&text) {
            Ok(name) if routes.iter().any(|route| route.name == name) => {
                let at = place(node, &["name".to_owned()]);
                loader.mistake(
                    Mistake::new(at, format!("another route is called `{name}` already"))
                        .help("deliveries name their route: give each a name of its own"),
                );
                continue;
            }
            Ok(name) => name,
            Err(error) => {
                let at = place(node, &["name".to_owned()]);
                loader.mistake(Mistake::new(at, error.to_string()));
                continue;
            }
        };
        let built = settings.steps.into_iter().map(crate::steps::Settings::build);
        steps.insert(name.clone(), built.collect());
        routes.push(Route {
            name,
            from: settings.from.map(|_| from),
            when,
            each: settings.each,
            to,
        });
    }
    (routes, steps)
}

fn condition(loader: &mut Loader<'_>, node: &Node) -> Option<crate::template::Condition> {
    match loader.engine.condition(node.text()?, Names::Choosing) {
        Ok(condition) => Some(condition),
        Err(mistake) => {
            loader.template_mistake(node, &[], mistake);
            None
        }
    }
}

/// Refuses lists that leave a route without anything to do.
fn empty(loader: &mut Loader<'_>, node: &Node, settings: &entry::Route) {
    if settings.to.is_empty() {
        let at = place(node, &["to".to_owned()]);
        loader.mistake(Mistake::new(at, "`to` names no target").help("name at least one"));
    }
    if settings.from.as_ref().is_some_and(Vec::is_empty) {
        let at = place(node, &["from".to_owned()]);
        loader.mistake(
            Mistake::new(at, "`from` names no source").help("leave it out to take all sources"),
        );
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
