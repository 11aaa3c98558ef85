//! Looks now and then whether something is wrong, and tells what has changed as events.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};

use super::certificates::Certificates;
use super::planner::Plans;
use crate::alerts::{
    self, AWAKE, Alert, Awake, Board, CAMERAS_MAX, Change, Facts, Judge, Phase, STANDING, Settings,
    TargetFacts,
};
use crate::config::Config;
use crate::decide::Written;
use crate::event::Original;
use crate::fate::Fate;
use crate::name::Name;
use crate::store::{Intake, Store, StoreError, TargetState, TargetSummary};
use crate::tasks::Tasks;
use crate::telemetry::{AlertSubject, CameraOnly, Metrics, SourceKind, TargetOnly, TargetOutcome};
use crate::tls::Seen;

/// How often it is looked: what is wrong is told that much later than it might be. More often where thresholds are short.
const LOOKED_EVERY: Duration = Duration::from_secs(30);
const LOOKED_EVERY_MIN: Duration = Duration::from_secs(1);
/// How often it is written down that camhook runs, while anybody wants to know.
const AWAKE_EVERY: SignedDuration = SignedDuration::from_mins(10);

/// What is watched, and by which thresholds.
pub(super) struct Watched {
    settings: Settings,
    /// The folder of the store, as the config names it.
    folder: String,
    sources: Vec<Name>,
    /// Targets, and the hosts of those that have one.
    targets: Vec<(Name, Option<String>)>,
}

impl Watched {
    pub(super) fn of(config: &Config) -> Self {
        let targets = config.targets.iter();
        let host = |target: &crate::config::Target| target.address().map(|(host, _)| host);
        Self {
            settings: config.alerts.clone(),
            folder: config.store.path.display().to_string(),
            sources: config
                .sources
                .iter()
                .map(|source| source.name.clone())
                .collect(),
            targets: targets
                .map(|target| (target.name.clone(), host(target)))
                .collect(),
        }
    }
}

impl Watched {
    pub(super) fn targets(&self) -> impl Iterator<Item = &Name> {
        self.targets.iter().map(|(name, _)| name)
    }
}

/// Looks, and tells.
pub(super) struct Watchman {
    pub(super) store: Store,
    pub(super) metrics: Metrics,
    pub(super) plans: Arc<Plans>,
    pub(super) watched: Arc<ArcSwap<Watched>>,
    pub(super) certificates: Certificates,
    pub(super) shown: Seen,
    pub(super) board: Board,
    pub(super) judge: Judge,
    pub(super) awake: Awake,
}

/// What stands by what the store remembers.
pub(super) fn remembered(store: &Store) -> Vec<Alert> {
    let now = store.now();
    let mut nothing = Written::default();
    let memory = store.memory();
    memory.open(&alerts::book(), STANDING, now, &mut nothing, |book| {
        Alert::standing(book, now)
    })
}

impl Watchman {
    /// Looks until camhook stops.
    pub(super) async fn watch(mut self, tasks: Tasks) {
        let mut standing = remembered(&self.store);
        self.board.put(standing.clone());
        self.awake = self.read_awake();
        let mut began = true;
        let mut clock = self.plans.clock().watch();
        let mut busy = self.plans.clock().busy();
        loop {
            let facts = tokio::select! {
                () = tasks.stopping() => return,
                facts = self.facts() => facts,
            };
            if !clock.ahead().is_zero() {
                clock.look();
                self.judge.clock_was_set();
            }
            match facts {
                Ok(facts) => {
                    self.look(&facts, &mut standing, std::mem::take(&mut began))
                        .await
                }
                Err(error) => tracing::warn!(%error, "could not look whether something is wrong"),
            }
            drop(busy);
            let every = self.watched.load().settings.shortest() / 4;
            let every = every.clamp(LOOKED_EVERY_MIN, LOOKED_EVERY);
            busy = tokio::select! {
                () = tasks.stopping() => return,
                busy = self.plans.clock().sleep(every) => busy,
            };
        }
    }

