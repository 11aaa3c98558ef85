//! `camhook store`: every byte checked, and copies that are taken while events pour in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::durability::number;
use crate::harness::{Process, Receiver, camhook_command, eventually, form_event, multipart_event};

fn routes(receiver: &Receiver, max_size: &str) -> String {
    format!(
        "log: {{ level: error }}\n\
         store: {{ path: data, max_size: {max_size} }}\n\
         sources:\n  stream: {{ kind: platerecognizer, path: / }}\n\
         targets:\n  vms: {{ http: {{ url: \"{}\", original: true }}, concurrency: 8 }}\n\
         routes:\n  - {{ name: all, to: [vms] }}\n",
        receiver.url()
    )
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    camhook_command(folder).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn rows(output: &Output) -> Vec<Value> {
    text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn ids(rows: &[Value]) -> BTreeSet<String> {
    rows.iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}

async fn post(url: &str, n: usize, extra: usize) -> bool {
    let (kind, mut body) = match n % 2 {
        0 => form_event(n),
        _ => multipart_event(n),
    };
    if n.is_multiple_of(2) {
        body.extend(std::iter::repeat_n(b' ', extra)); // trailing blanks do not change the document
    }
    let client = crate::harness::client();
    let sent = client
        .post(url)
        .header("content-type", kind)
        .body(body)
        .send();
    sent.await.is_ok_and(|answer| answer.status().is_success())
}

/// Sends until it is dropped.
struct Load {
    done: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    senders: tokio::task::JoinSet<()>,
}

impl Load {
    fn on(url: &str, extra: usize) -> Self {
        let (done, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let next = Arc::new(AtomicUsize::new(0));
        let mut senders = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (done, next, url) = (done.clone(), next.clone(), url.to_owned());
            let acknowledged: Arc<AtomicUsize> = Arc::clone(&acknowledged);
            senders.spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if post(&url, n, extra).await {
                        acknowledged.fetch_add(1, Ordering::SeqCst);
                    } else {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            });
        }
        Self {
            done,
            acknowledged,
            senders,
        }
    }

    fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::SeqCst)
    }

    async fn stop(self) {
        self.done.store(true, Ordering::Relaxed);
        self.senders.join_all().await;
    }
}

