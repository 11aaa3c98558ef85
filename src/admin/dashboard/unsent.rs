//! Deliveries that are not delivered, as rows of a table: picture, plate, camera, time, target, reason.

use maud::{Markup, html};

use super::parts;
use crate::admin::Refusal;
use crate::admin::table::Ask;
use crate::event::{Event, Item, Role};
use crate::store::{Kept, StoreError, Undelivered};

/// For those who hear the page: which one it is.
pub(super) fn named(row: &Undelivered) -> String {
    let what = match row.plates.is_empty() {
        true => row.camera.clone().unwrap_or_default(),
        false => row.plates.join(" "),
    };
    format!("{what} to {}", row.delivery.target)
}

pub(super) fn columns() -> Markup {
    html! {
        th scope="col" { "Picture" } th scope="col" { "Plate" } th scope="col" { "Camera" } th scope="col" { "Received" }
        th scope="col" { "To" } th scope="col" { "Why not" }
    }
}

pub(super) fn cells(row: &Undelivered, kept: Option<&Kept>) -> Markup {
    let delivery = &row.delivery;
    let event = kept.map(|kept| &*kept.event);
    let picture = event.and_then(|event| picture(event, delivery.item));
    let plates = event.map_or_else(Vec::new, |event| plates(event, delivery.item));
    let tried = delivery.attempts.len();
    html! {
        td {
            @match picture {
                Some(n) => img.thumb src={ "/api/v1/events/" (delivery.event) "/images/" (n) } alt="" loading="lazy";,
                None => span.soft { "none" },
            }
        }
        td {
            @for text in &plates { (parts::plate(text)) " " }
            @if plates.is_empty() { span.soft { "none" } }
        }
        td { @if let Some(camera) = &row.camera { (camera) } }
        td { (parts::time(row.received_at)) }
        td { (delivery.target) br; span.soft { "route " (delivery.route) } }
        td {
            (parts::fate(delivery.fate)) " "
            @match delivery.attempts.last().and_then(|last| last.error.as_deref()) {
                Some(error) => (error),
                None => (row.reason),
            }
            @if tried > 0 { br; span.soft { (tried) @if tried == 1 { " attempt" } @else { " attempts" } } }
        }
    }
}

/// The small picture that tells most: of the item, or else of the event.
fn picture(event: &Event, item: Option<Item>) -> Option<usize> {
    let liked = [Role::PLATE, Role::FACE, Role::THUMBNAIL, Role::VEHICLE];
    let there = || {
        let pictures = event.images.iter().enumerate();
        pictures.filter(|(_, picture)| picture.bytes().is_some())
    };
    let best = there().min_by_key(|(_, picture)| {
        let of_another = item.is_some() && picture.item.is_some() && picture.item != item;
        let rank = liked.iter().position(|role| picture.role == *role);
        (of_another, rank.unwrap_or(liked.len()))
    });
    best.map(|(n, _)| n)
}

fn plates(event: &Event, item: Option<Item>) -> Vec<&str> {
    let of = |n: usize| event.plates.get(n).and_then(|plate| plate.text.as_deref());
    match item {
        Some(Item::Plate(n)) => of(n).into_iter().collect(),
        _ => (0..event.plates.len()).filter_map(of).collect(),
    }
}

/// Each with its event, if that can be read.
pub(super) async fn with_events<'a>(
    ask: &Ask<'_>,
    rows: &'a [Undelivered],
) -> Result<Vec<(&'a Undelivered, Option<Kept>)>, Refusal> {
    let mut shown = Vec::with_capacity(rows.len());
    for row in rows {
        let kept = match ask.admin.store.event(row.delivery.event).await {
            Ok(kept) => Some(kept),
            Err(StoreError::Unknown { .. } | StoreError::Damaged(_)) => None,
            Err(error) => return Err(error.into()),
        };
        shown.push((row, kept));
    }
    Ok(shown)
}
