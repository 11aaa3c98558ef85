//! Hands a checked config to the rooms that run it.

use std::sync::Arc;

use super::Config;
use crate::admin::ShownFile;
use crate::delivery::{Outlet, Pipelines};
use crate::fetch::Fetchers;
use crate::lists::Lists;
use crate::name::Name;
use crate::routes::Route;
use crate::server::{AuthSettings, Door, Entry, Subscription};
use crate::sources::{DecodeSettings, Source};

/// The way from a request to a plan, for replays and `explain`. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Planned {
    pub(crate) routes: Arc<[Route]>,
    pub(crate) lists: Lists,
    pub(crate) sources: Arc<[SourceEntry]>,
    /// Names, in the file's order.
    pub(crate) targets: Vec<Name>,
    /// The file as it may be shown.
    pub(crate) shown: Arc<ShownFile>,
}

/// A source without its door: what decodes.
#[derive(Clone)]
pub(crate) struct SourceEntry {
    pub(crate) name: Name,
    /// With a `/` in front and none behind, if it is posted to.
    pub(crate) path: Option<String>,
    pub(crate) source: &'static dyn Source,
    pub(crate) decode: DecodeSettings,
    /// Who may post to it.
    pub(crate) auth: AuthSettings,
}

impl Config {
    /// Which sources fetch pictures, and how.
    pub(crate) fn fetchers(&self) -> Fetchers {
        let fetching = self.sources.iter().filter_map(|source| {
            let fetcher = source.fetcher.clone()?;
            Some((source.name.clone(), fetcher))
        });
        fetching.collect()
    }

    pub(crate) fn planned(&self) -> Planned {
        let source = |source: &super::Source| SourceEntry {
            name: source.name.clone(),
            path: source.path.clone(),
            source: source.source,
            decode: source.decode.clone(),
            auth: source.settings.auth.clone(),
        };
        Planned {
            routes: self.routes.clone().into(),
            lists: self.lists.clone(),
            sources: self.sources.iter().map(source).collect(),
            targets: self
                .targets
                .iter()
                .map(|target| target.name.clone())
                .collect(),
            shown: Arc::new(self.shown.clone()),
        }
    }

    /// Takes what is heard from brokers, for [`Config::open`] has no place for it.
    pub(crate) fn subscriptions(&mut self) -> Vec<Subscription> {
        let sources = self.sources.iter_mut();
        sources.filter_map(|source| source.mqtt.take()).collect()
    }

    /// The accepting half's door and the delivering half's pipelines.
    pub(crate) fn open(self) -> (Door, Pipelines) {
        let entries = self.sources.into_iter();
        let entries = entries
            .map(|source| Entry::new(source.name, source.settings, source.source, source.decode));
        let routes = self.routes.into();
        let door = Door::new(
            entries.collect(),
            routes,
            self.lists.clone(),
            self.server.catch_all,
        );
        let targets = self.targets.into_iter().map(|target| {
            let outlet = Outlet {
                renderer: Arc::new(target.renderer),
                target: target.sender,
                with: target.with,
                settings: target.delivery,
            };
            (target.name, outlet)
        });
        let pipelines = Pipelines {
            routes: self
                .steps
                .into_iter()
                .map(|(route, steps)| (route, steps.into()))
                .collect(),
            targets: targets.collect(),
            lists: self.lists,
            blot: self.blot,
        };
        (door, pipelines)
    }
}
