//! Many cameras that track: each posts where its targets are, several times a second on one kept-alive connection, and
//! none of it is worth much. What counts is that all is taken, and that nothing grows.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::load::answer;
use crate::subject::{cpu_seconds, port_of, spawn, status_kib, unused_port};
use crate::wire::{get, numbers};
use crate::{Options, disk};

/// Posts of each camera in a second.
const RATE: f64 = 7.0;
/// Targets in sight of each camera, and for how long each stays.
const TARGETS: u64 = 3;
const STAY: f64 = 10.0;
/// As large as the posts of real cameras.
const BODY: usize = 1_700;

#[derive(Default)]
struct Counts {
    answered: AtomicU64,
    /// Answers other than 200, and connections that were closed.
    refused: AtomicU64,
    cut: AtomicU64,
}

pub(crate) async fn measure(options: &Options, cameras: usize) {
    let folder = options.data.join("run");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let (config, admin) = (folder.join("routes.yaml"), unused_port());
    let yaml = format!(
        "server: {{ listen: 127.0.0.1:0 }}\nadmin: {{ listen: 127.0.0.1:{admin} }}\nlog: {{ level: warn }}\n\
         targets: {{ told: {{ jsonl: told.jsonl }} }}\nroutes: [ {{ name: tracks, steps: [track], to: [told] }} ]\n"
    );
    std::fs::write(&config, yaml).unwrap();
    let mut command = Command::new(&options.camhook);
    command.args(["run", "--config"]).arg(&config);
    let (mut child, port) = spawn(command, port_of);
    let rss = || status_kib(child.id(), "VmRSS:") / 1024.0;
    println!(
        "tracks: {cameras} cameras, {RATE} posts/s each, {TARGETS} targets in a post of {BODY} bytes, {} s",
        options.seconds
    );

    let counts = Arc::new(Counts::default());
    let (begin, length) = (Instant::now(), Duration::from_secs_f64(options.seconds));
    let senders: Vec<_> = (0..cameras)
        .map(|n| tokio::spawn(camera(n, cameras, port, begin, length, counts.clone())))
        .collect();
    let mut minutes = Vec::new();
    while begin.elapsed() < length {
        tokio::time::sleep(Duration::from_secs_f64(options.seconds / 6.0)).await;
        minutes.push(rss());
    }
    let mut latencies = Vec::new();
    for sender in senders {
        latencies.extend(sender.await.unwrap());
    }
    let took = begin.elapsed().as_secs_f64();
    let cpu = cpu_seconds(child.id());
    let ended = Instant::now();
    let indexed = settled(admin).await;
    let behind = ended.elapsed().as_secs_f64() - SETTLED.as_secs_f64();

    let answered = counts.answered.load(Ordering::Relaxed);
    latencies.sort_unstable();
    let at = |q: f64| {
        latencies
            .get((latencies.len() as f64 * q) as usize)
            .copied()
    };
    let ms = |q| f64::from(at(q).unwrap_or(0)) / 1e3;
    let wanted = (cameras as f64 * RATE * options.seconds).round();
    println!(
        "  answered 200: {answered} of {wanted} ({:.0}/s), other answers: {}, connections cut: {}",
        answered as f64 / took,
        counts.refused.load(Ordering::Relaxed),
        counts.cut.load(Ordering::Relaxed),
    );
    println!(
        "  answer after p50/p99/max {:.1}/{:.1}/{:.1} ms of when it was due, CPU {:.0} us a post",
        ms(0.5),
        ms(0.99),
        f64::from(latencies.last().copied().unwrap_or(0)) / 1e3,
        cpu * 1e6 / answered.max(1) as f64
    );
    println!(
        "  index: {indexed} events, behind by {:.1} s at the end; told: {} lines; disk {:.0} MB",
        behind.max(0.0),
        std::fs::read_to_string(folder.join("told.jsonl")).map_or(0, |text| text.lines().count()),
        disk::usage(&folder) as f64 / 1e6
    );
    let minutes: Vec<String> = minutes.iter().map(|mib| format!("{mib:.0}")).collect();
    println!(
        "  RSS MiB over time: {}; at the end {:.0}, peak {:.0}",
        minutes.join(" "),
        rss(),
        status_kib(child.id(), "VmHWM:") / 1024.0
    );
    let _ = child.kill();
    let _ = child.wait();
    let _ = std::fs::remove_dir_all(&folder);
}

