//! Downstream systems that do harm: each takes real connections and does one kind of thing to them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What is done to a connection. The request is read first, if nothing else is said.
#[derive(Debug, Clone)]
pub(crate) enum Harm {
    /// Says this and closes.
    Says(Vec<u8>),
    /// Says this and resets.
    SaysAndResets(Vec<u8>),
    /// Says this, and nothing more for ever.
    SaysAndStays(Vec<u8>),
    /// Says the first at once, then the second again and again, byte by byte.
    Drips(Vec<u8>, Vec<u8>),
    /// Says the first, then the second again and again, as fast as it is taken.
    Floods(Vec<u8>, Vec<u8>),
    /// Closes its own side without a word, and listens on.
    HalfCloses,
    /// Says this before it has read anything, then closes.
    SpeaksFirst(Vec<u8>),
    /// Says this as soon as the head is there, and never reads the body.
    AnswersEarly(Vec<u8>),
    /// Says this to the first request of each connection, and hangs up when the second comes.
    ClosesAtReuse(Vec<u8>),
    /// Takes connections and does nothing, not even read.
    Swallows,
}

/// A certificate as nobody should trust it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Certificate {
    Good,
    Expired,
    NotYetValid,
    OfAnotherHost,
    SelfSigned,
}

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
    bytes: AtomicUsize,
}

/// A running villain; it ends with the test's runtime.
pub(crate) struct Villain {
    address: SocketAddr,
    scheme: &'static str,
    counts: Arc<Counts>,
}

impl Villain {
    pub(crate) async fn that(harm: Harm) -> Self {
        Self::start(harm, None).await
    }

    /// Answers 200 to everything over TLS; returns the authority to trust, in PEM.
    pub(crate) async fn showing(certificate: Certificate) -> (Self, String) {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let name = match certificate {
            Certificate::OfAnotherHost => "other.example",
            _ => "127.0.0.1",
        };
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        match certificate {
            Certificate::Expired => {
                params.not_before = rcgen::date_time_ymd(2001, 1, 1);
                params.not_after = rcgen::date_time_ymd(2002, 1, 1);
            }
            Certificate::NotYetValid => params.not_before = rcgen::date_time_ymd(2999, 1, 1),
            Certificate::Good | Certificate::OfAnotherHost | Certificate::SelfSigned => {}
        }
        let made = match certificate {
            Certificate::SelfSigned => params.self_signed(&key).unwrap(),
            _ => params.signed_by(&key, &authority).unwrap(),
        };
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::ring::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.der().clone()], key)
        .unwrap();
        let ok = Harm::Says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec());
        let villain = Self::start(ok, Some(TlsAcceptor::from(Arc::new(config)))).await;
        (villain, authority.pem())
    }

    #[expect(clippy::disallowed_methods, reason = "the test's own server")]
    async fn start(harm: Harm, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::<Counts>::default();
        let villain = Self {
            address,
            scheme: if tls.is_some() { "https" } else { "http" },
            counts: counts.clone(),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counts.connections.fetch_add(1, Ordering::SeqCst);
                let (harm, counts, tls) = (harm.clone(), counts.clone(), tls.clone());
                tokio::spawn(async move {
                    if matches!(harm, Harm::SaysAndResets(_)) {
                        stream.set_zero_linger().unwrap();
                    }
                    match tls {
                        None => act(stream, &harm, &counts).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                act(stream, &harm, &counts).await;
                            }
                        }
                    }
                });
            }
        });
        villain
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}/", self.scheme, self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// Requests that were read whole.
    pub(crate) fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// Bytes that the other side's system took.
    pub(crate) fn bytes(&self) -> usize {
        self.counts.bytes.load(Ordering::SeqCst)
    }
}

async fn act(mut stream: impl AsyncRead + AsyncWrite + Unpin, harm: &Harm, counts: &Counts) {
    match harm {
        Harm::SpeaksFirst(bytes) => {
            say(&mut stream, bytes, counts).await;
            return;
        }
        Harm::Swallows => return std::future::pending().await,
        Harm::AnswersEarly(bytes) => {
            if read_head(&mut stream).await.is_some() {
                say(&mut stream, bytes, counts).await;
                std::future::pending::<()>().await;
            }
            return;
        }
        _ => {}
    }
    if read(&mut stream).await.is_none() {
        return;
    }
    counts.requests.fetch_add(1, Ordering::SeqCst);
    match harm {
        Harm::Says(bytes) => {
            say(&mut stream, bytes, counts).await;
            let _ = stream.shutdown().await;
        }
        Harm::SaysAndResets(bytes) => {
            say(&mut stream, bytes, counts).await;
        }
        Harm::SaysAndStays(bytes) => {
            say(&mut stream, bytes, counts).await;
            std::future::pending::<()>().await;
        }
        Harm::Drips(first, again) => {
            say(&mut stream, first, counts).await;
            for byte in again.iter().cycle() {
                if !say(&mut stream, &[*byte], counts).await {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Harm::Floods(first, again) => {
            say(&mut stream, first, counts).await;
            while say(&mut stream, again, counts).await {
                tokio::task::yield_now().await;
            }
        }
        Harm::HalfCloses => {
            let _ = stream.shutdown().await;
            let _ = read_head(&mut stream).await;
        }
        Harm::ClosesAtReuse(bytes) => {
            say(&mut stream, bytes, counts).await;
            if read(&mut stream).await.is_some() {
                counts.requests.fetch_add(1, Ordering::SeqCst);
            }
        }
        Harm::SpeaksFirst(_) | Harm::AnswersEarly(_) | Harm::Swallows => {}
    }
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8], counts: &Counts) -> bool {
    let said = stream.write_all(bytes).await.is_ok() && stream.flush().await.is_ok();
    counts
        .bytes
        .fetch_add(if said { bytes.len() } else { 0 }, Ordering::SeqCst);
    said
}

/// The length of the body, and what of it came with the head.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<(usize, usize)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            return Some((
                length.map_or(0, |length| length.parse().unwrap()),
                bytes.len() - end - 4,
            ));
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// One whole request; `None` when the connection ended before.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<()> {
    let (length, mut come) = read_head(stream).await?;
    let mut bytes = vec![0; 64 << 10];
    while come < length {
        match stream.read(&mut bytes).await.ok()? {
            0 => return None,
            more => come += more,
        }
    }
    Some(())
}
