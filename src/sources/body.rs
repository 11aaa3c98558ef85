//! What kind of body a request has, and its pieces.

use bytes::Bytes;
use percent_encoding::percent_decode;
use serde::Deserialize;

use super::Undecodable;
use super::multipart::{self, Part};
use super::xml;
use crate::event::{Original, sniff};

/// Fields of a form; more is no camera's.
const FIELDS_MAX: usize = 1_000;

/// A request's body, told apart by its content type and, where that misleads, by its first bytes.
#[derive(Debug)]
pub(super) enum Body {
    /// UTF-8 that starts like a JSON object or array; not yet parsed.
    Json(Bytes),
    /// The fields of an urlencoded form in their order, decoded.
    Form(Vec<(String, Bytes)>),
    Multipart(Vec<Part>),
    /// Starts like XML or is called so; neither decoded nor parsed yet.
    Xml(Bytes),
    /// A bare picture and its content type.
    Picture(Bytes),
}

impl Body {
    /// Fails when the body is empty, is of no kind above, is not UTF-8 where it must be, or was cut off.
    pub(super) fn read(request: &Original) -> Result<Self, Undecodable> {
        let body = &request.body;
        if body.is_empty() {
            return Err(Undecodable::because("the body is empty"));
        }
        let content_type = request.content_type().unwrap_or_default();
        let media_type = content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let start = text_start(body);
        match body.get(start) {
            // Many senders put JSON under the content type of their HTTP library's default, a form's.
            Some(b'{' | b'[') => return utf8(body.slice(start..)).map(Self::Json),
            _ if xml::looks_like(body) => return Ok(Self::Xml(body.clone())),
            _ => {}
        }
        if sniff(body).is_some() {
            return Ok(Self::Picture(body.clone()));
        }
        if body[start..].starts_with(b"json=") {
            return form(body.slice(start..)).map(Self::Form);
        }
        let boundary = media_type
            .starts_with("multipart/")
            .then(|| multipart::boundary_of(content_type))
            .flatten();
        if let Some(boundary) = boundary {
            return multipart::split(body, &boundary).map(Self::Multipart);
        }
        if media_type == "application/x-www-form-urlencoded" && body.contains(&b'=') {
            return form(body.clone()).map(Self::Form);
        }
        if let Some(boundary) = multipart::boundary_guessed(body) {
            return multipart::split(body, boundary).map(Self::Multipart);
        }
        if media_type.ends_with("/xml") || media_type.ends_with("+xml") {
            return Ok(Self::Xml(body.clone())); // whose reader then tells what is wrong with it
        }
        Err(Undecodable::because(
            "the body is no JSON object or list, no XML, no form, no multipart and no picture",
        ))
    }
}

/// Nesting of a JSON document. Readers stop at 128 levels, and inside of an event the document stands some levels deeper.
const DEPTH_MAX: usize = 100;
/// Values of JSON, as commas and opening brackets tell them: each takes some ten times its bytes in memory.
const VALUES_MAX: usize = 200_000;

/// What the documents in one body may still hold together.
pub(super) struct Room {
    /// Values of JSON.
    pub(super) values: usize,
    /// Elements and attributes of XML.
    pub(super) nodes: usize,
}

impl Room {
    pub(super) fn new() -> Self {
        Self {
            values: VALUES_MAX,
            nodes: xml::NODES_MAX,
        }
    }
}

/// Parses a JSON document.
pub(super) fn parse<'a, T: Deserialize<'a>>(text: &'a Bytes) -> Result<T, Undecodable> {
    parse_within(text, &mut Room::new())
}

/// As [`parse`], for one of several documents. When there is no room for it, none is left.
pub(super) fn parse_within<'a, T: Deserialize<'a>>(
    text: &'a Bytes,
    room: &mut Room,
) -> Result<T, Undecodable> {
    let Extent { depth, values } = Extent::of(text);
    if depth > DEPTH_MAX {
        let reason = format!("the JSON is nested more than {DEPTH_MAX} levels deep");
        return Err(Undecodable::because(reason));
    }
    let Some(left) = room.values.checked_sub(values) else {
        room.values = 0;
        let reason = format!("the JSON holds more than {VALUES_MAX} values");
        return Err(Undecodable::because(reason));
    };
    room.values = left;
    serde_json::from_slice(text)
        .map_err(|error| Undecodable::because(format!("the JSON is broken: {error}")))
}

/// How deep a JSON document is nested, and how many values it may hold.
struct Extent {
    depth: usize,
    values: usize,
}

impl Extent {
    fn of(text: &[u8]) -> Self {
        let (mut depth, mut deepest, mut values) = (0_usize, 0, 0);
        let (mut quoted, mut escaped) = (false, false);
        for byte in text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ if quoted => {}
                b',' => values += 1,
                b'{' | b'[' => {
                    values += 1;
                    depth += 1;
                    deepest = deepest.max(depth);
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        Self {
            depth: deepest,
            values,
        }
    }
}

/// `text` if it is UTF-8, without byte order mark and white space before it.
pub(super) fn utf8(text: Bytes) -> Result<Bytes, Undecodable> {
    let start = text_start(&text);
    match std::str::from_utf8(&text) {
        Ok(_) => Ok(text.slice(start..)),
        Err(error) => Err(Undecodable::because(format!(
            "the text is not UTF-8 from its byte {} on",
            error.valid_up_to()
        ))),
    }
}

/// Whether text of a part or a field is meant to be a JSON object or array.
pub(super) fn looks_like_json(text: &[u8]) -> bool {
    matches!(text.get(text_start(text)), Some(b'{' | b'['))
}

/// Where the text begins after a byte order mark and white space.
fn text_start(text: &[u8]) -> usize {
    let mark = if text.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    };
    mark + text[mark..]
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count()
}

