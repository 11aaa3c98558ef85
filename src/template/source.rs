//! Keeps the source texts of templates for the life of the process.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_each_text_once() {
        assert!(std::ptr::eq(keep("once"), keep(&["on", "ce"].concat())));
    }
}
