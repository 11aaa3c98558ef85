//! Hikvision: what cameras and recorders post to an alarm host ("HTTP listening" of ISAPI).
//!
//! After Hikvision's "Intelligent Security API (ANPR) Developer Guide" and the message `XML_EventNotificationAlert_ANPR` of its
//! Device Network SDK guide, and what third-party receivers tell of real devices, all read 2026-11-21. One XML
//! document `EventNotificationAlert`, in whatever namespace: as a *file* part (`anpr.xml`, `MoveDetection.xml`, …) with
//! pictures beside it, or bare. Devices that post JSON, and access controllers, are left to `generic`.
//!
//! Not documented, and decided here: a camera is known by its address (and the channel behind a recorder), since names are
//! `Camera 01` everywhere; `country` and `vehicleLogoRecog` are numbers of tables that nobody publishes whole, so the first
//! is told as region without a country, the second stays under `raw`; the unit of `plateRect`, see [`rectangle`].

mod rectangle;

use std::sync::Arc;

use memchr::memmem;

use super::body::{self, Body};
use super::bounds::ITEMS_READ;
use super::json::Json;
use super::lenient::{first_of, known, list, number, percent, text};
use super::media::{picture, role_named};
use super::multipart::Part;
use super::{DecodeSettings, Source, Undecodable, country, xml};
use crate::event::{
    Candidate, Event, Item, Kind, ListEntry, Object, Original, Plate, Raw, Role, Scored, Status,
    Told, Vehicle, sniff,
};
use crate::name::Name;

/// The document's root.
const ALERT: &str = "EventNotificationAlert";

pub(super) struct Hikvision;

impl Source for Hikvision {
    fn kind(&self) -> &'static str {
        "hikvision"
    }

    fn recognises(&self, request: &Original) -> bool {
        memmem::find(&request.body, ALERT.as_bytes()).is_some() && Message::find(request).is_ok()
    }

    fn decode(
        &self,
        source: &Name,
        settings: &DecodeSettings,
        request: &Arc<Original>,
    ) -> Result<Vec<Event>, Undecodable> {
        let Message {
            raw,
            repaired,
            parts,
        } = Message::find(request)?;
        let tree: Json = body::parse(raw.text())?;
        let alert = &tree[ALERT];
        // `duration` says that another event goes on.
        let word = match text(&alert["eventType"]) {
            Some(word) if word.eq_ignore_ascii_case("duration") => {
                text(&one(&alert["DurationList"]["Duration"])["relationEvent"])
            }
            word => word,
        };
        let active = text(&alert["eventState"]).map(|state| state.eq_ignore_ascii_case("active"));
        let kind = kind_of(word.as_deref().unwrap_or_default(), active, alert);
        let mut event = Event::new(source.clone(), self.kind(), kind, Arc::clone(request));
        event.vendor_kind = word;
        event.vendor_id = known(&alert["UUID"]);
        event.raw = raw.clone();
        event.repaired.extend(repaired);
        take_camera(&mut event, alert);
        take_time(&mut event, settings, alert);
        take_pictures(&mut event, alert, parts);
        if kind == Kind::Plate {
            let plate = plate(&event, alert);
            event.plates.push(plate);
            if text(&alert["isDataRetransmission"]).is_some_and(|word| word == "true") {
                event.status = Some(Status {
                    name: Some("retransmission".to_owned()),
                    active: Some(true),
                    rule: None,
                });
            }
        } else {
            take_status(&mut event, alert, active);
        }
        Ok(vec![event])
    }
}

/// The XML in its wrapping as a tree, and the parts beside it.
struct Message {
    raw: Raw,
    repaired: Option<String>,
    parts: Vec<Part>,
}

impl Message {
    fn find(request: &Original) -> Result<Self, Undecodable> {
        let (text, parts) = match Body::read(request)? {
            Body::Xml(text) => (text, Vec::new()),
            Body::Multipart(mut parts) => {
                let at = parts
                    .iter()
                    .position(|part| {
                        xml::looks_like(&part.data)
                            && memmem::find(&part.data, ALERT.as_bytes()).is_some()
                    })
                    .ok_or_else(|| {
                        Undecodable::because(format!(
                            "no part of the multipart body is XML with `{ALERT}`"
                        ))
                    })?;
                (parts.remove(at).data, parts)
            }
            _ => {
                return Err(Undecodable::because(
                    "the body is neither XML nor multipart as Hikvision's devices post them",
                ));
            }
        };
        let (tree, repaired) = match xml::read(&text) {
            Ok(tree) => (tree, None),
            // Names that people gave to channels and lists go into the document as they are.
            Err(error) => match xml::read(&with_ampersands_escaped(&text)) {
                Ok(tree) => (
                    tree,
                    Some("the XML held `&` that were not escaped".to_owned()),
                ),
                Err(_) => return Err(error),
            },
        };
        if tree.get(ALERT).is_none_or(|alert| !alert.is_object()) {
            return Err(Undecodable::because(format!(
                "the XML is no `{ALERT}` as Hikvision's devices post it"
            )));
        }
        Ok(Self {
            raw: Raw::from_value(&tree),
            repaired,
            parts,
        })
    }
}

