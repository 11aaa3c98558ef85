//! Where a camhook listens, and how it tells that.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::certificates::Certificates;
use crate::admin;
use crate::config::Config;
use crate::server::Server;

/// Where a camhook listens.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    pub(super) server: Address,
    /// HTTPS beside plain HTTP.
    pub(super) second: Option<Address>,
    pub(super) admin: Address,
    /// Paths of the sources and their kinds.
    sources: Vec<(String, &'static str)>,
    /// What is heard from brokers, in words, and the sources' kinds.
    heard: Vec<(String, &'static str)>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Address {
    address: SocketAddr,
    secured: bool,
}

impl Address {
    pub(super) fn port(self) -> u16 {
        self.address.port()
    }

    pub(super) fn is_secured(self) -> bool {
        self.secured
    }

    pub(super) fn is_loopback(self) -> bool {
        self.address.ip().is_loopback()
    }

    /// To reach it from this machine.
    pub(super) fn url(self) -> String {
        url(self.address, self.secured)
    }
}

impl Addresses {
    pub(super) fn of(
        config: &Config,
        server: &Server,
        listener: &admin::Listener,
        certificates: &Certificates,
    ) -> Self {
        Self {
            server: Address {
                address: server.address(),
                secured: certificates.server.is_some() && server.second_address().is_none(),
            },
            second: server.second_address().map(|address| Address {
                address,
                secured: true,
            }),
            admin: Address {
                address: listener.address(),
                secured: certificates.admin.is_some(),
            },
            sources: config
                .sources
                .iter()
                .filter_map(|source| Some((source.path.clone()?, source.source.kind())))
                .collect(),
            heard: heard(config),
        }
    }

    /// The lines that tell a user where to post and where to look.
    pub(super) fn greeting(&self, config: &Path) -> String {
        let Addresses {
            server,
            second,
            sources,
            heard,
            ..
        } = self;
        let base = server.url();
        let mut lines = vec![format!("camhook {}", env!("CARGO_PKG_VERSION"))];
        for (n, (path, kind)) in sources.iter().enumerate() {
            let word = if n == 0 { "post to" } else { "" };
            let kind = if *kind == "auto" { "any vendor" } else { kind };
            let url = format!("{}{path}", base);
            lines.push(format!("  {word:<8} {url:<40} {kind}"));
        }
        for (n, (broker, kind)) in heard.iter().enumerate() {
            let word = if n == 0 { "hears" } else { "" };
            lines.push(format!("  {word:<8} {broker:<40} {kind}"));
        }
        if let Some(second) = second {
            let url = format!("{}/…", second.url());
            lines.push(format!("  or over TLS {url:<37} the same paths"));
        }
        if server.address.ip().is_unspecified() {
            lines.push(format!(
                "           from other machines: this machine's address, port {}",
                server.address.port()
            ));
        }
        lines.push(format!("  look at  {}", self.admin.url()));
        lines.push(format!("  config   {}", config.display()));
        lines.join("\n")
    }
}

/// Where to reach a listener from this machine.
pub(crate) fn url(listen: SocketAddr, secured: bool) -> String {
    let scheme = if secured { "https" } else { "http" };
    format!("{scheme}://{}", reachable(listen))
}

pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Brokers and topics, as the greeting tells them.
fn heard(config: &Config) -> Vec<(String, &'static str)> {
    let sources = config.sources.iter().filter_map(|source| {
        let mqtt = source.mqtt.as_ref()?;
        let told = format!("{} {}", mqtt.address, mqtt.topics.join(" "));
        Some((told, source.source.kind()))
    });
    sources.collect()
}
