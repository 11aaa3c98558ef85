//! `/v1`: webhooks as clients of FindFace Lite make and change them, and their login.
//!
//! After NtechLab's pages on the API of FindFace Lite 1.6, read on 2026-11-21; `docs/findface.md` tells what they leave open
//! and how it is decided here. The token of a login is opaque: nobody but this camhook has to read it, it ends when the user's
//! password changes, and nothing that was signed once can be shown for ever. What is refused is told as `detail`, which such
//! clients look for.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

use super::api::Answer;
use super::body::Body;
use super::settings::Scope;
use super::table::Ask;
use super::visitor::Visitor;
use super::{Promise, Refusal, pages, random};
use crate::webhooks::{Document, Fault, Shelf, Webhook};

/// Where all of this lives.
pub(super) const ROOT: &str = "/v1/";

/// Keeps webhooks and lets them take effect, which this room cannot.
pub(crate) trait Webhooks: Send + Sync {
    /// Those that there are.
    ///
    /// # Errors
    /// When that is not known.
    fn shelf(&self) -> Result<Shelf, ChangeError>;

    /// Changes them; when it returns, the change is on disk and in use. Returns the webhook as it is now.
    fn change(&self, change: Change) -> Promise<'_, Result<Option<Webhook>, ChangeError>>;
}

/// What becomes of webhooks.
#[derive(Debug)]
pub(crate) enum Change {
    Add(Document),
    Replace(u64, Document),
    /// What is said of it now; the rest stays.
    Alter(u64, Value),
    Remove(u64),
    /// Nothing undelivered is left of a removed one.
    Left(u64),
}

/// Why webhooks are as they were.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error("there is no webhook {0}")]
    Unknown(u64),
    #[error("the document is wrong")]
    Faults(Vec<Fault>),
    #[error("there are {0} webhooks already, as many as `admin.findface.most` allows")]
    Enough(u32),
    #[error("{0}")]
    NotNow(String),
}

pub(super) async fn log_in(ask: Ask<'_>) -> Answer {
    let body = match read(ask.request)? {
        Ok(body) => body,
        Err(faults) => return Ok(unprocessable(&faults)),
    };
    let texts = ["username", "password"].map(|key| (key, body[key].as_str()));
    let missing = texts.iter().filter(|(_, text)| text.is_none());
    let missing = missing.map(|(key, _)| Fault::new(&[*key], Fault::MISSING, "field required"));
    let missing: Vec<Fault> = missing.collect();
    let [(_, Some(user)), (_, Some(password))] = texts else {
        return Ok(unprocessable(&missing));
    };
    let (gate, caller) = ask
        .gate
        .ok_or_else(|| Refusal::missing("nobody logs in here"))?;
    let rules = gate.rules();
    if !rules.login {
        // Whoever comes may do everything, and the token is not looked at.
        return Ok(ok(&json!({ "access_token": random::token() })));
    }
    let user = gate
        .verify(&rules, caller, user, password, "FindFace")
        .await?;
    let proof = rules.person(user.as_str()).map(|person| person.proof);
    tracing::info!(%user, from = %caller.address, "logged in as a client of FindFace");
    let lasts = rules.findface.unwrap_or(rules.session);
    let token = gate
        .bearers
        .begin(user, proof.unwrap_or_default(), lasts, gate.clock.now());
    Ok(ok(&json!({ "access_token": token })))
}

pub(super) async fn list(ask: Ask<'_>) -> Answer {
    let shelf = webhooks(&ask)?.shelf()?;
    let shown = shelf.webhooks().iter();
    Ok(ok(&shown
        .map(|webhook| shown_to(ask.visitor, webhook))
        .collect()))
}

pub(super) async fn one(ask: Ask<'_>) -> Answer {
    let id = id(&ask)?;
    let shelf = webhooks(&ask)?.shelf()?;
    let webhook = shelf.get(id).ok_or(ChangeError::Unknown(id))?;
    Ok(ok(&shown_to(ask.visitor, webhook)))
}

