//! Beginning a job and watching it: a bar on a terminal, lines elsewhere, JSON for scripts.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::cli::ask::Camhook;
use crate::cli::show::{cell, clean, error, line, table, time};
use crate::cli::{Common, Failure};

/// How often a job is asked how far it is, and how often that is told where there is no terminal.
const ASKED_EVERY: Duration = Duration::from_millis(300);
const TOLD_EVERY: u32 = 20;

pub(super) async fn run(
    common: &Common,
    body: &Value,
    sentence: impl Fn(&Value) -> String,
) -> Result<(), Failure> {
    run_told(common, body, false, sentence).await
}

/// Begins a job and waits for its end; `as_sums` is how a replay has always answered to scripts.
pub(super) async fn run_told(
    common: &Common,
    body: &Value,
    as_sums: bool,
    sentence: impl Fn(&Value) -> String,
) -> Result<(), Failure> {
    let camhook = Camhook::find(common).await?;
    let done = async {
        let mut job = camhook.post("/api/v1/jobs", body).await?;
        if job["dry_run"] == true {
            tell_preview(common, &job);
            return Ok(());
        }
        if is_running(&job) && matches!(camhook, Camhook::Running { .. }) {
            job = follow(common, &camhook, job).await?;
        }
        if common.json {
            line(&match as_sums {
                true => json!({ "events": job["done"], "deliveries": job["planned"] }).to_string(),
                false => job.to_string(),
            });
        } else if is_running(&job) {
            line(&format!(
                "job {} is written down; it is carried out at its rate when camhook runs",
                cell(&job["id"])
            ));
        } else {
            line(&sentence(&job));
        }
        told_end(common, &job)
    };
    let done = done.await;
    camhook.done().await;
    done
}

fn is_running(job: &Value) -> bool {
    job["state"] == "running"
}

/// What else there is to say of a job that has ended.
fn told_end(common: &Common, job: &Value) -> Result<(), Failure> {
    let count = |field: &str| job[field].as_u64().unwrap_or(0);
    if count("skipped") > 0 && !common.json {
        error(&format!(
            "{} stood differently when their turn came, or were there already, and were left as they are",
            count("skipped")
        ));
    }
    if count("failed") > 0 {
        return Err(Failure::Said(format!(
            "{} could not be done; the last: {}",
            count("failed"),
            clean(&cell(&job["error"]))
        )));
    }
    match job["state"] == "cancelled" {
        true => Err(Failure::Said("the job was cancelled".to_owned())),
        false => Ok(()),
    }
}

/// Waits for a job's end, and shows how far it is.
pub(super) async fn follow(
    common: &Common,
    camhook: &Camhook,
    mut job: Value,
) -> Result<Value, Failure> {
    let id = cell(&job["id"]);
    let path = format!("/api/v1/jobs/{id}");
    let bar = bar(common, &job);
    let quiet = common.json || std::io::stderr().is_terminal();
    let mut asked = 0;
    while is_running(&job) {
        tokio::time::sleep(ASKED_EVERY).await;
        job = serde_json::from_slice(&camhook.get(&path).await?.body)?;
        let seen = ["done", "skipped", "failed"].map(|field| job[field].as_u64().unwrap_or(0));
        let seen: u64 = seen.iter().sum();
        bar.set_position(seen);
        asked += 1;
        if asked % TOLD_EVERY == 0 && is_running(&job) && !quiet {
            let total = cell(&job["total"]);
            let of = if total.is_empty() {
                String::new()
            } else {
                format!(" of {total}")
            };
            error(&format!("{seen}{of}; `camhook jobs cancel {id}` ends it"));
        }
    }
    bar.finish_and_clear();
    Ok(job)
}

/// Drawn on a terminal only.
fn bar(common: &Common, job: &Value) -> ProgressBar {
    if common.json {
        return ProgressBar::hidden();
    }
    let (bar, template) = match job["total"].as_u64() {
        Some(total) => (
            ProgressBar::new(total),
            "{bar:40} {pos}/{len} {per_sec} {eta}  {msg}",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{spinner} {pos} {per_sec}  {msg}",
        ),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(format!("camhook jobs cancel {}", cell(&job["id"])));
    bar
}

fn tell_preview(common: &Common, preview: &Value) {
    if common.json {
        return line(&preview.to_string());
    }
    let at_least = if preview["at_least"] == true {
        "at least "
    } else {
        ""
    };
    let empty = Vec::new();
    let samples = preview["samples"].as_array().unwrap_or(&empty);
    let events = preview["events"].as_array().unwrap_or(&empty);
    let such = match samples.is_empty() && events.is_empty() {
        true => ".",
        false => ", such as:",
    };
    line(&format!("{at_least}{}{such}", cell(&preview["count"])));
    if !samples.is_empty() {
        let columns = [
            "ID", "TARGET", "FATE", "CAMERA", "PLATES", "RECEIVED", "REASON",
        ];
        table(&columns, samples.iter().map(undelivered_cells));
    }
    for event in events {
        line(&cell(event));
    }
}

fn undelivered_cells(row: &Value) -> Vec<String> {
    let plates = row["plates"].as_array().into_iter().flatten().map(cell);
    vec![
        cell(&row["id"]),
        cell(&row["target"]),
        cell(&row["fate"]),
        cell(&row["camera"]),
        plates.collect::<Vec<_>>().join(" "),
        time(&row["received_at"]),
        cell(&row["reason"]),
    ]
}
