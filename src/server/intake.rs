//! The accepting half behind the door: decode, choose, one commit. What is answered here was made safe first.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::answer::Refusal;
use super::door::{Door, Entry};
use super::front::{Received, Reception};
use super::settings::Durability;
use super::traced::Arrival;
use crate::budget::Reserved;
use crate::decide::Written;
use crate::event::{Event, Kind, Original};
use crate::name::Name;
use crate::routes;
use crate::sources::{self, Answer, DecodeSettings, Source, Undecodable};
use crate::store::{self, Accepted, Store, StoreError};
use crate::tasks::Tasks;
use crate::telemetry::{Metrics, SourceKind, SourceOnly};

/// Bodies beyond this are decoded on the blocking pool, so that they do not hold up other requests. Bytes.
const LARGE: usize = 1 << 20;

/// Takes requests in. Cheap to clone.
#[derive(Clone)]
pub(super) struct Intake {
    pub(super) store: Store,
    pub(super) metrics: Metrics,
    pub(super) tasks: Tasks,
}

impl Reception for Intake {
    fn ready(&self) -> Result<(), Refusal> {
        self.store.accepting().map_err(Refusal::from)
    }

    /// Goes on when the sender hangs up: many cameras do not wait for the answer, and a whole request is an event.
    async fn receive(
        &self,
        door: Arc<Door>,
        entry: Arc<Entry>,
        received: Received,
    ) -> Result<Answer, Refusal> {
        let intake = self.clone();
        let taking = async move { intake.take(&door, &entry, received).await };
        Finishing::new(self.tasks.clone(), taking).await
    }
}

/// A future that is finished in a task of its own when whoever waits for it goes away. Cheaper than a task for each.
struct Finishing<F: Future<Output: Send> + Send + 'static> {
    future: Option<Pin<Box<F>>>,
    tasks: Tasks,
}

impl<F: Future<Output: Send> + Send + 'static> Finishing<F> {
    fn new(tasks: Tasks, future: F) -> Self {
        Self {
            future: Some(Box::pin(future)),
            tasks,
        }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Finishing<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Some(mut future) = self.future.take() else {
            return Poll::Pending; // it has ended, or panicked
        };
        let polled = future.as_mut().poll(context);
        if polled.is_pending() {
            self.future = Some(future);
        }
        polled
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Finishing<F> {
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            self.tasks.spawn(async move {
                future.await;
            });
        }
    }
}

/// What a request holds until it is on disk.
struct Course {
    reserved: Reserved,
    arrival: Option<Arrival>,
}

impl Intake {
    async fn take(
        &self,
        door: &Door,
        entry: &Entry,
        received: Received,
    ) -> Result<Answer, Refusal> {
        let Received {
            original,
            reserved,
            begun,
        } = received;
        let mut arrival = Arrival::new(&self.metrics.spans, begun, original.received_at);
        let original = Arc::new(original);
        let (speaker, events) = decode(entry, &original).await;
        let answer = speaker.answer();
        let events = match events {
            Ok(events) => events,
            Err(Undecodable { reason }) if entry.refuses_undecodable(&original) => {
                return Err(Refusal::Undecodable { reason });
            }
            Err(Undecodable { reason }) => {
                self.quarantine(entry, original, reason).await?;
                drop(reserved);
                return Ok(answer);
            }
        };
        if events.is_empty() {
            // Understood, and it says that nothing happened: there is no event to keep.
            tracing::debug!(source = %entry.name, "a request without events");
            return Ok(answer);
        }
        if let Some(arrival) = &mut arrival {
            arrival.decoded = self.store.now();
        }
        let kinds: Vec<Kind> = events.iter().map(|event| event.kind).collect();
        let intake = self.decide(door, original, events).await;
        if let Some(arrival) = &mut arrival {
            let events = intake.events.iter().map(|(event, _)| &**event);
            arrival.is_of(events, self.store.now());
        }
        let course = Course { reserved, arrival };
        let name = entry.name.clone();
        match entry.settings.durability.unwrap_or_else(|| usual(&intake)) {
            Durability::Full => self.commit(&name, &kinds, intake, course).await?,
            Durability::Relaxed => {
                self.ready()?;
                let this = self.clone();
                self.tasks.spawn(async move {
                    if let Err(error) = this.commit(&name, &kinds, intake, course).await {
                        tracing::error!(source = %name, %error, "lost an event that was acknowledged by `durability: relaxed`");
                    }
                });
            }
        }
        Ok(answer)
    }

