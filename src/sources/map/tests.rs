//! Maps as users write them, and what comes of them.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::pass::EACH_MAX;
use super::*;
use crate::event::Kind;
use crate::sources::{decode, find};

fn compiled(kind: &str, yaml: &str) -> Result<Map, Vec<Mistake>> {
    let settings: MapSettings = serde_saphyr::from_str(yaml).unwrap();
    settings.compile(&Engine::new(&[]), kind)
}

fn mapped(kind: &str, yaml: &str, body: &Value) -> Result<Vec<Event>, String> {
    let map = compiled(kind, yaml).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    let settings = DecodeSettings {
        map: Some(Arc::new(map)),
        ..DecodeSettings::default()
    };
    let request = Original {
        body: Bytes::from(body.to_string()),
        headers: vec![("X-Camera".to_owned(), "North".to_owned())],
        ..Original::default()
    };
    let name = Name::new("gate").unwrap();
    let events = decode(find(kind).unwrap(), &name, &settings, &Arc::new(request));
    events.map_err(|error| error.reason)
}

fn recognition() -> Value {
    json!({ "hook": { "event": "recognition", "id": "c1" }, "data": {
        "camera_id": "c1", "timestamp": "2025-03-04T10:11:12Z", "own": "x",
        "results": [{ "plate": "ab123cd", "score": 0.9, "box": { "xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4 } }, { "plate": "zz999zz" }],
    } })
}

#[test]
fn a_list_makes_an_event_of_each_element() {
    let yaml = "{ each: '{{ body.found }}', camera: { id: '{{ body.cam }}', name: \"{{ headers['x-camera'] }}\" },
        plates: [{ text: '{{ it.plate }}', score: '{{ it.sure / 100 }}' }] }";
    let body = json!({ "cam": 7, "found": [{ "plate": "A1", "sure": 50 }, { "plate": "B2" }, {}] });
    let events = mapped("generic", yaml, &body).unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event.kind,
                event.plates.first().and_then(|it| it.text.as_deref()),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (Kind::Plate, Some("A1")),
            (Kind::Plate, Some("B2")),
            (Kind::Other, None)
        ]
    );
    assert_eq!(events[0].plates[0].score.unwrap().fraction(), 0.5);
    assert_eq!(events[2].camera.id.as_deref(), Some("7"));
    assert_eq!(events[2].camera.name.as_deref(), Some("North"));
    assert_ne!(events[0].id, events[1].id);
    assert!(events.iter().all(|event| event.repaired.is_empty()));
    assert!(
        mapped("generic", yaml, &json!({ "found": [] }))
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        mapped("generic", yaml, &json!({ "found": { "plate": "A1" } }))
            .unwrap()
            .len(),
        1
    );
    let many = json!({ "found": vec![1; EACH_MAX + 1] });
    for (body, why) in [(json!({}), "no list"), (many, "more than 1000")] {
        assert!(mapped("generic", yaml, &body).unwrap_err().contains(why));
    }
}

#[test]
fn what_is_required_and_missing_is_named_with_what_was_wrong() {
    let yaml = "{ plates: [{ text: '{{ body.plate }}', score: '{{ body.score }}' }], camera: { id: '{{ body.cam }}' },
        require: [plates, plates.score, camera.id, images.frame] }";
    let error = mapped("generic", yaml, &json!({ "plate": "A1", "score": "high" })).unwrap_err();
    assert_eq!(
        error,
        "`plates.score`, `camera.id`, `images.frame` are required by the source's `map`, and the request does not tell them; \
         `plates[0].score`: `high` is no score from 0 to 1"
    );
}

#[test]
fn a_failing_template_costs_its_own_field() {
    let yaml = "{ camera: { id: '{{ body.cam }}', name: '{{ body.list | join | int + 1 }}' }, vendor_kind: '{{ body.x.y.z }}' }";
    let events = mapped("generic", yaml, &json!({ "cam": "c", "list": ["a"] })).unwrap();
    assert_eq!(events[0].camera.id.as_deref(), Some("c"));
    assert_eq!(events[0].camera.name, None);
    assert_eq!(events[0].repaired.len(), 1);
    assert!(
        events[0].repaired[0].starts_with("`camera.name`: "),
        "{:?}",
        events[0].repaired
    );
}

