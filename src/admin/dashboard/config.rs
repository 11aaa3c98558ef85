//! The page Config: the file in use, the file on disk, and what a load would change.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use maud::{Markup, html};
use schemars::JsonSchema;
use serde::Serialize;
use similar::{ChangeTag, TextDiff};

use super::{forms, parts, shell};
use crate::admin::answers::Json;
use crate::admin::api::{Answer, Told};
use crate::admin::steer::Nothing;
use crate::admin::table::Ask;
use crate::admin::{LoadError, Loads, OnDisk, Refusal, RefusedLoad, ShownFile};

/// Lines shown before and after what differs.
const AROUND: usize = 3;
/// A comparison that takes longer is told more coarsely.
const PATIENCE: Duration = Duration::from_millis(300);

/// How the file on disk is related to the one in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Disk {
    Same,
    /// Comments or secrets, which are not shown.
    #[serde(rename = "differs_in_comments_or_secrets")]
    Unseen,
    Differs,
    Wrong,
}

impl Disk {
    fn of(running: &ShownFile, disk: &OnDisk) -> Self {
        match disk {
            OnDisk::Wrong(_) => Self::Wrong,
            OnDisk::Fine(there) if there.digest == running.digest => Self::Same,
            OnDisk::Fine(there) if there.text == running.text => Self::Unseen,
            OnDisk::Fine(_) => Self::Differs,
        }
    }
}

/// The page.
pub(in crate::admin) async fn page(ask: Ask<'_>) -> Answer {
    let planner = &ask.admin.planner;
    let (running, disk, loads) = (planner.config(), planner.on_disk().await, planner.loads());
    let main = html! {
        h1 { "Config" }
        p.soft { code { (loads.file) } ", in use since " (parts::time(loads.loaded)) }
        @if loads.restart_due {
            p.told {
                "Some of what changed in this file since the start is taken up by a restart only: "
                code { "server" } ", " code { "admin.listen" } ", " code { "store" } " or " code { "log" } "."
            }
        }
        section aria-labelledby="disk" {
            h2 id="disk" { "The file on disk" }
            (on_disk(&ask, &running, &disk))
        }
        @if let Some(refused) = &loads.refused { (last_refused(&loads, refused, &disk)) }
        section aria-labelledby="used" {
            h2 id="used" { "In use" }
            p.soft { "Stars stand for secrets. Comments are left out, so some numbers are missing." }
            (numbered(&running))
        }
    };
    shell::page(&ask, Some(shell::Tab::Config), "Config", main).await
}

fn on_disk(ask: &Ask<'_>, running: &ShownFile, disk: &OnDisk) -> Markup {
    let load = || parts::button(ask, "/config", "Load it now", &[]);
    match (Disk::of(running, disk), disk) {
        (_, OnDisk::Wrong(mistakes)) => html! {
            p.told { "It has mistakes, so it cannot be loaded: the config below stays in use. Mend these and save the file." }
            (listing("Mistakes of the file on disk", mistakes))
        },
        (Disk::Same, _) => {
            html! { p.done { "It is the one in use, and has no mistakes." } (load()) }
        }
        (Disk::Unseen | Disk::Wrong, _) => html! {
            p { "It has no mistakes, and differs from the one in use in comments or secrets only, which are not shown." }
            (load())
        },
        (Disk::Differs, OnDisk::Fine(there)) => html! {
            p { "It has no mistakes. This is what it changes:" }
            (difference(running, there))
            (load())
        },
    }
}

fn last_refused(loads: &Loads, refused: &RefusedLoad, disk: &OnDisk) -> Markup {
    let again = matches!(disk, OnDisk::Wrong(mistakes) if *mistakes == refused.mistakes);
    html! {
        section aria-labelledby="refused" {
            h2 id="refused" { "The last load that was refused" }
            p {
                (parts::time(refused.at))
                @if refused.at <= loads.loaded { ", before what is in use now was loaded." }
                @else { ": the config that was running stayed." }
            }
            @if again { p.soft { "For the same mistakes as above." } }
            @else { (listing("Mistakes of the load that was refused", &refused.mistakes)) }
        }
    }
}

