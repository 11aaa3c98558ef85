//! Puts a pinned certificate into a target of `routes.yaml`, and leaves every other byte of the file as it is.
//!
//! The file belongs to its user, with comments and habits. So the text is edited where the target stands, and read again
//! to see that nothing else changed. What is written in too clever a way for that (aliases, merges, tags) is left to its user.

use std::ops::Range;

use serde_json::Value;

use super::mistake::suggestion;
use super::parse::parse;
use super::schema::TRANSPORTS;
use super::tree::{Key, Node, Shape};

/// Why the file is not edited.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CannotPin {
    #[error("there is no target `{name}`; {help}")]
    NoTarget { name: String, help: String },
    #[error("target `{name}` is written to by `{transport}`, where there is no TLS")]
    NoTls { name: String, transport: String },
    #[error("{why}, which camhook does not change for you; write {place} by hand: {line}")]
    ByHand {
        why: String,
        place: String,
        line: String,
    },
}

/// What replaces which bytes.
type Edit = (Range<usize>, String);

/// The text with the pin in the target's `tls`; the text as it was when the pin stands there.
pub(crate) fn pin(text: &str, target: &str, pin: &str) -> Result<String, CannotPin> {
    let root = parse(text, &mut Vec::new()).unwrap_or_else(Node::empty);
    let targets = root.get("targets").map(Node::entries).unwrap_or_default();
    let Some((key, node)) = targets.iter().find(|(key, _)| key.text == target) else {
        let names = targets.iter().map(|(key, _)| key.text.as_str());
        return Err(CannotPin::NoTarget {
            name: target.to_owned(),
            help: suggestion(target, names, "targets").unwrap_or_default(),
        });
    };
    let mut way = vec!["targets".to_owned(), target.to_owned()];
    let written = Written { text, pin };
    let transport = TRANSPORTS.iter().find(|word| node.get(word).is_some());
    let (key, node, place) = match transport.copied() {
        None => (key, node, format!("in target `{target}`")),
        Some("http") if node.get("tls").is_some() => (key, node, format!("in target `{target}`")),
        Some(word @ ("http" | "mqtt" | "postgres" | "smtp")) => {
            way.push(word.to_owned());
            let inner = written.own_entry(key, node, word);
            let (key, node) = inner.ok_or_else(|| {
                let place = format!("in `{word}` of target `{target}`");
                written.by_hand(
                    "the target is shared with another place of the file",
                    &place,
                )
            })?;
            (key, node, format!("in `{word}` of target `{target}`"))
        }
        Some(word) => {
            return Err(CannotPin::NoTls {
                name: target.to_owned(),
                transport: word.to_owned(),
            });
        }
    };
    let edit = written
        .edit(key, node)
        .map_err(|why| written.by_hand(&why, &place))?;
    let Some((range, new)) = edit else {
        return Ok(text.to_owned());
    };
    let mut edited = text.to_owned();
    edited.replace_range(range, &new);
    way.extend(["tls".to_owned(), "pin".to_owned()]);
    let mut mistakes = Vec::new();
    let read = parse(&edited, &mut mistakes).map(|root| root.value());
    if !mistakes.is_empty() || read != Some(with_pin(root.value(), &way, pin)) {
        return Err(written.by_hand("the target is written in an unusual way", &place));
    }
    Ok(edited)
}

/// What the file must say afterwards.
fn with_pin(mut root: Value, way: &[String], pin: &str) -> Value {
    let mut value = &mut root;
    for step in way {
        if !value.is_object() {
            *value = Value::Object(serde_json::Map::new());
        }
        value = &mut value[step.as_str()];
    }
    *value = Value::String(pin.to_owned());
    root
}

/// The file as it is written, and what shall stand in it.
struct Written<'a> {
    text: &'a str,
    pin: &'a str,
}