#[test]
fn over_a_decoded_event_a_map_changes_only_what_it_tells() {
    let yaml = "{ camera: { name: '{{ body.data.own | upper }}' }, plates: [{ text: '{{ event.plates[0].text | upper }}' }] }";
    for kind in ["auto", "platerecognizer"] {
        let event = &mapped(kind, yaml, &recognition()).unwrap()[0];
        assert_eq!(event.vendor, "platerecognizer");
        assert_eq!(event.camera.id.as_deref(), Some("c1"));
        assert_eq!(event.camera.name.as_deref(), Some("X"));
        assert_eq!(event.plates[0].text.as_deref(), Some("AB123CD"));
        assert_eq!(event.plates[0].area.as_ref().unwrap().xmax, 3);
        assert_eq!(event.plates[1].text.as_deref(), Some("zz999zz"));
    }
    let yaml = "{ plates: '{{ event.plates[1:] }}' }";
    let events = mapped("platerecognizer", yaml, &recognition()).unwrap();
    assert_eq!(events[0].plates.len(), 1);
    assert_eq!(events[0].plates[0].text.as_deref(), Some("zz999zz"));
}

#[test]
fn a_map_stands_in_for_a_decoder_that_gives_up() {
    let yaml = "{ plates: [{ text: '{{ body.lpr.no }}' }] }";
    let events = mapped("platerecognizer", yaml, &json!({ "lpr": { "no": "A1" } })).unwrap();
    assert_eq!(
        (events[0].kind, &*events[0].vendor),
        (Kind::Plate, "platerecognizer")
    );
    assert!(events[0].repaired[0].starts_with("read by `map` alone"));
    let error = mapped("platerecognizer", yaml, &json!({ "lpr": {} })).unwrap_err();
    assert!(!error.contains("map"), "{error}");
}

#[test]
fn events_share_a_picture_that_is_told_once() {
    let png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==";
    let yaml = "{ each: '{{ body.all }}', plates: [{ text: '{{ it }}' }], images: { frame: '{{ body.png }}', plate: '{{ body.png }}', face: '{{ body.bad }}' } }";
    let events = mapped(
        "generic",
        yaml,
        &json!({ "all": ["A", "B"], "png": png, "bad": "?" }),
    )
    .unwrap();
    let frame = |n: usize| events[n].images[0].bytes().unwrap().as_ptr();
    assert_eq!(frame(0), frame(1));
    assert_eq!(events[0].images.len(), 2);
    assert_eq!(events[0].images[1].item.unwrap().to_string(), "plates/0");
    assert_eq!(
        events[1].repaired,
        ["`images.face`: `?` is neither base64 nor an address nor the name of a part"]
    );
}

#[test]
fn mistakes_are_told_where_they_stand() {
    for (yaml, place, message) in [
        ("{ kind: plat }", "kind", "`plat` is no kind of event"),
        (
            "{ plates: [{ score: high }] }",
            "plates/0/score",
            "`high` is no score from 0 to 1",
        ),
        (
            "{ plates: [{ box: { unit: inch } }] }",
            "plates/0/box/unit",
            "`inch` is no unit: `px` or `e4`",
        ),
        (
            "{ camera: { id: '{{ bdy.x }}' } }",
            "camera/id",
            "unknown name `bdy`",
        ),
        (
            "{ camera: { id: '{{ it.x }}' } }",
            "camera/id",
            "`it` is an element of `each`, which is not set here",
        ),
        (
            "{ each: detections }",
            "each",
            "`detections` is no list in the request",
        ),
        (
            "{ require: [plats] }",
            "require/0",
            "an event has no field `plats`",
        ),
        (
            "{ require: [camera.idd] }",
            "require/0",
            "`camera.idd`: there is no field `idd`",
        ),
        (
            "{ images: { 'a b': x } }",
            "images/a b",
            "`a b` is no name for a picture",
        ),
    ] {
        let Err(mistakes) = compiled("generic", yaml) else {
            panic!("{yaml}")
        };
        assert_eq!(
            (mistakes[0].path.join("/"), &*mistakes[0].message),
            (place.to_owned(), message)
        );
    }
    assert!(compiled("auto", "{ kind: '{{ event.kind }}' }").is_ok());
}
