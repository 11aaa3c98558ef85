//! The front door over real connections, and a source to stand behind it.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};

use super::answer::Refusal;
use super::door::{Door, Entry};
use super::front::{Front, Received, Reception};
use super::listener::Server;
use super::settings::{Settings, SourceSettings};
use crate::budget::Budget;
use crate::clock::Clock;
use crate::event::{Event, Kind, Original};
use crate::lists::Lists;
use crate::name::Name;
use crate::secret::Secret;
use crate::sources::{Answer, DecodeSettings, Source, Undecodable};
use crate::tasks::Tasks;
use crate::telemetry::{Metrics, Status};
use crate::units::{ByteSize, Span};

/// Makes as many events as its body says; does not understand other bodies, and panics at `!`.
pub(super) struct Fake;

impl Source for Fake {
    fn kind(&self) -> &'static str {
        "fake"
    }

    fn recognises(&self, _: &Original) -> bool {
        true
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
        let server = Server::bind(&self.settings).await.expect("port 0 is free");
        let address = server.address();
        let (seen_by, seen) = mpsc::unbounded_channel();
        let permits = Arc::new(Semaphore::new(self.permits));
        let (metrics, tasks) = (Metrics::new(), Tasks::default());
        let door = Door::new(self.entries, Arc::new([]), Lists::default(), false);
        let front = Front {
            door: Arc::new(ArcSwap::from_pointee(door)),
            reception: Desk {
                seen: seen_by,
                permits: permits.clone(),
                refusal: self.refusal,
            },
            clock: Clock::stepped(Timestamp::UNIX_EPOCH),
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

#[tokio::test]
async fn a_request_is_taken_with_its_credentials_masked() {
    let mut setup = setup();
    setup.entries[0].settings.auth.token = Some(Secret::new("hunter22"));
    let mut camhook = setup.open().await;
    let mut camera = camhook.connect().await;
    camera
        .says("POST /gate/hunter22?x=1 HTTP/1.1\r\nHost: c\r\nAuthorization: Basic eA==\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nhi")
        .await;
    let said = camera.hears().await;
    assert_eq!((said.status, said.body.as_str()), (200, "{\"ok\":true}\n"));
    let original = camhook.seen().await;
    assert_eq!(original.method, "POST");
    assert_eq!(original.path, "/gate/***?x=1");
    assert_eq!(original.body, "hi");
    assert_eq!(original.header("authorization"), Some("***"));
    assert_eq!(original.header("X-A"), Some("1"));
    assert_eq!(original.remote, Some(IpAddr::from([127, 0, 0, 1])));
}

#[tokio::test]
async fn refusals_tell_status_and_reason_and_keep_the_connection() {
    let mut setup = setup();
    let mut closed = entry("/closed", &Fake);
    closed.settings.auth.allow = Some(vec!["192.0.2.0/24".parse().unwrap()]);
    let mut locked = entry("/locked", &Fake);
    locked.settings.auth.token = Some(Secret::new("tok"));
    setup.entries.extend([closed, locked]);
    let camhook = setup.open().await;
    let mut camera = camhook.connect().await;
    for (request, status, error) in [
        ("POST /nowhere", 404, "not_found"),
        ("DELETE /gate", 405, "method_not_allowed"),
        ("POST /locked/tik", 401, "unauthorized"),
        ("POST /closed", 403, "forbidden"),
    ] {
        let request = format!("{request} HTTP/1.1\r\nHost: c\r\nContent-Length: 2\r\n\r\nhi");
        let said = camera.says(&request).await.hears().await;
        assert_eq!((said.status, said.error().as_str()), (status, error));
        assert!(!said.head.contains("connection: close"));
        assert_eq!(
            said.head.contains("\r\nallow: post, put, get, head\r\n"),
            status == 405
        );
        assert_eq!(said.head.contains("\r\nwww-authenticate: "), status == 401);
        let labels = Status { status };
        assert_eq!(
            camhook
                .metrics
                .requests_refused
                .get_or_create(&labels)
                .get(),
            1
        );
    }
}

#[tokio::test]
async fn a_browser_reads_a_text() {
    let camhook = setup().open().await;
    let mut browser = camhook.connect().await;
    let said = browser
        .says("GET /gate HTTP/1.1\r\nHost: c\r\n\r\n")
        .await
        .hears()
        .await;
    assert_eq!(said.status, 200);
    assert!(said.head.contains("text/plain") && said.body.contains("`gate`"));
    let said = browser
        .says("HEAD /gate HTTP/1.1\r\nHost: c\r\n\r\n")
        .await
        .hears()
        .await;
    assert_eq!((said.status, said.body.as_str()), (200, ""));
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let mut camhook = setup().open().await;
    let mut camera = camhook.connect().await;
    for body in ["1", "2"] {
        let request = format!("POST /gate HTTP/1.1\r\nHost: c\r\nContent-Length: 1\r\n\r\n{body}");
        assert_eq!(camera.says(&request).await.hears().await.status, 200);
        assert_eq!(camhook.seen().await.body, body);
    }
}

#[tokio::test]
async fn a_chunked_body_and_an_absolute_target_are_read() {
    let mut camhook = setup().open().await;
    let mut camera = camhook.connect().await;
    camera
        .says("POST http://proxy.example/gate/sub?a=b HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")
        .await;
    assert_eq!(camera.hears().await.status, 200);
    let original = camhook.seen().await;
    assert_eq!(
        (original.path.as_str(), &original.body[..]),
        ("/gate/sub?a=b", &b"hello"[..])
    );
}

#[tokio::test]
async fn a_sender_that_asks_is_told_to_go_on_or_not() {
    let mut camhook = setup().open().await;
    let ask = |length: usize| {
        format!(
            "POST /gate HTTP/1.1\r\nHost: c\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let mut camera = camhook.connect().await;
    assert_eq!(camera.says(&ask(2)).await.hears().await.status, 100);
    assert_eq!(camera.says("hi").await.hears().await.status, 200);
    assert_eq!(camhook.seen().await.body, "hi");

    let said = camera.says(&ask(300_000)).await.hears().await;
    assert_eq!((said.status, said.error().as_str()), (413, "too_large"));
    assert!(said.head.contains("connection: close"));
    camera.is_hung_up_on().await;
}

#[tokio::test]
async fn too_large_a_body_is_refused_before_it_is_sent_and_while_it_is() {
    let camhook = setup().open().await;
    let mut camera = camhook.connect().await;
    camera
        .says("POST /gate HTTP/1.1\r\nHost: c\r\nContent-Length: 300000\r\n\r\n")
        .await;
    assert_eq!(camera.hears().await.status, 413);

    let mut camera = camhook.connect().await;
    camera
        .says("POST /gate HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    let chunk = format!("186a0\r\n{}\r\n", "x".repeat(100_000));
    for _ in 0..3 {
        camera.says(&chunk).await;
    }
    let said = camera.hears().await;
    assert_eq!((said.status, said.error().as_str()), (413, "too_large"));
    assert_eq!(camhook.metrics.inflight_bytes.get(), 0);
}

#[tokio::test]
async fn a_sender_that_does_not_listen_while_it_sends_still_reads_why_it_was_refused() {
    let camhook = setup().open().await;
    let mut camera = camhook.connect().await;
    let head = "POST /nowhere HTTP/1.1\r\nHost: c\r\nContent-Length: 8000000\r\n\r\n";
    camera.says(head).await.says(&"x".repeat(8_000_000)).await;
    let said = camera.hears().await;
    assert_eq!(said.error(), "not_found");
    assert!(said.head.contains("connection: close"));
    camera.is_hung_up_on().await;
}

#[tokio::test]
async fn short_and_broken_bodies_are_no_events() {
    let mut camhook = setup().open().await;
    for request in [
        "POST /gate HTTP/1.1\r\nHost: c\r\nContent-Length: 10\r\n\r\nshort",
        "POST /gate HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
        "POST /gate HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    ] {
        let mut camera = camhook.connect().await;
        camera.says(request).await;
        camera.0.get_mut().shutdown().await.unwrap();
        let said = camera.hears().await;
        assert_eq!(
            (said.status, said.error().as_str()),
            (400, "incomplete"),
            "{request}"
        );
        camera.is_hung_up_on().await;
    }
    assert!(camhook.seen.try_recv().is_err());
}

#[tokio::test]
async fn a_body_without_progress_is_given_up() {
    let mut setup = setup();
    setup.settings.body_timeout = Span(Duration::from_millis(20));
    let camhook = setup.open().await;
    let mut camera = camhook.connect().await;
    camera
        .says("POST /gate HTTP/1.1\r\nHost: c\r\nContent-Length: 10\r\n\r\nshort")
        .await;
    let said = camera.hears().await;
    assert_eq!((said.status, said.error().as_str()), (408, "timeout"));
    camera.is_hung_up_on().await;
    assert_eq!(camhook.metrics.inflight_bytes.get(), 0);
}

#[tokio::test]
async fn a_request_whose_sender_closed_its_side_is_answered_all_the_same() {
    let mut setup = setup();
    setup.permits = 0;
    let mut camhook = setup.open().await;
    let mut camera = camhook.connect().await;
    let request = "POST /gate HTTP/1.1\r\nHost: c\r\nContent-Length: 2\r\n\r\nhi";
    camera.says(request).await;
    assert_eq!(camhook.seen().await.body, "hi");
    camera.0.get_mut().shutdown().await.unwrap();
    // Another conversation, in which the front door gets to know of the closed side.
    let mut other = camhook.connect().await;
    let visit = "GET /gate HTTP/1.1\r\nHost: c\r\n\r\n";
    assert_eq!(other.says(visit).await.hears().await.status, 200);
    camhook.permits.add_permits(1);
    assert_eq!(camera.hears().await.status, 200);
}

#[tokio::test]
async fn giant_headers_are_refused() {
    let mut setup = setup();
    setup.settings.max_header = ByteSize(8 << 10);
    let camhook = setup.open().await;
    let giant = format!(
        "POST /gate HTTP/1.1\r\nHost: c\r\nX-A: {}\r\n\r\n",
        "x".repeat(9000)
    );
    let many = format!(
        "POST /gate HTTP/1.1\r\nHost: c\r\n{}\r\n",
        "a: b\r\n".repeat(101)
    );
    for request in [giant, many] {
        let mut camera = camhook.connect().await;
        assert_eq!(camera.says(&request).await.hears().await.status, 431);
    }
}

#[tokio::test]
async fn silent_connections_are_closed() {
    let mut setup = setup();
    setup.settings.header_timeout = Span(Duration::from_millis(20));
    setup.settings.idle_timeout = Span(Duration::from_millis(20));
    let camhook = setup.open().await;
    camhook.connect().await.is_hung_up_on().await;
    camhook
        .connect()
        .await
        .says("POST /gate HT")
        .await
        .is_hung_up_on()
        .await;

    let mut idle = camhook.connect().await;
    idle.says("GET /gate HTTP/1.1\r\nHost: c\r\n\r\n")
        .await
        .hears()
        .await;
    idle.is_hung_up_on().await;
}

#[tokio::test]
async fn at_the_limit_new_connections_wait() {
    let mut setup = setup();
    setup.settings.max_connections = NonZeroU32::MIN;
    let camhook = setup.open().await;
    let request = "GET /gate HTTP/1.1\r\nHost: c\r\n\r\n";
    let mut first = camhook.connect().await;
    assert_eq!(first.says(request).await.hears().await.status, 200);
    let mut second = camhook.connect().await;
    second.says(request).await;
    // The first is served again while the second waits.
    assert_eq!(first.says(request).await.hears().await.status, 200);
    assert_eq!(camhook.metrics.connections.get(), 1);
    drop(first);
    assert_eq!(second.hears().await.status, 200);
}

#[tokio::test]
async fn over_the_budget_a_sender_is_asked_to_come_again() {
    let mut setup = setup();
    setup.budget = 100_000;
    setup.permits = 0;
    let mut camhook = setup.open().await;
    let request = format!(
        "POST /gate HTTP/1.1\r\nHost: c\r\nContent-Length: 60000\r\n\r\n{}",
        "x".repeat(60_000)
    );
    let mut first = camhook.connect().await;
    first.says(&request).await;
    camhook.seen().await;
    assert_eq!(camhook.metrics.inflight_bytes.get(), 60_000);

    let mut second = camhook.connect().await;
    let said = second.says(&request).await.hears().await;
    assert_eq!((said.status, said.error().as_str()), (503, "busy"));
    assert!(said.head.contains("\r\nretry-after: "));

    camhook.permits.add_permits(1);
    assert_eq!(first.hears().await.status, 200);
    assert_eq!(second.says(&request).await.hears().await.status, 200);

    let mut third = camhook.connect().await;
    third
        .says("POST /gate HTTP/1.1\r\nHost: c\r\nContent-Length: 150000\r\n\r\n")
        .await;
    let said = third.hears().await;
    assert_eq!(said.status, 413);
    assert!(said.body.contains("server.budget"));
}

#[tokio::test]
async fn a_store_that_cannot_accept_is_told_before_the_body_is_read() {
    let mut setup = setup();
    let reason = "the store is full".to_owned();
    setup.refusal = Some(Refusal::StoreFull { reason });
    let camhook = setup.open().await;
    let mut camera = camhook.connect().await;
    camera
        .says("POST /gate HTTP/1.1\r\nHost: c\r\nContent-Length: 2\r\n\r\n")
        .await;
    let said = camera.hears().await;
    assert_eq!((said.status, said.error().as_str()), (503, "store_full"));
    assert!(said.head.contains("\r\nretry-after: "));
}

#[tokio::test]
async fn shutdown_answers_what_is_in_progress_and_ends_the_rest() {
    let mut setup = setup();
    setup.permits = 0;
    let mut camhook = setup.open().await;
    let mut working = camhook.connect().await;
    working
        .says("POST /gate HTTP/1.1\r\nHost: c\r\nContent-Length: 2\r\n\r\nhi")
        .await;
    camhook.seen().await;
    let mut idle = camhook.connect().await;
    idle.says("GET /gate HTTP/1.1\r\nHost: c\r\n\r\n")
        .await
        .hears()
        .await;

    camhook.tasks.stop();
    idle.is_hung_up_on().await;
    camhook.permits.add_permits(1);
    let said = working.hears().await;
    assert_eq!(said.status, 200);
    assert!(said.head.contains("connection: close"));
    working.is_hung_up_on().await;
    assert!(camhook.tasks.wait(Duration::from_secs(60)).await);
    assert!(TcpStream::connect(camhook.address).await.is_err());
    assert_eq!(camhook.metrics.connections.get(), 0);
}

#[tokio::test]
async fn http2_is_spoken_without_asking() {
    let mut camhook = setup().open().await;
    let stream = TcpStream::connect(camhook.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    camhook.tasks.spawn(async move {
        let _ = connection.await; // ends with the test
    });
    let post = |path: &str, body: String| {
        Request::post(format!("http://camhook{path}"))
            .body(Full::new(Bytes::from(body)))
            .unwrap()
    };
    let large = "x".repeat(150_000);
    let answer = sender
        .send_request(post("/gate?a", large.clone()))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let original = camhook.seen().await;
    assert_eq!(original.body, large);
    assert_eq!(original.path, "/gate?a");
    assert_eq!(original.header("host"), Some("camhook"));

    let answer = sender
        .send_request(post("/gate", "x".repeat(300_000)))
        .await
        .unwrap();
    assert_eq!(answer.status(), 413);
    let answer = sender.send_request(post("/nowhere", large)).await.unwrap();
    assert_eq!(answer.status(), 404);
    let answer = sender
        .send_request(post("/gate", "2".into()))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
}
