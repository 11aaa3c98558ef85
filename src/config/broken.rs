//! Secrets in a text that is no YAML, so that no tree tells what is a value: whatever stands behind a word that sounds like one.

use std::ops::Range;

use super::secrets::{password_in_url, secrets_in_query, sounds_secret};

/// Where they stand, as far as their line goes.
pub(super) fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (colon, _) in text.match_indices(':') {
        let before = text[..colon].trim_end_matches(['"', '\'', ' ']);
        let start = before
            .rfind(|c: char| c.is_whitespace() || ",{}[]\"'".contains(c))
            .map_or(0, |at| at + 1);
        let key = before.get(start..).unwrap_or_default().to_lowercase();
        if key == "webhook" || sounds_secret(&key) {
            found.push(value(text, colon + 1));
        }
    }
    for (slashes, _) in text.match_indices("://") {
        let end = text[slashes..]
            .find(|c: char| c.is_whitespace() || "\"',}]".contains(c))
            .map_or(text.len(), |at| slashes + at);
        let url = &text[slashes..end];
        let ranges = password_in_url(url)
            .into_iter()
            .chain(secrets_in_query(url));
        found.extend(ranges.map(|range| slashes + range.start..slashes + range.end));
    }
    found
}

/// What stands behind a colon: to the end of its quotes, or as far as a plain word can go.
fn value(text: &str, from: usize) -> Range<usize> {
    let line = text[from..].find('\n').map_or(text.len(), |at| from + at);
    let start = line - text[from..line].trim_start().len();
    let rest = &text[start..line];
    if rest.starts_with("${") {
        return start..start; // where it comes from is no secret, and may be the mistake
    }
    let end = match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let mut escaped = false;
            let closes = rest.char_indices().skip(1).find(|(_, c)| {
                let closes = *c == quote && !escaped;
                escaped = *c == '\\' && !escaped && quote == '"';
                closes
            });
            closes.map(|(at, _)| at)
        }
        Some('{' | '[' | '|' | '>') => None,
        _ => rest.find([',', '}', ']']),
    };
    start..end.map_or(line, |end| start + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(text: &str) -> Vec<&str> {
        secrets(text)
            .into_iter()
            .map(|range| &text[range])
            .collect()
    }

    #[test]
    fn what_sounds_secret_is_hidden_though_nothing_can_be_read() {
        let text = "a: { password: s3, \"token\":\"a,\\\"b\", url: http://u:pw@h/?token=t4&x=1 }\nmy_api_key: k y z\nauth: { webhook: w }\nplain: x: y";
        assert_eq!(hidden(text), ["s3", "\"a,\\\"b", "k y z", "w ", "pw", "t4"]);
    }

    #[test]
    fn any_text_is_read_to_its_end() {
        for text in [
            "",
            ":",
            "token:",
            "token: \"",
            "://",
            "é: {",
            "token:\u{e9}'\n",
            "password: \u{1f784}",
        ] {
            let all = secrets(text);
            assert!(
                all.iter().all(|range| text.get(range.clone()).is_some()),
                "{text}"
            );
        }
    }
}
