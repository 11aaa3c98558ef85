//! The webhooks that clients make over the API: kept, put into use one change after the other, and ended when they are deleted.
//!
//! A change goes the way of every config: the whole of it is read with the webhooks as they would be, and when nothing is
//! wrong they are written to disk and taken into use. So a webhook is checked as a target of the file is, takes effect
//! without a restart, and is acknowledged only when it is safe. What was still to be sent to a deleted one ends as dead.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

use crate::admin::{self, Change, ChangeError, Promise};
use crate::clock::Clock;
use crate::config::{Report, Webhooks, WebhooksFrom};
use crate::fate::Fate;
use crate::name::Name;
use crate::store::{Store, StoreError};
use crate::tasks::Tasks;
use crate::webhooks::{Document, Fault, Settings, Shelf, Webhook};

/// Changes that wait at once; further ones wait for their place.
const WAITING_MAX: usize = 64;
/// How often it is looked whether something of a deleted webhook is still under way.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const DELETED: &str = "the webhook was deleted";

/// What is known of webhooks, and the way to change them.
pub(super) struct Hooks {
    /// The store's, where they lie.
    folder: PathBuf,
    now: ArcSwap<Webhooks>,
    ask: mpsc::Sender<Asked>,
    /// Deleted ones whose deliveries are being ended.
    ending: Mutex<BTreeSet<u64>>,
}

/// A change, and who waits for it.
pub(super) struct Asked {
    pub(super) change: Change,
    pub(super) answer: oneshot::Sender<Result<Option<Webhook>, ChangeError>>,
}

impl Hooks {
    pub(super) fn new(now: Webhooks, folder: &Path) -> (Arc<Self>, mpsc::Receiver<Asked>) {
        let (ask, asked) = mpsc::channel(WAITING_MAX);
        let hooks = Self {
            folder: folder.to_owned(),
            now: ArcSwap::default(),
            ask,
            ending: Mutex::default(),
        };
        hooks.replace(now);
        (Arc::new(hooks), asked)
    }

    /// What a config has taken in.
    pub(super) fn replace(&self, now: Webhooks) {
        match &now {
            Webhooks::Off => {}
            Webhooks::On { idle, .. } => {
                for (id, reason) in idle {
                    tracing::warn!(webhook = id, reason, "this webhook is not called");
                }
            }
            Webhooks::Unreadable(why) => tracing::error!(why, "no webhook is called"),
        }
        self.now.store(Arc::new(now));
    }

    /// Where the next config takes them from: what lies on disk, which a user may have mended.
    pub(super) fn kept(&self) -> WebhooksFrom {
        match Shelf::read(&self.folder) {
            Ok(shelf) => WebhooksFrom::Shelf(shelf),
            Err(_) => WebhooksFrom::Store, // told when it is read there
        }
    }

    pub(super) fn ready(&self) -> Result<(Shelf, Settings), ChangeError> {
        match &**self.now.load() {
            Webhooks::Off => Err(not_now("`admin.findface` is not in routes.yaml")),
            Webhooks::On {
                shelf, settings, ..
            } => Ok((shelf.clone(), settings.clone())),
            Webhooks::Unreadable(why) => Err(not_now(why)),
        }
    }

    /// When this returns, they are on disk.
    pub(super) async fn write(&self, shelf: Shelf) -> Result<(), ChangeError> {
        let folder = self.folder.clone();
        let written = tokio::task::spawn_blocking(move || shelf.write(&folder)).await;
        let why = match written {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => {
                let cause = std::error::Error::source(&error);
                format!(
                    "{error}{}",
                    cause.map_or(String::new(), |cause| format!(": {cause}"))
                )
            }
            Err(error) => error.to_string(),
        };
        tracing::error!(why, "a change of webhooks could not be kept");
        Err(not_now(&format!("nothing was changed: {why}")))
    }

    /// Nothing undelivered is left of a deleted one.
    pub(super) async fn has_left(&self, id: u64) -> Result<(), ChangeError> {
        let (mut shelf, settings) = self.ready()?;
        shelf.has_left(id);
        self.write(shelf.clone()).await?;
        let idle = match &**self.now.load() {
            Webhooks::On { idle, .. } => idle.clone(),
            Webhooks::Off | Webhooks::Unreadable(_) => Vec::new(),
        };
        let now = Webhooks::On {
            shelf,
            settings,
            idle,
        };
        self.now.store(Arc::new(now));
        self.ending().remove(&id);
        Ok(())
    }

