//! The page of one event: its pictures with boxes, what it says, why each route took it or not, and what became of it.

use std::fmt::Write;

use maud::{Markup, html};
use serde_json::Value;

use super::forms::{field, see};
use super::shell::{self, Tab};
use super::{boxes, parts, rows};
use crate::admin::Refusal;
use crate::admin::api::{Answer, caught_up, event_id};
use crate::admin::settings::Scope;
use crate::admin::table::Ask;
use crate::event::{Event, EventId, Item};
use crate::fate::{Delivery, Fate, Joined};
use crate::name::Name;
use crate::store::{DeliveryQuery, Kept, RetryQuery};

/// Deliveries that are told.
const DELIVERIES_MAX: usize = 200;
/// Pictures, and items cut out of them.
const PICTURES_MAX: usize = 30;
/// Letters of a document; the whole of it is a link away.
const TEXT_MAX: usize = 64 << 10;

pub(in crate::admin) async fn page(ask: Ask<'_>) -> Answer {
    let (store, id) = (&ask.admin.store, event_id(ask.part(0))?);
    caught_up(ask.admin).await;
    let kept = store.event(id).await?;
    let joined = store.joined(id).await?;
    let deliveries = DeliveryQuery {
        event: Some(id),
        limit: DELIVERIES_MAX,
        ..DeliveryQuery::default()
    };
    let mut deliveries = store.deliveries(deliveries).await?;
    deliveries.reverse();
    let story = ask.admin.planner.story(id).await?;
    let event = &kept.event;
    let main = html! {
        h1 { (rows::title(event)) }
        (facts(event))
        (pictures(event))
        (routes(&kept))
        (became(&ask, id, &deliveries))
        (parts_of(id, &joined))
        (now(&story))
        (documents(event))
    };
    shell::page(&ask, Some(Tab::Live), &headline(event), main).await
}

fn headline(event: &Event) -> String {
    let plate = event.plates.iter().find_map(|plate| plate.text.clone());
    plate.unwrap_or_else(|| format!("Event: {}", event.kind.as_str()))
}

fn facts(event: &Event) -> Markup {
    let camera = &event.camera;
    let told = [
        ("Camera", camera.name.as_deref().or(camera.id.as_deref())),
        (
            "Camera's id",
            camera.id.as_deref().filter(|_| camera.name.is_some()),
        ),
        ("Source", Some(event.source.as_str())),
        ("Vendor", Some(event.vendor.as_str())),
        ("Kind", Some(event.kind.as_str())),
        ("The vendor's word", event.vendor_kind.as_deref()),
        ("The vendor's id", event.vendor_id.as_deref()),
    ];
    html! {
        dl.facts.card {
            div { dt { "Received" } dd { (parts::time(event.received_at)) } }
            div { dt { "Captured" } dd { (parts::time(event.occurred_at.instant())) } }
            @for (name, value) in told {
                @if let Some(value) = value { div { dt { (name) } dd { (value) } } }
            }
            @for mended in &event.repaired { div { dt { "Mended" } dd { (mended) } } }
            div { dt { "Id" } dd { code { (event.id) } } }
        }
    }
}

fn pictures(event: &Event) -> Markup {
    let items = (0..event.plates.len()).map(Item::Plate);
    let items = items.chain((0..event.faces.len()).map(Item::Face));
    let has_own = |item: &Item| {
        event
            .images
            .iter()
            .any(|picture| picture.item == Some(*item))
    };
    let is_whole = event.images.iter().any(|picture| picture.bytes().is_some());
    let cut = items.filter(|item| is_whole && has_box(event, *item) && !has_own(item));
    html! {
        section aria-labelledby="pictures" {
            h2 id="pictures" { "Pictures" }
            @if event.images.is_empty() {
                p.soft {
                    @match event.removed_by() {
                        Some(rule) => { "No longer kept: removed by " (rule) }
                        None => "It came without pictures",
                    }
                    "."
                }
            }
            div.pictures {
                @for (n, picture) in event.images.iter().enumerate().take(PICTURES_MAX) {
                    figure {
                        @if picture.bytes().is_some() {
                            div.picture {
                                img src={ "/api/v1/events/" (event.id) "/images/" (n) } alt={ "The " (picture.role) " as it was sent" } loading="lazy";
                                @if let Some(size) = picture.size() { (boxes::overlay(event, picture, size)) }
                            }
                        } @else { p.soft { "Known by its address, not fetched yet" } }
                        figcaption {
                            (picture.role)
                            @if let Some(item) = picture.item { " of " (item) }
                            @if let Some(size) = picture.size() { span.soft { ", " (size.width) " × " (size.height) } }
                        }
                    }
                }
                @for item in cut.take(PICTURES_MAX) {
                    figure {
                        div.picture { img src={ "/api/v1/events/" (event.id) "/crops/" (item.to_string().replace('/', "-")) } alt={ (item) ", cut out by its box" } loading="lazy"; }
                        figcaption { (item) span.soft { ", cut out by its box" } }
                    }
                }
            }
        }
    }
}

