//! Writes a request from the `http` settings of a target.

mod body;
mod settings;
mod stream;
mod url;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderName, HeaderValue, Method, header};
use serde_json::Value;

use super::fields::{pairs, text_of};
use super::{Building, Mistakes};
use crate::event::{Event, Item};
use crate::payload::Request;
use crate::template::{Engine, Names, Output, RenderError, Scope, Structure, Template};

pub(crate) use settings::{Auth, Settings};

/// Compiled [`Settings`].
pub(crate) struct Writer {
    method: Method,
    url: Template,
    query: Option<Structure>,
    headers: Option<Structure>,
    auth: Option<AuthWriter>,
    body: body::Writer,
}

enum AuthWriter {
    Basic {
        username: Template,
        password: Template,
    },
    Bearer(Template),
    Token(Template),
}

/// They say how long the body is or what becomes of the connection, which only the sender can know.
const RESERVED: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
];

impl Writer {
    /// Host and port, when they do not depend on the event.
    pub(super) fn address(&self) -> Option<(String, u16)> {
        let source = self.url.source();
        let fixed = source.split("{{").next()?;
        let (_, rest) = fixed.split_once("://")?;
        let whole = fixed.len() == source.len() || rest.contains(['/', '?']);
        let url = ::url::Url::parse(fixed).ok().filter(|_| whole)?;
        Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
    }

    pub(super) fn new(
        settings: &Settings,
        engine: &Engine,
        names: Names,
    ) -> Result<Self, Mistakes> {
        let mut building = Building::new(engine, names);
        let method = method(&settings.method);
        if method.is_none() {
            let message = format!("`{}` is no HTTP method", settings.method);
            building.wrong(&["method"], message, Some("such as POST, PUT or GET"));
        }
        let url = engine.url(&settings.url, names);
        let url = building.keep(&["url"], url);
        if let Some(Err(error)) = (url.as_ref())
            .filter(|_| !settings.url.contains("{{") && !settings.url.contains("{%"))
            .map(|_| url::assemble(&settings.url, &[]))
        {
            building.wrong(&["url"], error.0, Some("such as https://10.0.0.5/events"));
        }
        for name in settings.headers.0.keys() {
            if let Err(message) = usable(name) {
                building.wrong(&["headers", name], message, None);
            }
        }
        let query = Value::Object(settings.query.0.clone());
        let query = building.structure(&["query"], &query);
        let headers = Value::Object(settings.headers.0.clone());
        let headers = building.structure(&["headers"], &headers);
        let auth = settings
            .auth
            .as_ref()
            .and_then(|auth| AuthWriter::new(&mut building, auth));
        let body = body::Writer::new(&mut building, settings);
        let built = method.zip(url).zip(body).map(|((method, url), body)| Self {
            method,
            url,
            query: query.filter(|_| !settings.query.0.is_empty()),
            headers: headers.filter(|_| !settings.headers.0.is_empty()),
            auth,
            body,
        });
        building.done(built)
    }

    pub(super) fn write(
        &self,
        event: &Event,
        item: Option<Item>,
        scope: &Scope,
    ) -> Result<Request, RenderError> {
        let fields = |structure: &Option<Structure>| match structure {
            Some(structure) => structure.json(scope).map(pairs),
            None => Ok(Vec::new()),
        };
        let authorization = match &self.auth {
            Some(auth) => auth.write(scope)?,
            None => None,
        };
        let url = url::assemble(&self.url.text(scope)?, &fields(&self.query)?)?;
        let body = self.body.write(event, item, scope, &url)?;
        Ok(Request {
            method: self.method.clone(),
            url,
            headers: headers(fields(&self.headers)?, authorization, body.content_type)?,
            body: body.body,
        })
    }
}

fn method(text: &str) -> Option<Method> {
    Method::from_bytes(text.trim().to_ascii_uppercase().as_bytes()).ok()
}

fn usable(name: &str) -> Result<HeaderName, String> {
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(name) if RESERVED.contains(&name) => Err(format!(
            "camhook sets `{name}` itself, for it knows the body and the connection"
        )),
        Ok(name) => Ok(name),
        Err(_) => Err(format!("`{name}` is no name of a header")),
    }
}

