//! `dwell`: joins the report of how long a vehicle stayed to the recognition of its plate.
//!
//! Some readers tell of a stay in an event of its own, with the plate and little else. What was known when the plate was
//! read is remembered, in the commit of that event; the report is filtered, and in its place one is told that has both.

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dedupe::later;
use super::key;
use crate::decide::{Asked, Book, Decider, Decision, Join};
use crate::event::{Event, EventId, Item, Kind, Plate, Vehicle};
use crate::fate::{How, Part};
use crate::units::Span;

pub(super) const NAME: &str = "dwell";

/// Bytes of what is remembered of one plate; of one that tells more only its scores and where it is from.
const REMEMBERED_MAX: usize = 2_048;
/// Plates of one event that are remembered.
const PLATES_MAX: usize = 32;

/// Joins a report of how long a vehicle stayed (`event.dwell`) to the last recognition of its plate by the same camera: what
/// the report does not tell of the plate and the vehicle is filled in. All else passes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "DwellStep")]
pub(crate) struct Settings {
    /// For how long a recognition is remembered (`24h`).
    within: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            within: Span(std::time::Duration::from_secs(86_400)),
        }
    }
}

pub(super) struct Dwell {
    within: SignedDuration,
}

/// A plate as it was recognised.
#[derive(Clone, Serialize, Deserialize)]
struct Recognised {
    part: Part,
    plate: Plate,
}

impl Dwell {
    pub(super) fn new(settings: &Settings) -> Self {
        let within = SignedDuration::try_from(settings.within.0);
        Self {
            within: within.unwrap_or(SignedDuration::MAX),
        }
    }

    fn remember(&self, asked: &Asked<'_>, numbers: &[usize], book: &mut Book) {
        for n in numbers {
            let Some(key) = page(asked.event, *n) else {
                continue;
            };
            let recognised = Recognised {
                part: Part::of(asked.event, Some(Item::Plate(*n))),
                plate: known(&asked.event.plates[*n]),
            };
            book.write(&key, recognised, later(asked.now, self.within), asked.now);
        }
    }
}

impl Decider for Dwell {
    fn name(&self) -> &'static str {
        NAME
    }

    fn decide(&self, asked: &Asked<'_>, book: &mut Book) -> Decision {
        let event = asked.event;
        let numbers: Vec<usize> = match asked.item {
            None => (0..event.plates.len().min(PLATES_MAX)).collect(),
            Some(Item::Plate(n)) if n < event.plates.len() => vec![n],
            Some(_) => Vec::new(),
        };
        if event.kind != Kind::Dwell && event.dwell.is_none() {
            if event.kind == Kind::Plate {
                self.remember(asked, &numbers, book);
            }
            return Decision::pass();
        }
        let mut told = Event::clone(event);
        told.id = EventId::at(asked.now);
        let mut joins = Vec::new();
        for n in &numbers {
            let found = page(event, *n).and_then(|key| {
                let found = book.find::<Recognised>(&key, asked.now)?;
                Some(found.state.clone())
            });
            if let Some(Recognised { part, plate }) = found {
                fill(&mut told.plates[*n], plate);
                joins.push(Join {
                    why: "told of again with its stay".to_owned(),
                    part,
                    into: (told.id, asked.item.map(|_| Item::Plate(0))),
                    how: How::Recognition,
                });
            }
        }
        let Some(first) = joins.first() else {
            return Decision::pass();
        };
        if let Some(Item::Plate(n)) = asked.item {
            only(&mut told, n);
        }
        Decision {
            filtered_by: Some(format!("told with its recognition {}", first.part.id).into()),
            told: vec![told],
            joins,
            ..Decision::default()
        }
    }
}

fn page(event: &Event, n: usize) -> Option<String> {
    let plate = key::plate(event, n)?;
    Some(key::bounded(&format!("{}/{plate}", key::camera(event))))
}

/// Without what counts in pictures of the recognition, and what could be of any length.
fn known(plate: &Plate) -> Plate {
    let mut known = Plate {
        area: None,
        candidates: Vec::new(),
        user_data: None,
        ..plate.clone()
    };
    if let Some(vehicle) = &mut known.vehicle {
        vehicle.area = None;
    }
    let length = serde_json::to_string(&known).map_or(usize::MAX, |text| text.len());
    if length <= REMEMBERED_MAX {
        return known;
    }
    Plate {
        score: plate.score,
        detection_score: plate.detection_score,
        region_score: plate.region_score,
        country: plate.country.clone(),
        direction: plate.direction,
        speed: plate.speed,
        ..Plate::default()
    }
}

/// What the report does not tell itself.
fn fill(plate: &mut Plate, from: Plate) {
    plate.score = plate.score.or(from.score);
    plate.detection_score = plate.detection_score.or(from.detection_score);
    plate.region = plate.region.take().or(from.region);
    plate.region_score = plate.region_score.or(from.region_score);
    plate.country = plate.country.take().or(from.country);
    plate.direction = plate.direction.or(from.direction);
    plate.heading = plate.heading.take().or(from.heading);
    plate.speed = plate.speed.or(from.speed);
    plate.list = plate.list.take().or(from.list);
    plate.owner = plate.owner.take().or(from.owner);
    if plate.orientation.is_empty() {
        plate.orientation = from.orientation;
    }
    plate.vehicle = match (plate.vehicle.take(), from.vehicle) {
        (Some(told), Some(from)) => Some(filled(told, from)),
        (told, from) => told.or(from),
    };
}

fn filled(told: Vehicle, from: Vehicle) -> Vehicle {
    Vehicle {
        kind: told.kind.or(from.kind),
        score: told.score.or(from.score),
        area: told.area,
        make: told.make.or(from.make),
        model: told.model.or(from.model),
        year: told.year.or(from.year),
        color: told.color.or(from.color),
        colors: match told.colors.is_empty() {
            true => from.colors,
            false => told.colors,
        },
    }
}

/// Leaves one plate, with its pictures.
fn only(event: &mut Event, n: usize) {
    event.plates = vec![event.plates.swap_remove(n)];
    event.images.retain_mut(|image| match image.item {
        Some(Item::Plate(other)) if other == n => {
            image.item = Some(Item::Plate(0));
            true
        }
        Some(Item::Plate(_)) => false,
        _ => true,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::stories::every_story;

    #[test]
    fn follows_every_story() {
        every_story(NAME);
    }

    #[test]
    fn a_report_about_one_of_several_plates_keeps_that_ones_pictures() {
        use crate::event::{Picture, PictureData, Role};
        let json = serde_json::json!({ "plates": [{ "text": "A" }, { "text": "B" }] });
        let mut event = Event::from_json(json, jiff::Timestamp::UNIX_EPOCH).unwrap();
        event.images = [None, Some(Item::Plate(0)), Some(Item::Plate(1))]
            .map(|item| Picture {
                role: Role::PLATE,
                item,
                content_type: "image/jpeg".to_owned(),
                data: PictureData::Url("http://cam/p".to_owned()),
            })
            .into();
        only(&mut event, 1);
        let items: Vec<Option<Item>> = event.images.iter().map(|image| image.item).collect();
        assert_eq!(event.plates[0].text.as_deref(), Some("B"));
        assert_eq!(items, [None, Some(Item::Plate(0))]);
    }

    #[test]
    fn what_is_remembered_of_a_plate_is_bounded() {
        let plate = Plate {
            owner: Some("x".repeat(REMEMBERED_MAX)),
            country: Some("DE".to_owned()),
            ..Plate::default()
        };
        let known = known(&plate);
        assert_eq!((known.owner, known.country.as_deref()), (None, Some("DE")));
    }
}
