//! Steps: what happens to an event's pictures and fields on the way to a target. Pure; CPU work, run on the blocking pool.

use std::sync::Arc;

use crate::event::{Event, Item, Picture};

/// What steps work on: the event (never changed in the store) and the pictures at hand.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) event: Arc<Event>,
    /// The plate, face or object that this delivery is about, if the route has `each`.
    pub(crate) item: Option<Item>,
    /// The event's pictures first, then those that steps made.
    pub(crate) pictures: Vec<Picture>,
    /// What was done or could not be done, in words, for `explain` and for the delivery's record.
    pub(crate) notes: Vec<String>,
}

/// One step of a route.
pub(crate) trait Step: Send + Sync {
    /// Its word in `routes.yaml`.
    fn name(&self) -> &'static str;
    fn take(&self, work: &mut Work) -> Result<Flow, StepError>;
}

/// Whether the delivery goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    /// Nothing is delivered; the reason is shown.
    Filtered {
        reason: String,
    },
}

/// A step failed in a way that another try will not mend.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {reason}")]
pub(crate) struct StepError {
    pub(crate) step: &'static str,
    pub(crate) reason: String,
}

/// A step as written in `routes.yaml`: a map with one key, the step's name.
#[derive(Debug, Clone, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Settings {
    // Crop(crop::Settings),
}

impl Settings {
    pub(crate) fn build(self) -> Box<dyn Step> {
        todo!()
    }
}
