//! The pictures at hand, opened at most once each and only as far as somebody asks.
//!
//! A picture is hostile until proven otherwise: its header's size is checked before anything is allocated, and it is
//! turned as its EXIF orientation says before anybody measures it, because that is how its sender saw it when it
//! counted its boxes. So sizes here are sizes as displayed.
//!
//! Who needs parts only says so first ([`Photo::expect`]), for all of them: where it pays they are decoded in one go, without
//! the rest of the picture. Otherwise the picture is decoded whole, once, and everybody is served from that.

use std::cell::{Cell, OnceCell, RefCell};
use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::jpeg::{self, Jpeg};
use super::made::Canvas;
use super::opened::Opened;
use crate::event::{Origin, Picture, PictureData, Pixels, Size, sniff};

/// More parts than these are cut from the whole picture.
const PARTS_MAX: usize = 64;

/// All pictures of one delivery.
pub(super) struct Album(Vec<Photo>);

/// One picture and what became known of it.
pub(super) struct Photo {
    pub(super) picture: Picture,
    pixels_max: u64,
    /// Whose limit that is.
    limited_by: &'static str,
    size: OnceCell<Result<Size, String>>,
    image: OnceCell<Result<Arc<DynamicImage>, String>>,
    opened: Opened,
    /// The parts that somebody is going to ask for.
    expected: RefCell<Vec<Pixels>>,
    /// Those that were decoded alone.
    parts: RefCell<Vec<(Pixels, DynamicImage)>>,
    /// Whether the picture was found to end early while it was decoded.
    ended: Cell<bool>,
}