/// Posts until the time is over; returns how long after its moment each was answered, in microseconds.
async fn camera(
    n: usize,
    of: usize,
    port: u16,
    begin: Instant,
    length: Duration,
    counts: Arc<Counts>,
) -> Vec<u32> {
    let mut latencies = Vec::new();
    let mut buffer = Vec::with_capacity(1024);
    let mut stream = connect(port).await;
    let phase = n as f64 / of as f64 / RATE;
    for post in 0.. {
        let due = Duration::from_secs_f64(phase + f64::from(post) / RATE);
        if due >= length {
            break;
        }
        tokio::time::sleep_until((begin + due).into()).await;
        let sent = stream.write_all(&request(n, due)).await.is_ok();
        match if sent {
            answer(&mut stream, &mut buffer).await
        } else {
            None
        } {
            Some(200) => {
                counts.answered.fetch_add(1, Ordering::Relaxed);
                let late = begin.elapsed().saturating_sub(due);
                latencies.push(u32::try_from(late.as_micros()).unwrap_or(u32::MAX));
            }
            Some(_) => drop(counts.refused.fetch_add(1, Ordering::Relaxed)),
            None => {
                counts.cut.fetch_add(1, Ordering::Relaxed);
                buffer.clear();
                stream = connect(port).await;
            }
        }
    }
    latencies
}

async fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Where the targets of a camera are, as a Viewtron camera posts it.
fn request(camera: usize, due: Duration) -> Vec<u8> {
    let at = std::time::SystemTime::now();
    let at = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let items: String = (0..TARGETS)
        .map(|target| {
            // They come one after the other.
            let age = due.as_secs_f64() + STAY * target as f64 / TARGETS as f64;
            let id = (age / STAY) as u64 * TARGETS + target;
            let x = (age % STAY / STAY * 8_000.0) as u64;
            format!(
                "<item><targetId type=\"uint32\">{id}</targetId><point><x type=\"uint32\">0</x><y type=\"uint32\">0</y></point>\
                 <rect><x1 type=\"uint32\">{x}</x1><y1 type=\"uint32\">4000</y1><x2 type=\"uint32\">{}</x2><y2 type=\"uint32\">6000</y2></rect>\
                 <velocity type=\"uint32\">0</velocity><direction type=\"uint32\">0</direction>\
                 <targetType type=\"targetType\">car</targetType></item>\n",
                x + 900
            )
        })
        .collect();
    let mut body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<config version=\"1.7\" xmlns=\"http://www.ipc.com/ver10\">\n\
         <currentTime type=\"tint64\">{}</currentTime><mac><![CDATA[02:00:00:00:{:02x}:{:02x}]]></mac><sn><![CDATA[BENCH{camera:05}]]></sn>\
         <deviceName><![CDATA[camera {camera}]]></deviceName>\n<traject type=\"list\" count=\"{TARGETS}\">\n{items}</traject>\n</config>\n",
        at.as_micros(),
        camera >> 8,
        camera & 0xff,
    );
    while body.len() < BODY {
        body.push(' ');
    }
    format!(
        "POST / HTTP/1.1\r\nHost: camhook\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// How long nothing must change until the index is said to stand still.
const SETTLED: Duration = Duration::from_secs(2);

/// Waits until the index stands still; returns how many events it has.
async fn settled(admin: u16) -> u64 {
    let (mut last, mut since) = (0, Instant::now());
    while since.elapsed() < SETTLED {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = indexed(admin).await.unwrap_or(last);
        // Until all targets have left, a few more are told.
        if now > last + 200 {
            since = Instant::now();
        }
        last = now;
    }
    last
}

async fn indexed(admin: u16) -> Option<u64> {
    Some(numbers(
        &get(admin, "/api/v1/sources").await?,
        "\"events\":",
    ))
}
