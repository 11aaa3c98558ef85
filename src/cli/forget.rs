//! `camhook forget`: takes a plate out of all that is kept.

use clap::Args;
use serde_json::{Value, json};

use super::ask::Camhook;
use super::look::list;
use super::show::{cell, line, table, time};
use super::{Common, Failure};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The plate, with or without its blanks and dashes. Left out: what was forgotten before, without the plates.
    plate: Option<String>,
    /// Also plates of letters that readers take for one another (O and 0, I and 1, …), and events that had it among their
    /// other readings.
    #[arg(long, requires = "plate")]
    like: bool,
    /// Only list what would go.
    #[arg(long, requires = "plate")]
    dry_run: bool,
}

pub(super) async fn forget(common: &Common, arguments: Arguments) -> Result<(), Failure> {
    let Arguments {
        plate,
        like,
        dry_run,
    } = arguments;
    let Some(plate) = plate else {
        return history(common).await;
    };
    let camhook = Camhook::find(common).await?;
    let asked = json!({ "plate": plate, "like": like, "dry_run": dry_run });
    let answer = camhook.post("/api/v1/forget", &asked).await;
    camhook.done().await;
    let answer = answer?;
    if common.json {
        line(&answer.to_string());
        return Ok(());
    }
    let found = answer["found"].as_array().cloned().unwrap_or_default();
    if found.is_empty() {
        // What a purge had removed, and its segments still had.
        let left = ["events", "requests"].map(|field| answer[field].as_u64().unwrap_or(0));
        line(&match left.iter().sum() {
            0_u64 => "nothing is kept of it".to_owned(),
            left => format!(
                "nothing was kept of it but {left} removed before, whose bytes are gone now, too"
            ),
        });
        return Ok(());
    }
    let columns = [
        "ID",
        "WHY",
        "RECEIVED",
        "CAMERA",
        "PLATES",
        "WAITING FOR",
        "DELIVERED TO",
    ];
    table(&columns, found.iter().map(row));
    if dry_run {
        line("");
        line("nothing was removed: the same without --dry-run removes them");
    } else {
        let count = |field: &str| cell(&answer[field]);
        line("");
        line(&format!(
            "forgotten: {} events, {} requests in quarantine; {} deliveries were not made any more",
            count("events"),
            count("requests"),
            count("ended")
        ));
    }
    tell_others(&found);
    Ok(())
}

/// Who was given it: what they keep is not camhook's.
fn tell_others(found: &[Value]) {
    let mut targets: Vec<String> = found
        .iter()
        .flat_map(|row| names(&row["delivered"]))
        .collect();
    targets.sort();
    targets.dedup();
    if !targets.is_empty() {
        line(&format!(
            "these targets have got it, and what they keep (files of `jsonl`, `csv` and `files` too) is theirs to remove: {}",
            targets.join(", ")
        ));
    }
}

fn names(list: &Value) -> Vec<String> {
    let mut names: Vec<String> = list.as_array().into_iter().flatten().map(cell).collect();
    names.dedup();
    names
}

fn row(row: &Value) -> Vec<String> {
    vec![
        cell(&row["id"]),
        cell(&row["why"]),
        time(&row["received_at"]),
        cell(&row["camera"]),
        names(&row["plates"]).join(" "),
        names(&row["waiting"]).join(" "),
        names(&row["delivered"]).join(" "),
    ]
}

async fn history(common: &Common) -> Result<(), Failure> {
    let columns = [
        "WHEN",
        "EVENTS",
        "IN QUARANTINE",
        "NOT DELIVERED",
        "DELIVERED TO",
    ];
    list(common, "/api/v1/forgotten", 0, &columns, |row| {
        let to = row["delivered"].as_array().into_iter().flatten();
        let to = to.map(|one| format!("{} ({})", cell(&one["target"]), cell(&one["deliveries"])));
        vec![
            time(&row["at"]),
            cell(&row["events"]),
            cell(&row["requests"]),
            cell(&row["ended"]),
            to.collect::<Vec<_>>().join(" "),
        ]
    })
    .await
}