impl Album {
    /// What the steps before have decoded is `opened`.
    pub(super) fn of(pictures: &[Picture], pixels_max: u64, opened: &Opened) -> Self {
        let photo = |picture: &Picture| Photo {
            picture: picture.clone(),
            pixels_max: pixels_max.min(opened.pixels_max),
            limited_by: match opened.pixels_max < pixels_max {
                true => "server.budget",
                false => "max_pixels",
            },
            size: OnceCell::new(),
            image: OnceCell::new(),
            opened: opened.clone(),
            expected: RefCell::default(),
            parts: RefCell::default(),
            ended: Cell::new(false),
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
                _ if photo.is_broken_off() => Some(format!(
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

    /// Whether an earlier step drew or decoded all of it.
    fn is_open(&self) -> bool {
        let is_known = |bytes| self.opened.get(bytes).is_some();
        Canvas::under(&self.picture).is_some() || self.bytes().is_ok_and(is_known)
    }

    /// Says that this part of the picture, as displayed, is going to be asked for.
    pub(super) fn expect(&self, part: Pixels) {
        let mut expected = self.expected.borrow_mut();
        if !expected.contains(&part) {
            expected.push(part);
        }
    }

    /// A part of the picture as displayed. Asked for the first time, all parts that are expected are decoded.
    pub(super) fn part(&self, part: Pixels) -> Option<DynamicImage> {
        if self.image.get().is_none() && !self.is_open() {
            self.expect(part);
            self.decode_parts();
        }
        let parts = self.parts.borrow();
        if let Some((_, picture)) = parts.iter().find(|(pixels, _)| *pixels == part) {
            return Some(picture.clone());
        }
        let Pixels {
            x,
            y,
            width,
            height,
        } = part;
        Some(self.image()?.crop_imm(x, y, width, height))
    }

    /// Decodes the parts that are expected and not there yet, if that is less work than decoding the whole picture.
    fn decode_parts(&self) {
        let mut parts = self.parts.borrow_mut();
        let expected = self.expected.borrow();
        let known = |part: &&Pixels| parts.iter().any(|(known, _)| known == *part);
        let wanted: Vec<Pixels> = expected
            .iter()
            .filter(|part| !known(part))
            .copied()
            .collect();
        let Some(size) = self.size() else { return };
        let pixels = |width: u32, height: u32| u64::from(width) * u64::from(height);
        let in_parts: u64 = wanted
            .iter()
            .map(|part| pixels(part.width, part.height))
            .sum();
        if wanted.is_empty()
            || wanted.len() > PARTS_MAX
            || in_parts > pixels(size.width, size.height) / 2
        {
            return;
        }
        // Whatever goes wrong here goes right, or is told, when the whole picture is decoded.
        if let Some(decoded) = self.jpeg().and_then(|jpeg| jpeg.parts(&wanted).ok()) {
            self.ended.set(self.ended.get() || decoded.missing);
            parts.extend(wanted.into_iter().zip(decoded.pictures));
        }
    }

    fn measure(&self) -> Result<Size, String> {
        // The cheap look first: a header may promise gigabytes, and not every decoder's constructor is frugal.
        let size = self
            .picture
            .size()
            .ok_or("not a picture that can be read")?;
        self.allow(size)?;
        if Canvas::under(&self.picture).is_some() {
            return Ok(size);
        }
        let bytes = self.bytes()?;
        if let Some(jpeg) = self.jpeg() {
            self.allow(jpeg.size())?;
            return Ok(jpeg.size());
        }
        let (decoder, orientation) = self.open(bytes)?;
        let (width, height) = decoder.dimensions();
        Ok(if jpeg::turns_sideways(orientation) {
            Size {
                width: height,
                height: width,
            }
        } else {
            Size { width, height }
        })
    }

    fn decode(&self) -> Result<DynamicImage, String> {
        let bytes = self.bytes()?;
        if let Some(jpeg) = self.jpeg().filter(|_| jpeg::is_scattered(bytes)) {
            self.allow_bytes(jpeg.bytes())?;
            let mut whole = jpeg
                .whole()
                .map_err(|fault| format!("cannot be decoded: {fault}"))?;
            self.ended.set(self.ended.get() || whole.missing);
            return whole
                .pictures
                .pop()
                .ok_or_else(|| "the picture is empty".to_owned());
        }
        let (decoder, orientation) = self.open(bytes)?;
        let mut image = DynamicImage::from_decoder(decoder).map_err(undecodable)?;
        image.apply_orientation(orientation);
        Ok(image)
    }

    /// If it is of the kind that can be decoded in parts.
    fn jpeg(&self) -> Option<Jpeg<'_>> {
        if Canvas::under(&self.picture).is_some() {
            return None; // pixels, which nobody has written yet
        }
        Jpeg::open(self.picture.bytes()?).ok()
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
        if format == ImageFormat::Jpeg && jpeg::is_scattered(bytes) {
            return Err("a JPEG of a rare kind, with its colours in separate scans".to_owned());
        }
        let mut limits = Limits::default();
        limits.max_alloc = Some(self.bytes_max());
        let mut reader = ImageReader::with_format(Cursor::new(&bytes[..]), format);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(undecodable)?;
        let (width, height) = decoder.dimensions();
        // Again, now that the decoder itself has read the header: it may have understood another size.
        self.allow(Size { width, height })?;
        self.allow_bytes(decoder.total_bytes())?;
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        Ok((decoder, orientation))
    }

    fn bytes_max(&self) -> u64 {
        self.pixels_max.saturating_mul(4)
    }

    fn allow_bytes(&self, bytes: u64) -> Result<(), String> {
        let max = self.bytes_max();
        if bytes > max {
            return Err(format!("decoded it would take more than {max} bytes"));
        }
        Ok(())
    }

    fn allow(&self, size: Size) -> Result<(), String> {
        let pixels = u64::from(size.width) * u64::from(size.height);
        if pixels == 0 {
            return Err("the picture is empty".to_owned());
        }
        if pixels > self.pixels_max {
            let (by, max) = (self.limited_by, self.pixels_max);
            return Err(format!("{pixels} pixels are more than {by} allows ({max})"));
        }
        Ok(())
    }

    fn bytes(&self) -> Result<&Bytes, String> {
        self.picture
            .bytes()
            .ok_or_else(|| "known only by its address".to_owned())
    }

    /// Whether pixels were made of a picture whose end is missing.
    fn is_broken_off(&self) -> bool {
        let decoded = matches!(self.image.get(), Some(Ok(_))) || !self.parts.borrow().is_empty();
        let breaks_off =
            |bytes: &Bytes| sniff(bytes) == Some("image/jpeg") && jpeg::breaks_off(bytes);
        let came = Canvas::under(&self.picture).is_none();
        let ends_early = || self.picture.bytes().is_some_and(breaks_off);
        came && decoded && (self.ended.get() || ends_early())
    }
}

fn undecodable(error: image::ImageError) -> String {
    format!("cannot be decoded: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Role;
    use crate::steps::fixtures::{Drawing, Written, sent};

    const RED: [u8; 3] = [208, 32, 32];

    fn album(bytes: Vec<u8>) -> Album {
        Album::of(
            &[sent(Role::FRAME, None, bytes)],
            1_000_000,
            &Opened::default(),
        )
    }

    fn drawing() -> Drawing {
        Drawing::of(160, 120).with([96, 64, 136, 80], RED)
    }

    fn pixels(x: u32, y: u32, width: u32, height: u32) -> Pixels {
        Pixels {
            x,
            y,
            width,
            height,
        }
    }

    fn is_red(part: &DynamicImage) -> bool {
        let near = |pixel: &image::Rgb<u8>| (0..3).all(|n| pixel[n].abs_diff(RED[n]) < 24);
        part.to_rgb8().pixels().all(near)
    }

    #[test]
    fn parts_of_a_baseline_jpeg_are_decoded_without_the_rest() {
        for written in [Written::Jpeg, Written::MultiScanJpeg, Written::TurnedJpeg] {
            let album = album(drawing().written(written));
            let photo = album.photos().next().unwrap();
            let (red, dark) = (pixels(100, 68, 30, 8), pixels(0, 0, 20, 10));
            photo.expect(red);
            photo.expect(dark);
            assert!(is_red(&photo.part(red).unwrap()), "{written:?}");
            assert_eq!(photo.parts.borrow().len(), 2, "both in one go");
            assert_eq!(photo.part(dark).unwrap().width(), 20);
            assert!(photo.image.get().is_none(), "{written:?}");
            assert_eq!(album.complaints().count(), 0);
        }
    }

    #[test]
    fn a_part_that_nobody_expected_is_decoded_too() {
        let album = album(drawing().written(Written::Jpeg));
        let photo = album.photos().next().unwrap();
        photo.expect(pixels(0, 0, 20, 10));
        photo.part(pixels(0, 0, 20, 10)).unwrap();
        assert!(is_red(&photo.part(pixels(100, 68, 30, 8)).unwrap()));
        assert!(photo.image.get().is_none());
    }

    #[test]
    fn most_of_a_picture_and_other_pictures_are_decoded_whole() {
        let cut = |written: Written, part: Pixels| {
            let album = album(drawing().written(written));
            let photo = album.photos().next().unwrap();
            let part = photo.part(part).unwrap();
            assert!(photo.image.get().is_some_and(Result::is_ok), "{written:?}");
            part
        };
        let most = cut(Written::Jpeg, pixels(10, 10, 150, 100));
        assert_eq!((most.width(), most.height()), (150, 100));
        assert!(is_red(&cut(Written::Png, pixels(100, 68, 30, 8))));
        assert!(is_red(&cut(
            Written::ProgressiveJpeg,
            pixels(100, 68, 30, 8)
        )));
    }

    #[test]
    fn the_whole_picture_is_right_with_its_colours_in_separate_scans() {
        let album = album(drawing().written(Written::MultiScanJpeg));
        let photo = album.photos().next().unwrap();
        assert!(is_red(&photo.image().unwrap().crop_imm(100, 68, 30, 8)));
    }

    #[test]
    fn a_picture_that_ends_early_is_cut_with_a_complaint() {
        for written in [Written::Jpeg, Written::MultiScanJpeg] {
            let mut bytes = drawing().written(written);
            bytes.truncate(bytes.len() - 200);
            let album = album(bytes);
            let photo = album.photos().next().unwrap();
            assert_eq!(album.complaints().count(), 0, "nobody looked yet");
            photo.part(pixels(0, 0, 20, 10)).unwrap();
            let complaints: Vec<_> = album.complaints().collect();
            assert!(complaints[0].contains("ends early"), "{complaints:?}");
        }
    }

    #[test]
    fn a_damaged_part_is_left_to_the_decoder_for_everything() {
        let mut bytes = drawing().written(Written::Jpeg);
        let middle = bytes.len() / 2;
        bytes.splice(middle..middle, [0xff, 0xd3]);
        let album = album(bytes);
        let photo = album.photos().next().unwrap();
        photo.part(pixels(100, 100, 30, 8));
        assert!(photo.image.get().is_some());
    }
}
