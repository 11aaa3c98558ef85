//! What of the log can no longer be read though it had been safe: found by checksum, told once, and passed over.
//!
//! A camera cannot wait until somebody has looked at a disk, so damage does not keep a store from opening: what lies
//! around it is kept, and only what is damaged is lost. It is never silent: each place is an error in the log, is
//! counted in `camhook_store_damaged_records`, and `camhook store check` names it with the events that lay there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// A stretch of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    /// The records that were there, by their LSNs: from this one up to, and without, `next_lsn`.
    pub(super) first_lsn: u64,
    pub(super) next_lsn: u64,
}

impl Damage {
    pub(super) fn records(&self) -> u64 {
        self.next_lsn.saturating_sub(self.first_lsn)
    }
}

/// The places found since the store was opened.
#[derive(Default)]
pub(super) struct Damages(Mutex<BTreeMap<(u64, u64), Damage>>);

impl Damages {
    /// Tells of a place, the first time.
    pub(super) fn note(&self, path: &Path, damage: Damage) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (damage.segment, damage.offset);
        if known.insert(place, damage).is_none() {
            tracing::error!(
                file = %path.display(), at = damage.offset, bytes = damage.bytes, records = damage.records(),
                "the log is damaged here; what lies around it is kept. Check the disk, and see `camhook store check`"
            );
        }
    }

    /// How many records are lost.
    pub(super) fn records(&self) -> u64 {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().map(Damage::records).sum()
    }
}
