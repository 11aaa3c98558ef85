//! Gives messages to NATS: to a stream of JetStream, which confirms them, or to whoever listens at the moment.
//!
//! A connection is driven only while one of its messages is on the way, and lies idle otherwise, as those to databases do.
//! Every message carries the delivery's id as `Nats-Msg-Id`, by which a stream knows one that comes again.
//! Why the protocol is written out here: docs/decisions/nats.md.

mod address;
mod connection;
mod failure;
mod proof;
mod wire;

pub(crate) use wire::try_wire;

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::{Instant, timeout};

use super::http::Tls;
use super::{Mistakes, Report, Target};
use crate::clock::Clock;
use crate::event::{DeliveryId, EventId};
use crate::payload::{Payload, Publication};
use crate::secret::Secret;
use crate::units::Span;

use address::{Address, InUrl};
use connection::{Connection, Wanted};
use failure::NatsError;
use proof::{Key, Proof};

/// How a NATS server is reached.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The server: `nats://host:4222`, or `tls://host:4222` to tell it nothing without TLS; `user:password@` or `token@` may
    /// stand before the host. Several servers of one cluster stand with commas between them.
    pub(crate) url: String,
    /// `true`: delivered when a stream of JetStream has the message and says so; there has to be a stream for the subject.
    /// `false`: delivered when the server has it; who does not listen at that moment misses it. Default `true`.
    #[serde(default = "yes")]
    pub(crate) jetstream: bool,
    /// Who camhook is to the server.
    #[serde(default)]
    pub(crate) username: Option<String>,
    /// Best as `${NAME}` or `${file:PATH}`.
    #[serde(default)]
    pub(crate) password: Option<Secret>,
    /// In place of a username and password.
    #[serde(default)]
    pub(crate) token: Option<Secret>,
    /// The seed of a user's nkey (`SU…`), in place of a username and password.
    #[serde(default)]
    pub(crate) nkey: Option<Secret>,
    /// What stands in a `.creds` file, as `${file:PATH}`, in place of a username and password.
    #[serde(default)]
    pub(crate) creds: Option<Secret>,
    /// What the subjects begin with on which camhook hears confirmations, for users who may not subscribe to `_INBOX.>`.
    /// Default `_INBOX`.
    #[serde(default)]
    pub(crate) inbox: Option<String>,
    /// How long one message may take, connecting included. Default `30s`.
    #[serde(default)]
    pub(crate) timeout: Option<Span>,
    /// Whom to trust (`ca`, `pin`), and who camhook is (`cert`, `key`). With it nothing is told without TLS. The system's
    /// authorities unless set.
    #[serde(default)]
    pub(crate) tls: Option<Tls>,
}

fn yes() -> bool {
    true
}

const TIMEOUT: Duration = Duration::from_secs(30);
/// No setting makes an attempt longer.
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);
/// Kept while there is nothing to send.
const IDLE_MAX: usize = 4;
/// A server asks every two minutes whether somebody is there, and nobody answers while a connection lies idle.
const IDLE_FOR: Duration = Duration::from_secs(90);

/// One server, or the servers of one cluster.
pub(crate) struct NatsTarget {
    addresses: Vec<Address>,
    proof: Proof,
    tls: Arc<ClientConfig>,
    tls_only: bool,
    /// None when no stream is to confirm anything.
    inbox: Option<String>,
    timeout: Duration,
    clock: Clock,
    idle: Mutex<Vec<(Instant, Connection)>>,
}

/// What became of a message.
#[derive(Debug, PartialEq)]
enum Delivered {
    Taken,
    Stored {
        stream: String,
        place: u64,
        /// Whether it was there already.
        before: bool,
    },
}

