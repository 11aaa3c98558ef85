//! One connection: HTTP/1.1 or HTTP/2, its silence and its end.
//!
//! hyper can time out headers, but counts a connection that rests between two requests as one that is slow to send
//! headers, and does not watch a connection that never says a word. Cameras rest for minutes, attackers never speak;
//! so the pulse of the connection is taken here.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Version};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::caller::Caller;
use super::front::{Front, Reception};
use super::settings::Settings;
use super::wording::Worded;
use crate::tasks::Tasks;
use crate::tls::Stream;

/// Requests that one HTTP/2 connection may have open.
const STREAMS: u32 = 64;

/// Bytes that an HTTP/2 sender may send before they are read, for each connection; not covered by the budget.
const WINDOW: u32 = 256 << 10;

/// How long a connection that was told to end may take to write out what it has.
const FAREWELL: Duration = Duration::from_secs(5);

/// The least that hyper can work with. Bytes.
const LEAST_BUFFER: usize = 8 << 10;

/// How every connection of one listener is served.
#[derive(Clone)]
pub(super) struct Protocol {
    builder: auto::Builder<OnTasks>,
    header_timeout: Duration,
    idle_timeout: Duration,
    shutdown_grace: Duration,
    tasks: Tasks,
}

/// Runs the requests of an HTTP/2 connection.
#[derive(Clone)]
struct OnTasks(Tasks);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for OnTasks {
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

impl Protocol {
    pub(super) fn new(settings: &Settings, tasks: &Tasks) -> Self {
        let header_bytes = settings.max_header.bytes().max(LEAST_BUFFER);
        let headers = usize::try_from(settings.max_headers.get()).unwrap_or(usize::MAX);
        let mut builder = auto::Builder::new(OnTasks(tasks.clone()));
        builder
            .http1()
            // Many senders close their side as soon as they have sent the request; it is an event all the same.
            .half_close(true)
            .header_read_timeout(None)
            .max_buf_size(header_bytes)
            .max_headers(headers);
        builder
            .http2()
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX));
        Self {
            builder,
            header_timeout: settings.header_timeout(),
            idle_timeout: settings.idle_timeout(),
            shutdown_grace: settings.shutdown_grace.0,
            tasks: tasks.clone(),
        }
    }

    /// Returns when the connection has ended, for whichever reason.
    pub(super) async fn serve<R: Reception>(
        &self,
        stream: Stream,
        caller: Caller,
        front: &Arc<Front<R>>,
    ) {
        let peer = caller.address;
        let pulse = Arc::new(Pulse::new(self.header_timeout, self.idle_timeout));
        let service = service_fn(|request: Request<Incoming>| {
            let presence = Pulse::enter(&pulse, request.version());
            let (front, caller) = (front.clone(), caller.clone());
            async move { Ok::<_, Infallible>(front.answer(caller, request, presence).await) }
        });
        let felt = Felt {
            stream,
            pulse: pulse.clone(),
        };
        let io = TokioIo::new(Worded::new(felt, front.metrics.clone()));
        let mut connection = pin!(self.builder.serve_connection(io, service));
        let patience = tokio::select! {
            biased;
            ended = connection.as_mut() => return note(peer, ended),
            silence = pulse.stopped() => match silence {
                Silence::Headers => {
                    tracing::debug!(%peer, "closed a connection whose request never came");
                    return;
                }
                Silence::Idle => FAREWELL,
            },
            () = self.tasks.stopping() => self.shutdown_grace,
        };
        connection.as_mut().graceful_shutdown();
        match timeout(patience, connection).await {
            Ok(ended) => note(peer, ended),
            Err(_) => tracing::debug!(%peer, "cut a connection that did not end"),
        }
    }
}

/// A sender that hangs up or speaks nonsense is its own business; hyper has answered what can be answered.
fn note(peer: std::net::IpAddr, ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(%peer, error, "a connection ended badly");
    }
}

/// What is known of a connection's liveliness.
struct Pulse {
    header_timeout: Duration,
    idle_timeout: Duration,
    state: Mutex<State>,
}

struct State {
    /// Requests that are being read or answered.
    present: usize,
    phase: Phase,
}

/// What a connection without a request is in the middle of.
#[derive(Clone, Copy)]
enum Phase {
    /// HTTP/1: nothing of the next request has come since then.
    Resting(Instant),
    /// The first bytes of a request, or the connection itself, came then.
    Beginning(Instant),
    /// HTTP/2, where bytes that come are not always a request; the last came then.
    Multiplexed(Instant),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    Headers,
    Idle,
}

/// A request is in progress until this is dropped.
struct Presence(Arc<Pulse>);

