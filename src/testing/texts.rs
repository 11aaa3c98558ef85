//! Texts that users write, and documents that systems give, into what reads them.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::config::{Config, Surroundings, WebhooksFrom};
use crate::event::{Event, Moment, Picture, PictureData, Role, sniff};
use crate::import::{self, File, Old};
use crate::likeness::{Fold, Letters, Pattern, edits};
use crate::lists::{self, Columns, Lists, Shape};
use crate::reach::{Reach, Words};
use crate::routes;
use crate::schedule::{Days, Hours, time_of_day, zone};
use crate::template::{Engine, Given, Known, Names, Scope, holds_nonce};
use crate::units::{ByteSize, Rate, Span};
use crate::webhooks::{Document, Shelf};

/// A client's document: what is taken is told again as it is, and makes a target and routes without a mistake.
pub(super) fn webhook(text: &str) {
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return;
    };
    let document = match Document::read(&value) {
        Ok(document) => document,
        Err(faults) => return assert!(!faults.is_empty()),
    };
    let told = Value::Object(document.to_json());
    assert_eq!(Document::read(&told).as_ref(), Ok(&document), "{told}");
    assert_eq!(document.changed(&json!({})).as_ref(), Ok(&document));
    let url = &document.url;
    let (host, port) = (url.host_str(), url.port_or_known_default());
    let host = format!("{}:{}", host.unwrap_or_default(), port.unwrap_or_default());
    let words = Words {
        hosts: "hosts",
        networks: "networks",
    };
    if Reach::new(std::slice::from_ref(&host), &[], words).is_err() {
        return;
    }
    let mut shelf = Shelf::default();
    shelf.add(document);
    let yaml = json!({ "admin": { "findface": { "hosts": [host] } } }).to_string();
    let around = Surroundings {
        webhooks: WebhooksFrom::Shelf(shelf),
        ..Surroundings::default()
    };
    let nowhere = std::path::Path::new("/nonexistent");
    match Config::read("routes.yaml", &yaml, nowhere, &around, &|_| Ok(None)) {
        Ok(config) => drop(config.open()),
        Err(report) => panic!("{}", report.plain()),
    }
}

/// Lines are read as durations, sizes, rates, hours, times, patterns of plates; the whole as a route with its `only`.
pub(super) fn words(text: &str) {
    for line in text.lines().take(50) {
        if let Ok(span) = Span::parse(line) {
            let again = Span::parse(&span.to_string());
            assert_eq!(again.map(|again| again.0), Ok(span.0), "{line:?} is {span}");
        }
        drop(ByteSize::parse(line));
        drop(Rate::parse(line));
        drop(Days::parse(line));
        drop(time_of_day(line));
        drop(zone(line));
        let moment = Moment::parse_lenient(line, &TimeZone::UTC);
        if let (Ok(hours), Some(moment)) = (Hours::parse(line), moment) {
            hours.hold(moment);
        }
        for fold in [Fold::Case, Fold::Plate, Fold::LookAlike] {
            if let Ok(pattern) = Pattern::new(line, fold) {
                pattern.matches("AB 123 CD");
                pattern.matches(line);
            }
            if let Some(letters) = Letters::of(line, fold) {
                assert_eq!(edits(&letters, &letters, 2), Some(0), "{line:?} is itself");
            }
        }
    }
    if let Ok(only) = serde_json::from_str::<Value>(text) {
        drop(serde_json::from_value::<routes::Settings>(only.clone()));
        let route = json!({ "only": only, "to": ["log"] });
        drop(serde_json::from_value::<routes::Settings>(route));
    }
}

/// A list as CSV and as JSON.
pub(super) fn list(text: &str) {
    let columns = Columns {
        key: "plate".to_owned(),
        valid_from: Some("from".to_owned()),
        valid_until: Some("until".to_owned()),
        zone: TimeZone::UTC,
    };
    drop(lists::read_csv(text, &columns));
    for rows in ["", "/rows", "/a/0"] {
        let shape = Shape {
            rows: rows.to_owned(),
            only: None,
        };
        let page = text.as_bytes();
        if let Ok(table) = lists::read_json([page, page], &shape, &columns) {
            let _ = table.len();
        }
        drop(lists::next_page(page, rows));
    }
}

static SAMPLE: LazyLock<Event> = LazyLock::new(|| {
    let text = include_str!("../../presets/example-event.json");
    let json = serde_json::from_str(text).expect("the example is JSON");
    Event::from_json(json, Timestamp::UNIX_EPOCH).expect("the example is an event")
});

/// A template of each kind, and what it comes to for an event.
pub(super) fn template(source: &str) {
    static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
        Engine::knowing(Known {
            lists: vec!["residents".to_owned()],
            ..Known::default()
        })
    });
    // Each source is kept for good, for the code points into it.
    if source.len() > 2_000 {
        return;
    }
    let event = Arc::new(SAMPLE.clone());
    let scope = scope(&event);
    let (engine, names) = (&*ENGINE, Names::Rendering);
    let built = [
        engine.template(source, names),
        engine.path(source, names),
        engine.subject(source, names),
        engine.url(source, names),
    ];
    for template in built.into_iter().flatten() {
        drop(template.text(&scope));
    }
    if let Ok(condition) = engine.condition(source, names) {
        let holds = condition.holds(&scope);
        assert!(!(holds && condition.evaluated(&scope) == Some(false)));
        condition.why(&scope);
    }
    let document = json!({ "a": source, "b": [source, 1], "c": { "d": source } });
    if let Ok(structure) = engine.structure(&document, names) {
        drop(structure.json(&scope));
    }
}

