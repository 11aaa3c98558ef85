//! Metrics and logs: what camhook tells about itself. No secrets, and no plates at info level.

mod flood;
mod labels;
mod logs;
mod metrics;
mod otlp;

pub(crate) use flood::tell_left_out;
pub(crate) use labels::{
    AlertSubject, CameraOnly, ListOnly, Listener, Refused, Reloaded, RouteStep, SourceKind,
    SourceOnly, Status, TargetFate, TargetOnly, TargetOutcome,
};
pub(crate) use logs::{Settings, start};
pub(crate) use metrics::{Metrics, StepHandles};
pub(crate) use otlp::{Exporter, Role, Span, SpanId, Spans, Telemetry, Trace, Value, WaitingSpans};
