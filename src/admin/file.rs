//! The config file as who steers sees it: what is in use, what lies on disk, what became of the last loads.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

/// A config file without its secrets and comments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ShownFile {
    pub(crate) text: String,
    /// Which line of the file each of its lines is, from 1.
    pub(crate) numbers: Vec<usize>,
    /// Of the whole file: what is not shown may differ too.
    pub(crate) digest: [u8; 32],
}

/// What became of the loads of the file.
#[derive(Debug, Clone)]
pub(crate) struct Loads {
    /// As the user named it.
    pub(crate) file: String,
    /// When what is in use was loaded.
    pub(crate) loaded: Timestamp,
    /// The last load that was refused, if one was since the start.
    pub(crate) refused: Option<RefusedLoad>,
    /// Something in the file is taken up by a restart only.
    pub(crate) restart_due: bool,
}

/// A load that was refused.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct RefusedLoad {
    pub(crate) at: Timestamp,
    /// Its mistakes with their lines, as `camhook check` tells them.
    pub(crate) mistakes: String,
}

/// What a load of the file as it lies there would come to.
#[derive(Debug, Clone)]
pub(crate) enum OnDisk {
    Fine(ShownFile),
    /// Its mistakes.
    Wrong(String),
}

/// Why the file was not loaded.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("camhook does not run, so it has nothing to load the file into")]
    Stopped,
    #[error("the file has mistakes, and the running config stays:\n{0}")]
    Wrong(String),
}
