//! Sources: who sends, which cameras are silent, and what was not understood.

use maud::{Markup, html};

use super::forms::{address, or_told, parameter, part, see};
use super::parts;
use super::shell::{self, Tab};
use super::spark::{Bar, bars};
use crate::admin::api::{Answer, caught_up, event_id};
use crate::admin::overview::{cursor, place};
use crate::admin::settings::Scope;
use crate::admin::steer::named;
use crate::admin::table::Ask;
use crate::admin::{Refusal, ReplayError};
use crate::name::Name;
use crate::store::{CameraQuery, CameraSummary, PageQuery, QuarantineRow, SourceSummary};

/// Cameras of one source on the page of all, and on its own.
const CAMERAS: usize = 50;
const CAMERAS_OF_ONE: usize = 200;
const QUARANTINED: usize = 50;
/// Bytes of a body that are shown.
const BODY_SHOWN: usize = 64 << 10;

/// A source, as far as anything is known of it.
struct Shown {
    name: Name,
    /// None: not in the config.
    kind: Option<&'static str>,
    path: Option<String>,
    summary: Option<SourceSummary>,
}

pub(in crate::admin) async fn page(ask: Ask<'_>) -> Answer {
    caught_up(ask.admin).await;
    let mut cards = Vec::new();
    for source in shown(&ask).await? {
        let cameras = CameraQuery {
            source: Some(source.name.to_string()),
            limit: CAMERAS + 1,
            ..CameraQuery::default()
        };
        let cameras = ask.admin.store.cameras(cameras).await?;
        cards.push(card(&source, &cameras));
    }
    let quarantine = quarantine(&ask).await?;
    let main = html! {
        h1 { "Sources" }
        (done(&ask))
        @if cards.is_empty() { (parts::nothing("No sources", "Name one under `sources` in routes.yaml.")) }
        @for card in cards { (card) }
        (quarantine)
    };
    shell::page(&ask, Some(Tab::Sources), "Sources", main).await
}

/// Configured sources in the order of the file, then those that only old events know.
async fn shown(ask: &Ask<'_>) -> Result<Vec<Shown>, Refusal> {
    let mut known = ask.admin.store.sources().await?;
    let paths = ask.admin.planner.paths();
    let mut shown = Vec::new();
    for ((name, kind), path) in ask.admin.planner.sources().into_iter().zip(paths) {
        let summary = known.iter().position(|summary| summary.source == name);
        shown.push(Shown {
            summary: summary.map(|n| known.remove(n)),
            name,
            kind: Some(kind),
            path,
        });
    }
    shown.extend(known.into_iter().map(|summary| Shown {
        name: summary.source.clone(),
        kind: None,
        path: None,
        summary: Some(summary),
    }));
    Ok(shown)
}

fn card(source: &Shown, cameras: &[CameraSummary]) -> Markup {
    let summary = source.summary.as_ref();
    let last = summary.and_then(|summary| summary.last_received);
    let path = source
        .path
        .as_deref()
        .map(|path| if path.is_empty() { "/" } else { path });
    let name = source.name.as_str();
    html! {
        section.card aria-labelledby={ "source-" (part(name)) } {
            h2 id={ "source-" (part(name)) } { bdi { (name) } " " (state(source, last.is_some())) }
            dl.facts {
                @if let Some(kind) = source.kind { div { dt { "Kind" } dd { (kind) } } }
                @if let Some(path) = path { div { dt { "Posts to" } dd { code { (path) } } } }
                div { dt { "Events kept" } dd { a href=(address("/search", &[("source", name)])) { (summary.map_or(0, |summary| summary.events)) } } }
                div { dt { "Not understood" } dd { (summary.map_or(0, |summary| summary.quarantined)) } }
                div { dt { "Last heard" } dd { @if let Some(last) = last { (parts::time(last)) } @else { "never" } } }
            }
            @if !cameras.is_empty() { (cameras_table(cameras.get(..CAMERAS).unwrap_or(cameras), name)) }
            @if cameras.len() > CAMERAS {
                p { a href={ "/sources/" (part(name)) } { "All cameras of this source" } }
            }
        }
    }
}

fn state(source: &Shown, heard: bool) -> Markup {
    let (class, word) = match (source.kind, heard) {
        (None, _) => ("paused", "not in routes.yaml"),
        (Some(_), true) => ("running", "receiving"),
        (Some(_), false) => ("", "nothing yet"),
    };
    html! { span class={ "state " (class) } { (word) } }
}

