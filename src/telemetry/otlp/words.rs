//! Spans in the words of the protocol.

use jiff::Timestamp;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as otlp;

use super::{Role, Span, Value};

/// Who tells.
pub(super) fn resource(service: &str) -> Resource {
    let mut resource = Resource::default();
    for (key, value) in [
        ("service.name", service),
        ("service.version", env!("CARGO_PKG_VERSION")),
    ] {
        resource.attributes.push(text(key, value));
    }
    resource
}

pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "camhook".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

pub(super) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.to_owned()))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

/// Nanoseconds since 1970.
pub(super) fn nanoseconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_nanosecond()).unwrap_or(0)
}

/// The request that tells of these.
pub(super) fn spans(service: &str, spans: &[Span]) -> ExportTraceServiceRequest {
    let scoped = otlp::ScopeSpans {
        scope: Some(scope()),
        spans: spans.iter().map(span).collect(),
        ..otlp::ScopeSpans::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![otlp::ResourceSpans {
            resource: Some(resource(service)),
            scope_spans: vec![scoped],
            ..otlp::ResourceSpans::default()
        }],
    }
}

fn span(span: &Span) -> otlp::Span {
    let kind = match span.role {
        Role::Taking => otlp::span::SpanKind::Server,
        Role::Inside => otlp::span::SpanKind::Internal,
        Role::Sending => otlp::span::SpanKind::Client,
    };
    let code = match span.failed {
        true => otlp::status::StatusCode::Error,
        false => otlp::status::StatusCode::Unset,
    };
    let about = span.about.iter().map(|(key, value)| match value {
        Value::Text(value) => text(key, value),
        Value::Number(value) => attribute(key, any_value::Value::IntValue(*value)),
    });
    otlp::Span {
        trace_id: span.trace.id.to_vec(),
        span_id: span.id.to_vec(),
        parent_span_id: span.parent.map(|id| id.to_vec()).unwrap_or_default(),
        name: span.name.to_owned(),
        kind: kind.into(),
        start_time_unix_nano: nanoseconds(span.begin),
        end_time_unix_nano: nanoseconds(span.end.max(span.begin)),
        attributes: about.collect(),
        status: Some(otlp::Status {
            code: code.into(),
            ..otlp::Status::default()
        }),
        ..otlp::Span::default()
    }
}
