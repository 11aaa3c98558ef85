//! A camhook's delivering half with its real store, targets with moods, and a clock that jumps from deed to deed.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use tempfile::TempDir;

use super::dice::Dice;
use super::rules::Rules;
use super::weather::Weather;
use crate::budget::Budget;
use crate::clock::Clock;
use crate::decide::Written;
use crate::delivery::settings::Settings;
use crate::delivery::{Deliveries, Outlet, Pipelines, after};
use crate::event::{Camera, DeliveryId, Event, EventId, Kind, Original};
use crate::fate::{Choice, Delivery, Fate, Plan, Planned, Verdict};
use crate::name::Name;
use crate::payload::Payload;
use crate::render::Renderer;
use crate::store::{self, DeliveryQuery, Intake, RetryQuery, Store, TargetState};
use crate::targets::{Report, Target};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;
use crate::template::{Engine, Names};

pub(super) const START: Timestamp = Timestamp::constant(1_800_000_000, 0);
const CAMERAS: u64 = 5;

/// A target: what it is called, how it is set, and what it is like.
pub(super) struct Site {
    pub(super) name: &'static str,
    pub(super) settings: Settings,
    pub(super) weather: Arc<Weather>,
}

/// What a target's fake and the driver share.
#[derive(Clone)]
struct Books {
    rules: Arc<Mutex<Rules>>,
    /// Sends of all targets that wait for their answer: at work, but with nothing to do.
    waiting: Arc<AtomicUsize>,
}

impl Books {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct World {
    seed: u64,
    clock: Clock,
    store: Store,
    deliveries: Deliveries,
    tasks: Tasks,
    sites: Vec<Site>,
    books: Vec<Books>,
    renderer: Arc<Renderer>,
    folder: TempDir,
    events: u64,
    dice: Dice,
    /// How often anybody was woken.
    pub(super) woken: u64,
    /// How often a user or a reload meddled with a target.
    pub(super) deeds: u64,
}

/// The transport: takes as long as the weather says, on the stepped clock.
struct Fake {
    clock: Clock,
    weather: Arc<Weather>,
    books: Books,
}

impl Target for Fake {
    fn send(
        &self,
        id: DeliveryId,
        _: Payload,
    ) -> Pin<Box<dyn Future<Output = Report> + Send + '_>> {
        Box::pin(async move {
            let now = self.clock.now();
            let (took, verdict) = {
                let mut rules = self.books.rules();
                rules.begins(id, now);
                let (number, nth) = rules
                    .known
                    .get(&id)
                    .map_or((0, 0), |known| (known.number, known.sends));
                self.weather.answer(now, number, nth)
            };
            self.books.waiting.fetch_add(1, Ordering::SeqCst);
            let awake = self.clock.sleep_until(after(now, took)).await;
            self.books.waiting.fetch_sub(1, Ordering::SeqCst);
            self.books.rules().answers(id, &verdict, self.clock.now());
            drop(awake); // whoever waits for the report is at work already
            let status = match verdict {
                Verdict::Delivered => 200,
                Verdict::Dead => 422,
                Verdict::Hold => 401,
                Verdict::TryAgain { pause: None } => 500,
                Verdict::TryAgain { pause: Some(_) } => 429,
            };
            let error = (verdict != Verdict::Delivered).then(|| "no".to_owned());
            Report {
                verdict,
                status: Some(status),
                error,
                excerpt: None,
            }
        })
    }
}

pub(super) fn settings(yaml: &str) -> Settings {
    serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"))
}

