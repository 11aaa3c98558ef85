//! One of ten targets takes everything and answers nothing: the other nine get what is theirs, and camhook does not grow.
//!
//! That the nine get it at the same moments is shown in simulated time (`delivery::tests`). Here is the real process.
//! Longer: `CAMHOOK_EVENTS=20000 cargo test --release --test it black_hole -- --nocapture`; it tells what it measured.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::durability::number;
use crate::harness::{Harm, Process, Receiver, Villain, client, eventually, multipart_event};

/// What was measured of one run.
#[derive(Debug)]
struct Measured {
    /// From the answer to the camera until the nine had it, at half and at 99 of 100.
    delivery_ms: (u64, u64),
    memory_kib: u64,
    descriptors: usize,
    disk_per_event: u64,
}

async fn run(events: usize, with_hole: bool) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let (mut nine, mut names) = (Vec::new(), Vec::new());
    let mut routes = String::from(
        "log: { level: error }\nsources:\n  pr: { kind: platerecognizer, path: / }\ntargets:\n",
    );
    for n in 0..9 {
        let receiver = Receiver::new().await;
        writeln!(
            routes,
            "  t{n}: {{ http: {{ url: \"{}\", original: true }} }}",
            receiver.url()
        )
        .unwrap();
        names.push(format!("t{n}"));
        nine.push(receiver);
    }
    let hole = Villain::that(Harm::Swallows).await;
    if with_hole {
        // Its time-out is so short that it is asked again and again.
        writeln!(routes, "  hole: {{ http: {{ url: \"{}\", original: true, timeout: 1s }}, breaker: {{ cool_down: 1s }} }}", hole.url()).unwrap();
        names.push("hole".to_owned());
    }
    writeln!(
        routes,
        "routes:\n  - {{ name: all, to: [{}] }}",
        names.join(", ")
    )
    .unwrap();
    let mut camhook = Process::start(folder.path(), &routes);

    let before = camhook.disk();
    let mut senders = JoinSet::new();
    for sender in 0..4 {
        let (client, url) = (client(), camhook.url.clone());
        senders.spawn(async move {
            for n in (sender..events).step_by(4) {
                let (kind, body) = multipart_event(n);
                let answer = client
                    .post(&url)
                    .header("content-type", kind)
                    .body(body)
                    .send()
                    .await
                    .unwrap();
                assert_eq!(answer.status(), 200);
            }
        });
    }
    let (mut descriptors, mut done) = (0, false);
    let begun = Instant::now();
    while !done {
        descriptors = descriptors.max(camhook.descriptors());
        while senders.try_join_next().is_some() {}
        done = senders.is_empty() && nine.iter().all(|receiver| receiver.requests() >= events);
        assert!(
            begun.elapsed() < Duration::from_secs(60 + events as u64 / 10),
            "the nine never get it all"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if with_hole {
        eventually("the hole is asked again", async || hole.connections() > 5).await;
        let pending = camhook
            .get("/api/v1/deliveries?target=hole&fate=pending&limit=0")
            .await;
        assert_eq!(
            pending.as_array().unwrap().len(),
            events,
            "what the hole swallowed is still its own"
        );
    }
    for receiver in &nine {
        assert_eq!(receiver.requests(), events, "each once");
    }
    assert!(camhook.is_running());
    Measured {
        delivery_ms: delivery_ms(&camhook).await,
        memory_kib: camhook.peak_memory(),
        descriptors,
        disk_per_event: camhook.disk().saturating_sub(before) / events as u64,
    }
}

/// From the histogram of all nine: the bounds of the buckets that half and 99 of 100 deliveries are in.
async fn delivery_ms(camhook: &Process) -> (u64, u64) {
    let text = crate::harness::get(&format!("{}/metrics", camhook.admin))
        .await
        .text()
        .await
        .unwrap();
    let mut buckets: Vec<(f64, u64)> = Vec::new();
    for line in text
        .lines()
        .filter(|line| line.starts_with("camhook_delivery_seconds_bucket"))
    {
        let bound = line
            .split("le=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let bound: f64 = bound.replace("+Inf", "inf").parse().unwrap();
        let count: f64 = line.split_whitespace().last().unwrap().parse().unwrap();
        match buckets.iter_mut().find(|(known, _)| *known == bound) {
            Some((_, sum)) => *sum += count as u64,
            None => buckets.push((bound, count as u64)),
        }
    }
    buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let all = buckets.last().unwrap().1;
    let at = |part: f64| {
        let bucket = buckets
            .iter()
            .find(|(_, count)| *count as f64 >= all as f64 * part);
        (bucket.unwrap().0 * 1_000.0) as u64
    };
    (at(0.5), at(0.99))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nine_targets_get_all_of_theirs_beside_one_that_swallows_and_nothing_grows() {
    let events = number("CAMHOOK_EVENTS", 300) as usize;
    let without = run(events, false).await;
    let with = run(events, true).await;
    for (what, measured) in [("nine targets", &without), ("and one that swallows", &with)] {
        let (half, most) = measured.delivery_ms;
        println!("{events} events, {what}: p50 / p99 within {half} / {most} ms, {measured:?}");
    }
    // No more connections than `concurrency`, however much waits.
    assert!(
        with.descriptors <= without.descriptors + 30,
        "{with:?}, without it {without:?}"
    );
    assert!(with.memory_kib < 256 * 1024, "{with:?}");
    // The body is there once; what waits costs its row.
    let payload = multipart_event(0).1.len() as u64;
    let begun = (128 << 20) / events as u64; // a segment is there before it is needed
    assert!(
        with.disk_per_event < begun + 4 * payload + 10 * 1_000,
        "{with:?}"
    );
}
