//! The neutral event as another camhook forwards it: what `json: "{{ event }}"` writes, read back.
//!
//! What the sender's camhook knew is kept: vendor, kind, times, camera, plates, the vendor's own document. Ours are the id,
//! the source and the moment of arrival, so that nobody else's clock or numbers get into the store. Of its pictures only
//! those with an address can be had; those that come along as files of a multipart body are taken by their names.
//!
//! Events written by hand are read as well: values as leniently as a map's, and what stands beside the fields of an event
//! under [`plain`] names. An event that would lose a plate, face or object is no event, and its sender is told why.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use memchr::memmem;
use serde_json::{Value, json};

use super::document::Document;
use super::{DecodeSettings, Undecodable, map, plain};
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
    settings: &DecodeSettings,
    request: &Arc<Original>,
    by_hand: bool,
) -> Result<Option<Event>, Undecodable> {
    // Documents are many and forwarded events few: most are known by their text not to be one.
    if let Some(text) = document.json()
        && !by_hand
        && memmem::find(text, b"\"vendor_kind\"").is_none()
    {
        return Ok(None);
    }
    let tree = document.value();
    let beside = ["event", "json"].iter().filter_map(|name| tree.get(name));
    let told = std::iter::once(&*tree)
        .chain(beside)
        .find(|tree| is_written(tree) || by_hand && is_by_hand(tree));
    let Some(told) = told else {
        return Ok(None);
    };
    let zone = settings.zone();
    let mut event = event_of(told, &zone, request.received_at).map_err(|reason| {
        Undecodable::because(format!("camhook's event cannot be read: {reason}"))
    })?;
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
    if !is_written(told) {
        plain::fill(&mut event, told, &zone);
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
    Ok(Some(event))
}

/// The event as it is told; an id, source and moment of arrival are the sender's, and not ours.
fn event_of(told: &Value, zone: &TimeZone, now: Timestamp) -> Result<Event, String> {
    let mut tree = told.as_object().cloned().unwrap_or_default();
    let id = tree.shift_remove("id");
    tree.shift_remove("source");
    if let Some(arrived) = tree.shift_remove("received_at") {
        tree.entry("occurred_at").or_insert(arrived);
    }
    if let Some(id) = id.filter(|_| !is_written(told)) {
        tree.entry("vendor_id").or_insert(id);
    }
    if let Some(camera @ (Value::String(_) | Value::Number(_))) = tree.get_mut("camera") {
        *camera = json!({ "id": camera.take() });
    }
    let notes = map::mend(&mut tree, zone)?;
    let mut event = Event::from_json(Value::Object(tree), now)?;
    event.repaired.extend(notes);
    Ok(event)
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

    use super::*;
    use crate::event::{Camera, Moment, Plate};
    use crate::sources::{DecodeSettings, decode, find};

    fn decoded(kind: &str, body: &Value) -> Event {
        tried(kind, body).unwrap()
    }

    fn tried(kind: &str, body: &Value) -> Result<Event, Undecodable> {
        let request = Original {
            body: Bytes::from(body.to_string()),
            received_at: "2026-01-02T03:04:05Z".parse().unwrap(),
            ..Original::default()
        };
        let name = Name::new("other").unwrap();
        let source = find(kind).unwrap();
        let settings = DecodeSettings::default();
        decode(source, &name, &settings, &Arc::new(request)).map(|mut events| events.remove(0))
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
    fn values_by_hand_are_read_as_leniently_as_those_of_a_map() {
        let event = decoded(
            "generic",
            &json!({
                "kind": "plate", "id": 42, "camera": { "id": 7 }, "occurred_at": "2025-03-04 10:11:12",
                "plates": [{ "text": "AB123CD", "score": "0.93", "speed": "fast",
                    "box": { "xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4 }, "attributes": { "hue": "red" } }]
            }),
        );
        assert_eq!(event.kind, Kind::Plate);
        assert_eq!(event.vendor_id.as_deref(), Some("42"));
        assert_eq!(event.camera.id.as_deref(), Some("7"));
        assert_eq!(event.occurred_at.to_string(), "2025-03-04T10:11:12Z");
        let plate = &event.plates[0];
        assert_eq!(plate.text.as_deref(), Some("AB123CD"));
        assert_eq!(plate.score.unwrap().fraction(), 0.93);
        assert_eq!(plate.area.as_ref().unwrap().image, Role::FRAME);
        assert_eq!(plate.attributes["hue"], "red");
        assert_eq!(
            event.repaired,
            ["`plates[0].speed`: `fast` is no number"],
            "what does not fit is said"
        );
    }

    #[test]
    fn a_time_by_hand_that_is_none_is_said_and_the_arrival_stands_in() {
        let told = json!({ "kind": "motion", "camera": { "id": "gate" }, "occurred_at": "soon" });
        let event = decoded("generic", &told);
        assert_eq!(event.occurred_at.instant(), event.received_at);
        assert!(event.repaired[0].contains("`soon` is no time"));
        let told = json!({ "kind": "motion", "camera": { "id": "gate" }, "occurred_at": null });
        assert!(decoded("generic", &told).repaired.is_empty());
    }

    #[test]
    fn a_score_by_hand_is_never_above_one() {
        for (score, fraction) in [(json!(93), Some(0.93)), (json!(930), None)] {
            let plates = json!([{ "text": "AB1", "score": score }]);
            let event = decoded("generic", &json!({ "kind": "plate", "plates": plates }));
            let read = event.plates[0].score.map(crate::event::Score::fraction);
            assert_eq!(read, fraction);
            assert_eq!(event.repaired.len(), 1, "{:?}", event.repaired);
        }
    }

    #[test]
    fn what_stands_beside_the_fields_of_an_event_by_hand_is_taken_by_its_plain_name() {
        let event = decoded(
            "generic",
            &json!({ "kind": "plate", "plate": "AB123CD", "time": "2025-03-04T10:11:12Z", "camera": { "id": "gate" } }),
        );
        assert_eq!(event.plates[0].text.as_deref(), Some("AB123CD"));
        assert_eq!(event.occurred_at.to_string(), "2025-03-04T10:11:12Z");
        assert_eq!(event.camera.id.as_deref(), Some("gate"));
        let event = decoded(
            "generic",
            &json!({ "kind": "motion", "camera": "gate", "objects": [{ "class": "person" }], "plate": "no" }),
        );
        assert_eq!(
            (event.kind, event.objects.len(), event.plates.len()),
            (Kind::Motion, 1, 0)
        );
        assert_eq!(event.camera.id.as_deref(), Some("gate"));
    }

    #[test]
    fn an_event_that_would_lose_a_plate_is_refused_with_the_reason() {
        let whole = sent().to_json();
        for (field, plates, reason) in [
            (
                "plates",
                json!([{ "plate": "AB1" }]),
                "`plates[0]` has none",
            ),
            (
                "plates",
                json!([{}, { "text": ["AB1"] }]),
                "`plates[1].text` is no text",
            ),
            ("plates", json!(["AB1"]), "`plates[0]`: `AB1` is no map"),
            ("attributes", json!("many"), "invalid type"),
        ] {
            let mut told = whole.clone();
            told[field] = plates;
            for kind in ["auto", "generic"] {
                let error = tried(kind, &told).unwrap_err();
                assert!(error.reason.contains(reason), "{error}");
            }
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
