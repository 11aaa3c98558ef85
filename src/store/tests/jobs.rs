//! Work on many deliveries, in parts: what is done once, and stays done whatever happens in between.

use std::collections::BTreeMap;

use super::*;
use crate::event::JobId;
use crate::store::jobs::Order as Asked;

fn asked(action: Action, which: Selection) -> Asked {
    Asked {
        action,
        which,
        to: None,
        rate: Some("10/s".to_owned()),
        by: Some("ann".to_owned()),
    }
}

fn dead() -> Selection {
    Selection {
        fates: vec![Fate::Dead, Fate::Held],
        ..Selection::default()
    }
}

/// So many dead deliveries, each of an event of its own.
async fn dead_ones(bench: &Bench, store: &Store, count: usize) {
    for n in 0..count {
        bench
            .accept(store, "gate", &format!("P{n}"), &["vms"])
            .await;
    }
    let mut settled = 0;
    while settled < count {
        for leased in lease(store, "vms", Order::None).await {
            store.settle(leased, attempt(START), Settled::Dead);
            settled += 1;
        }
        store.caught_up().await;
    }
}

/// One part; false when there was none.
async fn part(store: &Store, job: JobId, most: usize) -> bool {
    match store.next_part(job, most).await.unwrap() {
        None => false,
        Some(part) => store.work(part, Step::default()).await.is_ok(),
    }
}

/// Sends what is due, which fails for good; counts how often each delivery was sent.
async fn send_all(store: &Store, sent: &mut BTreeMap<String, usize>) {
    loop {
        let leases = lease(store, "vms", Order::None).await;
        if leases.is_empty() {
            return;
        }
        for leased in leases {
            *sent.entry(leased.id.to_string()).or_default() += 1;
            store.settle(leased, attempt(START), Settled::Dead);
        }
        store.caught_up().await;
    }
}

#[tokio::test]
async fn each_delivery_is_made_due_once_however_often_it_is_killed() {
    for with_index in [true, false] {
        let bench = Bench::new();
        let store = bench.open();
        dead_ones(&bench, &store, 25).await;
        let job = store.begin_job(asked(Action::Retry, dead())).await.unwrap();
        assert_eq!((job.total, job.left()), (Some(25), Some(25)));
        let (mut sent, mut folders, mut now) = (BTreeMap::new(), Vec::new(), store);
        let mut parts = 0;
        while part(&now, job.id, 4).await {
            parts += 1;
            // What fails again is not begun anew by the same job.
            send_all(&now, &mut sent).await;
            let half = now.job(job.id).await.unwrap();
            assert_eq!(half.done, sent.len() as u64);
            // A look at what is next, and then the power goes.
            drop(now.next_part(job.id, 4).await.unwrap());
            let folder = folders.last().map_or(bench.folder.path(), TempDir::path);
            let copy = crashed(folder, with_index);
            now = bench.try_open_at(copy.path()).unwrap();
            folders.push(copy);
        }
        assert_eq!(parts, 7);
        let job = now.job(job.id).await.unwrap();
        assert_eq!((job.state, job.done, job.skipped), (JobState::Done, 25, 0));
        assert!(sent.len() == 25 && sent.values().all(|times| *times == 1));
    }
}

fn crashed(folder: &Path, with_index: bool) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("log")).unwrap();
    for entry in std::fs::read_dir(folder.join("log")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(
            entry.path(),
            copy.path().join("log").join(entry.file_name()),
        )
        .unwrap();
    }
    for name in ["index.sqlite", "index.sqlite-wal"] {
        if with_index && folder.join(name).exists() {
            std::fs::copy(folder.join(name), copy.path().join(name)).unwrap();
        }
    }
    copy
}

#[tokio::test]
async fn what_comes_after_the_asking_is_not_part_of_it() {
    let bench = Bench::new();
    let store = bench.open();
    dead_ones(&bench, &store, 3).await;
    let job = store.begin_job(asked(Action::Retry, dead())).await.unwrap();
    dead_ones(&bench, &store, 2).await;
    while part(&store, job.id, 1).await {}
    let job = store.job(job.id).await.unwrap();
    assert_eq!((job.done, job.state), (3, JobState::Done));
    let pending = store.targets().await.unwrap()[0].count(Fate::Pending);
    assert_eq!(pending, 3);
}

