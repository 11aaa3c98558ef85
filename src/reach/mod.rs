//! Reach: which hosts may be connected to when somebody else than the config names them.
//!
//! An event may tell an address: of a picture to be fetched, of the camera that is to be called back. Whoever can send an
//! event would then choose where camhook, which stands in the LAN, connects to. So such an address is taken only if the
//! config lists its host, and that is asked twice. Before anything is sent, the host as it is written, after the URL
//! has turned its many spellings (`0x7f.1`, `①②⑦.0.0.1`, `[::ffff:7f00:1]`) into one. And when the connection is made, the
//! addresses that the name has at that moment, the very ones that are then connected to: a name that changes between two
//! questions finds no gap between them. Private, loopback and link-local addresses, where the camera LAN and the
//! metadata of clouds are, need a permission of their own.
//!
//! What the config itself names is not asked about: most systems that camhook delivers to are in the same LAN.
//!
//! The other way round, [`Proxies`] says from where somebody reaches camhook: the listeners, which do not know each other, ask it.

mod place;
mod proxies;
mod range;

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use url::{Host, Url};

pub(crate) use proxies::{ForwardedBy, Network, Proxies};

use place::Place;

/// Where may be connected to.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    places: Vec<Place>,
    /// Networks that names may have their addresses in, though they are not public.
    networks: Vec<IpNet>,
    /// A host that the config names itself.
    named: Option<String>,
    words: Words,
}

/// How the settings are called in what users are told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    pub(crate) hosts: &'static str,
    pub(crate) networks: &'static str,
}

/// Why a host is not connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the address is {0}:, not http or https")]
    Scheme(String),
    #[error("the host {host} is not among `{setting}`")]
    Unlisted { host: String, setting: &'static str },
    #[error(
        "the host {host} has the address {address}, {range}; if it may be connected to, add `\"{address}\"` or its network to `{setting}`"
    )]
    Private {
        host: String,
        address: IpAddr,
        range: &'static str,
        setting: &'static str,
    },
}

impl Reach {
    /// # Errors
    /// What is wrong, with whether it is among `networks`, and at which place.
    pub(crate) fn new(
        hosts: &[String],
        networks: &[String],
        words: Words,
    ) -> Result<Self, Vec<(bool, usize, String)>> {
        let mut wrong = Vec::new();
        let mut places = Vec::new();
        for (n, text) in hosts.iter().enumerate() {
            match Place::parse(text) {
                Ok(place) => places.push(place),
                Err(message) => wrong.push((false, n, message)),
            }
        }
        let mut nets = Vec::new();
        for (n, text) in networks.iter().enumerate() {
            match place::network(text) {
                Some(network) => nets.push(network),
                None => wrong.push((
                    true,
                    n,
                    format!(
                        "`{text}` is no network: expected such as `10.1.0.0/16`, or an address"
                    ),
                )),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Self {
            places,
            networks: nets,
            named: None,
            words,
        })
    }

    /// Besides, the host of this address, wherever it is: the config names it.
    pub(crate) fn and_named(mut self, url: Option<&Url>) -> Self {
        self.named = url.and_then(Url::host_str).map(str::to_owned);
        self
    }

    /// Whether this address may be asked, as far as that can be told before its name is looked up.
    ///
    /// # Errors
    /// When it may not.
    pub(crate) fn check(&self, url: &Url) -> Result<(), Refused> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::Scheme(url.scheme().to_owned()));
        }
        if self.places.iter().any(|place| place.takes(url)) {
            return Ok(()); // an address that is listed as such is permitted by that
        }
        Err(Refused::Unlisted {
            host: told(url),
            setting: self.words.hosts,
        })
    }

    /// Those of a name's addresses that may be connected to.
    ///
    /// # Errors
    /// When there are some, and none may be.
    pub(crate) fn permitted(
        &self,
        name: &str,
        found: impl IntoIterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Refused> {
        let mut permitted = Vec::new();
        let mut refused = None;
        for address in found {
            match self.refusal(name, address.ip()) {
                None => permitted.push(address),
                Some(why) => refused = refused.or(Some(why)),
            }
        }
        match refused {
            Some(refused) if permitted.is_empty() => Err(refused),
            _ => Ok(permitted),
        }
    }

    fn refusal(&self, name: &str, address: IpAddr) -> Option<Refused> {
        let plain = range::plain(address);
        let range = range::special(plain)?;
        let listed = |network: &IpNet| network.contains(&plain) || network.contains(&address);
        let permitted = self.named.as_deref() == Some(name) || self.networks.iter().any(listed);
        (!permitted).then(|| Refused::Private {
            host: name.to_owned(),
            address: plain,
            range,
            setting: self.words.networks,
        })
    }
}

/// The host with its port; the rest of an address may hold a token.
pub(crate) fn told(url: &Url) -> String {
    let host = match url.host() {
        Some(Host::Domain("")) | None => "nowhere".to_owned(),
        Some(host) => host.to_string(),
    };
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

#[cfg(test)]
mod tests;
