//! A part of the picture: a box, and the samples of each colour that its pixels are made of.

use super::header::{Component, Header};
use crate::event::Pixels;

pub(super) struct Part {
    pub(super) area: Area,
    /// One for each component.
    pub(super) planes: Vec<Plane>,
}

/// A box in the picture as stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

/// The samples of one colour, in whole blocks.
pub(super) struct Plane {
    /// The first block, across and down, counted in the whole picture.
    left: usize,
    top: usize,
    /// Blocks.
    wide: usize,
    high: usize,
    samples: Vec<u8>,
}

/// How a colour comes to have a sample for each pixel. As in libjpeg, twice as many are interpolated from the nearest two
/// (or four), any other number is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Growth {
    None,
    Across,
    Down,
    Both,
    Repeat { across: usize, down: usize },
}

/// What a sample of `None` would be.
const GREY: u8 = 128;

impl Growth {
    pub(super) fn of(component: &Component, header: &Header) -> Self {
        let (across, down) = (header.h_max / component.h, header.v_max / component.v);
        match (across, down) {
            (1, 1) => Self::None,
            (1, 2) => Self::Down,
            (2, 1) if component.width > 2 => Self::Across,
            (2, 2) if component.width > 2 => Self::Both,
            _ => Self::Repeat { across, down },
        }
    }

    /// From the first to behind the last sample that these pixels are made of.
    fn samples(self, area: Area, component: &Component) -> ((usize, usize), (usize, usize)) {
        let same = |at: usize, length: usize| (at, at + length);
        let doubled = |at: usize, length: usize| (at.saturating_sub(1) / 2, (at + length) / 2 + 1);
        // Lines are grown by pairs of pixels, and a pair looks to both sides.
        let paired =
            |at: usize, length: usize| ((at / 2).saturating_sub(1), (at + length).div_ceil(2) + 1);
        let repeated = |at: usize, length: usize, by: usize| (at / by, (at + length).div_ceil(by));
        let Area {
            x,
            y,
            width,
            height,
        } = area;
        let (across, down) = match self {
            Self::None => (same(x, width), same(y, height)),
            Self::Across => (paired(x, width), same(y, height)),
            Self::Down => (same(x, width), doubled(y, height)),
            Self::Both => (paired(x, width), doubled(y, height)),
            Self::Repeat { across, down } => {
                (repeated(x, width, across), repeated(y, height, down))
            }
        };
        (
            (across.0, across.1.min(component.width)),
            (down.0, down.1.min(component.height)),
        )
    }
}

impl Part {
    /// `None` when the box does not lie in the picture.
    pub(super) fn new(pixels: Pixels, header: &Header) -> Option<Self> {
        let Pixels {
            x,
            y,
            width,
            height,
        } = pixels;
        let [x, y, width, height] = [x, y, width, height].map(|side| usize::try_from(side).ok());
        let area = Area {
            x: x?,
            y: y?,
            width: width?,
            height: height?,
        };
        let inside = |at: usize, length: usize, side: usize| {
            length > 0 && at.checked_add(length).is_some_and(|end| end <= side)
        };
        if !inside(area.x, area.width, header.width) || !inside(area.y, area.height, header.height)
        {
            return None;
        }
        let plane = |component: &Component| {
            let (across, down) = Growth::of(component, header).samples(area, component);
            let (left, top) = (across.0 / 8, down.0 / 8);
            let (wide, high) = (across.1.div_ceil(8) - left, down.1.div_ceil(8) - top);
            Plane {
                left,
                top,
                wide,
                high,
                samples: vec![GREY; wide * high * 64],
            }
        };
        Some(Self {
            area,
            planes: header.components.iter().map(plane).collect(),
        })
    }
}

impl Plane {
    /// The units of `h` by `v` blocks that have any of it: from the first to behind the last, across and down.
    pub(super) fn units(&self, h: usize, v: usize) -> [usize; 4] {
        [
            self.left / h,
            (self.left + self.wide).div_ceil(h),
            self.top / v,
            (self.top + self.high).div_ceil(v),
        ]
    }

    pub(super) fn holds(&self, x: usize, y: usize) -> bool {
        x.wrapping_sub(self.left) < self.wide && y.wrapping_sub(self.top) < self.high
    }

    /// Puts a block in its place, if it belongs here.
    pub(super) fn put(&mut self, x: usize, y: usize, block: &[u8; 64]) {
        if !self.holds(x, y) {
            return;
        }
        let across = self.wide * 8;
        let from = (y - self.top) * 8 * across + (x - self.left) * 8;
        let rows = self.samples[from..].chunks_mut(across);
        for (row, samples) in rows.zip(block.as_chunks::<8>().0) {
            row[..8].copy_from_slice(samples);
        }
    }

    /// Line `y` of the colour, and the place of its first sample.
    pub(super) fn line(&self, y: usize) -> (usize, &[u8]) {
        let across = self.wide * 8;
        let from = (y - self.top * 8) * across;
        (self.left * 8, &self.samples[from..from + across])
    }
}
