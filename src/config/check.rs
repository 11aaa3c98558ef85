//! Holds a file against the JSON Schema of the settings, so that all of its mistakes are found at once and each has a
//! place; what comes out has the types that the settings want.

use std::ops::Range;

use serde_json::{Map, Value};

use super::mistake::{Mistake, nearest, suggestion};
use super::shape::{Kind, expected, found};
use super::tree::{Key, Node, Scalar, Shape, number};
use crate::units::{ByteSize, Rate, Span};

pub(super) struct Checker<'a> {
    /// The whole schema, where `$ref` points into.
    pub(super) schema: &'a Value,
    pub(super) mistakes: Vec<Mistake>,
    /// Texts that stand where a secret is wanted.
    pub(super) secrets: Vec<String>,
}

/// One of several schemas a value may have.
struct Branch<'a> {
    name: Option<&'a str>,
    schema: &'a Value,
}

impl<'a> Checker<'a> {
    pub(super) fn new(schema: &'a Value) -> Self {
        Self {
            schema,
            mistakes: Vec::new(),
            secrets: Vec::new(),
        }
    }

    /// The value for the settings, without what was refused. `here` is where a mistake about the
    /// value as a whole stands: its key, if it has one.
    pub(super) fn check(&mut self, node: &Node, schema: &'a Value, here: &Range<usize>) -> Option<Value> {
        let mut branches = Vec::new();
        self.branches(None, schema, &mut branches);
        match branches.as_slice() {
            [only] => self.check_one(node, only, here),
            several => self.check_several(node, several, here),
        }
    }

