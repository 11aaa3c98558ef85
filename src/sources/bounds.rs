//! How much one event may hold.

use crate::event::{Event, Item};

/// Plates, faces, objects or pictures of one event; more is no camera's, and each may become a delivery of its own.
pub(super) const ITEMS_MAX: usize = 1_000;

/// What a source needs to read of a list, so that [`keep`] sees that there is more.
pub(super) const ITEMS_READ: usize = ITEMS_MAX + 1;

/// Leaves out what is too much; the event says so, and its request has it.
pub(super) fn keep(event: &mut Event) {
    let cut = [
        cut(&mut event.plates, "plates"),
        cut(&mut event.faces, "faces"),
        cut(&mut event.objects, "objects"),
        cut(&mut event.images, "pictures"),
    ];
    let cut: Vec<&str> = cut.into_iter().flatten().collect();
    if cut.is_empty() {
        return;
    }
    event.images.retain(|image| match image.item {
        Some(Item::Plate(n) | Item::Face(n) | Item::Object(n)) => n < ITEMS_MAX,
        None => true,
    });
    event.repaired.push(format!(
        "only the first {ITEMS_MAX} {} were read; the others are in the original request",
        cut.join(" and ")
    ));
}

fn cut<T>(items: &mut Vec<T>, name: &'static str) -> Option<&'static str> {
    let is_much = items.len() > ITEMS_MAX;
    items.truncate(ITEMS_MAX);
    is_much.then_some(name)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::event::{Kind, Original, Picture, PictureData, Plate, Role};
    use crate::name::Name;
    use crate::sources::{DecodeSettings, decode, find};

    fn decoded(kind: &str, body: String) -> Event {
        let request = Original {
            body: body.into(),
            ..Original::default()
        };
        let name = Name::new("gate").unwrap();
        let settings = DecodeSettings::default();
        let source = find(kind).unwrap();
        let events = decode(source, &name, &settings, &Arc::new(request)).unwrap();
        let [event] = <[Event; 1]>::try_from(events).unwrap();
        event
    }

    fn many(entry: Value) -> Value {
        vec![entry; ITEMS_MAX + 10].into()
    }

    #[test]
    fn no_source_makes_more_of_a_list_than_an_event_may_hold() {
        let plates =
            json!({ "hook": { "event": "image.done" }, "data": { "results": many(json!({})) } });
        let review = json!({ "type": "new", "before": { "id": "1", "camera": "a", "severity": "alert", "start_time": 1 },
            "after": { "id": "1", "camera": "a", "severity": "alert", "start_time": 1, "data": { "objects": many(json!("car")) } } });
        let by_hand = json!({ "kind": "face", "faces": many(json!({})) });
        let tracks = format!(
            "<config><mac>00:00:5E:00:53:21</mac><traject>{}</traject></config>",
            "<item><targetId>1</targetId></item>".repeat(ITEMS_MAX + 10)
        );
        for (kind, body) in [
            ("platerecognizer", plates.to_string()),
            ("frigate", review.to_string()),
            ("generic", by_hand.to_string()),
            ("viewtron", tracks),
        ] {
            let event = decoded(kind, body);
            let items = [event.plates.len(), event.faces.len(), event.objects.len()];
            assert_eq!(items.into_iter().max(), Some(ITEMS_MAX), "{kind}");
            let note = event.repaired.last().unwrap();
            assert!(note.starts_with("only the first 1000 "), "{kind}: {note}");
        }
    }

    #[test]
    fn pictures_of_what_was_left_out_go_with_it() {
        let name = Name::new("gate").unwrap();
        let mut event = Event::new(name, "x", Kind::Plate, Arc::new(Original::default()));
        event.plates.resize_with(ITEMS_MAX + 1, Plate::default);
        for item in [None, Some(Item::Plate(0)), Some(Item::Plate(ITEMS_MAX))] {
            let url = PictureData::Url("http://192.0.2.1/".to_owned());
            event.images.push(Picture {
                role: Role::PLATE,
                item,
                content_type: "image/jpeg".to_owned(),
                data: url,
            });
        }
        keep(&mut event);
        let items: Vec<_> = event.images.iter().map(|image| image.item).collect();
        assert_eq!(items, [None, Some(Item::Plate(0))]);
        assert_eq!(
            event.repaired,
            ["only the first 1000 plates were read; the others are in the original request"]
        );
        keep(&mut event);
        assert_eq!(event.repaired.len(), 1, "it is said once");
    }
}