#[tokio::test]
async fn given_up_by_hand_is_told_as_that_counted_and_never_sent() {
    let bench = Bench::new();
    let store = bench.open();
    dead_ones(&bench, &store, 5).await;
    bench.accept(&store, "gate", "WAITS", &["vms"]).await;
    let job = store
        .begin_job(asked(Action::Discard, dead()))
        .await
        .unwrap();
    while part(&store, job.id, 2).await {}
    let counts = store.targets().await.unwrap().remove(0);
    assert_eq!(
        [Fate::Dead, Fate::Expired, Fate::Pending].map(|fate| counts.count(fate)),
        [0, 5, 1]
    );
    assert!(store.undelivered().await.unwrap().is_empty());
    let query = DeliveryQuery {
        fate: Some(Fate::Expired),
        ..DeliveryQuery::default()
    };
    for delivery in store.deliveries(query).await.unwrap() {
        let last = delivery.attempts.last().unwrap();
        assert_eq!(
            last.error.as_deref(),
            Some("discarded: given up by hand by ann")
        );
        assert_eq!(delivery.attempts.len(), 2);
    }
    let page = store.0.metrics.page();
    assert!(
        page.contains("camhook_discarded_total{target=\"vms\"} 5"),
        "{page}"
    );
    assert_eq!(store.retry(RetryQuery::All).await.unwrap(), 0);
    assert_eq!(lease(&store, "vms", Order::None).await.len(), 1);
    let before = told(&store).await;
    let copy = bench.crashed(false);
    assert_eq!(told(&bench.try_open_at(copy.path()).unwrap()).await, before);
}

#[tokio::test]
async fn what_arrives_while_it_is_given_up_is_told_as_delivered() {
    let bench = Bench::new();
    let store = bench.open();
    bench.accept(&store, "gate", "AB1", &["vms"]).await;
    let mut under_way = lease(&store, "vms", Order::None).await;
    let which = Selection {
        deliveries: vec![under_way[0].id],
        fates: vec![Fate::Dead, Fate::Pending],
        ..Selection::default()
    };
    // It has not failed yet: there is nothing to give up.
    let job = store
        .begin_job(asked(Action::Discard, which.clone()))
        .await
        .unwrap();
    while part(&store, job.id, 5).await {}
    assert_eq!(store.job(job.id).await.unwrap().done, 0);
    let due = Settled::Again {
        due: START,
        counts: true,
    };
    settle(&store, under_way.remove(0), due).await;
    let mut under_way = lease(&store, "vms", Order::None).await;
    let job = store
        .begin_job(asked(Action::Discard, which))
        .await
        .unwrap();
    while part(&store, job.id, 5).await {}
    assert_eq!(store.job(job.id).await.unwrap().done, 1);
    settle(&store, under_way.remove(0), Settled::Delivered).await;
    let told = store.deliveries(DeliveryQuery::default()).await.unwrap();
    assert_eq!(told[0].fate, Fate::Delivered);
}

#[tokio::test]
async fn a_cancelled_job_stays_where_it_is() {
    let bench = Bench::new();
    let store = bench.open();
    dead_ones(&bench, &store, 5).await;
    let job = store.begin_job(asked(Action::Retry, dead())).await.unwrap();
    assert!(part(&store, job.id, 2).await);
    let cancelled = store.cancel_job(job.id).await.unwrap();
    assert_eq!((cancelled.state, cancelled.done), (JobState::Cancelled, 2));
    assert!(!part(&store, job.id, 2).await);
    store.close().await;
    let store = bench.open();
    assert!(!part(&store, job.id, 2).await);
    assert_eq!(store.job(job.id).await.unwrap(), cancelled);
}

#[tokio::test]
async fn a_held_target_is_let_go_once() {
    let bench = Bench::new();
    let store = bench.open();
    for n in 0..4 {
        bench
            .accept(&store, "gate", &format!("P{n}"), &["vms"])
            .await;
    }
    for leased in lease(&store, "vms", Order::None).await {
        let due = Settled::Again {
            due: START,
            counts: false,
        };
        store.settle(leased, attempt(START), due);
    }
    let held = |since| TargetState::Held {
        since,
        reason: "it answered 401".to_owned(),
    };
    store
        .set_target_state(&name("vms"), held(START))
        .await
        .unwrap();
    bench.wait(1);
    let job = store.begin_job(asked(Action::Retry, dead())).await.unwrap();
    assert_eq!(job.total, Some(4));
    assert!(part(&store, job.id, 2).await);
    assert_eq!(store.target_state(&name("vms")), TargetState::Running);
    bench.wait(1);
    let again = held(bench.clock.now());
    store
        .set_target_state(&name("vms"), again.clone())
        .await
        .unwrap();
    while part(&store, job.id, 2).await {}
    assert_eq!(store.target_state(&name("vms")), again, "it refuses still");
    assert_eq!(store.job(job.id).await.unwrap().done, 4);
}

