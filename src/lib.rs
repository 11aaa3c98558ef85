//! camhook: a webhook proxy for cameras and number-plate readers that never loses an event.
//!
//! `ARCHITECTURE.md` tells how the rooms below fit together; a room uses only rooms of lower rungs, on rungs 0 and 1 its
//! neighbours too.

// 0
mod budget;
mod clock;
mod descriptors;
mod mqtt;
mod name;
mod reach;
mod secret;
mod tasks;
mod telemetry;
mod tls;
mod units;
// 1
mod event;
mod fate;
mod likeness;
mod lists;
mod payload;
mod schedule;
mod webhooks;
// 2
mod decide;
mod template;
// 3
mod alerts;
mod import;
mod render;
mod routes;
mod sample;
mod sources;
mod steps;
mod store;
mod targets;
// 4
mod admin;
mod delivery;
mod fetch;
mod refresh;
mod server;
// 5
mod config;
// 6
mod explain;
// 7
mod app;
// 8
mod cli;
#[doc(hidden)]
pub mod testing;

/// Runs the command line.
pub fn main() -> std::process::ExitCode {
    cli::main()
}
