//! One connection to a broker: made, greeted, and split into what reads and what writes.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{Address, Incoming, MqttError, Reader, packet};
use crate::secret::Secret;

/// How long reaching a broker may take, greeting included, and how long a write may make no progress.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a client tells of itself when it connects.
pub(crate) struct Hello {
    pub(crate) client_id: String,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    /// After one and a half times this without a word the broker takes the client for gone.
    pub(crate) keep_alive: Duration,
    /// Whether the broker is to forget what it kept for this client id.
    pub(crate) clean: bool,
    pub(crate) will: Option<Will>,
}

/// What the broker is to publish, retained, when the connection ends without a goodbye.
#[derive(Clone)]
pub(crate) struct Will {
    pub(crate) topic: String,
    pub(crate) payload: String,
}

/// An accepted connection.
pub(crate) struct Connection {
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
    /// Whether the broker still knew the client and its subscriptions.
    pub(crate) session: bool,
    /// The broker.
    pub(crate) peer: IpAddr,
}

pub(crate) struct Writer {
    stream: Box<dyn AsyncWrite + Send + Unpin>,
}

impl Connection {
    /// Reaches the broker and is accepted. `tls` is used when the address asks for it.
    pub(crate) async fn open(
        address: &Address,
        tls: Option<Arc<ClientConfig>>,
        hello: &Hello,
    ) -> Result<Self, MqttError> {
        let opening = open(address, tls, hello);
        let opened = timeout(PATIENCE, opening).await;
        opened.unwrap_or_else(|_| {
            Err(MqttError::Slow {
                at: address.to_string(),
            })
        })
    }
}

async fn open(
    address: &Address,
    tls: Option<Arc<ClientConfig>>,
    hello: &Hello,
) -> Result<Connection, MqttError> {
    let unreachable = |source: io::Error| MqttError::Unreachable {
        at: address.to_string(),
        source,
    };
    let stream = TcpStream::connect((address.host.as_str(), address.port));
    let stream = stream.await.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    let peer = stream.peer_addr().map_err(unreachable)?.ip();
    let (read, write): (
        Box<dyn AsyncRead + Send + Unpin>,
        Box<dyn AsyncWrite + Send + Unpin>,
    ) = match tls.filter(|_| address.tls) {
        Some(tls) => {
            let name = ServerName::try_from(address.host.clone())
                .map_err(|error| unreachable(io::Error::other(error)))?;
            let stream = TlsConnector::from(tls).connect(name, stream).await;
            let (read, write) = tokio::io::split(stream.map_err(unreachable)?);
            (Box::new(read), Box::new(write))
        }
        None => {
            let (read, write) = stream.into_split();
            (Box::new(read), Box::new(write))
        }
    };
    let mut reader = Reader::new(read, hello.keep_alive * 2);
    let mut writer = Writer { stream: write };
    writer.send(&packet::connect(hello)).await?;
    let session = match reader.next().await? {
        Incoming::Connected { session, code: 0 } => session,
        Incoming::Connected { code, .. } => return Err(refused(address, code)),
        _ => return Err(MqttError::Broken("its first packet is no CONNACK")),
    };
    Ok(Connection {
        reader,
        writer,
        session,
        peer,
    })
}

fn refused(address: &Address, code: u8) -> MqttError {
    let (reason, lasting) = match code {
        1 => ("it does not speak MQTT 3.1.1", true),
        2 => ("it does not like the client id", true),
        3 => ("it is not available at the moment", false),
        4 | 5 => ("the username or password is wrong, or not allowed in", true), // brokers mix the two up
        _ => ("for a reason that is not in the standard", false),
    };
    MqttError::Refused {
        at: address.to_string(),
        reason,
        lasting,
    }
}

impl Writer {
    pub(crate) async fn subscribe(
        &mut self,
        id: u16,
        filters: &[String],
        qos: u8,
    ) -> Result<(), MqttError> {
        self.send(&packet::subscribe(id, filters, qos)).await
    }

    pub(crate) async fn unsubscribe(
        &mut self,
        id: u16,
        filters: &[String],
    ) -> Result<(), MqttError> {
        self.send(&packet::unsubscribe(id, filters)).await
    }

    /// Tells the broker that a message is safe here.
    pub(crate) async fn confirm(&mut self, id: u16) -> Result<(), MqttError> {
        self.send(&packet::puback(id)).await
    }

    /// With an id the broker confirms it (QoS 1).
    pub(crate) async fn publish(
        &mut self,
        topic: &str,
        id: Option<u16>,
        retain: bool,
        payload: &[impl AsRef<[u8]>],
    ) -> Result<(), MqttError> {
        let size = payload.iter().map(|piece| piece.as_ref().len()).sum();
        self.write(&packet::publish(topic, id, retain, size))
            .await?;
        for piece in payload {
            self.write(piece.as_ref()).await?;
        }
        self.flush().await
    }

    pub(crate) async fn ping(&mut self) -> Result<(), MqttError> {
        self.send(&packet::PINGREQ).await
    }

    /// Says goodbye, so that the will is not published.
    pub(crate) async fn disconnect(&mut self) -> Result<(), MqttError> {
        self.send(&packet::DISCONNECT).await?;
        Ok(timeout(PATIENCE, self.stream.shutdown())
            .await
            .map_err(|_| MqttError::Silent)??)
    }

    async fn send(&mut self, packet: &[u8]) -> Result<(), MqttError> {
        self.write(packet).await?;
        self.flush().await
    }

    async fn write(&mut self, mut bytes: &[u8]) -> Result<(), MqttError> {
        while !bytes.is_empty() {
            let written = timeout(PATIENCE, self.stream.write(bytes)).await;
            match written.map_err(|_| MqttError::Silent)?? {
                0 => return Err(MqttError::Closed),
                written => bytes = &bytes[written..],
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), MqttError> {
        Ok(timeout(PATIENCE, self.stream.flush())
            .await
            .map_err(|_| MqttError::Silent)??)
    }
}
