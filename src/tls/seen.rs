//! When the certificates end that other sides have shown: whoever renews theirs forgets, and then nothing arrives.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, ServerName};

use super::offer::end_of;

/// Names that are remembered at most; a target's host may follow from the event.
const NAMES_MAX: usize = 1_000;

/// The ends, by the name that was called. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<BTreeMap<String, Timestamp>>>);

impl Seen {
    fn ends(&self) -> MutexGuard<'_, BTreeMap<String, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A certificate that was shown, and is trusted.
    pub(crate) fn note(&self, name: &ServerName<'_>, shown: &CertificateDer<'_>) {
        let Some(end) = end_of(shown) else { return };
        let mut ends = self.ends();
        let name = name.to_str();
        if ends.len() < NAMES_MAX || ends.contains_key(&*name) {
            ends.insert(name.into_owned(), end);
        }
    }

    pub(crate) fn end(&self, host: &str) -> Option<Timestamp> {
        let name = host.trim_start_matches('[').trim_end_matches(']');
        self.ends().get(name).copied()
    }
}