pub(super) async fn make(ask: Ask<'_>) -> Answer {
    match document(ask.request)? {
        Ok(document) => change(&ask, Change::Add(document), StatusCode::CREATED).await,
        Err(faults) => Ok(unprocessable(&faults)),
    }
}

pub(super) async fn replace(ask: Ask<'_>) -> Answer {
    let id = id(&ask)?;
    match document(ask.request)? {
        Ok(document) => change(&ask, Change::Replace(id, document), StatusCode::OK).await,
        Err(faults) => Ok(unprocessable(&faults)),
    }
}

pub(super) async fn alter(ask: Ask<'_>) -> Answer {
    let id = id(&ask)?;
    match read(ask.request)? {
        Ok(said) => change(&ask, Change::Alter(id, said), StatusCode::OK).await,
        Err(faults) => Ok(unprocessable(&faults)),
    }
}

pub(super) async fn remove(ask: Ask<'_>) -> Answer {
    let id = id(&ask)?;
    change(&ask, Change::Remove(id), StatusCode::NO_CONTENT).await
}

fn ok(body: &Value) -> Response<Body> {
    pages::json(StatusCode::OK, body)
}

async fn change(ask: &Ask<'_>, change: Change, status: StatusCode) -> Answer {
    match webhooks(ask)?.change(change).await {
        Ok(Some(webhook)) => Ok(pages::json(status, &shown_to(ask.visitor, &webhook))),
        Ok(None) => {
            let mut response = pages::text(status, "application/json", "");
            response.headers_mut().remove(CONTENT_TYPE);
            Ok(response)
        }
        Err(ChangeError::Faults(faults)) => Ok(unprocessable(&faults)),
        Err(error) => Err(error.into()),
    }
}

fn webhooks<'a>(ask: &Ask<'a>) -> Result<&'a dyn Webhooks, Refusal> {
    let webhooks = ask.admin.webhooks.as_deref();
    webhooks.ok_or_else(|| Refusal::missing("webhooks are for a camhook that runs"))
}

fn id(ask: &Ask<'_>) -> Result<u64, Refusal> {
    let text = ask.part(0);
    let id = text.parse().ok();
    id.ok_or_else(|| Refusal::missing(format!("`{}` is no webhook's id", text.escape_debug())))
}

type Read<T> = Result<T, Vec<Fault>>;

fn document(request: &Request<Bytes>) -> Result<Read<Document>, Refusal> {
    Ok(read(request)?.and_then(|said| Document::read(&said)))
}

/// # Errors
/// When it is nothing that only a program of the client's own could have sent: a page of somebody else's may send a form.
fn read(request: &Request<Bytes>) -> Result<Read<Value>, Refusal> {
    let kind = request.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/json") {
        let reason = "send a JSON body with `Content-Type: application/json`";
        return Err(Refusal::bad(reason));
    }
    Ok(serde_json::from_slice(request.body()).map_err(|error| {
        let message = format!("the body is no JSON: {error}");
        vec![Fault::new(&[], Fault::JSON, message)]
    }))
}

/// An address may hold a token, which is for those who could have written it.
fn shown_to(visitor: &Visitor, webhook: &Webhook) -> Value {
    let mut shown = webhook.to_json();
    if !visitor.may(Scope::Admin) {
        let url = &webhook.document.url;
        let origin = url.origin().ascii_serialization();
        let bare = url.path() == "/" && url.query().is_none() && url.username().is_empty();
        let masked = if bare {
            origin
        } else {
            format!("{origin}/***")
        };
        shown["target"] = masked.into();
    }
    shown
}

fn unprocessable(faults: &[Fault]) -> Response<Body> {
    let detail: Vec<Value> = faults.iter().map(Fault::to_json).collect();
    let body = json!({ "detail": detail });
    pages::json(StatusCode::UNPROCESSABLE_ENTITY, &body)
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Self {
        let (status, word) = match &error {
            ChangeError::Unknown(_) => (StatusCode::NOT_FOUND, "not_found"),
            ChangeError::Faults(_) => (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable"),
            ChangeError::Enough(_) => (StatusCode::CONFLICT, "too_many_webhooks"),
            ChangeError::NotNow(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        Self::new(status, word, error.to_string())
    }
}
