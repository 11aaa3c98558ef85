//! The app: starts the rooms, lets a changed config take over, and stops them in order.

mod addresses;
mod alerts;
mod certificates;
mod client;
mod collector;
mod file;
mod hooks;
mod outside;
mod overdue;
mod planner;
mod reload;
mod trial;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::admin::{self, Admin, Bell, Gate, Glances, attend};
use crate::alerts::{Awake, Judge};
use crate::budget::Budget;
use crate::clock::Clock;
use crate::config::{Config, Report, Surroundings};
use crate::delivery::Deliveries;
use crate::descriptors;
use crate::fate::Fate;
use crate::fetch::Fetches;
use crate::refresh::Refreshes;
use crate::server::{self, Door, Server, Subscriptions};
use crate::store::{Store, StoreError};
use crate::tasks::Tasks;
use crate::telemetry::{self, Metrics};

use addresses::Addresses;
pub(crate) use addresses::{reachable, url};
use alerts::{Watched, Watchman};
use certificates::Certificates;
pub(crate) use client::http_client;
use collector::Collector;
use file::File;
use hooks::Hooks;
use outside::Outside;
use planner::Plans;

/// How often what is too old or too much is removed.
const RETAIN_EVERY: Duration = Duration::from_secs(60);
/// How long a stopping camhook waits for what is under way, above the listener's own grace.
const PATIENCE: Duration = Duration::from_secs(30);

/// Open files besides connections of senders and to targets: segments, readers of the index, the admin's connections, what
/// the runtime has.
const FILES_OF_ITS_OWN: u64 = 320;

