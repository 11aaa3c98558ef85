//! Pictures go before their events.

use super::*;
use crate::store::check::IndexState;
use crate::store::{backup, check};

const PICTURES: Pictures = Pictures {
    keep: Duration::from_secs(86_400),
    max_size: u64::MAX,
};

fn bench(max_size: u64, pictures: Pictures) -> Bench {
    Bench {
        pictures: Some(pictures),
        ..Bench::sized(max_size)
    }
}

/// A request of that many bytes, which cannot be told from a picture's.
async fn large(
    bench: &Bench,
    store: &Store,
    plate: &str,
    bytes: usize,
    targets: &[&str],
) -> EventId {
    let mut body: Vec<u8> = (0..bytes).map(|n| (n * n % 251) as u8 | 1).collect();
    let document = br#"{"told":"by the vendor"}"#;
    body[bytes - 30..][..document.len()].copy_from_slice(document);
    let body = Bytes::from(body);
    let (id, mut intake) = bench.intake("gate", plate, body.clone(), targets);
    let event = Arc::make_mut(&mut intake.events[0].0);
    event.images = vec![picture(Role::FRAME, body.slice(100..bytes - 1_000))];
    event.raw = Raw::from_text(body.slice(bytes - 30..bytes - 30 + document.len()));
    let _ = store.accept(intake).await.unwrap();
    store.caught_up().await;
    id
}

/// Lets time pass until the segment is old enough to be ended, and its pictures are not old enough to go.
async fn end_segment(bench: &Bench, store: &Store) {
    bench.wait(23 * 3_600);
    store.retain().await.unwrap();
    store.caught_up().await;
}

#[tokio::test]
async fn old_pictures_go_and_the_event_stays_and_says_so() {
    let bench = bench(64 << 20, PICTURES);
    let store = bench.open();
    let old = large(&bench, &store, "OLD", 5_000_000, &["vms"]).await;
    let waiting = large(&bench, &store, "WAITS", 1_000_000, &["slow"]).await;
    let held = lease(&store, "vms", Order::None).await.remove(0);
    settle(&store, held, Settled::Delivered).await;
    end_segment(&bench, &store).await;
    let before = store.size();
    bench.wait(86_400);
    store.retain().await.unwrap();

    let kept = store.event(old).await.unwrap();
    assert!(kept.event.images.is_empty() && kept.event.original.body.is_empty());
    let note = &kept.event.repaired[0];
    assert!(
        note.contains("store.pictures.keep") && note.contains("2027-01-1"),
        "{note}"
    );
    assert_eq!(kept.event.raw.to_json()["told"], "by the vendor");
    assert_eq!(kept.event.plates[0].text.as_deref(), Some("OLD"));
    assert_eq!(kept.event.withheld_by(), Some("store.pictures.keep"));
    assert!(
        store.size() + 4_000_000 < before,
        "{before} {}",
        store.size()
    );

    // What is still to be delivered is whole, and goes once it was delivered.
    let whole = store.event(waiting).await.unwrap();
    assert_eq!(whole.event.original.body.len(), 1_000_000);
    let (copy, before) = (bench.crashed(false), told(&store).await);
    let rebuilt = bench.try_open_at(copy.path()).unwrap();
    assert_eq!(told(&rebuilt).await, before);
    let held = lease(&store, "slow", Order::None).await.remove(0);
    settle(&store, held, Settled::Delivered).await;
    store.retain().await.unwrap();
    assert!(store.event(waiting).await.unwrap().event.images.is_empty());
}

#[tokio::test]
async fn what_is_too_much_loses_its_pictures_first_the_oldest_first() {
    let bench = bench(
        16 << 20,
        Pictures {
            keep: Duration::MAX,
            ..PICTURES
        },
    );
    let store = bench.open();
    let mut ids = Vec::new();
    for n in 0..60 {
        ids.push(large(&bench, &store, &format!("P{n}"), 500_000, &[]).await);
    }
    store.retain().await.unwrap();
    let kept = store.events(EventQuery::default()).await.unwrap();
    assert_eq!(kept.len(), ids.len(), "no event went");
    let first = store.event(ids[0]).await.unwrap();
    assert!(
        first.event.repaired[0].contains("max_size"),
        "{:?}",
        first.event.repaired
    );
    let last = store.event(ids[59]).await.unwrap();
    assert_eq!(last.event.images.len(), 1);
    assert!(store.size() <= 16 << 20);
}

