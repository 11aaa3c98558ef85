//! Survision: plate readings that a unit pushes over HTTP.
//!
//! After third-party receivers of these units, read 2026-11-21; the maker's own integration document is confidential. One
//! JSON object `{"anpr": {"@date": …, "decision": {…}}}` made from XML: attributes begin with `@`, and every value is a
//! text. The header `survision-serial-number` tells the unit. Other messages of the unit (`ioState`, `triggerResult`, …) have
//! other keys and are left to `generic`; an `anpr` without `decision` tells that a plate came into view or left it.
//!
//! Whether `@x` and `@y` are a corner or the middle of the plate, and of which picture beside `@xOrigin`, is not public: no
//! box is made of them, they stay under `raw`. Nor is it public which picture `jpeg` is; receivers in use look for the
//! vehicle in it, so it is taken for the frame. No box counts in it either way.

use std::sync::Arc;

use jiff::Timestamp;
use memchr::memmem;

use super::body::{self, Body};
use super::json::Json;
use super::lenient::{first_of, known, number, percent, text};
use super::media::take_base64;
use super::{DecodeSettings, Source, Undecodable, country};
use crate::event::{Event, Kind, Moment, Original, Plate, Raw, Role, Scored};
use crate::name::Name;

pub(super) struct Survision;

impl Source for Survision {
    fn kind(&self) -> &'static str {
        "survision"
    }

    fn recognises(&self, request: &Original) -> bool {
        memmem::find(&request.body, b"\"anpr\"").is_some()
            && matches!(Body::read(request), Ok(Body::Json(text))
                if body::parse::<Json>(&text).is_ok_and(|told| is_reading(&told)))
    }

    fn decode(
        &self,
        source: &Name,
        _: &DecodeSettings,
        request: &Arc<Original>,
    ) -> Result<Vec<Event>, Undecodable> {
        let Body::Json(document) = Body::read(request)? else {
            return Err(Undecodable::because(
                "the body is no JSON as Survision's units push it",
            ));
        };
        let told: Json = body::parse(&document)?;
        if !is_reading(&told) {
            return Err(Undecodable::because(
                "the JSON has no object `anpr` with a `@date` as Survision's units push it",
            ));
        }
        let anpr = &told["anpr"];
        let decision = &anpr["decision"];
        let kind = if decision.is_map() {
            Kind::Plate
        } else {
            Kind::Other
        };
        let mut event = Event::new(source.clone(), self.kind(), kind, Arc::clone(request));
        event.vendor_kind = Some("anpr".to_owned());
        event.vendor_id = text(&anpr["@id"]);
        event.raw = Raw::from_text(document.clone());
        event.camera.serial = request.header("survision-serial-number").map(str::to_owned);
        event.camera.id.clone_from(&event.camera.serial);
        take_time(&mut event, &anpr["@date"]);
        if decision.is_map() {
            event.plates.push(plate(decision, anpr));
            for (name, role) in [
                ("jpeg", Role::FRAME),
                ("contextJpeg", Role::named("context")),
            ] {
                let encoded = first_of(&[&decision[name]["#text"], &decision[name]]);
                if let Json::Text(encoded) = encoded {
                    take_base64(&mut event, name, encoded, role, None);
                }
            }
        }
        Ok(vec![event])
    }
}

fn is_reading(told: &Json) -> bool {
    let anpr = &told["anpr"];
    !anpr["@date"].is_null() && (anpr["decision"].is_null() || anpr["decision"].is_map())
}

fn take_time(event: &mut Event, told: &Json) {
    // The cast saturates, and what is out of range is refused behind it.
    let moment =
        number(told).and_then(|millisecond| Timestamp::from_millisecond(millisecond as i64).ok());
    match moment {
        Some(moment) => event.occurred_at = Moment::utc(moment),
        None => event
            .repaired
            .push("the reading's `@date` is no time: the time of arrival stands in".to_owned()),
    }
}

fn plate(decision: &Json, anpr: &Json) -> Plate {
    let region = known(first_of(&[
        &decision["@context_isoAlpha2"],
        &decision["@context"],
    ]));
    let country = text(&decision["@context_isoAlpha2"])
        .and_then(|code| country::of_region(&code))
        .or_else(|| country::of_three_letters(&text(&decision["@context_isoAlpha3"])?));
    Plate {
        text: known(&decision["@plate"]),
        score: percent(&decision["@reliability"]),
        region,
        country,
        // The side of the car that was read.
        orientation: known(&decision["@direction"])
            .map(|value| Scored { value, score: None })
            .into_iter()
            .collect(),
        speed: number(first_of(&[
            &anpr["speed"]["@instantSpeed_km_h"],
            &decision["speed"]["@instantSpeed_km_h"],
        ])),
        ..Plate::default()
    }
}
