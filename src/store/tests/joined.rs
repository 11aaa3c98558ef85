//! What is held until another event may have taken its place, and what went into another.

use super::*;
use crate::fate::{How, Joined, Part};

/// An event whose deliveries wait so many seconds.
async fn hold(bench: &Bench, store: &Store, seconds: i64, targets: &[&str]) -> EventId {
    let (id, intake) = held(bench, seconds, targets);
    let _ = store.accept(intake).await.unwrap();
    store.caught_up().await;
    id
}

fn held(bench: &Bench, seconds: i64, targets: &[&str]) -> (EventId, Intake) {
    let body = Bytes::from(vec![b'x'; 2_000]);
    let (id, mut intake) = bench.intake("gate", "AB", body, targets);
    for planned in &mut intake.events[0].1.deliveries {
        planned.not_before = Some(bench.clock.now() + SignedDuration::from_secs(seconds));
    }
    (id, intake)
}

/// An event of which the other becomes a part.
fn joining(bench: &Bench, other: EventId, how: How, targets: &[&str]) -> (EventId, Intake) {
    let (id, mut intake) = held(bench, 5, targets);
    let event = intake.events[0].0.clone();
    intake.events[0]
        .1
        .joined
        .push(joined(&event, other, id, how));
    (id, intake)
}

fn joined(event: &Event, part: EventId, into: EventId, how: How) -> Joined {
    let item = Some(Item::Plate(0));
    Joined {
        route: name("all"),
        part: Part {
            id: part,
            ..Part::of(event, item)
        },
        into,
        into_item: item,
        how,
        why: format!("dedupe: {into} was better"),
    }
}

/// The fate of each delivery of an event, with the note of the last attempt.
async fn fates(store: &Store, event: EventId) -> Vec<(Fate, Option<Timestamp>, Option<String>)> {
    let query = DeliveryQuery {
        event: Some(event),
        ..DeliveryQuery::default()
    };
    let deliveries = store.deliveries(query).await.unwrap();
    let told = deliveries.into_iter().map(|delivery| {
        let last = delivery
            .attempts
            .last()
            .and_then(|attempt| attempt.error.clone());
        (delivery.fate, delivery.due, last)
    });
    told.collect()
}

#[tokio::test]
async fn what_is_held_waits_for_its_moment_and_shows_it() {
    for order in [Order::None, Order::Camera] {
        let bench = Bench::new();
        let store = bench.open();
        let id = hold(&bench, &store, 10, &["vms"]).await;
        let due = Some(START + SignedDuration::from_secs(10));
        assert_eq!(fates(&store, id).await, [(Fate::Pending, due, None)]);
        let found = store.lease(&name("vms"), order, 64).await.unwrap();
        assert_eq!((found.leases.len(), found.next_due), (0, due));
        store.retry(RetryQuery::All).await.unwrap();
        let copy = bench.crashed(false);
        let again = bench.try_open_at(copy.path()).unwrap();
        for store in [&store, &again] {
            assert!(lease(store, "vms", order).await.is_empty());
        }
        bench.wait(10);
        for store in [&store, &again] {
            let leases = lease(store, "vms", order).await;
            assert_eq!((leases.len(), leases[0].has_parts), (1, false));
        }
    }
}

