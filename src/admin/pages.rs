//! Answers in their outer form, and the headers that tell browsers what they may do with them.

use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION,
    RETRY_AFTER,
};
use http::{Response, StatusCode};
use serde::Serialize;

use super::body::{Body, Pieces};
use super::refusal::{PROBLEM, Problem, Refusal};

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

pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    json_as(status, "application/json", body)
}

fn json_as(status: StatusCode, content_type: &str, body: &impl Serialize) -> Response<Body> {
    let mut written =
        serde_json::to_vec(body).expect("what is told has text keys and no failing Serialize");
    written.push(b'\n');
    text(status, content_type, written)
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

/// The browser goes on there with a `GET`.
pub(super) fn see(to: &str) -> Response<Body> {
    let kind = "text/plain; charset=utf-8";
    let mut response = text(StatusCode::SEE_OTHER, kind, "go on\n");
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, to);
    response
}

/// Why there is no answer, for programs.
pub(super) fn refusal(refusal: Refusal) -> Response<Body> {
    let problem = Problem::of(&refusal);
    let response = json_as(refusal.status, PROBLEM, &problem);
    refused(response, &refusal)
}

/// The headers of a refusal, whatever form it has.
pub(super) fn refused(mut response: Response<Body>, refusal: &Refusal) -> Response<Body> {
    let allowed = refusal.allowed.as_deref().map(HeaderValue::from_str);
    if let Some(Ok(allowed)) = allowed {
        response.headers_mut().insert(ALLOW, allowed);
    }
    if let Some(seconds) = refusal.retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}
