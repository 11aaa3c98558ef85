//! Boxes of Hikvision's devices, whose unit nobody states.
//!
//! `plateRect` stands beside the name of the *detection picture*, and counts in it. Devices in the field count in pixels,
//! in thousandths, and (as a third-party receiver tells) in ten-thousandths of its sides. So, in this order:
//!
//! 1. Without the picture's size (from the picture, or `detectionBackgroundImageResolution`) numbers beyond 1000 are pixels,
//!    others thousandths.
//! 2. With it, what fits into the picture in one unit only has that unit.
//! 3. What fits in both has the unit in which its shape is nearer to the shape of the plate's own picture, if that came
//!    along: a plate in pixels is some five times as wide as high, and in thousandths of a wide picture less than three times.
//! 4. Else it is pixels.
//!
//! Pixels of a told resolution that is not the picture's own are turned into ten-thousandths, so that they fit any size.

use super::super::json::Json;
use super::super::lenient::{first_of, number};
use super::{all, one};
use crate::event::{Area, Event, Role, Size, Unit};

/// How much nearer the shape in thousandths must be to win against pixels: plate pictures have margins of their own.
const CLEARLY: f64 = 1.25;

/// The plate's box in the frame.
pub(super) fn of_plate(event: &Event, alert: &Json) -> Option<Area> {
    let anpr = &alert["ANPR"];
    let infos = all(&anpr["pictureInfoList"]["pictureInfo"]);
    let info = infos.iter().find(|info| info["plateRect"].is_map());
    let info = info.unwrap_or(&Json::Null);
    let sides = Sides::read(first_of(&[&info["plateRect"], one(&anpr["plateRect"])]))?;
    let size_of = |role: Role| {
        let image = event.images.iter().find(|image| image.role == role);
        image.and_then(crate::event::Picture::size)
    };
    let told = resolution(first_of(&[
        &info["detectionBackgroundImageResolution"],
        &anpr["detectionBackgroundImageResolution"],
        &alert["detectionBackgroundImageResolution"],
    ]));
    let real = size_of(Role::FRAME);
    sides.area(told, real, size_of(Role::PLATE))
}

/// A target's box: fractions of the frame from 0 to 1.
pub(super) fn of_target(rect: &Json) -> Option<Area> {
    let sides = Sides::read(rect)?;
    let is_fraction = sides.right() <= 1.0 && sides.bottom() <= 1.0;
    is_fraction.then(|| sides.scaled(10_000.0, 10_000.0))
}

fn resolution(told: &Json) -> Option<Size> {
    let side = |names: [&str; 2]| {
        let side = number(first_of(&[&told[names[0]], &told[names[1]]]))?;
        // The cast saturates; nothing but comparisons are made with it.
        (side >= 1.0).then_some(side as u32)
    };
    Some(Size {
        width: side(["width", "imageWidth"])?,
        height: side(["height", "imageHeight"])?,
    })
}

struct Sides {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Sides {
    /// `None` when a side is missing, and when the box is empty, which is how devices write that there is none.
    fn read(rect: &Json) -> Option<Self> {
        let side = |upper: &str, lower: &str| number(first_of(&[&rect[upper], &rect[lower]]));
        let sides = Self {
            x: side("X", "x")?,
            y: side("Y", "y")?,
            width: side("width", "Width")?,
            height: side("height", "Height")?,
        };
        (sides.x >= 0.0 && sides.y >= 0.0 && sides.width > 0.0 && sides.height > 0.0)
            .then_some(sides)
    }

    fn right(&self) -> f64 {
        self.x + self.width
    }

    fn bottom(&self) -> f64 {
        self.y + self.height
    }

    fn within(&self, width: f64, height: f64) -> bool {
        self.right() <= width && self.bottom() <= height
    }

