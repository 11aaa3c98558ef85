//! The wall clock is set, while the store is open or was closed.

use super::*;
use crate::store::index::Index;
use crate::store::record::What;

const A_YEAR: i64 = 365 * 86_400;

async fn leased(store: &Store) -> (usize, Option<Timestamp>) {
    let leased = store.lease(&name("vms"), Order::None, 8).await.unwrap();
    (leased.leases.len(), leased.next_due)
}

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

/// One that was tried and is due in half a minute, and one that was not.
async fn two(bench: &Bench, store: &Store) {
    bench.accept(store, "gate", "ONE", &["vms"]).await;
    let mut leases = lease(store, "vms", Order::None).await;
    let due = START + seconds(30);
    let settled = Settled::Again { due, counts: true };
    settle(store, leases.remove(0), settled).await;
    bench.accept(store, "gate", "TWO", &["vms"]).await;
}

#[tokio::test]
async fn set_back_what_waits_waits_as_long_as_it_was_to() {
    let bench = Bench::new();
    let store = bench.open();
    two(&bench, &store).await;
    let now = START - seconds(A_YEAR);
    bench.clock.set(now);
    assert_eq!(leased(&store).await, (0, Some(START)));
    store.clock_was_set(seconds(-A_YEAR)).await.unwrap();
    let first = lease(&store, "vms", Order::None).await;
    assert_eq!(first.len(), 1, "the one that was not tried is due");
    assert_eq!(leased(&store).await, (0, Some(now + seconds(30))));
    bench.wait(30);
    assert_eq!(leased(&store).await.0, 1);
}

#[tokio::test]
async fn set_back_while_it_was_closed_or_its_index_lost_nothing_is_stranded() {
    for with_index in [true, false] {
        let bench = Bench::new();
        let store = bench.open();
        two(&bench, &store).await;
        store.close().await;
        let left = bench.crashed(with_index);
        bench.clock.set(START - seconds(A_YEAR));
        let store = bench.try_open_at(left.path()).unwrap();
        assert_eq!(leased(&store).await.0, 1);
        bench.wait(30);
        assert_eq!(leased(&store).await.0, 2);
    }
}

#[tokio::test]
async fn what_is_rightly_due_later_is_left_alone() {
    let bench = Bench::new();
    let store = bench.open();
    two(&bench, &store).await;
    bench.clock.set(START + seconds(10));
    store.clock_was_set(seconds(-1)).await.unwrap();
    drop(lease(&store, "vms", Order::None).await);
    store.close().await;
    let store = bench.open();
    let _two = lease(&store, "vms", Order::None).await;
    assert_eq!(leased(&store).await, (0, Some(START + seconds(30))));
}

#[tokio::test]
async fn set_forwards_the_patience_with_what_waits_is_not_spent() {
    let bench = Bench::new();
    let store = bench.open();
    two(&bench, &store).await;
    bench.clock.set(START + seconds(A_YEAR));
    store.clock_was_set(seconds(A_YEAR)).await.unwrap();
    let leases = lease(&store, "vms", Order::None).await;
    let planned: Vec<Timestamp> = leases.iter().map(|lease| lease.planned_at).collect();
    assert_eq!(planned, [START + seconds(A_YEAR); 2]);
}

#[tokio::test]
async fn what_a_removed_segment_said_does_not_undo_that_it_was_judged_anew() {
    let bench = Bench::new();
    let store = bench.open();
    bench.accept(&store, "gate", "P", &["vms"]).await;
    store.0.writer.send(Command::Roll).unwrap();
    let one = lease(&store, "vms", Order::None).await.remove(0);
    let again = Settled::Again {
        due: bench.clock.now() + SignedDuration::from_secs(60),
        counts: true,
    };
    store.settle(one, attempt(bench.clock.now()), again);
    store.caught_up().await;
    let db = schema::open_reader(&store.0.index_path).unwrap();
    let index = Index::load(db).unwrap();
    let books = index.books.segments();
    let mut said = Vec::new();
    let gather = |carry| {
        said.push(carry);
        std::ops::ControlFlow::<()>::Continue(())
    };
    assert!(
        index
            .carried_from(&books[1], START, gather)
            .unwrap()
            .is_continue()
    );
    drop(index);

    let year = SignedDuration::from_hours(366 * 24);
    bench.clock.set(bench.clock.now() - year);
    store.clock_was_set(-year).await.unwrap();
    let due = async || {
        let query = DeliveryQuery::default();
        store
            .deliveries(query)
            .await
            .unwrap()
            .remove(0)
            .due
            .unwrap()
    };
    let judged = due().await;
    assert!(judged < bench.clock.now() + SignedDuration::from_secs(70));
    assert_eq!(said.len(), 1);
    for carry in said {
        store.say(What::Carry(Box::new(carry))).await.unwrap();
    }
    store.caught_up().await;
    assert_eq!(due().await, judged);
}