/// Every `&` that begins no entity is one that was forgotten to be escaped.
fn with_ampersands_escaped(text: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(text.len() + 64);
    for (at, byte) in text.iter().enumerate() {
        escaped.push(*byte);
        if *byte == b'&' {
            let name = &text[at + 1..text.len().min(at + 10)];
            let length = name
                .iter()
                .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'#')
                .count();
            if length == 0 || name.get(length) != Some(&b';') {
                escaped.extend_from_slice(b"amp;");
            }
        }
    }
    escaped
}

/// An element that comes once or several times: the first.
fn one<'t, 'a>(element: &'t Json<'a>) -> &'t Json<'a> {
    list(element).first().unwrap_or(element)
}

/// All of an element that comes once or several times.
fn all<'t, 'a>(element: &'t Json<'a>) -> &'t [Json<'a>] {
    match element {
        Json::List(elements) => elements,
        Json::Null => &[],
        element => std::slice::from_ref(element),
    }
}

fn kind_of(word: &str, active: Option<bool>, alert: &Json) -> Kind {
    match word.to_ascii_lowercase().as_str() {
        "anpr" => Kind::Plate,
        _ if !alert["ANPR"]["licensePlate"].is_null() => Kind::Plate,
        "vmd" | "motion" | "motiondetection" | "pir" => Kind::Motion,
        "linedetection" => Kind::LineCrossing,
        "fielddetection" => Kind::Intrusion,
        "regionentrance" => Kind::RegionEntry,
        "regionexiting" => Kind::RegionExit,
        "facedetection" | "facesnap" | "facecapture" => Kind::Face,
        "loitering" => Kind::Loitering,
        "parking" => Kind::Parking,
        "peoplecounting" | "pdc" => Kind::Counting,
        "heartbeat" => Kind::Heartbeat,
        // A sign of life every few seconds; with `active` the video is lost indeed.
        "videoloss" if active == Some(false) => Kind::Heartbeat,
        "videoloss"
        | "shelteralarm"
        | "tamperdetection"
        | "scenechangedetection"
        | "defocus"
        | "io"
        | "diskfull"
        | "diskerror"
        | "diskunformat"
        | "nicbroken"
        | "ipconflict"
        | "illaccess"
        | "badvideo"
        | "videomismatch"
        | "recordingfailure" => Kind::Status,
        _ => Kind::Other,
    }
}

fn take_camera(event: &mut Event, alert: &Json) {
    let camera = &mut event.camera;
    camera.ip = text(&alert["ipAddress"]).filter(|ip| ip != "0.0.0.0");
    camera.mac = text(&alert["macAddress"]);
    camera.name = text(&alert["channelName"]);
    camera.serial = text(first_of(&[
        &alert["deviceSerialNo"],
        &alert["deviceSerial"],
    ]));
    // A recorder tells its cameras apart by the dynamic channel; a camera itself has channel 1.
    camera.channel = text(first_of(&[&alert["dynChannelID"], &alert["channelID"]]));
    let device = camera.ip.clone().or_else(|| camera.mac.clone());
    let behind = camera.channel.as_deref().filter(|channel| *channel != "1");
    camera.id = match (device, behind) {
        (Some(device), Some(channel)) => Some(format!("{device}/{channel}")),
        (device, _) => device,
    };
    let place = &alert["DeviceGPSInfo"];
    let degrees = |names: [&str; 2], below_zero: (&str, &str)| {
        let angle = first_of(&[&place[names[0]], &place[names[1]]]);
        let degree = number(&angle["degree"])?;
        let minute = number(&angle["minute"]).unwrap_or(0.0);
        let second = number(&angle["sec"]).unwrap_or(0.0);
        let value = degree + minute / 60.0 + second / 3_600.0;
        let is_below = text(&place[below_zero.0]).is_some_and(|side| side == below_zero.1);
        Some(if is_below { -value } else { value })
    };
    let latitude = degrees(["Latitude", "latitude"], ("latitudeType", "S"));
    let longitude = degrees(["Longitude", "longitude"], ("longitudeType", "W"));
    if let (Some(latitude), Some(longitude)) = (latitude, longitude)
        && (latitude, longitude) != (0.0, 0.0)
    {
        (camera.latitude, camera.longitude) = (Some(latitude), Some(longitude));
    }
}

