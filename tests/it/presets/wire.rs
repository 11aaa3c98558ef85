//! How the systems read requests: strictly, and with a reason where they cannot.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::harness::Taken;

pub(super) fn want(fine: bool, why: &str) -> Result<(), String> {
    if fine { Ok(()) } else { Err(why.to_owned()) }
}

impl Taken {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(super) fn text(&self) -> Result<&str, String> {
        std::str::from_utf8(&self.body).map_err(|error| error.to_string())
    }

    /// Path and query, which is decoded; a key without `=` has no value.
    pub(super) fn address(&self) -> (&str, Vec<(String, Option<String>)>) {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| match pair.split_once('=') {
            Some((name, value)) => (decoded(name), Some(decoded(value))),
            None => (decoded(pair), None),
        });
        (path, pairs.collect())
    }

    pub(super) fn query(&self, name: &str) -> Option<String> {
        let (_, pairs) = self.address();
        pairs.into_iter().find(|(known, _)| known == name)?.1
    }

    /// A request of that kind, with a body whose length is told.
    pub(super) fn posts(&self, path: &str, content_type: &str) -> Result<(), String> {
        want(self.method == "POST", "not a POST")?;
        want(
            self.address().0 == path,
            &format!("no such path: {}", self.path),
        )?;
        self.is_whole()?;
        let told = self.header("content-type");
        let fits = match content_type {
            "multipart/form-data" => told.starts_with("multipart/form-data; boundary="),
            exact => told.split(';').next() == Some(exact),
        };
        want(fits, &format!("content type {told}"))
    }

    /// Old servers know neither chunks nor `Expect`.
    pub(super) fn is_whole(&self) -> Result<(), String> {
        let told = self.header("content-length");
        want(
            told == self.body.len().to_string(),
            &format!("content-length `{told}`"),
        )?;
        want(self.header("transfer-encoding").is_empty(), "chunked")?;
        want(self.header("expect").is_empty(), "Expect")
    }

    pub(super) fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|error| format!("no JSON: {error}"))
    }

    pub(super) fn form(&self) -> BTreeMap<String, String> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// Username and password.
    pub(super) fn basic(&self) -> Result<(String, String), String> {
        let told = self.header("authorization");
        let code = told.strip_prefix("Basic ").ok_or("no Basic credentials")?;
        let pair = STANDARD.decode(code).map_err(|error| error.to_string())?;
        let pair = String::from_utf8(pair).map_err(|error| error.to_string())?;
        let (username, password) = pair.split_once(':').ok_or("no colon")?;
        Ok((username.to_owned(), password.to_owned()))
    }
}

pub(super) fn decoded(text: &str) -> String {
    let decoded = percent_encoding::percent_decode_str(text);
    decoded.decode_utf8().expect("UTF-8").into_owned()
}

/// A part of a multipart body.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) filename: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) bytes: Vec<u8>,
}

impl Part {
    pub(super) fn text(&self) -> Result<&str, String> {
        std::str::from_utf8(&self.bytes).map_err(|error| error.to_string())
    }

    pub(super) fn is_a_file(&self) -> Result<(), String> {
        let named = self
            .filename
            .as_deref()
            .is_some_and(|name| name.ends_with(".jpg"));
        want(named, &format!("{} has no file name", self.name))?;
        want(
            self.content_type.as_deref() == Some("image/jpeg"),
            &format!("{} is {:?}", self.name, self.content_type),
        )?;
        is_jpeg(&self.bytes)
    }
}

pub(super) fn is_jpeg(bytes: &[u8]) -> Result<(), String> {
    let read = image::load_from_memory_with_format(bytes, image::ImageFormat::Jpeg);
    read.map(drop).map_err(|error| format!("no JPEG: {error}"))
}