/// A header that is written out wins over the one that follows from `auth` or the body.
fn headers(
    written: Vec<(String, String)>,
    authorization: Option<String>,
    content_type: Option<String>,
) -> Result<Vec<(HeaderName, HeaderValue)>, RenderError> {
    let mut headers = Vec::new();
    for (name, value) in written {
        let name = usable(&name).map_err(RenderError)?;
        let mut value = header_value(name.as_str(), &value)?;
        if name == header::CONTENT_TYPE {
            value = with_boundary(value, content_type.as_deref());
        }
        value.set_sensitive(name == header::AUTHORIZATION);
        headers.push((name, value));
    }
    let implied = [
        (header::AUTHORIZATION, authorization),
        (header::CONTENT_TYPE, content_type),
    ];
    for (name, value) in implied {
        if let Some(value) = value
            && !headers.iter().any(|(known, _)| *known == name)
        {
            let mut value = header_value(name.as_str(), &value)?;
            value.set_sensitive(name == header::AUTHORIZATION);
            headers.push((name, value));
        }
    }
    Ok(headers)
}

/// The value is not told in the error: it may be a secret.
fn header_value(name: &str, value: &str) -> Result<HeaderValue, RenderError> {
    HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
        RenderError(format!(
            "the value of the header `{name}` holds characters that no header may have, such as a line break"
        ))
    })
}

/// `multipart/mixed`, say, written out by the user is of no use without the boundary of the body.
fn with_boundary(written: HeaderValue, implied: Option<&str>) -> HeaderValue {
    let add = || {
        let text = written.to_str().ok()?;
        let boundary = implied?
            .strip_prefix("multipart/form-data; ")
            .filter(|_| text.starts_with("multipart/") && !text.contains("boundary="))?;
        HeaderValue::try_from(format!("{text}; {boundary}")).ok()
    };
    add().unwrap_or(written)
}

impl AuthWriter {
    fn new(building: &mut Building<'_>, auth: &Auth) -> Option<Self> {
        match auth {
            Auth::Basic(basic) => {
                let username = building.template(&["auth", "basic", "username"], &basic.username);
                let password = building.template(&["auth", "basic", "password"], &basic.password);
                username
                    .zip(password)
                    .map(|(username, password)| Self::Basic { username, password })
            }
            Auth::Bearer(token) => building
                .template(&["auth", "bearer"], token)
                .map(Self::Bearer),
            Auth::Token(token) => building
                .template(&["auth", "token"], token)
                .map(Self::Token),
        }
    }

    /// `None` when the token, or both username and password, came to null.
    fn write(&self, scope: &Scope) -> Result<Option<String>, RenderError> {
        Ok(match self {
            Self::Basic { username, password } => {
                match (value(username, scope)?, value(password, scope)?) {
                    (None, None) => None,
                    (username, password) => Some(basic(
                        &username.unwrap_or_default(),
                        &password.unwrap_or_default(),
                    )?),
                }
            }
            Self::Bearer(token) => value(token, scope)?.map(|token| format!("Bearer {token}")),
            Self::Token(token) => value(token, scope)?.map(|token| format!("Token {token}")),
        })
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
    use super::*;

    fn told(headers: &[(HeaderName, HeaderValue)]) -> Vec<String> {
        headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
            .collect()
    }

    fn written(name: &str, value: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), value.to_owned())]
    }

    #[test]
    fn a_written_header_wins_over_an_implied_one() {
        let headers = headers(
            written("content-type", "text/csv"),
            Some("Bearer x".into()),
            Some("text/plain".into()),
        );
        assert_eq!(
            told(&headers.unwrap()),
            ["content-type: text/csv", "authorization: Bearer x"]
        );
    }

    #[test]
    fn a_written_multipart_type_keeps_the_boundary_of_the_body() {
        let implied = || Some("multipart/form-data; boundary=b".to_owned());
        let mixed = headers(written("Content-Type", "multipart/mixed"), None, implied());
        assert_eq!(
            told(&mixed.unwrap()),
            ["content-type: multipart/mixed; boundary=b"]
        );
        let other = headers(written("Content-Type", "text/plain"), None, implied());
        assert_eq!(told(&other.unwrap()), ["content-type: text/plain"]);
    }

    #[test]
    fn a_value_cannot_inject_a_header() {
        let error = headers(written("X-Camera", "gate\r\nX-Evil: 1"), None, None).unwrap_err();
        assert!(error.0.contains("`x-camera`") && !error.0.contains("Evil"));
        assert!(headers(written("X-Camera", "gate\0"), None, None).is_err());
        let unicode = headers(written("X-Camera", "Süd"), None, None).unwrap();
        assert_eq!(told(&unicode), ["x-camera: Süd"]);
    }

    #[test]
    fn the_framing_of_the_body_is_not_the_users() {
        for name in [
            "Content-Length",
            "transfer-encoding",
            "connection",
            "a b",
            "",
        ] {
            assert!(usable(name).is_err(), "{name}");
        }
    }

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

    #[test]
    fn methods_are_read_in_any_case() {
        assert_eq!(method("put"), Some(Method::PUT));
        assert!(method("P UT").is_none() && method("").is_none());
    }
}
