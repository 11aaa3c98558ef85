//! What goes when it is old or too much.

use std::ops::ControlFlow;

use super::*;
use crate::store::index::Index;

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
        joined: vec![],
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

#[tokio::test]
async fn beyond_its_size_there_is_room_for_outcomes_alone() {
    let bench = Bench::sized(4 << 20);
    let store = bench.open();
    let accept = async |bytes| {
        let body = Bytes::from(vec![1; bytes]);
        let accepted = store
            .accept(bench.intake("gate", "P", body, &["vms"]).1)
            .await;
        store.caught_up().await;
        match accepted {
            Ok(_) => true,
            Err(StoreError::Full(_)) => false,
            Err(error) => panic!("{error}"),
        }
    };
    while accept(100_000).await {}
    while accept(1_000).await {}
    let before = store.0.catalog.bytes();
    for n in 0..200 {
        let one = lease(&store, "vms", Order::None).await.remove(0);
        let attempt = Attempt {
            at: bench.clock.now(),
            status: None,
            ms: 0,
            error: Some("busy ".repeat(200)),
            excerpt: None,
        };
        let due = bench.clock.now();
        let again = Settled::Again { due, counts: false };
        store.settle(one, Some(attempt), again);
        store.caught_up().await;
        if n % 10 == 0 {
            assert!(!accept(100).await, "after {n} outcomes");
        }
    }
    store.0.writer.send(Command::Roll).unwrap();
    assert!(!accept(100).await, "in a segment that somebody asked for");
    let grown = store.0.catalog.bytes() - before;
    assert!(grown < 2 << 20, "{grown}: outcomes alone");
    loop {
        let leases = lease(&store, "vms", Order::None).await;
        if leases.is_empty() {
            break;
        }
        for one in leases {
            store.settle(one, None, Settled::Delivered);
        }
        store.caught_up().await;
    }
    store.retain().await.unwrap();
    store.caught_up().await;
    assert!(accept(100_000).await, "there is room again");
}

#[tokio::test]
async fn what_is_old_goes_also_while_no_segment_can_be_begun() {
    let bench = Bench::new();
    let store = bench.open();
    bench.accept(&store, "gate", "OLD", &[]).await;
    bench.disk.0.lock().unwrap().sync = Some(5);
    let (_, intake) = bench.intake("gate", "REFUSED", Bytes::new(), &[]);
    assert!(store.accept(intake).await.is_err());
    bench.wait(8 * 86_400);
    store.retain().await.unwrap();
    let left = store.events(EventQuery::default()).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_segment_whose_events_were_purged_goes_whatever_its_age() {
    let bench = Bench::new();
    let store = bench.open();
    bench.accept(&store, "gate", "PURGED", &[]).await;
    store.0.writer.send(Command::Roll).unwrap();
    let kept = bench.accept(&store, "gate", "KEPT", &["vms"]).await;
    let until = bench.clock.now() + SignedDuration::from_secs(1);
    assert_eq!(store.purge(until).await.unwrap(), 1);
    store.retain().await.unwrap();
    let segments = store.0.catalog.segments();
    assert_eq!(segments.len(), 1);
    assert_eq!(segments[0].header.number, 2);
    assert_eq!(store.events(EventQuery::default()).await.unwrap(), [kept]);
    let before = told(&store).await;
    let copy = bench.crashed(false);
    assert_eq!(told(&bench.try_open_at(copy.path()).unwrap()).await, before);
}

#[tokio::test]
async fn on_a_full_disk_the_oldest_settled_events_make_room() {
    let bench = Bench::sized(4 << 20);
    let store = bench.open();
    let mut accepted = Vec::new();
    let mut refused = 0;
    for n in 0..40 {
        if n == 10 {
            bench.disk.0.lock().unwrap().allocate = Some(28);
        }
        let (id, intake) = bench.intake("gate", "P", Bytes::from(vec![n; 100_000]), &[]);
        match store.accept(intake).await {
            Ok(_) => accepted.push(id),
            Err(error) => {
                assert!(matches!(error, StoreError::Full(_)), "{error}");
                refused += 1;
            }
        }
        store.caught_up().await;
    }
    assert!(refused > 0 && accepted.len() > 25, "{refused} refused");
    let kept = store.events(EventQuery::default()).await.unwrap();
    assert!(kept.len() < accepted.len() && kept.len() > 5);
    assert_eq!(kept.first(), accepted.last());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn segments_that_are_only_written_do_not_stay_open() {
    let bench = Bench::new();
    let store = bench.open();
    for _ in 0..100 {
        bench.accept(&store, "gate", "P", &[]).await;
        store.0.writer.send(Command::Roll).unwrap();
    }
    bench.accept(&store, "gate", "P", &[]).await;
    assert!(store.0.catalog.segments().len() > 100);
    let log = bench.folder.path().join("log");
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    let open = open.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    let open = open.filter(|file| file.starts_with(&log)).count();
    assert!(open <= 66, "{open}");
}

#[tokio::test]
async fn a_segment_of_nothing_but_outcomes_tells_them_a_part_at_a_time() {
    let bench = Bench::new();
    let store = bench.open();
    let targets: Vec<String> = (0..60).map(|n| format!("t{n}")).collect();
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    for n in 0..70 {
        bench
            .accept(&store, "gate", &format!("P{n}"), &targets)
            .await;
    }
    store.0.writer.send(Command::Roll).unwrap();
    for target in &targets {
        let leases = store.lease(&name(target), Order::None, 100).await.unwrap();
        for leased in leases.leases {
            store.settle(leased, attempt(START), Settled::Delivered);
        }
    }
    store.caught_up().await;
    let db = schema::open_reader(&store.0.index_path).unwrap();
    let index = Index::load(db).unwrap();
    let outcomes = &index.books.segments()[1];
    let parts = |most: usize| {
        let mut parts = Vec::new();
        let told = index.carried_from(outcomes, START, |carry| {
            parts.push((carry.deliveries.len(), carry.deliveries.capacity()));
            match parts.len() < most {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        });
        assert_eq!(told.unwrap().is_break(), parts.len() == most);
        parts
    };
    let all = parts(usize::MAX);
    assert_eq!(all.iter().map(|(count, _)| count).sum::<usize>(), 70 * 60);
    // However many there are, no part takes room for all of them.
    let is_small = |(count, room): &(usize, usize)| *count <= 2_000 && *room <= 4_096;
    assert!(all.iter().all(is_small), "{all:?}");
    assert_eq!(parts(1).len(), 1, "who has heard enough hears no more");
}
