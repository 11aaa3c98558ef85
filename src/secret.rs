//! Secrets: values that may be used but never shown.

use std::sync::Arc;

use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
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
pub(crate) struct Blot(Arc<Blotted>);

#[derive(Default)]
struct Blotted {
    values: Vec<String>,
    /// The values in all their forms, the longer first, should one hold another.
    forms: Vec<String>,
}

/// What stands where a secret stood.
pub(crate) const MASK: &str = "***";

impl Blot {
    /// Each value is known as it stands and as it looks in an address, in a form, in JSON and in base64 of either alphabet,
    /// padded or not: what targets answer often repeats what they were sent. For HTTP Basic `user:password` must be among
    /// the values, since its base64 does not hold that of the password. Values shorter than four characters are left out:
    /// blotting them would destroy the text around them.
    pub(crate) fn new(values: impl IntoIterator<Item = String>) -> Self {
        let values = values.into_iter().filter(|value| value.len() >= 4);
        let mut values: Vec<String> = values.collect();
        values.sort();
        values.dedup();
        let mut forms: Vec<String> = values.iter().flat_map(|value| forms(value)).collect();
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Self(Arc::new(Blotted { values, forms }))
    }

    pub(crate) fn out(&self, text: &str) -> String {
        let text = self.0.forms.iter().fold(text.to_owned(), |text, secret| {
            if text.contains(secret.as_str()) {
                text.replace(secret.as_str(), MASK)
            } else {
                text
            }
        });
        self.out_of_base64(text)
    }

    /// A secret may stand in base64 together with other things, such as the user and the application of HTTP Basic.
    fn out_of_base64(&self, text: String) -> String {
        if self.0.values.is_empty() || text.len() < BASE64_MIN {
            return text;
        }
        let is_of_it = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte);
        let bytes = text.as_bytes();
        let (mut shown, mut copied, mut at) = (String::new(), 0, 0);
        while at < bytes.len() {
            let run = bytes[at..].iter().take_while(|byte| is_of_it(**byte));
            let end = at + run.count();
            if end - at >= BASE64_MIN && self.is_within(&bytes[at..end]) {
                shown.push_str(&text[copied..at]);
                shown.push_str(MASK);
                copied = end;
            }
            at = end.max(at + 1);
        }
        if copied == 0 {
            return text;
        }
        shown.push_str(&text[copied..]);
        shown
    }

    /// Whether the base64 holds a secret, wherever in the run it begins: a `/` before it may be part of a path.
    fn is_within(&self, run: &[u8]) -> bool {
        let standard: Vec<u8> = run
            .iter()
            .map(|byte| match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            })
            .collect();
        (0..4).any(|start| {
            let rest = standard.get(start..).unwrap_or_default();
            let whole = rest.len() - usize::from(rest.len() % 4 == 1);
            let Ok(decoded) = LENIENT.decode(&rest[..whole]) else {
                return false;
            };
            let found =
                |secret: &String| memchr::memmem::find(&decoded, secret.as_bytes()).is_some();
            self.0.values.iter().any(found)
        })
    }
}

/// No base64 that is shorter can hold a secret of four characters.
const BASE64_MIN: usize = 6;
/// What is cut off in the middle is read, too.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What an address may hold as it is, besides letters and digits; libraries differ in what they encode beyond.
const PATH: &AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

fn forms(secret: &str) -> Vec<String> {
    let mut forms: Vec<String> = [NON_ALPHANUMERIC, UNRESERVED, PATH]
        .iter()
        .map(|set| utf8_percent_encode(secret, set).to_string())
        .collect();
    forms.push(form_urlencoded::byte_serialize(secret.as_bytes()).collect());
    forms.extend(forms.clone().iter().map(|form| lower_hex(form)));
    let json = serde_json::Value::from(secret).to_string();
    let json = json.trim_matches('"').to_owned();
    forms.push(json.replace('/', "\\/")); // as PHP writes it
    forms.push(ascii_json(&json));
    forms.push(json);
    forms.push(markup(secret, "&quot;", "&apos;"));
    forms.push(markup(secret, "&quot;", "&#39;"));
    forms.push(markup(secret, "&#34;", "&#39;"));
    forms.push(markup(secret, "&quot;", "&#x27;"));
    forms.push(markup(secret, "\"", "'"));
    let base64 = STANDARD.encode(secret);
    forms.push(utf8_percent_encode(&base64, NON_ALPHANUMERIC).to_string());
    forms.push(base64);
    forms.push(STANDARD_NO_PAD.encode(secret));
    forms.push(URL_SAFE_NO_PAD.encode(secret));
    forms.push(secret.to_owned());
    forms
}

/// `%2f` for `%2F`.
fn lower_hex(encoded: &str) -> String {
    let mut left = 0;
    let lower = encoded.chars().map(|c| {
        left = if c == '%' { 2 } else { i32::max(left - 1, -1) };
        if (0..2).contains(&left) {
            c.to_ascii_lowercase()
        } else {
            c
        }
    });
    lower.collect()
}

/// Without a character beyond ASCII, as Python writes it.
fn ascii_json(json: &str) -> String {
    let mut ascii = String::new();
    for c in json.chars() {
        match c.is_ascii() {
            true => ascii.push(c),
            false => c
                .encode_utf16(&mut [0; 2])
                .iter()
                .for_each(|unit| ascii.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    ascii
}

/// In XML or HTML.
fn markup(text: &str, quote: &str, apostrophe: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let text = text.replace('>', "&gt;").replace('"', quote);
    text.replace('\'', apostrophe)
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
    fn blots_out_what_systems_make_of_a_secret() {
        let blot = Blot::new(["p\"w&<x>'/+ é".into()]);
        for form in [
            "p%22w%26%3Cx%3E%27%2F%2B%20%C3%A9",
            "p%22w%26%3cx%3e%27%2f%2b%20%c3%a9",
            "p\\\"w&<x>'\\/+ é",
            "p\\\"w&<x>'/+ \\u00e9",
            "p&quot;w&amp;&lt;x&gt;&#x27;/+ é",
        ] {
            assert_eq!(blot.out(&format!("a {form} b")), "a *** b", "{form}");
        }
    }

    #[test]
    fn blots_out_base64_that_holds_a_secret_among_other_things() {
        let blot = Blot::new(["hunter22".into()]);
        for before in ["", "a", "ab", "user;application:"] {
            let code = STANDARD.encode(format!("{before}hunter22 and more"));
            for text in [format!("Basic {code}"), format!("\"/x{code}")] {
                let shown = blot.out(&text);
                assert!(
                    shown.contains(MASK) && !shown.contains(&code[8..16]),
                    "{shown}"
                );
            }
        }
        let other = STANDARD.encode("nothing that is a secret");
        assert_eq!(blot.out(&other), other);
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
