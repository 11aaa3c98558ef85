//! Finds what is secret in a file, so that it is shown nowhere.

use std::ops::Range;

use percent_encoding::percent_decode_str;

use super::tree::{Node, Shape};
use crate::admin::ShownFile;
use crate::secret::Blot;

/// Parts of a key that tell that its value is nobody's business.
const SECRET_WORDS: &[&str] = &[
    "password",
    "passwd",
    "token",
    "secret",
    "authorization",
    "bearer",
    "cookie",
    "api-key",
    "api_key",
    "apikey",
    "access_key",
    "access-key",
];

/// The secrets of one file.
pub(super) struct Secrets {
    pub(super) blot: Blot,
    /// Where they stand in the file itself.
    written: Vec<Range<usize>>,
}

/// Secrets are: what came from outside (`taken`), what settings say is one (`settled`), and what is written below a key
/// that sounds like one or into the user part of a URL.
pub(super) fn find(root: &Node, taken: &[String], settled: &[String]) -> Secrets {
    let mut values = taken.to_vec();
    let mut written = Vec::new();
    walk(root, "", settled, &mut |value, at| {
        values.push(value.to_owned());
        written.push(at);
    });
    values.extend_from_slice(settled);
    let addresses: Vec<String> = values.iter().flat_map(|value| pieces(value)).collect();
    values.extend(addresses);
    add_pairs(root, &mut values);
    values.retain(|value| !value.is_empty());
    Secrets {
        blot: Blot::new(values),
        written,
    }
}

impl Secrets {
    /// The file's text with stars or dots for secrets: as many characters of as many bytes, so that positions hold.
    pub(super) fn mask(&self, text: &str) -> String {
        mask(text, &self.written)
    }
}

/// The text with stars or dots in these places.
pub(super) fn mask(text: &str, places: &[Range<usize>]) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut secret = vec![false; text.len()];
    for place in places {
        // What a preset says stands in its own file.
        let Some(place) = secret.get_mut(place.start..place.end.min(text.len())) else {
            continue;
        };
        place.fill(true);
    }
    for (byte, c) in text.char_indices() {
        if secret[byte] && !c.is_whitespace() {
            masked.push(['*', '\u{b7}', '\u{2022}', '\u{1f784}'][c.len_utf8() - 1]);
        } else {
            masked.push(c);
        }
    }
    masked
}

/// The text without its comments: what somebody noted beside a setting, or switched off, may be a secret that nothing tells
/// to be one. What stands in a value is none, whatever it looks like.
pub(super) fn without_comments(root: &Node, text: &str) -> ShownFile {
    let mut values: Vec<Range<usize>> = Vec::new();
    collect(root, &mut values);
    values.sort_by_key(|value| value.start);
    let mut values = values.into_iter().peekable();
    let mut end = 0; // of the values that began so far
    let (mut kept, mut numbers, mut start) = (String::with_capacity(text.len()), Vec::new(), 0);
    for (n, line) in text.split_inclusive('\n').enumerate() {
        let mut cut = None;
        for (offset, byte) in line.bytes().enumerate() {
            let at = start + offset;
            while let Some(value) = values.next_if(|value| value.start <= at) {
                end = end.max(value.end);
            }
            let begins = offset == 0 || matches!(line.as_bytes()[offset - 1], b' ' | b'\t');
            if byte == b'#' && begins && at >= end {
                cut = Some(offset);
                break;
            }
        }
        match cut.map(|cut| line[..cut].trim_end()) {
            Some("") => {}
            None => {
                numbers.push(n + 1);
                kept.push_str(line);
            }
            Some(rest) => {
                numbers.push(n + 1);
                kept.push_str(rest);
                kept.push('\n');
            }
        }
        start += line.len();
    }
    ShownFile {
        text: kept,
        numbers,
        digest: [0; 32], // of the file before anything was masked
    }
}

/// Where keys and values stand.
fn collect(node: &Node, values: &mut Vec<Range<usize>>) {
    match &node.shape {
        Shape::Map(entries) => {
            for (key, value) in entries {
                values.push(key.at.clone());
                collect(value, values);
            }
        }
        Shape::List(items) => items.iter().for_each(|item| collect(item, values)),
        Shape::Scalar(_) => values.push(node.at.clone()),
    }
}

/// What a system at a secret address sees of it: it never hears the whole, and repeats the path alone, or the token in it.
fn pieces(value: &str) -> Vec<String> {
    let Ok(url) = url::Url::parse(value) else {
        return Vec::new();
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Vec::new();
    }
    let path = url.path();
    let mut pieces: Vec<String> = url
        .query()
        .map(|query| format!("{path}?{query}"))
        .into_iter()
        .collect();
    // `/services/T0/B0/x` is nobody's business, `/hook` may be a word of any message.
    if path.len() >= PIECE_MIN {
        pieces.push(path.to_owned());
    }
    let tells =
        |text: &str| text.len() >= PIECE_MIN && text.bytes().any(|byte| byte.is_ascii_digit());
    for segment in path.split('/').filter(|segment| tells(segment)) {
        pieces.push(segment.to_owned());
        pieces.push(percent_decode_str(segment).decode_utf8_lossy().into_owned());
    }
    for (name, text) in url.query_pairs() {
        let name = name.to_lowercase();
        if tells(&text) || SECRET_WORDS.iter().any(|word| name.contains(word)) {
            pieces.push(text.trim_matches('"').to_owned());
        }
    }
    pieces
}

