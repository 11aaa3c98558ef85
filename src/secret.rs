//! Secrets: values that may be used but never shown.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::NON_ALPHANUMERIC;
use serde::Deserialize;
use subtle::ConstantTimeEq;

/// A password, token or key. It has no `Debug` and no `Display`, so that it cannot reach a log by accident.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(Arc<str>);

impl Secret {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Compares in constant time, so that the answer's delay tells nothing about the secret.
    pub(crate) fn matches(&self, candidate: &str) -> bool {
        bool::from(self.0.as_bytes().ct_eq(candidate.as_bytes()))
    }
}

impl schemars::JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}

/// The secret values known to this process, to be blotted out of anything that is shown: excerpts of answers,
/// errors of other libraries, the requests that `explain` prints.
#[derive(Clone, Default)]
pub(crate) struct Blot(Arc<Vec<String>>);

/// What stands where a secret stood.
pub(crate) const MASK: &str = "***";

impl Blot {
    /// Each value is known as it stands and as it looks in an address, in a form, in JSON and in base64 of either alphabet,
    /// padded or not: what targets answer often repeats what they were sent. For HTTP Basic `user:password` must be among
    /// the values, since its base64 does not hold that of the password. Values shorter than four characters are left out:
    /// blotting them would destroy the text around them.
    pub(crate) fn new(values: impl IntoIterator<Item = String>) -> Self {
        let values = values.into_iter().filter(|value| value.len() >= 4);
        let mut values: Vec<String> = values.flat_map(forms).collect();
        // The longer first, should one hold another.
        values.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup();
        Self(Arc::new(values))
    }

    pub(crate) fn out(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| {
            if text.contains(secret.as_str()) {
                text.replace(secret.as_str(), MASK)
            } else {
                text
            }
        })
    }
}

fn forms(secret: String) -> Vec<String> {
    let percent = percent_encoding::utf8_percent_encode(&secret, NON_ALPHANUMERIC).to_string();
    let form = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let json = serde_json::Value::from(secret.as_str()).to_string();
    let json = json.trim_matches('"').to_owned();
    let base64 = STANDARD.encode(&secret);
    let unpadded = STANDARD_NO_PAD.encode(&secret);
    let for_urls = URL_SAFE_NO_PAD.encode(&secret);
    let base64_in_url =
        percent_encoding::utf8_percent_encode(&base64, NON_ALPHANUMERIC).to_string();
    vec![
        percent,
        form,
        json,
        base64_in_url,
        base64,
        unpadded,
        for_urls,
        secret,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blots_out_every_secret_and_nothing_else() {
        let blot = Blot::new(["hunter22".into(), "abc".into(), "hunter2".into()]);
        assert_eq!(blot.out("hunter22 and hunter2, abc"), "*** and ***, abc");
        let blot = Blot::new(["pa+ss/w=1".into()]);
        assert_eq!(blot.out("?t=pa%2Bss%2Fw%3D1 cGErc3Mvdz0x"), "?t=*** ***");
    }

    #[test]
    fn blots_out_base64_in_all_its_forms() {
        let blot = Blot::new(["user:p?>\u{ff}~~?".into()]);
        let padded = STANDARD.encode("user:p?>\u{ff}~~?");
        assert!(padded.contains('+') && padded.ends_with('='), "{padded}");
        for form in [
            padded.clone(),
            padded.trim_end_matches('=').to_owned(),
            padded.replace('+', "-").replace('/', "_"),
            padded
                .replace('+', "%2B")
                .replace('/', "%2F")
                .replace('=', "%3D"),
        ] {
            let shown = blot.out(&format!("Basic {form}"));
            assert_eq!(shown.trim_end_matches('='), "Basic ***", "{form}");
        }
    }

    #[test]
    fn compares_whole_secrets() {
        let secret = Secret::new("token");
        assert!(secret.matches("token"));
        assert!(!secret.matches("toke") && !secret.matches("token1") && !secret.matches(""));
    }
}
