//! An event opened as JSON, for steps that change fields by their paths, and closed again.
//!
//! The neutral fields are what the store keeps of them, so an event survives the way there and back as it survives its
//! time on disk. The vendor's document, the headers and the path are opened only for fields that lie in them; what is
//! not opened, and pictures above all, is handed on as it was, without a copy.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::field::{self, Field};
use crate::event::{Event, Original, Raw};

pub(super) struct Draft {
    before: Arc<Event>,
    sheet: Value,
    /// The parts beside the neutral fields that are open.
    opened: Vec<String>,
}

impl Draft {
    /// With those parts open that the fields lie in.
    pub(super) fn open<'a>(
        event: &Arc<Event>,
        fields: impl IntoIterator<Item = &'a Field>,
    ) -> Self {
        let mut sheet = match serde_json::to_value(&**event) {
            Ok(Value::Object(sheet)) => sheet,
            _ => Map::new(), // an event is written as a map
        };
        let mut opened = Vec::new();
        for field in fields {
            let root = field.root();
            if opened.iter().any(|known| known == root) {
                continue;
            }
            let part = match root {
                "raw" => event.raw.to_json(),
                "headers" => event.headers(),
                "path" => event.original.path.clone().into(),
                _ => continue,
            };
            sheet.insert(root.to_owned(), part);
            opened.push(root.to_owned());
        }
        Self {
            before: Arc::clone(event),
            sheet: Value::Object(sheet),
            opened,
        }
    }

    /// Takes out what the field holds, and hands each value of it to `took`.
    pub(super) fn take(&mut self, field: &Field, took: &mut impl FnMut(Value)) {
        field::take(&mut self.sheet, field.hops(), took);
    }

    /// # Errors
    /// When something is in the way.
    pub(super) fn put(&mut self, hops: &[field::Hop], value: &Value) -> Result<(), String> {
        field::put(&mut self.sheet, hops, value)
    }

    pub(super) fn each(&mut self, field: &Field, mut look: impl FnMut(&mut Value)) {
        field::each(&mut self.sheet, field.hops(), &mut look);
    }

    pub(super) fn sheet(&mut self) -> &mut Value {
        &mut self.sheet
    }

    /// The event that it has become.
    ///
    /// # Errors
    /// When no event can hold these values.
    pub(super) fn close(self) -> Result<Event, String> {
        let Self {
            before,
            sheet,
            opened,
        } = self;
        let Value::Object(mut sheet) = sheet else {
            return Err("an event is a map".to_owned());
        };
        // What is gone from an open part is gone.
        let mut part = |name: &str| {
            let value = sheet.remove(name).unwrap_or_default();
            opened.iter().any(|known| known == name).then_some(value)
        };
        let (raw, headers, path) = (part("raw"), part("headers"), part("path"));
        sheet.retain(|_, value| !value.is_null());
        let mut event: Event =
            serde_json::from_value(Value::Object(sheet)).map_err(|error| error.to_string())?;
        event.images.clone_from(&before.images);
        event.altered.clone_from(&before.altered);
        event.boxes.clone_from(&before.boxes);
        event.raw = raw.map_or_else(|| before.raw.clone(), |raw| Raw::from_value(&raw));
        event.original = Arc::clone(&before.original);
        if headers.is_some() || path.is_some() {
            let mut original = Original::clone(&before.original);
            if let Some(headers) = headers {
                original.headers = texts(&headers);
            }
            if let Some(path) = path {
                original.path = path.as_str().unwrap_or("/").to_owned();
            }
            event.original = Arc::new(original);
        }
        Ok(event)
    }
}

