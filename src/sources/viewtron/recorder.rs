//! Plates as a recorder tells them (`vehicle`): boxes in pixels of the source picture, whose size is told as 0 by 0.

use super::picture;
use super::tree::Node;
use super::values::{rect, vehicle};
use crate::event::{Event, Item, ListEntry, Plate, Role, Unit};
use crate::sources::bounds::ITEMS_READ;

pub(super) fn take_plates(event: &mut Event, root: Node<'_>) {
    picture::take_frame(event, root);
    for item in root.items("licensePlateListInfo").take(ITEMS_READ) {
        let plate = Item::Plate(event.plates.len());
        event.plates.push(read(item));
        picture::take_target(event, item, Role::PLATE, Some(plate));
    }
}

fn read(item: Node<'_>) -> Plate {
    let of = |block: &str, name: &str| Some(item.child(block)?.value(name)?.to_owned());
    Plate {
        text: of("licensePlateAttribute", "licensePlateNumber"),
        area: rect(item, "rect", Unit::Pixels),
        vehicle: vehicle(
            item.child("carAttribute"),
            "carType",
            rect(item, "carRect", Unit::Pixels),
        ),
        // The group's name is what somebody typed.
        list: of("licensePlateMatchInfo", "groupName").map(|name| ListEntry {
            name: Some(name),
            ..ListEntry::default()
        }),
        owner: of("licensePlateMatchInfo", "carOwner"),
        ..Plate::default()
    }
}
