//! The pictures at hand, opened at most once each and only as far as somebody asks.
//!
//! A picture is hostile until proven otherwise: its header's size is checked before anything is allocated, and it is
//! turned as its EXIF orientation says before anybody measures it, because that is how its sender saw it when it
//! counted its boxes. So sizes here are sizes as displayed.

use std::cell::OnceCell;
use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::jpeg;
use super::made::Canvas;
use super::opened::Opened;
use crate::event::{Origin, Picture, PictureData, Size, sniff};

/// All pictures of one delivery.
pub(super) struct Album(Vec<Photo>);

/// One picture and what became known of it.
pub(super) struct Photo {
    pub(super) picture: Picture,
    pixels_max: u64,
    size: OnceCell<Result<Size, String>>,
    image: OnceCell<Result<Arc<DynamicImage>, String>>,
    opened: Opened,
}

impl Album {
    /// What the steps before have decoded is `opened`.
    pub(super) fn of(pictures: &[Picture], pixels_max: u64, opened: &Opened) -> Self {
        let photo = |picture: &Picture| Photo {
            picture: picture.clone(),
            pixels_max,
            size: OnceCell::new(),
            image: OnceCell::new(),
            opened: opened.clone(),
        };
        Self(pictures.iter().map(photo).collect())
    }

    pub(super) fn photos(&self) -> impl Iterator<Item = &Photo> {
        self.0.iter()
    }

    /// What was wrong with the pictures that were asked for, a line each.
    pub(super) fn complaints(&self) -> impl Iterator<Item = String> {
        self.0.iter().filter_map(|photo| {
            let role = &photo.picture.role;
            match (photo.size.get(), photo.image.get()) {
                (Some(Err(reason)), _) | (_, Some(Err(reason))) => {
                    Some(format!("{role}: {reason}"))
                }
                (_, Some(Ok(_))) if photo.is_broken_off() => Some(format!(
                    "{role}: the picture ends early, what is missing is grey"
                )),
                _ => None,
            }
        })
    }
}

impl Photo {
    /// As displayed, from the header; `None` when it cannot be decoded or must not be.
    pub(super) fn size(&self) -> Option<Size> {
        let size = self.size.get_or_init(|| self.measure());
        size.as_ref().ok().copied()
    }

    /// As displayed. Decoded when first asked for.
    pub(super) fn image(&self) -> Option<&DynamicImage> {
        self.size()?;
        let image = self.image.get_or_init(|| self.develop());
        image.as_deref().ok()
    }

    /// Where its pixels come from. What came as bytes is as it was sent under its role.
    pub(super) fn origin(&self) -> Option<Origin> {
        match &self.picture.data {
            PictureData::Made(made) => made.origin().cloned(),
            PictureData::Bytes(_) | PictureData::Url(_) => {
                let Picture { role, item, .. } = &self.picture;
                Some(Origin::sent(role.clone(), *item, self.size()?))
            }
        }
    }

    /// What is wrong with it, as far as it was looked at.
    pub(super) fn complaint(&self) -> Option<&str> {
        match (self.size.get(), self.image.get()) {
            (Some(Err(reason)), _) | (_, Some(Err(reason))) => Some(reason),
            _ => None,
        }
    }

    /// The pixels, which an earlier step may have drawn or decoded.
    fn develop(&self) -> Result<Arc<DynamicImage>, String> {
        if let Some(canvas) = Canvas::under(&self.picture) {
            return Ok(canvas.image().clone());
        }
        let bytes = self.bytes()?;
        if let Some(image) = self.opened.get(bytes) {
            return Ok(image);
        }
        let image = Arc::new(self.decode()?);
        self.opened.keep(bytes, &image);
        Ok(image)
    }

    fn measure(&self) -> Result<Size, String> {
        // The cheap look first: a header may promise gigabytes, and not every decoder's constructor is frugal.
        let size = self
            .picture
            .size()
            .ok_or("not a picture that can be read")?;
        self.allow(u64::from(size.width) * u64::from(size.height))?;
        if Canvas::under(&self.picture).is_some() {
            return Ok(size);
        }
        let bytes = self.bytes()?;
        if jpeg::condition(bytes) == jpeg::Condition::Scattered
            && sniff(bytes) == Some("image/jpeg")
        {
            return Err(
                "a JPEG in several scans that is not progressive cannot be decoded".to_owned(),
            );
        }
        let (decoder, orientation) = self.open(bytes)?;
        let (width, height) = decoder.dimensions();
        Ok(if turns_sideways(orientation) {
            Size {
                width: height,
                height: width,
            }
        } else {
            Size { width, height }
        })
    }

    fn decode(&self) -> Result<DynamicImage, String> {
        let (decoder, orientation) = self.open(self.bytes()?)?;
        let mut image = DynamicImage::from_decoder(decoder).map_err(undecodable)?;
        image.apply_orientation(orientation);
        Ok(image)
    }

    fn open<'a>(
        &self,
        bytes: &'a Bytes,
    ) -> Result<(impl ImageDecoder + use<'a>, Orientation), String> {
        let format = match sniff(bytes) {
            Some("image/jpeg") => ImageFormat::Jpeg,
            Some("image/png") => ImageFormat::Png,
            Some("image/webp") => ImageFormat::WebP,
            other => {
                return Err(format!(
                    "{} cannot be decoded",
                    other.unwrap_or("this picture")
                ));
            }
        };
        let bytes_max = self.pixels_max.saturating_mul(4);
        let mut limits = Limits::default();
        limits.max_alloc = Some(bytes_max);
        let mut reader = ImageReader::with_format(Cursor::new(&bytes[..]), format);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(undecodable)?;
        let (width, height) = decoder.dimensions();
        // Again, now that the decoder itself has read the header: it may have understood another size.
        self.allow(u64::from(width) * u64::from(height))?;
        if decoder.total_bytes() > bytes_max {
            return Err(format!("decoded it would take more than {bytes_max} bytes"));
        }
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        Ok((decoder, orientation))
    }

    fn allow(&self, pixels: u64) -> Result<(), String> {
        if pixels == 0 {
            return Err("the picture is empty".to_owned());
        }
        if pixels > self.pixels_max {
            let max = self.pixels_max;
            return Err(format!(
                "{pixels} pixels are more than max_pixels allows ({max})"
            ));
        }
        Ok(())
    }

    fn bytes(&self) -> Result<&Bytes, String> {
        self.picture
            .bytes()
            .ok_or_else(|| "known only by its address".to_owned())
    }

    fn is_broken_off(&self) -> bool {
        let made = Canvas::under(&self.picture).is_some();
        !made
            && self.picture.bytes().is_some_and(|bytes| {
                sniff(bytes) == Some("image/jpeg")
                    && jpeg::condition(bytes) == jpeg::Condition::BrokenOff
            })
    }
}

fn turns_sideways(orientation: Orientation) -> bool {
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

fn undecodable(error: image::ImageError) -> String {
    format!("cannot be decoded: {error}")
}
