//! A text with wildcards: `*` stands for any letters or none, `?` for exactly one.

use super::Fold;

/// Bytes of one pattern: what is matched takes at most this many times its length.
const PATTERN_MAX: usize = 200;

/// A pattern, ready to be matched.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pattern {
    source: Box<str>,
    fold: Fold,
    tokens: Box<[Token]>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token {
    Letter(char),
    One,
    Many,
}

impl Pattern {
    /// # Errors
    /// In words, when the text is empty, as its fold sees it, or too long.
    pub(crate) fn new(source: &str, fold: Fold) -> Result<Self, String> {
        if source.len() > PATTERN_MAX {
            return Err(format!(
                "this pattern is too long: expected at most {PATTERN_MAX} bytes"
            ));
        }
        let mut tokens: Vec<Token> = Vec::new();
        for letter in fold.letters(source) {
            match letter {
                '*' if tokens.last() == Some(&Token::Many) => {}
                '*' => tokens.push(Token::Many),
                '?' => tokens.push(Token::One),
                letter => tokens.push(Token::Letter(letter)),
            }
        }
        if tokens.is_empty() {
            return Err(format!(
                "`{source}` has no letters to look for: expected a text, where `*` stands for anything and `?` for one letter"
            ));
        }
        Ok(Self {
            source: source.into(),
            fold,
            tokens: tokens.into(),
        })
    }

    /// As it was written.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Whether all of the text fits.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let mut text = self.fold.letters(text);
        let mut at = 0;
        // The token behind the last `*`, and where the text goes on when that `*` takes one letter more.
        let mut retry = None;
        loop {
            let here = text.clone();
            match (self.tokens.get(at), text.next()) {
                (Some(Token::Many), _) => {
                    text = here.clone();
                    at += 1;
                    retry = Some((at, here));
                    continue;
                }
                (None, None) => return true,
                (Some(_), None) => return false,
                (Some(Token::One), Some(_)) => at += 1,
                (Some(Token::Letter(wanted)), Some(letter)) if *wanted == letter => at += 1,
                (Some(Token::Letter(_)) | None, Some(_)) => {
                    let Some((token, from)) = &mut retry else {
                        return false;
                    };
                    if from.next().is_none() {
                        return false;
                    }
                    at = *token;
                    text = from.clone();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_takes_anything_and_a_question_mark_one_letter() {
        for (pattern, text, fits) in [
            ("AB?12*", "ab-c12 3", true),
            ("AB?12*", "ABC12", true),
            ("AB?12*", "AB12", false),
            ("*", "", true),
            ("*", "anything", true),
            ("?", "", false),
            ("*12", "AB-12", true),
            ("*12", "AB-123", false),
            ("A*B*C", "AxxBxBxC", true),
            ("A*B*C", "AxxBxBx", false),
            ("A**C", "AC", true),
            ("ab123c", "AB 123-C", true),
            ("AB123", "AB1234", false),
        ] {
            let pattern = Pattern::new(pattern, Fold::Plate).unwrap();
            assert_eq!(pattern.matches(text), fits, "{} {text}", pattern.source());
        }
    }

    #[test]
    fn outside_of_plates_separators_count() {
        let yard = Pattern::new("Yard-*", Fold::Case).unwrap();
        assert!(yard.matches("yard-7") && !yard.matches("yard7"));
        let confused = Pattern::new("B0?", Fold::LookAlike).unwrap();
        assert!(confused.matches("8ox") && confused.matches("BQ1") && !confused.matches("C01"));
    }

    #[test]
    fn a_pattern_that_looks_for_nothing_is_refused() {
        for empty in ["", "- -"] {
            assert!(Pattern::new(empty, Fold::Plate).is_err(), "{empty}");
        }
        assert!(Pattern::new(&"a".repeat(PATTERN_MAX + 1), Fold::Case).is_err());
    }

    #[test]
    fn a_pattern_of_stars_meets_a_long_text_without_end_of_time() {
        let pattern = Pattern::new(&"*A".repeat(PATTERN_MAX / 2), Fold::Case).unwrap();
        assert!(!pattern.matches(&format!("{}B", "A".repeat(20_000))));
    }

    proptest! {
        #[test]
        fn agrees_with_the_slow_way(pattern in "[ab?*]{1,6}", text in "[abc]{0,8}") {
            fn slow(pattern: &[u8], text: &[u8]) -> bool {
                match (pattern.split_first(), text.split_first()) {
                    (None, None) => true,
                    (Some((b'*', rest)), None) => slow(rest, text),
                    (Some((b'*', rest)), Some((_, later))) => slow(rest, text) || slow(pattern, later),
                    (Some((b'?', rest)), Some((_, later))) => slow(rest, later),
                    (Some((p, rest)), Some((t, later))) => p == t && slow(rest, later),
                    _ => false,
                }
            }
            let fits = Pattern::new(&pattern, Fold::Case).unwrap().matches(&text);
            prop_assert_eq!(fits, slow(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
