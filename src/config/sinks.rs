//! What `nats:`, `postgres:` and `smtp:` of a target come to.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::load::{Entry, Loader, object};
use super::mqtt::{tell, trust};
use super::outgoing::{Built, compiled, stand_in};
use crate::render::{self, Renderer};
use crate::targets::http::Clients;
use crate::targets::nats::NatsTarget;
use crate::targets::postgres::PostgresTarget;
use crate::targets::smtp::SmtpTarget;
use crate::targets::{self, Target};
use crate::template::Names;

/// What writes and sends messages to NATS.
pub(super) fn nats(loader: &mut Loader<'_>, entry: &Entry<'_>, clients: &Clients) -> Option<Built> {
    let mut value: Map<String, Value> = object(entry.value.get("nats").cloned());
    stand_in(&mut value, "url", "nats://missing.invalid");
    stand_in(&mut value, "subject", "missing");
    let writing: Option<render::nats::Settings> =
        loader.part(entry.node, &value, &["nats"], entry.clean);
    let sending: Option<targets::nats::Settings> =
        loader.part(entry.node, &value, &["nats"], entry.clean);
    let sender = sending.and_then(|settings| {
        let tls = trust(loader, entry, "nats", settings.tls.as_ref(), clients)?.config;
        let built = NatsTarget::new(&settings, tls, &loader.clock.clone());
        told(loader, entry, "nats", built)
    });
    let address = sender.as_ref().and_then(NatsTarget::address);
    let renderer = writing.and_then(|settings| {
        let built = Renderer::nats(&settings, &loader.engine, Names::Rendering, address);
        compiled(loader, entry.node, "nats", built)
    });
    let sender: Arc<dyn Target> = Arc::new(sender?);
    Some((renderer?, sender))
}

/// What writes and sends rows.
pub(super) fn postgres(
    loader: &mut Loader<'_>,
    entry: &Entry<'_>,
    clients: &Clients,
) -> Option<Built> {
    let mut value: Map<String, Value> = object(entry.value.get("postgres").cloned());
    stand_in(&mut value, "url", "postgres://nobody@missing.invalid");
    stand_in(&mut value, "sql", "missing");
    let writing: Option<render::postgres::Settings> =
        loader.part(entry.node, &value, &["postgres"], entry.clean);
    let sending: Option<targets::postgres::Settings> =
        loader.part(entry.node, &value, &["postgres"], entry.clean);
    let sender = sending.and_then(|settings| {
        let tls = trust(loader, entry, "postgres", settings.tls.as_ref(), clients)?.config;
        let built = PostgresTarget::new(&settings, tls);
        told(loader, entry, "postgres", built)
    });
    let address = sender.as_ref().and_then(PostgresTarget::address);
    let renderer = writing.and_then(|settings| {
        let built = Renderer::postgres(&settings, &loader.engine, Names::Rendering, address);
        compiled(loader, entry.node, "postgres", built)
    });
    let sender: Arc<dyn Target> = Arc::new(sender?);
    Some((renderer?, sender))
}

/// What writes and sends mails.
pub(super) fn smtp(loader: &mut Loader<'_>, entry: &Entry<'_>, clients: &Clients) -> Option<Built> {
    let mut value: Map<String, Value> = object(entry.value.get("smtp").cloned());
    stand_in(&mut value, "url", "smtp://missing.invalid");
    for address in ["from", "to"] {
        stand_in(&mut value, address, "nobody@missing.invalid");
    }
    let writing: Option<render::smtp::Settings> =
        loader.part(entry.node, &value, &["smtp"], entry.clean);
    let sending: Option<targets::smtp::Settings> =
        loader.part(entry.node, &value, &["smtp"], entry.clean);
    let sender = sending.and_then(|settings| {
        let tls = trust(loader, entry, "smtp", settings.tls.as_ref(), clients)?.config;
        let built = SmtpTarget::new(&settings, tls, &loader.clock.clone());
        told(loader, entry, "smtp", built)
    });
    let address = sender.as_ref().map(SmtpTarget::address);
    let renderer = writing.and_then(|settings| {
        let built = Renderer::smtp(&settings, &loader.engine, Names::Rendering, address);
        compiled(loader, entry.node, "smtp", built)
    });
    let sender: Arc<dyn Target> = Arc::new(sender?);
    Some((renderer?, sender))
}

/// What was built; what is wrong is told.
fn told<T>(
    loader: &mut Loader<'_>,
    entry: &Entry<'_>,
    key: &str,
    built: Result<T, targets::Mistakes>,
) -> Option<T> {
    let mistakes = match built {
        Ok(built) => return Some(built),
        Err(mistakes) => mistakes,
    };
    for (path, message) in mistakes {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        tell(loader, entry, key, &path, message);
    }
    None
}
