//! Lists that conditions and templates look plates up in.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

/// All lists of the config by name. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lists(pub(crate) Arc<BTreeMap<String, List>>);

/// One table: rows found by their key column without regard to case or to separators. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct List {
    rows: Arc<HashMap<String, Row>>,
}

/// Column name to cell.
pub(crate) type Row = BTreeMap<String, String>;

/// A table to look plates up in, for example the residents of a house.
#[derive(Debug, Clone, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// A CSV file whose first line names the columns. A relative path counts from the config's folder. The file is
    /// read again when it changes.
    pub(crate) csv: PathBuf,
    /// The column that holds the plates. Case, blanks, dashes and dots in them do not matter.
    pub(crate) key: String,
}

/// Why a CSV text is no list.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    #[error("the file is empty: expected a first line with the names of the columns")]
    Empty,
    #[error("line 1: there is no column `{key}`: the file has {}", columns.join(", "))]
    NoKey { key: String, columns: Vec<String> },
    #[error("line 1: there are two columns `{column}`")]
    Twice { column: String },
    #[error("line {line}: expected {expected} cells, found {found}")]
    Cells {
        line: u64,
        expected: u64,
        found: u64,
    },
    #[error("line {line}: not a readable line of CSV")]
    Unreadable { line: u64, source: csv::Error },
}

#[cfg(test)]
impl ListError {
    /// Counted from 1.
    fn line(&self) -> u64 {
        match self {
            Self::Empty | Self::NoKey { .. } | Self::Twice { .. } => 1,
            Self::Cells { line, .. } | Self::Unreadable { line, .. } => *line,
        }
    }
}

impl Lists {
    pub(crate) fn new(lists: impl IntoIterator<Item = (String, List)>) -> Self {
        Self(Arc::new(lists.into_iter().collect()))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&List> {
        self.0.get(name)
    }
}

impl List {
    /// Reads a CSV text. Lines whose key is empty are skipped; of two with the same key, the later one counts.
    pub(crate) fn from_csv(text: &str, key: &str) -> Result<Self, ListError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let columns: Vec<String> = reader
            .headers()
            .map_err(unreadable)?
            .iter()
            .map(str::to_owned)
            .collect();
        if columns.iter().all(String::is_empty) {
            return Err(ListError::Empty);
        }
        let twice = columns
            .iter()
            .enumerate()
            .find(|(at, name)| !name.is_empty() && columns[..*at].contains(name));
        if let Some((_, column)) = twice {
            return Err(ListError::Twice {
                column: column.clone(),
            });
        }
        let Some(at) = columns.iter().position(|column| column == key) else {
            return Err(ListError::NoKey {
                key: key.to_owned(),
                columns,
            });
        };
        let mut rows = HashMap::new();
        for record in reader.records() {
            let record = record.map_err(unreadable)?;
            let key = normalise(record.get(at).unwrap_or_default());
            if !key.is_empty() {
                let cells = record.iter().map(str::to_owned);
                rows.insert(key, columns.iter().cloned().zip(cells).collect());
            }
        }
        Ok(Self {
            rows: Arc::new(rows),
        })
    }

    pub(crate) fn contains(&self, plate: &str) -> bool {
        self.get(plate).is_some()
    }

    pub(crate) fn get(&self, plate: &str) -> Option<&Row> {
        self.rows.get(&normalise(plate))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.rows.len()
    }

    /// The keys in normal form, in order.
    pub(crate) fn keys(&self) -> Vec<&str> {
        let mut keys: Vec<&str> = self.rows.keys().map(String::as_str).collect();
        keys.sort_unstable();
        keys
    }
}

/// A plate in the form that plates are compared in: upper case, without blanks, dashes, dots and the like.
pub(crate) fn normalise(plate: &str) -> String {
    plate
        .chars()
        .filter(|c| !is_separator(*c))
        .flat_map(char::to_uppercase)
        .collect()
}

/// What plates are written with or without.
pub(crate) fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '-' | '.' | '_' | '·' | '•' | '・' | '\u{2010}'..='\u{2015}'
        )
}

fn unreadable(error: csv::Error) -> ListError {
    let line = error.position().map_or(1, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => ListError::Cells {
            line,
            expected: *expected_len,
            found: *len,
        },
        _ => ListError::Unreadable {
            line,
            source: error,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESIDENTS: &str =
        "\u{feff}owner, license_plate\r\n\"Doe, Jane\",ab-12 3c\r\nMax,粤B·12345\r\n";

    #[test]
    fn finds_plates_whatever_their_case_and_separators() {
        let list = List::from_csv(RESIDENTS, "license_plate").unwrap();
        for plate in ["AB123C", "ab-123-c", "Ab.12 3C"] {
            assert_eq!(list.get(plate).unwrap()["owner"], "Doe, Jane", "{plate}");
        }
        assert!(list.contains("粤b12345"));
        assert!(!list.contains("AB123"));
        assert!(!list.contains(""));
        assert_eq!(list.get("ab123c").unwrap()["license_plate"], "ab-12 3c");
        assert_eq!(list.keys(), ["AB123C", "粤B12345"]);
    }

    #[test]
    fn the_later_of_two_lines_counts_and_keyless_lines_do_not() {
        let list = List::from_csv("key,n\na,1\n,2\nA,3\n", "key").unwrap();
        assert_eq!((list.len(), list.get("a").unwrap()["n"].as_str()), (1, "3"));
    }

    #[test]
    fn tells_the_line_of_a_mistake() {
        for (text, line, message) in [
            ("", 1, "the file is empty"),
            (
                "a,b\n1,2\n",
                1,
                "there is no column `key`: the file has a, b",
            ),
            ("key,a,a\n", 1, "there are two columns `a`"),
            ("key,a\nx,1\ny\n", 3, "expected 2 cells, found 1"),
        ] {
            let error = List::from_csv(text, "key").unwrap_err();
            assert_eq!(error.line(), line, "{text}");
            assert!(error.to_string().contains(message), "{error}");
        }
    }
}
