//! By which name camhook is spoken to, and from which page.
//!
//! A page anywhere on the web can make a browser send requests to an address inside of a network. Two tricks are of
//! concern: a name of the attacker's own that is made to point at camhook's address (DNS rebinding), whose answers the
//! page may read; and requests to camhook's true address that change something, whose answers it cannot read. Against
//! the first, camhook answers only to names that are known to be its own. Against the second, what changes something is
//! refused when the browser tells that it comes from another page.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::header::{HOST, HeaderMap, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::Refusal;

/// A name, in lower case, and a port where it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    name: String,
    port: Option<u16>,
}

impl FromStr for Host {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no name of a machine: expected such as `camhook.example.com` or `gate:8443`"
            )
        };
        // `http` reads `https:` as a name without a port.
        let authority: Authority = match text.ends_with(':') || text.contains(['@', '/', '*']) {
            true => return Err(wrong()),
            false => text.parse().map_err(|_| wrong())?,
        };
        let port = match authority.port() {
            None => None,
            Some(_) => Some(authority.port_u16().ok_or_else(wrong)?),
        };
        let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
        match name.is_empty() {
            true => Err(wrong()),
            false => Ok(Self { name, port }),
        }
    }
}

impl Host {
    fn address(&self) -> Option<IpAddr> {
        let bare = self.name.trim_start_matches('[').trim_end_matches(']');
        bare.parse()
            .ok()
            .map(|address: IpAddr| address.to_canonical())
    }
}

impl<'de> Deserialize<'de> for Host {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Host {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Host".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "a name such as `camhook.example.com`, or `gate:8443`" })
    }
}

/// The names that are this camhook's own.
pub(super) struct Hosts {
    bound: IpAddr,
    machine: Option<String>,
    further: Vec<Host>,
}

impl Hosts {
    pub(super) fn new(bound: SocketAddr, further: Vec<Host>) -> Self {
        let uname = rustix::system::uname();
        let machine = uname.nodename().to_str().ok();
        Self {
            bound: bound.ip().to_canonical(),
            machine: machine
                .filter(|name| !name.is_empty())
                .map(str::to_ascii_lowercase),
            further,
        }
    }

    /// # Errors
    /// When the request is for another name than camhook's, or for none.
    pub(super) fn check(&self, head: &Parts) -> Result<(), Refusal> {
        let mut named = head.headers.get_all(HOST).iter();
        let header = named.next().map(|value| value.to_str().unwrap_or_default());
        if named.next().is_some() {
            return Err(Refusal::bad("one Host header is needed, there are several"));
        }
        let in_uri = head.uri.authority().map(Authority::as_str);
        let told: Vec<&str> = header.into_iter().chain(in_uri).collect();
        if told.is_empty() {
            return Err(Refusal::bad("a Host header is needed"));
        }
        for text in told {
            if !text.parse().is_ok_and(|host| self.is_own(&host)) {
                return Err(Refusal::foreign_host(text));
            }
        }
        Ok(())
    }

    fn is_own(&self, host: &Host) -> bool {
        let listed = |known: &Host| {
            known.name == host.name && (known.port.is_none() || known.port == host.port)
        };
        if self.further.iter().any(listed) {
            return true;
        }
        if let Some(address) = host.address() {
            // No name was looked up, so none was bent.
            return address.is_loopback() || self.bound.is_unspecified() || address == self.bound;
        }
        let is_machine = |name: &String| {
            host.name == *name || host.name.strip_suffix(".local") == Some(name.as_str())
        };
        host.name == "localhost"
            || host.name.ends_with(".localhost")
            || self.machine.as_ref().is_some_and(is_machine)
    }

    /// For what changes something.
    ///
    /// # Errors
    /// When a browser tells that a page from elsewhere asks.
    pub(super) fn check_origin(&self, head: &Parts) -> Result<(), Refusal> {
        let site = text(&head.headers, "sec-fetch-site");
        if !matches!(site, None | Some("same-origin" | "none")) {
            return Err(Refusal::foreign_origin(site.unwrap_or_default()));
        }
        for origin in head.headers.get_all(ORIGIN) {
            let origin = origin.to_str().unwrap_or_default();
            if !self.is_own_page(origin, head) {
                return Err(Refusal::foreign_origin(origin));
            }
        }
        Ok(())
    }