#[tokio::test]
async fn beyond_their_own_size_the_oldest_pictures_go() {
    let pictures = Pictures {
        keep: Duration::MAX,
        max_size: 3 << 20,
    };
    let bench = bench(64 << 20, pictures);
    let store = bench.open();
    let mut ids = Vec::new();
    for n in 0..40 {
        ids.push(large(&bench, &store, &format!("P{n}"), 500_000, &[]).await);
    }
    store.retain().await.unwrap();
    let has = async |n: usize| !store.event(ids[n]).await.unwrap().event.images.is_empty();
    assert!(!has(0).await && has(39).await);
}

#[tokio::test]
async fn a_rewrite_that_fails_leaves_the_segment_as_it_was() {
    let bench = bench(64 << 20, PICTURES);
    let store = bench.open();
    let old = large(&bench, &store, "OLD", 1_000_000, &[]).await;
    end_segment(&bench, &store).await;
    bench.wait(86_400);
    bench.disk.0.lock().unwrap().sync = Some(5);
    store.retain().await.unwrap();
    bench.disk.0.lock().unwrap().sync = None;
    assert_eq!(store.event(old).await.unwrap().event.images.len(), 1);
    store.retain().await.unwrap();
    assert!(store.event(old).await.unwrap().event.images.is_empty());
}

#[tokio::test]
async fn a_store_without_its_old_pictures_is_sound_and_copied_without_them() {
    let bench = bench(64 << 20, PICTURES);
    let store = bench.open();
    let old = large(&bench, &store, "OLD", 5_000_000, &[]).await;
    end_segment(&bench, &store).await;
    let new = large(&bench, &store, "NEW", 100_000, &["vms"]).await;
    bench.wait(86_400);
    store.retain().await.unwrap();
    assert!(store.event(old).await.unwrap().event.images.is_empty());
    store.caught_up().await;
    let sound = |folder: &Path| {
        let checked = check(folder, false).unwrap();
        assert!(checked.is_well(), "{checked:?}");
        assert!(
            !matches!(checked.index, IndexState::NotCompared(_)),
            "{checked:?}"
        );
    };
    sound(bench.folder.path());
    let before = told(&store).await;
    store.close().await;
    sound(bench.folder.path());
    let copy = tempfile::tempdir().unwrap();
    backup(bench.folder.path(), copy.path()).unwrap();
    sound(copy.path());
    let held: u64 = std::fs::read_dir(copy.path().join("log"))
        .unwrap()
        .map(|file| {
            std::os::unix::fs::MetadataExt::blocks(&file.unwrap().metadata().unwrap()) * 512
        })
        .sum();
    assert!(held < 1_000_000, "{held}");
    let restored = bench.try_open_at(copy.path()).unwrap();
    assert_eq!(told(&restored).await, before);
    assert_eq!(
        restored.event(new).await.unwrap().event.images.len(),
        1,
        "not so old"
    );
}

#[tokio::test]
async fn pictures_beside_a_damaged_record_go_and_the_damage_is_told_as_before() {
    let bench = bench(64 << 20, PICTURES);
    let store = bench.open();
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(large(&bench, &store, &format!("P{n}"), 1_000_000 + n, &[]).await);
    }
    end_segment(&bench, &store).await;
    store.close().await;
    let first = bench.folder.path().join("log/0000000001.seg");
    let mut bytes = std::fs::read(&first).unwrap();
    bytes[1_500_000] ^= 1;
    std::fs::write(&first, bytes).unwrap();
    let store = bench.open();
    bench.wait(86_400);
    store.retain().await.unwrap();
    for n in [0, 2] {
        assert!(store.event(ids[n]).await.unwrap().event.images.is_empty());
    }
    let error = store.event(ids[1]).await.err().unwrap();
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    store.close().await;
    let checked = check(bench.folder.path(), false).unwrap();
    assert_eq!(checked.damaged.len(), 1, "{checked:?}");
    assert_eq!(checked.damaged[0].events, [ids[1]]);
}
