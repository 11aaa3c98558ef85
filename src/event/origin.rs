//! Where the pixels of a picture come from: how a picture that a step made lies on the one that the sender sent.
//!
//! An event's boxes count in the pictures as they were sent and displayed. Steps cut, scale and frame pictures, one after
//! the other; each picture they make carries the way back to the sent one, so that a box can be found in it however many
//! steps lie between. Turning as EXIF says is no part of the way: sizes and boxes are of pictures as displayed.

use super::{Area, Item, Pixels, Role, Size};

/// The picture that came with the event, and the way from its pixels to those of the picture at hand.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Origin {
    pub(crate) role: Role,
    pub(crate) item: Option<Item>,
    /// Of the sent picture, as displayed.
    pub(crate) size: Size,
    pub(crate) mapping: Mapping,
}

/// From the pixels of one picture to those of another made from it: first scaled, then moved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mapping {
    scale: (f64, f64),
    offset: (f64, f64),
}

/// A rectangle in pixels of a picture, which may reach beyond it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spot {
    pub(crate) xmin: f64,
    pub(crate) ymin: f64,
    pub(crate) xmax: f64,
    pub(crate) ymax: f64,
}

/// What leads from a box to a picture, besides the two.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ties<'a> {
    /// The size of the frame as it was sent.
    pub(crate) frame: Option<Size>,
    /// The box of the vehicle that the box belongs to.
    pub(crate) own_vehicle: Option<&'a Area>,
    /// The box of the vehicle that the picture was sent as.
    pub(crate) shown_vehicle: Option<&'a Area>,
    /// Whether the picture was sent as one of the item that the box belongs to.
    pub(crate) same_item: bool,
}

impl Origin {
    /// Of a picture that is as it was sent.
    pub(crate) fn sent(role: Role, item: Option<Item>, size: Size) -> Self {
        Self {
            role,
            item,
            size,
            mapping: Mapping::SAME,
        }
    }

    /// Of what is cut out of the picture with this origin.
    pub(crate) fn cut(self, pixels: Pixels) -> Self {
        self.moved(-f64::from(pixels.x), -f64::from(pixels.y))
    }

    /// Of the same when the sent picture was itself cut out of another, with its corner there.
    pub(crate) fn cut_from(self, other: Self, corner: (f64, f64)) -> Self {
        let Mapping { scale, .. } = self.mapping;
        let offset = self.mapping.point((-corner.0, -corner.1));
        Self {
            mapping: Mapping { scale, offset },
            ..other
        }
    }

    /// Of the same with every pixel elsewhere, such as below a strip of text.
    pub(crate) fn moved(mut self, x: f64, y: f64) -> Self {
        self.mapping.offset.0 += x;
        self.mapping.offset.1 += y;
        self
    }

    /// Of the same in another size.
    pub(crate) fn scaled(mut self, x: f64, y: f64) -> Self {
        let Mapping { scale, offset } = &mut self.mapping;
        *scale = (scale.0 * x, scale.1 * y);
        *offset = (offset.0 * x, offset.1 * y);
        self
    }

    /// Whether a picture of that size shows just what the sent one shows.
    pub(crate) fn is_whole(&self, size: Size) -> bool {
        let Mapping { scale, offset } = self.mapping;
        let fits = |sent: u32, scale: f64, own: u32| {
            (f64::from(sent) * scale - f64::from(own)).abs() < 0.5
        };
        offset == (0.0, 0.0)
            && fits(self.size.width, scale.0, size.width)
            && fits(self.size.height, scale.1, size.height)
    }

    /// Whether its pixels are those of the sent picture, in their place.
    pub(crate) fn is_in_place(&self) -> bool {
        self.mapping == Mapping::SAME
    }
}

impl Mapping {
    const SAME: Self = Self {
        scale: (1.0, 1.0),
        offset: (0.0, 0.0),
    };

    /// Where a pixel of the one lies in the other.
    pub(crate) fn point(self, (x, y): (f64, f64)) -> (f64, f64) {
        let Self { scale, offset } = self;
        (x * scale.0 + offset.0, y * scale.1 + offset.1)
    }

    pub(super) fn apply(self, spot: Spot) -> Spot {
        let (xmin, ymin) = self.point((spot.xmin, spot.ymin));
        let (xmax, ymax) = self.point((spot.xmax, spot.ymax));
        Spot {
            xmin,
            ymin,
            xmax,
            ymax,
        }
    }
}

impl Spot {
    /// To the nearest pixels, as much of it as the picture has; `None` when nothing of it is there.
    pub(crate) fn within(self, picture: Size) -> Option<Pixels> {
        self.cut_to(picture, f64::round, f64::round)
    }

    /// With every pixel that it touches, as much of it as the picture has; `None` when nothing of it is there.
    pub(crate) fn covering(self, picture: Size) -> Option<Pixels> {
        self.cut_to(picture, f64::floor, f64::ceil)
    }

    fn cut_to(self, picture: Size, lower: fn(f64) -> f64, upper: fn(f64) -> f64) -> Option<Pixels> {
        let (x, width) = cut(lower(self.xmin), upper(self.xmax), picture.width)?;
        let (y, height) = cut(lower(self.ymin), upper(self.ymax), picture.height)?;
        Some(Pixels {
            x,
            y,
            width,
            height,
        })
    }

    /// With so much more on each side.
    pub(crate) fn grown(self, x: f64, y: f64) -> Self {
        Self {
            xmin: self.xmin - x,
            ymin: self.ymin - y,
            xmax: self.xmax + x,
            ymax: self.ymax + y,
        }
    }

    pub(crate) fn meets(self, other: Self) -> bool {
        self.xmin < other.xmax
            && other.xmin < self.xmax
            && self.ymin < other.ymax
            && other.ymin < self.ymax
    }

