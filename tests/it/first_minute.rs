//! What the README promises a new user, with the files as they are shipped.

use std::path::Path;
use std::process::Command;

use crate::harness::{Process, camhook_command, eventually, get};

/// Those that are whole: while one is written its name is hidden.
fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| {
            let name = path.file_name().unwrap_or_default();
            !name.to_string_lossy().starts_with('.')
        })
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// The shipped file in a folder of its own, on free ports.
fn shipped(folder: &Path) {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("routes.yaml")).unwrap();
    let text = text
        .replace("0.0.0.0:8001", "127.0.0.1:0")
        .replace("127.0.0.1:9001", "127.0.0.1:0");
    assert!(
        text.matches("127.0.0.1:0").count() >= 2,
        "the shipped file names both listeners"
    );
    std::fs::write(folder.join("routes.yaml"), text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_config_crops_a_sample_event_onto_disk() {
    let folder = tempfile::tempdir().unwrap();
    shipped(folder.path());
    let camhook = Process::start_again(folder.path());
    let sent = camhook.cli(&[
        "send",
        "--url",
        &format!("{}/", camhook.url),
        "--plate",
        "AB123CD",
    ]);
    assert!(
        sent.status.success(),
        "{}",
        String::from_utf8_lossy(&sent.stderr)
    );
    eventually("the event is listed", async || {
        camhook
            .rows(&["events", "--plate", "ab123*"])
            .iter()
            .any(|event| event["kind"] == "plate")
    })
    .await;
    eventually("the plate's crop is on disk", async || {
        !files_below(&folder.path().join("data/plates")).is_empty()
    })
    .await;
    eventually("the event is a line of JSON", async || {
        !files_below(&folder.path().join("data/events")).is_empty()
    })
    .await;
    let crop = files_below(&folder.path().join("data/plates")).remove(0);
    let size = image::load_from_memory(&std::fs::read(crop).unwrap()).unwrap();
    assert!(size.width() > size.height(), "a plate is wider than high");
    let metrics = get(&format!("{}/metrics", camhook.admin)).await;
    let metrics = metrics.text().await.unwrap();
    for step in ["crop", "finish"] {
        let cost = |line: &str| {
            line.starts_with("camhook_step_seconds_count{")
                && line.contains(&format!("step=\"{step}\""))
        };
        assert!(metrics.lines().any(cost), "{metrics}");
    }
}

#[test]
fn the_demo_shows_an_event_going_through() {
    let folder = tempfile::tempdir().unwrap();
    let output = camhook_command(folder.path())
        .args(["demo"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        text.contains("acknowledged") && text.contains("cropped_image"),
        "{text}"
    );
}

#[test]
fn help_names_every_command() {
    let output = camhook_command(Path::new("."))
        .arg("--help")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    for command in [
        "run",
        "check",
        "send",
        "demo",
        "events",
        "deliveries",
        "targets",
        "sources",
        "quarantine",
        "retry",
        "replay",
        "purge",
        "explain",
        "schema",
    ] {
        assert!(
            text.contains(&format!("  {command}")),
            "{command} is missing"
        );
    }
}

/// A full disk: nothing acknowledged is lost, cameras are asked to come again, and it recovers.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_answers_503_and_recovers() {
    let mount = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=96m", "tmpfs"])
        .arg(mount.path())
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        println!(
            "not allowed to mount a small tmpfs here: the store's own tests inject a full disk instead"
        );
        return;
    }
    let _unmount = Unmount(mount.path());
    let receiver = crate::harness::Receiver::new().await;
    let routes = format!(
        "store: {{ path: data }}\n\
         targets:\n  vms: {{ http: {{ url: \"{}\", original: true }} }}\n\
         routes:\n  - {{ name: all, to: [vms] }}\n",
        receiver.url()
    );
    let camhook = Process::start(mount.path(), &routes);
    let client = crate::harness::client();
    let mut acknowledged = 0;
    let mut refused = false;
    for n in 0..400 {
        let (kind, mut body) = crate::harness::form_event(n);
        body.extend(std::iter::repeat_n(b' ', 500_000)); // trailing blanks do not change the document
        let answer = client
            .post(&camhook.url)
            .header("content-type", kind)
            .body(body)
            .send()
            .await
            .unwrap();
        match answer.status().as_u16() {
            200 => acknowledged += 1,
            503 => {
                assert!(answer.headers().contains_key("retry-after"));
                refused = true;
                break;
            }
            other => panic!("answered {other}"),
        }
    }
    assert!(
        refused && acknowledged > 10,
        "{acknowledged} were acknowledged before it was full"
    );
    assert_eq!(
        get(&format!("{}/readyz", camhook.admin)).await.status(),
        503
    );
    receiver.wait_for(acknowledged).await; // it goes on delivering

    // Room again: what was removed is old enough to go, and the next event is taken.
    eventually("it accepts again", async || {
        let purged = camhook.cli(&["purge", "--before", "0s"]);
        assert!(
            purged.status.success(),
            "{}",
            String::from_utf8_lossy(&purged.stderr)
        );
        let (kind, body) = crate::harness::form_event(999);
        let answer = client
            .post(&camhook.url)
            .header("content-type", kind)
            .body(body)
            .send()
            .await
            .unwrap();
        answer.status() == 200
    })
    .await;
    receiver.wait_for(acknowledged + 1).await;
}

struct Unmount<'a>(&'a Path);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}
