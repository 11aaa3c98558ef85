//! The body of a request.

use bytes::Bytes;
use http::HeaderValue;
use serde_json::Value;

use super::Settings;
use super::parts::{Part, Parts};
use super::stream;
use crate::event::{Event, Item, Picture};
use crate::payload::Body;
use crate::render::Building;
use crate::render::fields::{pairs, text_of};
use crate::render::multipart;
use crate::template::{Output, RenderError, Scope, Structure, Template};

/// The compiled body of [`Settings`].
pub(super) enum Writer {
    Empty,
    Json(Structure),
    Form(Structure),
    Multipart(Vec<PartWriter>),
    Text(Template),
    Xml(Template),
    Image(Template),
    Stream(stream::Writer),
    Original,
}

pub(super) struct PartWriter {
    name: String,
    value: PartValue,
    filename: Option<Template>,
    content_type: Option<Template>,
}

enum PartValue {
    Template(Template),
    Structure(Structure),
}

/// A body and the content type that follows from it.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) content_type: Option<String>,
    pub(super) body: Body,
}

impl Writer {
    pub(super) fn new(building: &mut Building<'_>, settings: &Settings) -> Option<Self> {
        let given = given(settings);
        if let [first, others @ ..] = given.as_slice() {
            for other in others {
                let message = format!("a request has one body, and `{first}` says it already");
                building.wrong(&[other], message, None);
            }
        }
        // All are compiled, for each may have mistakes of its own.
        let mut built = given.iter().map(|name| Self::of(building, settings, name));
        let first = built.next().unwrap_or(Some(Self::Empty));
        built.for_each(drop);
        first
    }

    fn of(building: &mut Building<'_>, settings: &Settings, body: &str) -> Option<Self> {
        match body {
            "json" => {
                let source = settings.json.as_ref()?;
                building.structure(&["json"], source).map(Self::Json)
            }
            "form" => {
                let source = Value::Object(settings.form.as_ref()?.0.clone());
                building.structure(&["form"], &source).map(Self::Form)
            }
            "multipart" => parts(building, settings.multipart.as_ref()?).map(Self::Multipart),
            "text" => building
                .template(&["text"], settings.text.as_ref()?)
                .map(Self::Text),
            "xml" => building
                .template(&["xml"], settings.xml.as_ref()?)
                .map(Self::Xml),
            "image" => building
                .template(&["image"], settings.image.as_ref()?)
                .map(Self::Image),
            "stream" => {
                let form = settings.stream.as_ref()?.0?;
                stream::Writer::new(building, form).map(Self::Stream)
            }
            _ => Some(Self::Original),
        }
    }

    /// `url` is where the request goes.
    pub(super) fn write(
        &self,
        event: &Event,
        item: Option<Item>,
        scope: &Scope,
        url: &str,
    ) -> Result<Written, RenderError> {
        Ok(match self {
            Self::Empty => Written::default(),
            Self::Json(structure) => json(&structure.json(scope)?),
            Self::Form(structure) => form(structure.json(scope)?),
            Self::Multipart(writers) => {
                let mut parts = Vec::new();
                for writer in writers {
                    parts.append(&mut writer.write(scope)?);
                }
                multipart(event, parts)
            }
            Self::Text(template) => text(template.text(scope)?, "text/plain; charset=utf-8"),
            Self::Xml(template) => text(template.text(scope)?, "application/xml; charset=utf-8"),
            Self::Image(template) => image(template.output(scope)?)?,
            Self::Stream(writer) => writer.write(event, item, scope, url)?,
            Self::Original => original(event)?,
        })
    }
}

/// The names of the bodies that are given.
pub(super) fn given(settings: &Settings) -> Vec<&'static str> {
    let bodies = [
        ("json", settings.json.is_some()),
        ("form", settings.form.is_some()),
        ("multipart", settings.multipart.is_some()),
        ("text", settings.text.is_some()),
        ("xml", settings.xml.is_some()),
        ("image", settings.image.is_some()),
        (
            "stream",
            settings
                .stream
                .as_ref()
                .is_some_and(|stream| stream.0.is_some()),
        ),
        ("original", settings.original),
    ];
    let given = bodies.into_iter().filter(|(_, given)| *given);
    given.map(|(name, _)| name).collect()
}