#[tokio::test]
async fn what_a_held_target_was_never_asked_can_be_given_up() {
    let bench = Bench::new();
    let store = bench.open();
    let state = TargetState::Held {
        since: START,
        reason: "it answered 401".to_owned(),
    };
    store.set_target_state(&name("vms"), state).await.unwrap();
    for n in 0..7 {
        bench
            .accept(&store, "gate", &format!("P{n}"), &["vms", "other"])
            .await;
    }
    let job = store
        .begin_job(asked(Action::Discard, dead()))
        .await
        .unwrap();
    assert_eq!(job.total, Some(7));
    while part(&store, job.id, 3).await {}
    assert_eq!(store.job(job.id).await.unwrap().done, 7);
    assert!(store.undelivered().await.unwrap().is_empty());
    assert_eq!(lease(&store, "other", Order::None).await.len(), 7);
}

#[tokio::test]
async fn a_job_goes_on_when_the_segments_that_told_of_it_are_gone() {
    let bench = Bench::new();
    let store = bench.open();
    dead_ones(&bench, &store, 6).await;
    // Keeps the first segment: it waits.
    bench.accept(&store, "gate", "WAITS", &["slow"]).await;
    let roll = async |store: &Store| {
        store.caught_up().await;
        store.0.writer.send(Command::Roll).unwrap();
        store.caught_up().await;
    };
    roll(&store).await;
    let job = store.begin_job(asked(Action::Retry, dead())).await.unwrap();
    assert!(part(&store, job.id, 2).await);
    let mut sent = BTreeMap::new();
    send_all(&store, &mut sent).await;
    roll(&store).await;
    bench.wait(8 * 86_400);
    bench.accept(&store, "gate", "NEW", &[]).await;
    store.retain().await.unwrap();
    let numbers: Vec<u64> = store
        .0
        .catalog
        .segments()
        .iter()
        .map(|one| one.header.number)
        .collect();
    assert!(!numbers.contains(&2), "{numbers:?}");

    let before = told(&store).await;
    let copy = bench.crashed(false);
    let again = bench.try_open_at(copy.path()).unwrap();
    assert_eq!(told(&again).await, before);
    while part(&again, job.id, 2).await {
        send_all(&again, &mut sent).await;
    }
    assert_eq!(again.job(job.id).await.unwrap().done, 6);
    assert!(
        sent.len() == 6 && sent.values().all(|times| *times == 1),
        "{sent:?}"
    );
}

#[tokio::test]
async fn events_are_planned_anew_once_and_what_is_there_is_known() {
    let bench = Bench::new();
    let store = bench.open();
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(
            bench
                .accept(&store, "gate", &format!("P{n}"), &["vms"])
                .await,
        );
        bench.wait(10);
    }
    let which = Selection {
        since: Some(START + SignedDuration::from_secs(10)),
        route: Some("all".to_owned()),
        ..Selection::default()
    };
    let job = store.begin_job(asked(Action::Replay, which)).await.unwrap();
    assert_eq!(job.total, Some(4));
    let mut seen = Vec::new();
    while let Some(part) = store.next_part(job.id, 3).await.unwrap() {
        let mut step = Step::default();
        for (event, there) in &part.events {
            let item = Item::Plate(0).to_string();
            assert!(there.contains(&(name("all"), name("vms"), item)));
            seen.push(*event);
            let plan = Plan {
                deliveries: vec![planned("late"), planned("later")],
                ..Plan::default()
            };
            step.plans.push(Again::new(*event, plan));
        }
        store.work(part, step).await.unwrap();
    }
    assert_eq!(seen, ids[1..]);
    let job = store.job(job.id).await.unwrap();
    assert_eq!((job.done, job.planned), (4, 8));
    assert_eq!(lease(&store, "later", Order::None).await.len(), 4);
    assert_eq!(store.event(ids[4]).await.unwrap().plan.deliveries.len(), 3);
    let before = told(&store).await;
    let copy = bench.crashed(false);
    assert_eq!(told(&bench.try_open_at(copy.path()).unwrap()).await, before);

    // One of them is forgotten: the others keep their numbers.
    store.forget("P2", false).await.unwrap();
    let before = told(&store).await;
    assert!(!before.contains("P2\""));
    let copy = bench.crashed(false);
    assert_eq!(told(&bench.try_open_at(copy.path()).unwrap()).await, before);
}

#[tokio::test]
async fn jobs_that_have_ended_are_told_of_so_many_of_the_last() {
    let bench = Bench::new();
    let store = bench.open();
    let running = store.begin_job(asked(Action::Retry, dead())).await.unwrap();
    for _ in 0..203 {
        let job = store.begin_job(asked(Action::Retry, dead())).await.unwrap();
        store.cancel_job(job.id).await.unwrap();
    }
    let jobs = store.jobs().await.unwrap();
    assert_eq!(jobs.len(), 201);
    assert_eq!(jobs.last().map(|job| job.id), Some(running.id));
}
