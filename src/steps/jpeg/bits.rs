//! The bits of a scan, without the stuffing bytes, and the jump from restart marker to restart marker (T.81, B.1.1.5, F.2.2.5).
//!
//! In entropy-coded data a byte 0xff is followed by a zero, else it begins a marker. Looking for that at each refill of the
//! window would cost more than the decoding itself, so the data is cleaned ahead, some kilobytes at a time that stay in
//! the processor's cache, and the window is refilled without a branch. Behind the end of the data come zeros, as libjpeg
//! has it; whoever decodes asks before each unit ([`Bits::ready`]) whether there is anything left.

use memchr::memchr;

use super::Fault;

/// Cleaned data at hand; a power of two.
const ROOM: usize = 1 << 14;

/// More than one MCU can take: ten blocks of 64 codes of 16 bits with 15 bits of value behind each, and two refills.
const UNIT_MAX: usize = 10 * 64 * 31 / 8 + 16;

pub(super) type Clean = [u8; ROOM + 8];

pub(super) struct Bits<'a> {
    source: &'a [u8],
    /// What of the source was cleaned.
    next: usize,
    clean: Box<Clean>,
    /// How much of `clean` is the picture's.
    filled: usize,
    /// Why there is no more, once that is known.
    end: Option<End>,
    /// When the cursor has passed this, there may be too little for another unit.
    low: usize,
    pub(super) cursor: Cursor,
}

/// What stands behind entropy-coded data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Restart(u8),
    /// Another marker than a restart, which ends the scan.
    Marker(u8),
    /// The bytes ended.
    Nothing,
}

/// A place in the cleaned data, small enough to live in registers.
#[derive(Clone, Copy)]
pub(super) struct Cursor {
    /// The next bits, from the top.
    window: u64,
    /// How many of them are valid.
    count: u32,
    /// The byte behind those.
    pub(super) next: usize,
}

impl Cursor {
    const START: Self = Self {
        window: 0,
        count: 0,
        next: 0,
    };

    /// At least 56 bits are valid afterwards: two codes with their values.
    #[inline(always)]
    pub(super) fn refill(&mut self, clean: &Clean) {
        let from = self.next & (ROOM - 1);
        let bytes = clean[from..].first_chunk().unwrap_or(&[0; 8]);
        self.window |= u64::from_be_bytes(*bytes) >> self.count;
        self.next += (63 - self.count as usize) >> 3;
        self.count |= 56;
    }

    /// The next bits, at most 16 of them.
    #[inline(always)]
    pub(super) fn peek(self, bits: u32) -> usize {
        (self.window >> (64 - bits)) as usize
    }

    #[inline(always)]
    pub(super) fn skip(&mut self, bits: u32) {
        self.window <<= bits;
        self.count -= bits;
    }

    /// How many bits were taken since then, without a refill.
    pub(super) fn since(self, before: Self) -> u32 {
        before.count - self.count
    }

    /// A value of that many bits, at most 15, as told by F.2.2.1 EXTEND: with a leading zero it is negative.
    #[inline(always)]
    pub(super) fn value(&mut self, bits: u32) -> i32 {
        if bits == 0 {
            return 0;
        }
        let raw = self.peek(bits) as i32;
        self.skip(bits);
        extend(raw, bits)
    }
}

/// F.2.2.1: `raw` of `bits` bits with its sign.
pub(super) fn extend(raw: i32, bits: u32) -> i32 {
    if raw >> (bits - 1) == 0 {
        raw - (1 << bits) + 1
    } else {
        raw
    }
}

impl<'a> Bits<'a> {
    /// Entropy-coded data from the start of `source`.
    pub(super) fn of(source: &'a [u8]) -> Self {
        Self {
            source,
            next: 0,
            clean: Box::new([0; ROOM + 8]),
            filled: 0,
            end: None,
            low: 0,
            cursor: Cursor::START,
        }
    }

    /// Before this the cursor may be moved over a whole unit.
    pub(super) fn low(&self) -> usize {
        self.low
    }

    pub(super) fn clean(&self) -> &Clean {
        &self.clean
    }

