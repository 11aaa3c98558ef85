//! Reads a CSV text: its first line names the columns.

use super::table::{Builder, Columns, ListError, Meant, Place, Table};

/// Lines whose key is empty are skipped.
pub(crate) fn read(text: &str, columns: &Columns) -> Result<Table, ListError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let names: Vec<String> = reader
        .headers()
        .map_err(unreadable)?
        .iter()
        .map(str::to_owned)
        .collect();
    if names.iter().all(String::is_empty) {
        return Err(ListError::Empty);
    }
    let twice = names
        .iter()
        .enumerate()
        .find(|(at, name)| !name.is_empty() && names[..*at].contains(name));
    if let Some((_, column)) = twice {
        return Err(ListError::Twice {
            column: column.clone(),
        });
    }
    let place = |column: &String| {
        let found = names.iter().position(|name| name == column);
        found.ok_or_else(|| ListError::NoColumn {
            column: column.clone(),
            columns: names.clone(),
        })
    };
    let key = place(&columns.key)?;
    let from = columns.valid_from.as_ref().map(place).transpose()?;
    let until = columns.valid_until.as_ref().map(place).transpose()?;
    let mut builder = Builder::new(columns);
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let cell = |at: Option<usize>| at.and_then(|at| record.get(at)).unwrap_or_default();
        let meant = Meant {
            key: cell(Some(key)),
            from: cell(from),
            until: cell(until),
        };
        let line = record.position().map_or(1, csv::Position::line);
        let cells = names.iter().map(String::as_str).zip(record.iter());
        builder.add(Place::Line(line), &meant, cells)?;
    }
    Ok(builder.finish())
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
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::*;

    const RESIDENTS: &str =
        "\u{feff}owner, license_plate\r\n\"Doe, Jane\",ab-12 3c\r\nMax,粤B·12345\r\n";

    fn columns(key: &str) -> Columns {
        Columns {
            key: key.to_owned(),
            valid_from: None,
            valid_until: None,
            zone: TimeZone::UTC,
        }
    }

    fn with_times() -> Columns {
        Columns {
            valid_from: Some("from".to_owned()),
            valid_until: Some("until".to_owned()),
            ..columns("key")
        }
    }

    fn find<'a>(table: &'a Table, plate: &str, when: &str, column: &str) -> Option<&'a str> {
        let when: Timestamp = when.parse().unwrap();
        table.find(plate, when)?.get(column)
    }

    #[test]
    fn finds_plates_whatever_their_case_and_separators() {
        let table = read(RESIDENTS, &columns("license_plate")).unwrap();
        let find = |plate| table.find(plate, Timestamp::UNIX_EPOCH);
        for plate in ["AB123C", "ab-123-c", "Ab.12 3C"] {
            assert_eq!(find(plate).unwrap().get("owner"), Some("Doe, Jane"));
        }
        assert!(find("粤b12345").is_some());
        assert!(find("AB123").is_none() && find("").is_none());
        let row = find("ab123c").unwrap();
        assert_eq!(row.get("license_plate"), Some("ab-12 3c"));
        assert_eq!(table.keys(Timestamp::UNIX_EPOCH), ["AB123C", "粤B12345"]);
    }

    #[test]
    fn the_later_of_two_lines_counts_and_keyless_lines_do_not() {
        let table = read("key,n\na,1\n,2\nA,3\n", &columns("key")).unwrap();
        assert_eq!(table.len(), 1);
        let found = find(&table, "a", "2026-01-01T00:00:00Z", "n");
        assert_eq!(found, Some("3"));
    }

    #[test]
    fn of_several_rows_with_one_plate_the_one_whose_time_it_is_counts() {
        let text = "key,n,from,until\na,1,,2026-01-31\na,2,2026-02-10,2026-02-20\na,3,2026-02-15,\nb,4,,\n";
        let table = read(text, &with_times()).unwrap();
        assert_eq!((table.len(), table.dated()), (4, 3));
        for (when, row) in [
            ("2026-01-31T23:59:59Z", Some("1")),
            ("2026-02-01T00:00:00Z", None),
            ("2026-02-10T00:00:00Z", Some("2")),
            ("2026-02-16T00:00:00Z", Some("3")),
            ("2030-01-01T00:00:00Z", Some("3")),
        ] {
            assert_eq!(find(&table, "A", when, "n"), row, "{when}");
        }
        let when = "2026-02-05T00:00:00Z".parse().unwrap();
        assert_eq!(table.keys(when), ["B"]);
        assert_eq!(table.all("a").count(), 3);
    }

    #[test]
    fn tells_the_line_of_a_mistake() {
        for (text, message) in [
            ("", "the file is empty"),
            (
                "a,b\n1,2\n",
                "line 1: there is no column `key`: the file has a, b",
            ),
            ("key,a,a\n", "line 1: there are two columns `a`"),
            ("key,a\nx,1\ny\n", "line 3: expected 2 cells, found 1"),
        ] {
            let error = read(text, &columns("key")).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
        for (text, message) in [
            ("key,from\n", "line 1: there is no column `until`"),
            (
                "key,from,until\na,,\nb,,soon\n",
                "line 3: `soon` in `until` is no date: expected such as `2026-01-31`",
            ),
            ("key,from,until\n,x,\n", "line 2: `x` in `from` is no date"),
        ] {
            let error = read(text, &with_times()).unwrap_err();
            assert!(error.to_string().starts_with(message), "{error}");
        }
    }

    #[test]
    fn one_plate_has_no_endless_rows() {
        let text = format!("key,from,until\n{}", "a,,\n".repeat(1_001));
        let error = read(&text, &with_times()).unwrap_err();
        assert!(error.to_string().starts_with("line 1002: more than 1000"));
    }
}
