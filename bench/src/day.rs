//! A day of a target that takes connections and never answers, beside nine that are well: what the nine feel of it, and what
//! grows. Time runs faster for camhook (libfaketime), and so do the events come.
//!
//! What camhook waits for in its threads (the store's writer, for more to write at once) libfaketime does not reach: there it
//! waits for the next event, some tenths of a millisecond. All delays are told in real milliseconds.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::io::AsyncReadExt;

use crate::load::{self, Ack, Load};
use crate::sink::{self, Sink};
use crate::subject::{cpu_seconds, percentiles, port_of, spawn, status_kib, unused_port};
use crate::wire::{get, numbers};
use crate::{Options, disk};

/// Events in a second of camhook's time.
const RATE: u64 = 100;
/// Targets that are well; each event goes to one of them, and to the tenth.
const NINE: usize = 9;
const BODY: usize = 1_600;
/// Bounds that a run must keep, however much waits for the tenth.
const RSS_MAX_MIB: f64 = 512.0;
/// Besides the senders' connections.
const DESCRIPTORS_MAX: usize = 200;
/// Times the bodies.
const DISK_MAX: f64 = 3.0;
const LIBFAKETIME: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/// What an hour of it was like.
struct Hour {
    /// From the answer to the camera until one of the nine had it.
    p50_ms: f64,
    p99_ms: f64,
    answer_p99_ms: f64,
    rss_mib: f64,
    descriptors: usize,
    disk_mb: f64,
}

pub(crate) async fn measure(options: &Options, hours: u64) {
    println!(
        "{RATE} events a second of {BODY} bytes, each to one of {NINE} targets and to a tenth; a clock that goes {} times as fast",
        options.faster
    );
    // Long enough to see the machine's noise.
    let well = lived(options, hours.clamp(1, 3), false).await;
    let swallows = lived(options, hours, true).await;
    let middle = |hours: &[Hour], what: fn(&Hour) -> f64| crate::median(hours.iter().map(what));
    for (what, of) in [
        ("p50", (|hour| hour.p50_ms) as fn(&Hour) -> f64),
        ("p99", |hour| hour.p99_ms),
        ("p99 of the answer", |hour| hour.answer_p99_ms),
    ] {
        let (one, other) = (middle(&well, of), middle(&swallows, of));
        println!(
            "   {what}, one swallows / all are well: {:.2} x",
            other / one
        );
    }
}

