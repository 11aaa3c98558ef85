//! The language as a whole, from source to output, on one event.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::{Engine, Given, Mistake, Names, Output, Scope};
use crate::event::{
    Area, Camera, Candidate, DeliveryId, Event, Face, Item, Kind, Moment, Object, Original,
    Picture, PictureData, Plate, Raw, Role, Score, Scored, Unit, Vehicle,
};
use crate::lists::{List, Lists};
use crate::name::Name;

fn moment(text: &str) -> Moment {
    serde_json::from_value(json!(text)).unwrap()
}

fn picture(role: Role, item: Option<Item>, bytes: &'static str) -> Picture {
    Picture {
        role,
        item,
        content_type: "image/jpeg".to_owned(),
        data: PictureData::Bytes(Bytes::from_static(bytes.as_bytes())),
    }
}

fn event() -> Event {
    let original = Original {
        headers: vec![("X-Cam".to_owned(), "7".to_owned())],
        received_at: "2024-06-07T15:31:02.25Z".parse().unwrap(),
        ..Original::default()
    };
    let name = Name::new("gate").unwrap();
    let mut event = Event::new(name, "generic", Kind::Plate, Arc::new(original));
    event.occurred_at = moment("2024-06-07T08:31:00.125-07:00");
    event.camera = Camera {
        id: Some("cam <1>".to_owned()),
        latitude: Some(52.0),
        tags: vec!["in".to_owned()],
        ..Camera::default()
    };
    event.plates = vec![
        Plate {
            text: Some("ab-12 3C".to_owned()),
            score: Score::from_fraction(0.904),
            area: Some(Area {
                xmin: 1,
                ymin: 2,
                xmax: 30,
                ymax: 40,
                unit: Unit::Pixels,
                image: Role::FRAME,
            }),
            candidates: vec![Candidate {
                text: "AB123C".to_owned(),
                score: Score::from_fraction(0.9),
            }],
            vehicle: Some(Vehicle {
                make: Some("VW".to_owned()),
                colors: vec![Scored {
                    value: "red".to_owned(),
                    score: None,
                }],
                ..Vehicle::default()
            }),
            ..Plate::default()
        },
        Plate::default(),
    ];
    event.faces = vec![Face::default()];
    event.objects = vec![Object {
        class: Some("car".to_owned()),
        ..Object::default()
    }];
    event.images = vec![
        picture(Role::FRAME, None, "frame"),
        picture(Role::PLATE, Some(Item::Plate(0)), "plate 0"),
        picture(Role::PLATE, Some(Item::Plate(1)), "plate 1"),
    ];
    event.raw = Raw::from_text(Bytes::from_static(
        br#"{"z": 1, "a": {"n": 12345678901234567, "f": 1.0, "list": [1, null, "x"], "empty": []}, "count": "7"}"#,
    ));
    event
}

fn engine() -> Engine {
    Engine::new(&[
        "residents".to_owned(),
        "staff".to_owned(),
        "late".to_owned(),
    ])
}

fn scope_with(event: Event, item: Option<Item>, made: &[Picture]) -> Scope {
    let residents = List::from_csv("plate,owner\nAB 123 C,Max\n", "plate").unwrap();
    let mut pictures = event.images.clone();
    pictures.extend_from_slice(made);
    Scope::new(&Given {
        event: &Arc::new(event),
        item,
        pictures: &pictures,
        lists: &Lists::new([
            ("residents".to_owned(), residents),
            ("staff".to_owned(), List::default()),
            ("late".to_owned(), List::awaited("http")),
        ]),
        with: Some(&json!({ "url": "http://x", "cameras": { "cam <1>": { "b": 1, "a": 2 } } })),
        delivery: Some((DeliveryId::from_bytes([1; 16]), 3)),
        now: "2024-06-07T16:00:00Z".parse().unwrap(),
    })
}

fn scope() -> Scope {
    scope_with(event(), Some(Item::Plate(0)), &[])
}

fn holds(source: &str) -> bool {
    let condition = engine().condition(source, Names::Rendering);
    condition
        .unwrap_or_else(|mistake| panic!("{source}: {mistake}"))
        .holds(&scope())
}

fn text(source: &str) -> String {
    let template = engine().template(source, Names::Rendering);
    let template = template.unwrap_or_else(|mistake| panic!("{source}: {mistake}"));
    template
        .text(&scope())
        .unwrap_or_else(|error| panic!("{source}: {error}"))
}

fn native(source: &str) -> Output {
    engine()
        .template(source, Names::Rendering)
        .unwrap()
        .output(&scope())
        .unwrap()
}

fn value(source: &str) -> Json {
    match native(source) {
        Output::Json(json) => json,
        other => panic!("{source}: {other:?}"),
    }
}

fn error(source: &str) -> String {
    let template = engine().template(source, Names::Rendering).unwrap();
    template.output(&scope()).unwrap_err().to_string()
}

fn mistake(source: &str, names: Names) -> Mistake {
    match source.contains("{{") || source.contains("{%") {
        true => engine()
            .template(source, names)
            .err()
            .unwrap_or_else(|| panic!("{source}")),
        false => engine()
            .condition(source, names)
            .err()
            .unwrap_or_else(|| panic!("{source}")),
    }
}

