//! From the file's `sources` to what events come in by.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Source;
use super::entry::Decoding;
use super::load::{Entry, Loader, Places, place, places};
use super::mistake::Mistake;
use super::secrets;
use crate::event::OWN;
use crate::fetch::{self, Fetcher};
use crate::name::Name;
use crate::server;
use crate::sources::{self, DecodeSettings};
use crate::targets::http::Clients;

/// The sources, and the names that routes may use: with the one at `/` that is there when none is set there.
pub(super) fn sources(loader: &mut Loader<'_>, clients: &Clients) -> (Vec<Source>, Places) {
    let entries = loader.entries("sources");
    let mut known = places(&entries);
    if let Some(at) = known.get(OWN).cloned() {
        let message = format!("a source cannot be called `{OWN}`");
        loader.mistake(
            Mistake::new(at, message).help("that is where alerts come from: give it another name"),
        );
    } else if let Ok(own) = Name::new(OWN) {
        known.insert(own, 0..0);
    }
    let mut sources: Vec<Source> = Vec::new();
    let mut paths: BTreeMap<String, Name> = BTreeMap::new();
    for entry in &entries {
        let Some(source) = source(loader, entry, clients) else {
            continue;
        };
        let Some(path) = source.path.clone() else {
            sources.push(source);
            continue;
        };
        match paths.get(&path) {
            Some(other) => {
                let at = if entry.node.get("path").is_some() {
                    place(entry.node, &["path".to_owned()])
                } else {
                    entry.key.at.clone()
                };
                loader.mistake(
                    Mistake::new(
                        at,
                        format!(
                            "`{}` has the path of source `{other}`: `{path}`",
                            entry.name
                        ),
                    )
                    .help("give each source a path of its own"),
                );
            }
            None => {
                paths.insert(path, entry.name.clone());
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
                path: Some("/".to_owned()),
                mqtt: None,
                settings: server::SourceSettings {
                    path: Some("/".to_owned()),
                    ..server::SourceSettings::default()
                },
                source: sources::SourceKind::default().source(),
                decode: DecodeSettings::default(),
                fetcher: None,
            });
        }
    }
    (sources, known)
}

fn source(loader: &mut Loader<'_>, entry: &Entry<'_>, clients: &Clients) -> Option<Source> {
    let decoding: Option<Decoding> = loader.part(entry.node, &entry.value, &[], entry.clean);
    let settings: Option<server::SourceSettings> =
        loader.part(entry.node, &entry.value, &[], entry.clean);
    let (decoding, settings) = (decoding?, settings?);
    let source = decoding.kind.source();
    let mqtt = settings
        .mqtt
        .as_ref()
        .map(|mqtt| super::mqtt::subscription(loader, entry, mqtt, source.topics(), clients));
    let path = match &settings.path {
        Some(path) => Some(path.clone()),
        None if mqtt.is_some() => None,
        None => Some(format!("/{}", entry.name)),
    };
    if let Some(path) = &path
        && (!path.starts_with('/') || path.contains(['?', '#', ' ']))
    {
        loader.mistake(
            Mistake::new(
                place(entry.node, &["path".to_owned()]),
                format!("`{path}` is no path"),
            )
            .help("expected such as `/stream`"),
        );
    }
    let fetcher = match &decoding.fetch {
        Some(settings) => Some(fetcher(loader, entry, settings, clients)?),
        None => None,
    };
    let map = decoding.map.and_then(|map| {
        let compiled = map.compile(&loader.engine, source.kind());
        let mistakes = compiled.map(Arc::new).map_err(|mistakes| {
            for mistake in mistakes {
                let mut way = vec!["map".to_owned()];
                way.extend(mistake.path.iter().cloned());
                loader.template_mistake(entry.node, &way, mistake);
            }
        });
        mistakes.ok()
    });
    let trimmed = |path: String| match path.trim_end_matches('/') {
        "" => "/".to_owned(),
        trimmed => trimmed.to_owned(),
    };
    Some(Source {
        name: entry.name.clone(),
        path: path.map(trimmed),
        mqtt: match mqtt {
            Some(subscription) => Some(subscription?),
            None => None,
        },
        settings,
        source,
        decode: DecodeSettings {
            timezone: decoding.timezone.map(|zone| zone.0),
            cameras: decoding.cameras,
            fetches: fetcher.is_some(),
            map,
        },
        fetcher,
    })
}

fn fetcher(
    loader: &mut Loader<'_>,
    entry: &Entry<'_>,
    settings: &fetch::Settings,
    clients: &Clients,
) -> Option<Arc<Fetcher>> {
    let blot = secrets::find(loader.root, &loader.taken, &loader.checker.secrets).blot;
    match Fetcher::new(settings, loader.folder, clients, blot) {
        Ok(fetcher) => Some(Arc::new(fetcher)),
        Err(mistakes) => {
            for (mut path, message) in mistakes {
                path.insert(0, "fetch".to_owned());
                loader.mistake(Mistake::new(place(entry.node, &path), message));
            }
            None
        }
    }
}
