//! Signed webhooks: whether a request comes from who knows the secret, by its headers and its body as it arrived.
//!
//! What the headers alone can tell (missing, unreadable, too old) is told before a byte of the body is read; the body is
//! checked before anything looks into it. Codes are compared in constant time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, Mac};
use http::HeaderMap;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use sha2::Sha256;

use super::answer::Refusal;
use crate::secret::Secret;

/// How far the sender's clock may be from ours, either way. Seconds.
const TOLERANCE: i64 = 5 * 60;

/// Codes of one request that are looked at: senders send two while they change secrets.
const CODES_MAX: usize = 8;

/// Headers that hold a signature, to be masked: whoever read one could repeat its request.
pub(super) const HEADERS: [&str; 4] = [
    "verkada-signature",
    "webhook-signature",
    "x-hub-signature-256",
    "x-hub-signature",
];

/// The sender signs its requests: the body must be signed with the secret. Asked for besides everything else.
#[derive(Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct SignatureSettings {
    /// How the sender signs.
    pub(crate) scheme: Scheme,
    /// What you and the sender share. Of `standard`, base64 with or without `whsec_` before it.
    pub(crate) secret: Secret,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    scheme: Scheme,
    secret: Secret,
}

impl<'de> Deserialize<'de> for SignatureSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Unchecked { scheme, secret } = Unchecked::deserialize(deserializer)?;
        let settings = Self { scheme, secret };
        match settings.key() {
            // With an empty key everybody could sign.
            Some(key) if !key.is_empty() => Ok(settings),
            Some(_) => Err(de::Error::custom("a signature's secret must not be empty")),
            None => Err(de::Error::custom(
                "the secret of the scheme `standard` is base64, with or without `whsec_` before it",
            )),
        }
    }
}

/// A way to sign, each HMAC-SHA256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scheme {
    /// `Verkada-Signature: TIMESTAMP|CODE` in hex, over the body, `|` and the timestamp; not older than 5 minutes.
    Verkada,
    /// Standard Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature: v1,CODE` in base64; not older than
    /// 5 minutes.
    Standard,
    /// `X-Hub-Signature-256: sha256=CODE` in hex, over the body. It tells no time, so a request can be repeated for ever.
    Github,
}

/// What a request's headers say that its body must be signed with.
#[derive(Debug)]
pub(super) struct Signed {
    /// What is signed before the body, and after it.
    before: Vec<u8>,
    after: Vec<u8>,
    codes: Vec<Vec<u8>>,
}

/// Asks each scheme whether this request is signed, for those who try bytes that nobody thought of. Panics when one says so,
/// for nobody has the key.
pub(crate) fn try_signatures(headers: &HeaderMap, body: &[u8], now: Timestamp) {
    for scheme in [Scheme::Verkada, Scheme::Standard, Scheme::Github] {
        let settings = SignatureSettings {
            scheme,
            secret: Secret::new("bm9ib2R5IGhhcyB0aGlzIGtleQ=="),
        };
        if let Ok(signed) = settings.read(headers, now) {
            assert!(settings.check(&signed, body).is_err(), "nobody signed this");
        }
    }
}

