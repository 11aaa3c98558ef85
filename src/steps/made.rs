//! Pictures that steps make: pixels first, bytes when somebody asks.
//!
//! Several steps in a row work on one picture. Were each to write it and the next to read it again, a frame of eight
//! megapixels would cost a quarter of a second for each step, and every step of a JPEG a little sharpness. So a made
//! picture stays pixels until a template or the end of the steps wants its bytes.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use image::DynamicImage;

use super::encode::{Format, Quality};
use crate::event::{Item, Made, Origin, Picture, PictureData, Role, Size};

/// How a step writes what it makes; what is not set stays as it is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Writing {
    pub(super) format: Option<Format>,
    pub(super) quality: Option<Quality>,
}

/// One picture that a step made.
pub(super) struct Canvas {
    image: Arc<DynamicImage>,
    origin: Option<Origin>,
    format: Format,
    quality: Quality,
    /// Empty when the format cannot hold the picture.
    bytes: OnceLock<Option<Bytes>>,
}

impl Canvas {
    pub(super) fn image(&self) -> &Arc<DynamicImage> {
        &self.image
    }

    /// The canvas under a picture, if a step made it and it was not finished since.
    pub(super) fn under(picture: &Picture) -> Option<&Self> {
        match &picture.data {
            PictureData::Made(made) => (&**made as &dyn Any).downcast_ref(),
            PictureData::Bytes(_) | PictureData::Url(_) => None,
        }
    }
}

impl Made for Canvas {
    fn size(&self) -> Size {
        size_of(&self.image)
    }

    fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    fn bytes(&self) -> Option<&Bytes> {
        let write = || self.format.write(&self.image, self.quality).ok();
        self.bytes.get_or_init(write).as_ref()
    }
}

impl Writing {
    /// The format in which a picture made from this one is written.
    pub(super) fn format(self, before: &Picture) -> Format {
        self.format
            .or_else(|| Format::of(&before.content_type))
            .unwrap_or_default()
    }

    /// What a step made of a picture, to stand in its place. Fails, in words, when the format has no room for it.
    pub(super) fn remade(
        self,
        before: &Picture,
        image: DynamicImage,
        origin: Option<Origin>,
    ) -> Result<Picture, String> {
        let own = Canvas::under(before).map(|canvas| canvas.quality);
        let quality = self.quality.or(own).unwrap_or_default();
        let (role, item) = (before.role.clone(), before.item);
        made(role, item, image, origin, self.format(before), quality)
    }
}

/// A picture of pixels. Fails, in words, when the format has no room for them.
pub(super) fn made(
    role: Role,
    item: Option<Item>,
    image: DynamicImage,
    origin: Option<Origin>,
    format: Format,
    quality: Quality,
) -> Result<Picture, String> {
    format.has_room_for(size_of(&image))?;
    Ok(Picture {
        role,
        item,
        content_type: format.content_type().to_owned(),
        data: PictureData::Made(Arc::new(Canvas {
            image: Arc::new(image),
            origin,
            format,
            quality,
            bytes: OnceLock::new(),
        })),
    })
}

/// What was made of a picture and is written already.
pub(super) fn written(
    before: &Picture,
    image: DynamicImage,
    origin: Option<Origin>,
    format: Format,
    quality: Quality,
    bytes: Bytes,
) -> Picture {
    Picture {
        role: before.role.clone(),
        item: before.item,
        content_type: format.content_type().to_owned(),
        data: PictureData::Made(Arc::new(Canvas {
            image: Arc::new(image),
            origin,
            format,
            quality,
            bytes: OnceLock::from(Some(bytes)),
        })),
    }
}

/// The same picture without its pixels, as what is sent needs it. Fails when it cannot be written.
pub(super) fn finished(picture: &Picture) -> Result<Picture, String> {
    let PictureData::Made(made) = &picture.data else {
        return Ok(picture.clone());
    };
    let bytes = made.bytes().ok_or_else(|| {
        let (size, kind) = (made.size(), &picture.content_type);
        format!(
            "{}: {}x{} could not be written as {kind}",
            picture.role, size.width, size.height
        )
    })?;
    Ok(Picture {
        data: PictureData::Bytes(bytes.clone()),
        ..picture.clone()
    })
}

pub(super) fn size_of(image: &DynamicImage) -> Size {
    Size {
        width: image.width(),
        height: image.height(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Area, Plate, Unit};
    use crate::steps::fixtures::{self, Drawing, Written};
    use crate::steps::{Built, Settings, Work};
    use crate::template::Engine;

    fn take(yaml: &str, work: &mut Work) {
        let steps: Vec<Settings> = serde_saphyr::from_str(yaml).unwrap();
        for step in steps {
            let Ok(Built::OnDelivery(step)) = step.build(&Engine::new(&[])) else {
                panic!("{yaml}");
            };
            step.take(work).unwrap();
        }
    }

    fn work() -> Work {
        let area = Area {
            xmin: 20,
            ymin: 10,
            xmax: 60,
            ymax: 30,
            unit: Unit::Pixels,
            image: Role::FRAME,
        };
        let plate = Plate {
            area: Some(area),
            ..Plate::default()
        };
        let frame = Drawing::of(160, 120).written(Written::Png);
        let frame = fixtures::sent(Role::FRAME, None, frame);
        fixtures::work(fixtures::event(vec![plate]), vec![frame])
    }

    #[test]
    fn several_steps_decode_a_picture_once_and_write_it_when_all_are_taken() {
        let mut work = work();
        take(
            "- crop\n- resize: { width: 80, as: small }\n- annotate: { caption: x }\n- resize: { width: 100 }",
            &mut work,
        );
        assert_eq!(format!("{:?}", work.opened), "1 decoded");
        for picture in &work.pictures {
            let canvas = Canvas::under(picture).unwrap();
            assert!(canvas.bytes.get().is_none(), "{picture:?}");
        }
        work.finish().unwrap();
        assert_eq!(format!("{:?}", work.opened), "0 decoded");
        let written = |picture: &Picture| matches!(picture.data, PictureData::Bytes(_));
        assert!(work.pictures.iter().all(written));
    }

    #[test]
    fn the_last_word_on_format_and_quality_stands() {
        let mut work = work();
        take(
            "- annotate: { format: jpeg, quality: 30 }\n- resize: { width: 100 }",
            &mut work,
        );
        let canvas = Canvas::under(&work.pictures[0]).unwrap();
        assert_eq!((canvas.format, canvas.quality), (Format::Jpeg, Quality(30)));
    }

    #[test]
    fn what_a_format_has_no_room_for_is_not_made() {
        let image = || DynamicImage::new_luma8(70_000, 1);
        let make = |format| {
            let role = Role::FRAME;
            made(role, None, image(), None, format, Quality::default())
        };
        assert!(make(Format::Jpeg).unwrap_err().contains("65535"));
        assert!(make(Format::Webp).unwrap_err().contains("16383"));
        assert!(finished(&make(Format::Png).unwrap()).is_ok());
    }
}
