//! Downstream systems of every temper, over real TCP: each remembers what it got, and what it did with it.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::books::{Arrival, Books, Did, Fault};
use crate::check;
use crate::dice::Dice;
use crate::event;
use crate::gone::STILL_UNDER_WAY;
use crate::wire::{self, Got, Message};

/// What a target is for, and so what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// The sender's body, byte for byte.
    Original,
    /// The neutral event.
    Neutral,
    /// The sender's document, and the plate cut out of its picture.
    Crop,
    /// Some fields.
    Fields,
}

/// How a target behaves just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// This status to everything.
    Says(u16),
    /// 429, come back in a second.
    Busy,
    /// Refuses connections.
    Away,
    /// Reads everything, answers too late.
    Hangs,
    /// Another of the tempers below for each request.
    Fickle,
}

/// What is done with one request.
#[derive(Debug, Clone, Copy)]
enum Act {
    Answer(u16),
    Busy,
    /// The answer comes byte by byte.
    Drip,
    Hang,
    ResetUnread,
    ResetUnanswered,
    /// Part of a 200, then a reset.
    ResetWithin,
    /// A whole 200, then a reset.
    ResetBehind,
}

pub struct Target {
    pub name: &'static str,
    index: usize,
    wants: Wants,
    pub address: SocketAddr,
    books: Arc<Books>,
    mood: Mutex<Mood>,
    dice: Mutex<Dice>,
    listening: Mutex<Option<JoinHandle<()>>>,
    /// Bound, but not listening, while away.
    away: Mutex<Option<TcpSocket>>,
}