    pub(crate) fn width(self) -> f64 {
        self.xmax - self.xmin
    }

    pub(crate) fn height(self) -> f64 {
        self.ymax - self.ymin
    }
}

/// Start and length of the part of `min..max` that lies in `0..side`; `None` when nothing does.
fn cut(min: f64, max: f64, side: u32) -> Option<(u32, u32)> {
    // The casts saturate, and what is not a number becomes 0.
    let start = min.max(0.0) as u32;
    let end = (max.max(0.0) as u32).min(side);
    (start < end).then(|| (start, end - start))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::Unit;

    const FRAME: Size = Size {
        width: 1280,
        height: 720,
    };

    fn area(corners: [i32; 4], image: Role) -> Area {
        let [xmin, ymin, xmax, ymax] = corners;
        Area {
            xmin,
            ymin,
            xmax,
            ymax,
            unit: Unit::Pixels,
            image,
        }
    }

    fn pixels(x: u32, y: u32, width: u32, height: u32) -> Pixels {
        Pixels {
            x,
            y,
            width,
            height,
        }
    }

    fn size(width: u32, height: u32) -> Size {
        Size { width, height }
    }

    fn frame() -> Origin {
        Origin::sent(Role::FRAME, None, FRAME)
    }

    #[test]
    fn a_box_is_found_in_what_was_cut_and_scaled() {
        let plate = area([756, 91, 905, 125], Role::FRAME);
        let half = frame().scaled(0.5, 0.5);
        let spot = plate.on(&half, Ties::default()).unwrap();
        assert_eq!(spot.covering(size(640, 360)), Some(pixels(378, 45, 75, 18)));

        let cut = frame().cut(pixels(700, 50, 300, 100)).scaled(2.0, 2.0);
        let spot = plate.on(&cut, Ties::default()).unwrap();
        assert_eq!(spot.within(size(600, 200)), Some(pixels(112, 82, 298, 68)));

        let under_a_strip = frame().moved(0.0, 40.0);
        let spot = plate.on(&under_a_strip, Ties::default()).unwrap();
        assert_eq!(
            spot.within(size(1280, 760)),
            Some(pixels(756, 131, 149, 34))
        );
    }

    #[test]
    fn ten_thousandths_are_of_the_picture_as_it_was_sent() {
        let half = Area {
            unit: Unit::TenThousandths,
            ..area([5000, 0, 10_000, 5000], Role::FRAME)
        };
        let cut = frame().cut(pixels(640, 0, 640, 360));
        let spot = half.on(&cut, Ties::default()).unwrap();
        assert_eq!(spot.within(size(640, 360)), Some(pixels(0, 0, 640, 360)));
    }

    #[test]
    fn a_box_in_one_vehicles_picture_is_found_in_anothers_through_the_frame() {
        let (own, shown) = (
            area([600, 100, 1000, 400], Role::FRAME),
            area([500, 50, 1100, 500], Role::FRAME),
        );
        let picture = Origin::sent(Role::VEHICLE, Some(Item::Plate(1)), size(600, 450));
        let ties = Ties {
            frame: Some(FRAME),
            own_vehicle: Some(&own),
            shown_vehicle: Some(&shown),
            same_item: false,
        };
        let plate = area([10, 10, 60, 30], Role::VEHICLE);
        let spot = plate.on(&picture, ties).unwrap();
        assert_eq!(spot.within(picture.size), Some(pixels(110, 60, 50, 20)));
        let in_the_frame = area([610, 110, 660, 130], Role::FRAME);
        assert_eq!(in_the_frame.on(&picture, ties), Some(spot));
        let same = Ties {
            same_item: true,
            ..ties
        };
        let spot = plate.on(&picture, same).unwrap();
        assert_eq!(spot.within(picture.size), Some(pixels(10, 10, 50, 20)));
    }

    #[test]
    fn a_part_of_a_part_is_a_part_of_the_whole() {
        let vehicle = Origin::sent(Role::VEHICLE, None, size(300, 200));
        let half = vehicle.cut(pixels(10, 20, 100, 100)).scaled(0.5, 0.5);
        let half = half.cut_from(frame(), (600.0, 100.0));
        assert_eq!((half.role.clone(), half.size), (Role::FRAME, FRAME));
        assert_eq!(half.mapping.point((630.0, 160.0)), (10.0, 20.0));
    }

    #[test]
    fn where_no_way_leads_there_is_no_spot() {
        let plate = area([10, 10, 60, 30], Role::VEHICLE);
        assert_eq!(plate.on(&frame(), Ties::default()), None);
        let close_up = Origin::sent(Role::FACE, Some(Item::Face(0)), size(90, 90));
        let in_the_frame = area([10, 10, 60, 30], Role::FRAME);
        assert_eq!(in_the_frame.on(&close_up, Ties::default()), None);
        let of_another = area([10, 10, 60, 30], Role::FACE);
        assert_eq!(of_another.on(&close_up, Ties::default()), None);
        let inverted = area([60, 10, 10, 30], Role::FRAME);
        assert_eq!(inverted.on(&frame(), Ties::default()), None);
    }

    proptest! {
        #[test]
        fn a_spot_is_never_outside_of_its_picture(
            corners in any::<[f64; 4]>(), width in 0u32..5_000, height in 0u32..5_000,
        ) {
            let [xmin, ymin, xmax, ymax] = corners;
            let spot = Spot { xmin, ymin, xmax, ymax };
            for inside in [spot.within(size(width, height)), spot.covering(size(width, height))].into_iter().flatten() {
                prop_assert!(inside.width > 0 && inside.height > 0);
                prop_assert!(inside.x + inside.width <= width && inside.y + inside.height <= height);
            }
        }
    }
}
