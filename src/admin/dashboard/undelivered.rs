//! The page Not delivered: what did not arrive, by target and reason, and sending it again or giving it up.
//!
//! Choosing is a form of links and fields (`GET`), acting a form with buttons (`POST`). What concerns many, or cannot be taken
//! back, is shown once more with its count before it begins; then it is a job, which has a page of its own.

use maud::{Markup, html};

use super::chosen::{Choice, in_words};
use super::forms;
use super::parts;
use super::shell::{self, Tab};
use super::unsent::{cells, columns, named, with_events};
use super::works;
use crate::admin::Refusal;
use crate::admin::api::Answer;
use crate::admin::jobs::{self, OfUndelivered, Wanted};
use crate::admin::question::Parameters;
use crate::admin::settings::Scope;
use crate::admin::table::Ask;
use crate::fate::Fate;
use crate::store::{Action, Group, Place, Preview, Selection};

pub(super) const PATH: &str = "/undelivered";
/// Rows of one page.
const ROWS: usize = 25;
/// Of what is about to be done, so many are shown.
const SAMPLES: usize = 8;
/// Sending again so many is no question.
const ASKED_BEYOND: u64 = 50;
/// Jobs on the page, those that run first.
const JOBS: usize = 5;

pub(in crate::admin) async fn page(ask: Ask<'_>) -> Answer {
    let asked = Parameters::of_form(ask.request.uri().query()).read::<OfUndelivered>();
    match asked {
        Ok(asked) if asked.which != Selection::default() => {
            list(&ask, asked.which, asked.from, None).await
        }
        Ok(_) => overview(&ask, None).await,
        Err(refusal) => told(&ask, refusal).await,
    }
}

/// What a form of this page asks for.
pub(in crate::admin) async fn act(ask: Ask<'_>) -> Answer {
    match begin(&ask).await {
        // What the visitor did wrong is told on the page, to who may see it; the rest is trouble of ours.
        Err(refusal) if refusal.status.is_client_error() && ask.visitor.may(Scope::Read) => {
            told(&ask, refusal).await
        }
        done => done,
    }
}

async fn begin(ask: &Ask<'_>) -> Answer {
    let form = String::from_utf8_lossy(ask.request.body()).into_owned();
    let field = |wanted: &str| {
        let mut fields = form_urlencoded::parse(form.as_bytes());
        let found = fields.find(|(name, value)| name == wanted && !value.is_empty());
        found.map(|(_, value)| value.into_owned())
    };
    let mut wanted: Wanted = form.parse()?;
    for action in ["retry", "discard"] {
        if let Some(one) = field(action) {
            action.clone_into(&mut wanted.action);
            wanted.ids = vec![one];
        }
    }
    let some = field("some").is_some() || !wanted.ids.is_empty();
    if some {
        if wanted.ids.is_empty() {
            return Err(Refusal::bad(
                "Choose at least one delivery, then press the button again.",
            ));
        }
        // What is named says it all.
        wanted = Wanted {
            action: wanted.action,
            ids: wanted.ids,
            rate: wanted.rate,
            ..Wanted::default()
        };
    }
    if !matches!(wanted.action.as_str(), "retry" | "discard") {
        return Err(Refusal::bad(
            "Say what is to be done: press one of the page's buttons.",
        ));
    }
    wanted.by = jobs::by(ask);
    let asked = Choice::of(&wanted);
    let order = ask.admin.order(wanted).await?;
    let is_discard = order.action == Action::Discard;
    if field("sure").is_none() {
        let preview = jobs::preview(ask, &order, SAMPLES).await?;
        if preview.count == 0 {
            let told =
                "Nothing is left to be done: it has arrived, or was given up, in the meantime.";
            return Err(Refusal::bad(told));
        }
        if is_discard || !preview.is_all || preview.count > ASKED_BEYOND {
            return confirm(ask, &asked, is_discard, &preview).await;
        }
    }
    let job = ask.admin.begin(order).await?;
    Ok(forms::see(&works::address(&job)))
}

/// The page with what was wrong on it.
async fn told(ask: &Ask<'_>, refusal: Refusal) -> Answer {
    let mut response = overview(ask, Some(&refusal.reason)).await?;
    *response.status_mut() = refusal.status;
    Ok(response)
}

