//! Masks the credentials of cameras that a document tells along: Security expands a camera with its RTSP address.

use std::borrow::Cow;

use serde_json::Value;

use super::super::json::Json;
use crate::event::Raw;
use crate::secret::MASK;

/// Schemes of video streams. Cameras take their password in the user part, in the query and in the path alike, so of such
/// an address only the host is shown.
const STREAMS: [&str; 6] = ["rtsp", "rtsps", "rtspu", "rtmp", "rtmps", "srt"];
const KEYS: [&str; 4] = ["password", "passwd", "secret", "api_key"];

/// The document without credentials; `None` when it holds none, and can be kept as it came.
pub(super) fn raw(json: &Json) -> Option<Raw> {
    let mut found = false;
    let value = value("", json, &mut found);
    found.then(|| Raw::from_value(&value))
}

fn value(key: &str, json: &Json, found: &mut bool) -> Value {
    match json {
        Json::Text(text) if KEYS.contains(&key) && !text.is_empty() => {
            *found = true;
            MASK.into()
        }
        Json::Text(text) => {
            let shown = shown(text);
            *found |= matches!(shown, Cow::Owned(_));
            shown.into_owned().into()
        }
        Json::List(items) => items.iter().map(|item| value(key, item, found)).collect(),
        Json::Map(entries) => entries
            .iter()
            .map(|(key, item)| {
                let shown = value(&key.to_ascii_lowercase(), item, found);
                (key.to_string(), shown)
            })
            .collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) => json.to_json(),
    }
}

/// A text that is an address, without what opens it.
fn shown(text: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.into();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (mut authority, mut tail) = rest.split_at(end);
    let is_stream = STREAMS
        .iter()
        .any(|stream| scheme.trim_start().eq_ignore_ascii_case(stream));
    // A password may hold a slash or a question mark that nobody escaped; then the last `@` ends it.
    if is_stream && let Some(at) = rest.rfind('@') {
        (authority, tail) = rest.split_at(
            rest[at..]
                .find(['/', '?', '#'])
                .map_or(rest.len(), |end| at + end),
        );
    }
    let host = authority.rsplit_once('@').map(|(_, host)| host);
    if host.is_none() && !(is_stream && tail.len() > 1) {
        return text.into();
    }
    let user = if host.is_some() { "***@" } else { "" };
    let host = host.unwrap_or(authority);
    let tail = if is_stream && tail.len() > 1 {
        "/***"
    } else {
        tail
    };
    format!("{scheme}://{user}{host}{tail}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_opens_a_camera_is_masked() {
        for (text, masked) in [
            ("rtsp://u:p@10.0.0.9/live", "rtsp://***@10.0.0.9/***"),
            (
                "RTSP://u:p/a?b@10.0.0.9:554/live",
                "RTSP://***@10.0.0.9:554/***",
            ),
            ("rtsp://u@cam", "rtsp://***@cam"),
            ("rtsp://cam:554/", "rtsp://cam:554/"),
            ("rtsp://cam/user=admin_password=x", "rtsp://cam/***"),
            ("http://u:p@cam/a?b", "http://***@cam/a?b"),
            ("https://ff.example/a@b.jpg", "https://ff.example/a@b.jpg"),
            ("a://", "a://"),
            ("somebody@example.com", "somebody@example.com"),
            ("", ""),
        ] {
            assert_eq!(shown(text), masked);
        }
    }
}
