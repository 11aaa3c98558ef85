//! Plates as a camera tells them (`VEHICE`, a misspelling that nearly all of them send, or `VEHICLE`).
//!
//! Usually the first item is the overview and the second the plate, but some firmware has one item only, or the overview
//! a second time beside the list; so the plate is found by its text and never by its place. Corners are in ten-thousandths
//! of the frame. `carRect` is in no unit that is known for sure and stays in the document.

use super::picture;
use super::tree::Node;
use super::values::{area, side, vehicle, word};
use crate::event::{Area, Event, Item, ListEntry, Plate, Role, Score, Unit};
use crate::sources::bounds::ITEMS_READ;

pub(super) fn take_plates(event: &mut Event, root: Node<'_>) {
    picture::take_frame(event, root);
    let items: Vec<_> = match root.child("listInfo") {
        Some(_) => root.items("listInfo").collect(),
        None => vec![root],
    };
    // The frame first, for whoever takes the first picture.
    for item in items.iter().filter(|item| !is_vehicle(**item)) {
        picture::take_target(event, *item, Role::FRAME, None);
    }
    let vehicles = items.into_iter().filter(|item| is_vehicle(*item));
    for item in vehicles.take(ITEMS_READ) {
        let plate = Item::Plate(event.plates.len());
        event.plates.push(read(item));
        picture::take_target(event, item, Role::PLATE, Some(plate));
    }
}

/// An item of a vehicle, be its plate read or not; the other kind is the overview.
fn is_vehicle(item: Node<'_>) -> bool {
    item.value("plateNumber").is_some()
        || (item.value("image") == Some("1") && corners(item).is_some())
}

fn read(item: Node<'_>) -> Plate {
    Plate {
        text: item.value("plateNumber").map(str::to_owned),
        score: score(item),
        region: word(item, "province"),
        area: corners(item),
        heading: item.value("vehicleDirect").map(heading),
        vehicle: vehicle(item.child("carAttr"), "type", None),
        list: item.value("vehicleListType").map(|name| ListEntry {
            name: Some(name.to_owned()),
            ..ListEntry::default()
        }),
        ..Plate::default()
    }
}

/// In the attribute `count`, in hundredths of a per cent; the element itself is empty.
fn score(item: Node<'_>) -> Option<Score> {
    let count = item.child("PlateConfidence")?.attribute("count")?;
    Score::from_fraction(count.trim().parse::<f64>().ok()? / 10_000.0)
}

fn corners(item: Node<'_>) -> Option<Area> {
    let mut told = Vec::with_capacity(4);
    for name in ["leftTop", "rightTop", "leftBottom", "rightBottom"] {
        let corner = item.child(name)?;
        // A zero may be told as an empty element.
        let of = |axis: &str| side(corner, axis).or_else(|| corner.child(axis).map(|_| 0));
        told.push((of("x")?, of("y")?));
    }
    let (xs, ys): (Vec<i32>, Vec<i32>) = told.into_iter().unzip();
    area(
        [
            *xs.iter().min()?,
            *ys.iter().min()?,
            *xs.iter().max()?,
            *ys.iter().max()?,
        ],
        Unit::TenThousandths,
    )
}

fn heading(told: &str) -> String {
    match told.to_ascii_lowercase().as_str() {
        "leave" => "away".to_owned(), // documented so, sent as `away`
        word => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;

    fn plate(inner: &str) -> Plate {
        let text = format!("<item><plateNumber>A</plateNumber>{inner}</item>");
        read(Tree::read(&text).unwrap().root())
    }

    #[test]
    fn a_score_is_in_the_attribute() {
        for (told, expected) in [
            (
                "<PlateConfidence type=\"uint32\" count=\"9900\"/>",
                Some(0.99),
            ),
            (
                "<PlateConfidence count='10000'></PlateConfidence>",
                Some(1.0),
            ),
            ("<PlateConfidence count='0'/>", Some(0.0)),
            ("<PlateConfidence count='10001'/>", None),
            ("<PlateConfidence count='x'/>", None),
            ("<PlateConfidence>99</PlateConfidence>", None),
        ] {
            assert_eq!(plate(told).score.map(Score::fraction), expected, "{told}");
        }
    }

    #[test]
    fn corners_may_be_turned_but_must_be_whole() {
        let corner =
            |name: &str, x: &str, y: &str| format!("<{name}><x>{x}</x><y>{y}</y></{name}>");
        let three = [
            corner("leftTop", "10", "25"),
            corner("rightTop", "90", ""),
            corner("rightBottom", "95", "40"),
        ]
        .concat();
        let whole = three.clone() + &corner("leftBottom", "5", "44");
        let found = plate(&whole).area.unwrap();
        assert_eq!(
            (found.xmin, found.ymin, found.xmax, found.ymax),
            (5, 0, 95, 44)
        );
        assert_eq!(plate(&three).area, None);
    }

    #[test]
    fn headings_have_one_word_each() {
        for (told, expected) in [
            ("approach", "approach"),
            ("away", "away"),
            ("leave", "away"),
            ("Left", "left"),
        ] {
            let read = plate(&format!("<vehicleDirect>{told}</vehicleDirect>"));
            assert_eq!(read.heading.as_deref(), Some(expected));
        }
        assert_eq!(plate("<vehicleDirect/>").heading, None);
    }
}
