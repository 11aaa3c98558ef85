//! Search: events by plate, camera, time, kind and fate, in pages, and all of it as CSV.

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, HeaderValue};
use maud::{Markup, html};

use super::forms::{address, parameter};
use super::parts;
use super::rows::thumbnail;
use super::shell::{self, Tab};
use crate::admin::Refusal;
use crate::admin::answers::turned;
use crate::admin::api::{Answer, all_targets, caught_up};
use crate::admin::body::Pieces;
use crate::admin::pages;
use crate::admin::question::Parameters;
use crate::admin::table::Ask;
use crate::event::Kind;
use crate::fate::{Delivery, Fate};
use crate::store::{DeliveryQuery, EventQuery, Found, FoundEvent, Store, StoreError};

/// Rows of a page, and of an event's deliveries that are told.
const ROWS: usize = 50;
const DELIVERIES: usize = 12;
/// Bytes of events that are read for the sake of their pictures.
const READ_MAX: usize = 16 << 20;
/// Lines of one CSV, and those that are made at once.
const CSV_ROWS: usize = 100_000;
const CSV_AT_ONCE: usize = 1_000;
/// Cameras that the field suggests.
const SUGGESTED: usize = 200;

pub(in crate::admin) async fn page(ask: Ask<'_>) -> Answer {
    caught_up(ask.admin).await;
    let (found, wrong) = match question(&ask) {
        Ok(mut query) => {
            query.limit = ROWS;
            (ask.admin.store.search(query).await?, None)
        }
        Err(refusal) => (Found::default(), Some(refusal.reason)),
    };
    let form = form(&ask).await?;
    let main = html! {
        h1 { "Search" }
        (form)
        @if let Some(wrong) = &wrong {
            p.told role="alert" { "This could not be searched: " (wrong) }
        } @else {
            (results(&ask, &found).await?)
        }
    };
    shell::page(&ask, Some(Tab::Search), "Search", main).await
}

/// The question, with times as browsers' forms write them.
fn question(ask: &Ask<'_>) -> Result<EventQuery, Refusal> {
    let query = ask.request.uri().query().unwrap_or_default();
    let mut written = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let is_time = matches!(&*name, "since" | "until");
        let is_local = is_time
            && value.parse::<jiff::civil::DateTime>().is_ok()
            && !value.ends_with(['Z', 'z']);
        match is_local && value.parse::<jiff::Timestamp>().is_err() {
            true => written.append_pair(&name, &format!("{value}Z")),
            false => written.append_pair(&name, &value),
        };
    }
    Parameters::of_form(Some(&written.finish())).read()
}

async fn form(ask: &Ask<'_>) -> Result<Markup, Refusal> {
    let value = |name: &str| parameter(ask, name).unwrap_or_default();
    let cameras = crate::store::CameraQuery {
        limit: SUGGESTED,
        ..crate::store::CameraQuery::default()
    };
    let cameras = ask.admin.store.cameras(cameras).await?;
    let sources = ask.admin.planner.sources();
    let sources: Vec<String> = sources.iter().map(|(name, _)| name.to_string()).collect();
    let targets = all_targets(ask.admin).await?;
    let targets: Vec<String> = targets
        .iter()
        .map(|target| target.summary.target.to_string())
        .collect();
    let kinds: Vec<String> = Kind::ALL
        .iter()
        .map(|kind| kind.as_str().to_owned())
        .collect();
    let fates: Vec<String> = Fate::ALL
        .iter()
        .map(|fate| fate.as_str().to_owned())
        .collect();
    Ok(html! {
        form.card action="/search" method="get" role="search" {
            div.fields {
                div {
                    label for="plate" { "Plate" }
                    input id="plate" name="plate" value=(value("plate")) autocapitalize="characters" autocomplete="off"
                        aria-describedby="plate-help";
                }
                div {
                    label for="camera" { "Camera" }
                    input id="camera" name="camera" value=(value("camera")) list="cameras" autocomplete="off";
                    datalist id="cameras" {
                        @for camera in cameras.iter().filter_map(|camera| camera.camera.as_deref()) { option value=(camera) {} }
                    }
                }
                (choice("kind", "Kind", &kinds, &value("kind")))
                (choice("source", "Source", &sources, &value("source")))
                (choice("target", "Target", &targets, &value("target")))
                (choice("fate", "What became of it", &fates, &value("fate")))
                div {
                    label for="since" { "From (UTC)" }
                    input id="since" name="since" type="datetime-local" value=(local(&value("since")));
                }
                div {
                    label for="until" { "Until (UTC)" }
                    input id="until" name="until" type="datetime-local" value=(local(&value("until")));
                }
                @if !value("route").is_empty() { input type="hidden" name="route" value=(value("route")); }
                div { button { "Search" } }
                div { a href="/search" { "Clear" } }
            }
            p.soft id="plate-help" {
                code { "*" } " stands for any letters, " code { "?" } " for one: " code { "AB1*" } ", " code { "*123" } ", "
                code { "A?1*" } ". Blanks, dashes and case do not matter."
            }
        }
    })
}