impl NatsTarget {
    pub(crate) fn new(
        settings: &Settings,
        tls: Arc<ClientConfig>,
        clock: &Clock,
    ) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::new();
        let mut wrong = |key: &str, message: String| mistakes.push((vec![key.to_owned()], message));
        let read = address::read(&settings.url).map_err(|error| wrong("url", error));
        let proof = match &read {
            Ok((_, in_url)) => {
                proof(settings, in_url).map_err(|(key, message)| wrong(key, message))
            }
            Err(()) => Err(()),
        };
        let inbox = settings.inbox.as_deref().unwrap_or("_INBOX");
        if inbox.is_empty()
            || !(inbox.split('.')).all(|token| !token.is_empty() && token.chars().all(is_plain))
        {
            let message = "expected the beginning of a subject, such as `_INBOX_camhook`";
            wrong("inbox", message.to_owned());
        }
        match (read, proof) {
            (Ok((addresses, _)), Ok(proof)) if mistakes.is_empty() => Ok(Self {
                addresses,
                proof,
                tls,
                tls_only: settings.tls.is_some(),
                inbox: settings.jetstream.then(|| inbox.to_owned()),
                timeout: settings
                    .timeout
                    .map_or(TIMEOUT, |span| span.0.min(TIMEOUT_MAX)),
                clock: clock.clone(),
                idle: Mutex::default(),
            }),
            _ => Err(mistakes),
        }
    }

    /// Host and port of the first server.
    pub(crate) fn address(&self) -> Option<(String, u16)> {
        let first = self.addresses.first()?;
        Some((first.host.clone(), first.port))
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(since, _)| since.elapsed() < IDLE_FOR);
        idle.pop().map(|(_, connection)| connection)
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX && connection.is_good() {
            idle.push((Instant::now(), connection));
        }
    }

    /// To the first server that lets camhook in.
    async fn open(&self) -> Result<Connection, NatsError> {
        let wanted = Wanted {
            proof: &self.proof,
            tls: &self.tls,
            tls_only: self.tls_only,
            inbox: (self.inbox.as_ref())
                .map(|inbox| format!("{inbox}.{}", EventId::at(self.clock.now()))),
        };
        let mut last = NatsError::Closed;
        for address in &self.addresses {
            match Connection::open(address, &wanted).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn publish(&self, message: &Publication, id: &str) -> Result<Delivered, NatsError> {
        if let Some(mut connection) = self.take_idle() {
            match connection.publish(message, id).await {
                // The server may have gone while the connection lay idle. Should it have the message all the same, the
                // id tells that it comes again.
                Err(error) if error.is_of_connection() => {
                    let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                    idle.clear();
                }
                done => {
                    self.keep(connection);
                    return done;
                }
            }
        }
        let mut connection = self.open().await?;
        let done = connection.publish(message, id).await;
        self.keep(connection);
        done
    }
}

fn is_plain(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !matches!(c, '*' | '>')
}

/// The one way in which camhook is to show who it is; a mistake with its key.
fn proof(settings: &Settings, in_url: &InUrl) -> Result<Proof, (&'static str, String)> {
    let given = [
        (
            "username",
            settings.username.is_some() || settings.password.is_some(),
        ),
        ("token", settings.token.is_some()),
        ("nkey", settings.nkey.is_some()),
        ("creds", settings.creds.is_some()),
        ("url", !matches!(in_url, InUrl::Nothing)),
    ];
    let mut given = given.into_iter().filter(|(_, given)| *given);
    if let (Some((first, _)), Some((second, _))) = (given.next(), given.next()) {
        let message =
            format!("`{second}` beside `{first}`: there is one way to show who camhook is");
        return Err((second, message));
    }
    let of_key = |key: &'static str| move |told: &str| (key, told.to_owned());
    match settings {
        Settings {
            username: Some(username),
            password,
            ..
        } => Ok(Proof::Login {
            username: username.clone(),
            password: password.clone().unwrap_or_else(|| Secret::new("")),
        }),
        Settings {
            password: Some(_), ..
        } => Err((
            "password",
            "a password needs a `username` beside it".to_owned(),
        )),
        Settings {
            token: Some(token), ..
        } => Ok(Proof::Token(token.clone())),
        Settings {
            nkey: Some(seed), ..
        } => Key::of_seed(seed.expose())
            .map(|key| Proof::Key { key, jwt: None })
            .map_err(of_key("nkey")),
        Settings {
            creds: Some(text), ..
        } => Proof::of_creds(text.expose()).map_err(of_key("creds")),
        _ => Ok(match in_url {
            InUrl::Nothing => Proof::Nobody,
            InUrl::Token(token) => Proof::Token(token.clone()),
            InUrl::Login(username, password) => Proof::Login {
                username: username.clone(),
                password: password.clone(),
            },
        }),
    }
}

impl Target for NatsTarget {
    fn send(
        &self,
        delivery: DeliveryId,
        payload: Payload,
    ) -> Pin<Box<dyn Future<Output = Report> + Send + '_>> {
        Box::pin(async move {
            let Payload::Publication(message) = payload else {
                return Report::misrouted("nats");
            };
            let id = delivery.to_string();
            match timeout(self.timeout, self.publish(&message, &id)).await {
                Ok(Ok(done)) => Report {
                    excerpt: excerpt(&done),
                    ..Report::delivered()
                },
                Ok(Err(error)) => Report::failed(error.verdict(), error.to_string()),
                Err(_) => {
                    let seconds = self.timeout.as_secs_f64();
                    Report::try_again(format!("the server did not confirm within {seconds} s"))
                }
            }
        })
    }
}

fn excerpt(done: &Delivered) -> Option<String> {
    match done {
        Delivered::Taken => None,
        Delivered::Stored {
            stream,
            place,
            before,
        } => {
            let before = if *before {
                ": it was there already"
            } else {
                ""
            };
            Some(format!("message {place} of the stream {stream}{before}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(yaml: &str) -> Result<NatsTarget, Mistakes> {
        let settings: Settings = serde_saphyr::from_str(yaml).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        NatsTarget::new(&settings, Arc::new(tls), &Clock::system())
    }

    #[test]
    fn there_is_one_way_to_show_who_camhook_is() {
        for (yaml, key, told) in [
            (
                "{ url: 'nats://a:b@host', token: abcdefgh }",
                "url",
                "beside `token`",
            ),
            (
                "{ url: 'nats://host', password: abcdefgh }",
                "password",
                "needs a `username`",
            ),
            (
                "{ url: 'nats://host', nkey: SUABC }",
                "nkey",
                "no seed of an nkey",
            ),
            (
                "{ url: 'nats://host', creds: abc }",
                "creds",
                "BEGIN NATS USER JWT",
            ),
            ("{ url: 'nats://host', inbox: 'a b' }", "inbox", "such as"),
        ] {
            let (path, message) = made(yaml).err().unwrap().pop().unwrap();
            assert_eq!(path, [key], "{yaml}");
            assert!(message.contains(told), "{yaml}: {message}");
        }
        assert!(made("{ url: 'nats://token@host, tls://other' }").is_ok());
    }
}
