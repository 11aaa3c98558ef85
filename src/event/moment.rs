//! A moment as a camera tells it: an instant, and the offset of the camera's zone where it is known.

use std::fmt;

use jiff::fmt::temporal::{Pieces, PiecesOffset};
use jiff::tz::Offset;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant with the offset it was told in. Orders and compares by the instant alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    instant: Timestamp,
    offset: Offset,
}

impl Moment {
    pub(crate) fn new(instant: Timestamp, offset: Offset) -> Self {
        Self { instant, offset }
    }

    pub(crate) fn utc(instant: Timestamp) -> Self {
        Self {
            instant,
            offset: Offset::UTC,
        }
    }

    pub(crate) fn instant(self) -> Timestamp {
        self.instant
    }

    pub(crate) fn offset(self) -> Offset {
        self.offset
    }

    /// The wall clock where the camera is.
    pub(crate) fn local(self) -> Zoned {
        self.instant.to_zoned(self.offset.to_time_zone())
    }
}

impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        self.instant == other.instant
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.offset == Offset::UTC {
            write!(f, "{}", self.instant)
        } else {
            write!(f, "{}", self.instant.display_with_offset(self.offset))
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let instant: Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        let pieces = Pieces::parse(&text).map_err(serde::de::Error::custom)?;
        let offset = match pieces.offset() {
            Some(PiecesOffset::Numeric(numeric)) => numeric.offset(),
            _ => Offset::UTC,
        };
        Ok(Self { instant, offset })
    }
}
