//! The forward cosine transform, by Arai, Agui and Nakajima (Trans. IEICE E-71, 1988): it leaves out factors that the
//! quantisation divides by anyway ([`FACTORS`]).

use std::array::from_fn;

/// Eight columns at once, which compilers turn into vector instructions.
type Row = [f32; 8];

/// What a coefficient is too large by, across and down alike, besides 8 for both together.
pub(super) const FACTORS: [f32; 8] = [
    1.0,
    1.387_039_8,
    1.306_563,
    1.175_875_6,
    1.0,
    0.785_694_96,
    0.541_196_1,
    0.275_899_38,
];

/// The coefficients of a block, with rows and columns changed places.
pub(super) fn coefficients(block: &[Row; 8]) -> [Row; 8] {
    pass(&transposed(&pass(block)))
}

fn transposed(block: &[Row; 8]) -> [Row; 8] {
    from_fn(|x| from_fn(|y| block[y][x]))
}

#[inline(always)]
fn add(a: Row, b: Row) -> Row {
    from_fn(|n| a[n] + b[n])
}

#[inline(always)]
fn sub(a: Row, b: Row) -> Row {
    from_fn(|n| a[n] - b[n])
}

#[inline(always)]
fn times(a: Row, factor: f32) -> Row {
    from_fn(|n| a[n] * factor)
}

/// Down each column.
#[inline(always)]
fn pass(d: &[Row; 8]) -> [Row; 8] {
    let (s0, d0) = (add(d[0], d[7]), sub(d[0], d[7]));
    let (s1, d1) = (add(d[1], d[6]), sub(d[1], d[6]));
    let (s2, d2) = (add(d[2], d[5]), sub(d[2], d[5]));
    let (s3, d3) = (add(d[3], d[4]), sub(d[3], d[4]));

    let (a0, a3) = (add(s0, s3), sub(s0, s3));
    let (a1, a2) = (add(s1, s2), sub(s1, s2));
    let turn = times(add(a2, a3), 0.707_106_77);

    let (b0, b1, b2) = (add(d3, d2), add(d2, d1), add(d1, d0));
    let skew = times(sub(b0, b2), 0.382_683_43);
    let z2 = add(times(b0, 0.541_196_1), skew);
    let z4 = add(times(b2, 1.306_563), skew);
    let z3 = times(b1, 0.707_106_77);
    let (z11, z13) = (add(d0, z3), sub(d0, z3));

    [
        add(a0, a1),
        add(z11, z4),
        add(a3, turn),
        sub(z13, z2),
        sub(a0, a1),
        add(z13, z2),
        sub(a3, turn),
        sub(z11, z4),
    ]
}