    /// Chooses, and asks the steps that are decided on arrival.
    async fn decide(
        &self,
        door: &Door,
        original: Arc<Original>,
        events: Vec<Event>,
    ) -> store::Intake {
        let memory = self.store.memory();
        let mut written = match door.routes.iter().any(|route| !route.deciders.is_empty()) {
            true => Written::in_turn(memory.turn().await),
            false => Written::default(),
        };
        // Steps compare moments: each decision's is later than those of the decisions before it.
        let now = self.store.now();
        let mut planned = Vec::with_capacity(events.len());
        for event in events {
            let event = Arc::new(event);
            let lists = &door.lists;
            let decided = routes::decide(&door.routes, event, lists, now, memory, &mut written);
            planned.extend(decided);
        }
        store::Intake {
            original,
            events: planned,
            written,
        }
    }

    /// Returns once everything is on disk. `kinds` are those of the events that came, beside which steps may tell others.
    async fn commit(
        &self,
        source: &Name,
        kinds: &[Kind],
        intake: store::Intake,
        course: Course,
    ) -> Result<(), StoreError> {
        let _proof: Accepted = self.store.accept(intake).await?;
        if let Some(arrival) = course.arrival {
            arrival.kept(self.store.now());
        }
        drop(course.reserved);
        for kind in kinds {
            let labels = SourceKind {
                source: source.clone(),
                kind: kind.as_str(),
            };
            self.metrics.events_received.get_or_create(&labels).inc();
        }
        Ok(())
    }

    async fn quarantine(
        &self,
        entry: &Entry,
        original: Arc<Original>,
        reason: String,
    ) -> Result<(), StoreError> {
        tracing::warn!(source = %entry.name, reason, "a request could not be decoded and is kept in quarantine");
        let unread = store::Unread {
            source: entry.name.clone(),
            original,
            reason,
        };
        let _proof: Accepted = self.store.quarantine(unread).await?;
        let labels = SourceOnly {
            source: entry.name.to_string(),
        };
        self.metrics.quarantined.get_or_create(&labels).inc();
        Ok(())
    }
}

/// Tracks come several times a second, each soon outdated by the next: they are not worth a wait for the disk.
fn usual(intake: &store::Intake) -> Durability {
    if intake
        .events
        .iter()
        .all(|(event, _)| event.kind == Kind::Track)
    {
        Durability::Relaxed
    } else {
        Durability::Full
    }
}

/// Who understands the request, and the events that it tells.
type Decoded = (&'static dyn Source, Result<Vec<Event>, Undecodable>);

async fn decode(entry: &Entry, original: &Arc<Original>) -> Decoded {
    let source = entry.source;
    if original.body.len() <= LARGE {
        return unless_it_panics(source, &entry.name, &entry.decode, original);
    }
    let settings = entry.decode.clone();
    let (name, original) = (entry.name.clone(), original.clone());
    let decoding =
        tokio::task::spawn_blocking(move || unless_it_panics(source, &name, &settings, &original));
    let decoded = decoding.await;
    decoded.unwrap_or_else(|_| (source, Err(our_bug())))
}

/// A decoder's panic is our bug and must not cost the sender its event: the request goes where it can be replayed from.
/// Who speaks is found out by parsing, too.
fn unless_it_panics(
    source: &'static dyn Source,
    name: &Name,
    settings: &DecodeSettings,
    original: &Arc<Original>,
) -> Decoded {
    let mut speaker = source;
    let decode = || {
        speaker = sources::speaker(source, original);
        sources::decode(speaker, name, settings, original)
    };
    let events = catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| Err(our_bug()));
    (speaker, events)
}

fn our_bug() -> Undecodable {
    Undecodable {
        reason: "the decoder failed; this is a bug in camhook, please report it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::OnUndecodable;
    use super::super::tests::{Fake, entry};
    use super::*;

    fn request(body: &'static [u8]) -> Arc<Original> {
        Arc::new(Original {
            body: body.into(),
            ..Original::default()
        })
    }

    #[tokio::test]
    async fn a_decoders_panic_is_a_reason_to_quarantine() {
        let entry = entry("/", &Fake);
        let large = vec![b'!'; LARGE + 1].leak();
        for body in [&b"!"[..], b"?", large] {
            let (_, events) = decode(&entry, &request(body)).await;
            let error = events.unwrap_err();
            assert!(error.reason.contains("bug in camhook"));
        }
        let (_, events) = decode(&entry, &request(b"2")).await;
        assert_eq!(events.unwrap().len(), 2);
    }

    #[test]
    fn keeps_what_it_cannot_read_unless_told_otherwise() {
        let mut entry = entry("/", &Fake);
        assert!(!entry.refuses_undecodable(&request(b"")));
        entry.settings.undecodable = Some(OnUndecodable::Refuse);
        assert!(entry.refuses_undecodable(&request(b"")));
    }
}
