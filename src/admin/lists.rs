//! What the API tells of lists: where they come from, how old they are, and whether a plate is in one.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::api::{Answer, ok};
use super::table::Ask;
use super::{Admin, Refusal};
use crate::lists::{List, Row};
use crate::telemetry::ListOnly;

/// In the order of their names.
pub(super) async fn lists(ask: Ask<'_>) -> Answer {
    let (lists, now) = (ask.admin.planner.lists(), ask.admin.clock.now());
    let rows = lists.iter().map(|(name, list)| list_row(name, list, now));
    Ok(ok(&rows.collect()))
}

/// One list; with `plate` also whether that is in it now, and all of its rows.
pub(super) async fn list(ask: Ask<'_>) -> Answer {
    let plate = ask.parameters().plate()?;
    let name = percent_encoding::percent_decode_str(ask.part(0)).decode_utf8_lossy();
    let (lists, now) = (ask.admin.planner.lists(), ask.admin.clock.now());
    let list = lists.get(&name).ok_or_else(|| {
        let names: Vec<&str> = lists.iter().map(|(name, _)| name).collect();
        Refusal::missing(format!(
            "no list named `{name}`; there are: {}",
            names.join(", ")
        ))
    })?;
    let mut told = list_row(&name, list, now);
    if let Some(plate) = plate {
        let table = list.state().table.clone();
        let all = table.iter().flat_map(|table| table.all(&plate));
        told["rows_of_plate"] = all
            .map(|(cells, period)| {
                json!({ "row": row(cells), "valid_from": period.from, "valid_until": period.until })
            })
            .collect();
        told["in"] = list.contains_at(&plate, now).ok().into();
        told["row"] =
            (list.find(&plate, now).ok().flatten()).map_or(Value::Null, |cells| row(&cells));
        told["plate"] = plate.into();
    }
    Ok(ok(&told))
}

impl Admin {
    /// Brings the gauges of lists up to date.
    pub(super) fn measure_lists(&self) {
        let (lists, now) = (self.planner.lists(), self.clock.now());
        for (name, list) in lists.iter() {
            let (label, state) = (ListOnly::new(name), list.state());
            let rows = state.table.as_ref().map_or(0, |table| table.len());
            let rows = i64::try_from(rows).unwrap_or(i64::MAX);
            self.metrics.list_rows.get_or_create(&label).set(rows);
            if let Some(age) = age(list, now) {
                let gauge = &self.metrics.list_age_seconds;
                gauge.get_or_create(&label).set(age);
            }
        }
    }
}

/// Seconds since a server gave the copy that is in use, or said that it is still good.
fn age(list: &List, now: Timestamp) -> Option<i64> {
    let read_at = list
        .state()
        .read_at
        .filter(|_| list.comes_from_a_server())?;
    Some(now.duration_since(read_at).as_secs().max(0))
}

fn list_row(name: &str, list: &List, now: Timestamp) -> Value {
    let state = list.state();
    let failure = state.failure.as_ref();
    json!({
        "list": name,
        "kind": list.kind(),
        "rows": state.table.as_ref().map(|table| table.len()),
        "last_refresh": state.read_at,
        "age_seconds": age(list, now),
        "last_error": failure.map(|failure| json!({ "at": failure.at, "error": failure.why })),
    })
}

fn row(cells: &Row) -> Value {
    let cells = cells.iter();
    Value::Object(
        cells
            .map(|(column, cell)| (column.to_owned(), cell.into()))
            .collect::<Map<_, _>>(),
    )
}
