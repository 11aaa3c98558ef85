//! Presets: files that say how to speak to one kind of system, shipped or the user's own.
//!
//! A preset's `target` is written in the language of targets, so nothing below this room knows presets. Before the config
//! is checked, each target with `preset` is filled in: what the preset's target says, where the user says nothing else,
//! and its defaults in `with`. All keep their places, which count on behind the config's own text, so that a mistake in a
//! preset is told in the preset's file. What is left of a preset after that is `with`: its values are checked along a
//! schema made from `settings`, and seen by templates.

mod apply;
mod example;
mod file;
mod shipped;
mod with;

pub(crate) use example::{Tried, try_out};
pub(crate) use file::{Each, Kind, Preset};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::check::Checker;
use super::load::{object, place};
use super::mistake::{Mistake, Page, suggestion};
use super::tree::{Node, Shape};
use super::{parse, schema};
use shipped::SHIPPED;

pub(super) use apply::apply;
pub(super) use with::{Settings, with};

/// A preset as read from its file.
pub(crate) struct Known {
    pub(crate) preset: Preset,
    /// The whole file.
    node: Node,
    /// What `with` is held against: of the preset itself, then of each variant.
    withs: Vec<Value>,
}

impl Known {
    /// The way that these settings take: 0 is the preset's own, the others are its variants.
    fn way(&self, with: Option<&Node>) -> usize {
        let is_given = |name: &str| {
            with.and_then(|with| with.get(name))
                .is_some_and(is_something)
        };
        let variants = self.preset.variants.iter();
        let taken = variants.map(|variant| is_given(&variant.when));
        taken
            .enumerate()
            .find_map(|(n, taken)| taken.then_some(n + 1))
            .unwrap_or(0)
    }

    /// The target of that way.
    fn target(&self, way: usize) -> &Map<String, Value> {
        let variants = self.preset.variants.iter();
        let targets = std::iter::once(&self.preset.target);
        let mut targets = targets.chain(variants.map(|variant| &variant.target));
        targets.nth(way).unwrap_or(&self.preset.target)
    }

    /// The same as it stands in the file.
    fn target_node(&self, way: usize) -> Option<&Node> {
        match way.checked_sub(1) {
            None => self.node.get("target"),
            Some(n) => self.node.get("variants")?.items().get(n)?.get("target"),
        }
    }
}

/// Nothing written is nothing set.
fn is_something(node: &Node) -> bool {
    !matches!(&node.shape, Shape::Scalar(scalar) if scalar.is_null())
}

/// The presets that a config may use: all of the user's, and of the shipped ones those it asked for.
pub(super) struct Catalog {
    known: BTreeMap<String, Known>,
    /// Their files, as far as they were read.
    pub(super) pages: Vec<Page>,
    /// The user's files and their folder, to be watched.
    pub(super) files: Vec<PathBuf>,
    pub(super) mistakes: Vec<Mistake>,
    schema: Value,
    /// Where the next file begins.
    end: usize,
}

/// The names of all shipped presets.
pub(crate) fn shipped() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

impl Catalog {
    /// `end` is behind the text of the config.
    fn new(end: usize) -> Self {
        Self {
            known: BTreeMap::new(),
            pages: Vec::new(),
            files: Vec::new(),
            mistakes: Vec::new(),
            schema: file::schema(&schema::strict()),
            end: end + 1,
        }
    }

    /// Of the user's folder. `at` is where the config names it.
    fn read_folder(&mut self, folder: &Path, at: std::ops::Range<usize>) {
        self.files.push(folder.to_owned());
        let mut files: Vec<PathBuf> = match std::fs::read_dir(folder) {
            Ok(entries) => entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .collect(),
            Err(error) => {
                let message = format!("cannot read {}: {error}", folder.display());
                let help = "paths count from the folder of this file";
                return self.mistakes.push(Mistake::new(at, message).help(help));
            }
        };
        let is_yaml = |file: &PathBuf| {
            file.extension()
                .is_some_and(|ending| ending == "yaml" || ending == "yml")
        };
        files.retain(is_yaml);
        files.sort();
        for file in files {
            let name = file.file_stem().and_then(|name| name.to_str());
            match (name, std::fs::read_to_string(&file)) {
                (Some(name), Ok(text)) => self.read(name, &file.display().to_string(), text),
                (_, Err(error)) => {
                    let message = format!("cannot read {}: {error}", file.display());
                    self.mistakes.push(Mistake::new(at.clone(), message));
                }
                (None, Ok(_)) => {}
            }
            self.files.push(file);
        }
    }

    fn read(&mut self, name: &str, file: &str, text: String) {
        let start = self.end;
        self.end += text.len() + 1;
        let mut mistakes = Vec::new();
        let node = parse::parse(&text, &mut mistakes);
        self.pages.push(Page {
            file: file.to_owned(),
            source: text,
            start,
        });
        let on = |at: &std::ops::Range<usize>| at.start + start..at.end + start;
        for mistake in &mut mistakes {
            mistake.span = on(&mistake.span);
        }
        self.mistakes.append(&mut mistakes);
        let Some(mut node) = node else { return };
        node.shift(start);
        let mut checker = Checker::new(&self.schema);
        let checked = apply::with_stand_ins(&node);
        let value = checker.check(&checked, &self.schema, &(start..start));
        let clean = checker.mistakes.is_empty();
        let found = std::mem::take(&mut checker.mistakes);
        self.mistakes.extend(found);
        let (Some(value), true) = (value, clean) else {
            return;
        };
        match serde_path_to_error::deserialize::<_, Preset>(value) {
            Ok(mut preset) if preset.name == name => {
                preset.target = object(node.get("target").map(Node::value)); // as it is written
                let variants = node.get("variants").map(Node::items).unwrap_or_default();
                for (variant, node) in preset.variants.iter_mut().zip(variants) {
                    variant.target = object(node.get("target").map(Node::value));
                }
                let of_variants = preset.variants.iter();
                let of_variants = of_variants.map(|variant| preset.settings.schema_of(variant));
                let withs = std::iter::once(preset.settings.schema());
                let withs = withs.chain(of_variants).collect();
                let known = Known {
                    preset,
                    node,
                    withs,
                };
                self.check_settings(&known);
                self.known.insert(name.to_owned(), known);
            }
            Ok(preset) => {
                let at = place(&node, &["name".to_owned()]);
                let message = format!("`{}` in the file of `{name}`", preset.name);
                let help = "a preset is called as its file is";
                self.mistakes.push(Mistake::new(at, message).help(help));
            }
            Err(error) => {
                let path: Vec<String> = error.path().iter().map(ToString::to_string).collect();
                let message = error.inner().to_string();
                self.mistakes
                    .push(Mistake::new(place(&node, &path), message));
            }
        }
    }