fn parts(building: &mut Building<'_>, parts: &Parts) -> Option<Vec<PartWriter>> {
    let mut writers = Vec::new();
    for (name, part) in &parts.0 {
        match &part.value {
            Value::Null => {} // left out
            value => writers.push(PartWriter::new(building, name, part, value)),
        }
    }
    writers.into_iter().collect()
}

impl PartWriter {
    fn new(building: &mut Building<'_>, name: &str, part: &Part, value: &Value) -> Option<Self> {
        let long = ["multipart", name, "value"];
        let at = if part.short { &long[..2] } else { &long[..] };
        let value = match value {
            Value::String(source) => building.template(at, source).map(PartValue::Template),
            other => building.structure(at, other).map(PartValue::Structure),
        };
        let mut said = |key: &str, source: &Option<String>| match source {
            Some(source) => building
                .template(&["multipart", name, key], source)
                .map(Some),
            None => Some(None),
        };
        let (filename, content_type) = (
            said("filename", &part.filename),
            said("type", &part.content_type),
        );
        Some(Self {
            name: name.to_owned(),
            value: value?,
            filename: filename?,
            content_type: content_type?,
        })
    }

    fn write(&self, scope: &Scope) -> Result<Vec<multipart::Part>, RenderError> {
        let said = |template: &Option<Template>| match template {
            Some(template) => template
                .text(scope)
                .map(|text| Some(text).filter(|text| !text.is_empty())),
            None => Ok(None),
        };
        let (output, structured) = match &self.value {
            PartValue::Template(template) => (template.output(scope)?, false),
            PartValue::Structure(structure) => {
                let value = structure.json(scope)?;
                let structured = value.is_object() || value.is_array();
                (Output::Json(value), structured)
            }
        };
        let said = Said {
            filename: said(&self.filename)?,
            content_type: said(&self.content_type)?,
        };
        said.parts(&self.name, output, structured)
    }
}

/// What the settings say about a part, empty texts being nothing.
#[derive(Default)]
struct Said {
    filename: Option<String>,
    content_type: Option<String>,
}

impl Said {
    /// One part, several for a list of pictures, none for null and for a picture that is missing or not fetched.
    fn parts(
        self,
        name: &str,
        output: Output,
        structured: bool,
    ) -> Result<Vec<multipart::Part>, RenderError> {
        if let Some(content_type) = &self.content_type {
            HeaderValue::from_bytes(content_type.as_bytes()).map_err(|_| {
                RenderError(format!("the type of the part `{name}` is no content type"))
            })?;
        }
        let pictures = match output {
            Output::Json(value) => {
                let part = text_of(value).map(|text| self.text(name, text, structured));
                return Ok(part.into_iter().collect());
            }
            Output::Picture(picture) => vec![picture],
            Output::Pictures(pictures) => pictures,
        };
        let parts = pictures.iter().enumerate();
        Ok(parts
            .filter_map(|(n, picture)| self.picture(name, n, picture))
            .collect())
    }

    fn text(self, name: &str, text: String, structured: bool) -> multipart::Part {
        let implied = match (structured, &self.filename) {
            (true, _) => Some("application/json"),
            (false, Some(_)) => Some("text/plain; charset=utf-8"),
            (false, None) => None, // as browsers do
        };
        multipart::Part {
            name: name.to_owned(),
            content_type: self.content_type.or(implied.map(str::to_owned)),
            filename: self.filename,
            bytes: Bytes::from(text),
        }
    }

    fn picture(&self, name: &str, n: usize, picture: &Picture) -> Option<multipart::Part> {
        let bytes = picture.bytes()?.clone();
        let filename = self
            .filename
            .clone()
            .unwrap_or_else(|| format!("{name}.{}", multipart::extension(&picture.content_type)));
        let content_type = self
            .content_type
            .clone()
            .unwrap_or_else(|| media_type(picture));
        Some(multipart::Part {
            name: name.to_owned(),
            filename: Some(numbered(filename, n)),
            content_type: Some(content_type),
            bytes,
        })
    }
}

/// A picture as a file, under its name and with its usual ending; none that was not fetched.
pub(super) fn picture_part(name: &str, picture: &Picture) -> Option<multipart::Part> {
    Said::default().picture(name, 0, picture)
}