async fn lived(options: &Options, hours: u64, swallows: bool) -> Vec<Hour> {
    let folder = options.data.join("day");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let events = RATE * 3_600 * hours;
    let start = Instant::now();
    let (nine, sink) = sink::listen(events as usize, start).await;
    let tenth = if swallows {
        swallow().await
    } else {
        sink::listen(0, start).await.0
    };
    let config = folder.join("routes.yaml");
    let admin = unused_port();
    std::fs::write(&config, routes(admin, nine, tenth)).unwrap();
    let mut command = Command::new(&options.camhook);
    command
        .args(["run", "--config"])
        .arg(&config)
        .env("LD_PRELOAD", libfaketime())
        .env("FAKETIME", format!("+0 x{}", options.faster));
    let begun = Timestamp::now();
    let (mut child, port) = spawn(command, port_of);
    println!(
        "== {hours} hours, {}",
        if swallows {
            "one swallows"
        } else {
            "all are well"
        }
    );
    let load = Load {
        port,
        paths: NINE,
        size: BODY,
        connections: options.connections,
        duration: Duration::MAX,
        rate: RATE * options.faster,
        events_max: events as usize,
    };
    let ended = Arc::new(AtomicBool::new(false));
    let watch = tokio::spawn(watch(
        child.id(),
        folder.clone(),
        options.faster,
        ended.clone(),
    ));
    let (acks, refused) = load::run(&load, start).await;
    // The last of them arrive.
    let mut seen = (0, Instant::now());
    while seen.0 < acks.len() as u64 && seen.1.elapsed() < Duration::from_secs(20) {
        let now = sink.requests.load(Ordering::Relaxed);
        if now > seen.0 {
            seen = (now, Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    ended.store(true, Ordering::Relaxed);
    let watched = watch.await.unwrap();
    let passed = now_of(admin).await.duration_since(begun).as_secs_f64() / 3_600.0;
    // One target that takes what nine do may be behind when the load ends, on a machine that is as fast as the clock.
    let due = if swallows { acks.len() as u64 } else { 0 };
    let asked = Instant::now();
    let mut pending = pending(admin).await;
    while pending != Some(due) && asked.elapsed() < Duration::from_secs(600) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        pending = self::pending(admin).await;
    }
    let peak_mib = status_kib(child.id(), "VmHWM:") / 1024.0;
    println!(
        "   {} acknowledged, {refused} refused, {} requests at the nine, {pending:?} pending; camhook lived {passed:.1} hours; peak RSS {peak_mib:.0} MiB, CPU {:.0} us an event",
        acks.len(),
        seen.0,
        cpu_seconds(child.id()) * 1e6 / acks.len() as f64
    );
    let _ = child.kill();
    let _ = child.wait();
    let _ = std::fs::remove_dir_all(&folder);
    let by_hour = by_hour(&acks, &sink, &watched);
    assert_eq!((acks.len() as u64, refused), (events, 0), "all is taken");
    assert_eq!(pending, Some(due), "only what the tenth swallowed waits");
    assert!(
        (0.99..1.2).contains(&(passed / hours as f64)),
        "its clock did not go {} times as fast, or the machine is too slow for that",
        options.faster
    );
    // Also between two looks, and while it catches up.
    assert!(peak_mib < RSS_MAX_MIB, "it grows");
    for (_, descriptors, _) in &watched {
        assert!(
            *descriptors < options.connections + DESCRIPTORS_MAX,
            "descriptors leak"
        );
    }
    let per_event = by_hour
        .last()
        .map_or(0.0, |last| last.disk_mb * 1e6 / acks.len() as f64);
    println!("   {per_event:.0} bytes of disk an event");
    // A segment is made before it is needed.
    assert!(
        per_event < DISK_MAX * BODY as f64 + 128e6 / acks.len() as f64,
        "the disk fills"
    );
    by_hour
}

/// Asks every second how large the process is, until it has ended; the most of each hour.
async fn watch(
    pid: u32,
    folder: PathBuf,
    faster: u64,
    ended: Arc<AtomicBool>,
) -> Vec<(f64, usize, f64)> {
    let begun = Instant::now();
    let mut hours: Vec<(f64, usize, f64)> = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let hour = (begun.elapsed().as_secs_f64() * faster as f64 / 3_600.0) as usize;
        hours.resize(hours.len().max(hour + 1), (0.0, 0, 0.0));
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        let most = &mut hours[hour];
        most.0 = most.0.max(status_kib(pid, "VmRSS:") / 1024.0);
        most.1 = most.1.max(open);
        most.2 = most.2.max(disk::usage(&folder) as f64 / 1e6);
    }
    hours
}

fn by_hour(acks: &[Ack], sink: &Sink, watched: &[(f64, usize, f64)]) -> Vec<Hour> {
    println!(
        "   | hour | to the nine p50 / p99 ms | answer p99 ms | RSS MiB | open files | disk MB |"
    );
    println!("   |---|---|---|---|---|---|");
    let mut hours = Vec::new();
    let of = |ack: &Ack| ack.event / (RATE * 3_600);
    let mut acks: Vec<&Ack> = acks.iter().collect();
    acks.sort_unstable_by_key(|ack| ack.event);
    for (n, acks) in acks.chunk_by(|one, other| of(one) == of(other)).enumerate() {
        let mut lags = Vec::with_capacity(acks.len());
        for ack in acks {
            let at = sink.first[ack.event as usize].load(Ordering::Relaxed);
            assert!(
                at > 0,
                "event {} was acknowledged and never arrived",
                ack.event
            );
            lags.push(u32::try_from(at.saturating_sub(ack.at_us)).unwrap_or(u32::MAX));
        }
        lags.sort_unstable();
        let (p50_ms, p99_ms) = percentiles(&lags);
        let mut answers: Vec<u32> = acks.iter().map(|ack| ack.latency_us).collect();
        answers.sort_unstable();
        let (rss_mib, descriptors, disk_mb) = watched.get(n).copied().unwrap_or_default();
        let hour = Hour {
            p50_ms,
            p99_ms,
            answer_p99_ms: percentiles(&answers).1,
            rss_mib,
            descriptors,
            disk_mb,
        };
        println!(
            "   | {} | {:.1} / {:.1} | {:.1} | {:.0} | {} | {:.0} |",
            n + 1,
            hour.p50_ms,
            hour.p99_ms,
            hour.answer_p99_ms,
            hour.rss_mib,
            hour.descriptors,
            hour.disk_mb
        );
        hours.push(hour);
    }
    hours
}

/// Takes connections, reads, and never answers.
async fn swallow() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
            });
        }
    });
    port
}

fn routes(admin: u16, nine: u16, tenth: u16) -> String {
    let mut yaml = format!(
        "server: {{ listen: 127.0.0.1:0 }}\nadmin: {{ listen: 127.0.0.1:{admin} }}\nlog: {{ level: error }}\n\
         store: {{ path: data, keep: 30d, max_size: 100GiB }}\n\
         targets:\n  tenth: {{ http: {{ url: \"http://127.0.0.1:{tenth}/\", original: true }} }}\n"
    );
    let lines =
        |line: fn(usize, u16) -> String| (0..NINE).map(|n| line(n, nine)).collect::<String>();
    yaml += &lines(|n, nine| {
        format!("  t{n}: {{ http: {{ url: \"http://127.0.0.1:{nine}/{n}\", original: true }} }}\n")
    });
    yaml += "sources:\n";
    yaml += &lines(|n, _| format!("  s{n}: {{ kind: platerecognizer, path: /{n} }}\n"));
    yaml += "routes:\n";
    yaml += &lines(|n, _| format!("  - {{ name: r{n}, from: [s{n}], to: [t{n}, tenth] }}\n"));
    yaml
}

fn libfaketime() -> &'static str {
    let found = LIBFAKETIME
        .iter()
        .find(|path| std::path::Path::new(path).exists());
    found.expect("libfaketime makes the clock go faster: apt-get install libfaketime")
}

/// When camhook took the last event, by its own clock.
async fn now_of(admin: u16) -> Timestamp {
    let text = get(admin, "/api/v1/events?limit=1").await;
    let text = text.unwrap_or_default();
    let (_, rest) = text.split_once("\"received_at\":\"").unwrap_or_default();
    let moment = rest.split('"').next().and_then(|text| text.parse().ok());
    moment.expect("the API tells when an event was received")
}

/// Deliveries that wait, of all targets.
async fn pending(admin: u16) -> Option<u64> {
    let text = get(admin, "/api/v1/targets").await?;
    Some(numbers(&text, "\"pending\":") + numbers(&text, "\"held\":"))
}
