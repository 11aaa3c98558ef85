//! The front door's other way in: messages from MQTT brokers, taken in exactly like requests.
//!
//! A broker is a sender that keeps what was not confirmed. So the confirmation (PUBACK) is the answer, and it is sent
//! when the message, its events and all of their deliveries are on disk; never before, and never instead. Until then
//! the broker has it, over a crash of camhook too: the session at the broker is a lasting one, under a client id that
//! stays the same. While the store is full nothing is confirmed and nothing more is read.
//!
//! One message is worked on at a time, in the order they came: what a broker says in order is in order.
//!
//! A message is confirmed without being an event when it was not asked for (a topic that is no longer listed), when the
//! broker had merely kept it (`retained`), and when it is larger than it may ever be: it would come again for ever.

mod session;
mod settings;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::door::Door;
use super::intake::Intake;
use crate::budget::Budget;
use crate::clock::Clock;
use crate::name::Name;
use crate::store::Store;
use crate::tasks::Tasks;
use crate::telemetry::Metrics;

pub(crate) use settings::{MqttSettings, Subscription};

/// All subscriptions of one camhook.
pub(crate) struct Subscriptions {
    shared: Arc<Shared>,
    running: Mutex<BTreeMap<Name, Wanted>>,
}

/// What a source's task is told to keep up; `None` ends it.
type Wanted = watch::Sender<Option<Arc<Subscription>>>;

/// What all sessions use.
struct Shared {
    door: Arc<ArcSwap<Door>>,
    intake: Intake,
    clock: Clock,
    metrics: Metrics,
    budget: Budget,
    tasks: Tasks,
}

impl Subscriptions {
    /// Subscribes until `tasks` stops. The door must hold an entry for each of them.
    pub(crate) fn start(
        subscriptions: Vec<Subscription>,
        door: Arc<ArcSwap<Door>>,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        budget: Budget,
        tasks: Tasks,
    ) -> Self {
        let intake = Intake {
            store,
            metrics: metrics.clone(),
            tasks: tasks.clone(),
        };
        let shared = Shared {
            door,
            intake,
            clock,
            metrics,
            budget,
            tasks,
        };
        let started = Self {
            shared: Arc::new(shared),
            running: Mutex::default(),
        };
        started.replace(subscriptions);
        started
    }

    /// Goes on with these. One that did not change is not touched; at a broker that is left, camhook takes its name off
    /// the topics, so that nothing is kept there for it.
    pub(crate) fn replace(&self, subscriptions: Vec<Subscription>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|name, wanted| {
            let stays = subscriptions.iter().any(|now| now.source == *name);
            if !stays {
                wanted.send_replace(None);
            }
            stays
        });
        for subscription in subscriptions {
            let name = subscription.source.clone();
            let subscription = Arc::new(subscription);
            match running.get(&name) {
                Some(wanted) => {
                    wanted.send_if_modified(|now| {
                        let same = now.as_ref().is_some_and(|now| now.same_as(&subscription));
                        if !same {
                            *now = Some(subscription);
                        }
                        !same
                    });
                }
                None => {
                    let (wanted, told) = watch::channel(Some(subscription));
                    running.insert(name.clone(), wanted);
                    let shared = self.shared.clone();
                    shared
                        .tasks
                        .clone()
                        .spawn(session::follow(shared, name, told));
                }
            }
        }
    }
}