    /// A page of the host that is asked, port and all: another port of the same machine is another's page.
    fn is_own_page(&self, origin: &str, head: &Parts) -> bool {
        let Some((scheme, rest)) = origin.split_once("://") else {
            return false; // `null`, for one
        };
        let usual = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return false,
        };
        let Ok(page) = rest.parse::<Host>() else {
            return false;
        };
        let port = page.port.unwrap_or(usual);
        let asked = text(&head.headers, HOST.as_str()).and_then(|text| text.parse::<Host>().ok());
        let same = |asked: &Host| asked.name == page.name && asked.port.unwrap_or(usual) == port;
        // A proxy in front may call camhook by another name than the browser calls the proxy.
        let listed = |known: &Host| known.name == page.name && known.port.unwrap_or(usual) == port;
        asked.as_ref().is_some_and(same) || self.further.iter().any(listed)
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    Some(headers.get(name)?.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(bound: &str) -> Hosts {
        let mut hosts = Hosts::new(
            bound.parse().unwrap(),
            vec![
                "Cam.example.com".parse().unwrap(),
                "gate:8443".parse().unwrap(),
            ],
        );
        hosts.machine = Some("gate-pc".to_owned());
        hosts
    }

    fn head(host: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::post("/").header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn answers_to_its_own_names_only() {
        let own = "localhost:9001 LOCALHOST a.localhost 127.0.0.1:9001 127.9.9.9 [::1]:9001 [::ffff:127.0.0.1] gate-pc \
                   gate-pc.local:9001 cam.example.com cam.example.com.:80 gate:8443";
        let foreign = "evil.example localhost.evil.example 127.0.0.1.evil.example gate gate:80 x.cam.example.com \
                       gate-pc.evil.example a@localhost 2130706433 localhost/ [::1";
        let on_this_machine = hosts("127.0.0.1:9001");
        let check = |hosts: &Hosts, host| hosts.check(&head(host, &[])).is_ok();
        for host in own.split_whitespace() {
            assert!(check(&on_this_machine, host), "{host}");
        }
        for host in foreign.split_whitespace().chain([""]) {
            assert!(!check(&on_this_machine, host), "{host}");
            assert!(!check(&hosts("0.0.0.0:9001"), host), "{host}");
        }
        for (bound, fits) in [
            ("127.0.0.1:1", false),
            ("10.0.0.5:1", true),
            ("10.0.0.6:1", false),
            ("0.0.0.0:1", true),
            ("[::]:1", true),
        ] {
            assert_eq!(check(&hosts(bound), "10.0.0.5:9001"), fits, "{bound}");
        }
    }

    #[test]
    fn refuses_several_hosts_and_looks_at_the_one_in_the_address_too() {
        let hosts = hosts("127.0.0.1:9001");
        assert!(
            hosts
                .check(&head("localhost", &[("host", "localhost")]))
                .is_err()
        );
        let request = http::Request::get("http://evil.example/").header("host", "localhost");
        let (head, ()) = request.body(()).unwrap().into_parts();
        assert!(hosts.check(&head).is_err());
    }

    #[test]
    fn what_changes_something_comes_from_its_own_pages() {
        let hosts = hosts("127.0.0.1:9001");
        let check =
            |host, headers: &[(&str, &str)]| hosts.check_origin(&head(host, headers)).is_ok();
        assert!(check("localhost:9001", &[]));
        assert!(check(
            "localhost:9001",
            &[("sec-fetch-site", "same-origin")]
        ));
        for (host, origin, fits) in [
            ("localhost:9001", "http://localhost:9001", true),
            ("localhost:9001", "http://LOCALHOST:9001", true),
            ("localhost:9001", "http://localhost:3000", false),
            ("localhost:9001", "http://localhost", false),
            ("localhost:9001", "http://127.0.0.1:9001", false),
            ("localhost:9001", "null", false),
            ("localhost:9001", "http://evil.example", false),
            (
                "localhost:9001",
                "http://localhost:9001.evil.example",
                false,
            ),
            ("localhost:9001", "http://evil@localhost:9001", false),
            ("127.0.0.1:9001", "https://cam.example.com", true),
            ("127.0.0.1:9001", "https://cam.example.com:444", false),
            ("127.0.0.1:9001", "https://gate:8443", true),
            ("cam.example.com", "https://cam.example.com", true),
            ("[::1]:9001", "http://[::1]:9001", true),
            ("localhost:9001", "file://", false),
            ("localhost:9001", "chrome-extension://localhost:9001", false),
        ] {
            assert_eq!(check(host, &[("origin", origin)]), fits, "{host} {origin}");
        }
        for site in ["cross-site", "same-site", "anything"] {
            let headers = [
                ("sec-fetch-site", site),
                ("origin", "http://localhost:9001"),
            ];
            assert!(!check("localhost:9001", &headers), "{site}");
        }
        let two = [
            ("origin", "http://localhost:9001"),
            ("origin", "http://evil.example"),
        ];
        assert!(!check("localhost:9001", &two));
    }
}
