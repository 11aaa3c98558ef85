//! Who gets which delivery when.

use super::*;

#[tokio::test]
async fn a_leased_delivery_is_given_to_nobody_else_until_it_is_let_go() {
    let bench = Bench::new();
    let store = bench.open();
    bench.accept(&store, "gate", "ONE", &["vms"]).await;
    let mut leases = lease(&store, "vms", Order::None).await;
    assert_eq!(leases.len(), 1);
    assert!(lease(&store, "vms", Order::None).await.is_empty());
    leases.clear();
    let mut leases = lease(&store, "vms", Order::None).await;
    let due = START + SignedDuration::from_secs(30);
    settle(
        &store,
        leases.remove(0),
        Settled::Again { due, counts: true },
    )
    .await;
    let leased = store.lease(&name("vms"), Order::None, 8).await.unwrap();
    assert!(leased.leases.is_empty());
    assert_eq!(leased.next_due, Some(due));
    bench.wait(30);
    let mut leases = lease(&store, "vms", Order::None).await;
    assert_eq!((leases[0].attempts, leases[0].planned_at), (1, START));

    bench.wait(86_400); // however slow its target is
    assert!(lease(&store, "vms", Order::None).await.is_empty());
    settle(&store, leases.remove(0), Settled::Delivered).await;
    assert!(lease(&store, "vms", Order::None).await.is_empty());
    assert_eq!(store.0.desks.of(&name("vms")).leased(), 0);
}

#[tokio::test]
async fn in_order_only_a_cameras_oldest_delivery_is_given_and_only_when_due() {
    let bench = Bench::new();
    let store = bench.open();
    for (camera, plate) in [
        ("a", "A1"),
        ("a", "A2"),
        ("b", "B1"),
        ("a", "A3"),
        ("b", "B2"),
    ] {
        bench.accept(&store, camera, plate, &["vms"]).await;
    }
    let cameras = |leases: &[Lease]| {
        let mut cameras: Vec<_> = leases
            .iter()
            .map(|lease| lease.camera.clone().unwrap())
            .collect();
        cameras.sort();
        cameras
    };
    let mut leases = lease(&store, "vms", Order::Camera).await;
    assert_eq!(cameras(&leases), ["a", "b"]);
    assert!(lease(&store, "vms", Order::Camera).await.is_empty());
    let b = leases.pop().unwrap();
    let due = START + SignedDuration::from_secs(10);
    settle(&store, b, Settled::Again { due, counts: true }).await;
    settle(&store, leases.pop().unwrap(), Settled::Dead).await;
    let next = lease(&store, "vms", Order::Camera).await;
    assert_eq!(cameras(&next), ["a"]);
    let plates = store.event(next[0].event).await.unwrap().event.plates[0]
        .text
        .clone();
    assert_eq!(plates.as_deref(), Some("A2"));
    drop(next);
    bench.accept(&store, "c", "C1", &["vms"]).await;
    bench.wait(10);
    assert_eq!(
        cameras(&lease(&store, "vms", Order::Camera).await),
        ["a", "b", "c"]
    );
}

#[tokio::test]
async fn whoever_waits_for_a_target_is_told_of_new_work_even_if_it_came_first() {
    let bench = Bench::new();
    let store = bench.open();
    bench.accept(&store, "gate", "ONE", &["vms"]).await;
    drop(store.changed(&name("vms")).await);
    let vms = name("vms");
    let (waiting, working) = (store.changed(&vms), async {
        bench.accept(&store, "gate", "TWO", &["vms"]).await
    });
    let (busy, _) = tokio::join!(waiting, working);
    drop(busy);
    assert_eq!(bench.clock.at_work(), 0);
}

#[tokio::test]
async fn a_pause_stands_above_what_is_found_by_sending() {
    let bench = Bench::new();
    let store = bench.open();
    let vms = name("vms");
    let held = TargetState::Held {
        since: START,
        reason: "403".to_owned(),
    };
    let paused = TargetState::Paused { since: START };
    store.found_target_state(&vms, held.clone()).await.unwrap();
    store.caught_up().await;
    assert_eq!(store.target_state(&vms), held);
    store.set_target_state(&vms, paused.clone()).await.unwrap();
    for found in [held, TargetState::Running] {
        store.found_target_state(&vms, found).await.unwrap();
        store.caught_up().await;
        assert_eq!(store.target_state(&vms), paused);
    }
    drop(store);
    assert_eq!(bench.open().target_state(&vms), paused);
}

