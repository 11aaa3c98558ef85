//! From the file's `sources` and `lists` to what events come in by and are looked up in.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Source;
use super::entry::Decoding;
use super::load::{Entry, Loader, Places, place, places};
use super::mistake::Mistake;
use crate::lists::{self, List, Lists};
use crate::name::Name;
use crate::server;
use crate::sources::{self, DecodeSettings};

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
                        format!(
                            "`{}` has the path of source `{other}`: `{}`",
                            entry.name, source.path
                        ),
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
    let decoding: Option<Decoding> = loader.part(entry.node, &entry.value, &[], entry.clean);
    let settings: Option<server::SourceSettings> =
        loader.part(entry.node, &entry.value, &[], entry.clean);
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
    let source = decoding.kind.source();
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
    let trimmed = path.trim_end_matches('/');
    Some(Source {
        name: entry.name.clone(),
        path: if trimmed.is_empty() { "/" } else { trimmed }.to_owned(),
        settings,
        source,
        decode: DecodeSettings {
            timezone: decoding.timezone.map(|zone| zone.0),
            cameras: decoding.cameras,
            map,
        },
    })
}

/// Reads every list's file.
pub(super) fn lists(loader: &mut Loader<'_>) -> Lists {
    let mut lists = Vec::new();
    for entry in loader.entries("lists") {
        let Some(settings) =
            loader.part::<lists::Settings>(entry.node, &entry.value, &[], entry.clean)
        else {
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
