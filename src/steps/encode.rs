//! Writing a picture that a step made.

use std::io::Cursor;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, ImageResult};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use super::jpeg;
use crate::event::Size;

/// How a picture is written: `jpeg` is small and understood by every receiver, `png` and `webp` keep every pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    #[default]
    Jpeg,
    Png,
    Webp,
}

/// How well a JPEG is written, from 1 (worst) to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub(super) struct Quality(#[schemars(range(min = 1, max = 100))] pub(super) u8);

impl Default for Quality {
    fn default() -> Self {
        Self(90)
    }
}

impl<'de> Deserialize<'de> for Quality {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            quality @ 1..=100 => Ok(Self(quality)),
            other => Err(de::Error::custom(format!(
                "a quality is from 1 to 100, not {other}"
            ))),
        }
    }
}

impl Format {
    pub(super) fn of(content_type: &str) -> Option<Self> {
        [Self::Jpeg, Self::Png, Self::Webp]
            .into_iter()
            .find(|format| format.content_type() == content_type)
    }

    /// The longest side that the format can tell.
    pub(super) fn has_room_for(self, size: Size) -> Result<(), String> {
        let (side_max, name) = match self {
            Self::Jpeg => (65_535, "JPEG"),
            Self::Png => (i32::MAX.unsigned_abs(), "PNG"),
            Self::Webp => (16_383, "WebP"),
        };
        let Size { width, height } = size;
        match width.max(height) <= side_max {
            true => Ok(()),
            false => Err(format!(
                "{width}x{height} is more than a {name} can be ({side_max} a side)"
            )),
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
        }
    }

    /// Fails for a picture that the format has no room for, such as one wider than 65,535 pixels as JPEG.
    pub(super) fn write(self, image: &DynamicImage, quality: Quality) -> ImageResult<Bytes> {
        let mut bytes = Cursor::new(Vec::new());
        let image = self.plain(image);
        if self == Self::Jpeg
            && let Some(jpeg) = jpeg::write(&pixmap(&image), quality.0)
        {
            return Ok(Bytes::from(jpeg));
        }
        match self {
            // What was not written above: for the reason why not.
            Self::Jpeg => {
                image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality.0))
            }
            Self::Png => image.write_with_encoder(PngEncoder::new(&mut bytes)),
            Self::Webp => image.write_with_encoder(WebPEncoder::new_lossless(&mut bytes)),
        }?;
        Ok(Bytes::from(bytes.into_inner()))
    }

    /// Eight bits a colour, and transparency only where the format has it.
    fn plain(self, image: &DynamicImage) -> DynamicImage {
        let color = image.color();
        if color.has_alpha() && self != Self::Jpeg {
            DynamicImage::ImageRgba8(image.to_rgba8())
        } else if color.has_color() {
            DynamicImage::ImageRgb8(image.to_rgb8())
        } else {
            DynamicImage::ImageLuma8(image.to_luma8())
        }
    }
}

/// A plain picture for the writer of JPEGs.
fn pixmap(image: &DynamicImage) -> jpeg::Pixmap<'_> {
    let side = |side: u32| usize::try_from(side).unwrap_or(usize::MAX);
    jpeg::Pixmap {
        width: side(image.width()),
        height: side(image.height()),
        pixels: image.as_bytes(),
        grey: !image.color().has_color(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_pixel_can_be_written_in_every_format() {
        let kinds = [
            DynamicImage::new_luma8(5, 4),
            DynamicImage::new_luma_a8(5, 4),
            DynamicImage::new_rgb8(5, 4),
            DynamicImage::new_rgba8(5, 4),
            DynamicImage::new_luma16(5, 4),
            DynamicImage::new_rgba16(5, 4),
        ];
        for image in kinds {
            for format in [Format::Jpeg, Format::Png, Format::Webp] {
                let bytes = format.write(&image, Quality::default()).unwrap();
                assert_eq!(crate::event::sniff(&bytes), Some(format.content_type()));
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let wide = DynamicImage::new_luma8(70_000, 1);
        assert!(Format::Jpeg.write(&wide, Quality::default()).is_err());
        assert!(Format::Png.write(&wide, Quality::default()).is_ok());
    }
}
