//! What users set on `blur`.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use crate::event::Size;
use crate::steps::color::Color;
use crate::steps::encode::{Format, Quality};
use crate::steps::pad::Pad;
use crate::steps::places::What;

/// Makes plates, faces, vehicles, objects or parts of the scene unreadable, beyond recovery, in every picture that shows
/// them. A picture in which camhook cannot tell where they are is left out, with a note: the sender's own close-ups of
/// them, pictures known only by their address, pictures that cannot be decoded, and all pictures when an item has no box.
/// What the sender's program did not report is not found. The sender's own request still holds the pictures; it is not
/// forwarded to targets of this route.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Blur")]
pub(crate) struct Settings {
    /// What is made unreadable, by its box: a list of `plates`, `vehicles`, `faces`, `objects`. Default `[plates, faces]`;
    /// with `outside` or `regions`, none.
    pub(super) what: Option<Vec<What>>,
    /// Only items for which this condition holds, such as `plate.region != "us-ca"`. It sees `event`, the `plate`, `face` or
    /// `object`, `lists` and `now`. An item for which it cannot be evaluated is made unreadable; mind that a field which an
    /// event does not have compares as *no*.
    pub(super) only: Option<String>,
    /// Not the items for which this condition holds, such as `plate.text in lists.staff`.
    pub(super) except: Option<String>,
    /// In a delivery about one item (`each`): whether that item stays readable. Default false.
    pub(super) keep_own: bool,
    /// Everything outside of this part of the frame.
    pub(super) outside: Option<Shape>,
    /// These parts of the frame, such as a window of the neighbours.
    pub(super) regions: Vec<Shape>,
    /// How much more than the box, on each side: a part of its width and height or pixels. Default `15%`; boxes of readers
    /// are tight, and letters at the edge would stay.
    pub(super) pad: BlurPad,
    /// How coarse what is left is, from 1 to 5: from six down to two patches along the longer side of a box. Default 3.
    pub(super) strength: Strength,
    /// What it looks like: `blur` (default), `pixelate`, or `fill`, in one colour.
    pub(super) how: How,
    /// Of `fill`. Default `black`.
    pub(super) color: Color,
    /// How pictures are written: `jpeg`, `png` or `webp` (lossless). Default: as they were.
    pub(super) format: Option<Format>,
    /// JPEG quality from 1 to 100, default 90. Of no effect on `png` and `webp`.
    pub(super) quality: Option<Quality>,
    /// Pictures with more pixels are not decoded, and left out. Default 100000000 (100 megapixels, up to 400 MB while
    /// decoded).
    #[schemars(range(min = 1))]
    pub(super) max_pixels: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            what: None,
            only: None,
            except: None,
            keep_own: false,
            outside: None,
            regions: Vec::new(),
            pad: BlurPad::default(),
            strength: Strength::default(),
            how: How::default(),
            color: Color::BLACK,
            format: None,
            quality: None,
            max_pixels: 100_000_000,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum How {
    #[default]
    Blur,
    Pixelate,
    Fill,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(super) struct BlurPad(pub(super) Pad);

impl Default for BlurPad {
    fn default() -> Self {
        Self(Pad::Percent(15.0))
    }
}

/// From 1 (coarse) to 5 (coarsest).
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(inline)]
pub(super) struct Strength(#[schemars(range(min = 1, max = 5))] u8);

impl Default for Strength {
    fn default() -> Self {
        Self(3)
    }
}

impl<'de> Deserialize<'de> for Strength {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            strength @ 1..=5 => Ok(Self(strength)),
            other => Err(de::Error::custom(format!(
                "a strength is from 1 to 5, not {other}"
            ))),
        }
    }
}

impl Strength {
    /// Patches along the longer side of a box: less than a plate has letters.
    pub(super) fn patches_of_a_box(self) -> u32 {
        7 - u32::from(self.0)
    }

    /// Patches along the longer side of a picture, where everything in a part of it goes.
    pub(super) fn patches_of_a_picture(self) -> u32 {
        28 - 4 * u32::from(self.0)
    }
}

/// A part of the frame: either `box` or `corners`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Shape {
    /// `[xmin, ymin, xmax, ymax]`.
    #[serde(rename = "box", default)]
    rectangle: Option<[f64; 4]>,
    /// Its corners, each `[x, y]`, three to 100 of them.
    #[serde(default)]
    corners: Option<Vec<[f64; 2]>>,
    /// `e4`: ten-thousandths of the frame's width and height, so that 5000 is its middle (default). `px`: pixels of the
    /// frame.
    #[serde(default)]
    unit: ShapeUnit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ShapeUnit {
    #[default]
    E4,
    Px,
}

const CORNERS_MAX: usize = 100;

impl Shape {
    /// What is wrong with it, in words.
    pub(super) fn mistake(&self) -> Option<&'static str> {
        match (&self.rectangle, &self.corners) {
            (Some([xmin, ymin, xmax, ymax]), None) => {
                let sound = xmin < xmax && ymin < ymax;
                (!sound).then_some("an empty box: expected `[xmin, ymin, xmax, ymax]`")
            }
            (None, Some(corners)) => {
                let some = (3..=CORNERS_MAX).contains(&corners.len());
                (!some).then_some("an area has three to 100 corners")
            }
            _ => Some("expected either `box` or `corners`"),
        }
    }

    /// In pixels of a frame of that size.
    pub(super) fn corners(&self, frame: Size) -> Vec<(f64, f64)> {
        let corners = match (&self.rectangle, &self.corners) {
            (Some([xmin, ymin, xmax, ymax]), _) => {
                vec![
                    [*xmin, *ymin],
                    [*xmax, *ymin],
                    [*xmax, *ymax],
                    [*xmin, *ymax],
                ]
            }
            (None, corners) => corners.clone().unwrap_or_default(),
        };
        let (x, y) = match self.unit {
            ShapeUnit::Px => (1.0, 1.0),
            ShapeUnit::E4 => (
                f64::from(frame.width) / 10_000.0,
                f64::from(frame.height) / 10_000.0,
            ),
        };
        corners
            .into_iter()
            .map(|[across, down]| (across * x, down * y))
            .collect()
    }
}