    async fn facts(&self) -> Result<Facts, StoreError> {
        let watched = self.watched.load();
        let (store, now, settings) = (&self.store, self.store.now(), &watched.settings);
        let summaries = store.targets().await?;
        let is_known = |name: &Name| watched.targets.iter().any(|(known, _)| known == name);
        let configured = watched.targets.iter();
        let configured = configured.map(|(name, _)| self.target(name, &summaries));
        // What waits for a target that was taken out, or renamed, waits until somebody hears of it.
        let gone = summaries
            .iter()
            .filter(|summary| !is_known(&summary.target));
        let gone = gone.map(|summary| TargetFacts {
            gone: true,
            ..self.target(&summary.target, &summaries)
        });
        let targets = configured.chain(gone.filter(|target| target.waiting > 0));
        let cameras = store.last_heard(CAMERAS_MAX).await?;
        let quarantined = match settings.quarantine.0 {
            Some(rate) => {
                let within = SignedDuration::try_from(rate.per).unwrap_or(SignedDuration::MAX);
                let since = now.saturating_sub(within).unwrap_or(Timestamp::MIN);
                let grown = store.quarantined_since(since).await?;
                let count = |source: &Name| {
                    let found = grown.iter().find(|(known, _)| known == source);
                    found.map_or(0, |(_, count)| *count)
                };
                let sources = watched.sources.iter();
                sources
                    .map(|source| (source.clone(), count(source)))
                    .collect()
            }
            None => Vec::new(),
        };
        let pinned = store.pinned_bytes().await?;
        let disk = store.disk_space();
        let shown = watched
            .targets
            .iter()
            .filter_map(|(name, host)| Some((name.to_string(), self.shown.end(host.as_ref()?))));
        let facts = Facts {
            targets: targets.collect(),
            cameras,
            quarantined,
            folder: watched.folder.clone(),
            disk: disk.map(|disk| disk.used().round()),
            store: Some((pinned as f64 * 100.0 / store.size_max().max(1) as f64).round()),
            refuses: match store.accepting() {
                Err(StoreError::Full(why)) => Some(why),
                _ => None,
            },
            certificates: self.certificates.ends().into_iter().chain(shown).collect(),
        };
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.metrics.store_undelivered_bytes.set(bytes(pinned));
        self.metrics.store_max_bytes.set(bytes(store.size_max()));
        if let Some(disk) = disk {
            self.metrics.disk_size_bytes.set(bytes(disk.size));
            self.metrics.disk_free_bytes.set(bytes(disk.free));
        }
        self.metrics.camera_last_event.clear();
        for (camera, last) in &facts.cameras {
            let camera = camera.clone();
            let gauge = &self.metrics.camera_last_event;
            gauge
                .get_or_create(&CameraOnly { camera })
                .set(last.as_second());
        }
        for (target, host) in &watched.targets {
            if let Some(end) = host.as_ref().and_then(|host| self.shown.end(host)) {
                let target = target.clone();
                let gauge = &self.metrics.target_certificate_ends;
                gauge
                    .get_or_create(&TargetOnly { target })
                    .set(end.as_second());
            }
        }
        Ok(facts)
    }

    fn target(&self, name: &Name, summaries: &[TargetSummary]) -> TargetFacts {
        let summary = summaries.iter().find(|summary| summary.target == *name);
        let count = |fate| summary.map_or(0, |summary| summary.count(fate));
        let attempts = |outcome| {
            let target = name.clone();
            let counter = self
                .metrics
                .attempts
                .get(&TargetOutcome { target, outcome });
            counter.map_or(0, |counter| counter.get())
        };
        let state = self.store.target_state(name);
        TargetFacts {
            name: name.clone(),
            gone: false,
            paused: matches!(state, TargetState::Paused { .. }),
            held: match state {
                TargetState::Held { since, reason } => Some((since, reason)),
                TargetState::Running | TargetState::Paused { .. } => None,
            },
            waiting: count(Fate::Pending) + count(Fate::Held),
            oldest: summary.and_then(|summary| summary.oldest_undelivered),
            delivered: attempts("delivered"),
            failed: attempts("again") + attempts("held"),
        }
    }

    async fn look(&mut self, facts: &Facts, standing: &mut Vec<Alert>, began: bool) {
        let watched = self.watched.load_full();
        let (settings, now) = (&watched.settings, self.store.now());
        if settings.camera_silent.watches() {
            self.stay_awake(now, began).await;
        }
        let silent = standing.iter();
        let silent = silent.filter(|alert| alert.alert == alerts::What::CameraSilent);
        let silent = silent.map(|alert| alert.subject.as_str());
        let findings = self.judge.look(settings, facts, &self.awake, silent, now);
        let mut unkept = Vec::new();
        for change in alerts::changes(&findings, standing, settings, now) {
            match self.tell(&change, now).await {
                Ok(told) => {
                    standing.retain(|alert| alert.key() != told.key());
                    if matches!(change, Change::Begins(_) | Change::Again(_)) {
                        standing.push(told);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "could not keep an alert; it is told once that is possible");
                    if let Change::Begins(alert) = change {
                        unkept.push(alert);
                    }
                }
            }
        }
        let mut all = standing.clone();
        all.append(&mut unkept);
        all.sort_by(|one, other| (one.alert, &one.subject).cmp(&(other.alert, &other.subject)));
        let gauges = &self.metrics.alerts;
        gauges.clear();
        let label = |alert: alerts::What, subject: &str| AlertSubject {
            alert: alert.as_str(),
            subject: subject.to_owned(),
        };
        for found in &findings {
            drop(gauges.get_or_create(&label(found.what, &found.subject)));
        }
        for alert in &all {
            gauges
                .get_or_create(&label(alert.alert, &alert.subject))
                .set(1);
        }
        self.board.put(all);
    }

