//! `kill -9` at random moments, under load, with a target that comes and goes: what was acknowledged is not lost.
//!
//! The suite's loop is short. The long one: `CAMHOOK_KILLS=300 cargo test --release durability -- --nocapture`, and
//! `CAMHOOK_SEED=…` repeats a run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use crate::harness::{Answer, Process, Receiver, eventually, form_event, multipart_event};

pub(crate) fn number(name: &str, default: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the knobs of the long run")]
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

fn body_of(n: usize) -> (String, Vec<u8>) {
    if n.is_multiple_of(3) {
        form_event(n)
    } else {
        multipart_event(n)
    }
}

/// The event's number, found in a body as it went out.
fn event_of(body: &[u8]) -> usize {
    let at = body
        .windows(6)
        .position(|window| window == b"event-")
        .expect("every event has its number");
    std::str::from_utf8(&body[at + 6..at + 14])
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_however_often_it_is_killed() {
    let kills = number("CAMHOOK_KILLS", 25);
    let seed = number("CAMHOOK_SEED", 0x5eed_cafe_f00d_0001);
    println!("{kills} kills, seed {seed}");
    let mut dice = Dice(seed);

    let steady = Receiver::new().await;
    let flapping = Receiver::new().await;
    let folder = tempfile::tempdir().unwrap();
    let routes = format!(
        "log: {{ level: error }}\n\
         sources:\n  stream: {{ kind: platerecognizer, path: / }}\n\
         targets:\n\
         \x20 steady: {{ http: {{ url: \"{}/s\", original: true }}, concurrency: 8 }}\n\
         \x20 flapping:\n    http: {{ url: \"{}/f\", original: true }}\n    concurrency: 2\n    order: camera\n\
         \x20   retry: {{ initial: 20ms, max: 200ms, attempts: 0 }}\n\
         \x20   breaker: {{ failures: 3, cool_down: 100ms }}\n\
         routes:\n  - {{ name: all, to: [steady, flapping] }}\n",
        steady.url(),
        flapping.url(),
    );

    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    let next = Arc::new(AtomicUsize::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let address = Arc::new(RwLock::new(String::new()));
    let mut camhook = Process::start(folder.path(), &routes);
    address.write().unwrap().clone_from(&camhook.url);

    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (acknowledged, next, done, address) = (
            acknowledged.clone(),
            next.clone(),
            done.clone(),
            address.clone(),
        );
        senders.spawn(async move {
            let client = crate::harness::client();
            while !done.load(Ordering::Relaxed) {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let (kind, body) = body_of(n);
                let url = address.read().unwrap().clone();
                let sent = client
                    .post(url)
                    .header("content-type", kind)
                    .body(body)
                    .send()
                    .await;
                match sent {
                    Ok(answer) if answer.status().is_success() => {
                        acknowledged.lock().unwrap().insert(n);
                    }
                    _ => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        });
    }

    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(20 + dice.below(300))).await;
        match dice.below(3) {
            0 => flapping.always(Some(Answer::status(503))),
            1 => flapping.go_away().await,
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(dice.below(100))).await;
        camhook.kill();
        flapping.always(None);
        flapping.go_away().await;
        flapping.come_back().await;
        camhook = Process::start_again(folder.path());
        address.write().unwrap().clone_from(&camhook.url);
    }
    done.store(true, Ordering::Relaxed);
    senders.join_all().await;

    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(
        acknowledged.len() > kills as usize,
        "the load was too small to mean anything"
    );
    println!(
        "{} acknowledged of {} sent",
        acknowledged.len(),
        next.load(Ordering::Relaxed)
    );

    // Everything is alive now: what is pending arrives.
    for receiver in [&steady, &flapping] {
        eventually("all that was acknowledged arrives", async || {
            let arrived: BTreeSet<usize> = accepted(receiver).map(|(event, ..)| event).collect();
            acknowledged.is_subset(&arrived)
        })
        .await;
        let mut keys: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        for (event, key, body) in accepted(receiver) {
            assert!(body == body_of(event).1, "event {event} changed on the way");
            keys.entry(event).or_default().insert(key);
        }
        for (event, keys) in keys {
            assert_eq!(
                keys.len(),
                1,
                "event {event} was repeated under another idempotency key"
            );
        }
    }
    camhook.stop();
}

fn accepted(receiver: &Receiver) -> impl Iterator<Item = (usize, String, Vec<u8>)> {
    let taken = receiver
        .taken()
        .into_iter()
        .filter(|taken| taken.answered == 200);
    taken.map(|taken| {
        (
            event_of(&taken.body),
            taken.key().to_owned(),
            taken.body.to_vec(),
        )
    })
}
