//! Why somebody got no answer, and the status that tells so.

use std::time::Duration;

use http::StatusCode;

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
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: &'static str, reason: impl Into<String>) -> Self {
        Self {
            status,
            error,
            reason: reason.into(),
            retry_after: None,
        }
    }

    pub(super) fn bad(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", reason)
    }

    pub(super) fn missing(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", reason)
    }

    pub(super) fn method(allowed: &http::Method) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            format!("use {allowed}"),
        )
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
            ReplayError::Undecodable(_) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "undecodable",
                error.to_string(),
            ),
        }
    }
}
