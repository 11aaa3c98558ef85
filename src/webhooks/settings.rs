//! What users can set of webhooks that are made over the API.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::reach::{Reach, Words};
use crate::units::Span;

/// The interface of FindFace Lite for its clients: `POST /v1/auth/login`, and `/v1/webhooks/` to make, list, read, change and
/// delete webhooks. Without this key there is none.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "AdminFindFace")]
pub(crate) struct Settings {
    /// The only hosts that webhooks may call: host names, addresses and networks, such as `vms.example`, `"10.0.0.5:8443"`,
    /// `*.clients.example` (every name below it) or `"10.1.0.0/16:8080"`. Without a port: 80 for http, 443 for https. Default:
    /// none, so that no webhook can be made.
    pub(crate) hosts: Vec<String>,
    /// Networks that are not public, in which the names among `hosts` may have their addresses, such as `10.0.0.0/8` or
    /// `10.0.0.5`. Default: none. Addresses and networks among `hosts` permit themselves, not names.
    pub(crate) networks: Vec<String>,
    /// How long the token of a login lasts. Default `12h`.
    pub(crate) session: Span,
    /// How many webhooks there may be. Default 100.
    pub(crate) most: u32,
    /// A webhook's message is given up so long after it was planned, however many attempts its `send_attempts` allows; `0s` is
    /// never. Default `5d`.
    pub(crate) give_up_after: Span,
    /// Where clients reach this camhook, such as `https://camhook.example:9001`: addresses of pictures in messages begin with
    /// it. Default: they have no host, as FindFace writes them without `EXTERNAL_ADDRESS`.
    pub(crate) external_address: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            networks: Vec::new(),
            session: Span(Duration::from_secs(12 * 3600)),
            most: 100,
            give_up_after: Span(Duration::from_secs(5 * 86_400)),
            external_address: None,
        }
    }
}

/// Keeps what is set within reason: each webhook is a target with a worker, and is asked about every event.
const MOST: u32 = 1000;
const SESSION_MIN: Duration = Duration::from_secs(60);

const WORDS: Words = Words {
    hosts: "admin.findface.hosts",
    networks: "admin.findface.networks",
};

impl Settings {
    /// Where webhooks may call; none when the settings are wrong.
    pub(crate) fn reach(&self) -> Option<Reach> {
        Reach::new(&self.hosts, &self.networks, WORDS).ok()
    }

    /// The way to what is wrong, and what is.
    pub(crate) fn mistakes(&self) -> Vec<(Vec<String>, String)> {
        let mut found = Vec::new();
        if let Err(all) = Reach::new(&self.hosts, &self.networks, WORDS) {
            found.extend(all.into_iter().map(|(in_networks, n, message)| {
                let key = if in_networks { "networks" } else { "hosts" };
                (vec![key.to_owned(), n.to_string()], message)
            }));
        }
        if self.session.0 < SESSION_MIN {
            let message = "a login must last a minute at least".to_owned();
            found.push((vec!["session".to_owned()], message));
        }
        if !(1..=MOST).contains(&self.most) {
            found.push((vec!["most".to_owned()], format!("expected 1 to {MOST}")));
        }
        let address = self.external_address.as_deref().map(Url::parse);
        let fine = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.query().is_none()
                && url.host().is_some()
        };
        if address.is_some_and(|url| !url.as_ref().is_ok_and(fine)) {
            let message = "this is no address: expected such as `https://camhook.example:9001`";
            found.push((vec!["external_address".to_owned()], message.to_owned()));
        }
        found
    }
}
