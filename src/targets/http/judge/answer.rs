//! An answer as rules see it: read as JSON or XML once, and only if a rule asks.

use std::borrow::Cow;
use std::cell::OnceCell;

use http::HeaderMap;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;

/// An answer holds no more than 64 KiB, and of those so many elements are looked at.
const ELEMENTS_MAX: usize = 10_000;

pub(in crate::targets::http) struct Answer<'a> {
    pub(super) code: u16,
    headers: &'a HeaderMap,
    body: &'a [u8],
    json: OnceCell<Option<Value>>,
    xml: OnceCell<Vec<(String, String)>>,
}

impl<'a> Answer<'a> {
    pub(super) fn new(code: u16, headers: &'a HeaderMap, body: &'a [u8]) -> Self {
        Self {
            code,
            headers,
            body,
            json: OnceCell::new(),
            xml: OnceCell::new(),
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let value = self.headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()))
    }

    pub(super) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.body)
    }

    /// `None` when the body is no JSON.
    pub(super) fn json(&self) -> Option<&Value> {
        let read = || {
            let body = self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(self.body);
            serde_json::from_slice(body).ok()
        };
        self.json.get_or_init(read).as_ref()
    }

    /// Elements without their prefixes, each with the text directly inside of it, as far as the document is well-formed.
    pub(super) fn xml(&self) -> &[(String, String)] {
        self.xml.get_or_init(|| elements(self.body))
    }
}

fn elements(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    let mut reader = Reader::from_str(&text);
    let mut found: Vec<(String, String)> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    while found.len() < ELEMENTS_MAX {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                open.push(found.len());
                found.push((start.local_name().as_ref().to_owned(), String::new()));
            }
            Ok(Event::Empty(start)) => {
                found.push((start.local_name().as_ref().to_owned(), String::new()));
            }
            Ok(Event::End(_)) => {
                open.pop();
            }
            Ok(Event::Text(text)) => {
                if let Some(at) = open.last() {
                    found[*at].1.push_str(text.trim());
                }
            }
            Ok(Event::CData(text)) => {
                if let Some(at) = open.last() {
                    found[*at].1.push_str(text.trim());
                }
            }
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => {}
        }
    }
    found
}