/// Shorter parts of an address are taken for words.
const PIECE_MIN: usize = 8;

fn walk(node: &Node, key: &str, settled: &[String], tell: &mut impl FnMut(&str, Range<usize>)) {
    match &node.shape {
        Shape::Map(entries) => {
            for (inner, value) in entries {
                // `auth: { webhook: … }` is what a webhook is signed with; elsewhere the word is no secret's.
                let name = match (key, inner.text.to_lowercase()) {
                    ("auth", name) if name == "webhook" => "secret".to_owned(),
                    (_, name) => name,
                };
                walk(value, &name, settled, tell);
            }
        }
        Shape::List(items) => {
            for item in items {
                walk(item, key, settled, tell);
            }
        }
        // What is taken from outside is written as `${…}`, which is no secret.
        Shape::Scalar(scalar) if scalar.expanded || scalar.is_null() => {}
        Shape::Scalar(scalar) => {
            let text = scalar.text.as_str();
            let sounds = sounds_secret(key);
            if settled.iter().any(|secret| secret == text) {
                tell(text, node.at.clone());
            } else if sounds && !text.contains("{{") {
                // `Bearer abc`: the scheme may be shown.
                let start = text.rfind(' ').map_or(0, |blank| blank + 1);
                tell(&text[start..], node.within(&(start..text.len())));
            } else {
                for range in password_in_url(text)
                    .into_iter()
                    .chain(secrets_in_query(text))
                {
                    tell(&text[range.clone()], node.within(&range));
                }
            }
        }
    }
}

/// Also when the key is mistyped: the mistake is told with the line, and the secret stands in it.
pub(super) fn sounds_secret(key: &str) -> bool {
    let nearly = |part: &str| {
        let near = |word: &&str| {
            let allowed = if word.len() > 6 { 2 } else { 1 };
            strsim::osa_distance(part, word) <= allowed
        };
        SECRET_WORDS.iter().any(near)
    };
    SECRET_WORDS.iter().any(|word| key.contains(word)) || key.split(['_', '-']).any(nearly)
}

/// Adds `user:password` for each password that stands beside a username, or into a URL: HTTP Basic sends the base64 of
/// both together, in which that of the password alone is not found.
fn add_pairs(node: &Node, values: &mut Vec<String>) {
    match &node.shape {
        Shape::Map(entries) => {
            let texts = |words: &[&str]| -> Vec<&str> {
                entries
                    .iter()
                    .filter(|(key, _)| words.contains(&key.text.to_lowercase().as_str()))
                    .filter_map(|(_, value)| match &value.shape {
                        Shape::Scalar(scalar) if !scalar.is_null() => Some(scalar.text.as_str()),
                        _ => None,
                    })
                    .filter(|text| !text.is_empty())
                    .collect()
            };
            for password in texts(&["password", "passwd"]) {
                for username in texts(&["username", "user", "login"]) {
                    values.push(format!("{username}:{password}"));
                }
                values.push(format!(":{password}"));
            }
            for (_, value) in entries {
                add_pairs(value, values);
            }
        }
        Shape::List(items) => {
            for item in items {
                add_pairs(item, values);
            }
        }
        Shape::Scalar(scalar) => {
            let text = scalar.text.as_str();
            if let Some(password) = password_in_url(text) {
                let user = text[..password.start].rfind("//").map_or(0, |at| at + 2);
                // The system hears it decoded.
                for sent in [user..password.end, password] {
                    let sent = percent_decode_str(&text[sent]).decode_utf8_lossy();
                    values.push(sent.into_owned());
                }
            }
        }
    }
}

/// The `password` of `scheme://user:password@host`.
/// The values of parameters that sound secret, in the query of a URL.
pub(super) fn secrets_in_query(text: &str) -> Vec<Range<usize>> {
    let query = text.find("://").and_then(|_| text.find('?'));
    let Some(start) = query.map(|mark| mark + 1) else {
        return Vec::new();
    };
    let end = text[start..].find('#').map_or(text.len(), |at| start + at);
    let mut ranges = Vec::new();
    let mut from = start;
    for parameter in text[start..end].split('&') {
        if let Some((name, value)) = parameter.split_once('=')
            && !value.is_empty()
            && !value.contains("{{")
            && sounds_secret(&name.to_lowercase())
        {
            let at = from + name.len() + 1;
            ranges.push(at..at + value.len());
        }
        from += parameter.len() + 1;
    }
    ranges
}

pub(super) fn password_in_url(text: &str) -> Option<Range<usize>> {
    let start = text.find("://")? + 3;
    let end = text[start..]
        .find(['/', '?', '#'])
        .map_or(text.len(), |offset| start + offset);
    let at = start + text[start..end].rfind('@')?;
    let colon = start + text[start..at].find(':')? + 1;
    Some(colon..at)
}
