//! One webhook as a client writes it.
//!
//! After NtechLab's page on the webhooks of FindFace Lite 1.6, read on 2026-11-21. What that page leaves open is decided here
//! and told in `docs/findface.md`: an unknown key is refused, for a filter that is left out without a word would let events
//! pass that nobody asked for.

use serde_json::{Map, Value, json};
use url::Url;

use super::fault::Fault;
use super::filters::Filters;

/// Characters of a name.
const NAME_MAX: usize = 100;
/// Bytes of an address.
const TARGET_MAX: usize = 2048;

/// What a client says of a webhook.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Document {
    pub(crate) name: String,
    /// Inactive ones are kept and not called.
    pub(crate) active: bool,
    /// As it was written.
    pub(crate) target: String,
    pub(crate) url: Url,
    pub(crate) filters: Filters,
    /// Attempts for each message; 0 is no limit.
    pub(crate) send_attempts: u32,
}

const KEYS: [&str; 6] = ["id", "name", "active", "target", "filters", "send_attempts"];

impl Document {
    /// A whole document.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(crate) fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        Self::over(value, None)
    }

    /// This one, with what is said of it now.
    ///
    /// # Errors
    /// All that is wrong with that.
    pub(crate) fn changed(&self, value: &Value) -> Result<Self, Vec<Fault>> {
        Self::over(value, Some(self))
    }

    fn over(value: &Value, old: Option<&Self>) -> Result<Self, Vec<Fault>> {
        let Value::Object(map) = value else {
            let fault = Fault::new(&[], Fault::TYPE, "value is not a JSON object");
            return Err(vec![fault]);
        };
        let mut faults = Vec::new();
        for key in map.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            faults.push(unknown(&[key], key, &KEYS));
        }
        let name = said(map, "name", text, &mut faults)
            .or_else(|| Some(old?.name.clone()))
            .unwrap_or_else(|| missing("name", map, &mut faults));
        let target = match (said(map, "target", address, &mut faults), old) {
            (Some(target), _) => Some(target),
            (None, Some(old)) => Some((old.target.clone(), old.url.clone())),
            (None, None) => {
                missing("target", map, &mut faults);
                None
            }
        };
        let active = said(map, "active", boolean, &mut faults);
        let send_attempts = said(map, "send_attempts", count, &mut faults);
        let filters = match map.get("filters") {
            None | Some(Value::Null) => old.map(|old| old.filters.clone()).unwrap_or_default(),
            Some(said) => Filters::read(said, &mut faults),
        };
        match target {
            Some((target, url)) if faults.is_empty() => Ok(Self {
                name,
                active: active.or(old.map(|old| old.active)).unwrap_or(true),
                target,
                url,
                filters,
                send_attempts: send_attempts
                    .or(old.map(|old| old.send_attempts))
                    .unwrap_or(0),
            }),
            _ => Err(faults),
        }
    }

    /// As it is told and kept.
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let json = json!({
            "name": self.name,
            "active": self.active,
            "target": self.target,
            "filters": self.filters.to_json(),
            "send_attempts": self.send_attempts,
        });
        match json {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}

fn missing(key: &str, map: &Map<String, Value>, faults: &mut Vec<Fault>) -> String {
    // What is there and wrong was told.
    if map.get(key).is_none_or(Value::is_null) {
        faults.push(Fault::new(&[key], Fault::MISSING, "field required"));
    }
    String::new()
}

pub(super) fn unknown(way: &[&str], key: &str, known: &[&str]) -> Fault {
    let known = known.join(", ");
    let key: String = key.chars().take(NAME_MAX).collect();
    let message = format!("extra fields not permitted: `{key}` is none of {known}");
    Fault::new(way, Fault::EXTRA, message)
}

