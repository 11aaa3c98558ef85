//! Plans events anew, through the routes and sources of the moment.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{Mutex, Notify};

use super::file::File;
use super::outside::Outside;
use super::trial::trial;
use crate::admin::{Front, LoadError, Loads, OnDisk, Planner, Promise, ReplayError, ShownFile};
use crate::alerts::{Alert, Board};
use crate::clock::Clock;
use crate::config::Planned;
use crate::decide::Written;
use crate::delivery::Pipelines;
use crate::event::{Event, EventId};
use crate::fate::Plan;
use crate::lists::Lists;
use crate::name::Name;
use crate::routes;
use crate::sources;
use crate::store::{Intake, Kept, Store, StoreError};

/// Today's way from a request to a plan.
pub(super) struct Plans {
    store: Store,
    clock: Clock,
    now: ArcSwap<Planned>,
    pub(super) file: File,
    turn: Mutex<()>,
    changed: Notify,
    board: Board,
    /// Of a camhook that runs.
    outside: OnceLock<Outside>,
}

impl Plans {
    pub(super) fn new(store: Store, clock: Clock, planned: &Planned, file: File) -> Self {
        Self {
            store,
            clock,
            now: ArcSwap::from_pointee(planned.clone()),
            file,
            turn: Mutex::default(),
            changed: Notify::new(),
            board: Board::default(),
            outside: OnceLock::new(),
        }
    }

    /// What surrounds them, once it is there.
    pub(super) fn run_in(&self, outside: Outside) {
        let _ = self.outside.set(outside);
    }

    /// Another config's steps and targets.
    pub(super) fn replace_pipelines(&self, pipelines: Pipelines) {
        if let Some(outside) = self.outside.get() {
            outside.pipelines.store(Arc::new(pipelines));
        }
    }

    /// What is wrong, as whoever watches puts it there.
    pub(super) fn board(&self) -> &Board {
        &self.board
    }

    /// Returns the routes that are no more.
    pub(super) fn replace(&self, planned: &Planned) -> Vec<Name> {
        let old = self.now.swap(Arc::new(planned.clone()));
        self.changed.notify_one();
        let stays = |route: &Name| planned.routes.iter().any(|now| now.name == *route);
        let gone = old.routes.iter().map(|route| route.name.clone());
        gone.filter(|route| !stays(route)).collect()
    }