fn form(body: Bytes) -> Result<Vec<(String, Bytes)>, Undecodable> {
    // JSON that nobody percent-encoded: whole as it stands, since any `+`, `%` and `&` in it mean themselves.
    if body.starts_with(b"json={") {
        let text = body.slice(b"json=".len()..);
        if serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok() {
            return Ok(vec![("json".to_owned(), utf8(text)?)]);
        }
    }
    let mut fields = Vec::new();
    for field in body
        .split(|byte| *byte == b'&')
        .filter(|field| !field.is_empty())
    {
        if fields.len() == FIELDS_MAX {
            return Err(Undecodable::because(format!(
                "the form has more than {FIELDS_MAX} fields"
            )));
        }
        let equals = memchr::memchr(b'=', field).unwrap_or(field.len());
        let name = unescape(&field[..equals]);
        let value = unescape(field.get(equals + 1..).unwrap_or_default());
        let name = String::from_utf8(name)
            .map_err(|_| Undecodable::because("a field's name in the form is not UTF-8"))?;
        if std::str::from_utf8(&value).is_err() {
            return Err(Undecodable::because(format!(
                "the form's field `{}` is not UTF-8",
                name.escape_debug()
            )));
        }
        fields.push((name, Bytes::from(value)));
    }
    Ok(fields)
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let blanks: Vec<u8> = text
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    percent_decode(&blanks).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn read(content_type: &str, body: &'static [u8]) -> Result<Body, Undecodable> {
        Body::read(&Original {
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: Bytes::from_static(body),
            ..Original::default()
        })
    }

    #[test]
    fn json_is_known_by_its_first_byte_under_any_content_type() {
        for content_type in [
            "application/json; charset=utf-8",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "text/plain",
            "",
        ] {
            let body = read(content_type, b"\xef\xbb\xbf \n{\"a\": 1}").unwrap();
            assert!(
                matches!(&body, Body::Json(text) if text.as_ref() == b"{\"a\": 1}"),
                "{body:?}"
            );
        }
    }

    #[test]
    fn a_form_is_decoded_once() {
        let body = read(
            "Application/X-WWW-Form-Urlencoded",
            b"json=%7B%22a%22%3A+%22%2B%25%22%7D&b=c",
        )
        .unwrap();
        let Body::Form(fields) = body else {
            panic!("{body:?}")
        };
        assert_eq!(fields[0].1.as_ref(), b"{\"a\": \"+%\"}");
        assert_eq!(fields[1], ("b".to_owned(), Bytes::from_static(b"c")));
    }

    #[test]
    fn a_form_that_nobody_encoded_keeps_its_signs() {
        let body = read("", b"json={\"a\": \"1+1&%20\"}").unwrap();
        assert!(
            matches!(&body, Body::Form(fields) if fields[0].1.as_ref() == b"{\"a\": \"1+1&%20\"}"),
            "{body:?}"
        );
    }

    #[test]
    fn multipart_is_known_without_its_boundary() {
        for content_type in [
            "Multipart/Form-Data; Boundary=\"x\"",
            "multipart/form-data",
            "",
        ] {
            let body = read(content_type, b"--x\r\n\r\n1\r\n--x--\r\n").unwrap();
            assert!(
                matches!(&body, Body::Multipart(parts) if parts[0].data.as_ref() == b"1"),
                "{body:?}"
            );
        }
    }

    #[test]
    fn nesting_is_counted_outside_of_texts() {
        assert_eq!(Extent::of(br#"{"a":["[[[[\"[[", {}]}"#).depth, 3);
        let nested = |n: usize| Bytes::from(format!("{}{}", "[".repeat(n), "]".repeat(n)));
        assert!(parse::<Value>(&nested(DEPTH_MAX)).is_ok());
        assert!(parse::<Value>(&nested(DEPTH_MAX + 1)).is_err());
    }

    #[test]
    fn values_have_a_limit_and_long_texts_do_not() {
        let nested = format!("{}{}", "[".repeat(99), "]".repeat(99));
        let nested = vec![nested; VALUES_MAX / 99].join(",");
        for many in [",1".repeat(VALUES_MAX), nested] {
            let many = Bytes::from(format!("[1{many}]"));
            let error = parse::<Value>(&many).unwrap_err();
            assert!(error.reason.contains("more than 200000 values"), "{error}");
        }
        let long = Bytes::from(format!("[\"{}\"]", "a,".repeat(VALUES_MAX * 2)));
        assert!(parse::<Value>(&long).is_ok());
    }

    #[test]
    fn what_is_none_of_these_is_refused_with_a_reason() {
        for (body, reason) in [
            (b"".as_slice(), "the body is empty"),
            (b"hello", "no JSON object"),
            (b"{\"a\": \"\xff\"}", "not UTF-8 from its byte 7"),
            (b"json=%ff", "`json` is not UTF-8"),
        ] {
            let error = read("application/x-www-form-urlencoded", body).unwrap_err();
            assert!(error.reason.contains(reason), "{error}");
        }
        let body = read("application/soap+xml; charset=utf-8", b"hello").unwrap();
        assert!(matches!(body, Body::Xml(_)), "{body:?}");
        let deep = Bytes::from("[".repeat(200));
        assert!(
            parse::<Value>(&deep)
                .unwrap_err()
                .reason
                .contains("levels deep")
        );
    }
}
