//! What deciding steps remember.

use super::*;

fn write(store: &Store, key: &str, state: u32, seconds: i64) -> Written {
    let mut written = Written::default();
    let now = store.0.clock.now();
    let until = now + SignedDuration::from_secs(seconds);
    store
        .memory()
        .open(&name("all"), "track", now, &mut written, |book| {
            book.write(key, state, until, now);
        });
    written
}

fn read(store: &Store, key: &str) -> Option<u32> {
    let now = store.0.clock.now();
    let mut written = Written::default();
    let memory = store.memory();
    memory.open(&name("all"), "track", now, &mut written, |book| {
        book.find::<u32>(key, now).map(|found| *found.state)
    })
}

async fn keep(bench: &Bench, store: &Store, written: Written) -> Result<EventId, StoreError> {
    let (id, mut intake) = bench.intake("gate", "AB", Bytes::from_static(b"{}"), &[]);
    intake.written = written;
    let _ = store.accept(intake).await?;
    store.caught_up().await;
    Ok(id)
}

#[tokio::test]
async fn what_was_kept_with_an_event_is_known_after_a_restart_with_or_without_the_index() {
    let bench = Bench::new();
    let store = bench.open();
    for (key, state) in [("a", 1), ("b", 2), ("a", 3)] {
        let written = write(&store, key, state, 60);
        keep(&bench, &store, written).await.unwrap();
    }
    for with_index in [true, false] {
        let copy = bench.crashed(with_index);
        let again = bench.try_open_at(copy.path()).unwrap();
        assert_eq!((read(&again, "a"), read(&again, "b")), (Some(3), Some(2)));
        assert_eq!(read(&again, "c"), None);
    }
    bench.wait(61);
    let again = bench.try_open_at(bench.crashed(true).path()).unwrap();
    assert_eq!(read(&again, "a"), None, "its time is over");
}

#[tokio::test]
async fn what_did_not_reach_the_disk_is_not_remembered() {
    let bench = Bench::new();
    let store = bench.open();
    keep(&bench, &store, write(&store, "a", 1, 60))
        .await
        .unwrap();
    bench.disk.0.lock().unwrap().sync = Some(5);
    let (changed, new) = (write(&store, "a", 2, 60), write(&store, "b", 2, 60));
    assert_eq!((read(&store, "a"), read(&store, "b")), (Some(2), Some(2)));
    assert!(keep(&bench, &store, changed).await.is_err());
    assert!(keep(&bench, &store, new).await.is_err());
    assert_eq!((read(&store, "a"), read(&store, "b")), (Some(1), None));
    bench.disk.0.lock().unwrap().sync = None;
}

#[tokio::test]
async fn of_two_records_in_the_wrong_order_the_later_decision_stands() {
    let bench = Bench::new();
    let store = bench.open();
    let (first, second) = (write(&store, "a", 1, 60), write(&store, "a", 2, 60));
    keep(&bench, &store, second).await.unwrap();
    keep(&bench, &store, first).await.unwrap();
    for with_index in [true, false] {
        let copy = bench.crashed(with_index);
        assert_eq!(read(&bench.try_open_at(copy.path()).unwrap(), "a"), Some(2));
    }
}

#[tokio::test]
async fn what_a_removed_segment_remembered_is_said_again_until_its_time_is_over() {
    let bench = Bench::new();
    let store = bench.open();
    let day = 86_400;
    let id = keep(&bench, &store, write(&store, "a", 1, 20 * day))
        .await
        .unwrap();
    keep(&bench, &store, write(&store, "b", 1, 60))
        .await
        .unwrap();
    bench.wait(8 * day);
    store.retain().await.unwrap();
    store.retain().await.unwrap();
    let gone = store.event(id).await;
    assert!(matches!(gone, Err(StoreError::Unknown { .. })));
    let copy = bench.crashed(false);
    let again = bench.try_open_at(copy.path()).unwrap();
    assert_eq!((read(&again, "a"), read(&again, "b")), (Some(1), None));
    let rows = || {
        let db = schema::open_reader(&store.0.index_path).unwrap();
        let count = "SELECT count(*) FROM notes";
        db.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(rows(), 1, "what is over is no longer kept");
    bench.wait(13 * day);
    store.retain().await.unwrap();
    assert_eq!(rows(), 0);
}
