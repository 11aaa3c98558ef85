//! Pictures and clips among the parts of a request.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use bytes::Bytes;

use super::multipart::Part;
use crate::event::{Item, Picture, PictureData, Role, Video, sniff};

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

/// With or without the signs that fill it up.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A picture in base64, also as a `data:` address or broken into lines; `None` when it is none that is known.
pub(super) fn picture_in_base64(text: &str, role: Role, item: Option<Item>) -> Option<Picture> {
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