async fn overview(ask: &Ask<'_>, wrong: Option<&str>) -> Answer {
    let groups = ask.admin.store.undelivered().await?;
    let jobs = ask.admin.store.jobs().await?;
    let steers = ask.visitor.may(Scope::Steer);
    let main = html! {
        h1 { "Not delivered" }
        @if let Some(wrong) = wrong { p.told role="alert" { (wrong) } }
        (works::running(ask, &jobs, JOBS))
        @if groups.is_empty() {
            (parts::nothing("Everything has been delivered", "What fails, or waits because its target is held, stands here by target and reason."))
        } @else {
            (search(&groups, &Selection::default()))
            div.scroll tabindex="0" role="group" aria-label="Reasons" {
                table {
                    caption { "Why deliveries have not arrived, most first" }
                    thead { tr {
                        th scope="col" { "Target" } th scope="col" { "Why" } th scope="col" { "State" }
                        th.number scope="col" { "Deliveries" } th scope="col" { "Oldest" } th scope="col" { "Newest" }
                        @if steers { th scope="col" { "All of them" } }
                    } }
                    tbody { @for group in &groups { (group_row(ask, group, steers)) } }
                }
            }
        }
    };
    shell::page(ask, Some(Tab::Undelivered), "Not delivered", main).await
}

fn group_row(ask: &Ask<'_>, group: &Group, steers: bool) -> Markup {
    let choice = Choice::of_group(group);
    html! {
        tr {
            td { (group.target) }
            td { a href=(choice.address()) { (group.reason) } }
            td { (parts::fate(group.fate)) }
            td.number { (group.deliveries) }
            td { @if let Some(at) = group.oldest { (parts::time(at)) } }
            td { @if let Some(at) = group.newest { (parts::time(at)) } }
            @if steers {
                td {
                    form.inline method="post" action=(PATH) {
                        (parts::token(ask))
                        (choice.hidden(""))
                        button.quiet name="action" value="retry" aria-label={ "Send again: " (group.target) ", " (group.reason) } { "Send again" }
                        " "
                        button.danger name="action" value="discard" aria-label={ "Give up: " (group.target) ", " (group.reason) } { "Give up…" }
                    }
                }
            }
        }
    }
}

/// Fields to find some of it.
fn search(groups: &[Group], which: &Selection) -> Markup {
    let mut targets: Vec<&str> = groups.iter().map(|group| group.target.as_str()).collect();
    targets.extend(which.target.as_deref());
    targets.sort_unstable();
    targets.dedup();
    let fates = [
        (Fate::Dead, "dead: given up by camhook"),
        (Fate::Held, "held: the target refuses"),
        (Fate::Pending, "pending: tried again by itself"),
    ];
    html! {
        form.fields method="get" action=(PATH) role="search" {
            div { label for="plate" { "Plate begins with" } input id="plate" name="plate" autocapitalize="characters" autocomplete="off" value=[which.plate.as_deref()]; }
            div { label for="camera" { "Camera" } input id="camera" name="camera" autocomplete="off" value=[which.camera.as_deref()]; }
            div {
                label for="target" { "Target" }
                select id="target" name="target" {
                    option value="" { "any" }
                    @for target in targets { option value=(target) selected[which.target.as_deref() == Some(target)] { (target) } }
                }
            }
            div {
                label for="fate" { "State" }
                select id="fate" name="fate" {
                    option value="" { "any" }
                    @for (fate, told) in fates { option value=(fate.as_str()) selected[which.fates.contains(&fate)] { (told) } }
                }
            }
            @for (name, value) in Choice::of_selection(which).0 {
                @if matches!(name, "reason" | "source" | "route" | "since" | "until") { input type="hidden" name=(name) value=(value); }
            }
            button { "Find" }
        }
    }
}