/// Conditions with what they come to; `plate.speed`, `event.raw.nope` and the like are absent.
const NULLS: &[(&str, bool)] = &[
    ("plate.speed > 0", false),
    ("plate.speed < 0", false),
    ("plate.speed >= 0", false),
    ("plate.speed <= 0", false),
    ("0 > plate.speed", false),
    ("0 <= plate.speed", false),
    ("none < 1", false),
    ("none <= none", false),
    ("event.raw.nope <= 1", false),
    ("event.raw.nope <= event.raw.nope", false),
    ("not plate.speed > 0", true),
    ("not (plate.speed > 0)", true),
    ("plate.speed == none", true),
    ("plate.speed == null", true),
    ("plate.text != null and null is none", true),
    ("null < 1 or true and false", false),
    ("plate.speed != none", false),
    ("event.raw.nope == none", true),
    ("event.raw.nope != none", false),
    ("event.raw.nope == plate.speed", true),
    ("plate.speed == 0", false),
    ("plate.speed != 0", true),
    ("plate.speed == ''", false),
    ("plate.speed is none", true),
    ("event.raw.nope is none", true),
    ("plate.speed is defined", false),
    ("event.raw.nope is undefined", true),
    ("plate.score is defined", true),
    ("not plate.speed", true),
    ("plate.speed", false),
    ("event.plates[7].text == none", true),
    ("event.plates[7].vehicle.make == none", true),
    ("event.plates[1].vehicle.make == none", true),
    ("event.plates[-1].text == none", true),
    ("event.plates[0].vehicle.make == 'VW'", true),
    ("event.raw.a.b.c.d == none", true),
    ("event.raw['a']['b'] == none", true),
    ("event.dwell.seconds >= 5", false),
    ("face.similarity > 0.5", false),
    ("face == none and object == none", true),
    ("plate.text in event.raw.nope", false),
    ("not plate.text in event.raw.nope", true),
    ("plate.text not in event.raw.nope", true),
    ("plate.owner in 'text'", false),
    ("plate.owner in lists.residents", false),
    ("plate.owner in [none]", true),
    ("plate.owner in ['x']", false),
    ("event.raw.nope in [none]", true),
    ("plate.text in lists.residents", true),
    ("plate.text in lists.staff", false),
    ("'x' in event.raw.a", false),
    ("'f' in event.raw.a", true),
    ("'in' in event.camera.tags", true),
    ("0 < plate.speed < 9", false),
    ("0 < plate.score < 1", true),
    ("0 < plate.score < 0.5", false),
    ("plate.speed < 1 < 2", false),
    ("1 < 2 < plate.speed", false),
    ("1 < 2 > 1 == 1 != 2 in [2]", true),
    ("1 < 2 not in [3]", true),
    ("plate.speed * 2 > 1", false),
    ("plate.speed + 1 == none", true),
    ("-plate.speed == none", true),
    ("plate.speed | abs == none", true),
    ("plate.owner | upper == none", true),
    ("plate.owner | length == 0", true),
    ("plate.owner is startingwith 'n'", false),
    ("plate.text is startingwith 'ab'", true),
    ("plate.text is like('AB?12*')", false),
    ("plate.text is like('AB?2*c')", true),
    ("plate.text is like(['x*', 'ab12*'])", true),
    ("plate.text is like('A8*')", false),
    ("plate.text is like('A8*', confusions=true)", true),
    ("plate.owner is like('*')", false),
    ("plate.text is not like('x')", true),
    ("plate.text | edits('AB124C') == 1", true),
    ("plate.text | edits('A8I2CC') <= 1", false),
    ("plate.text | edits('A8I2CC', confusions=true) <= 1", true),
    ("plate.owner | edits('A') <= 1", false),
    ("event.occurred_at is within('fri 08:00-09:00')", true),
    (
        "event.occurred_at is within('fri 17:00-18:00', 'Europe/Rome')",
        true,
    ),
    (
        "event.occurred_at is within('fri 17:00-18:00 UTC', 'Europe/Rome')",
        false,
    ),
    ("event.ended_at is within('daily')", false),
    (
        "plate.box is inside([[0, 0], [40, 0], [40, 50], [0, 50]])",
        true,
    ),
    (
        "plate.box is inside([[0, 0], [40, 0], [40, 30], [0, 30]], point='foot')",
        false,
    ),
    (
        "event.plates[1].box is inside([[0, 0], [40, 0], [40, 50]])",
        false,
    ),
    (
        "event.plates | selectattr('text', 'like', 'ab*') | list | length == 1",
        true,
    ),
    ("(plate.speed | default(3)) == 3", true),
    ("plate.owner[0:2] == ''", true),
    ("plate.text[0:2] == 'ab'", true),
    ("event.raw.count > 5", false),
    ("event.raw.count | int > 5", true),
    ("event.raw.z == 1.0", true),
    (
        "event.plates | selectattr('score', 'ge', 0.9) | list | length == 1",
        true,
    ),
    (
        "event.plates | selectattr('score', 'lt', 2) | list | length == 1",
        true,
    ),
    ("(event.plates | first).vehicle.make == 'VW'", true),
    ("event.occurred_at < event.received_at", true),
    ("event.occurred_at > '2024-06-07T15:30:59Z'", true),
    ("now >= event.received_at", true),
    // What cannot be evaluated is no.
    ("1 / 0 > 0 or true", false),
    ("'x' + 1 == 1 or true", false),
    ("event.raw.z in 5 or true", false),
    ("event.kind | epoch > 0 or true", false),
];

