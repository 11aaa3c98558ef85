//! One source's session with its broker: connect, subscribe, take messages in, confirm what is on disk, connect again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Mutex, watch};

use super::super::answer::Refusal;
use super::super::door::{Door, Entry};
use super::super::front::{PATIENCE, Received, Reception};
use super::{Shared, Subscription};
use crate::budget::{Full, Reserved};
use crate::event::Original;
use crate::mqtt::{Connection, Hello, Incoming, MqttError, Reader, Writer};
use crate::name::Name;
use crate::telemetry::{SourceOnly, Status};

/// A broker that hears nothing for one and a half times this takes camhook for gone.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Often enough that one may be late.
const PING_EVERY: Duration = Duration::from_secs(20);

/// Between two tries to reach the broker: doubled from the first to the last.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_LAST: Duration = Duration::from_secs(60);

/// Between two tries to put a message on disk.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// How long a message may still take to the disk when it is time to leave: given up, it would come a second time.
const GRACE: Duration = Duration::from_secs(3);

/// Two packets of a session are told apart by their ids; only one of each kind is ever on its way.
const SUBSCRIBE: u16 = 1;
const UNSUBSCRIBE: u16 = 2;

type Told = watch::Receiver<Option<Arc<Subscription>>>;

/// Why a session ended in good order.
enum Ended {
    /// camhook stops.
    Stopping,
    /// The settings have changed.
    Changed,
}

/// Keeps up whatever subscription is wanted for this source.
pub(super) async fn follow(shared: Arc<Shared>, source: Name, mut told: Told) {
    let label = SourceOnly {
        source: source.to_string(),
    };
    shared.metrics.mqtt_connected.get_or_create(&label).set(0);
    loop {
        let Some(subscription) = told.borrow_and_update().clone() else {
            break;
        };
        match keep_connected(&shared, &subscription, &mut told, &label).await {
            Ended::Stopping => return,
            Ended::Changed => {}
        }
    }
    shared.metrics.mqtt_connected.remove(&label);
}

async fn keep_connected(
    shared: &Shared,
    subscription: &Subscription,
    told: &mut Told,
    label: &SourceOnly,
) -> Ended {
    let (source, broker) = (&subscription.source, &subscription.address);
    let mut pause = PAUSE_FIRST;
    let mut subscribed = false;
    loop {
        let opening = open(subscription);
        let opened = tokio::select! {
            () = shared.tasks.stopping() => return Ended::Stopping,
            () = changed(told) => return Ended::Changed,
            opened = opening => opened,
        };
        let ended = match opened {
            Err(error) => Err(error),
            Ok(connection) => {
                tracing::info!(%source, %broker, topics = ?subscription.topics, "connected to the broker");
                shared.metrics.mqtt_connected.get_or_create(label).set(1);
                pause = PAUSE_FIRST;
                let session = Session {
                    shared,
                    subscription,
                    peer: connection.peer,
                    writer: Mutex::new(connection.writer),
                };
                // What the broker still knows need not be said again: it would send all it retains again.
                let known = connection.session && subscribed;
                let ended = session
                    .run(connection.reader, told, known, &mut subscribed)
                    .await;
                shared.metrics.mqtt_connected.get_or_create(label).set(0);
                ended
            }
        };
        match ended {
            Ok(ended) => {
                tracing::info!(%source, %broker, "left the broker");
                return ended;
            }
            Err(error) => {
                let seconds = pause.as_secs();
                tracing::warn!(%source, %broker, %error, "not connected to the broker, trying again in {seconds} s");
            }
        }
        tokio::select! {
            () = shared.tasks.stopping() => return Ended::Stopping,
            () = changed(told) => return Ended::Changed,
            busy = shared.clock.sleep(pause) => drop(busy),
        }
        pause = (pause * 2).min(PAUSE_LAST);
    }
}

/// Ends when something else is wanted.
async fn changed(told: &mut Told) {
    if told.changed().await.is_err() {
        std::future::pending().await // whoever might want something else is gone: camhook ends
    }
}

