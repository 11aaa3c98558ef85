//! The JSON Schema of `routes.yaml`: what editors complete by, and what the check walks.

use schemars::{JsonSchema as _, SchemaGenerator};
use serde_json::{Value, json};

use super::entry::{ByPreset, Decoding, Presets, Steps, Store, joined, named, object};
use crate::{admin, alerts, delivery, lists, refresh, render, routes, server, targets, telemetry};

/// The keys that say how a target sends; it has exactly one of them.
pub(super) const TRANSPORTS: &[&str] = &[
    "http", "jsonl", "csv", "files", "mqtt", "nats", "postgres", "smtp", "log",
];

/// The keys of `http` that may stand beside it too.
pub(super) const BESIDE_HTTP: &[&str] = &["timeout", "tls", "hosts", "networks"];

/// The JSON Schema of `routes.yaml`, for editors and other readers.
pub(crate) fn schema() -> Value {
    let mut schema = strict();
    or_nothing(&mut schema);
    schema["properties"]["routes"]["type"] = json!(["array", "null"]);
    schema
}

/// What a key says that has nothing below it: a map that may be empty may be left out under its key.
fn or_nothing(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(or_nothing),
        Value::Object(schema) => {
            let must_have = schema
                .get("required")
                .and_then(Value::as_array)
                .is_some_and(|keys| !keys.is_empty());
            if schema.get("type").is_some_and(|word| word == "object") && !must_have {
                schema.insert("type".to_owned(), json!(["object", "null"]));
            }
            schema.values_mut().for_each(or_nothing);
        }
        _ => {}
    }
}

/// The same as the check walks it, to which nothing is an empty map anyway.
pub(super) fn strict() -> Value {
    let mut generator = SchemaGenerator::default();
    let g = &mut generator;
    let server = g.subschema_for::<server::Settings>();
    let admin = g.subschema_for::<admin::Settings>();
    let store = g.subschema_for::<Store>();
    let log = g.subschema_for::<telemetry::Settings>();
    let source = joined(
        "A place that cameras post to.",
        &[
            Decoding::json_schema(g),
            server::SourceSettings::json_schema(g),
        ],
    );
    let presets = g.subschema_for::<Presets>();
    let alerts = g.subschema_for::<alerts::Settings>();
    let telemetry = g.subschema_for::<telemetry::Telemetry>();
    let list = joined(
        "A table to look plates up in: one of `csv`, `http` and `parkpow`.",
        &[
            lists::Settings::json_schema(g),
            refresh::Settings::json_schema(g),
        ],
    );
    let sending = targets::http::Settings::json_schema(g);
    let http = joined(
        "A request over HTTP: what it says, and how it is sent. At most one of `json`, `form`, `multipart`, `text`, `xml`, \
         `image`, `stream` and `original`.",
        &[render::http::Settings::json_schema(g), sending.clone()],
    );
    let mqtt = joined(
        "A message to an MQTT broker: what it says, and how it is sent.",
        &[
            render::mqtt::Settings::json_schema(g),
            targets::mqtt::Settings::json_schema(g),
        ],
    );
    let nats = joined(
        "A message to a NATS server: what it says, and how it is sent.",
        &[
            render::nats::Settings::json_schema(g),
            targets::nats::Settings::json_schema(g),
        ],
    );
    let postgres = joined(
        "A row for a PostgreSQL server: what it holds, and how the server is reached.",
        &[
            render::postgres::Settings::json_schema(g),
            targets::postgres::Settings::json_schema(g),
        ],
    );
    let smtp = joined(
        "A mail: what it says, to whom, and through which server.",
        &[
            render::smtp::Settings::json_schema(g),
            targets::smtp::Settings::json_schema(g),
        ],
    );
    let beside = BESIDE_HTTP.iter().filter_map(|key| {
        let schema = sending.get("properties")?.get(*key)?.clone();
        Some((*key, schema.try_into().ok()?))
    });
    let mut transports = vec![
        ("http", http),
        ("jsonl", g.subschema_for::<render::files::Jsonl>()),
        ("csv", g.subschema_for::<render::files::Csv>()),
        ("files", g.subschema_for::<render::files::Pictures>()),
        ("mqtt", mqtt),
        ("nats", nats),
        ("postgres", postgres),
        ("smtp", smtp),
        ("log", g.subschema_for::<render::files::Log>()),
    ];
    transports.extend(beside);
    let target = joined(
        "One downstream system: one of `preset`, `http`, `jsonl`, `csv`, `files`, `mqtt`, `nats`, `postgres`, `smtp` and `log`, and how fast and how often to try.",
        &[
            ByPreset::json_schema(g),
            object("How it is sent.", transports),
            delivery::Settings::json_schema(g),
        ],
    );
    let mut route = joined(
        "Which events, what happens to them, where they go.",
        &[routes::Settings::json_schema(g), Steps::json_schema(g)],
    );
    // A route without a name is called after its targets.
    route.insert("required".to_owned(), json!(["to"]));
    let definitions = g.take_definitions(true);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "camhook's routes.yaml",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "server": server,
            "admin": admin,
            "store": store,
            "log": log,
            "telemetry": telemetry,
            "alerts": alerts,
            "sources": named("Places that cameras post to, by name.", &source),
            "presets": presets,
            "lists": named("Tables that conditions and templates look plates up in, by name.", &list),
            "targets": named("Downstream systems, by name.", &target),
            "routes": {
                "description": "Which events go where. Each route takes its own; an event may go through several.",
                "type": "array",
                "items": route,
            },
        },
        "$defs": definitions,
    })
}