#[test]
fn no_condition_on_a_list_that_is_not_here_holds_either_way() {
    for source in [
        "plate.text in lists.late",
        "not plate.text in lists.late",
        "plate.text not in lists.late",
        "not (plate.text in lists.late)",
        "plate.text in lists['late']",
        "plate.text in lists.late or true",
        "lists.late[plate.text].owner == none",
        "lists.late[plate.text] is none",
        "lists.late == none",
        "not lists.late",
        "lists.late | length == 0",
        "(lists.late | default([])) | length == 0",
        "(plate.text in lists.late) == false",
        "true if plate.text in lists.late else true",
    ] {
        assert!(!holds(source), "{source}");
    }
    assert!(holds("true or plate.text in lists.late"));
    let template = engine().template("{{ lists.late[plate.text].owner }}", Names::Rendering);
    let error = template.unwrap().text(&scope()).unwrap_err();
    assert_eq!(error.to_string(), "the list `late` was not fetched yet");
}

#[test]
fn null_is_harmless_in_conditions() {
    for (source, expected) in NULLS {
        assert_eq!(holds(source), *expected, "{source}");
    }
}

#[test]
fn null_is_harmless_in_templates() {
    for (source, expected) in NULLS {
        if source.ends_with("or true") {
            continue;
        }
        let source = format!("a{{% if {source} %}}yes{{% else %}}no{{% endif %}}");
        assert_eq!(
            text(&source),
            if *expected { "ayes" } else { "ano" },
            "{source}"
        );
        let source = source
            .replace("{% if", "{% for x in [1] if")
            .replace("endif", "endfor");
        assert_eq!(
            text(&source),
            if *expected { "ayes" } else { "ano" },
            "{source}"
        );
    }
}

#[test]
fn the_plain_engine_says_otherwise() {
    let env = minijinja::Environment::new();
    let plain = |source: &str| {
        let value = env.compile_expression(source).unwrap();
        value
            .eval(minijinja::context! { speed => (), text => "x" })
            .map(|value| value.is_true())
    };
    for source in ["speed < 1", "speed <= speed", "missing == speed"] {
        let says = plain(source).unwrap();
        assert_eq!(says, !source.contains("=="), "{source}");
    }
    assert!(plain("text in speed").is_err());
    assert!(plain("missing.a.b == 1").is_err());
    assert_eq!(
        env.render_str("{{ speed }}", minijinja::context! { speed => () })
            .unwrap(),
        "None"
    );
}

#[test]
fn a_text_that_is_one_expression_keeps_its_type() {
    for (source, expected) in [
        ("plain", json!("plain")),
        ("{{ plate.score }}", json!(0.904)),
        (" {{ plate.score }}\n", json!(0.904)),
        ("{{ plate.score }}!", json!("0.904!")),
        ("{{ (plate.score * 100) | round | int }}", json!(90)),
        ("{{ event.camera.latitude }}", json!(52.0)),
        ("{{ event.raw.a.n }}", json!(12_345_678_901_234_567_i64)),
        ("{{ event.raw.a.f }}", json!(1.0)),
        ("{{ 2 ** 3 }}", json!(8)),
        ("{{ 7 // 2 }}", json!(3)),
        ("{{ 7 / 2 }}", json!(3.5)),
        ("{{ -plate.box.xmin }}", json!(-1)),
        ("{{ plate.speed }}", Json::Null),
        ("{{ event.raw.nope.nope }}", Json::Null),
        ("{{ plate.speed * 2 }}", Json::Null),
        ("{{ 'x' if false }}", Json::Null),
        ("{{ event.raw.a.list }}", json!([1, null, "x"])),
        (
            "{{ {'b': 1, 'a': plate.speed} }}",
            json!({ "b": 1, "a": null }),
        ),
        (
            "{{ with.cameras[event.camera.id] }}",
            json!({ "b": 1, "a": 2 }),
        ),
        ("{{ lists.residents[plate.text].owner }}", json!("Max")),
        ("{{ lists.residents['nobody'].owner }}", Json::Null),
        ("{{ lists.residents[plate.owner].owner }}", Json::Null),
        (
            "{{ event.plates | map(attribute='text') | list }}",
            json!(["ab-12 3C", null]),
        ),
        ("{{ event.headers['x-cam'] }}", json!("7")),
        ("{{ delivery.attempt }}", json!(3)),
        (
            "{{ delivery.id }}",
            json!("01010101-0101-0101-0101-010101010101"),
        ),
        ("{{ now }}", json!("2024-06-07T16:00:00Z")),
        (
            "{{ event.occurred_at }}",
            json!("2024-06-07T08:31:00.125-07:00"),
        ),
        ("{{ images.frame.content_type }}", json!("image/jpeg")),
        (
            "{{ event.images | map(attribute='role') | list }}",
            json!(["frame", "plate", "plate"]),
        ),
        ("{{ '}}' }}", json!("}}")),
    ] {
        let got = value(source);
        assert_eq!(got, expected, "{source}");
        assert_eq!(
            got.to_string(),
            expected.to_string(),
            "{source}: order of keys"
        );
    }
}

