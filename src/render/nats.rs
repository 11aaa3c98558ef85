//! Writes messages for NATS.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::fields::{Fields, pairs};
use super::path::outline;
use super::{Building, Mistakes, content};
use crate::payload::{Body, Publication};
use crate::template::{Engine, Names, RenderError, Scope, Structure, Template};

/// The message a NATS server is sent.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The subject to publish to, such as `cameras.{{ event.camera.id }}.plate`. Each value is one token: a `.`, `*`, `>` or
    /// blank in it becomes `_`.
    pub(crate) subject: String,
    /// What is published: a YAML structure or one `"{{ event }}"` as JSON, a text, or a picture such as
    /// `"{{ images.plate }}"`. Default: the event as JSON.
    #[serde(default = "content::event")]
    pub(crate) payload: Value,
    /// Headers. A null value is left out, a list repeats its name. `Nats-Msg-Id` is always the delivery's id.
    #[serde(default)]
    pub(crate) headers: Fields,
}

/// The compiled [`Settings`].
pub(crate) struct Writer {
    subject: Template,
    payload: content::Writer,
    headers: Option<Structure>,
    address: Option<(String, u16)>,
}

/// A server reads lines of 4096 bytes, and the subject is not all that stands in one.
const SUBJECT_BYTES_MAX: usize = 1024;

impl Writer {
    pub(super) fn new(
        settings: &Settings,
        engine: &Engine,
        names: Names,
        address: Option<(String, u16)>,
    ) -> Result<Self, Mistakes> {
        let mut building = Building::new(engine, names);
        if let Err(error) = check_subject(&outline(&settings.subject, "x")) {
            let help = "such as `cameras.{{ event.camera.id }}.plate`";
            building.wrong(&["subject"], error, Some(help));
        }
        let subject = engine.subject(&settings.subject, names);
        let subject = building.keep(&["subject"], subject);
        let payload = content::Writer::new(&mut building, &["payload"], &settings.payload);
        for name in settings.headers.0.keys() {
            if let Err(message) = check_header(name) {
                building.wrong(&["headers", name], message, None);
            }
        }
        let headers = Value::Object(settings.headers.0.clone());
        let headers = building.structure(&["headers"], &headers);
        let built = subject.zip(payload).map(|(subject, payload)| Self {
            subject,
            payload,
            headers: headers.filter(|_| !settings.headers.0.is_empty()),
            address,
        });
        building.done(built)
    }

    pub(super) fn address(&self) -> Option<(String, u16)> {
        self.address.clone()
    }

    pub(super) fn write(&self, scope: &Scope) -> Result<Publication, RenderError> {
        let subject = self.subject.text(scope)?;
        check_subject(&subject).map_err(RenderError)?;
        let headers = match &self.headers {
            Some(headers) => pairs(headers.json(scope)?),
            None => Vec::new(),
        };
        for (name, value) in &headers {
            if value.contains(['\r', '\n', '\0']) {
                return Err(RenderError(format!(
                    "the value of the header `{name}` holds a line break"
                )));
            }
        }
        Ok(Publication {
            subject,
            headers,
            payload: Body(vec![self.payload.must_write(scope)?]),
        })
    }
}

/// Whether one can publish to it.
fn check_subject(subject: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("`{subject}` is no subject to publish to: {why}"));
    match () {
        () if subject.is_empty() => wrong("it is empty"),
        () if subject.len() > SUBJECT_BYTES_MAX => wrong("it is too long"),
        () if subject.split('.').any(str::is_empty) => wrong("there is nothing between two dots"),
        () if subject.split('.').any(|token| matches!(token, "*" | ">")) => {
            wrong("`*` and `>` are for those who listen")
        }
        () if subject.contains(|c: char| c.is_whitespace() || c.is_control()) => {
            wrong("it holds a blank")
        }
        () if subject.starts_with('$') => wrong("what begins with `$` is the server's own"),
        () => Ok(()),
    }
}

fn check_header(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_graphic() && c != ':';
    match () {
        () if name.eq_ignore_ascii_case("Nats-Msg-Id") => {
            Err("`Nats-Msg-Id` is always the delivery's id".to_owned())
        }
        () if name.is_empty() || !name.chars().all(fits) => {
            Err(format!("`{name}` is no name of a header"))
        }
        () => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::event::{Event, Kind, Original};
    use crate::lists::Lists;
    use crate::name::Name;
    use crate::template::Given;

    fn scope(camera: &str) -> Scope {
        let name = Name::new("gate").unwrap();
        let mut event = Event::new(name, "acme", Kind::Plate, Arc::new(Original::default()));
        event.camera.id = Some(camera.to_owned());
        Scope::new(&Given {
            event: &Arc::new(event),
            item: None,
            pictures: &[],
            lists: &Lists::default(),
            with: None,
            delivery: None,
            now: jiff::Timestamp::UNIX_EPOCH,
        })
    }

    fn writer(settings: Value) -> Result<Writer, Mistakes> {
        let settings: Settings = serde_json::from_value(settings).unwrap();
        Writer::new(&settings, &Engine::new(&[]), Names::Rendering, None)
    }

    #[test]
    fn a_value_is_one_token_of_the_subject() {
        let writer = writer(json!({ "subject": "cameras.{{ event.camera.id }}.100%" })).ok();
        let writer = writer.unwrap();
        for (camera, token) in [
            ("gate-1", "gate-1"),
            ("10.0.0.5", "10_0_0_5"),
            ("a b\r\nPUB x 0", "a_b__PUB_x_0"),
            (">", "_"),
            ("$SYS", "$SYS"),
            ("50%", "50%"),
            ("Süd", "Süd"),
            ("", "_"),
        ] {
            let subject = writer.write(&scope(camera)).unwrap().subject;
            assert_eq!(subject, format!("cameras.{token}.100%"));
        }
    }

    #[test]
    fn a_subject_that_nobody_can_publish_to_is_refused_when_the_file_is_loaded() {
        for subject in [
            "",
            "a..b",
            "a.*",
            "plates.>",
            "a b",
            "$JS.API.INFO",
            "{{ event.nothing }}",
        ] {
            assert!(writer(json!({ "subject": subject })).is_err(), "{subject}");
        }
        let alone = writer(json!({ "subject": "{{ event.camera.id }}" })).ok();
        let alone = alone.unwrap();
        assert_eq!(alone.write(&scope("a.b")).unwrap().subject, "a_b");
        assert!(alone.write(&scope("$SYS")).is_err());
    }

    #[test]
    fn headers_hold_values_and_no_other_headers() {
        let made = |headers: Value| writer(json!({ "subject": "t", "headers": headers }));
        let written =
            made(json!({ "X-Camera": "{{ event.camera.id }}", "X-None": null, "X-N": 5 }));
        let written = written.ok().unwrap();
        let message = written.write(&scope("gate")).unwrap();
        let told: Vec<_> = message
            .headers
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(told, ["X-Camera=gate", "X-N=5"]);
        assert!(written.write(&scope("a\r\nNats-Msg-Id: x")).is_err());
        assert!(made(json!({ "nats-msg-id": "x" })).is_err());
        assert!(made(json!({ "a: b": "x" })).is_err());
    }
}
