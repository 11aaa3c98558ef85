//! What `mqtt:` of a source and of a target comes to.

use std::sync::Arc;

use rustls::ClientConfig;
use serde_json::{Map, Value};

use super::load::{Entry, Loader, object, place};
use super::mistake::Mistake;
use super::outgoing::{Built, compiled, stand_in};
use crate::render::{self, Renderer};
use crate::server::{MqttSettings, Subscription};
use crate::targets::http::{Clients, Tls};
use crate::targets::mqtt::MqttTarget;
use crate::targets::{self, Target};
use crate::template::Names;

/// What a source hears from a broker.
pub(super) fn subscription(
    loader: &mut Loader<'_>,
    entry: &Entry<'_>,
    settings: &MqttSettings,
    usual: &[&str],
    clients: &Clients,
) -> Option<Subscription> {
    let tls = trust(loader, entry, "mqtt", settings.tls.as_ref(), clients);
    // Looked through though there may be no trust.
    match Subscription::new(&entry.name, settings, usual, tls.clone()) {
        Ok(subscription) => tls.map(|_| subscription),
        Err(mistakes) => {
            for (key, message) in mistakes {
                tell(loader, entry, "mqtt", &[key], message);
            }
            None
        }
    }
}

/// What writes and sends messages to a broker.
pub(super) fn target(
    loader: &mut Loader<'_>,
    entry: &Entry<'_>,
    clients: &Clients,
) -> Option<Built> {
    let mut value: Map<String, Value> = object(entry.value.get("mqtt").cloned());
    stand_in(&mut value, "url", "mqtt://missing.invalid");
    stand_in(&mut value, "topic", "missing");
    let writing: Option<render::mqtt::Settings> =
        loader.part(entry.node, &value, &["mqtt"], entry.clean);
    let sending: Option<targets::mqtt::Settings> =
        loader.part(entry.node, &value, &["mqtt"], entry.clean);
    let sender = sending.and_then(|settings| {
        let tls = trust(loader, entry, "mqtt", settings.tls.as_ref(), clients)?;
        match MqttTarget::new(&settings, tls, &loader.clock.clone()) {
            Ok(sender) => Some(sender),
            Err(mistakes) => {
                for (path, message) in mistakes {
                    let path: Vec<&str> = path.iter().map(String::as_str).collect();
                    tell(loader, entry, "mqtt", &path, message);
                }
                None
            }
        }
    });
    let address = sender.as_ref().map(MqttTarget::address);
    let renderer = writing.and_then(|settings| {
        let built = Renderer::mqtt(&settings, &loader.engine, Names::Rendering, address);
        compiled(loader, entry.node, "mqtt", built)
    });
    let sender: Arc<dyn Target> = Arc::new(sender?);
    Some((renderer?, sender))
}

/// `key` is what the settings stand under.
pub(super) fn trust(
    loader: &mut Loader<'_>,
    entry: &Entry<'_>,
    key: &str,
    settings: Option<&Tls>,
    clients: &Clients,
) -> Option<Arc<ClientConfig>> {
    match clients.tls(settings, loader.folder) {
        Ok(tls) => Some(tls),
        Err(mistakes) => {
            for (path, message) in mistakes {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                tell(loader, entry, key, &path, message);
            }
            None
        }
    }
}

pub(super) fn tell(
    loader: &mut Loader<'_>,
    entry: &Entry<'_>,
    key: &str,
    path: &[&str],
    message: String,
) {
    let way = std::iter::once(key).chain(path.iter().copied());
    let way: Vec<String> = way.map(str::to_owned).collect();
    loader.mistake(Mistake::new(place(entry.node, &way), message));
}
