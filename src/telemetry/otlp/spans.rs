//! Spans that have ended, and the queue in which they wait for the collector.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;

use super::{SpanId, Trace};

/// Spans that wait at most. One is some hundred bytes.
const QUEUE: usize = 8_192;

/// Something that took its time.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) trace: Trace,
    pub(crate) id: SpanId,
    pub(crate) parent: Option<SpanId>,
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) begin: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) failed: bool,
    pub(crate) about: Vec<(&'static str, Value)>,
}

/// Which side of a request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Taking,
    Inside,
    Sending,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    Number(i64),
}

/// Where spans are put. Cheap to clone; nobody takes them until it is [opened](Spans::open).
#[derive(Clone, Default)]
pub(crate) struct Spans(Arc<OnceLock<Queue>>);

pub(crate) type WaitingSpans = mpsc::Receiver<Span>;

struct Queue {
    sender: mpsc::Sender<Span>,
    dropped: Counter,
    propagate: bool,
}

impl Spans {
    /// From now on spans wait in the queue that is returned; what finds no place there is counted. Once only.
    pub(crate) fn open(&self, dropped: Counter, propagate: bool) -> Option<WaitingSpans> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let queue = Queue {
            sender,
            dropped,
            propagate,
        };
        self.0.set(queue).ok().map(|()| receiver)
    }

    /// Whether anybody takes them: what is needed for a span need not be found out otherwise.
    pub(crate) fn are_taken(&self) -> bool {
        self.0.get().is_some()
    }

    /// Whether requests to targets tell their trace.
    pub(crate) fn are_propagated(&self) -> bool {
        self.0.get().is_some_and(|queue| queue.propagate)
    }

    pub(crate) fn put(&self, span: Span) {
        if let Some(queue) = self.0.get()
            && queue.sender.try_send(span).is_err()
        {
            queue.dropped.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_place_is_counted() {
        let span = Span {
            trace: Trace::of(&[7; 16], None).unwrap(),
            id: [1; 8],
            parent: None,
            name: "receive",
            role: Role::Taking,
            begin: Timestamp::UNIX_EPOCH,
            end: Timestamp::UNIX_EPOCH,
            failed: false,
            about: Vec::new(),
        };
        let (spans, dropped) = (Spans::default(), Counter::default());
        spans.put(span.clone());
        assert!(!spans.are_taken());
        let mut queue = spans.open(dropped.clone(), true).unwrap();
        for _ in 0..QUEUE + 10 {
            spans.put(span.clone());
        }
        assert_eq!(dropped.get(), 10);
        assert!(queue.try_recv().is_ok());
        assert!(spans.open(dropped, true).is_none());
    }
}
