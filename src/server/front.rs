//! From a request to its answer: may it enter, is there room, read it, hand it in.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::EXPECT;
use http::request::Parts;
use http::{Method, Request, Version};
use http_body_util::Full;
use hyper::body::{Body, Incoming};

use super::answer::{self, Refusal, Reply};
use super::body::{self, Limits};
use super::caller::Caller;
use super::door::{Call, Door, Entry};
use super::guard::Guard;
use super::mask;
use jiff::Timestamp;

use crate::budget::{Budget, Reserved};
use crate::clock::Clock;
use crate::event::Original;
use crate::reach::Proxies;
use crate::sources::Answer;
use crate::tasks::Tasks;
use crate::telemetry::{Metrics, Status};

/// How long a sender waits for a part of the byte budget before it gets 503.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// The rest of a refused body up to this size is read before the connection's next request; with more to come the
/// connection is closed. Bytes.
const WORTH_KEEPING: u64 = 64 << 10;

/// How much of a request's body was read. hyper does not tell: it takes a chunked body for one that goes on for ever.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Read {
    Nothing,
    Part,
    Whole,
}

/// What becomes of a request that came in whole.
pub(super) trait Reception: Send + Sync + 'static {
    /// Whether it is worth to read a body at all.
    fn ready(&self) -> Result<(), Refusal>;

    /// Returns the source's success once the request is safe.
    fn receive(
        &self,
        door: Arc<Door>,
        entry: Arc<Entry>,
        received: Received,
    ) -> impl Future<Output = Result<Answer, Refusal>> + Send;
}

/// A request that came in whole, and its part of the budget, to be held until it is on disk.
pub(super) struct Received {
    pub(super) original: Original,
    pub(super) reserved: Reserved,
    /// Its head was there.
    pub(super) begun: Timestamp,
}

/// What all requests of one listener share.
pub(super) struct Front<R> {
    pub(super) door: Arc<ArcSwap<Door>>,
    pub(super) reception: R,
    pub(super) guard: Guard,
    pub(super) proxies: Proxies,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) budget: Budget,
    pub(super) patience: Duration,
    pub(super) body_timeout: Duration,
    pub(super) tasks: Tasks,
}

impl<R: Reception> Front<R> {
    /// `presence` tells the connection that it is in use.
    pub(super) async fn answer(
        &self,
        caller: Caller,
        request: Request<Incoming>,
        presence: impl Send + 'static,
    ) -> Reply {
        let (parts, mut body) = request.into_parts();
        let peer = self.proxies.sender(caller.address, &parts.headers);
        let caller = Caller {
            address: peer,
            ..caller
        };
        let mut read = Read::Nothing;
        let result = self.serve(&caller, &parts, &mut body, &mut read).await;
        if result.as_ref().is_err_and(Refusal::is_guess) {
            tokio::select! {
                () = self.tasks.stopping() => {}
                () = self.guard.slow_down(peer, &self.clock) => {}
            }
        }
        let mut reply = match &result {
            Ok(reply) => reply.clone(),
            Err(refusal) => {
                let status = refusal.status().as_u16();
                tracing::info!(%peer, status, reason = %refusal, "refused a request");
                let refused = self
                    .metrics
                    .requests_refused
                    .get_or_create(&Status { status });
                refused.inc();
                refusal.reply()
            }
        };
        if read != Read::Whole && !body.is_end_stream() {
            let spoilt = result.is_err_and(|refusal| refusal.spoils_body());
            // The sender waits to be asked for the body, and reading would ask for it.
            let unasked = read == Read::Nothing && parts.headers.contains_key(EXPECT);
            let short = body
                .size_hint()
                .upper()
                .is_some_and(|left| left <= WORTH_KEEPING);
            if parts.version < Version::HTTP_2 && (spoilt || unasked || !short) {
                reply = answer::and_close(reply);
            }
            if !spoilt && !unasked {
                self.tasks.spawn(async move {
                    body::drain(body).await;
                    drop(presence);
                });
            }
        }
        if parts.method == Method::HEAD {
            *reply.body_mut() = Full::new(Bytes::new());
        }
        reply
    }

    async fn serve(
        &self,
        caller: &Caller,
        parts: &Parts,
        body: &mut Incoming,
        read: &mut Read,
    ) -> Result<Reply, Refusal> {
        let door = self.door.load_full();
        let (nonces, now) = (&self.guard.nonces, self.clock.now());
        let entry = match door.call(parts, caller, nonces, now)? {
            Call::Event(entry) => entry,
            Call::Visit(entry) => return Ok(answer::text(entry.greeting())),
        };
        if self.tasks.is_stopping() {
            return Err(Refusal::Stopping);
        }
        let signature = entry.settings.auth.signature.as_ref();
        let signature = signature
            .map(|signature| {
                let signed = signature.read(&parts.headers, self.clock.now())?;
                Ok::<_, Refusal>((signature, signed))
            })
            .transpose()?;
        self.reception.ready()?;
        let limits = Limits {
            max: entry.settings.max_body.bytes(),
            budget: &self.budget,
            patience: self.patience,
            timeout: self.body_timeout,
        };
        let reserved = body::reserve(body, &limits).await?;
        *read = Read::Part;
        let (bytes, reserved) = body::collect(body, reserved, &limits).await?;
        *read = Read::Whole;
        if let Some((signature, signed)) = &signature {
            signature.check(signed, &bytes)?;
        }
        // What methods a source takes is told to whoever asks; some senders post events this way, too.
        let allow = (parts.method == Method::OPTIONS).then(|| entry.allow());
        if let Some(allow) = allow.as_deref().filter(|_| bytes.is_empty()) {
            return Ok(answer::allowed(allow));
        }
        let original = Original {
            method: parts.method.to_string(),
            path: mask::path(&parts.uri, &door.tokens().collect::<Vec<_>>()),
            headers: mask::headers(&parts.headers, &parts.uri, &entry.settings.auth.secrets()),
            remote: Some(caller.address),
            received_at: self.clock.now(),
            body: bytes,
        };
        let received = Received {
            original,
            reserved,
            begun: now,
        };
        let answer = self.reception.receive(door, entry, received).await?;
        Ok(match allow {
            Some(allow) => answer::allowed(&allow),
            None => answer::success(answer),
        })
    }
}
