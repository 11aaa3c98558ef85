//! Sends messages to an MQTT broker: one connection for each target, kept.
//!
//! A message of QoS 1 is delivered when the broker has confirmed it. MQTT 3.1.1 has no way to refuse a message: a broker
//! whose access list forbids the topic confirms it all the same, or ends the connection.

mod link;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::http::{Tls, Trusted};
use super::{Mistakes, Report, Target};
use crate::clock::Clock;
use crate::event::DeliveryId;
use crate::fate::Verdict;
use crate::mqtt::{Address, check_topic};
use crate::payload::Payload;
use crate::secret::Secret;
use crate::tasks::Tasks;
use crate::units::Span;

use link::{Link, Options, Order};

/// How a broker is reached.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The broker: `mqtt://host:1883`, or `mqtts://host:8883` with TLS; `user:password@` may stand before the host.
    pub(crate) url: String,
    /// Who camhook is to the broker.
    #[serde(default)]
    pub(crate) username: Option<String>,
    /// Best as `${NAME}` or `${file:PATH}`.
    #[serde(default)]
    pub(crate) password: Option<Secret>,
    /// What camhook calls itself at the broker, which throws out one of two with the same name. Default: a new name
    /// each time.
    #[serde(default)]
    pub(crate) client_id: Option<String>,
    /// A topic that always tells whether camhook is connected.
    #[serde(default)]
    pub(crate) status: Option<Status>,
    /// How long the broker may take to confirm a message. Default `30s`.
    #[serde(default)]
    pub(crate) timeout: Option<Span>,
    /// Whom to trust (`ca`, `pin`), and who camhook is (`cert`, `key`), for `mqtts://`.
    #[serde(default)]
    pub(crate) tls: Option<Tls>,
}

/// What is published, retained, when camhook connects and when it goes; the broker itself publishes the latter when
/// camhook is gone without a goodbye.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Status {
    /// Such as `camhook/status`.
    pub(crate) topic: String,
    /// Default `online`.
    #[serde(default = "online")]
    pub(crate) online: String,
    /// Default `offline`.
    #[serde(default = "offline")]
    pub(crate) offline: String,
}

fn online() -> String {
    "online".to_owned()
}

fn offline() -> String {
    "offline".to_owned()
}

const TIMEOUT: Duration = Duration::from_secs(30);
/// No setting makes an attempt longer.
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);

/// One broker.
pub(crate) struct MqttTarget {
    link: Arc<Link>,
    timeout: Duration,
}

impl MqttTarget {
    pub(crate) fn new(settings: &Settings, tls: Trusted, clock: &Clock) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::new();
        let (username, password) = (settings.username.as_deref(), settings.password.as_ref());
        let address = Address::read(&settings.url, username, password)
            .map_err(|error| mistakes.push((vec!["url".to_owned()], error)));
        if let Ok(address) = &address
            && settings.tls.is_some()
            && !address.tls
        {
            let message = "`tls` is for `mqtts://` alone: change the url, or remove this";
            mistakes.push((vec!["tls".to_owned()], message.to_owned()));
        }
        if let Some(status) = &settings.status
            && let Err(error) = check_topic(&status.topic)
        {
            mistakes.push((vec!["status".to_owned(), "topic".to_owned()], error));
        }
        match address {
            Ok(address) if mistakes.is_empty() => Ok(Self {
                link: Link::to(Options {
                    address,
                    tls,
                    client_id: settings.client_id.clone(),
                    status: settings.status.clone(),
                    clock: clock.clone(),
                }),
                timeout: settings
                    .timeout
                    .map_or(TIMEOUT, |span| span.0.min(TIMEOUT_MAX)),
            }),
            _ => Err(mistakes),
        }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> (String, u16) {
        let address = &self.link.options().address;
        (address.host.clone(), address.port)
    }
}

impl Target for MqttTarget {
    fn begin(&self, tasks: &Tasks) {
        self.link.begin(tasks);
    }

    fn send(
        &self,
        _: DeliveryId,
        payload: Payload,
    ) -> Pin<Box<dyn Future<Output = Report> + Send + '_>> {
        Box::pin(async move {
            let Payload::Mqtt(messages) = payload else {
                return Report::misrouted("mqtt");
            };
            let sending = async {
                for message in messages {
                    let (done, told) = oneshot::channel();
                    let outcome = match self.link.order(Order { message, done }).await {
                        true => told.await.ok()?,
                        false => return None,
                    };
                    if outcome.is_err() {
                        return Some(outcome);
                    }
                }
                Some(Ok(()))
            };
            match timeout(self.timeout, sending).await {
                Ok(Some(Ok(()))) => Report::delivered(),
                Ok(Some(Err(failure))) if failure.lasting => Report::failed(
                    Verdict::Hold,
                    format!(
                        "{}: nothing more is sent until this is mended",
                        failure.reason
                    ),
                ),
                Ok(Some(Err(failure))) => Report::try_again(failure.reason),
                Ok(None) => Report::try_again("the connection to the broker ended".to_owned()),
                Err(_) => {
                    let seconds = self.timeout.as_secs_f64();
                    Report::try_again(format!("the broker did not confirm within {seconds} s"))
                }
            }
        })
    }
}
