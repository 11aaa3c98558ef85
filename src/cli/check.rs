//! `camhook check` and `camhook schema`.

use std::time::Duration;

use super::{Common, Failure, show};
use crate::admin;
use crate::clock::Clock;
use crate::config::{self, Config, Target};
use crate::refresh::Refreshed;

/// How long `--connect` waits for each target.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn check(common: &Common, connect: bool) -> Result<(), Failure> {
    let config =
        Config::load(&common.config).map_err(|report| Failure::Config(Box::new(report)))?;
    let (sources, targets, routes) = (
        config.sources.len(),
        config.targets.len(),
        config.routes.len(),
    );
    show::line(&format!(
        "{} is fine: {}, {}, {}",
        common.config.display(),
        counted(sources, "source"),
        counted(targets, "target"),
        counted(routes, "route"),
    ));
    let now = Clock::system().now();
    for (section, offer) in [("server", &config.server_tls), ("admin", &config.admin_tls)] {
        if let Some(warning) = offer.as_ref().and_then(|offer| offer.warning(now)) {
            show::error(&format!(
                "  warning: the certificate of `{section}` {warning}"
            ));
        }
    }
    if !connect {
        config.refreshed.iter().for_each(tell);
        return Ok(());
    }
    let mut unreachable = 0;
    for list in &config.refreshed {
        unreachable += usize::from(!fetch(list).await);
    }
    let clock = Clock::system();
    for target in &config.targets {
        let Some((host, port)) = target.address() else {
            show::line(&format!("  {}: nothing to connect to", target.name));
            continue;
        };
        let connect = tokio::net::TcpStream::connect((host.trim_matches(['[', ']']), port));
        let failed = match tokio::time::timeout(PATIENCE, connect).await {
            Ok(Ok(_)) => {
                match ask(target, &clock).await {
                    Ok(told) => show::line(&format!("  {}: {host}:{port} {told}", target.name)),
                    Err(why) => {
                        unreachable += 1;
                        show::error(&format!("  {}: {host}:{port} {why}", target.name));
                    }
                }
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
        };
        unreachable += 1;
        show::error(&format!(
            "  {}: cannot connect to {host}:{port}: {failed}",
            target.name
        ));
    }
    if unreachable > 0 {
        Err(Failure::Unreachable)
    } else {
        Ok(())
    }
}

/// What is known of a list without asking its server.
fn tell(list: &Refreshed) {
    let (name, host, state) = (&list.name, list.origin.host(), list.list.state());
    let copy = state.table.as_ref().zip(state.read_at);
    let copy = copy.map_or_else(String::new, |(table, at)| {
        let at = at.strftime("%Y-%m-%d %H:%M:%SZ");
        format!("; the copy of {at} has {}", counted(table.len(), "row"))
    });
    show::line(&format!(
        "  list {name}: nothing was fetched from {host}{copy}; `check --connect` fetches it"
    ));
}

/// Fetches a list, to look at it only. False when that failed.
async fn fetch(list: &Refreshed) -> bool {
    let (name, host) = (&list.name, list.origin.host());
    match list.origin.fetch_anew().await {
        Ok(fresh) => {
            let rows = counted(fresh.table.len(), "row");
            show::line(&format!("  list {name}: {host} gives {rows}"));
            if let Some(column) = list.origin.undated(&fresh.table) {
                show::error(&format!(
                    "  list {name}: warning: no row has a date in `{column}`"
                ));
            }
            true
        }
        Err(why) => {
            show::error(&format!("  list {name}: {}", show::clean(&why)));
            false
        }
    }
}

/// Whether the system takes the credentials, as far as its target knows how to ask.
async fn ask(target: &Target, clock: &Clock) -> Result<String, String> {
    let Some(payload) = target.check(clock)? else {
        return Ok("takes connections".to_owned());
    };
    let asked = target.sender.ask(payload).await;
    if let Some(differences) = asked.differences {
        let warnings = match asked.report.error {
            Some(error) => vec![format!("does not describe itself: {error}")],
            None => differences,
        };
        for warning in &warnings {
            show::error(&format!("  {}: warning: {warning}", target.name));
        }
        return Ok(match warnings.is_empty() {
            true => "takes connections and describes itself as expected".to_owned(),
            false => "takes connections".to_owned(),
        });
    }
    if let Some(error) = asked.report.error {
        return Err(format!("does not take what it is asked: {error}"));
    }
    let cameras = target.with.as_ref().and_then(|with| with.cameras.as_ref());
    let Some(cameras) = cameras.filter(|_| target.renderer.check_lists_cameras()) else {
        return Ok("takes connections and credentials".to_owned());
    };
    let listed = asked.answer.to_lowercase();
    let unknown: Vec<_> = (cameras.fixed.iter())
        .filter(|(_, known)| !listed.contains(&known.trim_matches(['{', '}']).to_lowercase()))
        .map(|(camera, known)| format!("`{known}` (for camera `{camera}`)"))
        .collect();
    if unknown.is_empty() {
        return Ok("takes credentials and knows the cameras".to_owned());
    }
    Err(format!(
        "takes the credentials, but has no camera {}",
        unknown.join(", ")
    ))
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

pub(super) fn schema() -> Result<(), Failure> {
    show::line(&serde_json::to_string_pretty(&config::schema())?);
    Ok(())
}

pub(super) fn api() -> Result<(), Failure> {
    show::line(&serde_json::to_string_pretty(admin::openapi())?);
    Ok(())
}
