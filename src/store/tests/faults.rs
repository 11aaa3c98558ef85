//! Disks that are full or fail.

use super::*;
use crate::store::catalog::Position;
use crate::store::index::Index;
use crate::store::record::Purge;
use crate::store::segment::Header;
use crate::store::writer::Change;

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

#[tokio::test]
async fn a_full_disk_refuses_events_but_notes_outcomes_and_recovers() {
    let bench = Bench::sized(4 << 20);
    let store = bench.open();
    bench.accept(&store, "gate", "ONE", &["vms"]).await;
    bench.disk.0.lock().unwrap().allocate = Some(ENOSPC);
    let full = loop {
        let (_, intake) = bench.intake("gate", "P", Bytes::from(vec![1; 50_000]), &[]);
        if let Err(error) = store.accept(intake).await {
            break error;
        }
    };
    assert!(matches!(full, StoreError::Full(_)), "{full}");
    assert!(store.accepting().is_err());
    let mut leases = lease(&store, "vms", Order::None).await;
    settle(&store, leases.remove(0), Settled::Delivered).await;
    let copy = bench.crashed(false);
    bench.disk.0.lock().unwrap().allocate = None;
    assert_eq!(
        told(&bench.try_open_at(copy.path()).unwrap()).await,
        told(&store).await
    );

    let (_, intake) = bench.intake("gate", "P", Bytes::from(vec![1; 100_000]), &[]);
    let _ = store.accept(intake).await.unwrap();
    assert!(store.accepting().is_ok());
}

#[tokio::test]
async fn a_failed_sync_is_never_told_as_success_and_its_segment_is_left() {
    let bench = Bench::new();
    let store = bench.open();
    let first = bench.accept(&store, "gate", "ONE", &["vms"]).await;
    for fault in [EIO, ENOSPC] {
        bench.disk.0.lock().unwrap().sync = Some(fault);
        let (_, intake) = bench.intake("gate", "TWO", Bytes::from(vec![1; 100]), &["vms"]);
        let refused = store.accept(intake).await.unwrap_err();
        assert_eq!(
            matches!(refused, StoreError::Full(_)),
            fault == ENOSPC,
            "{refused}"
        );
        bench.disk.0.lock().unwrap().sync = None;
    }
    let second = bench.accept(&store, "gate", "THREE", &["vms"]).await;
    assert_eq!(
        store.events(EventQuery::default()).await.unwrap(),
        [second, first]
    );
    assert_eq!(store.0.catalog.segments().len(), 2);
    let copy = bench.crashed(false);
    let again = bench.try_open_at(copy.path()).unwrap();
    assert_eq!(
        again.events(EventQuery::default()).await.unwrap(),
        [second, first]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn when_sqlite_is_full_nothing_is_accepted_and_nothing_that_was_is_lost() {
    let bench = Bench::new();
    let store = bench.open();
    let mut accepted = vec![bench.accept(&store, "gate", "FIRST", &["vms"]).await];
    store.0.room.index_full.store(true, Ordering::SeqCst);
    let full = loop {
        let (id, intake) = bench.intake("gate", "P", Bytes::from(vec![1; 100]), &["vms", "log"]);
        match store.accept(intake).await {
            Ok(_) => accepted.push(id),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, StoreError::Full(_)), "{full}");
    assert!(store.accepting().is_err());
    // What is indexed can still be looked at and delivered.
    assert!(!lease(&store, "vms", Order::None).await.is_empty());
    let copy = bench.crashed(true);

    store.0.room.index_full.store(false, Ordering::SeqCst);
    store.caught_up().await;
    assert!(store.accepting().is_ok());
    accepted.push(bench.accept(&store, "gate", "LAST", &["vms"]).await);
    let mut ids = store.events(EventQuery::default()).await.unwrap();
    ids.reverse();
    assert_eq!(ids, accepted);

    let again = bench.try_open_at(copy.path()).unwrap();
    let kept = again.events(EventQuery::default()).await.unwrap();
    assert_eq!(kept.len(), accepted.len() - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_while_sqlite_is_full_it_applies_the_rest_when_it_is_opened_with_room() {
    let bench = Bench::new();
    let store = bench.open();
    let mut accepted = vec![bench.accept(&store, "gate", "FIRST", &["vms"]).await];
    let first = lease(&store, "vms", Order::None).await.remove(0);
    store.0.room.index_full.store(true, Ordering::SeqCst);
    loop {
        let (id, intake) = bench.intake("gate", "P", Bytes::from(vec![1; 100]), &["vms", "log"]);
        match store.accept(intake).await {
            Ok(_) => accepted.push(id),
            Err(_) => break,
        }
    }
    // A batch of its own behind the one that does not fit: it would fit, and must not be applied before it.
    store.0.writer.send(Command::Roll).unwrap();
    store.settle(first, attempt(START), Settled::Delivered);
    store.close().await;

    let again = bench.open();
    let mut ids = again.events(EventQuery::default()).await.unwrap();
    ids.reverse();
    assert_eq!(ids, accepted);
    assert_eq!(
        lease(&again, "vms", Order::None).await.len(),
        accepted.len() - 1
    );
}

#[test]
fn what_could_not_be_undone_is_undone_before_the_next_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let db = schema::open_writer(&folder.path().join("index.sqlite")).unwrap();
    let mut index = Index::load(db).unwrap();
    let before = index.progress;
    index.begin().unwrap();
    let change = Change {
        lsn: 1,
        position: Position::default(),
        bytes: 64,
        synced: true,
        what: What::Purge(Purge {
            at: Timestamp::UNIX_EPOCH,
            before: Timestamp::UNIX_EPOCH,
            named: false,
        }),
        applied: None,
        _guard: None,
    };
    index.apply_some(&change, &mut 0).unwrap();
    assert_eq!((index.progress.lsn, index.books.segments().len()), (1, 1));
    let lost = "ROLLBACK; ALTER TABLE targets RENAME TO away";
    index.db.execute_batch(lost).unwrap();
    assert!(index.rollback().is_err());
    assert!(index.begin().is_err());
    let found = "ALTER TABLE away RENAME TO targets";
    index.db.execute_batch(found).unwrap();
    index.begin().unwrap();
    assert_eq!(index.progress, before);
    assert!(index.books.segments().is_empty());
}

#[tokio::test]
async fn the_folders_of_a_new_store_are_synced_with_those_they_lie_in() {
    let bench = Bench::new();
    let outer = bench.folder.path();
    let path = outer.join("data").join("store");
    bench.try_open_at(&path).unwrap().close().await;
    let synced = bench.disk.0.lock().unwrap().folders.clone();
    for folder in [
        outer,
        path.parent().unwrap(),
        &path,
        path.join("log").as_path(),
    ] {
        assert!(synced.iter().any(|one| one == folder), "{folder:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_sqlite_is_full_it_gets_the_room_of_spare_segments() {
    let bench = Bench::sized(4 << 20);
    let store = bench.open();
    let catalog = &store.0.catalog;
    let header = Header {
        number: 99,
        first_lsn: 1,
        synced: 1,
        salt: 0,
    };
    catalog.begin(header, catalog.segment_bytes).unwrap();
    catalog.retire(99).unwrap();
    assert!(catalog.has_spare());
    store.0.room.index_full.store(true, Ordering::SeqCst);
    loop {
        let (_, intake) = bench.intake("gate", "P", Bytes::from(vec![1; 100]), &["vms"]);
        if store.accept(intake).await.is_err() {
            break;
        }
    }
    store.0.room.index_full.store(false, Ordering::SeqCst);
    store.caught_up().await;
    assert!(!catalog.has_spare());
}
