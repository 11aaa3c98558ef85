//! A changed config takes over without dropping a request; a bad one is refused and the running one stays.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::App;
use super::alerts::Watched;
use super::certificates::Certificates;
use super::file;
use super::hooks::{self, Hooks};
use super::planner::Plans;
use crate::admin::{Change, ChangeError, Gate, Planner as _};
use crate::config::{self, Config, Contents, Report, Surroundings, Webhooks, WebhooksFrom};
use crate::delivery::Deliveries;
use crate::fetch::Fetches;
use crate::name::Name;
use crate::refresh::Refreshes;
use crate::server::{Door, Subscriptions};
use crate::store::Store;
use crate::tasks::Tasks;
use crate::telemetry::{ListOnly, Metrics, Reloaded, Telemetry};
use crate::webhooks::{Webhook, is_reserved};

/// What others ask for, to be done one after the other.
pub(super) struct Asks {
    /// Loads of the file.
    pub(super) loads: mpsc::Receiver<file::Asked>,
    /// Changes of webhooks.
    pub(super) changes: mpsc::Receiver<hooks::Asked>,
}

/// What a new config is put into.
struct Running {
    config: PathBuf,
    surroundings: Surroundings,
    door: Arc<arc_swap::ArcSwap<Door>>,
    plans: Arc<Plans>,
    deliveries: Arc<Deliveries>,
    subscriptions: Arc<Subscriptions>,
    fetches: Arc<Fetches>,
    refreshes: Arc<Refreshes>,
    metrics: Metrics,
    certificates: Certificates,
    alerting: Arc<arc_swap::ArcSwap<Watched>>,
    gate: Arc<Gate>,
    hooks: Arc<Hooks>,
    store: Store,
    /// For what goes on as long as deliveries do.
    delivering: Tasks,
    settings: Fixed,
}

/// What only a restart can change.
pub(super) struct Fixed {
    others: String,
    telemetry: Telemetry,
}

impl PartialEq for Fixed {
    fn eq(&self, other: &Self) -> bool {
        self.others == other.others && self.telemetry.is_the_same(&other.telemetry)
    }
}

impl Fixed {
    pub(super) fn of(config: &Config) -> Self {
        let Config {
            server,
            admin,
            store,
            log,
            telemetry,
            ..
        } = config;
        Self {
            telemetry: telemetry.clone(),
            others: format!(
                "{:?} {} {} {store:?} {log:?}",
                server.fixed(),
                admin.listen,
                admin.tls.is_some()
            ),
        }
    }
}

impl App {
    /// Loads the config anew whenever one of its files changes, and on SIGHUP.
    pub(super) fn follow(&self, files: Files, settings: Fixed, hooks: Arc<Hooks>, asks: Asks) {
        let running = Running {
            config: self.config.clone(),
            surroundings: self.surroundings.clone(),
            door: self.door.clone(),
            plans: self.plans.clone(),
            deliveries: self.deliveries.clone(),
            subscriptions: self.subscriptions.clone(),
            fetches: self.fetches.clone(),
            refreshes: self.refreshes.clone(),
            metrics: self.metrics.clone(),
            certificates: self.certificates.clone(),
            alerting: self.alerting.clone(),
            gate: self.gate.clone(),
            hooks,
            store: self.store.clone(),
            delivering: self.delivering.clone(),
            settings,
        };
        let tasks = self.accepting.clone();
        self.accepting.spawn(running.follow(files, asks, tasks));
    }
}