fn has_box(event: &Event, item: Item) -> bool {
    match item {
        Item::Plate(n) => event
            .plates
            .get(n)
            .is_some_and(|plate| plate.area.is_some()),
        Item::Face(n) => event.faces.get(n).is_some_and(|face| face.area.is_some()),
        Item::Object(n) => event
            .objects
            .get(n)
            .is_some_and(|object| object.area.is_some()),
    }
}

fn routes(kept: &Kept) -> Markup {
    html! {
        section aria-labelledby="routes" {
            h2 id="routes" { "Routes, when it came" }
            @if kept.plan.routes.is_empty() { p.soft { "No route takes events of this source." } }
            ul {
                @for choice in &kept.plan.routes {
                    li {
                        strong { (choice.route) } ": "
                        @match &choice.filtered_by {
                            None => "planned",
                            Some(condition) => { "filtered by " code { (condition) } }
                        }
                        @if !choice.left_out.is_empty() {
                            ul { @for left in &choice.left_out { li { (left.item) " left out: " (left.reason) } } }
                        }
                    }
                }
            }
        }
    }
}

fn became(ask: &Ask<'_>, id: EventId, deliveries: &[Delivery]) -> Markup {
    let may = ask.visitor.may(Scope::Steer);
    let is_stuck = |delivery: &Delivery| matches!(delivery.fate, Fate::Dead | Fate::Held);
    html! {
        section aria-labelledby="deliveries" {
            h2 id="deliveries" { "Deliveries" }
            @if may {
                div.actions {
                    @if deliveries.iter().any(is_stuck) { (parts::button(ask, &format!("/events/{id}/retry"), "Try again what failed", &[])) }
                    (parts::button(ask, &format!("/events/{id}/replay"), "Replay: plan it anew through today's routes", &[]))
                }
            }
            @if deliveries.is_empty() { p.soft { "There are none." } }
            @for delivery in deliveries {
                div.card id={ "d-" (delivery.id) } {
                    h3 {
                        (delivery.target)
                        @if let Some(item) = delivery.item { " " span.soft { (item) } }
                        " " (parts::fate(delivery.fate))
                    }
                    p.soft {
                        "route " (delivery.route)
                        @if let Some(due) = delivery.due { ", due " (parts::time(due)) }
                        ", id " code { (delivery.id) }
                    }
                    (attempts(delivery))
                    @if may && is_stuck(delivery) {
                        (parts::button(ask, &format!("/events/{id}/retry"), "Try again", &[("delivery", &delivery.id.to_string())]))
                    }
                }
            }
        }
    }
}

