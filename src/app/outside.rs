//! What the dashboard asks of a running camhook besides its store: where cameras post to, a sample through the front door, what
//! would be sent now.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::addresses::{Address, Addresses};
use super::http_client;
use crate::admin::{Front, Way};
use crate::budget::{Budget, Lane};
use crate::clock::Clock;
use crate::config::{Planned, SourceEntry};
use crate::delivery::Pipelines;
use crate::event::EventId;
use crate::explain::{self, Explainer};
use crate::fate::Pair;
use crate::sample::{self, Drawn, Sample, Told};
use crate::server::AuthSettings;
use crate::steps::{self, Pixels};
use crate::store::{Store, StoreError};

/// The camera that a sample is said to come from.
const CAMERA: &str = "sample-camera";
const PATIENCE: Duration = Duration::from_secs(20);

/// What surrounds the routes of a running camhook.
pub(super) struct Outside {
    pub(super) addresses: Addresses,
    pub(super) config: PathBuf,
    pub(super) pipelines: ArcSwap<Pipelines>,
    pub(super) budget: Budget,
}

impl Outside {
    pub(super) fn front(&self, today: &Planned) -> Front {
        let Addresses { server, second, .. } = &self.addresses;
        let port = |address: &Address| (address.port(), address.is_secured());
        let ways = today.sources.iter().filter_map(|source| {
            Some(Way {
                source: source.name.clone(),
                kind: source.source.kind(),
                path: source.path.clone()?,
                asks: asks(source),
                sample: sample_of(source).map(|sample| sample.name),
            })
        });
        Front {
            ports: std::iter::once(server).chain(second).map(port).collect(),
            is_public: !server.is_loopback(),
            ways: ways.collect(),
        }
    }

    /// # Errors
    /// With what to do next.
    pub(super) async fn send_sample(
        &self,
        today: &Planned,
        source: &str,
        clock: &Clock,
    ) -> Result<(), String> {
        let found = today
            .sources
            .iter()
            .find(|known| known.name.as_str() == source);
        let found = found.ok_or_else(|| format!("there is no source `{source}`"))?;
        let path = found.path.as_ref().ok_or_else(|| {
            format!("`{source}` hears from a broker only: publish a message to its topic")
        })?;
        let sample = sample_of(found)
            .ok_or_else(|| format!("there is no sample of kind `{}`", found.source.kind()))?;
        let url = format!("{}{path}", self.addresses.server.url());
        let now = clock.now();
        let seed = now.as_microsecond().unsigned_abs();
        let to = url.clone();
        let made = tokio::task::spawn_blocking(move || {
            let (plate, second_plate) = (sample::plate_text(seed), sample::plate_text(seed + 1));
            let told = Told {
                plate: &plate,
                second_plate: &second_plate,
                camera: CAMERA,
                at: now,
                url: &to,
                seed,
            };
            sample.request(&Drawn::new(&plate, &second_plate), &told)
        });
        let request = made.await.map_err(|error| error.to_string())?;
        let client = http_client(&self.config).map_err(|error| error.to_string())?;
        let mut post = client.request(request.method, &url).timeout(PATIENCE);
        for (name, value) in request.headers {
            post = post.header(name, value);
        }
        if let Some(credentials) = credentials(&found.auth) {
            post = post.header(http::header::AUTHORIZATION, credentials);
        }
        let answer = post.body(request.body).send().await.map_err(|error| {
            format!(
                "the front door could not be reached: {}",
                error.without_url()
            )
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let told = answer.text().await.unwrap_or_default();
        let told: String = told.chars().take(500).collect();
        Err(format!("the front door answered {status}: {}", told.trim()))
    }

    pub(super) async fn story(
        &self,
        today: Arc<Planned>,
        store: &Store,
        clock: &Clock,
        id: EventId,
    ) -> Result<Vec<Value>, StoreError> {
        let event = store.event(id).await?.event;
        let joined = store.joined(id).await?;
        let mut halves = Vec::new();
        for half in joined.iter().filter(|joined| Pair::is_half(joined, id)) {
            // One that is no longer kept is delivered without, too.
            halves.extend(store.event(half.part.id).await.ok().map(|kept| kept.event));
        }
        let lane = self.budget.lane(Lane::Pixels);
        let most = lane.most();
        let pixels = lane.reserve_some(steps::glance_bytes(&event, most)).await;
        let (pipelines, now) = (self.pipelines.load_full(), clock.now());
        let told = tokio::task::spawn_blocking(move || {
            let _pixels = pixels; // until it is done, even when nobody waits for it any more
            let mut explainer = Explainer::new(&today, &pipelines, None);
            explainer.recall(&joined, &halves);
            explainer.pixels_max = Pixels::Drawn.most(most);
            let mut story = explainer.story(&event, now);
            story.iter_mut().for_each(write_out);
            story
        });
        told.await
            .map_err(|error| StoreError::Failed(error.to_string()))
    }
}

/// Adds each request as a text.
fn write_out(route: &mut Value) {
    for delivery in route["deliveries"].as_array_mut().into_iter().flatten() {
        if !delivery["request"].is_null() {
            delivery["text"] = explain::text(&delivery["request"]).into();
        }
    }
}

/// What its senders send, made up on the spot.
fn sample_of(source: &SourceEntry) -> Option<&'static Sample> {
    match source.source.kind() {
        "auto" | "platerecognizer" => Sample::named("stream"),
        kind => Sample::of_sender(kind).next(),
    }
}

fn credentials(auth: &AuthSettings) -> Option<String> {
    if let Some(token) = auth.token.as_ref().or(auth.tokens.first()) {
        return Some(format!("Token {}", token.expose()));
    }
    let basic = auth.basic.as_ref()?;
    let both = format!("{}:{}", basic.username, basic.password.expose());
    Some(format!("Basic {}", STANDARD.encode(both)))
}

/// What a sender must show, and where the secret stands.
fn asks(source: &SourceEntry) -> Vec<String> {
    let (auth, name) = (&source.auth, &source.name);
    let mut asks = Vec::new();
    if auth.token.is_some() || !auth.tokens.is_empty() {
        asks.push(format!(
            "a token: as the header Authorization: Token …, behind the path as /TOKEN, or as ?token=TOKEN. It stands in routes.yaml under sources, {name}, auth"
        ));
    }
    if auth.basic.is_some() || auth.digest.is_some() {
        asks.push(format!(
            "a username and password, which stand in routes.yaml under sources, {name}, auth"
        ));
    }
    if auth.signature.is_some() {
        asks.push(
            "signed requests: the secret in routes.yaml is the one that its sender shows"
                .to_owned(),
        );
    }
    if auth.client_cert.is_some() {
        asks.push("a certificate of the sender's own".to_owned());
    }
    if auth.allow.is_some() {
        asks.push("an address that auth.allow lists".to_owned());
    }
    asks
}
