//! Whole renderers, from settings to payload, with real templates.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::Value;

use super::Renderer;
use crate::event::{DeliveryId, Event, Kind, Original, Picture, PictureData, Plate, Role};
use crate::lists::Lists;
use crate::name::Name;
use crate::payload::{Payload, Request};
use crate::template::{Engine, Given, Names, RenderError, Scope};

fn event() -> Event {
    let source = Name::new("gate").unwrap();
    let mut event = Event::new(
        source,
        "generic",
        Kind::Plate,
        Arc::new(Original::default()),
    );
    event.occurred_at = serde_json::from_value("2025-03-04T10:11:12.5+01:00".into()).unwrap();
    event.camera.id = Some("../../etc/%Y".into());
    event.plates = vec![Plate {
        text: Some("ab\r\nX: 1".into()),
        ..Plate::default()
    }];
    event.images = vec![Picture {
        role: Role::FRAME,
        item: None,
        content_type: "image/jpeg".into(),
        data: PictureData::Bytes(Bytes::from_static(b"\xff\xd8\xff")),
    }];
    event
}

fn written(renderer: &Renderer, event: Event) -> Result<Payload, RenderError> {
    let event = Arc::new(event);
    let scope = Scope::new(&Given {
        event: &event,
        item: None,
        pictures: &event.images,
        lists: &Lists::default(),
        with: None,
        delivery: Some((DeliveryId::from_bytes([1; 16]), 1)),
        now: event.received_at,
    });
    renderer.render(&event, None, &scope)
}

