//! The accepting half: a request is on disk before anybody is told that it is.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::log::Draft;
use super::record::What;
use super::writer::{self, Command};
use super::{Kept, Store, StoreError, closed, failed, request};
use crate::decide::{Memory, Written};
use crate::event::{Event, EventId, Original};
use crate::fate::Plan;
use crate::name::Name;

/// One request, decoded: to be committed as a whole.
pub(crate) struct Intake {
    pub(crate) original: Arc<Original>,
    pub(crate) events: Vec<(Arc<Event>, Plan)>,
    /// What deciding steps remember of it from now on.
    pub(crate) written: Written,
}

/// An authentic request that could not be decoded.
pub(crate) struct Unread {
    pub(crate) source: Name,
    pub(crate) original: Arc<Original>,
    pub(crate) reason: String,
}

/// Proof that a request is on disk. Only the store makes one, and the answer to a camera asks for it.
#[must_use]
#[derive(Debug)]
pub(crate) struct Accepted(());

impl Store {
    /// Returns once the request, its events and all their deliveries are on disk.
    pub(crate) async fn accept(&self, intake: Intake) -> Result<Accepted, StoreError> {
        self.keep(intake, None).await
    }

    async fn keep(
        &self,
        mut intake: Intake,
        releases: Option<EventId>,
    ) -> Result<Accepted, StoreError> {
        let mut written = std::mem::take(&mut intake.written);
        let permit = self.permit().await?;
        let now = self.0.clock.now();
        let (draft, what, to_deliver) =
            request::request(intake, &written.changes, now, releases).map_err(failed)?;
        let kept = self.commit(draft, what, to_deliver, permit)?;
        written.placed();
        let accepted = kept.await?;
        written.kept();
        Ok(accepted)
    }

    /// The moment that its decisions are made at.
    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// What deciding steps remember. It is kept with the events it came of, see [`Intake::written`].
    pub(crate) fn memory(&self) -> &Memory {
        &self.0.memory
    }

    pub(crate) async fn quarantine(&self, unread: Unread) -> Result<Accepted, StoreError> {
        let permit = self.permit().await?;
        let now = self.0.clock.now();
        let (draft, what) = request::quarantine(&unread, EventId::at(now), now).map_err(failed)?;
        self.commit(draft, what, Vec::new(), permit)?.await
    }

    /// A place among the requests that the index does not know yet.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        if self.0.failing.load(Ordering::SeqCst) {
            return Err(StoreError::Full("the index cannot be written".to_owned()));
        }
        let permits = self.0.permits.clone();
        permits.acquire_owned().await.map_err(failed)
    }

    /// Gives the record its place in the log; what is returned ends when it is safe.
    fn commit(
        &self,
        draft: Draft,
        what: What,
        to_deliver: Vec<Kept>,
        permit: OwnedSemaphorePermit,
    ) -> Result<impl Future<Output = Result<Accepted, StoreError>> + '_, StoreError> {
        let begun = Instant::now();
        let (safe, told) = oneshot::channel();
        self.append(writer::Item {
            draft,
            what,
            to_deliver,
            urgent: false,
            safe: Some(safe),
            applied: None,
            guard: self.guard(Some(permit)),
        })?;
        Ok(async move {
            told.await.map_err(|_| closed())??;
            let took = begun.elapsed().as_secs_f64();
            self.0.metrics.commit_seconds.observe(took);
            Ok(Accepted(()))
        })
    }

    /// Whether the next request is likely to be accepted; for `/readyz` and to refuse early.
    pub(crate) fn accepting(&self) -> Result<(), StoreError> {
        if self.0.closing.load(Ordering::SeqCst) {
            return Err(closed());
        }
        if self.0.failing.load(Ordering::SeqCst) {
            return Err(StoreError::Full("the index cannot be written".to_owned()));
        }
        match self.0.room.full() {
            None => Ok(()),
            Some(why) => {
                // Whoever refuses early would never find out that there is room again.
                let _ = self.0.writer.send(Command::Probe);
                Err(StoreError::Full(why))
            }
        }
    }

    /// A quarantined request that can be decoded now: its events are committed and its quarantine row goes.
    pub(crate) async fn release(
        &self,
        quarantined: EventId,
        intake: Intake,
    ) -> Result<Accepted, StoreError> {
        self.keep(intake, Some(quarantined)).await
    }
}
