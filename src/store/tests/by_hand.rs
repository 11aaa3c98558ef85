//! What users did by hand, and attempts, after segments that told of it are gone and the index was built anew.

use super::matrix::{Rig, verify};
use super::model::ModelDisk;
use super::*;
use crate::store::catalog::Position;
use crate::store::index::{Index, NUMBERS_PER_RECORD};
use crate::store::record::{Carried, Carry, EventRow, Outcome, PlanAgain};
use crate::store::writer::Change;

async fn roll(store: &Store) {
    store.caught_up().await;
    store.0.writer.send(Command::Roll).unwrap();
    store.caught_up().await;
}

fn numbers(store: &Store) -> Vec<u64> {
    let segments = store.0.catalog.segments();
    segments.iter().map(|one| one.header.number).collect()
}

async fn rebuilt_tells_the_same(bench: &Bench, store: &Store) -> Store {
    let before = told(store).await;
    let copy = bench.crashed(false);
    let again = bench.try_open_at(copy.path()).unwrap();
    assert_eq!(told(&again).await, before);
    again
}

#[tokio::test]
async fn a_purged_event_stays_away_when_what_settled_it_is_gone_from_the_log() {
    let bench = Bench::new();
    let store = bench.open();
    let purged = bench.accept(&store, "gate", "PURGED", &["vms"]).await;
    bench.accept(&store, "gate", "WAITS", &["slow"]).await;
    roll(&store).await;
    let mut leases = lease(&store, "vms", Order::None).await;
    settle(&store, leases.remove(0), Settled::Delivered).await;
    roll(&store).await;
    bench.accept(&store, "gate", "WAITS TOO", &["slow"]).await;
    let until = bench.clock.now() + SignedDuration::from_secs(1);
    assert_eq!(store.purge(until).await.unwrap(), 1);
    bench.wait(8 * 86_400);
    store.retain().await.unwrap();
    assert_eq!(
        numbers(&store)[..2],
        [1, 3],
        "what tells of the delivery is gone"
    );

    let again = rebuilt_tells_the_same(&bench, &store).await;
    assert!(again.event(purged).await.is_err());
    assert!(lease(&again, "vms", Order::None).await.is_empty());
}

#[tokio::test]
async fn an_event_that_a_purge_spared_stays_when_what_made_it_wait_is_gone_from_the_log() {
    let bench = Bench::new();
    let store = bench.open();
    let spared = bench.accept(&store, "gate", "SPARED", &["vms"]).await;
    bench.accept(&store, "gate", "WAITS", &["slow"]).await;
    let mut leases = lease(&store, "vms", Order::None).await;
    settle(&store, leases.remove(0), Settled::Dead).await;
    roll(&store).await;
    assert_eq!(store.retry(RetryQuery::All).await.unwrap(), 1);
    roll(&store).await;
    bench.accept(&store, "gate", "WAITS TOO", &["slow"]).await;
    let until = bench.clock.now() + SignedDuration::from_secs(1);
    assert_eq!(store.purge(until).await.unwrap(), 0);
    bench.wait(8 * 86_400);
    store.retain().await.unwrap();
    assert_eq!(numbers(&store)[..2], [1, 3]);

    let again = rebuilt_tells_the_same(&bench, &store).await;
    assert!(again.event(spared).await.is_ok());
    let waiting = lease(&again, "vms", Order::None).await;
    assert_eq!(waiting.len(), 1);
}

#[tokio::test]
async fn what_came_of_a_delivery_made_due_again_counts_when_the_record_of_that_is_gone() {
    let bench = Bench::new();
    let store = bench.open();
    bench.accept(&store, "gate", "DEAD ONCE", &["vms"]).await;
    let mut leases = lease(&store, "vms", Order::None).await;
    settle(&store, leases.remove(0), Settled::Dead).await;
    roll(&store).await;
    store.retry(RetryQuery::All).await.unwrap();
    roll(&store).await;
    bench.wait(8 * 86_400);
    let mut leases = lease(&store, "vms", Order::None).await;
    let due = bench.clock.now();
    let again = Settled::Again { due, counts: true };
    settle(&store, leases.remove(0), again).await;
    store.retain().await.unwrap();
    assert_eq!(numbers(&store)[..2], [1, 3]);
    let copy = bench.crashed(false);
    let again = bench.try_open_at(copy.path()).unwrap();
    let deliveries = again.deliveries(DeliveryQuery::default()).await.unwrap();
    assert_eq!(deliveries[0].fate, Fate::Pending);
    assert_eq!(lease(&again, "vms", Order::None).await.len(), 1);
}

/// Attempts at a delivery of the event and at one that was planned later, told in segments of which some are removed.
#[tokio::test]
async fn attempts_that_were_told_in_removed_segments_are_kept() {
    let bench = Bench::new();
    let store = bench.open();
    let event = bench.accept(&store, "gate", "LONG", &["vms"]).await;
    roll(&store).await;
    let plan = Plan {
        routes: vec![],
        deliveries: vec![planned("late")],
        joined: vec![],
    };
    store.plan_again(event, plan).await.unwrap();
    for round in 0..4 {
        for target in ["vms", "late"] {
            let mut leases = lease(&store, target, Order::None).await;
            let due = bench.clock.now();
            let counts = round != 1;
            settle(&store, leases.remove(0), Settled::Again { due, counts }).await;
        }
        roll(&store).await;
        if round == 2 {
            bench.wait(8 * 86_400);
        }
    }
    store.retain().await.unwrap();
    let left = numbers(&store);
    assert!(
        left[0] == 1 && !left.contains(&2) && !left.contains(&4),
        "{left:?}"
    );
    let counted = lease(&store, "late", Order::None).await[0].attempts;
    let again = rebuilt_tells_the_same(&bench, &store).await;
    for delivery in again.deliveries(DeliveryQuery::default()).await.unwrap() {
        assert_eq!(delivery.attempts.len(), 4);
    }
    for target in ["vms", "late"] {
        assert_eq!(
            lease(&again, target, Order::None).await[0].attempts,
            counted
        );
    }
    assert_eq!(counted, 3);
}

