//! Bytes from anywhere into each decoder: what the targets in `fuzz/` call, and the test that replays their corpus.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{texts, wires};
use crate::config::{Config, Surroundings};
use crate::event::{Event, Original};
use crate::explain;
use crate::name::Name;
use crate::sources::{self, DecodeSettings, MapSettings, Source};
use crate::steps;
use crate::store;
use crate::template::{Engine, Known};

/// What can be fed besides the kinds of sources: maps of fields, the reader of multipart bodies, the mender of Kipod's JSON,
/// the decoder of parts of a JPEG, the loader of `routes.yaml`, webhooks; users' words and templates, lists, values in addresses and
/// paths, the heads of pictures, events in the neutral form, another program's files; what brokers, servers and systems say,
/// a stranger's credentials, and the store's own log.
const PIECES: [&str; 19] = [
    "map",
    "multipart",
    "repair",
    "jpeg",
    "config",
    "webhook",
    "words",
    "list",
    "template",
    "places",
    "picture",
    "neutral",
    "import",
    "mqtt",
    "nats",
    "answer",
    "credentials",
    "records",
    "log",
];

/// Whatever can be fed, by name: each kind of source, and pieces that deserve more than comes through to them.
#[must_use]
pub fn fed() -> Vec<&'static str> {
    [sources::kinds(), PIECES.to_vec()].concat()
}

/// Feeds one input. Returns whether it had the form that is asked for; a fuzzer does well to forget the others.
///
/// `config` takes a `routes.yaml`, `webhook` a client's document; `words`, `list`, `template`, `places`, `neutral` and `import` a text; `jpeg` and `picture` a
/// picture; `mqtt` and `nats` what comes over a connection; `records` and `log` lines of records; all others a raw request:
/// request line, headers, blank line, body (`answer`: its path is the status).
///
/// Panics when the piece is not true to what it promises, or nothing has that name.
pub fn feed(name: &str, input: &[u8]) -> bool {
    match name {
        "map" => map(input),
        "multipart" => multipart(input),
        "repair" => request(input).is_some_and(|request| sources::mend_kipod(&request.body)),
        "jpeg" => steps::try_jpeg(input),
        "config" => config(input),
        "webhook" => text(input, texts::webhook),
        "words" => text(input, texts::words),
        "list" => text(input, texts::list),
        "template" => text(input, texts::template),
        "places" => text(input, texts::places),
        "import" => text(input, texts::old_files),
        "neutral" => std::str::from_utf8(input).is_ok_and(texts::neutral),
        "picture" => texts::picture(input),
        "mqtt" => wires::packets(input),
        "nats" => wires::nats(input),
        "answer" => request(input).is_some_and(|answer| wires::answer(&answer)),
        "credentials" => request(input).is_some_and(|request| wires::credentials(&request)),
        "records" => store::try_records(input),
        "log" => store::try_log(input),
        kind => decode(kind, input),
    }
}

fn text(input: &[u8], feed: fn(&str)) -> bool {
    let text = std::str::from_utf8(input);
    text.map(feed).is_ok()
}

/// Decodes a raw request by the source of that kind as by default, and does with its events what becomes of all events.
pub fn decode(kind: &str, request_http: &[u8]) -> bool {
    let source = sources::find(kind).unwrap_or_else(|| panic!("nothing is called {kind}"));
    let Some(request) = request(request_http) else {
        return false;
    };
    for source in sources::ALL {
        source.recognises(&request);
    }
    read(source, &DecodeSettings::default(), &request);
    true
}

fn request(request_http: &[u8]) -> Option<Arc<Original>> {
    let file = Bytes::copy_from_slice(request_http);
    explain::parse(&file, Timestamp::UNIX_EPOCH)
        .ok()
        .map(Arc::new)
}

