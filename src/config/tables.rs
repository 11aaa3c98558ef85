//! From the file's `lists` to what plates are looked up in.

use std::error::Error;
use std::path::Path;

use super::load::{Entry, Loader, place};
use super::mistake::Mistake;
use super::secrets;
use crate::lists::{self, List, Lists};
use crate::refresh::{self, Http, Origin, Refreshed};
use crate::targets::http::Clients;

/// The keys that say where a list comes from; it has exactly one of them.
const ORIGINS: [&str; 3] = ["csv", "http", "parkpow"];
/// What stands beside `csv`, and within `http`.
const COLUMNS: [&str; 4] = ["key", "valid_from", "valid_until", "timezone"];

/// Reads every list's file, and the last good copies of those that come from servers, out of the folder of the store.
pub(super) fn lists(
    loader: &mut Loader<'_>,
    clients: &Clients,
    store: &Path,
) -> (Lists, Vec<Refreshed>) {
    let (mut lists, mut refreshed) = (Vec::new(), Vec::new());
    for entry in loader.entries("lists") {
        let given: Vec<&str> = ORIGINS
            .into_iter()
            .filter(|key| entry.node.get(key).is_some())
            .collect();
        match given.as_slice() {
            ["csv"] => {
                if let Some(list) = file(loader, &entry) {
                    lists.push((entry.name.to_string(), list));
                }
            }
            [kind] => {
                if let Some(list) = from_server(loader, &entry, kind, clients, store) {
                    lists.push((entry.name.to_string(), list.list.clone()));
                    refreshed.push(list);
                }
            }
            [] if !entry.clean => {} // it may be misspelt, and told so
            [] => loader.mistake(
                Mistake::new(
                    entry.key.at.clone(),
                    "it is not said where this list comes from",
                )
                .help("give it one of `csv`, `http` and `parkpow`"),
            ),
            [first, second, ..] => {
                let at = entry
                    .node
                    .key(second)
                    .map_or(entry.key.at.clone(), |key| key.at.clone());
                loader.mistake(
                    Mistake::new(at, format!("this list comes from `{first}` already"))
                        .help("make two lists of them"),
                );
            }
        }
    }
    (Lists::new(lists), refreshed)
}

fn file(loader: &mut Loader<'_>, entry: &Entry<'_>) -> Option<List> {
    let settings: lists::Settings = loader.part(entry.node, &entry.value, &[], entry.clean)?;
    let csv = settings.csv.as_ref()?;
    let path = loader.folder.join(csv);
    loader.files.push(path.clone());
    if settings.key.is_none() {
        if entry.node.get("key").is_none() && entry.clean {
            loader.mistake(
                Mistake::new(entry.key.at.clone(), "`key` is missing")
                    .help("`key`: the column that holds the plates"),
            );
        }
        return None;
    }
    let now = loader.clock.now();
    let read = std::fs::read_to_string(&path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))
        .and_then(|text| {
            lists::read_csv(&text, &settings.columns())
                .map_err(|error| format!("{}: {}", path.display(), chain(&error)))
        });
    match read {
        Ok(table) => Some(List::of(lists::FILE, table, now)),
        Err(message) => {
            let at = place(entry.node, &["csv".to_owned()]);
            loader.mistake(Mistake::new(at, message));
            None
        }
    }
}

fn from_server(
    loader: &mut Loader<'_>,
    entry: &Entry<'_>,
    kind: &str,
    clients: &Clients,
    store: &Path,
) -> Option<Refreshed> {
    for column in COLUMNS {
        let Some(key) = entry.node.key(column) else {
            continue;
        };
        let help = match kind {
            "http" => format!("`{column}` belongs into `http`"),
            _ => "leave it out: what ParkPow tells is known".to_owned(),
        };
        let message = format!("`{column}` is for `csv`");
        loader.mistake(Mistake::new(key.at.clone(), message).help(help));
    }
    let settings: refresh::Settings = loader.part(entry.node, &entry.value, &[], entry.clean)?;
    let (kind, http) = match (&settings.http, &settings.parkpow) {
        (Some(http), _) => ("http", http.clone()),
        (None, Some(parkpow)) => ("parkpow", Http::from(parkpow)),
        (None, None) => return None,
    };
    let blot = secrets::find(loader.root, &loader.taken, &loader.checker.secrets).blot;
    match Origin::new(&http, loader.folder, clients, blot) {
        Ok(_) if !entry.clean => None,
        Ok(origin) => Some(Refreshed::new(entry.name.clone(), kind, origin, store)),
        Err(mistakes) => {
            for (mut path, message) in mistakes {
                path.insert(0, kind.to_owned());
                loader.mistake(Mistake::new(place(entry.node, &path), message));
            }
            None
        }
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
