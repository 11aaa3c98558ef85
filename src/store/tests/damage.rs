//! Crashes, cut writes, damaged and lost files.

use super::matrix::forget_index;
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
    let quarantined = store.quarantined(PageQuery::default()).await.unwrap();
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

/// One bit of each of many bytes: the header, records' heads, metadata, payloads, paddings, the seal.
#[tokio::test]
async fn of_a_segment_with_a_flipped_bit_only_the_record_it_lies_in_is_lost() {
    let bench = Bench::sized(2 << 20);
    let store = bench.open();
    let mut sent = Vec::new();
    for n in 0..9 {
        let body = Bytes::from(vec![n; 40_000]);
        let (id, intake) = bench.intake("gate", &format!("P{n}"), body, &["vms"]);
        let _ = store.accept(intake).await.unwrap();
        sent.push(id);
    }
    store.caught_up().await;
    assert!(store.0.catalog.segments().len() > 1);
    // Where each event's record lies.
    let mut places = Vec::new();
    for id in &sent {
        let located = store
            .read({
                let id = *id;
                move |db, _| query::locate(db, id)
            })
            .await
            .unwrap()
            .unwrap();
        let bytes = store.0.catalog.bytes_of(located.position).unwrap();
        places.push((located.position, bytes));
    }
    store.close().await;
    let end = places
        .iter()
        .filter(|(position, _)| position.segment == 1)
        .map(|(position, bytes)| position.offset + bytes)
        .max()
        .unwrap();
    let whole = std::fs::read(bench.folder.path().join("log/0000000001.seg")).unwrap();
    let mut offsets: Vec<u64> = (0..64).step_by(3).collect();
    for (position, _) in places.iter().filter(|(at, _)| at.segment == 1) {
        offsets.extend((0..60).step_by(7).map(|n| position.offset + n));
        offsets.extend([500, 1_500, 20_000, 40_000].map(|n| position.offset + n));
    }
    offsets.extend((0..48).step_by(5).map(|n| end + n));
    for offset in offsets {
        let copy = bench.crashed(true);
        let path = copy.path().join("log/0000000001.seg");
        let mut flipped = whole.clone();
        flipped[offset as usize] ^= 1 << (offset % 8);
        std::fs::write(&path, &flipped).unwrap();
        let hit: Vec<EventId> = std::iter::zip(&sent, &places)
            .filter(|(_, (at, bytes))| {
                at.segment == 1 && (at.offset..at.offset + bytes).contains(&offset)
            })
            .map(|(id, _)| *id)
            .collect();

        let checked = check(copy.path(), false).unwrap();
        let told: Vec<EventId> = checked
            .damaged
            .iter()
            .flat_map(|damaged| damaged.events.clone())
            .collect();
        // Padding belongs to no checksum, and nothing is read from it. Without its seal a segment ends where the next begins.
        let is_padding = hit.len() == 1 && told.is_empty();
        assert!(told == hit || is_padding, "{offset}: {checked:?}");
        assert_eq!(checked.is_well(), checked.damaged.is_empty(), "{checked:?}");
        let is_idle = is_padding || offset >= end;
        assert_eq!(checked.is_well(), is_idle, "{offset}: {checked:?}");

        for with_index in [true, false] {
            if !with_index {
                for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
                    let _ = std::fs::remove_file(copy.path().join(name));
                }
            }
            let again = bench.try_open_at(copy.path()).unwrap();
            for (n, id) in sent.iter().enumerate() {
                match again.event(*id).await {
                    Ok(kept) => {
                        assert_eq!(kept.event.original.body, vec![n as u8; 40_000]);
                        assert!(!hit.contains(id) || is_padding, "{offset}");
                    }
                    Err(error) => {
                        assert!(hit.contains(id), "at {offset}, {n} is lost: {error}");
                        assert!(again.damaged_records() == 1, "{offset}");
                        if with_index {
                            assert!(matches!(error, StoreError::Damaged(_)), "{error}");
                        }
                    }
                }
            }
            bench.accept(&again, "gate", "NEW", &["vms"]).await;
            again.close().await;
        }
    }
}

#[tokio::test]
async fn a_damaged_last_record_looks_like_a_write_that_was_cut_off_but_the_index_knows_better() {
    let bench = Bench::new();
    let store = bench.open();
    let first = bench.accept(&store, "gate", "ONE", &["vms"]).await;
    let last = bench.accept(&store, "gate", "TWO", &["vms"]).await;
    store.close().await;
    let path = bench.folder.path().join("log/0000000001.seg");
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.iter().rposition(|byte| *byte == b'x').unwrap();
    bytes[end] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let checked = check(bench.folder.path(), false).unwrap();
    assert_eq!(checked.damaged.len(), 1, "{checked:?}");
    assert_eq!(checked.damaged[0].events, [last]);
    let store = bench.open();
    assert!(store.event(first).await.is_ok());
    let error = store.event(last).await.err().unwrap();
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    // Nothing is written over it.
    let next = bench.accept(&store, "gate", "THREE", &["vms"]).await;
    store.close().await;
    forget_index(bench.folder.path());
    let store = bench.open();
    assert_eq!(
        store.events(EventQuery::default()).await.unwrap(),
        [next, first]
    );
}

#[tokio::test]
async fn what_was_cut_off_a_closed_segment_is_told_and_the_rest_is_kept() {
    let bench = Bench::sized(2 << 20);
    let store = bench.open();
    let mut sent = Vec::new();
    for n in 0..9 {
        let body = Bytes::from(vec![n; 40_000]);
        let (id, intake) = bench.intake("gate", "P", body, &["vms"]);
        let _ = store.accept(intake).await.unwrap();
        sent.push(id);
    }
    store.close().await;
    let copy = bench.crashed(false);
    let path = copy.path().join("log/0000000001.seg");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(90_000).unwrap();
    let checked = check(copy.path(), false).unwrap();
    assert_eq!(checked.damaged.len(), 1, "{checked:?}");
    let lost = checked.damaged[0].records;
    let again = bench.try_open_at(copy.path()).unwrap();
    let kept = again.events(EventQuery::default()).await.unwrap();
    assert_eq!(kept.len() as u64 + lost, sent.len() as u64);
    assert!(kept.len() > 4 && kept.contains(&sent[1]) && kept.contains(&sent[8]));
    assert_eq!(again.damaged_records(), lost);
    bench.accept(&again, "gate", "NEW", &["vms"]).await;
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
