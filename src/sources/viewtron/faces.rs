//! Faces: a camera's `VFD` in ten-thousandths of the frame, a recorder's `videoFaceDetect` in pixels with attributes.
//!
//! What `VFD_MATCH` tells of a known person is published nowhere, so beyond box and picture it stays in the document.

use super::picture;
use super::tree::Node;
use super::values::{rect, word};
use crate::event::{Event, Face, Item, Role, Unit};
use crate::sources::bounds::ITEMS_READ;

const ATTRIBUTES: [&str; 4] = ["age", "sex", "glasses", "mask"];

pub(super) fn take(event: &mut Event, root: Node<'_>) {
    picture::take_frame(event, root);
    let (list, unit) = match root.child("faceListInfo") {
        Some(_) => ("faceListInfo", Unit::Pixels),
        None => ("listInfo", Unit::TenThousandths),
    };
    for item in root.items(list).take(ITEMS_READ) {
        let attributes = ATTRIBUTES
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), word(item, name)?.into())))
            .collect();
        let face = Item::Face(event.faces.len());
        event.faces.push(Face {
            attributes,
            area: rect(item, "rect", unit),
            ..Face::default()
        });
        picture::take_target(event, item, Role::FACE, Some(face));
    }
}