#[tokio::test]
async fn what_became_a_part_is_filtered_in_the_commit_of_the_other_and_the_other_knows_it() {
    let bench = Bench::new();
    let store = bench.open();
    let first = hold(&bench, &store, 10, &["vms", "log"]).await;
    let (second, intake) = joining(&bench, first, How::Same, &["vms", "log"]);
    let _ = store.accept(intake).await.unwrap();
    let (third, intake) = joining(&bench, second, How::Same, &["vms", "log"]);
    let _ = store.accept(intake).await.unwrap();
    let before = told(&store).await;
    let rebuilt = bench.crashed(false);
    let restarted = bench.crashed(true);
    bench.wait(10);
    for path in [bench.folder.path(), rebuilt.path(), restarted.path()] {
        let again = match path == bench.folder.path() {
            true => store.clone(),
            false => bench.try_open_at(path).unwrap(),
        };
        for (ended, by) in [(first, second), (second, third)] {
            let why = Some(format!("dedupe: {by} was better"));
            let filtered = (Fate::Filtered, None, why);
            assert_eq!(fates(&again, ended).await, [filtered.clone(), filtered]);
        }
        let item = Some(Item::Plate(0));
        let parts = again.parts(third, &name("all"), item).await.unwrap();
        let ids: Vec<EventId> = parts.iter().map(|joined| joined.part.id).collect();
        assert_eq!(ids, [first, second], "and what went into these");
        assert!(
            again
                .parts(third, &name("all"), None)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(
            again
                .parts(third, &name("other"), item)
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(again.joined(second).await.unwrap().len(), 1);
        let leases = lease(&again, "vms", Order::Camera).await;
        assert_eq!(leases.len(), 1);
        assert_eq!((leases[0].event, leases[0].has_parts), (third, true));
    }
    for path in [rebuilt.path(), restarted.path()] {
        // All of it, to the sums for each target, at the same moment.
        let copy = tempfile::tempdir().unwrap();
        std::fs::create_dir(copy.path().join("log")).unwrap();
        for entry in std::fs::read_dir(path.join("log")).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(
                entry.path(),
                copy.path().join("log").join(entry.file_name()),
            )
            .unwrap();
        }
        let again = bench.try_open_at(copy.path()).unwrap();
        assert_eq!(told(&again).await, before);
    }
}

#[tokio::test]
async fn nothing_is_ended_when_the_commit_fails() {
    let bench = Bench::new();
    let store = bench.open();
    let first = hold(&bench, &store, 10, &["vms"]).await;
    bench.disk.0.lock().unwrap().sync = Some(5);
    let (_, intake) = joining(&bench, first, How::Same, &["vms"]);
    assert!(store.accept(intake).await.is_err());
    bench.disk.0.lock().unwrap().sync = None;
    bench.accept(&store, "gate", "LATER", &[]).await;
    let copy = bench.crashed(false);
    let again = bench.try_open_at(copy.path()).unwrap();
    bench.wait(10);
    for store in [store, again] {
        assert_eq!(fates(&store, first).await[0].0, Fate::Pending);
        assert!(store.joined(first).await.unwrap().is_empty());
        assert_eq!(lease(&store, "vms", Order::None).await.len(), 1);
    }
}

#[tokio::test]
async fn what_was_tried_already_is_not_ended_and_what_is_on_its_way_stays_delivered() {
    let bench = Bench::new();
    let store = bench.open();
    let tried = hold(&bench, &store, 1, &["vms"]).await;
    let leased = hold(&bench, &store, 1, &["log"]).await;
    bench.wait(1);
    let again = Settled::Again {
        due: bench.clock.now() + SignedDuration::from_secs(60),
        counts: true,
    };
    let one = lease(&store, "vms", Order::None).await.remove(0);
    settle(&store, one, again).await;
    let one = lease(&store, "log", Order::None).await.remove(0);
    for event in [tried, leased] {
        let (_, intake) = joining(&bench, event, How::Same, &[]);
        let _ = store.accept(intake).await.unwrap();
    }
    settle(&store, one, Settled::Delivered).await;
    let copy = bench.crashed(false);
    let rebuilt = bench.try_open_at(copy.path()).unwrap();
    for store in [store, rebuilt] {
        assert_eq!(fates(&store, tried).await[0].0, Fate::Pending);
        assert_eq!(fates(&store, leased).await[0].0, Fate::Delivered);
    }
}

#[tokio::test]
async fn what_a_removed_segment_told_of_parts_is_said_again_as_long_as_the_other_is_kept() {
    let bench = Bench::new();
    let store = bench.open();
    let first = hold(&bench, &store, 10, &["vms"]).await;
    let (winner, intake) = joining(&bench, first, How::Same, &[]);
    let _ = store.accept(intake).await.unwrap();
    bench.accept(&store, "gate", "KEEPS IT", &["slow"]).await;
    store.0.writer.send(Command::Roll).unwrap();
    // What came later and went into the winner lies in the next segment, which goes first.
    let (late, mut intake) = held(&bench, 0, &[]);
    let event = intake.events[0].0.clone();
    intake.events[0].1.joined = vec![joined(&event, late, winner, How::Same)];
    let _ = store.accept(intake).await.unwrap();
    store.0.writer.send(Command::Roll).unwrap();
    bench.wait(8 * 86_400);
    bench.accept(&store, "gate", "NEW", &[]).await;
    store.retain().await.unwrap();
    assert!(store.event(late).await.is_err());
    let copy = bench.crashed(false);
    let rebuilt = bench.try_open_at(copy.path()).unwrap();
    for store in [&store, &rebuilt] {
        let item = Some(Item::Plate(0));
        let parts = store.parts(winner, &name("all"), item).await.unwrap();
        let ids: Vec<EventId> = parts.iter().map(|joined| joined.part.id).collect();
        assert_eq!(ids, [first, late]);
        assert_eq!(fates(store, first).await[0].0, Fate::Filtered);
    }
    let one = lease(&store, "slow", Order::None).await.remove(0);
    settle(&store, one, Settled::Delivered).await;
    bench.wait(8 * 86_400);
    store.retain().await.unwrap();
    store.retain().await.unwrap();
    let db = schema::open_reader(&store.0.index_path).unwrap();
    let rows = db.query_row("SELECT count(*) FROM joined", [], |row| {
        row.get::<_, i64>(0)
    });
    assert_eq!(rows.unwrap(), 0);
}

#[tokio::test]
async fn a_half_is_kept_with_its_pictures_as_long_as_the_pair_waits_and_no_other_part_is() {
    let pictures = Pictures {
        keep: Duration::from_secs(60),
        max_size: 0,
    };
    let bench = Bench {
        pictures: Some(pictures),
        ..Bench::new()
    };
    let store = bench.open();
    let end_segment = || store.0.writer.send(Command::Roll).unwrap();
    let front = hold(&bench, &store, 10, &["vms"]).await;
    bench.accept(&store, "gate", "OTHER", &[]).await;
    end_segment();
    let same = hold(&bench, &store, 10, &["vms"]).await;
    end_segment();
    let (rear, mut intake) = joining(&bench, front, How::Front, &["vms"]);
    let event = intake.events[0].0.clone();
    let also = joined(&event, same, rear, How::Same);
    intake.events[0].1.joined.push(also);
    let _ = store.accept(intake).await.unwrap();
    end_segment();
    bench.accept(&store, "gate", "NEW", &[]).await;
    bench.wait(8 * 86_400);
    for id in [front, same] {
        assert_eq!(fates(&store, id).await[0].0, Fate::Filtered);
    }

    let purged = store.purge(bench.clock.now()).await.unwrap();
    assert_eq!(purged, 3, "the half has stayed");
    store.retain().await.unwrap();
    let copy = bench.crashed(false);
    let rebuilt = bench.try_open_at(copy.path()).unwrap();
    for store in [&store, &rebuilt] {
        for id in [front, rear] {
            let kept = store.event(id).await.unwrap();
            assert_eq!(kept.event.images.len(), 2);
        }
    }

    let one = lease(&store, "vms", Order::None).await.remove(0);
    settle(&store, one, Settled::Delivered).await;
    store.retain().await.unwrap();
    for id in [front, rear] {
        assert!(store.event(id).await.is_err(), "it is old");
    }
}
