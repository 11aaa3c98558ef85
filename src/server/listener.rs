//! The listener: takes connections, as many as are allowed, until camhook stops.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::caller::Caller;
use super::connection::Protocol;
use super::door::Door;
use super::front::{Front, PATIENCE, Reception};
use super::guard::Guard;
use super::intake::Intake;
use super::settings::Settings;
use crate::budget::Budget;
use crate::clock::Clock;
use crate::store::Store;
use crate::tasks::Tasks;
use crate::telemetry::Metrics;
use crate::tls::{Acceptor, Stream};

/// How long to wait when the system refuses to hand out a connection (too many open files, no memory).
const PAUSE: Duration = Duration::from_millis(200);

/// The front door, bound to its addresses but not open yet.
pub(crate) struct Server {
    first: Listening,
    /// For HTTPS beside plain HTTP.
    second: Option<Listening>,
    settings: Settings,
}

/// One address of the front door.
struct Listening {
    listener: TcpListener,
    address: SocketAddr,
    /// Of the address, for messages.
    setting: &'static str,
    acceptor: Option<Acceptor>,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} (`{setting}`){}", advice(source))]
pub struct BindError {
    address: SocketAddr,
    setting: &'static str,
    source: io::Error,
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            ": another program, or another camhook, is listening there; stop it or choose another port"
        }
        io::ErrorKind::PermissionDenied => {
            ": ports below 1024 need privileges; choose another port"
        }
        io::ErrorKind::AddrNotAvailable => {
            ": this machine has no such address; `0.0.0.0` is all it has"
        }
        _ => "",
    }
}

impl Listening {
    async fn bind(
        address: SocketAddr,
        setting: &'static str,
        acceptor: Option<Acceptor>,
    ) -> Result<Self, BindError> {
        let failed = |source| BindError {
            address,
            setting,
            source,
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            listener,
            address,
            setting,
            acceptor,
        })
    }
}

impl Server {
    /// `acceptor` speaks TLS as `settings.tls` has it.
    pub(crate) async fn bind(
        settings: &Settings,
        acceptor: Option<Acceptor>,
    ) -> Result<Self, BindError> {
        let own = settings.tls.as_ref().and_then(|tls| tls.listen);
        let (first, second) = match own {
            Some(address) => (None, Some((address, acceptor))),
            None => (acceptor, None),
        };
        let first = Listening::bind(settings.listen, "server.listen", first).await?;
        let second = match second {
            Some((address, acceptor)) => {
                Some(Listening::bind(address, "server.tls.listen", acceptor).await?)
            }
            None => None,
        };
        Ok(Self {
            first,
            second,
            settings: settings.clone(),
        })
    }

    /// No more connections than that, whatever the settings say.
    pub(crate) fn within(mut self, connections: NonZeroU32) -> Self {
        self.settings.max_connections = self.settings.max_connections.min(connections);
        self
    }

    /// With the port that the system chose, if it was asked to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.first.address
    }

    /// Where HTTPS has an address of its own.
    pub(crate) fn second_address(&self) -> Option<SocketAddr> {
        self.second.as_ref().map(|second| second.address)
    }

    /// Serves until `tasks` stops, then returns when all connections have ended, or have been cut after the grace.
    /// Requests that came in whole may still be on their way to the store then: wait for `tasks` before closing it.
    pub(crate) async fn run(
        self,
        door: Arc<ArcSwap<Door>>,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        budget: Budget,
        tasks: Tasks,
    ) {
        let front = Front {
            door,
            reception: Intake {
                store,
                metrics: metrics.clone(),
                tasks: tasks.clone(),
            },
            guard: Guard::new(),
            proxies: self.settings.proxies(),
            clock,
            metrics,
            budget,
            patience: PATIENCE,
            body_timeout: self.settings.body_timeout(),
            tasks,
        };
        self.serve(front).await;
    }

    pub(super) async fn serve<R: Reception>(self, front: Front<R>) {
        let tasks = front.tasks.clone();
        let front = Arc::new(front);
        let protocol = Protocol::new(&self.settings, &tasks);
        let slots = Slots::new(self.settings.max_connections.get());
        loop {
            let next = async {
                let slot = slots.take().await;
                let (listening, stream, peer) = self.accept().await;
                (slot, listening, stream, peer)
            };
            let (slot, listening, stream, peer) = tokio::select! {
                biased;
                () = tasks.stopping() => break,
                next = next => next,
            };
            let (front, protocol) = (front.clone(), protocol.clone());
            let (acceptor, setting) = (listening.acceptor.clone(), listening.setting);
            tasks.spawn(async move {
                front.metrics.connections.inc();
                let _ = stream.set_nodelay(true); // answers are small; without it they are merely later
                // A listener on `[::]` sees IPv4 senders as `::ffff:a.b.c.d`.
                let address = peer.ip().to_canonical();
                let opened = match acceptor {
                    Some(acceptor) => tokio::select! {
                        () = front.tasks.stopping() => None,
                        opened = acceptor.accept(stream, address, setting) => opened,
                    },
                    None => Some((Stream::Plain(stream), None)),
                };
                if let Some((stream, certificate)) = opened {
                    let caller = Caller {
                        address,
                        certificate,
                    };
                    protocol.serve(stream, caller, &front).await;
                }
                front.metrics.connections.dec();
                drop(slot);
            });
        }
        drop((self.first, self.second));
        slots.all(self.settings.max_connections.get()).await;
    }

    /// The next connection to either address.
    async fn accept(&self) -> (&Listening, TcpStream, SocketAddr) {
        let second = async {
            match &self.second {
                Some(second) => (second, accept(&second.listener).await),
                None => std::future::pending().await,
            }
        };
        let (listening, (stream, peer)) = tokio::select! {
            accepted = accept(&self.first.listener) => (&self.first, accepted),
            accepted = second => accepted,
        };
        (listening, stream, peer)
    }
}

/// One for each connection that is allowed.
struct Slots(Arc<Semaphore>);

impl Slots {
    fn new(allowed: u32) -> Self {
        let allowed = usize::try_from(allowed).unwrap_or(usize::MAX);
        Self(Arc::new(Semaphore::new(
            allowed.min(Semaphore::MAX_PERMITS),
        )))
    }

    async fn take(&self) -> Option<OwnedSemaphorePermit> {
        if self.0.available_permits() == 0 {
            tracing::warn!("all connections are in use (`server.max_connections`); new ones wait");
        }
        self.0.clone().acquire_owned().await.ok()
    }

    /// Waits until every connection has ended; each is cut after the grace at the latest.
    async fn all(&self, allowed: u32) {
        let _ = self.0.acquire_many(allowed).await;
    }
}

/// The next connection. What keeps the system from handing one out passes, so it is waited for.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_the_senders(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot take a new connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Whether a connection failed before it was taken, which says nothing of the next one.
fn is_the_senders(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_told_with_the_setting_to_change() {
        let settings = Settings {
            listen: ([127, 0, 0, 1], 0).into(),
            ..Settings::default()
        };
        let first = Server::bind(&settings, None).await.unwrap();
        let second = Settings {
            listen: first.address(),
            ..Settings::default()
        };
        let error = Server::bind(&second, None).await.err().unwrap().to_string();
        assert!(error.contains("`server.listen`") && error.contains("choose another port"));
        assert!(error.contains(&first.address().to_string()));
    }
}
