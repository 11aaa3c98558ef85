//! What a template comes to: the engine's values as text, JSON and pictures.

use std::borrow::Cow;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};
use serde_json::Value as Json;

use super::RenderError;
use super::scope::{PictureList, PictureView};
use super::view::View;
use crate::event::Picture;

/// Vendors' documents are at most 128 deep; what a template builds around them may be somewhat deeper.
const DEPTH_MAX: usize = 256;

/// What a template came to: a text, or the value of its single expression.
#[derive(Debug, Clone)]
pub(crate) enum Output {
    Json(Json),
    Picture(Picture),
    /// `images.list`, or a list of chosen pictures.
    Pictures(Vec<Picture>),
}

impl Output {
    pub(super) fn of(value: &Value) -> Result<Self, RenderError> {
        if let Some(view) = value.downcast_object_ref::<PictureView>() {
            return Ok(Self::Picture(view.0.clone()));
        }
        let no_pictures = value.downcast_object_ref::<PictureList>().is_some();
        if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
            && let Ok(items) = value.try_iter()
        {
            let pictures: Option<Vec<Picture>> = items
                .map(|item| Some(item.downcast_object_ref::<PictureView>()?.0.clone()))
                .collect();
            if let Some(pictures) = pictures
                && (no_pictures || !pictures.is_empty())
            {
                return Ok(Self::Pictures(pictures));
            }
        }
        json(value).map(Self::Json).map_err(RenderError::from)
    }
}

impl From<Error> for RenderError {
    fn from(error: Error) -> Self {
        let what = match error.kind() {
            ErrorKind::OutOfFuel => "the template does too much work for one event".to_owned(),
            _ => error
                .detail()
                .map_or_else(|| error.kind().to_string(), str::to_owned),
        };
        Self(what)
    }
}

/// As it stands in a text: null is nothing, a text itself, all else its JSON; a picture is an error.
pub(super) fn text(value: &Value) -> Result<Cow<'_, str>, Error> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(Cow::Borrowed("")),
        ValueKind::String => Ok(Cow::Borrowed(value.as_str().unwrap_or_default())),
        ValueKind::Bytes => Ok(String::from_utf8_lossy(
            value.as_bytes().unwrap_or_default(),
        )),
        _ => json(value).map(|json| Cow::Owned(json.to_string())),
    }
}

pub(super) fn json(value: &Value) -> Result<Json, Error> {
    within(value, DEPTH_MAX)
}

fn within(value: &Value, depth: usize) -> Result<Json, Error> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "a value is nested too deep",
        ));
    };
    Ok(match value.kind() {
        ValueKind::Undefined | ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::Number => number(value),
        ValueKind::String => Json::from(value.as_str().unwrap_or_default()),
        ValueKind::Bytes => String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into(),
        ValueKind::Seq | ValueKind::Iterable => value
            .try_iter()?
            .map(|item| within(&item, depth))
            .collect::<Result<Json, Error>>()?,
        ValueKind::Map => {
            if value.downcast_object_ref::<PictureView>().is_some() {
                return Err(Error::new(
                    ErrorKind::InvalidOperation,
                    "a picture cannot stand in a text: use `| base64`",
                ));
            }
            if let Some(event) = value.downcast_object_ref::<View>().and_then(View::whole) {
                return Ok(event.to_json());
            }
            let mut map = serde_json::Map::new();
            for key in value.try_iter()? {
                let item = within(&value.get_item(&key)?, depth)?;
                map.insert(text(&key)?.into_owned(), item);
            }
            Json::Object(map)
        }
        kind => {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                format!("a {kind} cannot be written"),
            ));
        }
    })
}

fn number(value: &Value) -> Json {
    if value.is_integer() {
        if let Ok(n) = i64::try_from(value.clone()) {
            return n.into();
        }
        if let Ok(n) = u64::try_from(value.clone()) {
            return n.into();
        }
    }
    f64::try_from(value.clone()).map_or(Json::Null, Json::from)
}

pub(super) fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(n), _) => Value::from(n),
            (_, Some(n)) => Value::from(n),
            _ => n.as_f64().into(),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(from_json).collect(),
        Json::Object(map) => Value::from_pairs(
            map.iter()
                .map(|(key, value)| (key.as_str(), from_json(value))),
        ),
    }
}