/// As simple parsers read it: the boundary unquoted and last, lines that end with CRLF.
pub(super) fn parts(taken: &Taken) -> Result<Vec<Part>, String> {
    let kind = taken.header("content-type");
    let (head, boundary) = kind.split_once("boundary=").ok_or("no boundary")?;
    want(head == "multipart/form-data; ", kind)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    want(
        boundary.chars().all(plain) && boundary.len() <= 70,
        boundary,
    )?;
    let marker = format!("--{boundary}");
    let body = &taken.body[..];
    let find = |from: usize, what: &[u8]| {
        let found = body[from..]
            .windows(what.len())
            .position(|window| window == what);
        found.map(|at| at + from)
    };
    want(
        body.starts_with(marker.as_bytes()),
        "does not begin with its boundary",
    )?;
    want(
        body.ends_with(format!("\r\n{marker}--\r\n").as_bytes()),
        "does not end",
    )?;
    let mut parts = Vec::new();
    let mut at = marker.len();
    while let Some(next) = find(at, format!("\r\n{marker}").as_bytes()) {
        let (from, end) = (
            at + 2,
            find(at, b"\r\n\r\n").ok_or("a part without a head")?,
        );
        let head = String::from_utf8_lossy(&body[from..end]);
        let mut part = Part {
            name: String::new(),
            filename: None,
            content_type: None,
            bytes: body[end + 4..next].to_vec(),
        };
        for line in head.split("\r\n") {
            let (name, value) = line.split_once(": ").ok_or("a header without a colon")?;
            match name.to_ascii_lowercase().as_str() {
                "content-disposition" => {
                    let mut words = value.split("; ");
                    want(words.next() == Some("form-data"), value)?;
                    for word in words {
                        let (key, text) = word.split_once('=').ok_or(word)?;
                        let text = text.trim_matches('"').to_owned();
                        match key {
                            "name" => part.name = text,
                            "filename" => part.filename = Some(text),
                            _ => return Err(format!("unknown {word}")),
                        }
                    }
                }
                "content-type" => part.content_type = Some(value.to_owned()),
                other => return Err(format!("unknown header {other}")),
            }
        }
        parts.push(part);
        at = next + 2 + marker.len();
    }
    Ok(parts)
}

/// An XML element with its namespace instead of its prefix.
pub(super) struct Element {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

pub(super) fn xml(text: &str) -> Element {
    named(crate::harness::xml::parse(text), &BTreeMap::new())
}

fn named(node: crate::harness::xml::Node, outer: &BTreeMap<String, String>) -> Element {
    let mut known = outer.clone();
    for (name, value) in &node.attributes {
        if name == "xmlns" {
            known.insert(String::new(), value.clone());
        } else if let Some(prefix) = name.strip_prefix("xmlns:") {
            known.insert(prefix.to_owned(), value.clone());
        }
    }
    let (prefix, name) = node.name.split_once(':').unwrap_or(("", &node.name));
    Element {
        namespace: known.get(prefix).cloned().unwrap_or_default(),
        name: name.to_owned(),
        text: node.text,
        children: node
            .children
            .into_iter()
            .map(|child| named(child, &known))
            .collect(),
    }
}

impl Element {
    pub(super) fn is(&self, namespace: &str, name: &str) -> Result<(), String> {
        want(
            self.namespace == namespace && self.name == name,
            &format!(
                "{{{}}}{} where {{{namespace}}}{name} was expected",
                self.namespace, self.name
            ),
        )
    }

    pub(super) fn child(&self, name: &str) -> Result<&Self, String> {
        let found = self.children.iter().find(|child| child.name == name);
        found.ok_or_else(|| format!("no {name} in {}", self.name))
    }

    /// The children are some of these, in this order; those with `!` must be there.
    pub(super) fn sequence(&self, expected: &str) -> Result<(), String> {
        let mut children = self.children.iter().peekable();
        for name in expected.split(' ') {
            let (name, needed) = name
                .strip_suffix('!')
                .map_or((name, false), |name| (name, true));
            match children.next_if(|child| child.name == name) {
                Some(child) => want(child.namespace == self.namespace, "another namespace")?,
                None if needed => return Err(format!("{} lacks {name}", self.name)),
                None => {}
            }
        }
        match children.next() {
            Some(child) => Err(format!("{} has no place in {}", child.name, self.name)),
            None => Ok(()),
        }
    }
}
