//! Parts of a JPEG, without decoding all of it; and writing one.
//!
//! A plate is a hundredth of a camera's picture, yet a decoder makes all of its pixels. What cannot be avoided is the
//! entropy coding: where a block begins is known only when the one before it has been passed, and its first value counts
//! from that one. So this decoder passes over all blocks up to the box, looking up several codes at once and keeping
//! nothing but the first values ([`huffman`], [`track`]), transforms and colours only the blocks of the box with the
//! neighbours that interpolation looks at ([`idct`], [`part`], [`color`]), and stops behind its last line. Where the
//! camera writes restart markers, it leaps from marker to marker instead ([`bits`]). All boxes of a picture are served in
//! one walk ([`scan`]).
//!
//! It reads sequential pictures with Huffman codes, 8 bits, one or three colours, in one scan or several, by ITU-T T.81
//! (read 2026-11-21); that is what cameras send. Anything else, and whatever looks damaged, is a [`Fault`], and the caller
//! turns to the decoder for everything. Pixels are those that libjpeg makes, to the bit, so that it does not matter who
//! decoded. A picture that ends early has grey in place of what is missing, as libjpeg has it.

mod bits;
mod blocks;
mod color;
mod condition;
mod fdct;
mod header;
mod huffman;
mod idct;
mod markers;
mod part;
mod probe;
mod scan;
mod standard;
mod tables;
#[cfg(test)]
mod tests;
mod track;
mod turned;
mod write;

use image::DynamicImage;

pub(super) use condition::{breaks_off, is_scattered};
pub(crate) use probe::try_jpeg;
pub(super) use turned::turns_sideways;
pub(super) use write::{Pixmap, write};

use crate::event::{Pixels, Size};
use header::{Component, Header};
use markers::Markers;
use part::Part;
use scan::Scan;
use tables::Tables;

/// Why a picture, or a part of it, is not decoded here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("another kind of JPEG: {0}")]
    Other(&'static str),
    #[error("a damaged JPEG: {0}")]
    Damaged(&'static str),
    #[error("the box lies outside of the picture")]
    Outside,
}

/// A JPEG that can be decoded in parts.
pub(super) struct Jpeg<'a> {
    bytes: &'a [u8],
    header: Header,
}

/// What was decoded.
pub(super) struct Parts {
    /// One for each box.
    pub(super) pictures: Vec<DynamicImage>,
    /// Whether the picture ended before all of them were there.
    pub(super) missing: bool,
}

impl<'a> Jpeg<'a> {
    /// Looks at the header only.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, Fault> {
        let header = Header::read(bytes)?;
        Ok(Self { bytes, header })
    }

    /// As displayed.
    pub(super) fn size(&self) -> Size {
        turned::displayed(self.header.size(), self.header.orientation)
    }

    /// Bytes that it takes to decode all of it.
    pub(super) fn bytes(&self) -> u64 {
        let samples = |component: &Component| component.width as u64 * component.height as u64;
        let pixels = self.header.width as u64 * self.header.height as u64;
        let components = &self.header.components;
        pixels * components.len() as u64 + components.iter().map(samples).sum::<u64>()
    }

    /// Decodes all of it, which only pays where no other decoder does it right.
    pub(super) fn whole(&self) -> Result<Parts, Fault> {
        let Size { width, height } = self.size();
        let all = Pixels {
            x: 0,
            y: 0,
            width,
            height,
        };
        self.parts(&[all])
    }

    /// Decodes what lies in these boxes of the picture as displayed. It takes memory for them alone.
    pub(super) fn parts(&self, boxes: &[Pixels]) -> Result<Parts, Fault> {
        let header = &self.header;
        let part = |pixels: &Pixels| {
            let stored = turned::stored(*pixels, header.size(), header.orientation)?;
            Part::new(stored, header)
        };
        let parts = boxes.iter().map(part).collect::<Option<Vec<_>>>();
        let mut parts = parts.ok_or(Fault::Outside)?;
        let missing = !self.fill(&mut parts)?;
        let picture = |part: &Part| {
            let mut picture = color::picture(part, header)?;
            picture.apply_orientation(header.orientation);
            Some(picture)
        };
        let pictures = parts.iter().map(picture).collect::<Option<_>>();
        Ok(Parts {
            pictures: pictures.ok_or(Fault::Outside)?,
            missing,
        })
    }

    /// Returns whether all of them was there.
    fn fill(&self, parts: &mut [Part]) -> Result<bool, Fault> {
        let mut tables = Tables::new();
        let mut wanted: Vec<usize> = (0..self.header.components.len()).collect();
        let mut markers = Markers::of(self.bytes);
        while let Some(segment) = markers.next() {
            if !segment.whole {
                break;
            }
            if segment.marker != 0xda {
                tables.take(segment.marker, segment.data)?;
                continue;
            }
            let scan = Scan::new(segment.data, &self.header, &tables)?;
            for component in scan.components() {
                // Once each: otherwise the time would be that of the scans, which may be many, times the picture.
                let again = Fault::Damaged("a colour comes twice");
                let place = wanted.iter().position(|wanted| *wanted == component);
                wanted.swap_remove(place.ok_or(again)?);
            }
            let data = &self.bytes[segment.end..];
            let (all, length) = scan.fill(data, parts, !wanted.is_empty())?;
            if wanted.is_empty() || !all {
                return Ok(all);
            }
            markers.go_on_at(segment.end + length);
        }
        Ok(false)
    }
}
