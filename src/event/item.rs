//! One plate, face or object within its event.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One plate, face or object of an event, counted from 0; written `plates/0`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[schemars(inline, with = "String", extend("pattern" = "^(plates|faces|objects)/[0-9]+$"))]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Item {
    Plate(usize),
    Face(usize),
    Object(usize),
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plate(n) => write!(f, "plates/{n}"),
            Self::Face(n) => write!(f, "faces/{n}"),
            Self::Object(n) => write!(f, "objects/{n}"),
        }
    }
}

impl From<Item> for String {
    fn from(item: Item) -> Self {
        item.to_string()
    }
}

impl TryFrom<String> for Item {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let parse = || {
            let (list, n) = text.split_once('/')?;
            let n = n.parse().ok()?;
            match list {
                "plates" => Some(Self::Plate(n)),
                "faces" => Some(Self::Face(n)),
                "objects" => Some(Self::Object(n)),
                _ => None,
            }
        };
        parse()
            .ok_or_else(|| format!("`{text}` is no item: expected plates/N, faces/N or objects/N"))
    }
}
