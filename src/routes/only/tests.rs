//! Words over events: what they let pass, and what they say.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::event::Event;
use crate::lists::{List, Lists};
use crate::routes::{self, Route};
use crate::template::Engine;

fn event() -> Value {
    json!({
        "kind": "plate", "vendor": "platerecognizer", "occurred_at": "2026-11-20T21:10:00+01:00",
        "camera": { "id": "gate-1", "name": "North gate", "tags": ["gate", "in"] },
        "plates": [
            {
                "text": "AB-123 CD", "score": 0.71, "region": "us-ca", "country": "US", "direction": 182.0, "speed": 30.0,
                "box": { "xmin": 1000, "ymin": 2000, "xmax": 3000, "ymax": 4000, "unit": "e4", "image": "frame" },
                "orientation": [{ "value": "Front", "score": 0.9 }, { "value": "Rear", "score": 0.1 }],
                "vehicle": { "type": "Sedan", "make": "Fiat", "color": "white", "colors": [{ "value": "white", "score": 0.6 }] },
            },
            { "text": "XY99", "score": 0.95, "region": "it", "direction": 350.0, "vehicle": { "type": "SUV" } },
        ],
        "faces": [{ "similarity": 0.8, "person": { "id": "7", "name": "Ann" }, "attributes": { "age": 40, "hat": "none" } }],
        "objects": [{ "class": "dog", "score": 0.5, "direction": 10.0 }],
    })
}

fn route(yaml: &str) -> Result<Route, String> {
    let settings: routes::Settings =
        serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
    let engine = Engine::new(&["residents".to_owned(), "banned".to_owned()]);
    settings.build(&engine).map_err(|mistake| {
        let help = mistake.help.unwrap_or_default();
        format!("{}: {}: {help}", mistake.path.join("."), mistake.message)
    })
}

/// Who said no; the items that passed otherwise.
fn asked(words: &str, more: &str) -> Result<Vec<String>, String> {
    let yaml = format!("{{ name: r, only: {words}{more}, to: [t] }}");
    let route = route(&yaml).unwrap_or_else(|error| panic!("{words}: {error}"));
    let event = Arc::new(Event::from_json(event(), Timestamp::UNIX_EPOCH).unwrap());
    let list = |plate: &str| List::from_csv(&format!("plate\n{plate}\n"), "plate").unwrap();
    let lists = Lists::new([
        ("residents".to_owned(), list("ab123cd")),
        ("banned".to_owned(), list("XY99")),
    ]);
    let mut plan = routes::plan(&[route], &event, &lists, Timestamp::UNIX_EPOCH, None);
    match plan.routes.remove(0).filtered_by {
        Some(why) => Err(why),
        None => Ok(plan
            .deliveries
            .iter()
            .map(|planned| {
                planned
                    .item
                    .map_or_else(String::new, |item| item.to_string())
            })
            .collect()),
    }
}