/// As the field writes it.
fn local(value: &str) -> String {
    let shown = value.trim_end_matches(['Z', 'z']);
    let is_moment = shown.parse::<jiff::civil::DateTime>().is_ok();
    if is_moment {
        shown.to_owned()
    } else {
        String::new()
    }
}

fn choice(name: &str, label: &str, words: &[String], chosen: &str) -> Markup {
    html! {
        div {
            label for=(name) { (label) }
            select id=(name) name=(name) {
                option value="" { "any" }
                @if !chosen.is_empty() && !words.iter().any(|word| word == chosen) { option value=(chosen) selected { (chosen) } }
                @for word in words { option value=(word) selected[word == chosen] { (word) } }
            }
        }
    }
}

async fn results(ask: &Ask<'_>, found: &Found) -> Result<Markup, Refusal> {
    let uri = ask.request.uri();
    let to = |parameter: &str, cursor: String| turned("/search", uri.query(), parameter, &cursor);
    let csv = match uri.query() {
        Some(query) => format!("/search.csv?{query}"),
        None => "/search.csv".to_owned(),
    };
    let mut rows = Vec::with_capacity(found.events.len());
    let mut to_read = READ_MAX;
    for event in &found.events {
        let of_event = DeliveryQuery {
            event: Some(event.id),
            limit: DELIVERIES,
            ..DeliveryQuery::default()
        };
        let deliveries = ask.admin.store.deliveries(of_event).await?;
        let picture = picture(&ask.admin.store, event, &mut to_read).await?;
        rows.push(row(event, &deliveries, picture));
    }
    let older = found.older.map(|id| to("before", id.to_string()));
    let newer = found.newer.map(|id| to("after", id.to_string()));
    Ok(html! {
        @if let Some(until) = found.looked_until {
            p.done role="status" {
                "No index leads to this question, so one page looks at the newest " (found.looked_at)
                " rows only. Those received before " (parts::time(until)) " were not looked at yet: "
                @if let Some(older) = &older { a href=(older) { "go on searching" } }
            }
        }
        @if rows.is_empty() && found.looked_until.is_none() {
            (parts::nothing("Nothing found", "No event that is kept fits. Leave fields empty, or use * in the plate."))
        } @else if !rows.is_empty() {
            p { (rows.len()) " events on this page · " a href=(csv) { "all as CSV" } " (the newest " (CSV_ROWS) " at most)" }
            div.scroll tabindex="0" role="region" aria-label="Events found" {
                table {
                    caption { "Events found, newest first" }
                    thead { tr {
                        th scope="col" { "Received" }
                        th scope="col" { "Picture" }
                        th scope="col" { "Plate" }
                        th scope="col" { "Camera" }
                        th scope="col" { "Kind" }
                        th scope="col" { "Source" }
                        th scope="col" { "Deliveries" }
                    } }
                    tbody { @for row in &rows { (row) } }
                }
            }
        }
        nav.pages aria-label="Pages of results" {
            @if let Some(newer) = &newer { a.button.quiet href=(newer) rel="prev" { "Newer" } }
            " "
            @if let Some(older) = &older { a.button.quiet href=(older) rel="next" { "Older" } }
        }
    })
}

