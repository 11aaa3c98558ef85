//! The address that a camera posts to, in the forms in which cameras keep it.

use std::fmt::{self, Display, Formatter};

use url::Url;

use super::xml::Element;

/// Scheme, host, port and path: all that a slot can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Receiver {
    pub(super) is_https: bool,
    /// In lower case.
    pub(super) host: String,
    port: u16,
    /// With the slash that it begins with.
    path: String,
}

impl Receiver {
    /// Reads what the user gives.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| {
            format!("--url is no address ({error}): write it as http://10.0.0.2:8001/API")
        })?;
        let is_https = match url.scheme() {
            "http" => false,
            "https" => true,
            other => {
                return Err(format!(
                    "--url begins with {other}://, cameras post to http://"
                ));
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("--url holds a login, for which a camera has no place there".to_owned());
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err("--url names no host".to_owned());
        };
        let query = url.query().map(|query| format!("?{query}"));
        Ok(Self {
            is_https,
            host: host.to_ascii_lowercase(),
            port,
            path: format!("{}{}", url.path(), query.unwrap_or_default()),
        })
    }

    /// From `url` of a slot; nothing if the slot is empty.
    pub(super) fn of_list(url: &Element) -> Option<Self> {
        let is_https = url
            .text("protocol")
            .is_some_and(|protocol| protocol.eq_ignore_ascii_case("https"));
        Self::of(
            is_https,
            url.text("domain")?,
            url.text("port"),
            url.text("path"),
        )
    }

    /// From `httpPost`.
    pub(super) fn of_single(post: &Element) -> Option<Self> {
        Self::of(
            false,
            post.text("serverIp")?,
            post.text("serverPort"),
            post.text("URL"),
        )
    }

    fn of(is_https: bool, host: &str, port: Option<&str>, path: Option<&str>) -> Option<Self> {
        if host == "0.0.0.0" {
            return None; // how some firmware writes "nowhere"
        }
        let usual = if is_https { 443 } else { 80 };
        let path = path.unwrap_or_default();
        Some(Self {
            is_https,
            host: host.to_ascii_lowercase(),
            port: port.and_then(|port| port.parse().ok()).unwrap_or(usual),
            path: format!("/{}", path.trim_start_matches('/')),
        })
    }

    /// Into `url` of a slot.
    pub(super) fn put_into(&self, url: &mut Element) {
        let protocol = if self.is_https { "https" } else { "http" };
        put(url, Element::new("protocol").plain(protocol));
        put(url, Element::new("domain").cdata(&self.host));
        put(url, Element::new("port").plain(&self.port.to_string()));
        put(url, Element::new("path").cdata(&self.path));
        if url.child("authentication").is_none() {
            put(url, Element::new("authentication").plain("none"));
        }
    }

    /// Into `httpPost`.
    pub(super) fn put_into_single(&self, post: &mut Element) {
        put(post, Element::new("serverIp").cdata(&self.host));
        put(
            post,
            Element::new("serverPort").plain(&self.port.to_string()),
        );
        put(post, Element::new("URL").cdata(&self.path));
    }

    /// What may keep a camera from reaching it.
    pub(super) fn doubt(&self) -> Option<String> {
        let host = self.host.trim_matches(['[', ']']);
        match host.parse::<std::net::IpAddr>() {
            Ok(address) if address.is_loopback() || address.is_unspecified() => Some(format!(
                "{host} is the camera itself as seen from the camera; give the address of camhook's machine"
            )),
            Ok(_) => None,
            Err(_) if host == "localhost" => Some(
                "localhost is the camera itself as seen from the camera; give the address of camhook's machine".to_owned(),
            ),
            Err(_) => Some(format!(
                "the camera has to find `{host}` by its own DNS; an IP address is safer"
            )),
        }
    }
}

/// In the form of the one that is there, or as given.
fn put(parent: &mut Element, child: Element) {
    match parent.child_mut(&child.name) {
        Some(known) => known.say(child.said()),
        None => parent.children.push(child),
    }
}

impl Display for Receiver {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}{}", self.host, self.port, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_in_every_form() {
        let receiver = Receiver::parse("http://Proxy.example/API").unwrap();
        let mut url = Element::new("url");
        receiver.put_into(&mut url);
        assert_eq!(Receiver::of_list(&url).as_ref(), Some(&receiver));
        let mut post = Element::new("httpPost");
        receiver.put_into_single(&mut post);
        assert_eq!(Receiver::of_single(&post).as_ref(), Some(&receiver));
        assert_eq!(receiver.to_string(), "http://proxy.example:80/API");
        let other = Receiver::parse("http://proxy.example/LPR").unwrap();
        assert_ne!(receiver, other);
    }

    #[test]
    fn refuses_what_a_camera_cannot_post_to() {
        for text in ["10.0.0.2:8001", "ftp://a/", "http://u:p@a/", "http://"] {
            assert!(Receiver::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn says_when_a_camera_would_post_to_itself() {
        for host in ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"] {
            let doubt = Receiver::parse(&format!("http://{host}/"))
                .unwrap()
                .doubt()
                .unwrap();
            assert!(doubt.contains("itself"), "{doubt}");
        }
        assert_eq!(
            Receiver::parse("http://10.0.0.2:8001/API").unwrap().doubt(),
            None
        );
    }
}
