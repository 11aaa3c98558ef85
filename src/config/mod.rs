//! The config: `routes.yaml` -> one checked [`Config`], or a [`Report`] of all that is wrong with it.
//!
//! The file is read in five moves, each over the whole file, so that one run tells every mistake in its place:
//!
//! 1. [`parse`] reads YAML to a [`tree`] that remembers the bytes each key, value and character came from.
//! 2. [`expand`] puts in what is taken from the environment and from secret files, and remembers it to be blotted out.
//! 3. [`preset`] fills in what presets say, each value with its place in the preset's file.
//! 4. [`check`] walks the tree along the JSON Schema made from the rooms' settings: keys, types, words, units. What it
//!    refuses is left out of the values, so that the rest of the entry is still looked at.
//! 5. [`load`], with [`looking`], [`incoming`], [`tables`], [`outgoing`] and [`routing`], reads each room's settings from the values, resolves names,
//!    and compiles templates; their mistakes are brought back to the file by the way to the setting and the byte in it.
//!
//! Nothing here knows the settings themselves: they belong to the rooms, with their docs, and are joined by key.

mod broken;
mod check;
mod entry;
mod expand;
mod incoming;
mod load;
mod looking;
mod mistake;
mod mqtt;
mod open;
mod others;
mod outgoing;
mod parse;
mod pin;
mod position;
pub(crate) mod preset;
mod routing;
mod schema;
mod secrets;
mod secured;
mod shape;
mod sheet;
mod sinks;
mod tables;
mod tree;
mod verdict;
mod watch;
mod woven;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::fetch::Fetcher;
use crate::lists::Lists;
use crate::name::Name;
use crate::payload::Payload;
use crate::refresh::Refreshed;
use crate::render::Renderer;
use crate::routes::Route;
use crate::secret::Blot;
use crate::sources::DecodeSettings;
use crate::steps::Step;
use crate::targets::http::{Clients, Sessions};
use crate::template::{Engine, Known};
use crate::tls::{Offer, Seen};
use crate::{admin, alerts, delivery, server, sources, store, targets, telemetry};

use mistake::Mistake;

pub(crate) use expand::environment;
pub(crate) use mistake::Report;
pub(crate) use open::{Planned, SourceEntry};
pub(crate) use pin::pin;
pub(crate) use preset::{Each, Kind, Preset, Tried};
pub(crate) use schema::schema;
pub(crate) use secured::own_certificates;
pub(crate) use sheet::sheet;
pub(crate) use watch::{Contents, watch};
pub(crate) use woven::{Webhooks, WebhooksFrom};

/// Everything that one `routes.yaml` says, ready to run.
pub(crate) struct Config {
    pub(crate) server: server::Settings,
    pub(crate) admin: admin::Settings,
    /// TLS of `server` and of `admin`, where they have it.
    pub(crate) server_tls: Option<Offer>,
    pub(crate) admin_tls: Option<Offer>,
    pub(crate) store: store::Settings,
    pub(crate) log: telemetry::Settings,
    pub(crate) telemetry: telemetry::Telemetry,
    pub(crate) alerts: alerts::Settings,
    /// In the file's order; the one at `/` is always among them.
    pub(crate) sources: Vec<Source>,
    pub(crate) lists: Lists,
    /// Those of them that come from servers.
    pub(crate) refreshed: Vec<Refreshed>,
    /// In the file's order.
    pub(crate) targets: Vec<Target>,
    pub(crate) routes: Vec<Route>,
    /// The steps of each route, by its name.
    pub(crate) steps: BTreeMap<Name, Vec<Box<dyn Step>>>,
    /// What was made over the API, of which some of the targets and routes are.
    pub(crate) webhooks: Webhooks,
    /// The config, its lists and its secret files: what to load it again for.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) blot: Blot,
    /// The file as it may be shown: without secrets, and without comments, which may hold some.
    pub(crate) shown: admin::ShownFile,
}

/// What the targets of a config share with those of the config before.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) clock: Clock,
    pub(crate) sessions: Sessions,
    pub(crate) webhooks: WebhooksFrom,
    /// Those that targets have shown.
    pub(crate) certificates: Seen,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            sessions: Sessions::default(),
            webhooks: WebhooksFrom::Store,
            certificates: Seen::default(),
        }
    }
}

/// A place that senders post to.
pub(crate) struct Source {
    pub(crate) name: Name,
    /// With a `/` in front and none behind; none for a source that only hears from a broker.
    pub(crate) path: Option<String>,
    pub(crate) mqtt: Option<server::Subscription>,
    pub(crate) settings: server::SourceSettings,
    pub(crate) source: &'static dyn sources::Source,
    pub(crate) decode: DecodeSettings,
    /// Set when pictures known by address are to be fetched.
    pub(crate) fetcher: Option<Arc<Fetcher>>,
}