fn texts(headers: &Value) -> Vec<(String, String)> {
    let headers = headers.as_object().into_iter().flatten();
    headers
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::event::{Picture, PictureData, Role};

    /// Nothing in it is at its default.
    fn full() -> Arc<Event> {
        let area =
            json!({ "xmin": -1, "ymin": 2, "xmax": 3, "ymax": 4, "unit": "e4", "image": "zoom" });
        let list = json!({ "id": "7", "name": "wanted", "level": 3 });
        let words = json!([{ "value": "front", "score": 0.3 }, { "value": "rear", "score": null }]);
        let vehicle = json!({
            "type": "SUV", "score": 0.1, "box": area, "make": "Fiat", "model": "Panda", "year": "1999", "color": "red", "colors": words,
        });
        let plate = json!({
            "text": "ab1", "score": 0.1234567890123, "detection_score": 1.0, "region": "it", "region_score": 0.0, "country": "IT",
            "box": area, "candidates": [{ "text": "ab1", "score": 0.1 }, { "text": "abi", "score": null }], "direction": 210.5,
            "heading": "in", "orientation": words, "speed": 3.25, "vehicle": vehicle, "list": list, "owner": "Jane",
            "user_data": { "any": [1, 2.5, null] },
        });
        let event = json!({
            "id": "0193a5b2-7c1e-7000-8000-000000000001", "source": "gate", "vendor": "platerecognizer", "kind": "plate",
            "vendor_kind": "recognition", "vendor_id": "v-1", "occurred_at": "2025-03-04T10:11:12.131415+01:00",
            "ended_at": "2025-03-04T10:11:13+01:00", "received_at": "2025-03-04T09:11:14.000000001Z",
            "camera": {
                "id": "c", "name": "n", "channel": "1", "mac": "m", "serial": "s", "ip": "10.0.0.1", "latitude": 48.1, "longitude": -11.5,
                "address": "a", "tags": ["x", "y"],
            },
            "plates": [plate, {}],
            "faces": [{
                "person": { "id": "1", "name": "p" }, "similarity": 0.9, "attributes": { "age": 3 }, "list": list, "box": area,
            }],
            "objects": [{ "class": "car", "score": 0.5, "box": area, "track_id": "t", "velocity": 1.0, "direction": 2.0 }],
            "video": { "filename": "f", "url": "http://v/", "content_type": "video/mp4", "range": [1, 2] },
            "dwell": { "seconds": 1.5, "first_seen": "2025-03-04T10:11:12+01:00", "last_seen": "2025-03-04T10:11:13Z" },
            "status": { "name": "alarm", "active": true, "rule": "r" }, "repaired": ["a comma"], "awaits_pictures": true,
            "path": "/hook?x=1", "headers": { "x-a": "1", "x-b": "2" }, "raw": { "n": 0.30, "deep": [{ "k": null }] },
        });
        let mut event = Event::from_json(event, Timestamp::UNIX_EPOCH).unwrap();
        event.images = vec![Picture {
            role: Role::FRAME,
            item: None,
            content_type: "image/jpeg".to_owned(),
            data: PictureData::Bytes(Bytes::from_static(b"pixels")),
        }];
        let mut original = Original::clone(&event.original);
        original.body = Bytes::from_static(b"whole");
        event.original = Arc::new(original);
        Arc::new(event)
    }

    #[test]
    fn an_event_that_is_opened_and_closed_is_the_same() {
        let before = full();
        let all = ["raw.x", "headers.x", "path", "camera.id"].map(|path| Field::new(path).unwrap());
        for fields in [&all[..0], &all[..]] {
            let after = Draft::open(&before, fields).close().unwrap();
            assert_eq!(after.to_json(), before.to_json());
            assert_eq!(
                serde_json::to_value(&after).unwrap(),
                serde_json::to_value(&*before).unwrap()
            );
            assert!(after.images[0].came_with(&before), "no copy was made");
            assert_eq!(after.original.body, before.original.body);
            assert_eq!(after.original.remote, before.original.remote);
        }
        let json = before.to_json();
        let empty = json
            .as_object()
            .unwrap()
            .iter()
            .find(|(_, value)| value.is_null());
        assert!(empty.is_none(), "the event of this test lacks {empty:?}");
    }

    #[test]
    fn every_field_that_can_be_taken_out_leaves_an_event() {
        let before = full();
        let paths = [
            "camera",
            "camera.tags",
            "plates",
            "plates.text",
            "plates.box",
            "plates.candidates",
            "plates.vehicle",
            "plates.user_data.any",
            "plates.list",
            "faces.person",
            "faces.attributes",
            "objects.class",
            "video",
            "dwell.seconds",
            "status",
            "repaired",
            "raw",
            "raw.deep",
            "headers",
            "headers.x-a",
            "path",
            "vendor_id",
            "ended_at",
            "plates.vehicle.colors",
            "plates.orientation",
        ];
        for path in paths {
            let field = Field::to_take(path).unwrap();
            let mut draft = Draft::open(&before, [&field]);
            let mut taken = 0;
            draft.take(&field, &mut |_| taken += 1);
            assert!(taken > 0, "{path}");
            let after = draft.close().unwrap();
            assert_ne!(after.to_json(), before.to_json(), "{path}");
        }
    }
}
