//! `camhook check` and `camhook schema`.

use super::{Common, Failure, show};
use crate::config::{self, Config};

pub(super) async fn check(common: &Common, connect: bool) -> Result<(), Failure> {
    let config = Config::load(&common.config).map_err(|report| Failure::Config(Box::new(report)))?;
    let (sources, targets, routes) = (config.sources.len(), config.targets.len(), config.routes.len());
    show::line(&format!(
        "{} is fine: {sources} sources, {targets} targets, {routes} routes",
        common.config.display()
    ));
    if !connect {
        return Ok(());
    }
    let mut unreachable = 0;
    for target in &config.targets {
        match target.sender.reach().await {
            Ok(how) => show::line(&format!("  {}: {how}", target.name)),
            Err(reason) => {
                unreachable += 1;
                show::error(&format!("  {}: {}", target.name, config.blot.out(&reason)));
            }
        }
    }
    if unreachable > 0 { Err(Failure::Told) } else { Ok(()) }
}

pub(super) fn schema() -> Result<(), Failure> {
    show::line(&serde_json::to_string_pretty(&config::schema())?);
    Ok(())
}
