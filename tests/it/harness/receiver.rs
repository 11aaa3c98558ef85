//! A downstream system: takes requests over real HTTP, answers as told, remembers everything.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};

/// How to answer one request.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: String::new(),
        }
    }

    pub(crate) fn with_code(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn code(&self) -> u16 {
        self.status
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        self.body = body.to_owned();
        self
    }
}

/// What a system of a certain kind makes of a request: its answer, or why the real one would not understand it.
pub(crate) type Play = Arc<dyn Fn(&Taken) -> Result<Answer, String> + Send + Sync>;

/// One request as it was taken.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Bytes,
    pub(crate) answered: u16,
}

impl Taken {
    pub(crate) fn key(&self) -> &str {
        self.headers
            .get("idempotency-key")
            .map_or("", String::as_str)
    }

    /// The parts of a multipart body by name.
    pub(crate) fn parts(&self) -> BTreeMap<String, Bytes> {
        let kind = &self.headers["content-type"];
        let boundary = kind.split_once("boundary=").expect("a multipart body").1;
        let marker = format!("--{boundary}");
        let mut parts = BTreeMap::new();
        let body = &self.body;
        let find = |from: usize, what: &[u8]| {
            body[from..]
                .windows(what.len())
                .position(|window| window == what)
                .map(|at| at + from)
        };
        let mut at = find(0, marker.as_bytes()).expect("a first boundary") + marker.len();
        while let Some(next) = find(at, marker.as_bytes()) {
            let part = body.slice(at + 2..next - 2);
            let end = part
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
                .expect("a part has a head");
            let head = String::from_utf8_lossy(&part[..end]).into_owned();
            let name = head
                .split_once("name=\"")
                .expect("a part has a name")
                .1
                .split('"')
                .next()
                .unwrap()
                .to_owned();
            parts.insert(name, part.slice(end + 4..));
            at = next + marker.len();
        }
        parts
    }
}

#[derive(Default)]
struct State {
    taken: Vec<Taken>,
    /// Answers still to give; when they run out, `always`.
    next: VecDeque<Answer>,
    always: Option<Answer>,
    /// Looks at every request, and answers where nothing else was told.
    play: Option<Play>,
    complaints: Vec<String>,
    /// Shut while it holds its answers back.
    gate: Arc<tokio::sync::RwLock<()>>,
}

/// A running receiver; it ends with the test's runtime, or when told to go away.
pub(crate) struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Arc<Mutex<Option<tokio::task::JoinHandle<()>>>>,
    tls: Option<tokio_rustls::TlsAcceptor>,
    /// Bound, but not listening, while away.
    away: Mutex<Option<tokio::net::TcpSocket>>,
}

impl Receiver {
    /// Answers 200 to everything.
    pub(crate) async fn new() -> Self {
        Self::answering([]).await
    }

    /// Gives these answers in turn, then 200 to everything.
    pub(crate) async fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::starting(answers, None).await
    }

    /// Speaks TLS with a certificate that nobody else issued; returns its fingerprint, too.
    pub(crate) async fn self_signed() -> (Self, String) {
        let made = rcgen::generate_simple_self_signed(["nas.local".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let fingerprint = data_encoding::HEXLOWER.encode(&Sha256::digest(&certificate));
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key.unwrap())
            .unwrap();
        let tls = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        (Self::starting([], Some(tls)).await, fingerprint)
    }

    async fn starting(
        answers: impl IntoIterator<Item = Answer>,
        tls: Option<tokio_rustls::TlsAcceptor>,
    ) -> Self {
        let state = Arc::new(Mutex::new(State {
            next: answers.into_iter().collect(),
            ..State::default()
        }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let receiver = Self {
            address,
            state,
            stop: Arc::default(),
            tls,
            away: Mutex::default(),
        };
        receiver.listen(listener);
        receiver
    }

    /// Answers each request as `ask` says: a whole system.
    pub(crate) async fn that(ask: impl Fn(&Taken) -> Answer + Send + Sync + 'static) -> Self {
        Self::playing([], Arc::new(move |taken: &Taken| Ok(ask(taken)))).await
    }

    /// Gives these answers in turn, then those of the system that `play` is; `play` looks at every request.
    pub(crate) async fn playing(answers: impl IntoIterator<Item = Answer>, play: Play) -> Self {
        let receiver = Self::answering(answers).await;
        receiver.state.lock().unwrap().play = Some(play);
        receiver
    }

    #[expect(clippy::disallowed_methods, reason = "the test's own server")]
    fn listen(&self, listener: tokio::net::TcpListener) {
        let (state, tls) = (self.state.clone(), self.tls.clone());
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (state, tls) = (state.clone(), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(state, stream).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(state, stream).await;
                            }
                        }
                    }
                });
            }
        });
        *self.stop.lock().unwrap() = Some(task);
    }

    /// Refuses connections until [`Receiver::come_back`]; the port stays ours.
    pub(crate) async fn go_away(&self) {
        let task = self.stop.lock().unwrap().take();
        if let Some(task) = task {
            task.abort();
            let _ = task.await;
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            socket.bind(self.address).unwrap();
            *self.away.lock().unwrap() = Some(socket);
        }
    }

    pub(crate) async fn come_back(&self) {
        let socket = self.away.lock().unwrap().take();
        if let Some(socket) = socket {
            self.listen(socket.listen(1024).unwrap());
        }
    }

    /// Answers nothing until what this returns is dropped.
    pub(crate) async fn hold(&self) -> tokio::sync::OwnedRwLockWriteGuard<()> {
        let gate = self.state.lock().unwrap().gate.clone();
        gate.write_owned().await
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    pub(crate) fn always(&self, answer: Option<Answer>) {
        self.state.lock().unwrap().always = answer;
    }

    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.state.lock().unwrap().taken.clone()
    }

    /// What `play` found wrong with requests.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.state.lock().unwrap().complaints.clone()
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.lock().unwrap().taken.len()
    }

    pub(crate) async fn wait_for(&self, requests: usize) {
        super::eventually(
            &format!("{requests} requests at the receiver"),
            async || self.requests() >= requests,
        )
        .await;
    }
}

async fn serve(
    state: Arc<Mutex<State>>,
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
) {
    let service = service_fn(move |request| take(state.clone(), request));
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn take(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
    else {
        return Ok(Response::new(Full::default())); // cut off: the sender is gone
    };
    let headers = head.headers.iter();
    let headers = headers.map(|(name, value)| {
        (
            name.to_string(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        )
    });
    let mut taken = Taken {
        method: head.method.to_string(),
        path: head
            .uri
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default(),
        headers: headers.collect(),
        body,
        answered: 0,
    };
    let gate = state.lock().unwrap().gate.clone();
    let _open = gate.read().await;
    let mut state = state.lock().unwrap();
    let played = match &state.play {
        Some(play) => play(&taken),
        None => Ok(Answer::status(200)),
    };
    let played = played.unwrap_or_else(|complaint| {
        state.complaints.push(complaint.clone());
        Answer::status(400).body(&complaint)
    });
    let told = state.next.pop_front().or_else(|| state.always.clone());
    let answer = told.unwrap_or(played);
    taken.answered = answer.status;
    state.taken.push(taken);
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(Bytes::from(answer.body))).unwrap())
}