/// Settings as somebody might write them.
pub(super) fn any_settings(dice: &mut Dice) -> Settings {
    let rates = [
        "",
        "rate_limit: 1/s, ",
        "rate_limit: { rate: 20/m, burst: 5 }, ",
        "rate_limit: { rate: 5/s, burst: 3 }, ",
        "rate_limit: 200/h, ",
    ];
    let expiries = [
        "",
        "",
        "",
        "expires: 10m, ",
        "expires: 10s, ",
        "expires: 1d, ",
    ];
    let retries = [
        "attempts: 0, initial: 1s, factor: 2, max: 10m, give_up_after: 5d",
        "attempts: 0, initial: 1m, factor: 1.5, max: 6h, give_up_after: 0s",
        "attempts: 0, initial: 30s, factor: 2, max: 1h, give_up_after: 30d",
        "attempts: 3, initial: 500ms, factor: 1, max: 10m, give_up_after: 1d",
        "attempts: 8, initial: 15s, factor: 3, max: 1h, give_up_after: 0s",
        "attempts: 20, initial: 1s, factor: 2, max: 1h, give_up_after: 2h",
    ];
    settings(&format!(
        "{{ {}{}concurrency: {}, order: {}, retry: {{ {}, jitter: {} }}, breaker: {{ failures: {}, cool_down: {} }} }}",
        dice.pick(&rates),
        dice.pick(&expiries),
        dice.pick(&[1, 2, 4, 7]),
        dice.pick(&["none", "none", "camera"]),
        dice.pick(&retries),
        dice.pick(&["0", "0.2", "0.5", "1"]),
        dice.pick(&[1, 3, 5, 20]),
        dice.pick(&["1m", "10m", "30m", "2h"]),
    ))
}

fn name(text: &str) -> Name {
    Name::new(text).expect("it is a name")
}

impl World {
    pub(super) async fn new(seed: u64, sites: Vec<Site>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::stepped(START);
        let metrics = Metrics::new();
        let settings = store::Settings {
            path: folder.path().to_owned(),
            keep: Duration::from_secs(1_000 * 86_400),
            max_size: 1 << 30,
            pictures: None,
        };
        let store =
            Store::open(settings, clock.clone(), metrics.clone()).expect("a store of its own");
        store.wait_for_outcomes();
        let http =
            serde_saphyr::from_str("{ url: 'http://target/', original: true }").expect("settings");
        let renderer = Renderer::http(&http, &Engine::new(&[]), Names::Rendering)
            .map_err(|mistakes| format!("{mistakes:?}"));
        let waiting = Arc::<AtomicUsize>::default();
        let books = |site: &Site| Books {
            rules: Arc::new(Mutex::new(Rules::new(site.name, site.settings.clone()))),
            waiting: waiting.clone(),
        };
        let books: Vec<Books> = sites.iter().map(books).collect();
        let tasks = Tasks::default();
        let deliveries = Deliveries::start(
            Pipelines::default(),
            store.clone(),
            clock.clone(),
            metrics.clone(),
            &Budget::new(128 << 20, metrics),
            &tasks,
        );
        let world = Self {
            seed,
            clock,
            store,
            deliveries,
            tasks,
            sites,
            books,
            renderer: Arc::new(renderer.expect("it is well written")),
            folder,
            events: 0,
            dice: Dice::new(seed, &[4]),
            woken: 0,
            deeds: 0,
        };
        world.load();
        world.still().await;
        world
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn load(&self) {
        let outlets = self.sites.iter().zip(&self.books).map(|(site, books)| {
            let target = Fake {
                clock: self.clock.clone(),
                weather: site.weather.clone(),
                books: books.clone(),
            };
            let outlet = Outlet {
                renderer: self.renderer.clone(),
                target: Arc::new(target),
                with: None,
                settings: site.settings.clone(),
            };
            (name(site.name), outlet)
        });
        self.deliveries.replace(Pipelines {
            routes: [(name("all"), [].into())].into(),
            targets: outlets.collect(),
            ..Pipelines::default()
        });
    }

    /// Returns when nobody has anything to do before time goes on.
    async fn still(&self) {
        let begun = Instant::now();
        let mut tries = 0_u32;
        loop {
            for _ in 0..4 {
                tokio::task::yield_now().await; // lets everything run that can
            }
            if self.clock.at_work() == self.books[0].waiting.load(Ordering::SeqCst) {
                break;
            }
            tries += 1;
            if tries > 50 {
                std::thread::sleep(Duration::from_micros(20)); // the store's threads are at work
            }
            let seed = self.seed;
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "seed {seed}: never still at {}",
                self.now()
            );
        }
        for books in &self.books {
            let complaints = std::mem::take(&mut books.rules().complaints);
            assert!(
                complaints.is_empty(),
                "seed {}:\n{}",
                self.seed,
                complaints.join("\n")
            );
        }
    }

