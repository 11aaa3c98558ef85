//! What steps have to tell because time has passed: nobody posts that nothing is seen any more.

use std::sync::Arc;
use std::time::Duration;

use super::planner::Plans;
use crate::tasks::Tasks;

/// How often steps are asked: what is due is told that much late at most.
const ASKED_EVERY: Duration = Duration::from_millis(500);

/// Asks until camhook stops; waits without an alarm while no route has such a step.
pub(super) async fn tell(plans: Arc<Plans>, tasks: Tasks) {
    loop {
        let next = async {
            if plans.decides() {
                Some(plans.clock().sleep(ASKED_EVERY).await)
            } else {
                plans.changed().await;
                None
            }
        };
        let _busy = tokio::select! {
            () = tasks.stopping() => return,
            busy = next => busy,
        };
        if let Err(error) = plans.tell_overdue().await {
            // What was not kept is overdue still, and asked for again.
            tracing::warn!(%error, "could not keep what steps had to tell");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::{SignedDuration, Timestamp};
    use serde_json::json;

    use super::super::file::File;
    use super::*;
    use crate::clock::Clock;
    use crate::config::Config;
    use crate::decide::Written;
    use crate::event::Event;
    use crate::fate::Fate;
    use crate::routes;
    use crate::store::{DeliveryQuery, EventQuery, Intake, Store};
    use crate::telemetry::Metrics;

    const ROUTES: &str = "
targets: { near: { log: {} }, far: { log: {} } }
routes:
  - { name: near, when: event.camera.id == 'gate', steps: [track], to: [near] }
  - { name: far, each: object, steps: [{ track: { left_after: 10s } }], to: [far] }
";

    struct Site {
        folder: tempfile::TempDir,
        clock: Clock,
        store: Store,
        plans: Plans,
    }

    impl Site {
        fn open(folder: tempfile::TempDir, clock: Clock, yaml: &str) -> Self {
            let config = config(folder.path(), yaml);
            let store = Store::open(config.store.clone(), clock.clone(), Metrics::new()).unwrap();
            let (file, _) = File::new(folder.path(), clock.clone());
            let plans = Plans::new(store.clone(), clock.clone(), &config.planned(), file);
            Self {
                folder,
                clock,
                store,
                plans,
            }
        }

        fn new(yaml: &str) -> Self {
            let start = Timestamp::from_second(1_800_000_000).unwrap();
            Self::open(tempfile::tempdir().unwrap(), Clock::stepped(start), yaml)
        }

        async fn restarted(self, with_index: bool, yaml: &str) -> Self {
            self.store.close().await;
            drop((self.plans, self.store));
            if !with_index {
                for entry in std::fs::read_dir(self.folder.path().join("data")).unwrap() {
                    let path = entry.unwrap().path();
                    let name = path.file_name().unwrap().to_string_lossy().into_owned();
                    if name.starts_with("index.sqlite") {
                        std::fs::remove_file(path).unwrap();
                    }
                }
            }
            Self::open(self.folder, self.clock, yaml)
        }

        fn wait(&self, seconds: i64) {
            let until = self.clock.now() + SignedDuration::from_secs(seconds);
            while self.clock.step(until) {}
        }

        async fn sees(&self, camera: &str, track: &str) {
            let now = self.clock.now();
            let json = json!({
                "kind": "track", "source": "yard", "camera": { "id": camera },
                "objects": [{ "class": "car", "track_id": track }],
            });
            let event = Arc::new(Event::from_json(json, now).unwrap());
            let original = event.original.clone();
            let today = self.plans.today();
            let (memory, mut written) = (self.store.memory(), Written::default());
            let (routes, lists) = (&today.routes, &today.lists);
            let events = routes::decide(routes, event, lists, now, memory, &mut written);
            let intake = Intake {
                original,
                events,
                written,
            };
            let _safe = self.store.accept(intake).await.unwrap();
        }

        /// What steps told and to whom it goes, oldest first.
        async fn told(&self) -> Vec<String> {
            self.plans.tell_overdue().await.unwrap();
            self.store.caught_up().await;
            let mut told = Vec::new();
            for id in self.store.events(EventQuery::default()).await.unwrap() {
                let kept = self.store.event(id).await.unwrap();
                if let Some(word) = &kept.event.vendor_kind {
                    let to = kept.plan.deliveries.iter();
                    let to: Vec<_> = to.map(|planned| planned.target.to_string()).collect();
                    told.push(format!("{word} {}", to.join(" ")));
                } else {
                    let no = Some("track: told as entered, dwell, left".to_owned());
                    let filtered = kept.plan.routes.iter().all(|c| c.filtered_by == no);
                    assert!(filtered && kept.plan.deliveries.is_empty());
                }
            }
            told.reverse();
            told
        }
    }

    fn config(folder: &Path, yaml: &str) -> Config {
        let path = folder.join("routes.yaml");
        std::fs::write(&path, yaml).unwrap();
        Config::load(&path).unwrap_or_else(|report| panic!("{}", report.plain()))
    }

    #[tokio::test]
    async fn each_route_is_told_by_its_own_step_that_a_target_has_left() {
        let site = Site::new(ROUTES);
        site.sees("gate", "7").await;
        assert_eq!(site.told().await, ["entered near", "entered far"]);
        site.wait(3);
        assert_eq!(site.told().await.last().unwrap(), "left near");
        site.wait(6);
        assert_eq!(site.told().await.len(), 3);
        site.wait(1);
        assert_eq!(site.told().await.last().unwrap(), "left far");
        site.wait(3_600);
        assert_eq!(site.told().await.len(), 4);
        let query = DeliveryQuery {
            fate: Some(Fate::Pending),
            ..DeliveryQuery::default()
        };
        assert_eq!(site.store.deliveries(query).await.unwrap().len(), 4);
    }

    #[tokio::test]
    async fn who_was_present_before_a_restart_is_told_to_have_left_once() {
        for with_index in [true, false] {
            let site = Site::new(ROUTES);
            site.sees("gate", "7").await;
            let site = site.restarted(with_index, ROUTES).await;
            site.sees("gate", "7").await;
            assert_eq!(site.told().await, ["entered near", "entered far"]);
            let site = site.restarted(with_index, ROUTES).await;
            site.wait(60);
            assert_eq!(site.told().await.len(), 2, "it may be seen yet");
            site.wait(10);
            assert_eq!(site.told().await[2..], ["left near", "left far"]);
            let site = site.restarted(with_index, ROUTES).await;
            site.wait(10);
            assert_eq!(site.told().await.len(), 4);
        }
    }

    #[tokio::test]
    async fn a_reload_keeps_what_steps_remember_and_their_new_settings_count() {
        let site = Site::new(ROUTES);
        site.sees("gate", "7").await;
        assert_eq!(site.told().await.len(), 2);
        let hasty = ROUTES
            .replace("10s", "1s")
            .replace("name: near", "name: other");
        site.plans
            .replace(&config(site.folder.path(), &hasty).planned());
        site.wait(1);
        assert_eq!(site.told().await[2..], ["left far"]);
        site.wait(1);
        site.sees("gate", "7").await;
        let told = site.told().await;
        assert_eq!(told[3..], ["entered near", "entered far"]);
        // The route that was gone comes back, and with it what it knew.
        site.plans
            .replace(&config(site.folder.path(), ROUTES).planned());
        assert_eq!(site.told().await[5..], Vec::<String>::new());
        site.wait(10);
        assert_eq!(site.told().await[5..], ["left near", "left far"]);
    }

    #[tokio::test]
    async fn a_replayed_post_passes_and_disturbs_nothing() {
        use crate::admin::Planner;
        let site = Site::new(ROUTES);
        site.sees("gate", "7").await;
        site.told().await;
        let ids = site.store.events(EventQuery::default()).await.unwrap();
        let planned = site.plans.replay(*ids.last().unwrap(), None).await.unwrap();
        assert_eq!(planned, 2);
        assert_eq!(
            site.store
                .events(EventQuery::default())
                .await
                .unwrap()
                .len(),
            3
        );
    }
}
