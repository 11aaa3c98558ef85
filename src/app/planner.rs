//! Plans events anew, through the routes and sources of the moment.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::admin::{Planner, Promise, ReplayError};
use crate::clock::Clock;
use crate::config::Planned;
use crate::event::EventId;
use crate::fate::Plan;
use crate::name::Name;
use crate::routes;
use crate::sources;
use crate::store::{Intake, Store, StoreError};

/// Today's way from a request to a plan.
pub(super) struct Plans {
    store: Store,
    clock: Clock,
    now: ArcSwap<Planned>,
}

impl Plans {
    pub(super) fn new(store: Store, clock: Clock, planned: &Planned) -> Self {
        Self {
            store,
            clock,
            now: ArcSwap::from_pointee(planned.clone()),
        }
    }

    /// Returns the routes that are no more.
    pub(super) fn replace(&self, planned: &Planned) -> Vec<Name> {
        let old = self.now.swap(Arc::new(planned.clone()));
        let stays = |route: &Name| planned.routes.iter().any(|now| now.name == *route);
        let gone = old.routes.iter().map(|route| route.name.clone());
        gone.filter(|route| !stays(route)).collect()
    }

    async fn again(&self, id: EventId, to: Option<&Name>) -> Result<usize, ReplayError> {
        let today = self.now.load_full();
        let plan = |event: &_| -> Plan {
            routes::plan(&today.routes, event, &today.lists, self.clock.now(), to)
        };
        match self.store.event(id).await {
            Ok(kept) => {
                let plan = plan(&kept.event);
                let deliveries = plan.deliveries.len();
                self.store.plan_again(id, plan).await?;
                Ok(deliveries)
            }
            Err(StoreError::Unknown { .. }) => {
                let unread = self.store.quarantined_request(id).await?;
                let source = today
                    .sources
                    .iter()
                    .find(|source| source.name == unread.source);
                let Some(source) = source else {
                    let reason =
                        format!("its source `{}` is no longer in routes.yaml", unread.source);
                    return Err(ReplayError::Undecodable(reason));
                };
                let events = sources::decode(
                    source.source,
                    &source.name,
                    &source.decode,
                    &unread.original,
                )
                .map_err(|error| ReplayError::Undecodable(error.to_string()))?;
                let events: Vec<_> = events
                    .into_iter()
                    .map(|event| {
                        let event = Arc::new(event);
                        let plan = plan(&event);
                        (event, plan)
                    })
                    .collect();
                let deliveries = events.iter().map(|(_, plan)| plan.deliveries.len()).sum();
                let _safe = self
                    .store
                    .release(
                        id,
                        Intake {
                            original: unread.original,
                            events,
                        },
                    )
                    .await?;
                Ok(deliveries)
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Planner for Plans {
    fn targets(&self) -> Vec<Name> {
        self.now.load().targets.clone()
    }

    fn sources(&self) -> Vec<(Name, &'static str)> {
        self.now
            .load()
            .sources
            .iter()
            .map(|source| (source.name.clone(), source.source.kind()))
            .collect()
    }

    fn replay<'a>(
        &'a self,
        id: EventId,
        to: Option<&'a Name>,
    ) -> Promise<'a, Result<usize, ReplayError>> {
        Box::pin(self.again(id, to))
    }
}
