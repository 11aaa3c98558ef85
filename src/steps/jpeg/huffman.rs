//! Huffman tables (T.81, C and F.2.2.3), laid out for looking up many bits at once.
//!
//! A table answers for the next eleven bits what code they begin with. For what is only passed over it answers more: how
//! far all the codes reach that end within these bits, together with their values, and how many coefficients that is; that
//! is two or three codes in a look, and the end of the block counts as one of them. Longer codes, first values that do not
//! fit and the last of 64 coefficients are left to the slow way. More bits make fewer looks, but the tables of a picture
//! must stay in the processor's first cache and be made for each picture anew: with twelve it was not faster.

use super::Fault;
use super::bits::{Cursor, extend};

/// How many bits are looked up at once.
pub(super) const LOOK: u32 = 11;
pub(super) const ENTRIES: usize = 1 << LOOK;

/// Says of an entry: this goes the slow way. As many coefficients fit into no block.
const SLOW: u32 = 64 << 5;

/// An entry that ends its block.
pub(super) const END: u32 = 1 << 15;

/// What the next bits decode to when they are only passed over: `bits | coefficients << 5 | END`, or [`SLOW`]; at the start
/// of a block, whose first value is needed, with that value in the upper half.
pub(super) type Entries = [u32; ENTRIES];

/// How many bits an entry takes.
#[inline(always)]
pub(super) fn bits_of(entry: u32) -> u32 {
    entry & 31
}

/// How many coefficients; 64 and more for those that must be decoded one by one.
#[inline(always)]
pub(super) fn coefficients_of(entry: u32) -> u32 {
    (entry >> 5) & 127
}

/// How much more the first value is than that of the block before.
#[inline(always)]
pub(super) fn difference_of(entry: u32) -> i32 {
    entry as i32 >> 16
}

/// One table, for the first value of blocks (DC) or for the others (AC).
pub(super) struct Huffman {
    /// For each start: `symbol << 8 | length`, or 0 when the code is longer than that.
    single: Box<[u16; ENTRIES]>,
    /// The first number that is no code of this length any more, moved to the top of 16 bits.
    limits: [u32; 17],
    /// What to add to a code to have the place of its symbol, by length.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

impl Huffman {
    /// `counts` of codes by length from 1 to 16, and what they stand for. No code may begin with another or be all ones.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Self, Fault> {
        const WRONG: Fault = Fault::Damaged("a Huffman table is wrong");
        let all: usize = counts.iter().copied().map(usize::from).sum();
        if all > 256 || all != symbols.len() {
            return Err(WRONG);
        }
        let mut table = Self {
            single: Box::new([0; ENTRIES]),
            limits: [0; 17],
            offsets: [0; 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut place) = (0_usize, 0_usize);
        for length in 1..=16_usize {
            let count = usize::from(counts[length - 1]);
            table.offsets[length] = place as i32 - code as i32;
            if code + count > 1 << length {
                return Err(WRONG);
            }
            for symbol in &symbols[place..place + count] {
                if length <= LOOK as usize {
                    let spread = LOOK as usize - length;
                    let entry = u16::from(*symbol) << 8 | length as u16;
                    table.single[code << spread..(code + 1) << spread].fill(entry);
                }
                code += 1;
            }
            place += count;
            table.limits[length] = (code << (16 - length)) as u32;
            code <<= 1;
        }
        Ok(table)
    }

    /// The next symbol. Needs 16 valid bits.
    #[inline(always)]
    pub(super) fn symbol(&self, cursor: &mut Cursor) -> Result<u8, Fault> {
        let entry = self.single[cursor.peek(LOOK)];
        if entry == 0 {
            return self.long_symbol(cursor);
        }
        cursor.skip(u32::from(entry & 0xff));
        Ok((entry >> 8) as u8)
    }

    #[cold]
    fn long_symbol(&self, cursor: &mut Cursor) -> Result<u8, Fault> {
        let next = cursor.peek(16);
        for length in LOOK as usize + 1..=16 {
            if (next as u32) < self.limits[length] {
                let place = (next >> (16 - length)) as i32 + self.offsets[length];
                let symbol = usize::try_from(place)
                    .ok()
                    .and_then(|place| self.symbols.get(place));
                cursor.skip(length as u32);
                return symbol.copied().ok_or(UNKNOWN);
            }
        }
        Err(UNKNOWN)
    }

    /// Length and symbol of the code that `bits` (as many as are looked up) begin with, if it ends within `valid` of them.
    fn within(&self, bits: usize, valid: u32) -> Option<(u32, u8)> {
        let entry = self.single[bits % ENTRIES];
        let length = u32::from(entry & 0xff);
        (length != 0 && length <= valid).then_some((length, (entry >> 8) as u8))
    }

    /// For the values behind the first.
    pub(super) fn strides(&self, entries: &mut Entries) {
        for (start, entry) in entries.iter_mut().enumerate() {
            let (bits, coefficients, end) = self.stride(start, 0);
            *entry = if bits == 0 {
                SLOW
            } else {
                bits | coefficients << 5 | end
            };
        }
    }

    /// As far as codes reach that end within `start`, of which `bits` are taken already.
    #[inline]
    fn stride(&self, start: usize, mut bits: u32) -> (u32, u32, u32) {
        let mut coefficients = 0;
        while bits < LOOK {
            let Some((length, symbol)) = self.within(start << bits, LOOK - bits) else {
                break;
            };
            let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 && run != 15 {
                return (bits + length, coefficients, END);
            }
            if coefficients + run + 1 > 62 {
                break;
            }
            coefficients += run + 1;
            bits += length + size;
        }
        (bits, coefficients, 0)
    }
}

/// For whole blocks, of which `dc` decodes the first value and `ac` the others.
pub(super) fn starts(dc: &Huffman, ac: &Huffman, entries: &mut Entries) {
    for (start, entry) in entries.iter_mut().enumerate() {
        *entry = start_of(dc, ac, start).unwrap_or(SLOW);
    }
}

#[inline]
fn start_of(dc: &Huffman, ac: &Huffman, start: usize) -> Option<u32> {
    let (length, symbol) = dc.within(start, LOOK)?;
    let size = u32::from(symbol);
    let taken = length + size;
    if taken > LOOK {
        return None;
    }
    let value = if size == 0 {
        0
    } else {
        let raw = (start >> (LOOK - taken)) & ((1 << size) - 1);
        extend(raw as i32, size)
    };
    let (bits, coefficients, end) = ac.stride(start, taken);
    Some((value as u32) << 16 | bits | (coefficients + 1) << 5 | end)
}

const UNKNOWN: Fault = Fault::Damaged("a code stands for nothing");
