//! The power fails before any operation of a store's life, and any of what was not synced is lost.

use std::sync::atomic::AtomicUsize;

use super::matrix::{Rig, forget_index, open_at, verify};
use super::model::{Dice, Files, ModelDisk, Op};
use super::*;

/// The long run: `CAMHOOK_SEEDS=50 cargo test --lib store::tests::power`.
fn seeds() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the knob of the long run")]
    let seeds = std::env::var("CAMHOOK_SEEDS").ok();
    seeds.and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// The disk before one operation, and how many of the events that were sent must be there.
struct Image {
    files: Files,
    acknowledged: usize,
    told: String,
}

/// Events, outcomes, segments that change, retention that removes and recycles, a purge, a close: with the power failing at
/// each step. Events that are still to be delivered are never removed, so all that were acknowledged must be there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_failure_at_any_moment_loses_nothing_that_was_acknowledged() {
    let mut rig = Rig::new(ModelDisk::default());
    rig.bench.max_size = 3 << 20; // never full
    let images: Arc<StdMutex<Vec<Image>>> = Arc::default();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let seen = (images.clone(), acknowledged.clone());
    rig.disk.watch(move |op, files| {
        seen.0.lock().unwrap().push(Image {
            files: files.clone(),
            acknowledged: seen.1.load(Ordering::SeqCst),
            told: format!("before {op:?}"),
        });
    });
    let store = rig.open();
    for round in 0..3 {
        for _ in 0..3 {
            rig.send(&store, &["vms", "log"]).await.unwrap();
            acknowledged.store(rig.acknowledged.len(), Ordering::SeqCst);
        }
        // Of settled events nothing is asked; they fill segments that go.
        let waiting = rig.acknowledged.len();
        for _ in 0..6 {
            rig.send(&store, &[]).await.unwrap();
        }
        rig.acknowledged.truncate(waiting);
        store.caught_up().await;
        for one in lease(&store, "log", Order::None).await {
            let done = match round % 2 {
                0 => Settled::Delivered,
                _ => Settled::Dead,
            };
            settle(&store, one, done).await;
        }
        rig.bench.wait(3 * 86_400);
        store.retain().await.unwrap();
        let _ = store.purge(rig.bench.clock.now()).await.unwrap();
        store.retry(RetryQuery::All).await.unwrap();
    }
    store.close().await;
    rig.disk.unwatch();
    let images = std::mem::take(&mut *images.lock().unwrap());
    assert!(images.len() > 60, "{}", images.len());
    let seen = |word: &str| images.iter().any(|image| image.told.ends_with(word));
    assert!(seen("Rename") && seen("Remove") && seen("SyncFolder") && seen("Allocate"));

    let mut dice = Dice(7);
    // All of them in the long run, about a hundred in the short one.
    let step = match seeds() {
        0 | 1 => (images.len() / 100).max(1),
        _ => 1,
    };
    for (n, image) in images.iter().enumerate().step_by(step) {
        for _ in 0..seeds() {
            let seed = dice.below(u64::MAX);
            let when = format!("image {n} of {}, {}, seed {seed}", images.len(), image.told);
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir(folder.path().join("log")).unwrap();
            let left = image.files.after_power_loss(seed);
            let disk = ModelDisk::of(left.moved(rig.bench.folder.path(), folder.path()));
            let store = open_at(&rig.bench, folder.path(), &disk)
                .unwrap_or_else(|error| panic!("{when}: {error}; {:?}", disk.files().names()));
            let must = &rig.acknowledged[..image.acknowledged];
            verify(&store, must, &when).await;
            let pending = lease(&store, "vms", Order::None).await.len();
            assert!(
                pending >= must.len(),
                "{when}: {pending} wait of {}",
                must.len()
            );

            // And again: it accepts, and what it accepted is there after the next failure, with or without its index.
            let (id, intake) =
                rig.bench
                    .intake("gate", "NEW", Bytes::from(vec![9; 60_000]), &["vms"]);
            let _ = store.accept(intake).await.unwrap();
            let mut must = must.to_vec();
            must.push((id, 9));
            store.caught_up().await;
            let index = folder.path().join("index.sqlite");
            let copy = std::fs::read(&index).unwrap();
            store.close().await;
            if n % 2 == 0 {
                forget_index(folder.path());
            } else {
                // The index as it was before it was closed: its own log did not last.
                forget_index(folder.path());
                std::fs::write(&index, copy).unwrap();
            }
            let disk = ModelDisk::of(disk.files().after_power_loss(seed ^ 1));
            let store = open_at(&rig.bench, folder.path(), &disk).unwrap();
            verify(&store, &must, &format!("{when}, the second")).await;
        }
    }
}

/// The index may have more on disk than the log: outcomes are not waited for.
#[tokio::test]
async fn an_index_that_knows_more_than_the_log_keeps_counting_where_it_is() {
    for seed in 0..8 {
        let mut rig = Rig::new(ModelDisk::default());
        let store = rig.open();
        for _ in 0..2 {
            rig.send(&store, &["vms"]).await.unwrap();
        }
        store.caught_up().await;
        let left = Arc::new(StdMutex::new(None));
        let seen = left.clone();
        rig.disk.watch(move |op, files| {
            // Outcomes are written, and about to be synced.
            if op == Op::Sync {
                seen.lock().unwrap().get_or_insert_with(|| files.clone());
            }
        });
        for one in lease(&store, "vms", Order::None).await {
            store.settle(one, attempt(START), Settled::Delivered);
        }
        store.caught_up().await;
        rig.disk.unwatch();
        let left: Files = left.lock().unwrap().take().unwrap();
        store.close().await;
        rig.disk = ModelDisk::of(left.after_power_loss(seed));
        let store = rig.open();
        verify(&store, &rig.acknowledged, "with outcomes lost").await;
        assert!(lease(&store, "vms", Order::None).await.is_empty());
        rig.send(&store, &["vms"]).await.unwrap();
        store.close().await;
        rig.forget_index();
        let store = rig.open();
        verify(&store, &rig.acknowledged, "without its index").await;
        let pending = lease(&store, "vms", Order::None).await.len();
        assert!((1..=3).contains(&pending), "{pending}");
    }
}
