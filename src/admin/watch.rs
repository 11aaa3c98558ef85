//! Watching a store over one long answer: server-sent events for scripts and for the dashboard's pages.
//!
//! The answer is pulled by the connection. Between two pieces it waits for whatever comes first: news, a heartbeat, the end
//! of the login it was let in by, the end of camhook.

use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderMap;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use schemars::SchemaGenerator;
use tokio::time::Instant;

use super::admission::Admission;
use super::body::{Body, Pieces};
use super::operation::{Given, Gives};
use super::settings::Scope;
use super::table::Ask;
use super::{Admin, Refusal, pages};
use crate::store::{Back, FeedPlace, LISTENERS_MAX, Listener, Taken};
use crate::tasks::Tasks;

/// So often a quiet stream tells that it is alive, so that what lies between does not cut it.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// When a browser that lost the stream asks again.
const RETRY_MS: u64 = 2_000;
/// Changes looked at in one go.
const AT_ONCE: usize = 256;

/// Somebody who watches.
pub(super) struct Watch {
    pub(super) admin: Admin,
    listener: Listener,
    admission: Admission,
    tasks: Tasks,
    /// What is told before anything new.
    first: Vec<First>,
    /// When it is told next that it is alive, whatever else is told: much may happen that this one does not want.
    beat: Instant,
    /// Nothing more is told.
    over: bool,
}

enum First {
    /// With where one who has heard nothing yet stands.
    Greeting(Option<FeedPlace>),
    Reset(&'static str),
    Taken(Taken),
}

/// What a watcher sees next.
pub(super) enum Seen {
    News(Taken),
    /// To be told as it is.
    Told(Bytes),
}

impl Watch {
    /// Of a request that may say where it goes on: by `Last-Event-ID`, which browsers send by themselves, or by `after`.
    ///
    /// # Errors
    /// When there is no running camhook to watch, or too many watch it.
    pub(super) async fn begin(ask: &Ask<'_>, after: Option<String>) -> Result<Self, Refusal> {
        let admission = Admission::of(ask, Scope::Read);
        let (Some(admission), Some(tasks)) = (admission, ask.tasks) else {
            return Err(Refusal::new(
                StatusCode::CONFLICT,
                "not_running",
                "this is told as it happens: start camhook, then ask again",
            ));
        };
        let Some(mut listener) = ask.admin.store.listen() else {
            let mut refusal = Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too_many_listeners",
                format!("{LISTENERS_MAX} listen already: close one, or poll the lists instead"),
            );
            refusal.retry_after = Some(10);
            return Err(refusal);
        };
        let after = last_id(ask.request.headers()).or(after);
        let here = after.is_none().then(|| listener.place());
        let mut first = vec![First::Greeting(here)];
        if let Some(told) = after {
            let back = match told.parse::<FeedPlace>() {
                Ok(place) => ask.admin.store.go_back(&mut listener, place).await?,
                Err(_) => Back::Anew,
            };
            match back {
                Back::GoOn(changes) => first.push(First::Taken(Taken {
                    missed: 0,
                    upto: listener.place(),
                    changes,
                })),
                Back::Anew => first.push(First::Reset(
                    "too much has happened since, or it was another store: read the lists again",
                )),
            }
        }
        first.reverse();
        Ok(Self {
            admin: ask.admin.clone(),
            listener,
            admission,
            tasks: tasks.clone(),
            first,
            beat: Instant::now() + HEARTBEAT,
            over: false,
        })
    }

    /// What comes next; None when nothing more will.
    pub(super) async fn next(&mut self) -> Option<Seen> {
        if self.over {
            return None;
        }
        match self.first.pop() {
            Some(First::Greeting(here)) => {
                let id = here.map_or_else(String::new, |place| format!("id: {place}\n"));
                return Some(Seen::Told(format!("retry: {RETRY_MS}\n{id}\n").into()));
            }
            Some(First::Reset(reason)) => {
                let place = self.listener.place();
                let body = serde_json::json!({ "reason": reason }).to_string();
                return Some(Seen::Told(message("reset", Some(place), &body)));
            }
            Some(First::Taken(taken)) => return Some(Seen::News(taken)),
            None => {}
        }
        let clock = self.admin.clock.clone();
        loop {
            if self.tasks.is_stopping() {
                return Some(self.end("camhook stops"));
            }
            let until = match self.admission.lasts() {
                Ok(until) => until,
                Err(why) => return Some(self.end(why)),
            };
            let expired = async {
                match until {
                    Some(until) => clock.sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.tasks.stopping() => {}
                () = self.admission.changed() => {}
                _busy = expired => {}
                () = tokio::time::sleep_until(self.beat) => {
                    self.beat = Instant::now() + HEARTBEAT;
                    let place = self.listener.place();
                    return Some(Seen::Told(format!(": still here\nid: {place}\n\n").into()));
                }
                () = self.listener.changed() => return Some(Seen::News(self.listener.take(AT_ONCE))),
            }
        }
    }

    /// Whether the next thing to tell is that it ends: then what waits is not told any more.
    pub(super) fn is_over(&self) -> bool {
        self.tasks.is_stopping() || self.admission.lasts().is_err()
    }

    /// Lets more happen for so long, and takes the last so many changes of it; tells how many were passed over.
    pub(super) async fn gather(&mut self, window: Duration, most: usize) -> (u64, Taken) {
        tokio::select! {
            () = self.tasks.stopping() => {}
            () = tokio::time::sleep(window) => {}
        }
        let skipped = self.listener.skip_to_last(most);
        (skipped, self.listener.take(most))
    }

    fn end(&mut self, why: &str) -> Seen {
        self.over = true;
        let body = serde_json::json!({ "reason": why }).to_string();
        Seen::Told(message("end", None, &body))
    }
}

/// One message. `data` holds no line breaks, unless each line may stand for itself.
pub(super) fn message(event: &str, id: Option<FeedPlace>, data: &str) -> Bytes {
    let mut text = String::with_capacity(data.len() + 64);
    text.push_str("event: ");
    text.push_str(event);
    if let Some(id) = id {
        text.push_str(&format!("\nid: {id}"));
    }
    for line in data.split(['\n', '\r']) {
        text.push_str("\ndata: ");
        text.push_str(line);
    }
    text.push_str("\n\n");
    text.into()
}

/// A stream of messages.
pub(super) struct Messages(pub(super) Pieces);

const EVENT_STREAM: &str = "text/event-stream";

impl Gives for Messages {
    fn response(self, _: &Request<Bytes>) -> Response<Body> {
        answer(self.0)
    }

    fn given(schemas: &mut SchemaGenerator) -> Given {
        Given {
            content_type: EVENT_STREAM,
            schema: Some(schemas.subschema_for::<String>()),
            is_page: false,
            is_tagged: false,
        }
    }
}

/// The answer.
pub(super) fn answer(pieces: Pieces) -> Response<Body> {
    let mut response = pages::stream(EVENT_STREAM, pieces);
    // Proxies collect answers before they pass them on, unless told not to.
    let name = HeaderName::from_static("x-accel-buffering");
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static("no"));
    response
}

fn last_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("last-event-id")?.to_str().ok()?;
    (!id.is_empty()).then(|| id.to_owned())
}
