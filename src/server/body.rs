//! Reads a body into one piece: within its source's limit, the process's budget and the sender's patience.

use std::fmt::Display;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::Refusal;
use crate::budget::{Budget, Reserved};

/// What is reserved at first for a body of unknown length; then it doubles.
const STEP: usize = 64 << 10;

/// The same while less than half of what requests may have is left: many who say nothing must not keep out the one who does.
const SMALL_STEP: usize = 4 << 10;

/// Less than this within the body timeout is no progress: a trickle must not hold its part of the budget for ever.
const PROGRESS: usize = 4 << 10;

/// How long a sender may go on with a body that was refused, so that it comes to read the answer: closing earlier would
/// reset the connection under it.
const DRAIN_WHOLE: Duration = Duration::from_secs(10);
const DRAIN_PAUSE: Duration = Duration::from_secs(2);

/// Of what is announced such a part must have come before the whole is believed, where there is not room for all.
const BELIEVED: usize = 32;

pub(super) struct Limits<'a> {
    /// Bytes.
    pub(super) max: usize,
    pub(super) budget: &'a Budget,
    /// How long to wait for a part of the budget.
    pub(super) patience: Duration,
    /// How long the body may make no progress.
    pub(super) timeout: Duration,
}

/// Reserves what the body announces, or a first step, before anything of it is read.
///
/// Announcing costs a sender nothing, so it is believed only while half of what requests may have is left for others; behind that a
/// body gets room as it comes, like one that announces nothing.
pub(super) async fn reserve(body: &impl Body, limits: &Limits<'_>) -> Result<Reserved, Refusal> {
    let announced = announced(body);
    if announced.is_some_and(|length| length > limits.max) {
        return Err(Refusal::TooLarge { limit: limits.max });
    }
    let (budget, most) = (limits.budget, announced.unwrap_or(limits.max));
    let first = announced.unwrap_or(STEP.min(most));
    let is_left = budget.free() >= budget.most() / 2 + first;
    let first = match first > budget.most() || is_left {
        true => first, // or never: it is more than there is altogether
        false => SMALL_STEP.min(most),
    };
    Ok(limits.budget.reserve(first, limits.patience).await?)
}

fn announced(body: &impl Body) -> Option<usize> {
    let length = body.size_hint().exact()?;
    Some(usize::try_from(length).unwrap_or(usize::MAX))
}

/// The whole body, and the part of the budget that it holds. A body that comes in one frame is not copied.
pub(super) async fn collect<B>(
    body: &mut B,
    reserved: Reserved,
    limits: &Limits<'_>,
) -> Result<(Bytes, Reserved), Refusal>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let announced = announced(body);
    let mut gathered = Gathered {
        single: Bytes::new(),
        joined: None,
        reserved,
    };
    let (mut deadline, mut progress) = (Instant::now() + limits.timeout, 0);
    loop {
        let received = gathered.len();
        let data = match timeout_at(deadline, body.frame()).await {
            Err(_) => return Err(Refusal::Slow { received }),
            Ok(None) => break,
            Ok(Some(Err(error))) => {
                let reason = error.to_string();
                return Err(Refusal::Broken { received, reason });
            }
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(), // trailers carry no data
        };
        progress += data.len();
        if progress >= PROGRESS {
            (deadline, progress) = (Instant::now() + limits.timeout, 0);
        }
        gathered.add(data, announced, limits).await?;
    }
    let received = gathered.len();
    if announced.is_some_and(|length| length != received) {
        let reason = "it is not as long as announced".to_owned();
        return Err(Refusal::Broken { received, reason });
    }
    Ok(gathered.finish())
}

struct Gathered {
    /// The first frame, while there is no other.
    single: Bytes,
    joined: Option<BytesMut>,
    /// Covers at least what was gathered.
    reserved: Reserved,
}

impl Gathered {
    fn len(&self) -> usize {
        self.joined
            .as_ref()
            .map_or(self.single.len(), BytesMut::len)
    }

    async fn add(
        &mut self,
        data: Bytes,
        announced: Option<usize>,
        limits: &Limits<'_>,
    ) -> Result<(), Refusal> {
        if data.is_empty() {
            return Ok(());
        }
        let needed = self.len().saturating_add(data.len());
        if needed > limits.max {
            return Err(Refusal::TooLarge { limit: limits.max });
        }
        let held = self.reserved.bytes();
        if needed > held {
            let most = announced.unwrap_or(limits.max);
            let most = most.min(limits.budget.most()).max(needed);
            let wanted = match announced {
                Some(length) if needed >= length / BELIEVED => most, // nor is it copied any more
                Some(_) | None => held.saturating_mul(2).max(needed).min(most),
            };
            self.reserved.grow(wanted - held, limits.patience).await?;
        }
        if needed == data.len() {
            self.single = data;
            return Ok(());
        }
        let room = self.reserved.bytes();
        let joined = self.joined.get_or_insert_with(|| {
            let mut joined = BytesMut::with_capacity(room);
            joined.extend_from_slice(&std::mem::take(&mut self.single));
            joined
        });
        joined.reserve(room - joined.len()); // as much as is reserved, so that it never grows beyond
        joined.extend_from_slice(&data);
        Ok(())
    }

