//! Reads the file's sections one after the other, and collects what is wrong in any of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::check::Checker;
use super::entry::Unreadable;
use super::mistake::{Mistake, suggestion};
use super::preset::Catalog;
use super::tree::{Key, Node, Shape};
use crate::clock::Clock;
use crate::name::Name;
use crate::targets::http::Sessions;
use crate::template;
use crate::tls::Seen;

/// Names of a section and where they stand.
pub(super) type Places = BTreeMap<Name, Range<usize>>;

/// One file being read.
pub(super) struct Loader<'a> {
    pub(super) root: &'a Node,
    pub(super) folder: &'a Path,
    pub(super) engine: template::Engine,
    /// The presets that targets use.
    pub(super) catalog: &'a Catalog,
    pub(super) checker: Checker<'a>,
    /// Files to watch besides the config.
    pub(super) files: Vec<PathBuf>,
    /// What came from the environment and from secret files.
    pub(super) taken: Vec<String>,
    /// What each source and target with a name at a broker is called there, with what must be alike where two share it.
    pub(super) callers: BTreeMap<(String, u16, String), (String, Value)>,
    pub(super) clock: &'a Clock,
    pub(super) sessions: &'a Sessions,
    pub(super) certificates: &'a Seen,
}

/// One named entry of a section, checked as far as the schema goes.
pub(super) struct Entry<'a> {
    pub(super) name: Name,
    pub(super) key: &'a Key,
    pub(super) node: &'a Node,
    /// Without what was refused.
    pub(super) value: Map<String, Value>,
    /// Nothing was refused: what goes wrong from here on is news.
    pub(super) clean: bool,
}

/// One item of a section that is a list, checked as far as the schema goes.
pub(super) struct Item<'a> {
    pub(super) node: &'a Node,
    pub(super) value: Map<String, Value>,
    pub(super) clean: bool,
}

impl<'a> Loader<'a> {
    pub(super) fn mistake(&mut self, mistake: Mistake) {
        self.checker.mistakes.push(mistake);
    }

    /// Refuses the keys of the file that are no sections.
    pub(super) fn sections(&mut self) {
        let Shape::Map(entries) = &self.root.shape else {
            self.mistake(
                Mistake::new(
                    self.root.at.clone(),
                    "expected a map at the top of the file",
                )
                .help("such as `routes: […]`"),
            );
            return;
        };
        let known = self.checker.schema["properties"].as_object();
        for (key, _) in entries {
            let known = known.into_iter().flatten().map(|(name, _)| name.as_str());
            let mut sections = known.clone();
            if !sections.any(|name| name == key.text) {
                self.checker.mistakes.push(
                    Mistake::new(key.at.clone(), format!("unknown key `{}`", key.text))
                        .maybe_help(suggestion(&key.text, known, "keys here")),
                );
            }
        }
    }

