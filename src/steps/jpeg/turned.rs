//! Boxes in pictures that are stored lying on their side or mirrored: the EXIF orientation says how to turn them for display,
//! and boxes count in what is displayed.

use image::metadata::Orientation;

use crate::event::{Pixels, Size};

/// Whether width and height change places.
pub(in crate::steps) fn turns_sideways(orientation: Orientation) -> bool {
    match orientation {
        Orientation::NoTransforms
        | Orientation::Rotate180
        | Orientation::FlipHorizontal
        | Orientation::FlipVertical => false,
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => true,
    }
}

/// The size for display of a picture stored in `size`.
pub(super) fn displayed(size: Size, orientation: Orientation) -> Size {
    if turns_sideways(orientation) {
        Size {
            width: size.height,
            height: size.width,
        }
    } else {
        size
    }
}

/// Where a box of the displayed picture lies in the one stored in `size`; `None` when that is outside.
pub(super) fn stored(shown: Pixels, size: Size, orientation: Orientation) -> Option<Pixels> {
    let from_the_end = |side: u32, at: u32, length: u32| side.checked_sub(at.checked_add(length)?);
    let Pixels {
        x,
        y,
        width,
        height,
    } = shown;
    let (width, height, x, y) = if turns_sideways(orientation) {
        (height, width, y, x)
    } else {
        (width, height, x, y)
    };
    let mirrored_x = || from_the_end(size.width, x, width);
    let mirrored_y = || from_the_end(size.height, y, height);
    let (x, y) = match orientation {
        Orientation::NoTransforms | Orientation::Rotate90FlipH => (x, y),
        Orientation::Rotate180 | Orientation::Rotate270FlipH => (mirrored_x()?, mirrored_y()?),
        Orientation::FlipHorizontal | Orientation::Rotate270 => (mirrored_x()?, y),
        Orientation::FlipVertical | Orientation::Rotate90 => (x, mirrored_y()?),
    };
    Some(Pixels {
        x,
        y,
        width,
        height,
    })
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, RgbImage};

    use super::*;

    #[test]
    fn a_box_is_found_however_the_picture_was_turned() {
        let colors = |x, y| image::Rgb([u8::try_from(x).unwrap(), u8::try_from(y).unwrap(), 0]);
        let picture = DynamicImage::from(RgbImage::from_fn(13, 7, colors));
        let size = Size {
            width: 13,
            height: 7,
        };
        for exif in 1..=8 {
            let orientation = Orientation::from_exif(exif).unwrap();
            let mut turned = picture.clone();
            turned.apply_orientation(orientation);
            let shown = Pixels {
                x: 1,
                y: 2,
                width: 4,
                height: 3,
            };
            assert_eq!(displayed(size, orientation).width, turned.width());

            let Pixels {
                x,
                y,
                width,
                height,
            } = stored(shown, size, orientation).unwrap();
            let mut part = picture.crop_imm(x, y, width, height);
            part.apply_orientation(orientation);
            assert_eq!(part, turned.crop_imm(1, 2, 4, 3), "{orientation:?}");
        }
    }
}