/// `a.jpg`, `a-2.jpg`, `a-3.jpg`.
fn numbered(filename: String, n: usize) -> String {
    match filename.rsplit_once('.') {
        _ if n == 0 => filename,
        Some((stem, ending)) => format!("{stem}-{}.{ending}", n + 1),
        None => format!("{filename}-{}", n + 1),
    }
}

/// A sender may say anything; what is no header value is not passed on.
fn media_type(picture: &Picture) -> String {
    match HeaderValue::from_str(&picture.content_type) {
        Ok(_) if !picture.content_type.is_empty() => picture.content_type.clone(),
        _ => "application/octet-stream".to_owned(),
    }
}

pub(super) fn json(value: &Value) -> Written {
    text(value.to_string(), "application/json")
}

pub(super) fn form(fields: Value) -> Written {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs(fields))
        .finish();
    text(body, "application/x-www-form-urlencoded")
}

fn text(text: String, content_type: &str) -> Written {
    Written {
        content_type: Some(content_type.to_owned()),
        body: Body(vec![Bytes::from(text)]),
    }
}

pub(super) fn multipart(event: &Event, parts: Vec<multipart::Part>) -> Written {
    // The id is made after the sender has spoken, so that no sender can guess the boundary.
    let (content_type, body) = multipart::write(event.id.as_bytes(), parts);
    Written {
        content_type: Some(content_type),
        body,
    }
}

fn image(output: Output) -> Result<Written, RenderError> {
    let picture = match output {
        Output::Picture(picture) => Some(picture),
        Output::Pictures(pictures) => pictures.into_iter().next(),
        Output::Json(Value::Null) => None,
        Output::Json(_) => {
            return Err(RenderError(
                "`image` came to a text, expected a picture such as {{ images.frame }}".to_owned(),
            ));
        }
    };
    let Some(picture) = picture else {
        return Err(RenderError(
            "this event has no such picture, and `image` needs one".to_owned(),
        ));
    };
    match picture.bytes() {
        Some(bytes) => Ok(Written {
            content_type: Some(media_type(&picture)),
            body: Body(vec![bytes.clone()]),
        }),
        None => Err(RenderError(
            "the picture is known only by its address: fetch it in a step before".to_owned(),
        )),
    }
}

