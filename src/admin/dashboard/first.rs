//! The page First steps: what to paste into a camera so that something arrives, and a sample to see that it would.

use http::StatusCode;
use http::header::HOST;
use maud::{Markup, html};

use super::forms::{field, see};
use super::{live, parts, shell};
use crate::admin::api::Answer;
use crate::admin::settings::Scope;
use crate::admin::table::Ask;
use crate::admin::{Front, Refusal, Way};

/// At `/`: these steps until something has come, and then what comes.
pub(in crate::admin) async fn start(ask: Ask<'_>) -> Answer {
    let sources = ask.admin.store.sources().await?;
    match sources
        .iter()
        .any(|source| source.events + source.quarantined > 0)
    {
        true => live::page(ask).await,
        false => page(ask).await,
    }
}

pub(in crate::admin) async fn page(ask: Ask<'_>) -> Answer {
    let main = told(&ask, None);
    shell::page(&ask, None, "First steps", main).await
}

/// Sends a sample through the front door, and leads to where it appears.
pub(in crate::admin) async fn sample(ask: Ask<'_>) -> Answer {
    let source = field(&ask, "source");
    let source = source.ok_or_else(|| Refusal::bad("say which `source`, in a form"))?;
    match ask.admin.planner.send_sample(&source).await {
        Ok(()) => Ok(see("/live")),
        Err(reason) => {
            let main = told(&ask, Some(&reason));
            let mut page = shell::page(&ask, None, "First steps", main).await?;
            *page.status_mut() = StatusCode::BAD_GATEWAY;
            Ok(page)
        }
    }
}

fn told(ask: &Ask<'_>, problem: Option<&str>) -> Markup {
    let front = ask.admin.planner.front();
    let host = host(ask);
    html! {
        h1 { "First steps" }
        @if let Some(problem) = problem {
            div.told role="alert" { p { strong { "The sample did not get in." } } p { (problem) } }
        }
        p { "camhook is running and waits for what cameras send. Give them one of these addresses, or send a sample to see where it goes." }
        @if !front.is_public {
            p.told { "camhook listens on this machine alone: cameras do not reach it until " code { "server: { listen: 0.0.0.0:8001 }" } " stands in routes.yaml." }
        } @else if is_local(&host) {
            p { "Cameras need this machine's address in the network in place of " code { (host) } "." }
        }
        @for way in &front.ways { (one(ask, &front, &host, way)) }
        @if front.ways.is_empty() { (parts::nothing("No source takes requests", "Add one under sources in routes.yaml.")) }
        h2 { "Then" }
        ul {
            li { a href="/live" { "Live" } " shows what comes, as it comes, and where it goes." }
            li { "What comes and is not understood is kept: " code { "camhook quarantine" } " tells why." }
        }
    }
}

/// One source: its address, what it asks for, and ways to try it.
fn one(ask: &Ask<'_>, front: &Front, host: &str, way: &Way) -> Markup {
    let may = ask.visitor.may(Scope::Steer);
    let kind = match way.kind {
        "auto" => "every vendor that camhook knows",
        kind => kind,
    };
    let addresses: Vec<String> = front
        .ports
        .iter()
        .map(|(port, secured)| address(host, *port, *secured, &way.path))
        .collect();
    html! {
        section.card aria-labelledby={ "source-" (way.source) } {
            h2 id={ "source-" (way.source) } { (way.source) span.soft { " for " (kind) } }
            p { "Address to paste into the camera or its software:" }
            @for address in &addresses { pre.address { (address) } }
            @if !way.asks.is_empty() {
                p { "It asks for:" }
                ul { @for asked in &way.asks { li { (asked) } } }
            }
            @if may && way.sample.is_some() {
                (parts::button(ask, "/first/sample", &format!("Send a sample to {}", way.source), &[("source", way.source.as_str())]))
            }
            @if let Some(address) = addresses.first() {
                details {
                    summary { "Try it from a terminal" }
                    pre tabindex="0" { (by_hand(way, address)) }
                }
            }
        }
    }
}

fn address(host: &str, port: u16, secured: bool, path: &str) -> String {
    let scheme = if secured { "https" } else { "http" };
    let path = if path.is_empty() { "/" } else { path };
    format!("{scheme}://{host}:{port}{path}")
}

/// Lines to copy into a shell.
fn by_hand(way: &Way, address: &str) -> String {
    let token = match way.asks.iter().any(|asked| asked.starts_with("a token")) {
        true => " -H 'Authorization: Token TOKEN'",
        false => "",
    };
    let mut lines = Vec::new();
    match way.kind {
        "auto" | "generic" => lines.push(format!(
            "curl{token} -H 'Content-Type: application/json' \\\n  -d '{{\"kind\": \"plate\", \"camera\": {{\"id\": \"gate\"}}, \"plates\": [{{\"text\": \"AB123CD\", \"score\": 0.9}}]}}' \\\n  '{address}'"
        )),
        "platerecognizer" => lines.push(format!(
            "curl{token} -F 'json={{\"hook\": {{\"event\": \"recognition\", \"id\": \"gate\"}}, \"data\": {{\"camera_id\": \"gate\", \"results\": [{{\"plate\": \"AB123CD\", \"score\": 0.9}}]}}}}' \\\n  '{address}'"
        )),
        _ => {}
    }
    if let Some(sample) = way.sample {
        let token = if token.is_empty() {
            ""
        } else {
            " --token TOKEN"
        };
        lines.push(format!("camhook send {sample}{token} --url '{address}'"));
    }
    lines.join("\n\n")
}

/// This machine as the browser names it, without the port.
fn host(ask: &Ask<'_>) -> String {
    let headers = ask.request.headers();
    let told = headers.get(HOST).and_then(|host| host.to_str().ok());
    let told = told.unwrap_or("localhost");
    let end = match told.rfind(':') {
        Some(colon) if !told[colon..].contains(']') => colon,
        _ => told.len(),
    };
    told[..end].to_owned()
}

fn is_local(host: &str) -> bool {
    matches!(host, "localhost" | "[::1]") || host.starts_with("127.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;

    #[test]
    fn addresses_are_written_as_cameras_take_them() {
        assert_eq!(
            address("10.0.0.2", 8001, false, ""),
            "http://10.0.0.2:8001/"
        );
        assert_eq!(
            address("[fe80::1]", 8443, true, "/stream"),
            "https://[fe80::1]:8443/stream"
        );
    }

    #[test]
    fn a_line_for_the_terminal_shows_where_the_token_goes_but_not_the_token() {
        let way = Way {
            source: Name::new("stream").unwrap(),
            kind: "platerecognizer",
            path: "/stream".to_owned(),
            asks: vec!["a token: as the header".to_owned()],
            sample: Some("stream frame"),
        };
        let lines = by_hand(&way, "http://proxy:8001/stream");
        assert!(
            lines.starts_with("curl -H 'Authorization: Token TOKEN' -F 'json={"),
            "{lines}"
        );
        assert!(
            lines.ends_with(
                "camhook send stream frame --token TOKEN --url 'http://proxy:8001/stream'"
            ),
            "{lines}"
        );
    }
}
