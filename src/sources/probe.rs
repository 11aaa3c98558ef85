//! Pieces of decoders, each on its own, for fuzzing: whole requests seldom get far into them.

use bytes::Bytes;
use serde::de::IgnoredAny;

use super::kipod::repair;
use super::multipart;

/// Splits the body by the boundary of the content type, and by the one that it seems to have. Returns whether it has parts.
///
/// Panics when a part does not lie where it says.
pub(crate) fn split_multipart(content_type: &str, body: &Bytes) -> bool {
    let told = multipart::boundary_of(content_type);
    let guessed = multipart::boundary_guessed(body).map(str::to_owned);
    let mut some = false;
    for boundary in told.into_iter().chain(guessed) {
        for part in multipart::split(body, &boundary).unwrap_or_default() {
            let (start, end) = part.range;
            assert_eq!(part.data, body[start..end], "a part lies elsewhere");
            some = true;
        }
    }
    some
}

/// Mends Kipod's broken JSON. Returns whether there was anything to mend.
///
/// Panics when it finds fault with valid JSON, or grows it without bounds.
pub(crate) fn mend_kipod(text: &[u8]) -> bool {
    let Some(mended) = repair::repair(text) else {
        return false;
    };
    let valid = serde_json::from_slice::<IgnoredAny>(text).is_ok();
    assert!(!valid, "valid JSON was mended: {:?}", mended.notes);
    // The worst is a quote and a comma for a line break.
    assert!(mended.text.len() <= 4 * text.len(), "it grew");
    true
}
