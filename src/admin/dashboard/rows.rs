//! One event as a row of a list: what is to be seen, what it is, and where it went.

use maud::{Markup, html};

use super::parts;
use super::reading::{Read, Reading};
use crate::admin::{Admin, Refusal};
use crate::event::{Event, EventId, Score};
use crate::fate::{Delivery, Fate};
use crate::store::Kept;

/// Of one event, so many deliveries are told.
const DELIVERIES_MAX: usize = 20;
/// Of one event, so many plates, faces and objects.
const ITEMS_MAX: usize = 4;

/// These events, as far as they are still kept, in that order, each as an item of a list.
///
/// Nothing but the item stays: events are large, and many look at many of them.
pub(super) async fn load(admin: &Admin, ids: Vec<EventId>) -> Result<Vec<Markup>, Refusal> {
    let mut reading = Reading::of(&admin.store);
    let mut rows = Vec::with_capacity(ids.len());
    for (id, deliveries) in admin.store.deliveries_of(ids, DELIVERIES_MAX).await? {
        match reading.event(id).await? {
            Read::Kept(kept) => rows.push(row(id, Ok(&kept), &deliveries)),
            Read::Unseen(why) => rows.push(row(id, Err(&why), &deliveries)),
            Read::Gone => {}
        }
    }
    Ok(rows)
}

/// An event, or why it cannot be seen, and its deliveries.
fn row(id: EventId, kept: Result<&Kept, &str>, deliveries: &[Delivery]) -> Markup {
    let href = format!("/events/{id}");
    html! {
        li.event.card id={ "e-" (id) } data-event=(id) {
            @match kept {
                Err(why) => div.about { a href=(href) { "Event " (id) } p.told { (why) } },
                Ok(kept) => {
                    (shot(&kept.event, &href))
                    div.about {
                        p.what { a href=(href) { (title(&kept.event)) } }
                        p.soft {
                            (parts::time(kept.event.received_at)) " · "
                            (kept.event.camera.name.as_deref().or(kept.event.camera.id.as_deref()).unwrap_or("unknown camera"))
                            " · " (kept.event.source)
                        }
                    }
                    div.went { (went(kept, deliveries)) }
                }
            }
        }
    }
}

fn shot(event: &Event, href: &str) -> Markup {
    html! {
        a.shot href=(href) tabindex="-1" aria-hidden="true" {
            @match thumbnail(event) {
                Some(thumbnail) => img src=(thumbnail) alt="" loading="lazy";,
                None => span { "no picture" },
            }
        }
    }
}

/// The address of what the event is known by, if it has any picture.
pub(super) fn thumbnail(event: &Event) -> Option<String> {
    let mut kept = event.images.iter();
    let has_pictures = kept.any(|picture| picture.bytes().is_some());
    has_pictures.then(|| format!("/api/v1/events/{}/thumbnail", event.id))
}

/// What an event is about: its plates, or whatever else it tells.
pub(super) fn title(event: &Event) -> Markup {
    let plates = event.plates.iter().take(ITEMS_MAX);
    let plates: Vec<_> = plates
        .filter_map(|plate| Some((plate.text.as_deref()?, plate.score)))
        .collect();
    html! {
        @if plates.is_empty() { span.kind { (event.kind.as_str().replace('_', " ")) } (about(event)) }
        @for (n, (text, score)) in plates.iter().enumerate() {
            @if n > 0 { " " }
            (parts::plate(text))
            @if let Some(score) = score { " " span.score { (percent(*score)) } }
        }
        @if event.plates.len() > ITEMS_MAX { " and " (event.plates.len() - ITEMS_MAX) " more" }
    }
}

fn about(event: &Event) -> Markup {
    let people = event.faces.iter().filter_map(|face| face.person.as_ref());
    let people = people.filter_map(|person| person.name.as_deref().or(person.id.as_deref()));
    let things = event
        .objects
        .iter()
        .filter_map(|object| object.class.as_deref());
    let status = event
        .status
        .as_ref()
        .and_then(|status| status.name.as_deref());
    let all: Vec<&str> = people.chain(things).chain(status).take(ITEMS_MAX).collect();
    html! { @if !all.is_empty() { ": " (all.join(", ")) } }
}

pub(super) fn percent(score: Score) -> String {
    format!("{:.0} %", score.fraction() * 100.0)
}

/// Where it went, or why not.
fn went(kept: &Kept, deliveries: &[Delivery]) -> Markup {
    let filtered = kept.plan.routes.iter().filter_map(|choice| {
        let by = choice.filtered_by.as_deref()?;
        Some((&choice.route, by))
    });
    html! {
        ul {
            @for delivery in deliveries {
                li {
                    (delivery.target)
                    @if let Some(item) = delivery.item { " " span.soft { (item) } }
                    " " (parts::fate(delivery.fate)) (tries(delivery))
                }
            }
            @if deliveries.len() == DELIVERIES_MAX { li { "and others" } }
            @for (route, by) in filtered { li.soft { "not by " (route) ": " code { (by) } } }
            @if kept.plan.routes.is_empty() { li.soft { "no route takes it" } }
        }
    }
}

fn tries(delivery: &Delivery) -> Markup {
    let open = matches!(delivery.fate, Fate::Pending | Fate::Held | Fate::Dead);
    let tried = delivery.attempts.len();
    html! { @if open && tried > 0 { " " span.soft { "tried " (tried) (if tried == 1 { " time" } else { " times" }) } } }
}
