//! Printing: tables for people, JSON Lines for scripts, and a reader that closes its end is no error.

use std::io::{self, IsTerminal, Write};

use comfy_table::{Table, presets};
use serde_json::Value;

/// Prints a line on stdout; a closed pipe ends the program quietly, as it should in `camhook events | head`.
pub(super) fn line(text: &str) {
    if writeln!(io::stdout().lock(), "{text}").is_err() {
        std::process::exit(0);
    }
}

pub(super) fn error(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether mistakes may be drawn for people.
pub(super) fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// A table without borders, so that it can be read and copied; columns get what room there is.
pub(super) fn table(columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(columns);
    for row in rows {
        table.add_row(row.iter().map(|cell| clean(cell)));
    }
    for text in table.to_string().lines() {
        line(text.trim_end());
    }
}

/// What cameras sent must not steer the terminal.
fn clean(cell: &str) -> String {
    cell.chars()
        .map(|c| if c.is_control() { '·' } else { c })
        .collect()
}

/// A field as a cell: nothing for null, a text without quotes.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The time of day matters, the microseconds do not.
pub(super) fn time(value: &Value) -> String {
    let text = cell(value);
    match text.parse::<jiff::Timestamp>() {
        Ok(moment) => moment.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        Err(_) => text,
    }
}
