//! Takes the sender's credentials out of a request's head before it is stored.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, Uri};
use percent_encoding::percent_decode_str;

use crate::secret::{MASK, Secret};

/// Also masked where a source asks for no token: the sender may have been set up for another receiver.
const TOKEN_PARAMETER: &str = "token";

/// Headers in the order they came, credentials masked. Values that are not UTF-8 are kept with replacement characters.
/// HTTP/2 has no `Host`, so the target's authority stands in for it.
pub(super) fn headers(headers: &HeaderMap, uri: &Uri) -> Vec<(String, String)> {
    let mut list = Vec::with_capacity(headers.len() + 1);
    if let Some(authority) = uri.authority()
        && !headers.contains_key(HOST)
    {
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        list.push((HOST.to_string(), host.to_owned()));
    }
    for (name, value) in headers {
        let value = if is_credential(name) {
            MASK.to_owned()
        } else {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        list.push((name.to_string(), value));
    }
    list
}

fn is_credential(name: &HeaderName) -> bool {
    [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].contains(name) || name == "x-api-key"
}

/// Path and query; a last segment that is the source's token, and tokens in the query, masked.
pub(super) fn path(uri: &Uri, token: Option<&Secret>) -> String {
    let is_token = |text: &str| {
        token.is_some_and(|token| token.matches(&text.replace('+', " ")) || token.matches(text))
    };
    let path = uri.path();
    let mut masked = String::with_capacity(path.len());
    let end = path.trim_end_matches('/').len();
    let (before, last) = match path[..end].rfind('/') {
        Some(slash) => path[..end].split_at(slash + 1),
        None => ("", &path[..end]),
    };
    masked.push_str(before);
    let decoded = decode(last);
    masked.push_str(if token.is_some_and(|token| token.matches(&decoded)) {
        MASK
    } else {
        last
    });
    masked.push_str(&path[end..]);
    for (n, parameter) in uri
        .query()
        .into_iter()
        .flat_map(|query| query.split('&').enumerate())
    {
        masked.push(if n == 0 { '?' } else { '&' });
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if !value.is_empty()
            && (decode(key).eq_ignore_ascii_case(TOKEN_PARAMETER) || is_token(&decode(value)))
        {
            masked.push_str(key);
            masked.push('=');
            masked.push_str(MASK);
        } else {
            masked.push_str(parameter);
        }
    }
    masked
}

fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(uri: &str, token: Option<&str>) -> String {
        path(&uri.parse().unwrap(), token.map(Secret::new).as_ref())
    }

    #[test]
    fn masks_the_token_wherever_the_sender_put_it() {
        assert_eq!(masked("/stream/abc", Some("abc")), "/stream/***");
        assert_eq!(
            masked("/stream/%61bc/?x=1", Some("abc")),
            "/stream/***/?x=1"
        );
        assert_eq!(masked("/s?token=abc&x=1", Some("abc")), "/s?token=***&x=1");
        assert_eq!(masked("/s?x=1&TOKEN=other", None), "/s?x=1&TOKEN=***");
        assert_eq!(masked("/s?key=a+c", Some("a c")), "/s?key=***");
        assert_eq!(masked("http://u:p@host/s/abc?a", Some("abc")), "/s/***?a");
    }

    #[test]
    fn leaves_other_paths_as_they_came() {
        for path in ["/", "//API/%20x//", "/abc/d?a=&b&&token", "/a?"] {
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
        ] {
            map.append(name, value.parse().unwrap());
        }
        let uri = "http://user:pw@camhook:8001/x".parse().unwrap();
        let list = headers(&map, &uri);
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
            ]
        );
    }
}
