//! What is forgotten on request is nowhere any more, and nothing else is.

use super::*;
use crate::decide::Book;
use crate::store::check::IndexState;
use crate::store::{backup, check};

const SECRET: &str = "SECRET7";
/// Stands for the bytes of a picture.
const SEEN: &[u8] = b"\xff\xd8\xff\xe0 pixels of the secret car";

/// Every file below a folder that has these bytes.
fn holding(folder: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, bytes));
        } else if memchr::memmem::find(&std::fs::read(&path).unwrap(), bytes).is_some() {
            found.push(path);
        }
    }
    found
}

fn traces(folder: &Path) -> Vec<PathBuf> {
    let texts = [SECRET.as_bytes(), b"secret7", b"SEC-RET 7", SEEN];
    texts
        .iter()
        .flat_map(|text| holding(folder, text))
        .collect()
}

fn body_of(plate: &str, picture: &[u8]) -> Bytes {
    [
        b"body",
        &picture[..6],
        plate.as_bytes(),
        &picture[6..],
        &[b'.'; 30_000],
    ]
    .concat()
    .into()
}

impl Bench {
    async fn sees(&self, store: &Store, plate: &str, picture: &[u8], targets: &[&str]) -> EventId {
        let (id, mut intake) = self.intake("gate", plate, body_of(plate, picture), targets);
        let now = self.clock.now();
        let written = &mut intake.written;
        let open = |book: &mut Book| {
            let until = now + SignedDuration::from_hours(1);
            book.write(&format!("gate/{plate}"), format!("saw {plate}"), until, now);
        };
        store
            .memory()
            .open(&name("all"), "dedupe", now, written, open);
        let _ = store.accept(intake).await.unwrap();
        store.caught_up().await;
        id
    }

    async fn does_not_understand(&self, store: &Store, body: &'static [u8]) {
        let original = Arc::new(Original {
            received_at: self.clock.now(),
            body: Bytes::from_static(body),
            ..Original::default()
        });
        let unread = Unread {
            source: name("stream"),
            original,
            reason: "no JSON".to_owned(),
        };
        let _ = store.quarantine(unread).await.unwrap();
        store.caught_up().await;
    }
}

