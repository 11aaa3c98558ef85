//! Whether a body is Kipod's, told from the keys of its first object without parsing it, so that broken JSON counts too.

use memchr::{memchr3, memmem};

/// Where the paths of all snapshots begin.
const SNAPSHOT: &[u8] = b"/api/v1/media/snapshot/";

/// Asks for `monitor_id` beside a topic or one of Kipod's modules, or for snapshots that lie where Kipod's do.
pub(super) fn looks_like(body: &[u8]) -> bool {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = text.trim_ascii_start();
    let level = match text {
        [b'{', ..] => 1,
        [b'[', rest @ ..] if rest.trim_ascii_start().starts_with(b"{") => 2,
        _ => return false,
    };
    let last_snapshot = memmem::rfind(text, SNAPSHOT);
    let may_be = last_snapshot.is_some() || memmem::find(text, b"\"monitor_id\"").is_some();
    may_be && first_object_is_ours(text, level, last_snapshot)
}

/// `level` is how many brackets deep the first object's keys stand.
fn first_object_is_ours(text: &[u8], level: usize, last_snapshot: Option<usize>) -> bool {
    let (mut monitor, mut topic) = (false, false);
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                let end = end_of_text(text, at + 1);
                if depth == level
                    && let Some(value) = value_behind(text, end)
                {
                    match &text[at + 1..end] {
                        b"monitor_id" => monitor = true,
                        b"topic" => topic = true,
                        b"module" => topic |= value.starts_with(b"\"KX."),
                        b"snapshots" if last_snapshot > Some(end) => return true,
                        _ => {}
                    }
                    if monitor && topic {
                        return true;
                    }
                }
                at = end;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth < level {
                    return false;
                }
            }
            _ => {}
        }
        at += 1;
    }
    false
}

/// Where the closing quote stands, or the line break before it.
fn end_of_text(text: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(ahead) = memchr3(b'"', b'\\', b'\n', text.get(at..).unwrap_or(b"")) {
        at += ahead;
        if text[at] != b'\\' {
            return at;
        }
        at += 2;
    }
    text.len()
}

/// What follows a key whose closing quote stands at `end`; `None` when that was no key.
fn value_behind(text: &[u8], end: usize) -> Option<&[u8]> {
    let behind = text.get(end + 1..)?.trim_ascii_start();
    Some(behind.strip_prefix(b":")?.trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_own_also_when_broken() {
        for text in [
            r#"{"monitor_id": 7, "topic": "Motion"}"#,
            "\u{feff} [ {\"module\" : \"KX.PDD\", \"x\": {\"}\": \"{\"}, \"monitor_id\":7}]",
            "{\"name\": \"a\n \"topic\": {...}, \"monitor_id\": 7,}",
            r#"{"snapshots": [{"path": "/api/v1/media/snapshot/1.jpg"}]}"#,
        ] {
            assert!(looks_like(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn leaves_others_documents_alone() {
        for text in [
            "",
            "[]",
            r#"{"monitor_id": 7}"#,
            r#"{"monitor_id": 7, "module": "parking", "a": {"topic": 1}}"#,
            r#"{"alarm": {"monitor_id": 7, "topic": "Motion"}}"#,
            r#"{"text": "\"monitor_id\": 7, \"topic\": 1", "topic": "monitor_id"}"#,
            r#"{"text": "{\"monitor_id\"", "keys": ["monitor_id", "topic"]}"#,
            r#"{"url": "http://kipod/api/v1/media/snapshot/1.jpg"}"#,
            r#"[1, {"monitor_id": 7, "topic": "Motion"}]"#,
            r#"[{"a": 1}, {"monitor_id": 7, "topic": "Motion"}]"#,
            r#""monitor_id": 7, "topic": 1"#,
        ] {
            assert!(!looks_like(text.as_bytes()), "{text}");
        }
    }
}
