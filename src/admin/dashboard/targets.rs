//! Targets: what each was given lately, what waits for it, and what it said last; pause, resume, and a test event.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::Timestamp;
use maud::{Markup, html};

use super::forms::{address, fields, or_told, parameter, part, see};
use super::parts;
use super::shell::{self, Tab};
use super::spark::{Bar, bars};
use crate::admin::Refusal;
use crate::admin::api::{Answer, Target, all_targets, caught_up};
use crate::admin::settings::Scope;
use crate::admin::steer::named;
use crate::admin::table::Ask;
use crate::event::EventId;
use crate::fate::{Attempt, Delivery, Fate};
use crate::name::Name;
use crate::store::{CameraQuery, DeliveryQuery, TargetActivity, TargetState};

/// Deliveries that are listed as dead.
const DEAD: usize = 20;
const SUGGESTED: usize = 200;

pub(in crate::admin) async fn page(ask: Ask<'_>) -> Answer {
    caught_up(ask.admin).await;
    let targets = all_targets(ask.admin).await?;
    let activity = ask.admin.store.activity(None).await?;
    let now = ask.admin.clock.now();
    let main = html! {
        h1 { "Targets" }
        @if targets.is_empty() {
            (parts::nothing("No targets", "Name one under `targets` in routes.yaml."))
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Targets" {
                table {
                    caption { "Where events are delivered, and how that goes" }
                    thead { tr {
                        th scope="col" { "Target" }
                        th scope="col" { "State" }
                        th.number scope="col" { "Waiting" }
                        th scope="col" { "Oldest" }
                        th.number scope="col" { "Dead" }
                        th.number scope="col" { "A minute" }
                        th scope="col" { "Last 3 hours" }
                        th scope="col" { "Last error" }
                    } }
                    tbody { @for target in &targets { (row(target, &activity, now)) } }
                }
            }
        }
    };
    shell::page(&ask, Some(Tab::Targets), "Targets", main).await
}

fn at(target: &Name) -> String {
    format!("/targets/{}", part(target.as_str()))
}

fn waiting(target: &Target) -> u64 {
    target.summary.count(Fate::Pending) + target.summary.count(Fate::Held)
}

fn row(target: &Target, activity: &BTreeMap<Name, TargetActivity>, now: Timestamp) -> Markup {
    let summary = &target.summary;
    let name = &summary.target;
    let activity = activity.get(name);
    let dead = summary.count(Fate::Dead);
    html! {
        tr {
            th scope="row" { a href=(at(name)) { bdi { (name) } } }
            td { (state(target)) }
            td.number { (waiting(target)) }
            td { @if let Some(oldest) = summary.oldest_undelivered { (ago(now, oldest)) } }
            td.number { @if dead > 0 { a href=(undelivered(name)) { (dead) } } @else { "0" } }
            td.number { (per_minute(activity)) }
            td { (spark(activity)) }
            td {
                @if let Some(failing) = activity.and_then(|activity| activity.failures.first()) {
                    (parts::time(failing.at)) ": " bdi { (failing.error.as_deref().unwrap_or("failed")) }
                }
            }
        }
    }
}

fn undelivered(target: &Name) -> String {
    address("/undelivered", &[("target", target.as_str())])
}

fn state(target: &Target) -> Markup {
    let word = match target.summary.state {
        TargetState::Running => "running",
        TargetState::Paused { .. } => "paused",
        TargetState::Held { .. } => "held",
    };
    html! {
        span class={ "state " (word) } { (word) }
        @if !target.configured { " " span.state { "not in routes.yaml" } }
    }
}

/// How long ago, in the largest unit that fits.
fn ago(now: Timestamp, then: Timestamp) -> Markup {
    let seconds = now.duration_since(then).as_secs().max(0);
    let told = match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    };
    html! { span title=(then) { (told) } }
}

fn per_minute(activity: Option<&TargetActivity>) -> String {
    match activity.map_or(0.0, |activity| activity.per_minute) {
        rate if rate >= 10.0 || rate == 0.0 => format!("{rate:.0}"),
        rate => format!("{rate:.1}"),
    }
}

fn spark(activity: Option<&TargetActivity>) -> Markup {
    let Some(TargetActivity { history, .. }) = activity else {
        return html! { span.soft { "nothing" } };
    };
    let pairs = history.delivered.iter().zip(&history.failed);
    let drawn: Vec<Bar> = pairs
        .map(|(good, bad)| Bar {
            good: *good,
            bad: *bad,
        })
        .collect();
    let sum = |counts: &[u32]| counts.iter().map(|count| u64::from(*count)).sum::<u64>();
    let told = format!(
        "In the last 3 hours {} delivered, {} attempts failed, {} planned",
        sum(&history.delivered),
        sum(&history.failed),
        sum(&history.planned)
    );
    bars(&drawn, &told)
}

