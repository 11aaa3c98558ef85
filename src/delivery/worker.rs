//! The worker of one target: leases what is due, sends as much of it as may be sent, and settles it.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, mpsc::UnboundedReceiver};
use tokio::task::{Id, JoinError, JoinSet, unconstrained};

use crate::clock::{Busy, Watch};
use crate::fate::Attempt;
use crate::name::Name;
use crate::store::{Lease, Settled, TargetState};
use crate::tasks::Tasks;
use crate::telemetry::{TargetOnly, TargetOutcome};

use super::attempt::{self, Job, Room};
use super::breaker::Opening;
use super::deliveries::Shared;
use super::gate::{Change, Course, Facts, Gate, TROUBLE};
use super::outcome::Outcome;
use super::{after, poll_now};

/// How long requests under way have to end when camhook stops.
const GRACE: Duration = Duration::from_secs(10);

/// A queue that says it is due and then gives nothing is looked at again after this.
const NAP: Duration = Duration::from_millis(10);

/// Leased ahead, because asking for each one alone costs more than sending it.
const LEASED_AT_ONCE: usize = 64;

/// All that happens for one target: owned and decided by this one task; only [`attempt::attempt`] runs beside it.
pub(super) struct Worker {
    target: Name,
    shared: Arc<Shared>,
    /// Stops when camhook does, or when the target leaves the config.
    tasks: Tasks,
    reloaded: Arc<Notify>,
    /// By how much the clock was set, after the store was told.
    sets: UnboundedReceiver<(SignedDuration, Busy)>,
    watch: Watch,
    gate: Gate,
    room: Arc<Room>,
    /// Leased, and waiting for a permit or a free place. Dropping one puts it back.
    leased: VecDeque<Lease>,
    sends: JoinSet<(Outcome, Busy)>,
    under_way: HashMap<Id, UnderWay>,
    /// The target's state when last looked at.
    seen: Seen,
}

struct UnderWay {
    lease: Lease,
    probe: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Running,
    Paused,
    Held,
}

impl Worker {
    /// `None` when the target left the config before its worker began.
    pub(super) fn new(
        target: Name,
        shared: Arc<Shared>,
        tasks: Tasks,
        reloaded: Arc<Notify>,
        sets: UnboundedReceiver<(SignedDuration, Busy)>,
    ) -> Option<Self> {
        let current = shared.current.load_full();
        let outlet = current.pipelines.targets.get(&target)?;
        Some(Self {
            gate: Gate::new(outlet.settings.clone(), &shared.clock),
            watch: shared.clock.watch(),
            room: Arc::new(Room::new(current.share(shared.budget.most()))),
            target,
            shared,
            tasks,
            reloaded,
            sets,
            leased: VecDeque::new(),
            sends: JoinSet::new(),
            under_way: HashMap::new(),
            seen: Seen::Running,
        })
    }

    pub(super) async fn run(mut self) {
        let (shared, target) = (self.shared.clone(), self.target.clone());
        let mut busy = Some(shared.clock.busy());
        while !self.tasks.is_stopping() {
            // Listen first, look afterwards: what comes in between is either seen or heard. Unconstrained, because a
            // budget used up would keep it from listening.
            let mut news = pin!(unconstrained(shared.store.changed(&target)));
            let heard = poll_now(news.as_mut()).await;
            let look_again = self.fill().await;
            if let Some(awake) = heard {
                busy = Some(awake);
                continue; // news has ended: listen anew before waiting
            }
            let mut alarm = pin!(alarm(&shared, look_again));
            if let Some(awake) = poll_now(alarm.as_mut()).await {
                busy = Some(awake);
                continue;
            }
            drop(busy.take());
            tokio::select! {
                biased;
                () = self.tasks.stopping() => {}
                Some(ended) = self.sends.join_next_with_id() => busy = self.ended(ended).await,
                () = self.reloaded.notified() => {
                    busy = Some(shared.clock.busy());
                    self.reload();
                }
                awake = &mut news => busy = Some(awake),
                awake = &mut alarm => busy = Some(awake),
                Some((by, awake)) = self.sets.recv() => {
                    busy = Some(awake);
                    self.clock_was_set(by);
                }
            }
            if busy.is_none() {
                busy = Some(shared.clock.busy());
            }
        }
        self.leased.clear();
        drop(busy);
        self.drain().await;
    }

