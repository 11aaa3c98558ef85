//! Requests of no known vendor: anything well-formed is kept as one event whose document is under `raw`.
//!
//! Such an event has kind `other` and the moment of arrival as its time, since nobody knows which field would tell more.
//! A form, and the text parts of a multipart body, become an object under `raw`; XML, also in a field or part, becomes a
//! tree as told in [`xml`].

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value, json};

use super::body::{self, Body};
use super::json::Json;
use super::media::{clip, is_clip, picture, role_named};
use super::multipart::Part;
use super::{DecodeSettings, Source, Undecodable, xml};
use crate::event::{Event, Kind, Original, Raw, Role, sniff};
use crate::name::Name;

pub(super) struct Generic;

impl Source for Generic {
    fn kind(&self) -> &'static str {
        "generic"
    }

    fn recognises(&self, request: &Original) -> bool {
        Body::read(request).is_ok()
    }

    fn decode(
        &self,
        source: &Name,
        _: &DecodeSettings,
        request: &Arc<Original>,
    ) -> Result<Vec<Event>, Undecodable> {
        let mut event = Event::new(source.clone(), "generic", Kind::Other, Arc::clone(request));
        match Body::read(request)? {
            Body::Json(text) => {
                body::parse::<Json>(&text)?;
                event.raw = Raw::from_text(text);
            }
            Body::Form(fields) => {
                let mut document = Map::new();
                for (name, value) in fields {
                    put(&mut document, name, field(&value)?);
                }
                event.raw = Raw::from_value(&Value::Object(document));
            }
            Body::Xml(text) => {
                event.raw = Raw::from_value(&xml::read(&text)?);
            }
            Body::Picture(bytes) => event.images.push(picture(bytes, None, Role::FRAME, None)),
            Body::Multipart(parts) => take_parts(&mut event, parts)?,
        }
        Ok(vec![event])
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::PUT, Method::PATCH]
    }
}

fn take_parts(event: &mut Event, parts: Vec<Part>) -> Result<(), Undecodable> {
    if parts.is_empty() {
        return Err(Undecodable::because("the multipart body has no parts"));
    }
    let mut document = Map::new();
    for part in parts {
        if sniff(&part.data).is_some() {
            let role = role_of(&part.name, event);
            event
                .images
                .push(picture(part.data, part.content_type.as_deref(), role, None));
        } else if is_clip(&part) {
            event.video = Some(clip(&part));
        } else if part.filename.is_none()
            || body::looks_like_json(&part.data)
            || xml::looks_like(&part.data)
        {
            put(&mut document, part.name, field(&part.data)?);
        } else {
            let size = part.data.len();
            let told = json!({ "filename": part.filename, "content_type": part.content_type, "size": size });
            put(&mut document, part.name, told);
        }
    }
    event.raw = Raw::from_value(&Value::Object(document));
    Ok(())
}

/// By the part's name if that is a role; else the first such picture is taken for the whole one.
fn role_of(name: &str, event: &Event) -> Role {
    let role = role_named(name);
    let is_known = [
        Role::FRAME,
        Role::VEHICLE,
        Role::PLATE,
        Role::FACE,
        Role::THUMBNAIL,
    ]
    .contains(&role);
    if is_known || event.images.iter().any(|image| image.role == Role::FRAME) {
        role
    } else {
        Role::FRAME
    }
}

/// A field's value: the document it holds if that is JSON or XML, else its text.
fn field(value: &Bytes) -> Result<Value, Undecodable> {
    if body::looks_like_json(value)
        && let Ok(text) = body::utf8(value.clone())
        && let Ok(document) = body::parse(&text)
    {
        return Ok(document);
    }
    if xml::looks_like(value)
        && let Ok(tree) = xml::read(value)
    {
        return Ok(tree);
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
