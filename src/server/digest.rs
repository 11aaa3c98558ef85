//! HTTP Digest (RFC 7616 and, as most cameras have it, RFC 2617), the server's side: `qop=auth` with MD5 or SHA-256.
//!
//! The password never travels, and an overheard request cannot be repeated (`nonces`). A right answer to a nonce that is
//! over is told with `stale=true`, so that a sender with the right password always gets in with its next request: after
//! a retry with the same count, after a pause, after a restart of camhook.

use data_encoding::HEXLOWER;
use http::header::AUTHORIZATION;
use http::request::Parts;
use jiff::Timestamp;
use md5::Md5;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::nonces::Nonces;
use crate::secret::Secret;

/// Part of every hash, so it never changes.
const REALM: &str = "camhook";
/// Parameters of one header that are looked at; nobody sends more than a dozen.
const PARAMETERS_MAX: usize = 32;

/// Username and password by HTTP Digest, which tells them to nobody who listens on the way.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DigestSettings {
    pub(crate) username: String,
    pub(crate) password: Secret,
    /// What may be used, in the order in which it is offered. Cameras take the first, and many know MD5 only; say
    /// `[sha256]` to have nothing else. Default `[md5, sha256]`.
    #[serde(default = "both", deserialize_with = "some")]
    pub(crate) algorithms: Vec<Algorithm>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Algorithm {
    /// What cameras know.
    Md5,
    /// What RFC 7616 would rather have.
    Sha256,
}

fn both() -> Vec<Algorithm> {
    vec![Algorithm::Md5, Algorithm::Sha256]
}

fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Algorithm>, D::Error> {
    let mut given = Vec::<Algorithm>::deserialize(deserializer)?;
    if given.is_empty() {
        return Err(de::Error::custom(
            "there must be an algorithm: expected `md5`, `sha256` or both",
        ));
    }
    given.dedup();
    Ok(given)
}

/// What a sender is told to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    nonce: String,
    algorithms: Vec<Algorithm>,
    /// The password was right, but the nonce is over.
    pub(super) stale: bool,
}

/// What a request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    Wrong,
    /// Right, but with a nonce that is over.
    Stale,
    Right,
}

/// The parameters of an `Authorization: Digest` header that count.
#[derive(Default)]
struct Answer {
    username: Vec<u8>,
    nonce: Vec<u8>,
    uri: Vec<u8>,
    response: Vec<u8>,
    algorithm: Option<Vec<u8>>,
    qop: Vec<u8>,
    count: Vec<u8>,
    cnonce: Vec<u8>,
    userhash: Vec<u8>,
}

impl Challenge {
    /// The values of `WWW-Authenticate`, one for each algorithm.
    pub(super) fn values(&self) -> impl Iterator<Item = String> {
        self.algorithms.iter().map(|algorithm| {
            let stale = if self.stale { ", stale=true" } else { "" };
            format!(
                r#"Digest realm="{REALM}", qop="auth", algorithm={}, nonce="{}"{stale}"#,
                algorithm.word(),
                self.nonce,
            )
        })
    }
}

impl Algorithm {
    fn word(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// The hash of these with colons between, in hex.
    fn hash(self, pieces: &[&[u8]]) -> String {
        let text = pieces.join(&b':');
        match self {
            Self::Md5 => HEXLOWER.encode(&Md5::digest(text)),
            Self::Sha256 => HEXLOWER.encode(&Sha256::digest(text)),
        }
    }
}

impl DigestSettings {
    pub(super) fn challenge(&self, nonces: &Nonces, now: Timestamp, stale: bool) -> Challenge {
        Challenge {
            nonce: nonces.issue(now),
            algorithms: self.algorithms.clone(),
            stale,
        }
    }

