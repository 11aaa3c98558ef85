//! Where the event's boxes lie in the pictures at hand, those of the sender and those that steps made.
//!
//! The event keeps its boxes as they were sent until all steps are taken: each picture knows its way back to a sent one
//! ([`Origin`]). Only what goes on to a target is told anew ([`told`]), so nothing is rounded twice and no step sees the
//! boxes of a picture that another step has already replaced.

use schemars::JsonSchema;
use serde::Deserialize;

use super::album::{Album, Photo};
use super::opened::Opened;
use crate::event::{Area, Event, Item, Origin, Picture, PictureData, Role, Size, Spot, Ties, Unit};

/// How far the size of a vehicle's picture may be from that of its box.
const ROUNDING_PX: u32 = 2;

/// What has boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum What {
    Plates,
    Vehicles,
    Faces,
    Objects,
}

/// One thing in the event that has, or should have, a box.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thing<'a> {
    pub(super) what: What,
    pub(super) item: Item,
    pub(super) area: Option<&'a Area>,
    /// The vehicle around it, which ties frame and vehicle picture together.
    vehicle: Option<&'a Area>,
}

/// The event's boxes, to be found in pictures.
pub(super) struct Places<'a> {
    event: &'a Event,
    frame: Option<Size>,
    /// Vehicles whose picture has another size than their box: the sender scaled it or gave it a margin, so its pixels
    /// are not the frame's moved by the box's corner.
    odd: Vec<&'a Area>,
}

impl What {
    pub(super) const ALL: [Self; 4] = [Self::Plates, Self::Vehicles, Self::Faces, Self::Objects];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Plates => "plates",
            Self::Vehicles => "vehicles",
            Self::Faces => "faces",
            Self::Objects => "objects",
        }
    }

    /// All such things of the event, with a box or without.
    pub(super) fn of(self, event: &Event) -> Vec<Thing<'_>> {
        let plates = || event.plates.iter().enumerate();
        let thing = |item, area, vehicle| Thing {
            what: self,
            item,
            area,
            vehicle,
        };
        match self {
            Self::Plates => plates()
                .map(|(n, plate)| {
                    let vehicle = plate.vehicle.as_ref().and_then(|of| of.area.as_ref());
                    thing(Item::Plate(n), plate.area.as_ref(), vehicle)
                })
                .collect(),
            Self::Vehicles => plates()
                .filter_map(|(n, plate)| {
                    let vehicle = plate.vehicle.as_ref()?.area.as_ref();
                    Some(thing(Item::Plate(n), vehicle, vehicle))
                })
                .collect(),
            Self::Faces => {
                let faces = event.faces.iter().enumerate();
                faces
                    .map(|(n, face)| thing(Item::Face(n), face.area.as_ref(), None))
                    .collect()
            }
            Self::Objects => {
                let objects = event.objects.iter().enumerate();
                objects
                    .map(|(n, object)| thing(Item::Object(n), object.area.as_ref(), None))
                    .collect()
            }
        }
    }
}

impl<'a> Places<'a> {
    /// `opened` spares nothing here but is what an album needs: only headers are read.
    pub(super) fn of(event: &'a Event, pixels_max: u64, opened: &Opened) -> Self {
        let sent = Album::of(&event.images, pixels_max, opened);
        let mut places = Self {
            event,
            frame: sent
                .photos()
                .find(|photo| photo.picture.role == Role::FRAME)
                .and_then(Photo::size),
            odd: Vec::new(),
        };
        for photo in sent.photos() {
            if photo.picture.role == Role::VEHICLE
                && let Some(size) = photo.size()
                && let Some(vehicle) = places.vehicle(photo.picture.item)
                && is_odd(size, vehicle, places.frame)
            {
                places.odd.push(vehicle);
            }
        }
        places
    }

    /// The frame's size as displayed, if it is known.
    pub(super) fn frame(&self) -> Option<Size> {
        self.frame
    }

    /// Where the picture's pixels come from: `None` when nobody knows.
    pub(super) fn origin(&self, photo: &Photo) -> Option<Origin> {
        self.origin_of(&photo.picture, photo.size()?)
    }

