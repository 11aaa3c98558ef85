//! Work on many deliveries or events: trying again, giving up, planning anew, and how far that is.

use std::io::IsTerminal;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::ask::Camhook;
use super::look::list;
use super::show::{cell, clean, error, line, table, time};
use super::{Common, Failure, when};

/// How often a job is asked how far it is, and how often that is told where there is no terminal.
const ASKED_EVERY: Duration = Duration::from_millis(300);
const TOLD_EVERY: u32 = 20;

/// Which of what is not delivered.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Only what failed for this reason, as `camhook undelivered` tells it.
    #[arg(long)]
    reason: Option<String>,
    /// dead, held, or pending (tried, and waiting to be tried again); dead and held unless given.
    #[arg(long)]
    fate: Option<String>,
    #[arg(long)]
    camera: Option<String>,
    #[arg(long)]
    source: Option<String>,
    #[arg(long)]
    route: Option<String>,
    /// How the plate begins.
    #[arg(long)]
    plate: Option<String>,
    /// Events received since: a time, a day, or how long ago, such as 2h.
    #[arg(long)]
    since: Option<String>,
    #[arg(long)]
    until: Option<String>,
}

/// How it is done.
#[derive(Debug, Args)]
pub(super) struct How {
    /// At most so many in a time, such as 10/s or 500/h; a slow receiver is not flooded so.
    #[arg(long)]
    rate: Option<String>,
    /// Only tell how many there are, and some of them.
    #[arg(long)]
    dry_run: bool,
}

const WHICH: [&str; 11] = [
    "ids", "target", "all", "reason", "fate", "camera", "source", "route", "plate", "since",
    "until",
];

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("which").required(true).multiple(true).args(WHICH)))]
pub(super) struct Retry {
    /// Deliveries.
    #[arg(conflicts_with_all = ["target", "all"])]
    ids: Vec<String>,
    /// All dead and held deliveries of this target.
    #[arg(long, conflicts_with = "all")]
    target: Option<String>,
    /// All dead and held deliveries.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("which").required(true).multiple(true).args(WHICH)))]
pub(super) struct Discard {
    /// Deliveries.
    #[arg(conflicts_with_all = ["target", "all"])]
    ids: Vec<String>,
    /// All dead and held deliveries of this target.
    #[arg(long, conflicts_with = "all")]
    target: Option<String>,
    /// All dead and held deliveries.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("which").required(true).multiple(true)
    .args(["events", "since", "until", "camera", "source", "plate", "all"])))]
pub(super) struct Replay {
    /// Events, or requests in quarantine.
    #[arg(conflicts_with_all = ["since", "until", "camera", "source", "plate", "all"])]
    events: Vec<String>,
    /// All events received since: a time, a day, or how long ago, such as 2h.
    #[arg(long)]
    since: Option<String>,
    /// Only those received before.
    #[arg(long)]
    until: Option<String>,
    #[arg(long)]
    camera: Option<String>,
    #[arg(long)]
    source: Option<String>,
    /// How the plate begins.
    #[arg(long)]
    plate: Option<String>,
    /// All events that are kept.
    #[arg(long)]
    all: bool,
    /// Only through this route, and only what it has not planned before: for a route that was added later.
    #[arg(long)]
    route: Option<String>,
    /// Only to this target.
    #[arg(long)]
    to: Option<String>,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
pub(super) struct Jobs {
    #[command(subcommand)]
    action: Option<Action>,
    /// How many at most.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// End a job; what is done already stays.
    Cancel { id: String },
    /// Show how far a job is until it has ended.
    Follow { id: String },
}

impl Which {
    fn is_given(&self) -> bool {
        let Self {
            reason,
            fate,
            camera,
            source,
            route,
            plate,
            since,
            until,
        } = self;
        let all = [reason, fate, camera, source, route, plate, since, until];
        all.into_iter().any(Option::is_some)
    }

    fn put_into(self, body: &mut Value) -> Result<(), Failure> {
        let fields = [
            ("reason", self.reason),
            ("fate", self.fate),
            ("camera", self.camera),
            ("source", self.source),
            ("route", self.route),
            ("plate", self.plate),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                body[name] = value.into();
            }
        }
        put_moments(body, self.since, self.until)
    }
}

impl How {
    fn is_given(&self) -> bool {
        self.rate.is_some() || self.dry_run
    }

    fn put_into(self, body: &mut Value) {
        if let Some(rate) = self.rate {
            body["rate"] = rate.into();
        }
        if self.dry_run {
            body["dry_run"] = true.into();
        }
    }
}

fn put_moments(
    body: &mut Value,
    since: Option<String>,
    until: Option<String>,
) -> Result<(), Failure> {
    for (name, text) in [("since", since), ("until", until)] {
        if let Some(text) = text {
            body[name] = when::parse(&text)?.to_string().into();
        }
    }
    Ok(())
}

