//! Reads JSON documents: an array of objects, or of plates, somewhere in each.
//!
//! A document may be large and its rows many, so it is never held as a tree: the way to the array is walked over the text,
//! and one row is read at a time.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::table::{Builder, Columns, ListError, Meant, Place, Table};

/// Where the rows of a document are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// JSON Pointer to the array of rows; empty is the document itself.
    pub(crate) rows: String,
    /// Rows without this word are left out.
    pub(crate) only: Option<Only>,
}

/// A field whose texts (or the `name` of whose objects) must have a word among them. A row that tells of no words counts:
/// then the server chose by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Only {
    pub(crate) field: String,
    pub(crate) word: String,
}

/// The rows of all pages.
pub(crate) fn read<'a>(
    pages: impl IntoIterator<Item = &'a [u8]>,
    shape: &Shape,
    columns: &Columns,
) -> Result<Table, ListError> {
    let mut reading = Reading {
        builder: Builder::new(columns),
        shape,
        row: 0,
        keyed: false,
        first: None,
        wrong: None,
    };
    for page in pages {
        let document = document(page)?;
        let rows = find(document, &shape.rows)?;
        let rows = rows.filter(|rows| rows.get().starts_with('['));
        let rows = rows.ok_or_else(|| ListError::NoRows {
            pointer: shape.rows.clone(),
        })?;
        let read = serde_json::Deserializer::from_str(rows.get()).deserialize_seq(&mut reading);
        if let Some(wrong) = reading.wrong.take() {
            return Err(wrong);
        }
        read.map_err(not_json)?;
    }
    match reading.first.take().filter(|_| !reading.keyed) {
        // A misspelt `key` would otherwise be a list of nobody.
        Some(fields) => Err(ListError::NoField {
            column: columns.key.clone(),
            columns: fields,
        }),
        None => Ok(reading.builder.finish()),
    }
}

/// Where the page behind this one is, if there is one.
pub(crate) fn next(page: &[u8], pointer: &str) -> Result<Option<String>, ListError> {
    let Some(next) = find(document(page)?, pointer)? else {
        return Ok(None);
    };
    match serde_json::from_str(next.get()).map_err(not_json)? {
        Value::Null => Ok(None),
        Value::String(text) if text.trim().is_empty() => Ok(None),
        Value::String(text) => Ok(Some(text)),
        _ => Err(ListError::NoNext {
            pointer: pointer.to_owned(),
        }),
    }
}

fn document(page: &[u8]) -> Result<&RawValue, ListError> {
    let page = page.strip_prefix("\u{feff}".as_bytes()).unwrap_or(page);
    serde_json::from_slice(page).map_err(not_json)
}

fn not_json(source: serde_json::Error) -> ListError {
    ListError::NotJson { source }
}

/// What stands at the end of a JSON Pointer.
fn find<'a>(json: &'a RawValue, pointer: &str) -> Result<Option<&'a RawValue>, ListError> {
    let mut here = json;
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        let text = here.get();
        let mut parser = serde_json::Deserializer::from_str(text);
        let found = match text.as_bytes().first() {
            Some(b'{') => parser.deserialize_map(Pick(&step)),
            Some(b'[') => parser.deserialize_seq(Pick(&step)),
            _ => return Ok(None),
        };
        match found.map_err(not_json)? {
            Some(below) => here = below,
            None => return Ok(None),
        }
    }
    Ok(Some(here))
}

/// One entry of a map or of a list, the rest only passed over.
struct Pick<'k>(&'k str);

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let wanted: Option<usize> = self.0.parse().ok();
        let (mut found, mut at) = (None, 0);
        while let Some(item) = items.next_element()? {
            if Some(at) == wanted {
                found = Some(item);
            }
            at += 1;
        }
        Ok(found)
    }
}

/// Goes through the rows of one page after the other.
struct Reading<'a> {
    builder: Builder<'a>,
    shape: &'a Shape,
    /// The last one, over all pages.
    row: u64,
    /// Whether any row had the field that is the key.
    keyed: bool,
    /// The fields of the first row.
    first: Option<Vec<String>>,
    wrong: Option<ListError>,
}

impl<'de> Visitor<'de> for &mut Reading<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<&RawValue>()? {
            self.row += 1;
            if let Err(wrong) = self.take(item) {
                self.wrong = Some(wrong);
                return Err(serde::de::Error::custom("a row is wrong"));
            }
        }
        Ok(())
    }
}

