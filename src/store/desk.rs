//! What is in memory for each target: who works on which delivery, whether it runs, and who waits for work.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::TargetState;
use crate::clock::{Busy, Clock};
use crate::name::Name;

/// All targets' desks.
pub(super) struct Desks {
    clock: Clock,
    desks: Mutex<HashMap<Name, Arc<Desk>>>,
    /// Targets that somebody delivers to; `None` as long as nobody said so.
    served: Mutex<Option<Arc<HashSet<Name>>>>,
    /// Who fetches the pictures of which event.
    pub(super) pictures: Arc<Desk>,
}

pub(super) struct Desk {
    clock: Clock,
    inner: Mutex<Inner>,
    ordered: AtomicBool,
    /// One caller at a time asks for leases: a delivery that is leased, settled and indexed while another caller still
    /// reads an older snapshot would otherwise be handed out twice.
    pub(super) turn: tokio::sync::Mutex<()>,
}

struct Inner {
    state: TargetState,
    /// Deliveries that somebody works on. A lease lasts as long as its holder, however slow the target is: a second
    /// one beside it would send the delivery twice. A holder cannot be lost within a process, and ends with it.
    leased: HashMap<i64, Stage>,
    /// Something changed since the last waiter was told.
    ready: bool,
    waiters: Vec<oneshot::Sender<Busy>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    UnderWay,
    /// The index does not know yet how it was settled.
    Settled,
}

impl Desks {
    pub(super) fn new(clock: Clock) -> Self {
        let pictures = Arc::new(Desk::new(clock.clone()));
        pictures.wake(); // what an earlier run left
        Self {
            clock,
            desks: Mutex::default(),
            served: Mutex::default(),
            pictures,
        }
    }

    pub(super) fn of(&self, target: &Name) -> Arc<Desk> {
        let mut desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(desk) = desks.get(target) {
            return desk.clone();
        }
        let desk = Arc::new(Desk::new(self.clock.clone()));
        desks.insert(target.clone(), desk.clone());
        desk
    }

    /// Targets that are not simply running.
    pub(super) fn states(&self) -> Vec<(Name, TargetState)> {
        let desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        let states = desks
            .iter()
            .map(|(name, desk)| (name.clone(), desk.state()));
        states
            .filter(|(_, state)| *state != TargetState::Running)
            .collect()
    }

    pub(super) fn serve(&self, targets: HashSet<Name>) {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        *served = Some(Arc::new(targets));
    }

    pub(super) fn served(&self) -> Option<Arc<HashSet<Name>>> {
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        served.clone()
    }

    pub(super) fn held(&self) -> HashSet<Name> {
        let states = self.states().into_iter();
        states
            .filter(|(_, state)| matches!(state, TargetState::Held { .. }))
            .map(|(name, _)| name)
            .collect()
    }
}

impl Desk {
    fn new(clock: Clock) -> Self {
        Self {
            clock,
            inner: Mutex::new(Inner {
                state: TargetState::Running,
                leased: HashMap::new(),
                ready: false,
                waiters: Vec::new(),
            }),
            ordered: AtomicBool::new(false),
            turn: tokio::sync::Mutex::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> TargetState {
        self.inner().state.clone()
    }

    pub(super) fn set_state(&self, state: TargetState) {
        self.inner().state = state;
    }

    /// Whether the index knows that the target keeps order.
    pub(super) fn keeps_order(&self) -> bool {
        self.ordered.load(Ordering::Acquire)
    }

    pub(super) fn keep_order(&self) {
        self.ordered.store(true, Ordering::Release);
    }

    /// The deliveries nobody else may take now.
    pub(super) fn taken(&self) -> HashSet<i64> {
        self.inner().leased.keys().copied().collect()
    }

    pub(super) fn take(self: &Arc<Self>, delivery: i64) -> Hold {
        self.inner().leased.insert(delivery, Stage::UnderWay);
        Hold {
            desk: Some(self.clone()),
            delivery,
        }
    }

    /// The index knows how the delivery was settled.
    pub(super) fn applied(&self, delivery: i64) {
        let mut inner = self.inner();
        if inner.leased.get(&delivery) == Some(&Stage::Settled) {
            inner.leased.remove(&delivery);
        }
    }

    /// Tells who waits that there may be something to do, or the next one who asks.
    pub(super) fn wake(&self) {
        let mut inner = self.inner();
        inner.ready = true;
        for waiter in std::mem::take(&mut inner.waiters) {
            let _ = waiter.send(self.clock.busy());
        }
    }

    pub(super) fn wake_if(&self, is_news: bool) {
        if is_news {
            self.wake();
        }
    }

    /// Ends once [`Desk::wake`] was called since the last time; what it returns keeps a stepped clock still.
    pub(super) async fn changed(&self) -> Busy {
        let told = {
            let mut inner = self.inner();
            if std::mem::take(&mut inner.ready) {
                return self.clock.busy();
            }
            inner.waiters.retain(|waiter| !waiter.is_closed());
            let (wake, told) = oneshot::channel();
            inner.waiters.push(wake);
            told
        };
        match told.await {
            Ok(busy) => {
                self.inner().ready = false;
                busy
            }
            Err(_) => std::future::pending().await, // the store is gone
        }
    }

    /// Whether the store's threads left anything leased, for tests.
    #[cfg(test)]
    pub(super) fn leased(&self) -> usize {
        self.inner().leased.len()
    }
}

/// Keeps a delivery from being leased twice; dropped unsettled, it lets go of it.
pub(super) struct Hold {
    desk: Option<Arc<Desk>>,
    delivery: i64,
}

impl Hold {
    /// The delivery's number; it stays taken until the index knows how it was settled.
    pub(super) fn settle(mut self) -> i64 {
        if let Some(desk) = self.desk.take() {
            desk.inner().leased.insert(self.delivery, Stage::Settled);
        }
        self.delivery
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(desk) = self.desk.take() {
            desk.inner().leased.remove(&self.delivery);
            desk.wake();
        }
    }
}