    /// Sends whatever may be sent now, and tells when to look again if nothing else happens before.
    async fn fill(&mut self) -> Option<Timestamp> {
        while !self.tasks.is_stopping() {
            let now = self.shared.clock.now();
            let opening = if self.paused(now) {
                Opening::Shut
            } else {
                self.gate.opening(now)
            };
            match opening {
                Opening::Open | Opening::Probe => {}
                Opening::Until(moment) => {
                    self.leased.clear();
                    return Some(moment);
                }
                Opening::Shut => {
                    self.leased.clear();
                    return None;
                }
            }
            if self.sends.len() >= self.places() {
                return None; // the next to end makes a place
            }
            let Some(lease) = self.leased.pop_front() else {
                match self.lease().await {
                    Ok(()) => continue, // the world may have moved on meanwhile
                    Err(look_again) => return look_again,
                }
            };
            if let Some(course) = self.gate.too_late(&self.facts(&lease), now) {
                self.settle(lease, course.attempt, course.settled);
                continue;
            }
            match self.gate.pass(now) {
                Ok(probe) => self.send(lease, probe),
                Err(moment) => {
                    self.leased.push_front(lease);
                    return Some(moment);
                }
            }
        }
        None
    }

    /// Leases a few more; or tells when to look again, if at all.
    async fn lease(&mut self) -> Result<(), Option<Timestamp>> {
        let order = self.gate.settings().order.into();
        let leased = self
            .shared
            .store
            .lease(&self.target, order, self.places().max(LEASED_AT_ONCE))
            .await;
        let now = self.shared.clock.now();
        match leased {
            Ok(leased) if leased.leases.is_empty() => {
                Err(leased.next_due.map(|due| due.max(after(now, NAP))))
            }
            Ok(leased) => {
                self.leased.extend(leased.leases);
                Ok(())
            }
            Err(error) => {
                tracing::error!(target_name = %self.target, %error, "could not read the queue");
                Err(Some(after(now, TROUBLE)))
            }
        }
    }

    fn places(&self) -> usize {
        self.gate.settings().concurrency.get().into()
    }

    /// Whether a user stopped this target; also learns here what else users and earlier runs did to it.
    fn paused(&mut self, now: Timestamp) -> bool {
        let state = match self.shared.store.target_state(&self.target) {
            TargetState::Running => Seen::Running,
            TargetState::Paused { .. } => Seen::Paused,
            TargetState::Held { .. } => Seen::Held,
        };
        match state {
            Seen::Held => self.gate.found_held(now),
            Seen::Running if self.seen != Seen::Running => self.gate.resumed(),
            Seen::Running | Seen::Paused => {}
        }
        self.seen = state;
        state == Seen::Paused
    }

    /// What is known of a lease. While the clock was set forwards and the store does not know yet, the time in between
    /// does not count as waited.
    fn facts(&self, lease: &Lease) -> Facts {
        let mut facts = Facts::from(lease);
        let since = facts.planned_at.saturating_add(self.watch.ahead());
        facts.planned_at = since.unwrap_or(facts.planned_at);
        facts
    }

    /// The store has judged anew what waits there; here are what is leased, what is under way, and the gate.
    fn clock_was_set(&mut self, by: SignedDuration) {
        self.leased.clear();
        if by.is_positive() {
            for UnderWay { lease, .. } in self.under_way.values_mut() {
                let since = lease.planned_at.saturating_add(by);
                lease.planned_at = since.unwrap_or(lease.planned_at);
            }
        }
        self.gate.clock_was_set(by);
        self.watch.look();
    }

    fn reload(&mut self) {
        let current = self.shared.current.load_full();
        self.leased.clear(); // what waits is taken anew, by the new order
        if let Some(outlet) = current.pipelines.targets.get(&self.target) {
            self.gate.adjust(&outlet.settings, &self.shared.clock);
        }
        let share = current.share(self.shared.budget.most());
        if self.room.share() != share {
            self.room = Arc::new(Room::new(share));
        }
        self.gate.reloaded(self.shared.clock.now());
    }

