//! Searching: everything is found that fits, in pages, with a bound on what is looked at.

use std::collections::HashSet;

use super::*;
use crate::likeness::{Fold, Pattern};
use crate::store::find::{Cursor, Lead, Moment, search_within};
use crate::store::record::normal_plate;
use rusqlite::Connection;

/// Two sources, three cameras, plates of every likeness, deliveries of every fate; one event is planned anew later.
async fn filled(bench: &Bench, store: &Store) -> Vec<EventId> {
    let mut ids = Vec::new();
    for n in 0..60 {
        let plate = format!("{}B{}{:02}", ["A", "X", "AC"][n % 3], n % 7, n);
        let camera = ["gate", "yard", "door"][n % 3];
        let targets: &[&str] = [&["vms"][..], &["vms", "log"], &[]][n % 3];
        let body = Bytes::from(vec![b'x'; 200]);
        let (id, mut intake) = bench.intake(camera, &plate, body, targets);
        if n % 4 == 0 {
            let mut event = (*intake.events[0].0).clone();
            event.source = name("other");
            event.kind = Kind::Face;
            intake.events[0].0 = Arc::new(event);
        }
        let _ = store.accept(intake).await.unwrap();
        ids.push(id);
        bench.wait(60);
    }
    store.caught_up().await;
    for (n, lease) in lease(store, "vms", Order::None)
        .await
        .into_iter()
        .enumerate()
    {
        let settled = match n % 5 {
            0 => Settled::Dead,
            1 => Settled::Again {
                due: bench.clock.now() + SignedDuration::from_secs(3_600),
                counts: true,
            },
            2 => Settled::Filtered,
            _ => Settled::Delivered,
        };
        settle(store, lease, settled).await;
    }
    let plan = Plan {
        routes: vec![],
        deliveries: vec![Planned {
            route: name("later"),
            ..planned("archive")
        }],
        joined: vec![],
    };
    store.plan_again(ids[7], plan).await.unwrap();
    store.caught_up().await;
    ids
}

/// Every question there is, more or less.
fn questions() -> Vec<EventQuery> {
    let text = |text: &str| Some(text.to_owned());
    let mut questions = vec![EventQuery::default()];
    for plate in [
        "AB*", "*05", "A?1*", "*B2*", "x b 4-04", "*", "?", "ZZ*", "", "A*0*5",
    ] {
        questions.push(EventQuery {
            plate: text(plate),
            ..EventQuery::default()
        });
    }
    for fate in Fate::ALL {
        for target in [None, text("vms"), text("nobody")] {
            questions.push(EventQuery {
                fate: Some(fate),
                target,
                ..EventQuery::default()
            });
        }
    }
    let fields: [fn(&mut EventQuery); 7] = [
        |query| query.source = Some("other".to_owned()),
        |query| query.kind = Some(Kind::Face),
        |query| query.camera = Some("yard".to_owned()),
        |query| query.since = Some(START + SignedDuration::from_mins(20)),
        |query| query.until = Some(START + SignedDuration::from_mins(40)),
        |query| query.target = Some("archive".to_owned()),
        |query| query.route = Some("later".to_owned()),
    ];
    let plain = questions.clone();
    for field in fields {
        for question in &plain {
            let mut question = question.clone();
            field(&mut question);
            questions.push(question);
        }
    }
    for question in &mut questions {
        question.limit = 7;
    }
    questions
}

