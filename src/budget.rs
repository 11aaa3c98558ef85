//! One budget of bytes for everything in flight in the process: requests being read and payloads being sent.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::telemetry::Metrics;

/// How many bytes may be in memory at once. Cheap to clone. Who asks first is served first.
#[derive(Clone)]
pub(crate) struct Budget {
    /// One permit for each [`GRAIN`] bytes: a semaphore hands out at most `u32::MAX` permits at a time.
    permits: Arc<Semaphore>,
    /// Bytes, rounded down to whole grains.
    whole: usize,
    metrics: Metrics,
}

const GRAIN: usize = 1024;

/// Bytes taken from the budget, given back on drop.
#[must_use = "dropping it gives the bytes back"]
pub(crate) struct Reserved {
    permit: OwnedSemaphorePermit,
    bytes: usize,
    budget: Budget,
}

/// Why bytes could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    /// Waiting would not help: more than there is altogether.
    #[error("{asked} bytes are more than the whole budget of {whole}")]
    Never { asked: usize, whole: usize },
    /// Others held the bytes for as long as the asker could wait.
    #[error("too much is in flight at the moment")]
    Busy,
}

impl Budget {
    /// A budget below 1 KiB is 1 KiB.
    pub(crate) fn new(bytes: usize, metrics: Metrics) -> Self {
        let grains = (bytes / GRAIN).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self {
            permits: Arc::new(Semaphore::new(grains)),
            whole: grains * GRAIN,
            metrics,
        }
    }

    /// Waits at most `patience` for its turn.
    pub(crate) async fn reserve(&self, bytes: usize, patience: Duration) -> Result<Reserved, Full> {
        let permit = self.take(bytes.div_ceil(GRAIN), bytes, patience).await?;
        self.count(bytes);
        Ok(Reserved {
            permit,
            bytes,
            budget: self.clone(),
        })
    }

    async fn take(
        &self,
        grains: usize,
        asked: usize,
        patience: Duration,
    ) -> Result<OwnedSemaphorePermit, Full> {
        let never = Full::Never {
            asked,
            whole: self.whole,
        };
        if asked > self.whole {
            return Err(never);
        }
        let grains = u32::try_from(grains).map_err(|_| never)?;
        let turn = self.permits.clone().acquire_many_owned(grains);
        match tokio::time::timeout(patience, turn).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Full::Busy), // the semaphore is never closed
        }
    }

    /// All that can be had; a request that needs more never gets it.
    pub(crate) fn whole(&self) -> usize {
        self.whole
    }

    /// What nobody holds at this moment.
    pub(crate) fn free(&self) -> usize {
        self.permits.available_permits() * GRAIN
    }

    fn count(&self, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.metrics.inflight_bytes.inc_by(bytes);
    }
}

impl Reserved {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `more` bytes. What is held already stays held, also when this fails.
    pub(crate) async fn grow(&mut self, more: usize, patience: Duration) -> Result<(), Full> {
        let bytes = self.bytes.saturating_add(more);
        let grains = bytes
            .div_ceil(GRAIN)
            .saturating_sub(self.permit.num_permits());
        let permit = self.budget.take(grains, bytes, patience).await?;
        self.permit.merge(permit);
        self.bytes = bytes;
        self.budget.count(more);
        Ok(())
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let bytes = i64::try_from(self.bytes).unwrap_or(i64::MAX);
        self.budget.metrics.inflight_bytes.dec_by(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn gives_back_what_is_dropped_and_counts_it() {
        let metrics = Metrics::new();
        let budget = Budget::new(4096, metrics.clone());
        let held = budget.reserve(4000, Duration::ZERO).await.unwrap();
        assert_eq!(metrics.inflight_bytes.get(), 4000);
        assert_eq!(
            budget.reserve(1000, Duration::ZERO).await.err(),
            Some(Full::Busy)
        );
        drop(held);
        assert_eq!(metrics.inflight_bytes.get(), 0);
        assert!(budget.reserve(4096, Duration::ZERO).await.is_ok());
    }

    #[tokio::test]
    async fn refuses_at_once_what_could_never_be_had() {
        let budget = Budget::new(2048, Metrics::new());
        let never = Full::Never {
            asked: 4096,
            whole: 2048,
        };
        assert_eq!(budget.reserve(4096, Duration::MAX).await.err(), Some(never));
        let mut held = budget.reserve(2048, Duration::ZERO).await.unwrap();
        assert_eq!(held.grow(2048, Duration::MAX).await.err(), Some(never));
        assert_eq!(held.bytes(), 2048);
    }

    #[tokio::test]
    async fn grows_within_its_grain_for_nothing_and_beyond_it_when_there_is_room() {
        let budget = Budget::new(2048, Metrics::new());
        let mut first = budget.reserve(1, Duration::ZERO).await.unwrap();
        let second = budget.reserve(1, Duration::ZERO).await.unwrap();
        first.grow(1000, Duration::ZERO).await.unwrap();
        assert_eq!(
            first.grow(1000, Duration::ZERO).await.err(),
            Some(Full::Busy)
        );
        drop(second);
        first.grow(1000, Duration::ZERO).await.unwrap();
        assert_eq!(first.bytes(), 2001);
    }

    #[tokio::test]
    async fn serves_a_waiting_asker_when_room_comes() {
        let budget = Budget::new(1024, Metrics::new());
        let held = budget.reserve(1024, Duration::ZERO).await.unwrap();
        let mut waiting = Box::pin(budget.reserve(1024, Duration::from_secs(600)));
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("there is no room"),
            () = std::future::ready(()) => {}
        }
        drop(held);
        assert!(waiting.await.is_ok());
    }
}
