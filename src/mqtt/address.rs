//! Where a broker is and who camhook is there: `mqtt://user:password@host:1883`.

use percent_encoding::percent_decode_str;
use url::Url;

use crate::secret::Secret;

/// A broker's address and the credentials for it.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whether the connection is encrypted (`mqtts`).
    pub(crate) tls: bool,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
}

impl Address {
    /// Credentials that are given apart win over those in the address.
    pub(crate) fn read(
        url: &str,
        username: Option<&str>,
        password: Option<&Secret>,
    ) -> Result<Self, String> {
        let expected = "expected such as `mqtt://10.0.0.5:1883`, or `mqtts://` with TLS";
        let url =
            Url::parse(url).map_err(|error| format!("this is no address ({error}): {expected}"))?;
        let (tls, usual) = match url.scheme() {
            "mqtt" => (false, 1883),
            "mqtts" => (true, 8883),
            other => return Err(format!("`{other}://` is no way to a broker: {expected}")),
        };
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| format!("the address names no host: {expected}"))?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() {
            return Err(
                "a broker's address ends with its port; topics have a key of their own".to_owned(),
            );
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let in_url = Some(url.username()).filter(|name| !name.is_empty());
        let username = username.map(str::to_owned).or_else(|| in_url.map(decoded));
        let password = password
            .cloned()
            .or_else(|| url.password().map(|text| Secret::new(&decoded(text))));
        if password.is_some() && username.is_none() {
            return Err("a password needs a `username` beside it".to_owned());
        }
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(usual),
            tls,
            username,
            password,
        })
    }

    pub(crate) fn same_as(&self, other: &Self) -> bool {
        let password = match (&self.password, &other.password) {
            (Some(ours), Some(theirs)) => ours.matches(theirs.expose()),
            (None, None) => true,
            _ => false,
        };
        password
            && (&self.host, self.port, self.tls, &self.username)
                == (&other.host, other.port, other.tls, &other.username)
    }
}

/// Without credentials.
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_credentials_and_shows_none() {
        let address = Address::read("mqtt://ann:p%40ss@10.0.0.5", None, None).unwrap();
        assert_eq!(address.to_string(), "mqtt://10.0.0.5:1883");
        assert_eq!(address.username.as_deref(), Some("ann"));
        assert_eq!(address.password.as_ref().unwrap().expose(), "p@ss");
        let given = Secret::new("other");
        let other = Address::read("mqtts://ann:x@[::1]:99/", Some("bob"), Some(&given)).unwrap();
        assert_eq!(other.to_string(), "mqtts://[::1]:99");
        assert_eq!(other.username.as_deref(), Some("bob"));
        assert!(!other.same_as(&address) && other.same_as(&other));
    }

    #[test]
    fn what_is_no_broker_is_refused_with_advice() {
        for (wrong, why) in [
            ("10.0.0.5:1883", "expected such as"),
            ("http://host", "no way to a broker"),
            ("mqtt://", "expected such as"),
            ("mqtt://host/frigate/events", "topics have a key"),
            ("mqtt://:secret@host", "needs a `username`"),
        ] {
            let error = Address::read(wrong, None, None).err().unwrap();
            assert!(error.contains(why), "{wrong}: {error}");
        }
    }
}