#[tokio::test]
async fn dead_and_held_deliveries_can_be_made_due_again() {
    let bench = Bench::new();
    let store = bench.open();
    for n in 0..2 {
        bench
            .accept(&store, "gate", &format!("P{n}"), &["vms"])
            .await;
    }
    let mut leases = lease(&store, "vms", Order::None).await;
    let dead = leases[0].id;
    settle(&store, leases.remove(0), Settled::Dead).await;
    drop(leases);
    let held = TargetState::Held {
        since: START,
        reason: "403".to_owned(),
    };
    store.set_target_state(&name("vms"), held).await.unwrap();
    bench.wait(5);

    let with = |fate| DeliveryQuery {
        fate: Some(fate),
        ..DeliveryQuery::default()
    };
    assert_eq!(store.deliveries(with(Fate::Held)).await.unwrap().len(), 1);
    assert!(
        store
            .deliveries(with(Fate::Pending))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        store.deliveries(with(Fate::Dead)).await.unwrap()[0]
            .attempts
            .len(),
        1
    );
    let fates = store.targets().await.unwrap().remove(0).fates;
    assert_eq!(fates, [(Fate::Held, 1), (Fate::Dead, 1)]);

    assert_eq!(store.retry(RetryQuery::Ids(vec![dead])).await.unwrap(), 1);
    assert_eq!(store.target_state(&name("vms")), TargetState::Running);
    assert_eq!(
        store.deliveries(with(Fate::Pending)).await.unwrap().len(),
        2
    );
    let leases = lease(&store, "vms", Order::None).await;
    let again = leases.iter().find(|lease| lease.id == dead).unwrap();
    assert_eq!((again.attempts, again.planned_at), (0, bench.clock.now()));
    let unknown = store
        .retry(RetryQuery::Ids(vec![DeliveryId::at(START)]))
        .await;
    assert!(matches!(unknown, Err(StoreError::Unknown { .. })));
}

#[tokio::test]
async fn many_deliveries_are_retried_ordered_and_purged_in_several_transactions() {
    let bench = Bench::new();
    let store = bench.open();
    let targets = ["vms"; 25];
    for n in 0..100 {
        let (_, intake) = bench.intake("gate", &format!("P{n}"), Bytes::new(), &targets);
        let _ = store.accept(intake).await.unwrap();
    }
    store.caught_up().await;
    let all = store
        .lease(&name("vms"), Order::None, 10_000)
        .await
        .unwrap();
    assert_eq!(all.leases.len(), 2_500);
    for one in all.leases {
        store.settle(one, None, Settled::Dead);
    }
    store.caught_up().await;
    let copy = bench.crashed(false);
    assert_eq!(store.retry(RetryQuery::All).await.unwrap(), 2_500);
    assert_eq!(store.retry(RetryQuery::All).await.unwrap(), 0);
    assert_eq!(lease(&store, "vms", Order::Camera).await.len(), 1);
    let all = store
        .lease(&name("vms"), Order::None, 10_000)
        .await
        .unwrap();
    assert_eq!(all.leases.len(), 2_500);
    for one in all.leases {
        store.settle(one, None, Settled::Delivered);
    }
    store.caught_up().await;

    // A held target's deliveries, which stay pending all the while.
    let again = bench.try_open_at(copy.path()).unwrap();
    assert_eq!(
        again.retry(RetryQuery::Target(name("vms"))).await.unwrap(),
        2_500
    );
    let held = TargetState::Held {
        since: START,
        reason: "401".to_owned(),
    };
    again.set_target_state(&name("vms"), held).await.unwrap();
    assert_eq!(again.retry(RetryQuery::All).await.unwrap(), 2_500);
    assert_eq!(again.target_state(&name("vms")), TargetState::Running);

    bench.wait(60);
    assert_eq!(store.purge(bench.clock.now()).await.unwrap(), 100);
    assert_eq!(store.purge(bench.clock.now()).await.unwrap(), 0);
    let before = told(&store).await;
    assert_eq!(
        told(&bench.try_open_at(bench.crashed(false).path()).unwrap()).await,
        before
    );
}
