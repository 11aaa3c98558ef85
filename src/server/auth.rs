//! Who may send to a source: networks, certificates, a token, a username and password. Digest and signatures are files of
//! their own.

use std::borrow::Cow;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::request::Parts;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use super::answer::{Asked, Refusal};
use super::caller::Caller;
use super::digest::{Algorithm, DigestSettings, Said};
use super::nonces::Nonces;
use super::path;
use super::signature::SignatureSettings;
use crate::reach::Network;
use crate::secret::Secret;

/// Who may send. Of `token`, `basic` and `digest` one is enough; `allow`, `client_cert` and `signature` are asked for besides.
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
    /// Username and password by HTTP Digest: `{ username, password, algorithms }`. Beside `basic` it is offered first.
    pub(crate) digest: Option<DigestSettings>,
    /// Whose certificates may send: names in them, `"*.cams.example"`, `"sha256:…"` of one, or `"*"` for all that `client_ca`
    /// of `server.tls` issued. Others, and all that come without TLS, get 403.
    #[serde(deserialize_with = "somebody")]
    pub(crate) client_cert: Option<Vec<String>>,
    /// Addresses and networks that may send, such as `10.0.0.0/8` or `192.0.2.7`; others get 403. Behind a reverse
    /// proxy, the proxy's address counts, unless it is one of `server.trusted_proxies`.
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
        digest: Some(DigestSettings {
            username: "gate".to_owned(),
            password: secret(),
            algorithms: vec![Algorithm::Md5, Algorithm::Sha256],
        }),
        ..AuthSettings::default()
    };
    let caller = Caller {
        address: IpAddr::from([10, 0, 0, 5]),
        certificate: None,
    };
    let head = Head {
        parts,
        segments: &path::segments(parts.uri.path()),
        below: true,
        caller: &caller,
        now: Timestamp::UNIX_EPOCH,
    };
    let entered = settings.check(&head, &Nonces::new());
    assert!(entered.is_err(), "nobody has these credentials");
}

impl AuthSettings {
    pub(super) fn secrets(&self) -> Vec<&Secret> {
        let basic = self.basic.as_ref().map(|basic| &basic.password);
        let digest = self.digest.as_ref().map(|digest| &digest.password);
        let signed = self.signature.as_ref().map(|signature| &signature.secret);
        let others = [basic, digest, signed].into_iter().flatten();
        self.all_tokens().chain(others).collect()
    }

    pub(super) fn all_tokens(&self) -> impl Iterator<Item = &Secret> + Clone {
        self.token.iter().chain(&self.tokens)
    }

    /// Checks the sender's address, certificate and credentials. What needs no proof comes first, so that a stranger's
    /// address learns nothing of passwords.
    pub(super) fn check(&self, head: &Head<'_>, nonces: &Nonces) -> Result<(), Refusal> {
        let Head {
            parts,
            segments,
            caller,
            now,
            ..
        } = *head;
        let peer = caller.address;
        if let Some(allow) = &self.allow
            && !allow.iter().any(|network| network.contains(peer))
        {
            return Err(Refusal::Forbidden { peer });
        }
        if let Some(allowed) = &self.client_cert {
            let shown = caller.certificate.as_deref();
            let shown = shown.ok_or(Refusal::NoCertificate)?;
            if !allowed.iter().any(|allowed| shown.is(allowed)) {
                let name = shown.name().to_owned();
                return Err(Refusal::Certificate { name });
            }
        }
        let has_tokens = self.all_tokens().next().is_some();
        let open = !has_tokens && self.basic.is_none() && self.digest.is_none();
        if open || self.has_token(parts, segments) || self.has_password(parts) {
            return Ok(());
        }
        let digest = self.digest.as_ref();
        let said = digest.map_or(Said::Nothing, |digest| digest.check(parts, nonces, now));
        if said == Said::Right {
            return Ok(());
        }
        let stale = said == Said::Stale;
        let tried = parts.headers.contains_key(AUTHORIZATION)
            || has_tokens && (head.below || tokens_in_query(parts).next().is_some());
        Err(Refusal::Unauthorized(Box::new(Asked {
            basic: self.basic.is_some(),
            token: has_tokens,
            digest: digest.map(|digest| digest.challenge(nonces, now, stale)),
            guessed: tried && !stale,
        })))
    }

    fn has_token(&self, parts: &Parts, segments: &[Cow<'_, str>]) -> bool {
        let header = credentials(parts, &["Token", "Bearer"]);
        self.all_tokens().any(|token| {
            header.is_some_and(|candidate| token.matches(candidate))
                || segments.last().is_some_and(|last| token.matches(last))
                || tokens_in_query(parts).any(|candidate| token.matches(&candidate))
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

/// What can be told of a request before its body is read.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) parts: &'a Parts,
    /// The path's, decoded.
    pub(super) segments: &'a [Cow<'a, str>],
    /// Whether the path goes on below the source's own, where a token may stand.
    pub(super) below: bool,
    pub(super) caller: &'a Caller,
    pub(super) now: Timestamp,
}

fn tokens_in_query(parts: &Parts) -> impl Iterator<Item = Cow<'_, str>> {
    path::query_values(parts.uri.query().unwrap_or(""), "token")
}

/// What follows one of these schemes in an `Authorization` header; of several with such a scheme the first counts.
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

/// With nobody named, `client_cert` would let in nobody or, to who reads it so, everybody.
fn somebody<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let names = Option::<Vec<String>>::deserialize(deserializer)?;
    if let Some(names) = &names
        && (names.is_empty() || names.iter().any(|name| name.trim().is_empty()))
    {
        return Err(de::Error::custom(
            "nobody is named: expected names, or `[\"*\"]` for every certificate of `client_ca`",
        ));
    }
    Ok(names)
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
        checked(auth, peer, &parts).is_ok()
    }

    fn checked(auth: &AuthSettings, peer: &str, parts: &Parts) -> Result<(), Refusal> {
        let segments = path::segments(parts.uri.path());
        let caller = Caller {
            address: peer.parse().unwrap(),
            certificate: None,
        };
        let head = Head {
            parts,
            segments: &segments,
            below: segments.len() > 1,
            caller: &caller,
            now: Timestamp::UNIX_EPOCH,
        };
        auth.check(&head, &Nonces::new())
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
            let checked = checked(&auth, "127.0.0.1", &parts);
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

    #[test]
    fn only_who_tried_something_counts_as_guessing() {
        let token: AuthSettings = serde_json::from_str(r#"{ "token": "tok" }"#).unwrap();
        let basic = r#"{ "basic": { "username": "a", "password": "b" } }"#;
        let basic: AuthSettings = serde_json::from_str(basic).unwrap();
        let guessed = |auth, uri, header| match checked(auth, "192.0.2.1", &parts(uri, header)) {
            Err(Refusal::Unauthorized(asked)) => asked.guessed,
            other => panic!("{other:?}"),
        };
        assert!(!guessed(&token, "/gate", None) && !guessed(&basic, "/gate", None));
        assert!(guessed(&token, "/gate/x", None) && !guessed(&basic, "/gate/x", None));
        assert!(guessed(&token, "/gate?token=x", None));
        assert!(guessed(&token, "/gate", Some("Token x")));
        assert!(guessed(&basic, "/gate", Some("Basic eDp5")));
    }

    #[test]
    fn somebody_must_be_named_whose_certificate_may_send() {
        for nobody in [r#"{ "client_cert": [] }"#, r#"{ "client_cert": [" "] }"#] {
            assert!(serde_json::from_str::<AuthSettings>(nobody).is_err());
        }
    }
}
