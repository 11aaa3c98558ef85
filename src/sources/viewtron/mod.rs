//! Viewtron cameras and recorders, and whoever else sells TVT's: one XML in two dialects.
//!
//! After the vendor's HTTP post examples for cameras (v1.x) and recorders (v2.0), its SDKs and the captures in them, as
//! read on 2026-11-21. A camera posts for itself and counts in ten-thousandths of the frame; a recorder posts for its
//! channels and counts plates and faces in pixels. Versions are no guide to the dialect, so the elements decide
//! ([`message`]). Firmware differs in everything else: text or CDATA, letter case, declaration or none, padding of base64.
//!
//! A sender that gets anything but the XML success drops its connection and loses what comes next, so that answer is given
//! to whatever comes. A document that was cut is told as far as it goes, and says so.

mod camera;
mod device;
mod faces;
mod message;
mod objects;
mod picture;
mod raw;
mod recorder;
mod shape;
mod status;
mod time;
mod tree;
mod values;

use std::borrow::Cow;
use std::sync::Arc;

use super::{Answer, DecodeSettings, Source, Undecodable, xml};
use crate::event::{Event, Kind, Original};
use crate::name::Name;
use message::{Layout, Message};
use time::Clock;
use tree::{Node, Tree};

/// Ids of targets in the key of an event; more would only make it longer.
const TARGETS_MAX: usize = 8;

pub(super) struct Viewtron;

impl Source for Viewtron {
    fn kind(&self) -> &'static str {
        "viewtron"
    }

    fn recognises(&self, request: &Original) -> bool {
        shape::is_ours(request)
    }

    fn decode(
        &self,
        source: &Name,
        settings: &DecodeSettings,
        request: &Arc<Original>,
    ) -> Result<Vec<Event>, Undecodable> {
        let event = |kind| Event::new(source.clone(), self.kind(), kind, Arc::clone(request));
        let (text, mut mended) = text_of(&request.body);
        if text.trim().is_empty() {
            let mut event = event(Kind::Heartbeat);
            event.camera = device::unnamed(request);
            return Ok(vec![event]);
        }
        let tree = Tree::read(&text)?;
        let root = tree.root();
        let message = Message::of(root).ok_or_else(|| {
            Undecodable::because(format!(
                "the XML's root is `{}`, and Viewtron's is `config` or `DeviceInfo`",
                root.name().escape_debug()
            ))
        })?;
        if let Some(reason) = &tree.broken {
            if !says_something(root) {
                return Err(Undecodable::because(format!(
                    "the XML is broken before it says anything: {reason}"
                )));
            }
            mended.push(format!(
                "the XML is broken ({reason}); what stands before the break was read"
            ));
        }
        if tree.has_stray_text {
            mended.push("text outside of the document was left out".to_owned());
        }
        let mut first = event(kind_of(message, root));
        first.vendor_kind = word_of(message).map(str::to_owned);
        first.camera = device::of(root, request, first.kind == Kind::Heartbeat);
        match time::of(root, settings.timezone.as_ref()) {
            Clock::Silent => {}
            Clock::Told(moment) => first.occurred_at = moment,
            Clock::Wrong(reason) => mended.push(reason),
        }
        first.raw = raw::of(root);
        first.repaired = mended;
        Ok(match message {
            Message::Alarms(block) => alarms(first, block, root, event),
            Message::Track => {
                objects::take_tracks(&mut first, root);
                vec![first]
            }
            Message::Smart(_) => {
                match Layout::of(root, first.kind) {
                    Layout::CameraPlates => camera::take_plates(&mut first, root),
                    Layout::RecorderPlates => recorder::take_plates(&mut first, root),
                    Layout::Faces => faces::take(&mut first, root),
                    Layout::Objects => objects::take(&mut first, root),
                }
                first.vendor_id = key(&first, root, targets(root));
                vec![first]
            }
            Message::Heartbeat(_) | Message::Other(_) => vec![first],
        })
    }

    fn answer(&self) -> Answer {
        Answer {
            content_type: "application/xml",
            body: concat!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
                "<config version=\"1.0\" xmlns=\"http://www.ipc.com/ver10\"><status>success</status></config>",
            ),
        }
    }
}

