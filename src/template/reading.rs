//! What the names of a source's `map` stand for: the request as it was read, before there is an event.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object};
use serde_json::Value as Json;

use super::output::from_json;
use super::scope::Scope;
use super::view::Seen;
use crate::event::{Event, Original};

/// One request and its document, converted once for all templates of a map. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    body: Value,
    it: Value,
    headers: Value,
    query: Value,
    path: Value,
    method: Value,
    parts: Value,
    event: Value,
}

impl Reading {
    /// `parts` are the files of a multipart body, described, by their names.
    pub(crate) fn new(request: &Original, body: &Json, parts: &Json) -> Self {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        Self {
            body: from_json(body),
            it: Value::from(()),
            headers: Value::from_object(Headers::of(request)),
            query: from_json(&parameters(query)),
            path: Value::from(path),
            method: Value::from(&*request.method),
            parts: from_json(parts),
            event: Value::from(()),
        }
    }

    /// The same beside an event that was decoded already.
    pub(crate) fn beside(&self, event: &Arc<Event>) -> Self {
        Self {
            event: Seen::new(event).root(),
            ..self.clone()
        }
    }

    /// The same at one element of a list.
    pub(crate) fn at(&self, it: &Json) -> Self {
        Self {
            it: from_json(it),
            ..self.clone()
        }
    }

    pub(crate) fn scope(self) -> Scope {
        Scope::plain(Value::from_object(self))
    }
}

impl Object for Reading {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let value = match key {
            "body" => &self.body,
            "it" => &self.it,
            "headers" => &self.headers,
            "query" => &self.query,
            "path" => &self.path,
            "method" => &self.method,
            "parts" => &self.parts,
            "event" => &self.event,
            _ => return None,
        };
        Some(value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

/// A repeated parameter makes a list.
fn parameters(query: &str) -> Json {
    let mut parameters = serde_json::Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = Json::from(value.into_owned());
        match parameters.get_mut(name.as_ref()) {
            None => {
                parameters.insert(name.into_owned(), value);
            }
            Some(Json::Array(values)) => values.push(value),
            Some(known) => *known = Json::Array(vec![known.take(), value]),
        }
    }
    Json::Object(parameters)
}

/// Headers by name in any case, as HTTP has them.
#[derive(Debug)]
struct Headers(BTreeMap<String, String>);

impl Headers {
    fn of(request: &Original) -> Self {
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &request.headers {
            headers
                .entry(name.to_ascii_lowercase())
                .and_modify(|all| {
                    all.push_str(", ");
                    all.push_str(value);
                })
                .or_insert_with(|| value.clone());
        }
        Self(headers)
    }
}

impl Object for Headers {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let value = self.0.get(&key.to_ascii_lowercase())?;
        Some(Value::from(value.as_str()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|name| Value::from(&**name)).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::template::{Engine, Names, Output};

    #[test]
    fn a_map_sees_the_request() {
        let request = Original {
            path: "/gate/1?cam=a&cam=b&n=1+2".to_owned(),
            headers: vec![("X-Camera".to_owned(), "north".to_owned())],
            ..Original::default()
        };
        let reading = Reading::new(&request, &json!({ "a": [1.5] }), &json!({}));
        let scope = reading.at(&json!({ "b": "x" })).scope();
        let engine = Engine::new(&[]);
        let names = Names::Reading {
            it: true,
            event: false,
        };
        for (source, expected) in [
            ("{{ body.a[0] }}", json!(1.5)),
            ("{{ it.b }}", json!("x")),
            ("{{ it.c.d }}", json!(null)),
            (
                "{{ headers['x-camera'] ~ headers['X-CAMERA'] }}",
                json!("northnorth"),
            ),
            ("{{ headers.missing }}", json!(null)),
            ("{{ query.cam }}", json!(["a", "b"])),
            ("{{ query.n }}", json!("1 2")),
            ("{{ path }} {{ method }}", json!("/gate/1 POST")),
        ] {
            let template = engine.template(source, names).unwrap();
            let Output::Json(value) = template.output(&scope).unwrap() else {
                panic!("{source}")
            };
            assert_eq!(value, expected, "{source}");
        }
    }

    #[test]
    fn names_of_other_places_are_refused_with_what_there_is() {
        let engine = Engine::new(&[]);
        let mistake = |source: &str| {
            let names = Names::Reading {
                it: false,
                event: false,
            };
            let Err(mistake) = engine.template(source, names) else {
                panic!("{source}")
            };
            format!("{}: {}", mistake.message, mistake.help.unwrap_or_default())
        };
        assert!(mistake("{{ it.a }}").contains("`each`"));
        assert!(mistake("{{ event.kind }}").contains("`body`"));
        assert!(mistake("{{ images.frame }}").contains("unknown name `images`"));
        assert!(mistake("{{ bdy.a }}").contains("did you mean `body`?"));
        assert!(mistake("{{ plate }}").contains("`body.plate`"));
    }
}