    /// What the schema cannot tell.
    fn check_settings(&mut self, known: &Known) {
        let mut cameras = 0;
        let ways = 0..known.withs.len();
        let target: String = ways
            .map(|way| Value::Object(known.target(way).clone()).to_string())
            .collect();
        for (n, variant) in known.preset.variants.iter().enumerate() {
            let names = std::iter::once(&variant.when).chain(&variant.required);
            for name in names {
                let wrong = match known.preset.settings.get(name) {
                    None => format!("there is no setting `{name}`"),
                    Some(setting) if setting.default.is_some() => {
                        format!("`{name}` has a default, so it is always given")
                    }
                    Some(_) => continue,
                };
                let at = place(&known.node, &["variants".to_owned(), n.to_string()]);
                self.mistakes.push(Mistake::new(at, wrong));
            }
        }
        for (name, setting) in &known.preset.settings.0 {
            let at = place(&known.node, &["settings".to_owned(), name.clone()]);
            let wrong = match setting.kind {
                _ if setting.required && setting.default.is_some() => {
                    "what is required has no default"
                }
                _ if !setting.one_of.is_empty() && setting.kind != Kind::Text => {
                    "`one_of` is for texts"
                }
                Kind::Cameras if cameras > 0 => "a preset has one setting of cameras",
                Kind::Cameras => {
                    cameras += 1;
                    if target.contains("with.camera") {
                        continue;
                    }
                    "the target says `with.camera` nowhere"
                }
                _ if name == "camera" => "`camera` is the entry of the event's camera",
                _ if !setting.fields.0.is_empty() => "`fields` are for `type: cameras`",
                _ if !target.contains(&format!("with.{name}"))
                    && !(known.preset.variants.iter()).any(|variant| variant.when == *name) =>
                {
                    "the target does not use this setting"
                }
                _ => continue,
            };
            self.mistakes.push(Mistake::new(at, wrong));
        }
    }

    /// The preset of that name; what is not known is told, unless its file was refused.
    fn find(&mut self, name: &str, at: &std::ops::Range<usize>) -> Option<&Known> {
        if !self.known.contains_key(name) {
            let own = self.files.iter().skip(1); // the first is the folder
            let own: Vec<String> = own
                .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
                .collect();
            let is_own = own.iter().any(|own| own == name);
            if let Some((_, text)) = SHIPPED.iter().find(|(known, _)| *known == name)
                && !is_own
            {
                self.read(name, &format!("preset {name}"), (*text).to_owned());
            } else if !is_own {
                let all = SHIPPED.iter().map(|(name, _)| *name);
                let all = all.chain(own.iter().map(String::as_str));
                let mistake = Mistake::new(at.clone(), format!("there is no preset `{name}`"))
                    .maybe_help(suggestion(name, all, "presets"));
                self.mistakes.push(mistake);
            }
        }
        self.known.get(name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Known> {
        self.known.get(name)
    }
}

/// A shipped preset, or the user's own of that name in the folder.
///
/// # Errors
/// When there is none, or it has mistakes: what `check` would say.
pub(crate) fn find(name: &str, folder: Option<&Path>) -> Result<Preset, super::Report> {
    let mut catalog = Catalog::new(0);
    if let Some(folder) = folder {
        catalog.read_folder(folder, 0..0);
    }
    catalog.find(name, &(0..0));
    let mistakes = std::mem::take(&mut catalog.mistakes);
    match catalog.known.remove(name) {
        Some(known) if mistakes.is_empty() => Ok(known.preset),
        Some(_) | None => Err(
            super::Report::new("presets".to_owned(), String::new(), mistakes)
                .with_pages(catalog.pages),
        ),
    }
}

/// The folder of the user's presets, as far as the config can be read.
pub(crate) fn folder(config: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(config).ok()?;
    let root = parse::parse(&text, &mut Vec::new())?;
    let path = root.get("presets")?.get("path")?.text()?;
    Some(config.parent().unwrap_or(Path::new(".")).join(path))
}

/// A preset's file: the user's own, else a shipped one.
pub(crate) fn text(name: &str, folder: Option<&Path>) -> Option<String> {
    let own = folder.map(|folder| folder.join(format!("{name}.yaml")));
    let own = own.and_then(|file| std::fs::read_to_string(file).ok());
    let shipped = || SHIPPED.iter().find(|(known, _)| *known == name);
    own.or_else(|| shipped().map(|(_, text)| (*text).to_owned()))
}

/// The user's own, by name.
pub(crate) fn own(folder: &Path) -> Vec<String> {
    let mut catalog = Catalog::new(0);
    catalog.read_folder(folder, 0..0);
    catalog.known.into_keys().collect()
}

#[cfg(test)]
mod tests;
