//! `camhook lists`: what plates are looked up in.

use clap::{Args, Subcommand};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::ask::Camhook;
use super::look::{list, query};
use super::show::{cell, clean, line, time};
use super::{Common, Failure};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// One list; with a plate, whether that is in it now, and its row.
    Show { name: String, plate: Option<String> },
}

pub(super) async fn lists(common: &Common, arguments: Arguments) -> Result<(), Failure> {
    if let Some(Action::Show { name, plate }) = arguments.action {
        return show(common, &name, plate).await;
    }
    let columns = ["LIST", "KIND", "ROWS", "LAST REFRESH", "LAST ERROR"];
    list(common, "/api/v1/lists", 0, &columns, |row| {
        vec![
            cell(&row["list"]),
            cell(&row["kind"]),
            rows(row),
            time(&row["last_refresh"]),
            error(row),
        ]
    })
    .await
}

async fn show(common: &Common, name: &str, plate: Option<String>) -> Result<(), Failure> {
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let path = query(&format!("/api/v1/lists/{name}"), &[("plate", plate)]);
    let camhook = Camhook::find(common).await?;
    let answer = camhook.get(&path).await;
    camhook.done().await;
    let told: Value = serde_json::from_slice(&answer?.body)?;
    if common.json {
        line(&told.to_string());
        return Ok(());
    }
    let name = cell(&told["list"]);
    if let Some(plate) = told["plate"].as_str() {
        line(&clean(&match told["in"].as_bool() {
            Some(true) => format!("{plate} is in {name}"),
            Some(false) => format!("{plate} is not in {name}"),
            None => format!("{name} was not fetched yet: no condition on it holds"),
        }));
        for row in told["rows_of_plate"].as_array().into_iter().flatten() {
            let counts = row["row"] == told["row"];
            line(&format!(
                "  {}{}",
                row_of(row),
                if counts { "" } else { "  (not now)" }
            ));
        }
        return Ok(());
    }
    let rows = match &told["rows"] {
        Value::Null => "not fetched yet: no condition on it holds".to_owned(),
        rows => format!("{rows} rows"),
    };
    line(&format!("{name}: {}, {rows}", cell(&told["kind"])));
    line(&format!("  last refresh  {}", time(&told["last_refresh"])));
    if !told["last_error"].is_null() {
        line(&format!("  last error    {}", clean(&error(&told))));
    }
    Ok(())
}

fn rows(list: &Value) -> String {
    match &list["rows"] {
        Value::Null => "not fetched".to_owned(),
        rows => cell(rows),
    }
}

fn error(list: &Value) -> String {
    match &list["last_error"] {
        Value::Null => String::new(),
        error => format!("{} {}", time(&error["at"]), cell(&error["error"])),
    }
}

fn row_of(row: &Value) -> String {
    let cells = row["row"].as_object().into_iter().flatten();
    let cells: Vec<String> = cells
        .map(|(column, value)| format!("{column}: {}", cell(value)))
        .collect();
    clean(&cells.join(", "))
}
