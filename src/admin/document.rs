//! The API's description of itself: OpenAPI 3.1, made of the table and of the types that its lines read and write.

use std::borrow::Cow;
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::answers::{Json, Tagged};
use super::api::Told;
use super::gate::CSRF_HEADER;
use super::operation::{self, Given, Schemas};
use super::question::Parameter;
use super::refusal::{ERRORS, PROBLEM, Problem};
use super::table::{Access, Ask, ROUTES, Route};

/// Where the document points to what is described once.
const SCHEMAS: &str = "#/components/schemas/";

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// The document as it is given.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct OpenApi(&'static Value);

impl JsonSchema for OpenApi {
    fn schema_name() -> Cow<'static, str> {
        "OpenApi".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "description": "An OpenAPI 3.1 document." })
    }
}

pub(super) async fn openapi(_: Ask<'_>, (): ()) -> Told<Tagged<Json<OpenApi>>> {
    Ok(Tagged(Json(OpenApi(openapi_value()))))
}

/// The document.
pub(crate) fn openapi_value() -> &'static Value {
    &DOCUMENT
}

/// What belongs together, in reading order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Looking,
    Steering,
    Health,
}

impl Group {
    pub(super) const ALL: [Self; 3] = [Self::Looking, Self::Steering, Self::Health];

    fn of(route: &Route) -> Self {
        match route.access {
            Access::Always | Access::Numbers => Self::Health,
            _ if route.changes() => Self::Steering,
            _ => Self::Looking,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Looking => "Looking",
            Self::Steering => "Steering",
            Self::Health => "Health",
        }
    }

    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Looking => {
                "Lists are newest first. When there is more, the header `Link: <…>; rel=\"next\"` says where."
            }
            Self::Steering => "What changes something is a POST with a JSON body.",
            Self::Health => "For what watches over camhook.",
        }
    }
}

fn document() -> Value {
    let mut schemas = Schemas::new();
    let problem = schemas.given.subschema_for::<Problem<'_>>();
    let mut paths = Map::new();
    for route in ROUTES {
        let Some(told) = route.told(&mut schemas) else {
            continue;
        };
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation(route, told);
    }
    let mut all = schemas.given.take_definitions(true);
    all.extend(schemas.sent.take_definitions(true));
    let groups =
        Group::ALL.map(|group| json!({ "name": group.name(), "description": group.what() }));
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "camhook",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Looks into a camhook and steers it. Paths are below its admin address.",
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "servers": [{ "url": "/" }],
        "tags": groups,
        "paths": paths,
        "components": {
            "schemas": all,
            "responses": refusals(&problem),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of `admin.tokens`. The roles are its scopes; `admin` is all of them, `read` has `metrics` in it. \
                                    Where there are neither users nor tokens, nobody logs in and everybody may everything.",
                },
                "password": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "A name and password of `admin.users`.",
                },
            },
        },
    })
}

/// One line of the table.
fn operation(route: &Route, told: operation::Told) -> Value {
    let in_path = parts(route.path).map(|name| {
        let (what, schema) = part(name);
        json!({ "name": name, "in": "path", "required": true, "description": what, "schema": schema })
    });
    let in_query = told.parameters.iter().map(|parameter| {
        let Parameter { name, what, schema } = parameter;
        json!({ "name": name, "in": "query", "description": what, "schema": schema() })
    });
    let mut responses = Map::new();
    responses.insert("200".to_owned(), answer(&told.given));
    if told.given.is_tagged {
        let known =
            json!({ "description": "What was told under the tag of `If-None-Match` is still so." });
        responses.insert("304".to_owned(), known);
    }
    for status in refused_with(route) {
        let reference = format!("#/components/responses/{status}");
        responses.insert(status.to_string(), json!({ "$ref": reference }));
    }
    let mut operation = json!({
        "operationId": name(route),
        "tags": [Group::of(route).name()],
        "summary": sentence(route.what),
        "description": needed(route),
        "parameters": in_path.chain(in_query).collect::<Vec<_>>(),
        "responses": responses,
        "security": security(route.access),
    });
    if let Some(body) = told.body {
        operation["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": body } },
        });
    }
    operation
}

/// The parts of a path that stand for something.
pub(super) fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// What stands for a part of a path, and what may.
fn part(name: &str) -> (&'static str, Value) {
    match name {
        "id" => (
            "The id, as lists tell it.",
            json!({ "type": "string", "format": "uuid" }),
        ),
        "n" => (
            "Which one, from 0.",
            json!({ "type": "integer", "minimum": 0 }),
        ),
        _ => (
            "The name in routes.yaml.",
            json!({ "type": "string", "minLength": 1 }),
        ),
    }
}

fn answer(given: &Given) -> Value {
    let mut headers = Map::new();
    let text = |what: &str| json!({ "description": what, "schema": { "type": "string" } });
    if given.is_page {
        let what = "Where the next page is, `rel=\"next\"`; not there on the last one.";
        headers.insert("Link".to_owned(), text(what));
    }
    if given.is_tagged {
        headers.insert("ETag".to_owned(), text("Changes with the content."));
    }
    let media = match &given.schema {
        Some(schema) => json!({ "schema": schema }),
        None => json!({}),
    };
    json!({
        "description": "What was asked for.",
        "headers": headers,
        "content": { given.content_type: media },
    })
}

