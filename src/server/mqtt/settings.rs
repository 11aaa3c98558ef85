//! What users can set of a source that hears from a broker: `mqtt:`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::mqtt::{self, Address};
use crate::name::Name;
use crate::secret::Secret;
use crate::targets::http::{Tls, Trusted};

/// A broker to hear from, and what about.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MqttSettings {
    /// The broker: `mqtt://host:1883`, or `mqtts://host:8883` with TLS; `user:password@` may stand before the host.
    pub(crate) url: String,
    /// Who camhook is to the broker.
    #[serde(default)]
    pub(crate) username: Option<String>,
    /// Best as `${NAME}` or `${file:PATH}`.
    #[serde(default)]
    pub(crate) password: Option<Secret>,
    /// Topics to take, `+` for any one level and `#` for all below. Default: those of the kind; a kind without such, as
    /// `generic`, needs them.
    #[serde(default)]
    pub(crate) topics: Vec<String>,
    /// The name that the broker keeps messages under while camhook is away. Of two with the same name the broker throws
    /// out one, so two camhooks at one broker need two. Default: `camhook-` and the source's name.
    #[serde(default)]
    pub(crate) client_id: Option<String>,
    /// 1: the broker sends a message again until it is on disk here (as long as it was published with 1 or 2).
    /// 0: once, and what comes while camhook is away is lost. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1))]
    pub(crate) qos: u8,
    /// Whether to take messages that the broker had kept for whoever subscribes: mostly old news, and again after each
    /// start. Default `false`.
    #[serde(default)]
    pub(crate) retained: bool,
    /// Whom to trust (`ca`, `pin`), and who camhook is (`cert`, `key`), for `mqtts://`.
    #[serde(default)]
    pub(crate) tls: Option<Tls>,
}

fn one() -> u8 {
    1
}

/// One source's subscription, checked.
pub(crate) struct Subscription {
    pub(crate) source: Name,
    pub(crate) address: Address,
    pub(crate) topics: Vec<String>,
    pub(super) client_id: String,
    pub(super) qos: u8,
    pub(super) retained: bool,
    pub(super) tls: Option<Trusted>,
}

impl Subscription {
    /// Mistakes come with the key they are under.
    pub(crate) fn new(
        source: &Name,
        settings: &MqttSettings,
        usual: &[&str],
        tls: Option<Trusted>,
    ) -> Result<Self, Vec<(&'static str, String)>> {
        let mut mistakes = Vec::new();
        let (username, password) = (settings.username.as_deref(), settings.password.as_ref());
        let address = Address::read(&settings.url, username, password)
            .map_err(|error| mistakes.push(("url", error)));
        if let Ok(address) = &address
            && settings.tls.is_some()
            && !address.tls
        {
            let message = "`tls` is for `mqtts://` alone: change the url, or remove this";
            mistakes.push(("tls", message.to_owned()));
        }
        let topics = match settings.topics.as_slice() {
            [] => usual.iter().map(|topic| (*topic).to_owned()).collect(),
            given => given.to_vec(),
        };
        if topics.is_empty() {
            let message = "this kind of source has no topics of its own: say which to take";
            mistakes.push(("topics", message.to_owned()));
        }
        for topic in &topics {
            if let Err(error) = mqtt::check_filter(topic) {
                mistakes.push(("topics", error));
            }
        }
        if settings.qos > 1 {
            mistakes.push(("qos", "expected 0 or 1".to_owned()));
        }
        let client_id = match &settings.client_id {
            Some(id) if id.trim().is_empty() => {
                let message =
                    "without a name the broker keeps nothing: leave it out for the default";
                mistakes.push(("client_id", message.to_owned()));
                String::new()
            }
            Some(id) => id.clone(),
            None => format!("camhook-{source}"),
        };
        match address {
            Ok(address) if mistakes.is_empty() => Ok(Self {
                source: source.clone(),
                address,
                topics,
                client_id,
                qos: settings.qos,
                retained: settings.retained,
                tls,
            }),
            _ => Err(mistakes),
        }
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(super) fn same_as(&self, other: &Self) -> bool {
        let made_of = |one: &Self| one.tls.as_ref().map(|tls| tls.made_of);
        let of = |one: &Self| (one.qos, one.retained, made_of(one));
        self.address.same_as(&other.address)
            && of(self) == of(other)
            && (&self.topics, &self.client_id) == (&other.topics, &other.client_id)
    }

    /// Whether the broker keeps messages for both under one name.
    pub(super) fn same_session(&self, other: &Self) -> bool {
        (&self.address.host, self.address.port, &self.client_id)
            == (&other.address.host, other.address.port, &other.client_id)
    }

    pub(super) fn wants(&self, topic: &str) -> bool {
        self.topics
            .iter()
            .any(|filter| mqtt::matches(filter, topic))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn subscription(
        settings: serde_json::Value,
        usual: &[&str],
    ) -> Result<Subscription, Vec<(&'static str, String)>> {
        let settings: MqttSettings = serde_json::from_value(settings).unwrap();
        Subscription::new(&Name::new("gate").unwrap(), &settings, usual, None)
    }

    #[test]
    fn an_address_is_enough_where_the_kind_knows_its_topics() {
        let subscription = subscription(json!({ "url": "mqtt://host" }), &["frigate/events"])
            .ok()
            .unwrap();
        assert_eq!(subscription.client_id, "camhook-gate");
        assert_eq!((subscription.qos, subscription.retained), (1, false));
        assert!(subscription.wants("frigate/events") && !subscription.wants("frigate/stats"));
    }

    #[test]
    fn every_mistake_is_told_under_its_key() {
        let wrong =
            json!({ "url": "http://host", "topics": ["a/#/b"], "qos": 2, "client_id": " " });
        let mistakes = subscription(wrong, &[]).err().unwrap();
        let keys: Vec<_> = mistakes.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, ["url", "topics", "qos", "client_id"]);
        let mistakes = subscription(json!({ "url": "mqtt://host" }), &[])
            .err()
            .unwrap();
        assert_eq!(mistakes[0].0, "topics");
    }

    #[test]
    fn a_change_of_any_setting_is_a_change() {
        let base = json!({ "url": "mqtt://u@host", "topics": ["a"], "password": "one1" });
        let of = |key: &str, value: serde_json::Value| {
            let mut settings = base.clone();
            settings[key] = value;
            subscription(settings, &[]).ok().unwrap()
        };
        let same = of("qos", json!(1));
        for (key, value) in [
            ("url", json!("mqtt://u@other")),
            ("password", json!("two2")),
            ("topics", json!(["a", "b"])),
            ("client_id", json!("me")),
            ("qos", json!(0)),
            ("retained", json!(true)),
        ] {
            assert!(!same.same_as(&of(key, value)), "{key}");
        }
        assert!(same.same_as(&of("qos", json!(1))));
    }
}
