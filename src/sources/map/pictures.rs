//! Pictures that a document holds as text, or names.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::GeneralPurpose;
use bytes::Bytes;
use serde_json::Value;

use super::coerce::quoted;
use crate::event::{Event, Item, Picture, PictureData, Role, sniff};
use crate::sources::document::Document;
use crate::sources::media::LENIENT;

const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Longer is no address.
const ADDRESS_MAX: usize = 4_096;

/// A picture's content type and data, from base64, a data URL or an http(s) address.
///
/// # Errors
/// What is wrong with it, in words.
pub(in crate::sources) fn inline(text: &str) -> Result<(String, PictureData), String> {
    let text = text.trim();
    if text.starts_with("http://") || text.starts_with("https://") {
        let is_address = text.len() <= ADDRESS_MAX && !text.contains(char::is_whitespace);
        return match is_address {
            true => Ok(("image/jpeg".to_owned(), PictureData::Url(text.to_owned()))),
            false => Err("is no address".to_owned()),
        };
    }
    let base64 = match text.strip_prefix("data:") {
        Some(url) => match url.split_once(";base64,") {
            Some((_, base64)) => base64,
            None => return Err("is a data URL without base64".to_owned()),
        },
        None => text,
    };
    let bare: Vec<u8> = base64
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let engine = match bare.iter().any(|byte| matches!(byte, b'-' | b'_')) {
        true => &URL_SAFE,
        false => &STANDARD,
    };
    let bytes = engine
        .decode(&bare)
        .map_err(|_| "is neither base64 nor an address nor the name of a part".to_owned())?;
    match sniff(&bytes) {
        Some(content_type) => Ok((
            content_type.to_owned(),
            PictureData::Bytes(Bytes::from(bytes)),
        )),
        None => Err("is base64, but of no picture".to_owned()),
    }
}

/// What the pictures of one request were before: events of one list often share a frame, which is decoded once.
#[derive(Default)]
pub(super) struct Seen(Vec<(Role, String, (String, PictureData))>);

impl Seen {
    /// The picture that a rendered value stands for; none for null and an empty text.
    pub(super) fn picture(
        &mut self,
        role: &Role,
        value: &Value,
        document: &Document,
    ) -> Result<Option<Picture>, String> {
        let text = match value {
            Value::Null => return Ok(None),
            Value::String(text) if text.trim().is_empty() => return Ok(None),
            Value::String(text) => text,
            // `{{ parts.photo }}`
            Value::Object(part) => match part.get("name") {
                Some(Value::String(name)) => name,
                _ => return Err(format!("{} is no picture", quoted(value))),
            },
            other => return Err(format!("{} is no picture", quoted(other))),
        };
        let named = match text.trim() {
            "body" => document
                .pictures
                .first()
                .filter(|_| document.files.is_empty()),
            name => {
                let file = document.files.iter().find(|file| file.name == name);
                file.and_then(|file| {
                    let here = file.data.as_ptr();
                    document.pictures.iter().find(
                        |known| matches!(&known.data, PictureData::Bytes(bytes) if bytes.as_ptr() == here),
                    )
                })
            }
        };
        let (content_type, data) = match named {
            Some(picture) => (picture.content_type.clone(), picture.data.clone()),
            None => match self
                .0
                .iter()
                .find(|(of, known, _)| of == role && known == text)
            {
                Some((_, _, known)) => known.clone(),
                None => {
                    let read = inline(text)
                        .map_err(|why| format!("{} {why}", quoted(&Value::from(text.as_str()))))?;
                    self.0.retain(|(of, ..)| of != role);
                    self.0.push((role.clone(), text.clone(), read.clone()));
                    read
                }
            },
        };
        Ok(Some(Picture {
            role: role.clone(),
            item: None,
            content_type,
            data,
        }))
    }
}

/// Puts a picture in place of the one that had its role, and of itself under another.
pub(super) fn put(event: &mut Event, mut picture: Picture) {
    let is_same = |known: &Picture| match (&known.data, &picture.data) {
        (PictureData::Bytes(known), PictureData::Bytes(ours)) => {
            known.as_ptr() == ours.as_ptr() && known.len() == ours.len()
        }
        (PictureData::Url(known), PictureData::Url(ours)) => known == ours,
        _ => false,
    };
    event
        .images
        .retain(|known| known.role != picture.role && !is_same(known));
    picture.item = match picture.role.as_str() {
        "plate" if event.plates.len() == 1 => Some(Item::Plate(0)),
        "face" if event.faces.len() == 1 => Some(Item::Face(0)),
        _ => None,
    };
    event.images.push(picture);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==";

    #[test]
    fn pictures_are_read_from_every_form_of_base64() {
        let broken = format!("{}\r\n {}", &PNG[..40], &PNG[40..]);
        let safe = PNG.replace('+', "-").replace('/', "_");
        for text in [
            PNG.to_owned(),
            PNG.trim_end_matches('=').to_owned(),
            format!("data:image/png;base64,{PNG}"),
            broken,
            safe,
        ] {
            let (content_type, data) = inline(&text).unwrap();
            assert_eq!(content_type, "image/png");
            assert!(matches!(data, PictureData::Bytes(bytes) if bytes.len() == 67));
        }
        let (_, data) = inline("https://cam.example/1.jpg").unwrap();
        assert!(matches!(data, PictureData::Url(_)));
    }

    #[test]
    fn what_is_no_picture_is_said_to_be_none() {
        for (text, why) in [
            ("photo", "neither base64"),
            ("aGVsbG8gd29ybGQ=", "of no picture"),
            ("data:image/svg+xml,<svg/>", "without base64"),
            ("http://a b", "no address"),
        ] {
            assert!(inline(text).unwrap_err().contains(why), "{text}");
        }
    }
}
