//! Targets that take everything, count it, and note when each event came.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::load::SEQUENCE;
use crate::wire::{content_length, find};

/// What arrived.
#[derive(Default)]
pub(crate) struct Sink {
    pub(crate) requests: AtomicU64,
    /// Microseconds since the start at which event N came first, plus one.
    pub(crate) first: Vec<AtomicU64>,
}

/// Listens on a port of its own until the runtime ends.
pub(crate) async fn listen(events_max: usize, start: Instant) -> (u16, Arc<Sink>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut sink = Sink::default();
    sink.first.resize_with(events_max, AtomicU64::default);
    let sink = Arc::new(sink);
    let shared = sink.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take(stream, shared.clone(), start));
        }
    });
    (port, sink)
}

async fn take(mut stream: tokio::net::TcpStream, sink: Arc<Sink>, start: Instant) {
    let mut buffer = Vec::with_capacity(256 * 1024);
    loop {
        // One request: a head, and a body of its announced length.
        let (head, length) = loop {
            if let Some(end) = find(&buffer, b"\r\n\r\n") {
                break (end + 4, content_length(&buffer[..end]));
            }
            if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
                return;
            }
        };
        while buffer.len() < head + length {
            if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
                return;
            }
        }
        let body = &buffer[head..head + length];
        if let Some(at) = find(&body[..body.len().min(4096)], SEQUENCE.as_bytes()) {
            let digits = &body[at + SEQUENCE.len()..][..10];
            let n: usize = std::str::from_utf8(digits)
                .unwrap_or("0")
                .parse()
                .unwrap_or(0);
            let now = start.elapsed().as_micros() as u64 + 1;
            if let Some(slot) = sink.first.get(n) {
                let _ = slot.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
            }
        }
        sink.requests.fetch_add(1, Ordering::Relaxed);
        buffer.drain(..head + length);
        if stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await
            .is_err()
        {
            return;
        }
    }
}
