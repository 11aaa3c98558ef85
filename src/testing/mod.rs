//! What the tests in `tests/` and the measurements in `benches/` need of the rooms, which are private otherwise.

mod feed;
mod fill;
mod texts;
mod wires;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

pub use crate::app::{App, StartError};
pub use crate::clock::Clock;
pub use feed::{decode, fed, feed};
pub use fill::fill;

use crate::admin;
use crate::config::{Config, Planned};
use crate::decide::Written;
use crate::delivery::{Pipelines, Unready, prepare};
use crate::event::{DeliveryId, Event, EventId, Item, Original};
use crate::fate;
use crate::payload::Payload;
use crate::routes;
use crate::sources;
use crate::store::{Intake, Store, StoreError};
use crate::telemetry::Metrics;
use crate::template::{Given, Scope};

/// Everything that is answered on the admin address: method, path, and who may ask, as `always`, `open`, `numbers`, `someone` or
/// the scope that is needed.
#[must_use]
pub fn admin_routes() -> Vec<(String, &'static str, &'static str)> {
    let word = |access| match access {
        admin::Access::Always => "always",
        admin::Access::Open => "open",
        admin::Access::Numbers => "numbers",
        admin::Access::Someone => "someone",
        admin::Access::Needs(scope) => scope.as_str(),
    };
    let routes = admin::ROUTES.iter();
    routes
        .map(|route| (route.method.to_string(), route.path, word(route.access)))
        .collect()
}

/// One request on its way through the first source, route and target of a config, each part of the way on its own.
#[derive(Clone)]
pub struct Way {
    clock: Clock,
    planned: Planned,
    pipelines: Pipelines,
    store: Store,
    original: Arc<Original>,
    event: Arc<Event>,
}

impl Way {
    /// Opens the config's store. Panics when anything is wrong: with the config, the store or the request.
    #[must_use]
    pub fn new(config: &Path, content_type: &str, body: Vec<u8>) -> Self {
        let clock = Clock::system();
        let config = Config::load(config).unwrap_or_else(|report| panic!("{report:?}"));
        let planned = config.planned();
        let store = Store::open(config.store.clone(), clock.clone(), Metrics::new());
        let (_, pipelines) = config.open();
        let original = Arc::new(Original {
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            received_at: clock.now(),
            body: Bytes::from(body),
            ..Original::default()
        });
        Self {
            clock,
            event: first_event(&planned, &original),
            planned,
            pipelines,
            store: store.expect("a store of its own"),
            original,
        }
    }

    /// Decodes the request.
    pub fn decode(&self) {
        drop(first_event(&self.planned, &self.original));
    }

    /// Whether the route's condition holds for the event's first plate, in a scope that knows nothing yet.
    #[must_use]
    pub fn condition(&self) -> bool {
        let scope = Scope::new(&Given {
            event: &self.event,
            item: Some(Item::Plate(0)),
            pictures: &[],
            lists: &self.planned.lists,
            with: None,
            delivery: None,
            now: self.event.received_at,
        });
        let condition = self.planned.routes[0].when.as_ref();
        condition.is_some_and(|when| when.holds(&scope))
    }

    /// Plans the event; returns how many deliveries.
    #[must_use]
    pub fn plan(&self) -> usize {
        let Planned { routes, lists, .. } = &self.planned;
        let plan = routes::plan(routes, &self.event, lists, self.clock.now(), None);
        plan.deliveries.len()
    }

    /// Takes the route's steps and writes what the target is sent; returns its length in bytes.
    #[must_use]
    pub fn prepare(&self) -> usize {
        let now = self.event.received_at;
        let planned = fate::Planned {
            id: DeliveryId::at(now),
            route: self.planned.routes[0].name.clone(),
            target: self.planned.targets[0].clone(),
            item: Some(Item::Plate(0)),
            not_before: None,
        };
        let ready = prepare(
            &self.pipelines,
            &self.event,
            &planned,
            None,
            (now, u64::MAX),
            |_, _| {},
        );
        match ready {
            Ok(payload) => match payload {
                Payload::Http(request) => request.body.len(),
                Payload::Line { .. }
                | Payload::Files(_)
                | Payload::Mqtt(_)
                | Payload::Publication(_)
                | Payload::Row(_)
                | Payload::Mail(_)
                | Payload::Log { .. } => 0,
            },
            Err(Unready::Filtered(reason) | Unready::Unfit(reason)) => {
                panic!("{reason}")
            }
        }
    }

    /// Commits the event, under another id each time, and reads it back; returns the length of its request's body.
    pub async fn accept(&self) -> usize {
        let now = self.clock.now();
        let event = Arc::new(Event {
            id: EventId::at(now),
            ..(*self.event).clone()
        });
        let Planned { routes, lists, .. } = &self.planned;
        let plan = routes::plan(routes, &event, lists, now, None);
        let intake = Intake {
            original: self.original.clone(),
            events: vec![(event.clone(), plan)],
            written: Written::default(),
        };
        let _safe = self.store.accept(intake).await.expect("the disk has room");
        loop {
            // The index follows the log.
            match self.store.event(event.id).await {
                Ok(kept) => return kept.event.original.body.len(),
                Err(StoreError::Unknown { .. }) => self.store.caught_up().await,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn first_event(planned: &Planned, original: &Arc<Original>) -> Arc<Event> {
    let source = &planned.sources[0];
    let events = sources::decode(source.source, &source.name, &source.decode, original);
    let mut events = events.expect("a request that the source understands");
    Arc::new(events.remove(0))
}
