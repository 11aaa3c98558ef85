//! `camhook store`: what is stored, checked byte by byte, or copied while camhook runs.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::show::line;
use super::{Common, Failure};
use crate::config::Config;
use crate::store::{self, Checked, Damaged, IndexState};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Read every byte of the store, and say what is damaged; also while camhook runs, and of a backup.
    Check {
        /// The store's folder, or that of a backup; without it, `store.path` of the config.
        folder: Option<PathBuf>,
        /// Build the index anew from the log if it is not as it should be. Stop camhook first.
        #[arg(long)]
        repair: bool,
    },
    /// Copy the store into an empty folder; also while camhook runs.
    Backup {
        /// Where to; it is made if it is not there.
        folder: PathBuf,
        /// The store's folder; without it, `store.path` of the config.
        #[arg(long, value_name = "STORE")]
        from: Option<PathBuf>,
    },
}

pub(super) fn store(common: &Common, arguments: Arguments) -> Result<(), Failure> {
    if common.admin.is_some() {
        return Err(Failure::Said(
            "this reads the store's files: run it where they are, without --admin".to_owned(),
        ));
    }
    match arguments.action {
        Action::Check { folder, repair } => {
            let folder = store_of(common, folder)?;
            let checked = store::check(&folder, repair)?;
            if common.json {
                checked
                    .damaged
                    .iter()
                    .for_each(|damaged| line(&row(damaged).to_string()));
                line(&sum(&checked).to_string());
            } else {
                tell(&checked);
            }
            match checked.is_well() {
                true => Ok(()),
                false => Err(Failure::Told),
            }
        }
        Action::Backup { folder, from } => {
            let from = store_of(common, from)?;
            let told = store::backup(&from, &folder)?;
            if common.json {
                line(
                    &json!({
                        "folder": folder.display().to_string(),
                        "segments": told.segments,
                        "records": told.records,
                        "events": told.events,
                        "bytes": told.bytes,
                        "damaged": told.damaged,
                    })
                    .to_string(),
                );
            } else {
                line(&format!(
                    "{} events in {} segments, {} bytes, are in {}",
                    told.events,
                    told.segments,
                    told.bytes,
                    folder.display()
                ));
            }
            match told.damaged {
                0 => Ok(()),
                records => Err(Failure::Said(format!(
                    "the copy is whole but for {records} records that cannot be read; `camhook store check` names them"
                ))),
            }
        }
    }
}

fn store_of(common: &Common, folder: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let folder = match folder {
        Some(folder) => folder,
        None => {
            let config = Config::load(&common.config);
            let config = config.map_err(|report| Failure::Config(Box::new(report)))?;
            config.store.path
        }
    };
    match folder.join("log").is_dir() {
        true => Ok(folder),
        false => Err(Failure::Said(format!(
            "{} is no store: it has no folder `log`",
            folder.display()
        ))),
    }
}

fn file(damaged: &Damaged) -> String {
    let name = damaged.file.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn row(damaged: &Damaged) -> Value {
    json!({
        "segment": file(damaged),
        "offset": damaged.offset,
        "bytes": damaged.bytes,
        "records": damaged.records,
        "events": damaged.events.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "why": damaged.why,
    })
}

/// The index's state in a word, and what there is to say of it.
fn state(index: &IndexState) -> (&'static str, Vec<String>) {
    let one = |told: &String| vec![told.clone()];
    match index {
        IndexState::Absent => ("absent", vec![]),
        IndexState::Same => ("same", vec![]),
        IndexState::Behind(records) => ("behind", vec![format!("{records} records")]),
        IndexState::Differs(told) => ("differs", told.clone()),
        IndexState::Unreadable(why) => ("unreadable", one(why)),
        IndexState::NotCompared(why) => ("not_compared", one(why)),
        IndexState::Rebuilt => ("rebuilt", vec![]),
    }
}

fn sum(checked: &Checked) -> Value {
    let (index, told) = state(&checked.index);
    json!({
        "well": checked.is_well(),
        "running": checked.running,
        "segments": checked.segments,
        "records": checked.records,
        "events": checked.events,
        "bytes": checked.bytes,
        "damaged": checked.damaged.len(),
        "index": index,
        "index_told": told,
    })
}

fn tell(checked: &Checked) {
    for damaged in &checked.damaged {
        line(&format!(
            "{}: {} bytes at byte {}: {}",
            file(damaged),
            damaged.bytes,
            damaged.offset,
            damaged.why
        ));
        if damaged.records > 0 {
            line(&format!("  {} records lay there", damaged.records));
        }
        for event in &damaged.events {
            line(&format!("  event {event}"));
        }
    }
    line(&format!(
        "log: {} segments, {} records, {} events, {} bytes: {}",
        checked.segments,
        checked.records,
        checked.events,
        checked.bytes,
        match checked.damaged.len() {
            0 => "every checksum is right".to_owned(),
            places => format!("damaged in {places} places"),
        }
    ));
    let told = match &checked.index {
        IndexState::Absent => "there is none; the next start builds it".to_owned(),
        IndexState::Same => "tells what the log tells".to_owned(),
        IndexState::Behind(records) => format!(
            "tells what the log tells, but for the last {records} records, which the next start applies"
        ),
        IndexState::Differs(told) => format!(
            "does not tell what the log tells:\n  {}\n  stop camhook and run `camhook store check --repair`: it is built anew",
            told.join("\n  ")
        ),
        IndexState::Unreadable(why) => {
            format!("cannot be read: {why}; the next start builds it anew")
        }
        IndexState::NotCompared(why) => format!("was not compared: {why}"),
        IndexState::Rebuilt => {
            "was built anew from the log; the old one is beside it as index.sqlite.unreadable"
                .to_owned()
        }
    };
    line(&format!("index: {told}"));
}
