//! Boxes, and turning one into pixels of the picture at hand.

use serde::{Deserialize, Serialize};

use super::{Role, Size};

/// A rectangle in a picture; `xmax` and `ymax` are outer corners, so the width is `xmax - xmin`.
/// As the sender told it: it may be inverted, empty or outside of its picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Area {
    pub(crate) xmin: i32,
    pub(crate) ymin: i32,
    pub(crate) xmax: i32,
    pub(crate) ymax: i32,
    pub(crate) unit: Unit,
    /// The picture that the corners count in.
    pub(crate) image: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Unit {
    #[serde(rename = "px")]
    Pixels,
    /// Ten-thousandths of the picture's width and height.
    #[serde(rename = "e4")]
    TenThousandths,
}

/// A rectangle that lies inside a picture of known size and is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pixels {
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}
