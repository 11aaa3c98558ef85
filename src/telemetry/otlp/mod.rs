//! Traces and metrics for an OpenTelemetry collector, over OTLP (HTTP, protobuf); off unless `telemetry.otlp` names one.
//!
//! A delivery may be made days after its request, by another process. So a trace is nothing that is carried along: its id
//! is the event's own id, or what the request's `traceparent` says, which is kept with the event; and the ids of spans
//! follow from the ids of events and deliveries ([`Trace`]). Each span is told once it has ended, by whoever knows of it.
//!
//! What is told goes into a bounded queue, and is counted and dropped where the queue is full: a collector that is slow or
//! gone costs spans, never events. The protocol's own messages are used without its SDK, whose spans are begun and ended
//! by one process.
//!
//! Spans hold ids, names of the config, kinds, numbers; no plates, no addresses, no texts of others: those might be secret.

mod exporter;
mod numbers;
mod settings;
mod spans;
mod trace;
mod words;

pub(crate) use exporter::Exporter;
use settings::Otlp;
pub(crate) use settings::Telemetry;
pub(crate) use spans::{Role, Span, Spans, Value, WaitingSpans};
pub(crate) use trace::{SpanId, Trace};
