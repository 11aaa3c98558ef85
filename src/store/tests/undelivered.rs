//! What is not delivered, in groups and one by one.

use super::*;
use crate::store::jobs::Order as Asked;

async fn fail(store: &Store, target: &str, error: &str, status: u16, settled: Settled) {
    let mut leases = store
        .lease(&name(target), Order::None, 1)
        .await
        .unwrap()
        .leases;
    let attempt = Attempt {
        at: START,
        status: Some(status),
        ms: 12,
        error: Some(error.to_owned()),
        excerpt: None,
    };
    store.settle(leases.remove(0), Some(attempt), settled);
    store.caught_up().await;
}

fn later() -> Settled {
    Settled::Again {
        due: START + SignedDuration::from_secs(60),
        counts: true,
    }
}

/// `target fate reason count`, the largest first.
async fn groups(store: &Store) -> Vec<String> {
    let groups = store.undelivered().await.unwrap();
    groups
        .iter()
        .map(|one| {
            let fate = one.fate.as_str();
            format!("{} {fate} {} {}", one.target, one.reason, one.deliveries)
        })
        .collect()
}

#[tokio::test]
async fn is_grouped_by_target_and_reason_as_it_fails_and_gets_through() {
    let bench = Bench::new();
    let store = bench.open();
    for n in 0..6 {
        bench
            .accept(&store, "gate", &format!("P{n}"), &["vms", "log"])
            .await;
        bench.wait(1);
    }
    assert!(groups(&store).await.is_empty(), "nothing has failed yet");
    fail(
        &store,
        "vms",
        "it answered 500: event 17",
        500,
        Settled::Dead,
    )
    .await;
    fail(
        &store,
        "vms",
        "it answered 500: event 18",
        500,
        Settled::Dead,
    )
    .await;
    fail(&store, "vms", "it answered 503", 503, later()).await;
    fail(&store, "log", "the disk is full", 0, Settled::Dead).await;
    assert_eq!(
        groups(&store).await,
        [
            "vms dead it answered 500: event … 2",
            "log dead the disk is full 1",
            "vms pending it answered 503 1",
        ]
    );
    let oldest = store.undelivered().await.unwrap()[0].clone();
    assert_eq!(oldest.oldest, Some(START));
    assert_eq!(oldest.newest, Some(START + SignedDuration::from_secs(1)));

    // It gets through: its group ends. Another is refused, and its target with it.
    bench.wait(60);
    let leases = lease(&store, "vms", Order::None).await;
    for one in leases {
        store.settle(one, None, Settled::Delivered);
    }
    let state = TargetState::Held {
        since: bench.clock.now(),
        reason: "it answered 401".to_owned(),
    };
    store.set_target_state(&name("log"), state).await.unwrap();
    fail(
        &store,
        "log",
        "it answered 401",
        401,
        Settled::Again {
            due: START,
            counts: false,
        },
    )
    .await;
    assert_eq!(
        groups(&store).await,
        [
            "log held not tried yet: its target is held 4".to_owned(),
            "vms dead it answered 500: event … 2".to_owned(),
            "log held it answered 401 1".to_owned(),
            "log dead the disk is full 1".to_owned(),
        ]
    );
    let before = told(&store).await;
    let copy = bench.crashed(false);
    let again = bench.try_open_at(copy.path()).unwrap();
    assert_eq!(told(&again).await, before);
}

#[tokio::test]
async fn what_a_paused_target_or_one_that_is_gone_was_never_asked_is_told_and_can_be_given_up() {
    let bench = Bench::new();
    let store = bench.open();
    for n in 0..3 {
        let targets = &["vms", "log", "web"];
        bench
            .accept(&store, "gate", &format!("P{n}"), targets)
            .await;
    }
    store.serve([name("log"), name("web")]);
    let since = bench.clock.now();
    let paused = TargetState::Paused { since };
    store.set_target_state(&name("log"), paused).await.unwrap();
    let both = [
        "log pending not tried yet: its target is paused 3",
        "vms pending not tried: its target is no longer in routes.yaml 3",
    ];
    assert_eq!(groups(&store).await, both);
    assert_eq!(
        store.undelivered_count().await.unwrap(),
        3,
        "a pause is meant"
    );

    // Whoever gives up what waits for one of them gives up nothing else, and nothing of a target that is asked.
    for (target, fates, given_up) in [
        ("vms", vec![Fate::Dead, Fate::Held], 0),
        ("web", vec![Fate::Pending], 0),
        ("vms", vec![Fate::Pending], 3),
        ("log", vec![Fate::Pending], 3),
    ] {
        let which = Selection {
            target: Some(target.to_owned()),
            fates,
            ..Selection::default()
        };
        let (rows, _) = store.undelivered_of(which.clone(), None, 10).await.unwrap();
        let of_it = both
            .iter()
            .filter(|told| rows.iter().any(|row| told.contains(&row.reason)));
        assert_eq!((rows.len(), of_it.count()), (given_up, given_up.min(1)));
        let asked = Asked {
            action: Action::Discard,
            which,
            to: None,
            rate: None,
            by: None,
        };
        let job = store.begin_job(asked).await.unwrap();
        assert_eq!(job.total, Some(given_up as u64), "{target}");
        while let Some(part) = store.next_part(job.id, 2).await.unwrap() {
            store.work(part, Step::default()).await.unwrap();
        }
        assert_eq!(store.job(job.id).await.unwrap().done, given_up as u64);
    }
    assert!(groups(&store).await.is_empty());
    assert_eq!(lease(&store, "web", Order::None).await.len(), 3);
}

