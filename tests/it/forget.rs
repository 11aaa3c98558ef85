//! `camhook forget`: what is forgotten is in no file of the store, however often camhook is killed on the way.

use std::path::{Path, PathBuf};
use std::time::Duration;

use image::ImageFormat;

use crate::durability::Dice;
use crate::harness::{
    Process, Receiver, camhook_command, client, eventually, get, multipart, picture, recognition,
};

const SECRET: &str = "ab123secret";

/// Every file below a folder that has these bytes, in either case.
fn holding(folder: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, bytes));
            continue;
        }
        let content = std::fs::read(&path).unwrap();
        let has = |text: &[u8]| memchr::memmem::find(&content, text).is_some();
        if has(bytes) || has(&bytes.to_ascii_uppercase()) || has(&bytes.to_ascii_lowercase()) {
            found.push(path);
        }
    }
    found
}

/// A JPEG with so much behind it that a few fill a segment.
fn photo(dice: &mut Dice) -> Vec<u8> {
    let mut photo = picture(64, 48, &[], ImageFormat::Jpeg);
    photo.extend(std::iter::repeat_with(|| dice.below(256) as u8).take(300_000));
    photo
}

async fn post(camhook: &Process, plate: &str, photo: &[u8]) {
    let json = recognition("gate", &[(plate, [1, 1, 20, 20])]).to_string();
    let (kind, body) = multipart(&json, &[("upload", photo)]);
    let sent = client()
        .post(&camhook.url)
        .header("content-type", kind)
        .body(body);
    assert_eq!(sent.send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_though_it_is_killed_on_the_way_again_and_again() {
    let receiver = Receiver::new().await;
    let folder = tempfile::tempdir().unwrap();
    let routes = format!(
        "store: {{ path: data, max_size: 64MiB }}\n\
         sources:\n  stream: {{ kind: platerecognizer, path: / }}\n\
         targets:\n  vms: {{ http: {{ url: \"{}\", json: \"{{{{ event }}}}\" }} }}\n\
         \x20 down: {{ http: {{ url: \"http://127.0.0.1:1\", json: \"{{{{ event }}}}\" }} }}\n\
         \x20 file: {{ jsonl: events.jsonl }}\n\
         routes:\n  - {{ name: all, steps: [ {{ dedupe: {{ by: \"{{{{ plate.text }}}}\", within: 1h }} }} ], each: plate, to: [vms, down, file] }}\n",
        receiver.url()
    );
    let mut dice = Dice(0x0f0e_0d0c_0b0a_0908);
    let mut camhook = Process::start(folder.path(), &routes);
    let mut secrets = Vec::new();
    for n in 0..60 {
        let photo = photo(&mut dice);
        if n % 20 == 7 {
            post(&camhook, SECRET, &photo).await;
            secrets.push(photo[100_000..100_032].to_vec());
        } else {
            post(&camhook, &format!("zz{n}yy"), &photo).await;
        }
    }
    // Of the three reads of one passage one is delivered.
    receiver.wait_for(58).await;
    eventually("all is in the file", async || {
        let file = std::fs::read_to_string(folder.path().join("events.jsonl"));
        file.is_ok_and(|text| text.lines().count() == 58)
    })
    .await;
    let data = folder.path().join("data");
    assert!(!holding(&data, SECRET.as_bytes()).is_empty());
    assert!(
        secrets
            .iter()
            .all(|photo| !holding(&data, photo).is_empty())
    );
    let listed = camhook.cli(&["forget", "AB-123 SECRET", "--dry-run"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(listed.matches("AB123SECRET").count(), 3, "{listed}");
    assert!(
        listed.contains("file") && listed.contains("nothing was removed"),
        "{listed}"
    );

    let mut kills = 0;
    loop {
        let asked = camhook_command(folder.path())
            .args(["--admin", &camhook.admin, "forget", "ab 123 secret"])
            .output();
        let asked = tokio::task::spawn_blocking(move || asked);
        if kills < 6 {
            tokio::time::sleep(Duration::from_millis(dice.below(120))).await;
        } else {
            let _ = asked.await.unwrap();
            eventually("it is forgotten", async || {
                !camhook
                    .get("/api/v1/forgotten")
                    .await
                    .as_array()
                    .unwrap()
                    .is_empty()
            })
            .await;
            break;
        }
        camhook.kill();
        kills += 1;
        camhook = Process::start_again(folder.path());
    }
    eventually("all is cleared away", async || {
        !data.join("forgetting.json").exists()
    })
    .await;
    assert_eq!(holding(&data, SECRET.as_bytes()), Vec::<PathBuf>::new());
    for photo in &secrets {
        assert_eq!(holding(&data, photo), Vec::<PathBuf>::new());
    }
    // What targets wrote is theirs.
    assert_eq!(holding(folder.path(), SECRET.as_bytes()).len(), 1);
    let events = camhook.rows(&["events", "--limit", "0"]);
    assert_eq!(events.len(), 57);
    for event in &events {
        let id = event["id"].as_str().unwrap();
        let url = format!("{}/api/v1/events/{id}/images/0", camhook.admin);
        let image = get(&url);
        assert!(image.await.bytes().await.unwrap().len() > 300_000);
    }
    let told = camhook.get("/api/v1/forgotten").await;
    assert_eq!(told[0]["events"], 3);
    assert_eq!(told[0]["ended"], 1);

    // And without a running camhook, in its own process.
    camhook.stop();
    let done = camhook_command(folder.path())
        .args(["forget", "zz1yy"])
        .output()
        .unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(
        said.contains("forgotten: 1 events") && said.contains("file"),
        "{said}"
    );
    assert_eq!(holding(&data, b"zz1yy"), Vec::<PathBuf>::new());
    let history = camhook_command(folder.path())
        .args(["forget"])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(history.stdout).unwrap().lines().count(),
        3
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_steers_by_a_plate_writes_it_into_no_log() {
    let folder = tempfile::tempdir().unwrap();
    let routes = "targets: { down: { http: { url: \"http://127.0.0.1:1\", json: {} } } }\nroutes: [{ to: [down] }]\n";
    let camhook = Process::logging(folder.path(), routes);
    for arguments in [
        &["forget", "AB-123 SECRET", "--dry-run"][..],
        &["forget", "AB-123 SECRET"],
        &["forget", SECRET, "--like"],
    ] {
        assert!(camhook.cli(arguments).status.success(), "{arguments:?}");
    }
    let asked = [
        (
            "/api/v1/jobs",
            "application/json",
            r#"{"action":"retry","plate":"ab123secret"}"#,
        ),
        (
            "/undelivered",
            "application/x-www-form-urlencoded",
            "action=retry&plate=AB123SECRET",
        ),
    ];
    for (path, kind, body) in asked {
        let url = format!("{}{path}", camhook.admin);
        let asked = client().post(url).header("content-type", kind).body(body);
        assert!(asked.send().await.unwrap().status().is_client_error()); // nothing of it is there
    }
    camhook.stop();
    let log = std::fs::read_to_string(folder.path().join("log.txt")).unwrap();
    assert_eq!(log.matches("steered").count(), 5, "{log}");
    assert!(log.contains("***"), "{log}");
    let upper = log.to_uppercase();
    assert!(
        !upper.contains("AB-123 SECRET") && !upper.contains("AB123SECRET"),
        "{log}"
    );
}