impl Pulse {
    fn new(header_timeout: Duration, idle_timeout: Duration) -> Self {
        let state = State {
            present: 0,
            phase: Phase::Beginning(Instant::now()),
        };
        Self {
            header_timeout,
            idle_timeout,
            state: Mutex::new(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(pulse: &Arc<Self>, version: Version) -> Presence {
        let mut state = pulse.lock();
        state.present += 1;
        if version == Version::HTTP_2 {
            state.phase = Phase::Multiplexed(Instant::now());
        }
        Presence(pulse.clone())
    }

    /// Bytes came.
    fn beat(&self) {
        let mut state = self.lock();
        state.phase = match state.phase {
            Phase::Resting(_) if state.present == 0 => Phase::Beginning(Instant::now()),
            Phase::Multiplexed(_) => Phase::Multiplexed(Instant::now()),
            unchanged => unchanged,
        };
    }

    /// When the connection has been silent for too long; `None` while a request is in progress.
    fn deadline(&self) -> Option<(Instant, Silence)> {
        let state = self.lock();
        if state.present > 0 {
            return None;
        }
        Some(match state.phase {
            Phase::Resting(since) | Phase::Multiplexed(since) => {
                (since + self.idle_timeout, Silence::Idle)
            }
            Phase::Beginning(since) => (since + self.header_timeout, Silence::Headers),
        })
    }

    /// Ends when the connection has been silent for too long. To be polled after the connection, whose reads move the
    /// deadline: a nap is only ever shortened, and prolonged when it is over.
    async fn stopped(&self) -> Silence {
        let mut nap: Pin<Box<Sleep>> = Box::pin(sleep_until(Instant::now() + self.header_timeout));
        poll_fn(|context| {
            loop {
                let deadline = self.deadline();
                let now = Instant::now();
                if let Some((deadline, silence)) = deadline
                    && deadline <= now
                {
                    return Poll::Ready(silence);
                }
                let wake = deadline.map_or(now + self.idle_timeout, |(deadline, _)| deadline);
                if wake < nap.deadline() {
                    nap.as_mut().reset(wake);
                }
                if nap.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                nap.as_mut().reset(wake);
            }
        })
        .await
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.present -= 1;
        state.phase = match state.phase {
            Phase::Multiplexed(_) => Phase::Multiplexed(Instant::now()),
            Phase::Resting(_) | Phase::Beginning(_) => Phase::Resting(Instant::now()),
        };
    }
}

/// A stream whose reads are felt by the pulse.
struct Felt {
    stream: Stream,
    pulse: Arc<Pulse>,
}

impl AsyncRead for Felt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.pulse.beat();
        }
        polled
    }
}

impl AsyncWrite for Felt {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulse() -> Arc<Pulse> {
        Arc::new(Pulse::new(
            Duration::from_secs(30),
            Duration::from_secs(180),
        ))
    }

    /// Whole minutes are enough to tell the two timeouts apart.
    fn minutes_left(pulse: &Pulse) -> Option<(u64, Silence)> {
        let (deadline, silence) = pulse.deadline()?;
        let left = deadline.duration_since(Instant::now()) + Duration::from_secs(5);
        Some((left.as_secs() / 60, silence))
    }

    #[test]
    fn a_new_connection_must_speak_soon() {
        assert_eq!(minutes_left(&pulse()), Some((0, Silence::Headers)));
    }

    #[test]
    fn a_connection_may_rest_longer_than_headers_may_take() {
        let pulse = pulse();
        let first = Pulse::enter(&pulse, Version::HTTP_11);
        assert_eq!(minutes_left(&pulse), None);
        pulse.beat(); // its body
        drop(first);
        assert_eq!(minutes_left(&pulse), Some((3, Silence::Idle)));
    }

    #[test]
    fn the_next_request_must_come_whole_soon_after_its_first_byte() {
        let pulse = pulse();
        drop(Pulse::enter(&pulse, Version::HTTP_11));
        pulse.beat();
        assert_eq!(minutes_left(&pulse), Some((0, Silence::Headers)));
        let (first, _) = pulse.deadline().unwrap();
        pulse.beat();
        assert_eq!(pulse.deadline().unwrap().0, first);
    }

    #[test]
    fn what_an_http2_sender_says_besides_requests_keeps_it_alive() {
        let pulse = pulse();
        drop(Pulse::enter(&pulse, Version::HTTP_2));
        let (first, _) = pulse.deadline().unwrap();
        pulse.beat();
        assert!(pulse.deadline().unwrap().0 >= first);
        assert_eq!(minutes_left(&pulse), Some((3, Silence::Idle)));
    }
}
