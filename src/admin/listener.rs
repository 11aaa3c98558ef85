//! The admin listener: few connections, small requests.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::body::Body;
use super::flowing::Flowing;
use super::gate::Gate;
use super::visitor::Caller;
use super::{Admin, front};
use crate::tasks::Tasks;
use crate::tls::{Acceptor, Stream};

/// Connections at once; further ones wait.
const CONNECTIONS_MAX: usize = 128;
/// A client that does not send its head within this time is let go.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// A client that takes nothing of its answer for so long is let go.
const TAKE_TIMEOUT: Duration = Duration::from_secs(60);
/// What is being sent when camhook stops has so long.
const GRACE: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} (`admin.listen`): {source}; is another camhook running?")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

/// Bound to its address but not open yet.
pub(crate) struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listener {
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let failed = |source| BindError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// With the port that the system chose, if it was asked to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `tasks` stops; inside of TLS when there is an acceptor.
    pub(crate) async fn run(
        self,
        acceptor: Option<Acceptor>,
        admin: Admin,
        gate: Arc<Gate>,
        tasks: Tasks,
    ) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(slot) = slots.clone().acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                () = tasks.stopping() => return,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((stream, peer)) = accepted else {
                tokio::time::sleep(Duration::from_millis(200)).await; // too many open files, say: it passes
                continue;
            };
            let (admin, gate, stop) = (admin.clone(), gate.clone(), tasks.clone());
            let acceptor = acceptor.clone();
            tasks.spawn(async move {
                let caller = Caller {
                    address: peer.ip().to_canonical(),
                    tls: acceptor.is_some(),
                };
                let opened = match acceptor {
                    Some(acceptor) => tokio::select! {
                        () = stop.stopping() => None,
                        opened = acceptor.accept(stream, peer.ip(), "admin.listen") => opened,
                    },
                    None => Some((Stream::Plain(stream), None)),
                };
                let Some((stream, _)) = opened else { return };
                let stream = Flowing::new(stream, TAKE_TIMEOUT);
                let streams = stop.clone();
                let service = service_fn(move |request| {
                    answer(
                        admin.clone(),
                        gate.clone(),
                        streams.clone(),
                        caller,
                        request,
                    )
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service);
                let mut connection = std::pin::pin!(connection);
                let ended = tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = stop.stopping() => {
                        connection.as_mut().graceful_shutdown();
                        // Who does not even take the end of a stream is not waited for.
                        let ended = tokio::time::timeout(GRACE, connection).await;
                        ended.unwrap_or(Ok(()))
                    }
                };
                if let Err(error) = ended {
                    tracing::debug!(%error, "an admin connection broke");
                }
                drop(slot);
            });
        }
    }
}

async fn answer(
    admin: Admin,
    gate: Arc<Gate>,
    tasks: Tasks,
    caller: Caller,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    Ok(front::answer(&admin, &gate, &tasks, caller, request).await)
}