#[test]
fn words_hold_or_tell_the_word_and_the_value_seen() {
    for (words, why) in [
        ("{}", ""),
        ("{ kind: plate }", ""),
        (
            "{ kind: [face, motion] }",
            "only.kind: plate is none of face, motion",
        ),
        ("{ kind: [] }", "only.kind: plate is none of an empty list"),
        ("{ about: face }", ""),
        (
            "{ about: [bare_plate, body] }",
            "only.about: it shows face, vehicle, not bare_plate, body",
        ),
        ("{ vendor: plate* }", ""),
        (
            "{ vendor_kind: x }",
            "only.vendor_kind: the event does not tell it",
        ),
        ("{ vendor_kind: { is: [x], unknown: pass } }", ""),
        ("{ camera: [gate-1, 'yard-*'] }", ""),
        ("{ camera: 'north*' }", ""),
        (
            "{ camera: { is: [12], not: [13.5, true] } }",
            "only.camera: gate-1 is none of 12",
        ),
        (
            "{ camera: [gate-2, 'yard-*'] }",
            "only.camera: gate-1 is none of gate-2, yard-*",
        ),
        (
            "{ camera: { not: ['gate-*'] } }",
            "only.camera: gate-1 is not wanted",
        ),
        ("{ camera: { is: ['gate-*'], not: [gate-9] } }", ""),
        ("{ tag: [in, out] }", ""),
        ("{ tag: { not: [gate] } }", "only.tag: gate is not wanted"),
        ("{ tag: [] }", "only.tag: gate is none of an empty list"),
        ("{ shot: overall }", "only.shot: the event does not tell it"),
        ("{ time: 'mon-fri 18:00-06:00' }", ""),
        ("{ time: [weekend, 'fri 20:00-22:00'] }", ""),
        (
            "{ time: { days: [mon, fri], from: '20:00', to: '20:30', zone: UTC } }",
            "",
        ),
        (
            "{ time: { from: '22:00', to: '06:00' } }",
            "only.time: Fri 21:10 is not within mon-sun 22:00-06:00",
        ),
        (
            "{ attributes: { x: z } }",
            "only.attributes.x: the event does not tell it",
        ),
        // Plates: one of them must satisfy all words about plates.
        ("{ plate: 'ab12?cd' }", ""),
        ("{ plate: ['A*', 'B*'] }", ""),
        (
            "{ plate: { like: 'AB*', score: '>= 0.8' } }",
            "only.plate.score: 0.71 is below 0.8",
        ),
        ("{ plate: { score: '>= 0.8' }, region: it }", ""),
        (
            "{ plate: { score: '>= 0.8' }, region: us }",
            "only.plate.score: 0.71 is below 0.8",
        ),
        ("{ plate: { similar: A8I23CD } }", ""),
        (
            "{ plate: { similar: { to: [A8I23CD], edits: 1, confusions: false } } }",
            "only.plate.similar: AB-123 CD is more than 1 letter away from A8I23CD",
        ),
        (
            "{ plate: { similar: { to: [AB12CD, QQ], edits: 1, confusions: false } } }",
            "",
        ),
        (
            "{ plate: { similar: [] } }",
            "only.plate.similar: AB-123 CD is more than 1 letter away from the plates of an empty list",
        ),
        (
            "{ plate: { detection_score: '> 0' } }",
            "only.plate.detection_score: the event does not tell it",
        ),
        ("{ region: [us-ca, de] }", ""),
        ("{ region: us }", ""),
        (
            "{ region: [us-c, fr] }",
            "only.region: us-ca is none of us-c, fr",
        ),
        ("{ direction: { from: 90, to: 200 } }", ""),
        ("{ direction: { from: 315, to: 45 } }", ""),
        (
            "{ direction: { from: 200, to: 300 } }",
            "only.direction: 182° is not within 200°–300°",
        ),
        (
            "{ direction: { from: 315, to: 45 }, list: { in: residents } }",
            "only.direction: 182° is not within 315°–45°",
        ),
        ("{ orientation: { is: [front], score: '>= 0.9' } }", ""),
        (
            "{ orientation: rear }",
            "only.orientation: Front is none of rear",
        ),
        (
            "{ orientation: { is: [front], score: '> 0.9' } }",
            "only.orientation: Front, but its score: 0.9 is not above 0.9",
        ),
        ("{ speed: { max: 50 } }", ""),
        ("{ speed: '> 30' }", "only.speed: 30 is not above 30"),
        (
            "{ heading: up }",
            "only.heading: the event does not tell it",
        ),
        (
            "{ vehicle: { type: [sedan, suv], make: fiat, color: white } }",
            "",
        ),
        (
            "{ vehicle: { type: suv, make: fiat } }",
            "only.vehicle.make: the event does not tell it",
        ),
        (
            "{ vehicle: { color: { is: [white], score: '> 0.6' } } }",
            "only.vehicle.color: white, but its score: 0.6 is not above 0.6",
        ),
        (
            "{ vehicle: { special: police } }",
            "only.vehicle.special: the event does not tell it",
        ),
        ("{ list: { in: [banned, residents] } }", ""),
        (
            "{ list: { not_in: banned }, vehicle: { type: suv } }",
            "only.vehicle.type: Sedan is none of suv",
        ),
        (
            "{ list: { in: residents }, region: it }",
            "only.list: XY99 is not in residents",
        ),
        (
            "{ list: { not_in: banned }, region: it }",
            "only.list: XY99 is in banned",
        ),
        // Faces and objects.
        (
            "{ face: { matched: true, similarity: '>= 0.8', person: [ann], age: '> 39', attributes: { hat: none, age: { max: 40 } } } }",
            "",
        ),
        (
            "{ face: { matched: false } }",
            "only.face.matched: the sender knows who or whose it is",
        ),
        (
            "{ face: { yaw: '> 0' } }",
            "only.face.yaw: the event does not tell it",
        ),
        (
            "{ face: { attributes: { hat: cap } } }",
            "only.face.attributes.hat: none is none of cap",
        ),
        ("{ object: { class: [dog, cat], score: { min: 0.5 } } }", ""),
        (
            "{ object: { class: cat } }",
            "only.object.class: dog is none of cat",
        ),
        // Words about several kinds join the kind that others name.
        ("{ direction: { from: 0, to: 20 } }", ""),
        (
            "{ direction: { from: 0, to: 20 }, object: { class: dog } }",
            "",
        ),
        (
            "{ direction: { from: 0, to: 20 }, region: it }",
            "only.direction: 350° is not within 0°–20°",
        ),
        ("{ matched: true, similarity: '> 0.7', card: 7 }", ""),
        (
            "{ matched: true, region: it }",
            "only.matched: the sender does not know who or whose it is",
        ),
        (
            "{ zone: { corners: [[0, 0], [10000, 0], [10000, 10000], [0, 10000]] } }",
            "",
        ),
        (
            "{ zone: { corners: [[0, 0], [2000, 0], [2000, 3000], [0, 3000]], point: foot } }",
            "only.zone: foot 2000, 4000 is outside",
        ),
        (
            "{ zone: { cameras: { 'yard-*': [[0, 0], [1, 0], [0, 1]] } } }",
            "only.zone: this camera has no area here",
        ),
        (
            "{ zone: { cameras: { 'gate-*': [[0, 0], [9999, 0], [0, 9999]] }, outside: true } }",
            "only.zone: centre 2000, 3000 is inside",
        ),
        (
            "{ zone: { corners: [[0, 0], [9, 0], [0, 9]], unit: px } }",
            "only.zone: the size of the frame is not known, or the box counts in another picture",
        ),
        (
            "{ zone: { corners: [[0, 0], [9, 0], [0, 9]], unit: px, unknown: pass } }",
            "",
        ),
    ] {
        match asked(words, "") {
            Ok(_) => assert_eq!("", why, "{words}"),
            Err(said) => assert_eq!(said, why, "{words}"),
        }
    }
}

