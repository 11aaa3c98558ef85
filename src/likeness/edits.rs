//! How many letters two plates are apart.

use super::Fold;

/// Longer texts are no plates and are compared with none.
const LETTERS_MAX: usize = 64;

/// The letters of a short text, without an allocation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Letters {
    letters: [char; LETTERS_MAX],
    count: usize,
}

impl Letters {
    /// `None` for a text of more than 64 letters.
    pub(crate) fn of(text: &str, fold: Fold) -> Option<Self> {
        let mut letters = ['\0'; LETTERS_MAX];
        let mut count = 0;
        for letter in fold.letters(text) {
            *letters.get_mut(count)? = letter;
            count += 1;
        }
        Some(Self { letters, count })
    }

    pub(crate) fn as_slice(&self) -> &[char] {
        &self.letters[..self.count]
    }
}

/// How many letters have to be changed, added or left out to make one text of the other, where that is at most `most`.
/// Only the band of that width around the diagonal is computed.
pub(crate) fn edits(a: &Letters, b: &Letters, most: usize) -> Option<usize> {
    let (a, b) = (a.as_slice(), b.as_slice());
    let most = most.min(LETTERS_MAX);
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    let beyond = most + 1;
    // Edits between the letters of `a` so far and the first `n` of `b`.
    let mut row = [beyond; LETTERS_MAX + 1];
    for (n, edits) in row.iter_mut().enumerate().take(most.min(b.len()) + 1) {
        *edits = n;
    }
    for (n, letter) in a.iter().enumerate() {
        let from = (n + 1).saturating_sub(most).max(1);
        let to = (n + 1 + most).min(b.len());
        let mut diagonal = row[from - 1];
        row[from - 1] = if from == 1 { n + 1 } else { beyond };
        let mut least = row[from - 1];
        for m in from..=to {
            let changed = diagonal + usize::from(*letter != b[m - 1]);
            diagonal = row[m];
            row[m] = changed.min(diagonal + 1).min(row[m - 1] + 1);
            least = least.min(row[m]);
        }
        if least > most {
            return None;
        }
    }
    Some(row[b.len()]).filter(|edits| *edits <= most)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn apart(a: &str, b: &str, most: usize) -> Option<usize> {
        let of = |text| Letters::of(text, Fold::Plate).unwrap();
        edits(&of(a), &of(b), most)
    }

    #[test]
    fn counts_changes_additions_and_omissions() {
        for (a, b, most, expected) in [
            ("AB123CD", "ab-123 cd", 0, Some(0)),
            ("AB123CD", "AB124CD", 1, Some(1)),
            ("AB123CD", "AB23CD", 1, Some(1)),
            ("AB123CD", "AB1233CD", 1, Some(1)),
            ("AB123CD", "AB124CE", 1, None),
            ("AB123CD", "AB124CE", 2, Some(2)),
            ("AB123CD", "BA123CD", 2, Some(2)),
            ("", "ABC", 3, Some(3)),
            ("", "", 0, Some(0)),
            ("ABCD", "", 3, None),
        ] {
            assert_eq!(apart(a, b, most), expected, "{a} {b} {most}");
            assert_eq!(apart(b, a, most), expected, "{b} {a} {most}");
        }
    }

    #[test]
    fn what_is_longer_than_any_plate_is_not_compared() {
        assert!(Letters::of(&"A".repeat(64), Fold::Plate).is_some());
        assert!(Letters::of(&"A".repeat(65), Fold::Plate).is_none());
        assert_eq!(apart(&"A".repeat(64), &"B".repeat(64), 1_000), Some(64));
    }

    proptest! {
        #[test]
        fn agrees_with_the_whole_table(a in "[AB1]{0,7}", b in "[AB1]{0,7}", most in 0_usize..8) {
            let all = strsim::levenshtein(&a, &b);
            prop_assert_eq!(apart(&a, &b, most), Some(all).filter(|all| *all <= most));
        }
    }
}
