//! The index's files, damaged in every way: it is built anew, or says why not, and never tells anything else than the log.

use std::fs;

use super::matrix::{compare_with_page, forget_index};
use super::*;
use crate::store::check::IndexState;

/// A store with something of everything, and what it tells.
async fn filled(bench: &Bench) -> (Store, String) {
    let store = bench.open();
    for n in 0..12 {
        bench
            .accept(&store, "gate", &format!("P{n}"), &["vms", "log"])
            .await;
    }
    for (n, one) in lease(&store, "vms", Order::None)
        .await
        .into_iter()
        .enumerate()
    {
        let settled = match n % 4 {
            0 => Settled::Delivered,
            1 => Settled::Dead,
            2 => Settled::Again {
                due: START + SignedDuration::from_secs(60),
                counts: true,
            },
            _ => Settled::Expired,
        };
        settle(&store, one, settled).await;
    }
    let (_, intake) = bench.intake("gate", "Q", Bytes::from_static(b"{half of it"), &[]);
    let unread = Unread {
        source: name("cams"),
        original: intake.original,
        reason: "not JSON".to_owned(),
    };
    let _ = store.quarantine(unread).await.unwrap();
    let told = told(&store).await;
    (store, told)
}

/// What a changed index leads to.
async fn outcome(bench: &Bench, folder: &Path, before: &str, when: &str) -> &'static str {
    let store = match bench.try_open_at(folder) {
        Ok(store) => store,
        Err(error) => {
            assert!(
                error.to_string().contains("index.sqlite"),
                "{when}: {error}"
            );
            return "start refused, with the path";
        }
    };
    assert_eq!(told(&store).await, before, "{when}");
    store.close().await;
    let set_aside = folder.join("index.sqlite.unreadable");
    let store = bench.try_open_at(folder).unwrap();
    assert_eq!(told(&store).await, before, "{when}, the second time");
    store.close().await;
    let checked = check(folder, false).unwrap();
    assert_eq!(checked.index, IndexState::Same, "{when}: {checked:?}");
    match set_aside.exists() {
        true => "built anew",
        false => "used as it is",
    }
}

fn copy_of(bench: &Bench) -> TempDir {
    let copy = bench.crashed(true);
    let seal = bench.folder.path().join("index.seal");
    if seal.exists() {
        fs::copy(seal, copy.path().join("index.seal")).unwrap();
    }
    copy
}

type Change = Box<dyn Fn(&mut Vec<u8>)>;