    fn ending(&self) -> std::sync::MutexGuard<'_, BTreeSet<u64>> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends what was still to be sent to deleted webhooks, in the background.
    pub(super) fn end_removed(self: &Arc<Self>, store: &Store, clock: &Clock, tasks: &Tasks) {
        let now = self.now.load();
        let Webhooks::On { shelf, .. } = &**now else {
            return;
        };
        for (id, target) in shelf.leaving() {
            if self.ending().insert(id) {
                let (hooks, store, clock) = (self.clone(), store.clone(), clock.clone());
                let stop = tasks.clone();
                tasks.spawn(async move {
                    tokio::select! {
                        () = stop.stopping() => {}
                        () = hooks.end(id, target, store, clock) => {}
                    }
                });
            }
        }
    }

    async fn end(&self, id: u64, target: Name, store: Store, clock: Clock) {
        loop {
            match end_once(&store, &target).await {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, webhook = id, "its deliveries are yet to end"),
            }
            drop(clock.sleep(LOOK_AGAIN).await);
        }
        if let Err(error) = admin::Webhooks::change(self, Change::Left(id)).await {
            // It is looked for again after the next start.
            tracing::warn!(%error, webhook = id, "could not note that nothing is left of it");
        }
    }
}

/// Whether nothing was left.
async fn end_once(store: &Store, target: &Name) -> Result<bool, StoreError> {
    while store.end_all(target, DELETED).await? > 0 {
        store.caught_up().await;
    }
    store.caught_up().await;
    let targets = store.targets().await?;
    let own = targets.iter().find(|summary| summary.target == *target);
    Ok(own.is_none_or(|own| own.count(Fate::Pending) == 0 && own.count(Fate::Held) == 0))
}

impl admin::Webhooks for Hooks {
    fn shelf(&self) -> Result<Shelf, ChangeError> {
        self.ready().map(|(shelf, _)| shelf)
    }

    fn change(&self, change: Change) -> Promise<'_, Result<Option<Webhook>, ChangeError>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let stopping = || not_now("camhook is stopping");
            let asked = self.ask.send(Asked { change, answer }).await;
            asked.map_err(|_| stopping())?;
            answered.await.map_err(|_| stopping())?
        })
    }
}

/// Changes a shelf; returns the webhook as it is then.
pub(super) fn apply(
    shelf: &mut Shelf,
    change: Change,
    settings: &Settings,
) -> Result<Option<Webhook>, ChangeError> {
    let place = |shelf: &mut Shelf, id, document| {
        permitted(&document, settings)?;
        match shelf.replace(id, document) {
            true => Ok(shelf.get(id).cloned()),
            false => Err(ChangeError::Unknown(id)),
        }
    };
    match change {
        Change::Add(document) => {
            permitted(&document, settings)?;
            if shelf.webhooks().len() >= settings.most as usize {
                return Err(ChangeError::Enough(settings.most));
            }
            Ok(Some(shelf.add(document).clone()))
        }
        Change::Replace(id, document) => place(shelf, id, document),
        Change::Alter(id, said) => {
            let old = shelf.get(id).ok_or(ChangeError::Unknown(id))?;
            let document = old.document.changed(&said).map_err(ChangeError::Faults)?;
            place(shelf, id, document)
        }
        Change::Remove(id) => match shelf.remove(id) {
            true => Ok(None),
            false => Err(ChangeError::Unknown(id)),
        },
        Change::Left(id) => {
            shelf.has_left(id);
            Ok(None)
        }
    }
}

/// Whether the config lets a webhook call there, as far as the address tells.
fn permitted(document: &Document, settings: &Settings) -> Result<(), ChangeError> {
    let reach = settings.reach();
    match reach.map(|reach| reach.check(&document.url)) {
        _ if !document.active => Ok(()), // it is not called
        Some(Ok(())) => Ok(()),
        Some(Err(refused)) => {
            let fault = Fault::new(&["target"], Fault::NOT_PERMITTED, refused.to_string());
            Err(ChangeError::Faults(vec![fault]))
        }
        None => Err(not_now("`admin.findface` has mistakes")),
    }
}

/// Why the config would be refused: for the webhook, or else for something that the client cannot mend.
pub(super) fn refused(of_webhook: Option<&Report>) -> ChangeError {
    match of_webhook.and_then(|report| report.mistakes.first()) {
        Some(mistake) => {
            let fault = Fault::new(&[], Fault::VALUE, mistake.message.clone());
            ChangeError::Faults(vec![fault])
        }
        None => not_now(
            "nothing was changed: routes.yaml as it lies there has mistakes, which `camhook check` tells",
        ),
    }
}

pub(super) fn not_now(why: &str) -> ChangeError {
    ChangeError::NotNow(why.to_owned())
}
