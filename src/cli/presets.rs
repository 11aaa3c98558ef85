//! `camhook presets`: which systems camhook knows how to speak to, what their presets ask for, and what they would send.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::show::{error, line, table};
use super::{Common, Failure, preset_page};
use crate::config::{Each, Preset, Tried, preset};
use crate::secret::{Blot, MASK};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What a preset is for, its settings, a target to paste and the request it makes.
    Show {
        name: String,
        /// The preset's file instead, to write your own from.
        #[arg(long)]
        file: bool,
    },
    /// Make the requests of a preset's examples and hold them against what is expected; nothing is sent.
    Test {
        name: String,
        /// A setting to try instead of the example's, such as `url=http://10.0.0.5` or `cameras.gate=7`.
        #[arg(long, value_name = "SETTING=VALUE")]
        with: Vec<String>,
    },
    /// Write a page for each shipped preset.
    #[command(hide = true)]
    Docs {
        #[arg(long)]
        out: PathBuf,
    },
}

pub(super) fn presets(common: &Common, arguments: Arguments) -> Result<(), Failure> {
    let folder = preset::folder(&common.config);
    let find = |name: &str| {
        preset::find(name, folder.as_deref()).map_err(|report| Failure::Config(Box::new(report)))
    };
    match arguments.command {
        None => {
            let own = folder.as_deref().map(preset::own).unwrap_or_default();
            let shipped = preset::shipped().map(str::to_owned);
            let mut names: Vec<String> = shipped.chain(own).collect();
            names.sort();
            names.dedup();
            let all = names.iter().map(|name| find(name));
            list(common, &all.collect::<Result<Vec<Preset>, Failure>>()?);
            Ok(())
        }
        Some(Command::Show { name, file: true }) => {
            let text = preset::text(&name, folder.as_deref());
            match text {
                Some(text) => text.lines().for_each(line),
                None => drop(find(&name)?),
            }
            Ok(())
        }
        Some(Command::Show { name, file: false }) => {
            let page = preset_page::page(&find(&name)?);
            page.lines().for_each(line);
            Ok(())
        }
        Some(Command::Test { name, with }) => {
            let preset = find(&name)?;
            let more = settings(&with)?;
            test(common, &preset, &more, folder.as_deref())
        }
        Some(Command::Docs { out }) => {
            std::fs::create_dir_all(&out)?;
            for name in preset::shipped() {
                std::fs::write(
                    out.join(format!("{name}.md")),
                    preset_page::page(&find(name)?),
                )?;
            }
            Ok(())
        }
    }
}

fn list(common: &Common, presets: &[Preset]) {
    if common.json {
        for preset in presets {
            let settings: Vec<&str> = preset
                .settings
                .0
                .iter()
                .map(|(name, _)| name.as_str())
                .collect();
            let row = json!({ "name": preset.name, "about": preset.about, "verified": preset.verified, "settings": settings });
            line(&row.to_string());
        }
        return;
    }
    let rows = presets.iter().map(|preset| {
        let verified = if preset.verified { "yes" } else { "no" };
        vec![
            preset.name.clone(),
            verified.to_owned(),
            preset.about.clone(),
        ]
    });
    table(&["preset", "verified", "about"], rows);
    line("");
    line(
        "`camhook presets show NAME` tells a preset's settings. Verified: seen to work with the real system.",
    );
}

/// `a=1` and `a.b=2` as settings.
fn settings(with: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut settings = Map::new();
    for given in with {
        let Some((way, text)) = given.split_once('=') else {
            return Err(Failure::Said(format!(
                "`{given}` is no setting: expected SETTING=VALUE"
            )));
        };
        let value = match serde_json::from_str(text) {
            Ok(
                value @ (Value::Object(_) | Value::Array(_) | Value::Bool(_) | Value::Number(_)),
            ) => value,
            _ => Value::from(text),
        };
        match way.split_once('.') {
            None => drop(settings.insert(way.to_owned(), value)),
            Some((name, inner)) => {
                let table = settings
                    .entry(name)
                    .or_insert_with(|| Value::Object(Map::new()));
                table[inner] = value;
            }
        }
    }
    Ok(settings)
}

fn test(
    common: &Common,
    preset: &Preset,
    more: &Map<String, Value>,
    folder: Option<&std::path::Path>,
) -> Result<(), Failure> {
    let mut failed = false;
    let blot = Blot::new(secrets(preset, more));
    for (n, example) in preset.examples.iter().enumerate() {
        let about = example.about.as_deref().unwrap_or("example");
        let (outcome, text) = match preset::try_out(preset, example, more, folder) {
            Tried::Made(request) if !more.is_empty() => ("made", masked(&request, &blot)),
            Tried::Made(request) if request == example.request.trim_end() => {
                ("as expected", request)
            }
            Tried::Made(request) => ("differs", request),
            Tried::Dead(reason) => ("dead", blot.out(&reason)),
            Tried::Refused(report) => return Err(Failure::Config(Box::new(report))),
        };
        failed |= matches!(outcome, "differs" | "dead");
        if common.json {
            line(
                &json!({ "example": n, "about": about, "outcome": outcome, "request": text })
                    .to_string(),
            );
            continue;
        }
        line(&format!("{about}: {outcome}"));
        for text in text.lines() {
            line(&format!("    {text}"));
        }
        if outcome == "differs" {
            line("  expected:");
            for text in example.request.lines() {
                line(&format!("    {text}"));
            }
        }
    }
    if failed {
        error(&format!(
            "preset {} does not make what it says",
            preset.name
        ));
        return Err(Failure::Told);
    }
    Ok(())
}

/// What the user gave for secret settings.
fn secrets(preset: &Preset, more: &Map<String, Value>) -> Vec<String> {
    let mut secrets = Vec::new();
    for (name, value) in more {
        let setting = preset.settings.get(name);
        let Some(setting) = setting else { continue };
        match value {
            Value::String(text) if setting.is_secret() => secrets.push(text.clone()),
            Value::Object(cameras) if setting.fields.0.iter().any(|(_, field)| field.secret) => {
                let texts = cameras.values().flat_map(|camera| match camera {
                    Value::Object(fields) => fields.values().cloned().collect(),
                    other => vec![other.clone()],
                });
                secrets.extend(texts.filter_map(|text| text.as_str().map(str::to_owned)));
            }
            _ => {}
        }
    }
    secrets
}

/// Without the user's secrets, in whatever form credentials take.
fn masked(request: &str, blot: &Blot) -> String {
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    let lines = head.lines().map(|line| match line.split_once(": ") {
        Some(("authorization", _)) => format!("authorization: {MASK}"),
        _ => blot.out(line),
    });
    let head = lines.collect::<Vec<String>>().join("\n");
    match body {
        "" => head,
        body => format!("{head}\n\n{}", blot.out(body)),
    }
}

/// The word for `each` on a route.
pub(super) fn each(each: Each) -> Option<&'static str> {
    match each {
        Each::Plate => Some("plate"),
        Each::Face => Some("face"),
        Each::Object => Some("object"),
        Each::Event => None,
    }
}
