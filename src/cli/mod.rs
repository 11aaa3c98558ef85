//! The command line.

mod ask;
mod camera;
mod cert;
mod check;
mod demo;
mod explain;
mod forget;
mod import;
mod jobs;
mod lists;
mod look;
mod password;
mod preset_page;
mod presets;
mod run;
mod send;
mod show;
mod steer;
mod store;
mod test;
mod trust;
mod when;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A webhook proxy for cameras and number-plate readers that never loses an event.
#[derive(Debug, Parser)]
#[command(version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    common: Common,
}

/// What every command takes.
#[derive(Debug, Clone, clap::Args)]
struct Common {
    /// The config file; relative paths inside it count from its folder.
    #[arg(
        long,
        short,
        global = true,
        default_value = "routes.yaml",
        value_name = "PATH"
    )]
    config: PathBuf,
    /// Talk to the camhook at this admin address instead of the config's, such as http://10.0.0.5:9001.
    #[arg(long, global = true, value_name = "URL")]
    admin: Option<String>,
    /// A token of `admin.tokens` to show there; better in the environment variable CAMHOOK_ADMIN_TOKEN, where other users of
    /// this machine do not see it. On the machine and as the user of camhook itself none is needed.
    #[arg(long, global = true, value_name = "TOKEN", hide_short_help = true)]
    admin_token: Option<String>,
    /// JSON Lines for scripts instead of a table.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Receive and deliver (the default).
    Run,
    /// Check the config and say every mistake with its line.
    Check {
        /// Also reach out to every target.
        #[arg(long)]
        connect: bool,
    },
    /// Show the certificates of a server, and what to write to trust it; --target puts it into the config.
    Trust(trust::Arguments),
    /// Make certificates for HTTPS: for the listeners, or for a camera to show.
    Cert(cert::Arguments),
    /// Post sample events, with a drawn photo, to any URL.
    Send(send::Arguments),
    /// See an event go through in one process: camhook, a receiver and sample events.
    Demo(demo::Arguments),
    /// What came in, newest first.
    Events(look::Events),
    /// What became of it, newest first.
    Deliveries(look::Deliveries),
    /// Where events go; `pause NAME` and `resume NAME` stop and start one.
    Targets(steer::Targets),
    /// Who sends.
    Sources,
    /// What plates are looked up in; `show NAME PLATE` tells whether a plate is in it.
    Lists(lists::Arguments),
    /// Lists what is wrong now: targets that fail, cameras that are silent, a disk that fills.
    Alerts,
    /// Requests that were kept but not understood.
    Quarantine(look::Quarantine),
    /// What is not delivered, by target and reason.
    Undelivered,
    /// Make dead and held deliveries due again.
    Retry(jobs::Failed),
    /// Give dead and held deliveries up for good.
    Discard(jobs::Failed),
    /// Plan events anew through today's routes; also requests in quarantine.
    Replay(jobs::Replay),
    /// Work on many deliveries or events, and how far it is; `cancel ID` ends one.
    Jobs(jobs::Jobs),
    /// Remove old events whose deliveries are all settled.
    Purge(steer::Purge),
    /// Check what is stored, byte by byte, or copy it while camhook runs.
    Store(store::Arguments),
    /// Take a plate out of all that is kept; --dry-run lists it first. Without a plate: what was forgotten when.
    Forget(forget::Arguments),
    /// Show what each route would do with an event; nothing is sent.
    Explain(explain::Arguments),
    /// Hold the config against your tests of it (`tests.yaml`); nothing is sent.
    Test(test::Arguments),
    /// Systems that camhook knows how to speak to; `show NAME` and `test NAME` tell more of one.
    Presets(presets::Arguments),
    /// Set up cameras over their own API: where they post to, and their plate lists.
    Camera(camera::Arguments),
    /// Make a routes.yaml of the settings of Plate Recognizer's own middleware, and of Stream's webhooks.
    Import(import::Arguments),
    /// Print the hash of a password, to write under `admin.users`; --new-token makes a token for `admin.tokens`.
    Password(password::Arguments),
    /// Print the JSON Schema of routes.yaml, for editors.
    Schema,
    /// Print the description of the API, for programs (OpenAPI 3.1).
    Api,
}

