//! Plates as they are searched: whole, or with wildcards.

use super::record::normal_plate;
use crate::likeness::{Fold, Pattern};

/// What a plate has to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wanted {
    /// As [`normal_plate`] writes it.
    Exact(String),
    /// `*` stands for any letters or none, `?` for one; before the first of them, all begin with this.
    Like { prefix: String, pattern: Pattern },
    /// No plate is like it.
    Nothing,
}

impl Wanted {
    pub(super) fn of(text: &str) -> Self {
        let is_wild = |c: char| matches!(c, '*' | '?');
        if !text.contains(is_wild) {
            return match normal_plate(text) {
                plate if plate.is_empty() => Self::Nothing,
                plate => Self::Exact(plate),
            };
        }
        let prefix = normal_plate(text.split(is_wild).next().unwrap_or_default());
        let normal: String = text
            .chars()
            .filter(|c| c.is_alphanumeric() || is_wild(*c))
            .flat_map(char::to_uppercase)
            .collect();
        match Pattern::new(&normal, Fold::Case) {
            Ok(pattern) => Self::Like { prefix, pattern },
            Err(_) => Self::Nothing, // longer than any plate
        }
    }

    /// Whether one of an event's plates, with spaces between, is like it.
    pub(super) fn is_among(&self, plates: &str) -> bool {
        let mut plates = plates.split(' ').filter(|plate| !plate.is_empty());
        match self {
            Self::Exact(wanted) => plates.any(|plate| plate == wanted),
            Self::Like { pattern, .. } => plates.any(|plate| pattern.matches(plate)),
            Self::Nothing => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_plates_with_and_without_wildcards() {
        for (text, plates, found) in [
            ("ab-12 3", "AB123 XY9", true),
            ("AB12", "AB123 XY9", false),
            ("ab1*", "AB123 XY9", true),
            ("*y9", "AB123 XY9", true),
            ("*b12*", "AB123 XY9", true),
            ("A?1*", "AB123", true),
            ("A?1*", "A1", false),
            ("A*9", "AB123 XY9", false),
            ("*", "AB123", true),
            ("*", "", false),
            ("-", "AB123", false),
            ("", "AB123", false),
            ("粤b*", "粤B12345", true),
        ] {
            assert_eq!(
                Wanted::of(text).is_among(plates),
                found,
                "{text} in {plates}"
            );
        }
        let long = format!("{}*", "A".repeat(300));
        assert_eq!(Wanted::of(&long), Wanted::Nothing);
        let Wanted::Like { prefix, .. } = Wanted::of("a-b?1*") else {
            panic!("a wildcard was not seen");
        };
        assert_eq!(prefix, "AB");
    }
}
