//! What the front door answers: a source's success, a text for people, or a refusal with its reason as JSON.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

use super::digest::Challenge;
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
    #[error("{0}")]
    Unauthorized(Box<Asked>),
    #[error("{reason}")]
    Unsigned { reason: String },
    #[error("{peer} is not in the `allow` list of this source")]
    Forbidden { peer: IpAddr },
    #[error("this source asks for a client certificate: send over TLS (https://) and show one")]
    NoCertificate,
    #[error("the certificate of `{name}` is not in the `client_cert` list of this source")]
    Certificate { name: String },
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

/// Which credentials would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) token: bool,
    pub(super) basic: bool,
    pub(super) digest: Option<Challenge>,
    /// The sender gave credentials, and they are wrong.
    pub(super) guessed: bool,
}

impl Display for Asked {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self
            .digest
            .as_ref()
            .is_some_and(|challenge| challenge.stale)
        {
            return f
                .write_str("the nonce of this answer is too old or was used; answer the new one");
        }
        let password = match (self.basic, self.digest.is_some()) {
            (true, true) => Some("a username and password (HTTP Digest or Basic)"),
            (true, false) => Some("a username and password (HTTP Basic)"),
            (false, true) => Some("a username and password (HTTP Digest)"),
            (false, false) => None,
        };
        let expected = match (self.token, password) {
            (true, Some(_)) => "a token, or a username and password",
            (false, Some(password)) => password,
            (_, None) => {
                "a token (`Authorization: Token …` or `Bearer …`, last part of the path, or `?token=…`)"
            }
        };
        write!(f, "credentials are missing or wrong; expected {expected}")
    }
}

impl Asked {
    /// Senders take the first that they know, so what tells the password to nobody comes first.
    fn challenges(&self) -> Vec<String> {
        let mut challenges: Vec<String> = Vec::new();
        challenges.extend(self.digest.iter().flat_map(Challenge::values));
        if self.basic {
            challenges.push(r#"Basic realm="camhook", charset="UTF-8""#.to_owned());
        }
        if self.token {
            challenges.push(r#"Bearer realm="camhook""#.to_owned());
        }
        challenges
    }
}

impl Refusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unauthorized(_) | Self::Unsigned { .. } => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } | Self::NoCertificate | Self::Certificate { .. } => {
                StatusCode::FORBIDDEN
            }
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
            Self::Unauthorized(_) | Self::Unsigned { .. } => "unauthorized",
            Self::Forbidden { .. } | Self::NoCertificate | Self::Certificate { .. } => "forbidden",
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

    /// Whether the sender gave wrong credentials.
    pub(super) fn is_guess(&self) -> bool {
        matches!(self, Self::Unauthorized(asked) if asked.guessed)
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
            Self::Unauthorized(asked) => {
                for challenge in asked.challenges() {
                    let value = HeaderValue::try_from(challenge);
                    headers.append(WWW_AUTHENTICATE, value.expect("a challenge is ASCII"));
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
            StoreError::Failed(_)
            | StoreError::Damaged(_)
            | StoreError::Locked { .. }
            | StoreError::Unknown { .. } => Self::StoreFailed { reason },
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
    use super::super::digest::DigestSettings;
    use super::super::nonces::Nonces;
    use super::*;

    #[test]
    fn asks_for_the_right_credentials() {
        let reply = |token, basic, digest: Option<&DigestSettings>| {
            let digest = digest
                .map(|digest| digest.challenge(&Nonces::new(), jiff::Timestamp::UNIX_EPOCH, false));
            let asked = Asked {
                token,
                basic,
                digest,
                guessed: false,
            };
            Refusal::Unauthorized(Box::new(asked)).reply()
        };
        let asked = |reply: &Reply| {
            let values = reply.headers().get_all(WWW_AUTHENTICATE);
            values
                .iter()
                .map(|v| v.to_str().unwrap()[..5].to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(asked(&reply(true, false, None)), ["Beare"]);
        assert_eq!(asked(&reply(false, true, None)), ["Basic"]);
        assert_eq!(asked(&reply(true, true, None)), ["Basic", "Beare"]);
        let digest = r#"{ "username": "gate", "password": "s3cret" }"#;
        let digest: DigestSettings = serde_json::from_str(digest).unwrap();
        assert_eq!(
            asked(&reply(true, true, Some(&digest))),
            ["Diges", "Diges", "Basic", "Beare"]
        );
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
