//! Work on many deliveries or events: trying again, giving up, planning anew, and how far that is.

mod follow;

use clap::{Args, Subcommand};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::ask::Camhook;
use super::look::list;
use super::show::{cell, line, time};
use super::{Common, Failure, when};
use follow::{follow, run, run_told};

/// Which of what is not delivered.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Only what failed for this reason, as `camhook undelivered` tells it.
    #[arg(long)]
    reason: Option<String>,
    /// dead, held, or pending (waiting to be tried again, or its target is paused or no longer in routes.yaml); dead and held unless given.
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

// What failed: to be sent again, or to be given up. (A doc comment would be the help of both commands.)
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("which").required(true).multiple(true).args(WHICH)))]
pub(super) struct Failed {
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

pub(super) async fn retry(common: &Common, arguments: Failed) -> Result<(), Failure> {
    let Failed {
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

pub(super) async fn discard(common: &Common, arguments: Failed) -> Result<(), Failure> {
    let Failed {
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
