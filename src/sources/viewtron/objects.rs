//! Targets of analytics: what a rule's block, the list of crops and the list of targets say of each, joined by its id.
//!
//! The blocks are named after the rule and differ by firmware, so an element counts by what it holds: an item with a
//! target's id, or whatever holds a target's picture. All boxes are in ten-thousandths of the frame.

use std::collections::HashMap;

use super::picture;
use super::tree::Node;
use super::values::{class, rect, side};
use crate::event::{Event, Item, Object, Role, Unit};
use crate::sources::bounds::ITEMS_READ;

pub(super) fn take(event: &mut Event, root: Node<'_>) {
    picture::take_frame(event, root);
    let mut known: HashMap<&str, usize> = HashMap::new();
    for node in root.all() {
        let id = node.value("targetId");
        let is_target =
            node.child("targetImageData").is_some() || (node.is("item") && id.is_some());
        if !is_target {
            continue;
        }
        let new = event.objects.len();
        if new == ITEMS_READ {
            break;
        }
        let at = id.map_or(new, |id| *known.entry(id).or_insert(new));
        if at == new {
            event.objects.push(read(node, id));
        } else {
            let (object, more) = (&mut event.objects[at], read(node, id));
            object.class = object.class.take().or(more.class);
            object.area = object.area.take().or(more.area);
        }
        let role = match event.objects[at].class.as_deref() {
            Some("car") => Role::VEHICLE,
            _ => Role::THUMBNAIL,
        };
        picture::take_target(event, node, role, Some(Item::Object(at)));
    }
}

/// What moves at the moment, several times a second. Nothing tells that a target is gone.
pub(super) fn take_tracks(event: &mut Event, root: Node<'_>) {
    // Zero stands for a speed and direction that the camera does not measure.
    let measured = |item: Node<'_>, name: &str| {
        let number = side(item, name).filter(|number| *number != 0)?;
        Some(f64::from(number))
    };
    event.objects = root
        .items("traject")
        .take(ITEMS_READ)
        .map(|item| Object {
            velocity: measured(item, "velocity"),
            direction: measured(item, "direction"),
            ..read(item, item.value("targetId"))
        })
        .collect();
}

fn read(node: Node<'_>, id: Option<&str>) -> Object {
    Object {
        class: class(node),
        area: rect(node, "rect", Unit::TenThousandths),
        track_id: id.map(str::to_owned),
        ..Object::default()
    }
}
