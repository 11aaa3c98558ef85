//! Small pictures for pages: made when a browser asks for one, within the budget of pixels, the last few kept.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::answers::{Blob, Tagged};
use super::api::{Told, blob, event_id};
use super::table::Ask;
use super::{Admin, Refusal};
use crate::budget::{Budget, Lane};
use crate::event::{Event, EventId, Item, Picture};
use crate::steps;

/// Bytes of pictures that are kept.
const KEPT_MAX: usize = 4 << 20;
/// Read and made at once: deliveries have the other cores.
const AT_ONCE: usize = 1;

/// Makes small pictures, and keeps the last ones.
pub(crate) struct Glances {
    pixels: Budget,
    turn: Semaphore,
    kept: Mutex<Kept>,
}

/// An event, what its pictures weigh (some may come later, or go), and what of it is shown.
type Key = (EventId, usize, Option<Item>);

#[derive(Default)]
struct Kept {
    pictures: HashMap<Key, Picture>,
    order: VecDeque<Key>,
    bytes: usize,
}

impl Glances {
    pub(crate) fn new(budget: &Budget) -> Self {
        Self {
            pixels: budget.lane(Lane::Pixels),
            turn: Semaphore::new(AT_ONCE),
            kept: Mutex::default(),
        }
    }

    /// To be waited for before the event is read: a page asks for fifty, and each may be large.
    async fn turn(&self) -> SemaphorePermit<'_> {
        let turn = self.turn.acquire().await;
        turn.expect("nobody closes it")
    }

    /// For who has the turn.
    async fn of(&self, admin: &Admin, event: &Arc<Event>, item: Option<Item>) -> Option<Picture> {
        let weight = event.images.iter().filter_map(Picture::bytes);
        let key = (event.id, weight.map(bytes::Bytes::len).sum(), item);
        if let Some(picture) = self.kept(&key) {
            return Some(picture);
        }
        let most = self.pixels.most();
        let bytes = steps::glance_bytes(event, most);
        let pixels = self.pixels.reserve_some(bytes).await;
        let (event, now) = (event.clone(), admin.clock.now());
        let made = tokio::task::spawn_blocking(move || {
            let _pixels = pixels; // until it is done, even when nobody waits for it any more
            steps::glance(&event, item, most, now)
        });
        let picture = made.await.ok()??;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.put(key, picture.clone());
        Some(picture)
    }

    fn kept(&self, key: &Key) -> Option<Picture> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.pictures.get(key).cloned()
    }
}

impl Kept {
    fn put(&mut self, key: Key, picture: Picture) {
        let bytes = |picture: &Picture| picture.bytes().map_or(0, bytes::Bytes::len);
        self.bytes += bytes(&picture);
        match self.pictures.insert(key, picture) {
            Some(old) => self.bytes -= bytes(&old),
            None => self.order.push_back(key),
        }
        while self.bytes > KEPT_MAX
            && let Some(gone) = self.order.pop_front()
        {
            let gone = self.pictures.remove(&gone);
            self.bytes -= gone.as_ref().map_or(0, bytes);
        }
    }
}

/// `/api/v1/events/ID/thumbnail`: what an event is known by, small.
pub(super) async fn thumbnail(ask: Ask<'_>, (): ()) -> Told<Tagged<Blob>> {
    let (glances, id) = (&ask.admin.glances, event_id(ask.part(0))?);
    let _turn = glances.turn().await;
    let event = ask.admin.store.event(id).await?.event;
    let mut picture = match first_item(&event) {
        Some(item) => glances.of(ask.admin, &event, Some(item)).await,
        None => None,
    };
    if picture.is_none() {
        picture = glances.of(ask.admin, &event, None).await;
    }
    answer(picture, "the event has no picture that can be shown")
}

/// `/api/v1/events/ID/crops/ITEM`: one plate, face or object.
pub(super) async fn crop(ask: Ask<'_>, (): ()) -> Told<Tagged<Blob>> {
    let id = event_id(ask.part(0))?;
    let item = Item::try_from(ask.part(1).replacen('-', "/", 1));
    let item = item.map_err(|_| {
        Refusal::missing("say which: `plates-0`, `faces-0` or `objects-0`, counted from 0")
    })?;
    let glances = &ask.admin.glances;
    let _turn = glances.turn().await;
    let event = ask.admin.store.event(id).await?.event;
    let picture = glances.of(ask.admin, &event, Some(item)).await;
    answer(
        picture,
        "there is neither a picture of it nor a box to cut it out by",
    )
}

/// What the event is about.
fn first_item(event: &Event) -> Option<Item> {
    if !event.plates.is_empty() {
        Some(Item::Plate(0))
    } else if !event.faces.is_empty() {
        Some(Item::Face(0))
    } else if !event.objects.is_empty() {
        Some(Item::Object(0))
    } else {
        None
    }
}

fn answer(picture: Option<Picture>, nothing: &str) -> Told<Tagged<Blob>> {
    let picture = picture.ok_or_else(|| Refusal::missing(nothing))?;
    let bytes = picture.bytes().cloned().unwrap_or_default();
    Ok(blob(&picture.content_type, &bytes))
}