    /// Keeps the event that tells of it, and in the same record that it was told.
    async fn tell(&self, change: &Change, now: Timestamp) -> Result<Alert, StoreError> {
        let (alert, phase) = match change {
            Change::Begins(alert) => (alert, Some(Phase::Begins)),
            Change::Again(alert) => (alert, Some(Phase::Again)),
            Change::Ends(alert) => (alert, Some(Phase::Ends)),
            Change::Gone(alert) => (alert, Some(Phase::Gone)),
            Change::Dropped(alert) => (alert, None),
        };
        let mut alert = alert.clone();
        let event = phase.map(|phase| Arc::new(alerts::event(&alert, phase, now)));
        if let (Some(Phase::Begins), Some(event)) = (phase, &event) {
            alert.event = Some(event.id);
        }
        let memory = self.store.memory();
        let mut written = Written::in_turn(memory.turn().await);
        memory.open(
            &alerts::book(),
            STANDING,
            now,
            &mut written,
            |book| match phase {
                Some(Phase::Begins | Phase::Again) => alert.remember(book, now),
                Some(Phase::Ends | Phase::Gone) | None => alert.forget(book, now),
            },
        );
        let mut original = Arc::new(Original::default());
        let mut events = Vec::new();
        let mut kind = None;
        if let Some(event) = event {
            original = event.original.clone();
            kind = Some(SourceKind {
                source: event.source.clone(),
                kind: event.kind.as_str(),
            });
            events = self.plans.decide(event, now, &mut written);
            if alert.alert.is_of_a_target() {
                for (_, plan) in &mut events {
                    plan.without(&alert.subject, "an alert about a target is not sent to it");
                }
            }
        }
        let intake = Intake {
            original,
            events,
            written,
        };
        let _safe = self.store.accept(intake).await?;
        if let Some(kind) = kind {
            self.metrics.events_received.get_or_create(&kind).inc();
        }
        match phase {
            Some(Phase::Begins | Phase::Again) => {
                tracing::warn!(
                    alert = alert.alert.as_str(),
                    subject = alert.subject,
                    "something is wrong"
                );
            }
            Some(Phase::Ends) => {
                tracing::info!(
                    alert = alert.alert.as_str(),
                    subject = alert.subject,
                    "no longer wrong"
                );
            }
            Some(Phase::Gone) => {
                tracing::info!(
                    alert = alert.alert.as_str(),
                    subject = alert.subject,
                    "no longer watched: it was taken out of the config"
                );
            }
            None => {}
        }
        Ok(alert)
    }

    fn read_awake(&self) -> Awake {
        let now = self.store.now();
        let mut nothing = Written::default();
        let memory = self.store.memory();
        memory.open(&alerts::book(), AWAKE, now, &mut nothing, |book| {
            let found = book.find::<Awake>(AWAKE, now);
            found.map(|found| found.state.clone()).unwrap_or_default()
        })
    }

    /// Writes down that it runs, once in a while.
    async fn stay_awake(&mut self, now: Timestamp, began: bool) {
        let told = self.awake.until;
        let is_old = told.is_none_or(|told| now.duration_since(told) >= AWAKE_EVERY || told > now);
        if !began && !is_old {
            return;
        }
        self.awake.at(now, began);
        let memory = self.store.memory();
        let mut written = Written::in_turn(memory.turn().await);
        memory.open(&alerts::book(), AWAKE, now, &mut written, |book| {
            book.write(AWAKE, self.awake.clone(), Timestamp::MAX, now);
        });
        let intake = Intake {
            original: Arc::default(),
            events: Vec::new(),
            written,
        };
        if let Err(error) = self.store.accept(intake).await {
            tracing::debug!(%error, "could not write down that camhook runs");
        }
    }
}

#[cfg(test)]
mod tests;
