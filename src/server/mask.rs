//! Takes the sender's credentials out of a request's head before it is stored.

use std::borrow::Cow;

use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, PROXY_AUTHORIZATION,
};
use http::{HeaderMap, HeaderName, Uri};
use percent_encoding::percent_decode_str;

use super::signature;
use crate::secret::{MASK, Secret};

/// Masked also where a source asks for no token: the sender may have been set up for another receiver.
const PARAMETERS: [&str; 7] = [
    "token",
    "access_token",
    "api_key",
    "apikey",
    "key",
    "password",
    "secret",
];

/// Headers that carry a credential whatever their value.
const HEADERS: [&str; 5] = [
    "x-api-key",
    "api-key",
    "x-auth-token",
    "x-access-token",
    "x-camhook-token",
];

/// Headers in the order they came, credentials masked. Values that are not UTF-8 are kept with replacement characters.
/// HTTP/2 has no `Host`, so the target's authority stands in for it. The source's own secrets are taken out of every
/// value that may hold one: reverse proxies repeat the address that was asked for in headers of their own.
pub(super) fn headers(
    headers: &HeaderMap,
    uri: &Uri,
    secrets: &[&Secret],
) -> Vec<(String, String)> {
    let mut list = Vec::with_capacity(headers.len() + 1);
    if let Some(authority) = uri.authority()
        && !headers.contains_key(HOST)
    {
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        list.push((HOST.to_string(), host.to_owned()));
    }
    for (name, value) in headers {
        let text = || String::from_utf8_lossy(value.as_bytes()).into_owned();
        let value = if is_credential(name) {
            MASK.to_owned()
        } else if is_needed(name) {
            text()
        } else {
            without(secrets, text())
        };
        list.push((name.to_string(), value));
    }
    list
}

fn is_credential(name: &HeaderName) -> bool {
    let word = name.as_str();
    [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].contains(name)
        || HEADERS.contains(&word)
        || signature::HEADERS.contains(&word)
}

/// What says how to read the body, and to whom it was sent. No credential goes there, but a short password may well stand
/// in it by chance, and a boundary that is masked in part is none.
fn is_needed(name: &HeaderName) -> bool {
    [CONTENT_TYPE, CONTENT_LENGTH, HOST].contains(name)
}

fn without(secrets: &[&Secret], text: String) -> String {
    let secrets = secrets.iter().map(|secret| secret.expose());
    secrets
        .filter(|secret| !secret.is_empty())
        .fold(text, |text, secret| {
            if text.contains(secret) {
                text.replace(secret, MASK)
            } else {
                text
            }
        })
}

/// Path and query; every segment that is one of the source's tokens, and credentials in the query, masked.
pub(super) fn path(uri: &Uri, tokens: &[&Secret]) -> String {
    let is_token = |text: &str| {
        let plain = text.replace('+', " ");
        tokens
            .iter()
            .any(|token| token.matches(&plain) || token.matches(text))
    };
    let segments = uri.path().split('/').map(|segment| {
        let decoded = decode(segment);
        let credential = tokens.iter().any(|token| token.matches(&decoded));
        if credential { MASK } else { segment }
    });
    let mut masked = segments.collect::<Vec<_>>().join("/");
    for (n, parameter) in uri
        .query()
        .into_iter()
        .flat_map(|query| query.split('&').enumerate())
    {
        masked.push(if n == 0 { '?' } else { '&' });
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if !value.is_empty() && (is_parameter(&decode(key)) || is_token(&decode(value))) {
            masked.push_str(key);
            masked.push('=');
            masked.push_str(MASK);
        } else {
            masked.push_str(parameter);
        }
    }
    masked
}

fn is_parameter(name: &str) -> bool {
    PARAMETERS
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(uri: &str, token: Option<&str>) -> String {
        path(
            &uri.parse().unwrap(),
            &token.map(Secret::new).iter().collect::<Vec<_>>(),
        )
    }

    #[test]
    fn masks_the_token_wherever_the_sender_put_it() {
        assert_eq!(masked("/stream/abc", Some("abc")), "/stream/***");
        assert_eq!(
            masked("/stream/%61bc/?x=1", Some("abc")),
            "/stream/***/?x=1"
        );
        assert_eq!(masked("/abc/x/abc", Some("abc")), "/***/x/***");
        assert_eq!(masked("/s?token=abc&x=1", Some("abc")), "/s?token=***&x=1");
        assert_eq!(masked("/s?x=1&TOKEN=other", None), "/s?x=1&TOKEN=***");
        assert_eq!(masked("/s?key=a+c", Some("a c")), "/s?key=***");
        assert_eq!(masked("http://u:p@host/s/abc?a", Some("abc")), "/s/***?a");
    }

    #[test]
    fn leaves_other_paths_as_they_came() {
        for path in ["/", "//API/%20x//", "/abcd/d?a=&b&&token", "/a?"] {
            assert_eq!(masked(path, Some("abc")), path);
        }
    }

    #[test]
    fn masks_credentials_in_headers_and_keeps_order() {
        let mut map = HeaderMap::new();
        for (name, value) in [
            ("x-b", "1"),
            ("authorization", "Basic x"),
            ("x-api-key", "k"),
            ("cookie", "c"),
            ("proxy-authorization", "p"),
            ("x-a", "2"),
            ("x-original-url", "/gate/s3cret?a=1"),
            ("verkada-signature", "1|2"),
            ("content-type", "multipart/form-data; boundary=xs3cretx"),
        ] {
            map.append(name, value.parse().unwrap());
        }
        let uri = "http://user:pw@camhook:8001/x".parse().unwrap();
        let list = headers(&map, &uri, &[&Secret::new("s3cret")]);
        let list: Vec<_> = list.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(
            list,
            [
                ("host", "camhook:8001"),
                ("x-b", "1"),
                ("authorization", "***"),
                ("x-api-key", "***"),
                ("cookie", "***"),
                ("proxy-authorization", "***"),
                ("x-a", "2"),
                ("x-original-url", "/gate/***?a=1"),
                ("verkada-signature", "***"),
                ("content-type", "multipart/form-data; boundary=xs3cretx"),
            ]
        );
    }
}
