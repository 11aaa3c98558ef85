//! Writes messages for MQTT brokers.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::path::literal;
use super::{Building, Mistakes, content};
use crate::mqtt::check_topic;
use crate::payload::{Body, Message};
use crate::template::{Engine, Names, RenderError, Scope, Template};

/// The message a broker is sent, and those before it.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The topic to publish to, such as `cameras/{{ event.camera.id }}/plate`. Each value is one level: a `/`, `+` or
    /// `#` in it becomes `_`.
    pub(crate) topic: String,
    /// What is published: a YAML structure or one `"{{ event }}"` as JSON, a text, or a picture such as
    /// `"{{ images.plate }}"`. Default: the event as JSON.
    #[serde(default = "content::event")]
    pub(crate) payload: Value,
    /// 1: delivered when the broker has confirmed it, sent again otherwise. 0: delivered when it was sent. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1))]
    pub(crate) qos: u8,
    /// Whether the broker keeps the message for whoever subscribes later. Default `false`.
    #[serde(default)]
    pub(crate) retain: bool,
    /// Messages that are published before it, in this order, with the same `qos`: what others have to know first, or the
    /// picture on a topic of its own. One whose payload comes to nothing, such as a picture that is not there, is left out.
    #[serde(default)]
    pub(crate) first: Vec<First>,
}

/// A message before the others.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct First {
    /// As `topic` of the message itself.
    pub(crate) topic: String,
    /// As `payload` of the message itself.
    pub(crate) payload: Value,
    /// Whether the broker keeps it for whoever subscribes later. Default `false`.
    #[serde(default)]
    pub(crate) retain: bool,
}

fn one() -> u8 {
    1
}

/// The compiled [`Settings`].
pub(crate) struct Writer {
    first: Vec<OneWriter>,
    main: OneWriter,
    qos: u8,
    address: Option<(String, u16)>,
}

/// One message.
struct OneWriter {
    topic: Template,
    payload: content::Writer,
    retain: bool,
}

impl Writer {
    pub(super) fn new(
        settings: &Settings,
        engine: &Engine,
        names: Names,
        address: Option<(String, u16)>,
    ) -> Result<Self, Mistakes> {
        let mut building = Building::new(engine, names);
        if settings.qos > 1 {
            building.wrong(&["qos"], "expected 0 or 1".to_owned(), None);
        }
        let mut first = Vec::new();
        for (index, settings) in settings.first.iter().enumerate() {
            let First {
                topic,
                payload,
                retain,
            } = settings;
            let at = ["first", &index.to_string()];
            first.extend(OneWriter::new(&mut building, &at, topic, payload, *retain));
        }
        let Settings {
            topic,
            payload,
            retain,
            ..
        } = settings;
        let main = OneWriter::new(&mut building, &[], topic, payload, *retain);
        let built = main.map(|main| Self {
            first,
            main,
            qos: settings.qos,
            address,
        });
        building.done(built)
    }

    pub(super) fn address(&self) -> Option<(String, u16)> {
        self.address.clone()
    }

    /// In the order in which they are published.
    pub(super) fn write(&self, scope: &Scope) -> Result<Vec<Message>, RenderError> {
        let message = |writer: &OneWriter, payload| -> Result<Message, RenderError> {
            Ok(Message {
                topic: writer.topic(scope)?,
                qos: self.qos,
                retain: writer.retain,
                payload: Body(vec![payload]),
            })
        };
        let mut messages = Vec::with_capacity(self.first.len() + 1);
        for first in &self.first {
            if let Some(payload) = first.payload.write(scope)? {
                messages.push(message(first, payload)?);
            }
        }
        let payload = self.main.payload.must_write(scope)?;
        messages.push(message(&self.main, payload)?);
        Ok(messages)
    }
}

impl OneWriter {
    /// `at` is the way to the message inside the settings.
    fn new(
        building: &mut Building<'_>,
        at: &[&str],
        topic: &str,
        payload: &Value,
        retain: bool,
    ) -> Option<Self> {
        let topic_at = [at, &["topic"]].concat();
        let payload_at = [at, &["payload"]].concat();
        let written = literal(topic);
        if !(written.is_empty() && topic.contains("{{"))
            && let Err(error) = check_topic(&written)
        {
            building.wrong(
                &topic_at,
                error,
                Some("such as `cameras/{{ event.camera.id }}/plate`"),
            );
        }
        let topic = building.engine.path(topic, building.names);
        let topic = building.keep(&topic_at, topic);
        let payload = content::Writer::new(building, &payload_at, payload);
        topic.zip(payload).map(|(topic, payload)| Self {
            topic,
            payload,
            retain,
        })
    }

