//! What goes into files and the log: JSON Lines, CSV, pictures and clips, a line for each event.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use super::forms::Form;
use super::path::Path;
use super::{Building, Mistakes, stream};
use crate::event::{Event, Item};
use crate::payload::{File, Payload};
use crate::template::{Engine, Names, Output, RenderError, Scope, Template};

/// A file with one JSON object on each line: its path, or `{ path, format }`.
#[derive(Clone)]
pub(crate) struct Jsonl {
    pub(crate) path: String,
    pub(crate) format: Format,
    pub(crate) results: Form,
    /// Whether the settings were a path alone.
    short: bool,
}

/// How an event is written into a file of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// The event as the API shows it, with camhook's own names.
    #[default]
    Neutral,
    /// As Plate Recognizer Stream writes its `jsonlines_file`.
    Stream,
}

/// The settings of `jsonl` when they are more than a path.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct JsonlMap {
    /// The file. Counts from the folder of the config; may hold strftime codes (`%Y-%m-%d`, in the event's local time)
    /// and templates, each value becoming one safe segment.
    path: String,
    /// `neutral` (the default) or `stream`.
    #[serde(default)]
    format: Format,
    /// Of `stream`: `as_it_came` (the default), or the one of Stream's two forms that all results are written in, `plate` or
    /// `vehicle`.
    #[serde(default)]
    results: Form,
}

/// A CSV file with the columns of Plate Recognizer Stream, one row for each plate. The path counts from the folder of the
/// config; it may hold strftime codes (`%Y-%m-%d`, in the event's local time) and templates, each value becoming one safe segment.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Csv(pub(crate) String);

/// Writes a picture, or the clip, of each event to a file of its own.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pictures {
    /// The file. Counts from the folder of the config; may hold strftime codes (`%H-%M-%S.%f`, in the event's local time)
    /// and templates, each value becoming one safe segment. A file that is already there with other content is kept, and
    /// the new one is named `…-2`.
    pub(crate) path: String,
    /// Which picture: `frame` (the default), `vehicle`, `plate`, `face`, `thumbnail`, a name that a step gave with `as`,
    /// or `video` for the clip.
    #[serde(default = "frame")]
    pub(crate) image: String,
}

/// Writes a line for each event to camhook's own log.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    /// `info` (the default) names the event, its source, kind and camera; `debug` its plates too, and is shown only when
    /// camhook logs at that level.
    #[serde(default)]
    pub(crate) level: Level,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    #[default]
    Info,
    Debug,
}

pub(crate) struct LinesWriter {
    path: Path,
    format: Format,
    results: Form,
}

pub(crate) struct CsvWriter(Path);

pub(crate) struct PicturesWriter {
    path: Path,
    image: Image,
}

enum Image {
    Clip,
    Picture { role: String, template: Template },
}

pub(crate) struct LogWriter(Level);

fn frame() -> String {
    "frame".to_owned()
}

impl LinesWriter {
    pub(super) fn new(settings: &Jsonl, engine: &Engine, names: Names) -> Result<Self, Mistakes> {
        let mut building = Building::new(engine, names);
        let at: &[&str] = if settings.short { &[] } else { &["path"] };
        let path = Path::new(&mut building, at, &settings.path);
        building.done(path.map(|path| Self {
            path,
            format: settings.format,
            results: settings.results,
        }))
    }

    pub(super) fn write(
        &self,
        event: &Event,
        item: Option<Item>,
        scope: &Scope,
    ) -> Result<Payload, RenderError> {
        let line = match self.format {
            Format::Neutral => event.to_json(),
            Format::Stream => stream::line(event, item, self.results),
        };
        Ok(Payload::Line {
            path: self.path.text(event, scope)?,
            header: None,
            line: line.to_string(),
        })
    }
}

impl CsvWriter {
    pub(super) fn new(settings: &Csv, engine: &Engine, names: Names) -> Result<Self, Mistakes> {
        let mut building = Building::new(engine, names);
        let path = Path::new(&mut building, &[], &settings.0);
        building.done(path.map(Self))
    }

    pub(super) fn write(
        &self,
        event: &Event,
        item: Option<Item>,
        scope: &Scope,
    ) -> Result<Payload, RenderError> {
        Ok(Payload::Line {
            path: self.0.text(event, scope)?,
            header: Some(stream::CSV_HEADER.to_owned()),
            line: stream::rows(event, item),
        })
    }
}

