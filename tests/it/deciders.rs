//! Steps that are decided once keep their promises across `kill -9`, with events out of order and sent twice.
//!
//! `CAMHOOK_SEED=…` repeats a run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use serde_json::{Value, json};

use crate::durability::{Dice, number};
use crate::harness::{Process, Receiver, Within, eventually};

/// So few that no more halves wait at once than `pair` remembers.
const VEHICLES: u64 = 20;
const KILLS: u64 = 6;
/// Vehicles come twice, this much apart by the cameras' clocks.
const LATER_MS: i64 = 180_000;

fn shuffle<T>(dice: &mut Dice, all: &mut [T]) {
    for n in (1..all.len()).rev() {
        all.swap(n, usize::try_from(dice.below(n as u64 + 1)).unwrap());
    }
}

/// Reads of every passage by three cameras, in any order, some of them twice.
fn reads(dice: &mut Dice, base: i64) -> Vec<Value> {
    let mut reads = Vec::new();
    for vehicle in 0..VEHICLES {
        for passage in [base - LATER_MS, base] {
            for camera in ["gate", "gate", "gate", "front", "rear"] {
                let captured = passage + i64::try_from(dice.below(3_000)).unwrap();
                let captured = jiff::Timestamp::from_millisecond(captured).unwrap();
                let read = json!({
                    "kind": "plate", "occurred_at": captured.to_string(), "camera": { "id": camera },
                    "plates": [{ "text": format!("V{vehicle:04}"), "score": dice.below(1_000) as f64 / 1_000.0 }],
                });
                if dice.below(4) == 0 {
                    reads.push(read.clone());
                }
                reads.push(read);
            }
        }
    }
    shuffle(dice, &mut reads);
    reads
}

fn routes(receiver: &Receiver) -> String {
    let body = "json: { plate: \"{{ plate.text }}\", at: \"{{ event.occurred_at | epoch_ms }}\", \
                merged: \"{{ delivery.merged_count }}\", front: \"{{ pair.front.occurred_at | epoch_ms }}\", \
                rear: \"{{ pair.rear.occurred_at | epoch_ms }}\" }";
    let target = |name: &str| {
        let url = receiver.url();
        format!(
            "  {name}: {{ http: {{ url: \"{url}/{name}\", {body} }}, retry: {{ initial: 50ms }} }}\n"
        )
    };
    let targets: String = ["first", "best", "pairs", "few"]
        .into_iter()
        .map(target)
        .collect();
    format!(
        "log: {{ level: error }}\nsources: {{ cams: {{ kind: generic, path: / }} }}\ntargets:\n{targets}\
         routes:\n\
         \x20 - {{ name: first, each: plate, when: event.camera.id == 'gate', to: [first], steps: [{{ dedupe: {{ late: 10m }} }}] }}\n\
         \x20 - {{ name: best, each: plate, when: event.camera.id == 'gate', to: [best], \
               steps: [{{ dedupe: {{ by: \"{{{{ plate.text }}}}\", within: 6s, keep: best, late: 10m }} }}] }}\n\
         \x20 - {{ name: pairs, each: plate, when: event.camera.id != 'gate', to: [pairs], \
               steps: [{{ pair: {{ front: [front], rear: [rear], within: 60s, edits: 0, late: 10m }} }}] }}\n\
         \x20 - {{ name: few, to: [few], steps: [{{ throttle: {{ by: all, rate: {{ count: 20, per: 2s }} }} }}] }}\n"
    )
}

fn now_ms() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "the cameras' clock")]
    jiff::Timestamp::now().as_millisecond()
}

