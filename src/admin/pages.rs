//! Answers in their outer form, and the headers that tell browsers what they may do with them.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Refusal;
use super::body::{Body, Pieces};

/// What cameras sent is shown, never run.
const DATA: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";
/// Pages of our own: our script, our style, our pictures, forms to ourselves alone.
const PAGE: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// On every answer.
const ALWAYS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    // With `no-referrer` browsers would send `Origin: null` with our own forms.
    ("referrer-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
];

pub(super) fn text(
    status: StatusCode,
    content_type: &str,
    body: impl Into<Body>,
) -> Response<Body> {
    let mut response: Response<Body> = Response::new(body.into());
    *response.status_mut() = status;
    let content_type = HeaderValue::from_str(content_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(DATA));
    for (name, value) in ALWAYS {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    response
}

pub(super) fn json(status: StatusCode, body: &Value) -> Response<Body> {
    text(status, "application/json", format!("{body}\n"))
}

/// Pieces that are told as they are made.
pub(super) fn stream(content_type: &str, pieces: Pieces) -> Response<Body> {
    text(StatusCode::OK, content_type, "").map(|_| Body::Stream(pieces))
}

/// A page of our own.
pub(super) fn html(status: StatusCode, body: String) -> Response<Body> {
    let mut response = text(status, "text/html; charset=utf-8", body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE));
    response
}

pub(super) fn refusal(refusal: Refusal) -> Response<Body> {
    let body = json!({ "error": refusal.error, "reason": refusal.reason });
    let mut response = json(refusal.status, &body);
    if let Some(seconds) = refusal.retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}
