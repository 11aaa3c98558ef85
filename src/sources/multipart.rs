//! Multipart bodies, split into slices of the body without copying.

use bytes::Bytes;
use memchr::memmem::Finder;
use percent_encoding::percent_decode_str;

use super::Undecodable;

/// No camera sends more; a hostile body of nothing but boundaries ends here.
const PARTS_MAX: usize = 1_000;
/// Head of one part, in bytes.
const HEAD_MAX: usize = 16 * 1024;

/// One part of a multipart body.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    /// Empty when the part has none.
    pub(super) name: String,
    /// As the sender wrote it: never to be used as a path.
    pub(super) filename: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) data: Bytes,
    /// Where `data` lies in the body.
    pub(super) range: (usize, usize),
}

/// Splits a body at its boundary. Takes a preamble and an epilogue, part headers in any order, lines that end in LF
/// alone; wrong is a body without its closing boundary (it was cut off), and one past the limits.
pub(super) fn split(body: &Bytes, boundary: &str) -> Result<Vec<Part>, Undecodable> {
    let delimiter = format!("--{boundary}");
    let delimiter = Finder::new(delimiter.as_bytes());
    let mut parts = Vec::new();
    let mut here = next_delimiter(body, 0, &delimiter)
        .ok_or_else(|| Undecodable::because("the multipart body does not hold its own boundary"))?;
    while !here.closing {
        if parts.len() == PARTS_MAX {
            return Err(Undecodable::because(format!(
                "the multipart body has more than {PARTS_MAX} parts"
            )));
        }
        let next = next_delimiter(body, here.end, &delimiter).ok_or_else(|| {
            Undecodable::because(
                "the multipart body ends before its closing boundary: it was cut off",
            )
        })?;
        let (head, start) = read_head(body, here.end, next.line)?;
        let end = next.start.max(start); // a sloppy empty part lets one line's end serve twice
        parts.push(Part {
            data: body.slice(start..end),
            range: (start, end),
            ..head
        });
        here = next;
    }
    Ok(parts)
}

/// The `boundary` parameter of a `multipart/…` content type.
pub(super) fn boundary_of(content_type: &str) -> Option<String> {
    parameter(content_type, "boundary").filter(|boundary| !boundary.is_empty())
}

/// The boundary that a body without a usable content type seems to have: its first line, if that starts with `--`.
pub(super) fn boundary_guessed(body: &[u8]) -> Option<&str> {
    let line = body.get(..200.min(body.len()))?;
    let end = line.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    let boundary = std::str::from_utf8(&line[..end]).ok()?.strip_prefix("--")?;
    let boundary = boundary.trim_end();
    (!boundary.is_empty()).then_some(boundary)
}

/// A boundary line.
struct Delimiter {
    /// Where the part before it ends: the line's end in between belongs to the boundary.
    start: usize,
    line: usize,
    /// Where the part after it begins.
    end: usize,
    closing: bool,
}

/// The first line at or after `from` that is the boundary; a longer line that merely begins like it is content.
fn next_delimiter(body: &[u8], from: usize, delimiter: &Finder) -> Option<Delimiter> {
    let mut search = from;
    loop {
        let at = search + delimiter.find(body.get(search..)?)?;
        let after = at + delimiter.needle().len();
        search = at + 1;
        // Where a part begins its boundary may follow at once; anywhere else it follows a line's end.
        let start = match &body[from..at] {
            [] => at,
            [.., b'\r', b'\n'] => at - 2,
            [.., b'\n'] => at - 1,
            _ => continue,
        };
        let rest = &body[after..];
        if rest.starts_with(b"--") {
            return Some(Delimiter {
                start,
                line: at,
                end: after + 2,
                closing: true,
            });
        }
        let blanks = rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        let line_end = match &rest[blanks..] {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => continue,
        };
        return Some(Delimiter {
            start,
            line: at,
            end: after + blanks + line_end,
            closing: false,
        });
    }
}

/// The head of the part in `start..end`, and where its content begins.
fn read_head(body: &[u8], start: usize, end: usize) -> Result<(Part, usize), Undecodable> {
    let mut part = Part::default();
    let mut line_start = start;
    let mut header = String::new();
    loop {
        let line = &body[line_start..end];
        let length = memchr::memchr(b'\n', line).ok_or_else(|| {
            Undecodable::because("a part of the multipart body has no blank line after its head")
        })?;
        let next = line_start + length + 1;
        if next - start > HEAD_MAX {
            return Err(Undecodable::because(format!(
                "a part of the multipart body has a head of more than {HEAD_MAX} bytes"
            )));
        }
        let line = line[..length]
            .strip_suffix(b"\r")
            .unwrap_or(&line[..length]);
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            header.push_str(&String::from_utf8_lossy(line)); // a folded header goes on
        } else {
            part.take(&header);
            header = String::from_utf8_lossy(line).into_owned();
        }
        line_start = next;
        if line.is_empty() {
            return Ok((part, line_start));
        }
    }
}

impl Part {
    fn take(&mut self, header: &str) {
        let Some((name, value)) = header.split_once(':') else {
            return;
        };
        if name.trim().eq_ignore_ascii_case("content-disposition") {
            self.name = parameter(value, "name").unwrap_or_default();
            self.filename = parameter(value, "filename");
        } else if name.trim().eq_ignore_ascii_case("content-type") {
            self.content_type = Some(value.trim().to_owned());
        }
    }
}

