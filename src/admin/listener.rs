//! The admin listener: few connections, small requests.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::{Admin, pages};
use crate::tasks::Tasks;
use crate::tls::{Acceptor, Stream};

/// Connections at once; further ones wait.
const CONNECTIONS_MAX: usize = 128;
/// Bytes of a request's body: lists of ids are the largest.
const BODY_MAX: usize = 1 << 20;
/// A client that does not send its head within this time is let go.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

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
    pub(crate) async fn run(self, acceptor: Option<Acceptor>, admin: Admin, tasks: Tasks) {
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
            let (admin, stop) = (admin.clone(), tasks.clone());
            let acceptor = acceptor.clone();
            tasks.spawn(async move {
                let opened = match acceptor {
                    Some(acceptor) => tokio::select! {
                        () = stop.stopping() => None,
                        opened = acceptor.accept(stream, peer.ip(), "admin.listen") => opened,
                    },
                    None => Some((Stream::Plain(stream), None)),
                };
                let Some((stream, _)) = opened else { return };
                let service = service_fn(move |request| answer(admin.clone(), request));
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service);
                let mut connection = std::pin::pin!(connection);
                let ended = tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = stop.stopping() => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
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
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    if !head.headers.contains_key(HOST) && head.uri.host().is_none() {
        let body =
            serde_json::json!({ "error": "bad_request", "reason": "a Host header is needed" });
        return Ok(pages::json(StatusCode::BAD_REQUEST, &body).map(Full::new));
    }
    let response = match Limited::new(body, BODY_MAX).collect().await {
        Ok(body) => {
            admin
                .answer(Request::from_parts(head, body.to_bytes()))
                .await
        }
        Err(_) => {
            let body = serde_json::json!({ "error": "too_large", "reason": "a request here has at most 1 MiB" });
            pages::json(StatusCode::PAYLOAD_TOO_LARGE, &body)
        }
    };
    Ok(response.map(Full::new))
}
