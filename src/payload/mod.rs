//! What goes out: a request, a line or files, rendered and ready to send.

pub(crate) mod around;
pub(crate) mod late;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};

pub(crate) use around::Around;

/// One thing to hand to a target.
#[derive(Debug, Clone)]
pub(crate) enum Payload {
    Http(Request),
    /// One line for a file (or several, with `\n` between them, that belong together), without the last `\n`; no line
    /// for an empty text. `header` is written first when the file is new.
    Line {
        /// As [`File::path`].
        path: String,
        header: Option<String>,
        line: String,
    },
    Files(Vec<File>),
    /// In this order.
    Mqtt(Vec<Message>),
    Publication(Publication),
    Row(Row),
    Mail(Mail),
    Log {
        text: String,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Absolute, query included.
    pub(crate) url: String,
    /// `Authorization` and the body's `Content-Type` included.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Body,
    /// What has to happen around it, if anything.
    pub(crate) around: Option<Box<Around>>,
}

/// A body in pieces, so that pictures are sent from where they lie.
#[derive(Debug, Clone, Default)]
pub(crate) struct Body(pub(crate) Vec<Bytes>);

impl Body {
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn to_vec(&self) -> Vec<u8> {
        self.0.concat()
    }
}

/// A message for a broker.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) topic: String,
    /// 0 or 1.
    pub(crate) qos: u8,
    /// Whether the broker keeps it for whoever subscribes later.
    pub(crate) retain: bool,
    pub(crate) payload: Body,
}

/// A message for a NATS server.
#[derive(Debug, Clone)]
pub(crate) struct Publication {
    pub(crate) subject: String,
    /// None of them has a line break.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) payload: Body,
}

/// A statement for a database, and the values that go beside it.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) sql: String,
    /// Of `$1`, `$2`, …
    pub(crate) values: Vec<Field>,
}

/// One value of a row.
#[derive(Debug, Clone)]
pub(crate) enum Field {
    Value(serde_json::Value),
    Bytes(Bytes),
}

/// What a mail says; who it is from and whom it is for the target knows.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    /// One line.
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: Option<String>,
    pub(crate) attachments: Vec<Attachment>,
}

#[derive(Debug, Clone)]
pub(crate) struct Attachment {
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) bytes: Bytes,
}

/// A file to be written whole.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// Below the config's folder unless absolute; every part that came from an event is one safe segment.
    pub(crate) path: String,
    pub(crate) bytes: Bytes,
}

/// The longest segment made of one value, in characters and in bytes; file systems take 255 bytes for a whole name.
const SEGMENT_CHARS_MAX: usize = 100;
const SEGMENT_BYTES_MAX: usize = 200;

/// Makes any text one safe segment of a path: no separators, no control characters, nothing that a file server would
/// refuse, no dot in front, at most 100 characters, never empty. A `%` is doubled, for the path goes through strftime
/// afterwards and only its literal text may hold codes.
pub(crate) fn safe_segment(text: &str) -> String {
    let mut segment = String::new();
    for character in text.trim().chars().take(SEGMENT_CHARS_MAX) {
        let safe = match character {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            // turns the direction of what follows, or breaks the line: a name could read as another one
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '_',
            '.' if segment.chars().all(|before| before == '_') => '_',
            control if control.is_control() => '_',
            other => other,
        };
        if segment.len() + safe.len_utf8() > SEGMENT_BYTES_MAX {
            break;
        }
        segment.push(safe);
    }
    if segment.ends_with(['.', ' ']) {
        segment.pop();
        segment.push('_'); // Windows would drop it
    }
    if segment.is_empty() {
        segment.push('_');
    }
    if is_device(&segment) {
        segment.insert(0, '_');
    }
    segment.replace('%', "%%")
}

/// What Windows and its file servers take for a device, whatever the ending (Microsoft, "Naming Files, Paths, and
/// Namespaces", read 2026-11-21).
fn is_device(segment: &str) -> bool {
    let stem = segment.split('.').next().unwrap_or_default().trim_end();
    let stem = stem.to_ascii_uppercase();
    let numbered = ["COM", "LPT"].iter().any(|device| {
        let number = stem.strip_prefix(device);
        number.is_some_and(|rest| {
            let mut rest = rest.chars();
            let digit = |c| matches!(c, '0'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}');
            rest.next().is_some_and(digit) && rest.next().is_none()
        })
    });
    numbered || matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
}

/// Makes any text one token of a NATS subject: no dots, wildcards, blanks or control characters, at most 100 characters,
/// never empty.
pub(crate) fn safe_token(text: &str) -> String {
    let safe = |c: char| match c {
        '.' | '*' | '>' => '_',
        other if other.is_whitespace() || other.is_control() => '_',
        other => other,
    };
    let token: String = text
        .trim()
        .chars()
        .take(SEGMENT_CHARS_MAX)
        .map(safe)
        .collect();
    match token.is_empty() {
        true => "_".to_owned(),
        false => token,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_value_stays_as_it_is() {
        assert_eq!(safe_segment("gate-1"), "gate-1");
        assert_eq!(safe_segment("Einfahrt Süd 2.0"), "Einfahrt Süd 2.0");
        assert_eq!(safe_segment("京A12345"), "京A12345");
    }

    #[test]
    fn a_value_cannot_leave_its_place_in_a_path() {
        assert_eq!(safe_segment("../../etc/passwd"), "______etc_passwd");
        assert_eq!(safe_segment(".."), "__");
        assert_eq!(safe_segment(""), "_");
        assert_eq!(safe_segment(" \t "), "_");
        assert_eq!(safe_segment("a\0b\nc"), "a_b_c");
        assert_eq!(safe_segment("C:\\x"), "C__x");
        assert_eq!(safe_segment("10%Y"), "10%%Y");
    }

    #[test]
    fn a_value_is_no_device_of_a_file_server() {
        for name in ["con", "NUL", "aux.tar.gz", "Lpt1", "COM\u{b9}", "PRN .x"] {
            assert!(safe_segment(name).starts_with('_'), "{name}");
        }
        for name in ["console", "COM", "COM10", "lpt", "acon", "n.nul"] {
            assert_eq!(safe_segment(name), name);
        }
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        assert_eq!(safe_segment(&"x".repeat(300)), "x".repeat(100));
        assert_eq!(
            safe_segment(&"\u{1f600}".repeat(300)),
            "\u{1f600}".repeat(50)
        );
    }

    proptest! {
        #[test]
        fn every_value_makes_one_segment(text in any::<String>()) {
            let segment = safe_segment(&text).replace("%%", "%");
            prop_assert!(!segment.is_empty() && segment.len() <= SEGMENT_BYTES_MAX);
            prop_assert!(segment.chars().count() <= SEGMENT_CHARS_MAX);
            prop_assert!(!segment.starts_with('.') && !segment.contains(['/', '\\']));
            prop_assert!(!segment.chars().any(char::is_control));
        }
    }
}
