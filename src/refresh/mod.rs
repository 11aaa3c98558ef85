//! Refreshing: gets the lists that come from servers, again and again, and keeps their last good copies.
//!
//! A list server may be slow, wrong or gone for days, and nothing else may notice: camhook starts without waiting for it,
//! conditions see whatever copy is in memory, and a copy that is whole and readable is only ever replaced by another one.
//! After a start the copy of the run before is in use at once. Where there has never been one, conditions on the list are no
//! (see [`crate::lists`]).
//!
//! When the config is loaded anew, a list that is asked for at the same address and read in the same way goes on with what
//! it has, whatever else changed: a new token does not empty it.

mod asker;
mod copy;
mod origin;
mod settings;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;

pub(crate) use origin::Origin;
pub(crate) use settings::{Http, Settings};

use crate::budget::{Budget, Lane};
use crate::clock::{Busy, Clock};
use crate::lists::{List, ListError};
use crate::name::Name;
use crate::tasks::Tasks;

use asker::Validators;
use copy::Shelf;
use origin::Fresh;

/// After a failure the next attempt comes sooner than `every`: after this long, then twice as long, and so on.
const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// A list of the config that comes from a server.
#[derive(Clone)]
pub(crate) struct Refreshed {
    pub(crate) name: Name,
    pub(crate) list: List,
    pub(crate) origin: Arc<Origin>,
    /// Of the copy in the list.
    validators: Validators,
}

impl Refreshed {
    /// The list begins with the last good copy, if there is one in the folder of the store.
    pub(crate) fn new(name: Name, kind: &'static str, origin: Origin, store: &Path) -> Self {
        let list = List::awaited(kind);
        let mut validators = Validators::default();
        match Shelf::of(store).read(&name, &origin) {
            Ok(Some(copy)) => {
                list.put(copy.table, copy.fetched_at);
                validators = copy.validators;
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(list = %name, error, "the kept copy is of no use"),
        }
        Self {
            name,
            list,
            origin: Arc::new(origin),
            validators,
        }
    }

    /// As if its server had told these rows.
    pub(crate) fn pretend(&self, rows: &[serde_json::Value]) -> Result<(), ListError> {
        let table = self.origin.told(rows)?;
        self.list.put(table, Timestamp::UNIX_EPOCH);
        Ok(())
    }
}

/// The refreshing of one camhook.
pub(crate) struct Refreshes {
    shelf: Shelf,
    clock: Clock,
    budget: Budget,
    tasks: Tasks,
    running: Mutex<HashMap<Name, Arc<Running>>>,
}

/// One list being refreshed.
struct Running {
    shelf: Shelf,
    clock: Clock,
    budget: Budget,
    /// Ends with this list, or with camhook.
    tasks: Tasks,
    /// As the config of the moment has it.
    now: Mutex<Refreshed>,
    /// Another config wants it otherwise.
    changed: Notify,
}

impl Refreshes {
    /// Asks for all lists at once, and goes on until `tasks` stops. `store` is the folder of the store.
    pub(crate) fn start(
        lists: Vec<Refreshed>,
        store: &Path,
        clock: Clock,
        budget: &Budget,
        tasks: &Tasks,
    ) -> Self {
        let this = Self {
            shelf: Shelf::of(store),
            clock,
            budget: budget.lane(Lane::Delivery),
            tasks: tasks.clone(),
            running: Mutex::default(),
        };
        this.replace(lists);
        this
    }

    /// Goes on with another config. To be called before its lists are used: they get what is in memory.
    pub(crate) fn replace(&self, lists: Vec<Refreshed>) {
        let mut running = lock(&self.running);
        let mut before = std::mem::take(&mut *running);
        if let Err(error) = self.shelf.keep_only(lists.iter().map(|list| &list.name)) {
            tracing::warn!(%error, "cannot remove the copies of lists that are gone");
        }
        for list in lists {
            let name = list.name.clone();
            let task = match before.remove(&name).filter(|task| task.continues(&list)) {
                Some(task) => task,
                None => self.begin(list),
            };
            running.insert(name, task);
        }
        before.values().for_each(|task| task.tasks.stop());
    }

