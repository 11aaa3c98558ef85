//! The `translate_box` step: has the event's boxes count in the one picture that a target is sent.
//!
//! Where the boxes lie is only told when all steps are taken, for the steps behind this one may cut that picture still.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::opened::Opened;
use super::places::{Places, What, place_of};
use super::{Flow, Mistakes, Step, StepError, Work};
use crate::event::{Area, Boxes, Event, Item, Picture, Role, Unit};
use crate::template::Engine;

pub(super) const NAME: &str = "translate_box";

/// Tells all boxes (of plates, vehicles, faces, objects) in pixels of one picture as it is after all steps, for targets that
/// are sent that picture alone. A box that does not lie in it, or to which no way is known, becomes null.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "TranslateBox")]
pub(crate) struct Settings {
    /// The picture: `vehicle` (default), `frame`, `plate`, `face`, `thumbnail`, or a name that a step gave with `as`. Where an
    /// event has several, each plate's box is told in its own, and in a delivery of one item all in that item's.
    to: String,
    /// What becomes of a box that lies only partly in the picture: `clip` (default) cuts it, `drop` makes it null.
    outside: Outside,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outside {
    #[default]
    Clip,
    Drop,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            to: Role::VEHICLE.as_str().to_owned(),
            outside: Outside::default(),
        }
    }
}

/// What the step asks for.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    to: Role,
    outside: Outside,
}

pub(super) struct TranslateBox(Wish);

impl TranslateBox {
    pub(super) fn new(settings: &Settings, engine: &Engine) -> Result<Self, Mistakes> {
        match engine.picture(&settings.to) {
            Ok(()) => Ok(Self(Wish {
                to: Role::named(&settings.to),
                outside: settings.outside,
            })),
            Err(mistake) => Err(vec![(vec!["to".to_owned()], mistake)]),
        }
    }
}

impl Step for TranslateBox {
    fn name(&self) -> &'static str {
        NAME
    }

    fn take(&self, work: &mut Work) -> Result<Flow, StepError> {
        work.translate = Some(self.0.clone());
        Ok(Flow::Continue)
    }
}

/// The event with its boxes in the picture that is wished for, and a note when one cannot be; `None` when there is no such
/// picture.
pub(super) fn translated(
    event: &Arc<Event>,
    item: Option<Item>,
    pictures: &[Picture],
    opened: &Opened,
    wish: &Wish,
) -> Option<(Event, Vec<String>)> {
    let of_role: Vec<&Picture> = pictures
        .iter()
        .filter(|picture| picture.role == wish.to)
        .collect();
    let of = |item: Option<Item>| {
        of_role
            .iter()
            .rfind(|picture| picture.item == item)
            .copied()
    };
    of_role.first()?;
    let places = Places::of(event, u64::MAX, opened);
    let (mut told, mut notes) = (Event::clone(event), Vec::new());
    for thing in What::ALL
        .iter()
        .flat_map(|what| what.of(event))
        .filter(|thing| thing.area.is_some())
    {
        let only = of_role.first().copied().filter(|_| of_role.len() == 1);
        let picture = match item {
            Some(_) => of(item).or_else(|| of(None)),
            None => of(Some(thing.item)).or_else(|| of(None)).or(only),
        };
        let area = (|| {
            let picture = picture.ok_or("it has no such picture")?;
            let size = picture.size().ok_or("the picture cannot be read")?;
            let origin = places
                .origin_of(picture, size)
                .ok_or("where the picture comes from is not known")?;
            let spot = places.find(&thing, &origin)?;
            let inside = spot.within(size).ok_or("it lies outside of the picture")?;
            let is_whole = spot.xmin > -0.5
                && spot.ymin > -0.5
                && spot.xmax < f64::from(size.width) + 0.5
                && spot.ymax < f64::from(size.height) + 0.5;
            let side = |at: u32| i32::try_from(at).unwrap_or(i32::MAX);
            match is_whole || wish.outside == Outside::Clip {
                false => Err("it lies partly outside of the picture"),
                true => Ok(Area {
                    xmin: side(inside.x),
                    ymin: side(inside.y),
                    xmax: side(inside.x.saturating_add(inside.width)),
                    ymax: side(inside.y.saturating_add(inside.height)),
                    unit: Unit::Pixels,
                    image: wish.to.clone(),
                }),
            }
        })();
        if let Err(why) = area {
            notes.push(format!(
                "{NAME}: {} of {}: {why}",
                thing.what.word(),
                thing.item
            ));
        }
        if let Some(place) = place_of(&mut told, &thing) {
            *place = area.ok();
        }
    }
    told.boxes = Boxes::In(wish.to.clone());
    told.changed_from(event);
    Some((told, notes))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_comes_out_as_expected() {
        crate::steps::fixtures::every_case("translate_box");
    }
}
