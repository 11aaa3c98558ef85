//! Delivery: times what is sent to each target, until the target has it.
//!
//! A retry is a row in the store, not a loop in memory: a delivery is leased, tried once and settled (delivered, again
//! at that moment, dead, …), so a crash at any line is the ordinary case and the next start goes on where this one ended.
//!
//! Each target has a worker of its own ([`worker`]) with its own queue, its own requests under way, and its own share of
//! memory, so that a dead or slow target delays nobody else; all that workers share is the processor, in turns. The
//! worker is one loop that owns all of its state. It listens for news *before* it looks into the queue, so nothing is
//! missed in between, and it waits only for moments, news and answers, never by polling.
//!
//! What holds a target back (the pause it asked for, the breaker, its rate limit, a refusal) is decided in [`gate`],
//! which does not wait, send or store anything itself. Waiting never spends an attempt.
//!
//! It is not a place for reasons: the target says what an answer means ([`crate::fate::Verdict`]), delivery says when.

mod attempt;
mod backoff;
mod breaker;
mod deliveries;
mod gate;
mod limit;
mod memo;
mod outcome;
mod prepare;
mod record;
mod settings;
#[cfg(test)]
mod tests;
mod traced;
mod with;
mod worker;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::unconstrained;

pub(crate) use deliveries::Deliveries;
pub(crate) use prepare::{Outlet, Pipelines, Unready, check, prepare};
pub(crate) use settings::Settings;
pub(crate) use with::{Cameras, With};

/// That long after; the end of time when it is longer than time lasts.
fn after(moment: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| moment.saturating_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}

/// Polls once: what the future came to, if it is ready. Unconstrained, so that "not yet" never means a budget used up.
async fn poll_now<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    let once = poll_fn(|context| {
        Poll::Ready(match future.as_mut().poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    });
    unconstrained(once).await
}
