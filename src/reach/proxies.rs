//! Where a request comes from, as far as the connection and the proxies in between tell.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// Proxies in a row that are looked at.
const HOPS_MAX: usize = 32;

/// A network, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network(IpNet);

/// In which header reverse proxies tell whom they speak for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ForwardedBy {
    /// `X-Forwarded-For: client, proxy`.
    #[default]
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy` (RFC 7239).
    Forwarded,
}

/// Whose word on where a request comes from is believed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies {
    pub(crate) trusted: Vec<Network>,
    pub(crate) header: ForwardedBy,
}

impl Proxies {
    /// The address that the request comes from: `peer`, or behind trusted proxies the last hop that is none of them. Each
    /// proxy adds to the end of the list, so it is read from there; what stands before the first stranger may be invented.
    pub(crate) fn sender(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let is_trusted = |address| self.trusted.iter().any(|network| network.contains(address));
        if !is_trusted(peer) {
            return peer;
        }
        let name = match self.header {
            ForwardedBy::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            ForwardedBy::Forwarded => FORWARDED,
        };
        let mut sender = peer;
        let lines: Vec<_> = headers.get_all(name).iter().collect();
        let hops = lines.into_iter().rev().flat_map(|line| {
            let line = line.to_str().unwrap_or("?"); // no address, so it ends the search
            line.rsplit(',')
        });
        for hop in hops.take(HOPS_MAX) {
            let hop = match self.header {
                ForwardedBy::XForwardedFor => Some(hop),
                ForwardedBy::Forwarded => speaks_for(hop),
            };
            let Some(address) = hop.and_then(address) else {
                break; // hidden or unreadable: whoever is behind is not known, so the proxy counts
            };
            sender = address;
            if !is_trusted(address) {
                break;
            }
        }
        sender
    }
}

impl Network {
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for Network {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.parse()
            .or_else(|_| text.parse().map(|address: IpAddr| address.into()))
            .map(Self)
            .map_err(|_| {
                format!("`{text}` is no network: expected such as `10.0.0.0/8` or `192.0.2.7`")
            })
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Network {
    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "an address or a network such as `10.0.0.0/8`" })
    }
}

/// The value of `for` in one element of `Forwarded`. Addresses hold no commas and semicolons, so quotes need no care.
fn speaks_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value)
    })
}

/// An address with or without port, brackets and quotes.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse::<IpAddr>();
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    Some(address.or_else(|_| with_port()).ok()?.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn proxies(header: ForwardedBy) -> Proxies {
        let trusted = ["10.0.0.0/8", "::1"].map(|network| network.parse().unwrap());
        Proxies {
            trusted: trusted.to_vec(),
            header,
        }
    }

    fn sender(peer: &str, header: ForwardedBy, name: &'static str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_bytes(line.as_bytes()).unwrap();
            headers.append(name, value);
        }
        let sender = proxies(header).sender(peer.parse().unwrap(), &headers);
        sender.to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let told = |peer, lines: &[&str]| {
            sender(peer, ForwardedBy::XForwardedFor, "x-forwarded-for", lines)
        };
        assert_eq!(told("192.0.2.1", &["10.9.9.9"]), "192.0.2.1");
        assert_eq!(told("10.0.0.1", &["192.0.2.9"]), "192.0.2.9");
        assert_eq!(told("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn the_last_hop_that_is_not_trusted_counts_however_much_stands_before_it() {
        let told = |lines: &[&str]| {
            sender(
                "10.0.0.1",
                ForwardedBy::XForwardedFor,
                "x-forwarded-for",
                lines,
            )
        };
        assert_eq!(
            told(&["10.0.0.7, 192.0.2.9, 10.0.0.3 ,10.0.0.2"]),
            "192.0.2.9"
        );
        assert_eq!(told(&["10.0.0.7, 192.0.2.9", "10.0.0.3"]), "192.0.2.9");
        assert_eq!(told(&["10.0.0.7"]), "10.0.0.7", "all of them are trusted");
        assert_eq!(told(&["192.0.2.9:4711"]), "192.0.2.9");
        assert_eq!(told(&["[2001:db8::9]:4711"]), "2001:db8::9");
        assert_eq!(told(&["::ffff:192.0.2.9"]), "192.0.2.9");
    }

    #[test]
    fn what_is_no_address_makes_the_proxy_count() {
        let told = |lines: &[&str]| {
            sender(
                "10.0.0.1",
                ForwardedBy::XForwardedFor,
                "x-forwarded-for",
                lines,
            )
        };
        for line in [
            "unknown",
            "",
            "10.0.0.7, gate, ",
            "192.0.2.9, é",
            "1.2.3.4.5",
        ] {
            assert_eq!(told(&[line]), "10.0.0.1", "{line}");
        }
        assert_eq!(told(&["192.0.2.9, unknown, 10.0.0.4"]), "10.0.0.4");
        let endless = "10.0.0.5,".repeat(100_000) + "10.0.0.6";
        assert_eq!(told(&[&endless]), "10.0.0.5");
    }

    #[test]
    fn one_header_is_believed_and_the_other_is_not() {
        let told = |line: &str| sender("::1", ForwardedBy::Forwarded, "forwarded", &[line]);
        assert_eq!(told("for=192.0.2.9;proto=http;by=10.0.0.1"), "192.0.2.9");
        assert_eq!(
            told(r#"For="[2001:db8::9]:4711", for=10.0.0.1"#),
            "2001:db8::9"
        );
        assert_eq!(told("for=_hidden"), "::1");
        assert_eq!(told("proto=https"), "::1");
        let other = sender(
            "::1",
            ForwardedBy::Forwarded,
            "x-forwarded-for",
            &["192.0.2.9"],
        );
        assert_eq!(other, "::1");
    }
}
