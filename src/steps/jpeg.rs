//! What a JPEG's markers tell before it is decoded.

/// The two ways in which a decoder that forgives everything would deliver a wrong picture without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Sound,
    /// A sequential picture that holds its colours in scans of their own. The decoder mistakes such a scan for all
    /// colours interleaved and paints garbage wherever colours have fewer samples than brightness.
    Scattered,
    /// There is no end: the transfer or the camera broke off, and what is missing is decoded as plain grey.
    BrokenOff,
}

/// Walks the markers up to the first scan. What is no JPEG at all is left to the decoder, which says so better.
pub(super) fn condition(bytes: &[u8]) -> Condition {
    let mut at = 2; // behind the start of the picture
    let mut interleaved = None;
    while let Some(marker) = next_marker(bytes, &mut at) {
        let Some([high, low]) = bytes.get(at..at + 2) else {
            return Condition::BrokenOff;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let segment = bytes.get(at + 2..at + length).unwrap_or_default();
        match marker {
            // Baseline and extended sequential: precision, height, width, then the number of components.
            0xc0 | 0xc1 => interleaved = segment.get(5),
            0xda => {
                if interleaved.is_some_and(|all| segment.first().is_some_and(|some| some < all)) {
                    return Condition::Scattered;
                }
                let scan = bytes.get(at + length..).unwrap_or_default();
                let ends = scan.windows(2).rev().any(|pair| pair == [0xff, 0xd9]);
                return if ends {
                    Condition::Sound
                } else {
                    Condition::BrokenOff
                };
            }
            _ => {}
        }
        at += length.max(2);
    }
    Condition::Sound
}

/// The next marker with a segment behind it; `at` then stands at the segment's length.
fn next_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        let rest = bytes.get(*at..)?;
        *at += rest.iter().position(|byte| *byte == 0xff)?;
        while *bytes.get(*at)? == 0xff {
            *at += 1; // a marker may be preceded by any number of fill bytes
        }
        let marker = *bytes.get(*at)?;
        *at += 1;
        match marker {
            0x00 | 0x01 | 0xd0..=0xd9 => {} // stuffing, and markers that stand alone
            _ => return Some(marker),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::fixtures::{Drawing, Written};

    #[test]
    fn tells_scattered_and_broken_pictures_from_sound_ones() {
        let drawing = Drawing::of(64, 48);
        let baseline = drawing.written(Written::Jpeg);
        assert_eq!(condition(&baseline), Condition::Sound);
        assert_eq!(
            condition(&drawing.written(Written::ProgressiveJpeg)),
            Condition::Sound
        );
        assert_eq!(
            condition(&drawing.written(Written::MultiScanJpeg)),
            Condition::Scattered
        );
        assert_eq!(
            condition(&baseline[..baseline.len() - 30]),
            Condition::BrokenOff
        );
        let trailing = [&baseline[..], b"left in the camera's buffer"].concat();
        assert_eq!(condition(&trailing), Condition::Sound);
    }

    #[test]
    fn any_cut_is_walked_without_panic() {
        let baseline = Drawing::of(16, 16).written(Written::Jpeg);
        for end in 0..baseline.len() {
            condition(&baseline[..end]);
        }
    }
}
