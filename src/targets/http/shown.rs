//! What a server shows of itself when TLS begins, trusted or not: for somebody who has to decide whom to trust.
//!
//! Databases and mail servers are asked in their own words to begin TLS. The handshake then goes as that of a target does, with one difference: the certificates are taken down and not judged.
//! Nothing is sent after it. Only `camhook trust` looks in this way; what delivers goes through [`super::tls`].

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{AlertDescription, CertificateError, ClientConfig, ProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::tls::{System, not_a_servers};
use crate::tls::{Judge, Judging};

/// A chain may be wrong in its dates in several places; no more of them are told.
const DATES_MAX: usize = 8;
/// Bytes of one answer of a mail server.
const SMTP_ANSWER_MAX: usize = 8 << 10;
/// Length and code of PostgreSQL's request for TLS (protocol 3.0, "SSLRequest").
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// How TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// At once.
    Directly,
    /// When SMTP's `STARTTLS` asked for it.
    Smtp,
    /// When PostgreSQL's `SSLRequest` asked for it.
    Postgres,
}

/// What a server shows.
pub(crate) struct Shown {
    /// The server's own certificate, then those of its issuers; never empty.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// Of TLS, such as `1.3`; not known when the handshake failed.
    pub(crate) version: Option<&'static str>,
    /// Why this machine does not trust the server; nothing when it does.
    pub(crate) doubts: Vec<String>,
    /// What the handshake failed of after the certificates were shown: trusting them does not help against that.
    pub(crate) failed: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    #[error("`{0}` is neither a host's name nor an IP address")]
    NoName(String),
    #[error("could not reach {address}")]
    Unreachable { address: String, source: io::Error },
    #[error("{address} did not answer within {} s: {doing}", patience.as_secs_f64())]
    Late {
        address: String,
        patience: Duration,
        doing: &'static str,
    },
    #[error(
        "{address} answers, but not in TLS: is it meant for `http://`, or does it begin TLS only when asked to (then write `smtp://` or `postgres://` in front)?"
    )]
    NoTls { address: String },
    #[error(
        "{address} took the connection and closed it without a word of TLS: is this the right port? (Of PostgreSQL, write `postgres://` in front.)"
    )]
    Closed { address: String },
    #[error("{address} does not begin TLS: {answer}")]
    Unwilling { address: String, answer: String },
    #[error(
        "{address} speaks no TLS that camhook knows (1.2 and 1.3, with today's ciphers): its firmware may be too old, or set to old versions only"
    )]
    Old {
        address: String,
        source: rustls::Error,
    },
    #[error("{address} showed no certificate")]
    Nothing { address: String, source: io::Error },
    #[error("TLS cannot be set up")]
    Setup(#[from] rustls::Error),
}

/// Takes every certificate down and judges none of them; that the server has the key of its own is still proven.
#[derive(Debug, Default)]
struct Recorder {
    chain: Mutex<Vec<CertificateDer<'static>>>,
}

/// Connects to the server, and asks this machine's authorities about what it shows. `host` is a name or an IP address, without brackets.
pub(crate) async fn look(
    host: &str,
    port: u16,
    begin: Begin,
    patience: Duration,
    now: Timestamp,
) -> Result<Shown, LookError> {
    let name =
        ServerName::try_from(host.to_owned()).map_err(|_| LookError::NoName(host.to_owned()))?;
    let address = match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    };
    let late = |doing| LookError::Late {
        address: address.clone(),
        patience,
        doing,
    };
    let connecting = tokio::time::timeout(patience, TcpStream::connect((host, port)));
    let mut stream = match connecting.await {
        Ok(Ok(stream)) => stream,
        Ok(Err(source)) => return Err(LookError::Unreachable { address, source }),
        Err(_) => return Err(late("it takes no connection")),
    };
    match tokio::time::timeout(patience, ask(&mut stream, begin)).await {
        Ok(Ok(None)) => {}
        Ok(Ok(Some(answer))) => return Err(LookError::Unwilling { address, answer }),
        Ok(Err(error)) => return Err(nothing(address, error)),
        Err(_) => return Err(late("it takes the connection and says nothing")),
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let recorder = Arc::new(Judging::new(Recorder::default(), provider.clone()));
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(recorder.clone())
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let shaken = tokio::time::timeout(patience, connector.connect(name.clone(), stream)).await;
    let chain = recorder.judge.taken();
    let Some((own, issuers)) = chain.split_first() else {
        return Err(match shaken {
            Ok(Ok(_)) => nothing(address, io::ErrorKind::InvalidData.into()),
            Ok(Err(error)) => nothing(address, error),
            Err(_) => {
                late("it takes the connection and says nothing; is it TLS that is spoken there?")
            }
        });
    };
    let (version, failed) = match shaken {
        Ok(Ok(stream)) => (stream.get_ref().1.protocol_version().map(version), None),
        Ok(Err(error)) => (None, Some(error.to_string())),
        Err(_) => (None, Some("it stopped answering".to_owned())),
    };
    let doubts = doubts(&System::new(provider), own, issuers, &name, now);
    Ok(Shown {
        chain,
        version,
        doubts,
        failed,
    })
}