/// What fits, found the long way.
async fn expected(
    store: &Store,
    query: &EventQuery,
    held: &[&str],
    now: Timestamp,
) -> Vec<EventId> {
    let mut all = Vec::new();
    for id in store.events(EventQuery::default()).await.unwrap() {
        let event = store.event(id).await.unwrap().event;
        let of_event = DeliveryQuery {
            event: Some(id),
            ..DeliveryQuery::default()
        };
        let deliveries = store.deliveries(of_event).await.unwrap();
        let is_plate = |wanted: &str| {
            let text = event.plates[0].text.as_deref().unwrap();
            if !wanted.contains(['*', '?']) {
                return !wanted.is_empty() && normal_plate(wanted) == normal_plate(text);
            }
            Pattern::new(wanted, Fold::Plate).is_ok_and(|pattern| pattern.matches(text))
        };
        let asks = query.fate.is_some() || query.target.is_some() || query.route.is_some();
        let fits = query
            .source
            .as_ref()
            .is_none_or(|source| event.source.as_str() == source)
            && query.kind.is_none_or(|kind| event.kind == kind)
            && query
                .camera
                .as_ref()
                .is_none_or(|camera| event.camera.id.as_ref() == Some(camera))
            && query.since.is_none_or(|since| event.received_at >= since)
            && query.until.is_none_or(|until| event.received_at < until)
            && query.plate.as_ref().is_none_or(|plate| is_plate(plate))
            && (!asks
                || deliveries.iter().any(|delivery| {
                    let fate = match delivery.fate {
                        Fate::Pending | Fate::Held => {
                            let is_held = held.contains(&delivery.target.as_str())
                                && delivery.due.is_some_and(|due| due <= now);
                            if is_held { Fate::Held } else { Fate::Pending }
                        }
                        fate => fate,
                    };
                    query.fate.is_none_or(|wanted| wanted == fate)
                        && query
                            .target
                            .as_ref()
                            .is_none_or(|wanted| delivery.target.as_str() == wanted)
                        && query
                            .route
                            .as_ref()
                            .is_none_or(|wanted| delivery.route.as_str() == wanted)
                }));
        if fits {
            all.push(id);
        }
    }
    all
}

#[tokio::test]
async fn every_question_finds_all_that_fits_page_by_page_in_both_directions() {
    let bench = Bench::new();
    let store = bench.open();
    filled(&bench, &store).await;
    let held = TargetState::Held {
        since: START,
        reason: "401".to_owned(),
    };
    store.set_target_state(&name("log"), held).await.unwrap();
    let db = Connection::open(bench.folder.path().join("index.sqlite")).unwrap();
    let held = HashSet::from([name("log")]);
    let now = bench.clock.now();
    let moment = Moment { held: &held, now };
    let mut not_empty = 0;
    for query in questions() {
        let expected = expected(&store, &query, &["log"], now).await;
        not_empty += usize::from(!expected.is_empty());
        // Whole, and with so small a bound that a page is often cut.
        for looks_max in [100_000, 25] {
            let mut found: Vec<EventId> = Vec::new();
            let mut asked = query.clone();
            let mut pages = 0;
            loop {
                let page = search_within(&db, &asked, &moment, looks_max).unwrap();
                pages += 1;
                assert!(pages < 200, "{query:?} never ends");
                assert!(page.events.len() <= query.limit);
                assert_eq!(page.newer.is_some(), asked.before.is_some(), "{asked:?}");
                found.extend(page.events.iter().map(|event| event.id));
                match page.older {
                    Some(older) => asked.before = Some(older),
                    None => break,
                }
            }
            assert_eq!(found, expected, "{query:?} looking at {looks_max}");
            // And back from the oldest.
            let mut found: Vec<EventId> = Vec::new();
            asked.before = None;
            asked.after = Some(EventId::from_bytes([0; 16]).into());
            loop {
                let page = search_within(&db, &asked, &moment, looks_max).unwrap();
                let mut ids: Vec<EventId> = page.events.iter().map(|event| event.id).collect();
                ids.extend(std::mem::take(&mut found));
                found = ids;
                match page.newer {
                    Some(newer) => asked.after = Some(newer),
                    None => break,
                }
            }
            assert_eq!(found, expected, "{query:?} back, looking at {looks_max}");
        }
    }
    assert!(not_empty > 60, "{not_empty}");
}

