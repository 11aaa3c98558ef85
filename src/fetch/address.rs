//! Addresses of pictures: which of them may be asked, decided by the host alone and before anything is sent.

use reqwest::Url;

use crate::reach::Reach;

/// Where pictures may be fetched from.
pub(super) struct Allowed {
    pub(super) reach: Reach,
    pub(super) base: Option<Url>,
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
        let of_base = self.base.as_ref().is_some_and(|base| {
            base.host() == url.host()
                && base.port_or_known_default() == url.port_or_known_default()
                && matches!(url.scheme(), "http" | "https")
        });
        match self.reach.check(url) {
            _ if of_base => Ok(()),
            checked => checked.map_err(|refused| refused.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(hosts: &[&str], base: Option<&str>) -> Allowed {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        Allowed {
            reach: Reach::new(&hosts, &[], crate::fetch::settings::WORDS).unwrap(),
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
    fn bases_with_more_in_them_are_refused() {
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
