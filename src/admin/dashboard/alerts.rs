//! Alerts: what is wrong with what surrounds camhook, since when, and what to do about it.

use jiff::Timestamp;
use maud::{Markup, html};

use super::parts;
use super::shell::{self, Tab};
use crate::admin::api::Answer;
use crate::admin::table::Ask;
use crate::alerts::Alert;

pub(super) const PATH: &str = "/alerts";

pub(in crate::admin) async fn page(ask: Ask<'_>) -> Answer {
    let (alerts, now) = (ask.admin.planner.alerts(), ask.admin.clock.now());
    let main = html! {
        h1 { "Alerts" }
        p.soft {
            "Each is an event, too: a route with " code { "from: [camhook]" } " sends it on, as mail or to a phone. "
            "When one begins is set under " code { "alerts" } " in routes.yaml."
        }
        @if alerts.is_empty() {
            (parts::nothing("Nothing is wrong", "camhook looks every half minute at targets, cameras, disks and certificates."))
        }
        @for alert in alerts.iter() { (one(alert, now)) }
    };
    shell::page(&ask, Some(Tab::Alerts), "Alerts", main).await
}

fn one(alert: &Alert, now: Timestamp) -> Markup {
    html! {
        section.card {
            h2 { (alert.message(now)) }
            p { (alert.advice()) }
            p.soft {
                code { (alert.alert.as_str()) } " since " (parts::time(alert.since))
                @if let Some(event) = alert.event { " · " a href={ "/events/" (event) } { "its event" } }
            }
        }
    }
}
