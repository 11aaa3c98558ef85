//! What the arrival of an event tells of itself to an OpenTelemetry collector.

use jiff::Timestamp;

use crate::event::{Event, EventId};
use crate::telemetry::{Role, Span, Spans, Trace, Value};

/// What a span tells of an event.
type About = Vec<(&'static str, Value)>;

/// The arrival of a request's events, when somebody wants to know of it.
pub(super) struct Arrival {
    spans: Spans,
    /// The head of the request was there.
    pub(super) begun: Timestamp,
    /// All of it was.
    pub(super) received: Timestamp,
    pub(super) decoded: Timestamp,
    decided: Timestamp,
    events: Vec<(EventId, Trace, About)>,
}

impl Arrival {
    pub(super) fn new(spans: &Spans, begun: Timestamp, received: Timestamp) -> Option<Self> {
        spans.are_taken().then(|| Self {
            spans: spans.clone(),
            begun,
            received,
            decoded: received,
            decided: received,
            events: Vec::new(),
        })
    }

    /// These are about to be kept.
    pub(super) fn is_of<'a>(&mut self, events: impl Iterator<Item = &'a Event>, now: Timestamp) {
        self.decided = now;
        let traced = events.filter_map(|event| {
            let told = event.original.header("traceparent");
            let trace = Trace::of(event.id.as_bytes(), told)?;
            let bytes = i64::try_from(event.original.body.len()).unwrap_or(i64::MAX);
            let about = vec![
                ("camhook.event", Value::Text(event.id.to_string())),
                ("camhook.source", Value::Text(event.source.to_string())),
                ("camhook.kind", Value::Text(event.kind.as_str().to_owned())),
                ("http.request.body.size", Value::Number(bytes)),
            ];
            Some((event.id, trace, about))
        });
        self.events = traced.collect();
    }

    /// They are on disk, and the sender is about to hear it.
    pub(super) fn kept(self, now: Timestamp) {
        for (event, trace, about) in self.events {
            let span = |name, role, id, parent, begin, end, about| Span {
                trace,
                id,
                parent,
                name,
                role,
                begin,
                end,
                failed: false,
                about,
            };
            for (name, begin, end) in [
                ("decode", self.received, self.decoded),
                ("commit", self.decided, now),
            ] {
                let id = trace.span(event.as_bytes(), name, 0);
                let parent = Some(trace.root);
                self.spans
                    .put(span(name, Role::Inside, id, parent, begin, end, Vec::new()));
            }
            self.spans.put(span(
                "receive",
                Role::Taking,
                trace.root,
                trace.parent,
                self.begun,
                now,
                about,
            ));
        }
    }
}