fn row(event: &FoundEvent, deliveries: &[Delivery], picture: Option<String>) -> Markup {
    let at = format!("/events/{}", event.id);
    html! {
        tr {
            td { a href=(at) { (parts::time(event.received_at)) } }
            td { @if let Some(picture) = picture { a href=(at) { img.crop src=(picture) alt={ "Picture of " (subject(event)) } loading="lazy"; } } }
            td { @for text in &event.plates { (parts::plate(text)) " " } }
            td { @if let Some(camera) = &event.camera { a href=(address("/search", &[("camera", camera)])) { bdi { (camera) } } } }
            td { (event.kind) }
            td { bdi { (event.source) } }
            td {
                @for delivery in deliveries { span.told-fate { bdi { (delivery.target) } " " (parts::fate(delivery.fate)) } " " }
                @if deliveries.len() == DELIVERIES { "…" }
            }
        }
    }
}

fn subject(event: &FoundEvent) -> &str {
    event.plates.first().map_or(&event.kind, |plate| plate)
}

/// The address of the picture to show, if there is one.
async fn picture(
    store: &Store,
    event: &FoundEvent,
    to_read: &mut usize,
) -> Result<Option<String>, Refusal> {
    let gone = |error: StoreError| match error {
        StoreError::Unknown { .. } | StoreError::Damaged(_) => Ok(None),
        error => Err(Refusal::from(error)),
    };
    let weight = match store.weight(event.id).await {
        Ok(weight) => weight,
        Err(error) => return gone(error),
    };
    let Some(left) = to_read.checked_sub(weight) else {
        return Ok(None);
    };
    *to_read = left;
    match store.event(event.id).await {
        Ok(kept) => Ok(thumbnail(&kept.event)),
        Err(error) => gone(error),
    }
}

/// What was found as CSV, made while it is sent.
pub(in crate::admin) async fn csv(ask: Ask<'_>) -> Answer {
    let mut query = question(&ask)?;
    (query.before, query.after) = (None, None);
    caught_up(ask.admin).await;
    let begun = Written {
        store: ask.admin.store.clone(),
        query,
        left: CSV_ROWS,
        begun: false,
    };
    let mut response = pages::stream("text/csv; charset=utf-8", Pieces::unfold(begun, more));
    debug_assert_eq!(response.status(), StatusCode::OK);
    let name = HeaderValue::from_static("attachment; filename=\"camhook-events.csv\"");
    response.headers_mut().insert(CONTENT_DISPOSITION, name);
    Ok(response)
}

/// A CSV that is written.
struct Written {
    store: Store,
    query: EventQuery,
    left: usize,
    begun: bool,
}

const HEAD: [&str; 7] = [
    "id",
    "received_at",
    "occurred_at",
    "source",
    "kind",
    "camera",
    "plates",
];

async fn more(mut written: Written) -> Option<(Bytes, Written)> {
    let mut lines = csv::Writer::from_writer(Vec::new());
    if !written.begun {
        written.begun = true;
        lines.write_record(HEAD).ok()?;
    } else if written.left == 0 {
        return None;
    }
    // A page may have looked at all it may and found nothing.
    let mut found = 0;
    while written.left > 0 && found == 0 {
        written.query.limit = CSV_AT_ONCE.min(written.left);
        let page = match written.store.search(written.query.clone()).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(%error, "a CSV of events ends early");
                return None;
            }
        };
        found = page.events.len();
        for event in &page.events {
            lines.write_record(cells(event)).ok()?;
        }
        written.left -= found;
        match page.older {
            Some(older) => written.query.before = Some(older),
            None => written.left = 0,
        }
    }
    let lines = lines.into_inner().ok()?;
    (!lines.is_empty()).then(|| (Bytes::from(lines), written))
}

fn cells(event: &FoundEvent) -> [String; 7] {
    [
        event.id.to_string(),
        event.received_at.to_string(),
        event.occurred_at.to_string(),
        harmless(event.source.as_str()),
        event.kind.clone(),
        harmless(event.camera.as_deref().unwrap_or_default()),
        harmless(&event.plates.join(" ")),
    ]
}

/// Spreadsheets take a cell for a formula by its first letter, and names are the senders' choice.
fn harmless(cell: &str) -> String {
    match cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{cell}"),
        false => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_no_formula() {
        assert_eq!(harmless("=1+1"), "'=1+1");
        assert_eq!(harmless("gate-1"), "gate-1");
    }

    #[test]
    fn times_stand_in_the_form_as_they_were_asked() {
        assert_eq!(local("2026-01-31T12:00"), "2026-01-31T12:00");
        assert_eq!(local("2026-01-31T12:00:00Z"), "2026-01-31T12:00:00");
        assert_eq!(local("yesterday"), "");
    }
}