/// A text that may be wider than the screen: it is moved by itself, by keyboard too.
fn listing(name: &str, text: &str) -> Markup {
    html! { pre tabindex="0" role="region" aria-label=(name) { (text) } }
}

fn numbered(file: &ShownFile) -> Markup {
    html! {
        pre.lines tabindex="0" role="region" aria-label="The config in use" {
            @for (line, number) in file.text.split_inclusive('\n').zip(&file.numbers) {
                span.line data-number=(number) { (line) }
            }
        }
    }
}

fn difference(running: &ShownFile, there: &ShownFile) -> Markup {
    let mut differ = TextDiff::configure();
    let diff = differ
        .timeout(PATIENCE)
        .diff_lines(running.text.as_str(), there.text.as_str());
    let number = |file: &ShownFile, index: Option<usize>| {
        let number = index.and_then(|index| file.numbers.get(index));
        number.map_or_else(String::new, usize::to_string)
    };
    html! {
        pre.lines.difference tabindex="0" role="region" aria-label="What a load changes" {
            @for (n, group) in diff.grouped_ops(AROUND).iter().enumerate() {
                @if n > 0 { span.line.gap data-number="" { "⋯\n" } }
                @for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
                    @let text = change.value().trim_end_matches('\n');
                    @match change.tag() {
                        ChangeTag::Equal => {
                            span.line data-number=(number(there, change.new_index())) { "  " (text) "\n" }
                        }
                        ChangeTag::Insert => {
                            ins.line data-number=(number(there, change.new_index())) { "+ " (text) "\n" }
                        }
                        ChangeTag::Delete => {
                            del.line data-number=(number(running, change.old_index())) { "- " (text) "\n" }
                        }
                    }
                }
            }
        }
    }
}

/// The button: the page that follows tells what came of it.
pub(in crate::admin) async fn load(ask: Ask<'_>) -> Answer {
    match ask.admin.planner.load_now().await {
        Ok(()) | Err(LoadError::Wrong(_)) => Ok(forms::see("/config")),
        Err(error @ LoadError::Stopped) => Err(refused(&error)),
    }
}

/// What a load came to.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct Loaded {
    loaded: Timestamp,
    /// Something in the file is taken up by a restart only.
    restart_due: bool,
}

/// The same for programs.
pub(in crate::admin) async fn reload(ask: Ask<'_>, _: Nothing) -> Told<Json<Loaded>> {
    let outcome = ask.admin.planner.load_now().await;
    outcome.map_err(|error| refused(&error))?;
    let loads = ask.admin.planner.loads();
    Ok(Json(Loaded {
        loaded: loads.loaded,
        restart_due: loads.restart_due,
    }))
}

fn refused(error: &LoadError) -> Refusal {
    let (status, word) = match error {
        LoadError::Stopped => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        LoadError::Wrong(_) => (StatusCode::UNPROCESSABLE_ENTITY, "config"),
    };
    Refusal::new(status, word, error.to_string())
}

/// The file as it lies on disk, and what became of its loads.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct ConfigCheck {
    /// As camhook was told of it.
    file: String,
    /// When what is in use was loaded.
    loaded: Timestamp,
    /// Something in the file is taken up by a restart only.
    restart_due: bool,
    disk: Disk,
    /// Of the file on disk, as `camhook check` tells them; null when there are none.
    mistakes: Option<String>,
    /// The last load that was refused since the start.
    refused: Option<RefusedLoad>,
}

/// What the page tells, for programs.
pub(in crate::admin) async fn check(ask: Ask<'_>, (): ()) -> Told<Json<ConfigCheck>> {
    let planner = &ask.admin.planner;
    let (running, disk, loads) = (planner.config(), planner.on_disk().await, planner.loads());
    let relation = Disk::of(&running, &disk);
    let mistakes = match disk {
        OnDisk::Wrong(mistakes) => Some(mistakes),
        OnDisk::Fine(_) => None,
    };
    Ok(Json(ConfigCheck {
        file: loads.file,
        loaded: loads.loaded,
        restart_due: loads.restart_due,
        disk: relation,
        mistakes,
        refused: loads.refused,
    }))
}
