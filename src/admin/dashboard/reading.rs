//! Reading events for a list of a page: one after another, and none that is too large to be read by everybody who looks.

use crate::admin::Refusal;
use crate::event::EventId;
use crate::store::{Kept, Store, StoreError};

/// Bytes of one event. What is not larger the store keeps for a while, so that all who look at one moment share it.
const ONE_MAX: usize = 8 << 20;
/// Bytes of all events of one list.
const ALL_MAX: usize = 64 << 20;

/// What a list may still read.
pub(super) struct Reading<'a> {
    store: &'a Store,
    left: usize,
}

/// What came of it.
pub(super) enum Read {
    Kept(Kept),
    /// Removed since.
    Gone,
    /// It is there, but not to be seen here: why.
    Unseen(String),
}

impl<'a> Reading<'a> {
    pub(super) fn of(store: &'a Store) -> Self {
        let left = ALL_MAX;
        Self { store, left }
    }

    /// # Errors
    /// When the store fails.
    pub(super) async fn event(&mut self, id: EventId) -> Result<Read, Refusal> {
        let weight = match self.store.weight(id).await {
            Ok(weight) => weight,
            Err(error) => return not_read(error),
        };
        if weight > ONE_MAX.min(self.left) {
            let mib = weight >> 20;
            return Ok(Read::Unseen(format!(
                "With {mib} MiB it is too much for this list: open it to see it."
            )));
        }
        self.left -= weight;
        match self.store.event(id).await {
            Ok(kept) => Ok(Read::Kept(kept)),
            Err(error) => not_read(error),
        }
    }
}

fn not_read(error: StoreError) -> Result<Read, Refusal> {
    match error {
        StoreError::Unknown { .. } => Ok(Read::Gone),
        StoreError::Damaged(_) => Ok(Read::Unseen(error.to_string())),
        error => Err(error.into()),
    }
}
