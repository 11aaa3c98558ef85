//! Writes a request from the `http` settings of a target.

mod around;
mod auth;
mod body;
mod check;
mod parts;
mod settings;
mod stream;
mod url;
mod wrap;

use http::{HeaderName, HeaderValue, Method, header};
use serde_json::Value;

use super::fields::pairs;
use super::{Building, Mistakes};
use crate::event::{Event, Item};
use crate::payload::{Around, Request};
use crate::template::{Engine, Names, RenderError, Scope, Structure, Template};

pub(crate) use settings::Settings;

/// Compiled [`Settings`].
pub(crate) struct Writer {
    method: Method,
    url: Template,
    query: Option<Structure>,
    headers: Option<Structure>,
    auth: Option<auth::Writer>,
    body: body::Writer,
    wrap: Option<Structure>,
    around: Option<around::Writer>,
    check: Option<Box<Self>>,
    check_lists_cameras: bool,
    check_expects: check::Expects,
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
            .and_then(|auth| auth::Writer::new(&mut building, auth));
        let body = body::Writer::new(&mut building, settings);
        let wrap = wrap::compile(&mut building, settings);
        let around = around::Writer::new(&mut building, settings);
        let check = (settings.check.as_ref())
            .and_then(|check| around::call(&mut building, &["check", "request"], &check.request))
            .map(Box::new);
        let check_expects = check::Expects::new(&mut building, settings.check.as_ref());
        let built = method.zip(url).zip(body).map(|((method, url), body)| Self {
            method,
            url,
            query: query.filter(|_| !settings.query.0.is_empty()),
            headers: headers.filter(|_| !settings.headers.0.is_empty()),
            auth,
            body,
            wrap,
            around,
            check,
            check_lists_cameras: settings
                .check
                .as_ref()
                .is_some_and(|check| check.lists_cameras),
            check_expects,
        });
        building.done(built)
    }

    pub(super) fn write(
        &self,
        event: &Event,
        item: Option<Item>,
        scope: &Scope,
    ) -> Result<Request, RenderError> {
        let mut request = self.write_bare(event, item, scope)?;
        let sign = match &self.auth {
            Some(auth) => auth.sign(scope)?,
            None => None,
        };
        let around = match &self.around {
            Some(writer) => Some(writer.write(self, event, item, scope)?),
            None => None,
        };
        if around.is_some() || sign.is_some() {
            request.around = Some(Box::new(Around {
                sign,
                ..around.unwrap_or_default()
            }));
        }
        Ok(request)
    }

    /// The request alone, without what has to happen around it.
    fn write_bare(
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
            Some(auth) => auth.header(scope)?,
            None => None,
        };
        let url = url::assemble(&self.url.text(scope)?, &fields(&self.query)?)?;
        let mut body = self.body.write(event, item, scope, &url)?;
        if let Some(structure) = &self.wrap {
            body = wrap::write(structure, &body, scope)?;
        }
        Ok(Request {
            method: self.method.clone(),
            url,
            headers: headers(fields(&self.headers)?, authorization, body.content_type)?,
            body: body.body,
            around: None,
        })
    }
}

impl Writer {
    pub(super) fn check_lists_cameras(&self) -> bool {
        self.check_lists_cameras
    }

    /// The request that `check --connect` sends, with what it needs around it.
    pub(super) fn write_check(
        &self,
        event: &Event,
        scope: &Scope,
    ) -> Result<Option<Request>, RenderError> {
        let Some(check) = &self.check else {
            return Ok(None);
        };
        let mut request = check.write(event, None, scope)?;
        if let Some(writer) = &self.around
            && let Some(session) = writer.session(event, scope)?
        {
            request.around.get_or_insert_default().session = Some(session);
        }
        let expects = self.check_expects.write(scope)?;
        if !expects.is_empty() {
            request.around.get_or_insert_default().expects = expects;
        }
        if let Some(call) = self.check_expects.call(scope)? {
            request.around.get_or_insert_default().call = Some(call);
        }
        Ok(Some(request))
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
    fn methods_are_read_in_any_case() {
        assert_eq!(method("put"), Some(Method::PUT));
        assert!(method("P UT").is_none() && method("").is_none());
    }
}