/// Each copy is opened by a second config; `max_size` is so small in the second run that segments go while they are copied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_taken_under_load_has_all_that_was_acknowledged_before_it_began() {
    for (max_size, extra) in [("1GiB", 0), ("24MiB", 400_000)] {
        let receiver = Receiver::new().await;
        let folder = tempfile::tempdir().unwrap();
        let camhook = Process::start(folder.path(), &routes(&receiver, max_size));
        let load = Load::on(&camhook.url, extra);
        eventually("there is something to copy", async || {
            load.acknowledged() > 60
        })
        .await;
        for n in 0..number("CAMHOOK_BACKUPS", 3) {
            let so_far = load.acknowledged();
            let before = ids(&camhook.rows(&["events", "--limit", "0"]));
            if extra == 0 {
                assert!(before.len() >= so_far, "{} of {so_far}", before.len());
            }
            let to = format!("copy-{n}");
            let taken = run(folder.path(), &["store", "backup", &to, "--json"]);
            assert!(taken.status.success(), "{}", text(&taken.stderr));
            let told = &rows(&taken)[0];
            assert_eq!(told["damaged"], 0);
            let still = ids(&camhook.rows(&["events", "--limit", "0"]));

            let other = tempfile::tempdir().unwrap();
            let config = other.path().join("other.yaml");
            let store = folder.path().join(&to);
            let listeners = "server: { listen: 127.0.0.1:0 }\nadmin: { listen: 127.0.0.1:0 }\n";
            let written = format!("{listeners}{}", routes(&receiver, max_size))
                .replace("path: data", &format!("path: {}", store.display()));
            std::fs::write(&config, written).unwrap();
            let checked = run(folder.path(), &["store", "check", &to]);
            assert!(checked.status.success(), "{}", text(&checked.stdout));
            let config = config.to_str().unwrap();
            let listed = run(
                folder.path(),
                &["events", "--json", "--limit", "0", "--config", config],
            );
            assert!(listed.status.success(), "{}", text(&listed.stderr));
            let copied = ids(&rows(&listed));
            // What went meanwhile because of its age or size may be in the copy or not.
            let lacking: Vec<&String> = before
                .intersection(&still)
                .filter(|id| !copied.contains(*id))
                .collect();
            assert!(
                lacking.is_empty(),
                "{} of {} lack",
                lacking.len(),
                before.len()
            );
            assert!(told["events"].as_u64().unwrap() >= copied.len() as u64);
            assert!(copied.len() > 10, "{}", copied.len());

            // Byte for byte: the copy's originals are those of the running one.
            let running = Process::run_with_config(other.path(), config);
            for id in copied.intersection(&still).step_by(copied.len() / 8 + 1) {
                let path = format!("/api/v1/events/{id}/original");
                let one = crate::harness::get(&format!("{}{path}", running.admin)).await;
                let two = crate::harness::get(&format!("{}{path}", camhook.admin)).await;
                if two.status().is_success() {
                    assert!(one.status().is_success(), "{id}");
                    assert!(one.bytes().await.unwrap() == two.bytes().await.unwrap());
                }
            }
        }
        load.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_tells_what_is_damaged_and_everything_else_goes_on() {
    let receiver = Receiver::new().await;
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), &routes(&receiver, "1GiB"));
    for n in 0..20 {
        assert!(post(&camhook.url, n, 0).await);
    }
    receiver.wait_for(20).await;
    let online = run(folder.path(), &["store", "check", "--json"]);
    let told = rows(&online);
    assert!(online.status.success(), "{told:?}");
    let sum = told.last().unwrap();
    assert_eq!(
        (&sum["well"], &sum["running"]),
        (&true.into(), &true.into())
    );
    assert_eq!(
        (&sum["events"], &sum["index"]),
        (&20.into(), &"same".into())
    );
    let refused = run(folder.path(), &["store", "check", "--repair"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).contains("stop it first"),
        "{}",
        text(&refused.stderr)
    );
    let events = camhook.rows(&["events", "--limit", "0"]);
    camhook.stop();
    let sound = run(folder.path(), &["store", "check"]);
    assert!(sound.status.success());
    assert!(text(&sound.stdout).contains("every checksum is right"));
    assert!(text(&sound.stdout).contains("tells what the log tells"));

    // One bit of the picture of one event in the middle.
    let victim = &events[9];
    let id = victim["id"].as_str().unwrap();
    let segment = folder.path().join("data/log/0000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes
        .windows(id.len())
        .position(|window| window == id.as_bytes())
        .unwrap();
    bytes[at + 200] ^= 4;
    std::fs::write(&segment, &bytes).unwrap();
    let found = run(folder.path(), &["store", "check", "--json"]);
    assert_eq!(found.status.code(), Some(1));
    let told = rows(&found);
    assert_eq!(told[0]["segment"], "0000000001.seg");
    assert_eq!(told[0]["events"], serde_json::json!([id]), "{told:?}");
    let place = told[0]["offset"].as_u64().unwrap()..=at as u64;
    assert!(place.contains(&(at as u64)) && told[0]["bytes"].as_u64().unwrap() > 200);
    let spoken = text(&run(folder.path(), &["store", "check"]).stdout);
    assert!(spoken.contains(&format!("event {id}")), "{spoken}");

    // It starts, with its index and without one; the others are there.
    for with_index in [true, false] {
        if !with_index {
            std::fs::remove_file(folder.path().join("data/index.sqlite")).unwrap();
        }
        let camhook = Process::start_again(folder.path());
        assert!(post(&camhook.url, 100, 0).await);
        let listed = camhook.rows(&["events", "--limit", "0"]);
        let whole = listed.iter().filter(|row| row["damaged"].is_null());
        let whole: Vec<Value> = whole.cloned().collect();
        let (known, whole) = (ids(&events), ids(&whole));
        assert_eq!(known.difference(&whole).collect::<Vec<_>>(), [id]);
        let metrics = crate::harness::get(&format!("{}/metrics", camhook.admin)).await;
        let metrics = metrics.text().await.unwrap();
        assert!(
            metrics.contains("camhook_store_damaged_records 1"),
            "{metrics}"
        );
        let copy = format!("copy-{with_index}");
        let taken = run(folder.path(), &["store", "backup", &copy]);
        assert_eq!(taken.status.code(), Some(1));
        assert!(text(&taken.stderr).contains("1 records that cannot be read"));
        let found = run(folder.path(), &["store", "check", &copy, "--json"]);
        assert_eq!(rows(&found)[0]["offset"], told[0]["offset"]);
        camhook.stop();
    }
}