fn take_time(event: &mut Event, settings: &DecodeSettings, alert: &Json) {
    let moment =
        text(&alert["dateTime"]).and_then(|written| Told::read(&written, &settings.zone()));
    match moment {
        Some(told) => event.occurred_at = told.moment,
        None => event
            .repaired
            .push("the event's `dateTime` is no time: the time of arrival stands in".to_owned()),
    }
}

fn take_pictures(event: &mut Event, alert: &Json, parts: Vec<Part>) {
    let infos = all(&alert["ANPR"]["pictureInfoList"]["pictureInfo"]);
    for part in parts {
        if sniff(&part.data).is_none() {
            continue; // `Content-Length: 0` stands for no picture
        }
        let file = part.filename.as_deref().unwrap_or(&part.name);
        let kind = infos
            .iter()
            .find(|info| text(&info["fileName"]).is_some_and(|name| name == file))
            .and_then(|info| text(&info["type"]));
        let stem = kind.as_deref().unwrap_or(&part.name);
        let stem = stem.split('.').next().unwrap_or(stem);
        let role = match stem.to_ascii_lowercase().as_str() {
            "licenseplatepicture" => Role::PLATE,
            "detectionpicture" | "backgroundpicture" => Role::FRAME,
            "vehiclepicture" => Role::VEHICLE,
            "facepicture" | "faceimage" => Role::FACE,
            // What comes with a motion or a crossing is what the camera saw.
            _ if event.kind != Kind::Plate && event.images.is_empty() => Role::FRAME,
            _ => role_named(stem),
        };
        let item = (role == Role::PLATE).then_some(Item::Plate(0));
        let told = part.content_type.as_deref();
        event.images.push(picture(part.data, told, role, item));
    }
}

fn plate(event: &Event, alert: &Json) -> Plate {
    let anpr = &alert["ANPR"];
    let is_read = |word: &String| !["noplate", "无车牌"].contains(&word.to_lowercase().as_str());
    let read = known(&anpr["licensePlate"]).filter(is_read);
    let original = known(&anpr["originalLicensePlate"]).filter(is_read);
    let region = known(&anpr["country"]).filter(|country| country != "0");
    Plate {
        candidates: original
            .filter(|original| read.as_ref() != Some(original))
            .map(|text| Candidate { text, score: None })
            .into_iter()
            .collect(),
        score: percent(&anpr["confidenceLevel"]),
        country: region
            .as_deref()
            .and_then(|code| country::of_three_letters(code).or_else(|| country::of_region(code))),
        region,
        heading: known(&anpr["direction"]),
        area: rectangle::of_plate(event, alert),
        speed: number(&anpr["vehicleInfo"]["speed"]).filter(|speed| *speed > 0.0),
        vehicle: vehicle(anpr),
        list: known(&anpr["vehicleListName"]).map(|name| ListEntry {
            name: Some(name),
            ..ListEntry::default()
        }),
        text: read,
        ..Plate::default()
    }
}

fn vehicle(anpr: &Json) -> Option<Vehicle> {
    let info = &anpr["vehicleInfo"];
    let kind = known(&anpr["vehicleType"]).or_else(|| known(&info["vehicleType"]));
    let color = known(&info["color"]).or_else(|| known(&info["vehicleColor"]));
    (kind.is_some() || color.is_some()).then(|| Vehicle {
        kind,
        colors: color
            .clone()
            .map(|value| Scored { value, score: None })
            .into_iter()
            .collect(),
        color,
        ..Vehicle::default()
    })
}

fn take_status(event: &mut Event, alert: &Json, active: Option<bool>) {
    let entry = one(&alert["DetectionRegionList"]["DetectionRegionEntry"]);
    event.status = Some(Status {
        name: text(&alert["eventDescription"]).or_else(|| event.vendor_kind.clone()),
        active,
        rule: text(first_of(&[&entry["regionID"], &alert["regionID"]])),
    });
    if event.kind == Kind::Heartbeat {
        return;
    }
    for entry in all(&alert["DetectionRegionList"]["DetectionRegionEntry"]) {
        let object = Object {
            class: known(&entry["detectionTarget"]),
            area: rectangle::of_target(&entry["TargetRect"]),
            ..Object::default()
        };
        if object.class.is_some() || object.area.is_some() {
            event.objects.push(object);
        }
        if event.objects.len() == ITEMS_READ {
            break;
        }
    }
}
