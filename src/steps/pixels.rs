//! What the pictures of a delivery take in memory while steps work on them, told before any is decoded.

use super::{BLUR, Step, annotate, crop, reencode, resize};
use crate::event::Picture;

/// How a route's steps use pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pixels {
    /// No picture is decoded.
    None,
    /// Parts are cut out of one picture: at most that one is decoded.
    Cut,
    /// Pictures are decoded and drawn upon, or written anew in another form: twice each.
    Drawn,
}

impl Pixels {
    pub(crate) fn of(steps: &[Box<dyn Step>]) -> Self {
        let any = |names: &[&str]| steps.iter().any(|step| names.contains(&step.name()));
        if any(&[annotate::NAME, BLUR, reencode::NAME, resize::NAME]) {
            Self::Drawn
        } else if any(&[crop::NAME]) {
            Self::Cut
        } else {
            Self::None
        }
    }

    /// The most pixels of one picture that so many bytes have room for. What is drawn upon is rarely all there twice, so that
    /// up to half as much again is let pass, alone.
    pub(crate) fn most(self, bytes: usize) -> u64 {
        match self {
            Self::None => u64::MAX,
            Self::Cut => bytes as u64 / 3,
            Self::Drawn => bytes as u64 / 4,
        }
    }

    /// Bytes of these pictures, from their headers; those with more pixels are not decoded.
    pub(crate) fn bytes(self, pictures: &[Picture], pixels_max: u64) -> usize {
        let decoded = pictures.iter().filter_map(|picture| {
            let size = picture.size()?;
            let pixels = u64::from(size.width) * u64::from(size.height);
            let each = match picture.content_type.as_str() {
                "image/jpeg" => 3,
                _ => 4, // with transparency
            };
            (pixels <= pixels_max).then(|| pixels.saturating_mul(each))
        });
        let bytes = match self {
            Self::None => 0,
            Self::Cut => decoded.max().unwrap_or(0),
            Self::Drawn => decoded.fold(0, u64::saturating_add).saturating_mul(2),
        };
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Role;
    use crate::steps::fixtures::{self, Drawing, Written};
    use crate::steps::{Built, Settings};
    use crate::template::Engine;

    fn steps(yaml: &str) -> Vec<Box<dyn Step>> {
        let steps: Vec<Settings> = serde_saphyr::from_str(yaml).unwrap();
        let built = steps
            .into_iter()
            .map(|step| match step.build(&Engine::new(&[])) {
                Ok(Built::OnDelivery(step)) => step,
                _ => panic!("{yaml}"),
            });
        built.collect()
    }

    #[test]
    fn counts_what_the_steps_will_decode() {
        let picture = |width, height, written| {
            let bytes = Drawing::of(width, height).written(written);
            let mut picture = fixtures::sent(Role::FRAME, None, bytes);
            if matches!(written, Written::Png) {
                picture.content_type = "image/png".to_owned();
            }
            picture
        };
        let pictures = [
            picture(100, 60, Written::Png),
            picture(50, 20, Written::Png),
        ];
        for (yaml, expected) in [
            ("- strip: { fields: [plates] }", 0),
            ("- crop", 24_000),
            ("- crop\n- annotate: { caption: x }", 56_000),
            ("- resize: { width: 10 }", 56_000),
        ] {
            let pixels = Pixels::of(&steps(yaml));
            assert_eq!(pixels.bytes(&pictures, u64::MAX), expected, "{yaml}");
        }
        assert_eq!(Pixels::Drawn.bytes(&pictures, 1_000), 8_000);
        assert_eq!(Pixels::Drawn.most(6_000), 1_500);
    }
}
