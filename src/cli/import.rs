//! `camhook import`: a config from the vendor's own middleware, and what `camhook run` does with its variables alone.

use std::path::{Path, PathBuf};

use super::show::{error, line};
use super::{Common, Failure};
use crate::config;
use crate::import::{self, File, Imported, Old, VARIABLES};

/// The shipped config: where it lies untouched, the user has none of their own.
const SHIPPED: &str = include_str!("../../routes.yaml");
/// The file that is made of variables alone, in the store's folder.
const MADE: &str = "middleware.yaml";
const DIRECTION: &str = "dot_config.csv";
const FRONT_REAR: &str = "front_rear_config.json";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The middleware's variables; `.env`, or the environment where there is none, if not given.
    #[arg(long, value_name = "FILE")]
    env: Option<PathBuf>,
    /// Stream's own config, for its webhooks.
    #[arg(long, value_name = "FILE")]
    config_ini: Option<PathBuf>,
    /// The cameras of the protocol dot; `dot_config.csv` beside the variables if not given.
    #[arg(long, value_name = "FILE")]
    direction: Option<PathBuf>,
    /// The cameras of the protocol front_rear; `front_rear_config.json` beside the variables if not given.
    #[arg(long, value_name = "FILE")]
    front_rear: Option<PathBuf>,
    /// Where to write; the terminal if not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrite the file.
    #[arg(long)]
    force: bool,
}

pub(super) fn import(arguments: &Arguments) -> Result<(), Failure> {
    let imported = import::import(&old(arguments)?)?;
    match &arguments.out {
        None => imported.yaml.lines().for_each(line),
        Some(path) => {
            write(path, &imported.yaml, arguments.force)?;
            error(&format!(
                "{} is written; `camhook check --config {}` reads it with the variables set",
                path.display(),
                path.display()
            ));
        }
    }
    for note in &imported.notes {
        error(&format!("note: {note}"));
    }
    Ok(())
}

fn old(arguments: &Arguments) -> Result<Old, Failure> {
    let usual = Path::new(".env");
    let env = match &arguments.env {
        Some(path) => Some(read(path)?),
        None => read_if_there(usual)?,
    };
    let beside = arguments.env.as_deref().unwrap_or(usual);
    let file = |given: &Option<PathBuf>, usual: &str| match given {
        Some(path) => read(path).map(Some),
        None => read_if_there(&beside.with_file_name(usual)),
    };
    let (origin, variables) = match &env {
        Some(env) => (env.name.clone(), import::variables(env)?),
        None if arguments.config_ini.is_some() => (usual.display().to_string(), Vec::new()),
        None => ("the environment".to_owned(), environment()?),
    };
    Ok(Old {
        origin,
        variables,
        config_ini: arguments.config_ini.as_deref().map(read).transpose()?,
        direction: file(&arguments.direction, DIRECTION)?,
        front_rear: file(&arguments.front_rear, FRONT_REAR)?,
    })
}

fn read(path: &Path) -> Result<File, Failure> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(File { name, text }),
        Err(error) => Err(Failure::Said(format!("cannot read {name}: {error}"))),
    }
}

fn read_if_there(path: &Path) -> Result<Option<File>, Failure> {
    if path.is_file() {
        read(path).map(Some)
    } else {
        Ok(None)
    }
}

fn write(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    match force {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    let told = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::Said(format!(
            "{} is there already: name another file, or overwrite it with --force",
            path.display()
        )),
        _ => Failure::Said(format!("cannot write {}: {error}", path.display())),
    };
    let mut file = options.open(path).map_err(told)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(told)
}

/// The middleware's variables that are set.
fn environment() -> Result<Vec<(String, String)>, Failure> {
    let mut variables = Vec::new();
    for name in VARIABLES {
        match config::environment(name) {
            Ok(Some(value)) => variables.push(((*name).to_owned(), value)),
            Ok(None) => {}
            Err(error) => return Err(Failure::Said(format!("{name}: {error}"))),
        }
    }
    Ok(variables)
}

/// A config that was made of the environment.
pub(super) struct Made {
    pub(super) path: PathBuf,
    protocol: String,
    notes: Vec<String>,
}

impl Made {
    /// With `MIDDLEWARE_NAME` set and no config of the user's own, one is made and written into the store's folder.
    pub(super) fn instead_of(common: &Common) -> Result<Option<Self>, Failure> {
        let Ok(Some(protocol)) = config::environment("MIDDLEWARE_NAME") else {
            return Ok(None);
        };
        let own = std::fs::read_to_string(&common.config);
        let is_usual = common.config.file_name() == Some("routes.yaml".as_ref());
        if protocol.trim().is_empty() || !is_usual || !is_absent(&own) {
            return Ok(None);
        }
        let folder = common.config.parent().unwrap_or(Path::new(""));
        let Imported { yaml, notes } = import::import(&Old {
            origin: "the environment".to_owned(),
            variables: environment()?,
            config_ini: None,
            direction: read_if_there(&folder.join(DIRECTION))?,
            front_rear: read_if_there(&folder.join(FRONT_REAR))?,
        })?;
        let data = folder.join("data");
        let path = data.join(MADE);
        std::fs::create_dir_all(&data)
            .map_err(|error| Failure::Said(format!("cannot make {}: {error}", data.display())))?;
        let yaml =
            format!("{yaml}\nstore: {{ path: . }}    # this file lies in the store's folder\n");
        if std::fs::read_to_string(&path).is_ok_and(|old| old == yaml) {
            return Ok(Some(Self {
                path,
                protocol,
                notes,
            })); // nothing for a running camhook to load
        }
        write(&path, &yaml, true)?;
        Ok(Some(Self {
            path,
            protocol,
            notes,
        }))
    }

    /// What `camhook run` says of it.
    pub(super) fn tell(&self) {
        let hint = format!(
            "made from MIDDLEWARE_NAME={}; `camhook import --out routes.yaml` makes it a config of your own",
            self.protocol
        );
        line(&format!("           {hint}"));
        tracing::info!(config = %self.path.display(), "{hint}");
        for note in &self.notes {
            tracing::warn!("{note}");
        }
    }
}

fn is_absent(file: &std::io::Result<String>) -> bool {
    match file {
        Ok(text) => text == SHIPPED,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}