    /// Follows `$ref`, and lays choices within choices side by side.
    fn branches(&self, name: Option<&'a str>, schema: &'a Value, into: &mut Vec<Branch<'a>>) {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let name = reference.rsplit('/').next();
            let target = reference
                .strip_prefix('#')
                .and_then(|pointer| self.schema.pointer(pointer));
            if let Some(target) = target {
                return self.branches(name, target, into);
            }
        }
        let choices = ["oneOf", "anyOf"]
            .iter()
            .find_map(|key| schema.get(*key).and_then(Value::as_array));
        match choices {
            Some(choices) => {
                for choice in choices {
                    self.branches(None, choice, into);
                }
            }
            None => into.push(Branch { name, schema }),
        }
    }

    fn check_one(&mut self, node: &Node, branch: &Branch<'a>, here: &Range<usize>) -> Option<Value> {
        let kinds = Kind::of_schema(branch.schema);
        if kinds.is_empty() && branch.schema.get("enum").is_none() {
            return Some(node.value());
        }
        match &node.shape {
            Shape::Map(entries) if kinds.contains(&Kind::Map) => {
                self.map(entries, branch.schema, here)
            }
            Shape::List(items) if kinds.contains(&Kind::List) => Some(self.list(items, branch.schema)),
            Shape::Scalar(scalar) => self.scalar(node, scalar, &kinds, branch, here),
            Shape::Map(_) | Shape::List(_) => {
                self.mistakes.push(wrong_kind(node, &kinds, here));
                None
            }
        }
    }

    fn map(&mut self, entries: &[(Key, Node)], schema: &'a Value, here: &Range<usize>) -> Option<Value> {
        let properties = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        let mut value = Map::new();
        for (key, node) in entries {
            let property = properties.and_then(|properties| properties.get(&key.text));
            match (property, others) {
                (Some(schema), _) => {
                    let checked = self.check(node, schema, &key.at);
                    value.extend(checked.map(|checked| (key.text.clone(), checked)));
                }
                (None, Some(Value::Bool(false))) => {
                    let known = properties.into_iter().flatten().map(|(name, _)| name.as_str());
                    self.mistakes.push(unknown_key(key, known));
                }
                (None, Some(schema)) => {
                    let checked = self.check(node, schema, &key.at);
                    value.extend(checked.map(|checked| (key.text.clone(), checked)));
                }
                (None, None) => {
                    value.insert(key.text.clone(), node.value());
                }
            }
        }
        for required in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            let Some(name) = required.as_str() else {
                continue;
            };
            let given = |(key, _): &(Key, Node)| {
                let known = properties.is_some_and(|known| known.contains_key(&key.text));
                key.text == name || !known && nearest(&key.text, [name]).is_some() // misspelt, and told so
            };
            if !entries.iter().any(given) {
                let tells = properties
                    .and_then(|properties| properties.get(name))
                    .and_then(|property| property.get("description"))
                    .and_then(Value::as_str)
                    .and_then(|text| text.lines().next());
                self.mistakes.push(
                    Mistake::new(here.clone(), format!("`{name}` is missing"))
                        .maybe_help(tells.map(|tells| format!("`{name}`: {tells}"))),
                );
            }
        }
        Some(Value::Object(value))
    }

    fn list(&mut self, items: &[Node], schema: &'a Value) -> Value {
        let Some(schema) = schema.get("items") else {
            return Value::Array(items.iter().map(Node::value).collect());
        };
        let items = items
            .iter()
            .filter_map(|item| self.check(item, schema, &item.at));
        Value::Array(items.collect())
    }

    fn scalar(
        &mut self,
        node: &Node,
        scalar: &Scalar,
        kinds: &[Kind],
        branch: &Branch<'a>,
        here: &Range<usize>,
    ) -> Option<Value> {
        if scalar.broken {
            return kinds
                .contains(&Kind::Text)
                .then(|| Value::String(scalar.text.clone()));
        }
        if branch.name == Some("Secret") {
            self.secrets.push(scalar.text.clone());
        }
        let Some(value) = as_kind(scalar, kinds) else {
            if scalar.is_null() && kinds.contains(&Kind::Map) {
                return self.map(&[], branch.schema, here); // `store:` with nothing below
            }
            self.mistakes.push(wrong_kind(node, kinds, here));
            return None;
        };
        let wrong = match &value {
            Value::String(text) => wrong_text(text, branch),
            Value::Number(number) => wrong_number(number.as_f64(), branch.schema),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        if let Some((message, help)) = wrong {
            self.mistakes
                .push(Mistake::new(place(node, here), message).maybe_help(help));
            return None;
        }
        Some(value)
    }

    /// Picks the branch that is meant, by the value's kind and its keys, and checks against that alone.
    fn check_several(
        &mut self,
        node: &Node,
        branches: &[Branch<'a>],
        here: &Range<usize>,
    ) -> Option<Value> {
        let fitting: Vec<&Branch<'a>> = branches
            .iter()
            .filter(|branch| fits(node, &Kind::of_schema(branch.schema)))
            .collect();
        match (fitting.as_slice(), &node.shape) {
            ([], _) => {
                // `speed: null | {…}` with something else: told as if null were not there.
                let kinds: Vec<Kind> = branches
                    .iter()
                    .flat_map(|branch| Kind::of_schema(branch.schema))
                    .collect();
                let mut mistake = wrong_kind(node, &kinds, here);
                if let Some(word) = node.text()
                    && branches.iter().any(|branch| keys(branch.schema).any(|key| key == word))
                {
                    mistake = mistake.help(format!("write `{word}: {{}}`"));
                }
                self.mistakes.push(mistake);
                None
            }
            ([only], _) => self.check_one(node, only, here),
            (several, Shape::Map(entries)) => self.check_maps(node, entries, several, here),
            (several, Shape::List(_) | Shape::Scalar(_)) => self.check_words(node, several, here),
        }
    }

    fn check_maps(
        &mut self,
        node: &Node,
        entries: &[(Key, Node)],
        branches: &[&Branch<'a>],
        here: &Range<usize>,
    ) -> Option<Value> {
        let named = branches.iter().all(|branch| keys(branch.schema).count() == 1);
        if named && entries.len() != 1 {
            let known: Vec<String> = branches
                .iter()
                .flat_map(|branch| keys(branch.schema))
                .map(|key| format!("`{key}`"))
                .collect();
            let (at, message) = match entries.get(1) {
                Some((second, _)) => (second.at.clone(), "only one key may stand here"),
                None => (here.clone(), "a key is missing here"),
            };
            self.mistakes.push(
                Mistake::new(at, message).help(format!("one of {}", known.join(", "))),
            );
            return None;
        }
        let score = |branch: &&&Branch<'a>| {
            let known = |name: &str| keys(branch.schema).any(|key| key == name);
            let tagged = constants(branch.schema)
                .filter(|(key, word)| node.get(key).and_then(Node::text) == Some(word))
                .count();
            let hits = entries.iter().filter(|(key, _)| known(&key.text)).count();
            tagged * 100 + hits
        };
        // The first of the best, so that a tie goes to what the settings name first.
        let best = branches.iter().rev().max_by_key(score);
        match best {
            Some(best) if score(&best) > 0 || !named => self.check_one(node, best, here),
            Some(_) | None => {
                let known: Vec<&str> = branches.iter().flat_map(|b| keys(b.schema)).collect();
                if let Some((key, _)) = entries.first() {
                    self.mistakes.push(unknown_key(key, known));
                }
                None
            }
        }
    }

    fn check_words(
        &mut self,
        node: &Node,
        branches: &[&Branch<'a>],
        here: &Range<usize>,
    ) -> Option<Value> {
        let before = self.mistakes.len();
        let natural = Kind::of_node(node);
        let mut ordered: Vec<&&Branch<'a>> = branches.iter().collect();
        ordered.sort_by_key(|branch| !Kind::of_schema(branch.schema).contains(&natural));
        for branch in &ordered {
            let value = self.check_one(node, branch, here);
            if self.mistakes.len() == before {
                return value;
            }
            self.mistakes.truncate(before);
        }
        let words: Vec<&str> = branches.iter().flat_map(|b| words(b.schema)).collect();
        let open = ordered.iter().find(|b| words_of(b.schema).is_none());
        match (open, node.text()) {
            (None, Some(text)) if !words.is_empty() => {
                let (message, help) = not_one_of(text, &words);
                self.mistakes.push(Mistake::new(place(node, here), message).maybe_help(help));
                None
            }
            (Some(branch), _) => self.check_one(node, branch, here),
            (None, _) => None,
        }
    }
}

fn keys(schema: &Value) -> impl Iterator<Item = &str> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(key, _)| key.as_str())
}