fn read(source: &'static dyn Source, settings: &DecodeSettings, request: &Arc<Original>) {
    static NAME: LazyLock<Name> = LazyLock::new(|| Name::new("fed").expect("this is a name"));
    sources::speaker(source, request);
    let events = match sources::decode(source, &NAME, settings, request) {
        Ok(events) => events,
        Err(undecodable) => {
            assert!(!undecodable.reason.is_empty(), "undecodable for no reason");
            return;
        }
    };
    let events: Vec<Arc<Event>> = events.into_iter().map(Arc::new).collect();
    let kept = store::there_and_back(request, &events);
    let kept = kept.unwrap_or_else(|reason| panic!("a store could not read it back: {reason}"));
    assert_eq!(events.len(), kept.len());
    for (event, kept) in events.iter().zip(&kept) {
        let shown = event.to_json();
        assert_eq!(shown, kept.to_json(), "a store gives back another event");
        event.clip();
        drop(Event::from_json(shown, request.received_at));
    }
}

/// Maps in which the sender's fields stand wherever a field may be mapped.
struct Maps {
    each: DecodeSettings,
    whole: DecodeSettings,
    over: DecodeSettings,
}

fn map(request_http: &[u8]) -> bool {
    static MAPS: LazyLock<Maps> = LazyLock::new(|| Maps {
        each: mapped("generic", each()),
        whole: mapped("generic", whole()),
        over: mapped("auto", over()),
    });
    let Some(request) = request(request_http) else {
        return false;
    };
    let find = |kind| sources::find(kind).expect("it is listed");
    read(find("generic"), &MAPS.each, &request);
    read(find("generic"), &MAPS.whole, &request);
    read(find("auto"), &MAPS.over, &request);
    true
}

fn mapped(kind: &str, map: Value) -> DecodeSettings {
    let map: MapSettings = serde_json::from_value(map).expect("a map of fields");
    let map = map.compile(&Engine::knowing(Known::default()), kind);
    DecodeSettings {
        map: Some(Arc::new(map.expect("these templates are sound"))),
        ..DecodeSettings::default()
    }
}

fn each() -> Value {
    json!({
        "each": "{{ body.detections }}",
        "occurred_at": "{{ it.time }}",
        "camera": { "id": "{{ body.cam }}", "name": "{{ headers['x-camera'] }}", "channel": "{{ query.lane }}", "tags": "{{ it.tags | split }}" },
        "plates": [{
            "text": "{{ it.plate }}",
            "score": "{{ it.confidence }}",
            "box": { "xmin": "{{ it.area[0] }}", "ymin": "{{ it.area[1] }}", "xmax": "{{ it.area[2] }}", "ymax": "{{ it.area[3] }}", "unit": "e4" },
        }],
        "images": { "frame": "{{ body.picture }}" },
    })
}

fn whole() -> Value {
    json!({
        "kind": "{{ body[0].kind }}",
        "occurred_at": "{{ body[0].score }}",
        "camera": "{{ body[0] }}",
        "plates": "{{ body }}",
        "faces": [{ "attributes": "{{ body[0].vehicle }}", "box": "{{ body[0].box }}", "similarity": "{{ body[0].score }}" }],
        "objects": "{{ body[0].candidates }}",
        "images": { "frame": "{{ body[0].plate }}", "plate": "{{ body[0].value }}" },
        "dwell": { "seconds": "{{ body[0].dwell_time / body[0].score }}", "first_seen": "{{ body[0].first_seen }}" },
        "status": { "name": "{{ body[0].code }}", "active": "{{ body[0].direction }}" },
    })
}

fn over() -> Value {
    json!({
        "vendor_id": "{{ body | tojson | md5 }}",
        "ended_at": "{{ body.until or body.time }}",
        "camera": { "latitude": "{{ body.lat }}", "longitude": "{{ body.lon }}" },
        "plates": "{{ body.plates }}",
        "video": { "url": "{{ body.clip }}" },
    })
}

fn multipart(request_http: &[u8]) -> bool {
    request(request_http).is_some_and(|request| {
        let content_type = request.content_type().unwrap_or_default();
        sources::split_multipart(content_type, &request.body)
    })
}

/// Checks the file as `camhook check` does: with all that is wrong shown in its place.
fn config(routes_yaml: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(routes_yaml) else {
        return false;
    };
    let nowhere = Path::new("/nonexistent");
    let checked = Config::read(
        "routes.yaml",
        text,
        nowhere,
        &Surroundings::default(),
        &|_| Ok(None),
    );
    match checked {
        Ok(config) => drop(config.open()),
        Err(report) => drop(report.render(false)),
    }
    true
}
