//! What users do to deliveries and targets by hand.

use jiff::Timestamp;

use super::record::{self, What};
use super::{Store, StoreError, query};
use crate::event::{DeliveryId, EventId};
use crate::fate::Plan;
use crate::name::Name;

/// What a user or a refusal did to a whole target. Survives a restart.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum TargetState {
    Running,
    Paused { since: Timestamp },
    Held { since: Timestamp, reason: String },
}

/// Which dead and held deliveries to make due again.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RetryQuery {
    Ids(Vec<DeliveryId>),
    Target(Name),
    All,
}

impl Store {
    /// As a user says.
    pub(crate) async fn set_target_state(
        &self,
        target: &Name,
        state: TargetState,
    ) -> Result<(), StoreError> {
        self.steer(target, state, false).await
    }

    /// As was found by sending to it. A user's pause stands above that, also one that comes while this is written.
    pub(crate) async fn found_target_state(
        &self,
        target: &Name,
        state: TargetState,
    ) -> Result<(), StoreError> {
        self.steer(target, state, true).await
    }

    async fn steer(
        &self,
        target: &Name,
        state: TargetState,
        found: bool,
    ) -> Result<(), StoreError> {
        let steered = record::Steered {
            at: self.0.clock.now(),
            target: target.clone(),
            state,
            found,
        };
        self.say(What::Target(steered)).await.map(|_| ())
    }

    pub(crate) fn target_state(&self, target: &Name) -> TargetState {
        self.0.desks.of(target).state()
    }

    /// Which targets are delivered to from now on. What waits for others can be given up without having been tried.
    pub(crate) fn serve(&self, targets: impl IntoIterator<Item = Name>) {
        self.0.desks.serve(targets.into_iter().collect());
    }

    /// How many were made due again, under the same ids.
    pub(crate) async fn retry(&self, which: RetryQuery) -> Result<u64, StoreError> {
        if let RetryQuery::Ids(ids) = &which {
            let ids = ids.clone();
            let unknown = self
                .read(move |db, _| query::unknown_delivery(db, &ids))
                .await?;
            if let Some(id) = unknown {
                return Err(StoreError::Unknown {
                    what: "delivery",
                    id: id.to_string(),
                });
            }
        }
        let at = self.0.clock.now();
        self.say(What::Retry(record::Retry { at, which })).await
    }

    /// Adds deliveries to an event that is kept already (replay).
    pub(crate) async fn plan_again(&self, event: EventId, plan: Plan) -> Result<(), StoreError> {
        let at = self.0.clock.now();
        let again = record::PlanAgain { at, event, plan };
        let found = self.say(What::PlanAgain(Box::new(again))).await?;
        self.0.cache.remove(event);
        if found == 0 {
            return Err(StoreError::Unknown {
                what: "event",
                id: event.to_string(),
            });
        }
        Ok(())
    }

    /// Removes events received before that moment with everything settled, and returns how many. Their segments go with
    /// the next [`Store::retain`], once nothing in them is kept.
    pub(crate) async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        let at = self.0.clock.now();
        let purge = record::Purge {
            at,
            before,
            named: true,
        };
        self.say(What::Purge(purge)).await
    }
}
