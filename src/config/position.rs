//! Where in the file each byte of a scalar's text comes from, so that a caret can stand inside of it.

use granit_parser::ScalarStyle;

/// The file's byte for each byte of `text`, and one for its end. `slice` is how the scalar is written, from byte `start`.
/// Where a line is folded, a byte stands for the break; never out of the slice.
pub(super) fn positions(text: &str, style: ScalarStyle, slice: &str, start: usize) -> Vec<usize> {
    let mut walk = Walk {
        slice,
        at: 0,
        escapes: style == ScalarStyle::DoubleQuoted,
        doubled: style == ScalarStyle::SingleQuoted,
    };
    if walk.escapes || walk.doubled {
        walk.at = usize::from(!slice.is_empty());
    }
    let mut positions = Vec::with_capacity(text.len() + 1);
    for c in text.chars() {
        let at = walk.find(c);
        positions.extend(std::iter::repeat_n(start + at, c.len_utf8()));
    }
    positions.push(start + walk.at.min(slice.len()));
    positions
}

struct Walk<'a> {
    slice: &'a str,
    at: usize,
    escapes: bool,
    doubled: bool,
}

impl Walk<'_> {
    /// Where the next character of the text stands, and steps over it.
    fn find(&mut self, c: char) -> usize {
        loop {
            let rest = &self.slice[self.at..];
            let Some(next) = rest.chars().next() else {
                return self.at;
            };
            let here = self.at;
            if self.escapes && next == '\\' {
                let (length, continues) = escape(rest);
                self.at += length;
                if continues {
                    continue; // an escaped line break stands for nothing
                }
                return here;
            }
            if self.doubled && rest.starts_with("''") {
                self.at += 2;
                return here;
            }
            if next == c {
                self.at += next.len_utf8();
                return here;
            }
            let folded = next == '\n' || next == '\r';
            if folded && c == ' ' {
                self.at += rest.len() - rest.trim_start().len();
                return here;
            }
            if next.is_whitespace() {
                self.at += next.len_utf8(); // indentation, or blanks that folding drops
                continue;
            }
            return here;
        }
    }
}

/// The length of the escape at the beginning, and whether it is a line break with the next line's indentation.
fn escape(rest: &str) -> (usize, bool) {
    let digits = match rest.as_bytes().get(1) {
        Some(b'x') => 2,
        Some(b'u') => 4,
        Some(b'U') => 8,
        Some(b'\n' | b'\r') => {
            let after = &rest[1..];
            return (1 + after.len() - after.trim_start().len(), true);
        }
        Some(_) => 0,
        None => return (1, false),
    };
    let escaped = rest[1..].chars().next().map_or(0, char::len_utf8);
    let mut length = (1 + escaped + digits).min(rest.len());
    while !rest.is_char_boundary(length) {
        length -= 1;
    }
    (length, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_character_where_it_was_written() {
        let at = |text: &str, style, slice| positions(text, style, slice, 100);
        assert_eq!(at("ab", ScalarStyle::Plain, "ab"), [100, 101, 102]);
        assert_eq!(
            at("a\n\"b", ScalarStyle::DoubleQuoted, r#""a\n\"b""#),
            [101, 102, 104, 106, 107]
        );
        assert_eq!(
            at("x\u{e9}y", ScalarStyle::DoubleQuoted, r#""x\u00e9y""#),
            [101, 102, 102, 108, 109]
        );
        assert_eq!(
            at("it's", ScalarStyle::SingleQuoted, "'it''s'"),
            [101, 102, 103, 105, 106]
        );
        assert_eq!(
            at("a b", ScalarStyle::Plain, "a\n    b"),
            [100, 101, 106, 107]
        );
        assert_eq!(
            at("a\nb\n", ScalarStyle::Literal, "a\n    b\n"),
            [100, 101, 106, 107, 108]
        );
    }
}
