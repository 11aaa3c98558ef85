//! A request from a file, decoded as if it had been posted.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use crate::config::{Planned, SourceEntry};
use crate::event::{Event, Original};
use crate::sources;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(
        "this is no HTTP request: {0}; expected a request line, headers, an empty line and the body"
    )]
    Request(String),
    #[error("no source of routes.yaml takes `{0}`")]
    NoSource(String),
    #[error("source `{source_name}` would keep it in quarantine: {reason}")]
    Undecodable { source_name: String, reason: String },
    #[error("this is no event: {0}")]
    Event(String),
}

/// Reads a raw request (request line, headers, blank line, body), a neutral event as JSON, or a vendor's bare document.
pub(crate) fn decode(
    planned: &Planned,
    file: Bytes,
    now: Timestamp,
) -> Result<Vec<Arc<Event>>, ReadError> {
    if let Ok(json) = serde_json::from_slice::<Value>(&file) {
        let neutral = ["kind", "vendor", "source"]
            .iter()
            .any(|field| json[field].is_string())
            || (json["plates"].is_array() && json["data"].is_null());
        if neutral {
            let event = Event::from_json(json, now).map_err(ReadError::Event)?;
            return Ok(vec![Arc::new(event)]);
        }
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        return through(
            planned,
            Original {
                headers,
                received_at: now,
                body: file,
                ..Original::default()
            },
        );
    }
    through(planned, parse(&file, now)?)
}

/// A raw request: request line, headers, blank line, body.
pub(crate) fn parse(file: &Bytes, now: Timestamp) -> Result<Original, ReadError> {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut headers);
    let wrong = |reason: &str| ReadError::Request(reason.to_owned());
    let body = match request.parse(file) {
        Ok(httparse::Status::Complete(body)) => body,
        Ok(httparse::Status::Partial) => {
            return Err(wrong("the empty line after the headers is missing"));
        }
        Err(error) => return Err(wrong(&error.to_string())),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let target = request.path.unwrap_or("/");
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => target,
    };
    Ok(Original {
        method: request.method.unwrap_or("POST").to_owned(),
        path: path.to_owned(),
        headers: request
            .headers
            .iter()
            .map(|header| (header.name.to_owned(), text(header.value)))
            .collect(),
        remote: None,
        received_at: now,
        body: file.slice(body..),
    })
}

pub(super) fn through(planned: &Planned, original: Original) -> Result<Vec<Arc<Event>>, ReadError> {
    let path = original
        .path
        .split('?')
        .next()
        .unwrap_or("/")
        .trim_end_matches('/')
        .to_owned();
    let takes = |source: &&SourceEntry| {
        let own = source.path.as_deref().map(|own| own.trim_end_matches('/'));
        own.and_then(|own| path.strip_prefix(own))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let source = planned
        .sources
        .iter()
        .filter(takes)
        .max_by_key(|source| source.path.as_ref().map(String::len));
    let source = source.ok_or_else(|| ReadError::NoSource(path.clone()))?;
    let events = sources::decode(
        source.source,
        &source.name,
        &source.decode,
        &Arc::new(original),
    );
    let events = events.map_err(|error| ReadError::Undecodable {
        source_name: source.name.to_string(),
        reason: error.to_string(),
    })?;
    Ok(events.into_iter().map(Arc::new).collect())
}
