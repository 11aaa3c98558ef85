//! Which picture is which, and in which of them each plate's box counts.
//!
//! Stream sends its main picture as `upload`: the crop around the vehicle by default, the full frame when so configured,
//! and nothing in the request says which. The vehicle's box always counts in the full frame; a plate's box, by the
//! vendor's documentation, in whatever picture the webhook carries, yet real events have it in the frame all the same.
//! So the setting is not trusted but tested: the size of `upload` against the size of the vehicle's box tells what
//! `upload` is, then whether the plate's box fits it tells where the box counts. Nothing is moved here: each box is only
//! told its picture, and whoever wants it in another one asks [`Area::within`].

use crate::event::{Area, Item, Picture, Plate, Role, Size, sniff};
use crate::sources::media::{is_clip, picture, role_named};
use crate::sources::multipart::Part;

/// By how many pixels a crop's size may differ from its box: rounding at both edges.
const TOLERANCE: i64 = 2;

/// What a part's name says of its picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    /// The one main picture: frame or vehicle, to be tested.
    Main,
    Frame,
    Vehicle,
    /// A plate's crop and its number; the one without a number comes first.
    Plate(Option<u64>),
    /// A name nobody knows.
    Unknown,
}

/// Which pictures there are for a plate's box to count in.
#[derive(Debug, Clone, Copy)]
enum Sent {
    Frame,
    /// The crop around the vehicle, and its size where its header tells it.
    Vehicle(Option<Size>),
    Both(Option<Size>),
    Nothing,
}

/// The pictures among the parts; tells each plate's box its picture. `whole` when the main picture cannot be a crop,
/// as Snapshot's.
pub(super) fn sort_out(parts: &[Part], plates: &mut [Plate], whole: bool) -> Vec<Picture> {
    let mut sent = Sent::Nothing;
    let mut main = None;
    let mut plate_pictures = 0;
    let mut images = Vec::with_capacity(parts.len());
    for (slot, part) in find(parts) {
        let told = part.content_type.as_deref();
        let mut image = picture(part.data.clone(), told, Role::FRAME, None);
        match slot {
            Slot::Main => {
                image.role = role_of_main(image.size(), plates, whole);
                main = Some(if image.role == Role::FRAME {
                    Sent::Frame
                } else {
                    Sent::Vehicle(image.size())
                });
            }
            Slot::Frame => sent = sent.and_frame(),
            Slot::Vehicle => {
                image.role = Role::VEHICLE;
                sent = sent.and_vehicle(image.size());
            }
            Slot::Plate(_) => {
                image.role = Role::PLATE;
                image.item = (plate_pictures < plates.len()).then_some(Item::Plate(plate_pictures));
                plate_pictures += 1;
            }
            Slot::Unknown => image.role = role_named(&part.name),
        }
        images.push(image);
    }
    let sent = main.unwrap_or(sent); // the boxes are documented to count in the main one
    for plate in plates {
        let vehicle = plate
            .vehicle
            .as_ref()
            .and_then(|vehicle| vehicle.area.as_ref());
        if let Some(area) = &mut plate.area {
            area.image = counts_in(area, vehicle, sent);
        }
    }
    images
}

/// The pictures and what their names say, those of plates behind the others in the order of their numbers.
fn find(parts: &[Part]) -> Vec<(Slot, &Part)> {
    let mut found: Vec<(Slot, &Part)> = parts
        .iter()
        .filter(|part| !part.data.is_empty() && part.name != "video" && !is_clip(part))
        .map(|part| (slot_of(&part.name), part))
        .filter(|(slot, part)| *slot != Slot::Unknown || sniff(&part.data).is_some())
        .collect();
    let is_main = |slot: Slot| matches!(slot, Slot::Main | Slot::Frame | Slot::Vehicle);
    if !found.iter().any(|(slot, _)| is_main(*slot)) {
        let mut strangers = found.iter_mut().filter(|(slot, _)| *slot == Slot::Unknown);
        if let (Some((slot, _)), None) = (strangers.next(), strangers.next()) {
            *slot = Slot::Main; // the only candidate
        }
    }
    found.sort_by_key(|(slot, _)| match slot {
        Slot::Plate(number) => Some(*number),
        Slot::Main | Slot::Frame | Slot::Vehicle | Slot::Unknown => None,
    });
    found
}

/// By the names that Stream documents, and those of the vendor's own middleware that crops.
fn slot_of(name: &str) -> Slot {
    match name.to_ascii_lowercase().as_str() {
        "upload" | "original_image" => Slot::Main,
        "original" => Slot::Frame,
        "vehicle" => Slot::Vehicle,
        "plate_img" | "cropped_image" => Slot::Plate(None),
        name => match name.strip_prefix("plate_img_").map(str::parse) {
            Some(Ok(number)) => Slot::Plate(Some(number)),
            _ => Slot::Unknown,
        },
    }
}