/// Why a command failed, told once, here.
#[derive(Debug)]
enum Failure {
    /// A sentence for the user.
    Said(String),
    /// The mistakes of a config file.
    Config(Box<crate::config::Report>),
    /// `check --connect` said which targets cannot be reached.
    Unreachable,
    /// Everything was said already.
    Told,
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        Self::Said(text)
    }
}

/// Runs the command line and returns its exit code: 0 done, 1 failed, 2 mistakes in the config or the arguments.
pub(crate) fn main() -> ExitCode {
    let Arguments {
        command,
        mut common,
    } = Arguments::parse();
    let command = command.unwrap_or(Command::Run);
    let made = match &command {
        // What is made of variables is made anew with each start: no pin would stay in it.
        Command::Trust(_) => Ok(None),
        Command::Import(_)
        | Command::Schema
        | Command::Api
        | Command::Presets(_)
        | Command::Demo(_)
        | Command::Password(_) => Ok(None),
        _ => import::Made::instead_of(&common),
    };
    let made = match made {
        Ok(made) => made,
        Err(failure) => return told(&failure),
    };
    if let Some(made) = &made {
        common.config.clone_from(&made.path);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return told(&Failure::Said(format!("could not start: {error}"))),
    };
    let done = runtime.block_on(async {
        match command {
            Command::Run => run::run(&common, made.as_ref()).await,
            Command::Import(arguments) => import::import(&arguments),
            Command::Check { connect } => check::check(&common, connect).await,
            Command::Trust(arguments) => trust::trust(&common, arguments).await,
            Command::Cert(arguments) => cert::cert(&common, &arguments),
            Command::Schema => check::schema(),
            Command::Api => check::api(),
            Command::Password(arguments) => password::password(&arguments),
            Command::Presets(arguments) => presets::presets(&common, arguments),
            Command::Send(arguments) => send::send(&common, arguments).await,
            Command::Demo(arguments) => demo::demo(arguments).await,
            Command::Events(arguments) => look::events(&common, arguments).await,
            Command::Deliveries(arguments) => look::deliveries(&common, arguments).await,
            Command::Targets(arguments) => steer::targets(&common, arguments).await,
            Command::Sources => look::sources(&common).await,
            Command::Lists(arguments) => lists::lists(&common, arguments).await,
            Command::Alerts => look::alerts(&common).await,
            Command::Quarantine(arguments) => look::quarantine(&common, arguments).await,
            Command::Undelivered => jobs::undelivered(&common).await,
            Command::Discard(arguments) => jobs::discard(&common, arguments).await,
            Command::Jobs(arguments) => jobs::jobs(&common, arguments).await,
            Command::Retry(arguments) => jobs::retry(&common, arguments).await,
            Command::Replay(arguments) => jobs::replay(&common, arguments).await,
            Command::Purge(arguments) => steer::purge(&common, arguments).await,
            Command::Store(arguments) => store::store(&common, arguments),
            Command::Forget(arguments) => forget::forget(&common, arguments).await,
            Command::Camera(arguments) => camera::camera(&common, arguments).await,
            Command::Explain(arguments) => explain::explain(&common, arguments).await,
            Command::Test(arguments) => test::test(&common, &arguments),
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => told(&failure),
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Said(text) => f.write_str(text),
            Self::Config(report) => f.write_str(report.plain().trim_end()),
            Self::Unreachable | Self::Told => Ok(()),
        }
    }
}

fn told(failure: &Failure) -> ExitCode {
    match failure {
        Failure::Said(text) => {
            show::error(&format!("camhook: {text}"));
            ExitCode::FAILURE
        }
        Failure::Config(report) => {
            show::error(&report.render(show::is_terminal()));
            ExitCode::from(2)
        }
        Failure::Unreachable => ExitCode::from(2),
        Failure::Told => ExitCode::FAILURE,
    }
}