/// The keys that tell variants apart, and their words.
fn constants(schema: &Value) -> impl Iterator<Item = (&str, &str)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .filter_map(|(key, property)| Some((key.as_str(), property.get("const")?.as_str()?)))
}

/// The words a text must be one of, should the schema name them.
fn words_of(schema: &Value) -> Option<Vec<&str>> {
    if let Some(word) = schema.get("const").and_then(Value::as_str) {
        return Some(vec![word]);
    }
    let words = schema.get("enum")?.as_array()?;
    Some(words.iter().filter_map(Value::as_str).collect())
}

fn words(schema: &Value) -> Vec<&str> {
    words_of(schema).unwrap_or_default()
}

fn not_one_of(text: &str, words: &[&str]) -> (String, Option<String>) {
    (
        format!("`{text}` is not known here"),
        suggestion(text, words.iter().copied(), "expected one of"),
    )
}

fn unknown_key<'k>(key: &Key, known: impl IntoIterator<Item = &'k str>) -> Mistake {
    let help = match key.text.as_str() {
        "preset" => Some("presets come with a later version; write `http:`".to_owned()),
        other => suggestion(other, known, "keys here"),
    };
    Mistake::new(key.at.clone(), format!("unknown key `{}`", key.text)).maybe_help(help)
}

fn fits(node: &Node, kinds: &[Kind]) -> bool {
    match &node.shape {
        _ if kinds.is_empty() => true,
        Shape::Map(_) => kinds.contains(&Kind::Map),
        Shape::List(_) => kinds.contains(&Kind::List),
        Shape::Scalar(scalar) => as_kind(scalar, kinds).is_some(),
    }
}

