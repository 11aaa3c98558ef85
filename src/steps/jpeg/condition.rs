//! What a JPEG's markers tell before it is decoded: the two ways in which a decoder that forgives everything would deliver a
//! wrong picture without a word.

use super::markers::Markers;

/// Whether a sequential picture holds its colours in scans of their own. The decoder for everything mistakes such a scan for
/// all colours interleaved and paints garbage wherever colours have fewer samples than brightness.
pub(in crate::steps) fn is_scattered(bytes: &[u8]) -> bool {
    let mut all = None;
    for segment in Markers::of(bytes) {
        match segment.marker {
            // Baseline and extended sequential: precision, height, width, then the number of components.
            0xc0 | 0xc1 => all = segment.data.get(5),
            0xda => {
                return all.is_some_and(|all| segment.data.first().is_some_and(|some| some < all));
            }
            _ => {}
        }
    }
    false
}

/// Whether the end is missing: the transfer or the camera broke off, and what is missing is decoded as plain grey. What is
/// no JPEG at all is left to the decoder, which says so better.
pub(in crate::steps) fn breaks_off(bytes: &[u8]) -> bool {
    for segment in Markers::of(bytes) {
        if !segment.whole {
            return true;
        }
        if segment.marker == 0xda {
            return memchr::memmem::rfind(&bytes[segment.end..], &[0xff, 0xd9]).is_none();
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::fixtures::{Drawing, Written};

    #[test]
    fn tells_scattered_and_broken_pictures_from_sound_ones() {
        let drawing = Drawing::of(64, 48);
        let baseline = drawing.written(Written::Jpeg);
        assert!(!breaks_off(&baseline) && !is_scattered(&baseline));
        let progressive = drawing.written(Written::ProgressiveJpeg);
        assert!(!breaks_off(&progressive) && !is_scattered(&progressive));
        let scattered = drawing.written(Written::MultiScanJpeg);
        assert!(!breaks_off(&scattered) && is_scattered(&scattered));
        assert!(breaks_off(&baseline[..baseline.len() - 30]));
        let trailing = [&baseline[..], b"left in the camera's buffer"].concat();
        assert!(!breaks_off(&trailing));
    }

    #[test]
    fn any_cut_is_walked_without_panic() {
        let baseline = Drawing::of(16, 16).written(Written::Jpeg);
        for end in 0..baseline.len() {
            is_scattered(&baseline[..end]);
            breaks_off(&baseline[..end]);
        }
    }
}
