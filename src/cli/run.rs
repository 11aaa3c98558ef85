//! `camhook run`: receive and deliver until told to stop.

use tokio::signal::unix::{SignalKind, signal};

use super::import::Made;
use super::{Common, Failure, show};
use crate::app::{App, StartError};
use crate::clock::Clock;

pub(super) async fn run(common: &Common, made: Option<&Made>) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    // Until somebody listens to them, those must not end it: a start may take a while.
    let _hangups = signal(SignalKind::hangup())?;
    let app = App::start(&common.config, Clock::system())
        .await
        .map_err(|error| match error {
            StartError::Config(report) => Failure::Config(report),
            other => other.into(),
        })?;
    show::line(&app.greeting());
    if let Some(made) = made {
        made.tell();
    }
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    tracing::info!("stopping: what is under way is finished first");
    app.stop().await;
    Ok(())
}
