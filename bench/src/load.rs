//! The senders: as many connections as asked for, each posting one event after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::wire::{content_length, find};

/// What stands before an event's ten-digit number in its body.
pub(crate) const SEQUENCE: &str = "\"user_data\": \"";
const BOUNDARY: &str = "0123456789abcdef0123456789abcdef";

/// One acknowledged event.
pub(crate) struct Ack {
    pub(crate) event: u64,
    /// From the send (closed loop) or from its scheduled time (open loop).
    pub(crate) latency_us: u32,
    /// Since the start of the load.
    pub(crate) at_us: u64,
}

pub(crate) struct Load {
    pub(crate) port: u16,
    /// Each connection posts to one of the paths `/0`, `/1` …; to `/` if there is none.
    pub(crate) paths: usize,
    pub(crate) size: usize,
    pub(crate) connections: usize,
    pub(crate) duration: Duration,
    /// Events per second; 0 is closed loop.
    pub(crate) rate: u64,
    pub(crate) events_max: usize,
}

/// A Stream recognition of about that size, with room for its number.
pub(crate) fn request(path: &str, size: usize) -> (Vec<u8>, usize) {
    let json = format!(
        r#"{{"hook": {{"event": "recognition", "id": "gate-1", "target": "http://proxy/", "filename": "gate-1/25-03-04/10-11-12.131415.jpg"}}, "data": {{"camera_id": "gate-1", "filename": "gate-1/25-03-04/10-11-12.131415.jpg", "timestamp": "2025-03-04T09:11:12.131415Z", "timestamp_local": "2025-03-04 10:11:12.131415+01:00", "results": [{{"plate": "ab123cd", "score": 0.91, "dscore": 0.74, "box": {{"xmin": 153, "ymin": 91, "xmax": 302, "ymax": 125}}, "region": {{"code": "it", "score": 0.48}}, "candidates": [{{"plate": "ab123cd", "score": 0.91}}, {{"plate": "ab1z3cd", "score": 0.72}}], "vehicle": {{"type": "SUV", "score": 0.25, "box": {{"xmin": 603, "ymin": 0, "xmax": 1099, "ymax": 174}}}}, "model_make": [{{"make": "Fiat", "model": "Panda", "score": 0.3}}], "color": [{{"color": "white", "score": 0.9}}], "orientation": [{{"orientation": "Front", "score": 0.94}}], "direction": 210, "speed": null, "speed_score": 0.0, "source_url": "/user-data/video.mp4", "position_sec": "23.47", {SEQUENCE}0000000000"}}]}}}}"#
    );
    let mut body = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{json}\r\n--{BOUNDARY}\r\n\
         Content-Disposition: form-data; name=\"upload\"; filename=\"image.jpg\"\r\n\r\n"
    )
    .into_bytes();
    let tail = format!("\r\n--{BOUNDARY}--\r\n");
    let picture = size.saturating_sub(body.len() + tail.len()).max(4);
    body.extend([0xff, 0xd8, 0xff, 0xe0]);
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    body.extend((4..picture).map(|_| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise as u8
    }));
    body.extend(tail.as_bytes());
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: camhook\r\nUser-Agent: camhook-bench\r\nContent-Length: {}\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n",
        body.len()
    );
    let number =
        head.len() + find(&body, SEQUENCE.as_bytes()).expect("it is in the JSON") + SEQUENCE.len();
    ([head.as_bytes(), &body].concat(), number)
}

/// Runs the load and returns every acknowledgement, and how many requests were refused.
pub(crate) async fn run(load: &Load, start: Instant) -> (Vec<Ack>, u64) {
    let next = Arc::new(AtomicU64::new(0));
    let refused = Arc::new(AtomicU64::new(0));
    let begin = Instant::now();
    let tasks: Vec<_> = (0..load.connections)
        .map(|n| {
            let path = match load.paths {
                0 => "/".to_owned(),
                paths => format!("/{}", n % paths),
            };
            let (next, refused) = (next.clone(), refused.clone());
            let (mut bytes, number) = request(&path, load.size);
            let (port, duration, rate, max) =
                (load.port, load.duration, load.rate, load.events_max as u64);
            tokio::spawn(async move {
                let mut acks = Vec::new();
                let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port))
                    .await
                    .unwrap();
                stream.set_nodelay(true).unwrap();
                let mut buffer = Vec::with_capacity(4096);
                loop {
                    let event = next.fetch_add(1, Ordering::Relaxed);
                    if event >= max || begin.elapsed() >= duration {
                        break acks;
                    }
                    let mut sent = Instant::now();
                    if rate > 0 {
                        let due = begin + Duration::from_secs_f64(event as f64 / rate as f64);
                        tokio::time::sleep_until(due.into()).await;
                        sent = due;
                    }
                    bytes[number..number + 10].copy_from_slice(format!("{event:010}").as_bytes());
                    if stream.write_all(&bytes).await.is_err() {
                        break acks;
                    }
                    match answer(&mut stream, &mut buffer).await {
                        Some(200..=299) => acks.push(Ack {
                            event,
                            latency_us: sent.elapsed().as_micros() as u32,
                            at_us: start.elapsed().as_micros() as u64,
                        }),
                        Some(_) => {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                        None => break acks,
                    }
                }
            })
        })
        .collect();
    let mut acks = Vec::new();
    for task in tasks {
        acks.extend(task.await.unwrap());
    }
    (acks, refused.load(Ordering::Relaxed))
}

pub(crate) async fn answer(
    stream: &mut tokio::net::TcpStream,
    buffer: &mut Vec<u8>,
) -> Option<u16> {
    loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            let whole = end + 4 + content_length(&buffer[..end]);
            if buffer.len() >= whole {
                let status = std::str::from_utf8(buffer.get(9..12)?).ok()?.parse().ok();
                buffer.drain(..whole);
                return status;
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}
