//! Pictures of an event, and the vendor's document: slices of the request wherever possible, never copies.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Item, Origin, plain};

/// What a picture shows, or the name that a step gave it with `as`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(crate) struct Role(Cow<'static, str>);

impl Role {
    /// The whole picture the camera took.
    pub(crate) const FRAME: Self = Self(Cow::Borrowed("frame"));
    /// A crop around one vehicle.
    pub(crate) const VEHICLE: Self = Self(Cow::Borrowed("vehicle"));
    /// A crop of one plate.
    pub(crate) const PLATE: Self = Self(Cow::Borrowed("plate"));
    pub(crate) const FACE: Self = Self(Cow::Borrowed("face"));
    pub(crate) const THUMBNAIL: Self = Self(Cow::Borrowed("thumbnail"));

    pub(crate) fn named(name: &str) -> Self {
        Self(Cow::Owned(name.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One picture.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    pub(crate) role: Role,
    /// The plate, face or object it shows; `None` when it shows all of the event.
    pub(crate) item: Option<Item>,
    /// By its magic bytes where they are known, else as the sender says.
    pub(crate) content_type: String,
    pub(crate) data: PictureData,
}

#[derive(Clone)]
pub(crate) enum PictureData {
    Bytes(Bytes),
    /// Known only by its address until it is fetched.
    Url(String),
    /// Between the steps of one delivery only: what goes on has bytes.
    Made(Arc<dyn Made>),
}

/// A picture that a step made. It is written as bytes when somebody asks for them, since the next step may change it.
pub(crate) trait Made: Any + Send + Sync {
    fn size(&self) -> Size;
    /// Where its pixels come from, if that is known.
    fn origin(&self) -> Option<&Origin>;
    /// `None` when it cannot be written.
    fn bytes(&self) -> Option<&Bytes>;
}

impl fmt::Debug for PictureData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Url(url) => f.write_str(url),
            Self::Made(made) => write!(f, "made, {:?}", made.size()),
        }
    }
}

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Picture {
    /// Whether it is the very picture that came with the event, not one that a step made.
    pub(crate) fn came_with(&self, event: &super::Event) -> bool {
        event.images.iter().any(|sent| {
            sent.role == self.role
                && match (&sent.data, &self.data) {
                    (PictureData::Bytes(sent), PictureData::Bytes(ours)) => {
                        sent.as_ptr() == ours.as_ptr() && sent.len() == ours.len()
                    }
                    (PictureData::Url(sent), PictureData::Url(ours)) => sent == ours,
                    _ => false,
                }
        })
    }

    pub(crate) fn bytes(&self) -> Option<&Bytes> {
        match &self.data {
            PictureData::Bytes(bytes) => Some(bytes),
            PictureData::Made(made) => made.bytes(),
            PictureData::Url(_) => None,
        }
    }

    /// From the picture's header alone, nothing is decoded; `None` when it is no picture we know.
    pub(crate) fn size(&self) -> Option<Size> {
        if let PictureData::Made(made) = &self.data {
            return Some(made.size());
        }
        let size = imagesize::blob_size(self.bytes()?).ok()?;
        Some(Size {
            width: u32::try_from(size.width).ok()?,
            height: u32::try_from(size.height).ok()?,
        })
    }

    /// As the API shows it: everything but the pixels.
    pub(crate) fn describe(&self) -> Value {
        plain(&self.described())
    }

    pub(super) fn described(&self) -> Described<'_> {
        let told = Described {
            role: &self.role,
            item: self.item,
            content_type: &self.content_type,
            url: None,
            size: None,
            width: None,
            height: None,
            sha256: None,
        };
        match (&self.data, self.bytes()) {
            (PictureData::Url(url), _) => Described {
                url: Some(url),
                ..told
            },
            (_, None) => told,
            (_, Some(bytes)) => {
                let size = self.size();
                Described {
                    size: Some(bytes.len()),
                    width: Some(size.map(|size| size.width)),
                    height: Some(size.map(|size| size.height)),
                    sha256: Some(HEXLOWER.encode(&Sha256::digest(bytes))),
                    ..told
                }
            }
        }
    }
}

/// A picture as others see it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Picture")]
pub(crate) struct Described<'a> {
    role: &'a Role,
    /// What it shows, such as `plates/0`; null when it shows all of the event.
    item: Option<Item>,
    content_type: &'a str,
    /// Where it is, while that is all that is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
    /// Pixels; null when it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<Option<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<Option<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

/// The content type that a picture's first bytes tell, or `None` when they are of no picture.
pub(crate) fn sniff(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some("image/webp"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Some("image/bmp"),
        _ => None,
    }
}

/// The vendor's document as JSON text, parsed only when somebody looks at it.
#[derive(Clone, Default)]
pub(crate) struct Raw(Bytes);

impl Raw {
    /// `text` must be a JSON document that has been parsed once already; anything else reads as null.
    pub(crate) fn from_text(text: Bytes) -> Self {
        Self(text)
    }

    pub(crate) fn from_value(value: &Value) -> Self {
        Self(Bytes::from(value.to_string()))
    }

    pub(crate) fn text(&self) -> &Bytes {
        &self.0
    }

    pub(crate) fn to_json(&self) -> Value {
        serde_json::from_slice(&self.0).unwrap_or(Value::Null)
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}
