//! All workers of one camhook, and what they share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::SignedDuration;
use tokio::sync::{Notify, Semaphore, mpsc};

use crate::budget::{Budget, Lane};
use crate::clock::{Busy, Clock};
use crate::name::Name;
use crate::store::Store;
use crate::tasks::Tasks;
use crate::telemetry::{Metrics, StepHandles};

use super::memo::Memo;
use super::prepare::{Pipelines, Reshaped};
use super::worker::Worker;

/// The delivering half at work.
pub(crate) struct Deliveries {
    shared: Arc<Shared>,
    workers: Mutex<HashMap<Name, Running>>,
}

/// What all workers use.
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    /// Stops with camhook; a worker's own group stops with its target as well.
    pub(super) tasks: Tasks,
    /// As many permits as cores.
    pub(super) cores: Arc<Semaphore>,
    /// For events on their way to targets, shared out evenly among the targets.
    pub(super) budget: Budget,
    /// For what steps decode.
    pub(super) pixels: Budget,
    pub(super) current: ArcSwap<Current>,
}

/// The config of the moment.
pub(super) struct Current {
    pub(super) pipelines: Pipelines,
    pub(super) memo: Memo<Reshaped>,
    /// What each route's steps cost.
    pub(super) costs: HashMap<Name, Arc<StepHandles>>,
}

/// Beside the steps' words: writing the pictures that they made.
pub(super) const FINISH: &str = "finish";

struct Running {
    tasks: Tasks,
    reloaded: Arc<Notify>,
    set: mpsc::UnboundedSender<(SignedDuration, Busy)>,
}

impl Deliveries {
    /// Begins to deliver, until `tasks` stops: requests under way then have ten seconds to end, and what did not end is
    /// sent again after the next start.
    pub(crate) fn start(
        pipelines: Pipelines,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        budget: &Budget,
        tasks: &Tasks,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let deliveries = Self {
            shared: Arc::new(Shared {
                current: ArcSwap::from_pointee(Current::new(Pipelines::default(), &metrics)),
                store,
                clock,
                metrics,
                tasks: tasks.clone(),
                cores: Arc::new(Semaphore::new(cores)),
                budget: budget.lane(Lane::Delivery),
                pixels: budget.lane(Lane::Pixels),
            }),
            workers: Mutex::default(),
        };
        deliveries.replace(pipelines);
        deliveries
    }

    /// Goes on with another config. A target that is gone is sent nothing more, its deliveries stay in the store; one
    /// whose timing changed goes on with the new one; all keep what they know of their targets, but a target that was
    /// held or failing is probed at once, since the change may have mended it.
    pub(crate) fn replace(&self, pipelines: Pipelines) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let targets: Vec<Name> = pipelines.targets.keys().cloned().collect();
        for outlet in pipelines.targets.values() {
            outlet.target.begin(&self.shared.tasks);
        }
        let current = Current::new(pipelines, &self.shared.metrics);
        self.shared.current.store(Arc::new(current));
        workers.retain(|name, running| {
            let stays = targets.contains(name);
            if !stays {
                running.tasks.stop();
            }
            stays
        });
        for name in targets {
            match workers.get(&name) {
                Some(running) => running.reloaded.notify_one(),
                None => {
                    let running = self.work_for(name.clone());
                    workers.insert(name, running);
                }
            }
        }
    }

    fn work_for(&self, target: Name) -> Running {
        let tasks = self.shared.tasks.child();
        let reloaded = Arc::new(Notify::new());
        let (set, sets) = mpsc::unbounded_channel();
        let shared = self.shared.clone();
        let worker = Worker::new(target, shared, tasks.clone(), reloaded.clone(), sets);
        if let Some(worker) = worker {
            tasks.spawn(worker.run());
        }
        Running {
            tasks,
            reloaded,
            set,
        }
    }

    /// The clock was set, and the store was told.
    pub(crate) fn clock_was_set(&self, by: SignedDuration) {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        for running in workers.values() {
            let _ = running.set.send((by, self.shared.clock.busy()));
        }
    }
}

impl Current {
    fn new(pipelines: Pipelines, metrics: &Metrics) -> Self {
        let costs = pipelines.routes.iter().map(|(route, steps)| {
            let names = steps.iter().map(|step| step.name());
            let names = names.chain((!steps.is_empty()).then_some(FINISH));
            (
                route.clone(),
                Arc::new(StepHandles::new(metrics, route, names)),
            )
        });
        Self {
            costs: costs.collect(),
            pipelines,
            memo: Memo::default(),
        }
    }

    /// Bytes of events that each target may have in memory, of so many altogether.
    pub(super) fn share(&self, most: usize) -> u32 {
        let share = most / self.pipelines.targets.len().max(1);
        u32::try_from(share).unwrap_or(u32::MAX).max(1)
    }
}
