//! From the file's `targets` to what writes and sends.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Target;
use super::load::{Entry, Loader, Places, object, place, places};
use super::mistake::Mistake;
use super::preset;
use super::schema::{BESIDE_HTTP, TRANSPORTS};
use super::secrets;
use super::tree::Node;
use crate::delivery;
use crate::render::files::{Level, Log};
use crate::render::{self, Renderer};
use crate::secret::Blot;
use crate::targets;
use crate::targets::files::FilesTarget;
use crate::targets::http::{Clients, HttpTarget};
use crate::targets::log::LogTarget;
use crate::template::Names;

/// The targets, and the names that routes may use.
pub(super) fn targets(loader: &mut Loader<'_>, clients: &Clients) -> (Vec<Target>, Places) {
    let entries = loader.entries("targets");
    let known = places(&entries);
    // Before the first target is built, for a secret of any of them must be known to all.
    let withs: Vec<_> = entries
        .iter()
        .map(|entry| preset::with(loader, entry, loader.catalog))
        .collect();
    let blot = secrets::find(loader.root, &loader.taken, &loader.checker.secrets).blot;
    let targets = entries
        .iter()
        .zip(withs)
        .filter_map(|(entry, with)| {
            let Some(preset::Settings { names, told, with }) = with else {
                return target(loader, entry, clients, &blot);
            };
            let engine = loader.engine.clone();
            loader.engine = engine.with_settings(names, told);
            let built = target(loader, entry, clients, &blot);
            loader.engine = engine;
            Some(Target {
                with: Some(with?),
                ..built?
            })
        })
        .collect();
    (targets, known)
}

fn target(
    loader: &mut Loader<'_>,
    entry: &Entry<'_>,
    clients: &Clients,
    blot: &Blot,
) -> Option<Target> {
    let delivery: Option<delivery::Settings> =
        loader.part(entry.node, &entry.value, &[], entry.clean);
    // Each of them is looked through, though it has to be one.
    let mut built: Vec<Option<Built>> = Vec::new();
    for transport in transports(loader, entry) {
        built.push(match transport {
            "http" => http(loader, entry, clients, blot),
            "mqtt" => {
                only_of_http(loader, entry);
                super::mqtt::target(loader, entry, clients)
            }
            "nats" => {
                only_of_http(loader, entry);
                super::sinks::nats(loader, entry, clients)
            }
            "postgres" => {
                only_of_http(loader, entry);
                super::sinks::postgres(loader, entry, clients)
            }
            "smtp" => {
                only_of_http(loader, entry);
                super::sinks::smtp(loader, entry, clients)
            }
            _ => file(loader, entry, transport),
        });
    }
    let (renderer, sender) = built.pop().flatten().filter(|_| built.is_empty())?;
    Some(Target {
        name: entry.name.clone(),
        delivery: delivery?,
        with: None,
        renderer,
        sender,
    })
}

/// The keys that say how a target sends. More than one is a mistake, and so is none.
fn transports(loader: &mut Loader<'_>, entry: &Entry<'_>) -> Vec<&'static str> {
    let entries = entry.node.entries().iter();
    let given: Vec<_> = entries
        .filter_map(|(key, _)| {
            let transport = TRANSPORTS.iter().find(|word| **word == key.text)?;
            Some((*transport, key))
        })
        .collect();
    match given.as_slice() {
        [] if entry.node.get("preset").is_some() => {} // what is wrong with it was told
        [] if entry.clean => {
            let message = format!("target `{}` does not say how it sends", entry.name);
            loader.mistake(
                Mistake::new(entry.key.at.clone(), message)
                    .help("add one of `preset`, `http`, `jsonl`, `csv`, `files`, `mqtt`, `nats`, `postgres`, `smtp`, `log`"),
            );
        }
        [] => {}
        [(first, _), others @ ..] => {
            for (other, key) in others {
                loader.mistake(
                    Mistake::new(
                        key.at.clone(),
                        format!("`{other}` beside `{first}`: a target sends in one way"),
                    )
                    .help("make it two targets, and name both in `to`"),
                );
            }
        }
    }
    given.into_iter().map(|(transport, _)| transport).collect()
}

/// Puts a text where one is missing that there must be. That was told; so the rest can be looked through.
pub(super) fn stand_in(settings: &mut Map<String, Value>, key: &str, text: &str) {
    settings
        .entry(key)
        .or_insert_with(|| Value::String(text.to_owned()));
}

pub(super) type Built = (Renderer, Arc<dyn targets::Target>);

fn http(
    loader: &mut Loader<'_>,
    entry: &Entry<'_>,
    clients: &Clients,
    blot: &Blot,
) -> Option<Built> {
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
    stand_in(&mut value, "url", "http://missing.invalid");
    let writing: Option<render::http::Settings> =
        loader.part(entry.node, &value, &["http"], entry.clean);
    let sending: Option<targets::http::Settings> =
        loader.part(entry.node, &value, &["http"], entry.clean);
    let engine = match value.contains_key("hosts") {
        true => loader.engine.with_hosts(),
        false => loader.engine.clone(),
    };
    let renderer = writing.and_then(|settings| {
        let built = Renderer::http(&settings, &engine, Names::Rendering);
        compiled(loader, entry.node, "http", built)
    });
    let sender = sending.and_then(|settings| {
        let (blot, clock) = (blot.clone(), loader.clock.clone());
        match HttpTarget::new(&settings, loader.folder, clients, blot, clock) {
            Ok(sender) => Some(Arc::new(sender) as Arc<dyn targets::Target>),
            Err(mistakes) => {
                for (mut path, message) in mistakes {
                    let http = entry.node.get("http");
                    let inside = |key: &String| http.is_some_and(|http| http.get(key).is_some());
                    if path.first().is_none_or(inside) {
                        path.insert(0, "http".to_owned());
                    }
                    loader.mistake(Mistake::new(place(entry.node, &path), message));
                }
                None
            }
        }
    });
    Some((renderer?, sender?))
}

fn only_of_http(loader: &mut Loader<'_>, entry: &Entry<'_>) {
    for key in BESIDE_HTTP {
        if let Some(key) = entry.node.key(key) {
            loader.mistake(
                Mistake::new(
                    key.at.clone(),
                    format!("`{}` is for `http` alone", key.text),
                )
                .help("remove it"),
            );
        }
    }
}

fn file(loader: &mut Loader<'_>, entry: &Entry<'_>, transport: &str) -> Option<Built> {
    only_of_http(loader, entry);
    let mut value = entry.value.get(transport)?.clone();
    if let (Value::Object(settings), "jsonl" | "files") = (&mut value, transport) {
        stand_in(settings, "path", "missing");
    }
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
        _ => {
            let settings: Log = loader.read(entry.node, value, way, entry.clean)?;
            let sender = LogTarget::new(settings.level == Level::Debug);
            return Some((Renderer::log(&settings), Arc::new(sender)));
        }
    };
    Some((renderer, Arc::new(FilesTarget::new(loader.folder))))
}

pub(super) fn compiled<T>(
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
