//! Boxes, and turning one into pixels of the picture at hand.
//!
//! A box counts in one picture and is often wanted in another: the plate's box in the frame while only the crop around
//! the vehicle came along, or the other way round. The vehicle's box, told in the frame, is the bridge between the two:
//! its corner is where the crop's origin lies. There is no bridge to any other picture.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::origin::{Origin, Spot, Ties};
use super::{Role, Size};

/// A rectangle in a picture; `xmax` and `ymax` are outer corners, so the width is `xmax - xmin`.
/// As the sender told it: it may be inverted, empty or outside of its picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Area {
    pub(crate) xmin: i32,
    pub(crate) ymin: i32,
    pub(crate) xmax: i32,
    pub(crate) ymax: i32,
    pub(crate) unit: Unit,
    /// The picture that the corners count in.
    pub(crate) image: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// Corners in pixels, wide enough that no sum of two overflows.
#[derive(Debug, Clone, Copy)]
struct Corners {
    xmin: i64,
    ymin: i64,
    xmax: i64,
    ymax: i64,
}

impl Area {
    /// This box in pixels of a picture of that role and size, cut to what lies inside of it.
    ///
    /// `frame` is the size of the full frame, needed only for ten-thousandths wanted in a vehicle's crop; `vehicle` is
    /// the box of the vehicle the crop shows. `None` when the box is empty or inverted, when nothing of it lies inside
    /// the picture, or when no way leads from its own picture to this one.
    pub(crate) fn within(
        &self,
        picture: &Role,
        size: Size,
        frame: Option<Size>,
        vehicle: Option<&Self>,
    ) -> Option<Pixels> {
        self.corners_in(picture, Some(size), frame, vehicle)?
            .cut_to(size)
    }

    /// The same box told in pixels of another picture, not cut to it: for those who write it down and draw nothing.
    /// `frame` is the size of the full frame, needed only for ten-thousandths. `None` as for [`Self::within`].
    pub(crate) fn told_in(
        &self,
        picture: &Role,
        frame: Option<Size>,
        vehicle: Option<&Self>,
    ) -> Option<Self> {
        let size = if *picture == Role::FRAME { frame } else { None };
        let corners = self.corners_in(picture, size, frame, vehicle)?;
        let narrow =
            |side: i64| i32::try_from(side).unwrap_or(if side < 0 { i32::MIN } else { i32::MAX });
        Some(Self {
            xmin: narrow(corners.xmin),
            ymin: narrow(corners.ymin),
            xmax: narrow(corners.xmax),
            ymax: narrow(corners.ymax),
            unit: Unit::Pixels,
            image: picture.clone(),
        })
    }

    /// Where this box lies in a picture of that origin, however many steps made it; not cut to the picture. `None` when
    /// the box is empty or inverted, or when no way leads from its own picture to this one.
    pub(crate) fn on(&self, picture: &Origin, ties: Ties<'_>) -> Option<Spot> {
        let same_vehicle = || ties.own_vehicle.is_some() && ties.own_vehicle == ties.shown_vehicle;
        let is_own = self.image == picture.role
            && (self.image == Role::FRAME
                || ties.same_item
                || (self.image == Role::VEHICLE && same_vehicle()));
        let corners = if is_own {
            self.corners(Some(picture.size))
        } else if picture.role == Role::FRAME {
            self.corners_in(&Role::FRAME, Some(picture.size), None, ties.own_vehicle)
        } else if picture.role == Role::VEHICLE {
            let shown = ties
                .shown_vehicle
                .filter(|vehicle| vehicle.image == Role::FRAME)?
                .corners(ties.frame)?;
            let in_the_frame = self.corners_in(&Role::FRAME, ties.frame, None, ties.own_vehicle)?;
            Some(in_the_frame.moved(-shown.xmin, -shown.ymin))
        } else {
            None
        }?;
        Some(picture.mapping.apply(corners.spot()))
    }

    /// Whether this box lies in `outer`, edges included; both must count in the same unit of the same picture.
    pub(crate) fn lies_in(&self, outer: &Self) -> bool {
        outer.xmin <= self.xmin
            && outer.ymin <= self.ymin
            && self.xmax <= outer.xmax
            && self.ymax <= outer.ymax
    }

    fn corners_in(
        &self,
        picture: &Role,
        size: Option<Size>,
        frame: Option<Size>,
        vehicle: Option<&Self>,
    ) -> Option<Corners> {
        if self.image == *picture {
            return self.corners(size);
        }
        let frame = if *picture == Role::FRAME { size } else { frame };
        let vehicle = vehicle
            .filter(|vehicle| vehicle.image == Role::FRAME)?
            .corners(frame)?;
        if self.image == Role::FRAME && *picture == Role::VEHICLE {
            Some(self.corners(frame)?.moved(-vehicle.xmin, -vehicle.ymin))
        } else if self.image == Role::VEHICLE && *picture == Role::FRAME {
            Some(
                self.corners(vehicle.size())?
                    .moved(vehicle.xmin, vehicle.ymin),
            )
        } else {
            None
        }
    }

