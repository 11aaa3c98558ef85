//! From what a user wrote under `map` to templates, or every mistake in it with its place.

use serde_json::Value;

use super::coerce::{Coerce, Notes, is_role, quoted};
use super::fields::{self, Field, Known};
use super::{Map, MapSettings};
use crate::event::Role;
use crate::template::{Engine, Mistake, Names, Output, RenderError, Scope, Template};

/// A value of the map whose texts are templates.
pub(super) enum Node {
    Plain(Value),
    Text(Template),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Node {
    /// What it comes to. A template that fails costs its own value alone, and says so.
    pub(super) fn render(&self, scope: &Scope, path: &str, notes: &mut Notes) -> Value {
        match self {
            Self::Plain(value) => value.clone(),
            Self::Text(template) => match output(template, scope) {
                Ok(value) => value,
                Err(error) => {
                    notes.say(format!("`{path}`: {error}"));
                    Value::Null
                }
            },
            Self::List(items) => items
                .iter()
                .enumerate()
                .map(|(n, item)| item.render(scope, &format!("{path}[{n}]"), notes))
                .collect(),
            Self::Map(entries) => entries
                .iter()
                .map(|(key, value)| {
                    let path = match path {
                        "" => key.clone(),
                        path => format!("{path}.{key}"),
                    };
                    (key.clone(), value.render(scope, &path, notes))
                })
                .collect(),
        }
    }
}

pub(super) fn output(template: &Template, scope: &Scope) -> Result<Value, RenderError> {
    match template.output(scope)? {
        Output::Json(value) => Ok(value),
        // A request has no pictures that templates could hand on: its parts are told by name.
        Output::Picture(_) | Output::Pictures(_) => Ok(Value::Null),
    }
}

struct Compiler<'a> {
    engine: &'a Engine,
    names: Names,
    mistakes: Vec<Mistake>,
    path: Vec<String>,
}

/// `generic`: whether there is no event before the map.
pub(super) fn compile(
    settings: &MapSettings,
    engine: &Engine,
    generic: bool,
) -> Result<Map, Vec<Mistake>> {
    let given = &settings.0;
    let names = |it: bool| Names::Reading {
        it,
        event: !generic,
    };
    let mut compiler = Compiler {
        engine,
        names: names(false),
        mistakes: Vec::new(),
        path: Vec::new(),
    };
    let each = match given.get("each") {
        Some(Value::String(source)) => compiler.within("each", |here| here.list(source)),
        _ => None,
    };
    compiler.names = names(given.contains_key("each"));
    let mut entries = Vec::new();
    let mut images = Vec::new();
    for known in fields::EVENT {
        let Some(value) = given.get(known.name) else {
            continue;
        };
        match (known.field, value) {
            (Field::Pictures, Value::Object(roles)) => {
                for (role, value) in roles {
                    compiler.within("images", |here| here.picture(role, value, &mut images));
                }
            }
            _ => {
                let node = compiler.within(known.name, |here| here.node(value, known.field));
                entries.push((known.name.to_owned(), node));
            }
        }
    }
    let mut require = Vec::new();
    for (n, path) in settings.require().enumerate() {
        compiler.path = vec!["require".to_owned(), n.to_string()];
        compiler.required(path);
        if generic && is_never_set(&entries, path) {
            let message = format!("this map never sets `{path}`: no request could be an event");
            let help = "add it to the map, or take it off `require`";
            compiler.mistake(message, Some(help.to_owned()));
        }
        require.push(path.to_owned());
    }
    match compiler.mistakes.is_empty() {
        true => Ok(Map {
            each,
            fields: Node::Map(entries),
            images,
            require,
            generic,
        }),
        false => Err(compiler.mistakes),
    }
}

