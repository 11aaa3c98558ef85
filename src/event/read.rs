//! Reads an event back from the JSON that others see, for `explain`: from a file, or from a running camhook.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Event, EventId, Original, Picture, PictureData, Raw, Role};

impl Event {
    /// What a hand-written event leaves out is filled in: `id`, `source`, `vendor`, `kind`, times. Pictures come without
    /// their bytes; the caller may put them in.
    ///
    /// # Errors
    /// When a field has the wrong type, in words.
    pub(crate) fn from_json(json: Value, now: Timestamp) -> Result<Self, String> {
        let Value::Object(mut json) = json else {
            return Err("an event is a JSON object".to_owned());
        };
        let (path, headers) = (json.remove("path"), json.remove("headers"));
        let (raw, images) = (json.remove("raw"), json.remove("images"));
        json.remove("routes"); // the API tells beside the event what became of it
        for (name, usual) in [
            ("id", json!(EventId::at(now))),
            ("source", json!("auto")),
            ("vendor", json!("generic")),
            ("kind", json!("other")),
            ("received_at", json!(now)),
        ] {
            json.entry(name).or_insert(usual);
        }
        let received = json["received_at"].clone();
        json.entry("occurred_at").or_insert(received);
        json.retain(|_, value| !value.is_null());
        let mut event: Self =
            serde_json::from_value(Value::Object(json)).map_err(|error| error.to_string())?;
        event.raw = raw.map_or_else(Raw::default, |raw| Raw::from_value(&raw));
        event.images = pictures(images)?;
        event.original = Arc::new(Original {
            path: path
                .as_ref()
                .and_then(Value::as_str)
                .unwrap_or("/")
                .to_owned(),
            headers: texts(headers),
            received_at: event.received_at,
            ..Original::default()
        });
        Ok(event)
    }
}

fn pictures(images: Option<Value>) -> Result<Vec<Picture>, String> {
    let Some(Value::Array(images)) = images else {
        return Ok(Vec::new());
    };
    let picture = |image: Value| {
        let text = |name: &str| image[name].as_str().map(str::to_owned);
        let item = match text("item") {
            Some(item) => Some(item.try_into()?),
            None => None,
        };
        Ok(Picture {
            role: Role::named(&text("role").unwrap_or_else(|| "frame".to_owned())),
            item,
            content_type: text("content_type").unwrap_or_else(|| "image/jpeg".to_owned()),
            data: text("url").map_or(PictureData::Bytes(Bytes::new()), PictureData::Url),
        })
    };
    images.into_iter().map(picture).collect()
}

fn texts(headers: Option<Value>) -> Vec<(String, String)> {
    let headers = match headers {
        Some(Value::Object(headers)) => headers,
        _ => Map::new(),
    };
    headers
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_wrote() {
        let json = json!({
            "id": "01936b2c-0000-7000-8000-000000000000", "source": "gate", "vendor": "x", "kind": "plate",
            "occurred_at": "2026-01-31T13:00:00+01:00", "received_at": "2026-01-31T12:00:01Z",
            "plates": [{ "text": "AB1", "score": 0.5, "box": { "xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4, "unit": "px", "image": "frame" } }],
            "images": [{ "role": "plate", "item": "plates/0", "content_type": "image/png", "url": "http://x/" }],
            "headers": { "x-a": "1" }, "path": "/p", "raw": { "a": [1] }, "vendor_id": null,
        });
        let event = Event::from_json(json.clone(), Timestamp::UNIX_EPOCH).unwrap();
        let written = event.to_json();
        for field in [
            "id",
            "source",
            "kind",
            "occurred_at",
            "received_at",
            "images",
            "headers",
            "path",
            "raw",
        ] {
            assert_eq!(written[field], json[field], "{field}");
        }
        assert_eq!(written["plates"][0]["box"], json["plates"][0]["box"]);
    }

    #[test]
    fn fills_in_what_a_hand_written_event_leaves_out() {
        let event = Event::from_json(
            json!({ "plates": [{ "text": "AB1" }] }),
            Timestamp::UNIX_EPOCH,
        )
        .unwrap();
        assert_eq!(event.plates[0].text.as_deref(), Some("AB1"));
        assert!(Event::from_json(json!({ "plates": 7 }), Timestamp::UNIX_EPOCH).is_err());
        assert!(Event::from_json(json!([]), Timestamp::UNIX_EPOCH).is_err());
    }
}
