//! What users can say of a list that is a file.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Columns;
use crate::units::Timezone;

/// A table in a file, to look plates up in.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "ListSettings")]
pub(crate) struct Settings {
    /// A CSV file whose first line names the columns. A relative path counts from the config's folder. The file is
    /// read again when it changes.
    pub(crate) csv: Option<PathBuf>,
    /// The column that holds the plates. Case, blanks, dashes and dots in them do not matter.
    pub(crate) key: Option<String>,
    /// The column that tells from when on a row counts: `2026-01-31`, `2026-01-31 18:00`; an empty cell is from ever.
    /// Default: all rows do.
    pub(crate) valid_from: Option<String>,
    /// The column that tells until when a row counts; a bare date is until the end of that day, an empty cell for ever.
    /// Default: all rows do.
    pub(crate) valid_until: Option<String>,
    /// The zone of dates that tell none, such as `Europe/Rome`. Default `UTC`.
    pub(crate) timezone: Option<Timezone>,
}

impl Settings {
    pub(crate) fn columns(&self) -> Columns {
        Columns {
            key: self.key.clone().unwrap_or_default(),
            valid_from: self.valid_from.clone(),
            valid_until: self.valid_until.clone(),
            zone: zone(self.timezone.as_ref()),
        }
    }
}

/// UTC unless set.
pub(crate) fn zone(timezone: Option<&Timezone>) -> TimeZone {
    timezone.map_or(TimeZone::UTC, |zone| zone.0.clone())
}
