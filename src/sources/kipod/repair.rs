//! Mends the JSON that Kipod's page prints as its samples, in one pass.
//!
//! Whether a real server ever writes such JSON is not known, but a receiver tried with the page's samples must take them.
//! What is mended is what those samples have: a comma before a closing bracket, a text without its closing quote (and
//! without the comma behind it) at the end of a line, and `{...}` where a part was left out. A line break inside of a text
//! that goes on is kept, as an escape.
//!
//! The pass only moves forward: texts are skipped from quote to quote without looking at each byte, white space is looked
//! at twice at most, and everything between two edits is copied at once. None of the three faults can stand in valid JSON,
//! so a valid document has nothing to mend.

use memchr::memchr3;

/// A document that was mended, and how.
#[derive(Debug)]
pub(in crate::sources) struct Repaired {
    pub(in crate::sources) text: Vec<u8>,
    pub(in crate::sources) notes: Vec<String>,
}

/// `None` when the text has none of the faults known here; otherwise it may still be broken elsewhere.
pub(in crate::sources) fn repair(text: &[u8]) -> Option<Repaired> {
    let mut mender = Mender {
        text,
        mended: Vec::new(),
        copied: 0,
        faults: Faults::default(),
    };
    mender.mend();
    mender.finish()
}

struct Mender<'t> {
    text: &'t [u8],
    mended: Vec<u8>,
    /// How much of `text` is dealt with.
    copied: usize,
    faults: Faults,
}

/// How often each fault was met.
#[derive(Default)]
struct Faults {
    commas: usize,
    cut_texts: usize,
    line_breaks: usize,
    placeholders: usize,
}

/// What stood before the place at hand, white space apart.
#[derive(Clone, Copy)]
enum Last {
    Opened,
    Comma(usize),
    /// Dots from one place to another, behind an opening bracket or a comma.
    Dots {
        comma: Option<usize>,
        from: usize,
        to: usize,
    },
    Other,
}