    /// Looks at the first `Digest` header of the request. A right answer uses up its nonce's count.
    pub(super) fn check(&self, parts: &Parts, nonces: &Nonces, now: Timestamp) -> Said {
        let Some(parameters) = header(parts) else {
            return Said::Nothing;
        };
        let Some(count) = self.verified(parts, parameters) else {
            return Said::Wrong;
        };
        match count {
            (nonce, count) if nonces.take(&nonce, count, now) => Said::Right,
            _ => Said::Stale,
        }
    }

    /// The nonce and its count, when the answer was made with the password for just this request.
    fn verified(&self, parts: &Parts, parameters: &[u8]) -> Option<(String, u32)> {
        let answer = parse(parameters)?;
        let named = answer.algorithm.as_deref().unwrap_or(b"MD5"); // as before RFC 7616
        let algorithm = *self
            .algorithms
            .iter()
            .find(|algorithm| algorithm.word().as_bytes().eq_ignore_ascii_case(named))?;
        let count = std::str::from_utf8(&answer.count).ok()?;
        let well_formed = count.len() == 8
            && count.bytes().all(|c| c.is_ascii_hexdigit())
            && answer.qop.eq_ignore_ascii_case(b"auth")
            && !answer.cnonce.is_empty()
            && !answer.userhash.eq_ignore_ascii_case(b"true");
        if !well_formed || !is_for(parts, &answer.uri) {
            return None;
        }
        let (user, password) = (self.username.as_bytes(), self.password.expose());
        let ours = algorithm.hash(&[user, REALM.as_bytes(), password.as_bytes()]);
        let request = algorithm.hash(&[parts.method.as_str().as_bytes(), &answer.uri]);
        let expected = algorithm.hash(&[
            ours.as_bytes(),
            &answer.nonce,
            count.as_bytes(),
            &answer.cnonce,
            &answer.qop,
            request.as_bytes(),
        ]);
        let response = answer.response.to_ascii_lowercase();
        // Both are compared, whatever the first says, so that the delay does not tell which was wrong.
        let right = expected.as_bytes().ct_eq(&response) & user.ct_eq(&answer.username);
        if !bool::from(right) {
            return None;
        }
        let nonce = String::from_utf8(answer.nonce).ok()?;
        Some((nonce, u32::from_str_radix(count, 16).ok()?))
    }
}

/// The parameters of the first header of the scheme.
fn header(parts: &Parts) -> Option<&[u8]> {
    let headers = parts.headers.get_all(AUTHORIZATION).iter();
    let mut digests = headers.filter_map(|value| {
        let (scheme, rest) = value.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"Digest ").then_some(rest)
    });
    digests.next()
}

/// Whether the answer is for this request's address; without that, one request's answer would do for another path.
fn is_for(parts: &Parts, uri: &[u8]) -> bool {
    let asked = parts
        .uri
        .path_and_query()
        .map_or("/", |asked| asked.as_str());
    if uri == asked.as_bytes() {
        return true;
    }
    // A few senders write the whole address.
    let whole = std::str::from_utf8(uri).ok();
    let whole = whole.and_then(|whole| whole.parse::<http::Uri>().ok());
    whole.is_some_and(|whole| {
        whole.authority().is_some()
            && whole
                .path_and_query()
                .is_some_and(|whole| whole.as_str() == asked)
    })
}

/// None when it is no list of parameters, or one that counts is there twice.
fn parse(text: &[u8]) -> Option<Answer> {
    let mut answer = Answer::default();
    let mut seen: Vec<String> = Vec::new();
    let mut rest = text.trim_ascii_start();
    while !rest.is_empty() {
        let (name, value, after) = parameter(rest)?;
        if seen.len() == PARAMETERS_MAX || seen.contains(&name) {
            return None;
        }
        match name.as_str() {
            "username" => answer.username = value,
            "nonce" => answer.nonce = value,
            "uri" => answer.uri = value,
            "response" => answer.response = value,
            "algorithm" => answer.algorithm = Some(value),
            "qop" => answer.qop = value,
            "nc" => answer.count = value,
            "cnonce" => answer.cnonce = value,
            "userhash" => answer.userhash = value,
            _ => {} // realm is in the hash; what else there is does not matter
        }
        seen.push(name);
        rest = after;
    }
    Some(answer)
}

