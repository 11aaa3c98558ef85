//! What any well-formed request says, whoever sent it: its document as one tree, its pictures and its other files.
//!
//! A form, and the text parts of a multipart body, become an object; XML, also in a field or part, becomes a tree as told
//! in [`xml`].

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::body::{self, Body, Room};
use super::json::Json;
use super::media::{clip, is_clip, picture, role_named};
use super::multipart::Part;
use super::{Undecodable, xml};
use crate::event::{Event, Original, Picture, Raw, Role, Video, sniff};

/// A request's body, read but not understood.
#[derive(Debug, Default)]
pub(super) struct Document {
    content: Content,
    /// The pictures that came as such, by the roles that their names tell.
    pub(super) pictures: Vec<Picture>,
    pub(super) clip: Option<Video>,
    /// The files of a multipart body, pictures among them.
    pub(super) files: Vec<Part>,
}

#[derive(Debug, Default)]
enum Content {
    /// A bare picture has no document.
    #[default]
    None,
    /// Parsed once, and known to be well-formed.
    Json(Bytes),
    Tree(Value),
}

impl Document {
    /// Fails when the body is empty, of no known kind or broken.
    pub(super) fn read(request: &Original) -> Result<Self, Undecodable> {
        let mut document = Self::default();
        match Body::read(request)? {
            Body::Json(text) => {
                body::parse::<Json>(&text)?;
                document.content = Content::Json(text);
            }
            Body::Form(fields) => {
                let (mut tree, mut room) = (Map::new(), Room::new());
                for (name, value) in fields {
                    put(&mut tree, name, field(&value, &mut room)?);
                }
                document.content = Content::Tree(Value::Object(tree));
            }
            Body::Xml(text) => document.content = Content::Tree(xml::read(&text)?),
            Body::Picture(bytes) => {
                let picture = picture(bytes, None, Role::FRAME, None);
                document.pictures.push(picture);
            }
            Body::Multipart(parts) => document.take_parts(parts)?,
        }
        Ok(document)
    }

    fn take_parts(&mut self, parts: Vec<Part>) -> Result<(), Undecodable> {
        if parts.is_empty() {
            return Err(Undecodable::because("the multipart body has no parts"));
        }
        let (mut tree, mut room) = (Map::new(), Room::new());
        for part in parts {
            if sniff(&part.data).is_some() {
                let role = self.role_of(&part.name);
                let told = part.content_type.as_deref();
                self.pictures
                    .push(picture(part.data.clone(), told, role, None));
                self.files.push(part);
            } else if is_clip(&part) {
                self.clip = Some(clip(&part));
                self.files.push(part);
            } else if part.filename.is_none()
                || body::looks_like_json(&part.data)
                || xml::looks_like(&part.data)
            {
                put(&mut tree, part.name, field(&part.data, &mut room)?);
            } else {
                put(&mut tree, part.name.clone(), described(&part));
                self.files.push(part);
            }
        }
        self.content = Content::Tree(Value::Object(tree));
        Ok(())
    }

    /// By the part's name if that is a role; else the first such picture is taken for the whole one.
    fn role_of(&self, name: &str) -> Role {
        let role = role_named(name);
        let is_known = [
            Role::FRAME,
            Role::VEHICLE,
            Role::PLATE,
            Role::FACE,
            Role::THUMBNAIL,
        ]
        .contains(&role);
        if is_known
            || self
                .pictures
                .iter()
                .any(|picture| picture.role == Role::FRAME)
        {
            role
        } else {
            Role::FRAME
        }
    }

    /// The tree; null when there is only a picture.
    pub(super) fn value(&self) -> Cow<'_, Value> {
        match &self.content {
            Content::None => Cow::Owned(Value::Null),
            Content::Json(text) => Cow::Owned(serde_json::from_slice(text).unwrap_or(Value::Null)),
            Content::Tree(tree) => Cow::Borrowed(tree),
        }
    }

    /// The text of a JSON body, to look for something before it is made a tree.
    pub(super) fn json(&self) -> Option<&Bytes> {
        match &self.content {
            Content::Json(text) => Some(text),
            Content::None | Content::Tree(_) => None,
        }
    }

    /// The files by their names, described.
    pub(super) fn parts(&self) -> Value {
        let mut parts = Map::new();
        for file in &self.files {
            let mut told = described(file);
            told["name"] = file.name.clone().into();
            parts.entry(file.name.clone()).or_insert(told);
        }
        Value::Object(parts)
    }

    /// Puts what was read into an event that tells nothing yet.
    pub(super) fn put_into(&self, event: &mut Event) {
        event.raw = match &self.content {
            Content::None => Raw::default(),
            Content::Json(text) => Raw::from_text(text.clone()),
            Content::Tree(tree) => Raw::from_value(tree),
        };
        event.images.clone_from(&self.pictures);
        event.video.clone_from(&self.clip);
    }
}

fn described(part: &Part) -> Value {
    json!({ "filename": part.filename, "content_type": part.content_type, "size": part.data.len() })
}

/// A field's value: the document it holds if that is JSON or XML, else its text. Where there is no room for a document, no
/// text stands in for it: nobody would find what it tells.
fn field(value: &Bytes, room: &mut Room) -> Result<Value, Undecodable> {
    if body::looks_like_json(value)
        && let Ok(text) = body::utf8(value.clone())
    {
        match body::parse_within(&text, room) {
            Ok(document) => return Ok(document),
            Err(full) if room.values == 0 => return Err(full),
            Err(_) => {}
        }
    }
    if xml::looks_like(value) {
        match xml::read_within(value, &mut room.nodes) {
            Ok(tree) => return Ok(tree),
            Err(full) if room.nodes == 0 => return Err(full),
            Err(_) => {}
        }
    }
    std::str::from_utf8(value)
        .map(Value::from)
        .map_err(|_| Undecodable::because("a text part of the multipart body is not UTF-8"))
}

/// A name that comes again makes a list.
fn put(document: &mut Map<String, Value>, name: String, value: Value) {
    match document.get_mut(&name) {
        None => {
            document.insert(name, value);
        }
        Some(Value::Array(values)) => values.push(value),
        Some(known) => *known = json!([known.take(), value]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(part: &str, parts: usize) -> Result<Document, Undecodable> {
        let part = format!("--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{part}\r\n");
        Document::read(&Original {
            body: format!("{}--B--\r\n", part.repeat(parts)).into(),
            ..Original::default()
        })
    }

    #[test]
    fn the_parts_of_one_body_share_what_it_may_hold() {
        let json = format!("{{\"l\":[0{}]}}", ",0".repeat(60_000));
        let xml = format!("<a>{}</a>", "<b/>".repeat(30_000));
        for (part, reason) in [(json, "200000 values"), (xml, "100000 elements")] {
            let tree = read(&part, 3).unwrap();
            assert_eq!(tree.value()["a"].as_array().unwrap().len(), 3);
            let error = read(&part, 4).unwrap_err();
            assert!(error.reason.contains(reason), "{error}");
        }
    }

    #[test]
    fn what_only_begins_like_a_document_is_text() {
        for text in ["[a, b", "{", "<a>", "<3 thanks"] {
            assert_eq!(read(text, 1).unwrap().value()["a"], text);
        }
    }
}
