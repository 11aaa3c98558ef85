//! The listener: takes connections, as many as are allowed, until camhook stops.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::Protocol;
use super::door::Door;
use super::front::{Front, PATIENCE, Reception};
use super::intake::Intake;
use super::settings::Settings;
use crate::budget::Budget;
use crate::clock::Clock;
use crate::store::Store;
use crate::tasks::Tasks;
use crate::telemetry::Metrics;

/// How long to wait when the system refuses to hand out a connection (too many open files, no memory).
const PAUSE: Duration = Duration::from_millis(200);

/// The front door, bound to its address but not open yet.
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
    settings: Settings,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} (`server.listen`){}", advice(source))]
pub struct BindError {
    address: SocketAddr,
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

impl Server {
    pub(crate) async fn bind(settings: &Settings) -> Result<Self, BindError> {
        let bind = async {
            let listener = TcpListener::bind(settings.listen).await?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = bind.await.map_err(|source| BindError {
            address: settings.listen,
            source,
        })?;
        Ok(Self {
            listener,
            address,
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
        self.address
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
        let allowed = self.settings.max_connections.get();
        let slots = Slots::new(allowed);
        loop {
            let next = async {
                let slot = slots.take().await;
                let (stream, peer) = accept(&self.listener).await;
                (slot, stream, peer)
            };
            let (slot, stream, peer) = tokio::select! {
                biased;
                () = tasks.stopping() => break,
                next = next => next,
            };
            let (front, protocol) = (front.clone(), protocol.clone());
            tasks.spawn(async move {
                front.metrics.connections.inc();
                let _ = stream.set_nodelay(true); // answers are small; without it they are merely later
                // A listener on `[::]` sees IPv4 senders as `::ffff:a.b.c.d`.
                protocol
                    .serve(stream, peer.ip().to_canonical(), &front)
                    .await;
                front.metrics.connections.dec();
                drop(slot);
            });
        }
        drop(self.listener);
        slots.all(allowed).await;
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
        let first = Server::bind(&settings).await.unwrap();
        let second = Settings {
            listen: first.address(),
            ..Settings::default()
        };
        let error = Server::bind(&second).await.err().unwrap().to_string();
        assert!(error.contains("`server.listen`") && error.contains("choose another port"));
        assert!(error.contains(&first.address().to_string()));
    }
}