    fn area(&self, told: Option<Size>, real: Option<Size>, plate: Option<Size>) -> Option<Area> {
        let thousandths = || self.scaled(10.0, 10.0);
        let Some(size) = told.or(real) else {
            let is_pixels = !self.within(1_000.0, 1_000.0);
            return Some(if is_pixels {
                self.pixels()
            } else {
                thousandths()
            });
        };
        let (width, height) = (f64::from(size.width), f64::from(size.height));
        let pixels = || {
            if told.is_none() || real.is_none_or(|real| real == size) {
                self.pixels()
            } else {
                self.scaled(10_000.0 / width, 10_000.0 / height)
            }
        };
        match (self.within(width, height), self.within(1_000.0, 1_000.0)) {
            (true, false) => Some(pixels()),
            (false, true) => Some(thousandths()),
            (false, false) => self
                .within(10_000.0, 10_000.0)
                .then(|| self.scaled(1.0, 1.0)),
            (true, true) => {
                let shape = |size: Size| f64::from(size.width) / f64::from(size.height.max(1));
                let Some(plate) = plate.map(shape) else {
                    return Some(pixels());
                };
                let off = |shape: f64| (shape / plate).max(plate / shape);
                let in_pixels = off(self.width / self.height);
                let in_thousandths = off(self.width * width / (self.height * height));
                let is_pixels = in_pixels <= in_thousandths * CLEARLY;
                Some(if is_pixels { pixels() } else { thousandths() })
            }
        }
    }

    fn pixels(&self) -> Area {
        Area {
            unit: Unit::Pixels,
            ..self.scaled(1.0, 1.0)
        }
    }

    /// Into ten-thousandths of the frame.
    fn scaled(&self, across: f64, down: f64) -> Area {
        // The casts saturate, which is all that can be done for an edge two billion units away.
        Area {
            xmin: (self.x * across).round() as i32,
            ymin: (self.y * down).round() as i32,
            xmax: (self.right() * across).round() as i32,
            ymax: (self.bottom() * down).round() as i32,
            unit: Unit::TenThousandths,
            image: Role::FRAME,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HD: Size = Size {
        width: 1920,
        height: 1080,
    };

    fn told(
        [x, y, width, height]: [f64; 4],
        told: Option<Size>,
        real: Option<Size>,
        plate: Option<(u32, u32)>,
    ) -> ([i32; 4], Unit) {
        let sides = Sides {
            x,
            y,
            width,
            height,
        };
        let plate = plate.map(|(width, height)| Size { width, height });
        let area = sides.area(told, real, plate).unwrap();
        ([area.xmin, area.ymin, area.xmax, area.ymax], area.unit)
    }

    #[test]
    fn without_a_size_large_numbers_are_pixels() {
        assert_eq!(
            told([1_100.0, 500.0, 140.0, 30.0], None, None, None),
            ([1_100, 500, 1_240, 530], Unit::Pixels)
        );
        assert_eq!(
            told([338.0, 338.0, 117.0, 44.0], None, None, None),
            ([3_380, 3_380, 4_550, 3_820], Unit::TenThousandths)
        );
    }

    #[test]
    fn what_fits_in_one_unit_has_it() {
        let small = Some(Size {
            width: 640,
            height: 360,
        });
        assert_eq!(
            told([700.0, 700.0, 100.0, 40.0], None, small, None).1,
            Unit::TenThousandths
        );
        assert_eq!(
            told([1_700.0, 700.0, 100.0, 40.0], None, Some(HD), None).1,
            Unit::Pixels
        );
        assert_eq!(
            told([5_000.0, 7_000.0, 100.0, 40.0], None, Some(HD), None),
            ([5_000, 7_000, 5_100, 7_040], Unit::TenThousandths)
        );
    }

    #[test]
    fn what_fits_in_both_has_the_shape_of_the_plates_own_picture() {
        let sides = [338.0, 338.0, 117.0, 44.0];
        assert_eq!(told(sides, None, Some(HD), None).1, Unit::Pixels);
        assert_eq!(told(sides, None, Some(HD), Some((117, 44))).1, Unit::Pixels);
        assert_eq!(
            told(sides, None, Some(HD), Some((225, 48))).1,
            Unit::TenThousandths
        );
    }

    #[test]
    fn pixels_of_another_resolution_become_ten_thousandths() {
        let half = Some(Size {
            width: 960,
            height: 540,
        });
        assert_eq!(
            told([1_152.0, 540.0, 192.0, 54.0], Some(HD), half, None),
            ([6_000, 5_000, 7_000, 5_500], Unit::TenThousandths)
        );
        assert_eq!(
            told([1_152.0, 540.0, 192.0, 54.0], Some(HD), Some(HD), None).1,
            Unit::Pixels
        );
    }
}
