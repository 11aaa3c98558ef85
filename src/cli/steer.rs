//! Steering: pause, resume, purge; retry and replay of what is named.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::ask::Camhook;
use super::look::list;
use super::show::{cell, line};
use super::{Common, Failure, when};

#[derive(Debug, Args)]
pub(super) struct Targets {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Send nothing to this target until it is resumed; its deliveries wait.
    Pause { name: String },
    /// Send again, also after the target had been held.
    Resume { name: String },
}

#[derive(Debug, Args)]
pub(super) struct Purge {
    /// Events received before: a time, a day, or how long ago, such as 7d.
    #[arg(long)]
    before: String,
}

pub(super) async fn targets(common: &Common, arguments: Targets) -> Result<(), Failure> {
    let (name, action) = match arguments.action {
        Some(Action::Pause { name }) => (name, "pause"),
        Some(Action::Resume { name }) => (name, "resume"),
        None => return show_targets(common).await,
    };
    let name = percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC);
    let answer = post(
        common,
        &format!("/api/v1/targets/{name}/{action}"),
        &json!({}),
    )
    .await?;
    say(
        common,
        &answer,
        &format!("{} is {}", cell(&answer["target"]), cell(&answer["state"])),
    );
    Ok(())
}

async fn show_targets(common: &Common) -> Result<(), Failure> {
    let columns = [
        "TARGET",
        "STATE",
        "PENDING",
        "HELD",
        "DELIVERED",
        "DEAD",
        "OLDEST WAITS",
        "WHY",
    ];
    list(common, "/api/v1/targets", 0, &columns, |target| {
        let count = |fate: &str| cell(&target["deliveries"][fate]);
        let state = if target["configured"] == false {
            "not in the config".to_owned()
        } else {
            cell(&target["state"])
        };
        let oldest = &target["oldest_undelivered_seconds"];
        vec![
            cell(&target["target"]),
            state,
            count("pending"),
            count("held"),
            count("delivered"),
            count("dead"),
            oldest
                .as_i64()
                .map_or_else(String::new, |seconds| format!("{seconds} s")),
            cell(&target["reason"]),
        ]
    })
    .await
}

/// Of all deliveries, if neither is given.
pub(super) async fn retry(
    common: &Common,
    ids: Vec<String>,
    target: Option<String>,
) -> Result<(), Failure> {
    let which = match target {
        Some(target) => json!({ "target": target }),
        None if ids.is_empty() => json!({ "all": true }),
        None => json!({ "ids": ids }),
    };
    let answer = post(common, "/api/v1/retry", &which).await?;
    say(
        common,
        &answer,
        &format!("{} deliveries are due again", cell(&answer["retried"])),
    );
    Ok(())
}

/// Events, or requests in quarantine.
pub(super) async fn replay(
    common: &Common,
    events: Vec<String>,
    to: Option<String>,
) -> Result<(), Failure> {
    let mut which = json!({ "events": events });
    if let Some(to) = to {
        which["to"] = to.into();
    }
    let answer = post(common, "/api/v1/replay", &which).await?;
    let (events, deliveries) = (cell(&answer["events"]), cell(&answer["deliveries"]));
    say(
        common,
        &answer,
        &format!("{events} events planned anew, {deliveries} deliveries"),
    );
    Ok(())
}

pub(super) async fn purge(common: &Common, arguments: Purge) -> Result<(), Failure> {
    let before = when::parse(&arguments.before)?;
    let answer = post(common, "/api/v1/purge", &json!({ "before": before })).await?;
    say(
        common,
        &answer,
        &format!("{} events removed", cell(&answer["purged"])),
    );
    Ok(())
}

async fn post(common: &Common, path: &str, body: &Value) -> Result<Value, Failure> {
    let camhook = Camhook::find(common).await?;
    let answer = camhook.post(path, body).await;
    camhook.done().await;
    answer
}

fn say(common: &Common, answer: &Value, sentence: &str) {
    line(&if common.json {
        answer.to_string()
    } else {
        sentence.to_owned()
    });
}