/// A parameter of a header's value: quoted or not, or in the extended form `name*=utf-8''…`, which wins.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let mut plain = None;
    let mut rest = value.split_once(';')?.1;
    while let Some((name, after)) = rest.split_once('=') {
        // What stands before a stray `;` belongs to no parameter.
        let name = name.rsplit(';').next().unwrap_or(name).trim();
        let (text, after) = parameter_value(after.trim_start());
        rest = after;
        if name.eq_ignore_ascii_case(wanted) {
            plain.get_or_insert(text);
        } else if let Some(name) = name.strip_suffix('*')
            && name.eq_ignore_ascii_case(wanted)
            && let Some((_charset, encoded)) = text.split_once('\'')
            && let Some((_language, encoded)) = encoded.split_once('\'')
        {
            return Some(percent_decode_str(encoded).decode_utf8_lossy().into_owned());
        }
    }
    plain
}

/// The value at the start of `text`, and what follows the `;` behind it.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_once(';').unwrap_or((text, ""));
        return (value.trim().to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match (character, characters.peek()) {
            ('"', _) => {
                return (
                    value,
                    quoted[at + 1..]
                        .split_once(';')
                        .map_or("", |(_, rest)| rest),
                );
            }
            // Only these two are escapes: old browsers send whole Windows paths.
            ('\\', Some((_, escaped @ ('"' | '\\')))) => {
                value.push(*escaped);
                characters.next();
            }
            _ => value.push(character),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(body: &str) -> Vec<Part> {
        split(&Bytes::copy_from_slice(body.as_bytes()), "B")
            .unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    fn reason(body: &str) -> String {
        split(&Bytes::copy_from_slice(body.as_bytes()), "B")
            .expect_err(body)
            .reason
    }

    #[test]
    fn splits_what_python_writes_without_copying() {
        let body = Bytes::from_static(
            b"--B\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{}\r\n\
              --B\r\nContent-Disposition: form-data; name=\"upload\"; filename=\"a/b.jpg\"\r\n\r\n\xff\xd8\r\n--Bx\r\n\r\n--B--\r\n",
        );
        let parts = split(&body, "B").unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!(
            (parts[0].name.as_str(), parts[0].data.as_ref()),
            ("json", b"{}".as_slice())
        );
        assert_eq!(parts[1].filename.as_deref(), Some("a/b.jpg"));
        assert_eq!(parts[1].data.as_ref(), b"\xff\xd8\r\n--Bx\r\n");
        let (start, end) = parts[1].range;
        assert_eq!(body[start..end], parts[1].data);
        assert_eq!(parts[1].data.as_ptr(), body[start..].as_ptr());
    }

    #[test]
    fn takes_preamble_epilogue_blanks_and_bare_line_feeds() {
        let parts = parts(
            "hello\n--B \t\ncontent-length: 3\nCONTENT-TYPE: text/plain\ncontent-disposition: form-data;\n name=a\n\nx\ny\n--B\n\nbare\n--B\nA: b\n\n--B--bye",
        );
        assert_eq!(parts.len(), 3);
        assert_eq!(parts[0].name, "a");
        assert_eq!(parts[0].content_type.as_deref(), Some("text/plain"));
        assert_eq!(parts[0].data.as_ref(), b"x\ny");
        assert_eq!(
            (parts[1].name.as_str(), parts[1].data.as_ref()),
            ("", b"bare".as_slice())
        );
        assert_eq!(parts[2].data.as_ref(), b"");
    }

    #[test]
    fn a_body_that_was_cut_off_says_so() {
        for body in [
            "--B\r\n\r\nab\r\n",
            "--B\r\n\r\nab\r\n--B",
            "--B\r\n\r\nab\r\n--B-",
            "--B\r\n\r\nab\r\n--B\r\n",
        ] {
            assert!(reason(body).contains("cut off"), "{body:?}");
        }
        assert!(reason("nothing").contains("boundary"));
        assert!(reason("--B\r\nA: b\r\n--B--").contains("blank line"));
    }

    #[test]
    fn limits_hold() {
        let many = format!("{}--B--", "--B\n\n\n".repeat(PARTS_MAX + 1));
        assert!(reason(&many).contains("1000 parts"));
        let long = format!("--B\nA: {}\n\n\n--B--", "x".repeat(HEAD_MAX));
        assert!(reason(&long).contains("head"));
    }

    #[test]
    fn reads_parameters_in_any_form() {
        for (value, expected) in [
            ("form-data; filename=a.jpg; name=x", "a.jpg"),
            (
                "form-data; name=\"x;filename=no\"; FileName = \"a b.jpg\"",
                "a b.jpg",
            ),
            ("form-data; filename=\"ä.jpg\"", "ä.jpg"),
            ("form-data; filename=\"C:\\a\\\"b.jpg\"", "C:\\a\"b.jpg"),
            (
                "form-data; filename=\"plain\"; filename*=UTF-8''%c3%a4.jpg",
                "ä.jpg",
            ),
            ("form-data; filename*=utf-8'en'a; filename=plain", "a"),
            ("form-data; filename=\"open", "open"),
        ] {
            assert_eq!(
                parameter(value, "filename").as_deref(),
                Some(expected),
                "{value}"
            );
        }
        assert_eq!(
            boundary_of("multipart/form-data; charset=utf-8; BOUNDARY=\"a b\"").as_deref(),
            Some("a b")
        );
        assert_eq!(
            boundary_of("multipart/form-data; boundary=ab=; x=y").as_deref(),
            Some("ab=")
        );
        assert_eq!(boundary_of("multipart/form-data; boundary="), None);
        assert_eq!(boundary_guessed(b"--a1 \r\nX"), Some("a1"));
        assert_eq!(boundary_guessed(b"--\r\n"), None);
    }
}