/// A running camhook.
pub struct App {
    config: PathBuf,
    surroundings: Surroundings,
    /// How long requests under way may take when camhook stops.
    grace: Duration,
    addresses: Addresses,
    /// Listeners and requests: stopped first.
    accepting: Tasks,
    /// Workers and housekeeping: stopped when nothing comes in any more.
    delivering: Tasks,
    store: Store,
    metrics: Metrics,
    door: Arc<ArcSwap<Door>>,
    plans: Arc<Plans>,
    deliveries: Arc<Deliveries>,
    subscriptions: Arc<Subscriptions>,
    fetches: Arc<Fetches>,
    refreshes: Arc<Refreshes>,
    certificates: Certificates,
    alerting: Arc<ArcSwap<Watched>>,
    gate: Arc<Gate>,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{}", .0.plain().trim_end())]
    Config(Box<Report>),
    #[error(transparent)]
    Server(#[from] server::BindError),
    #[error(transparent)]
    Admin(#[from] admin::BindError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl App {
    /// Returns when both listeners are bound and open.
    ///
    /// # Errors
    /// When the config has mistakes, an address is taken, or the store cannot be opened.
    pub async fn start(path: &Path, clock: Clock) -> Result<Self, StartError> {
        let surroundings = Surroundings {
            clock: clock.clone(),
            ..Surroundings::default()
        };
        let before = reload::Files::seen(vec![path.to_owned()]).await;
        let mut config = Config::load_by(path, &surroundings)
            .map_err(|report| StartError::Config(Box::new(report)))?;
        let watched = before.naming(config.files.clone()).await;
        telemetry::start(&config.log);
        let open_files = descriptors::raise();
        let connections = connections_within(&config, open_files);
        let metrics = Metrics::new();
        let collector = Collector::new(&config.telemetry, &metrics);
        let (server_tls, admin_tls) = (config.server_tls.take(), config.admin_tls.take());
        let certificates = Certificates::new(server_tls, admin_tls, &clock, &metrics);
        let server = Server::bind(&config.server, certificates.server.clone()).await?;
        let server = server.within(connections);
        let listener = admin::Listener::bind(config.admin.listen).await?;
        let store = Store::open(config.store.clone(), clock.clone(), metrics.clone())?;
        let budget = Budget::new(config.server.budget.bytes(), metrics.clone());
        let (looking, kept) = (&config.admin, &config.store.path);
        let proxies = config.server.proxies();
        let gate = Gate::new(looking, proxies, listener.address(), kept, clock.clone());

        let (hooks, changes) = Hooks::new(std::mem::take(&mut config.webhooks), kept);
        let follower = reload::Fixed::of(&config);
        let grace = config.server.shutdown_grace.0;
        begin_counting(&config, &metrics);
        let addresses = Addresses::of(&config, &server, &listener, &certificates);
        let (accepting, delivering) = (Tasks::default(), Tasks::default());
        let refreshed = std::mem::take(&mut config.refreshed);
        let folder = &config.store.path;
        let refreshes = Refreshes::start(refreshed, folder, clock.clone(), &budget, &delivering);
        let refreshes = Arc::new(refreshes);
        let (file, loads) = File::new(path, clock.clone());
        let plans = Plans::new(store.clone(), clock.clone(), &config.planned(), file);
        let plans = Arc::new(plans);
        let subscriptions = config.subscriptions();
        let fetchers = config.fetchers();
        let alerting = Arc::new(ArcSwap::from_pointee(Watched::of(&config)));
        let (door, pipelines) = config.open();
        plans.run_in(Outside {
            addresses: addresses.clone(),
            config: path.to_owned(),
            pipelines: ArcSwap::from_pointee(pipelines.clone()),
            budget: budget.clone(),
        });
        let door = Arc::new(ArcSwap::from_pointee(door));
        store.serve(pipelines.targets.keys().cloned());
        let deliveries = Deliveries::start(
            pipelines,
            store.clone(),
            clock.clone(),
            metrics.clone(),
            &budget,
            &delivering,
        );
        let deliveries = Arc::new(deliveries);
        let fetches = Fetches::start(fetchers, store.clone(), clock.clone(), &budget, &delivering);
        let fetches = Arc::new(fetches);
        delivering.spawn(housekeeping(
            store.clone(),
            clock.clone(),
            delivering.clone(),
        ));

        delivering.spawn(clock_watch(
            store.clone(),
            deliveries.clone(),
            &clock,
            delivering.clone(),
        ));
        delivering.spawn(certificates.clone().remind(delivering.clone()));
        delivering.spawn(overdue::tell(plans.clone(), delivering.clone()));
        let watchman = Watchman {
            store: store.clone(),
            metrics: metrics.clone(),
            plans: plans.clone(),
            watched: alerting.clone(),
            certificates: certificates.clone(),
            shown: surroundings.certificates.clone(),
            board: plans.board().clone(),
            judge: Judge::default(),
            awake: Awake::default(),
        };
        delivering.spawn(watchman.watch(delivering.clone()));

        let bell = Bell::default();
        let admin = Admin {
            store: store.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            planner: plans.clone(),
            glances: Arc::new(Glances::new(&budget)),
            webhooks: Some(hooks.clone()),
            bell: Some(bell.clone()),
        };
        delivering.spawn(attend(admin.clone(), bell, delivering.clone()));
        if let Some(collector) = collector {
            collector.begin(&admin, &delivering);
        }
        accepting.spawn(listener.run(
            certificates.admin.clone(),
            admin,
            gate.clone(),
            accepting.clone(),
        ));
        accepting.spawn(server.run(
            door.clone(),
            store.clone(),
            clock.clone(),
            metrics.clone(),
            budget.clone(),
            accepting.clone(),
        ));
        let subscriptions = Arc::new(Subscriptions::start(
            subscriptions,
            door.clone(),
            store.clone(),
            clock.clone(),
            metrics.clone(),
            budget,
            accepting.clone(),
        ));
        let app = Self {
            config: path.to_owned(),
            surroundings,
            grace,
            addresses,
            accepting,
            delivering,
            store,
            metrics,
            door,
            plans,
            deliveries,
            subscriptions,
            fetches,
            refreshes,
            certificates,
            alerting,
            gate,
        };
        let asks = reload::Asks { loads, changes };
        app.follow(watched, follower, hooks, asks);
        Ok(app)
    }

    /// Where to post to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/", self.addresses.server.url())
    }

    /// Where to look.
    #[must_use]
    pub fn admin_url(&self) -> String {
        self.addresses.admin.url()
    }

    /// The lines that tell a user where to post and where to look.
    pub(crate) fn greeting(&self) -> String {
        self.addresses.greeting(&self.config)
    }

    /// Waits until the index has caught up with the log.
    pub async fn caught_up(&self) {
        self.store.caught_up().await;
    }

    /// Takes in what is on its way, lets sends under way end, and closes the store.
    pub async fn stop(self) {
        self.accepting.stop();
        if !self.accepting.wait(self.grace + PATIENCE).await {
            tracing::warn!("some requests did not end in time");
        }
        self.delivering.stop();
        if !self.delivering.wait(PATIENCE).await {
            tracing::warn!("some sends did not end in time; they will be repeated");
        }
        self.surroundings.sessions.log_out().await;
        drop(self.gate); // its key lies in the store's folder, which is another's once the store is closed
        self.store.close().await;
        telemetry::tell_left_out();
    }
}

/// Opens the store of a camhook that does not run, to look into it and steer it.
pub(crate) fn look_into(path: &Path, config: Config) -> Result<Admin, StoreError> {
    let clock = Clock::system();
    let metrics = Metrics::new();
    let store = Store::open(config.store.clone(), clock.clone(), metrics.clone())?;
    let (file, _) = File::new(path, clock.clone());
    let planner = Plans::new(store.clone(), clock.clone(), &config.planned(), file);
    let planner = Arc::new(planner);
    planner.board().put(alerts::remembered(&store));
    let budget = Budget::new(config.server.budget.bytes(), metrics.clone());
    Ok(Admin {
        store,
        clock,
        metrics,
        planner,
        glances: Arc::new(Glances::new(&budget)),
        webhooks: None,
        bell: None,
    })
}

/// How many connections of senders there may be, so that what else camhook opens finds a place too.
fn connections_within(config: &Config, files: Option<u64>) -> NonZeroU32 {
    let wanted = config.server.max_connections;
    let Some(files) = files else { return wanted };
    let sends = config.targets.iter().map(|target| {
        // One under way and one kept open for the next.
        2 * u64::from(target.delivery.concurrency.get())
    });
    let others = FILES_OF_ITS_OWN + sends.sum::<u64>();
    let allowed = descriptors::fitting(wanted, others, files);
    if allowed < wanted {
        tracing::warn!(
            "{files} open files are allowed, which is enough for {allowed} connections beside the rest, not for the {wanted} \
             of `server.max_connections`: allow {} (`ulimit -n`, or `LimitNOFILE=` in a systemd unit), or set it lower",
            others + u64::from(wanted.get())
        );
    }
    allowed
}

/// Counters of what is configured begin at 0, so that an alert on their growth sees the first of each.
fn begin_counting(config: &Config, metrics: &Metrics) {
    for source in &config.sources {
        let source = source.name.to_string();
        drop(
            metrics
                .quarantined
                .get_or_create(&telemetry::SourceOnly { source }),
        );
    }
    for target in &config.targets {
        for fate in [Fate::Delivered, Fate::Dead, Fate::Expired, Fate::Filtered] {
            let label = telemetry::TargetFate {
                target: target.name.clone(),
                fate: fate.as_str(),
            };
            drop(metrics.deliveries_total.get_or_create(&label));
        }
    }
}

/// Removes what is old: at once, for one that is started again every minute must not grow for ever, and then now and then.
async fn housekeeping(store: Store, clock: Clock, tasks: Tasks) {
    let mut busy = Some(clock.busy());
    loop {
        let retained = tokio::select! {
            () = tasks.stopping() => return,
            retained = store.retain() => retained,
        };
        if let Err(error) = retained {
            tracing::warn!(%error, "could not remove old events");
        }
        telemetry::tell_left_out();
        drop(busy.take());
        busy = tokio::select! {
            () = tasks.stopping() => return,
            busy = clock.sleep(RETAIN_EVERY) => Some(busy),
        };
    }
}

/// Tells the store when the clock is set, and then who delivers from it.
fn clock_watch(
    store: Store,
    deliveries: Arc<Deliveries>,
    clock: &Clock,
    tasks: Tasks,
) -> impl Future<Output = ()> + use<> {
    let mut watch = clock.watch();
    async move {
        loop {
            let (_busy, by) = tokio::select! {
                () = tasks.stopping() => return,
                set = watch.set() => set,
            };
            if let Err(error) = store.clock_was_set(by).await {
                tracing::warn!(%error, "the clock was set, and the store could not be told");
            }
            deliveries.clock_was_set(by);
        }
    }
}
