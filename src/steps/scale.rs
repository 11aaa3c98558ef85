//! A picture in another size.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{PixelType, ResizeOptions, Resizer};
use image::{DynamicImage, GrayImage, RgbImage, RgbaImage};

use crate::event::Size;

/// A part of a picture, in fractions of its pixels where the proportions ask for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Part {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// That part of the picture in that size, by a Lanczos filter: as sharp as can be without jagged edges.
pub(super) fn scaled(image: &DynamicImage, part: Part, to: Size) -> Result<DynamicImage, String> {
    let Part {
        x,
        y,
        width,
        height,
    } = part;
    let options = ResizeOptions::new().crop(x, y, width, height);
    let run = |pixels: &[u8], kind: PixelType| {
        let from = ImageRef::new(image.width(), image.height(), pixels, kind);
        let from = from.map_err(|error| error.to_string())?;
        let mut scaled = Image::new(to.width, to.height, kind);
        Resizer::new()
            .resize(&from, &mut scaled, &options)
            .map_err(|error| error.to_string())?;
        Ok::<_, String>(scaled.into_vec())
    };
    // As many bytes as the size asks for, by the resizer's own count.
    let fits = "a buffer of the size it was made for";
    Ok(if image.color().has_alpha() {
        let scaled = run(&image.to_rgba8(), PixelType::U8x4)?;
        RgbaImage::from_raw(to.width, to.height, scaled)
            .expect(fits)
            .into()
    } else if image.color().has_color() {
        let scaled = match image.as_rgb8() {
            Some(image) => run(image, PixelType::U8x3)?,
            None => run(&image.to_rgb8(), PixelType::U8x3)?,
        };
        RgbImage::from_raw(to.width, to.height, scaled)
            .expect(fits)
            .into()
    } else {
        let scaled = run(&image.to_luma8(), PixelType::U8)?;
        GrayImage::from_raw(to.width, to.height, scaled)
            .expect(fits)
            .into()
    })
}

impl Part {
    pub(super) fn whole(size: Size) -> Self {
        Self {
            x: 0.0,
            y: 0.0,
            width: f64::from(size.width),
            height: f64::from(size.height),
        }
    }
}
