//! Verkada: webhooks of Verkada Command, plates (`lpr`) and everything else.
//!
//! After Verkada's pages "LPR webhook object" and "Securing webhooks" (apidocs.verkada.com), read 2026-11-21. One JSON
//! object, `{"webhook_type": …, "webhook_id": …, "created_at": …, "data": {…}}`, times as Unix seconds; signed in the header
//! `Verkada-Signature`, which the front door checks where `auth: { signature: … }` asks for it. No picture comes along,
//! only its address (`image_url`, newer installations).
//!
//! The sample on Verkada's page also holds `crop`, four fractions that no text explains. They cannot be corners in the
//! order of x, y, x, y, and two other orders are possible: no box is made of them, they stay under `raw`.

use std::sync::Arc;

use jiff::Timestamp;
use memchr::memmem;

use super::body::{self, Body};
use super::json::Json;
use super::lenient::{first_of, known, number, score, text};
use super::{DecodeSettings, Source, Undecodable, country};
use crate::event::{
    Event, Item, Kind, Moment, Original, Picture, PictureData, Plate, Raw, Role, Status,
};
use crate::name::Name;

pub(super) struct Verkada;

impl Source for Verkada {
    fn kind(&self) -> &'static str {
        "verkada"
    }

    fn recognises(&self, request: &Original) -> bool {
        memmem::find(&request.body, b"\"webhook_type\"").is_some()
            && matches!(Body::read(request), Ok(Body::Json(text))
                if body::parse::<Json>(&text).is_ok_and(|told| is_webhook(&told)))
    }

    fn decode(
        &self,
        source: &Name,
        _: &DecodeSettings,
        request: &Arc<Original>,
    ) -> Result<Vec<Event>, Undecodable> {
        let Body::Json(document) = Body::read(request)? else {
            return Err(Undecodable::because(
                "the body is no JSON as Verkada's webhooks are",
            ));
        };
        let told: Json = body::parse(&document)?;
        if !is_webhook(&told) {
            return Err(Undecodable::because(
                "the JSON has no `webhook_type` and no object `data` as Verkada's webhooks do",
            ));
        }
        let (word, data) = (text(&told["webhook_type"]), &told["data"]);
        let is_plate = word
            .as_deref()
            .is_some_and(|word| word.eq_ignore_ascii_case("lpr"));
        let kind = if is_plate { Kind::Plate } else { Kind::Other };
        let mut event = Event::new(source.clone(), self.kind(), kind, Arc::clone(request));
        event.vendor_kind = word;
        event.vendor_id = text(&told["webhook_id"]);
        event.camera.id = text(first_of(&[&data["camera_id"], &data["device_id"]]));
        event.raw = Raw::from_text(document.clone());
        take_time(
            &mut event,
            first_of(&[&data["created"], &told["created_at"]]),
        );
        if is_plate {
            take_plate(&mut event, data);
        } else if let Some(name) = known(&data["notification_type"]) {
            event.status = Some(Status {
                name: Some(name),
                ..Status::default()
            });
        }
        Ok(vec![event])
    }
}

fn is_webhook(told: &Json) -> bool {
    text(&told["webhook_type"]).is_some() && told["data"].is_map()
}

fn take_time(event: &mut Event, told: &Json) {
    // The cast saturates, and what is out of range is refused behind it.
    let moment = number(told).and_then(|second| Timestamp::from_second(second as i64).ok());
    match moment {
        Some(moment) => event.occurred_at = Moment::utc(moment),
        None => event
            .repaired
            .push("the webhook tells no readable time: the time of arrival stands in".to_owned()),
    }
}

fn take_plate(event: &mut Event, data: &Json) {
    let region = known(&data["license_plate_state"]);
    event.plates.push(Plate {
        text: known(&data["license_plate_number"]),
        score: score(&data["confidence"]),
        country: region.as_deref().and_then(country::of_region),
        region,
        ..Plate::default()
    });
    let address = text(&data["image_url"])
        .filter(|address| address.starts_with("https://") || address.starts_with("http://"));
    if let Some(address) = address {
        event.images.push(Picture {
            role: Role::PLATE,
            item: Some(Item::Plate(0)),
            content_type: "image/jpeg".to_owned(),
            data: PictureData::Url(address),
        });
    }
}