impl Running {
    async fn follow(self, mut files: Files, mut asks: Asks, tasks: Tasks) {
        let mut hangups = signal(SignalKind::hangup()).ok();
        let mut watch = Watch::of(&files, &tasks);
        self.hooks
            .end_removed(&self.store, &self.surroundings.clock, &self.delivering);
        loop {
            let mut tell: Option<file::Asked> = None;
            let hangup = async {
                match &mut hangups {
                    Some(hangups) => hangups.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = tasks.stopping() => return,
                Some(asked) = asks.changes.recv() => {
                    let hooks::Asked { change, answer } = asked;
                    let _ = answer.send(self.change(change).await);
                    continue;
                }
                _ = hangup => tracing::info!("asked to load the config again"),
                () = watch.changed() => tracing::info!("the config has changed"),
                Some(told) = asks.loads.recv() => {
                    tracing::info!("asked to load the config again, by who steers");
                    tell = Some(told);
                }
            }
            let (loaded, now) = self.load(&files.names).await;
            if let Some(tell) = tell {
                let _ = tell.send(loaded); // who asked may be gone
            }
            // Anew each time: a folder may be another one of the same name now, and a link may lead elsewhere.
            watch = Watch::of(&now, &tasks);
            files = now;
        }
    }

    /// What is wrong with it, if something is, and the files to watch from now on.
    async fn load(&self, watched: &[PathBuf]) -> (Result<(), String>, Files) {
        let before = Files::seen(watched.to_owned()).await;
        let (loaded, names) = match self.read(self.hooks.kept()).await {
            Ok(config) => {
                let files = self.take(config);
                let outcome = Reloaded { outcome: "taken" };
                self.metrics.reloads.get_or_create(&outcome).inc();
                tracing::info!("the new config is in use");
                (Ok(()), files)
            }
            Err(Some(report)) => {
                let mistakes = report.plain();
                tracing::error!("the new config is refused, the running one stays:\n{mistakes}");
                let named = report.files.into_iter();
                let new = named.filter(|file| !watched.contains(file));
                let files = watched.iter().cloned().chain(new).collect();
                (self.refuse(mistakes), files)
            }
            Err(None) => {
                let why = "it could not be loaded: camhook's log tells why\n".to_owned();
                (self.refuse(why), watched.to_owned())
            }
        };
        let mut now = Files::seen(names).await;
        if Files::seen(watched.to_owned()).await.contents != before.contents {
            now.contents = Contents::default(); // somebody wrote meanwhile: it is read again
        }
        (loaded, now)
    }

    fn refuse(&self, mistakes: String) -> Result<(), String> {
        let outcome = Reloaded { outcome: "refused" };
        self.metrics.reloads.get_or_create(&outcome).inc();
        self.plans.file.refused(&mistakes);
        Err(mistakes)
    }

    /// Nothing is told when it could not even be tried, which is in the log.
    async fn read(&self, webhooks: WebhooksFrom) -> Result<Config, Option<Box<Report>>> {
        let path = self.config.clone();
        let around = Surroundings {
            webhooks,
            ..self.surroundings.clone()
        };
        match tokio::task::spawn_blocking(move || Config::load_again(&path, &around)).await {
            Ok(loaded) => loaded.map_err(|report| Some(Box::new(report))),
            Err(error) => {
                tracing::error!(%error, "the config could not be loaded, the running one stays");
                Err(None)
            }
        }
    }

    /// Puts a config into use; returns the files that it reads.
    fn take(&self, mut config: Config) -> Vec<PathBuf> {
        let restart_due = Fixed::of(&config) != self.settings;
        if restart_due {
            tracing::warn!(
                "what changed in `server`, `admin.listen`, `store`, `log` or `telemetry` is taken up by a restart only (`catch_all` and certificates apart)"
            );
        }
        if !self.gate.replace(&config.admin) {
            tracing::error!(
                "who may look stays as before until a restart: without `users` and `tokens` everybody who reaches the address \
                 that `admin` still listens on could steer camhook"
            );
        }
        let files = config.files.clone();
        self.hooks.replace(std::mem::take(&mut config.webhooks));
        self.certificates
            .replace(config.server_tls.take(), config.admin_tls.take());
        // Before anybody looks plates up in the new lists, they get what is in memory.
        self.refreshes
            .replace(std::mem::take(&mut config.refreshed));
        self.forget_lists(&config);
        self.tell_of_gone_targets(&config);
        let gone = self.plans.replace(&config.planned());
        // What becomes of webhooks' deliveries is told where they are changed.
        let is_own = |route: &Name| !is_reserved(route.as_str());
        for route in gone.into_iter().filter(is_own) {
            tracing::warn!(
                %route,
                "this route is gone: what is still pending of it will be dead, and `camhook replay` plans it anew"
            );
        }
        self.alerting.store(Arc::new(Watched::of(&config)));
        let subscriptions = config.subscriptions();
        let fetchers = config.fetchers();
        let (door, pipelines) = config.open();
        // The way out first: an event that comes in by a new route must find its target.
        self.plans.replace_pipelines(pipelines.clone());
        self.store.serve(pipelines.targets.keys().cloned());
        self.deliveries.replace(pipelines);
        self.fetches.replace(fetchers);
        self.door.store(Arc::new(door));
        self.subscriptions.replace(subscriptions);
        self.plans.file.taken(restart_due);
        self.hooks
            .end_removed(&self.store, &self.surroundings.clock, &self.delivering);
        files
    }

    /// Changes webhooks: checked as a part of the config, written, and in use before it is answered.
    async fn change(&self, change: Change) -> Result<Option<Webhook>, ChangeError> {
        let (old, settings) = self.hooks.ready()?;
        if let Change::Left(id) = change {
            return self.hooks.has_left(id).await.map(|()| None);
        }
        let mut new = old.clone();
        let done = hooks::apply(&mut new, change, &settings)?;
        let config = match self.read(WebhooksFrom::Shelf(new.clone())).await {
            Ok(config) if matches!(config.webhooks, Webhooks::On { .. }) => config,
            Ok(_) => return Err(hooks::not_now("`admin.findface` was taken out")),
            Err(report) => {
                let is_fine = self.read(WebhooksFrom::Shelf(old)).await.is_ok();
                return Err(hooks::refused(report.filter(|_| is_fine).as_deref()));
            }
        };
        self.hooks.write(new).await?;
        self.take(config);
        Ok(done)
    }

    fn tell_of_gone_targets(&self, config: &Config) {
        let before = self.alerting.load();
        let gone = before
            .targets()
            .filter(|name| config.targets.iter().all(|target| target.name != **name));
        for target in gone.filter(|name| !is_reserved(name.as_str())) {
            tracing::warn!(
                %target,
                "this target is gone: what it has not got waits until it is back, or `camhook discard --target {target} --fate pending` gives it up"
            );
        }
    }

    /// What is not in the config any more is not measured any more.
    fn forget_lists(&self, config: &Config) {
        for (name, _) in self.plans.lists().iter() {
            if config.lists.get(name).is_none() {
                let label = ListOnly::new(name);
                self.metrics.list_rows.remove(&label);
                self.metrics.list_age_seconds.remove(&label);
            }
        }
    }
}

/// What a config is read from, and what that held when it was read.
pub(super) struct Files {
    names: Vec<PathBuf>,
    contents: Contents,
}

impl Files {
    /// All that these turned out to name; when they changed meanwhile, they are to be read again.
    pub(super) async fn naming(self, names: Vec<PathBuf>) -> Self {
        let mut files = Self::seen(names).await;
        if Self::seen(self.names).await.contents != self.contents {
            files.contents = Contents::default();
        }
        files
    }

    /// As they are now.
    pub(super) async fn seen(names: Vec<PathBuf>) -> Self {
        let look = names.clone();
        let contents = tokio::task::spawn_blocking(move || Contents::of(&look)).await;
        Self {
            names,
            contents: contents.unwrap_or_default(),
        }
    }
}

/// Watches files until it is dropped.
struct Watch {
    changes: mpsc::Receiver<()>,
    tasks: Tasks,
}

impl Watch {
    fn of(files: &Files, tasks: &Tasks) -> Self {
        let tasks = tasks.child();
        Self {
            changes: config::watch(files.names.clone(), files.contents, &tasks),
            tasks,
        }
    }

    async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}
