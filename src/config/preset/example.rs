//! Makes the requests of a preset's examples, with nothing sent.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::file::{Each, Example, Preset};
use super::shipped::EXAMPLE_EVENT;
use crate::config::{Config, Report, Surroundings};
use crate::delivery::{Unready, prepare};
use crate::event::{DeliveryId, Event, Item, PictureData};
use crate::fate::Planned;
use crate::name::Name;
use crate::payload::{Field, Payload, Request, late};

/// The moment of all examples, so that their requests are the same at any time.
const NOW: &str = "2026-03-04T09:11:14Z";
const DELIVERY: &str = "019cb81d-9b50-7000-8000-0123456789cd";

/// What came of an example.
pub(crate) enum Tried {
    /// As [`Example::request`] has it.
    Made(String),
    /// The settings are refused.
    Refused(Report),
    /// Nothing is made of this event; why.
    Dead(String),
}

/// Makes the request of an example; `more` settings are put over its own. `folder` is that of the user's presets.
pub(crate) fn try_out(
    preset: &Preset,
    example: &Example,
    more: &Map<String, Value>,
    folder: Option<&Path>,
) -> Tried {
    let mut with = example.with.clone();
    with.extend(more.clone());
    let mut config = json!({
        "targets": { "example": { "preset": preset.name, "with": with } },
        "routes": [{ "name": "example", "to": ["example"] }],
    });
    if let Some(folder) = folder {
        config["presets"] =
            json!({ "path": std::path::absolute(folder).unwrap_or(folder.to_owned()) });
    }
    // JSON is YAML, so the example goes the way of every config.
    let text = format!("{config:#}");
    let environment = |_: &str| Ok(None);
    let around = Surroundings::default();
    let config = match Config::read("settings", &text, Path::new("."), &around, &environment) {
        Ok(config) => config,
        Err(report) => return Tried::Refused(report),
    };
    let event = match event(example) {
        Ok(event) => Arc::new(event),
        Err(why) => return Tried::Dead(format!("the example's event: {why}")),
    };
    let item = match preset.each {
        Each::Plate => Some(Item::Plate(0)).filter(|_| !event.plates.is_empty()),
        Each::Face => Some(Item::Face(0)).filter(|_| !event.faces.is_empty()),
        Each::Object => Some(Item::Object(0)).filter(|_| !event.objects.is_empty()),
        Each::Event => None,
    };
    let (_, pipelines) = config.open();
    let name = Name::new("example").expect("it is a name");
    let now = NOW.parse().expect("it is a moment");
    let id: DeliveryId = DELIVERY.parse().expect("it is an id");
    let planned = Planned {
        id,
        route: name.clone(),
        target: name,
        item,
        not_before: None,
    };
    match prepare(
        &pipelines,
        &event,
        &planned,
        None,
        (now, u64::MAX),
        |_, _| {},
    ) {
        Ok(payload) => Tried::Made(told(&payload)),
        Err(Unready::Filtered(reason) | Unready::Unfit(reason)) => Tried::Dead(reason),
    }
}

/// The example event with what this example says otherwise. Pictures have a `text`, which stands for their bytes.
fn event(example: &Example) -> Result<Event, String> {
    let mut json: Map<String, Value> =
        serde_json::from_str(EXAMPLE_EVENT).map_err(|error| error.to_string())?;
    json.extend(example.event.clone());
    let images = json.get("images").and_then(Value::as_array).cloned();
    let now = NOW.parse().expect("it is a moment");
    let mut event = Event::from_json(Value::Object(json), now)?;
    let texts = images.into_iter().flatten();
    for (picture, image) in event.images.iter_mut().zip(texts) {
        if let (PictureData::Bytes(bytes), Some(text)) = (&mut picture.data, image["text"].as_str())
        {
            *bytes = Bytes::copy_from_slice(text.as_bytes());
        }
    }
    Ok(event)
}

/// A payload as text. Lines end as lines of a text do, also where HTTP has a carriage return.
fn told(payload: &Payload) -> String {
    let text = match payload {
        Payload::Http(request) => course(request),
        Payload::Mqtt(messages) => messages
            .iter()
            .map(|message| {
                format!(
                    "{} (qos {}{})\n\n{}\n\n",
                    message.topic,
                    message.qos,
                    if message.retain { ", retained" } else { "" },
                    String::from_utf8_lossy(&message.payload.to_vec())
                )
            })
            .collect(),
        Payload::Publication(message) => {
            let headers = message.headers.iter();
            let headers: String = headers
                .map(|(name, value)| format!("{name}: {value}\n"))
                .collect();
            let payload = message.payload.to_vec();
            let payload = String::from_utf8_lossy(&payload);
            format!("{}\n{headers}\n{payload}\n", message.subject)
        }
        Payload::Line { path, header, line } => {
            let header = header.iter().map(|header| format!("{header}\n"));
            format!("{path}\n\n{}{line}", header.collect::<String>())
        }
        Payload::Files(files) => files
            .iter()
            .map(|file| {
                format!(
                    "{}\n\n{}\n",
                    file.path,
                    String::from_utf8_lossy(&file.bytes)
                )
            })
            .collect(),
        Payload::Row(row) => {
            let values = row.values.iter().enumerate().map(|(index, value)| {
                let value = match value {
                    Field::Value(value) => value.to_string(),
                    Field::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                };
                format!("\n${} = {value}", index + 1)
            });
            format!("{}\n{}", row.sql.trim_end(), values.collect::<String>())
        }
        Payload::Mail(mail) => {
            let mut text = format!("Subject: {}\n\n{}\n", mail.subject, mail.text.trim_end());
            for (name, content) in mail
                .html
                .iter()
                .map(|html| ("html", html.trim_end().to_owned()))
                .chain(mail.attachments.iter().map(|part| {
                    let content = String::from_utf8_lossy(&part.bytes).into_owned();
                    (part.name.as_str(), content)
                }))
            {
                text.push_str(&format!("\n--- {name}\n{content}\n"));
            }
            text
        }
        Payload::Log { text } => text.clone(),
    };
    late::shown(&text)
        .replace("\r\n", "\n")
        .trim_end()
        .to_owned()
}

/// A request with what happens around it, in the order of time.
fn course(main: &Request) -> String {
    let mut blocks = Vec::new();
    if let Some(around) = &main.around {
        if let Some(session) = &around.session {
            blocks.push(format!(
                "# once, for a session\n{}",
                request(&session.login)
            ));
        }
        for first in &around.first {
            blocks.push(format!("# first\n{}", request(&first.request)));
        }
    }
    if !blocks.is_empty() {
        blocks.push("# then\n".to_owned());
    }
    let text = blocks
        .iter()
        .map(|block| block.trim_end())
        .collect::<Vec<_>>();
    let before = text.join("\n\n");
    let gap = if before.is_empty() { "" } else { "\n" };
    format!("{before}{gap}{}", request(main))
}

fn request(request: &Request) -> String {
    let mut text = format!("{} {}\n", request.method, request.url);
    for (name, value) in &request.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        text.push_str(&format!("{name}: {value}\n"));
    }
    if let Some(sign) = request
        .around
        .as_ref()
        .and_then(|around| around.sign.as_ref())
    {
        text.push_str(&format!("{sign}\n"));
    }
    if !request.body.is_empty() {
        text.push('\n');
        text.push_str(&String::from_utf8_lossy(&request.body.to_vec()));
    }
    text
}