fn scope(event: &Arc<Event>) -> Scope {
    static LISTS: LazyLock<Lists> = LazyLock::new(Lists::default);
    Scope::new(&Given {
        event,
        item: None,
        pictures: &event.images,
        lists: &LISTS,
        with: None,
        delivery: None,
        now: Timestamp::UNIX_EPOCH,
    })
}

/// The text as a value in an address, a path and a subject, whose borders it must not move; and as an address, which may be
/// asked only if its host is listed.
pub(super) fn places(value: &str) {
    if holds_nonce(value) {
        return;
    }
    static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::knowing(Known::default()));
    let mut event = SAMPLE.clone();
    event.camera.id = Some(value.to_owned());
    let event = Arc::new(event);
    let scope = scope(&event);
    let names = Names::Rendering;
    let engine = &*ENGINE;
    let url = "http://fixed.example:81/a/{{ event.camera.id }}/b?c={{ event.camera.id }}&d=1";
    let url = engine.url(url, names).expect("a sound template");
    if let Ok(text) = url.text(&scope) {
        let url = url::Url::parse(&text).expect("an address");
        assert_eq!(url.host_str(), Some("fixed.example"), "{value:?}");
        assert_eq!(url.port(), Some(81), "{value:?}");
        assert!(url.username().is_empty() && url.fragment().is_none());
        assert_eq!(
            url.path_segments().map(Iterator::count),
            Some(3),
            "{value:?}"
        );
        let pairs: Vec<_> = url.query_pairs().collect();
        assert!(pairs.len() == 2 && pairs[0].1 == value, "{value:?}: {text}");
    }
    let path = engine.path("a/{{ event.camera.id }}/b", names);
    let path = path.map(|path| path.text(&scope));
    if let Ok(Ok(path)) = path {
        let segments: Vec<&str> = path.split('/').collect();
        assert_eq!(segments.len(), 3, "{value:?}");
        let inner = segments[1];
        assert!(!inner.is_empty() && !inner.starts_with('.') && !inner.contains('\\'));
    }
    let subject = engine.subject("a.{{ event.camera.id }}.b", names);
    let subject = subject.map(|subject| subject.text(&scope));
    if let Ok(Ok(subject)) = subject {
        assert_eq!(subject.split('.').count(), 3, "{value:?}");
        assert!(!subject.contains(['*', '>']) && !subject.contains(char::is_whitespace));
    }
    let words = Words {
        hosts: "hosts",
        networks: "networks",
    };
    let hosts = ["cam.example", "*.cams.example", "10.1.0.0/16"].map(str::to_owned);
    let reach = Reach::new(&hosts, &[], words).expect("these are hosts");
    if let Ok(url) = url::Url::parse(value)
        && reach.check(&url).is_ok()
    {
        let listed = match url.host() {
            Some(url::Host::Domain(name)) => {
                name == "cam.example" || name.ends_with(".cams.example")
            }
            Some(url::Host::Ipv4(address)) => address.octets()[..2] == [10, 1],
            Some(url::Host::Ipv6(address)) => address.to_string().contains("10.1."),
            None => false,
        };
        assert!(listed, "{value:?} may be asked");
    }
    drop(Reach::new(&[value.to_owned()], &[value.to_owned()], words));
}

/// What a picture says of itself.
pub(super) fn picture(bytes: &[u8]) -> bool {
    let kind = sniff(bytes);
    let picture = Picture {
        role: Role::FRAME,
        item: None,
        content_type: kind.unwrap_or("image/jpeg").to_owned(),
        data: PictureData::Bytes(Bytes::copy_from_slice(bytes)),
    };
    let size = picture.size();
    kind.is_some() && size.is_some()
}

/// An event in the neutral form, as `explain` and the API take one.
pub(super) fn neutral(text: &str) -> bool {
    let Ok(json) = serde_json::from_str::<Value>(text) else {
        return false;
    };
    let Ok(event) = Event::from_json(json, Timestamp::UNIX_EPOCH) else {
        return true;
    };
    let shown = event.to_json();
    let again = Event::from_json(shown.clone(), Timestamp::UNIX_EPOCH);
    let again = again.unwrap_or_else(|why| panic!("what was shown is no event: {why}"));
    let mut twice = again.to_json();
    // An event that tells none gets one of its own each time.
    twice["id"] = shown["id"].clone();
    assert_eq!(shown, twice, "an event read back is another");
    true
}

/// The text as each of the files that `camhook import` reads.
pub(super) fn old_files(text: &str) {
    let file = |name: &str| File {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    let mut variables = import::variables(&file(".env")).unwrap_or_default();
    for protocol in ["", "dot", "front_rear"] {
        if !protocol.is_empty() {
            variables.push(("MIDDLEWARE_NAME".to_owned(), protocol.to_owned()));
        }
        let old = Old {
            origin: ".env".to_owned(),
            variables: variables.clone(),
            config_ini: Some(file("config.ini")),
            direction: Some(file("dot_config.csv")),
            front_rear: Some(file("front_rear_config.json")),
        };
        drop(import::import(&old));
    }
}
