//! Puts words to the answers that hyper gives by itself.
//!
//! A head that cannot be read never gets as far as us: hyper answers it with a bare status and ends the connection, and
//! closing it with bytes unread would take even that away from the sender. What hyper writes is exchanged on its way out
//! for the same status with a reason, and the rest of what the sender has to say is read before the end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::telemetry::{Metrics, Status};

/// So much of what a refused sender goes on to say is read. Bytes; the time is bounded by the connection's pulse.
const HEARD_MAX: usize = 8 << 20;

/// Statuses of hyper's own, the words for programs, and reasons.
const OWN: [(u16, &str, &str, &str); 3] = [
    (
        400,
        "Bad Request",
        "bad_request",
        "the request line or a header is not HTTP/1.1",
    ),
    (
        414,
        "URI Too Long",
        "too_long",
        "the address is longer than anything that camhook gives out",
    ),
    (
        431,
        "Request Header Fields Too Large",
        "headers_too_large",
        "the headers are larger than `server.max_header`, or more than `server.max_headers`",
    ),
];

/// A stream whose bare refusals get a reason.
pub(super) struct Worded<S> {
    stream: S,
    metrics: Metrics,
    state: State,
}

enum State {
    Plain,
    /// So many bytes of this are written.
    Refusing(Vec<u8>, usize),
    /// The refusal is out; so many bytes were read since.
    Ending(usize),
}

impl<S> Worded<S> {
    pub(super) fn new(stream: S, metrics: Metrics) -> Self {
        Self {
            stream,
            metrics,
            state: State::Plain,
        }
    }

    /// Begins to refuse in words if that is what `bytes` do without.
    fn listen(&mut self, bytes: &[u8]) {
        if let (State::Plain, Some((status, answer))) = (&self.state, in_words(bytes)) {
            tracing::info!(status, "refused a request whose head cannot be read");
            let refused = &self.metrics.requests_refused;
            refused.get_or_create(&Status { status }).inc();
            self.state = State::Refusing(answer, 0);
        }
    }
}

/// What to say instead of these bytes, if they are a bare refusal: our own have a content type.
fn in_words(bytes: &[u8]) -> Option<(u16, Vec<u8>)> {
    let head = std::str::from_utf8(bytes.strip_prefix(b"HTTP/1.1 4")?).ok()?;
    let (status, phrase, word, reason) = *OWN.iter().find(|(status, ..)| {
        let line = format!("{:02} ", status - 400);
        head.starts_with(&line)
    })?;
    let is_bare = head.ends_with("\r\n\r\n") && !head.contains("\r\ncontent-type: ");
    is_bare.then(|| {
        let body = serde_json::json!({ "error": word, "reason": reason });
        let body = format!("{body}\n");
        let answer = format!(
            "HTTP/1.1 {status} {phrase}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        (status, answer.into_bytes())
    })
}

impl<S: AsyncWrite + Unpin> Worded<S> {
    /// Writes the refusal out, if there is one.
    fn poll_refusal(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let State::Refusing(answer, done) = &mut self.state {
            let left = &answer[*done..];
            *done += ready!(Pin::new(&mut self.stream).poll_write(context, left))?;
            if *done == answer.len() {
                self.state = State::Ending(0);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Worded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Worded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.listen(bytes);
        match self.state {
            State::Plain => Pin::new(&mut self.stream).poll_write(context, bytes),
            State::Refusing(..) | State::Ending(_) => {
                ready!(self.poll_refusal(context))?;
                Poll::Ready(Ok(bytes.len()))
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(first) = slices.first() {
            self.listen(first);
        }
        match self.state {
            State::Plain => Pin::new(&mut self.stream).poll_write_vectored(context, slices),
            State::Refusing(..) | State::Ending(_) => {
                ready!(self.poll_refusal(context))?;
                Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(context))?;
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        let this = &mut *self;
        while let State::Ending(heard) = &mut this.state {
            let mut scratch = [0; 4 << 10];
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut this.stream).poll_read(context, &mut buffer));
            *heard += buffer.filled().len();
            if read.is_err() || buffer.filled().is_empty() || *heard > HEARD_MAX {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_refusal_is_exchanged() {
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let (status, answer) = in_words(bare).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(status, 431);
        assert!(answer.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
        assert!(answer.contains("server.max_header"));
        for other in [
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 400 Bad",
            "",
        ] {
            assert!(in_words(other.as_bytes()).is_none(), "{other:?}");
        }
    }
}