    /// Lets time pass, from one sleeper to the next.
    pub(super) async fn advance(&mut self, until: Timestamp) {
        while self.clock.step(until) {
            self.woken += 1;
            self.still().await;
        }
    }

    /// One event for all targets.
    pub(super) async fn event(&mut self) {
        self.events += 1;
        let (now, number, camera) = (self.now(), self.events, self.dice.below(CAMERAS));
        let original = Arc::new(Original {
            received_at: now,
            body: Bytes::from(number.to_string()),
            ..Original::default()
        });
        let mut event = Event::new(name("gate"), "acme", Kind::Plate, original.clone());
        event.id = EventId::from_bytes(id(now, self.dice.next()));
        event.camera = Camera {
            id: Some(camera.to_string()),
            ..Camera::default()
        };
        let mut plan = Plan {
            routes: vec![Choice {
                route: name("all"),
                filtered_by: None,
                left_out: Vec::new(),
            }],
            ..Plan::default()
        };
        for (n, (site, books)) in self.sites.iter().zip(&self.books).enumerate() {
            let id = DeliveryId::from_bytes(id(
                now,
                Dice::new(self.seed, &[5, number, n as u64]).next(),
            ));
            books.rules().planned(id, number, camera as usize, now);
            plan.deliveries.push(Planned {
                id,
                route: name("all"),
                target: name(site.name),
                item: None,
                not_before: None,
            });
        }
        let intake = Intake {
            original,
            events: vec![(Arc::new(event), plan)],
            written: Written::default(),
        };
        let _safe = self.store.accept(intake).await.expect("the disk has room");
        self.still().await;
    }

    pub(super) async fn pause(&mut self, target: usize) {
        self.deeds += 1;
        self.books[target].rules().stopped_by_user = true;
        let since = self.now();
        self.steer(target, TargetState::Paused { since }).await;
    }

    pub(super) async fn resume(&mut self, target: usize) {
        let was = self.store.target_state(&name(self.sites[target].name));
        if was != TargetState::Running {
            self.deeds += 1;
            self.books[target].rules().resumed();
            self.steer(target, TargetState::Running).await;
        }
    }

    async fn steer(&self, target: usize, state: TargetState) {
        let target = name(self.sites[target].name);
        let steered = self.store.set_target_state(&target, state).await;
        steered.expect("the disk has room");
        self.still().await;
    }

    /// The config is saved with other settings of one target, or the same.
    pub(super) async fn reload(&mut self, changed: Option<(usize, Settings)>) {
        self.deeds += self.sites.len() as u64;
        if let Some((target, mut settings)) = changed {
            // The weather was made for it.
            settings.breaker.cool_down = self.sites[target].settings.breaker.cool_down;
            self.sites[target].settings = settings;
        }
        for (site, books) in self.sites.iter().zip(&self.books) {
            books
                .rules()
                .reloaded(site.settings.clone(), self.clock.now());
        }
        self.load();
        self.still().await;
    }

    /// A user asks for another try of some that are dead.
    pub(super) async fn retry_dead(&mut self, target: usize) {
        let dead = self.rows(target, Some(Fate::Dead)).await;
        let ids: Vec<DeliveryId> = {
            let rules = self.books[target].rules();
            let dead = dead.iter().map(|row| row.id);
            dead.filter(|id| rules.never_refused(*id))
                .take(10)
                .collect()
        };
        if ids.is_empty() {
            return;
        }
        self.deeds += 1;
        let held = matches!(
            self.store.target_state(&name(self.sites[target].name)),
            TargetState::Held { .. }
        );
        {
            let mut rules = self.books[target].rules();
            for id in &ids {
                rules.retried(*id, self.clock.now());
            }
            if held {
                rules.resumed();
            }
        }
        self.store
            .retry(RetryQuery::Ids(ids))
            .await
            .expect("they are known");
        self.still().await;
    }