/// A downstream system.
pub(crate) struct Target {
    pub(crate) name: Name,
    pub(crate) delivery: delivery::Settings,
    /// The settings of its preset, if it has one.
    pub(crate) with: Option<Arc<delivery::With>>,
    pub(crate) renderer: Renderer,
    pub(crate) sender: Arc<dyn targets::Target>,
}

impl Target {
    /// Host and port of the system, if it is reached over the network and does not depend on the event.
    pub(crate) fn address(&self) -> Option<(String, u16)> {
        let by_preset = || {
            let url = url::Url::parse(self.with.as_ref()?.url()?).ok()?;
            Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
        };
        self.renderer.address().or_else(by_preset)
    }

    /// The request that only asks whether the system is there and takes the credentials, if it has one.
    ///
    /// # Errors
    /// When it cannot be written, in words.
    pub(crate) fn check(&self, clock: &Clock) -> Result<Option<Payload>, String> {
        delivery::check(&self.renderer, self.with.as_deref(), clock.now())
    }
}

impl Config {
    /// Reads the file, its lists and secrets. Relative paths count from the file's folder.
    pub(crate) fn load(path: &Path) -> Result<Self, Report> {
        Self::load_by(path, &Surroundings::default())
    }

    /// Reads it for targets in these surroundings.
    pub(crate) fn load_by(path: &Path, around: &Surroundings) -> Result<Self, Report> {
        Self::load_with(path, around, &environment)
    }

    /// The same for a camhook that runs. A file without anything in it is being written just now, or was cut off, and
    /// must not end all routes.
    pub(crate) fn load_again(path: &Path, around: &Surroundings) -> Result<Self, Report> {
        let config = Self::load_by(path, around)?;
        if !config.shown.text.trim().is_empty() {
            return Ok(config);
        }
        let mistake = Mistake::new(0..0, "nothing stands in this file".to_owned());
        let mistake = mistake.help("`routes: []` says that there are to be no routes");
        let file = path.display().to_string();
        Err(Report::new(file, String::new(), vec![mistake]))
    }

