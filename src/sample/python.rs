//! Bodies as the Python programs of Plate Recognizer write them, byte for byte where a receiver could tell.
//!
//! Measured on python-requests 2.31: JSON with a space behind commas and colons and everything but ASCII escaped; parts of
//! a multipart without a content type unless one is named; a boundary of 32 hex digits, not quoted.

use std::io;

use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

/// As `json.dumps` writes it.
pub(super) fn dumps(value: &Value) -> String {
    let mut bytes = Vec::new();
    value
        .serialize(&mut Serializer::with_formatter(&mut bytes, Python))
        .expect("a JSON value has text keys, and memory takes every write");
    String::from_utf8(bytes).expect("only ASCII was written")
}

/// As `urllib.parse.quote_plus` writes it.
pub(super) fn quote_plus(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b' ' => quoted.push('+'),
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'.' | b'-' | b'~' => {
                quoted.push(char::from(byte))
            }
            _ => quoted.push_str(&format!("%{byte:02X}")),
        }
    }
    quoted
}

/// A file of a multipart body.
pub(super) struct File<'a> {
    pub(super) name: &'a str,
    pub(super) filename: &'a str,
    pub(super) content_type: Option<&'a str>,
    pub(super) bytes: &'a [u8],
}

/// The field `json`, then the files. `filename` must hold no quotes and no line breaks.
pub(super) fn multipart(boundary: &str, json: &str, files: &[File<'_>]) -> Vec<u8> {
    let size: usize = files.iter().map(|file| file.bytes.len() + 200).sum();
    let mut body = Vec::with_capacity(size + json.len() + 200);
    let mut text = |text: String, bytes: &[u8]| {
        body.extend_from_slice(text.as_bytes());
        body.extend_from_slice(bytes);
    };
    let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n");
    text(head, json.as_bytes());
    for File {
        name,
        filename,
        content_type,
        bytes,
    } in files
    {
        let content_type = content_type
            .map(|kind| format!("Content-Type: {kind}\r\n"))
            .unwrap_or_default();
        let head = format!(
            "\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{filename}\"\r\n{content_type}\r\n"
        );
        text(head, bytes);
    }
    text(format!("\r\n--{boundary}--\r\n"), &[]);
    body
}

struct Python;

impl Formatter for Python {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for character in fragment.chars() {
            if character.is_ascii() && character != '\x7f' {
                write!(writer, "{character}")?;
            } else {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_spaced_and_escaped_as_python_does() {
        let value = json!({ "a": [1, 2.5, null], "ü": "京 \"x\" \n 🚗", "e": {} });
        assert_eq!(
            dumps(&value),
            r#"{"a": [1, 2.5, null], "\u00fc": "\u4eac \"x\" \n \ud83d\ude97", "e": {}}"#
        );
        assert_eq!(
            serde_json::from_str::<Value>(&dumps(&value)).unwrap(),
            value
        );
    }

    #[test]
    fn forms_are_quoted_as_python_does() {
        assert_eq!(
            quote_plus("a b+c/é~{\"x\": 1*2}"),
            "a+b%2Bc%2F%C3%A9~%7B%22x%22%3A+1%2A2%7D"
        );
    }

    #[test]
    fn a_multipart_has_the_json_first_and_bare_heads() {
        let file = File {
            name: "upload",
            filename: "a.jpg",
            content_type: None,
            bytes: b"JPEG",
        };
        let body = String::from_utf8(multipart("b0", "{}", &[file])).unwrap();
        assert_eq!(
            body,
            "--b0\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{}\r\n\
             --b0\r\nContent-Disposition: form-data; name=\"upload\"; filename=\"a.jpg\"\r\n\r\nJPEG\r\n--b0--\r\n"
        );
    }
}
