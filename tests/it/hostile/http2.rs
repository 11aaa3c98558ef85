//! HTTP/2 frames in numbers that no camera sends: each flood ends, nobody else feels it, and memory stays where it is.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::harness::{Process, client, eventually, form_event};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_HEADERS: u8 = 4;

/// `POST /` to `c`, as HPACK writes it without a table of its own.
const POST: [u8; 6] = [0x83, 0x86, 0x84, 0x41, 1, b'c'];

/// Frames after which a flood has done what it could. Bytes.
const ENOUGH: usize = 64 << 20;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// What one flood says; `n` counts up.
type Flood = fn(n: u32) -> Vec<u8>;

fn rapid_reset(n: u32) -> Vec<u8> {
    let stream = 2 * n + 1;
    [
        frame(HEADERS, END_HEADERS, stream, &POST),
        frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()),
    ]
    .concat()
}

fn streams_without_end(n: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, 2 * n + 1, &POST)
}

fn continuations(n: u32) -> Vec<u8> {
    let header = [&[0, 1, b'x', 100][..], &[b'a'; 100]].concat();
    match n {
        0 => frame(HEADERS, 0, 1, &POST),
        _ => frame(CONTINUATION, 0, 1, &header.repeat(100)),
    }
}

fn empty_continuations(n: u32) -> Vec<u8> {
    match n {
        0 => frame(HEADERS, 0, 1, &POST),
        _ => frame(CONTINUATION, 0, 1, &[]),
    }
}

fn settings(_: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])
}

fn pings(_: u32) -> Vec<u8> {
    frame(PING, 0, 0, b"12345678")
}

fn empty_data(n: u32) -> Vec<u8> {
    match n {
        0 => frame(HEADERS, END_HEADERS, 1, &POST),
        _ => frame(DATA, 0, 1, &[]),
    }
}

fn headers_larger_than_allowed(n: u32) -> Vec<u8> {
    let header = [&[0, 1, b'x', 100][..], &[b'a'; 100]].concat();
    frame(
        HEADERS,
        END_HEADERS,
        2 * n + 1,
        &[&POST[..], &header.repeat(140)].concat(),
    )
}

const FLOODS: [(&str, Flood); 8] = [
    ("rapid reset", rapid_reset),
    ("streams without end", streams_without_end),
    ("continuations", continuations),
    ("empty continuations", empty_continuations),
    ("settings", settings),
    ("pings", pings),
    ("empty data", empty_data),
    ("large headers", headers_larger_than_allowed),
];

/// Floods until it is hung up on; returns how many bytes were taken, and why a GOAWAY said to go.
fn flood(address: &str, say: Flood, listens: bool) -> (usize, Option<u32>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_write_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut hears = stream.try_clone().unwrap();
    let listener = listens.then(|| std::thread::spawn(move || why_it_ended(&mut hears)));
    let mut taken = 0;
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    for n in 0.. {
        bytes.extend(say(n));
        if bytes.len() < 16 << 10 {
            continue;
        }
        if stream.write_all(&bytes).is_err() {
            break;
        }
        taken += bytes.len();
        bytes.clear();
        assert!(taken < ENOUGH * 16, "it is read from for ever");
    }
    let _ = stream.shutdown(Shutdown::Write);
    let why = match listener {
        Some(listener) => listener.join().unwrap(),
        None => why_it_ended(&mut stream),
    };
    (taken, why)
}

/// Reads to the end; the error code of a GOAWAY on the way.
fn why_it_ended(stream: &mut TcpStream) -> Option<u32> {
    let mut why = None;
    let mut head = [0; 9];
    while stream.read_exact(&mut head).is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        if stream.read_exact(&mut payload).is_err() {
            break;
        }
        if head[3] == GOAWAY {
            why = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
    }
    why
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_frames_end_and_nobody_else_feels_them() {
    let folder = tempfile::tempdir().unwrap();
    // Whoever has not sent a whole request by then is cut.
    let routes = "server: { listen: 127.0.0.1:0, header_timeout: 2s, body_timeout: 2s, idle_timeout: 2s }\nadmin: { listen: 127.0.0.1:0 }\n\
                  log: { level: warn }\nsources:\n  any: { kind: auto, path: / }\n";
    std::fs::write(folder.path().join("routes.yaml"), routes).unwrap();
    let mut camhook = Process::start_again(folder.path());
    let address = camhook.url.strip_prefix("http://").unwrap().to_owned();
    let before = camhook.descriptors();
    let client = client();
    let mut posted = 0;
    for (name, say) in FLOODS {
        for listens in [true, false] {
            let to = address.clone();
            let flooding = tokio::task::spawn_blocking(move || flood(&to, say, listens));
            while !flooding.is_finished() {
                let (kind, body) = form_event(posted);
                let request = client
                    .post(&camhook.url)
                    .header("content-type", kind)
                    .body(body);
                let answer = tokio::time::timeout(Duration::from_secs(60), request.send()).await;
                assert_eq!(answer.unwrap().unwrap().status(), 200, "{name}");
                posted += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let (taken, why) = flooding.await.unwrap();
            println!("{name}: {taken} bytes taken, ended by {why:?}");
            let (memory, peak) = (camhook.memory(), camhook.peak_memory());
            assert!(
                peak < 256 * 1024,
                "{name}: {memory} KiB, {peak} KiB at the peak"
            );
        }
    }
    assert!(posted >= FLOODS.len());
    eventually("all connections are closed", async || {
        camhook.descriptors() <= before + 16
    })
    .await;
    assert!(camhook.is_running());
    let events = camhook.get("/api/v1/sources").await[0]["events"].as_u64();
    assert!(events >= Some(posted as u64), "what was answered is kept");
}