impl Written<'_> {
    fn by_hand(&self, why: &str, place: &str) -> CannotPin {
        CannotPin::ByHand {
            why: why.to_owned(),
            place: place.to_owned(),
            line: format!("tls: {{ pin: \"{}\" }}", self.pin),
        }
    }

    /// In the map that says whom to trust, or shall say it; nothing when it says it already.
    fn edit(&self, key: &Key, holder: &Node) -> Result<Option<Edit>, String> {
        let Some(tls) = holder.get("tls") else {
            let entry = format!("tls: {{ pin: \"{}\" }}", self.pin);
            return self.insert(key, holder, &entry).map(Some);
        };
        let (key, tls) = match self.own_entry(key, holder, "tls") {
            Some((key, _)) => (key, tls),
            None => return Err("`tls` comes from another place of the file".to_owned()),
        };
        if tls.get("ca").is_some() {
            return Err(
                "`tls` names a `ca`, and a pinned certificate is trusted whoever issued it (keep one of the two)"
                    .to_owned(),
            );
        }
        let Some(pin) = tls.get("pin") else {
            let entry = format!("pin: \"{}\"", self.pin);
            return self.insert(key, tls, &entry).map(Some);
        };
        if pin.text() == Some(self.pin) {
            return Ok(None);
        }
        let own = self.own_entry(key, tls, "pin");
        match own.and_then(|(key, pin)| self.line_value(key, pin)) {
            Some(at) if !self.text[at.clone()].contains("${") => {
                Ok(Some((at, format!("\"{}\"", self.pin))))
            }
            _ => Err("`pin` is not written as one text in its place".to_owned()),
        }
    }

    /// Puts an entry into a map: behind what says the address where that is easy to do, else in front.
    fn insert(&self, key: &Key, map: &Node, entry: &str) -> Result<Edit, String> {
        if !self.stands_behind(key, map) || !matches!(map.shape, Shape::Map(_)) {
            return Err(format!(
                "`{}` is an alias, has an anchor or a tag, or is empty",
                key.text
            ));
        }
        let own = |word: &str| self.own_entry(key, map, word);
        let address = ["url", "preset"].into_iter().find_map(own);
        let value = address.and_then(|(key, value)| self.line_value(key, value));
        if self.text[map.at.start..].starts_with('{') {
            return Ok(match value {
                Some(value) => (value.end..value.end, format!(", {entry}")),
                None => {
                    let behind = map.at.start + 1;
                    let comma = if map.entries().is_empty() { "" } else { "," };
                    (behind..behind, format!(" {entry}{comma}"))
                }
            });
        }
        if let (Some((key, _)), Some(value)) = (address, value)
            && let Some(indent) = self.indent(key)
        {
            let rest = &self.text[value.end..];
            let line = rest.split_inclusive('\n').next().unwrap_or_default();
            let after = line.trim();
            if after.is_empty() || after.starts_with('#') {
                let end = value.end + line.len();
                let ending = self.ending();
                return Ok(match line.ends_with('\n') {
                    true => (end..end, format!("{indent}{entry}{ending}")),
                    false => (end..end, format!("{ending}{indent}{entry}")),
                });
            }
        }
        let first = map.entries().first().map(|(first, _)| first);
        match first.and_then(|first| Some((first, self.indent(first)?))) {
            Some((first, indent)) => {
                let start = first.at.start - indent.len();
                Ok((start..start, format!("{indent}{entry}{}", self.ending())))
            }
            None => Err(format!("`{}` is written in an unusual way", key.text)),
        }
    }

    /// The entry, if it is written in this map and nowhere else.
    fn own_entry<'a>(&self, key: &Key, map: &'a Node, word: &str) -> Option<(&'a Key, &'a Node)> {
        let (inner, value) = map.entries().iter().find(|(key, _)| key.text == word)?;
        let is_own = self.stands_behind(key, map) && inner.at.start >= map.at.start;
        is_own.then_some((inner, value))
    }

    /// Whether the value is written behind its key, with nothing but white and comments between.
    fn stands_behind(&self, key: &Key, value: &Node) -> bool {
        let Some(between) = self.text.get(key.at.end..value.at.start) else {
            return false;
        };
        let mut between = between.lines().map(|line| match line.find('#') {
            Some(0) => "",
            Some(at) if line[..at].ends_with([' ', '\t']) => &line[..at],
            _ => line,
        });
        let first = between.next().map(str::trim);
        first == Some(":") && between.all(|line| line.trim().is_empty())
    }

    /// The bytes of a text in the line of its key.
    fn line_value(&self, key: &Key, value: &Node) -> Option<Range<usize>> {
        let Shape::Scalar(_) = &value.shape else {
            return None;
        };
        let whole = self.text.get(key.at.end..value.at.end)?;
        let fits = self.stands_behind(key, value) && !whole.contains('\n') && !value.at.is_empty();
        fits.then(|| value.at.clone())
    }

    /// What stands in front of the key in its line, if that is nothing but blanks.
    fn indent(&self, key: &Key) -> Option<&str> {
        let line = self.text[..key.at.start].rfind('\n').map_or(0, |at| at + 1);
        let indent = &self.text[line..key.at.start];
        indent.bytes().all(|byte| byte == b' ').then_some(indent)
    }

    /// Of lines, as the file has them.
    fn ending(&self) -> &'static str {
        match self.text.split_once('\n') {
            Some((line, _)) if line.ends_with('\r') => "\r\n",
            _ => "\n",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIN: &str = "sha256:ab";

    /// The lines that are new, with the target called `vms`.
    fn added(text: &str) -> String {
        let edited = pin(text, "vms", PIN).unwrap_or_else(|error| panic!("{error}"));
        let old: Vec<&str> = text.lines().collect();
        let new: Vec<&str> = edited.lines().filter(|line| !old.contains(line)).collect();
        assert_eq!(pin(&edited, "vms", PIN).unwrap(), edited, "twice is once");
        new.join("\n")
    }

    fn refused(text: &str) -> String {
        pin(text, "vms", PIN).unwrap_err().to_string()
    }

    #[test]
    fn the_line_goes_behind_what_says_the_address() {
        let block = "# mine\ntargets:\n  log: { log: {} }\n  vms: # the VMS\n    preset: nx-witness   # new\n    with:\n      url: https://x\nroutes: []\n";
        let edited = pin(block, "vms", PIN).unwrap();
        let expected = block.replace("# new\n", "# new\n    tls: { pin: \"sha256:ab\" }\n");
        assert_eq!(edited, expected);
        assert_eq!(
            added(
                "targets:\n  vms:\n    http:\n      method: POST\n      url: \"https://x/\"\n    retry: { attempts: 1 }\n"
            ),
            "      tls: { pin: \"sha256:ab\" }"
        );
        assert_eq!(
            added("targets:\n  vms:\n    mqtt: { url: mqtts://x, topic: a }\n"),
            "    mqtt: { url: mqtts://x, tls: { pin: \"sha256:ab\" }, topic: a }"
        );
        assert_eq!(
            added("targets: { vms: { preset: nx-witness, with: {} } }"),
            "targets: { vms: { preset: nx-witness, tls: { pin: \"sha256:ab\" }, with: {} } }"
        );
    }

    #[test]
    fn without_such_a_line_it_goes_in_front() {
        assert_eq!(
            pin(
                "targets:\n  vms:\n    http:\n      url: >-\n        https://x/\n      json: 1\n",
                "vms",
                PIN
            )
            .unwrap(),
            "targets:\n  vms:\n    http:\n      tls: { pin: \"sha256:ab\" }\n      url: >-\n        https://x/\n      json: 1\n"
        );
        assert_eq!(
            added(
                "targets: { vms: { http: { json: 1, url: *a } } }"
                    .replace("*a", "{}")
                    .as_str()
            ),
            "targets: { vms: { http: { tls: { pin: \"sha256:ab\" }, json: 1, url: {} } } }"
        );
    }

    #[test]
    fn the_files_line_endings_stay() {
        let text = "targets:\r\n  vms:\r\n    preset: soap\r\n    with: { url: 'https://x' }\r\n";
        let edited = pin(text, "vms", PIN).unwrap();
        assert_eq!(edited.matches('\n').count(), edited.matches("\r\n").count());
        let last = pin("targets:\n  vms:\n    preset: soap", "vms", PIN).unwrap();
        assert_eq!(
            last,
            "targets:\n  vms:\n    preset: soap\n    tls: { pin: \"sha256:ab\" }"
        );
    }

    #[test]
    fn a_pin_that_stands_there_is_changed_in_its_place() {
        assert_eq!(
            added(
                "targets:\n  vms:\n    http: { url: x }\n    tls:\n      pin: 'sha256:cd' # of 2024\n"
            ),
            "      pin: \"sha256:ab\" # of 2024"
        );
        assert_eq!(
            added("targets:\n  vms:\n    http: { url: x, tls: { cert: a, key: b } }\n"),
            "    http: { url: x, tls: { pin: \"sha256:ab\", cert: a, key: b } }"
        );
    }

    #[test]
    fn what_is_shared_or_contradicts_is_left_to_its_user() {
        for text in [
            "a: &a { preset: soap }\ntargets:\n  vms: *a\n",
            "targets:\n  vms: &a { preset: soap }\n  two: *a\n",
            "targets:\n  vms:\n    http: { url: x, tls: { ca: x.pem } }\n",
            "targets:\n  vms:\n    http: { url: x, tls: { pin: \"${PIN}\" } }\n",
            "b: &b { tls: { pin: x } }\ntargets:\n  vms:\n    <<: *b\n    preset: soap\n",
            "b: &b { http: { url: x } }\ntargets:\n  vms:\n    <<: *b\n    retry: {}\n",
            "targets:\n  vms:\n    preset: soap\n    tls:\n",
            "targets:\n  vms:\n",
        ] {
            let told = refused(text);
            assert!(
                told.contains("by hand: tls: { pin: \"sha256:ab\" }"),
                "{text}{told}"
            );
        }
        let told = refused("targets:\n  vmss: { preset: soap }\n");
        assert_eq!(told, "there is no target `vms`; did you mean `vmss`?");
        let told = refused("targets:\n  vms: { jsonl: x.jsonl }\n");
        assert!(told.contains("there is no TLS"), "{told}");
    }
}
