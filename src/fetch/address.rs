//! Addresses of pictures: which of them may be asked, decided by the host alone and before anything is sent.

use reqwest::Url;

/// A host that may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    /// As a URL has it: in lower case, an IPv6 address in brackets.
    name: String,
    /// `None` is the scheme's own.
    port: Option<u16>,
}

/// Where pictures may be fetched from.
pub(super) struct Allowed {
    pub(super) hosts: Vec<Host>,
    pub(super) base: Option<Url>,
}

impl Host {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no host: expected such as `ff.example` or `10.0.0.5:8443`");
        if text.is_empty() || text.contains(['/', '@', '?', '#', '*', '\\', ' ', '%']) {
            return Err(wrong());
        }
        let as_url = |scheme: &str| Url::parse(&format!("{scheme}://{text}/"));
        let (http, https) = (
            as_url("http").map_err(|_| wrong())?,
            as_url("https").map_err(|_| wrong())?,
        );
        let name = http.host_str().ok_or_else(wrong)?.to_owned();
        // A URL leaves out the port that is its scheme's own; it cannot be that of both.
        let port = http.port().or(https.port());
        Ok(Self { name, port })
    }

    fn of(url: &Url) -> Option<Self> {
        Some(Self {
            name: url.host_str()?.to_owned(),
            port: url.port_or_known_default(),
        })
    }

    fn takes(&self, url: &Url) -> bool {
        let usual = match url.scheme() {
            "http" => 80,
            _ => 443,
        };
        url.host_str() == Some(&self.name)
            && url.port_or_known_default() == Some(self.port.unwrap_or(usual))
    }
}

/// The base that relative addresses count from: always a folder, so that what is below it stays below it.
pub(super) fn base(text: &str) -> Result<Url, String> {
    let wrong = || format!("`{text}` is no base: expected such as `https://kipod.example`");
    let mut url = Url::parse(text).map_err(|_| wrong())?;
    let plain = url.query().is_none() && url.fragment().is_none();
    if !["http", "https"].contains(&url.scheme()) || !url.has_host() || !plain {
        return Err(wrong());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials do not belong into `base`: put them into `headers`".to_owned());
    }
    if !url.path().ends_with('/') {
        let folder = format!("{}/", url.path());
        url.set_path(&folder);
    }
    Ok(url)
}

impl Allowed {
    /// The whole address, if it may be asked.
    pub(super) fn resolve(&self, address: &str) -> Result<Url, String> {
        let url = match (Url::parse(address.trim()), &self.base) {
            (Err(url::ParseError::RelativeUrlWithoutBase), Some(base)) => base.join(address.trim()),
            (Err(url::ParseError::RelativeUrlWithoutBase), None) => {
                return Err("its address is relative; set `fetch: { base }`".to_owned());
            }
            (parsed, _) => parsed,
        };
        let url = url.map_err(|_| "its address is no URL".to_owned())?;
        self.check(&url)?;
        Ok(url)
    }

    pub(super) fn check(&self, url: &Url) -> Result<(), String> {
        if !["http", "https"].contains(&url.scheme()) {
            return Err(format!(
                "its address is {}:, not http or https",
                url.scheme()
            ));
        }
        let base = self.base.as_ref().and_then(Host::of);
        if self.hosts.iter().chain(&base).any(|host| host.takes(url)) {
            return Ok(());
        }
        Err(format!(
            "the host {} is not among `fetch: {{ hosts }}`",
            told(url)
        ))
    }
}

/// The host with its port; the rest of an address may hold a token.
pub(super) fn told(url: &Url) -> String {
    let host = url.host_str().unwrap_or("nowhere");
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(hosts: &[&str], base: Option<&str>) -> Allowed {
        Allowed {
            hosts: hosts
                .iter()
                .map(|host| Host::parse(host).unwrap())
                .collect(),
            base: base.map(|text| super::base(text).unwrap()),
        }
    }

    #[test]
    fn only_exact_hosts_and_ports_are_allowed() {
        let allowed = allowed(
            &["ff.example", "10.0.0.5:8443", "[::1]:80", "a.example:443"],
            None,
        );
        for address in [
            "http://ff.example/a.jpg",
            "https://FF.example/a.jpg?x=1",
            "http://ff.example:80/a.jpg",
            "https://10.0.0.5:8443/",
            "http://10.0.0.5:8443/",
            "http://[::1]/a",
            "https://a.example/a",
        ] {
            assert!(allowed.resolve(address).is_ok(), "{address}");
        }
        for address in [
            "http://ff.example:8080/a.jpg",
            "http://x.ff.example/a.jpg",
            "http://ff.example.evil/a.jpg",
            "http://ff.example@evil/a.jpg",
            "http://evil/ff.example",
            "http://10.0.0.5/",
            "http://a.example/a",
            "ftp://ff.example/a",
            "file:///etc/passwd",
            "data:image/png;base64,AAAA",
            "//ff.example/a.jpg",
            "a.jpg",
            "",
            "http://",
        ] {
            assert!(allowed.resolve(address).is_err(), "{address}");
        }
    }

    #[test]
    fn a_base_resolves_relative_addresses_and_allows_its_own_host_only() {
        let allowed = allowed(&[], Some("https://kipod.example:8443/api"));
        for (address, whole) in [
            ("a/b.jpg", "https://kipod.example:8443/api/a/b.jpg"),
            ("/a/b.jpg", "https://kipod.example:8443/a/b.jpg"),
            (" /c ", "https://kipod.example:8443/c"),
        ] {
            assert_eq!(allowed.resolve(address).unwrap().as_str(), whole);
        }
        for address in [
            "//evil.example/a.jpg",
            "https://kipod.example/a.jpg",
            "\\\\evil.example\\a",
        ] {
            assert!(allowed.resolve(address).is_err(), "{address}");
        }
    }

    #[test]
    fn hosts_and_bases_with_more_in_them_are_refused() {
        for text in [
            "",
            "https://ff.example",
            "ff.example/x",
            "*.example",
            "u@h",
            "a b",
            "h:99999",
        ] {
            assert!(Host::parse(text).is_err(), "{text}");
        }
        for text in [
            "kipod.example",
            "ftp://x",
            "https://u:p@x",
            "https://x/?a=1",
            "/x",
        ] {
            assert!(base(text).is_err(), "{text}");
        }
    }
}
