//! Answers in their outer form.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde_json::Value;

pub(super) fn text(
    status: StatusCode,
    content_type: &str,
    body: impl Into<Bytes>,
) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let content_type = HeaderValue::from_str(content_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // What cameras sent is shown, never run.
    response.headers_mut().insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    response.headers_mut().insert(
        "content-security-policy",
        HeaderValue::from_static("default-src 'none'; sandbox"),
    );
    response
}

pub(super) fn json(status: StatusCode, body: &Value) -> Response<Bytes> {
    text(status, "application/json", format!("{body}\n"))
}

pub(super) fn index() -> Response<Bytes> {
    let body = "camhook is running. Look at:\n\
        \x20 /api/v1/events      what came in\n\
        \x20 /api/v1/deliveries  what became of it (?fate=dead)\n\
        \x20 /api/v1/targets     where it goes\n\
        \x20 /api/v1/sources     who sends\n\
        \x20 /api/v1/lists       what plates are looked up in
        \x20 /api/v1/quarantine  what was not understood\n\
        \x20 /metrics  /healthz  /readyz\n\
        or use the command line: camhook events, deliveries, targets, sources, lists, quarantine\n";
    text(StatusCode::OK, "text/plain; charset=utf-8", body)
}
