//! Kipod video analytics (by Synesis, today IREX): the webhook of its alarm monitors.
//!
//! After the vendor's one published page on the webhook of an alarm monitor, as read on 2026-11-21, and what its samples
//! really hold where the two differ. An event is a JSON object; a list of them is taken, too. The page's own samples are
//! broken JSON, which [`repair`] mends when the document cannot be read as it stands. Numbers may be text and the other
//! way round, and the camera's fields may stand in `channel` or flat beside it.
//!
//! An alarm monitor lets its user choose any HTTP method. Nobody says where the data goes when the method has no body:
//! fields in the query are taken as an event, and a request without any is a sign that the address was tried.

mod identities;
mod pictures;
pub(super) mod repair;
mod shape;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::body;
use super::json::Json;
use super::lenient::{first_of, list, number, text};
use super::{DecodeSettings, Source, Undecodable};
use crate::event::{Camera, Dwell, Event, Kind, Moment, Original, Raw, Status};
use crate::name::Name;
use crate::secret::MASK;

/// Events of one request, and plates, faces or snapshots of one event; more is nobody's.
const ITEMS_MAX: usize = 1_000;

/// What is larger is not mended, since that takes a copy. The largest documents, with three pictures, have about 20 MiB.
const REPAIR_MAX: usize = 24 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) struct Kipod;

impl Source for Kipod {
    fn kind(&self) -> &'static str {
        "kipod"
    }

    fn recognises(&self, request: &Original) -> bool {
        shape::looks_like(&request.body)
    }

    fn decode(
        &self,
        source: &Name,
        _: &DecodeSettings,
        request: &Arc<Original>,
    ) -> Result<Vec<Event>, Undecodable> {
        let reader = Reader { source, request };
        if request.body.trim_ascii().is_empty() {
            return reader.without_body();
        }
        if !body::looks_like_json(&request.body) {
            return Err(Undecodable::because(
                "the body is no JSON object or list as Kipod's webhooks send",
            ));
        }
        let mut notes = Vec::new();
        if request.body.starts_with(BYTE_ORDER_MARK) {
            notes.push("the byte order mark before the JSON was left out".to_owned());
        }
        let text = body::utf8(request.body.clone())?;
        let broken = match reader.events(&text, &notes) {
            Ok(events) => return Ok(events),
            Err(broken) => broken,
        };
        if text.len() > REPAIR_MAX {
            return Err(broken);
        }
        let Some(mended) = repair::repair(&text) else {
            return Err(broken);
        };
        notes.extend(mended.notes);
        match reader.events(&Bytes::from(mended.text), &notes) {
            Err(still) if still.reason != broken.reason => {
                let reason = format!("{broken}; once mended: {still}");
                Err(Undecodable::because(reason))
            }
            read => read,
        }
    }

    fn methods(&self) -> &'static [Method] {
        &[
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::GET,
            Method::HEAD,
            Method::OPTIONS,
        ]
    }
}

struct Reader<'r> {
    source: &'r Name,
    request: &'r Arc<Original>,
}

impl Reader<'_> {
    fn new_event(&self, kind: Kind) -> Event {
        Event::new(
            self.source.clone(),
            Kipod.kind(),
            kind,
            Arc::clone(self.request),
        )
    }

    /// `notes` tell what was mended to get at the text.
    fn events(&self, text: &Bytes, notes: &[String]) -> Result<Vec<Event>, Undecodable> {
        if !text.starts_with(b"[") {
            return Ok(vec![self.event(text.clone(), notes)?]);
        }
        let Pieces(pieces) = body::parse(text)?;
        pieces
            .into_iter()
            .map(|piece| self.event(text.slice_ref(piece.get().as_bytes()), notes))
            .collect()
    }

    fn event(&self, text: Bytes, notes: &[String]) -> Result<Event, Undecodable> {
        let document: Json = body::parse(&text)?;
        let has = |name: &str| !document[name].is_null();
        if !["monitor_id", "topic", "event_id", "module"]
            .into_iter()
            .any(has)
        {
            return Err(Undecodable::because(
                "the JSON has neither `monitor_id` nor `topic` nor `event_id` nor `module` as Kipod's webhooks do",
            ));
        }
        let topic =
            self::text(&document["topic"]).map(|topic| topic.trim_matches(['"', ' ']).to_owned());
        let params = &document["params"];
        let kind = match topic.as_deref().unwrap_or_default() {
            "FaceMatched" | "FaceNotMatched" => Kind::Face,
            "PlateMatched" | "PlateNotMatched" => Kind::Plate,
            "Motion" => Kind::Motion,
            "Intrusion" => Kind::Intrusion,
            "Loitering" => Kind::Loitering,
            _ => identities::kind_by_content(params),
        };
        let mut event = self.new_event(kind);
        event.vendor_kind = topic;
        event.vendor_id = [&document["id"], &document["event_id"], &document["eventId"]]
            .into_iter()
            .find_map(self::text);
        event.repaired = notes.to_vec();
        event.camera = camera(&document);
        take_times(&mut event, &document);
        identities::take(&mut event, params);
        pictures::take(&mut event, &document["snapshots"]);
        drop(document);
        event.raw = Raw::from_text(text);
        Ok(event)
    }

    fn without_body(&self) -> Result<Vec<Event>, Undecodable> {
        if self.request.method == Method::OPTIONS.as_str() {
            return Ok(Vec::new());
        }
        if let Some(fields) = fields(&self.request.path) {
            return self.events(&Bytes::from(fields.to_string()), &[]);
        }
        if [Method::GET, Method::HEAD, Method::DELETE]
            .iter()
            .all(|method| method.as_str() != self.request.method)
        {
            return Err(Undecodable::because("the body is empty"));
        }
        let mut event = self.new_event(Kind::Status);
        event.status = Some(Status {
            name: Some("test".to_owned()),
            ..Status::default()
        });
        Ok(vec![event])
    }
}