    fn section_schema(&self, section: &str) -> &'a Value {
        let schema: &'a Value = self.checker.schema;
        &schema["properties"][section]
    }

    /// A section that is one set of settings; its defaults when it is absent.
    pub(super) fn settings<T: DeserializeOwned + Default>(&mut self, section: &str) -> T {
        let root = self.root;
        let (Some(key), Some(node)) = (root.key(section), root.get(section)) else {
            return T::default();
        };
        let before = self.checker.mistakes.len();
        let value = self
            .checker
            .check(node, self.section_schema(section), &key.at);
        let clean = self.checker.mistakes.len() == before;
        let value = Value::Object(object(value));
        self.read(node, value, &[], clean).unwrap_or_default()
    }

    /// The entries of a section of names, in the file's order; also those with mistakes, so that they are known by name.
    pub(super) fn entries(&mut self, section: &str) -> Vec<Entry<'a>> {
        let root = self.root;
        let schema = self.section_schema(section);
        let (Some(key), Some(node)) = (root.key(section), root.get(section)) else {
            return Vec::new();
        };
        let Shape::Map(entries) = &node.shape else {
            self.checker.check(node, schema, &key.at);
            return Vec::new();
        };
        let mut named = Vec::new();
        for (key, node) in entries {
            let before = self.checker.mistakes.len();
            let value = self
                .checker
                .check(node, &schema["additionalProperties"], &key.at);
            let clean = self.checker.mistakes.len() == before;
            match Name::new(&key.text) {
                Ok(name) => named.push(Entry {
                    name,
                    key,
                    node,
                    value: object(value),
                    clean,
                }),
                Err(error) => self.mistake(Mistake::new(key.at.clone(), error.to_string())),
            }
        }
        named
    }

    /// The items of a section that is a list.
    pub(super) fn items(&mut self, section: &str) -> Vec<Item<'a>> {
        let root = self.root;
        let schema = self.section_schema(section);
        let (Some(key), Some(node)) = (root.key(section), root.get(section)) else {
            return Vec::new();
        };
        if matches!(&node.shape, Shape::Scalar(scalar) if scalar.is_null()) {
            return Vec::new(); // `routes:` with nothing below
        }
        let Shape::List(items) = &node.shape else {
            self.checker.check(node, schema, &key.at);
            return Vec::new();
        };
        let mut read = Vec::new();
        for item in items {
            let before = self.checker.mistakes.len();
            let value = self.checker.check(item, &schema["items"], &item.at);
            let clean = self.checker.mistakes.len() == before;
            read.push(Item {
                node: item,
                value: object(value),
                clean,
            });
        }
        read
    }

    /// One room's settings out of a map, whose values stand at the end of the way.
    pub(super) fn part<T: DeserializeOwned + schemars::JsonSchema>(
        &mut self,
        node: &Node,
        value: &Map<String, Value>,
        way: &[&str],
        clean: bool,
    ) -> Option<T> {
        let (settings, unreadable) = super::entry::part(value);
        self.unreadable(node, way, unreadable, clean);
        settings
    }

    /// Settings that are a value of their own.
    pub(super) fn read<T: DeserializeOwned>(
        &mut self,
        node: &Node,
        value: Value,
        way: &[&str],
        clean: bool,
    ) -> Option<T> {
        let (settings, unreadable) = super::entry::read(value);
        self.unreadable(node, way, unreadable, clean);
        settings
    }

    /// Tells what only reading the settings could tell. Where something was refused before (the entry is not `clean`),
    /// what is said of a whole structure may only follow from that, and is not told.
    fn unreadable(&mut self, node: &Node, way: &[&str], found: Vec<Unreadable>, clean: bool) {
        let mut told: Vec<Vec<String>> = Vec::new();
        for Unreadable { path, message } in found {
            // What was refused in it is taken out by now, and may be what it lacks.
            let follows = told
                .iter()
                .any(|inner| inner.len() > path.len() && inner.starts_with(&path));
            told.push(path.clone());
            if follows {
                continue;
            }
            let mut full: Vec<String> = way.iter().map(|step| (*step).to_owned()).collect();
            full.extend(path);
            let full = self.checker.written(node, &full);
            let value = node.follow(&full);
            if !clean && (full.is_empty() || value.text().is_none()) {
                continue;
            }
            let at = place(node, &full);
            let mistake = match (full.last().map(String::as_str), value.text()) {
                (Some("listen"), Some(text)) => {
                    Mistake::new(at, format!("`{text}` is no address to listen on"))
                        .help("expected ADDRESS:PORT, such as `0.0.0.0:8001`")
                }
                _ => match message.split_once(": expected ") {
                    Some((message, expected)) => {
                        Mistake::new(at, message).help(format!("expected {expected}"))
                    }
                    None => Mistake::new(at, message),
                },
            };
            self.mistake(mistake);
        }
    }

    /// A mistake of a template, told where it stands in the file.
    pub(super) fn template_mistake(
        &mut self,
        node: &Node,
        path: &[String],
        mistake: template::Mistake,
    ) {
        let path = self.checker.written(node, path);
        let span = if mistake.range == template::Mistake::KEY {
            key(node, &path).unwrap_or_else(|| place(node, &path))
        } else if mistake.range.is_empty() {
            place(node, &path)
        } else {
            node.follow(&path).within(&mistake.range)
        };
        self.mistake(Mistake::new(span, mistake.message).maybe_help(mistake.help));
        for other in mistake.others {
            let span = node.follow(&path).within(&other.range);
            self.mistake(Mistake::new(span, other.message).maybe_help(other.help));
        }
    }

    /// Refuses names that are not known, and names said twice.
    pub(super) fn known(&mut self, node: Option<&Node>, known: &Places, what: &str) {
        let mut names: Vec<&Name> = Vec::new();
        for item in node.map(Node::items).unwrap_or_default() {
            let Some(text) = item.text() else {
                continue; // told by the schema
            };
            match known.get_key_value(text) {
                Some((name, _)) if names.contains(&name) => self.mistake(
                    Mistake::new(item.at.clone(), format!("`{name}` is named twice"))
                        .help("name it once"),
                ),
                Some((name, _)) => names.push(name),
                None => {
                    let candidates = known.keys().map(Name::as_str);
                    self.mistake(
                        Mistake::new(item.at.clone(), format!("there is no {what} `{text}`"))
                            .maybe_help(suggestion(text, candidates, &format!("{what}s"))),
                    );
                }
            }
        }
    }
}

pub(super) fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Where the key stands that the path ends with.
fn key(node: &Node, path: &[String]) -> Option<Range<usize>> {
    let (last, before) = path.split_last()?;
    Some(node.follow(before).key(last)?.at.clone())
}

/// Where a mistake about the value at the end of the path stands: the value, or the key of a value that is a structure.
pub(super) fn place(node: &Node, path: &[String]) -> Range<usize> {
    let found = node.follow(path);
    let key = path
        .split_last()
        .and_then(|(last, before)| node.follow(before).key(last));
    match (&found.shape, key) {
        (Shape::Map(_) | Shape::List(_), Some(key)) => key.at.clone(),
        (Shape::Scalar(_), Some(key)) if found.at.is_empty() => key.at.clone(),
        _ => found.at.clone(),
    }
}

pub(super) fn places(entries: &[Entry<'_>]) -> Places {
    entries
        .iter()
        .map(|entry| (entry.name.clone(), entry.key.at.clone()))
        .collect()
}