fn change(lsn: u64, what: What) -> Change {
    Change {
        lsn,
        position: Position {
            segment: 1 + lsn / 3,
            offset: lsn,
        },
        bytes: 8,
        synced: true,
        what,
        applied: None,
        _guard: None,
    }
}

/// A record that carries a delivery comes a little after the moment it tells of; outcomes may lie in between.
#[test]
fn outcomes_between_a_carried_moment_and_its_record_are_told_behind_what_was_carried() {
    let bench = Bench::new();
    let (id, intake) = bench.intake("gate", "P", Bytes::from_static(b"a body of it"), &["vms"]);
    let (event, plan) = intake.events.into_iter().next().unwrap();
    let late = PlanAgain {
        at: START,
        event: id,
        plan: Plan {
            routes: vec![],
            deliveries: vec![planned("late")],
            joined: vec![],
        },
    };
    let own = NUMBERS_PER_RECORD;
    for delivery in [own, 2 * own] {
        let outcome = |n: i64| Outcome {
            at: START,
            delivery,
            attempt: attempt(START + SignedDuration::from_secs(n)),
            settled: Settled::Again {
                due: START + SignedDuration::from_secs(n),
                counts: n != 4,
            },
        };
        let told = |which: &dyn Fn(u64) -> bool, carried: Option<Carried>| {
            let mut index = Index::load(schema::open_scratch().unwrap()).unwrap();
            let request = || What::Request {
                at: START,
                events: vec![EventRow::of(&event, Arc::new(plan.clone()))],
                gaps: vec![],
                remembered: vec![],
                releases: None,
            };
            index.begin().unwrap();
            let mut records = vec![change(1, request())];
            let again = PlanAgain {
                plan: late.plan.clone(),
                ..late
            };
            records.push(change(2, What::PlanAgain(Box::new(again))));
            records.extend((3..7).map(|n| change(n, What::Outcome(Box::new(outcome(n as i64))))));
            for record in records.iter().filter(|record| which(record.lsn)) {
                index.apply(record).unwrap();
            }
            if let Some(carried) = carried {
                let carry = Carry {
                    at: START,
                    as_of: 5,
                    deliveries: vec![carried],
                    ..Carry::default()
                };
                index
                    .apply(&change(7, What::Carry(Box::new(carry))))
                    .unwrap();
            }
            index.commit().unwrap();
            let rows = "SELECT group_concat(attempt || ':' || at, ' ' ORDER BY attempt) FROM attempts WHERE delivery = ?1";
            let attempts: String = index
                .db
                .query_row(rows, [delivery], |row| row.get(0))
                .unwrap();
            let row = "SELECT fate || ' ' || due || ' ' || counted || ' ' || tried FROM deliveries WHERE number = ?1";
            let fate: String = index
                .db
                .query_row(row, [delivery], |row| row.get(0))
                .unwrap();
            (attempts, fate)
        };
        let carried = || Carried {
            number: delivery,
            id: if delivery == own {
                plan.deliveries[0].id
            } else {
                late.plan.deliveries[0].id
            },
            event: own,
            route: name("all"),
            target: name(if delivery == own { "vms" } else { "late" }),
            item: Some(Item::Plate(0)),
            fate: Fate::Pending,
            due: Some((START + SignedDuration::from_secs(5)).as_microsecond()),
            planned_at: START.as_microsecond(),
            counted: 2,
            replanned: delivery != own,
            tried: 3,
            attempts: (3..6)
                .map(|n| attempt(START + SignedDuration::from_secs(n)).unwrap())
                .collect(),
            not_before: None,
        };
        let whole = told(&|_| true, None);
        assert!(whole.1.ends_with(" 3 4"), "{whole:?}");
        assert_eq!(told(&|_| true, Some(carried())), whole, "while it runs");
        // The segments with 2 to 5 are gone.
        assert_eq!(
            told(&|lsn| lsn == 1 || lsn == 6, Some(carried())),
            whole,
            "rebuilt"
        );
    }
}

#[tokio::test]
async fn on_a_full_disk_smaller_segments_use_what_is_left() {
    let mut rig = Rig::new(ModelDisk::default());
    rig.bench.max_size = 64 << 20;
    rig.disk.limit(21 << 20);
    let store = rig.open();
    assert_eq!(store.0.catalog.segment_bytes, 8 << 20);
    let full = loop {
        if let Err(error) = rig.send(&store, &["vms"]).await {
            break error;
        }
        store.caught_up().await;
    };
    assert!(matches!(full, StoreError::Full(_)), "{full}");
    let used = store.0.catalog.bytes();
    assert!(used > 19 << 20, "{used} bytes are used");
    let lengths: Vec<u64> = store
        .0
        .catalog
        .segments()
        .iter()
        .map(|one| one.bytes)
        .collect();
    assert!(lengths.len() > 3 && lengths[2] < 8 << 20, "{lengths:?}");

    // A little room is enough to go on.
    rig.disk.limit(22 << 20);
    for _ in 0..2 {
        let _ = store.accepting();
        store.caught_up().await;
    }
    rig.send(&store, &["vms"]).await.unwrap();
    let before = rig.acknowledged.clone();
    store.close().await;
    rig.forget_index();
    verify(&rig.open(), &before, "rebuilt").await;
}
