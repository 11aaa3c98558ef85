//! What a system answered, and where values stand in it. Read as JSON or XML once, and only if somebody asks.

use std::borrow::Cow;
use std::sync::OnceLock;

use http::{HeaderMap, StatusCode, header};
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use reqwest::Response;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::payload::around::Find;

/// Enough for every answer to a delivery worth reading; what is longer costs its connection.
pub(super) const ANSWER_MAX: usize = 64 * 1024;
/// Enough for a list of all cameras.
pub(super) const LIST_MAX: usize = 4 << 20;
/// So many elements of an answer are looked at.
const ELEMENTS_MAX: usize = 10_000;

/// An answer, its body as far as it came.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// The connection or the time ended before the body did.
    broke_off: bool,
    json: OnceLock<Option<Value>>,
    xml: OnceLock<Elements>,
}

/// What stands in an XML document.
#[derive(Default)]
struct Elements {
    /// Without their prefixes, each with the text directly inside of it.
    all: Vec<(String, String)>,
    /// Of those that have not ended, the numbers.
    open: Vec<usize>,
}

impl Answer {
    pub(super) fn new(status: StatusCode, headers: HeaderMap, body: Vec<u8>) -> Self {
        Self {
            status,
            headers,
            body,
            broke_off: false,
            json: OnceLock::new(),
            xml: OnceLock::new(),
        }
    }

    /// Reads the body until it ends, breaks off, is too long or too late.
    pub(super) async fn read(mut response: Response, deadline: Instant, max: usize) -> Self {
        let mut body = Vec::new();
        let broke_off = loop {
            match timeout_at(deadline, response.chunk()).await {
                Ok(Ok(Some(chunk))) => {
                    let room = max - body.len();
                    body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    if body.len() == max {
                        break false; // nobody reads further
                    }
                }
                Ok(Ok(None)) => break false,
                Ok(Err(_)) | Err(_) => break true,
            }
        };
        let headers = std::mem::take(response.headers_mut());
        Self {
            broke_off,
            ..Self::new(response.status(), headers, body)
        }
    }

    /// Whether all of the body is there that tells anything: it ended as it should, or with a whole document, as those of
    /// appliances do that tell a wrong length.
    pub(super) fn is_whole(&self) -> bool {
        let json = || matches!(self.json(), Some(Value::Object(_) | Value::Array(_)));
        !self.broke_off || json() || self.elements().are_whole()
    }

    pub(super) fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let value = self.headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()))
    }

    pub(super) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// `None` when the body is no JSON.
    pub(super) fn json(&self) -> Option<&Value> {
        let read = || {
            let body = &self.body[..];
            serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)).ok()
        };
        self.json.get_or_init(read).as_ref()
    }

    /// Elements without their prefixes, each with the text directly inside of it, as far as the document is well-formed.
    pub(super) fn xml(&self) -> &[(String, String)] {
        &self.elements().all
    }

    fn elements(&self) -> &Elements {
        self.xml.get_or_init(|| Elements::of(&self.body))
    }

    /// The value that stands there; numbers and flags as text.
    pub(super) fn find(&self, find: &Find) -> Option<String> {
        match find {
            Find::Json(pointer) => match self.json()?.pointer(pointer)? {
                Value::String(text) => Some(text.clone()),
                Value::Null => None,
                other => Some(other.to_string()),
            },
            Find::Xml(name) => {
                let found = self.xml().iter().find(|(known, _)| known == name);
                found.map(|(_, text)| text.clone())
            }
            Find::Header(name) => Some(self.headers.get(name)?.to_str().ok()?.to_owned()),
            Find::Cookie(name) => self
                .headers
                .get_all(header::SET_COOKIE)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .filter_map(|cookie| cookie.split(';').next()?.split_once('='))
                .find(|(known, _)| known.trim() == name)
                .map(|(_, value)| value.trim().trim_matches('"').to_owned()),
        }
    }
}

impl Elements {
    fn of(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let mut reader = Reader::from_str(&text);
        let mut found = Self::default();
        while found.all.len() < ELEMENTS_MAX {
            let Ok(event) = reader.read_event() else {
                break;
            };
            match event {
                Event::Start(start) => {
                    found.open.push(found.all.len());
                    found.add(start.local_name().as_ref());
                }
                Event::Empty(start) => found.add(start.local_name().as_ref()),
                Event::End(_) => {
                    found.open.pop();
                }
                Event::Eof => break,
                Event::Text(text) => found.say(text.trim()),
                Event::CData(text) => found.say(text.trim()),
                Event::GeneralRef(name) => match name.resolve_char_ref() {
                    Ok(Some(character)) => found.say(character.encode_utf8(&mut [0; 4])),
                    _ => found.say(resolve_predefined_entity(&name).unwrap_or_default()),
                },
                _ => {}
            }
        }
        found
    }

    fn add(&mut self, name: &str) {
        self.all.push((name.to_owned(), String::new()));
    }

    fn say(&mut self, text: &str) {
        if let Some(at) = self.open.last() {
            self.all[*at].1.push_str(text);
        }
    }

    fn are_whole(&self) -> bool {
        !self.all.is_empty() && self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn answer(body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.append("x-token", HeaderValue::from_static("head"));
        for cookie in [
            "a=1; Path=/",
            "frigate_token=\"ey.J\"; HttpOnly; SameSite=Lax",
        ] {
            headers.append(header::SET_COOKIE, HeaderValue::from_static(cookie));
        }
        Answer::new(StatusCode::OK, headers, body.as_bytes().to_vec())
    }

    #[test]
    fn values_are_found_where_systems_put_them() {
        let json = answer(r#"{"token": "vms-1", "n": [{"s": 3600}], "none": null}"#);
        let pointer = |text: &str| json.find(&Find::Json(text.to_owned()));
        assert_eq!(pointer("/token").as_deref(), Some("vms-1"));
        assert_eq!(pointer("/n/0/s").as_deref(), Some("3600"));
        assert_eq!(pointer("/none"), None);
        assert_eq!(pointer("/nothing"), None);
        let header = Find::Header(HeaderName::from_static("x-token"));
        assert_eq!(json.find(&header).as_deref(), Some("head"));
        let cookie = |name: &str| json.find(&Find::Cookie(name.to_owned()));
        assert_eq!(cookie("frigate_token").as_deref(), Some("ey.J"));
        assert_eq!(cookie("Path"), None);
    }

    #[test]
    fn xml_is_searched_by_local_names() {
        let xml = answer(
            "<?xml version='1.0'?><s:E xmlns:s='x'><s:Body><s:T a='1'>a&amp;<![CDATA[b]]>&#33;</s:T></s:Body></s:E>",
        );
        assert_eq!(
            xml.find(&Find::Xml("T".to_owned())).as_deref(),
            Some("a&b!")
        );
        assert_eq!(xml.find(&Find::Xml("Fault".to_owned())), None);
        assert_eq!(answer("no xml <").find(&Find::Xml("T".to_owned())), None);
        assert_eq!(
            answer("<T/>").find(&Find::Xml("T".to_owned())).as_deref(),
            Some("")
        );
    }
}
