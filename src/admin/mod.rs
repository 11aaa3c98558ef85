//! Admin: what operators, dashboards and the command line ask of a camhook.
//!
//! One table tells all that can be asked, [`table::ROUTES`]: over HTTP when camhook runs, and called directly by the command
//! line when it does not, so there is one way to look into a store. Over HTTP a gate stands before it: [`gate`] knows who may
//! do what, and answers to nobody who was sent by a page from elsewhere.

mod admission;
mod alerts;
mod answers;
mod api;
mod attempts;
mod body;
mod cookies;
mod dashboard;
mod document;
mod feed;
mod file;
mod findface;
mod flowing;
mod front;
mod gate;
mod glances;
mod health;
mod hosts;
mod jobs;
mod listener;
mod lists;
mod local;
mod login;
mod operation;
mod overview;
mod pages;
pub(crate) mod passwords;
mod question;
mod random;
mod refusal;
mod rows;
mod rules;
mod sessions;
mod settings;
mod steer;
mod table;
mod visitor;
mod watch;

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::Value;

use body::Body;
use refusal::Refusal;
use table::Ask;
use visitor::Visitor;

use crate::alerts::Alert;
use crate::clock::Clock;
use crate::event::{Event, EventId};
use crate::fate::Plan;
use crate::lists::Lists;
use crate::name::Name;
use crate::store::{Store, StoreError};
use crate::telemetry::Metrics;

/// Looks into one store and steers it.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    pub(crate) planner: Arc<dyn Planner>,
    /// Small pictures for pages.
    pub(crate) glances: Arc<Glances>,
    /// None for a store that no camhook runs on.
    pub(crate) webhooks: Option<Arc<dyn Webhooks>>,
    /// None when nobody works on jobs: camhook is stopped.
    pub(crate) bell: Option<Bell>,
}

pub(crate) use document::openapi_value as openapi;
pub(crate) use file::{LoadError, Loads, OnDisk, RefusedLoad, ShownFile};
pub(crate) use findface::{Change, ChangeError, Webhooks};
pub(crate) use gate::Gate;
pub(crate) use glances::Glances;
pub(crate) use jobs::{Bell, attend};
pub(crate) use listener::{BindError, Listener};
pub(crate) use local::LocalKey;
pub(crate) use random::token as random_token;
pub(crate) use settings::Settings;
pub(crate) use table::{Access, ROUTES};

pub(crate) type Promise<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What needs today's routes and sources, which this room does not know.
pub(crate) trait Planner: Send + Sync {
    /// Names of the configured targets, in the order of the file.
    fn targets(&self) -> Vec<Name>;

    /// Names of the configured sources with their kinds, in the order of the file.
    fn sources(&self) -> Vec<(Name, &'static str)>;

    /// What is wrong now.
    fn alerts(&self) -> Arc<Vec<Alert>>;

    /// Where each of the sources is posted to, in the same order; None for one that listens to something else.
    fn paths(&self) -> Vec<Option<String>>;

    /// Lists as they are at this moment.
    fn lists(&self) -> Lists;

    /// Names of the routes, in the order of the file.
    fn routes(&self) -> Vec<Name>;

    /// What today's routes make of an event, or of it for one target alone.
    fn plan(&self, event: &Arc<Event>, to: Option<&Name>) -> Plan;

    /// The config file as it may be shown.
    fn config(&self) -> Arc<ShownFile>;

    /// What became of its loads.
    fn loads(&self) -> Loads;

    /// The file as it lies on disk, read and checked without being used.
    fn on_disk(&self) -> Promise<'_, OnDisk>;

    /// Loads the file as it lies on disk.
    fn load_now(&self) -> Promise<'_, Result<(), LoadError>>;

    /// Where cameras post to.
    fn front(&self) -> Front;

    /// Posts what a source's senders send, made up on the spot, through the front door.
    ///
    /// # Errors
    /// With what to do next.
    fn send_sample<'a>(&'a self, source: &'a str) -> Promise<'a, Result<(), String>>;

    /// What each route would do with a kept event now, as `camhook explain --json` tells it; each request also as a `text`.
    fn story(&self, id: EventId) -> Promise<'_, Result<Vec<Value>, StoreError>>;

    /// Plans a kept event, or decodes a quarantined request, anew; returns how many deliveries came of it.
    fn replay<'a>(
        &'a self,
        id: EventId,
        to: Option<&'a Name>,
    ) -> Promise<'a, Result<usize, ReplayError>>;

    /// Sends a sample event to one target, as if this camera had sent it; returns the event's id.
    fn test<'a>(
        &'a self,
        target: &'a Name,
        camera: Option<&'a str>,
    ) -> Promise<'a, Result<EventId, ReplayError>>;
}

/// Where cameras post to, and how each source is entered.
#[derive(Default)]
pub(crate) struct Front {
    /// Ports, and whether they are HTTPS.
    pub(crate) ports: Vec<(u16, bool)>,
    /// Whether other machines reach it.
    pub(crate) is_public: bool,
    pub(crate) ways: Vec<Way>,
}

/// A source that is posted to.
pub(crate) struct Way {
    pub(crate) source: Name,
    pub(crate) kind: &'static str,
    /// With a `/` in front and none behind.
    pub(crate) path: String,
    /// What it asks for, in words with the place in routes.yaml; the secrets themselves are not told.
    pub(crate) asks: Vec<String>,
    /// The word of `camhook send` for what its senders send.
    pub(crate) sample: Option<&'static str>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("still not understood: {0}")]
    Undecodable(String),
    #[error("{0}")]
    NoWay(String),
}

impl Admin {
    /// Answers the command line, which works on the store itself: there is no gate.
    pub(crate) async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        let answer = self.look_up(&request).await;
        let (head, body) = answer.unwrap_or_else(pages::refusal).into_parts();
        Response::from_parts(head, body.whole().unwrap_or_default())
    }

    async fn look_up(&self, request: &Request<Bytes>) -> api::Answer {
        let (route, parts) = table::find(request.method(), request.uri().path())?;
        let visitor = Visitor::of_this_process();
        let ask = Ask {
            admin: self,
            gate: None,
            tasks: None,
            visitor: &visitor,
            request,
            parts: &parts,
        };
        let answer = route.answer(ask).await?;
        match answer.body() {
            Body::Whole(_) => Ok(answer),
            Body::Stream(_) => Err(Refusal::new(
                StatusCode::CONFLICT,
                "not_running",
                "this is told as it happens: start camhook, then ask again",
            )),
        }
    }
}
