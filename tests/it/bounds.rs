//! One budget of memory, a limit of open files, a log that cannot be flooded: what has a limit stays within it.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use image::ImageFormat;

use crate::harness::{
    Answer, Process, Receiver, Within, client, eventually, get, multipart, picture, recognition,
};

const MIB: u64 = 1 << 20;

async fn inflight(camhook: &Process) -> u64 {
    let metrics = get(&format!("{}/metrics", camhook.admin))
        .await
        .text()
        .await
        .unwrap();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("camhook_inflight_bytes "));
    line.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_large_pictures_stay_within_the_budget_and_all_arrive() {
    const BUDGET: u64 = 96 * MIB;
    let receiver = Receiver::new().await;
    let folder = tempfile::tempdir().unwrap();
    let routes = format!(
        "sources:\n  stream: {{ kind: platerecognizer, path: / }}\n\
         targets:\n  vms: {{ http: {{ url: \"{}\", image: \"{{{{ images.frame }}}}\" }}, concurrency: 8 }}\n\
         routes:\n  - {{ name: small, steps: [ {{ resize: {{ width: 640 }} }} ], to: [vms] }}\n\
         \x20 - {{ name: drawn, steps: [ {{ annotate: {{ caption: x }} }}, {{ resize: {{ width: 320 }} }} ], to: [vms] }}\n",
        receiver.url()
    );
    let listen = "server: { listen: 127.0.0.1:0, budget: 96MiB }\nadmin: { listen: 127.0.0.1:0 }\n";
    std::fs::write(
        folder.path().join("routes.yaml"),
        format!("{listen}{routes}"),
    )
    .unwrap();
    let camhook = Process::start_again(folder.path());
    let photo = picture(
        3840,
        2160,
        &[([100, 100, 900, 700], [200, 10, 10])],
        ImageFormat::Jpeg,
    );
    for n in 0..3 {
        let json = recognition("gate", &[(&format!("ab{n}"), [100, 100, 900, 700])]).to_string();
        let (kind, body) = multipart(&json, &[("upload", &photo)]);
        let sent = client()
            .post(&camhook.url)
            .header("content-type", kind)
            .body(body);
        assert_eq!(sent.send().await.unwrap().status(), 200);
    }
    let mut most = 0;
    while receiver.requests() < 6 {
        most = most.max(inflight(&camhook).await);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // A picture of 4K that is drawn upon is twice 25 MB: it was seen, and never two of them.
    assert!((40 * MIB..=BUDGET).contains(&most), "{most}");
    assert!(
        camhook.peak_memory() < 256 * 1024,
        "{} KiB",
        camhook.peak_memory()
    );
    eventually("all of it is given back", async || {
        inflight(&camhook).await == 0
    })
    .await;
    let taken = receiver.taken();
    let sizes = taken.iter().map(|taken| {
        let picture = image::load_from_memory(&taken.body).unwrap();
        picture.width()
    });
    let mut sizes: Vec<u32> = sizes.collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [[320; 3], [640; 3]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_without_room_in_the_budget_goes_on_as_it_came_and_says_so() {
    let receiver = Receiver::new().await;
    let folder = tempfile::tempdir().unwrap();
    let listen = "server: { listen: 127.0.0.1:0, budget: 8MiB }\nadmin: { listen: 127.0.0.1:0 }\n";
    let routes = format!(
        "{listen}sources:\n  stream: {{ kind: platerecognizer, path: / }}\n\
         targets:\n  vms: {{ http: {{ url: \"{}\", image: \"{{{{ images.frame }}}}\" }} }}\n\
         routes:\n  - {{ name: small, steps: [ {{ resize: {{ width: 640 }} }} ], to: [vms] }}\n",
        receiver.url()
    );
    std::fs::write(folder.path().join("routes.yaml"), routes).unwrap();
    let camhook = Process::start_again(folder.path());
    let photo = picture(1920, 1080, &[], ImageFormat::Jpeg);
    let json = recognition("gate", &[("ab1", [1, 1, 9, 9])]).to_string();
    let (kind, body) = multipart(&json, &[("upload", &photo)]);
    let sent = client()
        .post(&camhook.url)
        .header("content-type", kind)
        .body(body);
    assert_eq!(sent.send().await.unwrap().status(), 200);
    receiver.wait_for(1).await;
    assert_eq!(receiver.taken()[0].body, photo);
}

/// Seconds of the processor that it has used.
fn processor_time(camhook: &Process) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", camhook.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

#[tokio::test(flavor = "multi_thread")]
async fn without_enough_open_files_senders_wait_and_nothing_is_lost() {
    let receiver = Receiver::new().await;
    let folder = tempfile::tempdir().unwrap();
    let routes = format!(
        "sources:\n  stream: {{ kind: platerecognizer, path: / }}\n\
         targets:\n  vms: {{ http: {{ url: \"{}\", json: {{ plate: \"{{{{ event.plates[0].text }}}}\" }} }} }}\n\
         routes:\n  - {{ name: all, to: [vms] }}\n",
        receiver.url()
    );
    let camhook = Process::with_files(folder.path(), &routes, "ulimit -n 160");
    let told = std::fs::read_to_string(folder.path().join("log.txt")).unwrap();
    assert!(
        told.contains("160 open files are allowed") && told.contains("LimitNOFILE"),
        "{told}"
    );

    // More senders than there may be, who say nothing at first.
    let address = camhook.url.strip_prefix("http://").unwrap().to_owned();
    let idle: Vec<TcpStream> = (0..300)
        .filter_map(|_| {
            let address = address.parse().unwrap();
            TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()
        })
        .collect();
    assert!(idle.len() > 200, "{}", idle.len());
    let before = processor_time(&camhook);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let spent = processor_time(&camhook) - before;
    assert!(spent < 0.5, "{spent} s of the processor for nothing");

    // Events come meanwhile, and are answered once there is a place; each sender asks until it has its 200.
    let mut senders = tokio::task::JoinSet::new();
    for n in 0..30 {
        let url = camhook.url.clone();
        senders.spawn(async move {
            let body = recognition("gate", &[(&format!("ab{n}"), [1, 1, 9, 9])]).to_string();
            loop {
                let asked = client()
                    .post(&url)
                    .header("content-type", "application/json")
                    .body(body.clone())
                    .timeout(Duration::from_secs(5));
                if asked
                    .send()
                    .await
                    .is_ok_and(|answer| answer.status() == 200)
                {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(idle);
    senders.join_all().await;
    eventually("all thirty are there", async || {
        let mut plates: Vec<String> = receiver
            .taken()
            .iter()
            .map(|taken| String::from_utf8_lossy(&taken.body).into_owned())
            .collect();
        plates.sort();
        plates.dedup();
        plates.len() == 30
    })
    .await;
    let told = std::fs::read_to_string(folder.path().join("log.txt")).unwrap();
    assert!(told.lines().count() < 200, "{} lines", told.lines().count());
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_soft_limit_of_open_files_is_raised_to_the_hard_one() {
    let folder = tempfile::tempdir().unwrap();
    let routes =
        "targets:\n  log: { jsonl: events.jsonl }\nroutes:\n  - { name: all, to: [log] }\n";
    let camhook = Process::with_files(folder.path(), routes, "ulimit -Sn 128");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", camhook.id())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let numbers: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers[0], numbers[1], "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_refused_requests_does_not_fill_the_log() {
    const SENT: usize = 1_500;
    let folder = tempfile::tempdir().unwrap();
    let routes = "sources:\n  stream: { kind: platerecognizer, path: /only }\n\
         targets:\n  log: { jsonl: events.jsonl }\nroutes:\n  - { name: all, to: [log] }\n";
    let camhook = Process::logging(folder.path(), routes);
    let (client, begun) = (client(), Instant::now());
    for _ in 0..SENT {
        let answer = client
            .delete(format!("{}/only", camhook.url))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 405);
    }
    let seconds = begun.elapsed().as_secs() as usize;
    camhook.stop();
    let log = std::fs::read_to_string(folder.path().join("log.txt")).unwrap();
    let written = log
        .lines()
        .filter(|line| line.contains("refused a request") && !line.contains("such_as"))
        .count();
    assert!(
        written >= 10 && written <= 10 * (seconds + 2),
        "{written} in {seconds} s"
    );
    let left_out: usize = log
        .lines()
        .filter(|line| {
            line.contains("were left out of the log") && line.contains("refused a request")
        })
        .map(|line| {
            let (_, count) = line.split_once("count=").unwrap();
            count
                .split_whitespace()
                .next()
                .unwrap()
                .parse::<usize>()
                .unwrap()
        })
        .sum();
    assert_eq!(written + left_out, SENT);
}

/// Pictures that are fetched and a list that is refreshed ask the same budget as everybody else.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_fetched_and_refreshed_stays_within_a_tight_budget_and_all_arrives() {
    const BUDGET: u64 = 8 * MIB;
    let frame = "GIF89a".to_owned() + &"the whole frame ".repeat(60_000); // 1 MB
    let pictures = Receiver::that(move |taken| match taken.path.contains("full") {
        true => Answer::status(200).body(&frame),
        false => Answer::status(200).body("GIF89a only the face"),
    })
    .await;
    let rows: Vec<String> = (0..20_000)
        .map(|n| format!("{{\"plate\": \"AB{n}\"}}"))
        .collect();
    let rows = format!("[{}]", rows.join(","));
    let list = Receiver::that(move |_| Answer::status(200).body(&rows)).await;
    let receiver = Receiver::new().await;
    let folder = tempfile::tempdir().unwrap();
    let host = pictures.url().replace("http://", "");
    let routes = format!(
        "server: {{ listen: 127.0.0.1:0, budget: 8MiB }}\nadmin: {{ listen: 127.0.0.1:0 }}\n\
         lists:\n  large: {{ http: {{ url: \"{}/plates\", key: plate }} }}\n\
         sources:\n  ff: {{ kind: findface, path: /, fetch: {{ hosts: [\"{host}\"], networks: [127.0.0.0/8] }} }}\n\
         targets:\n  vms: {{ http: {{ url: \"{}\", image: \"{{{{ images.frame }}}}\" }}, concurrency: 8 }}\n\
         routes:\n  - {{ name: all, when: \"'AB19999' in lists.large\", to: [vms] }}\n",
        list.url(),
        receiver.url()
    );
    std::fs::write(folder.path().join("routes.yaml"), routes).unwrap();
    let camhook = Process::start_again(folder.path());
    list.wait_for(1).await;
    let lists = format!("{}/api/v1/lists", camhook.admin);
    eventually("the list is there", async || {
        get(&lists).await.text().await.unwrap().contains("20000")
    })
    .await;
    let held = receiver.hold().await;
    for n in 0..10 {
        let url = pictures.url();
        let event = serde_json::json!([{
            "id": format!("46116860184273879{n:02}"), "object_type": "face", "bs_type": "overall", "camera": 7,
            "created_date": "2026-01-31T12:00:00Z",
            "fullframe": format!("{url}/full.jpg"), "thumbnail": format!("{url}/face.jpg"),
        }]);
        let sent = client()
            .post(&camhook.url)
            .header("content-type", "application/json");
        let sent = sent.body(event.to_string()).send().await.unwrap();
        assert_eq!(sent.status(), 200);
    }
    let mut most = 0;
    eventually("a frame is on its way", async || {
        most = most.max(inflight(&camhook).await);
        most >= MIB
    })
    .await;
    drop(held);
    eventually("all of it has arrived", async || {
        most = most.max(inflight(&camhook).await);
        receiver.requests() == 10
    })
    .await;
    assert!(most <= BUDGET, "{most}");
    eventually("all of it is given back", async || {
        inflight(&camhook).await == 0
    })
    .await;
    for taken in receiver.taken() {
        assert_eq!(taken.body.len(), 6 + 16 * 60_000, "whole");
    }
}

/// Bytes that the files below a folder take of the disk, and whether any of them has these in it.
fn on_disk(folder: &std::path::Path, bytes: &[u8]) -> (u64, bool) {
    use std::os::unix::fs::MetadataExt;
    let (mut held, mut found) = (0, false);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let (more, there) = on_disk(&path, bytes);
            (held, found) = (held + more, found || there);
            continue;
        }
        held += path.metadata().unwrap().blocks() * 512;
        let content = std::fs::read(&path).unwrap();
        found |= content.windows(bytes.len()).any(|window| window == bytes);
    }
    (held, found)
}

#[tokio::test(flavor = "multi_thread")]
async fn old_pictures_leave_the_disk_by_themselves_and_their_events_stay() {
    let receiver = Receiver::new().await;
    let camhook = Within::start(&format!(
        "store: {{ path: data, keep: 30d, max_size: 64MiB, pictures: {{ keep: 1h }} }}\n\
         sources:\n  stream: {{ kind: platerecognizer, path: / }}\n\
         targets:\n  vms: {{ http: {{ url: \"{}\", original: true }} }}\n\
         routes:\n  - {{ name: all, to: [vms] }}\n",
        receiver.url()
    ))
    .await;
    let photo = picture(
        1280,
        720,
        &[([9, 9, 700, 500], [9, 90, 200])],
        ImageFormat::Png,
    );
    // Noise behind the picture's end, so that it is large, and not to be packed.
    let noise = |at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8 | 1;
    let noise: Vec<u8> = (0..1_000_000).map(noise).collect();
    let mark = &noise[500_000..500_040];
    for n in 0..4 {
        let json = recognition("gate", &[(&format!("ab{n}"), [9, 9, 90, 60])]).to_string();
        let photo = [&photo[..], &noise[..]].concat();
        let (kind, body) = multipart(&json, &[("upload", &photo)]);
        camhook.post(&kind, body).await;
    }
    receiver.wait_for(4).await;
    let data = camhook.folder().join("data");
    let (before, there) = on_disk(&data, mark);
    assert!(there && before > 4_000_000, "{before}");

    // Nobody is asked to do it: only time passes.
    camhook.advance(3.0 * 3_600.0).await;
    let (after, there) = on_disk(&data, mark);
    assert!(!there, "the pictures are on disk");
    // The segment that was begun since is as large as the one before it was, which is next to nothing now.
    assert!(after < before + 500_000, "{before} became {after}");
    let events = camhook.get("/api/v1/events").await;
    let events = events.as_array().unwrap();
    assert_eq!(events.len(), 4);
    for event in events {
        let note = event["repaired"][0].as_str().unwrap();
        assert!(note.contains("store.pictures.keep"), "{note}");
        assert_eq!(event["raw"]["hook"]["event"], "recognition");
        let id = event["id"].as_str().unwrap();
        let told = camhook.text(&format!("/api/v1/events/{id}/images/0")).await;
        assert!(told.contains("store.pictures.keep"), "{told}");
    }
}
