//! Addresses: what a value comes to can fill a place in the address, and never move its borders.
//!
//! The formatter marks where each value begins and ends in what is written, and [`address`] puts the whole together, for
//! how a value is encoded depends on what stands before it.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use minijinja::{Error, Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{Mistake, RenderError, output};

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A value, its bytes percent-encoded between the marks so that it holds neither.
const OPEN: char = '\u{1}';
/// The same of one that `| url` has encoded.
const OPEN_ENCODED: char = '\u{2}';
const CLOSE: char = '\u{3}';

/// Behind each mark that opens, new with each process: what an event tells cannot be taken for a mark. Digits, which no
/// filter over a block changes.
static NONCE: LazyLock<String> =
    LazyLock::new(|| format!("{:020}", RandomState::new().hash_one("url")));

/// Whether a text holds what makes a mark. Nobody outside can know it; a fuzzer sees what the process compares with.
pub(crate) fn holds_nonce(text: &str) -> bool {
    text.contains(NONCE.as_str())
}

/// What the formatter writes of a value.
pub(super) fn marked(value: &Value) -> Result<String, Error> {
    let text = output::text(value)?;
    let encoded = value.is_safe() && is_encoded(&text);
    let open = if encoded { OPEN_ENCODED } else { OPEN };
    let nonce = &*NONCE;
    // What a template collected in a block of its own is marked already.
    let text = unmarked(&text);
    let text = utf8_percent_encode(&text, NON_ALPHANUMERIC);
    Ok(format!("{open}{nonce}{text}{CLOSE}"))
}

fn is_encoded(text: &str) -> bool {
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let fine = match byte {
            b'%' => (0..2).all(|_| rest.next().is_some_and(|digit| digit.is_ascii_hexdigit())),
            b'-' | b'.' | b'_' | b'~' | b':' => true, // a colon moves no border behind the host
            other => other.is_ascii_alphanumeric(),
        };
        if !fine {
            return false;
        }
    }
    true
}

/// A piece of what was written.
struct Piece<'a> {
    text: &'a str,
    /// What it is, if it is a value.
    open: Option<char>,
}

fn pieces(written: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = written;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let (text, after, open) = match opened(rest) {
            Some(inner) => {
                let (value, after) = inner.split_once(CLOSE).unwrap_or((inner, ""));
                (value, after, Some(first))
            }
            None => {
                let marks = rest.match_indices([OPEN, OPEN_ENCODED]);
                let mut opens = marks.map(|(at, _)| at);
                let end = opens.find(|at| opened(&rest[*at..]).is_some());
                let (text, after) = rest.split_at(end.unwrap_or(rest.len()));
                (text, after, None)
            }
        };
        rest = after;
        Some(Piece { text, open })
    })
}

/// What stands behind the mark that it begins with.
fn opened(text: &str) -> Option<&str> {
    text.strip_prefix([OPEN, OPEN_ENCODED])?
        .strip_prefix(NONCE.as_str())
}

fn unmarked(text: &str) -> String {
    let plain = pieces(text).map(|piece| match piece.open {
        Some(_) => percent_decode_str(piece.text)
            .decode_utf8_lossy()
            .into_owned(),
        None => piece.text.to_owned(),
    });
    plain.collect()
}

/// The address out of what was written with marks. A value at the very beginning is the beginning of the address as it
/// is; one in the host may only hold what a host is made of; one behind it is encoded as a part of a path or query.
/// Unless all up to the end of the host is the config's (`trusted`), a value brings no credentials: a sender would log in
/// with its own.
pub(super) fn address(written: &str, trusted: bool) -> Result<String, RenderError> {
    let mut out = String::new();
    // Segments of the path that hold a value, by where they begin.
    let mut filled: Vec<usize> = Vec::new();
    for (n, piece) in pieces(written).enumerate() {
        let blank = n == 0 || n == 1 && out.trim().is_empty() && opened(written).is_none();
        let Some(open) = piece.open else {
            out.push_str(piece.text);
            continue;
        };
        let value = percent_decode_str(piece.text).decode_utf8_lossy();
        let encoded = match open {
            OPEN_ENCODED => value.clone().into_owned(),
            _ => utf8_percent_encode(&value, RESERVED).to_string(),
        };
        match out.split_once("://") {
            None if blank => {
                if !trusted {
                    without_login(&value)?;
                }
                out.push_str(&value);
            }
            None => out.push_str(&encoded),
            Some((_, behind)) if !behind.contains(['/', '?', '#', '\\']) => {
                in_host(&value, behind)?;
                out.push_str(&value);
            }
            Some(_) => {
                if !out.contains('?') {
                    filled.push(out.rfind('/').map_or(0, |slash| slash + 1));
                }
                out.push_str(&encoded);
            }
        }
    }
    let dots = |start: &usize| {
        let segment = out[*start..].split(['/', '?', '#']).next();
        let segment = segment
            .unwrap_or_default()
            .replace("%2e", ".")
            .replace("%2E", ".");
        matches!(segment.as_str(), "." | "..")
    };
    if filled.iter().any(dots) {
        return Err(RenderError(
            "a value makes a part of the url's path `.` or `..`, which would lead elsewhere"
                .to_owned(),
        ));
    }
    Ok(out)
}

fn without_login(value: &str) -> Result<(), RenderError> {
    let host = value.split_once("://").map_or(value, |(_, behind)| behind);
    let host = host.split(['/', '?', '#', '\\']).next();
    match host.unwrap_or_default().contains('@') {
        false => Ok(()),
        true => Err(RenderError(
            "a value that begins the url holds a username: write credentials under `auth`"
                .to_owned(),
        )),
    }
}

/// A value that is glued to a part of the host written out must not go on with a domain or port of its own.
fn in_host(value: &str, before: &str) -> Result<(), RenderError> {
    let whole = before.is_empty();
    let allowed = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '-' | '_')
            || whole && matches!(c, '.' | ':' | '[' | ']')
    };
    match value.chars().find(|c| !allowed(*c)) {
        None => Ok(()),
        Some(bad) => Err(RenderError(format!(
            "a value holds `{}` and stands in the url's host, which it would change: put a `/` before it",
            bad.escape_debug()
        ))),
    }
}

/// What is wrong with an address before it meets an event.
pub(super) fn check(source: &str) -> Result<(), Mistake> {
    if !source.contains([OPEN, OPEN_ENCODED, CLOSE]) {
        return Ok(());
    }
    Err(Mistake {
        message: "the url holds a control character".to_owned(),
        help: Some("remove it".to_owned()),
        range: 0..source.len(),
        path: Vec::new(),
        others: Vec::new(),
    })
}
