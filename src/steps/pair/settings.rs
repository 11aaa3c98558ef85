//! What users set on `pair`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::units::Span;

/// Makes one delivery of what the front and the rear camera of a lane saw of one vehicle: the second that comes carries the
/// first, `pair.front` and `pair.rear` in templates. Events of other cameras pass.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Pair")]
pub(crate) struct Settings {
    /// Ids of the cameras that see vehicles from the front. Required.
    pub(super) front: Vec<String>,
    /// Ids of the cameras that see them from behind. Required.
    pub(super) rear: Vec<String>,
    /// Captures less than this apart may be of one vehicle, and so long the first half waits for the other (`10s`).
    pub(super) within: Span,
    /// What makes two halves one: the same `plate` (default), or `none`: whichever passed first. With `none` give each lane
    /// a route of its own.
    pub(super) by: By,
    /// Letters or digits that may be read otherwise, left out or added in one of the two plates, 0 to 3 (1).
    #[schemars(range(max = 3))]
    pub(super) edits: u8,
    /// What becomes of a half whose other does not come: `alone` (default), delivered when the wait is over, or `drop`,
    /// filtered.
    pub(super) on_timeout: OnTimeout,
    /// What is told in an event of its own, kind `status`: `mismatch`, both halves came and their plates differ; `missing`,
    /// only one came. Default: none.
    pub(super) tell: Vec<Word>,
    /// Whether only what is told is delivered, and neither halves nor pairs: for a route of alerts. Default false.
    pub(super) only_told: bool,
    /// A capture time further than this from the arrival is not believed, the arrival counts in its place (`5m`).
    pub(super) late: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PairBy")]
pub(super) enum By {
    /// The same plate, but for `edits`.
    #[default]
    Plate,
    /// The order of passing.
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PairTimeout")]
pub(super) enum OnTimeout {
    /// It is delivered when its wait is over.
    #[default]
    Alone,
    /// It is filtered.
    Drop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PairTold")]
pub(super) enum Word {
    /// Both halves came, and their plates differ.
    Mismatch,
    /// Only one half came.
    Missing,
}

impl Settings {
    /// Whether pairs are delivered.
    pub(crate) fn pairs(&self) -> bool {
        !self.only_told
    }
}

impl Default for Settings {
    fn default() -> Self {
        let seconds = |seconds| Span(std::time::Duration::from_secs(seconds));
        Self {
            front: Vec::new(),
            rear: Vec::new(),
            within: seconds(10),
            by: By::Plate,
            edits: 1,
            on_timeout: OnTimeout::Alone,
            tell: Vec::new(),
            only_told: false,
            late: seconds(300),
        }
    }
}
