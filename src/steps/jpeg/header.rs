//! What stands before the first scan: sizes, colours, how the picture is turned (T.81, B.2.2; Exif; JFIF; Adobe TN 5116).

use image::metadata::Orientation;

use super::Fault;
use super::markers::{Markers, Segment};
use crate::event::Size;

/// A sequential picture of 8 bits and one or three colours: what is decoded here.
pub(super) struct Header {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) components: Vec<Component>,
    /// Of all components, the most samples across and down.
    pub(super) h_max: usize,
    pub(super) v_max: usize,
    pub(super) colors: Colors,
    pub(super) orientation: Orientation,
}

/// One colour, with fewer samples than pixels where the eye sees less.
#[derive(Debug, Clone, Copy)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Blocks in each unit of all colours, across and down.
    pub(super) h: usize,
    pub(super) v: usize,
    /// Which quantisation table.
    pub(super) quantisation: usize,
    /// Samples.
    pub(super) width: usize,
    pub(super) height: usize,
}

/// What the components stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colors {
    Grey,
    YCbCr,
    Rgb,
}

/// What tells how three components are to be understood.
#[derive(Default)]
struct Hints {
    jfif: bool,
    adobe: Option<u8>,
}

impl Header {
    /// As stored.
    pub(super) fn size(&self) -> Size {
        let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        Size {
            width: side(self.width),
            height: side(self.height),
        }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        if !bytes.starts_with(&[0xff, 0xd8]) {
            return Err(Fault::Other("no JPEG"));
        }
        let (mut header, mut hints) = (None, Hints::default());
        let mut orientation = None;
        for Segment {
            marker,
            data,
            whole,
            ..
        } in Markers::of(bytes)
        {
            if !whole {
                break;
            }
            match marker {
                0xc0 | 0xc1 if header.is_none() => header = Some(Self::of_frame(data)?),
                0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                    return Err(Fault::Other("not sequential, or not with Huffman codes"));
                }
                0xe0 if data.starts_with(b"JFIF\0") => hints.jfif = true,
                0xe1 => {
                    if let Some(exif) = data.strip_prefix(b"Exif\0\0") {
                        orientation = Orientation::from_exif_chunk(exif);
                    }
                }
                0xee if data.starts_with(b"Adobe") => hints.adobe = data.get(11).copied(),
                0xda => {
                    let mut header = header.ok_or(Fault::Damaged("a scan without a frame"))?;
                    header.colors = hints.colors(&header.components);
                    header.orientation = orientation.unwrap_or(Orientation::NoTransforms);
                    return Ok(header);
                }
                _ => {}
            }
        }
        Err(Fault::Damaged("no scan"))
    }

    fn of_frame(data: &[u8]) -> Result<Self, Fault> {
        let [precision, y1, y0, x1, x0, count, rest @ ..] = data else {
            return Err(Fault::Damaged("the frame is cut off"));
        };
        let width = usize::from(u16::from_be_bytes([*x1, *x0]));
        let height = usize::from(u16::from_be_bytes([*y1, *y0]));
        if *precision != 8 || !matches!(count, 1 | 3) {
            return Err(Fault::Other("not 8 bits, or not one or three colours"));
        }
        if width == 0 || height == 0 {
            return Err(Fault::Other("the height comes later"));
        }
        let rest = rest.get(..usize::from(*count) * 3);
        let mut components: Vec<Component> = rest
            .ok_or(Fault::Damaged("the frame is cut off"))?
            .as_chunks::<3>()
            .0
            .iter()
            .map(|[id, sampling, quantisation]| Component {
                id: *id,
                h: usize::from(sampling >> 4),
                v: usize::from(sampling & 15),
                quantisation: usize::from(*quantisation),
                width: 0,
                height: 0,
            })
            .collect();
        let of_all = |side: fn(&Component) -> usize| components.iter().map(side).max().unwrap_or(1);
        let (h_max, v_max) = (
            of_all(|component| component.h),
            of_all(|component| component.v),
        );
        for component in &mut components {
            let fits = |side: usize, max: usize| matches!(side, 1..=4) && max.is_multiple_of(side);
            if !fits(component.h, h_max) || !fits(component.v, v_max) || component.quantisation > 3
            {
                return Err(Fault::Other("the colours' samples are of an odd number"));
            }
            component.width = (width * component.h).div_ceil(h_max);
            component.height = (height * component.v).div_ceil(v_max);
        }
        Ok(Self {
            width,
            height,
            components,
            h_max,
            v_max,
            colors: Colors::Grey,
            orientation: Orientation::NoTransforms,
        })
    }
}

impl Hints {
    /// In the order in which libjpeg believes them.
    fn colors(&self, components: &[Component]) -> Colors {
        let ids: Vec<u8> = components.iter().map(|component| component.id).collect();
        match (components.len(), self.jfif, self.adobe) {
            (1, ..) => Colors::Grey,
            (_, false, Some(0)) => Colors::Rgb,
            (_, false, None) if ids == *b"RGB" => Colors::Rgb,
            _ => Colors::YCbCr,
        }
    }
}
