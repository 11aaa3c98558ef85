//! A YAML file as a tree that remembers where everything stands.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, Tag};
use serde_json::{Map, Number, Value};

use super::mistake::Mistake;
use super::position::positions;

/// Aliases copy what they stand for; past this many values a file is refused, so that a few lines cannot fill the memory.
const NODES_MAX: usize = 200_000;

/// A value of the file and the bytes it stands at. Where it was reached through an alias, these are the anchor's.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) at: Range<usize>,
    pub(super) shape: Shape,
}

#[derive(Debug, Clone)]
pub(super) enum Shape {
    Map(Vec<(Key, Node)>),
    List(Vec<Node>),
    Scalar(Scalar),
}

#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) at: Range<usize>,
}

/// A text, number, boolean or null as written.
#[derive(Debug, Clone)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// Written without quotes, so that it may be something else than a text.
    pub(super) plain: bool,
    /// Holds something of the environment or of a secret file.
    pub(super) expanded: bool,
    /// Something to be taken from there was not there: what depends on it is not told again.
    pub(super) broken: bool,
    /// For each byte of `text`, and for its end, the byte of the file.
    pub(super) positions: Vec<usize>,
}

impl Node {
    /// What a file says that says nothing.
    pub(super) fn empty() -> Self {
        Self {
            at: 0..0,
            shape: Shape::Map(Vec::new()),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries()
            .iter()
            .find(|(name, _)| name.text == key)
            .map(|(_, value)| value)
    }

    pub(super) fn key(&self, key: &str) -> Option<&Key> {
        self.entries()
            .iter()
            .map(|(name, _)| name)
            .find(|name| name.text == key)
    }

    /// The entries of a map; of anything else, none.
    pub(super) fn entries(&self) -> &[(Key, Self)] {
        match &self.shape {
            Shape::Map(entries) => entries,
            Shape::List(_) | Shape::Scalar(_) => &[],
        }
    }

    /// The items of a list; a single value counts as a list of one.
    pub(super) fn items(&self) -> &[Self] {
        match &self.shape {
            Shape::List(items) => items,
            Shape::Map(_) | Shape::Scalar(_) => std::slice::from_ref(self),
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.shape {
            Shape::Scalar(scalar) => Some(&scalar.text),
            Shape::Map(_) | Shape::List(_) => None,
        }
    }

    /// Follows keys and indices as far as they lead.
    pub(super) fn follow(&self, path: &[String]) -> &Self {
        let Some((step, rest)) = path.split_first() else {
            return self;
        };
        let next = match &self.shape {
            Shape::Map(_) => self.get(step),
            Shape::List(items) => step
                .trim_matches(['[', ']'])
                .parse()
                .ok()
                .and_then(|index: usize| items.get(index)),
            Shape::Scalar(_) => None,
        };
        next.map_or(self, |next| next.follow(rest))
    }

    /// The bytes of the file for these bytes of the scalar's text.
    pub(super) fn within(&self, range: &Range<usize>) -> Range<usize> {
        let Shape::Scalar(scalar) = &self.shape else {
            return self.at.clone();
        };
        let place = |byte: usize| scalar.positions.get(byte).copied();
        match (place(range.start), place(range.end)) {
            (Some(start), Some(end)) if start < end => start..end,
            (Some(start), _) => start..start,
            (None, _) => self.at.clone(),
        }
    }

    /// Whether the byte stands in a scalar that lacks what it was to take from outside.
    pub(super) fn broken_at(&self, byte: usize) -> bool {
        match &self.shape {
            Shape::Map(entries) => entries.iter().any(|(_, value)| value.broken_at(byte)),
            Shape::List(items) => items.iter().any(|item| item.broken_at(byte)),
            Shape::Scalar(scalar) => scalar.broken && self.at.contains(&byte),
        }
    }

    /// The value as YAML reads it, for places that take anything.
    pub(super) fn value(&self) -> Value {
        match &self.shape {
            Shape::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, value)| (key.text.clone(), value.value()))
                    .collect::<Map<_, _>>(),
            ),
            Shape::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Shape::Scalar(scalar) => scalar.value(),
        }
    }
}

