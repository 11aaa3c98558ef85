//! From marker to marker (T.81, B.1.1).

/// The markers of a JPEG that have a segment behind them, up to the one whose scan is not walked over.
pub(super) struct Markers<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// One of them.
pub(super) struct Segment<'a> {
    pub(super) marker: u8,
    /// Without its length; cut off where the bytes end, and then `whole` is false.
    pub(super) data: &'a [u8],
    pub(super) whole: bool,
    /// Where it ends, which for a start of scan is where entropy-coded data begins.
    pub(super) end: usize,
}

impl<'a> Markers<'a> {
    /// Behind the start of the picture.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 2 }
    }

    /// Goes on behind a scan.
    pub(super) fn go_on_at(&mut self, at: usize) {
        self.at = at;
    }

    fn code(&mut self) -> Option<u8> {
        loop {
            let rest = self.bytes.get(self.at..)?;
            self.at += memchr::memchr(0xff, rest)?;
            while *self.bytes.get(self.at)? == 0xff {
                self.at += 1; // a marker may be preceded by any number of fill bytes
            }
            let marker = *self.bytes.get(self.at)?;
            self.at += 1;
            match marker {
                0x00 | 0x01 | 0xd0..=0xd8 => {} // stuffing, and markers that stand alone
                _ => return Some(marker),
            }
        }
    }
}

impl<'a> Iterator for Markers<'a> {
    type Item = Segment<'a>;

    /// `None` at the end of the picture, told or not.
    fn next(&mut self) -> Option<Segment<'a>> {
        let marker = self.code()?;
        if marker == 0xd9 {
            return None;
        }
        let nothing = Segment {
            marker,
            data: &[],
            whole: false,
            end: self.bytes.len(),
        };
        let Some([high, low]) = self.bytes.get(self.at..self.at + 2) else {
            self.at = self.bytes.len();
            return Some(nothing);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low])).max(2);
        let end = self.at + length;
        let data = self.bytes.get(self.at + 2..end);
        self.at = end.min(self.bytes.len());
        Some(Segment {
            data: data.unwrap_or_default(),
            whole: data.is_some(),
            end: self.at,
            ..nothing
        })
    }
}