#[tokio::test]
async fn deliveries_are_the_same_whether_the_newest_are_looked_through_first_or_not() {
    let bench = Bench::new();
    let store = bench.open();
    filled(&bench, &store).await;
    let db = Connection::open(bench.folder.path().join("index.sqlite")).unwrap();
    let held = HashSet::from([name("log")]);
    let now = bench.clock.now();
    let all = store.deliveries(DeliveryQuery::default()).await.unwrap();
    let ids = |deliveries: &[Delivery]| deliveries.iter().map(|one| one.id).collect::<Vec<_>>();
    let mut cut = 0;
    for fate in Fate::ALL {
        for target in [None, Some("vms".to_owned()), Some("log".to_owned())] {
            for before in [None, Some(all[9].id), Some(all[40].id)] {
                for limit in [1, 4, 0] {
                    let query = DeliveryQuery {
                        fate: Some(fate),
                        target: target.clone(),
                        before,
                        limit,
                        ..DeliveryQuery::default()
                    };
                    let ask = |newest| {
                        let found = query::deliveries_within(&db, &query, &held, now, newest);
                        ids(&found.unwrap())
                    };
                    let expected = ask(i64::MAX);
                    assert_eq!(ask(12), expected, "{query:?}");
                    assert_eq!(ask(2), expected, "{query:?}");
                    cut += usize::from(limit > 0 && expected.len() == limit);
                }
            }
        }
    }
    assert!(cut > 30, "{cut}");
}

#[tokio::test]
async fn a_question_that_nothing_leads_looks_at_so_many_and_says_so() {
    let bench = Bench::new();
    let store = bench.open();
    let ids = filled(&bench, &store).await;
    let db = Connection::open(bench.folder.path().join("index.sqlite")).unwrap();
    let held = HashSet::new();
    let moment = Moment {
        held: &held,
        now: bench.clock.now(),
    };
    let query = EventQuery {
        plate: Some("*nowhere".to_owned()),
        limit: 10,
        ..EventQuery::default()
    };
    let found = search_within(&db, &query, &moment, 20).unwrap();
    assert!(found.events.is_empty());
    assert_eq!(found.looked_at, 20);
    let last = store.event(ids[40]).await.unwrap().event;
    assert_eq!(found.looked_until, Some(last.received_at));
    assert_eq!(found.older.map(|older| older.id), Some(ids[40]));
    let whole = search_within(&db, &query, &moment, 1_000).unwrap();
    assert_eq!((whole.looked_until, whole.older), (None, None));
    // A common beginning leads no more, and is found all the same.
    let common = EventQuery {
        plate: Some("A*".to_owned()),
        ..query
    };
    let found = search_within(&db, &common, &moment, 20).unwrap();
    assert_eq!(found.events.len(), 10);
    assert!(found.looked_at <= 20, "{}", found.looked_at);
}

#[tokio::test]
async fn pages_go_on_where_they_were_though_their_event_was_removed() {
    let bench = Bench::new();
    let store = bench.open();
    let mut ids = Vec::new();
    for n in 0..30 {
        ids.push(bench.accept(&store, "gate", &format!("P{n}"), &[]).await);
        bench.wait(1);
    }
    let page = |before, after| {
        let query = EventQuery {
            before,
            after,
            limit: 5,
            ..EventQuery::default()
        };
        let store = store.clone();
        async move {
            let found = store.search(query).await.unwrap();
            found
                .events
                .iter()
                .map(|event| event.id)
                .collect::<Vec<_>>()
        }
    };
    let older: Vec<EventId> = ids[5..10].iter().rev().copied().collect();
    assert_eq!(page(Some(ids[10].into()), None).await, older);
    let newer: Vec<EventId> = ids[11..16].iter().rev().copied().collect();
    assert_eq!(page(None, Some(ids[10].into())).await, newer);
    store.forget("P10", false).await.unwrap();
    assert_eq!(page(Some(ids[10].into()), None).await, older);
    assert_eq!(page(None, Some(ids[10].into())).await, newer);
}

