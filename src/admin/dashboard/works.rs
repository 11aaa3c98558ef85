//! Pages of jobs: how far one is, and ending it.

use maud::{Markup, html};

use super::shell::{self, Tab};
use super::{forms, parts, undelivered};
use crate::admin::api::Answer;
use crate::admin::jobs::{action_word, job_id, state_word};
use crate::admin::settings::Scope;
use crate::admin::table::Ask;
use crate::store::{Action, Job, JobState};

pub(super) fn address(job: &Job) -> String {
    format!("/jobs/{}", job.id)
}

pub(in crate::admin) async fn page(ask: Ask<'_>) -> Answer {
    let job = ask.admin.store.job(job_id(ask.part(0))?).await?;
    let title = title(&job);
    let main = html! {
        p { a href=(undelivered::PATH) { "All that is not delivered" } }
        h1 { (title) }
        div.card {
            (progress(&job))
            dl.facts {
                @for (name, value) in facts(&job) { div { dt { (name) } dd { (value) } } }
                div { dt { "Begun" } dd { (parts::time(job.created_at)) } }
                @if let Some(at) = job.ended_at { div { dt { "Ended" } dd { (parts::time(at)) } } }
            }
            @if let Some(told) = &job.told { p.told { "The last that could not be done: " (told) } }
            @if job.action == Action::Retry && job.done > 0 {
                p.soft { "They are due and go out as the target takes them. What fails again stands under Not delivered." }
            }
            @if job.is_running() {
                p {
                    a.button.quiet href=(address(&job)) { "Look again" } " "
                    @if ask.visitor.may(Scope::Steer) { (parts::button(&ask, &format!("{}/cancel", address(&job)), "Stop it", &[])) }
                }
            }
        }
    };
    shell::page(&ask, Some(Tab::Undelivered), &title, main).await
}

pub(in crate::admin) async fn cancel(ask: Ask<'_>) -> Answer {
    let job = ask.admin.store.cancel_job(job_id(ask.part(0))?).await?;
    Ok(forms::see(&address(&job)))
}

/// A few jobs: all that run, then the last ones.
pub(super) fn running(ask: &Ask<'_>, jobs: &[Job], most: usize) -> Markup {
    let running = jobs.iter().filter(|job| job.is_running());
    let ended = jobs.iter().filter(|job| !job.is_running());
    let shown: Vec<&Job> = running.chain(ended).take(most).collect();
    let steers = ask.visitor.may(Scope::Steer);
    html! {
        @if !shown.is_empty() {
            section.card aria-labelledby="jobs" {
                h2 id="jobs" { "Under way, and done last" }
                ul.jobs {
                    @for job in shown {
                        li {
                            a href=(address(job)) { (title(job)) } " "
                            span.soft { (parts::time(job.created_at)) @if let Some(by) = &job.by { " by " (by) } }
                            @if job.is_running() {
                                (progress(job))
                                @if steers { (parts::button(ask, &format!("{}/cancel", address(job)), "Stop it", &[])) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn title(job: &Job) -> String {
    let what = match job.action {
        Action::Retry => "Sending again",
        Action::Discard => "Giving up",
        Action::Replay => "Planning anew",
    };
    match job.state {
        JobState::Running => format!("{what}: {} so far", job.done),
        JobState::Done => format!("{what}: done, {}", job.done),
        JobState::Cancelled => format!("{what}: stopped after {}", job.done),
    }
}

fn facts(job: &Job) -> Vec<(&'static str, String)> {
    let which = &job.which;
    let text = |text: &Option<String>| text.clone();
    let named = which.deliveries.len().max(which.events.len());
    let facts = [
        ("State", Some(state_word(job.state).to_owned())),
        ("What", Some(action_word(job.action).to_owned())),
        ("Chosen", job.total.map(|total| total.to_string())),
        ("Done", Some(job.done.to_string())),
        (
            "Left as they were",
            (job.skipped > 0).then(|| job.skipped.to_string()),
        ),
        (
            "Could not be done",
            (job.failed > 0).then(|| job.failed.to_string()),
        ),
        (
            "Deliveries planned",
            (job.action == Action::Replay).then(|| job.planned.to_string()),
        ),
        (
            "To",
            text(&which.target).or(job.to.as_ref().map(ToString::to_string)),
        ),
        ("Because", text(&which.reason)),
        ("Camera", text(&which.camera)),
        ("Source", text(&which.source)),
        ("Route", text(&which.route)),
        ("Since", which.since.map(|at| at.to_string())),
        ("Until", which.until.map(|at| at.to_string())),
        ("Chosen one by one", (named > 0).then(|| named.to_string())),
        ("At most", text(&job.rate)),
        ("By", text(&job.by)),
    ];
    let there = |(name, value): (&'static str, Option<String>)| value.map(|value| (name, value));
    facts.into_iter().filter_map(there).collect()
}

/// How far it is. The script keeps it moving, and loads the page anew at the end.
fn progress(job: &Job) -> Markup {
    let seen = job.done + job.skipped + job.failed;
    let ended = !job.is_running();
    html! {
        div.progress data-job=[(!ended).then_some(job.id)] {
            @match job.total {
                Some(total) => {
                    progress max=(total.max(1)) value=(if ended { total.max(1) } else { seen.min(total) }) aria-label="How far it is" {}
                    p { span data-seen { (seen) } " of " (total) }
                }
                None => {
                    @if !ended { progress aria-label="How far it is" {} }
                    p { span data-seen { (seen) } " so far" }
                }
            }
        }
    }
}