#[test]
fn with_each_words_are_about_the_item_at_hand() {
    for (words, more, passed) in [
        ("{ region: it }", ", each: plate", Ok(vec!["plates/1"])),
        (
            "{ region: [it, us] }",
            ", each: plate",
            Ok(vec!["plates/0", "plates/1"]),
        ),
        // A face that knows somebody lets all plates pass.
        (
            "{ face: { matched: true } }",
            ", each: plate",
            Ok(vec!["plates/0", "plates/1"]),
        ),
        (
            "{ face: { matched: false } }",
            ", each: plate",
            Err("only.face.matched: the sender knows who or whose it is"),
        ),
        (
            "{ plate: { score: '>= 0.8' } }",
            ", each: face",
            Ok(vec!["faces/0"]),
        ),
        (
            "{ direction: { from: 0, to: 20 } }",
            ", each: object",
            Ok(vec!["objects/0"]),
        ),
        // The one that came furthest is told of.
        (
            "{ region: it, plate: { score: '> 0.99' } }",
            ", each: plate",
            Err("plates/1: only.plate.score: 0.95 is not above 0.99"),
        ),
        (
            "{ region: us }",
            ", each: plate, when: plate.score > 0.8",
            Err("plates/0: plate.score > 0.8 (plate.score is 0.71)"),
        ),
        (
            "{ region: us }",
            ", each: plate, when: plate.score > 0.7",
            Ok(vec!["plates/0"]),
        ),
    ] {
        let said = asked(words, more);
        let said = said
            .as_ref()
            .map(|items| items.iter().map(String::as_str).collect());
        assert_eq!(said.map_err(String::as_str), passed, "{words}{more}");
    }
}

