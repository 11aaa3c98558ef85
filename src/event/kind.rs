//! What an event is about, in one word.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Plate,
    Face,
    Object,
    Track,
    Motion,
    Intrusion,
    LineCrossing,
    RegionEntry,
    RegionExit,
    Loitering,
    Parking,
    Counting,
    Dwell,
    Video,
    Status,
    Heartbeat,
    Other,
}

impl Kind {
    pub(crate) const ALL: [Self; 17] = [
        Self::Plate,
        Self::Face,
        Self::Object,
        Self::Track,
        Self::Motion,
        Self::Intrusion,
        Self::LineCrossing,
        Self::RegionEntry,
        Self::RegionExit,
        Self::Loitering,
        Self::Parking,
        Self::Counting,
        Self::Dwell,
        Self::Video,
        Self::Status,
        Self::Heartbeat,
        Self::Other,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Plate => "plate",
            Self::Face => "face",
            Self::Object => "object",
            Self::Track => "track",
            Self::Motion => "motion",
            Self::Intrusion => "intrusion",
            Self::LineCrossing => "line_crossing",
            Self::RegionEntry => "region_entry",
            Self::RegionExit => "region_exit",
            Self::Loitering => "loitering",
            Self::Parking => "parking",
            Self::Counting => "counting",
            Self::Dwell => "dwell",
            Self::Video => "video",
            Self::Status => "status",
            Self::Heartbeat => "heartbeat",
            Self::Other => "other",
        }
    }
}