fn cameras_table(cameras: &[CameraSummary], source: &str) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label={ "Cameras of " (source) } {
            table {
                caption { "Cameras of " bdi { (source) } }
                thead { tr {
                    th scope="col" { "Camera" }
                    th scope="col" { "State" }
                    th scope="col" { "Last event" }
                    th.number scope="col" { "Last 24 h" }
                    th scope="col" { "By the hour" }
                    th.number scope="col" { "Kept" }
                } }
                tbody { @for camera in cameras { (camera_row(camera)) } }
            }
        }
    }
}

fn camera_row(camera: &CameraSummary) -> Markup {
    let hours = camera.hours.map(|good| Bar { good, bad: 0 });
    let [.., last, now] = camera.hours;
    let told = format!(
        "{} events in 24 hours, {last} in the last full hour, {now} in this one",
        camera.last_day()
    );
    let found = address(
        "/search",
        &[
            ("camera", camera.camera.as_deref().unwrap_or_default()),
            ("source", camera.source.as_str()),
        ],
    );
    html! {
        tr {
            th scope="row" {
                @if let Some(name) = &camera.camera { a href=(found) { bdi { (name) } } } @else { span.soft { "(names no camera)" } }
            }
            td {
                @if camera.camera.is_none() { } @else if camera.silent {
                    span.state.silent { "silent" } " since " (parts::time(camera.last_received))
                } @else { span.state.running { "sending" } }
            }
            td { (parts::time(camera.last_received)) }
            td.number { (camera.last_day()) }
            td { (bars(&hours, &told)) }
            td.number { (camera.events) }
        }
    }
}

/// All cameras of one source.
pub(in crate::admin) async fn one(ask: Ask<'_>) -> Answer {
    caught_up(ask.admin).await;
    let name = named(&ask);
    let source = shown(&ask).await?;
    let source = source.iter().find(|source| source.name.as_str() == name);
    let source = source.ok_or_else(|| Refusal::missing(format!("no source named `{name}`")))?;
    let query = CameraQuery {
        source: Some(name.clone()),
        after: parameter(&ask, "after").and_then(|after| place(&after)),
        limit: CAMERAS_OF_ONE,
    };
    let cameras = ask.admin.store.cameras(query).await?;
    let more = cameras
        .last()
        .filter(|_| cameras.len() == CAMERAS_OF_ONE)
        .map(cursor);
    let main = html! {
        h1 { "Cameras of " bdi { (name) } }
        p { (state(source, !cameras.is_empty())) " " a href="/sources" { "All sources" } }
        @if cameras.is_empty() { (parts::nothing("No cameras yet", "They are listed once they have sent something.")) }
        @else { (cameras_table(&cameras, &name)) }
        @if let Some(more) = more {
            nav.pages aria-label="Pages of cameras" {
                a.button.quiet href=(address(&format!("/sources/{}", part(&name)), &[("after", &more)])) { "More" }
            }
        }
    };
    shell::page(&ask, Some(Tab::Sources), "Cameras", main).await
}

