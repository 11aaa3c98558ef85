//! `camhook explain`: what each route would do with an event.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use clap::Args;
use serde_json::Value;

use super::ask::Camhook;
use super::show::{cell, clean};
use super::{Common, Failure};
use crate::clock::Clock;
use crate::config::Config;
use crate::event::{Event, EventId, PictureData};
use crate::explain::{self, Explainer};
use crate::fate::{Joined, Pair};
use crate::name::Name;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A stored event's id, or a file: a neutral event as JSON, or a raw request (request line, headers, empty line, body).
    #[arg(long, value_name = "ID|FILE")]
    event: String,
    /// Only this route.
    #[arg(long)]
    route: Option<String>,
    /// Write the pictures that steps make into this folder.
    #[arg(long, value_name = "FOLDER")]
    pictures: Option<PathBuf>,
}

pub(super) async fn explain(common: &Common, arguments: Arguments) -> Result<(), Failure> {
    let now = Clock::system().now();
    let only = arguments.route.as_deref().map(Name::new).transpose()?;
    let config =
        Config::load(&common.config).map_err(|report| Failure::Config(Box::new(report)))?;
    if let Some(only) = &only
        && !config.routes.iter().any(|route| route.name == *only)
    {
        let names: Vec<&str> = config
            .routes
            .iter()
            .map(|route| route.name.as_str())
            .collect();
        return Err(Failure::Said(format!(
            "no route `{only}`; there are: {}",
            names.join(", ")
        )));
    }
    let planned = config.planned();
    let (_, pipelines) = config.open();
    let mut explainer = Explainer::new(&planned, &pipelines, only.as_ref());
    let events = match EventId::from_str(&arguments.event) {
        Ok(id) if !Path::new(&arguments.event).exists() => {
            let Stored {
                event,
                joined,
                halves,
            } = stored(common, id).await?;
            explainer.recall(&joined, &halves);
            vec![event]
        }
        _ => {
            let file = std::fs::read(&arguments.event).map_err(|error| {
                Failure::Said(format!(
                    "`{}` is neither an event's id nor a file: {error}",
                    arguments.event
                ))
            })?;
            explain::decode(&planned, Bytes::from(file), now)?
        }
    };
    for event in &events {
        explainer.pictures = arguments.pictures.as_ref().map(|_| Vec::new());
        let story = explainer.story(event, now);
        let pictures = explainer.pictures.take();
        if let (Some(folder), Some(pictures)) = (&arguments.pictures, pictures) {
            std::fs::create_dir_all(folder)?;
            for (name, bytes) in pictures {
                std::fs::write(folder.join(name), bytes)?;
            }
        }
        if common.json {
            story
                .iter()
                .for_each(|route| super::show::line(&route.to_string()));
        } else {
            tell(event, &story);
        }
    }
    Ok(())
}

/// An event as the camhook has it, and what it was delivered with.
struct Stored {
    event: Arc<Event>,
    joined: Vec<Joined>,
    /// The other halves of the pairs it makes.
    halves: Vec<Arc<Event>>,
}

async fn stored(common: &Common, id: EventId) -> Result<Stored, Failure> {
    let camhook = Camhook::find(common).await?;
    let stored = async {
        let event = whole(&camhook, id).await?;
        let event = event.ok_or_else(|| Failure::Said(format!("no such event: {id}")))?;
        let joined = camhook.get(&format!("/api/v1/events/{id}/joined")).await?;
        let joined: Vec<Joined> = serde_json::from_slice(&joined.body)?;
        let mut halves = Vec::new();
        for half in joined.iter().filter(|joined| Pair::is_half(joined, id)) {
            // One that is no longer kept is delivered without, too.
            halves.extend(whole(&camhook, half.part.id).await?);
        }
        Ok(Stored {
            event,
            joined,
            halves,
        })
    }
    .await;
    camhook.done().await;
    stored
}

/// An event with its request and pictures, if it is kept.
async fn whole(camhook: &Camhook, id: EventId) -> Result<Option<Arc<Event>>, Failure> {
    let path = format!("/api/v1/events/{id}");
    let Some(kept) = camhook.find_at(&path).await? else {
        return Ok(None);
    };
    let json: Value = serde_json::from_slice(&kept.body)?;
    let mut event = Event::from_json(json, Clock::system().now()).map_err(Failure::Said)?;
    let mut original = crate::event::Original::clone(&event.original);
    original.body = camhook.get(&format!("{path}/original")).await?.body;
    event.original = Arc::new(original);
    for (n, picture) in event.images.iter_mut().enumerate() {
        if let PictureData::Bytes(bytes) = &mut picture.data {
            *bytes = camhook.get(&format!("{path}/images/{n}")).await?.body;
        }
    }
    Ok(Some(Arc::new(event)))
}