impl Scalar {
    /// YAML 1.2's core schema.
    pub(super) fn value(&self) -> Value {
        if !self.plain {
            return Value::String(self.text.clone());
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Value::Null,
            "true" | "True" | "TRUE" => Value::Bool(true),
            "false" | "False" | "FALSE" => Value::Bool(false),
            text => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
        }
    }

    pub(super) fn is_null(&self) -> bool {
        self.value().is_null()
    }
}

/// Reads decimal, `0x` and `0o` numbers; what JSON cannot hold (`.inf`) stays a text.
pub(super) fn number(text: &str) -> Option<Number> {
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok().map(Number::from);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return u64::from_str_radix(octal, 8).ok().map(Number::from);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || !digits.contains(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    if let Ok(whole) = text.parse::<u64>() {
        return Some(whole.into());
    }
    text.parse().ok().and_then(Number::from_f64)
}

/// Reads the file; an empty one is an empty map. What is left out for a mistake is pushed to `mistakes`.
pub(super) fn parse(source: &str, mistakes: &mut Vec<Mistake>) -> Option<Node> {
    let mut options = Options::default();
    options.emit_comments = false;
    options.emit_unresolved_aliases = true;
    let mut builder = Builder {
        source,
        mistakes,
        anchors: HashMap::new(),
        nodes: 0,
    };
    let mut events = Parser::new_from_str_with_options(source, options);
    let mut root = None;
    loop {
        match events.next_event() {
            None => break,
            Some(Err(error)) => {
                let marker = error.marker();
                let start = marker.byte_offset().unwrap_or(source.len());
                builder.mistakes.push(syntax(source, start, error.info()));
                return None;
            }
            Some(Ok((
                Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(..)
                | Event::DocumentEnd,
                _,
            ))) => {}
            Some(Ok((event, span))) => {
                let at = bytes(&span);
                if root.is_some() {
                    builder.mistakes.push(
                        Mistake::new(at, "a second document after `---`")
                            .help("a config is one document: remove the `---`"),
                    );
                    return None;
                }
                match builder.node(event, &span, &mut events) {
                    Ok(node) => root = Some(node),
                    Err(mistake) => {
                        builder.mistakes.push(mistake);
                        return None;
                    }
                }
            }
        }
    }
    Some(root.unwrap_or_else(Node::empty))
}

fn syntax(source: &str, start: usize, info: String) -> Mistake {
    let line = source[..source.floor_char_boundary(start)]
        .rfind('\n')
        .map_or(0, |newline| newline + 1);
    let rest = source[line..].lines().next().unwrap_or_default();
    let indent = &rest[..rest.len() - rest.trim_start().len()];
    let mistake = Mistake::new(start..start, format!("not YAML: {info}"));
    if indent.contains('\t') {
        mistake.help("YAML is indented with blanks, not with tabs")
    } else if rest.contains(" ${") {
        mistake.help("inside of `{ }` and `[ ]`, put `${…}` in quotes")
    } else if rest.contains(": {{") || rest.contains("- {{") || rest.contains(": {%") {
        mistake.help("put a text that begins with `{{` in quotes")
    } else {
        mistake
    }
}

type Events<'a> = Parser<'a, granit_parser::StrInput<'a>>;

struct Builder<'a> {
    source: &'a str,
    mistakes: &'a mut Vec<Mistake>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

impl<'a> Builder<'a> {
    fn node(
        &mut self,
        event: Event<'a>,
        span: &Span,
        events: &mut Events<'a>,
    ) -> Result<Node, Mistake> {
        let at = bytes(span);
        let before = self.nodes;
        self.count(1, &at)?;
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, self.scalar(&text, style, tag.as_deref(), at))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), &at);
                (anchor, self.list(at, events)?)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), &at);
                (anchor, self.map(at, events)?)
            }
            Event::Alias(id) => match self.anchors.get(&id).cloned() {
                Some((node, size)) => {
                    self.count(size, &at)?;
                    return Ok(node);
                }
                None => return Err(Mistake::new(at, "an alias inside of what it stands for")),
            },
            Event::UnresolvedAlias(name) => {
                let mistake = Mistake::new(at.clone(), format!("no anchor `&{name}` before this"))
                    .help("a text that begins with `*` needs quotes");
                self.mistakes.push(mistake);
                return Ok(null(at));
            }
            // Only the events of nodes come here: the parser keeps starts and ends in balance.
            _ => return Err(Mistake::new(at, "not YAML: a value was expected here")),
        };
        if anchor != 0 {
            self.anchors
                .insert(anchor, (node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn count(&mut self, more: usize, at: &Range<usize>) -> Result<(), Mistake> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes > NODES_MAX {
            return Err(Mistake::new(
                at.clone(),
                format!("more than {NODES_MAX} values, aliases counted in full"),
            ));
        }
        Ok(())
    }

    fn next(&self, events: &mut Events<'a>) -> Result<(Event<'a>, Span), Mistake> {
        match events.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let start = error.marker().byte_offset().unwrap_or(self.source.len());
                Err(syntax(self.source, start, error.info()))
            }
            None => Err(Mistake::new(
                self.source.len()..self.source.len(),
                "not YAML: the file ends too early",
            )),
        }
    }

    fn list(&mut self, at: Range<usize>, events: &mut Events<'a>) -> Result<Node, Mistake> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next(events)?;
            if event == Event::SequenceEnd {
                break;
            }
            items.push(self.node(event, &span, events)?);
        }
        let at = if at.is_empty() {
            items.first().map_or(at, |item| item.at.clone())
        } else {
            at
        };
        Ok(Node {
            at,
            shape: Shape::List(items),
        })
    }

    fn map(&mut self, at: Range<usize>, events: &mut Events<'a>) -> Result<Node, Mistake> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next(events)?;
            if event == Event::MappingEnd {
                break;
            }
            let plain = matches!(event, Event::Scalar(_, ScalarStyle::Plain, ..));
            let key = self.node(event, &span, events)?;
            let (event, span) = self.next(events)?;
            let value = self.node(event, &span, events)?;
            let Some(text) = key.text() else {
                let mistake = Mistake::new(key.at, "a key must be a text");
                self.mistakes
                    .push(mistake.help("put a text that begins with `{{` in quotes"));
                continue;
            };
            let key = Key {
                text: text.to_owned(),
                at: key.at.clone(),
            };
            if plain && key.text == "<<" {
                merged.push(value);
            } else if seen.insert(key.text.clone()) {
                entries.push((key, value));
            } else {
                self.mistakes.push(
                    Mistake::new(key.at, format!("`{}` stands here twice", key.text))
                        .help("keep one of the two"),
                );
            }
        }
        for source in merged.iter().flat_map(Node::items) {
            for (key, value) in source.entries() {
                if seen.insert(key.text.clone()) {
                    entries.push((key.clone(), value.clone()));
                }
            }
        }
        let at = if at.is_empty() {
            entries.first().map_or(at, |(key, _)| key.at.clone())
        } else {
            at
        };
        Ok(Node {
            at,
            shape: Shape::Map(entries),
        })
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        at: Range<usize>,
    ) -> Node {
        let as_text = tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
        if !as_text {
            self.refuse_tag(tag, &at);
        }
        let slice = self.source.get(at.clone()).unwrap_or_default();
        let text = if slice.is_empty() && style == ScalarStyle::Plain {
            "" // the parser writes an absent value as `~`
        } else {
            text
        };
        // A block ends where the next thing begins; what is underlined ends with its text.
        let end = at.start + slice.trim_end().len();
        Node {
            shape: Shape::Scalar(Scalar {
                text: text.to_owned(),
                plain: style == ScalarStyle::Plain && !as_text,
                expanded: false,
                broken: false,
                positions: positions(text, style, slice, at.start),
            }),
            at: at.start..end.max(at.start),
        }
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, at: &Range<usize>) {
        let plain = ["str", "map", "seq", "int", "float", "bool", "null"];
        if let Some(tag) = tag
            && !plain.iter().any(|name| tag.is_yaml_core_schema_tag(name))
        {
            self.mistakes.push(Mistake::new(
                at.clone(),
                format!("the tag `{}` is not known here", tag.original()),
            ));
        }
    }
}

fn null(at: Range<usize>) -> Node {
    Node {
        shape: Shape::Scalar(Scalar {
            text: String::new(),
            plain: true,
            expanded: false,
                broken: false,
            positions: vec![at.start],
        }),
        at,
    }
}

fn bytes(span: &Span) -> Range<usize> {
    span.byte_range().unwrap_or(0..0)
}