const OK: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"ok\":true}";

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Target {
    /// # Errors
    /// When no port can be had.
    pub async fn start(
        name: &'static str,
        index: usize,
        wants: Wants,
        books: &Arc<Books>,
        dice: Dice,
    ) -> Result<Arc<Self>, String> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(|error| format!("target {name}: {error}"))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let target = Arc::new(Self {
            name,
            index,
            wants,
            address,
            books: books.clone(),
            mood: Mutex::new(Mood::Well),
            dice: Mutex::new(dice),
            listening: Mutex::default(),
            away: Mutex::default(),
        });
        target.listen(listener);
        Ok(target)
    }

    fn listen(self: &Arc<Self>, listener: TcpListener) {
        let target = self.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let target = target.clone();
                connections.spawn(async move { target.serve(stream).await });
                while connections.try_join_next().is_some() {}
            }
        });
        *locked(&self.listening) = Some(task);
    }

    /// Behaves so from now on.
    pub async fn set(self: &Arc<Self>, mood: Mood) {
        *locked(&self.mood) = mood;
        let is_away = locked(&self.away).is_some();
        if mood == Mood::Away && !is_away {
            let task = locked(&self.listening).take();
            if let Some(task) = task {
                task.abort();
                let _ = task.await;
            }
            for _ in 0..100 {
                match self.bound() {
                    Ok(socket) => {
                        *locked(&self.away) = Some(socket);
                        return;
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
            self.books
                .fault(None, format!("the oracle lost the port of {}", self.name));
        } else if mood != Mood::Away && is_away {
            let socket = locked(&self.away).take();
            if let Some(Ok(listener)) = socket.map(|socket| socket.listen(1024)) {
                self.listen(listener);
            } else {
                self.books.fault(
                    None,
                    format!("the oracle could not listen as {}", self.name),
                );
            }
        }
    }

    fn bound(&self) -> std::io::Result<TcpSocket> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        Ok(socket)
    }

    fn act(&self) -> Act {
        match *locked(&self.mood) {
            Mood::Well | Mood::Away => Act::Answer(200),
            Mood::Says(status) => Act::Answer(status),
            Mood::Busy => Act::Busy,
            Mood::Hangs => Act::Hang,
            Mood::Fickle => match locked(&self.dice).below(20) {
                0..9 => Act::Answer(200),
                9 | 10 => Act::Answer(503),
                11 => Act::Busy,
                12 | 13 => Act::Drip,
                14 => Act::Hang,
                15 => Act::ResetUnread,
                16 => Act::ResetUnanswered,
                17 => Act::ResetWithin,
                _ => Act::ResetBehind,
            },
        }
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut rest = Vec::new();
        loop {
            let act = self.act();
            if matches!(act, Act::ResetUnread) {
                let mut some = [0; 100];
                let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut some).await;
                return wire::reset(stream);
            }
            let message = match wire::read(&mut stream, &mut rest).await {
                Got::Whole(message) => message,
                Got::Torn(_) => {
                    self.books.torn.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Got::Nothing => return,
            };
            let done = match act {
                Act::Answer(200) => {
                    self.note(&message, Did::Accepted);
                    stream.write_all(OK.as_bytes()).await.is_ok()
                }
                Act::Answer(status) => {
                    self.note(&message, Did::Refused(status));
                    let answer = format!("HTTP/1.1 {status} No\r\ncontent-length: 4\r\n\r\nno.\n");
                    stream.write_all(answer.as_bytes()).await.is_ok()
                }
                Act::Busy => {
                    self.note(&message, Did::Refused(429));
                    let answer = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
                    stream.write_all(answer.as_bytes()).await.is_ok()
                }
                Act::Drip => {
                    self.note(&message, Did::Accepted);
                    wire::drip(&mut stream, OK.as_bytes(), Duration::from_millis(4))
                        .await
                        .is_ok()
                }
                Act::Hang => {
                    self.note(&message, Did::Silent);
                    tokio::time::sleep(Duration::from_millis(1_500)).await;
                    false
                }
                Act::ResetUnread | Act::ResetUnanswered => {
                    self.note(&message, Did::Silent);
                    return wire::reset(stream);
                }
                Act::ResetWithin => {
                    self.note(&message, Did::AcceptedAndCut);
                    let _ = stream.write_all(&OK.as_bytes()[..30]).await;
                    return wire::reset(stream);
                }
                Act::ResetBehind => {
                    self.note(&message, Did::AcceptedAndCut);
                    let _ = stream.write_all(OK.as_bytes()).await;
                    return wire::reset(stream);
                }
            };
            if !done {
                return;
            }
        }
    }

    /// Into the books, before the answer: what camhook may know, they know.
    fn note(&self, message: &Message, did: Did) {
        let at = self.books.now();
        let key = message.header("idempotency-key").to_owned();
        let Some(number) = event::number_in(&message.body) else {
            self.books.fault(
                None,
                format!(
                    "{} got a request without an event: {}",
                    self.name, message.first
                ),
            );
            return;
        };
        let sent = self.books.inner().sent.get(&number).cloned();
        let checked = match &sent {
            None => Err("it was never sent".to_owned()),
            Some(sent) => check::body(self.wants, number, sent, message),
        };
        let mut inner = self.books.inner();
        let checked = checked.unwrap_or_else(|why| {
            let what = format!("{} got it changed: {why}", self.name);
            inner.faults.push(Fault {
                what,
                event: Some(number),
            });
            check::Told::default()
        });
        if key.is_empty() {
            let what = format!("{} got it without an Idempotency-Key", self.name);
            inner.faults.push(Fault {
                what,
                event: Some(number),
            });
        }
        if let Some(id) = checked.id {
            inner.ids.insert(id, number);
        }
        if let Some(Some(told)) = inner.forgotten.get(&number)
            && at > *told + STILL_UNDER_WAY
        {
            let what = format!("{} got it long after it was forgotten", self.name);
            inner.faults.push(Fault {
                what,
                event: Some(number),
            });
        }
        let replayed = inner.replaying;
        inner.arrivals.push(Arrival {
            target: self.index,
            key,
            number,
            parts: checked.parts,
            did,
            at,
            replayed,
        });
    }
}
