//! `${NAME}` and `${file:PATH}`: what the file takes from the environment and from secret files.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::mistake::Mistake;
use super::tree::{Node, Scalar, Shape};

/// Looks an environment variable up; an error says why it cannot be used.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Result<Option<String>, String>;

/// What expanding found.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) mistakes: Vec<Mistake>,
    /// Every value that was put in: not all are secret, but none can be told apart.
    pub(super) secrets: Vec<String>,
    /// Secret files, to be watched like the config itself.
    pub(super) files: Vec<PathBuf>,
}

/// The real environment. Nothing else in camhook reads it, so that `check` can tell what is missing.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
pub(crate) fn environment(name: &str) -> Result<Option<String>, String> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err("its value is not UTF-8".to_owned()),
    }
}

/// Puts the values in, everywhere in the tree. Paths count from `folder`.
pub(super) fn expand(
    node: &mut Node,
    folder: &Path,
    environment: Environment<'_>,
    taken: &mut Taken,
) {
    match &mut node.shape {
        Shape::Map(entries) => {
            for (_, value) in entries {
                expand(value, folder, environment, taken);
            }
        }
        Shape::List(items) => {
            for item in items {
                expand(item, folder, environment, taken);
            }
        }
        Shape::Scalar(scalar) if scalar.text.contains("${") => {
            let mut expansion = Expansion {
                folder,
                environment,
                taken,
                old: scalar.clone(),
                new: Scalar {
                    text: String::new(),
                    positions: Vec::new(),
                    ..scalar.clone()
                },
            };
            expansion.run();
            *scalar = expansion.new;
        }
        Shape::Scalar(_) => {}
    }
}

struct Expansion<'a> {
    folder: &'a Path,
    environment: Environment<'a>,
    taken: &'a mut Taken,
    old: Scalar,
    new: Scalar,
}

impl Expansion<'_> {
    fn run(&mut self) {
        let text = self.old.text.clone();
        let mut at = 0;
        while let Some(found) = text[at..].find("${").map(|offset| at + offset) {
            if text[..found].ends_with('$') {
                self.keep(&text, at..found - 1); // `$${` is written as `${`
                self.keep(&text, found..found + 2);
                at = found + 2;
                continue;
            }
            self.keep(&text, at..found);
            let Some(end) = text[found..].find('}').map(|offset| found + offset + 1) else {
                self.mistake(found..text.len(), "`${` is never closed").help =
                    Some("close it with `}`, or write `$${` for the text itself".to_owned());
                at = text.len();
                break;
            };
            self.put(&text, found..end);
            at = end;
        }
        self.keep(&text, at..text.len());
        self.new.positions.push(self.place(text.len()));
    }

    /// The file's byte of a byte of the text as written.
    fn place(&self, byte: usize) -> usize {
        self.old.positions.get(byte).copied().unwrap_or_default()
    }

    fn keep(&mut self, text: &str, range: Range<usize>) {
        self.new.text.push_str(&text[range.clone()]);
        self.new
            .positions
            .extend(range.map(|byte| self.old.positions.get(byte).copied().unwrap_or_default()));
    }

    fn mistake(&mut self, range: Range<usize>, message: impl Into<String>) -> &mut Mistake {
        let span = self.place(range.start)..self.place(range.end);
        let index = self.taken.mistakes.len();
        self.new.broken = true;
        self.taken.mistakes.push(Mistake::new(span, message));
        &mut self.taken.mistakes[index]
    }

    fn put(&mut self, text: &str, range: Range<usize>) {
        let inner = &text[range.start + 2..range.end - 1];
        self.new.expanded = true;
        let Some(value) = self.look_up(inner, &range) else {
            return;
        };
        if let Some(why) = dangerous(&self.new.text, &value, &text[range.end..]) {
            self.mistake(range, format!("the value of `${{{inner}}}` {why}"))
                .help = Some(
                "values of the environment are texts, never templates: keep them out of `{{ }}`"
                    .to_owned(),
            );
            return;
        }
        let start = self.place(range.start);
        self.new.positions.extend(value.bytes().map(|_| start));
        self.new.text.push_str(&value);
        self.taken.secrets.push(value);
    }

    fn look_up(&mut self, inner: &str, range: &Range<usize>) -> Option<String> {
        if let Some(path) = inner.strip_prefix("file:") {
            let path = self.folder.join(path);
            self.taken.files.push(path.clone());
            return match std::fs::read_to_string(&path) {
                Ok(mut value) => {
                    value.truncate(value.trim_end_matches(['\r', '\n']).len());
                    if value.is_empty() {
                        let message = format!("{} is empty", path.display());
                        self.mistake(range.clone(), message).help =
                            Some("write the secret into it, or take `${file:…}` out".to_owned());
                        return None;
                    }
                    Some(value)
                }
                Err(error) => {
                    self.mistake(
                        range.clone(),
                        format!("cannot read {}: {error}", path.display()),
                    )
                    .help = Some("paths count from the folder of this file".to_owned());
                    None
                }
            };
        }
        let well_formed =
            inner.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !inner.is_empty();
        if !well_formed {
            self.mistake(
                range.clone(),
                format!("`{inner}` is no name of an environment variable"),
            )
            .help = Some(
                "expected `${NAME}` or `${file:PATH}`; write `$${` for the text itself".to_owned(),
            );
            return None;
        }
        match (self.environment)(inner) {
            Ok(Some(value)) => Some(value),
            Ok(None) => {
                self.mistake(
                    range.clone(),
                    format!("the environment variable `{inner}` is not set"),
                )
                .help = Some(format!(
                    "set it where camhook is started: `{inner}=… camhook run`"
                ));
                None
            }
            Err(why) => {
                self.mistake(
                    range.clone(),
                    format!("cannot use the environment variable `{inner}`: {why}"),
                );
                None
            }
        }
    }
}

/// Why a value must not stand between these texts: it would become a template, or change one.
fn dangerous(before: &str, value: &str, after: &str) -> Option<&'static str> {
    const OPENERS: [&str; 3] = ["{{", "{%", "{#"];
    let joined = before.ends_with('{') && value.starts_with(['{', '%', '#'])
        || value.ends_with('{') && after.starts_with(['{', '%', '#']);
    if joined || OPENERS.iter().any(|opener| value.contains(opener)) {
        return Some("would become a template");
    }
    let last = |marks: [&str; 2]| marks.iter().filter_map(|mark| before.rfind(mark)).max();
    let inside = match (last(["{{", "{%"]), last(["}}", "%}"])) {
        (Some(opened), Some(closed)) => opened > closed,
        (Some(_), None) => true,
        (None, _) => false,
    };
    if inside && value.contains(['"', '\'', '\\', '{', '}', '%']) {
        return Some("holds characters that would change the template around it");
    }
    None
}
