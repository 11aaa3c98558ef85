//! The front door over real connections, and a source to stand behind it.

mod hostile;
mod limits;
mod requests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};

use super::answer::Refusal;
use super::door::{Door, Entry};
use super::front::{Front, Received, Reception};
use super::guard::Guard;
use super::listener::Server;
use super::settings::{Settings, SourceSettings};
use crate::budget::Budget;
use crate::clock::Clock;
use crate::event::{Event, Kind, Original};
use crate::lists::Lists;
use crate::name::Name;
use crate::sources::{Answer, DecodeSettings, Source, Undecodable};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;
use crate::units::ByteSize;

/// Makes as many events as its body says; does not understand other bodies, and panics at `!`. At `?` it does not even
/// know who speaks.
pub(super) struct Fake;

impl Source for Fake {
    fn kind(&self) -> &'static str {
        "fake"
    }

    fn recognises(&self, _: &Original) -> bool {
        true
    }

    fn passes_on(&self, request: &Original) -> Option<&'static dyn Source> {
        assert_ne!(request.body.first(), Some(&b'?'), "this is the fake's bug");
        None
    }

    fn methods(&self) -> &'static [http::Method] {
        &[http::Method::PUT]
    }

    fn decode(
        &self,
        source: &Name,
        _: &DecodeSettings,
        request: &Arc<Original>,
    ) -> Result<Vec<Event>, Undecodable> {
        assert_ne!(request.body.first(), Some(&b'!'), "this is the fake's bug");
        let text = String::from_utf8_lossy(&request.body);
        let count = text.trim().parse().map_err(|_| Undecodable {
            reason: "it is no number".to_owned(),
        })?;
        let event = || Event::new(source.clone(), "fake", Kind::Plate, request.clone());
        Ok((0..count).map(|_: u8| event()).collect())
    }
}

pub(super) fn entry(path: &str, source: &'static dyn Source) -> Entry {
    let settings = SourceSettings {
        path: Some(path.to_owned()),
        ..SourceSettings::default()
    };
    let name = Name::new("gate").expect("it is a name");
    Entry::new(name, settings, source, DecodeSettings::default())
}

/// What a test's reception was handed, and what it is to answer.
struct Desk {
    seen: mpsc::UnboundedSender<Original>,
    /// Permits to answer; a request waits for one.
    permits: Arc<Semaphore>,
    refusal: Option<Refusal>,
}

impl Reception for Desk {
    fn ready(&self) -> Result<(), Refusal> {
        self.refusal.clone().map_or(Ok(()), Err)
    }

    async fn receive(
        &self,
        _: Arc<Door>,
        entry: Arc<Entry>,
        received: Received,
    ) -> Result<Answer, Refusal> {
        self.seen.send(received.original).expect("the test listens");
        let _permit = self.permits.acquire().await.expect("it is never closed");
        drop(received.reserved);
        Ok(entry.source.answer())
    }
}

/// A front door on a free port.
struct Camhook {
    address: SocketAddr,
    seen: mpsc::UnboundedReceiver<Original>,
    permits: Arc<Semaphore>,
    metrics: Metrics,
    clock: Clock,
    tasks: Tasks,
}

struct Setup {
    settings: Settings,
    entries: Vec<Entry>,
    budget: usize,
    permits: usize,
    refusal: Option<Refusal>,
}

fn setup() -> Setup {
    let mut gate = entry("/gate", &Fake);
    gate.settings.max_body = ByteSize(200_000);
    Setup {
        settings: Settings {
            listen: ([127, 0, 0, 1], 0).into(),
            ..Settings::default()
        },
        entries: vec![gate],
        budget: 1 << 20,
        permits: 100,
        refusal: None,
    }
}

impl Setup {
    async fn open(self) -> Camhook {
        let server = Server::bind(&self.settings, None)
            .await
            .expect("port 0 is free");
        let address = server.address();
        let (seen_by, seen) = mpsc::unbounded_channel();
        let permits = Arc::new(Semaphore::new(self.permits));
        let (metrics, tasks) = (Metrics::new(), Tasks::default());
        let clock = Clock::stepped(Timestamp::UNIX_EPOCH);
        let door = Door::new(self.entries, Arc::new([]), Lists::default(), false);
        let front = Front {
            door: Arc::new(ArcSwap::from_pointee(door)),
            reception: Desk {
                seen: seen_by,
                permits: permits.clone(),
                refusal: self.refusal,
            },
            guard: Guard::new(),
            proxies: self.settings.proxies(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            budget: Budget::new(self.budget, metrics.clone()),
            patience: Duration::from_millis(1),
            body_timeout: self.settings.body_timeout(),
            tasks: tasks.clone(),
        };
        tasks.spawn(server.serve(front));
        Camhook {
            address,
            seen,
            permits,
            metrics,
            clock,
            tasks,
        }
    }
}

impl Camhook {
    async fn connect(&self) -> Sender {
        let stream = TcpStream::connect(self.address).await.expect("it listens");
        Sender(BufReader::new(stream))
    }

    async fn seen(&mut self) -> Original {
        self.seen.recv().await.expect("the door is open")
    }
}

/// A camera that speaks bytes.
struct Sender(BufReader<TcpStream>);

/// An answer: its status, head in lower case, and body.
struct Said {
    status: u16,
    head: String,
    body: String,
}

impl Said {
    /// The refusal's word for programs; also checks that there is a reason.
    fn error(&self) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.body).expect("it is JSON");
        assert!(!json["reason"].as_str().unwrap().is_empty());
        json["error"].as_str().unwrap().to_owned()
    }
}

impl Sender {
    async fn says(&mut self, text: &str) -> &mut Self {
        let _ = self.0.get_mut().write_all(text.as_bytes()).await; // may be refused half way
        self
    }

    async fn hears(&mut self) -> Said {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = self.0.read_line(&mut head).await.expect("it answers");
            assert_ne!(read, 0, "it hung up after {head:?}");
        }
        let head = head.to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        Said {
            status: head[9..12].parse().unwrap(),
            head,
            body: String::from_utf8(body).unwrap(),
        }
    }

    async fn is_hung_up_on(&mut self) {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest).await; // a reset is an end, too
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}
