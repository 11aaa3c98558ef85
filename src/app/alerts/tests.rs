//! Alerts on a real store: told once, whatever is restarted.

use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::alerts::What;
use crate::app::file::File;
use crate::clock::Clock;
use crate::event::{Camera, Event, Kind};
use crate::store::{DeliveryQuery, EventQuery, Unread};

const ROUTES: &str = "
alerts: { undelivered: off, camera_silent: { after: 2h } }
targets: { near: { log: {} }, far: { log: {} } }
routes:
  - { name: all, to: [near, far] }
  - { name: alerts, from: [camhook], when: \"event.attributes.alert != 'quarantine'\", to: [near, far] }
";

struct Site {
    folder: tempfile::TempDir,
    clock: Clock,
    metrics: Metrics,
    store: Store,
    watchman: Watchman,
    standing: Vec<Alert>,
    began: bool,
}

fn config(folder: &Path, yaml: &str) -> Config {
    let path = folder.join("routes.yaml");
    std::fs::write(&path, yaml).unwrap();
    Config::load(&path).unwrap_or_else(|report| panic!("{}", report.plain()))
}

impl Site {
    fn open(folder: tempfile::TempDir, clock: Clock, yaml: &str) -> Self {
        let config = config(folder.path(), yaml);
        let metrics = Metrics::new();
        let store = Store::open(config.store.clone(), clock.clone(), metrics.clone()).unwrap();
        let (file, _) = File::new(folder.path(), clock.clone());
        let plans = Plans::new(store.clone(), clock.clone(), &config.planned(), file);
        let plans = Arc::new(plans);
        let mut watchman = Watchman {
            store: store.clone(),
            metrics: metrics.clone(),
            board: plans.board().clone(),
            plans,
            watched: Arc::new(ArcSwap::from_pointee(Watched::of(&config))),
            certificates: Certificates::new(None, None, &clock, &metrics),
            shown: Seen::default(),
            judge: Judge::default(),
            awake: Awake::default(),
        };
        watchman.awake = watchman.read_awake();
        Self {
            standing: remembered(&store),
            began: true,
            folder,
            clock,
            metrics,
            store,
            watchman,
        }
    }

    fn new() -> Self {
        Self::by(ROUTES)
    }

    fn by(yaml: &str) -> Self {
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        Self::open(tempfile::tempdir().unwrap(), Clock::stepped(start), yaml)
    }

    async fn restarted(self, with_index: bool) -> Self {
        self.store.close().await;
        drop((self.watchman, self.store));
        if !with_index {
            for entry in std::fs::read_dir(self.folder.path().join("data")).unwrap() {
                let path = entry.unwrap().path();
                if path
                    .file_name()
                    .unwrap()
                    .to_string_lossy()
                    .starts_with("index.sqlite")
                {
                    std::fs::remove_file(path).unwrap();
                }
            }
        }
        Self::open(self.folder, self.clock, ROUTES)
    }

    fn wait(&self, seconds: i64) {
        let until = self.clock.now() + SignedDuration::from_secs(seconds);
        while self.clock.step(until) {}
    }

    /// Looks, and returns all that was ever told, oldest first.
    async fn told(&mut self) -> Vec<String> {
        self.store.caught_up().await;
        let facts = self.watchman.facts().await.unwrap();
        let began = std::mem::take(&mut self.began);
        self.watchman.look(&facts, &mut self.standing, began).await;
        self.store.caught_up().await;
        let source = Some("camhook".to_owned());
        let query = EventQuery {
            source,
            ..EventQuery::default()
        };
        let mut told = Vec::new();
        for id in self.store.events(query).await.unwrap() {
            let kept = self.store.event(id).await.unwrap();
            let to = kept.plan.deliveries.iter();
            let to: Vec<_> = to.map(|planned| planned.target.to_string()).collect();
            let attributes = &kept.event.attributes;
            let word = |key: &str| attributes[key].as_str().unwrap().to_owned();
            let phase = match (&attributes["resolved"], &attributes["reminder"]) {
                (Value::Bool(true), _) => "ends",
                (_, Value::Bool(true)) => "stands",
                _ => "begins",
            };
            let (alert, subject) = (word("alert"), word("subject"));
            told.push(format!("{alert} {subject} {phase} > {}", to.join(" ")));
        }
        told.reverse();
        told
    }

    async fn sees(&self, camera: &str) {
        let now = self.clock.now();
        let original = Arc::new(Original {
            received_at: now,
            ..Original::default()
        });
        let source = Name::new("gate").unwrap();
        let mut event = Event::new(source, "generic", Kind::Plate, original.clone());
        event.camera = Camera {
            id: Some(camera.to_owned()),
            ..Camera::default()
        };
        let mut written = Written::default();
        let events = self
            .watchman
            .plans
            .decide(Arc::new(event), now, &mut written);
        let intake = Intake {
            original,
            events,
            written,
        };
        let _safe = self.store.accept(intake).await.unwrap();
    }

    async fn state(&self, target: &str, state: TargetState) {
        let target = Name::new(target).unwrap();
        self.store.set_target_state(&target, state).await.unwrap();
    }

    async fn held(&self, target: &str) {
        let (since, reason) = (self.clock.now(), "401".to_owned());
        self.state(target, TargetState::Held { since, reason })
            .await;
    }

    fn gauge(&self, label: &str) -> Option<String> {
        let page = self.metrics.page();
        let line = page
            .lines()
            .find(|line| line.starts_with(&format!("camhook_alerts{{{label}}}")));
        line.map(|line| line.rsplit(' ').next().unwrap().to_owned())
    }
}

#[tokio::test]
async fn an_alert_is_told_once_when_it_begins_and_once_when_it_ends_whatever_is_restarted() {
    for with_index in [true, false] {
        let mut site = Site::new();
        site.held("far").await;
        site.wait(299);
        assert!(site.told().await.is_empty());
        assert_eq!(
            site.gauge("alert=\"target_failing\",subject=\"far\"")
                .unwrap(),
            "0"
        );
        site.wait(2);
        // Not to the target that it is about.
        let begun = vec!["target_failing far begins > near"];
        assert_eq!(site.told().await, begun);
        assert_eq!(
            site.gauge("alert=\"target_failing\",subject=\"far\"")
                .unwrap(),
            "1"
        );
        site.wait(3_600);
        assert_eq!(site.told().await, begun);
        let mut site = site.restarted(with_index).await;
        assert_eq!(site.told().await, begun);
        let board = site.watchman.board.alerts();
        assert_eq!((board.len(), board[0].alert), (1, What::TargetFailing));
        assert_eq!(
            board[0].message(site.clock.now()),
            "Target `far` has taken nothing for 65 minutes: 401."
        );
        site.state("far", TargetState::Running).await;
        let mut site = site.restarted(with_index).await;
        let ended = vec![begun[0], "target_failing far ends > near"];
        assert_eq!(site.told().await, ended);
        site.wait(60);
        assert_eq!(site.told().await, ended);
        let mut site = site.restarted(with_index).await;
        assert_eq!(site.told().await, ended);
        assert!(site.watchman.board.alerts().is_empty());
    }
}

#[tokio::test]
async fn an_alert_that_could_not_be_kept_is_shown_and_told_when_it_can() {
    let mut site = Site::new();
    site.held("far").await;
    site.wait(400);
    let facts = site.watchman.facts().await.unwrap();
    site.store.close().await;
    site.watchman.look(&facts, &mut site.standing, true).await;
    assert!(site.standing.is_empty());
    assert_eq!(site.watchman.board.alerts().len(), 1);
    let mut site = site.restarted(true).await;
    assert_eq!(site.told().await, ["target_failing far begins > near"]);
}

#[tokio::test]
async fn targets_that_fail_each_other_tell_of_it_once() {
    let mut site = Site::new();
    site.held("far").await;
    site.held("near").await;
    let both = [
        "target_failing far begins > near",
        "target_failing near begins > far",
    ];
    for _ in 0..100 {
        site.wait(600);
        let mut told = site.told().await;
        told.sort();
        assert_eq!(told, both);
    }
}

#[tokio::test]
async fn events_that_wait_too_long_are_told_unless_that_follows_from_what_was_told() {
    let mut site = Site::by(&ROUTES.replace("undelivered: off,", ""));
    site.sees("gate").await;
    site.state(
        "near",
        TargetState::Paused {
            since: site.clock.now(),
        },
    )
    .await;
    site.held("far").await;
    site.wait(3_601);
    let told = site.told().await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.contains(&"undelivered near begins > far".to_owned()),
        "{told:?}"
    );
    assert!(
        told.contains(&"target_failing far begins > near".to_owned()),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_target_that_is_taken_out_has_not_caught_up() {
    let routes = ROUTES.replace("undelivered: off,", "");
    let mut site = Site::by(&routes);
    site.sees("gate").await;
    site.held("far").await;
    site.wait(301);
    assert_eq!(site.told().await, ["target_failing far begins > near"]);
    let renamed = routes.replace("far: {", "away: {").replace("far]", "away]");
    let renamed = config(site.folder.path(), &renamed);
    site.watchman.watched.store(Arc::new(Watched::of(&renamed)));
    site.wait(3_600);
    site.told().await;
    let told = site.told().await;
    for line in [
        "target_failing far ends > near",
        "undelivered far begins > near",
    ] {
        assert!(told.iter().any(|told| told == line), "{line}: {told:?}");
    }
    let board = site.watchman.board.alerts();
    let far = board.iter().find(|alert| alert.subject == "far").unwrap();
    let message = far.message(site.clock.now());
    assert!(
        message.ends_with(" wait, and it is no longer in routes.yaml."),
        "{message}"
    );
    assert_eq!(
        notice_of(&site, What::TargetFailing).await,
        "Target `far` is no longer in routes.yaml; what waits for it goes on waiting."
    );
}

/// What was said last of such an alert.
async fn notice_of(site: &Site, what: What) -> String {
    let events = site.store.events(EventQuery::default()).await.unwrap();
    for id in events {
        let attributes = site.store.event(id).await.unwrap().event.attributes.clone();
        if attributes.get("alert") == Some(&what.as_str().into()) {
            return attributes["message"].as_str().unwrap().to_owned();
        }
    }
    panic!("it was not told");
}

#[tokio::test]
async fn a_silent_camera_is_told_and_a_stop_of_camhook_is_not_its_silence() {
    let mut site = Site::new();
    site.sees("gate").await;
    site.sees("yard").await;
    assert!(site.told().await.is_empty());
    site.wait(3_600);
    assert!(site.told().await.is_empty());
    let mut site = site.restarted(true).await;
    site.wait(86_400); // it does not run
    assert!(site.told().await.is_empty());
    site.wait(1_800);
    site.sees("yard").await;
    assert!(site.told().await.is_empty());
    site.wait(1_860);
    let silent = "camera_silent gate begins > near far".to_owned();
    assert_eq!(site.told().await, std::slice::from_ref(&silent));
    let mut site = site.restarted(false).await;
    assert_eq!(site.told().await, std::slice::from_ref(&silent));
    site.sees("gate").await;
    let heard = "camera_silent gate ends > near far".to_owned();
    assert_eq!(site.told().await, [silent, heard]);
    // The alerts are no events of the cameras, and those of the route that takes all.
    let query = DeliveryQuery {
        target: Some("near".to_owned()),
        ..DeliveryQuery::default()
    };
    assert_eq!(site.store.deliveries(query).await.unwrap().len(), 4 + 2);
}

#[tokio::test]
async fn a_growing_quarantine_is_told_until_it_no_longer_grows() {
    let mut site = Site::new();
    let source = site.watchman.watched.load().sources[0].clone();
    for _ in 0..11 {
        let unread = Unread {
            source: source.clone(),
            original: Arc::new(Original {
                received_at: site.clock.now(),
                ..Original::default()
            }),
            reason: "no JSON".to_owned(),
        };
        let _safe = site.store.quarantine(unread).await.unwrap();
    }
    let begins = format!("quarantine {source} begins > ");
    assert_eq!(site.told().await, std::slice::from_ref(&begins));
    let mut site = site.restarted(false).await;
    assert_eq!(site.told().await, std::slice::from_ref(&begins));
    site.wait(3_700);
    assert_eq!(
        site.told().await,
        [begins, format!("quarantine {source} ends > ")]
    );
}

#[tokio::test]
async fn what_is_no_longer_watched_ends_without_a_word() {
    let mut site = Site::new();
    site.held("far").await;
    site.wait(600);
    assert_eq!(site.told().await.len(), 1);
    let off = ROUTES.replace("alerts: {", "alerts: { target_failing: off,");
    let off = config(site.folder.path(), &off);
    site.watchman.watched.store(Arc::new(Watched::of(&off)));
    assert_eq!(site.told().await.len(), 1);
    assert!(site.standing.is_empty());
    assert_eq!(site.gauge("alert=\"target_failing\",subject=\"far\""), None);
}

#[tokio::test]
async fn an_alert_reads_as_an_event_and_is_its_own_request() {
    let mut site = Site::new();
    site.held("far").await;
    site.wait(600);
    site.told().await;
    let id = site.watchman.board.alerts()[0].event.unwrap();
    let kept = site.store.event(id).await.unwrap();
    let event = kept.event.to_json();
    assert_eq!(event["source"], "camhook");
    assert_eq!(event["kind"], "status");
    assert_eq!(event["status"]["active"], json!(true));
    assert_eq!(event["attributes"], event["raw"]);
    let body: Value = serde_json::from_slice(&kept.event.original.body).unwrap();
    assert_eq!(event["raw"], body);
    for (key, value) in [
        ("alert", json!("target_failing")),
        ("subject", json!("far")),
        ("resolved", json!(false)),
        ("value", json!(600.0)),
        ("threshold", json!(300.0)),
        ("unit", json!("seconds")),
        ("title", json!("Target far takes nothing")),
    ] {
        assert_eq!(body[key], value, "{key}");
    }
}