/// The value of a key that is there and not null.
fn said<T>(
    map: &Map<String, Value>,
    key: &str,
    read: impl Fn(&Value) -> Result<T, (&'static str, String)>,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    let value = map.get(key).filter(|value| !value.is_null())?;
    match read(value) {
        Ok(value) => Some(value),
        Err((kind, message)) => {
            faults.push(Fault::new(&[key], kind, message));
            None
        }
    }
}

type Read<T> = Result<T, (&'static str, String)>;

fn text(value: &Value) -> Read<String> {
    let text = value
        .as_str()
        .ok_or((Fault::TYPE, "str type expected".to_owned()))?;
    let wrong = match text.chars().count() {
        0 => "a name must not be empty".to_owned(),
        n if n > NAME_MAX => format!("ensure this value has at most {NAME_MAX} characters"),
        _ if text.chars().any(char::is_control) => "it holds control characters".to_owned(),
        _ => return Ok(text.to_owned()),
    };
    Err((Fault::VALUE, wrong))
}

fn boolean(value: &Value) -> Read<bool> {
    let message = "value could not be parsed to a boolean: expected true or false";
    value.as_bool().ok_or((Fault::TYPE, message.to_owned()))
}

fn count(value: &Value) -> Read<u32> {
    let count = value.as_u64().and_then(|count| u32::try_from(count).ok());
    let message = "expected a whole number of attempts, 0 for no limit";
    count.ok_or((Fault::TYPE, message.to_owned()))
}

fn address(value: &Value) -> Read<(String, Url)> {
    let text = value
        .as_str()
        .ok_or((Fault::TYPE, "str type expected".to_owned()))?;
    let wrong = |message: &str| Err((Fault::VALUE, message.to_owned()));
    if text.len() > TARGET_MAX {
        return wrong("ensure this value has at most 2048 bytes");
    }
    let Ok(url) = Url::parse(text) else {
        return wrong("invalid or missing URL: expected such as `https://client.example/hook`");
    };
    if !matches!(url.scheme(), "http" | "https") {
        return wrong("the URL must begin with http:// or https://");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return wrong("the URL names no host");
    }
    Ok((text.to_owned(), url))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(value: &Value) -> Vec<(String, &'static str)> {
        let faults = Document::read(value).unwrap_err();
        let told = faults.iter().map(|fault| {
            let way: Vec<String> = fault
                .way
                .iter()
                .map(|step| match step {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                })
                .collect();
            (way.join("."), fault.kind)
        });
        told.collect()
    }

    #[test]
    fn what_is_left_out_is_the_documented_default() {
        let document =
            Document::read(&json!({ "name": "gate", "target": "http://ff.example/in" })).unwrap();
        assert!(document.active);
        assert_eq!(document.send_attempts, 0);
        assert_eq!(document.filters, Filters::default());
        assert_eq!(
            Value::Object(document.to_json()),
            json!({ "name": "gate", "active": true, "target": "http://ff.example/in", "filters": {}, "send_attempts": 0 })
        );
    }

    #[test]
    fn tells_all_that_is_wrong_and_where() {
        assert_eq!(faults(&json!([])), [(String::new(), Fault::TYPE)]);
        let missing = [
            ("name".to_owned(), Fault::MISSING),
            ("target".to_owned(), Fault::MISSING),
        ];
        assert_eq!(faults(&json!({})), missing);
        assert_eq!(faults(&json!({ "name": null, "target": null })), missing);
        let wrong = json!({
            "name": "", "target": "ftp://a/b", "active": "yes", "send_attempts": -1, "url": 1,
            "filters": { "yaw_lte": "x", "camera_in": [1, true], "medmask": { "name": "blue" } },
        });
        let mut told = faults(&wrong);
        told.sort();
        let ways: Vec<&str> = told.iter().map(|(way, _)| way.as_str()).collect();
        assert_eq!(
            ways,
            [
                "active",
                "filters.camera_in.1",
                "filters.medmask.name",
                "filters.yaw_lte",
                "name",
                "send_attempts",
                "target",
                "url"
            ]
        );
    }

    #[test]
    fn refuses_addresses_that_are_none() {
        for target in [
            "",
            "ff.example/in",
            "/in",
            "http://",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "http://a b/",
        ] {
            assert_eq!(
                faults(&json!({ "name": "x", "target": target })),
                [("target".to_owned(), Fault::VALUE)],
                "{target}"
            );
        }
        let long = format!("http://a/{}", "x".repeat(3000));
        assert_eq!(faults(&json!({ "name": "x", "target": long })).len(), 1);
    }

    #[test]
    fn a_change_keeps_what_it_does_not_tell() {
        let whole = json!({ "name": "a", "target": "http://a/", "active": false, "send_attempts": 7, "filters": { "matched": true } });
        let old = Document::read(&whole).unwrap();
        assert_eq!(old.changed(&json!({})).unwrap(), old);
        let new = old
            .changed(&json!({ "active": true, "filters": { "camera_in": 7 } }))
            .unwrap();
        assert_eq!(
            (new.active, new.send_attempts, new.name.as_str()),
            (true, 7, "a")
        );
        assert_eq!(new.filters.to_json(), json!({ "camera_in": 7 }));
        assert!(old.changed(&json!({ "name": 5 })).is_err());
    }
}