/// What the main picture is, by its size and the boxes of the vehicles.
fn role_of_main(size: Option<Size>, plates: &[Plate], whole: bool) -> Role {
    let pairs: Vec<(&Plate, &Area)> = plates
        .iter()
        .filter_map(|plate| Some((plate, plate.vehicle.as_ref()?.area.as_ref()?)))
        .collect();
    let Some((plate, vehicle)) = pairs.first() else {
        return Role::FRAME; // no vehicle, so nothing to crop around
    };
    if whole {
        return Role::FRAME;
    }
    if let Some(size) = size {
        if pairs.iter().any(|(_, vehicle)| has_size(vehicle, size)) {
            return Role::VEHICLE;
        }
        let holds = |vehicle: &Area| {
            i64::from(vehicle.xmax) <= i64::from(size.width) + TOLERANCE
                && i64::from(vehicle.ymax) <= i64::from(size.height) + TOLERANCE
        };
        if pairs.iter().all(|(_, vehicle)| holds(vehicle)) {
            return Role::FRAME;
        }
    }
    // No size fits: a crop that was scaled, or a frame. A plate beside its vehicle can only be told in the crop.
    match &plate.area {
        Some(area) if area.lies_in(vehicle) => Role::FRAME,
        _ => Role::VEHICLE,
    }
}

/// The picture that a plate's box counts in.
fn counts_in(plate: &Area, vehicle: Option<&Area>, sent: Sent) -> Role {
    let in_vehicle = vehicle.is_some_and(|vehicle| plate.lies_in(vehicle));
    match sent {
        Sent::Frame => Role::FRAME,
        // Both can fit where the vehicle stands at the frame's corner; then as documented.
        Sent::Vehicle(size) if in_vehicle && !fits(plate, size, vehicle) => Role::FRAME,
        Sent::Vehicle(_) => Role::VEHICLE,
        // Nothing is documented for two pictures; lying just where the vehicle is says more than being small enough.
        Sent::Both(size) if !in_vehicle && fits(plate, size, vehicle) => Role::VEHICLE,
        Sent::Both(_) => Role::FRAME,
        Sent::Nothing if in_vehicle || vehicle.is_none() => Role::FRAME,
        Sent::Nothing => Role::VEHICLE,
    }
}

/// Whether a box lies in the vehicle's crop, whose size its box tells when its header does not.
fn fits(plate: &Area, size: Option<Size>, vehicle: Option<&Area>) -> bool {
    let (width, height) = match (size, vehicle) {
        (Some(size), _) => (i64::from(size.width), i64::from(size.height)),
        (None, Some(vehicle)) => extent(vehicle),
        (None, None) => return true,
    };
    plate.xmin >= 0
        && plate.ymin >= 0
        && i64::from(plate.xmax) <= width
        && i64::from(plate.ymax) <= height
}

fn has_size(area: &Area, size: Size) -> bool {
    let (width, height) = extent(area);
    (width - i64::from(size.width)).abs() <= TOLERANCE
        && (height - i64::from(size.height)).abs() <= TOLERANCE
}

fn extent(area: &Area) -> (i64, i64) {
    (
        i64::from(area.xmax) - i64::from(area.xmin),
        i64::from(area.ymax) - i64::from(area.ymin),
    )
}

impl Sent {
    fn and_frame(self) -> Self {
        match self {
            Self::Nothing | Self::Frame => Self::Frame,
            Self::Vehicle(size) | Self::Both(size) => Self::Both(size),
        }
    }