async fn open(subscription: &Subscription) -> Result<Connection, MqttError> {
    let hello = Hello {
        client_id: subscription.client_id.clone(),
        username: subscription.address.username.clone(),
        password: subscription.address.password.clone(),
        keep_alive: KEEP_ALIVE,
        clean: false,
        will: None,
    };
    let tls = subscription.tls.as_ref().map(|tls| tls.config.clone());
    Connection::open(&subscription.address, tls, &hello).await
}

struct Session<'a> {
    shared: &'a Shared,
    subscription: &'a Subscription,
    peer: std::net::IpAddr,
    writer: Mutex<Writer>,
}

impl Session<'_> {
    /// Until the connection is no more, the settings change or camhook stops. A message that is on its way to the disk
    /// gets there first.
    async fn run(
        &self,
        mut reader: Reader,
        told: &mut Told,
        known: bool,
        subscribed: &mut bool,
    ) -> Result<Ended, MqttError> {
        if !known {
            let (topics, qos) = (&self.subscription.topics, self.subscription.qos);
            self.writer
                .lock()
                .await
                .subscribe(SUBSCRIBE, topics, qos)
                .await?;
        }
        let receiving = self.receive(&mut reader, told, subscribed);
        let ended = tokio::select! {
            ended = receiving => ended?,
            error = self.keep_alive() => return Err(error),
        };
        let gone = match (&ended, &*told.borrow()) {
            (Ended::Stopping, _) => Vec::new(),
            (Ended::Changed, now) => self.unwanted_by(now.as_deref()),
        };
        // What is wanted now is known already: a broker that does not hear the goodbye changes nothing about that.
        if let Err(error) = self.leave(&gone).await {
            let source = &self.subscription.source;
            tracing::warn!(%source, %error, topics = ?gone, "the broker was not told that these are no longer wanted");
        }
        Ok(ended)
    }

    async fn leave(&self, gone: &[String]) -> Result<(), MqttError> {
        let mut writer = self.writer.lock().await;
        if !gone.is_empty() {
            writer.unsubscribe(UNSUBSCRIBE, gone).await?;
        }
        writer.disconnect().await
    }

    /// The topics that the broker would go on to keep messages of, for nobody.
    fn unwanted_by(&self, now: Option<&Subscription>) -> Vec<String> {
        let ours = self.subscription.topics.iter();
        let now = now.filter(|now| now.same_session(self.subscription));
        let still = |topic: &&String| now.is_some_and(|now| now.topics.contains(topic));
        ours.filter(|topic| !still(topic)).cloned().collect()
    }

    /// Also while a message waits for the store, for the broker must not take us for gone.
    async fn keep_alive(&self) -> MqttError {
        loop {
            tokio::time::sleep(PING_EVERY).await;
            if let Err(error) = self.writer.lock().await.ping().await {
                return error;
            }
        }
    }

    async fn receive(
        &self,
        reader: &mut Reader,
        told: &mut Told,
        subscribed: &mut bool,
    ) -> Result<Ended, MqttError> {
        let source = &self.subscription.source;
        loop {
            let incoming = tokio::select! {
                biased;
                () = self.shared.tasks.stopping() => return Ok(Ended::Stopping),
                () = changed(told) => return Ok(Ended::Changed),
                incoming = reader.next() => incoming?,
            };
            match incoming {
                Incoming::Message {
                    topic,
                    id,
                    retained,
                    size,
                } => {
                    // Whoever waits for room in the store waits no longer than camhook runs and wants this.
                    let taken = tokio::select! {
                        biased;
                        taken = self.take(reader, topic, retained, size) => taken?,
                        ended = self.given_up(told.clone()) => return Ok(ended),
                    };
                    if let (Taken::Done, Some(id)) = (taken, id) {
                        self.writer.lock().await.confirm(id).await?;
                    }
                }
                Incoming::Subscribed(granted) => {
                    *subscribed = true;
                    let topics = self.subscription.topics.iter().zip(granted);
                    for (topic, _) in topics.filter(|(_, granted)| !granted) {
                        tracing::error!(%source, topic, "the broker does not let this user subscribe to the topic");
                    }
                }
                Incoming::Confirmed(_) | Incoming::Other => {}
                Incoming::Connected { .. } => {
                    return Err(MqttError::Broken("a second CONNACK"));
                }
            }
        }
    }

    /// When to leave a message to the broker, which has it still.
    async fn given_up(&self, mut told: Told) -> Ended {
        let ended = tokio::select! {
            () = self.shared.tasks.stopping() => Ended::Stopping,
            () = changed(&mut told) => Ended::Changed,
        };
        tokio::time::sleep(GRACE).await;
        ended
    }

    async fn take(
        &self,
        reader: &mut Reader,
        topic: String,
        retained: bool,
        size: usize,
    ) -> Result<Taken, MqttError> {
        let source = &self.subscription.source;
        let door = self.shared.door.load_full();
        let Some(entry) = door.entry(source) else {
            reader.skip(size).await?;
            return Ok(Taken::Left); // the source is going, and its subscription with it
        };
        if !self.subscription.wants(&topic) {
            tracing::warn!(%source, topic, "skipped a message of a topic that is not listed (any more)");
        } else if retained && !self.subscription.retained {
            tracing::debug!(%source, topic, "skipped a message that the broker had kept; `retained: true` takes such");
        } else if size > entry.settings.max_body.bytes() {
            let limit = entry.settings.max_body.bytes();
            let refusal = Refusal::TooLarge { limit };
            self.refused(&topic, size, &refusal);
        } else if let Some(reserved) = self.reserve(&topic, size).await {
            let body = reader.payload(size).await?;
            self.keep(door, entry, topic, body, reserved).await;
            return Ok(Taken::Done);
        }
        reader.skip(size).await?;
        Ok(Taken::Done)
    }

    /// Waits for its part of the budget; `None` when it is larger than all of it.
    async fn reserve(&self, topic: &str, size: usize) -> Option<Reserved> {
        loop {
            match self.shared.budget.reserve(size, PATIENCE).await {
                Ok(reserved) => return Some(reserved),
                Err(Full::Busy) => {}
                Err(full @ Full::Never { .. }) => {
                    self.refused(topic, size, &full.into());
                    return None;
                }
            }
        }
    }

    fn refused(&self, topic: &str, size: usize, refusal: &Refusal) {
        let source = &self.subscription.source;
        tracing::error!(%source, topic, size, reason = %refusal, "threw a message away");
        let status = refusal.status().as_u16();
        let refused = &self.shared.metrics.requests_refused;
        refused.get_or_create(&Status { status }).inc();
    }

    /// Returns once the message is on disk, or has been found to be nothing to keep.
    async fn keep(
        &self,
        mut door: Arc<Door>,
        mut entry: Arc<Entry>,
        topic: String,
        body: Bytes,
        reserved: Reserved,
    ) {
        let source = &self.subscription.source;
        let size = body.len();
        let original = Original {
            method: "MQTT".to_owned(),
            path: topic,
            headers: Vec::new(),
            remote: Some(self.peer),
            received_at: self.shared.clock.now(),
            body,
        };
        let mut reserved = Some(reserved);
        let mut told = false;
        loop {
            let received = match reserved.take() {
                Some(reserved) => Some(reserved),
                None => self.reserve(&original.path, size).await,
            }
            .map(|reserved| Received {
                begun: original.received_at,
                original: original.clone(),
                reserved,
            });
            let Some(received) = received else {
                return; // it was had before, so it can be had
            };
            let intake = &self.shared.intake;
            let outcome = match intake.ready() {
                Ok(()) => intake
                    .receive(door.clone(), entry.clone(), received)
                    .await
                    .map(drop),
                Err(refusal) => Err(refusal),
            };
            match outcome {
                Ok(()) => return,
                Err(refusal @ Refusal::Undecodable { .. }) => {
                    return self.refused(&original.path, size, &refusal);
                }
                Err(refusal) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(%source, reason = %refusal, "a message waits to be put on disk; the broker keeps it");
                    }
                }
            }
            drop(self.shared.clock.sleep(STORE_PAUSE).await);
            // A change of the routes may have come meanwhile.
            door = self.shared.door.load_full();
            entry = door.entry(source).unwrap_or(entry);
        }
    }
}

enum Taken {
    /// It may be confirmed.
    Done,
    /// The broker is to keep it.
    Left,
}
