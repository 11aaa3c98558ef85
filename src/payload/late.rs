//! Values that are known only when a request is sent: a session's token, what an earlier answer told.
//!
//! A template sees a mark in their place. The sender puts the value where the mark stands, written as that place wants
//! it: percent-encoded in an address, escaped in JSON and XML. A mark holds a number that is new with each process, so
//! nothing an event tells can be taken for one.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use memchr::memmem;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Body, Request};

static NUMBER: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("late"));

/// Everything but what is never escaped in an address (RFC 3986, section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Values by their names, such as `session.token`.
pub(crate) type Values = [(String, String)];

/// What a template sees in the place of the value of that name.
pub(crate) fn mark(name: &str) -> String {
    format!("late-{:016x}-{name}-etal", *NUMBER)
}

/// The text with its marks as a person reads them.
pub(crate) fn shown(text: &str) -> String {
    let (begin, end) = (format!("late-{:016x}-", *NUMBER), "-etal");
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(&begin) {
        shown.push_str(before);
        let (name, after) = after.split_once(end).unwrap_or((after, ""));
        shown.push_str(&format!("<{name}>"));
        rest = after;
    }
    shown.push_str(rest);
    shown
}

/// Whether something still waits for its value: its name.
pub(crate) fn left(request: &Request) -> Option<String> {
    let headers = request.headers.iter().map(|(_, value)| value.as_bytes());
    std::iter::once(request.url.as_bytes())
        .chain(headers)
        .find_map(awaited)
        .or_else(|| left_in(&request.body))
}

/// The same of a body alone.
pub(crate) fn left_in(body: &Body) -> Option<String> {
    body.0.iter().find_map(|piece| awaited(piece))
}

/// The name of the first value that this text waits for.
fn awaited(text: &[u8]) -> Option<String> {
    let begin = format!("late-{:016x}-", *NUMBER);
    let at = memmem::find(text, begin.as_bytes())? + begin.len();
    let end = memmem::find(&text[at..], b"-etal")?;
    Some(String::from_utf8_lossy(&text[at..at + end]).into_owned())
}

/// A value cannot stand where it was wanted.
#[derive(Debug, thiserror::Error)]
#[error("the value of `{name}` cannot be part of {place}")]
pub(crate) struct Unfit {
    name: String,
    place: String,
}

impl Request {
    /// Puts the values where their marks stand.
    ///
    /// # Errors
    /// When a header would get a line break.
    pub(crate) fn filled(mut self, values: &Values) -> Result<Self, Unfit> {
        for (name, value) in values {
            let mark = mark(name);
            if self.url.contains(&mark) {
                let escaped = utf8_percent_encode(value, ESCAPED).to_string();
                self.url = self.url.replace(&mark, &escaped);
            }
            for (header, text) in &mut self.headers {
                *text = in_header(header, text, &mark, (name, value))?;
            }
            let escape = escape_of(&self.headers);
            self.body = in_body(self.body, &mark, || escape(value));
        }
        Ok(self)
    }
}

fn in_header(
    header: &HeaderName,
    text: &HeaderValue,
    mark: &str,
    (name, value): (&str, &str),
) -> Result<HeaderValue, Unfit> {
    let Some(filled) = replaced(text.as_bytes(), mark, value.as_bytes()) else {
        return Ok(text.clone());
    };
    let mut filled = HeaderValue::from_bytes(&filled).map_err(|_| Unfit {
        name: name.to_owned(),
        place: format!("the header `{header}`"),
    })?;
    filled.set_sensitive(true);
    Ok(filled)
}

fn in_body(body: Body, mark: &str, value: impl Fn() -> String) -> Body {
    let fill = |piece: Bytes| replaced(&piece, mark, value().as_bytes()).map_or(piece, Bytes::from);
    Body(body.0.into_iter().map(fill).collect())
}

/// `None` when the mark is not there.
fn replaced(text: &[u8], mark: &str, value: &[u8]) -> Option<Vec<u8>> {
    memmem::find(text, mark.as_bytes())?;
    let mut filled = Vec::with_capacity(text.len() + value.len());
    let mut from = 0;
    for at in memmem::find_iter(text, mark.as_bytes()) {
        filled.extend_from_slice(&text[from..at]);
        filled.extend_from_slice(value);
        from = at + mark.len();
    }
    filled.extend_from_slice(&text[from..]);
    Some(filled)
}

fn escape_of(headers: &[(HeaderName, HeaderValue)]) -> fn(&str) -> String {
    let content_type = headers
        .iter()
        .find(|(name, _)| *name == header::CONTENT_TYPE)
        .and_then(|(_, value)| value.to_str().ok())
        .unwrap_or_default();
    if content_type.contains("json") {
        |value| {
            let quoted = serde_json::Value::from(value).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
    } else if content_type.contains("xml") {
        |value| {
            value
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
                .replace('"', "&quot;")
        }
    } else if content_type.contains("x-www-form-urlencoded") {
        |value| utf8_percent_encode(value, ESCAPED).to_string()
    } else {
        str::to_owned
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn request(content_type: &'static str, body: &str) -> Request {
        Request {
            method: Method::POST,
            url: format!("http://x/{}?t=1", mark("session.token")),
            headers: vec![
                (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
                (
                    header::AUTHORIZATION,
                    HeaderValue::try_from(format!("Bearer {}", mark("session.token"))).unwrap(),
                ),
            ],
            body: Body(vec![Bytes::from("a picture"), Bytes::from(body.to_owned())]),
            around: None,
        }
    }

    fn filled(content_type: &'static str, value: &str) -> Request {
        let body = format!("[{0} {0}]", mark("session.token"));
        let values = [("session.token".to_owned(), value.to_owned())];
        request(content_type, &body).filled(&values).unwrap()
    }

    #[test]
    fn a_value_is_written_as_its_place_wants_it() {
        for (content_type, body) in [
            ("application/json", r#"[a/"<& a/\"<&]"#),
            ("application/xml", "[a/&quot;&lt;&amp; a/&quot;&lt;&amp;]"),
            (
                "application/x-www-form-urlencoded",
                "[a%2F%22%3C%26 a%2F%22%3C%26]",
            ),
            ("text/plain", r#"[a/"<& a/"<&]"#),
        ] {
            let filled = filled(content_type, "a/\"<&");
            assert_eq!(filled.url, "http://x/a%2F%22%3C%26?t=1");
            assert_eq!(filled.headers[1].1, "Bearer a/\"<&");
            assert!(filled.headers[1].1.is_sensitive());
            let body = body.replace(r#"a/"<& a/\"<&"#, r#"a/\"<& a/\"<&"#);
            assert_eq!(filled.body.0[1], body, "{content_type}");
            assert_eq!(filled.body.0[0], "a picture");
        }
    }

    #[test]
    fn a_value_cannot_inject_a_header() {
        let values = [("session.token".to_owned(), "a\r\nX: 1".to_owned())];
        let error = request("text/plain", "").filled(&values).unwrap_err();
        assert!(error.to_string().contains("`authorization`"), "{error}");
    }

    #[test]
    fn marks_are_shown_by_their_names() {
        let text = format!(
            "Bearer {} and {}",
            mark("session.token"),
            mark("captured.id")
        );
        assert_eq!(shown(&text), "Bearer <session.token> and <captured.id>");
        assert_eq!(shown("late-1-x-etal"), "late-1-x-etal");
    }
}