#[test]
fn the_event_is_exactly_its_json() {
    let json = event().to_json();
    let scope = scope_with(event(), None, &[]);
    let rendered = |source: &str| match engine()
        .template(source, Names::Rendering)
        .unwrap()
        .output(&scope)
        .unwrap()
    {
        Output::Json(json) => json,
        other => panic!("{other:?}"),
    };
    let mut ours = rendered("{{ event }}");
    ours["id"] = json["id"].clone();
    assert_eq!(ours.to_string(), json.to_string());

    // Field by field, through the views.
    for (name, field) in json.as_object().unwrap() {
        if name != "id" {
            let got = rendered(&format!("{{{{ event.{name} }}}}"));
            assert_eq!(got.to_string(), field.to_string(), "{name}");
        }
    }
    let copied = rendered("{{ dict(event) }}");
    let names = |json: &Json| {
        json.as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&copied), names(&json));
}

#[test]
fn the_check_knows_every_field_of_the_event() {
    fn walk(path: &str, json: &Json) {
        if path.ends_with(".raw") || path.ends_with(".headers") {
            return;
        }
        let found = engine().template(&format!("{{{{ {path} }}}}"), Names::Rendering);
        assert!(found.is_ok(), "{path}: {}", found.err().unwrap());
        match json {
            Json::Object(map) => map
                .iter()
                .for_each(|(key, value)| walk(&format!("{path}.{key}"), value)),
            Json::Array(items) => items
                .iter()
                .for_each(|item| walk(&format!("{path}[0]"), item)),
            _ => {}
        }
    }
    let mut event = event();
    event.video = Some(Default::default());
    event.dwell = Some(Default::default());
    event.status = Some(Default::default());
    event.plates[0].list = Some(Default::default());
    event.faces[0].person = Some(Default::default());
    walk("event", &event.to_json());
}

#[test]
fn texts_render_as_people_expect() {
    for (source, expected) in [
        ("a{{ plate.speed }}b", "ab"),
        ("a{{ event.raw.nope }}b", "ab"),
        ("{{ plate.owner ~ '/' ~ plate.text }} ", "/ab-12 3C"),
        ("x {{ plate.owner ~ '/' ~ plate.text }}", "x /ab-12 3C"),
        (
            "{{ true }},{{ 1.0 }},{{ event.raw.a.list }}",
            "true,1.0,[1,null,\"x\"]",
        ),
        (
            "keeps its last line\n{{ 1 }}x\n",
            "keeps its last line\n1x\n",
        ),
        (
            "{% for p in event.plates %}[{{ p.text }}]{% endfor %}",
            "[ab-12 3C][]",
        ),
        (
            "{% for c in event.plates[9].candidates %}x{% else %}none{% endfor %}",
            "none",
        ),
        ("{% for c in plate.owner %}x{% endfor %}-", "-"),
        (
            "{% for c in plate.candidates if c.score > 0.5 %}{{ loop.index }}{{ c.text }}{% endfor %}",
            "1AB123C",
        ),
        ("{% set n = plate.text %}{{ n | plate }}.", "AB123C."),
        (
            "{% macro m(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}.",
            "12.",
        ),
        (
            "{% set ns = namespace(n=0) %}{% for i in range(3) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}.",
            "3.",
        ),
        ("{{ [1, plate.owner, 'x'] | join(',') }}.", "1,,x."),
        ("{{ plate.owner | upper }}.", "."),
        (
            "{{ event.plates | map(attribute='text') | map('upper') | join('/') }}.",
            "AB-12 3C/.",
        ),
        (
            "{{ ['a', none] | map('replace', 'a', 'b') | list }}.",
            "[\"b\",null].",
        ),
        ("{{ plate.text | upper }}.", "AB-12 3C."),
        ("{{ plate.owner | default('-') }}.", "-."),
        (
            "{{ '' | default('-', true) }}{{ '' | default('x', boolean=true) }}.",
            "-x.",
        ),
        ("{{ '%s!' | format(plate.owner) }}.", "!."),
        ("{{ event.camera.id | xml }}.", "cam &lt;1&gt;."),
        (
            "{{ \"a'\\u0001\\\"&\\n\" | xml }}.",
            "a&apos;&quot;&amp;\n.",
        ),
        ("{{ event.camera.id | url }}.", "cam%20%3C1%3E."),
        (
            "{{ event.raw | tojson }}.",
            r#"{"z":1,"a":{"n":12345678901234567,"f":1.0,"list":[1,null,"x"],"empty":[]},"count":"7"}."#,
        ),
        ("{{ plate.owner | tojson }}.", "null."),
        ("{{ event.camera.id | tojson }}.", "\"cam <1>\"."),
        (
            "{{ event.raw.a.list | to_json_string }}.",
            r#""[1,null,\"x\"]"."#,
        ),
        ("{{ 'ab' | base64 }} {{ 'ab' | hex }}.", "YWI= 6162."),
        ("{{ 'a' | md5 }}.", "0cc175b9c0f1b6a831c399e269772661."),
        (
            "{{ 'a' | sha1 }}.",
            "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8.",
        ),
        (
            "{{ 'a' | sha1('base64') }}.",
            "hvfkN/qlp/zhXR3cuerq6jd2Z7g=.",
        ),
        ("{{ 'a' | hash_number }}.", "7128065739670391."),
        ("{{ plate.owner | hash_number }}.", "."),
        ("{{ 'a' | required('gone') }}.", "a."),
        ("{{ plate.owner | sha256 }}.", "."),
        ("{{ images.frame | base64 }}.", "ZnJhbWU=."),
        ("{{ images.nope | base64 }}.", "."),
        ("{{ images.plate | hex }}.", "706c6174652030."),
        ("{{ '<b>' }}.", "<b>."),
    ] {
        assert_eq!(text(source), expected.trim_end_matches(' '), "{source}");
    }
}