/// A store with the secret in all places there are, and another plate beside it.
async fn filled(bench: &Bench, store: &Store) -> [EventId; 2] {
    let first = bench.sees(store, "SEC-RET 7", SEEN, &["vms", "slow"]).await;
    let other = bench
        .sees(store, "OTHER42", b"other picture", &["vms", "slow"])
        .await;
    bench
        .does_not_understand(store, b"<plate>secret7</plate>")
        .await;
    bench
        .does_not_understand(store, b"<plate>OTHER42</plate>")
        .await;
    for held in lease(store, "vms", Order::None).await {
        let mut told = attempt(START).unwrap();
        told.excerpt = Some(format!("saw {SECRET}"));
        let told = Some(told).filter(|_| held.event == first);
        store.settle(held, told, Settled::Delivered);
    }
    store.caught_up().await;
    let plan = Plan {
        deliveries: vec![planned("late")],
        ..Plan::default()
    };
    store.plan_again(first, plan).await.unwrap();
    [first, other]
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_it_is_in_any_file_and_all_else_is() {
    let bench = Bench::sized(16 << 20);
    let store = bench.open();
    let [first, other] = filled(&bench, &store).await;
    assert!(traces(bench.folder.path()).len() > 3);
    let expected = told(&store).await;
    let expected: Vec<&str> = expected
        .lines()
        .filter(|line| line.contains(&other.to_string()) || line.contains("stream"))
        .collect();

    let listed = store.sightings("sec ret7", false).await.unwrap();
    assert_eq!(listed.len(), 2);
    let (forgotten, found) = store.forget("sec ret7", false).await.unwrap();
    assert_eq!(found.len(), listed.len());
    assert_eq!(
        (forgotten.events, forgotten.requests, forgotten.ended),
        (1, 1, 2)
    );
    assert_eq!(forgotten.delivered, [(name("vms"), 1)]);
    assert_eq!(traces(bench.folder.path()), Vec::<PathBuf>::new());
    assert!(store.sightings(SECRET, true).await.unwrap().is_empty());
    let gone = store.event(first).await;
    assert!(matches!(gone, Err(StoreError::Unknown { .. })));

    let after = told(&store).await;
    for line in expected {
        let same = line.contains("stream 2 2") || after.contains(line);
        assert!(same || !line.contains("OTHER42"), "{line}\n\n{after}");
    }
    assert!(!holding(bench.folder.path(), b"OTHER42").is_empty());
    assert_eq!(
        store.event(other).await.unwrap().event.original.body.len(),
        30_024
    );
    assert_eq!(
        store.forgotten(PageQuery::default()).await.unwrap(),
        std::slice::from_ref(&forgotten)
    );

    // An index made anew from the segments tells the same, and what comes next has numbers of its own.
    let again = bench.sees(&store, SECRET, b"seen again", &["vms"]).await;
    let (copy, before) = (bench.crashed(false), told(&store).await);
    let rebuilt = bench.try_open_at(copy.path()).unwrap();
    assert_eq!(told(&rebuilt).await, before);
    assert_eq!(
        rebuilt.forgotten(PageQuery::default()).await.unwrap(),
        [forgotten]
    );
    assert!(rebuilt.event(again).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_of_it_while_it_is_under_way_is_not_written_down() {
    let bench = Bench::sized(16 << 20);
    let store = bench.open();
    bench.sees(&store, SECRET, SEEN, &["vms"]).await;
    let held = lease(&store, "vms", Order::None).await.remove(0);
    let (forgotten, _) = store.forget(SECRET, false).await.unwrap();
    assert_eq!(forgotten.ended, 1);
    let mut told = attempt(START).unwrap();
    told.excerpt = Some(format!("thanks for {SECRET}"));
    store.settle(held, Some(told), Settled::Delivered);
    store.caught_up().await;
    assert_eq!(traces(bench.folder.path()), Vec::<PathBuf>::new());
    assert!(lease(&store, "vms", Order::None).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_cut_short_is_done_after_the_next_start() {
    for with_index in [true, false] {
        let bench = Bench::sized(16 << 20);
        let store = bench.open();
        filled(&bench, &store).await;
        // The disk is full, so the current segment cannot be ended.
        bench.disk.0.lock().unwrap().allocate = Some(28);
        let refused = store.forget(SECRET, false).await;
        assert!(
            refused
                .err()
                .unwrap()
                .to_string()
                .contains("goes on by itself")
        );
        bench.disk.0.lock().unwrap().allocate = None;
        let copy = bench.crashed(with_index);
        let job = "forgetting.json";
        std::fs::copy(bench.folder.path().join(job), copy.path().join(job)).unwrap();
        assert!(!traces(copy.path()).is_empty());

        let next = bench.try_open_at(copy.path()).unwrap();
        assert!(
            next.sightings(SECRET, true).await.unwrap().is_empty(),
            "at once"
        );
        while next
            .forgotten(PageQuery::default())
            .await
            .unwrap()
            .is_empty()
        {
            next.retain().await.unwrap();
        }
        next.close().await;
        assert_eq!(traces(copy.path()), Vec::<PathBuf>::new());

        // And where it did not crash, it goes on by itself.
        while store
            .forgotten(PageQuery::default())
            .await
            .unwrap()
            .is_empty()
        {
            store.retain().await.unwrap();
        }
        store.close().await;
        assert_eq!(traces(bench.folder.path()), Vec::<PathBuf>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_events_of_the_same_request_stay_without_its_bytes() {
    let bench = Bench::sized(16 << 20);
    let store = bench.open();
    let (_, mut one) = bench.intake("gate", SECRET, body_of(SECRET, SEEN), &["vms", "slow"]);
    let (other, two) = bench.intake("gate", "OTHER42", Bytes::new(), &["vms"]);
    one.events.extend(two.events);
    let _ = store.accept(one).await.unwrap();
    store.caught_up().await;
    store.forget(SECRET, false).await.unwrap();
    assert_eq!(traces(bench.folder.path()), Vec::<PathBuf>::new());
    let kept = store.event(other).await.unwrap();
    assert_eq!(kept.event.plates[0].text.as_deref(), Some("OTHER42"));
    assert!(
        kept.event.repaired[0].contains("was forgotten"),
        "{:?}",
        kept.event.repaired
    );
    let due = lease(&store, "vms", Order::None).await;
    assert_eq!(due.iter().map(|one| one.event).collect::<Vec<_>>(), [other]);
    drop(due);
    let (copy, before) = (bench.crashed(false), told(&store).await);
    let rebuilt = bench.try_open_at(copy.path()).unwrap();
    assert_eq!(told(&rebuilt).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn like_finds_confused_letters_and_other_readings() {
    let bench = Bench::sized(16 << 20);
    let store = bench.open();
    bench.sees(&store, "AB0123", SEEN, &[]).await;
    bench.sees(&store, "ABO1Z3", b"confused", &[]).await;
    let (_, mut intake) = bench.intake("gate", "XY9999", Bytes::new(), &[]);
    let event = Arc::make_mut(&mut intake.events[0].0);
    event.plates[0].candidates = vec![crate::event::Candidate {
        text: "ab0123".to_owned(),
        score: None,
    }];
    let _ = store.accept(intake).await.unwrap();
    bench.sees(&store, "XY0000", b"another car", &[]).await;
    let words = async |like| {
        let found = store.sightings("AB 0123", like).await.unwrap();
        found.iter().map(|one| one.why.word()).collect::<Vec<_>>()
    };
    assert_eq!(words(false).await, ["plate"]);
    assert_eq!(words(true).await, ["candidate", "like", "plate"]);
    let (forgotten, _) = store.forget("AB0123", true).await.unwrap();
    assert_eq!(forgotten.events, 3);
    assert_eq!(store.events(EventQuery::default()).await.unwrap().len(), 1);
    assert!(holding(bench.folder.path(), b"ab0123").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn that_something_was_forgotten_outlives_the_segment_that_tells_it() {
    let bench = Bench::sized(16 << 20);
    let store = bench.open();
    bench.sees(&store, SECRET, SEEN, &[]).await;
    let (forgotten, _) = store.forget(SECRET, false).await.unwrap();
    for _ in 0..3 {
        bench.wait(8 * 86_400);
        bench.accept(&store, "gate", "NEW", &[]).await;
        store.retain().await.unwrap();
    }
    let copy = bench.crashed(false);
    let rebuilt = bench.try_open_at(copy.path()).unwrap();
    assert_eq!(
        rebuilt.forgotten(PageQuery::default()).await.unwrap(),
        [forgotten]
    );
}

/// Sound, with an index that tells what the log tells.
fn assert_sound(folder: &Path) {
    let checked = check(folder, false).unwrap();
    assert!(checked.is_well(), "{checked:?}");
    let is_index = matches!(checked.index, IndexState::Same | IndexState::Absent);
    assert!(is_index, "{checked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_is_sound_and_no_copy_of_it_brings_it_back() {
    let bench = Bench::sized(16 << 20);
    let store = bench.open();
    let [_, other] = filled(&bench, &store).await;
    store.forget(SECRET, false).await.unwrap();
    store.caught_up().await;
    assert_sound(bench.folder.path());
    let copy = tempfile::tempdir().unwrap();
    backup(bench.folder.path(), copy.path()).unwrap();
    let before = told(&store).await;
    store.close().await;
    assert_sound(bench.folder.path());
    assert_sound(copy.path());
    assert_eq!(traces(copy.path()), Vec::<PathBuf>::new());
    let restored = bench.try_open_at(copy.path()).unwrap();
    assert_eq!(told(&restored).await, before);
    assert!(restored.event(other).await.is_ok());
    assert_eq!(
        restored
            .forgotten(PageQuery::default())
            .await
            .unwrap()
            .len(),
        1
    );
    restored.close().await;
    assert_sound(copy.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_made_while_it_is_being_forgotten_goes_on_with_that() {
    let bench = Bench::sized(16 << 20);
    let store = bench.open();
    let [_, other] = filled(&bench, &store).await;
    bench.disk.0.lock().unwrap().allocate = Some(28);
    store.forget(SECRET, false).await.unwrap_err();
    bench.disk.0.lock().unwrap().allocate = None;
    store.caught_up().await;
    assert_sound(bench.folder.path());
    let copy = tempfile::tempdir().unwrap();
    backup(bench.folder.path(), copy.path()).unwrap();
    assert!(!traces(copy.path()).is_empty());
    let restored = bench.try_open_at(copy.path()).unwrap();
    assert!(restored.sightings(SECRET, true).await.unwrap().is_empty());
    let next = bench
        .sees(&restored, "NEXT1", b"next picture", &["vms"])
        .await;
    while restored
        .forgotten(PageQuery::default())
        .await
        .unwrap()
        .is_empty()
    {
        restored.retain().await.unwrap();
    }
    assert!(restored.event(other).await.is_ok());
    assert!(restored.event(next).await.is_ok());
    restored.close().await;
    assert_eq!(traces(copy.path()), Vec::<PathBuf>::new());
    assert_sound(copy.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_file_was_wiped_and_not_removed_is_done() {
    let bench = Bench::sized(16 << 20);
    let store = bench.open();
    let [_, other] = filled(&bench, &store).await;
    store.close().await;
    let job = bench.folder.path().join("forgetting.json");
    for left in [&[0; 300][..], b"{\"told\":\0\0\0\0"] {
        std::fs::write(&job, left).unwrap();
        assert_sound(bench.folder.path());
        let store = bench.open();
        assert!(store.event(other).await.is_ok());
        store.close().await;
        assert!(!job.exists());
    }
}

/// Flips a bit of each place in the log that has these bytes.
fn damage(folder: &Path, bytes: &[u8]) {
    for path in holding(&folder.join("log"), bytes) {
        let mut content = std::fs::read(&path).unwrap();
        let places: Vec<usize> = memchr::memmem::find_iter(&content, bytes).collect();
        places.iter().for_each(|at| content[*at] ^= 1);
        std::fs::write(path, content).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_is_passed_over_and_none_of_it_stays_there() {
    let rest = &SEEN[1..];
    let broken: [(&str, &[u8]); 4] = [
        ("its own picture", SEEN),
        ("another's picture", b"other picture"),
        ("a request that nobody understood", b"<plate>OTHER42"),
        ("its own such request", b"<plate>secret7"),
    ];
    for (what, bytes) in broken {
        for with_index in [true, false] {
            let bench = Bench::sized(16 << 20);
            let store = bench.open();
            let [first, other] = filled(&bench, &store).await;
            let last = bench.sees(&store, "LAST1", b"last picture", &["vms"]).await;
            store.close().await;
            damage(bench.folder.path(), bytes);
            if !with_index {
                matrix::forget_index(bench.folder.path());
            }
            let store = bench.open();
            let (forgotten, _) = store.forget(SECRET, false).await.unwrap();
            let case = format!("{what}, with index: {with_index}");
            assert!(forgotten.events + forgotten.requests > 0, "{case}");
            assert_eq!(traces(bench.folder.path()), Vec::<PathBuf>::new(), "{case}");
            assert_eq!(
                holding(bench.folder.path(), rest),
                Vec::<PathBuf>::new(),
                "{case}"
            );
            assert!(store.event(first).await.is_err(), "{case}");
            assert!(store.event(last).await.is_ok(), "{case}");
            if what != "another's picture" {
                assert!(store.event(other).await.is_ok(), "{case}");
            }
            // A second time finds the same places, and nothing to do.
            let next = bench.sees(&store, SECRET, SEEN, &["vms"]).await;
            store.forget(SECRET, false).await.unwrap();
            assert!(store.event(next).await.is_err(), "{case}");
            store.close().await;
            let store = bench.open();
            assert!(store.event(last).await.is_ok(), "{case}");
            assert_eq!(traces(bench.folder.path()), Vec::<PathBuf>::new(), "{case}");
            store.close().await;
        }
    }
}
