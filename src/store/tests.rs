//! The store as the other rooms see it, on real files.

use std::path::Path;
use std::sync::Mutex as StdMutex;

use bytes::Bytes;
use jiff::SignedDuration;
use tempfile::TempDir;

use super::disk::faults::FaultyDisk;
use super::*;
use crate::event::{Camera, Picture, PictureData, Plate, Raw, Role};
use crate::fate::{Choice, Planned};

const START: Timestamp = Timestamp::constant(1_800_000_000, 0);
const GIB: u64 = 1 << 30;

/// A store in a folder of its own, with a clock that stands still until it is moved.
struct Bench {
    folder: TempDir,
    clock: Clock,
    disk: FaultyDisk,
    max_size: u64,
}

impl Bench {
    fn new() -> Self {
        Self::sized(GIB)
    }

    fn sized(max_size: u64) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Clock::stepped(START),
            disk: FaultyDisk::default(),
            max_size,
        }
    }

    fn try_open_at(&self, path: &Path) -> Result<Store, StoreError> {
        let settings = Settings {
            path: path.to_owned(),
            keep: Duration::from_secs(7 * 86_400),
            max_size: self.max_size,
        };
        let disk = Arc::new(self.disk.clone());
        Store::open_on(disk, settings, self.clock.clone(), Metrics::new())
    }

    fn open(&self) -> Store {
        self.try_open_at(self.folder.path()).unwrap()
    }

    fn wait(&self, seconds: i64) {
        let until = self.clock.now() + SignedDuration::from_secs(seconds);
        while self.clock.step(until) {}
    }

    /// What a crash would leave: the files as they are while the store is open.
    fn crashed(&self, with_index: bool) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        std::fs::create_dir(copy.path().join("log")).unwrap();
        for entry in std::fs::read_dir(self.folder.path().join("log")).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(
                entry.path(),
                copy.path().join("log").join(entry.file_name()),
            )
            .unwrap();
        }
        if with_index {
            for name in ["index.sqlite", "index.sqlite-wal"] {
                let from = self.folder.path().join(name);
                if from.exists() {
                    std::fs::copy(from, copy.path().join(name)).unwrap();
                }
            }
        }
        copy
    }

    fn intake(
        &self,
        camera: &str,
        plate: &str,
        body: Bytes,
        targets: &[&str],
    ) -> (EventId, Intake) {
        let original = Arc::new(Original {
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            remote: Some([10, 0, 0, 7].into()),
            received_at: self.clock.now(),
            body: body.clone(),
            ..Original::default()
        });
        let mut event = Event::new(name("stream"), "acme", Kind::Plate, original.clone());
        event.camera = Camera {
            id: Some(camera.to_owned()),
            ..Camera::default()
        };
        event.plates = vec![Plate {
            text: Some(plate.to_owned()),
            ..Plate::default()
        }];
        if body.len() >= 10 {
            event.images.push(picture(Role::FRAME, body.slice(4..10)));
        }
        event
            .images
            .push(picture(Role::PLATE, Bytes::from_static(b"made elsewhere")));
        event.raw = Raw::from_value(&serde_json::json!({ "score": 0.904_761_904_761_904_8 }));
        let id = event.id;
        let plan = Plan {
            routes: vec![Choice {
                route: name("all"),
                filtered_by: None,
            }],
            deliveries: targets.iter().map(|target| planned(target)).collect(),
        };
        let events = vec![(Arc::new(event), plan)];
        (id, Intake { original, events })
    }

    async fn accept(&self, store: &Store, camera: &str, plate: &str, targets: &[&str]) -> EventId {
        let body = Bytes::from(vec![b'x'; 2_000]);
        let (id, intake) = self.intake(camera, plate, body, targets);
        let _ = store.accept(intake).await.unwrap();
        store.caught_up().await;
        id
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn picture(role: Role, bytes: Bytes) -> Picture {
    Picture {
        role,
        item: Some(Item::Plate(0)),
        content_type: "image/jpeg".to_owned(),
        data: PictureData::Bytes(bytes),
    }
}

fn planned(target: &str) -> Planned {
    Planned {
        id: DeliveryId::at(START),
        route: name("all"),
        target: name(target),
        item: Some(Item::Plate(0)),
    }
}

fn attempt(at: Timestamp) -> Option<Attempt> {
    Some(Attempt {
        at,
        status: Some(503),
        ms: 12,
        error: Some("busy".to_owned()),
        excerpt: None,
    })
}

async fn lease(store: &Store, target: &str, order: Order) -> Vec<Lease> {
    store.lease(&name(target), order, 64).await.unwrap().leases
}

async fn settle(store: &Store, lease: Lease, settled: Settled) {
    store.settle(lease, attempt(START), settled);
    store.caught_up().await;
}

/// Everything that the outside can see, in words.
async fn told(store: &Store) -> String {
    store.caught_up().await;
    let mut told = String::new();
    for id in store.events(EventQuery::default()).await.unwrap() {
        let kept = store.event(id).await.unwrap();
        told += &format!("{} {:?}\n", kept.event.to_json(), kept.plan);
    }
    for delivery in store.deliveries(DeliveryQuery::default()).await.unwrap() {
        told += &format!("{delivery:?}\n");
    }
    for row in store.quarantined(0).await.unwrap() {
        told += &format!(
            "{} {} {:?} {}\n",
            row.id, row.source, row.content_type, row.reason
        );
    }
    for target in store.targets().await.unwrap() {
        told += &format!("{target:?}\n");
    }
    for source in store.sources().await.unwrap() {
        told += &format!(
            "{} {} {}\n",
            source.source, source.events, source.quarantined
        );
    }
    told
}

#[tokio::test]
async fn gives_back_what_it_was_given_byte_for_byte_as_slices_of_the_body() {
    let bench = Bench::new();
    let store = bench.open();
    let body = Bytes::from((0..=255).cycle().take(5_000).collect::<Vec<u8>>());
    let (id, intake) = bench.intake("gate", "ab-12 c", body.clone(), &["vms"]);
    let given = intake.events[0].0.clone();
    let _ = store.accept(intake).await.unwrap();
    store.caught_up().await;
    store.0.cache.clear();

    let kept = store.event(id).await.unwrap();
    assert_eq!(kept.event.to_json(), given.to_json());
    assert_eq!(kept.event.original.body, body);
    assert_eq!(kept.event.original.headers, given.original.headers);
    let inside = kept.event.original.body.as_ptr_range();
    assert!(inside.contains(&kept.event.images[0].bytes().unwrap().as_ptr()));
    assert_eq!(kept.event.images[1].bytes().unwrap(), "made elsewhere");
    assert_eq!(
        kept.event.raw.to_json()["score"].to_string(),
        "0.9047619047619048"
    );
    assert_eq!(kept.plan.deliveries.len(), 1);

    let found = |plate: &str| EventQuery {
        plate: Some(plate.to_owned()),
        ..EventQuery::default()
    };
    assert_eq!(store.events(found("AB12C")).await.unwrap(), [id]);
    assert_eq!(store.events(found("ab1*")).await.unwrap(), [id]);
    assert!(store.events(found("ab1")).await.unwrap().is_empty());
    let other = EventQuery {
        camera: Some("gate".to_owned()),
        kind: Some(Kind::Face),
        ..EventQuery::default()
    };
    assert!(store.events(other).await.unwrap().is_empty());
    let later = EventQuery {
        since: Some(START + SignedDuration::from_secs(1)),
        ..EventQuery::default()
    };
    assert!(store.events(later).await.unwrap().is_empty());
    let unknown = store.event(EventId::at(START)).await;
    assert!(matches!(unknown, Err(StoreError::Unknown { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_at_once_are_all_kept() {
    let bench = Bench::new();
    let store = bench.open();
    let tasks = crate::tasks::Tasks::default();
    let accepted = Arc::new(StdMutex::new(Vec::new()));
    for n in 0..200 {
        let (id, intake) = bench.intake(
            "gate",
            &format!("P{n}"),
            Bytes::from(vec![n as u8; 3_000]),
            &["vms"],
        );
        let (store, accepted) = (store.clone(), accepted.clone());
        tasks.spawn(async move {
            let _ = store.accept(intake).await.unwrap();
            accepted.lock().unwrap().push(id);
        });
    }
    assert!(tasks.wait(Duration::from_secs(60)).await);
    let copy = bench.crashed(false);
    let again = bench.try_open_at(copy.path()).unwrap();
    let mut ids = again.events(EventQuery::default()).await.unwrap();
    let mut accepted = accepted.lock().unwrap().clone();
    ids.sort();
    accepted.sort();
    assert_eq!(accepted.len(), 200);
    assert_eq!(ids, accepted);
    assert_eq!(lease(&again, "vms", Order::None).await.len(), 64);
}

#[tokio::test]
async fn a_crash_loses_nothing_and_the_index_can_be_rebuilt_from_the_segments_alone() {
    let bench = Bench::new();
    let store = bench.open();
    for n in 0..6 {
        bench
            .accept(&store, "gate", &format!("P{n}"), &["vms", "log"])
            .await;
    }
    let fates = [
        Settled::Delivered,
        Settled::Dead,
        Settled::Again {
            due: START + SignedDuration::from_secs(60),
            counts: false,
        },
        Settled::Filtered,
        Settled::Expired,
    ];
    for (one, settled) in lease(&store, "vms", Order::None)
        .await
        .into_iter()
        .zip(fates)
    {
        settle(&store, one, settled).await;
    }
    let held = TargetState::Held {
        since: START,
        reason: "401".to_owned(),
    };
    store.set_target_state(&name("log"), held).await.unwrap();
    for reason in ["not JSON", "empty"] {
        let (_, intake) = bench.intake("gate", "Q", Bytes::from_static(b"{half of it"), &[]);
        let unread = Unread {
            source: name("cams"),
            original: intake.original,
            reason: reason.to_owned(),
        };
        let _ = store.quarantine(unread).await.unwrap();
    }
    store.caught_up().await;
    let quarantined = store.quarantined(0).await.unwrap();
    let unread = store.quarantined_request(quarantined[0].id).await.unwrap();
    assert_eq!(unread.original.body, "{half of it");
    let (_, intake) = bench.intake("gate", "R", Bytes::new(), &["vms"]);
    let _ = store.release(quarantined[0].id, intake).await.unwrap();
    let event = store.events(EventQuery::default()).await.unwrap()[2];
    let plan = Plan {
        routes: vec![],
        deliveries: vec![planned("late")],
    };
    store.plan_again(event, plan).await.unwrap();
    assert_eq!(store.event(event).await.unwrap().plan.deliveries.len(), 3);

    let before = told(&store).await;
    for with_index in [true, false] {
        let copy = bench.crashed(with_index);
        let again = bench.try_open_at(copy.path()).unwrap();
        assert_eq!(told(&again).await, before, "with index: {with_index}");
        assert!(matches!(
            again.target_state(&name("log")),
            TargetState::Held { .. }
        ));
        again.close().await;
        let once_more = bench.try_open_at(copy.path()).unwrap();
        assert_eq!(told(&once_more).await, before);
        bench.accept(&once_more, "gate", "NEW", &["vms"]).await;
    }
    drop(store);
    assert_eq!(told(&bench.open()).await, before);
}

#[tokio::test]
async fn one_process_holds_a_store_at_a_time() {
    let bench = Bench::new();
    let store = bench.open();
    assert!(matches!(
        bench.try_open_at(bench.folder.path()),
        Err(StoreError::Locked { .. })
    ));
    store.close().await;
    assert!(store.accepting().is_err());
    bench.open();
}

#[tokio::test]
async fn a_write_cut_off_at_any_byte_is_cut_off_the_log() {
    let bench = Bench::sized(2 << 20);
    let store = bench.open();
    let first = bench.accept(&store, "gate", "ONE", &["vms"]).await;
    let before = bench.crashed(false);
    let (_, intake) = bench.intake("gate", "TWO", Bytes::from_static(b"a short body"), &["vms"]);
    let _ = store.accept(intake).await.unwrap();
    let whole = std::fs::read(bench.folder.path().join("log/0000000001.seg")).unwrap();
    let path = before.path().join("log/0000000001.seg");
    let shorter = std::fs::read(&path).unwrap();
    let from = (0..whole.len())
        .find(|at| whole[*at] != shorter[*at])
        .unwrap();
    let to = (0..whole.len())
        .rfind(|at| whole[*at] != shorter[*at])
        .unwrap();
    for cut in from..=to {
        let mut torn = shorter.clone();
        torn[from..cut].copy_from_slice(&whole[from..cut]);
        std::fs::write(&path, &torn).unwrap();
        for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
            let _ = std::fs::remove_file(before.path().join(name));
        }
        let again = bench.try_open_at(before.path()).unwrap();
        assert_eq!(
            again.events(EventQuery::default()).await.unwrap(),
            [first],
            "cut at {cut}"
        );
        if cut == to {
            let third = bench.accept(&again, "gate", "THREE", &["vms"]).await;
            drop(again);
            let again = bench.try_open_at(before.path()).unwrap();
            assert_eq!(
                again.events(EventQuery::default()).await.unwrap(),
                [third, first]
            );
        }
    }
}

#[tokio::test]
async fn damage_in_the_middle_is_refused_with_the_place_and_advice() {
    let bench = Bench::new();
    let store = bench.open();
    for n in 0..3 {
        bench
            .accept(&store, "gate", &format!("P{n}"), &["vms"])
            .await;
    }
    let copy = bench.crashed(false);
    let path = copy.path().join("log/0000000001.seg");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[300] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let error = bench.try_open_at(copy.path()).err().unwrap().to_string();
    assert!(
        error.contains("0000000001.seg is damaged at byte 64"),
        "{error}"
    );
    assert!(error.contains("backup"), "{error}");
    bytes[300] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(
        bench
            .try_open_at(copy.path())
            .unwrap()
            .events(EventQuery::default())
            .await
            .unwrap()
            .len(),
        3
    );
}

#[tokio::test]
async fn a_leased_delivery_is_given_to_nobody_else_until_it_is_let_go() {
    let bench = Bench::new();
    let store = bench.open();
    bench.accept(&store, "gate", "ONE", &["vms"]).await;
    let mut leases = lease(&store, "vms", Order::None).await;
    assert_eq!(leases.len(), 1);
    assert!(lease(&store, "vms", Order::None).await.is_empty());
    leases.clear();
    let mut leases = lease(&store, "vms", Order::None).await;
    let due = START + SignedDuration::from_secs(30);
    settle(
        &store,
        leases.remove(0),
        Settled::Again { due, counts: true },
    )
    .await;
    let leased = store.lease(&name("vms"), Order::None, 8).await.unwrap();
    assert!(leased.leases.is_empty());
    assert_eq!(leased.next_due, Some(due));
    bench.wait(30);
    let mut leases = lease(&store, "vms", Order::None).await;
    assert_eq!((leases[0].attempts, leases[0].planned_at), (1, START));

    bench.wait(700); // longer than any lease lasts
    let second = lease(&store, "vms", Order::None).await;
    assert_eq!(second.len(), 1);
    drop(second);
    settle(&store, leases.remove(0), Settled::Delivered).await;
    assert!(lease(&store, "vms", Order::None).await.is_empty());
    assert_eq!(store.0.desks.of(&name("vms")).leased(), 0);
}

#[tokio::test]
async fn in_order_only_a_cameras_oldest_delivery_is_given_and_only_when_due() {
    let bench = Bench::new();
    let store = bench.open();
    for (camera, plate) in [
        ("a", "A1"),
        ("a", "A2"),
        ("b", "B1"),
        ("a", "A3"),
        ("b", "B2"),
    ] {
        bench.accept(&store, camera, plate, &["vms"]).await;
    }
    let cameras = |leases: &[Lease]| {
        let mut cameras: Vec<_> = leases
            .iter()
            .map(|lease| lease.camera.clone().unwrap())
            .collect();
        cameras.sort();
        cameras
    };
    let mut leases = lease(&store, "vms", Order::Camera).await;
    assert_eq!(cameras(&leases), ["a", "b"]);
    assert!(lease(&store, "vms", Order::Camera).await.is_empty());
    let b = leases.pop().unwrap();
    let due = START + SignedDuration::from_secs(10);
    settle(&store, b, Settled::Again { due, counts: true }).await;
    settle(&store, leases.pop().unwrap(), Settled::Dead).await;
    let next = lease(&store, "vms", Order::Camera).await;
    assert_eq!(cameras(&next), ["a"]);
    let plates = store.event(next[0].event).await.unwrap().event.plates[0]
        .text
        .clone();
    assert_eq!(plates.as_deref(), Some("A2"));
    drop(next);
    bench.accept(&store, "c", "C1", &["vms"]).await;
    bench.wait(10);
    assert_eq!(
        cameras(&lease(&store, "vms", Order::Camera).await),
        ["a", "b", "c"]
    );
}

#[tokio::test]
async fn whoever_waits_for_a_target_is_told_of_new_work_even_if_it_came_first() {
    let bench = Bench::new();
    let store = bench.open();
    bench.accept(&store, "gate", "ONE", &["vms"]).await;
    drop(store.changed(&name("vms")).await);
    let vms = name("vms");
    let (waiting, working) = (store.changed(&vms), async {
        bench.accept(&store, "gate", "TWO", &["vms"]).await
    });
    let (busy, _) = tokio::join!(waiting, working);
    drop(busy);
    assert_eq!(bench.clock.at_work(), 0);
}

#[tokio::test]
async fn dead_and_held_deliveries_can_be_made_due_again() {
    let bench = Bench::new();
    let store = bench.open();
    for n in 0..2 {
        bench
            .accept(&store, "gate", &format!("P{n}"), &["vms"])
            .await;
    }
    let mut leases = lease(&store, "vms", Order::None).await;
    let dead = leases[0].id;
    settle(&store, leases.remove(0), Settled::Dead).await;
    drop(leases);
    let held = TargetState::Held {
        since: START,
        reason: "403".to_owned(),
    };
    store.set_target_state(&name("vms"), held).await.unwrap();
    bench.wait(5);

    let with = |fate| DeliveryQuery {
        fate: Some(fate),
        ..DeliveryQuery::default()
    };
    assert_eq!(store.deliveries(with(Fate::Held)).await.unwrap().len(), 1);
    assert!(
        store
            .deliveries(with(Fate::Pending))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        store.deliveries(with(Fate::Dead)).await.unwrap()[0]
            .attempts
            .len(),
        1
    );
    let fates = store.targets().await.unwrap().remove(0).fates;
    assert_eq!(fates, [(Fate::Held, 1), (Fate::Dead, 1)]);

    assert_eq!(store.retry(RetryQuery::Ids(vec![dead])).await.unwrap(), 1);
    assert_eq!(store.target_state(&name("vms")), TargetState::Running);
    assert_eq!(
        store.deliveries(with(Fate::Pending)).await.unwrap().len(),
        2
    );
    let leases = lease(&store, "vms", Order::None).await;
    let again = leases.iter().find(|lease| lease.id == dead).unwrap();
    assert_eq!((again.attempts, again.planned_at), (0, bench.clock.now()));
    let unknown = store
        .retry(RetryQuery::Ids(vec![DeliveryId::at(START)]))
        .await;
    assert!(matches!(unknown, Err(StoreError::Unknown { .. })));
}

#[tokio::test]
async fn old_events_go_with_all_their_rows_once_they_are_settled() {
    let bench = Bench::new();
    let store = bench.open();
    let old = bench.accept(&store, "gate", "OLD", &["vms"]).await;
    bench.wait(8 * 86_400);
    store.retain().await.unwrap();
    assert_eq!(store.events(EventQuery::default()).await.unwrap(), [old]);

    let mut leases = lease(&store, "vms", Order::None).await;
    store.settle(leases.remove(0), attempt(START), Settled::Delivered);
    bench.accept(&store, "gate", "NEW", &[]).await;
    store.retain().await.unwrap();
    assert!(matches!(
        store.event(old).await,
        Err(StoreError::Unknown { .. })
    ));
    assert_eq!(store.events(EventQuery::default()).await.unwrap().len(), 1);
    assert!(
        store
            .deliveries(DeliveryQuery::default())
            .await
            .unwrap()
            .is_empty()
    );
    let left = |table: &str| {
        let db = schema::open_reader(&store.0.index_path).unwrap();
        db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
            row.get::<_, i64>(0)
        })
        .unwrap()
    };
    assert_eq!(
        [left("attempts"), left("plates"), left("events")],
        [0, 1, 1]
    );
    let before = told(&store).await;
    let copy = bench.crashed(false);
    assert_eq!(told(&bench.try_open_at(copy.path()).unwrap()).await, before);
}

#[tokio::test]
async fn what_a_removed_segment_said_of_events_that_stay_is_said_again() {
    let bench = Bench::new();
    let store = bench.open();
    // The first segment stays because of `slow`; the second, which tells how `vms` got its delivery, goes.
    let first = bench
        .accept(&store, "gate", "FIRST", &["vms", "slow"])
        .await;
    bench.wait(2 * 86_400);
    store.retain().await.unwrap();
    let mut leases = lease(&store, "vms", Order::None).await;
    settle(&store, leases.remove(0), Settled::Delivered).await;
    let plan = Plan {
        routes: vec![],
        deliveries: vec![planned("late")],
    };
    store.plan_again(first, plan).await.unwrap();
    store
        .set_target_state(&name("late"), TargetState::Paused { since: START })
        .await
        .unwrap();
    let gone = bench.accept(&store, "gate", "SECOND", &[]).await;
    assert_eq!(
        store
            .purge(bench.clock.now() + SignedDuration::from_secs(1))
            .await
            .unwrap(),
        1
    );
    let third = bench.accept(&store, "gate", "THIRD", &[]).await;
    bench.wait(8 * 86_400);
    store.retain().await.unwrap();
    bench.accept(&store, "gate", "FOURTH", &[]).await;
    store.retain().await.unwrap();

    assert!(store.event(gone).await.is_err() && store.event(third).await.is_err());
    let numbers: Vec<_> = store
        .0
        .catalog
        .segments()
        .iter()
        .map(|s| s.header.number)
        .collect();
    assert!(numbers.contains(&1) && !numbers.contains(&2), "{numbers:?}");
    let before = told(&store).await;
    assert!(before.contains("late") && before.contains("Delivered") && before.contains("Paused"));
    let copy = bench.crashed(false);
    assert_eq!(told(&bench.try_open_at(copy.path()).unwrap()).await, before);
}

#[tokio::test]
async fn beyond_max_size_the_oldest_settled_events_go_and_segments_are_recycled() {
    let bench = Bench::sized(4 << 20);
    let store = bench.open();
    let mut last = None;
    for n in 0..120 {
        let (id, intake) =
            bench.intake("gate", &format!("P{n}"), Bytes::from(vec![n; 100_000]), &[]);
        let _ = store.accept(intake).await.unwrap();
        store.caught_up().await;
        last = Some(id);
    }
    assert!(store.size() <= 4 << 20, "{}", store.size());
    let ids = store.events(EventQuery::default()).await.unwrap();
    assert!(ids.len() > 5 && ids.len() < 60, "{}", ids.len());
    assert_eq!(ids.first().copied(), last);
    for id in &ids {
        assert_eq!(
            store.event(*id).await.unwrap().event.original.body.len(),
            100_000
        );
    }
    let before = told(&store).await;
    for with_index in [true, false] {
        let copy = bench.crashed(with_index);
        assert_eq!(told(&bench.try_open_at(copy.path()).unwrap()).await, before);
    }
}

#[tokio::test]
async fn full_of_undelivered_events_it_accepts_nothing_until_some_are_settled() {
    let bench = Bench::sized(4 << 20);
    let store = bench.open();
    let mut accepted = 0;
    let full = loop {
        let (_, intake) = bench.intake("gate", "P", Bytes::from(vec![1; 100_000]), &["vms"]);
        match store.accept(intake).await {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
        store.caught_up().await;
    };
    assert!(matches!(full, StoreError::Full(_)), "{full}");
    assert!(accepted > 5 && store.accepting().is_err());
    let leases = lease(&store, "vms", Order::None).await;
    assert_eq!(leases.len(), accepted);
    for one in leases {
        store.settle(one, None, Settled::Delivered);
    }
    store.caught_up().await;
    store.retain().await.unwrap();
    store.caught_up().await;
    bench.accept(&store, "gate", "AGAIN", &["vms"]).await;
    assert!(store.accepting().is_ok());
}

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

#[tokio::test]
async fn a_full_disk_refuses_events_but_notes_outcomes_and_recovers() {
    let bench = Bench::sized(4 << 20);
    let store = bench.open();
    bench.accept(&store, "gate", "ONE", &["vms"]).await;
    bench.disk.0.lock().unwrap().allocate = Some(ENOSPC);
    let full = loop {
        let (_, intake) = bench.intake("gate", "P", Bytes::from(vec![1; 50_000]), &[]);
        if let Err(error) = store.accept(intake).await {
            break error;
        }
    };
    assert!(matches!(full, StoreError::Full(_)), "{full}");
    assert!(store.accepting().is_err());
    let mut leases = lease(&store, "vms", Order::None).await;
    settle(&store, leases.remove(0), Settled::Delivered).await;
    let copy = bench.crashed(false);
    bench.disk.0.lock().unwrap().allocate = None;
    assert_eq!(
        told(&bench.try_open_at(copy.path()).unwrap()).await,
        told(&store).await
    );

    let (_, intake) = bench.intake("gate", "P", Bytes::from(vec![1; 100_000]), &[]);
    let _ = store.accept(intake).await.unwrap();
    assert!(store.accepting().is_ok());
}

#[tokio::test]
async fn a_failed_sync_is_never_told_as_success_and_its_segment_is_left() {
    let bench = Bench::new();
    let store = bench.open();
    let first = bench.accept(&store, "gate", "ONE", &["vms"]).await;
    for fault in [EIO, ENOSPC] {
        bench.disk.0.lock().unwrap().sync = Some(fault);
        let (_, intake) = bench.intake("gate", "TWO", Bytes::from(vec![1; 100]), &["vms"]);
        let refused = store.accept(intake).await.unwrap_err();
        assert_eq!(
            matches!(refused, StoreError::Full(_)),
            fault == ENOSPC,
            "{refused}"
        );
        bench.disk.0.lock().unwrap().sync = None;
    }
    let second = bench.accept(&store, "gate", "THREE", &["vms"]).await;
    assert_eq!(
        store.events(EventQuery::default()).await.unwrap(),
        [second, first]
    );
    assert_eq!(store.0.catalog.segments().len(), 2);
    let copy = bench.crashed(false);
    let again = bench.try_open_at(copy.path()).unwrap();
    assert_eq!(
        again.events(EventQuery::default()).await.unwrap(),
        [second, first]
    );
}

#[tokio::test]
async fn a_request_larger_than_a_segment_is_kept_like_any_other() {
    let bench = Bench::new();
    let store = bench.open();
    let body = Bytes::from(
        (0u32..20 << 20)
            .flat_map(u32::to_le_bytes)
            .collect::<Vec<u8>>(),
    );
    let (id, intake) = bench.intake("gate", "BIG", body.clone(), &["vms"]);
    let _ = store.accept(intake).await.unwrap();
    let small = bench.accept(&store, "gate", "SMALL", &["vms"]).await;
    drop(store);
    let again = bench.open();
    assert!(again.event(id).await.unwrap().event.original.body == body);
    assert_eq!(
        again.events(EventQuery::default()).await.unwrap(),
        [small, id]
    );
}

#[tokio::test]
async fn an_index_that_cannot_be_read_is_rebuilt() {
    let bench = Bench::new();
    let store = bench.open();
    let id = bench.accept(&store, "gate", "ONE", &["vms"]).await;
    drop(store);
    std::fs::write(bench.folder.path().join("index.sqlite"), vec![7; 8_192]).unwrap();
    assert_eq!(
        bench.open().events(EventQuery::default()).await.unwrap(),
        [id]
    );
}
