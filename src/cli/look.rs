//! Looking in: events, deliveries, sources, quarantine.

use clap::Args;
use serde_json::Value;

use super::ask::Camhook;
use super::show::{cell, line, table, time};
use super::{Common, Failure, when};

#[derive(Debug, Args)]
pub(super) struct Events {
    #[arg(long)]
    source: Option<String>,
    #[arg(long)]
    camera: Option<String>,
    /// A plate; `AB1*` finds all that begin so.
    #[arg(long)]
    plate: Option<String>,
    #[arg(long)]
    kind: Option<String>,
    /// A time, a day, or how long ago, such as 2h.
    #[arg(long)]
    since: Option<String>,
    #[arg(long)]
    until: Option<String>,
    /// How many at most; 0 is all.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

#[derive(Debug, Args)]
pub(super) struct Deliveries {
    /// Only those of this event.
    #[arg(long)]
    event: Option<String>,
    #[arg(long)]
    target: Option<String>,
    /// pending, held, delivered, dead, expired or filtered.
    #[arg(long)]
    fate: Option<String>,
    /// How many at most; 0 is all.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

#[derive(Debug, Args)]
pub(super) struct Quarantine {
    /// How many at most; 0 is all.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

pub(super) async fn events(common: &Common, arguments: Events) -> Result<(), Failure> {
    let moment = |text: Option<String>| text.map(|text| when::parse(&text)).transpose();
    let path = query(
        "/api/v1/events",
        &[
            ("source", arguments.source),
            ("camera", arguments.camera),
            ("plate", arguments.plate),
            ("kind", arguments.kind),
            (
                "since",
                moment(arguments.since)?.map(|moment| moment.to_string()),
            ),
            (
                "until",
                moment(arguments.until)?.map(|moment| moment.to_string()),
            ),
            ("limit", Some(arguments.limit.to_string())),
        ],
    );
    let columns = [
        "ID", "RECEIVED", "SOURCE", "KIND", "CAMERA", "PLATES", "ROUTES",
    ];
    list(common, &path, arguments.limit, &columns, |event| {
        let plates = event["plates"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|plate| cell(&plate["text"]));
        let routes = event["routes"].as_array().into_iter().flatten();
        let routes =
            routes.map(|route| format!("{}: {}", cell(&route["route"]), cell(&route["outcome"])));
        vec![
            cell(&event["id"]),
            time(&event["received_at"]),
            cell(&event["source"]),
            cell(&event["kind"]),
            cell(&event["camera"]["id"]),
            plates
                .filter(|text| !text.is_empty())
                .collect::<Vec<_>>()
                .join(" "),
            routes.collect::<Vec<_>>().join(", "),
        ]
    })
    .await
}

pub(super) async fn deliveries(common: &Common, arguments: Deliveries) -> Result<(), Failure> {
    let path = query(
        "/api/v1/deliveries",
        &[
            ("event", arguments.event),
            ("target", arguments.target),
            ("fate", arguments.fate),
            ("limit", Some(arguments.limit.to_string())),
        ],
    );
    let columns = [
        "ID",
        "EVENT",
        "ROUTE",
        "TARGET",
        "ITEM",
        "FATE",
        "ATTEMPTS",
        "DUE",
        "LAST ANSWER",
    ];
    list(common, &path, arguments.limit, &columns, |delivery| {
        let attempts = delivery["attempts"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let last = attempts.last().map(|last| match &last["error"] {
            Value::Null => cell(&last["status"]),
            error => cell(error),
        });
        vec![
            cell(&delivery["id"]),
            cell(&delivery["event"]),
            cell(&delivery["route"]),
            cell(&delivery["target"]),
            cell(&delivery["item"]),
            cell(&delivery["fate"]),
            attempts.len().to_string(),
            time(&delivery["due"]),
            last.unwrap_or_default(),
        ]
    })
    .await
}

pub(super) async fn sources(common: &Common) -> Result<(), Failure> {
    let columns = ["SOURCE", "KIND", "EVENTS", "QUARANTINED", "LAST RECEIVED"];
    list(common, "/api/v1/sources", 0, &columns, |source| {
        vec![
            cell(&source["source"]),
            if source["configured"] == false {
                "(not in the config)".to_owned()
            } else {
                cell(&source["kind"])
            },
            cell(&source["events"]),
            cell(&source["quarantined"]),
            time(&source["last_received"]),
        ]
    })
    .await
}

pub(super) async fn alerts(common: &Common) -> Result<(), Failure> {
    let columns = ["ALERT", "SUBJECT", "SINCE", "MESSAGE", "WHAT TO DO"];
    list(common, "/api/v1/alerts", 0, &columns, |alert| {
        vec![
            cell(&alert["alert"]),
            cell(&alert["subject"]),
            time(&alert["since"]),
            cell(&alert["message"]),
            cell(&alert["advice"]),
        ]
    })
    .await
}

pub(super) async fn quarantine(common: &Common, arguments: Quarantine) -> Result<(), Failure> {
    let path = query(
        "/api/v1/quarantine",
        &[("limit", Some(arguments.limit.to_string()))],
    );
    let columns = [
        "ID",
        "RECEIVED",
        "SOURCE",
        "FROM",
        "CONTENT TYPE",
        "BYTES",
        "REASON",
    ];
    list(common, &path, arguments.limit, &columns, |row| {
        vec![
            cell(&row["id"]),
            time(&row["received_at"]),
            cell(&row["source"]),
            cell(&row["remote"]),
            cell(&row["content_type"]),
            cell(&row["size"]),
            cell(&row["reason"]),
        ]
    })
    .await
}

/// Asks for a list and prints it: JSON Lines as they come, or a table at the end.
pub(super) async fn list(
    common: &Common,
    path: &str,
    limit: usize,
    columns: &[&str],
    row: impl Fn(&Value) -> Vec<String>,
) -> Result<(), Failure> {
    let camhook = Camhook::find(common).await?;
    let mut rows = Vec::new();
    let found = camhook
        .each(path, limit, |value| {
            if common.json {
                line(&value.to_string());
            } else {
                rows.push(row(&value));
            }
        })
        .await;
    camhook.done().await;
    found?;
    if !common.json {
        table(columns, rows);
    }
    Ok(())
}

pub(super) fn query(path: &str, parameters: &[(&str, Option<String>)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    format!("{path}?{}", query.finish())
}
