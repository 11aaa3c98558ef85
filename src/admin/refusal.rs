//! Why somebody got no answer, and the status that tells so.

use std::time::Duration;

use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::ReplayError;
use super::gate::{CSRF_FIELD, CSRF_HEADER};
use super::settings::Scope;
use super::visitor::Visitor;
use crate::store::StoreError;

/// Why a question got no answer, and the status that tells so.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) error: &'static str,
    pub(super) reason: String,
    /// Seconds after which it makes sense to ask again.
    pub(super) retry_after: Option<u64>,
    /// Where another method is needed: the methods.
    pub(super) allowed: Option<String>,
}

/// The words that scripts go by: each with the statuses it comes with, its title, and what it means.
#[rustfmt::skip] // a table is read by its columns
pub(super) const ERRORS: &[Error] = &[
    error("bad_request", &[400], "The request cannot be read", "a parameter or the body is not as it should be"),
    error("unauthorized", &[401], "Nobody is logged in", "no login, or the token or password is wrong, or has expired"),
    error("forbidden", &[403], "This needs another right", "you are known, but lack the scope that `reason` names"),
    error("csrf", &[403], "The login's own token is missing", "a browser's login without its own token"),
    error("foreign_host", &[403], "Not a name of this camhook", "the request is for a name that is not camhook's: `admin.hosts`"),
    error("foreign_origin", &[403], "A page from elsewhere", "a web page from elsewhere wants to change something"),
    error("not_found", &[404], "There is no such thing", "nothing has that path, id or name, or it is no longer kept"),
    error("method_not_allowed", &[405], "Another method is needed", "`Allow` tells which"),
    error("timeout", &[408], "The request took too long", "its body did not come in time"),
    error("too_many_webhooks", &[409], "There are enough webhooks", "`admin.findface.most` allows no more"),
    error("too_large", &[413], "The request is too large", "its body is longer than is read here"),
    error("undecodable", &[422], "Still not understood", "a request in quarantine that today's sources do not understand either"),
    error("config", &[422], "The config has mistakes", "`routes.yaml` cannot be loaded as it lies on disk; the running one stays"),
    error("no_route", &[422], "No route leads there", "a test event for a target that no route of routes.yaml leads to"),
    error("too_many_attempts", &[429], "Too many logins failed", "wrong passwords or tokens; `Retry-After` tells how many seconds"),
    error("store", &[404, 500, 503], "The store does not tell", "there is no such thing in it (404), it cannot be read (500), or is full or busy (503)"),
    error("not_running", &[409], "camhook does not run", "this is told as it happens: by a camhook that runs"),
    error("too_many_listeners", &[503], "Too many listen", "`/api/v1/feed` is read by as many as may; `Retry-After` tells when to ask again"),
    error("unavailable", &[503], "Nothing is accepted now", "`/readyz` says why, or `reason` does"),
];

/// A word that scripts go by.
pub(super) struct Error {
    pub(super) word: &'static str,
    pub(super) statuses: &'static [u16],
    pub(super) title: &'static str,
    pub(super) means: &'static str,
}

const fn error(
    word: &'static str,
    statuses: &'static [u16],
    title: &'static str,
    means: &'static str,
) -> Error {
    Error {
        word,
        statuses,
        title,
        means,
    }
}

pub(super) const PROBLEM: &str = "application/problem+json";

/// Why there is no answer, after RFC 9457.
#[derive(Serialize, JsonSchema)]
pub(super) struct Problem<'a> {
    /// Where this kind of problem is described.
    #[serde(rename = "type")]
    #[schemars(extend("format" = "uri-reference"))]
    kind: String,
    title: &'a str,
    status: u16,
    /// What happened and what to do next, for people.
    detail: &'a str,
    /// The kind of problem in a word, for scripts.
    error: &'a str,
    /// The same as `detail`.
    reason: &'a str,
}

impl<'a> Problem<'a> {
    pub(super) fn of(refusal: &'a Refusal) -> Self {
        let known = ERRORS.iter().find(|known| known.word == refusal.error);
        let canonical = || refusal.status.canonical_reason().unwrap_or("Error");
        Self {
            kind: format!("/api/v1/docs#{}", refusal.error),
            title: known.map_or_else(canonical, |known| known.title),
            status: refusal.status.as_u16(),
            detail: &refusal.reason,
            error: refusal.error,
            reason: &refusal.reason,
        }
    }
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: &'static str, reason: impl Into<String>) -> Self {
        Self {
            status,
            error,
            reason: reason.into(),
            retry_after: None,
            allowed: None,
        }
    }

    pub(super) fn bad(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", reason)
    }

    pub(super) fn missing(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", reason)
    }

    pub(super) fn method(known: &[&Method]) -> Self {
        let mut allowed: Vec<&str> = known.iter().map(|method| method.as_str()).collect();
        if allowed.contains(&"GET") {
            allowed.push("HEAD");
        }
        let allowed = allowed.join(", ");
        let mut refusal = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            format!("use {allowed}"),
        );
        refusal.allowed = Some(allowed);
        refusal
    }

    pub(super) fn unauthorized(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", reason)
    }

    pub(super) fn forbidden(visitor: &Visitor, needed: Scope) -> Self {
        let has: Vec<&str> = visitor.scopes.iter().map(|scope| scope.as_str()).collect();
        let has = match has.is_empty() {
            true => "none".to_owned(),
            false => has.join(", "),
        };
        let reason = format!(
            "this needs the scope `{}`, and the scopes of {} are: {has}",
            needed.as_str(),
            visitor.who
        );
        Self::new(StatusCode::FORBIDDEN, "forbidden", reason)
    }

    pub(super) fn too_many(wait: Duration) -> Self {
        let seconds = wait.as_secs().max(1);
        let reason = format!("too many logins failed: try again in {seconds} s");
        let mut refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", reason);
        refusal.retry_after = Some(seconds);
        refusal
    }

    pub(super) fn csrf() -> Self {
        let reason = format!(
            "a browser's login must send its own token along: as `{CSRF_FIELD}` in a form, or in the header `{CSRF_HEADER}` (GET /api/v1/me tells it)"
        );
        Self::new(StatusCode::FORBIDDEN, "csrf", reason)
    }

    pub(super) fn foreign_host(host: &str) -> Self {
        let host: String = host.chars().filter(|c| !c.is_control()).take(100).collect();
        let reason = format!(
            "`{host}` is not known as a name of this camhook; if it is one, write `admin: {{ hosts: [{host}] }}`"
        );
        Self::new(StatusCode::FORBIDDEN, "foreign_host", reason)
    }

    pub(super) fn foreign_origin(origin: &str) -> Self {
        let origin: String = origin
            .chars()
            .filter(|c| !c.is_control())
            .take(100)
            .collect();
        let reason = format!(
            "a page from elsewhere ({origin}) may change nothing here; behind a proxy with another name, write that into `admin.hosts`"
        );
        Self::new(StatusCode::FORBIDDEN, "foreign_origin", reason)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let status = match &error {
            StoreError::Unknown { .. } => StatusCode::NOT_FOUND,
            StoreError::Full(_) | StoreError::Failed(_) | StoreError::Locked { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            StoreError::Damaged(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, "store", error.to_string())
    }
}

impl From<ReplayError> for Refusal {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Store(error) => error.into(),
            ReplayError::NoWay(reason) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "no_route", reason)
            }
            ReplayError::Undecodable(_) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "undecodable",
                error.to_string(),
            ),
        }
    }
}
