//! What has to happen around a request: a login before it, requests that come first, a signature over it.

use std::time::Duration;

use http::HeaderName;

use super::Request;
use crate::secret::Secret;

/// Everything that one request may need besides being sent.
#[derive(Clone, Default)]
pub(crate) struct Around {
    /// The session whose token stands in the request.
    pub(crate) session: Option<Session>,
    /// What is sent before it, in this order; what the answers tell stands in what comes later.
    pub(crate) first: Vec<First>,
    pub(crate) sign: Option<Sign>,
    /// Sent instead when the answer is 413: the same without pictures.
    pub(crate) smaller: Option<Box<Request>>,
    /// What the answer to a check should say.
    pub(crate) expects: Vec<Expect>,
    /// The call that the answer to a check, a WSDL, should describe.
    pub(crate) call: Option<Call>,
}

/// A SOAP call as it is sent.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) operation: String,
    pub(crate) namespace: String,
    pub(crate) action: String,
    /// `1.1` or `1.2`.
    pub(crate) version: String,
    /// The elements inside of the operation's, in their order.
    pub(crate) arguments: Vec<String>,
    pub(crate) address: String,
}

/// What an XML document should say at some place.
#[derive(Clone)]
pub(crate) struct Expect {
    /// An element's local name.
    pub(crate) element: String,
    /// `None` is the element's text.
    pub(crate) attribute: Option<String>,
    /// One after the other.
    pub(crate) wanted: Vec<String>,
    pub(crate) otherwise: String,
}

impl Around {
    /// Whether nothing but a signature is wanted.
    pub(crate) fn is_only_signed(&self) -> bool {
        self.session.is_none() && self.first.is_empty() && self.smaller.is_none()
    }

    /// The signature alone.
    pub(crate) fn signed(&self) -> Option<Box<Self>> {
        let sign = self.sign.clone()?;
        Some(Box::new(Self {
            sign: Some(sign),
            ..Self::default()
        }))
    }
}

/// A login whose token serves many requests.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) login: Request,
    pub(crate) token: Find,
    pub(crate) lifetime: Lifetime,
    /// Holds the token's mark.
    pub(crate) logout: Option<Request>,
}

/// The name under which a request sees its session's token.
pub(crate) const TOKEN: &str = "session.token";

/// How long a token is good.
#[derive(Clone)]
pub(crate) enum Lifetime {
    /// Until it is refused.
    Unknown,
    Fixed(Duration),
    /// Seconds, told in the answer to the login.
    Told(Find),
}

/// A request that comes before.
#[derive(Clone)]
pub(crate) struct First {
    pub(crate) request: Request,
    /// Names with where their values stand in the answer.
    pub(crate) capture: Vec<(String, Find)>,
}

/// Where a value stands in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Find {
    /// A JSON pointer, such as `/data/token`.
    Json(String),
    /// The text of the first XML element of that local name.
    Xml(String),
    Header(HeaderName),
    /// A cookie that the answer sets.
    Cookie(String),
}

/// How a request shows who sends it, computed over the finished request.
#[derive(Clone)]
pub(crate) enum Sign {
    /// HTTP Digest (RFC 7616).
    Digest { username: String, password: Secret },
    /// AWS Signature Version 4.
    Aws {
        service: String,
        region: String,
        access_key_id: String,
        secret_access_key: Secret,
        session_token: Option<Secret>,
    },
    /// Standard Webhooks 1.0: `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    Webhook { secret: Secret },
}

impl std::fmt::Debug for Around {
    /// Tells no secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Around")
            .field("session", &self.session.is_some())
            .field("first", &self.first.len())
            .field("sign", &self.sign.is_some())
            .field("smaller", &self.smaller.is_some())
            .finish()
    }
}

impl std::fmt::Display for Sign {
    /// As a header whose value is computed when the request is sent. Tells no secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Digest { username, .. } => write!(f, "authorization: Digest <{username}>"),
            Self::Aws {
                service, region, ..
            } => write!(f, "authorization: AWS4-HMAC-SHA256 <{service} in {region}>"),
            Self::Webhook { .. } => f.write_str("webhook-signature: <v1>"),
        }
    }
}
