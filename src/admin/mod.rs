//! Admin: what operators, dashboards and the command line ask of a camhook.
//!
//! One function answers all of it, [`Admin::answer`], over HTTP when camhook runs and called directly by the command
//! line when it does not: there is one way to look into a store.

mod api;
mod listener;
mod lists;
mod pages;
mod question;
mod rows;
mod steer;

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};

use crate::clock::Clock;
use crate::event::EventId;
use crate::fate::Fate;
use crate::lists::Lists;
use crate::name::Name;
use crate::store::{Store, StoreError};
use crate::telemetry::Metrics;

/// Looks into one store and steers it.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    pub(crate) planner: Arc<dyn Planner>,
}

pub(crate) use listener::{BindError, Listener};

pub(crate) type Promise<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What needs today's routes and sources, which this room does not know.
pub(crate) trait Planner: Send + Sync {
    /// Names of the configured targets, in the order of the file.
    fn targets(&self) -> Vec<Name>;

    /// Names of the configured sources with their kinds, in the order of the file.
    fn sources(&self) -> Vec<(Name, &'static str)>;

    /// Lists as they are at this moment.
    fn lists(&self) -> Lists;

    /// Plans a kept event, or decodes a quarantined request, anew; returns how many deliveries came of it.
    fn replay<'a>(
        &'a self,
        id: EventId,
        to: Option<&'a Name>,
    ) -> Promise<'a, Result<usize, ReplayError>>;
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("still not understood: {0}")]
    Undecodable(String),
}

/// Why a question got no answer, and the status that tells so.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    error: &'static str,
    reason: String,
}

impl Refusal {
    fn bad(reason: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error: "bad_request",
            reason: reason.into(),
        }
    }

    fn missing(reason: impl Into<String>) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            error: "not_found",
            reason: reason.into(),
        }
    }

    fn method(allowed: &'static str) -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            error: "method_not_allowed",
            reason: format!("use {allowed}"),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let status = match &error {
            StoreError::Unknown { .. } => StatusCode::NOT_FOUND,
            StoreError::Full(_) | StoreError::Failed(_) | StoreError::Locked { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        Self {
            status,
            error: "store",
            reason: error.to_string(),
        }
    }
}

impl From<ReplayError> for Refusal {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Store(error) => error.into(),
            ReplayError::Undecodable(_) => Self {
                status: StatusCode::UNPROCESSABLE_ENTITY,
                error: "undecodable",
                reason: error.to_string(),
            },
        }
    }
}

impl Admin {
    pub(crate) async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path().trim_end_matches('/').to_owned();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let answer = match segments.as_slice() {
            ["healthz"] => Ok(pages::text(
                StatusCode::OK,
                "text/plain; charset=utf-8",
                "ok\n",
            )),
            ["readyz"] => Ok(self.ready()),
            ["metrics"] => self.metrics_page().await,
            ["api", "v1", rest @ ..] => self.api(&request, rest).await,
            [] | [""] => Ok(pages::index()),
            _ => Err(Refusal::missing(
                "nothing lives here; look at /api/v1/events, /metrics, /healthz or /readyz",
            )),
        };
        let mut response = answer.unwrap_or_else(|refusal| {
            let body = serde_json::json!({ "error": refusal.error, "reason": refusal.reason });
            pages::json(refusal.status, &body)
        });
        if request.method() == Method::HEAD {
            *response.body_mut() = Bytes::new();
        }
        response
    }

    fn ready(&self) -> Response<Bytes> {
        match self.store.accepting() {
            Ok(()) => pages::text(StatusCode::OK, "text/plain; charset=utf-8", "ready\n"),
            Err(error) => {
                let body =
                    serde_json::json!({ "error": "unavailable", "reason": error.to_string() });
                pages::json(StatusCode::SERVICE_UNAVAILABLE, &body)
            }
        }
    }

    async fn metrics_page(&self) -> Result<Response<Bytes>, Refusal> {
        let now = self.clock.now();
        for summary in self.store.targets().await? {
            let age = summary
                .oldest_undelivered
                .map_or(0, |oldest| now.duration_since(oldest).as_secs().max(0));
            let label = crate::telemetry::TargetOnly {
                target: summary.target.clone(),
            };
            self.metrics
                .oldest_undelivered_seconds
                .get_or_create(&label)
                .set(age);
            for fate in Fate::ALL {
                let label = crate::telemetry::TargetFate {
                    target: label.target.clone(),
                    fate: fate.as_str(),
                };
                let count = i64::try_from(summary.count(fate)).unwrap_or(i64::MAX);
                self.metrics.deliveries.get_or_create(&label).set(count);
            }
        }
        self.measure_lists();
        self.metrics
            .store_bytes
            .set(i64::try_from(self.store.size()).unwrap_or(i64::MAX));
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        Ok(pages::text(StatusCode::OK, kind, self.metrics.page()))
    }
}