/// Statuses of refusals that a line may answer with.
fn refused_with(route: &Route) -> Vec<u16> {
    let mut statuses = vec![400, 408, 413];
    if route.access != Access::Always {
        statuses.extend([401, 403, 429, 500, 503]);
    }
    if route.path.contains('{') || route.changes() {
        statuses.push(404);
    }
    if route.changes() {
        statuses.push(422);
    }
    statuses.sort_unstable();
    statuses
}

fn refusals(problem: &Schema) -> Value {
    let mut refusals = Map::new();
    let statuses = ERRORS.iter().flat_map(|error| error.statuses);
    for status in statuses.filter(|status| **status != 405) {
        let words = ERRORS
            .iter()
            .filter(|error| error.statuses.contains(status))
            .map(|error| format!("`{}`: {}.", error.word, error.means));
        let mut refusal = json!({
            "description": words.collect::<Vec<_>>().join(" "),
            "content": { PROBLEM: { "schema": problem } },
        });
        if *status == 429 {
            refusal["headers"] = json!({
                "Retry-After": { "description": "Seconds.", "schema": { "type": "integer" } },
            });
        }
        refusals.insert(status.to_string(), refusal);
    }
    refusals.into()
}

fn security(access: Access) -> Value {
    let roles = match access {
        Access::Always | Access::Open => return json!([]),
        // Open, unless `admin.metrics` asks for a login.
        Access::Numbers => {
            return json!([{}, { "token": ["metrics"] }, { "password": ["metrics"] }]);
        }
        Access::Someone => json!([]),
        Access::Needs(scope) => json!([scope.as_str()]),
    };
    json!([{ "token": roles }, { "password": roles }])
}

fn needed(route: &Route) -> String {
    let scope = match route.access {
        Access::Always | Access::Open => return "For everybody.".to_owned(),
        Access::Numbers => {
            return "For everybody; with `admin: { metrics: login }` it needs the scope `metrics`."
                .to_owned();
        }
        Access::Someone => return "For whoever is logged in.".to_owned(),
        Access::Needs(scope) => scope.as_str(),
    };
    match route.changes() {
        false => format!("Needs the scope `{scope}`."),
        true => format!(
            "Needs the scope `{scope}`. A browser's login sends its own token along, in the header `{CSRF_HEADER}`."
        ),
    }
}

/// `get_events_id_images_n`.
fn name(route: &Route) -> String {
    let path = route.path.trim_start_matches("/api/v1");
    let words = path
        .split(['/', '.'])
        .map(|word| word.trim_matches(['{', '}']));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let method = route.method.as_str().to_ascii_lowercase();
    format!("{method}_{}", words.join("_"))
}

fn sentence(what: &str) -> String {
    let mut letters = what.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

/// What a `$ref` of the document points to, or the schema itself.
pub(super) fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let name = schema["$ref"]
        .as_str()
        .and_then(|reference| reference.strip_prefix(SCHEMAS));
    name.map_or(schema, |name| &document["components"]["schemas"][name])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let mut found = Vec::new();
        references(openapi_value(), &mut found);
        assert!(found.len() > 100);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(openapi_value().pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn nothing_has_the_name_of_another() {
        let mut schemas = Schemas::new();
        let mut names = BTreeSet::new();
        for route in ROUTES {
            if route.told(&mut schemas).is_some() {
                assert!(names.insert(name(route)), "{}", route.path);
            }
        }
        let (mut sent, mut given) = (schemas.sent, schemas.given);
        let given = given.take_definitions(true);
        for name in given.keys() {
            // Two types with one name would be told apart by a number.
            assert!(!name.ends_with(|c: char| c.is_ascii_digit()), "{name}");
        }
        for (name, schema) in sent.take_definitions(true) {
            assert!(
                given.get(&name).is_none_or(|other| *other == schema),
                "{name}"
            );
        }
    }

    #[test]
    fn the_event_is_told_with_all_of_its_fields() {
        let event = &openapi_value()["components"]["schemas"]["Event"];
        let required = event["required"].as_array().unwrap();
        for field in ["id", "plates", "raw", "routes", "images"] {
            assert!(required.contains(&field.into()), "{field}");
        }
        assert!(!required.contains(&"attributes".into()));
        assert!(event["properties"]["joined_count"].is_object());
    }

    #[test]
    fn the_page_about_the_api_tells_every_parameter_and_every_error() {
        let page = include_str!("../../docs/api.md");
        for error in ERRORS {
            assert!(
                page.contains(&format!("| `{}` |", error.word)),
                "{}",
                error.word
            );
        }
        let mut schemas = Schemas::new();
        for route in ROUTES {
            let line = page.lines().find(|line| {
                let path = route
                    .path
                    .replace("{id}", "ID")
                    .replace("{n}", "N")
                    .replace("{name}", "NAME");
                line.contains(&format!("`{path}`"))
            });
            for parameter in route
                .told(&mut schemas)
                .into_iter()
                .flat_map(|told| told.parameters)
            {
                let words = line.unwrap_or_default().split([' ', '`', '=']);
                let is_told = words.into_iter().any(|word| word == parameter.name);
                assert!(is_told, "{}: {}", route.path, parameter.name);
            }
        }
    }
}