#[test]
fn moments_are_told_in_every_form() {
    for (source, expected) in [
        ("event.occurred_at | epoch", json!(1_717_774_260)),
        ("event.occurred_at | epoch_ms", json!(1_717_774_260_125_i64)),
        (
            "event.occurred_at | epoch_us",
            json!(1_717_774_260_125_000_i64),
        ),
        ("'1969-12-31T23:59:59.9Z' | epoch", json!(-1)),
        ("'1969-12-31T23:59:59.9Z' | epoch_ms", json!(-100)),
        (
            "event.occurred_at | strftime('%-m/%-d/%Y %H:%M:%S')",
            json!("6/7/2024 08:31:00"),
        ),
        (
            "event.occurred_at | strftime('%Y-%m-%dT%H:%M:%S%.3f%:z')",
            json!("2024-06-07T08:31:00.125-07:00"),
        ),
        (
            "event.occurred_at | strftime('%d.%m.%Y %H:%M', 'Europe/Berlin')",
            json!("07.06.2024 17:31"),
        ),
        (
            "'2024-01-07T08:31:00Z' | strftime('%H:%M %Z', 'Europe/Berlin')",
            json!("09:31 CET"),
        ),
        (
            "'2024-03-31T01:30:00Z' | in_zone('Europe/Rome')",
            json!("2024-03-31T03:30:00+02:00"),
        ),
        (
            "'2024-03-31T00:30:00Z' | in_zone('Europe/Rome')",
            json!("2024-03-31T01:30:00+01:00"),
        ),
        (
            "event.occurred_at | in_zone('Europe/Rome')",
            json!("2024-06-07T17:31:00.125+02:00"),
        ),
        (
            "event.occurred_at | in_zone('Europe/Rome') | strftime('%H')",
            json!("17"),
        ),
        (
            "event.received_at | in_zone('UTC')",
            json!("2024-06-07T15:31:02.25Z"),
        ),
        ("event.received_at | epoch_ms", json!(1_717_774_262_250_i64)),
        ("now | strftime('%s')", json!("1717776000")),
        ("event.ended_at | epoch_ms", Json::Null),
        ("event.ended_at | strftime('%H')", Json::Null),
        ("event.ended_at | in_zone('UTC')", Json::Null),
        ("(now | epoch) - (event.occurred_at | epoch)", json!(1740)),
    ] {
        assert_eq!(value(&format!("{{{{ {source} }}}}")), expected, "{source}");
    }
    assert!(error("{{ event.kind | epoch }}").contains("`plate` is no moment"));
}

#[test]
fn pictures_are_found_by_role_and_item() {
    let crop = |n, bytes| picture(Role::PLATE, Some(Item::Plate(n)), bytes);
    let wide = picture(Role::named("wide"), None, "wide");
    for (item, made, role, expected) in [
        (None, vec![], "frame", Some("frame")),
        (None, vec![], "plate", Some("plate 0")),
        (Some(Item::Plate(1)), vec![], "plate", Some("plate 1")),
        (Some(Item::Plate(1)), vec![], "frame", Some("frame")),
        (Some(Item::Plate(9)), vec![], "plate", None), // never the picture of another plate
        (
            Some(Item::Plate(1)),
            vec![crop(0, "crop 0"), crop(1, "crop 1")],
            "plate",
            Some("crop 1"),
        ),
        (
            None,
            vec![crop(1, "crop 1"), crop(0, "crop 0")],
            "plate",
            Some("crop 0"), // not the first by chance: the first plate's
        ),
        (
            None,
            vec![picture(Role::FRAME, None, "small")],
            "frame",
            Some("small"),
        ),
        (
            Some(Item::Plate(0)),
            vec![picture(Role::FRAME, None, "small")],
            "frame",
            Some("small"),
        ),
        (Some(Item::Plate(0)), vec![wide], "wide", Some("wide")),
        (None, vec![], "vehicle", None),
    ] {
        let scope = scope_with(event(), item, &made);
        let source = format!("{{{{ images.{role} }}}}");
        let output = engine()
            .template(&source, Names::Rendering)
            .unwrap()
            .output(&scope);
        match (output.unwrap(), expected) {
            (Output::Picture(picture), Some(expected)) => {
                assert_eq!(picture.bytes().unwrap(), expected, "{item:?} {role}");
            }
            (Output::Json(Json::Null), None) => {}
            (other, _) => panic!("{item:?} {role}: {other:?}"),
        }
    }
}