    /// In pixels of its own picture; `None` when empty or inverted, or when ten-thousandths meet an unknown size.
    fn corners(&self, own: Option<Size>) -> Option<Corners> {
        let (xmin, xmax) = (i64::from(self.xmin), i64::from(self.xmax));
        let (ymin, ymax) = (i64::from(self.ymin), i64::from(self.ymax));
        let corners = match self.unit {
            Unit::Pixels => Corners {
                xmin,
                ymin,
                xmax,
                ymax,
            },
            Unit::TenThousandths => {
                let own = own?;
                // To the nearest pixel, so that a box told in pixels survives the way there and back. The widest
                // product, 2^31 times 2^32, just fits.
                let scale = |part: i64, side: u32| {
                    (part * i64::from(side))
                        .saturating_add(5_000)
                        .div_euclid(10_000)
                };
                Corners {
                    xmin: scale(xmin, own.width),
                    ymin: scale(ymin, own.height),
                    xmax: scale(xmax, own.width),
                    ymax: scale(ymax, own.height),
                }
            }
        };
        (corners.xmin < corners.xmax && corners.ymin < corners.ymax).then_some(corners)
    }
}

impl Corners {
    fn moved(self, x: i64, y: i64) -> Self {
        Self {
            xmin: self.xmin + x,
            ymin: self.ymin + y,
            xmax: self.xmax + x,
            ymax: self.ymax + y,
        }
    }

    /// Exact: corners are far below 2^53.
    fn spot(self) -> Spot {
        Spot {
            xmin: self.xmin as f64,
            ymin: self.ymin as f64,
            xmax: self.xmax as f64,
            ymax: self.ymax as f64,
        }
    }

    fn size(self) -> Option<Size> {
        Some(Size {
            width: u32::try_from(self.xmax - self.xmin).ok()?,
            height: u32::try_from(self.ymax - self.ymin).ok()?,
        })
    }

    fn cut_to(self, size: Size) -> Option<Pixels> {
        let (x, width) = cut(self.xmin, self.xmax, size.width)?;
        let (y, height) = cut(self.ymin, self.ymax, size.height)?;
        Some(Pixels {
            x,
            y,
            width,
            height,
        })
    }
}

