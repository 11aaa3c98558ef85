//! One request from its head to its answer: name, route, gate, body, handler, and the log of who changed what.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, USER_AGENT,
    WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

use super::body::Body;
use super::gate::{CSRF_FIELD, Gate};
use super::table::{self, Access, Ask, FORGET, Route};
use super::visitor::{Caller, Visitor};
use super::{Admin, Refusal, dashboard, findface, login, pages};
use crate::secret::MASK;
use crate::tasks::Tasks;
use crate::telemetry::Refused;

/// Bytes of a request's body: lists of ids are the largest.
const BODY_MAX: usize = 1 << 20;
/// The same of who has not said who it is: a login form is short.
const FORM_MAX: usize = 16 << 10;
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// So much of a steering request stands in the log.
const TOLD_MAX: usize = 300;

pub(super) async fn answer<B>(
    admin: &Admin,
    gate: &Arc<Gate>,
    tasks: &Tasks,
    caller: Caller,
    request: Request<B>,
) -> Response<Body>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    let caller = gate.caller(caller, &head);
    let mut response = match lead(admin, gate, tasks, caller, &head, body).await {
        Ok(response) => response,
        Err(refusal) => {
            if matches!(refusal.status.as_u16(), 401 | 403 | 429) {
                let error = refusal.error;
                let counter = admin
                    .metrics
                    .admin_refused
                    .get_or_create(&Refused { error });
                counter.inc();
            }
            refused(gate, &head, refusal)
        }
    };
    if head.method == Method::HEAD {
        // The length is that of what GET would tell.
        if let Body::Whole(bytes) = std::mem::take(response.body_mut())
            && response.status() != StatusCode::NOT_MODIFIED
        {
            response
                .headers_mut()
                .insert(CONTENT_LENGTH, bytes.len().into());
        }
    }
    response
}

async fn lead<B>(
    admin: &Admin,
    gate: &Arc<Gate>,
    tasks: &Tasks,
    caller: Caller,
    head: &Parts,
    body: B,
) -> Result<Response<Body>, Refusal>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Where there is no such interface, nothing tells that there could be one.
    let off = is_findface(head) && gate.rules().findface.is_none();
    let found = match off {
        false => table::find(&head.method, head.uri.path()),
        true => Err(Refusal::missing(
            "nothing lives here; `admin.findface` in routes.yaml lets clients of FindFace in",
        )),
    };
    let always = |route: &Route| route.access == Access::Always;
    if !found.as_ref().is_ok_and(|(route, _)| always(route)) {
        gate.check_host(head)?;
    }
    let (route, parts) = found?;
    let visitor = gate.admit(caller, head, route).await;
    let visitor = visitor.inspect_err(|refusal| {
        if route.changes() {
            let (error, path) = (refusal.error, head.uri.path());
            tracing::info!(error, path, from = %caller.address, "refused to change something");
        }
    })?;
    let max = match route.access {
        Access::Always | Access::Open | Access::Numbers => FORM_MAX,
        Access::Someone | Access::Needs(_) => BODY_MAX,
    };
    let body = read(body, max).await?;
    gate.confirm(&visitor, &body)?;
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    *request.headers_mut() = head.headers.clone();
    let ask = Ask {
        admin,
        gate: Some((gate, caller)),
        tasks: Some(tasks),
        visitor: &visitor,
        request: &request,
        parts: &parts,
    };
    let answer = route.answer(ask).await;
    if route.changes() && matches!(route.access, Access::Needs(_)) {
        tell(&visitor, caller, route, &request, &answer);
    }
    answer
}

async fn read<B>(body: B, max: usize) -> Result<Bytes, Refusal>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let collected = Limited::new(body, max).collect();
    match tokio::time::timeout(BODY_TIMEOUT, collected).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("a request here has at most {} KiB", max >> 10),
        )),
        Ok(Err(_)) => Err(Refusal::bad("the request ended too early")),
        Err(_) => Err(Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            "the request took too long",
        )),
    }
}

const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// What names a plate, which can be forgotten on request: it must be in no log.
const PLATE: &str = "plate";

/// A form without the token of the login that sent it.
fn of_form(form: &[u8]) -> String {
    let fields = form_urlencoded::parse(form).filter(|(name, _)| name != CSRF_FIELD);
    let fields = fields.map(|(name, value)| match &*name {
        PLATE => (name, Cow::Borrowed(MASK)),
        _ => (name, value),
    });
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// Nothing of what cannot be read: nobody knows what stands in it.
fn of_json(body: &[u8]) -> String {
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(mut said)) => {
            if let Some(plate) = said.get_mut(PLATE) {
                *plate = MASK.into();
            }
            Value::Object(said).to_string()
        }
        Ok(_) | Err(_) => String::new(),
    }
}