fn attempts(delivery: &Delivery) -> Markup {
    html! {
        @if delivery.attempts.is_empty() { p { "Not tried yet." } }
        @else {
            div.scroll tabindex="0" {
                table {
                    caption { "Attempts" }
                    thead { tr { th scope="col" { "When" } th scope="col" { "Status" } th.number scope="col" { "ms" } th scope="col" { "Answer" } } }
                    tbody {
                        @for attempt in &delivery.attempts {
                            tr {
                                td { (parts::time(attempt.at)) }
                                td { @match attempt.status { Some(status) => (status), None => "none" } }
                                td.number { (attempt.ms) }
                                td {
                                    @if let Some(error) = &attempt.error { (error) }
                                    @if let Some(excerpt) = &attempt.excerpt { pre.excerpt { (excerpt) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn parts_of(id: EventId, joined: &[Joined]) -> Markup {
    html! {
        @if !joined.is_empty() {
            section aria-labelledby="joined" {
                h2 id="joined" { "Delivered together" }
                ul {
                    @for one in joined.iter().take(PICTURES_MAX) {
                        li {
                            @if one.into == id {
                                a href={ "/events/" (one.part.id) } { (one.part.text.as_deref().unwrap_or("an event")) }
                                " of " (one.part.camera.as_deref().unwrap_or("unknown camera")) ", " (parts::time(one.part.occurred_at.instant()))
                                " became a part of this"
                            } @else { "It became a part of " a href={ "/events/" (one.into) } { "another event" } }
                            span.soft { " (" (one.route) ": " (one.why) ")" }
                        }
                    }
                }
            }
        }
    }
}

/// What would be sent if it came now.
fn now(story: &[Value]) -> Markup {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    html! {
        section aria-labelledby="now" {
            h2 id="now" { "What would be sent now" }
            p.soft { "By today's routes, steps and targets; nothing is sent by looking. Secrets are stars." }
            @if story.is_empty() { p.soft { "No route of today takes it." } }
            @for route in story {
                h3 { (text(&route["route"])) }
                @if route["outcome"] == "filtered" { p { "Filtered by " code { (text(&route["condition"])) } } }
                @for delivery in list(&route["deliveries"]) {
                    details {
                        summary {
                            (text(&delivery["target"])) " " span.soft { (text(&delivery["item"])) } ": "
                            @match delivery["outcome"].as_str() {
                                Some("send") => "would be sent",
                                Some("dead") => { "could not be made: " (text(&delivery["reason"])) }
                                _ => { "filtered: " (text(&delivery["reason"])) }
                            }
                        }
                        ul {
                            @for step in list(&delivery["steps"]) {
                                li { "step " (text(&step["step"])) @for note in list(&step["notes"]) { "; " (text(&note)) } }
                            }
                        }
                        pre tabindex="0" { (text(&delivery["text"])) }
                    }
                }
            }
        }
    }
}

fn documents(event: &Event) -> Markup {
    let mut neutral = event.to_json();
    neutral["raw"] = Value::String("below, as the vendor's document".to_owned());
    let vendors = match event.raw.text().len() <= 4 * TEXT_MAX {
        true => pretty(&event.raw.to_json()),
        false => String::from_utf8_lossy(&event.raw.text()[..TEXT_MAX]).into_owned(),
    };
    html! {
        section aria-labelledby="documents" {
            h2 id="documents" { "Documents" }
            details { summary { "The event in neutral form" } pre tabindex="0" { (cut(pretty(&neutral))) } }
            details { summary { "The vendor's document" } pre tabindex="0" { (cut(vendors)) } }
            ul {
                li { a href={ "/api/v1/events/" (event.id) } { "All of it as JSON" } }
                @if event.removed_by().is_none() {
                    li { a href={ "/api/v1/events/" (event.id) "/original" } download={ (event.id) ".bin" } { "The request's body as it came" } }
                }
            }
        }
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn cut(mut text: String) -> String {
    if text.len() > TEXT_MAX {
        let end = text.floor_char_boundary(TEXT_MAX);
        text.truncate(end);
        let _ = write!(text, "\n… and more: see the links below");
    }
    text
}

/// Makes what failed of one event due again, or one delivery of it.
pub(in crate::admin) async fn retry(ask: Ask<'_>) -> Answer {
    let (store, id) = (&ask.admin.store, event_id(ask.part(0))?);
    let only = field(&ask, "delivery");
    let query = DeliveryQuery {
        event: Some(id),
        ..DeliveryQuery::default()
    };
    let deliveries = store.deliveries(query).await?.into_iter();
    let stuck = deliveries.filter(|delivery| {
        matches!(delivery.fate, Fate::Dead | Fate::Held)
            && only
                .as_ref()
                .is_none_or(|only| *only == delivery.id.to_string())
    });
    let ids: Vec<_> = stuck.map(|delivery| delivery.id).collect();
    if !ids.is_empty() {
        store.retry(RetryQuery::Ids(ids)).await?;
    }
    Ok(back(id))
}

/// Plans one event anew.
pub(in crate::admin) async fn replay(ask: Ask<'_>) -> Answer {
    let id = event_id(ask.part(0))?;
    let to = field(&ask, "to").map(|name| Name::new(&name)).transpose();
    let to = to.map_err(|error| Refusal::bad(error.to_string()))?;
    ask.admin.planner.replay(id, to.as_ref()).await?;
    Ok(back(id))
}

fn back(id: EventId) -> http::Response<crate::admin::body::Body> {
    see(&format!("/events/{id}#deliveries"))
}
