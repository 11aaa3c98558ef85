//! One camera's API over HTTP: a call is a path, an answer is XML.
//!
//! Nothing of the login is sent before the camera asks for it. Of what it offers Digest is taken, which does not show the
//! password; Basic only where it is all there is. Facts: the vendor's HTTP API reference, read on 2026-11-21.

use std::path::Path;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use http_auth::{PasswordClient, PasswordParams};
use url::Url;

use super::refusal::Refusal;
use super::xml::Element;
use crate::cli::show::error;
use crate::secret::{Blot, Secret};
use crate::targets::http::{Clients, Sessions, Tls};

/// Cameras are slow, but not that slow.
const TIMEOUT: Duration = Duration::from_secs(30);
/// A page of plates is some 50 kB.
const ANSWER_MAX: usize = 4 * 1024 * 1024;
/// Unasked, asked, and once more if the camera calls its question stale.
const TRIES: usize = 3;

/// Who we are to the camera.
pub(super) struct Login {
    pub(super) username: String,
    pub(super) password: Secret,
}

/// A camera to call.
pub(super) struct Device {
    client: reqwest::Client,
    /// Without a slash at its end, and without a login.
    base: Url,
    login: Option<Login>,
    /// What the camera asked for last; later calls answer it at once.
    asked: Option<PasswordClient>,
    blot: Blot,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum DeviceError {
    #[error("could not reach {address}")]
    Unreachable {
        address: String,
        source: reqwest::Error,
    },
    #[error("the camera asks for a login: add --username, and --password-env or --password-file")]
    LoginNeeded,
    #[error(
        "the camera does not take the login of `{username}`; check the user name and the password, and mind that cameras lock \
         a user after some wrong ones{}",
        .told.as_ref().map(|told| format!(": {told}")).unwrap_or_default()
    )]
    LoginRefused {
        username: String,
        told: Option<Refusal>,
    },
    #[error("the camera asks for a login in a way that camhook does not know: {0}")]
    Challenge(String),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the camera answered {0}")]
    Status(StatusCode),
    #[error(
        "{address} answered {status} and points to {location}; give that address with --camera"
    )]
    Elsewhere {
        address: String,
        status: StatusCode,
        location: String,
    },
    #[error(
        "{address} did not answer with XML ({reason}); is it the web port of a Viewtron camera?"
    )]
    NotXml { address: String, reason: String },
    #[error("the answer is larger than any camera's")]
    TooLarge,
}

impl DeviceError {
    /// Whether this firmware does not know the call, which some say with a code and some with an empty 400.
    pub(super) fn is_unknown_call(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.is_unknown_call(),
            Self::Status(status) => matches!(status.as_u16(), 400 | 404 | 405 | 501),
            _ => false,
        }
    }

    /// Whether it only says that a list, or its part that was read before, ends here.
    pub(super) fn is_beyond(&self, has_begun: bool) -> bool {
        match self.code() {
            Some(Refusal::NOTHING_THERE) => true,
            Some(Refusal::OUT_OF_RANGE) => has_begun,
            _ => false,
        }
    }

    /// The camera's code, if it refused with one.
    pub(super) fn code(&self) -> Option<u32> {
        match self {
            Self::Refused(refusal) => refusal.code,
            _ => None,
        }
    }
}

impl Device {
    /// `pin` is the fingerprint of the one certificate to trust.
    pub(super) fn new(base: Url, login: Option<Login>, pin: Option<&str>) -> Result<Self, String> {
        let secrets = login.iter().flat_map(|login| {
            let password = login.password.expose();
            [
                password.to_owned(),
                format!("{}:{password}", login.username),
            ]
        });
        let tls = pin.map(|pin| Tls {
            pin: Some(pin.to_owned()),
            ..Tls::default()
        });
        let client = Clients::new(Sessions::default()).fetching(tls.as_ref(), Path::new(""));
        let client = client.map_err(|mistakes| {
            let texts = mistakes.into_iter().map(|(_, text)| text);
            texts.collect::<Vec<_>>().join("; ")
        })?;
        Ok(Self {
            client,
            blot: Blot::new(secrets),
            base,
            login,
            asked: None,
        })
    }

    pub(super) fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Reads.
    pub(super) async fn get(&mut self, call: &str) -> Result<Element, DeviceError> {
        self.call(Method::GET, call, None).await
    }

    /// Asks, or changes, with a document.
    pub(super) async fn post(
        &mut self,
        call: &str,
        document: &Element,
    ) -> Result<Element, DeviceError> {
        self.call(Method::POST, call, Some(document.document()))
            .await
    }