impl Compiler<'_> {
    fn within<T>(&mut self, key: &str, look: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(key.to_owned());
        let found = look(self);
        self.path.pop();
        found
    }

    fn mistake(&mut self, message: String, help: Option<String>) {
        self.mistakes.push(Mistake {
            message,
            help,
            range: 0..0,
            path: self.path.clone(),
            others: Vec::new(),
        });
    }

    fn template(&mut self, source: &str) -> Option<Template> {
        match self.engine.template(source, self.names) {
            Ok(template) => Some(template),
            Err(mistake) => {
                self.mistakes.push(Mistake {
                    path: self.path.clone(),
                    ..mistake
                });
                None
            }
        }
    }

    fn list(&mut self, source: &str) -> Option<Template> {
        if !is_template(source) {
            let message = format!("{} is no list in the request", quoted(&source.into()));
            let help = "write such as \"{{ body.detections }}\"";
            self.mistake(message, Some(help.to_owned()));
            return None;
        }
        self.template(source)
    }

    fn node(&mut self, value: &Value, field: Field) -> Node {
        let below = |name: &str| match field {
            Field::Open | Field::OpenMap => Field::Open,
            _ => fields::of(field.below(), name).map_or(Field::Open, |known| known.field),
        };
        match (value, field) {
            (Value::String(source), _) if is_template(source) => self
                .template(source)
                .map_or(Node::Plain(Value::Null), Node::Text),
            (Value::Array(items), Field::List(of, _)) => {
                let item = Field::Map(of);
                self.items(items, item)
            }
            (Value::Array(items), Field::Texts) => self.items(items, Field::Text),
            (Value::Array(items), Field::Open | Field::OpenMap) => self.items(items, Field::Open),
            (Value::Object(map), _) => Node::Map(
                map.iter()
                    .map(|(key, value)| {
                        let node = self.within(key, |here| here.node(value, below(key)));
                        (key.clone(), node)
                    })
                    .collect(),
            ),
            (plain, field) => {
                match plain
                    .as_str()
                    .filter(|text| self.is_meant_to_be_taken(text))
                {
                    Some(text) => {
                        let message = format!(
                            "`{text}` stands here as a text, and is not taken from the request"
                        );
                        let help = match names_the_request(text) {
                            true => format!("write \"{{{{ {text} }}}}\""),
                            false => format!("write such as \"{{{{ body.{text} }}}}\""),
                        };
                        self.mistake(message, Some(help));
                    }
                    None => self.literal(plain, field),
                }
                Node::Plain(plain.clone())
            }
        }
    }

    fn items(&mut self, items: &[Value], of: Field) -> Node {
        let items = items.iter().enumerate();
        let nodes = items.map(|(n, item)| self.within(&n.to_string(), |here| here.node(item, of)));
        Node::List(nodes.collect())
    }

    /// Whether a text without braces is one where nobody wants a text: a way into the request anywhere, and for what differs
    /// from event to event any way through a document.
    fn is_meant_to_be_taken(&self, text: &str) -> bool {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let differs = matches!(path.as_slice(), ["vendor_id"] | ["plates", .., "text"]);
        names_the_request(text) || (differs && text.contains('.') && is_way(text))
    }

    /// What is written down as it stands can be tried at once.
    fn literal(&mut self, value: &Value, field: Field) {
        let mut notes = Notes::default();
        let mut coerce = Coerce {
            zone: &jiff::tz::TimeZone::UTC,
            notes: &mut notes,
        };
        let wrong = coerce.value(value.clone(), field, "").is_none() && !notes.repaired.is_empty();
        if !wrong {
            return;
        }
        let message = notes.repaired.remove(0);
        let message = message.trim_start_matches("``: ").to_owned();
        let text = value.as_str().unwrap_or_default();
        let help = match field {
            Field::Kind => {
                let kinds = crate::event::Kind::ALL.iter().map(|kind| kind.as_str());
                suggestion(text, kinds)
            }
            _ => Some(format!(
                "a template such as \"{{{{ body.{} }}}}\" takes it from the request",
                self.path.last().map_or("field", String::as_str)
            )),
        };
        self.mistake(message, help);
    }

    fn picture(&mut self, role: &str, value: &Value, images: &mut Vec<(Role, Node)>) {
        self.within(role, |here| {
            if !is_role(role) {
                let message = format!("{} is no name for a picture", quoted(&role.into()));
                let help = "letters, digits, `_` and `-`, at most 64";
                here.mistake(message, Some(help.to_owned()));
            }
            let node = here.node(value, Field::Open);
            images.push((Role::named(role), node));
        });
    }

    /// Refuses what names no field of an event.
    fn required(&mut self, path: &str) {
        let mut known: &'static [Known] = fields::EVENT;
        for (n, step) in path.split('.').enumerate() {
            let Some(found) = fields::of(known, step) else {
                let names = known.iter().map(|known| known.name);
                let help = suggestion(step, names);
                let message = match n {
                    0 => format!("an event has no field `{step}`"),
                    _ => format!("`{path}`: there is no field `{step}`"),
                };
                return self.mistake(message, help);
            };
            match found.field {
                Field::Pictures | Field::Open | Field::OpenMap => return,
                field => known = field.below(),
            }
        }
    }
}

/// Whether the text reads like `body.plate` or `headers['x-id']`.
fn names_the_request(text: &str) -> bool {
    let end = text.find(['.', '[']).unwrap_or_default();
    ["body", "it", "event", "headers", "query", "parts"].contains(&&text[..end]) && is_way(text)
}

/// Whether the text is names one after the other, as one goes through a document.
fn is_way(text: &str) -> bool {
    let mut steps = text.split(['.', '[']);
    steps.all(|step| {
        let step = step.trim_end_matches(']').trim_matches(['\'', '"']);
        let begins = |c: char| c.is_ascii_lowercase() || c == '_';
        let is_index = !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
        let is_name = step.starts_with(begins)
            && step
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        is_name || (is_index && text.contains('['))
    })
}

/// Whether no request can make a `generic` event have this field. Of what is not in the map, an event has its kind and vendor, and
/// the pictures and clip of the request; the name of a camera may come from the source's `cameras`.
fn is_never_set(entries: &[(String, Node)], path: &str) -> bool {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    if ["kind", "vendor", "images", "video"].contains(&first)
        || !fields::EVENT.iter().any(|known| known.name == first)
    {
        return false;
    }
    match entries.iter().find(|(name, _)| name == first) {
        None => true,
        Some((_, Node::Map(inner))) if (first, rest) == ("camera", "id") => {
            !inner.iter().any(|(name, _)| name == "id")
        }
        Some(_) => false,
    }
}

fn is_template(source: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| source.contains(mark))
}

fn suggestion<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    let near = crate::template::nearest(word, known.clone());
    Some(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let all: Vec<&str> = known.collect();
            format!("expected one of {}", all.join(", "))
        }
    })
}
