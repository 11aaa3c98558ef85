//! The `hash` step: puts a keyed hash in place of plates, and of other texts.
//!
//! There are few plates, so a plain hash is undone by trying them all; HMAC-SHA256 with a key that the receiver does not
//! have is not. Texts are brought into the form that lists compare plates in before they are hashed, so one plate has
//! one hash whatever vendor read it. Like `strip`, it lets go of all that tells the text in the clear.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, Mac};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;

use super::draft::Draft;
use super::field::Field;
use super::plates::Plates;
use super::{Flow, Mistakes, Step, StepError, Work};
use crate::event::{Event, Withholding};
use crate::lists::normalise;
use crate::secret::Secret;
use crate::template::Mistake;

pub(super) const NAME: &str = "hash";

/// A shorter key may be found by trying.
const KEY_MIN: usize = 16;
/// All of it, in base32.
const LENGTH_MAX: usize = 52;

/// Puts a keyed hash (HMAC-SHA256 in base32) in place of plates and other texts, for the targets of this route: the same
/// plate and key make the same hash, in any case and with or without separators. The vendor's document and the request as
/// it came, which tell the plate in the clear, are taken out as `strip` does.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Hash")]
pub(crate) struct Settings {
    /// The secret key, of at least 16 characters, such as `${HASH_KEY}`. Who has it can find the plates by trying them all.
    key: Option<Secret>,
    /// Fields by their paths. `plates.text` goes with its candidates. Below `raw` and where a number stands, that is hashed as
    /// a text. Default: `[plates.text]`.
    fields: Vec<String>,
    /// Characters of the hash, from 8 to 52. Default 16: two of a million plates are the same by a chance of one in a trillion.
    #[schemars(range(min = 8, max = 52))]
    length: usize,
    /// Stands before each hash. Default: nothing.
    prefix: String,
    /// Whether the vendor's document, the headers and the query of the path are taken out. Default: true, but false when only
    /// fields within them are named. With false you say that they do not tell what is hashed.
    raw: Option<bool>,
    /// Whether the request as it came is taken out (true). With false you say that it does not tell what is hashed; its
    /// headers and path then stay too.
    original: Option<bool>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            key: None,
            fields: vec!["plates.text".to_owned()],
            length: 16,
            prefix: String::new(),
            raw: None,
            original: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hash of {:?}", self.fields) // not the key
    }
}

impl Settings {
    /// Whether the request as it came is withheld.
    pub(super) fn withholds(&self) -> bool {
        self.original.unwrap_or(true)
    }
}

pub(super) struct Hash {
    mac: Hmac<Sha256>,
    named: Vec<String>,
    fields: Vec<Field>,
    length: usize,
    prefix: String,
    how: Withholding,
}

impl Hash {
    pub(super) fn new(settings: &Settings) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::new();
        let key = settings.key.as_ref().map_or("", Secret::expose);
        let length = settings.length;
        if key.len() < KEY_MIN {
            let help = "such as `key: ${HASH_KEY}`, made by `openssl rand -base64 32`";
            let message = format!("a key needs at least {KEY_MIN} characters");
            let way = settings.key.as_ref().map(|_| "key".to_owned());
            mistakes.push((way.into_iter().collect(), wrong(message, help)));
        }
        if !(8..=LENGTH_MAX).contains(&length) {
            let message = format!("a hash has from 8 to {LENGTH_MAX} characters, not {length}");
            mistakes.push((
                vec!["length".to_owned()],
                wrong(message, "16 are enough for all plates there are"),
            ));
        }
        let mut fields = Vec::new();
        for (n, text) in settings.fields.iter().enumerate() {
            match Field::to_hash(text) {
                Ok(field) => fields.push(field),
                Err(mistake) => mistakes.push((vec!["fields".to_owned(), n.to_string()], mistake)),
            }
        }
        let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes());
        let (Ok(mac), true) = (mac, mistakes.is_empty()) else {
            return Err(mistakes);
        };
        let named = fields.iter().map(|field| field.told.clone()).collect();
        if fields.iter().any(|field| field.told == "plates.text") {
            fields.extend(Field::new("plates.candidates.text"));
        }
        let within = fields.iter().all(Field::is_of_request);
        Ok(Self {
            mac,
            named,
            fields,
            length,
            prefix: settings.prefix.clone(),
            how: Withholding {
                request: settings.withholds(),
                raw: settings.raw.unwrap_or(!within),
            },
        })
    }

    /// `None` for what is no text and has no hash.
    fn of(&self, value: &Value) -> Option<String> {
        let text = match value {
            Value::String(text) => normalise(text),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        };
        if text.is_empty() {
            return None;
        }
        let mut mac = self.mac.clone();
        mac.update(text.as_bytes());
        let whole = BASE32_NOPAD.encode(&mac.finalize().into_bytes());
        Some(format!("{}{}", self.prefix, &whole[..self.length]))
    }

    fn hashed(&self, work: &Work) -> Result<Event, String> {
        let mut draft = Draft::open(&work.event, &self.fields);
        let (mut made, mut plates) = (HashSet::new(), Plates::default());
        for field in &self.fields {
            draft.each(field, |value| {
                if value.as_str().is_some_and(|text| made.contains(text)) {
                    return; // two paths lead here
                }
                plates.note(field, value);
                match self.of(value) {
                    Some(hash) => {
                        *value = hash.as_str().into();
                        made.insert(hash);
                    }
                    // That nothing was read is no secret.
                    None if value.is_string() => {}
                    None => *value = Value::Null,
                }
            });
        }
        let plates = plates.ready(made)?;
        plates.scrub(draft.sheet());
        let mut event = draft.close()?;
        event.images.retain(|picture| !plates.are_told_by(picture));
        Ok(event)
    }
}