    async fn call(
        &mut self,
        method: Method,
        call: &str,
        body: Option<String>,
    ) -> Result<Element, DeviceError> {
        let (status, body) = self.exchange(method, call, body).await?;
        if status.is_success() && body.trim_ascii().is_empty() {
            return Ok(Element::new("config")); // nothing told, nothing refused
        }
        match Element::read(&body) {
            Ok(answer) => match Refusal::of(&answer, &self.blot) {
                Some(refusal) => Err(refusal.into()),
                None if status.is_success() => Ok(answer),
                None => Err(DeviceError::Status(status)),
            },
            Err(broken) if status.is_success() => Err(DeviceError::NotXml {
                address: self.address().to_owned(),
                reason: broken.to_string(),
            }),
            Err(_) => Err(DeviceError::Status(status)),
        }
    }

    /// Sends, and answers the camera's question for a login.
    async fn exchange(
        &mut self,
        method: Method,
        call: &str,
        body: Option<String>,
    ) -> Result<(StatusCode, Vec<u8>), DeviceError> {
        let address = format!("{}/{call}", self.address());
        let path = format!("{}/{call}", self.base.path().trim_end_matches('/'));
        let mut is_fresh = false;
        for _ in 0..TRIES {
            let mut request = self
                .client
                .request(method.clone(), &address)
                .timeout(TIMEOUT);
            if let Some(body) = &body {
                request = request
                    .header(CONTENT_TYPE, "application/xml; charset=utf-8")
                    .body(body.clone());
            }
            let told = self.answer_of(&method, &path, body.as_deref())?;
            let was_told = told.is_some();
            if let Some(told) = told {
                request = request.header(AUTHORIZATION, told);
            }
            let response = request
                .send()
                .await
                .map_err(|source| self.unreachable(source))?;
            let status = response.status();
            if status.is_redirection() {
                return Err(self.elsewhere(&response));
            }
            if status != StatusCode::UNAUTHORIZED {
                return Ok((status, self.body(response).await?));
            }
            let Some(login) = &self.login else {
                return Err(DeviceError::LoginNeeded);
            };
            let next = PasswordClient::try_from(response.headers().get_all(WWW_AUTHENTICATE))
                .map_err(|reason| DeviceError::Challenge(self.blot.out(&reason)))?;
            // A question of an earlier call may have become too old without the camera saying so. A wrong password
            // must not be tried twice: it locks the user.
            let is_worth_it = match &next {
                PasswordClient::Digest(digest) => !was_told || digest.stale() || !is_fresh,
                _ => !was_told,
            };
            if !is_worth_it {
                let username = login.username.clone();
                let body = self.body(response).await.unwrap_or_default();
                let told = Element::read(&body)
                    .ok()
                    .and_then(|answer| Refusal::of(&answer, &self.blot));
                return Err(DeviceError::LoginRefused { username, told });
            }
            if matches!(next, PasswordClient::Basic(_)) && self.base.scheme() == "http" {
                error(
                    "camhook: warning: this camera takes HTTP Basic only, and over http:// the password can be read on its \
                     way; use https:// if the camera offers it, and a network of its own if not",
                );
            }
            self.asked = Some(next);
            is_fresh = true;
        }
        Err(DeviceError::Challenge("it asks again and again".to_owned()))
    }

    /// The login in the form that was asked for, if any was.
    fn answer_of(
        &mut self,
        method: &Method,
        path: &str,
        body: Option<&str>,
    ) -> Result<Option<HeaderValue>, DeviceError> {
        let (Some(login), Some(asked)) = (&self.login, &mut self.asked) else {
            return Ok(None);
        };
        let parameters = PasswordParams {
            username: &login.username,
            password: login.password.expose(),
            uri: path,
            method: method.as_str(),
            body: Some(body.unwrap_or_default().as_bytes()),
        };
        let told = asked.respond(&parameters).map_err(DeviceError::Challenge)?;
        let mut told = HeaderValue::from_str(&told).map_err(|_| {
            DeviceError::Challenge("the user name cannot be sent in a header".to_owned())
        })?;
        told.set_sensitive(true);
        Ok(Some(told))
    }

    async fn body(&self, mut response: reqwest::Response) -> Result<Vec<u8>, DeviceError> {
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|source| self.unreachable(source))?
        {
            if body.len() + chunk.len() > ANSWER_MAX {
                return Err(DeviceError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn unreachable(&self, source: reqwest::Error) -> DeviceError {
        DeviceError::Unreachable {
            address: self.address().to_owned(),
            source: source.without_url(),
        }
    }

    fn elsewhere(&self, response: &reqwest::Response) -> DeviceError {
        let location = response.headers().get(LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        DeviceError::Elsewhere {
            address: self.address().to_owned(),
            status: response.status(),
            location: self.blot.out(location.unwrap_or("nowhere")),
        }
    }
}