#[tokio::test]
async fn one_target_has_so_many_reasons_and_the_rest_together() {
    let bench = Bench::new();
    let store = bench.open();
    for n in 0_u8..80 {
        bench
            .accept(&store, "gate", &format!("P{n}"), &["vms"])
            .await;
        let word: String = [b'a' + n / 26, b'a' + n % 26]
            .map(char::from)
            .iter()
            .collect();
        fail(&store, "vms", &format!("reason {word}"), 500, Settled::Dead).await;
    }
    let groups = groups(&store).await;
    assert_eq!(groups[0], "vms dead other reasons 16");
    assert_eq!(groups.len(), 65);
}

/// Twelve dead deliveries of three cameras, two of them replanned, and something else of each.
async fn dead_ones(bench: &Bench) -> Store {
    let store = bench.open();
    for n in 0..12 {
        let camera = ["gate", "yard", "dock"][n % 3];
        bench
            .accept(&store, camera, &format!("AB{n}"), &["vms", "fine"])
            .await;
        bench.wait(10);
    }
    for leased in lease(&store, "fine", Order::None).await {
        store.settle(leased, None, Settled::Delivered);
    }
    for _ in 0..12 {
        fail(&store, "vms", "it answered 500", 500, Settled::Dead).await;
    }
    store
}

/// The plates of what was chosen, page by page.
async fn plates(store: &Store, which: &Selection, page: usize) -> Vec<String> {
    let (mut from, mut plates) = (None, Vec::new());
    loop {
        let (rows, next) = store
            .undelivered_of(which.clone(), from, page)
            .await
            .unwrap();
        assert!(rows.len() <= page);
        plates.extend(rows.iter().flat_map(|row| row.plates.clone()));
        match next {
            None => return plates,
            // As it comes back in an address.
            next => from = next.and_then(|place| Place::from_text(&place.to_text())),
        }
    }
}

#[tokio::test]
async fn is_found_by_everything_that_is_known_of_it_page_by_page() {
    let bench = Bench::new();
    let store = dead_ones(&bench).await;
    let at = |second: i64| Some(START + SignedDuration::from_secs(second));
    let all = Selection::default();
    let named = |numbers: &[usize]| -> Vec<String> {
        numbers.iter().rev().map(|n| format!("AB{n}")).collect()
    };
    let everything: Vec<usize> = (0..12).collect();
    let text = |text: &str| Some(text.to_owned());
    for page in [1, 5, 50] {
        for (which, expected) in [
            (all.clone(), &everything[..]),
            (
                Selection {
                    target: text("vms"),
                    ..all.clone()
                },
                &everything,
            ),
            (
                Selection {
                    target: text("fine"),
                    ..all.clone()
                },
                &[],
            ),
            (
                Selection {
                    reason: text("it answered 500"),
                    ..all.clone()
                },
                &everything,
            ),
            (
                Selection {
                    reason: text("it answered 404"),
                    ..all.clone()
                },
                &[],
            ),
            (
                Selection {
                    fates: vec![Fate::Dead],
                    ..all.clone()
                },
                &everything,
            ),
            (
                Selection {
                    fates: vec![Fate::Held],
                    ..all.clone()
                },
                &[],
            ),
            (
                Selection {
                    camera: text("yard"),
                    ..all.clone()
                },
                &[1, 4, 7, 10],
            ),
            (
                Selection {
                    source: text("stream"),
                    ..all.clone()
                },
                &everything,
            ),
            (
                Selection {
                    source: text("other"),
                    ..all.clone()
                },
                &[],
            ),
            (
                Selection {
                    route: text("all"),
                    ..all.clone()
                },
                &everything,
            ),
            (
                Selection {
                    route: text("none"),
                    ..all.clone()
                },
                &[],
            ),
            (
                Selection {
                    plate: text("ab 1"),
                    ..all.clone()
                },
                &[1, 10, 11],
            ),
            (
                Selection {
                    plate: text("AB7"),
                    ..all.clone()
                },
                &[7],
            ),
            (
                Selection {
                    plate: text("-"),
                    ..all.clone()
                },
                &[],
            ),
            (
                Selection {
                    plate: text("AB1"),
                    camera: text("yard"),
                    ..all.clone()
                },
                &[1, 10],
            ),
            (
                Selection {
                    since: at(30),
                    until: at(60),
                    ..all.clone()
                },
                &[3, 4, 5],
            ),
            (
                Selection {
                    camera: text("dock"),
                    since: at(30),
                    ..all.clone()
                },
                &[5, 8, 11],
            ),
        ] {
            assert_eq!(
                plates(&store, &which, page).await,
                named(expected),
                "{which:?}"
            );
            let preview = store.preview(which.clone(), 3).await.unwrap();
            assert_eq!(preview.count, expected.len() as u64, "{which:?}");
            assert_eq!(preview.samples.len(), expected.len().min(3));
        }
    }
}