    async fn rows(&self, target: usize, fate: Option<Fate>) -> Vec<Delivery> {
        let query = DeliveryQuery {
            target: Some(self.sites[target].name.to_owned()),
            fate,
            ..DeliveryQuery::default()
        };
        self.store
            .deliveries(query)
            .await
            .expect("the index can be read")
    }

    /// Compares what the store tells of deliveries with what happened to them.
    pub(super) async fn look(&self, at_all: bool) {
        for (target, books) in self.books.iter().enumerate() {
            let mut pending = self.rows(target, Some(Fate::Pending)).await;
            pending.extend(self.rows(target, Some(Fate::Held)).await);
            let rows = if at_all {
                self.rows(target, None).await
            } else {
                Vec::new()
            };
            let mut rules = books.rules();
            rules.compare(&pending, self.now());
            for row in pending.iter().chain(&rows) {
                rules.settled(row, self.now());
            }
        }
        self.still().await;
    }

    /// How many of all deliveries have which fate; nothing is forgotten and nothing is there twice.
    pub(super) async fn fates(&self) -> Vec<[usize; 4]> {
        self.look(true).await;
        let mut all = Vec::new();
        for (target, books) in self.books.iter().enumerate() {
            let rows = self.rows(target, None).await;
            let count = |fate| rows.iter().filter(|row| row.fate == fate).count();
            let known = books.rules().known.len();
            let ids: std::collections::BTreeSet<DeliveryId> =
                rows.iter().map(|row| row.id).collect();
            assert_eq!(
                (rows.len(), ids.len()),
                (known, known),
                "seed {}",
                self.seed
            );
            let waiting = count(Fate::Pending) + count(Fate::Held);
            all.push([
                waiting,
                count(Fate::Delivered),
                count(Fate::Dead),
                count(Fate::Expired),
            ]);
        }
        all
    }

    /// What happened at each target, and how many sends and probes there were.
    pub(super) fn traces(&self) -> Vec<Vec<(i64, u64, &'static str)>> {
        self.books
            .iter()
            .map(|books| books.rules().trace.clone())
            .collect()
    }

    /// How long each event took to one target, from its arrival until the target had it; the shortest first.
    pub(super) fn delays(&self, target: usize) -> Vec<Duration> {
        let rules = self.books[target].rules();
        let known = rules.known.values();
        let received: HashMap<u64, i64> = known
            .map(|known| (known.number, known.received_at.as_microsecond()))
            .collect();
        let delivered = rules.trace.iter().filter(|(.., what)| *what == "delivered");
        let mut delays: Vec<Duration> = delivered
            .map(|(at, number, _)| Duration::from_micros((at - received[number]) as u64))
            .collect();
        delays.sort();
        delays
    }

    /// Bytes of the store's files.
    pub(super) fn disk(&self) -> u64 {
        let folders = [
            self.folder.path().to_owned(),
            self.folder.path().join("log"),
        ];
        let files = folders
            .iter()
            .flat_map(|folder| std::fs::read_dir(folder).expect("it is there"));
        let sizes = files.map(|file| file.and_then(|file| file.metadata()).expect("it is there"));
        sizes
            .filter(std::fs::Metadata::is_file)
            .map(|file| file.len())
            .sum()
    }

    pub(super) fn sends(&self) -> (u64, u64) {
        let each = self.books.iter().map(Books::rules);
        each.fold((0, 0), |(sends, probes), rules| {
            (sends + rules.sends, probes + rules.probes)
        })
    }

    pub(super) async fn end(self) {
        self.tasks.stop();
        assert!(
            self.tasks.wait(Duration::from_secs(60)).await,
            "the workers end"
        );
        self.store.close().await;
    }
}

/// As version 7 makes them, but for the chance, which is ours.
fn id(now: Timestamp, chance: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&now.as_millisecond().to_be_bytes()[2..]);
    bytes[6] = 0x70;
    bytes[8..].copy_from_slice(&(chance >> 2 | 1 << 63).to_be_bytes());
    bytes
}
