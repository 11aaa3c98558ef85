//! The fast way over blocks that nobody wants.
//!
//! Whether a look at the next bits ended the block is a toss of a coin, and a processor that guesses wrong loses more time
//! than the look takes. So there is no branch on it: what is looked up next, and in which table, is selected by arithmetic,
//! and one loop runs over codes, blocks and units alike. What does not happen often (a code that is not in the tables, the
//! end of the data at hand) leaves the loop.

use std::hint::select_unpredictable;

use super::Fault;
use super::bits::{Bits, Cursor};
use super::blocks::Code;
use super::huffman::{self, END, ENTRIES, LOOK, bits_of, coefficients_of, difference_of};

/// Tables for three colours, and room up to a power of two.
const TABLES: usize = 8;

/// Blocks in a unit, at most ten, up to a power of two.
const BLOCKS: usize = 16;

/// The tables of a scan, and the order of the blocks in its units.
pub(super) struct Track {
    tables: Box<[u32; TABLES * ENTRIES]>,
    steps: [Step; BLOCKS],
    codes: Vec<Code>,
}

/// One block of a unit, in one register: it is needed at once what comes next and what after that.
#[derive(Clone, Copy, Default)]
struct Step(u32);

impl Step {
    /// Block `at` of a unit, of the scan's `color`. `rest` is the table for the rest of this block, `then` the one for the
    /// start of the next.
    fn new(at: usize, color: usize, next: usize, rest: usize, then: usize) -> Self {
        Self((at << 16 | color << 12 | next << 8 | rest << 4 | then) as u32)
    }

    fn at(self) -> usize {
        (self.0 >> 16) as usize
    }

    fn color(self) -> usize {
        (self.0 >> 12 & 3) as usize
    }

    fn next(self) -> usize {
        (self.0 >> 8) as usize % BLOCKS
    }

    fn rest(self) -> u32 {
        self.0 >> 4 & 7
    }

    fn then(self) -> u32 {
        self.0 & 7
    }
}

/// How far a run came.
struct Runner {
    cursor: Cursor,
    /// The block that is passed, and how many of its coefficients were.
    step: Step,
    coefficients: u32,
    /// Blocks to go.
    left: usize,
}

impl Track {
    /// For each block of a unit its colour, and the place of its code among `codes`, at most three.
    pub(super) fn new(codes: Vec<Code>, unit: &[(usize, usize)]) -> Self {
        let mut tables = vec![0; TABLES * ENTRIES];
        for (code, tables) in codes.iter().zip(tables.chunks_exact_mut(2 * ENTRIES)) {
            let (starts, strides) = tables.split_at_mut(ENTRIES);
            if let (Some(starts), Some(strides)) =
                (starts.first_chunk_mut(), strides.first_chunk_mut())
            {
                huffman::starts(&code.dc, &code.ac, starts);
                code.ac.strides(strides);
            }
        }
        let mut steps = [Step::default(); BLOCKS];
        for (at, step) in steps.iter_mut().take(unit.len()).enumerate() {
            let next = (at + 1) % unit.len();
            let (color, code) = unit[at];
            *step = Step::new(at, color, next, code * 2 + 1, unit[next].1 * 2);
        }
        Self {
            tables: tables.try_into().expect("as many as were asked for"),
            steps,
            codes,
        }
    }

    /// Passes over units of `blocks` blocks. `before` has the first values of the blocks before, by colour. Returns how many
    /// there were: fewer than `units` when the data ran out.
    pub(super) fn pass(
        &self,
        bits: &mut Bits<'_>,
        blocks: usize,
        units: usize,
        before: &mut [i32; 4],
    ) -> Result<usize, Fault> {
        let mut runner = Runner {
            cursor: bits.cursor,
            step: self.steps[0],
            coefficients: 0,
            left: units * blocks,
        };
        while runner.left > 0 {
            bits.cursor = runner.cursor;
            if !bits.ready() {
                break;
            }
            runner.cursor = bits.cursor;
            let left = runner.left;
            self.run(bits, &mut runner, before)?;
            let begun = runner.step.at() > 0 || runner.coefficients > 0;
            if begun || runner.left == left {
                self.complete(bits, &mut runner, before)?;
            }
        }
        bits.cursor = runner.cursor;
        Ok(units - runner.left / blocks)
    }

    /// Until little of the data at hand is left.
    fn run(
        &self,
        bits: &Bits<'_>,
        runner: &mut Runner,
        before: &mut [i32; 4],
    ) -> Result<(), Fault> {
        let (clean, low) = (bits.clean(), bits.low());
        let Runner {
            mut cursor,
            mut step,
            mut coefficients,
            mut left,
        } = *runner;
        let mut next = self.steps[step.next()];
        let mut table = step.rest() & !1;
        while left > 0 && cursor.next < low {
            cursor.refill(clean);
            // Two looks are what one refill is good for.
            for _ in 0..2 {
                let base = table as usize % TABLES * ENTRIES;
                let mut entry = self.tables[base | cursor.peek(LOOK)];
                let mut sum = coefficients + coefficients_of(entry);
                if sum >= 64 {
                    cursor.refill(clean);
                    entry = self.slowly(cursor, step, coefficients)?;
                    cursor.skip(bits_of(entry));
                    cursor.refill(clean);
                    sum = coefficients + coefficients_of(entry);
                    entry &= !31;
                }
                cursor.skip(bits_of(entry));
                let value = &mut before[step.color()];
                *value = value.wrapping_add(difference_of(entry));
                let ended = entry & END != 0;
                let after = self.steps[next.next()];
                table = select_unpredictable(ended, step.then(), step.rest());
                step = select_unpredictable(ended, next, step);
                next = select_unpredictable(ended, after, next);
                coefficients = select_unpredictable(ended, 0, sum);
                left -= usize::from(ended);
                if left == 0 {
                    break;
                }
            }
        }
        *runner = Runner {
            cursor,
            step,
            coefficients,
            left,
        };
        Ok(())
    }

    /// The entry that the tables lack, of one code only. Needs 31 valid bits.
    #[cold]
    #[inline(never)]
    fn slowly(&self, cursor: Cursor, step: Step, coefficients: u32) -> Result<u32, Fault> {
        let code = &self.codes[step.rest() as usize / 2];
        if coefficients == 0 {
            code.start(cursor)
        } else {
            code.stride(cursor, coefficients)
        }
    }

    /// The rest of the unit.
    fn complete(
        &self,
        bits: &Bits<'_>,
        runner: &mut Runner,
        before: &mut [i32; 4],
    ) -> Result<(), Fault> {
        loop {
            runner.cursor.refill(bits.clean());
            let step = runner.step;
            let entry = self.slowly(runner.cursor, step, runner.coefficients)?;
            runner.cursor.skip(bits_of(entry));
            let value = &mut before[step.color()];
            *value = value.wrapping_add(difference_of(entry));
            runner.coefficients += coefficients_of(entry);
            if entry & END != 0 {
                runner.coefficients = 0;
                runner.step = self.steps[step.next()];
                runner.left -= 1;
                if step.next() == 0 {
                    return Ok(());
                }
            }
        }
    }
}
