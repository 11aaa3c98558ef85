//! Coming from the vendor's own middleware: its variables and files -> a `routes.yaml` that does the same.
//!
//! After the middlewares that Plate Recognizer publishes beside Stream (github.com/parkpow/deep-license-plate-recognition,
//! `webhooks/middleware` and its neighbours) and Stream's `config.ini` (guides.platerecognizer.com), read 2026-11-21. They
//! run one protocol per process, chosen by `MIDDLEWARE_NAME` and set up by a dozen variables. This room is text to text:
//! nothing is read here and nothing sent, so every protocol is tested by its own file.
//!
//! Three rules. What the middleware did is done, with the same fields and pictures. What was a defect of it is not carried
//! over, and a comment says which. What camhook cannot do is told, in a comment and to whoever ran the command, and the
//! nearest thing that loses no event is written. Secrets are never copied: the file refers to their variables.

mod direction;
mod dotenv;
mod forward;
mod ini;
mod page;
mod pairs;
mod protocol;
mod settings;
mod systems;
mod webhooks;

use page::Page;
use protocol::Protocol;
use settings::Settings;

/// A file by the name the user knows it by.
#[derive(Debug, Clone, Default)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// What there is to come from.
#[derive(Debug, Default)]
pub(crate) struct Old {
    /// Where the variables were found, as it is told to users.
    pub(crate) origin: String,
    /// In their order; of two with one name the later counts.
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) config_ini: Option<File>,
    /// `dot_config.csv` of the protocol dot.
    pub(crate) direction: Option<File>,
    /// `front_rear_config.json` of the protocol front_rear.
    pub(crate) front_rear: Option<File>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Imported {
    /// The text of a `routes.yaml`.
    pub(crate) yaml: String,
    /// What is different now, and what the user has to do: each stands in the file too.
    pub(crate) notes: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    #[error(
        "nothing to import: {origin} has no MIDDLEWARE_NAME; name the middleware's file with --env, or Stream's with --config-ini"
    )]
    Nothing { origin: String },
    #[error("there is no protocol `{name}`: expected one of {}", protocol::names().join(", "))]
    Protocol { name: String },
    #[error(
        "the protocol dot reads its cameras from dot_config.csv: name the file with --direction"
    )]
    NoDirection,
    #[error(
        "the protocol front_rear reads its cameras from front_rear_config.json: name the file with --front-rear"
    )]
    NoFrontRear,
    #[error("{file}, line {line}: {what}")]
    Unreadable {
        file: String,
        line: usize,
        what: String,
    },
}

/// Every variable that a protocol knows: what a process looks for in its environment.
pub(crate) const VARIABLES: &[&str] = &[
    "MIDDLEWARE_NAME",
    "WEBHOOK_URL",
    "SEND_FILE",
    "REST_SERVICE_URL",
    "SOAP_SERVICE_URL",
    "SOAP_USER",
    "SOAP_SERVICE_KEY",
    "SERVER_HOST",
    "LOGIN",
    "PASSWORD",
    "SSL",
    "TAG",
    "AKI_TOKEN",
    "AKS_TOKEN",
    "VMS_USERNAME",
    "VMS_PASSWORD",
    "VMS_API_URL",
    "CAMERA_UID",
    "ZATPARK_SERVICE_URL",
    "PARKPOW_TOKEN",
    "PARKPOW_ENDPOINT",
    "STREAM_TOKEN",
    "STREAM_API_TOKENS",
    "ADMIN_TOKEN",
];

/// The variables of a `.env` file.
///
/// # Errors
/// When a line is no assignment or a quote is never closed.
pub(crate) fn variables(file: &File) -> Result<Vec<(String, String)>, ImportError> {
    dotenv::read(file)
}

/// The config that does what the middleware did.
///
/// # Errors
/// When there is no protocol to be seen, it is none that is known, or one of its files is missing or unreadable.
pub(crate) fn import(old: &Old) -> Result<Imported, ImportError> {
    let mut settings = Settings::new(&old.variables);
    let protocol = Protocol::of(&mut settings)?;
    if protocol.is_none() && old.config_ini.is_none() {
        return Err(ImportError::Nothing {
            origin: old.origin.clone(),
        });
    }
    let mut page = Page::new(old, protocol);
    if let Some(protocol) = protocol {
        protocol.write(old, &mut settings, &mut page)?;
    }
    if let Some(file) = &old.config_ini {
        webhooks::write(file, protocol.is_some(), &mut page)?;
    }
    page.settings = settings.told();
    Ok(page.finish())
}

#[cfg(test)]
mod tests;