/// The document's text, and what had to be mended to read it.
fn text_of(body: &[u8]) -> (Cow<'_, str>, Vec<String>) {
    match xml::text(body) {
        Ok(text) => (text, Vec::new()),
        Err(error) => (
            String::from_utf8_lossy(body),
            vec![format!("{error}; what is no letter was replaced")],
        ),
    }
}

/// Whether a document that broke off is of any use.
fn says_something(root: Node<'_>) -> bool {
    const TELLING: [&str; 8] = [
        "smartType",
        "plateNumber",
        "licensePlateNumber",
        "messageType",
        "currentTime",
        "mac",
        "macAddress",
        "SN",
    ];
    root.all()
        .any(|node| TELLING.iter().any(|name| node.is(name)) && node.text().is_some())
}

fn kind_of(message: Message<'_>, root: Node<'_>) -> Kind {
    match message {
        Message::Heartbeat(_) => Kind::Heartbeat,
        Message::Alarms(_) => Kind::Status,
        Message::Track => Kind::Track,
        Message::Smart(code) => message::kind(code, root),
        Message::Other(_) => Kind::Other,
    }
}

fn word_of(message: Message<'_>) -> Option<&str> {
    match message {
        Message::Heartbeat(word) => Some(word),
        Message::Alarms(_) => Some("alarmStatus"),
        Message::Track => Some("traject"),
        Message::Smart(word) | Message::Other(word) => word,
    }
}

/// One event for each alarm, each with all that the post says of its camera and time.
fn alarms(
    mut first: Event,
    block: Node<'_>,
    root: Node<'_>,
    new: impl Fn(Kind) -> Event,
) -> Vec<Event> {
    let mut alarms = status::of(block);
    if alarms.len() > status::ALARMS_MAX {
        alarms.truncate(status::ALARMS_MAX);
        let reason = format!("only the first {} alarms were read", status::ALARMS_MAX);
        first.repaired.push(reason);
    }
    if alarms.is_empty() {
        return vec![first]; // it names none, and is kept as it came
    }
    let of = |status: crate::event::Status| {
        let mut event = new(Kind::Status);
        event.vendor_kind.clone_from(&first.vendor_kind);
        event.camera = first.camera.clone();
        event.occurred_at = first.occurred_at;
        event.raw = first.raw.clone();
        event.repaired.clone_from(&first.repaired);
        let words = [status.name.as_deref(), status.rule.as_deref()];
        let state = status
            .active
            .map(|active| if active { "true" } else { "false" });
        let alarm: Vec<&str> = words.into_iter().chain([state]).flatten().collect();
        event.vendor_id = key(&event, root, alarm.join("/"));
        event.status = Some(status);
        event
    };
    alarms.into_iter().map(of).collect()
}

/// No event has an id of its own; this is what tells it from every other.
fn key(event: &Event, root: Node<'_>, what: String) -> Option<String> {
    let time = root
        .value("currentTime")
        .filter(|text| time::is_believable(text))
        .or_else(|| root.value("dataTime"))?;
    let mut parts = vec![
        event.camera.id.as_deref()?,
        event.vendor_kind.as_deref().unwrap_or_default(),
        time,
    ];
    if !what.is_empty() {
        parts.push(&what);
    }
    Some(parts.join("/"))
}

/// The ids of all targets; zero is none.
fn targets(root: Node<'_>) -> String {
    let mut ids: Vec<&str> = Vec::new();
    let names = ["targetId", "vehiceId", "vehicleId"];
    for node in root
        .all()
        .filter(|node| names.iter().any(|name| node.is(name)))
    {
        match node.text() {
            Some(id) if id != "0" && !ids.contains(&id) => ids.push(id),
            _ => continue,
        }
        if ids.len() == TARGETS_MAX {
            break;
        }
    }
    ids.join("+")
}

#[cfg(test)]
mod tests;