impl Mender<'_> {
    fn mend(&mut self) {
        let (mut at, mut last) = (0, Last::Other);
        while let Some(byte) = self.text.get(at) {
            (at, last) = match byte {
                byte if byte.is_ascii_whitespace() => (at + 1, last),
                b'"' => (self.text_from(at), Last::Other),
                b'{' | b'[' => (at + 1, Last::Opened),
                b',' => (at + 1, Last::Comma(at)),
                b'}' | b']' => {
                    self.close(last);
                    (at + 1, Last::Other)
                }
                _ => self.word(at, last),
            };
        }
    }

    /// A closing bracket behind `last`.
    fn close(&mut self, last: Last) {
        match last {
            Last::Comma(comma) => {
                self.replace(comma, comma + 1, b"");
                self.faults.commas += 1;
            }
            Last::Dots { comma, from, to } => {
                if let Some(comma) = comma {
                    self.replace(comma, comma + 1, b"");
                }
                self.replace(from, to, b"");
                self.faults.placeholders += 1;
            }
            Last::Opened | Last::Other => {}
        }
    }

    /// A number, `true`, or whatever else stands outside of texts.
    fn word(&self, from: usize, last: Last) -> (usize, Last) {
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\"{}[],:".contains(byte);
        let length = self.text[from..].iter().position(ends);
        let to = match length {
            Some(0) => from + 1, // a colon
            Some(length) => from + length,
            None => self.text.len(),
        };
        let last = match last {
            Last::Opened if is_placeholder(&self.text[from..to]) => Last::Dots {
                comma: None,
                from,
                to,
            },
            Last::Comma(comma) if is_placeholder(&self.text[from..to]) => Last::Dots {
                comma: Some(comma),
                from,
                to,
            },
            _ => Last::Other,
        };
        (to, last)
    }

    /// Where the text ends whose opening quote stands at `quote`.
    fn text_from(&mut self, quote: usize) -> usize {
        let mut at = quote + 1;
        while let Some(ahead) = memchr3(b'"', b'\\', b'\n', self.text.get(at..).unwrap_or(b"")) {
            at += ahead;
            match self.text[at] {
                b'"' => return at + 1,
                b'\\' => at += 2,
                _ => {
                    let blank = |byte: &u8| !byte.is_ascii_whitespace();
                    let Some(blanks) = self.text[at..].iter().position(blank) else {
                        break;
                    };
                    let next = at + blanks;
                    if b"\"}],".contains(&self.text[next]) {
                        self.cut(quote, at, self.text[next] == b'"');
                        return next;
                    }
                    self.keep_line_break(quote, at, next);
                    at = next;
                }
            }
        }
        self.text.len()
    }

    /// Ends the text from `quote` at the line break, with a comma when another text follows.
    fn cut(&mut self, quote: usize, line_break: usize, another_follows: bool) {
        let start = self.copied.max(quote + 1);
        let told = self.text[start..line_break].trim_ascii_end();
        let told = told.strip_suffix(b",").unwrap_or(told); // the comma that should have stood behind the quote
        let end = start + told.len();
        let closing: &[u8] = if another_follows { b"\"," } else { b"\"" };
        self.replace(end, line_break, closing);
        self.faults.cut_texts += 1;
    }

    /// Escapes the white space from a line break to the text's next word.
    fn keep_line_break(&mut self, quote: usize, line_break: usize, next: usize) {
        let start = self.copied.max(quote + 1);
        let begins = match self.text[start..line_break].last() {
            Some(b'\r') => line_break - 1,
            _ => line_break,
        };
        self.replace(begins, begins, b"");
        for byte in &self.text[begins..next] {
            match byte {
                b'\n' => self.mended.extend(b"\\n"),
                b'\r' => self.mended.extend(b"\\r"),
                b'\t' => self.mended.extend(b"\\t"),
                _ => self.mended.push(b' '),
            }
        }
        self.copied = next;
        self.faults.line_breaks += 1;
    }

    fn replace(&mut self, from: usize, to: usize, with: &[u8]) {
        if self.mended.capacity() == 0 {
            self.mended.reserve(self.text.len() + 64);
        }
        self.mended.extend_from_slice(&self.text[self.copied..from]);
        self.mended.extend_from_slice(with);
        self.copied = to;
    }

    fn finish(mut self) -> Option<Repaired> {
        let notes = self.faults.notes();
        if notes.is_empty() {
            return None;
        }
        self.mended.extend_from_slice(&self.text[self.copied..]);
        Some(Repaired {
            text: self.mended,
            notes,
        })
    }
}

