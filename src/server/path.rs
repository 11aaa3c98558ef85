//! Paths as segments: what comes between slashes, percent-decoded, empty ones left out.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The segments of a path. Doubled and trailing slashes mean nothing; an encoded slash does not part segments.
pub(super) fn segments(path: &str) -> Vec<Cow<'_, str>> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy())
        .collect()
}

/// Values of the query's parameters of that name, decoded.
pub(super) fn query_values<'a>(
    query: &'a str,
    name: &'a str,
) -> impl Iterator<Item = Cow<'a, str>> + 'a {
    form_urlencoded::parse(query.as_bytes())
        .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_after_splitting_and_ignores_empty_segments() {
        assert_eq!(segments("//API/%67ate%2F1/"), ["API", "gate/1"]);
        assert!(segments("/").is_empty() && segments("").is_empty());
        assert_eq!(segments("/a%zz%ff"), ["a%zz\u{fffd}"]);
    }

    #[test]
    fn finds_parameters_in_any_case() {
        let values: Vec<_> = query_values("a=1&Token=x%20y&token=z", "token").collect();
        assert_eq!(values, ["x y", "z"]);
    }
}
