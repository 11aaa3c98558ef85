//! `camhook check` and `camhook schema`.

use std::time::Duration;

use super::{Common, Failure, show};
use crate::config::{self, Config};

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
    if !connect {
        return Ok(());
    }
    let mut unreachable = 0;
    for target in &config.targets {
        let Some((host, port)) = target.address() else {
            show::line(&format!("  {}: nothing to connect to", target.name));
            continue;
        };
        let connect = tokio::net::TcpStream::connect((host.trim_matches(['[', ']']), port));
        let failed = match tokio::time::timeout(PATIENCE, connect).await {
            Ok(Ok(_)) => {
                show::line(&format!(
                    "  {}: {host}:{port} takes connections",
                    target.name
                ));
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

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

pub(super) fn schema() -> Result<(), Failure> {
    show::line(&serde_json::to_string_pretty(&config::schema())?);
    Ok(())
}
