//! The page that tells the API: what can be asked, with what, and how a line of the command line does it.

use maud::{Markup, html};
use serde_json::Value;

use super::shell::{self, Tab};
use crate::admin::api::Answer;
use crate::admin::document::{Group, openapi_value, resolved};
use crate::admin::refusal::ERRORS;
use crate::admin::table::Ask;

pub(in crate::admin) async fn page(ask: Ask<'_>) -> Answer {
    let document = openapi_value();
    let main = html! {
        h1 { "The API" }
        p {
            "Programs send " code { "Authorization: Bearer TOKEN" } " with a token of " code { "admin.tokens" }
            ". For them there is the same as " a href="/api/v1/openapi.json" { "OpenAPI 3.1" } "."
        }
        nav aria-label="On this page" {
            ul.links {
                @for group in Group::ALL {
                    li {
                        a href={ "#" (group.name()) } { (group.name()) }
                    }
                }
                li { a href="#errors" { "Errors" } }
                li { a href="#schemas" { "Schemas" } }
            }
        }
        @for group in Group::ALL {
            section aria-labelledby=(group.name()) {
                h2 id=(group.name()) { (group.name()) }
                p { (marked(group.what())) }
                @for (path, method, operation) in operations(document, group) {
                    (one(document, path, method, operation))
                }
            }
        }
        (errors())
        (schemas(document))
    };
    shell::page(&ask, Some(Tab::Api), "The API", main).await
}

/// Path, method and what is told of it.
fn operations(document: &Value, group: Group) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let all = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    });
    all.filter(|(_, _, operation)| operation["tags"][0] == group.name())
        .collect()
}

fn one(document: &Value, path: &str, method: &str, operation: &Value) -> Markup {
    let id = text(&operation["operationId"]);
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    let parameters = operation["parameters"].as_array();
    html! {
        article aria-labelledby=(id) {
            h3 id=(id) { code { (method.to_ascii_uppercase()) " " (path) } }
            p { (marked(text(&operation["summary"]))) ". " (marked(text(&operation["description"]))) }
            @if let Some(parameters) = parameters.filter(|parameters| !parameters.is_empty()) {
                div.scroll tabindex="0" role="region" aria-label={ "Parameters of " (method) " " (path) } {
                    table {
                        caption { "Parameters" }
                        thead { tr { th scope="col" { "name" } th scope="col" { "in" } th scope="col" { "form" } th scope="col" { "what for" } } }
                        tbody {
                            @for parameter in parameters {
                                tr {
                                    th scope="row" { code { (text(&parameter["name"])) } }
                                    td { (text(&parameter["in"])) }
                                    td { (form(document, &parameter["schema"])) }
                                    td { (marked(text(&parameter["description"]))) }
                                }
                            }
                        }
                    }
                }
            }
            @if !body.is_null() { p { "Send: " (form(document, body)) } }
            p { "Answer: " (answer(document, &operation["responses"]["200"])) }
            pre tabindex="0" role="region" aria-label={ "Example for " (method) " " (path) } { code { (curl(document, path, method, operation)) } }
        }
    }
}

fn answer(document: &Value, response: &Value) -> Markup {
    let content = response["content"].as_object().into_iter().flatten();
    html! {
        @for (kind, media) in content {
            @match kind.as_str() {
                "*/*" => "the bytes, as they were sent",
                "text/plain" => "a text",
                _ => { (form(document, &media["schema"])) },
            }
        }
    }
}