    fn send(&mut self, lease: Lease, probe: bool) {
        let job = Job::from(&lease);
        let (shared, room) = (self.shared.clone(), self.room.clone());
        let target = self.target.clone();
        let busy = self.shared.clock.busy();
        let handle = self.sends.spawn(async move {
            let outcome = attempt::attempt(&shared, &room, &target, &job).await;
            (outcome, busy)
        });
        self.under_way
            .insert(handle.id(), UnderWay { lease, probe });
    }

    /// Settles what came of one send.
    async fn ended(&mut self, ended: Result<(Id, (Outcome, Busy)), JoinError>) -> Option<Busy> {
        let (id, outcome, busy) = match ended {
            Ok((id, (outcome, busy))) => (id, Ok(outcome), Some(busy)),
            Err(error) => (error.id(), Err(error), None),
        };
        let UnderWay { lease, probe } = self.under_way.remove(&id)?;
        let now = self.shared.clock.now();
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) if error.is_cancelled() => {
                self.gate.withdrawn(probe, now);
                return None;
            }
            Err(error) => {
                let reason = attempt::what_happened(error);
                Outcome::Unfit { reason }.blotted(&self.shared.current.load().pipelines.blot)
            }
        };
        outcome.tell(&self.target, &lease);
        let facts = self.facts(&lease);
        let course = self.gate.after(&facts, probe, outcome, now);
        self.count(&lease, &course, now);
        self.settle(lease, course.attempt, course.settled);
        self.change(course.target, now).await;
        busy
    }

    fn settle(&self, lease: Lease, attempt: Option<Attempt>, settled: Settled) {
        self.shared.store.settle(lease, attempt, settled);
    }

    fn count(&self, lease: &Lease, course: &Course, now: Timestamp) {
        let Some(outcome) = course.outcome else {
            return;
        };
        let target = self.target.clone();
        if matches!(course.settled, Settled::Delivered) {
            let took = now.duration_since(lease.received_at).as_secs_f64();
            let target = target.clone();
            self.shared
                .metrics
                .delivery_seconds
                .get_or_create(&TargetOnly { target })
                .observe(took.max(0.0));
        }
        self.shared
            .metrics
            .attempts
            .get_or_create(&TargetOutcome { target, outcome })
            .inc();
    }

    /// Writes down that the target is held, or works again; what a user said of it stands above that.
    async fn change(&mut self, change: Change, now: Timestamp) {
        let state = match (change, self.shared.store.target_state(&self.target)) {
            (Change::Hold { reason }, TargetState::Running) => {
                tracing::warn!(target_name = %self.target, reason, "held: it refuses everything until it is mended");
                TargetState::Held { since: now, reason }
            }
            (Change::Run, TargetState::Held { .. }) => {
                tracing::info!(target_name = %self.target, "no longer held: it works again");
                TargetState::Running
            }
            (Change::None | Change::Hold { .. } | Change::Run, _) => return,
        };
        let written = self
            .shared
            .store
            .found_target_state(&self.target, state)
            .await;
        if let Err(error) = written {
            // The gate knows all the same, until the next start.
            tracing::error!(target_name = %self.target, %error, "could not write down the target's state");
        }
    }

    /// Waits for requests under way: for ever when only the target is gone, for [`GRACE`] when camhook stops. What has
    /// not ended then is put back.
    async fn drain(mut self) {
        let root = self.shared.tasks.clone();
        let patience = async {
            root.stopping().await;
            tokio::time::sleep(GRACE).await;
        };
        let mut patience = pin!(patience);
        loop {
            tokio::select! {
                biased;
                ended = self.sends.join_next_with_id() => match ended {
                    Some(ended) => drop(self.ended(ended).await),
                    None => return,
                },
                () = &mut patience => {
                    tracing::warn!(target_name = %self.target, requests = self.sends.len(), "cut short; they are made again after the next start");
                    return;
                }
            }
        }
    }
}

/// Rings at that moment, or never.
async fn alarm(shared: &Shared, moment: Option<Timestamp>) -> Busy {
    match moment {
        Some(moment) => shared.clock.sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