/// What was chosen, one by one.
async fn list(ask: &Ask<'_>, which: Selection, from: Option<Place>, wrong: Option<&str>) -> Answer {
    let store = &ask.admin.store;
    let (rows, next) = store.undelivered_of(which.clone(), from, ROWS).await?;
    let shown = with_events(ask, &rows).await?;
    let groups = store.undelivered().await?;
    let choice = Choice::of_selection(&which);
    let steers = ask.visitor.may(Scope::Steer);
    let older = next.map(|next| {
        let mut fields = choice.0.clone();
        fields.push(("before", next.to_text()));
        Choice(fields).address()
    });
    let main = html! {
        p { a href=(PATH) { "All that is not delivered" } }
        h1 { "Not delivered: " (in_words(&which)) }
        @if let Some(wrong) = wrong { p.told role="alert" { (wrong) } }
        (search(&groups, &which))
        @if rows.is_empty() {
            @if older.is_some() {
                (parts::nothing("Nothing so far", "There is more to look through: go on below."))
            } @else {
                (parts::nothing("Nothing like that is left", "It has arrived, or was given up, or never was."))
            }
        } @else {
            form method="post" action=(PATH) {
                (parts::token(ask))
                // First, so that Enter presses the one of these, and no single delivery's.
                @if steers {
                    p.fields {
                        input type="hidden" name="some" value="1";
                        button name="action" value="retry" { "Send the chosen ones again" }
                        button.danger name="action" value="discard" { "Give the chosen ones up…" }
                    }
                }
                div.scroll tabindex="0" role="group" aria-label="Deliveries" {
                    table {
                        caption { "Newest first" }
                        thead { tr {
                            @if steers { th scope="col" { "Choose" } }
                            (columns())
                            @if steers { th scope="col" { "This one" } }
                        } }
                        tbody {
                            @for (row, seen) in &shown {
                                tr {
                                    @if steers {
                                        td { input type="checkbox" name="id" value=(row.delivery.id) aria-label={ "Choose " (named(row)) }; }
                                    }
                                    (cells(row, seen.as_ref()))
                                    @if steers {
                                        td {
                                            button.quiet name="retry" value=(row.delivery.id) aria-label={ "Send again " (named(row)) } { "Send again" }
                                            " "
                                            button.danger name="discard" value=(row.delivery.id) aria-label={ "Give up " (named(row)) } { "Give up…" }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if let Some(older) = older { p { a.button.quiet href=(older) { "Older ones" } } }
        @if steers && !rows.is_empty() { (for_all(ask, &choice)) }
    };
    shell::page(ask, Some(Tab::Undelivered), "Not delivered", main).await
}

fn for_all(ask: &Ask<'_>, choice: &Choice) -> Markup {
    html! {
        section.card aria-labelledby="for-all" {
            h2 id="for-all" { "All of these" }
            form.fields method="post" action=(PATH) {
                (parts::token(ask))
                (choice.hidden("rate"))
                (rate_field())
                button name="action" value="retry" { "Send all again" }
                button.danger name="action" value="discard" { "Give all up…" }
            }
            p.soft { "With their count and some of them shown before it begins." }
        }
    }
}

fn rate_field() -> Markup {
    html! {
        div {
            label for="rate" { "At most" }
            select id="rate" name="rate" {
                option value="" { "as fast as it goes" }
                @for (rate, told) in [("1/s", "1 a second"), ("10/s", "10 a second"), ("100/s", "100 a second"), ("10/m", "10 a minute")] {
                    option value=(rate) { (told) }
                }
            }
        }
    }
}

/// Asks once more, with the count and a few of them.
async fn confirm(ask: &Ask<'_>, choice: &Choice, discard: bool, preview: &Preview) -> Answer {
    let shown = with_events(ask, &preview.samples).await?;
    let count = match preview.is_all {
        true => preview.count.to_string(),
        false => format!("at least {}", preview.count),
    };
    let what = if preview.count == 1 {
        "delivery"
    } else {
        "deliveries"
    };
    let (title, button) = match discard {
        true => (format!("Give up {count} {what}?"), "Give up"),
        false => (format!("Send {count} {what} again?"), "Send again"),
    };
    let main = html! {
        h1 { (title) }
        @if discard {
            p.told { "They will not be sent any more, and stand in the history as expired, given up by hand. The events stay, and can be replayed." }
        } @else {
            p { "Each is sent as it would have been, under the same id. The target's own rate limit holds." }
        }
        form.fields method="post" action=(PATH) {
            (parts::token(ask))
            (choice.hidden("rate"))
            input type="hidden" name="action" value=(if discard { "discard" } else { "retry" });
            input type="hidden" name="sure" value="1";
            @if !discard && preview.count > 1 { (rate_field()) }
            button.danger[discard] { (button) " " (count) }
            a.button.quiet href=(back(choice)) { "Back" }
        }
        @if !shown.is_empty() {
            div.scroll tabindex="0" role="group" aria-label="Some of them" {
                table {
                    caption {
                        @if preview.count > shown.len() as u64 { "The oldest of them" } @else { "These" }
                    }
                    thead { tr { (columns()) } }
                    tbody { @for (row, seen) in &shown { tr { (cells(row, seen.as_ref())) } } }
                }
            }
        }
    };
    shell::page(ask, Some(Tab::Undelivered), &title, main).await
}

fn back(choice: &Choice) -> String {
    let named = choice.0.iter().any(|(name, _)| *name == "id");
    if named {
        PATH.to_owned()
    } else {
        choice.address()
    }
}