pub(super) async fn retry(common: &Common, arguments: Retry) -> Result<(), Failure> {
    let Retry {
        ids,
        target,
        all,
        which,
        how,
    } = arguments;
    if !which.is_given() && !how.is_given() {
        return super::steer::retry(common, ids, target).await;
    }
    let mut body = json!({ "action": "retry", "ids": ids, "target": target, "all": all });
    which.put_into(&mut body)?;
    how.put_into(&mut body);
    run(common, &body, |job| {
        format!("{} deliveries are due again", cell(&job["done"]))
    })
    .await
}

pub(super) async fn discard(common: &Common, arguments: Discard) -> Result<(), Failure> {
    let Discard {
        ids,
        target,
        all,
        which,
        how,
    } = arguments;
    let mut body = json!({ "action": "discard", "ids": ids, "target": target, "all": all });
    which.put_into(&mut body)?;
    how.put_into(&mut body);
    run(common, &body, |job| {
        format!("{} deliveries were given up", cell(&job["done"]))
    })
    .await
}

pub(super) async fn replay(common: &Common, arguments: Replay) -> Result<(), Failure> {
    let Replay {
        events,
        since,
        until,
        camera,
        source,
        plate,
        all,
        route,
        to,
        how,
    } = arguments;
    if !events.is_empty() && route.is_none() && !how.is_given() {
        return super::steer::replay(common, events, to).await; // also requests in quarantine
    }
    let mut body = json!({ "action": "replay", "events": events, "all": all });
    let fields = [
        ("camera", camera),
        ("source", source),
        ("plate", plate),
        ("route", route),
        ("to", to),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            body[name] = value.into();
        }
    }
    put_moments(&mut body, since, until)?;
    how.put_into(&mut body);
    let plain = body["rate"].is_null() && body["dry_run"].is_null();
    run_told(common, &body, plain, |job| {
        let (events, deliveries) = (cell(&job["done"]), cell(&job["planned"]));
        format!("{events} events planned anew, {deliveries} deliveries")
    })
    .await
}

async fn run(
    common: &Common,
    body: &Value,
    sentence: impl Fn(&Value) -> String,
) -> Result<(), Failure> {
    run_told(common, body, false, sentence).await
}

/// Begins a job and waits for its end; `as_sums` is how a replay has always answered to scripts.
async fn run_told(
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
async fn follow(common: &Common, camhook: &Camhook, mut job: Value) -> Result<Value, Failure> {
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

/// What is not delivered, by target and reason.
pub(super) async fn undelivered(common: &Common) -> Result<(), Failure> {
    let columns = ["TARGET", "FATE", "DELIVERIES", "OLDEST", "NEWEST", "REASON"];
    list(common, "/api/v1/undelivered", 0, &columns, |group| {
        vec![
            cell(&group["target"]),
            cell(&group["fate"]),
            cell(&group["deliveries"]),
            time(&group["oldest"]),
            time(&group["newest"]),
            cell(&group["reason"]),
        ]
    })
    .await
}

pub(super) async fn jobs(common: &Common, arguments: Jobs) -> Result<(), Failure> {
    let action = match arguments.action {
        None => return show_jobs(common, arguments.limit).await,
        Some(action) => action,
    };
    let camhook = Camhook::find(common).await?;
    let done = async {
        let job = match &action {
            Action::Cancel { id } => {
                camhook
                    .post(
                        &format!("/api/v1/jobs/{}/cancel", path_part(id)),
                        &json!({}),
                    )
                    .await?
            }
            Action::Follow { id } => {
                let answer = camhook
                    .get(&format!("/api/v1/jobs/{}", path_part(id)))
                    .await?;
                let job = serde_json::from_slice(&answer.body)?;
                match camhook {
                    Camhook::Running { .. } => follow(common, &camhook, job).await?,
                    Camhook::Stopped(_) => job,
                }
            }
        };
        line(&match common.json {
            true => job.to_string(),
            false => format!(
                "{} {}: {} done, {} skipped, {} failed",
                cell(&job["action"]),
                cell(&job["state"]),
                cell(&job["done"]),
                cell(&job["skipped"]),
                cell(&job["failed"])
            ),
        });
        Ok(())
    };
    let done = done.await;
    camhook.done().await;
    done
}

/// An id in a path, whatever somebody typed.
fn path_part(text: &str) -> String {
    const ID: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-');
    utf8_percent_encode(text, ID).to_string()
}

async fn show_jobs(common: &Common, limit: usize) -> Result<(), Failure> {
    let columns = [
        "ID", "ACTION", "STATE", "DONE", "LEFT", "FAILED", "RATE", "BY", "SINCE", "TARGET",
        "REASON",
    ];
    list(common, "/api/v1/jobs?limit=0", limit, &columns, |job| {
        vec![
            cell(&job["id"]),
            cell(&job["action"]),
            cell(&job["state"]),
            cell(&job["done"]),
            cell(&job["left"]),
            cell(&job["failed"]),
            cell(&job["rate"]),
            cell(&job["by"]),
            time(&job["created_at"]),
            cell(if job["to"].is_null() {
                &job["target"]
            } else {
                &job["to"]
            }),
            cell(&job["reason"]),
        ]
    })
    .await
}