/// Prints a line; what a camera sent must not steer the terminal.
fn line(text: &str) {
    super::show::line(&clean(text));
}

fn tell(event: &Event, story: &[Value]) {
    let plates: Vec<&str> = event
        .plates
        .iter()
        .filter_map(|plate| plate.text.as_deref())
        .collect();
    line(&format!(
        "event {}: {} by {} ({}), camera {}, plates {}",
        event.id,
        event.kind.as_str(),
        event.source,
        event.vendor,
        event.camera.id.as_deref().unwrap_or("unknown"),
        if plates.is_empty() {
            "none".to_owned()
        } else {
            plates.join(" ")
        },
    ));
    if story.is_empty() {
        line("no route takes events of this source");
    }
    for route in story {
        line("");
        tell_route(route);
        for step in route["asked"].as_array().into_iter().flatten() {
            line(&format!(
                "  step  {}: as if it remembered nothing",
                cell(step)
            ));
        }
        for told in route["told"].as_array().into_iter().flatten() {
            line("");
            let event = &told["event"];
            line(&format!(
                "  would tell `{}` of {}",
                cell(&event["vendor_kind"]),
                match event["objects"].as_array().is_none_or(Vec::is_empty) {
                    true => cell(&event["plates"][0]["text"]),
                    false => cell(&event["objects"]),
                }
            ));
            tell_route(told);
        }
    }
}

fn tell_route(route: &Value) {
    let outcome = match &route["condition"] {
        Value::Null => String::new(),
        condition => format!(" by: {}", cell(condition)),
    };
    line(&format!(
        "route `{}`: {}{outcome}",
        cell(&route["route"]),
        cell(&route["outcome"])
    ));
    for delivery in route["deliveries"].as_array().into_iter().flatten() {
        tell_delivery(delivery);
    }
    for delivery in route["grown"].as_array().into_iter().flatten() {
        line(&format!(
            "  went into event {}, which waits:",
            cell(&delivery["of"])
        ));
        tell_delivery(delivery);
    }
}

fn tell_delivery(delivery: &Value) {
    let item = match &delivery["item"] {
        Value::Null => "the event".to_owned(),
        item => cell(item),
    };
    let reason = match &delivery["reason"] {
        Value::Null => String::new(),
        reason => format!(": {}", cell(reason)),
    };
    let held = match &delivery["not_before"] {
        Value::Null => String::new(),
        until => format!(", not before {}", cell(until)),
    };
    line(&format!(
        "  {item} to `{}`: would be {}{held}{reason}",
        cell(&delivery["target"]),
        if delivery["outcome"] == "send" {
            "sent".to_owned()
        } else {
            cell(&delivery["outcome"])
        }
    ));
    if !delivery["pair"].is_null() {
        let [side, event] = ["side", "event"].map(|key| cell(&delivery["pair"][key]));
        line(&format!("    with  the {side}: event {event}"));
    }
    if !delivery["merged"].is_null() {
        let merged = cell(&delivery["merged"]);
        line(&format!("    with  what is the same: {merged}"));
    }
    for step in delivery["steps"].as_array().into_iter().flatten() {
        tell_step(step);
    }
    if !delivery["request"].is_null() {
        let text = explain::text(&delivery["request"]);
        text.lines().for_each(|text| line(&format!("    {text}")));
    }
}

/// What a step noted, made, took away and changed.
fn tell_step(step: &Value) {
    let list = |key: &str| step[key].as_array().cloned().unwrap_or_default();
    let mut effects: Vec<String> = list("notes").iter().map(cell).collect();
    for picture in list("pictures") {
        let size = match &picture["width"] {
            Value::Null => String::new(),
            width => format!(", {width} x {} px", picture["height"]),
        };
        let kind = cell(&picture["content_type"]);
        let mut made = format!(
            "made {}: {kind}{size}, {} bytes",
            of(&picture),
            cell(&picture["size"])
        );
        if !picture["file"].is_null() {
            made.push_str(&format!(" ({})", cell(&picture["file"])));
        }
        effects.push(made);
    }
    let gone = list("gone");
    effects.extend(
        gone.iter()
            .map(|picture| format!("took away {}", of(picture))),
    );
    let changed = list("changed");
    effects.extend(changed.iter().map(|change| {
        let [field, was, is] = ["field", "was", "is"].map(|key| cell(&change[key]));
        format!("{field}: {was} became {is}")
    }));
    if effects.is_empty() {
        effects.push("changed nothing".to_owned());
    }
    for effect in effects {
        line(&format!("    step  {}: {effect}", cell(&step["step"])));
    }
}

/// Which picture: `plate of plates/0`.
fn of(picture: &Value) -> String {
    match &picture["item"] {
        Value::Null => cell(&picture["role"]),
        item => format!("{} of {}", cell(&picture["role"]), cell(item)),
    }
}