/// Sends each until it is acknowledged, some again though it was.
async fn send(mut reads: Vec<Value>, address: Arc<RwLock<String>>) {
    let client = crate::harness::client();
    while let Some(read) = reads.pop() {
        loop {
            let url = address.read().unwrap().clone();
            let sent = client
                .post(url)
                .header("content-type", "application/json")
                .body(read.to_string())
                .timeout(Duration::from_secs(5))
                .send();
            match sent.await {
                Ok(answer) if answer.status().is_success() => break,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_passage_is_delivered_once_and_no_rate_is_exceeded_however_often_it_is_killed() {
    let seed = number("CAMHOOK_SEED", 0x5eed_0dec_1de5_0001);
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let receiver = Receiver::new().await;
    let folder = tempfile::tempdir().unwrap();
    let mut camhook = Process::start(folder.path(), &routes(&receiver));
    let address = Arc::new(RwLock::new(camhook.url.clone()));

    let base = now_ms() - 60_000;
    let reads = reads(&mut dice, base);
    let mut senders = tokio::task::JoinSet::new();
    for part in reads.chunks(reads.len().div_ceil(4)) {
        senders.spawn(send(part.to_vec(), address.clone()));
    }
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(150 + dice.below(400))).await;
        camhook.kill();
        camhook = Process::start_again(folder.path());
        address.write().unwrap().clone_from(&camhook.url);
    }
    senders.join_all().await;

    let passages = usize::try_from(VEHICLES).unwrap() * 2;
    eventually("nothing waits any more", async || {
        let waiting = camhook.rows(&["deliveries", "--fate", "pending", "--limit", "0"]);
        waiting.is_empty()
    })
    .await;
    for target in ["first", "best", "pairs"] {
        let taken = receiver.taken().into_iter();
        let mut keys: BTreeMap<(String, bool), BTreeSet<String>> = BTreeMap::new();
        for taken in taken.filter(|taken| taken.path == format!("/{target}")) {
            let body: Value = serde_json::from_slice(&taken.body).unwrap();
            let is_later = |field: &str| body[field].as_i64().map(|at| at >= base);
            let later = is_later("at").unwrap();
            if target == "pairs" {
                let halves = (is_later("front"), is_later("rear"));
                assert_eq!(halves, (Some(later), Some(later)), "{body}");
            }
            let passage = (body["plate"].as_str().unwrap().to_owned(), later);
            keys.entry(passage)
                .or_default()
                .insert(taken.key().to_owned());
        }
        assert_eq!(keys.len(), passages, "{target}");
        let repeated = keys.iter().find(|(_, keys)| keys.len() != 1);
        assert_eq!(repeated, None, "{target}");
    }

    // What was filtered as the same as another event was never filtered for the sake of one that is not kept.
    let events = camhook.rows(&["events", "--limit", "0"]);
    let kept: BTreeSet<&str> = events
        .iter()
        .filter_map(|event| event["id"].as_str())
        .collect();
    let mut same = 0;
    for event in &events {
        for route in event["routes"].as_array().unwrap() {
            let why = route["condition"].as_str().unwrap_or_default();
            if let Some((_, rest)) = why.split_once("same as ") {
                assert!(kept.contains(&rest[..36]), "{why}");
                same += 1;
            }
        }
    }
    assert!(same > passages, "the reads were too few to mean anything");

    // An id tells the moment that the delivery was decided by, in milliseconds.
    let few = camhook.rows(&["deliveries", "--target", "few", "--limit", "0"]);
    let planned = |delivery: &Value| {
        let id = delivery["id"].as_str().unwrap().replace('-', "");
        i64::from_str_radix(&id[..12], 16).unwrap()
    };
    let mut planned: Vec<i64> = few.iter().map(planned).collect();
    planned.sort_unstable();
    assert!(planned.len() >= 20);
    for later in planned.windows(21) {
        let took = later[20] - later[0];
        assert!(took >= 2_000, "more than 20 in 2 s: 21 in {took} ms");
    }
    camhook.stop();
}

#[tokio::test]
async fn a_pair_whose_first_half_was_damaged_on_disk_goes_without_it() {
    let target = Receiver::new().await;
    target.go_away().await;
    let routes = format!(
        "sources: {{ lane: {{ kind: generic, path: / }} }}\n\
         targets: {{ visits: {{ http: {{ url: \"{}\", json: {{ front: \"{{{{ pair.front.plates[0].text }}}}\", own: \"{{{{ plate.text }}}}\" }} }} }} }}\n\
         routes:\n  - {{ name: lane, each: plate, steps: [{{ pair: {{ front: [front], rear: [rear] }} }}], to: [visits] }}\n",
        target.url()
    );
    let camhook = Within::start(&routes).await;
    for camera in ["front", "rear"] {
        let half =
            format!(r#"{{ "camera": "{camera}", "plate": "AB123CD", "note": "of the {camera}" }}"#);
        camhook.post("application/json", half.into()).await;
    }
    assert_eq!(camhook.fates().await, ["pending", "filtered"]);
    let segment = camhook.folder().join("data/log/0000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let note = b"of the front";
    let at = bytes.windows(note.len()).position(|some| some == note);
    bytes[at.unwrap()] ^= 4;
    std::fs::write(&segment, &bytes).unwrap();

    target.come_back().await;
    let camhook = camhook.restarted(&routes).await;
    camhook.advance(60.0).await;
    assert_eq!(camhook.fates().await, ["delivered", "filtered"]);
    let sent: Value = serde_json::from_slice(&target.taken()[0].body).unwrap();
    assert_eq!(sent, json!({ "own": "AB123CD" }));
}
