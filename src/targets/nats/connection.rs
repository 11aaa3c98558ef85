//! One connection to a NATS server: opened, and used for one message after the other.
//!
//! What a server thinks of a message it says somewhere behind it: an error when it does not take it, and for a ping that was
//! sent behind the message a pong. So a message is in the server's hands when its pong is there and no error came before;
//! one for a stream when the stream's confirmation is there.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Delivered;
use super::address::Address;
use super::failure::NatsError;
use super::proof::Proof;
use super::wire::{self, Info, Said};
use crate::payload::Publication;

/// How long reaching one server may take, greeting included.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of the confirmations.
const SUBSCRIPTION: u8 = 1;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An accepted connection.
pub(super) struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    max_payload: usize,
    /// Where confirmations are sent to, if a stream is to give any; a number follows.
    inbox: Option<String>,
    sent: u64,
    /// Whether the server said that it is about to go.
    leaving: bool,
}

/// What the connection is for.
pub(super) struct Wanted<'a> {
    pub(super) proof: &'a Proof,
    pub(super) tls: &'a Arc<ClientConfig>,
    /// Whether nothing is told without TLS.
    pub(super) tls_only: bool,
    /// Where confirmations of streams are to be heard; nothing else hears there.
    pub(super) inbox: Option<String>,
}

/// What a stream says to a message.
#[derive(Deserialize)]
struct Confirmation {
    #[serde(default)]
    stream: String,
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    #[serde(default)]
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    description: String,
}

impl Connection {
    pub(super) async fn open(address: &Address, wanted: &Wanted<'_>) -> Result<Self, NatsError> {
        let opened = timeout(PATIENCE, Self::greet(address, wanted)).await;
        opened.unwrap_or_else(|_| {
            Err(NatsError::Slow {
                at: address.to_string(),
            })
        })
    }

    async fn greet(address: &Address, wanted: &Wanted<'_>) -> Result<Self, NatsError> {
        let unreachable = |source: io::Error| NatsError::Unreachable {
            at: address.to_string(),
            source,
        };
        let stream = TcpStream::connect((address.host.as_str(), address.port));
        let stream = stream.await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let mut stream: BufReader<Box<dyn Stream>> = BufReader::new(Box::new(stream));
        let info = match wire::next(&mut stream).await? {
            Said::Info(info) => info,
            Said::Error(text) => return Err(NatsError::Refused(text)),
            _ => return Err(NatsError::Broken("its first word is not INFO")),
        };
        if !info.headers {
            return Err(NatsError::Old);
        }
        let tls_only = wanted.tls_only || address.tls;
        if tls_only && !info.tls_required && !info.tls_available {
            return Err(NatsError::Plain);
        }
        let encrypted = tls_only || info.tls_required;
        if encrypted {
            if !stream.buffer().is_empty() {
                // It would be taken for what was said under TLS.
                return Err(NatsError::Broken("it says more than INFO before TLS"));
            }
            let name = ServerName::try_from(address.host.clone())
                .map_err(|error| unreachable(io::Error::other(error)))?;
            let plain = stream.into_inner();
            let secure = TlsConnector::from(wanted.tls.clone()).connect(name, plain);
            stream = BufReader::new(Box::new(secure.await.map_err(unreachable)?));
        }
        let mut connection = Self {
            stream,
            max_payload: info.max_payload,
            inbox: wanted.inbox.clone(),
            sent: 0,
            leaving: false,
        };
        connection.hello(&info, wanted, encrypted).await?;
        Ok(connection)
    }