/// One target.
pub(in crate::admin) async fn one(ask: Ask<'_>) -> Answer {
    caught_up(ask.admin).await;
    let name = ask.admin.target(&named(&ask)).await?;
    let targets = all_targets(ask.admin).await?;
    let target = targets.iter().find(|target| target.summary.target == name);
    let target = target.ok_or_else(|| Refusal::missing(format!("no target named `{name}`")))?;
    let activity = ask.admin.store.activity(Some(name.clone())).await?;
    let activity = activity.get(&name);
    let of_target = |fate| DeliveryQuery {
        target: Some(name.to_string()),
        fate: Some(fate),
        limit: DEAD,
        ..DeliveryQuery::default()
    };
    let dead = match target.summary.count(Fate::Dead) {
        0 => Vec::new(),
        _ => ask.admin.store.deliveries(of_target(Fate::Dead)).await?,
    };
    let tested = tested(&ask, &name).await?;
    let steering = match ask.visitor.may(Scope::Steer) {
        true => Some(steering(&ask, target).await?),
        false => None,
    };
    let main = html! {
        h1 { "Target " bdi { (name) } }
        (tested)
        section.card { (facts(target, activity, ask.admin.clock.now())) }
        @if let Some(steering) = steering { (steering) }
        (failures(activity))
        (dead_ones(&dead, target))
    };
    shell::page(&ask, Some(Tab::Targets), name.as_str(), main).await
}

fn facts(target: &Target, activity: Option<&TargetActivity>, now: Timestamp) -> Markup {
    let summary = &target.summary;
    let found = |fate: Fate| {
        let name = summary.target.as_str();
        address("/search", &[("target", name), ("fate", fate.as_str())])
    };
    html! {
        p { (state(target))
            @match &summary.state {
                TargetState::Running => {}
                TargetState::Paused { since } => { " by hand, since " (parts::time(*since)) }
                TargetState::Held { since, reason } => { " since " (parts::time(*since)) ": " bdi { (reason) } }
            }
        }
        dl.facts {
            div { dt { "Waiting" } dd { (waiting(target)) } }
            @if let Some(oldest) = summary.oldest_undelivered { div { dt { "Oldest of them" } dd { (ago(now, oldest)) } } }
            div { dt { "Delivered a minute" } dd { (per_minute(activity)) } }
            @for (fate, count) in &summary.fates { div { dt { (parts::fate(*fate)) } dd { a href=(found(*fate)) { (count) } } } }
        }
        div.wide { (spark(activity)) }
        p.soft { "Delivered and failed attempts of the last 3 hours, in steps of 5 minutes." }
    }
}

async fn steering(ask: &Ask<'_>, target: &Target) -> Result<Markup, Refusal> {
    let at = at(&target.summary.target);
    let cameras = CameraQuery {
        limit: SUGGESTED,
        ..CameraQuery::default()
    };
    let cameras = ask.admin.store.cameras(cameras).await?;
    let names: Vec<&str> = cameras
        .iter()
        .filter_map(|camera| camera.camera.as_deref())
        .collect();
    Ok(html! {
        section.card aria-labelledby="steer" {
            h2 id="steer" { "Steer" }
            @match &target.summary.state {
                TargetState::Running => {
                    p { (parts::button(ask, &format!("{at}/pause"), "Pause", &[])) " Nothing is sent; what is planned waits." }
                }
                TargetState::Paused { .. } | TargetState::Held { .. } => {
                    p { (parts::button(ask, &format!("{at}/resume"), "Resume", &[])) " What waits is sent now." }
                }
            }
            form method="post" action={ (at) "/test" } {
                (parts::token(ask))
                div.fields {
                    div {
                        label for="camera" { "Test event as camera" }
                        input id="camera" name="camera" list="cameras" autocomplete="off" placeholder="camhook-test"
                            aria-describedby="test-help";
                        datalist id="cameras" { @for name in names { option value=(name) {} } }
                    }
                    div { button { "Send a test event" } }
                }
                p.soft id="test-help" {
                    "A real delivery of a sample event with the plate TEST123 to this target alone, through the steps of the first route that
                     leads to it. The event's tags and its source say " code { "camhook-test" } "."
                }
            }
        }
    })
}