impl PicturesWriter {
    pub(super) fn new(
        settings: &Pictures,
        engine: &Engine,
        names: Names,
    ) -> Result<Self, Mistakes> {
        let mut building = Building::new(engine, names);
        let path = Path::new(&mut building, &["path"], &settings.path);
        let image = match settings.image.as_str() {
            "video" => Some(Image::Clip),
            role => {
                let source = format!("{{{{ images[{}] }}}}", Value::from(role));
                let known = engine.picture(role);
                let known = building.keep(&["image"], known);
                let template = known.and_then(|()| building.template(&["image"], &source));
                template.map(|template| Image::Picture {
                    role: role.to_owned(),
                    template,
                })
            }
        };
        building.done(path.zip(image).map(|(path, image)| Self { path, image }))
    }

    pub(super) fn write(&self, event: &Event, scope: &Scope) -> Result<Payload, RenderError> {
        let bytes = match &self.image {
            Image::Clip => event.clip().ok_or_else(|| {
                RenderError("this event has no clip: none came with the request".to_owned())
            })?,
            Image::Picture { role, template } => match template.output(scope)? {
                Output::Picture(picture) => picture.bytes().cloned(),
                Output::Pictures(pictures) => pictures
                    .first()
                    .and_then(|picture| picture.bytes().cloned()),
                Output::Json(_) => None,
            }
            .ok_or_else(|| {
                let there = scope.pictures_told();
                RenderError(format!("this event has no picture `{role}`: {there}"))
            })?,
        };
        let path = self.path.text(event, scope)?;
        Ok(Payload::Files(vec![File { path, bytes }]))
    }
}

impl LogWriter {
    pub(super) fn new(settings: &Log) -> Self {
        Self(settings.level)
    }

    pub(super) fn write(&self, event: &Event) -> Payload {
        let mut text = format!(
            "event {} from {}: {}",
            event.id,
            event.source,
            event.kind.as_str()
        );
        if let Some(camera) = event.camera.id.as_ref().or(event.camera.name.as_ref()) {
            text.push_str(&format!(", camera {}", camera.escape_debug()));
        }
        if self.0 == Level::Debug {
            for plate in event.plates.iter().filter_map(|plate| plate.text.as_ref()) {
                text.push_str(&format!(", plate {}", plate.escape_debug()));
            }
        }
        Payload::Log { text }
    }
}

impl<'de> Deserialize<'de> for Jsonl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Jsonl;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a path, or `{ path, format }`")
            }
            fn visit_str<E>(self, path: &str) -> Result<Jsonl, E> {
                Ok(Jsonl {
                    path: path.to_owned(),
                    format: Format::default(),
                    results: Form::default(),
                    short: true,
                })
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Jsonl, A::Error> {
                let map = JsonlMap::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Jsonl {
                    path: map.path,
                    format: map.format,
                    results: map.results,
                    short: false,
                })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Jsonl {
    fn schema_name() -> Cow<'static, str> {
        "Jsonl".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = generator.subschema_for::<JsonlMap>();
        json_schema!({
            "description": "A file with one JSON object on each line: its path, or `{ path, format }`.",
            "anyOf": [{ "type": "string" }, map]
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::{Kind, Original, Plate};
    use crate::name::Name;

    #[test]
    fn jsonl_is_a_path_or_a_map() {
        let short: Jsonl = serde_json::from_str(r#""data/%Y.jsonl""#).unwrap();
        assert!(short.short && short.format == Format::Neutral);
        let map: Jsonl =
            serde_json::from_str(r#"{ "path": "x.jsonl", "format": "stream" }"#).unwrap();
        assert!(!map.short && map.format == Format::Stream && map.path == "x.jsonl");
        assert!(serde_json::from_str::<Jsonl>(r#"{ "path": "x", "fromat": "stream" }"#).is_err());
        assert!(serde_json::from_str::<Jsonl>(r#"{ "format": "stream" }"#).is_err());
    }

    #[test]
    fn the_log_names_no_plate_unless_asked_and_no_line_can_be_forged() {
        let source = Name::new("gate").unwrap();
        let mut event = Event::new(
            source,
            "generic",
            Kind::Plate,
            Arc::new(Original::default()),
        );
        event.camera.id = Some("a\nevent forged".into());
        event.plates = vec![Plate {
            text: Some("ab123cd".into()),
            ..Plate::default()
        }];
        let text = |level| match LogWriter(level).write(&event) {
            Payload::Log { text } => text,
            other => panic!("{other:?}"),
        };
        let info = format!(
            "event {} from gate: plate, camera a\\nevent forged",
            event.id
        );
        assert_eq!(text(Level::Info), info);
        assert_eq!(text(Level::Debug), info + ", plate ab123cd");
    }
}
