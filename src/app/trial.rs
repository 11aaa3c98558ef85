//! A test event for one target: a sample event that takes the steps of a route to it, and is delivered like any other.

use std::sync::Arc;

use bytes::Bytes;

use crate::admin::ReplayError;
use crate::config::Planned;
use crate::decide::Written;
use crate::event::{DeliveryId, Event, EventId, Item, Original};
use crate::fate::{self, Choice, Plan};
use crate::name::Name;
use crate::routes::Each;
use crate::sample::{Drawn, Request, Sample, Told};
use crate::sources::{self, DecodeSettings};
use crate::store::{Intake, StoreError};
use jiff::Timestamp;

/// The source, the camera unless another is named, and the mark of test events.
const MARK: &str = "camhook-test";
const PLATE: &str = "TEST123";

/// The event with its plan: one delivery, to this target alone.
///
/// # Errors
/// When no route leads to the target.
pub(super) async fn trial(
    today: &Planned,
    target: &Name,
    camera: Option<&str>,
    now: Timestamp,
) -> Result<(EventId, Intake), ReplayError> {
    let route = today.routes.iter().find(|route| route.to.contains(target));
    let Some(route) = route else {
        let reason = format!("no route leads to `{target}`: name it under `to` of one");
        return Err(ReplayError::NoWay(reason));
    };
    let (sample, kind) = match route.each {
        None | Some(Each::Plate) => ("stream both", "platerecognizer"),
        Some(Each::Face) => ("viewtron face", "viewtron"),
        Some(Each::Object) => ("viewtron intrusion", "viewtron"),
    };
    let camera = camera.unwrap_or(MARK).to_owned();
    let request = drawn(sample, camera.clone(), now).await?;
    let mut event = decoded(kind, request, now)?;
    event.camera.id = Some(camera);
    event.camera.tags.push(MARK.to_owned());
    event
        .attributes
        .insert("camhook_test".to_owned(), true.into());
    let item = match route.each {
        None => None,
        Some(Each::Plate) => Some(Item::Plate(0)),
        Some(Each::Face) => Some(Item::Face(0)),
        Some(Each::Object) => Some(Item::Object(0)),
    };
    let plan = Plan {
        routes: vec![Choice {
            route: route.name.clone(),
            filtered_by: None,
            left_out: Vec::new(),
        }],
        deliveries: vec![fate::Planned {
            id: DeliveryId::at(now),
            route: route.name.clone(),
            target: target.clone(),
            item,
            not_before: None,
        }],
        joined: Vec::new(),
    };
    let (id, original) = (event.id, event.original.clone());
    let intake = Intake {
        original,
        events: vec![(Arc::new(event), plan)],
        written: Written::default(),
    };
    Ok((id, intake))
}

/// Drawing the photo takes some tens of milliseconds.
async fn drawn(
    sample: &'static str,
    camera: String,
    now: Timestamp,
) -> Result<Request, ReplayError> {
    let draw = move || {
        let told = Told {
            plate: PLATE,
            second_plate: PLATE,
            camera: &camera,
            at: now,
            url: "http://camhook.test/",
            seed: 1,
        };
        let sample = Sample::named(sample).expect("a sample of this name");
        sample.request(&Drawn::new(PLATE, PLATE), &told)
    };
    let request = tokio::task::spawn_blocking(draw).await;
    request.map_err(|error| StoreError::Failed(error.to_string()).into())
}

fn decoded(kind: &str, request: Request, now: Timestamp) -> Result<Event, ReplayError> {
    let mut headers: Vec<(String, String)> = vec![("x-camhook-test".to_owned(), "true".to_owned())];
    let sent = request.headers.into_iter();
    headers.extend(sent.map(|(name, value)| (name.to_owned(), value)));
    let original = Arc::new(Original {
        method: request.method.to_string(),
        path: format!("/{MARK}"),
        headers,
        remote: None,
        received_at: now,
        body: Bytes::from(request.body),
    });
    let source = sources::find(kind).expect("a source of this kind");
    let name = Name::new(MARK).expect("a short name");
    let events = sources::decode(source, &name, &DecodeSettings::default(), &original);
    let events = events.map_err(|error| ReplayError::Undecodable(error.to_string()))?;
    events
        .into_iter()
        .next()
        .ok_or_else(|| ReplayError::Undecodable("a sample without an event".to_owned()))
}