impl Reading<'_> {
    fn take(&mut self, item: &RawValue) -> Result<(), ListError> {
        let place = Place::Row(self.row);
        match serde_json::from_str(item.get()).map_err(not_json)? {
            Value::Object(row) => self.object(place, &row),
            plain @ (Value::String(_) | Value::Number(_)) => {
                let plate = text(&plain).unwrap_or_default();
                let column = match self.builder.columns.key.as_str() {
                    "" => "plate",
                    key => key,
                };
                self.keyed = true;
                let meant = Meant {
                    key: &plate,
                    ..Meant::default()
                };
                let cells = std::iter::once((column, &*plate));
                self.builder.add(place, &meant, cells)
            }
            Value::Null | Value::Bool(_) | Value::Array(_) => Err(ListError::NoRow { place }),
        }
    }

    fn object(&mut self, place: Place, row: &Map<String, Value>) -> Result<(), ListError> {
        let columns = self.builder.columns;
        let fields = || row.keys().cloned().collect();
        if columns.key.is_empty() {
            return Err(ListError::NoKey { columns: fields() });
        }
        self.first.get_or_insert_with(fields);
        if self
            .shape
            .only
            .as_ref()
            .is_some_and(|only| !only.takes(row))
        {
            self.keyed = true;
            return Ok(());
        }
        let plate = field(row, &columns.key);
        self.keyed |= plate.is_some();
        let key = match plate {
            None | Some(Value::Null) => Cow::Borrowed(""),
            Some(value @ (Value::String(_) | Value::Number(_))) => text(value).unwrap_or_default(),
            Some(_) => {
                return Err(ListError::NoPlate {
                    place,
                    column: columns.key.clone(),
                });
            }
        };
        let end = |column: &Option<String>| {
            let value = column.as_ref().and_then(|column| field(row, column));
            value.and_then(text).unwrap_or_default()
        };
        let (from, until) = (end(&columns.valid_from), end(&columns.valid_until));
        let meant = Meant {
            key: &key,
            from: &from,
            until: &until,
        };
        let cells: Vec<(&str, Cow<'_, str>)> = row
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), text(value)?)))
            .collect();
        let cells = cells.iter().map(|(name, cell)| (*name, &**cell));
        self.builder.add(place, &meant, cells)
    }
}

impl Only {
    fn takes(&self, row: &Map<String, Value>) -> bool {
        let words = field(row, &self.field).and_then(Value::as_array);
        let word = |item: &'_ Value| match item {
            Value::String(word) => Some(word.clone()),
            Value::Object(object) => object.get("name")?.as_str().map(str::to_owned),
            _ => None,
        };
        let words: Option<Vec<String>> = words.map(|words| words.iter().filter_map(word).collect());
        match words {
            // Numbers alone would be ids, which tell nothing here.
            Some(words) if words.is_empty() => field(row, &self.field)
                .is_some_and(|words| words.as_array().is_some_and(|words| !words.is_empty())),
            Some(words) => words
                .iter()
                .any(|word| word.trim().to_lowercase() == self.word.trim().to_lowercase()),
            None => true,
        }
    }
}

/// A name of the row's fields, or a JSON Pointer into the row.
fn field<'a>(row: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let Some(pointer) = name.strip_prefix('/') else {
        return row.get(name);
    };
    let (first, rest) = match pointer.split_once('/') {
        Some((first, rest)) => (first, format!("/{rest}")),
        None => (pointer, String::new()),
    };
    let first = first.replace("~1", "/").replace("~0", "~");
    row.get(&first)?.pointer(&rest)
}