async fn quarantine(ask: &Ask<'_>) -> Result<Markup, Refusal> {
    let rows = ask
        .admin
        .store
        .quarantined(PageQuery {
            before: None,
            limit: QUARANTINED,
        })
        .await?;
    Ok(html! {
        section aria-labelledby="quarantine" {
            h2 id="quarantine" { "Not understood" }
            @if rows.is_empty() {
                (parts::nothing("Everything was understood", "A request that cannot be decoded is kept here, and decoded anew when you ask for it."))
            } @else {
                p { "These requests came from a sender that may post here, but could not be decoded. They are kept; after a change of the config or
                     an update, decode them anew." }
                div.scroll tabindex="0" role="region" aria-label="Requests that were not understood" {
                    table {
                        caption { "The newest requests that were not understood" }
                        thead { tr {
                            th scope="col" { "Received" }
                            th scope="col" { "Source" }
                            th scope="col" { "From" }
                            th scope="col" { "Content type" }
                            th.number scope="col" { "Bytes" }
                            th scope="col" { "Why" }
                            th scope="col" { "Do" }
                        } }
                        tbody { @for row in &rows { (quarantined_row(ask, row)) } }
                    }
                }
            }
        }
    })
}

fn quarantined_row(ask: &Ask<'_>, row: &QuarantineRow) -> Markup {
    let at = format!("/quarantine/{}", row.id);
    html! {
        tr {
            td { a href=(at) { (parts::time(row.received_at)) } }
            td { bdi { (row.source) } }
            td { @if let Some(remote) = &row.remote { (remote) } }
            td { @if let Some(kind) = &row.content_type { bdi { (kind) } } }
            td.number { (row.size) }
            td { bdi { (row.reason) } }
            td { @if ask.visitor.may(Scope::Steer) { (parts::button(ask, &format!("{at}/decode"), "Decode anew", &[])) } }
        }
    }
}

/// One request that was not understood, with its body.
pub(in crate::admin) async fn quarantined(ask: Ask<'_>) -> Answer {
    caught_up(ask.admin).await;
    let id = event_id(ask.part(0))?;
    let unread = ask.admin.store.quarantined_request(id).await?;
    let original = &unread.original;
    let shown = original.body.get(..BODY_SHOWN).unwrap_or(&original.body);
    let at = format!("/quarantine/{id}");
    let main = html! {
        h1 { "A request that was not understood" }
        (done(&ask))
        section.card {
            dl.facts {
                div { dt { "Source" } dd { bdi { (unread.source) } } }
                div { dt { "Received" } dd { (parts::time(original.received_at)) } }
                @if let Some(remote) = original.remote { div { dt { "From" } dd { (remote) } } }
                div { dt { "Request" } dd { code { (original.method) " " (original.path) } } }
                div { dt { "Bytes" } dd { (original.body.len()) } }
            }
            p.told { bdi { (unread.reason) } }
            @if ask.visitor.may(Scope::Steer) { (parts::button(&ask, &format!("{at}/decode"), "Decode anew", &[])) " " }
            a.button.quiet href={ "/api/v1/quarantine/" (id) "/original" } { "Download the body" }
        }
        h2 { "Headers" }
        pre tabindex="0" { @for (name, value) in &original.headers { (name) ": " (value) "\n" } }
        h2 { "Body" }
        @if original.body.is_empty() { p { "It is empty." } } @else {
            pre tabindex="0" dir="auto" { (readable(shown)) }
            @if shown.len() < original.body.len() { p.soft { "The first " (BODY_SHOWN >> 10) " KiB." } }
        }
    };
    shell::page(&ask, Some(Tab::Sources), "Not understood", main).await
}

/// Bytes as text, or as a table of bytes where they are none.
fn readable(bytes: &[u8]) -> String {
    const DUMPED: usize = 2_048;
    let strange = bytes
        .iter()
        .filter(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace());
    if strange.count() * 20 <= bytes.len() {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let mut text = String::new();
    for (n, line) in bytes.get(..DUMPED).unwrap_or(bytes).chunks(16).enumerate() {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let plain = line.iter().map(|byte| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '.',
        });
        let plain: String = plain.collect();
        text.push_str(&format!("{:06x}  {:<47}  {plain}\n", n * 16, hex.join(" ")));
    }
    text
}

/// Decodes it anew, and tells on the page it came from what came of it.
pub(in crate::admin) async fn decode(ask: Ask<'_>) -> Answer {
    let id = event_id(ask.part(0))?;
    ask.admin.store.quarantined_request(id).await?; // events are planned anew elsewhere
    let done = ask.admin.planner.replay(id, None).await;
    Ok(
        match or_told(done.map_err(|error: ReplayError| error.into()))? {
            Ok(deliveries) => see(&address(
                "/sources",
                &[("decoded", &deliveries.to_string())],
            )),
            Err(why) => see(&address(&format!("/quarantine/{id}"), &[("failed", &why)])),
        },
    )
}

/// What was done before this page was shown.
fn done(ask: &Ask<'_>) -> Markup {
    html! {
        @if let Some(deliveries) = parameter(ask, "decoded").and_then(|count| count.parse::<u64>().ok()) {
            p.done role="status" { "The request was understood now; " (deliveries) " deliveries came of it." }
        }
        @if parameter(ask, "failed").is_some() {
            p.told role="alert" { "It is still not understood. The reason stands below; it stays here." }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_shown_as_text_or_as_bytes() {
        assert_eq!(readable(b"{\"a\": 1}\n"), "{\"a\": 1}\n");
        let shown = readable(b"\xff\xd8\x00\x01\x02JFIF");
        assert!(
            shown.starts_with("000000  ff d8 00 01 02 4a 46 49 46"),
            "{shown}"
        );
        assert!(shown.ends_with(".....JFIF\n"), "{shown}");
    }
}
