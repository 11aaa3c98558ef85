//! What is asked to find out whether something is wrong.

use super::*;

#[tokio::test]
async fn each_camera_has_its_last_event_and_each_source_what_went_into_quarantine_lately() {
    let bench = Bench::new();
    let store = bench.open();
    assert!(store.last_heard(10).await.unwrap().is_empty());
    for (camera, seconds) in [("gate", 10), ("yard", 10), ("gate", 10), ("door", 10)] {
        let (_, intake) =
            bench.intake(camera, "AB123", Bytes::from_static(b"0123456789"), &["vms"]);
        let _safe = store.accept(intake).await.unwrap();
        bench.wait(seconds);
    }
    store.caught_up().await;
    let at = |seconds| START + SignedDuration::from_secs(seconds);
    let known = [("door", 30), ("gate", 20), ("yard", 10)];
    let known = known.map(|(camera, seconds)| (camera.to_owned(), at(seconds)));
    assert_eq!(store.last_heard(10).await.unwrap(), known);
    assert_eq!(store.last_heard(2).await.unwrap(), known[..2]);

    for _ in 0..3 {
        let original = Arc::new(Original {
            received_at: bench.clock.now(),
            ..Original::default()
        });
        let unread = Unread {
            source: name("stream"),
            original,
            reason: "no JSON".to_owned(),
        };
        let _safe = store.quarantine(unread).await.unwrap();
        bench.wait(100);
    }
    store.caught_up().await;
    let since = bench.clock.now() - SignedDuration::from_secs(250);
    assert_eq!(
        store.quarantined_since(since).await.unwrap(),
        [(name("stream"), 2)]
    );
    let now = bench.clock.now();
    assert!(store.quarantined_since(now).await.unwrap().is_empty());
    assert!(
        store.pinned_bytes().await.unwrap() > 0,
        "nothing was delivered"
    );
    let disk = store.disk_space().unwrap();
    assert!(disk.size >= disk.free && (0.0..=100.0).contains(&disk.used()));
}