    pub(super) fn origin_of(&self, picture: &Picture, size: Size) -> Option<Origin> {
        match &picture.data {
            PictureData::Made(made) => made.origin().cloned(),
            PictureData::Url(_) => None,
            PictureData::Bytes(bytes) => {
                // A step may have given the sender's picture another name.
                let mut sent = self.event.images.iter();
                let sent = sent.find(|sent| match &sent.data {
                    PictureData::Bytes(sent) => {
                        sent.as_ptr() == bytes.as_ptr() && sent.len() == bytes.len()
                    }
                    PictureData::Url(_) | PictureData::Made(_) => false,
                })?;
                Some(Origin::sent(sent.role.clone(), sent.item, size))
            }
        }
    }

    pub(super) fn event(&self) -> &'a Event {
        self.event
    }

    /// Whether boxes that count in the frame count in this one: when several frames were sent, in the first.
    pub(super) fn is_certain(&self, photo: &Photo, origin: &Origin) -> bool {
        let frames = || {
            let sent = self.event.images.iter();
            sent.filter(|sent| sent.role == Role::FRAME && sent.item == origin.item)
        };
        let is_first = || {
            let bytes = frames().next().and_then(Picture::bytes);
            let own = match &photo.picture.data {
                PictureData::Bytes(bytes) => Some(bytes),
                PictureData::Url(_) | PictureData::Made(_) => None,
            };
            bytes
                .zip(own)
                .is_some_and(|(first, own)| first.as_ptr() == own.as_ptr())
        };
        origin.role != Role::FRAME || frames().count() < 2 || is_first()
    }

    /// The frame as it was sent, if its size is known.
    pub(super) fn sent_frame(&self) -> Option<Origin> {
        Some(Origin::sent(Role::FRAME, None, self.frame?))
    }

    /// The same pixels as a part of the frame as it was sent. Why that cannot be told, in words.
    pub(super) fn in_the_frame(&self, origin: &Origin) -> Result<Origin, &'static str> {
        if origin.role == Role::FRAME {
            return Ok(origin.clone());
        }
        let sent = self
            .sent_frame()
            .ok_or("the size of the frame is not known")?;
        let vehicles = What::Vehicles.of(self.event);
        let vehicle = vehicles.iter().find(|vehicle| {
            origin.role == Role::VEHICLE
                && vehicle.area.is_some()
                && vehicle.area == self.vehicle(origin.item)
                && !vehicle.area.is_some_and(|area| self.odd.contains(&area))
        });
        let vehicle = vehicle.ok_or("no way leads from the frame to this picture")?;
        let spot = self.find(vehicle, &sent)?;
        Ok(origin.clone().cut_from(sent, (spot.xmin, spot.ymin)))
    }

    /// Where a thing lies in a picture of that origin; what lies outside of it has a spot too. Why that cannot be told,
    /// in words.
    pub(super) fn find(&self, thing: &Thing<'_>, origin: &Origin) -> Result<Spot, &'static str> {
        let area = thing.area.ok_or("no box")?;
        let shown_vehicle = self.vehicle(origin.item);
        let crosses = area.image != origin.role;
        let odd = |vehicle: Option<&Area>| vehicle.is_some_and(|area| self.odd.contains(&area));
        if (crosses && (odd(thing.vehicle) || odd(shown_vehicle)))
            || (origin.role == Role::VEHICLE
                && shown_vehicle != thing.vehicle
                && odd(shown_vehicle))
        {
            return Err(
                "the vehicle's picture has another size than its box, so nothing can be found by it",
            );
        }
        let ties = Ties {
            frame: self.frame,
            own_vehicle: thing.vehicle,
            shown_vehicle,
            same_item: origin.item == Some(thing.item)
                || (origin.item.is_none() && thing.what.of(self.event).len() == 1),
        };
        area.on(origin, ties)
            .ok_or("no way leads from the box to this picture")
    }

    /// The box of the vehicle that a vehicle's picture shows.
    fn vehicle(&self, item: Option<Item>) -> Option<&'a Area> {
        let vehicles = What::Vehicles.of(self.event);
        let mut shown = vehicles
            .iter()
            .filter(|vehicle| item.is_none_or(|item| vehicle.item == item));
        let vehicle = shown.next()?.area?;
        // A picture of no item is of the only vehicle there is.
        let only = shown.all(|other| other.area == Some(vehicle));
        only.then_some(vehicle)
    }
}

