//! How templates are written, and what is said of one that cannot be read.

use minijinja::Error;
use minijinja::syntax::SyntaxConfig;

use super::Mistake;

pub(super) fn syntax() -> SyntaxConfig {
    SyntaxConfig::builder()
        .keep_trailing_newline(true)
        .build()
        .expect("the default delimiters are valid")
}

pub(super) fn syntax_mistake(error: &Error, source: &str) -> Mistake {
    let range = error.range().unwrap_or(0..source.len());
    // The engine counts an unexpected character as one byte.
    let whole = |at: &usize| source.is_char_boundary(*at);
    let end = source.len();
    let start = (0..=range.start.min(end)).rev().find(whole).unwrap_or(0);
    let end = (range.end.clamp(start, end)..=end)
        .find(whole)
        .unwrap_or(end);
    let message = error
        .detail()
        .map_or_else(|| error.kind().to_string(), str::to_owned)
        .replace("start of variable block", "`{{`")
        .replace("end of variable block", "`}}`");
    Mistake {
        message,
        help: None,
        range: start..end,
        path: Vec::new(),
        others: Vec::new(),
    }
}
