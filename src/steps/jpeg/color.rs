//! From samples to pixels (T.81, A.1.1; T.871, 7; rounded as libjpeg rounds).

use image::{DynamicImage, GrayImage, RgbImage};

use super::header::{Colors, Component, Header};
use super::part::{Growth, Part, Plane};

/// The pixels of a part whose planes are filled.
pub(super) fn picture(part: &Part, header: &Header) -> Option<DynamicImage> {
    let area = part.area;
    let (width, height) = (
        u32::try_from(area.width).ok()?,
        u32::try_from(area.height).ok()?,
    );
    let mut lines: Vec<Lines<'_>> = part
        .planes
        .iter()
        .zip(&header.components)
        .map(|(plane, component)| Lines {
            plane,
            component,
            growth: Growth::of(component, header),
            sums: Vec::new(),
            grown: Vec::new(),
        })
        .collect();
    match (header.colors, &mut lines[..]) {
        (Colors::Grey, [grey]) => {
            let mut pixels = Vec::with_capacity(area.width * area.height);
            for y in area.y..area.y + area.height {
                pixels.extend_from_slice(grey.line(y, area.x, area.width));
            }
            Some(GrayImage::from_raw(width, height, pixels)?.into())
        }
        (colors, [a, b, c]) => {
            let mut pixels = vec![0; area.width * area.height * 3];
            for (y, out) in (area.y..).zip(pixels.chunks_exact_mut(area.width * 3)) {
                let a = a.line(y, area.x, area.width);
                let b = b.line(y, area.x, area.width);
                let c = c.line(y, area.x, area.width);
                let samples = a.iter().zip(b).zip(c);
                let pixels = out.as_chunks_mut::<3>().0.iter_mut();
                if colors == Colors::Rgb {
                    for (out, ((a, b), c)) in pixels.zip(samples) {
                        *out = [*a, *b, *c];
                    }
                } else {
                    for (out, ((y, cb), cr)) in pixels.zip(samples) {
                        *out = rgb(*y, *cb, *cr);
                    }
                }
            }
            Some(RgbImage::from_raw(width, height, pixels)?.into())
        }
        _ => None,
    }
}

/// T.871, 7, in 16 bits of fraction.
#[inline(always)]
fn rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    const HALF: i32 = 1 << 15;
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    [
        y + ((91_881 * cr + HALF) >> 16),
        y + ((-22_554 * cb - 46_802 * cr + HALF) >> 16),
        y + ((116_130 * cb + HALF) >> 16),
    ]
    .map(|value| value.clamp(0, 255) as u8)
}

/// The lines of one colour, as many samples as pixels.
struct Lines<'a> {
    plane: &'a Plane,
    component: &'a Component,
    growth: Growth,
    /// One line of samples, or two added up, with a neighbour at each end.
    sums: Vec<u16>,
    grown: Vec<u8>,
}

impl<'a> Lines<'a> {
    /// Pixels `x..x + width` of line `y`.
    fn line(&mut self, y: usize, x: usize, width: usize) -> &[u8] {
        self.grown.clear();
        match self.growth {
            Growth::None => {
                let (left, line) = self.plane.line(y);
                return &line[x - left..x - left + width];
            }
            Growth::Across => {
                let (left, line) = self.plane.line(y);
                let sums = |from: usize, to: usize| {
                    line[from - left..to - left]
                        .iter()
                        .map(|sample| u16::from(*sample))
                };
                return self.doubled(x, width, sums, [1, 2], 2);
            }
            Growth::Both => {
                let (left, near, far) = self.two(y);
                let sums = |from: usize, to: usize| {
                    let near = near[from - left..to - left].iter();
                    near.zip(&far[from - left..to - left])
                        .map(|(near, far)| weigh(*near, *far))
                };
                return self.doubled(x, width, sums, [8, 7], 4);
            }
            Growth::Down => {
                let (left, near, far) = self.two(y);
                let bias = if y.is_multiple_of(2) { 1 } else { 2 };
                let line = near[x - left..].iter().zip(&far[x - left..]).take(width);
                self.grown
                    .extend(line.map(|(near, far)| ((weigh(*near, *far) + bias) >> 2) as u8));
            }
            Growth::Repeat { across, down } => {
                let (left, line) = self.plane.line(y / down);
                self.grown
                    .extend((x..x + width).map(|x| line[x / across - left]));
            }
        }
        &self.grown
    }

    /// The place of the first sample, the line of samples that line `y` of pixels lies in, and the one it is next to.
    fn two(&self, y: usize) -> (usize, &'a [u8], &'a [u8]) {
        let near = y / 2;
        let far = if y.is_multiple_of(2) {
            near.saturating_sub(1)
        } else {
            (near + 1).min(self.component.height - 1)
        };
        let (left, line) = self.plane.line(near);
        (left, line, self.plane.line(far).1)
    }

    /// Twice as many: each three parts of the sample it lies in, one part of the sample it is next to.
    fn doubled<I: Iterator<Item = u16>>(
        &mut self,
        x: usize,
        width: usize,
        sums: impl Fn(usize, usize) -> I,
        bias: [u16; 2],
        shift: u32,
    ) -> &[u8] {
        let (first, end) = (x / 2, (x + width).div_ceil(2));
        let last = self.component.width;
        self.sums.clear();
        if first == 0 {
            self.sums.extend(sums(0, 1)); // beside the edge it is next to itself
        }
        self.sums
            .extend(sums(first.saturating_sub(1), (end + 1).min(last)));
        if end == last {
            self.sums.extend(sums(last - 1, last));
        }
        self.grown.resize((end - first) * 2, 0);
        for (pair, window) in self
            .grown
            .as_chunks_mut()
            .0
            .iter_mut()
            .zip(self.sums.windows(3))
        {
            let own = 3 * window[1];
            *pair = [
                ((own + window[0] + bias[0]) >> shift) as u8,
                ((own + window[2] + bias[1]) >> shift) as u8,
            ];
        }
        &self.grown[x - first * 2..][..width]
    }
}

fn weigh(near: u8, far: u8) -> u16 {
    3 * u16::from(near) + u16::from(far)
}
