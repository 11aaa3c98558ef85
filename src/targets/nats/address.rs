//! Where NATS servers are and who camhook is there: `nats://user:password@host:4222`, several with commas between them.

use percent_encoding::percent_decode_str;
use url::Url;

use crate::secret::Secret;

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    /// Whether nothing is told without TLS (`tls://`).
    pub(super) tls: bool,
}

/// What stands before the host.
pub(super) enum InUrl {
    Nothing,
    Login(String, Secret),
    Token(Secret),
}

/// The servers of one cluster, in the order in which they are tried.
pub(super) fn read(urls: &str) -> Result<(Vec<Address>, InUrl), String> {
    let mut found = InUrl::Nothing;
    let mut addresses = Vec::new();
    for url in urls.split(',') {
        let (address, in_url) = one(url.trim())?;
        addresses.push(address);
        if matches!(found, InUrl::Nothing) {
            found = in_url;
        }
    }
    Ok((addresses, found))
}

fn one(url: &str) -> Result<(Address, InUrl), String> {
    let expected = "expected such as `nats://10.0.0.5:4222`, or `tls://` with TLS";
    let url =
        Url::parse(url).map_err(|error| format!("this is no address ({error}): {expected}"))?;
    let tls = match url.scheme() {
        "nats" => false,
        "tls" => true,
        other => {
            return Err(format!(
                "`{other}://` is no way to a NATS server: {expected}"
            ));
        }
    };
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| format!("the address names no host: {expected}"))?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() {
        return Err(
            "a server's address ends with its port; the subject has a key of its own".to_owned(),
        );
    }
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let in_url = match (url.username(), url.password()) {
        ("", None) => InUrl::Nothing,
        (token, None) => InUrl::Token(Secret::new(&decoded(token))),
        (user, Some(password)) => InUrl::Login(decoded(user), Secret::new(&decoded(password))),
    };
    let address = Address {
        host: host.trim_matches(['[', ']']).to_owned(),
        port: url.port().unwrap_or(4222),
        tls,
    };
    Ok((address, in_url))
}

/// Without credentials.
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "tls" } else { "nats" };
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
        let (addresses, in_url) = read("nats://ann:p%40ss@10.0.0.5, tls://[::1]:99").unwrap();
        let shown: Vec<_> = addresses.iter().map(Address::to_string).collect();
        assert_eq!(shown, ["nats://10.0.0.5:4222", "tls://[::1]:99"]);
        assert!(
            matches!(in_url, InUrl::Login(user, password) if user == "ann" && password.matches("p@ss"))
        );
        let (_, in_url) = read("nats://s3cret@host").unwrap();
        assert!(matches!(in_url, InUrl::Token(token) if token.matches("s3cret")));
    }

    #[test]
    fn what_is_no_server_is_refused_with_advice() {
        for (wrong, why) in [
            ("10.0.0.5:4222", "expected such as"),
            ("http://host", "no way to a NATS server"),
            ("nats://", "expected such as"),
            ("nats://host/plates", "subject has a key"),
            ("nats://a,", "expected such as"),
        ] {
            let error = read(wrong).err().unwrap();
            assert!(error.contains(why), "{wrong}: {error}");
        }
    }
}
