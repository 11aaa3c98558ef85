//! How alike two texts are: patterns with wildcards, letters that readers take for one another, edits between two plates.
//!
//! All of it is about short texts that meet many events, so nothing is allocated for a comparison, and each takes at most
//! the product of two lengths of which one is the config's.

mod edits;
mod letters;
mod pattern;

pub(crate) use edits::{Letters, edits};
pub(crate) use letters::Fold;
pub(crate) use pattern::Pattern;
