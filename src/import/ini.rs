//! `config.ini` as Stream reads it: sections within sections, by the number of their brackets.

use super::{File, ImportError};

/// One `key = value`.
#[derive(Debug, PartialEq)]
pub(super) struct Pair {
    /// The names of the sections around it, from the outside.
    pub(super) section: Vec<String>,
    pub(super) key: String,
    pub(super) value: String,
}

/// A file's sections, empty ones too, and what they hold.
#[derive(Debug, Default)]
pub(super) struct Ini {
    pub(super) sections: Vec<Vec<String>>,
    pub(super) pairs: Vec<Pair>,
}

impl Ini {
    pub(super) fn read(file: &File) -> Result<Self, ImportError> {
        let mut ini = Self::default();
        let mut section: Vec<String> = Vec::new();
        for (n, line) in file.text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let wrong = |what: String| ImportError::Unreadable {
                file: file.name.clone(),
                line: n + 1,
                what,
            };
            let depth = line.bytes().take_while(|byte| *byte == b'[').count();
            if depth > 0 {
                let end = "]".repeat(depth);
                let name = line[depth..].split_once(&end).map(|(name, _)| bare(name));
                let name = name.ok_or_else(|| wrong(format!("expected `{end}`")))?;
                if depth > section.len() + 1 {
                    return Err(wrong(format!("`{name}` is {depth} deep in no section")));
                }
                section.truncate(depth - 1);
                section.push(name);
                ini.sections.push(section.clone());
                continue;
            }
            let (key, value) = line
                .split_once('=')
                .ok_or_else(|| wrong("expected `key = value` or `[section]`".to_owned()))?;
            ini.pairs.push(Pair {
                section: section.clone(),
                key: bare(key),
                value: value_of(value),
            });
        }
        Ok(ini)
    }

    /// The value of a key right in that section.
    pub(super) fn get(&self, section: &[&str], key: &str) -> Option<&str> {
        let pair = self
            .pairs
            .iter()
            .rfind(|pair| pair.section == section && pair.key == key);
        pair.map(|pair| pair.value.as_str())
    }

    /// The names of the sections right in that one.
    pub(super) fn inside(&self, section: &str) -> impl Iterator<Item = &str> {
        let inner = move |path: &&Vec<String>| path.len() == 2 && path[0] == section;
        self.sections
            .iter()
            .filter(inner)
            .map(|path| path[1].as_str())
    }
}

fn bare(text: &str) -> String {
    text.trim().trim_matches(['"', '\'']).to_owned()
}

/// Without its quotes, or without the comment behind it.
fn value_of(text: &str) -> String {
    let text = text.trim();
    if let Some(quote @ ('"' | '\'')) = text.chars().next()
        && let Some((inner, _)) = text[1..].split_once(quote)
    {
        return inner.to_owned();
    }
    let comment = text
        .char_indices()
        .find(|(at, c)| *c == '#' && (*at == 0 || text[..*at].ends_with([' ', '\t'])));
    text[..comment.map_or(text.len(), |(at, _)| at)]
        .trim()
        .to_owned()
}

/// `a, b` as a list.
pub(super) fn list(value: &str) -> impl Iterator<Item = String> {
    value
        .split(',')
        .map(bare)
        .filter(|item| !item.is_empty())
        .collect::<Vec<_>>()
        .into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File {
            name: "config.ini".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn reads_sections_within_sections() {
        let text = "top = 1\r\n[webhooks] # all\n  caching = yes\n  [[a b]]\n    url = 'http://x/#1' # c\n    header = Authorization: Token a=b\n  [[c]]\n[cameras]\n";
        let ini = Ini::read(&file(text)).unwrap();
        assert_eq!(ini.get(&[], "top"), Some("1"));
        assert_eq!(ini.get(&["webhooks"], "caching"), Some("yes"));
        assert_eq!(ini.get(&["webhooks", "a b"], "url"), Some("http://x/#1"));
        assert_eq!(
            ini.get(&["webhooks", "a b"], "header"),
            Some("Authorization: Token a=b")
        );
        assert_eq!(ini.inside("webhooks").collect::<Vec<_>>(), ["a b", "c"]);
        assert_eq!(list("a, 'b' ,").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn tells_the_line_it_cannot_read() {
        for text in ["[a]\n[[b\n", "[a]\n[[[b]]]\n", "[a]\nno pair\n"] {
            let error = Ini::read(&file(text)).unwrap_err().to_string();
            assert!(error.starts_with("config.ini, line 2: "), "{error}");
        }
    }
}
