//! The power fails before any operation of forgetting: what is left is the old or the new, and nothing says that it is forgotten
//! while any file tells it.

use super::matrix::{Rig, SECRET, open_at, traces, verify};
use super::model::{EIO, Fault, Files, ModelDisk};
use super::*;

/// The disk before one operation.
struct Image {
    files: Files,
    told: String,
    /// The index as it was then, where it could be copied: it is of the thread that was about to act.
    index: Option<Vec<(&'static str, Vec<u8>)>>,
}

/// Four events beside two of the plate, one of them delivered, in several segments, and a recycled one that once had another.
async fn filled(rig: &mut Rig) -> (Store, [EventId; 2]) {
    let store = rig.open();
    // Of these all that is left are blocks that wait to be used again.
    for _ in 0..12 {
        let _ = rig.send_secret(&store, &[]).await;
    }
    store.caught_up().await;
    rig.bench.wait(8 * 86_400);
    store.retain().await.unwrap();
    store.retain().await.unwrap();
    for _ in 0..2 {
        rig.send(&store, &["vms", "log"]).await.unwrap();
    }
    let first = rig.send_secret(&store, &["vms", "log"]).await;
    for _ in 0..2 {
        rig.send(&store, &["vms", "log"]).await.unwrap();
    }
    let second = rig.send_secret(&store, &["vms"]).await;
    store.caught_up().await;
    for one in lease(&store, "log", Order::None).await {
        settle(&store, one, Settled::Delivered).await;
    }
    (store, [first, second])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_failure_while_forgetting_leaves_the_old_or_the_new_and_no_lie() {
    let mut rig = Rig::new(ModelDisk::default());
    rig.bench.max_size = 3 << 20;
    let (store, secrets) = filled(&mut rig).await;
    assert!(!traces(&rig.disk.files()).is_empty());

    let images: Arc<StdMutex<Vec<Image>>> = Arc::default();
    let seen = images.clone();
    let folder = rig.bench.folder.path().to_owned();
    rig.disk.watch(move |op, files| {
        let ours = std::thread::current().name() == Some("store-index");
        let copy = |name| Some((name, std::fs::read(folder.join(name)).ok()?));
        let index = ["index.sqlite", "index.sqlite-wal"];
        let index = ours.then(|| index.into_iter().filter_map(copy).collect());
        seen.lock().unwrap().push(Image {
            files: files.clone(),
            told: format!("before {op:?}"),
            index,
        });
    });
    store.forget(SECRET, false).await.unwrap();
    rig.disk.unwatch();
    rig.is_forgotten("as soon as it said so");
    verify(&store, &rig.acknowledged, "after it").await;
    let images = std::mem::take(&mut *images.lock().unwrap());
    assert!(images.len() > 20, "{}", images.len());
    let with_index = images.iter().filter(|image| image.index.is_some()).count();
    assert!(with_index > 10, "{with_index}");

    let (mut old, mut new, mut said, mut lies_looked_for) = (0, 0, 0, 0);
    for (n, image) in images.iter().enumerate() {
        // With the index as it was then, and without one, by turns.
        for seed in [n as u64 % 2] {
            let when = format!("image {n} of {}, {}, seed {seed}", images.len(), image.told);
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir(folder.path().join("log")).unwrap();
            let index = image.index.iter().flatten().filter(|_| seed > 0);
            for (name, bytes) in index {
                std::fs::write(folder.path().join(name), bytes).unwrap();
            }
            let left = image.files.after_power_loss(n as u64);
            let told = !traces(&left).is_empty();
            let begun = left.names().iter().any(|name| name == "forgetting.json");
            let disk = ModelDisk::of(left.moved(rig.bench.folder.path(), folder.path()));
            let store = open_at(&rig.bench, folder.path(), &disk)
                .unwrap_or_else(|error| panic!("{when}: {error}; {:?}", disk.files().names()));
            store.caught_up().await;
            verify(&store, &rig.acknowledged, &when).await;
            let says = !store
                .forgotten(PageQuery::default())
                .await
                .unwrap()
                .is_empty();
            if !begun && !says {
                // Nobody asked, as far as the disk knows: all of it is there.
                for id in secrets {
                    assert!(store.event(id).await.is_ok(), "{when}: half of it is gone");
                }
                let waiting = lease(&store, "vms", Order::None).await.len();
                assert_eq!(waiting, 6, "{when}");
                old += 1;
            } else {
                // What was told was no lie: it may have gone on since it was opened, but not the other way round.
                if says {
                    said += 1;
                } else {
                    assert!(begun, "{when}");
                }
                for _ in 0..100 {
                    if !store
                        .forgotten(PageQuery::default())
                        .await
                        .unwrap()
                        .is_empty()
                    {
                        break;
                    }
                    store.retain().await.unwrap();
                    store.caught_up().await;
                }
                assert_eq!(
                    store.forgotten(PageQuery::default()).await.unwrap().len(),
                    1,
                    "{when}"
                );
                let left = traces(&disk.files());
                assert_eq!(left, Vec::<String>::new(), "{when}: told {told}");
                for seed in 0..4 {
                    let left = traces(&disk.files().after_power_loss(seed));
                    assert_eq!(left, Vec::<String>::new(), "{when}, and again {seed}");
                }
                for id in secrets {
                    assert!(store.event(id).await.is_err(), "{when}");
                }
                assert!(
                    store.sightings(SECRET, true).await.unwrap().is_empty(),
                    "{when}"
                );
                new += 1;
            }
            store.close().await;
        }
        // Read from the files alone, before anything goes on: where a record says so, no file tells it.
        for seed in 0..20 {
            let left = image.files.after_power_loss(seed);
            let said = left.holding(b"\"ended\":");
            if said.iter().any(|name| name.ends_with(".seg")) {
                let traces = traces(&left);
                assert_eq!(
                    traces,
                    Vec::<String>::new(),
                    "image {n}, seed {seed}: it lies"
                );
                lies_looked_for += 1;
            }
        }
    }
    assert!(lies_looked_for > 0);
    assert!(old > 0 && new > 0 && said > 0, "{old} {new} {said}");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_no_more_but_lies_in_blocks_that_wait_to_be_used_goes_as_well() {
    let mut rig = Rig::new(ModelDisk::default());
    rig.bench.max_size = 3 << 20;
    let store = rig.open();
    for _ in 0..12 {
        let _ = rig.send_secret(&store, &[]).await;
    }
    store.caught_up().await;
    rig.bench.wait(8 * 86_400);
    store.retain().await.unwrap();
    for _ in 0..2 {
        rig.send(&store, &["vms"]).await.unwrap(); // over a part of what a recycled segment had
    }
    let names = rig.disk.files().names();
    assert!(
        names.iter().any(|name| name.starts_with("spare-")),
        "{names:?}"
    );
    assert!(!traces(&rig.disk.files()).is_empty());

    let (told, found) = store.forget(SECRET, false).await.unwrap();
    assert!(found.is_empty() && told.events == 0);
    rig.is_forgotten("with nothing found");
    assert!(
        store
            .forgotten(PageQuery::default())
            .await
            .unwrap()
            .is_empty(),
        "there was nothing to tell of"
    );
    verify(&store, &rig.acknowledged, "after it").await;
    rig.send(&store, &["vms"]).await.unwrap();
    store.close().await;
    rig.forget_index();
    let store = rig.open();
    verify(&store, &rig.acknowledged, "opened again").await;
    store.close().await;
}

/// Each operation of it fails, once or for a while: what it says is true, nothing else is lost, and it comes to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_operation_of_it_fails_it_tells_no_lie_and_comes_to_its_end() {
    let (mut nth, mut done, mut later, mut refused) = (0, 0, 0, 0);
    loop {
        let times = if nth % 2 == 0 { 1 } else { 3 };
        let when = format!("operation {nth} fails, {times} in a row");
        let mut rig = Rig::new(ModelDisk::default());
        rig.bench.max_size = 3 << 20;
        let (store, secrets) = filled(&mut rig).await;
        rig.disk.inject_nth(nth, Fault::Errno(EIO), times);
        let told = store.forget(SECRET, false).await;
        let hits = rig.disk.hits();
        match &told {
            Ok(_) => {
                rig.is_forgotten(&when);
                done += 1;
            }
            Err(why) if why.to_string().contains("nothing was forgotten") => {
                for id in secrets {
                    assert!(store.event(id).await.is_ok(), "{when}: {why}");
                }
                refused += 1;
            }
            Err(why) => {
                assert!(
                    why.to_string().contains("goes on by itself"),
                    "{when}: {why}"
                );
                later += 1;
            }
        }
        rig.disk.lift();
        if told.is_err() && !store.sightings(SECRET, false).await.unwrap().is_empty() {
            store.forget(SECRET, false).await.unwrap();
        }
        for _ in 0..100 {
            if !store
                .forgotten(PageQuery::default())
                .await
                .unwrap()
                .is_empty()
            {
                break;
            }
            store.retain().await.unwrap();
            store.caught_up().await;
        }
        assert_eq!(
            store.forgotten(PageQuery::default()).await.unwrap().len(),
            1,
            "{when}"
        );
        rig.is_forgotten(&when);
        verify(&store, &rig.acknowledged, &when).await;
        store.close().await;
        rig.forget_index();
        let store = rig.open();
        verify(&store, &rig.acknowledged, &format!("{when}, opened again")).await;
        store.close().await;
        if hits == 0 {
            break;
        }
        nth += 1;
    }
    assert!(
        nth > 20 && done > 0 && later > 5 && refused > 0,
        "{nth}: {done} {later} {refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_purge_has_removed_before_goes_from_its_segment_as_well() {
    for (keeps, with_index) in [(true, true), (false, true), (false, false)] {
        let mut rig = Rig::new(ModelDisk::default());
        rig.bench.max_size = 3 << 20;
        let store = rig.open();
        let purged = rig.send_secret(&store, &["log"]).await;
        rig.send(&store, &["vms"]).await.unwrap(); // waits, and so the segment stays
        store.caught_up().await;
        for one in lease(&store, "log", Order::None).await {
            settle(&store, one, Settled::Delivered).await;
        }
        rig.bench.wait(10);
        let kept = match keeps {
            true => Some(rig.send_secret(&store, &["vms"]).await),
            false => None,
        };
        store.caught_up().await;
        let before = rig.bench.clock.now() - SignedDuration::from_secs(5);
        assert_eq!(store.purge(before).await.unwrap(), 1);
        assert!(store.event(purged).await.is_err());
        assert!(!traces(&rig.disk.files()).is_empty(), "its record is there");
        let store = match with_index {
            true => store,
            false => {
                store.close().await;
                rig.forget_index();
                rig.open()
            }
        };

        let (told, found) = store.forget(SECRET, false).await.unwrap();
        let live = usize::from(keeps);
        assert_eq!((told.events, found.len()), (live as u64 + 1, live));
        rig.is_forgotten("with what was purged");
        assert_eq!(
            store.forgotten(PageQuery::default()).await.unwrap().len(),
            1
        );
        if let Some(kept) = kept {
            assert!(store.event(kept).await.is_err());
        }
        verify(&store, &rig.acknowledged, "after it").await;
        store.close().await;
        rig.forget_index();
        let store = rig.open();
        verify(&store, &rig.acknowledged, "opened again").await;
        assert!(store.event(purged).await.is_err());
        store.close().await;
    }
}
