//! What is seen at one look.

use jiff::Timestamp;

use crate::name::Name;

/// What the judge is told. Of listeners only those of the config; of targets also those that something still waits for.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) targets: Vec<TargetFacts>,
    /// When each camera's last event came.
    pub(crate) cameras: Vec<(String, Timestamp)>,
    /// Requests put into quarantine within the time of the settings, by source; also those with none.
    pub(crate) quarantined: Vec<(Name, u64)>,
    /// The folder of the store.
    pub(crate) folder: String,
    /// How much of the file system is used, in percent, if that is told.
    pub(crate) disk: Option<f64>,
    /// How much of `store.max_size` is taken by what targets have not got yet, in percent.
    pub(crate) store: Option<f64>,
    /// Why the store takes nothing, if so.
    pub(crate) refuses: Option<String>,
    /// When certificates end, by listener or target; `None` where it was not seen yet.
    pub(crate) certificates: Vec<(String, Option<Timestamp>)>,
}

/// What is seen of one target.
#[derive(Debug, Clone)]
pub(crate) struct TargetFacts {
    pub(crate) name: Name,
    /// It is not in the config: nothing is tried.
    pub(crate) gone: bool,
    /// Since when, and why.
    pub(crate) held: Option<(Timestamp, String)>,
    pub(crate) paused: bool,
    /// Deliveries that are still to be made.
    pub(crate) waiting: u64,
    /// When the oldest event came that it has not got.
    pub(crate) oldest: Option<Timestamp>,
    /// Attempts since the start that delivered.
    pub(crate) delivered: u64,
    /// Attempts since the start after which another is needed.
    pub(crate) failed: u64,
}
