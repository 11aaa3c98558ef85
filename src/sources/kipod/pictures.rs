//! The snapshots of an event: base64 in the document, or only where they lie on the Kipod server.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::GeneralPurpose;
use bytes::Bytes;

use super::ITEMS_MAX;
use crate::event::{Event, Item, Kind, Picture, PictureData, Role, sniff};
use crate::sources::json::Json;
use crate::sources::lenient::{list, text};
use crate::sources::media::{LENIENT, picture};

const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);

/// A snapshot without an `image` is known by its `path`; one whose `image` is no picture (the page prints `iV...II`) is
/// left out, which the event tells.
pub(super) fn take(event: &mut Event, snapshots: &Json) {
    let mut roles = Roles {
        kind: event.kind,
        taken: Vec::new(),
    };
    for (n, snapshot) in list(snapshots).iter().take(ITEMS_MAX).enumerate() {
        let path = text(&snapshot["path"]);
        let role = roles.of(&snapshot["type"], path.as_deref().unwrap_or_default());
        let item = item_of(event, &role);
        match (&snapshot["image"], path) {
            (Json::Text(image), _) if !image.trim().is_empty() => match decode(image) {
                Some(bytes) => event.images.push(picture(bytes, None, role, item)),
                None => event
                    .repaired
                    .push(format!("the `image` of snapshot {n} is no picture")),
            },
            (_, Some(path)) => event.images.push(Picture {
                role,
                item,
                content_type: "application/octet-stream".to_owned(), // PNG lies under `.jpg`, too
                data: PictureData::Url(path),
            }),
            _ => {}
        }
    }
}

/// Bare base64 or a data URL of it; `None` unless it is a picture.
fn decode(image: &str) -> Option<Bytes> {
    let image = image.trim();
    let base64 = match image.strip_prefix("data:") {
        Some(url) => url.split_once(',')?.1.trim_start(),
        None => image,
    };
    let bytes = match BASE64.decode(base64) {
        Ok(bytes) => bytes,
        Err(_) if base64.contains(|c: char| c.is_ascii_whitespace()) => {
            let joined: Vec<u8> = base64
                .bytes()
                .filter(|byte| !byte.is_ascii_whitespace())
                .collect();
            BASE64.decode(joined).ok()?
        }
        Err(_) => return None,
    };
    sniff(&bytes).map(|_| Bytes::from(bytes))
}

/// Roles given so far in one event.
struct Roles {
    kind: Kind,
    taken: Vec<Role>,
}

impl Roles {
    fn of(&mut self, told: &Json, path: &str) -> Role {
        let word = text(told).unwrap_or_default();
        let has = |part: &str| path.contains(part);
        let is_crop = if word.trim().eq_ignore_ascii_case("THUMBNAIL") {
            true
        } else if word.trim().eq_ignore_ascii_case("FULLSCREEN") {
            false
        } else {
            has("/thumbnail/") || self.taken.contains(&Role::FRAME)
        };
        let role = match self.kind {
            _ if !is_crop => Role::FRAME,
            Kind::Face => Role::FACE,
            Kind::Plate if has("/aligned-") => Role::PLATE,
            Kind::Plate if has("/best-") => Role::VEHICLE,
            // Nobody documents the order; in the published samples the car comes before its plate.
            Kind::Plate if !self.taken.contains(&Role::VEHICLE) => Role::VEHICLE,
            Kind::Plate if !self.taken.contains(&Role::PLATE) => Role::PLATE,
            _ => Role::THUMBNAIL,
        };
        self.taken.push(role.clone());
        role
    }
}

/// Several plates or faces of one event are entries of lists that all match what the picture shows, so it is nobody's own.
fn item_of(event: &Event, role: &Role) -> Option<Item> {
    if *role == Role::PLATE && event.plates.len() == 1 {
        Some(Item::Plate(0))
    } else if *role == Role::FACE && event.faces.len() == 1 {
        Some(Item::Face(0))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::event::Original;
    use crate::name::Name;

    /// The head of a PNG, and its base64 with a slash and a plus in it.
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xff\xfb\xef\xbe";

    fn event(kind: Kind, snapshots: &Value) -> Event {
        let name = Name::new("kipod").unwrap();
        let mut event = Event::new(name, "kipod", kind, Arc::new(Original::default()));
        take(
            &mut event,
            &serde_json::from_str(&snapshots.to_string()).unwrap(),
        );
        event
    }

    fn roles(kind: Kind, snapshots: &[(&str, &str)]) -> Vec<String> {
        let snapshots: Value = snapshots
            .iter()
            .map(|(word, path)| json!({ "type": word, "path": path }))
            .collect();
        let event = event(kind, &snapshots);
        event
            .images
            .iter()
            .map(|image| image.role.to_string())
            .collect()
    }

    #[test]
    fn pictures_are_as_they_were_encoded_in_whatever_way() {
        let base64 = base64::engine::general_purpose::STANDARD.encode(PNG);
        assert!(base64.contains('/') && base64.contains('+'));
        let wrapped = format!("{}\r\n{} ", &base64[..8], &base64[8..]);
        for image in [
            base64.clone(),
            format!("data:image/jpeg;base64,{base64}"),
            format!("data:image/png;base64, {wrapped}"),
            base64.trim_end_matches('=').to_owned(),
            wrapped,
        ] {
            let event = event(
                Kind::Face,
                &json!([{ "type": "FULLSCREEN", "path": "/1.jpg", "image": image }]),
            );
            let picture = &event.images[0];
            assert_eq!(picture.bytes().unwrap().as_ref(), PNG, "{image}");
            assert_eq!(picture.content_type, "image/png");
        }
    }

    #[test]
    fn what_is_no_picture_is_left_out_and_told() {
        for image in [
            "iV...II",
            "data:image/png;base64,iV\u{2026}",
            "data:",
            "aGVsbG8=",
            "\u{e9}",
        ] {
            let event = event(Kind::Face, &json!([{ "path": "/1.jpg", "image": image }]));
            assert!(
                event.images.is_empty() && event.repaired.len() == 1,
                "{image}"
            );
        }
        for image in [json!(""), json!(null), json!(7)] {
            let event = event(Kind::Face, &json!([{ "path": "/1.jpg", "image": image }]));
            assert!(matches!(&event.images[0].data, PictureData::Url(url) if url == "/1.jpg"));
            assert_eq!(event.repaired, Vec::<String>::new());
        }
    }

    #[test]
    fn roles_follow_type_path_and_kind() {
        let (full, crop) = ("FULLSCREEN", "THUMBNAIL");
        for (kind, snapshots, expected) in [
            (
                Kind::Plate,
                vec![(full, "/a"), (crop, "/aligned-1/a"), (crop, "/best-1/a")],
                vec!["frame", "plate", "vehicle"],
            ),
            (
                Kind::Plate,
                vec![(crop, "/a"), (crop, "/b"), (crop, "/c")],
                vec!["vehicle", "plate", "thumbnail"],
            ),
            (
                Kind::Plate,
                vec![(crop, "/best-1/a"), (crop, "/b")],
                vec!["vehicle", "plate"],
            ),
            (
                Kind::Face,
                vec![(full, "/a"), (crop, "/b"), ("thumbnail", "/c")],
                vec!["frame", "face", "face"],
            ),
            (
                Kind::Motion,
                vec![("", "/a"), ("", "/thumbnail/b"), ("", "/c")],
                vec!["frame", "thumbnail", "thumbnail"],
            ),
        ] {
            assert_eq!(roles(kind, &snapshots), expected);
        }
    }
}