/// Asks for TLS; what the server answers if it does not want to.
async fn ask(stream: &mut TcpStream, begin: Begin) -> io::Result<Option<String>> {
    match begin {
        Begin::Directly => Ok(None),
        Begin::Postgres => {
            stream.write_all(&SSL_REQUEST).await?;
            Ok(match stream.read_u8().await? {
                b'S' => None,
                _ => Some("it has TLS switched off, or is no PostgreSQL".to_owned()),
            })
        }
        Begin::Smtp => {
            for (call, good) in [
                ("", "220"),
                ("EHLO camhook\r\n", "250"),
                ("STARTTLS\r\n", "220"),
            ] {
                stream.write_all(call.as_bytes()).await?;
                let answer = smtp_answer(stream).await?;
                if !answer.starts_with(good) {
                    return Ok(Some(format!("to `{}` it answers `{answer}`", call.trim())));
                }
            }
            Ok(None)
        }
    }
}

/// The last line of an answer. Byte by byte, for what comes behind it is TLS.
async fn smtp_answer(stream: &mut TcpStream) -> io::Result<String> {
    let mut line = Vec::new();
    for _ in 0..SMTP_ANSWER_MAX {
        match stream.read_u8().await? {
            b'\n' if line.get(3) == Some(&b'-') => line.clear(),
            b'\n' => return Ok(String::from_utf8_lossy(&line).trim().to_owned()),
            byte => line.push(byte),
        }
    }
    Ok("more than anybody reads".to_owned())
}

fn version(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_2 => "1.2",
        ProtocolVersion::TLSv1_3 => "1.3",
        _ => "unknown",
    }
}

/// Why no certificate came.
fn nothing(address: String, error: io::Error) -> LookError {
    let tls = error
        .get_ref()
        .and_then(|error| error.downcast_ref::<rustls::Error>());
    match (tls, error.kind()) {
        (Some(rustls::Error::InvalidMessage(_)), _) => LookError::NoTls { address },
        (
            Some(
                tls @ (rustls::Error::PeerIncompatible(_)
                | rustls::Error::AlertReceived(
                    AlertDescription::ProtocolVersion
                    | AlertDescription::HandshakeFailure
                    | AlertDescription::InsufficientSecurity,
                )),
            ),
            _,
        ) => LookError::Old {
            address,
            source: tls.clone(),
        },
        (
            None,
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe,
        ) => LookError::Closed { address },
        _ => LookError::Nothing {
            address,
            source: error,
        },
    }
}

/// All that keeps this machine from trusting the server. What verifies stops at the first mistake; so the dates are asked
/// about as if they were right, and the name apart from the rest.
fn doubts(
    system: &System,
    own: &CertificateDer<'_>,
    issuers: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    now: Timestamp,
) -> Vec<String> {
    let authorities = match system.authorities() {
        Ok(authorities) => authorities,
        Err(error) => {
            return vec![format!(
                "this machine's certificate authorities cannot be read (is `ca-certificates` installed?): {error}"
            )];
        }
    };
    let mut doubts = Vec::new();
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let mut at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    for _ in 0..DATES_MAX {
        let Err(error) = authorities.verify_server_cert(own, issuers, name, &[], at) else {
            return doubts;
        };
        let rustls::Error::InvalidCertificate(error) = error else {
            doubts.push(error.to_string());
            return doubts;
        };
        match error {
            CertificateError::ExpiredContext { not_after, .. } if not_after != at => {
                doubts.push(format!(
                    "its certificates are out of date: one expired {}",
                    day(not_after)
                ));
                at = not_after;
            }
            CertificateError::NotValidYetContext { not_before, .. } if not_before != at => {
                doubts.push(format!(
                    "its certificates are not valid yet: one begins {}",
                    day(not_before)
                ));
                at = not_before;
            }
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                doubts.push("nobody that this machine trusts issued its certificate".to_owned());
                break;
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                break; // told below
            }
            CertificateError::Other(error) => {
                doubts.push(format!("its certificate is {}", not_a_servers(&error)));
                break;
            }
            other => {
                doubts.push(other.to_string());
                break;
            }
        }
    }
    let named = ParsedCertificate::try_from(own).and_then(|own| verify_server_name(&own, name));
    if named.is_err() {
        doubts.push(format!("its certificate is not for `{}`", name.to_str()));
    }
    doubts
}

fn day(at: UnixTime) -> String {
    let at = i64::try_from(at.as_secs()).ok();
    let at = at.and_then(|at| Timestamp::from_second(at).ok());
    at.map_or_else(
        || "long from now".to_owned(),
        |at| at.strftime("%Y-%m-%d").to_string(),
    )
}

impl Recorder {
    fn taken(&self) -> Vec<CertificateDer<'static>> {
        let chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        chain.clone()
    }
}

impl Judge for Recorder {
    fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let all = std::iter::once(end_entity).chain(intermediates);
        let all = all.map(|shown| shown.clone().into_owned()).collect();
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = all;
        Ok(ServerCertVerified::assertion())
    }
}
