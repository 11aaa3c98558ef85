//! What an answer carries: bytes that are all there, or pieces that come as they are made.
//!
//! A stream is pulled, not pushed: its next piece is begun once the connection has taken the last one. So a slow reader holds
//! up nobody, and whoever hangs up ends it, wherever it waits.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

/// The body of an answer.
pub(crate) enum Body {
    Whole(Bytes),
    Stream(Pieces),
}

/// The next piece of a stream and what comes after it, or its end.
pub(crate) struct Pieces(Pin<Box<dyn Future<Output = Next> + Send>>);

type Next = Option<(Bytes, Pieces)>;

impl Pieces {
    /// `next` makes a piece out of a state, and the state after it; None ends the stream.
    pub(crate) fn unfold<S, F>(state: S, next: fn(S) -> F) -> Self
    where
        S: Send + 'static,
        F: Future<Output = Option<(Bytes, S)>> + Send + 'static,
    {
        Self(Box::pin(async move {
            let (piece, state) = next(state).await?;
            Some((piece, Self::unfold(state, next)))
        }))
    }
}

impl Body {
    /// All of it, when it is there.
    pub(crate) fn whole(self) -> Option<Bytes> {
        match self {
            Self::Whole(bytes) => Some(bytes),
            Self::Stream(_) => None,
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self::Whole(bytes.into())
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Stream(pieces) => match pieces.0.as_mut().poll(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some((piece, rest))) => {
                    *pieces = rest;
                    Poll::Ready(Some(Ok(Frame::data(piece))))
                }
                Poll::Ready(None) => {
                    *self = Self::default(); // an ended future must not be asked again
                    Poll::Ready(None)
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_stream_ends_when_nothing_more_comes() {
        let pieces = Pieces::unfold(0_u8, |n| async move {
            (n < 3).then(|| (Bytes::from(n.to_string()), n + 1))
        });
        let mut body = Body::Stream(pieces);
        assert_eq!(hyper::body::Body::size_hint(&body).exact(), None);
        let mut told = Vec::new();
        while let Some(frame) = body.frame().await {
            told.extend(frame.unwrap().into_data().unwrap());
        }
        assert_eq!(told, b"012");
        assert!(body.frame().await.is_none(), "and stays ended");
    }

    #[tokio::test]
    async fn whole_bytes_tell_their_length() {
        let body = Body::from("abc");
        assert_eq!(hyper::body::Body::size_hint(&body).exact(), Some(3));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abc");
    }
}