    fn and_vehicle(self, size: Option<Size>) -> Self {
        match self {
            Self::Nothing | Self::Vehicle(_) => Self::Vehicle(size),
            Self::Frame | Self::Both(_) => Self::Both(size),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::event::{Pixels, Unit, Vehicle};

    const FRAME: [u32; 2] = [1280, 720];
    const CROP: [u32; 2] = [496, 174];
    const VEHICLE: [i32; 4] = [603, 0, 1099, 174];
    const IN_CROP: [i32; 4] = [153, 91, 302, 125];
    const IN_FRAME: [i32; 4] = [756, 91, 905, 125];

    /// The head of a PNG of that size: all that is looked at.
    fn part(name: &str, [width, height]: [u32; 2]) -> Part {
        let mut data = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        data.extend(width.to_be_bytes());
        data.extend(height.to_be_bytes());
        data.extend(b"\x08\x02\0\0\0");
        Part {
            name: name.to_owned(),
            data: Bytes::from(data),
            ..Part::default()
        }
    }

    fn area([xmin, ymin, xmax, ymax]: [i32; 4]) -> Area {
        Area {
            xmin,
            ymin,
            xmax,
            ymax,
            unit: Unit::Pixels,
            image: Role::FRAME,
        }
    }

    fn plate(plate: [i32; 4], vehicle: Option<[i32; 4]>) -> Plate {
        Plate {
            area: Some(area(plate)),
            vehicle: vehicle.map(|vehicle| Vehicle {
                area: Some(area(vehicle)),
                ..Vehicle::default()
            }),
            ..Plate::default()
        }
    }

    /// Roles of the pictures, and where the plate's box is said to count.
    fn sorted(parts: &[Part], plate: Plate) -> (Vec<String>, Role) {
        let mut plates = [plate];
        let images = sort_out(parts, &mut plates, false);
        let roles = images.iter().map(|image| image.role.to_string()).collect();
        (roles, plates[0].area.clone().unwrap().image)
    }

    fn roles(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn an_upload_of_the_vehicles_size_is_its_crop() {
        for size in [CROP, [498, 172]] {
            let (images, role) = sorted(&[part("upload", size)], plate(IN_CROP, Some(VEHICLE)));
            assert_eq!((images, role), (roles(&["vehicle"]), Role::VEHICLE));
        }
        let (images, role) = sorted(&[part("upload", CROP)], plate(IN_FRAME, Some(VEHICLE)));
        assert_eq!((images, role), (roles(&["vehicle"]), Role::FRAME));
    }

    #[test]
    fn an_upload_that_holds_the_vehicle_is_the_frame() {
        let (images, role) = sorted(&[part("upload", FRAME)], plate(IN_FRAME, Some(VEHICLE)));
        assert_eq!((images, role), (roles(&["frame"]), Role::FRAME));
        let (images, role) = sorted(&[part("upload", CROP)], plate(IN_CROP, None));
        assert_eq!((images, role), (roles(&["frame"]), Role::FRAME));
    }

    #[test]
    fn at_the_frames_corner_the_box_counts_as_documented() {
        let corner = plate([10, 20, 60, 40], Some([0, 0, 496, 174]));
        let (images, role) = sorted(&[part("upload", CROP)], corner);
        assert_eq!((images, role), (roles(&["vehicle"]), Role::VEHICLE));
    }

    #[test]
    fn when_no_rule_fits_the_box_is_used_as_it_is() {
        for (told, shown) in [
            ([200, 100, 260, 120], "frame"),
            ([20, 10, 60, 30], "vehicle"),
        ] {
            let mut plates = [plate(told, Some([155, 60, 590, 362]))];
            let images = sort_out(&[part("upload", [420, 420])], &mut plates, false);
            assert_eq!(images[0].role.as_str(), shown);
            let size = Size {
                width: 420,
                height: 420,
            };
            let vehicle = plates[0].vehicle.as_ref().unwrap().area.as_ref();
            let cut = plates[0]
                .area
                .as_ref()
                .unwrap()
                .within(&images[0].role, size, None, vehicle);
            let [x, y, xmax, ymax] = told.map(i32::cast_unsigned);
            let expected = Pixels {
                x,
                y,
                width: xmax - x,
                height: ymax - y,
            };
            assert_eq!(cut, Some(expected));
        }
    }

    #[test]
    fn named_pictures_are_what_they_are_named() {
        for (names, told, expected) in [
            (vec![("original", FRAME)], IN_FRAME, Role::FRAME),
            (vec![("vehicle", CROP)], IN_CROP, Role::VEHICLE),
            (vec![("vehicle", CROP)], IN_FRAME, Role::FRAME),
            (
                vec![("original", FRAME), ("vehicle", CROP)],
                IN_FRAME,
                Role::FRAME,
            ),
            (
                vec![("vehicle", CROP), ("original", FRAME)],
                IN_CROP,
                Role::VEHICLE,
            ),
            (
                vec![("original", FRAME), ("upload", CROP)],
                IN_CROP,
                Role::VEHICLE,
            ),
        ] {
            let parts: Vec<Part> = names.iter().map(|(name, size)| part(name, *size)).collect();
            let (_, role) = sorted(&parts, plate(told, Some(VEHICLE)));
            assert_eq!(role, expected, "{names:?} {told:?}");
        }
    }

    #[test]
    fn without_a_picture_a_box_beside_its_vehicle_counts_in_the_crop() {
        for (plate, expected) in [
            (plate(IN_FRAME, Some(VEHICLE)), Role::FRAME),
            (plate(IN_CROP, Some(VEHICLE)), Role::VEHICLE),
            (plate(IN_CROP, None), Role::FRAME),
        ] {
            assert_eq!(sorted(&[], plate), (Vec::new(), expected));
        }
    }

    #[test]
    fn plate_pictures_follow_their_numbers() {
        let parts = [
            part("plate_img_10", [30, 10]),
            part("plate_img_2", [20, 10]),
            part("Plate_Img", [10, 10]),
            part("upload", FRAME),
        ];
        let mut plates = vec![plate(IN_FRAME, Some(VEHICLE)); 2];
        let images = sort_out(&parts, &mut plates, false);
        let told: Vec<_> = images
            .iter()
            .map(|image| (image.role.as_str(), image.item, image.size().unwrap().width))
            .collect();
        assert_eq!(
            told,
            [
                ("frame", None, 1280),
                ("plate", Some(Item::Plate(0)), 10),
                ("plate", Some(Item::Plate(1)), 20),
                ("plate", None, 30),
            ]
        );
    }

    #[test]
    fn a_lone_picture_of_any_name_is_the_main_one() {
        let (images, _) = sorted(&[part("", CROP)], plate(IN_CROP, Some(VEHICLE)));
        assert_eq!(images, ["vehicle"]);
        let both = [part("a", CROP), part("b/../c", CROP)];
        let (images, _) = sorted(&both, plate(IN_CROP, Some(VEHICLE)));
        assert_eq!(images, ["a", "picture"]);
    }
}
