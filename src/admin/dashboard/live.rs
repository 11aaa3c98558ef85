//! The page Live: what comes in, as it comes, and where it went.
//!
//! Without a script it is a list. With it, the page listens to a stream of its own, whose messages are rows as this page renders
//! them, so a row looks the same however it came. Under load only the newest few changes of a second are rendered; the page is
//! then told to read its list again.

use std::collections::HashSet;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use maud::{Markup, html};

use super::shell::{self, Tab};
use super::{parts, rows};
use crate::admin::Refusal;
use crate::admin::api::{Answer, caught_up};
use crate::admin::body::Pieces;
use crate::admin::question::{FeedQuery, Parameters};
use crate::admin::table::Ask;
use crate::admin::watch::{self, Seen, Watch, message};
use crate::event::{EventId, Kind};
use crate::store::{EventQuery, FeedPlace, FeedTold, Wanted};

/// Rows of the page when it is opened; the script lets it grow to twice as many.
const ROWS: usize = 50;
/// Rows that are sent at once.
const AT_ONCE: usize = 8;
/// Changes that are looked at for them.
const CHANGES: usize = 256;
/// What happens within this time is told together; longer when there is much.
const WINDOW: Duration = Duration::from_millis(250);
const BUSY_WINDOW: Duration = Duration::from_secs(2);

pub(in crate::admin) async fn page(ask: Ask<'_>) -> Answer {
    let FeedQuery { wanted, .. } = Parameters::of_form(ask.request.uri().query()).read()?;
    // Before the list is read: what comes in between is told twice, not left out.
    let place = ask.admin.store.place();
    caught_up(ask.admin).await;
    let query = EventQuery {
        source: wanted.source.clone(),
        camera: wanted.camera.clone(),
        plate: wanted.plate.clone(),
        kind: wanted.kind,
        limit: ROWS,
        ..EventQuery::default()
    };
    let ids = ask.admin.store.events(query).await?;
    let shown = rows::load(ask.admin, ids).await?;
    let main = html! {
        h1 { "Live" }
        (chooser(&wanted))
        div.livebar {
            button.quiet type="button" id="pause" aria-pressed="false" hidden { "Pause" }
            span.soft id="live-state" role="status" { "Reload the page to see what is new." }
        }
        ol.events id="live" aria-label="Events, newest first" data-live=(stream_of(&wanted, place)) {
            @for one in &shown { (one) }
        }
        @if shown.is_empty() {
            (parts::nothing("Nothing here yet", "Events appear as they come in. Nothing comes? See where cameras post to."))
        }
        p { a href="/first" { "Where cameras post to" } }
    };
    shell::page(&ask, Some(Tab::Live), "Live", main).await
}

/// Which events are shown.
fn chooser(wanted: &Wanted) -> Markup {
    let fields = [
        ("plate", "Plate", &wanted.plate),
        ("camera", "Camera", &wanted.camera),
        ("source", "Source", &wanted.source),
    ];
    html! {
        form.fields method="get" action="/live" {
            @for (name, label, value) in fields {
                div { label for=(name) { (label) } input id=(name) name=(name) value=[value.as_deref()] autocomplete="off"; }
            }
            div {
                label for="kind" { "Kind" }
                select id="kind" name="kind" {
                    option value="" { "all" }
                    @for kind in Kind::ALL { option value=(kind.as_str()) selected[wanted.kind == Some(kind)] { (kind.as_str()) } }
                }
            }
            button { "Show" }
        }
    }
}

fn stream_of(wanted: &Wanted, place: FeedPlace) -> String {
    let mut query = form_urlencoded::Serializer::new("/live/rows?".to_owned());
    let kind = wanted.kind.map(|kind| kind.as_str().to_owned());
    let all = [
        ("source", &wanted.source),
        ("camera", &wanted.camera),
        ("plate", &wanted.plate),
        ("kind", &kind),
    ];
    for (name, value) in all {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    query.append_pair("after", &place.to_string());
    query.finish().replacen("?&", "?", 1)
}

struct Rows {
    watch: Watch,
    wanted: Wanted,
    is_busy: bool,
}

/// The page's own stream.
pub(in crate::admin) async fn stream(ask: Ask<'_>) -> Answer {
    let FeedQuery { wanted, after } = Parameters::of_form(ask.request.uri().query()).read()?;
    let watch = Watch::begin(&ask, after).await?;
    let rows = Rows {
        watch,
        wanted,
        is_busy: false,
    };
    Ok(watch::answer(Pieces::unfold(rows, next)))
}

async fn next(mut rows: Rows) -> Option<(Bytes, Rows)> {
    loop {
        let mut taken = match rows.watch.next().await? {
            Seen::Told(piece) => return Some((piece, rows)),
            Seen::News(taken) => taken,
        };
        let window = if rows.is_busy { BUSY_WINDOW } else { WINDOW };
        let (skipped, more) = rows.watch.gather(window, CHANGES).await;
        let missed = taken.missed + skipped + more.missed;
        taken.changes.extend(more.changes);
        let told = rows
            .watch
            .admin
            .store
            .told(taken.changes, rows.wanted.clone());
        let Ok(told) = told.await else {
            continue; // it is told why elsewhere; the page reads its list again when it can
        };
        // What waits for a target that was held shows so without having changed itself.
        let is_steered = |(_, told): &(FeedPlace, FeedTold)| matches!(told, FeedTold::Target(..));
        let is_stale = told.iter().any(is_steered);
        let mut seen = HashSet::new();
        let events = told.iter().rev().filter_map(|(_, told)| match told {
            FeedTold::Event(id) => Some(*id),
            FeedTold::Delivery(delivery) => Some(delivery.event),
            FeedTold::Target(..) => None,
        });
        let mut events: Vec<EventId> = events.filter(|id| seen.insert(*id)).collect();
        rows.is_busy = missed > 0 || events.len() > AT_ONCE;
        events.truncate(AT_ONCE);
        events.reverse();
        if let Some(piece) = piece(&rows, events, more.upto, rows.is_busy || is_stale).await {
            return Some((piece, rows));
        }
    }
}

/// None when there is nothing to tell.
async fn piece(
    rows: &Rows,
    events: Vec<EventId>,
    upto: FeedPlace,
    is_stale: bool,
) -> Option<Bytes> {
    let shown: Result<_, Refusal> = rows::load(&rows.watch.admin, events).await;
    let shown = shown.unwrap_or_default();
    let mut piece = BytesMut::new();
    for (n, row) in shown.iter().enumerate() {
        let is_last = n + 1 == shown.len();
        piece.extend_from_slice(&message("row", is_last.then_some(upto), &row.0));
    }
    if is_stale {
        piece.extend_from_slice(&message("lagged", Some(upto), "{}"));
    }
    (!piece.is_empty()).then(|| piece.freeze())
}