fn http(settings: &str) -> Renderer {
    let settings = serde_saphyr::from_str(settings).unwrap();
    Renderer::http(&settings, &Engine::new(&[]).with_hosts(), Names::Rendering)
        .unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn request(settings: &str) -> Result<Request, RenderError> {
    match written(&http(settings), event())? {
        Payload::Http(request) => Ok(request),
        other => panic!("{other:?}"),
    }
}

fn files(settings: &str) -> Result<String, RenderError> {
    let settings = serde_saphyr::from_str(settings).unwrap();
    let renderer = Renderer::files(&settings, &Engine::new(&[]), Names::Rendering)
        .unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    match written(&renderer, event())? {
        Payload::Files(files) => Ok(files[0].path.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_multipart_has_texts_pictures_and_no_part_for_what_is_missing() {
    let request = request(
        r#"
url: "http://h/{{ event.kind }}"
query: { n: "{{ event.plates | length }}", gone: "{{ event.vendor_id }}" }
auth: { token: "t{{ event.plates | length }}" }
multipart:
  json: "{{ event.camera | tojson }}"
  original_image: "{{ images.frame }}"
  cropped_image: "{{ images.plate }}"
  name: { value: "{{ event.vendor_id }}" }
"#,
    )
    .unwrap();
    assert_eq!(request.url, "http://h/plate?n=1");
    let headers: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    assert_eq!(headers[0], "authorization: Token t1");
    assert!(headers[1].starts_with("content-type: multipart/form-data; boundary="));
    let body = String::from_utf8_lossy(&request.body.to_vec()).into_owned();
    assert!(body.contains("name=\"json\"\r\n\r\n{\"id\":"), "{body}");
    assert!(body.contains(
        "name=\"original_image\"; filename=\"original_image.jpg\"\r\nContent-Type: image/jpeg"
    ));
    assert!(!body.contains("cropped_image") && !body.contains("name=\"name\""));
}

#[test]
fn a_json_body_keeps_the_types_of_its_values() {
    let request = request(
        "url: http://h/\nmethod: put\njson: { n: '{{ event.plates | length }}', t: 'x{{ event.kind }}', b: true }",
    )
    .unwrap();
    let body: Value = serde_json::from_slice(&request.body.to_vec()).unwrap();
    assert_eq!(
        body,
        serde_json::json!({ "n": 1, "t": "xplate", "b": true })
    );
    assert_eq!(request.method, http::Method::PUT);
}

#[test]
fn a_value_from_an_event_cannot_inject_a_header_or_an_address() {
    let plate = "{{ event.plates[0].text }}";
    assert!(
        request(&format!(
            "url: http://h/\nheaders: {{ X-Plate: '{plate}' }}"
        ))
        .is_err()
    );
    assert!(request("url: '{{ now }}'").is_err());
    for url in [plate, "{{ event.plates[0].text | url }}"] {
        let url = request(&format!("url: 'http://h/{url}'")).unwrap().url;
        assert_eq!(url, "http://h/ab%0D%0AX%3A%201");
    }
}

#[test]
fn mistakes_are_told_with_the_way_to_them() {
    let settings = serde_saphyr::from_str(
        "{ url: '{{ evnt.id }}', headers: { X-A: '{{ evnt }}', 'b c': x }, json: { a: ['{{ evnt }}'] }, text: x, multipart: {} }",
    )
    .unwrap();
    let mistakes = Renderer::http(&settings, &Engine::new(&[]), Names::Rendering)
        .err()
        .unwrap();
    let paths: Vec<_> = mistakes.iter().map(|(path, _)| path.join(".")).collect();
    assert_eq!(
        paths,
        [
            "url",
            "headers.b c",
            "headers.X-A",
            "multipart",
            "text",
            "json.a.0"
        ]
    );
}

#[test]
fn a_value_in_a_path_is_one_segment_and_holds_no_codes() {
    assert_eq!(
        files("path: 'data/%Y/{{ event.camera.id }}/{{ event.camera.id }}{{ event.plates[0].text }}-%H.%f.jpg'").unwrap(),
        "data/2025/______etc_%Y/______etc_%Yab__X_ 1-10.500000.jpg"
    );
    assert_eq!(
        files("path: '{{ event.camera.id }}'").unwrap(),
        "______etc_%Y"
    );
    assert_eq!(
        files("path: '{% if event.camera.id %}{{ event.vendor_id }}{% endif %}.jpg'").unwrap(),
        "_.jpg"
    );
}

#[test]
fn a_picture_that_is_not_there_is_an_error_that_names_it() {
    let error = files("{ path: x.jpg, image: plate }").unwrap_err();
    assert_eq!(error.0, "this event has no picture `plate`");
    assert!(files("{ path: x.mp4, image: video }").is_err());
}

#[test]
fn a_line_is_the_event_or_streams_own() {
    for (settings, key) in [
        ("x.jsonl", "received_at"),
        ("{ path: x.jsonl, format: stream }", "camera_id"),
    ] {
        let settings = serde_saphyr::from_str(settings).unwrap();
        let renderer = Renderer::lines(&settings, &Engine::new(&[]), Names::Rendering)
            .unwrap_or_else(|_| panic!());
        let Payload::Line {
            path,
            header: None,
            line,
        } = written(&renderer, event()).unwrap()
        else {
            panic!("expected a line without header");
        };
        assert_eq!(path, "x.jsonl");
        assert!(!line.contains('\n'));
        let line: Value = serde_json::from_str(&line).unwrap();
        assert!(line.get(key).is_some());
    }
}

fn url_of(url: &str, plate: &str) -> Result<String, String> {
    let mut event = event();
    event.plates[0].text = Some(plate.into());
    let renderer = http(&format!("url: {}", Value::from(url)));
    match written(&renderer, event) {
        Ok(Payload::Http(request)) => Ok(request.url),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.0),
    }
}

#[test]
fn a_value_fills_its_place_in_the_url_and_no_other() {
    const PLATE: &str = "{{ event.plates[0].text }}";
    for (url, plate, came) in [
        (
            "http://h/cam/*",
            "../a b/c?d",
            "http://h/cam/..%2Fa%20b%2Fc%3Fd",
        ),
        (
            "http://h/cam/*/x",
            "a#b%2e\\c",
            "http://h/cam/a%23b%252e%5Cc/x",
        ),
        (
            "http://h/?p=*&q=1",
            "a&q=2#..",
            "http://h/?p=a%26q%3D2%23..&q=1",
        ),
        ("http://h?p=*", "a/b", "http://h/?p=a%2Fb"),
        ("http://*:8080/x", "10.0.0.7", "http://10.0.0.7:8080/x"),
        ("http://cam-*.lan/x", "7", "http://cam-7.lan/x"),
        ("http://h:*/x", "8080", "http://h:8080/x"),
        (
            "http://h/{{ event.plates[0].text | url }}",
            "a/b",
            "http://h/a%2Fb",
        ),
        (
            "http://h/x{{ (event.plates[0].text | e) }}",
            "/../y",
            "http://h/x%26%23x2f%3B..%26%23x2f%3By",
        ),
        (
            "{{ 'http://h/a?b=c' }}&p=*",
            "d/e",
            "http://h/a?b=c&p=d%2Fe",
        ),
        (" {{ 'http://h/a/' }}*", "d/e", "http://h/a/d%2Fe"),
        (
            "{% set p %}*{% endset %}http://h/{{ p }}",
            "a b",
            "http://h/a%20b",
        ),
        ("http://h/*", "\u{1}%2F\u{3}", "http://h/%01%252F%03"),
    ] {
        let url = url.replace('*', PLATE);
        assert_eq!(url_of(&url, plate).as_deref(), Ok(came), "{url}");
    }
    for (url, plate) in [
        ("http://h/cam/*/x", ".."),
        ("http://h/cam/.*", "."),
        ("http://h/{{ event.plates[0].text | url }}", ".."),
        ("http://h/{{ '%2e%2E' | safe }}/x", ""),
        ("http://*/x", "evil/"),
        ("http://*/x", "user@evil"),
        ("http://h*", ".evil"),
        ("http://h*", ":81"),
        ("{{ 'http://h' }}*", ".evil"),
        ("{{ none }}*", "http://evil/"),
        ("{{ none }}{{ none }}*", "http://evil/"),
        ("{% if true %}{% endif %}{{ none }} *", "http://evil/"),
    ] {
        let url = url.replace('*', PLATE);
        assert!(url_of(&url, plate).is_err(), "{url}: {plate}");
    }
}

#[test]
fn an_event_does_not_choose_where_it_is_sent() {
    for url in [
        "{{ event.raw.callback }}",
        " {{ plate.user_data['url'] | string }}/x",
        "{{ event.plates[0].text }}://h/",
    ] {
        let settings = format!("url: {}", Value::from(url));
        let settings = serde_saphyr::from_str(&settings).unwrap();
        let built = Renderer::http(&settings, &Engine::new(&[]), Names::Rendering);
        let (path, mistake) = built.err().unwrap().pop().unwrap();
        assert_eq!(path, ["url"]);
        assert!(mistake.message.contains("would choose"), "{mistake}");
        assert!(["event", "plate"].contains(&&url[mistake.range]), "{url}");
    }
}

#[test]
fn an_envelope_stands_around_a_finished_body() {
    let event = event(); // the boundary follows from its id
    let made = |settings: &str| match written(&http(settings), event.clone()).unwrap() {
        Payload::Http(request) => request,
        other => panic!("{other:?}"),
    };
    let plain = made("url: http://x\nstream: true");
    let envelope = "{ kind: '{{ wrapped.content_type }}', size: '{{ wrapped.size }}', \
                    body: '{{ wrapped.body | base64 }}', of: '{{ event.source }}' }";
    let wrapped = made(&format!("url: http://x\nstream: true\nwrap: {envelope}"));
    let told: Value = serde_json::from_slice(&wrapped.body.to_vec()).unwrap();
    assert_eq!(wrapped.headers[0].1, "application/json");
    let body = BASE64.decode(told["body"].as_str().unwrap()).unwrap();
    assert!(body == plain.body.to_vec());
    assert_eq!(told["kind"], plain.headers[0].1.to_str().unwrap());
    assert_eq!(told["size"], plain.body.len());
    assert_eq!(told["of"], "gate");

    let xml =
        "url: http://x\nxml: '<a>{{ event.source }}</a>'\nwrap: { body: '{{ wrapped.body }}' }";
    assert_eq!(made(xml).body.to_vec(), br#"{"body":"<a>gate</a>"}"#);
}

#[test]
fn an_envelope_needs_a_body_that_is_known() {
    let late = request(
        "url: http://x\ntext: '{{ session.token }}'\nwrap: { body: '{{ wrapped.body | base64 }}' }",
    );
    assert!(late.unwrap_err().0.contains("`session.token`"));
    for (settings, told) in [
        ("url: http://x\nwrap: { a: 1 }", "there is none"),
        (
            "url: http://x\njson: { a: '{{ wrapped.body }}' }",
            "known there alone",
        ),
    ] {
        let settings = serde_saphyr::from_str(settings).unwrap();
        let built = Renderer::http(&settings, &Engine::new(&[]), Names::Rendering);
        let (_, mistake) = built.err().unwrap().pop().unwrap();
        assert!(mistake.message.contains(told), "{mistake}");
    }
}