/// A cell: nothing for null, and what is nested as its JSON.
fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(Cow::Borrowed(text.trim())),
        other => Some(Cow::Owned(other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;

    fn columns(key: &str) -> Columns {
        Columns {
            key: key.to_owned(),
            valid_from: None,
            valid_until: Some("until".to_owned()),
            zone: TimeZone::UTC,
        }
    }

    fn shape(rows: &str) -> Shape {
        Shape {
            rows: rows.to_owned(),
            ..Shape::default()
        }
    }

    fn cell(table: &Table, plate: &str, column: &str) -> Option<String> {
        let row = table.find(plate, Timestamp::UNIX_EPOCH)?;
        row.get(column).map(str::to_owned)
    }

    #[test]
    fn reads_objects_wherever_they_are_with_what_is_nested_as_json() {
        let page = br#" {"data": [{"x": 1}, {"it/ms": [
            {"plate": "ab-1", "owner": {"name": "Max", "flats": [1, 2]}, "n": 1.50, "gone": null, "ok": true},
            {"plate": null}, {"plate": "CD2", "until": null}, {"plate": 77}
        ]}]} "#;
        let table = read(
            [page.as_slice()],
            &shape("/data/1/it~1ms"),
            &columns("plate"),
        )
        .unwrap();
        assert_eq!(table.len(), 3);
        let cell = |column| cell(&table, "AB1", column);
        assert_eq!(
            cell("owner").as_deref(),
            Some(r#"{"name":"Max","flats":[1,2]}"#)
        );
        assert_eq!(cell("n").as_deref(), Some("1.5"));
        assert_eq!(cell("ok").as_deref(), Some("true"));
        assert_eq!(cell("gone"), None);
        assert!(table.find("77", Timestamp::UNIX_EPOCH).is_some());
    }

    #[test]
    fn a_key_may_be_a_pointer_into_the_row() {
        let page = br#"[{"vehicle": {"plate": "ab1"}}]"#;
        let table = read([page.as_slice()], &shape(""), &columns("/vehicle/plate")).unwrap();
        assert!(cell(&table, "AB1", "vehicle").is_some());
    }

    #[test]
    fn plain_texts_are_plates() {
        for key in ["", "number"] {
            let page = br#"["ab 1", "", 42]"#;
            let table = read([page.as_slice()], &shape(""), &columns(key)).unwrap();
            assert_eq!(table.keys(Timestamp::UNIX_EPOCH), ["42", "AB1"]);
        }
    }

    #[test]
    fn pages_are_one_list_whose_rows_are_counted_through() {
        let (one, two) = (
            br#"{"rows": ["a"], "next": "/2"}"#.as_slice(),
            br#"{"rows": [{"until": "never"}], "next": null}"#.as_slice(),
        );
        assert_eq!(next(one, "/next").unwrap().as_deref(), Some("/2"));
        assert_eq!(next(two, "/next").unwrap(), None);
        assert_eq!(next(two, "/nowhere/at/all").unwrap(), None);
        let error = read([one, two], &shape("/rows"), &columns("plate")).unwrap_err();
        let told = "row 2: `never` in `until` is no date";
        assert!(error.to_string().starts_with(told), "{error}");
        assert!(next(br#"{"next": 2}"#, "/next").is_err());
    }

    #[test]
    fn what_is_no_list_is_told() {
        for (page, rows, key, told) in [
            ("", "", "plate", "not readable as JSON"),
            ("<html>", "", "plate", "not readable as JSON"),
            ("[\"a\"", "", "plate", "not readable as JSON"),
            ("{}", "", "plate", "the answer: expected an array of rows"),
            ("{}", "/rows", "plate", "/rows: expected an array of rows"),
            (
                "[[]]",
                "",
                "plate",
                "row 1: expected an object, or a plate as text",
            ),
            (
                r#"[{"plate":"a"},{"plate":[1]}]"#,
                "",
                "plate",
                "row 2: `plate` is no text",
            ),
            (
                r#"[{"number":"a","x":1}]"#,
                "",
                "plate",
                "no row has `plate`: the first has number, x",
            ),
            (
                r#"[{"number":"a"}]"#,
                "",
                "",
                "say in `key` which of the rows' fields is the plate: they have number",
            ),
        ] {
            let error = read([page.as_bytes()], &shape(rows), &columns(key)).unwrap_err();
            assert!(error.to_string().starts_with(told), "{page}: {error}");
        }
        let nobody = read([b"[]".as_slice()], &shape(""), &columns("plate")).unwrap();
        assert_eq!(nobody.len(), 0);
    }

    #[test]
    fn deep_documents_end_in_an_error() {
        let deep = 1_000_000;
        let (open, close) = ("[".repeat(deep), "]".repeat(deep));
        for page in [open.clone(), format!("[{{\"plate\": {open}{close}}}]")] {
            let read = read([page.as_bytes()], &shape(""), &columns("plate"));
            let told = read.unwrap_err().to_string();
            assert!(told.starts_with("not readable as JSON"), "{told}");
        }
    }

    #[test]
    fn rows_that_tell_of_other_words_are_left_out() {
        let page = br#"[
            {"plate": "a", "tags": ["Staff", "x"]}, {"plate": "b", "tags": [{"id": 1, "name": "staff"}]},
            {"plate": "c", "tags": ["guest"]}, {"plate": "d", "tags": []}, {"plate": "e", "tags": [7]}, {"plate": "f"}
        ]"#;
        let shape = Shape {
            only: Some(Only {
                field: "tags".to_owned(),
                word: "staff".to_owned(),
            }),
            ..Shape::default()
        };
        let table = read([page.as_slice()], &shape, &columns("plate")).unwrap();
        assert_eq!(table.keys(Timestamp::UNIX_EPOCH), ["A", "B", "E", "F"]);
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(page: Vec<u8>, near in r#"[\[\]{}",:a1nul/]{0,40}"#, pointer in "[/a0~1]{0,8}") {
            for page in [page.as_slice(), near.as_bytes()] {
                let _ = read([page], &shape(&pointer), &columns("a"));
                let _ = next(page, &pointer);
            }
        }
    }
}