/// A crop takes the place of the sender's own, and others stand behind it: places tell nothing.
#[test]
fn what_a_step_put_in_the_senders_place_is_found_first() {
    let event = Arc::new(event());
    let crop = |n, bytes| picture(Role::PLATE, Some(Item::Plate(n)), bytes);
    let mut pictures = event.images.clone();
    pictures.retain(|picture| picture.item != Some(Item::Plate(1)));
    let first = pictures
        .iter()
        .position(|picture| picture.item == Some(Item::Plate(0)));
    pictures[first.unwrap()] = crop(0, "crop 0");
    pictures.push(crop(1, "crop 1"));
    for (item, expected) in [
        (None, "crop 0"),
        (Some(Item::Plate(0)), "crop 0"),
        (Some(Item::Plate(1)), "crop 1"),
    ] {
        let scope = Scope::new(&Given {
            event: &event,
            item,
            pictures: &pictures,
            lists: &Lists::default(),
            with: None,
            delivery: None,
            now: event.received_at,
        });
        let template = engine()
            .template("{{ images.plate }}", Names::Rendering)
            .unwrap();
        let Output::Picture(found) = template.output(&scope).unwrap() else {
            panic!("a picture");
        };
        assert_eq!(found.bytes().unwrap(), expected, "{item:?}");
    }
}

#[test]
fn lists_of_pictures_stay_pictures() {
    let count = |source: &str| match native(source) {
        Output::Pictures(pictures) => pictures.len(),
        other => panic!("{source}: {other:?}"),
    };
    assert_eq!(count("{{ images.list }}"), 3);
    assert_eq!(
        count("{{ images.list | selectattr('role', 'eq', 'plate') | list }}"),
        2
    );
    assert_eq!(count("{{ [images.frame] }}"), 1);
    let mut bare = event();
    bare.images.clear();
    let scope = scope_with(bare, None, &[]);
    let output = engine()
        .template("{{ images.list }}", Names::Rendering)
        .unwrap()
        .output(&scope);
    assert!(matches!(output.unwrap(), Output::Pictures(pictures) if pictures.is_empty()));
}

#[test]
fn a_picture_in_a_text_is_refused_with_advice() {
    for source in [
        "x{{ images.frame }}",
        "{{ 'x' ~ images.frame }}",
        "{{ {'a': images.frame} }}",
        "{{ images.frame | tojson }}",
    ] {
        assert!(
            error(source).contains("use `| base64`"),
            "{source}: {}",
            error(source)
        );
    }
    let structure = engine().structure(&json!({ "a": "{{ images.frame }}" }), Names::Rendering);
    let error = structure.ok().unwrap().json(&scope()).unwrap_err();
    assert!(error.to_string().contains("use `| base64`"));
    assert!(
        engine()
            .template("{{ images.frame }}", Names::Rendering)
            .unwrap()
            .text(&scope())
            .is_err()
    );
}

#[test]
fn a_structure_keeps_order_and_types_and_leaves_null_keys_out() {
    let source = json!({
        "z": "{{ plate.score }}", "gone": "{{ plate.speed }}", "also": null,
        "a": ["{{ plate.text }}", "{{ plate.speed }}", 1, true], "m": { "x": "t {{ 1 }}" },
        "e": "{{ {'n': none} }}",
    });
    let structure = engine().structure(&source, Names::Rendering).ok().unwrap();
    assert_eq!(
        structure.json(&scope()).unwrap().to_string(),
        r#"{"z":0.904,"a":["ab-12 3C",null,1,true],"m":{"x":"t 1"},"e":{"n":null}}"#
    );
    let wrong = json!({ "a": ["x", "{{ plate.txt }}"], "b": { "c": "{{ nope }}" } });
    let mistakes = engine().structure(&wrong, Names::Rendering).err().unwrap();
    let told: Vec<_> = mistakes
        .iter()
        .map(|m| (m.path.join("."), m.range.clone()))
        .collect();
    assert_eq!(told, [("a.1".to_owned(), 9..12), ("b.c".to_owned(), 3..7)]);
}

