//! The connection of a target to its broker, held by a task of its own: opened with the first message (at once when
//! there is a status to tell), kept alive, and left with a goodbye.
//!
//! A config that is loaded again makes its targets anew. So that a kept connection is not cut by that, a link that is
//! there for the same broker, name and status is taken over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, interval_at};

use super::Status;
use crate::clock::Clock;
use crate::event::EventId;
use crate::mqtt::{Address, Connection, Hello, Incoming, MqttError, Reader, Will, Writer};
use crate::payload::Message;
use crate::targets::http::Trusted;
use crate::tasks::Tasks;

/// A broker that hears nothing for one and a half times this takes camhook for gone.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Often enough that one may be late.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Confirmations that are older than this do not come any more.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(120);
/// How long what is on its way may take when camhook stops: as long as delivery gives it.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);
/// Between two tries to tell the status while there is nothing to deliver.
const STATUS_PAUSE: Duration = Duration::from_secs(10);
/// Messages waiting for the task; more wait in their own.
const QUEUE: usize = 16;

/// Every link of this process, to be taken over.
static LINKS: Mutex<Vec<Weak<Link>>> = Mutex::new(Vec::new());

/// What makes a link the same.
pub(super) struct Options {
    pub(super) address: Address,
    pub(super) tls: Trusted,
    pub(super) client_id: Option<String>,
    pub(super) status: Option<Status>,
    pub(super) clock: Clock,
}

impl Options {
    fn same_as(&self, other: &Self) -> bool {
        self.address.same_as(&other.address)
            && (&self.tls.made_of, &self.client_id, &self.status)
                == (&other.tls.made_of, &other.client_id, &other.status)
    }
}

/// The handle that targets hold; with the last of them the connection ends.
pub(super) struct Link {
    options: Arc<Options>,
    orders: mpsc::Sender<Order>,
    /// For the task, until it begins.
    waiting: Mutex<Option<mpsc::Receiver<Order>>>,
}

/// A message to be sent, and whom to tell what came of it.
pub(super) struct Order {
    pub(super) message: Message,
    pub(super) done: oneshot::Sender<Outcome>,
}

pub(super) type Outcome = Result<(), Failure>;

#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) reason: String,
    /// Whether nothing will go until somebody mends the settings or the broker.
    pub(super) lasting: bool,
}

impl From<&MqttError> for Failure {
    fn from(error: &MqttError) -> Self {
        Self {
            reason: error.to_string(),
            lasting: matches!(error, MqttError::Refused { lasting: true, .. }),
        }
    }
}

impl Link {
    /// One that is there, or a new one.
    pub(super) fn to(options: Options) -> Arc<Self> {
        let mut links = LINKS.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|link| link.strong_count() > 0);
        let found = links
            .iter()
            .filter_map(Weak::upgrade)
            .find(|link| link.options.same_as(&options) && !link.orders.is_closed());
        found.unwrap_or_else(|| {
            let (orders, waiting) = mpsc::channel(QUEUE);
            let link = Arc::new(Self {
                options: Arc::new(options),
                orders,
                waiting: Mutex::new(Some(waiting)),
            });
            links.push(Arc::downgrade(&link));
            link
        })
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    /// Starts the task, unless it runs already.
    pub(super) fn begin(&self, tasks: &Tasks) {
        let waiting = self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(orders) = waiting {
            let keeper = Keeper {
                options: self.options.clone(),
                orders,
                tasks: tasks.clone(),
            };
            tasks.spawn(keeper.run());
        }
    }

    /// False when there is nobody to send any more.
    pub(super) async fn order(&self, order: Order) -> bool {
        self.orders.send(order).await.is_ok()
    }
}

struct Keeper {
    options: Arc<Options>,
    orders: mpsc::Receiver<Order>,
    tasks: Tasks,
}

/// Messages that the broker has not confirmed.
#[derive(Default)]
struct Unconfirmed {
    waiting: HashMap<u16, (Instant, oneshot::Sender<Outcome>)>,
    last: u16,
}

impl Unconfirmed {
    /// A free id, never 0.
    fn next(&mut self) -> u16 {
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if !self.waiting.contains_key(&self.last) {
                return self.last; // there are far fewer waiting than ids
            }
        }
    }

    fn overdue(&self) -> bool {
        let mut waiting = self.waiting.values();
        waiting.any(|(since, _)| since.elapsed() > CONFIRMED_WITHIN)
    }
}

/// Since when the broker owes the answer to a ping. Whatever comes counts as one.
#[derive(Default)]
struct Owed(Option<Instant>);

