//! The storm: camhook under load is killed, stopped, reloaded and started again, while targets misbehave and the clock jumps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Order;
use crate::books::Books;
use crate::dice::Dice;
use crate::event::Sender;
use crate::gone;
use crate::routes::{self, TARGETS, Variant};
use crate::sender::Camera;
use crate::subject::{Addresses, Home, Subject};
use crate::target::{Mood, Target};
use crate::wire;

/// The cameras, two of a kind where more than one makes a difference.
const CAMERAS: [Sender; 8] = [
    Sender::Picture,
    Sender::Picture,
    Sender::Form,
    Sender::Plain,
    Sender::Gate,
    Sender::Gate,
    Sender::Lane,
    Sender::Quick,
];

/// How far from the right time camhook's clock is set, in seconds.
const OFFSETS: [i64; 13] = [
    0,
    0,
    3,
    -3,
    90,
    -90,
    3_600,
    -3_600,
    2 * 86_400,
    -2 * 86_400,
    30 * 86_400,
    400 * 86_400,
    -400 * 86_400,
];

/// A drain may take as long as a request under way, and the machine is busy.
const STOPS_WITHIN: Duration = Duration::from_secs(60);

/// What was done to camhook, counted by its name.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    pub kills: BTreeMap<&'static str, u64>,
    pub done: BTreeMap<&'static str, u64>,
    /// The widest jumps forwards and backwards, in seconds.
    pub jumps: (i64, i64),
}

impl Tally {
    #[must_use]
    pub fn kills(&self) -> u64 {
        self.kills.values().sum()
    }
}

pub struct Storm {
    pub home: Home,
    pub books: Arc<Books>,
    pub targets: Vec<Arc<Target>>,
    pub tally: Tally,
    pub order: Order,
    dice: Dice,
    variant: Variant,
    offset: i64,
    /// Of the store, in KiB.
    max_size: u64,
}

/// A running camhook and where it is.
pub struct Running {
    pub subject: Subject,
    pub at: Addresses,
}

impl Storm {
    /// # Errors
    /// When the surroundings cannot be set up.
    pub async fn new(order: &Order) -> Result<Self, String> {
        let books = Arc::new(Books::default());
        let mut targets = Vec::new();
        for (index, (name, wants)) in TARGETS.into_iter().enumerate() {
            let dice = Dice::new(order.seed, 1_000 + index as u64);
            targets.push(Target::start(name, index, wants, &books, dice).await?);
        }
        // Small enough that segments follow each other and old ones must go, large enough for all that waits.
        let max_size = match order.kills {
            Some(kills) if order.minutes.is_none() => (kills * 256).clamp(12 << 10, 48 << 10),
            _ => 48 << 10,
        };
        Ok(Self {
            home: Home::new(&order.camhook, &order.folder)?,
            books,
            targets,
            tally: Tally::default(),
            order: order.clone(),
            dice: Dice::new(order.seed, 1),
            variant: Variant::FIRST,
            offset: 0,
            max_size,
        })
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.done.entry(what).or_default() += 1;
        self.books.happened(what);
    }

    fn yaml(&self) -> String {
        self.variant.yaml(&self.targets, self.max_size)
    }

