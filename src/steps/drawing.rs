//! For tests of steps: pictures drawn on the spot, in every form that senders send.

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use serde::Deserialize;

/// A picture of coloured rectangles on a restless dark ground, which never has a rectangle's colour.
#[derive(Clone)]
pub(crate) struct Drawing(RgbImage);

/// How a drawing is turned into bytes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Written {
    Jpeg,
    ProgressiveJpeg,
    /// Sequential, with every colour in a scan of its own.
    MultiScanJpeg,
    /// Stored lying on its side, with the EXIF orientation that turns it upright (6).
    TurnedJpeg,
    /// With inks in place of light, as printers have it.
    CmykJpeg,
    Png,
    Webp,
    /// A PNG whose header promises 30,000 x 30,000 pixels.
    Bomb,
    Gif,
    Garbage,
}

impl Drawing {
    pub(crate) fn of(width: u32, height: u32) -> Self {
        Self(RgbImage::from_fn(width, height, |x, y| {
            let shade = u8::try_from((x * 7 + y * 13) % 32).expect("below 32");
            Rgb([20 + shade, 24 + shade, 32 + shade])
        }))
    }

    /// With a filled rectangle from its left upper to its outer right lower corner.
    pub(crate) fn with(mut self, corners: [u32; 4], color: [u8; 3]) -> Self {
        let [xmin, ymin, xmax, ymax] = corners;
        for y in ymin..ymax {
            for x in xmin..xmax {
                self.0.put_pixel(x, y, Rgb(color));
            }
        }
        self
    }

    pub(crate) fn written(&self, how: Written) -> Vec<u8> {
        match how {
            Written::Jpeg => jpeg(&self.0, |_| {}),
            Written::ProgressiveJpeg => jpeg(&self.0, |encoder| encoder.set_progressive(true)),
            Written::MultiScanJpeg => jpeg(&self.0, |encoder| {
                encoder.set_sampling_factor(SamplingFactor::F_2_2);
                encoder.set_optimized_huffman_tables(true);
            }),
            Written::TurnedJpeg => turned(&jpeg(&image::imageops::rotate270(&self.0), |_| {})),
            Written::CmykJpeg => cmyk(&self.0),
            Written::Png => self.lossless(ImageFormat::Png),
            Written::Webp => self.lossless(ImageFormat::WebP),
            Written::Bomb => bomb(self.lossless(ImageFormat::Png)),
            Written::Gif => b"GIF89a\x20\x00\x20\x00\x00\x00\x00;".to_vec(),
            Written::Garbage => b"\xff\xd8\xff and then no picture at all".to_vec(),
        }
    }

    fn lossless(&self, format: ImageFormat) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        DynamicImage::from(self.0.clone())
            .write_to(&mut bytes, format)
            .unwrap();
        bytes.into_inner()
    }
}

fn jpeg(image: &RgbImage, how: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    encoded(image.as_raw(), image, ColorType::Rgb, how)
}

fn encoded(
    samples: &[u8],
    image: &RgbImage,
    kind: ColorType,
    how: impl FnOnce(&mut Encoder<&mut Vec<u8>>),
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 95);
    how(&mut encoder);
    let (width, height) = image.dimensions();
    let side = |length: u32| u16::try_from(length).unwrap();
    let (width, height) = (side(width), side(height));
    encoder.encode(samples, width, height, kind).unwrap();
    bytes
}

fn cmyk(image: &RgbImage) -> Vec<u8> {
    let inks = |Rgb([r, g, b]): &Rgb<u8>| [255 - r, 255 - g, 255 - b, 0];
    let inks: Vec<u8> = image.pixels().flat_map(inks).collect();
    encoded(&inks, image, ColorType::Cmyk, |_| {})
}

/// Puts an EXIF segment with one entry, the orientation, behind the start of the picture.
fn turned(jpeg: &[u8]) -> Vec<u8> {
    let tiff = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let length = u16::try_from(2 + 6 + tiff.len()).unwrap().to_be_bytes();
    [
        &jpeg[..2],
        &[0xff, 0xe1],
        &length,
        b"Exif\0\0",
        tiff,
        &jpeg[2..],
    ]
    .concat()
}

fn bomb(mut png: Vec<u8>) -> Vec<u8> {
    png[16..20].copy_from_slice(&30_000_u32.to_be_bytes());
    png[20..24].copy_from_slice(&30_000_u32.to_be_bytes());
    let sum = checksum(&png[12..29]).to_be_bytes();
    png[29..33].copy_from_slice(&sum);
    png
}

/// PNG's CRC-32.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}
