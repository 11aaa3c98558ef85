//! The kinds of values, in the words of a schema and in words for people.

use serde_json::Value;

use super::tree::{Node, Shape};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    Whole,
    Number,
    Text,
    List,
    Map,
}

impl Kind {
    /// Those a schema allows; none when it allows all.
    pub(super) fn of_schema(schema: &Value) -> Vec<Self> {
        let of = |word: &Value| match word.as_str()? {
            "null" => Some(Self::Null),
            "boolean" => Some(Self::Bool),
            "integer" => Some(Self::Whole),
            "number" => Some(Self::Number),
            "string" => Some(Self::Text),
            "array" => Some(Self::List),
            "object" => Some(Self::Map),
            _ => None,
        };
        match schema.get("type") {
            Some(Value::Array(words)) => words.iter().filter_map(of).collect(),
            Some(word) => of(word).into_iter().collect(),
            None if schema.get("const").is_some_and(Value::is_string) => vec![Self::Text],
            None => Vec::new(),
        }
    }

    pub(super) fn of_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Number(number) if number.is_f64() => Self::Number,
            Value::Number(_) => Self::Whole,
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Map,
        }
    }

    pub(super) fn of_node(node: &Node) -> Self {
        match &node.shape {
            Shape::Map(_) => Self::Map,
            Shape::List(_) => Self::List,
            Shape::Scalar(scalar) => Self::of_value(&scalar.value()),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool => "`true` or `false`",
            Self::Whole => "a whole number",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Map => "a map",
        }
    }
}

/// Such as `a text or a list`; that it may be left out goes without saying.
pub(super) fn expected(kinds: &[Kind]) -> String {
    let mut words: Vec<&str> = Vec::new();
    for kind in kinds {
        if *kind != Kind::Null && !words.contains(&kind.words()) {
            words.push(kind.words());
        }
    }
    match words.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => (*only).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

pub(super) fn found(node: &Node) -> String {
    match (Kind::of_node(node), node.text()) {
        (kind @ (Kind::Text | Kind::Whole | Kind::Number), Some(text)) => {
            format!("{} `{text}`", kind.words())
        }
        (Kind::Bool, Some(text)) => format!("`{text}`"),
        (kind, _) => kind.words().to_owned(),
    }
}