#[test]
fn a_kind_of_item_that_the_event_has_not_fits_no_word() {
    let route = route("{ name: r, only: { face: { yaw: { unknown: pass } } }, to: [t] }").unwrap();
    let event = Event::from_json(json!({ "kind": "motion" }), Timestamp::UNIX_EPOCH).unwrap();
    let now = Timestamp::UNIX_EPOCH;
    let plan = routes::plan(&[route], &Arc::new(event), &Lists::default(), now, None);
    let said = plan.routes[0].filtered_by.as_deref();
    assert_eq!(said, Some("only.face.yaw: no face in the event"));
}

#[test]
fn a_list_that_was_not_fetched_yet_lets_nothing_pass() {
    for words in [
        "{ in: [residents, banned] }",
        "{ not_in: banned, unknown: pass }",
    ] {
        let route = route(&format!(
            "{{ name: r, only: {{ list: {words} }}, to: [t] }}"
        ))
        .unwrap();
        let event = Event::from_json(event(), Timestamp::UNIX_EPOCH).unwrap();
        let lists = Lists::new([
            (
                "residents".to_owned(),
                List::from_csv("plate\nQQ1\n", "plate").unwrap(),
            ),
            ("banned".to_owned(), List::awaited("http")),
        ]);
        let now = Timestamp::UNIX_EPOCH;
        let plan = routes::plan(&[route], &Arc::new(event), &lists, now, None);
        let said = plan.routes[0].filtered_by.as_deref();
        assert_eq!(
            said,
            Some("only.list: banned was not fetched yet"),
            "{words}"
        );
    }
}

#[test]
fn what_can_never_fit_is_refused_when_it_is_read() {
    for (words, message) in [
        ("{ camra: x }", "camra"),
        ("{ kind: plates }", "plates"),
        ("{ camera: '' }", "no letters to look for"),
        (
            "{ region: Italy }",
            "`Italy` is no region: expected a country's code",
        ),
        (
            "{ plate: { score: 0.8 } }",
            "does not say which side passes",
        ),
        (
            "{ plate: { score: { min: 1, max: 0 } } }",
            "no number is from 1 to 0",
        ),
        (
            "{ plate: { similar: { to: [AB1], edits: 9 } } }",
            "at most 8",
        ),
        ("{ plate: { similar: ['--'] } }", "`--` is no plate"),
        ("{ direction: { from: 400, to: 1 } }", "400 is no direction"),
        (
            "{ zone: { corners: [[0, 0], [1, 1]] } }",
            "encloses nothing",
        ),
        ("{ zone: {} }", "it has no area"),
        (
            "{ time: { zone: Europe/Rom } }",
            "`Europe/Rom` is no time zone",
        ),
        ("{ time: '25:00-26:00' }", "`25:00` is no time of day"),
        ("{ time: { days: mo } }", "`mo` is no day"),
        (
            "{ list: { in: residnts } }",
            "only.list.in.0: unknown list `residnts`: did you mean `residents`?",
        ),
        (
            "{ list: { not_in: [banned, x] } }",
            "only.list.not_in.1: unknown list `x`: under `lists` are `residents`, `banned`",
        ),
        (
            "{ face: { attributes: { age: ['>= 3', x] } } }",
            "a bound in a list",
        ),
        (
            "{ face: { attributes: { age: { is: [x], min: 1 } } } }",
            "as a text and as a number",
        ),
    ] {
        let error = route(&format!("{{ name: r, only: {words}, to: [t] }}"))
            .err()
            .unwrap_or_else(|| panic!("{words}"));
        assert!(error.contains(message), "{words}: {error}");
    }
}
