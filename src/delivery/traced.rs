//! What an attempt tells of itself to an OpenTelemetry collector.

use jiff::Timestamp;

use crate::event::Event;
use crate::fate::Verdict;
use crate::name::Name;
use crate::payload::{Payload, Request};
use crate::telemetry::{Role, Span, SpanId, Spans, Trace, Value};

use super::attempt::Job;
use super::outcome::Outcome;

/// An attempt under way, when somebody wants to know of it.
pub(super) struct Traced {
    spans: Spans,
    begin: Timestamp,
    of: Option<(Trace, SpanId)>,
}

impl Traced {
    pub(super) fn new(spans: &Spans, now: Timestamp) -> Option<Self> {
        spans.are_taken().then(|| Self {
            spans: spans.clone(),
            begin: now,
            of: None,
        })
    }

    /// The event it is about is known now.
    pub(super) fn is_of(&mut self, event: &Event, job: &Job) {
        let told = event.original.header("traceparent");
        self.of = Trace::of(event.id.as_bytes(), told).map(|trace| {
            let n = job.facts.attempts.saturating_add(1);
            (trace, trace.span(job.facts.id.as_bytes(), "attempt", n))
        });
    }

    /// Lets the receiver know which trace its request belongs to, unless the target says something of it itself.
    pub(super) fn tell(&self, payload: &mut Payload) {
        let (Payload::Http(Request { headers, .. }), Some((trace, id)), true) =
            (payload, self.of, self.spans.are_propagated())
        else {
            return;
        };
        let name = http::HeaderName::from_static("traceparent");
        if !headers.iter().any(|(known, _)| *known == name)
            && let Ok(value) = http::HeaderValue::try_from(trace.header(id))
        {
            headers.push((name, value));
        }
    }

    /// It has ended: the attempt, and in it the preparing and the sending.
    pub(super) fn ended(self, job: &Job, target: &Name, outcome: &Outcome, now: Timestamp) {
        let Some((trace, id)) = self.of else { return };
        let text = |text: &dyn ToString| Value::Text(text.to_string());
        let n = i64::from(job.facts.attempts) + 1;
        let mut about = vec![
            ("camhook.delivery", text(&job.facts.id)),
            ("camhook.target", text(target)),
            ("camhook.route", text(&job.route)),
            ("camhook.attempt", Value::Number(n)),
        ];
        if let Some(item) = job.item {
            about.push(("camhook.item", text(&item)));
        }
        let (word, failed) = match outcome {
            Outcome::Sent { report, .. } => match report.verdict {
                Verdict::Delivered => ("delivered", false),
                _ => ("refused", true),
            },
            Outcome::Early => ("early", false),
            Outcome::Filtered { .. } => ("filtered", false),
            Outcome::Unfit { .. } => ("unfit", true),
            Outcome::Trouble { .. } => ("trouble", true),
        };
        about.push(("camhook.outcome", Value::Text(word.to_owned())));
        let span = |name, role, parent, id, begin, end, about| Span {
            trace,
            id,
            parent: Some(parent),
            name,
            role,
            begin,
            end,
            failed,
            about,
        };
        let below = |what| trace.span(&id, what, 0);
        if let Outcome::Sent { report, at, took } = outcome {
            let done = at.saturating_add(*took).unwrap_or(*at);
            let prepare = span(
                "prepare",
                Role::Inside,
                id,
                below("prepare"),
                self.begin,
                *at,
                vec![],
            );
            self.spans.put(Span {
                failed: false,
                ..prepare
            });
            let status = report.status.map(i64::from);
            let status = status.map(|status| ("http.response.status_code", Value::Number(status)));
            let status = status.into_iter().collect();
            self.spans.put(span(
                "send",
                Role::Sending,
                id,
                below("send"),
                *at,
                done,
                status,
            ));
        }
        self.spans.put(span(
            "attempt",
            Role::Inside,
            trace.root,
            id,
            self.begin,
            now,
            about,
        ));
    }
}