/// Start and length of the part of `min..max` that lies in `0..side`; `None` when nothing does.
fn cut(min: i64, max: i64, side: u32) -> Option<(u32, u32)> {
    let start = min.max(0);
    let end = max.min(i64::from(side));
    if start >= end {
        return None;
    }
    Some((u32::try_from(start).ok()?, u32::try_from(end - start).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAME: Size = Size {
        width: 1280,
        height: 720,
    };
    const CROP: Size = Size {
        width: 496,
        height: 174,
    };

    fn area(corners: [i32; 4], unit: Unit, image: Role) -> Area {
        let [xmin, ymin, xmax, ymax] = corners;
        Area {
            xmin,
            ymin,
            xmax,
            ymax,
            unit,
            image,
        }
    }

    fn px(corners: [i32; 4], image: Role) -> Area {
        area(corners, Unit::Pixels, image)
    }

    fn vehicle() -> Area {
        px([603, 0, 1099, 174], Role::FRAME)
    }

    fn cut_out(x: u32, y: u32, width: u32, height: u32) -> Option<Pixels> {
        Some(Pixels {
            x,
            y,
            width,
            height,
        })
    }

    #[test]
    fn a_box_of_the_picture_at_hand_is_used_as_it_is() {
        let plate = px([153, 91, 302, 125], Role::VEHICLE);
        assert_eq!(
            plate.within(&Role::VEHICLE, CROP, None, Some(&vehicle())),
            cut_out(153, 91, 149, 34)
        );
        let plate = px([756, 91, 905, 125], Role::FRAME);
        assert_eq!(
            plate.within(&Role::FRAME, FRAME, None, None),
            cut_out(756, 91, 149, 34)
        );
    }

    #[test]
    fn a_box_of_the_crop_is_found_in_the_frame() {
        let plate = px([153, 91, 302, 125], Role::VEHICLE);
        assert_eq!(
            plate.within(&Role::FRAME, FRAME, None, Some(&vehicle())),
            cut_out(756, 91, 149, 34)
        );
        assert_eq!(
            plate.told_in(&Role::FRAME, None, Some(&vehicle())),
            Some(px([756, 91, 905, 125], Role::FRAME))
        );
    }

    #[test]
    fn a_box_of_the_frame_is_found_in_the_crop() {
        let plate = px([756, 91, 905, 125], Role::FRAME);
        assert_eq!(
            plate.within(&Role::VEHICLE, CROP, None, Some(&vehicle())),
            cut_out(153, 91, 149, 34)
        );
        assert_eq!(
            plate.told_in(&Role::VEHICLE, None, Some(&vehicle())),
            Some(px([153, 91, 302, 125], Role::VEHICLE))
        );
    }

    #[test]
    fn without_the_vehicles_box_nothing_leads_from_the_crop_to_the_frame() {
        let plate = px([153, 91, 302, 125], Role::VEHICLE);
        let nowhere = px([0, 0, 0, 0], Role::FRAME);
        assert_eq!(plate.within(&Role::FRAME, FRAME, None, None), None);
        assert_eq!(
            plate.within(&Role::FRAME, FRAME, None, Some(&nowhere)),
            None
        );
        assert_eq!(
            plate.within(&Role::PLATE, CROP, None, Some(&vehicle())),
            None
        );
    }

    #[test]
    fn ten_thousandths_follow_the_size_of_their_own_picture() {
        let plate = area([5906, 1264, 7070, 1736], Unit::TenThousandths, Role::FRAME);
        assert_eq!(
            plate.within(&Role::FRAME, FRAME, None, None),
            cut_out(756, 91, 149, 34)
        );
        assert_eq!(
            plate.within(&Role::VEHICLE, CROP, Some(FRAME), Some(&vehicle())),
            cut_out(153, 91, 149, 34)
        );
        assert_eq!(
            plate.within(&Role::VEHICLE, CROP, None, Some(&vehicle())),
            None
        );
        let half = area([0, 0, 5000, 5000], Unit::TenThousandths, Role::VEHICLE);
        assert_eq!(
            half.within(&Role::FRAME, FRAME, None, Some(&vehicle())),
            cut_out(603, 0, 248, 87)
        );
    }

    #[test]
    fn what_lies_outside_is_cut_off_and_what_is_left_of_nothing_is_none() {
        let over = px([-20, 600, 100, 900], Role::FRAME);
        assert_eq!(
            over.within(&Role::FRAME, FRAME, None, None),
            cut_out(0, 600, 100, 120)
        );
        for nothing in [
            [1300, 0, 1400, 20],
            [10, 10, 10, 20],
            [30, 10, 10, 20],
            [0, 0, 0, 0],
            [-9, -9, 0, 0],
        ] {
            let nothing = px(nothing, Role::FRAME);
            assert_eq!(
                nothing.within(&Role::FRAME, FRAME, None, None),
                None,
                "{nothing:?}"
            );
        }
    }

    fn any_area() -> impl Strategy<Value = Area> {
        let role = prop_oneof![
            Just(Role::FRAME),
            Just(Role::VEHICLE),
            Just(Role::PLATE),
            Just(Role::named("zoom"))
        ];
        let unit = prop_oneof![Just(Unit::Pixels), Just(Unit::TenThousandths)];
        let side = || prop_oneof![any::<i32>(), -50..2_000, Just(i32::MIN), Just(i32::MAX)];
        let corners = [
            side().boxed(),
            side().boxed(),
            side().boxed(),
            side().boxed(),
        ];
        (corners, unit, role).prop_map(|(corners, unit, role)| area(corners, unit, role))
    }

    fn any_size() -> impl Strategy<Value = Size> {
        let side = || prop_oneof![any::<u32>(), 0u32..2_000, Just(u32::MAX)];
        (side(), side()).prop_map(|(width, height)| Size { width, height })
    }

    proptest! {
        #[test]
        fn the_result_is_never_empty_and_never_outside(
            plate in any_area(),
            vehicle in proptest::option::of(any_area()),
            size in any_size(),
            frame in proptest::option::of(any_size()),
        ) {
            for role in [Role::FRAME, Role::VEHICLE, Role::PLATE] {
                plate.told_in(&role, frame, vehicle.as_ref());
                if let Some(inside) = plate.within(&role, size, frame, vehicle.as_ref()) {
                    prop_assert!(inside.width > 0 && inside.height > 0);
                    prop_assert!(u64::from(inside.x) + u64::from(inside.width) <= u64::from(size.width));
                    prop_assert!(u64::from(inside.y) + u64::from(inside.height) <= u64::from(size.height));
                }
            }
        }

        #[test]
        fn to_the_frame_and_back_is_the_same_box(
            x in 0..400, y in 0..100, width in 1..90, height in 1..70,
        ) {
            let plate = px([x, y, x + width, y + height], Role::VEHICLE);
            let vehicle = vehicle();
            let there = plate.told_in(&Role::FRAME, None, Some(&vehicle)).unwrap();
            prop_assert_eq!(there.told_in(&Role::VEHICLE, None, Some(&vehicle)), Some(plate));
        }
    }
}