impl SignatureSettings {
    /// Reads the headers. Fails when they are missing or unreadable, and when their time is too far from `now`.
    pub(super) fn read(&self, headers: &HeaderMap, now: Timestamp) -> Result<Signed, Refusal> {
        match self.scheme {
            Scheme::Verkada => {
                let value = header(headers, "verkada-signature")?;
                let (a, b) = value.split_once('|').ok_or_else(|| {
                    unsigned("the header `verkada-signature` is not `TIMESTAMP|CODE`")
                })?;
                // Documented is the time first; a code is so long that the two cannot be mistaken.
                let (time, code) = if a.trim().len() == 64 { (b, a) } else { (a, b) };
                check_time(time.trim(), now)?;
                Ok(Signed {
                    before: Vec::new(),
                    after: format!("|{}", time.trim()).into_bytes(),
                    codes: vec![hex(code)?],
                })
            }
            Scheme::Standard => {
                let id = header(headers, "webhook-id")?;
                let time = header(headers, "webhook-timestamp")?;
                check_time(time.trim(), now)?;
                let codes: Vec<_> = header(headers, "webhook-signature")?
                    .split_ascii_whitespace()
                    .filter_map(|code| STANDARD.decode(code.strip_prefix("v1,")?).ok())
                    .take(CODES_MAX)
                    .collect();
                if codes.is_empty() {
                    return Err(unsigned(
                        "the header `webhook-signature` holds no `v1,CODE`",
                    ));
                }
                Ok(Signed {
                    before: format!("{id}.{time}.").into_bytes(),
                    after: Vec::new(),
                    codes,
                })
            }
            Scheme::Github => {
                let value = header(headers, "x-hub-signature-256")?;
                let code = value.trim().strip_prefix("sha256=").ok_or_else(|| {
                    unsigned("the header `x-hub-signature-256` is not `sha256=CODE`")
                })?;
                Ok(Signed {
                    before: Vec::new(),
                    after: Vec::new(),
                    codes: vec![hex(code)?],
                })
            }
        }
    }

    /// Whether the body is what was signed with the secret.
    pub(super) fn check(&self, signed: &Signed, body: &[u8]) -> Result<(), Refusal> {
        let mac = self
            .key()
            .and_then(|key| Hmac::<Sha256>::new_from_slice(&key).ok());
        let mut mac = mac.ok_or_else(|| unsigned("the secret of this source is no key"))?;
        mac.update(&signed.before);
        mac.update(body);
        mac.update(&signed.after);
        // Every code is compared, in constant time.
        let matches = signed
            .codes
            .iter()
            .filter(|code| mac.clone().verify_slice(code).is_ok());
        if matches.count() == 0 {
            return Err(unsigned(
                "the signature does not fit the body; check the `secret` on both sides, and that nothing on the way changes bodies",
            ));
        }
        Ok(())
    }

