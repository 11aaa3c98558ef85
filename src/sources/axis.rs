//! Axis: push events of the AXIS License Plate Verifier, which speaks the JSON protocol of its maker, FF Group.
//!
//! After Axis' "License plate verifier API" (developer.axis.com) and FF Group's "JSON Fields (Protocol 1.6)", both read
//! 2026-11-21. A multipart body with a *file* part `event` (JSON, every value a text) and a file part `image`; without a
//! picture the JSON may come bare. One car is told several times: `new` at its first reading, `update` whenever its plate
//! or direction changes, `lost` some seconds after it went; `carID` joins them, and is the event's `vendor_id`.
//!
//! `plateCoordinates` count in the whole frame, whatever picture is attached (`imageType`), and
//! `plateCoordinatesRelative` in the picture of the region of interest (nobody documents it; in samples of real cameras
//! they differ by that region's corner). So the box is told in the frame unless the region's picture came along.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use memchr::memmem;

use super::body::{self, Body};
use super::json::Json;
use super::lenient::{known, list, number, rectangle, score, text};
use super::media::{picture, role_named};
use super::multipart::Part;
use super::{DecodeSettings, Source, Undecodable, country};
use crate::event::{Area, Event, Item, Kind, Moment, Original, Plate, Raw, Role, Told, sniff};
use crate::name::Name;

pub(super) struct Axis;

impl Source for Axis {
    fn kind(&self) -> &'static str {
        "axis"
    }

    fn recognises(&self, request: &Original) -> bool {
        memmem::find(&request.body, b"\"plateUTF8\"").is_some()
            && document(request).is_ok_and(|(text, _)| {
                body::parse::<Json>(&text).is_ok_and(|event| is_plate_event(&event))
            })
    }

    fn decode(
        &self,
        source: &Name,
        settings: &DecodeSettings,
        request: &Arc<Original>,
    ) -> Result<Vec<Event>, Undecodable> {
        let (document, parts) = document(request)?;
        let told: Json = body::parse(&document)?;
        if !is_plate_event(&told) {
            return Err(Undecodable::because(
                "the JSON has no `plateUTF8` and `carState` as events of Axis' License Plate Verifier do",
            ));
        }
        let mut event = Event::new(
            source.clone(),
            self.kind(),
            Kind::Plate,
            Arc::clone(request),
        );
        event.vendor_kind = text(&told["carState"]);
        event.vendor_id = text(&told["carID"]);
        event.raw = Raw::from_text(document.clone());
        take_camera(&mut event, &told);
        take_time(&mut event, settings, &told);
        take_pictures(&mut event, &told, parts);
        let mut plate = Plate {
            text: known(&told["plateUTF8"]),
            score: score(&told["plateConfidence"]),
            region: known(&told["plateCountry"]),
            heading: known(&told["carMoveDirection"]),
            area: area(&event, &told),
            ..Plate::default()
        };
        plate.country = plate.region.as_deref().and_then(country::of_three_letters);
        event.plates.push(plate);
        Ok(vec![event])
    }
}

fn is_plate_event(told: &Json) -> bool {
    told.is_map() && !told["plateUTF8"].is_null() && !told["carState"].is_null()
}

/// The event's JSON text, and the parts beside it.
fn document(request: &Original) -> Result<(Bytes, Vec<Part>), Undecodable> {
    match Body::read(request)? {
        Body::Json(text) => Ok((text, Vec::new())),
        Body::Multipart(mut parts) => {
            let at = parts
                .iter()
                .position(|part| part.name == "event")
                .or_else(|| {
                    parts
                        .iter()
                        .position(|part| body::looks_like_json(&part.data))
                })
                .ok_or_else(|| Undecodable::because("the multipart body has no part `event`"))?;
            let text = parts.remove(at).data;
            Ok((body::utf8(text)?, parts))
        }
        _ => Err(Undecodable::because(
            "the body is neither multipart nor JSON as Axis' License Plate Verifier sends them",
        )),
    }
}

