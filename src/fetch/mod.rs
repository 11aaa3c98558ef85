//! Fetching: gets the pictures that a sender told only by their address, after the answer and before the deliveries.
//!
//! The addresses come from outside, so nothing is fetched unless a source's `fetch` setting allows the host, and nothing
//! but a picture is kept. Links age out, so it begins at once; a picture that cannot be had must not hold an event for
//! long, so it ends soon, and the event then goes on without. What is awaited stands in the store, and so does what came
//! of it: a crash in between begins anew. Nobody is called from here, nobody calls; only the store is read and written.

mod address;
mod fetcher;
mod settings;
mod silent;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jiff::SignedDuration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) use fetcher::Fetcher;
pub(crate) use settings::Settings;
use silent::Asker;

use crate::budget::{Budget, Lane, Reserved};
use crate::clock::{Busy, Clock};
use crate::event::{Event, PictureData};
use crate::name::Name;
use crate::store::{Fetch, FetchedPicture, Store, StoreError, Unfetched};
use crate::tasks::Tasks;

/// The sources that fetch, and how.
pub(crate) type Fetchers = HashMap<Name, Arc<Fetcher>>;

/// Events of one source in hand at once, pauses between attempts included; the others wait in the store.
const IN_HAND_MAX: usize = 64;
/// KiB of pictures in memory at once, of each source: a server that drips must not hold up the others.
const MEMORY_KIB: u32 = 64 << 10;
/// KiB of pictures in memory between attempts, of all events together.
const KEPT_KIB: usize = 8 << 10;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long to wait when the store cannot be read or written.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// The fetching of one camhook.
pub(crate) struct Fetches(Arc<Shared>);

struct Shared {
    store: Store,
    clock: Clock,
    tasks: Tasks,
    budget: Budget,
    fetchers: ArcSwap<Fetchers>,
    /// KiB of [`Had`] that there may be more.
    kept: Arc<Semaphore>,
}

/// Pictures by number, role and address.
type Addresses = Vec<(usize, String, String)>;

/// A picture that one attempt brought while others failed, and its room until the next one.
type Had = (FetchedPicture, OwnedSemaphorePermit);

/// What one attempt brought.
struct Tried {
    fetch: Fetch,
    /// Something failed that may go better later.
    worth_another: bool,
    /// What its pictures take.
    held: Option<Reserved>,
}

impl Fetches {
    /// Begins with what an earlier run left, and goes on until `tasks` stops.
    pub(crate) fn start(
        fetchers: Fetchers,
        store: Store,
        clock: Clock,
        budget: &Budget,
        tasks: &Tasks,
    ) -> Self {
        let shared = Arc::new(Shared {
            store,
            clock,
            tasks: tasks.clone(),
            budget: budget.lane(Lane::Delivery),
            fetchers: ArcSwap::from_pointee(fetchers),
            kept: Arc::new(Semaphore::new(KEPT_KIB)),
        });
        tasks.spawn(shared.clone().run());
        Self(shared)
    }

    /// Goes on with another config.
    pub(crate) fn replace(&self, fetchers: Fetchers) {
        self.0.fetchers.store(Arc::new(fetchers));
    }
}

impl Shared {
    async fn run(self: Arc<Self>) {
        let this = self.clone();
        tokio::select! {
            () = self.tasks.stopping() => {}
            () = this.hand_out() => {}
        }
    }

    async fn hand_out(self: Arc<Self>) {
        loop {
            let mut busy = self.store.unfetched_changed().await;
            let waiting = loop {
                match self.store.unfetched(IN_HAND_MAX).await {
                    Ok(waiting) => break waiting,
                    Err(error) => {
                        tracing::warn!(%error, "cannot look for pictures to fetch");
                        drop(busy);
                        busy = self.clock.sleep(STORE_PAUSE).await;
                    }
                }
            };
            for one in waiting {
                let (this, busy) = (self.clone(), self.clock.busy());
                self.tasks.spawn(async move {
                    tokio::select! {
                        () = this.tasks.stopping() => {}
                        () = this.fetch(one, busy) => {}
                    }
                });
            }
            drop(busy);
        }
    }

    /// One event, until its pictures are there or given up.
    async fn fetch(&self, one: Unfetched, mut busy: Busy) {
        let (mut attempt, mut had) = (1, Vec::new());
        let (fetch, held) = loop {
            let fetcher = self.fetchers.load().get(&one.source).cloned();
            let Some(Tried {
                fetch,
                worth_another,
                held,
            }) = self.attempt(&one, fetcher.as_deref(), had).await
            else {
                return; // the event has been removed
            };
            let may_go_on = |it: Arc<Fetcher>| attempt < it.attempts && !self.is_late(&one, &it);
            if !worth_another || !fetcher.is_some_and(may_go_on) {
                break (fetch, held);
            }
            for note in &fetch.notes {
                tracing::debug!(event = %one.event, note, "trying again");
            }
            had = self.keep_some(fetch.pictures);
            drop((held, busy));
            let pause = FIRST_PAUSE.saturating_mul(1 << (attempt - 1).min(16));
            busy = self.clock.sleep(pause.min(LONGEST_PAUSE)).await;
            attempt += 1;
        };
        for note in &fetch.notes {
            tracing::warn!(event = %one.event, source = %one.source, "{note}");
        }
        self.keep(&one, fetch, busy).await;
        drop(held);
    }

