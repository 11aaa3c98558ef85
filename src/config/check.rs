//! Holds a file against the JSON Schema of the settings, so that all of its mistakes are found at once and each has a
//! place; what comes out has the types that the settings want.

use std::ops::Range;

use serde_json::{Map, Value};

use super::mistake::{Mistake, nearest};
use super::shape::{Kind, constants, keys, words, words_of};
use super::tree::{Key, Node, Scalar, Shape, number};
use super::verdict::{not_one_of, place, unknown_key, wrong_kind, wrong_number, wrong_text};

pub(super) struct Checker<'a> {
    /// The whole schema, where `$ref` points into.
    pub(super) schema: &'a Value,
    pub(super) mistakes: Vec<Mistake>,
    /// Texts that stand where a secret is wanted.
    pub(super) secrets: Vec<String>,
    /// Items that were left out of their lists, so that those behind them are found again.
    refused: Vec<&'a Node>,
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
            refused: Vec::new(),
        }
    }

    /// The way in the file to what stands at the end of a way in the checked value.
    pub(super) fn written(&self, node: &Node, path: &[String]) -> Vec<String> {
        let Some((step, rest)) = path.split_first() else {
            return Vec::new();
        };
        let index = step.trim_matches(['[', ']']).parse::<usize>();
        let step = match (&node.shape, index) {
            (Shape::List(items), Ok(index)) => {
                let kept =
                    |item: &&Node| !self.refused.iter().any(|gone| std::ptr::eq(*gone, *item));
                let mut places = items.iter().enumerate().filter(|(_, item)| kept(item));
                places
                    .nth(index)
                    .map_or(index, |(place, _)| place)
                    .to_string()
            }
            _ => step.clone(),
        };
        let below = node.follow(std::slice::from_ref(&step));
        let mut way = vec![step];
        way.extend(self.written(below, rest));
        way
    }

    /// The value for the settings, without what was refused. `here` is where a mistake about the
    /// value as a whole stands: its key, if it has one.
    pub(super) fn check(
        &mut self,
        node: &'a Node,
        schema: &'a Value,
        here: &Range<usize>,
    ) -> Option<Value> {
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

    fn check_one(
        &mut self,
        node: &'a Node,
        branch: &Branch<'a>,
        here: &Range<usize>,
    ) -> Option<Value> {
        let kinds = Kind::of_schema(branch.schema);
        if kinds.is_empty() && branch.schema.get("enum").is_none() {
            return Some(node.value());
        }
        match &node.shape {
            Shape::Map(entries) if kinds.contains(&Kind::Map) => {
                self.map(entries, branch.schema, here)
            }
            Shape::List(items) if kinds.contains(&Kind::List) => {
                Some(self.list(items, branch.schema))
            }
            Shape::Scalar(scalar) => self.scalar(node, scalar, &kinds, branch, here),
            Shape::Map(_) | Shape::List(_) => {
                self.mistakes.push(wrong_kind(node, &kinds, here));
                None
            }
        }
    }

    fn map(
        &mut self,
        entries: &'a [(Key, Node)],
        schema: &'a Value,
        here: &Range<usize>,
    ) -> Option<Value> {
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
                    let known = properties
                        .into_iter()
                        .flatten()
                        .map(|(name, _)| name.as_str());
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
        for required in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
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

    fn list(&mut self, items: &'a [Node], schema: &'a Value) -> Value {
        let Some(schema) = schema.get("items") else {
            return Value::Array(items.iter().map(Node::value).collect());
        };
        let mut kept = Vec::new();
        for item in items {
            match self.check(item, schema, &item.at) {
                Some(value) => kept.push(value),
                None => self.refused.push(item),
            }
        }
        Value::Array(kept)
    }

    fn scalar(
        &mut self,
        node: &'a Node,
        scalar: &'a Scalar,
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
            Value::String(text) => wrong_text(text, branch.name, branch.schema),
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
        node: &'a Node,
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
                    && branches
                        .iter()
                        .any(|branch| keys(branch.schema).any(|key| key == word))
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
        node: &'a Node,
        entries: &'a [(Key, Node)],
        branches: &[&Branch<'a>],
        here: &Range<usize>,
    ) -> Option<Value> {
        let named = branches
            .iter()
            .all(|branch| keys(branch.schema).count() == 1);
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
            self.mistakes
                .push(Mistake::new(at, message).help(format!("one of {}", known.join(", "))));
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
        node: &'a Node,
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
                self.mistakes
                    .push(Mistake::new(place(node, here), message).maybe_help(help));
                None
            }
            (Some(branch), _) => self.check_one(node, branch, here),
            (None, _) => None,
        }
    }
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