fn wrong(message: String, help: &str) -> Mistake {
    Mistake {
        message,
        help: Some(help.to_owned()),
        range: 0..0,
        path: Vec::new(),
        others: Vec::new(),
    }
}

impl Step for Hash {
    fn name(&self) -> &'static str {
        NAME
    }

    fn take(&self, work: &mut Work) -> Result<Flow, StepError> {
        let failed = |reason| StepError { step: NAME, reason };
        let mut event = self.hashed(work).map_err(failed)?;
        let came = Arc::clone(&work.event);
        work.pictures
            .retain(|picture| !picture.came_with(&came) || picture.came_with(&event));
        work.notes.push(format!("hash: {}", self.named.join(", ")));
        event.withhold(NAME, self.how);
        work.event = Arc::new(event);
        Ok(Flow::Continue)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::Plate;
    use crate::steps::fixtures::{event, work};

    const KEY: &str = "a key that only tests have";

    fn hash(settings: Value) -> Result<Hash, Mistakes> {
        Hash::new(&serde_json::from_value(settings).unwrap())
    }

    fn hashed(key: &str, text: &str) -> String {
        let plate = Plate {
            text: Some(text.to_owned()),
            ..Plate::default()
        };
        let mut work = work(event(vec![plate]), Vec::new());
        hash(json!({ "key": key }))
            .unwrap()
            .take(&mut work)
            .unwrap();
        work.event.plates[0].text.clone().unwrap()
    }

    #[test]
    fn every_case_comes_out_as_expected() {
        crate::steps::fixtures::every_case("hash");
    }

    #[test]
    fn one_plate_has_one_hash_for_each_key() {
        assert_eq!(hashed(KEY, "ab 12-cd"), hashed(KEY, "AB12CD"));
        assert_ne!(hashed(KEY, "AB12CD"), hashed(KEY, "AB12CE"));
        assert_ne!(
            hashed(KEY, "AB12CD"),
            hashed("another key, also of tests", "AB12CD")
        );
        assert_eq!(hashed(KEY, ""), "", "nothing was read");
    }

    #[test]
    fn what_cannot_be_is_refused_when_the_file_is_loaded() {
        for (settings, way, said) in [
            (json!({}), "", "at least 16"),
            (json!({ "key": "short" }), "key", "at least 16"),
            (json!({ "key": KEY, "length": 4 }), "length", "from 8 to 52"),
            (
                json!({ "key": KEY, "length": 53 }),
                "length",
                "from 8 to 52",
            ),
            (
                json!({ "key": KEY, "fields": ["plates.score"] }),
                "fields/0",
                "no text",
            ),
            (
                json!({ "key": KEY, "fields": ["raw"] }),
                "fields/0",
                "no text",
            ),
            (
                json!({ "key": KEY, "fields": ["occurred_at"] }),
                "fields/0",
                "no text",
            ),
            (
                json!({ "key": KEY, "fields": ["id"] }),
                "fields/0",
                "no text",
            ),
        ] {
            let (path, mistake) = hash(settings.clone()).err().unwrap().remove(0);
            assert_eq!(path.join("/"), way, "{settings}");
            assert!(
                mistake.message.contains(said),
                "{settings}: {}",
                mistake.message
            );
        }
        assert!(
            !format!(
                "{:?}",
                Settings {
                    key: Some(Secret::new(KEY)),
                    ..Settings::default()
                }
            )
            .contains(KEY)
        );
    }

    #[test]
    fn two_paths_to_one_text_hash_it_once() {
        let mut event = event(Vec::new());
        event.raw = crate::event::Raw::from_value(&json!({ "a": [{ "p": "AB12CD" }] }));
        let mut work = work(event, Vec::new());
        let settings = json!({ "key": KEY, "fields": ["raw.a.*.p", "raw.a.0.p", "raw.*.*.p"] });
        hash(settings).unwrap().take(&mut work).unwrap();
        assert_eq!(work.event.raw.to_json()["a"][0]["p"], hashed(KEY, "AB12CD"));
    }
}