/// What was sent, as far as the log may have it: ids and names.
fn sent(route: &Route, request: &Request<Bytes>) -> String {
    // The address of a webhook may hold a token; what is to be forgotten is a plate and nothing else.
    if route.is_findface() || route.path == FORGET {
        return String::new();
    }
    let is_form = request.headers().get(CONTENT_TYPE);
    let is_form = is_form.is_some_and(|kind| kind.as_bytes().starts_with(FORM));
    let body = match is_form {
        true => of_form(request.body()),
        false => of_json(request.body()),
    };
    let printed = body.chars().filter(|c| !c.is_control());
    printed.take(TOLD_MAX).collect()
}

/// Who changed what, for the log.
fn tell(
    visitor: &Visitor,
    caller: Caller,
    route: &Route,
    request: &Request<Bytes>,
    answer: &Result<Response<Body>, Refusal>,
) {
    let status = match answer {
        Ok(response) => response.status(),
        Err(refusal) => refusal.status,
    };
    tracing::info!(
        who = %visitor.who,
        from = %caller.address,
        path = request.uri().path(),
        body = sent(route, request),
        status = status.as_u16(),
        "steered"
    );
}

/// A refusal in its outer form: browsers that lack a login are led to it.
fn refused(gate: &Gate, head: &Parts, refusal: Refusal) -> Response<Body> {
    let status = refusal.status;
    if status == StatusCode::UNAUTHORIZED && wants_page(head) && gate.rules().has_users() {
        let mut response = pages::text(
            StatusCode::SEE_OTHER,
            "text/plain; charset=utf-8",
            "log in at /login\n",
        );
        if let Ok(login) = HeaderValue::from_str(&login::way_back(head.uri.path_and_query())) {
            response.headers_mut().insert(LOCATION, login);
            return response;
        }
    }
    if status == StatusCode::UNAUTHORIZED && is_form(head) && gate.rules().has_users() {
        return login::after_an_end(head);
    }
    let as_page = wants_page(head) || is_form(head);
    let mut response = match as_page {
        true => dashboard::refused::page(&refusal),
        false => pages::refusal(refusal),
    };
    if status == StatusCode::UNAUTHORIZED {
        let headers = response.headers_mut();
        headers.append(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"camhook\""),
        );
        let agent = head
            .headers
            .get(USER_AGENT)
            .and_then(|agent| agent.to_str().ok());
        // Browsers would ask with a window of their own, and keep what was typed for ever.
        if !agent.is_some_and(|agent| agent.starts_with("Mozilla/")) {
            let basic = HeaderValue::from_static("Basic realm=\"camhook\", charset=\"UTF-8\"");
            headers.append(WWW_AUTHENTICATE, basic);
        }
    }
    response
}

/// A button that a person pressed, who waits for a page.
fn is_form(head: &Parts) -> bool {
    let has = |name: HeaderName, part: &str| {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.contains(part))
    };
    head.method == Method::POST
        && has(ACCEPT, "text/html")
        && has(CONTENT_TYPE, "application/x-www-form-urlencoded")
}

fn is_findface(head: &Parts) -> bool {
    head.uri.path().starts_with(findface::ROOT)
}

/// A person in front of a browser: somebody who asks for a page.
pub(super) fn wants_page(head: &Parts) -> bool {
    let accept = head
        .headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    let asks = accept.is_some_and(|accept| accept.contains("text/html"));
    asks && matches!(head.method, Method::GET | Method::HEAD)
        && !head.headers.contains_key(CONTENT_TYPE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str, kind: &str, body: &'static str) -> String {
        let (route, _) = table::find(&Method::POST, path).unwrap();
        let request = Request::post(path).header(CONTENT_TYPE, kind);
        sent(
            route,
            &request.body(Bytes::from_static(body.as_bytes())).unwrap(),
        )
    }

    #[test]
    fn the_log_gets_what_was_sent_without_plates_and_tokens() {
        let json = "application/json";
        for (path, kind, body, expected) in [
            (
                "/api/v1/retry",
                json,
                r#"{"ids": ["x"]}"#,
                r#"{"ids":["x"]}"#,
            ),
            ("/api/v1/forget", json, r#"{"plate":"AB1"}"#, ""),
            (
                "/api/v1/forget/",
                json,
                r#"{"plate":"AB1","dry_run":true}"#,
                "",
            ),
            (
                "/api/v1/jobs",
                json,
                r#"{"action":"retry","plate":"AB1","target":"vms"}"#,
                r#"{"action":"retry","plate":"***","target":"vms"}"#,
            ),
            ("/api/v1/jobs", json, r#"{"plate":"AB1""#, ""),
            (
                "/undelivered",
                "application/x-www-form-urlencoded; charset=utf-8",
                "csrf=t&plate=AB1&target=vms",
                "plate=***&target=vms",
            ),
        ] {
            assert_eq!(told(path, kind, body), expected, "{path} {body}");
        }
    }
}