    /// `None` when the secret is not base64 where it must be.
    fn key(&self) -> Option<Vec<u8>> {
        let secret = self.secret.expose();
        if self.scheme != Scheme::Standard {
            return Some(secret.as_bytes().to_vec());
        }
        let encoded = secret.strip_prefix("whsec_").unwrap_or(secret);
        STANDARD.decode(encoded.trim()).ok()
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refusal> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().and_then(|value| value.to_str().ok());
    match value {
        Some(value) if values.next().is_none() => Ok(value),
        _ => Err(unsigned(format!(
            "this source takes signed requests only; expected one header `{name}`"
        ))),
    }
}

fn hex(code: &str) -> Result<Vec<u8>, Refusal> {
    HEXLOWER_PERMISSIVE
        .decode(code.trim().as_bytes())
        .map_err(|_| unsigned("the signature is not in hex"))
}

fn check_time(text: &str, now: Timestamp) -> Result<(), Refusal> {
    let time: i64 = text
        .parse()
        .map_err(|_| unsigned("the signature's time is no number of seconds since 1970"))?;
    let off = now.as_second().saturating_sub(time);
    if off.saturating_abs() > TOLERANCE {
        let side = if off > 0 { "behind" } else { "ahead of" };
        return Err(unsigned(format!(
            "the signature's time is {} s {side} this machine's clock, at most {TOLERANCE} s are allowed; check both clocks",
            off.saturating_abs()
        )));
    }
    Ok(())
}

fn unsigned(reason: impl Into<String>) -> Refusal {
    Refusal::Unsigned {
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2020-08-17T17:33:50Z"; // 1597685630

    fn settings(scheme: Scheme, secret: &str) -> SignatureSettings {
        SignatureSettings {
            scheme,
            secret: Secret::new(secret),
        }
    }

    /// The reason of the refusal, empty when there is none.
    fn refused(
        settings: &SignatureSettings,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let signed = settings.read(&map, NOW.parse().unwrap());
        match signed.and_then(|signed| settings.check(&signed, body.as_bytes())) {
            Ok(()) => String::new(),
            Err(refusal) => {
                assert_eq!(refusal.status(), http::StatusCode::UNAUTHORIZED);
                refusal.to_string()
            }
        }
    }

    fn code(key: &[u8], text: &str) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }

    #[test]
    fn verkada_signs_body_and_time() {
        let settings = settings(Scheme::Verkada, "hunter22");
        let code = HEXLOWER_PERMISSIVE.encode(&code(b"hunter22", "{}|1597685622"));
        let with = |value: &str, body| refused(&settings, &[("verkada-signature", value)], body);
        assert_eq!(with(&format!("1597685622|{code}"), "{}"), "");
        assert_eq!(with(&format!("{code}|1597685622"), "{}"), "");
        assert_eq!(
            with(&format!("1597685622|{}", code.to_uppercase()), "{}"),
            ""
        );
        assert!(with(&format!("1597685622|{code}"), "{ }").contains("does not fit"));
        assert!(with(&format!("1597685623|{code}"), "{}").contains("does not fit"));
        assert!(with(&format!("1597685622|{}", &code[2..]), "{}").contains("does not fit"));
        assert!(with(&format!("1597685000|{code}"), "{}").contains("630 s behind"));
        assert!(with(&format!("1597686622|{code}"), "{}").contains("992 s ahead"));
        assert!(with(&code, "{}").contains("TIMESTAMP|CODE"));
        assert!(with("x|y", "{}").contains("no number"));
        assert!(with("1597685622|zz", "{}").contains("not in hex"));
        assert!(refused(&settings, &[], "{}").contains("one header `verkada-signature`"));
        let twice = format!("1597685622|{code}");
        let twice = [("verkada-signature", twice.as_str()); 2];
        assert!(refused(&settings, &twice, "{}").contains("one header"));
    }

    /// The example of the specification's own libraries.
    #[test]
    fn standard_webhooks_are_checked_as_their_specification_says() {
        let settings = settings(Scheme::Standard, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let code = STANDARD.encode(code(&key, "msg_1.1597685622.{}"));
        let with = |signature: &str, body| {
            let headers = [
                ("webhook-id", "msg_1"),
                ("webhook-timestamp", "1597685622"),
                ("webhook-signature", signature),
            ];
            refused(&settings, &headers, body)
        };
        assert_eq!(with(&format!("v1,{code}"), "{}"), "");
        assert_eq!(with(&format!("v1a,eA== v1,eA== v1,{code}"), "{}"), "");
        assert!(with(&format!("v1,{code}"), "{ }").contains("does not fit"));
        assert!(with(&format!("v2,{code}"), "{}").contains("no `v1,CODE`"));
        assert!(refused(&settings, &[("webhook-id", "msg_1")], "{}").contains("webhook-timestamp"));
    }

    #[test]
    fn github_signs_the_body_alone() {
        // From GitHub's page on validating webhook deliveries.
        let settings = settings(Scheme::Github, "It's a Secret to Everybody");
        let code = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let with = |value: &str, body| refused(&settings, &[("x-hub-signature-256", value)], body);
        assert_eq!(with(code, "Hello, World!"), "");
        assert!(with(code, "Hello, World").contains("does not fit"));
        assert!(with(&code[7..], "Hello, World!").contains("sha256=CODE"));
    }

    #[test]
    fn settings_name_a_scheme_and_a_secret() {
        let read = |text: &str| serde_json::from_str::<SignatureSettings>(text).is_ok();
        assert!(read(r#"{"scheme": "verkada", "secret": "a"}"#));
        for wrong in [
            r#"{"scheme": "verkada"}"#,
            r#"{"scheme": "verkada", "secret": ""}"#,
            r#"{"scheme": "standard", "secret": "whsec_"}"#,
            r#"{"scheme": "standard", "secret": "whsec_***"}"#,
            r#"{"scheme": "stripe", "secret": "a"}"#,
            r#"{"scheme": "github", "secret": "a", "header": "x"}"#,
        ] {
            assert!(!read(wrong), "{wrong}");
        }
    }
}
