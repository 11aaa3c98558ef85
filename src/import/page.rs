//! The `routes.yaml` being written: its comments, source, targets and routes.

use super::settings::{comment, quoted};
use super::{Imported, Old, Protocol};

/// How long a line of comments gets.
const WIDTH: usize = 118;

/// What all protocols suffered from, for those who wonder what changes.
const GONE: [&str; 4] = [
    "the sender is answered 200 as soon as the event is on disk, and not what the target answers",
    "a target that is slow or down is tried again later, and nothing else waits for it",
    "time stamps of whole seconds and with any offset are understood",
    "the sender's Authorization header is passed on to nobody",
];

pub(super) struct Page {
    title: String,
    /// What became of each variable.
    pub(super) settings: Vec<(String, String)>,
    gone: Vec<String>,
    notes: Vec<String>,
    auth: Option<String>,
    /// Whether a middleware listened that nothing should miss.
    stands_in: bool,
    targets: Vec<String>,
    routes: Vec<String>,
}

/// One route.
pub(super) struct Route<'a> {
    pub(super) name: &'a str,
    pub(super) each_plate: bool,
    pub(super) when: Option<&'a str>,
    pub(super) steps: &'a [&'a str],
    pub(super) to: &'a str,
}

impl Page {
    pub(super) fn new(old: &Old, protocol: Option<Protocol>) -> Self {
        let mut origins: Vec<String> = Vec::new();
        if let Some(protocol) = protocol {
            origins.push(format!("{} (the protocol {})", old.origin, protocol.name()));
        }
        origins.extend(old.config_ini.iter().map(|file| file.name.clone()));
        Self {
            title: comment(&origins.join(" and ")),
            settings: Vec::new(),
            gone: GONE.map(str::to_owned).to_vec(),
            notes: Vec::new(),
            auth: None,
            stands_in: protocol.is_some(),
            targets: Vec::new(),
            routes: Vec::new(),
        }
    }

    /// A defect that is gone.
    pub(super) fn gone(&mut self, what: &str) {
        self.gone.push(what.to_owned());
    }

    /// What is different now, or has to be done.
    pub(super) fn note(&mut self, what: impl Into<String>) {
        let what = comment(&what.into());
        if !self.notes.contains(&what) {
            self.notes.push(what);
        }
    }

    /// Who may send, as YAML on one line.
    pub(super) fn auth(&mut self, auth: String) {
        self.auth = Some(auth);
    }

    /// A target by its name; `body` is YAML whose lines are moved in below it.
    pub(super) fn target(&mut self, name: &str, body: &str) {
        let mut block = format!("  {name}:\n");
        for line in body.lines() {
            block.push_str(&format!("    {line}\n"));
        }
        self.targets.push(block);
    }

    pub(super) fn route(&mut self, route: &Route<'_>) {
        let mut block = format!("  - name: {}\n", quoted(route.name));
        if route.each_plate {
            block.push_str("    each: plate\n");
        }
        if let Some(when) = route.when {
            let when = quoted(&when.replace("${", "$${"));
            block.push_str(&format!("    when: {when}\n"));
        }
        if !route.steps.is_empty() {
            block.push_str("    steps:\n");
            for step in route.steps {
                block.push_str(&format!("      - {step}\n"));
            }
        }
        block.push_str(&format!("    to: [{}]\n", route.to));
        self.routes.push(block);
    }

    pub(super) fn finish(self) -> Imported {
        let mut text = String::new();
        paragraph(
            &mut text,
            "",
            &format!(
                "Made by `camhook import` from {}. It is yours to change; `camhook check` tells mistakes.",
                self.title
            ),
        );
        if !self.settings.is_empty() {
            text.push_str("#\n# What became of the variables. Those written ${NAME} below are still read from the environment:\n");
            let widest = self.settings.iter().map(|(name, _)| name.len()).max();
            let width = widest.unwrap_or(0).min(30);
            for (name, became) in &self.settings {
                let name = comment(name);
                paragraph(
                    &mut text,
                    "  ",
                    &comment(&format!("{name:<width$}  {became}")),
                );
            }
        }
        text.push_str("#\n# What was wrong before and is not now:\n");
        for gone in &self.gone {
            paragraph(&mut text, "  - ", gone);
        }
        if !self.notes.is_empty() {
            text.push_str("#\n# What is different, or left for you to do:\n");
            for note in &self.notes {
                paragraph(&mut text, "  - ", note);
            }
        }
        if self.stands_in {
            text.push_str("\nserver: { listen: 0.0.0.0:8002 }    # the middleware's port: nothing that posts has to be set up anew\n");
        }
        text.push_str("\nsources:\n");
        let auth = self
            .auth
            .map_or(String::new(), |auth| format!(", auth: {auth}"));
        text.push_str(&format!(
            "  stream: {{ kind: platerecognizer, path: /{auth} }}\n"
        ));
        if !self.targets.is_empty() {
            text.push_str("\ntargets:\n");
            text.push_str(&self.targets.join("\n"));
        }
        if !self.routes.is_empty() {
            text.push_str("\nroutes:\n");
            text.push_str(&self.routes.join("\n"));
        }
        Imported {
            yaml: text,
            notes: self.notes,
        }
    }
}

/// A comment of as many lines as it takes.
fn paragraph(text: &mut String, mark: &str, words: &str) {
    let mut line = format!("# {mark}");
    let indent = " ".repeat(mark.len());
    let mut empty = true;
    for word in words.split(' ') {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.push_str(line.trim_end());
            text.push('\n');
            line = format!("# {indent}");
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    text.push_str(line.trim_end());
    text.push('\n');
}
