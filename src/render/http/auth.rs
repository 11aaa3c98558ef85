//! How a request shows who sends it: a header that is known now, or what the sender signs with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::settings::{Auth, Basic};
use crate::payload::around::Sign;
use crate::render::Building;
use crate::render::fields::text_of;
use crate::secret::Secret;
use crate::template::{Output, RenderError, Scope, Template};

/// Compiled [`Auth`].
pub(super) enum Writer {
    Basic(Login),
    Digest(Login),
    Bearer(Template),
    Token(Template),
    Aws {
        service: Template,
        region: Template,
        access_key_id: Template,
        secret_access_key: Template,
        session_token: Option<Template>,
    },
    Webhook(Template),
}

pub(super) struct Login {
    username: Template,
    password: Template,
}

impl Writer {
    pub(super) fn new(building: &mut Building<'_>, auth: &Auth) -> Option<Self> {
        let mut one = |way: &[&str], text: &str| {
            let way: Vec<&str> = std::iter::once("auth").chain(way.iter().copied()).collect();
            building.template(&way, text)
        };
        let mut login = |way: &str, basic: &Basic| {
            let username = one(&[way, "username"], &basic.username);
            let password = one(&[way, "password"], &basic.password);
            username
                .zip(password)
                .map(|(username, password)| Login { username, password })
        };
        match auth {
            Auth::Basic(basic) => login("basic", basic).map(Self::Basic),
            Auth::Digest(basic) => login("digest", basic).map(Self::Digest),
            Auth::Bearer(token) => one(&["bearer"], token).map(Self::Bearer),
            Auth::Token(token) => one(&["token"], token).map(Self::Token),
            Auth::Webhook(secret) => one(&["webhook"], secret).map(Self::Webhook),
            Auth::Aws(aws) => {
                let session_token = match &aws.session_token {
                    Some(token) => one(&["aws", "session_token"], token).map(Some),
                    None => Some(None),
                };
                let service = one(&["aws", "service"], &aws.service);
                let region = one(&["aws", "region"], &aws.region);
                let access_key_id = one(&["aws", "access_key_id"], &aws.access_key_id);
                let secret_access_key = one(&["aws", "secret_access_key"], &aws.secret_access_key);
                Some(Self::Aws {
                    service: service?,
                    region: region?,
                    access_key_id: access_key_id?,
                    secret_access_key: secret_access_key?,
                    session_token: session_token?,
                })
            }
        }
    }

    /// The value of `Authorization`; `None` when the token, or both username and password, came to null, and for
    /// signatures.
    pub(super) fn header(&self, scope: &Scope) -> Result<Option<String>, RenderError> {
        Ok(match self {
            Self::Basic(login) => match login.write(scope)? {
                (None, None) => None,
                (username, password) => Some(basic(
                    &username.unwrap_or_default(),
                    &password.unwrap_or_default(),
                )?),
            },
            Self::Bearer(token) => value(token, scope)?.map(|token| format!("Bearer {token}")),
            Self::Token(token) => value(token, scope)?.map(|token| format!("Token {token}")),
            Self::Digest(_) | Self::Aws { .. } | Self::Webhook(_) => None,
        })
    }

    /// What the sender signs with; `None` when username, key or secret came to null, and for plain headers.
    pub(super) fn sign(&self, scope: &Scope) -> Result<Option<Sign>, RenderError> {
        let secret = |text: String| Secret::new(&text);
        Ok(match self {
            Self::Basic(_) | Self::Bearer(_) | Self::Token(_) => None,
            Self::Digest(login) => match login.write(scope)? {
                (Some(username), password) => Some(Sign::Digest {
                    username,
                    password: secret(password.unwrap_or_default()),
                }),
                (None, _) => None,
            },
            Self::Webhook(template) => value(template, scope)?
                .map(secret)
                .map(|secret| Sign::Webhook { secret }),
            Self::Aws {
                service,
                region,
                access_key_id,
                secret_access_key,
                session_token,
            } => {
                let key = value(access_key_id, scope)?.zip(value(secret_access_key, scope)?);
                let session_token = match session_token {
                    Some(token) => value(token, scope)?,
                    None => None,
                };
                match key {
                    None => None,
                    Some((access_key_id, key)) => Some(Sign::Aws {
                        service: value(service, scope)?.unwrap_or_default(),
                        region: value(region, scope)?.unwrap_or_default(),
                        access_key_id,
                        secret_access_key: secret(key),
                        session_token: session_token.map(secret),
                    }),
                }
            }
        })
    }
}

impl Login {
    fn write(&self, scope: &Scope) -> Result<(Option<String>, Option<String>), RenderError> {
        Ok((value(&self.username, scope)?, value(&self.password, scope)?))
    }
}

fn value(template: &Template, scope: &Scope) -> Result<Option<String>, RenderError> {
    match template.output(scope)? {
        Output::Json(value) => Ok(text_of(value)),
        Output::Picture(_) | Output::Pictures(_) => {
            Err(RenderError("a picture is no credential".to_owned()))
        }
    }
}

fn basic(username: &str, password: &str) -> Result<String, RenderError> {
    if username.contains(':') {
        return Err(RenderError(
            "a username of HTTP Basic must not hold a colon".to_owned(),
        ));
    }
    Ok(format!(
        "Basic {}",
        BASE64.encode(format!("{username}:{password}"))
    ))
}

#[cfg(test)]
mod tests {
    use super::super::headers;
    use super::*;

    #[test]
    fn basic_is_encoded_and_marked_as_sensitive() {
        assert_eq!(
            basic("Aladdin", "open sesame").unwrap(),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        assert_eq!(basic("ü", "é:é").unwrap(), "Basic w7w6w6k6w6k=");
        assert!(basic("a:b", "c").is_err());
        let headers = headers(Vec::new(), Some("Basic x".into()), None).unwrap();
        assert!(headers[0].1.is_sensitive());
    }
}