    fn topic(&self, scope: &Scope) -> Result<String, RenderError> {
        // A value's `%` comes doubled, for the paths of files.
        let topic = self.topic.text(scope)?.replace("%%", "%");
        let topic = topic.replace(['+', '#'], "_");
        check_topic(&topic).map_err(RenderError)?;
        Ok(topic)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::event::{Event, Kind, Original, Picture, PictureData, Role};
    use crate::lists::Lists;
    use crate::name::Name;
    use crate::template::Given;

    fn scope(camera: &str) -> Scope {
        let name = Name::new("gate").unwrap();
        let mut event = Event::new(name, "acme", Kind::Plate, Arc::new(Original::default()));
        event.camera.id = Some(camera.to_owned());
        let picture = Picture {
            role: Role::FRAME,
            item: None,
            content_type: "image/jpeg".to_owned(),
            data: PictureData::Bytes(Bytes::from_static(b"\xff\xd8\xffpicture")),
        };
        Scope::new(&Given {
            event: &Arc::new(event),
            item: None,
            pictures: &[picture],
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

    fn payload(payload: Value) -> Result<Vec<u8>, RenderError> {
        let writer = writer(json!({ "topic": "t", "payload": payload }))
            .ok()
            .unwrap();
        writer
            .write(&scope("gate"))
            .map(|messages| messages[0].payload.to_vec())
    }

    #[test]
    fn a_value_is_one_level_of_the_topic() {
        let writer = writer(json!({ "topic": "cameras/{{ event.camera.id }}/100%" }))
            .ok()
            .unwrap();
        for (camera, topic) in [
            ("gate", "cameras/gate/100%"),
            ("a/b", "cameras/a_b/100%"),
            ("+", "cameras/_/100%"),
            ("50%#", "cameras/50%_/100%"),
            ("", "cameras/_/100%"),
        ] {
            assert_eq!(writer.write(&scope(camera)).unwrap()[0].topic, topic);
        }
    }

    #[test]
    fn a_payload_is_json_text_or_a_picture() {
        let structure = payload(json!({ "camera": "{{ event.camera.id }}", "n": 1 })).unwrap();
        assert_eq!(structure, br#"{"camera":"gate","n":1}"#);
        assert_eq!(
            payload(json!("at {{ event.camera.id }}")).unwrap(),
            b"at gate"
        );
        assert_eq!(payload(json!("{{ event.camera }}")).unwrap()[0], b'{');
        assert!(
            payload(json!("{{ images.frame }}"))
                .unwrap()
                .starts_with(b"\xff\xd8\xff")
        );
        assert!(payload(json!("{{ images.plate }}")).is_err());
        let whole = writer(json!({ "topic": "t" })).ok().unwrap();
        let whole = whole.write(&scope("gate")).unwrap().remove(0);
        assert_eq!((whole.qos, whole.retain), (1, false));
        let event: Value = serde_json::from_slice(&whole.payload.to_vec()).unwrap();
        assert_eq!(event["camera"]["id"], "gate");
    }

    #[test]
    fn what_comes_first_is_left_out_when_there_is_nothing_of_it() {
        let first = json!([
            { "topic": "config", "payload": { "n": 1 }, "retain": true },
            { "topic": "plate", "payload": "{{ images.plate }}" },
            { "topic": "frame", "payload": "{{ images.plate or images.frame }}" },
        ]);
        let writer = writer(json!({ "topic": "t", "first": first }));
        let messages = writer.ok().unwrap().write(&scope("gate")).unwrap();
        let topics: Vec<_> = messages
            .iter()
            .map(|message| (message.topic.as_str(), message.retain))
            .collect();
        assert_eq!(topics, [("config", true), ("frame", false), ("t", false)]);
    }

    #[test]
    fn a_topic_that_nobody_can_publish_to_is_refused_when_the_file_is_loaded() {
        for topic in ["", "a/+/b", "cameras/#", "$SYS/x", "{{ event.nothing }}"] {
            assert!(writer(json!({ "topic": topic })).is_err(), "{topic}");
        }
        assert!(writer(json!({ "topic": "{{ event.camera.id }}" })).is_ok());
        assert!(writer(json!({ "topic": "t", "qos": 2 })).is_err());
    }
}