impl Owed {
    fn pinged(&mut self) {
        self.0.get_or_insert_with(Instant::now);
    }

    fn heard(&mut self) {
        self.0 = None;
    }

    fn for_longer_than(&self, span: Duration) -> bool {
        self.0.is_some_and(|since| since.elapsed() > span)
    }
}

impl Keeper {
    async fn run(mut self) {
        loop {
            let first = match self.options.status {
                Some(_) => None,
                None => match self.next_order().await {
                    Some(order) => Some(order),
                    None => return,
                },
            };
            let opened = tokio::select! {
                () = self.tasks.stopping() => return,
                opened = self.open() => opened,
            };
            let lost = match opened {
                Ok(connection) => self.keep(connection, first).await,
                Err(error) => {
                    if let Some(order) = first {
                        let _ = order.done.send(Err(Failure::from(&error)));
                    }
                    Err(error)
                }
            };
            let Err(error) = lost else {
                return;
            };
            tracing::warn!(broker = %self.options.address, %error, "not connected to the broker");
            let failure = Failure::from(&error);
            while let Ok(order) = self.orders.try_recv() {
                let _ = order.done.send(Err(failure.clone()));
            }
            if self.options.status.is_some() && !self.pause(&failure).await {
                return;
            }
        }
    }

    /// None when there is nothing more to do.
    async fn next_order(&mut self) -> Option<Order> {
        tokio::select! {
            () = self.tasks.stopping() => None,
            order = self.orders.recv() => order,
        }
    }

    /// Until it is time to try again: soon, and at once for a message. False when there is nothing more to do.
    async fn pause(&mut self, failure: &Failure) -> bool {
        tokio::select! {
            () = tokio::time::sleep(STATUS_PAUSE) => true,
            order = self.next_order() => match order {
                // Delivery comes again, and finds out then.
                Some(order) => {
                    let _ = order.done.send(Err(failure.clone()));
                    true
                }
                None => false,
            },
        }
    }

    async fn open(&self) -> Result<Connection, MqttError> {
        let options = &*self.options;
        let fresh = || {
            let id = EventId::at(options.clock.now()).to_string();
            let unique = id.rsplit('-').next().unwrap_or_default();
            format!("camhook-{unique}") // 20 characters: every broker takes 23
        };
        let hello = Hello {
            client_id: options.client_id.clone().unwrap_or_else(fresh),
            username: options.address.username.clone(),
            password: options.address.password.clone(),
            keep_alive: KEEP_ALIVE,
            clean: true,
            will: options.status.as_ref().map(|status| Will {
                topic: status.topic.clone(),
                payload: status.offline.clone(),
            }),
        };
        Connection::open(&options.address, Some(options.tls.config.clone()), &hello).await
    }

    /// Sends what is ordered until the connection is lost, or left in good order.
    async fn keep(
        &mut self,
        connection: Connection,
        first: Option<Order>,
    ) -> Result<(), MqttError> {
        tracing::info!(broker = %self.options.address, "connected to the broker");
        let Connection { reader, writer, .. } = connection;
        let mut unconfirmed = Unconfirmed::default();
        let lost = self
            .exchange(reader, writer, first, &mut unconfirmed, PING_EVERY)
            .await;
        if let Err(error) = &lost {
            let failure = Failure {
                reason: format!("{error}, before it had confirmed the message"),
                lasting: false,
            };
            for (_, (_, done)) in unconfirmed.waiting {
                let _ = done.send(Err(failure.clone()));
            }
        }
        lost
    }

