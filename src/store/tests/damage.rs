//! Crashes, cut writes, damaged and lost files.

use super::*;
use crate::store::segment::Header;

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
        joined: vec![],
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

#[tokio::test]
async fn a_segment_that_takes_the_number_of_a_lost_one_is_read_from_its_beginning() {
    let bench = Bench::new();
    let store = bench.open();
    let first = bench.accept(&store, "gate", "ONE", &["vms"]).await;
    store.0.writer.send(Command::Roll).unwrap();
    bench.accept(&store, "gate", "LOST", &["vms"]).await;
    store.close().await;
    let log = bench.folder.path().join("log");
    std::fs::remove_file(log.join("0000000002.seg")).unwrap();
    bench.open().close().await;
    let index = bench.folder.path().join("index.sqlite");
    let earlier = std::fs::read(&index).unwrap();

    let store = bench.open();
    let second = bench.accept(&store, "gate", "TWO", &["vms"]).await;
    assert_eq!(store.0.catalog.segments().len(), 2);
    store.close().await;
    // As after a power failure: the event is in the log, and the index does not know it.
    std::fs::write(&index, earlier).unwrap();
    assert_eq!(
        bench.open().events(EventQuery::default()).await.unwrap(),
        [second, first]
    );
}

#[tokio::test]
async fn a_spare_under_its_old_name_is_no_segment_but_a_renamed_segment_is_refused() {
    let bench = Bench::new();
    let store = bench.open();
    let id = bench.accept(&store, "gate", "ONE", &["vms"]).await;
    store.close().await;
    let log = bench.folder.path().join("log");
    let whole = std::fs::read(log.join("0000000001.seg")).unwrap();
    // The header that segment 7 was begun with, in the file that had been segment 0.
    let mut header = Header::from_bytes(whole[..64].try_into().unwrap()).unwrap();
    header.number = 7;
    header.salt ^= 1;
    let mut spare = whole.clone();
    spare[..64].copy_from_slice(&header.to_bytes());
    std::fs::write(log.join("0000000000.seg"), spare).unwrap();
    let store = bench.open();
    assert_eq!(store.events(EventQuery::default()).await.unwrap(), [id]);
    assert!(store.0.catalog.has_spare());
    store.close().await;

    let path = log.join("0000000005.seg");
    std::fs::rename(log.join("0000000001.seg"), &path).unwrap();
    let error = bench.try_open_at(bench.folder.path()).err().unwrap();
    assert!(
        error.to_string().contains("holds segment 0000000001.seg"),
        "{error}"
    );
    std::fs::rename(path, log.join("0000000001.seg")).unwrap();
    assert_eq!(
        bench.open().events(EventQuery::default()).await.unwrap(),
        [id]
    );
}

#[tokio::test]
async fn an_index_damaged_inside_is_rebuilt_as_well() {
    let bench = Bench::new();
    let store = bench.open();
    let db = schema::open_reader(&store.0.index_path).unwrap();
    let pages = ["targets", "events"].map(|table| {
        let page = "SELECT rootpage FROM sqlite_master WHERE name = ?1";
        db.query_row(page, [table], |row| row.get::<_, i64>(0))
            .unwrap()
    });
    drop(db);
    store.close().await;
    let index = bench.folder.path().join("index.sqlite");
    let earlier = std::fs::read(&index).unwrap();
    let store = bench.open();
    let id = bench.accept(&store, "gate", "ONE", &["vms"]).await;
    store.close().await;
    for page in pages {
        let mut damaged = earlier.clone();
        let begin = (page as usize - 1) * 4_096;
        damaged[begin..begin + 4_096].fill(7);
        std::fs::write(&index, damaged).unwrap();
        let store = bench.open();
        assert_eq!(store.events(EventQuery::default()).await.unwrap(), [id]);
        store.close().await;
        std::fs::remove_file(bench.folder.path().join("index.sqlite.unreadable")).unwrap();
    }
}
