//! Values as Python prints them (`repr`) and rows as its csv module writes them: Stream is a Python program, and its
//! users' scripts read the cells of its CSV back as Python literals.

use serde_json::{Number, Value};

/// As Python's `repr` prints what this JSON becomes there.
pub(super) fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number_repr(number),
        Value::String(text) => text_repr(text),
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(repr).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(key, value)| format!("{}: {}", text_repr(key), repr(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

fn number_repr(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float_repr(float),
        _ => number.to_string(),
    }
}

/// The shortest digits that read back as the same number; an exponent below 1e-4 and from 1e16 on.
fn float_repr(float: f64) -> String {
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if float == 0.0 || (-4..16).contains(&exponent) {
        format!("{float:?}")
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
    }
}

fn text_repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            same if same == quote => {
                out.push('\\');
                out.push(same);
            }
            ' '..='~' => out.push(character),
            other if printable(other) => out.push(other),
            other => out.push_str(&match u32::from(other) {
                code @ ..0x100 => format!("\\x{code:02x}"),
                code @ ..0x1_0000 => format!("\\u{code:04x}"),
                code => format!("\\U{code:08x}"),
            }),
        }
    }
    out.push(quote);
    out
}

/// Rust's own idea of what is printable, asked behind a letter because a combining mark is printable only there.
fn printable(character: char) -> bool {
    let text: String = ['a', character].iter().collect();
    text.escape_debug().nth(1) == Some(character)
}

/// One row without its line break: quotes only where they are needed.
pub(super) fn row(cells: &[String]) -> String {
    let cells: Vec<_> = cells
        .iter()
        .map(|cell| {
            if cell.contains([',', '"', '\r', '\n']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell.clone()
            }
        })
        .collect();
    cells.join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn prints_values_as_python_does() {
        let value = json!({ "box": { "xmin": 756, "ok": true, "no": false }, "none": null, "l": [{ "score": 0.3 }, 1.0] });
        assert_eq!(
            repr(&value),
            "{'box': {'xmin': 756, 'ok': True, 'no': False}, 'none': None, 'l': [{'score': 0.3}, 1.0]}"
        );
        assert_eq!(repr(&json!([])), "[]");
        assert_eq!(repr(&json!({})), "{}");
    }

    #[test]
    fn prints_texts_as_python_does() {
        assert_eq!(repr(&json!("it's")), r#""it's""#);
        assert_eq!(repr(&json!("it's \"so\"")), r#"'it\'s "so"'"#);
        assert_eq!(repr(&json!("a\\b\nc\td\re")), r"'a\\b\nc\td\re'");
        assert_eq!(
            repr(&json!(
                "\u{0}\u{7f}\u{ad}\u{a0}\u{200b}\u{2028}\u{e000}\u{e0001}"
            )),
            r"'\x00\x7f\xad\xa0\u200b\u2028\ue000\U000e0001'"
        );
        assert_eq!(
            repr(&json!("é京 e\u{301} \u{1f600}")),
            "'é京 e\u{301} \u{1f600}'"
        );
    }

    #[test]
    fn prints_floats_as_python_does() {
        for (float, text) in [
            (0.91, "0.91"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.25e100, "1.25e+100"),
            (0.1 + 0.2, "0.30000000000000004"),
        ] {
            assert_eq!(float_repr(float), text);
        }
    }

    #[test]
    fn quotes_a_cell_only_where_needed() {
        let cells = ["a", "", "b,c", "say \"hi\"", "two\nlines", "it's"].map(String::from);
        assert_eq!(
            row(&cells),
            "a,,\"b,c\",\"say \"\"hi\"\"\",\"two\nlines\",it's"
        );
    }
}
