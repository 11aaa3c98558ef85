//! What `mqtt:` of a source and of a target comes to.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::load::{Entry, Loader, object, place};
use super::mistake::Mistake;
use super::outgoing::{Built, compiled, stand_in};
use crate::render::{self, Renderer};
use crate::server::{MqttSettings, Subscription};
use crate::targets::http::{Clients, Tls, Trusted};
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
        Ok(subscription) => {
            let address = &subscription.address;
            let place = (address.host.clone(), address.port);
            // Two sources never share a connection, even where all is alike.
            let alike = Value::String(format!("source {}", entry.name));
            call(
                loader,
                entry,
                "source",
                place,
                subscription.client_id(),
                alike,
            );
            tls.map(|_| subscription)
        }
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
    let client_id = value.get("client_id").and_then(Value::as_str);
    let client_id = client_id.map(str::to_owned);
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
    if let (Some(place), Some(client_id)) = (address.clone(), client_id) {
        // Targets that connect alike share one connection.
        let connects = ["url", "username", "password", "tls", "status"];
        let alike = connects.map(|key| value.get(key).cloned().unwrap_or_default());
        call(
            loader,
            entry,
            "target",
            place,
            &client_id,
            alike.into_iter().collect(),
        );
    }
    let renderer = writing.and_then(|settings| {
        let built = Renderer::mqtt(&settings, &loader.engine, Names::Rendering, address);
        compiled(loader, entry.node, "mqtt", built)
    });
    let sender: Arc<dyn Target> = Arc::new(sender?);
    Some((renderer?, sender))
}

/// Refuses two with one name at one broker, which would throw out one of them for the other, again and again.
fn call(
    loader: &mut Loader<'_>,
    entry: &Entry<'_>,
    what: &str,
    (host, port): (String, u16),
    client_id: &str,
    alike: Value,
) {
    let key = (host.to_ascii_lowercase(), port, client_id.to_owned());
    let Some((other, known)) = loader.callers.get(&key) else {
        let who = format!("{what} `{}`", entry.name);
        loader.callers.insert(key, (who, alike));
        return;
    };
    if *known != alike {
        let message = format!(
            "`{client_id}` is what {other} calls itself at this broker, which throws out one of two with the same name"
        );
        let way = ["mqtt", "client_id"].map(str::to_owned);
        let at = place(entry.node, &way);
        loader.mistake(Mistake::new(at, message).help("give each a `client_id` of its own"));
    }
}

/// `key` is what the settings stand under.
pub(super) fn trust(
    loader: &mut Loader<'_>,
    entry: &Entry<'_>,
    key: &str,
    settings: Option<&Tls>,
    clients: &Clients,
) -> Option<Trusted> {
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