    fn finish(self) -> (Bytes, Reserved) {
        let whole = self.joined.map_or(self.single, BytesMut::freeze);
        (whole, self.reserved)
    }
}

/// Reads on and forgets what it reads, for a while.
pub(super) async fn drain<B: Body + Unpin>(mut body: B) {
    let until_it_ends =
        async { while let Ok(Some(Ok(_))) = timeout(DRAIN_PAUSE, body.frame()).await {} };
    let _ = timeout(DRAIN_WHOLE, until_it_ends).await;
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::{Frame, SizeHint};

    use super::*;
    use crate::telemetry::Metrics;

    /// A body in given frames; `announced` is its Content-Length. `None` at the end means that it hangs.
    struct Frames {
        frames: VecDeque<Result<&'static [u8], &'static str>>,
        announced: Option<u64>,
        hangs: bool,
    }

    fn frames(frames: &[&'static [u8]], announced: Option<u64>) -> Frames {
        Frames {
            frames: frames.iter().map(|data| Ok(*data)).collect(),
            announced,
            hangs: false,
        }
    }

    impl Body for Frames {
        type Data = Bytes;
        type Error = &'static str;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            match self.frames.pop_front() {
                None if self.hangs => Poll::Pending,
                next => Poll::Ready(
                    next.map(|frame| frame.map(|data| Frame::data(Bytes::from_static(data)))),
                ),
            }
        }
        fn size_hint(&self) -> SizeHint {
            self.announced
                .map_or_else(SizeHint::new, SizeHint::with_exact)
        }
    }

    async fn collected(
        mut body: Frames,
        max: usize,
        budget: usize,
    ) -> Result<(Bytes, usize), Refusal> {
        let metrics = Metrics::new();
        let budget = Budget::new(budget / 5 * 8, metrics.clone()); // of which one may have 5/8
        let limits = Limits {
            max,
            budget: &budget,
            patience: Duration::ZERO,
            timeout: Duration::from_millis(1),
        };
        let reading = async {
            let reserved = reserve(&body, &limits).await?;
            let (bytes, reserved) = collect(&mut body, reserved, &limits).await?;
            Ok((bytes, reserved.bytes()))
        };
        let result = reading.await;
        assert_eq!(metrics.inflight_bytes.get(), 0);
        result
    }

    #[tokio::test]
    async fn one_frame_is_not_copied() {
        let data: &'static [u8] = b"hello";
        let (bytes, reserved) = collected(frames(&[data], Some(5)), 10, 1000).await.unwrap();
        assert_eq!(bytes.as_ptr(), data.as_ptr());
        assert_eq!(reserved, 5);
    }

    #[tokio::test]
    async fn frames_are_joined_in_order() {
        let body = frames(&[b"", b"he", b"", b"ll", b"o"], None);
        let (bytes, _) = collected(body, 5, 1000).await.unwrap();
        assert_eq!(bytes, "hello");
    }

    #[tokio::test]
    async fn what_is_held_grows_with_what_comes_and_stays_within_the_limit() {
        static LARGE: [u8; 50_000] = [7; 50_000];
        let body = frames(&[&LARGE, &LARGE, &LARGE], None);
        let (bytes, reserved) = collected(body, 150_000, 1 << 20).await.unwrap();
        assert_eq!(bytes.len(), 150_000);
        assert_eq!(reserved, 150_000);
    }

    #[tokio::test]
    async fn too_much_is_refused_by_announcement_and_by_count() {
        let limit = Err(Refusal::TooLarge { limit: 4 });
        assert_eq!(collected(frames(&[], Some(5)), 4, 1000).await, limit);
        let unannounced = frames(&[b"he", b"llo"], None);
        assert_eq!(collected(unannounced, 4, 1000).await, limit);
    }

    #[tokio::test]
    async fn the_budget_is_asked_before_and_while_reading() {
        let never = Err(Refusal::OverBudget { limit: 1000 });
        let announced = frames(&[], Some(2000));
        assert_eq!(collected(announced, 4000, 1000).await, never);
        static LARGE: [u8; 3000] = [7; 3000];
        let unannounced = frames(&[&LARGE], None);
        assert_eq!(
            collected(unannounced, 1000, 1000).await,
            Err(Refusal::TooLarge { limit: 1000 })
        );
    }

    #[tokio::test]
    async fn a_broken_a_short_and_a_hanging_body_are_told_apart() {
        let mut broken = frames(&[b"he"], None);
        broken.frames.push_back(Err("bad chunk"));
        let refused = Refusal::Broken {
            received: 2,
            reason: "bad chunk".into(),
        };
        assert_eq!(collected(broken, 10, 1000).await, Err(refused));

        let short = collected(frames(&[b"he"], Some(5)), 10, 1000).await;
        assert!(matches!(short, Err(Refusal::Broken { received: 2, .. })));

        let mut hanging = frames(&[b"he"], Some(5));
        hanging.hangs = true;
        let slow = Err(Refusal::Slow { received: 2 });
        assert_eq!(collected(hanging, 10, 1000).await, slow);
    }
}
