//! Pictures and clips among the parts of a request.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use bytes::Bytes;

use super::multipart::Part;
use crate::event::{Event, Item, Picture, PictureData, Role, Video, sniff};

/// A picture of the request; its content type by its magic bytes, else as the sender says.
pub(super) fn picture(bytes: Bytes, told: Option<&str>, role: Role, item: Option<Item>) -> Picture {
    let content_type = sniff(&bytes).or(told).unwrap_or("application/octet-stream");
    Picture {
        role,
        item,
        content_type: content_type.to_owned(),
        data: PictureData::Bytes(bytes),
    }
}

/// With or without the signs that fill it up, and whatever bits the last letter has to spare.
pub(super) const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// Puts the picture in base64 that a field holds into the event. A text that holds none is said, unless it means just that.
pub(super) fn take_base64(
    event: &mut Event,
    field: &str,
    text: &str,
    role: Role,
    item: Option<Item>,
) {
    match picture_in_base64(text, role, item) {
        Some(picture) => event.images.push(picture),
        None if matches!(text.trim(), "" | "-") => {}
        None => event
            .repaired
            .push(format!("`{field}` holds no picture and is left out")),
    }
}

/// A picture in base64, also as a `data:` address or broken into lines; `None` when it is none that is known.
fn picture_in_base64(text: &str, role: Role, item: Option<Item>) -> Option<Picture> {
    let text = match text.trim().strip_prefix("data:") {
        Some(address) => address.split_once(',')?.1,
        None => text.trim(),
    };
    let bytes = if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        let solid: Vec<u8> = text
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        BASE64.decode(solid)
    } else {
        BASE64.decode(text)
    };
    let bytes = Bytes::from(bytes.ok()?);
    sniff(&bytes)?;
    Some(picture(bytes, None, role, item))
}

/// The role of a picture whose part has a name that nobody knows: that name, if it can be one.
pub(super) fn role_named(name: &str) -> Role {
    let is_word = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    Role::named(if is_word { name } else { "picture" })
}

/// Whether a part is a film, by its content type or by the first box of an MP4 file.
pub(super) fn is_clip(part: &Part) -> bool {
    let told = part.content_type.as_deref().unwrap_or_default();
    told.to_ascii_lowercase().starts_with("video/") || part.data.get(4..8) == Some(b"ftyp")
}

/// The clip in a part, by where it lies in the request's body.
pub(super) fn clip(part: &Part) -> Video {
    Video {
        filename: part.filename.clone(),
        url: None,
        content_type: Some(match &part.content_type {
            Some(told) if told.to_ascii_lowercase().starts_with("video/") => told.clone(),
            _ => "video/mp4".to_owned(),
        }),
        range: Some(part.range),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::{Kind, Original};
    use crate::name::Name;

    fn taken(text: &str) -> Event {
        let name = Name::new("gate").unwrap();
        let mut event = Event::new(name, "x", Kind::Plate, Arc::new(Original::default()));
        take_base64(&mut event, "jpeg", text, Role::FRAME, None);
        event
    }

    #[test]
    fn base64_is_read_however_it_ends() {
        for text in [
            "/9j/AA==",
            "/9j/AA",
            "/9j/AB==",
            "data:image/jpeg;base64,/9j/AA==",
            "/9j\r\n/AA==",
        ] {
            let event = taken(text);
            assert_eq!((event.images.len(), event.repaired.len()), (1, 0), "{text}");
            assert_eq!(
                event.images[0].bytes().unwrap().as_ref(),
                [0xff, 0xd8, 0xff, 0]
            );
        }
    }

    #[test]
    fn what_is_no_picture_is_said_and_nothing_is_not() {
        for text in ["", " ", "-"] {
            assert!(taken(text).repaired.is_empty());
        }
        for text in ["/9j/A", "aGVsbG8=", "(base64)"] {
            let event = taken(text);
            assert!(event.images.is_empty());
            assert_eq!(event.repaired, ["`jpeg` holds no picture and is left out"]);
        }
    }
}
