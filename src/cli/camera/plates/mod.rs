//! `camhook camera plates`: the plate lists inside of a camera, which decide what it calls known, blocked or strange.
//!
//! There are two generations of the API. Newer cameras (2.1) keep plates in groups whose numbers differ between cameras,
//! so they are asked for first; a camera that does not know that question is of the older generation, in which the lists
//! are words. Facts: the vendor's reference and its own Python client, read on 2026-11-21.

mod groups;
mod older;

use clap::{Args, Subcommand};
use jiff::civil::{Date, DateTime, Time};
use serde_json::{Value, json};

use groups::Groups;
use older::Older;

use super::Vendor;
use super::access::Access;
use super::device::Device;
use crate::cli::show::{clean, line, table};
use crate::cli::{Common, Failure};

/// The last day that all firmware understands: it counts seconds in 32 bits.
const FOREVER: DateTime = DateTime::constant(2037, 12, 31, 23, 59, 59, 0);

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[arg(value_enum, value_name = "VENDOR")]
    vendor: Vendor,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the plates (with --json one object for each).
    List(List),
    /// Add a plate, at once.
    Add(Add),
    /// Remove a plate, at once.
    Remove(Remove),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    access: Access,
    /// Of this list only: allow, block, temporary, or a list's name or number in the camera.
    #[arg(long, value_name = "LIST")]
    list: Option<String>,
}

#[derive(Debug, Args)]
struct Add {
    /// The plate as the camera reads it, without spaces.
    #[arg(value_name = "PLATE")]
    plate: String,
    /// allow, block, temporary, or a list's name or number in the camera.
    #[arg(long, value_name = "LIST")]
    list: String,
    /// Valid from, in the camera's own time: 2026-01-31, or "2026-01-31 12:00".
    #[arg(long, value_name = "TIME", value_parser = from)]
    from: Option<DateTime>,
    /// Valid until; a day counts to its end. A plate whose time is over is a stranger, in any list.
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Option<DateTime>,
    /// Whose car it is.
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, Args)]
struct Remove {
    /// The plate as it stands in the camera.
    #[arg(value_name = "PLATE")]
    plate: String,
    /// From this list only: allow, block, temporary, or a list's name or number in the camera.
    #[arg(long, value_name = "LIST")]
    list: Option<String>,
    #[command(flatten)]
    access: Access,
}

/// A plate as a camera keeps it; times are its own, as it writes them.
#[derive(Debug, Clone, Default, PartialEq)]
struct Plate {
    text: String,
    /// The list's name.
    list: String,
    from: String,
    until: String,
    owner: String,
}

/// A plate to add.
struct New<'a> {
    text: &'a str,
    from: Option<DateTime>,
    until: Option<DateTime>,
    owner: Option<&'a str>,
}

/// The lists of a camera, in its generation of the API.
enum Lists {
    Groups(Groups),
    Older(Older),
}

impl Lists {
    async fn of(device: &mut Device) -> Result<Self, Failure> {
        match Groups::of(device).await {
            Ok(groups) => Ok(Self::Groups(groups)),
            Err(failed) if failed.is_unknown_call() => Ok(Self::Older(Older)),
            Err(failed) => Err(failed.into()),
        }
    }
}

pub(super) async fn plates(common: &Common, arguments: Arguments) -> Result<(), Failure> {
    let Vendor::Viewtron = arguments.vendor;
    match arguments.action {
        Action::List(arguments) => list(common, &arguments).await,
        Action::Add(arguments) => add(&arguments).await,
        Action::Remove(arguments) => remove(&arguments).await,
    }
}

async fn list(common: &Common, arguments: &List) -> Result<(), Failure> {
    let mut device = arguments.access.device()?;
    let list = arguments.list.as_deref();
    let plates = match Lists::of(&mut device).await? {
        Lists::Groups(groups) => groups.plates(&mut device, list).await?,
        Lists::Older(older) => older.plates(&mut device, list).await?,
    };
    if common.json {
        for plate in &plates {
            line(&plate.to_json().to_string());
        }
        return Ok(());
    }
    if plates.is_empty() {
        line("No plates.");
        return Ok(());
    }
    let rows = plates
        .into_iter()
        .map(|plate| vec![plate.text, plate.list, plate.from, plate.until, plate.owner]);
    table(&["PLATE", "LIST", "FROM", "UNTIL", "OWNER"], rows);
    Ok(())
}