fn original(event: &Event) -> Result<Written, RenderError> {
    match event.withheld_by() {
        None => Ok(Written {
            content_type: event.original.content_type().map(str::to_owned),
            body: Body(vec![event.original.body.clone()]),
        }),
        Some(rule) if event.removed_by().is_some() => Err(RenderError(format!(
            "the request as it came is no longer kept: it was removed by `{rule}`"
        ))),
        Some(step) => Err(RenderError(format!(
            "the request as it came is withheld: it tells what the step `{step}` takes out"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::event::{Kind, Original, PictureData, Role};
    use crate::name::Name;

    fn picture(content_type: &str, data: PictureData) -> Picture {
        Picture {
            role: Role::PLATE,
            item: None,
            content_type: content_type.to_owned(),
            data,
        }
    }

    fn jpeg() -> Picture {
        picture(
            "image/jpeg",
            PictureData::Bytes(Bytes::from_static(b"\xff\xd8\xff")),
        )
    }

    fn event(original: Original) -> Event {
        let source = Name::new("gate").unwrap();
        Event::new(source, "generic", Kind::Plate, Arc::new(original))
    }

    fn body(written: &Written) -> String {
        String::from_utf8(written.body.to_vec()).unwrap()
    }

    #[test]
    fn json_keeps_types_and_order() {
        let written = json(&json!({ "z": 1, "a": 0.5, "n": null, "t": "1", "b": true }));
        assert_eq!(
            body(&written),
            r#"{"z":1,"a":0.5,"n":null,"t":"1","b":true}"#
        );
        assert_eq!(written.content_type.as_deref(), Some("application/json"));
    }

    #[test]
    fn a_form_leaves_null_out_and_encodes_the_rest() {
        let written =
            form(json!({ "json": "{\"a\": \"ü&=\"}", "gone": null, "n": 5, "l": ["x", "y"] }));
        assert_eq!(
            body(&written),
            "json=%7B%22a%22%3A+%22%C3%BC%26%3D%22%7D&n=5&l=x&l=y"
        );
    }

    #[test]
    fn the_original_is_sent_byte_for_byte() {
        let bytes = Bytes::from_static(b"\x00\xff anything");
        let mut event = event(Original {
            headers: vec![("Content-TYPE".into(), "Weird/Type; x=\"y\"".into())],
            body: bytes.clone(),
            ..Original::default()
        });
        let written = original(&event).unwrap();
        assert_eq!(written.content_type.as_deref(), Some("Weird/Type; x=\"y\""));
        assert_eq!(written.body.0[0].as_ptr(), bytes.as_ptr());
        event.original = Arc::new(Original::default());
        assert_eq!(original(&event).unwrap().content_type, None);
        let everything = crate::event::Withholding {
            request: true,
            raw: true,
        };
        event.withhold("strip", everything);
        let refused = original(&event).unwrap_err();
        assert!(refused.0.contains("`strip` takes out"), "{}", refused.0);
    }

    #[test]
    fn an_image_has_its_own_content_type_and_must_be_there() {
        let written = image(Output::Picture(jpeg())).unwrap();
        assert_eq!(written.content_type.as_deref(), Some("image/jpeg"));
        assert_eq!(written.body.len(), 3);
        assert!(image(Output::Json(Value::Null)).is_err());
        assert!(image(Output::Json("text".into())).is_err());
        let unfetched = picture("image/jpeg", PictureData::Url("http://cam/1.jpg".into()));
        assert!(image(Output::Picture(unfetched)).is_err());
    }

    #[test]
    fn parts_are_texts_pictures_or_left_out() {
        let parts = |output| Said::default().parts("p", output, false).unwrap();
        let text = &parts(Output::Json("hi".into()))[0];
        assert_eq!(
            (text.filename.as_ref(), text.content_type.as_ref()),
            (None, None)
        );
        assert_eq!(parts(Output::Json(json!(5)))[0].bytes, "5");
        assert!(parts(Output::Json(Value::Null)).is_empty());
        let unfetched = picture("image/jpeg", PictureData::Url("http://cam/1.jpg".into()));
        assert!(parts(Output::Picture(unfetched)).is_empty());

        let png = picture(
            "image/png",
            PictureData::Bytes(Bytes::from_static(b"\x89PNG")),
        );
        let pictures = parts(Output::Pictures(vec![jpeg(), png]));
        let told: Vec<_> = pictures
            .iter()
            .map(|part| {
                (
                    part.filename.as_deref().unwrap(),
                    part.content_type.as_deref().unwrap(),
                )
            })
            .collect();
        assert_eq!(told, [("p.jpg", "image/jpeg"), ("p-2.png", "image/png")]);
    }

    #[test]
    fn what_is_said_of_a_part_wins() {
        let said = || Said {
            filename: Some("x.json".into()),
            content_type: Some("application/json; charset=utf-8".into()),
        };
        let part = &said().parts("p", Output::Json("{}".into()), false).unwrap()[0];
        assert_eq!(part.filename.as_deref(), Some("x.json"));
        assert_eq!(
            part.content_type.as_deref(),
            Some("application/json; charset=utf-8")
        );
        let part = &said().parts("p", Output::Picture(jpeg()), false).unwrap()[0];
        assert_eq!(
            part.content_type.as_deref(),
            Some("application/json; charset=utf-8")
        );
        let structure = &Said::default()
            .parts("p", Output::Json(json!({ "a": 1 })), true)
            .unwrap()[0];
        assert_eq!(structure.content_type.as_deref(), Some("application/json"));
    }

    #[test]
    fn a_content_type_cannot_inject_a_header() {
        let said = Said {
            filename: None,
            content_type: Some("a/b\r\nX-Evil: 1".into()),
        };
        assert!(said.parts("p", Output::Json("x".into()), false).is_err());
        let forged = picture("image/jpeg\r\nX-Evil: 1", PictureData::Bytes(Bytes::new()));
        let part = &Said::default()
            .parts("p", Output::Picture(forged), false)
            .unwrap()[0];
        assert_eq!(
            part.content_type.as_deref(),
            Some("application/octet-stream")
        );
    }

    #[test]
    fn two_bodies_are_one_too_many() {
        let yaml = "url: http://x\njson: {}\ntext: x\noriginal: true";
        let settings: Settings = serde_saphyr::from_str(yaml).unwrap();
        assert_eq!(given(&settings), ["json", "text", "original"]);
    }
}
