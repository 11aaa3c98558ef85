//! One entry of a list of hosts: a name, all names below one, an address or a network, each with its port.

use std::net::IpAddr;

use ipnet::IpNet;
use url::{Host, Url};

use super::range;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    what: What,
    /// `None` is the scheme's own.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    /// As a URL has it: in lower case, Unicode as punycode.
    Name(String),
    /// Every name that ends so; it begins with a dot.
    Below(String),
    Network(IpNet),
}

impl Place {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no host: expected such as `ff.example`, `*.cams.example`, `10.0.0.5:8443` or `10.1.0.0/16`"
            )
        };
        if let Some((network, port)) = network_and_port(text) {
            let what = What::Network(network);
            return Ok(Self { what, port });
        }
        let (below, host) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if host.is_empty() || host.contains(['/', '@', '?', '#', '*', '\\', ' ', '%']) {
            return Err(wrong());
        }
        let as_url = |scheme: &str| Url::parse(&format!("{scheme}://{host}/"));
        let (http, https) = (
            as_url("http").map_err(|_| wrong())?,
            as_url("https").map_err(|_| wrong())?,
        );
        // A URL leaves out the port that is its scheme's own; it cannot be that of both.
        let port = http.port().or(https.port());
        let what = match (http.host(), below) {
            (Some(Host::Domain(name)), false) => What::Name(name.to_owned()),
            (Some(Host::Domain(name)), true) => What::Below(format!(".{name}")),
            (Some(Host::Ipv4(address)), false) => What::Network(IpAddr::from(address).into()),
            (Some(Host::Ipv6(address)), false) => What::Network(IpAddr::from(address).into()),
            _ => return Err(wrong()),
        };
        Ok(Self { what, port })
    }

    pub(super) fn takes(&self, url: &Url) -> bool {
        let usual = match url.scheme() {
            "http" => 80,
            _ => 443,
        };
        let within = |network: &IpNet, address: IpAddr| {
            network.contains(&address) || network.contains(&range::plain(address))
        };
        let is_there = match (&self.what, url.host()) {
            (What::Name(own), Some(Host::Domain(name))) => own == name,
            (What::Below(own), Some(Host::Domain(name))) => {
                name.len() > own.len() && name.ends_with(own)
            }
            (What::Network(own), Some(Host::Ipv4(address))) => within(own, address.into()),
            (What::Network(own), Some(Host::Ipv6(address))) => within(own, address.into()),
            _ => false,
        };
        is_there && url.port_or_known_default() == Some(self.port.unwrap_or(usual))
    }
}

/// A network, or one address.
pub(super) fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    let network = text
        .parse()
        .or_else(|_| text.parse().map(|address: IpAddr| address.into()));
    network.ok()
}

/// `10.1.0.0/16`, `10.1.0.0/16:8080`, `fd00::/8`, `[fd00::/8]:8080`.
fn network_and_port(text: &str) -> Option<(IpNet, Option<u16>)> {
    if !text.contains('/') {
        return None;
    }
    if let Ok(network) = text.parse() {
        return Some((network, None));
    }
    let (network, port) = text.rsplit_once(':')?;
    let bare = network
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let network: IpNet = bare.unwrap_or(network).parse().ok()?;
    let bracketed = bare.is_some() == network.network().is_ipv6();
    Some((network, Some(port.parse().ok()?))).filter(|_| bracketed)
}
