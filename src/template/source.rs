//! The source texts of templates: kept for the life of the process, and never too much for the engine.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::Mistake;

/// The same text, to be borrowed for ever.
///
/// The engine's code borrows from its source, and safe Rust has no struct that borrows from itself. A text is kept once
/// however often it is compiled, so a reload costs memory only for what was changed in the file.
pub(super) fn keep(text: &str) -> &'static str {
    static KEPT: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = kept.get_or_insert_default();
    match kept.get(text) {
        Some(known) => known,
        None => {
            let text: &'static str = Box::leak(text.into());
            kept.insert(text);
            text
        }
    }
}

/// Operators in one tag or condition. Each may nest what stands before it one level deeper, and the engine walks an
/// expression by calling itself: a chain without bounds would end the stack, and camhook with it.
const OPERATORS_MAX: usize = 400;

/// What is wrong with an expression of more.
pub(super) fn endless(range: Range<usize>) -> Mistake {
    Mistake {
        message: "this expression has too many operators".to_owned(),
        help: Some(
            "look values up in a list (`in lists.…`), or take it in steps (`{% set … %}`)"
                .to_owned(),
        ),
        range,
        path: Vec::new(),
        others: Vec::new(),
    }
}

/// The first tag with more operators than are taken, as bytes of the text.
pub(super) fn endless_tag(text: &str) -> Option<Range<usize>> {
    let mut from = 0;
    while let Some(open) = text[from..].find(['{']).map(|at| from + at) {
        let close = match text.as_bytes().get(open + 1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            _ => {
                from = open + 1;
                continue;
            }
        };
        let rest = &text[open + 2..];
        let end = open + 2 + rest.find(close).unwrap_or(rest.len());
        if is_endless(&text[open + 2..end]) {
            return Some(open..end);
        }
        from = end;
    }
    None
}

/// Blocks (`if`, `for`, …) that may stand in one another. The engine goes down into each by calling itself.
const BLOCKS_MAX: usize = 100;

/// What is wrong with more of them.
pub(super) fn too_deep(range: Range<usize>) -> Mistake {
    Mistake {
        message: format!("this block stands in {BLOCKS_MAX} others, which is as deep as they go"),
        help: Some("is an `{% endif %}` or `{% endfor %}` missing before it?".to_owned()),
        range,
        path: Vec::new(),
        others: Vec::new(),
    }
}

/// The first block that stands too deep in others, as bytes of the text.
pub(super) fn deep_block(text: &str) -> Option<Range<usize>> {
    let mut depth = 0_usize;
    let mut from = 0;
    while let Some(open) = text[from..].find("{%").map(|at| from + at) {
        let rest = &text[open + 2..];
        let end = open + 2 + rest.find("%}").unwrap_or(rest.len());
        from = end;
        let tag = text[open + 2..end].trim_matches(['-', '+', ' ', '\t', '\n', '\r']);
        let word = tag.split(|c: char| !c.is_ascii_alphabetic()).next();
        match word.unwrap_or_default() {
            "raw" => from = end + text[end..].find("endraw").unwrap_or(text.len() - end),
            "endraw" => {}
            word if word.starts_with("end") => depth = depth.saturating_sub(1),
            "set" if tag.contains('=') => {}
            "if" | "for" | "set" | "with" | "filter" | "macro" | "call" | "block"
            | "autoescape" => {
                depth += 1;
            }
            _ => {}
        }
        if depth > BLOCKS_MAX {
            return Some(open..(end + 2).min(text.len()));
        }
    }
    None
}

/// Whether one expression has more operators than are taken.
pub(super) fn is_endless(expression: &str) -> bool {
    let mut operators = 0;
    let mut quote = None;
    let mut word = 0;
    for (at, c) in expression.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None => operators += usize::from(".|+-*/~%<>=![({".contains(c)),
        }
        if !c.is_alphanumeric() && c != '_' {
            let words = ["not", "and", "or", "if", "in", "is"];
            operators += usize::from(quote.is_none() && words.contains(&&expression[word..at]));
            word = at + c.len_utf8();
        }
    }
    operators > OPERATORS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_operators_of_each_tag_alone_and_none_in_texts() {
        let short = format!("{{{{ a{} }}}}", ".a".repeat(OPERATORS_MAX));
        assert_eq!(endless_tag(&short.repeat(3)), None);
        let long = format!("{{{{ {}a }}}}", "not ".repeat(OPERATORS_MAX + 1));
        let at = short.len();
        assert_eq!(endless_tag(&(short + &long)), Some(at..at + long.len() - 2));
        assert!(!is_endless(&format!("a == '{}'", "+".repeat(5_000))));
        assert!(!is_endless(&format!("a in [{}]", "'X1', ".repeat(5_000))));
    }

    #[test]
    fn blocks_stand_in_one_another_only_so_deep() {
        let (open, close) = ("{%- if 1 %}", "{% endif -%}");
        let deep = |n: usize| open.repeat(n) + &close.repeat(n);
        assert_eq!(deep_block(&deep(BLOCKS_MAX)), None);
        assert_eq!(deep_block(&(open.to_owned() + close).repeat(5_000)), None);
        assert_eq!(deep_block(&"{% set a = 1 %}".repeat(5_000)), None);
        let raw = format!("{{% raw %}}{}{{% endraw %}}", open.repeat(5_000));
        assert_eq!(deep_block(&raw), None);
        let at = open.len() * BLOCKS_MAX;
        let found = deep_block(&deep(50_000));
        assert_eq!(found, Some(at..at + open.len()));
        assert_eq!(deep_block(&"{% if".repeat(5_000)), None, "one tag");
    }

    #[test]
    fn keeps_each_text_once() {
        assert!(std::ptr::eq(keep("once"), keep(&["on", "ce"].concat())));
    }
}
