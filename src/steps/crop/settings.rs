//! What users set on `crop`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::event::{Item, Role};
use crate::steps::choice::PictureName;
use crate::steps::encode::{Format, Quality};
use crate::steps::pad::Pad;

/// Cuts each plate (or vehicle, face, object) out of the event's best picture, by its box. In a delivery about one item
/// (`each`), only that item is cut. Pictures are turned as their EXIF orientation says before they are cut, because boxes
/// count in the picture as displayed. JPEG, PNG and WebP can be cut; of a JPEG that is not progressive, only the part that is
/// cut is decoded.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Crop")]
pub(crate) struct Settings {
    /// What is cut out: `plate` (default), `vehicle`, `face` or `object`. The picture takes that role
    /// (`images.plate`; an object becomes `images.thumbnail`), in place of the sender's own.
    pub(super) region: Region,
    /// How much is left around the box, on each side: a part of the box's width and height (`10%`) or pixels (`6px`).
    /// Default 0: exactly the box.
    pub(super) pad: Pad,
    /// A name of its own for the result, `images.NAME`; the sender's own picture then keeps its place.
    #[serde(rename = "as")]
    pub(super) name: Option<PictureName>,
    /// How the result is written: `jpeg` (default), `png`, or `webp` (lossless).
    pub(super) format: Format,
    /// JPEG quality from 1 to 100, default 90. Of no effect on `png` and `webp`.
    pub(super) quality: Quality,
    /// Which picture wins when the sender sent a crop of its own: ours, `crop` (default), or the sender's, `sender`.
    pub(super) prefer: Prefer,
    /// Whether a delivery without any such picture, ours or the sender's, is filtered. Default false: it goes out without.
    pub(super) required: bool,
    /// Pictures with more pixels are not decoded. Default 100000000 (100 megapixels, up to 400 MB while decoded).
    #[schemars(range(min = 1))]
    pub(super) max_pixels: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            region: Region::default(),
            pad: Pad::default(),
            name: None,
            format: Format::default(),
            quality: Quality::default(),
            prefer: Prefer::default(),
            required: false,
            max_pixels: 100_000_000,
        }
    }
}

/// What is cut out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Region {
    #[default]
    Plate,
    Vehicle,
    Face,
    Object,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Prefer {
    #[default]
    Crop,
    Sender,
}

impl Region {
    pub(super) fn role(self) -> Role {
        match self {
            Self::Plate => Role::PLATE,
            Self::Vehicle => Role::VEHICLE,
            Self::Face => Role::FACE,
            Self::Object => Role::THUMBNAIL,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Plate => "plate",
            Self::Vehicle => "vehicle",
            Self::Face => "face",
            Self::Object => "object",
        }
    }

    /// Whether items of that kind are what is cut.
    pub(super) fn lists(self, item: Item) -> bool {
        match self {
            Self::Plate | Self::Vehicle => matches!(item, Item::Plate(_)),
            Self::Face => matches!(item, Item::Face(_)),
            Self::Object => matches!(item, Item::Object(_)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_refused() {
        for yaml in [
            "quality: 0",
            "quality: 101",
            "pad: 0.1",
            "region: wheel",
            "format: gif",
            "prefer: best",
            "size: 3",
        ] {
            assert!(serde_saphyr::from_str::<Settings>(yaml).is_err(), "{yaml}");
        }
    }
}