#[test]
fn mistakes_are_told_with_place_and_advice() {
    for (source, at, message, help) in [
        (
            "plate.scor > 1",
            "scor",
            "`plate` has no field `scor`",
            "did you mean `plate.score`?",
        ),
        (
            "{{ plate.scor }}",
            "scor",
            "`plate` has no field `scor`",
            "did you mean `plate.score`?",
        ),
        (
            "a {{ 1 }} {{ plate.color }}",
            "color",
            "`plate` has no field `color`",
            "did you mean `plate.vehicle.color`?",
        ),
        (
            "event.plates[0].vehicle.maker == 1",
            "maker",
            "`event.plates[0].vehicle` has no field `maker`",
            "did you mean `event.plates[0].vehicle.make`?",
        ),
        (
            "event['camera'].nam",
            "nam",
            "has no field `nam`",
            ".name`?",
        ),
        (
            "event['camra']",
            "'camra'",
            "`event` has no field `camra`",
            "did you mean `event.camera`?",
        ),
        (
            "event.plates.text",
            "text",
            "`event.plates` is a list",
            "did you mean `event.plates[0].text`?",
        ),
        (
            "plate.text.upper == 'A'",
            "upper",
            "`plate.text` is a text",
            "",
        ),
        (
            "plate.text.upper()",
            "upper",
            "`plate.text` has no method `upper`",
            "write `plate.text | upper`",
        ),
        (
            "(event.plates | first).txt",
            "txt",
            "has no field `txt`",
            "text",
        ),
        (
            "event.plates | selectattr('scor')",
            "'scor'",
            "the items have no field `scor`",
            "`score`",
        ),
        (
            "event.plates | map(attribute='vehicle.mak') | list",
            "'vehicle.mak'",
            "no field `mak`",
            "`make`",
        ),
        (
            "{% for p in event.plates %}{{ p.tex }}{% endfor %}",
            "tex",
            "`p` has no field `tex`",
            "did you mean `p.text`?",
        ),
        (
            "{% set v = plate.vehicle %}{{ v.modl }}",
            "modl",
            "`v` has no field `modl`",
            "did you mean `v.model`?",
        ),
        (
            "plates[0].text",
            "plates",
            "unknown name `plates`",
            "did you mean `event.plates`?",
        ),
        (
            "plat.text",
            "plat",
            "unknown name `plat`",
            "did you mean `plate`?",
        ),
        (
            "nothing_like_it",
            "nothing_like_it",
            "unknown name",
            "here are",
        ),
        (
            "plate.text in lists.resident",
            "resident",
            "unknown list `resident`",
            "did you mean `lists.residents`?",
        ),
        (
            "delivery.atempt",
            "atempt",
            "`delivery` has no field",
            "did you mean `delivery.attempt`?",
        ),
        (
            "plate.text | uper == 'A'",
            "uper",
            "unknown filter `uper`",
            "did you mean `| upper`?",
        ),
        ("[1] | map('uper')", "'uper'", "unknown filter `uper`", ""),
        ("[1] | select('od')", "'od'", "unknown test `od`", ""),
        (
            "plate.text is defind",
            "defind",
            "unknown test `defind`",
            "did you mean `is defined`?",
        ),
        (
            "upper(plate.text)",
            "upper",
            "unknown function `upper`",
            "is a filter",
        ),
        ("now | strftime('%!')", "'%!'", "%!", ""),
        (
            "now | in_zone('Europe/Berln')",
            "'Europe/Berln'",
            "is no time zone",
            "",
        ),
        (
            "{% include 'x' %}",
            "include 'x'",
            "a template stands for itself",
            "",
        ),
        ("{{ loop.index }}", "loop", "unknown name `loop`", ""),
    ] {
        let mistake = mistake(source, Names::Rendering);
        assert_eq!(&source[mistake.range.clone()], at, "{source}: {mistake:?}");
        assert!(mistake.message.contains(message), "{source}: {mistake:?}");
        assert!(
            mistake.help.clone().unwrap_or_default().contains(help),
            "{source}: {mistake:?}"
        );
    }
}

#[test]
fn syntax_errors_tell_what_was_expected() {
    for (source, at, message) in [
        (
            "plate.score >",
            12..13,
            "unexpected end of input, expected expression",
        ),
        ("plate.score > > 1", 14..15, "unexpected `>`"),
        (
            "{{ plate.text ",
            9..13,
            "unexpected end of input, expected `}}`",
        ),
        ("{% if plate %}x", 14..15, "unexpected end of input"),
        (
            "{{ plate. }}",
            10..12,
            "unexpected `}}`, expected identifier",
        ),
        ("{{ plate.text }", 14..15, "unexpected `}`, expected `}}`"),
    ] {
        let mistake = mistake(source, Names::Rendering);
        assert!(mistake.message.contains(message), "{source}: {mistake:?}");
        assert_eq!(mistake.range, at, "{source}: {mistake:?}");
    }
    let mistake = engine()
        .condition(" {{ plate.score > 1 }}", Names::Choosing)
        .err()
        .unwrap();
    assert_eq!(mistake.help.as_deref(), Some("leave out `{{` and `}}`"));
}

#[test]
fn what_is_sent_is_not_known_when_routes_choose() {
    for name in ["images", "with", "delivery"] {
        let mistake = mistake(&format!("{name}.x == 1"), Names::Choosing);
        assert_eq!(mistake.range, 0..name.len());
        assert!(mistake.message.contains("not known yet"));
    }
    for source in [
        "plate.score > 1",
        "event.raw.x.y",
        "event.plates[0].user_data.z",
        "face.attributes.age > 3",
        "lists.staff",
        "now",
    ] {
        assert!(
            engine().condition(source, Names::Choosing).is_ok(),
            "{source}"
        );
    }
}

#[test]
fn every_filter_and_test_that_the_check_knows_is_there() {
    for name in super::filters::names() {
        let found = engine()
            .template(&format!("{{{{ 'a' | {name} }}}}"), Names::Rendering)
            .unwrap();
        if let Err(error) = found.output(&scope()) {
            assert!(!error.to_string().contains("unknown"), "{name}: {error}");
        }
    }
    for name in super::filters::TESTS {
        let found = engine()
            .template(&format!("{{{{ 1 is {name} }}}}"), Names::Rendering)
            .unwrap();
        if let Err(error) = found.output(&scope()) {
            assert!(!error.to_string().contains("unknown"), "{name}: {error}");
        }
    }
}

#[test]
fn work_and_depth_are_bounded() {
    let endless =
        "{% for a in range(10000) %}{% for b in range(10000) %}{{ b }}{% endfor %}{% endfor %}";
    assert!(error(endless).contains("too much work"));
    assert!(error("{% macro m(n) %}{{ m(n) }}{% endmacro %}{{ m(1) }}").contains("recursion"));
    assert!(error("{{ 'x' * 1000000000 }}").contains("cannot use `*`"));
    let deep = format!("{}1{}", "[".repeat(120), "]".repeat(120));
    let mut event = event();
    event.raw = Raw::from_text(Bytes::from(deep.clone()));
    let scope = scope_with(event, None, &[]);
    let output = engine()
        .template("{{ event.raw | tojson }}", Names::Rendering)
        .unwrap()
        .text(&scope);
    assert_eq!(output.unwrap(), deep);
}

