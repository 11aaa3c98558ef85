//! Blocks of 64 coefficients: passed over, or read (T.81, F.2.2).

use std::sync::Arc;

use super::Fault;
use super::bits::{Bits, Clean, Cursor};
use super::huffman::{self, END, Huffman, LOOK, Starts, Strides, bits_of, coefficients_of};

/// Where the coefficients of a block stand that are stored in zigzag order (T.81, figure 5).
#[rustfmt::skip]
pub(super) const ZIGZAG: [u8; 64] = [
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The coefficients of a block in their places, times their quantisation.
pub(super) struct Block {
    pub(super) values: [i32; 64],
    /// Only the first, so that all pixels are alike.
    pub(super) flat: bool,
}

/// How the blocks of one colour are coded in a scan.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) dc: Arc<Huffman>,
    pub(super) ac: Arc<Huffman>,
    starts: Arc<Starts>,
    strides: Arc<Strides>,
}

impl Code {
    pub(super) fn new(dc: Arc<Huffman>, ac: Arc<Huffman>) -> Self {
        Self {
            starts: huffman::starts(&dc, &ac).into(),
            strides: ac.strides().into(),
            dc,
            ac,
        }
    }

    /// Passes over a block; returns by how much its first value differs from that of the block before it.
    #[inline(always)]
    pub(super) fn pass(&self, cursor: &mut Cursor, clean: &Clean) -> Result<i32, Fault> {
        cursor.refill(clean);
        let start = self.starts[cursor.peek(LOOK)];
        let mut coefficients = coefficients_of(start);
        if coefficients >= 64 {
            return self.pass_slowly(cursor, clean);
        }
        let difference = start as i32 >> 16;
        cursor.skip(bits_of(start));
        if start & END != 0 {
            return Ok(difference);
        }
        // A start and a stride, or two strides, are what one refill is good for.
        loop {
            let stride = u32::from(self.strides[cursor.peek(LOOK)]);
            if coefficients + coefficients_of(stride) >= 64 {
                break;
            }
            coefficients += coefficients_of(stride);
            cursor.skip(bits_of(stride));
            if stride & END != 0 {
                return Ok(difference);
            }
            cursor.refill(clean);
            let stride = u32::from(self.strides[cursor.peek(LOOK)]);
            if coefficients + coefficients_of(stride) >= 64 {
                break;
            }
            coefficients += coefficients_of(stride);
            cursor.skip(bits_of(stride));
            if stride & END != 0 {
                return Ok(difference);
            }
        }
        self.pass_rest(cursor, clean, coefficients)?;
        Ok(difference)
    }

    #[cold]
    #[inline(never)]
    fn pass_slowly(&self, cursor: &mut Cursor, clean: &Clean) -> Result<i32, Fault> {
        let difference = self.first(cursor)?;
        self.pass_rest(cursor, clean, 1)?;
        Ok(difference)
    }

    /// Goes on behind so many coefficients, code by code.
    #[cold]
    #[inline(never)]
    fn pass_rest(&self, cursor: &mut Cursor, clean: &Clean, mut at: u32) -> Result<(), Fault> {
        while at < 64 {
            cursor.refill(clean);
            let symbol = self.ac.symbol(cursor)?;
            let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 && run != 15 {
                return Ok(());
            }
            at += run + 1;
            cursor.skip(size);
        }
        if at > 64 { Err(OVERFULL) } else { Ok(()) }
    }

    #[inline(always)]
    fn first(&self, cursor: &mut Cursor) -> Result<i32, Fault> {
        let size = self.dc.symbol(cursor)?;
        if size > 15 {
            return Err(Fault::Damaged("a difference is too large"));
        }
        Ok(cursor.value(u32::from(size)))
    }

    /// Reads a block. `before` is the first value of the block before it, and then of this one.
    pub(super) fn read(
        &self,
        cursor: &mut Cursor,
        clean: &Clean,
        before: &mut i32,
        quantisation: &[u16; 64],
    ) -> Result<Block, Fault> {
        let mut values = [0; 64];
        cursor.refill(clean);
        *before = before.wrapping_add(self.first(cursor)?);
        values[0] = i32::from(*before as i16) * i32::from(quantisation[0]);
        let mut at = 1;
        let mut flat = true;
        while at < 64 {
            cursor.refill(clean);
            let symbol = self.ac.symbol(cursor)?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 {
                if run != 15 {
                    break;
                }
                at += 16;
                continue;
            }
            at += run;
            let Some(place) = ZIGZAG.get(at) else {
                return Err(OVERFULL);
            };
            let value = cursor.value(size);
            values[usize::from(*place) & 63] = value * i32::from(quantisation[at & 63]);
            flat = false;
            at += 1;
        }
        if at > 64 {
            return Err(OVERFULL);
        }
        Ok(Block { values, flat })
    }
}

/// Passes over units (MCUs) of these blocks, each with the place of its colour in `before`, the first values of the
/// blocks before. Returns how many there were: fewer than `units` when the data ran out.
pub(super) fn pass(
    bits: &mut Bits<'_>,
    unit: &[(usize, &Code)],
    units: usize,
    before: &mut [i32; 3],
) -> Result<usize, Fault> {
    for passed in 0..units {
        if !bits.ready() {
            return Ok(passed);
        }
        let mut cursor = bits.cursor;
        for (color, code) in unit {
            let difference = code.pass(&mut cursor, bits.clean())?;
            before[color % 3] = before[color % 3].wrapping_add(difference);
        }
        bits.cursor = cursor;
    }
    Ok(units)
}

const OVERFULL: Fault = Fault::Damaged("a block has more than 64 coefficients");
