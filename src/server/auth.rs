//! Who may send to a source: networks, a token, a username and password. Signatures are a file of their own.

use std::borrow::Cow;
use std::net::IpAddr;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::request::Parts;
use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::answer::Refusal;
use super::path;
use super::signature::SignatureSettings;
use crate::secret::Secret;

/// Who may send. `allow` and `signature` are asked for besides `token` or `basic`; with both `token` and `basic`, one of them is enough.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuthSettings {
    /// The sender tells it as `Authorization: Token …` or `Bearer …`, as the last part of the path (`/stream/TOKEN`) or
    /// as `?token=…`.
    #[serde(deserialize_with = "not_empty")]
    pub(crate) token: Option<Secret>,
    /// Several such tokens in one text, with commas between: any of them will do.
    #[serde(deserialize_with = "by_commas")]
    #[schemars(with = "Option<Secret>")]
    pub(crate) tokens: Vec<Secret>,
    /// Username and password by HTTP Basic.
    pub(crate) basic: Option<Basic>,
    /// Addresses and networks that may send, such as `10.0.0.0/8` or `192.0.2.7`; others get 403. Behind a reverse
    /// proxy, the proxy's address counts.
    pub(crate) allow: Option<Vec<Network>>,
    /// How the sender signs its requests, and with which secret; what is not signed, or signed too long ago, gets 401.
    pub(crate) signature: Option<SignatureSettings>,
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Basic {
    pub(crate) username: String,
    pub(crate) password: Secret,
}

/// A network, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network(IpNet);

/// Asks whether this request may enter, for those who try bytes that nobody thought of. Panics when it may, for nobody knows
/// the secrets.
pub(crate) fn try_credentials(parts: &Parts) {
    let secret = || Secret::new("nobody-knows-this-3c41");
    let settings = AuthSettings {
        token: Some(secret()),
        tokens: vec![secret()],
        basic: Some(Basic {
            username: "gate".to_owned(),
            password: secret(),
        }),
        ..AuthSettings::default()
    };
    let peer = IpAddr::from([10, 0, 0, 5]);
    let entered = settings.check(peer, parts, &path::segments(parts.uri.path()));
    assert!(entered.is_err(), "nobody has these credentials");
}

impl AuthSettings {
    pub(super) fn secrets(&self) -> Vec<&Secret> {
        let password = self.basic.as_ref().map(|basic| &basic.password);
        let signed = self.signature.as_ref().map(|signature| &signature.secret);
        self.all_tokens().chain(password).chain(signed).collect()
    }

    pub(super) fn all_tokens(&self) -> impl Iterator<Item = &Secret> + Clone {
        self.token.iter().chain(&self.tokens)
    }

    /// Checks the sender's address and credentials. `segments` are the path's, decoded.
    pub(super) fn check(
        &self,
        peer: IpAddr,
        parts: &Parts,
        segments: &[Cow<'_, str>],
    ) -> Result<(), Refusal> {
        if let Some(allow) = &self.allow
            && !allow.iter().any(|network| network.contains(peer))
        {
            return Err(Refusal::Forbidden { peer });
        }
        let has_tokens = self.all_tokens().next().is_some();
        let open = !has_tokens && self.basic.is_none();
        if open || self.has_token(parts, segments) || self.has_password(parts) {
            return Ok(());
        }
        Err(Refusal::Unauthorized {
            basic: self.basic.is_some(),
            token: has_tokens,
        })
    }

    fn has_token(&self, parts: &Parts, segments: &[Cow<'_, str>]) -> bool {
        let header = credentials(parts, &["Token", "Bearer"]);
        self.all_tokens().any(|token| {
            header.is_some_and(|candidate| token.matches(candidate))
                || segments.last().is_some_and(|last| token.matches(last))
                || path::query_values(parts.uri.query().unwrap_or(""), "token")
                    .any(|candidate| token.matches(&candidate))
        })
    }

    fn has_password(&self, parts: &Parts) -> bool {
        let (Some(basic), Some(candidate)) = (&self.basic, credentials(parts, &["Basic"])) else {
            return false;
        };
        let Some(decoded) = STANDARD
            .decode(candidate)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
        else {
            return false;
        };
        let Some((username, password)) = decoded.split_once(':') else {
            return false;
        };
        // Both are compared, whatever the first says, so that the delay does not tell which was wrong.
        Secret::new(&basic.username).matches(username) & basic.password.matches(password)
    }
}

/// What follows one of these schemes in an `Authorization` header.
fn credentials<'a>(parts: &'a Parts, schemes: &[&str]) -> Option<&'a str> {
    parts
        .headers
        .get_all(AUTHORIZATION)
        .iter()
        .filter_map(|value| value.to_str().ok()?.split_once(' '))
        .find(|(scheme, _)| {
            schemes
                .iter()
                .any(|known| known.eq_ignore_ascii_case(scheme))
        })
        .map(|(_, rest)| rest.trim())
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
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

/// An empty token would let everybody in whose path ends in nothing.
fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let token = Option::<Secret>::deserialize(deserializer)?;
    match token {
        Some(token) if token.expose().is_empty() => Err(de::Error::custom(
            "a token must not be empty: leave it out to let everybody send",
        )),
        token => Ok(token),
    }
}