    /// Whether there is anything left. If so, the cursor may be moved over a whole unit.
    #[inline(always)]
    pub(super) fn ready(&mut self) -> bool {
        self.cursor.next < self.low || self.top_up()
    }

    #[cold]
    fn top_up(&mut self) -> bool {
        if self.end.is_none() {
            // The window holds up to eight bytes that were not taken yet.
            let from = self.cursor.next.min(self.filled).saturating_sub(8);
            self.clean.copy_within(from..self.filled, 0);
            self.filled -= from;
            self.cursor.next -= from;
            self.fill();
        }
        let taken = self.cursor.next * 8 - self.cursor.count as usize;
        taken < self.filled * 8
    }

    fn fill(&mut self) {
        let full = ROOM - UNIT_MAX;
        while self.filled < full {
            let rest = &self.source[self.next..];
            let rest = &rest[..rest.len().min(full - self.filled)];
            let plain = memchr(0xff, rest).unwrap_or(rest.len());
            self.clean[self.filled..self.filled + plain].copy_from_slice(&rest[..plain]);
            self.filled += plain;
            self.next += plain;
            match *self.source[self.next..].get(..2).unwrap_or_default() {
                [0xff, 0] => {
                    self.clean[self.filled] = 0xff;
                    self.filled += 1;
                    self.next += 2;
                }
                [0xff, 0xff] => self.next += 1, // fill before a marker
                [0xff, marker @ 0xd0..=0xd7] => self.end = Some(End::Restart(marker)),
                [0xff, marker] => self.end = Some(End::Marker(marker)),
                [_, _] => continue, // the room was filled
                _ if self.source.len() - self.next == 1 && self.source[self.next] != 0xff => {
                    continue;
                }
                _ => self.end = Some(End::Nothing),
            }
            if self.end.is_some() {
                break;
            }
        }
        if self.end.is_some() {
            self.clean[self.filled..].fill(0);
            self.low = self.filled;
        } else {
            self.low = self.filled - UNIT_MAX;
        }
    }

    /// Whether more was taken than there was.
    pub(super) fn overdrawn(&self) -> bool {
        let taken = self.cursor.next * 8 - self.cursor.count as usize;
        self.end.is_some() && taken > self.filled * 8
    }

    /// Whether the data ran out because the picture ends here. At any other marker something is wrong with the data.
    pub(super) fn at_the_end(&self) -> bool {
        matches!(self.end, Some(End::Nothing | End::Marker(0xd9)))
    }

    /// Goes behind the `count`th restart marker from here. `first` is the number of the next one: they count from 0 to 7
    /// and over again, so that one that is missing does not shift the rest of the picture unseen. `Ok(false)` when the
    /// picture ends before.
    pub(super) fn restart(&mut self, first: usize, count: usize) -> Result<bool, Fault> {
        for n in first..first + count {
            match self.marker() {
                End::Restart(marker) if usize::from(marker & 7) == n & 7 => {
                    self.next += 2;
                    self.end = None;
                }
                End::Nothing | End::Marker(0xd9) => return Ok(false),
                _ => return Err(Fault::Damaged("a restart marker is missing")),
            }
        }
        self.filled = 0;
        self.low = 0;
        self.cursor = Cursor::START;
        Ok(true)
    }

    /// Finds the marker behind the data and stays before it.
    fn marker(&mut self) -> End {
        if let Some(end) = self.end {
            return end;
        }
        let end = loop {
            let rest = &self.source[self.next..];
            let Some(at) = memchr(0xff, rest) else {
                self.next = self.source.len();
                break End::Nothing;
            };
            self.next += at;
            match rest.get(at + 1) {
                Some(0) => self.next += 2,
                Some(0xff) => self.next += 1,
                Some(marker @ 0xd0..=0xd7) => break End::Restart(*marker),
                Some(marker) => break End::Marker(*marker),
                None => break End::Nothing,
            }
        };
        self.end = Some(end);
        end
    }

    /// How far the entropy-coded data reaches in the source: to its end, or to the marker that is no restart.
    pub(super) fn length(&mut self) -> usize {
        while let End::Restart(_) = self.marker() {
            self.next += 2;
            self.end = None;
        }
        self.next
    }
}
