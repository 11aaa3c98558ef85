//! `camhook test`: holds a `routes.yaml` against the tests that its user wrote beside it. Nothing is sent.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::show::{clean, error};
use super::{Common, Failure};
use crate::config::{Config, Surroundings, WebhooksFrom, environment, sheet};
use crate::explain::{Cases, Made};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The file of tests; `tests.yaml` beside the config unless given.
    file: Option<PathBuf>,
    /// Only tests whose name holds this text.
    #[arg(long)]
    name: Option<String>,
    /// Print what comes of each test's events, in the form of `expect`, to paste.
    #[arg(long)]
    show: bool,
}

pub(super) fn test(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let beside = || common.config.with_file_name("tests.yaml");
    let path = arguments.file.clone().unwrap_or_else(beside);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Failure::Said(format!(
            "cannot read {}: {error}; docs/testing.md tells how tests are written",
            path.display()
        ))
    })?;
    let refused = |report| Failure::Config(Box::new(report));
    let cases: Cases = sheet(&path.display().to_string(), &text).map_err(refused)?;
    let said = |name: &str| match cases.environment.get(name) {
        Some(value) => Ok(Some(value.clone())),
        None => environment(name),
    };
    let around = Surroundings {
        webhooks: WebhooksFrom::Nowhere,
        ..Surroundings::default()
    };
    let config = Config::load_with(&common.config, &around, &said).map_err(refused)?;
    give_rows(&config, &cases)?;
    let planned = config.planned();
    let (_, pipelines) = config.open();
    let folder = path.parent().unwrap_or(Path::new("."));

    let wanted = |name: &str| {
        let only = arguments.name.as_deref();
        only.is_none_or(|only| name.contains(only))
    };
    let (mut passed, mut failed) = (0, 0);
    for case in cases.tests.iter().filter(|case| wanted(&case.name)) {
        if arguments.show {
            let made = case.made(&planned, &pipelines, folder);
            show(&case.name, &made.map_err(Failure::Said)?);
            continue;
        }
        let faults = match case.faults(&planned, &pipelines, folder) {
            Ok(faults) => faults,
            Err(why) => vec![why],
        };
        match faults.is_empty() {
            true => passed += 1,
            false => failed += 1,
        }
        tell(common, &case.name, &faults);
    }
    if arguments.show {
        return Ok(());
    }
    if !common.json {
        line(&format!("{passed} passed, {failed} failed"));
    }
    match failed {
        0 if passed == 0 => Err(Failure::Said("there is no such test".to_owned())),
        0 => Ok(()),
        _ => {
            error("camhook: routes.yaml does not do what its tests say");
            Err(Failure::Told)
        }
    }
}

/// Lists that come from servers are as the tests say, so that these say the same on any machine.
fn give_rows(config: &Config, cases: &Cases) -> Result<(), Failure> {
    let known = |name: &String| (config.refreshed.iter()).any(|list| list.name.as_str() == name);
    if let Some(name) = cases.lists.keys().find(|name| !known(name)) {
        return Err(Failure::Said(format!(
            "`lists`: `{name}` is no list that comes from a server"
        )));
    }
    for list in &config.refreshed {
        match cases.lists.get(list.name.as_str()) {
            Some(rows) => list.pretend(rows)?,
            None => list.list.forget(),
        }
    }
    Ok(())
}

/// Prints a line; what a camera sent must not steer the terminal.
fn line(text: &str) {
    super::show::line(&clean(text));
}

fn tell(common: &Common, name: &str, faults: &[String]) {
    let outcome = if faults.is_empty() { "ok" } else { "FAILED" };
    if common.json {
        let row = json!({ "test": name, "passed": faults.is_empty(), "faults": faults });
        return line(&row.to_string());
    }
    line(&format!("{outcome}  {name}"));
    for text in faults.iter().flat_map(|fault| fault.lines()) {
        line(&format!("    {text}"));
    }
}

fn show(name: &str, made: &[Made]) {
    line(&format!("# {name}"));
    let entries: Vec<String> = made.iter().filter_map(Made::entry).collect();
    if entries.is_empty() {
        line("expect: []");
        return;
    }
    line("expect:");
    for text in entries.iter().flat_map(|entry| entry.lines()) {
        line(&format!("  {text}"));
    }
}
