//! `camhook camera`: sets cameras up over their own API, so that nobody has to click through a web page.
//!
//! A command does one thing to one camera, says what it found and what it did, and keeps nothing. What is not ours in a
//! camera stays as it is: settings are read, changed in one place and written back as they came.

mod access;
mod changes;
mod device;
mod fill;
mod info;
mod plan;
mod plates;
mod receiver;
mod refusal;
mod slots;
mod subscribe;
mod words;
mod xml;

use clap::{Args, Subcommand, ValueEnum};

use super::{Common, Failure};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a camera post its events to camhook.
    ///
    /// A camera has one to three places to post to. Without --write nothing is changed: the camera's places are shown, and
    /// what would be written. The place that posts to --url already is used, else a free one; all others stay as they are.
    Subscribe(subscribe::Arguments),
    /// Read and change the plate lists inside of a camera.
    ///
    /// These lists decide what a camera itself calls allowed or blocked, which it tells with every plate. Changes are made at
    /// once. Cameras with an API before 2.1 can be added to and read; plates are removed in their web page.
    Plates(plates::Arguments),
    /// Show what a camera says of itself.
    Info(info::Arguments),
}

/// Whose API it is.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Vendor {
    /// Viewtron, TVT and the brands that sell the same cameras.
    #[value(alias = "tvt")]
    Viewtron,
}

pub(super) async fn camera(common: &Common, arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Subscribe(arguments) => subscribe::subscribe(common, arguments).await,
        Command::Plates(arguments) => plates::plates(common, arguments).await,
        Command::Info(arguments) => info::info(common, arguments).await,
    }
}