#[tokio::test]
async fn what_a_held_target_was_never_asked_is_found_as_well() {
    let bench = Bench::new();
    let store = dead_ones(&bench).await;
    let state = TargetState::Held {
        since: bench.clock.now(),
        reason: "it answered 401".to_owned(),
    };
    store.set_target_state(&name("cold"), state).await.unwrap();
    for n in 0..5 {
        bench
            .accept(&store, "gate", &format!("C{n}"), &["cold"])
            .await;
        bench.wait(1);
    }
    let held = Selection {
        fates: vec![Fate::Held],
        ..Selection::default()
    };
    for page in [1, 2, 50] {
        assert_eq!(
            plates(&store, &held, page).await,
            ["C4", "C3", "C2", "C1", "C0"]
        );
        assert_eq!(plates(&store, &Selection::default(), page).await.len(), 17);
    }
    let one = Selection {
        plate: Some("C3".to_owned()),
        ..held
    };
    assert_eq!(plates(&store, &one, 50).await, ["C3"]);
}

/// However many rows there are: no question that pages or jobs ask sorts, or goes through a whole table.
#[tokio::test]
async fn is_asked_for_by_indexes_alone() {
    let bench = Bench::new();
    let store = dead_ones(&bench).await;
    let db = schema::open_reader(&store.0.index_path).unwrap();
    let rows = "FROM deliveries d INDEXED BY";
    let join = "CROSS JOIN events e ON e.number = d.event";
    for sql in [
        format!(
            "SELECT e.received_at {rows} deliveries_by_reason {join} WHERE d.reason = 1 ORDER BY d.event DESC LIMIT 1"
        ),
        format!(
            "SELECT e.plates {rows} deliveries_by_reason {join} WHERE d.reason = 1 AND d.reason IS NOT NULL
             AND d.event >= 0 AND d.event < 9 AND d.event >= 5 AND (d.event <> 5 OR d.number > 6) ORDER BY d.event, d.number"
        ),
        format!(
            "SELECT e.plates {rows} deliveries_undelivered {join} WHERE d.reason IN (1, 2) AND d.reason IS NOT NULL
             AND d.event >= 0 AND d.event < 9 ORDER BY d.event DESC, d.number DESC"
        ),
        format!(
            "SELECT e.plates {rows} deliveries_due {join} WHERE d.target = 'x' AND d.fate = 'pending' AND d.due <= 9
             AND d.due >= 3 AND (d.due <> 3 OR d.number > 4) ORDER BY d.due, d.number"
        ),
    ] {
        let plan: Vec<String> = db
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap()
            .query_map([], |row| row.get(3))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let plan = plan.join("; ");
        assert!(!plan.contains("SCAN"), "{sql}: {plan}");
        let sorted_by_number = plan.contains("TEMP B-TREE FOR LAST");
        assert!(sorted_by_number || !plan.contains("B-TREE"), "{sql}: {plan}");
    }
}

#[tokio::test]
async fn a_reason_does_not_tell_of_a_plate_that_is_forgotten() {
    let bench = Bench::new();
    let store = bench.open();
    for plate in ["HELLO", "OTHER"] {
        bench.accept(&store, "gate", plate, &["vms"]).await;
        fail(&store, "vms", "no permit for HELLO", 400, Settled::Dead).await;
    }
    assert_eq!(groups(&store).await, ["vms dead no permit for HELLO 2"]);
    store.forget("HELLO", false).await.unwrap();
    let told = groups(&store).await;
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with("vms dead (removed)") && told[0].ends_with(" 1"),
        "{told:?}"
    );
}
