//! What an alert may be about.

use serde::{Deserialize, Serialize};

/// Which alert; its word is the same in `routes.yaml`, in events, in metrics and in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    TargetFailing,
    Undelivered,
    CameraSilent,
    DiskFull,
    StoreFull,
    Quarantine,
    Certificate,
}

impl What {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::TargetFailing => "target_failing",
            Self::Undelivered => "undelivered",
            Self::CameraSilent => "camera_silent",
            Self::DiskFull => "disk_full",
            Self::StoreFull => "store_full",
            Self::Quarantine => "quarantine",
            Self::Certificate => "certificate",
        }
    }

    /// What `value` and `threshold` count.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::TargetFailing | Self::Undelivered | Self::CameraSilent | Self::Certificate => {
                "seconds"
            }
            Self::DiskFull | Self::StoreFull => "percent",
            Self::Quarantine => "requests",
        }
    }

    /// Whether its subject is a target.
    pub(crate) fn is_of_a_target(self) -> bool {
        matches!(self, Self::TargetFailing | Self::Undelivered)
    }
}
