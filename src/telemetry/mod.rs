//! Metrics and logs: what camhook tells about itself. No secrets, and no plates at info level.

mod flood;
mod logs;
mod metrics;
mod otlp;

pub(crate) use flood::tell_left_out;
pub(crate) use logs::{Settings, start};
pub(crate) use metrics::{
    AlertSubject, CameraOnly, ListOnly, Listener, Metrics, Refused, Reloaded, RouteStep,
    SourceKind, SourceOnly, Status, StepHandles, TargetFate, TargetOnly, TargetOutcome,
};
pub(crate) use otlp::{
    Exporter, Role, Span, SpanId, Spans, Telemetry, Trace, Value, WaitingSpans,
};