    /// Says who camhook is; a pong means that it may come in.
    async fn hello(
        &mut self,
        info: &Info,
        wanted: &Wanted<'_>,
        encrypted: bool,
    ) -> Result<(), NatsError> {
        let hello = json!({
            "verbose": false, "pedantic": false, "tls_required": encrypted, "name": "camhook", "lang": "rust",
            "version": env!("CARGO_PKG_VERSION"), "protocol": 1, "echo": false, "headers": true, "no_responders": true,
        });
        let mut hello: Map<String, Value> = hello.as_object().cloned().unwrap_or_default();
        wanted.proof.tell(&mut hello, &info.nonce);
        let mut text = format!("CONNECT {}\r\n", Value::Object(hello));
        if let Some(inbox) = &self.inbox {
            text.push_str(&format!("SUB {inbox}.* {SUBSCRIPTION}\r\n"));
        }
        text.push_str("PING\r\n");
        self.write(&[text.into()]).await?;
        loop {
            match self.next().await? {
                Said::Pong => return Ok(()),
                Said::Error(text) => return Err(NatsError::Refused(text)),
                _ => {}
            }
        }
    }

    /// Whether another message may go over it.
    pub(super) fn is_good(&self) -> bool {
        !self.leaving
    }

    /// Gives the server one message and hears what it says to it. `id` is the same each time the message is sent.
    pub(super) async fn publish(
        &mut self,
        message: &Publication,
        id: &str,
    ) -> Result<Delivered, NatsError> {
        let mut head = format!("NATS/1.0\r\nNats-Msg-Id: {id}\r\n");
        for (name, value) in &message.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let bytes = head.len() + message.payload.len();
        if bytes > self.max_payload {
            let max = self.max_payload;
            return Err(NatsError::TooLarge { bytes, max });
        }
        self.sent += 1;
        let reply = self.inbox.as_ref().map(|inbox| (inbox, self.sent));
        let reply = reply.map(|(inbox, n)| format!("{inbox}.{n}"));
        let to = match &reply {
            Some(reply) => format!("{} {reply}", message.subject),
            None => message.subject.clone(),
        };
        let first = format!("HPUB {to} {} {bytes}\r\n{head}", head.len());
        let last = if reply.is_some() {
            "\r\n"
        } else {
            "\r\nPING\r\n"
        };
        let mut pieces = vec![Bytes::from(first)];
        pieces.extend(message.payload.0.iter().cloned());
        pieces.push(Bytes::from_static(last.as_bytes()));
        self.write(&pieces).await?;
        loop {
            match (self.next().await?, &reply) {
                (Said::Error(text), _) => return Err(NatsError::Refused(text)),
                (Said::Pong, None) => return Ok(Delivered::Taken),
                (Said::Message(heard), Some(reply)) if heard.subject == *reply => {
                    return match heard.status {
                        Some(503) => Err(NatsError::NoStream(message.subject.clone())),
                        _ => confirmed(&heard.payload),
                    };
                }
                _ => {}
            }
        }
    }

    /// The next thing that is not for the connection itself.
    async fn next(&mut self) -> Result<Said, NatsError> {
        loop {
            match wire::next(&mut self.stream).await? {
                Said::Ping => self.write(&[Bytes::from_static(b"PONG\r\n")]).await?,
                Said::Info(info) => {
                    self.max_payload = info.max_payload;
                    self.leaving |= info.ldm;
                }
                said => return Ok(said),
            }
        }
    }

    async fn write(&mut self, pieces: &[Bytes]) -> Result<(), NatsError> {
        for piece in pieces {
            self.stream.get_mut().write_all(piece).await?;
        }
        Ok(self.stream.get_mut().flush().await?)
    }
}

fn confirmed(payload: &[u8]) -> Result<Delivered, NatsError> {
    let told: Confirmation = serde_json::from_slice(payload)
        .map_err(|_| NatsError::Broken("what confirms the message is no stream"))?;
    match told.error {
        Some(refusal) => Err(NatsError::Stream {
            code: refusal.code,
            description: refusal.description,
        }),
        None if told.stream.is_empty() => Err(NatsError::Broken(
            "what confirms the message is no stream: another program answers on this subject",
        )),
        None => Ok(Delivered::Stored {
            stream: told.stream,
            place: told.seq,
            before: told.duplicate,
        }),
    }
}