impl Faults {
    fn notes(&self) -> Vec<String> {
        [
            (
                self.commas,
                "commas before a closing bracket were left out of the JSON",
            ),
            (
                self.cut_texts,
                "texts of the JSON were closed at the end of their line",
            ),
            (
                self.line_breaks,
                "line breaks inside of the JSON's texts were escaped",
            ),
            (
                self.placeholders,
                "placeholders `...` in the JSON were read as nothing",
            ),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{what}: {count}"))
        .collect()
    }
}

/// Three dots, or the sign for them, also where UTF-8 was taken for Windows-1252 and written as UTF-8 again.
fn is_placeholder(word: &[u8]) -> bool {
    let dots = word.len() >= 3 && word.iter().all(|byte| *byte == b'.');
    dots || word == "\u{2026}".as_bytes() || word == "\u{e2}\u{20ac}\u{a6}".as_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn mended(text: &str) -> Value {
        let repaired = repair(text.as_bytes()).unwrap_or_else(|| panic!("nothing to mend: {text}"));
        assert!(!repaired.notes.is_empty());
        serde_json::from_slice(&repaired.text)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&repaired.text)))
    }

    #[test]
    fn commas_before_closing_brackets_go() {
        assert_eq!(
            mended("{\"a\": [1, 2,\n ], \"b\": {\"c\": \"x,}\" , }\n,}"),
            json!({ "a": [1, 2], "b": { "c": "x,}" } })
        );
    }

    #[test]
    fn a_text_cut_by_its_line_ends_there() {
        assert_eq!(
            mended(
                "[{\"type\": \"FULLSCREEN\r\n  \"path\": \"/a\"}, {\"type\": \"x,\n\t\"b\": \"y \n}]"
            ),
            json!([{ "type": "FULLSCREEN", "path": "/a" }, { "type": "x", "b": "y" }])
        );
        assert_eq!(
            mended("{\"a\": \"b\n, \"c\": \"d\\\"e\n}"),
            json!({ "a": "b", "c": "d\"e" })
        );
    }

    #[test]
    fn a_text_that_goes_on_keeps_its_line_break() {
        assert_eq!(
            mended("{\"a\": \"Gate\r\n\t 2 \n\n b\", \"c\": \"x\n y,\n \"d\": 1}"),
            json!({ "a": "Gate\r\n\t 2 \n\n b", "c": "x\n y", "d": 1 })
        );
    }

    #[test]
    fn placeholders_are_empty() {
        assert_eq!(
            mended("{\"a\": {...}, \"b\": [ ... ], \"c\": {\u{2026}}, \"d\": [1, ....]}"),
            json!({ "a": {}, "b": [], "c": {}, "d": [1] })
        );
    }

    #[test]
    fn what_is_none_of_this_stays_broken() {
        for text in [
            "",
            "{",
            "{\"a\": ...}",
            "[1 2]",
            "{\"a\": \"b",
            "[...",
            "\"\\",
            "{'a': 1}",
            "[,,1]",
        ] {
            let broken = match repair(text.as_bytes()) {
                None => text.as_bytes().to_vec(),
                Some(repaired) => repaired.text,
            };
            assert!(serde_json::from_slice::<Value>(&broken).is_err(), "{text}");
        }
    }

    /// A pass that looked twice from each of these places would not come to an end.
    #[test]
    fn hostile_repetitions_are_passed_over_once() {
        for pattern in [
            "\n",
            "\"\n",
            "\" \n",
            "\"\n\"",
            "\"a\n a",
            "{...",
            "[...]",
            ",",
            ",]",
            ", ...",
            "\\",
            "\"\\",
            "\"\\\n",
            ".",
            "\t\"\r\n,",
            "{\"a\":\"b\n}",
        ] {
            for opening in ["", "\"", "["] {
                let text = format!("{opening}{}", pattern.repeat((512 << 10) / pattern.len()));
                if let Some(repaired) = repair(text.as_bytes()) {
                    assert!(repaired.text.len() <= 2 * text.len() + 2, "{pattern:?}");
                }
            }
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[\\n\\r\\t .,\"\\\\{}\\[\\]:…a]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::vec(("[\\n .,\"\\\\{}:a]{0,6}", inner), 0..5)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_valid_document_has_nothing_to_mend(document in any_json()) {
            for text in [document.to_string(), serde_json::to_string_pretty(&document).unwrap()] {
                prop_assert!(repair(text.as_bytes()).is_none(), "{}", text);
                let windows = text.replace('\n', "\r\n");
                prop_assert!(repair(windows.as_bytes()).is_none(), "{}", windows);
            }
        }

        #[test]
        fn a_comma_more_changes_nothing(document in any_json()) {
            let text = serde_json::to_string_pretty(&json!([document, {}])).unwrap();
            let broken = text.replace("\n]", ",\n]").replace("\n}", ",\n}");
            let again: Value = match repair(broken.as_bytes()) {
                None => serde_json::from_str(&broken).unwrap(),
                Some(repaired) => serde_json::from_slice(&repaired.text).unwrap(),
            };
            prop_assert_eq!(again, serde_json::from_str::<Value>(&text).unwrap());
        }

        #[test]
        fn no_bytes_make_it_panic_or_grow(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            near in "([\\[{\"}\\],:\\n\\r \\\\.…]|a){0,80}",
        ) {
            for text in [bytes.as_slice(), near.as_bytes()] {
                if let Some(repaired) = repair(text) {
                    prop_assert!(repaired.text.len() <= 2 * text.len() + 2);
                }
            }
        }
    }
}