    async fn exchange(
        &mut self,
        mut reader: Reader,
        mut writer: Writer,
        first: Option<Order>,
        unconfirmed: &mut Unconfirmed,
        ping_every: Duration,
    ) -> Result<(), MqttError> {
        self.tell(&mut writer, |status| &status.online).await?;
        if let Some(order) = first {
            publish(&mut writer, order, unconfirmed).await?;
        }
        let mut pings = interval_at(Instant::now() + ping_every, ping_every);
        // The reader's own patience begins anew with each turn of the loop.
        let mut owed = Owed::default();
        let mut leaving: Option<Instant> = None;
        loop {
            if leaving.is_some() && unconfirmed.waiting.is_empty() {
                break;
            }
            let never = Instant::now() + LEAVE_WITHIN;
            tokio::select! {
                biased;
                order = self.orders.recv(), if leaving.is_none() || !self.orders.is_empty() => match order {
                    Some(order) => publish(&mut writer, order, unconfirmed).await?,
                    None => leaving = Some(Instant::now() + LEAVE_WITHIN),
                },
                incoming = reader.next() => {
                    let incoming = incoming?;
                    owed.heard();
                    match incoming {
                        Incoming::Confirmed(id) => {
                            if let Some((_, done)) = unconfirmed.waiting.remove(&id) {
                                let _ = done.send(Ok(()));
                            }
                        }
                        // Nothing was subscribed to, so there should be none.
                        Incoming::Message { size, .. } => reader.skip(size).await?,
                        Incoming::Subscribed(_) | Incoming::Other => {}
                        Incoming::Connected { .. } => return Err(MqttError::Broken("a second CONNACK")),
                    }
                }
                _ = pings.tick() => {
                    if unconfirmed.overdue() || owed.for_longer_than(ping_every * 3 / 2) {
                        return Err(MqttError::Silent);
                    }
                    writer.ping().await?;
                    owed.pinged();
                }
                () = self.tasks.stopping(), if leaving.is_none() => {
                    leaving = Some(Instant::now() + LEAVE_WITHIN);
                }
                () = tokio::time::sleep_until(leaving.unwrap_or(never)), if leaving.is_some() => break,
            }
        }
        self.tell(&mut writer, |status| &status.offline).await?;
        writer.disconnect().await
    }

    async fn tell(
        &self,
        writer: &mut Writer,
        word: impl Fn(&Status) -> &String,
    ) -> Result<(), MqttError> {
        match &self.options.status {
            Some(status) => {
                writer
                    .publish(&status.topic, None, true, &[word(status)])
                    .await
            }
            None => Ok(()),
        }
    }
}

async fn publish(
    writer: &mut Writer,
    order: Order,
    unconfirmed: &mut Unconfirmed,
) -> Result<(), MqttError> {
    let Order { message, done } = order;
    let Message {
        topic,
        qos,
        retain,
        payload,
    } = message;
    let size = payload.len() + topic.len();
    if size > crate::mqtt::PACKET_MAX - 16 {
        let reason = format!("{size} bytes are more than an MQTT message can have");
        let _ = done.send(Err(Failure {
            reason,
            lasting: false,
        }));
        return Ok(());
    }
    let id = (qos > 0).then(|| unconfirmed.next());
    let sent = writer.publish(&topic, id, retain, &payload.0).await;
    match (id, &sent) {
        (Some(id), _) => {
            unconfirmed.waiting.insert(id, (Instant::now(), done));
        }
        (None, Ok(())) => {
            let _ = done.send(Ok(()));
        }
        (None, Err(error)) => {
            let _ = done.send(Err(Failure::from(error)));
        }
    }
    sent
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::targets::http::{Clients, Sessions};

    const PING: &[u8] = b"\xc0\0";
    const CONNACK: &[u8] = b"\x20\x02\0\0";
    const PINGRESP: &[u8] = b"\xd0\0";

    /// Says yes to whoever connects, and answers so many pings.
    async fn broker(tasks: &Tasks, answers: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("mqtt://{}", listener.local_addr().unwrap());
        tasks.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = [0; 1024];
            let mut next = CONNACK;
            let mut left = answers + 1;
            while let Ok(1..) = stream.read(&mut heard).await {
                if left > 0 && (next == CONNACK || heard.starts_with(PING)) {
                    stream.write_all(next).await.unwrap();
                    left -= 1;
                }
                next = PINGRESP;
            }
        });
        url
    }

    #[tokio::test]
    async fn a_broker_that_answers_no_ping_any_more_is_taken_for_gone() {
        let tasks = Tasks::default();
        let url = broker(&tasks, 5).await;
        let clients = Clients::new(Sessions::default());
        let (send, orders) = mpsc::channel(QUEUE);
        let mut keeper = Keeper {
            options: Arc::new(Options {
                address: Address::read(&url, None, None).unwrap(),
                tls: clients.tls(None, Path::new("/")).unwrap(),
                client_id: None,
                status: None,
                clock: Clock::stepped("2026-01-31T12:00:00Z".parse().unwrap()),
            }),
            orders,
            tasks: tasks.clone(),
        };
        let Connection { reader, writer, .. } = keeper.open().await.unwrap();
        let begun = Instant::now();
        let every = Duration::from_millis(100);
        let mut unconfirmed = Unconfirmed::default();
        let exchange = keeper.exchange(reader, writer, None, &mut unconfirmed, every);
        let lost = tokio::time::timeout(Duration::from_secs(30), exchange).await;
        assert!(matches!(lost, Ok(Err(MqttError::Silent))), "{lost:?}");
        assert!(begun.elapsed() > 4 * every, "it answered five pings");
        drop(send);
    }
}