async fn add(arguments: &Add) -> Result<(), Failure> {
    let new = New {
        text: checked(&arguments.plate)?,
        from: arguments.from,
        until: arguments.until,
        owner: arguments.owner.as_deref(),
    };
    if new
        .from
        .is_some_and(|from| new.until.unwrap_or(FOREVER) < from)
    {
        return Err(Failure::Said("--until is before --from".to_owned()));
    }
    let mut device = arguments.access.device()?;
    let done = match Lists::of(&mut device).await? {
        Lists::Groups(groups) => groups.add(&mut device, &arguments.list, &new).await?,
        Lists::Older(older) => older.add(&mut device, &arguments.list, &new).await?,
    };
    line(&clean(&done));
    Ok(())
}

async fn remove(arguments: &Remove) -> Result<(), Failure> {
    let plate = checked(&arguments.plate)?;
    let mut device = arguments.access.device()?;
    let list = arguments.list.as_deref();
    let done = match Lists::of(&mut device).await? {
        Lists::Groups(groups) => groups.remove(&mut device, plate, list).await?,
        Lists::Older(_) => {
            return Err(Failure::Said(
                "this camera's API (before 2.1) has no way to remove a plate; do it in its web page, or let it expire: add \
                 plates there with --until"
                    .to_owned(),
            ));
        }
    };
    for text in done {
        line(&clean(&text));
    }
    Ok(())
}

impl Plate {
    fn to_json(&self) -> Value {
        let text = |text: &str| match text {
            "" => Value::Null,
            text => text.into(),
        };
        json!({
            "plate": self.text, "list": text(&self.list), "from": text(&self.from), "until": text(&self.until),
            "owner": text(&self.owner),
        })
    }
}

/// The text of a plate without what surely is a slip of the hand.
fn checked(plate: &str) -> Result<&str, Failure> {
    let plate = plate.trim();
    if plate.is_empty() || plate.chars().any(char::is_control) {
        return Err(Failure::Said("the plate is empty, or no text".to_owned()));
    }
    Ok(plate)
}

/// A list's name without what people and firmwares write differently.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// The names that firmwares give to what the user calls `allow`, `block` or `temporary`.
fn names(list: &str) -> &'static [&'static str] {
    match plain(list).as_str() {
        "allow" | "allowlist" | "white" | "whitelist" => {
            &["whitelist", "allowlist", "white", "allow"]
        }
        "block" | "blocklist" | "black" | "blacklist" => {
            &["blacklist", "blocklist", "black", "block"]
        }
        "temporary" | "temporarylist" => &["temporarylist", "temporary"],
        _ => &[],
    }
}

fn from(text: &str) -> Result<DateTime, String> {
    moment(text, Time::midnight())
}

fn until(text: &str) -> Result<DateTime, String> {
    moment(text, Time::constant(23, 59, 59, 0))
}

fn moment(text: &str, of_day: Time) -> Result<DateTime, String> {
    let moment = match (text.len(), text.parse::<Date>()) {
        (10, Ok(day)) => Ok(day.to_datetime(of_day)),
        _ => text.parse::<DateTime>(),
    };
    moment.map_err(|_| "write it as 2026-01-31, or \"2026-01-31 12:00\"".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_counts_whole() {
        assert_eq!(
            from("2026-01-31").unwrap().to_string(),
            "2026-01-31T00:00:00"
        );
        assert_eq!(
            until("2026-01-31").unwrap().to_string(),
            "2026-01-31T23:59:59"
        );
        assert_eq!(
            until("2026-01-31 12:00").unwrap().to_string(),
            "2026-01-31T12:00:00"
        );
        assert!(from("31.1.2026").is_err() && from("2026-01-31T12:00:00Z").is_err());
    }
}
