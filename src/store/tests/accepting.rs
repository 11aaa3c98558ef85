//! What is accepted is kept as it is.

use super::*;

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
async fn what_is_kept_is_for_the_eyes_of_its_own_account() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::sized(16 << 20);
    let store = bench.open();
    let _ = bench.accept(&store, "gate", "AB123", &["vms"]).await;
    store.retain().await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut seen = Vec::new();
    for folder in ["", "log"] {
        for entry in std::fs::read_dir(bench.folder.path().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let wanted = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode(&path), wanted, "{name}");
            seen.push(name);
        }
    }
    for name in [
        "log",
        "lock",
        "ballast",
        "index.sqlite",
        "index.sqlite-wal",
        "0000000001.seg",
    ] {
        assert!(
            seen.iter().any(|seen| seen == name),
            "{name} is not among {seen:?}"
        );
    }
    store.close().await;
}
