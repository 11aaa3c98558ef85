//! Deliveries that are not delivered, as rows of a table: picture, plate, camera, time, target, reason.

use maud::{Markup, html};

use super::parts;
use super::reading::{Read, Reading};
use crate::admin::Refusal;
use crate::admin::table::Ask;
use crate::event::{Event, Item, Role};
use crate::store::Undelivered;

/// What a row shows of its event.
pub(super) struct Seen {
    /// The number of its picture.
    picture: Option<usize>,
    plates: Vec<String>,
}

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

/// Of an event that is not seen, its plates are told as they are compared.
pub(super) fn cells(row: &Undelivered, seen: Option<&Seen>) -> Markup {
    let delivery = &row.delivery;
    let plates = seen.map_or(&row.plates, |seen| &seen.plates);
    let tried = delivery.attempts.len();
    html! {
        td {
            @match seen.map(|seen| seen.picture) {
                Some(Some(n)) => img.thumb src={ "/api/v1/events/" (delivery.event) "/images/" (n) } alt="" loading="lazy";,
                Some(None) => span.soft { "none" },
                None => span.soft { "not shown" },
            }
        }
        td {
            @for text in plates { (parts::plate(text)) " " }
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

fn plates(event: &Event, item: Option<Item>) -> Vec<String> {
    let of = |n: usize| event.plates.get(n).and_then(|plate| plate.text.clone());
    match item {
        Some(Item::Plate(n)) => of(n).into_iter().collect(),
        _ => (0..event.plates.len()).filter_map(of).collect(),
    }
}

/// Each with what is shown of its event, if that can be read.
pub(super) async fn with_events<'a>(
    ask: &Ask<'_>,
    rows: &'a [Undelivered],
) -> Result<Vec<(&'a Undelivered, Option<Seen>)>, Refusal> {
    let mut reading = Reading::of(&ask.admin.store);
    let mut shown = Vec::with_capacity(rows.len());
    for row in rows {
        let item = row.delivery.item;
        let seen = match reading.event(row.delivery.event).await? {
            Read::Kept(kept) => Some(Seen {
                picture: picture(&kept.event, item),
                plates: plates(&kept.event, item),
            }),
            Read::Unseen(_) | Read::Gone => None,
        };
        shown.push((row, seen));
    }
    Ok(shown)
}
