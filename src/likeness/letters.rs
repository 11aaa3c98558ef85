//! The letters of a text as a comparison sees them.

use crate::lists::is_separator;

/// What is the same to a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fold {
    /// Upper and lower case.
    Case,
    /// Those, and a plate with and without its blanks, dashes and dots.
    Plate,
    /// Those, and the letters and digits that readers of plates take for one another.
    LookAlike,
}

/// Each class is one letter to [`Fold::LookAlike`]: its first.
const LOOK_ALIKE: [&str; 8] = ["0ODQ", "1IL", "2Z", "4A", "5S", "6G", "8B", "UV"];

impl Fold {
    /// Nothing is allocated; a clone goes on from the same place.
    pub(crate) fn letters(self, text: &str) -> impl Iterator<Item = char> + Clone + '_ {
        text.chars()
            .filter(move |c| self == Self::Case || !is_separator(*c))
            .flat_map(char::to_uppercase)
            .map(move |c| match self {
                Self::LookAlike => class(c),
                Self::Case | Self::Plate => c,
            })
    }
}

fn class(letter: char) -> char {
    let class = LOOK_ALIKE.iter().find(|class| class.contains(letter));
    class
        .and_then(|class| class.chars().next())
        .unwrap_or(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_what_is_the_same_and_nothing_else() {
        for (fold, a, b, same) in [
            (Fold::Case, "Gate-1", "gate-1", true),
            (Fold::Case, "gate-1", "gate1", false),
            (Fold::Plate, "ab-12 3.c", "AB123C", true),
            (Fold::Plate, "粤B·12345", "粤b12345", true),
            (Fold::Plate, "AB123O", "AB1230", false),
            (Fold::LookAlike, "AB123O", "ab-1Z3Q", true),
            (Fold::LookAlike, "SIGB0", "51680", true),
            (Fold::LookAlike, "M", "N", false),
            (Fold::Plate, "straße", "STRASSE", true),
        ] {
            let are_same = fold.letters(a).eq(fold.letters(b));
            assert_eq!(are_same, same, "{fold:?} {a} {b}");
        }
    }
}
