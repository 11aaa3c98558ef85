//! The other side in tests: a real listener that answers as it is told, well or badly.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::tasks::Tasks;

/// What is done once a whole request was read.
#[derive(Clone)]
pub(super) enum Act {
    /// Writes this and waits for the next request on the same connection.
    Answer(Vec<u8>),
    /// Answers as this says, and waits for the next request on the same connection.
    Ask(Arc<dyn Fn(&Received) -> String + Send + Sync>),
    /// Writes this and closes the connection.
    Close(Vec<u8>),
    /// Writes this and resets the connection.
    Reset(Vec<u8>),
    /// Writes this and then nothing, for ever.
    Stall(Vec<u8>),
    /// Writes the first and then the second again and again.
    Endless(Vec<u8>, Vec<u8>),
}

/// A request as it came: head and body.
#[derive(Clone)]
pub(super) struct Received {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<(Vec<Received>, usize)>>);

pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    pub(super) log: Log,
    tasks: Tasks,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

impl Log {
    pub(super) fn requests(&self) -> Vec<Received> {
        self.0.lock().unwrap().0.clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

impl Receiver {
    /// Every request gets the same `act`.
    pub(super) async fn that(act: Act) -> Self {
        Self::with(act, None).await
    }

    pub(super) async fn with(act: Act, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tasks, log) = (Tasks::default(), Log::default());
        let (group, shared) = (tasks.clone(), log.clone());
        tasks.spawn(async move {
            loop {
                let (stream, _) = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap(),
                    () = group.stopping() => return,
                };
                shared.0.lock().unwrap().1 += 1;
                let (act, log, tls) = (act.clone(), shared.clone(), tls.clone());
                let stopping = group.clone();
                group.spawn(async move {
                    tokio::select! {
                        () = connection(stream, tls, act, log) => {}
                        () = stopping.stopping() => {}
                    }
                });
            }
        });
        Self {
            address,
            log,
            tasks,
        }
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, act: Act, log: Log) {
    if matches!(act, Act::Reset(_)) {
        stream.set_zero_linger().unwrap();
    }
    match tls {
        None => serve(stream, act, log).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                serve(stream, act, log).await;
            }
        }
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, act: Act, log: Log) {
    while let Some(request) = request(&mut stream).await {
        log.0.lock().unwrap().0.push(request.clone());
        let asked;
        let (first, then) = match &act {
            Act::Ask(answer) => {
                asked = answer(&request).into_bytes();
                (&asked, None)
            }
            Act::Answer(bytes) => (bytes, None),
            Act::Close(bytes) | Act::Reset(bytes) | Act::Stall(bytes) => (bytes, None),
            Act::Endless(first, again) => (first, Some(again)),
        };
        if stream.write_all(first).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        if let Some(again) = then {
            while stream.write_all(again).await.is_ok() {
                tokio::task::yield_now().await;
            }
        }
        match act {
            Act::Answer(_) | Act::Ask(_) => {}
            Act::Stall(_) => std::future::pending().await,
            Act::Close(_) | Act::Reset(_) | Act::Endless(..) => return,
        }
    }
}

/// One request with a `Content-Length`; `None` when the connection ended.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8(bytes).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Received { head, body })
}