    fn begin(&self, list: Refreshed) -> Arc<Running> {
        let task = Arc::new(Running {
            shelf: self.shelf.clone(),
            clock: self.clock.clone(),
            budget: self.budget.clone(),
            tasks: self.tasks.child(),
            now: Mutex::new(list),
            changed: Notify::new(),
        });
        let (run, busy) = (task.clone(), self.clock.busy());
        self.tasks.spawn(async move {
            tokio::select! {
                () = run.tasks.stopping() => {}
                () = run.run(busy) => {}
            }
        });
        task
    }
}

impl Running {
    /// Takes the list over if it is the same one; else this one ends.
    fn continues(&self, list: &Refreshed) -> bool {
        let mut now = lock(&self.now);
        if now.origin.identity != list.origin.identity || now.list.kind() != list.list.kind() {
            self.tasks.stop();
            return false;
        }
        let changed = now.origin.settings != list.origin.settings;
        list.list.take_over(&now.list);
        *now = Refreshed {
            validators: now.validators.clone(),
            ..list.clone()
        };
        if changed {
            self.changed.notify_one();
        }
        true
    }

    async fn run(&self, mut busy: Busy) {
        let mut failed = 0;
        loop {
            let every = lock(&self.now).origin.every;
            let pause = match self.refresh().await {
                Ok(()) => {
                    failed = 0;
                    every + every.mul_f64(0.1 * self.spread())
                }
                Err(()) => {
                    failed += 1;
                    FIRST_PAUSE
                        .saturating_mul(1 << u32::min(failed - 1, 16))
                        .min(every)
                }
            };
            drop(busy);
            busy = tokio::select! {
                busy = self.clock.sleep(pause) => busy,
                () = self.changed.notified() => self.clock.busy(),
            };
        }
    }

    /// Asks once.
    async fn refresh(&self) -> Result<(), ()> {
        let asked = lock(&self.now).clone();
        let known = match asked.list.is_here() {
            true => asked.validators.clone(),
            false => Validators::default(),
        };
        // For its pages, and what is read of them; at most a half, so that deliveries go on beside it.
        let bytes = asked.origin.weight().min(self.budget.most() / 2);
        let _held = self.budget.reserve_some(bytes).await;
        let fetched = asked.origin.fetch(&known).await;
        let at = self.clock.now();
        match fetched {
            Ok(fresh) => {
                let recovered = self.take(&asked.name, fresh, at).await;
                if recovered {
                    tracing::info!(list = %asked.name, "the list is fetched again");
                }
                Ok(())
            }
            Err(error) => {
                let now = lock(&self.now);
                let (first, here) = (now.list.state().failure.is_none(), now.list.is_here());
                now.list.failed(at, &error);
                match (first, here) {
                    (true, true) => {
                        tracing::warn!(list = %asked.name, error, "cannot fetch the list; its last good copy stays in use");
                    }
                    (true, false) => {
                        tracing::warn!(list = %asked.name, error, "cannot fetch the list; until it is there, no condition on it holds");
                    }
                    (false, _) => {
                        tracing::debug!(list = %asked.name, error, "still cannot fetch the list");
                    }
                }
                Err(())
            }
        }
    }

    /// Puts what was fetched to use, and then on disk. Whether it had failed before.
    async fn take(&self, name: &Name, fresh: Option<Fresh>, at: Timestamp) -> bool {
        let (recovered, kept) = {
            // The config may have changed meanwhile, but not what this list is: that would have ended us.
            let mut now = lock(&self.now);
            let recovered = now.list.state().failure.is_some();
            let kept = match fresh {
                None => {
                    now.list.still_good(at);
                    None
                }
                Some(fresh) => {
                    now.validators = fresh.validators.clone();
                    now.list.put(fresh.table, at);
                    Some((now.origin.clone(), fresh.validators, fresh.pages))
                }
            };
            (recovered, kept)
        };
        let Some((origin, validators, pages)) = kept else {
            return recovered;
        };
        let (shelf, list) = (self.shelf.clone(), name.clone());
        let write = move || shelf.write(&list, &origin.identity, at, &validators, &pages);
        let why = match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) => return recovered,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(list = %name, error = why, "the list is in use, but cannot be kept on disk");
        recovered
    }

    /// From 0 to 1, other for each list and each time.
    fn spread(&self) -> f64 {
        let mut hasher = DefaultHasher::new();
        lock(&self.now).name.hash(&mut hasher);
        self.clock.now().as_nanosecond().hash(&mut hasher);
        (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