    /// Reads it with these values for `${NAME}`.
    pub(crate) fn load_with(
        path: &Path,
        around: &Surroundings,
        environment: expand::Environment<'_>,
    ) -> Result<Self, Report> {
        let file = path.display().to_string();
        let (text, broken) = match std::fs::read(path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => (text, None),
                Err(error) => {
                    let at = error.utf8_error().valid_up_to();
                    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                    (text, Some((at, "this is not UTF-8".to_owned())))
                }
            },
            Err(error) => (
                String::new(),
                Some((0, format!("cannot read the file: {error}"))),
            ),
        };
        if let Some((at, message)) = broken {
            return Err(Report::new(file, text, vec![Mistake::new(at..at, message)]));
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            Some(_) | None => Path::new("."),
        };
        let mut config = Self::read(&file, &text, folder, around, environment)?;
        config.files.insert(0, path.to_owned());
        Ok(config)
    }

    /// Reads a text that lies nowhere; relative paths count from `folder`.
    pub(crate) fn read(
        file: &str,
        text: &str,
        folder: &Path,
        around: &Surroundings,
        environment: expand::Environment<'_>,
    ) -> Result<Self, Report> {
        let mut mistakes = Vec::new();
        let Some(mut root) = parse::parse(text, &mut mistakes) else {
            let masked = secrets::mask(text, &broken::secrets(text));
            return Err(Report::new(file.to_owned(), masked, mistakes));
        };
        let mut taken = expand::Taken::default();
        expand::expand(&mut root, folder, environment, &mut taken);
        mistakes.append(&mut taken.mistakes);

        let woven = woven::weave(&mut root, text.len(), folder, &around.webhooks);
        mistakes.extend(woven.mistakes);
        let catalog = preset::apply(&mut root, woven.end, folder);
        mistakes.extend(catalog.mistakes.iter().cloned());
        taken.files.extend(catalog.files.iter().cloned());

        let lists: Vec<String> = root.get("lists").map_or(Vec::new(), |lists| {
            let names = lists.entries().iter().map(|(key, _)| key.text.clone());
            names.collect()
        });
        let schema = schema::strict();
        let mut loader = load::Loader {
            root: &root,
            folder,
            engine: Engine::knowing(Known {
                lists,
                pictures: Some(routing::pictures(&root)),
                with: Some(Vec::new()),
                ..Known::default()
            }),
            catalog: &catalog,
            checker: check::Checker::new(&schema),
            files: taken.files,
            taken: taken.secrets,
            callers: BTreeMap::new(),
            clock: &around.clock,
            sessions: &around.sessions,
            certificates: &around.certificates,
        };
        let mut config = Self::build(&mut loader);
        config.files = std::mem::take(&mut loader.files);
        config.files.extend(secured::files(&root, folder));
        let broken = root.broken();
        let follows = |mistake: &Mistake| {
            let at = mistake.span.start;
            let before = broken.range(..=at).next_back();
            before.is_some_and(|(_, end)| at < *end)
        };
        let found = std::mem::take(&mut loader.checker.mistakes);
        mistakes.extend(found.into_iter().filter(|mistake| !follows(mistake)));

        let secrets = secrets::find(&root, &loader.taken, &loader.checker.secrets);
        if !mistakes.is_empty() {
            for mistake in &mut mistakes {
                mistake.message = secrets.blot.out(&mistake.message);
                mistake.help = mistake.help.take().map(|help| secrets.blot.out(&help));
            }
            let report = Report::new(file.to_owned(), secrets.mask(text), mistakes);
            let pages = woven.page.into_iter().chain(catalog.pages.iter().cloned());
            let mut report = report.with_pages(pages.collect());
            report.files = config.files;
            return Err(report);
        }
        woven::keep_parts(&mut config.steps, &woven.ids);
        config.webhooks = woven.webhooks;
        config.shown = secrets::without_comments(&root, &secrets.mask(text));
        config.shown.digest = Sha256::digest(text).into();
        for route in &mut config.routes {
            route.blot = secrets.blot.clone();
        }
        config.blot = secrets.blot;
        Ok(config)
    }

    /// As far as the file goes; what it lacks is among the loader's mistakes.
    fn build(loader: &mut load::Loader<'_>) -> Self {
        loader.sections();
        let server: server::Settings = loader.settings("server");
        let admin = looking::admin(loader);
        let store: entry::Store = loader.settings("store");
        let log = loader.settings("log");
        let telemetry = looking::telemetry(loader);
        let alerts = loader.settings("alerts");
        let server_tls = secured::server(loader, &server);
        let admin_tls = secured::admin(loader, &admin);
        if let Some(second) = server.tls.as_ref().and_then(|tls| tls.listen) {
            let way = ["server", "tls", "listen"].map(str::to_owned);
            let at = load::place(loader.root, &way);
            for (other, whose) in [
                (server.listen, "server.listen"),
                (admin.listen, "admin.listen"),
            ] {
                if overlap(second, other) {
                    let message = format!("{other} is taken by `{whose}` already");
                    loader.mistake(
                        Mistake::new(at.clone(), message).help("give HTTPS a port of its own"),
                    );
                }
            }
        }
        if overlap(admin.listen, server.listen) {
            let at = ["admin", "server"]
                .into_iter()
                .find(|section| loader.root.get(section).is_some())
                .map_or(0..0, |section| {
                    load::place(loader.root, &[section.to_owned(), "listen".to_owned()])
                });
            let message = format!("cameras post to {} already", server.listen);
            loader.mistake(Mistake::new(at, message).help("give `admin` a port of its own"));
        }
        let clients = Clients::noting(loader.sessions.clone(), loader.certificates.clone());
        let (sources, source_names) = incoming::sources(loader, &clients);
        secured::sources(loader, &server, &sources);
        let store = store::Settings {
            path: loader.folder.join(store.path),
            keep: store.keep.0,
            max_size: store.max_size.0,
            pictures: store.pictures.map(|pictures| store::Pictures {
                keep: pictures.keep.unwrap_or(store.keep).0,
                max_size: pictures.max_size.map_or(u64::MAX, |size| size.0),
            }),
        };
        let (lists, refreshed) = tables::lists(loader, &clients, &store.path);
        let (targets, target_names) = outgoing::targets(loader, &clients);
        let originals: Vec<Name> = targets
            .iter()
            .filter(|target| target.renderer.sends_original())
            .map(|target| target.name.clone())
            .collect();
        let (routes, steps) = routing::routes(loader, &source_names, &target_names, &originals);
        Self {
            server,
            admin,
            server_tls,
            admin_tls,
            store,
            log,
            telemetry,
            alerts,
            sources,
            lists,
            refreshed,
            targets,
            routes,
            steps,
            webhooks: Webhooks::default(),
            files: Vec::new(),
            blot: Blot::default(),
            shown: admin::ShownFile::default(),
        }
    }
}

/// Whether one port cannot have both.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let addresses =
        one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    addresses && one.port() == other.port() && one.port() != 0
}

#[cfg(test)]
mod tests;