    /// Starts it and waits for its greeting.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(&mut self) -> Result<Running, String> {
        let mut subject = self.home.spawn()?;
        let at = subject
            .greets()
            .await
            .map_err(|why| format!("camhook did not start: {why}\n{}", self.home.log_tail()))?;
        self.books.happened("started");
        Ok(Running { subject, at })
    }

    /// The whole of it; returns the camhook that runs at the end.
    ///
    /// # Errors
    /// When camhook cannot be started, or ends by itself.
    pub async fn rage(&mut self) -> Result<Running, String> {
        self.home.write_routes(&self.yaml())?;
        let began = Instant::now();
        let mut running = self.start().await?;
        let (address, told) = watch::channel(Some(running.at.server.clone()));
        let mut cameras = JoinSet::new();
        for (id, sender) in CAMERAS.into_iter().enumerate() {
            let camera = Camera {
                id,
                sender,
                books: self.books.clone(),
                dice: Dice::new(self.order.seed, 100 + id as u64),
                address: told.clone(),
                pause: self.order.pause,
            };
            cameras.spawn(camera.run());
        }
        drop(told);
        let mut said = Instant::now();
        let mut told = 0;
        while self.goes_on(began) {
            running = self.round(running, &address).await?;
            if !self.order.quiet && said.elapsed() > Duration::from_secs(20) {
                said = Instant::now();
                let inner = self.books.inner();
                let (sent, arrived) = (inner.sent.len(), inner.arrivals.len());
                let faults = inner.faults.len();
                for fault in inner.faults.iter().skip(told).take(5) {
                    println!("fault: {:?}: {}", fault.event, fault.what);
                }
                told = faults;
                drop(inner);
                println!(
                    "{:6.0} s: {} kills, {sent} sent, {arrived} arrivals, {faults} faults",
                    began.elapsed().as_secs_f64(),
                    self.tally.kills(),
                );
            }
        }
        drop(address);
        while cameras.join_next().await.is_some() {}
        Ok(running)
    }

    fn goes_on(&self, began: Instant) -> bool {
        let minutes = self.order.minutes.map(|m| Duration::from_secs(m * 60));
        if self.order.stop_at_fault && !self.books.inner().faults.is_empty() {
            return false;
        }
        match (self.order.kills, minutes) {
            (Some(kills), None) => self.tally.kills() < kills,
            (None, Some(time)) => began.elapsed() < time,
            (Some(kills), Some(time)) => self.tally.kills() < kills && began.elapsed() < time,
            (None, None) => false,
        }
    }

    /// Some load and mischief, an end, and another start.
    async fn round(
        &mut self,
        mut running: Running,
        address: &watch::Sender<Option<String>>,
    ) -> Result<Running, String> {
        for _ in 0..self.dice.below(6) {
            let pause = self.dice.millis(10, 200);
            tokio::time::sleep(pause).await;
            self.mischief(&running).await?;
        }
        let pause = self.dice.millis(20, 900);
        tokio::time::sleep(pause).await;
        if let Some(status) = running.subject.ended() {
            let tail = self.home.log_tail();
            return Err(format!("camhook ended by itself: {status}\n{tail}"));
        }
        self.end(running).await?;
        let _ = address.send(None);
        for target in &self.targets {
            if self.dice.percent(40) {
                target.set(Mood::Well).await;
            }
        }
        let rebuilds = self.while_down().await?;
        while self.dice.percent(25) {
            let subject = self.home.spawn()?;
            let pause = self.dice.millis(0, if rebuilds { 900 } else { 350 });
            tokio::time::sleep(pause).await;
            subject.kill().await;
            let moment = if rebuilds {
                "while rebuilding the index"
            } else {
                "while starting"
            };
            self.killed(moment);
        }
        let running = self.start().await?;
        let _ = address.send(Some(running.at.server.clone()));
        Ok(running)
    }

    fn killed(&mut self, moment: &'static str) {
        *self.tally.kills.entry(moment).or_default() += 1;
        self.books.happened(format!("kill -9 {moment}"));
    }

    async fn end(&mut self, mut running: Running) -> Result<(), String> {
        if self.dice.percent(50) {
            self.note_expired(&running).await;
        }
        let pause = self.dice.millis(0, 60);
        match self.dice.below(100) {
            0..10 => {
                running.subject.signal("TERM").await;
                let Some(status) = running.subject.wait(STOPS_WITHIN).await else {
                    return Err("camhook did not end after SIGTERM".to_owned());
                };
                if !status.success() {
                    let what = format!("it ended with {status} after SIGTERM");
                    self.books.fault(None, what);
                }
                self.count("SIGTERM, drained");
            }
            10..20 => {
                running.subject.signal("TERM").await;
                tokio::time::sleep(pause * 4).await;
                running.subject.kill().await;
                self.killed("while stopping");
            }
            20..30 => {
                self.variant = Variant::thrown(&mut self.dice);
                self.home.write_routes(&self.yaml())?;
                running.subject.signal("HUP").await;
                tokio::time::sleep(pause).await;
                running.subject.kill().await;
                self.killed("while reloading");
            }
            30..36 => {
                self.jump()?;
                tokio::time::sleep(pause * 30).await;
                running.subject.kill().await;
                self.killed("after a jump of the clock");
            }
            36..46 => {
                let Some((number, plate)) = self.to_forget() else {
                    running.subject.kill().await;
                    self.killed("under load");
                    return Ok(());
                };
                let arguments = ["forget", plate.as_str()];
                let asking = self.home.cli(&running.at.admin, &arguments);
                let killing = async {
                    tokio::time::sleep(pause * 10).await;
                    running.subject.kill().await;
                };
                let (told, ()) = tokio::join!(asking, killing);
                self.killed("while forgetting");
                if told.is_ok() {
                    self.was_forgotten(number, "as soon as camhook said so");
                }
            }
            _ => {
                running.subject.kill().await;
                self.killed("under load");
            }
        }
        Ok(())
    }

    /// An event that is to be forgotten, and its plate, which nobody else has.
    fn to_forget(&mut self) -> Option<(u32, String)> {
        let mut inner = self.books.inner();
        let latest = u64::try_from(inner.sent.len()).unwrap_or(0);
        for _ in 0..20 {
            let number = latest.saturating_sub(self.dice.below(2_000).min(latest));
            let number = u32::try_from(number).unwrap_or(0);
            let Some(sent) = inner.sent.get(&number) else {
                continue;
            };
            let alone = matches!(sent.sender, Sender::Picture | Sender::Form | Sender::Plain);
            if alone && sent.is_acknowledged() && !inner.forgotten.contains_key(&number) {
                let plate = sent.plate.clone();
                inner.forgotten.insert(number, None);
                drop(inner);
                self.books
                    .happened(format!("event {number} is to be forgotten"));
                return Some((number, plate));
            }
        }
        None
    }

    fn was_forgotten(&self, number: u32, when: &str) {
        self.books.forgotten(number);
        gone::is_forgotten(self, &[number], when);
    }

    /// What expired, as long as camhook tells of it.
    async fn note_expired(&self, running: &Running) {
        let path = "/api/v1/deliveries?target=brief&fate=expired&limit=1000";
        match wire::ask(&running.at.admin, path, None).await {
            Ok((rows, _)) => {
                let ids = rows.as_array().into_iter().flatten();
                let ids = ids.filter_map(|row| row["event"].as_str().map(str::to_owned));
                self.books.inner().expired.extend(ids);
            }
            Err(why) => self.books.fault(None, why),
        }
    }

    /// Returns whether the index is gone.
    async fn while_down(&mut self) -> Result<bool, String> {
        self.keeping()?;
        let rebuilds = self.dice.percent(15);
        if rebuilds {
            self.home.delete_index();
            self.count("index.sqlite deleted");
        }
        if self.dice.percent(12) {
            self.jump()?;
        }
        if self.dice.percent(10) {
            self.variant = Variant::thrown(&mut self.dice);
            self.home.write_routes(&self.yaml())?;
        }
        if self.dice.percent(4) {
            let broken = routes::broken(&self.yaml(), &mut self.dice);
            self.home.write_routes(&broken)?;
            let mut subject = self.home.spawn()?;
            let status = subject.wait(STOPS_WITHIN).await;
            if status.and_then(|status| status.code()) != Some(2) {
                let what = format!("started with a broken routes.yaml, it ended with {status:?}");
                self.books.fault(None, what);
            }
            self.home.write_routes(&self.yaml())?;
            self.count("refused to start with a broken routes.yaml");
        }
        Ok(rebuilds)
    }

    /// Whether what is old goes with the next start.
    fn keeping(&mut self) -> Result<(), String> {
        let was = self.variant.keep;
        self.variant = if self.dice.percent(8) {
            self.count("started with a short `store.keep`");
            self.variant.kept("10m")
        } else {
            self.variant.kept_for_ever()
        };
        if self.variant.keep == was {
            return Ok(());
        }
        self.home.write_routes(&self.yaml())
    }

    fn jump(&mut self) -> Result<(), String> {
        let offset = *self.dice.pick(&OFFSETS);
        let by = offset - self.offset;
        if by == 0 {
            return Ok(());
        }
        self.home.set_clock(offset)?;
        self.offset = offset;
        let (forwards, backwards) = &mut self.tally.jumps;
        *forwards = (*forwards).max(by);
        *backwards = (*backwards).min(by);
        self.count(if by > 0 {
            "clock set forwards"
        } else {
            "clock set backwards"
        });
        self.books.jumped(by);
        self.books
            .happened(format!("the clock jumps by {by} s, to {offset:+} s"));
        Ok(())
    }

    async fn mischief(&mut self, running: &Running) -> Result<(), String> {
        match self.dice.below(100) {
            0..50 => self.mood().await,
            50..60 => self.forget(running).await,
            60..62 => self.purge(running).await,
            62..70 => self.jump()?,
            70..78 => {
                self.variant = Variant::thrown(&mut self.dice);
                self.home.write_routes(&self.yaml())?;
                if self.dice.percent(50) {
                    running.subject.signal("HUP").await;
                }
                self.count("routes.yaml changed");
            }
            78..82 => {
                running.subject.signal("HUP").await;
                self.count("SIGHUP");
            }
            82..88 => {
                let broken = routes::broken(&self.yaml(), &mut self.dice);
                self.home.write_routes(&broken)?;
                running.subject.signal("HUP").await;
                let pause = self.dice.millis(50, 400);
                tokio::time::sleep(pause).await;
                self.home.write_routes(&self.yaml())?;
                self.count("broken routes.yaml");
            }
            88..94 => {
                self.command(running, &["retry", "--all"]).await;
                self.count("camhook retry --all");
            }
            _ => {
                let name = self.dice.pick(&TARGETS).0;
                self.command(running, &["targets", "pause", name]).await;
                let pause = self.dice.millis(10, 300);
                tokio::time::sleep(pause).await;
                self.command(running, &["targets", "resume", name]).await;
                self.count("target paused and resumed");
            }
        }
        Ok(())
    }

    async fn forget(&mut self, running: &Running) {
        let Some((number, plate)) = self.to_forget() else {
            return;
        };
        match self.home.cli(&running.at.admin, &["forget", &plate]).await {
            Ok(_) => {
                self.was_forgotten(number, "as soon as camhook said so");
                self.count("camhook forget");
            }
            // An earlier one that a kill has cut short is gone on with.
            Err(why) if why.contains("is being forgotten") => self.count("camhook forget, in vain"),
            Err(why) => self.books.fault(Some(number), why),
        }
    }

    async fn purge(&mut self, running: &Running) {
        self.note_expired(running).await;
        let arguments = ["--json", "purge", "--before", "60s"];
        match self.home.cli(&running.at.admin, &arguments).await {
            Ok(told) => {
                let told: serde_json::Value = serde_json::from_str(&told).unwrap_or_default();
                self.books.inner().purged += told["purged"].as_u64().unwrap_or(0);
                self.count("camhook purge");
            }
            Err(why) => self.books.fault(None, why),
        }
    }

    /// A command that must not fail, for camhook runs.
    async fn command(&self, running: &Running, arguments: &[&str]) {
        if let Err(error) = self.home.cli(&running.at.admin, arguments).await {
            self.books.fault(None, error);
        }
    }

    /// One target behaves otherwise from now on.
    async fn mood(&mut self) {
        let n = usize::try_from(self.dice.below(TARGETS.len() as u64)).unwrap_or(0);
        let moods: &[Mood] = match TARGETS[n].0 {
            "steady" => &[Mood::Well, Mood::Well, Mood::Away],
            "limited" => &[
                Mood::Well,
                Mood::Says(500),
                Mood::Says(422),
                Mood::Says(404),
            ],
            "locked" => &[Mood::Well, Mood::Says(401), Mood::Says(403), Mood::Fickle],
            "hostile" => &[Mood::Fickle, Mood::Fickle, Mood::Hangs, Mood::Busy],
            _ => &[
                Mood::Well,
                Mood::Says(503),
                Mood::Busy,
                Mood::Away,
                Mood::Hangs,
                Mood::Fickle,
            ],
        };
        let mood = *self.dice.pick(moods);
        let target = self.targets[n].clone();
        target.set(mood).await;
        self.books
            .happened(format!("{} is now {mood:?}", target.name));
        *self.tally.done.entry("targets' tempers").or_default() += 1;
    }

    /// Everybody behaves, and the clock is right again.
    ///
    /// # Errors
    /// When the clock cannot be set.
    pub async fn calm(&mut self, running: &Running) -> Result<(), String> {
        self.books.happened("the storm is over");
        for target in &self.targets {
            target.set(Mood::Well).await;
        }
        self.home.set_clock(0)?;
        self.offset = 0;
        for (name, _) in TARGETS {
            self.command(running, &["targets", "resume", name]).await;
        }
        Ok(())
    }
}
