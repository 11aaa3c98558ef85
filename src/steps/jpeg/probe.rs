//! What must hold for any bytes, for those who try bytes that nobody thought of.

use super::{Jpeg, breaks_off, is_scattered};
use crate::event::{Pixels, Size};

/// Larger pictures are not decoded whole.
const BYTES_MAX: u64 = 500_000;

/// Decodes some parts of the picture. Returns whether it is one that can be decoded in parts. Panics when a part is not to the
/// bit what it is in the whole, and the other parts along with it change what it is.
pub(crate) fn try_jpeg(bytes: &[u8]) -> bool {
    is_scattered(bytes);
    breaks_off(bytes);
    let Ok(jpeg) = Jpeg::open(bytes) else {
        return false;
    };
    let boxes = boxes(jpeg.size());
    let together = jpeg.parts(&boxes);
    let whole = if jpeg.bytes() <= BYTES_MAX {
        jpeg.whole().ok()
    } else {
        None
    };
    for (n, pixels) in boxes.iter().enumerate() {
        let Ok(alone) = jpeg.parts(&[*pixels]) else {
            continue;
        };
        let alone = &alone.pictures[0];
        if let Ok(together) = &together {
            assert!(together.pictures[n] == *alone, "{pixels:?} among others");
        }
        if let Some(whole) = &whole {
            let Pixels {
                x,
                y,
                width,
                height,
            } = *pixels;
            let cut = whole.pictures[0].crop_imm(x, y, width, height);
            assert!(cut == *alone, "{pixels:?} in the whole");
        }
    }
    true
}

/// At the corners and in the middle, small enough for any picture.
fn boxes(size: Size) -> [Pixels; 3] {
    let Size { width, height } = size;
    let some = |side: u32, max: u32| side.div_ceil(3).min(max);
    let (a, b, c) = (
        (some(width, 60), some(height, 40)),
        (some(width, 9), some(height, 9)),
        (some(width, 31), some(height, 5)),
    );
    let at = |x: u32, y: u32, (width, height): (u32, u32)| Pixels {
        x,
        y,
        width,
        height,
    };
    [
        at(0, 0, a),
        at((width - b.0) / 2, (height - b.1) / 2, b),
        at(width - c.0, height - c.1, c),
    ]
}
