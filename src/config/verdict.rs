//! What is said of a value that does not fit its schema.

use std::ops::Range;

use serde_json::Value;

use super::mistake::{Mistake, suggestion};
use super::shape::{Kind, expected, found, words_of};
use super::tree::{Key, Node, Shape, number};
use crate::units::{ByteSize, Rate, Span};

pub(super) fn unknown_key<'k>(key: &Key, known: impl IntoIterator<Item = &'k str>) -> Mistake {
    let help = suggestion(&key.text, known, "keys here");
    Mistake::new(key.at.clone(), format!("unknown key `{}`", key.text)).maybe_help(help)
}

pub(super) fn wrong_text(
    text: &str,
    name: Option<&str>,
    schema: &Value,
) -> Option<(String, Option<String>)> {
    let unit = match name {
        Some("Duration") => Span::parse(text).err(),
        Some("Size") => ByteSize::parse(text).err(),
        Some("Rate") => Rate::parse(text).err(),
        Some(_) | None => None,
    };
    if let Some(message) = unit {
        return Some(match message.split_once(": ") {
            Some((message, help)) => (message.to_owned(), Some(help.to_owned())),
            None => (message, None),
        });
    }
    if let Some(words) = words_of(schema)
        && !words.contains(&text)
    {
        return Some(not_one_of(text, &words));
    }
    let limit = |key: &str| schema.get(key).and_then(Value::as_u64);
    let length = text.chars().count() as u64;
    if limit("minLength").is_some_and(|min| length < min) {
        return Some(("this must not be empty".to_owned(), None));
    }
    let max = limit("maxLength").filter(|max| length > *max)?;
    Some((format!("at most {max} characters, this has {length}"), None))
}

pub(super) fn wrong_number(
    number: Option<f64>,
    schema: &Value,
) -> Option<(String, Option<String>)> {
    let number = number?;
    let limit = |key: &str| schema.get(key).and_then(Value::as_f64);
    let min = limit("minimum").filter(|min| number < *min);
    let above = limit("exclusiveMinimum").filter(|min| number <= *min);
    let max = limit("maximum").filter(|max| number > *max);
    let message = match (min, above, max) {
        (Some(min), ..) => format!("{number} is too small: at least {min}"),
        (_, Some(above), _) => format!("{number} is too small: more than {above}"),
        (.., Some(max)) => format!("{number} is too large: at most {max}"),
        (None, None, None) => return None,
    };
    Some((message, None))
}

pub(super) fn wrong_kind(node: &Node, kinds: &[Kind], here: &Range<usize>) -> Mistake {
    let expected = expected(kinds);
    let mistake = Mistake::new(
        place(node, here),
        format!("expected {expected}, found {}", found(node)),
    );
    let text = node.text().unwrap_or_default();
    let wanted = |kind| kinds.contains(&kind);
    if wanted(Kind::Bool) && ["yes", "on", "y"].contains(&text.to_lowercase().as_str()) {
        mistake.help("write `true`")
    } else if wanted(Kind::Bool) && ["no", "off", "n"].contains(&text.to_lowercase().as_str()) {
        mistake.help("write `false`")
    } else if (wanted(Kind::Whole) || wanted(Kind::Number)) && number(text).is_some() {
        let quoted = matches!(Kind::of_node(node), Kind::Text);
        mistake.help(if quoted {
            format!("write {text} without quotes")
        } else {
            "write it without a fraction".to_owned()
        })
    } else if wanted(Kind::List) && !text.is_empty() {
        mistake.help(format!("write `[{text}]`"))
    } else {
        mistake
    }
}

/// The value's own place, or its key's when it is written as nothing.
pub(super) fn place(node: &Node, here: &Range<usize>) -> Range<usize> {
    if node.at.is_empty() || matches!(node.shape, Shape::Map(_) | Shape::List(_)) {
        here.clone()
    } else {
        node.at.clone()
    }
}

pub(super) fn not_one_of(text: &str, words: &[&str]) -> (String, Option<String>) {
    (
        format!("`{text}` is not known here"),
        suggestion(text, words.iter().copied(), "expected one of"),
    )
}