#[tokio::test]
async fn pages_go_on_where_they_were_though_their_event_was_removed_and_the_clock_set_back() {
    let bench = Bench::new();
    let store = bench.open();
    let mut ids = Vec::new();
    for n in 0..20 {
        let body = Bytes::from_static(b"{}");
        let (mut id, mut intake) = bench.intake("gate", &format!("P{n}X"), body, &[]);
        if n >= 10 {
            // Within one process ids go on from the last one, but it may have started anew.
            let mut bytes = *id.as_bytes();
            bytes[1] -= 1;
            id = EventId::from_bytes(bytes);
            Arc::make_mut(&mut intake.events[0].0).id = id;
        }
        let _ = store.accept(intake).await.unwrap();
        store.caught_up().await;
        ids.push(id);
    }
    let mut query = EventQuery {
        limit: 11,
        ..EventQuery::default()
    };
    let page = store.search(query.clone()).await.unwrap();
    let mut found = page.events;
    let older = page.older.unwrap();
    assert_eq!(older.to_string().parse(), Ok(older));
    assert_eq!(older.id, ids[9], "the last one before that");
    store.forget("P9X", false).await.unwrap();
    assert!(store.event(older.id).await.is_err());
    query.before = Some(older);
    found.extend(store.search(query).await.unwrap().events);
    let found: Vec<EventId> = found.iter().map(|event| event.id).collect();
    ids.reverse();
    assert_eq!(found, ids);
}

#[test]
fn a_cursor_is_an_id_and_a_number_or_an_id_alone() {
    let id = "019c13ec-9e00-70ce-ad3f-545fd589d535";
    for text in [
        id.to_owned(),
        format!("{id}.0"),
        format!("{id}.123456789012345678"),
    ] {
        let cursor: Cursor = text.parse().unwrap();
        assert_eq!(cursor.to_string(), text);
    }
    for wrong in ["", ".", "7"] {
        assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
    }
    for wrong in ["", "-1", "+1", " 1", "1.1", "1234567890123456789", "x"] {
        let wrong = format!("{id}.{wrong}");
        assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn what_leads_a_question_is_an_index() {
    let bench = Bench::new();
    let store = bench.open();
    bench.accept(&store, "gate", "AB123", &["vms"]).await;
    let db = Connection::open(bench.folder.path().join("index.sqlite")).unwrap();
    let plan = |sql: &str| {
        let sql = format!("EXPLAIN QUERY PLAN {sql}");
        let mut statement = db.prepare(&sql).unwrap();
        for n in 1..=statement.parameter_count() {
            statement.raw_bind_parameter(n, 1).unwrap();
        }
        let mut rows = statement.raw_query();
        let mut told = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            told.push(row.get::<_, String>(3).unwrap());
        }
        told.join("; ")
    };
    for (sql, expected) in [
        (
            crate::store::find::BY_PREFIX.to_owned(),
            "SEARCH plates USING PRIMARY KEY (plate>? AND plate<?)",
        ),
        (
            Lead::Plate.sql(false),
            "SEARCH p USING PRIMARY KEY (plate=? AND event>? AND event<?); SEARCH e USING INTEGER PRIMARY KEY (rowid=?)",
        ),
        (
            Lead::Camera.sql(false),
            "SEARCH e USING INDEX events_by_camera (camera=? AND rowid>? AND rowid<?)",
        ),
        (
            Lead::All.sql(true),
            "SEARCH e USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
        ),
        (
            crate::store::find::BY_DEAD.to_owned(),
            "SEARCH deliveries USING INDEX deliveries_dead (target=?)",
        ),
        (
            crate::store::find::BY_PENDING.to_owned(),
            "SEARCH deliveries USING INDEX deliveries_due (target=?)",
        ),
    ] {
        assert_eq!(plan(&sql), expected, "{sql}");
    }
}
