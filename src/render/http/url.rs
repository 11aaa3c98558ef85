//! The address of a request: what the template came to, and the query.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::template::RenderError;

/// All but the unreserved characters of RFC 3986; a space becomes `%20`, for not every receiver reads `+` as one.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// An absolute address, `query` added to what the text already has. The address itself is told in no error: it may
/// hold a secret.
pub(super) fn assemble(text: &str, query: &[(String, String)]) -> Result<String, RenderError> {
    let text = text.trim();
    if let Some(bad) = text
        .chars()
        .find(|c| c.is_control() || matches!(c, '\\' | '#'))
    {
        return Err(RenderError(format!(
            "the url holds `{}`, which an address must not hold",
            bad.escape_debug()
        )));
    }
    let mut url =
        Url::parse(text).map_err(|error| RenderError(format!("the url is wrong: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(RenderError(format!(
            "the url begins with `{}:`, expected http:// or https://",
            url.scheme()
        )));
    }
    let written_out = text
        .get(url.scheme().len()..)
        .is_some_and(|rest| rest.starts_with("://") && !rest.starts_with(":///"));
    if !written_out || url.host_str().is_none_or(str::is_empty) {
        return Err(RenderError(
            "the url names no host, expected such as https://10.0.0.5/events".to_owned(),
        ));
    }
    if !query.is_empty() {
        let encode = |text: &str| utf8_percent_encode(text, QUERY).to_string();
        let added: Vec<_> = query
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        let added = added.join("&");
        let all = match url.query() {
            Some(before) if !before.is_empty() => format!("{before}&{added}"),
            _ => added,
        };
        url.set_query(Some(&all));
    }
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_query_is_percent_encoded_and_added() {
        let pairs = query(&[("plate", "AB 1&2"), ("ü", "a+b/c")]);
        assert_eq!(
            assemble("http://10.0.0.5:7001/api?x=1", &pairs).unwrap(),
            "http://10.0.0.5:7001/api?x=1&plate=AB%201%262&%C3%BC=a%2Bb%2Fc"
        );
        assert_eq!(
            assemble("https://h/p?", &query(&[("a", "")])).unwrap(),
            "https://h/p?a="
        );
        assert_eq!(assemble(" https://h ", &[]).unwrap(), "https://h/");
        assert_eq!(
            assemble("http://[::1]:80/a b", &[]).unwrap(),
            "http://[::1]/a%20b"
        );
    }

    #[test]
    fn what_is_no_absolute_address_is_refused() {
        for text in [
            "",
            "/path",
            "example.com/x",
            "ftp://h/",
            "file:///etc/passwd",
            "http://",
            "https:///x",
            "http:h/x",
            "http:/h/x",
            "http://h/a\r\nb",
            "http://good\\@evil/",
            "http://h/a#b",
            "http://h:99999/",
            "http://a b/",
        ] {
            assert!(assemble(text, &[]).is_err(), "{text}");
        }
    }

    #[test]
    fn an_error_does_not_tell_the_address() {
        let error = assemble("http://user:hunter2@h/a#b", &[]).unwrap_err();
        assert!(!error.0.contains("hunter2"));
    }
}
