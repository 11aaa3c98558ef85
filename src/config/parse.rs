//! Reads YAML into a [`Node`] tree.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, Tag};

use super::mistake::{Mistake, boundary};
use super::position::positions;
use super::tree::{Key, Node, Scalar, Shape};

/// Aliases copy what they stand for; past this many values a file is refused, so that a few lines cannot fill the memory.
const NODES_MAX: usize = 200_000;

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
    let line = source[..boundary(source, start)]
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
