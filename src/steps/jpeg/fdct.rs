//! The forward cosine transform, by Arai, Agui and Nakajima (Trans. IEICE E-71, 1988): it leaves out factors that the
//! quantisation divides by anyway ([`FACTORS`]).

use wide::f32x4;

/// A row of a block, in halves: the eight rows of one half are what the registers of every 64-bit processor hold.
pub(super) type Row = [f32x4; 2];

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
#[inline(always)]
pub(super) fn coefficients(b: &[Row; 8]) -> [Row; 8] {
    // Written out, since arrays of registers that go through closures end up in memory.
    let l = pass([
        b[0][0], b[1][0], b[2][0], b[3][0], b[4][0], b[5][0], b[6][0], b[7][0],
    ]);
    let r = pass([
        b[0][1], b[1][1], b[2][1], b[3][1], b[4][1], b[5][1], b[6][1], b[7][1],
    ]);
    let left = |top: usize| f32x4::transpose([l[top], l[top + 1], l[top + 2], l[top + 3]]);
    let right = |top: usize| f32x4::transpose([r[top], r[top + 1], r[top + 2], r[top + 3]]);
    let half =
        |a: [f32x4; 4], b: [f32x4; 4]| pass([a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]]);
    let (u, d) = (half(left(0), right(0)), half(left(4), right(4)));
    [
        [u[0], d[0]],
        [u[1], d[1]],
        [u[2], d[2]],
        [u[3], d[3]],
        [u[4], d[4]],
        [u[5], d[5]],
        [u[6], d[6]],
        [u[7], d[7]],
    ]
}

/// Down each of four columns.
#[inline(always)]
fn pass(d: [f32x4; 8]) -> [f32x4; 8] {
    let (s0, d0) = (d[0] + d[7], d[0] - d[7]);
    let (s1, d1) = (d[1] + d[6], d[1] - d[6]);
    let (s2, d2) = (d[2] + d[5], d[2] - d[5]);
    let (s3, d3) = (d[3] + d[4], d[3] - d[4]);

    let (a0, a3) = (s0 + s3, s0 - s3);
    let (a1, a2) = (s1 + s2, s1 - s2);
    let turn = (a2 + a3) * 0.707_106_77;

    let (b0, b1, b2) = (d3 + d2, d2 + d1, d1 + d0);
    let skew = (b0 - b2) * 0.382_683_43;
    let z2 = b0 * 0.541_196_1 + skew;
    let z4 = b2 * 1.306_563 + skew;
    let z3 = b1 * 0.707_106_77;
    let (z11, z13) = (d0 + z3, d0 - z3);

    [
        a0 + a1,
        z11 + z4,
        a3 + turn,
        z13 - z2,
        a0 - a1,
        z13 + z2,
        a3 - turn,
        z11 - z4,
    ]
}