#[tokio::test]
async fn a_backup_goes_into_an_empty_folder_only_and_a_check_wants_a_store() {
    let receiver = Receiver::new().await;
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), &routes(&receiver, "1GiB"));
    assert!(post(&camhook.url, 1, 0).await);
    std::fs::create_dir(folder.path().join("full")).unwrap();
    std::fs::write(folder.path().join("full/letter.txt"), "dear").unwrap();
    let refused = run(folder.path(), &["store", "backup", "full"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("is not empty"));
    assert_eq!(
        std::fs::read_dir(folder.path().join("full"))
            .unwrap()
            .count(),
        1
    );
    let taken = run(folder.path(), &["store", "backup", "deep/er/copy"]);
    assert!(taken.status.success(), "{}", text(&taken.stderr));
    assert!(
        text(&taken.stdout).starts_with("1 events in 1 segments, "),
        "{}",
        text(&taken.stdout)
    );
    assert!(
        !run(folder.path(), &["store", "backup", "deep/er/copy"])
            .status
            .success()
    );
    let wrong = run(folder.path(), &["store", "check", "full"]);
    assert!(
        text(&wrong.stderr).contains("is no store"),
        "{}",
        text(&wrong.stderr)
    );
    let remote = camhook.cli(&["store", "check"]);
    assert!(text(&remote.stderr).contains("without --admin"));
    // Offline it is the same.
    camhook.stop();
    let taken = run(
        folder.path(),
        &["store", "backup", "offline", "--from", "data", "--json"],
    );
    assert_eq!(rows(&taken)[0]["events"], 1);
    let names: BTreeMap<_, _> = walk(&folder.path().join("offline"));
    assert_eq!(names.len(), 1, "{names:?}");
}

fn walk(folder: &Path) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            found.extend(walk(&entry.path()));
        } else {
            let name = entry.file_name().to_string_lossy().into_owned();
            found.insert(name, entry.metadata().unwrap().len());
        }
    }
    found
}

/// Killed again and again while copies are taken: each copy is whole, and so is what is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_each_kill_the_store_is_well() {
    let receiver = Receiver::new().await;
    let folder = tempfile::tempdir().unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut camhook = Process::start(folder.path(), &routes(&receiver, "24MiB"));
    for n in 0..number("CAMHOOK_KILLS", 4) {
        let load = Load::on(&camhook.url, 300_000);
        let enough = 20 + 10 * n as usize;
        eventually("events are taken", async || load.acknowledged() > enough).await;
        camhook.kill();
        load.stop().await;
        let checked = run(folder.path(), &["store", "check"]);
        assert!(checked.status.success(), "{}", text(&checked.stdout));
        told.lock().unwrap().push(text(&checked.stdout));
        camhook = Process::start_again(folder.path());
    }
    assert!(!told.lock().unwrap().is_empty());
}