/// Whether a vehicle's picture is not just what its box shows. A box in ten-thousandths cannot be compared when the
/// frame is missing.
fn is_odd(picture: Size, vehicle: &Area, frame: Option<Size>) -> bool {
    if frame.is_none() && vehicle.unit == Unit::TenThousandths {
        return false;
    }
    let whole = frame.unwrap_or(Size {
        width: u32::MAX,
        height: u32::MAX,
    });
    let near = |a: u32, b: u32| a.abs_diff(b) <= ROUNDING_PX;
    vehicle
        .within(&Role::FRAME, whole, frame, None)
        .is_some_and(|own| !near(own.width, picture.width) || !near(own.height, picture.height))
}

/// The event as what goes on should tell it: its boxes count in the pictures that now stand under the names that they
/// count in. `None` when every box does so already.
pub(super) fn told(event: &Event, pictures: &[Picture], opened: &Opened) -> Option<Event> {
    let replaced = |role: &Role| {
        pictures.iter().any(|picture| {
            let origin = match &picture.data {
                PictureData::Made(made) => made.origin(),
                PictureData::Bytes(_) | PictureData::Url(_) => None,
            };
            picture.role == *role
                && origin.is_some_and(|origin| origin.role != *role || !origin.is_in_place())
        })
    };
    let things: Vec<Thing<'_>> = What::ALL.iter().flat_map(|what| what.of(event)).collect();
    let mut moved = things
        .iter()
        .filter_map(|thing| Some((thing, thing.area?)))
        .filter(|(_, area)| replaced(&area.image))
        .peekable();
    moved.peek()?;
    let places = Places::of(event, u64::MAX, opened);
    let mut told = event.clone();
    for (thing, area) in moved {
        let of_role = || {
            let of_role = pictures.iter().filter(|picture| picture.role == area.image);
            of_role.filter(|picture| matches!(picture.data, PictureData::Made(_)))
        };
        let own = of_role().find(|picture| picture.item == Some(thing.item));
        let Some(picture) = own.or_else(|| of_role().find(|picture| picture.item.is_none())) else {
            continue;
        };
        let Some(size) = picture.size() else { continue };
        let found = places
            .origin_of(picture, size)
            .ok_or("")
            .and_then(|origin| places.find(thing, &origin));
        let whole = places
            .origin_of(picture, size)
            .is_some_and(|origin| origin.role == area.image && origin.is_whole(size));
        if whole && area.unit == Unit::TenThousandths {
            continue; // of the same picture in another size they are the same
        }
        // A wrong box is worse than none.
        let area = found.ok().map(|spot| retold(area, spot, size));
        if let Some(place) = place_of(&mut told, thing) {
            *place = area;
        }
    }
    let sent_frame = |picture: &&mut Picture| picture.role == Role::FRAME;
    if replaced(&Role::FRAME)
        && let Some(ours) = pictures.iter().find(|picture| picture.role == Role::FRAME)
        && let Some(frame) = told.images.iter_mut().find(sent_frame)
    {
        // Whoever counts in ten-thousandths looks here for the frame's size.
        *frame = ours.clone();
    }
    Some(told)
}

pub(super) fn place_of<'e>(
    event: &'e mut Event,
    thing: &Thing<'_>,
) -> Option<&'e mut Option<Area>> {
    match (thing.what, thing.item) {
        (What::Vehicles, Item::Plate(n)) => {
            let vehicle = event.plates.get_mut(n)?.vehicle.as_mut();
            vehicle.map(|vehicle| &mut vehicle.area)
        }
        (_, Item::Plate(n)) => Some(&mut event.plates.get_mut(n)?.area),
        (_, Item::Face(n)) => Some(&mut event.faces.get_mut(n)?.area),
        (_, Item::Object(n)) => Some(&mut event.objects.get_mut(n)?.area),
    }
}

/// The same box in a picture of that size, where it lies at `spot`, in the unit it was told in.
fn retold(area: &Area, spot: Spot, size: Size) -> Area {
    let scale = |length: f64, side: u32| match area.unit {
        Unit::Pixels => length.round() as i32, // saturates
        Unit::TenThousandths => (length * 10_000.0 / f64::from(side.max(1))).round() as i32,
    };
    Area {
        xmin: scale(spot.xmin, size.width),
        ymin: scale(spot.ymin, size.height),
        xmax: scale(spot.xmax, size.width),
        ymax: scale(spot.ymax, size.height),
        ..area.clone()
    }
}