    fn is_late(&self, one: &Unfetched, fetcher: &Fetcher) -> bool {
        let age = self.clock.now().duration_since(one.received_at);
        let most = SignedDuration::try_from(fetcher.give_up_after).unwrap_or(SignedDuration::MAX);
        age >= most
    }

    /// As many as there is room for until the next attempt, which then needs not ask for them: a link may have ended by
    /// then. The others are fetched again.
    fn keep_some(&self, pictures: Vec<FetchedPicture>) -> Vec<Had> {
        let pictures = pictures.into_iter().filter_map(|picture| {
            let kib = u32::try_from(picture.bytes.len().div_ceil(1024)).ok()?;
            let room = self.kept.clone().try_acquire_many_owned(kib).ok()?;
            Some((picture, room))
        });
        pictures.collect()
    }

    /// `None` when there is no such event any more.
    async fn attempt(
        &self,
        one: &Unfetched,
        fetcher: Option<&Fetcher>,
        had: Vec<Had>,
    ) -> Option<Tried> {
        let (pictures, rooms): (Vec<FetchedPicture>, Vec<_>) = had.into_iter().unzip();
        let mut tried = Tried {
            fetch: Fetch {
                pictures,
                notes: Vec::new(),
            },
            worth_another: false,
            held: None,
        };
        let addresses = match self.store.event(one.event).await {
            Ok(kept) => addresses(&kept.event),
            Err(StoreError::Unknown { .. }) => return None,
            Err(error) => {
                tried.worth_another = !matches!(error, StoreError::Damaged(_));
                let note = format!("its pictures were not fetched: {error}");
                tried.fetch.notes.push(note);
                return Some(tried);
            }
        };
        let Some(fetcher) = fetcher else {
            let note = format!(
                "its pictures were not fetched: the source `{}` has no `fetch` any more",
                one.source
            );
            tried.fetch.notes.push(note);
            return Some(tried);
        };
        let _turn = fetcher.turns.acquire().await.ok();
        let room = fetcher.kib_max().saturating_mul(addresses.len() as u64);
        let room = u32::try_from(room).unwrap_or(u32::MAX).min(MEMORY_KIB);
        // At most a half: deliveries go on beside it.
        let half = u32::try_from(self.budget.most() / 2 / 1024).unwrap_or(u32::MAX);
        let room = room.min(half);
        let _memory = fetcher.memory.acquire_many(room).await.ok();
        tried.held = Some(self.budget.reserve_some(room as usize * 1024).await);
        drop(rooms); // they are counted there now
        let asker = Asker {
            begun: Instant::now(),
            is_late: self.is_late(one, fetcher),
        };
        let room = u64::from(room) * 1024;
        tried.go_on(fetcher, addresses, asker, room).await;
        Some(tried)
    }

    /// Goes on until the store has it: the event's deliveries wait for that.
    async fn keep(&self, one: &Unfetched, mut fetch: Fetch, mut busy: Busy) {
        loop {
            match self.store.fetched(one, fetch.clone()).await {
                Ok(()) => return,
                Err(StoreError::Full(why)) if !fetch.pictures.is_empty() => {
                    tracing::warn!(event = %one.event, why, "no room for its pictures");
                    fetch.pictures.clear();
                    let note = "its pictures were fetched, and not kept: the store was full";
                    fetch.notes.push(note.to_owned());
                }
                Err(error) => {
                    tracing::error!(event = %one.event, %error, "cannot keep its pictures; trying again");
                    drop(busy);
                    busy = self.clock.sleep(STORE_PAUSE).await;
                }
            }
        }
    }
}

impl Tried {
    /// Asks for what is not there yet. However many pictures an event names, they stay within `room`, the memory that was
    /// asked for.
    async fn go_on(&mut self, fetcher: &Fetcher, addresses: Addresses, asker: Asker, room: u64) {
        let had = self.fetch.pictures.iter();
        let mut held: u64 = had.map(|picture| picture.bytes.len() as u64).sum();
        for (number, role, address) in addresses {
            let mut had = self.fetch.pictures.iter();
            if had.any(|picture| picture.number == number) {
                continue;
            }
            let got = fetcher.get(&address, room.saturating_sub(held), asker);
            match got.await {
                Ok((content_type, bytes)) => {
                    held += bytes.len() as u64;
                    self.fetch.pictures.push(FetchedPicture {
                        number,
                        content_type: content_type.to_owned(),
                        bytes,
                    });
                }
                Err(failure) => {
                    self.worth_another |= failure.is_worth_another();
                    let note = format!("the picture `{role}` was not fetched: {}", failure.why);
                    self.fetch.notes.push(note);
                }
            }
        }
    }
}

/// Which pictures are known only by address, with their roles.
fn addresses(event: &Event) -> Addresses {
    let pictures = event.images.iter().enumerate();
    pictures
        .filter_map(|(number, picture)| match &picture.data {
            PictureData::Url(url) => Some((number, picture.role.to_string(), url.clone())),
            PictureData::Bytes(_) | PictureData::Made(_) => None,
        })
        .collect()
}