fn by_commas<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Secret>, D::Error> {
    let Some(all) = Option::<Secret>::deserialize(deserializer)? else {
        return Ok(Vec::new());
    };
    let tokens = all.expose().split(',').map(str::trim);
    let tokens: Vec<Secret> = tokens
        .filter(|token| !token.is_empty())
        .map(Secret::new)
        .collect();
    match tokens.is_empty() {
        true => Err(de::Error::custom(
            "there must be a token: leave it out to let everybody send",
        )),
        false => Ok(tokens),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(uri: &str, authorization: Option<&str>) -> Parts {
        let mut request = http::Request::post(uri);
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn admits(auth: &AuthSettings, peer: &str, uri: &str, authorization: Option<&str>) -> bool {
        let parts = parts(uri, authorization);
        let segments = path::segments(parts.uri.path());
        auth.check(peer.parse().unwrap(), &parts, &segments).is_ok()
    }

    #[test]
    fn any_of_several_tokens_will_do() {
        let auth: AuthSettings = serde_json::from_str(r#"{ "tokens": "one, two ," }"#).unwrap();
        let tokens: Vec<&str> = auth.all_tokens().map(Secret::expose).collect();
        assert_eq!(tokens, ["one", "two"]);
        for (header, lets_in) in [
            ("Token two", true),
            ("Bearer one", true),
            ("Token one, two", false),
        ] {
            let request = http::Request::builder().header("authorization", header);
            let (parts, ()) = request.body(()).unwrap().into_parts();
            let checked = auth.check(IpAddr::from([127, 0, 0, 1]), &parts, &[]);
            assert_eq!(checked.is_ok(), lets_in, "{header}");
        }
        let empty = serde_json::from_str::<AuthSettings>(r#"{ "tokens": " , " }"#);
        assert!(empty.is_err());
    }

    #[test]
    fn takes_a_token_from_header_path_or_query() {
        let auth = AuthSettings {
            token: Some(Secret::new("s3 cret")),
            ..AuthSettings::default()
        };
        let admits = |uri, header| admits(&auth, "192.0.2.1", uri, header);
        assert!(admits("/stream", Some("Token s3 cret")));
        assert!(admits("/stream", Some("bearer s3 cret")));
        assert!(admits("/stream/s3%20cret/", None));
        assert!(admits("/stream?a=1&token=s3+cret", None));
        assert!(!admits("/stream", None));
        assert!(!admits("/stream", Some("Token s3")));
        assert!(!admits("/stream", Some("Basic s3 cret")));
        assert!(!admits("/s3%20cret/stream", None));
    }

    #[test]
    fn takes_basic_and_either_of_two() {
        let basic = Some(Basic {
            username: "gate".into(),
            password: Secret::new("a:b"),
        });
        let auth = AuthSettings {
            basic: basic.clone(),
            ..AuthSettings::default()
        };
        let header = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let admits = |auth, header: &str| admits(auth, "192.0.2.1", "/", Some(header));
        assert!(admits(&auth, &header("gate:a:b")));
        for wrong in ["gate:", "gate", ":a:b", "Gate:a:b", ""] {
            assert!(!admits(&auth, &header(wrong)), "{wrong}");
        }
        assert!(!admits(&auth, "Basic ***"));
        let both = AuthSettings {
            basic,
            token: Some(Secret::new("tok")),
            ..AuthSettings::default()
        };
        assert!(admits(&both, "Bearer tok") && admits(&both, &header("gate:a:b")));
        assert!(!admits(&both, "Bearer tik"));
    }

    #[test]
    fn asks_for_the_network_besides_the_token() {
        let auth = AuthSettings {
            token: Some(Secret::new("tok")),
            allow: Some(vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()]),
            ..AuthSettings::default()
        };
        assert!(admits(&auth, "10.1.2.3", "/tok", None));
        assert!(admits(&auth, "::1", "/tok", None));
        assert!(!admits(&auth, "11.1.2.3", "/tok", None));
        assert!(!admits(&auth, "10.1.2.3", "/", None));
    }
}