fn take_camera(event: &mut Event, told: &Json) {
    let info = &told["camera_info"];
    let camera = &mut event.camera;
    camera.serial = text(&info["SerialNumber"]);
    camera.mac = text(&info["MACAddress"]);
    camera.name = text(&told["sensorProviderID"]);
    // Every camera is called `defaultID` until somebody gives it a name; its serial number is its own.
    camera.id = camera.serial.clone().or_else(|| camera.name.clone());
    camera.channel = text(&told["roiID"]);
    let (latitude, longitude) = (
        number(&told["geotag"]["lat"]),
        number(&told["geotag"]["lon"]),
    );
    if let (Some(latitude), Some(longitude)) = (latitude, longitude)
        && (latitude, longitude) != (0.0, 0.0)
    {
        (camera.latitude, camera.longitude) = (Some(latitude), Some(longitude));
    }
}

fn take_time(event: &mut Event, settings: &DecodeSettings, told: &Json) {
    let captured = number(&told["capture_timestamp"])
        .filter(|millisecond| *millisecond > 0.0)
        // The cast saturates, and what is out of range is refused behind it.
        .and_then(|millisecond| Timestamp::from_millisecond(millisecond as i64).ok())
        .map(Moment::utc);
    let written = text(&told["datetime"]);
    let moment = captured.or_else(|| read_datetime(written.as_deref()?, &settings.zone()));
    match moment {
        Some(moment) => event.occurred_at = moment,
        None => event
            .repaired
            .push("the event tells no time of capture: the time of arrival stands in".to_owned()),
    }
}

/// `YYYYMMDD HHMMSSFFF`, with or without an offset such as `+0200`.
fn read_datetime(text: &str, zone: &TimeZone) -> Option<Moment> {
    let (date, rest) = text.trim().split_once(' ')?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (time, offset) = rest.split_at(digits);
    let piece = |text: &str, from: usize, to: usize| text.get(from..to).map(str::to_owned);
    let (year, month, day) = (piece(date, 0, 4)?, piece(date, 4, 6)?, date.get(6..)?);
    let (hour, minute, second) = (piece(time, 0, 2)?, piece(time, 2, 4)?, piece(time, 4, 6)?);
    let fraction = match time.get(6..)? {
        "" => String::new(),
        fraction => format!(".{fraction}"),
    };
    let usual = format!("{year}-{month}-{day}T{hour}:{minute}:{second}{fraction}{offset}");
    Told::read(&usual, zone).map(|told| told.moment)
}

fn take_pictures(event: &mut Event, told: &Json, parts: Vec<Part>) {
    let main = parts.iter().position(|part| part.name == "image");
    for (n, part) in parts.into_iter().enumerate() {
        if sniff(&part.data).is_none() {
            continue; // an empty part stands for no picture
        }
        let is_main = main.map_or(event.images.is_empty(), |main| main == n);
        let role = if is_main {
            role_of(text(&told["imageType"]).as_deref().unwrap_or_default())
        } else {
            role_named(&part.name)
        };
        let item = (role == Role::PLATE).then_some(Item::Plate(0));
        let told_type = part.content_type.as_deref();
        event.images.push(picture(part.data, told_type, role, item));
    }
}

/// A word that is not known becomes a role of its own: no box counts in it, so nothing is ever cut out of it.
fn role_of(image_type: &str) -> Role {
    match image_type.trim().to_ascii_lowercase().as_str() {
        "plate" | "lp" => Role::PLATE,
        "frame" => Role::FRAME,
        "vehicle" => Role::VEHICLE,
        other => role_named(other),
    }
}

fn area(event: &Event, told: &Json) -> Option<Area> {
    let region = Role::named("roi");
    let sides = |name: &str, role: Role| match list(&told[name]) {
        [x, y, width, height] => rectangle([x, y, width, height], role),
        _ => None,
    };
    let has = |role: &Role| event.images.iter().any(|image| image.role == *role);
    let in_region = (has(&region) && !has(&Role::FRAME))
        .then(|| sides("plateCoordinatesRelative", region))
        .flatten();
    in_region.or_else(|| sides("plateCoordinates", Role::FRAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_datetime_of_the_protocol() {
        for (text, expected) in [
            ("20210611 130538252", Some("2021-06-11T13:05:38.252Z")),
            (
                "20210611 130538252+0200",
                Some("2021-06-11T13:05:38.252+02:00"),
            ),
            ("20210611 130538", Some("2021-06-11T13:05:38Z")),
            ("20211311 130538", None),
            ("2021", None),
            ("ü021061 1305", None),
        ] {
            let read = read_datetime(text, &TimeZone::UTC).map(|moment| moment.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }
}