/// The fields of an event in the query, if that is what it holds.
fn fields(path: &str) -> Option<Value> {
    let (_, query) = path.split_once('?')?;
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if value == MASK {
            continue; // a credential
        }
        let value = Bytes::from(value.into_owned());
        let document = body::looks_like_json(&value)
            .then(|| body::parse(&value).ok())
            .flatten();
        let value = document.unwrap_or_else(|| String::from_utf8_lossy(&value).into());
        fields.insert(name.into_owned(), value);
    }
    let is_event = fields.contains_key("monitor_id") || fields.contains_key("topic");
    is_event.then_some(Value::Object(fields))
}

fn camera(document: &Json) -> Camera {
    let channel = &document["channel"];
    let field = |nested: &str, flat: &str| text(first_of(&[&channel[nested], &document[flat]]));
    let degrees = |nested: &str, flat: &str, most: f64| {
        let degrees = number(first_of(&[&channel[nested], &document[flat]]))?;
        (-most..=most).contains(&degrees).then_some(degrees)
    };
    let latitude = degrees("latitude", "channel_latitude", 90.0);
    let longitude = degrees("longitude", "channel_longitude", 180.0);
    let place = latitude.zip(longitude).filter(|place| *place != (0.0, 0.0)); // which means that nobody set it
    let mut tags: Vec<String> = Vec::new();
    let told = first_of(&[
        &channel["tags"],
        &document["tags"],
        &document["channel_tags"],
    ]);
    for tag in list(told).iter().take(ITEMS_MAX) {
        let name = text(first_of(&[&tag["name"], tag]));
        tags.extend(name.filter(|name| !tags.contains(name)));
    }
    Camera {
        // A bare `channel` can only be its id.
        id: field("id", "channel_id").or_else(|| text(channel)),
        name: field("name", "channel_name"),
        latitude: place.map(|(latitude, _)| latitude),
        longitude: place.map(|(_, longitude)| longitude),
        address: address(first_of(&[
            &channel["address"],
            &document["channel_address"],
        ])),
        tags,
        ..Camera::default()
    }
}

/// From the country to the house, as Kipod orders it.
fn address(told: &Json) -> Option<String> {
    if !told.is_map() {
        return text(told);
    }
    let parts = [
        "country",
        "region",
        "county",
        "city",
        "district",
        "street",
        "place_info",
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter_map(|part| Some(text(&told[part])?.trim().to_owned()))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Milliseconds of UTC. The time inside of `id` is another one.
fn take_times(event: &mut Event, document: &Json) {
    let moment = |name: &str| {
        let told = number(&document[name]).filter(|told| *told > 0.0)?;
        Timestamp::from_millisecond(told as i64).ok()
    };
    let (start, end) = (moment("start_time"), moment("end_time"));
    match start {
        Some(start) => event.occurred_at = Moment::utc(start),
        None => event
            .repaired
            .push("`start_time` tells no time: the moment of arrival stands in for it".to_owned()),
    }
    let (Some(start), Some(end)) = (start, end) else {
        event.ended_at = end.map(Moment::utc);
        return;
    };
    if end < start {
        let note = "`end_time` lies before `start_time` and was not believed";
        event.repaired.push(note.to_owned());
        return;
    }
    event.ended_at = Some(Moment::utc(end));
    event.dwell = Some(Dwell {
        seconds: Some(end.duration_since(start).as_secs_f64()),
        first_seen: Some(Moment::utc(start)),
        last_seen: Some(Moment::utc(end)),
    });
}

/// The elements of a list as they stand in its text.
struct Pieces<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Pieces<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(PiecesReader)
    }
}

struct PiecesReader;

impl<'de> Visitor<'de> for PiecesReader {
    type Value = Pieces<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Pieces<'de>, A::Error> {
        let mut pieces = Vec::new();
        while let Some(piece) = list.next_element()? {
            if pieces.len() == ITEMS_MAX {
                return Err(A::Error::custom(format!(
                    "a list of more than {ITEMS_MAX} events"
                )));
            }
            pieces.push(piece);
        }
        Ok(Pieces(pieces))
    }
}

#[cfg(test)]
mod tests;