/// The scalar as one of these kinds. A number or boolean without quotes is a text where a text is wanted: a password
/// of digits needs no quotes. What came from the environment is whatever is wanted.
fn as_kind(scalar: &Scalar, kinds: &[Kind]) -> Option<Value> {
    let wanted = |kind| kinds.contains(&kind);
    let text = || Value::String(scalar.text.clone());
    if scalar.expanded && wanted(Kind::Text) {
        return Some(text());
    }
    let natural = scalar.value();
    let read = match &natural {
        Value::String(read) if scalar.expanded => read.parse::<bool>().map_or_else(
            |_| number(read).map_or(natural.clone(), Value::Number),
            Value::Bool,
        ),
        other => other.clone(),
    };
    let kind = Kind::of_value(&read);
    if wanted(kind) || kind == Kind::Whole && wanted(Kind::Number) || kinds.is_empty() {
        return Some(read);
    }
    let plain = matches!(kind, Kind::Whole | Kind::Number | Kind::Bool);
    (plain && wanted(Kind::Text)).then(text)
}

fn wrong_text(text: &str, branch: &Branch<'_>) -> Option<(String, Option<String>)> {
    let unit = match branch.name {
        Some("Duration") => Span::parse(text).err(),
        Some("Size") => ByteSize::parse(text).err(),
        Some("Rate") => Rate::parse(text).err(),
        Some(_) | None => None,
    };
    if let Some(message) = unit {
        return Some(match message.split_once(": ") {
            Some((message, help)) => (message.to_owned(), Some(help.to_owned())),
            None => (message, None),
        });
    }
    if let Some(words) = words_of(branch.schema)
        && !words.contains(&text)
    {
        return Some(not_one_of(text, &words));
    }
    let limit = |key: &str| branch.schema.get(key).and_then(Value::as_u64);
    let length = text.chars().count() as u64;
    if limit("minLength").is_some_and(|min| length < min) {
        return Some(("this must not be empty".to_owned(), None));
    }
    let max = limit("maxLength").filter(|max| length > *max)?;
    Some((format!("at most {max} characters, this has {length}"), None))
}

fn wrong_number(number: Option<f64>, schema: &Value) -> Option<(String, Option<String>)> {
    let number = number?;
    let limit = |key: &str| schema.get(key).and_then(Value::as_f64);
    let min = limit("minimum").filter(|min| number < *min);
    let above = limit("exclusiveMinimum").filter(|min| number <= *min);
    let max = limit("maximum").filter(|max| number > *max);
    let message = match (min, above, max) {
        (Some(min), ..) => format!("{number} is too small: at least {min}"),
        (_, Some(above), _) => format!("{number} is too small: more than {above}"),
        (.., Some(max)) => format!("{number} is too large: at most {max}"),
        (None, None, None) => return None,
    };
    Some((message, None))
}

fn wrong_kind(node: &Node, kinds: &[Kind], here: &Range<usize>) -> Mistake {
    let expected = expected(kinds);
    let mistake = Mistake::new(
        place(node, here),
        format!("expected {expected}, found {}", found(node)),
    );
    let text = node.text().unwrap_or_default();
    let wanted = |kind| kinds.contains(&kind);
    if wanted(Kind::Bool) && ["yes", "on", "y"].contains(&text.to_lowercase().as_str()) {
        mistake.help("write `true`")
    } else if wanted(Kind::Bool) && ["no", "off", "n"].contains(&text.to_lowercase().as_str()) {
        mistake.help("write `false`")
    } else if (wanted(Kind::Whole) || wanted(Kind::Number)) && number(text).is_some() {
        let quoted = matches!(Kind::of_node(node), Kind::Text);
        mistake.help(if quoted {
            format!("write {text} without quotes")
        } else {
            "write it without a fraction".to_owned()
        })
    } else if wanted(Kind::List) && !text.is_empty() {
        mistake.help(format!("write `[{text}]`"))
    } else {
        mistake
    }
}

/// The value's own place, or its key's when it is written as nothing.
fn place(node: &Node, here: &Range<usize>) -> Range<usize> {
    if node.at.is_empty() || matches!(node.shape, Shape::Map(_) | Shape::List(_)) {
        here.clone()
    } else {
        node.at.clone()
    }
}
