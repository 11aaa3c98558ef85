//! What the front door answers: a source's success, a text for people, or a refusal with its reason as JSON.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::budget;
use crate::sources::Answer;
use crate::store::StoreError;

pub(super) type Reply = Response<Full<Bytes>>;

/// Why a request is not taken as an event. Its `Display` is the reason that the sender reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error(
        "no source has this path; give one of `sources` this `path`, or set `server: {{ catch_all: true }}`"
    )]
    NotFound,
    #[error("this source takes {allow}")]
    Method { allow: String },
    #[error("credentials are missing or wrong; expected {}", expected(*.token, *.basic))]
    Unauthorized { token: bool, basic: bool },
    #[error("{reason}")]
    Unsigned { reason: String },
    #[error("{peer} is not in the `allow` list of this source")]
    Forbidden { peer: IpAddr },
    #[error("the body is larger than {limit} bytes, the `max_body` of this source")]
    TooLarge { limit: usize },
    #[error(
        "the body is larger than {limit} bytes, the most that one request may have of `server.budget`"
    )]
    OverBudget { limit: usize },
    #[error("the body is incomplete or broken after {received} bytes: {reason}")]
    Broken { received: usize, reason: String },
    #[error("the body made no progress for too long; {received} bytes came")]
    Slow { received: usize },
    #[error("{reason}")]
    Undecodable { reason: String },
    #[error("too much is in flight at the moment")]
    Busy,
    #[error("{reason}")]
    StoreFull { reason: String },
    #[error("{reason}")]
    StoreFailed { reason: String },
    #[error("camhook is stopping")]
    Stopping,
}

fn expected(token: bool, basic: bool) -> &'static str {
    match (token, basic) {
        (true, true) => "a token, or a username and password",
        (false, true) => "a username and password (HTTP Basic)",
        _ => {
            "a token (`Authorization: Token …` or `Bearer …`, last part of the path, or `?token=…`)"
        }
    }
}

impl Refusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unauthorized { .. } | Self::Unsigned { .. } => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::TooLarge { .. } | Self::OverBudget { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Broken { .. } => StatusCode::BAD_REQUEST,
            Self::Slow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Undecodable { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Busy | Self::StoreFull { .. } | Self::StoreFailed { .. } | Self::Stopping => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// The word for programs.
    fn word(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Method { .. } => "method_not_allowed",
            Self::Unauthorized { .. } | Self::Unsigned { .. } => "unauthorized",
            Self::Forbidden { .. } => "forbidden",
            Self::TooLarge { .. } | Self::OverBudget { .. } => "too_large",
            Self::Broken { .. } => "incomplete",
            Self::Slow { .. } => "timeout",
            Self::Undecodable { .. } => "undecodable",
            Self::Busy => "busy",
            Self::StoreFull { .. } => "store_full",
            Self::StoreFailed { .. } => "store_failed",
            Self::Stopping => "stopping",
        }
    }

    /// When a sender that was not to blame should come again, in seconds.
    fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Busy | Self::Stopping => Some(5),
            Self::StoreFull { .. } | Self::StoreFailed { .. } => Some(30),
            _ => None,
        }
    }

    /// Whether nothing more can be read from the sender's body.
    pub(super) fn spoils_body(&self) -> bool {
        matches!(self, Self::Broken { .. } | Self::Slow { .. })
    }

    pub(super) fn reply(&self) -> Reply {
        let body = serde_json::json!({ "error": self.word(), "reason": self.to_string() });
        let mut reply = with_text(self.status(), "application/json", format!("{body}\n"));
        let headers = reply.headers_mut();
        match self {
            Self::Method { allow } => {
                headers.insert(ALLOW, methods(allow));
            }
            Self::Unauthorized { token, basic } => {
                if *basic {
                    let basic = r#"Basic realm="camhook", charset="UTF-8""#;
                    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(basic));
                }
                if *token {
                    let bearer = r#"Bearer realm="camhook""#;
                    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(bearer));
                }
            }
            _ => {}
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        reply
    }
}

impl From<budget::Full> for Refusal {
    fn from(full: budget::Full) -> Self {
        match full {
            budget::Full::Never { most, .. } => Self::OverBudget { limit: most },
            budget::Full::Busy => Self::Busy,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let reason = error.to_string();
        match error {
            StoreError::Full(_) => Self::StoreFull { reason },
            StoreError::Failed(_) | StoreError::Locked { .. } | StoreError::Unknown { .. } => {
                Self::StoreFailed { reason }
            }
        }
    }
}

/// A source's success.
pub(super) fn success(answer: Answer) -> Reply {
    let body = Full::new(Bytes::from_static(answer.body.as_bytes()));
    let mut reply = Response::new(body);
    let kind = HeaderValue::from_static(answer.content_type);
    reply.headers_mut().insert(CONTENT_TYPE, kind);
    reply
}

/// The answer to `OPTIONS`.
pub(super) fn allowed(allow: &str) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::new()));
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply.headers_mut().insert(ALLOW, methods(allow));
    reply
}

fn methods(allow: &str) -> HeaderValue {
    HeaderValue::from_str(allow).expect("methods are tokens")
}

/// For people who open the address in a browser.
pub(super) fn text(text: String) -> Reply {
    with_text(StatusCode::OK, "text/plain; charset=utf-8", text)
}

fn with_text(status: StatusCode, kind: &'static str, text: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(text)));
    *reply.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    reply.headers_mut().insert(CONTENT_TYPE, kind);
    reply
}

/// Tells an HTTP/1 sender that this connection ends with the answer.
pub(super) fn and_close(mut reply: Reply) -> Reply {
    let close = HeaderValue::from_static("close");
    reply.headers_mut().insert(CONNECTION, close);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_the_right_credentials() {
        let reply = |token, basic| Refusal::Unauthorized { token, basic }.reply();
        let asked = |reply: &Reply| {
            let values = reply.headers().get_all(WWW_AUTHENTICATE);
            values
                .iter()
                .map(|v| v.to_str().unwrap()[..5].to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(asked(&reply(true, false)), ["Beare"]);
        assert_eq!(asked(&reply(false, true)), ["Basic"]);
        assert_eq!(asked(&reply(true, true)), ["Basic", "Beare"]);
    }

    #[test]
    fn asks_to_come_again_only_when_that_helps() {
        let full = Refusal::from(StoreError::Full("no space".into()));
        assert_eq!(full.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(full.reply().headers().contains_key(RETRY_AFTER));
        assert!(
            !Refusal::NotFound
                .reply()
                .headers()
                .contains_key(RETRY_AFTER)
        );
    }
}
