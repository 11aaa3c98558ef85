//! Logs on stderr, for people or as JSON.

use std::io::IsTerminal;

use serde::{Deserialize, Deserializer, de};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::flood::Flood;

#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// `error`, `warn`, `info`, `debug` or `trace`, or a filter such as `info,camhook::delivery=debug`.
    #[serde(deserialize_with = "level")]
    pub(crate) level: String,
    pub(crate) format: LogFormat,
    /// Lines of one kind in a second; what is beyond is counted, and the count is told once a minute (10). 0 is no limit.
    /// Lines of the levels `debug` and `trace` are not limited.
    pub(crate) limit: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    Human,
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Human,
            limit: 10,
        }
    }
}

/// The filter itself takes every word for the name of a module, so a misspelt level would silence the log.
fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let text = String::deserialize(deserializer)?;
    let is_level = |word: &str| LEVELS.contains(&word.trim().to_ascii_lowercase().as_str());
    let fine = |part: &str| is_level(part.rsplit_once('=').map_or(part, |(_, level)| level));
    if text.split(',').all(fine) && EnvFilter::try_new(&text).is_ok() {
        return Ok(text);
    }
    let expected = "expected `error`, `warn`, `info`, `debug` or `trace`, or such as `info,camhook::delivery=debug`";
    Err(de::Error::custom(format!(
        "`{text}` is no log level: {expected}"
    )))
}

/// Begins to log; a second call in one process changes nothing (tests run many camhooks in one).
pub(crate) fn start(settings: &Settings) {
    let filter = EnvFilter::try_new(quieted(&settings.level));
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(quieted("info")));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = match settings.format {
        LogFormat::Human => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let lines = lines.with_filter(Flood::new(settings.limit));
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init();
}

/// What must not be told at any level: the library that signs for Amazon logs the keys it signs with, and the one that watches
/// files tells of each write, which in the folder of a log file is one of its own lines.
fn quieted(level: &str) -> String {
    format!("notify=warn,inotify=warn,{level},aws_sigv4=off")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_level_is_refused() {
        let read =
            |level: &str| serde_json::from_value::<Settings>(serde_json::json!({ "level": level }));
        for fine in ["info", "WARN", "info,camhook::delivery=debug", "off"] {
            assert!(read(fine).is_ok(), "{fine}");
        }
        for wrong in ["warning", "", "info,delivery", "camhook=loud"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