/// A name in lower case, its value without quotes, and what follows the comma.
fn parameter(text: &[u8]) -> Option<(String, Vec<u8>, &[u8])> {
    let equals = text.iter().position(|c| *c == b'=')?;
    let name = std::str::from_utf8(&text[..equals]).ok()?.trim();
    let rest = text[equals + 1..].trim_ascii_start();
    let (value, rest) = match rest.strip_prefix(b"\"") {
        Some(quoted) => {
            let mut value = Vec::new();
            let mut bytes = quoted.iter().enumerate();
            loop {
                match bytes.next()? {
                    (end, b'"') => break (value, &quoted[end + 1..]),
                    (_, b'\\') => value.push(*bytes.next()?.1),
                    (_, other) => value.push(*other),
                }
            }
        }
        None => {
            let end = rest.iter().position(|c| *c == b',');
            let (value, rest) = rest.split_at(end.unwrap_or(rest.len()));
            (value.trim_ascii_end().to_vec(), rest)
        }
    };
    let rest = rest.trim_ascii_start();
    let rest = match rest.strip_prefix(b",") {
        Some(rest) => rest.trim_ascii_start(),
        None if rest.is_empty() => rest,
        None => return None,
    };
    let named = !name.is_empty() && !name.contains(|c: char| c.is_whitespace());
    named.then(|| (name.to_ascii_lowercase(), value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn settings(algorithms: &[Algorithm]) -> DigestSettings {
        DigestSettings {
            username: "gate".into(),
            password: Secret::new("s3:cret"),
            algorithms: algorithms.to_vec(),
        }
    }

    fn parts(uri: &str, header: &str) -> Parts {
        let request = http::Request::post(uri).header(AUTHORIZATION, header);
        request.body(()).unwrap().into_parts().0
    }

    /// The header that a sender writes.
    fn answer(algorithm: Algorithm, user: &str, password: &str, nonce: &str, nc: &str) -> String {
        let bytes = str::as_bytes;
        let ours = algorithm.hash(&[bytes(user), b"camhook", bytes(password)]);
        let request = algorithm.hash(&[b"POST", b"/gate?a=1,2"]);
        let (ours, request) = (bytes(&ours), bytes(&request));
        let response = algorithm.hash(&[ours, bytes(nonce), bytes(nc), b"c,n", b"auth", request]);
        format!(
            r#"Digest username="{user}", realm="camhook", nonce="{nonce}", uri="/gate?a=1,2", algorithm={}, response="{response}", qop=auth, nc={nc}, cnonce="c,n""#,
            algorithm.word()
        )
    }

    /// The example of RFC 7616, 3.9.1, with its own realm.
    #[test]
    fn hashes_as_the_standard_does() {
        for (algorithm, expected) in [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (
                Algorithm::Sha256,
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let ours = algorithm.hash(&[b"Mufasa", b"http-auth@example.org", b"Circle of Life"]);
            let request = algorithm.hash(&[b"GET", b"/dir/index.html"]);
            let response = algorithm.hash(&[
                ours.as_bytes(),
                b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
                b"00000001",
                b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
                b"auth",
                request.as_bytes(),
            ]);
            assert_eq!(response, expected);
        }
    }

    #[test]
    fn takes_the_right_answer_once_for_each_count() {
        let (digest, nonces) = (settings(&both()), Nonces::new());
        for algorithm in both() {
            let nonce = nonces.issue(now());
            let check = |header: &str| digest.check(&parts("/gate?a=1,2", header), &nonces, now());
            let first = answer(algorithm, "gate", "s3:cret", &nonce, "00000001");
            assert_eq!(check(&first), Said::Right);
            assert_eq!(check(&first), Said::Stale, "a repeat");
            let next = answer(algorithm, "gate", "s3:cret", &nonce, "0000000A");
            assert_eq!(check(&next), Said::Right);
            let strange = answer(algorithm, "gate", "s3:cret", "not-ours", "00000001");
            assert_eq!(check(&strange), Said::Stale);
            for (user, password) in [("gate", "s3"), ("Gate", "s3:cret"), ("", "")] {
                let wrong = answer(algorithm, user, password, &nonce, "00000002");
                assert_eq!(check(&wrong), Said::Wrong, "{user}");
            }
        }
        assert_eq!(
            digest.check(&parts("/", "Basic Z2F0ZTpz"), &nonces, now()),
            Said::Nothing
        );
    }

    #[test]
    fn an_answer_is_good_for_its_own_address_and_algorithm_only() {
        let (digest, nonces) = (settings(&[Algorithm::Sha256]), Nonces::new());
        let nonce = nonces.issue(now());
        let header = answer(Algorithm::Sha256, "gate", "s3:cret", &nonce, "00000001");
        let check = |uri, header: &str| digest.check(&parts(uri, header), &nonces, now());
        for uri in ["/gate", "/gate?a=1", "/", "/other?a=1,2"] {
            assert_eq!(check(uri, &header), Said::Wrong, "{uri}");
        }
        let md5 = answer(Algorithm::Md5, "gate", "s3:cret", &nonce, "00000001");
        assert_eq!(check("/gate?a=1,2", &md5), Said::Wrong);
        assert_eq!(check("/gate?a=1,2", &header), Said::Right);
    }

    #[test]
    fn what_is_malformed_is_wrong_and_never_right() {
        let (digest, nonces) = (settings(&both()), Nonces::new());
        let nonce = nonces.issue(now());
        let right = answer(Algorithm::Md5, "gate", "s3:cret", &nonce, "00000001");
        let check = |header: &str| digest.check(&parts("/gate?a=1,2", header), &nonces, now());
        for (from, to) in [
            ("qop=auth", "qop=auth-int"),
            (", qop=auth", ""),
            ("nc=00000001", "nc=1"),
            ("nc=00000001", "nc=+0000001"),
            (r#"cnonce="c,n""#, r#"cnonce="""#),
            (r#"cnonce="c,n""#, r#"cnonce="c,n"#),
            ("algorithm=MD5", "algorithm=MD5-sess"),
            ("algorithm=MD5", "userhash=true, algorithm=MD5"),
            ("qop=auth", "qop=auth, qop=auth"),
            (r#"username="gate""#, r#"username="gate" x"#),
            ("Digest ", "Digest ,,"),
            ("Digest ", "Digest =, "),
        ] {
            assert!(right.contains(from), "{from}");
            let broken = right.replacen(from, to, 1);
            assert_eq!(check(&broken), Said::Wrong, "{broken}");
        }
        assert_eq!(check("Digest "), Said::Wrong);
        let many: String = (0..100).map(|n| format!("x{n}=1, ")).collect();
        assert_eq!(
            check(&right.replacen("Digest ", &format!("Digest {many}"), 1)),
            Said::Wrong
        );
        let spaced = right.replace(", ", " ,  ").replace("algorithm=MD5 ,", "");
        assert_eq!(check(&spaced), Said::Right, "{spaced}");
    }

    #[test]
    fn a_challenge_stands_in_the_order_of_the_settings() {
        let nonces = Nonces::new();
        let settings: DigestSettings = serde_json::from_str(
            r#"{ "username": "a", "password": "b", "algorithms": ["sha256", "md5"] }"#,
        )
        .unwrap();
        let values: Vec<String> = settings.challenge(&nonces, now(), true).values().collect();
        assert!(values[0].contains("algorithm=SHA-256, ") && values[1].contains("algorithm=MD5, "));
        assert!(values.iter().all(|value| value.ends_with(", stale=true")));
        let empty = r#"{ "username": "a", "password": "b", "algorithms": [] }"#;
        assert!(serde_json::from_str::<DigestSettings>(empty).is_err());
    }
}