    #[cfg(test)]
    pub(super) fn today(&self) -> Arc<Planned> {
        self.now.load_full()
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Decides what becomes of an event that camhook itself has to tell.
    pub(super) fn decide(
        &self,
        event: Arc<Event>,
        now: Timestamp,
        written: &mut Written,
    ) -> Vec<(Arc<Event>, Plan)> {
        let today = self.now.load_full();
        let memory = self.store.memory();
        routes::decide(&today.routes, event, &today.lists, now, memory, written)
    }

    /// Whether any route has a step that is decided on arrival.
    pub(super) fn decides(&self) -> bool {
        let today = self.now.load();
        today.routes.iter().any(|route| !route.deciders.is_empty())
    }

    /// Ends when another config has taken over.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Keeps what steps have to tell because time has passed.
    pub(super) async fn tell_overdue(&self) -> Result<(), StoreError> {
        let (now, memory) = (self.clock.now(), self.store.memory());
        if !memory.sweep(now) {
            return Ok(());
        }
        let today = self.now.load_full();
        let mut written = Written::in_turn(memory.turn().await);
        let events = routes::overdue(&today.routes, &today.lists, now, memory, &mut written);
        if events.is_empty() && written.changes.is_empty() {
            return Ok(());
        }
        let original = events.first().map(|(event, _)| event.original.clone());
        let intake = Intake {
            original: original.unwrap_or_default(),
            events,
            written,
        };
        let _safe = self.store.accept(intake).await?;
        Ok(())
    }

    async fn again(&self, id: EventId, to: Option<&Name>) -> Result<usize, ReplayError> {
        match self.store.event(id).await {
            Err(StoreError::Unknown { .. }) => {}
            kept => return self.plan_again(kept?, to).await,
        }
        // One at a time, and with all before it in the index: a request in quarantine is released once, however often
        // it is asked for, and an event that was acknowledged a moment ago is found.
        let _turn = self.turn.lock().await;
        self.store.caught_up().await;
        match self.store.event(id).await {
            Err(StoreError::Unknown { .. }) => self.release(id, to).await,
            kept => self.plan_again(kept?, to).await,
        }
    }

    async fn plan_again(&self, kept: Kept, to: Option<&Name>) -> Result<usize, ReplayError> {
        let plan = self.plan(&kept.event, to);
        let deliveries = plan.deliveries.len();
        self.store.plan_again(kept.event.id, plan).await?;
        Ok(deliveries)
    }

    /// Decodes a request in quarantine anew.
    async fn release(&self, id: EventId, to: Option<&Name>) -> Result<usize, ReplayError> {
        let unread = self.store.quarantined_request(id).await?;
        let today = self.now.load_full();
        let source = today
            .sources
            .iter()
            .find(|source| source.name == unread.source);
        let Some(source) = source else {
            let reason = format!("its source `{}` is no longer in routes.yaml", unread.source);
            return Err(ReplayError::Undecodable(reason));
        };
        let events = sources::decode(
            source.source,
            &source.name,
            &source.decode,
            &unread.original,
        )
        .map_err(|error| ReplayError::Undecodable(error.to_string()))?;
        let planned = events.into_iter().map(|event| {
            let event = Arc::new(event);
            let plan = self.plan(&event, to);
            (event, plan)
        });
        let events: Vec<_> = planned.collect();
        let deliveries = events.iter().map(|(_, plan)| plan.deliveries.len()).sum();
        let original = unread.original;
        let intake = Intake {
            original,
            events,
            written: Written::default(),
        };
        let _safe = self.store.release(id, intake).await?;
        self.store.caught_up().await;
        Ok(deliveries)
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

    fn alerts(&self) -> Arc<Vec<Alert>> {
        self.board.alerts()
    }

    fn paths(&self) -> Vec<Option<String>> {
        let today = self.now.load();
        today
            .sources
            .iter()
            .map(|source| source.path.clone())
            .collect()
    }

    fn lists(&self) -> Lists {
        self.now.load().lists.clone()
    }

    fn config(&self) -> Arc<ShownFile> {
        self.now.load().shown.clone()
    }

    fn loads(&self) -> Loads {
        self.file.loads()
    }

    fn on_disk(&self) -> Promise<'_, OnDisk> {
        Box::pin(self.file.on_disk())
    }

    fn load_now(&self) -> Promise<'_, Result<(), LoadError>> {
        Box::pin(self.file.load_now())
    }

    fn routes(&self) -> Vec<Name> {
        let today = self.now.load();
        today
            .routes
            .iter()
            .map(|route| route.name.clone())
            .collect()
    }

    fn plan(&self, event: &Arc<Event>, to: Option<&Name>) -> Plan {
        let today = self.now.load();
        routes::plan(&today.routes, event, &today.lists, self.clock.now(), to)
    }

    fn front(&self) -> Front {
        let outside = self.outside.get();
        outside.map_or_else(Front::default, |outside| outside.front(&self.now.load()))
    }

    fn send_sample<'a>(&'a self, source: &'a str) -> Promise<'a, Result<(), String>> {
        Box::pin(async move {
            let outside = self
                .outside
                .get()
                .ok_or("camhook does not run: start it first")?;
            let today = self.now.load_full();
            outside.send_sample(&today, source, &self.clock).await
        })
    }

    fn story(&self, id: EventId) -> Promise<'_, Result<Vec<Value>, StoreError>> {
        Box::pin(async move {
            let Some(outside) = self.outside.get() else {
                return Ok(Vec::new());
            };
            let today = self.now.load_full();
            outside.story(today, &self.store, &self.clock, id).await
        })
    }

    fn replay<'a>(
        &'a self,
        id: EventId,
        to: Option<&'a Name>,
    ) -> Promise<'a, Result<usize, ReplayError>> {
        Box::pin(self.again(id, to))
    }

    fn test<'a>(
        &'a self,
        target: &'a Name,
        camera: Option<&'a str>,
    ) -> Promise<'a, Result<EventId, ReplayError>> {
        Box::pin(async move {
            let today = self.now.load_full();
            let (id, intake) = trial(&today, target, camera, self.clock.now()).await?;
            let _safe = self.store.accept(intake).await?;
            self.store.caught_up().await;
            Ok(id)
        })
    }
}
