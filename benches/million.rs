//! How long the dashboard's pages and the API take with a million events: a store is filled through the real log and index,
//! opened by a camhook, and asked over HTTP.
//!
//! `cargo bench --bench million [-- EVENTS [FOLDER]]`; with a folder, what is there is used again.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use camhook::testing::{App, Clock, fill};

const ROUTES: &str = "server: { listen: 127.0.0.1:0 }\nadmin: { listen: 127.0.0.1:0 }\nlog: { level: error }\n\
    store: { path: data, keep: 30d, max_size: 1TiB }\n\
    sources: { gate: { kind: generic, path: /gate }, yard: { kind: generic, path: /yard } }\n\
    targets: { vms: { http: { url: \"http://127.0.0.1:9/\", json: { n: 1 } } }, log: { jsonl: log.jsonl } }\n\
    routes: [{ name: all, to: [vms, log] }]\n";

/// Times each is asked; the middle one and the longest are told.
const TIMES: usize = 7;

const ASKED: &[&str] = &[
    "/",
    "/live",
    "/undelivered",
    "/targets",
    "/targets/vms",
    "/sources",
    "/sources/gate",
    "/search",
    "/search?plate=AB12*",
    "/search?plate=A*",
    "/search?plate=*123*",
    "/search?plate=*NOWHERE*",
    "/search?plate=A?1*",
    "/search?camera=camera-7",
    "/search?camera=camera-7&kind=motion",
    "/search?kind=motion",
    "/search?source=yard&kind=face",
    "/search?fate=dead",
    "/search?fate=dead&camera=camera-7",
    "/search?fate=delivered",
    "/search?fate=pending&target=log",
    "/search?fate=expired",
    "/search?since=2026-11-20T00:00&until=2026-11-20T01:00",
    "/api/v1/events?limit=50",
    "/api/v1/deliveries?limit=50",
    "/api/v1/deliveries?fate=dead&limit=50",
    "/api/v1/deliveries?fate=held&limit=50",
    "/api/v1/targets",
    "/api/v1/sources",
    "/api/v1/cameras",
    "/metrics",
];

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'));
    let events = arguments
        .next()
        .and_then(|count| count.parse().ok())
        .unwrap_or(1_000_000);
    let given = arguments.next().map(PathBuf::from);
    let own = tempfile::tempdir().expect("a folder");
    let folder = given.as_deref().unwrap_or(own.path());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(measure(folder, events));
}

async fn measure(folder: &Path, events: usize) {
    let data = folder.join("data");
    if !data.exists() {
        std::fs::create_dir_all(&data).expect("a folder");
        let begun = Instant::now();
        fill(&data, events, events / 5).await;
        println!("{events} events in {:.0} s", begun.elapsed().as_secs_f64());
    }
    let config = folder.join("routes.yaml");
    std::fs::write(&config, ROUTES).expect("a file");
    let app = App::start(&config, Clock::system()).await;
    let app = app.unwrap_or_else(|error| panic!("{error}"));
    let address = app.admin_url();
    let address = address.trim_start_matches("http://");
    println!("| asked | status | middle ms | longest ms | KiB |\n|---|---|---|---|---|");
    for path in ASKED {
        let mut took = Vec::new();
        let (mut status, mut bytes) = (0, 0);
        for _ in 0..TIMES {
            let begun = Instant::now();
            (status, bytes) = get(address, path);
            took.push(begun.elapsed());
        }
        took.sort_unstable();
        let ms = |took: Duration| took.as_secs_f64() * 1e3;
        println!(
            "| `{path}` | {status} | {:.1} | {:.1} | {} |",
            ms(took[TIMES / 2]),
            ms(took[TIMES - 1]),
            bytes >> 10
        );
    }
    app.stop().await;
}

/// The status, and how many bytes came.
fn get(address: &str, path: &str) -> (u16, usize) {
    let mut stream = TcpStream::connect(address).expect("a camhook that listens");
    let asked = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\naccept: text/html\r\nconnection: close\r\n\r\n"
    );
    stream
        .write_all(asked.as_bytes())
        .expect("a camhook that reads");
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .expect("a camhook that answers");
    let status = answer
        .get(9..12)
        .and_then(|status| std::str::from_utf8(status).ok());
    (
        status.and_then(|status| status.parse().ok()).unwrap_or(0),
        answer.len(),
    )
}