/// What a schema asks for, in a few words, with links to what has a name.
fn form(document: &Value, schema: &Value) -> Markup {
    if let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|name| name.rsplit('/').next())
    {
        return html! { a href={ "#schema-" (name) } { (name) } };
    }
    if let Some(words) = schema["enum"].as_array() {
        return html! { @for (n, word) in words.iter().enumerate() { @if n > 0 { ", " } code { (text(word)) } } };
    }
    if let Some(constant) = schema.get("const") {
        return html! { code { (constant) } };
    }
    let any = ["anyOf", "oneOf"]
        .into_iter()
        .find_map(|word| schema[word].as_array());
    if let Some(any) = any.filter(|_| schema["properties"].is_null()) {
        return html! { @for (n, one) in any.iter().enumerate() { @if n > 0 { ", or " } (form(document, one)) } };
    }
    let kinds = match &schema["type"] {
        Value::String(kind) => vec![kind.as_str()],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => vec!["anything"],
    };
    html! {
        @for (n, kind) in kinds.iter().enumerate() {
            @if n > 0 { ", or " }
            @match *kind {
                "array" => { "list of " (form(document, &schema["items"])) },
                "object" => (fields(schema)),
                "string" => (schema["format"].as_str().unwrap_or("text")),
                other => (other),
            }
        }
    }
}

/// An object that has no name of its own: its fields.
fn fields(schema: &Value) -> Markup {
    let fields = schema["properties"].as_object();
    html! {
        @match fields {
            None => "object",
            Some(fields) => {
                "{ " @for (n, name) in fields.keys().enumerate() { @if n > 0 { ", " } code { (name) } } " }"
            },
        }
    }
}

/// A line for a shell that does it.
fn curl(document: &Value, path: &str, method: &str, operation: &Value) -> String {
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    let path = path
        .replace("{id}", "$ID")
        .replace("{n}", "0")
        .replace("{name}", "$NAME");
    let mut line = String::from("curl ");
    if operation["security"]
        .as_array()
        .is_some_and(|any| !any.is_empty())
    {
        line.push_str("-H \"Authorization: Bearer $TOKEN\" ");
    }
    if method == "post" {
        let example = &resolved(document, body)["examples"][0];
        let example = match example {
            Value::Null => "{}".to_owned(),
            example => example.to_string(),
        };
        line.push_str(&format!("--json '{example}' "));
    }
    line.push_str(&format!("\"$CAMHOOK{path}\""));
    line
}

fn errors() -> Markup {
    html! {
        section aria-labelledby="errors" {
            h2 id="errors" { "Errors" }
            p {
                "Refusals are " code { "application/problem+json" } " (RFC 9457): " code { "detail" } " is a sentence for people, "
                code { "error" } " a word for scripts."
            }
            div.scroll tabindex="0" role="region" aria-label="Errors" {
                table {
                    caption { "What " code { "error" } " means" }
                    thead { tr { th scope="col" { "error" } th scope="col" { "status" } th scope="col" { "means" } } }
                    tbody {
                        @for error in ERRORS {
                            tr id=(error.word) {
                                th scope="row" { code { (error.word) } }
                                td { @for (n, status) in error.statuses.iter().enumerate() { @if n > 0 { ", " } (status) } }
                                td { (marked(error.means)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn schemas(document: &Value) -> Markup {
    let schemas = document["components"]["schemas"].as_object();
    html! {
        section aria-labelledby="schemas" {
            h2 id="schemas" { "Schemas" }
            @for (name, schema) in schemas.into_iter().flatten() {
                article aria-labelledby={ "schema-" (name) } {
                    h3 id={ "schema-" (name) } { (name) }
                    p { (marked(text(&schema["description"]))) }
                    @match schema["properties"].as_object() {
                        None => p { (form(document, schema)) },
                        Some(fields) => {
                            div.scroll tabindex="0" role="region" aria-label={ "Fields of " (name) } {
                                table {
                                    caption { "Fields" }
                                    thead { tr { th scope="col" { "name" } th scope="col" { "form" } th scope="col" { "what it is" } } }
                                    tbody {
                                        @for (field, told) in fields {
                                            tr {
                                                th scope="row" { code { (field) } }
                                                td { (form(document, told)) }
                                                td { (marked(text(&told["description"]))) }
                                            }
                                        }
                                    }
                                }
                            }
                        },
                    }
                }
            }
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What stands between backticks is code.
fn marked(text: &str) -> Markup {
    html! {
        @for (n, piece) in text.split('`').enumerate() {
            @if n % 2 == 1 { code { (piece) } } @else { (piece) }
        }
    }
}
