//! Which picture shows a box best.

use std::cmp::Reverse;

use super::Subject;
use crate::event::{Area, Event, Item, Origin, Picture, Pixels, Role, Size, Ties, Unit};
use crate::steps::album::{Album, Photo};

/// How far the size of a crop may be from that of its box.
const ROUNDING_PX: u32 = 2;

/// A box as it lies in one picture.
pub(super) struct Sight<'a> {
    pub(super) photo: &'a Photo,
    pub(super) size: Size,
    pub(super) pixels: Pixels,
    pub(super) origin: Origin,
}

/// What became of the search.
pub(super) struct Look<'a> {
    /// Best first.
    pub(super) sights: Vec<Sight<'a>>,
    /// Why there is none, if there is none.
    pub(super) otherwise: &'static str,
}

/// Finds the pictures that show `area`. The picture that it counts in comes first when it shows all of the box: no
/// translation is as exact. Otherwise what shows more pixels is better.
pub(super) fn look<'a>(
    subject: &Subject<'_>,
    area: &Area,
    own_role: &Role,
    event: &Event,
    album: &'a Album,
) -> Look<'a> {
    let shows = |photo: &&Photo| {
        let picture = &photo.picture;
        // The sender's own crop is not cut again, and what an earlier step cut lies elsewhere than its role says.
        (picture.role != *own_role || picture.role == area.image)
            && (picture.role == Role::FRAME || picture.came_with(event))
            && is_of(picture, subject, event)
    };
    let photos: Vec<_> = album.photos().filter(shows).collect();
    let frame = photos
        .iter()
        .find(|photo| photo.picture.role == Role::FRAME)
        .and_then(|photo| Some(photo.origin()?.size));
    let odd = photos
        .iter()
        .any(|photo| is_odd_crop(photo, subject.vehicle, frame));
    let mut otherwise = "no picture to cut from";
    let mut sights: Vec<_> = photos
        .into_iter()
        .filter_map(|photo| {
            let size = photo.size()?;
            if odd && photo.picture.role != area.image {
                otherwise = "the vehicle's picture has another size than its box, so nothing can be found by it";
                return None;
            }
            otherwise = "nothing left of the box inside the picture";
            let origin = photo.origin()?;
            let vehicle = subject.vehicle;
            let ties = Ties {
                frame,
                own_vehicle: vehicle,
                shown_vehicle: vehicle,
                same_item: true,
            };
            let pixels = area.on(&origin, ties)?.within(size)?;
            Some(Sight {
                photo,
                size,
                pixels,
                origin,
            })
        })
        .collect();
    sights.sort_by_key(|sight| {
        let own = sight.photo.picture.role == area.image;
        let named = sight.photo.picture.item == Some(subject.item);
        let shown = u64::from(sight.pixels.width) * u64::from(sight.pixels.height);
        Reverse((
            own && lies_inside(area, sight.origin.size),
            shown,
            own,
            named,
        ))
    });
    Look { sights, otherwise }
}

/// Whether the picture is of the whole event, of this subject, or of the same vehicle as another plate's.
fn is_of(picture: &Picture, subject: &Subject<'_>, event: &Event) -> bool {
    match picture.item {
        None => true,
        Some(item) if item == subject.item => true,
        Some(Item::Plate(n)) => {
            let other = event
                .plates
                .get(n)
                .and_then(|plate| plate.vehicle.as_ref()?.area.as_ref());
            matches!(subject.item, Item::Plate(_)) && other.is_some() && other == subject.vehicle
        }
        Some(Item::Face(_) | Item::Object(_)) => false,
    }
}

/// Whether this is a vehicle's picture that the sender scaled or gave a margin. Then its pixels are not the frame's
/// moved by the corner of the vehicle's box, and a translation would cut beside the plate.
fn is_odd_crop(photo: &Photo, vehicle: Option<&Area>, frame: Option<Size>) -> bool {
    let (true, Some(size), Some(vehicle)) =
        (photo.picture.role == Role::VEHICLE, photo.size(), vehicle)
    else {
        return false;
    };
    // Without a frame at hand a box in pixels still has a size; one in ten-thousandths has none to compare.
    let whole = frame.unwrap_or(Size {
        width: u32::MAX,
        height: u32::MAX,
    });
    let measurable = frame.is_some() || vehicle.unit == Unit::Pixels;
    let near = |a: u32, b: u32| a.abs_diff(b) <= ROUNDING_PX;
    match vehicle.within(&Role::FRAME, whole, frame, None) {
        Some(vehicle) if measurable => {
            !near(vehicle.width, size.width) || !near(vehicle.height, size.height)
        }
        _ => false,
    }
}

fn lies_inside(area: &Area, size: Size) -> bool {
    let (width, height) = match area.unit {
        Unit::Pixels => (i64::from(size.width), i64::from(size.height)),
        Unit::TenThousandths => (10_000, 10_000),
    };
    area.xmin >= 0
        && area.ymin >= 0
        && i64::from(area.xmax) <= width
        && i64::from(area.ymax) <= height
}