#[test]
fn moments_of_now_are_the_scopes() {
    let at: Timestamp = "2024-06-07T16:00:00Z".parse().unwrap();
    assert_eq!(value("{{ now | epoch }}"), json!(at.as_second()));
}

/// Words that templates are made of, to be strung together at random.
const WORDS: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "if",
    "else",
    "endif",
    "for",
    "in",
    "endfor",
    "set",
    "endset",
    "macro",
    "endmacro",
    "call",
    "endcall",
    "filter",
    "endfilter",
    "with",
    "endwith",
    "do",
    "block",
    "raw",
    "not",
    "and",
    "or",
    "is",
    "none",
    "event",
    "plate",
    "images",
    "frame",
    "lists",
    "residents",
    "raw",
    ".",
    ",",
    "|",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ":",
    "=",
    "==",
    "<",
    ">=",
    "~",
    "+",
    "-",
    "*",
    "**",
    "//",
    "%",
    "1",
    "0",
    "9999999999999999999999",
    "1.5",
    "'x'",
    "'é'",
    "loop",
    "self",
    "super",
    "upper",
    "map",
    "first",
    "join",
    "strftime",
    "default",
    "text",
    "score",
    "plates",
    "x",
    "range",
    "namespace",
    "defined",
    "-%}",
    "{%-",
    "\n",
    "é",
];

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(
        words in proptest::collection::vec(proptest::sample::select(WORDS), 0..24),
        expression in proptest::bool::ANY,
    ) {
        let soup = words.join(" ");
        let (engine, scope) = (engine(), scope());
        if let Ok(condition) = engine.condition(&soup, Names::Rendering) {
            condition.holds(&scope);
        }
        let source = if expression { format!("{{{{ {soup} }}}}") } else { soup };
        match engine.template(&source, Names::Rendering) {
            Ok(template) => drop(template.output(&scope)),
            Err(mistake) => proptest::prop_assert!(source.get(mistake.range).is_some(), "{}", source),
        }
    }
}

#[test]
fn no_chain_of_operators_ends_the_stack() {
    let engine = Engine::new(&[]);
    let links = [
        ("not ", "a"),
        ("-", "a"),
        ("a and ", "a"),
        ("a + ", "a"),
        ("a == ", "a"),
        ("a if a else ", "a"),
    ];
    for (link, end) in links {
        for times in [390, 100_000] {
            let chain = format!("{}{end}", link.repeat(times));
            drop(engine.condition(&chain, Names::Rendering));
            drop(engine.template(&format!("{{{{ {chain} }}}}"), Names::Rendering));
        }
    }
    for link in [".a", "|lower", "[0]", "()", " is defined", " if a"] {
        for times in [390, 100_000] {
            let chain = format!("a{}", link.repeat(times));
            drop(engine.condition(&chain, Names::Rendering));
            drop(engine.template(&format!("{{{{ {chain} }}}}"), Names::Rendering));
        }
    }
}

#[test]
fn a_delivery_shows_what_went_into_it_and_both_halves_of_a_pair() {
    use crate::fate::{Pair, Part, Parts};
    let (own, mut other) = (event(), event());
    other.camera.id = Some("rear".to_owned());
    let pair = Pair {
        other: Arc::new(other),
        other_item: Some(Item::Plate(1)),
        other_is_front: false,
    };
    let roles: Vec<String> = pair
        .pictures()
        .iter()
        .map(|one| one.role.to_string())
        .collect();
    assert_eq!(roles, ["rear_frame", "rear_plate"]);
    let parts = Arc::new(Parts {
        merged: vec![Part::of(&own, Some(Item::Plate(0)))],
        merged_count: 20,
        pair: Some(pair.clone()),
    });
    let known = super::Known {
        pictures: Some(crate::fate::pair_roles()),
        ..super::Known::default()
    };
    let engine = Engine::knowing(known);
    let scope = scope_with(own, Some(Item::Plate(0)), &pair.pictures()).made_of(Some(&parts));
    for (source, text) in [
        (
            "{{ pair.front.camera.id }} {{ pair.rear.camera.id }}",
            "cam <1> rear",
        ),
        (
            "{{ delivery.merged_count }} {{ delivery.merged[0].text }}",
            "20 ab-12 3C",
        ),
        ("{{ images.front_plate | base64 }}", "cGxhdGUgMA=="),
        ("{{ images.rear_plate | base64 }}", "cGxhdGUgMQ=="),
        ("{{ images.plate | base64 }}", "cGxhdGUgMA=="),
        ("{{ images.list | length }}", "5"),
    ] {
        let template = engine.template(source, Names::Rendering).unwrap();
        assert_eq!(template.text(&scope).unwrap(), text, "{source}");
    }
    let template = engine.template("{{ pair.front.camera.id }}", Names::Rendering);
    assert_eq!(template.unwrap().text(&self::scope()).unwrap(), "");
    assert!(
        engine
            .template("{{ pair.fornt.id }}", Names::Rendering)
            .is_err()
    );
    assert!(
        engine
            .template("{{ pair.front.id }}", Names::Choosing)
            .is_err()
    );
    assert!(
        engine
            .template("{{ images.front_fame }}", Names::Rendering)
            .is_err()
    );
}
