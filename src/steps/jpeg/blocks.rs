//! Blocks of 64 coefficients: passed over, or read (T.81, F.2.2).

use std::sync::Arc;

use super::Fault;
use super::bits::{Clean, Cursor};
use super::huffman::{END, Huffman, bits_of, coefficients_of, difference_of};

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
}

impl Code {
    /// Passes over a block; returns by how much its first value differs from that of the block before it.
    pub(super) fn pass(&self, cursor: &mut Cursor, clean: &Clean) -> Result<i32, Fault> {
        cursor.refill(clean);
        let mut entry = self.start(*cursor)?;
        let difference = difference_of(entry);
        let mut coefficients = 1;
        loop {
            cursor.skip(bits_of(entry));
            if entry & END != 0 {
                return Ok(difference);
            }
            cursor.refill(clean);
            entry = self.stride(*cursor, coefficients)?;
            coefficients += coefficients_of(entry);
        }
    }

    /// The first code of a block with its value, as an entry of a table would tell it. Needs 31 valid bits.
    pub(super) fn start(&self, mut cursor: Cursor) -> Result<u32, Fault> {
        let before = cursor;
        let difference = self.first(&mut cursor)?;
        Ok((difference as u32) << 16 | 1 << 5 | cursor.since(before))
    }

    /// The same for a code behind so many coefficients.
    pub(super) fn stride(&self, mut cursor: Cursor, coefficients: u32) -> Result<u32, Fault> {
        let before = cursor;
        let symbol = self.ac.symbol(&mut cursor)?;
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        if size == 0 && run != 15 {
            return Ok(END | cursor.since(before));
        }
        let end = match coefficients + run + 1 {
            ..64 => 0,
            64 => END,
            _ => return Err(OVERFULL),
        };
        Ok(end | (run + 1) << 5 | (cursor.since(before) + size))
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

const OVERFULL: Fault = Fault::Damaged("a block has more than 64 coefficients");