/// Every kind of change, several of each: the outcomes of one kind must all be the same.
fn changes(len: usize) -> Vec<(&'static str, Vec<Change>)> {
    let places = |n: usize| (0..n).map(move |k| k * (len - 1) / n);
    let at = |n, change: fn(&mut Vec<u8>, usize)| {
        let changes = places(n).map(|place| {
            let change: Change = Box::new(move |bytes| change(bytes, place));
            change
        });
        changes.collect::<Vec<_>>()
    };
    vec![
        ("nothing", vec![Box::new(|_: &mut Vec<u8>| {}) as Change]),
        (
            "cut short, at 12 places",
            at(12, |bytes, place| bytes.truncate(place)),
        ),
        (
            "a page of zeros, at 12 places",
            at(12, |bytes, place| {
                let page = place / 4096 * 4096;
                let end = (page + 4096).min(bytes.len());
                bytes[page..end].fill(0);
            }),
        ),
        (
            "a bit flipped, at 60 places",
            at(60, |bytes, place| bytes[place] ^= 1 << (place % 8)),
        ),
        (
            "another file in its place",
            vec![Box::new(|bytes: &mut Vec<u8>| *bytes = b"hello".repeat(5_000)) as Change],
        ),
        (
            "bytes behind its end",
            vec![Box::new(|bytes: &mut Vec<u8>| bytes.extend([7; 5_000])) as Change],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_in_whatever_state_never_tells_anything_else_than_the_log() {
    let mut table = String::from("| the index | is |\n|---|---|\n");
    let bench = Bench::new();
    let (store, before) = filled(&bench).await;
    // While it runs, and after a crash: the main file and its own log.
    let crashed = copy_of(&bench);
    let crash = |name: &str| fs::read(crashed.path().join(name)).unwrap();
    let (main, wal) = (crash("index.sqlite"), crash("index.sqlite-wal"));
    store.close().await;
    let closed = copy_of(&bench);
    let index = fs::read(closed.path().join("index.sqlite")).unwrap();
    assert!(closed.path().join("index.seal").exists());
    assert!(
        index.len() > 100_000 && wal.len() > 100_000,
        "{} {}",
        index.len(),
        wal.len()
    );

    let mut row = |what: String, words: Vec<&'static str>| {
        let first = words[0];
        assert!(words.iter().all(|word| *word == first), "{what}: {words:?}");
        table += &format!("| {what} | {first} |\n");
    };
    for (what, changes) in changes(index.len()) {
        let mut words = Vec::new();
        for change in changes {
            let folder = copy_of(&bench);
            let mut bytes = index.clone();
            change(&mut bytes);
            if bytes == index && what != "nothing" {
                continue; // that page was all zeros before
            }
            fs::write(folder.path().join("index.sqlite"), bytes).unwrap();
            words.push(outcome(&bench, folder.path(), &before, what).await);
        }
        row(format!("after a clean end: {what}"), words);
    }
    for (what, changes) in changes(wal.len()) {
        let mut words = Vec::new();
        for change in changes {
            let folder = copy_of(&bench);
            forget_index(folder.path());
            let mut bytes = wal.clone();
            change(&mut bytes);
            fs::write(folder.path().join("index.sqlite"), &main).unwrap();
            fs::write(folder.path().join("index.sqlite-wal"), bytes).unwrap();
            words.push(outcome(&bench, folder.path(), &before, what).await);
        }
        // How much of it had gone into the main file before depends on the moment.
        let fine = |word: &&str| ["used as it is", "built anew"].contains(word);
        assert!(words.iter().all(fine), "{what}: {words:?}");
        let word = match what {
            "nothing" => words[0],
            _ => "used as far as it is whole, or built anew",
        };
        row(
            format!("after a crash, its write-ahead log: {what}"),
            vec![word],
        );
    }
    for (what, version) in [("an older", 3), ("a newer", 99)] {
        let folder = copy_of(&bench);
        let path = folder.path().join("index.sqlite");
        let db = Connection::open(&path).unwrap();
        db.pragma_update(None, "user_version", version).unwrap();
        drop(db);
        fs::remove_file(folder.path().join("index.seal")).unwrap();
        row(
            format!("of {what} version"),
            vec![outcome(&bench, folder.path(), &before, what).await],
        );
    }
    let folder = copy_of(&bench);
    fs::remove_file(folder.path().join("index.sqlite")).unwrap();
    fs::write(folder.path().join("index.sqlite-wal"), &wal).unwrap();
    let word = outcome(&bench, folder.path(), &before, "gone").await;
    assert_eq!(word, "used as it is"); // nothing was there to be set aside
    row(
        "gone, its write-ahead log left".to_owned(),
        vec!["built anew"],
    );
    let folder = copy_of(&bench);
    forget_index(folder.path());
    fs::create_dir(folder.path().join("index.sqlite")).unwrap();
    let word = outcome(&bench, folder.path(), &before, "a folder").await;
    row("a folder in its place".to_owned(), vec![word]);
    compare_with_page("index", &table);
}

/// Values that SQLite cannot know to be wrong: after a crash there is no seal, and `camhook store check` finds them.
#[tokio::test]
async fn a_check_finds_what_an_index_tells_otherwise_than_the_log() {
    let bench = Bench::new();
    let (store, before) = filled(&bench).await;
    store.close().await;
    let wrong = [
        "UPDATE deliveries SET fate = 'delivered' WHERE fate = 'pending' AND target = 'log'",
        "DELETE FROM deliveries WHERE number = (SELECT max(number) FROM deliveries)",
        "DELETE FROM events WHERE number = (SELECT min(number) FROM events)",
        "UPDATE events SET camera = 'other' WHERE number = (SELECT max(number) FROM events)",
        "UPDATE events SET offset = offset + 8",
        "DELETE FROM plates WHERE plate = 'P3'",
        "UPDATE quarantine SET reason = 'none'",
        "UPDATE tallies SET deliveries = deliveries + 1",
    ];
    for sql in wrong {
        let folder = copy_of(&bench);
        let db = Connection::open(folder.path().join("index.sqlite")).unwrap();
        assert!(db.execute(sql, []).unwrap() > 0, "{sql}");
        drop(db);
        let checked = check(folder.path(), false).unwrap();
        assert!(
            matches!(checked.index, IndexState::Differs(_)),
            "{sql}: {checked:?}"
        );
        assert!(!checked.is_well() && checked.damaged.is_empty());
        let repaired = check(folder.path(), true).unwrap();
        assert_eq!(repaired.index, IndexState::Rebuilt);
        assert_eq!(
            check(folder.path(), false).unwrap().index,
            IndexState::Same,
            "{sql}"
        );
        let store = bench.try_open_at(folder.path()).unwrap();
        assert_eq!(told(&store).await, before, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_is_damaged_while_it_is_in_use_is_built_anew_by_a_restart() {
    let bench = Bench::new();
    let (store, _) = filled(&bench).await;
    store.close().await;
    let store = bench.open();
    let path = bench.folder.path().join("index.sqlite");
    let garbage = vec![0xa5; fs::metadata(&path).unwrap().len() as usize];
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &garbage, 0).unwrap();
    let looked = store.events(EventQuery::default()).await;
    assert!(looked.is_err(), "{looked:?}");
    let (id, intake) = bench.intake("gate", "LATE", Bytes::from(vec![1; 100]), &["vms"]);
    let accepted = store.accept(intake).await.is_ok();
    store.close().await;
    let store = bench.open();
    let kept = store.events(EventQuery::default()).await.unwrap();
    assert_eq!(kept.len(), 12 + usize::from(accepted));
    assert_eq!(kept.contains(&id), accepted);
    assert!(bench.folder.path().join("index.sqlite.unreadable").exists());
}
