//! `.env` files as Python's dotenv, shells and Docker Compose read them.

use super::{File, ImportError};

/// Names and values in the file's order.
pub(super) fn read(file: &File) -> Result<Vec<(String, String)>, ImportError> {
    let text = file.text.trim_start_matches('\u{feff}');
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let statement = line.trim();
        if statement.is_empty() || statement.starts_with('#') {
            rest = after;
            continue;
        }
        let wrong = |what: &str| ImportError::Unreadable {
            file: file.name.clone(),
            line: text[..text.len() - rest.len()].matches('\n').count() + 1,
            what: what.to_owned(),
        };
        let statement = match statement.strip_prefix("export") {
            Some(exported) if exported.starts_with([' ', '\t']) => exported.trim_start(),
            Some(_) | None => statement,
        };
        let Some((name, value)) = statement.split_once('=') else {
            rest = after; // a name alone sets nothing
            continue;
        };
        let name = name.trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if name.is_empty() || !name.chars().all(plain) {
            return Err(wrong("expected NAME=VALUE"));
        }
        let value = value.trim_start();
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                // The value may go on over several lines.
                let start = text.len() - rest.len()
                    + (value.as_ptr() as usize - rest.as_ptr() as usize)
                    + 1;
                let (value, end) = quoted(&text[start..], quote)
                    .ok_or_else(|| wrong("the quote is not closed"))?;
                let behind = &text[start + end..];
                rest = behind.split_once('\n').map_or("", |(_, after)| after);
                value
            }
            Some(_) | None => {
                rest = after;
                unquoted(value).to_owned()
            }
        };
        let value = expanded(&value, &variables);
        variables.push((name.to_owned(), value));
    }
    Ok(variables)
}

/// Up to a comment, which has a blank in front.
fn unquoted(value: &str) -> &str {
    let comment = value
        .char_indices()
        .find(|(at, c)| *c == '#' && (*at == 0 || value[..*at].ends_with([' ', '\t'])));
    value[..comment.map_or(value.len(), |(at, _)| at)].trim()
}

/// The value, and where the text behind the closing quote begins.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Some((value, at + 1)),
            '\\' => match chars.next()?.1 {
                c if c == quote || c == '\\' => value.push(c),
                'n' if quote == '"' => value.push('\n'),
                'r' if quote == '"' => value.push('\r'),
                't' if quote == '"' => value.push('\t'),
                other => value.extend(['\\', other]),
            },
            c => value.push(c),
        }
    }
    None
}

/// With `${NAME}` and `${NAME:-DEFAULT}` of what was set above it; other names are left as they stand.
fn expanded(value: &str, known: &[(String, String)]) -> String {
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, behind)) = rest.split_once("${") {
        text.push_str(before);
        let Some((inner, after)) = behind.split_once('}') else {
            rest = &rest[before.len()..];
            break;
        };
        let (name, fallback) = match inner.split_once(":-") {
            Some((name, fallback)) => (name, Some(fallback)),
            None => (inner, None),
        };
        let found = known.iter().rfind(|(known, _)| known == name);
        match (found, fallback) {
            (Some((_, value)), _) => text.push_str(value),
            (None, Some(fallback)) => text.push_str(fallback),
            (None, None) => text.extend(["${", inner, "}"]),
        }
        rest = after;
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Vec<(String, String)> {
        let file = File {
            name: ".env".to_owned(),
            text: text.to_owned(),
        };
        read(&file).unwrap()
    }

    fn value(text: &str) -> String {
        read_text(text).pop().unwrap().1
    }

    #[test]
    fn reads_what_dotenv_files_hold() {
        for (line, expected) in [
            ("A=b", "b"),
            ("  export A = b  ", "b"),
            ("\u{feff}A=b\r\n", "b"),
            ("A=b # why", "b"),
            ("A=b#c", "b#c"),
            ("A=", ""),
            ("A=# nothing", ""),
            ("A='it''s # no' # comment", "it"),
            (r"A='it\'s # in'", "it's # in"),
            (r#"A="a\tb \"c\" \d""#, "a\tb \"c\" \\d"),
            ("A=\"one\ntwo\" # behind\n", "one\ntwo"),
            ("A=http://h/?a=b&c=d", "http://h/?a=b&c=d"),
            ("B=x\nA=${B}/${C:-y}/${D}/${", "x/y/${D}/${"),
        ] {
            assert_eq!(value(line), expected, "{line}");
        }
        let several = read_text("# head\n\nA=\"1\n2\"\nnothing\nB='2'\nA=3\n");
        let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["A", "B", "A"]);
    }

    #[test]
    fn tells_the_line_it_cannot_read() {
        for (text, line) in [("A=1\nB='2\n\n", 2), ("A=\"1\n2\"\n? = 3", 3)] {
            let file = File {
                name: ".env".to_owned(),
                text: text.to_owned(),
            };
            let error = read(&file).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!(".env, line {line}: ")),
                "{error}"
            );
        }
    }
}
