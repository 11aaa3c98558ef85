//! The inverse cosine transform (T.81, A.3.3), in whole numbers.
//!
//! It is the factorisation of Loeffler, Ligtenberg and Moschytz (ICASSP 1989) with 13 bits of fraction, rounded where
//! libjpeg's accurate transform rounds, so the pixels are those that most other decoders make of the same picture.

use std::num::Wrapping;

use super::blocks::Block;

/// Wraps: coefficients from a hostile picture may be anything, and it is only their own pixels that become nonsense.
type Number = Wrapping<i32>;

const FRACTION: usize = 13;
/// Bits of fraction that the first pass leaves to the second.
const BETWEEN: usize = 2;

const fn fixed(number: f64) -> Number {
    Wrapping((number * (1 << FRACTION) as f64 + 0.5) as i32)
}

const C0_298: Number = fixed(0.298_631_336);
const C0_390: Number = fixed(0.390_180_644);
const C0_541: Number = fixed(0.541_196_100);
const C0_765: Number = fixed(0.765_366_865);
const C0_899: Number = fixed(0.899_976_223);
const C1_175: Number = fixed(1.175_875_602);
const C1_501: Number = fixed(1.501_321_110);
const C1_847: Number = fixed(1.847_759_065);
const C1_961: Number = fixed(1.961_570_560);
const C2_053: Number = fixed(2.053_119_869);
const C2_562: Number = fixed(2.562_915_447);
const C3_072: Number = fixed(3.072_711_026);

/// The 64 samples of a block.
pub(super) fn samples(block: &Block) -> [u8; 64] {
    if block.flat {
        let value = (Wrapping(block.values[0]) + Wrapping(4)) >> 3;
        return [sample(value); 64];
    }
    let mut columns = [0; 64];
    for x in 0..8 {
        let column: [i32; 8] = std::array::from_fn(|y| block.values[y * 8 + x]);
        if column[1..].iter().all(|value| *value == 0) {
            let value = (Wrapping(column[0]) << BETWEEN).0;
            for y in 0..8 {
                columns[y * 8 + x] = value;
            }
            continue;
        }
        let column = transform(column.map(Wrapping), FRACTION - BETWEEN);
        for y in 0..8 {
            columns[y * 8 + x] = column[y].0;
        }
    }
    let mut samples = [0; 64];
    for (row, out) in columns
        .as_chunks::<8>()
        .0
        .iter()
        .zip(samples.as_chunks_mut::<8>().0)
    {
        *out = transform(row.map(Wrapping), FRACTION + BETWEEN + 3).map(sample);
    }
    samples
}

fn sample(value: Number) -> u8 {
    (value.0.saturating_add(128)).clamp(0, 255) as u8
}

/// One dimension of it, scaled up by the root of 8; `shift` bits of fraction are rounded away.
#[inline(always)]
fn transform(v: [Number; 8], shift: usize) -> [Number; 8] {
    // The even half.
    let z1 = (v[2] + v[6]) * C0_541;
    let t2 = z1 - v[6] * C1_847;
    let t3 = z1 + v[2] * C0_765;
    let t0 = (v[0] + v[4]) << FRACTION;
    let t1 = (v[0] - v[4]) << FRACTION;
    let (e0, e3) = (t0 + t3, t0 - t3);
    let (e1, e2) = (t1 + t2, t1 - t2);

    // The odd half.
    let z5 = (v[7] + v[3] + v[5] + v[1]) * C1_175;
    let z1 = -(v[7] + v[1]) * C0_899;
    let z2 = -(v[5] + v[3]) * C2_562;
    let z3 = z5 - (v[7] + v[3]) * C1_961;
    let z4 = z5 - (v[5] + v[1]) * C0_390;
    let o0 = v[7] * C0_298 + z1 + z3;
    let o1 = v[5] * C2_053 + z2 + z4;
    let o2 = v[3] * C3_072 + z2 + z3;
    let o3 = v[1] * C1_501 + z1 + z4;

    let half = Wrapping(1 << (shift - 1));
    let round = |value: Number| (value + half) >> shift;
    [
        round(e0 + o3),
        round(e1 + o2),
        round(e2 + o1),
        round(e3 + o0),
        round(e3 - o0),
        round(e2 - o1),
        round(e1 - o2),
        round(e0 - o3),
    ]
}
