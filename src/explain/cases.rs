//! A user's tests of a `routes.yaml`: events in, and what is expected to come of them. Nothing is sent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use super::outcome::{Expected, Made};
use super::{Explainer, decode, request};
use crate::config::Planned;
use crate::delivery::Pipelines;
use crate::event::{Event, EventId, Original};
use crate::sample::{Drawn, Sample, Told, plate_text};
use crate::units::Span;

/// The moment of a test that tells none, so that its requests are the same on any day.
const NOW: &str = "2026-01-01T12:00:00Z";

/// The file of tests, beside `routes.yaml`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cases {
    /// What `${NAME}` stands for in these tests, in place of the environment.
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    /// The rows of lists that come from servers, by name: plates, or objects as the server tells them. Nobody is asked, and
    /// a list that has no rows here was not fetched yet.
    #[serde(default)]
    pub(crate) lists: BTreeMap<String, Vec<Value>>,
    /// One after the other; none knows of those before it.
    pub(crate) tests: Vec<Case>,
}

/// Events that come in, and what comes of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// What it shows, such as `residents are not reported`.
    pub(crate) name: String,
    /// The moment when the first event comes in (`2026-01-01T12:00:00Z`).
    #[serde(default)]
    now: Option<At>,
    /// What comes in, in this order.
    events: Vec<Coming>,
    /// Every delivery that is to be made, in any order; `[]` for none. What routes or steps filter may be left out.
    pub(crate) expect: Vec<Expected>,
}

/// An event that comes in: one of `file`, `sample` and `event`. With `after` alone, only time that passes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Coming {
    /// How long after the one before.
    #[serde(default)]
    after: Option<Span>,
    /// A raw request (request line, headers, empty line, body), a vendor's JSON or a neutral event; counted from the folder
    /// of this file. `camhook events` and the API give you those that came in.
    #[serde(default)]
    file: Option<PathBuf>,
    /// What `camhook send` would post, such as `stream` or `viewtron plate`.
    #[serde(default)]
    sample: Option<String>,
    /// The sample's plate (`KD482PL`).
    #[serde(default)]
    plate: Option<String>,
    /// The sample's camera (`camera-1`).
    #[serde(default)]
    camera: Option<String>,
    /// The path that a sample is posted to (`/`).
    #[serde(default)]
    path: Option<String>,
    /// The event in its neutral form, such as `{ source: gate, kind: plate, plates: [{ text: AB123CD }] }`.
    #[serde(default)]
    event: Option<Map<String, Value>>,
}

/// A moment as RFC 3339 writes it.
#[derive(Debug, Clone, Copy)]
struct At(Timestamp);

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = |_| de::Error::custom(format!("`{text}` is no moment: expected such as {NOW}"));
        text.parse().map(Self).map_err(wrong)
    }
}

impl JsonSchema for At {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "At".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

impl Case {
    /// Lets the events come in and tells what is not as expected, each fault in lines to read; none when all is.
    ///
    /// # Errors
    /// When an event cannot be made; why.
    pub(crate) fn faults(
        &self,
        planned: &Planned,
        pipelines: &Pipelines,
        folder: &Path,
    ) -> Result<Vec<String>, String> {
        Ok(super::outcome::faults(
            &self.expect,
            &self.made(planned, pipelines, folder)?,
        ))
    }

    /// What comes of the events.
    ///
    /// # Errors
    /// When an event cannot be made; why.
    pub(crate) fn made(
        &self,
        planned: &Planned,
        pipelines: &Pipelines,
        folder: &Path,
    ) -> Result<Vec<Made>, String> {
        let mut explainer = Explainer::new(planned, pipelines, None);
        let mut now = match self.now {
            Some(At(now)) => now,
            None => NOW.parse().map_err(|error| format!("{error}"))?,
        };
        let mut made = Vec::new();
        let mut known = 0_u8;
        for (n, coming) in self.events.iter().enumerate() {
            if let Some(Span(after)) = coming.after {
                let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
                now = now.saturating_add(after).unwrap_or(Timestamp::MAX);
                Made::add(&explainer.overdue(now), &mut made);
            }
            let events = coming
                .events(planned, folder, now)
                .map_err(|why| format!("event {}: {why}", n + 1))?;
            for mut event in events {
                // Ids that are the same each time.
                known = known.wrapping_add(1);
                Arc::make_mut(&mut event).id = id(known);
                Made::add(&explainer.story(&event, now), &mut made);
            }
        }
        Ok(made)
    }
}

fn id(n: u8) -> EventId {
    let mut bytes = [0x01, 0x9b, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0];
    bytes[15] = n;
    EventId::from_bytes(bytes)
}

impl Coming {
    pub(super) fn events(
        &self,
        planned: &Planned,
        folder: &Path,
        now: Timestamp,
    ) -> Result<Vec<Arc<Event>>, String> {
        match (&self.file, &self.sample, &self.event) {
            (Some(file), None, None) => {
                let path = folder.join(file);
                let bytes = std::fs::read(&path)
                    .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                decode(planned, Bytes::from(bytes), now).map_err(|error| error.to_string())
            }
            (None, Some(name), None) => self.sample(name, planned, now),
            (None, None, Some(event)) => {
                let event = Event::from_json(Value::Object(event.clone()), now)?;
                Ok(vec![Arc::new(event)])
            }
            (None, None, None) if self.after.is_some() => Ok(Vec::new()),
            _ => Err("expected one of `file`, `sample` and `event`".to_owned()),
        }
    }

    fn sample(
        &self,
        name: &str,
        planned: &Planned,
        now: Timestamp,
    ) -> Result<Vec<Arc<Event>>, String> {
        let sample = Sample::named(name)
            .ok_or_else(|| format!("no sample is called `{name}`: see `camhook send --help`"))?;
        let plate = self.plate.clone().unwrap_or_else(|| plate_text(1));
        let told = Told {
            plate: &plate,
            second_plate: &plate_text(2),
            camera: self.camera.as_deref().unwrap_or("camera-1"),
            at: now,
            url: "http://camhook/",
            seed: 1,
        };
        let request = sample.request(&Drawn::new(&plate, told.second_plate), &told);
        let headers = request.headers.into_iter();
        let original = Original {
            method: request.method.to_string(),
            path: self.path.clone().unwrap_or_else(|| "/".to_owned()),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            remote: None,
            received_at: now,
            body: request.body.into(),
        };
        request::through(planned, original).map_err(|error| error.to_string())
    }
}
