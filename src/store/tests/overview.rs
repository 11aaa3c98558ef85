//! What is told of cameras and targets at a glance.

use rusqlite::Connection;

use super::*;

async fn camera(store: &Store, camera: &str) -> Option<CameraSummary> {
    store.caught_up().await;
    let all = store.cameras(CameraQuery::default()).await.unwrap();
    all.into_iter()
        .find(|one| one.camera.as_deref() == Some(camera))
}

#[tokio::test]
async fn a_camera_is_told_with_its_hours_and_missed_when_it_is_silent() {
    let bench = Bench::new();
    let store = bench.open();
    for n in 0..12 {
        bench.accept(&store, "gate", "AB1", &[]).await;
        if n == 5 {
            bench.accept(&store, "rare", "AB1", &[]).await;
        }
        bench.wait(600);
    }
    let gate = camera(&store, "gate").await.unwrap();
    assert_eq!((gate.events, gate.silent), (12, false));
    assert_eq!(gate.last_day(), 12);
    assert_eq!(gate.hours[21..], [6, 6, 0], "{:?}", gate.hours);
    // Its usual pause is ten minutes.
    bench.wait(2 * 3_600);
    assert!(camera(&store, "gate").await.unwrap().silent);
    assert!(!camera(&store, "rare").await.unwrap().silent);
    bench.wait(24 * 3_600);
    assert!(camera(&store, "rare").await.unwrap().silent);
    assert_eq!(camera(&store, "gate").await.unwrap().last_day(), 0);

    let first = CameraQuery {
        limit: 1,
        ..CameraQuery::default()
    };
    let page = store.cameras(first.clone()).await.unwrap();
    assert_eq!(page.len(), 1);
    let after = Some((page[0].source.to_string(), page[0].camera.clone().unwrap()));
    let page = store.cameras(CameraQuery { after, ..first }).await.unwrap();
    assert_eq!(page[0].camera.as_deref(), Some("rare"));
    let other = CameraQuery {
        source: Some("other".to_owned()),
        ..CameraQuery::default()
    };
    assert_eq!(store.cameras(other).await.unwrap(), []);
}

#[tokio::test]
async fn an_index_built_anew_tells_the_same_of_cameras_and_targets() {
    let bench = Bench::new();
    let store = bench.open();
    for n in 0..5 {
        bench
            .accept(&store, &format!("cam-{}", n % 2), "AB1", &["vms"])
            .await;
        bench.wait(60);
    }
    for lease in lease(&store, "vms", Order::None).await {
        settle(&store, lease, Settled::Delivered).await;
    }
    store.caught_up().await;
    let told = |store: &Store| {
        let store = store.clone();
        async move {
            let cameras = store.cameras(CameraQuery::default()).await.unwrap();
            let targets = store.activity(None).await.unwrap();
            (cameras, format!("{targets:?}"))
        }
    };
    let before = told(&store).await;
    assert_eq!(before.0.len(), 2);
    for with_index in [true, false] {
        let copy = bench.crashed(with_index);
        let again = bench.try_open_at(copy.path()).unwrap();
        again.caught_up().await;
        assert_eq!(told(&again).await, before, "with index: {with_index}");
    }
}

#[tokio::test]
async fn a_camera_is_remembered_without_its_events_but_not_when_they_were_forgotten() {
    let bench = Bench::new();
    let store = bench.open();
    bench.accept(&store, "old", "AB1", &[]).await;
    bench.accept(&store, "PL8", "PL8", &[]).await;
    bench.wait(60);
    store.forget("PL8", false).await.unwrap();
    assert_eq!(camera(&store, "PL8").await, None);
    store.purge(bench.clock.now()).await.unwrap();
    let old = camera(&store, "old").await.unwrap();
    assert_eq!(old.events, 0);
    bench.wait(31 * 86_400);
    store.retain().await.unwrap();
    assert_eq!(camera(&store, "old").await, None);
}

#[tokio::test]
async fn a_targets_history_tells_what_came_of_its_deliveries() {
    let bench = Bench::new();
    let store = bench.open();
    for _ in 0..4 {
        bench.accept(&store, "gate", "AB1", &["vms"]).await;
    }
    bench.wait(6 * 60);
    for (n, lease) in lease(&store, "vms", Order::None)
        .await
        .into_iter()
        .enumerate()
    {
        let settled = match n {
            0 => Settled::Dead,
            1 => Settled::Again {
                due: bench.clock.now(),
                counts: true,
            },
            _ => Settled::Delivered,
        };
        settle(&store, lease, settled).await;
    }
    bench.wait(60);
    store.caught_up().await;
    let told = store.activity(Some(name("vms"))).await.unwrap();
    let told = &told[&name("vms")];
    let sum = |counts: &[u32]| counts.iter().sum::<u32>();
    assert_eq!(sum(&told.history.planned), 4);
    assert_eq!(sum(&told.history.delivered), 2);
    assert_eq!(sum(&told.history.failed), 2);
    assert_eq!(told.history.planned.len(), 36);
    assert!((told.per_minute - 0.4).abs() < 1e-9, "{}", told.per_minute);
    assert_eq!(told.failures.len(), 1);
    assert_eq!(told.failures[0].error.as_deref(), Some("busy"));
    // It is kept for some hours.
    bench.wait(7 * 3_600);
    bench.accept(&store, "gate", "AB1", &["vms"]).await;
    let told = store.activity(None).await.unwrap();
    assert_eq!(sum(&told[&name("vms")].history.delivered), 0);
    let db = Connection::open(bench.folder.path().join("index.sqlite")).unwrap();
    let rows: i64 = db
        .query_row("SELECT count(*) FROM minutes", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 1);
}
