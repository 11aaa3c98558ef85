//! The neutral event as another camhook forwards it: what `json: "{{ event }}"` writes, read back.
//!
//! What the sender's camhook knew is kept: vendor, kind, times, camera, plates, the vendor's own document. Ours are the id,
//! the source and the moment of arrival, so that nobody else's clock or numbers get into the store. Of its pictures only
//! those with an address can be had; those that come along as files of a multipart body are taken by their names.

use std::sync::Arc;

use memchr::memmem;
use serde_json::Value;

use super::document::Document;
use crate::event::{Event, EventId, Item, Kind, Original, PictureData, Role};
use crate::name::Name;

/// Fields that every event of camhook has, told or not, and that no vendor's document has all of.
const ALWAYS: [&str; 10] = [
    "id",
    "source",
    "vendor",
    "kind",
    "vendor_kind",
    "occurred_at",
    "received_at",
    "camera",
    "plates",
    "repaired",
];

/// The event that the document is; none if it is another document. `by_hand`: also one that tells nothing but a kind and
/// what goes with it.
pub(super) fn read(
    document: &Document,
    source: &Name,
    request: &Arc<Original>,
    by_hand: bool,
) -> Option<Event> {
    // Documents are many and forwarded events few: most are known by their text not to be one.
    if let Some(text) = document.json()
        && !by_hand
        && memmem::find(text, b"\"vendor_kind\"").is_none()
    {
        return None;
    }
    let tree = document.value();
    let beside = ["event", "json"].iter().filter_map(|name| tree.get(name));
    let told = std::iter::once(&tree)
        .chain(beside)
        .find(|tree| is_written(tree) || by_hand && is_by_hand(tree))?;
    let mut event = Event::from_json(told.clone(), request.received_at).ok()?;
    event.id = EventId::at(request.received_at);
    event.source = source.clone();
    event.received_at = request.received_at;
    event.original = Arc::clone(request);
    if let Some(video) = &mut event.video {
        video.range = None; // it counted in another request
    }
    event
        .images
        .retain(|image| matches!(image.data, PictureData::Url(_)));
    if event.raw.text().is_empty() {
        event.raw = crate::event::Raw::from_value(told);
    }
    let only_plate = (event.plates.len() == 1).then_some(Item::Plate(0));
    for picture in &document.pictures {
        let mut picture = picture.clone();
        if picture.role == Role::PLATE {
            picture.item = only_plate;
        }
        event.images.push(picture);
    }
    if document.clip.is_some() {
        event.video.clone_from(&document.clip);
    }
    Some(event)
}

fn is_written(tree: &Value) -> bool {
    ALWAYS.iter().all(|name| tree.get(name).is_some())
}

/// One of our kinds, and a list that such an event has.
fn is_by_hand(tree: &Value) -> bool {
    let kind = tree.get("kind").and_then(Value::as_str);
    let lists = |name: &&str| {
        tree.get(*name)
            .and_then(Value::as_array)
            .is_some_and(|items| items.iter().all(Value::is_object))
    };
    kind.is_some_and(|kind| Kind::ALL.iter().any(|known| known.as_str() == kind))
        && (["plates", "faces", "objects"].iter().any(lists)
            || tree.get("camera").is_some_and(Value::is_object))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::event::{Camera, Moment, Plate};
    use crate::sources::{DecodeSettings, decode, find};

    fn decoded(kind: &str, body: &Value) -> Event {
        let request = Original {
            body: Bytes::from(body.to_string()),
            received_at: "2026-01-02T03:04:05Z".parse().unwrap(),
            ..Original::default()
        };
        let name = Name::new("other").unwrap();
        let source = find(kind).unwrap();
        let settings = DecodeSettings::default();
        decode(source, &name, &settings, &Arc::new(request))
            .unwrap()
            .remove(0)
    }

    fn sent() -> Event {
        let mut event = Event::new(
            Name::new("gate").unwrap(),
            "acme",
            Kind::Plate,
            Arc::new(Original::default()),
        );
        event.vendor_kind = Some("anpr".to_owned());
        event.occurred_at = Moment::utc("2026-01-01T00:00:00Z".parse().unwrap());
        event.camera = Camera {
            id: Some("c1".to_owned()),
            ..Camera::default()
        };
        event.plates = vec![Plate {
            text: Some("AB123CD".to_owned()),
            speed: Some(3.5),
            ..Plate::default()
        }];
        event.raw = crate::event::Raw::from_value(&json!({ "own": [1] }));
        event
    }

    #[test]
    fn a_forwarded_event_is_the_same_but_for_what_is_ours() {
        let sent = sent();
        for kind in ["auto", "generic"] {
            let got = decoded(kind, &sent.to_json());
            let (mut sent, mut got) = (sent.to_json(), got.to_json());
            assert_eq!(got["source"], "other");
            assert_eq!(got["received_at"], "2026-01-02T03:04:05Z");
            assert_ne!(got["id"], sent["id"]);
            for ours in ["id", "source", "received_at", "path", "headers"] {
                sent[ours].take();
                got[ours].take();
            }
            assert_eq!(got, sent, "{kind}");
        }
    }

    #[test]
    fn an_event_by_hand_is_known_where_the_source_says_generic() {
        let told =
            json!({ "kind": "plate", "camera": { "id": "gate" }, "plates": [{ "text": "AB1" }] });
        assert_eq!(
            decoded("generic", &told).plates[0].text.as_deref(),
            Some("AB1")
        );
        let unknown = decoded("auto", &told);
        assert_eq!((unknown.kind, unknown.plates.len()), (Kind::Other, 0));
    }
}
