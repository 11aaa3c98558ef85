//! What a system answered, and where values stand in it.

use http::{HeaderMap, StatusCode, header};
use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use crate::payload::around::Find;

/// Enough for every answer worth reading; what is longer costs its connection.
pub(super) const ANSWER_MAX: usize = 64 * 1024;

/// An answer, its body as far as it came.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// Reads the body until it ends, breaks off, is too long or too late.
    pub(super) async fn read(mut response: Response, deadline: Instant) -> Self {
        let mut body = Vec::new();
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        while let Ok(Ok(Some(chunk))) = timeout_at(deadline, response.chunk()).await {
            let room = ANSWER_MAX - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == ANSWER_MAX {
                break;
            }
        }
        Self {
            status,
            headers,
            body,
        }
    }

    /// The value that stands there; numbers and flags as text.
    pub(super) fn find(&self, find: &Find) -> Option<String> {
        match find {
            Find::Json(pointer) => {
                let json: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
                match json.pointer(pointer)? {
                    serde_json::Value::String(text) => Some(text.clone()),
                    serde_json::Value::Null => None,
                    other => Some(other.to_string()),
                }
            }
            Find::Xml(name) => xml_text(&self.body, name),
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

/// The text of the first element of that local name.
fn xml_text(body: &[u8], name: &str) -> Option<String> {
    let mut reader = quick_xml::Reader::from_str(std::str::from_utf8(body).ok()?);
    reader.config_mut().check_end_names = false;
    let mut inside: Option<String> = None;
    loop {
        use quick_xml::events::Event;
        match reader.read_event().ok()? {
            Event::Start(start) if inside.is_none() => {
                if start.local_name().as_ref() == name {
                    inside = Some(String::new());
                }
            }
            Event::Empty(empty) if inside.is_none() => {
                if empty.local_name().as_ref() == name {
                    return Some(String::new());
                }
            }
            Event::Text(text) => {
                if let Some(found) = &mut inside {
                    found.push_str(&text);
                }
            }
            Event::CData(text) => {
                if let Some(found) = &mut inside {
                    found.push_str(&text);
                }
            }
            Event::GeneralRef(reference) => {
                if let Some(found) = &mut inside {
                    match reference.resolve_char_ref().ok()? {
                        Some(character) => found.push(character),
                        None => found
                            .push_str(quick_xml::escape::resolve_predefined_entity(&reference)?),
                    }
                }
            }
            Event::End(_) => {
                if let Some(found) = inside {
                    return Some(found.trim().to_owned());
                }
            }
            Event::Eof => return None,
            _ => {}
        }
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
        Answer {
            status: StatusCode::OK,
            headers,
            body: body.as_bytes().to_vec(),
        }
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
