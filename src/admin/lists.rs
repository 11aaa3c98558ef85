//! What the API tells of lists: where they come from, how old they are, and whether a plate is in one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::answers::Json;
use super::api::Told;
use super::question::OfPlate;
use super::table::Ask;
use super::{Admin, Refusal};
use crate::lists::{List, Row};
use crate::telemetry::ListOnly;

/// A list that plates are looked up in.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "List")]
pub(super) struct ListRow {
    list: String,
    /// Where it comes from.
    kind: &'static str,
    /// How many; null before the first copy.
    rows: Option<usize>,
    last_refresh: Option<Timestamp>,
    /// Since a server gave it, or said that it is still good.
    age_seconds: Option<i64>,
    last_error: Option<ErrorRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows_of_plate: Option<Vec<RowOfPlate>>,
    /// Whether the plate is in it now; null before the first copy.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    contains: Option<Option<bool>>,
    /// The row that holds now.
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<Option<Cells>>,
    /// What was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    plate: Option<String>,
}

/// Why a list could not be read anew.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ListError")]
struct ErrorRow {
    at: Timestamp,
    error: String,
}

/// A row, and when it holds.
#[derive(Serialize, JsonSchema)]
struct RowOfPlate {
    row: Cells,
    valid_from: Option<Timestamp>,
    valid_until: Option<Timestamp>,
}

/// Columns and cells, in the list's order.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(with = "BTreeMap<String, String>", inline)]
struct Cells(Map<String, Value>);

impl Cells {
    fn of(row: &Row) -> Self {
        let cells = row.iter();
        let cells = cells.map(|(column, cell)| (column.to_owned(), cell.into()));
        Self(cells.collect())
    }
}

impl ListRow {
    fn of(name: &str, list: &List, now: Timestamp) -> Self {
        let state = list.state();
        let failure = state.failure.as_ref();
        Self {
            list: name.to_owned(),
            kind: list.kind(),
            rows: state.table.as_ref().map(|table| table.len()),
            last_refresh: state.read_at,
            age_seconds: age(list, now),
            last_error: failure.map(|failure| ErrorRow {
                at: failure.at,
                error: failure.why.clone(),
            }),
            rows_of_plate: None,
            contains: None,
            row: None,
            plate: None,
        }
    }

    fn with_plate(self, list: &List, plate: String, now: Timestamp) -> Self {
        let table = list.state().table.clone();
        let all = table.iter().flat_map(|table| table.all(&plate));
        let all = all.map(|(cells, period)| RowOfPlate {
            row: Cells::of(cells),
            valid_from: period.from,
            valid_until: period.until,
        });
        let row = list.find(&plate, now).ok().flatten();
        Self {
            rows_of_plate: Some(all.collect()),
            contains: Some(list.contains_at(&plate, now).ok()),
            row: Some(row.as_ref().map(Cells::of)),
            plate: Some(plate),
            ..self
        }
    }
}

/// In the order of their names.
pub(super) async fn lists(ask: Ask<'_>, (): ()) -> Told<Json<Vec<ListRow>>> {
    let (lists, now) = (ask.admin.planner.lists(), ask.admin.clock.now());
    let rows = lists
        .iter()
        .map(|(name, list)| ListRow::of(name, list, now));
    Ok(Json(rows.collect()))
}

/// One list; with `plate` also whether that is in it now, and all of its rows.
pub(super) async fn list(ask: Ask<'_>, OfPlate(plate): OfPlate) -> Told<Json<ListRow>> {
    let name = percent_encoding::percent_decode_str(ask.part(0)).decode_utf8_lossy();
    let (lists, now) = (ask.admin.planner.lists(), ask.admin.clock.now());
    let list = lists.get(&name).ok_or_else(|| {
        let names: Vec<&str> = lists.iter().map(|(name, _)| name).collect();
        Refusal::missing(format!(
            "no list named `{name}`; there are: {}",
            names.join(", ")
        ))
    })?;
    let row = ListRow::of(&name, list, now);
    Ok(Json(match plate {
        Some(plate) => row.with_plate(list, plate, now),
        None => row,
    }))
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
