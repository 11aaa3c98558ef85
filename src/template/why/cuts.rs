//! Where the text of a condition is joined by words.

/// Without the blanks and brackets around all of it.
pub(super) fn bare(text: &'static str) -> &'static str {
    let mut text = text.trim();
    while text.starts_with('(') {
        let mut closing = None;
        scan(text, |at, depth, _| {
            if depth == 0 && closing.is_none() {
                closing = Some(at);
            }
        });
        match closing {
            Some(at) if at + 1 == text.len() => text = text[1..at].trim(),
            _ => break,
        }
    }
    text
}

/// Where words join the parts of a text, outside of brackets.
#[derive(Default)]
pub(super) struct Cuts {
    /// One thing if, else another: none of the other words reaches over that.
    pub(super) ifs: bool,
    pub(super) ors: Vec<(usize, usize)>,
    pub(super) ands: Vec<(usize, usize)>,
}

impl Cuts {
    pub(super) fn of(text: &str) -> Self {
        let mut cuts = Self::default();
        let mut word_from = None;
        let mut before = ' ';
        let end_word = |from: Option<usize>, at: usize, cuts: &mut Self| {
            let Some(from) = from else { return };
            match &text[from..at] {
                "if" => cuts.ifs = true,
                "or" => cuts.ors.push((from, at)),
                "and" => cuts.ands.push((from, at)),
                _ => {}
            }
        };
        scan(text, |at, depth, c| {
            let is_word = c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            match (is_word && depth == 0, word_from) {
                // A field may have any name.
                (true, None) if before != '.' => word_from = Some(at),
                (true, _) => {}
                (false, _) => end_word(word_from.take(), at, &mut cuts),
            }
            // Within a word that is a field's name, its letters are no beginnings.
            if !(is_word && before == '.') {
                before = c.unwrap_or('"');
            }
        });
        end_word(word_from, text.len(), &mut cuts);
        cuts
    }
}

/// Walks over a text: each character with how many brackets are open behind it, and none for those in quotes.
fn scan(text: &str, mut visit: impl FnMut(usize, usize, Option<char>)) {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        let seen = match quote {
            Some(open) => {
                if c == open && !escaped {
                    quote = None;
                }
                escaped = c == '\\' && !escaped;
                None
            }
            None => {
                match c {
                    '"' | '\'' => quote = Some(c),
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                Some(c).filter(|c| !matches!(c, '"' | '\''))
            }
        };
        visit(at, depth, seen);
    }
}