fn failures(activity: Option<&TargetActivity>) -> Markup {
    let failures = activity
        .map(|activity| activity.failures.as_slice())
        .unwrap_or_default();
    html! {
        h2 { "Last errors" }
        @if failures.is_empty() { p { "No attempt failed in the last 6 hours." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Last errors" {
                table {
                    caption { "The last attempts that failed, one for each minute" }
                    thead { tr {
                        th scope="col" { "When" }
                        th scope="col" { "Status" }
                        th scope="col" { "Error" }
                        th scope="col" { "What it answered" }
                    } }
                    tbody { @for failing in failures { tr {
                        td { a href={ "/events/" (failing.event) } { (parts::time(failing.at)) } }
                        td { @if let Some(status) = failing.status { (status) } }
                        td { @if let Some(error) = &failing.error { bdi { (error) } } }
                        td { @if let Some(excerpt) = &failing.excerpt { code { bdi { (excerpt) } } } }
                    } } }
                }
            }
        }
    }
}

fn dead_ones(dead: &[Delivery], target: &Target) -> Markup {
    html! {
        @if !dead.is_empty() {
            h2 { "Dead" }
            p { (target.summary.count(Fate::Dead)) " are not tried any more. "
                a href=(undelivered(&target.summary.target)) { "Look at them by reason, and send them again" } }
            div.scroll tabindex="0" role="region" aria-label="Dead deliveries" {
                table {
                    caption { "The newest dead deliveries" }
                    thead { tr { th scope="col" { "Event" } th scope="col" { "Route" } th.number scope="col" { "Attempts" } th scope="col" { "Last error" } } }
                    tbody { @for delivery in dead { tr {
                        td { a href={ "/events/" (delivery.event) } { (delivery.event) } }
                        td { bdi { (delivery.route) } }
                        td.number { (delivery.attempts.len()) }
                        td { @if let Some(error) = delivery.attempts.last().and_then(|attempt| attempt.error.as_deref()) { bdi { (error) } } }
                    } } }
                }
            }
        }
    }
}

/// What came of the test event that was sent from this page.
async fn tested(ask: &Ask<'_>, name: &Name) -> Result<Markup, Refusal> {
    if let Some(why) = parameter(ask, "failed") {
        return Ok(html! { p.told role="alert" { "No test event was sent: " bdi { (why) } } });
    }
    let Some(id) = parameter(ask, "test").and_then(|id| EventId::from_str(&id).ok()) else {
        return Ok(html! {});
    };
    let of_event = DeliveryQuery {
        event: Some(id),
        target: Some(name.to_string()),
        limit: 1,
        ..DeliveryQuery::default()
    };
    let deliveries = ask.admin.store.deliveries(of_event).await?;
    let Some(delivery) = deliveries.first() else {
        return Ok(html! { p.told { "The test event is no longer kept." } });
    };
    let last = delivery.attempts.last();
    let error = last.and_then(|last| last.error.as_deref());
    let again = address(&at(name), &[("test", &id.to_string())]);
    Ok(html! {
        div.card role="status" {
            p { "The " a href={ "/events/" (id) } { "test event" } " is " (parts::fate(delivery.fate)) "."
                @if let Some(Attempt { status: Some(status), ms, .. }) = last { " The target answered " (status) " after " (ms) " ms." }
            }
            @if let Some(error) = error { p.told { bdi { (error) } } }
            @if matches!(delivery.fate, Fate::Pending | Fate::Held) {
                p { @if last.is_none() { "It was not tried yet. " } a href=(again) { "Look again" } }
            }
        }
    })
}

pub(in crate::admin) async fn pause(ask: Ask<'_>) -> Answer {
    let since = ask.admin.clock.now();
    turn(ask, TargetState::Paused { since }).await
}

pub(in crate::admin) async fn resume(ask: Ask<'_>) -> Answer {
    turn(ask, TargetState::Running).await
}

async fn turn(ask: Ask<'_>, state: TargetState) -> Answer {
    let name = ask.admin.target(&named(&ask)).await?;
    ask.admin.store.set_target_state(&name, state).await?;
    Ok(see(&at(&name)))
}

pub(in crate::admin) async fn test(ask: Ask<'_>) -> Answer {
    let name = ask.admin.target(&named(&ask)).await?;
    let fields = fields(&ask);
    let camera = fields.get("camera").map(|camera| camera.trim());
    let sent = ask.admin.planner.test(&name, camera).await;
    let sent = or_told(sent.map_err(Refusal::from))?;
    let (parameter, value) = match sent {
        Ok(event) => ("test", event.to_string()),
        Err(why) => ("failed", why),
    };
    Ok(see(&address(&at(&name), &[(parameter, &value)])))
}
